//! A venue's software on loopback, as strict as the contract lets it be: it takes nothing unsigned, remembers ids and
//! bookings, and keeps count of its places.
//!
//! Used by tests, the demo and `passerelle sandbox webhook`. Messages go to `/webhook`, sales to `/bookings`, cancellations to
//! `/cancellations`; a message at any of them is read for what it is. `/_sim/…` drives it from outside: `GET /_sim/shows`,
//! `GET /_sim/sales`, `GET /_sim/received`, `POST /_sim/shows` (add or change one), `DELETE /_sim/shows?stock_id=…`,
//! `POST /_sim/scans/{barcode}`, `PUT /_sim/behaviour`, `POST /_sim/faults`.
//!
//! Invariant: its books are true: what it says that it sold is what it sold.

mod books;
mod controls;
mod routes;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use passerelle_contract::{Cents, Order, Reference, Ticket};
use passerelle_kit::secret::Secret;
use passerelle_testkit::conformance::{Orders, Truth};
use passerelle_testkit::simulator::{Server, Simulator};

use crate::signature::Key;
use books::Books;
pub use books::{Behaviour, Received, SimBooking, SimShow, SimTicket};

/// What calls to it are signed with: invented.
pub const SECRET: &str = "whsec_amV0b24tZmljdGlmLWRlLWxhLXBhc3NlcmVsbGUtMDE=";
/// Another one, for replacing it: invented.
pub const OTHER_SECRET: &str = "whsec_amV0b24tZmljdGlmLWRlLWxhLXBhc3NlcmVsbGUtMDI=";
/// What it presents to the gateway: invented.
pub const API_TOKEN: &str = "gvt_jeton-fictif-de-la-passerelle";

/// A running server with its books.
pub struct WebhookSimulator {
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

impl WebhookSimulator {
    /// Starts on a free loopback port with the sample shows.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start() -> std::io::Result<Self> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts at an address with the sample shows: invented ones, from tomorrow on.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn listen(address: SocketAddr) -> std::io::Result<Self> {
        let books = Shared(Arc::new(Mutex::new(Books::sample(keys(&[SECRET])))));
        let router = routes::router().merge(controls::router()).with_state(books.clone());
        let server = Server::listen(address, router).await?;
        Ok(Self { server, books })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn at(&self, path: &str) -> String {
        format!("http://{}/{path}", self.server.address())
    }

    /// What goes into `url`.
    #[must_use]
    pub fn url(&self) -> String {
        self.at("webhook")
    }

    /// What goes into `booking_url`.
    #[must_use]
    pub fn booking_url(&self) -> String {
        self.at("bookings")
    }

    /// What goes into `cancel_url`.
    #[must_use]
    pub fn cancel_url(&self) -> String {
        self.at("cancellations")
    }

    /// The secrets that it takes from now on; those of another form are left out.
    pub fn set_secrets(&self, secrets: &[&str]) {
        self.books.lock().keys = keys(secrets);
    }

    /// How it misbehaves.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.books.lock().behaviour = behaviour;
    }

    /// Adds a show, or puts it in the place of the one with its key.
    pub fn put_show(&self, show: SimShow) {
        self.books.lock().put_show(show);
    }

    /// A copy of a show.
    #[must_use]
    pub fn show(&self, stock_id: &str) -> Option<SimShow> {
        self.books.lock().shows.get(stock_id).cloned()
    }

    /// Every booking that it knows, void ones too.
    #[must_use]
    pub fn bookings(&self) -> Vec<SimBooking> {
        self.books.lock().bookings.values().cloned().collect()
    }

    /// Somebody comes in with this ticket.
    pub fn scan(&self, barcode: &str) {
        self.books.lock().scan(barcode);
    }

    /// What it was sent, oldest first, what it refused too.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.books.lock().received.iter().cloned().collect()
    }

    /// Its own books.
    #[must_use]
    pub fn truth(&self) -> Box<dyn Truth> {
        Box::new(self.books.clone())
    }

    /// Orders for its sample shows, for the conformance suite.
    #[must_use]
    pub fn orders() -> Orders {
        let order = |stock_id: &str| {
            let starts_at = UNIX_EPOCH + Duration::from_secs(books::starts_at(stock_id).unsigned_abs());
            Order {
                reference: Reference(String::new()),
                film_key: "mouette".to_owned(),
                show_key: stock_id.to_owned(),
                places_key: stock_id.to_owned(),
                tariff_key: stock_id.to_owned(),
                title: "La Mouette rieuse".to_owned(),
                starts_at,
                quantity: 1,
                price: Cents(books::PRICE_CENTS),
                holder: None,
            }
        };
        Orders {
            open: order(books::OPEN),
            five_left: order(books::FIVE_LEFT),
            last_place: order(books::LAST_PLACE),
            sold_out: order(books::SOLD_OUT),
            vanished: order(books::VANISHED),
            price_changed: order(books::DEARER),
            started: order(books::STARTED),
        }
    }
}

fn keys(secrets: &[&str]) -> Vec<Key> {
    secrets.iter().filter_map(|secret| Key::read(&Secret::new(secret))).collect()
}

impl Simulator for WebhookSimulator {
    fn server(&self) -> &Server {
        &self.server
    }
}

impl Truth for Shared {
    fn sold(&self, order: &Order) -> u32 {
        self.lock().sold(&order.places_key)
    }

    fn left(&self, order: &Order) -> u32 {
        self.lock().shows.get(&order.places_key).and_then(|show| show.remaining).unwrap_or(0)
    }

    fn unknown_ticket(&self) -> Option<Ticket> {
        let vendor = r#"{"booking_id":"bk_ZZZZZZZZZZZZ","stock_id":"mouette/1/A"}"#.to_owned();
        Some(Ticket { barcode: "SIM-999999".to_owned(), seat: None, vendor })
    }
}
