//! Who is told of bookings, and who may speak for a venue's software: connections whose adapter has notices.
//!
//! Remembered for a moment, since every notification and every call of a venue's software asks. A connection whose adapter
//! cannot be made for a moment (its secret is being rewritten) stays what it last was.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use passerelle_contract::{Adapter, NoticeSink};

use super::Web;
use super::answer::bearer;
use crate::store::{ConnectionRecord, StoreError};

/// Connections are read again after this time, so that a new token works at once.
const REMEMBERED: Duration = Duration::from_secs(1);

/// One connection whose software is told of bookings.
#[derive(Clone)]
pub(super) struct Receiver {
    /// The connection.
    pub(super) connection: ConnectionRecord,
    /// Its venue at pass Culture, once it is known.
    pub(super) venue: Option<i64>,
    adapter: Arc<dyn Adapter>,
}

impl Receiver {
    /// Its sink.
    pub(super) fn sink(&self) -> Option<&dyn NoticeSink> {
        self.adapter.notices()
    }
}

/// All of them, remembered for a moment.
#[derive(Default)]
pub(super) struct Receivers {
    known: Mutex<Option<(Instant, Arc<Vec<Receiver>>)>>,
}

impl std::fmt::Debug for Receivers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Receivers")
    }
}

impl Receivers {
    /// Every connection whose software is told of bookings.
    pub(super) async fn all(&self, web: &Web) -> Result<Arc<Vec<Receiver>>, StoreError> {
        let remembered = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, receivers)) = &remembered
            && at.elapsed() < REMEMBERED
        {
            return Ok(Arc::clone(receivers));
        }
        let before = remembered.map(|(_, receivers)| receivers).unwrap_or_default();
        let mut receivers = Vec::new();
        for connection in web.gateway.store.connections().await? {
            let last = || before.iter().find(|receiver| receiver.connection.id == connection.id).cloned();
            let (adapter, last) = match web.gateway.adapter(&connection) {
                Ok(adapter) => (adapter, None),
                Err(problems) => {
                    let Some(last) = last() else { continue };
                    tracing::warn!(
                        connection = connection.id,
                        ?problems,
                        "a connection cannot be used; it stays what it was"
                    );
                    (Arc::clone(&last.adapter), Some(last))
                }
            };
            if adapter.notices().is_none() {
                continue;
            }
            let venue = match connection.venue {
                Some(venue) => Some(venue),
                None => web.gateway.store.state(&connection.id).await?.venue_id.or(last.and_then(|last| last.venue)),
            };
            receivers.push(Receiver { connection, venue, adapter });
        }
        let receivers = Arc::new(receivers);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), Arc::clone(&receivers)));
        Ok(receivers)
    }

    /// The connection whose software presents this bearer token.
    pub(super) async fn speaking(&self, web: &Web, headers: &HeaderMap) -> Result<Option<Receiver>, StoreError> {
        let Some(token) = bearer(headers) else { return Ok(None) };
        let speaks = |receiver: &&Receiver| receiver.sink().is_some_and(|sink| sink.accepts_token(token));
        Ok(self.all(web).await?.iter().find(speaks).cloned())
    }
}
