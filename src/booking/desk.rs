//! A beneficiary wants seats and waits.
//!
//! Invariants: the answer leaves by [`ANSWER_WITHIN`]; a seat that was sold and not told is in a state that `settle` frees; two
//! arrivals of one attempt sell once and hear the same.

use std::sync::Arc;
use std::time::Duration;

use passerelle_contract::{Adapter, BookOutcome, Deadline, Quantity, Refusal, Sale, Ticket};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::cancel::all_void;
use super::keeper::{Applied, Keeper, ticket_rows};
use super::machine::{Happening, LONGEST_CALL};
use super::order::{StoredOrder, new_reference};
use super::{ANSWER_WITHIN, DECIDE_WITHIN, Desk, VENDOR_WITHIN, line};
use crate::passculture::messages::{BookingAnswer, BookingRequest, SoldTicket, fingerprint_of_wish};
use crate::store::bookings::{BookingRow, BookingState, Intent, Move, Moved, StoredBooking, TicketState};
use crate::store::{Millis, StoreError};

/// A vendor's late answer is waited for so long: the adapter's own limit (20 s after its deadline) and slack.
const LONGEST_SALE: Duration = Duration::from_secs(30);
/// How long a sale that cannot be stored is tried to be stored.
const STORING: Duration = Duration::from_secs(60);
/// Pauses between looks at what became of the same attempt's first arrival.
const LOOK_AGAIN: Duration = Duration::from_millis(25);
/// Longest barcode and longest seat, in characters (pass Culture).
const LONGEST_TEXT: usize = 100;

impl Desk {
    /// Takes a booking. `began` is when its first byte came. Nothing that was begun stops when the caller goes away.
    pub async fn book(&self, account: &str, request: BookingRequest, began: Instant) -> BookingAnswer {
        let (tell, told) = oneshot::channel();
        let desk = self.clone();
        let account = account.to_owned();
        self.inner.tasks.spawn(async move { desk.attempt(&account, request, began, tell).await });
        match timeout_at(began + ANSWER_WITHIN, told).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => BookingAnswer::Failed,
        }
    }

    async fn attempt(
        &self,
        account: &str,
        request: BookingRequest,
        began: Instant,
        tell: oneshot::Sender<BookingAnswer>,
    ) {
        let attempt = match self.prepare(account, &request).await {
            Ok(Prepared::Sell(attempt)) => attempt,
            Ok(Prepared::Known(row)) => return self.repeat(*row, began, tell).await,
            Ok(Prepared::Answer(answer)) => {
                let _ = tell.send(answer);
                return;
            }
            Err(error) => {
                tracing::error!(%error, stock = request.stock_id, "a booking could not be stored; it is refused");
                let _ = tell.send(BookingAnswer::Failed);
                return;
            }
        };
        let Attempt { keeper, adapter, stored, place } = *attempt;
        let order = stored.order(&keeper.seen().await.row, Some(request.holder));
        let sale = {
            let (desk, keeper) = (self.clone(), Arc::clone(&keeper));
            self.inner.tasks.spawn(async move {
                desk.sell(&keeper, &adapter, order, Deadline((began + VENDOR_WITHIN).into_std())).await;
                drop(place);
            })
        };
        tokio::select! {
            _ = sale => {}
            () = sleep_until(began + DECIDE_WITHIN) => {
                let told = [line(self.now(), "answer", "503: the vendor did not answer in time")];
                if let Err(error) = keeper.apply(&Happening::TimeUp, &[], &told).await {
                    tracing::error!(%error, "a booking out of time could not be stored");
                }
            }
        }
        let seen = keeper.seen().await;
        let answer = answer(&seen);
        let sold = matches!(answer, BookingAnswer::Sold { .. });
        if tell.send(answer).is_err() && sold {
            let told =
                [line(self.now(), "answer", "the answer could not be given: too late, or nobody waits any more")];
            if let Err(error) = keeper.apply(&Happening::AnsweredTooLate, &[], &told).await {
                // The listing of pass Culture will not have it: `settle` frees it two minutes later.
                tracing::error!(%error, "a late sale could not be marked");
            }
        }
    }

    /// Everything before the vendor is called.
    async fn prepare(&self, account: &str, request: &BookingRequest) -> Result<Prepared, StoreError> {
        let (event, date) = (request.offer_id_at_provider.as_deref(), request.stock_id_at_provider.as_deref());
        let Some(sold) = self.store().date_by_stock(account, request.stock_id, event, date).await? else {
            tracing::warn!(
                account,
                stock = request.stock_id,
                "a booking of a stock that nobody sells here; answered sold out"
            );
            metrics::counter!("passerelle_bookings_of_unknown_stocks_total").increment(1);
            return Ok(Prepared::Answer(BookingAnswer::SoldOut));
        };
        let Some(stored) = StoredOrder::of(request, &sold) else {
            return Ok(Prepared::Answer(BookingAnswer::SoldOut));
        };
        let Some(place) = self.place(&sold.connection) else {
            tracing::warn!(connection = sold.connection, "too many bookings under way; one more is refused");
            return Ok(Prepared::Answer(BookingAnswer::Failed));
        };
        let adapter = match self.inner.house.adapter(&sold.connection, &sold.date.key).await {
            Ok(adapter) if adapter.box_office().is_some() => adapter,
            Ok(_) => return Ok(Prepared::Answer(BookingAnswer::SoldOut)),
            Err(why) => {
                tracing::error!(connection = sold.connection, why, "a booking for a connection that does not work");
                return Ok(Prepared::Answer(BookingAnswer::Failed));
            }
        };
        let now = self.now();
        let row = BookingRow {
            reference: new_reference(),
            connection: sold.connection.clone(),
            account: account.to_owned(),
            fingerprint: request.attempt(account).fingerprint(),
            wish: fingerprint_of_wish(account, request),
            stock_id: request.stock_id,
            offer_id: request.offer_id,
            quantity: request.quantity,
            order: stored.text(),
            state: BookingState::Calling,
            trace: None,
            remaining: None,
            reason: None,
            needs_human: false,
            confirmed: false,
            owner: self.inner.owner.clone(),
            due_at: Some(now.saturating_add(Millis::try_from(LONGEST_CALL.as_millis()).unwrap_or(Millis::MAX))),
            attempts: 0,
            created_at: now,
            moved_at: now,
            version: 1,
        };
        let orphans = self.store().orphans_of(&row.wish).await?;
        let told = line(now, "message", format!("pass Culture asks for {}", stored.sentence(row.quantity)));
        if let Intent::Known(row) = self.store().intend(&row, &[told]).await? {
            return Ok(Prepared::Known(row));
        }
        // Software that was told of the earlier attempt would not understand that its tickets are another's now.
        let told_of_each = adapter.notices().is_some_and(|sink| sink.terms().hears_everything);
        for orphan in orphans.into_iter().filter(|_| !told_of_each) {
            if let Some(adopted) = self.adopt(orphan, &row, &stored).await? {
                return Ok(Prepared::Known(Box::new(adopted)));
            }
        }
        let booking = StoredBooking { row, tickets: Vec::new() };
        let (store, now) = (Arc::clone(&self.inner.store), self.inner.now);
        let keeper = Arc::new(Keeper::new(store, booking, Some(adapter.as_ref()), Some(&request.holder), now));
        Ok(Prepared::Sell(Box::new(Attempt { keeper, adapter, stored, place })))
    }

    /// Gives the seats that an earlier attempt of the same person bought too late to this one.
    async fn adopt(
        &self,
        orphan: StoredBooking,
        row: &BookingRow,
        stored: &StoredOrder,
    ) -> Result<Option<BookingRow>, StoreError> {
        let same = StoredOrder::read(&orphan.row).is_some_and(|order| order.is_same_seat(stored));
        let whole = orphan.tickets.len() == row.quantity as usize
            && orphan.tickets.iter().all(|ticket| ticket.state == TicketState::Live);
        if !same || !whole || orphan.row.connection != row.connection {
            return Ok(None);
        }
        let now = self.now();
        let adopted = Happening::AdoptedBy(row.reference.clone());
        let sold = Happening::Sold { remaining: orphan.row.remaining.unwrap_or(Quantity::Exactly(0)) };
        let (Some(from), Some(to)) = (
            super::machine::after(&orphan.row, &adopted, None, true, now),
            super::machine::after(row, &sold, None, true, now),
        ) else {
            return Ok(None);
        };
        let mut tickets = orphan.tickets.clone();
        for ticket in &mut tickets {
            ticket.booking.clone_from(&row.reference);
        }
        let given = [line(now, "adopted", format!("its seats went to attempt {}", row.reference))];
        let taken = [line(now, "adopted", format!("took over the seats of attempt {}", orphan.row.reference))];
        let from = Move { row: &from, tickets: &[], events: &given, places: None, messages: &[] };
        let into = Move { row: &to, tickets: &tickets, events: &taken, places: None, messages: &[] };
        let moved = self.store().adopt(from, into).await?;
        Ok((moved == Moved::Yes).then_some(BookingRow { version: to.version + 1, ..to }))
    }

    /// Another arrival of an attempt: what the first one was told, as soon as that is known.
    async fn repeat(&self, row: BookingRow, began: Instant, tell: oneshot::Sender<BookingAnswer>) {
        let until = began + DECIDE_WITHIN;
        let mut reference_state = row.state;
        while reference_state == BookingState::Calling && Instant::now() < until {
            sleep(LOOK_AGAIN).await;
            match self.store().booking(&row.reference).await {
                Ok(Some(seen)) => reference_state = seen.row.state,
                Ok(None) | Err(_) => break,
            }
        }
        let answer = match self.store().booking(&row.reference).await {
            Ok(Some(seen)) => answer(&seen),
            Ok(None) | Err(_) => BookingAnswer::Failed,
        };
        let _ = tell.send(answer);
    }

    /// Calls the vendor and stores what became of it. Goes on after the time is up.
    async fn sell(
        &self,
        keeper: &Arc<Keeper>,
        adapter: &Arc<dyn Adapter>,
        order: passerelle_contract::Order,
        deadline: Deadline,
    ) {
        let call = {
            let (adapter, keeper) = (Arc::clone(adapter), Arc::clone(keeper));
            // A task of its own, so that a panic of an adapter is one more outcome.
            tokio::spawn(async move {
                match adapter.box_office() {
                    Some(office) => timeout(LONGEST_SALE, office.book(&order, keeper.as_ref(), deadline)).await.ok(),
                    None => None,
                }
            })
        };
        let quantity = keeper.seen().await.row.quantity;
        let (happening, tickets, told) = match call.await {
            Ok(Some(outcome)) => happening(outcome, quantity),
            Ok(None) | Err(_) => (Happening::ProcessGone, Vec::new(), "the adapter gave no outcome at all".to_owned()),
        };
        let rows = ticket_rows(&keeper.seen().await.row.reference, &tickets);
        let events = [line(self.now(), "outcome", told)];
        let until = Instant::now() + STORING;
        loop {
            match keeper.apply(&happening, &rows, &events).await {
                Ok(Applied::Moved | Applied::Nothing) => return,
                Ok(Applied::BarcodeTaken) => return self.take_back(keeper, adapter, &tickets).await,
                Err(error) if Instant::now() < until => {
                    tracing::error!(%error, "what became of a booking cannot be stored; trying again");
                    sleep(Duration::from_millis(200)).await;
                }
                Err(error) => {
                    // The row still says that the vendor was being asked: `settle` asks it what became of the sale.
                    tracing::error!(%error, "what became of a booking could not be stored");
                    return;
                }
            }
        }
    }

    /// The vendor gave a barcode that another ticket of the account has: pass Culture could never tell the two apart, so the
    /// sale is undone.
    async fn take_back(&self, keeper: &Keeper, adapter: &Arc<dyn Adapter>, tickets: &[Ticket]) {
        let Some(office) = adapter.box_office() else { return };
        let outcomes = office.cancel(tickets, Deadline::after(LONGEST_SALE)).await;
        let happening = if all_void(&outcomes) {
            Happening::NotSold(
                "BarcodeTaken: the vendor gave a barcode that another ticket has; the sale was undone".into(),
            )
        } else {
            Happening::Unknown {
                why:
                    "BarcodeTaken: the vendor gave a barcode that another ticket has, and the sale could not be undone"
                        .into(),
                sold_some: false,
            }
        };
        let events = [line(self.now(), "outcome", "sold with a barcode that another ticket has")];
        if let Err(error) = keeper.apply(&happening, &[], &events).await {
            tracing::error!(%error, "an undone sale could not be stored");
        }
    }
}

struct Attempt {
    keeper: Arc<Keeper>,
    adapter: Arc<dyn Adapter>,
    stored: StoredOrder,
    place: super::Place,
}

enum Prepared {
    Sell(Box<Attempt>),
    Known(Box<BookingRow>),
    Answer(BookingAnswer),
}

/// A vendor's outcome as the machine knows it, the tickets that came with it, and a line of history.
fn happening(outcome: BookOutcome, quantity: u32) -> (Happening, Vec<Ticket>, String) {
    match outcome {
        BookOutcome::Booked(sale) => match unfit(&sale, quantity) {
            None => {
                let left = sale.remaining.number().map_or_else(|| "no limit".to_owned(), |left| left.to_string());
                let told = format!("sold {} seat(s), {left} left", sale.tickets.len());
                (Happening::Sold { remaining: sale.remaining }, sale.tickets, told)
            }
            Some(why) => {
                let sold_some = !sale.tickets.is_empty();
                (Happening::Unknown { why: why.clone(), sold_some }, sale.tickets, why)
            }
        },
        BookOutcome::Refused(Refusal::NotEnough { remaining }) if remaining >= quantity => {
            let why = "OddRefusal: the vendor says that too few places are left, and there are enough".to_owned();
            (Happening::NotSold(why.clone()), Vec::new(), why)
        }
        BookOutcome::Refused(refusal) => (Happening::Refused(refusal), Vec::new(), format!("refused: {refusal:?}")),
        BookOutcome::NotAttempted(error) => {
            let why = format!("{}: {}: {}", error.code, error.operation, error.context);
            (Happening::NotSold(why.clone()), Vec::new(), format!("nothing was sold: {why}"))
        }
        BookOutcome::Unknown(suspicion) => {
            let error = suspicion.error;
            let why = format!("{}: {}: {}", error.code, error.operation, error.context);
            let sold_some = !suspicion.tickets.is_empty();
            let told = format!("nobody knows whether it was sold: {why}");
            (Happening::Unknown { why, sold_some }, suspicion.tickets, told)
        }
    }
}

/// Why a sale cannot be told to pass Culture.
fn unfit(sale: &Sale, quantity: u32) -> Option<String> {
    let fits = |text: &str| (1..=LONGEST_TEXT).contains(&text.chars().count());
    if sale.tickets.len() != quantity as usize {
        return Some(format!("WrongNumberOfTickets: {} for {quantity}", sale.tickets.len()));
    }
    let odd = |ticket: &Ticket| !fits(&ticket.barcode) || ticket.seat.as_deref().is_some_and(|seat| !fits(seat));
    sale.tickets
        .iter()
        .any(odd)
        .then(|| "OddTicket: a barcode or a seat is empty or longer than 100 characters".to_owned())
}

/// What pass Culture is told of a booking that stands like this.
fn answer(booking: &StoredBooking) -> BookingAnswer {
    let row = &booking.row;
    match row.state {
        BookingState::Booked => {
            let tickets: Vec<SoldTicket> = booking
                .tickets
                .iter()
                .filter(|ticket| ticket.state == TicketState::Live)
                .map(|ticket| SoldTicket { barcode: ticket.barcode.clone(), seat: ticket.seat.clone() })
                .collect();
            match row.remaining {
                Some(remaining) if tickets.len() == row.quantity as usize => BookingAnswer::Sold { tickets, remaining },
                _ => BookingAnswer::Failed,
            }
        }
        BookingState::Refused => match (row.reason_code(), row.remaining) {
            (Some("NotEnough"), Some(Quantity::Exactly(remaining))) => BookingAnswer::NotEnough { remaining },
            (Some("SoldOut" | "ShowGone" | "NoTariff" | "SalesClosed"), _) => BookingAnswer::SoldOut,
            _ => BookingAnswer::Failed,
        },
        _ => BookingAnswer::Failed,
    }
}
