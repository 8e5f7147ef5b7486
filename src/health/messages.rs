//! Does a venue's software take what it is told? Told from what the store remembers, without asking anybody.

use std::time::Duration;

use passerelle_contract::NoticeTerms;

use super::{Answer, Verdict};
use crate::clock::{ago, show};
use crate::store::Millis;
use crate::store::messages::{EndpointCounts, EndpointState};

/// An endpoint that took nothing for so long fails.
const FAILING_AFTER: Millis = 3_600_000;
/// Messages that were not fetched for so long are looked at by a person: a day, in milliseconds.
const FETCHED_WITHIN: Millis = 24 * 3_600_000;

/// Judges one connection's messages; `None` before the first.
pub(super) fn judge(connection: &str, terms: &NoticeTerms, counts: Option<&EndpointCounts>, now: Millis) -> Answer {
    let answer = |verdict, evidence: String, remedy: String| Answer {
        probe: "messages",
        verdict,
        latency: Duration::ZERO,
        evidence,
        remedy,
    };
    let Some(counts) = counts else {
        return answer(Verdict::Healthy, "nothing was told yet".to_owned(), String::new());
    };
    let endpoint = &counts.endpoint;
    let why = endpoint.last_error.as_deref().unwrap_or("no reason is known");
    let waiting = counts.pending;
    match endpoint.state {
        EndpointState::Gone | EndpointState::Disabled => {
            let what = match endpoint.state {
                EndpointState::Gone => "the software wants no more messages",
                _ => "the software took no message for five days",
            };
            return answer(
                Verdict::Failing,
                format!("{what}; {waiting} wait; {why}"),
                format!("ask the vendor for its address, then `passerelle messages resume {connection}`"),
            );
        }
        EndpointState::Open => {}
    }
    if let Some(since) = endpoint.failing_since {
        let verdict = if now.saturating_sub(since) >= FAILING_AFTER { Verdict::Failing } else { Verdict::Degraded };
        let evidence = format!("{} attempts failed since {}; {waiting} wait; {why}", endpoint.failures, show(since));
        return answer(verdict, evidence, "ask the vendor why its software does not take messages".to_owned());
    }
    if let Some(oldest) = counts.oldest_pending.filter(|_| !terms.is_sent_to)
        && now.saturating_sub(oldest) >= FETCHED_WITHIN
    {
        let evidence = format!("{waiting} messages wait to be fetched, the oldest since {}", show(oldest));
        return answer(Verdict::Degraded, evidence, "start the venue's software, or ask its vendor".to_owned());
    }
    if counts.dead > 0 {
        let evidence = format!("{} messages were given up", counts.dead);
        let remedy = format!(
            "`passerelle messages list --connection {connection} --state dead`, then `passerelle messages replay {connection}`"
        );
        return answer(Verdict::Degraded, evidence, remedy);
    }
    let last = endpoint.last_success_at.map_or_else(|| "never".to_owned(), |at| format!("{} ago", ago(at, now)));
    answer(Verdict::Healthy, format!("the last one was taken {last}; {waiting} wait"), String::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::messages::EndpointRow;

    fn terms(is_sent_to: bool) -> NoticeTerms {
        NoticeTerms { is_sent_to, hears_everything: true, first_name: false, last_name: false, retry_after: Vec::new() }
    }

    fn counts() -> EndpointCounts {
        let endpoint = EndpointRow {
            connection: "c".into(),
            position: 3,
            acknowledged: 0,
            forgotten: 0,
            state: EndpointState::Open,
            failures: 0,
            failing_since: None,
            probe_at: None,
            last_success_at: Some(0),
            last_error: None,
        };
        EndpointCounts { endpoint, pending: 0, oldest_pending: None, dead: 0 }
    }

    fn verdict(is_sent_to: bool, change: impl FnOnce(&mut EndpointCounts), now: Millis) -> Verdict {
        let mut counts = counts();
        change(&mut counts);
        let answer = judge("c", &terms(is_sent_to), Some(&counts), now);
        assert_eq!(answer.remedy.is_empty(), answer.verdict == Verdict::Healthy, "{answer:?}");
        answer.verdict
    }

    #[test]
    fn each_trouble_has_its_verdict_and_its_remedy() {
        assert_eq!(judge("c", &terms(true), None, 0).verdict, Verdict::Healthy);
        assert_eq!(verdict(true, |_| {}, 0), Verdict::Healthy);
        assert_eq!(verdict(true, |counts| counts.endpoint.state = EndpointState::Gone, 0), Verdict::Failing);
        assert_eq!(verdict(true, |counts| counts.endpoint.state = EndpointState::Disabled, 0), Verdict::Failing);
        assert_eq!(verdict(true, |counts| counts.endpoint.failing_since = Some(0), 60_000), Verdict::Degraded);
        assert_eq!(verdict(true, |counts| counts.endpoint.failing_since = Some(0), FAILING_AFTER), Verdict::Failing);
        assert_eq!(verdict(true, |counts| counts.dead = 1, 0), Verdict::Degraded);
        assert_eq!(verdict(false, |counts| counts.oldest_pending = Some(0), FETCHED_WITHIN), Verdict::Degraded);
        assert_eq!(verdict(false, |counts| counts.oldest_pending = Some(0), FETCHED_WITHIN - 1), Verdict::Healthy);
    }
}
