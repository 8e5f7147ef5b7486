//! How often, how long and how patiently a call is repeated.
//!
//! Pure but for the jitter. Invariant: a call ends. Attempts, its own time and the waits it obeys are each bounded.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use jiff::fmt::rfc2822::DateTimeParser;

use super::client::Millis;

/// Longest stop that is taken from a `Retry-After`. A server whose header is off by days must not silence a shop for
/// days; asking once an hour is still polite.
const LONGEST_STOP: Duration = crate::store::LONGEST_BLOCK;

/// The bounds of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// First delay; jitter adds up to as much again, so the first retry comes within twice this.
    pub first_delay: Duration,
    /// No delay grows beyond this, jitter aside.
    pub longest_delay: Duration,
    /// No attempt lasts longer, even where the route's own limit (30 s, upserts 60 s) would let it.
    pub longest_attempt: Duration,
    /// No retry is started once the call has taken this long, waits that pass Culture asked for not counted.
    pub total: Duration,
    /// Waits that pass Culture asked for, and turns in the budget's queue, that one call obeys; beyond, it fails and says
    /// until when.
    pub patience: Duration,
    /// How long a 429 that does not say how long stops everybody; jitter adds up to a quarter.
    pub unsaid_stop: Duration,
}

impl RetryPolicy {
    /// For real work: five attempts within 90 s, and up to two minutes of obedience.
    pub const WORK: Self = Self {
        attempts: 5,
        first_delay: Duration::from_millis(350),
        longest_delay: Duration::from_secs(20),
        longest_attempt: Duration::from_secs(60),
        total: Duration::from_secs(90),
        patience: Duration::from_secs(120),
        unsaid_stop: Duration::from_secs(60),
    };

    /// For health questions: one attempt of at most 10 s, no patience to speak of.
    pub const PROBE: Self =
        Self { attempts: 1, longest_attempt: Duration::from_secs(10), patience: Duration::from_secs(5), ..Self::WORK };

    /// The delays before the second attempt, the third, …
    pub(super) fn delays(&self) -> impl Iterator<Item = Duration> + use<> {
        ExponentialBuilder::new()
            .with_min_delay(self.first_delay)
            .with_max_delay(self.longest_delay)
            .with_factor(3.0)
            .with_jitter()
            .with_max_times(self.attempts.saturating_sub(1) as usize)
            .build()
    }

    /// How long a 429 stops the account.
    pub(super) fn stop(&self, said: Option<Duration>) -> Duration {
        said.unwrap_or_else(|| self.unsaid_stop + jitter(self.unsaid_stop / 4)).min(LONGEST_STOP)
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::WORK
    }
}

/// Something between nothing and `most`.
fn jitter(most: Duration) -> Duration {
    let mut spread = ExponentialBuilder::new().with_min_delay(most).with_jitter().build();
    spread.next().map_or(most, |delay| delay.saturating_sub(most))
}

/// Reads a `Retry-After`: seconds, or a date of HTTP, counted from the time of the answer. A date that has passed asks for
/// no wait.
pub(super) fn retry_after(header: &str, answered_at: Millis) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = http_date(header)?.saturating_sub(answered_at);
    Some(Duration::from_millis(u64::try_from(wait).unwrap_or(0)))
}

/// Reads a date as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn http_date(header: &str) -> Option<Millis> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    PARSER.parse_timestamp(header.trim()).ok().map(|at| at.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let now = http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(now, 784_111_777_000);
        for (header, wait) in [
            ("0", Some(0)),
            (" 17 ", Some(17)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("-3", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(header, now), wait.map(Duration::from_secs), "{header:?}");
        }
    }

    #[test]
    fn the_first_retry_comes_within_a_second_and_delays_are_bounded() {
        for _ in 0..200 {
            let delays: Vec<_> = RetryPolicy::WORK.delays().collect();
            assert_eq!(delays.len(), 4);
            assert!(delays[0] >= RetryPolicy::WORK.first_delay && delays[0] < Duration::from_secs(1), "{delays:?}");
            assert!(delays.iter().all(|delay| *delay <= RetryPolicy::WORK.longest_delay * 2), "{delays:?}");
        }
        assert_eq!(RetryPolicy::PROBE.delays().count(), 0);
    }

    #[test]
    fn a_stop_is_as_told_or_a_minute_and_a_bit_and_never_beyond_an_hour() {
        let policy = RetryPolicy::WORK;
        assert_eq!(policy.stop(Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(policy.stop(Some(Duration::MAX)), LONGEST_STOP);
        for _ in 0..200 {
            let stop = policy.stop(None);
            assert!((60..=75).contains(&stop.as_secs()), "{stop:?}");
        }
    }
}
