//! Bookings of events with tickets: the provider is asked, and the beneficiary waits.
//!
//! Acts: holds the rows the backend holds, posts, and writes what `ticket_answers` made of the answer. Between the
//! two steps the state's lock is free; the rows are not.
//!
//! Invariant: a booking is saved only with exactly as many tickets as seats, and every barcode that was accepted is
//! in the sweeper's queue before its booking is saved.

use std::sync::Arc;

use serde_json::{Value, json};

use super::beneficiary::{self, Order, Outgoing, Wanted};
use super::errors::Answer;
use super::locks::Row;
use super::message::{Form, sign_message};
use super::offer::Offer;
use super::server::Shared;
use super::state::{AccountIndex, BookingStatus, MessagingUrls, SweepItem, Ticket, World};
use super::ticket_answers::{BookingVerdict, CancelVerdict, Left, read_booking, read_cancellation, storable};

/// Barcodes in the sweeper's queue at most; past it the oldest is lost.
const MAX_SWEEP: usize = 100_000;

/// Books as a beneficiary, asking the provider when it is he who makes the tickets.
///
/// # Errors
/// What the application answers.
pub(crate) async fn book(shared: &Arc<Shared>, order: &Order<'_>) -> Result<u64, Answer> {
    let wanted = beneficiary::check(&shared.world(), order)?;
    if !wanted.ticketed {
        let (id, message) = beneficiary::book(&mut shared.world(), order)?;
        shared.send(message.into_iter().collect());
        return Ok(id);
    }
    let _stock = shared.locks().hold(Row::Stock(wanted.stock)).await;
    let _person = shared.locks().hold(Row::Person(wanted.person)).await;
    let (wanted, request, era) = {
        let world = shared.world();
        // Checked again: the wait may have been long.
        let wanted = beneficiary::check(&world, order)?;
        let request = booking_request(&world, &wanted)?;
        (wanted, request, world.era)
    };
    let reply = shared.exchange(&request).await;
    let concluded = {
        let mut world = shared.world();
        if world.era != era {
            return Err(Answer::crash());
        }
        conclude(&mut world, &wanted, reply)
    };
    match concluded {
        Concluded::Booked(id) => Ok(id),
        Concluded::Refused(answer) => Err(answer),
        Concluded::Void { barcode, refusal } => {
            let request = cancel_request(&shared.world(), wanted.stock, &[barcode])?;
            match shared.exchange(&request).await {
                Some(_) => Err(refusal),
                None => Err(Answer::crash()),
            }
        }
    }
}

/// What an answer came to.
enum Concluded {
    Booked(u64),
    Refused(Answer),
    /// Refused, and this ticket is voided at once.
    Void {
        barcode: String,
        refusal: Answer,
    },
}

fn conclude(world: &mut World, wanted: &Wanted, reply: Option<(u16, Vec<u8>)>) -> Concluded {
    // Too late, refused, reset: the backend does not catch it, and nothing was learnt of any ticket.
    let Some((status, body)) = reply else { return Concluded::Refused(Answer::crash()) };
    let (mut tickets, left) = match read_booking(status, &body) {
        BookingVerdict::Tickets(tickets, left) => (tickets, left),
        BookingVerdict::NotEnough(left) => {
            set_remaining(world, wanted.stock, Some(left));
            return Concluded::Refused(code("PROVIDER_STOCK_NOT_ENOUGH_SEATS"));
        }
        BookingVerdict::Crash => return Concluded::Refused(Answer::crash()),
        BookingVerdict::Failed(message) => return Concluded::Refused(failed(world, wanted, &message)),
    };
    match (tickets.len(), wanted.quantity) {
        (2, 1) => {
            let first = tickets.remove(0);
            queue(world, wanted.stock, first.barcode);
        }
        (1, 2) => {
            let message =
                "External booking failed with status code 201 but only one ticket was returned for duo reservation";
            let refusal = failed(world, wanted, message);
            return Concluded::Void { barcode: tickets.remove(0).barcode, refusal };
        }
        (count, seats) if u32::try_from(count) == Ok(seats) => {}
        (count, seats) => {
            let message = format!(
                "External booking failed with status code 201 but {count} tickets were returned instead of {seats}"
            );
            return Concluded::Refused(failed(world, wanted, &message));
        }
    }
    for ticket in &tickets {
        queue(world, wanted.stock, ticket.barcode.clone());
    }
    match save(world, wanted, tickets, left) {
        Some(id) => Concluded::Booked(id),
        None => Concluded::Refused(Answer::crash()),
    }
}

/// Saves the booking; nothing when the database would refuse it.
fn save(world: &mut World, wanted: &Wanted, tickets: Vec<Ticket>, left: Left) -> Option<u64> {
    let remaining = left.map_or(Some(None), |left| storable(left).map(Some))?;
    let id = beneficiary::save(world, wanted, tickets).ok()?;
    set_remaining(world, wanted.stock, remaining);
    Some(id)
}

fn code(code: &str) -> Answer {
    Answer::json(400, json!({ "code": code }))
}

/// A failure as the application tells it; the code depends on where the addresses are set.
fn failed(world: &World, wanted: &Wanted, message: &str) -> Answer {
    let owner = world.offers.get(&wanted.offer).map(|offer| offer.owner);
    let own = owner.is_some_and(|owner| super::offer_rules::has_own_ticketing(world, owner));
    let code = if own { "EXTERNAL_EVENT_PROVIDER_BOOKING_FAILED" } else { "CINEMA_PROVIDER_BOOKING_FAILED" };
    Answer::json(400, json!({ "code": code, "message": message }))
}

fn set_remaining(world: &mut World, stock: u64, remaining: Option<u32>) {
    let offer = world.by_stock.get(&stock).copied();
    let offer = offer.and_then(|offer| world.offers.get_mut(&offer));
    if let Some(stock) = offer.and_then(|offer| offer.stock_mut(stock)) {
        stock.set_remaining(remaining);
    }
}

fn queue(world: &mut World, stock: u64, barcode: String) {
    let Some(account) = offer_of(world, stock).map(|offer| offer.owner) else { return };
    if world.sweep.len() >= MAX_SWEEP {
        world.sweep.pop_front();
    }
    let received = world.clock.now();
    world.sweep.push_back(SweepItem { barcode, received, account, stock });
}

fn offer_of(world: &World, stock: u64) -> Option<&Offer> {
    world.by_stock.get(&stock).and_then(|offer| world.offers.get(offer))
}

/// The address of a kind: the venue's wins over the provider's.
fn address(
    world: &World,
    account: AccountIndex,
    venue: u32,
    pick: fn(&MessagingUrls) -> Option<&String>,
) -> Option<String> {
    let at_venue = world.venues.get(&venue).and_then(|v| v.urls.get(&account)).and_then(pick);
    at_venue.or_else(|| world.accounts.get(account).and_then(|a| pick(&a.urls))).cloned()
}

fn booking_request(world: &World, wanted: &Wanted) -> Result<Outgoing, Answer> {
    let offer = world.offers.get(&wanted.offer).ok_or_else(Answer::crash)?;
    let account = world.accounts.get(offer.owner).ok_or_else(Answer::crash)?;
    if !account.active {
        return Err(code("CINEMA_PROVIDER_INACTIVE"));
    }
    let ready = !account.hmac_key.is_empty() && super::offer_rules::has_ticketing(world, offer.owner, offer.venue);
    let url = address(world, offer.owner, offer.venue, |urls| urls.booking.as_ref());
    let url = url.filter(|_| ready).ok_or_else(Answer::crash)?;
    let fields = beneficiary::message_fields(world, wanted).ok_or_else(Answer::crash)?;
    Ok(Outgoing { url, message: sign_message(&account.hmac_key, &fields, Form::Spaced), action: "BOOKING", booking: 0 })
}

fn cancel_request(world: &World, stock: u64, barcodes: &[String]) -> Result<Outgoing, Answer> {
    let offer = offer_of(world, stock).ok_or_else(Answer::crash)?;
    let account = world.accounts.get(offer.owner).filter(|a| !a.hmac_key.is_empty()).ok_or_else(Answer::crash)?;
    let url = address(world, offer.owner, offer.venue, |urls| urls.cancel.as_ref()).ok_or_else(Answer::crash)?;
    let fields = [("barcodes", json!(barcodes))];
    Ok(Outgoing {
        url,
        message: sign_message(&account.hmac_key, &fields, Form::Spaced),
        action: "CANCELLATION",
        booking: 0,
    })
}

/// Cancels a live booking. The provider is asked first when there are tickets; a ticketing that says the ticket was
/// void already leaves the booking as it is, and the beneficiary is told that it worked (measured).
///
/// # Errors
/// `failure` when the provider refuses, a crash when he does not answer.
pub(crate) async fn cancel(shared: &Arc<Shared>, booking: u64, failure: Answer) -> Result<(), Answer> {
    let Some((stock, barcodes)) = live_tickets(&shared.world(), booking) else { return Ok(()) };
    if barcodes.is_empty() {
        let message = beneficiary::cancel(&mut shared.world(), booking, false);
        shared.send(message.into_iter().collect());
        return Ok(());
    }
    let _stock = shared.locks().hold(Row::Stock(stock)).await;
    let (mut request, era) = {
        let world = shared.world();
        if live_tickets(&world, booking).is_none() {
            return Ok(());
        }
        (cancel_request(&world, stock, &barcodes)?, world.era)
    };
    request.booking = booking;
    let Some((status, body)) = shared.exchange(&request).await else { return Err(Answer::crash()) };
    let mut world = shared.world();
    if world.era != era {
        return Err(Answer::crash());
    }
    let left = match read_cancellation(status, &body) {
        CancelVerdict::Done(left) => Some(checked(left)?),
        CancelVerdict::Unreadable => None,
        CancelVerdict::AlreadyCancelled(left) => {
            let left = checked(left)?;
            set_remaining(&mut world, stock, left);
            return Ok(());
        }
        CancelVerdict::Crash => return Err(Answer::crash()),
        CancelVerdict::Failed => return Err(failure),
    };
    beneficiary::cancel(&mut world, booking, true);
    if let Some(left) = left {
        set_remaining(&mut world, stock, left);
    }
    Ok(())
}

/// What is left, when the database takes it.
fn checked(left: Left) -> Result<Option<u32>, Answer> {
    match left {
        None => Ok(None),
        Some(left) => storable(left).map(Some).ok_or_else(Answer::crash),
    }
}

/// Stock and barcodes of a booking that is confirmed.
fn live_tickets(world: &World, booking: u64) -> Option<(u64, Vec<String>)> {
    let booking = world.bookings.get(&booking).filter(|b| b.status == BookingStatus::Confirmed)?;
    Some((booking.stock, booking.tickets.iter().map(|ticket| ticket.barcode.clone()).collect()))
}

/// What one run of the sweeper did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Sweep {
    /// Barcodes whose booking was found.
    pub saved: usize,
    /// Barcodes voided at their provider.
    pub voided: usize,
    /// Whether a failure ended the run; its barcode is lost.
    pub failed: bool,
}

/// One run of the sweeper over the barcodes at least `age` seconds old.
pub(crate) async fn sweep(shared: &Arc<Shared>, age: u32) -> Sweep {
    let mut done = Sweep::default();
    loop {
        let item = {
            let mut world = shared.world();
            let oldest = world.clock.now().as_second() - i64::from(age);
            match world.sweep.front() {
                Some(item) if item.received.as_second() <= oldest => {}
                _ => return done,
            }
            let Some(item) = world.sweep.pop_front() else { return done };
            let is_saved = |ticket: &Ticket| ticket.barcode == item.barcode;
            if world.bookings.values().any(|booking| booking.tickets.iter().any(is_saved)) {
                done.saved += 1;
                continue;
            }
            item
        };
        if void(shared, &item).await.is_none() {
            tracing::debug!(stock = item.stock, account = item.account, "Sweep stopped at a failure");
            done.failed = true;
            return done;
        }
        done.voided += 1;
    }
}

/// Voids one barcode and takes what is left as the provider says it. Nothing when he refuses or does not answer.
async fn void(shared: &Arc<Shared>, item: &SweepItem) -> Option<()> {
    let request = cancel_request(&shared.world(), item.stock, std::slice::from_ref(&item.barcode)).ok()?;
    let (status, body) = shared.exchange(&request).await?;
    let left = match read_cancellation(status, &body) {
        CancelVerdict::Done(left) | CancelVerdict::AlreadyCancelled(left) => checked(left).ok()?,
        CancelVerdict::Unreadable => return Some(()),
        CancelVerdict::Crash | CancelVerdict::Failed => return None,
    };
    set_remaining(&mut shared.world(), item.stock, left);
    Some(())
}

/// What the application tells a beneficiary whose provider would not cancel.
pub(crate) fn refused_to_cancel() -> Answer {
    let message = "L'annulation de réservation a échoué.";
    Answer::json(400, json!({ "code": "FAILED_TO_CANCEL_EXTERNAL_BOOKING", "message": message }))
}

/// The JSON of an answer, for those who want no HTTP.
pub(crate) fn json_of(answer: Answer) -> Value {
    match answer.body {
        super::errors::AnswerBody::Json(body) => body,
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::seed::Seed;
    use crate::sandbox::server::Call;
    use crate::sandbox::{dates, events};
    use proptest::prelude::*;

    /// A world with one event with tickets and one date; the date's id.
    fn world() -> (World, u64) {
        let mut world = World::new(Arc::new(Seed::built_in()));
        let person = world.beneficiaries[0].clone();
        world.beneficiaries = (0..4)
            .map(|n| crate::sandbox::seed::SeedBeneficiary { email: format!("p{n}@example.com"), ..person.clone() })
            .collect();
        world.accounts[0].urls.booking = Some("http://127.0.0.1:9/b".to_owned());
        world.accounts[0].urls.cancel = Some("http://127.0.0.1:9/c".to_owned());
        let flags = ["audio", "mental", "motor", "visual"].map(|flag| (format!("{flag}DisabilityCompliant"), true));
        let body = json!({
            "name": "Essai", "location": {"type": "physical", "venueId": 1}, "hasTicket": true,
            "categoryRelatedFields": {"category": "CONFERENCE"}, "priceCategories": [{"label": "A", "price": 10}],
            "accessibility": flags.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        });
        let call = |world: &World, body: Value| {
            let generation = world.settings.generation;
            Call { account: 0, query: Vec::new(), body, now: world.clock.now(), generation }
        };
        let asked = call(&world, body);
        let made = json_of(events::create(&mut world, &asked).unwrap());
        let at = "2099-01-01T00:00:00Z";
        let date = json!({"beginningDatetime": at, "bookingLimitDatetime": at, "quantity": 5,
                          "priceCategoryId": made["priceCategories"][0]["id"]});
        let now = call(&world, json!({ "dates": [date] }));
        let made = json_of(dates::add(&mut world, &now, made["id"].as_i64().unwrap()).unwrap());
        (world, made["dates"][0]["id"].as_u64().unwrap())
    }

    proptest! {
        #[test]
        fn seats_agree_with_bookings_and_what_is_left_with_the_providers_last_word(
            answers in prop::collection::vec((0usize..4, 1u32..3, 0usize..4, -1i64..6), 1..30),
        ) {
            let (mut world, stock) = world();
            for (turn, (person, quantity, tickets, left)) in answers.into_iter().enumerate() {
                let email = format!("p{person}@example.com");
                let order = Order { email: &email, stock: Some(stock), offer: None, quantity };
                // A refusal before the provider is asked is as good as a booking here.
                let Ok(wanted) = beneficiary::check(&world, &order) else { continue };
                let seats: Vec<Value> = (0..tickets).map(|n| json!({ "barcode": format!("{turn}-{n}") })).collect();
                let body = json!({ "tickets": seats, "remainingQuantity": left }).to_string().into_bytes();
                let queued = world.sweep.len();
                let booked = matches!(conclude(&mut world, &wanted, Some((200, body))), Concluded::Booked(_));
                let date = offer_of(&world, stock).and_then(|offer| offer.stock(stock)).unwrap();
                let saved: u32 = world.bookings.values().map(|b| b.quantity).sum();
                prop_assert_eq!(date.booked, saved);
                prop_assert!(world.bookings.values().all(|b| b.tickets.len() == b.quantity as usize));
                if booked {
                    prop_assert_eq!(date.remaining().map(i64::from), Some(left));
                    prop_assert_eq!(world.sweep.len() - queued, tickets, "every barcode waits for the sweeper");
                }
            }
        }
    }
}
