//! Sends what is due, for every endpoint by itself.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use passerelle_contract::{Adapter, Delivery, Message};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Sinks;
use super::policy::{self, Attempt, Outcome};
use crate::clock;
use crate::store::messages::{Attempted, Claim, EndpointRow, EndpointState, MessageRow, MessageState, REST};
use crate::store::{Millis, Owner, Store, StoreError, is_dead};
use crate::telemetry;

/// Messages of one endpoint on their way at once.
const AT_ONCE: usize = 4;
/// Messages of one endpoint claimed at once; the first failure gives the rest back.
const CLAIMED_AT_ONCE: u32 = 32;
/// A claim runs out after this, should its process die: [`LONGEST_SENDING`] and one attempt.
const LEASE: Duration = Duration::from_secs(30);
/// What was claimed and is not begun by then is given back: a slow endpoint must not outlast its claim.
const LONGEST_SENDING: Duration = Duration::from_secs(8);
/// An attempt that does not end by itself is ended.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(20);
/// Endpoints served at once in one process: one that hangs holds its place only.
const ENDPOINTS_AT_ONCE: usize = 512;
/// How often the store is asked what is due when nobody says that something is.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Between two looks, however often somebody says so.
const LEAST_PAUSE: Duration = Duration::from_millis(5);
/// How often old messages are forgotten and waiting ones counted.
const KEEP_HOUSE_EVERY: Duration = Duration::from_secs(30);
/// Messages forgotten at once.
const FORGOTTEN_AT_ONCE: u32 = 1_000;

/// What became of messages that were claimed.
struct Sent {
    /// How it goes with the endpoint now.
    endpoint: EndpointRow,
    attempts: Vec<Attempted>,
    /// Positions of those that were not tried.
    given_back: Vec<i64>,
}

struct Worker {
    store: Arc<dyn Store>,
    sinks: Arc<dyn Sinks>,
    owner: Owner,
    now: fn() -> Millis,
    busy: Mutex<BTreeSet<String>>,
    again: Notify,
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

/// Sends until told to stop; what is on its way then is finished.
pub async fn run(
    store: Arc<dyn Store>,
    sinks: Arc<dyn Sinks>,
    owner: Owner,
    now: fn() -> Millis,
    stop: CancellationToken,
) {
    let mut told = store.told();
    let worker = Arc::new(Worker {
        store,
        sinks,
        owner,
        now,
        busy: Mutex::default(),
        again: Notify::new(),
        places: Arc::new(Semaphore::new(ENDPOINTS_AT_ONCE)),
        stop: stop.clone(),
    });
    let tasks = TaskTracker::new();
    let mut keep_house_at = Instant::now();
    while !stop.is_cancelled() {
        if Instant::now() >= keep_house_at {
            keep_house_at = Instant::now() + KEEP_HOUSE_EVERY;
            worker.keep_house().await;
        }
        if let Err(error) = worker.start_due(&tasks).await {
            tracing::warn!(%error, "the store cannot say which messages are due");
        }
        sleep(LEAST_PAUSE).await;
        tokio::select! {
            () = stop.cancelled() => {}
            _ = told.changed() => {}
            () = worker.again.notified() => {}
            () = sleep(LOOK_EVERY) => {}
        }
    }
    tasks.close();
    tasks.wait().await;
}

impl Worker {
    async fn start_due(self: &Arc<Self>, tasks: &TaskTracker) -> Result<(), StoreError> {
        for connection in self.store.endpoints_with_due((self.now)()).await? {
            if self.busy.lock().unwrap_or_else(PoisonError::into_inner).contains(&connection) {
                continue;
            }
            let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { break };
            self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(connection.clone());
            let worker = Arc::clone(self);
            tasks.spawn(async move {
                let result = worker.serve(&connection).await;
                if let Err(error) = &result {
                    tracing::warn!(connection, %error, "messages could not be taken or marked; again later");
                }
                worker.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&connection);
                drop(place);
                // What was stored between the last look and now is looked for at once; after trouble, at the next look.
                if let Ok(true) = result {
                    worker.again.notify_one();
                }
            });
        }
        Ok(())
    }

    /// Sends what is due at one endpoint until nothing is; true when all went well.
    async fn serve(&self, connection: &str) -> Result<bool, StoreError> {
        let Some(adapter) = self.sinks.sink(connection).await? else {
            // Its adapter cannot be made now, or the connection is gone: what waits keeps waiting.
            return Ok(false);
        };
        let Some(mut endpoint) = self.store.endpoint(connection).await? else { return Ok(false) };
        let resting = endpoint.probe_at.is_some();
        let now = (self.now)();
        let rest = Millis::try_from(REST.as_millis()).unwrap_or(Millis::MAX);
        let rests_until = |at: Millis| at > now && !clock::is_ahead(at, rest, now);
        if endpoint.state != EndpointState::Open || endpoint.probe_at.is_some_and(rests_until) {
            return Ok(false);
        }
        let limit = if resting { 1 } else { CLAIMED_AT_ONCE };
        let claim = Claim { owner: &self.owner, limit, any: resting, lease: LEASE };
        let mut claimed = self.store.claim_messages(connection, claim, (self.now)()).await?;
        while !claimed.is_empty() {
            let sent = self.send_all(&endpoint, claimed, adapter.as_ref()).await;
            let is_well = sent.endpoint.state == EndpointState::Open && sent.endpoint.failures == 0;
            let go_on = is_well && !resting && !self.stop.is_cancelled();
            // What comes next is claimed with what became of this: one transaction for both.
            let then = go_on.then(|| (claim, (self.now)()));
            claimed = self.store.attempted(&sent.endpoint, &sent.attempts, &sent.given_back, then).await?;
            if !go_on {
                return Ok(is_well);
            }
            endpoint = sent.endpoint;
        }
        Ok(true)
    }

    /// Sends what was claimed, a few at once.
    async fn send_all(&self, endpoint: &EndpointRow, claimed: Vec<MessageRow>, adapter: &dyn Adapter) -> Sent {
        let Some(sink) = adapter.notices() else {
            let given_back = claimed.iter().map(|message| message.position).collect();
            return Sent { endpoint: endpoint.clone(), attempts: Vec::new(), given_back };
        };
        let troubled = AtomicBool::new(false);
        let until = Instant::now() + LONGEST_SENDING;
        let results: Vec<(MessageRow, Option<Attempt>)> = futures_util::stream::iter(claimed)
            .map(|message| async {
                let enough = troubled.load(Ordering::Relaxed) || Instant::now() > until;
                if enough || policy::is_useless(&message, (self.now)()) {
                    return (message, None);
                }
                let attempt = self.send(&message, sink).await;
                if !matches!(attempt.outcome, Outcome::Delivered(_)) {
                    troubled.store(true, Ordering::Relaxed);
                }
                (message, Some(attempt))
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut after = endpoint.clone();
        let (mut attempts, mut given_back) = (Vec::new(), Vec::new());
        for (message, attempt) in results {
            match attempt {
                Some(attempt) => {
                    let (told, next) = policy::after_attempt(&message, &after, sink.terms(), &attempt);
                    tell(&message, &told, &after, &next, attempt.wants_person);
                    after = next;
                    attempts.push(told);
                }
                None if policy::is_useless(&message, (self.now)()) => {
                    let told = policy::given_up(&message, (self.now)());
                    tell(&message, &told, &after, &after, false);
                    attempts.push(told);
                }
                None => given_back.push(message.position),
            }
        }
        Sent { endpoint: after, attempts, given_back }
    }

    async fn send(&self, message: &MessageRow, sink: &dyn passerelle_contract::NoticeSink) -> Attempt {
        let began = Instant::now();
        let parcel = Message { id: &message.id, body: message.body.as_bytes(), is_replay: message.replay };
        let mut wants_person = false;
        let outcome = match timeout(LONGEST_ATTEMPT, sink.deliver(parcel)).await {
            Ok(Delivery::Delivered(status)) => Outcome::Delivered(status),
            Ok(Delivery::Gone) => Outcome::Gone,
            Ok(Delivery::Failed { status, error, wants_person: person }) => {
                wants_person = person;
                let why = format!("{}: {}", error.code, error.context);
                Outcome::Failed { status, why, retry_after: error.retry_after }
            }
            Err(_) => Outcome::Failed {
                status: None,
                why: "TimedOut: the attempt did not end by itself".to_owned(),
                retry_after: None,
            },
        };
        let latency = began.elapsed();
        telemetry::message_sent(matches!(outcome, Outcome::Delivered(_)), latency);
        Attempt { outcome, at: (self.now)(), latency, chance: chance(), wants_person }
    }

    /// Ends what dead processes have claimed, forgets what was kept long enough, and counts what waits.
    async fn keep_house(&self) {
        if let Err(error) = self.store.end_dead_claims((self.now)(), &is_dead).await {
            tracing::warn!(%error, "claims of dead processes could not be ended; they run out");
        }
        match self.store.forget_messages((self.now)(), FORGOTTEN_AT_ONCE).await {
            Ok(0) => {}
            Ok(forgotten) => tracing::info!(forgotten, "old messages were forgotten"),
            Err(error) => tracing::warn!(%error, "old messages could not be forgotten"),
        }
        if let Ok(all) = self.store.endpoints().await {
            telemetry::messages_waiting(&all, (self.now)());
        }
    }
}

/// 0.0–1.0, by chance.
fn chance() -> f64 {
    // 16 of a version 4 UUID's random bits.
    f64::from((uuid::Uuid::new_v4().as_u128() & 0xffff) as u16) / f64::from(u16::MAX)
}

fn tell(message: &MessageRow, told: &Attempted, before: &EndpointRow, after: &EndpointRow, wants_person: bool) {
    if told.state == MessageState::Dead {
        telemetry::message_dead(message, told.error.as_deref().unwrap_or_default());
    }
    if before.state != after.state || (before.failures == 0 && after.failures > 0) {
        telemetry::endpoint_changed(after, wants_person);
    }
}
