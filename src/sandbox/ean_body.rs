//! The body of the bulk upsert, item by item, as either validator reads it.
//!
//! Pure: values in, items or errors out. `price` and `quantity` never cast; a number is an `ean` to the old validator
//! alone; a datetime may be a number of seconds.
//!
//! Invariant: an item that comes out is one the backend would have queued.

use jiff::Timestamp;
use serde_json::Value;

use super::ean::MAX_ITEMS;
use super::errors::{Errors, Problem, problem};
use super::seed::ean_number;
use super::validate::{DateProblem, Fields, Loc, datetime, future, strict_int};

/// Highest price, in cents.
const MAX_PRICE: i64 = 30_000;
/// Highest quantity.
const MAX_QUANTITY: i64 = 1_000_000;

/// One item of an accepted call.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) ean: u64,
    pub(super) price: u32,
    /// `None` is unlimited.
    pub(super) quantity: Option<u32>,
    pub(super) booking_limit: Option<Timestamp>,
    pub(super) publication: Option<Timestamp>,
    pub(super) booking_allowed: Option<Timestamp>,
    /// Whether the venue had an offer when the call was accepted. Two calls in flight both find none, and both create.
    pub(super) known: bool,
}

/// The items of an upsert body; one bad item leaves its errors behind.
pub(super) fn read_items(fields: &Fields<'_>, now: Timestamp, errors: &mut Errors) -> Vec<Item> {
    let Some(products) = fields.required("products", &Loc::Root, errors) else { return Vec::new() };
    let Some(products) = products.as_array() else {
        errors.add("products", problem::LIST);
        return Vec::new();
    };
    if products.len() > MAX_ITEMS {
        errors.add("products", Problem::list_above(MAX_ITEMS, products.len()));
        return Vec::new();
    }
    let root = Loc::Root;
    let list = root.key("products");
    let mut items = Vec::with_capacity(products.len());
    for (index, product) in products.iter().enumerate() {
        let at = list.index(index);
        if product.is_null() {
            errors.add(at.to_string(), problem::NULL);
        } else if let Some(item) = read_item(product, &at, now, errors) {
            items.extend(item);
        }
    }
    items
}

/// `None` when the item is wrong; `Some(None)` when it is right but its EAN cannot be in the product base.
#[allow(clippy::option_option)]
fn read_item(product: &Value, at: &Loc<'_>, now: Timestamp, errors: &mut Errors) -> Option<Option<Item>> {
    let before = errors.count();
    let fields = Fields::of_object(product, at, errors)?;
    let ean = fields.required("ean", at, errors).and_then(|value| read_ean(value, at, errors));
    let stock = fields.required("stock", at, errors).map(|value| read_stock(value, &at.key("stock"), now, errors));
    let publication = read_publication(&fields, at, now, errors);
    let booking_allowed = optional_future(&fields, "bookingAllowedDatetime", at, now, errors);
    let known = ["ean", "stock", "publicationDatetime", "bookingAllowedDatetime"];
    fields.refuse_extra(&known, problem::EXTRA, at, errors);
    if errors.count() > before {
        return None;
    }
    let stock = stock?;
    if let Some(limit) = stock.booking_limit {
        for (other, name) in [(publication, "publicationDatetime"), (booking_allowed, "bookingAllowedDatetime")] {
            if other.is_some_and(|other| limit < other) {
                let message = format!("`stock.bookingLimitDatetime` must be after `{name}`");
                let key = if errors.is_new() { at.to_string() } else { at.key("__root__").to_string() };
                errors.add(key, message);
                return None;
            }
        }
    }
    Some(ean_number(&ean?).map(|ean| Item {
        ean,
        price: stock.price,
        quantity: stock.quantity,
        booking_limit: stock.booking_limit,
        publication,
        booking_allowed,
        known: false,
    }))
}

fn read_ean(value: &Value, at: &Loc<'_>, errors: &mut Errors) -> Option<String> {
    let key = || at.key("ean").to_string();
    let Some(text) = errors.read_text(value) else {
        errors.add(key(), problem::STRING);
        return None;
    };
    match text.chars().count() {
        13 => Some(text),
        length => {
            errors.add(key(), if length < 13 { Problem::text_below(13) } else { Problem::text_above(13) });
            None
        }
    }
}

#[derive(Default)]
struct StockBody {
    price: u32,
    quantity: Option<u32>,
    booking_limit: Option<Timestamp>,
}

/// What else is in `stock` is ignored by the old validator, as measured.
fn read_stock(value: &Value, at: &Loc<'_>, now: Timestamp, errors: &mut Errors) -> StockBody {
    let Some(fields) = Fields::of_object(value, at, errors) else { return StockBody::default() };
    let price = fields.required("price", at, errors).and_then(|value| read_price(value, at, errors));
    let quantity = fields.present("quantity").and_then(|value| read_quantity(value, at, errors));
    let booking_limit = optional_future(&fields, "bookingLimitDatetime", at, now, errors);
    fields.refuse_extra_inside(&["price", "quantity", "bookingLimitDatetime"], at, errors);
    StockBody { price: price.unwrap_or(0), quantity, booking_limit }
}

pub(super) fn read_price(value: &Value, at: &Loc<'_>, errors: &mut Errors) -> Option<u32> {
    let key = || at.key("price").to_string();
    match strict_int(value) {
        None => errors.add(key(), problem::INTEGER),
        Some(price) if price < 0 => errors.add(key(), Problem::below(0)),
        Some(price) if price > MAX_PRICE => errors.add(key(), Problem::above(MAX_PRICE)),
        Some(price) => return u32::try_from(price).ok(),
    }
    None
}

pub(super) fn read_quantity(value: &Value, at: &Loc<'_>, errors: &mut Errors) -> Option<u32> {
    let key = || at.key("quantity").to_string();
    match strict_int(value) {
        None if value.as_str() == Some("unlimited") => {}
        None => errors.add_branches(&key(), [("int", problem::INTEGER), ("literal['unlimited']", problem::UNLIMITED)]),
        Some(quantity) if quantity < 0 => errors.add(key(), "Value must be positive"),
        Some(quantity) if quantity > MAX_QUANTITY => {
            errors.add(key(), format!("Value must be less than {MAX_QUANTITY}"));
        }
        Some(quantity) => return u32::try_from(quantity).ok(),
    }
    None
}

/// Absent and `"now"` are now; null is unpublished.
fn read_publication(fields: &Fields<'_>, at: &Loc<'_>, now: Timestamp, errors: &mut Errors) -> Option<Timestamp> {
    let value = match fields.get("publicationDatetime") {
        None => return Some(now),
        Some(Value::Null) => return None,
        Some(Value::String(text)) if text == "now" => return Some(now),
        Some(value) => value,
    };
    let key = || at.key("publicationDatetime").to_string();
    match datetime(value) {
        Ok(moment) if moment < now => errors.add(key(), problem::PAST),
        Ok(moment) => return Some(moment),
        Err(DateProblem::Naive) => errors.add(key(), problem::NAIVE),
        Err(problem) => {
            errors.add_branches(&key(), [("datetime", problem.of(value)), ("literal['now']", problem::NOW)]);
        }
    }
    None
}

pub(super) fn optional_future(
    fields: &Fields<'_>,
    name: &str,
    at: &Loc<'_>,
    now: Timestamp,
    errors: &mut Errors,
) -> Option<Timestamp> {
    match future(fields.present(name)?, now) {
        Ok(moment) => Some(moment),
        Err(message) => {
            errors.add(at.key(name).to_string(), message);
            None
        }
    }
}
