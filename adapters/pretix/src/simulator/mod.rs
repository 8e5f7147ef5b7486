//! A pretix organizer on loopback, as strict and as lax as the real server was measured to be: its API sells what its shop
//! does not (events that are not live, dates that are over), obeys `force`, and repeats stored answers to a repeated key.
//!
//! Used by tests, the demo and `passerelle sandbox pretix`. `/_sim/…` drives it from outside: `GET /_sim/shows`,
//! `GET /_sim/sales`, `POST /_sim/shows` (add or change one), `DELETE /_sim/shows/{id}`, `POST /_sim/scans/{barcode}`,
//! `PUT /_sim/quirks`, `POST /_sim/faults`.
//!
//! Invariant: its books are true: what it says that it sold is what it sold.

mod books;
mod catalogue;
mod controls;
mod routes;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use passerelle_contract::{Cents, Order, Reference};
use passerelle_testkit::conformance::{Orders, Truth};
use passerelle_testkit::simulator::{Server, Simulator};

use crate::keys::{self, Key};
use books::Books;
pub use books::{Quirks, SimEvent, SimItem, SimOrder, SimPosition, SimShow, SimVariation};

/// The organizer.
pub const ORGANIZER: &str = "demo";
/// Its series.
pub const SERIES: &str = "mouette";
/// Its event with a single date.
pub const SINGLE: &str = "fanfare";
/// The team's token: invented.
pub const TOKEN: &str = "jeton-fictif-de-la-passerelle";
/// The item for beneficiaries of the series.
pub const ITEM: i64 = 11;
/// The item of the series that has variations, and these.
pub const ITEM_WITH_KINDS: (i64, [i64; 2]) = (12, [21, 22]);

/// A running server with its organizer.
pub struct PretixSimulator {
    server: Server,
    books: Shared,
}

/// The books, shared with the routes.
#[derive(Clone)]
struct Shared(Arc<Mutex<Books>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PretixSimulator {
    /// Starts on a free loopback port with the sample organizer.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start() -> std::io::Result<Self> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts at an address with the sample organizer: invented events, and dates from tomorrow on.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn listen(address: SocketAddr) -> std::io::Result<Self> {
        let books = Shared(Arc::new(Mutex::new(Books::sample())));
        let router = routes::router().merge(controls::router()).with_state(books.clone());
        let server = Server::listen(address, router).await?;
        Ok(Self { server, books })
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

    /// Adds a show, or puts it in the place of the one with its number.
    pub fn put_show(&self, show: SimShow) {
        self.books.lock().put_show(show);
    }

    /// Takes a show away; its orders stay.
    pub fn remove_show(&self, id: i64) {
        self.books.lock().shows.remove(&id);
    }

    /// A copy of a show.
    #[must_use]
    pub fn show(&self, id: i64) -> Option<SimShow> {
        self.books.lock().shows.get(&id).cloned()
    }

    /// Copies of all shows.
    #[must_use]
    pub fn shows(&self) -> Vec<SimShow> {
        self.books.lock().shows.values().cloned().collect()
    }

    /// Adds an event, or puts it in the place of the one with its short name.
    pub fn put_event(&self, event: SimEvent) {
        self.books.lock().put_event(event);
    }

    /// A copy of an event.
    #[must_use]
    pub fn event(&self, slug: &str) -> Option<SimEvent> {
        self.books.lock().events.get(slug).cloned()
    }

    /// Takes an event away: pretix forbids it then.
    pub fn remove_event(&self, slug: &str) {
        self.books.lock().events.remove(slug);
    }

    /// Every order, cancelled ones too.
    #[must_use]
    pub fn sales(&self) -> Vec<SimOrder> {
        self.books.lock().orders.clone()
    }

    /// Seats that are sold and not cancelled.
    #[must_use]
    pub fn seats_sold(&self) -> u32 {
        self.books.lock().seats_sold()
    }

    /// Somebody comes in with this ticket.
    pub fn scan(&self, barcode: &str) {
        self.books.lock().scan(barcode);
    }

    /// What a person does in pretix: cancels every order but those with these barcodes.
    pub fn void_all_but(&self, barcodes: &[String]) {
        for order in &mut self.books.lock().orders {
            order.cancelled |= !order.positions.iter().any(|position| barcodes.contains(&position.secret));
        }
    }

    /// How it misbehaves within its own rules.
    pub fn set_quirks(&self, quirks: Quirks) {
        self.books.lock().quirks = quirks;
    }

    /// Answers the next order with this, and does nothing.
    pub fn answer_next_order(&self, status: u16, body: &str) {
        self.books.lock().scripted = Some((status, body.to_owned()));
    }

    /// The bodies of orders, as they came.
    #[must_use]
    pub fn bodies(&self) -> Vec<String> {
        self.books.lock().bodies.clone()
    }

    /// Its own books.
    #[must_use]
    pub fn truth(&self) -> Box<dyn Truth> {
        Box::new(self.books.clone())
    }

    /// Orders for its sample shows, for the conformance suite.
    #[must_use]
    pub fn orders() -> Orders {
        let order = |show: i64| {
            let key = Key { event: SERIES.to_owned(), date: Some(show), item: ITEM, variation: None };
            Order {
                reference: Reference(String::new()),
                film_key: SERIES.to_owned(),
                show_key: keys::show(SERIES, key.date),
                places_key: key.to_string(),
                tariff_key: key.to_string(),
                title: "La Mouette rieuse".to_owned(),
                starts_at: SystemTime::now() + Duration::from_secs(90_000),
                quantity: 1,
                price: Cents(1_200),
                holder: None,
            }
        };
        let started = SystemTime::now() - Duration::from_secs(3_600);
        Orders {
            open: order(books::OPEN),
            five_left: order(books::FIVE_LEFT),
            last_place: order(books::LAST_PLACE),
            sold_out: order(books::SOLD_OUT),
            vanished: order(books::VANISHED),
            price_changed: order(books::DEARER),
            started: Order { starts_at: started, ..order(books::STARTED) },
        }
    }
}

impl Simulator for PretixSimulator {
    fn server(&self) -> &Server {
        &self.server
    }
}

impl Truth for Shared {
    fn sold(&self, order: &Order) -> u32 {
        let books = self.lock();
        let show = Key::read(&order.places_key).and_then(|key| books.show_of(&key));
        show.map_or(0, |show| books.sold(show.id))
    }

    fn left(&self, order: &Order) -> u32 {
        let books = self.lock();
        Key::read(&order.places_key).map_or(0, |key| books.left(&key))
    }
}
