//! Places left as the software last told them: it has no call to ask for them.
//!
//! Invariant: bounded; what was told longer ago than [`FRESH`] is no answer to "how many are left now".

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use passerelle_contract::Quantity;

/// Counts kept.
const MAX_KNOWN: usize = 10_000;
/// How long a count is news: seats are sold elsewhere meanwhile.
const FRESH: Duration = Duration::from_secs(60);

/// Counts by the key of places.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<HashMap<String, (Quantity, Instant)>>);

impl Known {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Quantity, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was just told.
    pub(crate) fn told(&self, key: &str, left: Quantity) {
        let mut known = self.lock();
        if known.len() >= MAX_KNOWN && !known.contains_key(key) {
            known.retain(|_, (_, at)| at.elapsed() < FRESH);
            // A venue with so many fresh counts loses them all, and is told them anew with its next sales.
            if known.len() >= MAX_KNOWN {
                known.clear();
            }
        }
        known.insert(key.to_owned(), (left, Instant::now()));
    }

    /// What was last told is not true any more.
    pub(crate) fn forget(&self, key: &str) {
        self.lock().remove(key);
    }

    /// What was last told, however long ago.
    pub(crate) fn last(&self, key: &str) -> Option<Quantity> {
        self.lock().get(key).map(|(left, _)| *left)
    }

    /// What was told a moment ago.
    pub(crate) fn fresh(&self, key: &str) -> Option<Quantity> {
        self.lock().get(key).filter(|(_, at)| at.elapsed() < FRESH).map(|(left, _)| *left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let known = Known::default();
        for at in 0..MAX_KNOWN + 10 {
            known.told(&at.to_string(), Quantity::Exactly(1));
        }
        assert!(known.lock().len() <= MAX_KNOWN);
        known.told("a", Quantity::Unlimited);
        assert_eq!((known.last("a"), known.fresh("a")), (Some(Quantity::Unlimited), Some(Quantity::Unlimited)));
        known.forget("a");
        assert_eq!(known.fresh("a"), None);
    }
}
