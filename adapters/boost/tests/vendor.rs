//! What is peculiar to this vendor, against its simulator.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use passerelle_boost::simulator::{BoostSimulator, Quirks, SimShow};
use passerelle_contract::{
    Adapter, AdapterError, BookOutcome, BoxFuture, CancelOutcome, Completeness, Deadline, Journal, Order, Page, Pull,
    Quantity, Row, Screening, SessionKeeper, Ticket,
};
use passerelle_testkit::sessions::MemorySessions;
use passerelle_testkit::simulator::Simulator as _;

async fn pull(adapter: &dyn Adapter, known: &[i64]) -> Vec<Page<Screening>> {
    let known = known.iter().map(ToString::to_string).collect();
    let pass = adapter.screenings().unwrap().pull(Pull { from: None, known });
    pass.map(|page| page.unwrap()).collect().await
}

fn completeness(pages: &[Page<Screening>]) -> Completeness {
    pages.last().unwrap().end.as_ref().unwrap().completeness
}

/// Places of the shows that a pass states, by their number.
fn places(pages: &[Page<Screening>]) -> Vec<(String, u32)> {
    let mut all: Vec<(String, u32)> = pages
        .iter()
        .flat_map(|page| &page.rows)
        .filter_map(|row| {
            let Row::Good(screening) = row else { return None };
            let Quantity::Exactly(left) = screening.showtime.places[0].remaining else { panic!("unlimited") };
            Some((screening.showtime.key.clone(), left))
        })
        .collect();
    all.sort();
    all
}

struct Silent;

impl Journal for Silent {
    fn about_to_sell<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async { Ok(()) })
    }
}

async fn book(adapter: &dyn Adapter, order: &Order) -> BookOutcome {
    adapter.box_office().unwrap().book(order, &Silent, Deadline::after(Duration::from_secs(5))).await
}

fn order(quantity: u32) -> Order {
    Order { quantity, ..BoostSimulator::orders().open }
}

async fn sold(adapter: &dyn Adapter, quantity: u32) -> Vec<Ticket> {
    match book(adapter, &order(quantity)).await {
        BookOutcome::Booked(sale) => sale.tickets,
        other => panic!("{other:?}"),
    }
}

async fn cancel(adapter: &dyn Adapter, tickets: &[Ticket]) -> Vec<CancelOutcome> {
    adapter.box_office().unwrap().cancel(tickets, Deadline::after(Duration::from_secs(5))).await
}

#[tokio::test]
async fn full_shows_that_the_list_hides_are_not_gone_and_vanished_ones_are() {
    let (simulator, adapter) = common::cinema().await;
    let pages = pull(adapter.as_ref(), &[70_231, 70_260, 70_999]).await;
    assert_eq!(completeness(&pages), Completeness::Snapshot);
    let stated = places(&pages);
    assert!(stated.contains(&("70260".into(), 0)), "{stated:?}");
    assert!(stated.iter().all(|(key, _)| key != "70999"), "{stated:?}");
    // It is not asked for again at every pass.
    let asked =
        |simulator: &BoostSimulator| simulator.log().all().iter().filter(|call| call.path.ends_with("/70260")).count();
    pull(adapter.as_ref(), &[70_260]).await;
    assert_eq!(asked(&simulator), 1);
}

#[tokio::test]
async fn too_many_missing_shows_make_a_pass_partial() {
    let (_simulator, adapter) = common::cinema().await;
    let many: Vec<i64> = (80_000..80_060).collect();
    assert_eq!(completeness(&pull(adapter.as_ref(), &many).await), Completeness::Partial);
}

#[tokio::test]
async fn a_server_without_prices_in_its_list_is_asked_show_by_show() {
    let (simulator, adapter) = common::cinema().await;
    let new = places(&pull(adapter.as_ref(), &[]).await);
    simulator.set_quirks(Quirks { old_lists: true, ..Quirks::default() });
    let old = places(&pull(adapter.as_ref(), &[]).await);
    assert!(new.iter().all(|show| old.contains(show)), "{new:?} and {old:?}");
}

#[tokio::test]
async fn a_token_that_is_dropped_in_the_middle_is_got_again() {
    let (simulator, adapter) = common::cinema().await;
    for id in 0..250 {
        let template = simulator.show(70_231).unwrap();
        simulator.put_show(SimShow { id: 71_000 + id, ..template });
    }
    let mut pass = adapter.screenings().unwrap().pull(Pull::default());
    let mut shows = 0;
    while let Some(page) = pass.next().await {
        shows += page.unwrap().rows.len();
        simulator.revoke_tokens();
    }
    assert!(shows > 250, "{shows}");
}

#[tokio::test]
async fn two_processes_share_the_one_session_that_the_server_allows() {
    let simulator = BoostSimulator::start().await.unwrap();
    let kept = Arc::new(MemorySessions::default());
    let process = || common::adapter(&simulator, Some(Arc::clone(&kept) as Arc<dyn SessionKeeper>));
    let processes = [process(), process(), process()];
    let bookings = (0..48).map(|number| {
        let adapter = Arc::clone(&processes[number % processes.len()]);
        async move { book(adapter.as_ref(), &order(1)).await }
    });
    let outcomes = futures_util::future::join_all(bookings).await;
    let sold = outcomes.iter().filter(|outcome| matches!(outcome, BookOutcome::Booked(_))).count();
    assert_eq!((sold, simulator.seats_sold()), (48, 48), "{outcomes:?}");
    let sign_ins = || simulator.log().all().iter().filter(|call| call.path.ends_with("/login")).count();
    assert_eq!(sign_ins(), 1);
    // A process that starts later signs nobody out; when the server drops the token, one of them gets the next for all.
    assert!(matches!(book(process().as_ref(), &order(1)).await, BookOutcome::Booked(_)));
    assert_eq!(sign_ins(), 1);
    simulator.revoke_tokens();
    let one = order(1);
    let again = futures_util::future::join_all(processes.iter().map(|each| book(each.as_ref(), &one))).await;
    assert!(again.iter().all(|outcome| matches!(outcome, BookOutcome::Booked(_))), "{again:?}");
    assert_eq!(sign_ins(), 2);
    assert!(!kept.kept().is_empty() && kept.kept().iter().all(|text| !text.contains("jeton")), "it is kept sealed");
}

#[tokio::test]
async fn a_server_that_sells_in_one_step_is_not_asked_to_confirm() {
    let (simulator, adapter) = common::cinema().await;
    simulator.set_quirks(Quirks { one_step: true, ..Quirks::default() });
    assert_eq!(sold(adapter.as_ref(), 2).await.len(), 2);
    assert_eq!((simulator.sales().len(), simulator.seats_sold()), (1, 2));
}

#[tokio::test]
async fn a_surcharge_that_only_preparing_tells_sells_nothing() {
    let (simulator, adapter) = common::cinema().await;
    let show = simulator.show(70_231).unwrap();
    simulator.put_show(SimShow { surcharge: 150, ..show });
    match book(adapter.as_ref(), &order(1)).await {
        BookOutcome::NotAttempted(error) => assert_eq!(error.code, "PriceChanged"),
        other => panic!("{other:?}"),
    }
    assert_eq!(simulator.seats_sold(), 0);
}

#[tokio::test]
async fn one_barcode_for_two_seats_is_cancelled_once_and_a_used_one_never() {
    let (simulator, adapter) = common::cinema().await;
    let tickets = sold(adapter.as_ref(), 2).await;
    assert_eq!(tickets[0].barcode, tickets[1].barcode);
    assert_ne!(tickets[0].seat, tickets[1].seat);
    let before = simulator.log().len();
    assert!(matches!(
        cancel(adapter.as_ref(), &tickets).await[..],
        [CancelOutcome::Cancelled, CancelOutcome::Cancelled]
    ));
    assert_eq!(simulator.log().len(), before + 1);
    let again = cancel(adapter.as_ref(), &tickets[..1]).await;
    assert!(matches!(again[..], [CancelOutcome::AlreadyCancelled]), "{again:?}");

    let used = sold(adapter.as_ref(), 1).await;
    simulator.control(&used[0].barcode);
    let kept = cancel(adapter.as_ref(), &used).await;
    assert!(matches!(&kept[..], [CancelOutcome::Refused(why)] if why.contains("controlled")), "{kept:?}");
    // A barcode from before 2023 has no word in front.
    let plain = Ticket { barcode: used[0].barcode.trim_start_matches("sale-").into(), vendor: "{}".into(), seat: None };
    assert!(matches!(cancel(adapter.as_ref(), &[plain]).await[..], [CancelOutcome::Refused(_)]));
}

#[tokio::test]
async fn an_account_that_is_refused_three_times_is_left_alone() {
    let (simulator, adapter) = common::cinema().await;
    simulator.faults().next("login", 100, passerelle_testkit::simulator::Fault::Status(403));
    for _ in 0..6 {
        let mut pass = adapter.screenings().unwrap().pull(Pull::default());
        pass.next().await.unwrap().unwrap_err();
    }
    let logins = simulator.log().all().iter().filter(|call| call.path.ends_with("login")).count();
    assert_eq!(logins, 3);
}
