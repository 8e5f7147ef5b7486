//! Dates of an event: one moment, one price category, a quantity.
//!
//! A call that adds dates is taken whole or not at all. A quantity that is sent is what is left to sell; one that is
//! read is the total.
//!
//! Invariant: the first dates of an event end its draft, and no message leaves when a date is deleted with its
//! tickets.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::beneficiary::{Outgoing, cancel};
use super::clock::utc;
use super::errors::{Answer, Errors, Outcome, Problem, problem};
use super::events::visible_event;
use super::offer::{Event, EventDate, Offer, Stock, Validation};
use super::offer_body::{Change, read_id_at_provider, read_int};
use super::offer_rules::{check_changeable, check_owner};
use super::price_categories::{ids_filter, price_category_json};
use super::products::Page;
use super::server::{Call, object_body};
use super::state::{BookingStatus, World};
use super::validate::{Fields, Loc, future};

/// Dates of an event, and of one call, at most.
pub(super) const MAX_DATES: usize = 2_500;
/// A date may be deleted until so long after it began; a booking may be cancelled until so long after it was made.
pub(super) const TWO_DAYS: SignedDuration = SignedDuration::from_hours(48);
const KEY: &str = "dates";
const NOT_FOUND: &str = "The event could not be found";
const NO_CATEGORY: &str = "The price category could not be found";
const TOO_LATE: &str = "The bookingLimitDatetime must be before the beginning of the event";
const NOT_PUBLISHED: &str = "the stock will not be published before its `bookingLimitDatetime`. Either change `bookingLimitDatetime` to a later date, or update the offer `publicationDatetime`";
const NOT_BOOKABLE: &str = "the stock will not be bookable before its `bookingLimitDatetime`. Either change `bookingLimitDatetime` to a later date, or update the offer `bookingAllowedDatetime`";
const OBLIGATORY: &str = "Ce paramètre est obligatoire";

/// A date of a body.
struct NewDate {
    beginning: Timestamp,
    limit: Timestamp,
    price_category: i64,
    quantity: Option<u32>,
    id_at_provider: Option<String>,
}

fn date_json(event: &Event, date: &EventDate) -> Value {
    json!({
        "id": date.stock.id,
        "beginningDatetime": utc(date.beginning),
        "bookingLimitDatetime": date.stock.booking_limit.map(utc),
        "priceCategory": event.price_category(date.price_category).map(price_category_json),
        "quantity": date.stock.total.map_or_else(|| json!("unlimited"), |total| json!(total)),
        "bookedQuantity": date.stock.booked,
        "idAtProvider": date.id_at_provider,
    })
}

fn read_dates(body: &Value, now: Timestamp) -> Result<Vec<NewDate>, Answer> {
    let body = object_body(body, "EventStocksCreation")?;
    let fields = Fields::of(body);
    let mut errors = Errors::default();
    let mut read = Vec::new();
    if let Some(value) = fields.required(KEY, &Loc::Root, &mut errors) {
        match value.as_array() {
            None => errors.add(KEY, problem::LIST),
            Some(items) if items.len() > MAX_DATES => {
                errors.add(KEY, Problem::list_above(MAX_DATES, items.len()));
            }
            Some(items) => {
                let root = Loc::Root;
                let list = root.key(KEY);
                for (index, item) in items.iter().enumerate() {
                    read.extend(read_date(item, &list.index(index), now, &mut errors));
                }
            }
        }
    }
    fields.refuse_extra(&[KEY], problem::EXTRA, &Loc::Root, &mut errors);
    errors.finish()?;
    Ok(read)
}

/// Unknown fields of an item are ignored, as measured.
fn read_date(item: &Value, at: &Loc<'_>, now: Timestamp, errors: &mut Errors) -> Option<NewDate> {
    if item.is_null() {
        errors.add(at.to_string(), problem::NULL);
        return None;
    }
    let fields = Fields::of(item);
    let moment = |name: &str, errors: &mut Errors| -> Option<Timestamp> {
        let value = fields.required(name, at, errors)?;
        future(value, now).map_err(|message| errors.add(at.key(name).to_string(), message)).ok()
    };
    let beginning = moment("beginningDatetime", errors);
    let limit = moment("bookingLimitDatetime", errors);
    let price_category = fields
        .required("priceCategoryId", at, errors)
        .and_then(|value| read_int(value, &at.key("priceCategoryId").to_string(), errors));
    let quantity = fields.required("quantity", at, errors).map(|value| read_quantity(value, at, errors));
    let id_at_provider = read_id_at_provider(&fields, at, errors).flatten();
    Some(NewDate {
        beginning: beginning?,
        limit: limit?,
        price_category: price_category?,
        quantity: quantity?,
        id_at_provider,
    })
}

fn read_quantity(value: &Value, at: &Loc<'_>, errors: &mut Errors) -> Option<u32> {
    super::ean_body::read_quantity(value, at, errors)
}

/// What the offer's own dates have against a booking limit.
fn limit_problems(offer: &Offer, limit: Timestamp) -> Vec<&'static str> {
    let before = |at: Option<Timestamp>| at.is_some_and(|at| limit < at);
    let mut problems = Vec::new();
    if before(offer.publication) {
        problems.push(NOT_PUBLISHED);
    }
    if before(offer.booking_allowed) {
        problems.push(NOT_BOOKABLE);
    }
    problems
}

/// `POST …/events/{id}/dates`: all or nothing.
pub(crate) fn add(world: &mut World, call: &Call, event_id: i64) -> Outcome {
    let new = read_dates(&call.body, call.now)?;
    let (offer, event) = visible_event(world, call, event_id, NOT_FOUND)?;
    let live = event.live_dates().count();
    if live + new.len() > MAX_DATES {
        let message = format!("The maximum number of stock entries allowed per offer is {MAX_DATES}");
        return Err(Answer::listed(400, KEY, message));
    }
    if !new.is_empty() {
        check_changeable(world, offer)?;
        check_owner(offer, call)?;
    }
    let mut errors = Errors::default();
    // A deleted date that was booked keeps its id for ever.
    let mut ids: HashSet<&str> = event.dates.values().filter_map(|date| date.id_at_provider.as_deref()).collect();
    let mut priced = Vec::with_capacity(new.len());
    for (index, date) in new.iter().enumerate() {
        let category = u64::try_from(date.price_category).ok().and_then(|id| event.price_category(id));
        let Some(category) = category else {
            errors.add(format!("{KEY}.{index}.priceCategoryId"), NO_CATEGORY);
            continue;
        };
        let limit_key = || format!("{KEY}.{index}.bookingLimitDatetime");
        if date.limit > date.beginning {
            errors.add(limit_key(), TOO_LATE);
            continue;
        }
        if let Some(id) = date.id_at_provider.as_deref().filter(|id| !id.is_empty())
            && !ids.insert(id)
        {
            let message = format!("`{id}` is already taken by another offer stock");
            errors.add(format!("{KEY}.{index}.idAtProvider"), message);
            continue;
        }
        for problem in limit_problems(offer, date.limit) {
            errors.add(limit_key(), problem);
        }
        priced.push((category.id, category.price));
    }
    errors.finish()?;
    let review = (live == 0 && !new.is_empty()).then(|| world.settings.review.validation());
    let offer_id = offer.id;
    let mut made = Vec::with_capacity(new.len());
    for (date, (price_category, price)) in new.into_iter().zip(priced) {
        let id = world.next_id();
        world.by_stock.insert(id, offer_id);
        let stock = Stock { id, price, total: date.quantity, booked: 0, booking_limit: Some(date.limit) };
        let NewDate { beginning, id_at_provider, .. } = date;
        made.push(EventDate { stock, beginning, price_category, id_at_provider, deleted: false });
    }
    let Some(offer) = world.offers.get_mut(&offer_id) else { return Err(Answer::crash()) };
    if let Some(review) = review {
        offer.validation = review;
    }
    let Some(event) = offer.event_mut() else { return Err(Answer::crash()) };
    let shown: Vec<Value> = made.iter().map(|date| date_json(event, date)).collect();
    event.dates.extend(made.into_iter().map(|date| (date.stock.id, date)));
    Ok(Answer::ok(json!({ KEY: shown })))
}

/// `GET …/events/{id}/dates`
pub(crate) fn list(world: &World, call: &Call, event_id: i64) -> Outcome {
    let mut errors = Errors::default();
    let page = Page::read(call, &mut errors);
    let ids = ids_filter(call, &mut errors);
    errors.finish()?;
    let (_, event) = visible_event(world, call, event_id, NOT_FOUND)?;
    let rows: Vec<Value> = event
        .dates
        .range(page.first..)
        .map(|(_, date)| date)
        .filter(|date| !date.deleted)
        .filter(|date| match &ids {
            None => true,
            Some(ids) => date.id_at_provider.as_ref().is_some_and(|id| ids.contains(id)),
        })
        .take(page.limit)
        .map(|date| date_json(event, date))
        .collect();
    Ok(Answer::ok(json!({ KEY: rows })))
}

/// An edition of a date, well formed.
struct DateChange {
    beginning: Change<Timestamp>,
    limit: Change<Timestamp>,
    price_category: Option<i64>,
    /// `Some(None)` is unlimited: sent as `"unlimited"` or as null.
    quantity: Change<u32>,
    id_at_provider: Change<String>,
}

fn read_change(body: &Value, now: Timestamp) -> Result<DateChange, Answer> {
    let body = object_body(body, "EventStockEdition")?;
    let fields = Fields::of(body);
    let mut errors = Errors::default();
    let moment = |name: &str, errors: &mut Errors| -> Change<Timestamp> {
        match fields.get(name)? {
            Value::Null => Some(None),
            value => future(value, now).map_err(|message| errors.add(name, message)).ok().map(Some),
        }
    };
    let beginning = moment("beginningDatetime", &mut errors);
    let limit = moment("bookingLimitDatetime", &mut errors);
    let price_category = fields.present("priceCategoryId").and_then(|value| {
        let id = read_int(value, "priceCategoryId", &mut errors)?;
        if id <= 0 {
            errors.add("priceCategoryId", Problem::not_above(0));
        }
        Some(id)
    });
    let quantity = match fields.get("quantity") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(value) => Some(read_quantity(value, &Loc::Root, &mut errors)),
    };
    let id_at_provider = read_id_at_provider(&fields, &Loc::Root, &mut errors);
    let known = ["beginningDatetime", "bookingLimitDatetime", "priceCategoryId", "quantity", "idAtProvider"];
    fields.refuse_extra(&known, problem::EXTRA, &Loc::Root, &mut errors);
    errors.finish()?;
    Ok(DateChange { beginning, limit, price_category, quantity, id_at_provider })
}

/// The date of a path: its event's id and its own.
fn find(world: &World, call: &Call, event_id: i64, id: i64) -> Result<(u64, u64), Answer> {
    let (offer, event) = visible_event(world, call, event_id, NOT_FOUND)?;
    let date = u64::try_from(id).ok().and_then(|id| event.live_date(id));
    let date = date.ok_or_else(|| Answer::listed(404, "stock_id", "No stock could be found"))?;
    Ok((offer.id, date.stock.id))
}

/// `PATCH …/events/{id}/dates/{stockId}`
pub(crate) fn edit(world: &mut World, call: &Call, event_id: i64, id: i64) -> Outcome {
    let change = read_change(&call.body, call.now)?;
    let (offer_id, id) = find(world, call, event_id, id)?;
    let Some((offer, event, date)) = world.offers.get(&offer_id).and_then(|offer| {
        let event = offer.event()?;
        event.live_date(id).map(|date| (offer, event, date))
    }) else {
        return Err(Answer::crash());
    };
    let category = match change.price_category {
        None => None,
        Some(wanted) => {
            let found = u64::try_from(wanted).ok().and_then(|wanted| event.price_category(wanted));
            let found = found.ok_or_else(|| Answer::listed(404, "priceCategoryId", NO_CATEGORY))?;
            Some((found.id, found.price))
        }
    };
    if offer.validation != Validation::Draft {
        check_changeable(world, offer)?;
        check_owner(offer, call)?;
        if date.beginning <= call.now {
            return Err(Answer::listed(400, "global", "Les évènements passés ne sont pas modifiables"));
        }
    }
    for (field, name) in [(change.beginning, "beginningDatetime"), (change.limit, "bookingLimitDatetime")] {
        if field == Some(None) {
            return Err(Answer::listed(400, name, OBLIGATORY));
        }
    }
    let beginning = change.beginning.flatten().unwrap_or(date.beginning);
    let limit = change.limit.flatten().or(date.stock.booking_limit);
    if limit.is_some_and(|limit| limit > beginning) {
        return Err(Answer::listed(400, "bookingLimitDatetime", TOO_LATE));
    }
    if let Some(Some(limit)) = change.limit {
        let problems = limit_problems(offer, limit);
        if !problems.is_empty() {
            return Err(Answer::json(400, json!({ "bookingLimitDatetime": problems })));
        }
    }
    if let Some(Some(wanted)) = &change.id_at_provider
        && !wanted.is_empty()
        && event.dates.values().any(|d| d.stock.id != id && d.id_at_provider.as_ref() == Some(wanted))
    {
        let message = format!("`{wanted}` is already taken by another offer stock");
        return Err(Answer::listed(400, "idAtProvider", message));
    }
    let moved = beginning != date.beginning;
    let Some(event) = world.offers.get_mut(&offer_id).and_then(Offer::event_mut) else {
        return Err(Answer::crash());
    };
    let Some(date) = event.dates.get_mut(&id) else { return Err(Answer::crash()) };
    date.beginning = beginning;
    date.stock.booking_limit = limit;
    if let Some((category, price)) = category {
        date.price_category = category;
        date.stock.price = price;
    }
    if let Some(quantity) = change.quantity {
        date.stock.set_remaining(quantity);
    }
    if let Some(id_at_provider) = change.id_at_provider {
        date.id_at_provider = id_at_provider;
    }
    let shown = event.live_date(id).map(|date| date_json(event, date));
    if moved {
        postpone(world, offer_id, id, beginning, call.now);
    }
    shown.map(Answer::ok).ok_or_else(Answer::crash)
}

/// The bookings of a date that moves: a new window to cancel, and no longer used when the date is far again.
fn postpone(world: &mut World, offer: u64, stock: u64, beginning: Timestamp, now: Timestamp) {
    let window = limit_after_move(beginning, now);
    let far = beginning > now.saturating_add(TWO_DAYS).unwrap_or(beginning);
    for id in world.by_offer.get(&offer).into_iter().flatten() {
        let Some(booking) = world.bookings.get_mut(id).filter(|b| b.stock == stock) else { continue };
        match booking.status {
            BookingStatus::Used if far => booking.status = BookingStatus::Confirmed,
            BookingStatus::Confirmed | BookingStatus::Used => {}
            BookingStatus::Cancelled | BookingStatus::Reimbursed => continue,
        }
        booking.confirmation = Some(window);
    }
}

/// End of the beneficiary's window to cancel: two days after booking, two days before the beginning at the latest. A seat
/// booked later than that cannot be cancelled: it is confirmed at once.
pub(super) fn cancellation_limit(beginning: Timestamp, booked: Timestamp) -> Timestamp {
    let latest = beginning.saturating_sub(TWO_DAYS).unwrap_or(beginning);
    booked.saturating_add(TWO_DAYS).unwrap_or(booked).min(latest).max(booked)
}

/// The same for a date that moves: two days after the move, or the new beginning.
fn limit_after_move(beginning: Timestamp, moved: Timestamp) -> Timestamp {
    moved.saturating_add(TWO_DAYS).unwrap_or(moved).min(beginning)
}

/// `DELETE …/events/{id}/dates/{stockId}`: its bookings are cancelled, and a ticketing is told nothing.
pub(crate) fn delete(world: &mut World, call: &Call, event_id: i64, id: i64, outgoing: &mut Vec<Outgoing>) -> Outcome {
    let (offer_id, id) = find(world, call, event_id, id)?;
    let Some(offer) = world.offers.get(&offer_id) else { return Err(Answer::crash()) };
    check_changeable(world, offer)?;
    let beginning = offer.date_of(id).map_or(call.now, |(date, _)| date.beginning);
    if beginning.saturating_add(TWO_DAYS).unwrap_or(beginning) < call.now {
        let message = "L'évènement s'est terminé il y a plus de deux jours, la suppression est impossible.";
        return Err(Answer::listed(400, "global", message));
    }
    let of_stock = |booking: &u64| world.bookings.get(booking).is_some_and(|b| b.stock == id);
    let bookings: Vec<u64> =
        world.by_offer.get(&offer_id).into_iter().flatten().copied().filter(|b| of_stock(b)).collect();
    for booking in &bookings {
        let reimbursed = world.bookings.get(booking).is_some_and(|b| b.status == BookingStatus::Reimbursed);
        if !reimbursed {
            outgoing.extend(cancel(world, *booking, false));
        }
    }
    if let Some(event) = world.offers.get_mut(&offer_id).and_then(Offer::event_mut) {
        if bookings.is_empty() {
            event.dates.remove(&id);
        } else if let Some(date) = event.dates.get_mut(&id) {
            date.deleted = true;
        }
    }
    if bookings.is_empty() {
        world.by_stock.remove(&id);
    }
    Ok(Answer::no_content())
}
