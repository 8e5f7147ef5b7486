//! `/_sim/…`: the sites driven from outside.

use axum::Router;
use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, put};
use serde_json::{Value, json};

use super::Shared;
use super::books::{Quirks, SimShow};

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/_sim/shows", get(shows).post(put_show))
        .route("/_sim/shows/{id}", delete(remove_show))
        .route("/_sim/sales", get(sales))
        .route("/_sim/quirks", put(quirks))
}

async fn shows(State(shared): State<Shared>) -> Json<Value> {
    let books = shared.lock();
    let all: Vec<Value> = books
        .shows
        .values()
        .map(|show| json!({ "show": show, "sold": books.sold(show), "left": books.left(show) }))
        .collect();
    Json(json!({ "shows": all }))
}

async fn put_show(State(shared): State<Shared>, Json(show): Json<SimShow>) -> StatusCode {
    if show.id.is_empty() || !show.id.bytes().all(|byte| byte.is_ascii_digit()) {
        return StatusCode::BAD_REQUEST;
    }
    shared.lock().put_show(show);
    StatusCode::NO_CONTENT
}

async fn remove_show(State(shared): State<Shared>, Path(id): Path<String>) -> StatusCode {
    if shared.lock().shows.remove(&id).is_some() { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn sales(State(shared): State<Shared>) -> Json<Value> {
    let books = shared.lock();
    Json(json!({ "sales": books.sales, "seats_sold": books.seats_sold() }))
}

async fn quirks(State(shared): State<Shared>, Json(quirks): Json<Quirks>) -> StatusCode {
    shared.lock().quirks = quirks;
    StatusCode::NO_CONTENT
}
