//! The northbound request budget as a generic cell rate algorithm over two numbers.
//!
//! Pure: the engines only read and write [`Bucket`]. Invariant: with permits used exactly when [`Bucket::take`] says (and
//! `permits` ≤ `burst`), no sixty seconds hold more than `per_minute + burst` of them, whatever the callers' order.

use std::time::Duration;

use super::Millis;

const MICROS_PER_MINUTE: i64 = 60_000_000;
const MICROS_PER_MILLI: i64 = 1_000;

/// State of one account's bucket, in microseconds since 1970; zeros mean never used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Theoretical arrival time: when the bucket will be full again.
    pub(super) arrival_us: i64,
    /// Nobody sends before.
    pub(super) blocked_us: i64,
}

/// How fast a bucket fills and how much it holds; zeros are read as one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) per_minute: u32,
    pub(super) burst: u32,
}

impl Rate {
    /// Time one permit takes to come back, rounded up so that the rate is never exceeded.
    fn interval_us(self) -> i64 {
        let per_minute = i64::from(self.per_minute.max(1));
        (MICROS_PER_MINUTE + per_minute - 1) / per_minute
    }

    fn burst(self) -> i64 {
        i64::from(self.burst.max(1))
    }
}

impl Bucket {
    /// Takes `permits` (0 is read as 1): the bucket afterwards, and how long to wait before using them.
    pub(super) fn take(self, permits: u32, rate: Rate, now: Millis) -> (Self, Duration) {
        let permits = i64::from(permits.max(1));
        let interval = rate.interval_us();
        let now = now.saturating_mul(MICROS_PER_MILLI);
        let start = self.arrival_us.max(now).max(self.blocked_us);
        let arrival_us = start.saturating_add(permits.saturating_mul(interval));
        let allowed = arrival_us.saturating_sub(rate.burst().saturating_mul(interval)).max(self.blocked_us);
        (Self { arrival_us, ..self }, micros(allowed.saturating_sub(now)))
    }

    /// Nobody sends before `until`; an earlier block never shortens a later one.
    pub(super) fn block(self, until: Millis) -> Self {
        Self { blocked_us: self.blocked_us.max(until.saturating_mul(MICROS_PER_MILLI)), ..self }
    }

    /// How long one request would wait now, and how many could go at once.
    pub(super) fn left(self, rate: Rate, now: Millis) -> (Duration, u32) {
        let (_, wait) = self.take(1, rate, now);
        let now = now.saturating_mul(MICROS_PER_MILLI);
        if self.blocked_us > now {
            return (wait, 0);
        }
        let used = self.arrival_us.saturating_sub(now).max(0);
        let interval = rate.interval_us();
        let free = rate.burst() - (used + interval - 1) / interval;
        (wait, u32::try_from(free.max(0)).unwrap_or(u32::MAX))
    }
}

fn micros(value: i64) -> Duration {
    Duration::from_micros(u64::try_from(value).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Millis = 1_700_000_000_000;

    proptest! {
        #[test]
        fn no_minute_holds_more_than_the_rate_and_the_burst(
            per_minute in 1_u32..400,
            burst in 1_u32..30,
            calls in prop::collection::vec((0_i64..5_000, 1_u32..30, 0_u8..40), 1..200),
        ) {
            let rate = Rate { per_minute, burst };
            let mut bucket = Bucket::default();
            let mut now = START;
            let mut sent: Vec<i64> = Vec::new();
            let mut blocked = 0;
            for (pause, permits, kind) in calls {
                now += pause;
                if kind == 0 {
                    blocked = blocked.max(now + i64::from(permits) * 1_000);
                    bucket = bucket.block(now + i64::from(permits) * 1_000);
                    continue;
                }
                let permits = permits.min(burst);
                let (_, at_once) = bucket.left(rate, now);
                let (after, wait) = bucket.take(permits, rate, now);
                prop_assert_eq!(wait.is_zero(), at_once >= permits, "{:?} left {} of {}", wait, at_once, permits);
                bucket = after;
                let at = now * 1_000 + i64::try_from(wait.as_micros()).unwrap();
                prop_assert!(at >= blocked * 1_000, "sent while blocked");
                sent.extend(std::iter::repeat_n(at, permits as usize));
            }
            sent.sort_unstable();
            let most = (per_minute + burst) as usize;
            for (from, at) in sent.iter().enumerate() {
                let within = sent[from..].iter().take_while(|other| **other < at + MICROS_PER_MINUTE).count();
                prop_assert!(within <= most, "{within} in one minute, {most} allowed");
            }
        }
    }

    #[test]
    fn a_fresh_bucket_lets_a_burst_go_then_spaces_requests_evenly() {
        let rate = Rate { per_minute: 60, burst: 3 };
        let mut bucket = Bucket::default();
        let waits: Vec<u128> = (0..5)
            .map(|_| {
                let (after, wait) = bucket.take(1, rate, START);
                bucket = after;
                wait.as_millis()
            })
            .collect();
        assert_eq!(waits, [0, 0, 0, 1_000, 2_000]);
    }

    #[test]
    fn extreme_numbers_do_not_overflow() {
        let bucket = Bucket { arrival_us: i64::MAX, blocked_us: i64::MAX };
        let _ = bucket.take(u32::MAX, Rate { per_minute: 0, burst: u32::MAX }, i64::MAX);
        let _ = bucket.left(Rate { per_minute: 0, burst: u32::MAX }, i64::MIN);
    }
}
