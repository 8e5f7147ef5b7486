//! An account's listings on loopback: a sign-in with a form, then key and token in every address.
//!
//! Used by tests and by `passerelle sandbox weezevent`. `GET /_sim/account` tells what it lists, `PUT /_sim/account` sets it,
//! `POST /_sim/faults` makes the vendor misbehave. Documented at the real vendor: the calls and their shapes. Guessed here: a refused
//! token is a 401, `quota` 0 is no limit, `tickets` of a date are ids.
//!
//! Invariant: it serves what it was given, to whoever has signed in and to nobody else.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Json, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use passerelle_testkit::simulator::{Server, Simulator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::form_urlencoded;

/// The account's user.
pub const USERNAME: &str = "billetterie@halle.example";
/// Its password: invented.
pub const PASSWORD: &str = "mot-de-passe-fictif-weezevent";
/// Its key: invented.
pub const API_KEY: &str = "cle-fictive-weezevent";
/// An event with several dates.
pub const EVENT: &str = "340901";
/// An event with one.
pub const SINGLE_EVENT: &str = "340902";

/// A running account.
pub struct WeezeventSimulator {
    server: Server,
    account: Shared,
}

type Shared = Arc<Mutex<Account>>;

/// What the account lists, as it is told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Account {
    /// Records of `/events`.
    pub events: Vec<Value>,
    /// Records of `/dates`.
    pub dates: Vec<Value>,
    /// Records of `/tickets`, one for each event.
    pub tickets: Vec<Value>,
    /// Sign-ins so far; the last token alone is good.
    pub sign_ins: u32,
}

impl WeezeventSimulator {
    /// Starts on a free loopback port with the sample account.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start() -> std::io::Result<Self> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts at an address with the sample account: invented events, and dates from tomorrow on.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn listen(address: SocketAddr) -> std::io::Result<Self> {
        let account: Shared = Arc::new(Mutex::new(sample()));
        let router = Router::new()
            .route("/auth/access_token", post(sign_in))
            .route("/events", get(events))
            .route("/dates", get(dates))
            .route("/tickets", get(tickets))
            .route("/_sim/account", get(told).put(set))
            .with_state(Arc::clone(&account));
        let server = Server::listen(address, router).await?;
        Ok(Self { server, account })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What goes into `base_url`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/", self.server.address())
    }

    /// What it lists.
    #[must_use]
    pub fn account(&self) -> Account {
        locked(&self.account).clone()
    }

    /// Sets what it lists. With another number of sign-ins the token that was given is no longer good.
    pub fn set_account(&self, account: Account) {
        *locked(&self.account) = account;
    }
}

impl Simulator for WeezeventSimulator {
    fn server(&self) -> &Server {
        &self.server
    }
}

fn locked(account: &Shared) -> MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

fn token(sign_ins: u32) -> String {
    format!("jeton-fictif-{sign_ins}")
}

async fn sign_in(State(account): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let form: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let says = |name: &str, value: &str| form.iter().any(|(known, said)| known == name && said == value);
    let known = says("username", USERNAME) && says("password", PASSWORD) && says("api_key", API_KEY);
    if !known || kind != Some("application/x-www-form-urlencoded") {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "invalid" }))).into_response();
    }
    let mut account = locked(&account);
    account.sign_ins = account.sign_ins.saturating_add(1);
    Json(json!({ "accessToken": token(account.sign_ins) })).into_response()
}

/// What was asked, by whoever has signed in.
struct Asked(Vec<(String, String)>);

impl Asked {
    fn read(query: RawQuery, account: &Account) -> Result<Self, StatusCode> {
        let query = query.0.unwrap_or_default();
        let asked = Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect());
        let good = asked.first("api_key") == Some(API_KEY)
            && account.sign_ins > 0
            && asked.first("access_token") == Some(token(account.sign_ins).as_str());
        if good { Ok(asked) } else { Err(StatusCode::UNAUTHORIZED) }
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Records of the events that are named; all of them when none is.
    fn of(&self, records: &[Value], key: &str) -> Vec<Value> {
        let named: Vec<&String> = self.0.iter().filter(|(name, _)| name == "id_event[]").map(|(_, id)| id).collect();
        let is_named = |record: &&Value| {
            let id = record[key].as_str().map_or_else(|| record[key].to_string(), str::to_owned);
            named.is_empty() || named.iter().any(|name| **name == id)
        };
        records.iter().filter(is_named).cloned().collect()
    }
}

async fn events(State(account): State<Shared>, query: RawQuery) -> Response {
    let account = locked(&account);
    let asked = match Asked::read(query, &account) {
        Ok(asked) => asked,
        Err(status) => return status.into_response(),
    };
    let all = asked.first("include_without_sales") == Some("true");
    let listed: Vec<&Value> = account.events.iter().filter(|event| all || event["participants"] != json!(0)).collect();
    Json(json!({ "events": listed })).into_response()
}

async fn dates(State(account): State<Shared>, query: RawQuery) -> Response {
    let account = locked(&account);
    match Asked::read(query, &account) {
        Ok(asked) => Json(json!({ "dates": asked.of(&account.dates, "id_event") })).into_response(),
        Err(status) => status.into_response(),
    }
}

async fn tickets(State(account): State<Shared>, query: RawQuery) -> Response {
    let account = locked(&account);
    match Asked::read(query, &account) {
        Ok(asked) => Json(json!({ "events": asked.of(&account.tickets, "id") })).into_response(),
        Err(status) => status.into_response(),
    }
}

async fn told(State(account): State<Shared>) -> Json<Account> {
    Json(locked(&account).clone())
}

async fn set(State(account): State<Shared>, Json(new): Json<Account>) -> StatusCode {
    *locked(&account) = new;
    StatusCode::NO_CONTENT
}

/// That hour so many days from now, as the vendor writes it.
#[must_use]
pub fn clock(days: i64, time: &str) -> String {
    let now = TimeZone::UTC.to_datetime(Timestamp::now());
    let day = now.checked_add(days.days()).map(|at| at.date().to_string()).unwrap_or_default();
    format!("{day} {time}:00")
}

fn sample() -> Account {
    let several = json!({ "id": 340_901, "name": "Les Nuits de la halle", "multiple_dates": "1", "participants": 12,
        "date": { "start": clock(2, "20:00"), "end": clock(9, "23:00") } });
    let single = json!({ "id": 340_902, "name": "Bal d'hiver", "multiple_dates": false, "participants": 0,
        "date": { "start": clock(3, "19:30"), "end": clock(3, "23:30") } });
    let tariff = |id: u32, name: &str, price: &str, quota: u32, sold: u32| json!({ "id": id, "name": name, "price": price, "quota": quota, "participants": sold });
    Account {
        events: vec![several, single, json!({ "id": 340_999, "name": "Adhésion", "participants": 3 })],
        dates: vec![
            json!({ "id": 71, "id_event": 340_901, "date": clock(2, "20:00"), "tickets": [] }),
            json!({ "id": 72, "id_event": 340_901, "date": clock(9, "20:00"), "tickets": [501] }),
        ],
        tickets: vec![
            json!({ "id": 340_901, "tickets": [tariff(501, "Plein", "14.00", 0, 9)],
                "categories": [{ "id": 1, "name": "Réduits", "tickets": [tariff(502, "Étudiant", "9.50", 40, 3)] }] }),
            json!({ "id": 340_902, "tickets": [tariff(601, "Entrée", "6", 80, 0)], "categories": [] }),
        ],
        sign_ins: 0,
    }
}
