//! Trying again inside one pass: soon, seldom, and never longer than the pass's budget.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use jiff::Timestamp;
use passerelle_contract::{AdapterError, Class};
use tokio::time::{Instant, sleep, timeout};

use super::Answer;

/// What a pass may spend on retries, waiting and repeated calls together.
pub const RETRY_BUDGET: Duration = Duration::from_secs(8);

/// The first wait lies between this and its double.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// Attempts of one call, whatever the budget.
const MAX_RETRIES: usize = 5;

/// What is left of a pass's time for retries. Shared by all its calls.
#[derive(Debug)]
pub struct RetryBudget(Mutex<Duration>);

impl RetryBudget {
    /// A budget for one pass.
    #[must_use]
    pub const fn new(total: Duration) -> Self {
        Self(Mutex::new(total))
    }

    /// What is left.
    #[must_use]
    pub fn left(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a wait out of the budget, if it fits.
    fn take(&self, wait: Duration) -> bool {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = left.checked_sub(wait).filter(|rest| !rest.is_zero());
        if let Some(rest) = rest {
            *left = rest;
        }
        rest.is_some()
    }

    /// Takes what was spent, down to nothing.
    fn spend(&self, spent: Duration) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_sub(spent);
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new(RETRY_BUDGET)
    }
}

/// Calls until the answer is not worth another call or the budget is spent.
pub(super) async fn run<F, Call>(budget: &RetryBudget, call: F) -> Result<Answer, AdapterError>
where
    F: Fn() -> Call,
    Call: Future<Output = Result<Answer, AdapterError>>,
{
    let mut waits = ExponentialBuilder::default()
        .with_min_delay(FIRST_WAIT)
        .with_factor(2.0)
        .with_max_times(MAX_RETRIES)
        .with_jitter()
        .build();
    let mut outcome = call().await;
    loop {
        let Some(asked) = wish_to_retry(&outcome) else { return outcome };
        let Some(ours) = waits.next() else { return outcome };
        let wait = asked.map_or(ours, |asked| asked.max(ours));
        if !budget.take(wait) {
            return outcome;
        }
        sleep(wait).await;
        let started = Instant::now();
        // A repeated call lives on the budget, not on the full request time: the pass must end.
        let Ok(next) = timeout(budget.left(), call()).await else {
            budget.spend(started.elapsed());
            return outcome;
        };
        budget.spend(started.elapsed());
        outcome = next;
    }
}

/// `None` when another call makes no sense; otherwise how long the vendor asks us to wait, if it does.
fn wish_to_retry(outcome: &Result<Answer, AdapterError>) -> Option<Option<Duration>> {
    match outcome {
        Ok(answer) if matches!(answer.status, 408 | 429 | 500..=599) => Some(answer.retry_after()),
        // A body that trickles for minutes will do so again.
        Err(error) if error.class == Class::Transient && error.code != "TooSlow" => Some(error.retry_after),
        _ => None,
    }
}

/// Reads `Retry-After`: seconds, or an HTTP date. A date in the past means now.
pub(super) fn parse_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now: Timestamp = "2026-01-05T10:00:00Z".parse().unwrap();
        assert_eq!(parse_retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(parse_retry_after("Mon, 05 Jan 2026 10:00:30 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(parse_retry_after("Mon, 05 Jan 2026 09:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(parse_retry_after("soon", now), None);
        assert_eq!(parse_retry_after("-3", now), None);
    }

    #[test]
    fn a_budget_gives_what_it_has_and_no_more() {
        let budget = RetryBudget::new(Duration::from_secs(2));
        assert!(budget.take(Duration::from_secs(1)));
        assert!(!budget.take(Duration::from_secs(1)), "nothing would be left for the call");
        budget.spend(Duration::from_secs(9));
        assert_eq!(budget.left(), Duration::ZERO);
    }
}
