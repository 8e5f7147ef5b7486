//! Stated shows, imported barcodes and issued tickets: the same on both engines.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test panics")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use passerelle::store::allotments::{
    ANSWERED_KEPT_FOR, AnsweredKey, ForSale, Import, Issuance, IssueOrder, IssueTerms, NO_VERSION, Noted, PoolCount,
    Repriced, StatedEvent, StatedStock, Stating, TakenBack, TicketUse,
};
use passerelle::store::bookings::{BookingRow, BookingState, Intent, Move, Moved, TicketRow, TicketState};
use passerelle::store::{ConnectionState, Owner, Store, StoreError};
use passerelle_contract::{Issue, Quantity, Reference};
use support::{NOW, Place, connection, leased, on_both_engines};

on_both_engines!(
    what_is_stated_comes_back_and_versions_rise,
    places_that_are_stated_leave_out_seats_that_nobody_was_told_of,
    a_stock_that_is_taken_off_sells_nothing,
    ten_seats_are_sold_ten_times_however_many_ask,
    two_seats_for_each_of_many_never_share_a_barcode,
    the_same_reference_gets_the_same_tickets,
    a_seat_goes_back_once,
    refusals_say_why,
    barcodes_are_imported_once_and_in_order,
    a_returned_barcode_is_issued_last_and_changes_hands,
    a_barcode_that_may_still_be_counted_is_kept_aside,
    what_was_never_issued_can_be_withdrawn,
    the_door_list_is_of_its_stock_alone,
    a_use_is_noted_once,
    an_answer_is_kept_for_a_day,
    everything_but_bookings_goes_with_the_connection,
    what_is_stated_during_a_pass_makes_one_more_due,
);

const STATED: IssueTerms = IssueTerms { issue: Issue::Counted, stated: true };
const POOL: IssueTerms = IssueTerms { issue: Issue::Imported, stated: false };

fn event(id: &str) -> StatedEvent {
    StatedEvent { event: id.into(), document: "{\"title\":\"é\"}".into(), stated_at: NOW }
}

fn stock(id: &str, places: Option<u32>) -> StatedStock {
    StatedStock {
        stock: id.into(),
        event: "e".into(),
        document: "{}".into(),
        starts_at: NOW + 10_000,
        closes_at: NOW + 9_000,
        price_cents: 1_200,
        version: NO_VERSION,
        stated: places,
        remaining: places,
        gone: false,
        stated_at: NOW,
    }
}

fn order<'a>(reference: &'a str, stock: &'a str, quantity: u32) -> IssueOrder<'a> {
    IssueOrder { connection: "hall", reference, stock, quantity, price_cents: 1_200, starts_at: NOW + 10_000, now: NOW }
}

async fn hall(place: &Place) -> Arc<dyn Store> {
    let store = place.open().await;
    store.apply_connection(&connection("hall"), NOW).await.unwrap();
    store
}

/// A store whose stock `s` has so many places.
async fn with_places(place: &Place, places: Option<u32>) -> Arc<dyn Store> {
    let store = hall(place).await;
    assert_eq!(store.state_event("hall", &event("e"), &[]).await.unwrap(), Stating::Stored);
    assert_eq!(store.state_stock("hall", &stock("s", places), None).await.unwrap(), Stating::Stored);
    store
}

/// A store whose stock `s` has these barcodes.
async fn with_barcodes(place: &Place, barcodes: &[&str]) -> Arc<dyn Store> {
    let store = hall(place).await;
    import(&*store, barcodes).await;
    store
}

async fn import(store: &dyn Store, barcodes: &[&str]) -> Vec<Import> {
    let rows: Vec<(String, String)> = barcodes.iter().map(|one| ("s".to_owned(), (*one).to_owned())).collect();
    store.import_barcodes("hall", &rows).await.unwrap()
}

fn barcodes(issuance: Issuance) -> Vec<String> {
    match issuance {
        Issuance::Issued(barcodes, _) => barcodes,
        other => panic!("{other:?}"),
    }
}

fn booking(reference: &str) -> BookingRow {
    BookingRow {
        reference: reference.into(),
        connection: "hall".into(),
        account: "default".into(),
        fingerprint: format!("attempt of {reference}"),
        wish: "wish".into(),
        stock_id: 9001,
        offer_id: 42,
        quantity: 1,
        order: "{\"places_key\":\"s\"}".into(),
        state: BookingState::Calling,
        trace: None,
        remaining: None,
        reason: None,
        needs_human: false,
        confirmed: false,
        owner: Owner::current("test"),
        due_at: Some(NOW + 10),
        attempts: 0,
        created_at: NOW,
        moved_at: NOW,
        version: 1,
    }
}

/// Issues a ticket from the pool for a booking that is stored as sold.
async fn sell(store: &dyn Store, reference: &str) -> (BookingRow, String) {
    let mut row = booking(reference);
    assert_eq!(store.intend(&row, &[]).await.unwrap(), Intent::New);
    let barcode = barcodes(store.issue(order(reference, "s", 1), POOL).await.unwrap()).remove(0);
    row.state = BookingState::Booked;
    move_to(store, &mut row, Some((&barcode, TicketState::Live))).await;
    (row, barcode)
}

async fn move_to(store: &dyn Store, row: &mut BookingRow, ticket: Option<(&str, TicketState)>) {
    let tickets: Vec<TicketRow> = ticket
        .into_iter()
        .map(|(barcode, state)| TicketRow {
            barcode: barcode.into(),
            place: 0,
            booking: row.reference.clone(),
            seat: None,
            vendor: "{}".into(),
            state,
        })
        .collect();
    assert_eq!(
        store.move_booking(Move { row, tickets: &tickets, events: &[], places: None, messages: &[] }).await.unwrap(),
        Moved::Yes
    );
    row.version += 1;
}

/// pass Culture cancelled it: void here, and not yet seen in its listing.
async fn cancel(store: &dyn Store, row: &mut BookingRow, barcode: &str) {
    assert_eq!(store.take_back("hall", &row.reference, &[0]).await.unwrap(), [TakenBack::Now]);
    row.state = BookingState::Cancelled;
    row.due_at = Some(NOW + 120_000);
    move_to(store, row, Some((barcode, TicketState::Void))).await;
}

async fn free(store: &dyn Store) -> u32 {
    store.pool("hall", Some("s")).await.unwrap().remove(0).free
}

async fn what_is_stated_comes_back_and_versions_rise(place: Place) {
    let store = hall(&place).await;
    let first = stock("s", Some(5));
    assert_eq!(store.state_stock("hall", &first, Some(1)).await.unwrap(), Stating::Unknown, "no event yet");
    assert_eq!(store.state_event("hall", &event("e"), &[]).await.unwrap(), Stating::Stored);
    assert_eq!(store.state_event("hall", &event("e"), &[]).await.unwrap(), Stating::Unchanged);
    assert_eq!(store.state_event("hall", &event("other"), &[]).await.unwrap(), Stating::Stored);
    assert_eq!(store.state_stock("hall", &first, Some(3)).await.unwrap(), Stating::Stored);
    let stored = StatedStock { version: 3, ..first.clone() };
    assert_eq!(store.stated_stock("hall", "s").await.unwrap(), Some(stored.clone()));
    assert_eq!(store.stated_stocks("hall", "e").await.unwrap(), std::slice::from_ref(&stored));
    assert_eq!(store.stated_shows("hall", NOW).await.unwrap(), (vec![event("e"), event("other")], vec![stored]));
    assert_eq!(store.stated_shows("hall", NOW + 10_000).await.unwrap().1, [], "it is over");

    let moved = StatedStock { price_cents: 1_300, ..first.clone() };
    let stale = Stating::Stale { version: 3 };
    assert_eq!(store.state_stock("hall", &first, Some(3)).await.unwrap(), Stating::Unchanged);
    assert_eq!(store.state_stock("hall", &moved, Some(3)).await.unwrap(), stale, "another content of this version");
    assert_eq!(store.state_stock("hall", &moved, Some(2)).await.unwrap(), stale);
    let elsewhere = StatedStock { event: "other".into(), ..first.clone() };
    let other = Stating::OtherEvent { event: "e".into() };
    assert_eq!(store.state_stock("hall", &elsewhere, Some(9)).await.unwrap(), other);
    assert_eq!(store.state_stock("hall", &moved, None).await.unwrap(), Stating::Stored, "newer than what is known");
    assert_eq!(store.stated_stock("hall", "s").await.unwrap().unwrap().version, 3);
    assert_eq!(store.state_places("hall", "s", Some(4), Some(3), NOW).await.unwrap(), stale);
    assert_eq!(store.state_places("hall", "s", None, Some(4), NOW).await.unwrap(), Stating::Stored);
    assert_eq!(store.state_places("hall", "s", None, Some(4), NOW).await.unwrap(), Stating::Unchanged);
    assert_eq!(store.state_places("hall", "nowhere", None, None, NOW).await.unwrap(), Stating::Unknown);
    assert_eq!(store.stated_stock("hall", "s").await.unwrap().unwrap().remaining, None);

    let dearer = |before: &str| Repriced {
        stock: "s".into(),
        before: before.into(),
        document: "{\"p\":1}".into(),
        price_cents: 1_500,
    };
    store.state_event("hall", &event("e"), &[dearer("something else")]).await.unwrap();
    assert_eq!(store.stated_stock("hall", "s").await.unwrap().unwrap().price_cents, 1_300);
    store.state_event("hall", &event("e"), &[dearer("{}")]).await.unwrap();
    assert_eq!(store.stated_stock("hall", "s").await.unwrap().unwrap().price_cents, 1_500);
    let nobody = store.state_event("nobody", &event("e"), &[]).await;
    assert!(matches!(nobody, Err(StoreError::UnknownConnection { .. })), "{nobody:?}");
}

async fn places_that_are_stated_leave_out_seats_that_nobody_was_told_of(place: Place) {
    let store = with_places(&place, Some(10)).await;
    let mut row = booking("AAAABBBBCCCC2222");
    store.intend(&row, &[]).await.unwrap();
    store.issue(order(&row.reference, "s", 2), STATED).await.unwrap();
    assert_eq!(store.untold_seats("hall", "s").await.unwrap(), 2, "it is still being answered");
    // The vendor tells its own number, and has not heard of the two.
    store.state_places("hall", "s", Some(10), None, NOW).await.unwrap();
    assert_eq!(store.for_sale(order("x", "s", 1), STATED).await.unwrap(), ForSale::Left(Quantity::Exactly(8)));
    row.state = BookingState::Booked;
    move_to(&*store, &mut row, None).await;
    assert_eq!(store.untold_seats("hall", "s").await.unwrap(), 0, "nothing waits to be told");
    store.state_stock("hall", &stock("s", Some(8)), None).await.unwrap();
    assert_eq!(store.for_sale(order("x", "s", 1), STATED).await.unwrap(), ForSale::Left(Quantity::Exactly(8)));
    // While its message waits, the vendor cannot know.
    waiting_message(&place, &Reference(row.reference.clone()).booking_id()).await;
    assert_eq!(store.untold_seats("hall", "s").await.unwrap(), 2);
    store.take_back("hall", &row.reference, &[1]).await.unwrap();
    assert_eq!(store.untold_seats("hall", "s").await.unwrap(), 1);
    store.state_places("hall", "s", Some(0), None, NOW).await.unwrap();
    assert_eq!(store.for_sale(order("x", "s", 1), STATED).await.unwrap(), ForSale::Left(Quantity::Exactly(0)));
}

/// A message that waits to be delivered, as whoever tells vendors of bookings writes it.
async fn waiting_message(place: &Place, booking_id: &str) {
    use sqlx::Connection as _;
    let is_sqlite = place.url.starts_with("sqlite:");
    let never = if is_sqlite { "0" } else { "FALSE" };
    // With the time until which it is kept, where messages have one.
    for (column, value) in [(", keep_until", ", 0"), ("", "")] {
        let statement = sqlx::AssertSqlSafe(format!(
            "INSERT INTO message (connection, position, id, booking, sequence, kind, body, state, attempts, leased_until, replay, \
             created_at{column}) VALUES ('hall', 1, 'msg_1', '{booking_id}', 1, 'booking.created', '{{}}', 'pending', 0, 0, {never}, \
             0{value})"
        ));
        let done = if is_sqlite {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(place.url.trim_start_matches("sqlite:"));
            let mut c = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::query(statement).execute(&mut c).await.is_ok()
        } else {
            let mut c = sqlx::PgConnection::connect(&place.url).await.unwrap();
            sqlx::query(statement).execute(&mut c).await.is_ok()
        };
        if done {
            return;
        }
    }
    panic!("no message could be written");
}

async fn a_stock_that_is_taken_off_sells_nothing(place: Place) {
    let store = with_places(&place, Some(5)).await;
    store.state_stock("hall", &stock("s", Some(6)), Some(7)).await.unwrap();
    assert!(!store.take_off("hall", "other", "s", NOW).await.unwrap());
    assert!(store.take_off("hall", "e", "s", NOW).await.unwrap());
    assert!(store.take_off("hall", "e", "s", NOW).await.unwrap(), "safe to repeat");
    assert_eq!(store.issue(order("R", "s", 1), STATED).await.unwrap(), Issuance::Gone);
    assert_eq!(store.for_sale(order("R", "s", 1), STATED).await.unwrap(), ForSale::Gone);
    assert_eq!(store.state_places("hall", "s", Some(5), Some(8), NOW).await.unwrap(), Stating::Gone);
    let late = store.state_stock("hall", &stock("s", Some(6)), Some(7)).await.unwrap();
    assert_eq!(late, Stating::Stale { version: 7 }, "a repeated statement does not bring it back");
    assert_eq!(store.state_stock("hall", &stock("s", Some(6)), Some(8)).await.unwrap(), Stating::Stored);
    barcodes(store.issue(order("R", "s", 1), STATED).await.unwrap());
}

async fn ten_seats_are_sold_ten_times_however_many_ask(place: Place) {
    for terms in [STATED, POOL] {
        let names: Vec<String> = (0..10).map(|number| format!("B{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (store, tag) = match terms.stated {
            true => (with_places(&place, Some(10)).await, "C"),
            false => {
                // The same store: the stock has its places and its barcodes by now, and is not stated in these terms.
                (with_barcodes(&place, &names).await, "P")
            }
        };
        let tasks: Vec<_> = (0..32)
            .map(|number| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.issue(order(&format!("{tag}{number}"), "s", 1), terms).await.unwrap() })
            })
            .collect();
        let mut sold = BTreeSet::new();
        for task in tasks {
            match task.await.unwrap() {
                Issuance::Issued(barcodes, _) => assert!(sold.insert(barcodes), "issued twice"),
                other => assert_eq!(other, Issuance::TooFew(0)),
            }
        }
        assert_eq!(sold.len(), 10);
    }
}

async fn two_seats_for_each_of_many_never_share_a_barcode(place: Place) {
    let names: Vec<String> = (0..11).map(|number| format!("B{number:02}")).collect();
    let store = with_barcodes(&place, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.issue(order(&format!("R{number}"), "s", 2), POOL).await.unwrap() })
        })
        .collect();
    let mut sold = BTreeSet::new();
    for task in tasks {
        match task.await.unwrap() {
            Issuance::Issued(barcodes, _) => assert!(barcodes.into_iter().all(|one| sold.insert(one))),
            other => assert_eq!(other, Issuance::TooFew(1)),
        }
    }
    assert_eq!((sold.len(), free(&*store).await), (10, 1));
}

async fn the_same_reference_gets_the_same_tickets(place: Place) {
    let store = with_places(&place, Some(10)).await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.issue(order("ABCDEFGHJKLMNPQR", "s", 2), STATED).await.unwrap() })
        })
        .collect();
    let eight = Quantity::Exactly(8);
    for task in tasks {
        let expected = vec!["GWABCDEFGHJKLMNPQR1".to_owned(), "GWABCDEFGHJKLMNPQR2".to_owned()];
        assert_eq!(task.await.unwrap(), Issuance::Issued(expected, eight));
    }
    assert_eq!(store.for_sale(order("x", "s", 1), STATED).await.unwrap(), ForSale::Left(eight));
    // A process that slept through its own call.
    let mut row = booking("late");
    store.intend(&row, &[]).await.unwrap();
    row.state = BookingState::Refused;
    move_to(&*store, &mut row, None).await;
    assert_eq!(store.issue(order("late", "s", 1), STATED).await.unwrap(), Issuance::Overtaken);
    assert_eq!(store.issued("hall", "late").await.unwrap(), None);
}

async fn a_seat_goes_back_once(place: Place) {
    let store = with_places(&place, Some(3)).await;
    barcodes(store.issue(order("R", "s", 2), STATED).await.unwrap());
    let tasks: Vec<_> = (0..12)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.take_back("hall", "R", &[number % 2]).await.unwrap() })
        })
        .collect();
    let mut now = 0;
    for task in tasks {
        now += task.await.unwrap().iter().filter(|back| **back == TakenBack::Now).count();
    }
    assert_eq!(now, 2);
    assert_eq!(store.for_sale(order("x", "s", 1), STATED).await.unwrap(), ForSale::Left(Quantity::Exactly(3)));
    assert_eq!(store.take_back("hall", "R", &[0, 5]).await.unwrap(), [TakenBack::Before, TakenBack::Unknown]);
    assert_eq!(store.take_back("hall", "nobody", &[0]).await.unwrap(), [TakenBack::Unknown]);
    assert!(store.issued("hall", "R").await.unwrap().unwrap().seats.iter().all(|(_, freed)| *freed));
    assert_eq!(store.issue(order("R", "s", 2), STATED).await.unwrap(), Issuance::Overtaken, "they were taken back");
}

async fn refusals_say_why(place: Place) {
    let store = with_places(&place, Some(1)).await;
    let issue = async |order, terms| store.issue(order, terms).await.unwrap();
    assert_eq!(issue(order("R", "s", 2), STATED).await, Issuance::TooFew(1));
    assert_eq!(issue(order("R", "nowhere", 1), STATED).await, Issuance::Gone);
    assert_eq!(issue(IssueOrder { price_cents: 1, ..order("R", "s", 1) }, STATED).await, Issuance::AnotherPrice(1_200));
    assert_eq!(issue(IssueOrder { now: NOW + 9_000, ..order("R", "s", 1) }, STATED).await, Issuance::Closed);
    let imported = IssueTerms { issue: Issue::Imported, stated: true };
    assert_eq!(issue(order("R", "s", 1), imported).await, Issuance::TooFew(0), "nothing was imported");
    assert_eq!(issue(IssueOrder { now: NOW + 10_000, ..order("R", "s", 1) }, POOL).await, Issuance::Closed);
    let uncounted = IssueTerms { issue: Issue::Counted, stated: false };
    assert_eq!(issue(order("R", "s", 1), uncounted).await, Issuance::Gone, "nobody says how many there are");
    assert!(matches!(store.issue(order("R", "s", 3), STATED).await, Err(StoreError::Invalid(_))));
    // With barcodes, the smaller number counts.
    import(&*store, &["B1", "B2"]).await;
    assert_eq!(issue(order("R", "s", 2), STATED).await, Issuance::TooFew(1));
    assert_eq!(issue(order("R", "s", 1), STATED).await, Issuance::Issued(vec!["B1".into()], Quantity::Exactly(0)));
    store.state_stock("hall", &stock("s", None), None).await.unwrap();
    assert_eq!(store.for_sale(order("x", "s", 1), STATED).await.unwrap(), ForSale::Left(Quantity::Exactly(1)));
}

async fn barcodes_are_imported_once_and_in_order(place: Place) {
    let store = hall(&place).await;
    use Import::{AlreadyImported, AlreadyIssued, Imported};
    assert_eq!(import(&*store, &["B2", "B1", "B2", "é"]).await, [Imported, Imported, AlreadyImported, Imported]);
    assert_eq!(import(&*store, &["B1", "B3"]).await, [AlreadyImported, Imported]);
    let other = store.import_barcodes("hall", &[("t".into(), "B1".into()), ("t".into(), "T".into())]).await.unwrap();
    assert_eq!(other, [AlreadyImported, Imported], "one barcode, one stock");
    let mut row = booking("R");
    store.intend(&row, &[]).await.unwrap();
    row.state = BookingState::Booked;
    move_to(&*store, &mut row, Some(("elsewhere", TicketState::Live))).await;
    assert_eq!(import(&*store, &["elsewhere"]).await, [AlreadyIssued]);
    let count = |stock: &str, imported, issued, free| PoolCount { stock: stock.into(), imported, issued, free };
    assert_eq!(store.pool("hall", None).await.unwrap(), [count("s", 4, 0, 4), count("t", 1, 0, 1)]);
    assert_eq!(barcodes(store.issue(order("R1", "s", 2), POOL).await.unwrap()), ["B2", "B1"]);
    assert_eq!(store.pool("hall", Some("s")).await.unwrap(), [count("s", 4, 2, 2)]);
    assert_eq!(store.pool("other", None).await.unwrap(), []);
    let many = vec![("s".to_owned(), "x".to_owned()); 1_001];
    assert!(matches!(store.import_barcodes("hall", &many).await, Err(StoreError::Invalid(_))));
}

async fn a_returned_barcode_is_issued_last_and_changes_hands(place: Place) {
    let store = with_barcodes(&place, &["B1", "B2"]).await;
    let (mut first, barcode) = sell(&*store, "first").await;
    assert_eq!(barcode, "B1");
    cancel(&*store, &mut first, "B1").await;
    assert_eq!(free(&*store).await, 2);
    import(&*store, &["B3"]).await;
    assert_eq!((sell(&*store, "second").await.1, sell(&*store, "third").await.1), ("B2".into(), "B3".into()));
    let (_, again) = sell(&*store, "fourth").await;
    assert_eq!((again.as_str(), free(&*store).await), ("B1", 0));
    let holders = async || -> Vec<String> {
        let found = store.bookings_by_barcodes("default", &["B1".into()]).await.unwrap();
        found.into_iter().map(|booking| booking.row.reference).collect()
    };
    assert_eq!(holders().await, ["first", "fourth"], "who had it may still be asked about");
    // The former holder's seats are not taken back twice.
    assert_eq!(store.take_back("hall", "first", &[0]).await.unwrap(), [TakenBack::Before]);
    assert_eq!(free(&*store).await, 0);
}

async fn a_barcode_that_may_still_be_counted_is_kept_aside(place: Place) {
    let store = with_barcodes(&place, &["B1"]).await;
    let (mut first, _) = sell(&*store, "first").await;
    // Taken back, and what became of it is not stored yet.
    store.take_back("hall", "first", &[0]).await.unwrap();
    assert_eq!(store.issue(order("x", "s", 1), POOL).await.unwrap(), Issuance::TooFew(0));
    // A person released it: pass Culture still counts it.
    first.state = BookingState::Released;
    first.due_at = None;
    first.reason = Some("ReleasedByHand: an operator asked for its tickets to be voided".into());
    move_to(&*store, &mut first, Some(("B1", TicketState::Void))).await;
    assert_eq!((free(&*store).await, store.issue(order("x", "s", 1), POOL).await.unwrap()), (0, Issuance::TooFew(0)));
    // pass Culture asked to cancel it after all.
    first.state = BookingState::Cancelled;
    first.reason = None;
    first.due_at = Some(NOW);
    move_to(&*store, &mut first, None).await;
    let (mut second, _) = sell(&*store, "second").await;
    cancel(&*store, &mut second, "B1").await;
    // Two former holders, one of them not settled: the barcode waits.
    assert_eq!((free(&*store).await, store.issue(order("x", "s", 1), POOL).await.unwrap()), (0, Issuance::TooFew(0)));
    first.due_at = None;
    move_to(&*store, &mut first, None).await;
    assert_eq!(free(&*store).await, 1);
    sell(&*store, "third").await;
    let found = store.bookings_by_barcodes("default", &["B1".into()]).await.unwrap();
    let found: Vec<&str> = found.iter().map(|booking| booking.row.reference.as_str()).collect();
    assert_eq!(found, ["second", "third"]);
}

async fn what_was_never_issued_can_be_withdrawn(place: Place) {
    let store = with_barcodes(&place, &["B1", "B2", "B3", "B4"]).await;
    let (mut first, _) = sell(&*store, "first").await;
    sell(&*store, "second").await;
    cancel(&*store, &mut first, "B1").await;
    assert_eq!(store.withdraw_barcodes("hall", "s").await.unwrap(), 2);
    assert_eq!(
        store.pool("hall", None).await.unwrap(),
        [PoolCount { stock: "s".into(), imported: 2, issued: 1, free: 1 }]
    );
    assert_eq!(import(&*store, &["B1", "B3"]).await, [Import::AlreadyImported, Import::Imported]);
}

async fn the_door_list_is_of_its_stock_alone(place: Place) {
    let store = hall(&place).await;
    let key = "100%_\"é\"";
    let of = |key: &str| serde_json::json!({ "event": "e", "places_key": key, "title": "t" }).to_string();
    for (reference, key) in [
        ("BBBBBBBBBBBBBBBB", key),
        ("AAAAAAAAAAAAAAAA", key),
        ("CCCCCCCCCCCCCCCC", "other"),
        ("DDDDDDDDDDDDDDDD", "OTHER"),
    ] {
        let mut row = BookingRow { order: of(key), ..booking(reference) };
        store.intend(&row, &[]).await.unwrap();
        move_to(&*store, &mut row, Some((reference, TicketState::Live))).await;
    }
    store.intend(&BookingRow { order: of(key), ..booking("EEEEEEEEEEEEEEEE") }, &[]).await.unwrap();
    let list = async |key: &str, after: Option<&str>, limit| -> Vec<String> {
        let found = store.door_list("hall", key, after, limit).await.unwrap();
        found.into_iter().map(|booking| booking.row.reference[..4].to_owned()).collect()
    };
    assert_eq!(list(key, None, 10).await, ["AAAA", "BBBB"], "one without tickets was never sold");
    assert_eq!(list(key, None, 1).await, ["AAAA"]);
    assert_eq!(list(key, Some("bk_AAAAAAAAAAAA"), 10).await, ["BBBB"]);
    assert_eq!(
        (list("other", None, 10).await, list("OTHER", None, 10).await),
        (vec!["CCCC".into()], vec!["DDDD".into()])
    );
    let named = async |connection: &str, id: &str| {
        store.booking_named(connection, id).await.unwrap().map(|booking| booking.row.reference)
    };
    assert_eq!(named("hall", "bk_AAAAAAAAAAAA").await.as_deref(), Some("AAAAAAAAAAAAAAAA"));
    for (connection, id) in
        [("other", "bk_AAAAAAAAAAAA"), ("hall", "bk_AAAA"), ("hall", "AAAAAAAAAAAA"), ("hall", "bk_ZZZZZZZZZZZZ")]
    {
        assert_eq!(named(connection, id).await, None, "{id}");
    }
}

async fn a_use_is_noted_once(place: Place) {
    let store = hall(&place).await;
    store.intend(&booking("R"), &[]).await.unwrap();
    let used = |place| TicketUse { place, used_at: Some(NOW + 5) };
    let note = async |uses: &[TicketUse]| store.note_uses("R", uses, NOW).await.unwrap();
    assert_eq!(note(&[used(0)]).await, Noted::Done(vec![false]));
    assert_eq!(note(&[used(0), used(1)]).await, Noted::Done(vec![true, false]));
    assert_eq!(note(&[TicketUse { place: 1, used_at: None }]).await, Noted::Done(vec![false]));
    let told = store.ticket_uses(&["R".into(), "other".into()]).await.unwrap();
    assert_eq!(told, [("R".to_owned(), vec![used(0), TicketUse { place: 1, used_at: None }])]);
    let history = store.booking_history("R").await.unwrap();
    assert_eq!(history.iter().map(|line| line.code.as_str()).collect::<Vec<_>>(), ["used", "used", "unused"]);
    assert!(store.note_uses("nobody", &[used(0)], NOW).await.is_err());
}

async fn an_answer_is_kept_for_a_day(place: Place) {
    let store = hall(&place).await;
    let answer = |status, at| AnsweredKey { digest: "d".into(), status, body: "{\"é\":1}".into(), at };
    store.remember_answer("hall", "k", &answer(200, NOW)).await.unwrap();
    store.remember_answer("hall", "k", &answer(409, NOW + 1)).await.unwrap();
    assert_eq!(store.answered_key("hall", "k", NOW + 10).await.unwrap(), Some(answer(200, NOW)));
    assert_eq!(store.answered_key("other", "k", NOW).await.unwrap(), None);
    assert_eq!(store.answered_key("hall", "k", NOW + ANSWERED_KEPT_FOR).await.unwrap(), None);
    store.remember_answer("hall", "other", &answer(200, NOW + ANSWERED_KEPT_FOR)).await.unwrap();
    assert_eq!(store.answered_key("hall", "k", NOW).await.unwrap(), None, "it is gone");
}

async fn everything_but_bookings_goes_with_the_connection(place: Place) {
    let store = with_places(&place, Some(5)).await;
    import(&*store, &["B1"]).await;
    barcodes(store.issue(order("R", "s", 1), STATED).await.unwrap());
    let lease = leased(&*store, "hall").await;
    assert!(store.remove_connection(&lease).await.unwrap());
    assert_eq!(store.stated_shows("hall", 0).await.unwrap(), (vec![], vec![]));
    assert_eq!(store.pool("hall", None).await.unwrap(), []);
    assert!(store.issued("hall", "R").await.unwrap().is_some());
}

async fn what_is_stated_during_a_pass_makes_one_more_due(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "hall").await;
    assert!(store.make_due_again("hall", NOW + 5).await.unwrap());
    // The pass ends, and would come back in an hour.
    let state = ConnectionState { due_at: NOW + 3_600_000, ..store.state("hall").await.unwrap() };
    store.save_state(&lease, &state).await.unwrap();
    store.release_lease(&lease).await.unwrap();
    assert_eq!(support::due(&*store, NOW + 10, 10).await, ["hall"]);
    assert!(!store.make_due_again("nobody", NOW).await.unwrap());
}
