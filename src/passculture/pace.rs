//! One permit for each attempt, taken from the shared budget when it may be used and not before.
//!
//! Each kind of traffic has a line of its own in this process, first come, first served: only who is at its head asks the budget.
//! Whoever cannot wait goes away without having taken anything.
//!
//! Invariant: no attempt starts without a permit of the budget, nor while a block is in force that this process knows of.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;

use super::budget::{Budget, BudgetError, Traffic};
use super::client::{Clock, Millis};
use crate::clock;
use crate::store::LONGEST_BLOCK;

/// The bucket holds this fraction of a minute's requests: at 180 a minute ten at once, so at most 190 in any minute, below
/// pass Culture's documented 200.
const BURST_DIVISOR: u32 = 18;

/// Permits are taken for at most a 240th of a minute (250 ms) at once: one at the usual rate, 250 at the highest, which
/// keeps the store out of the way without hoarding.
const BATCH_DIVISOR: u32 = 240;

/// Permits kept longer than this are dropped: used later they would come on top of a bucket that has refilled.
const KEPT_FOR: Millis = 1_000;

/// The budget is asked again no sooner than this, however soon it says.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// Paces one account's requests in this process.
pub(super) struct Pace {
    budget: Arc<dyn Budget>,
    account: String,
    per_minute: u32,
    clock: Clock,
    /// One line for each kind of traffic.
    lines: [Mutex<Line>; Traffic::ALL.len()],
    /// Told by a 429 that this process saw; the budget tells the others.
    blocked_until: AtomicI64,
}

/// What the head of a line knows.
#[derive(Clone, Copy, Default)]
struct Line {
    permits: u32,
    /// When they were taken, or when the budget said to wait.
    asked_at: Millis,
    /// The budget has nothing before.
    nothing_before: Millis,
}

/// Why an attempt may not start. It took nothing.
pub(super) enum PaceError {
    /// The bucket cannot be reached.
    Budget(BudgetError),
    /// Its turn comes too late to wait for.
    TooLate {
        /// When asking again makes sense.
        until: Millis,
    },
}

impl Pace {
    pub(super) fn new(budget: Arc<dyn Budget>, account: String, per_minute: u32, clock: Clock) -> Self {
        Self {
            budget,
            account,
            per_minute,
            clock,
            lines: Default::default(),
            blocked_until: AtomicI64::new(Millis::MIN),
        }
    }

    pub(super) fn per_minute(&self) -> u32 {
        self.per_minute
    }

    pub(super) fn burst(&self) -> u32 {
        (self.per_minute / BURST_DIVISOR).max(1)
    }

    /// Waits for a permit, at most `patience`; answers how long it took.
    pub(super) async fn permit(&self, traffic: Traffic, patience: Duration) -> Result<Duration, PaceError> {
        let started = (self.clock)();
        self.blocked(started, started, patience)?;
        let Ok(mut line) = timeout(patience, self.lines[traffic.index()].lock()).await else {
            return Err(PaceError::TooLate { until: (self.clock)() });
        };
        // Held across the store's answer and the wait on purpose: one question at a time, answered in order.
        loop {
            let now = (self.clock)();
            // A block may have been set while this waited.
            if let Some(until) = self.blocked(started, now, patience)? {
                tokio::time::sleep(between(now, until).max(SHORTEST_WAIT)).await;
                continue;
            }
            let is_fresh = (0..=KEPT_FOR).contains(&now.saturating_sub(line.asked_at));
            if line.permits > 0 && is_fresh {
                line.permits -= 1;
                return Ok(between(started, now));
            }
            let until = self.ask(&mut line, traffic, now).await.map_err(PaceError::Budget)?;
            if let Some(until) = until {
                self.bearable(started, until, patience)?;
                tokio::time::sleep(between(now, until).max(SHORTEST_WAIT)).await;
            }
        }
    }

    /// Takes permits into the line, or answers until when the budget has none.
    async fn ask(&self, line: &mut Line, traffic: Traffic, now: Millis) -> Result<Option<Millis>, BudgetError> {
        // What was said a moment ago need not be asked again, unless the clock was set back meanwhile.
        if (line.asked_at..line.nothing_before).contains(&now) {
            return Ok(Some(line.nothing_before));
        }
        let batch = (self.per_minute / BATCH_DIVISOR).max(1);
        let wait = self.budget.take(&self.account, traffic, batch, self.per_minute, self.burst(), now).await?;
        let nothing_before = now.saturating_add(millis(wait));
        *line = Line { permits: if wait.is_zero() { batch } else { 0 }, asked_at: now, nothing_before };
        Ok((!wait.is_zero()).then_some(nothing_before))
    }

    /// Until when this process knows the account to be blocked.
    fn blocked(&self, started: Millis, now: Millis, patience: Duration) -> Result<Option<Millis>, PaceError> {
        let until = self.blocked_until.load(Ordering::Acquire);
        // A clock that was set back leaves a block that lasts longer than any.
        if until <= now || clock::is_ahead(until, millis(LONGEST_BLOCK), now) {
            return Ok(None);
        }
        self.bearable(started, until, patience).map(|()| Some(until))
    }

    fn bearable(&self, started: Millis, until: Millis, patience: Duration) -> Result<(), PaceError> {
        if between(started, until) > patience { Err(PaceError::TooLate { until }) } else { Ok(()) }
    }

    /// Stops everybody until then.
    pub(super) async fn block(&self, until: Millis) -> Result<(), BudgetError> {
        let longest = until.saturating_add(millis(LONGEST_BLOCK));
        let standing = self.blocked_until.load(Ordering::Acquire);
        if standing > longest {
            self.blocked_until.store(until, Ordering::Release);
        }
        self.blocked_until.fetch_max(until, Ordering::AcqRel);
        self.budget.block(&self.account, until).await
    }
}

fn millis(duration: Duration) -> Millis {
    // Rounded up: the budget is never asked early.
    Millis::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(Millis::MAX)
}

fn between(from: Millis, to: Millis) -> Duration {
    Duration::from_millis(u64::try_from(to.saturating_sub(from)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;

    use passerelle_contract::BoxFuture;

    use super::*;

    #[derive(Default)]
    struct Recorder {
        taken: StdMutex<Vec<(u32, u32)>>,
        blocked: StdMutex<Vec<Millis>>,
        /// Answered one by one; then there is no wait.
        waits: StdMutex<Vec<Duration>>,
    }

    impl Budget for Recorder {
        fn take<'a>(
            &'a self,
            _: &'a str,
            _: Traffic,
            permits: u32,
            _: u32,
            burst: u32,
            _: Millis,
        ) -> BoxFuture<'a, Result<Duration, BudgetError>> {
            self.taken.lock().unwrap().push((permits, burst));
            let wait = self.waits.lock().unwrap().pop().unwrap_or_default();
            Box::pin(async move { Ok(wait) })
        }

        fn block<'a>(&'a self, _: &'a str, until: Millis) -> BoxFuture<'a, Result<(), BudgetError>> {
            self.blocked.lock().unwrap().push(until);
            Box::pin(async { Ok(()) })
        }
    }

    fn pace(per_minute: u32, waits: &[Duration]) -> (Pace, Arc<Recorder>, Arc<AtomicI64>) {
        let recorder = Arc::new(Recorder { waits: StdMutex::new(waits.to_vec()), ..Recorder::default() });
        let time = Arc::new(AtomicI64::new(1_000));
        let seen = time.clone();
        let clock: Clock = Arc::new(move || seen.load(Ordering::Relaxed));
        (Pace::new(recorder.clone(), "default".into(), per_minute, clock), recorder, time)
    }

    #[tokio::test]
    async fn at_the_usual_rate_each_attempt_takes_one_permit_with_ten_at_once() {
        let (pace, recorder, _) = pace(180, &[]);
        for _ in 0..3 {
            assert!(pace.permit(Traffic::Passes, Duration::ZERO).await.is_ok());
        }
        assert_eq!(*recorder.taken.lock().unwrap(), [(1, 10), (1, 10), (1, 10)]);
    }

    #[tokio::test]
    async fn at_a_high_rate_the_store_is_asked_once_for_many_and_stale_permits_are_dropped() {
        let (pace, recorder, time) = pace(60_000, &[]);
        for _ in 0..250 {
            assert!(pace.permit(Traffic::Passes, Duration::ZERO).await.is_ok());
        }
        assert_eq!(*recorder.taken.lock().unwrap(), [(250, 3333)]);
        assert!(pace.permit(Traffic::Passes, Duration::ZERO).await.is_ok());
        time.fetch_add(KEPT_FOR + 1, Ordering::Relaxed);
        assert!(pace.permit(Traffic::Passes, Duration::ZERO).await.is_ok());
        assert_eq!(recorder.taken.lock().unwrap().len(), 3);
        // Permits of a clock that was ahead are worth no more.
        time.fetch_sub(3_600_000, Ordering::Relaxed);
        assert!(pace.permit(Traffic::Passes, Duration::ZERO).await.is_ok());
        assert_eq!(recorder.taken.lock().unwrap().len(), 4);
    }

    #[tokio::test]
    async fn one_request_a_minute_still_has_a_bucket_of_one() {
        let (pace, recorder, _) = pace(1, &[]);
        assert!(pace.permit(Traffic::Probes, Duration::ZERO).await.is_ok());
        assert_eq!(*recorder.taken.lock().unwrap(), [(1, 1)]);
    }

    #[tokio::test]
    async fn a_turn_beyond_patience_is_refused_with_its_time_and_the_store_is_left_alone() {
        let (pace, recorder, time) = pace(180, &[Duration::from_secs(300)]);
        for _ in 0..1_000 {
            let refused = pace.permit(Traffic::Countermarks, Duration::from_secs(120)).await;
            let Err(PaceError::TooLate { until }) = refused else { panic!("waited") };
            assert_eq!(until, 301_000);
        }
        assert_eq!(recorder.taken.lock().unwrap().len(), 1);
        assert!(pace.permit(Traffic::Passes, Duration::ZERO).await.is_ok(), "another kind has a line of its own");
        time.fetch_sub(900, Ordering::Relaxed);
        assert!(pace.permit(Traffic::Countermarks, Duration::ZERO).await.is_ok(), "the clock was set back: asked anew");
    }

    #[tokio::test]
    async fn who_waits_goes_in_order_and_who_cannot_wait_leaves_the_line() {
        let recorder =
            Arc::new(Recorder { waits: StdMutex::new(vec![Duration::from_millis(400)]), ..Recorder::default() });
        let began = std::time::Instant::now();
        let clock: Clock = Arc::new(move || i64::try_from(began.elapsed().as_millis()).unwrap());
        let pace = Arc::new(Pace::new(recorder.clone(), "default".into(), 180, clock));
        let ask = |patience| {
            let pace = Arc::clone(&pace);
            async move { pace.permit(Traffic::Passes, Duration::from_millis(patience)).await.is_ok() }
        };
        assert_eq!(tokio::join!(ask(500), ask(300), ask(500)), (true, false, true));
        assert_eq!(
            recorder.taken.lock().unwrap().len(),
            3,
            "two were given, one was to wait; nobody asked for the third"
        );
    }

    #[tokio::test]
    async fn a_block_stops_permits_that_were_already_taken() {
        let (pace, recorder, time) = pace(60_000, &[]);
        assert!(pace.permit(Traffic::Passes, Duration::ZERO).await.is_ok());
        assert!(pace.block(5_000).await.is_ok());
        let refused = pace.permit(Traffic::Passes, Duration::ZERO).await;
        assert!(matches!(refused, Err(PaceError::TooLate { until: 5_000 })));
        assert_eq!(*recorder.blocked.lock().unwrap(), [5_000]);
        // A block of a clock that was a day ahead is none, and gives way to one that is meant.
        time.fetch_sub(24 * 3_600_000, Ordering::Relaxed);
        assert!(pace.permit(Traffic::Passes, Duration::ZERO).await.is_ok());
        let until = time.load(Ordering::Relaxed) + 4_000;
        assert!(pace.block(until).await.is_ok());
        let refused = pace.permit(Traffic::Passes, Duration::ZERO).await;
        assert!(matches!(refused, Err(PaceError::TooLate { until: told }) if told == until));
    }
}
