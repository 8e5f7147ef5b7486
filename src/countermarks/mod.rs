//! A bookseller's software redeems countermarks: look → decide → write the intent → ask pass Culture → write the outcome.
//!
//! `decide` is pure; this file does what it says. Nothing is held while pass Culture is asked, neither a lock nor a place:
//! cancelling a booking with tickets makes it call us meanwhile. Several equal requests at once each ask, pass Culture does it
//! once, and the rows of the store tell the others that it was this venue's doing.
//!
//! Invariants: the intent is durable before the call; what cannot be known is not claimed; a request ends within
//! [`ANSWER_WITHIN`]; a countermark stands in no log line.

mod decide;
mod words;

use std::time::Duration;

use passerelle_contract::Class;
use tokio::time::{Instant, timeout_at};

use crate::clock;
use crate::passculture::{Client, Moved, NorthError, RetryPolicy, SendError, Shown, Token, TokenBooking, TokenRefusal};
use crate::store::countermarks::{CountermarkRow, Deed};
use crate::store::listings::BookedAt;
use crate::store::{Millis, Store, StoreError};

pub use decide::{Memory, SETTLED_AFTER, State, Step, after_nothing_to_keep, after_refusal, decide};
pub use words::Refusal;

/// A request is answered by then: somebody stands at the counter.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// How often a row is read again because others moved it.
const MOST_RACES: u32 = 16;
/// A row that is looked at is written again after this time, so that it is not forgotten while it is of use.
const TOUCHED_EVERY: Millis = 24 * 3_600 * 1_000;
/// Seconds after which to ask again, where pass Culture does not say.
const ASK_AGAIN_AFTER: u32 = 5;
/// The longest that is told as seconds to wait.
const LONGEST_WAIT: i64 = 3_600;

/// For looks: quick, and once more when it failed at once.
const LOOKING: RetryPolicy = RetryPolicy {
    attempts: 2,
    first_delay: Duration::from_millis(150),
    longest_delay: Duration::from_millis(300),
    longest_attempt: Duration::from_secs(3),
    total: Duration::from_secs(1),
    // Behind what others of the same account ask, each of whom has few requests under way.
    patience: Duration::from_secs(3),
    unsaid_stop: RetryPolicy::WORK.unsaid_stop,
};
/// For changes: pass Culture may call a ticketing, ours, while it is asked to cancel.
const MOVING: RetryPolicy = RetryPolicy { longest_attempt: Duration::from_secs(7), ..LOOKING };

/// A success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeemed {
    /// Where the countermark stands.
    pub state: State,
    /// An earlier request of this venue did it.
    pub already: bool,
    /// What it is good for; `None` when pass Culture does not show it any more.
    pub booking: Option<TokenBooking>,
}

/// A no, and when to ask again where that helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// Seconds.
    pub retry_after: Option<u32>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let retries = refusal.status() == 503 || refusal.status() == 504;
        Self { refusal, retry_after: retries.then_some(ASK_AGAIN_AFTER) }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store failed a countermark's request");
        Refusal::StoreUnavailable.into()
    }
}

/// One venue's counter.
#[derive(Debug)]
pub struct Counter<'a> {
    /// The store.
    pub store: &'a dyn Store,
    /// The account's client.
    pub client: &'a Client,
    /// pass Culture's venue: only its countermarks are touched.
    pub venue: i64,
    /// The clock.
    pub now: fn() -> Millis,
}

impl Counter<'_> {
    /// Looks at a countermark (`None`), validates it, takes that back, or cancels its booking. Ends by `began` +
    /// [`ANSWER_WITHIN`]. A request that is dropped meanwhile does no harm: its repeat is told what became of it.
    ///
    /// # Errors
    /// [`Refused`]: pass Culture's no, ours, or why nobody knows.
    pub async fn redeem(&self, token: &Token, deed: Option<Deed>, began: Instant) -> Result<Redeemed, Refused> {
        match timeout_at(began + ANSWER_WITHIN, self.attempt(token, deed)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Refusal::TooSlow.into()),
        }
    }

    async fn attempt(&self, token: &Token, deed: Option<Deed>) -> Result<Redeemed, Refused> {
        let fingerprint = token.fingerprint(self.client.account());
        let before = self.read(&fingerprint).await?;
        let asked_at = (self.now)();
        let shown = self.look(token).await?;
        for _ in 0..MOST_RACES {
            // Read after the look: what others did until pass Culture answered is known.
            let stored = self.read(&fingerprint).await?;
            let unmoved = stored.as_ref().map(|row| row.moved_at) == before.as_ref().map(|row| row.moved_at);
            let memory = stored.as_ref().map(|row| {
                let memory = Memory { venue: row.venue_id, asked: row.asked, done: row.done };
                memory.settled(&shown, unmoved.then(|| asked_at.saturating_sub(row.moved_at)))
            });
            match decide(deed, self.venue, memory.as_ref(), &shown) {
                Step::Call(deed) => {
                    // A look that names the venue outweighs the memory of another's.
                    let known = memory.filter(|memory| memory.venue == self.venue).unwrap_or(Memory {
                        venue: self.venue,
                        asked: None,
                        done: None,
                    });
                    let intent = Memory { asked: Some(deed), ..known };
                    if let Some(intent) = self.write(&fingerprint, stored.as_ref(), &intent).await? {
                        let booking = match &shown {
                            Shown::Valid(booking) => booking.booked(),
                            Shown::Refused(_) => None,
                        };
                        let call = Call { token, deed, known, intent, booking };
                        return self.call(&call).await.map(|redeemed| with_booking(redeemed, &shown));
                    }
                }
                step => {
                    self.remember(&fingerprint, stored.as_ref(), memory, &shown).await;
                    return answer(step).map(|redeemed| with_booking(redeemed, &shown));
                }
            }
        }
        Err(Refusal::Contended.into())
    }

    /// Asks pass Culture to do what the intent says, which is stored.
    async fn call(&self, call: &Call<'_>) -> Result<Redeemed, Refused> {
        let Call { token, deed, known, intent, booking } = call;
        let client = self.client.with_policy(MOVING);
        // Before the call: pass Culture may tell of the cancellation before it answers.
        let own = booking.filter(|_| *deed == Deed::Cancel);
        if let Some(own) = own {
            self.store.cancels_itself(self.client.account(), own, (self.now)()).await?;
        }
        let step = match client.move_countermark(token, *deed).await {
            Ok(Moved::Done) => Step::Tell { state: State::after(*deed), already: false },
            Ok(Moved::Refused { refusal, after_lost }) => {
                // Done by a request that ran beside this one? It may not have written yet that it is done; that it asked after
                // us stands there.
                let moved = |row: &CountermarkRow| row.moved_at != intent.moved_at;
                let same = |row: CountermarkRow| row.asked == Some(*deed) || row.done == Some(*deed);
                let beside = self.read(&intent.fingerprint).await?.filter(moved).is_some_and(same);
                let by_us = after_lost || beside || known.has(*deed);
                if *deed == Deed::Keep && refusal == TokenRefusal::NotUsed {
                    let shown = self.look(token).await?;
                    after_nothing_to_keep(self.venue, &shown, by_us, after_lost)
                } else {
                    after_refusal(*deed, refusal, by_us, after_lost)
                }
            }
            Err(error) => {
                // What was surely not done was not asked either.
                if !matches!(error, SendError::AnswerLost(_)) {
                    self.close(intent, known.asked).await;
                    self.kept(own).await;
                }
                return Err(refused(error.error(), (self.now)()));
            }
        };
        match step {
            Step::Tell { .. } => self.done(intent, *deed).await,
            Step::Refuse(_) | Step::Call(_) => {
                self.close(intent, None).await;
                self.kept(own).await;
            }
        }
        answer(step)
    }

    /// It was not cancelled by us: should it be by its beneficiary, that is told as his doing.
    async fn kept(&self, own: Option<BookedAt>) {
        let Some(own) = own else { return };
        if let Err(error) = self.store.kept_after_all(self.client.account(), own).await {
            tracing::warn!(%error, "that a booking was not cancelled could not be stored");
        }
    }

    async fn look(&self, token: &Token) -> Result<Shown, Refused> {
        let client = self.client.with_policy(LOOKING);
        client.countermark(token).await.map_err(|error| refused(&error, (self.now)()))
    }

    async fn read(&self, fingerprint: &str) -> Result<Option<CountermarkRow>, StoreError> {
        self.store.countermark(self.client.account(), fingerprint).await
    }

    /// The row as written; `None` when somebody else moved it first.
    async fn write(
        &self,
        fingerprint: &str,
        stored: Option<&CountermarkRow>,
        memory: &Memory,
    ) -> Result<Option<CountermarkRow>, StoreError> {
        let read_at = stored.map(|row| row.moved_at);
        let now = (self.now)();
        let row = CountermarkRow {
            account: self.client.account().to_owned(),
            fingerprint: fingerprint.to_owned(),
            venue_id: memory.venue,
            asked: memory.asked,
            done: memory.done,
            // Rises with each move, but for one that a wrong clock dated.
            moved_at: read_at
                .filter(|read_at| !clock::is_ahead(*read_at, 0, now))
                .map_or(now, |read_at| now.max(read_at.saturating_add(1))),
        };
        Ok(self.store.save_countermark(read_at, &row).await?.then_some(row))
    }

    /// Keeps what a look told: whose it is, and what became of what was asked. Not worth failing for.
    async fn remember(
        &self,
        fingerprint: &str,
        stored: Option<&CountermarkRow>,
        memory: Option<Memory>,
        shown: &Shown,
    ) {
        let venue = match shown {
            Shown::Valid(booking) => Some(booking.venue_id),
            Shown::Refused(_) => memory.map(|memory| memory.venue),
        };
        let Some(venue) = venue else { return };
        // Another venue's countermark leaves no trace, but a row that says otherwise is corrected.
        if stored.is_none() && venue != self.venue {
            return;
        }
        let memory = match memory {
            Some(memory) if memory.venue == venue => memory,
            _ => Memory { venue, asked: None, done: None },
        };
        let fresh = |row: &CountermarkRow| {
            row.venue_id == memory.venue
                && row.asked == memory.asked
                && row.done == memory.done
                && (self.now)().saturating_sub(row.moved_at) < TOUCHED_EVERY
        };
        if stored.is_some_and(fresh) {
            return;
        }
        if let Err(error) = self.write(fingerprint, stored, &memory).await {
            tracing::warn!(%error, "what a countermark showed could not be remembered");
        }
    }

    /// Writes that it is done. When that fails it stays asked, which tells a repeat the same.
    async fn done(&self, intent: &CountermarkRow, deed: Deed) {
        for _ in 0..MOST_RACES {
            let written = async {
                let Some(row) = self.read(&intent.fingerprint).await? else { return Ok(true) };
                let asked = row.asked.filter(|asked| *asked != deed);
                let memory = Memory { venue: row.venue_id, asked, done: Some(deed) };
                Ok(self.write(&intent.fingerprint, Some(&row), &memory).await?.is_some())
            };
            match written.await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    let error: StoreError = error;
                    tracing::warn!(%error, "what was done with a countermark could not be stored; it stays asked");
                    return;
                }
            }
        }
    }

    /// Writes that nothing of the intent is open, unless somebody else moved the row meanwhile.
    async fn close(&self, intent: &CountermarkRow, asked: Option<Deed>) {
        let memory = Memory { venue: intent.venue_id, asked, done: intent.done };
        if let Err(error) = self.write(&intent.fingerprint, Some(intent), &memory).await {
            tracing::warn!(%error, "the end of a countermark's request could not be stored");
        }
    }
}

/// A change that is about to be asked for.
struct Call<'a> {
    token: &'a Token,
    deed: Deed,
    /// What was remembered before the intent.
    known: Memory,
    /// The intent as stored.
    intent: CountermarkRow,
    /// Which booking it is, when pass Culture shows it.
    booking: Option<BookedAt>,
}

fn answer(step: Step) -> Result<Redeemed, Refused> {
    match step {
        Step::Tell { state, already } => Ok(Redeemed { state, already, booking: None }),
        Step::Refuse(refusal) => Err(refusal.into()),
        // Nothing that is answered asks for another call.
        Step::Call(_) => Err(Refusal::UnclearAnswer.into()),
    }
}

fn with_booking(redeemed: Redeemed, shown: &Shown) -> Redeemed {
    let booking = match shown {
        Shown::Valid(booking) => Some(booking.clone()),
        Shown::Refused(_) => None,
    };
    Redeemed { booking, ..redeemed }
}

/// pass Culture did not answer as asked.
fn refused(error: &NorthError, now: Millis) -> Refused {
    let refusal = match (error.class, error.code) {
        (Class::RateLimited, _) => Refusal::Throttled,
        (Class::Auth | Class::Settings, _) => Refusal::AccountRefused,
        (_, "Timeout" | "ServerTimeout") => Refusal::TooSlow,
        (_, "BudgetUnavailable") => Refusal::StoreUnavailable,
        (Class::Transient, _) => Refusal::Unreachable,
        _ => Refusal::UnclearAnswer,
    };
    // Neither the error nor its operation names the countermark.
    tracing::warn!(code = error.code, answer = refusal.code(), %error, "pass Culture did not answer about a countermark");
    let refused = Refused::from(refusal);
    let said =
        error.retry_at.map(|at| at.saturating_sub(now).div_euclid(1_000).saturating_add(1).clamp(1, LONGEST_WAIT));
    let said = said.and_then(|seconds| u32::try_from(seconds).ok());
    Refused { retry_after: refused.retry_after.map(|usual| said.unwrap_or(usual)), ..refused }
}
