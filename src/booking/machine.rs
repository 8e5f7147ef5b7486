//! What may happen to a booking, and what follows: the state machine, apart from everything that acts.
//!
//! ```text
//!            ┌── refused ───────────────► Refused
//!  Calling ──┼── sold ──► Booked ── pass Culture cancels ──► Cancelled
//!     │      └── unknown ► Unknown ── found ► Releasing        ▲ (pass Culture had it)
//!  time up                   │ never clear                     │
//!     ▼                      ▼                                 │
//!  Abandoned ── sold late ► Releasing ─────── tickets void ────┴──► Released
//!                            Operator ◄── the vendor keeps a ticket
//! ```
//!
//! Pure: no clock, no store, no vendor. Every row that has something left to do has a `due_at`; every other has none.
//!
//! Invariant: a row that pass Culture was told *failed* never becomes `Booked`, and a row that can have sold a seat never
//! ends without its tickets void, held by pass Culture, or in front of a person.

use std::time::Duration;

use passerelle_contract::{Quantity, Refusal, Semantics};

use crate::store::Millis;
use crate::store::bookings::{BookingRow, BookingState, LONGEST_WAIT};

/// A call to a vendor ends by then, whatever happens: 6 s to decide, 20 s for a late answer, and slack. A row still in
/// `Calling` after it has lost its process.
pub const LONGEST_CALL: Duration = Duration::from_secs(45);
/// pass Culture saves a booking after our answer; its listing says nothing before ("do not do it earlier").
pub const LISTED_AFTER: Duration = Duration::from_secs(120);
/// A booking that pass Culture has is looked at again after this, until its show begins: deleting a date cancels its bookings and
/// tells nobody.
pub const LISTED_AGAIN_AFTER: Duration = LONGEST_WAIT;
/// How long an orphaned seat waits for the same person to press the button again before it is freed.
pub const ADOPTION_GRACE: Duration = Duration::from_secs(20);
/// Tries to void a ticket before a person is called. The trying goes on.
const TRIES_BEFORE_A_PERSON: u32 = 6;
/// Tries to read pass Culture's listing before a person is called: about a day of them. While it is down nobody can do anything
/// about one booking.
const ASKS_BEFORE_A_PERSON: u32 = 100;
/// A lost sale that the vendor says nothing about is shown to a person after this: as long as the last look of the slowest vendor
/// waits. The asking goes on.
const SILENCE_BEFORE_A_PERSON: Duration = Duration::from_secs(3_600);
/// A lost sale in front of a person is looked for again so often, so many times: what turns out not to have happened leaves the
/// list by itself.
const LOOKED_FOR_AGAIN_AFTER: Duration = Duration::from_secs(24 * 3600);
const LOOKS_BESIDE_A_PERSON: u32 = 30;
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);
const NOT_ASKED: &str = "NotAsked: pass Culture's listing could not be read for a day; check the account's key and whether pass Culture works";
const NOT_LISTED_ANY_MORE: &str =
    "NotListedAnyMore: pass Culture's listing had it and has it no more; ask pass Culture";
const VOID_BUT_BOOKED: &str = "VoidButBooked: the ticket is void at the venue and pass Culture still counts it; ask the beneficiary to cancel again, or the venue to cancel in its portal";
/// The first pause.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// Something that happened to a booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The vendor sold. Places left afterwards.
    Sold {
        /// For beneficiaries, at the vendor.
        remaining: Quantity,
    },
    /// The vendor said no.
    Refused(Refusal),
    /// Provably nothing was sold: code and sentence.
    NotSold(String),
    /// Nobody knows: code and sentence. `sold_some` when tickets came back that must be voided.
    Unknown {
        /// Why.
        why: String,
        /// Tickets came back although the sale is not what was asked for.
        sold_some: bool,
    },
    /// The time that pass Culture gives is over, and it was told that the booking failed.
    TimeUp,
    /// The answer could not be given in time although the sale is stored.
    AnsweredTooLate,
    /// The process that called the vendor is gone.
    ProcessGone,
    /// A look at the vendor found the sale.
    FoundSold,
    /// A look at the vendor found that there was none.
    FoundNotSold,
    /// A look at the vendor made nothing clear.
    FoundUnclear(String),
    /// The vendor could not be asked or told.
    VendorSilent(String),
    /// Every ticket is void.
    AllVoid,
    /// The vendor keeps a ticket for good.
    TicketKept(String),
    /// pass Culture's listing has the booking, live.
    ListedLive {
        /// Its show has not begun: pass Culture may still cancel it without a word.
        to_come: bool,
    },
    /// pass Culture's listing has it, cancelled.
    ListedCancelled,
    /// pass Culture's complete listing does not have it.
    NotListed,
    /// pass Culture could not be asked.
    NotAsked(String),
    /// The vendor was asked which tickets of a booking are void, and none is in doubt any more.
    DoubtOver,
    /// pass Culture asked to cancel, and all tickets are void now.
    CancelDone,
    /// pass Culture asked to cancel, and was told that it did not work; whether the vendor voided something is not known, or is
    /// known too late.
    CancelInDoubt(String),
    /// Another attempt of the same person took the tickets over.
    AdoptedBy(String),
    /// A person says that it is dealt with.
    ClosedByHand(String),
    /// A person asks for the tickets to be voided.
    ReleaseAsked,
}

/// The row after something happened; `None` when that changes nothing in its state.
///
/// `semantics` is none while there is no adapter to ask (a secret cannot be read): that says nothing of what the vendor can
/// tell. `tickets_live` tells whether the row has a ticket that is good for a seat (or may be).
#[must_use]
pub fn after(
    row: &BookingRow,
    happening: &Happening,
    semantics: Option<Semantics>,
    tickets_live: bool,
    now: Millis,
) -> Option<BookingRow> {
    use BookingState::{Abandoned, Booked, Calling, Cancelled, Operator, Refused, Released, Releasing, Unknown};
    use Happening as H;

    let to = |state: BookingState, due: Option<Duration>, reason: Option<String>| BookingRow {
        state,
        due_at: due.map(|wait| now.saturating_add(millis(wait))),
        reason,
        attempts: 0,
        needs_human: state == Operator,
        ..row.clone()
    };
    let again = |why: &str, person: bool| BookingRow {
        attempts: row.attempts.saturating_add(1),
        due_at: Some(now.saturating_add(millis(pause(row.attempts)))),
        needs_human: row.needs_human || person || row.attempts.saturating_add(1) >= TRIES_BEFORE_A_PERSON,
        reason: Some(why.to_owned()),
        ..row.clone()
    };
    // What stands in the row stays: that somebody could not be asked says nothing about the booking.
    let asked_in_vain = |most: u32| BookingRow {
        attempts: row.attempts.saturating_add(1),
        due_at: Some(now.saturating_add(millis(pause(row.attempts)))),
        needs_human: row.needs_human || row.attempts.saturating_add(1) >= most,
        ..row.clone()
    };
    let not_asked = || {
        let next = asked_in_vain(ASKS_BEFORE_A_PERSON);
        let reason = if next.needs_human { next.reason.or_else(|| Some(NOT_ASKED.to_owned())) } else { next.reason };
        BookingRow { reason, ..next }
    };
    // Said of asking, not of the ticket: over once pass Culture answers.
    let lasting = || row.reason.clone().filter(|reason| reason != NOT_ASKED && reason != NOT_LISTED_ANY_MORE);
    let look = |why: &str| match semantics {
        // Whoever keeps the row tells the vendor, with this very move, to void what it may have sold.
        Some(known) if known.told_of_lost_sales => to(Released, None, Some(why.to_owned())),
        None => to(Unknown, Some(pause(0)), Some(why.to_owned())),
        Some(known) => match find_wait(known, 0) {
            Some(wait) => to(Unknown, Some(wait), Some(why.to_owned())),
            None => to(Operator, None, Some(why.to_owned())),
        },
    };

    let next = match (row.state, happening) {
        (Calling, H::Sold { remaining }) => {
            BookingRow { remaining: Some(*remaining), ..to(Booked, Some(LISTED_AFTER), None) }
        }
        (Abandoned, H::Sold { remaining }) => BookingRow {
            remaining: Some(*remaining),
            ..to(
                Releasing,
                Some(ADOPTION_GRACE),
                Some("SoldTooLate: the vendor sold after pass Culture was told no".into()),
            )
        },
        (Calling | Abandoned, H::Refused(refusal)) => {
            let (remaining, why) = told(*refusal);
            BookingRow { remaining: Some(Quantity::Exactly(remaining)), ..to(Refused, None, Some(why.to_owned())) }
        }
        (Calling | Abandoned, H::NotSold(why)) => to(Refused, None, Some(why.clone())),
        (Calling | Abandoned, H::Unknown { why, sold_some: true }) => {
            to(Releasing, Some(Duration::ZERO), Some(why.clone()))
        }
        (Calling | Abandoned, H::Unknown { why, sold_some: false }) => look(why),
        (Calling, H::TimeUp) => to(
            Abandoned,
            Some(LONGEST_CALL),
            Some("TimeUp: the vendor had not answered when pass Culture's time was over".into()),
        ),
        // Without a trace the adapter had not come to the step that sells.
        (Calling | Abandoned, H::ProcessGone) if row.trace.is_none() => {
            to(Refused, None, Some("InterruptedBeforeSale: the gateway stopped before anything could be sold".into()))
        }
        (Calling | Abandoned, H::ProcessGone) => {
            look("InterruptedDuringSale: the gateway stopped while the vendor was selling")
        }

        (Unknown, H::FoundSold) => to(Releasing, Some(Duration::ZERO), row.reason.clone()),
        (Unknown, H::FoundNotSold) => {
            to(Refused, None, Some("FoundNotSold: a later look at the vendor shows that nothing was sold".into()))
        }
        (Unknown, H::FoundUnclear(why)) => {
            match semantics.and_then(|known| find_wait(known, row.attempts as usize + 1)) {
                Some(wait) => BookingRow { attempts: row.attempts + 1, ..to(Unknown, Some(wait), Some(why.clone())) },
                None => to(Operator, Some(LOOKED_FOR_AGAIN_AFTER), Some(why.clone())),
            }
        }
        (Operator, H::FoundSold) => to(Releasing, Some(Duration::ZERO), row.reason.clone()),
        (Operator, H::FoundNotSold) => {
            to(Refused, None, Some("FoundNotSold: a later look at the vendor shows that nothing was sold".into()))
        }
        (Operator, H::FoundUnclear(_) | H::VendorSilent(_)) => {
            let attempts = row.attempts.saturating_add(1);
            let due = (attempts < LOOKS_BESIDE_A_PERSON).then_some(LOOKED_FOR_AGAIN_AFTER);
            BookingRow { attempts, ..to(Operator, due, row.reason.clone()) }
        }
        // Attempts of an unknown sale are looks that were answered: silence brings none nearer to the last one.
        (Unknown, H::VendorSilent(why)) => {
            let since = Duration::from_millis(u64::try_from(now.saturating_sub(row.created_at)).unwrap_or(0));
            BookingRow {
                due_at: Some(now.saturating_add(millis(since.clamp(FIRST_PAUSE, LONGEST_PAUSE)))),
                needs_human: row.needs_human || since >= SILENCE_BEFORE_A_PERSON,
                reason: Some(why.clone()),
                ..row.clone()
            }
        }
        (Releasing, H::VendorSilent(why)) => again(why, false),

        (Releasing, H::AllVoid) if row.confirmed => to(Cancelled, None, row.reason.clone()),
        (Releasing, H::AllVoid) => to(Released, None, row.reason.clone()),
        (Releasing, H::TicketKept(why)) => to(Operator, None, Some(why.clone())),
        (Releasing, H::AdoptedBy(reference)) => {
            to(Released, None, Some(format!("Adopted: its seats went to the next attempt, {reference}")))
        }

        (Booked, H::AnsweredTooLate) => to(
            Releasing,
            Some(ADOPTION_GRACE),
            Some("AnsweredTooLate: the sale was stored too late to be told to pass Culture".into()),
        ),
        (Booked, H::ListedLive { to_come }) if tickets_live => {
            // After a cancellation in doubt the ticket may be void although pass Culture still counts it.
            let reason = lasting();
            let again = to_come.then_some(LISTED_AGAIN_AFTER);
            BookingRow { confirmed: true, needs_human: reason.is_some(), ..to(Booked, again, reason) }
        }
        // Looked at again: the venue or the beneficiary may put it right at pass Culture.
        (Booked, H::ListedLive { to_come }) => {
            let again = to_come.then_some(LISTED_AGAIN_AFTER);
            BookingRow { confirmed: true, needs_human: true, ..to(Booked, again, Some(VOID_BUT_BOOKED.into())) }
        }
        (Booked, H::ListedCancelled) if tickets_live => BookingRow {
            confirmed: true,
            ..to(
                Releasing,
                Some(Duration::ZERO),
                Some("CancelledSilently: pass Culture's listing shows it cancelled and nobody told us".into()),
            )
        },
        (Booked, H::ListedCancelled) => BookingRow { confirmed: true, ..to(Cancelled, None, None) },
        // It was there once: nothing that we know of takes a booking out of the listing.
        (Booked, H::NotListed) if row.confirmed && tickets_live => {
            BookingRow { needs_human: true, ..to(Booked, Some(LISTED_AGAIN_AFTER), Some(NOT_LISTED_ANY_MORE.into())) }
        }
        (Booked, H::NotListed) if tickets_live => to(
            Releasing,
            Some(Duration::ZERO),
            Some("NotListed: pass Culture's listing does not have it; our answer did not arrive".into()),
        ),
        (Booked, H::NotListed) => to(Cancelled, None, None),
        (Booked | Cancelled, H::NotAsked(_)) => not_asked(),
        // Which of its tickets are void is asked, and the vendor does not answer.
        (Booked, H::VendorSilent(_)) => asked_in_vain(TRIES_BEFORE_A_PERSON),
        // A look at the vendor shows that no ticket is in doubt.
        (Booked, H::DoubtOver) => BookingRow { needs_human: false, reason: None, ..row.clone() },
        // Whether pass Culture heard of it is seen in its listing: a process may die between this and the answer.
        (Booked | Cancelled, H::CancelDone) => to(Cancelled, Some(LISTED_AFTER), None),
        (Booked, H::CancelInDoubt(why)) => {
            BookingRow { reason: Some(why.clone()), ..to(Booked, Some(LISTED_AFTER), None) }
        }
        (Booked | Operator | Unknown, H::ReleaseAsked) if tickets_live => to(
            Releasing,
            Some(Duration::ZERO),
            Some("ReleasedByHand: an operator asked for its tickets to be voided".into()),
        ),
        // What is void stays void; only pass Culture may still count it.
        (Cancelled, H::CancelInDoubt(why)) => to(Cancelled, Some(LISTED_AFTER), Some(why.clone())),
        (Cancelled, H::ListedLive { to_come }) => {
            let again = to_come.then_some(LISTED_AGAIN_AFTER);
            BookingRow { confirmed: true, needs_human: true, ..to(Cancelled, again, Some(VOID_BUT_BOOKED.into())) }
        }
        (Cancelled, H::ListedCancelled | H::NotListed) => to(Cancelled, None, None),
        (Operator, H::CancelDone) => to(Cancelled, Some(LISTED_AFTER), None),
        (Releasing, H::CancelDone) => to(Released, None, row.reason.clone()),
        (Operator | Unknown, H::ClosedByHand(why)) => to(Released, None, Some(why.clone())),
        (Cancelled, H::ClosedByHand(why)) if row.needs_human => to(Cancelled, None, Some(why.clone())),
        (Booked, H::ClosedByHand(why)) if row.needs_human => {
            BookingRow { confirmed: true, ..to(Booked, None, Some(why.clone())) }
        }
        _ => return None,
    };
    Some(BookingRow { moved_at: now, ..next })
}

/// What pass Culture is told of a refusal, and why.
const fn told(refusal: Refusal) -> (u32, &'static str) {
    match refusal {
        Refusal::SoldOut => (0, "SoldOut: the vendor has no place left"),
        Refusal::NotEnough { remaining } => (remaining, "NotEnough: fewer places are left than were asked for"),
        Refusal::ShowGone => (0, "ShowGone: the vendor does not have this show any more"),
        Refusal::NoTariff => (0, "NoTariff: the vendor has no pass Culture tariff for this show any more"),
        Refusal::SalesClosed => (0, "SalesClosed: the vendor's sale for this show is over"),
    }
}

fn find_wait(semantics: Semantics, attempt: usize) -> Option<Duration> {
    let waits = semantics.find_after;
    let before = attempt.checked_sub(1).and_then(|index| waits.get(index)).copied().unwrap_or_default();
    waits.get(attempt).map(|wait| wait.saturating_sub(before))
}

/// The pause before the next try, growing.
fn pause(attempts: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << attempts.min(12)).min(LONGEST_PAUSE)
}

pub(super) fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}

impl BookingRow {
    /// The stable code at the head of the reason.
    #[must_use]
    pub fn reason_code(&self) -> Option<&str> {
        self.reason.as_deref().map(|reason| reason.split(':').next().unwrap_or(reason))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::Owner;

    const FIND: Semantics = Semantics {
        find_after: &[Duration::from_secs(30), Duration::from_secs(300)],
        finds_lost_sales: false,
        told_of_lost_sales: false,
        cancels: passerelle_contract::CancelUnit::Ticket,
        barcodes_unique: passerelle_contract::BarcodeScope::Connection,
        sale_needs: Duration::from_secs(1),
    };

    fn row(state: BookingState, trace: Option<&str>) -> BookingRow {
        BookingRow {
            reference: "R".into(),
            connection: "c".into(),
            account: "default".into(),
            fingerprint: "f".into(),
            wish: "w".into(),
            stock_id: 1,
            offer_id: 1,
            quantity: 1,
            order: "{}".into(),
            state,
            trace: trace.map(str::to_owned),
            remaining: None,
            reason: None,
            needs_human: false,
            confirmed: false,
            owner: Owner { id: "o".into(), host: "h".into(), pid: 1, started: 1, purpose: "p".into() },
            due_at: None,
            attempts: 0,
            created_at: 0,
            moved_at: 0,
            version: 1,
        }
    }

    fn state_after(from: BookingState, happening: Happening) -> Option<BookingState> {
        after(&row(from, Some("{}")), &happening, Some(FIND), true, 1_000).map(|row| row.state)
    }

    #[test]
    fn who_is_first_at_the_deadline_decides() {
        assert_eq!(
            state_after(BookingState::Calling, Happening::Sold { remaining: Quantity::Exactly(3) }),
            Some(BookingState::Booked)
        );
        assert_eq!(state_after(BookingState::Booked, Happening::TimeUp), None);
        assert_eq!(
            state_after(BookingState::Abandoned, Happening::Sold { remaining: Quantity::Exactly(3) }),
            Some(BookingState::Releasing)
        );
    }

    #[test]
    fn a_process_that_died_before_the_sale_sold_nothing() {
        let died =
            |trace| after(&row(BookingState::Calling, trace), &Happening::ProcessGone, Some(FIND), false, 0).unwrap();
        assert_eq!(died(None).state, BookingState::Refused);
        assert_eq!((died(Some("{}")).state, died(Some("{}")).due_at), (BookingState::Unknown, Some(30_000)));
    }

    #[test]
    fn an_unknown_sale_is_looked_for_as_often_as_the_vendor_can_tell_and_then_shown_to_a_person() {
        let unclear = Happening::FoundUnclear("Look: seat F12".into());
        let first = after(&row(BookingState::Unknown, Some("{}")), &unclear, Some(FIND), false, 0).unwrap();
        assert_eq!((first.state, first.due_at), (BookingState::Unknown, Some(270_000)));
        let second = after(&first, &unclear, Some(FIND), false, 0).unwrap();
        let tomorrow = Some(millis(LOOKED_FOR_AGAIN_AFTER));
        assert_eq!((second.state, second.needs_human, second.due_at), (BookingState::Operator, true, tomorrow));
    }

    #[test]
    fn what_is_found_not_to_have_happened_leaves_the_list_by_itself() {
        let listed = BookingRow { needs_human: true, ..row(BookingState::Operator, Some("{}")) };
        let cleared = after(&listed, &Happening::FoundNotSold, Some(FIND), false, 0).unwrap();
        assert_eq!((cleared.state, cleared.needs_human, cleared.due_at), (BookingState::Refused, false, None));
        let mut current = listed;
        for _ in 0..LOOKS_BESIDE_A_PERSON {
            assert_ne!(current.due_at, Some(0));
            current = after(&current, &Happening::FoundUnclear("X: y".into()), Some(FIND), false, 0).unwrap();
            assert!(current.needs_human);
        }
        assert_eq!(current.due_at, None);
    }

    #[test]
    fn a_listing_that_was_down_for_an_hour_puts_no_booking_on_the_list() {
        let mut current = row(BookingState::Booked, Some("{}"));
        let mut now = 0;
        while now < 3_600_000 {
            current = after(&current, &Happening::NotAsked("VendorDown: …".into()), Some(FIND), true, now).unwrap();
            now = current.due_at.unwrap();
            assert!(!current.needs_human && current.reason.is_none(), "{current:?}");
        }
        for _ in 0..ASKS_BEFORE_A_PERSON {
            current = after(&current, &Happening::NotAsked("VendorDown: …".into()), Some(FIND), true, now).unwrap();
        }
        assert_eq!((current.needs_human, current.reason_code()), (true, Some("NotAsked")));
        let back = after(&current, &Happening::ListedLive { to_come: true }, Some(FIND), true, now).unwrap();
        assert_eq!((back.needs_human, back.reason), (false, None));
        // A cancellation in doubt is not forgotten over it.
        let doubt = BookingRow { reason: Some("TimedOut: …".into()), ..row(BookingState::Booked, Some("{}")) };
        let asked = after(&doubt, &Happening::NotAsked("VendorDown: …".into()), Some(FIND), true, 0).unwrap();
        let back = after(&asked, &Happening::ListedLive { to_come: true }, Some(FIND), true, 0).unwrap();
        assert_eq!((back.needs_human, back.reason_code()), (true, Some("TimedOut")));
        let over = after(&back, &Happening::DoubtOver, Some(FIND), true, 0).unwrap();
        assert_eq!((over.needs_human, over.reason, over.due_at), (false, None, back.due_at));
    }

    #[test]
    fn without_an_adapter_a_lost_sale_waits_for_one() {
        let died = after(&row(BookingState::Calling, Some("{}")), &Happening::ProcessGone, None, false, 0).unwrap();
        assert_eq!(
            (died.state, died.needs_human, died.due_at),
            (BookingState::Unknown, false, Some(millis(FIRST_PAUSE)))
        );
    }

    #[test]
    fn a_vendor_that_takes_messages_is_told_of_a_lost_sale_and_not_asked() {
        let told = Semantics { told_of_lost_sales: true, ..FIND };
        for lost in [Happening::Unknown { why: "X: y".into(), sold_some: false }, Happening::ProcessGone] {
            let next = after(&row(BookingState::Calling, Some("{}")), &lost, Some(told), false, 0).unwrap();
            assert_eq!((next.state, next.due_at, next.needs_human), (BookingState::Released, None, false));
        }
    }

    #[test]
    fn silence_counts_as_no_look_at_a_lost_sale() {
        let mut current = row(BookingState::Unknown, Some("{}"));
        let mut now = 0;
        for _ in 0..16 {
            let silent = Happening::VendorSilent("TimedOut: …".into());
            current = after(&current, &silent, Some(FIND), false, now).unwrap();
            assert!(current.due_at.is_some_and(|due| due > now && due - now <= millis(LONGEST_PAUSE)));
            assert_eq!((current.state, current.attempts), (BookingState::Unknown, 0));
            now = current.due_at.unwrap();
        }
        assert!(current.needs_human);
    }

    #[test]
    fn a_vendor_that_stays_silent_is_asked_for_ever_and_a_person_is_called() {
        let mut current = row(BookingState::Releasing, Some("{}"));
        for _ in 0..40 {
            current = after(&current, &Happening::VendorSilent("TimedOut: …".into()), Some(FIND), true, 0).unwrap();
            assert!(current.due_at.is_some_and(|due| due <= 15 * 60 * 1_000));
        }
        assert!(current.needs_human);
        assert_eq!(current.state, BookingState::Releasing);
    }

    fn happenings() -> impl Strategy<Value = Happening> {
        prop_oneof![
            (0..5_u32).prop_map(|left| Happening::Sold { remaining: Quantity::of(left.checked_sub(1)) }),
            Just(Happening::Refused(Refusal::SoldOut)),
            Just(Happening::Refused(Refusal::NotEnough { remaining: 1 })),
            Just(Happening::NotSold("X: y".into())),
            any::<bool>().prop_map(|sold_some| Happening::Unknown { why: "X: y".into(), sold_some }),
            Just(Happening::TimeUp),
            Just(Happening::AnsweredTooLate),
            Just(Happening::ProcessGone),
            Just(Happening::FoundSold),
            Just(Happening::FoundNotSold),
            Just(Happening::FoundUnclear("X: y".into())),
            Just(Happening::VendorSilent("X: y".into())),
            Just(Happening::AllVoid),
            Just(Happening::TicketKept("X: y".into())),
            any::<bool>().prop_map(|to_come| Happening::ListedLive { to_come }),
            Just(Happening::ListedCancelled),
            Just(Happening::NotListed),
            Just(Happening::NotAsked("X: y".into())),
            Just(Happening::DoubtOver),
            Just(Happening::CancelDone),
            Just(Happening::CancelInDoubt("X: y".into())),
            Just(Happening::AdoptedBy("R2".into())),
            Just(Happening::ReleaseAsked),
        ]
    }

    proptest! {
        #[test]
        fn no_sequence_breaks_the_invariants(steps in proptest::collection::vec((happenings(), any::<bool>()), 1..40)) {
            let mut current = row(BookingState::Calling, Some("{}"));
            let mut was_told_no = false;
            for (happening, live) in steps {
                let Some(next) = after(&current, &happening, Some(FIND), live, 7) else { continue };
                was_told_no |= next.state != BookingState::Booked;
                // Told "failed" once, never sold to pass Culture later.
                prop_assert!(!(was_told_no && current.state != BookingState::Booked && next.state == BookingState::Booked));
                let waits = matches!(
                    next.state,
                    BookingState::Calling | BookingState::Abandoned | BookingState::Unknown | BookingState::Releasing
                );
                prop_assert!(!waits || next.due_at.is_some(), "{next:?} has nobody who comes back to it");
                prop_assert!(next.state != BookingState::Operator || next.needs_human);
                current = next;
            }
        }
    }
}
