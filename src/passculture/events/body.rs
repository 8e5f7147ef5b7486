//! What is written of an event: pure, the routes' own JSON.
//!
//! A patch writes what is set and nothing else: pass Culture checks again whatever it is sent, and refuses an unchanged
//! date that has passed meanwhile.
//!
//! Invariant: a date always says how many places it has, and a moment is written in UTC with `Z`.

use std::fmt;

use passerelle_contract::{Cents, Quantity};
use serde::{Deserialize, Serialize, Serializer};

use super::written::{at, at_venue, cents, moment, places, some_cents, some_places, utc};
use crate::passculture::client::Millis;

/// An event to make. Its picture travels alone, for one that does not please fails the whole creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventBody {
    /// The venue, at whose own address it takes place.
    #[serde(rename = "location", serialize_with = "at_venue")]
    pub venue_id: i64,
    /// Our key, 1–70 characters without comma, unique within the venue.
    pub id_at_provider: String,
    /// 1–90 characters without 13 digits in a row.
    pub name: String,
    /// What it is.
    #[serde(rename = "categoryRelatedFields")]
    pub category: CategoryFields,
    /// For whom it is made.
    pub accessibility: Accessibility,
    /// Are seats booked through us? It can never be changed, and needs [`MessageUrls`](super::MessageUrls) first.
    pub has_ticket: bool,
    /// Two seats at once? A category without duo refuses `true`.
    #[serde(rename = "enableDoubleBookings")]
    pub duo: bool,
    /// At most 10 000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// 1–1 439: a day and more is refused.
    #[serde(rename = "eventDuration", skip_serializing_if = "Option::is_none")]
    pub duration_minutes: Option<u32>,
    /// Whom beneficiaries write to; concerts, live shows and most festivals demand it. At most 120 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub booking_contact: Option<Contact>,
    /// Who is told of bookings by mail. At most 120 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub booking_email: Option<Contact>,
    /// How tickets are collected.
    #[serde(rename = "itemCollectionDetails", skip_serializing_if = "Option::is_none")]
    pub collection_details: Option<String>,
    /// When it is shown.
    #[serde(rename = "publicationDatetime")]
    pub publication: EventPublication,
    /// When booking opens, in the future; with its publication when absent.
    #[serde(rename = "bookingAllowedDatetime", skip_serializing_if = "Option::is_none", serialize_with = "moment")]
    pub bookable_from: Option<Millis>,
    /// At most [`MAX_PRICE_CATEGORIES`](super::MAX_PRICE_CATEGORIES); more can be added later.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub price_categories: Vec<PriceCategoryBody>,
}

/// What to change of an event: `None` leaves a field as it is, `Some(None)` empties it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventPatch {
    /// As [`EventBody::name`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// As [`EventBody::description`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Option<String>>,
    /// The category itself is repeated and cannot change; a field that is `None` stays as it is.
    #[serde(rename = "categoryRelatedFields", skip_serializing_if = "Option::is_none")]
    pub category: Option<CategoryFields>,
    /// As [`EventBody::accessibility`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accessibility: Option<Accessibility>,
    /// As [`EventBody::duo`].
    #[serde(rename = "enableDoubleBookings", skip_serializing_if = "Option::is_none")]
    pub duo: Option<bool>,
    /// As [`EventBody::duration_minutes`].
    #[serde(rename = "eventDuration", skip_serializing_if = "Option::is_none")]
    pub duration_minutes: Option<Option<u32>>,
    /// As [`EventBody::booking_contact`]. With tickets, changing it needs message URLs of the whole account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub booking_contact: Option<Contact>,
    /// As [`EventBody::booking_email`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub booking_email: Option<Option<Contact>>,
    /// As [`EventBody::collection_details`]. With tickets, changing it needs message URLs of the whole account.
    #[serde(rename = "itemCollectionDetails", skip_serializing_if = "Option::is_none")]
    pub collection_details: Option<Option<String>>,
    /// As [`EventBody::publication`]: the way to take an event down.
    #[serde(rename = "publicationDatetime", skip_serializing_if = "Option::is_none")]
    pub publication: Option<EventPublication>,
    /// As [`EventBody::id_at_provider`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_at_provider: Option<String>,
}

/// A category and what may be said in it. Fields that the category does not have are ignored by pass Culture.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CategoryFields {
    /// Its id: `SEANCE_CINE`, `CONCERT`, …
    pub category: String,
    /// Free text, as all that follow but the last two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Who performs: concerts and live shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performer: Option<String>,
    /// Who speaks: talks, fairs and workshops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// Who directs: films and live shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage_director: Option<String>,
    /// French film visa number: pass Culture attaches its film sheet by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visa: Option<String>,
    /// A slug of pass Culture's: concerts demand it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub music_type: Option<String>,
    /// A slug of pass Culture's: live shows demand it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub show_type: Option<String>,
}

/// For whom an event is made; pass Culture takes no *unknown*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Accessibility {
    /// Hard of hearing or deaf.
    #[serde(rename = "audioDisabilityCompliant")]
    pub audio: bool,
    /// Mental or cognitive handicap.
    #[serde(rename = "mentalDisabilityCompliant")]
    pub mental: bool,
    /// Motor handicap.
    #[serde(rename = "motorDisabilityCompliant")]
    pub motor: bool,
    /// Partially sighted or blind.
    #[serde(rename = "visualDisabilityCompliant")]
    pub visual: bool,
}

/// A venue's e-mail address: never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Contact(String);

impl Contact {
    /// Any text; pass Culture refuses what is no address.
    #[must_use]
    pub fn new(address: impl Into<String>) -> Self {
        Self(address.into())
    }

    /// The address.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// When an event is shown. pass Culture acts on it every quarter of an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventPublication {
    /// At once.
    #[default]
    Now,
    /// Then: in the future, at most two years ahead.
    At(Millis),
    /// Not at all.
    Hidden,
}

impl Serialize for EventPublication {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Now => serializer.serialize_str("now"),
            Self::At(at) => serializer.serialize_str(&utc::<S>(*at)?),
            Self::Hidden => serializer.serialize_none(),
        }
    }
}

/// A price category to make. Label and price together are unique within an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PriceCategoryBody {
    /// 1–50 characters.
    pub label: String,
    /// Unit price, at most 30 000 cents.
    #[serde(serialize_with = "cents")]
    pub price: Cents,
    /// At most 70 characters, unique within the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_at_provider: Option<String>,
}

/// What to change of a price category. A new price holds at once for every date to come; bookings keep theirs. pass
/// Culture does not check here that label and price stay unique.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PriceCategoryPatch {
    /// As [`PriceCategoryBody::label`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// As [`PriceCategoryBody::price`].
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "some_cents")]
    pub price: Option<Cents>,
}

/// A date to make: one moment at one price category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DateBody {
    /// Our key, 1–70 characters without comma, unique within the event: the only protection against making it twice.
    pub id_at_provider: String,
    /// In the future.
    #[serde(rename = "beginningDatetime", serialize_with = "at")]
    pub starts_at: Millis,
    /// In the future, not after the beginning, and not before the event is shown and bookable.
    #[serde(rename = "bookingLimitDatetime", serialize_with = "at")]
    pub bookable_until: Millis,
    /// One of the same event.
    pub price_category_id: i64,
    /// Places for sale, at most 1 000 000.
    #[serde(serialize_with = "places")]
    pub quantity: Quantity,
}

/// What to change of a date: `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DatePatch {
    /// Another beginning: beneficiaries are told by mail and may cancel for two days more. When it comes to lie before the
    /// limit, both must be set.
    #[serde(rename = "beginningDatetime", skip_serializing_if = "Option::is_none", serialize_with = "moment")]
    pub starts_at: Option<Millis>,
    /// As [`DateBody::bookable_until`].
    #[serde(rename = "bookingLimitDatetime", skip_serializing_if = "Option::is_none", serialize_with = "moment")]
    pub bookable_until: Option<Millis>,
    /// As [`DateBody::price_category_id`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_category_id: Option<i64>,
    /// Places *still* for sale: pass Culture adds those that are booked. 0 shows the date sold out.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "some_places")]
    pub quantity: Option<Quantity>,
    /// As [`DateBody::id_at_provider`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_at_provider: Option<String>,
}

#[derive(Serialize)]
pub(super) struct NewDates<'a> {
    pub(super) dates: &'a [&'a DateBody],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewPriceCategories<'a> {
    pub(super) price_categories: &'a [PriceCategoryBody],
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(body: &impl Serialize) -> String {
        serde_json::to_string(body).unwrap()
    }

    fn film() -> EventBody {
        EventBody {
            venue_id: 535,
            id_at_provider: "boost:film:412".into(),
            name: "Le Phare".into(),
            category: CategoryFields {
                category: "SEANCE_CINE".into(),
                stage_director: Some("Une Cinéaste".into()),
                visa: Some("150123".into()),
                ..CategoryFields::default()
            },
            accessibility: Accessibility { motor: true, ..Accessibility::default() },
            has_ticket: true,
            duo: false,
            description: None,
            duration_minutes: Some(98),
            booking_contact: None,
            booking_email: None,
            collection_details: None,
            publication: EventPublication::Now,
            bookable_from: None,
            price_categories: vec![PriceCategoryBody { label: "PASS".into(), price: Cents(600), id_at_provider: None }],
        }
    }

    #[test]
    fn an_event_is_written_as_the_route_reads_it() {
        assert_eq!(
            json(&film()),
            concat!(
                r#"{"location":{"type":"physical","venueId":535},"idAtProvider":"boost:film:412","name":"Le Phare","#,
                r#""categoryRelatedFields":{"category":"SEANCE_CINE","stageDirector":"Une Cinéaste","visa":"150123"},"#,
                r#""accessibility":{"audioDisabilityCompliant":false,"mentalDisabilityCompliant":false,"#,
                r#""motorDisabilityCompliant":true,"visualDisabilityCompliant":false},"hasTicket":true,"#,
                r#""enableDoubleBookings":false,"eventDuration":98,"publicationDatetime":"now","#,
                r#""priceCategories":[{"label":"PASS","price":600}]}"#
            )
        );
        let rich = EventBody {
            description: Some("Un film.".into()),
            booking_contact: Some(Contact::new("contact@example.com")),
            booking_email: Some(Contact::new("caisse@example.com")),
            collection_details: Some("Au guichet".into()),
            publication: EventPublication::At(1_900_000_000_000),
            bookable_from: Some(1_900_000_000_500),
            price_categories: Vec::new(),
            ..film()
        };
        let written = json(&rich);
        for part in [
            r#""description":"Un film.""#,
            r#""bookingContact":"contact@example.com""#,
            r#""bookingEmail":"caisse@example.com""#,
            r#""itemCollectionDetails":"Au guichet""#,
            r#""publicationDatetime":"2030-03-17T17:46:40Z""#,
            r#""bookingAllowedDatetime":"2030-03-17T17:46:40.5Z""#,
        ] {
            assert!(written.contains(part), "{part} in {written}");
        }
        assert!(!written.contains("priceCategories") && !written.contains("image"), "{written}");
        assert!(!format!("{rich:?}").contains("example.com"));
        let hidden = json(&EventBody { publication: EventPublication::Hidden, ..film() });
        assert!(hidden.contains(r#""publicationDatetime":null"#), "{hidden}");
    }

    #[test]
    fn a_patch_writes_what_is_set_and_empties_what_is_said_to_be_empty() {
        assert_eq!(json(&EventPatch::default()), "{}");
        let patch = EventPatch {
            description: Some(None),
            duration_minutes: Some(Some(100)),
            publication: Some(EventPublication::Hidden),
            ..EventPatch::default()
        };
        assert_eq!(json(&patch), r#"{"description":null,"eventDuration":100,"publicationDatetime":null}"#);
        assert_eq!(json(&DatePatch::default()), "{}");
        let patch = DatePatch { quantity: Some(Quantity::Exactly(0)), ..DatePatch::default() };
        assert_eq!(json(&patch), r#"{"quantity":0}"#);
        let patch = DatePatch {
            starts_at: Some(1_900_000_000_000),
            bookable_until: Some(1_900_000_000_000),
            price_category_id: Some(77),
            quantity: Some(Quantity::Unlimited),
            ..DatePatch::default()
        };
        assert_eq!(
            json(&patch),
            concat!(
                r#"{"beginningDatetime":"2030-03-17T17:46:40Z","bookingLimitDatetime":"2030-03-17T17:46:40Z","#,
                r#""priceCategoryId":77,"quantity":"unlimited"}"#
            )
        );
        let patch = PriceCategoryPatch { price: Some(Cents(650)), ..PriceCategoryPatch::default() };
        assert_eq!(json(&patch), r#"{"price":650}"#);
    }

    #[test]
    fn dates_always_say_how_many_and_a_moment_out_of_range_is_an_error() {
        let date = DateBody {
            id_at_provider: "boost:show:70231".into(),
            starts_at: 1_900_000_000_000,
            bookable_until: 1_899_996_400_000,
            price_category_id: 77,
            quantity: Quantity::Exactly(12),
        };
        assert_eq!(
            json(&NewDates { dates: &[&date] }),
            concat!(
                r#"{"dates":[{"idAtProvider":"boost:show:70231","beginningDatetime":"2030-03-17T17:46:40Z","#,
                r#""bookingLimitDatetime":"2030-03-17T16:46:40Z","priceCategoryId":77,"quantity":12}]}"#
            )
        );
        assert!(serde_json::to_string(&DateBody { starts_at: Millis::MAX, ..date }).is_err());
    }
}
