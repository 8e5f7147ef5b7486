//! Synchronous mode: each answer to a sale and to a cancellation, repetitions, and what is told afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use passerelle_contract::{
    Adapter, AdapterError, BookOutcome, BoxFuture, CancelOutcome, Class, Deadline, Delivery, Holder, Issue, Journal,
    Order, Quantity, Reference, Refusal, Sale, Ticket,
};
use passerelle_testkit::simulator::{Fault, Simulator as _};
use passerelle_webhook::simulator::{Behaviour, Received, WebhookSimulator};
use serde_json::{Value, json};

use common::{connect, deliver, notify, synchronous};

/// What pass Culture leaves a booking, about.
const TIME: Duration = Duration::from_secs(5);
/// A first try of one second, and not enough for another.
const LITTLE: Duration = Duration::from_millis(2_000);

/// Counts its writings.
#[derive(Default)]
struct Paper(AtomicUsize);

impl Journal for Paper {
    fn about_to_sell<'a>(&'a self, trace: &'a str) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move {
            let trace: Value = serde_json::from_str(trace).unwrap();
            assert!(trace["webhook_id"].as_str().unwrap().starts_with("msg_"));
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    }
}

async fn theatre() -> (WebhookSimulator, Arc<dyn Adapter>) {
    let simulator = WebhookSimulator::start().await.unwrap();
    let adapter = connect(synchronous(&simulator), &[]);
    (simulator, adapter)
}

/// An order with a name of its own.
fn order(template: &Order, quantity: u32) -> Order {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let letters: String = [number / 676 % 26, number / 26 % 26, number % 26]
        .into_iter()
        .map(|at| char::from(b'A' + u8::try_from(at).unwrap()))
        .collect();
    Order { reference: Reference(format!("{letters}XXXXXXXXXXXXX")), quantity, ..template.clone() }
}

fn open(quantity: u32) -> Order {
    order(&WebhookSimulator::orders().open, quantity)
}

async fn book(adapter: &dyn Adapter, order: &Order, time: Duration) -> BookOutcome {
    adapter.box_office().unwrap().book(order, &Paper::default(), Deadline::after(time)).await
}

async fn sold(adapter: &dyn Adapter, order: &Order) -> Sale {
    match book(adapter, order, TIME).await {
        BookOutcome::Booked(sale) => sale,
        other => panic!("{other:?}"),
    }
}

async fn cancel(adapter: &dyn Adapter, tickets: &[Ticket]) -> Vec<CancelOutcome> {
    adapter.box_office().unwrap().cancel(tickets, Deadline::after(TIME)).await
}

fn requests(simulator: &WebhookSimulator) -> Vec<Received> {
    simulator.received().into_iter().filter(|one| one.kind == "booking.requested").collect()
}

fn seats_sold(simulator: &WebhookSimulator) -> usize {
    let tickets = simulator.bookings().into_iter().flat_map(|booking| booking.tickets);
    tickets.filter(|ticket| !ticket.void).count()
}

#[tokio::test]
async fn a_request_says_what_is_asked_and_nothing_of_the_person() {
    let (simulator, adapter) = theatre().await;
    let holder = Holder {
        first_name: "Zoé".into(),
        last_name: "Exemple".into(),
        email: "zoe@example.com".into(),
        birth_date: "2008-01-01".into(),
        phone: Some("+33199000000".into()),
    };
    let order = Order { holder: Some(holder), ..open(2) };
    let sale = sold(adapter.as_ref(), &order).await;
    assert_eq!((sale.tickets.len(), sale.remaining), (2, Quantity::Exactly(38)));
    let [one] = requests(&simulator).try_into().unwrap();
    assert_eq!((one.path.as_str(), one.sequence), ("/bookings", 1));
    let data = &one.data;
    assert_eq!(data["booking_id"], order.reference.booking_id());
    assert_eq!(
        (&data["stock_id"], &data["quantity"], &data["unit_price_cents"]),
        (&json!("mouette/1/A"), &json!(2), &json!(1_200))
    );
    assert_eq!((&data["currency"], &data["holder"]), (&json!("EUR"), &Value::Null));
    assert!(data.get("tickets").is_none() && data["event_starts_at"].is_string() && data["answer_before"].is_string());
    for forbidden in ["Zoé", "Exemple", "example.com", "2008-01-01", "+331"] {
        assert!(!one.body.contains(forbidden), "{forbidden}");
    }
    // Under an agreement, what it covers and no more.
    let agreed = [("personal_data", json!(["first_name"])), ("dpa_signed_at", json!("2026-03-12"))];
    let adapter = connect(synchronous(&simulator), &agreed);
    sold(adapter.as_ref(), &Order { reference: Reference("QQQQQQQQQQQQQQQQ".into()), ..order }).await;
    assert_eq!(requests(&simulator)[1].data["holder"], json!({ "first_name": "Zoé" }));
}

#[tokio::test]
async fn what_is_unknown_is_asked_once_more_and_is_the_same_request() {
    let lost = [
        Fault::AfterEffect(Box::new(Fault::Hang)),
        Fault::AfterEffect(Box::new(Fault::Status(502))),
        Fault::CutMidBody,
        Fault::AfterEffect(Box::new(Fault::Html)),
    ];
    for fault in lost {
        let (simulator, adapter) = theatre().await;
        simulator.faults().next("/bookings", 1, fault.clone());
        let (order, journal) = (open(2), Paper::default());
        let outcome = adapter.box_office().unwrap().book(&order, &journal, Deadline::after(TIME)).await;
        let BookOutcome::Booked(sale) = outcome else { panic!("{fault:?}: {outcome:?}") };
        let [first, again] = requests(&simulator).try_into().unwrap();
        assert_eq!((&first.id, &first.body), (&again.id, &again.body), "{fault:?}");
        let bookings = simulator.bookings();
        let made: Vec<&str> = bookings[0].tickets.iter().map(|ticket| ticket.barcode.as_str()).collect();
        let given: Vec<&str> = sale.tickets.iter().map(|ticket| ticket.barcode.as_str()).collect();
        assert_eq!((bookings.len(), made), (1, given), "{fault:?}");
        assert_eq!(journal.0.load(Ordering::Relaxed), 2, "{fault:?}");
    }
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_unknown_and_its_seats_are_voided_by_message() {
    let (simulator, adapter) = theatre().await;
    let late = Fault::Delay(Duration::from_millis(1_100));
    simulator.faults().next("/bookings", 1, Fault::AfterEffect(Box::new(late)));
    let order = open(2);
    let BookOutcome::Unknown(suspicion) = book(adapter.as_ref(), &order, LITTLE).await else { panic!("not unknown") };
    assert_eq!((suspicion.error.code, suspicion.tickets.len()), ("TimedOut", 0));
    assert_eq!((requests(&simulator).len(), seats_sold(&simulator)), (1, 2), "no time for another try");
    assert!(adapter.box_office().unwrap().semantics().told_of_lost_sales);
    let told = json!({ "type": "booking.cancelled", "timestamp": "2035-01-10T00:00:00Z", "sequence": 1, "data": {
        "booking_id": order.reference.booking_id(), "barcodes": [], "reason": "compensation", "remaining_barcodes": [],
    } });
    let outcome = deliver(adapter.as_ref(), "msg_void", told.to_string().as_bytes()).await;
    assert!(matches!(outcome, Delivery::Delivered(_)), "{outcome:?}");
    assert_eq!(seats_sold(&simulator), 0);
}

#[tokio::test]
async fn a_booking_that_was_voided_before_it_came_stays_void() {
    let (simulator, adapter) = theatre().await;
    let order = open(1);
    let told = json!({ "type": "booking.cancelled", "sequence": 1, "data": {
        "booking_id": order.reference.booking_id(), "barcodes": [], "reason": "compensation", "remaining_barcodes": [],
    } });
    deliver(adapter.as_ref(), "msg_void", told.to_string().as_bytes()).await;
    assert!(matches!(book(adapter.as_ref(), &order, TIME).await, BookOutcome::NotAttempted(_)));
    assert_eq!(seats_sold(&simulator), 0);
}

#[tokio::test]
async fn odd_sales_are_unknown_with_the_tickets_that_are_known() {
    for (behaviour, code, known) in [
        (Behaviour::Nonsense, "WrongNumberOfTickets", 0),
        (Behaviour::WrongCount, "WrongNumberOfTickets", 3),
        (Behaviour::SameBarcodes, "MalformedBody", 1),
        (Behaviour::LongBarcode, "MalformedBody", 1),
    ] {
        let (simulator, adapter) = theatre().await;
        simulator.set_behaviour(behaviour);
        let BookOutcome::Unknown(suspicion) = book(adapter.as_ref(), &open(2), TIME).await else {
            panic!("{behaviour:?} is not unknown")
        };
        assert_eq!((suspicion.error.code, suspicion.tickets.len()), (code, known), "{behaviour:?}");
        assert!(!suspicion.error.to_string().contains("SIM-"));
        assert_eq!(requests(&simulator).len(), 2, "{behaviour:?}");
    }
}

#[tokio::test]
async fn a_refusal_after_a_doubt_proves_nothing() {
    for template in [WebhookSimulator::orders().sold_out, WebhookSimulator::orders().vanished] {
        let (simulator, adapter) = theatre().await;
        simulator.faults().next("/bookings", 1, Fault::Status(500));
        let outcome = book(adapter.as_ref(), &order(&template, 1), TIME).await;
        assert!(
            matches!(&outcome, BookOutcome::Unknown(suspicion) if suspicion.error.code == "VendorDown"),
            "{outcome:?}"
        );
        let outcome = book(adapter.as_ref(), &order(&template, 1), TIME).await;
        assert!(matches!(outcome, BookOutcome::Refused(Refusal::SoldOut | Refusal::ShowGone)), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_bare_no_is_asked_once_more_and_then_in_doubt_and_who_is_not_reached_has_sold_nothing() {
    let (simulator, adapter) = theatre().await;
    for (fault, class) in [
        (Fault::Status(401), Class::Auth),
        (Fault::Status(403), Class::Auth),
        (Fault::Status(404), Class::Settings),
        (Fault::Status(422), Class::Data),
        (Fault::StatusWithRetryAfter(429, 7), Class::RateLimited),
    ] {
        let before = simulator.log().len();
        simulator.faults().next("/bookings", 2, fault.clone());
        let BookOutcome::Unknown(suspicion) = book(adapter.as_ref(), &open(1), TIME).await else { panic!("{fault:?}") };
        assert_eq!((suspicion.error.class, simulator.log().len() - before), (class, 2), "{fault:?}");
        // Said once by something on the way, it costs nobody a seat.
        simulator.faults().next("/bookings", 1, Fault::AfterEffect(Box::new(fault.clone())));
        assert_eq!(sold(adapter.as_ref(), &open(1)).await.tickets.len(), 1, "{fault:?}");
    }
    let moved = book(adapter.as_ref(), &open(1), Duration::from_millis(100)).await;
    assert!(matches!(moved, BookOutcome::NotAttempted(error) if error.code == "NoTimeToSell"));
    let sale = sold(adapter.as_ref(), &open(2)).await;
    drop(simulator);
    assert!(
        matches!(book(adapter.as_ref(), &open(1), TIME).await, BookOutcome::NotAttempted(error) if error.code == "Unreachable")
    );
    let outcomes = cancel(adapter.as_ref(), &sale.tickets).await;
    assert!(matches!(outcomes.as_slice(), [CancelOutcome::ToBeTold(_), CancelOutcome::ToBeTold(_)]), "{outcomes:?}");
}

#[tokio::test]
async fn places_left_are_as_told_and_none_where_nothing_was_ever_told() {
    let (simulator, adapter) = theatre().await;
    simulator.set_behaviour(Behaviour::NoCount);
    assert_eq!(sold(adapter.as_ref(), &open(1)).await.remaining, Quantity::Exactly(0));
    simulator.set_behaviour(Behaviour::Good);
    assert_eq!(sold(adapter.as_ref(), &open(1)).await.remaining, Quantity::Exactly(38));
    simulator.set_behaviour(Behaviour::NoCount);
    assert_eq!(sold(adapter.as_ref(), &open(2)).await.remaining, Quantity::Exactly(36));
    simulator.set_behaviour(Behaviour::Good);
    let mut show = simulator.show("mouette/1/A").unwrap();
    show.remaining = None;
    simulator.put_show(show);
    assert_eq!(sold(adapter.as_ref(), &open(1)).await.remaining, Quantity::Unlimited);
}

#[tokio::test]
async fn each_ticket_of_a_cancellation_has_its_own_end() {
    let (simulator, adapter) = theatre().await;
    let sale = sold(adapter.as_ref(), &open(2)).await;
    simulator.scan(&sale.tickets[0].barcode);
    let outcomes = cancel(adapter.as_ref(), &sale.tickets).await;
    assert!(matches!(outcomes.as_slice(), [CancelOutcome::Refused(_), CancelOutcome::Cancelled]), "{outcomes:?}");
    let sale = sold(adapter.as_ref(), &open(2)).await;
    assert!(matches!(cancel(adapter.as_ref(), &sale.tickets[1..]).await.as_slice(), [CancelOutcome::Cancelled]));
    let outcomes = cancel(adapter.as_ref(), &sale.tickets).await;
    assert!(matches!(outcomes.as_slice(), [CancelOutcome::Cancelled, CancelOutcome::Cancelled]), "{outcomes:?}");
    let outcomes = cancel(adapter.as_ref(), &sale.tickets).await;
    let both = [CancelOutcome::AlreadyCancelled, CancelOutcome::AlreadyCancelled];
    assert_eq!(format!("{outcomes:?}"), format!("{both:?}"));
    let odd = Ticket { vendor: "{}".into(), ..sale.tickets[0].clone() };
    assert!(matches!(cancel(adapter.as_ref(), &[odd]).await.as_slice(), [CancelOutcome::NotAttempted(_)]));
}

#[tokio::test]
async fn a_cancellation_in_doubt_is_asked_once_more_and_then_told() {
    let (simulator, adapter) = theatre().await;
    let sale = sold(adapter.as_ref(), &open(2)).await;
    simulator.faults().next("/cancellations", 1, Fault::AfterEffect(Box::new(Fault::Hang)));
    let outcomes = cancel(adapter.as_ref(), &sale.tickets).await;
    assert!(matches!(outcomes.as_slice(), [CancelOutcome::Cancelled, CancelOutcome::Cancelled]), "{outcomes:?}");
    let asked: Vec<Received> =
        simulator.received().into_iter().filter(|one| one.kind == "booking.cancel_requested").collect();
    assert_eq!((asked.len(), &asked[0].id, &asked[0].body), (2, &asked[1].id, &asked[1].body));
    assert_eq!((&asked[0].data["reason"], &asked[0].data["remaining_barcodes"]), (&json!("beneficiary"), &json!([])));

    let sale = sold(adapter.as_ref(), &open(2)).await;
    for (fault, times, told) in [(Fault::Status(500), 2, true), (Fault::Hang, 2, true), (Fault::Status(401), 1, false)]
    {
        let before = simulator.log().len();
        simulator.faults().next("/cancellations", times, fault.clone());
        let outcomes = cancel(adapter.as_ref(), &sale.tickets).await;
        let fits = outcomes.iter().all(|one| match one {
            CancelOutcome::ToBeTold(_) => told,
            CancelOutcome::Unknown(error) => !told && error.class == Class::Auth,
            _ => false,
        });
        assert!(fits && outcomes.len() == 2, "{fault:?}: {outcomes:?}");
        assert_eq!(simulator.log().len() - before, usize::try_from(times).unwrap(), "{fault:?}");
    }
    assert_eq!(seats_sold(&simulator), 2);
}

#[tokio::test]
async fn the_modes_have_their_facets() {
    let (simulator, seller) = theatre().await;
    let teller = connect(notify(&simulator.url()), &[("duo", json!(false))]);
    assert!(seller.box_office().is_some() && seller.issues().is_none() && seller.duo());
    assert!(teller.box_office().is_none() && teller.issues() == Some(Issue::Counted) && !teller.duo());
    let terms = seller.notices().unwrap().terms();
    assert!(terms.is_sent_to && !terms.hears_everything && seller.states_shows());
    // Without an address for messages, what is to be voided is told where seats are freed.
    let alone = connect(synchronous(&simulator), &[("url", Value::Null)]);
    assert!(matches!(deliver(alone.as_ref(), "msg_1", b"{}").await, Delivery::Delivered(_)));
    assert_eq!(simulator.received()[0].path, "/cancellations");
}

#[tokio::test]
async fn probes_tell_a_wrong_secret_from_a_missing_server() {
    let (simulator, _) = theatre().await;
    let wrong = connect(notify(&simulator.url()), &[("secret", json!({ "file": "other" }))]);
    let probes = wrong.probes();
    let [reach, sign_in] = probes.as_slice() else { panic!("two probes") };
    assert!((reach.ask)().await.is_ok());
    let error = (sign_in.ask)().await.unwrap_err();
    assert_eq!((error.class, error.code), (Class::Auth, "BadCredentials"));
    assert!(error.context.contains("same secret"), "{error}");
    simulator.set_behaviour(Behaviour::Gone);
    assert!((sign_in.ask)().await.is_err());
    assert!(simulator.bookings().is_empty());
    drop(simulator);
    assert!((reach.ask)().await.is_err());
}
