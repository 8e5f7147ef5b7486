//! Asks pass Culture for the bookings of offers with recent activity, and moves what its notifications did not.
//!
//! There is no listing of a venue's bookings, only of one offer's: an offer is asked for while something happens to it, less and
//! less often, and when one of its open bookings runs out.
//!
//! Invariant: one offer is asked for by one worker at a time, and costs one listing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use passerelle_contract::BoxFuture;

use super::told::{booking_name, messages};
use super::{Told, after, compare, expires_at};
use crate::passculture::messages::Attempt;
use crate::passculture::{Client, ListedBooking, NorthError};
use crate::store::products::{ProductBooking, ProductState, WatchedOffer};
use crate::store::{Millis, Store, StoreError};

/// Offers asked for in one round: each is a request of the account's budget.
const A_ROUND: u32 = 20;
/// Rounds when everything is asked for at once.
const MOST_ROUNDS: usize = 500;
/// A claimed offer is due again after this, should its worker die.
const CLAIMED_FOR: Duration = crate::store::products::CLAIMED_FOR;
/// pass Culture runs bookings out at night: a run-out one is looked at again after this.
const RUN_OUT_AGAIN: Duration = Duration::from_secs(6 * 3600);
/// pass Culture did not answer: again after this.
const UNANSWERED_AGAIN: Duration = Duration::from_secs(300);
/// An offer without open bookings is let go so long after its last activity.
const LET_GO_AFTER: Duration = Duration::from_secs(40 * 24 * 3600);
/// How long after its last activity an offer is asked for how often.
const PAUSES: [(Duration, Duration); 3] = [
    (Duration::from_secs(3600), Duration::from_secs(900)),
    (Duration::from_secs(24 * 3600), Duration::from_secs(2 * 3600)),
    (Duration::MAX, crate::store::products::LONGEST_PAUSE),
];

/// Who is told at a venue, and with which client pass Culture is asked.
pub trait Venues: Send + Sync {
    /// Everybody whose software is told at this venue.
    fn told_at<'a>(&'a self, account: &'a str, venue: i64) -> BoxFuture<'a, Result<Vec<Told>, StoreError>>;

    /// The client of an account.
    ///
    /// # Errors
    /// Why there is none, in a sentence.
    fn passculture(&self, account: &str) -> Result<Client, String>;
}

/// A booking that the comparison moved.
#[derive(Clone, Debug)]
pub struct Reconciled {
    /// Where it stood; `None` when nobody here had heard of it.
    pub before: Option<ProductState>,
    /// As it stands now.
    pub after: ProductBooking,
}

/// Compares.
#[derive(Clone)]
pub struct Reconciler {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The venues.
    pub venues: Arc<dyn Venues>,
    /// The clock.
    pub now: fn() -> Millis,
}

impl std::fmt::Debug for Reconciler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reconciler")
    }
}

impl Reconciler {
    /// Compares the offers that are due.
    ///
    /// # Errors
    /// When the store fails. What pass Culture answers is no error here: the offer is asked for again later.
    pub async fn due(&self) -> Result<Vec<Reconciled>, StoreError> {
        let offers = self.store.offers_to_look_at((self.now)(), A_ROUND).await?;
        self.compare_all(offers).await
    }

    /// Compares every offer with recent activity, once, due or not.
    ///
    /// # Errors
    /// As [`Reconciler::due`].
    pub async fn everything(&self) -> Result<Vec<Reconciled>, StoreError> {
        let began = (self.now)();
        let mut all = Vec::new();
        for _ in 0..MOST_ROUNDS {
            let mut offers = self.store.offers_to_look_at(Millis::MAX, A_ROUND).await?;
            // Whatever was compared since is due later than everything else, so that the rest comes first.
            offers.retain(|offer| offer.looked_at.is_none_or(|at| at < began));
            if offers.is_empty() {
                break;
            }
            all.extend(self.compare_all(offers).await?);
        }
        Ok(all)
    }

    async fn compare_all(&self, offers: Vec<WatchedOffer>) -> Result<Vec<Reconciled>, StoreError> {
        let mut moved = Vec::new();
        for mut offer in offers {
            let claimed = after((self.now)(), CLAIMED_FOR);
            if !self.store.claim_offer(&offer, claimed).await? {
                continue;
            }
            offer.due_at = claimed;
            moved.extend(self.compare_one(&offer).await?);
        }
        Ok(moved)
    }

    async fn compare_one(&self, offer: &WatchedOffer) -> Result<Vec<Reconciled>, StoreError> {
        let listed = match self.listed(offer).await {
            Ok(listed) => listed,
            Err(why) => {
                tracing::warn!(
                    offer = offer.offer_id,
                    why,
                    "the bookings of an offer could not be compared; again later"
                );
                let now = (self.now)();
                self.store.looked_at(offer, now, Some(after(now, UNANSWERED_AGAIN))).await?;
                return Ok(Vec::new());
            }
        };
        let told = self.venues.told_at(&offer.account, offer.venue_id).await?;
        let known = self.store.product_bookings(&offer.account, offer.offer_id).await?;
        let mut known: HashMap<String, ProductBooking> =
            known.into_iter().map(|booking| (booking.fingerprint.clone(), booking)).collect();
        let mut moved = Vec::new();
        for booking in &listed {
            let now = (self.now)();
            let row = row(offer, booking, now);
            let before = known.get(&row.fingerprint).map(|known| known.state);
            let (stood_by, expires) = known
                .get(&row.fingerprint)
                .map_or((row.booked_at, row.expires_at), |known| (known.booked_at, known.expires_at));
            let Some((state, happened)) = compare::after(before, booking.status, stood_by, expires, now) else {
                continue;
            };
            let row = match known.get(&row.fingerprint) {
                Some(known) => ProductBooking { state, moved_at: now, ..known.clone() },
                None => ProductBooking { state, ..row },
            };
            let messages: Vec<_> =
                happened.iter().flat_map(|happened| messages(&row, *happened, None, &told)).collect();
            if self.store.move_product(before, &row, &messages).await? {
                known.insert(row.fingerprint.clone(), row.clone());
                moved.push(Reconciled { before, after: row });
            }
        }
        let now = (self.now)();
        let open = known.values().filter(|booking| booking.state == ProductState::Open);
        self.store.looked_at(offer, now, next_look(offer, open.map(|booking| booking.expires_at), now)).await?;
        Ok(moved)
    }

    async fn listed(&self, offer: &WatchedOffer) -> Result<Vec<ListedBooking>, String> {
        let told = |error: NorthError| format!("{}: {}", error.code, error.what);
        self.venues.passculture(&offer.account)?.bookings(offer.offer_id, None).await.map_err(told)
    }
}

/// A listed booking as a row.
fn row(offer: &WatchedOffer, listed: &ListedBooking, now: Millis) -> ProductBooking {
    let attempt = Attempt {
        account: &offer.account,
        stock_id: listed.stock_id,
        email: listed.email.expose(),
        created_at_micros: listed.created_at_micros,
        quantity: listed.quantity,
    };
    let fingerprint = attempt.fingerprint();
    let booked_at = listed.created_at_micros.div_euclid(1_000);
    ProductBooking {
        account: offer.account.clone(),
        booking: booking_name(&fingerprint),
        fingerprint,
        offer_id: offer.offer_id,
        stock_id: listed.stock_id,
        venue_id: offer.venue_id,
        item: offer.item.clone(),
        quantity: listed.quantity,
        price_cents: listed.price_cents,
        state: ProductState::Open,
        booked_at,
        expires_at: expires_at(&offer.item, booked_at),
        moved_at: now,
    }
}

/// When an offer is asked for next; `None` when nothing can happen to it that anybody here would miss.
fn next_look(offer: &WatchedOffer, open_until: impl Iterator<Item = Millis>, now: Millis) -> Option<Millis> {
    let open_until: Vec<Millis> = open_until.collect();
    let quiet = u64::try_from(now.saturating_sub(offer.active_at)).unwrap_or(0);
    let quiet = Duration::from_millis(quiet);
    if open_until.is_empty() && quiet >= LET_GO_AFTER {
        return None;
    }
    let pause = PAUSES.iter().find(|(until, _)| quiet < *until).map_or(RUN_OUT_AGAIN, |(_, pause)| *pause);
    let run_out = open_until.iter().map(|at| if *at > now { *at } else { after(now, RUN_OUT_AGAIN) });
    Some(run_out.fold(after(now, pause), Millis::min))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Millis = 3_600_000;

    fn offer(active_at: Millis) -> WatchedOffer {
        WatchedOffer {
            account: "default".into(),
            offer_id: 1,
            venue_id: 2,
            item: "9782070286256".into(),
            active_at,
            looked_at: None,
            due_at: 0,
        }
    }

    #[test]
    fn the_quieter_an_offer_the_rarer_it_is_asked_for() {
        let next = |now| next_look(&offer(0), std::iter::empty(), now);
        assert_eq!(next(0), Some(HOUR / 4));
        assert_eq!(next(2 * HOUR), Some(4 * HOUR));
        assert_eq!(next(48 * HOUR), Some(72 * HOUR));
        assert_eq!(next(40 * 24 * HOUR), None);
    }

    #[test]
    fn an_open_booking_is_looked_at_when_it_runs_out_and_never_let_go() {
        assert_eq!(next_look(&offer(0), std::iter::once(49 * HOUR), 48 * HOUR), Some(49 * HOUR));
        assert_eq!(next_look(&offer(0), std::iter::once(0), 1_000 * HOUR), Some(1_006 * HOUR));
    }

    #[test]
    fn books_run_out_after_ten_days_and_other_goods_after_thirty() {
        assert_eq!(expires_at("9782070286256", 0), 10 * 24 * HOUR);
        assert_eq!(expires_at("9791234567896", 0), 10 * 24 * HOUR);
        assert_eq!(expires_at("0602435931975", 0), 30 * 24 * HOUR);
    }
}
