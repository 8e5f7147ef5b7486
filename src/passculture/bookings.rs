//! pass Culture's own list of bookings of an offer: what `settle` compares with.
//!
//! Invariant: a list that is answered is complete; one that could not be read to its end is an error. Of a person only the
//! address is kept, as long as the comparison lasts.

use std::fmt;

use serde::Deserialize;

use super::client::Client;
use super::error::{Missing, NorthError};
use super::events::{List, Row};

/// Bookings of one list at most: a stock of a cinema has far fewer.
pub const MAX_BOOKINGS_LISTED: usize = 20_000;

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
struct WireBooking {
    id: i64,
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
            stock_id: wire.stock_id,
            quantity: wire.quantity,
            price_cents: wire.price,
            created_at_micros: wire.creation_date.as_microsecond(),
            status: wire.status,
            email: wire.user_email,
        }
    }
}

impl Client {
    /// Every booking of an offer, or of one of its stocks, whatever its status.
    ///
    /// # Errors
    /// `ListStuck`, `ListTooLong` beyond [`MAX_BOOKINGS_LISTED`], or as any call.
    pub async fn bookings(&self, offer_id: i64, stock_id: Option<i64>) -> Result<Vec<ListedBooking>, NorthError> {
        let mut query = vec![("offerId", offer_id.to_string())];
        query.extend(stock_id.map(|stock| ("stockId", stock.to_string())));
        let list = List {
            operation: "list bookings",
            path: "/public/bookings/v1/bookings",
            query,
            missing: Missing::Offer,
            bound: MAX_BOOKINGS_LISTED,
        };
        let rows: Vec<WireBooking> = self.rows(&list).await?;
        Ok(rows.into_iter().map(ListedBooking::from).collect())
    }
}
