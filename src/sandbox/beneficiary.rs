//! The beneficiary's side: booking, cancelling, and the messages these cause.
//!
//! Decides and changes state; the messages come back as values and are posted by `outbox`.
//!
//! Invariant: a beneficiary has at most one live booking per offer, never spends more than his credit, and a
//! message leaves only when the offer's provider is active, has an HMAC key and an address for it.

use serde_json::{Value, json};

use super::clock::naive;
use super::errors::Answer;
use super::message::{SignedMessage, sign_message};
use super::state::{Booking, BookingStatus, MAX_BOOKINGS, OfferStatus, World};

/// A message to post once the state's lock is released.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) url: String,
    pub(crate) message: SignedMessage,
    pub(crate) action: &'static str,
    pub(crate) booking: u64,
}

/// What a beneficiary asks for.
pub(crate) struct Order<'a> {
    pub(crate) email: &'a str,
    pub(crate) stock: Option<u64>,
    pub(crate) offer: Option<u64>,
    pub(crate) quantity: u32,
}

/// Books; gives the booking's id and what to send.
///
/// # Errors
/// The application's own codes as a 400, or a 404 for an unknown stock or person.
pub(crate) fn book(world: &mut World, order: &Order<'_>) -> Result<(u64, Option<Outgoing>), Answer> {
    let refuse = |code: &str| Answer::json(400, json!({ "code": code }));
    let person = world
        .beneficiaries
        .iter()
        .position(|b| b.email == order.email)
        .ok_or_else(|| Answer::plain(404, "email", "There is no beneficiary with this e-mail"))?;
    let unknown = || Answer::plain(404, "stock", "There is no such stock or offer, or the offer has no stock");
    let offer_id = match (order.stock, order.offer) {
        (Some(stock), _) => world.by_stock.get(&stock).copied(),
        (None, offer) => offer,
    };
    let offer = offer_id.and_then(|id| world.offers.get(&id)).ok_or_else(unknown)?;
    let stock = match order.stock {
        Some(id) => offer.stock(id),
        None => offer.product_stock(),
    }
    .ok_or_else(unknown)?;
    if order.quantity != 1 {
        let message = "Vous ne pouvez réserver qu'une place pour cette offre.";
        return Err(Answer::listed(400, "quantity", message));
    }
    let now = world.clock.now();
    let enough = stock.remaining().is_none_or(|left| left >= order.quantity);
    if offer.status(now) != OfferStatus::Active || !enough {
        return Err(refuse("STOCK_NOT_BOOKABLE"));
    }
    let (offer_id, stock_id, price) = (offer.id, stock.id, stock.price);
    let live = |id: &u64| {
        world.bookings.get(id).is_some_and(|b| b.beneficiary == person && b.status != BookingStatus::Cancelled)
    };
    if world.by_offer.get(&offer_id).is_some_and(|bookings| bookings.iter().any(live)) {
        return Err(refuse("ALREADY_BOOKED"));
    }
    let cost = price.saturating_mul(order.quantity);
    if world.beneficiaries[person].credit_cents < cost {
        return Err(refuse("INSUFFICIENT_CREDIT"));
    }
    if world.bookings.len() >= MAX_BOOKINGS {
        return Err(Answer::crash());
    }
    let id = world.next_id();
    let token = free_token(world);
    world.beneficiaries[person].credit_cents -= cost;
    if let Some(stock) = world.offers.get_mut(&offer_id).and_then(|o| o.stock_mut(stock_id)) {
        stock.booked += order.quantity;
    }
    world.by_token.insert(token.clone(), id);
    world.by_offer.entry(offer_id).or_default().push(id);
    world.bookings.insert(
        id,
        Booking {
            id,
            token,
            offer: offer_id,
            stock: stock_id,
            beneficiary: person,
            quantity: order.quantity,
            price,
            status: BookingStatus::Confirmed,
            created: now,
            confirmation: None,
            tickets: Vec::new(),
        },
    );
    Ok((id, notification(world, id, "BOOK")))
}

/// Cancels a live booking: the seat goes back on sale and the credit is given back. Nothing for any other booking.
pub(crate) fn cancel(world: &mut World, id: u64, silent: bool) -> Option<Outgoing> {
    let booking = world.bookings.get_mut(&id).filter(|b| b.status != BookingStatus::Cancelled)?;
    booking.status = BookingStatus::Cancelled;
    let (offer, stock, person) = (booking.offer, booking.stock, booking.beneficiary);
    let (quantity, price) = (booking.quantity, booking.price);
    if let Some(stock) = world.offers.get_mut(&offer).and_then(|o| o.stock_mut(stock)) {
        stock.booked = stock.booked.saturating_sub(quantity);
    }
    if let Some(person) = world.beneficiaries.get_mut(person) {
        person.credit_cents = person.credit_cents.saturating_add(price.saturating_mul(quantity));
    }
    if silent { None } else { notification(world, id, "CANCEL") }
}

/// Letters and digits of a token: no `I`, no `O`, digits 2 to 7.
const TOKEN_LETTERS: &[u8; 30] = b"ABCDEFGHJKLMNPQRSTUVWXYZ234567";

fn free_token(world: &mut World) -> String {
    loop {
        let token: String = (0..6)
            .map(|_| {
                let index = world.random.below(TOKEN_LETTERS.len() as u64);
                TOKEN_LETTERS.get(usize::try_from(index).unwrap_or(0)).map_or('A', |b| char::from(*b))
            })
            .collect();
        if !world.by_token.contains_key(&token) {
            return token;
        }
    }
}

/// The notification of a booking, when there is an address to send it to.
fn notification(world: &World, id: u64, action: &'static str) -> Option<Outgoing> {
    let booking = world.bookings.get(&id)?;
    let offer = world.offers.get(&booking.offer)?;
    let account = world.accounts.get(offer.owner)?;
    let venue = world.venues.get(&offer.venue)?;
    let at_venue = venue.urls.get(&offer.owner).and_then(|urls| urls.notification.as_ref());
    let url = at_venue.or(account.urls.notification.as_ref())?.clone();
    if !account.active || account.hmac_key.is_empty() {
        return None;
    }
    let mut fields = booking_fields(world, booking)?;
    fields.push(("action", json!(action)));
    Some(Outgoing { url, message: sign_message(&account.hmac_key, &fields), action, booking: id })
}

/// The 22 keys that every message about a booking carries, in their order.
fn booking_fields(world: &World, booking: &Booking) -> Option<Vec<(&'static str, Value)>> {
    let offer = world.offers.get(&booking.offer)?;
    let venue = world.venues.get(&offer.venue)?;
    let person = world.beneficiaries.get(booking.beneficiary)?;
    let price = offer.stock(booking.stock).map_or(booking.price, |s| s.price);
    Some(vec![
        ("booking_confirmation_date", json!(booking.confirmation.map(naive))),
        ("booking_creation_date", json!(naive(booking.created))),
        ("booking_quantity", json!(booking.quantity)),
        ("offer_ean", json!(offer.ean.map(super::state::ean_text))),
        ("offer_id", json!(offer.id)),
        ("offer_id_at_provider", Value::Null),
        ("offer_name", json!(&*offer.name)),
        ("offer_price", json!(price)),
        ("price_category_id", Value::Null),
        ("price_category_id_at_provider", Value::Null),
        ("price_category_label", Value::Null),
        ("stock_id", json!(booking.stock)),
        ("stock_id_at_provider", Value::Null),
        ("user_birth_date", json!(person.birth_date)),
        ("user_email", json!(person.email)),
        ("user_first_name", json!(person.first_name)),
        ("user_last_name", json!(person.last_name)),
        ("user_phone", json!(person.phone)),
        ("venue_address", json!(venue.street)),
        ("venue_department_code", json!(venue.department())),
        ("venue_id", json!(venue.id)),
        ("venue_name", json!(venue.name)),
    ])
}
