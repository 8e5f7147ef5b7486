//! Product offers as they are read, one by one, by page and by EAN.
//!
//! Invariant: an offer has the same shape on every route, nulls written out.

use serde_json::{Map, Value, json};

use super::clock::utc;
use super::errors::{Answer, Errors, Outcome, old};
use super::server::Call;
use super::state::{Offer, OfferKind, Stock, World, ean_text};
use super::validate::parse_int;
use super::venues::accessibility;

/// Rows of a page, at most and by default.
pub(crate) const PAGE: i64 = 50;

/// `GET /public/offers/v1/products`
pub(crate) fn list(world: &World, call: &Call) -> Outcome {
    let mut errors = Errors::default();
    let venue_id = int_parameter(call, "venueId", &mut errors);
    let address_id = int_parameter(call, "addressId", &mut errors);
    let page = Page::read(call, &mut errors);
    errors.finish()?;
    let venue = match venue_id {
        // An id of 0 is falsy for the backend: no filter.
        None | Some(0) => None,
        Some(id) => {
            let not_found = || Answer::plain(404, "global", "Venue cannot be found");
            Some(world.linked_venue(call.account, id).ok_or_else(not_found)?)
        }
    };
    // Offers made by EAN never have an id of the provider's, so any id filter leaves none of them.
    let by_provider_id =
        call.query("idsAtProvider").or(call.query("ids_at_provider")).is_some_and(|ids| !ids.is_empty());
    let rows = world
        .offers
        .range(page.first..)
        .map(|(_, offer)| offer)
        .filter(|offer| matches!(offer.kind, OfferKind::Product { .. }))
        .filter(|offer| venue.is_none_or(|id| offer.venue == id) && world.is_linked(call.account, offer.venue))
        .filter(|_| !by_provider_id)
        .filter(|offer| {
            let here = offer.address.as_ref().and_then(|a| i64::try_from(a.address_id).ok());
            address_id.is_none_or(|id| id == 0 || here == Some(id))
        })
        .take(page.limit)
        .map(|offer| offer_json(offer, call))
        .collect::<Vec<_>>();
    Ok(Answer::ok(json!({ "products": rows })))
}

/// `GET /public/offers/v1/products/{id}`
pub(crate) fn show(world: &World, call: &Call, id: i64) -> Outcome {
    world
        .visible_offer(call.account, id)
        .filter(|offer| matches!(offer.kind, OfferKind::Product { .. }))
        .map(|offer| Answer::ok(offer_json(offer, call)))
        .ok_or_else(|| Answer::listed(404, "product_id", "The product offer could not be found"))
}

/// A page of ascending ids.
pub(crate) struct Page {
    pub(crate) first: u64,
    pub(crate) limit: usize,
}

impl Page {
    fn read(call: &Call, errors: &mut Errors) -> Self {
        let limit = int_parameter(call, "limit", errors).unwrap_or(PAGE);
        if limit <= 0 {
            errors.add("limit", "ensure this value is greater than 0");
        } else if limit > PAGE {
            errors.add("limit", format!("ensure this value is less than or equal to {PAGE}"));
        }
        let first = int_parameter(call, "firstIndex", errors).unwrap_or(1);
        if first < 1 {
            errors.add("firstIndex", "ensure this value is greater than or equal to 1");
        }
        Self { first: u64::try_from(first).unwrap_or(1), limit: usize::try_from(limit).unwrap_or(0) }
    }
}

fn int_parameter(call: &Call, name: &str, errors: &mut Errors) -> Option<i64> {
    let text = call.query(name).or_else(|| call.query(snake_name(name)))?;
    let value = parse_int(text);
    if value.is_none() {
        errors.add(name, old::INTEGER);
    }
    value
}

/// The other spelling the old generation takes for a parameter.
fn snake_name(name: &str) -> &str {
    match name {
        "venueId" => "venue_id",
        "addressId" => "address_id",
        other => other,
    }
}

/// The product offer object of every route.
pub(crate) fn offer_json(offer: &Offer, call: &Call) -> Value {
    json!({
        "id": offer.id,
        "name": &*offer.name,
        "description": null,
        "status": offer.status(call.now).as_str(),
        "accessibility": accessibility(),
        "bookingContact": null,
        "bookingEmail": null,
        "categoryRelatedFields": category_fields(offer),
        "enableDoubleBookings": false,
        "externalTicketOfficeUrl": null,
        "image": null,
        "itemCollectionDetails": null,
        "location": location(offer),
        "idAtProvider": null,
        "publicationDatetime": offer.publication.map(utc),
        "bookingAllowedDatetime": offer.booking_allowed.map(utc),
        "stock": offer.product_stock().map(stock_json),
    })
}

fn location(offer: &Offer) -> Value {
    match &offer.address {
        None => json!({ "type": "physical", "venueId": offer.venue }),
        Some(address) => json!({
            "type": "address",
            "venueId": offer.venue,
            "addressId": address.address_id,
            "addressLabel": address.label,
        }),
    }
}

/// The fields a category shows when it is read; those the product base does not fill are null.
fn category_fields(offer: &Offer) -> Value {
    let mut fields = Map::new();
    fields.insert("category".to_owned(), json!(&*offer.category));
    fields.insert("ean".to_owned(), json!(offer.ean.map(ean_text)));
    let others: &[&str] = match &*offer.category {
        "LIVRE_PAPIER" => &["author"],
        "SUPPORT_PHYSIQUE_MUSIQUE_CD" | "SUPPORT_PHYSIQUE_MUSIQUE_VINYLE" => &["author", "musicType", "performer"],
        _ => &[],
    };
    for name in others {
        fields.insert((*name).to_owned(), Value::Null);
    }
    Value::Object(fields)
}

fn stock_json(stock: &Stock) -> Value {
    json!({
        "price": stock.price,
        "quantity": stock.total.map_or_else(|| json!("unlimited"), |total| json!(total)),
        "bookedQuantity": stock.booked,
        "bookingLimitDatetime": stock.booking_limit.map(utc),
    })
}
