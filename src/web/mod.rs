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
mod hints;
mod messages;
mod openapi;
mod receivers;
mod software_limits;
mod stocks;
mod tokens;
mod vendor;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use passerelle_kit::secret::Secret;
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::booking::Desk;
use crate::gateway::Gateway;
use crate::notices::Intake;
use crate::passculture::messages::Kind;
use answer::problem;

pub use openapi::document;

/// Longest time a request may take, its body included.
const REQUEST_TIME: Duration = Duration::from_secs(30);

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
}

impl Web {
    /// For one gateway and its desk. Without `admin_token` the admin API answers 403.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>, desk: Desk, admin_token: Option<Secret>) -> Self {
        let intake = Intake::new(Arc::clone(&gateway.store));
        let (intakes, receivers) = (stocks::Intakes::default(), receivers::Receivers);
        let (vendors, hints) = (vendor::Limits::default(), hints::Hints::default());
        let software = software_limits::SoftwareLimits::default();
        Self { gateway, desk, admin_token, intakes, receivers, intake, vendors, hints, software }
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
        .route("/livez", get(|| async { "ok\n" }))
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

/// Listens.
///
/// # Errors
/// When the address is taken or not ours.
pub async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until `stop` is done, then finishes the requests under way.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    web: Web,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(web)).with_graceful_shutdown(stop).await
}

async fn ready(State(web): State<Arc<Web>>) -> Response {
    match web.gateway.store.ping().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => {
            tracing::warn!(%error, "not ready");
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
