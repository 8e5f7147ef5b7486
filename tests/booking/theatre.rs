//! A vendor that sells seats in memory and misbehaves as told, and a pass Culture that lists what it was told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use passerelle::booking::House;
use passerelle::passculture::messages::{BookingAnswer, BookingRequest};
use passerelle::passculture::{Client, Settings};
use passerelle::store::Store;
use passerelle_contract::{
    Adapter, AdapterError, BarcodeScope, BookOutcome, BoxFuture, BoxOffice, CancelOutcome, CancelUnit, Class, Deadline,
    Delivery, FindOutcome, Journal, Look, Message, NoticeSink, NoticeTerms, Order, Probe, Quantity, Refusal, Sale,
    Semantics, Suspicion, Ticket,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

/// What a sale does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Selling {
    /// Sells.
    Sells,
    /// Sells, and its answer comes at that time.
    SellsAt(Instant),
    /// Sells, and the answers come one after the other: the n-th at `.0 + n × .1`, starting over after `.2`.
    SellsSpread(Instant, Duration, u32),
    /// Sells, and its answer is lost.
    SellsUnheard,
    /// Sells nothing, and its answer is lost.
    Unheard,
    /// Says no.
    Refuses(Refusal),
    /// Fails before anything.
    FailsBefore,
    /// Sells one ticket too few.
    SellsTooFew,
    /// Sells with this barcode, for every seat.
    SellsBarcode(String),
    /// Breaks after the journal was written.
    Panics,
    /// Never answers.
    Hangs,
}

/// What a cancellation does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Voiding {
    Voids,
    VoidsUnheard,
    FailsBefore,
    Unheard,
    Keeps,
    ToBeTold,
}

/// What a look at a lost sale gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Finding {
    Tells,
    Unclear,
    Fails,
}

#[derive(Clone, Debug)]
pub(crate) struct Sold {
    pub(crate) reference: String,
    pub(crate) void: bool,
}

/// The vendor.
pub(crate) struct Theatre {
    pub(crate) selling: Mutex<Selling>,
    pub(crate) voiding: Mutex<Voiding>,
    pub(crate) finding: Mutex<Finding>,
    pub(crate) seats: AtomicU32,
    pub(crate) sales: Mutex<BTreeMap<String, Sold>>,
    pub(crate) calls: AtomicU32,
    pub(crate) unit: CancelUnit,
    pub(crate) finds: bool,
    /// Does it say how many places are left?
    pub(crate) counts: AtomicBool,
    next: AtomicU32,
    /// The venue's software, where it is told.
    pub(crate) software: OnceLock<Software>,
}

const NOW_AND_LATER: &[Duration] = &[Duration::from_secs(30), Duration::from_secs(60)];

impl Theatre {
    pub(crate) fn new(unit: CancelUnit, finds: bool) -> Arc<Self> {
        Arc::new(Self {
            selling: Mutex::new(Selling::Sells),
            voiding: Mutex::new(Voiding::Voids),
            finding: Mutex::new(if finds { Finding::Tells } else { Finding::Unclear }),
            seats: AtomicU32::new(100_000),
            sales: Mutex::default(),
            calls: AtomicU32::new(0),
            unit,
            finds,
            counts: AtomicBool::new(true),
            next: AtomicU32::new(1),
            software: OnceLock::new(),
        })
    }

    /// Seats that are sold and not void.
    pub(crate) fn held(&self) -> usize {
        self.sales.lock().unwrap().values().filter(|sold| !sold.void).count()
    }

    fn sell(&self, order: &Order, count: u32, barcode: Option<&str>) -> Vec<Ticket> {
        let mut sales = self.sales.lock().unwrap();
        (0..count)
            .map(|_| {
                let number = self.next.fetch_add(1, Ordering::SeqCst);
                let key = format!("B{number}");
                sales.insert(key.clone(), Sold { reference: order.reference.0.clone(), void: false });
                Ticket {
                    barcode: barcode.map_or(key.clone(), str::to_owned),
                    seat: Some(format!("A{number}")),
                    vendor: key,
                }
            })
            .collect()
    }

    fn left(&self) -> Quantity {
        if !self.counts.load(Ordering::SeqCst) {
            return Quantity::Unlimited;
        }
        Quantity::Exactly(self.seats.load(Ordering::SeqCst).saturating_sub(u32::try_from(self.held()).unwrap()))
    }
}

fn lost(operation: &'static str) -> AdapterError {
    AdapterError::new(Class::Transient, "AnswerLost", operation, "the line broke")
}

/// Software that is told; nothing is sent here.
#[derive(Debug)]
pub(crate) struct Software {
    pub(crate) terms: NoticeTerms,
    pub(crate) told_of_lost_sales: bool,
}

impl NoticeSink for Software {
    fn terms(&self) -> &NoticeTerms {
        &self.terms
    }

    fn deliver<'a>(&'a self, _: Message<'a>) -> BoxFuture<'a, Delivery> {
        unreachable!("the desk sends nothing")
    }

    fn accepts_token(&self, _: &str) -> bool {
        false
    }
}

impl Adapter for Theatre {
    fn notices(&self) -> Option<&dyn NoticeSink> {
        self.software.get().map(|software| software as &dyn NoticeSink)
    }

    fn box_office(&self) -> Option<&dyn BoxOffice> {
        Some(self)
    }

    fn probes(&self) -> Vec<Probe<'_>> {
        Vec::new()
    }
}

impl BoxOffice for Theatre {
    fn semantics(&self) -> Semantics {
        Semantics {
            find_after: NOW_AND_LATER,
            finds_lost_sales: self.finds,
            told_of_lost_sales: self.software.get().is_some_and(|software| software.told_of_lost_sales),
            cancels: self.unit,
            barcodes_unique: BarcodeScope::Everywhere,
            sale_needs: Duration::from_millis(1),
        }
    }

    fn book<'a>(
        &'a self,
        order: &'a Order,
        journal: &'a dyn Journal,
        _deadline: Deadline,
    ) -> BoxFuture<'a, BookOutcome> {
        Box::pin(async move {
            let call = self.calls.fetch_add(1, Ordering::SeqCst);
            let selling = self.selling.lock().unwrap().clone();
            if let Selling::Refuses(refusal) = selling {
                return BookOutcome::Refused(refusal);
            }
            if selling == Selling::FailsBefore {
                return BookOutcome::NotAttempted(AdapterError::new(Class::VendorFault, "Down", "sell", "503"));
            }
            if let Err(error) = journal.about_to_sell("{\"step\":1}").await {
                return BookOutcome::NotAttempted(error);
            }
            let unheard = |tickets| BookOutcome::Unknown(Suspicion { error: lost("sell"), tickets });
            let booked = |tickets| BookOutcome::Booked(Sale { tickets, remaining: self.left() });
            match selling {
                Selling::Sells => booked(self.sell(order, order.quantity, None)),
                Selling::SellsAt(when) => {
                    sleep_until(when).await;
                    booked(self.sell(order, order.quantity, None))
                }
                Selling::SellsSpread(first, step, count) => {
                    sleep_until(first + step * (call % count)).await;
                    booked(self.sell(order, order.quantity, None))
                }
                Selling::SellsUnheard => {
                    self.sell(order, order.quantity, None);
                    unheard(Vec::new())
                }
                Selling::Unheard => unheard(Vec::new()),
                Selling::SellsTooFew => booked(self.sell(order, order.quantity - 1, None)),
                Selling::SellsBarcode(barcode) => booked(self.sell(order, order.quantity, Some(&barcode))),
                Selling::Panics => panic!("an adapter with a fault"),
                Selling::Hangs => std::future::pending().await,
                Selling::Refuses(_) | Selling::FailsBefore => unreachable!(),
            }
        })
    }

    fn find<'a>(
        &'a self,
        order: &'a Order,
        trace: &'a str,
        _look: Look,
        _deadline: Deadline,
    ) -> BoxFuture<'a, FindOutcome> {
        Box::pin(async move {
            assert_eq!(trace, "{\"step\":1}");
            match *self.finding.lock().unwrap() {
                Finding::Unclear => return FindOutcome::Unclear("the vendor cannot tell".into()),
                Finding::Fails => return FindOutcome::NotAsked(lost("find")),
                Finding::Tells => {}
            }
            let tickets: Vec<Ticket> = self
                .sales
                .lock()
                .unwrap()
                .iter()
                .filter(|(_, sold)| sold.reference == order.reference.0 && !sold.void)
                .map(|(key, _)| Ticket { barcode: key.clone(), seat: None, vendor: key.clone() })
                .collect();
            if tickets.is_empty() { FindOutcome::NotSold } else { FindOutcome::Sold(tickets) }
        })
    }

    fn cancel<'a>(&'a self, tickets: &'a [Ticket], _deadline: Deadline) -> BoxFuture<'a, Vec<CancelOutcome>> {
        Box::pin(async move {
            let voiding = *self.voiding.lock().unwrap();
            let mut sales = self.sales.lock().unwrap();
            let references: Vec<String> =
                tickets.iter().filter_map(|ticket| Some(sales.get(&ticket.vendor)?.reference.clone())).collect();
            let mut void = |ticket: &Ticket| {
                let Some(sold) = sales.get(&ticket.vendor) else { return CancelOutcome::NotFound };
                let outcome = if sold.void { CancelOutcome::AlreadyCancelled } else { CancelOutcome::Cancelled };
                let unit = self.unit;
                for (key, sold) in sales.iter_mut() {
                    let whole = unit == CancelUnit::Sale && references.contains(&sold.reference);
                    sold.void |= *key == ticket.vendor || whole;
                }
                outcome
            };
            tickets
                .iter()
                .map(|ticket| match voiding {
                    Voiding::Voids => void(ticket),
                    Voiding::VoidsUnheard => {
                        void(ticket);
                        CancelOutcome::Unknown(lost("void"))
                    }
                    Voiding::Unheard => CancelOutcome::Unknown(lost("void")),
                    Voiding::FailsBefore => CancelOutcome::NotAttempted(lost("void")),
                    Voiding::ToBeTold => CancelOutcome::ToBeTold(lost("void")),
                    Voiding::Keeps => CancelOutcome::Refused("scanned".into()),
                })
                .collect()
        })
    }

    fn remaining<'a>(
        &'a self,
        _order: &'a Order,
        _deadline: Deadline,
    ) -> BoxFuture<'a, Result<Quantity, AdapterError>> {
        Box::pin(async move { Ok(self.left()) })
    }
}

/// A booking that pass Culture holds.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) id: i64,
    pub(crate) stock: i64,
    pub(crate) email: String,
    pub(crate) created: String,
    pub(crate) quantity: u32,
    pub(crate) barcodes: Vec<String>,
    pub(crate) cancelled: bool,
}

/// pass Culture's list of bookings on loopback.
pub(crate) struct Listing {
    pub(crate) held: Mutex<Vec<Held>>,
    pub(crate) down: AtomicBool,
    address: SocketAddr,
}

impl Listing {
    pub(crate) async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listing = Arc::new(Self {
            held: Mutex::default(),
            down: AtomicBool::new(false),
            address: listener.local_addr().unwrap(),
        });
        let router = Router::new().route("/public/bookings/v1/bookings", get(list)).with_state(Arc::clone(&listing));
        tokio::spawn(async move { axum::serve(listener, router).await });
        listing
    }

    /// A client of this pass Culture.
    pub(crate) fn client(&self, store: &Arc<dyn Store>) -> Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = Settings {
            base_url: format!("http://{}", self.address).parse().unwrap(),
            api_key: SecretString::from("test_key"),
            account: "default".into(),
            requests_per_minute: 60_000,
        };
        let budget = Arc::new(Arc::clone(store));
        Client::new(settings, budget, Arc::new(passerelle::clock::now)).unwrap()
    }

    /// Remembers what pass Culture would after this answer.
    pub(crate) fn hears(&self, request: &BookingRequest, answer: &BookingAnswer) {
        let BookingAnswer::Sold { tickets, .. } = answer else { return };
        let mut held = self.held.lock().unwrap();
        let id = i64::try_from(held.len()).unwrap() + 1;
        held.push(Held {
            id,
            stock: request.stock_id,
            email: request.holder.email.clone(),
            created: jiff::Timestamp::from_microsecond(request.created_at_micros).unwrap().to_string(),
            quantity: request.quantity,
            barcodes: tickets.iter().map(|ticket| ticket.barcode.clone()).collect(),
            cancelled: false,
        });
    }

    /// Seats that pass Culture believes to be sold.
    pub(crate) fn believed(&self) -> usize {
        let held = self.held.lock().unwrap();
        held.iter().filter(|held| !held.cancelled).map(|held| held.quantity as usize).sum()
    }
}

async fn list(
    State(listing): State<Arc<Listing>>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Json<Value>, axum::http::StatusCode> {
    if listing.down.load(Ordering::SeqCst) {
        return Err(axum::http::StatusCode::FORBIDDEN);
    }
    let number = |key: &str| query.get(key).and_then(|text| text.parse::<i64>().ok());
    let (stock, first) = (number("stockId"), number("firstIndex").unwrap_or(1));
    let rows: Vec<Value> = listing
        .held
        .lock()
        .unwrap()
        .iter()
        .filter(|held| held.id >= first && stock.is_none_or(|stock| stock == held.stock))
        .take(50)
        .map(|held| {
            json!({
                "id": held.id, "stockId": held.stock, "quantity": held.quantity, "userEmail": held.email,
                "creationDate": held.created, "status": if held.cancelled { "CANCELLED" } else { "CONFIRMED" },
            })
        })
        .collect();
    Ok(Json(json!({ "bookings": rows })))
}

/// The house around the desk.
pub(crate) struct TestHouse {
    pub(crate) theatre: Arc<Theatre>,
    pub(crate) client: Client,
}

impl TestHouse {
    pub(crate) fn new(store: &Arc<dyn Store>, theatre: &Arc<Theatre>, listing: &Listing) -> Arc<Self> {
        Arc::new(Self { theatre: Arc::clone(theatre), client: listing.client(store) })
    }
}

impl House for TestHouse {
    fn adapter<'a>(&'a self, _connection: &'a str, _date: &'a str) -> BoxFuture<'a, Result<Arc<dyn Adapter>, String>> {
        Box::pin(async move { Ok(Arc::clone(&self.theatre) as Arc<dyn Adapter>) })
    }

    fn passculture(&self, _account: &str) -> Result<Client, String> {
        Ok(self.client.clone())
    }
}
