//! Changes and views that no provider has: the ground truth, product bans, links.
//!
//! Used by the controls over HTTP and by the in-process handle alike, so that both do the same.
//!
//! Invariant: a ban rejects the product's offers and cancels their live bookings; lifting it approves them again.

use std::sync::Arc;

use serde::Serialize;

use super::beneficiary::{Outgoing, cancel};
use super::clock::utc;
use super::seed::{ProductStatus, SeedError, SeedProduct, ean_number};
use super::settings::{MAX_READ_LIMIT_MS, MAX_UPSERT_DELAY_MS, Settings};
use super::state::{BookingStatus, Event, EventDate, Offer, Product, Stock, Ticket, Validation, World, ean_text};

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
    /// Id of the provider's own, for events and products made one by one.
    pub id_at_provider: Option<String>,
    /// Dates of an event that were not deleted, by ascending id.
    pub dates: Vec<DateTruth>,
}

/// A date of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DateTruth {
    /// Stock id.
    pub stock_id: u64,
    /// When it begins, as the API writes it.
    pub beginning: String,
    /// Unit price in cents.
    pub price_cents: u32,
    /// Left to sell; null is unlimited.
    pub remaining: Option<u32>,
    /// Ever put on sale, booked seats included; null is unlimited.
    pub total: Option<u32>,
    /// Seats of live bookings.
    pub booked: u32,
}

fn date_truth(date: &EventDate) -> DateTruth {
    DateTruth {
        stock_id: date.stock.id,
        beginning: utc(date.beginning),
        price_cents: date.stock.price,
        remaining: date.stock.remaining(),
        total: date.stock.total,
        booked: date.stock.booked,
    }
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
    /// The provider's tickets, for events with tickets.
    pub tickets: Vec<Ticket>,
}

impl World {
    pub(crate) fn offer_truths(&self) -> impl Iterator<Item = OfferTruth> {
        self.offers.values().map(|offer| self.offer_truth(offer))
    }

    pub(crate) fn offer_truth(&self, offer: &Offer) -> OfferTruth {
        let stock = offer.product_stock();
        OfferTruth {
            offer_id: offer.id,
            stock_id: stock.map(|s| s.id),
            venue_id: offer.venue,
            account: self.accounts.get(offer.owner).map(|a| a.name.clone()).unwrap_or_default(),
            ean: offer.ean.map(ean_text),
            price_cents: stock.map(|s| s.price),
            remaining: stock.and_then(Stock::remaining),
            total: stock.and_then(|s| s.total),
            booked: stock.map_or(0, |s| s.booked),
            published: offer.publication.is_some(),
            status: offer.status(self.clock.now()).as_str(),
            id_at_provider: offer.id_at_provider().map(str::to_owned),
            dates: offer.event().into_iter().flat_map(Event::live_dates).map(date_truth).collect(),
        }
    }

    pub(crate) fn booking_truth(&self, id: u64) -> Option<BookingTruth> {
        self.bookings.get(&id).map(|b| BookingTruth {
            id: b.id,
            token: b.token.clone(),
            offer_id: b.offer,
            stock_id: b.stock,
            quantity: b.quantity,
            status: b.status.as_str(),
            tickets: b.tickets.clone(),
        })
    }

    /// Applies settings, clamped to their bounds.
    pub(crate) fn apply_settings(&mut self, mut settings: Settings) {
        settings.upsert_delay_ms = settings.upsert_delay_ms.min(MAX_UPSERT_DELAY_MS);
        settings.ean_workers = settings.ean_workers.clamp(1, super::queue::MAX_WORKERS);
        settings.read_limit_ms = settings.read_limit_ms.clamp(1, MAX_READ_LIMIT_MS);
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
                offer.validation = if banned { Validation::Rejected } else { Validation::Approved };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::beneficiary::{Order, book};
    use crate::sandbox::ean;
    use crate::sandbox::seed::Seed;
    use crate::sandbox::server::Call;
    use proptest::prelude::*;
    use serde_json::json;

    /// Something that happens to the one book of the test.
    #[derive(Debug, Clone)]
    enum Step {
        Upsert { quantity: Option<u32>, price: u32 },
        Book,
        Cancel(usize),
        Ban(bool),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (prop::option::of(0u32..4), 0u32..2000).prop_map(|(quantity, price)| Step::Upsert { quantity, price }),
            Just(Step::Book),
            (0usize..4).prop_map(Step::Cancel),
            any::<bool>().prop_map(Step::Ban),
        ]
    }

    fn world() -> World {
        let mut world = World::new(Arc::new(Seed::built_in()));
        let person = world.beneficiaries[0].clone();
        world.beneficiaries = (0..5)
            .map(|n| crate::sandbox::seed::SeedBeneficiary { email: format!("p{n}@example.com"), ..person.clone() })
            .collect();
        world
    }

    const EAN: &str = "9782070286256";

    fn take(world: &mut World, step: &Step, turn: usize) {
        match step {
            Step::Upsert { quantity, price } => {
                let quantity = quantity.map_or_else(|| json!("unlimited"), |q| json!(q));
                let body = json!({"location": {"type": "physical", "venueId": 1},
                                  "products": [{"ean": EAN, "stock": {"price": price, "quantity": quantity}}]});
                let generation = world.settings.generation;
                let call = Call { account: 0, query: Vec::new(), body, now: world.clock.now(), generation };
                for chunk in ean::upsert(world, &call).unwrap() {
                    ean::apply(world, &chunk);
                }
            }
            Step::Book => {
                let offer = world.offers.keys().next().copied();
                let email = format!("p{}@example.com", turn % 5);
                // A refusal is as good as a booking here.
                let _ = book(world, &Order { email: &email, stock: None, offer, quantity: 1 });
            }
            Step::Cancel(nth) => {
                let id = world.bookings.keys().nth(*nth).copied();
                let _ = id.and_then(|id| cancel(world, id, false));
            }
            Step::Ban(banned) => {
                let status = if *banned { ProductStatus::FraudIncompatible } else { ProductStatus::Compatible };
                let product = SeedProduct { ean: EAN.into(), name: None, category: "LIVRE_PAPIER".into(), status };
                world.set_products(&[product]).unwrap();
            }
        }
    }

    proptest! {
        #[test]
        fn seats_credit_and_totals_agree_whatever_happens(steps in prop::collection::vec(step(), 0..40)) {
            let mut world = world();
            for (turn, step) in steps.iter().enumerate() {
                let rejected = world.offers.values().any(|o| o.validation == Validation::Rejected);
                let sellable = world.products[&9_782_070_286_256].status == ProductStatus::Compatible;
                take(&mut world, step, turn);
                prop_assert!(world.offers.len() <= 1);
                for offer in world.offers.values() {
                    let stock = offer.product_stock().unwrap();
                    let live = world.bookings.values().filter(|b| b.status != BookingStatus::Cancelled);
                    let seats: u32 = live.clone().map(|b| b.quantity).sum();
                    prop_assert_eq!(stock.booked, seats);
                    if let Some(total) = stock.total {
                        prop_assert!(total >= stock.booked, "sold more than there is");
                    }
                    if let (Step::Upsert { quantity, .. }, false, true) = (step, rejected, sellable) {
                        prop_assert_eq!(stock.remaining(), *quantity, "what was sent is what is left");
                    }
                    let spent: u32 = live.map(|b| b.price * b.quantity).sum();
                    let left: u32 = world.beneficiaries.iter().map(|b| b.credit_cents).sum();
                    prop_assert_eq!(spent + left, 5 * 30_000, "credit is neither made nor lost");
                }
            }
        }
    }
}
