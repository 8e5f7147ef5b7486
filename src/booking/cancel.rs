//! Tickets are to be voided, named by barcode alone.
//!
//! Idempotent and per ticket: what is void already is answered as void, with the true number of places left. Only a ticket
//! that is surely void is answered as cancelled; a doubt is "not now", and `settle` compares with pass Culture's listing.

use std::sync::Arc;
use std::time::Duration;

use passerelle_contract::{Adapter, AdapterError, CancelOutcome, CancelUnit, Deadline, Quantity, Ticket};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::keeper::{Keeper, ticket};
use super::machine::{Happening, LISTED_AFTER, millis};
use super::order::StoredOrder;
use super::{ANSWER_WITHIN, DECIDE_WITHIN, Desk, VENDOR_WITHIN, line};
use crate::passculture::messages::CancellationAnswer;
use crate::store::StoreError;
use crate::store::bookings::{BookingRow, BookingState, StoredBooking, TicketRow, TicketState};

/// Times that a booking is looked at again because somebody else moved it meanwhile.
const TRIES: usize = 6;
/// What stands in a booking while its tickets are being voided, and for ever if that is never known.
const VOID_IN_DOUBT: &str = "VoidInDoubt: pass Culture asked to void its tickets and the outcome was not stored; \
     compare the venue's system with pass Culture";

/// What became of the tickets that were to be voided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Voided {
    /// All of them are void.
    All,
    /// The vendor keeps one for good: why.
    Kept(String),
    /// Provably none was touched, and not all are void: why.
    Nothing(String),
    /// Not all are void, or nobody knows: why.
    Doubt(String),
}

/// What was seen of the tickets that were to be voided.
#[derive(Default)]
struct Seen {
    some_void: bool,
    kept: Option<String>,
    doubt: Option<String>,
    untouched: Option<String>,
}

impl Seen {
    fn void(&mut self, text: String) -> (TicketState, String) {
        self.some_void = true;
        (TicketState::Void, text)
    }

    fn doubt(&mut self, why: &str, word: &str) -> (TicketState, String) {
        self.doubt.get_or_insert_with(|| why.to_owned());
        (TicketState::Voiding, format!("{word}: {why}"))
    }

    fn verdict(self) -> Voided {
        match self {
            Self { kept: Some(why), .. } => Voided::Kept(why),
            Self { doubt: Some(why), .. } | Self { untouched: Some(why), some_void: true, .. } => Voided::Doubt(why),
            Self { untouched: Some(why), .. } => Voided::Nothing(why),
            Self { .. } => Voided::All,
        }
    }
}

/// An error as history and reasons have it.
fn said(error: &AdapterError) -> String {
    format!("{}: {}: {}", error.code, error.operation, error.context)
}

impl Desk {
    /// Takes a cancellation. `connection` is what the address that pass Culture posted to names, where it names one; `began`
    /// is when its first byte came.
    pub async fn cancel(
        &self,
        account: &str,
        connection: Option<String>,
        barcodes: Vec<String>,
        began: Instant,
    ) -> CancellationAnswer {
        let (tell, told) = oneshot::channel();
        let desk = self.clone();
        let account = account.to_owned();
        self.inner.tasks.spawn(async move {
            let voided = desk.void_barcodes(&account, connection.as_deref(), &barcodes, began).await;
            let (answer, keepers) = voided.unwrap_or_else(|error| {
                tracing::error!(%error, "a cancellation could not be stored; it is refused");
                (CancellationAnswer::Failed, Vec::new())
            });
            if tell.send(answer).is_err() && matches!(answer, CancellationAnswer::Cancelled { .. }) {
                desk.cancelled_too_late(&keepers).await;
            }
        });
        match timeout_at(began + ANSWER_WITHIN, told).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => CancellationAnswer::Failed,
        }
    }

    async fn void_barcodes(
        &self,
        account: &str,
        connection: Option<&str>,
        barcodes: &[String],
        began: Instant,
    ) -> Result<(CancellationAnswer, Vec<Keeper>), StoreError> {
        let found = self.store().bookings_by_barcodes(account, barcodes).await?;
        let Some(bookings) = meant(found, connection, barcodes) else {
            tracing::error!(account, "a cancellation of a barcode that several cinemas have given; none is touched");
            metrics::counter!("passerelle_ambiguous_cancellations_total").increment(1);
            return Ok((CancellationAnswer::Failed, Vec::new()));
        };
        let known = |barcode: &String| {
            bookings.iter().any(|booking| booking.tickets.iter().any(|ticket| ticket.barcode == *barcode))
        };
        if !barcodes.iter().all(known) {
            tracing::warn!(account, "a cancellation of a barcode that nobody here has given");
            return Ok((CancellationAnswer::Unknown, Vec::new()));
        }
        let deadline = Deadline((began + VENDOR_WITHIN).into_std());
        let (mut left, mut keepers) = (None, Vec::new());
        for booking in bookings {
            let connection = booking.row.connection.clone();
            let date = StoredOrder::read(&booking.row).map(|order| order.date).unwrap_or_default();
            let adapter = match self.inner.house.adapter(&connection, &date).await {
                Ok(adapter) if adapter.box_office().is_some() => adapter,
                Ok(_) | Err(_) => {
                    tracing::error!(connection, "a cancellation for a connection that does not work");
                    return Ok((CancellationAnswer::Failed, keepers));
                }
            };
            let Some(place) = self.place(&connection) else { return Ok((CancellationAnswer::Failed, keepers)) };
            let keeper = self.keeper(booking, &adapter);
            let told = line(self.now(), "cancel", "pass Culture asks to void its tickets");
            let voided = self.void(&keeper, &adapter, Some(barcodes), deadline, told).await?;
            let late = Instant::now() > began + DECIDE_WITHIN;
            let answer = match voided {
                Voided::All if late => {
                    let why = "VoidedTooLate: the vendor voided the tickets after pass Culture was told no".to_owned();
                    keeper.apply(&Happening::CancelInDoubt(why), &[], &[]).await?;
                    CancellationAnswer::Failed
                }
                Voided::All => {
                    let told = [line(self.now(), "answer", "200: the tickets are void")];
                    // Tickets of the booking that were not asked for keep it as it is.
                    if keeper.seen().await.tickets.iter().all(|ticket| ticket.state == TicketState::Void) {
                        keeper.apply(&Happening::CancelDone, &[], &told).await?;
                    }
                    let places = self.places_left(&keeper, &adapter, began).await;
                    left = Some(left.map_or(places, |before: Quantity| before.min(places)));
                    keepers.push(keeper);
                    drop(place);
                    continue;
                }
                Voided::Kept(_) => CancellationAnswer::Refused,
                // Booking, tickets and vendor are what they were.
                Voided::Nothing(_) => CancellationAnswer::Failed,
                Voided::Doubt(why) => {
                    keeper.apply(&Happening::CancelInDoubt(why), &[], &[]).await?;
                    CancellationAnswer::Failed
                }
            };
            return Ok((answer, keepers));
        }
        Ok((CancellationAnswer::Cancelled { remaining: left.unwrap_or(Quantity::Exactly(0)) }, keepers))
    }

    /// pass Culture was not told, or too late: it may still count what is void.
    async fn cancelled_too_late(&self, keepers: &[Keeper]) {
        for keeper in keepers {
            let why = "AnsweredTooLate: the tickets are void and pass Culture could not be told in time".to_owned();
            if let Err(error) = keeper.apply(&Happening::CancelInDoubt(why), &[], &[]).await {
                tracing::error!(%error, "a late cancellation could not be marked");
            }
        }
    }

    pub(super) fn keeper(&self, booking: StoredBooking, adapter: &Arc<dyn Adapter>) -> Keeper {
        Keeper::new(Arc::clone(&self.inner.store), booking, Some(adapter.as_ref()), None, self.inner.now)
    }

    /// Voids tickets at their vendor: those with `barcodes`, or all. The intent is stored before, the outcome after.
    pub(super) async fn void(
        &self,
        keeper: &Keeper,
        adapter: &Arc<dyn Adapter>,
        barcodes: Option<&[String]>,
        deadline: Deadline,
        why: crate::store::bookings::BookingEvent,
    ) -> Result<Voided, StoreError> {
        let Some(office) = adapter.box_office() else {
            return Ok(Voided::Doubt("NoBoxOffice: the adapter sells nothing any more".into()));
        };
        let whole_sale = office.semantics().cancels == CancelUnit::Sale;
        for _ in 0..TRIES {
            let seen = keeper.seen().await;
            let asked =
                |ticket: &&TicketRow| whole_sale || barcodes.is_none_or(|barcodes| barcodes.contains(&ticket.barcode));
            let mut open: Vec<TicketRow> = seen.tickets.iter().filter(asked).cloned().collect();
            if let Some(kept) = open.iter().find(|ticket| ticket.state == TicketState::Kept) {
                return Ok(Voided::Kept(format!("TicketKept: the vendor keeps ticket {}", kept.place + 1)));
            }
            open.retain(|ticket| ticket.state != TicketState::Void);
            if open.is_empty() {
                return Ok(Voided::All);
            }
            let doubted: Vec<u32> =
                open.iter().filter(|ticket| ticket.state == TicketState::Voiding).map(|ticket| ticket.place).collect();
            for ticket in &mut open {
                ticket.state = TicketState::Voiding;
            }
            // A process that dies now leaves a booking that somebody comes back to.
            let due = self.now().saturating_add(millis(LISTED_AFTER));
            let doubt = |next: &mut BookingRow| {
                if next.state == BookingState::Booked {
                    next.due_at = Some(due);
                    next.reason = Some(VOID_IN_DOUBT.to_owned());
                }
            };
            if !keeper.note(seen.row.version, doubt, &open, std::slice::from_ref(&why)).await? {
                continue;
            }
            let tickets: Vec<Ticket> = open.iter().map(ticket).collect();
            let limit = deadline.left() + Duration::from_secs(2);
            let outcomes = timeout(limit, office.cancel(&tickets, deadline)).await.unwrap_or_default();
            return self.voided(keeper, &seen.row, (open, &doubted), outcomes).await;
        }
        Ok(Voided::Doubt("Overtaken: the booking was moved by others".into()))
    }

    /// Stores what became of tickets, of which these places were in doubt before. Whoever overtook us asked for the same, so the
    /// truth of a ticket is written over theirs.
    async fn voided(
        &self,
        keeper: &Keeper,
        before: &BookingRow,
        (mut tickets, doubted): (Vec<TicketRow>, &[u32]),
        outcomes: Vec<CancelOutcome>,
    ) -> Result<Voided, StoreError> {
        let mut seen = Seen::default();
        let (mut told, mut unheard) = (Vec::new(), Vec::new());
        let mut outcomes = outcomes.into_iter();
        for ticket in &mut tickets {
            let (state, text) = match outcomes.next() {
                Some(CancelOutcome::Cancelled) => seen.void("void".to_owned()),
                Some(CancelOutcome::AlreadyCancelled) => seen.void("was void already".to_owned()),
                Some(CancelOutcome::NotFound) => seen.void("unknown to the vendor: no seat is held".to_owned()),
                Some(CancelOutcome::Refused(why)) => {
                    seen.kept = Some(format!("TicketKept: {why}"));
                    (TicketState::Kept, format!("the vendor refuses for good: {why}"))
                }
                // Nothing happened now; what an earlier try may have done is as unknown as before.
                Some(CancelOutcome::NotAttempted(error)) if doubted.contains(&ticket.place) => {
                    seen.doubt(&said(&error), "still may be void")
                }
                Some(CancelOutcome::NotAttempted(error)) => {
                    let why = said(&error);
                    let text = format!("nothing happened: {why}");
                    seen.untouched.get_or_insert(why);
                    (TicketState::Live, text)
                }
                Some(CancelOutcome::Unknown(error)) => seen.doubt(&said(&error), "may be void"),
                Some(CancelOutcome::ToBeTold(error)) => {
                    unheard.push(ticket.place);
                    seen.void(format!("void, and the vendor is told by message: {} ({})", error.context, error.code))
                }
                None => seen.doubt("NoAnswer: the vendor did not answer in time", "may be void"),
            };
            ticket.state = state;
            told.push(line(self.now(), "void", format!("ticket {}: {text}", ticket.place + 1)));
        }
        let verdict = seen.verdict();
        for _ in 0..TRIES {
            let version = keeper.seen().await.row.version;
            let known = |next: &mut BookingRow| {
                if next.reason.as_deref() == Some(VOID_IN_DOUBT) && !matches!(verdict, Voided::Doubt(_)) {
                    next.reason.clone_from(&before.reason);
                    next.due_at = before.due_at;
                }
            };
            if keeper.note_and_tell(version, known, &tickets, &told, &unheard).await? {
                return Ok(verdict);
            }
        }
        Ok(Voided::Doubt("Overtaken: the booking was moved by others".into()))
    }

    /// Places left after a cancellation: as the vendor says, else as last known and what was freed.
    async fn places_left(&self, keeper: &Keeper, adapter: &Arc<dyn Adapter>, began: Instant) -> Quantity {
        let booking = keeper.seen().await;
        let Some(stored) = StoredOrder::read(&booking.row) else { return Quantity::Exactly(0) };
        let order = stored.order(&booking.row, None);
        let deadline = Deadline((began + VENDOR_WITHIN).into_std());
        let asked = match adapter.box_office() {
            Some(office) => {
                timeout_at(began + DECIDE_WITHIN, office.remaining(&order, deadline)).await.ok().and_then(Result::ok)
            }
            None => None,
        };
        let left = match asked {
            Some(left) => left,
            None => {
                let row = &booking.row;
                let known = self.store().date_by_stock(&row.account, row.stock_id, None, None).await.ok().flatten();
                let before = known.map(|sold| Quantity::of(sold.date.desired_quantity)).or(row.remaining);
                before.unwrap_or(Quantity::Exactly(0)).plus(row.quantity)
            }
        };
        let row = &booking.row;
        let touched =
            self.store().touch_date(&row.connection, &stored.event, &stored.date, left, true, self.now()).await;
        if let Err(error) = touched {
            tracing::warn!(%error, "places left were not remembered; the next pass reads them");
        }
        left
    }
}

/// Which of the bookings with these barcodes are meant. Vendors number their tickets cinema by cinema, so that two cinemas may
/// have given the same: the connection that is named decides, else the only one that still holds a ticket. `None` when nobody
/// can tell: another cinema's ticket is never touched on a guess.
fn meant(mut found: Vec<StoredBooking>, connection: Option<&str>, barcodes: &[String]) -> Option<Vec<StoredBooking>> {
    let of = |connection: &str| found.iter().filter(|booking| booking.row.connection == connection).count();
    if let Some(named) = connection.filter(|named| of(named) > 0) {
        found.retain(|booking| booking.row.connection == named);
        return Some(of_two_holders(found, barcodes));
    }
    let several = |found: &[StoredBooking]| {
        found.first().is_some_and(|first| found.iter().any(|other| other.row.connection != first.row.connection))
    };
    if !several(&found) {
        return Some(of_two_holders(found, barcodes));
    }
    let holds = |booking: &StoredBooking| {
        let asked = booking.tickets.iter().filter(|ticket| barcodes.contains(&ticket.barcode));
        asked.clone().any(|ticket| ticket.state != TicketState::Void)
    };
    if found.iter().any(holds) {
        // A former holder of a pool's barcode holds nothing any more, and is asked about all the same.
        let holders: Vec<String> =
            found.iter().filter(|booking| holds(booking)).map(|booking| booking.row.connection.clone()).collect();
        found.retain(|booking| holders.contains(&booking.row.connection));
        return (!several(&found)).then(|| of_two_holders(found, barcodes));
    }
    // All of them are void: the answer is the same for each, and is most likely asked for the last one.
    let last = found.into_iter().max_by_key(|booking| booking.row.moved_at);
    Some(last.into_iter().collect())
}

/// A pool's barcode is issued again once its holder gave it back, so that one connection may have two bookings with it. While
/// nobody has seen in pass Culture's listing that the former one is cancelled there, a cancellation repeats the one that it got:
/// it is answered for that one and the present holder keeps the ticket. Should it have been the present holder's after all, the
/// comparison with the listing finds that and frees the seat; a ticket that was voided for another's sake could not be given back.
fn of_two_holders(mut found: Vec<StoredBooking>, barcodes: &[String]) -> Vec<StoredBooking> {
    for barcode in barcodes {
        let has = |booking: &StoredBooking| booking.tickets.iter().any(|ticket| ticket.barcode == *barcode);
        let is_void = |booking: &StoredBooking| {
            booking.tickets.iter().all(|ticket| ticket.barcode != *barcode || ticket.state == TicketState::Void)
        };
        if found.iter().filter(|booking| has(booking)).count() < 2 {
            continue;
        }
        let unsettled = found.iter().filter(|booking| has(booking) && is_void(booking) && !is_settled(&booking.row));
        let present =
            || found.iter().filter(|booking| has(booking)).max_by_key(|one| (!is_void(one), one.row.created_at));
        let one = unsettled.min_by_key(|booking| booking.row.created_at).or_else(present);
        let Some(reference) = one.map(|booking| booking.row.reference.clone()) else { continue };
        found.retain(|booking| !has(booking) || booking.row.reference == reference);
    }
    found
}

/// Is it over at pass Culture too, as far as its listing told?
fn is_settled(row: &BookingRow) -> bool {
    let over = matches!(row.state, BookingState::Cancelled | BookingState::Released | BookingState::Refused);
    over && row.due_at.is_none() && !row.needs_human
}

/// Is nothing held any more?
pub(super) fn all_void(outcomes: &[CancelOutcome]) -> bool {
    !outcomes.is_empty()
        && outcomes.iter().all(|outcome| {
            matches!(outcome, CancelOutcome::Cancelled | CancelOutcome::AlreadyCancelled | CancelOutcome::NotFound)
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::Owner;

    fn booking(reference: &str, state: BookingState, tickets: &[(&str, TicketState)]) -> StoredBooking {
        let ticket = |(place, (barcode, state)): (u32, &(&str, TicketState))| TicketRow {
            barcode: (*barcode).to_owned(),
            place,
            booking: reference.to_owned(),
            seat: None,
            vendor: "{}".to_owned(),
            state: *state,
        };
        let row = BookingRow {
            reference: reference.to_owned(),
            connection: "hall".to_owned(),
            account: "default".to_owned(),
            fingerprint: reference.to_owned(),
            wish: String::new(),
            stock_id: 1,
            offer_id: 1,
            quantity: 1,
            order: "{}".to_owned(),
            state,
            trace: None,
            remaining: None,
            reason: None,
            needs_human: false,
            confirmed: false,
            owner: Owner::current("test"),
            due_at: None,
            attempts: 0,
            created_at: 1,
            moved_at: 1,
            version: 1,
        };
        StoredBooking { row, tickets: (0..).zip(tickets).map(ticket).collect() }
    }

    fn former(state: BookingState, due: bool, needs_human: bool) -> StoredBooking {
        let mut one = booking("former", state, &[("X", TicketState::Void)]);
        one.row.due_at = due.then_some(9);
        one.row.needs_human = needs_human;
        one
    }

    fn present() -> StoredBooking {
        let mut one = booking("present", BookingState::Booked, &[("X", TicketState::Live)]);
        one.row.created_at = 2;
        one
    }

    fn told(found: Vec<StoredBooking>, connection: Option<&str>, barcodes: &[&str]) -> Option<Vec<String>> {
        let barcodes: Vec<String> = barcodes.iter().map(|barcode| (*barcode).to_owned()).collect();
        let meant = meant(found, connection, &barcodes)?;
        Some(meant.into_iter().map(|booking| booking.row.reference).collect())
    }

    #[test]
    fn a_repeated_cancellation_is_the_former_holders_until_pass_culture_confirmed_it() {
        use BookingState::{Booked, Cancelled, Refused, Released, Releasing};
        for (state, due, needs_human, meant) in [
            (Cancelled, true, false, "former"),
            (Cancelled, false, true, "former"),
            (Released, true, false, "former"),
            (Releasing, true, false, "former"),
            (Releasing, false, false, "former"),
            (Booked, true, false, "former"),
            (Cancelled, false, false, "present"),
            (Released, false, false, "present"),
            (Refused, false, false, "present"),
        ] {
            for connection in [None, Some("hall"), Some("elsewhere")] {
                let found = vec![former(state, due, needs_human), present()];
                let meant = Some(vec![meant.to_owned()]);
                assert_eq!(told(found, connection, &["X"]), meant, "{state:?} {due} {needs_human} {connection:?}");
            }
        }
    }

    #[test]
    fn another_cinemas_ticket_is_still_told_apart() {
        let elsewhere = |state| {
            let mut one = booking("elsewhere", BookingState::Booked, &[("X", state)]);
            one.row.connection = "other".to_owned();
            one
        };
        let all = |state| vec![former(BookingState::Cancelled, true, false), present(), elsewhere(state)];
        assert_eq!(told(all(TicketState::Live), None, &["X"]), None, "two cinemas hold it");
        assert_eq!(told(all(TicketState::Live), Some("other"), &["X"]), Some(vec!["elsewhere".to_owned()]));
        assert_eq!(told(all(TicketState::Void), None, &["X"]), Some(vec!["former".to_owned()]));
    }

    #[test]
    fn both_seats_of_a_duo_are_decided_each_for_itself() {
        let mut duo = former(BookingState::Cancelled, true, false);
        duo.tickets =
            booking("former", BookingState::Cancelled, &[("X", TicketState::Void), ("Y", TicketState::Void)]).tickets;
        let other = booking("other", BookingState::Booked, &[("Y", TicketState::Live)]);
        assert_eq!(
            told(vec![duo.clone(), present(), other.clone()], None, &["X", "Y"]),
            Some(vec!["former".to_owned()])
        );
        duo.row.due_at = None;
        let both = Some(vec!["present".to_owned(), "other".to_owned()]);
        assert_eq!(told(vec![duo, present(), other], None, &["X", "Y"]), both);
    }

    proptest! {
        #[test]
        fn a_next_holder_is_never_touched_while_the_former_one_is_open(
            state in 0_usize..9, due in any::<bool>(), needs_human in any::<bool>(), first in any::<bool>(),
        ) {
            let former = former(BookingState::ALL[state], due, needs_human);
            let settled = is_settled(&former.row);
            let found = if first { vec![former, present()] } else { vec![present(), former] };
            let meant = told(found, None, &["X"]).unwrap();
            prop_assert_eq!(meant, [if settled { "present" } else { "former" }]);
        }
    }
}
