//! Messages to venues' software, for operators: how they stand, and sending them again.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Web;
use super::admin::Operator;
use super::answer::{problem, unavailable};
use crate::delivery::{self, ReplayRefused, ReplayRequest, endpoint_object, message_object};
use crate::store::Millis;
use crate::store::messages::{MessageFilter, MessageState};

/// Largest body of a replay request, in bytes.
const MOST_BYTES: usize = 16 * 1024;
/// Ids told of a replay.
const MOST_IDS: usize = 100;
/// Messages listed at once.
const MOST_LISTED: u32 = 1_000;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenReplay {
    from: Option<jiff::Timestamp>,
    to: Option<jiff::Timestamp>,
    states: Vec<String>,
    types: Vec<String>,
    dry_run: bool,
}

/// How every endpoint stands.
pub(super) async fn endpoints(_: Operator, State(web): State<Arc<Web>>) -> Response {
    match web.gateway.store.endpoints().await {
        Ok(all) => {
            let all: Vec<Value> = all.iter().map(endpoint_object).collect();
            Json(json!({ "endpoints": all })).into_response()
        }
        Err(error) => unavailable(&error),
    }
}

/// Query of `GET /admin/messages`.
#[derive(Deserialize)]
pub(super) struct MessagesQuery {
    connection: Option<String>,
    state: Option<String>,
    r#type: Option<String>,
    booking: Option<String>,
    limit: Option<u32>,
}

/// Messages, newest first; bodies are not shown.
pub(super) async fn messages(_: Operator, State(web): State<Arc<Web>>, Query(query): Query<MessagesQuery>) -> Response {
    let states = match states(query.state.as_slice()) {
        Ok(states) => states,
        Err(refused) => return refused,
    };
    let filter = MessageFilter {
        connection: query.connection,
        states,
        kinds: query.r#type.into_iter().collect(),
        booking: query.booking,
        ..MessageFilter::default()
    };
    match web.gateway.store.messages(&filter, query.limit.unwrap_or(100).clamp(1, MOST_LISTED)).await {
        Ok(found) => {
            let found: Vec<Value> = found.iter().map(message_object).collect();
            Json(json!({ "messages": found })).into_response()
        }
        Err(error) => unavailable(&error),
    }
}

/// Sends messages of an endpoint again.
pub(super) async fn replay(
    _: Operator,
    State(web): State<Arc<Web>>,
    Path(connection): Path<String>,
    body: Body,
) -> Response {
    let Ok(body) = to_bytes(body, MOST_BYTES).await else {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "TooLarge", "a replay request has at most 16 KiB");
    };
    let written =
        if body.trim_ascii().is_empty() { Ok(WrittenReplay::default()) } else { serde_json::from_slice(&body) };
    let written = match written {
        Ok(written) => written,
        Err(why) => {
            let told = format!("write {{\"from\", \"to\", \"states\", \"types\", \"dry_run\"}}, all optional: {why}");
            return problem(StatusCode::UNPROCESSABLE_ENTITY, "BadRequest", &told);
        }
    };
    let states = match states(&written.states) {
        Ok(states) => states,
        Err(refused) => return refused,
    };
    if let Some(refused) = nothing_is_sent(&web, &connection).await {
        return refused;
    }
    let millis = |at: Option<jiff::Timestamp>| at.map(jiff::Timestamp::as_millisecond);
    let request = ReplayRequest {
        from: millis(written.from),
        to: millis(written.to),
        states,
        types: written.types,
        dry_run: written.dry_run,
    };
    match delivery::replay(web.gateway.store.as_ref(), &connection, &request, now(&web)).await {
        Ok(replayed) => {
            let ids: Vec<&str> = replayed.messages.iter().take(MOST_IDS).map(|message| message.id.as_str()).collect();
            let count = replayed.messages.len();
            let told = json!({
                "matched": count, "replayed": if request.dry_run { 0 } else { count }, "dry_run": request.dry_run,
                "messages": ids,
            });
            Json(told).into_response()
        }
        Err(ReplayRefused::Store(error)) => unavailable(&error),
        Err(refused) => problem(StatusCode::UNPROCESSABLE_ENTITY, refused.code(), &refused.to_string()),
    }
}

/// Sends one message again.
pub(super) async fn replay_one(_: Operator, State(web): State<Arc<Web>>, Path(id): Path<String>) -> Response {
    let found = match web.gateway.store.message(&id).await {
        Ok(Some(found)) => found,
        Ok(None) => return problem(StatusCode::NOT_FOUND, "NoSuchMessage", "there is no message with this id"),
        Err(error) => return unavailable(&error),
    };
    if let Some(refused) = nothing_is_sent(&web, &found.connection).await {
        return refused;
    }
    match delivery::replay_one(web.gateway.store.as_ref(), &id, now(&web)).await {
        Ok(_) => Json(json!({ "matched": 1, "replayed": 1, "dry_run": false, "messages": [id] })).into_response(),
        Err(error) => unavailable(&error),
    }
}

/// Speaks to an endpoint again.
pub(super) async fn resume(_: Operator, State(web): State<Arc<Web>>, Path(connection): Path<String>) -> Response {
    match web.gateway.store.reopen_endpoint(&connection, now(&web)).await {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => no_endpoint(&connection),
        Err(error) => unavailable(&error),
    }
}

fn now(web: &Web) -> Millis {
    (web.gateway.now)()
}

fn no_endpoint(connection: &str) -> Response {
    let told = format!("connection `{connection}` is told of nothing, or was told of nothing yet");
    problem(StatusCode::NOT_FOUND, "NoSuchEndpoint", &told)
}

/// Why nothing can be sent again to a connection.
async fn nothing_is_sent(web: &Web, connection: &str) -> Option<Response> {
    match web.gateway.receivers().await {
        Ok(receivers) => {
            let receiver = receivers.iter().find(|receiver| receiver.connection.id == connection);
            match receiver.and_then(|receiver| receiver.sink()) {
                None => Some(no_endpoint(connection)),
                Some(sink) if !sink.terms().is_sent_to => {
                    let told =
                        format!("`{connection}` fetches its messages; it reads them again from an earlier cursor");
                    Some(problem(StatusCode::CONFLICT, "NothingIsSent", &told))
                }
                Some(_) => None,
            }
        }
        Err(error) => Some(unavailable(&error)),
    }
}

// The error is the answer itself; this runs once a request.
#[allow(clippy::result_large_err)]
fn states(written: &[String]) -> Result<Vec<MessageState>, Response> {
    let read = |name: &String| {
        MessageState::named(name).ok_or_else(|| {
            let told = format!("`{name}` is no state of messages; there are pending, delivered and dead");
            problem(StatusCode::UNPROCESSABLE_ENTITY, "BadState", &told)
        })
    };
    written.iter().map(read).collect()
}

/// The routes in the description of the HTTP API. `with` adds the answers that every route of the operator has.
pub(super) fn described(with: impl Fn(Value) -> Value) -> [(&'static str, Value); 5] {
    let operator = json!([{ "operator": [] }]);
    let id = |what: &str| json!([{ "name": "id", "in": "path", "required": true, "schema": { "type": "string" }, "description": what }]);
    let query = |name: &str| json!({ "name": name, "in": "query", "schema": { "type": "string" } });
    let call = |method: &str, summary: &str, parameters: Value, answers: Value| json!({ method: { "summary": summary, "security": operator, "parameters": parameters, "responses": with(answers) } });
    let replayed = json!({ "200": { "description": "matched, replayed, dry_run, messages" },
        "404": { "description": "no such endpoint or message" }, "409": { "description": "nothing is sent: it is fetched" },
        "422": { "description": "a range or a state that is none; EmptyRange, OutsideRetention, TooMany, BadState" } });
    let range = json!({ "required": false, "content": { "application/json": { "schema": { "type": "object",
        "additionalProperties": false, "properties": {
            "from": { "type": "string", "format": "date-time" }, "to": { "type": "string", "format": "date-time" },
            "states": { "type": "array", "items": { "enum": ["dead", "delivered"] }, "default": ["dead"] },
            "types": { "type": "array", "items": { "type": "string" } }, "dry_run": { "type": "boolean", "default": false } } } } } });
    let mut several =
        call("post", "Send messages of an endpoint again, at most 10 000", id("the connection"), replayed.clone());
    if let Some(post) = several.pointer_mut("/post").and_then(Value::as_object_mut) {
        post.insert("requestBody".to_owned(), range);
    }
    [
        (
            "/admin/endpoints",
            call(
                "get",
                "How messages stand at every endpoint",
                json!([]),
                json!({ "200": { "description": "endpoints" } }),
            ),
        ),
        ("/admin/endpoints/{id}/replay", several),
        (
            "/admin/endpoints/{id}/resume",
            call(
                "post",
                "Speak to an endpoint again",
                id("the connection"),
                json!({ "204": { "description": "what waits is due" }, "404": { "description": "no such endpoint" } }),
            ),
        ),
        (
            "/admin/messages",
            call(
                "get",
                "Messages, newest first, without their bodies",
                json!([query("connection"), query("state"), query("type"), query("booking"), query("limit")]),
                json!({ "200": { "description": "messages" }, "422": { "description": "BadState" } }),
            ),
        ),
        ("/admin/messages/{id}/replay", call("post", "Send one message again", id("the message"), replayed)),
    ]
}
