//! The packed stock ledger: what should be on pass Culture and what it has acknowledged, for every EAN of a connection.
//!
//! Being written.

use passerelle_contract::{Cents, Ean, Quantity};

/// Price and quantity of one EAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Unit price, at most 30 000 cents.
    pub price: Cents,
    /// At most 1 000 000, or unlimited.
    pub quantity: Quantity,
}

/// What pass Culture has said of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// It has never been sent.
    Never,
    /// About to be sent, or sent without an answer: pass Culture may or may not have it. Written before the call.
    InFlight(Terms),
    /// Answered 204; not yet seen by reading back.
    Accepted(Terms),
    /// Seen on pass Culture.
    Verified(Terms),
}

/// Why pass Culture does not take an EAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A code of `passculture::Availability` or of the push: small and stable (1–255).
    pub code: u8,
    /// Day it was said, in days since 1970-01-01: verdicts are asked again after a while.
    pub day: u16,
}

/// One EAN of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub ean: Ean,
    /// What should be on pass Culture; `None` when it should be sold out because the shop no longer has it (withdrawn).
    pub desired: Option<Terms>,
    /// What pass Culture has.
    pub acknowledged: Acknowledged,
    /// Set when pass Culture does not take it; nothing is sent while it stands.
    pub refused: Option<Refusal>,
}

/// A page as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPage {
    /// EAN of its first entry: the page's key within the connection.
    pub first: Ean,
    /// Entries in it.
    pub count: u32,
    /// Entries whose acknowledged state is not the desired one and that are not refused.
    pub pending: u32,
    /// Entries accepted or in flight, not yet read back.
    pub unverified: u32,
    /// The entries, fixed width, in EAN order.
    pub blob: Vec<u8>,
}
