//! Changes and views that no provider has: the ground truth, product bans, links.
//!
//! Used by the controls over HTTP and by the in-process handle alike, so that both do the same.
//!
//! Invariant: a ban rejects the product's offers and cancels their live bookings; lifting it approves them again.

use std::sync::Arc;

use serde::Serialize;

use super::beneficiary::{Outgoing, cancel};
use super::seed::{ProductStatus, SeedError, SeedProduct, ean_number};
use super::settings::{MAX_UPSERT_DELAY_MS, Settings};
use super::state::{BookingStatus, Product, World, ean_text};

/// What is truly on sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfferTruth {
    /// Offer id.
    pub offer_id: u64,
    /// Stock id, when there is a stock.
    pub stock_id: Option<u64>,
    /// Venue id.
    pub venue_id: u32,
    /// Name of the account that owns it.
    pub account: String,
    /// EAN, for offers made by EAN.
    pub ean: Option<String>,
    /// Unit price in cents.
    pub price_cents: Option<u32>,
    /// Left to sell; null is unlimited (or no stock).
    pub remaining: Option<u32>,
    /// Ever put on sale, booked seats included; null is unlimited (or no stock).
    pub total: Option<u32>,
    /// Seats of live bookings.
    pub booked: u32,
    /// Whether a publication date is set.
    pub published: bool,
    /// Status as the API shows it.
    pub status: &'static str,
}

/// A booking with its countermark, which only the beneficiary knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BookingTruth {
    /// Booking id.
    pub id: u64,
    /// Countermark.
    pub token: String,
    /// Offer id.
    pub offer_id: u64,
    /// Stock id.
    pub stock_id: u64,
    /// Seats.
    pub quantity: u32,
    /// Status as the API shows it.
    pub status: &'static str,
}

impl World {
    pub(crate) fn offer_truths(&self) -> impl Iterator<Item = OfferTruth> {
        let now = self.clock.now();
        self.offers.values().map(move |offer| {
            let stock = offer.product_stock();
            OfferTruth {
                offer_id: offer.id,
                stock_id: stock.map(|s| s.id),
                venue_id: offer.venue,
                account: self.accounts.get(offer.owner).map(|a| a.name.clone()).unwrap_or_default(),
                ean: offer.ean.map(ean_text),
                price_cents: stock.map(|s| s.price),
                remaining: stock.and_then(|s| s.remaining()),
                total: stock.and_then(|s| s.total),
                booked: stock.map_or(0, |s| s.booked),
                published: offer.publication.is_some(),
                status: offer.status(now).as_str(),
            }
        })
    }

    pub(crate) fn booking_truth(&self, id: u64) -> Option<BookingTruth> {
        self.bookings.get(&id).map(|b| BookingTruth {
            id: b.id,
            token: b.token.clone(),
            offer_id: b.offer,
            stock_id: b.stock,
            quantity: b.quantity,
            status: b.status.as_str(),
        })
    }

    /// Applies settings, clamped to their bounds.
    pub(crate) fn apply_settings(&mut self, mut settings: Settings) {
        settings.upsert_delay_ms = settings.upsert_delay_ms.min(MAX_UPSERT_DELAY_MS);
        self.clock.set_offset_seconds(settings.clock_offset_seconds);
        settings.clock_offset_seconds = self.clock.offset_seconds();
        self.settings = settings;
    }

    /// Adds products or changes them; what follows from a ban follows.
    pub(crate) fn set_products(&mut self, products: &[SeedProduct]) -> Result<Vec<Outgoing>, SeedError> {
        let mut checked = Vec::with_capacity(products.len());
        for (index, product) in products.iter().enumerate() {
            let ean = ean_number(&product.ean).ok_or_else(|| SeedError {
                at: format!("`products[{index}].ean`"),
                problem: "an EAN is 13 digits".to_owned(),
            })?;
            checked.push((ean, product));
        }
        let mut outgoing = Vec::new();
        for (ean, product) in checked {
            let kept = self.products.get(&ean).map(|p| p.name.clone());
            let name: Arc<str> = match (&product.name, kept) {
                (Some(name), _) => name.as_str().into(),
                (None, Some(name)) => name,
                (None, None) => "Produit".into(),
            };
            let entry = Product { name, category: product.category.as_str().into(), status: product.status };
            self.products.insert(ean, entry);
            self.judge_offers(ean, product.status, &mut outgoing);
        }
        Ok(outgoing)
    }

    fn judge_offers(&mut self, ean: u64, status: ProductStatus, outgoing: &mut Vec<Outgoing>) {
        let banned = status != ProductStatus::Compatible;
        let venues: Vec<u32> = self.venues.keys().copied().collect();
        let offers: Vec<u64> =
            venues.iter().filter_map(|venue| self.by_ean.get(&(*venue, ean))).flatten().copied().collect();
        for id in offers {
            if let Some(offer) = self.offers.get_mut(&id) {
                offer.rejected = banned;
            }
            if banned {
                for booking in self.by_offer.get(&id).cloned().unwrap_or_default() {
                    let live = self.bookings.get(&booking).is_some_and(|b| b.status == BookingStatus::Confirmed);
                    if live {
                        outgoing.extend(cancel(self, booking, false));
                    }
                }
            }
        }
    }

    /// Links a venue to accounts or takes the link away; all accounts when none is named. `false` for an unknown name.
    pub(crate) fn set_link(&mut self, venue: u32, account: Option<&str>, linked: bool) -> bool {
        let indexes: Vec<usize> = self
            .accounts
            .iter()
            .enumerate()
            .filter(|(_, a)| account.is_none_or(|name| a.name == name))
            .map(|(index, _)| index)
            .collect();
        let Some(venue) = self.venues.get_mut(&venue) else { return false };
        for index in &indexes {
            venue.linked.retain(|known| known != index);
            if linked {
                venue.linked.push(*index);
            }
        }
        !indexes.is_empty()
    }
}
