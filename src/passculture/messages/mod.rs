//! The signed messages that pass Culture sends, and what it understands as an answer.
//!
//! A body is one JSON string whose content is itself a JSON document. The signature covers that *inner* text; a signature
//! over the raw body, as some public samples compute it, never verifies. It covers neither the address nor a time, so a
//! captured message can come again on another route: [`read`] holds the shape against the kind.
//!
//! Pure. Invariant: nothing of a message is believed, and nothing of it is shown, before its signature has been verified.

mod answer;
mod fingerprint;
mod wire;

use hmac::{Hmac, KeyInit, Mac};
use passerelle_contract::{Cents, Holder};
use passerelle_kit::secret::Secret;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

pub use answer::{BookingAnswer, CancellationAnswer, Reply, SoldTicket};
pub use fingerprint::{Attempt, fingerprint_of_notice, fingerprint_of_wish};

/// Largest body that is read, in bytes (pass Culture's own messages stay below 2 KiB).
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// The header with the signature: 64 lower-case hexadecimal digits.
pub const SIGNATURE_HEADER: &str = "passculture-signature";
/// Barcodes of one cancellation at most; pass Culture sends one or two.
pub const MAX_BARCODES: usize = 20;
/// Longest barcode, in characters (pass Culture: 100).
pub const MAX_BARCODE_CHARACTERS: usize = 100;

/// Which route a message came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A beneficiary wants seats and waits for the answer.
    Booking,
    /// Tickets are to be voided; somebody waits for the answer.
    Cancellation,
    /// Something was booked or cancelled.
    Notification,
}

impl Kind {
    /// The last segment of its route.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Booking => "booking",
            Self::Cancellation => "cancellation",
            Self::Notification => "notification",
        }
    }
}

/// A verified message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// See [`Kind::Booking`].
    Booking(Box<BookingRequest>),
    /// See [`Kind::Cancellation`]: 1 to [`MAX_BARCODES`] different barcodes.
    Cancellation(Vec<String>),
    /// See [`Kind::Notification`].
    Notification(Box<BookingRequest>, Action),
}

/// What a notification tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Booked.
    Book,
    /// Cancelled.
    Cancel,
}

impl Action {
    /// As pass Culture writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Book => "BOOK",
            Self::Cancel => "CANCEL",
        }
    }
}

/// A beneficiary's attempt. There is no booking number in it: stock, person and creation date tell attempts apart.
#[derive(Clone, PartialEq, Eq)]
pub struct BookingRequest {
    /// When the attempt was made, in microseconds since 1970 (UTC). The same in a booking's BOOK and CANCEL.
    pub created_at_micros: i64,
    /// Seats (1 or 2), or copies in a notification.
    pub quantity: u32,
    /// Of a product that has one.
    pub ean: Option<String>,
    /// pass Culture's offer.
    pub offer_id: i64,
    /// Our name of the offer.
    pub offer_id_at_provider: Option<String>,
    /// The offer's name.
    pub offer_name: String,
    /// Unit price that the beneficiary was told.
    pub price: Cents,
    /// pass Culture's stock.
    pub stock_id: i64,
    /// Our name of the stock.
    pub stock_id_at_provider: Option<String>,
    /// pass Culture's venue.
    pub venue_id: i64,
    /// Who booked.
    pub holder: Holder,
}

impl std::fmt::Debug for BookingRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BookingRequest")
            .field("stock_id", &self.stock_id)
            .field("offer_id", &self.offer_id)
            .field("quantity", &self.quantity)
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}

/// Why a message is not taken. Its answer is short: pass Culture shows answers to beneficiaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The body is longer than [`MAX_BODY_BYTES`].
    #[error("the body is too large")]
    TooLarge,
    /// The outer or the inner text is not JSON.
    #[error("the body is not a message")]
    Unreadable,
    /// No signature, or one that no key of the account explains.
    #[error("the signature is missing or wrong")]
    Signature,
    /// Signed, but not a message of this route's kind.
    #[error("the message does not belong on this route")]
    Shape,
}

impl Rejected {
    /// Stable, for the counter of rejected messages.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "TooLarge",
            Self::Unreadable => "Unreadable",
            Self::Signature => "InvalidSignature",
            Self::Shape => "WrongShape",
        }
    }

    /// The answer.
    #[must_use]
    pub fn reply(self) -> Reply {
        let (status, message) = match self {
            Self::TooLarge => (413, "Message too large"),
            Self::Unreadable => (400, "Unreadable message"),
            Self::Signature => (401, "Invalid signature"),
            Self::Shape => (400, "Unexpected message"),
        };
        Reply { status, body: format!("{{\"message\":\"{message}\"}}") }
    }
}

/// Reads and verifies one message. `signature` is the header's value, `keys` the account's keys: several while one is being
/// replaced.
///
/// # Errors
/// [`Rejected`] tells the answer to give.
pub fn read(kind: Kind, body: &[u8], signature: Option<&[u8]>, keys: &[Secret]) -> Result<Message, Rejected> {
    if body.len() > MAX_BODY_BYTES {
        return Err(Rejected::TooLarge);
    }
    let inner = signed_text(body)?;
    if !signature.is_some_and(|signature| verify(inner.as_bytes(), signature, keys)) {
        return Err(Rejected::Signature);
    }
    wire::parse(kind, &inner)
}

/// What the signature covers: the decoded string. Should pass Culture one day send the bare object, it is the raw body.
fn signed_text(body: &[u8]) -> Result<String, Rejected> {
    let text = std::str::from_utf8(body).map_err(|_| Rejected::Unreadable)?;
    match text.trim_ascii_start().as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(text).map_err(|_| Rejected::Unreadable),
        Some(b'{') => Ok(text.to_owned()),
        _ => Err(Rejected::Unreadable),
    }
}

/// In constant time for a given number of keys. Only lower-case hexadecimal is a signature: that is what pass Culture sends.
fn verify(inner: &[u8], signature: &[u8], keys: &[Secret]) -> bool {
    let lower = signature.len() == 64 && signature.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut given = [0; 32];
    if !lower || hex::decode_to_slice(signature, &mut given).is_err() {
        return false;
    }
    let mut matched = Choice::from(0);
    for key in keys {
        // An empty key would be everybody's key. HMAC takes keys of any other length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()) else { continue };
        if key.expose().is_empty() {
            continue;
        }
        mac.update(inner);
        matched |= mac.finalize().into_bytes().as_slice().ct_eq(&given[..]);
    }
    matched.into()
}
