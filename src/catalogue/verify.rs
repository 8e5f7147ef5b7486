//! Reading back what the bulk route accepts in silence.
//!
//! pass Culture answers 204 as soon as the work is queued and never says what became of it. So what was sent is looked for, a
//! sample first while nothing moves, all of it when something does. What shows as it was sent is verified; what does not show
//! stays accepted and unverified. Why something is still absent is asked on pass after pass, at growing intervals.
//!
//! Invariant: nothing is concluded from what does not show *yet*: the rules are in `inflight`.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use passerelle_contract::{Ean, Quantity, Terms};

use super::history::Told;
use super::inflight::{Evidence, Turn, evidence};
use super::lane::Lane;
use super::progress::Step;
use super::{PassError, put};
use crate::passculture::{Availability, MAX_EANS_ASKED, OfferStatus, ProductOffer};
use crate::store::Millis;
use crate::store::ledger::{Acknowledged, Entry, Refusal, Scan, Sent};
use crate::store::queue::VenueQueue;

/// Unverified EANs looked after in one pass.
pub(super) const MOST_OPEN: usize = 20_000;
/// Reads in one pass: a minute and a half of an account's budget.
const MOST_READS: usize = 250;
/// So many EANs are read without a second thought: ten reads.
const CHEAP_LOOK: usize = 1_000;
/// An absent EAN's availability is asked again after this at the earliest, then after half its age.
const ASK_AGAIN: Millis = 60_000;

/// What a pass has read so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// EANs that were read, and are not there.
    absent: BTreeSet<Ean>,
    /// EANs that were read.
    looked_at: BTreeSet<Ean>,
    /// Reads made.
    reads: usize,
    /// EANs seen whose call had no answer: they count as accepted now.
    pub(super) answered: u64,
    confirmed: u64,
}

impl Seen {
    /// Was it looked for in this pass?
    pub(super) fn looked_at(&self, ean: Ean) -> bool {
        self.looked_at.contains(&ean)
    }

    /// May more be read?
    fn room(&self) -> usize {
        MOST_READS.saturating_sub(self.reads) * MAX_EANS_ASKED
    }
}

/// How much of what is open is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// A few EANs spread over all calls, and those whose turn has come.
    Sample,
    /// All of them, as far as the reads of a pass go.
    All,
}

impl Lane<'_> {
    /// What was sent and is not seen, in EAN order. What a clock that ran ahead has stamped counts as sent now.
    pub(super) async fn open(&self) -> Result<Vec<Entry>, PassError> {
        let rules = self.rules();
        let mut open = Vec::new();
        let mut ahead = Vec::new();
        let mut scan = Scan::at_work(self.store.as_ref(), &self.lease.connection);
        while let Some(page) = scan.next_page().await? {
            for mut entry in page.into_iter().filter(Entry::is_unverified) {
                if let Acknowledged::InFlight(sent) | Acknowledged::Accepted(sent) = &mut entry.acknowledged
                    && sent.call > rules.latest_call()
                {
                    sent.call = crate::store::queue::CallId::at(rules.now);
                    ahead.push(entry);
                }
                open.push(entry);
            }
            if open.len() >= MOST_OPEN {
                break;
            }
        }
        if !ahead.is_empty() {
            put(self.store.as_ref(), self.lease, &ahead).await?;
        }
        Ok(open)
    }

    /// Looks for what is open; how many EANs are now seen as they were sent (or are refused).
    pub(super) async fn look(
        &self,
        open: &[Entry],
        look: Look,
        queue: &mut VenueQueue,
        seen: &mut Seen,
    ) -> Result<u64, PassError> {
        let wanted = self.wanted(open, look, queue, seen);
        let mut moved = self.read(&wanted, queue, seen).await?;
        // Something moves: now all of it is worth a look, unless it is much and most of the sample does not show.
        let is_worth_it = open.len() <= CHEAP_LOOK || moved * 2 >= wanted.len() as u64;
        if moved > 0 && is_worth_it && look == Look::Sample {
            let read: BTreeSet<Ean> = wanted.iter().map(|entry| entry.ean).collect();
            let rest: Vec<Entry> = open.iter().filter(|entry| !read.contains(&entry.ean)).copied().collect();
            let room = seen.room();
            moved += self.read(&spread(&rest, room), queue, seen).await?;
        }
        Ok(moved)
    }

    fn wanted(&self, open: &[Entry], look: Look, queue: &VenueQueue, seen: &Seen) -> Vec<Entry> {
        let room = seen.room();
        if look == Look::All || open.len() <= MAX_EANS_ASKED {
            // A queue that does not move is not read through at every pass.
            return spread(open, if seen.confirmed > 0 { room } else { room.min(CHEAP_LOOK) });
        }
        let rules = self.rules();
        let (mut wanted, rest): (Vec<Entry>, Vec<Entry>) = open.iter().partition(|entry| {
            matches!(entry.acknowledged, Acknowledged::InFlight(_))
                || (!seen.looked_at(entry.ean)
                    && rules.turn(entry, super::push::terms_to_send(entry), queue) != Turn::Wait)
        });
        wanted.truncate(room.saturating_sub(MAX_EANS_ASKED));
        let sample = MAX_EANS_ASKED - wanted.len() % MAX_EANS_ASKED;
        wanted.extend(spread(&rest, sample.min(room)));
        wanted.sort_unstable_by_key(|entry| entry.ean);
        wanted
    }

    async fn read(&self, wanted: &[Entry], queue: &mut VenueQueue, seen: &mut Seen) -> Result<u64, PassError> {
        if wanted.is_empty() {
            return Ok(0);
        }
        let offers = self.offers(wanted.iter().map(|entry| entry.ean).collect(), queue, seen).await?;
        let now = (self.now)();
        let day = self.today();
        let mut moved = 0;
        let mut changed: BTreeMap<Ean, Entry> = BTreeMap::new();
        // What shows says which calls have shown, and that bears on the rest.
        let mut rest: Vec<(Entry, Sent, &ProductOffer)> = Vec::new();
        for entry in wanted {
            let Some(sent) = entry.acknowledged.sent() else { continue };
            match offers.get(&entry.ean) {
                None => {
                    seen.absent.insert(entry.ean);
                }
                Some(offer) if offer.status == OfferStatus::Rejected => {
                    seen.absent.remove(&entry.ean);
                    moved += 1;
                    let refused = Some(Refusal { code: Availability::OfferRejected.code(), day });
                    changed.insert(entry.ean, Entry { acknowledged: Acknowledged::Never, refused, ..*entry });
                }
                Some(offer) => {
                    seen.absent.remove(&entry.ean);
                    if shows(offer, sent.terms) {
                        queue.showed(sent.call, now);
                    }
                    rest.push((*entry, sent, offer));
                }
            }
        }
        for (entry, sent, offer) in rest {
            if shows(offer, sent.terms) || self.was_sold_meanwhile(offer, sent, queue) {
                queue.showed(sent.call, now);
                moved += 1;
                seen.confirmed += 1;
                seen.answered += u64::from(matches!(entry.acknowledged, Acknowledged::InFlight(_)));
                changed.insert(entry.ean, Entry { acknowledged: Acknowledged::Verified(sent.terms), ..entry });
            } else if !sent.exists {
                let known = Sent { exists: true, ..sent };
                let acknowledged = match entry.acknowledged {
                    Acknowledged::InFlight(_) => Acknowledged::InFlight(known),
                    _ => Acknowledged::Accepted(known),
                };
                changed.insert(entry.ean, Entry { acknowledged, ..entry });
            }
        }
        let changed: Vec<Entry> = changed.into_values().collect();
        put(self.store.as_ref(), self.lease, &changed).await?;
        self.tell(changed.iter().filter_map(|entry| Told::read_back(entry, sent_before(wanted, entry.ean)))).await?;
        if moved > 0 {
            self.progress.step(Step::Verified(seen.confirmed));
        }
        Ok(moved)
    }

    /// The newest offer of each of these EANs; what is there twice is remembered.
    async fn offers(
        &self,
        eans: Vec<Ean>,
        queue: &mut VenueQueue,
        seen: &mut Seen,
    ) -> Result<BTreeMap<Ean, ProductOffer>, PassError> {
        seen.reads += eans.len().div_ceil(MAX_EANS_ASKED);
        let answers =
            try_join_all(eans.chunks(MAX_EANS_ASKED).map(|chunk| self.client.read_eans(self.venue_id, chunk))).await?;
        // Newest first: an older offer of the same EAN is not the one that upserts reach.
        let mut newest: BTreeMap<Ean, ProductOffer> = BTreeMap::new();
        let mut ids: BTreeMap<Ean, Vec<i64>> = BTreeMap::new();
        for offer in answers.into_iter().flatten() {
            let ids = ids.entry(offer.ean).or_default();
            // One that was closed, or that pass Culture took down, sells nothing.
            if ids.is_empty() || !matches!(offer.status, OfferStatus::Inactive | OfferStatus::Rejected) {
                ids.push(offer.offer_id);
            }
            newest.entry(offer.ean).or_insert(offer);
        }
        for ean in &eans {
            queue.saw(*ean, ids.get(ean).map_or(&[], Vec::as_slice));
        }
        seen.looked_at.extend(eans);
        Ok(newest)
    }

    /// Looks whether somebody closed the second offers that were told.
    pub(super) async fn look_at_twins(&self, queue: &mut VenueQueue, seen: &mut Seen) -> Result<(), PassError> {
        let eans: Vec<Ean> = queue.twins.iter().map(|twins| twins.ean).filter(|ean| !seen.looked_at(*ean)).collect();
        if !eans.is_empty() {
            let mut apart = Seen::default();
            self.offers(eans, queue, &mut apart).await?;
            seen.reads += apart.reads;
        }
        Ok(())
    }

    /// Somebody booked copies between our call and this look: fewer remain than were sent. An older state of a known offer can
    /// look the same, so that is believed only where the queue has moved.
    fn was_sold_meanwhile(&self, offer: &ProductOffer, sent: Sent, queue: &VenueQueue) -> bool {
        sold_meanwhile(offer, sent.terms) && (!sent.exists || evidence(sent, queue) != Evidence::Nothing)
    }

    /// Asks why EANs are still absent although others show, and writes down what pass Culture does not take.
    pub(super) async fn conclude(&self, open: &[Entry], queue: &VenueQueue, seen: &Seen) -> Result<(), PassError> {
        let rules = self.rules();
        let absent: Vec<(Entry, Sent)> = open
            .iter()
            .filter(|entry| seen.absent.contains(&entry.ean))
            .filter_map(|entry| Some((*entry, entry.acknowledged.sent()?)))
            .filter(|(_, sent)| !sent.exists && evidence(*sent, queue) != Evidence::Nothing)
            .collect();
        if absent.is_empty() {
            return Ok(());
        }
        let eans: Vec<Ean> = absent.iter().map(|(entry, _)| entry.ean).collect();
        let asked: BTreeMap<Ean, Millis> = self
            .store
            .availability(self.account, &eans, 0)
            .await?
            .into_iter()
            .map(|row| (row.ean, row.checked_at))
            .collect();
        let is_dropped = |entry: &Entry| rules.turn(entry, super::push::terms_to_send(entry), queue) == Turn::Dropped;
        let again: Vec<Ean> = absent
            .iter()
            .filter(|(entry, sent)| {
                let pause = ASK_AGAIN.max(rules.age(sent.call) / 2);
                is_dropped(entry) || asked.get(&entry.ean).is_none_or(|at| !(0..pause).contains(&(rules.now - at)))
            })
            .map(|(entry, _)| entry.ean)
            .collect();
        let verdicts = self.availability(&again, super::lane::Freshness::MustBeAsked).await?;
        let day = self.today();
        let refused: Vec<Entry> = absent
            .into_iter()
            .filter_map(|(entry, _)| {
                let code = match verdicts.get(&entry.ean) {
                    Some(verdict) if !verdict.is_available() => *verdict,
                    _ if is_dropped(&entry) => Availability::DroppedSilently,
                    _ => return None,
                };
                let refused = Some(Refusal { code: code.code(), day });
                Some(Entry { acknowledged: Acknowledged::Never, refused, ..entry })
            })
            .collect();
        put(self.store.as_ref(), self.lease, &refused).await?;
        self.tell(refused.iter().map(Told::refused)).await
    }
}

/// What was sent of an EAN before it was looked for; `wanted` is in EAN order.
fn sent_before(wanted: &[Entry], ean: Ean) -> Option<Sent> {
    let at = wanted.binary_search_by_key(&ean, |entry| entry.ean).ok()?;
    wanted.get(at)?.acknowledged.sent()
}

/// At most `most` entries, spread evenly: tasks are neighbours, so that each has its share.
fn spread(entries: &[Entry], most: usize) -> Vec<Entry> {
    if entries.len() <= most {
        return entries.to_vec();
    }
    (0..most).filter_map(|at| entries.get(at * entries.len() / most)).copied().collect()
}

fn shows(offer: &ProductOffer, terms: Terms) -> bool {
    offer.stock.is_some_and(|stock| stock.price == terms.price && stock.remaining() == terms.quantity)
}

fn sold_meanwhile(offer: &ProductOffer, terms: Terms) -> bool {
    let Some(stock) = offer.stock else { return false };
    match (stock.remaining(), terms.quantity) {
        (Quantity::Exactly(left), Quantity::Exactly(sent)) => {
            stock.price == terms.price && left < sent && left.saturating_add(stock.booked) >= sent
        }
        _ => false,
    }
}
