//! The queue behind the bulk upsert: workers, lateness, stalls, lost tasks, and the race on a venue's first location.

use std::time::{Duration, Instant};

use passerelle::sandbox::{Sandbox, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{EAN_PATH, call, start_with};

/// The `n`th book EAN with a right check digit.
fn book_ean(n: u64) -> String {
    let body = format!("978{n:09}");
    let sum: u32 = body.bytes().enumerate().map(|(i, b)| u32::from(b - b'0') * if i % 2 == 0 { 1 } else { 3 }).sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

async fn upsert(sandbox: &Sandbox, venue: i64, eans: std::ops::Range<u64>, copies: u32) {
    let products: Vec<Value> =
        eans.map(|n| json!({"ean": book_ean(n), "stock": {"price": 100, "quantity": copies}})).collect();
    let body = json!({"location": {"type": "physical", "venueId": venue}, "products": products});
    assert_eq!(call(sandbox, Method::POST, EAN_PATH, Some(body)).await.0, 204);
}

async fn control(sandbox: &Sandbox, path: &str, body: Value) -> Value {
    let (status, answer) = call(sandbox, Method::POST, path, Some(body)).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

fn settings() -> Settings {
    Settings { upsert_delay_ms: 40, any_ean: true, ..Settings::default() }
}

#[tokio::test]
async fn the_first_tasks_of_a_venue_race_and_one_of_them_survives() {
    let sandbox = start_with(settings()).await;
    let changed = control(&sandbox, "/_sandbox/settings", json!({"location_race": true, "ean_workers": 8})).await;
    assert_eq!((&changed["location_race"], &changed["ean_workers"]), (&json!(true), &json!(8)));
    sandbox.stall_queue(Duration::from_millis(300));
    upsert(&sandbox, 535, 0..500, 1).await;
    sandbox.settled().await;
    let there = sandbox.offers().len();
    assert_eq!(there, 500 - 7 * 35, "eight tasks began together, one of them made the location");
    upsert(&sandbox, 535, 0..500, 1).await;
    sandbox.settled().await;
    assert_eq!(sandbox.offers().len(), 500, "the location is there now");
    sandbox.stop().await;
}

#[tokio::test]
async fn a_venue_that_is_primed_with_one_ean_loses_nothing() {
    let sandbox = start_with(Settings { location_race: true, ..settings() }).await;
    upsert(&sandbox, 535, 0..1, 1).await;
    sandbox.settled().await;
    upsert(&sandbox, 535, 1..500, 1).await;
    sandbox.settled().await;
    assert_eq!(sandbox.offers().len(), 500);
    sandbox.stop().await;
}

#[tokio::test]
async fn lost_tasks_are_lost_after_their_204() {
    let sandbox = start_with(settings()).await;
    let told = control(&sandbox, "/_sandbox/queue", json!({"lose_next_chunks": 2})).await;
    assert_eq!(told["lose_next_chunks"], 2);
    upsert(&sandbox, 535, 0..175, 1).await;
    sandbox.settled().await;
    assert_eq!(sandbox.offers().len(), 175 - 2 * 35);
    upsert(&sandbox, 535, 0..175, 1).await;
    sandbox.settled().await;
    assert_eq!(sandbox.offers().len(), 175);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_stalled_queue_does_nothing_until_it_moves() {
    let sandbox = start_with(Settings { upsert_delay_ms: 0, ..settings() }).await;
    control(&sandbox, "/_sandbox/queue", json!({"stall_ms": 60_000})).await;
    upsert(&sandbox, 535, 0..70, 1).await;
    let (_, queue) = call(&sandbox, Method::GET, "/_sandbox/queue", None).await;
    assert_eq!(queue["queued_tasks"], 2, "{queue}");
    assert!(queue["stall_ms"].as_u64().unwrap() > 50_000, "{queue}");
    assert_eq!(sandbox.offers(), []);
    control(&sandbox, "/_sandbox/queue", json!({"stall_ms": 0})).await;
    sandbox.settled().await;
    assert_eq!(sandbox.offers().len(), 70);
    sandbox.stop().await;
}

#[tokio::test]
async fn few_workers_are_slow_and_two_upserts_of_a_new_ean_make_two_offers() {
    let sandbox = start_with(Settings { ean_workers: 1, ..settings() }).await;
    let began = Instant::now();
    upsert(&sandbox, 535, 0..500, 1).await;
    upsert(&sandbox, 535, 0..500, 2).await;
    sandbox.settled().await;
    assert!(began.elapsed() >= Duration::from_millis(290), "thirty tasks of 10 ms, one after the other");
    assert_eq!(sandbox.offers().len(), 1_000);
    sandbox.stop().await;
}
