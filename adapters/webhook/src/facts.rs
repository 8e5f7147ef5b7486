//! What the software's answers mean: pure, from a status, a header and a body to a fact.
//!
//! Invariants: a refusal is only what the table knows as one; every other answer to a sale leaves it unknown; no word of a
//! body shows in a message.

use std::collections::HashSet;
use std::time::Duration;

use passerelle_contract::{AdapterError, Class, Delivery, Quantity, Refusal};
use serde_json::{Map, Value};

/// Waiting times that software may ask for; others are not heard.
const RETRY_AFTER: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3_600);
/// Longest barcode and seat, in characters.
const MAX_CHARS: usize = 100;
/// Tickets looked at in one answer: a wrong answer may list a whole room.
const MAX_TICKETS: usize = 10;

/// An answer as far as facts need it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<'a> {
    pub(crate) operation: &'static str,
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    pub(crate) retry_after: Option<Duration>,
    /// For people: method, address, status, time.
    pub(crate) saw: &'a str,
}

impl Said<'_> {
    fn error(&self, class: Class, code: &'static str, hint: &str) -> AdapterError {
        AdapterError::new(class, code, self.operation, format!("{}; {hint}", self.saw))
    }

    fn odd(&self, hint: &str) -> AdapterError {
        self.error(Class::VendorFault, "MalformedBody", hint)
    }

    /// What the status stands for where nothing else is said.
    fn by_status(&self) -> AdapterError {
        let wait = self.retry_after.filter(|wait| RETRY_AFTER.contains(wait));
        match self.status {
            300..=399 => {
                self.error(Class::Settings, "UrlMoved", "the address moved: write the new one in the settings")
            }
            401 => {
                let hint =
                    "the signature is refused: write the same secret here and at the vendor, and check both clocks";
                self.error(Class::Auth, "BadCredentials", hint)
            }
            403 => self.error(Class::Auth, "Forbidden", "the vendor lets nobody in: ask it to open this address to us"),
            404 | 405 | 410 => {
                self.error(Class::Settings, "NotFound", "check the address in the settings with the vendor")
            }
            413 => self.error(Class::Settings, "DocumentTooLarge", "ask the vendor to accept 20 KiB"),
            408 | 425 | 500..=599 => {
                self.error(Class::Transient, "VendorDown", "call the vendor if it lasts").after(wait)
            }
            429 => self.error(Class::RateLimited, "Throttled", "the vendor asks to be called less often").after(wait),
            400 | 415 | 422 => self.error(Class::Data, "RefusedByVendor", "ask the vendor what it does not accept"),
            _ => {
                self.error(Class::VendorFault, "UnexpectedStatus", "the contract knows no such answer: tell the vendor")
            }
        }
    }

    fn object(&self) -> Option<Map<String, Value>> {
        match serde_json::from_slice(self.body) {
            Ok(Value::Object(object)) => Some(object),
            _ => None,
        }
    }
}

/// What became of a message.
pub(crate) fn delivery(said: &Said<'_>) -> Delivery {
    match said.status {
        200..=299 => Delivery::Delivered(said.status),
        410 => Delivery::Gone,
        status => {
            let wants_person = !matches!(status, 408 | 425 | 429 | 500..=599);
            Delivery::Failed { status: Some(status), error: said.by_status(), wants_person }
        }
    }
}

/// The same where no answer came. Certificates, names inside and settings do not mend themselves.
pub(crate) fn not_delivered(error: AdapterError) -> Delivery {
    let wants_person = !matches!(error.class, Class::Transient | Class::RateLimited);
    Delivery::Failed { status: None, error, wants_person }
}

/// Places left, as software tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Told(Quantity),
    /// Nothing, or nothing that is a count.
    NotTold,
}

/// One ticket of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) barcode: String,
    pub(crate) seat: Option<String>,
}

/// What an answer to a sale means.
#[derive(Debug)]
pub(crate) enum SaleSaid {
    Sold(Vec<Made>, Left),
    Refused(Refusal),
    /// Refused in a word of the contract's: nothing was sold.
    Nothing(AdapterError),
    /// Something may have been sold, these at least.
    Doubt(AdapterError, Vec<Made>),
}

/// Reads the answer to a sale of so many seats.
pub(crate) fn sale(said: &Said<'_>, quantity: u32) -> SaleSaid {
    let object = said.object();
    let word = object.as_ref().and_then(|object| object.get("error")).and_then(Value::as_str).unwrap_or_default();
    match (said.status, word, &object) {
        (200 | 201, _, Some(object)) | (409, "already_exists", Some(object)) => sold(said, object, quantity),
        (409, "not_enough_seats", Some(object)) => not_enough(said, left(object), quantity),
        (404 | 410, "unknown_stock", _) => SaleSaid::Refused(Refusal::ShowGone),
        // A booking that was voided before it came: it stays void.
        (409, "already_cancelled", _) => {
            let hint = "the vendor was told to void this booking before it was asked to sell";
            SaleSaid::Nothing(said.error(Class::Data, "RefusedByVendor", hint))
        }
        // The contract's own "no, for another reason". Without a word it may come from something on the way, after the sale.
        (422, word, Some(_)) if !word.is_empty() => SaleSaid::Nothing(said.by_status()),
        (200..=299, ..) => {
            SaleSaid::Doubt(said.odd("the contract wants the tickets as JSON, with 200 or 201"), Vec::new())
        }
        _ => SaleSaid::Doubt(said.by_status(), Vec::new()),
    }
}

fn sold(said: &Said<'_>, object: &Map<String, Value>, quantity: u32) -> SaleSaid {
    let listed = object.get("tickets").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let made: Vec<Made> = listed.iter().take(MAX_TICKETS).filter_map(ticket).collect();
    let mut once = HashSet::new();
    let distinct: Vec<Made> = made.iter().filter(|one| once.insert(one.barcode.as_str())).cloned().collect();
    let fits = listed.len() == quantity as usize && distinct.len() == listed.len();
    if fits {
        return SaleSaid::Sold(distinct, left(object));
    }
    let error = if listed.len() == quantity as usize {
        said.odd("barcodes are texts of 1 to 100 printable characters, no two the same, and seats of at most 100")
    } else {
        let hint = format!("{} ticket(s) came, {quantity} were asked for", listed.len());
        said.error(Class::VendorFault, "WrongNumberOfTickets", &hint)
    };
    // Whatever is named was made under our name, and is ours to void.
    SaleSaid::Doubt(error, distinct)
}

fn ticket(value: &Value) -> Option<Made> {
    let barcode = value.get("barcode")?.as_str().filter(|text| is_printable(text))?;
    let seat = match value.get("seat") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.trim().is_empty() => None,
        Some(Value::String(text)) if is_printable(text) => Some(text.clone()),
        Some(_) => return None,
    };
    Some(Made { barcode: barcode.to_owned(), seat })
}

/// 1 to 100 characters that a person can see, without spaces around.
fn is_printable(text: &str) -> bool {
    // Marks of direction and width look like nothing, and a scanner does not read them.
    let unseen = |c: char| matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    (1..=MAX_CHARS).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(|c| c.is_control() || unseen(c))
}

fn left(object: &Map<String, Value>) -> Left {
    match object.get("remaining_quantity") {
        Some(Value::Null) => Left::Told(Quantity::Unlimited),
        Some(Value::Number(number)) => {
            let count = number.as_u64().and_then(|count| u32::try_from(count).ok());
            count.map_or(Left::NotTold, |count| Left::Told(Quantity::Exactly(count)))
        }
        _ => Left::NotTold,
    }
}

fn not_enough(said: &Said<'_>, left: Left, quantity: u32) -> SaleSaid {
    match left {
        Left::NotTold | Left::Told(Quantity::Exactly(0)) => SaleSaid::Refused(Refusal::SoldOut),
        Left::Told(Quantity::Exactly(remaining)) if remaining < quantity => {
            SaleSaid::Refused(Refusal::NotEnough { remaining })
        }
        // Enough are left, and not enough: nothing was sold, and no count is passed on.
        Left::Told(_) => SaleSaid::Nothing(said.odd("it says that too few places are left and names enough")),
    }
}

/// What an answer to a cancellation means, for all barcodes that were named.
#[derive(Debug)]
pub(crate) enum CancelSaid {
    Cancelled(Left),
    AlreadyCancelled,
    AlreadyUsed,
    /// The software does not know the booking or a barcode of it.
    NotKnown,
    Refused,
    /// Nothing was asked.
    Nothing(AdapterError),
    /// Turned away, as it seems, without a word of the contract's: a person must look at the settings. Something on the way may
    /// have said it after the software has acted.
    TurnedAway(AdapterError),
    /// It may be void.
    Doubt(AdapterError),
}

/// Reads the answer to a cancellation.
pub(crate) fn cancel(said: &Said<'_>) -> CancelSaid {
    let object = said.object();
    let word = object.as_ref().and_then(|object| object.get("error")).and_then(Value::as_str).unwrap_or_default();
    match (said.status, word, &object) {
        // A word of trouble in a good answer is no good answer.
        (200, "", Some(object)) => CancelSaid::Cancelled(left(object)),
        (409, "already_cancelled", _) => CancelSaid::AlreadyCancelled,
        (409, "already_used", _) => CancelSaid::AlreadyUsed,
        (404 | 410, "unknown_booking" | "unknown_barcode", _) => CancelSaid::NotKnown,
        (422, ..) => CancelSaid::Refused,
        (401 | 403 | 404 | 405 | 410 | 413 | 415, ..) => CancelSaid::TurnedAway(said.by_status()),
        (200..=299, ..) => CancelSaid::Doubt(said.odd("the contract wants a JSON object, with 200")),
        _ => CancelSaid::Doubt(said.by_status()),
    }
}

#[cfg(test)]
#[path = "facts_tests.rs"]
mod tests;
