//! What the store keeps of messages to venues' software: stored in the transaction that they tell of, delivered after.
//!
//! A connection's messages have positions that rise with the order in which they were committed, so that whoever fetches them
//! from a position on misses none; a booking's messages have a sequence (1, 2, 3, …).
//!
//! Invariants: a message's id and body never change; of one booking nothing is given out before everything earlier is delivered
//! or dead; a message that waits is never lost, only forgotten whole after [`KEPT_FOR`].

use std::time::Duration;

use passerelle_contract::BoxFuture;
use tokio::sync::watch;

use super::{Millis, Owner, StoreError};

/// A message is tried again after this at the latest: a day, which an endpoint may ask for, and its jitter.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(30 * 3600);
/// A resting endpoint is tried with one message after this. No claim lasts longer.
pub const REST: Duration = Duration::from_secs(60);

/// Messages of one answer at most.
pub const MAX_MESSAGES: u32 = 10_000;
/// A message is forgotten so long after its show, or after it was made: the person that may stand in it goes with it.
pub const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// Attempts of one message that are remembered; later ones only count.
pub const MAX_ATTEMPTS_KEPT: u32 = 50;

/// Is a venue's software still spoken to?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    /// Yes.
    Open,
    /// It said that it wants nothing more (410).
    Gone,
    /// It failed for days.
    Disabled,
}

impl EndpointState {
    /// As stored and as printed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Gone => "gone",
            Self::Disabled => "disabled",
        }
    }

    /// The state with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Open, Self::Gone, Self::Disabled].into_iter().find(|state| state.name() == name)
    }
}

/// How it goes with a connection's software.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointRow {
    /// The connection.
    pub connection: String,
    /// Position of its newest message; 0 when there was none.
    pub position: i64,
    /// It has said that it has everything up to here.
    pub acknowledged: i64,
    /// Position of the newest message that was forgotten.
    pub forgotten: i64,
    /// Is it still spoken to?
    pub state: EndpointState,
    /// Attempts that failed in a row.
    pub failures: u32,
    /// When the first of them did.
    pub failing_since: Option<Millis>,
    /// While it fails: when it is tried again.
    pub probe_at: Option<Millis>,
    /// When it last took a message.
    pub last_success_at: Option<Millis>,
    /// Why the last attempt failed: code and sentence.
    pub last_error: Option<String>,
}

/// How an endpoint's messages stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointCounts {
    /// The endpoint.
    pub endpoint: EndpointRow,
    /// Messages that wait.
    pub pending: u64,
    /// When the oldest of them was made.
    pub oldest_pending: Option<Millis>,
    /// Messages that were given up.
    pub dead: u64,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageState {
    /// To be delivered, or to be fetched.
    Pending,
    /// The software has it.
    Delivered,
    /// Given up; it can be replayed.
    Dead,
}

impl MessageState {
    /// As stored and as printed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// The state with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Dead].into_iter().find(|state| state.name() == name)
    }
}

/// When a message is stored at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Only as the first of its booking.
    First,
    /// Only when the booking was told of before.
    Known,
    /// Only when the booking has none of its kind yet.
    Once,
    /// Always.
    Always,
}

/// Writes a message's body: kind, when it happened, sequence, and its data as JSON.
pub type Write = fn(kind: &str, at: Millis, sequence: u32, data: &str) -> String;

/// A message to be stored.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Whose software is told.
    pub connection: String,
    /// Unique: `msg_` and a ULID.
    pub id: String,
    /// The booking's name for venues' software.
    pub booking: String,
    /// What it tells.
    pub kind: &'static str,
    /// When that happened.
    pub at: Millis,
    /// What is told, as JSON.
    pub data: String,
    /// Makes the body of these.
    pub write: Write,
    /// The lowest sequence that it may have: what ends a booking never has the first.
    pub least_sequence: u32,
    /// When it is stored at all.
    pub condition: Condition,
    /// Is it sent? Otherwise it waits to be fetched.
    pub is_sent: bool,
    /// When the show begins, where there is one.
    pub starts_at: Option<Millis>,
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// Whose software is told.
    pub connection: String,
    /// Its position.
    pub position: i64,
    /// Its id.
    pub id: String,
    /// The booking's name for venues' software.
    pub booking: String,
    /// Which of its booking's it is.
    pub sequence: u32,
    /// What it tells.
    pub kind: String,
    /// The bytes that are signed and sent.
    pub body: String,
    /// Where it stands.
    pub state: MessageState,
    /// Attempts so far, since it was made or replayed.
    pub attempts: u32,
    /// When it is tried next; `None` when it is not sent.
    pub due_at: Option<Millis>,
    /// When the show begins.
    pub starts_at: Option<Millis>,
    /// Did an operator ask for it again?
    pub replay: bool,
    /// When it was made.
    pub created_at: Millis,
    /// When it was delivered or given up.
    pub ended_at: Option<Millis>,
    /// HTTP status of the last attempt.
    pub last_status: Option<u16>,
    /// Why the last attempt failed: code and sentence.
    pub last_error: Option<String>,
}

/// What became of one attempt, and what follows for the message.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// The message's position.
    pub position: i64,
    /// Where it stands now.
    pub state: MessageState,
    /// Attempts that count.
    pub attempts: u32,
    /// When it is tried next.
    pub due_at: Option<Millis>,
    /// When it was tried.
    pub at: Millis,
    /// HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// How long it took.
    pub latency_ms: u32,
    /// Why it failed: code and sentence.
    pub error: Option<String>,
}

/// How messages are claimed.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Who claims.
    pub owner: &'a Owner,
    /// So many at most.
    pub limit: u32,
    /// Those too that wait and are not due.
    pub any: bool,
    /// For so long.
    pub lease: Duration,
}

/// Which messages are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageFilter {
    /// Of one connection.
    pub connection: Option<String>,
    /// In these states; empty means all.
    pub states: Vec<MessageState>,
    /// Of these kinds; empty means all.
    pub kinds: Vec<String>,
    /// Made at or after.
    pub from: Option<Millis>,
    /// Made before.
    pub until: Option<Millis>,
    /// Of one booking, by its name for venues' software.
    pub booking: Option<String>,
}

/// The part of the store that keeps messages. Every method is one short transaction.
pub trait MessageStore: Send + Sync {
    /// Changes when this process stored messages or made some due; other processes' are found by polling.
    fn told(&self) -> watch::Receiver<()>;

    /// Endpoints with a message that may be sent at `now`: open, and not resting after failures.
    fn endpoints_with_due(&self, now: Millis) -> BoxFuture<'_, Result<Vec<String>, StoreError>>;

    /// How it goes with a connection's software; `None` before its first message.
    fn endpoint<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<Option<EndpointRow>, StoreError>>;

    /// How it goes with everybody's, with counts.
    fn endpoints(&self) -> BoxFuture<'_, Result<Vec<EndpointCounts>, StoreError>>;

    /// Takes messages of a connection that are due, oldest first: nobody else is given them meanwhile. Only the oldest waiting
    /// message of each booking is given out.
    fn claim_messages<'a>(
        &'a self,
        connection: &'a str,
        claim: Claim<'a>,
        now: Millis,
    ) -> BoxFuture<'a, Result<Vec<MessageRow>, StoreError>>;

    /// Ends the claims of processes that `is_dead`, so that nobody waits for them to run out; how many messages that were.
    fn end_dead_claims<'a>(
        &'a self,
        now: Millis,
        is_dead: &'a (dyn Fn(&Owner) -> bool + Sync),
    ) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// Writes what became of attempts, gives back what was claimed and not tried (positions), and writes how it goes with the
    /// endpoint now (its positions are left alone). What an acknowledgement or another attempt ended meanwhile stays ended.
    /// With `then`, claims the next messages in the same transaction, as [`MessageStore::claim_messages`] does.
    fn attempted<'a>(
        &'a self,
        endpoint: &'a EndpointRow,
        attempts: &'a [Attempted],
        given_back: &'a [i64],
        then: Option<(Claim<'a>, Millis)>,
    ) -> BoxFuture<'a, Result<Vec<MessageRow>, StoreError>>;

    /// Speaks to an endpoint again: what waits is due now. False when there is none.
    fn reopen_endpoint<'a>(&'a self, connection: &'a str, now: Millis) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// A connection's messages after a position, in order.
    fn messages_after<'a>(
        &'a self,
        connection: &'a str,
        position: i64,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<MessageRow>, StoreError>>;

    /// The software has everything up to `position`: what waits there is delivered. Never goes back. Answers the position that
    /// holds then; `None` when there is no such position yet.
    fn acknowledge<'a>(
        &'a self,
        connection: &'a str,
        position: i64,
        now: Millis,
    ) -> BoxFuture<'a, Result<Option<i64>, StoreError>>;

    /// Messages, newest first.
    fn messages<'a>(
        &'a self,
        filter: &'a MessageFilter,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<MessageRow>, StoreError>>;

    /// The message with this id.
    fn message<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<MessageRow>, StoreError>>;

    /// The last attempts of a message, oldest first.
    fn attempts_of<'a>(
        &'a self,
        connection: &'a str,
        position: i64,
    ) -> BoxFuture<'a, Result<Vec<Attempted>, StoreError>>;

    /// Makes messages wait again from `now` on, each `apart` after the one before, in their order; their endpoint is spoken to
    /// again.
    fn replay_messages<'a>(
        &'a self,
        connection: &'a str,
        positions: &'a [i64],
        now: Millis,
        apart: Duration,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Forgets messages that were kept long enough, at most `limit`; how many.
    fn forget_messages(&self, now: Millis, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>>;
}
