//! Messages to venues' software and bookings of products: the same on both engines.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test panics")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use passerelle::store::messages::{
    Attempted, Claim, Condition, EndpointRow, EndpointState, KEPT_FOR, MessageFilter, MessageRow, MessageState,
    NewMessage,
};
use passerelle::store::products::{NoticeRow, Notified, ProductBooking, ProductState};
use passerelle::store::{Millis, Owner, Store};
use support::{NOW, Place, on_both_engines};

on_both_engines!(
    a_bookings_messages_have_a_sequence_and_an_endpoints_a_position,
    nothing_is_given_out_before_what_came_earlier,
    a_claim_keeps_others_away_until_it_runs_out,
    what_became_of_an_attempt_is_kept,
    an_acknowledgement_goes_forward_only,
    writers_at_once_leave_no_gap_for_a_reader,
    replayed_messages_keep_id_and_body,
    a_resting_endpoint_is_tried_when_its_rest_is_over,
    old_messages_are_forgotten_whole,
    a_notification_has_an_effect_once,
    a_cancellation_that_came_first_is_final,
    a_booking_that_moved_meanwhile_is_left_alone,
    an_offer_is_claimed_by_one,
    what_a_wrong_clock_put_off_is_due_now,
);

const ENDPOINT: &str = "software";

fn write(kind: &str, at: Millis, sequence: u32, data: &str) -> String {
    format!("{kind}|{at}|{sequence}|{data}")
}

fn message(id: &str, booking: &str, kind: &'static str) -> NewMessage {
    NewMessage {
        connection: ENDPOINT.into(),
        id: id.into(),
        booking: booking.into(),
        kind,
        at: NOW,
        data: "{}".into(),
        write,
        least_sequence: 1,
        condition: Condition::Always,
        is_sent: true,
        starts_at: None,
    }
}

fn created(id: &str, booking: &str) -> NewMessage {
    message(id, booking, "booking.created")
}

fn cancelled(id: &str, booking: &str) -> NewMessage {
    NewMessage { least_sequence: 2, ..message(id, booking, "booking.cancelled") }
}

fn product(fingerprint: &str, state: ProductState) -> ProductBooking {
    ProductBooking {
        account: "default".into(),
        fingerprint: fingerprint.into(),
        booking: format!("bk_{fingerprint}"),
        offer_id: 7,
        stock_id: 8,
        venue_id: 9,
        item: "9782070286256".into(),
        quantity: 1,
        price_cents: 1_290,
        state,
        booked_at: NOW,
        expires_at: NOW + 1_000,
        moved_at: NOW,
    }
}

/// As `explain` asks for them.
async fn bookings_of_a_book(store: &dyn Store, venue_id: i64) -> Vec<ProductBooking> {
    store.bookings_of_ean("default", venue_id, "9782070286256".parse().unwrap(), 50).await.unwrap()
}

fn notified(action: &str, fingerprint: &str, messages: Vec<NewMessage>) -> Notified {
    let state = if action == "BOOK" { ProductState::Open } else { ProductState::Cancelled };
    let notice = NoticeRow {
        fingerprint: format!("{action} {fingerprint}"),
        account: "default".into(),
        action: action.into(),
        offer_id: 7,
        stock_id: 8,
        venue_id: 9,
        ean: Some("9782070286256".into()),
        quantity: 1,
        received_at: NOW,
    };
    Notified { notice, booking: Some(product(fingerprint, state)), messages, look_at: NOW + 100 }
}

/// Stores messages the way everybody does: with something that moved.
async fn tell(store: &dyn Store, key: &str, messages: &[NewMessage]) {
    assert!(store.move_product(None, &product(key, ProductState::Open), messages).await.unwrap());
}

async fn all(store: &dyn Store) -> Vec<MessageRow> {
    store.messages_after(ENDPOINT, 0, 1_000).await.unwrap()
}

const fn of(owner: &Owner, limit: u32, any: bool) -> Claim<'_> {
    Claim { owner, limit, any, lease: Duration::from_secs(60) }
}

async fn claim(store: &dyn Store, now: Millis) -> Vec<String> {
    let claimed = store.claim_messages(ENDPOINT, of(&Owner::current("test"), 10, false), now).await.unwrap();
    claimed.into_iter().map(|message| message.id).collect()
}

async fn endpoint(store: &dyn Store) -> EndpointRow {
    store.endpoint(ENDPOINT).await.unwrap().unwrap()
}

fn delivered(position: i64) -> Attempted {
    Attempted {
        position,
        state: MessageState::Delivered,
        attempts: 1,
        due_at: None,
        at: NOW + 5,
        status: Some(204),
        latency_ms: 12,
        error: None,
    }
}

async fn a_bookings_messages_have_a_sequence_and_an_endpoints_a_position(place: Place) {
    let store = place.open().await;
    tell(&*store, "a", &[created("m1", "b1"), created("m2", "b2"), cancelled("m3", "b1")]).await;
    // What ends a booking never has the first sequence; what is only for the first or the known is left out otherwise.
    let first = NewMessage { condition: Condition::First, ..created("m5", "b3") };
    let known = NewMessage { condition: Condition::Known, ..cancelled("m6", "b4") };
    let once = NewMessage { condition: Condition::Once, ..cancelled("m7", "b1") };
    tell(&*store, "b", &[cancelled("m4", "b3"), first, known, once]).await;
    let told: Vec<(String, u32)> = all(&*store).await.into_iter().map(|row| (row.id, row.sequence)).collect();
    let expected = [("m1", 1), ("m2", 1), ("m3", 2), ("m4", 2)].map(|(id, sequence)| (id.to_owned(), sequence));
    assert_eq!(told, expected);
    assert_eq!(all(&*store).await[2].body, format!("booking.cancelled|{NOW}|2|{{}}"));
    assert_eq!(store.message("m2").await.unwrap().unwrap().booking, "b2");
}

async fn nothing_is_given_out_before_what_came_earlier(place: Place) {
    let store = place.open().await;
    tell(&*store, "a", &[created("m1", "b1"), cancelled("m2", "b1"), created("m3", "b2")]).await;
    assert_eq!(claim(&*store, NOW).await, ["m1", "m3"]);
    store.attempted(&endpoint(&*store).await, &[delivered(1)], &[3], None).await.unwrap();
    assert_eq!(claim(&*store, NOW).await, ["m2", "m3"]);
}

async fn a_claim_keeps_others_away_until_it_runs_out(place: Place) {
    let (one, other) = (place.open().await, place.open().await);
    tell(&*one, "a", &[created("m1", "b1")]).await;
    assert_eq!(one.endpoints_with_due(NOW).await.unwrap(), [ENDPOINT]);
    assert_eq!(claim(&*one, NOW).await, ["m1"]);
    assert_eq!(claim(&*other, NOW + 59_999).await, Vec::<String>::new());
    assert_eq!(other.endpoints_with_due(NOW + 59_999).await.unwrap(), Vec::<String>::new());
    assert_eq!(claim(&*other, NOW + 60_000).await, ["m1"]);
    // Who is dead need not be waited for.
    assert_eq!(other.end_dead_claims(NOW + 60_000, &|_| false).await.unwrap(), 0);
    assert_eq!(claim(&*one, NOW + 60_001).await, Vec::<String>::new());
    assert_eq!(other.end_dead_claims(NOW + 60_001, &|owner| owner.purpose == "test").await.unwrap(), 1);
    assert_eq!(claim(&*one, NOW + 60_001).await, ["m1"]);
}

async fn what_became_of_an_attempt_is_kept(place: Place) {
    let store = place.open().await;
    tell(&*store, "a", &[created("m1", "b1"), created("m2", "b2")]).await;
    let failed = Attempted {
        state: MessageState::Pending,
        due_at: Some(NOW + 500),
        status: Some(503),
        error: Some("Busy: later".into()),
        ..delivered(1)
    };
    let broken = EndpointRow { failures: 1, failing_since: Some(NOW), ..endpoint(&*store).await };
    store.attempted(&broken, &[failed, delivered(2)], &[], None).await.unwrap();
    let rows = all(&*store).await;
    assert_eq!(
        (rows[0].state, rows[0].due_at, rows[0].last_status),
        (MessageState::Pending, Some(NOW + 500), Some(503))
    );
    assert_eq!((rows[1].state, rows[1].ended_at), (MessageState::Delivered, Some(NOW + 5)));
    let attempts = store.attempts_of(ENDPOINT, 1).await.unwrap();
    assert_eq!((attempts.len(), attempts[0].latency_ms, attempts[0].error.as_deref()), (1, 12, Some("Busy: later")));
    let counts = store.endpoints().await.unwrap();
    assert_eq!((counts[0].pending, counts[0].dead, counts[0].endpoint.failures), (1, 0, 1));
    // Somebody else's late word does not undo what was delivered.
    let late = Attempted { state: MessageState::Dead, ..delivered(2) };
    store.attempted(&broken, &[late], &[], None).await.unwrap();
    assert_eq!(all(&*store).await[1].state, MessageState::Delivered);
}

async fn an_acknowledgement_goes_forward_only(place: Place) {
    let store = place.open().await;
    assert_eq!(store.acknowledge(ENDPOINT, 0, NOW).await.unwrap(), Some(0));
    tell(&*store, "a", &[created("m1", "b1"), created("m2", "b2"), created("m3", "b3")]).await;
    assert_eq!(store.acknowledge(ENDPOINT, 2, NOW).await.unwrap(), Some(2));
    assert_eq!(store.acknowledge(ENDPOINT, 1, NOW).await.unwrap(), Some(2));
    assert_eq!(store.acknowledge(ENDPOINT, 2, NOW).await.unwrap(), Some(2));
    assert_eq!(store.acknowledge(ENDPOINT, 4, NOW).await.unwrap(), None);
    let states: Vec<MessageState> = all(&*store).await.into_iter().map(|row| row.state).collect();
    assert_eq!(states, [MessageState::Delivered, MessageState::Delivered, MessageState::Pending]);
}

async fn writers_at_once_leave_no_gap_for_a_reader(place: Place) {
    const WRITERS: usize = 4;
    const EACH: usize = 25;
    let mut writing = Vec::new();
    for writer in 0..WRITERS {
        let store = place.open().await;
        writing.push(tokio::spawn(async move {
            for number in 0..EACH {
                let name = format!("{writer}-{number}");
                tell(&*store, &name, &[created(&format!("m{name}"), &format!("b{name}"))]).await;
            }
        }));
    }
    // A reader goes on from the last position that it saw: whatever commits later must have a higher one.
    let store: Arc<dyn Store> = place.open().await;
    let (mut from, mut seen) = (0, 0);
    while seen < WRITERS * EACH {
        let rows = store.messages_after(ENDPOINT, from, 7).await.unwrap();
        seen += rows.len();
        from = rows.last().map_or(from, |row| row.position);
        tokio::task::yield_now().await;
    }
    for writer in writing {
        writer.await.unwrap();
    }
    assert_eq!(all(&*store).await.len(), seen, "the reader missed one");
}

async fn replayed_messages_keep_id_and_body(place: Place) {
    let store = place.open().await;
    tell(&*store, "a", &[created("m1", "b1"), created("m2", "b2")]).await;
    let before = all(&*store).await;
    let dead = Attempted { state: MessageState::Dead, attempts: 4, ..delivered(1) };
    let gone = EndpointRow { state: EndpointState::Gone, failures: 3, ..endpoint(&*store).await };
    store.attempted(&gone, &[dead, delivered(2)], &[], None).await.unwrap();
    let only_dead = MessageFilter { states: vec![MessageState::Dead], ..MessageFilter::default() };
    assert_eq!(store.messages(&only_dead, 10).await.unwrap().len(), 1);
    store.replay_messages(ENDPOINT, &[1, 2], NOW, Duration::from_millis(200)).await.unwrap();
    assert_eq!(endpoint(&*store).await.state, EndpointState::Open);
    assert_eq!(claim(&*store, NOW).await, ["m1"]);
    assert_eq!(claim(&*store, NOW + 200).await, ["m2"]);
    let after = all(&*store).await;
    assert!(after.iter().all(|row| row.replay && row.attempts == 0));
    assert!(before.iter().zip(&after).all(|(one, other)| one.id == other.id && one.body == other.body));
}

async fn a_resting_endpoint_is_tried_when_its_rest_is_over(place: Place) {
    let store = place.open().await;
    tell(&*store, "a", &[created("m1", "b1"), created("m2", "b2")]).await;
    let later = |position| Attempted {
        state: MessageState::Pending,
        due_at: Some(NOW + 3_600_000),
        error: Some("X: y".into()),
        ..delivered(position)
    };
    let rests = EndpointRow { failures: 10, probe_at: Some(NOW + 60_000), ..endpoint(&*store).await };
    store.attempted(&rests, &[later(1), later(2)], &[], None).await.unwrap();
    assert_eq!(store.endpoints_with_due(NOW + 59_999).await.unwrap(), Vec::<String>::new());
    assert_eq!(store.endpoints_with_due(NOW + 60_000).await.unwrap(), [ENDPOINT]);
    let owner = Owner::current("test");
    let probe = store.claim_messages(ENDPOINT, of(&owner, 1, true), NOW + 60_000).await.unwrap();
    assert_eq!(probe.len(), 1, "what is not due yet will do");
    let disabled = EndpointRow { state: EndpointState::Disabled, ..rests };
    store.attempted(&disabled, &[], &[1], None).await.unwrap();
    assert_eq!(store.endpoints_with_due(NOW + 90_000).await.unwrap(), Vec::<String>::new());
    assert!(store.reopen_endpoint(ENDPOINT, NOW + 90_000).await.unwrap());
    assert_eq!(claim(&*store, NOW + 90_000).await.len(), 2);
}

async fn old_messages_are_forgotten_whole(place: Place) {
    let store = place.open().await;
    let kept = Millis::try_from(KEPT_FOR.as_millis()).unwrap();
    let show = NewMessage { starts_at: Some(NOW + kept), ..created("m2", "b2") };
    tell(&*store, "a", &[created("m1", "b1"), show]).await;
    store.attempted(&endpoint(&*store).await, &[delivered(1)], &[], None).await.unwrap();
    assert_eq!(store.forget_messages(NOW + kept - 1, 10).await.unwrap(), 0);
    assert_eq!(store.forget_messages(NOW + kept, 10).await.unwrap(), 1);
    assert_eq!(store.message("m1").await.unwrap(), None);
    assert!(store.attempts_of(ENDPOINT, 1).await.unwrap().is_empty());
    assert_eq!(endpoint(&*store).await.forgotten, 1);
    assert_eq!(store.forget_messages(NOW + 2 * kept, 10).await.unwrap(), 1);
}

async fn a_notification_has_an_effect_once(place: Place) {
    let store = place.open().await;
    let book = || notified("BOOK", "f", vec![created(&uuid::Uuid::new_v4().to_string(), "b1")]);
    assert_eq!(store.notified(&[book(), book()]).await.unwrap(), [true, false]);
    let cancel = || notified("CANCEL", "f", vec![cancelled(&uuid::Uuid::new_v4().to_string(), "b1")]);
    assert_eq!(store.notified(&[cancel()]).await.unwrap(), [true]);
    assert_eq!(store.notified(&[cancel()]).await.unwrap(), [false]);
    let kinds: Vec<String> = all(&*store).await.into_iter().map(|row| row.kind).collect();
    assert_eq!(kinds, ["booking.created", "booking.cancelled"]);
    assert_eq!(store.product_bookings("default", 7).await.unwrap()[0].state, ProductState::Cancelled);
    assert_eq!(bookings_of_a_book(&*store, 9).await, store.product_bookings("default", 7).await.unwrap());
    assert_eq!(bookings_of_a_book(&*store, 10).await, [], "another venue's bookings are not told");
    let watched = store.offers_to_look_at(NOW + 100, 10).await.unwrap();
    assert_eq!((watched.len(), watched[0].due_at, watched[0].active_at), (1, NOW + 100, NOW));
    // Nobody is told at another venue: only the notification itself is kept.
    let nobody = Notified { booking: None, messages: Vec::new(), ..notified("BOOK", "g", Vec::new()) };
    assert_eq!(store.notified(&[nobody]).await.unwrap(), [true]);
}

async fn a_cancellation_that_came_first_is_final(place: Place) {
    let store = place.open().await;
    store.notified(&[notified("CANCEL", "f", vec![cancelled("m1", "b1")])]).await.unwrap();
    assert_eq!(store.notified(&[notified("BOOK", "f", vec![created("m2", "b1")])]).await.unwrap(), [true]);
    let told: Vec<(String, u32)> = all(&*store).await.into_iter().map(|row| (row.kind, row.sequence)).collect();
    assert_eq!(told, [("booking.cancelled".to_owned(), 2)]);
    assert_eq!(store.product_bookings("default", 7).await.unwrap()[0].state, ProductState::Cancelled);
}

async fn a_booking_that_moved_meanwhile_is_left_alone(place: Place) {
    let store = place.open().await;
    store.notified(&[notified("BOOK", "f", Vec::new())]).await.unwrap();
    let used = product("f", ProductState::Used);
    assert!(!store.move_product(None, &used, &[created("m1", "b1")]).await.unwrap());
    assert!(store.move_product(Some(ProductState::Open), &used, &[]).await.unwrap());
    assert!(!store.move_product(Some(ProductState::Open), &product("f", ProductState::Cancelled), &[]).await.unwrap());
    assert!(all(&*store).await.is_empty());
}

async fn an_offer_is_claimed_by_one(place: Place) {
    let (one, other) = (place.open().await, place.open().await);
    one.notified(&[notified("BOOK", "f", Vec::new())]).await.unwrap();
    let mut offer = one.offers_to_look_at(Millis::MAX, 10).await.unwrap().remove(0);
    assert!(one.claim_offer(&offer, NOW + 900).await.unwrap());
    assert!(!other.claim_offer(&offer, NOW + 900).await.unwrap());
    offer.due_at = NOW + 900;
    // Something happened while it was compared: it is looked at again soon, whatever the comparison thought.
    let mut cancel = Notified { look_at: NOW + 50, ..notified("CANCEL", "f", Vec::new()) };
    cancel.notice.received_at = NOW + 10;
    other.notified(&[cancel]).await.unwrap();
    one.looked_at(&offer, NOW, Some(NOW + 5_000)).await.unwrap();
    let again = one.offers_to_look_at(Millis::MAX, 10).await.unwrap().remove(0);
    assert_eq!((again.due_at, again.active_at), (NOW + 50, NOW + 10));
    one.looked_at(&again, NOW, None).await.unwrap();
    assert!(one.offers_to_look_at(Millis::MAX, 10).await.unwrap().is_empty());
}

async fn what_a_wrong_clock_put_off_is_due_now(place: Place) {
    const DAY: Millis = 24 * 3_600_000;
    let store = place.open().await;
    // Told by a clock that was a day ahead.
    let ahead = NewMessage { at: NOW + DAY, ..created("m1", "b1") };
    tell(&*store, "x", &[ahead]).await;
    assert_eq!(store.endpoints_with_due(NOW).await.unwrap(), [ENDPOINT]);
    let told = store.ahead_of_connection(ENDPOINT, NOW).await.unwrap();
    assert_eq!(told.iter().map(|one| one.what).collect::<Vec<_>>(), ["the next try of a message"]);
    assert_eq!(claim(&*store, NOW + DAY).await, ["m1"], "claimed by that clock");
    assert_eq!(claim(&*store, NOW).await, ["m1"], "no claim lasts that long");
    assert!(claim(&*store, NOW).await.is_empty(), "but this one is right");
    // An offer that is to be looked at in two days, and one that a wrong clock looked at.
    assert_eq!(store.notified(&[notified("BOOK", "y", vec![])]).await.unwrap(), [true]);
    let offer = store.offers_to_look_at(NOW + 100, 10).await.unwrap().remove(0);
    store.looked_at(&offer, NOW, Some(NOW + 2 * DAY)).await.unwrap();
    assert_eq!(store.offers_to_look_at(NOW, 10).await.unwrap().len(), 1);
    store.looked_at(&offer, NOW, Some(NOW + DAY)).await.unwrap();
    assert!(store.offers_to_look_at(NOW, 10).await.unwrap().is_empty());
    store.looked_at(&offer, NOW + DAY / 2, Some(NOW + DAY)).await.unwrap();
    let found = store.offers_to_look_at(NOW, 10).await.unwrap().remove(0);
    assert!(store.claim_offer(&found, NOW + 120_000).await.unwrap());
    assert!(store.offers_to_look_at(NOW, 10).await.unwrap().is_empty(), "a claim holds");
}
