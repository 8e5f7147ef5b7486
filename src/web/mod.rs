//! The gateway's own HTTP: what vendors post to us, the admin API, liveness and metrics.
//!
//! Handlers check who speaks, store, and answer; the work is done by the schedule. A body is durable before its 204.
//!
//! Invariant: no handler calls a vendor or pass Culture, except those of signed messages (through the desk, vendors only), of
//! countermarks (pass Culture only) and `GET /api/v1/health?ask=true`, which asks the probes.

mod admin;
mod answer;
mod endpoints;
mod feed;
mod front;
mod hints;
mod messages;
mod openapi;
mod receivers;
mod refusals;
mod shape;
mod socket;
mod software_limits;
mod stocks;
mod tokens;
mod vendor;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use passerelle_kit::secret::Secret;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::booking::Desk;
use crate::gateway::Gateway;
use crate::health::StoreWatch;
use crate::notices::Intake;
use crate::passculture::messages::Kind;
use answer::problem;

pub use openapi::document;
pub use socket::{Origin, Sharing, listen, share};

/// Longest time a request may take, its body included.
const REQUEST_TIME: Duration = Duration::from_secs(30);

/// Longest time in which the store says that it is there.
const READY_WITHIN: Duration = Duration::from_secs(5);

/// What the handlers share.
#[derive(Debug)]
pub struct Web {
    gateway: Arc<Gateway>,
    desk: Desk,
    admin_token: Option<Secret>,
    intakes: stocks::Intakes,
    receivers: receivers::Receivers,
    vendors: vendor::Limits,
    intake: Intake,
    hints: hints::Hints,
    software: software_limits::SoftwareLimits,
    store_watch: Arc<StoreWatch>,
    stop: CancellationToken,
}

impl Web {
    /// For one gateway and its desk. Without `admin_token` the admin API answers 403.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>, desk: Desk, admin_token: Option<Secret>) -> Self {
        let intake = Intake::new(Arc::clone(&gateway.store));
        let (intakes, receivers) = (stocks::Intakes::default(), receivers::Receivers);
        let (vendors, hints) = (vendor::Limits::default(), hints::Hints::default());
        let software = software_limits::SoftwareLimits::default();
        let (store_watch, stop) = (StoreWatch::new(Arc::clone(&gateway.store)), CancellationToken::new());
        Self { gateway, desk, admin_token, intakes, receivers, intake, vendors, hints, software, store_watch, stop }
    }

    /// Liveness is what this watch says of the store.
    #[must_use]
    pub fn watching(self, store_watch: Arc<StoreWatch>) -> Self {
        Self { store_watch, ..self }
    }

    /// Serves until this is cancelled.
    #[must_use]
    pub fn until(self, stop: CancellationToken) -> Self {
        Self { stop, ..self }
    }
}

/// Every route.
pub fn router(web: Web) -> Router {
    let admin = Router::new()
        .route("/api/v1/health", get(admin::health))
        .route("/api/v1/connections", get(admin::connections))
        .route("/api/v1/connections/{id}", get(admin::connection))
        .route("/api/v1/connections/{id}/pause", post(admin::pause))
        .route("/api/v1/connections/{id}/resume", post(admin::resume))
        .route("/api/v1/connections/{id}/sync", post(admin::sync))
        .route("/admin/endpoints", get(endpoints::endpoints))
        .route("/admin/endpoints/{id}/replay", post(endpoints::replay))
        .route("/admin/endpoints/{id}/resume", post(endpoints::resume))
        .route("/admin/messages", get(endpoints::messages))
        .route("/admin/messages/{id}/replay", post(endpoints::replay_one));
    Router::new()
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/openapi.json", get(|| async { axum::Json(document()) }))
        .route("/api/v1/stocks/{venue}", post(stocks::post).put(stocks::put))
        // The address that booksellers' software was written for, before pass Culture closed it.
        .route("/v2/venue/{venue}/stocks", post(stocks::post).put(stocks::put))
        .route("/hints/{connection}", post(hints::take))
        .route("/vendor/v1/events-feed", get(feed::read))
        .route("/vendor/v1/events-feed/ack", post(feed::acknowledge))
        .merge(tokens::routes())
        .merge(signed())
        .merge(vendor::routes())
        .merge(admin)
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "NotFound", "there is nothing at this address") })
        .layer(from_fn_with_state(Arc::<refusals::Refusals>::default(), refusals::limit))
        .layer(from_fn(shape::check))
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIME))
        .with_state(Arc::new(web))
}

/// Where pass Culture posts its messages.
fn signed() -> Router<Arc<Web>> {
    [Kind::Booking, Kind::Cancellation, Kind::Notification].into_iter().fold(Router::new(), |router, kind| {
        router
            .route(
                &format!("/passculture/{}", kind.name()),
                post(move |state, query, headers, body| messages::of_default(kind, state, query, headers, body)),
            )
            .route(
                &format!("/passculture/{{account}}/{}", kind.name()),
                post(move |state, account, query, headers, body| {
                    messages::of_account(kind, state, account, query, headers, body)
                }),
            )
    })
}

/// Serves until the web's order to stop, then finishes the requests under way, within seconds.
pub async fn serve(listener: TcpListener, web: Web) {
    let front = front::Front::new(open_files(), web.stop.clone());
    front.serve(listener, router(web)).await;
}

/// Raises the limit of open files to what this process may have, and answers it.
fn open_files() -> u64 {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        if limit.current != limit.maximum {
            let raised = Rlimit { current: limit.maximum, ..limit };
            if let Err(why) = setrlimit(Resource::Nofile, raised) {
                tracing::warn!(%why, "the limit of open files stays {:?}", limit.current);
            }
        }
        // No limit at all is more than we use.
        getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
    }
    #[cfg(not(unix))]
    u64::MAX
}

/// 503 once the store has failed; the process is about to end then.
async fn alive(State(web): State<Arc<Web>>) -> Response {
    match web.store_watch.failure() {
        None => "ok\n".into_response(),
        Some(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "StoreFailed", "the store cannot be written"),
    }
}

async fn ready(State(web): State<Arc<Web>>) -> Response {
    match tokio::time::timeout(READY_WITHIN, web.gateway.store.ping()).await {
        Ok(Ok(())) => "ready\n".into_response(),
        answer => {
            let why = match answer {
                Ok(Err(error)) => error.to_string(),
                _ => format!("no write was done within {} s", READY_WITHIN.as_secs()),
            };
            tracing::warn!(why, "not ready");
            problem(StatusCode::SERVICE_UNAVAILABLE, "StoreUnavailable", "the store does not answer")
        }
    }
}

async fn metrics(State(web): State<Arc<Web>>) -> Response {
    let Some(handle) = crate::telemetry::metrics() else {
        return problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "NoMetrics",
            "another recorder collects the metrics of this process",
        );
    };
    if let Ok(connections) = web.gateway.store.connections().await {
        let paused = connections.iter().filter(|connection| connection.paused).count();
        #[allow(clippy::cast_precision_loss)]
        for (state, count) in [("paused", paused), ("running", connections.len() - paused)] {
            metrics::gauge!("passerelle_connections", "state" => state).set(count as f64);
        }
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], handle.render()).into_response()
}
