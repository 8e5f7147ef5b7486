//! Health as an operator and a Nagios plugin see it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use passerelle::sandbox::{Fault, FaultEffect};
use serde_json::Value;
use shop::{CONNECTION, Ran, Shop, VENUE, csv_connection};

fn verdicts(ran: &Ran) -> Vec<(String, String, String)> {
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_else(|| panic!("no {key} in {line}")).to_owned();
    ran.lines.iter().map(|line| (text(line, "connection"), text(line, "probe"), text(line, "verdict"))).collect()
}

fn synced() -> Shop {
    let shop = Shop::new(2);
    shop.write_rows((0..2).map(|number| (number, 1_000, 1)));
    assert_eq!(shop.run(&["sync", CONNECTION]).code, 0);
    shop
}

#[test]
fn all_is_well_and_the_probes_leave_no_trace() {
    let shop = synced();
    let before = shop.online();
    let check = shop.run(&["check"]);
    assert_eq!(check.code, 0, "{check:#?}");
    let probes = verdicts(&check);
    for probe in ["key", "venues", "clock", "budget"] {
        assert!(
            probes.contains(&("passculture:default".into(), probe.into(), "healthy".into())),
            "{probe} in {probes:?}"
        );
    }
    for probe in ["reach", "read-one", "passes"] {
        assert!(probes.contains(&(CONNECTION.into(), probe.into(), "healthy".into())), "{probe} in {probes:?}");
    }
    assert_eq!(shop.online(), before);
    let reads = shop.sandbox.requests().into_iter().filter(|request| request.method != "GET").count();
    assert_eq!(reads, 2, "only the sync wrote: the first title of a new venue, then the rest");
}

#[test]
fn a_missing_file_fails_with_a_remedy_and_remembers_since_when() {
    let shop = synced();
    std::fs::remove_file(shop.path("stock.csv")).unwrap();
    let first = shop.run(&["check", CONNECTION]);
    assert_eq!(first.code, 2, "{first:#?}");
    let of = |ran: &Ran| ran.lines.iter().find(|line| line["probe"] == "reach").unwrap().clone();
    assert!(!of(&first)["remedy"].as_str().unwrap().is_empty(), "{}", of(&first));
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    assert_eq!(
        of(&shop.run(&["check", CONNECTION]))["since"],
        of(&first)["since"],
        "it has failed since the first time"
    );
}

#[test]
fn a_held_plan_and_a_paused_connection_are_degraded() {
    let shop = synced();
    shop.write_stock("EAN13;PV TTC;Stock\n");
    shop.run(&["sync", CONNECTION]);
    let held = shop.run(&["check", CONNECTION]);
    assert_eq!(held.code, 1, "{held:#?}");
    assert!(held.stdout.contains("--release"), "the remedy is named: {}", held.stdout);
    shop.run(&["connections", "pause", CONNECTION]);
    let paused = shop.run(&["check", CONNECTION]);
    assert_eq!(paused.code, 1);
    assert!(paused.stdout.contains("connections resume"), "{}", paused.stdout);
}

#[test]
fn a_revoked_key_and_an_unlinked_venue_fail() {
    let shop = synced();
    shop.sandbox.unlink_venue(u32::try_from(VENUE).unwrap());
    let unlinked = shop.run(&["check", CONNECTION]);
    assert!(
        verdicts(&unlinked).contains(&("passculture:default".into(), "venues".into(), "failing".into())),
        "{unlinked:#?}"
    );
    let fault = FaultEffect::Status { status: 401, retry_after: None, body: passerelle::sandbox::FaultBody::Json };
    assert!(shop.sandbox.inject(Fault::next(100, "/public/providers", fault)));
    let revoked = shop.run(&["check", CONNECTION]);
    assert_eq!(revoked.code, 2);
    assert!(
        verdicts(&revoked).contains(&("passculture:default".into(), "key".into(), "failing".into())),
        "{revoked:#?}"
    );
}

#[test]
fn a_key_that_is_not_set_is_told_and_not_asked() {
    let shop = synced();
    let mut command = shop.command(&["--format", "json", "check"]);
    let check = shop::ran(command.env_remove("TEST_KEY").output().unwrap());
    assert_eq!(check.code, 2);
    assert!(check.stdout.contains("TEST_KEY"), "{}", check.stdout);
}

#[test]
fn a_vendor_slower_than_two_seconds_is_degraded() {
    let shop = Shop::new(1);
    let address = shop.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    use tokio::io::{AsyncReadExt, AsyncWriteExt};
                    let mut request = [0; 4_096];
                    let _ = stream.read(&mut request).await;
                    tokio::time::sleep(std::time::Duration::from_millis(2_200)).await;
                    let body = format!("{{\"stocks\":[{{\"ref\":\"{}\",\"available\":1,\"price\":10}}]}}", shop::ean(0));
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                    let _ = stream.write_all((head + &body).as_bytes()).await;
                });
            }
        });
        address
    });
    shop.configure(&format!(
        "[[connection]]\nid = \"slow\"\nadapter = \"stock-api\"\nvenue = {VENUE}\n[connection.settings]\napi_url = \"http://{address}/stocks\"\n\
         siret = \"85331845900049\"\nprice_unit = \"euro\"\n"
    ));
    let check = shop.run(&["check", "slow"]);
    assert_eq!(check.code, 1, "{check:#?}");
    assert!(verdicts(&check).contains(&("slow".into(), "reach".into(), "degraded".into())), "{check:#?}");
}

#[test]
fn nothing_to_ask_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("passerelle.toml"), "").unwrap();
    let check = shop::ran(shop::command_in(folder.path(), &["--format", "json", "check"]).output().unwrap());
    assert_eq!(check.code, 3, "{check:#?}");
}

#[test]
fn settings_that_no_longer_work_are_failing_by_name() {
    let shop = synced();
    shop.configure(&csv_connection("").replace("path = \"stock.csv\"", "path = \"\""));
    let check = shop.run(&["check", CONNECTION]);
    assert_eq!(check.code, 2, "the file as it is now: {check:#?}");
    let told = check.lines.iter().find(|line| line["probe"] == "settings").unwrap();
    assert_eq!(told["verdict"], "failing");
    assert!(told["evidence"].as_str().unwrap().contains("path"), "{told}");
    assert_eq!(shop.run(&["apply"]).code, 78, "a file with wrong settings is not applied");
}

#[test]
fn what_a_clock_that_was_ahead_wrote_is_failing_and_stops_nobody() {
    use passerelle::store::{LEASE, LeaseAnswer, Owner};
    let shop = synced();
    let store = format!("sqlite:{}", shop.path("passerelle.db").display());
    shop.block_on(async {
        // A sync whose clock was a day ahead, and another that is still under way, on another machine.
        let store = passerelle::store::open(&store).await.unwrap();
        let tomorrow = passerelle::clock::now() + 24 * 3_600_000;
        let owner = Owner { host: "elsewhere".to_owned(), ..Owner::current("sync") };
        let answer = store.acquire_lease(CONNECTION, &owner, tomorrow, LEASE, &|_| false).await.unwrap();
        let LeaseAnswer::Granted(lease) = answer else { panic!("{answer:?}") };
        let mut state = store.state(CONNECTION).await.unwrap();
        state.due_at = tomorrow + 900_000;
        state.last_success_at = Some(tomorrow);
        store.save_state(&lease, &state).await.unwrap();
        store.block_budget("default", tomorrow).await.unwrap();
    });
    let check = shop.run(&["check"]);
    assert_eq!(check.code, 2, "{check:#?}");
    let of = |ran: &Ran, subject: &str| {
        ran.lines.iter().find(|line| line["probe"] == "timestamps" && line["connection"] == subject).cloned()
    };
    let told = of(&check, CONNECTION).unwrap();
    for what in ["the next pass", "the last pass", "the end of its lease"] {
        assert!(told["evidence"].as_str().unwrap().contains(what), "{told}");
    }
    assert!(told["remedy"].as_str().unwrap().contains("clock"), "{told}");
    assert_eq!(of(&check, "passculture:default").unwrap()["verdict"], "failing");

    // With the clock right again the next pass comes at once, and what it wrote is right.
    shop.write_rows((0..2).map(|number| (number, 2_000, 1)));
    let began = std::time::Instant::now();
    let mut server = shop.command(&["serve"]).spawn().unwrap();
    while !shop.online().values().all(|(cents, _)| *cents == 2_000) {
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "the first pass comes within 10 s");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let is_right = || {
        shop.block_on(async {
            let state = passerelle::store::open(&store).await.unwrap().state(CONNECTION).await.unwrap();
            state.last_success_at.is_some_and(|at| at <= passerelle::clock::now())
        })
    };
    while !is_right() {
        assert!(began.elapsed() < std::time::Duration::from_secs(15), "the pass ends");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    server.kill().unwrap();
    server.wait().unwrap();
    let check = shop.run(&["check"]);
    assert_eq!(of(&check, CONNECTION).unwrap()["verdict"], "healthy", "{check:#?}");
    assert_eq!(of(&check, "passculture:default").unwrap()["verdict"], "healthy", "{check:#?}");
}
