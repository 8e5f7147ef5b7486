//! What is peculiar to pretix: its passes and its orders, against its simulator.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/desk.rs"]
mod desk;

use desk::{Desk, LEAK};
use futures_util::StreamExt as _;
use passerelle_contract::{
    Adapter, BookOutcome, CancelOutcome, Cents, Class, Completeness, End, FindOutcome, Look, Order, Places, ProbeKind,
    Pull, Quantity, Refusal, Row, Screening,
};
use passerelle_pretix::simulator::{ITEM, ITEM_WITH_KINDS, Quirks, SERIES, SINGLE, SimShow};
use passerelle_testkit::simulator::{Fault, Simulator as _};
use serde_json::{Value, json};

const OPEN: i64 = 101;
const FIVE_LEFT: i64 = 102;
const OFF: i64 = 107;
const UNLIMITED: i64 = 108;
const CLOSED: i64 = 109;

/// A whole pass: its rows and its end.
async fn pull(adapter: &dyn Adapter) -> (Vec<Row<Screening>>, End) {
    let mut pass = adapter.screenings().unwrap().pull(Pull::default());
    let (mut rows, mut end) = (Vec::new(), None);
    while let Some(page) = pass.next().await {
        let page = page.unwrap();
        rows.extend(page.rows);
        end = page.end;
    }
    (rows, end.unwrap())
}

fn places(rows: &[Row<Screening>], show: &str) -> Vec<Places> {
    let good = rows.iter().find_map(|row| match row {
        Row::Good(screening) if screening.showtime.key == show => Some(screening.showtime.places.clone()),
        _ => None,
    });
    good.unwrap_or_default()
}

fn lefts(rows: &[Row<Screening>], show: i64) -> Vec<Quantity> {
    places(rows, &format!("{SERIES}/{show}")).iter().map(|one| one.remaining).collect()
}

#[tokio::test]
async fn a_pass_states_each_price_category_of_each_date() {
    let (simulator, adapter) = common::organizer().await;
    let (rows, end) = pull(adapter.as_ref()).await;
    assert_eq!((rows.len(), end.completeness, end.cursor), (10, Completeness::Snapshot, None));
    let exactly = Quantity::Exactly;
    // The second quota holds the first item alone.
    assert_eq!(lefts(&rows, FIVE_LEFT), [exactly(5), exactly(60), exactly(60)]);
    assert_eq!(lefts(&rows, UNLIMITED), [Quantity::Unlimited]);
    assert_eq!((lefts(&rows, OFF), lefts(&rows, CLOSED)), (vec![exactly(0); 3], vec![exactly(0); 3]));
    let [single] = &places(&rows, "fanfare/-")[..] else { panic!("one place") };
    assert_eq!(
        (single.tariff.label.as_str(), single.tariff.price, single.remaining),
        ("Debout", Cents(1_500), exactly(200))
    );
    let title = |key: &str| {
        rows.iter().find_map(|row| match row {
            Row::Good(screening) if screening.film.key == key => Some(screening.film.title.clone()),
            _ => None,
        })
    };
    // It has no French name, so that its language was asked for.
    assert_eq!(title(SINGLE).as_deref(), Some("The Brass Band"));
    let asked = simulator.log().all().into_iter().filter(|call| call.path.ends_with("/settings/")).count();
    assert_eq!(asked, 1);
    assert_eq!(adapter.screenings().unwrap().expectations().gone_after, 2);
    let kind = adapter.kind();
    assert_eq!((kind.category.as_str(), kind.music_type), ("SPECTACLE_REPRESENTATION", None));
    assert_eq!(kind.booking_contact.as_deref(), Some("billetterie@theatre.example"));
}

#[tokio::test]
async fn pages_are_counted_here_and_no_address_of_the_vendors_is_followed() {
    let (simulator, adapter) = common::organizer().await;
    let whole = pull(adapter.as_ref()).await.0;
    simulator.set_quirks(Quirks { small_pages: true, ..Quirks::default() });
    simulator.log().clear();
    // `next` names a host that does not exist.
    assert_eq!(pull(adapter.as_ref()).await.0, whole);
    let pages = simulator.log().all().into_iter().filter(|call| call.path.ends_with("/subevents/"));
    let queries: Vec<String> = pages.map(|call| call.query).collect();
    let expected: Vec<String> = (1..=5).map(|page| format!("is_future=true&page={page}")).collect();
    assert_eq!(queries, expected);
}

#[tokio::test]
async fn items_of_the_settings_are_the_only_ones() {
    let (_simulator, adapter) = common::organizer_with(&[("items", json!([13, ITEM_WITH_KINDS.0, 14]))]).await;
    let (rows, _) = pull(adapter.as_ref()).await;
    let keys: Vec<String> = places(&rows, "mouette/101").into_iter().map(|one| one.key).collect();
    // A thing without admission because it is named; never one that needs a voucher.
    assert_eq!(keys, ["mouette/101/12/21", "mouette/101/12/22", "mouette/101/13/-"]);
    let other = rows.iter().any(|row| matches!(row, Row::Poison(error) if error.key.as_deref() == Some("fanfare/-")));
    assert!(other, "an event without any of them says so");
}

#[tokio::test]
async fn an_event_that_cannot_be_seen_hides_nothing_of_the_others_and_withdraws_nothing() {
    let (simulator, adapter) = common::organizer().await;
    simulator.remove_event(SINGLE);
    let (rows, end) = pull(adapter.as_ref()).await;
    assert_eq!((rows.len(), end.completeness), (9, Completeness::Partial));
    assert!(end.warnings[0].contains("event fanfare"), "{:?}", end.warnings);
    // Not one of them: the token, or the organizer, is wrong.
    simulator.remove_event(SERIES);
    let error = adapter.screenings().unwrap().pull(Pull::default()).next().await.unwrap().unwrap_err();
    assert_eq!((error.class, error.code), (Class::Auth, "Forbidden"));
}

#[tokio::test]
async fn what_is_switched_off_stays_and_has_no_places() {
    let (simulator, adapter) = common::organizer().await;
    let mut event = simulator.event(SERIES).unwrap();
    event.live = false;
    simulator.put_event(event);
    let (rows, end) = pull(adapter.as_ref()).await;
    assert_eq!(end.completeness, Completeness::Snapshot);
    assert_eq!(lefts(&rows, OPEN), [Quantity::Exactly(0); 3]);
}

#[tokio::test]
async fn quotas_that_say_nothing_make_a_pass_partial_and_a_sale_impossible() {
    let desk = Desk::open().await;
    desk.simulator.set_quirks(Quirks { silent_quotas: true, ..Quirks::default() });
    let (rows, end) = pull(desk.adapter.as_ref()).await;
    assert_eq!((lefts(&rows, OPEN), end.completeness), (Vec::new(), Completeness::Partial));
    let (outcome, written) = desk.book(&Desk::order(1)).await;
    assert!(matches!(outcome, BookOutcome::NotAttempted(error) if error.code == "MalformedBody"));
    assert!(written.is_empty());
}

#[tokio::test]
async fn an_order_says_all_that_it_must_and_names_nobody() {
    let desk = Desk::open().await;
    let order = Desk::order(2);
    let (outcome, written) = desk.book(&order).await;
    let BookOutcome::Booked(sale) = outcome else { panic!("{outcome:?}") };
    let code = format!("PC{}", &order.reference.0[..12]);
    assert_eq!(written, [format!(r#"{{"event":"mouette","code":"{code}"}}"#)]);
    let [body] = &desk.simulator.bodies()[..] else { panic!("one order") };
    assert!(!body.contains(LEAK) && !body.contains("Kanari"), "{body}");
    let position = json!({ "item": ITEM, "variation": null, "subevent": OPEN, "price": "12.00" });
    let expected = json!({
        "code": code, "status": "p", "payment_provider": "manual", "send_email": false, "email": null,
        "sales_channel": "web", "comment": format!("pass Culture, {}", order.reference), "positions": [position, position],
    });
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), expected);
    let kept: Value = serde_json::from_str(&sale.tickets[1].vendor).unwrap();
    assert_eq!(kept, json!({ "organizer": "demo", "event": "mouette", "order": code, "position": 5_002 }));
}

#[tokio::test]
async fn kinds_and_single_dates_are_sold_by_their_keys() {
    let desk = Desk::open().await;
    for (places_key, cents) in [("mouette/101/12/22", 2_000), ("mouette/101/12/21", 2_500), ("fanfare/-/31/-", 1_500)] {
        let order = Order { places_key: places_key.to_owned(), price: Cents(cents), ..Desk::order(1) };
        let (outcome, _) = desk.book(&order).await;
        assert!(matches!(outcome, BookOutcome::Booked(_)), "{places_key}: {outcome:?}");
    }
    for (places_key, refusal) in [
        ("mouette/101/12/23", Refusal::NoTariff),
        ("mouette/101/12/-", Refusal::NoTariff),
        ("mouette/101/14/-", Refusal::NoTariff),
        ("mouette/101/99/-", Refusal::NoTariff),
        ("mouette/-/11/-", Refusal::ShowGone),
        ("fanfare/101/31/-", Refusal::ShowGone),
        ("mouette/107/11/-", Refusal::SalesClosed),
        ("mouette/109/11/-", Refusal::SoldOut),
    ] {
        let (outcome, written) = desk.book(&Order { places_key: places_key.to_owned(), ..Desk::order(1) }).await;
        let right = matches!(&outcome, BookOutcome::Refused(said) if format!("{said:?}") == format!("{refusal:?}"));
        assert!(right && written.is_empty(), "{places_key}: {outcome:?}");
    }
    let (outcome, _) = desk.book(&Order { places_key: "elsewhere".to_owned(), ..Desk::order(1) }).await;
    assert!(matches!(outcome, BookOutcome::NotAttempted(error) if error.code == "UnreadableShow"));
}

#[tokio::test]
async fn sales_end_with_presale() {
    let desk = Desk::open().await;
    let show = desk.simulator.show(OPEN).unwrap();
    desk.simulator.put_show(SimShow { presale_end: Some(1_000_000_000), ..show });
    let (outcome, _) = desk.book(&Desk::order(1)).await;
    assert!(matches!(outcome, BookOutcome::Refused(Refusal::SalesClosed)), "{outcome:?}");
}

#[tokio::test]
async fn the_last_seats_going_in_between_is_sold_out() {
    let desk = Desk::open().await;
    desk.simulator.set_quirks(Quirks { sells_in_between: true, ..Quirks::default() });
    let (outcome, written) = desk.book(&Desk::order(2)).await;
    assert!(matches!(outcome, BookOutcome::Refused(Refusal::SoldOut)), "{outcome:?}");
    assert_eq!((written.len(), desk.simulator.seats_sold()), (1, 0));
}

#[tokio::test]
async fn only_a_refusal_in_pretixs_own_words_sold_nothing() {
    let desk = Desk::open().await;
    let quota = r#"{"positions":[{"item":["The product is not assigned to a quota."]}]}"#;
    for (status, body, sold_nothing) in [
        (400, quota, true),
        (400, r#"{"sales_channel":["Unknown sales channel."]}"#, true),
        (400, r#"["You cannot create a paid order without a payment provider."]"#, true),
        (403, r#"{"detail":"You do not have permission."}"#, true),
        (429, r#"{"detail":"Throttled."}"#, true),
        (400, "<h1>Bad Request</h1>", false),
        (400, "7", false),
        (409, r#"{"detail":"Concurrent request with idempotency key."}"#, false),
        (500, "<h1>Server Error</h1>", false),
        (200, r#"{"code":"PCX","status":"p","positions":[]}"#, false),
        (201, r#"{"code":"PCX","status":"p","positions":[]}"#, false),
        (201, "{}", false),
        // A whole and proper order, of somebody else.
        (
            201,
            r#"{"code":"PCX","status":"p","positions":[{"id":1,"item":11,"subevent":101,"price":"12.00","secret":"k"}]}"#,
            false,
        ),
    ] {
        desk.simulator.answer_next_order(status, body);
        let (outcome, _) = desk.book(&Desk::order(1)).await;
        let told = match &outcome {
            BookOutcome::NotAttempted(error) => Some((true, error.to_string())),
            BookOutcome::Unknown(suspicion) => Some((false, suspicion.error.to_string())),
            _ => None,
        };
        let (nothing, words) = told.unwrap_or_else(|| panic!("{status} {body}: {outcome:?}"));
        assert_eq!(nothing, sold_nothing, "{status} {body}: {words}");
        assert!(!words.contains("quota.") && !words.contains("channel."), "the vendor's words: {words}");
    }
    assert_eq!(desk.simulator.seats_sold(), 0);
}

#[tokio::test]
async fn an_order_that_came_twice_is_sold_once() {
    const IN_USE: &str = r#"{"code":["This order code is already in use."]}"#;
    let desk = Desk::open().await;
    let order = Desk::order(2);
    let BookOutcome::Booked(first) = desk.book(&order).await.0 else { panic!("no sale") };
    // The same key, so that pretix repeats its answer; then as if the key had been forgotten.
    for forgotten in [false, true] {
        if forgotten {
            desk.simulator.answer_next_order(400, IN_USE);
        }
        let BookOutcome::Booked(again) = desk.book(&order).await.0 else { panic!("not found again") };
        assert_eq!((&first.tickets, desk.simulator.seats_sold()), (&again.tickets, 2));
    }
    // Under our code and not as ordered, or not there at all: for a person, and nothing is touched.
    for other in [Order { quantity: 1, ..order }, Desk::order(1)] {
        desk.simulator.answer_next_order(400, IN_USE);
        let (outcome, _) = desk.book(&other).await;
        assert!(matches!(outcome, BookOutcome::Unknown(_)), "{outcome:?}");
        assert_eq!(desk.simulator.seats_sold(), 2);
    }
}

#[tokio::test]
async fn an_order_of_the_wrong_size_or_price_is_taken_back() {
    for quirks in [
        Quirks { one_ticket_short: true, ..Quirks::default() },
        Quirks { list_price: true, ..Quirks::default() },
        Quirks { no_secrets: true, ..Quirks::default() },
    ] {
        let desk = Desk::open().await;
        desk.simulator.set_quirks(quirks);
        let (outcome, _) = desk.book(&Desk::order(2)).await;
        assert!(
            matches!(&outcome, BookOutcome::NotAttempted(error) if error.code == "WrongNumberOfTickets"),
            "{outcome:?}"
        );
        assert_eq!((desk.simulator.sales().len(), desk.simulator.seats_sold()), (1, 0));
    }
    let desk = Desk::open().await;
    desk.simulator.set_quirks(Quirks { one_ticket_short: true, keeps_orders: true, ..Quirks::default() });
    let (outcome, _) = desk.book(&Desk::order(2)).await;
    let BookOutcome::Unknown(suspicion) = outcome else { panic!("{outcome:?}") };
    assert_eq!((suspicion.tickets.len(), desk.simulator.seats_sold()), (1, 1));
}

#[tokio::test]
async fn a_lost_order_is_found_by_its_code_and_never_too_early_called_unsold() {
    let desk = Desk::open().await;
    let order = Desk::order(2);
    let path = "/orders/";
    desk.simulator.faults().next(path, 1, Fault::AfterEffect(Box::new(Fault::Status(502))));
    let (outcome, written) = desk.book(&order).await;
    assert!(matches!(outcome, BookOutcome::Unknown(_)));
    let FindOutcome::Sold(tickets) = desk.find(&order, &written[0], Look::Early).await else { panic!("not found") };
    assert_eq!((tickets.len(), desk.simulator.seats_sold()), (2, 2));
    // Without its trace too: the code comes from the reference.
    assert!(matches!(desk.find(&order, "{}", Look::Early).await, FindOutcome::Sold(_)));
    let other = Order { price: Cents(900), ..order.clone() };
    assert!(matches!(desk.find(&other, &written[0], Look::Last).await, FindOutcome::Unclear(_)), "another price");
    desk.cancel(&tickets[..1]).await;
    assert!(matches!(desk.find(&order, &written[0], Look::Last).await, FindOutcome::Unclear(_)), "one of two");
    desk.cancel(&tickets).await;
    assert!(matches!(desk.find(&order, &written[0], Look::Early).await, FindOutcome::NotSold));
    let never = Desk::order(1);
    assert!(matches!(desk.find(&never, "{}", Look::Early).await, FindOutcome::Unclear(_)));
    assert!(matches!(desk.find(&never, "{}", Look::Last).await, FindOutcome::NotSold));
    desk.simulator.faults().next(path, 1, Fault::Status(404));
    assert!(matches!(desk.find(&order, "{}", Look::Last).await, FindOutcome::NotAsked(_)), "somebody else's 404");
}

#[tokio::test]
async fn the_last_ticket_goes_with_its_order() {
    let desk = Desk::open().await;
    let tickets = desk.sold(2).await;
    assert!(matches!(desk.cancel(&tickets[..1]).await[..], [CancelOutcome::Cancelled]));
    assert_eq!((desk.calls("/change/"), desk.calls("/mark_canceled/"), desk.simulator.seats_sold()), (1, 0, 1));
    let outcomes = desk.cancel(&tickets).await;
    assert!(matches!(outcomes[..], [CancelOutcome::AlreadyCancelled, CancelOutcome::Cancelled]), "{outcomes:?}");
    assert_eq!((desk.calls("/change/"), desk.calls("/mark_canceled/"), desk.simulator.seats_sold()), (1, 1, 0));
}

#[tokio::test]
async fn tickets_of_several_orders_are_told_apart_and_in_order() {
    let desk = Desk::open().await;
    let (first, second) = (desk.sold(2).await, desk.sold(1).await);
    desk.simulator.scan(&first[1].barcode);
    let stranger = passerelle_contract::Ticket { vendor: first[0].vendor.replace("demo", "autre"), ..first[0].clone() };
    let unknown = passerelle_contract::Ticket { vendor: first[0].vendor.replace("500", "900"), ..first[0].clone() };
    let all = [stranger, second[0].clone(), first[1].clone(), unknown, first[0].clone(), first[0].clone()];
    let outcomes = desk.cancel(&all).await;
    assert!(
        matches!(
            outcomes[..],
            [
                CancelOutcome::Refused(_),
                CancelOutcome::Cancelled,
                CancelOutcome::Refused(_),
                CancelOutcome::NotFound,
                CancelOutcome::Cancelled,
                CancelOutcome::Cancelled,
            ]
        ),
        "{outcomes:?}"
    );
    assert_eq!(desk.simulator.seats_sold(), 1, "who is inside keeps the seat");
}

#[tokio::test]
async fn a_refused_cancellation_is_looked_at_again_and_then_told() {
    let desk = Desk::open().await;
    let tickets = desk.sold(2).await;
    desk.cancel(&tickets[..1]).await;
    desk.simulator.set_quirks(Quirks { keeps_orders: true, ..Quirks::default() });
    let outcomes = desk.cancel(&tickets).await;
    let right =
        matches!(&outcomes[..], [CancelOutcome::AlreadyCancelled, CancelOutcome::Refused(why)] if why.contains("PC"));
    assert!(right, "{outcomes:?}");
    assert_eq!((desk.calls("/mark_canceled/"), desk.simulator.seats_sold()), (2, 1));
}

#[tokio::test]
async fn a_first_event_with_nothing_to_sell_is_healthy_and_a_concern() {
    let (_simulator, adapter) = common::organizer_with(&[("items", json!([999]))]).await;
    let probes = adapter.probes();
    let probe = probes.iter().find(|probe| probe.kind == ProbeKind::ReadOne).unwrap();
    assert!((probe.ask)().await.unwrap().concern.unwrap().0.contains("mouette"));
}
