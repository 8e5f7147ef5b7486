//! The vendor's own routes.

use std::collections::BTreeMap;
use std::time::SystemTime;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use jiff::Timestamp;
use jiff::tz::Offset;
use serde_json::{Value, json};

use super::books::{Books, SimShow, pricing_of};
use super::{PASSWORD, Shared, USERNAME};

/// The number of the attribute that says ICE here.
const ICE: i64 = 24;
/// Servers cap pages at so many shows.
const MAX_PER_PAGE: usize = 200;
/// What pass Culture's prices are paid with.
const PAYMENT: &str = "external:credit:passculture";

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/", get(|| async { "Boost" }))
        .route("/api/vendors/login", post(login))
        .route("/api/vendors/logout", post(logout))
        .route("/api/cinemas/attributs", get(attributes))
        .route("/api/showtimes/between/{from}/{to}", get(list))
        .route("/api/showtimes/{id}", get(one))
        .route("/api/sale/complete", post(complete))
        .route("/api/sale/orderCancel", put(cancel))
}

fn refusal(status: u16, message: impl Into<String>) -> Response {
    let body = json!({ "code": status, "message": message.into() });
    (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), axum::Json(body)).into_response()
}

fn token_of(headers: &HeaderMap) -> Option<&str> {
    headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
}

/// The answer to whoever is not signed in.
fn stranger(books: &Books, headers: &HeaderMap) -> Option<Response> {
    let known = token_of(headers).is_some_and(|token| books.tokens.contains(token));
    (!known).then(|| refusal(401, "Invalid JWT Token"))
}

async fn login(State(shared): State<Shared>, Query(query): Query<BTreeMap<String, String>>, body: Bytes) -> Response {
    let Ok(asked) = serde_json::from_slice::<Value>(&body) else { return refusal(400, "Invalid JSON") };
    if asked["username"] != USERNAME || asked["password"] != PASSWORD || !asked["stationName"].is_string() {
        return refusal(400, "Vendor login failed. Wrong password!");
    }
    let mut books = shared.lock();
    if !books.tokens.is_empty() && query.get("ignore_device").map(String::as_str) != Some("True") {
        return refusal(400, "Vendor login failed. Another device is connected!");
    }
    books.tokens_given += 1;
    let token = format!("jeton-fictif-{}", books.tokens_given);
    // One device at a time: the older token works no more.
    books.tokens.clear();
    books.tokens.insert(token.clone());
    axum::Json(json!({ "code": 200, "message": "Login successful", "token": token })).into_response()
}

async fn logout(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let mut books = shared.lock();
    if let Some(answer) = stranger(&books, &headers) {
        return answer;
    }
    books.tokens.clear();
    axum::Json(json!({ "code": 200, "message": "OK" })).into_response()
}

async fn attributes(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    if let Some(answer) = stranger(&shared.lock(), &headers) {
        return answer;
    }
    axum::Json(json!({ "data": [
        { "id": ICE, "title": "ICE Immersive", "description": "", "category": { "id": 5, "title": "Modes de projection" } },
        { "id": 40, "title": "Laser", "description": "", "category": { "id": 3, "title": "Image" } },
    ] }))
    .into_response()
}

async fn list(
    State(shared): State<Shared>,
    Path((from, to)): Path<(String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let books = shared.lock();
    if let Some(answer) = stranger(&books, &headers) {
        return answer;
    }
    let number = |key: &str, otherwise: usize| query.get(key).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let old = books.quirks.old_lists;
    let hides_full = !old && query.get("hideFullReservation").map(String::as_str) == Some("1");
    let only_pass = !old && query.get("paymentMethod").map(String::as_str) == Some(PAYMENT);
    let shown: Vec<&SimShow> = books
        .shows
        .values()
        .filter(|show| {
            let day = date_text(show.starts_at).chars().take(10).collect::<String>();
            day >= from && day <= to
        })
        .filter(|show| !hides_full || books.left(show.id) > 0)
        .filter(|show| !only_pass || show.cents.is_some())
        .filter(|show| old || !show.hidden)
        .collect();
    let per_page = number("per_page", 30).clamp(1, MAX_PER_PAGE);
    let page = number("page", 1).max(1);
    let pages = shown.len().div_ceil(per_page);
    let data: Vec<Value> = shown
        .iter()
        .skip((page - 1) * per_page)
        .take(per_page)
        .map(|show| show_json(&books, show, if old { None } else { Some(only_pass) }))
        .collect();
    axum::Json(json!({
        "data": data, "message": "OK", "page": page, "previousPage": page.saturating_sub(1).max(1),
        "nextPage": (page + 1).min(pages.max(1)), "totalPages": pages, "totalCount": shown.len(),
    }))
    .into_response()
}

async fn one(State(shared): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let books = shared.lock();
    if let Some(answer) = stranger(&books, &headers) {
        return answer;
    }
    match id.parse::<i64>().ok().and_then(|id| books.shows.get(&id)) {
        Some(show) => {
            let mut data = show_json(&books, show, Some(false));
            data["hidden"] = json!(show.hidden);
            data["draftMode"] = json!(false);
            data["numberSeatsSold"] = json!(books.sold(show.id));
            axum::Json(json!({ "message": "OK", "data": data })).into_response()
        }
        None => refusal(400, "No showtime found"),
    }
}

/// A show as lists and details have it; prices of pass Culture alone, all, or none at all.
fn show_json(books: &Books, show: &SimShow, only_pass: Option<bool>) -> Value {
    let left = books.left(show.id);
    let (pass, full) = pricing_of(show.id);
    let mut prices = Vec::new();
    if let Some(cents) = show.cents {
        prices.push(json!({
            "id": pass, "title": "PASS CULTURE", "amountTaxesIncluded": euros(cents), "pricingCode": show.code,
            "typePayment": PAYMENT, "hidden": true, "onlineSale": false,
        }));
    }
    if only_pass == Some(false) {
        prices.insert(
            0,
            json!({
                "id": full, "title": "PLEIN TARIF", "amountTaxesIncluded": 14, "pricingCode": "PLE",
                "typePayment": "cash_or_credit_card", "hidden": false, "onlineSale": true,
            }),
        );
    }
    let mut told = json!({
        "id": show.id, "showDate": date_text(show.starts_at), "showEndDate": date_text(show.starts_at + 7_200),
        "soldOut": left == 0, "numberSeatsRemaining": left, "numberRemainingSeatsForOnlineSale": left / 2,
        "attributs": if show.ice { vec![40, ICE] } else { vec![40] },
        "film": {
            "id": show.film.id, "titleCnc": show.film.title, "numVisa": show.film.visa, "duration": show.film.duration,
            "posterUrl": show.film.poster_url, "idFilmAllocine": 0, "is4K": false,
        },
        "format": { "id": 1, "title": show.format }, "version": { "id": 1, "title": "", "code": show.version },
        "screen": { "id": 6, "auditoriumNumber": 6, "name": "SALLE 6", "capacity": 140, "ice": show.ice },
    });
    if only_pass.is_some() {
        told["showtimePricing"] = Value::from(prices);
    }
    told
}

fn euros(cents: u32) -> Value {
    // As a number without trailing zeros, as servers write it.
    let text = format!("{}.{:02}", cents / 100, cents % 100);
    let text = text.trim_end_matches('0').trim_end_matches('.').to_owned();
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// A moment with the offset of French summer, always: an offset is an offset.
fn date_text(seconds: i64) -> String {
    let at = Timestamp::from_second(seconds).unwrap_or_default();
    let offset = Offset::constant(2);
    format!("{}+02:00", offset.to_datetime(at))
}

async fn complete(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let mut books = shared.lock();
    if let Some(answer) = stranger(&books, &headers) {
        return answer;
    }
    let Ok(asked) = serde_json::from_slice::<Value>(&body) else { return refusal(400, "Invalid JSON") };
    let (Some([item]), true) = (asked["basketItems"].as_array().map(Vec::as_slice), asked["codePayment"] == "PCU")
    else {
        return refusal(400, "Invalid basket");
    };
    let (Some(pricing), Some(quantity)) = (item["idShowtimePricing"].as_i64(), item["quantity"].as_u64()) else {
        return refusal(400, "Invalid basket");
    };
    let quantity = u32::try_from(quantity).unwrap_or(u32::MAX);
    let show = books.shows.values().find(|show| pricing_of(show.id).0 == pricing && show.cents.is_some()).cloned();
    let Some(show) = show else { return refusal(400, "No pricing found") };
    if !(1..=10).contains(&quantity) {
        return refusal(400, "Invalid quantity");
    }
    match &asked["idsBeforeSale"] {
        Value::Null => prepare(&mut books, &show, pricing, quantity),
        Value::String(text) => confirm(&mut books, &show, pricing, quantity, text),
        _ => refusal(400, "Invalid idsBeforeSale"),
    }
}

fn prepare(books: &mut Books, show: &SimShow, pricing: i64, quantity: u32) -> Response {
    let id = match books.hold(show.id, pricing, quantity) {
        Ok(id) => id,
        Err(left) => {
            return refusal(
                400,
                format!(
                    "Insufficient number of seats for the showtime {}, remaining: {left}, required: {quantity}",
                    show.id
                ),
            );
        }
    };
    if books.quirks.one_step {
        return sold(books, id, show.id, quantity);
    }
    let price = show.cents.unwrap_or(0) + show.surcharge;
    axum::Json(json!({ "code": 202, "message": "SalePreparation OK, please confirm the sale", "data": [{
        "id": id, "idVendor": 102, "idShowtime": show.id, "nbPlaceSelected": quantity, "placePrice": euros(price),
        "additionalCost": 0, "giveBackChange": 0, "pricingTitle": "PASS CULTURE, ",
    }] }))
    .into_response()
}

fn confirm(books: &mut Books, show: &SimShow, pricing: i64, quantity: u32, id: &str) -> Response {
    let Ok(id) = id.parse::<i64>() else { return refusal(400, "Invalid idsBeforeSale") };
    let Some(hold) = books.holds.get(&id).cloned() else { return refusal(400, "Sale preparation not found") };
    if hold.pricing != pricing || hold.quantity != quantity || hold.until <= SystemTime::now() {
        return refusal(400, "Sale preparation expired");
    }
    match hold.sale {
        None => sold(books, id, show.id, quantity),
        Some(sale) if books.quirks.confirms_again => sale_json(books, sale, 201, "Confirmed sale"),
        Some(_) => refusal(400, "Sale preparation was confirmed"),
    }
}

fn sold(books: &mut Books, hold: i64, show: i64, quantity: u32) -> Response {
    let sale = books.sell(show, quantity);
    if let Some(hold) = books.holds.get_mut(&hold) {
        hold.sale = Some(sale);
    }
    sale_json(books, sale, 201, "Confirmed sale")
}

fn sale_json(books: &Books, id: i64, code: u16, message: &str) -> Response {
    let Some(sale) = books.sales.get(&id) else { return refusal(404, format!("The sale with ID: {id} not found")) };
    let cents =
        books.shows.get(&sale.show).and_then(|show| show.cents.map(|cents| cents + show.surcharge)).unwrap_or(0);
    let tickets: Vec<Value> = sale
        .seats
        .iter()
        .zip(1..)
        .map(|(seat, line)| {
            json!({
                "id": id * 10 + line, "ticketReference": format!("PCU-{:06}-{:07}", line, id), "pricingCode": "PCU",
                "amount": euros(cents), "idSale": id, "isCancelled": sale.cancelled, "isControlled": sale.controlled,
                "seat": seat.as_ref().map(|seat| json!({ "id": 8_000 + line, "code": seat, "line": 1, "numLine": line })),
                "numLine": line,
            })
        })
        .collect();
    axum::Json(json!({ "code": code, "message": message, "data": {
        "id": id, "code": sale.code, "saleBarcode": null, "saleType": "tickets", "type": "PAX",
        "cancelled": sale.cancelled, "partiallyCancelled": false, "amountTaxesIncluded": euros(cents * sale.quantity),
        "items": [{ "id": 1, "barcode": "0" }], "tickets": tickets, "totalTickets": sale.quantity,
    } }))
    .into_response()
}

async fn cancel(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let mut books = shared.lock();
    if let Some(answer) = stranger(&books, &headers) {
        return answer;
    }
    let Ok(asked) = serde_json::from_slice::<Value>(&body) else { return refusal(400, "Invalid JSON") };
    let Some([sale]) = asked["sales"].as_array().map(Vec::as_slice) else { return refusal(400, "Invalid sales") };
    if sale["refundType"] != "pcu" {
        return refusal(400, "Unknown refund type");
    }
    let code = sale["code"].as_str().unwrap_or_default().to_owned();
    let again = books.quirks.cancels_again;
    let Some((id, known)) = books.sales.iter_mut().find(|(_, sale)| sale.code == code) else {
        return refusal(404, format!("The sale with ID: {} not found", code.trim_start_matches("sale-")));
    };
    if known.cancelled && !again {
        return refusal(400, "Sale already cancelled");
    }
    if known.controlled {
        return refusal(400, "Ticket already controlled");
    }
    known.cancelled = true;
    let id = *id;
    sale_json(&books, id, 200, "OK")
}
