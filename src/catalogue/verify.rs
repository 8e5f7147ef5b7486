//! Reading back what the bulk route accepts in silence.
//!
//! pass Culture answers 204 as soon as the work is queued and never says what became of it: an unknown, banned or mistyped EAN is
//! dropped without a word. So accepted EANs are read back, patiently at first (the work may take seconds), a bounded number a
//! run; the rest is left to later runs. What stays missing is asked about once more and written down as refused, so that nothing
//! is pushed for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::try_join_all;
use passerelle_contract::{Ean, Quantity, Terms};
use tokio::time::Instant;

use super::lane::{Freshness, Lane};
use super::progress::Step;
use super::{PassError, put};
use crate::passculture::{Availability, MAX_EANS_ASKED, OfferStatus, ProductOffer};
use crate::store::ledger::{Acknowledged, Entry, Refusal, Scan};

/// EANs read back in one run: ten requests. A first sync leaves the rest to the passes that follow.
pub(super) const MOST_PER_RUN: usize = 1_000;

/// How long to look for what was accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Gives up when nothing new has shown for so long.
    without_progress: Duration,
    /// Gives up in any case.
    in_all: Duration,
    /// Waits before the first look.
    first_look: Duration,
}

impl Patience {
    const AFTER_PUSHING: Self = Self {
        without_progress: Duration::from_secs(5),
        in_all: Duration::from_secs(60),
        first_look: Self::SHORTEST_PAUSE,
    };
    /// Long since applied, or never: one look tells, a second one is for a slow replica.
    const OF_EARLIER_RUNS: Self =
        Self { without_progress: Duration::from_secs(1), in_all: Duration::from_secs(10), first_look: Duration::ZERO };
    /// A lane waits for this, so it is shorter; what does not show was most likely never received.
    pub(super) const BEFORE_RESENDING: Self =
        Self { without_progress: Duration::from_secs(3), in_all: Duration::from_secs(20), first_look: Duration::ZERO };
    const SHORTEST_PAUSE: Duration = Duration::from_millis(60);
    const LONGEST_PAUSE: Duration = Duration::from_secs(1);
}

/// What reading back showed.
#[derive(Debug, Default)]
pub(super) struct ReadBack {
    /// There, as sent.
    pub(super) confirmed: BTreeSet<Ean>,
    /// There, with other terms.
    pub(super) differing: Vec<(Ean, Terms)>,
    /// There, but taken down by pass Culture's moderation.
    pub(super) rejected: Vec<Ean>,
    /// Not there.
    pub(super) missing: Vec<Ean>,
}

/// Counts of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Verified {
    pub(super) differing: u64,
    pub(super) waiting: u64,
}

/// Reads back what was accepted: `before` (left by earlier runs) and what this run pushed (`pushed` EANs).
pub(super) async fn verify(lane: &Lane<'_>, before: &[Ean], pushed: u64) -> Result<Verified, PassError> {
    let entries = accepted(lane).await?;
    let mut told = Verified::default();
    if entries.is_empty() {
        return Ok(told);
    }
    let wanted: Vec<(Ean, Terms)> = entries.values().filter_map(|entry| Some((entry.ean, sent(entry)?))).collect();
    let patience = if pushed == 0 { Patience::OF_EARLIER_RUNS } else { Patience::AFTER_PUSHING };
    let seen = read_back(lane, &wanted, patience).await?;
    let old: BTreeSet<Ean> = before.iter().copied().collect();
    let some_showed = !seen.confirmed.is_empty() || !seen.differing.is_empty();
    // One book missing among others that show was dropped; when nothing shows, their queue is slow and the next run tells.
    let (dropped, waiting): (Vec<Ean>, Vec<Ean>) =
        seen.missing.iter().copied().partition(|ean| some_showed || old.contains(ean));
    let mut moved = Vec::new();
    for (ean, terms) in wanted.iter().filter(|(ean, _)| seen.confirmed.contains(ean)) {
        moved.extend(entries.get(ean).map(|entry| Entry { acknowledged: Acknowledged::Verified(*terms), ..*entry }));
    }
    for (ean, terms) in &seen.differing {
        moved.extend(entries.get(ean).map(|entry| Entry { acknowledged: Acknowledged::Verified(*terms), ..*entry }));
    }
    let reasons = why_dropped(lane, &dropped).await?;
    let day = lane.today();
    let refusals = dropped.iter().map(|ean| (ean, reasons.get(ean).copied().unwrap_or(Availability::DroppedSilently)));
    let rejected = seen.rejected.iter().map(|ean| (ean, Availability::OfferRejected));
    for (ean, code) in refusals.chain(rejected) {
        let refusal = Some(Refusal { code: code.code(), day });
        moved.extend(entries.get(ean).map(|entry| Entry {
            acknowledged: Acknowledged::Never,
            refused: refusal,
            ..*entry
        }));
    }
    moved.sort_unstable_by_key(|entry| entry.ean);
    put(lane.store.as_ref(), lane.lease, &moved).await?;
    told.differing = seen.differing.len() as u64;
    told.waiting = waiting.len() as u64;
    lane.progress.step(Step::Verified(seen.confirmed.len() as u64));
    Ok(told)
}

/// The accepted EANs of this connection, at most [`MOST_PER_RUN`].
async fn accepted(lane: &Lane<'_>) -> Result<BTreeMap<Ean, Entry>, PassError> {
    let mut entries = BTreeMap::new();
    let mut scan = Scan::at_work(lane.store.as_ref(), &lane.lease.connection);
    while let Some(page) = scan.next_page().await? {
        for entry in page {
            if entry.is_unverified() && !entry.is_pending() {
                entries.insert(entry.ean, entry);
                if entries.len() == MOST_PER_RUN {
                    return Ok(entries);
                }
            }
        }
    }
    Ok(entries)
}

fn sent(entry: &Entry) -> Option<Terms> {
    match entry.acknowledged {
        Acknowledged::InFlight(terms) | Acknowledged::Accepted(terms) => Some(terms),
        Acknowledged::Never | Acknowledged::Verified(_) => None,
    }
}

/// Looks for EANs until they show with the terms that were sent, or patience ends.
pub(super) async fn read_back(
    lane: &Lane<'_>,
    wanted: &[(Ean, Terms)],
    patience: Patience,
) -> Result<ReadBack, PassError> {
    let mut open: BTreeMap<Ean, Terms> = wanted.iter().copied().collect();
    let mut last: BTreeMap<Ean, ProductOffer> = BTreeMap::new();
    let mut told = ReadBack::default();
    let began = Instant::now();
    let mut progressed = began;
    let mut pause = patience.first_look;
    loop {
        tokio::time::sleep(pause).await;
        let eans: Vec<Ean> = open.keys().copied().collect();
        let answers =
            try_join_all(eans.chunks(MAX_EANS_ASKED).map(|chunk| lane.client.read_eans(lane.venue_id, chunk))).await?;
        // Newest first: an older offer of the same EAN is not the one that upserts reach.
        let mut newest: BTreeMap<Ean, ProductOffer> = BTreeMap::new();
        for offer in answers.into_iter().flatten() {
            newest.entry(offer.ean).or_insert(offer);
        }
        let before = open.len();
        for (ean, offer) in &newest {
            if offer.status == OfferStatus::Rejected {
                told.rejected.push(*ean);
                open.remove(ean);
            } else if open.get(ean).is_some_and(|terms| shows(offer, *terms)) {
                told.confirmed.insert(*ean);
                open.remove(ean);
            }
        }
        last.extend(newest);
        if open.len() < before {
            progressed = Instant::now();
            lane.progress.step(Step::Verified(told.confirmed.len() as u64));
        }
        let over = progressed.elapsed() >= patience.without_progress || began.elapsed() >= patience.in_all;
        if open.is_empty() || over {
            break;
        }
        pause = (pause * 2).clamp(Patience::SHORTEST_PAUSE, Patience::LONGEST_PAUSE);
    }
    for (ean, terms) in open {
        match last.get(&ean) {
            None => told.missing.push(ean),
            // Somebody booked a copy between our call and this look: fewer remain than were sent, and that is right.
            Some(offer) if sold_meanwhile(offer, terms) => {
                told.confirmed.insert(ean);
            }
            Some(offer) => match offer.stock {
                Some(stock) => told.differing.push((ean, Terms { price: stock.price, quantity: stock.remaining() })),
                None => told.missing.push(ean),
            },
        }
    }
    Ok(told)
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

/// Why an accepted EAN never showed: asked afresh, since an earlier verdict let it through.
async fn why_dropped(lane: &Lane<'_>, dropped: &[Ean]) -> Result<BTreeMap<Ean, Availability>, PassError> {
    if dropped.is_empty() {
        return Ok(BTreeMap::new());
    }
    let verdicts = lane.availability(dropped, Freshness::MustBeAsked).await?;
    Ok(verdicts.into_iter().filter_map(|(ean, verdict)| (!verdict.is_available()).then_some((ean, verdict))).collect())
}
