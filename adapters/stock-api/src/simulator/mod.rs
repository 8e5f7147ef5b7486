//! The editor's server on loopback: shops with invented stock, and every oddity seen in the field as a profile.
//!
//! Used by tests, the demo and `passerelle sandbox stock-api`. Routes: `GET /{provider}/stocks/{siret}` as the vendor
//! serves it, `POST /_mock/{provider}/{siret}/mutate` and `GET /_mock/log` to drive it from outside.
//!
//! Invariant: the same seed gives the same shop, whatever the machine.

mod profile;
mod render;
mod shop;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Json, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use passerelle_testkit::simulator::{Log, Server, Simulator};
use serde_json::{Value, json};

pub use profile::Profile;
pub use shop::{Entry, Mutation, Shop, ShopConfig};

/// Identifier of the shops of [`StockSimulator::every_profile`].
pub const SANDBOX_SIRET: &str = "85331845900049";

/// A running server with its shops.
pub struct StockSimulator {
    server: Server,
    state: Shared,
}

type Key = (String, String);

/// All shops by provider and identifier.
#[derive(Clone)]
struct Shared {
    shops: Arc<Mutex<BTreeMap<Key, Shop>>>,
    log: Log,
}

impl StockSimulator {
    /// Starts on a free loopback port.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start(shops: Vec<ShopConfig>) -> std::io::Result<Self> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0)), shops).await
    }

    /// Starts at an address.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn listen(address: SocketAddr, shops: Vec<ShopConfig>) -> std::io::Result<Self> {
        let shops = shops.into_iter().map(|one| ((one.provider.clone(), one.siret.clone()), Shop::new(one))).collect();
        let state = Shared { shops: Arc::new(Mutex::new(shops)), log: Log::default() };
        let router = Router::new()
            .route("/{provider}/stocks/{siret}", get(stocks))
            .route("/_mock/{provider}/{siret}/mutate", post(mutate))
            .route("/_mock/log", get(show_log))
            .with_state(state.clone());
        let server = Server::listen_with(address, router, state.log.clone()).await?;
        Ok(Self { server, state })
    }

    /// Starts at an address with one shop for every profile but the very large one, each at `/{profile}/stocks/{SIRET}`.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn every_profile(address: SocketAddr) -> std::io::Result<Self> {
        let profiles = Profile::ALL.iter().filter(|profile| **profile != Profile::Huge);
        let shops =
            profiles.map(|profile| ShopConfig { profile: *profile, ..ShopConfig::new(profile.name(), SANDBOX_SIRET) });
        Self::listen(address, shops.collect()).await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What goes into `api_url` for a provider's shops.
    #[must_use]
    pub fn api_url(&self, provider: &str) -> String {
        format!("http://{}/{provider}/stocks", self.server.address())
    }

    /// Changes a shop; says whether it exists.
    pub fn mutate(&self, provider: &str, siret: &str, change: &Mutation) -> bool {
        self.state.with_shop(provider, siret, |shop| shop.mutate(change, Timestamp::now())).is_some()
    }

    /// A copy of a shop's entries, in order of reference.
    #[must_use]
    pub fn entries(&self, provider: &str, siret: &str) -> Vec<Entry> {
        self.state.with_shop(provider, siret, |shop| shop.entries().to_vec()).unwrap_or_default()
    }
}

impl Simulator for StockSimulator {
    fn server(&self) -> &Server {
        &self.server
    }
}

impl Shared {
    fn shops(&self) -> MutexGuard<'_, BTreeMap<Key, Shop>> {
        self.shops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_shop<T>(&self, provider: &str, siret: &str, act: impl FnOnce(&mut Shop) -> T) -> Option<T> {
        self.shops().get_mut(&(provider.to_owned(), siret.to_owned())).map(act)
    }
}

/// One page as the vendor's contract answers it.
async fn stocks(
    State(state): State<Shared>,
    Path((provider, siret)): Path<(String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
    let asked = match render::Asked::read(&query) {
        Ok(asked) => asked,
        Err((field, text)) => return refusal(StatusCode::BAD_REQUEST, field, text),
    };
    let answer =
        state.with_shop(&provider, &siret, |shop| shop.lets_in(authorization).then(|| render::answer(shop, &asked)));
    match answer {
        None => refusal(StatusCode::NOT_FOUND, "siret", "Siret inconnu"),
        Some(None) => StatusCode::UNAUTHORIZED.into_response(),
        Some(Some(answer)) => answer.send().await,
    }
}

fn refusal(status: StatusCode, field: &str, text: &str) -> Response {
    (status, Json(json!({"errors": {field: [text]}}))).into_response()
}

async fn mutate(
    State(state): State<Shared>,
    Path((provider, siret)): Path<(String, String)>,
    Json(change): Json<Mutation>,
) -> StatusCode {
    match state.with_shop(&provider, &siret, |shop| shop.mutate(&change, Timestamp::now())) {
        Some(()) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

async fn show_log(State(state): State<Shared>) -> Json<Value> {
    let all = state.log.all();
    Json(all.iter().map(|one| json!({"method": one.method, "path": one.path, "query": one.query})).collect())
}
