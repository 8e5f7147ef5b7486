//! Price categories of an event: added, listed, changed. There is no way to delete one.
//!
//! Invariant: creation keeps (label, price) unique within an event; a change does not, as measured, and moves the
//! category to the end of the lists.

use serde_json::{Value, json};

use super::errors::{Answer, Errors, Outcome, Problem, problem};
use super::events::visible_event;
use super::offer::PriceCategory;
use super::offer_body::{Change, read_id_at_provider, read_text};
use super::offer_rules::{check_changeable, check_owner, check_price};
use super::server::{Call, object_body};
use super::state::World;
use super::validate::{Fields, Loc};

/// Price categories of an event, and of one call, at most.
pub(super) const MAX_PRICE_CATEGORIES: usize = 50;
/// Ids of one filter.
const MAX_IDS: usize = 100;
const MAX_LABEL: usize = 50;
const NOT_FOUND: &str = "The event could not be found";
const KEY: &str = "priceCategories";

/// A price category of a body.
#[derive(Debug)]
pub(super) struct NewPriceCategory {
    pub(super) label: String,
    pub(super) price: u32,
    pub(super) id_at_provider: Option<String>,
}

/// The object of every route.
pub(super) fn price_category_json(category: &PriceCategory) -> Value {
    json!({
        "id": category.id,
        "label": category.label,
        "price": category.price,
        "idAtProvider": category.id_at_provider,
    })
}

/// Reads `priceCategories`; unknown fields of an item are ignored, as measured.
pub(super) fn read_new(value: &Value, errors: &mut Errors) -> Vec<NewPriceCategory> {
    let Some(items) = value.as_array() else {
        errors.add(KEY, problem::LIST);
        return Vec::new();
    };
    if items.len() > MAX_PRICE_CATEGORIES {
        errors.add(KEY, Problem::list_above(MAX_PRICE_CATEGORIES, items.len()));
        return Vec::new();
    }
    let before = errors.count();
    let root = Loc::Root;
    let list = root.key(KEY);
    let mut read: Vec<NewPriceCategory> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        read.extend(read_item(item, &list.index(index), errors));
    }
    if errors.count() == before {
        check_unique(&read, errors);
    }
    read
}

fn read_item(item: &Value, at: &Loc<'_>, errors: &mut Errors) -> Option<NewPriceCategory> {
    if item.is_null() {
        errors.add(at.to_string(), problem::NULL);
        return None;
    }
    let fields = Fields::of(item);
    let label = fields
        .required("label", at, errors)
        .and_then(|value| read_text(value, &at.key("label").to_string(), 1..=MAX_LABEL, errors));
    let price = fields.required("price", at, errors).and_then(|value| super::ean_body::read_price(value, at, errors));
    let id_at_provider = read_id_at_provider(&fields, at, errors).flatten();
    Some(NewPriceCategory { label: label?, price: price?, id_at_provider })
}

fn check_unique(read: &[NewPriceCategory], errors: &mut Errors) {
    for (index, item) in read.iter().enumerate() {
        let earlier = read.get(..index).unwrap_or_default();
        if earlier.iter().any(|other| other.label == item.label && other.price == item.price) {
            errors.add(KEY, "Price categories must be unique");
            return;
        }
        let id = item.id_at_provider.as_deref().filter(|id| !id.is_empty());
        if let Some(id) = id
            && earlier.iter().any(|other| other.id_at_provider.as_deref() == Some(id))
        {
            errors.add(KEY, format!("Price category `idAtProvider` must be unique. Duplicated value : {id}"));
            return;
        }
    }
}

fn taken(id: &str) -> Answer {
    Answer::listed(400, "idAtProvider", format!("`{id}` is already taken by another offer price category"))
}

/// `POST …/events/{id}/price_categories`
pub(crate) fn add(world: &mut World, call: &Call, event_id: i64) -> Outcome {
    let body = object_body(&call.body, "PriceCategoriesCreation")?;
    let fields = Fields::of(body);
    let mut errors = Errors::default();
    let new = match fields.required(KEY, &Loc::Root, &mut errors) {
        Some(value) => read_new(value, &mut errors),
        None => Vec::new(),
    };
    fields.refuse_extra(&[KEY], problem::EXTRA, &Loc::Root, &mut errors);
    errors.finish()?;
    let (offer, event) = visible_event(world, call, event_id, NOT_FOUND)?;
    let same = |item: &NewPriceCategory, known: &&PriceCategory| known.label == item.label && known.price == item.price;
    if let Some(known) = event.price_categories.iter().find(|known| new.iter().any(|item| same(item, known))) {
        return Err(Answer::listed(400, KEY, format!("The price category {} already exists", known.label)));
    }
    if event.price_categories.len() + new.len() > MAX_PRICE_CATEGORIES {
        let message = format!("An offer cannot have more than {MAX_PRICE_CATEGORIES} price categories");
        return Err(Answer::listed(400, KEY, message));
    }
    for item in &new {
        check_price(world.venues.get(&offer.venue), item.price)?;
        let id = item.id_at_provider.as_deref().filter(|id| !id.is_empty());
        if let Some(id) = id
            && event.price_categories.iter().any(|known| known.id_at_provider.as_deref() == Some(id))
        {
            return Err(taken(id));
        }
    }
    let offer_id = offer.id;
    let rows: Vec<PriceCategory> = new.into_iter().map(|item| item.with_id(world.next_id())).collect();
    let shown: Vec<Value> = rows.iter().map(price_category_json).collect();
    if let Some(event) = world.offers.get_mut(&offer_id).and_then(|offer| offer.event_mut()) {
        event.price_categories.extend(rows);
    }
    Ok(Answer::ok(json!({ KEY: shown })))
}

/// The `idsAtProvider` filter of dates and price categories.
pub(super) fn ids_filter(call: &Call, errors: &mut Errors) -> Option<Vec<String>> {
    let text = call.query("idsAtProvider").or(call.query("ids_at_provider")).filter(|text| !text.is_empty())?;
    let ids: Vec<String> = text.split(',').map(str::to_owned).collect();
    if ids.len() > MAX_IDS {
        errors.add("idsAtProvider", "Too many ids");
    }
    Some(ids)
}

/// `GET …/events/{id}/price_categories`; the page is checked and ignored, as in the backend.
pub(crate) fn list(world: &World, call: &Call, event_id: i64) -> Outcome {
    let mut errors = Errors::default();
    super::products::Page::read(call, &mut errors);
    let ids = ids_filter(call, &mut errors);
    errors.finish()?;
    let (_, event) = visible_event(world, call, event_id, NOT_FOUND)?;
    let wanted = |category: &&PriceCategory| match &ids {
        None => true,
        Some(ids) => category.id_at_provider.as_ref().is_some_and(|id| ids.contains(id)),
    };
    let rows: Vec<Value> = event.price_categories.iter().filter(wanted).map(price_category_json).collect();
    Ok(Answer::ok(json!({ KEY: rows })))
}

/// `PATCH …/events/{id}/price_categories/{pcId}`: a new price holds at once for the dates to come.
pub(crate) fn edit(world: &mut World, call: &Call, event_id: i64, id: i64) -> Outcome {
    let body = object_body(&call.body, "PriceCategoryEdition")?;
    let fields = Fields::of(body);
    let mut errors = Errors::default();
    let label: Change<String> = match fields.get("label") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(value) => read_text(value, "label", 1..=MAX_LABEL, &mut errors).map(Some),
    };
    let price: Change<u32> = match fields.get("price") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(value) => super::ean_body::read_price(value, &Loc::Root, &mut errors).map(Some),
    };
    let id_at_provider = read_id_at_provider(&fields, &Loc::Root, &mut errors);
    fields.refuse_extra(&["label", "price", "idAtProvider"], problem::EXTRA, &Loc::Root, &mut errors);
    errors.finish()?;
    let (offer, event) = visible_event(world, call, event_id, NOT_FOUND)?;
    let not_found = || Answer::listed(404, "price_category_id", "No price category could be found");
    let id = u64::try_from(id).ok().filter(|id| event.price_category(*id).is_some()).ok_or_else(not_found)?;
    check_changeable(world, offer)?;
    check_owner(offer, call)?;
    // The backend's database takes neither of them null.
    if label == Some(None) || price == Some(None) {
        return Err(Answer::crash());
    }
    if let Some(Some(price)) = price {
        check_price(world.venues.get(&offer.venue), price)?;
    }
    let other =
        |wanted: &str| event.price_categories.iter().any(|c| c.id != id && c.id_at_provider.as_deref() == Some(wanted));
    if let Some(wanted) = id_at_provider.as_ref().and_then(Option::as_deref).filter(|wanted| !wanted.is_empty())
        && other(wanted)
    {
        return Err(taken(wanted));
    }
    let offer_id = offer.id;
    let event = world.offers.get_mut(&offer_id).and_then(|offer| offer.event_mut()).ok_or_else(not_found)?;
    let position = event.price_categories.iter().position(|c| c.id == id).ok_or_else(not_found)?;
    let before = event.price_categories.remove(position);
    let after = PriceCategory {
        id,
        label: label.flatten().unwrap_or_else(|| before.label.clone()),
        price: price.flatten().unwrap_or(before.price),
        id_at_provider: id_at_provider.unwrap_or_else(|| before.id_at_provider.clone()),
    };
    let shown = price_category_json(&after);
    if after == before {
        event.price_categories.insert(position, after);
    } else {
        for date in event.dates.values_mut().filter(|d| d.price_category == id && d.beginning > call.now) {
            date.stock.price = after.price;
        }
        event.price_categories.push(after);
    }
    Ok(Answer::ok(shown))
}
