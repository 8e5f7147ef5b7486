//! Who we are to pass Culture, and which venues it shows us.
//!
//! The offerers decide which venues are linked, and may change it at any time: a venue that is gone is a `VenueNotLinked`.
//!
//! The list of thousands of venues is megabytes, and every connection wants one of them: it is fetched once and shared for
//! minutes. Nobody is told that a venue is missing by a list older than [`MISSING_AFTER`].

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use passerelle_contract::Class;
use reqwest::Method;
use serde::Deserialize;

use super::client::Client;
use super::error::{Missing, NorthError};
use super::events::MessageUrls;
use super::transport::{Call, Resend};

const TIMEOUT: Duration = Duration::from_secs(30);
/// A list is good for so long for those that it names.
const SHARED_FOR: Duration = Duration::from_secs(5 * 60);
/// A list says for so long that a venue is missing.
const MISSING_AFTER: Duration = Duration::from_secs(30);
/// A venue is asked for by its SIRET, which is a short answer; when more of them are wanted within [`SHARED_FOR`], the list is.
const SINGLE_QUESTIONS: u32 = 4;

/// The venues of an account as they were last listed, shared by everything in this process.
#[derive(Debug, Default)]
pub(super) struct KnownVenues(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    list: Option<(Instant, Arc<Vec<Venue>>)>,
    /// When the list could not be had last, and why: those who waited for it then hear the same.
    failed: Option<(Instant, NorthError)>,
    /// Since when single venues were asked for, and how many.
    single: Option<(Instant, u32)>,
}

impl Known {
    fn listed(&self, at_most: Duration) -> Option<Arc<Vec<Venue>>> {
        self.list.as_ref().filter(|(at, _)| at.elapsed() < at_most).map(|(_, list)| Arc::clone(list))
    }

    /// Is one more single question cheaper than the list?
    fn asks_singly(&mut self) -> bool {
        let (since, asked) =
            self.single.filter(|(since, _)| since.elapsed() < SHARED_FOR).unwrap_or((Instant::now(), 0));
        self.single = Some((since, asked.saturating_add(1)));
        asked < SINGLE_QUESTIONS
    }
}

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

    /// Every venue linked to the account, offerer by offerer, as pass Culture says now.
    ///
    /// # Errors
    /// As any call.
    pub async fn venues(&self) -> Result<Vec<Venue>, NorthError> {
        let list = self.list_venues().await?;
        self.known_venues().0.lock().await.list = Some((Instant::now(), Arc::clone(&list)));
        Ok(list.to_vec())
    }

    async fn list_venues(&self) -> Result<Arc<Vec<Venue>>, NorthError> {
        let path = "/public/offers/v1/offerer_venues";
        let offerers: Vec<WireOfferer> = self.ask(&read("list venues", path, Missing::Path)).await?;
        Ok(Arc::new(offerers.into_iter().flat_map(|offerer| offerer.venues).map(Venue::from).collect()))
    }

    /// The first venue of the shared list that fits; the list is fetched when it is too old, or too old to say that there is none.
    async fn find_venue(&self, fits: impl Fn(&Venue) -> bool) -> Result<Option<Venue>, NorthError> {
        let asked = Instant::now();
        // Held while pass Culture is asked: whoever wants the same list waits for this one.
        let mut known = self.known_venues().0.lock().await;
        if let Some(venue) = known.listed(SHARED_FOR).and_then(|list| list.iter().find(|venue| fits(venue)).cloned()) {
            return Ok(Some(venue));
        }
        if known.listed(MISSING_AFTER).is_some() {
            return Ok(None);
        }
        if let Some((_, why)) = known.failed.as_ref().filter(|(at, _)| *at >= asked) {
            return Err(why.clone());
        }
        let list = self.list_venues().await.inspect_err(|why| known.failed = Some((Instant::now(), why.clone())))?;
        known.list = Some((Instant::now(), Arc::clone(&list)));
        Ok(list.iter().find(|venue| fits(venue)).cloned())
    }

    /// The linked venue with that SIRET, or RIDET in pass Culture's spelling (`NC`, 10 digits, `XX`): out of the shared list when
    /// there is one, or when many are asked for.
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
        let shared = {
            let mut known = self.known_venues().0.lock().await;
            known.listed(SHARED_FOR).is_some() || !known.asks_singly()
        };
        let fits = |venue: &Venue| venue.siret.as_deref() == Some(siret);
        if shared && let Some(venue) = self.find_venue(fits).await? {
            return Ok(venue);
        }
        let path = format!("/public/offers/v1/venues/{siret}");
        self.ask::<WireVenue>(&read(OPERATION, &path, Missing::Venue)).await.map(Venue::from)
    }

    /// The linked venue with that number. There is no route for one venue by number: this looks into the shared list.
    ///
    /// # Errors
    /// `VenueNotLinked`, or as any call.
    pub async fn venue_by_id(&self, id: i64) -> Result<Venue, NorthError> {
        self.find_venue(|venue| venue.id == id).await?.ok_or_else(|| {
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
