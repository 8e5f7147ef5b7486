//! One call of a venue's software: who speaks, how often, with which body; answers that are given again.
//!
//! Invariant: a body is read only once its sender is known, and never beyond its bound.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use passerelle_contract::Adapter;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::allotment::request::Fault;
use crate::store::allotments::AnsweredKey;
use crate::store::{ConnectionRecord, Store, StoreError};
use crate::web::Web;

/// Calls of one token a second, and at once.
const CALLS_PER_SECOND: f64 = 10.0;
/// Tokens whose calls are counted; more than any gateway has, and a bound all the same.
const MOST_COUNTED: usize = 10_000;
/// Longest `Idempotency-Key`.
const LONGEST_KEY: usize = 200;
/// Largest answer that is kept to be given again, in bytes: a repeated import with more refusals is done again, which changes
/// nothing.
const LARGEST_KEPT: usize = 256 * 1024;

/// How often each connection's software may call.
#[derive(Debug, Default)]
pub(in crate::web) struct Limits {
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Limits {
    /// Is there room for one more call now?
    pub(in crate::web) fn take(&self, connection: &str, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_COUNTED && !buckets.contains_key(connection) {
            buckets.retain(|_, bucket| bucket.refilled(now).left < CALLS_PER_SECOND);
        }
        let full = Bucket { left: CALLS_PER_SECOND, at: now };
        let bucket = buckets.entry(connection.to_owned()).or_insert(full);
        *bucket = bucket.refilled(now);
        if bucket.left < 1.0 {
            return false;
        }
        bucket.left -= 1.0;
        true
    }
}

impl Bucket {
    fn refilled(self, now: Instant) -> Self {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        Self { left: (self.left + since * CALLS_PER_SECOND).min(CALLS_PER_SECOND), at: now }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl Told {
    pub(super) const fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body }
    }

    pub(super) fn refused(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, body: json!({ "code": code, "message": message.into() }) }
    }

    /// With one more word for programs.
    pub(super) fn and(mut self, key: &str, value: Value) -> Self {
        if let Some(body) = self.body.as_object_mut() {
            body.insert(key.to_owned(), value);
        }
        self
    }

    /// What is wrong with a body.
    pub(super) fn faulty(faults: &[Fault]) -> Self {
        let told = |fault: &Fault| json!({ "path": fault.path, "message": fault.message });
        let first = faults.first().map_or_else(String::new, |fault| match fault.path.as_str() {
            "" => fault.message.clone(),
            path => format!("{path}: {}", fault.message),
        });
        Self::refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", first)
            .and("problems", faults.iter().map(told).collect())
    }

    pub(super) fn missing(code: &str, message: impl Into<String>) -> Self {
        Self::refused(StatusCode::NOT_FOUND, code, message)
    }
}

impl From<StoreError> for Told {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store failed a call of a venue's software");
        Self::refused(StatusCode::SERVICE_UNAVAILABLE, "StoreUnavailable", "the store does not answer; try again")
    }
}

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        let waits = match self.status {
            StatusCode::TOO_MANY_REQUESTS => Some("1"),
            StatusCode::SERVICE_UNAVAILABLE => Some("10"),
            _ => None,
        };
        let mut response = (self.status, Json(self.body)).into_response();
        if let Some(seconds) = waits {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A call whose sender is known and whose body was read.
pub(super) struct Call {
    pub(super) web: Arc<Web>,
    pub(super) connection: ConnectionRecord,
    /// Its venue at pass Culture, once it is known.
    pub(super) venue: Option<i64>,
    pub(super) adapter: Arc<dyn Adapter>,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    repeatable: Option<(String, String)>,
}

/// Knows the sender and reads the body, of at most so many bytes.
///
/// # Errors
/// The answer, when there is nothing left to do: refused, or given before.
pub(super) async fn begin(web: Arc<Web>, request: Request, most_bytes: usize) -> Result<Call, Told> {
    let (parts, body) = request.into_parts();
    let Some(receiver) = web.receivers.speaking(&web, &parts.headers).await? else {
        let why = "a valid bearer token is needed: the api_token of a connection";
        return Err(Told::refused(StatusCode::UNAUTHORIZED, "Unauthorized", why));
    };
    let connection = receiver.connection.clone();
    if !web.vendors.take(&connection.id, Instant::now()) {
        let why = "more than 10 calls a second; wait as Retry-After says";
        return Err(Told::refused(StatusCode::TOO_MANY_REQUESTS, "TooManyCalls", why));
    }
    let adapter = web.gateway.adapter(&connection).map_err(|problems| {
        tracing::error!(
            connection = connection.id,
            ?problems,
            "a venue's software calls and its connection does not work"
        );
        Told::refused(StatusCode::SERVICE_UNAVAILABLE, "NoAdapter", "the connection does not work now; try again later")
    })?;
    let key = key_of(&parts.headers, &parts.method)?;
    let body = to_bytes(body, most_bytes).await.map_err(|_| {
        let why = format!("a body has at most {most_bytes} bytes here; send it in several");
        Told::refused(StatusCode::PAYLOAD_TOO_LARGE, "TooLarge", why)
    })?;
    let repeatable = key.map(|key| {
        let mut digest = Sha256::new();
        for part in [parts.method.as_str().as_bytes(), parts.uri.path().as_bytes(), &body] {
            digest.update(u64::try_from(part.len()).unwrap_or_default().to_be_bytes());
            digest.update(part);
        }
        (key, hex::encode(digest.finalize()))
    });
    let call = Call {
        web,
        venue: receiver.venue,
        connection,
        adapter,
        headers: parts.headers,
        body: body.to_vec(),
        repeatable,
    };
    match call.answered().await? {
        Some(told) => Err(told),
        None => Ok(call),
    }
}

fn key_of(headers: &HeaderMap, method: &Method) -> Result<Option<String>, Told> {
    let Some(value) = headers.get("idempotency-key").filter(|_| [Method::POST, Method::PUT].contains(method)) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if (1..=LONGEST_KEY).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => {
            let why = format!("an Idempotency-Key has 1 to {LONGEST_KEY} ASCII characters");
            Err(Told::refused(StatusCode::BAD_REQUEST, "BadIdempotencyKey", why))
        }
    }
}

impl Call {
    pub(super) fn store(&self) -> &dyn Store {
        self.web.gateway.store.as_ref()
    }

    pub(super) fn now(&self) -> i64 {
        (self.web.gateway.now)()
    }

    /// The body as JSON; an empty one is an empty object.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn json(&self) -> Result<Value, Told> {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            let why = format!("the body is no JSON: line {}, column {}", error.line(), error.column());
            Told::refused(StatusCode::BAD_REQUEST, "NotJson", why)
        })
    }

    /// What was stated is published by the next pass, which is due now.
    ///
    /// # Errors
    /// When the store fails: what was stated is kept, and a repeated call tells the rest.
    pub(super) async fn make_due(&self) -> Result<(), Told> {
        self.store().make_due_again(&self.connection.id, self.now()).await?;
        Ok(())
    }

    /// The answer to the same call before.
    async fn answered(&self) -> Result<Option<Told>, Told> {
        let Some((key, digest)) = &self.repeatable else { return Ok(None) };
        let Some(known) = self.store().answered_key(&self.connection.id, key, self.now()).await? else {
            return Ok(None);
        };
        if known.digest != *digest {
            let why = "this Idempotency-Key came with another call within 24 hours; a new call needs a new key";
            return Err(Told::refused(StatusCode::UNPROCESSABLE_ENTITY, "IdempotencyKeyReused", why));
        }
        let status = StatusCode::from_u16(known.status).unwrap_or(StatusCode::OK);
        Ok(Some(Told { status, body: serde_json::from_str(&known.body).unwrap_or_default() }))
    }

    /// Gives the answer, and keeps it for whoever repeats the call.
    pub(super) async fn end(&self, told: Result<Told, Told>) -> Response {
        let told = told.unwrap_or_else(|refused| refused);
        if let Some((key, digest)) = &self.repeatable
            && !told.status.is_server_error()
        {
            let (digest, body) = (digest.clone(), told.body.to_string());
            let answer = AnsweredKey { digest, status: told.status.as_u16(), body, at: self.now() };
            if answer.body.len() <= LARGEST_KEPT
                && let Err(error) = self.store().remember_answer(&self.connection.id, key, &answer).await
            {
                tracing::warn!(%error, "an answer could not be kept; a repeated call is done again");
            }
        }
        told.into_response()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ten_calls_a_second_and_no_more() {
        let limits = Limits::default();
        let began = Instant::now();
        assert!((0..10).all(|_| limits.take("hall", began)));
        assert!(!limits.take("hall", began));
        assert!(limits.take("other", began), "each has its own");
        assert!(limits.take("hall", began + Duration::from_millis(101)));
        assert!(!limits.take("hall", began + Duration::from_millis(102)));
        assert!((0..10).all(|_| limits.take("hall", began + Duration::from_secs(60))));
    }

    #[test]
    fn what_is_counted_has_a_bound() {
        let limits = Limits::default();
        let began = Instant::now();
        for number in 0..MOST_COUNTED {
            limits.take(&number.to_string(), began);
        }
        limits.take("one more", began + Duration::from_secs(2));
        assert_eq!(limits.buckets.lock().unwrap().len(), 1);
    }
}
