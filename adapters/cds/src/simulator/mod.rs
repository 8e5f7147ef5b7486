//! An account's server on loopback, as strict as the real one: seats, two pools, barcodes as numbers, 200 for failed
//! cancellations.
//!
//! Used by tests, the demo and `passerelle sandbox cds`. The vendor's routes stand under `/vad/`; `/_sim/…` drives it from
//! outside: `GET /_sim/shows`, `GET /_sim/sales`, `POST /_sim/shows` (add or change one), `DELETE /_sim/shows/{id}`,
//! `PUT /_sim/quirks`, `POST /_sim/faults`.
//!
//! Invariant: its books are true: what it says that it sold is what it sold.

mod books;
mod controls;
mod routes;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use passerelle_contract::{Cents, Order, Reference};
use passerelle_testkit::conformance::{Orders, Truth};
use passerelle_testkit::simulator::{Server, Simulator};

use books::Books;
pub use books::{Quirks, SimFilm, SimShow, SimTicket};

/// The account that the simulator knows.
pub const ACCOUNT_ID: &str = "reseau-fictif";
/// Its cinema.
pub const CINEMA_ID: &str = "cinema-fictif";
/// Its token: invented.
pub const API_TOKEN: &str = "jeton-fictif-0001";

/// A running server with its cinema.
pub struct CdsSimulator {
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

impl CdsSimulator {
    /// Starts on a free loopback port with the sample cinema.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start() -> std::io::Result<Self> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts at an address with the sample cinema: invented films, and shows from tomorrow on.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn listen(address: SocketAddr) -> std::io::Result<Self> {
        let books = Shared(Arc::new(Mutex::new(Books::sample(SystemTime::now()))));
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
        format!("http://{}/vad/", self.server.address())
    }

    /// Adds a show, or puts it in the place of the one with its number.
    pub fn put_show(&self, show: SimShow) {
        self.books.lock().put_show(show);
    }

    /// Takes a show away; its tickets stay.
    pub fn remove_show(&self, id: i64) {
        self.books.lock().shows.remove(&id);
    }

    /// A copy of a show.
    #[must_use]
    pub fn show(&self, id: i64) -> Option<SimShow> {
        self.books.lock().shows.get(&id).cloned()
    }

    /// Every ticket, cancelled ones too.
    #[must_use]
    pub fn tickets(&self) -> Vec<SimTicket> {
        self.books.lock().tickets.values().cloned().collect()
    }

    /// Seats that are sold and not cancelled.
    #[must_use]
    pub fn seats_sold(&self) -> u32 {
        u32::try_from(self.books.lock().tickets.values().filter(|ticket| !ticket.cancelled).count()).unwrap_or(u32::MAX)
    }

    /// What a person does at the till: voids every ticket but those with these barcodes.
    pub fn void_all_but(&self, barcodes: &[String]) {
        let mut books = self.books.lock();
        let live = books.tickets.values().filter(|ticket| !ticket.cancelled && !barcodes.contains(&ticket.barcode));
        let found: Vec<String> = live.map(|ticket| ticket.barcode.clone()).collect();
        for barcode in found {
            books.void(&barcode);
        }
    }

    /// How it misbehaves within its own rules.
    pub fn set_quirks(&self, quirks: Quirks) {
        self.books.lock().quirks = quirks;
    }

    /// Its own books.
    #[must_use]
    pub fn truth(&self) -> Box<dyn Truth> {
        Box::new(self.books.clone())
    }

    /// Orders for its sample shows, for the conformance suite.
    #[must_use]
    pub fn orders() -> Orders {
        let order = |show: i64| Order {
            reference: Reference(String::new()),
            film_key: "512".to_owned(),
            show_key: show.to_string(),
            places_key: show.to_string(),
            tariff_key: "91".to_owned(),
            title: "LE PHARE IMMOBILE".to_owned(),
            starts_at: SystemTime::now() + Duration::from_secs(90_000),
            quantity: 1,
            price: Cents(500),
            holder: None,
        };
        Orders {
            open: order(books::OPEN),
            five_left: order(books::FIVE_LEFT),
            last_place: order(books::LAST_PLACE),
            sold_out: order(books::SOLD_OUT),
            vanished: order(books::VANISHED),
            price_changed: order(books::DEARER),
            started: Order { starts_at: SystemTime::now() - Duration::from_secs(3_600), ..order(books::STARTED) },
        }
    }
}

impl Simulator for CdsSimulator {
    fn server(&self) -> &Server {
        &self.server
    }
}

impl Truth for Shared {
    fn sold(&self, order: &Order) -> u32 {
        order.show_key.parse().map_or(0, |show| self.lock().sold(show))
    }

    fn left(&self, order: &Order) -> u32 {
        order.show_key.parse().map_or(0, |show| self.lock().left(show))
    }
}
