//! Who we are to pass Culture, and which venues it shows us.
//!
//! The offerers decide which venues are linked, and may change it at any time: a venue that is gone is a `VenueNotLinked`.

use std::time::Duration;

use passerelle_contract::Class;
use reqwest::Method;
use serde::Deserialize;

use super::client::Client;
use super::error::{Missing, NorthError};
use super::events::MessageUrls;
use super::transport::{Call, Resend};

const TIMEOUT: Duration = Duration::from_secs(30);

/// The account itself, as pass Culture knows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// Its number.
    pub id: i64,
    /// Its name.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub name: String,
    /// Where notifications go, when set for the whole account.
    pub notification_url: Option<String>,
    /// Where bookings of events with tickets go.
    pub booking_url: Option<String>,
    /// Where their cancellations go.
    pub cancel_url: Option<String>,
}

/// A venue that the account may sell for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Venue {
    /// Its number.
    pub id: i64,
    /// SIRET or RIDET as pass Culture writes it; some venues have none.
    pub siret: Option<String>,
    /// Its public name, else its legal one.
    pub name: String,
    /// For the price ceiling and the time zone.
    pub postal_code: Option<String>,
    /// The town.
    pub city: Option<String>,
    /// A legacy virtual venue: no EAN offer can be sold there.
    pub is_digital: bool,
    /// `BOOKSTORE`, `RECORD_STORE`, …; an open list.
    pub activity: Option<String>,
    /// Where messages about the venue go instead of to the account's addresses. pass Culture shows those of the venue's first
    /// provider, which may be another one.
    pub message_urls: MessageUrls,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireVenue {
    id: i64,
    siret: Option<String>,
    location: Option<WireLocation>,
    legal_name: Option<String>,
    public_name: Option<String>,
    activity_domain: Option<String>,
    #[serde(flatten)]
    message_urls: MessageUrls,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLocation {
    #[serde(rename = "type")]
    kind: Option<String>,
    city: Option<String>,
    postal_code: Option<String>,
}

#[derive(Deserialize)]
struct WireOfferer {
    #[serde(default)]
    venues: Vec<WireVenue>,
}

impl From<WireVenue> for Venue {
    fn from(wire: WireVenue) -> Self {
        let (kind, city, postal_code) = match wire.location {
            Some(place) => (place.kind, place.city, place.postal_code),
            None => (None, None, None),
        };
        let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        Self {
            id: wire.id,
            siret: filled(wire.siret),
            name: filled(wire.public_name).or_else(|| filled(wire.legal_name)).unwrap_or_default(),
            postal_code: filled(postal_code),
            city: filled(city),
            is_digital: kind.as_deref() == Some("digital"),
            activity: wire.activity_domain,
            message_urls: wire.message_urls,
        }
    }
}

impl Client {
    /// The account itself: the cheapest proof that the key is good.
    ///
    /// # Errors
    /// `ApiKeyRefused`, `ProviderInactive`, or as any call.
    pub async fn provider(&self) -> Result<Provider, NorthError> {
        self.ask(&read("read the provider", "/public/providers/v1/provider", Missing::Path)).await
    }

    /// Every venue linked to the account, offerer by offerer.
    ///
    /// # Errors
    /// As any call.
    pub async fn venues(&self) -> Result<Vec<Venue>, NorthError> {
        let path = "/public/offers/v1/offerer_venues";
        let offerers: Vec<WireOfferer> = self.ask(&read("list venues", path, Missing::Path)).await?;
        Ok(offerers.into_iter().flat_map(|offerer| offerer.venues).map(Venue::from).collect())
    }

    /// The linked venue with that SIRET, or RIDET in pass Culture's spelling (`NC`, 10 digits, `XX`).
    ///
    /// # Errors
    /// `BadSiret` without asking when it has not the form, `VenueNotLinked`, or as any call.
    pub async fn venue_by_siret(&self, siret: &str) -> Result<Venue, NorthError> {
        const OPERATION: &str = "find the venue by SIRET";
        if siret.len() != 14 || !siret.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()) {
            return Err(NorthError::new(
                Class::Settings,
                "BadSiret",
                OPERATION,
                "a venue's number has 14 digits, or in New Caledonia `NC`, 10 digits and `XX`",
                "correct `siret`",
            ));
        }
        let path = format!("/public/offers/v1/venues/{siret}");
        self.ask::<WireVenue>(&read(OPERATION, &path, Missing::Venue)).await.map(Venue::from)
    }

    /// The linked venue with that number. There is no route for one venue by number: this reads the whole list.
    ///
    /// # Errors
    /// `VenueNotLinked`, or as any call.
    pub async fn venue_by_id(&self, id: i64) -> Result<Venue, NorthError> {
        self.venues().await?.into_iter().find(|venue| venue.id == id).ok_or_else(|| {
            NorthError::new(
                Class::Settings,
                "VenueNotLinked",
                "find the venue by number",
                format!("venue {id} is not among those that pass Culture shows to the account"),
                "check `venue`, and have the venue choose this provider on its pass Culture pro page",
            )
        })
    }
}

fn read<'a>(operation: &'static str, path: &'a str, missing: Missing) -> Call<'a> {
    Call {
        operation,
        method: Method::GET,
        path,
        query: &[],
        body: None,
        timeout: TIMEOUT,
        missing,
        resend: Resend::Freely,
    }
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::<String>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_venue_is_read_whatever_is_null_or_new() {
        let full: WireVenue = serde_json::from_str(
            r#"{"id":7,"siret":"85331845900049","siretComment":null,"somethingNew":[1],
                "location":{"type":"physical","address":null,"city":"Nouméa","postalCode":"98800"},
                "legalName":"SARL DU PORT","publicName":"Librairie du Port","activityDomain":"A_NEW_ONE"}"#,
        )
        .unwrap();
        let venue = Venue::from(full);
        assert_eq!((venue.id, venue.name.as_str(), venue.is_digital), (7, "Librairie du Port", false));
        assert_eq!(venue.postal_code.as_deref(), Some("98800"));

        let bare: WireVenue = serde_json::from_str(
            r#"{"id":8,"siret":null,"location":{"type":"digital"},"legalName":"EN LIGNE","publicName":""}"#,
        )
        .unwrap();
        let venue = Venue::from(bare);
        assert!(venue.is_digital && venue.siret.is_none() && venue.postal_code.is_none());
        assert_eq!(venue.name, "EN LIGNE");
    }

    #[test]
    fn a_provider_is_read_with_nulls() {
        let provider: Provider =
            serde_json::from_str(r#"{"id":1,"name":null,"logoUrl":null,"bookingUrl":"https://x.example/b"}"#).unwrap();
        assert_eq!((provider.id, provider.name.as_str()), (1, ""));
        assert_eq!(provider.booking_url.as_deref(), Some("https://x.example/b"));
    }
}
