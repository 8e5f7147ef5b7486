//! How much was sent and is not seen, and for how long: for the health of a connection.

use std::time::Duration;

use super::inflight::Rules;
use crate::store::ledger::Scan;
use crate::store::{Millis, Store, StoreError};

/// What pass Culture accepted and does not show as it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unseen {
    /// All EANs of the connection.
    pub all: u64,
    /// Those that wait for longer than was asked.
    pub too_long: u64,
}

impl Unseen {
    /// Counts, with the wait between two tries as configured; times in milliseconds.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn of(
        store: &dyn Store,
        connection: &str,
        resend_after: Duration,
        now: Millis,
        too_long: Millis,
    ) -> Result<Self, StoreError> {
        let rules = Rules { now, resend_after };
        let mut unseen = Self::default();
        let mut scan = Scan::at_work(store, connection);
        while let Some(page) = scan.next_page().await? {
            for sent in page.iter().filter_map(|entry| entry.acknowledged.sent()) {
                unseen.all += 1;
                unseen.too_long += u64::from(rules.unseen_for(sent) > too_long);
            }
        }
        Ok(unseen)
    }
}
