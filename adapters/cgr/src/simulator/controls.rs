//! `/_sim/…`: the cinema driven from outside.

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
        .route("/_sim/sales", get(sales))
        .route("/_sim/sales/{code}/control", post(control))
        .route("/_sim/quirks", put(quirks))
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
    let seats: u32 = books.sales.iter().filter(|sale| !sale.cancelled).map(|sale| sale.quantity).sum();
    Json(json!({ "sales": books.sales, "seats_sold": seats }))
}

async fn control(State(shared): State<Shared>, Path(code): Path<String>) -> StatusCode {
    match shared.lock().sales.iter_mut().find(|sale| sale.code == code) {
        Some(sale) => {
            sale.controlled = true;
            StatusCode::NO_CONTENT
        }
        None => StatusCode::NOT_FOUND,
    }
}

async fn quirks(State(shared): State<Shared>, Json(quirks): Json<Quirks>) -> StatusCode {
    shared.lock().quirks = quirks;
    StatusCode::NO_CONTENT
}
