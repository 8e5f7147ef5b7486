//! The only way a vendor's package reaches the network.
//!
//! A [`Client`] talks to one vendor: it opens no door into the gateway's own network (checked for literal addresses, at
//! name resolution and at every redirect), keeps few requests in flight to one host, and gives every answer a deadline
//! and a size. Reads are a [`Get`]; what may change something at the vendor is an [`Act`], which is sent once, follows no
//! redirect and tells apart what provably never left from what may have arrived.
//!
//! Proxies of the environment are not used: a proxy resolves names itself, out of sight of the address check.
//!
//! Invariant: whatever the other side does, a call ends within [`Config::total_timeout`] plus
//! [`Config::request_timeout`], holds at most the body limit in memory, and its error text has no query string, no
//! credential and no body of unbounded length.

mod act;
mod address;
mod answer;
mod decode;
mod error;
mod hide;
mod lane;
mod retry;
mod tls;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hide::Hidden;
use passerelle_contract::{AdapterError, Class, Context, Unspoken};
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderName, HeaderValue, IF_NONE_MATCH, LOCATION};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

pub use act::{Act, NotAnswered, Verb};
pub use address::is_public;
use answer::Limits;
pub use answer::{Answer, Download};
pub use error::excerpt;
pub use lane::Lane;
pub use retry::{RETRY_BUDGET, RetryBudget};

use crate::secret::Secret;

/// Redirects followed in one call.
pub const MAX_REDIRECTS: usize = 5;

/// Time for name, TCP and TLS of an effect.
const ACT_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How one vendor is talked to. Start from [`Config::new`].
#[derive(Clone)]
pub struct Config {
    /// Where the vendor lives. Credentials go to this origin and to no other.
    pub base: Url,
    /// The value of `Authorization`, if the vendor wants one.
    pub authorization: Option<Secret>,
    /// May the vendor live on a loopback, private or link-local address? When not, a base that literally names this machine
    /// (`127.0.0.1`, `[::1]`, `localhost`) is reached all the same, and nothing else inside is.
    pub allow_private_addresses: bool,
    /// May a public address be talked to without TLS? Off by default: credentials and stock would travel in clear. A
    /// private address that is allowed at all may always be: nothing leaves the house.
    pub allow_plain_http: bool,
    /// Requests in flight to the vendor's host, counted over all connections of this process.
    pub concurrency: u32,
    /// The same for bookings, which have a lane of their own.
    pub booking_concurrency: u32,
    /// Time for name, TCP and TLS.
    pub connect_timeout: Duration,
    /// Time until the answer's head, and between two pieces of its body.
    pub request_timeout: Duration,
    /// Time for one whole call, redirects and body included.
    pub total_timeout: Duration,
    /// Largest body, in bytes, both as sent and once decompressed.
    pub max_body_bytes: u64,
    /// What no text made of an answer repeats, besides [`Config::authorization`], a call's own, and headers marked sensitive.
    pub unspoken: Unspoken,
}

impl Config {
    /// Defaults that suit a JSON API: one request at a time, 10 s to connect, 60 s to answer, 120 s in all, 16 MiB.
    #[must_use]
    pub fn new(base: Url, context: &Context) -> Self {
        Self {
            base,
            authorization: None,
            allow_private_addresses: context.allow_private_addresses,
            allow_plain_http: false,
            concurrency: 1,
            booking_concurrency: 8,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
            total_timeout: Duration::from_secs(120),
            max_body_bytes: 16 * 1024 * 1024,
            unspoken: context.unspoken.clone(),
        }
    }
}

impl Config {
    /// With so much time for one answer, at most five seconds to connect, and twice the time in all.
    #[must_use]
    pub fn within(self, timeout: Duration) -> Self {
        Self {
            request_timeout: timeout,
            connect_timeout: timeout.min(Duration::from_secs(5)),
            total_timeout: 2 * timeout,
            ..self
        }
    }
}

impl fmt::Debug for Config {
    /// Without the query of the base address: some vendors put a key there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("base", &error::shown(&self.base))
            .field("authorization", &self.authorization)
            .field("allow_private_addresses", &self.allow_private_addresses)
            .finish_non_exhaustive()
    }
}

/// One read.
#[derive(Clone)]
pub struct Get {
    /// What is being done, for messages: `list stocks`.
    pub operation: &'static str,
    /// Where.
    pub url: Url,
    /// Headers besides user agent, encoding and credentials.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The value of `Authorization` of this call, instead of the client's.
    pub authorization: Option<Secret>,
    /// Read this much of the body and drop the rest, instead of refusing a longer one.
    pub only_first_bytes: Option<u64>,
    /// Which queue it waits in.
    pub lane: Lane,
    /// A time limit of its own for the whole call, its turn in the lane included; never longer than the client's.
    pub within: Option<Duration>,
}

impl Get {
    /// A read of a whole body, in the lane of ordinary work.
    #[must_use]
    pub fn new(operation: &'static str, url: Url) -> Self {
        Self {
            operation,
            url,
            headers: Vec::new(),
            authorization: None,
            only_first_bytes: None,
            lane: Lane::Work,
            within: None,
        }
    }

    /// The same read unless the content is still the one with this tag (`ETag`): then the status is 304 and there is no body. A tag
    /// that no header can carry is left out.
    #[must_use]
    pub fn unless_still(mut self, tag: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(tag) {
            self.headers.push((IF_NONE_MATCH, value));
        }
        self
    }

    /// The same read for a probe: it does not queue behind a pass, and reads the start of the body only.
    #[must_use]
    pub const fn probing(mut self, only_first_bytes: u64) -> Self {
        self.only_first_bytes = Some(only_first_bytes);
        self.lane = Lane::Probe;
        self
    }

    /// The same read for a booking: it does not queue behind a pass, and ends within this time.
    #[must_use]
    pub const fn booking(mut self, within: Duration) -> Self {
        self.lane = Lane::Booking;
        self.within = Some(within);
        self
    }

    /// The same read with this token.
    #[must_use]
    pub fn with_bearer(mut self, token: &Secret) -> Self {
        self.authorization = Some(bearer(token));
        self
    }

    /// The same read with one more header. A value that is marked sensitive is sent to the vendor's own origin only.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl fmt::Debug for Get {
    /// Without query and headers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Get({}: {})", self.operation, error::shown(&self.url))
    }
}

/// Talks to one vendor. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    config: Config,
    inner: reqwest::Client,
    hidden: Hidden,
    /// For effects: each on a connection of its own, since a kept one that the vendor closes meanwhile would leave the
    /// outcome unknown. Made at the first of them, since most vendors are only read.
    fresh: Arc<OnceLock<reqwest::Client>>,
}

impl Client {
    /// Checks the base address and prepares the client. Opens no connection.
    ///
    /// # Errors
    /// Class `Settings`: `BadAddress`, `PlainHttp`, `PrivateAddress`; class `Unsupported`: `NoTls` when this machine has
    /// no usable store of root certificates.
    pub fn new(config: Config) -> Result<Self, AdapterError> {
        // The first caller in the process wins; the provider is the same everywhere.
        let _already_installed = rustls::crypto::ring::default_provider().install_default();
        address::check(&config.base, &config, "read the settings")?;
        let inner = prepare(&config, config.connect_timeout, reqwest::Client::builder())?;
        let hidden = Hidden::of(&config.unspoken.all()).and(config.authorization.as_ref(), &[]);
        Ok(Self { config, inner, hidden, fresh: Arc::default() })
    }

    /// The vendor's host with scheme and port, as [`Lane`]s count it.
    #[must_use]
    pub fn host(&self) -> String {
        self.config.base.origin().ascii_serialization()
    }

    /// How this client talks.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Makes one call and reads its body. Any status is an answer: see [`Answer::refused`] for the usual meanings.
    ///
    /// # Errors
    /// Transport only: `DnsFailed`, `Unreachable`, `TlsFailed`, `TimedOut`, `TooSlow`, `BodyCut`, `BodyTooLarge`,
    /// `BadEncoding`, `PrivateAddress`, `PlainHttp`, `BadRedirect`.
    pub async fn get(&self, get: &Get) -> Result<Answer, AdapterError> {
        self.open(get).await?.whole().await
    }

    /// As [`Client::get`], trying again after network errors, 408, 429 and 5xx while the pass's budget lasts: first within
    /// 1 s, then at growing distances, or exactly when the vendor says if that fits.
    ///
    /// # Errors
    /// Those of the last attempt. A status that stays is an answer.
    pub async fn get_with_retry(&self, get: &Get, budget: &RetryBudget) -> Result<Answer, AdapterError> {
        retry::run(budget, || self.get(get)).await
    }

    /// Makes one call and leaves its body to be read piece by piece. Holds a place in the lane until it is dropped.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn open(&self, get: &Get) -> Result<Download, AdapterError> {
        let hidden = self.hidden.and(get.authorization.as_ref(), &get.headers);
        // An address to which a vendor redirects may repeat what it was told.
        match self.open_hidden(get, &hidden).await {
            Err(error) => Err(answer::without(&hidden, error)),
            opened => opened,
        }
    }

    async fn open_hidden(&self, get: &Get, hidden: &Hidden) -> Result<Download, AdapterError> {
        let (place, started, deadline) = self.turn(get.lane, get.within, get.operation).await?;
        let mut url = get.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            address::check(&url, &self.config, get.operation)?;
            let response = self.send(get, &url, deadline).await?;
            match next_hop(&response, &url, get.operation)? {
                Some(next) => url = next,
                None => {
                    let limits = Limits { total: deadline - started, only_first_bytes: get.only_first_bytes };
                    let of = (get.operation, hidden.clone());
                    return Download::new(response, of, limits, &self.config, started, place);
                }
            }
        }
        Err(bad_redirect(get.operation, &get.url, format!("more than {MAX_REDIRECTS} redirects")))
    }

    /// Waits for a place in the lane. The clock of the call starts once it is its turn: waiting says nothing about the
    /// vendor, unless the caller has a time limit of his own.
    async fn turn(
        &self,
        lane: Lane,
        within: Option<Duration>,
        operation: &str,
    ) -> Result<(Option<OwnedSemaphorePermit>, Instant, Instant), AdapterError> {
        let asked = Instant::now();
        let entering = lane::enter(&self.config.base, lane, &self.config);
        let Some(within) = within else {
            let place = entering.await;
            let started = Instant::now();
            return Ok((place, started, started + self.config.total_timeout));
        };
        let deadline = asked + within.min(self.config.total_timeout);
        let place =
            timeout_at(deadline, entering).await.map_err(|_| error::no_turn(operation, &self.config.base, within))?;
        Ok((place, Instant::now(), deadline))
    }

    async fn send(&self, get: &Get, url: &Url, deadline: Instant) -> Result<reqwest::Response, AdapterError> {
        let request =
            self.dress(self.inner.get(url.clone()), url, &get.headers, get.authorization.as_ref(), get.operation)?;
        self.head(request, get.operation, url, deadline).await.map_err(NotAnswered::into_error)
    }

    /// Puts encoding, headers and credentials on a request; what is secret goes to the vendor's own origin only.
    fn dress(
        &self,
        request: reqwest::RequestBuilder,
        url: &Url,
        headers: &[(HeaderName, HeaderValue)],
        own: Option<&Secret>,
        operation: &str,
    ) -> Result<reqwest::RequestBuilder, AdapterError> {
        let mut request = request.header(ACCEPT_ENCODING, "gzip");
        let at_home = url.origin() == self.config.base.origin();
        for (name, value) in headers {
            if at_home || !value.is_sensitive() {
                request = request.header(name, value);
            }
        }
        match (at_home, own.or(self.config.authorization.as_ref())) {
            (true, Some(secret)) => Ok(request.header(AUTHORIZATION, authorization(secret, operation)?)),
            _ => Ok(request),
        }
    }

    /// Sends a request and waits for the head of its answer.
    async fn head(
        &self,
        request: reqwest::RequestBuilder,
        operation: &str,
        url: &Url,
        deadline: Instant,
    ) -> Result<reqwest::Response, NotAnswered> {
        let limit = self.config.request_timeout.min(deadline.saturating_duration_since(Instant::now()));
        match timeout(limit, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                let never_left = error.is_connect() || error.is_builder();
                let error = error::classify(error, operation, url);
                Err(if never_left { NotAnswered::NotSent(error) } else { NotAnswered::Unknown(error) })
            }
            Err(_) => Err(NotAnswered::Unknown(error::timed_out(operation, url, limit))),
        }
    }

    /// The client for effects.
    fn fresh(&self) -> Result<&reqwest::Client, AdapterError> {
        if let Some(client) = self.fresh.get() {
            return Ok(client);
        }
        // Who cannot be reached soon provably sold nothing; that must be known before the caller's time is over.
        let soon = self.config.connect_timeout.min(ACT_CONNECT_TIMEOUT);
        let client = prepare(&self.config, soon, reqwest::Client::builder().pool_max_idle_per_host(0))?;
        Ok(self.fresh.get_or_init(|| client))
    }
}

fn prepare(
    config: &Config,
    connect_timeout: Duration,
    builder: reqwest::ClientBuilder,
) -> Result<reqwest::Client, AdapterError> {
    let no_tls = || {
        AdapterError::new(
            Class::Unsupported,
            "NoTls",
            "prepare HTTPS",
            "no HTTPS client can be made on this machine; install its root certificates (ca-certificates)",
        )
    };
    builder
        .tls_backend_preconfigured(tls::shared().map_err(|error| no_tls().caused_by(error))?)
        .user_agent(concat!("passerelle/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(connect_timeout)
        .dns_resolver(address::GuardedResolver::new(config))
        .build()
        .map_err(|error| no_tls().caused_by(error.without_url()))
}

/// The value of `Authorization` for a token.
#[must_use]
pub fn bearer(token: &Secret) -> Secret {
    Secret::new(&format!("Bearer {}", token.expose()))
}

/// The value of `Authorization` for a user and a password.
#[must_use]
pub fn basic(user: &str, password: &Secret) -> Secret {
    use base64::Engine as _;
    let pair = format!("{user}:{}", password.expose());
    Secret::new(&format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
}

fn authorization(secret: &Secret, operation: &str) -> Result<HeaderValue, AdapterError> {
    let mut value = HeaderValue::from_str(secret.expose()).map_err(|_| {
        let text = "the credential has characters that no HTTP header can carry (a line break inside it?)";
        AdapterError::new(Class::Settings, "BadCredential", operation, text)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Where a redirect leads, `None` when the answer is not one.
fn next_hop(response: &reqwest::Response, from: &Url, operation: &str) -> Result<Option<Url>, AdapterError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let target = target.ok_or_else(|| bad_redirect(operation, from, "a redirect that says not where to".to_owned()))?;
    let next = from
        .join(target)
        .map_err(|_| bad_redirect(operation, from, "a redirect to something that is no address".to_owned()))?;
    if from.scheme() == "https" && next.scheme() != "https" {
        return Err(bad_redirect(operation, from, "a redirect from https to plain http".to_owned()));
    }
    Ok(Some(next))
}

fn bad_redirect(operation: &str, from: &Url, what: String) -> AdapterError {
    let context = format!("{} answered with {what}; set the final address in the settings", error::shown(from));
    AdapterError::new(Class::VendorFault, "BadRedirect", operation, context)
}

#[cfg(test)]
mod tests;
