//! What is peculiar to this vendor: how it says no, how it is asked, what a sale tells it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::{Desk, LEAK};
use passerelle_billetweb::simulator::{BilletwebSimulator, EVENT, KEY, Quirks, SINGLE_EVENT, USER};
use passerelle_contract::{
    BookOutcome, Cents, Class, Completeness, Deadline, Order, ProbeKind, Quantity, Refusal, Row,
};
use passerelle_testkit::simulator::{Fault, Simulator as _};
use serde_json::{Value, json};

const CHALLENGE: &str = "<!doctype html><script src=\"/cdn-cgi/challenge-platform/h/b\"></script>";

fn single(quantity: u32) -> Order {
    let show = format!("{SINGLE_EVENT}-0");
    Order {
        film_key: SINGLE_EVENT.to_owned(),
        places_key: format!("{show}-55601"),
        show_key: show,
        price: Cents(500),
        ..Desk::open_order(quantity)
    }
}

#[tokio::test]
async fn every_no_has_its_class_though_its_status_is_200() {
    let wait = Some(Duration::from_secs(120));
    let table = [
        (
            r#"{"error":"unauthorized","description":"This key has limited rights"}"#,
            Class::Auth,
            "BadCredentials",
            None,
        ),
        (
            r#"{"error":"rate_limiting","description":"100"}"#,
            Class::RateLimited,
            "Throttled",
            Some(Duration::from_secs(60)),
        ),
        (r#"{"error":"boom","description":"x@y.example"}"#, Class::Data, "RefusedByVendor", None),
        (r#"{"error":"boom","description":"cle-fictive-billetweb"}"#, Class::Data, "RefusedByVendor", None),
        (CHALLENGE, Class::RateLimited, "Challenged", wait),
        (r#"{"events":[]}"#, Class::VendorFault, "MalformedBody", None),
        ("null", Class::VendorFault, "MalformedBody", None),
    ];
    for (body, class, code, wait) in table {
        let desk = Desk::open().await;
        desk.simulator.faults().next("/events", 1, Fault::Body(body.to_owned()));
        let error = desk.pull().await.unwrap_err();
        assert_eq!((error.class, error.code, error.retry_after), (class, code, wait), "{body}: {error}");
        assert!(!error.to_string().contains("y.example") && !error.to_string().contains(KEY), "{error}");
    }
}

#[tokio::test]
async fn the_account_goes_in_a_header_and_never_in_the_address() {
    let desk = Desk::open().await;
    let (rows, end) = desk.pull().await.unwrap();
    assert_eq!((rows.len(), end.completeness), (7, Completeness::Snapshot), "{:?}", end.warnings);
    let log = desk.simulator.log().all();
    assert_eq!(log.len(), 4, "one list, two of tariffs, one of sessions");
    for call in log {
        assert!(call.authorization.as_deref().is_some_and(|it| it.starts_with("Basic ")), "{call:?}");
        assert!(
            call.query.starts_with("version=1") && !call.query.contains(KEY) && !call.query.contains(USER),
            "{call:?}"
        );
    }
}

#[tokio::test]
async fn only_the_events_of_the_settings_are_published_and_one_that_is_odd_leaves_the_others() {
    let desk = Desk::open().await;
    let (rows, _) = desk.pull().await.unwrap();
    let films: Vec<_> = rows
        .iter()
        .filter_map(|row| if let Row::Good(one) = row { Some(one.film.key.as_str()) } else { None })
        .collect();
    assert!(films.contains(&EVENT) && films.contains(&SINGLE_EVENT) && !films.contains(&"120399"), "{films:?}");
    for body in ["<html>", r#"{"error":"boom"}"#] {
        desk.simulator.faults().next(&format!("{EVENT}/tickets"), 1, Fault::Body(body.to_owned()));
        let (rows, end) = desk.pull().await.unwrap();
        assert_eq!((rows.len(), end.completeness, end.warnings.len()), (2, Completeness::Partial, 1), "{rows:?}");
    }
    // A key that is refused, or too many calls, is everybody's trouble.
    desk.simulator.faults().next("/tickets", 1, Fault::Body(r#"{"error":"unauthorized"}"#.to_owned()));
    assert_eq!(desk.pull().await.unwrap_err().class, Class::Auth);
}

#[tokio::test]
async fn an_event_that_is_not_listed_is_named_and_an_account_without_shows_withdraws_nothing() {
    let desk = Desk::with(&[("events", json!([EVENT, "777"]))]).await;
    let (_, end) = desk.pull().await.unwrap();
    assert_eq!(end.completeness, Completeness::Snapshot);
    assert!(end.warnings.iter().any(|warning| warning.contains("777")), "{:?}", end.warnings);
    desk.simulator.faults().next("/events", 1, Fault::Body("[]".to_owned()));
    let (rows, end) = desk.pull().await.unwrap();
    assert_eq!((rows.len(), end.completeness), (0, Completeness::Partial));
    let probes = desk.adapter.probes();
    let read_one = probes.iter().find(|probe| probe.kind == ProbeKind::ReadOne).unwrap();
    assert!((read_one.ask)().await.unwrap().concern.is_some());
}

#[tokio::test]
async fn a_sale_tells_the_vendor_what_it_must_know_and_nobody() {
    let desk = Desk::open().await;
    let order = Desk::open_order(2);
    let tickets = desk.sold(&order).await;
    let body = desk.simulator.bodies("add_order").remove(0);
    assert!(!body.contains(LEAK) && !body.contains("Kanari"), "{body}");
    let sent: Value = serde_json::from_str(&body).unwrap();
    let orders = sent["data"].as_array().unwrap();
    assert_eq!(orders.len(), 2);
    for one in orders {
        assert_eq!(
            (&one["ship"], &one["payment_type"], &one["session"]),
            (&json!(0), &json!("other"), &json!("98701"))
        );
        assert_eq!(one["products"].as_array().unwrap().len(), 1);
    }
    assert!(tickets[0].barcode != tickets[1].barcode);
    for ticket in &tickets {
        assert!(desk.simulator.sales().iter().any(|sale| sale.barcode == ticket.barcode && sale.cents == 1_250));
    }
    assert_eq!(
        (desk.calls("/dates"), desk.calls("/tickets"), desk.calls("/add_order"), desk.calls("/attendees")),
        (1, 1, 1, 1)
    );
}

#[tokio::test]
async fn an_event_without_sessions_is_sold_as_itself() {
    let desk = Desk::open().await;
    let (rows, _) = desk.pull().await.unwrap();
    let order = single(2);
    let stated = rows.iter().any(|row| matches!(row, Row::Good(one) if one.showtime.key == order.show_key && one.showtime.places[0].key == order.places_key));
    assert!(stated, "{rows:?}");
    let (outcome, _) = desk.book(&order).await;
    assert!(matches!(&outcome, BookOutcome::Booked(sale) if sale.remaining == Quantity::Exactly(38)), "{outcome:?}");
    assert_eq!(desk.simulator.seats_sold(), 2);
    // Its tariff has a quota and nobody counts: nothing is sold on a guess.
    desk.simulator.set_quirks(Quirks { uncounted_tariffs: true, ..Quirks::default() });
    let (outcome, _) = desk.book(&single(1)).await;
    assert!(matches!(&outcome, BookOutcome::NotAttempted(error) if error.code == "UnreadableShow"), "{outcome:?}");
}

#[tokio::test]
async fn the_tariff_that_was_announced_is_sold_at_its_price_or_not_at_all() {
    let desk = Desk::open().await;
    let mut event = desk.simulator.event(120_345).unwrap();
    event.tariffs[0].cents = 1_300;
    desk.simulator.put_event(event.clone());
    let (outcome, _) = desk.book(&Desk::open_order(1)).await;
    assert!(matches!(&outcome, BookOutcome::NotAttempted(error) if error.code == "PriceChanged"), "{outcome:?}");
    event.tariffs[0].cents = 1_250;
    event.tariffs[0].closes = "2020-01-01 00:00:00".to_owned();
    desk.simulator.put_event(event.clone());
    let (outcome, _) = desk.book(&Desk::open_order(1)).await;
    assert!(matches!(outcome, BookOutcome::Refused(Refusal::SalesClosed)), "{outcome:?}");
    let closed = event.tariffs.remove(0);
    desk.simulator.put_event(event.clone());
    let (outcome, _) = desk.book(&Desk::open_order(1)).await;
    assert!(matches!(outcome, BookOutcome::Refused(Refusal::NoTariff)), "{outcome:?}");
    let mut show = desk.simulator.show(98_701).unwrap();
    show.tariffs = vec![55_502];
    desk.simulator.put_show(show);
    event.tariffs.insert(0, passerelle_billetweb::simulator::SimTariff { closes: String::new(), ..closed });
    desk.simulator.put_event(event);
    let (outcome, _) = desk.book(&Desk::open_order(1)).await;
    assert!(matches!(outcome, BookOutcome::Refused(Refusal::NoTariff)), "not at this session: {outcome:?}");
    assert_eq!(desk.simulator.seats_sold(), 0);
}

#[tokio::test]
async fn what_stands_in_front_of_the_vendor_is_looked_up_and_the_vendors_own_codes_are_believed() {
    let refusals = [
        (Fault::Body(r#"{"error":"rate_limiting","description":"x"}"#.to_owned()), Class::RateLimited),
        (Fault::Body(r#"{"error":"unauthorized","description":"x"}"#.to_owned()), Class::Auth),
    ];
    let desk = Desk::open().await;
    for (fault, class) in refusals {
        desk.simulator.faults().next("add_order", 1, fault.clone());
        let (outcome, _) = desk.book(&Desk::open_order(2)).await;
        assert!(matches!(&outcome, BookOutcome::NotAttempted(error) if error.class == class), "{fault:?}: {outcome:?}");
    }
    for fault in [Fault::Body(CHALLENGE.to_owned()), Fault::Status(429), Fault::Status(403)] {
        desk.simulator.faults().next("add_order", 1, fault.clone());
        let (outcome, _) = desk.book(&Desk::open_order(2)).await;
        assert!(matches!(outcome, BookOutcome::Unknown(_)), "{fault:?}: {outcome:?}");
    }
    assert_eq!(desk.simulator.seats_sold(), 0);
}

#[tokio::test]
async fn bookings_of_one_session_wait_for_each_other() {
    let desk = Desk::open().await;
    let template = BilletwebSimulator::orders().last_place;
    desk.simulator.faults().next("add_order", 1, Fault::Delay(Duration::from_millis(400)));
    let (one, two) = (Desk::order(&template, 1), Desk::order(&template, 1));
    let (one, two) = tokio::join!(desk.book(&one), desk.book(&two));
    let sold = [&one.0, &two.0].iter().filter(|outcome| matches!(outcome, BookOutcome::Booked(_))).count();
    let refused =
        [&one.0, &two.0].iter().filter(|outcome| matches!(outcome, BookOutcome::Refused(Refusal::SoldOut))).count();
    assert_eq!((sold, refused, desk.simulator.seats_sold()), (1, 1, 1), "{one:?} {two:?}");
    // Whose turn does not come in time has sold nothing.
    let order = Desk::open_order(1);
    desk.simulator.faults().next("/dates", 1, Fault::Delay(Duration::from_millis(700)));
    let slow = desk.book(&order);
    let hasty = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let other = Desk::open_order(1);
        let office = desk.adapter.box_office().unwrap();
        office.book(&other, &Silent, Deadline::after(Duration::from_millis(3_200))).await
    };
    let (slow, hasty) = tokio::join!(slow, hasty);
    assert!(matches!(slow.0, BookOutcome::Booked(_)), "{slow:?}");
    assert!(matches!(&hasty, BookOutcome::NotAttempted(error) if error.code == "VendorBusy"), "{hasty:?}");
}

#[tokio::test]
async fn a_sale_is_not_begun_with_too_little_time() {
    let desk = Desk::open().await;
    desk.simulator.faults().next("/dates", 1, Fault::Delay(Duration::from_millis(700)));
    let (order, office) = (Desk::open_order(1), desk.adapter.box_office().unwrap());
    let outcome = office.book(&order, &Silent, Deadline::after(Duration::from_millis(3_500))).await;
    assert!(matches!(&outcome, BookOutcome::NotAttempted(error) if error.code == "NoTimeToSell"), "{outcome:?}");
    assert_eq!((desk.calls("/dates"), desk.calls("/add_order")), (1, 0));
}

#[tokio::test]
async fn the_limit_of_the_account_is_said_and_survived() {
    let desk = Desk::open().await;
    desk.simulator.set_quirks(Quirks { calls_a_minute: 3, ..Quirks::default() });
    let error = desk.pull().await.unwrap_err();
    assert_eq!((error.class, error.retry_after), (Class::RateLimited, Some(Duration::from_secs(60))));
    let (outcome, _) = desk.book(&Desk::open_order(1)).await;
    assert!(matches!(&outcome, BookOutcome::NotAttempted(error) if error.code == "Throttled"), "{outcome:?}");
}

struct Silent;

impl passerelle_contract::Journal for Silent {
    fn about_to_sell<'a>(
        &'a self,
        _: &'a str,
    ) -> passerelle_contract::BoxFuture<'a, Result<(), passerelle_contract::AdapterError>> {
        Box::pin(async { Ok(()) })
    }
}
