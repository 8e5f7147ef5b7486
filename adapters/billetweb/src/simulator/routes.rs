//! The vendor's own routes. Codes beyond `unauthorized` and `rate_limiting` are invented: nobody outside knows them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use passerelle_kit::http::basic;
use passerelle_kit::secret::Secret;
use serde_json::{Value, json};

use super::books::{Books, SimEvent, SimShow, number, unix_now};
use super::{KEY, Shared, USER};

/// Bodies kept for tests.
const MAX_BODIES: usize = 1_000;
/// How an order may be said to be paid.
const PAYMENTS: [&str; 8] = ["other", "web", "free", "invitation", "reservation", "cash", "check", "card"];

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/api/events", get(events))
        .route("/api/event/{id}/dates", get(dates))
        .route("/api/event/{id}/tickets", get(tickets))
        .route("/api/event/{id}/attendees", get(attendees))
        .route("/api/event/{id}/add_order", post(add_order))
        .route("/api/event/{id}/delete_order", post(delete_order))
}

type Asked = Query<BTreeMap<String, String>>;

fn no(error: &str, description: &str) -> Response {
    Json(json!({ "error": error, "description": description })).into_response()
}

/// Lets the account in, within its limit; the vendor says no with a status of 200.
fn enter(books: &mut Books, headers: &HeaderMap, query: &Asked) -> Result<(), Box<Response>> {
    let expected = basic(USER, &Secret::new(KEY));
    let by_header = headers.get("authorization").and_then(|value| value.to_str().ok());
    let named = |name: &str| query.get(name).map(String::as_str);
    let known =
        by_header.is_some_and(|it| expected.matches(it)) || (named("user"), named("key")) == (Some(USER), Some(KEY));
    if !known || named("version") != Some("1") {
        return Err(Box::new(no("unauthorized", "Wrong user or key")));
    }
    let limit = books.quirks.calls_a_minute as usize;
    if limit > 0 {
        books.calls.retain(|at| at.elapsed() < Duration::from_secs(60));
        if books.calls.len() >= limit {
            return Err(Box::new(no("rate_limiting", "Too many hits per minute")));
        }
        books.calls.push(Instant::now());
    }
    Ok(())
}

/// Zoneless, as a clock in Paris shows it.
fn clock(seconds: i64) -> String {
    let at = Timestamp::from_second(seconds).unwrap_or_default();
    TimeZone::get("Europe/Paris").unwrap_or(TimeZone::UTC).to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

async fn events(State(shared): State<Shared>, headers: HeaderMap, query: Asked) -> Response {
    let mut books = shared.lock();
    if let Err(answer) = enter(&mut books, &headers, &query) {
        return *answer;
    }
    let past = query.get("past").is_some_and(|past| past == "1");
    let listed = |event: &&SimEvent| {
        let mut shows = books.shows.values().filter(|show| show.event == event.id);
        past || event.multiple || shows.any(|show| show.starts_at > unix_now())
    };
    let all: Vec<Value> = books.events.values().filter(listed).map(|event| event_json(&books, event)).collect();
    Json(all).into_response()
}

fn event_json(books: &Books, event: &SimEvent) -> Value {
    let starts = books.shows.values().filter(|show| show.event == event.id).map(|show| show.starts_at).min();
    let starts = starts.unwrap_or_else(unix_now);
    json!({
        "id": event.id.to_string(), "ext_id": "", "name": event.name, "start": clock(starts), "end": clock(starts + 7_200),
        "multiple": if event.multiple { "1" } else { "0" }, "place": "Halle du port", "shop": "https://shop.example/",
        "online": "1", "tax_rate": "5.50", "tags": "", "description": event.description, "image": "", "cover": "",
    })
}

async fn dates(State(shared): State<Shared>, Path(id): Path<i64>, headers: HeaderMap, query: Asked) -> Response {
    let mut books = shared.lock();
    if let Err(answer) = enter(&mut books, &headers, &query) {
        return *answer;
    }
    let Some(event) = books.events.get(&id) else { return no("event_not_found", "Unknown event") };
    let past = query.get("past").is_some_and(|past| past == "1");
    let of_it = |show: &&SimShow| show.event == id && event.multiple && (past || show.starts_at > unix_now());
    let all: Vec<Value> = books.shows.values().filter(of_it).map(|show| session_json(&books, show)).collect();
    Json(all).into_response()
}

fn session_json(books: &Books, show: &SimShow) -> Value {
    let named: serde_json::Map<String, Value> =
        show.tariffs.iter().map(|id| (id.to_string(), json!({ "quota": "0" }))).collect();
    let sold = if books.quirks.hides_sales { 0 } else { books.taken(show.id) };
    json!({
        "id": show.id.to_string(), "start": clock(show.starts_at), "end": clock(show.starts_at + 7_200), "name": "",
        "place": "Grande salle", "disabled": if show.disabled { "1" } else { "0" }, "last_update": "1900000000",
        "quota": show.seats.map_or_else(String::new, |seats| seats.to_string()), "total_sales": sold.to_string(),
        "tickets": if named.is_empty() { json!([]) } else { Value::Object(named) },
    })
}

async fn tickets(State(shared): State<Shared>, Path(id): Path<i64>, headers: HeaderMap, query: Asked) -> Response {
    let mut books = shared.lock();
    if let Err(answer) = enter(&mut books, &headers, &query) {
        return *answer;
    }
    let Some(event) = books.events.get(&id) else { return no("event_not_found", "Unknown event") };
    // An event without sessions has no other place for a quota.
    let only = books.shows.get(&id);
    let all: Vec<Value> = event
        .tariffs
        .iter()
        .map(|tariff| {
            let mut one = json!({
                "id": tariff.id.to_string(), "name": tariff.name, "full_name": tariff.name, "category": "",
                "description": "", "quota": "0", "visibility": "1", "start_time": tariff.opens, "end_time": tariff.closes,
                "tax": "5.50", "commission": false, "price": cents_json(tariff.cents),
            });
            if let Some(seats) = only.and_then(|show| show.seats) {
                one["quota"] = json!(seats.to_string());
                if !books.quirks.uncounted_tariffs {
                    one["total_sales"] = json!(books.taken(id).to_string());
                }
            }
            one
        })
        .collect();
    Json(all).into_response()
}

fn cents_json(cents: u32) -> Value {
    if cents.is_multiple_of(100) { json!(cents / 100) } else { json!(f64::from(cents) / 100.0) }
}

async fn attendees(State(shared): State<Shared>, Path(id): Path<i64>, headers: HeaderMap, query: Asked) -> Response {
    let mut books = shared.lock();
    if let Err(answer) = enter(&mut books, &headers, &query) {
        return *answer;
    }
    if books.quirks.late_attendees > 0 {
        books.quirks.late_attendees -= 1;
        return Json(json!([])).into_response();
    }
    let quirks = books.quirks;
    let email = query.get("email").filter(|_| !quirks.ignores_email);
    let all: Vec<Value> = books
        .sales
        .iter()
        .filter(|sale| sale.event == id && email.is_none_or(|email| *email == sale.email))
        .filter(|sale| !(sale.cancelled && quirks.purges_deleted))
        .map(|sale| {
            json!({
                "id": (sale.id + 1_000_000).to_string(), "ext_id": format!("T{}", sale.id), "barcode": sale.barcode,
                "used": if sale.scanned { "1" } else { "0" }, "used_date": "0000-00-00 00:00:00", "firstname": "pass",
                "name": "Culture", "email": sale.email, "ticket_id": sale.tariff.to_string(), "seating_location": "",
                "price": format!("{}.{:02}", sale.cents / 100, sale.cents % 100),
                "disabled": if sale.cancelled { "1" } else { "0" }, "order_id": sale.id.to_string(),
                "order_paid": "1", "order_payment_type": "other", "order_session": sale.session.to_string(),
            })
        })
        .collect();
    Json(all).into_response()
}

fn keep_body(books: &mut Books, call: &str, body: &Bytes) {
    if books.bodies.len() < MAX_BODIES {
        books.bodies.push((call.to_owned(), String::from_utf8_lossy(body).into_owned()));
    }
}

async fn add_order(
    State(shared): State<Shared>,
    Path(id): Path<i64>,
    headers: HeaderMap,
    query: Asked,
    body: Bytes,
) -> Response {
    let mut books = shared.lock();
    if let Err(answer) = enter(&mut books, &headers, &query) {
        return *answer;
    }
    if headers.get("content-type").and_then(|kind| kind.to_str().ok()) != Some("application/json") {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    keep_body(&mut books, "add_order", &body);
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(orders) = asked["data"].as_array() else { return no("invalid_data", "data is missing") };
    let mut made = Vec::new();
    for order in orders {
        // One by one: what was made before a refusal stays made.
        match make(&mut books, id, order) {
            Ok(one) => made.push(one),
            Err(answer) => return *answer,
        }
        if books.quirks.one_order_short {
            break;
        }
    }
    Json(made).into_response()
}

fn make(books: &mut Books, event: i64, order: &Value) -> Result<Value, Box<Response>> {
    let wrong = |what: &str| Box::new(no("invalid_data", what));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let named = ["name", "firstname"].iter().all(|name| !text(&order[*name]).is_empty());
    let email = text(&order["email"]);
    if !named
        || !email.contains('@')
        || order["ship"] != json!(0)
        || !PAYMENTS.contains(&text(&order["payment_type"]).as_str())
    {
        return Err(wrong("order"));
    }
    let multiple = books.events.get(&event).ok_or_else(|| Box::new(no("event_not_found", "Unknown event")))?.multiple;
    let show = if multiple { number(&text(&order["session"])) } else { event };
    let show = books.shows.get(&show).filter(|show| show.event == event).cloned().ok_or_else(|| wrong("session"))?;
    let [product] = order["products"].as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err(wrong("products"));
    };
    let tariff = number(&text(&product["ticket"]));
    let tariffs = books.events.get(&event).map(|event| event.tariffs.as_slice()).unwrap_or_default();
    let price = product["price"].as_f64().and_then(|price| format!("{:.0}", price * 100.0).parse::<u32>().ok());
    let (Some(price), true) = (price, tariffs.iter().any(|known| known.id == tariff)) else {
        return Err(wrong("ticket"));
    };
    if books.quirks.enforces_stock && books.left(&show) == 0 {
        return Err(Box::new(no("quota", "Plus assez de places")));
    }
    let request = text(&order["request_id"]);
    let number = books.sell(show.id, tariff, &email, &request, price);
    let (product, asked) = ((number + 1_000_000).to_string(), product["request_id"].clone());
    Ok(json!({
        "id": number.to_string(), "request_id": request, "products": [product],
        "products_eq": { asked.as_str().unwrap_or_default(): product },
        "products_details": [{ "id": product, "ext_id": format!("T{number}"), "request_id": asked,
            "product_download": "https://shop.example/t" }],
    }))
}

async fn delete_order(
    State(shared): State<Shared>,
    Path(id): Path<i64>,
    headers: HeaderMap,
    query: Asked,
    body: Bytes,
) -> Response {
    let mut books = shared.lock();
    if let Err(answer) = enter(&mut books, &headers, &query) {
        return *answer;
    }
    keep_body(&mut books, "delete_order", &body);
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(orders) = asked["data"].as_array() else { return no("invalid_data", "data is missing") };
    let keeps = books.quirks.keeps_deleted;
    for order in orders {
        let live =
            books.sales.iter_mut().find(|sale| order.as_i64() == Some(sale.id) && sale.event == id && !sale.cancelled);
        match live {
            // Scanned or not: it is for the caller to look.
            Some(sale) => sale.cancelled = !keeps,
            None => return no("order_not_found", "Unknown order"),
        }
    }
    Json(json!({ "deleted": orders.len() })).into_response()
}
