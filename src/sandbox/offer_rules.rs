//! What the backend checks of an offer once its body is well formed: place, contact, name, duo, ids, prices.
//!
//! Decides only; the first thing wrong ends it, as in the backend.
//!
//! Invariant: an offer that passes [`check_offer`] is one the backend would have kept.

use jiff::{Timestamp, ToSpan, tz::Offset};
use serde_json::json;

use super::categories::{Category, Place};
use super::errors::Answer;
use super::location::LocationBody;
use super::offer::{Details, Offer, OfferAddress, Validation};
use super::server::Call;
use super::state::{AccountIndex, Venue, World};

/// Highest price of an offer of a venue in New Caledonia, in cents: the ceiling there is in francs.
const MAX_CALEDONIAN_PRICE: u32 = 20_000;
/// Years ahead that a creation may be published.
const MAX_PUBLICATION_YEARS: i64 = 2;

/// Where an offer takes place, found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) venue: u32,
    pub(super) address: Option<Box<OfferAddress>>,
    pub(super) url: Option<String>,
}

/// The venue of a location, which must be linked and open.
pub(super) fn find_venue(world: &World, account: AccountIndex, location: &LocationBody) -> Result<u32, Answer> {
    let not_found = || Answer::plain(404, "global", "Venue cannot be found");
    let venue = world.linked_venue(account, location.venue_id).ok_or_else(not_found)?;
    super::closing::refuse_if_closed(world, venue)?;
    Ok(venue)
}

/// Finds the venue and the address of a location.
pub(super) fn find_place(world: &World, account: AccountIndex, location: LocationBody) -> Result<Found, Answer> {
    let venue = find_venue(world, account, &location)?;
    let address = match location.address {
        None => None,
        Some((id, label)) => {
            let address_id = super::ean::known_address(world, id)?;
            Some(Box::new(OfferAddress { address_id, label }))
        }
    };
    Ok(Found { venue, address, url: location.url })
}

/// Whether booking and cancel addresses are set for the account, at the venue's level or at its own.
pub(super) fn has_ticketing(world: &World, account: AccountIndex, venue: u32) -> bool {
    has_own_ticketing(world, account)
        || world.venues.get(&venue).and_then(|v| v.urls.get(&account)).is_some_and(|urls| urls.has_ticketing())
}

/// Whether booking and cancel addresses are set at the provider's own level.
pub(super) fn has_own_ticketing(world: &World, account: AccountIndex) -> bool {
    world.accounts.get(account).is_some_and(|a| a.urls.has_ticketing())
}

/// What is about to be kept.
pub(super) struct Candidate<'a> {
    pub(super) id: Option<u64>,
    pub(super) venue: u32,
    pub(super) name: &'a str,
    pub(super) category: &'static Category,
    pub(super) details: &'a Details,
}

/// The checks of every creation and edition.
pub(super) fn check_offer(world: &World, offer: &Candidate<'_>) -> Result<(), Answer> {
    check_name(offer.name)?;
    if offer.details.duo && !offer.category.duo {
        let message = "the category chosen does not allow double bookings";
        return Err(Answer::listed(400, "enableDoubleBookings", message));
    }
    check_url(offer.category, offer.details.url.as_deref())?;
    if let Some(id) = offer.details.id_at_provider.as_deref().filter(|id| !id.is_empty()) {
        let holder = world.by_provider_id.get(&(offer.venue, id.to_owned()));
        if holder.is_some_and(|holder| Some(*holder) != offer.id) {
            let message = format!("`{id}` is already taken by another venue offer");
            return Err(Answer::listed(400, "idAtProvider", message));
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Answer> {
    let mut run = 0;
    for character in name.chars() {
        run = if character.is_ascii_digit() { run + 1 } else { 0 };
        if run == 13 {
            return Err(Answer::listed(400, "name", "Le titre d'une offre ne peut contenir l'EAN"));
        }
    }
    Ok(())
}

/// An online category has an address on the network, and no other one has.
pub(super) fn check_url(category: &Category, url: Option<&str>) -> Result<(), Answer> {
    let message = match (category.place, url) {
        (Place::OnSite, Some(_)) => {
            format!("Une offre de sous-catégorie \"{}\" ne peut contenir un champ `url`", category.label)
        }
        (Place::Online, None) => {
            format!("Une offre de catégorie \"{}\" doit contenir un champ `url`", category.label)
        }
        _ => return Ok(()),
    };
    Err(Answer::listed(400, "url", message))
}

/// A category with tickets to withdraw needs somebody to write to.
pub(super) fn check_contact(category: &Category, details: &Details) -> Result<(), Answer> {
    if category.withdrawable && details.booking_contact.as_deref().is_none_or(str::is_empty) {
        let message = "Une offre qui a un ticket retirable doit avoir l'email du contact de réservation";
        return Err(Answer::listed(400, "offer", message));
    }
    Ok(())
}

/// A creation is published at most two years ahead.
pub(super) fn check_publication(at: Option<Timestamp>, now: Timestamp) -> Result<(), Answer> {
    let latest = Offset::UTC
        .to_datetime(now)
        .checked_add(MAX_PUBLICATION_YEARS.years())
        .and_then(|latest| Offset::UTC.to_timestamp(latest));
    if let (Some(at), Ok(latest)) = (at, latest)
        && at > latest
    {
        let message = "Impossible sélectionner une date de publication plus de 2 ans en avance";
        return Err(Answer::listed(400, "publication_date", message));
    }
    Ok(())
}

/// The ceiling of the venue's currency; the schema's own 300 € was checked before.
pub(super) fn check_price(venue: Option<&Venue>, price: u32) -> Result<(), Answer> {
    let caledonian = venue.is_some_and(|v| v.department().as_deref() == Some("988"));
    if caledonian && price > MAX_CALEDONIAN_PRICE {
        let message = "Le prix d’une offre ne peut excéder 23865 francs Pacifique.";
        return Err(Answer::listed(400, "price23865", message));
    }
    Ok(())
}

/// A rejected offer takes no change, nor does one of a closed venue.
pub(super) fn check_changeable(world: &World, offer: &Offer) -> Result<(), Answer> {
    super::closing::refuse_if_closed(world, offer.venue)?;
    check_not_rejected(offer)
}

/// A rejected offer takes no change.
fn check_not_rejected(offer: &Offer) -> Result<(), Answer> {
    if offer.validation == Validation::Rejected {
        return Err(Answer::listed(400, "global", "Les offres refusées ne sont pas modifiables"));
    }
    Ok(())
}

/// Only the provider that made an offer changes its dates and prices.
pub(super) fn check_owner(offer: &Offer, call: &Call) -> Result<(), Answer> {
    if offer.owner == call.account {
        return Ok(());
    }
    Err(Answer::listed(400, "global", "Les offres importées ne sont pas modifiables"))
}

/// The minute of a moment: creations are published on the minute.
pub(super) fn on_the_minute(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second().div_euclid(60) * 60).unwrap_or(at)
}

/// What the backend answers when its own checks of the database fail.
pub(super) fn too_many() -> Answer {
    Answer::json(500, json!({ "global": [super::errors::CRASH] }))
}
