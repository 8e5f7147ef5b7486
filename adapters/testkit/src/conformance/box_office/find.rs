//! Looking for a sale whose answer was lost.

use futures_util::future::join_all;
use passerelle_contract::{BookOutcome, FindOutcome, Order};

use super::super::{Harness, Outcome, ensure, garbage};
use super::stage::{Stage, Steps, after, order};
use crate::simulator::Fault;

pub(in super::super) async fn a_lost_sale_is_never_called_unsold(harness: &dyn Harness) -> Outcome {
    let Some(steps) = Steps::warm(harness).await? else { return Ok(()) };
    let lost = [after(Fault::Html), after(Fault::Status(500)), Fault::CutMidBody, Fault::Html, Fault::Status(500)];
    let looks = lost.into_iter().map(|fault| one_lost_sale(harness, &steps, fault));
    join_all(looks).await.into_iter().collect()
}

async fn one_lost_sale(harness: &dyn Harness, steps: &Steps, fault: Fault) -> Outcome {
    let named = |why: String| format!("{fault:?} at the sale: {why}");
    let Some(mut stage) = Stage::set(harness).await? else { return Ok(()) };
    let template = stage.orders().open.clone();
    // Somebody else buys before and gives back after, so that the show counts as many seats as if nothing had been sold.
    let (others, _) = stage.sell(&order(&template, 2)).await?;
    let mine = order(&template, 2);
    stage.simulator()?.faults().at_call(steps.sells_at, fault.clone());
    let attempt = stage.book(&mine).await.map_err(named)?;
    stage.simulator()?.faults().clear();
    if matches!(attempt.outcome, BookOutcome::Booked(_)) {
        return attempt_was_rescued(attempt.sold).map_err(named);
    }
    let Some(written) = attempt.journal.last() else { return Err(named("the journal was not written".to_owned())) };
    stage.take_back(&others.tickets).await.map_err(named)?;
    let lost = Lost { order: &mine, trace: &written.trace, sold: attempt.sold };
    lost.look(&stage, None).await.map_err(named)?;
    stage.restart(harness).await?;
    lost.look(&stage, None).await.map_err(|why| named(format!("after a restart: {why}")))?;
    for trouble in [Fault::Status(500), Fault::Status(401), Fault::Html, garbage(), Fault::CutMidBody, Fault::Hang] {
        lost.look(&stage, Some(trouble)).await.map_err(named)?;
    }
    lost.take_back(&stage).await.map_err(named)
}

/// A sale of two, told as two.
fn attempt_was_rescued(sold: u32) -> Outcome {
    ensure(sold == 2, || format!("Booked, and {sold} seats are sold"))
}

struct Lost<'a> {
    order: &'a Order,
    trace: &'a str,
    /// Seats that were sold in truth.
    sold: u32,
}

impl Lost<'_> {
    async fn look(&self, stage: &Stage, trouble: Option<Fault>) -> Outcome {
        let before = (stage.sold(self.order), stage.left(self.order));
        if let Some(fault) = &trouble {
            stage.simulator()?.faults().from_call(0, fault.clone());
        }
        let found = stage.find(self.order, self.trace).await?;
        stage.simulator()?.faults().clear();
        let (sold, known) = (self.sold, stage.office()?.semantics().finds_lost_sales);
        let after = (stage.sold(self.order), stage.left(self.order));
        ensure(before == after, || format!("looking changed sold and left from {before:?} to {after:?}"))?;
        let honest = match &found {
            FindOutcome::Sold(tickets) => known && sold > 0 && tickets.len() == sold as usize,
            // Not even when the vendor is in trouble.
            FindOutcome::NotSold => sold == 0,
            FindOutcome::Unclear(sentence) => !sentence.trim().is_empty(),
            FindOutcome::NotAsked(_) => true,
        };
        ensure(honest, || format!("{found:?}; in truth {sold} seats are sold (trouble: {trouble:?})"))
    }

    /// What was found is what was sold: when it is cancelled nothing is left.
    async fn take_back(&self, stage: &Stage) -> Outcome {
        let FindOutcome::Sold(tickets) = stage.find(self.order, self.trace).await? else { return Ok(()) };
        stage.take_back(&tickets).await?;
        let sold = stage.sold(self.order);
        ensure(sold == 0, || format!("the tickets found are not those sold: {sold} seats are still sold"))
    }
}
