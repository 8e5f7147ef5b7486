//! What one row of the ledger still lacks at pass Culture. Pure.

use passerelle_contract::Quantity;

use crate::passculture::{CategoryFields, Contact, DatePatch, Event, EventDate, EventPatch};
use crate::rules::screenings::{CategoryTerms, DateTerms, EventTerms};
use crate::store::Millis;
use crate::store::events::{DateRow, EventRow};

/// What is to be done about a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DateStep {
    /// pass Culture has it as it should be, or nothing can be done about it.
    Nothing,
    /// It is to be made, or found by its key.
    Create,
    /// pass Culture has it, but nobody knows how: it is to be read.
    Read,
    /// It differs.
    Change,
    /// It is gone at the vendor.
    Withdraw,
}

/// What a date lacks. `live` says that it has tickets which are not void.
pub(super) fn date_step(row: &DateRow, live: bool, now: Millis) -> DateStep {
    let Some(desired) = read_date(row.desired.as_deref()) else {
        // Closed is all that can be done while tickets are live; a deletion that was refused is not asked for again.
        let closed = row.stock_id.is_some() && row.acknowledged.is_some() && row.acknowledged_quantity == Some(0);
        return if row.starts_at <= now || (closed && (live || row.refused.is_some())) {
            DateStep::Nothing
        } else {
            DateStep::Withdraw
        };
    };
    if desired.starts_at <= now || row.refused.is_some() {
        return DateStep::Nothing;
    }
    if row.stock_id.is_none() {
        return DateStep::Create;
    }
    let Some(acknowledged) = read_date(row.acknowledged.as_deref()) else { return DateStep::Read };
    // What has begun cannot be changed any more.
    if acknowledged.starts_at <= now {
        return DateStep::Nothing;
    }
    if row.acknowledged == row.desired && row.acknowledged_quantity == row.desired_quantity {
        DateStep::Nothing
    } else {
        DateStep::Change
    }
}

/// Is what to send only known once pass Culture has said how many of its places are booked?
pub(super) fn needs_booked(row: &DateRow) -> bool {
    row.desired_quantity.is_some()
        && row.desired_quantity != row.acknowledged_quantity
        && read_date(row.desired.as_deref()).is_some_and(|terms| terms.in_all)
}

/// What to send for a changed date; the price category apart, which may have to be made first. `booked` are the places that
/// pass Culture has given away: it takes what is left and adds those itself.
pub(super) fn date_patch(row: &DateRow, desired: &DateTerms, acknowledged: &DateTerms, booked: u32) -> DatePatch {
    let moved = (desired.starts_at != acknowledged.starts_at).then_some(desired.starts_at);
    DatePatch {
        starts_at: moved,
        bookable_until: moved,
        quantity: (row.desired_quantity != row.acknowledged_quantity).then(|| {
            let taken = if desired.in_all { booked } else { 0 };
            Quantity::of(row.desired_quantity.map(|places| places.saturating_sub(taken)))
        }),
        ..DatePatch::default()
    }
}

/// The row once pass Culture has it as desired.
pub(super) fn in_step(row: &DateRow) -> DateRow {
    DateRow {
        acknowledged: row.desired.clone(),
        acknowledged_quantity: row.desired_quantity,
        refused: None,
        ..row.clone()
    }
}

/// The row with what pass Culture was seen to have.
pub(super) fn as_read(row: &DateRow, date: &EventDate) -> DateRow {
    let desired = read_date(row.desired.as_deref());
    let seen = if desired.as_ref().is_some_and(|terms| terms.in_all) { date.total } else { date.remaining() };
    let category = date
        .price_category
        .as_ref()
        .map(|category| CategoryTerms { label: category.label.clone(), price_cents: category.price.0 });
    let acknowledged = match (desired, category) {
        (Some(desired), Some(category)) => {
            serde_json::to_string(&DateTerms { starts_at: date.starts_at, category, ..desired }).ok()
        }
        // Nothing is desired any more; it only matters that something is there.
        (None, _) => row.acknowledged.clone().or_else(|| Some(String::new())),
        (Some(_), None) => None,
    };
    DateRow { stock_id: Some(date.id), acknowledged, acknowledged_quantity: seen.number(), ..row.clone() }
}

/// What to send for a changed event, when pass Culture has it; `None` when it is as it should be.
pub(super) fn event_patch(desired: &EventTerms, acknowledged: &EventTerms) -> Option<EventPatch> {
    let fields = category_fields(desired);
    let fields = (fields != category_fields(acknowledged)).then_some(fields);
    let contact = desired.booking_contact.clone().filter(|_| desired.booking_contact != acknowledged.booking_contact);
    let changed = |differs: bool, text: &Option<String>| differs.then(|| text.clone());
    let patch = EventPatch {
        name: (desired.name != acknowledged.name).then(|| desired.name.clone()),
        description: changed(desired.description != acknowledged.description, &desired.description),
        category: fields,
        duo: (desired.duo != acknowledged.duo).then_some(desired.duo),
        booking_contact: contact.map(Contact::new),
        duration_minutes: (desired.duration_minutes != acknowledged.duration_minutes)
            .then_some(desired.duration_minutes),
        ..EventPatch::default()
    };
    (patch != EventPatch::default()).then_some(patch)
}

/// An event as pass Culture was seen to have it, in the rules' terms. The poster is not among them.
pub(super) fn terms_of(event: &Event, desired: &EventTerms) -> EventTerms {
    EventTerms {
        name: event.name.clone(),
        category: event.category.category.clone(),
        description: event.description.clone().filter(|text| !text.is_empty()),
        duration_minutes: event.duration_minutes,
        visa: event.category.visa.clone(),
        stage_director: event.category.stage_director.clone(),
        // pass Culture shows other words than it takes.
        show_type: desired.show_type.clone(),
        music_type: desired.music_type.clone(),
        booking_contact: event.booking_contact.as_ref().map(|contact| contact.expose().to_owned()),
        duo: event.duo,
        poster: desired.poster.clone(),
        ticketed: desired.ticketed,
        film: desired.film.clone(),
    }
}

/// The category and what is said in it.
pub(super) fn category_fields(terms: &EventTerms) -> CategoryFields {
    CategoryFields {
        category: terms.category.clone(),
        visa: terms.visa.clone(),
        stage_director: terms.stage_director.clone(),
        show_type: terms.show_type.clone(),
        music_type: terms.music_type.clone(),
        ..CategoryFields::default()
    }
}

pub(super) fn read_date(text: Option<&str>) -> Option<DateTerms> {
    serde_json::from_str(text?).ok()
}

pub(super) fn read_event(text: Option<&str>) -> Option<EventTerms> {
    serde_json::from_str(text?).ok()
}

/// Does the event itself lack something? Its picture apart.
pub(super) fn event_differs(row: &EventRow) -> bool {
    row.refused.is_none() && row.desired.is_some() && row.offer_id.is_some() && row.acknowledged != row.desired
}
