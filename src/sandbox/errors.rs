//! Answers, and the two generations of validator messages that live side by side in the real backend.
//!
//! Offers and products speak the old generation (`field required`), bookings, addresses and providers the
//! new one (`Field required`). Business errors are plain strings or lists, as each route has them.
//!
//! Invariant: every 4xx and 5xx text of the fake is written in this file or next to the one rule it belongs to.

use std::collections::BTreeMap;

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// Old generation (offers, products, venues).
pub(crate) mod old {
    pub(crate) const MISSING: &str = "field required";
    pub(crate) const NULL: &str = "none is not an allowed value";
    pub(crate) const EXTRA: &str = "extra fields not permitted";
    pub(crate) const INTEGER: &str = "value is not a valid integer";
    pub(crate) const STRING: &str = "str type expected";
    pub(crate) const LIST: &str = "value is not a valid list";
    pub(crate) const DATETIME: &str = "invalid datetime format";
    pub(crate) const DATETIME_TYPE: &str = "invalid type; expected datetime, string, bytes, int or float";
    pub(crate) const NAIVE: &str = "The datetime must be timezone-aware.";
    pub(crate) const PAST: &str = "The datetime must be in the future.";
    pub(crate) const UNLIMITED: &str = "unexpected value; permitted: 'unlimited'";
    pub(crate) const BOOLEAN: &str = "value could not be parsed to a boolean";
    pub(crate) const EMAIL: &str = "value is not a valid email address";
    pub(crate) const NOW: &str = "unexpected value; permitted: 'now'";
}

/// New generation (bookings, addresses, providers).
pub(crate) mod new {
    pub(crate) const MISSING: &str = "Field required";
    pub(crate) const EXTRA: &str = "Extra inputs are not permitted";
    pub(crate) const INTEGER: &str = "Input should be a valid integer, unable to parse string as an integer";
    pub(crate) const STRING: &str = "Input should be a valid string";
    pub(crate) const URL_TYPE: &str = "URL input should be a string or URL";
    pub(crate) const URL_SCHEME: &str = "URL scheme should be 'http' or 'https'";
    pub(crate) const URL_LONG: &str = "URL should have at most 2083 characters";
}

/// What a crash of the real backend says.
pub(crate) const CRASH: &str = "Il semble que nous ayons des problèmes techniques :( On répare ça au plus vite.";
const WRONG_METHOD: &str = "La méthode que vous utilisez n'existe pas sur notre serveur";
const TOO_MANY: &str = "Nombre de tentatives de connexion dépassé, veuillez réessayer dans une minute";
const UNREADABLE: &str = "The browser (or proxy) sent a request that this server could not understand.";
const NOT_JSON: &str = "Did not attempt to load JSON data because the request Content-Type was not 'application/json'.";

/// One HTTP answer, before it becomes bytes.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: AnswerBody,
    pub(crate) retry_after: Option<u64>,
}

#[derive(Debug, Clone)]
pub(crate) enum AnswerBody {
    Empty,
    Json(Value),
    Html(String),
    Text(String),
}

/// What a handler gives back: both arms are answers, so `?` ends a handler with one.
pub(crate) type Outcome = Result<Answer, Answer>;

impl Answer {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self { status, body: AnswerBody::Json(body), retry_after: None }
    }

    pub(crate) fn ok(body: Value) -> Self {
        Self::json(200, body)
    }

    pub(crate) fn no_content() -> Self {
        Self { status: 204, body: AnswerBody::Empty, retry_after: None }
    }

    pub(crate) fn text(body: String) -> Self {
        Self { status: 200, body: AnswerBody::Text(body), retry_after: None }
    }

    /// `{key: [message]}`: the shape of validation errors.
    pub(crate) fn listed(status: u16, key: &str, message: impl Into<String>) -> Self {
        Self::json(status, json!({ key: [message.into()] }))
    }

    /// `{key: message}`: the shape of many business errors.
    pub(crate) fn plain(status: u16, key: &str, message: &str) -> Self {
        Self::json(status, json!({ key: message }))
    }

    pub(crate) fn unknown_path() -> Self {
        Self::json(404, json!({}))
    }

    pub(crate) fn wrong_method() -> Self {
        Self::listed(405, "global", WRONG_METHOD)
    }

    pub(crate) fn no_key() -> Self {
        Self::plain(401, "auth", "API key required")
    }

    pub(crate) fn inactive_provider() -> Self {
        Self::listed(403, "auth", "Inactive provider")
    }

    pub(crate) fn unreadable_body() -> Self {
        Self::listed(400, "global", UNREADABLE)
    }

    pub(crate) fn not_json() -> Self {
        Self::listed(400, "global", NOT_JSON)
    }

    pub(crate) fn crash() -> Self {
        Self::listed(500, "global", CRASH)
    }

    pub(crate) fn too_many(retry_after: Option<u64>, html: bool) -> Self {
        let mut answer = Self::listed(429, "global", TOO_MANY);
        if html {
            answer.body = AnswerBody::Html(html_page(429));
        }
        answer.retry_after = retry_after;
        answer
    }
}

/// The page a proxy in front of the backend would show.
pub(crate) fn html_page(status: u16) -> String {
    let reason = StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Error");
    format!(
        "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let (kind, body) = match self.body {
            AnswerBody::Empty => ("text/html; charset=utf-8", Vec::new()),
            AnswerBody::Json(value) => ("application/json", serde_json::to_vec(&value).unwrap_or_default()),
            AnswerBody::Html(page) => ("text/html; charset=utf-8", page.into_bytes()),
            AnswerBody::Text(text) => ("text/plain; charset=utf-8", text.into_bytes()),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.headers_mut().insert(
            HeaderName::from_static("access-control-allow-origin"), // every origin is allowed
            HeaderValue::from_static("*"),
        );
        response
    }
}

/// Validation errors of one request, by dotted key.
#[derive(Debug, Default)]
pub(crate) struct Errors(BTreeMap<String, Vec<String>>);

impl Errors {
    pub(crate) fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.0.entry(key.into()).or_default().push(message.into());
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Adds the errors of another branch.
    pub(crate) fn extend(&mut self, other: Self) {
        for (key, messages) in other.0 {
            self.0.entry(key).or_default().extend(messages);
        }
    }

    /// `Err(400)` when anything was added.
    pub(crate) fn finish(self) -> Result<(), Answer> {
        if self.0.is_empty() { Ok(()) } else { Err(Answer::json(400, json!(self.0))) }
    }
}
