//! The only place with SQL: one interface, two engines.
//!
//! SQLite is the default and needs no set-up; PostgreSQL carries several nodes. Both pass the same tests
//! (`tests/store.rs`), and nothing outside this room knows which one is behind.
//!
//! Invariants: every write of a connection's state names the [`Lease`] it is made under and is refused when that lease is
//! no longer the newest ([`StoreError::Fenced`]); no transaction is ever open while anything but the database is called;
//! time comes in as an argument (milliseconds since 1970, UTC), never from the database's clock.

pub mod ledger;

use std::time::Duration;

use passerelle_contract::{BoxFuture, Ean};
use serde::{Deserialize, Serialize};

use ledger::StoredPage;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another worker has taken the connection over; what was being done must stop.
    #[error("the lease of `{connection}` was taken over; this pass stops")]
    Fenced {
        /// The connection.
        connection: String,
    },
    /// The database cannot be opened or reached, or is busy beyond its time limit.
    #[error("the store at {place} is not available: {why}")]
    Unavailable {
        /// Engine and place, without credentials.
        place: String,
        /// What the engine said.
        why: String,
    },
    /// The store was written by a newer release than this one can read, or is damaged.
    #[error("the store cannot be read: {0}")]
    Corrupt(String),
    /// Anything else the engine refused.
    #[error("the store refused a statement: {0}")]
    Engine(#[source] sqlx::Error),
}

/// A connection as it was applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectionRecord {
    /// The connection's id, unique.
    pub id: String,
    /// The adapter's id in the registry.
    pub adapter: String,
    /// pass Culture account name (`default` unless said).
    pub account: String,
    /// pass Culture venue id, when the configuration names it.
    pub venue: Option<i64>,
    /// SIRET or RIDET the venue is looked up by, when the configuration names it.
    pub siret: Option<String>,
    /// Seconds between two scheduled passes.
    pub every_seconds: u32,
    /// `[connection.settings]` as written: secrets only by reference.
    pub settings: serde_json::Value,
    /// The folder against which relative paths in settings are read.
    pub base_dir: String,
    /// May this connection's vendor live on a private address?
    pub allow_private_addresses: bool,
    /// Paused by an operator: not scheduled, refused by `sync`.
    pub paused: bool,
}

/// What applying a connection did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is new.
    Created,
    /// It existed; these fields changed (`settings.path`, `every`, …).
    Changed(Vec<String>),
    /// Nothing to do.
    Unchanged,
}

/// What the gateway has learnt of a connection since it was applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectionState {
    /// pass Culture venue id, resolved.
    pub venue_id: Option<i64>,
    /// The venue's postal code, for its price ceiling and time zone.
    pub postal_code: Option<String>,
    /// When the venue was last looked up.
    pub venue_checked_at: Option<Millis>,
    /// Where the next delta starts.
    pub cursor: Option<String>,
    /// When the last pass that was applied ended.
    pub last_success_at: Option<Millis>,
    /// When the last complete snapshot was applied.
    pub last_snapshot_at: Option<Millis>,
    /// When the next scheduled pass is due.
    pub due_at: Millis,
    /// Passes failed since the last success.
    pub failures: u32,
    /// The last failure, as a sentence with its code.
    pub last_error: Option<String>,
    /// Fingerprint of the quarantine as stored, so that an unchanged one is not written again.
    pub quarantine_digest: Option<u64>,
    /// Day (since 1970-01-01) on which refusals that have stood long enough were last put up for asking again.
    #[serde(default)]
    pub refusals_checked_on: Option<u16>,
}

/// A plan that the guard held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldPlan {
    /// When it was first held.
    pub since: Millis,
    /// Fingerprint of what it would do; an agreeing snapshot has the same.
    pub digest: u64,
    /// Codes of the reasons (`EmptySnapshot`, `MassWithdrawal`, …).
    pub reasons: Vec<String>,
    /// The sentence for operators.
    pub message: String,
    /// The sentence for booksellers, in French.
    pub message_fr: String,
    /// Snapshots that agreed so far, the first included.
    pub agreeing: u32,
    /// The body it came from, when the vendor's software posted it: reading the same body again is no second snapshot.
    #[serde(default)]
    pub inbound: Option<i64>,
}

/// Who holds a lease: enough to find the process, and to know that it is dead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// New for every process start.
    pub id: String,
    /// Machine (boot id, so that a restarted machine is another one).
    pub host: String,
    /// Process id.
    pub pid: u32,
    /// Start time of the process in clock ticks since boot, so that a reused pid is another process.
    pub started: u64,
    /// What it is doing, for people: `sync`, `serve`.
    pub purpose: String,
}

/// The right to move one connection's state, until it expires or is taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The connection.
    pub connection: String,
    /// Rises with every new holder; writes under an older one are refused.
    pub fence: i64,
    /// The holder.
    pub owner: Owner,
}

/// Answer to asking for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseAnswer {
    /// It is ours.
    Granted(Lease),
    /// Somebody alive has it.
    Held {
        /// Who.
        by: Owner,
        /// When it runs out unless renewed.
        until: Millis,
    },
    /// There is no such connection.
    NoSuchConnection,
}

/// A row that stayed behind, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineRow {
    /// The connection.
    pub connection: String,
    /// Its place among the rows of the pass, from 0: the order in which they are listed.
    pub ordinal: u64,
    /// Physical line, when the source is a file.
    pub line: Option<u64>,
    /// Page and entry, when the source is an API.
    pub entry: Option<(u32, u32)>,
    /// The vendor's key as written.
    pub key: Option<String>,
    /// The EAN, when it could be read.
    pub ean: Option<Ean>,
    /// Stable code.
    pub code: String,
    /// English sentence.
    pub message: String,
    /// French sentence.
    pub message_fr: String,
}

/// One run of a source, as remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PassRecord {
    /// The connection.
    pub connection: String,
    /// When it began.
    pub started_at: Millis,
    /// When it ended.
    pub ended_at: Millis,
    /// `done`, `held` or `failed`.
    pub outcome: String,
    /// The summary line, as printed.
    pub summary: serde_json::Value,
}

/// The last verdict of one probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeRecord {
    /// Connection id, or `passculture:ACCOUNT`.
    pub subject: String,
    /// Probe name.
    pub probe: String,
    /// `healthy`, `degraded`, `failing` or `unknown`.
    pub verdict: String,
    /// Since when it has this verdict.
    pub since: Millis,
    /// When it was last asked.
    pub checked_at: Millis,
    /// How long the answer took.
    pub latency_ms: u64,
    /// What was seen.
    pub evidence: String,
    /// What to do.
    pub remedy: String,
}

/// A body that a vendor's software posted, stored before it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// Rises with arrival, per store.
    pub id: i64,
    /// The connection it is for.
    pub connection: String,
    /// When it came.
    pub received_at: Millis,
    /// Does it replace everything?
    pub snapshot: bool,
    /// The body as posted.
    pub body: Vec<u8>,
}

/// pass Culture's verdict on an EAN, shared by all venues of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvailabilityRow {
    /// The EAN.
    pub ean: Ean,
    /// A code of `passculture::Availability`.
    pub verdict: u8,
    /// When it was asked.
    pub checked_at: Millis,
}

/// The store. Every method is one short transaction.
///
/// Methods take time and identity from the caller. Lists are bounded by their `limit` argument.
pub trait Store: Send + Sync + std::fmt::Debug {
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
    /// One connection.
    fn connection<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<ConnectionRecord>, StoreError>>;
    /// Pauses or resumes; false when there is no such connection. Resuming makes a pass due at once.
    fn set_paused<'a>(&'a self, id: &'a str, paused: bool, now: Millis) -> BoxFuture<'a, Result<bool, StoreError>>;
    /// Forgets a connection and everything keyed by it; false when there was none. Refused while somebody holds its lease.
    fn remove_connection<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<bool, StoreError>>;
    /// What is known of a connection; the default when nothing is.
    fn state<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<ConnectionState, StoreError>>;
    /// Replaces what is known.
    fn save_state<'a>(&'a self, lease: &'a Lease, state: &'a ConnectionState) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Unpaused connections whose `due_at` is past or that have something in their inbox, without a live lease, oldest
    /// success first (never synchronised first).
    fn due_connections(&self, now: Millis, limit: u32) -> BoxFuture<'_, Result<Vec<String>, StoreError>>;

    // ── leases ───────────────────────────────────────────────────────────────────────────────────────────────────────
    /// Takes the lease for `ttl` when it is free, expired, or its owner `is_dead`; the fence rises each time.
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
    /// At most `limit` pages in EAN order, beginning with the page that holds or follows `from`.
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
    /// Removes the pages that begin with `remove`, then writes `pages`, in one transaction.
    fn save_ledger<'a>(
        &'a self,
        lease: &'a Lease,
        remove: &'a [Ean],
        pages: &'a [StoredPage],
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    // ── held plans, passes, quarantine ───────────────────────────────────────────────────────────────────────────────
    /// The held plan, if any.
    fn held<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<Option<HeldPlan>, StoreError>>;
    /// Stores or clears it.
    fn set_held<'a>(&'a self, lease: &'a Lease, held: Option<&'a HeldPlan>) -> BoxFuture<'a, Result<(), StoreError>>;
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
    /// Empties the quarantine of a connection; how many rows went. Also forgets its digest in the state.
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
    /// Takes `permits` (at least 1) from the account's bucket (`per_minute`, at most `burst` at once) and answers how long
    /// to wait before using them; a generic cell rate algorithm over one row.
    fn take_budget<'a>(
        &'a self,
        account: &'a str,
        permits: u32,
        per_minute: u32,
        burst: u32,
        now: Millis,
    ) -> BoxFuture<'a, Result<Duration, StoreError>>;
    /// Pushes the bucket back: nobody sends before `until` (a 429 told us so).
    fn block_budget<'a>(&'a self, account: &'a str, until: Millis) -> BoxFuture<'a, Result<(), StoreError>>;
    /// How long a request would wait now, and how many could go at once: for the probe.
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
}
