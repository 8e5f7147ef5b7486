//! An organiser's account on loopback, as strict as the real vendor is believed to be: errors with status 200, texts for numbers,
//! barcodes only in the list of attendees, and no look at what is left when an order comes in.
//!
//! Used by tests, the demo and `passerelle sandbox billetweb`. `/_sim/…` drives it from outside: `GET /_sim/shows`,
//! `GET /_sim/sales`, `POST /_sim/shows` (add or change one), `DELETE /_sim/shows/{id}`, `POST /_sim/sales/{barcode}/scan`,
//! `PUT /_sim/quirks`, `POST /_sim/faults`. Seen at the real vendor: the calls, their shapes, the two error codes. Invented here: all
//! other codes, the answer to `delete_order`, the field `session` of an order, `total_sales` of a tariff.
//!
//! Invariant: its books are true: what it says that it sold is what it sold.

mod books;
mod controls;
mod routes;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use passerelle_contract::{Cents, Order, Reference, Ticket};
use passerelle_testkit::conformance::{Orders, Truth};
use passerelle_testkit::simulator::{Server, Simulator};

use books::Books;
pub use books::{Quirks, SimEvent, SimSale, SimShow, SimTariff};

/// The account's number.
pub const USER: &str = "40417";
/// Its key: invented.
pub const KEY: &str = "cle-fictive-billetweb";
/// The event with sessions.
pub const EVENT: &str = "120345";
/// The event without.
pub const SINGLE_EVENT: &str = "120346";

/// A running server with its account.
pub struct BilletwebSimulator {
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

impl BilletwebSimulator {
    /// Starts on a free loopback port with the sample account.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start() -> std::io::Result<Self> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts at an address with the sample account: invented events, and sessions from tomorrow on.
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
        format!("http://{}/api/", self.server.address())
    }

    /// Adds a show, or puts it in the place of the one with its number.
    pub fn put_show(&self, show: SimShow) {
        self.books.lock().put_show(show);
    }

    /// Takes a show away; its sales stay.
    pub fn remove_show(&self, id: i64) {
        self.books.lock().shows.remove(&id);
    }

    /// A copy of a show.
    #[must_use]
    pub fn show(&self, id: i64) -> Option<SimShow> {
        self.books.lock().shows.get(&id).cloned()
    }

    /// Adds an event, or puts it in the place of the one with its number.
    pub fn put_event(&self, event: SimEvent) {
        self.books.lock().events.insert(event.id, event);
    }

    /// A copy of an event.
    #[must_use]
    pub fn event(&self, id: i64) -> Option<SimEvent> {
        self.books.lock().events.get(&id).cloned()
    }

    /// Every order, deleted ones too.
    #[must_use]
    pub fn sales(&self) -> Vec<SimSale> {
        self.books.lock().sales.clone()
    }

    /// Seats that are sold and not taken back.
    #[must_use]
    pub fn seats_sold(&self) -> u32 {
        self.books.lock().seats_sold()
    }

    /// Somebody goes in with this barcode.
    pub fn scan(&self, barcode: &str) {
        let _known = self.books.lock().scan(barcode);
    }

    /// What a person does in the back office: deletes every order but those with these barcodes.
    pub fn void_all_but(&self, barcodes: &[String]) {
        for sale in &mut self.books.lock().sales {
            sale.cancelled |= !barcodes.contains(&sale.barcode);
        }
    }

    /// How it misbehaves within its own rules.
    pub fn set_quirks(&self, quirks: Quirks) {
        self.books.lock().quirks = quirks;
    }

    /// The bodies of what changes something (`add_order`, `delete_order`), as they came.
    #[must_use]
    pub fn bodies(&self, call: &str) -> Vec<String> {
        self.books.lock().bodies.iter().filter(|(name, _)| name == call).map(|(_, body)| body.clone()).collect()
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
            film_key: EVENT.to_owned(),
            show_key: format!("{EVENT}-{show}"),
            places_key: format!("{EVENT}-{show}-{}", books::FULL),
            tariff_key: books::FULL.to_string(),
            title: "Les Marées lentes".to_owned(),
            starts_at: SystemTime::now() + Duration::from_secs(90_000),
            quantity: 1,
            price: Cents(1_250),
            holder: None,
        };
        Orders {
            open: order(books::OPEN),
            five_left: order(books::FIVE_LEFT),
            last_place: order(books::LAST_PLACE),
            sold_out: order(books::SOLD_OUT),
            vanished: order(books::VANISHED),
            price_changed: Order { price: Cents(1_100), ..order(books::FIVE_LEFT) },
            started: Order { starts_at: SystemTime::now() - Duration::from_secs(3_600), ..order(books::STARTED) },
        }
    }
}

impl Simulator for BilletwebSimulator {
    fn server(&self) -> &Server {
        &self.server
    }
}

/// The number of an order's show: an event without sessions is its own.
fn number(order: &Order) -> Option<i64> {
    let (event, session) = order.show_key.split_once('-')?;
    if session == "0" { event } else { session }.parse().ok()
}

impl Truth for Shared {
    fn sold(&self, order: &Order) -> u32 {
        let books = self.lock();
        number(order).map_or(0, |show| books.sold(show))
    }

    fn left(&self, order: &Order) -> u32 {
        let books = self.lock();
        number(order).and_then(|show| books.shows.get(&show)).map_or(0, |show| books.left(show))
    }

    fn unknown_ticket(&self) -> Option<Ticket> {
        // The event's own number means more than one sale.
        let vendor = format!(
            r#"{{"event":"{EVENT}","session":"{}","email":"pc-nobody@gateway.example","request":"pc-NOBODY","order":"6999999"}}"#,
            books::OPEN
        );
        Some(Ticket { barcode: "2031999999999".to_owned(), seat: None, vendor })
    }
}
