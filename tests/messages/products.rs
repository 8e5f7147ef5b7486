//! Bookings of books: notified once, found by asking, told in order.

use passerelle::sandbox::Generation;
use passerelle::sandbox::message::{Form, sign_message};
use reqwest::Method;
use serde_json::{Value, json};

use super::SQLITE;
use super::receiver::Receiver;
use super::shop::ean;
use super::stage::{API_TOKEN, HMAC, SECRET, Server, Stage, VENUE, answer, stock, told_at, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_bookshops_software_hears_of_each_booking_and_of_its_end() {
    let stage = Stage::new(1).await;
    let software = Receiver::start(SECRET).await;
    // Beside the connection that reads the shop's stock, at the same venue.
    stage.configure(SQLITE, &(stock() + &told_at("software", VENUE, &software.url(), "")));
    std::fs::write(stage.folder.path().join("stock.csv"), format!("EAN13;PV TTC;Stock\n{};7,90;5\n", ean(0))).unwrap();
    let server = stage.serve().await;
    until("the offer", || stage.sandbox.offer_by_ean(535, &ean(0)).is_some()).await;
    let offer = stage.sandbox.offer_by_ean(535, &ean(0)).unwrap().offer_id;
    let booking = stage.book(0, offer);
    until("the booking", || software.calls().len() == 1).await;
    assert!(stage.sandbox.cancel(booking.id));
    until("the cancellation", || software.calls().len() == 2).await;
    let other = stage.book(1, offer);
    until("the other booking", || software.calls().len() == 3).await;

    let calls = software.calls();
    assert!(calls.iter().all(|call| call.verified && !call.replay), "{calls:#?}");
    let (made, over) = (calls[0].document(), calls[1].document());
    assert_eq!((&made["type"], &made["sequence"]), (&json!("booking.created"), &json!(1)));
    assert_eq!((&over["type"], &over["sequence"]), (&json!("booking.cancelled"), &json!(2)));
    assert_eq!(made["data"]["stock_id"], ean(0));
    assert_eq!((&made["data"]["quantity"], &made["data"]["unit_price_cents"]), (&json!(1), &json!(790)));
    assert_eq!(made["data"]["holder"], Value::Null);
    assert_eq!(made["data"]["booking_id"], over["data"]["booking_id"]);
    assert_ne!(made["data"]["booking_id"], calls[2].document()["data"]["booking_id"]);
    for private in ["example.org", "Prenom", "2008-01-01", other.token.as_str()] {
        assert!(!calls.iter().any(|call| call.body.contains(private)), "{private}");
        assert!(!stage.log().contains(private), "{private} was logged");
    }

    // Fetched at the counter: nobody notifies of that, asking finds it.
    let path = format!("{}/api/v1/tokens/{}/use", server.base, other.token);
    let (status, told) = answer(stage.client.request(Method::POST, path).bearer_auth(API_TOKEN)).await;
    assert_eq!(status, 200, "{told}");
    let settled = stage.run(&["bookings", "settle", "--now"]);
    assert_eq!(settled.code, 0, "{settled:#?}");
    until("that it was fetched", || software.calls().len() == 4).await;
    assert_eq!(software.calls()[3].document()["type"], "booking.used");
    let named = calls[0].document()["data"]["booking_id"].as_str().unwrap().to_owned();
    let explained = stage.run(&["explain", &named]);
    assert_eq!(explained.lines.iter().filter(|line| line["event"] == "message").count(), 2, "{explained:#?}");
    // Asking again tells nothing again.
    let again = stage.run(&["bookings", "settle", "--now"]);
    assert!(again.lines.iter().all(|line| line["event"] != "reconciled"), "{again:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_notified_is_found_by_asking() {
    let stage = Stage::new(1).await;
    let software = Receiver::start(SECRET).await;
    stage.configure(SQLITE, &told_at("software", VENUE, &software.url(), ""));
    let offer = stage.sell(VENUE, 0).await;
    let server = stage.serve().await;
    let first = stage.book(0, offer);
    until("the booking", || software.calls().len() == 1).await;
    // The gateway is down: pass Culture notifies once and forgets.
    drop(server);
    assert!(stage.sandbox.cancel(first.id));
    stage.book(1, offer);
    stage.sandbox.settled().await;
    let _server = stage.serve().await;
    let settled = stage.run(&["bookings", "settle", "--now"]);
    let moves: Vec<(&str, &str)> = settled
        .lines
        .iter()
        .filter(|line| line["event"] == "reconciled")
        .map(|line| (line["from"].as_str().unwrap(), line["to"].as_str().unwrap()))
        .collect();
    assert_eq!(moves, [("open", "cancelled"), ("unknown", "open")], "{settled:#?}");
    until("both", || software.different().len() == 3).await;
    let calls = software.different();
    let of = |kind: &str| calls.iter().find(|call| call.kind() == kind && call.id != calls[0].id).unwrap().document();
    assert_eq!(of("booking.cancelled")["data"]["booking_id"], calls[0].document()["data"]["booking_id"]);
    assert_eq!(of("booking.created")["data"]["stock_id"], ean(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_book_that_nobody_fetched_is_told_as_expired() {
    const DAYS: i64 = 86_400;
    let stage = Stage::new(1).await;
    let software = Receiver::start(SECRET).await;
    stage.configure(SQLITE, &told_at("software", VENUE, &software.url(), ""));
    let days_ago = |days: i64| {
        let settings = stage.sandbox.settings();
        stage.sandbox.set_settings(passerelle::sandbox::Settings { clock_offset_seconds: -days * DAYS, ..settings });
    };
    days_ago(12);
    let (old, young) = (stage.sell(VENUE, 0).await, stage.sell(VENUE, 1).await);
    let _server = stage.serve().await;
    // Booked eleven days ago, and nine.
    let mut bookings = Vec::new();
    for (offer, days) in [(old, 11), (young, 9)] {
        days_ago(days);
        bookings.push(stage.book(0, offer));
    }
    days_ago(0);
    until("both bookings", || software.calls().len() == 2).await;
    // pass Culture tells nobody of either.
    for booking in &bookings {
        let path = format!("{}/_sandbox/bookings/{}/expire", stage.sandbox.base_url(), booking.id);
        assert!(stage.client.post(path).send().await.unwrap().status().is_success());
    }
    assert_eq!(stage.run(&["bookings", "settle", "--now"]).code, 0);
    until("both ends", || software.calls().len() == 4).await;
    let reason = |item: u64| {
        let documents: Vec<Value> = software.calls().iter().map(super::receiver::Call::document).collect();
        let made =
            documents.iter().find(|one| one["data"]["stock_id"] == ean(item)).unwrap()["data"]["booking_id"].clone();
        let over = documents.iter().find(|one| one["type"] == "booking.cancelled" && one["data"]["booking_id"] == made);
        over.unwrap()["data"]["reason"].clone()
    };
    // Ten days are a book's time; what ends before was ended by somebody.
    assert_eq!((reason(0), reason(1)), (json!("expired"), json!("beneficiary")));
}

/// How often bookings were listed by venue, and by offer.
fn listings(stage: &Stage) -> (usize, usize) {
    let asked = stage.sandbox.requests();
    let listings: Vec<_> = asked.iter().filter(|request| request.path.ends_with("/bookings/v1/bookings")).collect();
    let by_venue = listings.iter().filter(|request| request.query.contains("venueId=")).count();
    (by_venue, listings.len() - by_venue)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_list_of_the_venue_answers_for_all_its_offers() {
    let stage = Stage::new(1).await;
    let software = Receiver::start(SECRET).await;
    stage.configure(SQLITE, &told_at("software", VENUE, &software.url(), ""));
    let mut offers = Vec::new();
    for number in 0..6 {
        offers.push(stage.sell(VENUE, number).await);
    }
    let server = stage.serve().await;
    let bookings: Vec<_> = offers.iter().map(|offer| stage.book(0, *offer)).collect();
    until("every booking", || software.different().len() == 6).await;
    drop(server);
    // Nobody hears of it.
    assert!(stage.sandbox.cancel(bookings[2].id));
    stage.sandbox.forget_requests();
    let settled = stage.run(&["bookings", "settle", "--now"]);
    let moves = settled.lines.iter().filter(|line| line["event"] == "reconciled").count();
    assert_eq!(moves, 1, "{settled:#?}");
    // At the first look the live bookings are read; the one that is not among them is asked for by its offer, and is over.
    let (by_venue, by_offer) = listings(&stage);
    assert!((1..=2).contains(&by_venue) && by_offer == 1, "{by_venue} by venue, {by_offer} by offer");
    // Whatever is as it was costs the venue's list and nothing more.
    stage.sandbox.forget_requests();
    assert_eq!(stage.run(&["bookings", "settle", "--now"]).code, 0);
    assert_eq!(listings(&stage).1, 0);
    assert!(listings(&stage).0 <= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_culture_of_december_is_asked_for_each_offer_and_once_for_the_venue() {
    let stage = Stage::at(1, Generation::December2025).await;
    let software = Receiver::start(SECRET).await;
    stage.configure(SQLITE, &told_at("software", VENUE, &software.url(), ""));
    let offers = [stage.sell(VENUE, 0).await, stage.sell(VENUE, 1).await];
    let server = stage.serve().await;
    let bookings = offers.map(|offer| stage.book(0, offer));
    until("every booking", || software.different().len() == 2).await;
    drop(server);
    assert!(stage.sandbox.cancel(bookings[1].id));
    stage.sandbox.forget_requests();
    let settled = stage.run(&["bookings", "settle", "--now"]);
    assert_eq!(settled.lines.iter().filter(|line| line["event"] == "reconciled").count(), 1, "{settled:#?}");
    assert_eq!(listings(&stage), (1, 2));
    stage.sandbox.forget_requests();
    assert_eq!(stage.run(&["bookings", "settle", "--now"]).code, 0);
    assert_eq!(listings(&stage).0, 0, "it is not asked again before tomorrow");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_of_an_offer_that_nobody_spoke_of_is_found_in_the_venues_list() {
    let stage = Stage::new(1).await;
    let software = Receiver::start(SECRET).await;
    stage.configure(SQLITE, &told_at("software", VENUE, &software.url(), ""));
    let hours_ago = |hours: i64| {
        let settings = stage.sandbox.settings();
        stage.sandbox.set_settings(passerelle::sandbox::Settings { clock_offset_seconds: -hours * 3_600, ..settings });
    };
    hours_ago(2);
    let (spoken_of, silent) = (stage.sell(VENUE, 0).await, stage.sell(VENUE, 1).await);
    let server = stage.serve().await;
    hours_ago(0);
    stage.book(0, spoken_of);
    until("the booking", || software.different().len() == 1).await;
    drop(server);
    // An hour ago, so that its notification is not merely late.
    hours_ago(1);
    stage.book(1, silent);
    hours_ago(0);
    let _server = stage.serve().await;
    assert_eq!(stage.run(&["bookings", "settle", "--now"]).code, 0);
    until("both", || software.different().len() == 2).await;
    let told: Vec<Value> = software.different().iter().map(super::receiver::Call::document).collect();
    assert!(told.iter().any(|one| one["type"] == "booking.created" && one["data"]["stock_id"] == ean(1)), "{told:#?}");
    assert_eq!(stage.run(&["bookings", "settle", "--now"]).code, 0);
    assert_eq!(software.different().len(), 2, "told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shops_own_cancellation_is_told_as_the_offerers() {
    let stage = Stage::new(1).await;
    let software = Receiver::start(SECRET).await;
    stage.configure(SQLITE, &told_at("software", VENUE, &software.url(), ""));
    let offers = [stage.sell(VENUE, 0).await, stage.sell(VENUE, 1).await];
    let server = stage.serve().await;
    let bookings = offers.map(|offer| stage.book(0, offer));
    until("both bookings", || software.different().len() == 2).await;
    let path = format!("{}/api/v1/tokens/{}/cancel", server.base, bookings[0].token);
    let (status, told) = answer(stage.client.request(Method::POST, path).bearer_auth(API_TOKEN)).await;
    assert_eq!(status, 200, "{told}");
    assert!(stage.sandbox.cancel(bookings[1].id));
    until("both ends", || software.different().len() == 4).await;
    let documents: Vec<Value> = software.different().iter().map(super::receiver::Call::document).collect();
    let reason = |item: u64| {
        let made = documents.iter().find(|one| one["data"]["stock_id"] == ean(item)).unwrap();
        let ended = |one: &&Value| {
            one["type"] == "booking.cancelled" && one["data"]["booking_id"] == made["data"]["booking_id"]
        };
        documents.iter().find(ended).unwrap()["data"]["reason"].clone()
    };
    assert_eq!((reason(0), reason(1)), (json!("offerer"), json!("beneficiary")));
}

#[tokio::test(flavor = "multi_thread")]
async fn message_addresses_that_somebody_changed_are_told_and_registered_again() {
    let stage = Stage::new(1).await;
    let software = Receiver::start(SECRET).await;
    let here = "http://127.0.0.1:9";
    let server = format!("public_url = \"{here}\"\n");
    stage.configure_at(SQLITE, &server, &told_at("software", VENUE, &software.url(), ""));
    assert_eq!(stage.run(&["apply"]).code, 0);
    let venues = |check: &super::shop::Ran| {
        check.lines.iter().find(|line| line["probe"] == "venues").map(|line| line["verdict"].clone()).unwrap()
    };
    assert_eq!(venues(&stage.run(&["check"])), "healthy");
    stage.notify_at("http://127.0.0.1:10").await;
    assert_eq!(venues(&stage.run(&["check"])), "degraded");
    let provider = format!("{}/public/providers/v1/provider", stage.sandbox.base_url());
    let _server = stage.serve_as_it_is();
    let began = std::time::Instant::now();
    loop {
        let (_, shown) = answer(stage.client.get(&provider).bearer_auth(super::shop::API_KEY)).await;
        if shown["bookingUrl"] == format!("{here}/passculture/booking") {
            break;
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(30), "{shown}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(venues(&stage.run(&["check"])), "healthy");
}

/// A notification as pass Culture signs it.
async fn notify(stage: &Stage, server: &Server, person: u32, action: &str) -> u16 {
    let text = |value: &str| Value::from(value);
    let fields: Vec<(&str, Value)> = vec![
        ("booking_confirmation_date", Value::Null),
        ("booking_creation_date", text("2031-03-12T18:05:09.123456")),
        ("booking_quantity", json!(1)),
        ("offer_ean", text(&ean(3))),
        ("offer_id", json!(4_213)),
        ("offer_id_at_provider", Value::Null),
        ("offer_name", text("Le Phare")),
        ("offer_price", json!(799)),
        ("price_category_id", Value::Null),
        ("price_category_id_at_provider", Value::Null),
        ("price_category_label", Value::Null),
        ("stock_id", json!(9_001)),
        ("stock_id_at_provider", Value::Null),
        ("user_birth_date", text("2008-01-01")),
        ("user_email", text(&format!("{person}@example.com"))),
        ("user_first_name", text("Prenom")),
        ("user_last_name", text("Nom")),
        ("user_phone", Value::Null),
        ("venue_address", Value::Null),
        ("venue_department_code", Value::Null),
        ("venue_id", json!(VENUE)),
        ("venue_name", text("Lieu")),
        ("action", text(action)),
    ];
    let message = sign_message(HMAC, &fields, Form::Compact);
    let request = stage
        .client
        .post(format!("{}/passculture/notification", server.base))
        .header("content-type", "application/json")
        .header("passculture-signature", message.signature)
        .body(message.wire);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_that_come_twice_or_in_the_wrong_order_do_no_harm() {
    let stage = Stage::new(1).await;
    let software = Receiver::start(SECRET).await;
    let personal = "personal_data = [\"first_name\"]\ndpa_signed_at = \"2026-01-15\"";
    stage.configure(SQLITE, &told_at("software", VENUE, &software.url(), personal));
    let server = stage.serve().await;
    // The end comes before the beginning, and each comes twice.
    for action in ["CANCEL", "CANCEL", "BOOK", "BOOK"] {
        assert_eq!(notify(&stage, &server, 1, action).await, 204);
    }
    for action in ["BOOK", "BOOK", "CANCEL", "CANCEL"] {
        assert_eq!(notify(&stage, &server, 2, action).await, 204);
    }
    until("three messages", || software.calls().len() >= 3).await;
    // Of one booking in order; the two bookings may come side by side.
    let documents: Vec<Value> = software.calls().iter().map(super::receiver::Call::document).collect();
    let made = documents.iter().find(|one| one["type"] == "booking.created").unwrap();
    let of = |same: bool| -> Vec<(&str, u64)> {
        let theirs = |one: &&Value| (one["data"]["booking_id"] == made["data"]["booking_id"]) == same;
        documents
            .iter()
            .filter(theirs)
            .map(|one| (one["type"].as_str().unwrap(), one["sequence"].as_u64().unwrap()))
            .collect()
    };
    assert_eq!(of(true), [("booking.created", 1), ("booking.cancelled", 2)]);
    assert_eq!(of(false), [("booking.cancelled", 2)]);
    assert_eq!(made["data"]["holder"], json!({ "first_name": "Prenom" }), "and nothing else of the person");
}
