//! Our signatures against the published library of Standard Webhooks, which shares no line with ours, and its against ours.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

mod common;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use passerelle_contract::{AdapterError, BookOutcome, BoxFuture, Deadline, Delivery, Journal, Order, Reference};
use passerelle_kit::http::{Act, Client, Config, Verb};
use passerelle_webhook::simulator::{OTHER_SECRET, Received, SECRET, WebhookSimulator};
use serde_json::json;
use standardwebhooks::Webhook;

use common::{connect, context, deliver, notify, synchronous};

struct Paper;

impl Journal for Paper {
    fn about_to_sell<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async { Ok(()) })
    }
}

fn headers(received: &Received) -> HeaderMap {
    let all = received.headers.iter();
    all.map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())).collect()
}

fn passes(secret: &str, received: &Received) -> bool {
    Webhook::new(secret).unwrap().verify(received.body.as_bytes(), &headers(received)).is_ok()
}

#[tokio::test]
async fn every_kind_of_call_passes_the_published_library() {
    let simulator = WebhookSimulator::start().await.unwrap();
    let teller = connect(notify(&simulator.url()), &[]);
    for (id, body) in [
        ("msg_1", r#"{"type":"booking.created","data":{"label":"Théâtre — été ☀"}}"#),
        ("msg_2", "{}"),
        ("msg_3", r#"{ "type" : "odd.spaces",   "data":{} }"#),
    ] {
        assert!(matches!(deliver(teller.as_ref(), id, body.as_bytes()).await, Delivery::Delivered(_)), "{id}");
    }
    for probe in teller.probes() {
        (probe.ask)().await.unwrap();
    }
    let seller = connect(synchronous(&simulator), &[]);
    let order = Order { reference: Reference("ABCDEFGHJKLMNPQR".into()), ..WebhookSimulator::orders().open };
    let office = seller.box_office().unwrap();
    let deadline = || Deadline::after(Duration::from_secs(7));
    let BookOutcome::Booked(sale) = office.book(&order, &Paper, deadline()).await else { panic!() };
    office.cancel(&sale.tickets, deadline()).await;
    let received = simulator.received();
    let kinds: Vec<&str> = received.iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(
        kinds[2..],
        ["odd.spaces", "endpoint.ping", "endpoint.ping", "booking.requested", "booking.cancel_requested"]
    );
    for one in &received {
        assert!(passes(SECRET, one) && !passes(OTHER_SECRET, one), "{}", one.kind);
        let mut changed = one.clone();
        changed.body.push('\n');
        assert!(!passes(SECRET, &changed), "{}", one.kind);
    }
}

#[tokio::test]
async fn while_a_secret_is_replaced_the_published_library_takes_either() {
    let simulator = WebhookSimulator::start().await.unwrap();
    let rotated = [("secret", json!({ "file": "other" })), ("previous_secret", json!({ "file": "secret" }))];
    let teller = connect(notify(&simulator.url()), &rotated);
    assert!(matches!(deliver(teller.as_ref(), "msg_1", b"{}").await, Delivery::Delivered(_)));
    let received = simulator.received();
    assert!(passes(SECRET, &received[0]) && passes(OTHER_SECRET, &received[0]));
    let signatures = &received[0].headers["webhook-signature"];
    let new = Webhook::new(OTHER_SECRET).unwrap();
    let seconds = received[0].headers["webhook-timestamp"].parse().unwrap();
    assert!(signatures.starts_with(&new.sign("msg_1", seconds, b"{}").unwrap()), "the new one comes first");
}

#[tokio::test]
async fn what_the_published_library_signs_passes_here_and_is_judged_alike() {
    let simulator = WebhookSimulator::start().await.unwrap();
    let base: url::Url = simulator.url().parse().unwrap();
    let client = Client::new(Config::new(base.clone(), &context())).unwrap();
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    for (secret, seconds, extra, expected) in [
        (SECRET, now, "", 204),
        (SECRET, now - 290, "", 204),
        (SECRET, now + 290, "", 204),
        (SECRET, now - 310, "", 401),
        (SECRET, now + 310, "", 401),
        (OTHER_SECRET, now, "", 401),
        (SECRET, now, "v1a,AAAA  v1,AAAA ", 204),
    ] {
        let signature = Webhook::new(secret).unwrap().sign("msg_x", seconds, b"{}").unwrap();
        let mut act = Act::new("tell", Verb::Post, base.clone(), Duration::from_secs(5));
        act = act.with_body("application/json", b"{}".to_vec());
        for (name, value) in [
            ("Webhook-Id", "msg_x".to_owned()),
            ("WEBHOOK-TIMESTAMP", seconds.to_string()),
            ("webhook-signature", format!("{extra}{signature}")),
            ("gateway-contract", "1".to_owned()),
        ] {
            act = act.with_header(name.parse().unwrap(), value.parse().unwrap());
        }
        assert_eq!(client.act(&act).await.unwrap().status, expected, "{} s, {extra:?}", seconds - now);
    }
}
