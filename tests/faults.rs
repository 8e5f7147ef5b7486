//! Vendors and a pass Culture that misbehave: classed errors, nothing lost, nothing doubled.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use std::io::{Read, Write};
use std::net::TcpListener;

use passerelle::sandbox::{Fault, FaultBody, FaultEffect};
use shop::{CONNECTION, Shop, VENUE, ean};

/// A vendor that answers every request with these bytes; `endless` repeats the last of them for ever.
fn vendor(head: &'static str, body: Vec<u8>, endless: bool) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let body = body.clone();
            std::thread::spawn(move || {
                let mut request = [0; 4_096];
                let _ = stream.read(&mut request);
                let mut sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
                while endless && sent.is_ok() {
                    sent = stream.write_all(&body);
                }
            });
        }
    });
    address
}

fn polled(shop: &Shop, address: std::net::SocketAddr) {
    shop.configure(&format!(
        "[[connection]]\nid = \"{CONNECTION}\"\nadapter = \"stock-api\"\nvenue = {VENUE}\n[connection.settings]\n\
         api_url = \"http://{address}/stocks\"\nsiret = \"85331845900049\"\nprice_unit = \"euro\"\n"
    ));
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";

#[test]
fn a_vendor_that_misbehaves_is_an_error_with_a_class_and_changes_nothing() {
    let shop = Shop::new(3);
    let html = vendor(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n",
        b"<html>maintenance</html>".to_vec(),
        false,
    );
    let endless = vendor(OK, vec![b' '; 64 * 1024], true);
    let redirect = vendor(
        "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest\r\nconnection: close\r\n\r\n",
        Vec::new(),
        false,
    );
    let refused =
        vendor("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", Vec::new(), false);
    let unknown = vendor("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", Vec::new(), false);
    let closed = { TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    for (address, class, code) in [
        (html, "vendor_fault", "MalformedBody"),
        (endless, "vendor_fault", "BodyTooLarge"),
        (redirect, "settings", "PrivateAddress"),
        (refused, "auth", "SignInRefused"),
        (unknown, "settings", "UnknownShop"),
        (closed, "transient", "Unreachable"),
    ] {
        polled(&shop, address);
        let failed = shop.run(&["sync", CONNECTION]);
        assert_eq!(failed.code, 2, "{code}: {failed:#?}");
        let told = &failed.lines[0];
        assert_eq!((told["class"].as_str(), told["event"].as_str()), (Some(class), Some("failed")), "{code}: {told}");
        if code != "SignInRefused" {
            assert_eq!(told["code"], code, "{told}");
        }
    }
    assert!(shop.online().is_empty());
}

#[test]
fn a_failure_never_takes_an_offer_down() {
    let shop = Shop::new(3);
    shop.write_rows((0..3).map(|number| (number, 1_000, 1)));
    assert_eq!(shop.sync(&["pushed"]), [3]);
    for text in ["", "<html><body>404</body></html>", "PK\u{3}\u{4}nothing"] {
        shop.write_stock(text);
        let ended = shop.run(&["sync", CONNECTION]);
        assert!(ended.code == 1 || ended.code == 2, "{text:?}: {ended:#?}");
        assert!(shop.online().values().all(|(_, copies)| *copies == Some(1)), "{text:?}");
    }
}

#[test]
fn an_answer_lost_after_the_effect_doubles_nothing() {
    let shop = Shop::new(20);
    shop.write_rows((0..20).map(|number| (number, 1_000, 1)));
    shop.break_upserts(1, FaultEffect::CutAfterEffect);
    let sync = shop.run(&["sync", CONNECTION]);
    assert_eq!((sync.code, sync.numbers(&["pushed"])), (0, vec![20]), "{sync:#?}");
    assert_eq!((shop.sandbox.offers().len(), shop.online().len()), (20, 20), "one offer an EAN");
}

#[test]
fn an_answer_lost_without_effect_is_sent_again_in_the_same_run() {
    let shop = Shop::new(20);
    shop.write_rows((0..20).map(|number| (number, 1_000, 1)));
    shop.break_upserts(1, FaultEffect::Cut);
    let sync = shop.run(&["sync", CONNECTION]);
    assert_eq!((sync.code, sync.numbers(&["pushed"])), (0, vec![20]), "{sync:#?}");
    assert_eq!(shop.sandbox.offers().len(), 20);
}

#[test]
fn a_server_error_and_a_throttle_are_waited_out() {
    let shop = Shop::new(3);
    shop.write_rows((0..3).map(|number| (number, 1_000, 1)));
    shop.break_upserts(1, FaultEffect::ServerError);
    let throttle = FaultEffect::Status { status: 429, retry_after: Some(1), body: FaultBody::Html };
    assert!(shop.sandbox.inject(Fault::next(1, "/public/offers/v1/products/ean/check_availability", throttle)));
    let sync = shop.run(&["sync", CONNECTION]);
    assert_eq!((sync.code, sync.numbers(&["pushed"])), (0, vec![3]), "{sync:#?}");
}

#[test]
fn one_item_that_pass_culture_drops_costs_only_itself() {
    let shop = Shop::new(5);
    shop.write_rows((0..5).map(|number| (number, 1_000, 1)));
    assert_eq!(shop.sync(&["pushed"]), [5]);
    shop.sandbox.drop_eans([ean(2).as_str()]);
    shop.write_rows((0..5).map(|number| (number, 1_100, 1)));
    let sync = shop.run(&["sync", CONNECTION]);
    assert_eq!(sync.numbers(&["change", "pushed"])[0], 5, "{sync:#?}");
    let online = shop.online();
    assert!((0..5).filter(|number| *number != 2).all(|number| online[&ean(number)].0 == 1_100), "{online:?}");
}

#[test]
fn a_revoked_key_fails_at_once_and_keeps_what_was_read() {
    let shop = Shop::new(3);
    shop.write_rows((0..3).map(|number| (number, 1_000, 1)));
    let mut command = shop.command(&["--format", "json", "sync", CONNECTION]);
    let failed = shop::ran(command.env("TEST_KEY", "wrong").output().unwrap());
    assert_eq!((failed.code, failed.lines[0]["class"].as_str()), (2, Some("auth")), "{failed:#?}");
    assert_eq!(failed.numbers(&["kept", "create"]), [3, 3], "what was read is told: {failed:#?}");
    assert_eq!(shop.run(&["push", CONNECTION]).numbers(&["pushed"]), [3], "and waits in the ledger");
}

#[test]
fn json_output_is_json_lines_and_nothing_else() {
    let shop = Shop::new(2);
    shop.write_rows((0..2).map(|number| (number, 1_000, 1)));
    for command in [
        vec!["plan", CONNECTION],
        vec!["sync", CONNECTION],
        vec!["push", CONNECTION],
        vec!["check"],
        vec!["connections"],
        vec!["connections", "show", CONNECTION],
        vec!["quarantine", "list"],
        vec!["explain", "9782990000007"],
        vec!["adapters", "list"],
        vec!["adapters", "show", "csv"],
        vec!["schema", "config"],
        vec!["sync", "nobody"],
    ] {
        let ran = shop.run(&command);
        for line in ran.stdout.lines() {
            assert!(
                serde_json::from_str::<serde_json::Value>(line).is_ok_and(|value| value.is_object()),
                "{command:?}: {line}"
            );
        }
    }
}
