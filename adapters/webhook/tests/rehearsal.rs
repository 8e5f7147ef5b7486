//! The rehearsal against software that keeps every rule, and against receivers that each break some: those rules fail, no other.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

mod common;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use passerelle_kit::secret::SecretRef;
use passerelle_testkit::simulator::{Fault, Simulator as _};
use passerelle_webhook::rehearsal::{DeskTrial, MAX_SILENCES, Ruling, Trial, Verdict, rehearse};
use passerelle_webhook::simulator::{OTHER_SECRET, SECRET, WebhookSimulator};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use url::Url;

use common::secrets;

/// A show of the simulator with places left, and its price.
const STOCK: &str = "mouette/1/A";
const PRICE: u32 = 1_200;

fn trial(base: &str, is_synchronous: bool) -> Trial {
    let at = |path: &str| Url::parse(&format!("{base}/{path}")).unwrap();
    let desk = DeskTrial { booking_url: at("bookings"), cancel_url: at("cancellations") };
    Trial {
        url: at("webhook"),
        secret: SecretRef::File(secrets().join("secret")),
        previous_secret: None,
        desk: is_synchronous.then_some(desk),
        stock_id: Some(STOCK.to_owned()),
        price_cents: Some(PRICE),
        allowed_ports: Vec::new(),
        allow_private_addresses: true,
    }
}

async fn rulings(trial: Trial) -> Vec<Ruling> {
    rehearse(&trial.check().unwrap()).await.unwrap()
}

fn with(rulings: &[Ruling], verdict: Verdict) -> Vec<&'static str> {
    rulings.iter().filter(|ruling| ruling.verdict == verdict).map(|ruling| ruling.rule).collect()
}

fn ruling<'a>(rulings: &'a [Ruling], rule: &str) -> &'a Ruling {
    rulings.iter().find(|ruling| ruling.rule == rule).unwrap_or_else(|| panic!("no {rule} in {rulings:#?}"))
}

fn base(simulator: &WebhookSimulator) -> String {
    format!("http://{}", simulator.address())
}

/// Every rule of messages but the last, and those among them that refuse.
const REFUSING: [&str; 5] =
    ["bad-signature", "old-timestamp", "future-timestamp", "other-version-only", "keyed-with-text"];
const TAKING: [&str; 13] = [
    "ping",
    "created",
    "same-id-again",
    "two-signatures-first-right",
    "two-signatures-last-right",
    "unknown-type",
    "unknown-keys",
    "partly-cancelled",
    "cancelled",
    "cancelled-twice",
    "cancelled-unknown",
    "created-after-cancelled",
    "large-body",
];
const SYNCHRONOUS: [&str; 9] = [
    "sale",
    "sale-repeated",
    "sale-of-a-known-booking",
    "sale-bad-signature",
    "unknown-stock",
    "cancel",
    "cancel-again",
    "cancel-bad-signature",
    "all-seats-free",
];

#[tokio::test]
async fn software_that_keeps_every_rule_passes_them_all_and_holds_nothing_afterwards() {
    let simulator = WebhookSimulator::start().await.unwrap();
    let before = simulator.show(STOCK).unwrap();
    let rulings = rulings(trial(&base(&simulator), true)).await;
    let all: Vec<&str> = rulings.iter().map(|ruling| ruling.rule).collect();
    assert_eq!(with(&rulings, Verdict::Passed), all, "{rulings:#?}");
    for rule in REFUSING.iter().chain(&TAKING).chain(&SYNCHRONOUS).chain(&["all-messages-void"]) {
        assert!(all.contains(rule), "{rule} in {all:?}");
    }
    assert_eq!(all.len(), REFUSING.len() + TAKING.len() + SYNCHRONOUS.len() + 1);
    assert!(ruling(&rulings, "created-after-cancelled").remedy.contains("cannot be seen"));
    // Nothing is left of it: neither a seat nor a ticket that is good.
    assert_eq!(simulator.show(STOCK), Some(before));
    let tickets: Vec<_> = simulator.bookings().into_iter().flat_map(|booking| booking.tickets).collect();
    assert!(!tickets.is_empty() && tickets.iter().all(|ticket| ticket.void), "{tickets:?}");
    // Whatever makes or changes a booking says that it is a rehearsal, and one message is as long as messages can be.
    let received = simulator.received();
    assert!(received.iter().filter(|one| one.kind.starts_with("booking.")).all(|one| one.data["test"] == json!(true)));
    assert!(received.iter().any(|one| one.body.len() == 20 * 1024 - 1));
    assert!(!format!("{rulings:?}").contains("whsec_"));
}

#[tokio::test]
async fn while_a_secret_is_replaced_a_receiver_may_hold_either_or_both() {
    let simulator = WebhookSimulator::start().await.unwrap();
    let rotated = Trial {
        secret: SecretRef::File(secrets().join("other")),
        previous_secret: Some(SecretRef::File(secrets().join("secret"))),
        ..trial(&base(&simulator), false)
    };
    for held in [&[SECRET][..], &[OTHER_SECRET], &[SECRET, OTHER_SECRET]] {
        simulator.set_secrets(held);
        let rulings = rulings(rotated.clone()).await;
        assert_eq!(with(&rulings, Verdict::Failed), [""; 0], "{rulings:#?}");
    }
}

#[tokio::test]
async fn with_another_secret_what_must_be_taken_fails_and_refusals_prove_nothing() {
    let simulator = WebhookSimulator::start().await.unwrap();
    simulator.set_secrets(&[OTHER_SECRET]);
    let rulings = rulings(trial(&base(&simulator), false)).await;
    assert_eq!(with(&rulings, Verdict::Failed), TAKING);
    assert_eq!(with(&rulings, Verdict::Warned), REFUSING);
    assert!(ruling(&rulings, "ping").remedy.contains("decoded bytes of the secret"));
    // Nothing was taken, and there is nothing to void.
    assert_eq!(ruling(&rulings, "all-messages-void").saw, "nothing was booked");
}

/// How a receiver is broken. Otherwise it does as the contract says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    TakesAnything,
    IgnoresTheTime,
    RefusesUnknownTypes,
    RefusesUnknownKeys,
    AlwaysFails,
    SellsAnew,
    KeyedWithText,
    LooksAtTheFirstSignature,
    TakesOtherVersions,
    ClosesLargeBodies,
    WantsBookingsToBeKnown,
    DoesNotCheckSales,
    TakesNoCancellation,
}

/// A receiver of its own: it shares no line with the simulator, and checks signatures with the published library.
struct Receiver {
    broken: Broken,
    sold: Mutex<HashMap<String, Vec<String>>>,
    made: Mutex<u32>,
}

impl Receiver {
    async fn start(broken: Broken) -> (String, Arc<Self>) {
        let receiver = Arc::new(Self { broken, sold: Mutex::default(), made: Mutex::default() });
        let router = Router::new().fallback(take).with_state(Arc::clone(&receiver));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (base, receiver)
    }

    fn is(&self, broken: Broken) -> bool {
        self.broken == broken
    }

    fn signature_fits(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let key = if self.is(Broken::KeyedWithText) { STANDARD.encode(SECRET) } else { SECRET.to_owned() };
        let verifier = Webhook::new(&key).unwrap();
        let mut headers = headers.clone();
        let signature = headers["webhook-signature"].to_str().unwrap().to_owned();
        if self.is(Broken::LooksAtTheFirstSignature) {
            headers.insert("webhook-signature", signature.split(' ').next().unwrap().parse().unwrap());
        }
        if self.is(Broken::TakesOtherVersions) {
            headers.insert("webhook-signature", signature.replace("v1a,", "v1,").parse().unwrap());
        }
        if self.is(Broken::IgnoresTheTime) {
            let text = |name: &str| headers[name].to_str().unwrap();
            let seconds = text("webhook-timestamp").parse().unwrap();
            let right = verifier.sign(text("webhook-id"), seconds, body).unwrap();
            text("webhook-signature").split(' ').any(|entry| entry == right)
        } else {
            verifier.verify(body, &headers).is_ok()
        }
    }

    /// Tickets of a booking, made when they are not there or when it sells anew each time.
    fn sell(&self, booking_id: &str) -> Vec<Value> {
        let mut sold = self.sold.lock().unwrap();
        let barcodes = sold.entry(booking_id.to_owned()).or_default();
        if barcodes.is_empty() || self.is(Broken::SellsAnew) {
            let mut made = self.made.lock().unwrap();
            *made += 1;
            barcodes.push(format!("V-{made:04}"));
        }
        barcodes.last().map(|barcode| json!({ "barcode": barcode })).into_iter().collect()
    }

    fn seats_left_sold(&self) -> usize {
        self.sold.lock().unwrap().values().map(Vec::len).sum()
    }
}

fn say(status: u16, body: &Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response()
}

async fn take(State(receiver): State<Arc<Receiver>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let sells = uri.path() == "/bookings";
    let unchecked = receiver.is(Broken::TakesAnything) || (sells && receiver.is(Broken::DoesNotCheckSales));
    if receiver.is(Broken::AlwaysFails) {
        return say(500, &json!({}));
    }
    if receiver.is(Broken::ClosesLargeBodies) && body.len() > 16 * 1024 {
        // What a crash looks like from outside: the connection ends without an answer.
        panic!("more than this receiver can hold");
    }
    if !unchecked && !receiver.signature_fits(&headers, &body) {
        return say(401, &json!({ "error": "bad_signature" }));
    }
    let document: Value = serde_json::from_slice(&body).unwrap();
    let (kind, data) = (document["type"].as_str().unwrap(), &document["data"]);
    let booking_id = data["booking_id"].as_str().unwrap_or_default();
    let new = |keys: &Value| keys.as_object().is_some_and(|keys| keys.contains_key("rehearsal_key"));
    if receiver.is(Broken::RefusesUnknownKeys) && (new(&document) || new(data)) {
        return say(400, &json!({ "error": "unknown_key" }));
    }
    match kind {
        "booking.requested" if data["stock_id"] != STOCK => say(404, &json!({ "error": "unknown_stock" })),
        "booking.requested" => say(201, &json!({ "tickets": receiver.sell(booking_id), "remaining_quantity": 7 })),
        "booking.cancel_requested" => {
            let named = data["barcodes"].as_array().unwrap();
            let mut sold = receiver.sold.lock().unwrap();
            let Some(held) = sold.get_mut(booking_id) else { return say(404, &json!({ "error": "unknown_booking" })) };
            let before = held.len();
            held.retain(|barcode| !named.contains(&json!(barcode)));
            if held.len() == before {
                return say(409, &json!({ "error": "already_cancelled" }));
            }
            say(200, &json!({ "remaining_quantity": 8 }))
        }
        "booking.created" => {
            receiver.sold.lock().unwrap().entry(booking_id.to_owned()).or_default();
            say(204, &json!({}))
        }
        "booking.cancelled" if receiver.is(Broken::TakesNoCancellation) => say(422, &json!({})),
        "booking.cancelled" => {
            let is_known = receiver.sold.lock().unwrap().contains_key(booking_id);
            if !is_known && receiver.is(Broken::WantsBookingsToBeKnown) {
                return say(404, &json!({ "error": "unknown_booking" }));
            }
            receiver.sold.lock().unwrap().entry(booking_id.to_owned()).or_default().clear();
            say(204, &json!({}))
        }
        "endpoint.ping" => say(204, &json!({})),
        _ if receiver.is(Broken::RefusesUnknownTypes) => say(400, &json!({ "error": "unknown_type" })),
        _ => say(204, &json!({})),
    }
}

#[tokio::test]
async fn each_broken_receiver_fails_its_rules_and_no_others() {
    let everything: Vec<&str> =
        TAKING.into_iter().chain(REFUSING).chain(SYNCHRONOUS).chain(["all-messages-void"]).collect();
    let without =
        |rules: &[&'static str]| everything.iter().copied().filter(|rule| !rules.contains(rule)).collect::<Vec<_>>();
    let not_sold = ["sale-repeated", "sale-of-a-known-booking", "cancel", "cancel-again", "cancel-bad-signature"];
    let unsigned = [&REFUSING[..], &["sale-bad-signature", "cancel-bad-signature"]].concat();
    for (broken, expected) in [
        (Broken::TakesAnything, unsigned),
        (Broken::IgnoresTheTime, vec!["old-timestamp", "future-timestamp"]),
        (Broken::RefusesUnknownTypes, vec!["unknown-type"]),
        (Broken::RefusesUnknownKeys, vec!["unknown-keys"]),
        (Broken::AlwaysFails, without(&not_sold)),
        (Broken::SellsAnew, vec!["sale-repeated", "sale-of-a-known-booking"]),
        (
            Broken::KeyedWithText,
            [&TAKING[..], &["keyed-with-text", "sale", "unknown-stock", "all-messages-void"]].concat(),
        ),
        (Broken::LooksAtTheFirstSignature, vec!["two-signatures-last-right"]),
        (Broken::TakesOtherVersions, vec!["other-version-only"]),
        (Broken::ClosesLargeBodies, vec!["large-body"]),
        (Broken::WantsBookingsToBeKnown, vec!["cancelled-unknown"]),
        (Broken::DoesNotCheckSales, vec!["sale-bad-signature"]),
        (
            Broken::TakesNoCancellation,
            vec!["partly-cancelled", "cancelled", "cancelled-twice", "cancelled-unknown", "all-messages-void"],
        ),
    ] {
        let (base, receiver) = Receiver::start(broken).await;
        let rulings = rulings(trial(&base, true)).await;
        let (mut failed, mut expected) = (with(&rulings, Verdict::Failed), expected);
        failed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(failed, expected, "{broken:?}: {rulings:#?}");
        assert!(rulings.iter().all(|one| one.verdict != Verdict::Failed || !one.remedy.is_empty()), "{rulings:#?}");
        assert_eq!(receiver.seats_left_sold(), 0, "{broken:?} holds seats of the rehearsal");
    }
}

#[tokio::test]
async fn a_slow_answer_is_a_warning_to_a_message_and_a_failure_to_a_request() {
    let simulator = WebhookSimulator::start().await.unwrap();
    let late = || Fault::Delay(Duration::from_millis(5_300));
    simulator.faults().next("webhook", 1, late());
    simulator.faults().next("bookings", 1, late());
    let rulings = rulings(trial(&base(&simulator), true)).await;
    assert_eq!((with(&rulings, Verdict::Warned), with(&rulings, Verdict::Failed)), (vec!["ping"], vec!["sale"]));
    assert!(ruling(&rulings, "sale").remedy.contains("4 s"));
}

#[tokio::test]
async fn a_sale_whose_answer_is_lost_is_voided_by_message() {
    let simulator = WebhookSimulator::start().await.unwrap();
    let before = simulator.show(STOCK).unwrap();
    simulator.faults().next("bookings", 1, Fault::AfterEffect(Box::new(Fault::Status(500))));
    let rulings = rulings(trial(&base(&simulator), true)).await;
    assert_eq!(with(&rulings, Verdict::Failed), ["sale"]);
    assert_eq!(ruling(&rulings, "all-seats-free").verdict, Verdict::Passed);
    assert_eq!(simulator.show(STOCK), Some(before));
}

/// Answers the first call of all, and closes every connection after it.
async fn silent_after_the_first() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut answer = Some(b"HTTP/1.1 204 None\r\nConnection: close\r\n\r\n".as_slice());
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4_096];
            let _read = socket.read(&mut request).await;
            if let Some(answer) = answer.take() {
                socket.write_all(answer).await.unwrap();
            }
        }
    });
    base
}

#[tokio::test]
async fn after_some_silent_calls_no_more_rules_are_tried() {
    let rulings = rulings(trial(&silent_after_the_first().await, true)).await;
    let tried: Vec<&str> = rulings.iter().filter(|one| one.saw != "not tried").map(|one| one.rule).collect();
    let silent = usize::try_from(MAX_SILENCES).unwrap();
    assert_eq!(tried[..=silent], ["ping", "created", "same-id-again", "bad-signature"]);
    // What may have been booked is spoken of all the same, and named for a person.
    assert_eq!(tried[silent + 1..], ["all-messages-void", "all-seats-free"]);
    assert!(ruling(&rulings, "all-messages-void").remedy.contains("bk_"));
    assert_eq!(with(&rulings, Verdict::Passed), ["ping", "all-seats-free"]);
}

#[tokio::test]
async fn nobody_there_is_an_error_and_a_bad_address_or_secret_a_problem() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = rehearse(&trial(&closed, false).check().unwrap()).await.unwrap_err();
    assert_eq!(error.code, "Unreachable");
    let paths = |trial: Trial| -> Vec<String> {
        trial.check().unwrap_err().problems.into_iter().map(|problem| problem.path).collect()
    };
    let public = Trial { allow_private_addresses: false, ..trial("https://127.0.0.1", true) };
    assert_eq!(paths(public), ["url", "booking_url", "cancel_url"]);
    let short = Trial { secret: SecretRef::File(secrets().join("short")), ..trial(&closed, false) };
    assert_eq!(paths(short), ["secret"]);
    let no_such = SecretRef::Env("PASSERELLE_NO_SUCH_SECRET".to_owned());
    let stock_id = Some("x".repeat(101));
    let odd = Trial { previous_secret: Some(no_such), stock_id, ..trial("http://u:p@127.0.0.1:1", false) };
    assert_eq!(paths(odd), ["url", "stock_id", "previous_secret"]);
}
