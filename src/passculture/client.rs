//! The client: pays, sends, waits as told, and repeats within bounds.
//!
//! Invariant: each attempt pays one permit first, and a call always ends (see [`RetryPolicy`]).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use passerelle_contract::Class;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use url::Url;

use super::budget::{Budget, BudgetError, Traffic};
use super::error::NorthError;
use super::pace::{Pace, PaceError};
use super::retry::{self, RetryPolicy};
use super::transport::{Attempt, Call, Failure, Resend, Transport};
use super::venues::KnownVenues;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// What time it is. It must move: waiting is over when the clock says so.
pub type Clock = Arc<dyn Fn() -> Millis + Send + Sync>;

/// The highest rate that can be set.
const MAX_PER_MINUTE: u32 = 60_000;

/// Nothing known yet, in the cells below.
const UNKNOWN: i64 = i64::MIN;

/// Unless said otherwise: their queue is minutes late now and then.
const RESEND_AFTER: Duration = Duration::from_mins(30);

/// One pass Culture account.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `https://backend.passculture.app`, the integration address, or plain http on this machine.
    pub base_url: Url,
    /// Opaque.
    pub api_key: SecretString,
    /// The account's name in the configuration: the budget's key.
    pub account: String,
    /// 1 to 60 000; 180 stays below pass Culture's documented 200.
    pub requests_per_minute: u32,
}

/// Talks to pass Culture for one account. Cheap to clone; clones share connections, pace and health figures.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    requests: Arc<AtomicU64>,
    policy: RetryPolicy,
    traffic: Traffic,
    resend_after: Duration,
}

struct Shared {
    transport: Transport,
    pace: Pace,
    clock: Clock,
    account: String,
    skew_ms: AtomicI64,
    latency_ms: AtomicI64,
    venues: KnownVenues,
}

impl Client {
    /// Checks the settings; opens no connection. A TLS provider must have been installed.
    ///
    /// # Errors
    /// [`Class::Settings`], naming the key to change.
    pub fn new(settings: Settings, budget: Arc<dyn Budget>, clock: Clock) -> Result<Self, NorthError> {
        let Settings { base_url, api_key, account, requests_per_minute } = settings;
        if !(1..=MAX_PER_MINUTE).contains(&requests_per_minute) {
            return Err(NorthError::new(
                Class::Settings,
                "BadRate",
                "connect",
                format!("`requests_per_minute` is {requests_per_minute}"),
                "write a number from 1 to 60000; pass Culture allows 200, the default is 180",
            ));
        }
        let shared = Shared {
            transport: Transport::new(&base_url, api_key)?,
            pace: Pace::new(budget, account.clone(), requests_per_minute, clock.clone()),
            clock,
            account,
            skew_ms: AtomicI64::new(UNKNOWN),
            latency_ms: AtomicI64::new(UNKNOWN),
            venues: KnownVenues::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
            requests: Arc::default(),
            policy: RetryPolicy::default(),
            traffic: Traffic::default(),
            resend_after: RESEND_AFTER,
        })
    }

    /// The same client with a request counter of its own: one for each pass that reports `requests`.
    #[must_use]
    pub fn counting_anew(&self) -> Self {
        Self { requests: Arc::default(), ..self.clone() }
    }

    /// The same client with other bounds: [`RetryPolicy::PROBE`] for health questions.
    #[must_use]
    pub fn with_policy(&self, policy: RetryPolicy) -> Self {
        Self { policy, ..self.clone() }
    }

    /// The same client for another kind of traffic, which has its own share of the budget; passes unless told otherwise.
    #[must_use]
    pub fn for_traffic(&self, traffic: Traffic) -> Self {
        Self { traffic, ..self.clone() }
    }

    /// The same client for an account that waits so long for an upsert that was accepted and does not show.
    #[must_use]
    pub fn with_resend_after(self, resend_after: Duration) -> Self {
        Self { resend_after, ..self }
    }

    /// How long an upsert that was accepted and does not show is waited for before it is sent again.
    #[must_use]
    pub const fn resend_after(&self) -> Duration {
        self.resend_after
    }

    /// Attempts sent by this counter's clones, retries included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The account's name in the configuration.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.shared.account
    }

    /// The rate and the bucket's size, for asking the budget how much is left.
    #[must_use]
    pub fn rate_and_burst(&self) -> (u32, u32) {
        (self.shared.pace.per_minute(), self.shared.pace.burst())
    }

    /// pass Culture's clock minus ours in milliseconds, by the last answer's `Date`, which has whole seconds: less than a
    /// second or two says nothing.
    #[must_use]
    pub fn clock_skew_ms(&self) -> Option<i64> {
        Some(self.shared.skew_ms.load(Ordering::Relaxed)).filter(|skew| *skew != UNKNOWN)
    }

    /// How long the last answered attempt took, waiting for its permit not counted.
    #[must_use]
    pub fn last_latency(&self) -> Option<Duration> {
        u64::try_from(self.shared.latency_ms.load(Ordering::Relaxed)).ok().map(Duration::from_millis)
    }

    /// What the clones of this client know of the account's venues.
    pub(super) fn known_venues(&self) -> &KnownVenues {
        &self.shared.venues
    }

    /// Sends and reads JSON back. Unknown fields are ignored.
    pub(super) async fn ask<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, NorthError> {
        let body = self.send(call).await.map_err(|failure| failure.error)?;
        self.decode(call.operation, &body)
    }

    pub(super) fn decode<T: DeserializeOwned>(&self, operation: &'static str, body: &[u8]) -> Result<T, NorthError> {
        let mut reader = serde_json::Deserializer::from_slice(body);
        serde_path_to_error::deserialize(&mut reader).map_err(|why| {
            let page = body.trim_ascii_start().starts_with(b"<");
            NorthError {
                status: Some(200),
                excerpt: self.shared.transport.excerpt(body),
                ..NorthError::new(
                    Class::VendorFault,
                    if page { "WebPage" } else { "UnreadableAnswer" },
                    operation,
                    if page {
                        "the answer is a web page, not JSON".to_owned()
                    } else {
                        format!("the answer cannot be understood at `{}`", why.path())
                    },
                    "check `base_url`, and whether a proxy or a maintenance page stands between; else report the excerpt",
                )
            }
        })
    }

    /// Sends until answered, refused, or out of bounds.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Vec<u8>, Failure> {
        let started = Instant::now();
        let mut obeyed = Duration::ZERO;
        let mut delays = self.policy.delays();
        let mut open_before = false;
        loop {
            let paid = self.pay(call.operation, self.policy.patience.saturating_sub(obeyed)).await;
            obeyed += paid.map_err(|failure| Failure { open_before, ..failure })?;
            let Attempt { result, date } = self.attempt(call).await;
            self.remember_skew(date.as_deref());
            let mut failure = match result {
                Ok(body) => return Ok(body),
                Err(failure) => Failure { open_before, ..failure },
            };
            open_before |= failure.leaves_open();
            // A date is counted from the answer's own, so that a clock that is off here shortens no wait.
            let answered_at = date.as_deref().and_then(retry::http_date).unwrap_or_else(|| (self.shared.clock)());
            let said = failure.retry_after.as_deref().and_then(|text| retry::retry_after(text, answered_at));
            let stop = if failure.error.class == Class::RateLimited {
                Some(self.stop_everybody(&mut failure, said).await)
            } else {
                said
            };
            let Some(delay) = delays.next().filter(|_| may_resend(call, &failure)) else { return Err(failure) };
            let busy = started.elapsed().saturating_sub(obeyed);
            if busy > self.policy.total {
                return Err(failure);
            }
            if stop.is_some_and(|stop| obeyed + stop > self.policy.patience) {
                failure.error.retry_at = failure.error.retry_at.or(stop.map(|stop| self.in_future(stop)));
                return Err(failure);
            }
            tracing::debug!(
                account = %self.shared.account, operation = call.operation, code = failure.error.code,
                "a call to pass Culture failed and is repeated"
            );
            // The stop of a 429 is waited for when the next permit is paid, with everybody else.
            if failure.error.class != Class::RateLimited {
                let stop = stop.unwrap_or_default();
                obeyed += stop;
                tokio::time::sleep(delay.max(stop)).await;
            }
        }
    }

    /// Blocks the account as a 429 asked, and writes into the failure until when.
    async fn stop_everybody(&self, failure: &mut Failure, said: Option<Duration>) -> Duration {
        let stop = self.policy.stop(said);
        let until = self.in_future(stop);
        failure.error.retry_at = Some(until);
        tracing::warn!(
            account = %self.shared.account, seconds = stop.as_secs(), said = said.is_some(),
            "pass Culture asked to slow down; the account waits"
        );
        metrics::counter!("passerelle_passculture_throttled_total").increment(1);
        if let Err(why) = self.shared.pace.block(until).await {
            // This process waits anyhow; the others will be told by their own 429.
            tracing::warn!(account = %self.shared.account, %why, "the stop could not be shared with other processes");
        }
        stop
    }

    fn in_future(&self, wait: Duration) -> Millis {
        (self.shared.clock)().saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
    }

    async fn pay(&self, operation: &'static str, patience: Duration) -> Result<Duration, Failure> {
        let refused =
            |error| Failure { error, retry_after: None, answer_lost: false, open_before: false, fields: Vec::new() };
        self.shared.pace.permit(self.traffic, patience).await.map_err(|why| refused(self.unpaid(operation, why)))
    }

    fn unpaid(&self, operation: &'static str, why: PaceError) -> NorthError {
        match why {
            PaceError::Budget(BudgetError(why)) => NorthError::new(
                Class::Transient,
                "BudgetUnavailable",
                operation,
                format!("the shared request budget cannot be read: {why}"),
                "see to the store first: nothing is sent without it",
            ),
            PaceError::TooLate { until } => {
                let seconds = until.saturating_sub((self.shared.clock)()) / 1_000;
                NorthError {
                    retry_at: Some(until),
                    ..NorthError::new(
                        Class::RateLimited,
                        "BudgetSpent",
                        operation,
                        format!("the account's next request may go in {seconds} s"),
                        "wait; when it happens often, fewer connections per account or a higher limit from pass Culture",
                    )
                }
            }
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Attempt {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        let attempt = self.shared.transport.attempt(call, self.policy.longest_attempt).await;
        let took = started.elapsed();
        let outcome = match &attempt.result {
            Ok(_) => "ok",
            Err(failure) => failure.error.class.name(),
        };
        metrics::counter!("passerelle_passculture_requests_total", "operation" => call.operation, "outcome" => outcome)
            .increment(1);
        metrics::histogram!("passerelle_passculture_request_seconds", "operation" => call.operation)
            .record(took.as_secs_f64());
        let latency = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
        self.shared.latency_ms.store(latency, Ordering::Relaxed);
        attempt
    }

    fn remember_skew(&self, date: Option<&str>) {
        if let Some(theirs) = date.and_then(retry::http_date) {
            self.shared.skew_ms.store(theirs.saturating_sub((self.shared.clock)()), Ordering::Relaxed);
        }
    }
}

fn may_resend(call: &Call<'_>, failure: &Failure) -> bool {
    failure.error.class.is_retryable()
        && match call.resend {
            Resend::Freely => true,
            Resend::IfNothingHappened => !failure.answer_lost,
            Resend::IfUnreached => !failure.leaves_open(),
        }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("account", &self.shared.account).finish_non_exhaustive()
    }
}
