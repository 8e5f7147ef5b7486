//! The northbound request budget: one cell-rate bucket for an account, and a share of it for each kind of traffic.
//!
//! A request goes when its kind has a permit of its own share left, or else when the bucket is free enough that every other kind
//! still finds a permit at once. What is refused takes nothing: it is told when to ask again. So a flood of one kind can use what
//! the others leave, and never what is theirs.
//!
//! Pure: the engines only read and write [`Bucket`]. Invariants: no sixty seconds hold more than `per_minute + burst` permits,
//! whatever the callers' order, as long as clocks are right; what is stored is never further ahead of the taker's clock than a
//! bucket that has given all. What is found further ahead by more than clocks differ was left by a wrong one, and counts as untouched.

use std::time::Duration;

use super::Millis;
use crate::clock;

const MICROS_PER_MINUTE: i64 = 60_000_000;
const MICROS_PER_MILLI: i64 = 1_000;

/// Nobody is blocked for longer: the client takes no more from pass Culture's `Retry-After`.
pub const LONGEST_BLOCK: Duration = Duration::from_secs(60 * 60);

/// Clocks of nodes that share a budget differ by less, in microseconds; more would be more than a bucket holds.
const CLOCKS_DIFFER_US: i64 = 5_000_000;

/// What does not fit into its own share leaves this part of the bucket to each of the other kinds: one permit of ten.
const LEFT_TO_EACH: i64 = 12;

/// What a request to pass Culture is for. Each kind has a share of its account's budget; see [`Traffic::tenths`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Traffic {
    /// Comparing bookings with pass Culture's listing, cancelling, settling: seats and money.
    Bookings,
    /// Countermarks: somebody stands at the counter.
    Countermarks,
    /// Passes: what is for sale.
    #[default]
    Passes,
    /// Health questions.
    Probes,
}

impl Traffic {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Bookings, Self::Countermarks, Self::Passes, Self::Probes];

    /// Its share of the budget in tenths, which it can use whatever the others do. What the others leave comes on top.
    #[must_use]
    pub const fn tenths(self) -> u32 {
        match self {
            Self::Bookings => 4,
            Self::Countermarks => 3,
            Self::Passes => 2,
            Self::Probes => 1,
        }
    }

    /// Its place in [`Traffic::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Bookings => 0,
            Self::Countermarks => 1,
            Self::Passes => 2,
            Self::Probes => 3,
        }
    }
}

/// State of one account's bucket, in microseconds since 1970; zeros mean never used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Theoretical arrival time: when the bucket will be full again.
    pub(super) arrival_us: i64,
    /// The same for each kind's share.
    pub(super) shares_us: [i64; 4],
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

    /// Time in which an empty bucket is full again. A share fills in the same time, since it is smaller and slower alike.
    fn whole_us(self) -> i64 {
        self.burst().saturating_mul(self.interval_us())
    }

    /// Time one permit of a share takes to come back.
    fn share_interval_us(self, traffic: Traffic) -> i64 {
        let tenths = i64::from(traffic.tenths());
        (self.interval_us().saturating_mul(10) + tenths - 1) / tenths
    }
}

impl Bucket {
    /// Takes `permits` (1 to `burst`; 0 is read as 1): the bucket afterwards and no wait; or, when they are not to be had now,
    /// the bucket as it was and how long to wait before asking again.
    pub(super) fn take(self, traffic: Traffic, permits: u32, rate: Rate, now: Millis) -> (Self, Duration) {
        let permits = i64::from(permits.max(1)).min(rate.burst());
        let bucket = self.as_of(rate, now);
        let now = now.saturating_mul(MICROS_PER_MILLI);
        if bucket.blocked_us > now {
            return (self, micros(bucket.blocked_us.saturating_sub(now)));
        }
        let interval = rate.interval_us();
        let cost = permits.saturating_mul(interval);
        let whole = rate.whole_us();
        let arrival = bucket.arrival_us.max(now);
        let in_all = arrival.saturating_add(cost).saturating_sub(now.saturating_add(whole));

        let share_cost = permits.saturating_mul(rate.share_interval_us(traffic));
        let share = bucket.shares_us[traffic.index()].max(now);
        let in_share = share.saturating_add(share_cost).saturating_sub(now.saturating_add(whole.max(share_cost)));
        let owned = in_all.max(in_share);

        let others = i64::try_from(Traffic::ALL.len() - 1).unwrap_or(0);
        let reserve = others * ((rate.burst() + LEFT_TO_EACH - 1) / LEFT_TO_EACH).saturating_mul(interval);
        let beside = whole.saturating_sub(reserve);
        let borrowed = if beside >= cost {
            arrival.saturating_add(cost).saturating_sub(now.saturating_add(beside))
        } else {
            // A bucket too small to keep anything aside: whoever has a share left is a moment ahead of the others.
            let pause = interval / 4;
            bucket.arrival_us.max(now.saturating_sub(pause)).saturating_add(pause).saturating_sub(now)
        };
        let wait = owned.min(borrowed);
        if wait > 0 {
            return (self, micros(wait));
        }
        let mut after = Self { arrival_us: arrival.saturating_add(cost), ..bucket };
        if owned <= 0 {
            after.shares_us[traffic.index()] = share.saturating_add(share_cost);
        }
        (after, Duration::ZERO)
    }

    /// Nobody sends before `until`; an earlier block never shortens a later one, unless that one is longer than any may be.
    pub(super) fn block(self, until: Millis) -> Self {
        let until = until.saturating_mul(MICROS_PER_MILLI);
        let standing = if self.blocked_us > until.saturating_add(longest_block_us()) { until } else { self.blocked_us };
        Self { blocked_us: standing.max(until), ..self }
    }

    /// How long one request of a pass would wait now, and how many requests of all kinds could go at once.
    pub(super) fn left(self, rate: Rate, now: Millis) -> (Duration, u32) {
        let (_, wait) = self.take(Traffic::Passes, 1, rate, now);
        let bucket = self.as_of(rate, now);
        let now = now.saturating_mul(MICROS_PER_MILLI);
        if bucket.blocked_us > now {
            return (wait, 0);
        }
        let used = bucket.arrival_us.saturating_sub(now).max(0);
        let interval = rate.interval_us();
        let free = rate.burst() - used.saturating_add(interval - 1) / interval;
        (wait, u32::try_from(free.max(0)).unwrap_or(u32::MAX))
    }

    /// Until when a block stands that no clock of ours can have written, if it does.
    pub(super) fn blocked_too_long(self, now: Millis) -> Option<Millis> {
        let is_too_long = self.blocked_us > now.saturating_mul(MICROS_PER_MILLI).saturating_add(longest_block_us());
        is_too_long.then_some(self.blocked_us / MICROS_PER_MILLI)
    }

    /// When the bucket would be full again by a clock that was ahead of ours, if one was.
    /// At no rate of ours does a bucket take longer than a minute to fill.
    pub(super) fn full_too_late(self, now: Millis) -> Option<Millis> {
        self.arrives_too_late(MICROS_PER_MINUTE, now).then_some(self.arrival_us / MICROS_PER_MILLI)
    }

    fn arrives_too_late(self, whole_us: i64, now: Millis) -> bool {
        let latest = now.saturating_mul(MICROS_PER_MILLI).saturating_add(whole_us);
        self.arrival_us > latest.saturating_add(CLOCKS_DIFFER_US)
    }

    /// The bucket as far as this clock can believe it. What a taker left further ahead than a bucket can be was left by a wrong clock:
    /// nothing is taken then, and its stop is none either.
    fn as_of(self, rate: Rate, now: Millis) -> Self {
        if self.arrives_too_late(rate.whole_us(), now) {
            return Self::default();
        }
        let now_us = now.saturating_mul(MICROS_PER_MILLI);
        let shares_us = Traffic::ALL.map(|traffic| {
            let longest = rate.whole_us().max(rate.share_interval_us(traffic).saturating_mul(rate.burst()));
            let share = self.shares_us[traffic.index()];
            if share > now_us.saturating_add(longest).saturating_add(CLOCKS_DIFFER_US) { 0 } else { share }
        });
        let blocked_us = if self.blocked_too_long(now).is_some() { 0 } else { self.blocked_us };
        Self { arrival_us: self.arrival_us, shares_us, blocked_us }
    }
}

fn longest_block_us() -> i64 {
    i64::try_from(LONGEST_BLOCK.as_micros()).unwrap_or(i64::MAX).saturating_add(tolerance_us())
}

const fn tolerance_us() -> i64 {
    clock::TOLERANCE.saturating_mul(MICROS_PER_MILLI)
}

fn micros(value: i64) -> Duration {
    Duration::from_micros(u64::try_from(value).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Millis = 1_700_000_000_000;

    fn any_traffic() -> impl Strategy<Value = Traffic> {
        prop::sample::select(Traffic::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn no_minute_holds_more_than_the_rate_and_the_burst(
            per_minute in 1_u32..400,
            burst in 1_u32..30,
            calls in prop::collection::vec((0_i64..5_000, 1_u32..30, 0_u8..40, any_traffic()), 1..200),
        ) {
            let rate = Rate { per_minute, burst };
            let mut bucket = Bucket::default();
            let mut now = START;
            let mut sent: Vec<i64> = Vec::new();
            let mut blocked = 0;
            for (pause, permits, kind, traffic) in calls {
                now += pause;
                if kind == 0 {
                    blocked = blocked.max(now + i64::from(permits) * 1_000);
                    bucket = bucket.block(now + i64::from(permits) * 1_000);
                    continue;
                }
                let permits = permits.min(burst);
                let (after, wait) = bucket.take(traffic, permits, rate, now);
                if wait.is_zero() {
                    prop_assert!(now >= blocked, "sent while blocked");
                    prop_assert!(after.arrival_us <= now * 1_000 + rate.whole_us(), "stored beyond a full bucket");
                    sent.extend(std::iter::repeat_n(now * 1_000, permits as usize));
                } else {
                    prop_assert_eq!(after, bucket, "a refused request takes nothing");
                }
                bucket = after;
            }
            sent.sort_unstable();
            let most = (per_minute + burst) as usize;
            for (from, at) in sent.iter().enumerate() {
                let within = sent[from..].iter().take_while(|other| **other < at + MICROS_PER_MINUTE).count();
                prop_assert!(within <= most, "{within} in one minute, {most} allowed");
            }
        }

        #[test]
        fn whatever_is_stored_who_asks_again_as_told_goes_soon(
            per_minute in 1_u32..400,
            burst in 1_u32..30,
            arrival in prop_oneof![any::<i64>(), -100_000_000_i64..100_000_000],
            share in prop_oneof![any::<i64>(), -100_000_000_i64..100_000_000],
            traffic in any_traffic(),
        ) {
            let rate = Rate { per_minute, burst };
            let at = |offset: i64| (START * 1_000).saturating_add(offset);
            let mut bucket = Bucket { arrival_us: at(arrival), shares_us: [at(share); 4], blocked_us: 0 };
            let mut now = START;
            let mut goes = false;
            for _ in 0..4 {
                let (after, wait) = bucket.take(traffic, 1, rate, now);
                bucket = after;
                now += i64::try_from(wait.as_micros().div_ceil(1_000)).unwrap();
                if wait.is_zero() {
                    goes = true;
                    break;
                }
            }
            prop_assert!(goes, "asked four times");
            let longest = CLOCKS_DIFFER_US + rate.whole_us() + 8 * rate.interval_us();
            prop_assert!((now - START) * 1_000 <= longest, "{} ms", now - START);
            prop_assert!(bucket.arrival_us <= now * 1_000 + rate.whole_us());
        }
    }

    /// Everybody named asks again as soon as it was told to, for so many minutes: how many permits each kind got.
    fn greedy(rate: Rate, who: &[Traffic], minutes: i64) -> [u32; 4] {
        let mut bucket = Bucket::default();
        let mut got = [0; 4];
        let mut asks: Vec<(i64, Traffic)> = who.iter().map(|traffic| (START, *traffic)).collect();
        loop {
            asks.sort_by_key(|(at, _)| *at);
            let (now, traffic) = asks[0];
            if now >= START + minutes * 60_000 {
                return got;
            }
            let (after, wait) = bucket.take(traffic, 1, rate, now);
            bucket = after;
            got[traffic.index()] += u32::from(wait.is_zero());
            asks[0].0 = now + i64::try_from(wait.as_micros().div_ceil(1_000)).unwrap();
        }
    }

    #[test]
    fn no_kind_starves_another_and_one_alone_gets_everything() {
        for (per_minute, burst) in [(180, 10), (60, 3), (600, 33), (12, 1)] {
            let rate = Rate { per_minute, burst };
            let got = greedy(rate, &Traffic::ALL, 10);
            for traffic in Traffic::ALL {
                let share = per_minute * 10 * traffic.tenths() / 10;
                assert!(
                    got[traffic.index()] >= share * 9 / 10,
                    "{traffic:?} got {} of {share} at {per_minute} a minute: {got:?}",
                    got[traffic.index()]
                );
            }
            for traffic in Traffic::ALL {
                let alone = greedy(rate, &[traffic], 10)[traffic.index()];
                assert!(alone >= per_minute * 8, "{traffic:?} alone got {alone} in ten minutes of {per_minute}");
            }
        }
    }

    #[test]
    fn a_flood_of_one_kind_leaves_every_other_a_permit_at_once() {
        let rate = Rate { per_minute: 180, burst: 10 };
        for flood in Traffic::ALL {
            let mut bucket = Bucket::default();
            let mut now = START;
            for _ in 0..10_000 {
                bucket = bucket.take(flood, 1, rate, now).0;
                now += 1;
            }
            for other in Traffic::ALL.into_iter().filter(|other| *other != flood) {
                let (after, wait) = bucket.take(other, 1, rate, now);
                assert_eq!(wait, Duration::ZERO, "{other:?} beside {flood:?}");
                bucket = after;
            }
        }
    }

    #[test]
    fn ten_seconds_of_looping_cost_nobody_more_than_a_moment() {
        let rate = Rate { per_minute: 180, burst: 10 };
        let mut bucket = Bucket::default();
        let taken = (0..100_000).filter(|number| {
            let (after, wait) = bucket.take(Traffic::Countermarks, 1, rate, START + number / 10);
            bucket = after;
            wait.is_zero()
        });
        assert!(taken.count() <= 40);
        let (_, wait) = bucket.take(Traffic::Countermarks, 1, rate, START + 10_000);
        assert!(wait < Duration::from_secs(1), "{wait:?}");
    }

    #[test]
    fn a_bucket_of_a_clock_that_was_a_day_ahead_is_full_and_its_block_is_none() {
        let rate = Rate { per_minute: 180, burst: 10 };
        let tomorrow = START + 24 * 3_600_000;
        let mut bucket = Bucket::default();
        for _ in 0..20 {
            bucket = bucket.take(Traffic::Passes, 1, rate, tomorrow).0;
        }
        assert_eq!(bucket.full_too_late(tomorrow), None);
        assert!(bucket.full_too_late(START).is_some());
        bucket = bucket.block(tomorrow);
        assert_eq!(bucket.blocked_too_long(START), Some(tomorrow));
        for traffic in Traffic::ALL {
            let (_, wait) = bucket.take(traffic, 1, rate, START);
            assert!(wait <= Duration::from_millis(334), "{traffic:?} waits {wait:?}");
        }
        // What pass Culture asks for now outweighs what a wrong clock left.
        assert_eq!(bucket.block(START + 60_000).blocked_us, (START + 60_000) * 1_000);
    }

    #[test]
    fn extreme_numbers_do_not_overflow() {
        let bucket = Bucket { arrival_us: i64::MAX, shares_us: [i64::MAX; 4], blocked_us: i64::MAX };
        let _ = bucket.take(Traffic::Probes, u32::MAX, Rate { per_minute: 0, burst: u32::MAX }, i64::MAX);
        let _ = bucket.left(Rate { per_minute: 0, burst: u32::MAX }, i64::MIN);
        let _ = bucket.block(i64::MAX);
        let low = Bucket { arrival_us: i64::MIN, shares_us: [i64::MIN; 4], blocked_us: i64::MIN };
        let _ = low.take(Traffic::Probes, u32::MAX, Rate { per_minute: 0, burst: u32::MAX }, i64::MIN);
    }
}
