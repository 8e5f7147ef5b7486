//! Driving pass Culture to the desired state.
//!
//! The ledger tells what differs; batches of at most 500 go north, one lane per venue. For every EAN: asked whether pass Culture
//! takes it before it is first sent, written down as *in flight* before the call, *accepted* after the answer, *verified* once it was
//! read back. An EAN that is in flight or accepted is read back before it is sent again, because the real backend applies
//! upserts in no fixed order and doubles new offers.
//!
//! Invariant: the ledger never claims more than pass Culture has said. A crash between any two lines here costs at most one
//! read-back and one equal upsert.

use std::collections::{BTreeMap, BTreeSet};

use passerelle_contract::{Cents, Ean, Quantity, Terms};

use super::lane::{Freshness, Lane};
use super::progress::Step;
use super::verify::{self, Patience};
use super::{PassError, put};
use crate::passculture::{
    AfterLostAnswer, Availability, EanOffer, MAX_EANS_SENT, NorthError, Publication, UpsertError, UpsertOptions,
};
use crate::store::ledger::{self, Acknowledged, Entry, Refusal, Scan};

/// How often one run goes over the ledger: a second time for what reading back showed to differ.
const ROUNDS: u32 = 2;
/// How often a batch is sent again after pass Culture named bad items in it.
const RESENDS: u32 = 4;

/// What a run of the lane did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pushed {
    /// EANs accepted.
    pub(super) pushed: u64,
    /// EANs accepted that still wait to be read back.
    pub(super) waiting: u64,
}

impl Lane<'_> {
    /// Pushes what differs, then reads back.
    ///
    /// # Errors
    /// When pass Culture or the store fails; what was done stays done, and the next run goes on from there.
    pub(super) async fn drive(&self) -> Result<Pushed, PassError> {
        let mut total = Pushed::default();
        let mut lost = None;
        for _ in 0..ROUNDS {
            let began = self.unverified_at_start().await?;
            let round = self.push_pending().await?;
            total.pushed += round.done;
            let seen = verify::verify(self, &began, round.done).await?;
            total.waiting = seen.waiting;
            lost = round.lost;
            if seen.differing == 0 && lost.is_none() {
                break;
            }
        }
        // What was sent without an answer was read back and sent once more; if that was lost too, somebody should know.
        lost.map_or(Ok(total), |error| Err(error.into()))
    }

    /// EANs that an earlier run left to be read back: what is still missing now was dropped in silence.
    async fn unverified_at_start(&self) -> Result<Vec<Ean>, PassError> {
        let mut eans = Vec::new();
        let mut scan = Scan::at_work(self.store.as_ref(), &self.lease.connection);
        while let Some(page) = scan.next_page().await? {
            eans.extend(
                page.iter().filter(|entry| entry.is_unverified() && !entry.is_pending()).map(|entry| entry.ean),
            );
            if eans.len() >= verify::MOST_PER_RUN {
                eans.truncate(verify::MOST_PER_RUN);
                break;
            }
        }
        Ok(eans)
    }

    async fn push_pending(&self) -> Result<Round, PassError> {
        let of = ledger::totals(self.store.as_ref(), &self.lease.connection).await?.pending;
        let mut round = Round::default();
        if of == 0 {
            return Ok(round);
        }
        let mut batch: Vec<Entry> = Vec::with_capacity(MAX_EANS_SENT);
        let mut scan = Scan::at_work(self.store.as_ref(), &self.lease.connection);
        while let Some(page) = scan.next_page().await? {
            for entry in page.into_iter().filter(Entry::is_pending) {
                batch.push(entry);
                if batch.len() == MAX_EANS_SENT {
                    self.push_batch(std::mem::take(&mut batch), &mut round).await?;
                    self.progress.step(Step::Pushed { done: round.done, of });
                }
            }
        }
        if !batch.is_empty() {
            self.push_batch(batch, &mut round).await?;
            self.progress.step(Step::Pushed { done: round.done, of });
        }
        Ok(round)
    }

    async fn push_batch(&self, batch: Vec<Entry>, round: &mut Round) -> Result<(), PassError> {
        let settled = self.settle_unverified(batch, round).await?;
        let taken = self.keep_available(settled).await?;
        self.send(taken, round).await
    }

    /// Reads back what is in flight or accepted, so that no EAN ever has two upserts under way.
    async fn settle_unverified(&self, batch: Vec<Entry>, round: &mut Round) -> Result<Vec<Entry>, PassError> {
        let unsure: Vec<(Ean, Terms)> = batch
            .iter()
            .filter_map(|entry| match entry.acknowledged {
                Acknowledged::InFlight(terms) | Acknowledged::Accepted(terms) => Some((entry.ean, terms)),
                Acknowledged::Never | Acknowledged::Verified(_) => None,
            })
            .collect();
        if unsure.is_empty() {
            return Ok(batch);
        }
        let seen = verify::read_back(self, &unsure, Patience::BEFORE_RESENDING).await?;
        let in_flight = |entry: &&Entry| matches!(entry.acknowledged, Acknowledged::InFlight(_));
        round.done += batch.iter().filter(in_flight).filter(|entry| seen.confirmed.contains(&entry.ean)).count() as u64;
        let mut known: BTreeMap<Ean, Acknowledged> = BTreeMap::new();
        known.extend(
            unsure
                .iter()
                .filter(|(ean, _)| seen.confirmed.contains(ean))
                .map(|&(ean, terms)| (ean, Acknowledged::Verified(terms))),
        );
        known.extend(seen.differing.iter().map(|&(ean, terms)| (ean, Acknowledged::Verified(terms))));
        known.extend(seen.missing.iter().map(|&ean| (ean, Acknowledged::Never)));
        let settled: Vec<Entry> = batch
            .into_iter()
            .map(|entry| Entry { acknowledged: known.get(&entry.ean).copied().unwrap_or(entry.acknowledged), ..entry })
            .collect();
        let moved: Vec<Entry> = settled.iter().filter(|entry| known.contains_key(&entry.ean)).copied().collect();
        put(self.store.as_ref(), self.lease, &moved).await?;
        Ok(settled.into_iter().filter(Entry::is_pending).collect())
    }

    /// Asks about EANs that pass Culture was never sent, and sets aside those that it does not take.
    async fn keep_available(&self, batch: Vec<Entry>) -> Result<Vec<Entry>, PassError> {
        let new: Vec<Ean> =
            batch.iter().filter(|entry| entry.acknowledged == Acknowledged::Never).map(|entry| entry.ean).collect();
        if new.is_empty() {
            return Ok(batch);
        }
        let verdicts = self.availability(&new, Freshness::MayBeRemembered).await?;
        let day = self.today();
        let (kept, refused): (Vec<Entry>, Vec<Entry>) = batch
            .into_iter()
            .partition(|entry| verdicts.get(&entry.ean).is_none_or(|verdict| *verdict == Availability::Available));
        if !refused.is_empty() {
            let refused: Vec<Entry> = refused
                .into_iter()
                .map(|entry| {
                    let verdict = verdicts.get(&entry.ean).copied().unwrap_or(Availability::NotFound);
                    Entry { refused: Some(Refusal { code: verdict.code(), day }), ..entry }
                })
                .collect();
            put(self.store.as_ref(), self.lease, &refused).await?;
        }
        Ok(kept)
    }

    /// Sends a batch. Items that pass Culture names as bad are set aside and the rest goes again, since one bad item refuses all.
    async fn send(&self, mut batch: Vec<Entry>, round: &mut Round) -> Result<(), PassError> {
        for _ in 0..RESENDS {
            if batch.is_empty() {
                return Ok(());
            }
            let offers: Vec<EanOffer> = batch.iter().map(offer).collect();
            self.write(&batch, Acknowledged::InFlight).await?;
            // Equal terms twice do no harm, two creations do: only what is there already may be repeated blindly.
            let all_known = batch.iter().all(|entry| entry.acknowledged != Acknowledged::Never);
            let after_lost_answer = if all_known { AfterLostAnswer::Resend } else { AfterLostAnswer::Report };
            let options = UpsertOptions { publication: Publication::Now, after_lost_answer };
            match self.client.upsert_eans(self.venue_id, &offers, options).await {
                Ok(()) => {
                    self.write(&batch, Acknowledged::Accepted).await?;
                    round.done += batch.len() as u64;
                    return Ok(());
                }
                Err(UpsertError::Refused { items, .. }) => {
                    let bad: BTreeSet<usize> = items.iter().map(|item| item.index).collect();
                    let refusal = Refusal { code: Availability::RejectedByUpsert.code(), day: self.today() };
                    // Nothing of the call was taken: everything is again what it was before.
                    let undone: Vec<Entry> = batch
                        .iter()
                        .enumerate()
                        .map(
                            |(index, entry)| {
                                if bad.contains(&index) { Entry { refused: Some(refusal), ..*entry } } else { *entry }
                            },
                        )
                        .collect();
                    put(self.store.as_ref(), self.lease, &undone).await?;
                    batch = undone.into_iter().filter(Entry::is_pending).collect();
                }
                Err(UpsertError::Failed(error)) => {
                    put(self.store.as_ref(), self.lease, &batch).await?;
                    return Err(error.into());
                }
                // They stay in flight: the next round reads them back before it sends them again.
                Err(UpsertError::AnswerLost(error)) => {
                    round.lost = Some(error);
                    return Ok(());
                }
            }
        }
        // What is left is pending still; the next run tries again.
        Ok(())
    }

    /// Writes a batch with the terms that are being sent.
    async fn write(&self, batch: &[Entry], state: fn(Terms) -> Acknowledged) -> Result<(), PassError> {
        let entries: Vec<Entry> =
            batch.iter().map(|entry| Entry { acknowledged: state(terms_to_send(entry)), ..*entry }).collect();
        Ok(put(self.store.as_ref(), self.lease, &entries).await?)
    }
}

/// One go over what is pending.
#[derive(Debug, Default)]
struct Round {
    /// EANs accepted.
    done: u64,
    /// The last answer that was lost: those EANs are in flight.
    lost: Option<NorthError>,
}

/// What pass Culture must be told of an entry. A withdrawn book keeps its price and is sold out: books cannot be deleted there.
fn terms_to_send(entry: &Entry) -> Terms {
    entry.desired.unwrap_or_else(|| {
        let price = entry.acknowledged.terms().map_or(Cents(0), |terms| terms.price);
        Terms { price, quantity: Quantity::Exactly(0) }
    })
}

fn offer(entry: &Entry) -> EanOffer {
    let terms = terms_to_send(entry);
    EanOffer { ean: entry.ean, price: terms.price, quantity: terms.quantity }
}
