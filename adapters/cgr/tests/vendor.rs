//! What is peculiar to this vendor, against its simulator.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant, SystemTime};

use common::Silent;
use futures_util::StreamExt as _;
use passerelle_cgr::simulator::{CINEMA_NUMBER, CgrSimulator, Quirks, SimCall, SimShow};
use passerelle_contract::{
    Adapter, BookOutcome, CancelOutcome, Completeness, Deadline, End, FindOutcome, Holder, Look, Order, Pull, Quantity,
    Reference, Refusal, Row, Screening, Ticket,
};
use passerelle_testkit::simulator::{Fault, Simulator as _};

const OPEN: i64 = 512_001;

async fn pull(adapter: &dyn Adapter) -> (Vec<Row<Screening>>, End) {
    let mut pages: Vec<_> =
        adapter.screenings().unwrap().pull(Pull::default()).map(|page| page.unwrap()).collect().await;
    let end = pages.last_mut().unwrap().end.take().unwrap();
    (pages.into_iter().flat_map(|page| page.rows).collect(), end)
}

fn order(quantity: u32) -> Order {
    let holder = Holder {
        first_name: "Zoé & co".to_owned(),
        last_name: "L'Hélias <x>".to_owned(),
        email: "zoe@example.org".to_owned(),
        ..Holder::default()
    };
    let reference = Reference("K7M2QXABCDEFGHJK".to_owned());
    Order { quantity, reference, holder: Some(holder), ..CgrSimulator::orders().open }
}

async fn book_within(adapter: &dyn Adapter, order: &Order, time: Duration) -> BookOutcome {
    adapter.box_office().unwrap().book(order, &Silent, Deadline::after(time)).await
}

async fn book(adapter: &dyn Adapter, order: &Order) -> BookOutcome {
    book_within(adapter, order, Duration::from_secs(6)).await
}

async fn sold(adapter: &dyn Adapter, order: &Order) -> Vec<Ticket> {
    match book(adapter, order).await {
        BookOutcome::Booked(sale) => sale.tickets,
        other => panic!("{other:?}"),
    }
}

async fn cancel(adapter: &dyn Adapter, tickets: &[Ticket]) -> Vec<CancelOutcome> {
    adapter.box_office().unwrap().cancel(tickets, Deadline::after(Duration::from_secs(5))).await
}

fn last(simulator: &CgrSimulator, operation: &str) -> SimCall {
    simulator.calls().into_iter().rfind(|call| call.operation == operation).unwrap()
}

#[tokio::test]
async fn a_sale_says_what_the_vendor_wants_to_know_and_no_more() {
    let (simulator, adapter) = common::cinema().await;
    let starts_at = SystemTime::now() + Duration::from_secs(30 * 24 * 3600);
    sold(adapter.as_ref(), &Order { starts_at, ..order(2) }).await;
    let call = last(&simulator, "ReservationPassCulture");
    let said = |name| call.parameter(name).unwrap();
    let number = CINEMA_NUMBER.to_string();
    let plain = ["pIDSeances", "pNumCinema", "pPUTTC", "pNBPlaces", "pNom", "pPrenom", "pEmail", "pToken"].map(said);
    assert_eq!(
        plain,
        ["512001", number.as_str(), "6.90", "2", "L'Hélias <x>", "Zoé & co", "zoe@example.org", "K7M2QX"]
    );
    assert_eq!(said("pTimeoutReservation"), "3");
    let until = said("pDateLimiteAnnul").parse::<jiff::civil::DateTime>().unwrap();
    let now = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now());
    let hours = now.until((jiff::Unit::Hour, until)).unwrap().get_hours();
    assert!((47..=48).contains(&hours), "{now} {until}");
}

#[tokio::test]
async fn a_booking_asks_for_its_own_film_and_waits_for_no_pass() {
    let (simulator, adapter) = common::cinema().await;
    sold(adapter.as_ref(), &order(1)).await;
    assert_eq!(last(&simulator, "GetSeancesPassCulture").parameter("IDFilmAllocine"), Some("305411"));
    // A film that Allociné does not know has no listing of its own.
    let show = simulator.show(512_100).unwrap();
    let opera = Order {
        film_key: "film-71009".to_owned(),
        show_key: show.id.to_string(),
        price: passerelle_contract::Cents(show.cents),
        ..order(1)
    };
    sold(adapter.as_ref(), &opera).await;
    assert_eq!(last(&simulator, "GetSeancesPassCulture").parameter("IDFilmAllocine"), Some("0"));
}

#[tokio::test]
async fn the_keys_of_a_pass_are_those_that_a_booking_needs() {
    let (_simulator, adapter) = common::cinema().await;
    let (rows, end) = pull(adapter.as_ref()).await;
    assert_eq!(end.completeness, Completeness::Snapshot);
    for row in rows {
        let Row::Good(Screening { film, showtime, .. }) = row else { continue };
        let places = &showtime.places[0];
        let order = Order {
            film_key: film.key.clone(),
            show_key: showtime.key.clone(),
            price: places.tariff.price,
            ..order(1)
        };
        match (book(adapter.as_ref(), &order).await, places.remaining) {
            (BookOutcome::Refused(Refusal::SoldOut), Quantity::Exactly(0)) | (BookOutcome::Booked(_), _) => {}
            other => panic!("{}: {other:?}", showtime.key),
        }
    }
}

#[tokio::test]
async fn a_film_of_which_nothing_is_left_is_sold_out_and_a_show_that_its_film_lacks_is_gone() {
    let (simulator, adapter) = common::cinema().await;
    for id in [512_110, 512_111] {
        let show = simulator.show(id).unwrap();
        simulator.put_show(SimShow { seats: 0, ..show });
    }
    let brume = Order { film_key: "288730".to_owned(), show_key: "512110".to_owned(), ..order(1) };
    assert!(matches!(book(adapter.as_ref(), &brume).await, BookOutcome::Refused(Refusal::SoldOut)));
    simulator.remove_show(OPEN);
    assert!(matches!(book(adapter.as_ref(), &order(1)).await, BookOutcome::Refused(Refusal::ShowGone)));
    for gone in [&brume, &order(1)] {
        let left = adapter.box_office().unwrap().remaining(gone, Deadline::after(Duration::from_secs(5))).await;
        assert_eq!(left.unwrap(), Quantity::Exactly(0));
    }
    let asked = |operation: &str| simulator.calls().iter().filter(|call| call.operation == operation).count();
    assert_eq!((asked("ReservationPassCulture"), simulator.seats_sold()), (0, 0));
}

#[tokio::test]
async fn a_show_that_has_begun_is_closed_and_not_gone() {
    let (_simulator, adapter) = common::cinema().await;
    let begun = Order { holder: order(1).holder, reference: order(1).reference, ..CgrSimulator::orders().started };
    let outcome = book(adapter.as_ref(), &begun).await;
    assert!(matches!(outcome, BookOutcome::Refused(Refusal::SalesClosed)), "{outcome:?}");
}

#[tokio::test]
async fn another_price_is_not_sold_even_where_the_vendor_would() {
    let (simulator, adapter) = common::cinema().await;
    simulator.set_quirks(Quirks { any_price: true, ..Quirks::default() });
    let dearer = Order { price: passerelle_contract::Cents(590), ..order(1) };
    let outcome = book(adapter.as_ref(), &dearer).await;
    assert!(matches!(&outcome, BookOutcome::NotAttempted(error) if error.code == "PriceChanged"), "{outcome:?}");
    assert_eq!(simulator.seats_sold(), 0);
}

#[tokio::test]
async fn an_oversold_show_is_not_stated_and_not_taken_for_gone() {
    let (simulator, adapter) = common::cinema().await;
    let show = simulator.show(OPEN).unwrap();
    simulator.put_show(SimShow { oversold: 70, ..show });
    let (rows, end) = pull(adapter.as_ref()).await;
    assert_eq!(end.completeness, Completeness::Snapshot);
    let kept = rows.iter().any(|row| matches!(row, Row::Poison(error) if error.key.as_deref() == Some("512001")));
    assert!(kept, "{rows:?}");
    assert!(matches!(book(adapter.as_ref(), &order(1)).await, BookOutcome::Refused(Refusal::SoldOut)));
}

#[tokio::test]
async fn an_empty_programme_withdraws_nothing() {
    let (simulator, adapter) = common::cinema().await;
    simulator.set_quirks(Quirks { lists_nothing: true, ..Quirks::default() });
    let (rows, end) = pull(adapter.as_ref()).await;
    assert_eq!((rows.len(), end.completeness, end.warnings.len()), (0, Completeness::Partial, 1));
}

#[tokio::test]
async fn a_cinema_that_changes_its_number_keeps_the_first_one_and_is_told_of() {
    let (simulator, adapter) = common::cinema().await;
    assert_eq!(pull(adapter.as_ref()).await.1.warnings, Vec::<String>::new());
    simulator.set_quirks(Quirks { other_number: 999, ..Quirks::default() });
    let warnings = pull(adapter.as_ref()).await.1.warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("999") && warnings[0].contains("738"), "{warnings:?}");
    assert!(matches!(book(adapter.as_ref(), &order(1)).await, BookOutcome::NotAttempted(_)));
    let call = last(&simulator, "ReservationPassCulture");
    assert_eq!(call.parameter("pNumCinema"), Some("738"));
}

#[tokio::test]
async fn two_seats_have_one_barcode_and_are_cancelled_with_one_call() {
    let (simulator, adapter) = common::cinema().await;
    let tickets = sold(adapter.as_ref(), &order(2)).await;
    assert_eq!(tickets[0].barcode, tickets[1].barcode);
    assert_eq!([&tickets[0].seat, &tickets[1].seat], [&Some("A1".to_owned()), &Some("A2".to_owned())]);
    let before = simulator.log().len();
    let outcomes = cancel(adapter.as_ref(), &tickets).await;
    assert!(matches!(outcomes[..], [CancelOutcome::Cancelled, CancelOutcome::Cancelled]), "{outcomes:?}");
    assert_eq!((simulator.log().len(), simulator.seats_sold()), (before + 1, 0));
    let again = cancel(adapter.as_ref(), &tickets[..1]).await;
    assert!(matches!(again[..], [CancelOutcome::AlreadyCancelled]), "{again:?}");
}

#[tokio::test]
async fn a_ticket_that_was_used_is_for_a_person() {
    let (simulator, adapter) = common::cinema().await;
    let tickets = sold(adapter.as_ref(), &order(1)).await;
    simulator.control(&tickets[0].barcode);
    let kept = cancel(adapter.as_ref(), &tickets).await;
    assert!(matches!(&kept[..], [CancelOutcome::Refused(why)] if why.contains("Code barre non reconnu")), "{kept:?}");
    assert_eq!(simulator.seats_sold(), 1);
}

#[tokio::test]
async fn a_slow_sale_is_taken_back_by_the_vendor_before_we_stop_waiting() {
    let (simulator, adapter) = common::cinema().await;
    simulator.set_quirks(Quirks { slow_millis: 60_000, ..Quirks::default() });
    let outcome = book_within(adapter.as_ref(), &order(1), Duration::from_millis(3_900)).await;
    assert!(matches!(&outcome, BookOutcome::NotAttempted(error) if error.code == "Rejected"), "{outcome:?}");
    assert_eq!(last(&simulator, "ReservationPassCulture").parameter("pTimeoutReservation"), Some("1"));
    assert_eq!(simulator.seats_sold(), 0);
}

#[tokio::test]
async fn the_answer_of_a_vendor_that_does_not_give_up_is_waited_for_a_little_longer() {
    let (simulator, adapter) = common::cinema().await;
    simulator.set_quirks(Quirks { slow_millis: 4_500, ignores_timeout: true, ..Quirks::default() });
    let outcome = book_within(adapter.as_ref(), &order(1), Duration::from_millis(3_900)).await;
    assert!(matches!(outcome, BookOutcome::Booked(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_sale_that_nobody_heard_of_is_for_a_person_and_looking_for_it_asks_nobody() {
    let (simulator, adapter) = common::cinema().await;
    simulator.faults().next("#Reservation", 1, Fault::AfterEffect(Box::new(Fault::Status(500))));
    let outcome = book(adapter.as_ref(), &order(2)).await;
    assert!(matches!(&outcome, BookOutcome::Unknown(suspicion) if suspicion.tickets.is_empty()), "{outcome:?}");
    assert_eq!(simulator.seats_sold(), 2);
    let before = simulator.log().len();
    let office = adapter.box_office().unwrap();
    let found = office.find(&order(2), "{}", Look::Last, Deadline::after(Duration::from_secs(1))).await;
    let told = |text: &str| ["La Lanterne du port", "512001", "K7M2QX"].iter().all(|word| text.contains(word));
    assert!(matches!(&found, FindOutcome::Unclear(text) if told(text) && !text.contains("zoe")), "{found:?}");
    assert_eq!(simulator.log().len(), before);
}

#[tokio::test]
async fn a_sale_is_not_begun_when_the_vendor_has_no_time_for_it() {
    let (simulator, adapter) = common::cinema().await;
    let started = Instant::now();
    let outcome = book_within(adapter.as_ref(), &order(1), Duration::from_millis(2_900)).await;
    assert!(matches!(&outcome, BookOutcome::NotAttempted(error) if error.code == "NoTimeToSell"), "{outcome:?}");
    assert!(started.elapsed() < Duration::from_secs(2) && simulator.calls().len() == 1);
}

#[tokio::test]
async fn probes_only_read_and_need_no_number() {
    let (simulator, adapter) = common::cinema().await;
    for probe in adapter.probes() {
        (probe.ask)().await.unwrap();
    }
    let operations: Vec<String> = simulator.calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(operations, ["GetSeancesPassCulture", "GetSeancesPassCulture"]);
    assert!(simulator.log().all().iter().any(|call| call.method == "GET" && call.query == "wsdl"));
}
