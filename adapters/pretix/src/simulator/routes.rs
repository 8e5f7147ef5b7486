//! The vendor's own routes, with the statuses and keys that the real server was seen to answer. Its sentences are ours: the
//! real ones change with the language, and nobody may read them.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::{get, post};
use passerelle_kit::secret::Secret;
use serde_json::{Value, json};

use super::books::{Books, SimEvent, SimItem, SimOrder, SimPosition, SimShow, unix_now};
use super::{ORGANIZER, Shared, TOKEN, catalogue};

/// Entries of a page.
const PAGE: usize = 50;
/// Bodies and stored answers kept.
const MAX_KEPT: usize = 10_000;

type Asked = Query<BTreeMap<String, String>>;
type Answer = Result<Response, Box<Response>>;

pub(super) fn router() -> Router<Shared> {
    const EVENT: &str = "/api/v1/organizers/{organizer}/events/{event}";
    let at = |path: &str| format!("{EVENT}{path}");
    Router::new()
        .route("/api/v1/version", get(version))
        .route("/api/v1/organizers/", get(organizers))
        .route(&at("/"), get(event))
        .route(&at("/settings/"), get(settings))
        .route(&at("/items/"), get(items))
        .route(&at("/items/{id}/"), get(item))
        .route(&at("/subevents/"), get(dates))
        .route(&at("/subevents/{id}/"), get(date))
        .route(&at("/quotas/"), get(quotas))
        .route(&at("/orders/"), post(place))
        .route(&at("/orders/{code}/"), get(order))
        .route(&at("/orders/{code}/mark_canceled/"), post(cancel))
        .route(&at("/orders/{code}/change/"), post(change))
}

fn no(status: StatusCode, detail: &str) -> Box<Response> {
    Box::new((status, Json(json!({ "detail": detail }))).into_response())
}

fn not_found() -> Box<Response> {
    no(StatusCode::NOT_FOUND, "Not here.")
}

fn signed_in(headers: &HeaderMap) -> Result<(), Box<Response>> {
    let expected = Secret::new(&format!("Token {TOKEN}"));
    let told = headers.get("authorization").and_then(|value| value.to_str().ok());
    if told.is_some_and(|told| expected.matches(told)) {
        Ok(())
    } else {
        Err(no(StatusCode::UNAUTHORIZED, "Invalid token."))
    }
}

/// The event; strangers and unknown events are both forbidden.
fn known<'a>(
    books: &'a Books,
    headers: &HeaderMap,
    organizer: &str,
    slug: &str,
) -> Result<&'a SimEvent, Box<Response>> {
    signed_in(headers)?;
    let event = books.events.get(slug).filter(|_| organizer == ORGANIZER);
    event.ok_or_else(|| no(StatusCode::FORBIDDEN, "You do not have permission to perform this action."))
}

/// One page of a list. Where the next one is is told wrongly, as from behind a wrong proxy.
fn page(books: &Books, all: Vec<Value>, asked: &Asked) -> Answer {
    let size = if books.quirks.small_pages { 2 } else { PAGE };
    let number = asked.get("page").map_or(Some(1), |page| page.parse().ok()).filter(|page| *page > 0);
    let from = number.map(|number: usize| (number - 1) * size).filter(|from| *from == 0 || *from < all.len());
    let Some(from) = from else { return Err(not_found()) };
    let next = (from + size < all.len()).then_some("http://ailleurs.example/api/v1/?page=2");
    let count = all.len();
    let results: Vec<Value> = all.into_iter().skip(from).take(size).collect();
    Ok(Json(json!({ "count": count, "next": next, "previous": null, "results": results })).into_response())
}

fn told(answer: Answer) -> Response {
    answer.unwrap_or_else(|no| *no)
}

async fn version(headers: HeaderMap) -> Response {
    told(signed_in(&headers).map(|()| Json(json!({ "pretix": "2026.8.0" })).into_response()))
}

async fn organizers(headers: HeaderMap) -> Response {
    let one = json!({ "count": 1, "next": null, "previous": null, "results": [{ "slug": ORGANIZER, "name": "Démo" }] });
    told(signed_in(&headers).map(|()| Json(one).into_response()))
}

type OfEvent = Path<(String, String)>;
type OfNumber = Path<(String, String, i64)>;
type OfOrder = Path<(String, String, String)>;

async fn event(State(shared): State<Shared>, Path((organizer, slug)): OfEvent, headers: HeaderMap) -> Response {
    let books = shared.lock();
    told(known(&books, &headers, &organizer, &slug).map(|event| Json(catalogue::event(&books, event)).into_response()))
}

async fn settings(State(shared): State<Shared>, Path((organizer, slug)): OfEvent, headers: HeaderMap) -> Response {
    let books = shared.lock();
    let settings =
        |event: &SimEvent| Json(json!({ "locale": event.locale, "locales": [event.locale] })).into_response();
    told(known(&books, &headers, &organizer, &slug).map(settings))
}

async fn items(
    State(shared): State<Shared>,
    Path((organizer, slug)): OfEvent,
    asked: Asked,
    headers: HeaderMap,
) -> Response {
    let books = shared.lock();
    let all = known(&books, &headers, &organizer, &slug).map(|event| event.items.iter().map(catalogue::item).collect());
    told(all.and_then(|all| page(&books, all, &asked)))
}

async fn item(State(shared): State<Shared>, Path((organizer, slug, id)): OfNumber, headers: HeaderMap) -> Response {
    let books = shared.lock();
    let one = known(&books, &headers, &organizer, &slug).and_then(|event| {
        let one = event.items.iter().find(|item| item.id == id).ok_or_else(not_found)?;
        Ok(Json(catalogue::item(one)).into_response())
    });
    told(one)
}

async fn dates(
    State(shared): State<Shared>,
    Path((organizer, slug)): OfEvent,
    asked: Asked,
    headers: HeaderMap,
) -> Response {
    let books = shared.lock();
    let all = known(&books, &headers, &organizer, &slug).map(|event| {
        let future = asked.get("is_future").is_some_and(|future| future == "true");
        let meant = |show: &&SimShow| {
            event.series && show.event == event.slug && (!future || show.starts_at + 7_200 >= unix_now())
        };
        books.shows.values().filter(meant).map(|show| catalogue::date(&books, show)).collect()
    });
    told(all.and_then(|all| page(&books, all, &asked)))
}

async fn date(State(shared): State<Shared>, Path((organizer, slug, id)): OfNumber, headers: HeaderMap) -> Response {
    let books = shared.lock();
    let one = known(&books, &headers, &organizer, &slug).and_then(|event| {
        let one = books.show(&event.slug, Some(id)).ok_or_else(not_found)?;
        Ok(Json(catalogue::date(&books, one)).into_response())
    });
    told(one)
}

async fn quotas(
    State(shared): State<Shared>,
    Path((organizer, slug)): OfEvent,
    asked: Asked,
    headers: HeaderMap,
) -> Response {
    let books = shared.lock();
    let date = asked.get("subevent").and_then(|date| date.parse().ok());
    let counted = asked.get("with_availability").is_some_and(|with| with == "true");
    let all = known(&books, &headers, &organizer, &slug).map(|event| catalogue::quotas(&books, event, date, counted));
    told(all.and_then(|all| page(&books, all, &asked)))
}

/// Places an order, unless one was placed with this key before: then its answer is repeated, whatever is asked now.
async fn place(
    State(shared): State<Shared>,
    Path((organizer, slug)): OfEvent,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut books = shared.lock();
    let event = match known(&books, &headers, &organizer, &slug) {
        Ok(event) => event.clone(),
        Err(no) => return *no,
    };
    if let Some((status, body)) = books.scripted.take() {
        return (StatusCode::from_u16(status).unwrap_or_default(), body).into_response();
    }
    let key = headers.get("x-idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    if let Some((status, body)) = key.as_ref().and_then(|key| books.stored.get(key)) {
        return (StatusCode::from_u16(*status).unwrap_or_default(), Json(body.clone())).into_response();
    }
    if books.bodies.len() < MAX_KEPT {
        books.bodies.push(String::from_utf8_lossy(&body).into_owned());
    }
    let Ok(asked) = serde_json::from_slice::<Value>(&body) else {
        return *no(StatusCode::BAD_REQUEST, "JSON parse error");
    };
    let (status, answer) = match accept(&mut books, &event, &asked) {
        Ok(at) => {
            (StatusCode::CREATED, books.orders.get(at).map_or(Value::Null, |order| order_json(&books, order, false)))
        }
        Err(why) => (StatusCode::BAD_REQUEST, why),
    };
    if let Some(key) = key.filter(|_| books.stored.len() < MAX_KEPT) {
        books.stored.insert(key, (status.as_u16(), answer.clone()));
    }
    (status, Json(answer)).into_response()
}

/// Checks an order as the API does, and takes it: all of it or nothing.
fn accept(books: &mut Books, event: &SimEvent, asked: &Value) -> Result<usize, Value> {
    let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
    let code = text("code");
    let plain = |symbol: char| symbol.is_ascii_digit() || symbol.is_ascii_uppercase() && !matches!(symbol, 'I' | 'O');
    if !(5..=16).contains(&code.len()) || !code.chars().all(plain) {
        return Err(json!({ "code": ["This order code contains invalid characters."] }));
    }
    if books.orders.iter().any(|order| order.code == code) {
        return Err(json!({ "code": ["This order code is already in use."] }));
    }
    if asked.get("locale").and_then(Value::as_str).is_some_and(|locale| locale != event.locale) {
        return Err(json!({ "locale": ["The given locale is not supported for this event."] }));
    }
    let positions = asked["positions"].as_array().filter(|positions| !positions.is_empty());
    let Some(positions) = positions else { return Err(json!({ "positions": ["An order cannot be empty."] })) };
    let paid = text("status") == "p";
    let mut taken = Vec::new();
    let mut wrong = Vec::new();
    for position in positions {
        match position_of(books, event, position) {
            Ok(position) => {
                taken.push(position);
                wrong.push(json!({}));
            }
            Err((field, why)) => wrong.push(json!({ field: [why] })),
        }
    }
    if wrong.iter().any(|wrong| *wrong != json!({})) {
        return Err(json!({ "positions": wrong }));
    }
    if paid && text("payment_provider").is_empty() && taken.iter().any(|position| position.cents > 0) {
        return Err(json!(["You cannot create a paid order without a payment provider."]));
    }
    if books.quirks.sells_in_between {
        for show in books.shows.values_mut() {
            show.seats = Some(0);
        }
    }
    let short = |position: &SimPosition| {
        let wanted = taken.iter().filter(|other| other.show == position.show && other.item == position.item).count();
        let left = books.shows.get(&position.show).and_then(|show| books.quota_left(show, position.item));
        left.is_some_and(|left| (left as usize) < wanted)
    };
    if asked["force"] != true && taken.iter().any(short) {
        let wrong: Vec<Value> =
            taken.iter().map(|_| json!({ "item": ["There is not enough quota available."] })).collect();
        return Err(json!({ "positions": wrong }));
    }
    if books.quirks.one_ticket_short {
        taken.pop();
    }
    let sales_channel = asked["sales_channel"].as_str().unwrap_or("web").to_owned();
    Ok(books.take(SimOrder {
        code,
        event: event.slug.clone(),
        paid,
        cancelled: false,
        sales_channel,
        positions: taken,
    }))
}

fn position_of(books: &Books, event: &SimEvent, asked: &Value) -> Result<SimPosition, (&'static str, &'static str)> {
    let item = event.items.iter().find(|item| Some(item.id) == asked["item"].as_i64() && item.active);
    let item: &SimItem = item.ok_or(("item", "The product is not active or does not exist."))?;
    let kind = asked["variation"].as_i64();
    let known = kind.is_none_or(|kind| item.variations.iter().any(|one| one.id == kind));
    if !known || kind.is_none() != item.variations.is_empty() {
        return Err(("variation", "You should (not) specify a variation for this item."));
    }
    let date = asked["subevent"].as_i64();
    if event.series != date.is_some() {
        return Err(("subevent", "You need to set a subevent."));
    }
    let show = books.show(&event.slug, date).ok_or(("subevent", "Invalid pk: object does not exist."))?;
    if show.disabled.contains(&item.id) {
        return Err(("item", "The product is not available on this date."));
    }
    let list = kind.and_then(|kind| item.variations.iter().find(|one| one.id == kind)?.cents);
    let list = list.or_else(|| show.special_cents.filter(|_| event.items.first() == Some(item))).unwrap_or(item.cents);
    let written = asked["price"].as_str().and_then(|price| price.replace('.', "").parse().ok());
    let cents = if books.quirks.list_price { item.cents + 1 } else { written.unwrap_or(list) };
    let (id, secret) = (0, String::new());
    Ok(SimPosition {
        id,
        item: item.id,
        variation: kind,
        show: show.id,
        cents,
        secret,
        cancelled: false,
        scanned: false,
    })
}

fn order_json(books: &Books, order: &SimOrder, all: bool) -> Value {
    let series = books.events.get(&order.event).is_some_and(|event| event.series);
    let secret = |position: &SimPosition| if books.quirks.no_secrets { Value::Null } else { json!(position.secret) };
    let positions: Vec<Value> = order
        .positions
        .iter()
        .filter(|position| all || !position.cancelled)
        .zip(1..)
        .map(|(position, number)| {
            let scan = json!({ "id": 1, "list": 1, "datetime": "2026-01-05T20:00:00+01:00", "type": "entry" });
            json!({
                "id": position.id, "order": order.code, "positionid": number, "item": position.item,
                "variation": position.variation, "subevent": series.then_some(position.show),
                "price": catalogue::euros(position.cents), "attendee_name": null, "attendee_email": null,
                "secret": secret(position), "seat": null, "canceled": position.cancelled,
                "checkins": if position.scanned { vec![scan] } else { Vec::new() }, "downloads": [],
            })
        })
        .collect();
    let total: u32 = order.positions.iter().filter(|position| !position.cancelled).map(|position| position.cents).sum();
    let status = match (order.cancelled, order.paid) {
        (true, _) => "c",
        (_, true) => "p",
        _ => "n",
    };
    json!({
        "code": order.code, "event": order.event, "status": status, "testmode": false, "email": null, "locale": "fr",
        "sales_channel": order.sales_channel, "total": catalogue::euros(total), "payments": [], "refunds": [],
        "positions": positions,
    })
}

/// The order's place in the books; codes are told by their case.
fn order_at(
    books: &Books,
    headers: &HeaderMap,
    (organizer, slug, code): &(String, String, String),
) -> Result<usize, Box<Response>> {
    known(books, headers, organizer, slug)?;
    books.orders.iter().position(|order| order.code == *code && order.event == *slug).ok_or_else(not_found)
}

async fn order(State(shared): State<Shared>, Path(path): OfOrder, asked: Asked, headers: HeaderMap) -> Response {
    let books = shared.lock();
    let all = asked.get("include_canceled_positions").is_some_and(|all| all == "true");
    let told_of = |at: usize| books.orders.get(at).map(|order| Json(order_json(&books, order, all)).into_response());
    told(order_at(&books, &headers, &path).and_then(|at| told_of(at).ok_or_else(not_found)))
}

async fn cancel(State(shared): State<Shared>, Path(path): OfOrder, headers: HeaderMap) -> Response {
    let mut books = shared.lock();
    let refuses = books.quirks.keeps_orders;
    let done = order_at(&books, &headers, &path).and_then(|at| match books.orders.get_mut(at) {
        Some(order) if !order.cancelled && !refuses => {
            order.cancelled = true;
            Ok(at)
        }
        _ => Err(no(StatusCode::BAD_REQUEST, "The order is not allowed to be canceled.")),
    });
    told(done.and_then(|at| {
        Ok(Json(order_json(&books, books.orders.get(at).ok_or_else(not_found)?, false)).into_response())
    }))
}

async fn change(
    State(shared): State<Shared>,
    Path(path): OfOrder,
    headers: HeaderMap,
    Json(asked): Json<Value>,
) -> Response {
    let mut books = shared.lock();
    let wrong = |why: Value| Box::new((StatusCode::BAD_REQUEST, Json(why)).into_response());
    let wanted: Vec<i64> =
        asked["cancel_positions"].as_array().into_iter().flatten().filter_map(|one| one["position"].as_i64()).collect();
    let done = order_at(&books, &headers, &path).and_then(|at| {
        let order = books.orders.get_mut(at).ok_or_else(not_found)?;
        let live: Vec<i64> =
            order.positions.iter().filter(|position| !position.cancelled).map(|position| position.id).collect();
        if order.cancelled || !wanted.iter().all(|id| live.contains(id)) {
            return Err(wrong(json!({ "cancel_positions": [{ "position": ["Invalid pk: object does not exist."] }] })));
        }
        if live.iter().all(|id| wanted.contains(id)) {
            return Err(wrong(json!(["This operation would leave the order empty."])));
        }
        order
            .positions
            .iter_mut()
            .filter(|position| wanted.contains(&position.id))
            .for_each(|one| one.cancelled = true);
        Ok(at)
    });
    told(done.and_then(|at| {
        Ok(Json(order_json(&books, books.orders.get(at).ok_or_else(not_found)?, false)).into_response())
    }))
}
