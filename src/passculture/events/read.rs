//! What is read of an event, leniently: unknown fields and values are ignored, a field that decides must be there.
//!
//! Invariant: a number of places that is read counts the booked ones; [`EventDate::remaining`] is the rest.

use jiff::Timestamp;
use passerelle_contract::{Cents, Quantity};
use serde::Deserialize;
use serde_json::Value;

use super::body::{CategoryFields, Contact};
use super::dates::own_key;
use crate::passculture::OfferStatus;
use crate::passculture::client::Millis;

/// An event as pass Culture has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number.
    pub id: i64,
    /// Our key; events made by hand or by others have none, or theirs.
    pub id_at_provider: Option<String>,
    /// Its venue.
    pub venue_id: Option<i64>,
    /// Its name.
    pub name: String,
    /// Where it stands; a draft until its first dates, then perhaps pending for days.
    pub status: OfferStatus,
    /// What it is.
    pub category: CategoryFields,
    /// Are seats booked through its provider?
    pub has_ticket: Option<bool>,
    /// Two seats at once?
    pub duo: bool,
    /// Its description.
    pub description: Option<String>,
    /// Minutes.
    pub duration_minutes: Option<u32>,
    /// Whom beneficiaries write to.
    pub booking_contact: Option<Contact>,
    /// When it is or was shown; `None` hides it.
    pub published_at: Option<Millis>,
    /// Where pass Culture serves its picture, re-encoded.
    pub picture_url: Option<String>,
    /// In no order that may be relied on.
    pub price_categories: Vec<PriceCategory>,
}

/// A price category of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceCategory {
    /// Its number.
    pub id: i64,
    /// What people choose by.
    pub label: String,
    /// Unit price.
    pub price: Cents,
    /// Our key.
    pub id_at_provider: Option<String>,
}

impl PriceCategory {
    /// The one with that label at that price. pass Culture lets two become equal; the first made is meant then.
    #[must_use]
    pub fn among<'a>(categories: &'a [Self], label: &str, price: Cents) -> Option<&'a Self> {
        categories
            .iter()
            .filter(|category| category.label == label && category.price == price)
            .min_by_key(|category| category.id)
    }
}

/// A date of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventDate {
    /// Its number: the stock that bookings name.
    pub id: i64,
    /// Our key.
    pub id_at_provider: Option<String>,
    /// When it begins.
    pub starts_at: Millis,
    /// Until when it is sold.
    pub bookable_until: Option<Millis>,
    /// At what price.
    pub price_category: Option<PriceCategory>,
    /// Ever offered, booked places included.
    pub total: Quantity,
    /// Booked, used and reimbursed places; cancelled ones are out.
    pub booked: u32,
}

impl EventDate {
    /// Places still for sale: what a patch sends.
    #[must_use]
    pub const fn remaining(&self) -> Quantity {
        match self.total {
            Quantity::Unlimited => Quantity::Unlimited,
            Quantity::Exactly(total) => Quantity::Exactly(total.saturating_sub(self.booked)),
        }
    }
}

/// A row of a list that is read page by page.
pub(in crate::passculture) trait Row {
    fn id(&self) -> i64;
}

#[derive(Deserialize)]
pub(in crate::passculture) struct Page<T> {
    #[serde(alias = "events", alias = "dates", alias = "bookings", alias = "priceCategories")]
    pub(in crate::passculture) rows: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireEvent {
    id: i64,
    id_at_provider: Option<String>,
    location: Option<WireLocation>,
    name: Option<String>,
    status: Option<String>,
    category_related_fields: Option<CategoryFields>,
    has_ticket: Option<bool>,
    enable_double_bookings: Option<bool>,
    description: Option<String>,
    event_duration: Option<i64>,
    booking_contact: Option<Contact>,
    publication_datetime: Option<Timestamp>,
    image: Option<WireImage>,
    #[serde(default)]
    price_categories: Vec<WirePriceCategory>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLocation {
    venue_id: Option<i64>,
}

#[derive(Deserialize)]
struct WireImage {
    url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WirePriceCategory {
    id: i64,
    label: String,
    price: u32,
    id_at_provider: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireDate {
    id: i64,
    id_at_provider: Option<String>,
    beginning_datetime: Timestamp,
    booking_limit_datetime: Option<Timestamp>,
    price_category: Option<WirePriceCategory>,
    quantity: Value,
    booked_quantity: Option<u32>,
}

impl Row for WireEvent {
    fn id(&self) -> i64 {
        self.id
    }
}

impl Row for WireDate {
    fn id(&self) -> i64 {
        self.id
    }
}

impl From<WireEvent> for Event {
    fn from(wire: WireEvent) -> Self {
        Self {
            id: wire.id,
            id_at_provider: wire.id_at_provider,
            venue_id: wire.location.and_then(|place| place.venue_id),
            name: wire.name.unwrap_or_default(),
            status: wire.status.as_deref().unwrap_or_default().into(),
            category: wire.category_related_fields.unwrap_or_default(),
            has_ticket: wire.has_ticket,
            duo: wire.enable_double_bookings.unwrap_or(false),
            description: wire.description,
            duration_minutes: wire.event_duration.and_then(|minutes| u32::try_from(minutes).ok()),
            booking_contact: wire.booking_contact,
            published_at: wire.publication_datetime.map(Timestamp::as_millisecond),
            picture_url: wire.image.and_then(|image| image.url),
            price_categories: wire.price_categories.into_iter().map(PriceCategory::from).collect(),
        }
    }
}

impl From<WirePriceCategory> for PriceCategory {
    fn from(wire: WirePriceCategory) -> Self {
        Self { id: wire.id, label: wire.label, price: Cents(wire.price), id_at_provider: wire.id_at_provider }
    }
}

impl From<WireDate> for EventDate {
    fn from(wire: WireDate) -> Self {
        // Anything but a number is unlimited, as in pass Culture itself.
        let total = wire
            .quantity
            .as_u64()
            .map_or(Quantity::Unlimited, |total| Quantity::Exactly(u32::try_from(total).unwrap_or(u32::MAX)));
        Self {
            id: wire.id,
            id_at_provider: wire.id_at_provider.map(|key| own_key(&key).to_owned()),
            starts_at: wire.beginning_datetime.as_millisecond(),
            bookable_until: wire.booking_limit_datetime.map(Timestamp::as_millisecond),
            price_category: wire.price_category.map(PriceCategory::from),
            total,
            booked: wire.booked_quantity.unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_whatever_is_null_or_new() {
        let page: Page<WireEvent> = serde_json::from_str(
            r#"{"events":[
              {"id":12,"idAtProvider":"a","location":{"type":"physical","venueId":535},"name":"Le Phare","status":"DRAFT",
               "categoryRelatedFields":{"category":"SEANCE_CINE","author":null,"visa":"150123","stageDirector":null},
               "hasTicket":true,"enableDoubleBookings":true,"eventDuration":98,"image":{"credit":null,"url":"https://x"},
               "bookingContact":"contact@example.com","publicationDatetime":"2030-03-17T17:46:00Z","new":[],
               "priceCategories":[{"id":77,"label":"PASS","price":600,"idAtProvider":null}]},
              {"id":13,"status":"BEYOND","eventDuration":-1,"location":{"type":"digital","url":"https://x"}}]}"#,
        )
        .unwrap();
        let events: Vec<Event> = page.rows.into_iter().map(Event::from).collect();
        assert_eq!((events[0].id, events[0].venue_id, events[0].has_ticket), (12, Some(535), Some(true)));
        assert_eq!(events[0].category.visa.as_deref(), Some("150123"));
        assert_eq!(events[0].status, OfferStatus::Draft);
        assert_eq!(events[0].published_at, Some(1_899_999_960_000));
        assert_eq!(events[0].price_categories[0].price, Cents(600));
        assert!(!format!("{events:?}").contains("example.com"));
        assert_eq!((events[1].status.clone(), events[1].duration_minutes), (OfferStatus::Other("BEYOND".into()), None));
    }

    #[test]
    fn a_date_is_read_with_its_total_and_what_remains_is_the_rest() {
        let page: Page<WireDate> = serde_json::from_str(
            r#"{"dates":[
              {"id":9001,"beginningDatetime":"2030-03-17T17:46:40.25Z","bookingLimitDatetime":null,"priceCategory":null,
               "quantity":10,"bookedQuantity":3,"idAtProvider":"s"},
              {"id":9002,"beginningDatetime":"2030-03-17T17:46:40Z","quantity":"unlimited","bookedQuantity":4}]}"#,
        )
        .unwrap();
        let dates: Vec<EventDate> = page.rows.into_iter().map(EventDate::from).collect();
        assert_eq!((dates[0].starts_at, dates[0].remaining()), (1_900_000_000_250, Quantity::Exactly(7)));
        assert_eq!((dates[1].remaining(), dates[1].booked), (Quantity::Unlimited, 4));
    }

    #[test]
    fn of_two_equal_price_categories_the_first_made_is_meant() {
        let category = |id, label: &str, price| PriceCategory {
            id,
            label: label.into(),
            price: Cents(price),
            id_at_provider: None,
        };
        let all = [category(9, "A", 600), category(4, "A", 600), category(1, "A", 700), category(2, "B", 600)];
        assert_eq!(PriceCategory::among(&all, "A", Cents(600)).map(|found| found.id), Some(4));
        assert_eq!(PriceCategory::among(&all, "B", Cents(700)), None);
    }
}
