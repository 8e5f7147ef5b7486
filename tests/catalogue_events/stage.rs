//! A scripted cinema between the real store and the sandbox.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use passerelle::catalogue::Summary;
use passerelle::catalogue::pass::{Options, Reader, Report, Run};
use passerelle::catalogue::progress::Silent;
use passerelle::passculture::{Client, MessageUrls, RetryPolicy, Settings};
use passerelle::sandbox::{OfferTruth, Sandbox, Seed};
use passerelle::store::bookings::{BookingRow, BookingState, Move, TicketRow, TicketState};
use passerelle::store::{ConnectionRecord, Lease, Owner, Store};
use passerelle_contract::{
    Adapter, AdapterError, BookOutcome, BoxFuture, BoxOffice, CancelOutcome, Cents, Completeness, Deadline, End,
    EventKind, Expectations, Film, FindOutcome, Format, Journal, Look, Order, Page, PageStream, Places, Position,
    Probe, Pull, Quantity, Row, Screening, Semantics, Showtime, Source, Starts, Tariff, Ticket,
};
use secrecy::SecretString;

use super::support::{self, connection, leased};

pub(crate) const VENUE: i64 = 535;
pub(crate) const PERSON: &str = "personne.fictive@example.org";
pub(crate) const EVENTS: &str = "/public/offers/v1/events";

/// A cinema that states what it is told to.
pub(crate) struct Cinema {
    pub(crate) shows: Mutex<Vec<Row<Screening>>>,
    pub(crate) completeness: Mutex<Completeness>,
    pub(crate) sells: bool,
    /// Are its places stated in all, those that are booked included?
    pub(crate) in_all: Mutex<bool>,
    /// What its shows are.
    pub(crate) kind: Mutex<EventKind>,
    pub(crate) known: Mutex<Vec<String>>,
}

impl Adapter for Cinema {
    fn screenings(&self) -> Option<&dyn Source<Screening>> {
        Some(self)
    }

    fn box_office(&self) -> Option<&dyn BoxOffice> {
        self.sells.then_some(self as &dyn BoxOffice)
    }

    fn kind(&self) -> EventKind {
        self.kind.lock().unwrap().clone()
    }

    fn probes(&self) -> Vec<Probe<'_>> {
        Vec::new()
    }
}

impl Source<Screening> for Cinema {
    fn pull(&self, ask: Pull) -> PageStream<'_, Screening> {
        *self.known.lock().unwrap() = ask.known;
        let end = End {
            completeness: *self.completeness.lock().unwrap(),
            cursor: None,
            observed_at: None,
            fingerprint: None,
            warnings: Vec::new(),
        };
        let page = Page { rows: self.shows.lock().unwrap().clone(), notes: Vec::new(), skipped: 0, end: Some(end) };
        Box::pin(futures_util::stream::iter([Ok(page)]))
    }

    fn expectations(&self) -> Expectations {
        Expectations { places_in_all: *self.in_all.lock().unwrap(), ..Expectations::default() }
    }
}

/// Only that it is there matters here.
impl BoxOffice for Cinema {
    fn semantics(&self) -> Semantics {
        unreachable!("a pass asks no box office")
    }

    fn book<'a>(&'a self, _: &'a Order, _: &'a dyn Journal, _: Deadline) -> BoxFuture<'a, BookOutcome> {
        unreachable!("a pass sells nothing")
    }

    fn find<'a>(&'a self, _: &'a Order, _: &'a str, _: Look, _: Deadline) -> BoxFuture<'a, FindOutcome> {
        unreachable!("a pass sells nothing")
    }

    fn cancel<'a>(&'a self, _: &'a [Ticket], _: Deadline) -> BoxFuture<'a, Vec<CancelOutcome>> {
        unreachable!("a pass sells nothing")
    }

    fn remaining<'a>(&'a self, _: &'a Order, _: Deadline) -> BoxFuture<'a, Result<Quantity, AdapterError>> {
        unreachable!("a pass sells nothing")
    }
}

pub(crate) fn film(key: &str) -> Film {
    Film { key: key.into(), title: format!("Le Phare {key}"), visa: Some(format!("150{key}")), ..Film::default() }
}

pub(crate) fn show(film: &Film, key: &str, in_hours: u64, price: u32, left: u32) -> Screening {
    let tariff = Tariff { key: "t".into(), label: "PASS CULTURE".into(), price: Cents(price) };
    // Whole seconds, as box offices have them.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    Screening {
        film: Arc::new(film.clone()),
        showtime: Showtime {
            key: key.into(),
            starts: Starts::At(SystemTime::UNIX_EPOCH + Duration::from_secs(now / 3600 * 3600 + in_hours * 3600)),
            formats: vec![Format::Vo],
            places: vec![Places { key: key.into(), tariff, remaining: Quantity::Exactly(left) }],
        },
        at: Position::Entry { page: 1, entry: 1 },
    }
}

pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) lease: Lease,
    pub(crate) client: Client,
    pub(crate) connection: ConnectionRecord,
    pub(crate) cinema: Cinema,
}

impl Stage {
    pub(crate) async fn new(place: &support::Place, sells: bool) -> Self {
        Self::at(place, sells, "75011").await
    }

    pub(crate) async fn at(place: &support::Place, sells: bool, postal_code: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let seed = format!(
            r#"{{"accounts": [{{"name": "default", "api_key": "sandbox_key", "hmac_key": "cle_fictive"}}],
            "venues": [{{"id": {VENUE}, "siret": "85331845900049", "name": "Cinéma du Port", "postal_code": "{postal_code}"}}],
            "beneficiaries": [{{"email": "{PERSON}"}}]}}"#
        );
        let seed: Seed = serde_json::from_str(&seed).unwrap();
        let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), seed).await.unwrap();
        let store = place.open().await;
        let lease = leased(&*store, "cinema").await;
        let settings = Settings {
            base_url: sandbox.base_url().parse().unwrap(),
            api_key: SecretString::from("sandbox_key"),
            account: "default".into(),
            requests_per_minute: 60_000,
        };
        let quick = RetryPolicy {
            first_delay: Duration::from_millis(5),
            longest_delay: Duration::from_millis(20),
            longest_attempt: Duration::from_secs(5),
            unsaid_stop: Duration::from_millis(50),
            ..RetryPolicy::WORK
        };
        let client = Client::new(settings, Arc::new(Arc::clone(&store)), Arc::new(passerelle::clock::now))
            .unwrap()
            .with_policy(quick);
        let urls = MessageUrls {
            booking: Some("http://127.0.0.1:9/passculture/booking".into()),
            cancel: Some("http://127.0.0.1:9/passculture/cancellation".into()),
            notification: None,
        };
        client.set_message_urls(None, &urls).await.unwrap();
        let connection = ConnectionRecord { adapter: "boost".into(), venue: Some(VENUE), ..connection("cinema") };
        let cinema = Cinema {
            shows: Mutex::default(),
            completeness: Mutex::new(Completeness::Snapshot),
            sells,
            in_all: Mutex::new(false),
            kind: Mutex::new(EventKind::film()),
            known: Mutex::default(),
        };
        Self { sandbox, store, lease, client, connection, cinema }
    }

    pub(crate) fn state(&self, shows: impl IntoIterator<Item = Screening>) {
        *self.cinema.shows.lock().unwrap() = shows.into_iter().map(Row::Good).collect();
    }

    pub(crate) fn run<'a>(&'a self, client: &'a Client) -> Run<'a> {
        let reader =
            Reader { store: &self.store, connection: &self.connection, adapter: &self.cinema, progress: &Silent };
        Run { reader, client, now: passerelle::clock::now }
    }

    pub(crate) async fn sync_with(&self, options: Options) -> Report {
        let client = self.client.counting_anew();
        self.run(&client).sync(&self.lease, options).await.unwrap_or_else(|failure| panic!("{failure:?}"))
    }

    pub(crate) async fn sync(&self) -> Summary {
        self.sync_with(Options::default()).await.summary
    }

    pub(crate) fn offers(&self) -> Vec<OfferTruth> {
        self.sandbox.offers()
    }

    /// Beginnings, prices and places of all dates that pass Culture shows.
    pub(crate) fn dates(&self) -> Vec<(String, u32, Option<u32>)> {
        let mut all: Vec<_> = self
            .offers()
            .into_iter()
            .flat_map(|offer| offer.dates)
            .map(|date| (date.beginning, date.price_cents, date.remaining))
            .collect();
        all.sort();
        all
    }

    /// A booking with a live ticket on a stock.
    pub(crate) async fn sell(&self, stock_id: i64) -> BookingRow {
        let row = BookingRow {
            reference: format!("R{stock_id}"),
            connection: "cinema".into(),
            account: "default".into(),
            fingerprint: format!("f{stock_id}"),
            wish: "w".into(),
            stock_id,
            offer_id: 1,
            quantity: 1,
            order: "{}".into(),
            state: BookingState::Calling,
            trace: None,
            remaining: None,
            reason: None,
            needs_human: false,
            confirmed: false,
            owner: Owner::current("test"),
            due_at: None,
            attempts: 0,
            created_at: 0,
            moved_at: 0,
            version: 1,
        };
        self.store.intend(&row, &[]).await.unwrap();
        let ticket = TicketRow {
            barcode: format!("B{stock_id}"),
            place: 0,
            booking: row.reference.clone(),
            seat: None,
            vendor: "{}".into(),
            state: TicketState::Live,
        };
        let row = BookingRow { state: BookingState::Booked, ..row };
        self.store
            .move_booking(Move { row: &row, tickets: &[ticket], events: &[], places: None, messages: &[] })
            .await
            .unwrap();
        BookingRow { version: 2, ..row }
    }
}
