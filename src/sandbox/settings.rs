//! How the sandbox behaves: delay of upserts, rate limit, product base of convenience, moderation, patience.
//!
//! Invariant: the delay is at most [`MAX_UPSERT_DELAY_MS`], a wait for one read at most [`MAX_READ_LIMIT_MS`], and counting calls takes bounded memory.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::errors::Answer;
use super::generation::Generation;
use super::offer::Validation;

/// Longest delay of an upsert, in milliseconds: ten minutes.
pub(crate) const MAX_UPSERT_DELAY_MS: u64 = 600_000;
/// Longest wait for one read, in milliseconds: ten minutes.
pub(crate) const MAX_READ_LIMIT_MS: u64 = 600_000;
/// Length of the rate limit's window.
const WINDOW: Duration = Duration::from_secs(60);
/// Keys counted at once.
const MAX_KEYS: usize = 10_000;

/// The sandbox's behaviour. Every field can be changed while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Typical time between the 204 of an upsert and its effect, in milliseconds; each task of 35 waits between half
    /// and one and a half times this, but at most a second more or less. 0 applies before answering.
    pub upsert_delay_ms: u64,
    /// Tasks that are done at the same time, of all venues together.
    pub ean_workers: u32,
    /// Whether the first tasks of a venue race on creating its location, so that all but one of those under way die.
    pub location_race: bool,
    /// Calls allowed per minute and key; none when null.
    pub rate_limit: Option<RateLimit>,
    /// Treats every well-formed 978/979 EAN-13 that is not in the product base as a compatible paper book.
    pub any_ean: bool,
    /// Seconds added to the machine's clock.
    pub clock_offset_seconds: i64,
    /// What moderation says of an event at its first dates, and of a product made one by one.
    pub review: Review,
    /// Seconds after which the sweeper looks whether a barcode was saved.
    pub sweep_after_seconds: u32,
    /// Longest wait for one read of an answer to a message, in milliseconds: the real backend's is ten seconds.
    pub read_limit_ms: u64,
    /// The version of pass Culture that is played.
    pub generation: Generation,
}

impl Settings {
    pub(crate) fn read_limit(&self) -> Duration {
        Duration::from_millis(self.read_limit_ms)
    }
}

/// What moderation says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Review {
    /// On sale at once.
    #[default]
    Approved,
    /// To be looked at by hand.
    Pending,
    /// Never on sale; takes no change.
    Rejected,
}

impl Review {
    pub(crate) fn validation(self) -> Validation {
        match self {
            Self::Approved => Validation::Approved,
            Self::Pending => Validation::Pending,
            Self::Rejected => Validation::Rejected,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            upsert_delay_ms: 100,
            ean_workers: 8,
            location_race: false,
            rate_limit: None,
            any_ean: false,
            clock_offset_seconds: 0,
            review: Review::Approved,
            sweep_after_seconds: 60,
            read_limit_ms: 10_000,
            generation: Generation::default(),
        }
    }
}

/// A rate limit in front of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Calls allowed in a minute.
    pub per_minute: u32,
    /// Whether a 429 carries `Retry-After`.
    #[serde(default)]
    pub retry_after: bool,
    /// Whether a 429 is a page instead of JSON.
    #[serde(default)]
    pub html: bool,
}

/// Calls of each key in its current window.
#[derive(Default)]
pub(crate) struct Windows(HashMap<String, (Instant, u32)>);

impl Windows {
    /// Counts one call; a 429 when there were too many.
    pub(crate) fn check(&mut self, limit: RateLimit, key: &str) -> Result<(), Answer> {
        let now = Instant::now();
        if self.0.len() >= MAX_KEYS && !self.0.contains_key(key) {
            self.0.clear();
        }
        let window = self.0.entry(key.to_owned()).or_insert((now, 0));
        if now.duration_since(window.0) >= WINDOW {
            *window = (now, 0);
        }
        window.1 = window.1.saturating_add(1);
        if window.1 <= limit.per_minute {
            return Ok(());
        }
        let left = WINDOW.saturating_sub(now.duration_since(window.0)).as_secs() + 1;
        Err(Answer::too_many(limit.retry_after.then_some(left), limit.html))
    }
}
