//! What the store keeps of bookings: one row per attempt of a beneficiary, its tickets for ever, and its history.
//!
//! No personal data: a person is two fingerprints. Rows move by compare-and-swap, never under a lease: any node may answer
//! any message, and whoever moves a row first has moved it.
//!
//! Invariants: a fingerprint has one row; a barcode belongs to one booking of a connection, for ever unless it is a pool's
//! ([`super::allotments`]) and was given back; a ticket is never forgotten.

use std::time::Duration;

use passerelle_contract::{BoxFuture, Quantity};

use super::messages::NewMessage;
use super::{Millis, Owner, StoreError};

/// No booking that was moved by a right clock waits longer for its next step: a day, for the next look at pass Culture's listing.
pub const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// Bookings of one answer at most.
pub const MAX_BOOKINGS: u32 = 1_000;
/// Barcodes or stocks asked for at once at most.
pub const MAX_ASKED: usize = 10_000;
/// Lines of one booking's history; later ones are dropped.
pub const MAX_HISTORY: u32 = 1_000;
/// Orphans of one wish at most.
pub const MAX_ORPHANS: u32 = 20;

/// Where a booking stands. [`crate::booking`] says what each means and what may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BookingState {
    /// Intent stored; the vendor is being called, or was when its process died.
    Calling,
    /// pass Culture was told that it failed while the vendor was still being called.
    Abandoned,
    /// Sold, and pass Culture was told so.
    Booked,
    /// Not sold.
    Refused,
    /// Nobody knows whether it was sold.
    Unknown,
    /// Sold, but pass Culture does not want it: its tickets are to be voided.
    Releasing,
    /// Its tickets are void; pass Culture never had it.
    Released,
    /// pass Culture cancelled it and its tickets are void.
    Cancelled,
    /// A person must look.
    Operator,
}

impl BookingState {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Calling,
        Self::Abandoned,
        Self::Booked,
        Self::Refused,
        Self::Unknown,
        Self::Releasing,
        Self::Released,
        Self::Cancelled,
        Self::Operator,
    ];

    /// As stored and as printed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calling => "calling",
            Self::Abandoned => "abandoned",
            Self::Booked => "booked",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Releasing => "releasing",
            Self::Released => "released",
            Self::Cancelled => "cancelled",
            Self::Operator => "operator",
        }
    }

    /// The state with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// One attempt of a beneficiary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookingRow {
    /// Ours, unique in the store.
    pub reference: String,
    /// The connection that sells it.
    pub connection: String,
    /// The pass Culture account that asked.
    pub account: String,
    /// One attempt: SHA-256 (hex) of account, stock, e-mail, creation date and quantity. Unique.
    pub fingerprint: String,
    /// One person's wish: SHA-256 (hex) of account, stock, e-mail and quantity.
    pub wish: String,
    /// pass Culture's stock.
    pub stock_id: i64,
    /// pass Culture's offer.
    pub offer_id: i64,
    /// Seats: 1 or 2.
    pub quantity: u32,
    /// What was ordered, without the person: JSON of `booking`.
    pub order: String,
    /// Where it stands.
    pub state: BookingState,
    /// What the adapter last wrote before a step that may sell; `None` means that nothing can have been sold.
    pub trace: Option<String>,
    /// Places left as last known after this booking's last move.
    pub remaining: Option<Quantity>,
    /// Why it is where it is: a stable code and an English sentence.
    pub reason: Option<String>,
    /// A person must look, whatever the state.
    pub needs_human: bool,
    /// pass Culture's own listing shows it (or showed it cancelled).
    pub confirmed: bool,
    /// Which process calls the vendor (`Calling`, `Abandoned`) or settles.
    pub owner: Owner,
    /// When `settle` must look next; `None` when nothing is to be done.
    pub due_at: Option<Millis>,
    /// How often `settle` has tried in this state.
    pub attempts: u32,
    /// When the message came.
    pub created_at: Millis,
    /// When the row last moved.
    pub moved_at: Millis,
    /// Rises with every move: the compare of compare-and-swap.
    pub version: i64,
}

/// Where a ticket stands at its vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TicketState {
    /// Good for a seat.
    Live,
    /// The vendor is being asked to void it, or was when its process died, or the answer was lost.
    Voiding,
    /// Void.
    Void,
    /// The vendor refuses for good to void it.
    Kept,
}

impl TicketState {
    /// As stored and as printed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Voiding => "voiding",
            Self::Void => "void",
            Self::Kept => "kept",
        }
    }

    /// The state with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Live, Self::Voiding, Self::Void, Self::Kept].into_iter().find(|state| state.name() == name)
    }
}

/// One ticket. Keyed by (booking, place in its sale): the seats of one sale may share a barcode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketRow {
    /// As the vendor made it and as pass Culture knows it.
    pub barcode: String,
    /// Place in its sale, from 0.
    pub place: u32,
    /// Reference of its booking.
    pub booking: String,
    /// Printed seat.
    pub seat: Option<String>,
    /// The adapter's own JSON.
    pub vendor: String,
    /// Where it stands.
    pub state: TicketState,
}

/// One line of a booking's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookingEvent {
    /// When.
    pub at: Millis,
    /// Stable code: `message`, `intent`, `selling`, `outcome`, `answer`, `settle`, `cancel`, …
    pub code: String,
    /// English sentence, no personal data.
    pub text: String,
}

/// Answer to storing an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// It is new; the row is stored.
    New,
    /// The same attempt is there already.
    Known(Box<BookingRow>),
}

/// A move of a booking: the row as it should be, and what comes with it. Refused when the stored row's version is not
/// `row.version`; the stored version becomes one more.
#[derive(Clone, Debug)]
pub struct Move<'a> {
    /// The row with the version that was read.
    pub row: &'a BookingRow,
    /// Tickets to add or to change.
    pub tickets: &'a [TicketRow],
    /// Lines to add to the history.
    pub events: &'a [BookingEvent],
    /// Places left at the date, which pass Culture is told with this move: see [`super::events::EventStore::touch_date`].
    pub places: Option<PlacesLeft<'a>>,
    /// What the venue's software is told of it.
    pub messages: &'a [NewMessage],
}

/// Places left at a date after a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacesLeft<'a> {
    /// Key of the event.
    pub event: &'a str,
    /// Key of the date.
    pub date: &'a str,
    /// How many.
    pub remaining: Quantity,
}

/// Answer to a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// Done.
    Yes,
    /// Somebody else moved the row first; read it again.
    No,
    /// A ticket's barcode belongs to another booking already; nothing was stored.
    BarcodeTaken,
}

/// A booking with its tickets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBooking {
    /// The row.
    pub row: BookingRow,
    /// Its tickets by place.
    pub tickets: Vec<TicketRow>,
}

/// What is asked of [`BookingStore::bookings`].
#[derive(Clone, Debug, Default)]
pub struct BookingFilter {
    /// Of one connection.
    pub connection: Option<String>,
    /// In one state.
    pub state: Option<BookingState>,
    /// Only those that a person must look at.
    pub needs_human: bool,
    /// Older than (created, reference), for the next page.
    pub before: Option<(Millis, String)>,
}

/// The part of the store that keeps bookings. Every method is one short transaction; none is open while a vendor is called.
pub trait BookingStore: Send + Sync {
    /// Stores an attempt with the first lines of its history, unless its fingerprint is known. Durable when it returns.
    fn intend<'a>(
        &'a self,
        row: &'a BookingRow,
        events: &'a [BookingEvent],
    ) -> BoxFuture<'a, Result<Intent, StoreError>>;

    /// Moves a booking, its tickets and its history together. Durable when it returns.
    fn move_booking<'a>(&'a self, step: Move<'a>) -> BoxFuture<'a, Result<Moved, StoreError>>;

    /// Takes the tickets of a booking over to another attempt of the same person: both rows move and the tickets change
    /// hands, or nothing happens.
    fn adopt<'a>(&'a self, from: Move<'a>, to: Move<'a>) -> BoxFuture<'a, Result<Moved, StoreError>>;

    /// One booking.
    fn booking<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<Option<StoredBooking>, StoreError>>;

    /// The attempt with this fingerprint.
    fn booking_by_fingerprint<'a>(
        &'a self,
        fingerprint: &'a str,
    ) -> BoxFuture<'a, Result<Option<StoredBooking>, StoreError>>;

    /// Attempts of one person's wish in [`BookingState::Releasing`], newest first; at most [`MAX_ORPHANS`].
    fn orphans_of<'a>(&'a self, wish: &'a str) -> BoxFuture<'a, Result<Vec<StoredBooking>, StoreError>>;

    /// The bookings that hold these barcodes for an account, each once, the oldest first; several connections may have the same,
    /// and a barcode of a pool ([`super::allotments`]) may have a former holder besides the present one.
    fn bookings_by_barcodes<'a>(
        &'a self,
        account: &'a str,
        barcodes: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<StoredBooking>, StoreError>>;

    /// The history of a booking, oldest first; at most [`MAX_HISTORY`] lines.
    fn booking_history<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<Vec<BookingEvent>, StoreError>>;

    /// Bookings, newest first.
    fn bookings<'a>(
        &'a self,
        filter: &'a BookingFilter,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<StoredBooking>, StoreError>>;

    /// Bookings whose `due_at` is at or before `now`, the longest due first; and those that a clock which was wrong left due further
    /// ahead than they can be.
    fn due_bookings(&self, now: Millis, limit: u32) -> BoxFuture<'_, Result<Vec<StoredBooking>, StoreError>>;

    /// Calls under way, or that were when their process died: [`BookingState::Calling`] and [`BookingState::Abandoned`], oldest
    /// first.
    fn open_calls(&self, limit: u32) -> BoxFuture<'_, Result<Vec<StoredBooking>, StoreError>>;

    /// Bookings of a connection that only the adapter that sold them can finish: a call under way, a sale that is looked for or taken
    /// back, seats of a show to come, and what a person has on the list.
    fn bookings_of_its_adapter<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// Stocks, of those given, with a ticket that is not void or a sale whose outcome is open. They may not be deleted at pass
    /// Culture.
    fn stocks_with_live_tickets<'a>(
        &'a self,
        account: &'a str,
        stocks: &'a [i64],
    ) -> BoxFuture<'a, Result<Vec<i64>, StoreError>>;

    /// Makes the sold bookings of these stocks due now: their dates are gone at pass Culture, which tells nobody that it
    /// cancelled them. Answers how many.
    fn look_again<'a>(
        &'a self,
        account: &'a str,
        stocks: &'a [i64],
        now: Millis,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;
}
