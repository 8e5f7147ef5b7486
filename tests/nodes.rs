//! Several processes on one PostgreSQL store, and two on one SQLite file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, unused_macros, unused_imports)]

mod shop;
mod support;

use std::process::Child;
use std::time::{Duration, Instant};

use shop::{CONNECTION, Shop, csv_connection};

/// A process that is killed when the test ends.
struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < patience, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn two_servers_on_one_postgresql_share_the_work_and_one_takes_over() {
    support::on_postgres(|place| async move {
        // The shop has a runtime of its own.
        tokio::task::spawn_blocking(move || {
            let shop = Shop::with_store(6, &place.url);
            shop.write_rows((0..3).map(|number| (number, 1_000, 1)));
            let first = Node(shop.command(&["serve"]).spawn().unwrap());
            let second = Node(shop.command(&["serve"]).spawn().unwrap());
            until("the first sync", Duration::from_secs(20), || shop.online().len() == 3);
            let upserts = |shop: &Shop| {
                shop.sandbox
                    .requests()
                    .iter()
                    .filter(|seen| seen.method == "POST" && seen.path.ends_with("/products/ean"))
                    .count()
            };
            assert_eq!(upserts(&shop), 2, "one of the two did it: the first title of a new venue, then the rest");
            drop(first);
            // Another setting makes a pass due at once, on whatever node is left.
            shop.write_rows((0..6).map(|number| (number, 1_000, 1)));
            shop.configure(
                &csv_connection("")
                    .replace("venue = 535", "every = \"20m\"\nvenue = 535")
                    .replace("stock.csv", "./stock.csv"),
            );
            let applied = shop.run(&["apply"]);
            assert_eq!(applied.code, 0, "{applied:#?}");
            until("the takeover", Duration::from_secs(45), || shop.online().len() == 6);
            drop(second);
        })
        .await
        .unwrap();
    });
}

#[test]
fn a_command_and_a_server_on_one_file_do_not_meet() {
    let shop = Shop::new(400);
    shop.write_rows((0..400).map(|number| (number, 1_000, 1)));
    let commands: Vec<Node> =
        (0..4).map(|_| Node(shop.command(&["--format", "json", "sync", CONNECTION]).spawn().unwrap())).collect();
    for mut node in commands {
        let status = node.0.wait().unwrap();
        assert_eq!(status.code(), Some(0));
    }
    assert_eq!(shop.sandbox.offers().len(), 400, "no EAN was sent by two of them at once");
}
