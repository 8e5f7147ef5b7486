//! pass Culture's own lists of bookings, of an offer or of a whole venue: what is compared with.
//!
//! Invariant: the list of an offer is complete when it is answered; one that could not be read to its end is an error. The list of
//! a venue says of the bookings in it where they stand, and nothing of those that are not: a booking may be moved to another venue. Of a person only the
//! address is kept, as long as the comparison lasts.

use std::fmt;
use std::time::Duration;

use passerelle_contract::Class;
use reqwest::Method;
use serde::Deserialize;

use super::client::Client;
use super::error::{Missing, NorthError};
use super::events::{List, Page, Row};
use super::transport::{Call, Resend};

/// Bookings of one list at most: a stock of a cinema has far fewer.
pub const MAX_BOOKINGS_LISTED: usize = 20_000;

const PATH: &str = "/public/bookings/v1/bookings";
/// Rows of a page, at most.
pub(super) const PAGE: usize = 50;
const TIMEOUT: Duration = Duration::from_secs(30);

/// Where a booking stands at pass Culture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BookingStatus {
    /// Booked.
    Confirmed,
    /// Validated.
    Used,
    /// Paid.
    Reimbursed,
    /// Cancelled.
    Cancelled,
    /// A status of a later pass Culture: it holds a seat until it says otherwise.
    #[serde(other)]
    Other,
}

/// A person's address: never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// The address, for a fingerprint.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A booking as pass Culture lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedBooking {
    /// Its number.
    pub id: i64,
    /// Its offer.
    pub offer_id: Option<i64>,
    /// The product, when it has an EAN.
    pub ean: Option<String>,
    /// Its stock.
    pub stock_id: i64,
    /// Seats.
    pub quantity: u32,
    /// Unit price in cents.
    pub price_cents: u32,
    /// When it was made, in microseconds since 1970 (UTC).
    pub created_at_micros: i64,
    /// Where it stands.
    pub status: BookingStatus,
    /// Whose it is.
    pub email: Email,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireBooking {
    id: i64,
    offer_id: Option<i64>,
    offer_ean: Option<String>,
    stock_id: i64,
    quantity: u32,
    #[serde(default)]
    price: u32,
    creation_date: jiff::Timestamp,
    status: BookingStatus,
    user_email: Email,
}

impl Row for WireBooking {
    fn id(&self) -> i64 {
        self.id
    }
}

impl From<WireBooking> for ListedBooking {
    fn from(wire: WireBooking) -> Self {
        Self {
            id: wire.id,
            offer_id: wire.offer_id,
            ean: wire.offer_ean.filter(|ean| !ean.is_empty()),
            stock_id: wire.stock_id,
            quantity: wire.quantity,
            price_cents: wire.price,
            created_at_micros: wire.creation_date.as_microsecond(),
            status: wire.status,
            email: wire.user_email,
        }
    }
}

/// Bookings of a venue, by ascending number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VenueBookings {
    /// Those that were read: all from the first number on, or as many as were asked for.
    Listed(Vec<ListedBooking>),
    /// This pass Culture lists bookings by offer alone.
    ByOfferAlone,
}

impl Client {
    /// The bookings of a venue from a number on, at most about `most` of them; with `live`, those that are confirmed.
    ///
    /// # Errors
    /// `VenueNotLinked`, `ListStuck`, or as any call.
    pub async fn bookings_of_venue(
        &self,
        venue_id: i64,
        first: i64,
        live: bool,
        most: usize,
    ) -> Result<VenueBookings, NorthError> {
        const OPERATION: &str = "list bookings of the venue";
        let mut all: Vec<ListedBooking> = Vec::new();
        let mut first = first.max(1);
        while all.len() < most {
            let mut query = vec![("venueId", venue_id.to_string())];
            if live {
                query.push(("status", "CONFIRMED".to_owned()));
            }
            query.extend([("firstIndex", first.to_string()), ("limit", PAGE.to_string())]);
            let call = Call {
                operation: OPERATION,
                method: Method::GET,
                path: PATH,
                query: &query,
                body: None,
                timeout: TIMEOUT,
                missing: Missing::Venue,
                resend: Resend::Freely,
            };
            let body = match self.send(&call).await {
                Ok(body) => body,
                // A number is always right where the parameter is known.
                Err(failure)
                    if failure.error.status == Some(400) && failure.fields.iter().any(|f| f.is_about("venueId")) =>
                {
                    return Ok(VenueBookings::ByOfferAlone);
                }
                Err(failure) => return Err(failure.error),
            };
            let page: Page<WireBooking> = self.decode(OPERATION, &body)?;
            let read = page.rows.len();
            let last = page.rows.iter().map(Row::id).max().unwrap_or_default();
            all.extend(page.rows.into_iter().map(ListedBooking::from));
            if read < PAGE {
                break;
            }
            if last < first {
                return Err(NorthError::new(
                    Class::VendorFault,
                    "ListStuck",
                    OPERATION,
                    format!("the page from number {first} on ends at {last}"),
                    "this should not happen: report it with the venue's number",
                ));
            }
            first = last.saturating_add(1);
        }
        Ok(VenueBookings::Listed(all))
    }

    /// Every booking of an offer, or of one of its stocks, whatever its status.
    ///
    /// # Errors
    /// `ListStuck`, `ListTooLong` beyond [`MAX_BOOKINGS_LISTED`], or as any call.
    pub async fn bookings(&self, offer_id: i64, stock_id: Option<i64>) -> Result<Vec<ListedBooking>, NorthError> {
        let mut query = vec![("offerId", offer_id.to_string())];
        query.extend(stock_id.map(|stock| ("stockId", stock.to_string())));
        let list =
            List { operation: "list bookings", path: PATH, query, missing: Missing::Offer, bound: MAX_BOOKINGS_LISTED };
        let rows: Vec<WireBooking> = self.rows(&list).await?;
        Ok(rows.into_iter().map(ListedBooking::from).collect())
    }
}
