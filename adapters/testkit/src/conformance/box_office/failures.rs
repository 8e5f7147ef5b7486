//! Every step of a booking failed in turn, in every way.

use passerelle_contract::{BookOutcome, FindOutcome, Order};

use super::super::{Harness, Outcome, ensure, side_by_side};
use super::stage::{AT_ONCE, Attempt, Stage, Steps, after, doubts, faults, order};
use crate::simulator::Fault;

/// What goes wrong, and when.
#[derive(Clone, Debug)]
struct Break {
    call: usize,
    fault: Fault,
    /// This call alone, or everything from it on.
    once: bool,
}

pub(in super::super) async fn a_failed_call_never_makes_a_booking_untrue(harness: &dyn Harness) -> Outcome {
    let Some(steps) = Steps::cold(harness).await? else { return Ok(()) };
    let mut breaks = Vec::new();
    for call in 0..steps.calls.len() {
        breaks.extend(faults().into_iter().map(|fault| Break { call, fault, once: true }));
        breaks.push(Break { call, fault: Fault::Status(503), once: false });
    }
    breaks.extend(senseless().into_iter().map(|fault| Break { call: steps.sells_at, fault, once: true }));
    let bookings = breaks.into_iter().map(|one| one_broken_booking(harness, &steps, one));
    side_by_side(AT_ONCE, bookings).await
}

/// Good JSON that says nothing about a sale. Asked of the sale alone: elsewhere "nothing" may be an answer.
fn senseless() -> Vec<Fault> {
    let bodies = ["{}", "[]", "null", ""].map(|text| Fault::Body(text.to_owned()));
    bodies.iter().cloned().chain(bodies.iter().cloned().map(after)).collect()
}

async fn one_broken_booking(harness: &dyn Harness, steps: &Steps, broken: Break) -> Outcome {
    let named = |why: String| format!("{broken:?} of {} (call {} sells): {why}", steps.calls.len(), steps.sells_at);
    let Some(stage) = Stage::set(harness).await? else { return Ok(()) };
    let order = order(&stage.orders().open, 2);
    let faults = stage.simulator()?.faults();
    if broken.once {
        faults.at_call(broken.call, broken.fault.clone());
    } else {
        faults.from_call(broken.call, broken.fault.clone());
    }
    let attempt = stage.book(&order).await.map_err(named)?;
    stage.simulator()?.faults().clear();
    judge(&stage, &order, &attempt, &broken.fault).await.map_err(named)
}

/// Outcome against truth.
async fn judge(stage: &Stage, order: &Order, attempt: &Attempt, fault: &Fault) -> Outcome {
    let Attempt { outcome, sold, journal, .. } = attempt;
    match outcome {
        BookOutcome::Booked(sale) => {
            attempt.judge_sale(order, sale)?;
            // These tickets, and no others, are the sale.
            stage.take_back(&sale.tickets).await?;
            ensure(stage.sold(order) == 0, || "the tickets given are not those sold".to_owned())
        }
        BookOutcome::Refused(refusal) => {
            // Only a plain "not here" may be part of a vendor's table of refusals.
            ensure(*fault == Fault::Status(404), || format!("a doubt became {refusal:?}"))?;
            ensure(*sold == 0, || format!("{refusal:?}, and {sold} seats are sold"))
        }
        BookOutcome::NotAttempted(error) => {
            ensure(*sold == 0, || format!("{sold} seats are sold in spite of: {error}"))
        }
        BookOutcome::Unknown(suspicion) => {
            let Some(written) = journal.last() else {
                return Err(format!("Unknown, though nothing was ever about to be sold: {}", suspicion.error));
            };
            match stage.find(order, &written.trace).await? {
                FindOutcome::NotSold => ensure(*sold == 0, || format!("NotSold, and {sold} seats are sold")),
                FindOutcome::Sold(tickets) => {
                    ensure(*sold == order.quantity && tickets.len() == order.quantity as usize, || {
                        format!("found {} tickets; {sold} seats are sold", tickets.len())
                    })
                }
                FindOutcome::Unclear(_) | FindOutcome::NotAsked(_) => Ok(()),
            }
        }
    }
}

pub(in super::super) async fn a_sale_that_may_have_arrived_is_not_sent_again(harness: &dyn Harness) -> Outcome {
    let Some(steps) = Steps::cold(harness).await? else { return Ok(()) };
    let most = if harness.repeats_a_sale_because().is_some() { 2 } else { 1 };
    let mut cases: Vec<(Fault, usize)> = doubts().into_iter().map(|fault| (fault, most)).collect();
    // Who is told to sign in again has sold nothing, and may ask once more.
    cases.push((Fault::Status(401), 2));
    let sendings = cases.into_iter().map(|(fault, most)| one_sending(harness, &steps, fault, most));
    side_by_side(AT_ONCE, sendings).await
}

async fn one_sending(harness: &dyn Harness, steps: &Steps, fault: Fault, most: usize) -> Outcome {
    let Some(stage) = Stage::set(harness).await? else { return Ok(()) };
    stage.simulator()?.faults().at_call(steps.sells_at, fault.clone());
    let attempt = stage.book(&order(&stage.orders().open, 2)).await.map_err(|why| format!("{fault:?}: {why}"))?;
    let Some(selling) = attempt.calls.get(steps.sells_at) else {
        return Err(format!("{fault:?}: the sale was not sent; a healthy booking sends it at call {}", steps.sells_at));
    };
    let since = attempt.calls.iter().skip(steps.sells_at);
    let sent = since.filter(|call| call.method == selling.method && call.path == selling.path).count();
    ensure(sent <= most, || format!("{fault:?}: {} {} was sent {sent} times", selling.method, selling.path))?;
    let written = attempt.journal.len();
    ensure(sent <= written, || format!("{fault:?}: sent {sent} times, the journal was written {written} times"))
}
