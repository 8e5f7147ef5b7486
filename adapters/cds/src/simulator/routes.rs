//! The vendor's own routes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use jiff::Timestamp;
use jiff::tz::Offset;
use serde_json::{Map, Value, json};

use super::books::{Books, COUNTING, FREE, NUMBERED, PAYMENT, SimShow, TABLED, TARIFFS, label_of, table};
use super::{ACCOUNT_ID, API_TOKEN, CINEMA_ID, Shared};

type Asked = Query<BTreeMap<String, String>>;

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route(
            "/vad/rating",
            get(|query: Asked| async move { listed(&query, || json!([{ "id": 1, "label": "Tout public" }])) }),
        )
        .route("/vad/cinemas", get(|query: Asked| async move { listed(&query, cinemas) }))
        .route("/vad/media", get(media))
        .route("/vad/mediaoptions", get(|query: Asked| async move { listed(&query, options) }))
        .route("/vad/vouchertype", get(|query: Asked| async move { listed(&query, vouchers) }))
        .route("/vad/paiementtype", get(|query: Asked| async move { listed(&query, payments) }))
        .route("/vad/screens", get(|query: Asked| async move { listed(&query, screens) }))
        .route("/vad/shows", get(shows))
        .route("/vad/shows/{id}/seatmap", get(seat_map))
        .route("/vad/transaction/create", post(create))
        .route("/vad/transaction/cancel", put(cancel))
}

/// The answer to whoever has another token.
fn stranger(query: &Asked) -> Option<Response> {
    let known = query.get("api_token").is_some_and(|token| token == API_TOKEN);
    (!known).then(|| (StatusCode::UNAUTHORIZED, "Invalid token").into_response())
}

fn listed(query: &Asked, list: impl FnOnce() -> Value) -> Response {
    stranger(query).unwrap_or_else(|| Json(list()).into_response())
}

fn bad(why: &'static str) -> Response {
    (StatusCode::BAD_REQUEST, why).into_response()
}

fn cinemas() -> Value {
    json!([
        { "id": "autre-cinema", "account": ACCOUNT_ID, "internetsalegaugeactive": false, "cinemaParameters": [] },
        { "id": CINEMA_ID, "account": ACCOUNT_ID, "name": "Cinéma fictif", "internetsalegaugeactive": true,
          "apiToken": "secret-fictif", "hipaypubliccredentialpassword": "secret-fictif",
          "cinemaParameters": [
            { "cinemaid": CINEMA_ID, "id": 4, "key": "scheduleTemplate", "value": "xx" },
            { "cinemaid": CINEMA_ID, "id": 25, "key": "VAD_API_TOKEN", "value": "secret-fictif" },
            { "cinemaid": CINEMA_ID, "id": 71, "key": "v" },
            { "cinemaid": CINEMA_ID, "id": 90, "key": format!("SEATMAP_HARDCODED_LABELS_SCREENID_{TABLED}"), "value": table().to_string() },
          ] },
    ])
}

fn options() -> Value {
    json!([
        { "id": 12, "label": "PICTURE_2K", "nationalcode": "NUM", "optiontype": 1 },
        { "id": 15, "label": "PICTURE_3D", "ticketlabel": "3D", "optiontype": 1 },
        { "id": 16, "label": "VERSION_LOCAL", "ticketlabel": "VF", "optiontype": 4 },
        { "id": 17, "label": "VERSION_ORIGINAL", "ticketlabel": "VO ", "optiontype": 4 },
    ])
}

fn vouchers() -> Value {
    let mut all = vec![
        json!({ "id": 7, "code": "CECOM", "tariffid": { "id": 3, "price": 9.2, "active": false, "labeltariff": "Plein" } }),
    ];
    for (tariff, voucher, cents, label) in TARIFFS {
        all.push(json!({
            "id": voucher, "code": "PSCULTURE ",
            "tariffid": { "id": tariff, "price": f64::from(cents) / 100.0, "active": false, "labeltariff": label },
        }));
    }
    all.push(json!({ "id": 68, "code": "PSCULTURE" }));
    all.push(json!({ "id": 69, "code": null, "tariffid": null }));
    Value::from(all)
}

fn payments() -> Value {
    json!([
        { "id": 4, "active": true, "internalcode": "CSH", "label": "Espèces" },
        { "id": 21, "active": true, "internalcode": "21 ", "label": "pass culture", "shortlabel": "PASSCULTURE" },
        { "id": PAYMENT, "active": true, "internalcode": "VCH", "label": "Contremarque" },
    ])
}

fn screens() -> Value {
    let screen = |id: i64| {
        json!({
            "id": id, "screenlabel": format!("SALLE {}", id - 30), "persongauge": 60, "seatmap": "",
            "seatmapfronttoback": COUNTING.front_to_back, "seatmaplefttoright": COUNTING.left_to_right,
            "seatmapskipmissingseats": COUNTING.skip_missing,
        })
    };
    json!([screen(NUMBERED), screen(TABLED), screen(FREE)])
}

async fn media(State(shared): State<Shared>, query: Asked) -> Response {
    if let Some(answer) = stranger(&query) {
        return answer;
    }
    let books = shared.lock();
    let mut seen = BTreeSet::new();
    let films: Vec<Value> = books
        .shows
        .values()
        .filter(|show| seen.insert(show.film.id))
        .map(|show| {
            let film = &show.film;
            json!({
                "id": film.id, "title": film.title, "duration": film.seconds, "storyline": film.storyline,
                "posterpath": film.poster, "visanumber": film.visa, "allocineid": "", "nationalnumber": "2025007711",
                "cinemaid": CINEMA_ID,
            })
        })
        .collect();
    Json(films).into_response()
}

async fn shows(State(shared): State<Shared>, query: Asked) -> Response {
    if let Some(answer) = stranger(&query) {
        return answer;
    }
    let books = shared.lock();
    if books.quirks.no_shows {
        return Json(json!([])).into_response();
    }
    let mut all: Vec<Value> = books.shows.values().map(|show| show_json(&books, show)).collect();
    // Another cinema of the account stands in the same list.
    all.push(json!({
        "id": 95_000, "cinemaid": "autre-cinema", "canceled": false, "deleted": false, "seatmap": "", "internetremainingplace": 40,
        "remainingplace": 40, "showtime": "2030-01-01T18:00:00.000+0100", "showsTariffPostypeCollection": [{ "tariffid": { "id": 91 } }],
        "showsMediaoptionsCollection": [], "screenid": { "id": 40 }, "mediaid": { "id": 512 },
    }));
    Json(all).into_response()
}

fn show_json(books: &Books, show: &SimShow) -> Value {
    let mut options = vec![json!({ "mediaoptionsid": { "id": 12 } })];
    match show.version.as_str() {
        "VO" => options.push(json!({ "mediaoptionsid": { "id": 17 } })),
        "VF" => options.push(json!({ "mediaoptionsid": { "id": 16 } })),
        _ => {}
    }
    if show.three_d {
        options.push(json!({ "mediaoptionsid": { "id": 15 } }));
    }
    let tariffs = [3].into_iter().chain(show.tariffs.iter().copied());
    let mut told = json!({
        "id": show.id, "cinemaid": CINEMA_ID, "canceled": show.canceled, "deleted": false, "draft": false, "disableseatmap": false,
        "seatmap": if show.seats.is_empty() { "[[],[]]".to_owned() } else { json!(show.seats).to_string() },
        "remainingplace": show.till, "internetremainingplace": show.internet, "internetgauge": 60, "reservedgauge": 0,
        "showtime": date_text(show.starts_at), "showend": date_text(show.starts_at + 7_200),
        "showsTariffPostypeCollection": tariffs.map(|id| json!({ "tariffid": { "id": id } })).collect::<Vec<_>>(),
        "showsMediaoptionsCollection": options, "screenid": { "id": show.screen }, "mediaid": { "id": show.film.id },
        "threed": show.three_d, "batchCreation": null,
    });
    if books.quirks.unsaid_maps
        && let Some(told) = told.as_object_mut()
    {
        told.remove("seatmap");
    }
    told
}

/// A moment as the vendor writes it: milliseconds, an offset without colon.
fn date_text(seconds: i64) -> String {
    let at = Timestamp::from_second(seconds).unwrap_or_default();
    format!("{}.000+0100", Offset::constant(1).to_datetime(at).strftime("%Y-%m-%dT%H:%M:%S"))
}

async fn seat_map(State(shared): State<Shared>, Path(id): Path<i64>, query: Asked) -> Response {
    if let Some(answer) = stranger(&query) {
        return answer;
    }
    match shared.lock().shows.get(&id) {
        Some(show) => Json(json!(show.seats)).into_response(),
        None => (StatusCode::NOT_FOUND, "Unknown show").into_response(),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/json"))
}

async fn create(State(shared): State<Shared>, query: Asked, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(answer) = stranger(&query) {
        return answer;
    }
    if !is_json(&headers) {
        return bad("JSON is needed");
    }
    let Ok(asked) = serde_json::from_slice::<Value>(&body) else { return bad("JSON is needed") };
    let mut books = shared.lock();
    let seats = match checked(&books, &asked) {
        Ok(seats) => seats,
        Err(why) => return bad(why),
    };
    let short = usize::from(books.quirks.one_ticket_short && seats.len() > 1);
    books.transactions += 1;
    let number = 55_119 + books.transactions;
    let tickets: Vec<Value> = seats
        .iter()
        .skip(short)
        .zip(1..)
        .map(|(seat, place)| {
            let barcode = books.sell(seat.show, seat.cell, seat.label.clone());
            let mut ticket =
                json!({ "id": number * 10 + place, "barcode": barcode, "canceled": false, "cancellable": true });
            if let (Some((row, column)), Some(told)) = (seat.cell, ticket.as_object_mut()) {
                told.insert("seatrow".to_owned(), json!(row));
                told.insert("seatcol".to_owned(), json!(column));
                told.insert("seatnumber".to_owned(), json!(seat.label));
            }
            ticket
        })
        .collect();
    Json(json!({ "id": number, "invoiceid": (33_311 + number).to_string(), "tickets": tickets })).into_response()
}

/// A seat that may be sold.
struct Checked {
    show: i64,
    cell: Option<(usize, usize)>,
    label: Option<String>,
}

/// Everything that the vendor looks at.
fn checked(books: &Books, asked: &Value) -> Result<Vec<Checked>, &'static str> {
    let list = |key: &str| asked[key].as_array().filter(|list| !list.is_empty());
    let (Some(tickets), Some(payments)) = (list("ticketsaleCollection"), list("paiementCollection")) else {
        return Err("no tickets or no payments");
    };
    if asked["cinemaid"] != CINEMA_ID || asked["canceled"] != false || !is_date(&asked["transactiondate"]) {
        return Err("odd transaction");
    }
    if tickets.len() != payments.len() {
        return Err("one payment per ticket");
    }
    let ids: BTreeSet<i64> = tickets.iter().filter_map(|ticket| ticket["id"].as_i64()).filter(|id| *id < 0).collect();
    if ids.len() != tickets.len() {
        return Err("ids must be negative and distinct");
    }
    let mut seats = Vec::new();
    let mut taken = BTreeSet::new();
    for (ticket, payment) in tickets.iter().zip(payments) {
        let show = ticket["showid"]["id"].as_i64().and_then(|id| books.shows.get(&id)).ok_or("unknown show")?;
        if show.canceled {
            return Err("canceled show");
        }
        let tariff =
            ticket["tariffid"]["id"].as_i64().filter(|id| show.tariffs.contains(id)).ok_or("unknown tariff")?;
        let (_, voucher, cents, _) = TARIFFS.into_iter().find(|known| known.0 == tariff).ok_or("unknown tariff")?;
        let amount = payment["amount"].as_f64().unwrap_or(-1.0);
        if ticket["vouchertype"] != "PSCULTURE"
            || payment["vouchertypeid"]["id"] != voucher
            || payment["paiementtypeid"]["id"] != PAYMENT
            || (amount * 100.0 - f64::from(cents)).abs() > 0.001
            || ticket["disabledperson"] != false
        {
            return Err("odd payment");
        }
        let (row, column) = (&ticket["seatrow"], &ticket["seatcol"]);
        if show.seats.is_empty() {
            if !(row.is_null() && column.is_null() && ticket["seatnumber"].is_null()) {
                return Err("this show has no seats");
            }
            seats.push(Checked { show: show.id, cell: None, label: None });
            continue;
        }
        let index = |value: &Value| value.as_u64().and_then(|number| usize::try_from(number).ok());
        let cell = index(row).zip(index(column)).ok_or("a seat is needed")?;
        let free = show.seats.get(cell.0).and_then(|row| row.get(cell.1)) == Some(&1) && taken.insert(cell);
        if !free {
            return Err("the seat is not free");
        }
        let label = label_of(show, cell).ok_or("the seat has no name")?;
        if ticket["seatnumber"] != label.as_str() {
            return Err("another name is printed on that seat");
        }
        seats.push(Checked { show: show.id, cell: Some(cell), label: Some(label) });
    }
    let wanted = u32::try_from(seats.len()).unwrap_or(u32::MAX);
    let enough = seats.first().is_some_and(|seat| books.left(seat.show) >= wanted);
    if enough { Ok(seats) } else { Err("no place left in the pool") }
}

/// `2026-03-14T17:05:09.482113`
fn is_date(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 26 && text.parse::<jiff::civil::DateTime>().is_ok())
}

async fn cancel(State(shared): State<Shared>, query: Asked, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(answer) = stranger(&query) {
        return answer;
    }
    let asked = serde_json::from_slice::<Value>(&body).ok().filter(|_| is_json(&headers));
    let Some(asked) = asked else { return bad("JSON is needed") };
    if asked["paiementtypeid"] != PAYMENT {
        return bad("another payment type is needed");
    }
    let barcodes: Option<Vec<u64>> =
        asked["barcodes"].as_array().and_then(|all| all.iter().map(Value::as_u64).collect());
    let Some(barcodes) = barcodes.filter(|all| !all.is_empty()) else { return bad("barcodes are whole numbers") };
    let mut books = shared.lock();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let mut failed = Map::new();
    for barcode in barcodes {
        let barcode = barcode.to_string();
        let code = match books.tickets.get(&barcode) {
            None => "BARCODE_NOT_FOUND",
            Some(ticket) if ticket.cancelled => "TICKET_ALREADY_CANCELED",
            Some(_) if books.quirks.day_closed => "DAY_CLOSED",
            Some(ticket) if books.shows.get(&ticket.show).is_some_and(|show| show.starts_at + 7_200 < now) => {
                "AFTER_END_OF_SHOW"
            }
            Some(_) => {
                books.void(&barcode);
                continue;
            }
        };
        failed.insert(barcode, Value::from(code));
    }
    if failed.is_empty() && !books.quirks.answers_empty_object {
        return StatusCode::OK.into_response();
    }
    Json(failed).into_response()
}
