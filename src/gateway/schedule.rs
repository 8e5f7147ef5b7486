//! Which connection runs when, in a server: the longest due first, as many at once as there are places, each under its lease.
//!
//! A connection is due or it is not, and the store says so; what it said a moment ago is kept here, so that a place that becomes
//! free is taken at once. Several servers with one store share the work because a lease is granted once, and because who has the
//! lease looks again whether there is still something to do.
//!
//! Invariant: no pass holds a place while it waits for another (see `places`).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Gateway;
use super::places::{BOUNDS, Candidate, Host, NoPlace, Places};
use crate::catalogue::PassError;
use crate::catalogue::lease::{self, Taken};
use crate::catalogue::pass::{Options, Report, Run};
use crate::catalogue::progress::{Progress, Step};
use crate::registry;
use crate::store::{DueConnection, Lease, StoreError, WakeUps};
use crate::telemetry;

/// Due connections that are known here at once: the longest due.
const MOST_WAITING: u32 = 10_000;
/// Hosts of connections that are remembered.
const MOST_HOSTS: usize = 20_000;
/// How often the store is asked what is due, when nobody wakes us.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The store is asked no more often than this, however often it wakes us.
const SHORTEST_LOOK: Duration = Duration::from_millis(50);
/// A held plan of a posted list waits this long before it is looked at again.
const HELD_REST: Duration = Duration::from_secs(60);

/// Runs what is due until told to stop; then drops what is under way (safe at any line) and gives the leases back.
pub async fn run(gateway: Arc<Gateway>, stop: CancellationToken) {
    let mut wake_ups = gateway.store.wake_ups();
    let schedule = Arc::new(Schedule {
        gateway,
        places: Mutex::new(Places::new(BOUNDS)),
        freed: Notify::new(),
        hosts: Mutex::default(),
        resting: Mutex::default(),
        tasks: TaskTracker::new(),
        stop: stop.clone(),
    });
    let mut waiting = VecDeque::new();
    let mut looked = Instant::now();
    let mut look_at = looked;
    while !stop.is_cancelled() {
        if Instant::now() >= look_at {
            match schedule.due().await {
                Ok(due) => waiting = due,
                Err(error) => tracing::warn!(%error, "the store cannot say what is due"),
            }
            looked = Instant::now();
            look_at = looked + LOOK_EVERY;
        }
        schedule.start(&mut waiting).await;
        tokio::select! {
            () = stop.cancelled() => {}
            () = schedule.freed.notified() => {}
            () = woken(wake_ups.as_mut()) => look_at = look_at.min(looked + SHORTEST_LOOK),
            () = tokio::time::sleep_until(look_at) => {}
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

/// A pass under way: once it has a plan, it has read its vendor.
struct Reading<'a> {
    schedule: &'a Schedule,
    id: &'a str,
}

impl Progress for Reading<'_> {
    fn step(&self, step: Step) {
        if matches!(step, Step::Planned { .. }) {
            self.schedule.places.lock().unwrap_or_else(PoisonError::into_inner).leave_host(self.id);
            self.schedule.freed.notify_one();
        }
    }
}

struct Schedule {
    gateway: Arc<Gateway>,
    places: Mutex<Places>,
    /// Told when a place was given back.
    freed: Notify,
    /// Of which vendor's host a connection is, with the revision of its settings that says so.
    hosts: Mutex<BTreeMap<String, (i64, Option<Host>)>>,
    resting: Mutex<BTreeMap<String, Instant>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Schedule {
    /// What is due, the longest due first, without what rests.
    async fn due(&self) -> Result<VecDeque<DueConnection>, StoreError> {
        let due = self.gateway.store.due_connections((self.gateway.now)(), MOST_WAITING).await?;
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.retain(|_, until| *until > Instant::now());
        Ok(due.into_iter().filter(|due| !resting.contains_key(&due.id)).collect())
    }

    /// Starts whoever finds a place, in their order; the others stay.
    async fn start(self: &Arc<Self>, waiting: &mut VecDeque<DueConnection>) {
        let mut stay = VecDeque::new();
        while let Some(due) = waiting.pop_front() {
            {
                let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
                if places.is_full() {
                    waiting.push_front(due);
                    break;
                }
                if places.has(&due.id) {
                    continue;
                }
            }
            let candidate = Candidate {
                host: self.host(&due).await,
                id: due.id.clone(),
                account: due.account.clone(),
                is_failing: due.failures > 0,
            };
            let taken = self.places.lock().unwrap_or_else(PoisonError::into_inner).take(&candidate);
            match taken {
                Ok(()) => {
                    let schedule = Arc::clone(self);
                    self.tasks.spawn(async move {
                        schedule.one(&due.id).await;
                        schedule.places.lock().unwrap_or_else(PoisonError::into_inner).give_back(&due.id);
                        schedule.freed.notify_one();
                    });
                }
                Err(NoPlace::NotBeside) => stay.push_back(due),
                Err(NoPlace::Full) => {
                    waiting.push_front(due);
                    break;
                }
            }
        }
        stay.append(waiting);
        *waiting = stay;
    }

    /// The vendor's host of a connection, and how many passes may talk to it. A connection whose adapter cannot be made has none: its
    /// pass says why.
    async fn host(&self, due: &DueConnection) -> Option<Host> {
        let known = self.hosts.lock().unwrap_or_else(PoisonError::into_inner).get(&due.id).cloned();
        if let Some((_, host)) = known.filter(|(revision, _)| *revision == due.revision) {
            return host;
        }
        let connection = self.gateway.store.connection(&due.id).await.ok()??;
        let adapter = self.gateway.adapter(&connection).ok()?;
        let at_once = registry::find(&connection.adapter).map_or(1, |adapter| adapter.limits.concurrent_requests);
        let host = adapter.host().map(|host| (host, at_once));
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= MOST_HOSTS {
            hosts.clear();
        }
        hosts.insert(due.id.clone(), (due.revision, host.clone()));
        host
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
        // Another node may have run it since the store was asked.
        match self.gateway.store.is_due(id, (self.gateway.now)()).await {
            Ok(false) => {}
            Ok(true) => tokio::select! {
                () = self.stop.cancelled() => {}
                () = self.pass(held.lease()) => {}
            },
            Err(error) => tracing::warn!(connection = id, %error, "the store cannot say whether it is still due"),
        }
        held.release().await;
    }

    async fn pass(&self, lease: &Lease) {
        let id = &lease.connection;
        let rest = |length: Duration| {
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
        let reading = Reading { schedule: self, id };
        let reader = self.gateway.reader(&connection, adapter.as_ref(), &reading);
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
    if let Some(by_agreement) = report.released_by_agreement {
        telemetry::plan_released(by_agreement);
    }
    for notice in &report.notices {
        tracing::warn!(connection = report.summary.connection, "{notice}");
    }
}
