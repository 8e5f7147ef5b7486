//! What follows from an attempt. Pure: time and chance come in.
//!
//! Invariants: a message that failed is due again or dead, never neither; while an endpoint rests, its messages do not age.

use std::time::Duration;

use passerelle_contract::NoticeTerms;

use crate::store::Millis;
use crate::store::messages::{Attempted, EndpointRow, EndpointState, MessageRow, MessageState};

/// Failures in a row, over at least [`FAILING_FOR`], after which an endpoint rests.
const MOST_FAILURES: u32 = 10;
/// See [`MOST_FAILURES`].
const FAILING_FOR: Duration = Duration::from_secs(10 * 60);
/// A resting endpoint is tried with one message after this.
const REST: Duration = crate::store::messages::REST;
/// An endpoint that took nothing for so long is not spoken to any more.
const DISABLED_AFTER: Duration = Duration::from_secs(5 * 24 * 3600);
/// Before a show, messages are tried more often.
const SHOW_NEAR: Duration = Duration::from_secs(2 * 3600);
/// How often, then.
const NEAR_SHOW_EVERY: Duration = Duration::from_secs(15 * 60);
/// So long after the beginning of a show nobody needs to know who comes.
const USELESS_AFTER_START: Duration = Duration::from_secs(6 * 3600);
/// Waiting times vary by this share, so that many messages do not come back at once.
const JITTER: f64 = 0.2;
/// A waiting time that an endpoint asks for is obeyed up to this, and from [`LEAST_ASKED`] on.
const MOST_ASKED: Duration = Duration::from_secs(24 * 3600);
/// See [`MOST_ASKED`].
const LEAST_ASKED: Duration = Duration::from_secs(1);

/// What became of an attempt, as the policy needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Delivered, with this status.
    Delivered(u16),
    /// Failed.
    Failed {
        /// HTTP status, when there was an answer.
        status: Option<u16>,
        /// Code and sentence.
        why: String,
        /// What the endpoint asked for.
        retry_after: Option<Duration>,
    },
    /// The endpoint wants nothing any more.
    Gone,
}

/// An attempt of one message.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    /// What became of it.
    pub(super) outcome: Outcome,
    /// When it ended.
    pub(super) at: Millis,
    /// How long it took.
    pub(super) latency: Duration,
    /// 0.0–1.0, by chance.
    pub(super) chance: f64,
    /// Will it fail until somebody changes something?
    pub(super) wants_person: bool,
}

/// Is it too late for this message to be of use? What is cancelled is told all the same.
pub(super) fn is_useless(message: &MessageRow, now: Millis) -> bool {
    let over = message.starts_at.is_some_and(|at| now >= after(at, USELESS_AFTER_START));
    over && message.kind == passerelle_kit::notice::Kind::Created.name() && !message.replay
}

/// A message that is given up unsent.
pub(super) fn given_up(message: &MessageRow, now: Millis) -> Attempted {
    Attempted {
        position: message.position,
        state: MessageState::Dead,
        attempts: message.attempts,
        due_at: None,
        at: now,
        status: None,
        latency_ms: 0,
        error: Some("ShowOver: the show began hours ago; nobody needs to know who comes".to_owned()),
    }
}

/// What follows for the message and for its endpoint.
pub(super) fn after_attempt(
    message: &MessageRow,
    endpoint: &EndpointRow,
    terms: &NoticeTerms,
    attempt: &Attempt,
) -> (Attempted, EndpointRow) {
    let now = attempt.at;
    let resting = endpoint.probe_at.is_some();
    let told = |state, attempts, due_at, status, error| Attempted {
        position: message.position,
        state,
        attempts,
        due_at,
        at: now,
        status,
        latency_ms: u32::try_from(attempt.latency.as_millis()).unwrap_or(u32::MAX),
        error,
    };
    match &attempt.outcome {
        Outcome::Delivered(status) => {
            let next = EndpointRow {
                failures: 0,
                failing_since: None,
                probe_at: None,
                last_success_at: Some(now),
                last_error: None,
                ..endpoint.clone()
            };
            (told(MessageState::Delivered, message.attempts + 1, None, Some(*status), None), next)
        }
        Outcome::Gone => {
            let why = "Gone: the endpoint wants no more messages (HTTP 410)".to_owned();
            let next = EndpointRow { state: EndpointState::Gone, last_error: Some(why.clone()), ..endpoint.clone() };
            (told(MessageState::Pending, message.attempts, Some(now), Some(410), Some(why)), next)
        }
        Outcome::Failed { status, why, retry_after } => {
            let next = failed(endpoint, why, now);
            // A resting endpoint is tried with whatever is oldest: that says nothing of the message.
            let (state, attempts, due_at) = if resting {
                (MessageState::Pending, message.attempts, message.due_at)
            } else {
                match next_attempt(message, terms, *retry_after, now, attempt.chance) {
                    Some(at) => (MessageState::Pending, message.attempts + 1, Some(at)),
                    None => (MessageState::Dead, message.attempts + 1, None),
                }
            };
            (told(state, attempts, due_at, *status, Some(why.clone())), next)
        }
    }
}

fn failed(endpoint: &EndpointRow, why: &str, now: Millis) -> EndpointRow {
    let failures = endpoint.failures.saturating_add(1);
    let since = endpoint.failing_since.unwrap_or(now);
    let rests = failures >= MOST_FAILURES && now >= after(since, FAILING_FOR);
    EndpointRow {
        failures,
        failing_since: Some(since),
        probe_at: (rests || endpoint.probe_at.is_some()).then_some(after(now, REST)),
        state: if now >= after(since, DISABLED_AFTER) { EndpointState::Disabled } else { endpoint.state },
        last_error: Some(why.to_owned()),
        ..endpoint.clone()
    }
}

/// When a message is tried again; `None` when it has had all its attempts.
fn next_attempt(
    message: &MessageRow,
    terms: &NoticeTerms,
    asked: Option<Duration>,
    now: Millis,
    chance: f64,
) -> Option<Millis> {
    let wait = terms.retry_after.get(message.attempts as usize)?;
    let varied = wait.mul_f64(1.0 - JITTER + 2.0 * JITTER * chance.clamp(0.0, 1.0));
    let asked = asked.filter(|asked| (LEAST_ASKED..=MOST_ASKED).contains(asked)).unwrap_or_default();
    let scheduled = after(now, varied);
    let at = match message.starts_at {
        Some(starts) if now < starts => {
            let near = before(starts, SHOW_NEAR);
            let soon = if now < near { near } else { after(now, NEAR_SHOW_EVERY) };
            scheduled.min(soon)
        }
        _ => scheduled,
    };
    Some(at.max(after(now, asked)))
}

fn after(at: Millis, time: Duration) -> Millis {
    at.saturating_add(Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX))
}

fn before(at: Millis, time: Duration) -> Millis {
    at.saturating_sub(Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Millis = 1_000;
    const MINUTE: Millis = 60 * SECOND;
    const HOUR: Millis = 60 * MINUTE;
    const DAY: Millis = 24 * HOUR;

    fn message(attempts: u32, starts_at: Option<Millis>) -> MessageRow {
        MessageRow {
            connection: "c".into(),
            position: 1,
            id: "msg_1".into(),
            booking: "bk_1".into(),
            sequence: 1,
            kind: "booking.created".into(),
            body: "{}".into(),
            state: MessageState::Pending,
            attempts,
            due_at: Some(0),
            starts_at,
            replay: false,
            created_at: 0,
            ended_at: None,
            last_status: None,
            last_error: None,
        }
    }

    fn endpoint() -> EndpointRow {
        EndpointRow {
            connection: "c".into(),
            position: 1,
            acknowledged: 0,
            forgotten: 0,
            state: EndpointState::Open,
            failures: 0,
            failing_since: None,
            probe_at: None,
            last_success_at: None,
            last_error: None,
        }
    }

    fn terms(seconds: &[u64]) -> NoticeTerms {
        NoticeTerms {
            is_sent_to: true,
            hears_everything: true,
            first_name: false,
            last_name: false,
            retry_after: seconds.iter().map(|seconds| Duration::from_secs(*seconds)).collect(),
        }
    }

    fn fails(at: Millis, asked: Option<u64>) -> Attempt {
        let retry_after = asked.map(Duration::from_secs);
        let outcome = Outcome::Failed { status: Some(503), why: "X: y".into(), retry_after };
        Attempt { outcome, at, latency: Duration::ZERO, chance: 0.5, wants_person: false }
    }

    #[test]
    fn three_delays_are_four_attempts() {
        let terms = terms(&[5, 60, 300]);
        let (mut row, mut now, mut waits) = (message(0, None), 0, Vec::new());
        loop {
            let (told, _) = after_attempt(&row, &endpoint(), &terms, &fails(now, None));
            row = MessageRow { attempts: told.attempts, due_at: told.due_at, state: told.state, ..row };
            let Some(due) = told.due_at else { break };
            waits.push((due - now) / SECOND);
            now = due;
        }
        assert_eq!((waits, row.attempts, row.state), (vec![5, 60, 300], 4, MessageState::Dead));
    }

    #[test]
    fn an_endpoint_that_asks_for_time_gets_it_within_a_day() {
        let wait = |asked| {
            let (told, _) = after_attempt(&message(0, None), &endpoint(), &terms(&[5]), &fails(0, Some(asked)));
            told.due_at.map(|due| due / SECOND)
        };
        assert_eq!(wait(120), Some(120));
        assert_eq!(wait(2), Some(5));
        assert_eq!(wait(86_400), Some(86_400));
        assert_eq!(wait(86_401), Some(5));
    }

    #[test]
    fn before_a_show_messages_are_tried_every_quarter_of_an_hour() {
        let next = |now| {
            let (told, _) =
                after_attempt(&message(7, Some(DAY)), &endpoint(), &terms(&[50_000; 10]), &fails(now, None));
            told.due_at
        };
        assert_eq!(next(DAY - 10 * HOUR), Some(DAY - 2 * HOUR));
        assert_eq!(next(DAY - HOUR), Some(DAY - 45 * MINUTE));
        assert!(!is_useless(&message(0, Some(0)), 6 * HOUR - 1));
        assert!(is_useless(&message(0, Some(0)), 6 * HOUR));
        assert!(!is_useless(&MessageRow { kind: "booking.cancelled".into(), ..message(0, Some(0)) }, DAY));
    }

    #[test]
    fn an_endpoint_that_keeps_failing_rests_and_its_messages_do_not_age() {
        let terms = terms(&[60; 20]);
        let mut current = endpoint();
        for minute in 0..=10 {
            current = after_attempt(&message(0, None), &current, &terms, &fails(minute * MINUTE, None)).1;
        }
        assert_eq!(current.probe_at, Some(11 * MINUTE));
        let (told, next) = after_attempt(&message(3, None), &current, &terms, &fails(11 * MINUTE, None));
        assert_eq!((told.attempts, told.due_at, next.probe_at), (3, Some(0), Some(12 * MINUTE)));
        let delivered = Attempt { outcome: Outcome::Delivered(204), ..fails(12 * MINUTE, None) };
        let (_, well) = after_attempt(&message(3, None), &next, &terms, &delivered);
        assert_eq!((well.probe_at, well.failures), (None, 0));
        let (_, disabled) = after_attempt(&message(3, None), &next, &terms, &fails(5 * DAY, None));
        assert_eq!(disabled.state, EndpointState::Disabled);
    }

    #[test]
    fn ten_failures_within_a_moment_are_no_reason_to_rest() {
        let mut current = endpoint();
        for _ in 0..50 {
            current = after_attempt(&message(0, None), &current, &terms(&[60; 20]), &fails(0, None)).1;
        }
        assert_eq!(current.probe_at, None);
    }

    proptest! {
        #[test]
        fn waiting_times_vary_by_a_fifth_at_most(wait in 1_u64..100_000, chance in 0.0_f64..1.0) {
            let attempt = Attempt { chance, ..fails(0, None) };
            let (told, _) = after_attempt(&message(0, None), &endpoint(), &terms(&[wait]), &attempt);
            let due = told.due_at.unwrap();
            let wait = i64::try_from(wait).unwrap() * SECOND;
            prop_assert!(due * 10 >= wait * 8 - 10 && due * 10 <= wait * 12);
        }
    }
}
