//! An account with two sites on loopback, as strict as the real vendor is believed to be: passwords, signatures over the very
//! bytes, and no other spelling of a body than the known one.
//!
//! Used by tests, the demo and `passerelle sandbox ems`. `/_sim/…` drives it from outside: `GET /_sim/shows`,
//! `GET /_sim/sales`, `POST /_sim/shows` (add or change one), `DELETE /_sim/shows/{id}` (the schedule does not tell),
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
pub use books::{Quirks, SimFilm, SimSale, SimShow, SimTicket};

/// The site of most samples.
pub const SITE_ID: &str = "6154";
/// Another site of the account, with zeros in front.
pub const OTHER_SITE: &str = "0042";
/// The account's user.
pub const USER: &str = "passerelle";
/// Its password: invented.
pub const PASSWORD: &str = "mot-de-passe-fictif";
/// The partner's name.
pub const SOURCE: &str = "PASSERELLE";
/// The key of signatures: invented.
pub const SECRET: &str = "cle-de-signature-fictive";

/// A running server with its sites.
pub struct EmsSimulator {
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

impl EmsSimulator {
    /// Starts on a free loopback port with the sample sites.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start() -> std::io::Result<Self> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts at an address with the sample sites: invented films, and shows from tomorrow on.
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

    /// What goes into `schedule_url`.
    #[must_use]
    pub fn schedule_url(&self) -> String {
        format!("http://{}/export/schedule", self.server.address())
    }

    /// What goes into `sites_url`.
    #[must_use]
    pub fn sites_url(&self) -> String {
        format!("http://{}/export/sites", self.server.address())
    }

    /// What goes into `booking_url`.
    #[must_use]
    pub fn booking_url(&self) -> String {
        format!("http://{}/pass/", self.server.address())
    }

    /// Adds a show, or puts it in the place of the one with its id.
    pub fn put_show(&self, show: SimShow) {
        self.books.lock().put_show(show);
    }

    /// Takes a show away; its sales stay, and the schedule does not tell.
    pub fn remove_show(&self, id: i64) {
        let mut books = self.books.lock();
        if let Some(id) = books.show(&id.to_string()).map(|show| show.id.clone()) {
            books.shows.remove(&id);
        }
    }

    /// A copy of a show, by the number that its id is.
    #[must_use]
    pub fn show(&self, id: i64) -> Option<SimShow> {
        self.books.lock().show(&id.to_string()).cloned()
    }

    /// Every order, cancelled ones too.
    #[must_use]
    pub fn sales(&self) -> Vec<SimSale> {
        self.books.lock().sales.clone()
    }

    /// Seats that are sold and not cancelled.
    #[must_use]
    pub fn seats_sold(&self) -> u32 {
        self.books.lock().seats_sold()
    }

    /// What a person does at the till: voids every order but those with these barcodes.
    pub fn void_all_but(&self, barcodes: &[String]) {
        for sale in &mut self.books.lock().sales {
            sale.cancelled |= !sale.tickets.iter().any(|ticket| barcodes.contains(&ticket.barcode));
        }
    }

    /// How it misbehaves within its own rules.
    pub fn set_quirks(&self, quirks: Quirks) {
        self.books.lock().quirks = quirks;
    }

    /// The bodies of a booking call (`VENTE`, …), as they came.
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
        let order = |film: &str, show: i64| Order {
            reference: Reference(String::new()),
            film_key: film.to_owned(),
            show_key: show.to_string(),
            places_key: show.to_string(),
            tariff_key: "pass_culture_price".to_owned(),
            title: "Les Heures de sable".to_owned(),
            starts_at: SystemTime::now() + Duration::from_secs(90_000),
            quantity: 1,
            price: Cents(685),
            holder: None,
        };
        let started = SystemTime::now() - Duration::from_secs(3_600);
        Orders {
            open: order("VTKN4", books::OPEN),
            five_left: order("VTKN4", books::FIVE_LEFT),
            last_place: order("JD9RE", books::LAST_PLACE),
            sold_out: order("VTKN4", books::SOLD_OUT),
            vanished: order(books::VANISHED_FILM, books::VANISHED),
            price_changed: order("JD9RE", books::DEARER),
            started: Order { starts_at: started, ..order("VTKN4", books::STARTED) },
        }
    }
}

impl Simulator for EmsSimulator {
    fn server(&self) -> &Server {
        &self.server
    }
}

impl Truth for Shared {
    fn sold(&self, order: &Order) -> u32 {
        let books = self.lock();
        books.show(&order.show_key).map_or(0, |show| books.sold(show))
    }

    fn left(&self, order: &Order) -> u32 {
        let books = self.lock();
        books.show(&order.show_key).map_or(0, |show| books.left(show))
    }
}
