//! `/_sim/…`: the cinema driven from outside.

use std::time::Duration;

use axum::Router;
use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post, put};
use passerelle_testkit::simulator::Fault;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shared;
use super::books::{Quirks, SimShow};

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/_sim/shows", get(shows).post(put_show))
        .route("/_sim/shows/{id}", delete(remove_show))
        .route("/_sim/sales", get(sales))
        .route("/_sim/quirks", put(quirks))
        .route("/_sim/faults", post(fault).delete(clear))
}

async fn shows(State(shared): State<Shared>) -> Json<Value> {
    let books = shared.lock();
    let all: Vec<Value> = books
        .shows
        .values()
        .map(|show| json!({ "show": show, "sold": books.sold(show.id), "left": books.left(show.id) }))
        .collect();
    Json(json!({ "shows": all }))
}

async fn put_show(State(shared): State<Shared>, Json(show): Json<SimShow>) -> StatusCode {
    if show.id <= 0 {
        return StatusCode::BAD_REQUEST;
    }
    shared.lock().put_show(show);
    StatusCode::NO_CONTENT
}

async fn remove_show(State(shared): State<Shared>, Path(id): Path<i64>) -> StatusCode {
    if shared.lock().shows.remove(&id).is_some() { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn sales(State(shared): State<Shared>) -> Json<Value> {
    let books = shared.lock();
    let seats = books.tickets.values().filter(|ticket| !ticket.cancelled).count();
    Json(json!({ "sales": books.tickets.values().collect::<Vec<_>>(), "seats_sold": seats }))
}

async fn quirks(State(shared): State<Shared>, Json(quirks): Json<Quirks>) -> StatusCode {
    shared.lock().quirks = quirks;
    StatusCode::NO_CONTENT
}

/// A fault for the next calls.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Part of a path.
    path: String,
    /// `hang`, `html`, `cut`, `status`, `delay`.
    kind: String,
    /// After the vendor has acted?
    #[serde(default)]
    after_effect: bool,
    #[serde(default = "one")]
    times: u32,
    /// For `status`.
    #[serde(default)]
    status: u16,
    /// For `delay`.
    #[serde(default)]
    millis: u64,
}

const fn one() -> u32 {
    1
}

async fn fault(State(shared): State<Shared>, Json(asked): Json<Asked>) -> StatusCode {
    let fault = match asked.kind.as_str() {
        "hang" => Fault::Hang,
        "html" => Fault::Html,
        "cut" => Fault::CutMidBody,
        "status" if (200..600).contains(&asked.status) => Fault::Status(asked.status),
        "delay" => Fault::Delay(Duration::from_millis(asked.millis.min(60_000))),
        _ => return StatusCode::BAD_REQUEST,
    };
    let fault = if asked.after_effect { Fault::AfterEffect(Box::new(fault)) } else { fault };
    match shared.faults.get() {
        Some(faults) => {
            faults.next(&asked.path, asked.times, fault);
            StatusCode::NO_CONTENT
        }
        None => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn clear(State(shared): State<Shared>) -> StatusCode {
    if let Some(faults) = shared.faults.get() {
        faults.clear();
    }
    StatusCode::NO_CONTENT
}
