//! Answers that every route gives the same way.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::store::StoreError;

/// An error as the admin API tells it: a stable code and a sentence.
pub(super) fn problem(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "code": code, "message": message }))).into_response()
}

/// An error that a bookseller may read: [`problem`] with the same in French.
pub(super) fn problem_in_french(status: StatusCode, code: &str, message: &str, message_fr: &str) -> Response {
    (status, Json(json!({ "code": code, "message": message, "message_fr": message_fr }))).into_response()
}

/// The token of `Authorization: Bearer …`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.trim())
}

/// No token, or one that nobody's software has.
pub(super) fn bad_token() -> Response {
    let mut response = problem(StatusCode::UNAUTHORIZED, "Unauthorized", "a valid bearer token is needed");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// The store failed.
pub(super) fn unavailable(error: &StoreError) -> Response {
    tracing::error!(%error, "the store failed a request");
    problem(StatusCode::SERVICE_UNAVAILABLE, "StoreUnavailable", "the store does not answer")
}
