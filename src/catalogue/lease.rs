//! Holding a connection while a pass moves its state.
//!
//! A lease is renewed in the background until it is given back. When it is lost (this process slept too long and another took
//! over), the store refuses every later write of this pass; so losing it is safe, and only costs the work done.

use std::sync::Arc;
use std::time::Duration;

use crate::store::{LEASE, Lease, LeaseAnswer, Millis, Owner, Store, StoreError, is_dead};

const RENEW_EVERY: Duration = Duration::from_secs(10);

/// A lease that renews itself.
#[derive(Debug)]
pub struct Held {
    lease: Lease,
    store: Arc<dyn Store>,
    renewal: tokio::task::JoinHandle<()>,
}

/// Answer to [`take`].
#[derive(Debug)]
pub enum Taken {
    /// It is ours.
    Ours(Held),
    /// Somebody alive has it, until then unless renewed.
    Theirs(Owner, Millis),
    /// No such connection.
    Unknown,
}

/// Takes a connection's lease; a dead process of this machine is not waited for.
///
/// # Errors
/// When the store does not answer.
pub async fn take(
    store: &Arc<dyn Store>,
    connection: &str,
    who: &Owner,
    now: fn() -> Millis,
) -> Result<Taken, StoreError> {
    let ttl = LEASE;
    match store.acquire_lease(connection, who, now(), ttl, &is_dead).await? {
        LeaseAnswer::Granted(lease) => {
            let renewal = tokio::spawn(renew(Arc::clone(store), lease.clone(), now, ttl));
            Ok(Taken::Ours(Held { lease, store: Arc::clone(store), renewal }))
        }
        LeaseAnswer::Held { by, until } => Ok(Taken::Theirs(by, until)),
        LeaseAnswer::NoSuchConnection => Ok(Taken::Unknown),
    }
}

async fn renew(store: Arc<dyn Store>, lease: Lease, now: fn() -> Millis, ttl: Duration) {
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        match store.renew_lease(&lease, now(), ttl).await {
            Ok(()) => {}
            Err(StoreError::Fenced { connection }) => {
                tracing::warn!(connection, "lease lost to another worker; this pass will stop at its next write");
                return;
            }
            // The store may come back before the lease runs out; every write tells the truth anyway.
            Err(error) => tracing::warn!(%error, "lease not renewed"),
        }
    }
}

impl Held {
    /// The lease, for writes.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Gives it back. Dropping without this only leaves the lease to run out.
    pub async fn release(self) {
        self.renewal.abort();
        if let Err(error) = self.store.release_lease(&self.lease).await {
            tracing::warn!(%error, connection = self.lease.connection, "lease not given back; it runs out by itself");
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}
