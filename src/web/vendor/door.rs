//! Bookings as the people at the door need them: listed, used, cancelled by the venue.
//!
//! pass Culture validates a booking by its countermark, which the beneficiary alone knows and which is not the barcode: a use is
//! kept here, and every answer says that pass Culture was not told.
//!
//! Invariant: nothing of a person is told; a booking of another connection does not exist.

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use passerelle_contract::Reference;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, Told, begin};
use crate::store::allotments::{MAX_DOOR_LIST, Noted, TicketUse};
use crate::store::bookings::{BookingState, StoredBooking, TicketRow, TicketState};
use crate::web::Web;

/// Largest body.
const ONE_BODY: usize = 16 * 1024;
/// Bookings of a page unless asked for otherwise.
const PAGE: u32 = 100;
/// What every answer about a use says of pass Culture.
const NOT_VALIDATED: &str = "kept here; pass Culture validates a booking by the beneficiary's countermark, in its portal or with \
     its own tools";
const NOT_CANCELLED: &str = "the tickets are voided here; cancel the booking in the venue's pass Culture portal too, or the \
     beneficiary keeps it and is charged for it";

/// Query of `GET /vendor/v1/bookings`.
#[derive(Deserialize)]
pub(super) struct Asked {
    stock_id: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

pub(super) async fn list(
    State(web): State<Arc<Web>>,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
    request: Request,
) -> Response {
    match begin(web, request, ONE_BODY).await {
        Ok(call) => {
            let told = match asked {
                Ok(Query(asked)) => door_list(&call, asked).await,
                Err(_) => {
                    let why = "write stock_id, and after and limit where wanted";
                    Err(Told::refused(StatusCode::BAD_REQUEST, "BadQuery", why))
                }
            };
            call.end(told).await
        }
        Err(told) => told.into_response(),
    }
}

pub(super) async fn used(State(web): State<Arc<Web>>, Path(booking): Path<String>, request: Request) -> Response {
    match begin(web, request, ONE_BODY).await {
        Ok(call) => call.end(note_use(&call, &booking, true).await).await,
        Err(told) => told.into_response(),
    }
}

pub(super) async fn unused(State(web): State<Arc<Web>>, Path(booking): Path<String>, request: Request) -> Response {
    match begin(web, request, ONE_BODY).await {
        Ok(call) => call.end(note_use(&call, &booking, false).await).await,
        Err(told) => told.into_response(),
    }
}

pub(super) async fn cancel(State(web): State<Arc<Web>>, Path(booking): Path<String>, request: Request) -> Response {
    match begin(web, request, ONE_BODY).await {
        Ok(call) => call.end(cancel_booking(&call, &booking).await).await,
        Err(told) => told.into_response(),
    }
}

fn id(booking: &StoredBooking) -> String {
    Reference(booking.row.reference.clone()).booking_id()
}

const fn word(state: TicketState) -> &'static str {
    match state {
        TicketState::Live | TicketState::Kept => "valid",
        TicketState::Voiding => "being_voided",
        TicketState::Void => "void",
    }
}

async fn door_list(call: &Call, asked: Asked) -> Result<Told, Told> {
    let Some(stock) = asked.stock_id.filter(|stock| !stock.is_empty() && !stock.contains('\0')) else {
        return Err(Told::refused(
            StatusCode::BAD_REQUEST,
            "NoStock",
            "write stock_id: the stock whose bookings are meant",
        ));
    };
    let limit = asked.limit.unwrap_or(PAGE).clamp(1, MAX_DOOR_LIST);
    let after = asked.after.filter(|after| after.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    let page = call.store().door_list(&call.connection.id, &stock, after.as_deref(), limit).await?;
    let references: Vec<String> = page.iter().map(|booking| booking.row.reference.clone()).collect();
    let uses = call.store().ticket_uses(&references).await?;
    let uses_of = |reference: &str| {
        uses.iter().find(|(known, _)| known == reference).map(|(_, uses)| uses.as_slice()).unwrap_or_default()
    };
    let told: Vec<Value> = page
        .iter()
        .map(|booking| {
            let uses = uses_of(&booking.row.reference);
            let ticket = |ticket: &TicketRow| {
                let used = uses.iter().find(|one| one.place == ticket.place).and_then(|one| one.used_at);
                json!({ "barcode": ticket.barcode, "seat": ticket.seat, "state": word(ticket.state), "used_at": used.map(written) })
            };
            json!({
                "booking_id": id(booking), "state": booking.row.state.name(), "quantity": booking.row.quantity,
                "booked_at": written(booking.row.created_at), "tickets": booking.tickets.iter().map(ticket).collect::<Vec<_>>(),
            })
        })
        .collect();
    let next = page.last().filter(|_| page.len() == limit as usize).map(id);
    Ok(Told::ok(json!({ "stock_id": stock, "bookings": told, "next": next })))
}

fn written(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}

async fn named(call: &Call, booking: &str) -> Result<StoredBooking, Told> {
    let found = call.store().booking_named(&call.connection.id, booking).await?;
    found.ok_or_else(|| Told::missing("NoSuchBooking", "no booking of this connection has this id"))
}

async fn note_use(call: &Call, booking: &str, is_use: bool) -> Result<Told, Told> {
    let body = call.json()?;
    let booking = named(call, booking).await?;
    let asked = asked_tickets(&booking, &body)?;
    if asked.is_empty() {
        return Err(Told::refused(StatusCode::CONFLICT, "NoTicket", "this booking has no tickets"));
    }
    if is_use && let Some(void) = asked.iter().find(|ticket| ticket.state == TicketState::Void) {
        let why = format!("ticket {} is void: it was cancelled", void.barcode);
        return Err(Told::refused(StatusCode::CONFLICT, "Cancelled", why).and("error", "cancelled".into()));
    }
    let used_at = match body.get("used_at").filter(|at| is_use && !at.is_null()) {
        None => call.now(),
        Some(at) => {
            let at = at.as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok());
            let why = "used_at: write a date and a time with an offset, such as 2035-01-10T20:30:00+01:00";
            at.ok_or_else(|| Told::refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", why))?.as_millisecond()
        }
    };
    let uses: Vec<TicketUse> =
        asked.iter().map(|ticket| TicketUse { place: ticket.place, used_at: is_use.then_some(used_at) }).collect();
    let Noted::Done(already) = call.store().note_uses(&booking.row.reference, &uses, call.now()).await? else {
        let why = "this booking's history is full; nothing more is kept of it";
        return Err(Told::refused(StatusCode::CONFLICT, "HistoryFull", why));
    };
    let told: Vec<Value> = asked
        .iter()
        .zip(&already)
        .map(|(ticket, already)| json!({ "barcode": ticket.barcode, "already": already }))
        .collect();
    Ok(Told::ok(json!({
        "booking_id": id(&booking), "state": if is_use { "used" } else { "unused" }, "tickets": told,
        "already": already.iter().all(|already| *already), "passculture": "not_told", "message": NOT_VALIDATED,
    })))
}

/// Tickets that a body names by their barcodes; all of them when it names none.
fn asked_tickets<'a>(booking: &'a StoredBooking, body: &Value) -> Result<Vec<&'a TicketRow>, Told> {
    let invalid = || {
        let why = "barcodes: write a list of this booking's barcodes, or leave it out for all of them";
        Told::refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", why)
    };
    let list = match body.get("barcodes") {
        None | Some(Value::Null) if body.is_object() => return Ok(booking.tickets.iter().collect()),
        Some(Value::Array(list)) => list,
        _ => return Err(invalid()),
    };
    let named: Vec<&str> = list.iter().map(|one| one.as_str().ok_or_else(invalid)).collect::<Result<_, _>>()?;
    if let Some(unknown) = named.iter().find(|one| booking.tickets.iter().all(|ticket| ticket.barcode != **one)) {
        let shown: String = unknown.chars().take(120).collect();
        return Err(Told::missing("NoSuchTicket", format!("this booking has no ticket {shown}")));
    }
    Ok(booking.tickets.iter().filter(|ticket| named.contains(&ticket.barcode.as_str())).collect())
}

async fn cancel_booking(call: &Call, booking: &str) -> Result<Told, Told> {
    call.json()?;
    let booking = named(call, booking).await?;
    let told = |already: bool, state: BookingState| {
        Told::ok(
            json!({ "booking_id": id(&booking), "state": state.name(), "already": already, "passculture": "not_told",
            "message": NOT_CANCELLED }),
        )
    };
    let is_live = booking.tickets.iter().any(|ticket| ticket.state != TicketState::Void);
    match booking.row.state {
        BookingState::Booked if is_live => {}
        BookingState::Releasing => return Ok(told(true, booking.row.state)),
        state if !is_live && !booking.tickets.is_empty() => return Ok(told(true, state)),
        _ => {
            let why = "this booking is not firm; nothing is cancelled";
            return Err(Told::refused(StatusCode::CONFLICT, "NotBooked", why));
        }
    }
    let uses = call.store().ticket_uses(std::slice::from_ref(&booking.row.reference)).await?;
    if uses.iter().flat_map(|(_, uses)| uses).any(|one| one.used_at.is_some()) {
        let why = "a ticket of this booking was used; unuse it first if that was a mistake";
        return Err(Told::refused(StatusCode::CONFLICT, "AlreadyUsed", why).and("error", "already_used".into()));
    }
    // The settling of the server voids the tickets, within a second or so.
    match call.web.desk.release(&booking.row.reference, None).await? {
        Some(released) => Ok(told(false, released.row.state)),
        None => {
            let why = "the booking moved meanwhile; look at it again";
            Err(Told::refused(StatusCode::CONFLICT, "Overtaken", why))
        }
    }
}
