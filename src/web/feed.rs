//! `GET /vendor/v1/events-feed` and `POST /vendor/v1/events-feed/ack`: venues' software fetches its messages.
//!
//! The same documents as the sent ones, unsigned: the token says who asks. A cursor is a message's position; positions are
//! committed in order, so that whoever reads on from one misses nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout};

use super::Web;
use super::answer::{bad_token, problem, unavailable};
use crate::store::messages::MessageRow;

/// Items of one answer at most.
const MOST_ITEMS: u32 = 100;
/// The longest that a request waits for news, in seconds.
const LONGEST_WAIT: u64 = 25;
/// Other processes' messages are looked for this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Largest acknowledgement, in bytes.
const MOST_BYTES: usize = 4 * 1024;
/// Digits of a cursor.
const CURSOR_DIGITS: usize = 16;

/// Query of the feed.
#[derive(Deserialize)]
pub(super) struct FeedQuery {
    after: Option<String>,
    limit: Option<u32>,
    wait: Option<u64>,
}

/// A document of the feed: as it would be sent, with its place.
#[derive(Serialize)]
struct Item<'a> {
    cursor: String,
    id: &'a str,
    #[serde(flatten)]
    document: Document<'a>,
}

#[derive(Serialize, Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    r#type: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    timestamp: std::borrow::Cow<'a, str>,
    sequence: u32,
    #[serde(borrow)]
    data: &'a RawValue,
}

fn cursor(position: i64) -> String {
    format!("{position:0width$}", width = CURSOR_DIGITS)
}

fn position(cursor: &str) -> Option<i64> {
    let fits = !cursor.is_empty() && cursor.len() <= CURSOR_DIGITS && cursor.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| cursor.parse().ok()).flatten()
}

fn bad_cursor() -> Response {
    problem(
        StatusCode::BAD_REQUEST,
        "BadCursor",
        "the cursor is none that this feed gave; leave `after` out to begin where you acknowledged last",
    )
}

fn too_often() -> Response {
    let told = "more than 10 calls a second; wait as Retry-After says, and let `wait` do the polling";
    let mut response = problem(StatusCode::TOO_MANY_REQUESTS, "TooManyCalls", told);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// What happened after a cursor.
pub(super) async fn read(State(web): State<Arc<Web>>, Query(query): Query<FeedQuery>, headers: HeaderMap) -> Response {
    let receiver = match web.receivers.speaking(&web, &headers).await {
        Ok(Some(receiver)) => receiver,
        Ok(None) => return bad_token(),
        Err(error) => return unavailable(&error),
    };
    let connection = receiver.connection.id;
    if !web.vendors.take(&connection, std::time::Instant::now()) {
        return too_often();
    }
    let after = match query.after.as_deref().map(position) {
        Some(None) => return bad_cursor(),
        Some(Some(after)) => Some(after),
        None => None,
    };
    let limit = query.limit.unwrap_or(MOST_ITEMS).clamp(1, MOST_ITEMS);
    let until = Instant::now() + Duration::from_secs(query.wait.unwrap_or(0).min(LONGEST_WAIT));
    let mut told = web.gateway.store.told();
    loop {
        let endpoint = match web.gateway.store.endpoint(&connection).await {
            Ok(endpoint) => endpoint,
            Err(error) => return unavailable(&error),
        };
        let (newest, acknowledged, forgotten) =
            endpoint.map_or((0, 0, 0), |known| (known.position, known.acknowledged, known.forgotten));
        let from = after.unwrap_or(acknowledged);
        if from > newest {
            return bad_cursor();
        }
        if after.is_some() && from < forgotten {
            let restart = cursor(forgotten);
            let told = json!({
                "error": "cursor_expired", "restart": restart, "code": "CursorExpired",
                "message": "messages are kept for 30 days; read the door list, then go on from `restart`"
            });
            return (StatusCode::GONE, Json(told)).into_response();
        }
        let found = match web.gateway.store.messages_after(&connection, from, limit + 1).await {
            Ok(found) => found,
            Err(error) => return unavailable(&error),
        };
        if !found.is_empty() || Instant::now() >= until || web.stop.is_cancelled() {
            return page(found, from, limit as usize);
        }
        let wait = LOOK_EVERY.min(until.saturating_duration_since(Instant::now()));
        tokio::select! {
            () = web.stop.cancelled() => {}
            _ = timeout(wait, told.changed()) => {}
        }
    }
}

fn page(mut found: Vec<MessageRow>, from: i64, limit: usize) -> Response {
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = cursor(found.last().map_or(from, |last| last.position));
    let items: Vec<Item<'_>> = found
        .iter()
        .filter_map(|message| {
            let document = serde_json::from_str(&message.body).ok()?;
            Some(Item { cursor: cursor(message.position), id: &message.id, document })
        })
        .collect();
    #[derive(Serialize)]
    struct Page<'a> {
        items: Vec<Item<'a>>,
        next: String,
        has_more: bool,
    }
    Json(Page { items, next, has_more }).into_response()
}

/// The software has everything up to a cursor.
pub(super) async fn acknowledge(State(web): State<Arc<Web>>, headers: HeaderMap, body: Body) -> Response {
    #[derive(Deserialize)]
    struct Acknowledgement {
        cursor: String,
    }
    let receiver = match web.receivers.speaking(&web, &headers).await {
        Ok(Some(receiver)) => receiver,
        Ok(None) => return bad_token(),
        Err(error) => return unavailable(&error),
    };
    if !web.vendors.take(&receiver.connection.id, std::time::Instant::now()) {
        return too_often();
    }
    let Ok(body) = to_bytes(body, MOST_BYTES).await else {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "TooLarge", "an acknowledgement has one cursor");
    };
    let told = serde_json::from_slice::<Acknowledgement>(&body).ok().and_then(|told| position(&told.cursor));
    let Some(told) = told else { return bad_cursor() };
    match web.gateway.store.acknowledge(&receiver.connection.id, told, (web.gateway.now)()).await {
        Ok(Some(holds)) => Json(json!({ "cursor": cursor(holds) })).into_response(),
        Ok(None) => bad_cursor(),
        Err(error) => unavailable(&error),
    }
}

/// The routes in the description of the HTTP API.
pub(super) fn described() -> [(&'static str, serde_json::Value); 2] {
    let software = json!([{ "software": [] }]);
    let query = |name: &str, schema: serde_json::Value| json!({ "name": name, "in": "query", "schema": schema });
    [
        (
            "/vendor/v1/events-feed",
            json!({ "get": {
                "summary": "Messages after a cursor, in order; without one, after what was acknowledged", "security": software,
                "parameters": [
                    query("after", json!({ "type": "string", "maxLength": 16 })),
                    query("limit", json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 100 })),
                    query("wait", json!({ "type": "integer", "minimum": 0, "maximum": 25, "default": 0, "description": "seconds to wait for news" }))
                ],
                "responses": {
                    "200": { "description": "items (cursor, id, type, timestamp, sequence, data), next, has_more" },
                    "400": { "description": "a cursor that this feed never gave" },
                    "401": { "description": "no or wrong token" },
                    "429": { "description": "more than 10 calls a second; Retry-After" },
                    "410": { "description": "what follows the cursor was forgotten: go on from `restart`" },
                    "503": { "description": "the store does not answer" }
                }
            } }),
        ),
        (
            "/vendor/v1/events-feed/ack",
            json!({ "post": {
                "summary": "The software has everything up to a cursor; never goes back", "security": software,
                "requestBody": { "required": true, "content": { "application/json": { "schema": {
                    "type": "object", "required": ["cursor"], "properties": { "cursor": { "type": "string", "maxLength": 16 } } } } } },
                "responses": {
                    "200": { "description": "the cursor that holds now" },
                    "400": { "description": "a cursor that this feed never gave" },
                    "401": { "description": "no or wrong token" },
                    "503": { "description": "the store does not answer" }
                }
            } }),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_positions_and_nothing_else() {
        assert_eq!(cursor(12_345), "0000000000012345");
        assert_eq!(position("0000000000012345"), Some(12_345));
        for odd in ["", "-1", "12a", "99999999999999999", "١"] {
            assert_eq!(position(odd), None, "{odd}");
        }
    }
}
