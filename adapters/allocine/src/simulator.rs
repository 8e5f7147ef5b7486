//! The stored queries on loopback: the key as a bearer, one theater, its programme.
//!
//! Used by tests and by `passerelle sandbox allocine`. `GET /_sim/programme` tells the list of edges, `PUT /_sim/programme` sets
//! it, `POST /_sim/faults` makes the vendor misbehave.
//!
//! Invariant: it serves what it was given, and the key never works anywhere but in the header.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Json, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use passerelle_testkit::simulator::{Server, Simulator};
use serde_json::{Value, json};

/// The account's key: invented.
pub const API_KEY: &str = "cle-fictive-allocine";
/// The theater that is known, by its code and by its identifier.
pub const THEATER: &str = "P9421";
/// The same as the graph names it.
pub const THEATER_ID: &str = "VGhlYXRlcjpQOTQyMQ==";

/// Running stored queries.
pub struct AllocineSimulator {
    server: Server,
    edges: Edges,
}

type Edges = Arc<Mutex<Vec<Value>>>;

impl AllocineSimulator {
    /// Starts on a free loopback port with the sample programme.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start() -> std::io::Result<Self> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts at an address with the sample programme: two invented films, and showtimes from tomorrow on.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn listen(address: SocketAddr) -> std::io::Result<Self> {
        let edges: Edges = Arc::new(Mutex::new(sample()));
        let router = Router::new()
            .route("/api/query/movieShowtimeList", get(programme))
            .route("/_sim/programme", get(told).put(set))
            .with_state(Arc::clone(&edges));
        let server = Server::listen(address, router).await?;
        Ok(Self { server, edges })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What goes into `base_url`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/api/query", self.server.address())
    }

    /// The edges of the programme, one for each film.
    #[must_use]
    pub fn edges(&self) -> Vec<Value> {
        locked(&self.edges).clone()
    }

    /// Sets them.
    pub fn set_edges(&self, edges: Vec<Value>) {
        *locked(&self.edges) = edges;
    }
}

impl Simulator for AllocineSimulator {
    fn server(&self) -> &Server {
        &self.server
    }
}

fn locked(edges: &Edges) -> std::sync::MutexGuard<'_, Vec<Value>> {
    edges.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn programme(State(edges): State<Edges>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let presented = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if presented != Some(format!("Bearer {API_KEY}").as_str()) {
        return (StatusCode::UNAUTHORIZED, Json(json!({}))).into_response();
    }
    let theater = query.as_deref().and_then(|query| query.strip_prefix("theater=")).unwrap_or_default();
    let known = theater.replace("%3D", "=") == THEATER_ID;
    let edges = if known { locked(&edges).clone() } else { Vec::new() };
    Json(json!({ "movieShowtimeList": { "totalCount": edges.len(), "edges": edges } })).into_response()
}

async fn told(State(edges): State<Edges>) -> Json<Value> {
    Json(json!(locked(&edges).clone()))
}

async fn set(State(edges): State<Edges>, Json(new): Json<Vec<Value>>) -> StatusCode {
    *locked(&edges) = new;
    StatusCode::NO_CONTENT
}

/// A showtime so many days from now.
#[must_use]
pub fn showtime(days: i64, time: &str, version: &str) -> Value {
    let now = TimeZone::UTC.to_datetime(Timestamp::now());
    let day = now.checked_add(days.days()).map(|at| at.date().to_string()).unwrap_or_default();
    json!({ "startsAt": format!("{day}T{time}:00"), "diffusionVersion": version, "projection": ["DIGITAL"],
        "experience": null, "languages": ["FRENCH", null] })
}

/// A film with its showtimes.
#[must_use]
pub fn edge(number: u64, title: &str, showtimes: &[Value]) -> Value {
    json!({ "node": {
        "movie": {
            "id": "TW92aWU6", "internalId": number, "title": title, "originalTitle": title, "type": "FEATURE_FILM",
            "backlink": { "url": format!("https://www.allocine.fr/film/fichefilm_gen_cfilm={number}.html"),
                "label": "Plus sur ce film" },
            "data": { "eidr": null, "productionYear": 2026 }, "runtime": "PT1H38M0S", "poster": null,
            "synopsis": "Une h&#039;istoire de vent, et d&#039;une île.",
            "releases": [{ "name": "Released", "releaseDate": { "date": "2026" },
                "data": { "tech": { "auto_update_info": "" }, "visa_number": format!("{}", number % 900_000 + 100_000) },
                "certificate": null }],
            "credits": { "edges": [{ "node": { "person": { "firstName": "Odile", "lastName": "Fictive" },
                "position": { "name": "DIRECTOR" } } }] },
            "cast": { "backlink": null, "edges": [] }, "countries": [], "genres": ["DRAMA", "KAIJU"], "companies": null
        },
        "showtimes": showtimes
    } })
}

fn sample() -> Vec<Value> {
    let premium = json!({ "startsAt": "2099-01-01T20:00:00", "diffusionVersion": "LOCAL", "projection": ["IMAX"],
        "experience": null, "languages": null });
    vec![
        edge(990_501, "Le Vent des îles", &[showtime(1, "20:30", "LOCAL"), showtime(2, "14:00", "ORIGINAL"), premium]),
        edge(990_502, "Cartes postales", &[showtime(1, "18:15", "DUBBED"), showtime(9, "21:00", "LOCAL")]),
        json!({ "node": { "movie": null, "showtimes": [] } }),
    ]
}
