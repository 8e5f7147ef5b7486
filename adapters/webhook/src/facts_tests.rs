//! The tables, row by row.

use serde_json::json;

use super::*;

fn said(status: u16, body: &str) -> Said<'_> {
    Said {
        operation: "test",
        status,
        body: body.as_bytes(),
        retry_after: None,
        saw: "POST https://a.example/ answered",
    }
}

fn sale_of(status: u16, body: &Value, quantity: u32) -> SaleSaid {
    sale(&said(status, &body.to_string()), quantity)
}

fn two(first: &str, second: &str) -> Value {
    json!({ "tickets": [{ "barcode": first, "seat": "B12" }, { "barcode": second }], "remaining_quantity": 40 })
}

#[test]
fn statuses_of_messages_are_sorted() {
    for status in [200, 201, 202, 204, 299] {
        assert!(matches!(delivery(&said(status, "<html>")), Delivery::Delivered(same) if same == status));
    }
    assert!(matches!(delivery(&said(410, "")), Delivery::Gone));
    for (status, person, class, code) in [
        (302, true, Class::Settings, "UrlMoved"),
        (308, true, Class::Settings, "UrlMoved"),
        (400, true, Class::Data, "RefusedByVendor"),
        (401, true, Class::Auth, "BadCredentials"),
        (403, true, Class::Auth, "Forbidden"),
        (404, true, Class::Settings, "NotFound"),
        (405, true, Class::Settings, "NotFound"),
        (413, true, Class::Settings, "DocumentTooLarge"),
        (415, true, Class::Data, "RefusedByVendor"),
        (422, true, Class::Data, "RefusedByVendor"),
        (418, true, Class::VendorFault, "UnexpectedStatus"),
        (408, false, Class::Transient, "VendorDown"),
        (425, false, Class::Transient, "VendorDown"),
        (429, false, Class::RateLimited, "Throttled"),
        (500, false, Class::Transient, "VendorDown"),
        (503, false, Class::Transient, "VendorDown"),
    ] {
        let Delivery::Failed { status: told, error, wants_person } = delivery(&said(status, "kanari")) else {
            panic!("{status}")
        };
        assert_eq!((told, wants_person, error.class, error.code), (Some(status), person, class, code));
        assert!(!error.context.contains("kanari"));
    }
}

#[test]
fn a_wish_to_wait_is_heard_from_a_second_to_a_day_where_waiting_helps() {
    let wait = |status, seconds| {
        let said = Said { retry_after: Some(Duration::from_secs(seconds)), ..said(status, "") };
        match delivery(&said) {
            Delivery::Failed { error, .. } => error.retry_after.map(|wait| wait.as_secs()),
            other => panic!("{other:?}"),
        }
    };
    for status in [408, 425, 429, 500, 503] {
        assert_eq!((wait(status, 7), wait(status, 86_400)), (Some(7), Some(86_400)), "{status}");
        assert_eq!((wait(status, 0), wait(status, 86_401)), (None, None), "{status}");
    }
    assert_eq!((wait(400, 7), wait(404, 7)), (None, None));
}

#[test]
fn a_sale_has_exactly_its_tickets() {
    for status in [200, 201] {
        let SaleSaid::Sold(made, left) = sale_of(status, &two("V-1", "V-2"), 2) else { panic!() };
        assert_eq!(left, Left::Told(Quantity::Exactly(40)));
        let barcodes: Vec<&str> = made.iter().map(|one| one.barcode.as_str()).collect();
        assert_eq!(
            (barcodes, made[0].seat.as_deref(), made[1].seat.as_deref()),
            (vec!["V-1", "V-2"], Some("B12"), None)
        );
    }
    let existing = json!({ "error": "already_exists", "tickets": [{ "barcode": "V-1" }] });
    assert!(matches!(sale_of(409, &existing, 1), SaleSaid::Sold(_, Left::NotTold)));
    for (remaining, expected) in [
        (json!(null), Left::Told(Quantity::Unlimited)),
        (json!(0), Left::Told(Quantity::Exactly(0))),
        (json!(-1), Left::NotTold),
        (json!(1.5), Left::NotTold),
        (json!("3"), Left::NotTold),
        (json!(5_000_000_000_u64), Left::NotTold),
    ] {
        let body = json!({ "tickets": [{ "barcode": "V-1" }], "remaining_quantity": remaining });
        assert!(matches!(sale_of(201, &body, 1), SaleSaid::Sold(_, left) if left == expected), "{body}");
    }
}

#[test]
fn a_sale_of_another_size_or_with_odd_barcodes_is_in_doubt_with_what_is_known() {
    let long = "x".repeat(101);
    let fits = "x".repeat(100);
    assert!(matches!(sale_of(201, &two("V-1", &fits), 2), SaleSaid::Sold(..)));
    for (body, quantity, code, known) in [
        (two("V-1", "V-2"), 1, "WrongNumberOfTickets", 2),
        (json!({ "tickets": [{ "barcode": "V-1" }] }), 2, "WrongNumberOfTickets", 1),
        (json!({ "tickets": [] }), 2, "WrongNumberOfTickets", 0),
        (json!({ "tickets": vec![json!({ "barcode": "V-1" }); 500] }), 2, "WrongNumberOfTickets", 1),
        (two("V-1", "V-1"), 2, "MalformedBody", 1),
        (two("V-1", &long), 2, "MalformedBody", 1),
        (two("V-1", ""), 2, "MalformedBody", 1),
        (two("V-1", " V-2"), 2, "MalformedBody", 1),
        (two("V-1", "V\n2"), 2, "MalformedBody", 1),
        (two("V-1", "V\u{200b}2"), 2, "MalformedBody", 1),
        (json!({ "tickets": [{ "barcode": "V-1" }, { "barcode": 2 }] }), 2, "MalformedBody", 1),
        (json!({ "tickets": [{ "barcode": "V-1", "seat": long }] }), 1, "MalformedBody", 0),
        (json!({ "tickets": [{ "barcode": "V-1", "seat": 3 }] }), 1, "MalformedBody", 0),
        (json!({ "tickets": "V-1" }), 1, "WrongNumberOfTickets", 0),
        (json!({}), 1, "WrongNumberOfTickets", 0),
    ] {
        let SaleSaid::Doubt(error, made) = sale_of(201, &body, quantity) else { panic!("{body}") };
        assert_eq!((error.code, made.len()), (code, known), "{body}");
        assert!(!error.to_string().contains("V-1"));
    }
    assert!(matches!(sale_of(409, &json!({ "error": "already_exists" }), 1), SaleSaid::Doubt(..)));
}

#[test]
fn refusals_are_those_of_the_table() {
    let few = |left: Value| json!({ "error": "not_enough_seats", "remaining_quantity": left });
    assert!(matches!(sale_of(409, &few(json!(1)), 2), SaleSaid::Refused(Refusal::NotEnough { remaining: 1 })));
    assert!(matches!(sale_of(409, &few(json!(0)), 2), SaleSaid::Refused(Refusal::SoldOut)));
    let untold = json!({ "error": "not_enough_seats" });
    assert!(matches!(sale_of(409, &untold, 2), SaleSaid::Refused(Refusal::SoldOut)));
    assert!(matches!(sale_of(409, &few(json!(2)), 2), SaleSaid::Nothing(_)));
    assert!(matches!(sale_of(409, &few(json!(null)), 2), SaleSaid::Nothing(_)));
    for status in [404, 410] {
        let gone = json!({ "error": "unknown_stock" });
        assert!(matches!(sale_of(status, &gone, 2), SaleSaid::Refused(Refusal::ShowGone)));
    }
}

#[test]
fn only_words_of_the_contract_say_that_nothing_was_sold_and_all_else_is_in_doubt() {
    for (status, class) in [
        (401, Class::Auth),
        (403, Class::Auth),
        (404, Class::Settings),
        (405, Class::Settings),
        (410, Class::Settings),
        (422, Class::Data),
        (429, Class::RateLimited),
    ] {
        let bare = sale(&said(status, "no"), 1);
        assert!(matches!(bare, SaleSaid::Doubt(error, made) if error.class == class && made.is_empty()), "{status}");
    }
    let priced = sale(&said(422, "{\"error\":\"wrong_price\"}"), 1);
    assert!(matches!(priced, SaleSaid::Nothing(error) if error.class == Class::Data));
    for (status, body) in [
        (200, ""),
        (200, "null"),
        (200, "[]"),
        (201, "<!doctype html>"),
        (202, "{\"tickets\":[{\"barcode\":\"V-1\"}]}"),
        (204, ""),
        (303, ""),
        (400, "{}"),
        (408, ""),
        (409, "{}"),
        (409, "{\"error\":\"other\"}"),
        (500, "{\"error\":\"unknown_stock\"}"),
        (502, ""),
        (504, ""),
    ] {
        assert!(matches!(sale(&said(status, body), 1), SaleSaid::Doubt(..)), "{status} {body}");
    }
}

#[test]
fn answers_to_a_cancellation_are_sorted() {
    let of = |status, body: &str| cancel(&said(status, body));
    let freed = of(200, "{\"remaining_quantity\":42}");
    assert!(matches!(freed, CancelSaid::Cancelled(Left::Told(Quantity::Exactly(42)))));
    assert!(matches!(of(200, "{}"), CancelSaid::Cancelled(Left::NotTold)));
    assert!(matches!(of(409, "{\"error\":\"already_cancelled\"}"), CancelSaid::AlreadyCancelled));
    assert!(matches!(of(409, "{\"error\":\"already_used\"}"), CancelSaid::AlreadyUsed));
    assert!(matches!(of(404, "{\"error\":\"unknown_booking\"}"), CancelSaid::NotKnown));
    assert!(matches!(of(404, "{\"error\":\"unknown_barcode\"}"), CancelSaid::NotKnown));
    assert!(matches!(of(422, ""), CancelSaid::Refused));
    for status in [401, 403, 404, 405, 410] {
        assert!(matches!(of(status, ""), CancelSaid::TurnedAway(_)), "{status}");
    }
    for (status, body) in
        [(200, ""), (200, "[]"), (200, "{\"error\":\"x\"}"), (204, ""), (302, ""), (409, "{}"), (429, ""), (500, "")]
    {
        assert!(matches!(of(status, body), CancelSaid::Doubt(_)), "{status} {body}");
    }
}

proptest::proptest! {
    #[test]
    fn no_body_makes_a_sale_of_another_size(body in ".{0,200}", status in 100_u16..600, quantity in 1_u32..=2) {
        if let SaleSaid::Sold(made, _) = sale(&said(status, &body), quantity) {
            assert_eq!(made.len(), quantity as usize);
        }
        let _judged = cancel(&said(status, &body));
    }
}
