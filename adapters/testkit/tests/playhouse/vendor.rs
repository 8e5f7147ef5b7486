//! The smallest box office that sells seats over HTTP: it knows references, frees single tickets, and keeps true books.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Router, body::Bytes};
use passerelle_contract::{Cents, Order, Reference};
use passerelle_testkit::conformance::{Orders, Truth};
use passerelle_testkit::simulator::{Server, Simulator};
use serde_json::{Value, json};

struct Show {
    places: u32,
    cents: u32,
    begun: bool,
}

struct Ticket {
    show: String,
    reference: String,
    void: bool,
}

#[derive(Default)]
struct Books {
    shows: BTreeMap<String, Show>,
    /// By barcode.
    tickets: BTreeMap<String, Ticket>,
}

#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<Books>>);

pub(crate) struct Playhouse {
    server: Server,
    books: Shared,
}

impl Playhouse {
    pub(crate) async fn start() -> Self {
        let books = Shared::default();
        let shows =
            [("open", 60, 650, false), ("five", 5, 650, false), ("last", 1, 650, false), ("full", 0, 650, false)];
        for (key, places, cents, begun) in shows.into_iter().chain([("dearer", 9, 900, false), ("begun", 9, 650, true)])
        {
            books.lock().shows.insert(key.to_owned(), Show { places, cents, begun });
        }
        let router = Router::new()
            .route("/films", get(|| async { Json(json!([{ "id": 7, "title": "La Marée" }])) }))
            .route("/shows", get(shows_list))
            .route("/shows/{show}", get(one_show))
            .route("/sales", post(sell))
            .route("/sales/{reference}", get(look_up))
            .route("/void", put(void))
            .with_state(books.clone());
        Self { server: Server::start(router).await.unwrap(), books }
    }

    pub(crate) fn orders() -> Orders {
        let order = |show: &str| Order {
            reference: Reference(String::new()),
            film_key: "7".to_owned(),
            show_key: show.to_owned(),
            places_key: show.to_owned(),
            tariff_key: "pass".to_owned(),
            title: "La Marée".to_owned(),
            starts_at: SystemTime::now() + Duration::from_secs(90_000),
            quantity: 1,
            price: Cents(650),
            holder: None,
        };
        Orders {
            open: order("open"),
            five_left: order("five"),
            last_place: order("last"),
            sold_out: order("full"),
            vanished: order("gone"),
            price_changed: order("dearer"),
            started: Order { starts_at: SystemTime::now() - Duration::from_secs(3600), ..order("begun") },
        }
    }

    pub(crate) fn truth(&self) -> Box<dyn Truth> {
        Box::new(self.books.clone())
    }
}

impl Simulator for Playhouse {
    fn server(&self) -> &Server {
        &self.server
    }
}

impl Truth for Shared {
    fn sold(&self, order: &Order) -> u32 {
        self.lock().sold(&order.show_key)
    }

    fn left(&self, order: &Order) -> u32 {
        self.lock().left(&order.show_key)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap()
    }
}

impl Books {
    fn sold(&self, show: &str) -> u32 {
        let live = self.tickets.values().filter(|ticket| ticket.show == show && !ticket.void);
        u32::try_from(live.count()).unwrap()
    }

    fn left(&self, show: &str) -> u32 {
        self.shows.get(show).map_or(0, |known| known.places - self.sold(show))
    }

    fn told(&self, key: &str, show: &Show) -> Value {
        json!({ "show": key, "left": self.left(key), "cents": show.cents, "begun": show.begun })
    }
}

async fn shows_list(State(books): State<Shared>) -> Json<Value> {
    let books = books.lock();
    Json(books.shows.iter().filter(|(_, show)| !show.begun).map(|(key, show)| books.told(key, show)).collect())
}

async fn one_show(State(books): State<Shared>, Path(key): Path<String>) -> Response {
    let books = books.lock();
    match books.shows.get(&key) {
        Some(show) => Json(books.told(&key, show)).into_response(),
        None => (StatusCode::NOT_FOUND, Json(json!({ "gone": key }))).into_response(),
    }
}

async fn sell(State(books): State<Shared>, body: Bytes) -> Response {
    let asked: Value = serde_json::from_slice(&body).unwrap();
    let (show, reference) = (asked["show"].as_str().unwrap(), asked["reference"].as_str().unwrap());
    let seats = u32::try_from(asked["seats"].as_u64().unwrap()).unwrap();
    let mut books = books.lock();
    let left = books.left(show);
    if left < seats {
        return (StatusCode::CONFLICT, Json(json!({ "left": left }))).into_response();
    }
    let first = 100_001 + books.tickets.len();
    let barcodes: Vec<String> = (first..first + seats as usize).map(|number| number.to_string()).collect();
    for barcode in &barcodes {
        let ticket = Ticket { show: show.to_owned(), reference: reference.to_owned(), void: false };
        books.tickets.insert(barcode.clone(), ticket);
    }
    (StatusCode::CREATED, Json(json!({ "barcodes": barcodes, "left": books.left(show) }))).into_response()
}

async fn look_up(State(books): State<Shared>, Path(reference): Path<String>) -> Json<Value> {
    let books = books.lock();
    let mine = books.tickets.iter().filter(|(_, ticket)| ticket.reference == reference && !ticket.void);
    Json(json!({ "barcodes": mine.map(|(barcode, _)| barcode).collect::<Vec<_>>() }))
}

async fn void(State(books): State<Shared>, body: Bytes) -> Json<Value> {
    let asked: Vec<String> = serde_json::from_slice(&body).unwrap();
    let mut books = books.lock();
    let told = asked.into_iter().map(|barcode| {
        let became = match books.tickets.get_mut(&barcode) {
            None => "unknown",
            Some(ticket) if ticket.void => "already",
            Some(ticket) => {
                ticket.void = true;
                "void"
            }
        };
        (barcode, Value::from(became))
    });
    Json(Value::Object(told.collect()))
}
