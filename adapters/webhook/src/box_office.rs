//! Selling and freeing seats at software that answers at once.
//!
//! A sale is one signed request and, when nobody knows what became of it, the same request once more: the software knows it by
//! its id and by the booking's name, and answers a repetition with the same tickets. What stays unknown is not looked for; the
//! gateway tells the software by message to void it.
//!
//! Invariants: a request is repeated once at most, with the same id and the same bytes; after a first try whose outcome is
//! unknown only tickets decide, never a refusal: the first request may still be at work and hold the last seats itself.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use passerelle_contract::{
    AdapterError, BarcodeScope, BookOutcome, BoxFuture, BoxOffice, CancelOutcome, CancelUnit, Class, Deadline,
    FindOutcome, Journal, Look, Order, Quantity, Refusal, Sale, Semantics, Suspicion, Ticket,
};
use passerelle_kit::http::{Lane, NotAnswered};
use passerelle_kit::notice::{self, BookingData, CancelledData, HolderData, Kind, Reason};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::Software;
use crate::client::{Call, new_id, now_millis};
use crate::deliver::said;
use crate::facts::{self, CancelSaid, Left, Made, SaleSaid};

/// With less time left no sale is begun.
const SALE_NEEDS: Duration = Duration::from_millis(500);
/// With less time left nothing is repeated.
const REPEAT_NEEDS: Duration = Duration::from_millis(1_500);
/// Never asked for, since lost sales are told and not looked for; the contract wants one all the same.
const FIND_AFTER: &[Duration] = &[Duration::from_secs(10)];
const SELL: &str = "ask for seats";
const FREE: &str = "ask to free seats";
/// What is asked and answered comes in this order; messages about a booking are counted apart.
const SALE_SEQUENCE: u32 = 1;
const CANCEL_SEQUENCE: u32 = 2;

/// What the journal is given: a repetition has the same id.
#[derive(Serialize)]
struct Trace<'a> {
    webhook_id: &'a str,
    booking_id: &'a str,
}

/// What freeing a ticket needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sold {
    booking_id: String,
    stock_id: String,
}

/// A request that is about to be sent, perhaps twice.
struct Request<'a> {
    operation: &'static str,
    url: &'a Url,
    id: String,
    body: String,
}

impl BoxOffice for Software {
    fn semantics(&self) -> Semantics {
        Semantics {
            find_after: FIND_AFTER,
            finds_lost_sales: false,
            told_of_lost_sales: true,
            cancels: CancelUnit::Ticket,
            barcodes_unique: BarcodeScope::Connection,
            sale_needs: SALE_NEEDS,
        }
    }

    fn book<'a>(
        &'a self,
        order: &'a Order,
        journal: &'a dyn Journal,
        deadline: Deadline,
    ) -> BoxFuture<'a, BookOutcome> {
        Box::pin(async move {
            let said = match self.sell(order, journal, deadline).await {
                Ok(said) => said,
                Err(error) => return BookOutcome::NotAttempted(error),
            };
            self.outcome(order, said)
        })
    }

    fn find<'a>(&'a self, order: &'a Order, _: &'a str, _: Look, _: Deadline) -> BoxFuture<'a, FindOutcome> {
        Box::pin(async move {
            FindOutcome::Unclear(format!(
                "this software cannot be asked for a sale; it is told to void booking {}, and its support can look for that name",
                order.reference.booking_id()
            ))
        })
    }

    fn cancel<'a>(&'a self, tickets: &'a [Ticket], deadline: Deadline) -> BoxFuture<'a, Vec<CancelOutcome>> {
        Box::pin(self.void(tickets, deadline))
    }

    fn remaining<'a>(&'a self, order: &'a Order, _: Deadline) -> BoxFuture<'a, Result<Quantity, AdapterError>> {
        Box::pin(async move {
            self.known.fresh(&order.places_key).ok_or_else(|| {
                let why = "this software tells places left with its answers and statements only";
                AdapterError::new(Class::Unsupported, "NoCountKnown", "ask for places left", why)
            })
        })
    }
}

impl Software {
    /// Sends a request once; `None` when this connection asks nobody.
    async fn send(
        &self,
        request: &Request<'_>,
        deadline: Deadline,
    ) -> Result<passerelle_kit::http::Answer, NotAnswered> {
        let Some(caller) = &self.caller else {
            let why = "this software is not asked to sell";
            return Err(NotAnswered::NotSent(AdapterError::new(
                Class::Unsupported,
                "NotAsked",
                request.operation,
                why,
            )));
        };
        let call = Call {
            operation: request.operation,
            url: request.url,
            id: &request.id,
            body: request.body.as_bytes(),
            within: self.settings.budget.min(deadline.left()),
            lane: Lane::Booking,
            is_replay: false,
        };
        caller.ask(call).await
    }

    /// What became of a sale; an error when nothing was sent.
    async fn sell(&self, order: &Order, journal: &dyn Journal, deadline: Deadline) -> Result<SaleSaid, AdapterError> {
        let Some(desk) = &self.settings.desk else {
            let why = "this software is not asked to sell";
            return Err(AdapterError::new(Class::Unsupported, "NotAsked", SELL, why));
        };
        if deadline.left() < SALE_NEEDS {
            let why = "too little time is left to sell; nothing was sold";
            return Err(AdapterError::new(Class::Transient, "NoTimeToSell", SELL, why));
        }
        let request = Request { operation: SELL, url: &desk.booking, id: new_id(), body: self.sale_document(order) };
        let booking_id = order.reference.booking_id();
        let trace = Trace { webhook_id: &request.id, booking_id: &booking_id };
        let trace = serde_json::to_string(&trace).unwrap_or_else(|_| "{}".to_owned());
        journal.about_to_sell(&trace).await?;
        let first = self.ask_for_seats(&request, order, deadline).await;
        let SaleSaid::Doubt(error, made) = first else { return Ok(first) };
        if deadline.left() < REPEAT_NEEDS || journal.about_to_sell(&trace).await.is_err() {
            return Ok(SaleSaid::Doubt(error, made));
        }
        Ok(match self.ask_for_seats(&request, order, deadline).await {
            sold @ SaleSaid::Sold(..) => sold,
            SaleSaid::Doubt(again, more) => {
                let mut once = HashSet::new();
                let all = made.into_iter().chain(more).filter(|one| once.insert(one.barcode.clone()));
                SaleSaid::Doubt(again, all.collect())
            }
            SaleSaid::Refused(_) | SaleSaid::Nothing(_) => SaleSaid::Doubt(error, made),
        })
    }

    async fn ask_for_seats(&self, request: &Request<'_>, order: &Order, deadline: Deadline) -> SaleSaid {
        match self.send(request, deadline).await {
            Ok(answer) => facts::sale(&said(SELL, &answer, &answer.saw()), order.quantity),
            Err(NotAnswered::NotSent(error)) => SaleSaid::Nothing(error),
            Err(NotAnswered::Unknown(error)) => SaleSaid::Doubt(error, Vec::new()),
        }
    }

    fn sale_document(&self, order: &Order) -> String {
        let now = now_millis();
        let budget = i64::try_from(self.settings.budget.as_millis()).unwrap_or(i64::MAX);
        let data = BookingData {
            booking_id: order.reference.booking_id(),
            stock_id: order.places_key.clone(),
            quantity: order.quantity,
            unit_price_cents: order.price.0,
            currency: "EUR",
            event_starts_at: Some(notice::instant(millis(order.starts_at))),
            tickets: None,
            holder: HolderData::allowed(order.holder.as_ref(), &self.settings.terms),
            answer_before: Some(notice::instant(now.saturating_add(budget))),
        };
        notice::document(Kind::Requested.name(), now, SALE_SEQUENCE, &notice::data(&data))
    }

    fn outcome(&self, order: &Order, said: SaleSaid) -> BookOutcome {
        let key = &order.places_key;
        match said {
            SaleSaid::Sold(made, left) => {
                let remaining = self.after_sale(key, left, order.quantity);
                BookOutcome::Booked(Sale { tickets: tickets(order, made), remaining })
            }
            SaleSaid::Refused(refusal) => {
                match refusal {
                    Refusal::NotEnough { remaining } => self.known.told(key, Quantity::Exactly(remaining)),
                    _ => self.known.told(key, Quantity::Exactly(0)),
                }
                BookOutcome::Refused(refusal)
            }
            SaleSaid::Nothing(error) => BookOutcome::NotAttempted(error),
            SaleSaid::Doubt(error, made) => {
                self.known.forget(key);
                BookOutcome::Unknown(Suspicion { error, tickets: tickets(order, made) })
            }
        }
    }

    /// Places left after a sale. Where the software never told any, none: pass Culture would take "no limit" literally and go
    /// on selling, while "none" lasts until the software states its places again.
    fn after_sale(&self, key: &str, left: Left, quantity: u32) -> Quantity {
        match left {
            Left::Told(left) => {
                self.known.told(key, left);
                left
            }
            Left::NotTold => match self.known.last(key) {
                Some(Quantity::Exactly(before)) => {
                    let left = Quantity::Exactly(before.saturating_sub(quantity));
                    self.known.told(key, left);
                    left
                }
                Some(Quantity::Unlimited) => Quantity::Unlimited,
                None => Quantity::Exactly(0),
            },
        }
    }

    /// Sale by sale; as a rule there is one.
    async fn void(&self, tickets: &[Ticket], deadline: Deadline) -> Vec<CancelOutcome> {
        let sold: Vec<Option<Sold>> = tickets.iter().map(|ticket| serde_json::from_str(&ticket.vendor).ok()).collect();
        let mut outcomes: Vec<Option<CancelOutcome>> = tickets.iter().map(|_| None).collect();
        let mut seen = HashSet::new();
        for sale in sold.iter().flatten().filter(|sale| seen.insert(sale.booking_id.as_str())) {
            let of_sale = |at: &Option<Sold>| at.as_ref().is_some_and(|other| other.booking_id == sale.booking_id);
            let barcodes: Vec<&str> = tickets
                .iter()
                .zip(&sold)
                .filter(|(_, at)| of_sale(at))
                .map(|(ticket, _)| ticket.barcode.as_str())
                .collect();
            let mut freed = self.free(sale, &barcodes, deadline).await.into_iter();
            for (outcome, at) in outcomes.iter_mut().zip(&sold) {
                if of_sale(at) {
                    *outcome = freed.next();
                }
            }
        }
        outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or_else(|| CancelOutcome::NotAttempted(unreadable())))
            .collect()
    }

    /// One outcome for each barcode of one sale.
    async fn free(&self, sale: &Sold, barcodes: &[&str], deadline: Deadline) -> Vec<CancelOutcome> {
        let all = |outcome: CancelOutcome| barcodes.iter().map(|_| outcome.again()).collect();
        let said = match self.ask_to_free(sale, barcodes, deadline).await {
            Ok(said) => said,
            Err(error) => return all(CancelOutcome::ToBeTold(error)),
        };
        match said {
            // A no to several may be a no to one of them: each is asked for by itself.
            CancelSaid::AlreadyCancelled | CancelSaid::AlreadyUsed | CancelSaid::NotKnown | CancelSaid::Refused
                if barcodes.len() > 1 =>
            {
                let mut each = Vec::new();
                for barcode in barcodes {
                    let said = self.ask_to_free(sale, std::slice::from_ref(barcode), deadline).await;
                    each.push(self.freed(sale, 1, said));
                }
                each
            }
            said => all(self.freed(sale, u32::try_from(barcodes.len()).unwrap_or(u32::MAX), Ok(said))),
        }
    }

    /// The outcome for one answer; of several barcodes it is the same for all.
    fn freed(&self, sale: &Sold, seats: u32, said: Result<CancelSaid, AdapterError>) -> CancelOutcome {
        match said {
            Ok(CancelSaid::Cancelled(Left::Told(left))) => {
                self.known.told(&sale.stock_id, left);
                CancelOutcome::Cancelled
            }
            Ok(CancelSaid::Cancelled(Left::NotTold)) => {
                match self.known.fresh(&sale.stock_id) {
                    Some(left) => self.known.told(&sale.stock_id, left.plus(seats)),
                    None => self.known.forget(&sale.stock_id),
                }
                CancelOutcome::Cancelled
            }
            Ok(CancelSaid::AlreadyCancelled) => CancelOutcome::AlreadyCancelled,
            Ok(CancelSaid::AlreadyUsed) => CancelOutcome::Refused("it was used at the door".to_owned()),
            Ok(CancelSaid::NotKnown) => CancelOutcome::NotFound,
            Ok(CancelSaid::Refused) => CancelOutcome::Refused("the software refuses, with status 422".to_owned()),
            Ok(CancelSaid::Nothing(error)) => CancelOutcome::NotAttempted(error),
            Ok(CancelSaid::TurnedAway(error)) => {
                self.known.forget(&sale.stock_id);
                CancelOutcome::Unknown(error)
            }
            Ok(CancelSaid::Doubt(error)) | Err(error) => {
                self.known.forget(&sale.stock_id);
                CancelOutcome::ToBeTold(error)
            }
        }
    }

    /// Asks, and asks once more when nobody knows or nobody was reached. An error: the software is to be told by message.
    async fn ask_to_free(
        &self,
        sale: &Sold,
        barcodes: &[&str],
        deadline: Deadline,
    ) -> Result<CancelSaid, AdapterError> {
        let Some(desk) = &self.settings.desk else {
            let why = "this software is not asked to free seats";
            return Ok(CancelSaid::Nothing(AdapterError::new(Class::Unsupported, "NotAsked", FREE, why)));
        };
        if deadline.left() < SALE_NEEDS {
            let why = "too little time is left to ask; the software is told by message";
            return Err(AdapterError::new(Class::Transient, "NoTimeToCancel", FREE, why));
        }
        let data = CancelledData {
            booking_id: sale.booking_id.clone(),
            barcodes: barcodes.iter().map(|barcode| (*barcode).to_owned()).collect(),
            reason: Reason::Beneficiary,
            remaining_barcodes: Vec::new(),
        };
        let body = notice::document(Kind::CancelRequested.name(), now_millis(), CANCEL_SEQUENCE, &notice::data(&data));
        let request = Request { operation: FREE, url: &desk.cancel, id: new_id(), body };
        let first = match self.ask_once_to_free(&request, deadline).await {
            Ok(CancelSaid::Doubt(error)) | Err(error) => error,
            Ok(said) => return Ok(said),
        };
        if deadline.left() < REPEAT_NEEDS || first.class == Class::RateLimited {
            return Err(first);
        }
        match self.ask_once_to_free(&request, deadline).await {
            // Turned away now, and perhaps void since the first try.
            Ok(CancelSaid::Nothing(_)) => Err(first),
            Ok(CancelSaid::Doubt(error)) | Err(error) => Err(error),
            Ok(said) => Ok(said),
        }
    }

    async fn ask_once_to_free(&self, request: &Request<'_>, deadline: Deadline) -> Result<CancelSaid, AdapterError> {
        let answer = self.send(request, deadline).await.map_err(NotAnswered::into_error)?;
        Ok(facts::cancel(&said(FREE, &answer, &answer.saw())))
    }
}

fn tickets(order: &Order, made: Vec<Made>) -> Vec<Ticket> {
    let sold = Sold { booking_id: order.reference.booking_id(), stock_id: order.places_key.clone() };
    let vendor = serde_json::to_string(&sold).unwrap_or_else(|_| "{}".to_owned());
    made.into_iter().map(|Made { barcode, seat }| Ticket { barcode, seat, vendor: vendor.clone() }).collect()
}

fn unreadable() -> AdapterError {
    let why = "what was kept of this ticket is none of this adapter's; look for its barcode at the vendor";
    AdapterError::new(Class::Data, "UnreadableTicket", FREE, why)
}

/// Milliseconds since 1970, also before.
fn millis(at: SystemTime) -> i64 {
    match at.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |before| -before),
    }
}
