//! `/_sim/…`: the organizer driven from outside.

use axum::Router;
use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post, put};
use serde_json::{Value, json};

use super::Shared;
use super::books::{Quirks, SimShow};

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/_sim/shows", get(shows).post(put_show))
        .route("/_sim/shows/{id}", delete(remove_show))
        .route("/_sim/scans/{barcode}", post(scan))
        .route("/_sim/sales", get(sales))
        .route("/_sim/quirks", put(quirks))
}

async fn shows(State(shared): State<Shared>) -> Json<Value> {
    let books = shared.lock();
    let all: Vec<Value> =
        books.shows.values().map(|show| json!({ "show": show, "sold": books.sold(show.id) })).collect();
    Json(json!({ "shows": all }))
}

async fn put_show(State(shared): State<Shared>, Json(show): Json<SimShow>) -> StatusCode {
    let mut books = shared.lock();
    if show.id <= 0 || !books.events.contains_key(&show.event) {
        return StatusCode::BAD_REQUEST;
    }
    books.put_show(show);
    StatusCode::NO_CONTENT
}

async fn remove_show(State(shared): State<Shared>, Path(id): Path<i64>) -> StatusCode {
    if shared.lock().shows.remove(&id).is_some() { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn scan(State(shared): State<Shared>, Path(barcode): Path<String>) -> StatusCode {
    if shared.lock().scan(&barcode) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn sales(State(shared): State<Shared>) -> Json<Value> {
    let books = shared.lock();
    Json(json!({ "sales": books.orders, "seats_sold": books.seats_sold() }))
}

async fn quirks(State(shared): State<Shared>, Json(quirks): Json<Quirks>) -> StatusCode {
    shared.lock().quirks = quirks;
    StatusCode::NO_CONTENT
}
