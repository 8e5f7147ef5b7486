//! How often the software of one venue may ask about countermarks, and how many of its requests are under way at once.
//!
//! Each request costs one or two of the account's permits at pass Culture, which every venue of the account shares. Counted by
//! connection in this process: what is refused here costs nobody anything.
//!
//! Invariant: a venue whose software loops keeps others waiting for at most [`AT_ONCE`] requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// Requests of one connection under way at once: a few tills. More of them wait.
const AT_ONCE: usize = 3;
/// How long they do.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// A connection may ask for this part of what the account may in a minute: 60 of 180. Each request is up to two of those.
const PART_OF_THE_ACCOUNT: u32 = 3;
/// A quiet connection may ask for this part of its minute at once: 20 of 60, a queue at the door.
const PART_AT_ONCE: f64 = 3.0;
/// Connections remembered; those whose allowance is whole again are forgotten first.
const MOST_REMEMBERED: usize = 10_000;

/// The allowances of all connections.
#[derive(Debug, Default)]
pub(super) struct SoftwareLimits(Mutex<HashMap<String, Allowance>>);

#[derive(Debug)]
struct Allowance {
    /// Requests that may begin now.
    left: f64,
    at: Instant,
    /// Requests a minute.
    rate: f64,
    under_way: Arc<Semaphore>,
}

impl SoftwareLimits {
    /// Lets a request begin, which is over when what is answered is dropped; or answers after how long to come back.
    pub(super) async fn begin(&self, connection: &str, of_the_account: u32) -> Result<OwnedSemaphorePermit, Duration> {
        let under_way = self.count(connection, of_the_account, Instant::now())?;
        let waited = timeout(LONGEST_WAIT, under_way.acquire_owned()).await;
        waited.ok().and_then(Result::ok).ok_or(Duration::from_secs(1))
    }

    /// Counts one more request of a connection, unless it had its share.
    fn count(&self, connection: &str, of_the_account: u32, now: Instant) -> Result<Arc<Semaphore>, Duration> {
        let rate = f64::from((of_the_account / PART_OF_THE_ACCOUNT).max(1));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_REMEMBERED && !known.contains_key(connection) {
            known.retain(|_, allowance| {
                allowance.refill(now);
                allowance.left < allowance.most() || allowance.under_way.available_permits() < AT_ONCE
            });
        }
        let allowance = known.entry(connection.to_owned()).or_insert_with(|| Allowance {
            left: f64::MAX,
            at: now,
            rate,
            under_way: Arc::new(Semaphore::new(AT_ONCE)),
        });
        allowance.rate = rate;
        allowance.refill(now);
        if allowance.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - allowance.left) * 60.0 / rate));
        }
        allowance.left -= 1.0;
        Ok(Arc::clone(&allowance.under_way))
    }
}

impl Allowance {
    fn most(&self) -> f64 {
        (self.rate / PART_AT_ONCE).max(1.0)
    }

    fn refill(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + since * self.rate / 60.0).min(self.most());
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_gets_its_burst_then_one_a_second_and_others_all_they_ask_for() {
        let (limits, began) = (SoftwareLimits::default(), Instant::now());
        let mut let_in = 0;
        for millis in 0..10_000 {
            let now = began + Duration::from_millis(millis);
            match limits.count("loops", 180, now) {
                Ok(_) => let_in += 1,
                Err(wait) => assert!(!wait.is_zero() && wait <= Duration::from_secs(1), "{wait:?}"),
            }
            if millis % 1_000 == 0 {
                assert!(limits.count("another", 180, now).is_ok());
            }
        }
        assert_eq!(let_in, 29, "twenty at once and nearly ten in ten seconds");
    }

    #[tokio::test]
    async fn few_are_under_way_at_once_and_more_wait_for_them() {
        let limits = SoftwareLimits::default();
        let mut under_way = Vec::new();
        for _ in 0..AT_ONCE {
            under_way.push(limits.begin("shop", 180).await.unwrap());
        }
        let one_more = async {
            let began = Instant::now();
            limits.begin("shop", 180).await.map(|_| began.elapsed())
        };
        let ends = async {
            assert!(limits.begin("another", 180).await.is_ok());
            tokio::time::sleep(Duration::from_millis(50)).await;
            under_way.pop();
        };
        let (waited, ()) = tokio::join!(one_more, ends);
        assert!(waited.unwrap() >= Duration::from_millis(50));
    }

    #[test]
    fn those_who_are_quiet_are_forgotten() {
        let (limits, began) = (SoftwareLimits::default(), Instant::now());
        let _busy = limits.count("at work", 180, began).unwrap().try_acquire_owned().unwrap();
        for number in 0..MOST_REMEMBERED + 5 {
            let now = began + Duration::from_secs(u64::try_from(number).unwrap());
            assert!(limits.count(&format!("shop-{number}"), 180, now).is_ok());
        }
        let known = limits.0.lock().unwrap();
        assert!(known.len() <= MOST_REMEMBERED && known.contains_key("at work"), "{}", known.len());
    }
}
