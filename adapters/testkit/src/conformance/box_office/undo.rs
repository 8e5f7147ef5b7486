//! Every undo twice, every step of it failed in turn, and a clean slate afterwards.

use passerelle_contract::CancelOutcome;

use super::super::{Harness, Outcome, ensure, side_by_side};
use super::stage::{AT_ONCE, Stage, faults, is_void, order};
use crate::simulator::Fault;

pub(in super::super) async fn a_cancellation_frees_the_seats_and_may_be_repeated(harness: &dyn Harness) -> Outcome {
    let Some(mut stage) = Stage::set(harness).await? else { return Ok(()) };
    let order = order(&stage.orders().open, 2);
    let before = stage.left(&order);
    let (sale, _) = stage.sell(&order).await?;
    let first = stage.cancel(&sale.tickets).await?;
    ensure(stage.sold(&order) == 0, || format!("{first:?}, and {} seats are still sold", stage.sold(&order)))?;
    ensure(stage.left(&order) == before, || "the places did not come back".to_owned())?;
    ensure(first.iter().all(is_void), || format!("all are cancelled, and it says {first:?}"))?;
    for restarted in [false, true] {
        if restarted {
            stage.restart(harness).await?;
        }
        let again = stage.cancel(&sale.tickets).await?;
        ensure(again.iter().all(is_void), || format!("cancelled again (restarted: {restarted}): {again:?}"))?;
        let (sold, left) = (stage.sold(&order), stage.left(&order));
        ensure(sold == 0 && left == before, || format!("the repetition left {sold} sold and {left} free"))?;
    }
    // The places can be sold again, and the old tickets do not harm the new ones.
    let (sale_again, _) = stage.sell(&super::stage::order(&stage.orders().open, 2)).await?;
    stage.cancel(&sale.tickets).await?;
    ensure(stage.sold(&order) == 2, || "the old tickets took the new sale with them".to_owned())?;
    stage.take_back(&sale_again.tickets).await
}

pub(in super::super) async fn one_of_two_is_cancelled_as_promised(harness: &dyn Harness) -> Outcome {
    let Some(stage) = Stage::set(harness).await? else { return Ok(()) };
    let order = order(&stage.orders().open, 2);
    let (sale, _) = stage.sell(&order).await?;
    let [first, second] = sale.tickets.as_slice() else { return Err("two tickets".to_owned()) };
    for (ticket, still_sold) in [(first, u32::from(stage.frees_each_ticket()?)), (second, 0)] {
        let outcome = stage.cancel(std::slice::from_ref(ticket)).await?;
        ensure(outcome.iter().all(is_void), || format!("one of two: {outcome:?}"))?;
        let sold = stage.sold(&order);
        ensure(sold == still_sold, || format!("{sold} seats are still sold, not {still_sold} as `cancels` promises"))?;
    }
    Ok(())
}

pub(in super::super) async fn an_unknown_ticket_frees_nothing(harness: &dyn Harness) -> Outcome {
    let Some(stage) = Stage::set(harness).await? else { return Ok(()) };
    let order = order(&stage.orders().open, 2);
    let (sale, _) = stage.sell(&order).await?;
    let Some(sold) = sale.tickets.first() else { return Err("no ticket".to_owned()) };
    let unknown = stage.unknown_ticket(sold);
    let outcome = stage.cancel(std::slice::from_ref(&unknown)).await?;
    let honest = matches!(outcome.as_slice(), [CancelOutcome::NotFound | CancelOutcome::Refused(_)]);
    ensure(honest, || format!("{unknown:?} was never sold: {outcome:?}"))?;
    ensure(stage.sold(&order) == 2, || format!("{} of 2 seats are still sold", stage.sold(&order)))
}

pub(in super::super) async fn a_failed_cancellation_is_never_taken_for_done(harness: &dyn Harness) -> Outcome {
    let Some(mut stage) = Stage::set(harness).await? else { return Ok(()) };
    let (sale, _) = stage.sell(&order(&stage.orders().open, 2)).await?;
    stage.restart(harness).await?;
    let before = stage.simulator()?.log().len();
    stage.take_back(&sale.tickets).await?;
    let calls = stage.simulator()?.log().len() - before;
    ensure(calls > 0, || "a cancellation that calls nobody".to_owned())?;
    let broken = (0..calls).flat_map(|call| faults().into_iter().map(move |fault| (call, fault)));
    let undos = broken.map(|(call, fault)| one_broken_cancellation(harness, call, fault));
    side_by_side(AT_ONCE, undos).await
}

async fn one_broken_cancellation(harness: &dyn Harness, call: usize, fault: Fault) -> Outcome {
    let named = |why: String| format!("{fault:?} at call {call} of a cancellation: {why}");
    let Some(mut stage) = Stage::set(harness).await? else { return Ok(()) };
    let order = order(&stage.orders().open, 2);
    let (sale, _) = stage.sell(&order).await?;
    // As after a restart: the sign-in is a step too.
    stage.restart(harness).await?;
    stage.simulator()?.faults().at_call(call, fault.clone());
    let outcomes = stage.cancel(&sale.tickets).await.map_err(named)?;
    stage.simulator()?.faults().clear();
    let sold = stage.sold(&order);
    judge(&outcomes, sold, &fault).map_err(named)?;
    // Twice more, the second time as another process.
    let again = stage.cancel(&sale.tickets).await.map_err(named)?;
    judge(&again, stage.sold(&order), &fault).map_err(named)?;
    stage.restart(harness).await?;
    stage.take_back(&sale.tickets).await.map_err(named)?;
    let sold = stage.sold(&order);
    ensure(sold == 0, || named(format!("{sold} seats are still sold after all repetitions")))
}

/// What is said of two tickets, against the seats still sold.
fn judge(outcomes: &[CancelOutcome], sold: u32, fault: &Fault) -> Outcome {
    let void = outcomes.iter().filter(|one| is_void(one)).count();
    ensure(void + sold as usize <= outcomes.len(), || format!("{sold} seats are still sold: {outcomes:?}"))?;
    let untouched = outcomes.iter().filter(|one| matches!(one, CancelOutcome::NotAttempted(_))).count();
    ensure(untouched <= sold as usize, || format!("only {sold} seats are still sold: {outcomes:?}"))?;
    // A plain "not here" may be how this vendor speaks of a ticket.
    let final_no = outcomes.iter().any(|one| matches!(one, CancelOutcome::NotFound | CancelOutcome::Refused(_)));
    ensure(!final_no || *fault == Fault::Status(404), || format!("a doubt became a final answer: {outcomes:?}"))
}
