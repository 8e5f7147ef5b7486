//! A theatre whose software states its shows: told of bookings, or asked to sell.

use std::time::Duration;

use passerelle::sandbox::{Bookable, BookingTruth};
use passerelle_webhook::simulator::{Behaviour, SECRET as VENDOR_SECRET, WebhookSimulator};
use serde_json::{Value, json};

use super::SQLITE;
use super::receiver::{Does, Receiver};
use super::stage::{API_TOKEN, SECRET, Server, Stage, VENUE, answer, software, told_at, until};

/// A show of the simulated vendor's.
const STOCK: &str = "mouette/1/A";

async fn put(stage: &Stage, server: &Server, path: &str, body: Value) -> Value {
    let request = stage.client.put(format!("{}/vendor/v1{path}", server.base)).bearer_auth(API_TOKEN).json(&body);
    let (status, told) = answer(request).await;
    assert_eq!(status, 200, "{path}: {told}");
    told
}

/// States one event with one stock, and waits until pass Culture has it: its number there.
async fn state(stage: &Stage, server: &Server, starts_at: jiff::Timestamp, remaining: u32) -> u64 {
    let event = json!({"title": "La Mouette", "description": "Théâtre", "category": "VISITE_GUIDEE", "venue": VENUE,
        "price_categories": [{"id": "A", "label": "Plein tarif", "price_cents": 1_200}]});
    put(stage, server, "/events/mouette", event).await;
    let stock = json!({"starts_at": starts_at.to_string(), "price_cents": 1_200, "price_label": "Plein tarif",
        "remaining": remaining, "version": 1});
    // Slashes in an id may stand in the address as they are, or encoded.
    put(stage, server, &format!("/events/mouette/stocks/{STOCK}"), stock.clone()).await;
    put(stage, server, "/events/mouette/stocks/mouette%2F1%2FA", stock).await;
    let on_sale = || stage.sandbox.offers().iter().flat_map(|offer| offer.dates.clone()).next();
    until("the show at pass Culture", || on_sale().is_some()).await;
    on_sale().unwrap().stock_id
}

fn in_days(days: i64) -> jiff::Timestamp {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
    jiff::Timestamp::from_second(at.as_second()).unwrap()
}

async fn book(stage: &Stage, person: u32, stock: u64, quantity: u32) -> Option<BookingTruth> {
    let email = format!("{person}@example.org");
    let booked = stage.sandbox.book_and_wait(&email, Bookable::Stock(stock), quantity).await;
    let log = || {
        stage
            .log()
            .lines()
            .filter(|line| line.contains("WARN") || line.contains("ERROR"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    booked.inspect_err(|refused| println!("not booked: {refused}\n{}", log())).ok()
}

fn left(stage: &Stage, stock: u64) -> Option<u32> {
    let dates = stage.sandbox.offers().into_iter().flat_map(|offer| offer.dates);
    dates.into_iter().find(|date| date.stock_id == stock).unwrap().remaining
}

#[tokio::test(flavor = "multi_thread")]
async fn software_that_is_told_gets_the_tickets_that_the_gateway_issues() {
    let stage = Stage::new(1).await;
    let receiver = Receiver::start(SECRET).await;
    stage.configure(SQLITE, &told_at("theatre", VENUE, &receiver.url(), ""));
    let server = stage.serve().await;
    let stock = state(&stage, &server, in_days(10), 3).await;
    let duo = book(&stage, 0, stock, 2).await.unwrap();
    until("the booking", || receiver.calls().len() == 1).await;
    let made = receiver.calls()[0].document();
    assert!(receiver.calls()[0].verified);
    let barcodes: Vec<&str> = duo.tickets.iter().map(|ticket| ticket.barcode.as_str()).collect();
    let told: Vec<&str> =
        made["data"]["tickets"].as_array().unwrap().iter().map(|one| one["barcode"].as_str().unwrap()).collect();
    assert_eq!(told, barcodes, "what pass Culture shows is what the scanner is told");
    assert_eq!((&made["data"]["stock_id"], &made["data"]["quantity"]), (&json!(STOCK), &json!(2)));
    assert!(made["data"]["event_starts_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(left(&stage, stock), Some(1));
    assert!(book(&stage, 1, stock, 2).await.is_none(), "one is left");
    stage.sandbox.cancel_and_wait(duo.id).await.unwrap();
    until("the cancellation", || receiver.calls().len() == 2).await;
    let over = receiver.calls()[1].document();
    assert_eq!((&over["type"], &over["sequence"]), (&json!("booking.cancelled"), &json!(2)));
    assert_eq!(over["data"]["barcodes"], json!(barcodes));
    assert_eq!((left(&stage, stock), book(&stage, 1, stock, 2).await.is_some()), (Some(3), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_in_any_moment_of_a_booking_leaves_the_books_equal() {
    let stage = Stage::new(1).await;
    let receiver = Receiver::start(SECRET).await;
    stage.configure(SQLITE, &told_at("theatre", VENUE, &receiver.url(), ""));
    let mut server = stage.serve().await;
    let stock = state(&stage, &server, in_days(10), 200).await;
    for (person, delay) in (0..14).zip([0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50]) {
        let killed = async {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            drop(server);
        };
        let (booked, ()) = tokio::join!(book(&stage, person, stock, 1 + person % 2), killed);
        server = stage.serve().await;
        // Half of those that went well are cancelled, with another kill.
        if let Some(booked) = booked.filter(|_| person % 2 == 0) {
            let killed = async {
                tokio::time::sleep(Duration::from_millis(delay)).await;
                drop(server);
            };
            let (cancelled, ()) = tokio::join!(stage.sandbox.cancel_and_wait(booked.id), killed);
            server = stage.serve().await;
            if cancelled.is_err() {
                stage.sandbox.cancel_and_wait(booked.id).await.unwrap();
            }
        }
    }
    // Every wait is over: what pass Culture does not have is freed.
    for _ in 0..2 {
        let settled = stage.run(&["bookings", "settle", "--now"]);
        assert_eq!(settled.code, 0, "{settled:#?}");
    }
    let waiting = || stage.run(&["messages", "list", "--state", "pending"]).lines.len();
    until("that everything is delivered", || waiting() == 0).await;
    let dates: Vec<_> = stage.sandbox.offers().into_iter().flat_map(|offer| offer.dates).collect();
    let believed = dates[0].booked;
    let (_, list) = stage.vendor(&server, &format!("/bookings?stock_id={STOCK}"), None).await;
    let valid = |list: &Value| {
        let bookings = list["bookings"].as_array().unwrap().iter();
        bookings.flat_map(|one| one["tickets"].as_array().unwrap()).filter(|one| one["state"] == "valid").count()
    };
    assert_eq!(valid(&list), believed as usize, "{list}");
    // And the venue's software has heard the same: seats made, less seats void.
    let mut told = std::collections::BTreeMap::new();
    for call in receiver.calls() {
        told.insert(call.id.clone(), call.document());
    }
    let heard: i64 = told
        .values()
        .map(|document| match document["type"].as_str().unwrap() {
            "booking.created" => document["data"]["quantity"].as_i64().unwrap(),
            _ => -i64::try_from(document["data"]["barcodes"].as_array().unwrap().len()).unwrap(),
        })
        .sum();
    assert_eq!(heard, i64::from(believed), "{told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn software_that_is_asked_sells_its_own_seats_and_hears_what_it_did_not_answer() {
    let stage = Stage::new(1).await;
    let vendor = WebhookSimulator::start().await.unwrap();
    std::fs::write(stage.folder.path().join("vendor-secret"), VENDOR_SECRET).unwrap();
    let settings = format!(
        "mode = \"synchronous\"\nurl = \"{}\"\nbooking_url = \"{}\"\ncancel_url = \"{}\"\nbudget_seconds = 1\n\
         secret = {{ file = \"vendor-secret\" }}\nretry_schedule = [\"100ms\", \"100ms\", \"100ms\"]",
        vendor.url(),
        vendor.booking_url(),
        vendor.cancel_url()
    );
    stage.configure(SQLITE, &software("theatre", VENUE, &settings));
    let server = stage.serve().await;
    let show = vendor.show(STOCK).unwrap();
    let starts = jiff::Timestamp::from_second(show.starts_at).unwrap();
    let before = show.remaining.unwrap();
    let stock = state(&stage, &server, starts, before).await;

    let sold = book(&stage, 0, stock, 2).await;
    let sold = sold.unwrap_or_else(|| panic!("not sold: {:#?}", stage.run(&["bookings", "list"])));
    assert_eq!(vendor.show(STOCK).unwrap().remaining, Some(before - 2));
    assert_eq!(left(&stage, stock), Some(before - 2));
    // The next pass states what the vendor told last, not what it stated before the sale.
    assert_eq!(stage.run(&["sync", "theatre"]).code, 0);
    assert_eq!(left(&stage, stock), Some(before - 2));

    // It sells, and its answer comes too late: it is told to take the sale back.
    vendor.set_behaviour(Behaviour::Hang);
    assert!(book(&stage, 1, stock, 1).await.is_none());
    vendor.set_behaviour(Behaviour::Good);
    let compensated = || {
        let received = vendor.received();
        received.iter().any(|one| one.kind == "booking.cancelled" && one.data["reason"] == "compensation")
    };
    until("the compensation", compensated).await;
    let released = stage.run(&["bookings", "list", "--state", "released"]);
    assert_eq!(released.lines.len(), 1, "{released:#?}");

    // A cancellation that it does not answer is done, and told.
    vendor.set_behaviour(Behaviour::Broken);
    stage.sandbox.cancel_and_wait(sold.id).await.unwrap();
    vendor.set_behaviour(Behaviour::Good);
    until("that both seats are void", || {
        let bookings = vendor.bookings();
        let one =
            bookings.iter().find(|one| one.tickets.iter().any(|ticket| ticket.barcode == sold.tickets[0].barcode));
        one.is_some_and(|one| one.tickets.iter().all(|ticket| ticket.void))
    })
    .await;
    assert_eq!(vendor.show(STOCK).unwrap().remaining, Some(before));
    assert_eq!(stage.run(&["bookings", "list", "--needs-human"]).lines.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_answers_nonsense_has_what_it_was_told() {
    let stage = Stage::new(1).await;
    let receiver = Receiver::start(SECRET).await;
    stage.configure(SQLITE, &told_at("theatre", VENUE, &receiver.url(), ""));
    let server = stage.serve().await;
    let stock = state(&stage, &server, in_days(10), 5).await;
    receiver.next(&[Does::Babbles]);
    book(&stage, 0, stock, 1).await.unwrap();
    let state = || stage.run(&["messages", "list"]).lines[0]["state"].clone();
    until("that it is delivered", || state() == "delivered").await;
    assert_eq!(receiver.calls().len(), 1);
}
