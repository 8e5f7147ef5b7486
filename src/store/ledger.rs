//! The packed stock ledger: what should be on pass Culture and what it has acknowledged, for every EAN of a connection.
//!
//! Entries live in pages of at most [`PAGE_CAPACITY`], fixed width, one blob a page (`codec`). What changes in which page is
//! decided without I/O (`plan`); reading and writing are a thin layer over the [`Store`](super::Store) (`drive`).
//!
//! Invariants: pages of a connection are sorted, do not overlap and are never empty; a page's counts are those of its
//! entries; a damaged page is an error, never a smaller ledger.

mod codec;
mod drive;
mod plan;
#[cfg(test)]
mod samples;

use passerelle_contract::Ean;
#[cfg(test)]
use passerelle_contract::{Cents, Quantity};

pub use passerelle_contract::Terms;

use super::queue::CallId;

pub use codec::PAGE_CAPACITY;
pub use drive::{
    EANS_PER_TRANSACTION, PAGES_PER_READ, PAGES_PER_TRANSACTION, Scan, Update, apply, find, modify, totals,
};

/// What was sent and is not seen yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The terms.
    pub terms: Terms,
    /// The newest call that they went with.
    pub call: CallId,
    /// How often these terms or others were sent since the EAN was last seen as sent, at most [`MOST_TRIES`]; 0 when an
    /// earlier release sent them.
    pub tries: u8,
    /// Is there an offer, with other terms than these? Then an upsert changes it, and cannot make a second one.
    pub exists: bool,
}

/// Tries beyond these are not counted.
pub const MOST_TRIES: u8 = 31;

impl Sent {
    /// Sent once, for the first time.
    #[must_use]
    pub const fn first(terms: Terms, call: CallId) -> Self {
        Self { terms, call, tries: 1, exists: false }
    }
}

/// What pass Culture has said of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// It has never been sent.
    Never,
    /// About to be sent, or sent without an answer: pass Culture may or may not have it. Written before the call.
    InFlight(Sent),
    /// Answered 204; not yet seen by reading back.
    Accepted(Sent),
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

impl Acknowledged {
    /// The terms last sent, whatever came back.
    #[must_use]
    pub const fn terms(self) -> Option<Terms> {
        match self {
            Self::Never => None,
            Self::InFlight(sent) | Self::Accepted(sent) => Some(sent.terms),
            Self::Verified(terms) => Some(terms),
        }
    }

    /// What was sent and is not seen yet.
    #[must_use]
    pub const fn sent(self) -> Option<Sent> {
        match self {
            Self::InFlight(sent) | Self::Accepted(sent) => Some(sent),
            Self::Never | Self::Verified(_) => None,
        }
    }
}

impl Entry {
    /// Is there something to send? Desired and acknowledged state differ, and no refusal stands.
    ///
    /// Something in flight is always pending: nobody has acknowledged it. A withdrawn entry is settled when pass Culture
    /// has acknowledged a quantity of 0, or was never sent anything.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        if self.refused.is_some() {
            return false;
        }
        if matches!(self.acknowledged, Acknowledged::InFlight(_)) {
            return true;
        }
        match (self.desired, self.acknowledged.terms()) {
            (Some(desired), Some(known)) => desired != known,
            (None, Some(known)) => known.is_live(),
            (Some(_), None) => true,
            (None, None) => false,
        }
    }

    /// Was something sent that has not been read back yet?
    #[must_use]
    pub const fn is_unverified(&self) -> bool {
        matches!(self.acknowledged, Acknowledged::InFlight(_) | Acknowledged::Accepted(_))
    }

    /// Should it be on sale: desired with a quantity above 0?
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.desired.is_some_and(Terms::is_live)
    }
}

/// Sums over entries: of a page, of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All entries.
    pub entries: u64,
    /// Those that should be on sale ([`Entry::is_live`]).
    pub live: u64,
    /// Those with something to send ([`Entry::is_pending`]).
    pub pending: u64,
    /// Those sent and not read back ([`Entry::is_unverified`]).
    pub unverified: u64,
    /// Those pass Culture does not take.
    pub refused: u64,
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
    /// Entries that should be on sale: desired with a quantity above 0.
    pub live: u32,
    /// Entries that pass Culture does not take.
    pub refused: u32,
    /// The entries, fixed width, in EAN order.
    pub blob: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn terms(price: u32, quantity: u32) -> Terms {
        Terms { price: Cents(price), quantity: Quantity::Exactly(quantity) }
    }

    #[test]
    fn what_is_pending_and_what_is_unverified() {
        use Acknowledged::{Never, Verified};
        let in_flight = |terms| Acknowledged::InFlight(Sent::first(terms, CallId::UNKNOWN));
        let accepted = |terms| Acknowledged::Accepted(Sent::first(terms, CallId::UNKNOWN));
        let (a, b, gone) = (terms(990, 3), terms(990, 2), terms(990, 0));
        for (desired, acknowledged, pending, unverified) in [
            (Some(a), Never, true, false),
            (Some(a), in_flight(a), true, true),
            (Some(a), accepted(a), false, true),
            (Some(a), Verified(a), false, false),
            (Some(a), accepted(b), true, true),
            (Some(a), Verified(b), true, false),
            (None, Never, false, false),
            (None, in_flight(gone), true, true),
            (None, Verified(a), true, false),
            (None, accepted(gone), false, true),
            (None, Verified(gone), false, false),
        ] {
            let mut entry = Entry { ean: Ean::MIN, desired, acknowledged, refused: None };
            assert_eq!((entry.is_pending(), entry.is_unverified()), (pending, unverified), "{entry:?}");
            entry.refused = Some(Refusal { code: 1, day: 1 });
            assert_eq!((entry.is_pending(), entry.is_unverified()), (false, unverified), "{entry:?}");
        }
    }
}
