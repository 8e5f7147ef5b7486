//! What the store keeps for vendors without a box office: the shows that they state, the barcodes that they import, and the
//! tickets that the gateway issues in their place.
//!
//! No lease: bookings issue, and vendors state, at any moment and on any node. Whatever takes a seat or gives one back locks its
//! connection first and does the whole of it in one transaction.
//!
//! Invariants: a seat is issued once; the same reference gets the same tickets; a barcode that came back is issued again only
//! when no fresh one is left and pass Culture no longer counts it, as far as anybody knows.

use passerelle_contract::{BoxFuture, Issue, Quantity};

use super::bookings::StoredBooking;
use super::{Millis, StoreError};

/// Events that one connection may have stated.
pub const MAX_STATED_EVENTS: u32 = 5_000;
/// Stocks that one connection may have stated, those that are over not counted.
pub const MAX_STATED_STOCKS: u32 = 50_000;
/// What is over is kept so long: cancellations may still name it.
pub const STATED_KEPT_FOR: Millis = 30 * 24 * 3_600 * 1_000;
/// Barcodes of one import at most; larger lists come in several.
pub const MAX_IMPORT: usize = 1_000;
/// Barcodes of one stock at most.
pub const MAX_POOL: u32 = 100_000;
/// Longest barcode, in characters: what pass Culture takes.
pub const LONGEST_BARCODE: usize = 100;
/// Answers kept for repeated calls of one connection; the oldest go first.
pub const MAX_ANSWERED_KEYS: u32 = 10_000;
/// Answers to repeated calls are kept so long.
pub const ANSWERED_KEPT_FOR: Millis = 24 * 3_600 * 1_000;
/// Version of a stock whose vendor never gave one: below all that it can give.
pub const NO_VERSION: i64 = -1;
/// Bookings of one page of a door list.
pub const MAX_DOOR_LIST: u32 = 500;

/// An event as its vendor stated it. Keyed by (connection, event).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedEvent {
    /// The vendor's id, 1–100 characters.
    pub event: String,
    /// JSON of `allotment`; the store compares it and does not read it.
    pub document: String,
    /// When it was last stated.
    pub stated_at: Millis,
}

/// A date of an event at one price, as its vendor stated it. Keyed by (connection, stock).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedStock {
    /// The vendor's id, 1–100 characters, unique in its connection.
    pub stock: String,
    /// Its event.
    pub event: String,
    /// JSON of `allotment`; the store compares it and does not read it.
    pub document: String,
    /// Its beginning.
    pub starts_at: Millis,
    /// Nothing is sold from then on.
    pub closes_at: Millis,
    /// Unit price.
    pub price_cents: u32,
    /// The vendor's own count of its changes, from 0 on; [`NO_VERSION`] when it never gave one.
    pub version: i64,
    /// Places left as the vendor last said; `None` is unlimited.
    pub stated: Option<u32>,
    /// Places left now; `None` is unlimited.
    pub remaining: Option<u32>,
    /// Did the vendor take it off?
    pub gone: bool,
    /// When it was last stated.
    pub stated_at: Millis,
}

/// Events and stocks that fit each other.
pub type StatedShows = (Vec<StatedEvent>, Vec<StatedStock>);

/// A stock whose price follows its event's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repriced {
    /// The stock.
    pub stock: String,
    /// Its document as it was read; another one is left alone.
    pub before: String,
    /// Its document as it should be.
    pub document: String,
    /// Its price as it should be.
    pub price_cents: u32,
}

/// Answer to stating something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stating {
    /// Stored.
    Stored,
    /// The very same was stated before; nothing changed.
    Unchanged,
    /// A later version is known, or another content of this one.
    Stale {
        /// The version that is known.
        version: i64,
    },
    /// Its event, or the stock itself, was never stated.
    Unknown,
    /// The stock is another event's.
    OtherEvent {
        /// That event.
        event: String,
    },
    /// It was taken off.
    Gone,
    /// The connection has too many already.
    TooMany,
}

/// What became of one barcode of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Import {
    /// It is in the pool now.
    Imported,
    /// It was in the pool before.
    AlreadyImported,
    /// A booking of this connection has it, or had it.
    AlreadyIssued,
    /// The stock has [`MAX_POOL`] already.
    PoolFull,
}

/// Imported barcodes of one stock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolCount {
    /// The stock.
    pub stock: String,
    /// All of them.
    pub imported: u32,
    /// Held by a booking.
    pub issued: u32,
    /// Can be issued now. The rest came back from a booking that pass Culture may still count.
    pub free: u32,
}

/// How a connection's tickets are issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssueTerms {
    /// Where barcodes come from.
    pub issue: Issue,
    /// Are the connection's shows stated, so that price, end of sale and places left are known here?
    pub stated: bool,
}

/// Seats to be issued.
#[derive(Clone, Copy, Debug)]
pub struct IssueOrder<'a> {
    /// The connection.
    pub connection: &'a str,
    /// Reference of the booking.
    pub reference: &'a str,
    /// The stock: the key of its places.
    pub stock: &'a str,
    /// Seats, 1 or 2.
    pub quantity: u32,
    /// Unit price that the beneficiary was told.
    pub price_cents: u32,
    /// The beginning as last stated; only asked where shows are not stated here.
    pub starts_at: Millis,
    /// Now.
    pub now: Millis,
}

/// Answer to issuing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issuance {
    /// Issued, now or before under the same reference: barcodes by seat, and places left.
    Issued(Vec<String>, Quantity),
    /// So few places are left; nothing was issued.
    TooFew(u32),
    /// Nobody states this stock (any more).
    Gone,
    /// It has begun, or its end of booking is over.
    Closed,
    /// It costs something else by now, in cents.
    AnotherPrice(u32),
    /// The booking is not waiting for its tickets any more, or they were taken back.
    Overtaken,
}

/// What is for sale at a stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForSale {
    /// Places left.
    Left(Quantity),
    /// Nobody states it (any more).
    Gone,
    /// It has begun, or its end of booking is over.
    Closed,
}

/// Tickets that were issued for a booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedTickets {
    /// The stock.
    pub stock: String,
    /// Barcodes by seat, and whether each was taken back.
    pub seats: Vec<(String, bool)>,
}

/// What became of one seat that was to be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenBack {
    /// It is free now.
    Now,
    /// It was free before.
    Before,
    /// Nothing was issued there.
    Unknown,
}

/// Who was let in with a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketUse {
    /// Place of the ticket in its sale, from 0.
    pub place: u32,
    /// When, as the venue said; `None` when it was taken back.
    pub used_at: Option<Millis>,
}

/// Reference of a booking, and the last word on each of its tickets that was ever used.
pub type UsesOf = (String, Vec<TicketUse>);

/// Answer to noting uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    /// For each ticket asked for: was it so before?
    Done(Vec<bool>),
    /// The booking's history has no room left.
    Full,
}

/// An answer that is given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnsweredKey {
    /// SHA-256 (hex) of what was asked.
    pub digest: String,
    /// HTTP status.
    pub status: u16,
    /// JSON.
    pub body: String,
    /// When.
    pub at: Millis,
}

/// The part of the store for vendors without a box office. Every method is one short transaction.
pub trait AllotmentStore: Send + Sync {
    // ── shows ────────────────────────────────────────────────────────────────────────────────────────────────────────
    /// States an event, and new prices of its stocks. Answers `Stored`, `Unchanged` or `TooMany`.
    fn state_event<'a>(
        &'a self,
        connection: &'a str,
        event: &'a StatedEvent,
        repriced: &'a [Repriced],
    ) -> BoxFuture<'a, Result<Stating, StoreError>>;

    /// One event.
    fn stated_event<'a>(
        &'a self,
        connection: &'a str,
        event: &'a str,
    ) -> BoxFuture<'a, Result<Option<StatedEvent>, StoreError>>;

    /// One stock.
    fn stated_stock<'a>(
        &'a self,
        connection: &'a str,
        stock: &'a str,
    ) -> BoxFuture<'a, Result<Option<StatedStock>, StoreError>>;

    /// The stocks of an event, by id.
    fn stated_stocks<'a>(
        &'a self,
        connection: &'a str,
        event: &'a str,
    ) -> BoxFuture<'a, Result<Vec<StatedStock>, StoreError>>;

    /// States a stock whole; its `version` and `remaining` are not looked at. Without `version` it is newer than what is known.
    /// Seats that the vendor does not know of yet are taken off the number that it states ([`AllotmentStore::untold_seats`]).
    fn state_stock<'a>(
        &'a self,
        connection: &'a str,
        stock: &'a StatedStock,
        version: Option<i64>,
    ) -> BoxFuture<'a, Result<Stating, StoreError>>;

    /// The vendor said in an answer how many places are left at a stock: that is what is left now. Says nothing of what it
    /// states, so that no version moves.
    fn learn_places<'a>(
        &'a self,
        connection: &'a str,
        stock: &'a str,
        left: Option<u32>,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// States the places left at a stock, in the same way; `None` is unlimited.
    fn state_places<'a>(
        &'a self,
        connection: &'a str,
        stock: &'a str,
        places: Option<u32>,
        version: Option<i64>,
        now: Millis,
    ) -> BoxFuture<'a, Result<Stating, StoreError>>;

    /// Takes a stock off; false when this event has no such stock. Safe to repeat.
    fn take_off<'a>(
        &'a self,
        connection: &'a str,
        event: &'a str,
        stock: &'a str,
        now: Millis,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// All events, by id, and all stocks that begin after `after`, by beginning and id. One reading: they fit each other.
    fn stated_shows<'a>(&'a self, connection: &'a str, after: Millis)
    -> BoxFuture<'a, Result<StatedShows, StoreError>>;

    /// Seats at a stock that are issued and of which the vendor has not heard yet: their booking is still under way, or its
    /// message waits or was given up. A number of places that the vendor states counts them as free; stating takes them off.
    fn untold_seats<'a>(&'a self, connection: &'a str, stock: &'a str) -> BoxFuture<'a, Result<u32, StoreError>>;

    /// Makes a pass due at once, as [`super::Store::make_due`] does; and once more when one is running, since that one may have
    /// read what was stated before. False when there is no such connection.
    fn make_due_again<'a>(&'a self, connection: &'a str, now: Millis) -> BoxFuture<'a, Result<bool, StoreError>>;

    // ── barcodes ─────────────────────────────────────────────────────────────────────────────────────────────────────
    /// Adds barcodes (stock, barcode) to the pool, at most [`MAX_IMPORT`]; what became of each, in order.
    fn import_barcodes<'a>(
        &'a self,
        connection: &'a str,
        rows: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<Vec<Import>, StoreError>>;

    /// Counts by stock, in order; of one stock or of all.
    fn pool<'a>(
        &'a self,
        connection: &'a str,
        stock: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<PoolCount>, StoreError>>;

    /// Takes back the barcodes of a stock that were never issued; how many.
    fn withdraw_barcodes<'a>(&'a self, connection: &'a str, stock: &'a str) -> BoxFuture<'a, Result<u64, StoreError>>;

    // ── tickets ──────────────────────────────────────────────────────────────────────────────────────────────────────
    /// Issues tickets, all or none. The same reference again gets the same.
    fn issue<'a>(&'a self, order: IssueOrder<'a>, terms: IssueTerms) -> BoxFuture<'a, Result<Issuance, StoreError>>;

    /// What was issued for a booking, if anything.
    fn issued<'a>(
        &'a self,
        connection: &'a str,
        reference: &'a str,
    ) -> BoxFuture<'a, Result<Option<IssuedTickets>, StoreError>>;

    /// Takes seats back, by their places in the sale; what became of each, in order.
    fn take_back<'a>(
        &'a self,
        connection: &'a str,
        reference: &'a str,
        places: &'a [u32],
    ) -> BoxFuture<'a, Result<Vec<TakenBack>, StoreError>>;

    /// What is for sale at the stock of an order; its reference, quantity and price are not looked at.
    fn for_sale<'a>(&'a self, order: IssueOrder<'a>, terms: IssueTerms) -> BoxFuture<'a, Result<ForSale, StoreError>>;

    // ── the door ─────────────────────────────────────────────────────────────────────────────────────────────────────
    /// The booking of a connection with this [`passerelle_contract::Reference::booking_id`].
    fn booking_named<'a>(
        &'a self,
        connection: &'a str,
        booking_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<StoredBooking>, StoreError>>;

    /// Bookings of a connection at the places with this key that have or had tickets, by reference, from after the booking
    /// with the id `after` on; at most `limit` and [`MAX_DOOR_LIST`].
    fn door_list<'a>(
        &'a self,
        connection: &'a str,
        places_key: &'a str,
        after: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<StoredBooking>, StoreError>>;

    /// Who was let in, by booking: the last word on each ticket.
    fn ticket_uses<'a>(&'a self, references: &'a [String]) -> BoxFuture<'a, Result<Vec<UsesOf>, StoreError>>;

    /// Writes into a booking's history that tickets were used, or were not after all.
    fn note_uses<'a>(
        &'a self,
        reference: &'a str,
        uses: &'a [TicketUse],
        now: Millis,
    ) -> BoxFuture<'a, Result<Noted, StoreError>>;

    // ── repeated calls ───────────────────────────────────────────────────────────────────────────────────────────────
    /// What was answered to a call with this key within [`ANSWERED_KEPT_FOR`].
    fn answered_key<'a>(
        &'a self,
        connection: &'a str,
        key: &'a str,
        now: Millis,
    ) -> BoxFuture<'a, Result<Option<AnsweredKey>, StoreError>>;

    /// Remembers an answer, unless one is remembered under that key; forgets old ones.
    fn remember_answer<'a>(
        &'a self,
        connection: &'a str,
        key: &'a str,
        answer: &'a AnsweredKey,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
}
