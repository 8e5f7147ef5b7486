//! What box offices say alike: how a sale ended, why it cannot be made, and sales that are voided whole, however many tickets are named.
//!
//! Invariants: an error before anything was sent sold nothing; what may have been sold is never called unsold. A sale is voided by
//! one call, and each of its tickets gets that call's outcome.

use std::future::Future;

use passerelle_contract::{
    AdapterError, BookOutcome, CancelOutcome, Cents, Class, Order, Quantity, Refusal, Sale, Suspicion, Ticket,
};

/// How a step of a sale ends it. An error becomes [`NotSold::Nothing`] by itself: only a step that may have sold says otherwise.
pub enum NotSold {
    /// The vendor said no, in a way that its table knows.
    Refused(Refusal),
    /// Provably nothing was sold.
    Nothing(AdapterError),
    /// Something may have been sold. Boxed, so that what each step returns stays small.
    Unknown(Box<Suspicion>),
}

impl NotSold {
    /// Something may have been sold; no ticket of it is known.
    #[must_use]
    pub fn unknown(error: AdapterError) -> Self {
        Self::suspected(error, Vec::new())
    }

    /// Something may have been sold, these tickets at least.
    #[must_use]
    pub fn suspected(error: AdapterError, tickets: Vec<Ticket>) -> Self {
        Self::Unknown(Box::new(Suspicion { error, tickets }))
    }

    /// What a box office answers.
    #[must_use]
    pub fn outcome(sold: Result<Sale, Self>) -> BookOutcome {
        match sold {
            Ok(sale) => BookOutcome::Booked(sale),
            Err(Self::Refused(refusal)) => BookOutcome::Refused(refusal),
            Err(Self::Nothing(error)) => BookOutcome::NotAttempted(error),
            Err(Self::Unknown(suspicion)) => BookOutcome::Unknown(*suspicion),
        }
    }
}

impl From<AdapterError> for NotSold {
    fn from(error: AdapterError) -> Self {
        Self::Nothing(error)
    }
}

/// Why so many seats cannot be had, if they cannot.
#[must_use]
pub const fn too_few(left: Quantity, wanted: u32) -> Option<Refusal> {
    match left {
        Quantity::Exactly(0) => Some(Refusal::SoldOut),
        Quantity::Exactly(remaining) if remaining < wanted => Some(Refusal::NotEnough { remaining }),
        Quantity::Exactly(_) | Quantity::Unlimited => None,
    }
}

/// The vendor asks another price than pass Culture announced; nothing was sold.
#[must_use]
pub fn price_changed(operation: &'static str, order: &Order, now: Cents) -> AdapterError {
    let why = format!(
        "the seat costs {now} now and the beneficiary was told {}; nothing is sold, the next pass tells the new price",
        order.price
    );
    AdapterError::new(Class::Data, "PriceChanged", operation, why)
}

/// Voids each sale once; one outcome for each ticket, in order. `sales` names the sale of each ticket.
pub async fn each_once<K: PartialEq + Clone, F: Future<Output = CancelOutcome>>(
    sales: impl IntoIterator<Item = K>,
    mut void: impl FnMut(K) -> F,
) -> Vec<CancelOutcome> {
    let mut done: Vec<(K, usize)> = Vec::new();
    let mut outcomes: Vec<CancelOutcome> = Vec::new();
    for sale in sales {
        let known = done.iter().find(|(other, _)| *other == sale).and_then(|(_, at)| outcomes.get(*at));
        let outcome = match known {
            Some(outcome) => outcome.again(),
            None => {
                done.push((sale.clone(), outcomes.len()));
                void(sale).await
            }
        };
        outcomes.push(outcome);
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_sale_is_voided_once_and_every_ticket_hears_of_it() {
        let mut calls = Vec::new();
        let outcomes = each_once(["a", "b", "a", "a"], |sale| {
            calls.push(sale);
            async move { if sale == "a" { CancelOutcome::Cancelled } else { CancelOutcome::NotFound } }
        })
        .await;
        assert_eq!(calls, ["a", "b"]);
        let told: Vec<bool> = outcomes.iter().map(|outcome| matches!(outcome, CancelOutcome::Cancelled)).collect();
        assert_eq!(told, [true, false, true, true]);
    }
}
