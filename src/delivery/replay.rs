//! An operator asks for messages again: with the same id and the same bytes, at a new time.

use std::time::Duration;

use crate::store::messages::{MAX_MESSAGES, MessageFilter, MessageRow, MessageState};
use crate::store::{Millis, Store, StoreError};

/// Replayed messages leave so far apart: an endpoint that just came back is not flooded.
const APART: Duration = Duration::from_millis(200);

/// Which messages of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayRequest {
    /// Made at or after.
    pub from: Option<Millis>,
    /// Made before.
    pub to: Option<Millis>,
    /// In these states, `Pending` excluded; empty means those that were given up.
    pub states: Vec<MessageState>,
    /// Of these kinds; empty means all.
    pub types: Vec<String>,
    /// Only say which.
    pub dry_run: bool,
}

/// What was replayed, or would be.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The messages, oldest first.
    pub messages: Vec<MessageRow>,
}

/// Why nothing is replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayRefused {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The range is none: it ends before it begins.
    #[error("`from` is not before `to`")]
    EmptyRange,
    /// Everything in the range was forgotten long ago.
    #[error("messages are kept for 30 days after their show; the range ends before that")]
    OutsideRetention,
    /// More than can be replayed at once.
    #[error("the range holds more than {MAX_MESSAGES} messages; narrow it")]
    TooMany,
}

impl ReplayRefused {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Store(_) => "StoreUnavailable",
            Self::EmptyRange => "EmptyRange",
            Self::OutsideRetention => "OutsideRetention",
            Self::TooMany => "TooMany",
        }
    }
}

/// Replays messages of one endpoint, at most [`MAX_MESSAGES`].
///
/// # Errors
/// [`ReplayRefused`].
pub async fn replay(
    store: &dyn Store,
    connection: &str,
    request: &ReplayRequest,
    now: Millis,
) -> Result<Replayed, ReplayRefused> {
    if let (Some(from), Some(to)) = (request.from, request.to)
        && from >= to
    {
        return Err(ReplayRefused::EmptyRange);
    }
    let forgotten = store.endpoint(connection).await?.is_some_and(|endpoint| endpoint.forgotten > 0);
    let kept = Millis::try_from(crate::store::messages::KEPT_FOR.as_millis()).unwrap_or(Millis::MAX);
    let mut states = request.states.clone();
    states.retain(|state| *state != MessageState::Pending);
    if states.is_empty() {
        states.push(MessageState::Dead);
    }
    let filter = MessageFilter {
        connection: Some(connection.to_owned()),
        states,
        kinds: request.types.clone(),
        from: request.from,
        until: request.to,
        booking: None,
    };
    let mut messages = store.messages(&filter, MAX_MESSAGES + 1).await?;
    if messages.len() > MAX_MESSAGES as usize {
        return Err(ReplayRefused::TooMany);
    }
    if messages.is_empty() && forgotten && request.to.is_some_and(|to| to < now.saturating_sub(kept)) {
        return Err(ReplayRefused::OutsideRetention);
    }
    messages.sort_by_key(|message| message.position);
    if !request.dry_run && !messages.is_empty() {
        let positions: Vec<i64> = messages.iter().map(|message| message.position).collect();
        store.replay_messages(connection, &positions, now, APART).await?;
    }
    Ok(Replayed { messages })
}

/// Replays one message; `None` when there is none with this id.
///
/// # Errors
/// When the store fails.
pub async fn replay_one(store: &dyn Store, id: &str, now: Millis) -> Result<Option<MessageRow>, StoreError> {
    let Some(message) = store.message(id).await? else { return Ok(None) };
    store.replay_messages(&message.connection, &[message.position], now, Duration::ZERO).await?;
    Ok(Some(message))
}
