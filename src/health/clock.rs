//! Was the store written by a clock that was ahead? Told as a verdict of its own, since little else would show it.
//!
//! What lies in the future counts as now everywhere, so nothing waits for that date; a person should still know, because a clock
//! that is wrong is wrong again, and what it stamped (bookings, messages, passes) is dated wrong for good.

use std::time::Duration;

use super::{Answer, Verdict};
use crate::clock::{ago, show};
use crate::gateway::Gateway;
use crate::store::{Ahead, Millis, StoreError};

/// Name of the probe.
const PROBE: &str = "timestamps";
const REMEDY: &str = "set the clocks of this machine and of every node (an NTP client does); what lies in the future counts as \
                      now, so the next `passerelle serve` or `sync` puts it right";

/// Of one connection; nothing when all is well and was before.
pub(super) async fn of_connection(gateway: &Gateway, connection: &str) -> Result<Option<Answer>, StoreError> {
    let ahead = gateway.store.ahead_of_connection(connection, (gateway.now)()).await?;
    answer(gateway, connection, &ahead).await
}

/// Of one account, whose probes have this subject.
pub(super) async fn of_account(gateway: &Gateway, account: &str, subject: &str) -> Result<Option<Answer>, StoreError> {
    let ahead = gateway.store.ahead_of_account(account, (gateway.now)()).await?;
    answer(gateway, subject, &ahead).await
}

async fn answer(gateway: &Gateway, subject: &str, ahead: &[Ahead]) -> Result<Option<Answer>, StoreError> {
    if !ahead.is_empty() {
        return Ok(Some(judge(ahead, (gateway.now)())));
    }
    // A verdict that no longer stands is taken back.
    let stood = gateway.store.probes(Some(subject)).await?.iter().any(|probe| probe.probe == PROBE);
    Ok(stood.then(|| Answer::healthy(PROBE, Duration::ZERO, "nothing lies in the future".to_owned())))
}

fn judge(ahead: &[Ahead], now: Millis) -> Answer {
    let told = |one: &Ahead| {
        let times = if one.count > 1 { format!(" ({} of them)", one.count) } else { String::new() };
        format!("{}{times}: {}, {} ahead", one.what, show(one.latest), ago(now, one.latest))
    };
    let all: Vec<String> = ahead.iter().map(told).collect();
    Answer {
        probe: PROBE,
        verdict: Verdict::Failing,
        latency: Duration::ZERO,
        evidence: format!("dated in the future, as if a clock had been wrong: {}", all.join("; ")),
        remedy: REMEDY.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_ahead_is_named_with_its_date() {
        const NOW: Millis = 1_760_000_000_000;
        const DAY: Millis = 24 * 3_600_000;
        let answer = judge(
            &[
                Ahead { what: "the next pass", count: 1, latest: NOW + DAY },
                Ahead { what: "the next step of a booking", count: 3, latest: NOW + 3 * DAY },
            ],
            NOW,
        );
        assert_eq!(answer.verdict, Verdict::Failing);
        assert_eq!(
            answer.evidence,
            "dated in the future, as if a clock had been wrong: the next pass: 2025-10-10 08:53:20Z, 24 h ahead; the next step \
             of a booking (3 of them): 2025-10-12 08:53:20Z, 3 days ahead"
        );
        assert!(answer.remedy.contains("NTP"));
    }
}
