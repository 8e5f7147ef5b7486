//! What a person is to do about a booking that is in front of one: pure.
//!
//! Invariant: every booking that needs a person has an advice, and no other has.

use crate::store::bookings::{BookingRow, BookingState};

/// What to do, and how to say that it is done. `None` when nobody is needed.
#[must_use]
pub fn to_do(row: &BookingRow) -> Option<String> {
    if !row.needs_human {
        return None;
    }
    let what = match (row.state, row.reason_code()) {
        (BookingState::Unknown, _) => {
            "the vendor has not answered for an hour whether this was sold; it is asked again. See that the venue's system works"
        }
        (BookingState::Operator, Some("TicketKept")) => {
            "the venue's system keeps a ticket that pass Culture does not count. Have the venue void it, unless somebody came in with it"
        }
        (BookingState::Operator, _) => {
            "look in the venue's system for the sale that the reason describes. If it is there, have it voided"
        }
        (BookingState::Releasing, _) => {
            "seats are held for nobody and the venue's system does not take them back; it is tried again. See that it works, or have \
             the venue void them"
        }
        (_, Some("VoidButBooked")) => {
            "the ticket is void and pass Culture still counts it. Have the beneficiary cancel again, or the venue cancel it in its \
             pass Culture portal"
        }
        (_, Some("NotListedAnyMore")) => "ask pass Culture what became of the booking; the ticket is good",
        (_, Some("NotAsked")) => {
            "pass Culture's listing has not answered for a day; it is asked again. See `passerelle check`"
        }
        _ => {
            "a cancellation may or may not have worked, and pass Culture counts the booking. Look for the ticket in the venue's \
             system: if it is void, have the venue cancel the booking in its pass Culture portal; if it is good, all is well"
        }
    };
    Some(format!("{what}; then `passerelle bookings release {} --note \"what you did\"`", row.reference))
}
