//! `/_sim/…`: the software driven from outside.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Json, Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use serde_json::{Value, json};

use super::Shared;
use super::books::{Behaviour, SimShow};

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/_sim/shows", get(shows).post(put_show).delete(remove_show))
        .route("/_sim/scans/{barcode}", post(scan))
        .route("/_sim/sales", get(sales))
        .route("/_sim/received", get(received))
        .route("/_sim/behaviour", put(behaviour))
}

async fn shows(State(shared): State<Shared>) -> Json<Value> {
    let books = shared.lock();
    let all: Vec<Value> =
        books.shows.values().map(|show| json!({ "show": show, "sold": books.sold(&show.stock_id) })).collect();
    Json(json!({ "shows": all }))
}

async fn put_show(State(shared): State<Shared>, Json(show): Json<SimShow>) -> StatusCode {
    if show.stock_id.is_empty() {
        return StatusCode::BAD_REQUEST;
    }
    shared.lock().put_show(show);
    StatusCode::NO_CONTENT
}

async fn remove_show(State(shared): State<Shared>, asked: Query<BTreeMap<String, String>>) -> StatusCode {
    let gone = asked.get("stock_id").and_then(|stock_id| shared.lock().shows.remove(stock_id));
    if gone.is_some() { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn scan(State(shared): State<Shared>, Path(barcode): Path<String>) -> StatusCode {
    if shared.lock().scan(&barcode) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn sales(State(shared): State<Shared>) -> Json<Value> {
    let books = shared.lock();
    let tickets = books.bookings.values().flat_map(|booking| &booking.tickets);
    let seats = tickets.filter(|ticket| !ticket.void).count();
    Json(json!({ "sales": books.bookings.values().collect::<Vec<_>>(), "seats_sold": seats }))
}

async fn received(State(shared): State<Shared>) -> Json<Value> {
    Json(json!({ "received": shared.lock().received }))
}

async fn behaviour(State(shared): State<Shared>, Json(behaviour): Json<Behaviour>) -> StatusCode {
    shared.lock().behaviour = behaviour;
    StatusCode::NO_CONTENT
}
