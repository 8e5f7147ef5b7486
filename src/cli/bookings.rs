//! `passerelle bookings`: what became of every booking, and what a person decides.

use clap::{Args, Subcommand};
use passerelle_contract::{Quantity, Reference};
use serde_json::{Value, json};
use std::sync::Arc;

use super::{CliContext, CliError};
use crate::booking::Waits;
use crate::booking::to_do;
use crate::clock::show;
use crate::delivery::message_object;
use crate::gateway::{self, Gateway};
use crate::store::bookings::{BookingFilter, BookingState, MAX_BOOKINGS, StoredBooking};
use crate::store::messages::MessageFilter;
use crate::store::products::ProductState;

/// Lists bookings unless told otherwise.
#[derive(Debug, Args)]
pub(crate) struct Bookings {
    #[command(subcommand)]
    command: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Every booking, newest first, finished ones too.
    List {
        /// Only of this connection.
        #[arg(long)]
        connection: Option<String>,
        /// Only in this state: calling, abandoned, booked, refused, unknown, releasing, released, cancelled, operator.
        #[arg(long, value_parser = state)]
        state: Option<BookingState>,
        /// Only those that a person must look at.
        #[arg(long)]
        needs_human: bool,
    },
    /// One booking with its tickets and its history.
    Show {
        /// Its reference, a ticket's barcode, or its name for venues' software (`bk_…`).
        booking: String,
    },
    /// Drive every unfinished booking to a truth: held, void, or in front of a person.
    Settle {
        /// Ignore every waiting time: vendor look-ups, and the two minutes before pass Culture's listing is compared. Calls
        /// to vendors that are under way are waited for, at most 45 s. Offers of products with recent activity are compared
        /// too.
        #[arg(long)]
        now: bool,
    },
    /// Void the tickets of a booking at its vendor, or close a booking that you have dealt with by hand.
    Release {
        /// Its reference.
        reference: String,
        /// What you did; closes the booking without calling the vendor.
        #[arg(long, value_name = "NOTE")]
        note: Option<String>,
    },
}

fn state(name: &str) -> Result<BookingState, String> {
    BookingState::named(name).ok_or_else(|| {
        let names: Vec<&str> = BookingState::ALL.into_iter().map(BookingState::name).collect();
        format!("is none of {}", names.join(", "))
    })
}

impl Bookings {
    pub(crate) const fn list() -> Self {
        Self { command: None }
    }

    pub(crate) fn show(booking: &str) -> Self {
        Self { command: Some(Action::Show { booking: booking.to_owned() }) }
    }

    pub(crate) async fn run(self, context: &CliContext) -> Result<u8, CliError> {
        let (_, gateway) = context.open_reading("bookings", false).await?;
        let all = Action::List { connection: None, state: None, needs_human: false };
        match self.command.unwrap_or(all) {
            Action::List { connection, state, needs_human } => {
                if let Some(id) = &connection {
                    gateway.connection(id).await?;
                }
                list(context, &gateway, BookingFilter { connection, state, needs_human, before: None }).await
            }
            Action::Show { booking } => {
                if show_booking(context, &gateway, &booking).await? {
                    Ok(0)
                } else {
                    Err(unknown(&booking))
                }
            }
            Action::Settle { now } => settle(context, gateway, now).await,
            Action::Release { reference, note } => release(context, gateway, &reference, note.as_deref()).await,
        }
    }
}

fn unknown(booking: &str) -> CliError {
    CliError::Failed(format!(
        "no booking has the reference or the barcode `{booking}`; `passerelle bookings list` names them"
    ))
}

async fn list(context: &CliContext, gateway: &Gateway, mut filter: BookingFilter) -> Result<u8, CliError> {
    loop {
        let page = gateway.store.bookings(&filter, MAX_BOOKINGS).await?;
        for booking in &page {
            context.output.json(&object(booking));
        }
        let rows = page
            .iter()
            .map(|booking| {
                let row = &booking.row;
                vec![
                    row.reference.clone(),
                    show(row.created_at),
                    row.connection.clone(),
                    row.state.name().to_owned(),
                    row.quantity.to_string(),
                    if row.needs_human { "yes".to_owned() } else { String::new() },
                    row.reason.clone().unwrap_or_default(),
                ]
            })
            .collect();
        context.output.table(&["REFERENCE", "CREATED", "CONNECTION", "STATE", "SEATS", "PERSON", "WHY"], rows);
        let Some(last) = page.last().filter(|_| page.len() == MAX_BOOKINGS as usize) else { return Ok(0) };
        filter.before = Some((last.row.created_at, last.row.reference.clone()));
    }
}

/// A number, or a word where there is no limit.
fn places(remaining: Quantity) -> Value {
    remaining.number().map_or_else(|| Value::from("unlimited"), Value::from)
}

/// The promised JSON form of a booking. No personal data is stored, so none is here.
pub(super) fn object(booking: &StoredBooking) -> Value {
    let row = &booking.row;
    json!({
        "event": "booking", "reference": row.reference, "state": row.state.name(), "connection": row.connection,
        "account": row.account, "offer_id": row.offer_id, "stock_id": row.stock_id, "quantity": row.quantity,
        "barcodes": booking.tickets.iter().map(|ticket| &ticket.barcode).collect::<Vec<_>>(),
        "seats": booking.tickets.iter().map(|ticket| &ticket.seat).collect::<Vec<_>>(),
        "tickets": booking.tickets.iter().map(|ticket| ticket.state.name()).collect::<Vec<_>>(),
        "remaining": row.remaining.map(places), "needs_human": row.needs_human, "confirmed": row.confirmed, "reason": row.reason,
        "to_do": to_do(row), "created": show(row.created_at), "moved": show(row.moved_at), "due": row.due_at.map(show),
    })
}

/// How a booking's name for venues' software begins.
const BOOKING_ID_HEAD: &str = "bk_";

/// Tells a booking's timeline, found by its reference, a barcode, or its name for venues' software. False when there is none.
pub(super) async fn show_booking(context: &CliContext, gateway: &Gateway, thing: &str) -> Result<bool, CliError> {
    let mut found = Vec::new();
    if let Some(booking) = gateway.store.booking(thing).await? {
        found.push(booking);
    } else {
        for account in gateway.accounts.keys() {
            found.extend(gateway.store.bookings_by_barcodes(account, &[thing.to_owned()]).await?);
        }
    }
    if thing.starts_with(BOOKING_ID_HEAD) {
        for connection in gateway.store.connections().await? {
            found.extend(gateway.store.booking_named(&connection.id, thing).await?);
        }
        // The booking of a product has messages and no row here.
        if found.is_empty() {
            return tell_messages(context, gateway, thing).await;
        }
    }
    for booking in &found {
        tell(context, gateway, booking).await?;
    }
    Ok(!found.is_empty())
}

async fn tell(context: &CliContext, gateway: &Gateway, booking: &StoredBooking) -> Result<(), CliError> {
    let out = context.output;
    let row = &booking.row;
    out.json(&object(booking));
    out.text(format!("booking {} at {}: {}", row.reference, row.connection, row.state.name()));
    out.text(format!("  pass Culture      offer {}, stock {}, {} seat(s)", row.offer_id, row.stock_id, row.quantity));
    for ticket in &booking.tickets {
        let seat = ticket.seat.as_deref().map(|seat| format!(", seat {seat}")).unwrap_or_default();
        out.text(format!("  ticket {}          {}{seat}: {}", ticket.place + 1, ticket.barcode, ticket.state.name()));
    }
    if let Some(reason) = &row.reason {
        out.text(format!("  why               {reason}"));
    }
    if let Some(what) = to_do(row) {
        out.text(format!("  to do             {what}"));
    }
    if let Some(due) = row.due_at {
        out.text(format!("  looked at again   {}", show(due)));
    }
    tell_messages(context, gateway, &Reference(row.reference.clone()).booking_id()).await?;
    for line in gateway.store.booking_history(&row.reference).await? {
        out.json(&json!({
            "event": "history", "reference": row.reference, "at": show(line.at), "code": line.code, "text": line.text,
        }));
        out.text(format!("  {}  {:<8} {}", show(line.at), line.code, line.text));
    }
    Ok(())
}

/// What venues' software was told of a booking, oldest first. False when nothing was.
async fn tell_messages(context: &CliContext, gateway: &Gateway, booking_id: &str) -> Result<bool, CliError> {
    let filter = MessageFilter { booking: Some(booking_id.to_owned()), ..MessageFilter::default() };
    let told = gateway.store.messages(&filter, MAX_BOOKINGS).await?;
    for message in told.iter().rev() {
        context.output.json(&message_object(message));
        let why = message.last_error.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        context.output.text(format!(
            "  told {}  {} as {}, number {}: {}{why}",
            message.connection,
            message.kind,
            message.booking,
            message.sequence,
            message.state.name()
        ));
    }
    Ok(!told.is_empty())
}

async fn settle(context: &CliContext, gateway: Gateway, now: bool) -> Result<u8, CliError> {
    let gateway = Arc::new(gateway);
    let desk = gateway::desk(&gateway);
    let waits = if now {
        // A call that a server is making has an end soon, and only then a truth to settle.
        desk.calls_ended().await?;
        Waits::Ignored
    } else {
        Waits::Kept
    };
    let settled = desk.settle(waits).await?;
    desk.finish().await;
    for step in &settled {
        let (before, after) = (&step.before, &step.after.row);
        context.output.json(&json!({
            "event": "settled", "reference": after.reference, "connection": after.connection, "from": before.state.name(),
            "to": after.state.name(), "needs_human": after.needs_human, "reason": after.reason,
        }));
        let why = after.reason.as_deref().map(|reason| format!("  ({reason})")).unwrap_or_default();
        context.output.text(format!("{}  {} → {}{why}", after.reference, before.state.name(), after.state.name()));
    }
    let reconciler = gateway::reconciler(&gateway);
    let moved = if now { reconciler.everything().await? } else { reconciler.due().await? };
    for step in &moved {
        let (from, after) = (step.before.map_or("unknown", ProductState::name), &step.after);
        context.output.json(&json!({
            "event": "reconciled", "booking_id": after.booking, "account": after.account, "offer_id": after.offer_id,
            "stock_id": after.item, "from": from, "to": after.state.name(),
        }));
        let to = after.state.name();
        context.output.text(format!("{}  {} of {}: {from} → {to}", after.booking, after.quantity, after.item));
    }
    if settled.is_empty() && moved.is_empty() {
        context.output.text("nothing is due");
    }
    Ok(0)
}

async fn release(context: &CliContext, gateway: Gateway, reference: &str, note: Option<&str>) -> Result<u8, CliError> {
    if gateway.store.booking(reference).await?.is_none() {
        return Err(unknown(reference));
    }
    let gateway = Arc::new(gateway);
    let desk = gateway::desk(&gateway);
    let Some(mut booking) = desk.release(reference, note).await? else {
        return Err(CliError::Failed(format!(
            "booking `{reference}` has nothing to release or to close; `passerelle bookings show {reference}` tells how it stands"
        )));
    };
    if booking.row.state == BookingState::Releasing {
        desk.settle(Waits::Kept).await?;
        desk.finish().await;
        booking = gateway.store.booking(reference).await?.unwrap_or(booking);
    }
    context.output.json(&object(&booking));
    context.output.text(format!("{reference}  {}", booking.row.state.name()));
    Ok(0)
}
