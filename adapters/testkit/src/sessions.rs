//! A keeper of sessions in memory, for tests of adapters with several "processes".

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use passerelle_contract::{AdapterError, BoxFuture, SessionKeeper, SessionLock};

/// Keeps sessions while it lives. Share it in an `Arc`.
#[derive(Debug, Default)]
pub struct MemorySessions(Mutex<HashMap<String, Row>>);

#[derive(Debug, Default)]
struct Row {
    kept: Option<String>,
    fence: i64,
    locked_until: Option<Instant>,
}

impl MemorySessions {
    /// Everything that is kept, as it is kept.
    #[must_use]
    pub fn kept(&self) -> Vec<String> {
        let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rows.values().filter_map(|row| row.kept.clone()).collect()
    }
}

impl SessionKeeper for MemorySessions {
    fn load<'a>(&'a self, account: &'a str) -> BoxFuture<'a, Result<Option<String>, AdapterError>> {
        Box::pin(async move {
            let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(rows.get(account).and_then(|row| row.kept.clone()))
        })
    }

    fn lock<'a>(&'a self, account: &'a str, ttl: Duration) -> BoxFuture<'a, Result<Option<SessionLock>, AdapterError>> {
        Box::pin(async move {
            let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let row = rows.entry(account.to_owned()).or_default();
            if row.locked_until.is_some_and(|until| until > Instant::now()) {
                return Ok(None);
            }
            row.fence += 1;
            row.locked_until = Some(Instant::now() + ttl);
            Ok(Some(SessionLock { account: account.to_owned(), fence: row.fence }))
        })
    }

    fn unlock<'a>(&'a self, lock: &'a SessionLock, keep: Option<&'a str>) -> BoxFuture<'a, Result<bool, AdapterError>> {
        Box::pin(async move {
            let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(row) = rows.get_mut(&lock.account).filter(|row| row.fence == lock.fence) else { return Ok(false) };
            row.locked_until = None;
            if let Some(text) = keep {
                row.kept = Some(text.to_owned());
            }
            Ok(true)
        })
    }
}
