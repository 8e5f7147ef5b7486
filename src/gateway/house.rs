//! What bookings need of the gateway: the adapters that passes use too, pass Culture's clients, and the keys of messages.
//!
//! One adapter serves a connection in a process, so that what a pass has read of a vendor (screens, tariffs, a session) is
//! there when a booking comes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use passerelle_contract::{Adapter, BoxFuture, SessionKeeper};
use passerelle_kit::secret::Secret;

use super::sessions::StoredSessions;
use super::{Gateway, adapter};
use crate::allotment;
use crate::booking::{Desk, House};
use crate::config::Problem;
use crate::notices::{Reconciler, Venues};
use crate::passculture::{Client, Traffic};
use crate::rules::screenings::adapter_of;
use crate::store::ConnectionRecord;

/// An adapter is made anew after this time: a secret that was changed in its file is read then.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);
/// Signing keys are resolved again after this time, so that a rotated key works soon and a flood of messages reads no files.
const KEYS_FOR: Duration = Duration::from_secs(5);

/// Adapters of this process, by connection.
#[derive(Default)]
pub(super) struct Adapters {
    made: Mutex<HashMap<String, Made>>,
}

struct Made {
    record: ConnectionRecord,
    since: Instant,
    adapter: Arc<dyn Adapter>,
}

/// The signing keys of the accounts, by account.
#[derive(Default)]
pub(super) struct MessageKeys {
    resolved: Mutex<HashMap<String, Resolved>>,
}

struct Resolved {
    since: Instant,
    keys: Arc<Vec<Secret>>,
}

impl std::fmt::Debug for Adapters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Adapters")
    }
}

impl std::fmt::Debug for MessageKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MessageKeys(***)")
    }
}

impl Gateway {
    /// The adapter of a connection, made once and shared; made anew when the connection's settings changed.
    ///
    /// # Errors
    /// Every problem of its settings, secrets that cannot be read included.
    pub fn adapter(&self, connection: &ConnectionRecord) -> Result<Arc<dyn Adapter>, Vec<Problem>> {
        let mut made = self.adapters.made.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |known: &&Made| {
            known.since.elapsed() < LONGEST_LIFE
                && known.record == ConnectionRecord { paused: known.record.paused, ..connection.clone() }
        };
        if let Some(known) = made.get(&connection.id).filter(same) {
            return Ok(Arc::clone(&known.adapter));
        }
        let adapter =
            allotment::serve(adapter(connection, Some(self.sessions()))?, &connection.id, &self.store, self.now);
        let entry = Made { record: connection.clone(), since: Instant::now(), adapter: Arc::clone(&adapter) };
        made.insert(connection.id.clone(), entry);
        Ok(adapter)
    }

    /// Keeps sessions at vendors for all processes with this store.
    #[must_use]
    pub fn sessions(&self) -> Arc<dyn SessionKeeper> {
        StoredSessions::keeper(Arc::clone(&self.store), self.now)
    }

    /// Forgets a connection's adapter: its next use reads its secrets again.
    pub fn forget_adapter(&self, connection: &str) {
        self.adapters.made.lock().unwrap_or_else(PoisonError::into_inner).remove(connection);
    }

    /// The keys that may have signed a message of this account; `None` when no such account is configured. A key that cannot
    /// be read is left out and logged.
    #[must_use]
    pub fn message_keys(&self, account: &str) -> Option<Arc<Vec<Secret>>> {
        let configured = self.accounts.get(account)?;
        let mut resolved = self.message_keys.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = resolved.get(account).filter(|known| known.since.elapsed() < KEYS_FOR) {
            return Some(Arc::clone(&known.keys));
        }
        let mut keys = Vec::with_capacity(configured.hmac_keys.len());
        for reference in &configured.hmac_keys {
            match reference.resolve(&self.base_dir) {
                Ok(key) => keys.push(key),
                Err(why) => tracing::error!(account, %why, "a key that signs messages cannot be read"),
            }
        }
        let keys = Arc::new(keys);
        resolved.insert(account.to_owned(), Resolved { since: Instant::now(), keys: Arc::clone(&keys) });
        Some(keys)
    }
}

impl House for Gateway {
    fn adapter<'a>(&'a self, connection: &'a str, date: &'a str) -> BoxFuture<'a, Result<Arc<dyn Adapter>, String>> {
        Box::pin(async move {
            let record = match self.store.connection(connection).await {
                Ok(Some(record)) => record,
                Ok(None) => return Err(format!("there is no connection `{connection}` any more")),
                Err(error) => return Err(error.to_string()),
            };
            // The numbers of one vendor mean something else at another.
            let stated_by = adapter_of(date);
            if stated_by != record.adapter {
                return Err(format!(
                    "`{connection}` is a {} connection now, and this show was stated by {stated_by}; ask the venue",
                    record.adapter
                ));
            }
            Self::adapter(self, &record)
                .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        })
    }

    fn passculture(&self, account: &str) -> Result<Client, String> {
        let client = self.client(account).map_err(|error| error.to_string())?;
        Ok(client.for_traffic(Traffic::Bookings))
    }
}

/// A desk for bookings over a gateway.
#[must_use]
pub fn desk(gateway: &Arc<Gateway>) -> Desk {
    Desk::new(Arc::clone(&gateway.store), Arc::clone(gateway) as Arc<dyn House>, gateway.owner.clone(), gateway.now)
}

/// Compares bookings of products with pass Culture's listings, over a gateway.
#[must_use]
pub fn reconciler(gateway: &Arc<Gateway>) -> Reconciler {
    Reconciler { store: Arc::clone(&gateway.store), venues: Arc::clone(gateway) as Arc<dyn Venues>, now: gateway.now }
}
