//! One attempt: bytes out, bytes in, every size and time bounded.
//!
//! Invariant: an attempt ends within its time limit and never holds more than [`MAX_ANSWER_BYTES`] of an answer.

use std::error::Error;
use std::time::Duration;

use passerelle_contract::Class;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::error::{self, FieldError, Missing, NorthError};

/// Largest answer read: a hundred offers with pictures' addresses are a few hundred kilobytes.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One thing to ask.
pub(super) struct Call<'a> {
    /// For messages and metrics, from a small fixed set: `upsert EANs`.
    pub(super) operation: &'static str,
    pub(super) method: Method,
    /// Below the base URL, with its leading slash.
    pub(super) path: &'a str,
    pub(super) query: &'a [(&'static str, String)],
    pub(super) body: Option<Content<'a>>,
    /// For the whole attempt, the answer's last byte included.
    pub(super) timeout: Duration,
    pub(super) missing: Missing,
    /// May the call be repeated when nobody knows whether it took effect?
    pub(super) resend: Resend,
}

/// A body and what it is.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    Json(&'a [u8]),
    Form {
        /// Occurs nowhere in the parts.
        boundary: &'a str,
        bytes: &'a [u8],
    },
}

/// What to do when an answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resend {
    /// Repeating does no harm.
    Freely,
    /// Only when provably nothing happened.
    IfNothingHappened,
    /// As before, and a server error proves nothing: right for what repeating would make twice.
    IfUnreached,
}

/// What one attempt gave.
pub(super) struct Attempt {
    pub(super) result: Result<Vec<u8>, Failure>,
    /// The answer's `Date`, as written.
    pub(super) date: Option<String>,
}

/// A failed attempt.
pub(super) struct Failure {
    pub(super) error: NorthError,
    /// The answer's `Retry-After`, as written.
    pub(super) retry_after: Option<String>,
    /// May the call have taken effect all the same?
    pub(super) answer_lost: bool,
    /// Did an earlier attempt of the same call leave that open?
    pub(super) open_before: bool,
    /// The fields that the answer names.
    pub(super) fields: Vec<FieldError>,
}

impl Failure {
    /// May this attempt have taken effect? A server that broke down while at work, and an odd success, leave that open.
    pub(super) fn leaves_open(&self) -> bool {
        self.answer_lost || self.error.status.is_some_and(|status| status < 300 || status == 408 || status >= 500)
    }
}

/// The connection pool and what every request carries.
pub(super) struct Transport {
    http: reqwest::Client,
    base: String,
    key: SecretString,
}

impl Transport {
    /// Checks the settings; opens no connection.
    pub(super) fn new(base_url: &Url, key: SecretString) -> Result<Self, NorthError> {
        let settings = |code, what: String, remedy| NorthError::new(Class::Settings, code, "connect", what, remedy);
        let local = is_loopback(base_url);
        if base_url.scheme() != "https" && !(base_url.scheme() == "http" && local) {
            return Err(settings(
                "InsecureBaseUrl",
                format!("`base_url` is {} to a host that is not this machine", base_url.scheme()),
                "write https: the API key travels with every request",
            ));
        }
        if base_url.query().is_some() || base_url.fragment().is_some() || !base_url.username().is_empty() {
            return Err(settings(
                "BadBaseUrl",
                "`base_url` has a user, a query or a fragment".to_owned(),
                "write scheme and host only, for example https://backend.passculture.app",
            ));
        }
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret())).map_err(|_| {
            settings(
                "BadApiKey",
                "the API key has characters that cannot be in a header".to_owned(),
                "copy the key again, without line breaks or spaces",
            )
        })?;
        bearer.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, bearer);
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("passerelle/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        if local {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|why| {
            settings("NoHttpClient", format!("no HTTP client can be made: {}", chain(&why)), "check the proxy settings")
        })?;
        Ok(Self { http, base: base_url.as_str().trim_end_matches('/').to_owned(), key })
    }

    pub(super) async fn attempt(&self, call: &Call<'_>, longest: Duration) -> Attempt {
        let limit = call.timeout.min(longest);
        let mut request = self.http.request(call.method.clone(), format!("{}{}", self.base, call.path)).timeout(limit);
        if !call.query.is_empty() {
            request = request.query(call.query);
        }
        if let Some(body) = call.body {
            let (kind, bytes) = match body {
                Content::Json(bytes) => ("application/json".to_owned(), bytes),
                Content::Form { boundary, bytes } => (format!("multipart/form-data; boundary={boundary}"), bytes),
            };
            request = request.header(reqwest::header::CONTENT_TYPE, kind).body(bytes.to_vec());
        }
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(why) => return Attempt { result: Err(not_answered(call, limit, &why)), date: None },
        };
        let header =
            |name| answer.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
        let (date, retry_after, status) = (header(DATE), header(RETRY_AFTER), answer.status().as_u16());
        let taken = matches!(status, 200 | 201 | 204);
        let result = match read(&mut answer, call, limit).await {
            Ok(body) if taken => Ok(body),
            Ok(body) => Err(Failure {
                error: error::of_answer(call.operation, call.missing, status, &body, self.key.expose_secret()),
                retry_after,
                // A 500 is the application's own refusal; these two come from something in front of it.
                answer_lost: matches!(status, 502 | 504),
                open_before: false,
                fields: error::field_errors(&body),
            }),
            // The status alone is an answer when there is nothing else to read.
            Err(_) if taken && call.method != Method::GET => Ok(Vec::new()),
            Err(failure) if taken => Err(failure),
            Err(_) => Err(Failure {
                error: error::of_answer(call.operation, call.missing, status, b"", ""),
                retry_after,
                answer_lost: matches!(status, 502 | 504),
                open_before: false,
                fields: Vec::new(),
            }),
        };
        Attempt { result, date }
    }

    /// The beginning of an answer, for errors.
    pub(super) fn excerpt(&self, body: &[u8]) -> Option<String> {
        error::excerpt(body, self.key.expose_secret())
    }
}

/// Reads the answer, as far as the limit.
async fn read(answer: &mut reqwest::Response, call: &Call<'_>, limit: Duration) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > MAX_ANSWER_BYTES => {
                return Err(Failure {
                    error: NorthError::new(
                        Class::VendorFault,
                        "OversizedAnswer",
                        call.operation,
                        format!("the answer is longer than {} MiB", MAX_ANSWER_BYTES / 1024 / 1024),
                        "check that `base_url` is pass Culture's",
                    ),
                    retry_after: None,
                    answer_lost: true,
                    open_before: false,
                    fields: Vec::new(),
                });
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(why) => return Err(not_answered(call, limit, &why)),
        }
    }
}

fn not_answered(call: &Call<'_>, limit: Duration, why: &reqwest::Error) -> Failure {
    let (code, what) = if why.is_connect() {
        ("Unreachable", "no connection")
    } else if why.is_timeout() {
        ("Timeout", "no complete answer in time")
    } else if why.is_builder() {
        ("BadRequest", "the request cannot be made")
    } else {
        ("ConnectionCut", "the connection was cut before the answer was complete")
    };
    let class = if why.is_builder() { Class::Settings } else { Class::Transient };
    let what = if why.is_timeout() && !why.is_connect() {
        format!("{what} ({} ms)", limit.as_millis())
    } else {
        format!("{what}: {}", chain(why))
    };
    Failure {
        error: NorthError::new(
            class,
            code,
            call.operation,
            what,
            "check the network and `base_url`; it is tried again on the next pass",
        ),
        retry_after: None,
        answer_lost: !(why.is_connect() || why.is_builder()),
        open_before: false,
        fields: Vec::new(),
    }
}

/// The causes, outermost last left out: reqwest's own sentence names the URL, whose query may hold references.
fn chain(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    if causes.is_empty() { "no further detail".to_owned() } else { causes.join(": ") }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
