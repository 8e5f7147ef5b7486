//! Locks that are held while a provider is waited for: one per stock, one per beneficiary.
//!
//! The real backend holds these rows of its database during the call, so that a slow ticketing makes a queue.
//!
//! Invariant: a stock is always taken before a beneficiary, and several stocks in ascending order, so that nobody
//! waits in a circle.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// Entries past which those that nobody holds are forgotten.
const TIDY_ABOVE: usize = 1_000;

/// What can be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Row {
    Stock(u64),
    Person(usize),
}

#[derive(Default)]
pub(crate) struct Locks(Mutex<HashMap<Row, Arc<tokio::sync::Mutex<()>>>>);

impl Locks {
    /// Waits for the row and holds it until the guard is dropped.
    pub(crate) async fn hold(&self, row: Row) -> OwnedMutexGuard<()> {
        let lock = {
            let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if rows.len() > TIDY_ABOVE {
                rows.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            rows.entry(row).or_default().clone()
        };
        lock.lock_owned().await
    }
}
