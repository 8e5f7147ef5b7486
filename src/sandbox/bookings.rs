//! Bookings as a provider sees them: the list of a venue or an offer, and the countermark routes.
//!
//! Speaks the new validator generation. The list never shows a token: it belongs to the beneficiary.
//!
//! Invariant: the table of the token routes is one function per route, evaluated in the backend's order.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::clock::utc;
use super::dates::TWO_DAYS;
use super::errors::{Answer, Errors, Outcome, new};
use super::products::PAGE;
use super::server::Call;
use super::state::{Booking, BookingStatus, World, ean_text};
use super::validate::{DateProblem, datetime, parse_int, snake};

const KNOWN: [&str; 7] =
    ["offerId", "priceCategoryId", "stockId", "status", "beginningDatetime", "firstIndex", "limit"];
const VENUE: &str = "venueId";

/// What a listing is asked for.
struct Filter {
    venue: Option<i64>,
    offer: Option<i64>,
    price_category: Option<i64>,
    stock: Option<i64>,
    status: Option<BookingStatus>,
    beginning: Option<Timestamp>,
    first: i64,
    limit: usize,
}

/// An id of 0 is falsy for the backend: it counts as absent.
fn truthy(id: Option<i64>) -> Option<i64> {
    id.filter(|id| *id != 0)
}

impl Filter {
    fn read(call: &Call) -> Result<Self, Answer> {
        let mut errors = Errors::default();
        let by_venue = call.generation.lists_bookings_by_venue();
        for (name, _) in &call.query {
            let known = |known: &str| known == name || (by_venue && snake(known) == *name);
            let is_known = KNOWN.into_iter().any(known) || (by_venue && known(VENUE));
            if !is_known {
                errors.add(name, new::EXTRA);
            }
        }
        let offer = int_parameter(call, "offerId", &mut errors);
        let venue = if by_venue { int_parameter(call, VENUE, &mut errors) } else { None };
        if !by_venue && call.query("offerId").is_none() {
            errors.add("offerId", new::MISSING);
        }
        let price_category = int_parameter(call, "priceCategoryId", &mut errors);
        let stock = int_parameter(call, "stockId", &mut errors);
        let status = call.query("status").map(BookingStatus::parse);
        if status == Some(None) {
            errors.add("status", "Input should be 'CONFIRMED', 'USED', 'CANCELLED' or 'REIMBURSED'");
        }
        let beginning = parameter(call, "beginningDatetime").map(|text| datetime(&Value::String(text.to_owned())));
        if matches!(beginning, Some(Err(DateProblem::Format | DateProblem::Type))) {
            errors.add("beginningDatetime", "Input should be a valid datetime or date, input is too short");
        }
        let first = int_parameter(call, "firstIndex", &mut errors).unwrap_or(1);
        if first < 1 {
            errors.add("firstIndex", "Input should be greater than or equal to 1");
        }
        let limit = int_parameter(call, "limit", &mut errors).unwrap_or(PAGE);
        if limit <= 0 {
            let bound = if by_venue { "greater than or equal to 1" } else { "greater than 0" };
            errors.add("limit", format!("Input should be {bound}"));
        } else if limit > PAGE {
            errors.add("limit", format!("Input should be less than or equal to {PAGE}"));
        }
        errors.finish()?;
        let (venue, wanted_offer) = (truthy(venue), truthy(offer));
        if by_venue && venue.is_none() && wanted_offer.is_none() {
            return Err(Answer::listed(400, "global", "`offerId` or `venueId` must be set"));
        }
        Ok(Self {
            venue,
            offer: if by_venue { wanted_offer } else { offer },
            price_category: truthy(price_category),
            stock: truthy(stock),
            status: status.flatten(),
            beginning: beginning.and_then(Result::ok),
            first,
            limit: usize::try_from(limit).unwrap_or(0),
        })
    }

    fn fits(&self, world: &World, booking: &Booking) -> bool {
        let same = |wanted: Option<i64>, id: u64| wanted.is_none_or(|wanted| i64::try_from(id) == Ok(wanted));
        let Some(offer) = world.offers.get(&booking.offer) else { return false };
        let date = offer.date_of(booking.stock);
        let category = date.and_then(|(_, category)| category).map(|category| category.id);
        i64::try_from(booking.id).is_ok_and(|id| id >= self.first)
            && same(self.stock, booking.stock)
            && self.price_category.is_none_or(|_| category.is_some_and(|id| same(self.price_category, id)))
            && self.beginning.is_none_or(|at| date.is_some_and(|(date, _)| date.beginning == at))
            && self.status.is_none_or(|status| booking.status == status)
    }
}

/// `GET /public/bookings/v1/bookings`
pub(crate) fn list(world: &World, call: &Call) -> Outcome {
    let filter = Filter::read(call)?;
    let venue = match filter.venue {
        None => None,
        Some(id) => {
            let unknown = || Answer::plain(404, VENUE, "we could not find this venue");
            Some(world.linked_venue(call.account, id).ok_or_else(unknown)?)
        }
    };
    let offer = match filter.offer {
        None => None,
        Some(id) => {
            let unknown = || match call.generation.lists_bookings_by_venue() {
                true => Answer::plain(404, "offerId", "we could not find this offer"),
                false => Answer::plain(404, "offer", "we could not find this offer id"),
            };
            Some(world.visible_offer(call.account, id).ok_or_else(unknown)?)
        }
    };
    let at_venue = |booking: &&Booking| {
        venue.is_none_or(|venue| world.offers.get(&booking.offer).is_some_and(|offer| offer.venue == venue))
    };
    let candidates: Box<dyn Iterator<Item = &Booking>> = match offer {
        Some(offer) => {
            let ids = world.by_offer.get(&offer.id).map_or(&[][..], Vec::as_slice);
            Box::new(ids.iter().filter_map(|id| world.bookings.get(id)))
        }
        None => Box::new(world.bookings.values()),
    };
    let rows: Vec<Value> = candidates
        .filter(at_venue)
        .filter(|booking| filter.fits(world, booking))
        .take(filter.limit)
        .filter_map(|booking| booking_json(world, booking))
        .collect();
    Ok(Answer::ok(json!({ "bookings": rows })))
}

/// A parameter in either spelling, where both are taken.
fn parameter<'c>(call: &'c Call, name: &str) -> Option<&'c str> {
    let other = || call.generation.lists_bookings_by_venue().then(|| call.query(&snake(name))).flatten();
    call.query(name).or_else(other)
}

fn int_parameter(call: &Call, name: &str, errors: &mut Errors) -> Option<i64> {
    let value = parse_int(parameter(call, name)?);
    if value.is_none() {
        errors.add(name, new::INTEGER);
    }
    value
}

fn booking_json(world: &World, booking: &Booking) -> Option<Value> {
    let offer = world.offers.get(&booking.offer)?;
    let venue = world.venues.get(&offer.venue)?;
    let person = world.beneficiaries.get(booking.beneficiary)?;
    let category = offer.date_of(booking.stock).and_then(|(_, category)| category);
    Some(json!({
        "id": booking.id,
        "quantity": booking.quantity,
        "creationDate": utc(booking.created),
        "confirmationDate": booking.confirmation.map(utc),
        "price": booking.price,
        "status": booking.status.as_str(),
        "offerId": offer.id,
        "stockId": booking.stock,
        "priceCategoryId": category.map(|c| c.id),
        "priceCategoryLabel": category.map(|c| &c.label),
        "offerName": &*offer.name,
        "offerEan": offer.ean.map(ean_text),
        "offerAddress": venue.street,
        "offerDepartmentCode": venue.department(),
        "venueId": venue.id,
        "venueName": venue.name,
        "userEmail": person.email,
        "userPhoneNumber": person.phone,
        "userFirstName": person.first_name,
        "userLastName": person.last_name,
        "userBirthDate": person.birth_date,
        "userPostalCode": person.postal_code,
    }))
}

const REIMBURSED_ALREADY: &str = "This booking has already been reimbursed";
const REIMBURSED: &str = "This booking has been reimbursed";

/// The booking of a countermark, upper-cased, when the account may see its venue.
fn by_token(world: &World, call: &Call, token: &str) -> Result<u64, Answer> {
    world
        .by_token
        .get(&token.to_uppercase())
        .and_then(|id| world.bookings.get(id))
        .filter(|b| world.offers.get(&b.offer).is_some_and(|o| world.is_linked(call.account, o.venue)))
        .map(|b| b.id)
        .ok_or_else(|| Answer::plain(404, "global", "This countermark cannot be found"))
}

fn status_of(world: &World, id: u64) -> BookingStatus {
    world.bookings.get(&id).map_or(BookingStatus::Cancelled, |b| b.status)
}

fn set_status(world: &mut World, id: u64, status: BookingStatus) {
    if let Some(booking) = world.bookings.get_mut(&id) {
        booking.status = status;
    }
}

/// Two days after its date began, a booking is held for used without anybody saying so.
pub(crate) fn use_past(world: &mut World) {
    let now = world.clock.now();
    let World { bookings, offers, .. } = world;
    for booking in bookings.values_mut() {
        if booking.status != BookingStatus::Confirmed || booking.confirmation.is_none() {
            continue;
        }
        let date = offers.get(&booking.offer).and_then(|offer| offer.date_of(booking.stock));
        let over = date.is_some_and(|(date, _)| date.beginning.saturating_add(TWO_DAYS).is_ok_and(|end| end < now));
        if over {
            booking.status = BookingStatus::Used;
        }
    }
}

/// What stands against using it now.
fn check_usable(world: &World, call: &Call, id: u64) -> Result<(), Answer> {
    match status_of(world, id) {
        BookingStatus::Confirmed => check_window_over(world, call, id),
        BookingStatus::Reimbursed => Err(Answer::plain(403, "payment", REIMBURSED_ALREADY)),
        BookingStatus::Used => Err(Answer::plain(410, "booking", "This booking has already been validated")),
        BookingStatus::Cancelled => Err(Answer::plain(410, "booking", "This booking has been cancelled")),
    }
}

/// A seat that its beneficiary may still give back cannot be used.
fn check_window_over(world: &World, call: &Call, id: u64) -> Result<(), Answer> {
    let Some(booking) = world.bookings.get(&id) else { return Ok(()) };
    let Some(limit) = booking.confirmation.filter(|limit| *limit > call.now) else { return Ok(()) };
    let venue = world.offers.get(&booking.offer).map_or(0, |offer| offer.venue);
    let local = limit.in_tz(world.zone(venue)).map(|local| local.strftime("%d/%m/%Y à %H:%M").to_string());
    let local = local.unwrap_or_else(|_| utc(limit));
    let message =
        format!("Vous pourrez valider cette contremarque à partir du {local}, une fois le délai d’annulation passé.");
    Err(Answer::plain(403, "booking", &message))
}

/// `GET /public/bookings/v1/token/{token}`
pub(crate) fn show(world: &World, call: &Call, token: &str) -> Outcome {
    let id = by_token(world, call, token)?;
    check_usable(world, call, id)?;
    let booking = world.bookings.get(&id).and_then(|b| booking_json(world, b));
    booking.map(Answer::ok).ok_or_else(Answer::crash)
}

/// `PATCH /public/bookings/v1/use/token/{token}`
pub(crate) fn validate(world: &mut World, call: &Call, token: &str) -> Outcome {
    let id = by_token(world, call, token)?;
    check_usable(world, call, id)?;
    set_status(world, id, BookingStatus::Used);
    Ok(Answer::no_content())
}

/// `PATCH /public/bookings/v1/keep/token/{token}`
pub(crate) fn keep(world: &mut World, call: &Call, token: &str) -> Outcome {
    let id = by_token(world, call, token)?;
    match status_of(world, id) {
        BookingStatus::Used => {}
        BookingStatus::Cancelled => {
            return Err(Answer::plain(410, "booking", "This booking has been cancelled"));
        }
        BookingStatus::Reimbursed => return Err(Answer::plain(403, "payment", REIMBURSED)),
        BookingStatus::Confirmed => return Err(Answer::plain(403, "booking", "This booking has not been used")),
    }
    set_status(world, id, BookingStatus::Confirmed);
    Ok(Answer::no_content())
}

/// `PATCH /public/bookings/v1/cancel/token/{token}`: the booking to cancel is left for after the lock.
pub(crate) fn cancel(world: &World, call: &Call, token: &str, cancellation: &mut Option<u64>) -> Outcome {
    let id = by_token(world, call, token)?;
    match status_of(world, id) {
        BookingStatus::Confirmed => {
            let limit = world.bookings.get(&id).and_then(|b| b.confirmation);
            if limit.is_some_and(|limit| limit <= call.now) {
                return Err(Answer::plain(403, "booking", "This booking cannot be cancelled anymore"));
            }
        }
        BookingStatus::Cancelled => {
            return Err(Answer::plain(410, "booking", "This booking has already been cancelled"));
        }
        BookingStatus::Reimbursed => return Err(Answer::plain(403, "payment", REIMBURSED)),
        BookingStatus::Used => return Err(Answer::plain(410, "booking", "This booking has been validated")),
    }
    *cancellation = Some(id);
    Ok(Answer::no_content())
}
