//! Sessions at vendors, kept in the store: what adapters are given as their keeper.
//!
//! Invariant: texts pass through as they are; nobody here can open them.

use std::sync::Arc;
use std::time::Duration;

use passerelle_contract::{AdapterError, BoxFuture, Class, SessionKeeper, SessionLock};

use crate::store::{Millis, Store, StoreError};

/// Keeps sessions for all processes with one store.
#[derive(Debug)]
pub struct StoredSessions {
    store: Arc<dyn Store>,
    now: fn() -> Millis,
}

impl StoredSessions {
    /// A keeper over a store.
    #[must_use]
    pub fn keeper(store: Arc<dyn Store>, now: fn() -> Millis) -> Arc<dyn SessionKeeper> {
        Arc::new(Self { store, now })
    }
}

fn not_kept(error: StoreError) -> AdapterError {
    let why = "the store does not answer, so that nobody knows whether another process is signed in; it is tried again";
    AdapterError::new(Class::Transient, "SessionNotKept", "sign in", why).caused_by(error)
}

impl SessionKeeper for StoredSessions {
    fn load<'a>(&'a self, account: &'a str) -> BoxFuture<'a, Result<Option<String>, AdapterError>> {
        Box::pin(async move { self.store.session(account).await.map_err(not_kept) })
    }

    fn lock<'a>(&'a self, account: &'a str, ttl: Duration) -> BoxFuture<'a, Result<Option<SessionLock>, AdapterError>> {
        Box::pin(async move {
            let now = (self.now)();
            let until = now.saturating_add(Millis::try_from(ttl.as_millis()).unwrap_or(Millis::MAX));
            let fence = self.store.lock_session(account, now, until).await.map_err(not_kept)?;
            Ok(fence.map(|fence| SessionLock { account: account.to_owned(), fence }))
        })
    }

    fn unlock<'a>(&'a self, lock: &'a SessionLock, keep: Option<&'a str>) -> BoxFuture<'a, Result<bool, AdapterError>> {
        Box::pin(async move { self.store.unlock_session(&lock.account, lock.fence, keep).await.map_err(not_kept) })
    }
}
