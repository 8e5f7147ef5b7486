//! How often the software of one venue may ask about countermarks, and how many of its requests are under way at once.
//!
//! Each request costs one or two of the account's permits at pass Culture, which every venue of the account shares. Counted by
//! connection in this process: what is refused here costs nobody anything.
//!
//! Invariant: a venue whose software loops keeps others waiting for at most [`AT_ONCE`] requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Requests of one connection under way at once: a few tills.
const AT_ONCE: u32 = 3;
/// Requests at once after a quiet minute: a queue at the door.
const BURST: f64 = 20.0;
/// Requests a minute in the long run; two permits each, that is two thirds of the usual account's.
const PER_MINUTE: f64 = 60.0;
/// Connections remembered; those whose allowance is whole again are forgotten first.
const MOST_REMEMBERED: usize = 10_000;

/// The allowances of all connections.
#[derive(Debug, Default)]
pub(super) struct SoftwareLimits(Arc<Mutex<HashMap<String, Allowance>>>);

#[derive(Clone, Copy, Debug)]
struct Allowance {
    left: f64,
    at: Instant,
    under_way: u32,
}

/// One request under way; over when dropped.
#[derive(Debug)]
pub(super) struct UnderWay {
    limits: Arc<Mutex<HashMap<String, Allowance>>>,
    connection: String,
}

impl SoftwareLimits {
    /// Lets a request begin, or answers after how long to come back.
    pub(super) fn begin(&self, connection: &str, now: Instant) -> Result<UnderWay, Duration> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_REMEMBERED && !known.contains_key(connection) {
            known.retain(|_, allowance| allowance.under_way > 0 || allowance.refilled(now).left < BURST);
        }
        let whole = Allowance { left: BURST, at: now, under_way: 0 };
        let allowance = known.entry(connection.to_owned()).or_insert(whole);
        *allowance = allowance.refilled(now);
        if allowance.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - allowance.left) * 60.0 / PER_MINUTE));
        }
        if allowance.under_way >= AT_ONCE {
            return Err(Duration::from_secs(1));
        }
        allowance.left -= 1.0;
        allowance.under_way += 1;
        Ok(UnderWay { limits: Arc::clone(&self.0), connection: connection.to_owned() })
    }
}

impl Allowance {
    fn refilled(self, now: Instant) -> Self {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        Self { left: (self.left + since * PER_MINUTE / 60.0).min(BURST), at: now, ..self }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut known = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(allowance) = known.get_mut(&self.connection) {
            allowance.under_way = allowance.under_way.saturating_sub(1);
        }
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
            match limits.begin("loops", now) {
                Ok(_over_at_once) => let_in += 1,
                Err(wait) => assert!(!wait.is_zero() && wait <= Duration::from_secs(1), "{wait:?}"),
            }
            if millis % 1_000 == 0 {
                assert!(limits.begin("another", now).is_ok());
            }
        }
        assert_eq!(let_in, 29, "twenty at once and nearly ten in ten seconds");
    }

    #[test]
    fn few_are_under_way_at_once() {
        let (limits, now) = (SoftwareLimits::default(), Instant::now());
        let mut under_way: Vec<UnderWay> = (0..AT_ONCE).map(|_| limits.begin("shop", now).unwrap()).collect();
        assert_eq!(limits.begin("shop", now).unwrap_err(), Duration::from_secs(1));
        assert!(limits.begin("another", now).is_ok());
        under_way.pop();
        assert!(limits.begin("shop", now).is_ok());
    }

    #[test]
    fn those_who_are_quiet_are_forgotten() {
        let (limits, began) = (SoftwareLimits::default(), Instant::now());
        let _one = limits.begin("at work", began).unwrap();
        for number in 0..MOST_REMEMBERED + 5 {
            let now = began + Duration::from_secs(number as u64);
            drop(limits.begin(&format!("shop-{number}"), now));
        }
        let known = limits.0.lock().unwrap();
        assert!(known.len() <= MOST_REMEMBERED && known.contains_key("at work"), "{}", known.len());
    }
}
