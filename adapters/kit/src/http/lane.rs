//! Politeness: how many requests this process has in flight to one host.
//!
//! Shared by all connections, since twenty shops may live on one vendor's server. Probes have a lane of their own: health
//! must not wait for a long pass. Bookings too: a beneficiary must not wait for one either.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::Config;

/// Which queue a request waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Passes.
    Work,
    /// Health questions.
    Probe,
    /// Sales and cancellations.
    Booking,
}

type Key = (String, Lane, u32);

static LANES: LazyLock<Mutex<HashMap<Key, Weak<Semaphore>>>> = LazyLock::new(Mutex::default);

/// Waits for a place. Connections of one host that set different limits count apart.
pub(super) async fn enter(base: &Url, lane: Lane, config: &Config) -> Option<OwnedSemaphorePermit> {
    let limit = if lane == Lane::Booking { config.booking_concurrency } else { config.concurrency };
    let key = (base.origin().ascii_serialization(), lane, limit.max(1));
    // Never closed, so this is always a place.
    semaphore(key).acquire_owned().await.ok()
}

fn semaphore(key: Key) -> Arc<Semaphore> {
    let mut lanes = LANES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = lanes.get(&key).and_then(Weak::upgrade) {
        return known;
    }
    // Lanes that nobody holds go, so that the map stays as small as the traffic.
    lanes.retain(|_, lane| lane.strong_count() > 0);
    let fresh = Arc::new(Semaphore::new(key.2 as usize));
    lanes.insert(key, Arc::downgrade(&fresh));
    fresh
}
