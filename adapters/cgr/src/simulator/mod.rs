//! A cinema's service on loopback, as strict as the real one: namespaces, the order of parameters, the account in every call,
//! French sentences with status 200.
//!
//! Used by tests, the demo and `passerelle sandbox cgr`. The service and its description (`?wsdl`) stand at one address; `/_sim/…`
//! drives it from outside: `GET /_sim/shows`, `GET /_sim/sales`, `POST /_sim/shows` (add or change one),
//! `DELETE /_sim/shows/{id}`, `POST /_sim/sales/{code}/control` (somebody goes in), `PUT /_sim/quirks`, `POST /_sim/faults` with the
//! name of a call as its path.
//!
//! Invariant: its books are true: what it says that it sold is what it sold.

mod books;
mod controls;
mod routes;
mod soap;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use passerelle_contract::{Cents, Order, Reference};
use passerelle_testkit::conformance::{Orders, Truth};
use passerelle_testkit::simulator::{Server, Simulator};

use books::Books;
pub use books::{CINEMA_NUMBER, Quirks, SimCall, SimFilm, SimSale, SimShow};

/// Where the service stands.
const PATH: &str = "/GESTIONCINEMAWS_WEB/awws/GestionCinemaWS.awws";
/// The cinema's identifier; any would do.
pub const CINEMA_ID: &str = "cinema-fictif";
/// The account that the simulator knows.
pub const USERNAME: &str = "passerelle";
/// Its password: invented.
pub const PASSWORD: &str = "mot-de-passe&fictif";

/// A running server with its cinema.
pub struct CgrSimulator {
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

impl CgrSimulator {
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
        format!("http://{}{PATH}", self.server.address())
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

    /// Every sale, cancelled ones too.
    #[must_use]
    pub fn sales(&self) -> Vec<SimSale> {
        self.books.lock().sales.clone()
    }

    /// Seats that are sold and not cancelled.
    #[must_use]
    pub fn seats_sold(&self) -> u32 {
        self.books.lock().sales.iter().filter(|sale| !sale.cancelled).map(|sale| sale.quantity).sum()
    }

    /// Somebody goes in with this barcode.
    pub fn control(&self, barcode: &str) {
        for sale in self.books.lock().sales.iter_mut().filter(|sale| sale.code == barcode) {
            sale.controlled = true;
        }
    }

    /// What a person does at the till: voids every sale but those with these barcodes.
    pub fn void_all_but(&self, barcodes: &[String]) {
        for sale in self.books.lock().sales.iter_mut() {
            sale.cancelled |= !barcodes.contains(&sale.code);
        }
    }

    /// How it behaves where nobody knows, or for a while.
    pub fn set_quirks(&self, quirks: Quirks) {
        self.books.lock().quirks = quirks;
    }

    /// Every call that was understood, without the account.
    #[must_use]
    pub fn calls(&self) -> Vec<SimCall> {
        self.books.lock().calls.clone()
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
            film_key: books::FILM.to_string(),
            show_key: show.to_string(),
            places_key: show.to_string(),
            tariff_key: "Tarif pass".to_owned(),
            title: "La Lanterne du port".to_owned(),
            starts_at: SystemTime::now() + Duration::from_secs(90_000),
            quantity: 1,
            price: Cents(690),
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

impl Simulator for CgrSimulator {
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
