//! What the store keeps of events: offers and their dates, each with what should be on pass Culture and what it acknowledged.
//!
//! The contents are texts (JSON of `catalogue::events`) that the store compares and does not read. Quantities have columns of
//! their own because two hands move them: passes under the connection's lease, and bookings, which know better and have no
//! lease. `touched_at` tells one from the other.
//!
//! Invariant: a pass never overwrites a quantity that a booking moved after the pass had read the row.

use passerelle_contract::{BoxFuture, Quantity};

use super::{Lease, Millis, StoreError};

/// Offers of one connection at most.
pub const MAX_EVENTS: u32 = 5_000;
/// Dates of one connection at most.
pub const MAX_DATES: u32 = 50_000;

/// An event offer of a connection. Keyed by (connection, key).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventRow {
    /// Our key, which is also the offer's `idAtProvider`.
    pub key: String,
    /// What should be on pass Culture; `None` once nothing should.
    pub desired: Option<String>,
    /// What it has acknowledged.
    pub acknowledged: Option<String>,
    /// The price categories that pass Culture has made for the offer.
    pub categories: String,
    /// The offer's number at pass Culture.
    pub offer_id: Option<i64>,
    /// Which picture pass Culture has: the poster's address and the fingerprint of its bytes.
    pub picture: Option<String>,
    /// Why pass Culture refuses the offer, code and sentence; cleared when the desired content changes.
    pub refused: Option<String>,
}

/// A date of an event at one tariff: a pass Culture stock. Keyed by (connection, event, key).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DateRow {
    /// Key of its event.
    pub event: String,
    /// Our key, which is also the stock's `idAtProvider`.
    pub key: String,
    /// Its beginning as desired.
    pub starts_at: Millis,
    /// What should be on pass Culture besides the quantity; `None` once the date is gone at the vendor.
    pub desired: Option<String>,
    /// What pass Culture has acknowledged, quantity apart.
    pub acknowledged: Option<String>,
    /// Places left as the vendor has them, or in all where the content says so; `None` means unlimited.
    pub desired_quantity: Option<u32>,
    /// Places left as pass Culture was last told; `None` means unlimited. Only means something with `acknowledged`.
    pub acknowledged_quantity: Option<u32>,
    /// When a booking or a cancellation last moved the quantities.
    pub touched_at: Millis,
    /// The stock's number at pass Culture.
    pub stock_id: Option<i64>,
    /// Complete snapshots in a row that lacked it.
    pub absent: u32,
    /// Why pass Culture refuses it, code and sentence; cleared when the desired content changes.
    pub refused: Option<String>,
}

/// What a booking message needs to know of the stock it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoldDate {
    /// The connection it belongs to.
    pub connection: String,
    /// The offer.
    pub event: EventRow,
    /// The date.
    pub date: DateRow,
}

/// The part of the store that keeps events.
pub trait EventStore: Send + Sync {
    /// Every offer of a connection, by key; refused with [`StoreError::Invalid`] beyond [`MAX_EVENTS`].
    fn events<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<Vec<EventRow>, StoreError>>;

    /// Every date of a connection, by (event, key); refused with [`StoreError::Invalid`] beyond [`MAX_DATES`].
    fn dates<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<Vec<DateRow>, StoreError>>;

    /// Writes offers and dates, in one transaction. A date whose stored `touched_at` is newer than the given one keeps its
    /// stored quantities and `touched_at`.
    fn save_events<'a>(
        &'a self,
        lease: &'a Lease,
        events: &'a [EventRow],
        dates: &'a [DateRow],
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Forgets dates (by event and key) and offers (by key), in one transaction. An offer takes its dates with it.
    fn forget_events<'a>(
        &'a self,
        lease: &'a Lease,
        events: &'a [String],
        dates: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The date behind a pass Culture stock, among the connections of an account. Falls back on the two `idAtProvider`s when
    /// the number is not known yet (its answer was lost).
    fn date_by_stock<'a>(
        &'a self,
        account: &'a str,
        stock_id: i64,
        event: Option<&'a str>,
        date: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Option<SoldDate>, StoreError>>;

    /// Remembers how many places are left after a booking or a cancellation: that is what the vendor has and, when
    /// `acknowledged`, what pass Culture now shows too. `touched_at` rises with each call, whatever the clock says.
    fn touch_date<'a>(
        &'a self,
        connection: &'a str,
        event: &'a str,
        date: &'a str,
        remaining: Quantity,
        acknowledged: bool,
        now: Millis,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
}
