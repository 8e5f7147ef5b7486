//! Which connection runs when, in a server: due ones first, a bounded number at once, each under its lease.
//!
//! There is no queue: a connection is due or it is not, and the store says so. Several servers with one store share the work
//! because a lease is granted once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Gateway;
use crate::catalogue::PassError;
use crate::catalogue::lease::{self, Taken};
use crate::catalogue::pass::{Options, Report, Run};
use crate::catalogue::progress::Silent;
use crate::registry;
use crate::store::{Lease, WakeUps};
use crate::telemetry;

/// Passes under way at once in one process.
const AT_ONCE: usize = 8;
/// Connections asked for at once.
const DUE_AT_ONCE: u32 = 64;
/// How often the store is asked what is due, when nobody wakes us.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A held plan of a posted list waits this long before it is looked at again.
const HELD_REST: Duration = Duration::from_secs(60);

/// Runs what is due until told to stop; then drops what is under way (safe at any line) and gives the leases back.
pub async fn run(gateway: Arc<Gateway>, stop: CancellationToken) {
    let mut wake_ups = gateway.store.wake_ups();
    let schedule = Arc::new(Schedule {
        gateway,
        places: Arc::new(Semaphore::new(AT_ONCE)),
        busy: Mutex::default(),
        resting: Mutex::default(),
        tasks: TaskTracker::new(),
        stop: stop.clone(),
    });
    while !stop.is_cancelled() {
        if let Err(error) = schedule.start_due().await {
            tracing::warn!(%error, "the store cannot say what is due");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = woken(wake_ups.as_mut()) => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    schedule.tasks.close();
    schedule.tasks.wait().await;
}

/// Until the store says that something may be due, on whatever node that came about. A store that cannot be listened to is polled.
async fn woken(wake_ups: &mut dyn WakeUps) {
    if wake_ups.next().await.is_err() {
        std::future::pending::<()>().await;
    }
}

struct Schedule {
    gateway: Arc<Gateway>,
    places: Arc<Semaphore>,
    busy: Mutex<BTreeSet<String>>,
    resting: Mutex<BTreeMap<String, Instant>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Schedule {
    async fn start_due(self: &Arc<Self>) -> Result<(), crate::store::StoreError> {
        for id in self.gateway.store.due_connections((self.gateway.now)(), DUE_AT_ONCE).await? {
            if self.is_resting(&id) || self.busy.lock().unwrap_or_else(PoisonError::into_inner).contains(&id) {
                continue;
            }
            let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { break };
            self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
            let schedule = Arc::clone(self);
            self.tasks.spawn(async move {
                schedule.one(&id).await;
                schedule.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                drop(place);
            });
        }
        Ok(())
    }

    fn is_resting(&self, id: &str) -> bool {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.retain(|_, until| *until > Instant::now());
        resting.contains_key(id)
    }

    async fn one(&self, id: &str) {
        let held = match lease::take(&self.gateway.store, id, &self.gateway.owner, self.gateway.now).await {
            Ok(Taken::Ours(held)) => held,
            Ok(Taken::Theirs(..) | Taken::Unknown) => return,
            Err(error) => {
                tracing::warn!(connection = id, %error, "no lease");
                return;
            }
        };
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.pass(held.lease()) => {}
        }
        held.release().await;
    }

    async fn pass(&self, lease: &Lease) {
        let id = &lease.connection;
        let rest = |length| {
            self.resting.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), Instant::now() + length);
        };
        let Ok(Some(connection)) = self.gateway.store.connection(id).await else { return };
        let name = registry::find(&connection.adapter).map_or("unknown", |adapter| adapter.id);
        let (adapter, client) = match (self.gateway.adapter(&connection), self.gateway.client(&connection.account)) {
            (Ok(adapter), Ok(client)) => (adapter, client),
            (Err(problems), _) => {
                tracing::warn!(connection = id, ?problems, "the settings of {id} do not work");
                return rest(HELD_REST);
            }
            (_, Err(error)) => {
                tracing::warn!(connection = id, %error, "{id} has no pass Culture account");
                return rest(HELD_REST);
            }
        };
        let reader = self.gateway.reader(&connection, adapter.as_ref(), &Silent);
        let run = Run { reader, client: &client, now: self.gateway.now };
        match run.sync(lease, Options::default()).await {
            Ok(report) => {
                told(name, &report);
                if report.summary.held > 0 {
                    rest(HELD_REST);
                }
            }
            Err(failure) => {
                let error = &failure.error;
                // A secret may have been changed: the next pass reads it again.
                self.gateway.forget_adapter(id);
                let failures = self.gateway.store.state(id).await.map_or(1, |state| state.failures);
                telemetry::pass_failed(name, id, error, failures);
                rest(if matches!(error, PassError::Store(_)) { LOOK_EVERY } else { HELD_REST.min(LOOK_EVERY * 10) });
            }
        }
    }
}

fn told(adapter: &'static str, report: &Report) {
    telemetry::pass_ended(adapter, &report.summary);
    for notice in &report.notices {
        tracing::warn!(connection = report.summary.connection, "{notice}");
    }
}
