//! `passerelle vendor-check`: the real binary against the simulated vendor, and what its exit code says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::{Output, Stdio};

use passerelle_webhook::simulator::{OTHER_SECRET, SECRET, WebhookSimulator};
use serde_json::Value;

/// Runs it in an empty folder, without configuration.
async fn run(secret: &str, arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let output: Output = tokio::process::Command::new(env!("CARGO_BIN_EXE_passerelle"))
        .args(["vendor-check", "--secret-env", "VENDOR_SECRET"])
        .args(arguments)
        .env("VENDOR_SECRET", secret)
        .env_remove("VENDOR_OLD_SECRET")
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    // Neither the secret nor what follows its head.
    for shown in [&out, &err] {
        assert!(!shown.contains("whsec_amV0") && !shown.contains(&secret[secret.len().min(6)..]), "{shown}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it leaves nothing behind");
    (output.status.code().unwrap(), out, err)
}

fn lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{line}: {why}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_receiver_passes_and_nothing_of_it_is_left() {
    let simulator = WebhookSimulator::start().await.unwrap();
    let (url, booking, cancel) = (simulator.url(), simulator.booking_url(), simulator.cancel_url());
    let stock = ["--stock-id", "mouette/1/A", "--price-cents", "1200", "--allow-private-addresses"];
    let all = [&["--url", &url, "--booking-url", &booking, "--cancel-url", &cancel], &stock[..]].concat();
    let (code, out, _) = run(SECRET, &[&["--format", "json", "--log", "trace"], &all[..]].concat()).await;
    let lines = lines(&out);
    assert_eq!(code, 0, "{out}");
    let (summary, rules) = lines.split_last().unwrap();
    assert!(rules.len() > 20 && rules.iter().all(|rule| rule["event"] == "rule" && rule["verdict"] == "passed"));
    assert_eq!(*summary, serde_json::json!({ "event": "summary", "passed": rules.len(), "failed": 0, "warned": 0 }));
    assert!(rules.iter().all(|rule| ["rule", "sent", "saw", "remedy"].iter().all(|name| rule[*name].is_string())));
    assert_eq!(simulator.show("mouette/1/A").unwrap().remaining, Some(40));
    // For people: a table, then what cannot be seen from outside.
    let (code, out, _) = run(SECRET, &all).await;
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("VERDICT") && out.contains("created-after-cancelled") && out.contains(" 0 failed"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_another_secret_it_says_what_to_change() {
    let simulator = WebhookSimulator::start().await.unwrap();
    let url = simulator.url();
    let target = ["--url", &url, "--allow-private-addresses"];
    let (code, out, _) = run(OTHER_SECRET, &target).await;
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("To change") && out.contains("decoded bytes of the secret"), "{out}");
    let (code, out, _) = run(OTHER_SECRET, &[&target[..], &["--format", "json"]].concat()).await;
    let lines = lines(&out);
    assert_eq!((code, &lines[0]["rule"], &lines[0]["verdict"]), (1, &"ping".into(), &"failed".into()));
    assert!(lines.last().unwrap()["failed"].as_u64().unwrap() > 10, "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_told_from_wrong_usage_and_from_bad_settings() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}/hook", listener.local_addr().unwrap());
    drop(listener);
    let (code, out, err) = run(SECRET, &["--url", &closed, "--allow-private-addresses", "--format", "json"]).await;
    assert_eq!((code, &lines(&out)[0]["event"]), (2, &"error".into()), "{err}");
    assert!(err.contains("Unreachable"), "{err}");
    // An address inside, a secret of another form, a variable that is not set: each with its option.
    let old = ["--previous-secret-env", "VENDOR_OLD_SECRET"];
    let (code, _, err) = run("kanari-kanari", &[&["--url", &closed], &old[..]].concat()).await;
    assert_eq!(code, 78, "{err}");
    for option in ["--url: ", "--secret-env: ", "--previous-secret-env: "] {
        assert!(err.contains(option), "{err}");
    }
    // Selling needs to know what and where to free; an address is one.
    let sells = ["--url", "https://a.example/", "--booking-url", "https://a.example/b"];
    for wrong in [&sells[..], &["--url", "somewhere"], &[]] {
        let (code, _, err) = run(SECRET, wrong).await;
        assert_eq!(code, 64, "{wrong:?}: {err}");
    }
}
