//! What a venue's software is told of a booking: decided here, stored with the move that it tells of, delivered by others.
//!
//! Pure. Invariant: of a person only what the connection's terms allow stands in a message, and nothing when they allow nothing.

use passerelle_contract::{Adapter, Holder, NoticeTerms, Reference, Semantics};
use passerelle_kit::notice::{
    BookingData, CancelledData, HolderData, Kind, Reason, TicketData, data, document, instant, message_id,
};

use super::order::StoredOrder;
use crate::store::bookings::{BookingRow, BookingState, TicketRow, TicketState};
use crate::store::messages::{Condition, NewMessage};

/// Sequence of what is told first of a booking.
const FIRST: u32 = 1;
/// The least sequence of what follows one other thing.
const AFTER_ONE: u32 = 2;
/// The least sequence of what follows two.
const AFTER_TWO: u32 = 3;

/// Tells one connection's software.
#[derive(Clone, Debug)]
pub(super) struct Telling {
    terms: NoticeTerms,
    holder: Option<HolderData>,
    told_of_lost_sales: bool,
}

impl Telling {
    /// `None` for an adapter that is told of nothing. `holder` is known while the beneficiary waits, and never again.
    pub(super) fn of(adapter: &dyn Adapter, semantics: Option<Semantics>, holder: Option<&Holder>) -> Option<Self> {
        let terms = adapter.notices()?.terms().clone();
        let holder = HolderData::allowed(holder, &terms);
        Some(Self { terms, holder, told_of_lost_sales: semantics.is_some_and(|known| known.told_of_lost_sales) })
    }

    /// Is each booking told, so that its tickets cannot change hands unseen?
    pub(super) const fn hears_everything(&self) -> bool {
        self.terms.hears_everything
    }

    /// What follows from a move of the row.
    pub(super) fn moved(&self, before: &BookingRow, next: &BookingRow, tickets: &[TicketRow]) -> Vec<NewMessage> {
        let Some(order) = StoredOrder::read(next) else { return Vec::new() };
        let calling = matches!(before.state, BookingState::Calling | BookingState::Abandoned);
        if self.hears_everything() && calling && next.state == BookingState::Booked {
            let told = BookingData {
                booking_id: booking_id(next),
                stock_id: order.places_key().to_owned(),
                quantity: next.quantity,
                unit_price_cents: order.price_cents(),
                currency: "EUR",
                event_starts_at: Some(instant(order.starts_at)),
                tickets: Some(tickets.iter().filter(|ticket| is_good(ticket)).map(told_ticket).collect()),
                holder: self.holder.clone(),
                answer_before: None,
            };
            return vec![self.message(next, &order, Kind::Created, data(&told), (Condition::First, FIRST))];
        }
        if self.told_of_lost_sales && calling && next.state == BookingState::Released {
            let told = CancelledData {
                booking_id: booking_id(next),
                barcodes: Vec::new(),
                reason: Reason::Compensation,
                remaining_barcodes: Vec::new(),
            };
            return vec![self.message(next, &order, Kind::Cancelled, data(&told), (Condition::Always, AFTER_ONE))];
        }
        Vec::new()
    }

    /// What follows from tickets that became void: all of them are told where everything is, else only those whose vendor has
    /// not heard. `tickets` are all of the booking's, as they are now.
    pub(super) fn voided(
        &self,
        row: &BookingRow,
        newly_void: &[TicketRow],
        unheard: &[u32],
        tickets: &[TicketRow],
    ) -> Vec<NewMessage> {
        let Some(order) = StoredOrder::read(row) else { return Vec::new() };
        let barcodes: Vec<String> = newly_void
            .iter()
            .filter(|ticket| self.hears_everything() || unheard.contains(&ticket.place))
            .map(|ticket| ticket.barcode.clone())
            .collect();
        if barcodes.is_empty() {
            return Vec::new();
        }
        let remaining = tickets.iter().filter(|ticket| is_good(ticket)).map(|ticket| ticket.barcode.clone()).collect();
        let told =
            CancelledData { booking_id: booking_id(row), barcodes, reason: reason(row), remaining_barcodes: remaining };
        // A vendor that is asked hears of a sale and of its end in calls that count as the first and the second.
        let place =
            if self.hears_everything() { (Condition::Known, AFTER_ONE) } else { (Condition::Always, AFTER_TWO) };
        vec![self.message(row, &order, Kind::Cancelled, data(&told), place)]
    }

    fn message(
        &self,
        row: &BookingRow,
        order: &StoredOrder,
        kind: Kind,
        data: String,
        (condition, least_sequence): (Condition, u32),
    ) -> NewMessage {
        NewMessage {
            connection: row.connection.clone(),
            id: message_id(uuid::Uuid::now_v7().as_u128()),
            booking: booking_id(row),
            kind: kind.name(),
            at: row.moved_at,
            data,
            write: document,
            least_sequence,
            condition,
            is_sent: self.terms.is_sent_to,
            starts_at: Some(order.starts_at),
        }
    }
}

fn is_good(ticket: &TicketRow) -> bool {
    ticket.state != TicketState::Void
}

fn told_ticket(ticket: &TicketRow) -> TicketData {
    TicketData { barcode: ticket.barcode.clone(), seat: ticket.seat.clone() }
}

/// The booking's name for venues' software.
pub(super) fn booking_id(row: &BookingRow) -> String {
    Reference(row.reference.clone()).booking_id()
}

/// Why the tickets of a booking that stands like this become void.
fn reason(row: &BookingRow) -> Reason {
    match (row.state, row.reason_code()) {
        (BookingState::Releasing, Some("ReleasedByHand")) => Reason::Operator,
        (BookingState::Releasing, Some("CancelledSilently")) => Reason::Offerer,
        (BookingState::Releasing | BookingState::Released, _) => Reason::Compensation,
        _ => Reason::Beneficiary,
    }
}
