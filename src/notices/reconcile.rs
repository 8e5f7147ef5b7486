//! Asks pass Culture for the bookings of offers with recent activity, and moves what its notifications did not.
//!
//! An offer is asked for while something happens to it, less and less often, and when one of its open bookings runs out. Where pass
//! Culture lists a whole venue, the offers of a venue that are due share that list; it finds bookings that nobody announced, too.
//!
//! Invariants: one offer is compared by one worker at a time; a booking that a venue's list does not have is asked for by its offer
//! before it is held for over.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use passerelle_contract::BoxFuture;

use super::told::{Happened, booking_name, cancelled_by, messages};
use super::{Told, after, compare, expires_at};
use crate::passculture::messages::Attempt;
use crate::passculture::{BookingStatus, Client, ListedBooking, ListingError, Listings, NorthError};
use crate::store::listings::{BookedAt, ListReader};
use crate::store::products::{NoticeRow, Notified, ProductBooking, ProductState, WatchedOffer};
use crate::store::{Millis, Store, StoreError};

/// Offers compared in one round: each may be a request of the account's budget.
const A_ROUND: u32 = 60;
/// A booking that nobody announced is told of when it is this old: until then its notification, which names the person, may only be
/// late. 10 minutes, in milliseconds.
const ANNOUNCED_WITHIN: Millis = 10 * 60 * 1_000;
/// Offers of a venue of which the new bookings do not say enough, from which on its live ones are read: fewer are asked for.
const MANY_OFFERS: usize = 3;
const EAN_DIGITS: usize = 13;
/// From here on an offer is looked at once a day, and what was fetched is compared too.
const DAILY_FROM: Duration = Duration::from_secs(24 * 3600);
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
        let mut venues: BTreeMap<(String, i64), Vec<WatchedOffer>> = BTreeMap::new();
        for offer in offers {
            venues.entry((offer.account.clone(), offer.venue_id)).or_default().push(offer);
        }
        let mut moved = Vec::new();
        for offers in venues.into_values() {
            moved.extend(self.compare_venue(offers).await?);
        }
        Ok(moved)
    }

    /// Compares offers of one venue.
    async fn compare_venue(&self, offers: Vec<WatchedOffer>) -> Result<Vec<Reconciled>, StoreError> {
        let mut claimed = Vec::with_capacity(offers.len());
        for mut offer in offers {
            let until = after((self.now)(), CLAIMED_FOR);
            if self.store.claim_offer(&offer, until).await? {
                offer.due_at = until;
                claimed.push(offer);
            }
        }
        let Some(one) = claimed.first() else { return Ok(Vec::new()) };
        let (account, venue_id) = (one.account.clone(), one.venue_id);
        let client = self.venues.passculture(&account);
        let lists = client.as_ref().ok().map(|client| Listings {
            client,
            store: &*self.store,
            reader: ListReader::Products,
            venue_id,
            now: (self.now)(),
        });
        let recent = match &lists {
            Some(lists) => usable(lists.recent().await, venue_id)?,
            None => None,
        };
        let mut moved = Vec::new();
        let (Some(lists), Some(recent)) = (lists, recent) else {
            for offer in &claimed {
                moved.extend(self.compare_one(offer).await?);
            }
            return Ok(moved);
        };
        let of_offer = |all: &[ListedBooking], offer: &WatchedOffer| -> Vec<ListedBooking> {
            all.iter().filter(|booking| booking.offer_id == Some(offer.offer_id)).cloned().collect()
        };
        let mut compared: Vec<(&WatchedOffer, Vec<ProductBooking>, Vec<ListedBooking>)> = Vec::new();
        for offer in &claimed {
            let known = self.store.product_bookings(&account, offer.offer_id).await?;
            compared.push((offer, known, of_offer(&recent.bookings, offer)));
        }
        // The live bookings of the venue, when the new ones do not say enough of several offers.
        let lacking = compared.iter().filter(|(offer, known, listed)| !says_enough(known, listed, offer)).count();
        if lacking >= MANY_OFFERS {
            let live = usable(lists.live(lacking).await, venue_id)?.unwrap_or_default();
            for (offer, _, listed) in &mut compared {
                let newest: HashSet<i64> = listed.iter().map(|booking| booking.id).collect();
                listed.extend(of_offer(&live, offer).into_iter().filter(|booking| !newest.contains(&booking.id)));
            }
        }
        for (offer, known, listed) in compared {
            if says_enough(&known, &listed, offer) && !wants_a_whole_look(&known, offer, (self.now)()) {
                moved.extend(self.compare_with(offer, known, &listed).await?);
            } else {
                moved.extend(self.compare_one(offer).await?);
            }
        }
        let compared: HashSet<i64> = claimed.iter().map(|offer| offer.offer_id).collect();
        moved.extend(self.discover(&account, venue_id, &recent.bookings, &compared).await?);
        lists.worked_on(&recent).await?;
        Ok(moved)
    }

    /// Products that were booked and of which nobody was told: their notification was lost, or is later than can be waited for.
    async fn discover(
        &self,
        account: &str,
        venue_id: i64,
        recent: &[ListedBooking],
        compared: &HashSet<i64>,
    ) -> Result<Vec<Reconciled>, StoreError> {
        let now = (self.now)();
        let mut told = None;
        let mut moved = Vec::new();
        for booking in recent {
            let booked_at = booking.created_at_micros.div_euclid(1_000);
            let (Some(offer_id), Some(ean)) = (booking.offer_id, &booking.ean) else { continue };
            if compared.contains(&offer_id) || now.saturating_sub(booked_at) < ANNOUNCED_WITHIN {
                continue;
            }
            let offer = WatchedOffer {
                account: account.to_owned(),
                offer_id,
                venue_id,
                item: ean.clone(),
                active_at: now,
                looked_at: None,
                due_at: now,
            };
            let row = row(&offer, booking, now);
            let known = self.store.product_bookings(account, offer_id).await?;
            if known.iter().any(|known| known.fingerprint == row.fingerprint) {
                continue;
            }
            if told.is_none() {
                told = Some(self.venues.told_at(account, venue_id).await?);
            }
            let told = told.as_deref().unwrap_or_default();
            if told.is_empty() {
                break;
            }
            let expires = row.expires_at;
            let after_all = compare::after(None, booking.status, booked_at, expires, cancelled_by(false), now);
            let Some((state, happened)) = after_all else { continue };
            if state != ProductState::Open {
                let row = ProductBooking { state, ..row };
                let messages: Vec<_> = happened.iter().flat_map(|one| messages(&row, *one, None, told)).collect();
                if self.store.move_product(None, &row, &messages).await? {
                    moved.push(Reconciled { before: None, after: row });
                }
                continue;
            }
            let found = Notified {
                notice: NoticeRow {
                    // Not that of a notification, which may still come and is then known by its booking.
                    fingerprint: format!("listed:{}", row.fingerprint),
                    account: account.to_owned(),
                    action: "BOOK".to_owned(),
                    offer_id,
                    stock_id: row.stock_id,
                    venue_id,
                    ean: Some(ean.clone()),
                    quantity: row.quantity,
                    received_at: now,
                },
                messages: messages(&row, Happened::Created, None, told),
                look_at: after(now, super::FIRST_LOOK_AFTER),
                booking: Some(row.clone()),
            };
            if self.store.notified(std::slice::from_ref(&found)).await?.contains(&true) {
                moved.push(Reconciled { before: None, after: row });
            }
        }
        Ok(moved)
    }

    async fn compare_one(&self, offer: &WatchedOffer) -> Result<Vec<Reconciled>, StoreError> {
        match self.listed(offer).await {
            Ok(listed) => {
                let known = self.store.product_bookings(&offer.account, offer.offer_id).await?;
                self.compare_with(offer, known, &listed).await
            }
            Err(why) => {
                tracing::warn!(
                    offer = offer.offer_id,
                    why,
                    "the bookings of an offer could not be compared; again later"
                );
                let now = (self.now)();
                self.store.looked_at(offer, now, Some(after(now, UNANSWERED_AGAIN))).await?;
                Ok(Vec::new())
            }
        }
    }

    /// Compares what is known of an offer with what is listed of it.
    async fn compare_with(
        &self,
        offer: &WatchedOffer,
        known: Vec<ProductBooking>,
        listed: &[ListedBooking],
    ) -> Result<Vec<Reconciled>, StoreError> {
        let told = self.venues.told_at(&offer.account, offer.venue_id).await?;
        let mut known: HashMap<String, ProductBooking> =
            known.into_iter().map(|booking| (booking.fingerprint.clone(), booking)).collect();
        let mut moved = Vec::new();
        for booking in listed {
            let now = (self.now)();
            let row = row(offer, booking, now);
            let before = known.get(&row.fingerprint).map(|known| known.state);
            let (stood_by, expires) = known
                .get(&row.fingerprint)
                .map_or((row.booked_at, row.expires_at), |known| (known.booked_at, known.expires_at));
            let ends =
                booking.status == BookingStatus::Cancelled && before.is_some_and(|b| b != ProductState::Cancelled);
            let by_itself = ends && {
                let booking = BookedAt { stock_id: row.stock_id, booked_at: row.booked_at };
                self.store.is_cancelled_by_itself(&offer.account, booking).await?
            };
            let after = compare::after(before, booking.status, stood_by, expires, cancelled_by(by_itself), now);
            let Some((state, happened)) = after else { continue };
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

/// A venue's list, when there is one that can be worked with. Without one the offers are asked for one by one.
fn usable<T>(listed: Result<Option<T>, ListingError>, venue_id: i64) -> Result<Option<T>, StoreError> {
    match listed {
        Ok(listed) => Ok(listed),
        Err(ListingError::Store(error)) => Err(error),
        Err(ListingError::PassCulture(why)) => {
            tracing::warn!(venue_id, %why, "the bookings of a venue could not be listed; its offers are asked for");
            Ok(None)
        }
    }
}

/// Whether every open booking of an offer is in the list. What is not may be over, or elsewhere.
fn says_enough(known: &[ProductBooking], listed: &[ListedBooking], offer: &WatchedOffer) -> bool {
    let mut open = known.iter().filter(|booking| booking.state == ProductState::Open).peekable();
    if open.peek().is_none() {
        return true;
    }
    let listed: HashSet<String> = listed.iter().map(|booking| row(offer, booking, 0).fingerprint).collect();
    open.all(|booking| listed.contains(&booking.fingerprint))
}

/// What was fetched is in no list of live bookings: whether it was taken back is asked of the offer, once a day. And what has no EAN is
/// found by its offer alone: a venue's list does not tell our name of it.
fn wants_a_whole_look(known: &[ProductBooking], offer: &WatchedOffer, now: Millis) -> bool {
    let has_ean = offer.item.len() == EAN_DIGITS && offer.item.bytes().all(|byte| byte.is_ascii_digit());
    if !has_ean {
        return true;
    }
    let quiet = u64::try_from(now.saturating_sub(offer.active_at)).unwrap_or(0);
    Duration::from_millis(quiet) >= DAILY_FROM && known.iter().any(|booking| booking.state == ProductState::Used)
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
