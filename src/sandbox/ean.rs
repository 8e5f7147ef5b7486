//! The EAN routes: availability, reading, and the bulk upsert with its delayed, silent effect.
//!
//! The call is judged whole (one bad item refuses it), then answered 204; the work is done later, in chunks, in no
//! fixed order, and what cannot be done is lost without a word.
//!
//! Invariant: a quantity written is what is left to sell: `total = sent + booked`.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::closing::refuse_if_closed;
use super::ean_body::{Item, read_items};
use super::errors::{Answer, Errors, Outcome, problem};
use super::location::read_location;
use super::offer_rules::check_price;
use super::products::{offer_json, refuse_parameters};
use super::seed::ean_number;
use super::server::Call;
use super::state::{
    AccountIndex, Eligibility, MAX_OFFERS, Offer, OfferAddress, OfferKind, Stock, Validation, World, ean_text,
};
use super::validate::{Fields, Loc, parse_int};

/// Items of one upsert call.
pub const MAX_ITEMS: usize = 500;
/// EANs of one availability or read call.
pub const MAX_EANS: usize = 100;
/// Items of one task of the backend.
pub const CHUNK: usize = 35;

const NOT_A_NUMBER: &str = "EAN must be an integer";

/// `GET …/products/ean/check_availability`
pub(crate) fn check_availability(world: &World, call: &Call) -> Outcome {
    let mut errors = Errors::of(call.generation.product_validator());
    refuse_parameters(call, &["eans"], &mut errors);
    let eans = ean_list(call, "EAN list must not be empty", &mut errors);
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
    let mut errors = Errors::of(call.generation.product_validator());
    refuse_parameters(call, &["eans", "venueId"], &mut errors);
    // Reading splits before it looks for emptiness, so an empty list is one EAN that is not a number.
    let eans = ean_list(call, NOT_A_NUMBER, &mut errors);
    let venue_id = match call.query("venueId") {
        None => {
            errors.add("venueId", problem::MISSING);
            0
        }
        Some(text) => parse_int(text).unwrap_or_else(|| {
            errors.add("venueId", problem::INTEGER_TEXT);
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
    let products: Vec<Value> = offers.into_iter().map(|offer| offer_json(world, offer, call)).collect();
    Ok(Answer::ok(json!({ "products": products })))
}

/// The `eans` parameter; on the first thing wrong, one message and an empty list.
fn ean_list(call: &Call, when_empty: &str, errors: &mut Errors) -> Vec<u64> {
    let Some(text) = call.query("eans") else {
        errors.add("eans", problem::MISSING);
        return Vec::new();
    };
    let mut refuse = |message: &str| {
        errors.add("eans", message);
        Vec::new()
    };
    if text.is_empty() {
        return refuse(when_empty);
    }
    let parts: Vec<&str> = text.split(',').collect();
    if parts.len() > MAX_EANS {
        return refuse("Too many EANs");
    }
    let mut eans = Vec::with_capacity(parts.len());
    for part in parts {
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return refuse(NOT_A_NUMBER);
        }
        match ean_number(part) {
            Some(ean) => eans.push(ean),
            None => return refuse("Only 13 characters EAN are accepted"),
        }
    }
    eans
}

/// A task of the backend: up to [`CHUNK`] items of one call.
#[derive(Debug)]
pub(crate) struct Chunk {
    venue: u32,
    account: AccountIndex,
    address: Option<OfferAddress>,
    items: Vec<Item>,
}

impl Chunk {
    /// Where its offers are: the venue, and an address when it is not the venue's.
    pub(crate) fn place(&self) -> (u32, Option<u64>) {
        (self.venue, self.address.as_ref().map(|address| address.address_id))
    }
}

/// `POST …/products/ean`: the answer, and the work to do later.
pub(crate) fn upsert(world: &World, call: &Call) -> Result<Vec<Chunk>, Answer> {
    let body = super::server::object_body(&call.body, "ProductsOfferByEanCreation")?;
    let mut errors = Errors::of(call.generation.product_validator());
    let fields = Fields::of(body);
    let items = read_items(&fields, call.now, &mut errors);
    let location = read_location(&fields, &mut errors);
    fields.refuse_extra(&["products", "location"], problem::EXTRA, &Loc::Root, &mut errors);
    errors.finish()?;
    let not_found = || Answer::plain(404, "global", "Venue cannot be found");
    let location = location.ok_or_else(Answer::crash)?;
    let venue = world.linked_venue(call.account, location.venue_id).ok_or_else(not_found)?;
    refuse_if_closed(world, venue)?;
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

pub(super) fn known_address(world: &World, id: i64) -> Result<u64, Answer> {
    u64::try_from(id).ok().filter(|id| *id >= 1 && *id <= world.addresses.len() as u64).ok_or_else(|| {
        Answer::listed(404, "location.AddressLocation.addressId", format!("There is no address with id {id}"))
    })
}

/// Does what a chunk asks, as far as each EAN lets it.
pub(crate) fn apply(world: &mut World, chunk: &Chunk) {
    let now = world.clock.now();
    for item in &chunk.items {
        // A price beyond the ceiling of the venue's currency loses its EAN alone.
        let too_dear = check_price(world.venues.get(&chunk.venue), item.price).is_err();
        if too_dear || world.dropped.contains(&item.ean) {
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
        validation: Validation::Approved,
        publication: item.publication,
        booking_allowed: item.booking_allowed,
        address: chunk.address.clone().map(Box::new),
        details: None,
        kind: OfferKind::Product { stock: Some(stock) },
    });
}

fn new_stock(world: &mut World, item: &Item) -> Stock {
    Stock { id: world.next_id(), price: item.price, total: item.quantity, booked: 0, booking_limit: item.booking_limit }
}

fn update(world: &mut World, chunk: &Chunk, item: &Item, id: u64, now: Timestamp) {
    // Made ready before the offer is borrowed; a rejected offer takes no change at all.
    let fresh = match world.offers.get(&id) {
        Some(offer) if offer.validation == Validation::Rejected => return,
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
    let OfferKind::Product { stock } = &mut offer.kind else { return };
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
