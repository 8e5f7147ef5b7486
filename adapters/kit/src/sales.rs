//! Sales that are voided whole, however many tickets are named.
//!
//! Invariant: a sale is voided by one call, and each of its tickets gets that call's outcome.

use std::future::Future;

use passerelle_contract::CancelOutcome;

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
