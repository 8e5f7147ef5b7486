//! Orders whose barcodes are late, that are lost, of the wrong size or at the wrong session; and taking them back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::Desk;
use passerelle_billetweb::simulator::{BilletwebSimulator, Quirks};
use passerelle_contract::{BookOutcome, CancelOutcome, FindOutcome, Look, Order, Refusal, Ticket};
use passerelle_testkit::simulator::{Fault, Simulator as _};

/// A sale whose answer was lost, and what the journal has of it.
async fn lost(desk: &Desk, quantity: u32) -> (Order, String) {
    let order = Desk::open_order(quantity);
    desk.simulator.faults().next("add_order", 1, Fault::AfterEffect(Box::new(Fault::Status(500))));
    let (outcome, mut journal) = desk.book(&order).await;
    assert!(matches!(&outcome, BookOutcome::Unknown(suspicion) if suspicion.tickets.is_empty()), "{outcome:?}");
    (order, journal.remove(0))
}

fn unclear(found: &FindOutcome, what: &str) {
    assert!(matches!(found, FindOutcome::Unclear(why) if why.contains(what)), "{what}: {found:?}");
}

fn all_void(outcomes: &[CancelOutcome]) -> bool {
    outcomes.iter().all(|one| matches!(one, CancelOutcome::Cancelled | CancelOutcome::AlreadyCancelled))
}

#[tokio::test]
async fn barcodes_that_are_late_are_waited_for_and_not_invented() {
    let desk = Desk::open().await;
    desk.simulator.set_quirks(Quirks { late_attendees: 2, ..Quirks::default() });
    desk.sold(&Desk::open_order(2)).await;
    assert_eq!(desk.calls("/attendees"), 3);
    desk.simulator.set_quirks(Quirks { late_attendees: 3, ..Quirks::default() });
    let order = Desk::open_order(2);
    let (outcome, journal) = desk.book(&order).await;
    let named = matches!(&outcome, BookOutcome::Unknown(suspicion)
        if suspicion.error.code == "NoBarcodeYet" && suspicion.error.context.contains("70000"));
    assert!(named, "{outcome:?}");
    let FindOutcome::Sold(tickets) = desk.find(&order, &journal[0], Look::Early).await else { panic!("not found") };
    assert!(all_void(&desk.cancel(&tickets).await));
    assert_eq!(desk.simulator.seats_sold(), 2);
}

#[tokio::test]
async fn a_late_answer_to_a_sale_is_better_than_none() {
    let desk = Desk::open().await;
    // Later than the second that any other answer has.
    let late = Fault::Delay(Duration::from_millis(1_500));
    desk.simulator.faults().next("add_order", 1, Fault::AfterEffect(Box::new(late)));
    assert_eq!(desk.sold(&Desk::open_order(2)).await.len(), 2);
}

#[tokio::test]
async fn a_lost_sale_is_found_by_its_address_among_others() {
    let desk = Desk::open().await;
    desk.sold(&Desk::open_order(1)).await;
    desk.simulator.set_quirks(Quirks { ignores_email: true, ..Quirks::default() });
    let (order, trace) = lost(&desk, 2).await;
    for trace in [trace.as_str(), "", "{}"] {
        let FindOutcome::Sold(tickets) = desk.find(&order, trace, Look::Early).await else { panic!("not found") };
        assert_eq!(tickets.len(), 2);
    }
    let smaller = Order { quantity: 1, ..order.clone() };
    unclear(&desk.find(&smaller, &trace, Look::Last).await, "2 ticket(s)");
}

#[tokio::test]
async fn a_sale_that_is_not_listed_was_not_made_only_at_the_last_look() {
    let desk = Desk::open().await;
    let order = Desk::open_order(1);
    desk.simulator.faults().next("add_order", 1, Fault::Html);
    let (outcome, journal) = desk.book(&order).await;
    assert!(matches!(outcome, BookOutcome::Unknown(_)), "{outcome:?}");
    unclear(&desk.find(&order, &journal[0], Look::Early).await, "yet");
    assert!(matches!(desk.find(&order, &journal[0], Look::Last).await, FindOutcome::NotSold));
    for trouble in [r#"{"error":"boom"}"#, "{}", "null", r#"{"error":"rate_limiting"}"#] {
        desk.simulator.faults().next("attendees", 1, Fault::Body(trouble.to_owned()));
        let found = desk.find(&order, &journal[0], Look::Last).await;
        assert!(matches!(found, FindOutcome::NotAsked(_)), "{trouble}: {found:?}");
    }
}

#[tokio::test]
async fn a_sale_of_the_wrong_size_or_for_no_session_is_taken_back_or_told() {
    for (quirks, code) in [
        (Quirks { one_order_short: true, ..Quirks::default() }, "WrongNumberOfTickets"),
        (Quirks { ignores_session: true, ..Quirks::default() }, "SoldElsewhere"),
    ] {
        let desk = Desk::open().await;
        desk.simulator.set_quirks(quirks);
        let (outcome, _) = desk.book(&Desk::open_order(2)).await;
        assert!(matches!(&outcome, BookOutcome::NotAttempted(error) if error.code == code), "{outcome:?}");
        assert_eq!(desk.simulator.seats_sold(), 0);
        desk.simulator.set_quirks(Quirks { keeps_deleted: true, ..quirks });
        let (outcome, journal) = desk.book(&Desk::open_order(2)).await;
        let sold = desk.simulator.seats_sold() as usize;
        assert!(matches!(&outcome, BookOutcome::Unknown(suspicion) if suspicion.tickets.len() == sold), "{outcome:?}");
        assert_eq!((journal.len(), desk.calls("/add_order")), (1, 2));
    }
    // A sale of which one is made and the other is not even listed afterwards proves nothing either.
    let desk = Desk::open().await;
    desk.simulator.set_quirks(Quirks { one_order_short: true, ..Quirks::default() });
    desk.simulator.faults().next("attendees", 9, Fault::Status(500));
    let (outcome, _) = desk.book(&Desk::open_order(2)).await;
    assert!(matches!(outcome, BookOutcome::Unknown(_)), "{outcome:?}");
}

#[tokio::test]
async fn an_answer_that_names_no_order_of_ours_is_a_doubt() {
    for body in [r#"[{"id":"1","request_id":"pc-OTHER-1"}]"#, r#"[{"id":null,"request_id":"x"}]"#, r#"{"ok":1}"#] {
        let desk = Desk::open().await;
        desk.simulator.faults().next("add_order", 1, Fault::AfterEffect(Box::new(Fault::Body(body.to_owned()))));
        let (outcome, _) = desk.book(&Desk::open_order(1)).await;
        assert!(matches!(outcome, BookOutcome::Unknown(_)), "{body}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_no_of_an_unknown_code_is_a_refusal_only_when_the_places_are_gone_and_none_to_us() {
    let desk = Desk::open().await;
    let order = Desk::order(&BilletwebSimulator::orders().last_place, 1);
    desk.simulator.faults().next(
        "add_order",
        1,
        Fault::Body(r#"{"error":"quota","description":"Complet"}"#.to_owned()),
    );
    let (outcome, _) = desk.book(&order).await;
    assert!(matches!(outcome, BookOutcome::Unknown(_)), "there is a place and the vendor says no: {outcome:?}");
    // Somebody else took the last place between our look and the sale.
    desk.sold(&Desk::order(&BilletwebSimulator::orders().last_place, 1)).await;
    let taken = r#"[{"id":"98703","start":"2099-05-14 20:30:00","quota":"1","total_sales":"0","tickets":[]}]"#;
    desk.simulator.faults().next("/dates", 1, Fault::Body(taken.to_owned()));
    desk.simulator.set_quirks(Quirks { enforces_stock: true, ..Quirks::default() });
    let (outcome, _) = desk.book(&order).await;
    assert!(matches!(outcome, BookOutcome::Refused(Refusal::SoldOut)), "{outcome:?}");
    // Of two seats one was made before the no: that is no refusal.
    let desk = Desk::open().await;
    let two = r#"[{"id":"98703","start":"2099-05-14 20:30:00","quota":"2","total_sales":"0","tickets":[]}]"#;
    desk.simulator.faults().next("/dates", 1, Fault::Body(two.to_owned()));
    desk.simulator.set_quirks(Quirks { enforces_stock: true, ..Quirks::default() });
    let order = Desk::order(&BilletwebSimulator::orders().last_place, 2);
    let (outcome, journal) = desk.book(&order).await;
    assert!(matches!(outcome, BookOutcome::Unknown(_)), "{outcome:?}");
    assert_eq!(desk.simulator.seats_sold(), 1);
    unclear(&desk.find(&order, &journal[0], Look::Last).await, "1 ticket(s)");
}

#[tokio::test]
async fn one_call_takes_both_seats_back_and_the_list_is_what_counts() {
    let desk = Desk::open().await;
    let tickets = desk.sold(&Desk::open_order(2)).await;
    assert!(all_void(&desk.cancel(&tickets).await));
    assert_eq!((desk.calls("/delete_order"), desk.simulator.seats_sold()), (1, 0));
    let again = desk.cancel(&tickets).await;
    assert!(matches!(again[..], [CancelOutcome::AlreadyCancelled, CancelOutcome::AlreadyCancelled]), "{again:?}");
    assert_eq!(desk.calls("/delete_order"), 1, "what is void is not deleted again");
    // Yes said and nothing done.
    desk.simulator.set_quirks(Quirks { keeps_deleted: true, ..Quirks::default() });
    let tickets = desk.sold(&Desk::open_order(1)).await;
    let kept = desk.cancel(&tickets).await;
    assert!(matches!(&kept[..], [CancelOutcome::Unknown(error)] if error.code == "OrderStillThere"), "{kept:?}");
    // The answer lost, the work done: the list shows it.
    desk.simulator.set_quirks(Quirks::default());
    desk.simulator.faults().next("delete_order", 1, Fault::AfterEffect(Box::new(Fault::Html)));
    let outcomes = desk.cancel(&tickets).await;
    assert!(matches!(outcomes[..], [CancelOutcome::Cancelled]), "{outcomes:?}");
}

#[tokio::test]
async fn deleted_orders_that_are_no_longer_listed_are_gone() {
    let desk = Desk::open().await;
    desk.simulator.set_quirks(Quirks { purges_deleted: true, ..Quirks::default() });
    let tickets = desk.sold(&Desk::open_order(2)).await;
    assert!(matches!(desk.cancel(&tickets).await[..], [CancelOutcome::Cancelled, CancelOutcome::Cancelled]));
    let again = desk.cancel(&tickets).await;
    assert!(matches!(again[..], [CancelOutcome::NotFound, CancelOutcome::NotFound]), "{again:?}");
}

#[tokio::test]
async fn a_scanned_ticket_is_kept_and_its_neighbour_is_not() {
    let desk = Desk::open().await;
    let tickets = desk.sold(&Desk::open_order(2)).await;
    desk.simulator.scan(&tickets[0].barcode);
    let outcomes = desk.cancel(&tickets).await;
    assert!(
        matches!(&outcomes[..], [CancelOutcome::Refused(why), CancelOutcome::Cancelled] if why.contains("scanned")),
        "{outcomes:?}"
    );
    assert_eq!(desk.simulator.seats_sold(), 1);
}

#[tokio::test]
async fn tickets_of_several_bookings_and_of_none_each_have_their_outcome() {
    let desk = Desk::open().await;
    let mut tickets = desk.sold(&Desk::open_order(1)).await;
    tickets.push(Ticket { vendor: "{}".to_owned(), ..tickets[0].clone() });
    tickets.extend(desk.sold(&Desk::open_order(1)).await);
    let outcomes = desk.cancel(&tickets).await;
    assert!(
        matches!(outcomes[..], [CancelOutcome::Cancelled, CancelOutcome::Refused(_), CancelOutcome::Cancelled]),
        "{outcomes:?}"
    );
    assert_eq!(desk.simulator.seats_sold(), 0);
}
