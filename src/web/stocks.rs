//! `POST /api/v1/stocks/{venue}` (and `/v2/venue/{venue}/stocks`): booksellers' software posts its stocks to us.
//!
//! The contract is the one that pass Culture had until 2024, so that software written for it works unchanged: 204 means stored,
//! not applied. `PUT` replaces everything, behind the guard. The order of checks is the contract's too: token, body, venue.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use passerelle_contract::{Adapter, IntakeError};
use serde_json::json;

use super::Web;
use super::answer::bearer;
use crate::gateway;
use crate::store::{ConnectionRecord, StoreError};
use crate::telemetry;

/// Bodies of one connection that may wait for a worker.
const MOST_WAITING: u32 = 1_000;
/// Longest `Idempotency-Key`.
const LONGEST_KEY: usize = 200;
/// Connections are read again after this time, so that a new token works soon.
const REMEMBERED: Duration = Duration::from_secs(5);

/// Connections that vendors post to, remembered for a short while.
#[derive(Default)]
pub(super) struct Intakes {
    known: Mutex<Option<(Instant, Arc<Vec<Intake>>)>>,
}

struct Intake {
    connection: ConnectionRecord,
    adapter: Arc<dyn Adapter>,
}

impl std::fmt::Debug for Intakes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Intakes")
    }
}

impl Intakes {
    async fn get(&self, web: &Web) -> Result<Arc<Vec<Intake>>, StoreError> {
        let remembered = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, intakes)) = remembered.filter(|(at, _)| at.elapsed() < REMEMBERED) {
            return Ok(intakes);
        }
        let mut intakes = Vec::new();
        for connection in web.gateway.store.connections().await? {
            match gateway::adapter(&connection, None) {
                Ok(adapter) if adapter.push_intake().is_some() => intakes.push(Intake { connection, adapter }),
                Ok(_) => {}
                Err(problems) => tracing::warn!(connection = connection.id, ?problems, "a connection cannot be used"),
            }
        }
        let intakes = Arc::new(intakes);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), Arc::clone(&intakes)));
        Ok(intakes)
    }
}

/// Some references, as they are now.
pub(super) async fn post(state: State<Arc<Web>>, path: Path<String>, headers: HeaderMap, body: Body) -> Response {
    counted(receive(&state.0, &path.0, &headers, body, false).await)
}

/// Everything the shop has.
pub(super) async fn put(state: State<Arc<Web>>, path: Path<String>, headers: HeaderMap, body: Body) -> Response {
    counted(receive(&state.0, &path.0, &headers, body, true).await)
}

fn counted(result: Result<(), Response>) -> Response {
    match result {
        Ok(()) => {
            telemetry::inbound_answered("stored");
            StatusCode::NO_CONTENT.into_response()
        }
        Err(response) => {
            telemetry::inbound_answered(if response.status().is_server_error() { "failed" } else { "refused" });
            response
        }
    }
}

async fn receive(web: &Web, venue: &str, headers: &HeaderMap, body: Body, snapshot: bool) -> Result<(), Response> {
    let intakes = web.intakes.get(web).await.map_err(|error| unavailable(&error))?;
    let token = bearer(headers).ok_or_else(unauthorized)?;
    let found =
        intakes.iter().find(|intake| intake.adapter.push_intake().is_some_and(|push| push.accepts_token(token)));
    let Intake { connection, adapter } = found.ok_or_else(unauthorized)?;
    let intake = adapter.push_intake().ok_or_else(unauthorized)?;
    let body = to_bytes(body, intake.max_body_bytes()).await.map_err(|_| too_large(intake.max_body_bytes()))?;
    intake.read(&body).map_err(|error| match error {
        IntakeError::Invalid(fields) => (StatusCode::BAD_REQUEST, Json(fields)).into_response(),
        IntakeError::TooMany => too_large(intake.max_body_bytes()),
    })?;
    if !serves(web, connection, venue).await.map_err(|error| unavailable(&error))? {
        return Err((StatusCode::NOT_FOUND, Json(json!({ "global": ["Ce lieu n'existe pas ou n'est pas le vôtre"] })))
            .into_response());
    }
    let key = idempotency_key(headers)?;
    let stored = web
        .gateway
        .store
        .store_inbound(&connection.id, snapshot, &body, key, (web.gateway.now)(), MOST_WAITING)
        .await
        .map_err(|error| unavailable(&error))?;
    if stored.is_none() {
        return Err(busy());
    }
    Ok(())
}

/// The path names the venue by its pass Culture id, as the old contract did, or by the connection.
async fn serves(web: &Web, connection: &ConnectionRecord, venue: &str) -> Result<bool, StoreError> {
    if venue == connection.id || connection.siret.as_deref() == Some(venue) {
        return Ok(true);
    }
    let Ok(id) = venue.parse::<i64>() else { return Ok(false) };
    if connection.venue == Some(id) {
        return Ok(true);
    }
    Ok(web.gateway.store.state(&connection.id).await?.venue_id == Some(id))
}

// The error is the answer itself; this runs once a request.
#[allow(clippy::result_large_err)]
fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Response> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= LONGEST_KEY => Ok(Some(key)),
        _ => Err((
            StatusCode::BAD_REQUEST,
            Json(json!({ "global": [format!("Idempotency-Key : 1 à {LONGEST_KEY} caractères ASCII")] })),
        )
            .into_response()),
    }
}

fn unauthorized() -> Response {
    let mut response = (StatusCode::UNAUTHORIZED, Json(json!({ "auth": "API key required" }))).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn too_large(most: usize) -> Response {
    let told = format!("Trop de lignes, ou plus de {} Mio : envoyez le stock en plusieurs fois", most / (1024 * 1024));
    (StatusCode::PAYLOAD_TOO_LARGE, Json(json!({ "global": [told] }))).into_response()
}

fn busy() -> Response {
    let mut response =
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "global": ["Réessayez dans une minute"] }))).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    response
}

fn unavailable(error: &StoreError) -> Response {
    tracing::error!(%error, "a posted stock could not be stored");
    busy()
}
