//! What is peculiar to this vendor, against its simulator.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use futures_util::StreamExt as _;
use passerelle_cds::DESCRIPTOR;
use passerelle_cds::simulator::{ACCOUNT_ID, API_TOKEN, CINEMA_ID, CdsSimulator, Quirks, SimShow};
use passerelle_contract::{
    Adapter, AdapterError, BookOutcome, BoxFuture, CancelOutcome, Cents, Completeness, Context, Deadline, Journal,
    Order, Page, Pull, Quantity, Refusal, Row, Screening, Ticket,
};
use passerelle_testkit::simulator::{Fault, Simulator as _};

async fn pull(adapter: &dyn Adapter) -> Vec<Page<Screening>> {
    let pass = adapter.screenings().unwrap().pull(Pull::default());
    pass.map(|page| page.unwrap()).collect().await
}

struct Counts(std::sync::Mutex<Vec<String>>);

impl Journal for Counts {
    fn about_to_sell<'a>(&'a self, trace: &'a str) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move {
            self.0.lock().unwrap().push(trace.to_owned());
            Ok(())
        })
    }
}

async fn book(adapter: &dyn Adapter, order: &Order) -> (BookOutcome, usize) {
    let journal = Counts(std::sync::Mutex::default());
    let outcome = adapter.box_office().unwrap().book(order, &journal, Deadline::after(Duration::from_secs(5))).await;
    (outcome, journal.0.into_inner().unwrap().len())
}

fn order(show: i64, quantity: u32) -> Order {
    let open = CdsSimulator::orders().open;
    Order { show_key: show.to_string(), places_key: show.to_string(), quantity, ..open }
}

async fn sold(adapter: &dyn Adapter, show: i64, quantity: u32) -> Vec<Ticket> {
    match book(adapter, &order(show, quantity)).await.0 {
        BookOutcome::Booked(sale) => sale.tickets,
        other => panic!("{other:?}"),
    }
}

async fn cancel(adapter: &dyn Adapter, tickets: &[Ticket]) -> Vec<CancelOutcome> {
    adapter.box_office().unwrap().cancel(tickets, Deadline::after(Duration::from_secs(5))).await
}

fn seats(tickets: &[Ticket]) -> Vec<Option<&str>> {
    tickets.iter().map(|ticket| ticket.seat.as_deref()).collect()
}

#[tokio::test]
async fn seats_are_named_as_each_room_names_them() {
    let (simulator, adapter) = common::cinema().await;
    assert_eq!(seats(&sold(adapter.as_ref(), 90_417, 2).await), [Some("B_5"), Some("B_4")]);
    // A room with a table of labels, in which one seat has none: that seat is never sold.
    let mut names: Vec<String> = Vec::new();
    for _ in 0..7 {
        let tickets = sold(adapter.as_ref(), 90_451, 1).await;
        names.push(tickets[0].seat.clone().unwrap());
    }
    names.sort();
    assert_eq!(names, ["C_1", "C_3", "C_5", "C_7", "D_3", "D_5", "D_7"]);
    let show = simulator.show(90_451).unwrap();
    simulator.put_show(SimShow { internet: 1, ..show });
    let (outcome, _) = book(adapter.as_ref(), &order(90_451, 1)).await;
    assert!(matches!(&outcome, BookOutcome::NotAttempted(error) if error.code == "NamelessSeats"), "{outcome:?}");
    // A room without numbers.
    assert_eq!(seats(&sold(adapter.as_ref(), 90_450, 2).await), [None, None]);
}

#[tokio::test]
async fn a_show_that_does_not_say_whether_it_has_a_map_is_asked() {
    let (simulator, adapter) = common::cinema().await;
    simulator.set_quirks(Quirks { unsaid_maps: true, ..Quirks::default() });
    assert!(sold(adapter.as_ref(), 90_417, 1).await[0].seat.is_some());
    assert!(sold(adapter.as_ref(), 90_450, 1).await[0].seat.is_none());
}

#[tokio::test]
async fn a_rejected_sale_is_tried_once_more_with_its_own_line_in_the_journal() {
    let (simulator, adapter) = common::cinema().await;
    simulator.faults().next("transaction/create", 1, Fault::Status(409));
    let (outcome, written) = book(adapter.as_ref(), &order(90_417, 2)).await;
    assert!(matches!(outcome, BookOutcome::Booked(_)), "{outcome:?}");
    assert_eq!((written, simulator.seats_sold()), (2, 2));
    simulator.faults().next("transaction/create", 2, Fault::Status(400));
    let (outcome, written) = book(adapter.as_ref(), &order(90_417, 1)).await;
    assert!(matches!(outcome, BookOutcome::NotAttempted(_)), "{outcome:?}");
    assert_eq!((written, simulator.seats_sold()), (2, 2));
}

#[tokio::test]
async fn a_sale_of_the_wrong_size_is_taken_back() {
    let (simulator, adapter) = common::cinema().await;
    simulator.set_quirks(Quirks { one_ticket_short: true, ..Quirks::default() });
    let (outcome, _) = book(adapter.as_ref(), &order(90_417, 2)).await;
    assert!(
        matches!(&outcome, BookOutcome::NotAttempted(error) if error.code == "WrongNumberOfTickets"),
        "{outcome:?}"
    );
    assert_eq!(simulator.seats_sold(), 0);
}

#[tokio::test]
async fn a_show_that_is_called_off_has_no_places_and_is_gone_for_a_sale() {
    let (simulator, adapter) = common::cinema().await;
    let show = simulator.show(90_417).unwrap();
    simulator.put_show(SimShow { canceled: true, ..show });
    let pages = pull(adapter.as_ref()).await;
    let left = pages.iter().flat_map(|page| &page.rows).find_map(|row| match row {
        Row::Good(screening) if screening.showtime.key == "90417" => Some(screening.showtime.places[0].remaining),
        _ => None,
    });
    assert_eq!(left, Some(Quantity::Exactly(0)));
    let (outcome, _) = book(adapter.as_ref(), &order(90_417, 1)).await;
    assert!(matches!(outcome, BookOutcome::Refused(Refusal::ShowGone)), "{outcome:?}");
}

#[tokio::test]
async fn an_empty_list_says_nothing() {
    let (simulator, adapter) = common::cinema().await;
    simulator.set_quirks(Quirks { no_shows: true, ..Quirks::default() });
    let pages = pull(adapter.as_ref()).await;
    assert_eq!(pages.last().unwrap().end.as_ref().unwrap().completeness, Completeness::Partial);
}

#[tokio::test]
async fn one_of_two_tickets_may_be_kept_by_the_vendor() {
    let (simulator, adapter) = common::cinema().await;
    let tickets = sold(adapter.as_ref(), 90_417, 2).await;
    assert!(matches!(cancel(adapter.as_ref(), &tickets[..1]).await[..], [CancelOutcome::Cancelled]));
    simulator.set_quirks(Quirks { day_closed: true, ..Quirks::default() });
    let outcomes = cancel(adapter.as_ref(), &tickets).await;
    assert!(
        matches!(&outcomes[..], [CancelOutcome::AlreadyCancelled, CancelOutcome::Refused(why)] if why.contains("books")),
        "{outcomes:?}"
    );
    let odd = Ticket { barcode: "0123".into(), seat: None, vendor: "{}".into() };
    let calls = simulator.log().len();
    assert!(matches!(cancel(adapter.as_ref(), &[odd]).await[..], [CancelOutcome::Refused(_)]));
    assert_eq!(simulator.log().len(), calls, "it would void another ticket");
}

#[tokio::test]
async fn a_booking_makes_only_the_calls_it_must_once_something_was_read() {
    let (simulator, adapter) = common::cinema().await;
    pull(adapter.as_ref()).await;
    let before = simulator.log().len();
    sold(adapter.as_ref(), 90_417, 1).await;
    // The show, its seats, the sale.
    assert_eq!(simulator.log().len(), before + 3);
    let wrong = Order { price: Cents(499), ..order(90_417, 1) };
    let (outcome, written) = book(adapter.as_ref(), &wrong).await;
    assert!(matches!(&outcome, BookOutcome::NotAttempted(error) if error.code == "PriceChanged"), "{outcome:?}");
    assert_eq!(written, 0);
}

#[tokio::test]
async fn the_cinemas_of_an_account_are_told_and_nothing_of_their_secrets() {
    let simulator = CdsSimulator::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), API_TOKEN).unwrap();
    // As a chain has it: the account, and no cinema.
    let settings = serde_json::json!({ "base_url": simulator.base_url(), "account_id": ACCOUNT_ID,
        "api_token": { "file": "token" } });
    let context = || Context { allow_private_addresses: true, base_dir: folder.path().into(), ..Context::default() };
    let list = DESCRIPTOR.list_sites.unwrap();
    let sites = list(settings.clone(), context()).await.unwrap();
    let told: Vec<&str> = sites.iter().map(|site| site.id.as_str()).collect();
    assert_eq!(told, ["autre-cinema", CINEMA_ID]);
    assert!(!format!("{sites:?}").contains("secret"), "{sites:?}");
    simulator.faults().always(Fault::Html);
    let error = list(settings, context()).await.unwrap_err();
    assert!(error.to_string().contains("MalformedBody") && !error.to_string().contains("<html"), "{error}");
}
