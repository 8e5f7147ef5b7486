//! Events themselves, and their price categories.

use std::collections::HashSet;

use passerelle_contract::Class;

use super::EVENTS;
use super::body::{EventBody, EventPatch, NewPriceCategories, PriceCategoryBody, PriceCategoryPatch};
use super::pages::{List, MAX_KEYS_ASKED, questions};
use super::read::{Event, Page, PriceCategory, WireEvent, WirePriceCategory};
use super::send::{FROZEN, KEY_TAKEN, Meaning, SendError, Write, refused_here};
use crate::passculture::client::Client;
use crate::passculture::error::{Missing, NorthError};

/// Price categories of an event.
pub const MAX_PRICE_CATEGORIES: usize = 50;

const RUN_APPLY: &str = "set `server.public_url` and run `passerelle apply`: it registers them";

/// A contact is wanted by the category.
const NO_CONTACT: Meaning = Meaning {
    status: 400,
    key: "offer",
    class: Class::Settings,
    code: "NoBookingContact",
    what: "pass Culture wants an address that beneficiaries can write to for offers of this category",
    remedy: "give the connection a booking contact",
};

/// When an event with tickets is made, the only thing said under no field's name.
const NO_TICKETING: Meaning = Meaning {
    status: 400,
    key: "global",
    class: Class::Settings,
    code: "NoTicketing",
    what: "pass Culture does not have the addresses to which bookings of events with tickets are sent",
    remedy: RUN_APPLY,
};

/// A change of an event with tickets looks at the account's own addresses only.
const NO_TICKETING_OF_ACCOUNT: Meaning = Meaning {
    status: 400,
    key: "offer",
    class: Class::Settings,
    code: "NoTicketing",
    what: "pass Culture does not have addresses of the whole account to which bookings are sent",
    remedy: RUN_APPLY,
};

/// A price category that is not there, or is another event's.
const NO_SUCH_PRICE_CATEGORY: Meaning = Meaning {
    status: 404,
    key: "price_category_id",
    class: Class::Data,
    code: "NoSuchPriceCategory",
    what: "the event has no such price category",
    remedy: "nothing to do: the next pass reads them again",
};

impl Client {
    /// The events of a venue that have one of these keys, in no order that may be relied on; a key without event is absent.
    /// Asks for at most [`MAX_KEYS_ASKED`] at a time.
    ///
    /// # Errors
    /// `UnaskableKey` (empty, or with a comma), `VenueNotLinked`, or as any call.
    pub async fn find_events(&self, venue_id: i64, keys: &[String]) -> Result<Vec<Event>, NorthError> {
        const OPERATION: &str = "find events";
        let wanted: HashSet<&str> = keys.iter().map(String::as_str).collect();
        let mut found = Vec::new();
        for question in questions(OPERATION, keys)? {
            let list = List {
                operation: OPERATION,
                path: EVENTS,
                query: vec![("venueId", venue_id.to_string()), ("idsAtProvider", question)],
                missing: Missing::Venue,
                // A key is unique within a venue.
                bound: 2 * MAX_KEYS_ASKED,
            };
            let rows: Vec<WireEvent> = self.rows(&list).await?;
            found.extend(rows.into_iter().map(Event::from).filter(|event| {
                event.id_at_provider.as_deref().is_some_and(|key| wanted.contains(key))
                    && event.venue_id.is_none_or(|venue| venue == venue_id)
            }));
        }
        found.sort_by_key(|event| event.id);
        found.dedup_by_key(|event| event.id);
        Ok(found)
    }

    /// One event.
    ///
    /// # Errors
    /// `NoSuchOffer`, or as any call.
    pub async fn event(&self, event_id: i64) -> Result<Event, NorthError> {
        let path = format!("{EVENTS}/{event_id}");
        self.read::<WireEvent>("read the event", &path, &[], Missing::Offer).await.map(Event::from)
    }

    /// Makes an event, with its first price categories. It is a draft until its first dates.
    ///
    /// # Errors
    /// [`SendError`]; among the codes `KeyTaken`, `NoTicketing`, `NoBookingContact`, `VenueNotLinked`. After a lost answer
    /// look for its key before making it again.
    pub async fn create_event(&self, body: &EventBody) -> Result<Event, SendError> {
        const OPERATION: &str = "create the event";
        let with_tickets = [KEY_TAKEN, NO_CONTACT, NO_TICKETING];
        let meanings = if body.has_ticket { &with_tickets[..] } else { &with_tickets[..2] };
        let write = Write { missing: Missing::Venue, ..Write::create(OPERATION, EVENTS, meanings) };
        self.write::<WireEvent>(&write, body).await.map(Event::from)
    }

    /// Changes what is set in the patch; with nothing set, only reads.
    ///
    /// # Errors
    /// [`SendError`]; among the codes `NoSuchOffer`, `OfferFrozen`, `KeyTaken`, `NoTicketing`.
    pub async fn change_event(&self, event_id: i64, patch: &EventPatch) -> Result<Event, SendError> {
        if *patch == EventPatch::default() {
            return self.event(event_id).await.map_err(SendError::Failed);
        }
        let path = format!("{EVENTS}/{event_id}");
        let write = Write::change("change the event", &path, &[KEY_TAKEN, NO_TICKETING_OF_ACCOUNT, FROZEN]);
        self.write::<WireEvent>(&write, patch).await.map(Event::from)
    }

    /// The price categories of an event, in no order that may be relied on: see [`PriceCategory::among`].
    ///
    /// # Errors
    /// `NoSuchOffer`, or as any call.
    pub async fn price_categories(&self, event_id: i64) -> Result<Vec<PriceCategory>, NorthError> {
        let path = format!("{EVENTS}/{event_id}/price_categories");
        let page: Page<WirePriceCategory> = self.read("list price categories", &path, &[], Missing::Offer).await?;
        Ok(page.rows.into_iter().map(PriceCategory::from).collect())
    }

    /// Adds price categories, all or none; answers the added ones. There is no way to delete one, and an event has at most
    /// [`MAX_PRICE_CATEGORIES`].
    ///
    /// # Errors
    /// [`SendError`]. After a lost answer read them before adding again.
    pub async fn add_price_categories(
        &self,
        event_id: i64,
        bodies: &[PriceCategoryBody],
    ) -> Result<Vec<PriceCategory>, SendError> {
        const OPERATION: &str = "add price categories";
        if bodies.is_empty() {
            return Ok(Vec::new());
        }
        if bodies.len() > MAX_PRICE_CATEGORIES {
            return Err(refused_here(
                OPERATION,
                "TooManyPriceCategories",
                "priceCategories",
                format!("{} price categories in one event; pass Culture takes {MAX_PRICE_CATEGORIES}", bodies.len()),
                "offer fewer tariffs to pass Culture",
            ));
        }
        let path = format!("{EVENTS}/{event_id}/price_categories");
        let write = Write::create(OPERATION, &path, &[KEY_TAKEN, FROZEN]);
        let page: Page<WirePriceCategory> =
            self.write(&write, &NewPriceCategories { price_categories: bodies }).await?;
        Ok(page.rows.into_iter().map(PriceCategory::from).collect())
    }

    /// Changes a price category, and with it at once the price of all its dates to come.
    ///
    /// # Errors
    /// [`SendError`]; among the codes `NoSuchPriceCategory`, `NoSuchOffer`, `OfferFrozen`.
    pub async fn change_price_category(
        &self,
        event_id: i64,
        price_category_id: i64,
        patch: &PriceCategoryPatch,
    ) -> Result<PriceCategory, SendError> {
        let path = format!("{EVENTS}/{event_id}/price_categories/{price_category_id}");
        let write = Write::change("change the price category", &path, &[NO_SUCH_PRICE_CATEGORY, FROZEN]);
        self.write::<WirePriceCategory>(&write, patch).await.map(PriceCategory::from)
    }
}
