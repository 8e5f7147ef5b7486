//! The box office of a vendor that has none: tickets issued from the store.
//!
//! Invariants: what was issued is always known for certain, so that there is no unknown sale that stays unknown; a seat goes back
//! to where it came from, once.

use std::time::Duration;

use passerelle_contract::{
    AdapterError, BarcodeScope, BookOutcome, BoxFuture, BoxOffice, CancelOutcome, CancelUnit, Class, Deadline,
    FindOutcome, Journal, Look, Order, Quantity, Refusal, Sale, Semantics, Suspicion, Ticket,
};
use serde::{Deserialize, Serialize};

use super::Place;
use super::document::millis;
use crate::store::StoreError;
use crate::store::allotments::{ForSale, Issuance, IssueOrder, IssueTerms, TakenBack};

/// A transaction needs so much, others before it included.
const SALE_NEEDS: Duration = Duration::from_millis(500);
/// A transaction whose answer was lost has ended by then.
const FIND_AFTER: &[Duration] = &[Duration::from_secs(2)];
const ISSUE: &str = "issue tickets";

/// Issues tickets.
pub(super) struct Office {
    pub(super) place: Place,
    pub(super) terms: IssueTerms,
}

/// What a ticket needs to be taken back: [`Ticket::vendor`].
#[derive(Serialize, Deserialize)]
struct Seat {
    reference: String,
    place: u32,
}

impl Office {
    fn order<'a>(&'a self, order: &'a Order) -> IssueOrder<'a> {
        IssueOrder {
            connection: &self.place.connection,
            reference: &order.reference.0,
            stock: &order.places_key,
            quantity: order.quantity,
            price_cents: order.price.0,
            starts_at: millis(order.starts_at),
            now: (self.place.now)(),
        }
    }

    async fn sell(&self, order: &Order, journal: &dyn Journal, deadline: Deadline) -> BookOutcome {
        if deadline.left() < SALE_NEEDS {
            let why = "too little time is left; nothing was issued";
            return BookOutcome::NotAttempted(AdapterError::new(Class::Transient, "NoTimeToSell", ISSUE, why));
        }
        // What was issued is found by its reference: the trace only says that it may have been.
        if let Err(error) = journal.about_to_sell("{}").await {
            return BookOutcome::NotAttempted(error);
        }
        let issued = self.place.store.issue(self.order(order), self.terms).await;
        match issued {
            Ok(Issuance::Issued(barcodes, remaining)) => {
                let seats = (0..).zip(barcodes.iter().map(String::as_str));
                BookOutcome::Booked(Sale { tickets: tickets(&order.reference.0, seats), remaining })
            }
            Ok(Issuance::TooFew(0)) => BookOutcome::Refused(Refusal::SoldOut),
            Ok(Issuance::TooFew(remaining)) => BookOutcome::Refused(Refusal::NotEnough { remaining }),
            Ok(Issuance::Gone) => BookOutcome::Refused(Refusal::ShowGone),
            Ok(Issuance::Closed) => BookOutcome::Refused(Refusal::SalesClosed),
            Ok(Issuance::AnotherPrice(now)) => BookOutcome::NotAttempted(price_changed(order, now)),
            Ok(Issuance::Overtaken) => {
                let why = "the booking was given up meanwhile; nothing was issued";
                BookOutcome::NotAttempted(AdapterError::new(Class::Transient, "TooLateToSell", ISSUE, why))
            }
            Err(error) => BookOutcome::Unknown(Suspicion { error: lost(ISSUE, error), tickets: Vec::new() }),
        }
    }

    async fn look(&self, order: &Order) -> FindOutcome {
        match self.place.store.issued(&self.place.connection, &order.reference.0).await {
            Ok(Some(issued)) => {
                let kept = (0..).zip(&issued.seats).filter(|(_, (_, freed))| !freed);
                let tickets = tickets(&order.reference.0, kept.map(|(place, (barcode, _))| (place, barcode.as_str())));
                if tickets.is_empty() { FindOutcome::NotSold } else { FindOutcome::Sold(tickets) }
            }
            Ok(None) => FindOutcome::NotSold,
            Err(error) => FindOutcome::NotAsked(lost("look for issued tickets", error)),
        }
    }

    async fn take_back(&self, tickets: &[Ticket]) -> Vec<CancelOutcome> {
        let mut outcomes = Vec::with_capacity(tickets.len());
        for ticket in tickets {
            let Ok(seat) = serde_json::from_str::<Seat>(&ticket.vendor) else {
                outcomes.push(CancelOutcome::NotFound);
                continue;
            };
            let back = self.place.store.take_back(&self.place.connection, &seat.reference, &[seat.place]).await;
            outcomes.push(match back.map(|back| back.first().copied()) {
                Ok(Some(TakenBack::Now)) => CancelOutcome::Cancelled,
                Ok(Some(TakenBack::Before)) => CancelOutcome::AlreadyCancelled,
                Ok(Some(TakenBack::Unknown) | None) => CancelOutcome::NotFound,
                Err(error) => CancelOutcome::Unknown(lost("take tickets back", error)),
            });
        }
        outcomes
    }
}

fn tickets<'a>(reference: &str, seats: impl Iterator<Item = (u32, &'a str)>) -> Vec<Ticket> {
    let ticket = |(place, barcode): (u32, &str)| {
        let vendor = serde_json::to_string(&Seat { reference: reference.to_owned(), place }).unwrap_or_default();
        Ticket { barcode: barcode.to_owned(), seat: None, vendor }
    };
    seats.map(ticket).collect()
}

fn price_changed(order: &Order, now: u32) -> AdapterError {
    let why = format!(
        "the stock costs {now} cents now and {} were announced; the next pass tells pass Culture",
        order.price.0
    );
    AdapterError::new(Class::Data, "PriceChanged", ISSUE, why)
}

fn lost(operation: &str, error: StoreError) -> AdapterError {
    AdapterError::new(Class::Transient, error.code(), operation, error.to_string()).caused_by(error)
}

impl BoxOffice for Office {
    fn semantics(&self) -> Semantics {
        Semantics {
            find_after: FIND_AFTER,
            finds_lost_sales: true,
            told_of_lost_sales: false,
            cancels: CancelUnit::Ticket,
            // Imported ones are the venue's own numbers.
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
        Box::pin(self.sell(order, journal, deadline))
    }

    fn find<'a>(
        &'a self,
        order: &'a Order,
        _trace: &'a str,
        _look: Look,
        _deadline: Deadline,
    ) -> BoxFuture<'a, FindOutcome> {
        Box::pin(self.look(order))
    }

    fn cancel<'a>(&'a self, tickets: &'a [Ticket], _deadline: Deadline) -> BoxFuture<'a, Vec<CancelOutcome>> {
        Box::pin(self.take_back(tickets))
    }

    fn remaining<'a>(&'a self, order: &'a Order, _deadline: Deadline) -> BoxFuture<'a, Result<Quantity, AdapterError>> {
        Box::pin(async move {
            match self.place.store.for_sale(self.order(order), self.terms).await {
                Ok(ForSale::Left(left)) => Ok(left),
                Ok(ForSale::Gone | ForSale::Closed) => Ok(Quantity::Exactly(0)),
                Err(error) => Err(lost("count what is left", error)),
            }
        })
    }
}
