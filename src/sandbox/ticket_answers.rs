//! What a provider's ticketing answers, read as the backend reads it.
//!
//! Pure: a status and bytes in, a verdict out. The backend casts (`"12"`, `12.7` and a numeric barcode are taken) and
//! ignores what it does not know.
//!
//! Invariant: an absent or null `remainingQuantity` means unlimited, and is told apart from an answer that cannot be
//! read.

use serde_json::Value;

use super::state::Ticket;
use super::validate::{cast_int, cast_str};

/// Longest barcode and seat, in characters.
const MAX_TEXT: usize = 100;
/// Largest number the backend's column holds.
const MAX_REMAINING: i64 = 2_147_483_647;

/// Places left as the provider says: `None` is unlimited.
pub(crate) type Left = Option<i64>;

/// An answer to a booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BookingVerdict {
    /// Tickets, whatever their number.
    Tickets(Vec<Ticket>, Left),
    /// Refused for want of seats: what is left.
    NotEnough(u32),
    /// A refusal the backend's own code stumbles over.
    Crash,
    /// Anything else; the text goes to the beneficiary.
    Failed(String),
}

/// An answer to a cancellation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CancelVerdict {
    /// Cancelled, with what is left.
    Done(Left),
    /// Cancelled; what is left could not be read, and the total stays as it is.
    Unreadable,
    /// The provider had cancelled before.
    AlreadyCancelled(Left),
    /// A refusal the backend's own code stumbles over.
    Crash,
    /// Anything else: the booking stays.
    Failed,
}

/// Reads the answer to a booking.
pub(crate) fn read_booking(status: u16, body: &[u8]) -> BookingVerdict {
    let text = || String::from_utf8_lossy(body).into_owned();
    let parsed = serde_json::from_slice::<Value>(body).ok();
    if status < 400 {
        return match parsed.as_ref().and_then(read_tickets) {
            Some((tickets, left)) => BookingVerdict::Tickets(tickets, left),
            None => BookingVerdict::Failed("External booking failed.".to_owned()),
        };
    }
    let failed =
        || BookingVerdict::Failed(format!("External booking failed with status code {status} and message {}", text()));
    let Some(parsed) = parsed.filter(|_| status == 409) else { return failed() };
    match parsed.get("error").and_then(Value::as_str) {
        Some("sold_out") => BookingVerdict::NotEnough(0),
        Some("not_enough_seats") => {
            let left = parsed.get("remainingQuantity").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
            left.map_or_else(failed, BookingVerdict::NotEnough)
        }
        Some("already_cancelled") => BookingVerdict::Crash,
        _ => failed(),
    }
}

/// Reads the answer to a cancellation.
pub(crate) fn read_cancellation(status: u16, body: &[u8]) -> CancelVerdict {
    let parsed = serde_json::from_slice::<Value>(body).ok();
    if status < 400 {
        let left = parsed.as_ref().and_then(|body| match body {
            Value::Object(_) => read_left(body),
            // The old validator makes a model of an empty list.
            Value::Array(items) if items.is_empty() => Some(None),
            _ => None,
        });
        return left.map_or(CancelVerdict::Unreadable, CancelVerdict::Done);
    }
    let Some(parsed) = parsed.filter(|_| status == 409) else { return CancelVerdict::Failed };
    match parsed.get("error").and_then(Value::as_str) {
        Some("already_cancelled") => {
            CancelVerdict::AlreadyCancelled(parsed.get("remainingQuantity").and_then(Value::as_i64))
        }
        Some("sold_out" | "not_enough_seats") => CancelVerdict::Crash,
        _ => CancelVerdict::Failed,
    }
}

fn read_tickets(body: &Value) -> Option<(Vec<Ticket>, Left)> {
    let tickets = body.get("tickets")?.as_array()?.iter().map(read_ticket).collect::<Option<Vec<_>>>()?;
    Some((tickets, read_left(body)?))
}

fn read_ticket(ticket: &Value) -> Option<Ticket> {
    let short = |value: &Value| cast_str(value).filter(|text| text.chars().count() <= MAX_TEXT);
    let barcode = short(ticket.get("barcode")?)?;
    let seat = match ticket.get("seat") {
        None | Some(Value::Null) => None,
        Some(seat) => Some(short(seat)?),
    };
    Some(Ticket { barcode, seat })
}

/// `Some(None)` when absent or null; `None` when it is there and no number.
#[allow(clippy::option_option)]
fn read_left(body: &Value) -> Option<Left> {
    match body.get("remainingQuantity") {
        None | Some(Value::Null) => Some(None),
        Some(value) => cast_int(value).map(Some),
    }
}

/// Places left that the backend's database takes: neither negative nor beyond its column.
pub(crate) fn storable(left: i64) -> Option<u32> {
    if (0..=MAX_REMAINING).contains(&left) { u32::try_from(left).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ticket(barcode: &str, seat: Option<&str>) -> Ticket {
        Ticket { barcode: barcode.to_owned(), seat: seat.map(str::to_owned) }
    }

    #[test]
    fn answers_to_a_booking_are_read_as_the_backend_reads_them() {
        use BookingVerdict::{Crash, Failed, NotEnough, Tickets};
        let invalid = || Failed("External booking failed.".to_owned());
        let long = "b".repeat(100);
        let cases = [
            (
                200,
                r#"{"tickets":[{"barcode":"A","seat":"12"}],"remainingQuantity":3,"x":1}"#.to_owned(),
                Tickets(vec![ticket("A", Some("12"))], Some(3)),
            ),
            (
                201,
                r#"{"tickets":[{"barcode":123,"seat":null}],"remainingQuantity":"12"}"#.to_owned(),
                Tickets(vec![ticket("123", None)], Some(12)),
            ),
            (200, r#"{"tickets":[],"remainingQuantity":12.7}"#.to_owned(), Tickets(vec![], Some(12))),
            (
                200,
                r#"{"tickets":[{"barcode":""}],"remainingQuantity":null}"#.to_owned(),
                Tickets(vec![ticket("", None)], None),
            ),
            (200, r#"{"tickets":[{"barcode":"A"}]}"#.to_owned(), Tickets(vec![ticket("A", None)], None)),
            (
                200,
                r#"{"tickets":[{"barcode":"A"}],"remainingQuantity":-1}"#.to_owned(),
                Tickets(vec![ticket("A", None)], Some(-1)),
            ),
            (200, format!(r#"{{"tickets":[{{"barcode":"{long}"}}]}}"#), Tickets(vec![ticket(&long, None)], None)),
            (200, format!(r#"{{"tickets":[{{"barcode":"{long}b"}}]}}"#), invalid()),
            (200, r#"{"tickets":[{"barcode":"A"}],"remainingQuantity":"unlimited"}"#.to_owned(), invalid()),
            (200, r#"{"remainingQuantity":1}"#.to_owned(), invalid()),
            (204, String::new(), invalid()),
            (200, "<html>".to_owned(), invalid()),
            (409, r#"{"error":"sold_out","remainingQuantity":9}"#.to_owned(), NotEnough(0)),
            (409, r#"{"error":"not_enough_seats","remainingQuantity":1}"#.to_owned(), NotEnough(1)),
            (409, r#"{"error":"already_cancelled"}"#.to_owned(), Crash),
            (
                409,
                r#"{"error":"not_enough_seats"}"#.to_owned(),
                Failed(
                    r#"External booking failed with status code 409 and message {"error":"not_enough_seats"}"#
                        .to_owned(),
                ),
            ),
            (
                503,
                "plus tard".to_owned(),
                Failed("External booking failed with status code 503 and message plus tard".to_owned()),
            ),
        ];
        for (status, body, verdict) in cases {
            assert_eq!(read_booking(status, body.as_bytes()), verdict, "{status} {body}");
        }
    }

    #[test]
    fn answers_to_a_cancellation_are_read_as_the_backend_reads_them() {
        use CancelVerdict::{AlreadyCancelled, Crash, Done, Failed, Unreadable};
        for (status, body, verdict) in [
            (200, r#"{"remainingQuantity":45}"#, Done(Some(45))),
            (200, r#"{"remainingQuantity":null}"#, Done(None)),
            (200, "{}", Done(None)),
            (200, "[]", Done(None)),
            (200, r#"{"error":"no","remainingQuantity":2}"#, Done(Some(2))),
            (200, "null", Unreadable),
            (200, "\"ok\"", Unreadable),
            (200, r#"{"remainingQuantity":"unlimited"}"#, Unreadable),
            (204, "", Unreadable),
            (409, r#"{"error":"already_cancelled","remainingQuantity":4}"#, AlreadyCancelled(Some(4))),
            (409, r#"{"error":"already_cancelled"}"#, AlreadyCancelled(None)),
            (409, r#"{"error":"sold_out"}"#, Crash),
            (409, "{}", Failed),
            (404, "{}", Failed),
            (500, "", Failed),
        ] {
            assert_eq!(read_cancellation(status, body.as_bytes()), verdict, "{status} {body}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_can_stop_the_reader(status in 100u16..600, body in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = (read_booking(status, &body), read_cancellation(status, &body));
        }
    }
}
