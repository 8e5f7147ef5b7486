//! `/_sim/faults`: misbehaviour asked for from outside the process.

use std::time::Duration;

use axum::Router;
use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::routing::post;
use serde::Deserialize;

use super::fault::{Fault, Faults};

/// Longest delay that can be asked for.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// Where it stands.
pub(super) const PATH: &str = "/_sim/faults";

pub(super) fn router(faults: Faults) -> Router {
    Router::new().route(PATH, post(add).delete(clear)).with_state(faults)
}

/// A fault for the next calls.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Part of a path.
    path: String,
    kind: Kind,
    /// After the vendor has acted?
    #[serde(default)]
    after_effect: bool,
    #[serde(default = "once")]
    times: u32,
    /// For `status`.
    #[serde(default)]
    status: u16,
    /// For `delay`.
    #[serde(default)]
    millis: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Hang,
    Html,
    Cut,
    Status,
    Delay,
}

const fn once() -> u32 {
    1
}

async fn add(State(faults): State<Faults>, Json(asked): Json<Asked>) -> StatusCode {
    let fault = match asked.kind {
        Kind::Hang => Fault::Hang,
        Kind::Html => Fault::Html,
        Kind::Cut => Fault::CutMidBody,
        Kind::Status if (200..600).contains(&asked.status) => Fault::Status(asked.status),
        Kind::Status => return StatusCode::BAD_REQUEST,
        Kind::Delay => Fault::Delay(Duration::from_millis(asked.millis).min(LONGEST_DELAY)),
    };
    let fault = if asked.after_effect { Fault::AfterEffect(Box::new(fault)) } else { fault };
    faults.next(&asked.path, asked.times, fault);
    StatusCode::NO_CONTENT
}

async fn clear(State(faults): State<Faults>) -> StatusCode {
    faults.clear();
    StatusCode::NO_CONTENT
}
