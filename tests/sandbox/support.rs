//! A small world and a client for it.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use passerelle::sandbox::{Generation, Sandbox, Seed, Settings};
use reqwest::Method;
use serde_json::{Value, json};

pub(crate) const KEY: &str = "key-of-alpha";
pub(crate) const OTHER_KEY: &str = "key-of-beta";
pub(crate) const HMAC_KEY: &str = "clé-d-essai";
pub(crate) const BOOK: &str = "9782070286256";
pub(crate) const NOVEL: &str = "9782330133306";
pub(crate) const VINYL: &str = "0602435931975";
pub(crate) const BANNED: &str = "9782075155847";
pub(crate) const FRAUD: &str = "9782311625165";
pub(crate) const FILM: &str = "3700551782888";
pub(crate) const UNRELEASED: &str = "9782070658398";
pub(crate) const UNKNOWN: &str = "9791020304050";
pub(crate) const READER: &str = "lectrice@example.com";
pub(crate) const POOR: &str = "fauche@example.com";

pub(crate) const EAN_PATH: &str = "/public/offers/v1/products/ean";

/// As it was measured in December 2025; what changed since is in `generations`.
pub(crate) fn seed() -> Seed {
    let text = json!({
        "generation": "2025-12",
        "accounts": [
            {"name": "alpha", "api_key": KEY, "hmac_key": HMAC_KEY},
            {"name": "beta", "api_key": OTHER_KEY, "hmac_key": "autre"},
        ],
        "venues": [
            {"id": 535, "siret": "85331845900049", "name": "Librairie d'essai", "postal_code": "97400",
             "activity": "BOOKSTORE", "street": "2 rue de l'Essai", "city": "Saint-Denis"},
            {"id": 536, "siret": "85331845900056", "name": "Disquaire d'essai", "postal_code": "75008",
             "activity": "RECORD_STORE"},
            {"id": 700, "siret": "90000000100017", "name": "Réservée à beta", "postal_code": "69001",
             "activity": "BOOKSTORE", "accounts": ["beta"]},
            {"id": 800, "name": "Offre numérique", "activity": "DIGITAL"},
        ],
        "products": [
            {"ean": BOOK, "name": "Un livre", "category": "LIVRE_PAPIER", "status": "COMPATIBLE"},
            {"ean": NOVEL, "name": "Un roman", "category": "LIVRE_PAPIER", "status": "COMPATIBLE"},
            {"ean": VINYL, "name": "Un vinyle", "category": "SUPPORT_PHYSIQUE_MUSIQUE_VINYLE", "status": "COMPATIBLE"},
            {"ean": BANNED, "name": "Un manuel", "category": "LIVRE_PAPIER", "status": "PROVIDER_INCOMPATIBLE"},
            {"ean": FRAUD, "name": "Un faux", "category": "LIVRE_PAPIER", "status": "FRAUD_INCOMPATIBLE"},
            {"ean": FILM, "name": "Un film", "category": "SUPPORT_PHYSIQUE_FILM", "status": "COMPATIBLE"},
            {"ean": UNRELEASED, "name": "xxx", "category": "LIVRE_PAPIER", "status": "COMPATIBLE"},
        ],
        "beneficiaries": [
            {"email": READER, "first_name": "Léa", "last_name": "Exemple", "birth_date": "2008-01-01",
             "phone": "+33600000000", "credit_cents": 30000},
            {"email": POOR, "first_name": "Sam", "last_name": "Exemple", "birth_date": "2008-02-02",
             "phone": null, "credit_cents": 100},
        ],
    });
    Seed::from_json(&text.to_string()).unwrap()
}

/// The small world, with upserts applied at once.
pub(crate) async fn start() -> Sandbox {
    start_with(Settings { upsert_delay_ms: 0, ..Settings::default() }).await
}

/// The small world at another version of pass Culture.
pub(crate) async fn start_as(generation: Generation) -> Sandbox {
    let seed = Seed { generation: Some(generation), ..seed() };
    let settings = Settings { upsert_delay_ms: 0, ..Settings::default() };
    Sandbox::start_with("127.0.0.1:0".parse().unwrap(), seed, settings).await.unwrap()
}

pub(crate) async fn start_with(settings: Settings) -> Sandbox {
    Sandbox::start_with("127.0.0.1:0".parse().unwrap(), seed(), settings).await.unwrap()
}

/// One client for all tests: making one is slow. It keeps no connection, for each test has its own runtime.
pub(crate) fn http() -> reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    let make = || {
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap()
    };
    CLIENT.get_or_init(make).clone()
}

/// One call as the first account; the body is sent as JSON.
pub(crate) async fn call(sandbox: &Sandbox, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    call_as(sandbox, KEY, method, path, body).await
}

pub(crate) async fn call_as(
    sandbox: &Sandbox,
    key: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let mut request = http().request(method, sandbox.base_url() + path).bearer_auth(key);
    if let Some(body) = body {
        request = request.json(&body);
    }
    read(request).await
}

pub(crate) async fn get(sandbox: &Sandbox, path: &str) -> (u16, Value) {
    call(sandbox, Method::GET, path, None).await
}

/// Status and JSON body, `null` when there is none.
pub(crate) async fn read(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

pub(crate) async fn upsert(sandbox: &Sandbox, venue: u32, products: Value) -> (u16, Value) {
    let body = json!({"location": {"type": "physical", "venueId": venue}, "products": products});
    call(sandbox, Method::POST, EAN_PATH, Some(body)).await
}

pub(crate) async fn put_on_sale(sandbox: &Sandbox, ean: &str, price: u32, quantity: u32) -> u64 {
    let item = json!([{"ean": ean, "stock": {"price": price, "quantity": quantity}}]);
    assert_eq!(upsert(sandbox, 535, item).await.0, 204);
    sandbox.settled().await;
    sandbox.offer_by_ean(535, ean).unwrap().offer_id
}

/// Waits for a condition, at most ten seconds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) const EVENTS_PATH: &str = "/public/offers/v1/events";

/// A body that makes an event.
pub(crate) fn event() -> Value {
    json!({
        "name": "Un concert d'essai", "location": {"type": "physical", "venueId": 535},
        "categoryRelatedFields": {"category": "CONFERENCE", "speaker": "Une oratrice"}, "hasTicket": false,
        "accessibility": {"audioDisabilityCompliant": true, "mentalDisabilityCompliant": false,
                          "motorDisabilityCompliant": true, "visualDisabilityCompliant": false},
        "priceCategories": [{"label": "Plein tarif", "price": 1500, "idAtProvider": "plein"}],
    })
}

/// A body with some fields changed; `"-"` takes a field away.
pub(crate) fn with(mut body: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        if *value == json!("-") {
            body.as_object_mut().unwrap().remove(key);
        } else {
            body[key] = value.clone();
        }
    }
    body
}

/// Makes an event; its id and the id of its first price category.
pub(crate) async fn make_event(sandbox: &Sandbox, changes: Value) -> (u64, u64) {
    let (status, made) = call(sandbox, Method::POST, EVENTS_PATH, Some(with(event(), changes))).await;
    assert_eq!(status, 200, "{made}");
    (made["id"].as_u64().unwrap(), made["priceCategories"][0]["id"].as_u64().unwrap())
}

pub(crate) const BEGINNING: &str = "2031-05-01T18:30:00Z";

/// A date of a body.
pub(crate) fn date(price_category: u64, quantity: Value) -> Value {
    json!({"beginningDatetime": BEGINNING, "bookingLimitDatetime": BEGINNING, "priceCategoryId": price_category,
           "quantity": quantity})
}

/// Adds one date; its id.
pub(crate) async fn add_date(sandbox: &Sandbox, event: u64, date: Value) -> u64 {
    let path = format!("{EVENTS_PATH}/{event}/dates");
    let (status, made) = call(sandbox, Method::POST, &path, Some(json!({"dates": [date]}))).await;
    assert_eq!(status, 200, "{made}");
    made["dates"][0]["id"].as_u64().unwrap()
}
