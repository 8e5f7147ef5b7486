//! Where pass Culture sends bookings, cancellations and notifications: of the whole account, or of one venue, whose own
//! win.

use passerelle_contract::Class;
use serde::{Deserialize, Serialize};

use super::send::{Meaning, SendError, Write, refused_here};
use crate::passculture::client::Client;
use crate::passculture::error::{Missing, NorthError};

const PROVIDER: &str = "/public/providers/v1/provider";
const SET: &str = "set the message URLs";

/// Longest address, in characters: what pass Culture stores of the account's notification address.
const MAX_URL_CHARS: usize = 255;

/// The three addresses. Booking and cancellation are both there or both absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageUrls {
    /// Is asked for tickets, and must answer within 10 s.
    #[serde(rename = "bookingUrl")]
    pub booking: Option<String>,
    /// Is told of cancellations of those tickets.
    #[serde(rename = "cancelUrl")]
    pub cancel: Option<String>,
    /// Is told of every other booking, once.
    #[serde(rename = "notificationUrl")]
    pub notification: Option<String>,
}

/// What setting the addresses did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlsSet {
    /// What was there.
    pub before: MessageUrls,
    /// Was it something else?
    pub changed: bool,
}

/// Only the addresses that change; `Some(None)` takes one away.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Change<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    booking_url: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_url: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification_url: Option<Option<&'a str>>,
}

#[derive(Deserialize)]
struct WireOfferer {
    #[serde(default)]
    venues: Vec<WireVenue>,
}

#[derive(Deserialize)]
struct WireVenue {
    id: i64,
    #[serde(flatten)]
    urls: MessageUrls,
}

/// One address without the other is never sent, so this is the only reason left.
const HELD: Meaning = Meaning {
    status: 400,
    key: "ticketing_urls",
    class: Class::Settings,
    code: "TicketingUrlsHeld",
    what: "pass Culture keeps the booking addresses while an event with tickets that was ever booked has a date to come",
    remedy: "leave them set, and take them away when those dates are over",
};

impl Client {
    /// The addresses that are registered now, of the whole account or of one venue. A venue without its own shows none.
    ///
    /// # Errors
    /// `VenueNotLinked`, or as any call.
    pub async fn message_urls(&self, venue_id: Option<i64>) -> Result<MessageUrls, NorthError> {
        const OPERATION: &str = "read the message URLs";
        let Some(venue_id) = venue_id else { return self.read(OPERATION, PROVIDER, &[], Missing::Path).await };
        let path = "/public/offers/v1/offerer_venues";
        let offerers: Vec<WireOfferer> = self.read(OPERATION, path, &[], Missing::Path).await?;
        let mut venues = offerers.into_iter().flat_map(|offerer| offerer.venues);
        venues.find(|venue| venue.id == venue_id).map(|venue| venue.urls).ok_or_else(|| {
            NorthError::new(
                Class::Settings,
                "VenueNotLinked",
                OPERATION,
                format!("venue {venue_id} is not among those that pass Culture shows to the account"),
                "check `venue`, and have the venue choose this provider on its pass Culture pro page",
            )
        })
    }

    /// Registers the addresses, of the whole account or of one venue: reads what is there and sends what differs.
    ///
    /// # Errors
    /// [`SendError`]; among the codes `TicketingUrlsHeld`, `BadMessageUrls`, `VenueNotLinked`.
    pub async fn set_message_urls(&self, venue_id: Option<i64>, wanted: &MessageUrls) -> Result<UrlsSet, SendError> {
        let before = self.message_urls(venue_id).await.map_err(SendError::Failed)?;
        self.replace_message_urls(venue_id, before, wanted).await
    }

    /// The same for who knows what is there.
    ///
    /// # Errors
    /// As [`Client::set_message_urls`].
    pub async fn replace_message_urls(
        &self,
        venue_id: Option<i64>,
        before: MessageUrls,
        wanted: &MessageUrls,
    ) -> Result<UrlsSet, SendError> {
        if let Some((key, what)) = wanted.problem() {
            return Err(refused_here(SET, "BadMessageUrls", key, what, "correct `server.public_url`"));
        }
        if before == *wanted {
            return Ok(UrlsSet { before, changed: false });
        }
        let change = Change::between(&before, wanted);
        let path = venue_id.map_or(PROVIDER.to_owned(), |venue| format!("/public/providers/v1/venues/{venue}"));
        let missing = if venue_id.is_some() { Missing::Venue } else { Missing::Path };
        let write = Write { missing, ..Write::change(SET, &path, &[HELD]) };
        self.write_json(&write, &change).await?;
        Ok(UrlsSet { before, changed: true })
    }
}

impl MessageUrls {
    /// The field that pass Culture would not take, and why.
    fn problem(&self) -> Option<(&'static str, String)> {
        if self.booking.is_some() != self.cancel.is_some() {
            let what = "booking and cancellation address are both set or both absent";
            return Some(("ticketing_urls", what.to_owned()));
        }
        let all = [("bookingUrl", &self.booking), ("cancelUrl", &self.cancel), ("notificationUrl", &self.notification)];
        let too_long = |url: &Option<String>| url.as_ref().is_some_and(|url| url.chars().count() > MAX_URL_CHARS);
        let (key, _) = all.into_iter().find(|(_, url)| too_long(url))?;
        Some((key, format!("the address has more than {MAX_URL_CHARS} characters")))
    }
}

impl<'a> Change<'a> {
    fn between(before: &MessageUrls, wanted: &'a MessageUrls) -> Self {
        let change =
            |before: &Option<String>, wanted: &'a Option<String>| (before != wanted).then_some(wanted.as_deref());
        Self {
            booking_url: change(&before.booking, &wanted.booking),
            cancel_url: change(&before.cancel, &wanted.cancel),
            notification_url: change(&before.notification, &wanted.notification),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_written_and_what_goes_is_null() {
        let before: MessageUrls = serde_json::from_str(
            r#"{"id":1,"bookingUrl":"https://a.example/b","notificationUrl":"https://a.example/n"}"#,
        )
        .unwrap();
        let wanted = MessageUrls {
            booking: Some("https://a.example/b".into()),
            cancel: Some("https://a.example/c".into()),
            notification: None,
        };
        let json = serde_json::to_string(&Change::between(&before, &wanted)).unwrap();
        assert_eq!(json, r#"{"cancelUrl":"https://a.example/c","notificationUrl":null}"#);
    }

    #[test]
    fn half_a_ticketing_and_an_endless_address_are_not_sent() {
        let half = MessageUrls { booking: Some("https://a.example/b".into()), ..MessageUrls::default() };
        assert_eq!(half.problem().unwrap().0, "ticketing_urls");
        let long = MessageUrls {
            notification: Some(format!("https://a.example/{}", "n".repeat(250))),
            ..MessageUrls::default()
        };
        assert_eq!(long.problem().unwrap().0, "notificationUrl");
        assert_eq!(MessageUrls::default().problem(), None);
    }
}
