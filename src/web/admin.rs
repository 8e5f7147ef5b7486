//! The admin API: what `check` and `connections` show, over HTTP, behind the operator's token.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Web;
use super::answer::{bearer, problem, unavailable};
use crate::gateway::connection_object;
use crate::health::{self, probe_object};
use crate::store::{ProbeRecord, StoreError};

/// Proof that the operator's token was presented.
pub(super) struct Operator;

impl FromRequestParts<Arc<Web>> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Response> {
        let Some(token) = &web.admin_token else {
            return Err(problem(
                StatusCode::FORBIDDEN,
                "NoAdminToken",
                "[server] admin_token is not configured, so the admin API is closed",
            ));
        };
        match bearer(&parts.headers) {
            Some(presented) if token.matches(presented) => Ok(Self),
            _ => Err(problem(StatusCode::UNAUTHORIZED, "Unauthorized", "a valid bearer token is needed")),
        }
    }
}

fn unknown(id: &str) -> Response {
    problem(StatusCode::NOT_FOUND, "NoSuchConnection", &format!("there is no connection `{id}`"))
}

/// Query of `GET /api/v1/health`.
#[derive(Deserialize)]
pub(super) struct HealthQuery {
    /// Ask the probes now instead of telling the last answers.
    #[serde(default)]
    ask: bool,
}

/// Verdicts of everything: 200 when nothing fails, 503 otherwise.
pub(super) async fn health(_: Operator, State(web): State<Arc<Web>>, Query(query): Query<HealthQuery>) -> Response {
    let told = async {
        let records = if query.ask { ask(&web).await? } else { web.gateway.store.probes(None).await? };
        let chains = chains(&web, &records).await?;
        Ok::<_, StoreError>((records, chains))
    };
    match told.await {
        Ok((records, chains)) => {
            let worst = health::worst(&records);
            let status =
                if worst == health::Verdict::Failing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
            let probes: Vec<Value> = records.iter().map(probe_object).collect();
            (status, Json(json!({ "verdict": worst.name(), "probes": probes, "chains": chains }))).into_response()
        }
        Err(error) => unavailable(&error),
    }
}

async fn ask(web: &Web) -> Result<Vec<ProbeRecord>, StoreError> {
    let connections = web.gateway.store.connections().await?;
    let mut records = Vec::new();
    for account in web.gateway.accounts.keys() {
        let served: Vec<_> = connections.iter().filter(|connection| connection.account == *account).cloned().collect();
        records.extend(health::check_account(&web.gateway, account, &served).await?);
    }
    for connection in &connections {
        records.extend(health::check_connection(&web.gateway, connection).await?);
    }
    Ok(records)
}

/// How the chains are, by the verdicts of their sites.
async fn chains(web: &Web, records: &[ProbeRecord]) -> Result<Vec<Value>, StoreError> {
    let mut chains = health::Chains::default();
    for connection in web.gateway.store.connections().await? {
        let own: Vec<ProbeRecord> = records.iter().filter(|record| record.subject == connection.id).cloned().collect();
        chains.add(&connection, health::worst(&own));
    }
    Ok(chains.all().map(health::Chain::object).collect())
}

/// Every connection.
pub(super) async fn connections(_: Operator, State(web): State<Arc<Web>>) -> Response {
    let listed = async {
        let mut objects = Vec::new();
        for known in web.gateway.store.known_connections().await? {
            objects.push(connection_object(&known.record, &known.state, known.is_held));
        }
        Ok::<_, StoreError>(objects)
    };
    match listed.await {
        Ok(objects) => Json(json!({ "connections": objects })).into_response(),
        Err(error) => unavailable(&error),
    }
}

/// One connection with its last passes.
pub(super) async fn connection(_: Operator, State(web): State<Arc<Web>>, Path(id): Path<String>) -> Response {
    let told = async {
        let Some(connection) = web.gateway.store.connection(&id).await? else { return Ok(None) };
        let state = web.gateway.store.state(&id).await?;
        let held = web.gateway.store.held(&id).await?;
        let passes = web.gateway.store.passes(&id, 20).await?;
        let mut object = connection_object(&connection, &state, held.is_some());
        if let Some(object) = object.as_object_mut() {
            object.insert("passes".to_owned(), json!(passes.iter().map(|pass| &pass.summary).collect::<Vec<_>>()));
            object.insert("held_plan".to_owned(), json!(held));
        }
        Ok::<_, StoreError>(Some(object))
    };
    match told.await {
        Ok(Some(object)) => Json(object).into_response(),
        Ok(None) => unknown(&id),
        Err(error) => unavailable(&error),
    }
}

/// Stops a connection's schedule.
pub(super) async fn pause(_: Operator, State(web): State<Arc<Web>>, Path(id): Path<String>) -> Response {
    set_paused(&web, &id, true).await
}

/// Lets a connection go on.
pub(super) async fn resume(_: Operator, State(web): State<Arc<Web>>, Path(id): Path<String>) -> Response {
    set_paused(&web, &id, false).await
}

async fn set_paused(web: &Web, id: &str, paused: bool) -> Response {
    match web.gateway.store.set_paused(id, paused, (web.gateway.now)()).await {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => unknown(id),
        Err(error) => unavailable(&error),
    }
}

/// Makes a pass due now; 202, the schedule does it.
pub(super) async fn sync(_: Operator, State(web): State<Arc<Web>>, Path(id): Path<String>) -> Response {
    match web.gateway.store.make_due(&id, (web.gateway.now)()).await {
        Ok(true) => StatusCode::ACCEPTED.into_response(),
        Ok(false) => unknown(&id),
        Err(error) => unavailable(&error),
    }
}
