//! Bookings as a provider sees them: the list of one offer, and the countermark routes.
//!
//! Speaks the new validator generation. The list never shows a token: it belongs to the beneficiary.
//!
//! Invariant: the table of the token routes is one function per route, evaluated in the backend's order.

use serde_json::{Value, json};

use super::clock::utc;
use super::dates::TWO_DAYS;
use super::errors::{Answer, Errors, Outcome, new};
use super::products::PAGE;
use super::server::Call;
use super::state::{Booking, BookingStatus, World, ean_text};
use super::validate::{DateProblem, datetime, parse_int};

const KNOWN: [&str; 7] =
    ["offerId", "priceCategoryId", "stockId", "status", "beginningDatetime", "firstIndex", "limit"];

/// `GET /public/bookings/v1/bookings`
pub(crate) fn list(world: &World, call: &Call) -> Outcome {
    let mut errors = Errors::default();
    for (name, _) in &call.query {
        if !KNOWN.contains(&name.as_str()) {
            errors.add(name, new::EXTRA);
        }
    }
    let offer_id = int_parameter(call, "offerId", &mut errors);
    if call.query("offerId").is_none() {
        errors.add("offerId", new::MISSING);
    }
    let price_category = int_parameter(call, "priceCategoryId", &mut errors);
    let stock = int_parameter(call, "stockId", &mut errors);
    let status = call.query("status").map(BookingStatus::parse);
    if status == Some(None) {
        errors.add("status", "Input should be 'CONFIRMED', 'USED', 'CANCELLED' or 'REIMBURSED'");
    }
    let beginning = call.query("beginningDatetime").map(|text| datetime(&Value::String(text.to_owned())));
    if matches!(beginning, Some(Err(DateProblem::Format | DateProblem::Type))) {
        errors.add("beginningDatetime", "Input should be a valid datetime or date, input is too short");
    }
    let first = int_parameter(call, "firstIndex", &mut errors).unwrap_or(1);
    if first < 1 {
        errors.add("firstIndex", "Input should be greater than or equal to 1");
    }
    let limit = int_parameter(call, "limit", &mut errors).unwrap_or(PAGE);
    if limit <= 0 {
        errors.add("limit", "Input should be greater than 0");
    } else if limit > PAGE {
        errors.add("limit", format!("Input should be less than or equal to {PAGE}"));
    }
    errors.finish()?;
    let not_found = || Answer::plain(404, "offer", "we could not find this offer id");
    let offer = offer_id.and_then(|id| world.visible_offer(call.account, id)).ok_or_else(not_found)?;
    let wanted = |b: &Booking| {
        let date = offer.date_of(b.stock);
        let category = date.and_then(|(_, category)| category).and_then(|c| i64::try_from(c.id).ok());
        let begins = date.map(|(date, _)| date.beginning);
        price_category.is_none_or(|id| id == 0 || category == Some(id))
            && beginning.is_none_or(|at| at.is_ok() && at.ok() == begins)
    };
    let ids = world.by_offer.get(&offer.id).map_or(&[][..], Vec::as_slice);
    let rows: Vec<Value> = ids
        .iter()
        .filter_map(|id| world.bookings.get(id))
        .filter(|b| i64::try_from(b.id).is_ok_and(|id| id >= first) && wanted(b))
        .filter(|b| stock.is_none_or(|id| id == 0 || i64::try_from(b.stock).is_ok_and(|s| s == id)))
        .filter(|b| status.flatten().is_none_or(|s| b.status == s))
        .take(usize::try_from(limit).unwrap_or(0))
        .filter_map(|b| booking_json(world, b))
        .collect();
    Ok(Answer::ok(json!({ "bookings": rows })))
}

fn int_parameter(call: &Call, name: &str, errors: &mut Errors) -> Option<i64> {
    let text = call.query(name)?;
    let value = parse_int(text);
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
