//! `/vendor/v1`: what venues' software tells us and asks us.
//!
//! ```text
//! call    who speaks, how often, with which body; answers that are given again
//! shows   events, stocks, places left
//! pool    lists of barcodes
//! door    bookings: listed, used, cancelled
//! ```
//!
//! Invariant: a token reaches its own connection and nothing else; every refusal has a code and a sentence that says what to do.

mod call;
mod described;
mod door;
mod pool;
mod shows;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{delete, get, patch, post, put};

use super::Web;
use super::answer::problem;

pub(super) use call::Limits;
pub(super) use described::describe;

/// The routes.
pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new()
        .route("/vendor/v1/events/{event}", put(shows::event).fallback(wrong_method))
        .route(
            // A stock's id may hold slashes.
            "/vendor/v1/events/{event}/stocks/{*stock}",
            put(shows::stock).merge(delete(shows::take_off)).fallback(wrong_method),
        )
        .route("/vendor/v1/stocks", patch(shows::places).fallback(wrong_method))
        .route("/vendor/v1/stocks/{*rest}", post(pool::import).fallback(wrong_method))
        .route("/vendor/v1/bookings", get(door::list).fallback(wrong_method))
        .route("/vendor/v1/bookings/{booking}/use", post(door::used).fallback(wrong_method))
        .route("/vendor/v1/bookings/{booking}/unuse", post(door::unused).fallback(wrong_method))
        .route("/vendor/v1/bookings/{booking}/cancel", post(door::cancel).fallback(wrong_method))
}

async fn wrong_method(State(_): State<Arc<Web>>) -> Response {
    problem(StatusCode::METHOD_NOT_ALLOWED, "WrongMethod", "this address takes other methods; see /api/v1/openapi.json")
}
