//! The vendor's own route: one address for everything.

use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::books::{Books, SimCall, SimShow};
use super::{PASSWORD, PATH, Shared, USERNAME, soap};

/// Where the clocks of the listing hang.
const ZONE: &str = "Europe/Paris";
/// What a sale may be called.
const TOKEN_SYMBOLS: &str = "ABCDEFGHJKLMNPQRSTUVWXYZ234567";

pub(super) fn router() -> Router<Shared> {
    Router::new().route(PATH, get(describe).post(call))
}

async fn describe(RawQuery(query): RawQuery) -> Response {
    if query.as_deref() == Some("wsdl") { soap::description() } else { StatusCode::NOT_FOUND.into_response() }
}

async fn call(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let action = headers.get("soapaction").and_then(|value| value.to_str().ok());
    let (operation, parameters) = match soap::read(&body, action) {
        Ok(read) => read,
        Err(why) => return soap::fault(&why),
    };
    let mut call = SimCall { operation, parameters };
    let stranger = call.parameter("User") != Some(USERNAME) || call.parameter("mdp") != Some(PASSWORD);
    call.parameters.retain(|(name, _)| name != "User" && name != "mdp");
    shared.lock().note(call.clone());
    let json = if stranger {
        error(99, "Identifiant ou mot de passe incorrect")
    } else {
        match call.operation.as_str() {
            "GetSeancesPassCulture" => list(&shared.lock(), &call),
            "ReservationPassCulture" => book(&shared, &call).await,
            _ => cancel(&mut shared.lock(), &call),
        }
    };
    soap::answer(&call.operation, &json.to_string())
}

fn error(code: i64, words: &str) -> Value {
    json!({ "CodeErreur": code, "IntituleErreur": words, "QrCode": "", "Placement": "", "ObjetRetour": null })
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn list(books: &Books, call: &SimCall) -> Value {
    let asked: i64 = call.parameter("IDFilmAllocine").and_then(|text| text.parse().ok()).unwrap_or(-1);
    let shows: Vec<&SimShow> = books.shows.values().filter(|show| show.starts_at > now()).collect();
    let mut films: Vec<(&SimShow, Vec<Value>, bool)> = Vec::new();
    for show in shows {
        if books.quirks.lists_nothing || (asked != 0 && show.film.allocine != asked) {
            continue;
        }
        let place = match films.iter().position(|(first, _, _)| first.film.id == show.film.id) {
            Some(place) => place,
            None => {
                films.push((show, Vec::new(), false));
                films.len() - 1
            }
        };
        if let Some((_, told, bookable)) = films.get_mut(place) {
            told.push(show_json(books, show));
            *bookable |= books.left(show.id) > 0;
        }
    }
    // Asked for one film, a cinema that has nothing left of it tells nothing of it.
    let films: Vec<Value> = films
        .into_iter()
        .filter(|(_, _, bookable)| asked == 0 || *bookable)
        .map(|(first, told, _)| {
            let film = &first.film;
            json!({
                "IDFilm": film.id, "IDFilmAlloCine": film.allocine, "Titre": film.title, "NumVisa": film.visa,
                "Duree": film.duration, "Synopsis": film.synopsis, "Affiche": film.poster_url, "TypeFilm": "CNC",
                "Seances": told,
            })
        })
        .collect();
    json!({ "CodeErreur": 0, "IntituleErreur": "", "ObjetRetour": { "NumCine": books.number(), "Films": films } })
}

fn show_json(books: &Books, show: &SimShow) -> Value {
    let zone = TimeZone::get(ZONE).unwrap_or(TimeZone::UTC);
    let clock = zone.to_datetime(Timestamp::from_second(show.starts_at).unwrap_or_default());
    json!({
        "IDSeance": show.id, "Date": clock.date().to_string(), "Heure": clock.strftime("%H:%M:%S.000").to_string(),
        "NbPlacesRestantes": books.counted(show), "bAvecPlacement": show.numbered, "bAvecDuo": true, "bICE": show.ice,
        "Relief": show.relief, "Version": show.version, "bAVP": false, "PrixUnitaire": euros(show.cents),
        "libTarif": show.label,
    })
}

/// As a number without trailing zeros, as servers write it.
fn euros(cents: u32) -> Value {
    let text = format!("{}.{:02}", cents / 100, cents % 100);
    let text = text.trim_end_matches('0').trim_end_matches('.').to_owned();
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// What is sold, once it was looked at.
struct Wanted {
    show: i64,
    quantity: u32,
    token: String,
}

async fn book(shared: &Shared, call: &SimCall) -> Value {
    let quirks = shared.lock().quirks;
    let told = call.parameter("pTimeoutReservation").and_then(|text| text.parse().ok()).filter(|told| *told > 0);
    let Some(told) = told.map(Duration::from_secs) else { return error(99, "Délai incorrect") };
    let slow = Duration::from_millis(quirks.slow_millis);
    if slow >= told && !quirks.ignores_timeout {
        tokio::time::sleep(told).await;
        return error(99, "Délai de réservation dépassé");
    }
    // A task of its own: whoever hangs up meanwhile does not keep it from being sold.
    let (shared, call) = (shared.clone(), call.clone());
    let selling = tokio::spawn(async move {
        tokio::time::sleep(slow).await;
        sell(&mut shared.lock(), &call)
    });
    selling.await.unwrap_or_else(|_| error(-1, "Erreur interne"))
}

fn sell(books: &mut Books, call: &SimCall) -> Value {
    let wanted = match wanted(books, call) {
        Ok(wanted) => wanted,
        Err(words) => return error(99, &words),
    };
    let sale = books.sell(wanted.show, wanted.quantity, &wanted.token);
    json!({ "CodeErreur": 0, "IntituleErreur": "", "QrCode": sale.code, "Placement": sale.seats.join(",") })
}

fn wanted(books: &Books, call: &SimCall) -> Result<Wanted, String> {
    let text = |name: &str| call.parameter(name).unwrap_or_default();
    let number = |name: &str| text(name).parse::<i64>().unwrap_or(0);
    let show = number("pIDSeances");
    let Some(known) = books.shows.get(&show).filter(|show| show.starts_at > now()) else {
        return Err(format!("PASS CULTURE IMPOSSIBLE erreur création résa (site) : IdSeance({show}) inconnu"));
    };
    if number("pNumCinema") != books.number() {
        return Err("Cinéma inconnu".to_owned());
    }
    let token = text("pToken").to_owned();
    let deadline = text("pDateLimiteAnnul");
    if token.chars().count() != 6 || !token.chars().all(|c| TOKEN_SYMBOLS.contains(c)) {
        return Err("Référence incorrecte".to_owned());
    }
    if !matches!(deadline.len(), 19 | 26) || deadline.parse::<DateTime>().is_err() || text("pEmail").is_empty() {
        return Err("Paramètre incorrect".to_owned());
    }
    let quantity = u32::try_from(number("pNBPlaces")).unwrap_or(0);
    if !(1..=2).contains(&quantity) {
        return Err("Nombre de places incorrect".to_owned());
    }
    let price = format!("{}.{:02}", known.cents / 100, known.cents % 100);
    if text("pPUTTC") != price && !books.quirks.any_price {
        return Err("Tarif incorrect".to_owned());
    }
    let left = books.counted(known);
    if left < i64::from(quantity) {
        return Err(format!("Impossible de délivrer {quantity} places , il n'en reste que : {left}"));
    }
    Ok(Wanted { show, quantity, token })
}

fn cancel(books: &mut Books, call: &SimCall) -> Value {
    let code = call.parameter("pQrCode").unwrap_or_default();
    let by_token = books.quirks.accepts_token;
    let named = |sale: &&mut super::books::SimSale| sale.code == code || (by_token && sale.token == code);
    match books.sales.iter_mut().find(named) {
        Some(sale) if sale.cancelled => {
            error(1, "Annulation impossible : La réservation a déjà fait l'objet d'une annulation")
        }
        Some(sale) if !sale.controlled => {
            sale.cancelled = true;
            json!({ "CodeErreur": 0, "IntituleErreur": null })
        }
        _ => error(99, "L'annulation n'a pas pu être prise en compte : Code barre non reconnu / annulation impossible"),
    }
}
