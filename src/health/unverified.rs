//! Titles that pass Culture accepted and does not show, and titles that it has twice.

use std::time::Duration;

use crate::catalogue::Unseen;
use crate::gateway::Gateway;
use crate::store::queue::Twins;
use crate::store::{ConnectionRecord, ConnectionState, Millis, StoreError};

use super::{Answer, Verdict};

/// A queue is minutes late now and then, not an hour.
const TOO_LONG: Millis = 3_600_000;
/// EANs with several offers that are named.
const MOST_NAMED: usize = 5;

/// What stays unseen at a shop's venue; nothing for a connection that never sent stock.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn ask(
    gateway: &Gateway,
    connection: &ConnectionRecord,
    state: &ConnectionState,
) -> Result<Option<Answer>, StoreError> {
    let Some(venue) = state.venue_id else { return Ok(None) };
    let Some(queue) = gateway.store.venue_queue(&connection.account, venue).await? else { return Ok(None) };
    let resend_after = gateway.resend_after(&connection.account);
    let unseen = Unseen::of(gateway.store.as_ref(), &connection.id, resend_after, (gateway.now)(), TOO_LONG).await?;
    Ok(Some(judge(unseen, &queue.twins)))
}

fn judge(unseen: Unseen, twins: &[Twins]) -> Answer {
    let degraded = |evidence: String, remedy: String| Answer {
        probe: "unverified",
        verdict: Verdict::Degraded,
        latency: Duration::ZERO,
        evidence,
        remedy,
    };
    if !twins.is_empty() {
        let named: Vec<String> = twins.iter().take(MOST_NAMED).map(tell).collect();
        let more = twins.len().saturating_sub(MOST_NAMED);
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        return degraded(
            format!("pass Culture has several offers for one EAN: {}{more}", named.join("; ")),
            "close these offers in the pass Culture pro portal: nothing that the gateway sends reaches them".to_owned(),
        );
    }
    if unseen.too_long > 0 {
        return degraded(
            format!(
                "{} titles were accepted by pass Culture more than {} minutes ago and do not show as they were sent",
                unseen.too_long,
                TOO_LONG / 60_000
            ),
            "pass Culture's queue is late or has lost them; they are sent again when it is seen moving. \
             `passerelle explain EAN` tells more; if it lasts, ask pass Culture"
                .to_owned(),
        );
    }
    let evidence = match unseen.all {
        0 => "everything that was sent was seen at pass Culture".to_owned(),
        some => format!("{some} titles were accepted by pass Culture and will be looked for again"),
    };
    Answer::healthy("unverified", Duration::ZERO, evidence)
}

fn tell(twins: &Twins) -> String {
    let close: Vec<String> = twins.close.iter().map(ToString::to_string).collect();
    format!("{}: close offer {}, keep {}", twins.ean, close.join(" and "), twins.kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use passerelle_contract::Ean;

    #[test]
    fn twins_are_named_and_long_waits_are_degraded() {
        let some = Unseen { all: 7, too_long: 0 };
        assert_eq!(judge(some, &[]).verdict, Verdict::Healthy);
        let late = judge(Unseen { all: 7, too_long: 2 }, &[]);
        assert_eq!(late.verdict, Verdict::Degraded);
        assert!(late.evidence.starts_with("2 titles"), "{}", late.evidence);
        let twins = Twins { ean: Ean::MIN, kept: 12, close: vec![11] };
        let told = judge(Unseen::default(), &[twins]);
        assert_eq!(told.verdict, Verdict::Degraded);
        assert!(told.evidence.contains("close offer 11, keep 12"), "{}", told.evidence);
    }
}
