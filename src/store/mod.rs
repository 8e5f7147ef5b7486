//! The only place with SQL: one interface, two engines.
//!
//! SQLite is the default and needs no set-up; PostgreSQL carries several nodes. Both pass the same tests
//! (`tests/store.rs`), and nothing outside this room knows which one is behind. The queries are written once
//! (`queries/`) and compiled for each engine; `sqlite/` and `postgres/` hold what really differs.
//!
//! Invariants: every write of a connection's state names the [`Lease`] it is made under and is refused when that lease is
//! no longer the newest ([`StoreError::Fenced`]); no transaction is ever open while anything but the database is called;
//! time comes in as an argument (milliseconds since 1970, UTC), never from the database's clock.

pub mod allotments;
pub mod bookings;
mod budget;
pub mod countermarks;
mod error;
pub mod events;
pub mod history;
mod lease;
pub mod ledger;
pub mod listings;
pub mod messages;
mod open;
mod owner;
mod postgres;
pub mod products;
pub mod queue;
mod records;
pub mod servers;
pub mod sessions;
mod sqlite;
mod turns;

use std::time::Duration;

use passerelle_contract::{BoxFuture, Ean};

pub use allotments::AllotmentStore;
pub use bookings::BookingStore;
pub use budget::{LONGEST_BLOCK, Traffic};
pub use countermarks::CountermarkStore;
pub use error::StoreError;
pub use events::EventStore;
pub use history::HistoryStore;
pub use lease::{LEASE, Lease, LeaseAnswer, Owner};
pub use ledger::{StoredPage, Totals};
pub use listings::ListingStore;
pub use messages::MessageStore;
pub use open::open;
pub use owner::{is_dead, is_here};
pub use products::ProductStore;
pub use queue::VenueQueue;
pub use records::{
    Ahead, Applied, AvailabilityRow, ConnectionRecord, ConnectionState, DueConnection, HeldPlan, Inbound,
    KnownConnection, LastRead, PassRecord, ProbeRecord, QuarantineRow,
};
pub use records::{Evidence, Export, GuardLimits, HeldValue, MOST_HELD_VALUES, MOST_LEAVING, PartialPasses, Released};
pub use servers::ServerStore;
pub use sessions::SessionStore;
pub use turns::LedgerTurn;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// Tells when something may have become due. Spurious wake-ups happen, missed ones can (a broken connection, another
/// process with the same SQLite file): poll behind it.
pub trait WakeUps: Send {
    /// Waits until something may have become due. May be dropped and called again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be listened to; wait a little before asking again.
    fn next(&mut self) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// The store. Every method is one short transaction. Events, bookings, messages, products, countermarks, allotments
/// and servers have traits of their own.
///
/// Methods take time and identity from the caller. Lists are bounded by their `limit` argument.
pub trait Store:
    EventStore
    + BookingStore
    + AllotmentStore
    + MessageStore
    + ProductStore
    + CountermarkStore
    + ListingStore
    + HistoryStore
    + SessionStore
    + ServerStore
    + Send
    + Sync
    + std::fmt::Debug
{
    /// Engine and place without credentials, for messages: `SQLite passerelle.db`.
    fn place(&self) -> String;
    /// A trivial read and, on a writable store, a trivial write: is it there?
    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    // ── connections ──────────────────────────────────────────────────────────────────────────────────────────────────
    /// Creates or changes a connection; never touches `paused` of an existing one. A changed adapter, account, venue or
    /// settings clears the cursor and makes a pass due at once; a changed venue or account also forgets the resolved venue.
    fn apply_connection<'a>(
        &'a self,
        connection: &'a ConnectionRecord,
        now: Millis,
    ) -> BoxFuture<'a, Result<Applied, StoreError>>;
    /// All connections, by id.
    fn connections(&self) -> BoxFuture<'_, Result<Vec<ConnectionRecord>, StoreError>>;
    /// All connections with what is known of them, by id.
    fn known_connections(&self) -> BoxFuture<'_, Result<Vec<KnownConnection>, StoreError>>;
    /// One connection.
    fn connection<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<ConnectionRecord>, StoreError>>;
    /// Pauses or resumes; false when there is no such connection. Resuming makes a pass due at once.
    fn set_paused<'a>(&'a self, id: &'a str, paused: bool, now: Millis) -> BoxFuture<'a, Result<bool, StoreError>>;
    /// Makes a pass due at once; false when there is no such connection.
    fn make_due<'a>(&'a self, id: &'a str, now: Millis) -> BoxFuture<'a, Result<bool, StoreError>>;
    /// Forgets a connection and everything keyed by it; false when there was none. Refused while somebody holds its lease.
    fn remove_connection<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<bool, StoreError>>;
    /// What is known of a connection; the default when nothing is.
    fn state<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<ConnectionState, StoreError>>;
    /// Replaces what is known. When the connection was changed so that it starts over after the lease was taken, the cursor,
    /// the venue and the due date stay as that change left them.
    fn save_state<'a>(&'a self, lease: &'a Lease, state: &'a ConnectionState) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Unpaused connections that are due and without a live lease, the longest due first. Due is whose `due_at` is past, or lies
    /// further ahead than its period (a clock was wrong), or who has something in its inbox.
    fn due_connections(&self, now: Millis, limit: u32) -> BoxFuture<'_, Result<Vec<DueConnection>, StoreError>>;
    /// Is it still unpaused and due, whoever has its lease?
    fn is_due<'a>(&'a self, connection: &'a str, now: Millis) -> BoxFuture<'a, Result<bool, StoreError>>;

    // ── leases ───────────────────────────────────────────────────────────────────────────────────────────────────────
    /// Takes the lease for `ttl` when it is free, expired, lasts longer than `ttl` allows (a clock was wrong), or its owner
    /// `is_dead`; the fence rises each time. Read the
    /// connection after it is granted: what was applied later does not count for this lease (see `save_state`).
    fn acquire_lease<'a>(
        &'a self,
        connection: &'a str,
        owner: &'a Owner,
        now: Millis,
        ttl: Duration,
        is_dead: &'a (dyn Fn(&Owner) -> bool + Sync),
    ) -> BoxFuture<'a, Result<LeaseAnswer, StoreError>>;
    /// Extends it; [`StoreError::Fenced`] when it is no longer ours.
    fn renew_lease<'a>(&'a self, lease: &'a Lease, now: Millis, ttl: Duration)
    -> BoxFuture<'a, Result<(), StoreError>>;
    /// Gives it back; nothing happens when it is no longer ours.
    fn release_lease<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StoreError>>;

    // ── stock ledger (see `ledger`) ──────────────────────────────────────────────────────────────────────────────────
    /// At most `limit` pages in EAN order, beginning with the last one that begins at or before `from` (the page that holds
    /// `from` if any does; its first entries may be smaller).
    fn ledger_pages<'a>(
        &'a self,
        connection: &'a str,
        from: Ean,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<StoredPage>, StoreError>>;
    /// As `ledger_pages`, but only pages with something to push (`pending` > 0) or to verify (`unverified` > 0).
    fn ledger_pages_at_work<'a>(
        &'a self,
        connection: &'a str,
        from: Ean,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<StoredPage>, StoreError>>;
    /// First EANs of at most `limit` pages; begins as `ledger_pages` does.
    fn ledger_index<'a>(
        &'a self,
        connection: &'a str,
        from: Ean,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Ean>, StoreError>>;
    /// The pages that begin with `firsts`, in EAN order; missing ones are left out.
    fn ledger_pages_at<'a>(
        &'a self,
        connection: &'a str,
        firsts: &'a [Ean],
    ) -> BoxFuture<'a, Result<Vec<StoredPage>, StoreError>>;
    /// Sums over the pages, without reading them.
    fn ledger_totals<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<Totals, StoreError>>;
    /// Waits until no other task of this process changes the connection's ledger (other processes are kept out by the
    /// lease). Whoever reads pages in order to write them back holds it meanwhile; `ledger::modify` does.
    fn ledger_turn<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, LedgerTurn>;
    /// Removes the pages that begin with `remove`, then writes `pages`, in one transaction.
    fn save_ledger<'a>(
        &'a self,
        lease: &'a Lease,
        remove: &'a [Ean],
        pages: &'a [StoredPage],
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// What was seen of pass Culture's queue at a venue of an account; `None` when nothing was ever sent there.
    fn venue_queue<'a>(&'a self, account: &'a str, venue: i64)
    -> BoxFuture<'a, Result<Option<VenueQueue>, StoreError>>;
    /// Replaces it.
    fn save_venue_queue<'a>(
        &'a self,
        lease: &'a Lease,
        account: &'a str,
        venue: i64,
        queue: &'a VenueQueue,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    // ── held plans, passes, quarantine ───────────────────────────────────────────────────────────────────────────────
    /// The held plan, if any.
    fn held<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<Option<HeldPlan>, StoreError>>;
    /// Stores or clears it.
    fn set_held<'a>(&'a self, lease: &'a Lease, held: Option<&'a HeldPlan>) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Prices and quantities that are held one by one.
    fn held_values<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<Vec<HeldValue>, StoreError>>;
    /// Replaces them; at most [`MOST_HELD_VALUES`] are kept.
    fn save_held_values<'a>(
        &'a self,
        lease: &'a Lease,
        values: &'a [HeldValue],
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Remembers a pass; keeps the newest 100 of a connection.
    fn record_pass<'a>(&'a self, pass: &'a PassRecord) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Newest first.
    fn passes<'a>(&'a self, connection: &'a str, limit: u32) -> BoxFuture<'a, Result<Vec<PassRecord>, StoreError>>;
    /// Replaces the quarantine of a connection from `first_ordinal` on: rows at or after it are removed, then `rows` are
    /// added. A pass calls it with 0 and its first rows, then appends.
    fn write_quarantine<'a>(
        &'a self,
        lease: &'a Lease,
        first_ordinal: u64,
        rows: &'a [QuarantineRow],
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Rows in order from `from` (connection, ordinal), of one connection or of all.
    fn quarantine<'a>(
        &'a self,
        connection: Option<&'a str>,
        from: Option<(String, u64)>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<QuarantineRow>, StoreError>>;
    /// Rows of any connection whose key or EAN is this.
    fn quarantine_by_key<'a>(
        &'a self,
        key: &'a str,
        ean: Option<Ean>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<QuarantineRow>, StoreError>>;
    /// Empties the quarantine of a connection; how many rows went. Also forgets its digest and the cursor, so that the next pass
    /// reads everything and writes what is still wrong.
    fn drop_quarantine<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<u64, StoreError>>;

    // ── what pass Culture said of EANs, per account ──────────────────────────────────────────────────────────────────
    /// Verdicts not older than `not_before`.
    fn availability<'a>(
        &'a self,
        account: &'a str,
        eans: &'a [Ean],
        not_before: Millis,
    ) -> BoxFuture<'a, Result<Vec<AvailabilityRow>, StoreError>>;
    /// Remembers verdicts.
    fn save_availability<'a>(
        &'a self,
        account: &'a str,
        rows: &'a [AvailabilityRow],
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    // ── the northbound budget, shared by every process with this store ───────────────────────────────────────────────
    /// Takes `permits` (1 to `burst`) for a kind of traffic from the account's bucket (`per_minute`, at most `burst` at once).
    /// No wait: they are taken and may be used at once. Else nothing was taken, and they are worth asking for again after the
    /// wait.
    fn take_budget<'a>(
        &'a self,
        account: &'a str,
        traffic: Traffic,
        permits: u32,
        per_minute: u32,
        burst: u32,
        now: Millis,
    ) -> BoxFuture<'a, Result<Duration, StoreError>>;
    /// Pushes the bucket back: nobody sends before `until` (a 429 told us so).
    fn block_budget<'a>(&'a self, account: &'a str, until: Millis) -> BoxFuture<'a, Result<(), StoreError>>;
    /// How long a request of a pass would wait now, and how many of all kinds could go at once: for the probe.
    fn budget_left<'a>(
        &'a self,
        account: &'a str,
        per_minute: u32,
        burst: u32,
        now: Millis,
    ) -> BoxFuture<'a, Result<(Duration, u32), StoreError>>;

    // ── what vendors push to us ──────────────────────────────────────────────────────────────────────────────────────
    /// Stores a body and makes the connection due; the same `idempotency_key` twice stores once and answers the first id.
    /// At most `max_waiting` bodies wait per connection: beyond, `None`.
    fn store_inbound<'a>(
        &'a self,
        connection: &'a str,
        snapshot: bool,
        body: &'a [u8],
        idempotency_key: Option<&'a str>,
        now: Millis,
        max_waiting: u32,
    ) -> BoxFuture<'a, Result<Option<i64>, StoreError>>;
    /// The oldest waiting bodies.
    fn inbound<'a>(&'a self, connection: &'a str, limit: u32) -> BoxFuture<'a, Result<Vec<Inbound>, StoreError>>;
    /// Forgets bodies up to and including `up_to` (idempotency keys stay for 24 h).
    fn drop_inbound<'a>(&'a self, lease: &'a Lease, up_to: i64) -> BoxFuture<'a, Result<(), StoreError>>;

    // ── health ───────────────────────────────────────────────────────────────────────────────────────────────────────
    /// Stores a verdict; `since` is kept from the stored row while the verdict is the same. Answers the row as stored.
    /// A change of verdict is also added to the history (the newest 1000 per subject).
    fn record_probe<'a>(&'a self, probe: &'a ProbeRecord) -> BoxFuture<'a, Result<ProbeRecord, StoreError>>;
    /// The last verdicts, of one subject or of all.
    fn probes<'a>(&'a self, subject: Option<&'a str>) -> BoxFuture<'a, Result<Vec<ProbeRecord>, StoreError>>;
    /// Changes of verdict of one subject, newest first.
    fn probe_history<'a>(&'a self, subject: &'a str, limit: u32)
    -> BoxFuture<'a, Result<Vec<ProbeRecord>, StoreError>>;

    /// What is dated further in the future than it can be, of a connection: a clock was wrong.
    fn ahead_of_connection<'a>(
        &'a self,
        connection: &'a str,
        now: Millis,
    ) -> BoxFuture<'a, Result<Vec<Ahead>, StoreError>>;
    /// The same of an account.
    fn ahead_of_account<'a>(&'a self, account: &'a str, now: Millis) -> BoxFuture<'a, Result<Vec<Ahead>, StoreError>>;

    // ── wake-ups ─────────────────────────────────────────────────────────────────────────────────────────────────────
    /// Wakes when `store_inbound`, `apply_connection` or `set_paused` made something due: on PostgreSQL from any node, on
    /// SQLite from this process.
    fn wake_ups(&self) -> Box<dyn WakeUps>;
}
