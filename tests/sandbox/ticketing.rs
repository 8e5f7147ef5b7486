//! Events with tickets: what a provider's answers do to bookings and stocks, and when he is not asked at all.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use passerelle::sandbox::message::signature;
use passerelle::sandbox::{Bookable, Sandbox, Settings, Sweep};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::*;

const PROVIDER: &str = "/public/providers/v1/provider";

/// What the ticketing does with a request.
#[derive(Clone)]
enum Reply {
    Answer(u16, String),
    Late(Duration, u16, String),
    /// In four parts, so long apart.
    Dripped(Duration, u16, String),
    Redirect(u16, &'static str),
    Close,
}

fn answer(status: u16, body: Value) -> Reply {
    Reply::Answer(status, body.to_string())
}

/// A ticketing that answers as it was told, in order, and keeps what it was asked.
struct Ticketing {
    base: String,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Ticketing {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let ticketing = Self { base, replies: Arc::default(), asked: Arc::default() };
        let (replies, asked) = (ticketing.replies.clone(), ticketing.asked.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, replies.clone(), asked.clone()));
            }
        });
        ticketing
    }

    fn will(&self, reply: Reply) {
        self.replies.lock().unwrap().push_back(reply);
    }

    /// Path and inner document of each request so far.
    fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }

    async fn register(&self, sandbox: &Sandbox, path: &str) {
        let urls =
            json!({"bookingUrl": format!("{}/booking?k=1", self.base), "cancelUrl": format!("{}/cancel", self.base)});
        assert!(call(sandbox, Method::PATCH, path, Some(urls)).await.0 < 300);
    }
}

async fn serve(mut stream: TcpStream, replies: Arc<Mutex<VecDeque<Reply>>>, asked: Arc<Mutex<Vec<(String, Value)>>>) {
    let mut raw = Vec::new();
    let mut part = [0; 4096];
    while !raw.ends_with(b"}\"") {
        match stream.read(&mut part).await {
            Ok(read) if read > 0 => raw.extend_from_slice(&part[..read]),
            _ => return,
        }
    }
    let text = String::from_utf8(raw).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let inner: String = serde_json::from_str(body).unwrap();
    let signed = format!("passculture-signature: {}", signature(HMAC_KEY, &inner));
    assert!(head.to_lowercase().contains(&signed), "{head}");
    let path = head.split(' ').nth(1).unwrap().to_owned();
    asked.lock().unwrap().push((path, serde_json::from_str(&inner).unwrap()));
    let reply = replies.lock().unwrap().pop_front().unwrap_or(Reply::Close);
    let (status, body) = match reply {
        Reply::Close => return,
        Reply::Answer(status, body) => (status, body),
        Reply::Redirect(status, to) => {
            let head = format!("HTTP/1.1 {status} X\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            return;
        }
        Reply::Dripped(apart, status, body) => {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).await;
            for part in body.as_bytes().chunks(body.len().div_ceil(4)) {
                tokio::time::sleep(apart).await;
                let _ = stream.write_all(part).await;
            }
            return;
        }
        Reply::Late(delay, status, body) => {
            tokio::time::sleep(delay).await;
            (status, body)
        }
    };
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = stream.write_all((head + &body).as_bytes()).await;
}

/// A sandbox, a ticketing registered with it, an event with tickets and one date of ten places.
async fn stage() -> (Sandbox, Ticketing, u64, u64) {
    let sandbox = start().await;
    let ticketing = Ticketing::start().await;
    ticketing.register(&sandbox, PROVIDER).await;
    let (event, category) = make_event(&sandbox, json!({"hasTicket": true, "idAtProvider": "spectacle"})).await;
    let stock = add_date(&sandbox, event, with(date(category, json!(10)), json!({"idAtProvider": "s-1"}))).await;
    (sandbox, ticketing, event, stock)
}

fn tickets(barcodes: &[&str], remaining: Value) -> Value {
    let tickets: Vec<Value> = barcodes.iter().map(|b| json!({"barcode": b, "seat": "A1"})).collect();
    json!({"tickets": tickets, "remainingQuantity": remaining})
}

/// Remaining, total and booked of the only date.
fn stock_of(sandbox: &Sandbox, event: u64) -> (Option<u32>, Option<u32>, u32) {
    let offer = sandbox.offers().into_iter().find(|o| o.offer_id == event).unwrap();
    (offer.dates[0].remaining, offer.dates[0].total, offer.dates[0].booked)
}

async fn book(sandbox: &Sandbox, stock: u64, quantity: u32) -> (u16, Value) {
    let path = format!("{}/_sandbox/bookings", sandbox.base_url());
    read(http().post(path).json(&json!({"email": READER, "stock_id": stock, "quantity": quantity}))).await
}

#[tokio::test]
async fn a_booking_asks_with_the_22_keys_and_keeps_the_tickets() {
    let (sandbox, ticketing, event, stock) = stage().await;
    ticketing.will(answer(200, tickets(&["B-1", "B-2"], json!(7))));
    let (status, booked) = book(&sandbox, stock, 2).await;
    assert_eq!(status, 200, "{booked}");
    let truth = sandbox.booking(booked["id"].as_u64().unwrap()).unwrap();
    let barcodes: Vec<&str> = truth.tickets.iter().map(|t| t.barcode.as_str()).collect();
    assert_eq!((truth.status, barcodes), ("CONFIRMED", vec!["B-1", "B-2"]));
    assert_eq!(stock_of(&sandbox, event), (Some(7), Some(9), 2), "what is left is what the provider says");
    let asked = ticketing.asked();
    let message = &asked[0].1;
    let (_, list) = get(&sandbox, &format!("/public/bookings/v1/bookings?offerId={event}")).await;
    let row = &list["bookings"][0];
    let naive = |value: &Value| json!(value.as_str().unwrap().trim_end_matches('Z'));
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].0, "/booking?k=1");
    assert_eq!(
        *message,
        json!({
            "booking_confirmation_date": naive(&row["confirmationDate"]),
            "booking_creation_date": naive(&row["creationDate"]), "booking_quantity": 2, "offer_ean": null,
            "offer_id": event, "offer_id_at_provider": "spectacle", "offer_name": "Un concert d'essai",
            "offer_price": 1500, "price_category_id": row["priceCategoryId"], "price_category_id_at_provider": "plein",
            "price_category_label": "Plein tarif", "stock_id": stock, "stock_id_at_provider": "s-1",
            "user_birth_date": "2008-01-01", "user_email": READER, "user_first_name": "Léa",
            "user_last_name": "Exemple", "user_phone": "+33600000000", "venue_address": "2 rue de l'Essai",
            "venue_department_code": "974", "venue_id": 535, "venue_name": "Librairie d'essai",
        })
    );
    assert_eq!(row["priceCategoryLabel"], "Plein tarif");
    for (filter, count) in [
        (format!("&beginningDatetime={BEGINNING}"), 1),
        ("&beginningDatetime=2031-05-01T18:31:00Z".into(), 0),
        (format!("&priceCategoryId={}", row["priceCategoryId"]), 1),
        ("&priceCategoryId=99999".into(), 0),
    ] {
        let (_, list) = get(&sandbox, &format!("/public/bookings/v1/bookings?offerId={event}{filter}")).await;
        assert_eq!(list["bookings"].as_array().map(Vec::len), Some(count), "{filter}");
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn each_answer_to_a_booking_has_its_effect() {
    let failed = |message: &str| json!({"code": "EXTERNAL_EVENT_PROVIDER_BOOKING_FAILED", "message": message});
    let no_seats = json!({"code": "PROVIDER_STOCK_NOT_ENOUGH_SEATS"});
    let untouched = (Some(10), Some(10), 0);
    let one = "External booking failed with status code 201 but only one ticket was returned for duo reservation";
    // Seats asked, answer, status and body (null: not looked at), stock afterwards, cancellations asked at once.
    type Case = (u32, Reply, u16, Value, (Option<u32>, Option<u32>, u32), usize);
    let cases: Vec<Case> = vec![
        (1, answer(200, tickets(&["B"], json!(9))), 200, Value::Null, (Some(9), Some(10), 1), 0),
        (1, answer(201, tickets(&["B"], json!(0))), 200, Value::Null, (Some(0), Some(1), 1), 0),
        (1, answer(200, tickets(&["B"], Value::Null)), 200, Value::Null, (None, None, 1), 0),
        (1, answer(200, json!({"tickets": [{"barcode": 5}]})), 200, Value::Null, (None, None, 1), 0),
        (1, answer(200, tickets(&["A", "B"], json!(8))), 200, Value::Null, (Some(8), Some(9), 1), 0),
        (1, answer(200, tickets(&["B"], json!(-1))), 500, Value::Null, untouched, 0),
        (2, answer(200, tickets(&["B"], json!(9))), 400, failed(one), untouched, 1),
        (
            1,
            answer(200, tickets(&[], json!(9))),
            400,
            failed("External booking failed with status code 201 but 0 tickets were returned instead of 1"),
            untouched,
            0,
        ),
        (
            2,
            answer(200, tickets(&["A", "B", "C"], json!(9))),
            400,
            failed("External booking failed with status code 201 but 3 tickets were returned instead of 2"),
            untouched,
            0,
        ),
        (1, Reply::Answer(200, "<html>".into()), 400, failed("External booking failed."), untouched, 0),
        (1, Reply::Answer(204, String::new()), 400, failed("External booking failed."), untouched, 0),
        (
            1,
            answer(409, json!({"error": "sold_out", "remainingQuantity": 4})),
            400,
            no_seats.clone(),
            (Some(0), Some(0), 0),
            0,
        ),
        (
            2,
            answer(409, json!({"error": "not_enough_seats", "remainingQuantity": 1})),
            400,
            no_seats,
            (Some(1), Some(1), 0),
            0,
        ),
        (1, answer(409, json!({"error": "already_cancelled", "remainingQuantity": 1})), 500, Value::Null, untouched, 0),
        (
            1,
            Reply::Answer(503, "plus tard".into()),
            400,
            failed("External booking failed with status code 503 and message plus tard"),
            untouched,
            0,
        ),
        (1, Reply::Close, 500, Value::Null, untouched, 0),
    ];
    for (index, (seats, reply, status, body, stock_after, cancelled)) in cases.into_iter().enumerate() {
        let (sandbox, ticketing, event, stock) = stage().await;
        ticketing.will(reply);
        ticketing.will(answer(200, json!({"remainingQuantity": 10})));
        let (got, got_body) = book(&sandbox, stock, seats).await;
        assert_eq!(got, status, "case {index}: {got_body}");
        if !body.is_null() {
            assert_eq!(got_body, body, "case {index}");
        }
        assert_eq!(stock_of(&sandbox, event), stock_after, "case {index}");
        let cancellations: Vec<_> = ticketing.asked().into_iter().filter(|(path, _)| path == "/cancel").collect();
        assert_eq!(cancellations.len(), cancelled, "case {index}");
        let saved = get(&sandbox, &format!("/public/bookings/v1/bookings?offerId={event}")).await.1;
        let expected = usize::from(status == 200);
        assert_eq!(saved["bookings"].as_array().map(Vec::len), Some(expected), "case {index}");
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn each_answer_to_a_cancellation_has_its_effect() {
    let refused =
        json!({"code": "FAILED_TO_CANCEL_EXTERNAL_BOOKING", "message": "L'annulation de réservation a échoué."});
    // Answer, status, body (null: not looked at), booking and stock afterwards; before: 9 left of 10, 1 booked.
    type Case = (Reply, u16, Value, &'static str, (Option<u32>, Option<u32>, u32));
    let kept = (Some(9), Some(10), 1);
    let cases: Vec<Case> = vec![
        (answer(200, json!({"remainingQuantity": 45})), 200, Value::Null, "CANCELLED", (Some(45), Some(45), 0)),
        (
            answer(200, json!({"error": "non", "remainingQuantity": 4})),
            200,
            Value::Null,
            "CANCELLED",
            (Some(4), Some(4), 0),
        ),
        (answer(200, json!({})), 200, Value::Null, "CANCELLED", (None, None, 0)),
        (answer(200, json!({"remainingQuantity": null})), 200, Value::Null, "CANCELLED", (None, None, 0)),
        (Reply::Answer(200, "ok".into()), 200, Value::Null, "CANCELLED", (Some(10), Some(10), 0)),
        (Reply::Answer(204, String::new()), 200, Value::Null, "CANCELLED", (Some(10), Some(10), 0)),
        (
            answer(409, json!({"error": "already_cancelled", "remainingQuantity": 3})),
            200,
            Value::Null,
            "CONFIRMED",
            (Some(3), Some(4), 1),
        ),
        (answer(409, json!({"error": "sold_out"})), 500, Value::Null, "CONFIRMED", kept),
        (answer(409, json!({"error": "autre"})), 400, refused.clone(), "CONFIRMED", kept),
        (Reply::Answer(500, "panne".into()), 400, refused, "CONFIRMED", kept),
        (Reply::Close, 500, Value::Null, "CONFIRMED", kept),
    ];
    for (index, (reply, status, body, booking, stock_after)) in cases.into_iter().enumerate() {
        let (sandbox, ticketing, event, stock) = stage().await;
        ticketing.will(answer(200, tickets(&["B-1"], json!(9))));
        let id = book(&sandbox, stock, 1).await.1["id"].as_u64().unwrap();
        ticketing.will(reply);
        let path = format!("{}/_sandbox/bookings/{id}/cancel", sandbox.base_url());
        let (got, got_body) = read(http().post(path)).await;
        assert_eq!(got, status, "case {index}: {got_body}");
        if !body.is_null() {
            assert_eq!(got_body, body, "case {index}");
        }
        assert_eq!(ticketing.asked()[1], ("/cancel".to_owned(), json!({"barcodes": ["B-1"]})), "case {index}");
        assert_eq!(sandbox.booking(id).unwrap().status, booking, "case {index}");
        assert_eq!(stock_of(&sandbox, event), stock_after, "case {index}");
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn the_sweeper_voids_what_was_never_saved_and_nothing_else() {
    let (sandbox, ticketing, event, stock) = stage().await;
    ticketing.will(answer(200, tickets(&["FIRST", "SECOND"], json!(9))));
    assert_eq!(book(&sandbox, stock, 1).await.0, 200);
    assert_eq!(sandbox.sweep(60).await, Sweep::default(), "too young");
    ticketing.will(answer(200, json!({"remainingQuantity": 6})));
    assert_eq!(sandbox.sweep(0).await, Sweep { saved: 1, voided: 1, failed: false });
    assert_eq!(ticketing.asked()[1], ("/cancel".to_owned(), json!({"barcodes": ["FIRST"]})));
    assert_eq!(stock_of(&sandbox, event), (Some(6), Some(7), 1), "the sweeper's answer counts");
    assert_eq!(sandbox.sweep(0).await, Sweep::default());
    sandbox.stop().await;
}

#[tokio::test]
async fn a_failure_ends_the_sweepers_run_and_its_barcode_is_lost() {
    let (sandbox, ticketing, _, stock) = stage().await;
    for barcode in ["A", "B"] {
        ticketing.will(answer(200, tickets(&[barcode], json!(-5))));
        assert_eq!(book(&sandbox, stock, 1).await.0, 500);
    }
    ticketing.will(answer(500, json!({})));
    let path = format!("{}/_sandbox/sweep", sandbox.base_url());
    assert_eq!(read(http().post(&path)).await, (200, json!({"saved": 0, "voided": 0, "failed": true})));
    ticketing.will(answer(200, json!({"remainingQuantity": 10})));
    assert_eq!(read(http().post(&path)).await, (200, json!({"saved": 0, "voided": 1, "failed": false})));
    let cancelled: Vec<Value> = ticketing.asked().into_iter().filter(|(p, _)| p == "/cancel").map(|(_, b)| b).collect();
    assert_eq!(cancelled, [json!({"barcodes": ["A"]}), json!({"barcodes": ["B"]})]);
    sandbox.stop().await;
}

#[tokio::test]
async fn the_sweeper_comes_by_itself_once_a_minute_has_passed() {
    let (sandbox, ticketing, _, stock) = stage().await;
    ticketing.will(answer(200, tickets(&["A"], json!(-5))));
    ticketing.will(answer(200, json!({"remainingQuantity": 10})));
    assert_eq!(book(&sandbox, stock, 1).await.0, 500);
    assert_eq!(ticketing.asked().len(), 1);
    sandbox.set_settings(Settings { clock_offset_seconds: 61, ..sandbox.settings() });
    eventually("the sweeper's call", || ticketing.asked().len() == 2).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn one_stock_is_booked_by_one_at_a_time_and_writes_wait_for_it() {
    let (sandbox, ticketing, event, stock) = stage().await;
    let late = |barcode: &str, remaining: u32| {
        Reply::Late(Duration::from_millis(150), 200, tickets(&[barcode], json!(remaining)).to_string())
    };
    ticketing.will(late("A", 9));
    ticketing.will(late("B", 8));
    let start = Instant::now();
    let path = format!("{EVENTS_PATH}/{event}/dates/{stock}");
    let patch = async {
        eventually("the first question", || !ticketing.asked().is_empty()).await;
        let answer = call(&sandbox, Method::PATCH, &path, Some(json!({"idAtProvider": "s-2"}))).await;
        (answer.0, start.elapsed())
    };
    sandbox.set_settings(sandbox.settings());
    let (first, second, (patched, waited)) = tokio::join!(
        sandbox.book_and_wait(READER, Bookable::Stock(stock), 1),
        sandbox.book_and_wait(READER, Bookable::Offer(event), 1),
        patch
    );
    // The same beneficiary twice: the second finds the first's booking once it is his turn.
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    assert_eq!(patched, 200);
    assert!(waited >= Duration::from_millis(150), "{waited:?}");
    assert_eq!(ticketing.asked().len(), 1, "a question is not asked in vain");
    sandbox.stop().await;
}

#[tokio::test]
async fn deleting_a_date_voids_bookings_without_a_word_to_the_ticketing() {
    let (sandbox, ticketing, event, stock) = stage().await;
    ticketing.will(answer(200, tickets(&["A"], json!(9))));
    let id = book(&sandbox, stock, 1).await.1["id"].as_u64().unwrap();
    let path = format!("{EVENTS_PATH}/{event}/dates/{stock}");
    assert_eq!(call(&sandbox, Method::DELETE, &path, None).await.0, 204);
    assert_eq!(call(&sandbox, Method::PATCH, &path, Some(json!({}))).await.0, 404);
    assert_eq!(sandbox.booking(id).unwrap().status, "CANCELLED");
    assert_eq!(ticketing.asked().len(), 1);
    let unset = json!({"bookingUrl": null, "cancelUrl": null});
    let (status, body) = call(&sandbox, Method::PATCH, PROVIDER, Some(unset)).await;
    assert_eq!(status, 400, "booked once, even if cancelled and deleted since");
    assert!(body["ticketing_urls"][0].as_str().unwrap().ends_with(&format!("[{event}]")), "{body}");
    sandbox.stop().await;
}

#[tokio::test]
async fn countermarks_of_events_follow_their_window() {
    let (sandbox, ticketing, _, stock) = stage().await;
    ticketing.will(answer(200, tickets(&["A"], json!(9))));
    let token = book(&sandbox, stock, 1).await.1["token"].as_str().unwrap().to_owned();
    let path = |verb: &str| format!("/public/bookings/v1/{verb}token/{token}");
    let (status, body) = get(&sandbox, &path("")).await;
    let text = body["booking"].as_str().unwrap();
    assert_eq!(status, 403);
    assert!(text.starts_with("Vous pourrez valider cette contremarque à partir du "), "{text}");
    assert!(text.ends_with(", une fois le délai d’annulation passé."), "{text}");
    assert_eq!(call(&sandbox, Method::PATCH, &path("use/"), None).await, (403, body));
    ticketing.will(answer(500, json!({})));
    assert_eq!(call(&sandbox, Method::PATCH, &path("cancel/"), None).await.0, 500, "its provider's failure");
    sandbox.set_settings(Settings { clock_offset_seconds: 3 * 86_400, ..sandbox.settings() });
    let late = (403, json!({"booking": "This booking cannot be cancelled anymore"}));
    assert_eq!(call(&sandbox, Method::PATCH, &path("cancel/"), None).await, late);
    assert_eq!(get(&sandbox, &path("")).await.0, 200);
    assert_eq!(call(&sandbox, Method::PATCH, &path("use/"), None).await.0, 204);
    sandbox.set_settings(Settings { clock_offset_seconds: 0, ..sandbox.settings() });
    assert_eq!(call(&sandbox, Method::PATCH, &path("keep/"), None).await.0, 204);
    ticketing.will(answer(200, json!({"remainingQuantity": 10})));
    assert_eq!(call(&sandbox, Method::PATCH, &path("cancel/"), None).await.0, 204);
    sandbox.stop().await;
}

#[tokio::test]
async fn urls_of_the_venue_alone_serve_bookings_with_another_code_and_no_edition_of_contacts() {
    let sandbox = start().await;
    let ticketing = Ticketing::start().await;
    ticketing.register(&sandbox, "/public/providers/v1/venues/535").await;
    let (event, category) = make_event(&sandbox, json!({"hasTicket": true})).await;
    let stock = add_date(&sandbox, event, date(category, json!(5))).await;
    ticketing.will(answer(503, json!({})));
    let (status, body) = book(&sandbox, stock, 1).await;
    assert_eq!((status, &body["code"]), (400, &json!("CINEMA_PROVIDER_BOOKING_FAILED")));
    let edit = json!({"itemCollectionDetails": "Au guichet"});
    let (status, body) = call(&sandbox, Method::PATCH, &format!("{EVENTS_PATH}/{event}"), Some(edit)).await;
    assert_eq!(status, 400);
    assert!(body["offer"][0].as_str().unwrap().starts_with("Vous devez supporter"), "{body}");
    sandbox.stop().await;
}

#[tokio::test]
async fn an_event_without_tickets_is_notified_and_a_rejection_cancels_through_the_ticketing() {
    let (sandbox, ticketing, event, stock) = stage().await;
    let notice = json!({"notificationUrl": format!("{}/notice", ticketing.base)});
    assert_eq!(call(&sandbox, Method::PATCH, PROVIDER, Some(notice)).await.0, 200);
    ticketing.will(answer(200, tickets(&["A"], json!(9))));
    let id = book(&sandbox, stock, 1).await.1["id"].as_u64().unwrap();
    let (free, category) = make_event(&sandbox, json!({})).await;
    let free_stock = add_date(&sandbox, free, date(category, json!(5))).await;
    ticketing.will(answer(200, json!({})));
    assert_eq!(book(&sandbox, free_stock, 2).await.0, 200);
    eventually("the notification", || ticketing.asked().len() == 2).await;
    assert_eq!(ticketing.asked()[1].0, "/notice");
    assert_eq!(ticketing.asked()[1].1["action"], "BOOK");
    assert!(ticketing.asked()[1].1["booking_confirmation_date"].is_string());
    ticketing.will(answer(200, json!({"remainingQuantity": 10})));
    let review = format!("{}/_sandbox/offers/{event}/review", sandbox.base_url());
    let (status, offer) = read(http().post(review).json(&json!({"verdict": "rejected"}))).await;
    assert_eq!((status, &offer["status"]), (200, &json!("REJECTED")));
    assert_eq!(sandbox.booking(id).unwrap().status, "CANCELLED");
    assert_eq!(ticketing.asked()[2].0, "/cancel");
    sandbox.stop().await;
}

#[tokio::test]
async fn the_time_limit_is_per_read_and_what_comes_too_late_is_never_voided() {
    let (sandbox, ticketing, event, stock) = stage().await;
    sandbox.set_settings(Settings { read_limit_ms: 400, ..sandbox.settings() });
    let body = tickets(&["TARD"], json!(9)).to_string();
    ticketing.will(Reply::Late(Duration::from_millis(900), 200, body.clone()));
    assert_eq!(book(&sandbox, stock, 1).await.0, 500);
    assert_eq!(sandbox.sweep(0).await, Sweep::default(), "nobody learnt of the ticket");
    assert_eq!(stock_of(&sandbox, event), (Some(10), Some(10), 0));
    ticketing.will(Reply::Dripped(Duration::from_millis(200), 200, body));
    let start = Instant::now();
    assert_eq!(book(&sandbox, stock, 1).await.0, 200);
    assert!(start.elapsed() > Duration::from_millis(400), "{:?}", start.elapsed());
    sandbox.stop().await;
}

#[tokio::test]
async fn a_refused_connection_is_a_crash_and_a_redirection_after_307_stays_a_question() {
    let (sandbox, ticketing, _, stock) = stage().await;
    ticketing.will(Reply::Redirect(307, "/elsewhere"));
    ticketing.will(answer(200, tickets(&["A"], json!(9))));
    assert_eq!(book(&sandbox, stock, 1).await.0, 200);
    assert_eq!(ticketing.asked()[1].0, "/elsewhere");
    let urls = json!({"bookingUrl": "http://127.0.0.1:9/b", "cancelUrl": "http://127.0.0.1:9/c"});
    assert_eq!(call(&sandbox, Method::PATCH, PROVIDER, Some(urls)).await.0, 200);
    let (second, category) = make_event(&sandbox, json!({"hasTicket": true})).await;
    let date = add_date(&sandbox, second, date(category, json!(5))).await;
    assert_eq!(book(&sandbox, date, 1).await.0, 500);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_provider_that_is_deactivated_is_not_asked() {
    let (sandbox, ticketing, _, stock) = stage().await;
    let control = sandbox.base_url() + "/_sandbox/accounts/alpha";
    assert_eq!(read(http().post(control).json(&json!({"active": false}))).await.0, 204);
    assert_eq!(book(&sandbox, stock, 1).await, (400, json!({"code": "CINEMA_PROVIDER_INACTIVE"})));
    assert!(ticketing.asked().is_empty());
    sandbox.stop().await;
}

#[tokio::test]
async fn two_days_after_the_date_a_booking_is_used_without_a_word() {
    let (sandbox, ticketing, _, stock) = stage().await;
    ticketing.will(answer(200, tickets(&["A"], json!(9))));
    let id = book(&sandbox, stock, 1).await.1["id"].as_u64().unwrap();
    let end: jiff::Timestamp = BEGINNING.parse().unwrap();
    let away = end.as_second() - jiff::Timestamp::now().as_second();
    sandbox.set_settings(Settings { clock_offset_seconds: away + 49 * 3600, ..sandbox.settings() });
    eventually("the booking is used", || sandbox.booking(id).unwrap().status == "USED").await;
    assert_eq!(ticketing.asked().len(), 1);
    sandbox.stop().await;
}
