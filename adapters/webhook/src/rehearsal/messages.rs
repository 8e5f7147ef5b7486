//! The part of a rehearsal that goes to `url`: the script, step by step, then the cancellation of what it made.
//!
//! Invariant: a booking whose message was not clearly refused is cancelled at the end, whatever became of the rules.

use std::collections::BTreeSet;

use passerelle_contract::AdapterError;
use passerelle_kit::notice::Kind;

use super::judge::{self, deserted, sent};
use super::plan::{self, Script};
use super::stage::{Signing, Stage};
use super::{Ruling, Verdict};
use crate::client::new_id;

/// The last ruling.
const ALL_VOID: &str = "all-messages-void";

/// Goes through the script. An error: nobody answers the first call.
pub(super) async fn rehearse(stage: &mut Stage<'_>) -> Result<Vec<Ruling>, AdapterError> {
    let Script { steps, cast } = plan::script(stage.targets);
    let url = stage.targets.url.clone();
    let mut rulings = Vec::new();
    let mut made = BTreeSet::new();
    for (at, step) in steps.iter().enumerate() {
        if stage.is_deserted() {
            rulings.push(deserted(step.rule));
            continue;
        }
        let heard = if at == 0 {
            stage.send(&url, &step.id, &step.body, step.signing, false).await?
        } else {
            stage.hear(&url, &step.id, &step.body, step.signing, false).await
        };
        if step.expected == judge::Expected::Taken {
            stage.has_taken |= heard.is_good();
        }
        // Whoever broke or kept silent may have stored it all the same.
        if let Some(role) = step.makes
            && !heard.status.is_some_and(|status| (400..500).contains(&status))
        {
            made.insert(role);
        }
        let (verdict, remedy) = judge::message(step.expected, &heard, stage.has_taken, step.note, step.remedy);
        let sent = sent(step.kind, &step.id, step.signing, &step.body);
        rulings.push(Ruling { rule: step.rule, verdict, sent, saw: heard.saw, remedy });
    }
    let mut left = Vec::new();
    let mut saw = Vec::new();
    for role in made.iter().filter_map(|role| cast.get(*role)) {
        let heard = stage.hear(&url, &new_id(), &plan::last_word(role), Signing::Right, false).await;
        saw.push(heard.saw.clone());
        if !heard.is_good() {
            left.push(role.booking_id.clone());
        }
    }
    rulings.push(all_void(&made, &left, &saw));
    Ok(rulings)
}

fn all_void(made: &BTreeSet<usize>, left: &[String], saw: &[String]) -> Ruling {
    let sent = format!("{} of {} booking(s)", Kind::Cancelled.name(), made.len());
    let saw = if saw.is_empty() { "nothing was booked".to_owned() } else { saw.join(", ") };
    let (verdict, remedy) = if left.is_empty() {
        (Verdict::Passed, String::new())
    } else {
        let remedy = format!("their cancellation was not taken: void {} by hand", left.join(", "));
        (Verdict::Failed, remedy)
    };
    Ruling { rule: ALL_VOID, verdict, sent, saw, remedy }
}
