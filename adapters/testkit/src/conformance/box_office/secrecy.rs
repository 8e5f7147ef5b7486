//! Who booked, and with which key, is nobody's business but the vendor's.

use std::fmt::Write as _;

use futures_util::future::join_all;
use passerelle_contract::{AdapterError, BookOutcome, CancelOutcome, FindOutcome};
use serde_json::Value;

use super::super::network::everything;
use super::super::{CANARY, CanaryFile, Harness, Outcome, ensure, garbage, shows_canary, with_secret};
use super::stage::{PERSON, Stage, Steps, order};
use crate::simulator::Fault;

pub(in super::super) async fn no_person_and_no_secret_shows_in_outcomes(harness: &dyn Harness) -> Outcome {
    let file = CanaryFile::new()?;
    let over = harness.secret_setting().map(|(_, over)| with_secret(&over, &file.place()));
    let faults = [
        None,
        Some(Fault::Status(400)),
        Some(Fault::Status(401)),
        Some(Fault::Status(500)),
        Some(Fault::Html),
        Some(garbage()),
        Some(Fault::CutMidBody),
        // A vendor that says whatever it was told.
        Some(Fault::Echo(200)),
        Some(Fault::Echo(400)),
        Some(Fault::Echo(500)),
    ];
    let Some(steps) = Steps::cold(harness).await? else { return Ok(()) };
    // From the first call on, and from the sale on.
    let calls = faults.iter().flat_map(|fault| [(fault, 0), (fault, steps.sells_at)]);
    let looks = calls.flat_map(|(fault, call)| [(fault, call, None), (fault, call, over.as_ref())]);
    let looks = looks.map(|(fault, call, over)| one_look(harness, fault.as_ref(), call, over));
    join_all(looks).await.into_iter().collect()
}

async fn one_look(harness: &dyn Harness, fault: Option<&Fault>, call: usize, over: Option<&Value>) -> Outcome {
    let stage = match over {
        Some(over) => Stage::set_with(harness, over).await?,
        None => Stage::set(harness).await?,
    };
    let Some(stage) = stage else { return Ok(()) };
    let order = order(&stage.orders().open, 2);
    if let Some(fault) = fault {
        stage.simulator()?.faults().from_call(call, fault.clone());
    }
    let mut shown = String::new();
    let attempt = stage.book(&order).await?;
    shown += &told(&attempt.outcome);
    for written in &attempt.journal {
        shown += &written.trace;
        shown += &match stage.find(&order, &written.trace).await? {
            FindOutcome::NotAsked(error) => everything(&error),
            other => format!("{other:?}"),
        };
    }
    if let BookOutcome::Booked(sale) = &attempt.outcome {
        stage.simulator()?.faults().always(Fault::Status(500));
        for outcome in stage.cancel(&sale.tickets).await? {
            shown += &match &outcome {
                CancelOutcome::NotAttempted(error) | CancelOutcome::Unknown(error) | CancelOutcome::ToBeTold(error) => {
                    everything(error)
                }
                other => format!("{other:?}"),
            };
        }
    }
    let leak =
        PERSON.into_iter().find(|secret| shown.contains(secret)).or_else(|| shows_canary(&shown).then_some(CANARY));
    ensure(leak.is_none(), || format!("{fault:?}: `{}` shows in: {shown}", leak.unwrap_or_default()))
}

/// All that an outcome can print.
fn told(outcome: &BookOutcome) -> String {
    let chain: Option<&AdapterError> = match outcome {
        BookOutcome::NotAttempted(error) => Some(error),
        BookOutcome::Unknown(suspicion) => Some(&suspicion.error),
        BookOutcome::Booked(_) | BookOutcome::Refused(_) => None,
    };
    let mut shown = format!("{outcome:?} ");
    if let Some(error) = chain {
        let _infallible = write!(shown, "{}", everything(error));
    }
    shown
}
