//! The EAN routes: availability, reading, and the bulk upsert with its delayed, silent effect.
//!
//! The call is judged whole (one bad item refuses it), then answered 204; the work is done later, in chunks, in no
//! fixed order, and what cannot be done is lost without a word.
//!
//! Invariant: a quantity written is what is left to sell: `total = sent + booked`.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::errors::{Answer, Errors, Outcome, old};
use super::products::offer_json;
use super::seed::ean_number;
use super::server::Call;
use super::state::{AccountIndex, Eligibility, MAX_OFFERS, Offer, OfferAddress, OfferKind, Stock, World, ean_text};
use super::validate::{DateProblem, Fields, Loc, cast_int, cast_str, datetime, future, parse_int, strict_int};

/// Items of one upsert call.
pub const MAX_ITEMS: usize = 500;
/// EANs of one availability or read call.
pub const MAX_EANS: usize = 100;
/// Items of one task of the backend.
pub const CHUNK: usize = 35;
/// Highest price, in cents.
const MAX_PRICE: i64 = 30_000;
/// Highest quantity.
const MAX_QUANTITY: i64 = 1_000_000;
/// Longest and shortest address label.
const LABEL: std::ops::RangeInclusive<usize> = 1..=200;

/// `GET …/products/ean/check_availability`
pub(crate) fn check_availability(world: &World, call: &Call) -> Outcome {
    let mut errors = Errors::default();
    let eans = ean_list(call, &mut errors);
    errors.finish()?;
    let mut available = Vec::new();
    let mut not_found = Vec::new();
    let mut category = Vec::new();
    let mut not_compliant = Vec::new();
    for ean in eans.into_iter().collect::<BTreeSet<_>>() {
        match world.product(ean).map(|p| p.eligibility()) {
            None => not_found.push(ean_text(ean)),
            Some(Eligibility::Available) => available.push(ean_text(ean)),
            Some(Eligibility::CategoryNotAllowed) => category.push(ean_text(ean)),
            Some(Eligibility::NotCompliant) => not_compliant.push(ean_text(ean)),
        }
    }
    Ok(Answer::ok(json!({
        "available": available,
        "rejected": {
            "notFound": not_found,
            "subcategoryNotAllowed": category,
            "notCompliantWithCgu": not_compliant,
        },
    })))
}

/// `GET …/products/ean`
pub(crate) fn read(world: &World, call: &Call) -> Outcome {
    let mut errors = Errors::default();
    let eans = ean_list(call, &mut errors);
    let venue_id = match call.query("venueId") {
        None => {
            errors.add("venueId", old::MISSING);
            0
        }
        Some(text) => parse_int(text).unwrap_or_else(|| {
            errors.add("venueId", old::INTEGER);
            0
        }),
    };
    errors.finish()?;
    let not_found = || Answer::listed(404, "venue_id", "The venue could not be found");
    let venue = world.linked_venue(call.account, venue_id).ok_or_else(not_found)?;
    let mut offers: Vec<&Offer> = eans
        .into_iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .filter_map(|ean| world.by_ean.get(&(venue, ean)))
        .flatten()
        .filter_map(|id| world.offers.get(id))
        .collect();
    offers.sort_unstable_by_key(|offer| std::cmp::Reverse(offer.id));
    let products: Vec<Value> = offers.into_iter().map(|offer| offer_json(offer, call)).collect();
    Ok(Answer::ok(json!({ "products": products })))
}

/// The `eans` parameter; on the first thing wrong, one message and an empty list.
fn ean_list(call: &Call, errors: &mut Errors) -> Vec<u64> {
    let Some(text) = call.query("eans") else {
        errors.add("eans", old::MISSING);
        return Vec::new();
    };
    let mut refuse = |message: &str| {
        errors.add("eans", message);
        Vec::new()
    };
    if text.is_empty() {
        return refuse("EAN list must not be empty");
    }
    let parts: Vec<&str> = text.split(',').collect();
    if parts.len() > MAX_EANS {
        return refuse("Too many EANs");
    }
    let mut eans = Vec::with_capacity(parts.len());
    for part in parts {
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return refuse("EAN must be an integer");
        }
        match ean_number(part) {
            Some(ean) => eans.push(ean),
            None => return refuse("Only 13 characters EAN are accepted"),
        }
    }
    eans
}

/// One item of an accepted call.
#[derive(Debug, Clone)]
struct Item {
    ean: u64,
    price: u32,
    /// `None` is unlimited.
    quantity: Option<u32>,
    booking_limit: Option<Timestamp>,
    publication: Option<Timestamp>,
    booking_allowed: Option<Timestamp>,
    /// Whether the venue had an offer when the call was accepted. Two calls in flight both find none, and both create.
    known: bool,
}

/// A task of the backend: up to [`CHUNK`] items of one call.
#[derive(Debug)]
pub(crate) struct Chunk {
    venue: u32,
    account: AccountIndex,
    address: Option<OfferAddress>,
    items: Vec<Item>,
}

/// `POST …/products/ean`: the answer, and the work to do later.
pub(crate) fn upsert(world: &World, call: &Call) -> Result<Vec<Chunk>, Answer> {
    let body = super::server::object_body(&call.body, "ProductsOfferByEanCreation")?;
    let mut errors = Errors::default();
    let fields = Fields::of(body);
    let items = read_items(&fields, call.now, &mut errors);
    let location = read_location(&fields, &mut errors);
    fields.refuse_extra(&["products", "location"], old::EXTRA, &Loc::Root, &mut errors);
    errors.finish()?;
    let not_found = || Answer::plain(404, "global", "Venue cannot be found");
    let location = location.ok_or_else(Answer::crash)?;
    let venue = world.linked_venue(call.account, location.venue_id).ok_or_else(not_found)?;
    if world.venues.get(&venue).is_some_and(|v| v.siret.is_none()) {
        return Err(Answer::listed(400, "location", "Cannot create product offer for virtual venues"));
    }
    let address = match location.address {
        None => None,
        Some((id, label)) => Some(OfferAddress { address_id: known_address(world, id)?, label }),
    };
    // The last of two equal EANs wins, at the place of the first.
    let mut positions: HashMap<u64, usize> = HashMap::with_capacity(items.len());
    let mut unique: Vec<Item> = Vec::with_capacity(items.len());
    for mut item in items {
        item.known = world.by_ean.get(&(venue, item.ean)).is_some_and(|offers| !offers.is_empty());
        match positions.get(&item.ean) {
            Some(&position) => unique[position] = item,
            None => {
                positions.insert(item.ean, unique.len());
                unique.push(item);
            }
        }
    }
    Ok(unique
        .chunks(CHUNK)
        .map(|items| Chunk { venue, account: call.account, address: address.clone(), items: items.to_vec() })
        .collect())
}

fn known_address(world: &World, id: i64) -> Result<u64, Answer> {
    u64::try_from(id).ok().filter(|id| *id >= 1 && *id <= world.addresses.len() as u64).ok_or_else(|| {
        Answer::listed(404, "location.AddressLocation.addressId", format!("There is no address with id {id}"))
    })
}

fn read_items(fields: &Fields<'_>, now: Timestamp, errors: &mut Errors) -> Vec<Item> {
    let Some(products) = fields.required("products", &Loc::Root, errors) else { return Vec::new() };
    let Some(products) = products.as_array() else {
        errors.add("products", old::LIST);
        return Vec::new();
    };
    if products.len() > MAX_ITEMS {
        errors.add("products", format!("ensure this value has at most {MAX_ITEMS} items"));
        return Vec::new();
    }
    let root = Loc::Root;
    let list = root.key("products");
    let mut items = Vec::with_capacity(products.len());
    for (index, product) in products.iter().enumerate() {
        let at = list.index(index);
        if product.is_null() {
            errors.add(at.to_string(), old::NULL);
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
    let fields = Fields::of(product);
    let ean = fields.required("ean", at, errors).and_then(|value| read_ean(value, at, errors));
    let stock = fields.required("stock", at, errors).map(|value| read_stock(value, &at.key("stock"), now, errors));
    let publication = read_publication(&fields, at, now, errors);
    let booking_allowed = optional_future(&fields, "bookingAllowedDatetime", at, now, errors);
    let known = ["ean", "stock", "publicationDatetime", "bookingAllowedDatetime"];
    fields.refuse_extra(&known, old::EXTRA, at, errors);
    if errors.count() > before {
        return None;
    }
    let stock = stock?;
    if let Some(limit) = stock.booking_limit {
        for (other, name) in [(publication, "publicationDatetime"), (booking_allowed, "bookingAllowedDatetime")] {
            if other.is_some_and(|other| limit < other) {
                let message = format!("`stock.bookingLimitDatetime` must be after `{name}`");
                errors.add(at.key("__root__").to_string(), message);
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
    let Some(text) = cast_str(value) else {
        errors.add(key(), old::STRING);
        return None;
    };
    match text.chars().count() {
        13 => Some(text),
        length => {
            let bound = if length < 13 { "least" } else { "most" };
            errors.add(key(), format!("ensure this value has at {bound} 13 characters"));
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

/// Unknown fields of `stock` are ignored, as measured.
fn read_stock(value: &Value, at: &Loc<'_>, now: Timestamp, errors: &mut Errors) -> StockBody {
    let fields = Fields::of(value);
    let price = fields.required("price", at, errors).and_then(|value| read_price(value, at, errors));
    let quantity = fields.present("quantity").and_then(|value| read_quantity(value, at, errors));
    let booking_limit = optional_future(&fields, "bookingLimitDatetime", at, now, errors);
    StockBody { price: price.unwrap_or(0), quantity, booking_limit }
}

fn read_price(value: &Value, at: &Loc<'_>, errors: &mut Errors) -> Option<u32> {
    let key = || at.key("price").to_string();
    match strict_int(value) {
        None => errors.add(key(), old::INTEGER),
        Some(price) if price < 0 => errors.add(key(), "ensure this value is greater than or equal to 0"),
        Some(price) if price > MAX_PRICE => {
            errors.add(key(), format!("ensure this value is less than or equal to {MAX_PRICE}"));
        }
        Some(price) => return u32::try_from(price).ok(),
    }
    None
}

fn read_quantity(value: &Value, at: &Loc<'_>, errors: &mut Errors) -> Option<u32> {
    let key = || at.key("quantity").to_string();
    match strict_int(value) {
        None if value.as_str() == Some("unlimited") => {}
        None => {
            errors.add(key(), old::INTEGER);
            errors.add(key(), old::UNLIMITED);
        }
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
        Ok(moment) if moment < now => errors.add(key(), old::PAST),
        Ok(moment) => return Some(moment),
        Err(DateProblem::Naive) => errors.add(key(), old::NAIVE),
        Err(problem) => {
            errors.add(key(), problem.message());
            errors.add(key(), old::NOW);
        }
    }
    None
}

fn optional_future(
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

struct LocationBody {
    venue_id: i64,
    address: Option<(i64, Option<String>)>,
}

/// The three variants of a location; a field's key carries the variant's name.
fn read_location(fields: &Fields<'_>, errors: &mut Errors) -> Option<LocationBody> {
    let value = fields.required("location", &Loc::Root, errors)?;
    let inner = Fields::of(value);
    let kind = match inner.get("type") {
        None => {
            errors.add("location", "Discriminator 'type' is missing in value");
            return None;
        }
        Some(kind) => kind,
    };
    let variant = match kind.as_str() {
        Some("physical") => "PhysicalLocation",
        Some("digital") => "DigitalLocation",
        Some("address") => "AddressLocation",
        _ => {
            let shown = python_repr(kind);
            errors.add(
                "location",
                format!(
                    "No match for discriminator 'type' and value {shown} (allowed values: 'physical', 'digital', 'address')"
                ),
            );
            return None;
        }
    };
    let root = Loc::Root;
    let location = root.key("location");
    let at = location.key(variant);
    let venue_id = required_int(&inner, "venueId", &at, errors);
    let mut address = None;
    match variant {
        "DigitalLocation" => check_digital_url(&inner, &at, errors),
        "AddressLocation" => {
            let id = required_int(&inner, "addressId", &at, errors);
            let label = read_label(&inner, &at, errors);
            address = id.map(|id| (id, label));
        }
        _ => {}
    }
    Some(LocationBody { venue_id: venue_id?, address })
}

fn required_int(fields: &Fields<'_>, name: &str, at: &Loc<'_>, errors: &mut Errors) -> Option<i64> {
    let value = fields.required(name, at, errors)?;
    let number = cast_int(value);
    if number.is_none() {
        errors.add(at.key(name).to_string(), old::INTEGER);
    }
    number
}

fn read_label(fields: &Fields<'_>, at: &Loc<'_>, errors: &mut Errors) -> Option<String> {
    let value = fields.present("addressLabel")?;
    let key = || at.key("addressLabel").to_string();
    let Some(label) = cast_str(value) else {
        errors.add(key(), old::STRING);
        return None;
    };
    let length = label.chars().count();
    if length < *LABEL.start() {
        errors.add(key(), "ensure this value has at least 1 characters");
    } else if length > *LABEL.end() {
        errors.add(key(), "ensure this value has at most 200 characters");
    }
    Some(label)
}

/// The upsert ignores the address of a digital location, but its validator does not.
fn check_digital_url(fields: &Fields<'_>, at: &Loc<'_>, errors: &mut Errors) {
    let Some(value) = fields.required("url", at, errors) else { return };
    let key = || at.key("url").to_string();
    let Some(text) = value.as_str() else {
        errors.add(key(), old::STRING);
        return;
    };
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => {}
        Ok(_) => errors.add(key(), "URL scheme not permitted"),
        Err(url::ParseError::EmptyHost) => errors.add(key(), "URL host invalid"),
        Err(_) => errors.add(key(), "invalid or missing URL scheme"),
    }
}

fn python_repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(flag) => if *flag { "True" } else { "False" }.to_owned(),
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}

/// Does what a chunk asks, as far as each EAN lets it.
pub(crate) fn apply(world: &mut World, chunk: &Chunk) {
    let now = world.clock.now();
    for item in &chunk.items {
        if world.dropped.contains(&item.ean) {
            continue;
        }
        let newest = if item.known {
            world.by_ean.get(&(chunk.venue, item.ean)).and_then(|offers| offers.last()).copied()
        } else {
            None
        };
        match newest {
            Some(offer) => update(world, chunk, item, offer, now),
            None => create(world, chunk, item),
        }
    }
}

fn create(world: &mut World, chunk: &Chunk, item: &Item) {
    let Some(product) = world.product(item.ean) else { return };
    if product.eligibility() != Eligibility::Available || world.offers.len() >= MAX_OFFERS {
        return;
    }
    let id = world.next_id();
    let stock = new_stock(world, item);
    world.insert_offer(Offer {
        id,
        venue: chunk.venue,
        owner: chunk.account,
        name: product.name,
        category: product.category,
        ean: Some(item.ean),
        rejected: false,
        publication: item.publication,
        booking_allowed: item.booking_allowed,
        address: chunk.address.clone().map(Box::new),
        kind: OfferKind::Product { stock: Some(stock) },
    });
}

fn new_stock(world: &mut World, item: &Item) -> Stock {
    Stock { id: world.next_id(), price: item.price, total: item.quantity, booked: 0, booking_limit: item.booking_limit }
}

fn update(world: &mut World, chunk: &Chunk, item: &Item, id: u64, now: Timestamp) {
    // Made ready before the offer is borrowed; a rejected offer takes no change at all.
    let fresh = match world.offers.get(&id) {
        Some(offer) if offer.rejected => return,
        Some(offer) if offer.product_stock().is_none() => Some(new_stock(world, item)),
        _ => None,
    };
    let Some(offer) = world.offers.get_mut(&id) else { return };
    let moved = offer.address.as_deref() != chunk.address.as_ref();
    let rescheduled = offer.publication.is_some() != item.publication.is_some()
        || item.publication.is_some_and(|at| at > now)
        || offer.publication.is_some_and(|at| at > now);
    if offer.owner != chunk.account || moved || rescheduled || offer.booking_allowed != item.booking_allowed {
        offer.owner = chunk.account;
        offer.address = chunk.address.clone().map(Box::new);
        offer.publication = item.publication;
        offer.booking_allowed = item.booking_allowed;
    }
    let OfferKind::Product { stock } = &mut offer.kind;
    match stock {
        Some(stock) => {
            stock.price = item.price;
            stock.total = item.quantity.map(|left| left.saturating_add(stock.booked));
            stock.booking_limit = item.booking_limit;
        }
        None => {
            if let Some(fresh) = fresh {
                world.by_stock.insert(fresh.id, id);
                *stock = Some(fresh);
            }
        }
    }
}
