//! What happened to an EAN at a connection, as a timeline: what its source stated, what was sent, what was read back, who booked it.

use passerelle_contract::Ean;
use serde_json::{Value, json};

use super::super::{CliContext, CliError};
use super::{tell, terms_object};
use crate::clock::show;
use crate::gateway::Gateway;
use crate::passculture::Availability;
use crate::store::history::{HistoryEvent, HistoryRow};
use crate::store::products::{ProductBooking, ProductState};
use crate::store::{ConnectionRecord, Millis};

/// Most bookings told of one EAN.
const MOST_BOOKINGS: u32 = 50;

/// One line of the timeline.
struct Line {
    at: Millis,
    text: String,
    object: Value,
}

pub(super) async fn explain(
    context: &CliContext,
    gateway: &Gateway,
    connection: &ConnectionRecord,
    venue: Option<i64>,
    ean: Ean,
) -> Result<(), CliError> {
    let rows = gateway.store.history(&connection.id, ean).await?;
    let bookings = match venue {
        Some(venue) => gateway.store.bookings_of_ean(&connection.account, venue, ean, MOST_BOOKINGS).await?,
        None => Vec::new(),
    };
    let mut lines: Vec<Line> = rows.iter().map(line).chain(bookings.iter().flat_map(booked)).collect();
    // Stable: what happened in one moment stays in its order.
    lines.sort_by_key(|line| line.at);
    let out = context.output;
    if lines.is_empty() {
        out.text("  history           none is kept: nothing has changed since it is written down");
        return Ok(());
    }
    out.text("  history");
    for line in lines {
        let mut object = json!({
            "event": "history", "connection": connection.id, "ean": ean, "at": show(line.at), "what": null,
            "price_cents": null, "quantity": null, "call_at": null, "code": null, "evidence": null, "line": null,
            "items": null, "booking": null,
        });
        if let (Some(all), Value::Object(known)) = (object.as_object_mut(), line.object) {
            all.extend(known);
        }
        out.json(&object);
        out.text(format!("    {}  {}", show(line.at), line.text));
    }
    Ok(())
}

fn line(row: &HistoryRow) -> Line {
    let mut object = json!({
        "what": row.event.name(), "call_at": row.call_at.map(show), "code": row.code, "evidence": row.evidence,
        "line": row.line, "items": row.items,
    });
    if let (Some(all), Some(Value::Object(terms))) = (object.as_object_mut(), row.terms.map(terms_object)) {
        all.extend(terms);
    }
    Line { at: row.at, text: sentence(row), object }
}

fn sentence(row: &HistoryRow) -> String {
    let terms = row.terms.map_or_else(|| "sold out".to_owned(), tell);
    let line = row.line.map(|line| format!(", line {line}")).unwrap_or_default();
    let said = row.evidence.as_ref().map(|evidence| format!(" ({evidence}{line})")).unwrap_or_default();
    let call = row.call_at.map(|at| format!(" (call of {})", show(at))).unwrap_or_default();
    let items = row.items.unwrap_or_default();
    match row.event {
        HistoryEvent::FirstSeen => format!("first seen: {terms}{said}"),
        HistoryEvent::Changed => format!("the shop says {terms}{said}"),
        HistoryEvent::Withdrawn => format!("the shop no longer has it{said}"),
        HistoryEvent::Sent => format!("sent: {terms}{call}"),
        HistoryEvent::Unanswered => format!("sent: {terms}, and no answer came{call}"),
        HistoryEvent::Verified => format!("read back: {terms}{call}"),
        HistoryEvent::Refused | HistoryEvent::Dropped => {
            let verdict = Availability::ALL.into_iter().find(|verdict| Some(verdict.name()) == row.code.as_deref());
            let why = verdict.map_or("a reason that this release does not know", Availability::english);
            format!("refused, {}: {why}{call}", row.code.as_deref().unwrap_or("no code"))
        }
        HistoryEvent::ManyChanged => {
            format!("a pass changed {items} EANs at once{said}: whether this one was among them is not written down")
        }
        HistoryEvent::ManySent => {
            format!("{items} EANs were sent in one run: whether this one was among them is not written down")
        }
    }
}

/// A booking, and what became of it.
fn booked(booking: &ProductBooking) -> Vec<Line> {
    let object = |what: &str| {
        json!({
            "what": what, "price_cents": booking.price_cents, "quantity": booking.quantity, "booking": booking.booking,
        })
    };
    let name = &booking.booking;
    let mut lines = vec![Line {
        at: booking.booked_at,
        text: format!("booked: {} ({name})", booking.quantity),
        object: object("booked"),
    }];
    if booking.state != ProductState::Open {
        let what = booking.state.name();
        lines.push(Line { at: booking.moved_at, text: format!("booking {what} ({name})"), object: object(what) });
    }
    lines
}
