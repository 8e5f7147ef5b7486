//! What a shop's export says, and what only looks like it: evidence that counts once, single values that are held, two statements in a row,
//! plans that list what they would do, and commands that write nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use std::time::{Duration, SystemTime};

use serde_json::Value;
use shop::{CONNECTION, Ran, Shop, csv_connection, ean};

/// Writes an export of a later hour than the one before.
struct Exports<'a> {
    shop: &'a Shop,
    hour: u64,
}

impl<'a> Exports<'a> {
    fn of(shop: &'a Shop) -> Self {
        Self { shop, hour: 0 }
    }

    fn write(&mut self, text: &str) {
        self.hour += 1;
        self.shop.write_stock(text);
        let at = SystemTime::now() - Duration::from_hours(100) + Duration::from_hours(self.hour);
        let file = std::fs::File::options().write(true).open(self.shop.path("stock.csv")).unwrap();
        file.set_modified(at).unwrap();
    }

    /// Rows as (number, price as written, quantity as written).
    fn rows<'r>(&mut self, rows: impl IntoIterator<Item = (u64, &'r str, &'r str)>) {
        let mut text = "EAN13;PV TTC;Stock\n".to_owned();
        for (number, price, copies) in rows {
            text.push_str(&format!("{};{price};{copies}\n", ean(number)));
        }
        self.write(&text);
    }
}

fn sync(shop: &Shop) -> Ran {
    shop.run(&["sync", CONNECTION])
}

fn verdict(shop: &Shop, probe: &str) -> (String, String) {
    let ran = shop.run(&["check", CONNECTION]);
    let line = ran
        .lines
        .iter()
        .find(|line| line["event"] == "probe" && line["probe"] == probe && line["connection"] == CONNECTION);
    let line = line.unwrap_or_else(|| panic!("no {probe} in {ran:#?}"));
    (line["verdict"].as_str().unwrap().to_owned(), line["since"].as_str().unwrap().to_owned())
}

fn codes(shop: &Shop) -> Vec<String> {
    let ran = shop.run(&["quarantine", "list", CONNECTION]);
    ran.lines.iter().filter_map(|line| line["code"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_second_look_at_the_same_file_releases_nothing_and_another_one_does() {
    let shop = Shop::new(40);
    let mut exports = Exports::of(&shop);
    exports.rows((0..40).map(|number| (number, "10,00", "2")));
    assert_eq!(sync(&shop).code, 0);
    exports.rows((0..16).map(|number| (number, "10,00", "2")));
    let first = sync(&shop);
    assert_eq!((first.code, first.numbers(&["withdraw"])), (1, vec![24]), "{first:#?}");
    let (state, since) = verdict(&shop, "passes");
    assert_eq!(state, "degraded");
    for _ in 0..3 {
        let again = sync(&shop);
        assert_eq!((again.code, shop.online().len()), (1, 40), "the very same bytes: {again:#?}");
    }
    // Touched, or fetched anew: the same bytes all the same.
    exports.rows((0..16).map(|number| (number, "10,00", "2")));
    assert_eq!((sync(&shop).code, shop.online().len()), (1, 40));
    assert_eq!(verdict(&shop, "passes"), ("degraded".to_owned(), since), "since the first of them");
    // Another export, with one more sale in between.
    exports.rows((0..15).map(|number| (number, "10,00", "2")));
    let released = sync(&shop);
    assert!(released.stderr.contains("released by agreement"), "{released:#?}");
    let live = shop.online().values().filter(|(_, left)| *left != Some(0)).count();
    assert_eq!(live, 15);
    let shown = shop.run(&["connections", "show", CONNECTION]);
    assert_eq!(shown.lines[0]["released"]["by_agreement"], true, "{shown:#?}");
}

#[test]
fn prices_in_another_unit_are_let_through_by_a_person_alone() {
    let shop = Shop::new(10);
    let mut exports = Exports::of(&shop);
    exports.rows((0..10).map(|number| (number, "10,00", "2")));
    assert_eq!(sync(&shop).code, 0);
    for stock in ["2", "3", "4", "5"] {
        exports.rows((0..10).map(|number| (number, "0,60", stock)));
        assert_eq!(sync(&shop).code, 1);
        assert!(shop.online().values().all(|terms| *terms == (1_000, Some(2))), "{:?}", shop.online());
    }
}

#[test]
fn a_first_pass_is_judged_by_its_own_shape() {
    let shop = Shop::new(10);
    let mut exports = Exports::of(&shop);
    exports.rows((0..10).map(|number| (number, if number < 7 { "1290" } else { "8,50" }, "2")));
    let held = sync(&shop);
    assert_eq!((held.code, shop.online().len()), (1, 0), "{held:#?}");
    assert!(held.stderr.contains("cents"), "{held:#?}");
    // An art bookshop is no accident.
    exports.rows((0..4).map(|number| (number, "120,00", "1")));
    assert_eq!((sync(&shop).code, shop.online().len()), (0, 4));
}

#[test]
fn one_unlikely_value_is_held_and_the_rest_goes_on() {
    let shop = Shop::new(8);
    let mut exports = Exports::of(&shop);
    let first = |stock| (0..8).map(move |number| (number, "2,50", stock));
    exports.rows(first("2"));
    assert_eq!(sync(&shop).code, 0);
    let unlikely = |stock: &'static str| {
        first(stock).map(|(number, price, stock)| match number {
            0 => (number, "250,00", stock),
            1 => (number, price, "97820700"),
            _ => (number, price, stock),
        })
    };
    exports.rows(unlikely("3"));
    let held = sync(&shop);
    assert_eq!(held.numbers(&["read", "kept", "quarantined", "held", "change"]), [8, 6, 2, 0, 6], "{held:#?}");
    assert_eq!(codes(&shop), ["PriceJump", "QuantityImplausible"]);
    let online = shop.online();
    assert_eq!((online[&ean(0)], online[&ean(1)], online[&ean(2)]), ((250, Some(2)), (250, Some(2)), (250, Some(3))));
    // A person says that the price is right; nobody says so of the quantity.
    assert_eq!(shop.run(&["quarantine", "accept", &ean(0)]).code, 0);
    sync(&shop);
    let online = shop.online();
    assert_eq!((online[&ean(0)], online[&ean(1)]), ((25_000, Some(3)), (250, Some(2))));
}

#[test]
fn two_later_exports_let_a_single_value_through() {
    let shop = Shop::new(8);
    let mut exports = Exports::of(&shop);
    exports.rows((0..8).map(|number| (number, "2,50", "2")));
    sync(&shop);
    for (export, expected) in [(3, 250), (4, 250), (5, 25_000)] {
        let stock = export.to_string();
        exports.rows((0..8).map(|number| (number, if number == 0 { "250,00" } else { "2,50" }, stock.as_str())));
        for _ in 0..3 {
            sync(&shop);
        }
        assert_eq!(shop.online()[&ean(0)].0, expected, "at export {export}");
    }
}

#[test]
fn that_nothing_is_left_is_heard_whatever_the_price_says_and_a_price_that_is_none_keeps_the_last() {
    let shop = Shop::new(8);
    let mut exports = Exports::of(&shop);
    exports.rows((0..8).map(|number| (number, "10,00", "5")));
    sync(&shop);
    let row = |number| match number {
        0 => (number, "", "0"),
        1 => (number, "NC", "0"),
        2 => (number, "999,00", "0"),
        3 => (number, "0", "4"),
        4 => (number, "prix ?", "3"),
        _ => (number, "10,00", "5"),
    };
    exports.rows((0..8).map(row));
    let ran = sync(&shop);
    assert_eq!(ran.numbers(&["held"]), [0], "{ran:#?}");
    let online = shop.online();
    for number in 0..3 {
        assert_eq!(online[&ean(number)].1, Some(0), "{number}");
    }
    assert_eq!((online[&ean(3)], online[&ean(4)]), ((1_000, Some(4)), (1_000, Some(3))));
}

#[test]
fn an_unreadable_row_protects_its_book_and_says_so() {
    let shop = Shop::new(8);
    let mut exports = Exports::of(&shop);
    exports.rows((0..8).map(|number| (number, "10,00", "5")));
    sync(&shop);
    let mut text = format!("EAN13;PV TTC;Stock\n{};10,00;5;une;colonne;de;trop\n", ean(0));
    for number in 1..8 {
        text.push_str(&format!("{};10,00;5\n", ean(number)));
    }
    exports.write(&text);
    let ran = sync(&shop);
    assert_eq!(ran.numbers(&["read", "kept", "quarantined", "withdraw"]), [8, 7, 1, 0], "{ran:#?}");
    assert_eq!(shop.online()[&ean(0)], (1_000, Some(5)));
    let told = shop::ran(shop.command(&["explain", &ean(0)]).output().unwrap()).stdout;
    assert!(told.contains("its row could not be read (line 2"), "{told}");
}

#[test]
fn notes_and_joined_rows_are_counted_listed_and_explained() {
    let shop = Shop::new(8);
    let mut exports = Exports::of(&shop);
    exports.rows([(0, "10,005", "2"), (1, "10,00", "-3"), (2, "10,00", "2"), (2, "10,00", "2")]);
    let ran = sync(&shop);
    assert_eq!(ran.numbers(&["read", "kept", "quarantined", "skipped", "notes"]), [4, 4, 0, 0, 3], "{ran:#?}");
    let listed = shop.run(&["quarantine", "list", "--notes", CONNECTION]);
    let mut kinds: Vec<&str> = listed.lines.iter().filter_map(|line| line["code"].as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["DuplicateReference", "NegativeQuantityClamped", "RoundedPrice"]);
    assert_eq!(codes(&shop), [""; 0], "they are no rows that stayed behind");
    let told = shop.run(&["explain", &ean(2)]).stdout;
    assert!(told.contains("DuplicateReference"), "{told}");
}

#[test]
fn a_plan_lists_what_a_sync_would_send_and_a_saved_one_is_done_exactly() {
    let shop = Shop::new(40);
    let mut exports = Exports::of(&shop);
    exports.rows((0..40).map(|number| (number, "10,00", "2")));
    let planned = |shop: &Shop| -> Vec<Value> {
        shop.run(&["plan", CONNECTION]).lines.into_iter().filter(|line| line["event"] == "change").collect()
    };
    let first = planned(&shop);
    assert_eq!(first.len(), 40);
    assert_eq!((first[0]["action"].as_str(), first[0]["from"].is_null()), (Some("create"), true), "{}", first[0]);
    // What a sync could not send is still listed.
    let _ = shop.sandbox.inject(passerelle::sandbox::Fault {
        method: Some("POST".to_owned()),
        count: None,
        ..passerelle::sandbox::Fault::next(1, "/public/offers", passerelle::sandbox::FaultEffect::ServerError)
    });
    assert_eq!(sync(&shop).code, 2);
    shop.sandbox.clear_faults();
    assert_eq!(planned(&shop).len(), 40, "after a failed first sync");
    assert_eq!(sync(&shop).code, 0);
    assert_eq!(planned(&shop), [Value::Null; 0]);
    // Held: it lists what it would take down, and is released as exactly that.
    exports.rows((0..10).map(|number| (number, if number == 0 { "12,00" } else { "10,00" }, "2")));
    let held = shop.run(&["plan", CONNECTION, "--out", "plan.json"]);
    assert_eq!(held.code, 1);
    let of = |action: &str| held.lines.iter().filter(|line| line["action"] == action).count();
    assert_eq!((of("withdraw"), of("change")), (30, 1));
    assert_eq!(held.lines[0]["action"], "withdraw", "what leaves comes first");
    exports.rows((0..10).map(|number| (number, "10,00", "2")));
    let moved = shop.run(&["sync", CONNECTION, "--plan", "plan.json"]);
    assert!(moved.code != 0 && moved.stderr.contains("the world has moved"), "{moved:#?}");
    assert_eq!(shop.online().values().filter(|(_, left)| *left != Some(0)).count(), 40);
    shop.run(&["plan", CONNECTION, "--out", "plan.json"]);
    let done = shop.run(&["sync", CONNECTION, "--plan", "plan.json"]);
    assert_eq!((done.code, done.numbers(&["withdraw", "held"])), (0, vec![30, 0]), "{done:#?}");
    assert_eq!(shop.online().values().filter(|(_, left)| *left != Some(0)).count(), 10);
}

#[test]
fn commands_that_read_write_no_settings() {
    let shop = Shop::new(6);
    let mut exports = Exports::of(&shop);
    let text: String = (0..6).map(|number| format!("{};10,00;6,00;2\n", ean(number))).collect();
    exports.write(&format!("EAN13;PV TTC;PA HT;Stock\n{text}"));
    assert_eq!(sync(&shop).code, 0);
    // Somebody tries another column in his file, and only looks.
    shop.configure(&csv_connection("").replace("PV TTC", "PA HT"));
    let planned = shop.run(&["plan", CONNECTION]);
    assert_eq!(planned.numbers(&["change"]), [6], "{planned:#?}");
    for arguments in [
        vec!["check", CONNECTION],
        vec!["explain", "9782070286256"],
        vec!["connections", "list"],
        vec!["connections", "show", CONNECTION],
        vec!["quarantine", "list"],
        vec!["bookings", "list"],
        vec!["messages"],
    ] {
        let ran = shop.run(&arguments);
        assert!(ran.stderr.contains("differ"), "{arguments:?}: {ran:#?}");
    }
    let stored = shop.run(&["connections", "show", CONNECTION]);
    assert_eq!(stored.lines[0]["settings"]["columns"]["price"]["name"], "PV TTC", "{stored:#?}");
    assert!(shop.online().values().all(|terms| *terms == (1_000, Some(2))));
    assert_eq!(shop.run(&["apply"]).code, 0);
    let stored = shop.run(&["connections", "show", CONNECTION]);
    assert_eq!(stored.lines[0]["settings"]["columns"]["price"]["name"], "PA HT");
}
