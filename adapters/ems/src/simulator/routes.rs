//! The vendor's own routes. Codes beyond 104 to 106 are invented: nobody outside knows them.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use passerelle_kit::http::basic;
use passerelle_kit::secret::Secret;
use serde_json::{Map, Value, json};
use sha2::Sha512;

use super::books::{Books, SimSale, SimShow, number, unix_now};
use super::{OTHER_SITE, PASSWORD, SECRET, SITE_ID, SOURCE, Shared, USER};

/// Members of each call's body, in the order in which they must be written.
const MEMBERS: [(&str, &[&str]); 4] = [
    (
        "VENTE",
        &[
            "num_cine",
            "id_seance",
            "qte_place",
            "pass_culture_price",
            "total_price",
            "email",
            "num_pass_culture",
            "num_cmde",
        ],
    ),
    ("STATUT", &["num_cine", "num_cmde"]),
    ("ANNULATION", &["num_cine", "num_caisse", "num_trans", "num_ope"]),
    ("SEANCE", &["num_cine", "id_film"]),
];
/// Bodies kept for tests.
const MAX_BODIES: usize = 1_000;

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/export/schedule", get(schedule))
        .route("/export/sites", get(sites))
        .route("/pass/{call}/{digest}", post(booking))
}

type Asked = Query<BTreeMap<String, String>>;

fn refusal(code: i64, message: &str) -> Response {
    Json(json!({ "statut": 0, "code_erreur": code, "message_erreur": message })).into_response()
}

/// The version asked with, or the answer to a stranger and to whoever does not say one.
fn version(headers: &HeaderMap, query: &Asked) -> Result<i64, Box<Response>> {
    let expected = basic(USER, &Secret::new(PASSWORD));
    let known =
        headers.get("authorization").and_then(|value| value.to_str().ok()).is_some_and(|it| expected.matches(it));
    if !known {
        return Err(Box::new((StatusCode::UNAUTHORIZED, Json(json!({ "message": "Unauthorized" }))).into_response()));
    }
    query.get("version").and_then(|version| version.parse().ok()).ok_or_else(|| {
        Box::new((StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "message": "internal error" }))).into_response())
    })
}

async fn schedule(State(shared): State<Shared>, headers: HeaderMap, query: Asked) -> Response {
    let since = match version(&headers, &query) {
        Ok(since) => since,
        Err(answer) => return *answer,
    };
    let books = shared.lock();
    let mut sites: BTreeMap<&str, BTreeMap<&str, (Value, Vec<Value>)>> = BTreeMap::new();
    let told = |show: &&SimShow| show.changed_at > since && !(books.quirks.hides_site && show.site == SITE_ID);
    for show in books.shows.values().filter(told) {
        let films = sites.entry(&show.site).or_default();
        films.entry(&show.film.id).or_insert_with(|| (film_json(show), Vec::new())).1.push(session_json(show));
    }
    let mut told: Vec<Value> = sites
        .into_iter()
        .map(|(id, films)| {
            let events: Vec<Value> = films
                .into_values()
                .map(|(mut film, sessions)| {
                    film["sessions"] = Value::from(sessions);
                    film
                })
                .collect();
            json!({ "id": id, "allocine_id": format!("Z{id}"), "name": name(id), "address": null, "city": "Saint-Orlan",
                "time_zone": "Europe/Paris", "events": events })
        })
        .collect();
    if since == 0 {
        // A cinema whose data are damaged; none of its neighbours may notice.
        told.push(
            json!({ "id": "0999", "name": null, "events": [{ "id": null, "title": null, "sessions": "none" }, 7] }),
        );
    }
    let stamp = books.shows.values().map(|show| show.changed_at).max().unwrap_or(0).max(unix_now());
    Json(json!({ "sites": told, "version": stamp })).into_response()
}

fn film_json(show: &SimShow) -> Value {
    let film = &show.film;
    let text = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    json!({
        "id": film.id, "title": film.title, "director": text(&film.director), "synopsis": text(&film.synopsis),
        "allocine_id": if film.allocine_id == 0 { json!("") } else { json!(film.allocine_id) },
        "duration": if film.duration == 0 { Value::Null } else { json!(film.duration) },
        "release_date": "20260408", "bill_url": text(&film.bill_url),
    })
}

fn session_json(show: &SimShow) -> Value {
    let at = Timestamp::from_second(show.starts_at).unwrap_or_default();
    let zone = TimeZone::get("Europe/Paris").unwrap_or(TimeZone::UTC);
    json!({
        "id": show.id, "date": zone.to_datetime(at).strftime("%Y%m%d%H%M").to_string(), "features": show.features,
        "hall_id": 1, "hall_name": "Salle 1", "pass_culture_price": euros(show.cents),
    })
}

/// Whole euros without decimal, as the schedule has them.
fn euros(cents: u32) -> Value {
    if cents.is_multiple_of(100) { json!(cents / 100) } else { json!(f64::from(cents) / 100.0) }
}

fn name(site: &str) -> &'static str {
    if site == SITE_ID { "Cinéma du Sémaphore" } else { "Le Colibri" }
}

async fn sites(headers: HeaderMap, query: Asked) -> Response {
    if let Err(answer) = version(&headers, &query) {
        return *answer;
    }
    let all: Vec<Value> = [(SITE_ID, "11112222333344"), (OTHER_SITE, "111122223")]
        .iter()
        .map(|(id, siret)| {
            json!({ "id": id, "allocine_id": format!("Z{id}"), "siret": siret, "name": name(id), "address": "4 rue du Moulin",
                "zip_code": "56990", "city": "Saint-Orlan", "time_zone": "Europe/Paris" })
        })
        .collect();
    Json(json!({ "sites": all, "version": unix_now() })).into_response()
}

async fn booking(
    State(shared): State<Shared>,
    Path((call, digest)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some((_, members)) = MEMBERS.iter().find(|(name, _)| *name == call) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let source = headers.get("source").and_then(|value| value.to_str().ok());
    let kind = headers.get("content-type").and_then(|value| value.to_str().ok());
    if kind != Some("application/json") {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    if source != Some(SOURCE) || !Secret::new(&signature(&body)).matches(&digest) {
        return (StatusCode::FORBIDDEN, refusal(1, "Appel non reconnu")).into_response();
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    let asked: Option<Map<String, Value>> = serde_json::from_str(&text).ok();
    // Spelled in any other way, the vendor might sign something else than was sent.
    let Some(asked) = asked.filter(|asked| rewritten(asked, members).as_deref() == Some(text.as_str())) else {
        return (StatusCode::FORBIDDEN, refusal(2, "Appel non reconnu")).into_response();
    };
    let mut books = shared.lock();
    if books.bodies.len() < MAX_BODIES {
        books.bodies.push((call.clone(), text));
    }
    match call.as_str() {
        "VENTE" => sell(&mut books, &asked),
        "STATUT" => status(&books, &asked),
        "ANNULATION" => cancel(&mut books, &asked),
        _ => on_sale(&books, &asked),
    }
}

fn signature(body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha512>::new_from_slice(SECRET.as_bytes()) else { return String::new() };
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

/// A body as the known client writes it; `None` when its members are others.
fn rewritten(asked: &Map<String, Value>, members: &[&str]) -> Option<String> {
    if asked.len() != members.len() {
        return None;
    }
    let member = |name: &&str| {
        let value = match asked.get(*name)? {
            Value::String(text) => {
                let plain = serde_json::to_string(text).ok()?;
                let half = |half: u16| match char::from_u32(u32::from(half)) {
                    Some(c) if c.is_ascii() && half != 0x7f => c.to_string(),
                    _ => format!("\\u{half:04x}"),
                };
                plain.encode_utf16().map(half).collect()
            }
            Value::Number(amount) if amount.is_f64() => format!("{:?}", amount.as_f64()?),
            Value::Number(number) => number.to_string(),
            Value::Null => "null".to_owned(),
            _ => return None,
        };
        Some(format!("\"{name}\": {value}"))
    };
    let members: Option<Vec<String>> = members.iter().map(member).collect();
    Some(format!("{{{}}}", members?.join(", ")))
}

fn text<'a>(asked: &'a Map<String, Value>, name: &str) -> &'a str {
    asked.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn cents(asked: &Map<String, Value>, name: &str) -> Option<u32> {
    // Two decimals at most, so that rounding changes nothing.
    let amount = asked.get(name).filter(|amount| amount.is_f64())?.as_f64()?;
    format!("{:.0}", amount * 100.0).parse().ok()
}

/// The shows of a film at a site, and those of them that can be sold.
fn shows_of<'a>(books: &'a Books, site: &str, film: &str) -> (Vec<&'a SimShow>, Vec<&'a SimShow>) {
    let all: Vec<&SimShow> = books.shows.values().filter(|show| show.site == site && show.film.id == film).collect();
    let open = all.iter().copied().filter(|show| books.left(show) > 0).collect();
    (all, open)
}

const NO_SHOW_LEFT: (i64, &str) = (104, "Il n'y a plus de séance disponible pour ce film");
const NOT_FOUND: (i64, &str) = (105, "La séance n'a pas été trouvée");
const NOT_ON_SALE: (i64, &str) = (106, "La séance n'est plus disponible à la vente");

fn on_sale(books: &Books, asked: &Map<String, Value>) -> Response {
    let (all, open) = shows_of(books, text(asked, "num_cine"), text(asked, "id_film"));
    if all.is_empty() {
        return refusal(NOT_FOUND.0, NOT_FOUND.1);
    }
    if open.is_empty() {
        return refusal(NO_SHOW_LEFT.0, NO_SHOW_LEFT.1);
    }
    let open: Vec<&str> = open.iter().map(|show| number(&show.id)).collect();
    Json(json!({ "statut": 1, "seances": open })).into_response()
}

fn sell(books: &mut Books, asked: &Map<String, Value>) -> Response {
    let (site, session, order) = (text(asked, "num_cine"), text(asked, "id_seance"), text(asked, "num_cmde"));
    let show = books.show(session).filter(|show| show.site == site).cloned();
    let zeros = session.starts_with('0') && books.quirks.bare_ids_only;
    let Some(show) = show.filter(|_| !zeros) else { return refusal(NOT_FOUND.0, NOT_FOUND.1) };
    let quantity = asked.get("qte_place").and_then(Value::as_u64).unwrap_or(0);
    let Some(quantity) = u32::try_from(quantity).ok().filter(|quantity| (1..=2).contains(quantity)) else {
        return refusal(111, "Quantité invalide");
    };
    let person = text(asked, "num_pass_culture");
    if !text(asked, "email").contains('@') || person.is_empty() || !person.bytes().all(|byte| byte.is_ascii_digit()) {
        return refusal(112, "Client invalide");
    }
    if shows_of(books, site, &show.film.id).1.is_empty() {
        return refusal(NO_SHOW_LEFT.0, NO_SHOW_LEFT.1);
    }
    if books.left(&show) < quantity {
        return refusal(NOT_ON_SALE.0, NOT_ON_SALE.1);
    }
    let (unit, total) = (cents(asked, "pass_culture_price"), cents(asked, "total_price"));
    let right = unit == Some(show.cents) && total == Some(show.cents * quantity);
    if !right && !books.quirks.any_price {
        return refusal(110, "Tarif invalide");
    }
    let known = books.sales.iter().any(|sale| sale.site == site && sale.number == order);
    if order.is_empty() || known && !books.quirks.sells_again {
        return refusal(130, "Numéro de commande invalide");
    }
    let sale = books.sell(&show, order, quantity);
    let mut answer = order_json(&sale, show.cents);
    for name in ["email", "num_pass_culture", "num_cmde", "id_seance"] {
        answer[name] = asked.get(name).cloned().unwrap_or(Value::Null);
    }
    Json(answer).into_response()
}

/// An order; what it repeats of the request is partly empty, partly wrong, as at the vendor.
fn order_json(sale: &SimSale, cents: u32) -> Value {
    let quantity = u32::try_from(sale.tickets.len()).unwrap_or(0);
    let tickets: Vec<Value> = sale
        .tickets
        .iter()
        .zip(2..)
        .map(|(ticket, serial)| {
            json!({ "num_caisse": ticket.till, "code_barre": ticket.barcode, "num_trans": sale.transaction,
                "num_ope": ticket.operation, "code_tarif": "PC1", "num_serie": serial, "montant": euros(ticket.cents),
                "num_place": ticket.seat })
        })
        .collect();
    json!({
        "statut": 1, "num_cine": sale.site, "id_seance": number(&sale.show), "qte_place": quantity,
        "pass_culture_price": euros(cents * quantity), "total_price": euros(cents * quantity), "email": "",
        "num_pass_culture": "", "num_cmde": "", "billets": tickets,
    })
}

fn status(books: &Books, asked: &Map<String, Value>) -> Response {
    let known = books.sales.iter().rev().find(|sale| {
        sale.site == text(asked, "num_cine")
            && sale.number == text(asked, "num_cmde")
            && (!sale.cancelled || books.quirks.shows_voided)
    });
    match known {
        Some(sale) => Json(order_json(sale, sale.tickets.first().map_or(0, |ticket| ticket.cents))).into_response(),
        None => refusal(120, "Commande introuvable"),
    }
}

fn cancel(books: &mut Books, asked: &Map<String, Value>) -> Response {
    let quirks = books.quirks;
    let whole = |name: &str| asked.get(name).and_then(Value::as_i64);
    let (transaction, operation) = (whole("num_trans"), whole("num_ope"));
    let known = books.sales.iter_mut().find(|sale| {
        let ticket =
            |till: &str| sale.tickets.iter().any(|ticket| Some(ticket.operation) == operation && ticket.till == till);
        sale.site == text(asked, "num_cine")
            && Some(sale.transaction) == transaction
            && ticket(text(asked, "num_caisse"))
    });
    match known {
        None => refusal(122, "Billet inconnu"),
        Some(sale) if sale.cancelled => refusal(121, "Annulation déjà faite"),
        Some(sale) => {
            sale.cancelled = true;
            match (quirks.full_cancellations, quirks.silent_cancellations) {
                (true, _) => Json(json!({ "statut": 1 })).into_response(),
                (_, true) => StatusCode::OK.into_response(),
                _ => Json(json!({})).into_response(),
            }
        }
    }
}
