//! The beneficiary's side: booking, cancelling, and the messages these cause.
//!
//! Decides and changes state; the messages come back as values and are posted by `outbox`.
//!
//! Invariant: a beneficiary has at most one live booking per offer, never spends more than his credit, and a
//! message leaves only when the offer's provider is active, has an HMAC key and an address for it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::clock::naive;
use super::dates::cancellation_limit;
use super::errors::Answer;
use super::message::{Form, SignedMessage, sign_message};
use super::state::{Booking, BookingStatus, Event, MAX_BOOKINGS, Offer, OfferStatus, Stock, Ticket, World, department};

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

/// A booking that nothing stands against, not yet made.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) person: usize,
    pub(crate) offer: u64,
    pub(crate) stock: u64,
    pub(crate) quantity: u32,
    /// Unit price in cents.
    price: u32,
    created: Timestamp,
    confirmation: Option<Timestamp>,
    /// Whether the provider makes the tickets.
    pub(crate) ticketed: bool,
}

/// Looks for anything that stands against a booking.
///
/// # Errors
/// The application's own codes as a 400, or a 404 for an unknown stock or person.
pub(crate) fn check(world: &World, order: &Order<'_>) -> Result<Wanted, Answer> {
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
    let now = world.clock.now();
    let stock = match order.stock {
        Some(id) => offer.stock(id),
        None => first_stock(offer, now),
    }
    .ok_or_else(unknown)?;
    let duo = offer.details.as_ref().is_some_and(|details| details.duo);
    if order.quantity != 1 && !(duo && order.quantity == 2) {
        let message = if duo {
            "Vous devez réserver une place ou deux dans le cas d'une offre DUO."
        } else {
            "Vous ne pouvez réserver qu'une place pour cette offre."
        };
        return Err(Answer::listed(400, "quantity", message));
    }
    let enough = stock.remaining().is_none_or(|left| left >= order.quantity);
    let date = offer.date_of(stock.id).map(|(date, _)| date);
    let open = date.is_none_or(|date| date.is_bookable(now));
    if offer.status(now) != OfferStatus::Active || !enough || !open {
        return Err(refuse("STOCK_NOT_BOOKABLE"));
    }
    let live = |id: &u64| {
        world.bookings.get(id).is_some_and(|b| b.beneficiary == person && b.status != BookingStatus::Cancelled)
    };
    if world.by_offer.get(&offer.id).is_some_and(|bookings| bookings.iter().any(live)) {
        return Err(refuse("ALREADY_BOOKED"));
    }
    if world.beneficiaries[person].credit_cents < stock.price.saturating_mul(order.quantity) {
        return Err(refuse("INSUFFICIENT_CREDIT"));
    }
    if world.bookings.len() >= MAX_BOOKINGS {
        return Err(Answer::crash());
    }
    Ok(Wanted {
        person,
        offer: offer.id,
        stock: stock.id,
        quantity: order.quantity,
        price: stock.price,
        created: now,
        confirmation: date.map(|date| cancellation_limit(date.beginning, now)),
        ticketed: offer.has_ticket(),
    })
}

/// The stock of a product, or the first date of an event that can be booked, or else its first.
fn first_stock(offer: &Offer, now: Timestamp) -> Option<&Stock> {
    let dates = || offer.event().into_iter().flat_map(Event::live_dates);
    let open = dates().find(|date| date.is_bookable(now)).or_else(|| dates().next());
    offer.product_stock().or(open.map(|date| &date.stock))
}

/// Books what needs nobody else; gives the booking's id and what to send.
///
/// # Errors
/// As [`check`]; an event with tickets cannot be booked without asking its provider.
pub(crate) fn book(world: &mut World, order: &Order<'_>) -> Result<(u64, Option<Outgoing>), Answer> {
    let wanted = check(world, order)?;
    if wanted.ticketed {
        return Err(Answer::json(500, json!({ "error": "an event with tickets is booked by asking its provider" })));
    }
    let id = save(world, &wanted, Vec::new())?;
    Ok((id, notification(world, id, "BOOK")))
}

/// Saves a booking: the seats and the credit are taken.
pub(crate) fn save(world: &mut World, wanted: &Wanted, tickets: Vec<Ticket>) -> Result<u64, Answer> {
    let cost = wanted.price.saturating_mul(wanted.quantity);
    let person = world.beneficiaries.get_mut(wanted.person).ok_or_else(Answer::crash)?;
    person.credit_cents = person.credit_cents.checked_sub(cost).ok_or_else(Answer::crash)?;
    let id = world.next_id();
    let token = free_token(world);
    if let Some(stock) = world.offers.get_mut(&wanted.offer).and_then(|o| o.stock_mut(wanted.stock)) {
        stock.booked += wanted.quantity;
    }
    world.by_token.insert(token.clone(), id);
    world.by_offer.entry(wanted.offer).or_default().push(id);
    let booking = booking(wanted, id, token, tickets);
    world.bookings.insert(id, booking);
    Ok(id)
}

fn booking(wanted: &Wanted, id: u64, token: String, tickets: Vec<Ticket>) -> Booking {
    Booking {
        id,
        token,
        offer: wanted.offer,
        stock: wanted.stock,
        beneficiary: wanted.person,
        quantity: wanted.quantity,
        price: wanted.price,
        status: BookingStatus::Confirmed,
        created: wanted.created,
        confirmation: wanted.confirmation,
        tickets,
    }
}

/// The fields of the request that asks a provider for tickets: neither id nor countermark are in it.
pub(crate) fn message_fields(world: &World, wanted: &Wanted) -> Option<Vec<(&'static str, Value)>> {
    booking_fields(world, &booking(wanted, 0, String::new(), Vec::new()))
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
    // A ticketing is asked, never notified.
    if offer.has_ticket() {
        return None;
    }
    let account = world.accounts.get(offer.owner)?;
    let venue = world.venues.get(&offer.venue)?;
    let at_venue = venue.urls.get(&offer.owner).and_then(|urls| urls.notification.as_ref());
    let url = at_venue.or(account.urls.notification.as_ref())?.clone();
    if !account.active || account.hmac_key.is_empty() {
        return None;
    }
    let mut fields = booking_fields(world, booking)?;
    fields.push(("action", json!(action)));
    let compact = world.settings.generation.sends_compact_notifications();
    let message = sign_message(&account.hmac_key, &fields, if compact { Form::Compact } else { Form::Spaced });
    Some(Outgoing { url, message, action, booking: id })
}

/// The 22 keys that every message about a booking carries, in their order.
fn booking_fields(world: &World, booking: &Booking) -> Option<Vec<(&'static str, Value)>> {
    let offer = world.offers.get(&booking.offer)?;
    let venue = world.venues.get(&offer.venue)?;
    let person = world.beneficiaries.get(booking.beneficiary)?;
    let price = offer.stock(booking.stock).map_or(booking.price, |s| s.price);
    let (date, category) = offer.date_of(booking.stock).unzip();
    let category = category.flatten();
    let place = offer.address.as_ref().and_then(|place| {
        let index = usize::try_from(place.address_id).ok()?.checked_sub(1)?;
        world.addresses.get(index).map(|address| (address, place.label.as_deref()))
    });
    let street = place.map(|(address, _)| &address.street).or(venue.street.as_ref());
    let department = match place {
        Some((address, _)) => department(&address.postal_code),
        None => venue.department(),
    };
    let place_name = place.and_then(|(_, label)| label).unwrap_or(&venue.name);
    Some(vec![
        ("booking_confirmation_date", json!(booking.confirmation.map(naive))),
        ("booking_creation_date", json!(naive(booking.created))),
        ("booking_quantity", json!(booking.quantity)),
        ("offer_ean", json!(offer.ean.map(super::state::ean_text))),
        ("offer_id", json!(offer.id)),
        ("offer_id_at_provider", json!(offer.id_at_provider())),
        ("offer_name", json!(&*offer.name)),
        ("offer_price", json!(price)),
        ("price_category_id", json!(category.map(|c| c.id))),
        ("price_category_id_at_provider", json!(category.and_then(|c| c.id_at_provider.as_ref()))),
        ("price_category_label", json!(category.map(|c| &c.label))),
        ("stock_id", json!(booking.stock)),
        ("stock_id_at_provider", json!(date.and_then(|d| d.id_at_provider.as_ref()))),
        ("user_birth_date", json!(person.birth_date)),
        ("user_email", json!(person.email)),
        ("user_first_name", json!(person.first_name)),
        ("user_last_name", json!(person.last_name)),
        ("user_phone", json!(person.phone)),
        ("venue_address", json!(street)),
        ("venue_department_code", json!(department)),
        ("venue_id", json!(venue.id)),
        ("venue_name", json!(place_name)),
    ])
}
