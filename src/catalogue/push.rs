//! Driving pass Culture to the desired state.
//!
//! The ledger tells what differs; batches of at most 500 go north, one lane per venue. For every EAN: asked whether pass Culture
//! takes it before it is first sent, written down as *in flight* before the call, *accepted* after the answer, *verified* once it
//! was read back. What is in flight or accepted is not sent again before it shows, or before `inflight` says so, because the real
//! backend applies upserts in no fixed order and doubles new offers. The first upsert of a venue is one EAN: its first tasks race
//! on creating its location.
//!
//! Invariant: the ledger never claims more than pass Culture has said. A crash between any two lines here costs at most one
//! read-back and a wait.

use std::collections::BTreeSet;
use std::time::Duration;

use passerelle_contract::{Cents, Ean, Quantity, Terms};
use tokio::time::Instant;

use super::history::Told;
use super::inflight::{Rules, Turn};
use super::lane::{Freshness, Lane};
use super::progress::Step;
use super::verify::{Look, MOST_OPEN, Seen};
use super::{PassError, put};
use crate::passculture::{
    AfterLostAnswer, Availability, EanOffer, MAX_EANS_ASKED, MAX_EANS_SENT, NorthError, Publication, UpsertError,
    UpsertOptions,
};
use crate::store::history::HistoryEvent;
use crate::store::ledger::{self, Acknowledged, Entry, MOST_TRIES, Refusal, Scan, Sent};
use crate::store::queue::{CallId, VenueQueue};

/// How often a batch is sent again after pass Culture named bad items in it.
const RESENDS: u32 = 4;
/// A pass waits so long for a queue of which nothing of the newest call shows.
const STILL_QUEUE: Duration = Duration::from_secs(15);
/// And so long for the rest of what it sent, once some of it has shown.
const STRAGGLERS: Duration = Duration::from_secs(5);
/// A pass waits no longer in all, however the queue moves.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// What was sent longer ago is looked for, not waited for (milliseconds).
const FRESH: i64 = 60_000;
const SHORTEST_PAUSE: Duration = Duration::from_millis(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What a run of the lane did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pushed {
    /// EANs accepted.
    pub(super) pushed: u64,
    /// EANs of which there are several offers.
    pub(super) twins: usize,
}

/// One run.
#[derive(Debug, Default)]
struct Round {
    /// EANs accepted.
    done: u64,
    /// Calls made.
    calls: u64,
    /// The last answer that was lost: those EANs are in flight.
    lost: Option<NorthError>,
}

impl Lane<'_> {
    /// Looks for what was sent before, sends what differs and may be sent, and looks for that, as long as something moves.
    ///
    /// # Errors
    /// When pass Culture or the store fails; what was done stays done, and the next run goes on from there.
    pub(super) async fn drive(&self) -> Result<Pushed, PassError> {
        let mut queue = self.queue().await?;
        let before = queue.clone();
        let mut round = Round::default();
        let mut seen = Seen::default();
        let driven = self.drive_queue(&mut queue, &mut round, &mut seen).await;
        // What was written before a call of which nothing was taken must not stay.
        if queue != before || round.calls > 0 {
            self.save_queue(&queue).await?;
        }
        driven?;
        let is_lost = match &round.lost {
            Some(_) => self.open().await?.iter().any(|entry| matches!(entry.acknowledged, Acknowledged::InFlight(_))),
            None => false,
        };
        match round.lost {
            // What was sent without an answer does not show: somebody should know.
            Some(error) if is_lost => Err(error.into()),
            _ => Ok(Pushed { pushed: round.done + seen.answered, twins: queue.twins.len() }),
        }
    }

    async fn drive_queue(&self, queue: &mut VenueQueue, round: &mut Round, seen: &mut Seen) -> Result<(), PassError> {
        let began = Instant::now();
        let mut progressed = began;
        let mut pause = Duration::ZERO;
        let mut look = Look::Sample;
        self.look_at_twins(queue, seen).await?;
        let mut open = self.open().await?;
        loop {
            let moved = if open.is_empty() { 0 } else { self.look(&open, look, queue, seen).await? };
            let is_first = pause.is_zero();
            // Besides what shows, only the time lets something go: what was sent without an answer.
            let is_unsure = |entry: &Entry| matches!(entry.acknowledged, Acknowledged::InFlight(_));
            if is_first || moved > 0 || open.iter().any(is_unsure) {
                let calls = round.calls;
                self.send_what_may_go(queue, seen, round).await?;
                if moved > 0 || (is_first && round.calls > calls) {
                    progressed = Instant::now();
                    pause = Duration::ZERO;
                }
            }
            open = self.open().await?;
            let patience = self.patience(queue, &open).saturating_sub(progressed.elapsed());
            let left = if open.is_empty() {
                Duration::ZERO
            } else {
                patience.min(LONGEST_WAIT.saturating_sub(began.elapsed()))
            };
            let is_over = left.is_zero();
            if is_over && (look == Look::All || open.is_empty()) {
                break;
            }
            // The last look of a pass is at everything.
            look = if is_over { Look::All } else { Look::Sample };
            pause = (pause * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
            if !is_over {
                tokio::time::sleep(pause.min(left)).await;
            }
        }
        self.conclude(&open, queue, seen).await?;
        if open.len() < MOST_OPEN {
            let calls: BTreeSet<CallId> =
                open.iter().filter_map(|entry| entry.acknowledged.sent()).map(|sent| sent.call).collect();
            queue.calls.retain(|open| calls.contains(&open.call));
        }
        Ok(())
    }

    /// How long without progress this pass goes on looking: not at all for what was sent long ago.
    fn patience(&self, queue: &VenueQueue, open: &[Entry]) -> Duration {
        let rules = self.rules();
        let is_fresh = |entry: &Entry| entry.acknowledged.sent().is_some_and(|sent| rules.age(sent.call) <= FRESH);
        if !open.iter().any(is_fresh) {
            Duration::ZERO
        } else if queue.newest_shown >= queue.last_sent {
            STRAGGLERS
        } else {
            STILL_QUEUE
        }
    }

    /// The rules of this moment.
    pub(super) fn rules(&self) -> Rules {
        Rules { now: (self.now)(), resend_after: self.client.resend_after() }
    }

    /// What is known of the venue's queue. A venue at which something was verified before this was written down needs no priming.
    async fn queue(&self) -> Result<VenueQueue, PassError> {
        if let Some(mut queue) = self.store.venue_queue(self.account, self.venue_id).await? {
            queue.forget_after(self.rules().latest_call());
            return Ok(queue);
        }
        let mut queue = VenueQueue { last_answered: true, ..VenueQueue::default() };
        let mut scan = Scan::all(self.store.as_ref(), &self.lease.connection);
        while let Some(page) = scan.next_page().await? {
            if page.iter().any(|entry| matches!(entry.acknowledged, Acknowledged::Verified(_))) {
                queue.primed = true;
                break;
            }
        }
        Ok(queue)
    }

    async fn save_queue(&self, queue: &VenueQueue) -> Result<(), PassError> {
        Ok(self.store.save_venue_queue(self.lease, self.account, self.venue_id, queue).await?)
    }

    /// Sends what differs, and what was waited for long enough.
    async fn send_what_may_go(&self, queue: &mut VenueQueue, seen: &Seen, round: &mut Round) -> Result<(), PassError> {
        let totals = ledger::totals(self.store.as_ref(), &self.lease.connection).await?;
        if totals.pending + totals.unverified == 0 {
            return Ok(());
        }
        let calls = round.calls;
        let mut scout: Option<Entry> = None;
        let mut batch: Vec<Entry> = Vec::with_capacity(MAX_EANS_SENT);
        let mut scan = Scan::at_work(self.store.as_ref(), &self.lease.connection);
        while let Some(page) = scan.next_page().await? {
            for entry in page.into_iter().filter(|entry| entry.is_pending() || is_open(entry)) {
                match self.rules().turn(&entry, terms_to_send(&entry), queue) {
                    Turn::Send if !is_open(&entry) || (seen.looked_at(entry.ean) && queue.primed) => batch.push(entry),
                    Turn::Scout if scout.is_none() && seen.looked_at(entry.ean) => scout = Some(entry),
                    Turn::Send | Turn::Scout | Turn::Wait | Turn::Dropped => {}
                }
                let full = if queue.primed { MAX_EANS_SENT } else { MAX_EANS_ASKED };
                if batch.len() == full {
                    self.send_batch(std::mem::take(&mut batch), queue, round).await?;
                    self.progress.step(Step::Pushed { done: round.done, of: totals.pending });
                    // Until the one shows, nothing follows it.
                    if !queue.primed && (round.calls > calls || !self.rules().may_scout(queue)) {
                        return Ok(());
                    }
                }
            }
        }
        if !batch.is_empty() {
            self.send_batch(batch, queue, round).await?;
            self.progress.step(Step::Pushed { done: round.done, of: totals.pending });
        }
        if let Some(scout) = scout.filter(|_| round.calls == calls && self.rules().may_scout(queue)) {
            self.send(vec![scout], true, queue, round).await?;
        }
        Ok(())
    }

    /// Sends those of a batch that pass Culture takes; at a venue that never got anything, only the first of them.
    async fn send_batch(&self, batch: Vec<Entry>, queue: &mut VenueQueue, round: &mut Round) -> Result<(), PassError> {
        if !queue.primed && !self.rules().may_scout(queue) {
            return Ok(());
        }
        let mut taken = self.keep_available(batch).await?;
        if queue.primed {
            return self.send(taken, false, queue, round).await;
        }
        taken.truncate(1);
        self.send(taken, true, queue, round).await
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
            self.tell(refused.iter().map(Told::refused)).await?;
        }
        Ok(kept)
    }

    /// Sends a batch. Items that pass Culture names as bad are set aside and the rest goes again, since one bad item refuses all.
    async fn send(
        &self,
        mut batch: Vec<Entry>,
        is_scout: bool,
        queue: &mut VenueQueue,
        round: &mut Round,
    ) -> Result<(), PassError> {
        for _ in 0..RESENDS {
            if batch.is_empty() {
                return Ok(());
            }
            let offers: Vec<EanOffer> = batch.iter().map(offer).collect();
            let before = queue.clone();
            let call = queue.sending(batch.len(), (self.now)());
            queue.scouts = queue.scouts.saturating_add(u8::from(is_scout));
            self.save_queue(queue).await?;
            let sent: Vec<(Entry, Sent)> = batch.iter().map(|entry| (*entry, sent_now(entry, call))).collect();
            self.write(&sent, Acknowledged::InFlight).await?;
            // Equal terms twice do no harm, two creations do: only what is there already may be repeated blindly.
            let all_known = sent.iter().all(|(_, sent)| sent.exists);
            let after_lost_answer = if all_known { AfterLostAnswer::Resend } else { AfterLostAnswer::Report };
            let options = UpsertOptions { publication: Publication::Now, after_lost_answer };
            round.calls += 1;
            match self.client.upsert_eans(self.venue_id, &offers, options).await {
                Ok(()) => {
                    self.write(&sent, Acknowledged::Accepted).await?;
                    self.tell(sent.iter().map(|(entry, sent)| Told::sent(entry.ean, *sent, HistoryEvent::Sent)))
                        .await?;
                    queue.last_answered = true;
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
                    self.tell(undone.iter().filter(|entry| entry.refused.is_some()).map(Told::refused)).await?;
                    *queue = before;
                    batch = undone.into_iter().filter(|entry| entry.refused.is_none()).collect();
                }
                Err(UpsertError::Failed(error)) => {
                    put(self.store.as_ref(), self.lease, &batch).await?;
                    *queue = before;
                    return Err(error.into());
                }
                // They stay in flight, and are looked for before anything else is done with them.
                Err(UpsertError::AnswerLost(error)) => {
                    let lost = sent.iter().map(|(entry, sent)| Told::sent(entry.ean, *sent, HistoryEvent::Unanswered));
                    self.tell(lost).await?;
                    round.lost = Some(error);
                    return Ok(());
                }
            }
        }
        // What is left is pending still; the next run tries again.
        Ok(())
    }

    async fn write(&self, batch: &[(Entry, Sent)], state: fn(Sent) -> Acknowledged) -> Result<(), PassError> {
        let entries: Vec<Entry> =
            batch.iter().map(|(entry, sent)| Entry { acknowledged: state(*sent), ..*entry }).collect();
        Ok(put(self.store.as_ref(), self.lease, &entries).await?)
    }
}

/// Was it sent, is it not seen, and may it be sent again at all?
const fn is_open(entry: &Entry) -> bool {
    entry.is_unverified() && entry.refused.is_none()
}

/// The entry's terms as they go with a call.
fn sent_now(entry: &Entry, call: CallId) -> Sent {
    let terms = terms_to_send(entry);
    match entry.acknowledged {
        Acknowledged::Never => Sent::first(terms, call),
        Acknowledged::Verified(_) => Sent { exists: true, ..Sent::first(terms, call) },
        Acknowledged::InFlight(before) | Acknowledged::Accepted(before) => {
            Sent { terms, call, tries: before.tries.saturating_add(1).min(MOST_TRIES), exists: before.exists }
        }
    }
}

/// What pass Culture must be told of an entry. A withdrawn book keeps its price and is sold out: books cannot be deleted there.
pub(super) fn terms_to_send(entry: &Entry) -> Terms {
    entry.desired.unwrap_or_else(|| {
        let price = entry.acknowledged.terms().map_or(Cents(0), |terms| terms.price);
        Terms { price, quantity: Quantity::Exactly(0) }
    })
}

fn offer(entry: &Entry) -> EanOffer {
    let terms = terms_to_send(entry);
    EanOffer { ean: entry.ean, price: terms.price, quantity: terms.quantity }
}
