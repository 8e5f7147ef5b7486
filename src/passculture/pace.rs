//! One permit for each attempt, taken from the shared budget, several at a time when the rate is high.
//!
//! Invariant: no attempt starts before its permit is due, nor while a block is in force that this process knows of.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::budget::{Budget, BudgetError};
use super::client::{Clock, Millis};

/// The bucket holds this fraction of a minute's requests: at 180 a minute ten at once, so at most 190 in any minute, below
/// pass Culture's documented 200.
const BURST_DIVISOR: u32 = 18;

/// Permits are taken for at most a 240th of a minute (250 ms) at once: one at the usual rate, 250 at the highest, which
/// keeps the store out of the way without hoarding.
const BATCH_DIVISOR: u32 = 240;

/// Permits kept longer than this are dropped: used later they would come on top of a bucket that has refilled.
const KEPT_FOR: Millis = 1_000;

/// Paces one account's requests in this process.
pub(super) struct Pace {
    budget: Arc<dyn Budget>,
    account: String,
    per_minute: u32,
    clock: Clock,
    kept: tokio::sync::Mutex<Kept>,
    /// Told by a 429 that this process saw; the budget tells the others.
    blocked_until: AtomicI64,
}

#[derive(Clone, Copy, Default)]
struct Kept {
    permits: u32,
    due: Millis,
}

/// Why an attempt may not start.
pub(super) enum PaceError {
    /// The bucket cannot be reached.
    Budget(BudgetError),
    /// Its turn comes too late to wait for.
    TooLate {
        /// When it would come.
        until: Millis,
    },
}

impl Pace {
    pub(super) fn new(budget: Arc<dyn Budget>, account: String, per_minute: u32, clock: Clock) -> Self {
        let kept = tokio::sync::Mutex::new(Kept::default());
        Self { budget, account, per_minute, clock, kept, blocked_until: AtomicI64::new(Millis::MIN) }
    }

    pub(super) fn per_minute(&self) -> u32 {
        self.per_minute
    }

    pub(super) fn burst(&self) -> u32 {
        (self.per_minute / BURST_DIVISOR).max(1)
    }

    /// Waits for a permit, at most `patience`; answers how long it took.
    pub(super) async fn permit(&self, patience: Duration) -> Result<Duration, PaceError> {
        let started = (self.clock)();
        let due = self.take_one(started).await.map_err(PaceError::Budget)?;
        loop {
            let now = (self.clock)();
            let until = due.max(self.blocked_until.load(Ordering::Acquire));
            if until <= now {
                return Ok(between(started, now));
            }
            if between(started, until) > patience {
                return Err(PaceError::TooLate { until });
            }
            // A block may be set while this sleeps, hence the loop.
            tokio::time::sleep(between(now, until)).await;
        }
    }

    /// Takes the next permit and answers when it is due.
    async fn take_one(&self, now: Millis) -> Result<Millis, BudgetError> {
        // Held across the store's answer on purpose: one question at a time per process, answered in order.
        let mut kept = self.kept.lock().await;
        if kept.permits == 0 || now > kept.due.saturating_add(KEPT_FOR) {
            let batch = (self.per_minute / BATCH_DIVISOR).max(1);
            let wait = self.budget.take(&self.account, batch, self.per_minute, self.burst(), now).await?;
            *kept = Kept { permits: batch, due: now.saturating_add(millis(wait)) };
        }
        kept.permits -= 1;
        Ok(kept.due)
    }

    /// Stops everybody until then.
    pub(super) async fn block(&self, until: Millis) -> Result<(), BudgetError> {
        self.blocked_until.fetch_max(until, Ordering::AcqRel);
        self.budget.block(&self.account, until).await
    }
}

fn millis(duration: Duration) -> Millis {
    // Rounded up: a permit is never used early.
    Millis::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(Millis::MAX)
}

fn between(from: Millis, to: Millis) -> Duration {
    Duration::from_millis(u64::try_from(to.saturating_sub(from)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use passerelle_contract::BoxFuture;

    use super::*;

    #[derive(Default)]
    struct Recorder {
        taken: Mutex<Vec<(u32, u32)>>,
        blocked: Mutex<Vec<Millis>>,
        wait: Duration,
    }

    impl Budget for Recorder {
        fn take<'a>(
            &'a self,
            _: &'a str,
            permits: u32,
            _: u32,
            burst: u32,
            _: Millis,
        ) -> BoxFuture<'a, Result<Duration, BudgetError>> {
            self.taken.lock().unwrap().push((permits, burst));
            Box::pin(async { Ok(self.wait) })
        }

        fn block<'a>(&'a self, _: &'a str, until: Millis) -> BoxFuture<'a, Result<(), BudgetError>> {
            self.blocked.lock().unwrap().push(until);
            Box::pin(async { Ok(()) })
        }
    }

    fn pace(per_minute: u32, wait: Duration) -> (Pace, Arc<Recorder>, Arc<AtomicI64>) {
        let recorder = Arc::new(Recorder { wait, ..Recorder::default() });
        let time = Arc::new(AtomicI64::new(1_000));
        let seen = time.clone();
        let clock: Clock = Arc::new(move || seen.load(Ordering::Relaxed));
        (Pace::new(recorder.clone(), "default".into(), per_minute, clock), recorder, time)
    }

    #[tokio::test]
    async fn at_the_usual_rate_each_attempt_takes_one_permit_with_ten_at_once() {
        let (pace, recorder, _) = pace(180, Duration::ZERO);
        for _ in 0..3 {
            assert!(pace.permit(Duration::ZERO).await.is_ok());
        }
        assert_eq!(*recorder.taken.lock().unwrap(), [(1, 10), (1, 10), (1, 10)]);
    }

    #[tokio::test]
    async fn at_a_high_rate_the_store_is_asked_once_for_many_and_stale_permits_are_dropped() {
        let (pace, recorder, time) = pace(60_000, Duration::ZERO);
        for _ in 0..250 {
            assert!(pace.permit(Duration::ZERO).await.is_ok());
        }
        assert_eq!(*recorder.taken.lock().unwrap(), [(250, 3333)]);
        assert!(pace.permit(Duration::ZERO).await.is_ok());
        time.fetch_add(KEPT_FOR + 1, Ordering::Relaxed);
        assert!(pace.permit(Duration::ZERO).await.is_ok());
        assert_eq!(recorder.taken.lock().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn one_request_a_minute_still_has_a_bucket_of_one() {
        let (pace, recorder, _) = pace(1, Duration::ZERO);
        assert!(pace.permit(Duration::ZERO).await.is_ok());
        assert_eq!(*recorder.taken.lock().unwrap(), [(1, 1)]);
    }

    #[tokio::test]
    async fn a_turn_beyond_patience_is_refused_with_its_time() {
        let (pace, _, _) = pace(180, Duration::from_secs(300));
        let Err(PaceError::TooLate { until }) = pace.permit(Duration::from_secs(120)).await else { panic!("waited") };
        assert_eq!(until, 301_000);
    }

    #[tokio::test]
    async fn a_block_stops_permits_that_were_already_taken() {
        let (pace, recorder, _) = pace(60_000, Duration::ZERO);
        assert!(pace.permit(Duration::ZERO).await.is_ok());
        assert!(pace.block(5_000).await.is_ok());
        assert!(matches!(pace.permit(Duration::ZERO).await, Err(PaceError::TooLate { until: 5_000 })));
        assert_eq!(*recorder.blocked.lock().unwrap(), [5_000]);
    }
}
