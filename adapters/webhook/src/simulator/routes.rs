//! What the software does with a call: checks it, remembers it, and does what its document says, once.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::post;
use passerelle_kit::notice::MAX_DOCUMENT_BYTES;
use serde_json::{Map, Value, json};

use super::Shared;
use super::books::{Answered, Behaviour, Books, MAX_BOOKED, Received, SimBooking, SimTicket, unix_now};
use crate::signature::{Presented, verify};

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/webhook", post(take))
        .route("/bookings", post(take))
        .route("/cancellations", post(take))
        .layer(DefaultBodyLimit::max(MAX_DOCUMENT_BYTES))
}

fn said(status: u16, body: Value) -> Answered {
    Answered { status, body: Some(body) }
}

fn no(status: u16, error: &str) -> Answered {
    said(status, json!({ "error": error }))
}

const fn fine() -> Answered {
    Answered { status: 204, body: None }
}

fn respond(answered: Answered) -> Response {
    let status = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match answered.body {
        Some(body) => (status, Json(body)).into_response(),
        None => status.into_response(),
    }
}

async fn take(State(shared): State<Shared>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let behaviour = shared.lock().behaviour;
    match behaviour {
        Behaviour::Hang => return std::future::pending().await,
        Behaviour::Gone => return StatusCode::GONE.into_response(),
        Behaviour::Moved => {
            return (StatusCode::PERMANENT_REDIRECT, [("location", "http://127.0.0.1:9/moved")]).into_response();
        }
        Behaviour::Broken => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Behaviour::Slow => return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")]).into_response(),
        _ => {}
    }
    let mut books = shared.lock();
    let document: Option<Map<String, Value>> = serde_json::from_slice(&body).ok();
    let of = |name: &str| document.as_ref().and_then(|document| document.get(name));
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut received = Received {
        path: uri.path().to_owned(),
        kind: of("type").and_then(Value::as_str).unwrap_or_default().to_owned(),
        id: header("webhook-id").to_owned(),
        sequence: of("sequence").and_then(Value::as_u64).unwrap_or(0),
        data: of("data").cloned().unwrap_or(Value::Null),
        headers: headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
        status: 0,
    };
    let answered = check(&books, &headers, &body)
        .or_else(|| books.answers.get(&received.id).cloned())
        .unwrap_or_else(|| act(&mut books, &received));
    received.status = answered.status;
    let is_sale = received.kind == "booking.requested";
    books.receive(received);
    drop(books);
    if is_sale { respond(misspoken(answered, behaviour)) } else { respond(answered) }
}

/// Why a call is not looked at.
fn check(books: &Books, headers: &HeaderMap, body: &[u8]) -> Option<Answered> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(id), Some(timestamp), Some(signature)) =
        (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"))
    else {
        return Some(no(401, "unsigned"));
    };
    if !verify(&books.keys, Presented { id, timestamp, signature }, body, unix_now()) {
        return Some(no(401, "bad_signature"));
    }
    if header("content-type") != Some("application/json") {
        return Some(no(415, "not_json"));
    }
    if header("gateway-contract") != Some("1") {
        return Some(no(400, "unknown_contract"));
    }
    if serde_json::from_slice::<Map<String, Value>>(body).is_err() {
        return Some(no(400, "not_json"));
    }
    None
}

/// Does what the document says, and remembers the answer.
fn act(books: &mut Books, received: &Received) -> Answered {
    let data = &received.data;
    let booking_id = data.get("booking_id").and_then(Value::as_str).unwrap_or_default();
    let answered = match received.kind.as_str() {
        "booking.requested" => sell(books, booking_id, data),
        "booking.cancel_requested" => free(books, booking_id, &barcodes(data)),
        "booking.created" | "booking.cancelled" | "booking.used" => {
            // Out of order after a replay: what is older changes nothing.
            if books.sequences.get(booking_id).is_none_or(|last| received.sequence > *last) {
                books.sequences.keep(booking_id, received.sequence);
                hear(books, &received.kind, booking_id, data);
            }
            fine()
        }
        _ => fine(),
    };
    books.answers.keep(&received.id, answered.clone());
    answered
}

fn barcodes(data: &Value) -> Vec<String> {
    let listed = data.get("barcodes").and_then(Value::as_array);
    listed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn hear(books: &mut Books, kind: &str, booking_id: &str, data: &Value) {
    match kind {
        "booking.created" => note(books, booking_id, data),
        "booking.cancelled" => {
            let void = barcodes(data);
            let known = books.bookings.contains_key(booking_id);
            // No barcodes: whatever was made under this name.
            books.void(booking_id, |ticket| void.is_empty() || void.contains(&ticket.barcode));
            if !known {
                books.tombstones.keep(booking_id, ());
            }
        }
        _ => {
            for barcode in barcodes(data) {
                books.scan(&barcode);
            }
        }
    }
}

/// A booking that the gateway made.
fn note(books: &mut Books, booking_id: &str, data: &Value) {
    let is_full = books.bookings.len() >= MAX_BOOKED;
    if is_full || books.bookings.contains_key(booking_id) || books.tombstones.get(booking_id).is_some() {
        return;
    }
    let stock_id = data.get("stock_id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let listed = data.get("tickets").and_then(Value::as_array);
    let barcodes = listed.into_iter().flatten().filter_map(|ticket| ticket.get("barcode")?.as_str());
    let tickets: Vec<SimTicket> = barcodes
        .map(|barcode| SimTicket { barcode: barcode.to_owned(), seat: None, void: false, used: false })
        .collect();
    if let Some(left) = books.shows.get_mut(&stock_id).and_then(|show| show.remaining.as_mut()) {
        *left = left.saturating_sub(u32::try_from(tickets.len()).unwrap_or(u32::MAX));
    }
    let booking = SimBooking { booking_id: booking_id.to_owned(), stock_id, tickets, own: false };
    books.bookings.insert(booking_id.to_owned(), booking);
}

fn listed(tickets: &[SimTicket]) -> Vec<Value> {
    tickets.iter().map(|ticket| json!({ "barcode": ticket.barcode, "seat": ticket.seat })).collect()
}

fn sell(books: &mut Books, booking_id: &str, data: &Value) -> Answered {
    let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| data.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    let well_formed = booking_id.starts_with("bk_")
        && text("currency") == "EUR"
        && data.get("answer_before").is_some_and(Value::is_string)
        && data.get("holder").is_some();
    let (Some(quantity @ 1..=2), Some(price), true) = (number("quantity"), number("unit_price_cents"), well_formed)
    else {
        return no(422, "malformed");
    };
    if books.tombstones.get(booking_id).is_some() {
        return no(409, "already_cancelled");
    }
    if let Some(booking) = books.bookings.get(booking_id) {
        return said(409, json!({ "error": "already_exists", "tickets": listed(&booking.tickets) }));
    }
    let stock_id = text("stock_id").to_owned();
    let Some(show) = books.shows.get_mut(&stock_id) else { return no(404, "unknown_stock") };
    if show.starts_at <= unix_now() {
        return no(410, "unknown_stock");
    }
    if show.price_cents != price {
        return no(422, "wrong_price");
    }
    if let Some(left) = &mut show.remaining {
        if *left < quantity {
            return said(409, json!({ "error": "not_enough_seats", "remaining_quantity": *left }));
        }
        *left -= quantity;
    }
    let remaining = show.remaining;
    let tickets = books.make_tickets(quantity);
    let answered = said(201, json!({ "tickets": listed(&tickets), "remaining_quantity": remaining }));
    let booking = SimBooking { booking_id: booking_id.to_owned(), stock_id, tickets, own: true };
    books.bookings.insert(booking_id.to_owned(), booking);
    answered
}

fn free(books: &mut Books, booking_id: &str, barcodes: &[String]) -> Answered {
    let Some(booking) = books.bookings.get(booking_id) else { return no(404, "unknown_booking") };
    let stock_id = booking.stock_id.clone();
    let meant: Vec<&SimTicket> = booking.tickets.iter().filter(|ticket| barcodes.contains(&ticket.barcode)).collect();
    if meant.is_empty() || meant.len() < barcodes.len() {
        return no(404, "unknown_barcode");
    }
    if meant.iter().any(|ticket| ticket.used) {
        return no(409, "already_used");
    }
    if meant.iter().all(|ticket| ticket.void) {
        return no(409, "already_cancelled");
    }
    books.void(booking_id, |ticket| barcodes.contains(&ticket.barcode));
    let remaining = books.shows.get(&stock_id).and_then(|show| show.remaining);
    said(200, json!({ "remaining_quantity": remaining }))
}

/// A good answer, told wrongly. What was sold stays sold.
fn misspoken(answered: Answered, behaviour: Behaviour) -> Answered {
    let Some(Value::Object(mut told)) = answered.body else { return answered };
    let mut tickets = told.get("tickets").and_then(Value::as_array).cloned().unwrap_or_default();
    match (behaviour, tickets.first().cloned()) {
        (Behaviour::Nonsense, Some(_)) => return said(200, json!({ "ok": true })),
        (Behaviour::WrongCount, Some(_)) => tickets.push(json!({ "barcode": "SIM-EN-TROP" })),
        (Behaviour::SameBarcodes, Some(first)) => tickets.fill(first),
        (Behaviour::LongBarcode, Some(_)) => {
            if let Some(first) = tickets.first_mut() {
                *first = json!({ "barcode": "9".repeat(101) });
            }
        }
        (Behaviour::NoCount, _) => {
            told.remove("remaining_quantity");
        }
        _ => {}
    }
    if !tickets.is_empty() {
        told.insert("tickets".to_owned(), Value::Array(tickets));
    }
    Answered { status: answered.status, body: Some(Value::Object(told)) }
}
