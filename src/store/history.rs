//! What happened to each EAN of a connection: for a person who asks, never for a decision.
//!
//! Invariants: written under the connection's lease, right after what it tells of, so that a crash can lose a row and none is
//! untrue; bounded by [`MOST_ROWS_OF_EAN`] and [`MOST_ROWS_OF_CONNECTION`], the oldest go first.

use passerelle_contract::{BoxFuture, Ean, Terms};

use super::products::ProductBooking;
use super::{Lease, Millis, StoreError};

/// Rows kept of one EAN: the first one, and the newest of the others.
pub const MOST_ROWS_OF_EAN: u32 = 20;
/// Rows kept of one connection: about 20 MB.
pub const MOST_ROWS_OF_CONNECTION: u64 = 100_000;
/// EANs of one pass that are told one by one; beyond, one row tells of all of them.
pub const MOST_EANS_OF_PASS: u64 = 10_000;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HistoryEvent {
    /// The source stated it for the first time.
    FirstSeen,
    /// The source stated other terms, or stated it again after it was gone.
    Changed,
    /// The source has it no longer.
    Withdrawn,
    /// A call with it was accepted.
    Sent,
    /// A call with it had no answer.
    Unanswered,
    /// It was seen on pass Culture as it was sent.
    Verified,
    /// pass Culture does not take it, and says why.
    Refused,
    /// It was accepted and does not appear.
    Dropped,
    /// A pass changed too many EANs to tell of each.
    ManyChanged,
    /// A run sent too many EANs to tell of each.
    ManySent,
}

impl HistoryEvent {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::FirstSeen,
        Self::Changed,
        Self::Withdrawn,
        Self::Sent,
        Self::Unanswered,
        Self::Verified,
        Self::Refused,
        Self::Dropped,
        Self::ManyChanged,
        Self::ManySent,
    ];

    /// As stored and as printed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstSeen => "first_seen",
            Self::Changed => "changed",
            Self::Withdrawn => "withdrawn",
            Self::Sent => "sent",
            Self::Unanswered => "unanswered",
            Self::Verified => "verified",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
            Self::ManyChanged => "many_changed",
            Self::ManySent => "many_sent",
        }
    }

    /// The event with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == name)
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// To which EAN; `None` when it tells of many.
    pub ean: Option<Ean>,
    /// When it was found out.
    pub at: Millis,
    /// What.
    pub event: HistoryEvent,
    /// The terms that were stated, sent or seen.
    pub terms: Option<Terms>,
    /// When the call was made that this is about.
    pub call_at: Option<Millis>,
    /// Why it was refused: the name of an `Availability`.
    pub code: Option<String>,
    /// What tells the export that said it from another one, or which posted body it was.
    pub evidence: Option<String>,
    /// Its line there.
    pub line: Option<u64>,
    /// How many EANs, when it tells of many.
    pub items: Option<u64>,
}

impl HistoryRow {
    /// A row without details.
    #[must_use]
    pub const fn new(ean: Option<Ean>, at: Millis, event: HistoryEvent) -> Self {
        Self { ean, at, event, terms: None, call_at: None, code: None, evidence: None, line: None, items: None }
    }
}

/// The part of the store that keeps what happened to EANs. Every method is one short transaction.
pub trait HistoryStore: Send + Sync {
    /// Adds rows, in order. A refusal that the newest row of its EAN tells already is left out.
    fn add_history<'a>(&'a self, lease: &'a Lease, rows: &'a [HistoryRow]) -> BoxFuture<'a, Result<(), StoreError>>;

    /// What is kept of an EAN, and the newest [`MOST_ROWS_OF_EAN`] rows that tell of many; oldest first.
    fn history<'a>(&'a self, connection: &'a str, ean: Ean) -> BoxFuture<'a, Result<Vec<HistoryRow>, StoreError>>;

    /// Bookings of an EAN at a venue, newest first.
    fn bookings_of_ean<'a>(
        &'a self,
        account: &'a str,
        venue_id: i64,
        ean: Ean,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<ProductBooking>, StoreError>>;
}
