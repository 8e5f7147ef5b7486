//! What is kept of an order, and what is given to the vendor.
//!
//! Invariant: what is stored has no trace of the person; the person travels in memory, once, to the vendor that needs it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use passerelle_contract::{Cents, Holder, Order, Reference};
use serde::{Deserialize, Serialize};

use crate::passculture::messages::BookingRequest;
use crate::rules::screenings::DateTerms;
use crate::store::Millis;
use crate::store::bookings::BookingRow;
use crate::store::events::SoldDate;

/// Length of a reference, in characters.
const REFERENCE_LENGTH: usize = 16;

/// An order without its person: JSON of [`BookingRow::order`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredOrder {
    /// Key of the event row.
    pub(super) event: String,
    /// Key of the date row.
    pub(super) date: String,
    film_key: String,
    show_key: String,
    places_key: String,
    tariff_key: String,
    title: String,
    /// The beginning as last stated.
    pub(super) starts_at: Millis,
    price_cents: u32,
}

impl StoredOrder {
    /// What a message orders, given the date behind its stock. `None` when nothing is known of the show any more.
    pub(super) fn of(request: &BookingRequest, sold: &SoldDate) -> Option<Self> {
        // A date that is withdrawn is still what pass Culture sells: the vendor says whether the show is there.
        let text = sold.date.desired.as_deref().or(sold.date.acknowledged.as_deref())?;
        let terms: DateTerms = serde_json::from_str(text).ok()?;
        Some(Self {
            event: sold.event.key.clone(),
            date: sold.date.key.clone(),
            film_key: terms.order.film_key,
            show_key: terms.order.show_key,
            places_key: terms.order.places_key,
            tariff_key: terms.order.tariff_key,
            title: terms.order.title,
            starts_at: sold.date.starts_at,
            // What the beneficiary was told, not what we last read: nothing is sold at another price.
            price_cents: request.price.0,
        })
    }

    /// The stored order of a booking.
    pub(super) fn read(row: &BookingRow) -> Option<Self> {
        serde_json::from_str(&row.order).ok()
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The order as its vendor gets it.
    pub(super) fn order(&self, row: &BookingRow, holder: Option<Holder>) -> Order {
        Order {
            reference: Reference(row.reference.clone()),
            film_key: self.film_key.clone(),
            show_key: self.show_key.clone(),
            places_key: self.places_key.clone(),
            tariff_key: self.tariff_key.clone(),
            title: self.title.clone(),
            starts_at: instant(self.starts_at),
            quantity: row.quantity,
            price: Cents(self.price_cents),
            holder,
        }
    }

    /// [`passerelle_contract::Places::key`] of what was ordered.
    pub(super) fn places_key(&self) -> &str {
        &self.places_key
    }

    /// What the beneficiary was told that one seat costs.
    pub(super) const fn price_cents(&self) -> u32 {
        self.price_cents
    }

    /// Could the tickets of one order serve the other?
    pub(super) fn is_same_seat(&self, other: &Self) -> bool {
        self.places_key == other.places_key && self.show_key == other.show_key && self.price_cents == other.price_cents
    }

    /// What a person looks for at the vendor.
    pub(super) fn sentence(&self, quantity: u32) -> String {
        format!("{quantity} × “{}”, {}, show {}", self.title, crate::clock::show(self.starts_at), self.show_key)
    }
}

fn instant(at: Millis) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at).unwrap_or_default())
}

/// A new reference. 16 symbols of 30: two in a lifetime are never the same.
pub(super) fn new_reference() -> String {
    // A version 4 UUID has 122 random bits; 16 symbols need 79.
    Reference::symbols(uuid::Uuid::new_v4().as_u128(), REFERENCE_LENGTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_have_their_alphabet_and_differ() {
        let made: std::collections::BTreeSet<String> = (0..1_000).map(|_| new_reference()).collect();
        assert_eq!(made.len(), 1_000);
        for reference in made {
            assert_eq!(reference.len(), 16);
            assert!(
                reference.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7') && byte != b'I' && byte != b'O')
            );
        }
    }
}
