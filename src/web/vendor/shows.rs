//! Events, stocks and places left, as a venue's software states them.
//!
//! Invariant: an answer that says stored means durable; what it becomes at pass Culture is the next pass's business.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use passerelle_contract::Reference;
use serde_json::{Value, json};

use super::call::{Call, Told, begin};
use crate::allotment::barcodes::is_key;
use crate::allotment::document::EventDocument;
use crate::allotment::request::{self, MOST_STOCKS, Named};
use crate::store::allotments::{MAX_DOOR_LIST, NO_VERSION, StatedEvent, StatedStock, Stating};
use crate::store::bookings::TicketState;
use crate::web::Web;

/// Largest body of one event or one stock: a description has 10 000 characters.
const ONE_BODY: usize = 128 * 1024;
/// Largest body of a batch of places.
const BATCH_BODY: usize = 256 * 1024;
/// Pages of bookings read when a stock is taken off; the door list has the rest.
const MOST_PAGES: usize = 4;

pub(super) async fn event(State(web): State<Arc<Web>>, Path(event): Path<String>, request: Request) -> Response {
    match begin(web, request, ONE_BODY).await {
        Ok(call) => call.end(state_event(&call, event).await).await,
        Err(told) => told.into_response(),
    }
}

pub(super) async fn stock(
    State(web): State<Arc<Web>>,
    Path((event, stock)): Path<(String, String)>,
    request: Request,
) -> Response {
    match begin(web, request, ONE_BODY).await {
        Ok(call) => call.end(state_stock(&call, event, stock).await).await,
        Err(told) => told.into_response(),
    }
}

pub(super) async fn places(State(web): State<Arc<Web>>, request: Request) -> Response {
    match begin(web, request, BATCH_BODY).await {
        Ok(call) => call.end(state_places(&call).await).await,
        Err(told) => told.into_response(),
    }
}

pub(super) async fn take_off(
    State(web): State<Arc<Web>>,
    Path((event, stock)): Path<(String, String)>,
    request: Request,
) -> Response {
    match begin(web, request, ONE_BODY).await {
        Ok(call) => call.end(take_stock_off(&call, event, stock).await).await,
        Err(told) => told.into_response(),
    }
}

fn states_shows(call: &Call) -> Result<(), Told> {
    if call.adapter.states_shows() {
        return Ok(());
    }
    let why = "the shows of this connection come from elsewhere; they cannot be stated here";
    Err(Told::refused(StatusCode::CONFLICT, "ShowsNotStated", why))
}

pub(super) fn checked_key(what: &str, key: &str) -> Result<(), Told> {
    if is_key(key) {
        return Ok(());
    }
    let why = format!("the id of {what} has 1 to 100 characters that can be printed");
    Err(Told::refused(StatusCode::UNPROCESSABLE_ENTITY, "BadId", why))
}

async fn state_event(call: &Call, id: String) -> Result<Told, Told> {
    states_shows(call)?;
    checked_key("an event", &id)?;
    let read = request::event(&call.json()?, &call.adapter.kind()).map_err(|faults| Told::faulty(&faults))?;
    if let Some(venue) = &read.venue {
        own_venue(call, venue).await?;
    }
    let connection = call.connection.id.as_str();
    let before = call.store().stated_event(connection, &id).await?;
    let before: Option<EventDocument> = before.and_then(|event| serde_json::from_str(&event.document).ok());
    let stocks = call.store().stated_stocks(connection, &id).await?;
    let repriced = request::repriced(&stocks, before.as_ref(), &read.document);
    let document = serde_json::to_string(&read.document).unwrap_or_default();
    let event = StatedEvent { event: id.clone(), document, stated_at: call.now() };
    let word = match call.store().state_event(connection, &event, &repriced).await? {
        Stating::Unchanged => "unchanged",
        Stating::TooMany => return Err(too_many("events")),
        _ => "stored",
    };
    call.make_due().await?;
    Ok(Told::ok(json!({ "event_id": id, "state": word, "repriced_stocks": repriced.len() })))
}

/// A vendor's token speaks for its own venue.
async fn own_venue(call: &Call, named: &Named) -> Result<(), Told> {
    let own = |text: &str| {
        let connection = &call.connection;
        text == connection.id
            || connection.siret.as_deref() == Some(text)
            || text.parse::<i64>().is_ok_and(|number| call.venue == Some(number) || connection.venue == Some(number))
    };
    let is_anothers = match named {
        Named::Number(number) => !own(number),
        Named::Words(words) => !own(words) && call.store().connection(words).await?.is_some(),
    };
    if is_anothers {
        let why = "this token speaks for another venue; leave `venue` out, or write the connection's own id or SIRET";
        return Err(Told::refused(StatusCode::FORBIDDEN, "OtherVenue", why));
    }
    Ok(())
}

async fn state_stock(call: &Call, event: String, id: String) -> Result<Told, Told> {
    states_shows(call)?;
    checked_key("an event", &event)?;
    checked_key("a stock", &id)?;
    let Some(stated) = call.store().stated_event(&call.connection.id, &event).await? else {
        return Err(no_event(&event));
    };
    let document: EventDocument = serde_json::from_str(&stated.document)
        .map_err(|_| Told::refused(StatusCode::CONFLICT, "EventUnreadable", "state the event again, then its stock"))?;
    let read = request::stock(&call.json()?, &document).map_err(|faults| Told::faulty(&faults))?;
    let stock = StatedStock {
        stock: id.clone(),
        event: event.clone(),
        closes_at: read.document.booking_limit_at.unwrap_or(read.starts_at).min(read.starts_at),
        document: serde_json::to_string(&read.document).unwrap_or_default(),
        starts_at: read.starts_at,
        price_cents: read.price_cents,
        version: NO_VERSION,
        stated: read.remaining,
        remaining: read.remaining,
        gone: false,
        stated_at: call.now(),
    };
    let told = stated_word(call.store().state_stock(&call.connection.id, &stock, read.version).await?);
    let word = match told {
        Err(refused) if refused.status == StatusCode::NOT_FOUND => return Err(no_event(&event)),
        other => other?,
    };
    call.make_due().await?;
    Ok(Told::ok(json!({ "event_id": event, "stock_id": id, "state": word })))
}

fn no_event(event: &str) -> Told {
    Told::missing("NoSuchEvent", format!("event {event} was never stated; PUT it first"))
}

fn too_many(what: &str) -> Told {
    let why = format!("this connection has as many {what} as it may have; those that are over go after 30 days");
    Told::refused(StatusCode::CONFLICT, "TooMany", why)
}

/// What the store says of a statement.
fn stated_word(stating: Stating) -> Result<&'static str, Told> {
    match stating {
        Stating::Stored => Ok("stored"),
        Stating::Unchanged => Ok("unchanged"),
        Stating::Stale { version } => Err(Told::refused(
            StatusCode::CONFLICT,
            "Stale",
            format!("version {version} is known, with what it said; a change needs a higher one"),
        )
        .and("error", "stale".into())
        .and("version", version.into())),
        Stating::Unknown => Err(Told::missing("NoSuchStock", "this stock was never stated; PUT it first")),
        Stating::OtherEvent { event } => Err(Told::refused(
            StatusCode::CONFLICT,
            "OtherEvent",
            format!("this stock is one of event {event}; an id is one stock's for ever"),
        )),
        Stating::Gone => {
            Err(Told::refused(StatusCode::CONFLICT, "Gone", "this stock was taken off; PUT it again first"))
        }
        Stating::TooMany => Err(too_many("stocks")),
    }
}

async fn state_places(call: &Call) -> Result<Told, Told> {
    states_shows(call)?;
    let body = call.json()?;
    let list = body.as_array().or_else(|| body.get("stocks").and_then(Value::as_array));
    let Some(list) = list else {
        let why = "write a list of objects with stock_id, remaining and version";
        return Err(Told::refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", why));
    };
    if list.len() > MOST_STOCKS {
        let why = format!("{} stocks at once; at most {MOST_STOCKS}, send them in several calls", list.len());
        return Err(Told::refused(StatusCode::PAYLOAD_TOO_LARGE, "TooMany", why));
    }
    let mut results = Vec::with_capacity(list.len());
    let mut applied = 0_usize;
    let mut is_changed = false;
    for (position, value) in (1..).zip(list) {
        let (stock, told) = match request::places(value) {
            Ok(read) => {
                let told = call
                    .store()
                    .state_places(&call.connection.id, &read.stock, read.remaining, read.version, call.now())
                    .await?;
                is_changed |= told == Stating::Stored;
                (Value::from(read.stock), stated_word(told))
            }
            Err(faults) => (value.get("stock_id").cloned().unwrap_or_default(), Err(Told::faulty(&faults))),
        };
        let mut result = match told {
            Ok(word) => {
                applied += 1;
                Told::ok(json!({ "state": word }))
            }
            Err(refused) => refused,
        };
        result = result.and("position", json!(position)).and("stock_id", stock);
        results.push(result.body);
    }
    if is_changed {
        call.make_due().await?;
    }
    Ok(Told::ok(json!({ "applied": applied, "refused": results.len() - applied, "results": results })))
}

async fn take_stock_off(call: &Call, event: String, id: String) -> Result<Told, Told> {
    states_shows(call)?;
    checked_key("an event", &event)?;
    checked_key("a stock", &id)?;
    if !call.store().take_off(&call.connection.id, &event, &id, call.now()).await? {
        return Err(Told::missing("NoSuchStock", format!("event {event} has no stock {id}")));
    }
    call.make_due().await?;
    let mut bookings = Vec::new();
    let mut after: Option<String> = None;
    let mut has_more = true;
    for _ in 0..MOST_PAGES {
        let page = call.store().door_list(&call.connection.id, &id, after.as_deref(), MAX_DOOR_LIST).await?;
        has_more = page.len() == MAX_DOOR_LIST as usize;
        after = page.last().map(|booking| Reference(booking.row.reference.clone()).booking_id());
        for booking in page {
            let held = booking.tickets.iter().filter(|ticket| ticket.state != TicketState::Void);
            let barcodes: Vec<&str> = held.map(|ticket| ticket.barcode.as_str()).collect();
            if !barcodes.is_empty() {
                let booking_id = Reference(booking.row.reference.clone()).booking_id();
                bookings
                    .push(json!({ "booking_id": booking_id, "state": booking.row.state.name(), "barcodes": barcodes }));
            }
        }
        if !has_more {
            break;
        }
    }
    let message = "nothing more is sold; bookings stay at pass Culture until the venue cancels the date in its portal";
    Ok(Told::ok(
        json!({ "event_id": event, "stock_id": id, "state": "gone", "bookings": bookings, "has_more": has_more,
        "passculture": "not_told", "message": message }),
    ))
}
