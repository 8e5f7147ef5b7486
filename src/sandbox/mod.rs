//! A faithful fake pass Culture: the demo runs against it, integrators try their software on it, tests stand on it.
//!
//! It is strict: what the real backend refuses it refuses, with the same status, key and text as far as they are
//! known, in the same order. What the real one does silently (losing an EAN, applying bulk calls out of order,
//! doubling a new EAN sent twice at once) it does silently too. It keeps everything in memory.
//!
//! Served: the whole offers and bookings API — providers and their messaging addresses, venues, addresses, products
//! by EAN and one by one, events with their price categories and dates, pictures, lists, bookings and countermarks —
//! and the messages: notifications, and the questions asked of a ticketing.
//!
//! # The seed
//!
//! One JSON object; unknown fields are refused with their position:
//!
//! ```json
//! {"accounts": [{"name": "default", "api_key": "…", "hmac_key": "…"}],
//!  "venues": [{"id": 535, "siret": "12345678200010", "name": "…", "postal_code": "44000", "activity": "BOOKSTORE"}],
//!  "products": [{"ean": "9782070286256", "name": "…", "category": "LIVRE_PAPIER", "status": "COMPATIBLE"}],
//!  "beneficiaries": [{"email": "…", "first_name": "…", "last_name": "…", "birth_date": "2008-01-01",
//!                     "phone": "+33…", "credit_cents": 30000}]}
//! ```
//!
//! `generation` chooses the version of pass Culture that is played: `2025-12`, `2026-02` or `2026-09`, the newest when absent.
//! A venue may list `accounts` (else all see it), `street` and `city`; one without `siret` is virtual.
//!
//! # The controls
//!
//! `GET /_sandbox/` lists them; [`Sandbox`] has the same in process.
//!
//! Invariant: everything that can grow has a named bound, and no request can stop the sandbox.

mod addresses;
mod auth;
mod beneficiary;
mod bookings;
mod categories;
mod clock;
mod closing;
mod connection;
mod controls;
mod dates;
mod ean;
mod ean_body;
mod errors;
mod events;
mod faults;
mod generation;
mod genres;
mod images;
mod location;
mod locks;
mod log;
pub mod message;
mod multipart;
mod offer;
mod offer_body;
mod offer_rules;
mod outbox;
mod price_categories;
mod product_offers;
mod products;
mod provider;
mod queue;
mod routes;
mod seed;
mod server;
mod settings;
mod state;
mod ticket_answers;
mod ticketing;
mod truth;
mod validate;
mod venues;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use ean::{CHUNK, MAX_EANS, MAX_ITEMS};
pub use faults::{Fault, FaultBody, FaultEffect};
pub use generation::Generation;
pub use log::{RouteCount, SeenRequest, SentMessage};
pub use seed::{ProductStatus, Seed, SeedAccount, SeedBeneficiary, SeedError, SeedProduct, SeedVenue};
pub use settings::{RateLimit, Review, Settings};
pub use state::Ticket;
pub use ticketing::Sweep;
pub use truth::{BookingTruth, DateTruth, OfferTruth};

use connection::{Connection, CuttableListener};
use server::Shared;
use state::World;

/// How long open connections get to finish when the sandbox stops.
const GRACE: Duration = Duration::from_secs(2);

/// A running sandbox. Dropping it leaves it running until its runtime ends; [`Sandbox::stop`] ends it.
pub struct Sandbox {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// What a beneficiary books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bookable {
    /// The offer's only stock.
    Offer(u64),
    /// This stock.
    Stock(u64),
}

/// Why a beneficiary could not book: what the application would answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the sandbox refused the booking (HTTP {status}): {body}")]
pub struct BookingRefused {
    /// HTTP status of the same control.
    pub status: u16,
    /// Its JSON body.
    pub body: Value,
}

impl Bookable {
    fn order(self, email: &str, quantity: u32) -> beneficiary::Order<'_> {
        let (stock, offer) = match self {
            Self::Stock(id) => (Some(id), None),
            Self::Offer(id) => (None, Some(id)),
        };
        beneficiary::Order { email, stock, offer, quantity }
    }
}

impl From<errors::Answer> for BookingRefused {
    fn from(answer: errors::Answer) -> Self {
        Self { status: answer.status, body: ticketing::json_of(answer) }
    }
}

impl Sandbox {
    /// Starts on `listen` (port 0 picks a free one) with the usual settings.
    ///
    /// # Errors
    /// The address cannot be bound, or the seed is not coherent (`InvalidInput`).
    pub async fn start(listen: SocketAddr, seed: Seed) -> std::io::Result<Self> {
        Self::start_with(listen, seed, Settings::default()).await
    }

    /// Starts with settings of the caller's.
    ///
    /// # Errors
    /// As [`Sandbox::start`].
    pub async fn start_with(listen: SocketAddr, seed: Seed, settings: Settings) -> std::io::Result<Self> {
        seed.check().map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidInput, error))?;
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let generation = seed.generation.unwrap_or(settings.generation);
        let mut world = World::new(Arc::new(seed));
        world.apply_settings(Settings { generation, ..settings });
        let shared = Arc::new(Shared::new(world)?);
        shared.spawn_periodic_jobs();
        let app = Router::new()
            .fallback(server::handle)
            .with_state(shared.clone())
            .into_make_service_with_connect_info::<Connection>();
        let stop = shared.stop_token().clone();
        let server = tokio::spawn(async move {
            let served = axum::serve(CuttableListener(listener), app).with_graceful_shutdown(stop.cancelled_owned());
            if let Err(error) = served.await {
                tracing::error!(%error, "Sandbox stopped serving");
            }
        });
        Ok(Self { address, shared, server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://address`, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What is truly on sale, by ascending offer id.
    #[must_use]
    pub fn offers(&self) -> Vec<OfferTruth> {
        self.shared.world().offer_truths().collect()
    }

    /// The newest offer of a venue for an EAN.
    #[must_use]
    pub fn offer_by_ean(&self, venue: u32, ean: &str) -> Option<OfferTruth> {
        let world = self.shared.world();
        let ids = world.by_ean.get(&(venue, seed::ean_number(ean)?))?;
        let newest = *ids.last()?;
        world.offers.get(&newest).map(|offer| world.offer_truth(offer))
    }

    /// The last requests to the API, oldest first (at most 10 000).
    #[must_use]
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.shared.world().log.requests().cloned().collect()
    }

    /// Counts of every route since the start or the last [`Sandbox::forget_requests`]; keys are `METHOD /pattern`.
    #[must_use]
    pub fn route_counts(&self) -> BTreeMap<String, RouteCount> {
        self.shared.world().log.routes().clone()
    }

    /// Messages posted so far, oldest first (at most 10 000).
    #[must_use]
    pub fn messages(&self) -> Vec<SentMessage> {
        self.shared.world().log.messages().cloned().collect()
    }

    /// Forgets requests, counts and messages.
    pub fn forget_requests(&self) {
        self.shared.world().log.clear();
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.shared.world().settings.clone()
    }

    /// Replaces the settings; values beyond their bounds are clamped.
    pub fn set_settings(&self, settings: Settings) {
        self.shared.world().apply_settings(settings);
    }

    /// Arms a fault. `false` when it makes no sense or too many are armed.
    #[must_use]
    pub fn inject(&self, fault: Fault) -> bool {
        fault.problem().is_none() && self.shared.world().faults.arm(fault)
    }

    /// Disarms every fault.
    pub fn clear_faults(&self) {
        self.shared.world().faults.clear();
    }

    /// From now on, upserts of these EANs are lost without a word. Anything but 13 digits is ignored.
    pub fn drop_eans<'e>(&self, eans: impl IntoIterator<Item = &'e str>) {
        self.shared.world().dropped.extend(eans.into_iter().filter_map(seed::ean_number));
    }

    /// Loses no EAN any more.
    pub fn keep_all_eans(&self) {
        self.shared.world().dropped.clear();
    }

    /// No task of the upserts' queue begins before this time has passed; zero ends a stall.
    pub fn stall_queue(&self, time: Duration) {
        self.shared.world().queue.stall(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    }

    /// The next so many tasks (of at most 35 EANs) are lost when their turn comes.
    pub fn lose_next_chunks(&self, tasks: u32) {
        self.shared.world().queue.lose_next(tasks);
    }

    /// Adds products or changes them. A ban rejects the offers and cancels their bookings.
    ///
    /// # Errors
    /// An EAN that is not 13 digits; nothing is changed then.
    pub fn set_products(&self, products: &[SeedProduct]) -> Result<(), SeedError> {
        let outgoing = self.shared.world().set_products(products)?;
        self.shared.send(outgoing);
        Ok(())
    }

    /// Takes a venue's link away from every account. `false` for an unknown venue.
    pub fn unlink_venue(&self, venue: u32) -> bool {
        self.shared.world().set_link(venue, None, false)
    }

    /// Links a venue to every account. `false` for an unknown venue.
    pub fn link_venue(&self, venue: u32) -> bool {
        self.shared.world().set_link(venue, None, true)
    }

    /// Books as a beneficiary; the notification, if any, leaves in the background.
    ///
    /// # Errors
    /// What the application would answer; 500 for an event with tickets, which [`Sandbox::book_and_wait`] books.
    pub fn book(&self, email: &str, what: Bookable, quantity: u32) -> Result<BookingTruth, BookingRefused> {
        let order = what.order(email, quantity);
        let (booked, outgoing) = {
            let mut world = self.shared.world();
            let (id, outgoing) = beneficiary::book(&mut world, &order).map_err(BookingRefused::from)?;
            (world.booking_truth(id), outgoing)
        };
        self.shared.send(outgoing.into_iter().collect());
        booked.ok_or(BookingRefused { status: 500, body: Value::Null })
    }

    /// Books as a beneficiary and waits: an event with tickets is booked by asking its provider.
    ///
    /// # Errors
    /// What the application would answer.
    pub async fn book_and_wait(
        &self,
        email: &str,
        what: Bookable,
        quantity: u32,
    ) -> Result<BookingTruth, BookingRefused> {
        let id = ticketing::book(&self.shared, &what.order(email, quantity)).await?;
        self.shared.world().booking_truth(id).ok_or(BookingRefused { status: 500, body: Value::Null })
    }

    /// Cancels as the beneficiary and waits for the provider of an event with tickets. A booking that is not live is
    /// left as it is.
    ///
    /// # Errors
    /// What the application would answer.
    pub async fn cancel_and_wait(&self, booking: u64) -> Result<(), BookingRefused> {
        Ok(ticketing::cancel(&self.shared, booking, ticketing::refused_to_cancel()).await?)
    }

    /// Runs the sweeper now over every barcode received at least `min_age_seconds` ago.
    pub async fn sweep(&self, min_age_seconds: u32) -> Sweep {
        ticketing::sweep(&self.shared, min_age_seconds).await
    }

    /// A booking, whatever its status.
    #[must_use]
    pub fn booking(&self, id: u64) -> Option<BookingTruth> {
        self.shared.world().booking_truth(id)
    }

    /// Cancels as the beneficiary. `false` when there is no such live booking, or when its provider must be asked,
    /// which [`Sandbox::cancel_and_wait`] does.
    pub fn cancel(&self, booking: u64) -> bool {
        let mut world = self.shared.world();
        let live = world
            .bookings
            .get(&booking)
            .is_some_and(|b| b.status == state::BookingStatus::Confirmed && b.tickets.is_empty());
        if !live {
            return false;
        }
        let outgoing = beneficiary::cancel(&mut world, booking, false);
        drop(world);
        self.shared.send(outgoing.into_iter().collect());
        true
    }

    /// Back to the seed; settings, faults and requests are forgotten, work in the queue too.
    pub fn reset(&self) {
        self.shared.world().reset();
    }

    /// Waits until every accepted upsert has been applied.
    pub async fn settled(&self) {
        while self.shared.world().queued_chunks > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Stops listening, gives open connections two seconds, then ends. Queued work is dropped.
    pub async fn stop(self) {
        self.shared.finish().await;
        let abort = self.server.abort_handle();
        if tokio::time::timeout(GRACE, self.server).await.is_err() {
            abort.abort();
        }
    }

    /// Runs until `shutdown` completes, then stops.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) {
        shutdown.await;
        self.stop().await;
    }
}
