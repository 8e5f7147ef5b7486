//! Products made one by one: everything but paper books, CDs and vinyls, which only the EAN upsert makes.
//!
//! Invariant: a quantity written to a stock that exists is what is left to sell; a stock taken away cancels the
//! bookings that were not used.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::beneficiary::{Outgoing, cancel};
use super::categories::{
    CategoryBody, PRODUCTS, Purpose, editable_products, product_category, read_union, read_variant,
};
use super::closing::refuse_if_closed;
use super::errors::{Answer, Errors, Outcome, Problem, problem};
use super::events::{Edited, new_details};
use super::images;
use super::offer::{Details, Offer, OfferKind, Stock};
use super::offer_body::{CREATION_FIELDS, Change, EDITION_FIELDS, read_creation, read_edition, read_int};
use super::offer_rules::{
    Candidate, check_offer, check_price, check_publication, check_url, find_place, on_the_minute, too_many,
};
use super::products::offer_json;
use super::seed::ean_number;
use super::server::{Call, object_body};
use super::state::{BookingStatus, MAX_OFFERS, World};
use super::validate::{Fields, Loc, future, strict_int};

/// Highest quantity.
const MAX_QUANTITY: i64 = 1_000_000;
const STOCK_FIELDS: [&str; 3] = ["price", "quantity", "bookingLimitDatetime"];

/// The stock of a creation.
struct NewStock {
    price: u32,
    quantity: Option<u32>,
    limit: Option<Timestamp>,
}

/// What else is in `stock` is ignored by the old validator, as measured; nothing left to sell is refused.
fn read_new_stock(value: &Value, now: Timestamp, errors: &mut Errors) -> Option<NewStock> {
    let before = errors.count();
    let root = Loc::Root;
    let at = root.key("stock");
    let fields = Fields::of_object(value, &at, errors)?;
    fields.refuse_extra_inside(&STOCK_FIELDS, &at, errors);
    let price = fields.required("price", &at, errors).and_then(|value| super::ean_body::read_price(value, &at, errors));
    let quantity = fields.present("quantity").and_then(|value| read_new_quantity(value, errors));
    let limit = super::ean_body::optional_future(&fields, "bookingLimitDatetime", &at, now, errors);
    (errors.count() == before).then_some(NewStock { price: price?, quantity, limit })
}

fn read_new_quantity(value: &Value, errors: &mut Errors) -> Option<u32> {
    const KEY: &str = "stock.quantity";
    let problem = match strict_int(value) {
        None if value.as_str() == Some("unlimited") => return None,
        None => problem::INTEGER,
        Some(quantity) if quantity <= 0 => Problem::not_above(0),
        Some(quantity) if quantity > MAX_QUANTITY => {
            errors.add(KEY, format!("Value must be less than {MAX_QUANTITY}"));
            return None;
        }
        Some(quantity) => return u32::try_from(quantity).ok(),
    };
    errors.add_branches(KEY, [("int", problem), ("literal['unlimited']", problem::UNLIMITED)]);
    None
}

/// A stock is bookable for a while at least.
fn check_limit(
    limit: Option<Timestamp>,
    publication: Option<Timestamp>,
    booking_allowed: Option<Timestamp>,
) -> Result<(), Answer> {
    let Some(limit) = limit else { return Ok(()) };
    for (other, name) in [(publication, "publicationDatetime"), (booking_allowed, "bookingAllowedDatetime")] {
        if other.is_some_and(|other| limit < other) {
            let message = format!("`stock.bookingLimitDatetime` must be after `{name}`");
            return Err(Answer::listed(400, "__root__", message));
        }
    }
    Ok(())
}

/// The EAN of a category that has one: thirteen digits that no other offer on sale of the venue carries.
fn check_ean(world: &World, venue: u32, fields: &serde_json::Map<String, Value>) -> Result<Option<u64>, Answer> {
    let Some(text) = fields.get("ean").and_then(Value::as_str).filter(|text| !text.is_empty()) else { return Ok(None) };
    let ean = ean_number(text).ok_or_else(|| Answer::listed(400, "ean", "L'EAN doit être composé de 13 chiffres"))?;
    let holders = world.by_ean.get(&(venue, ean)).into_iter().flatten();
    let on_sale = |id: &u64| world.offers.get(id).is_some_and(|offer| offer.publication.is_some());
    if holders.into_iter().any(on_sale) {
        let message = "Une offre avec cet EAN existe déjà. Vous pouvez la retrouver dans l'onglet Offres.";
        return Err(Answer::listed(400, "ean", message));
    }
    Ok(Some(ean))
}

/// `POST /public/offers/v1/products`
pub(crate) fn create(world: &mut World, call: &Call) -> Outcome {
    let body = object_body(&call.body, "ProductOfferCreation")?;
    let fields = Fields::of(body);
    let mut errors = Errors::of(call.generation.product_validator());
    let mut common = read_creation(&fields, call.now, &mut errors);
    let category = match fields.required("categoryRelatedFields", &Loc::Root, &mut errors) {
        Some(value) => read_union(value, &mut errors),
        None => None,
    };
    let stock = fields.present("stock").and_then(|value| read_new_stock(value, call.now, &mut errors));
    let known: Vec<&str> = CREATION_FIELDS.iter().copied().chain(["stock"]).collect();
    fields.refuse_extra(&known, problem::EXTRA, &Loc::Root, &mut errors);
    errors.finish()?;
    let publication = common.publication.unwrap_or(Some(call.now));
    let booking_allowed = common.booking_allowed.flatten();
    check_limit(stock.as_ref().and_then(|s| s.limit), publication, booking_allowed)?;

    let location = common.location.take().ok_or_else(Answer::crash)?;
    let CategoryBody { category, fields } = category.ok_or_else(Answer::crash)?;
    let place = find_place(world, call.account, location)?;
    if call.generation.checks_urls_first() {
        check_url(category, place.url.as_deref())?;
    }
    let ean = check_ean(world, place.venue, &fields)?;
    let name = common.name.take().unwrap_or_default();
    let duo = common.duo.flatten().unwrap_or(false);
    let image = common.image.take();
    let details = Details { category_fields: fields, ..new_details(common, place.url.clone(), duo) };
    check_offer(world, &Candidate { id: None, venue: place.venue, name: &name, category, details: &details })?;
    let image = image.map(images::check_json).transpose()?;
    if let Some(stock) = &stock {
        check_price(world.venues.get(&place.venue), stock.price)?;
    }
    check_publication(publication, call.now)?;
    if world.offers.len() >= MAX_OFFERS {
        return Err(too_many());
    }
    let id = world.next_id();
    let stock = stock.map(|stock| Stock {
        id: world.next_id(),
        price: stock.price,
        total: stock.quantity,
        booked: 0,
        booking_limit: stock.limit,
    });
    let image = image.map(|checked| checked.keep(world));
    world.insert_offer(Offer {
        id,
        venue: place.venue,
        owner: call.account,
        name: name.into(),
        category: category.id.into(),
        ean,
        validation: world.settings.review.validation(),
        publication: publication.map(on_the_minute),
        booking_allowed,
        address: place.address,
        details: Some(Box::new(Details { image, ..details })),
        kind: OfferKind::Product { stock },
    });
    world.offers.get(&id).map(|offer| Answer::ok(offer_json(world, offer, call))).ok_or_else(Answer::crash)
}

/// The stock of an edition; each field as far as it is named.
struct StockChange {
    price: Option<u32>,
    /// `Some(None)` is unlimited.
    quantity: Change<u32>,
    limit: Change<Timestamp>,
}

fn read_stock_change(value: &Value, now: Timestamp, errors: &mut Errors) -> StockChange {
    let fields = Fields::of(value);
    let root = Loc::Root;
    let at = root.key("stock");
    let price = fields.present("price").and_then(|value| super::ean_body::read_price(value, &at, errors));
    let quantity = match fields.get("quantity") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(value) => Some(super::ean_body::read_quantity(value, &at, errors)),
    };
    let limit = match fields.get("bookingLimitDatetime") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(value) => match future(value, now) {
            Ok(limit) => Some(Some(limit)),
            Err(message) => {
                errors.add(at.key("bookingLimitDatetime").to_string(), message);
                None
            }
        },
    };
    fields.refuse_extra(&STOCK_FIELDS, problem::EXTRA, &at, errors);
    StockChange { price, quantity, limit }
}

/// `PATCH /public/offers/v1/products`: the id is in the body.
pub(crate) fn edit(world: &mut World, call: &Call, outgoing: &mut Vec<Outgoing>) -> Outcome {
    let body = object_body(&call.body, "ProductOfferEdition")?;
    let fields = Fields::of(body);
    let mut errors = Errors::of(call.generation.product_validator());
    let mut common = read_edition(&fields, call.now, &mut errors);
    let id = fields
        .required("offerId", &Loc::Root, &mut errors)
        .and_then(|value| read_int(value, "offerId", &mut errors))
        .unwrap_or(0);
    let category = fields
        .present("categoryRelatedFields")
        .and_then(|value| read_variant(value, &PRODUCTS, Purpose::Edit, &mut errors))
        .map(|mut body| {
            // The backend's edition leaves the EAN as it was made.
            body.fields.remove("ean");
            body
        });
    let stock: Change<StockChange> = match fields.get("stock") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(value) => Some(Some(read_stock_change(value, call.now, &mut errors))),
    };
    let known: Vec<&str> = EDITION_FIELDS.iter().copied().chain(["offerId", "stock"]).collect();
    fields.refuse_extra(&known, problem::EXTRA, &Loc::Root, &mut errors);
    errors.finish()?;
    if let Some(Some(change)) = &stock {
        check_limit(change.limit.flatten(), common.publication.flatten(), common.booking_allowed.flatten())?;
    }

    let not_found = || Answer::listed(404, "offerId", "The product offer could not be found");
    let offer = world.visible_offer(call.account, id).filter(|offer| !offer.is_event()).ok_or_else(not_found)?;
    let current = product_category(&offer.category);
    if current.is_none() {
        let message = format!("Only {} products can be edited", editable_products().join(", "));
        return Err(Answer::listed(400, "product.subcategory", message));
    }
    refuse_if_closed(world, offer.venue)?;
    let online = offer.details.as_ref().is_some_and(|details| details.url.is_some());
    if online && common.location.is_some() {
        return Err(Answer::listed(400, "offererAddress", "Une offre numérique ne peut pas avoir d'adresse"));
    }
    if let Some(Some(change)) = &stock {
        if offer.product_stock().is_none() && change.price.is_none() {
            return Err(Answer::listed(400, "stock.price", "Required"));
        }
        if let Some(price) = change.price {
            check_price(world.venues.get(&offer.venue), price)?;
        }
    }
    let edited = Edited::of(world, call, offer, &mut common, category, current)?;
    let id = offer.id;
    edited.keep(world, id);
    match stock {
        None => {}
        Some(None) => drop_stock(world, id, outgoing),
        Some(Some(change)) => write_stock(world, id, &change),
    }
    world.offers.get(&id).map(|offer| Answer::ok(offer_json(world, offer, call))).ok_or_else(Answer::crash)
}

fn drop_stock(world: &mut World, id: u64, outgoing: &mut Vec<Outgoing>) {
    for booking in world.by_offer.get(&id).cloned().unwrap_or_default() {
        let unused = world.bookings.get(&booking).is_some_and(|b| b.status == BookingStatus::Confirmed);
        if unused {
            outgoing.extend(cancel(world, booking, false));
        }
    }
    let World { offers, by_stock, .. } = world;
    if let Some(OfferKind::Product { stock }) = offers.get_mut(&id).map(|offer| &mut offer.kind)
        && let Some(stock) = stock.take()
    {
        by_stock.remove(&stock.id);
    }
}

fn write_stock(world: &mut World, id: u64, change: &StockChange) {
    // Taken before the offer is borrowed; ids have gaps, as the backend's do.
    let fresh = world.next_id();
    let World { offers, by_stock, .. } = world;
    let Some(OfferKind::Product { stock }) = offers.get_mut(&id).map(|offer| &mut offer.kind) else { return };
    let stock = stock.get_or_insert_with(|| {
        by_stock.insert(fresh, id);
        Stock { id: fresh, price: 0, total: None, booked: 0, booking_limit: None }
    });
    if let Some(price) = change.price {
        stock.price = price;
    }
    if let Some(quantity) = change.quantity {
        stock.set_remaining(quantity);
    }
    if let Some(limit) = change.limit {
        stock.booking_limit = limit;
    }
}

/// `POST /public/offers/v1/{offerId}/image`
pub(crate) fn upload_image(world: &mut World, call: &Call, id: i64, form: Option<super::multipart::Form>) -> Outcome {
    let form = form.unwrap_or_default();
    let missing = || Answer::listed(400, "file", "A file must be provided in the request");
    let file = form.file.ok_or_else(missing)?;
    let not_found = || Answer::json(404, json!({ "offerId": ["The offer could not be found"] }));
    let (id, venue) = world.visible_offer(call.account, id).map(|o| (o.id, o.venue)).ok_or_else(not_found)?;
    refuse_if_closed(world, venue)?;
    let image = images::check_upload(&file, form.credit)?.keep(world);
    let offer = world.offers.get_mut(&id).ok_or_else(not_found)?;
    offer.details.get_or_insert_default().image = Some(image);
    Ok(Answer::no_content())
}
