//! How facts reach the gateway: pulled from a vendor, or pushed by it.

use std::pin::Pin;
use std::time::SystemTime;

use futures_core::Stream;

use crate::{AdapterError, Note, Row, StockLine};

/// An opaque place in a source (an instant, a file's name, the fingerprint of a content), written by the adapter and kept by the
/// gateway.
///
/// At most 4 KiB. The gateway stores it only after every row before it is in the ledger, so a source may be asked twice
/// for the same rows and must not mind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub String);

/// How much of the vendor's state a pass has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Everything the vendor has: what is absent is gone.
    Snapshot,
    /// Only what changed: what is absent is unchanged.
    Delta,
    /// It should have been a snapshot but is not trusted to be one: withdraws nothing.
    Partial,
    /// No rows, because what the cursor stands for is still exactly what the vendor has: the pass that gave it still holds.
    Unchanged,
}

/// What to do with several rows of one reference in one pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// The later row replaces the earlier (HTTP APIs).
    Last,
    /// The earlier row stays.
    First,
    /// Quantities add up, the highest price stays (several shelves in one stock file).
    Sum,
    /// The highest quantity stays, with its price.
    Max,
}

/// What a source knows about itself that the gateway needs to judge a pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expectations {
    /// Rule for several rows of one reference.
    pub duplicates: Duplicates,
    /// Share of unreadable rows (0.0–1.0) above which a snapshot becomes partial; counted from 20 unreadable rows on.
    pub max_bad_ratio: f64,
    /// Share of live items (0.0–1.0) that a snapshot may withdraw unasked, when the connection overrides the gateway's.
    pub max_withdraw_ratio: Option<f64>,
    /// A snapshot with fewer good rows than this is held. 0 means no minimum.
    pub min_rows: u64,
    /// Complete snapshots in a row that must lack a showtime before it counts as gone. 1 when the source itself makes sure.
    pub gone_after: u32,
    /// Does the source state how many places a showtime has in all for beneficiaries, rather than how many are left? Those that
    /// pass Culture has already given away are then taken off by the gateway. For sources that sell nothing themselves.
    pub places_in_all: bool,
    /// Copies of every reference that the shop keeps for the people who walk in; taken off after duplicates are joined.
    pub keep_back: u32,
}

impl Default for Expectations {
    fn default() -> Self {
        Self {
            duplicates: Duplicates::Last,
            max_bad_ratio: 0.05,
            max_withdraw_ratio: None,
            min_rows: 0,
            gone_after: 1,
            places_in_all: false,
            keep_back: 0,
        }
    }
}

/// Some rows of a pass. Pages are bounded (at most 10 000 rows) so that memory is.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Rows in the vendor's order.
    pub rows: Vec<Row<T>>,
    /// Rows among them that were kept, but not as written.
    pub notes: Vec<Note>,
    /// Rows that are no product at all (delimiters only, totals, remarks): counted as read, and neither kept nor left behind.
    pub skipped: u64,
    /// Present on the last page, and only there. A stream that ends without it is a failed pass.
    pub end: Option<End>,
}

/// What the last page says of the whole pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// How much was shown.
    pub completeness: Completeness,
    /// Where the next delta starts; `None` when the source has no deltas.
    pub cursor: Option<Cursor>,
    /// When the vendor's data were true (file date, start of the pass), if known.
    pub observed_at: Option<SystemTime>,
    /// What tells this export from another one: a hash of its bytes, an ETag. Two looks with the same fingerprint are one piece of
    /// evidence. `None` where the vendor is asked anew each time.
    pub fingerprint: Option<String>,
    /// Warnings for the operator about the pass as a whole, for example a stale file. English sentences.
    pub warnings: Vec<String>,
}

/// A pass being read. Dropping it stops the reading.
pub type PageStream<'a, T> = Pin<Box<dyn Stream<Item = Result<Page<T>, AdapterError>> + Send + 'a>>;

/// What the gateway asks of a pull.
#[derive(Clone, Debug, Default)]
pub struct Pull {
    /// Continue after this cursor (a delta, where the source has deltas); `None` asks for everything.
    pub from: Option<Cursor>,
    /// Keys of the showtimes still to come that the gateway knows from earlier passes, the longest unseen first, at most
    /// 10 000. For sources whose lists hide some of what exists; others ignore it.
    pub known: Vec<String>,
}

/// A vendor's list of facts that can be read from start to end.
///
/// Called by one pass at a time per connection. Each call starts a new pass. The stream yields pages until one carries an
/// [`End`], or yields one `Err` and stops; it must not retry for more than 8 s in all. Back-pressure is the consumer's:
/// a source reads at most a few pages ahead.
pub trait Source<T>: Send + Sync {
    /// Starts a pass.
    fn pull(&self, ask: Pull) -> PageStream<'_, T>;

    /// How a pass of this source is to be judged.
    fn expectations(&self) -> Expectations {
        Expectations::default()
    }
}

/// What a pushed body does to the references that it does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushMode {
    /// They stay (`POST`).
    Delta,
    /// They are gone, behind the guard (`PUT`).
    Snapshot,
}

/// Reads what a vendor's software posts to us.
///
/// Pure: no I/O. The gateway stores a body that [`PushIntake::read`] accepted before it answers, and reads it again when
/// it applies it, so the same bytes must always give the same rows.
pub trait PushIntake: Send + Sync {
    /// Turns one body into rows, or refuses the whole of it.
    ///
    /// # Errors
    /// [`IntakeError`] when the vendor's contract refuses the body.
    fn read(&self, body: &[u8]) -> Result<Page<StockLine>, IntakeError>;

    /// Is this the bearer token of this connection? Compared in constant time.
    fn accepts_token(&self, presented: &str) -> bool;

    /// Largest body accepted, in bytes.
    fn max_body_bytes(&self) -> usize;

    /// How a pushed list is to be judged.
    fn expectations(&self) -> Expectations {
        Expectations::default()
    }
}

/// Why a pushed body is refused, as that vendor's contract answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntakeError {
    /// 400 with this JSON object (path → messages).
    Invalid(serde_json::Value),
    /// 413: more entries than the contract takes.
    TooMany,
}
