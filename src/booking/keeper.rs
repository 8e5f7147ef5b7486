//! One booking's row while somebody works on it.
//!
//! Invariant: the row in memory has the version that was last read or written; whoever is overtaken reads again and asks the
//! machine anew, so that nothing is decided on a stale row.

use std::sync::Arc;

use passerelle_contract::{
    Adapter, AdapterError, BoxFuture, BoxOffice, Class, Holder, Journal, Quantity, Semantics, Ticket,
};
use tokio::sync::Mutex;

use super::line;
use super::machine::{self, Happening};
use super::order::StoredOrder;
use super::telling::Telling;
use crate::store::bookings::{
    BookingEvent, BookingRow, BookingState, Move, Moved, PlacesLeft, StoredBooking, TicketRow, TicketState,
};
use crate::store::{Millis, Store, StoreError};

/// Times that a move is tried against others who move the same row.
const TRIES: usize = 8;
/// Longest trace that an adapter may have written, in bytes.
const LONGEST_TRACE: usize = 4 * 1024;

/// Keeps one row.
pub(super) struct Keeper {
    store: Arc<dyn Store>,
    semantics: Option<Semantics>,
    telling: Option<Telling>,
    now: fn() -> Millis,
    booking: Mutex<StoredBooking>,
}

/// What became of a happening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// The row moved.
    Moved,
    /// The row is beyond it; nothing was stored.
    Nothing,
    /// A ticket's barcode belongs to another booking; nothing was stored.
    BarcodeTaken,
}

impl Keeper {
    /// For a booking of this adapter; without one nobody is told and nothing is known of the vendor. `holder` is known while the
    /// beneficiary waits.
    pub(super) fn new(
        store: Arc<dyn Store>,
        booking: StoredBooking,
        adapter: Option<&dyn Adapter>,
        holder: Option<&Holder>,
        now: fn() -> Millis,
    ) -> Self {
        let semantics = adapter.and_then(Adapter::box_office).map(BoxOffice::semantics);
        let telling = adapter.and_then(|adapter| Telling::of(adapter, semantics, holder));
        Self { store, semantics, telling, now, booking: Mutex::new(booking) }
    }

    /// Row and tickets as last known.
    pub(super) async fn seen(&self) -> StoredBooking {
        self.booking.lock().await.clone()
    }

    /// Tells the machine what happened and stores what follows, with tickets to add or change and lines of history.
    pub(super) async fn apply(
        &self,
        happening: &Happening,
        tickets: &[TicketRow],
        events: &[BookingEvent],
    ) -> Result<Applied, StoreError> {
        let mut booking = self.booking.lock().await;
        for _ in 0..TRIES {
            let merged = merged(&booking.tickets, tickets);
            let live = merged.iter().any(|ticket| ticket.state != TicketState::Void);
            let Some(next) = machine::after(&booking.row, happening, self.semantics, live, (self.now)()) else {
                return Ok(Applied::Nothing);
            };
            let order = places_told(&booking.row, &next);
            let places = order.as_ref().map(|(order, remaining)| PlacesLeft {
                event: &order.event,
                date: &order.date,
                remaining: *remaining,
            });
            let messages = self.telling.as_ref().map(|telling| telling.moved(&booking.row, &next, &merged));
            let messages = messages.unwrap_or_default();
            let step = Move { row: &next, tickets, events, places, messages: &messages };
            match self.store.move_booking(step).await? {
                Moved::Yes => {
                    *booking = StoredBooking { row: stored(next), tickets: merged };
                    return Ok(Applied::Moved);
                }
                Moved::BarcodeTaken => return Ok(Applied::BarcodeTaken),
                Moved::No => self.read_again(&mut booking).await?,
            }
        }
        Err(overtaken(&booking.row))
    }

    /// Changes tickets, and the row as told, without a happening. False when the row is not what `expected` saw.
    pub(super) async fn note(
        &self,
        expected: i64,
        change: impl FnOnce(&mut BookingRow) + Send,
        tickets: &[TicketRow],
        events: &[BookingEvent],
    ) -> Result<bool, StoreError> {
        self.note_and_tell(expected, change, tickets, events, &[]).await
    }

    /// As [`Keeper::note`]; the venue's software is told of tickets that become void by it. `unheard` are the places of those
    /// whose vendor could not be told.
    pub(super) async fn note_and_tell(
        &self,
        expected: i64,
        change: impl FnOnce(&mut BookingRow) + Send,
        tickets: &[TicketRow],
        events: &[BookingEvent],
        unheard: &[u32],
    ) -> Result<bool, StoreError> {
        let mut booking = self.booking.lock().await;
        if booking.row.version != expected {
            return Ok(false);
        }
        let mut next = booking.row.clone();
        change(&mut next);
        let all = merged(&booking.tickets, tickets);
        let newly_void = newly_void(&booking.tickets, &all);
        let told = self.telling.as_ref().map(|telling| {
            telling.voided(&BookingRow { moved_at: (self.now)(), ..next.clone() }, &newly_void, unheard, &all)
        });
        let messages = told.unwrap_or_default();
        let step = Move { row: &next, tickets, events, places: None, messages: &messages };
        match self.store.move_booking(step).await? {
            Moved::Yes => {
                *booking = StoredBooking { row: stored(next), tickets: all };
                Ok(true)
            }
            Moved::No | Moved::BarcodeTaken => {
                self.read_again(&mut booking).await?;
                Ok(false)
            }
        }
    }

    async fn read_again(&self, booking: &mut StoredBooking) -> Result<(), StoreError> {
        *booking = self
            .store
            .booking(&booking.row.reference)
            .await?
            .ok_or_else(|| StoreError::Corrupt(format!("booking {} is gone", booking.row.reference)))?;
        Ok(())
    }
}

impl Journal for Keeper {
    fn about_to_sell<'a>(&'a self, trace: &'a str) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move {
            let refused = |class, code, why: String| AdapterError::new(class, code, "write the intent to sell", why);
            if trace.len() > LONGEST_TRACE {
                return Err(refused(Class::Data, "TraceTooLong", format!("a trace has at most {LONGEST_TRACE} bytes")));
            }
            loop {
                let row = self.booking.lock().await.row.clone();
                // Whoever was told no in the meantime must not be sold a seat.
                if row.state != BookingState::Calling {
                    let why = format!("the booking is {} by now", row.state.name());
                    return Err(refused(Class::Transient, "TooLateToSell", why));
                }
                let told = [line((self.now)(), "selling", "the vendor is about to be asked to sell")];
                match self.note(row.version, |next| next.trace = Some(trace.to_owned()), &[], &told).await {
                    Ok(true) => return Ok(()),
                    Ok(false) => {}
                    Err(error) => {
                        let why = "the store does not take the intent; nothing is sold".to_owned();
                        return Err(refused(Class::Transient, "IntentNotStored", why).caused_by(error));
                    }
                }
            }
        })
    }
}

/// What pass Culture hears of the places left when a vendor has answered in time.
fn places_told(before: &BookingRow, next: &BookingRow) -> Option<(StoredOrder, Quantity)> {
    let answered =
        before.state == BookingState::Calling && matches!(next.state, BookingState::Booked | BookingState::Refused);
    let remaining = next.remaining.filter(|_| answered)?;
    Some((StoredOrder::read(next)?, remaining))
}

fn stored(next: BookingRow) -> BookingRow {
    BookingRow { version: next.version + 1, ..next }
}

fn overtaken(row: &BookingRow) -> StoreError {
    StoreError::Unavailable {
        place: "booking".to_owned(),
        why: format!("booking {} is moved by others too fast; try again", row.reference),
    }
}

fn merged(before: &[TicketRow], changed: &[TicketRow]) -> Vec<TicketRow> {
    let mut all: Vec<TicketRow> =
        before.iter().filter(|ticket| changed.iter().all(|new| new.place != ticket.place)).cloned().collect();
    all.extend(changed.iter().cloned());
    all.sort_by_key(|ticket| ticket.place);
    all
}

/// Tickets that are void now and were not before.
fn newly_void(before: &[TicketRow], now: &[TicketRow]) -> Vec<TicketRow> {
    let was_good = |place: u32| before.iter().any(|ticket| ticket.place == place && ticket.state != TicketState::Void);
    now.iter().filter(|ticket| ticket.state == TicketState::Void && was_good(ticket.place)).cloned().collect()
}

/// Tickets of a sale as rows.
pub(super) fn ticket_rows(reference: &str, tickets: &[Ticket]) -> Vec<TicketRow> {
    (0..)
        .zip(tickets)
        .map(|(place, ticket)| TicketRow {
            barcode: ticket.barcode.clone(),
            place,
            booking: reference.to_owned(),
            seat: ticket.seat.clone(),
            vendor: ticket.vendor.clone(),
            state: TicketState::Live,
        })
        .collect()
}

/// A stored ticket as its vendor gets it.
pub(super) fn ticket(row: &TicketRow) -> Ticket {
    Ticket { barcode: row.barcode.clone(), seat: row.seat.clone(), vendor: row.vendor.clone() }
}
