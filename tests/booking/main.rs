//! The booking river over a real store, with a vendor that misbehaves as told.
//!
//! Nothing is random: cases are enumerated, and races are run often.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod barcodes;
mod faults;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
mod telling;
mod theatre;
mod trio;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use passerelle::booking::{DECIDE_WITHIN, Desk, Waits};
use passerelle::passculture::messages::{BookingAnswer, BookingRequest, CancellationAnswer};
use passerelle::rules::screenings::{CategoryTerms, DateTerms, OrderKeys};
use passerelle::store::bookings::{BookingFilter, BookingState, StoredBooking};
use passerelle::store::events::{DateRow, EventRow};
use passerelle::store::{Owner, Store};
use passerelle_contract::{CancelUnit, Cents, Holder, Order, Quantity, Refusal};
use support::{NOW, leased, on_sqlite};
use theatre::{Finding, Listing, Selling, TestHouse, Theatre, Voiding};
use tokio::time::Instant;

pub(crate) const STOCK: i64 = 9_001;

/// A desk with everything around it.
pub(crate) struct Stage {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) theatre: Arc<Theatre>,
    pub(crate) listing: Arc<Listing>,
    pub(crate) desk: Desk,
}

impl Stage {
    pub(crate) async fn new(place: &support::Place, unit: CancelUnit, finds: bool) -> Self {
        let store = place.open().await;
        let lease = leased(&*store, "cinema").await;
        let terms = DateTerms {
            starts_at: NOW,
            category: CategoryTerms { label: "PASS CULTURE".into(), price_cents: 600 },
            in_all: false,
            order: OrderKeys {
                film_key: "412".into(),
                show_key: "70231".into(),
                places_key: "70231".into(),
                tariff_key: "t".into(),
                title: "Le Phare".into(),
            },
        };
        let event = EventRow {
            key: "x:film:412".into(),
            desired: Some("{}".into()),
            categories: "[]".into(),
            offer_id: Some(42),
            ..EventRow::default()
        };
        let date = DateRow {
            event: event.key.clone(),
            key: "x:show:70231".into(),
            starts_at: NOW,
            desired: Some(serde_json::to_string(&terms).unwrap()),
            desired_quantity: Some(100),
            stock_id: Some(STOCK),
            ..DateRow::default()
        };
        store.save_events(&lease, &[event], &[date]).await.unwrap();
        let theatre = Theatre::new(unit, finds);
        let listing = Listing::start().await;
        let house = TestHouse::new(&store, &theatre, &listing);
        let desk = Desk::new(Arc::clone(&store), house, Owner::current("test"), passerelle::clock::now);
        Self { store, theatre, listing, desk }
    }

    /// Books, and remembers in pass Culture's list what pass Culture would.
    pub(crate) async fn book(&self, request: &BookingRequest) -> BookingAnswer {
        let answer = self.desk.book("default", request.clone(), Instant::now()).await;
        self.listed(request, &answer);
        answer
    }

    pub(crate) fn listed(&self, request: &BookingRequest, answer: &BookingAnswer) {
        self.listing.hears(request, answer);
    }

    /// The beneficiary cancels: pass Culture asks, and believes a success.
    pub(crate) async fn cancel(&self, barcodes: &[String]) -> CancellationAnswer {
        let answer = self.desk.cancel("default", None, barcodes.to_vec(), Instant::now()).await;
        if matches!(answer, CancellationAnswer::Cancelled { .. }) {
            for held in self.listing.held.lock().unwrap().iter_mut() {
                held.cancelled |= held.barcodes.iter().any(|barcode| barcodes.contains(barcode));
            }
        }
        answer
    }

    pub(crate) async fn settle(&self) {
        self.desk.settle(Waits::Ignored).await.unwrap();
    }

    pub(crate) async fn bookings(&self) -> Vec<StoredBooking> {
        self.store.bookings(&BookingFilter::default(), 1_000).await.unwrap()
    }

    pub(crate) async fn only(&self) -> StoredBooking {
        let mut all = self.bookings().await;
        assert_eq!(all.len(), 1, "{all:#?}");
        all.remove(0)
    }

    /// Seats that pass Culture believes to be sold.
    pub(crate) fn believed(&self) -> usize {
        self.listing.believed()
    }

    /// All faults are over.
    pub(crate) fn mend(&self) {
        *self.theatre.selling.lock().unwrap() = Selling::Sells;
        *self.theatre.voiding.lock().unwrap() = Voiding::Voids;
        *self.theatre.finding.lock().unwrap() = if self.theatre.finds { Finding::Tells } else { Finding::Unclear };
        self.listing.down.store(false, Ordering::SeqCst);
    }
}

/// Dates on sale: pass Culture's stocks and what they order.
pub(crate) async fn programme(store: &Arc<dyn Store>, stocks: &[(i64, Order)]) {
    let lease = leased(&**store, "cinema").await;
    let event = EventRow {
        key: "x:film:1".into(),
        desired: Some("{}".into()),
        categories: "[]".into(),
        offer_id: Some(42),
        ..EventRow::default()
    };
    let dates: Vec<DateRow> = stocks
        .iter()
        .map(|(stock, order)| {
            let terms = DateTerms {
                starts_at: NOW,
                category: CategoryTerms { label: "PASS CULTURE".into(), price_cents: order.price.0 },
                in_all: false,
                order: OrderKeys {
                    film_key: order.film_key.clone(),
                    show_key: order.show_key.clone(),
                    places_key: order.places_key.clone(),
                    tariff_key: order.tariff_key.clone(),
                    title: order.title.clone(),
                },
            };
            DateRow {
                event: event.key.clone(),
                key: format!("x:show:{stock}"),
                starts_at: passerelle::clock::now() + 90_000_000,
                desired: serde_json::to_string(&terms).ok(),
                desired_quantity: Some(20),
                stock_id: Some(*stock),
                ..DateRow::default()
            }
        })
        .collect();
    store.save_events(&lease, &[event], &dates).await.unwrap();
}

pub(crate) fn request(created_at_micros: i64, quantity: u32) -> BookingRequest {
    BookingRequest {
        created_at_micros,
        quantity,
        ean: None,
        offer_id: 42,
        offer_id_at_provider: None,
        offer_name: "Le Phare".into(),
        price: Cents(600),
        stock_id: STOCK,
        stock_id_at_provider: None,
        venue_id: 535,
        holder: Holder { email: "beneficiary@example.com".into(), ..Holder::default() },
    }
}

fn sold(answer: &BookingAnswer) -> Vec<String> {
    match answer {
        BookingAnswer::Sold { tickets, .. } => tickets.iter().map(|ticket| ticket.barcode.clone()).collect(),
        other => panic!("not sold: {other:?}"),
    }
}

#[test]
fn a_vendor_without_counts_keeps_its_places_without_limit() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, CancelUnit::Sale, true).await;
        stage.theatre.counts.store(false, Ordering::SeqCst);
        let answer = stage.book(&request(1, 1)).await;
        assert!(matches!(answer, BookingAnswer::Sold { remaining: Quantity::Unlimited, .. }), "{answer:?}");
        assert_eq!(stage.only().await.row.remaining, Some(Quantity::Unlimited));
        let date = stage.store.dates("cinema").await.unwrap().remove(0);
        assert_eq!((date.desired_quantity, date.acknowledged_quantity), (None, None));
        let again = stage.book(&request(1, 1)).await;
        assert_eq!(again, answer, "the same message, the same answer");
        let freed = stage.cancel(&sold(&answer)).await;
        assert_eq!(freed, CancellationAnswer::Cancelled { remaining: Quantity::Unlimited });
    });
}

#[test]
fn a_duo_is_sold_and_freed_and_nothing_happens_twice() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, CancelUnit::Ticket, true).await;
        let first = stage.book(&request(1, 2)).await;
        let barcodes = sold(&first);
        assert_eq!((barcodes.len(), stage.theatre.held()), (2, 2));
        let BookingAnswer::Sold { remaining, .. } = first else { unreachable!() };
        assert_eq!(remaining, Quantity::Exactly(99_998));
        // The sweeper asks ticket by ticket, the beneficiary for both at once.
        assert_eq!(
            stage.cancel(&barcodes[..1]).await,
            CancellationAnswer::Cancelled { remaining: Quantity::Exactly(99_999) }
        );
        assert_eq!(stage.only().await.row.state, BookingState::Booked);
        for _ in 0..2 {
            assert_eq!(
                stage.cancel(&barcodes).await,
                CancellationAnswer::Cancelled { remaining: Quantity::Exactly(100_000) }
            );
        }
        assert_eq!((stage.only().await.row.state, stage.theatre.held()), (BookingState::Cancelled, 0));
        let history = stage.store.booking_history(&stage.only().await.row.reference).await.unwrap();
        let codes: Vec<&str> = history.iter().map(|line| line.code.as_str()).collect();
        assert_eq!(codes[..3], ["message", "selling", "outcome"], "{codes:?}");
    });
}

#[test]
fn twenty_arrivals_of_one_message_are_one_sale_and_one_answer() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, CancelUnit::Ticket, true).await;
        *stage.theatre.selling.lock().unwrap() = Selling::SellsAt(Instant::now() + Duration::from_millis(300));
        let arrivals = (0..20).map(|_| stage.desk.book("default", request(1, 2), Instant::now()));
        let answers = futures_util::future::join_all(arrivals).await;
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!((sold(&answers[0]).len(), stage.theatre.held()), (2, 2));
        assert_eq!(stage.theatre.calls.load(Ordering::SeqCst), 1);
        // And long after.
        assert_eq!(stage.desk.book("default", request(1, 2), Instant::now()).await, answers[0]);
    });
}

#[test]
fn a_late_sale_is_refused_and_freed_or_in_time_and_kept_but_never_both() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, CancelUnit::Ticket, true).await;
        let (mut kept, mut refused) = (0_usize, 0_usize);
        for batch in 0..25 {
            // 40 messages whose time is over in 150 ms. Their vendor answers from 20 ms before to 20 ms after, one each
            // millisecond: storing a sale takes about as long, so that the decision falls on both sides of every step of it.
            let over = Instant::now() + Duration::from_millis(150);
            let (first, step) = (over - Duration::from_millis(20), Duration::from_millis(1));
            *stage.theatre.selling.lock().unwrap() = Selling::SellsSpread(first, step, 40);
            let runs = (0..40).map(|run| {
                let mut request = request(batch * 40 + run, 1);
                request.holder.email = format!("{}@example.com", request.created_at_micros);
                let stage = &stage;
                async move {
                    let answer = stage.desk.book("default", request.clone(), over - DECIDE_WITHIN).await;
                    stage.listed(&request, &answer);
                    matches!(answer, BookingAnswer::Sold { .. })
                }
            });
            for sold in futures_util::future::join_all(runs).await {
                if sold { kept += 1 } else { refused += 1 }
            }
        }
        stage.desk.finish().await;
        stage.mend();
        stage.settle().await;
        println!("{kept} in time, {refused} late");
        assert!(kept > 50 && refused > 50, "the race was not run: {kept} in time, {refused} late");
        assert_eq!((stage.theatre.held(), stage.believed()), (kept, kept));
        let booked = stage.bookings().await.iter().filter(|booking| booking.row.state == BookingState::Booked).count();
        assert_eq!(booked, kept);
    });
}

#[test]
fn a_vendor_that_hangs_is_answered_for_in_time() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, CancelUnit::Ticket, true).await;
        *stage.theatre.selling.lock().unwrap() = Selling::Hangs;
        let began = Instant::now();
        let answer = stage.book(&request(1, 1)).await;
        assert_eq!(answer, BookingAnswer::Failed);
        assert!(began.elapsed() < Duration::from_millis(7_000), "{:?}", began.elapsed());
        assert_eq!(stage.only().await.row.state, BookingState::Abandoned);
    });
}

#[test]
fn who_settles_by_hand_waits_for_calls_that_are_under_way_and_for_no_later_one() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, CancelUnit::Ticket, true).await;
        stage.desk.calls_ended().await.unwrap();
        let began = Instant::now() - DECIDE_WITHIN + Duration::from_millis(50);
        *stage.theatre.selling.lock().unwrap() = Selling::SellsAt(Instant::now() + Duration::from_millis(400));
        assert_eq!(stage.desk.book("default", request(1, 1), began).await, BookingAnswer::Failed);
        assert_eq!(stage.only().await.row.state, BookingState::Abandoned);
        stage.desk.calls_ended().await.unwrap();
        assert_eq!(stage.only().await.row.state, BookingState::Releasing);
        // A call that begins while somebody waits is not his concern.
        *stage.theatre.selling.lock().unwrap() = Selling::SellsAt(Instant::now() + Duration::from_millis(600));
        let (mut first, mut second) = (request(2, 1), request(3, 1));
        first.holder.email = "first@example.com".into();
        second.holder.email = "second@example.com".into();
        let called = async |calls: u32| {
            while stage.theatre.calls.load(Ordering::SeqCst) < calls {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waiting = async {
            called(2).await;
            stage.desk.calls_ended().await.unwrap();
            Instant::now()
        };
        let later = async {
            called(2).await;
            *stage.theatre.selling.lock().unwrap() = Selling::Hangs;
            stage.book(&second).await
        };
        let asked = Instant::now();
        let (answer, ended, hung) = futures_util::future::join3(stage.book(&first), waiting, later).await;
        assert_eq!((sold(&answer).len(), hung), (1, BookingAnswer::Failed));
        assert!(ended - asked < Duration::from_secs(4), "{:?}", ended - asked);
    });
}

#[test]
fn the_same_persons_next_attempt_takes_a_late_seat_over() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, CancelUnit::Ticket, true).await;
        let began = Instant::now() - DECIDE_WITHIN + Duration::from_millis(50);
        *stage.theatre.selling.lock().unwrap() = Selling::SellsAt(Instant::now() + Duration::from_millis(200));
        assert_eq!(stage.desk.book("default", request(1, 2), began).await, BookingAnswer::Failed);
        while stage.only().await.row.state != BookingState::Releasing {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let answer = stage.book(&request(2, 2)).await;
        assert_eq!((sold(&answer).len(), stage.theatre.held()), (2, 2), "no second pair of seats");
        assert_eq!(stage.theatre.calls.load(Ordering::SeqCst), 1);
        stage.settle().await;
        assert_eq!(stage.theatre.held(), 2);
        // Another person's wish is another sale.
        let mut other = request(3, 2);
        other.holder.email = "other@example.com".into();
        sold(&stage.book(&other).await);
        assert_eq!(stage.theatre.held(), 4);
    });
}

#[test]
fn refusals_are_told_with_the_right_number() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, CancelUnit::Ticket, true).await;
        let cases = [
            (Refusal::SoldOut, BookingAnswer::SoldOut),
            (Refusal::NotEnough { remaining: 1 }, BookingAnswer::NotEnough { remaining: 1 }),
            // Enough for what was asked: that makes no sense and is no word about the stock.
            (Refusal::NotEnough { remaining: 2 }, BookingAnswer::Failed),
            (Refusal::ShowGone, BookingAnswer::SoldOut),
            (Refusal::NoTariff, BookingAnswer::SoldOut),
            (Refusal::SalesClosed, BookingAnswer::SoldOut),
        ];
        for (number, (refusal, expected)) in (0..).zip(cases) {
            *stage.theatre.selling.lock().unwrap() = Selling::Refuses(refusal);
            assert_eq!(stage.book(&request(number, 2)).await, expected, "{refusal:?}");
        }
        let mut unknown = request(99, 1);
        unknown.stock_id = 1;
        let calls = stage.theatre.calls.load(Ordering::SeqCst);
        assert_eq!(stage.book(&unknown).await, BookingAnswer::SoldOut);
        assert_eq!(stage.cancel(&["never given".to_owned()]).await, CancellationAnswer::Unknown);
        assert_eq!(stage.theatre.calls.load(Ordering::SeqCst), calls, "no vendor is called for what nobody sells");
    });
}

#[test]
fn a_barcode_that_another_ticket_has_undoes_the_sale() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, CancelUnit::Ticket, true).await;
        *stage.theatre.selling.lock().unwrap() = Selling::SellsBarcode("SAME".into());
        sold(&stage.book(&request(1, 2)).await);
        let mut other = request(2, 1);
        other.holder.email = "other@example.com".into();
        assert_eq!(stage.book(&other).await, BookingAnswer::Failed);
        assert_eq!(stage.theatre.held(), 2, "the second sale was undone");
    });
}

#[test]
fn an_adapter_that_breaks_leaves_a_booking_that_is_looked_for() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, CancelUnit::Ticket, true).await;
        *stage.theatre.selling.lock().unwrap() = Selling::Panics;
        assert_eq!(stage.book(&request(1, 1)).await, BookingAnswer::Failed);
        assert_eq!(stage.only().await.row.state, BookingState::Unknown);
        stage.settle().await;
        let booking = stage.only().await;
        assert_eq!((booking.row.state, booking.row.needs_human), (BookingState::Refused, false));
    });
}

#[test]
fn what_nobody_can_tell_goes_to_a_person_with_film_and_show() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, CancelUnit::Ticket, false).await;
        *stage.theatre.selling.lock().unwrap() = Selling::SellsUnheard;
        assert_eq!(stage.book(&request(1, 2)).await, BookingAnswer::Failed);
        stage.settle().await;
        let booking = stage.only().await;
        assert!(booking.row.needs_human && booking.row.state == BookingState::Operator);
        let reason = booking.row.reason.clone().unwrap();
        assert!(reason.contains("Le Phare") && reason.contains("70231"), "{reason}");
        // The person looked, voided by hand, and says so.
        let closed = stage.desk.release(&booking.row.reference, Some("voided at the till")).await.unwrap().unwrap();
        assert_eq!((closed.row.state, closed.row.needs_human), (BookingState::Released, false));
    });
}

/// Books two, cancels while voiding goes wrong like this, and settles once all is well again.
async fn cancelled_in_doubt(place: &support::Place, finds: bool, voiding: Voiding) -> (Stage, StoredBooking) {
    let stage = Stage::new(place, CancelUnit::Ticket, finds).await;
    let barcodes = sold(&stage.book(&request(1, 2)).await);
    *stage.theatre.voiding.lock().unwrap() = voiding;
    assert_eq!(stage.cancel(&barcodes).await, CancellationAnswer::Failed);
    stage.mend();
    stage.settle().await;
    let booking = stage.only().await;
    (stage, booking)
}

#[test]
fn a_cancellation_in_doubt_is_asked_of_the_vendor_before_a_person_is() {
    on_sqlite(async |place| {
        // The vendor did nothing, and can be asked: all is as it was.
        let (stage, booking) = cancelled_in_doubt(&place, true, Voiding::Unheard).await;
        assert_eq!((booking.row.state, booking.row.needs_human), (BookingState::Booked, false), "{booking:#?}");
        assert_eq!((stage.theatre.held(), booking.row.reason.clone()), (2, None));
        assert!(booking.tickets.iter().all(|ticket| ticket.state.name() == "live"), "{booking:#?}");
    });
    on_sqlite(async |place| {
        // It did void them: pass Culture still counts what is void, and a person hears what to do.
        let (_, booking) = cancelled_in_doubt(&place, true, Voiding::VoidsUnheard).await;
        assert_eq!((booking.row.needs_human, booking.row.reason_code()), (true, Some("VoidButBooked")), "{booking:#?}");
        let what = passerelle::booking::to_do(&booking.row).unwrap();
        assert!(what.contains("pass Culture portal") && what.contains(&booking.row.reference), "{what}");
    });
    on_sqlite(async |place| {
        // Nobody can tell: the doubt stays in front of a person.
        let (_, booking) = cancelled_in_doubt(&place, false, Voiding::Unheard).await;
        assert!(booking.row.needs_human, "{booking:#?}");
    });
}

#[test]
fn a_cancellation_that_provably_did_nothing_leaves_no_doubt() {
    on_sqlite(async |place| {
        let (stage, booking) = cancelled_in_doubt(&place, false, Voiding::FailsBefore).await;
        assert_eq!((booking.row.state, booking.row.needs_human), (BookingState::Booked, false), "{booking:#?}");
        assert_eq!((stage.theatre.held(), booking.row.reason), (2, None));
    });
}

#[test]
fn a_lost_sale_on_the_list_leaves_it_once_the_vendor_can_tell_that_there_was_none() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, CancelUnit::Ticket, false).await;
        *stage.theatre.selling.lock().unwrap() = Selling::Unheard;
        assert_eq!(stage.book(&request(1, 1)).await, BookingAnswer::Failed);
        stage.settle().await;
        assert!(stage.only().await.row.needs_human);
        *stage.theatre.finding.lock().unwrap() = Finding::Tells;
        stage.settle().await;
        let booking = stage.only().await;
        assert_eq!((booking.row.state, booking.row.needs_human), (BookingState::Refused, false), "{booking:#?}");
    });
}

#[test]
fn too_much_for_one_vendor_leaves_room_for_nobody_to_wait() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, CancelUnit::Ticket, true).await;
        *stage.theatre.selling.lock().unwrap() = Selling::SellsAt(Instant::now() + Duration::from_secs(2));
        let arrivals = (0..80).map(|number| {
            let mut request = request(number, 1);
            request.holder.email = format!("{number}@example.com");
            stage.desk.book("default", request, Instant::now())
        });
        let answers = futures_util::future::join_all(arrivals).await;
        let sold = answers.iter().filter(|answer| matches!(answer, BookingAnswer::Sold { .. })).count();
        assert_eq!((sold, stage.theatre.held()), (64, 64));
    });
}
