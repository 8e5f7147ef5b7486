//! What is peculiar to this vendor's orders: lost ones found, wrong ones taken back, voided ones voided again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/desk.rs"]
mod desk;

use desk::Desk;
use passerelle_contract::{BookOutcome, CancelOutcome, FindOutcome, Look, Order, Ticket};
use passerelle_ems::simulator::Quirks;
use passerelle_testkit::simulator::{Fault, Simulator as _};
use serde_json::{Value, json};

const OPEN: i64 = 615_400_027_711;
const OTHER_SHOW: i64 = 615_400_027_712;

/// A sale whose answer was lost, and what the journal has of it.
async fn lost(desk: &Desk, quantity: u32) -> (Order, String) {
    let order = Desk::order(OPEN, quantity);
    desk.simulator.faults().next("VENTE", 1, Fault::AfterEffect(Box::new(Fault::Status(500))));
    let (outcome, mut journal) = desk.book(&order).await;
    assert!(matches!(&outcome, BookOutcome::Unknown(suspicion) if suspicion.tickets.is_empty()), "{outcome:?}");
    (order, journal.remove(0))
}

/// The same ticket with another number at the vendor.
fn with(ticket: &Ticket, name: &str, value: Value) -> Ticket {
    let mut vendor: Value = serde_json::from_str(&ticket.vendor).unwrap();
    vendor[name] = value;
    Ticket { vendor: vendor.to_string(), ..ticket.clone() }
}

fn unclear(found: &FindOutcome, what: &str) {
    assert!(matches!(found, FindOutcome::Unclear(why) if why.contains(what)), "{what}: {found:?}");
}

#[tokio::test]
async fn a_lost_sale_is_found_by_its_number_and_taken_back() {
    let desk = Desk::open().await;
    let (order, trace) = lost(&desk, 2).await;
    for trace in [trace.as_str(), "", "{}"] {
        let FindOutcome::Sold(tickets) = desk.find(&order, trace, Look::Early).await else { panic!("not found") };
        assert_eq!(tickets.len(), 2);
    }
    let FindOutcome::Sold(tickets) = desk.find(&order, &trace, Look::Last).await else { panic!("not found") };
    let outcomes = desk.cancel(&tickets).await;
    assert!(matches!(outcomes[..], [CancelOutcome::Cancelled, CancelOutcome::Cancelled]), "{outcomes:?}");
    assert_eq!(desk.simulator.seats_sold(), 0);
}

#[tokio::test]
async fn an_order_that_is_not_there_was_not_sold_only_at_the_last_look() {
    let desk = Desk::open().await;
    let order = Desk::order(OPEN, 1);
    desk.simulator.faults().next("VENTE", 1, Fault::Html);
    let (outcome, journal) = desk.book(&order).await;
    assert!(matches!(outcome, BookOutcome::Unknown(_)), "{outcome:?}");
    unclear(&desk.find(&order, &journal[0], Look::Early).await, "yet");
    assert!(matches!(desk.find(&order, &journal[0], Look::Last).await, FindOutcome::NotSold));
    let looks = desk.adapter.box_office().unwrap().semantics().find_after;
    assert!(looks.len() >= 3 && looks.windows(2).all(|pair| pair[0].as_secs() + 60 <= pair[1].as_secs()));
    assert!(looks[0].as_secs() >= 90 && looks[1].as_secs() >= 180);
}

#[tokio::test]
async fn an_order_that_is_not_the_one_is_for_a_person() {
    let desk = Desk::open().await;
    let (order, trace) = lost(&desk, 2).await;
    let elsewhere = Order { show_key: OTHER_SHOW.to_string(), ..order.clone() };
    unclear(&desk.find(&elsewhere, &trace, Look::Last).await, "another show");
    let smaller = Order { quantity: 1, ..order.clone() };
    unclear(&desk.find(&smaller, &trace, Look::Last).await, "2 ticket(s)");
    for (answer, what) in [
        (r#"{"statut":1,"billets":[]}"#, "no tickets"),
        (r#"{"statut":1,"id_seance":"","billets":[{"code_barre":"1"},{"code_barre":"2"}]}"#, "0 of them"),
    ] {
        desk.simulator.faults().next("STATUT", 1, Fault::Body(answer.to_owned()));
        unclear(&desk.find(&order, &trace, Look::Last).await, what);
    }
    for trouble in ["{}", "null", "", r#"{"statut":0}"#] {
        desk.simulator.faults().next("STATUT", 1, Fault::Body(trouble.to_owned()));
        let found = desk.find(&order, &trace, Look::Last).await;
        assert!(matches!(found, FindOutcome::NotAsked(_)), "{trouble:?}: {found:?}");
    }
}

#[tokio::test]
async fn a_sale_of_the_wrong_size_is_taken_back_or_told_with_its_tickets() {
    let desk = Desk::open().await;
    for quirks in
        [Quirks { one_ticket_short: true, ..Quirks::default() }, Quirks { no_barcodes: true, ..Quirks::default() }]
    {
        desk.simulator.set_quirks(quirks);
        let (outcome, _) = desk.book(&Desk::order(OPEN, 2)).await;
        assert!(
            matches!(&outcome, BookOutcome::NotAttempted(error) if error.code == "WrongNumberOfTickets"),
            "{outcome:?}"
        );
        assert_eq!(desk.simulator.seats_sold(), 0);
    }
    desk.simulator.set_quirks(Quirks { one_ticket_short: true, ..Quirks::default() });
    desk.simulator.faults().next("ANNULATION", 1, Fault::Status(500));
    let (outcome, _) = desk.book(&Desk::order(OPEN, 2)).await;
    assert!(matches!(&outcome, BookOutcome::Unknown(suspicion) if suspicion.tickets.len() == 1), "{outcome:?}");
    // A refusal to take it back proves nothing, whatever is found or not found a moment later.
    let refused = r#"{"statut":0,"code_erreur":140}"#;
    desk.simulator.faults().next("ANNULATION", 1, Fault::Body(refused.to_owned()));
    desk.simulator.faults().next("STATUT", 1, Fault::Body(refused.to_owned()));
    let (outcome, _) = desk.book(&Desk::order(OPEN, 2)).await;
    assert!(matches!(&outcome, BookOutcome::Unknown(suspicion) if suspicion.tickets.len() == 1), "{outcome:?}");
    // Said to be sold, and not one ticket.
    desk.simulator.faults().next("VENTE", 1, Fault::Body(r#"{"statut":1,"billets":null}"#.to_owned()));
    let (outcome, _) = desk.book(&Desk::order(OPEN, 1)).await;
    assert!(matches!(outcome, BookOutcome::Unknown(_)), "{outcome:?}");
}

#[tokio::test]
async fn each_order_is_voided_with_one_call() {
    let desk = Desk::open().await;
    let mut tickets = desk.sold(OPEN, 2).await;
    tickets.extend(desk.sold(OTHER_SHOW, 1).await);
    let before = desk.simulator.log().len();
    let outcomes = desk.cancel(&tickets).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, CancelOutcome::Cancelled)), "{outcomes:?}");
    assert_eq!((desk.simulator.log().len() - before, desk.simulator.seats_sold()), (2, 0));
    for quirks in [
        Quirks { full_cancellations: true, ..Quirks::default() },
        Quirks { silent_cancellations: true, ..Quirks::default() },
    ] {
        desk.simulator.set_quirks(quirks);
        let tickets = desk.sold(OPEN, 1).await;
        assert!(matches!(desk.cancel(&tickets).await[..], [CancelOutcome::Cancelled]), "{quirks:?}");
    }
}

#[tokio::test]
async fn a_refused_cancellation_means_what_the_order_shows() {
    let desk = Desk::open().await;
    let tickets = desk.sold(OPEN, 2).await;
    let refused = r#"{"statut":0,"code_erreur":140,"message_erreur":"Billet contrôlé"}"#;
    let refuse = || desk.simulator.faults().next("ANNULATION", 1, Fault::Body(refused.to_owned()));
    // It is still there: the vendor keeps it.
    refuse();
    let kept = desk.cancel(&tickets).await;
    assert!(matches!(&kept[..], [CancelOutcome::Refused(why), _] if why.contains("140")), "{kept:?}");
    // The order is there, and this is no ticket of it.
    refuse();
    let odd = desk.cancel(&[with(&tickets[0], "num_ope", json!(1))]).await;
    assert!(matches!(odd[..], [CancelOutcome::NotFound]), "{odd:?}");
    // Trouble proves nothing.
    for trouble in [Fault::Status(500), Fault::Hang, Fault::Html, Fault::Body("{}".to_owned())] {
        refuse();
        desk.simulator.faults().next("STATUT", 1, trouble.clone());
        let doubt = desk.cancel(&tickets[..1]).await;
        assert!(matches!(doubt[..], [CancelOutcome::Unknown(_)]), "{trouble:?}: {doubt:?}");
    }
    assert_eq!(desk.simulator.seats_sold(), 2);
    assert!(matches!(desk.cancel(&tickets[1..]).await[..], [CancelOutcome::Cancelled]));
    assert!(matches!(desk.cancel(&tickets[..1]).await[..], [CancelOutcome::AlreadyCancelled]));
    // Whether voided orders can be looked up is not known; if they can, a person decides.
    desk.simulator.set_quirks(Quirks { shows_voided: true, ..Quirks::default() });
    assert!(matches!(desk.cancel(&tickets[..1]).await[..], [CancelOutcome::Refused(_)]));
}

#[tokio::test]
async fn a_ticket_of_another_site_is_not_touched() {
    let desk = Desk::open().await;
    let tickets = desk.sold(OPEN, 1).await;
    let before = desk.simulator.log().len();
    let elsewhere = with(&tickets[0], "num_cine", json!("0042"));
    let unreadable = Ticket { vendor: "{}".to_owned(), ..tickets[0].clone() };
    let outcomes = desk.cancel(&[elsewhere, unreadable]).await;
    assert!(matches!(outcomes[..], [CancelOutcome::Refused(_), CancelOutcome::Refused(_)]), "{outcomes:?}");
    assert_eq!((desk.simulator.log().len(), desk.simulator.seats_sold()), (before, 1));
}
