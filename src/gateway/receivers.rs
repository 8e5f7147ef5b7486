//! Who is told of bookings, and who may speak for a venue's software: connections whose adapter has notices.
//!
//! Remembered for a moment, since every notification and every call of a venue's software asks. A connection whose adapter
//! cannot be made for a moment (its secret is being rewritten) stays what it last was.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use passerelle_contract::{Adapter, BoxFuture, NoticeSink};

use super::Gateway;
use crate::delivery::Sinks;
use crate::notices::{Told, Venues};
use crate::passculture::{Client, Traffic};
use crate::store::{ConnectionRecord, StoreError};

/// Connections are read again after this time, so that a new one is told at once.
const REMEMBERED: Duration = Duration::from_secs(1);

/// One connection whose software is told of bookings.
#[derive(Clone)]
pub struct Receiver {
    /// The connection.
    pub connection: ConnectionRecord,
    /// Its venue at pass Culture, once it is known.
    pub venue: Option<i64>,
    adapter: Arc<dyn Adapter>,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Receiver({})", self.connection.id)
    }
}

impl Receiver {
    /// Its sink.
    #[must_use]
    pub fn sink(&self) -> Option<&dyn NoticeSink> {
        self.adapter.notices()
    }
}

/// All of them, remembered for a moment.
#[derive(Debug, Default)]
pub(super) struct Receivers {
    known: Mutex<Option<(Instant, Arc<Vec<Receiver>>)>>,
}

impl Gateway {
    /// Every connection whose software is told of bookings.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn receivers(&self) -> Result<Arc<Vec<Receiver>>, StoreError> {
        let remembered = self.receivers.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, receivers)) = &remembered
            && at.elapsed() < REMEMBERED
        {
            return Ok(Arc::clone(receivers));
        }
        let before = remembered.map(|(_, receivers)| receivers).unwrap_or_default();
        let mut receivers = Vec::new();
        let connections = self.store.connections().await?;
        for connection in &connections {
            let last = || before.iter().find(|receiver| receiver.connection.id == connection.id).cloned();
            let (adapter, last) = match self.adapter(connection) {
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
            let venue = self.venue_of(connection, &connections).await?.or(last.and_then(|last| last.venue));
            receivers.push(Receiver { connection: connection.clone(), venue, adapter });
        }
        let receivers = Arc::new(receivers);
        *self.receivers.known.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), Arc::clone(&receivers)));
        Ok(receivers)
    }
}

impl Gateway {
    /// A connection's venue as it is written, as its own passes found it, or as those of another connection with its SIRET did.
    async fn venue_of(
        &self,
        connection: &ConnectionRecord,
        all: &[ConnectionRecord],
    ) -> Result<Option<i64>, StoreError> {
        if connection.venue.is_some() {
            return Ok(connection.venue);
        }
        let same = |other: &&ConnectionRecord| other.siret == connection.siret && other.account == connection.account;
        for one in std::iter::once(connection).chain(all.iter().filter(same)) {
            if let Some(venue) = self.store.state(&one.id).await?.venue_id {
                return Ok(Some(venue));
            }
        }
        Ok(None)
    }
}

impl Venues for Gateway {
    fn told_at<'a>(&'a self, account: &'a str, venue: i64) -> BoxFuture<'a, Result<Vec<Told>, StoreError>> {
        Box::pin(async move {
            let receivers = self.receivers().await?;
            let there = receivers
                .iter()
                .filter(|receiver| receiver.connection.account == account && receiver.venue == Some(venue));
            let told = |receiver: &Receiver| {
                let terms = receiver.sink()?.terms().clone();
                Some(Told { connection: receiver.connection.id.clone(), terms })
            };
            Ok(there.filter_map(told).collect())
        })
    }

    fn passculture(&self, account: &str) -> Result<Client, String> {
        let client = self.client(account).map_err(|error| error.to_string())?;
        Ok(client.for_traffic(Traffic::Bookings))
    }
}

impl Sinks for Gateway {
    fn sink<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<Option<Arc<dyn Adapter>>, StoreError>> {
        Box::pin(async move {
            let Some(record) = self.store.connection(connection).await?.filter(|record| !record.paused) else {
                return Ok(None);
            };
            match self.adapter(&record) {
                Ok(adapter) => Ok(adapter.notices().is_some_and(|sink| sink.terms().is_sent_to).then_some(adapter)),
                Err(problems) => {
                    tracing::warn!(connection, ?problems, "a connection cannot be used; its messages wait");
                    Ok(None)
                }
            }
        })
    }
}
