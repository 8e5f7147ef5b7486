//! The catalogue river from a stock file to a strict pass Culture, with the real binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use passerelle::sandbox::{Bookable, FaultEffect};
use passerelle::store::products::{ProductBooking, ProductState};
use shop::{CONNECTION, Shop, csv_connection, ean};

const COUNTS: [&str; 9] =
    ["read", "kept", "quarantined", "create", "change", "withdraw", "unchanged", "pushed", "rejected"];

#[test]
fn a_shop_is_synced_and_an_unchanged_file_sends_nothing() {
    let shop = Shop::new(10);
    shop.write_rows((0..10).map(|number| (number, 1_000, 2)));
    let first = shop.run(&["sync", CONNECTION]);
    assert_eq!(first.code, 0, "{first:#?}");
    assert_eq!(first.numbers(&COUNTS), [10, 10, 0, 10, 0, 0, 0, 10, 0]);
    assert_eq!(shop.online().len(), 10);
    assert!(
        first.summary()["seconds"].as_f64().unwrap() < 4.0,
        "a small sync takes about two seconds: {}",
        first.summary()
    );

    let again = shop.run(&["sync", CONNECTION]);
    assert_eq!(again.numbers(&COUNTS), [10, 10, 0, 0, 0, 0, 10, 0, 0]);
    assert_eq!(again.numbers(&["requests"]), [0]);
}

#[test]
fn a_plan_sends_nothing_and_stores_nothing() {
    let shop = Shop::new(3);
    shop.write_rows((0..3).map(|number| (number, 1_000, 2)));
    let plan = shop.run(&["plan", CONNECTION]);
    assert_eq!((plan.code, plan.numbers(&["create", "requests"])), (0, vec![3, 0]), "{plan:#?}");
    assert!(shop.online().is_empty());
    assert_eq!(shop.sync(&["create", "pushed"]), [3, 3]);
}

#[test]
fn prices_quantities_and_departures_arrive() {
    let shop = Shop::new(10);
    shop.write_rows((0..10).map(|number| (number, 1_000, 2)));
    shop.sync(&[]);
    shop.write_rows(
        (1..10).map(|number| (number, if number == 1 { 1_200 } else { 1_000 }, if number == 2 { 5 } else { 2 })),
    );
    assert_eq!(shop.sync(&COUNTS), [9, 9, 0, 0, 2, 1, 7, 3, 0]);
    let online = shop.online();
    assert_eq!(online[&ean(0)], (1_000, Some(0)), "a book cannot be deleted there: it is sold out");
    assert_eq!((online[&ean(1)].0, online[&ean(2)].1), (1_200, Some(5)));
}

#[test]
fn a_book_that_comes_back_is_sold_again() {
    let shop = Shop::new(3);
    shop.write_rows((0..3).map(|number| (number, 1_000, 2)));
    shop.sync(&[]);
    shop.write_rows((1..3).map(|number| (number, 1_000, 2)));
    shop.sync(&[]);
    shop.write_rows((0..3).map(|number| (number, 1_000, 2)));
    assert_eq!(shop.sync(&["change", "pushed"]), [1, 1]);
    assert_eq!(shop.online()[&ean(0)], (1_000, Some(2)));
}

#[test]
fn rows_that_stay_behind_say_why_and_where() {
    let shop = Shop::new(3);
    shop.write_stock(format!(
        "EAN13;PV TTC;Stock\n{};10,00;1\n9782999999108;10,00;1\n9,78E+12;10,00;1\n{};349,00;1\n{};0,00;1\n2000000012346;5,00;1\n{};dix;1\n",
        ean(0), ean(1), ean(2), ean(3)
    ));
    let sync = shop.run(&["sync", CONNECTION]);
    let counts = sync.numbers(&["read", "kept", "quarantined", "create", "unchanged"]);
    assert_eq!((sync.code, counts), (1, vec![7, 1, 6, 1, 0]), "{sync:#?}");
    let listed = shop.run(&["quarantine", "list", CONNECTION]);
    let told: Vec<(u64, &str)> = listed
        .lines
        .iter()
        .map(|line| (line["position"]["line"].as_u64().unwrap(), line["code"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            (3, "BadCheckDigit"),
            (4, "LossyReference"),
            (5, "PriceAboveCap"),
            (6, "ZeroPrice"),
            (7, "InternalCode"),
            (8, "BadNumber")
        ]
    );
    assert!(
        listed
            .lines
            .iter()
            .all(|line| line["event"] == "quarantined" && !line["message_fr"].as_str().unwrap().is_empty())
    );
}

#[test]
fn what_pass_culture_does_not_know_is_rejected_and_not_sent_again() {
    let shop = Shop::new(2);
    shop.write_rows((0..3).map(|number| (number, 1_000, 1)));
    let first = shop.run(&["sync", CONNECTION]);
    assert_eq!((first.code, first.numbers(&["pushed", "rejected"])), (1, vec![2, 1]), "{first:#?}");
    let again = shop.run(&["sync", CONNECTION]);
    assert_eq!((again.code, again.numbers(&["pushed", "rejected", "requests"])), (1, vec![0, 1, 0]));
    let explained = shop.run(&["explain", &ean(2)]);
    assert_eq!(explained.lines[0]["refused"], "NotFound", "{explained:#?}");
}

#[test]
fn a_silent_drop_is_unverified_and_not_yet_a_refusal() {
    let shop = Shop::new(5);
    shop.sandbox.drop_eans([ean(4).as_str()]);
    shop.write_rows((0..5).map(|number| (number, 1_000, 1)));
    let sync = shop.run(&["sync", CONNECTION]);
    assert_eq!((sync.code, sync.numbers(&["pushed", "rejected", "unverified"])), (0, vec![5, 0, 1]), "{sync:#?}");
    let explained = shop.run(&["explain", &ean(4)]);
    assert_eq!(explained.lines[0]["acknowledged_state"], "accepted, not read back yet", "{explained:#?}");
    assert_eq!(explained.lines[0]["refused"], serde_json::Value::Null, "{explained:#?}");
}

#[test]
fn a_cut_file_is_held_until_a_second_one_agrees() {
    let shop = Shop::new(30);
    shop.write_rows((0..30).map(|number| (number, 1_000, 1)));
    shop.sync(&[]);
    shop.write_rows((0..10).map(|number| (number, 1_000, 1)));
    let held = shop.run(&["sync", CONNECTION]);
    assert_eq!((held.code, held.numbers(&["withdraw", "held", "pushed"])), (1, vec![20, 20, 0]), "{held:#?}");
    assert_eq!(shop.run(&["plan", CONNECTION]).numbers(&["held"]), [20], "a plan is no second snapshot");
    assert!(shop.online().values().all(|(_, copies)| *copies == Some(1)));
    let again = shop.run(&["sync", CONNECTION]);
    assert_eq!((again.code, again.numbers(&["held"])), (1, vec![20]), "a second look at the same file: {again:#?}");
    // Another export, later and with other bytes.
    let same: String = std::fs::read_to_string(shop.path("stock.csv")).unwrap();
    shop.write_stock(format!("{same}\n"));
    let agreed = shop.run(&["sync", CONNECTION]);
    assert_eq!((agreed.code, agreed.numbers(&["withdraw", "held", "pushed"])), (0, vec![20, 0, 20]), "{agreed:#?}");
}

#[test]
fn an_operator_releases_a_held_plan() {
    let shop = Shop::new(30);
    shop.write_rows((0..30).map(|number| (number, 1_000, 1)));
    shop.sync(&[]);
    shop.write_rows((0..10).map(|number| (number, 1_000, 1)));
    shop.sync(&[]);
    let released = shop.run(&["sync", CONNECTION, "--release"]);
    assert_eq!((released.code, released.numbers(&["held", "pushed"])), (0, vec![0, 20]), "{released:#?}");
}

#[test]
fn a_header_only_file_is_held_and_never_agreed_upon() {
    let shop = Shop::new(3);
    shop.write_stock("EAN13;PV TTC;Stock\n");
    assert_eq!(shop.run(&["sync", CONNECTION]).code, 1);
    shop.write_rows((0..3).map(|number| (number, 1_000, 1)));
    assert_eq!(shop.sync(&["pushed"]), [3]);
    shop.write_stock("EAN13;PV TTC;Stock\n");
    for _ in 0..3 {
        let held = shop.run(&["sync", CONNECTION]);
        assert_eq!((held.code, held.numbers(&["held"])), (1, vec![3]));
    }
    assert!(shop.online().values().all(|(_, copies)| *copies == Some(1)));
    let released = shop.run(&["sync", CONNECTION, "--release"]);
    assert_eq!(
        (released.code, released.numbers(&["withdraw", "pushed"])),
        (0, vec![3, 3]),
        "a person may: {released:#?}"
    );
}

#[test]
fn prices_in_the_wrong_unit_are_held() {
    let shop = Shop::new(6);
    shop.write_rows((0..6).map(|number| (number, 1_000, 1)));
    shop.sync(&[]);
    shop.write_rows((0..6).map(|number| (number, 10_000, 1)));
    let held = shop.run(&["sync", CONNECTION]);
    assert_eq!((held.code, held.numbers(&["held"])), (1, vec![6]), "{held:#?}");
    assert!(shop.online().values().all(|(price, _)| *price == 1_000));
}

#[test]
fn too_many_bad_rows_make_a_pass_that_withdraws_nothing() {
    let shop = Shop::new(100);
    shop.write_rows((0..100).map(|number| (number, 1_000, 1)));
    shop.sync(&[]);
    let mut text = "EAN13;PV TTC;Stock\n".to_owned();
    for number in 0..100 {
        let price = if number < 25 { "?" } else { "11,00" };
        text.push_str(&format!("{};{price};1\n", if number < 20 { "97829900000".to_owned() } else { ean(number) }));
    }
    shop.write_stock(text);
    let partial = shop.run(&["sync", CONNECTION]);
    assert_eq!(
        (partial.code, partial.numbers(&["quarantined", "change", "withdraw", "held"])),
        (1, vec![25, 75, 0, 0]),
        "{partial:#?}"
    );
}

#[test]
fn a_row_whose_price_cannot_be_read_keeps_its_offer() {
    let shop = Shop::new(3);
    shop.write_rows((0..3).map(|number| (number, 1_000, 1)));
    shop.sync(&[]);
    shop.write_stock(format!("EAN13;PV TTC;Stock\n{};10,00;1\n{};10,00;1\n{};;1\n", ean(0), ean(1), ean(2)));
    assert_eq!(shop.sync(&["withdraw", "quarantined"]), [0, 1]);
    assert_eq!(shop.online()[&ean(2)], (1_000, Some(1)));
}

#[test]
fn while_pass_culture_is_down_changes_add_up_to_one_push() {
    let shop = Shop::new(5);
    shop.write_rows((0..5).map(|number| (number, 1_000, 1)));
    shop.sync(&[]);
    shop.break_upserts(1_000, FaultEffect::ServerError);
    for copies in 2..4 {
        shop.write_rows((0..5).map(|number| (number, 1_000, copies)));
        let failed = shop.run(&["sync", CONNECTION]);
        assert_eq!(failed.code, 2, "{failed:#?}");
    }
    shop.sandbox.clear_faults();
    let push = shop.run(&["push", CONNECTION]);
    assert_eq!((push.code, push.numbers(&["pushed"])), (0, vec![5]), "{push:#?}");
    assert!(shop.online().values().all(|(_, copies)| *copies == Some(3)));
}

#[test]
fn a_booking_between_two_passes_is_not_undone() {
    let shop = Shop::new(1);
    shop.write_rows([(0, 1_000, 3)]);
    shop.sync(&[]);
    let offer = shop.sandbox.offers()[0].offer_id;
    shop.sandbox.book("a@example.org", Bookable::Offer(offer), 1).unwrap();
    assert_eq!(shop.online()[&ean(0)].1, Some(2));
    // The shop's software has not set the copy aside: the same file again changes nothing, and sends nothing.
    assert_eq!(shop.sync(&["pushed", "requests"]), [0, 0]);
    shop.write_rows([(0, 1_000, 2)]);
    assert_eq!(shop.sync(&["pushed"]), [1]);
    assert_eq!(shop.online()[&ean(0)].1, Some(2), "what is sent is what remains");
}

#[test]
fn a_file_that_is_still_being_written_waits_and_is_no_failure() {
    let shop = Shop::new(1);
    shop.configure(&csv_connection("").replace("settle_seconds = 0", "settle_seconds = 3600"));
    shop.write_rows([(0, 1_000, 2)]);
    for command in ["plan", "sync"] {
        let ran = shop.run(&[command, CONNECTION]);
        assert_eq!((ran.code, ran.lines[0]["event"].as_str()), (1, Some("waiting")), "{ran:#?}");
        assert!(ran.stderr.contains("waits: ") && ran.stderr.contains("it is read in 3"), "{}", ran.stderr);
    }
    let check = shop.run(&["check", CONNECTION]);
    assert_eq!(check.code, 3, "{check:#?}");
    let probe = |name: &str| check.lines.iter().find(|line| line["probe"] == name).unwrap().clone();
    assert_eq!(probe("read-one")["verdict"], "unknown");
    assert!(probe("read-one")["remedy"].as_str().unwrap().starts_with("wait 3"), "{check:#?}");
    assert_eq!(probe("passes")["verdict"], "healthy", "a wait is no failed pass");
}

#[test]
fn the_tenth_delta_of_a_day_is_heard_and_a_late_one_too() {
    let shop = Shop::new(2);
    std::fs::create_dir(shop.path("drop")).unwrap();
    let file = "settle_seconds = 0\nmode = \"delta\"\nmatch = \"S_{date:%Y%m%d}_*.csv\"";
    shop.configure(
        &csv_connection("").replace("path = \"stock.csv\"", "path = \"drop\"").replace("settle_seconds = 0", file),
    );
    let put = |name: &str, number: u64, copies: u32| {
        std::fs::write(shop.path("drop").join(name), format!("EAN13;PV TTC;Stock\n{};10,00;{copies}\n", ean(number)))
            .unwrap();
    };
    put("S_20260412_9.csv", 0, 5);
    shop.sync(&[]);
    assert_eq!(shop.online()[&ean(0)], (1_000, Some(5)));
    put("S_20260412_10.csv", 0, 0);
    shop.sync(&[]);
    assert_eq!(shop.online()[&ean(0)].1, Some(0));
    put("S_20260411_3.csv", 1, 2);
    let late = shop.run(&["sync", CONNECTION]);
    assert!(late.stderr.contains("S_20260411_3.csv arrived late"), "{}", late.stderr);
    let online = shop.online();
    assert_eq!((online[&ean(0)].1, online[&ean(1)].1), (Some(0), Some(2)));
}

#[test]
fn an_export_that_stopped_is_degraded_and_says_since_when() {
    let shop = Shop::new(1);
    shop.write_rows([(0, 1_000, 2)]);
    let written = std::time::SystemTime::now() - std::time::Duration::from_secs(4 * 86_400);
    let stock = std::fs::File::options().write(true).open(shop.path("stock.csv")).unwrap();
    stock.set_modified(written).unwrap();
    shop.sync(&[]);
    let check = shop.run(&["check", CONNECTION]);
    assert_eq!(check.code, 1, "{check:#?}");
    let probe = check.lines.iter().find(|line| line["probe"] == "reach").unwrap();
    assert_eq!(probe["verdict"], "degraded");
    assert!(probe["evidence"].as_str().unwrap().contains("no new export since 20"), "{probe}");
}

#[test]
fn a_missing_column_fails_and_names_what_was_found() {
    let shop = Shop::new(1);
    shop.write_stock("Code;Prix;Qte\n1;2;3\n");
    let failed = shop.run(&["sync", CONNECTION]);
    assert_eq!((failed.code, failed.lines[0]["code"].as_str()), (2, Some("HeaderMismatch")), "{failed:#?}");
    assert!(failed.stderr.contains("Code"), "{}", failed.stderr);
}

#[test]
fn settings_mistakes_are_told_together_with_78() {
    let shop = Shop::new(1);
    shop.configure(&csv_connection("wings = 2\n"));
    let bad = shop.run(&["plan", CONNECTION]);
    assert_eq!(bad.code, 78, "{bad:#?}");
    assert!(bad.stderr.contains("file.wings") || bad.stderr.contains("wings"), "{}", bad.stderr);
}

#[test]
fn an_unknown_connection_is_wrong_usage() {
    let shop = Shop::new(1);
    for command in ["plan", "sync", "push", "check"] {
        assert_eq!(shop.run(&[command, "nobody"]).code, 64, "{command}");
    }
    assert_eq!(shop.run(&["fly"]).code, 64);
}

#[test]
fn an_identical_file_tells_the_same_and_a_dropped_quarantine_comes_back() {
    let shop = Shop::new(2);
    shop.write_stock(format!("EAN13;PV TTC;Stock\n{};10,00;1\n{};10,00;1\n9782999999108;10,00;1\n", ean(0), ean(1)));
    let first = shop.run(&["sync", CONNECTION]);
    for _ in 0..2 {
        let again = shop.run(&["sync", CONNECTION]);
        assert_eq!(
            (again.code, again.numbers(&["read", "kept", "quarantined", "unchanged"])),
            (1, vec![3, 2, 1, 2]),
            "{again:#?}"
        );
    }
    let plan = shop.run(&["plan", CONNECTION]);
    assert_eq!(plan.numbers(&["read", "quarantined", "unchanged", "create"]), [3, 1, 2, 0]);
    let full = shop.run(&["sync", CONNECTION, "--full"]);
    assert_eq!(full.numbers(&["read", "kept", "quarantined"]), first.numbers(&["read", "kept", "quarantined"]));
    shop.run(&["quarantine", "drop", CONNECTION]);
    assert!(shop.run(&["quarantine", "list", CONNECTION]).lines.is_empty());
    shop.sync(&[]);
    assert_eq!(shop.run(&["quarantine", "list", CONNECTION]).lines.len(), 1);
}

#[test]
fn a_file_that_returns_to_what_was_applied_ends_the_hold() {
    let shop = Shop::new(30);
    shop.write_rows((0..30).map(|number| (number, 1_000, 1)));
    shop.sync(&[]);
    shop.write_rows((0..10).map(|number| (number, 1_000, 1)));
    assert_eq!(shop.sync(&["held"]), [20]);
    shop.write_rows((0..30).map(|number| (number, 1_000, 1)));
    let back = shop.run(&["sync", CONNECTION]);
    assert_eq!((back.code, back.numbers(&["held", "unchanged"])), (0, vec![0, 30]));
    // The next cut file is a first doubtful snapshot again.
    shop.write_rows((0..10).map(|number| (number, 1_000, 1)));
    assert_eq!(shop.sync(&["held"]), [20]);
}

#[test]
fn another_venue_gets_everything() {
    let shop = Shop::new(3);
    shop.write_rows((0..3).map(|number| (number, 1_000, 1)));
    shop.sync(&[]);
    shop.configure(&csv_connection("").replace("venue = 535", "venue = 536"));
    let moved = shop.run(&["sync", CONNECTION]);
    assert_eq!((moved.code, moved.numbers(&["pushed"])), (0, vec![3]), "{moved:#?}");
    assert_eq!(shop.sandbox.offers().len(), 6);
}

#[test]
fn explain_tells_what_happened_to_an_ean_in_order() {
    let shop = Shop::new(2);
    shop.write_rows((0..3).map(|number| (number, 1_000, 2)));
    shop.run(&["sync", CONNECTION]);
    let history = |number: u64| -> Vec<serde_json::Value> {
        let lines = shop.run(&["explain", &ean(number)]).lines;
        lines.into_iter().filter(|line| line["event"] == "history").collect()
    };
    let what = |lines: &[serde_json::Value]| -> Vec<String> {
        lines.iter().map(|line| line["what"].as_str().unwrap().to_owned()).collect()
    };
    let first = history(0);
    assert_eq!(what(&first), ["first_seen", "sent", "verified"], "{first:#?}");
    assert_eq!((&first[0]["price_cents"], &first[0]["quantity"]), (&1_000.into(), &2.into()));
    assert!(first[0]["evidence"].is_string(), "which export said it: {first:#?}");
    assert_eq!(first[0]["line"], 2, "behind the header: {first:#?}");
    assert_eq!(first[1]["call_at"], first[2]["call_at"], "the look is about that call: {first:#?}");
    let refused = history(2);
    assert_eq!(what(&refused), ["first_seen", "refused"], "{refused:#?}");
    assert_eq!(refused[1]["code"], "NotFound");

    // The same file again says nothing new.
    shop.run(&["sync", CONNECTION]);
    assert_eq!((history(0), history(2)), (first.clone(), refused));

    shop.write_rows((0..2).map(|number| (number, if number == 0 { 1_100 } else { 1_000 }, 2)));
    shop.sync(&[]);
    shop.write_rows([(1, 1_000, 2)]);
    shop.sync(&[]);
    let all = history(0);
    let expected = ["first_seen", "sent", "verified", "changed", "sent", "verified", "withdrawn", "sent", "verified"];
    assert_eq!(what(&all), expected, "{all:#?}");
    assert_ne!(all[0]["evidence"], all[3]["evidence"], "another export");
    assert_eq!((&all[4]["price_cents"], &all[8]["quantity"]), (&1_100.into(), &0.into()));
    assert_eq!(what(&history(1)), ["first_seen", "sent", "verified"], "what did not change has no more to tell");

    // Somebody booked it.
    let booking = ProductBooking {
        account: "default".to_owned(),
        fingerprint: "f".to_owned(),
        booking: "bk_1".to_owned(),
        offer_id: 1,
        stock_id: 1,
        venue_id: shop::VENUE,
        item: ean(1),
        quantity: 1,
        price_cents: 1_000,
        state: ProductState::Used,
        booked_at: 4_000_000_000_000,
        expires_at: 4_100_000_000_000,
        moved_at: 4_000_000_060_000,
    };
    let url = format!("sqlite:{}", shop.path("passerelle.db").display());
    shop.block_on(async {
        let store = passerelle::store::open(&url).await.unwrap();
        assert!(store.move_product(None, &booking, &[]).await.unwrap());
    });
    let booked = history(1);
    assert_eq!(what(&booked), ["first_seen", "sent", "verified", "booked", "used"], "{booked:#?}");
    assert_eq!(booked[3]["booking"], "bk_1");
}

#[test]
fn a_first_sync_of_many_eans_is_told_as_a_whole() {
    let shop = Shop::new(1);
    shop.write_rows((0..10_001).map(|number| (number, 1_000, 2)));
    shop.run(&["sync", CONNECTION]);
    let lines = shop.run(&["explain", &ean(0)]).lines;
    let told: Vec<(&str, u64)> = lines
        .iter()
        .filter(|line| line["event"] == "history")
        .map(|line| (line["what"].as_str().unwrap(), line["items"].as_u64().unwrap()))
        .collect();
    assert_eq!(told, [("many_changed", 10_001), ("many_sent", 1)], "{lines:#?}");
}

#[test]
fn explain_knows_what_a_code_means_and_what_to_do() {
    let shop = Shop::new(1);
    for code in ["PriceJump", "SuspiciousShrink", "BadCheckDigit", "VenueNotLinked", "NoTimeToSell", "StoreUnavailable"]
    {
        let told = shop.run(&["explain", code]);
        assert_eq!((told.code, told.lines.len()), (0, 1), "{told:#?}");
        for key in ["class", "message", "message_fr", "to_do"] {
            assert!(told.lines[0][key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {told:#?}");
        }
    }
}
