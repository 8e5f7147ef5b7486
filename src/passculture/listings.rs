//! A venue's bookings in one list, where pass Culture has such a list.
//!
//! Whether it has is found out once for each account, remembered, and asked again daily where it has not. New bookings are read from
//! the last ones on, with a step back, since a booking may be committed after one with a higher number was read.
//!
//! Invariant: what is not in a list is not thereby anything: it is asked for by its offer before something is concluded.

use super::bookings::{ListedBooking, MAX_BOOKINGS_LISTED, PAGE, VenueBookings};
use super::client::{Client, Millis};
use super::error::NorthError;
use crate::store::listings::ListReader;
use crate::store::{Store, StoreError};

/// A booking shows in the list within this time of its creation, an assumption: 15 minutes, in milliseconds.
const STEP_BACK: Millis = 15 * 60 * 1_000;
/// An account without lists by venue is asked again after a day, in milliseconds.
const ASKED_AGAIN: Millis = 24 * 3_600 * 1_000;
/// New bookings read at once: beyond, the next look reads on.
const MOST_NEW: usize = 1_000;

/// Why a venue's list could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ListingError {
    /// pass Culture did not answer as asked.
    #[error(transparent)]
    PassCulture(#[from] NorthError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// New bookings of a venue.
#[derive(Clone, Debug)]
pub struct Recent {
    /// By ascending number.
    pub bookings: Vec<ListedBooking>,
    /// From which number on the next look reads, once these were worked on.
    mark: Option<i64>,
}

/// A venue's lists.
#[derive(Clone, Copy)]
pub struct Listings<'a> {
    /// The account's client.
    pub client: &'a Client,
    /// The store.
    pub store: &'a dyn Store,
    /// Who reads.
    pub reader: ListReader,
    /// pass Culture's venue.
    pub venue_id: i64,
    /// The time.
    pub now: Millis,
}

impl std::fmt::Debug for Listings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listings")
            .field("venue_id", &self.venue_id)
            .field("reader", &self.reader)
            .finish_non_exhaustive()
    }
}

impl Listings<'_> {
    /// What is new since the last look; at the first one, what is live, as far as one look reaches. `None`: the account has lists
    /// by offer alone.
    ///
    /// # Errors
    /// [`ListingError`].
    pub async fn recent(&self) -> Result<Option<Recent>, ListingError> {
        let mark = self.store.listing_mark(self.client.account(), self.venue_id, self.reader).await?;
        let listed = match mark {
            Some(from) => self.list(from, false, MOST_NEW).await?,
            None => self.list(1, true, MOST_NEW).await?,
        };
        Ok(listed.map(|bookings| Recent { mark: next_mark(&bookings, self.now), bookings }))
    }

    /// The bookings of the venue that are confirmed, `instead_of` asking for so many offers one by one: it costs at most as many
    /// requests, and ends where it would cost more. `None` as above.
    ///
    /// # Errors
    /// [`ListingError`].
    pub async fn live(&self, instead_of: usize) -> Result<Option<Vec<ListedBooking>>, ListingError> {
        self.list(1, true, instead_of.saturating_mul(PAGE).min(MAX_BOOKINGS_LISTED)).await
    }

    /// What was read was worked on: the next look begins after it, with the step back.
    ///
    /// # Errors
    /// The store's.
    pub async fn worked_on(&self, recent: &Recent) -> Result<(), StoreError> {
        let Some(mark) = recent.mark else { return Ok(()) };
        self.store.raise_listing_mark(self.client.account(), self.venue_id, self.reader, mark).await
    }

    async fn list(&self, first: i64, live: bool, most: usize) -> Result<Option<Vec<ListedBooking>>, ListingError> {
        let account = self.client.account();
        let known = self.store.lists_by_venue(account).await?;
        // A moment to come was written by a wrong clock.
        let is_fresh = |at: Millis| at <= self.now && self.now.saturating_sub(at) < ASKED_AGAIN;
        if known.is_some_and(|(by_venue, asked_at)| !by_venue && is_fresh(asked_at)) {
            return Ok(None);
        }
        let listed = match self.client.bookings_of_venue(self.venue_id, first, live, most).await? {
            VenueBookings::Listed(bookings) => Some(bookings),
            VenueBookings::ByOfferAlone => None,
        };
        let by_venue = listed.is_some();
        if !known.is_some_and(|(before, asked_at)| before == by_venue && is_fresh(asked_at)) {
            tracing::info!(account, by_venue, "pass Culture was asked whether it lists bookings by venue");
            self.store.save_lists_by_venue(account, by_venue, self.now).await?;
        }
        Ok(listed)
    }
}

/// After the newest booking that is older than the step back.
fn next_mark(bookings: &[ListedBooking], now: Millis) -> Option<i64> {
    let settled = now.saturating_sub(STEP_BACK);
    let old = bookings.iter().filter(|booking| booking.created_at_micros.div_euclid(1_000) <= settled);
    old.map(|booking| booking.id.saturating_add(1)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stays_a_quarter_of_an_hour_behind() {
        let booking = |id: i64, minutes_ago: i64| -> ListedBooking {
            let text = format!(
                r#"{{"id":{id},"stockId":1,"quantity":1,"creationDate":"{}","status":"CONFIRMED","userEmail":"a@example.com"}}"#,
                jiff::Timestamp::from_millisecond(100_000_000 - minutes_ago * 60_000).unwrap()
            );
            serde_json::from_str::<super::super::bookings::WireBooking>(&text).unwrap().into()
        };
        assert_eq!(next_mark(&[], 100_000_000), None);
        assert_eq!(next_mark(&[booking(7, 3)], 100_000_000), None);
        assert_eq!(next_mark(&[booking(5, 40), booking(6, 15), booking(7, 14)], 100_000_000), Some(7));
        // Numbers and moments need not rise together.
        assert_eq!(next_mark(&[booking(5, 40), booking(6, 3), booking(7, 20)], 100_000_000), Some(8));
    }
}
