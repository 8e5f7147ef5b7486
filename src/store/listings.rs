//! What the store keeps of pass Culture's lists of bookings: how an account gets them, how far each was read, and which
//! bookings their own venue cancelled.
//!
//! Invariants: a mark never goes back; no person is kept.

use passerelle_contract::BoxFuture;

use super::{Millis, StoreError};

/// A venue's own cancellation is forgotten after this: pass Culture tells of it within minutes, its listing within days. 60 days.
pub const OWN_CANCELLATION_KEPT: Millis = 60 * 24 * 3_600 * 1_000;

/// Who reads a venue's list: each has a mark of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListReader {
    /// The comparison of products.
    Products,
    /// The settling of seats.
    Seats,
}

impl ListReader {
    /// As stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Products => "products",
            Self::Seats => "seats",
        }
    }
}

/// A booking as its countermark shows it: pass Culture's stock, and when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookedAt {
    /// pass Culture's stock.
    pub stock_id: i64,
    /// When it was made.
    pub booked_at: Millis,
}

/// The part of the store about pass Culture's lists. Every method is one short transaction.
pub trait ListingStore: Send + Sync {
    /// Whether an account gets bookings by venue, and when that was found out; `None` when nobody asked yet.
    fn lists_by_venue<'a>(&'a self, account: &'a str) -> BoxFuture<'a, Result<Option<(bool, Millis)>, StoreError>>;

    /// Remembers it.
    fn save_lists_by_venue<'a>(
        &'a self,
        account: &'a str,
        by_venue: bool,
        asked_at: Millis,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// From which booking on a venue's list is read next; `None` when it was never read.
    fn listing_mark<'a>(
        &'a self,
        account: &'a str,
        venue_id: i64,
        reader: ListReader,
    ) -> BoxFuture<'a, Result<Option<i64>, StoreError>>;

    /// Raises it; a lower one changes nothing.
    fn raise_listing_mark<'a>(
        &'a self,
        account: &'a str,
        venue_id: i64,
        reader: ListReader,
        from_id: i64,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// A venue asks for a booking of its own to be cancelled.
    fn cancels_itself<'a>(
        &'a self,
        account: &'a str,
        booking: BookedAt,
        now: Millis,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// It was not cancelled after all.
    fn kept_after_all<'a>(&'a self, account: &'a str, booking: BookedAt) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Whether its own venue asked for its cancellation.
    fn is_cancelled_by_itself<'a>(
        &'a self,
        account: &'a str,
        booking: BookedAt,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
}
