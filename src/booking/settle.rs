//! Drives every unfinished booking to a truth: held by pass Culture, void at the vendor, or in front of a person.
//!
//! Level-triggered: a booking that waits for something has a `due_at`, and whoever claims it first works on it. Runs in
//! `serve` every second and as a command; any number may run beside each other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use passerelle_contract::{Adapter, Deadline, FindOutcome, Look};

use super::cancel::Voided;
use super::keeper::{Applied, Keeper, ticket_rows};
use super::machine::Happening;
use super::order::StoredOrder;
use super::{Desk, line};
use crate::passculture::BookingStatus;
use crate::store::bookings::{BookingRow, BookingState, StoredBooking, TicketState};
use crate::store::{Millis, StoreError, is_dead};

mod listed;

/// Bookings settled at once in one process, over all connections.
const AT_ONCE: usize = 8;
/// Bookings looked at in one round.
const A_ROUND: u32 = 200;
/// Rounds of one settling: a booking takes at most a handful of steps.
const MOST_ROUNDS: usize = 40;
/// Steps of one booking in one settling that ignores waiting times.
const MOST_STEPS: u32 = 8;
/// What a vendor is given to answer.
const VENDOR_TIME: Duration = Duration::from_secs(10);
/// A claimed booking is due again after this, should its worker die.
const CLAIMED_FOR: Duration = Duration::from_secs(60);
/// A call of a process that is alive is left to it for so long, even when waiting times are ignored.
const LEFT_ALONE: Millis = 45_000;

/// How often calls under way are looked at while somebody waits for their end.
const CALL_LOOK: Duration = Duration::from_millis(200);

/// Are waiting times kept?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// Only what is due.
    Kept,
    /// Everything that waits for something, now.
    Ignored,
}

/// A booking that was worked on.
#[derive(Clone, Debug)]
pub struct Settled {
    /// As it was.
    pub before: BookingRow,
    /// As it is now.
    pub after: StoredBooking,
}

/// Is the vendor being called for this booking by a process that lives?
fn left_alone(row: &BookingRow, now: Millis) -> bool {
    let calling = matches!(row.state, BookingState::Calling | BookingState::Abandoned);
    calling && !is_dead(&row.owner) && now.saturating_sub(row.created_at) < LEFT_ALONE
}

fn no_adapter(why: &str) -> String {
    format!("NoAdapter: the connection does not work: {why}")
}

impl Desk {
    /// Settles what is due, or everything that waits.
    ///
    /// # Errors
    /// When the store fails. What vendors and pass Culture answer is no error here: it is written into the bookings.
    pub async fn settle(&self, waits: Waits) -> Result<Vec<Settled>, StoreError> {
        let mut settled: Vec<Settled> = Vec::new();
        let mut steps: HashMap<String, u32> = HashMap::new();
        let mut resting: HashSet<String> = HashSet::new();
        for _ in 0..MOST_ROUNDS {
            let mut todo = self.todo(waits).await?;
            todo.retain(|booking| {
                !resting.contains(&booking.row.reference)
                    && steps.get(&booking.row.reference).is_none_or(|done| *done < MOST_STEPS)
            });
            if todo.is_empty() {
                break;
            }
            // Taken anew each round, so that it is never older than what is compared with it.
            let lists = &listed::Lists::of(&todo);
            let worked: Vec<(BookingRow, Result<Option<StoredBooking>, StoreError>)> = futures_util::stream::iter(todo)
                .map(|booking| async move {
                    let before = booking.row.clone();
                    (before, self.settle_one(booking, lists).await)
                })
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            for (before, result) in worked {
                *steps.entry(before.reference.clone()).or_default() += 1;
                match result? {
                    // Nothing moved, or somebody is not answering: not again in this settling.
                    None => drop(resting.insert(before.reference)),
                    Some(after) => {
                        // One look at the listing is enough; a vendor that is silent is not asked again at once.
                        let compared = matches!(before.state, BookingState::Booked | BookingState::Cancelled);
                        let silent = match before.state {
                            BookingState::Unknown => after.row.attempts == before.attempts,
                            _ => after.row.attempts != 0,
                        };
                        if after.row.state == before.state && (compared || silent) {
                            resting.insert(before.reference.clone());
                        }
                        settled.push(Settled { before, after });
                    }
                }
            }
        }
        Ok(settled)
    }

    /// Waits until the calls that are under way now have ended, or belong to nobody any more; later ones are not waited for.
    /// Takes at most 45 s: what a call of a living process is left alone for.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn calls_ended(&self) -> Result<(), StoreError> {
        let mut waited_for: Option<HashSet<String>> = None;
        loop {
            let now = self.now();
            let mut calls = self.store().open_calls(A_ROUND).await?;
            calls.retain(|call| left_alone(&call.row, now));
            let mut under_way: HashSet<String> = calls.into_iter().map(|call| call.row.reference).collect();
            if let Some(first) = &waited_for {
                under_way.retain(|reference| first.contains(reference));
            }
            if under_way.is_empty() {
                return Ok(());
            }
            waited_for = Some(under_way);
            tokio::time::sleep(CALL_LOOK).await;
        }
    }

    /// What is to be worked on now.
    async fn todo(&self, waits: Waits) -> Result<Vec<StoredBooking>, StoreError> {
        let now = self.now();
        let until = if waits == Waits::Ignored { Millis::MAX } else { now };
        let mut due = self.store().due_bookings(until, A_ROUND).await?;
        let calls = self.store().open_calls(A_ROUND).await?;
        let known: HashSet<String> = due.iter().map(|booking| booking.row.reference.clone()).collect();
        due.extend(calls.into_iter().filter(|call| !known.contains(&call.row.reference)));
        due.retain(|booking| !left_alone(&booking.row, now));
        Ok(due)
    }

    /// One step of one booking; `None` when nothing was done.
    async fn settle_one(
        &self,
        booking: StoredBooking,
        lists: &listed::Lists,
    ) -> Result<Option<StoredBooking>, StoreError> {
        let connection = booking.row.connection.clone();
        let date = StoredOrder::read(&booking.row).map(|order| order.date).unwrap_or_default();
        let adapter = self.inner.house.adapter(&connection, &date).await;
        let (keeper, adapter) = match adapter {
            Ok(adapter) => (self.keeper(booking, &adapter), Ok(adapter)),
            Err(why) => (Keeper::new(Arc::clone(&self.inner.store), booking, None, None, self.inner.now), Err(why)),
        };
        let row = keeper.seen().await.row;
        let calling = matches!(row.state, BookingState::Calling | BookingState::Abandoned);
        let claimed = self.now() + Millis::try_from(CLAIMED_FOR.as_millis()).unwrap_or(0);
        let owner = self.inner.owner.clone();
        // A dead call needs no claim: the move itself is the claim, and nothing is asked before it.
        let ours = calling
            || keeper
                .note(
                    row.version,
                    |next| {
                        next.owner = owner;
                        next.due_at = Some(claimed);
                    },
                    &[],
                    &[],
                )
                .await?;
        if !ours {
            return Ok(None);
        }
        match row.state {
            BookingState::Calling | BookingState::Abandoned => {
                let told = [line(self.now(), "settle", "the process that called the vendor is gone")];
                keeper.apply(&Happening::ProcessGone, &[], &told).await?;
            }
            BookingState::Unknown => self.look(&keeper, &row, adapter).await?,
            BookingState::Releasing => self.release_tickets(&keeper, adapter).await?,
            BookingState::Booked | BookingState::Cancelled => {
                if !self.doubt_is_settled(&keeper, adapter).await? {
                    return Ok(Some(keeper.seen().await));
                }
                let row = keeper.seen().await.row;
                self.compare(&keeper, &row, lists).await?;
            }
            // A lost sale that a person has on the list: it may turn out not to have happened.
            BookingState::Operator if keeper.seen().await.tickets.is_empty() => {
                self.look(&keeper, &row, adapter).await?;
            }
            BookingState::Refused | BookingState::Released | BookingState::Operator => {}
        }
        Ok(Some(keeper.seen().await))
    }

    /// Was it sold? The vendor is asked.
    async fn look(
        &self,
        keeper: &Keeper,
        row: &BookingRow,
        adapter: Result<Arc<dyn Adapter>, String>,
    ) -> Result<(), StoreError> {
        let adapter = match adapter {
            Ok(adapter) => adapter,
            Err(why) => return self.silent(keeper, &no_adapter(&why)).await,
        };
        let Some(stored) = StoredOrder::read(row) else {
            return self.silent(keeper, "NoOrder: what was ordered cannot be read back").await;
        };
        let Some(office) = adapter.box_office() else {
            return self.silent(keeper, "NoBoxOffice: the adapter sells nothing any more").await;
        };
        let order = stored.order(row, None);
        let looks = office.semantics().find_after.len();
        let last = row.attempts as usize + 1 >= looks || row.state == BookingState::Operator;
        let look = if last { Look::Last } else { Look::Early };
        let trace = row.trace.as_deref().unwrap_or("{}");
        let found = tokio::time::timeout(
            VENDOR_TIME + Duration::from_secs(2),
            office.find(&order, trace, look, Deadline::after(VENDOR_TIME)),
        )
        .await;
        let (happening, tickets, told) = match found {
            Ok(FindOutcome::Sold(tickets)) => {
                let told = format!("found sold: {} ticket(s), to be voided", tickets.len());
                (Happening::FoundSold, ticket_rows(&row.reference, &tickets), told)
            }
            Ok(FindOutcome::NotSold) => (Happening::FoundNotSold, Vec::new(), "found not sold".to_owned()),
            Ok(FindOutcome::Unclear(why)) => {
                let why = format!("Unclear: look for {} at the vendor: {why}", stored.sentence(row.quantity));
                (Happening::FoundUnclear(why.clone()), Vec::new(), why)
            }
            Ok(FindOutcome::NotAsked(error)) => {
                let why = format!("{}: {}: {}", error.code, error.operation, error.context);
                (Happening::VendorSilent(why.clone()), Vec::new(), why)
            }
            Err(_) => return self.silent(keeper, "NoAnswer: the vendor did not answer in time").await,
        };
        let events = [line(self.now(), "settle", told)];
        match keeper.apply(&happening, &tickets, &events).await? {
            Applied::Moved | Applied::Nothing => Ok(()),
            Applied::BarcodeTaken => {
                let why = format!("BarcodeTaken: look for {} at the vendor", stored.sentence(row.quantity));
                // No look can settle this one: straight to a person.
                for _ in 0..looks {
                    keeper.apply(&Happening::FoundUnclear(why.clone()), &[], &[]).await?;
                }
                Ok(())
            }
        }
    }

    async fn silent(&self, keeper: &Keeper, why: &str) -> Result<(), StoreError> {
        let events = [line(self.now(), "settle", why)];
        keeper.apply(&Happening::VendorSilent(why.to_owned()), &[], &events).await.map(drop)
    }

    /// Its tickets go back to the vendor.
    async fn release_tickets(
        &self,
        keeper: &Keeper,
        adapter: Result<Arc<dyn Adapter>, String>,
    ) -> Result<(), StoreError> {
        let adapter = match adapter {
            Ok(adapter) => adapter,
            Err(why) => return self.silent(keeper, &no_adapter(&why)).await,
        };
        let why = line(self.now(), "settle", "its tickets are voided at the vendor");
        let happening = match self.void(keeper, &adapter, None, Deadline::after(VENDOR_TIME), why).await? {
            Voided::All => Happening::AllVoid,
            Voided::Kept(why) => Happening::TicketKept(why),
            Voided::Nothing(why) | Voided::Doubt(why) => Happening::VendorSilent(why),
        };
        keeper.apply(&happening, &[], &[]).await?;
        if happening == Happening::AllVoid {
            self.learn_places(keeper, &adapter).await;
        }
        Ok(())
    }

    /// What the vendor has left now is told to pass Culture by the next push.
    async fn learn_places(&self, keeper: &Keeper, adapter: &Arc<dyn Adapter>) {
        let row = keeper.seen().await.row;
        let (Some(stored), Some(office)) = (StoredOrder::read(&row), adapter.box_office()) else { return };
        let order = stored.order(&row, None);
        let asked = tokio::time::timeout(VENDOR_TIME, office.remaining(&order, Deadline::after(VENDOR_TIME))).await;
        if let Ok(Ok(left)) = asked
            && let Err(error) =
                self.store().touch_date(&row.connection, &stored.event, &stored.date, left, false, self.now()).await
        {
            tracing::warn!(%error, "places left were not remembered; the next pass reads them");
        }
    }

    /// Does pass Culture have it? Its listing is asked.
    async fn compare(&self, keeper: &Keeper, row: &BookingRow, lists: &listed::Lists) -> Result<(), StoreError> {
        let happening = match self.listed(row, lists).await {
            Ok(Some(BookingStatus::Cancelled)) => Happening::ListedCancelled,
            Ok(Some(_)) => {
                let begins = StoredOrder::read(row).map_or(0, |order| order.starts_at);
                Happening::ListedLive { to_come: begins > self.now() }
            }
            Ok(None) => Happening::NotListed,
            Err(why) => Happening::NotAsked(why),
        };
        let told = match &happening {
            Happening::ListedLive { .. } => "pass Culture's listing has it".to_owned(),
            Happening::ListedCancelled => "pass Culture's listing has it, cancelled".to_owned(),
            Happening::NotListed => "pass Culture's listing does not have it".to_owned(),
            Happening::NotAsked(why) => format!("pass Culture could not be asked: {why}"),
            _ => String::new(),
        };
        // That all is as it was is told once.
        let news = !(row.confirmed && matches!(happening, Happening::ListedLive { .. }));
        let events = [line(self.now(), "settle", told)];
        keeper.apply(&happening, &[], if news { &events } else { &[] }).await.map(drop)
    }

    /// A person asks for a booking's tickets to be voided, or says that it is dealt with. False when there is no such booking
    /// or nothing to do about it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn release(&self, reference: &str, note: Option<&str>) -> Result<Option<StoredBooking>, StoreError> {
        let Some(booking) = self.store().booking(reference).await? else { return Ok(None) };
        let live = booking.tickets.iter().any(|ticket| ticket.state != TicketState::Void);
        let keeper = Keeper::new(Arc::clone(&self.inner.store), booking, None, None, self.inner.now);
        let happening = match note {
            Some(note) => Happening::ClosedByHand(format!("ClosedByHand: {note}")),
            None if live => Happening::ReleaseAsked,
            None => Happening::ClosedByHand("ClosedByHand: an operator looked and no seat is held".into()),
        };
        let told = [line(self.now(), "operator", "an operator decided")];
        match keeper.apply(&happening, &[], &told).await? {
            Applied::Moved => Ok(Some(keeper.seen().await)),
            Applied::Nothing | Applied::BarcodeTaken => Ok(None),
        }
    }
}
