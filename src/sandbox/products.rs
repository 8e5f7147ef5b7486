//! Product offers as they are read, one by one, by page and by EAN.
//!
//! Invariant: an offer has the same shape on every route, nulls written out.

use serde_json::{Map, Value, json};

use super::categories::shown_fields;
use super::clock::utc;
use super::errors::{Answer, Errors, Outcome, Problem, Validator, problem};
use super::server::Call;
use super::state::{Details, Offer, OfferAddress, Stock, World, ean_text};
use super::validate::{parse_int, snake};
use super::venues::{accessibility, flags};

/// Rows of a page, at most and by default.
pub(crate) const PAGE: i64 = 50;

/// `GET /public/offers/v1/products`
pub(crate) fn list(world: &World, call: &Call) -> Outcome {
    let rows = page(world, call, call.generation.product_validator(), |offer| !offer.is_event())?;
    let rows: Vec<Value> = rows.into_iter().map(|offer| offer_json(world, offer, call)).collect();
    Ok(Answer::ok(json!({ "products": rows })))
}

/// One page of the offers of a kind, as the filters of both lists have it.
pub(super) fn page<'w>(
    world: &'w World,
    call: &Call,
    validator: Validator,
    of_kind: impl Fn(&Offer) -> bool,
) -> Result<Vec<&'w Offer>, Answer> {
    let mut errors = Errors::of(validator);
    refuse_parameters(call, &["venueId", "addressId", "idsAtProvider", "firstIndex", "limit"], &mut errors);
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
    // As many as one likes: the documented limit of 100 is not enforced here.
    let ids = call.query("idsAtProvider").or(call.query("ids_at_provider")).filter(|ids| !ids.is_empty());
    let ids: Option<Vec<&str>> = ids.map(|ids| ids.split(',').collect());
    Ok(world
        .offers
        .range(page.first..)
        .map(|(_, offer)| offer)
        .filter(|offer| of_kind(offer))
        .filter(|offer| venue.is_none_or(|id| offer.venue == id) && world.is_linked(call.account, offer.venue))
        .filter(|offer| ids.as_ref().is_none_or(|ids| offer.id_at_provider().is_some_and(|id| ids.contains(&id))))
        .filter(|offer| {
            let here = offer.address.as_ref().and_then(|a| i64::try_from(a.address_id).ok());
            address_id.is_none_or(|id| id == 0 || here == Some(id))
        })
        .take(page.limit)
        .collect())
}

/// `GET /public/offers/v1/products/{id}`
pub(crate) fn show(world: &World, call: &Call, id: i64) -> Outcome {
    world
        .visible_offer(call.account, id)
        .filter(|offer| !offer.is_event())
        .map(|offer| Answer::ok(offer_json(world, offer, call)))
        .ok_or_else(|| Answer::listed(404, "product_id", "The product offer could not be found"))
}

/// A page of ascending ids.
pub(crate) struct Page {
    pub(crate) first: u64,
    pub(crate) limit: usize,
}

impl Page {
    pub(crate) fn read(call: &Call, errors: &mut Errors) -> Self {
        let limit = int_parameter(call, "limit", errors).unwrap_or(PAGE);
        if limit <= 0 {
            errors.add("limit", if errors.is_new() { Problem::below(1) } else { Problem::not_above(0) });
        } else if limit > PAGE {
            errors.add("limit", Problem::above(PAGE));
        }
        let first = int_parameter(call, "firstIndex", errors).unwrap_or(1);
        if first < 1 {
            errors.add("firstIndex", Problem::below(1));
        }
        Self { first: u64::try_from(first).unwrap_or(1), limit: usize::try_from(limit).unwrap_or(0) }
    }
}

fn int_parameter(call: &Call, name: &str, errors: &mut Errors) -> Option<i64> {
    let text = call.query(name).or_else(|| call.query(snake_name(name)))?;
    let value = parse_int(text);
    if value.is_none() {
        errors.add(name, problem::INTEGER_TEXT);
    }
    value
}

/// Refuses query parameters that are not in `known`, in either spelling, where the new validator judges.
pub(super) fn refuse_parameters(call: &Call, known: &[&str], errors: &mut Errors) {
    if !errors.is_new() {
        return;
    }
    for (name, _) in &call.query {
        if !known.iter().any(|known| known == name || snake(known) == *name) {
            errors.add(name, problem::EXTRA);
        }
    }
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
pub(crate) fn offer_json(world: &World, offer: &Offer, call: &Call) -> Value {
    let mut shown = common_json(world, offer, call);
    shown.insert("stock".to_owned(), json!(offer.product_stock().map(stock_json)));
    Value::Object(shown)
}

/// What products and events show alike.
pub(super) fn common_json(world: &World, offer: &Offer, call: &Call) -> Map<String, Value> {
    let details = offer.details.as_deref();
    let text = |pick: fn(&Details) -> Option<&String>| json!(details.and_then(pick));
    let image = details.and_then(|d| d.image.as_ref()).map(|image| json!({ "credit": image.credit, "url": image.url }));
    let set = details.map(|d| &d.category_fields);
    let fields = [
        ("id", json!(offer.id)),
        ("name", json!(&*offer.name)),
        ("description", text(|d| d.description.as_ref())),
        ("status", json!(offer.status(call.now).as_str())),
        ("accessibility", details.map_or_else(accessibility, |d| flags(d.accessibility))),
        ("bookingContact", text(|d| d.booking_contact.as_ref())),
        ("bookingEmail", text(|d| d.booking_email.as_ref())),
        ("categoryRelatedFields", shown_fields(&offer.category, offer.ean.map(ean_text), set)),
        ("enableDoubleBookings", json!(details.is_some_and(|d| d.duo))),
        ("externalTicketOfficeUrl", text(|d| d.ticket_office_url.as_ref())),
        ("image", json!(image)),
        ("itemCollectionDetails", text(|d| d.collection_details.as_ref())),
        ("location", location(world, offer, call)),
        ("idAtProvider", text(|d| d.id_at_provider.as_ref())),
        ("publicationDatetime", json!(offer.publication.map(utc))),
        ("bookingAllowedDatetime", json!(offer.booking_allowed.map(utc))),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// In the response the kind of location is computed: an address on the network first; since an offer at the venue has an
/// address of its own, labelled as the venue, one with that label is at the venue.
fn location(world: &World, offer: &Offer, call: &Call) -> Value {
    if let Some(url) = offer.details.as_deref().and_then(|d| d.url.as_deref()) {
        return json!({ "type": "digital", "venueId": offer.venue, "url": url });
    }
    let venue_label = || world.venues.get(&offer.venue).map(|venue| venue.name.as_str());
    let elsewhere = |address: &&OfferAddress| {
        !call.generation.labels_addresses() || address.label.is_none() || address.label.as_deref() != venue_label()
    };
    match offer.address.as_deref().filter(elsewhere) {
        None => json!({ "type": "physical", "venueId": offer.venue }),
        Some(address) => json!({
            "type": "address",
            "venueId": offer.venue,
            "addressId": address.address_id,
            "addressLabel": address.label,
        }),
    }
}

fn stock_json(stock: &Stock) -> Value {
    json!({
        "price": stock.price,
        "quantity": stock.total.map_or_else(|| json!("unlimited"), |total| json!(total)),
        "bookedQuantity": stock.booked,
        "bookingLimitDatetime": stock.booking_limit.map(utc),
    })
}
