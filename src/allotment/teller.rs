//! The box office of software that sells by itself and states its shows through our API: what its answers say of places left is
//! what it stated last.
//!
//! Invariant: sales and cancellations are the software's own; here they are only listened to.

use std::sync::Arc;

use passerelle_contract::{
    Adapter, AdapterError, BookOutcome, BoxFuture, BoxOffice, CancelOutcome, Class, Deadline, FindOutcome, Journal,
    Look, Order, Quantity, Refusal, Semantics, Ticket,
};

use super::Place;

/// Listens to a box office.
pub(super) struct Teller {
    inner: Arc<dyn Adapter>,
    semantics: Semantics,
    place: Place,
}

impl Teller {
    /// `None` where there is no box office to listen to.
    pub(super) fn of(inner: &Arc<dyn Adapter>, place: &Place) -> Option<Self> {
        let semantics = inner.box_office()?.semantics();
        Some(Self { inner: Arc::clone(inner), semantics, place: place.clone() })
    }

    /// Without this the next pass would tell pass Culture the number that was stated before the sale.
    async fn learn(&self, order: &Order, left: Quantity) {
        let learnt = self.place.store.learn_places(&self.place.connection, &order.places_key, left.number()).await;
        if let Err(error) = learnt {
            tracing::warn!(connection = self.place.connection, %error, "places left were not remembered");
        }
    }
}

fn nobody(operation: &'static str) -> AdapterError {
    AdapterError::new(Class::Unsupported, "NoBoxOffice", operation, "this software sells nothing any more")
}

impl BoxOffice for Teller {
    fn semantics(&self) -> Semantics {
        self.semantics
    }

    fn book<'a>(
        &'a self,
        order: &'a Order,
        journal: &'a dyn Journal,
        deadline: Deadline,
    ) -> BoxFuture<'a, BookOutcome> {
        Box::pin(async move {
            let Some(office) = self.inner.box_office() else { return BookOutcome::NotAttempted(nobody("sell")) };
            let outcome = office.book(order, journal, deadline).await;
            match &outcome {
                BookOutcome::Booked(sale) => self.learn(order, sale.remaining).await,
                BookOutcome::Refused(Refusal::SoldOut) => self.learn(order, Quantity::Exactly(0)).await,
                BookOutcome::Refused(Refusal::NotEnough { remaining }) => {
                    self.learn(order, Quantity::Exactly(*remaining)).await;
                }
                BookOutcome::Refused(_) | BookOutcome::NotAttempted(_) | BookOutcome::Unknown(_) => {}
            }
            outcome
        })
    }

    fn find<'a>(
        &'a self,
        order: &'a Order,
        trace: &'a str,
        look: Look,
        deadline: Deadline,
    ) -> BoxFuture<'a, FindOutcome> {
        Box::pin(async move {
            match self.inner.box_office() {
                Some(office) => office.find(order, trace, look, deadline).await,
                None => FindOutcome::NotAsked(nobody("look for a sale")),
            }
        })
    }

    fn cancel<'a>(&'a self, tickets: &'a [Ticket], deadline: Deadline) -> BoxFuture<'a, Vec<CancelOutcome>> {
        Box::pin(async move {
            match self.inner.box_office() {
                Some(office) => office.cancel(tickets, deadline).await,
                None => tickets.iter().map(|_| CancelOutcome::NotAttempted(nobody("void tickets"))).collect(),
            }
        })
    }

    fn remaining<'a>(&'a self, order: &'a Order, deadline: Deadline) -> BoxFuture<'a, Result<Quantity, AdapterError>> {
        Box::pin(async move {
            let office = self.inner.box_office().ok_or_else(|| nobody("ask for places left"))?;
            let left = office.remaining(order, deadline).await?;
            self.learn(order, left).await;
            Ok(left)
        })
    }
}
