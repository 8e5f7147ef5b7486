//! Events, bookings and tickets: the same on both engines.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test panics")]

mod support;

use std::sync::Arc;

use passerelle::store::bookings::{
    BookingEvent, BookingFilter, BookingRow, BookingState, Intent, Move, Moved, TicketRow, TicketState,
};
use passerelle::store::events::{DateRow, EventRow};
use passerelle::store::{Owner, Store, StoreError};
use passerelle_contract::Quantity;
use support::{NOW, Place, connection, leased, on_both_engines};

on_both_engines!(
    events_and_dates_come_back_whole,
    a_pass_does_not_overwrite_what_a_booking_moved,
    a_stock_leads_to_its_date_by_number_or_by_names,
    an_attempt_is_stored_once_however_many_bring_it,
    one_of_many_movers_wins,
    a_barcode_belongs_to_one_booking_of_a_connection_for_ever,
    the_same_persons_next_attempt_takes_tickets_over,
    bookings_are_found_by_state_barcode_and_age,
    what_is_due_and_what_is_being_called_is_found,
    a_next_step_that_a_wrong_clock_named_is_due_now,
    bookings_outlive_their_connection_and_events_do_not,
    a_history_has_an_end,
);

fn event(key: &str) -> EventRow {
    EventRow { key: key.into(), desired: Some("{}".into()), categories: "[]".into(), ..EventRow::default() }
}

fn date(event: &str, key: &str) -> DateRow {
    DateRow {
        event: event.into(),
        key: key.into(),
        starts_at: NOW,
        desired: Some("{\"a\": \"é\"}".into()),
        desired_quantity: Some(12),
        ..DateRow::default()
    }
}

fn booking(reference: &str) -> BookingRow {
    BookingRow {
        reference: reference.into(),
        connection: "cinema".into(),
        account: "default".into(),
        fingerprint: format!("attempt of {reference}"),
        wish: "wish".into(),
        stock_id: 9001,
        offer_id: 42,
        quantity: 1,
        order: "{}".into(),
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

fn ticket(of: &str, barcode: &str, place: u32) -> TicketRow {
    TicketRow {
        barcode: barcode.into(),
        place,
        booking: of.into(),
        seat: Some("A12".into()),
        vendor: "{\"n\":1}".into(),
        state: TicketState::Live,
    }
}

fn told(code: &str) -> BookingEvent {
    BookingEvent { at: NOW, code: code.into(), text: "a sentence".into() }
}

async fn moved(store: &dyn Store, row: &BookingRow, tickets: &[TicketRow]) -> Moved {
    store.move_booking(Move { row, tickets, events: &[told("moved")], places: None, messages: &[] }).await.unwrap()
}

/// Stores a booking as sold with these barcodes.
async fn sold(store: &dyn Store, mut row: BookingRow, barcodes: &[&str]) -> BookingRow {
    assert_eq!(store.intend(&row, &[told("intent")]).await.unwrap(), Intent::New);
    row.state = BookingState::Booked;
    let tickets: Vec<TicketRow> =
        (0..).zip(barcodes).map(|(place, barcode)| ticket(&row.reference, barcode, place)).collect();
    assert_eq!(moved(store, &row, &tickets).await, Moved::Yes);
    row.version += 1;
    row
}

async fn events_and_dates_come_back_whole(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "cinema").await;
    let full = EventRow {
        acknowledged: Some("{}".into()),
        offer_id: Some(i64::MAX),
        picture: Some("p".into()),
        refused: Some("Code: sentence".into()),
        ..event("b")
    };
    let unlimited = DateRow { desired_quantity: None, stock_id: Some(7), absent: 2, ..date("b", "2") };
    store.save_events(&lease, &[full.clone(), event("a")], &[unlimited.clone(), date("b", "1")]).await.unwrap();
    assert_eq!(store.events("cinema").await.unwrap(), [event("a"), full]);
    assert_eq!(store.dates("cinema").await.unwrap(), [date("b", "1"), unlimited]);
    assert_eq!(store.dates("other").await.unwrap(), []);

    store.forget_events(&lease, &[], &[("b".into(), "1".into())]).await.unwrap();
    assert_eq!(store.dates("cinema").await.unwrap().len(), 1);
    store.forget_events(&lease, &["b".into()], &[]).await.unwrap();
    assert_eq!(store.dates("cinema").await.unwrap(), [], "an event takes its dates with it");
    let stray = store.save_events(&lease, &[], &[date("nowhere", "1")]).await;
    assert!(stray.is_err(), "a date needs its event");
}

async fn a_pass_does_not_overwrite_what_a_booking_moved(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "cinema").await;
    store.save_events(&lease, &[event("e")], &[date("e", "1")]).await.unwrap();
    let read = store.dates("cinema").await.unwrap().remove(0);
    store.touch_date("cinema", "e", "1", Quantity::Exactly(11), true, NOW).await.unwrap();
    store.touch_date("cinema", "e", "1", Quantity::Exactly(10), false, NOW - 5_000).await.unwrap();
    let stale = DateRow { desired_quantity: Some(12), absent: 1, ..read };
    store.save_events(&lease, &[], &[stale]).await.unwrap();
    let now = store.dates("cinema").await.unwrap().remove(0);
    assert_eq!((now.desired_quantity, now.acknowledged_quantity, now.absent), (Some(10), Some(11), 1));
    assert_eq!(now.touched_at, NOW + 1, "it rises whatever the clock says");

    let fresh = DateRow { desired_quantity: Some(8), acknowledged_quantity: Some(8), ..now };
    store.save_events(&lease, &[], &[fresh]).await.unwrap();
    assert_eq!(store.dates("cinema").await.unwrap().remove(0).desired_quantity, Some(8));
}

async fn a_stock_leads_to_its_date_by_number_or_by_names(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "cinema").await;
    let known = DateRow { stock_id: Some(9001), ..date("e", "1") };
    store.save_events(&lease, &[event("e")], &[known.clone(), date("e", "2")]).await.unwrap();
    let found = store.date_by_stock("default", 9001, None, None).await.unwrap().unwrap();
    assert_eq!((found.connection.as_str(), found.date, found.event), ("cinema", known, event("e")));
    let named = store.date_by_stock("default", 5, Some("e"), Some("2")).await.unwrap().unwrap();
    assert_eq!(named.date.key, "2");
    assert_eq!(store.date_by_stock("default", 5, Some("e"), Some("1")).await.unwrap(), None, "that one has a number");
    assert_eq!(store.date_by_stock("another", 9001, None, None).await.unwrap(), None);
    // Two connections with the same names: nobody can tell them apart.
    let other = leased(&*store, "cinema-2").await;
    store.save_events(&other, &[event("e")], &[date("e", "2")]).await.unwrap();
    assert_eq!(store.date_by_stock("default", 5, Some("e"), Some("2")).await.unwrap(), None);
}

async fn an_attempt_is_stored_once_however_many_bring_it(place: Place) {
    let store = place.open().await;
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let row = BookingRow { fingerprint: "one".into(), ..booking(&format!("R{number}")) };
                store.intend(&row, &[told("intent")]).await.unwrap()
            })
        })
        .collect();
    let mut new = 0;
    let mut known = std::collections::BTreeSet::new();
    for task in tasks {
        match task.await.unwrap() {
            Intent::New => new += 1,
            Intent::Known(row) => drop(known.insert(row.reference)),
        }
    }
    assert_eq!((new, known.len()), (1, 1));
    let stored = store.booking_by_fingerprint("one").await.unwrap().unwrap();
    assert_eq!(Some(&stored.row.reference), known.first());
    assert_eq!(store.booking_history(&stored.row.reference).await.unwrap(), [told("intent")]);
}

async fn one_of_many_movers_wins(place: Place) {
    let store = place.open().await;
    store.intend(&booking("R"), &[]).await.unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let row = BookingRow {
                    state: BookingState::Booked,
                    remaining: Some(Quantity::Exactly(number)),
                    ..booking("R")
                };
                moved(&*store, &row, &[ticket("R", &format!("B{number}"), 0)]).await
            })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        won += u32::from(task.await.unwrap() == Moved::Yes);
    }
    assert_eq!(won, 1);
    let stored = store.booking("R").await.unwrap().unwrap();
    assert_eq!(stored.row.version, 2);
    assert_eq!(
        stored.tickets[0].barcode,
        format!("B{}", stored.row.remaining.and_then(Quantity::number).unwrap()),
        "row and tickets move together"
    );
    assert_eq!(store.booking_history("R").await.unwrap().len(), 1);
}

async fn a_barcode_belongs_to_one_booking_of_a_connection_for_ever(place: Place) {
    let store = place.open().await;
    sold(&*store, booking("R1"), &["B1", "B1"]).await;
    let second = booking("R2");
    store.intend(&second, &[]).await.unwrap();
    let row = BookingRow { state: BookingState::Booked, ..second };
    // Another place in its sale, and still the same barcode.
    assert_eq!(moved(&*store, &row, &[ticket("R2", "B2", 0), ticket("R2", "B1", 5)]).await, Moved::BarcodeTaken);
    let untouched = store.booking("R2").await.unwrap().unwrap();
    assert_eq!((untouched.row.state, untouched.tickets.len()), (BookingState::Calling, 0));
    assert_eq!(moved(&*store, &row, &[ticket("R2", "B2", 0)]).await, Moved::Yes);
    let elsewhere = BookingRow { account: "another".into(), ..booking("R3") };
    sold(&*store, elsewhere, &["B1"]).await;
    let neighbour = BookingRow { connection: "another".into(), ..booking("R4") };
    sold(&*store, neighbour, &["B1"]).await;
    let held = store.bookings_by_barcodes("default", &["B1".into(), "B2".into(), "B9".into()]).await.unwrap();
    let references: Vec<&str> = held.iter().map(|booking| booking.row.reference.as_str()).collect();
    assert_eq!(references, ["R1", "R2", "R4"], "two cinemas may give the same");
    assert_eq!(held[0].tickets.len(), 2, "the seats of one sale may share a barcode");
}

async fn the_same_persons_next_attempt_takes_tickets_over(place: Place) {
    let store = place.open().await;
    let mut orphan = sold(&*store, booking("R1"), &["B1", "B2"]).await;
    orphan.state = BookingState::Releasing;
    assert_eq!(moved(&*store, &orphan, &[]).await, Moved::Yes);
    orphan.version += 1;
    assert_eq!(store.orphans_of("wish").await.unwrap()[0].row, orphan);
    let next = BookingRow { state: BookingState::Booked, ..booking("R2") };
    store.intend(&booking("R2"), &[]).await.unwrap();
    let released = BookingRow { state: BookingState::Released, due_at: None, ..orphan.clone() };
    let tickets = [ticket("R2", "B1", 0), ticket("R2", "B2", 1)];
    let taken = |from: BookingRow, to: BookingRow| {
        let (store, tickets) = (Arc::clone(&store), tickets.clone());
        async move {
            let from = Move { row: &from, tickets: &[], events: &[], places: None, messages: &[] };
            store.adopt(from, Move { row: &to, tickets: &tickets, events: &[], places: None, messages: &[] }).await
        }
    };
    let stale = BookingRow { version: 1, ..released.clone() };
    assert_eq!(taken(stale, next.clone()).await.unwrap(), Moved::No);
    assert_eq!(store.booking("R1").await.unwrap().unwrap().tickets.len(), 2, "nothing happened");
    let stranger = BookingRow { wish: "other".into(), ..next.clone() };
    assert!(matches!(taken(released.clone(), stranger).await, Err(StoreError::Invalid(_))));
    assert_eq!(taken(released, next).await.unwrap(), Moved::Yes);
    assert_eq!(store.booking("R1").await.unwrap().unwrap().tickets, []);
    let adopted = store.bookings_by_barcodes("default", &["B2".into()]).await.unwrap();
    assert_eq!((adopted[0].row.reference.as_str(), adopted[0].tickets.len()), ("R2", 2));
    assert_eq!(store.orphans_of("wish").await.unwrap(), []);
}

async fn bookings_are_found_by_state_barcode_and_age(place: Place) {
    let store = place.open().await;
    for number in 0..5 {
        let row =
            BookingRow { created_at: NOW + number / 2, needs_human: number == 3, ..booking(&format!("R{number}")) };
        store.intend(&row, &[]).await.unwrap();
    }
    let list = async |filter: BookingFilter, limit| -> Vec<String> {
        store.bookings(&filter, limit).await.unwrap().into_iter().map(|booking| booking.row.reference).collect()
    };
    assert_eq!(list(BookingFilter::default(), 10).await, ["R4", "R3", "R2", "R1", "R0"]);
    let next = BookingFilter { before: Some((NOW + 1, "R3".into())), ..BookingFilter::default() };
    assert_eq!(list(next, 2).await, ["R2", "R1"]);
    let human = BookingFilter { needs_human: true, ..BookingFilter::default() };
    assert_eq!(list(human, 10).await, ["R3"]);
    let booked = BookingFilter { state: Some(BookingState::Booked), ..BookingFilter::default() };
    assert!(list(booked, 10).await.is_empty());
    let elsewhere = BookingFilter { connection: Some("other".into()), ..BookingFilter::default() };
    assert!(list(elsewhere, 10).await.is_empty());
    sold(&*store, booking("S"), &["B"]).await;
    assert_eq!(store.stocks_with_live_tickets("default", &[9001, 9002]).await.unwrap(), [9001]);
    assert_eq!(store.stocks_with_live_tickets("other", &[9001]).await.unwrap(), Vec::<i64>::new());
    let too_many = vec![String::new(); 10_001];
    assert!(matches!(store.bookings_by_barcodes("default", &too_many).await, Err(StoreError::Invalid(_))));
}

async fn what_is_due_and_what_is_being_called_is_found(place: Place) {
    let store = place.open().await;
    store.intend(&BookingRow { due_at: Some(NOW + 5), ..booking("later") }, &[]).await.unwrap();
    store.intend(&booking("last"), &[]).await.unwrap();
    store.intend(&BookingRow { due_at: None, state: BookingState::Refused, ..booking("never") }, &[]).await.unwrap();
    let due = async |now| -> Vec<String> {
        store.due_bookings(now, 10).await.unwrap().into_iter().map(|booking| booking.row.reference).collect()
    };
    assert!(due(NOW).await.is_empty());
    assert_eq!(due(NOW + 5).await, ["later"]);
    assert_eq!(due(i64::MAX).await, ["later", "last"]);
    assert_eq!(store.open_calls(10).await.unwrap().len(), 2);
}

async fn a_next_step_that_a_wrong_clock_named_is_due_now(place: Place) {
    const HOUR: i64 = 3_600_000;
    let store = place.open().await;
    let ours = BookingRow { state: BookingState::Booked, ..booking("") };
    for (reference, moved_at, due_at) in [
        // Moved by a clock that was two hours ahead, and by one that was two days ahead.
        ("hours", NOW + 2 * HOUR, NOW + 2 * HOUR + 120_000),
        ("days", NOW, NOW + 48 * HOUR),
        // Right: tomorrow's look at the listing, and a worker's claim of a row that a wrong clock moved.
        ("tomorrow", NOW, NOW + 24 * HOUR),
        ("claimed", NOW + 2 * HOUR, NOW + 60_000),
    ] {
        let row = BookingRow { moved_at, due_at: Some(due_at), ..booking(reference) };
        store.intend(&BookingRow { state: ours.state, ..row }, &[]).await.unwrap();
    }
    let mut due: Vec<String> =
        store.due_bookings(NOW, 10).await.unwrap().into_iter().map(|booking| booking.row.reference).collect();
    due.sort();
    assert_eq!(due, ["days", "hours"]);
    let ahead = store.ahead_of_connection("cinema", NOW).await.unwrap();
    assert_eq!(ahead.len(), 1, "{ahead:?}");
    assert_eq!((ahead[0].what, ahead[0].count, ahead[0].latest), ("the next step of a booking", 2, NOW + 48 * HOUR));
    assert!(store.ahead_of_connection("another", NOW).await.unwrap().is_empty());
}

async fn bookings_outlive_their_connection_and_events_do_not(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "cinema").await;
    store.save_events(&lease, &[event("e")], &[date("e", "1")]).await.unwrap();
    sold(&*store, booking("R"), &["B"]).await;
    assert!(store.remove_connection(&lease).await.unwrap());
    assert_eq!(store.events("cinema").await.unwrap(), []);
    assert_eq!(store.dates("cinema").await.unwrap(), []);
    assert_eq!(store.bookings_by_barcodes("default", &["B".into()]).await.unwrap().len(), 1);
    store.apply_connection(&connection("cinema"), NOW).await.unwrap();
}

async fn a_history_has_an_end(place: Place) {
    let store = place.open().await;
    let many: Vec<BookingEvent> = (0..1_100).map(|number| told(&format!("c{number}"))).collect();
    store.intend(&booking("R"), &many).await.unwrap();
    let history = store.booking_history("R").await.unwrap();
    assert_eq!((history.len(), history[999].code.as_str()), (1_000, "c999"));
}
