//! What the store keeps of countermarks: whose each is, and what its venue last asked and did.
//!
//! A countermark itself is never stored, only a fingerprint of it. Rows move by compare-and-swap on `moved_at`, which rises with
//! every move, whatever the clock says.
//!
//! Invariant: a row's venue is one that pass Culture named for that countermark.

use passerelle_contract::BoxFuture;

use super::{Millis, StoreError};

/// A countermark that nobody touched for this long is forgotten: bookings end within a year.
pub const FORGOTTEN_AFTER: Millis = 400 * 24 * 3_600 * 1_000;

/// What a venue does with a countermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deed {
    /// Validate.
    Use,
    /// Un-validate.
    Keep,
    /// Cancel the booking.
    Cancel,
}

impl Deed {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Use, Self::Keep, Self::Cancel];

    /// As stored, and as in our addresses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Use => "use",
            Self::Keep => "keep",
            Self::Cancel => "cancel",
        }
    }

    /// The deed with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|deed| deed.name() == name)
    }
}

/// One countermark. Keyed by (account, fingerprint).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountermarkRow {
    /// The pass Culture account.
    pub account: String,
    /// SHA-256 (hex) of account and countermark.
    pub fingerprint: String,
    /// pass Culture's venue.
    pub venue_id: i64,
    /// What the venue asked and what nobody knows the outcome of.
    pub asked: Option<Deed>,
    /// What the venue did last.
    pub done: Option<Deed>,
    /// When the row last changed; also its version.
    pub moved_at: Millis,
}

/// The part of the store that keeps countermarks.
pub trait CountermarkStore: Send + Sync {
    /// One countermark.
    fn countermark<'a>(
        &'a self,
        account: &'a str,
        fingerprint: &'a str,
    ) -> BoxFuture<'a, Result<Option<CountermarkRow>, StoreError>>;

    /// Writes a row when the stored one still is as it was read: not there (`None`), or with this `moved_at`. Durable when it
    /// returns; false when somebody else was first. Also forgets some of those that are older than [`FORGOTTEN_AFTER`].
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when `row.moved_at` does not rise.
    fn save_countermark<'a>(
        &'a self,
        read_at: Option<Millis>,
        row: &'a CountermarkRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
}
