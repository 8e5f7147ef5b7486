//! Health: questions, verdicts, and since when.
//!
//! A probe is asked with the very code that does the work ([`Adapter::probes`], the northbound client) and leaves no trace. Its
//! answer becomes a [`Verdict`] with evidence and the one action that repairs it; the store remembers since when it stands.

mod chains;
mod clock;
mod messages;
mod north;
mod store;
mod unverified;

use std::sync::Arc;
use std::time::{Duration, Instant};

use passerelle_contract::{Adapter, AdapterError, Class, Cursor, Evidence, Probe};

use crate::clock::ago;
use crate::gateway::{self, Gateway};
use crate::store::{ConnectionRecord, ConnectionState, HeldPlan, Millis, ProbeRecord, StoreError};

pub use chains::{Chain, Chains};
pub use north::check_account;
pub use store::{FAILING_AFTER, StoreWatch, check_store};

/// A probe slower than this makes a connection degraded: a booking has seven seconds in all.
pub const SLOW: Duration = Duration::from_secs(2);
/// A probe that takes longer has failed.
pub const TIME_LIMIT: Duration = Duration::from_secs(15);

/// How well something is, from best to worst as exit codes go (`unknown` is told apart by [`Verdict::exit_code`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// All is well.
    Healthy,
    /// Works, but a person should look.
    Degraded,
    /// Nothing could be asked.
    Unknown,
    /// Does not work.
    Failing,
}

impl Verdict {
    /// Lower-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
            Self::Unknown => "unknown",
        }
    }

    /// Exit code of `check`, as Nagios plugins use them.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Degraded => 1,
            Self::Failing => 2,
            Self::Unknown => 3,
        }
    }
}

/// A probe's answer before it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Probe name.
    pub probe: &'static str,
    /// Verdict.
    pub verdict: Verdict,
    /// How long it took.
    pub latency: Duration,
    /// What was seen.
    pub evidence: String,
    /// The one action that repairs it; empty when healthy.
    pub remedy: String,
}

impl Answer {
    fn healthy(probe: &'static str, latency: Duration, evidence: String) -> Self {
        Self { probe, verdict: Verdict::Healthy, latency, evidence, remedy: String::new() }
    }

    /// As the store has it; since now, unless the store knows better.
    fn into_record(self, subject: &str, now: Millis) -> ProbeRecord {
        ProbeRecord {
            subject: subject.to_owned(),
            probe: self.probe.to_owned(),
            verdict: self.verdict.name().to_owned(),
            since: now,
            checked_at: now,
            latency_ms: u64::try_from(self.latency.as_millis()).unwrap_or(u64::MAX),
            evidence: self.evidence,
            remedy: self.remedy,
        }
    }
}

/// Asks everything about one connection and remembers the answers.
///
/// # Errors
/// When the store does not answer.
pub async fn check_connection(
    gateway: &Gateway,
    connection: &ConnectionRecord,
) -> Result<Vec<ProbeRecord>, StoreError> {
    let mut answers = Vec::new();
    let state = gateway.store.state(&connection.id).await?;
    match gateway::adapter(connection, Some(gateway.sessions())) {
        Err(problems) => answers.push(Answer {
            probe: "settings",
            verdict: Verdict::Failing,
            latency: Duration::ZERO,
            evidence: problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            remedy: "correct these settings in the configuration and apply it".to_owned(),
        }),
        Ok(adapter) => {
            answers.extend(ask_vendor(&adapter, state.cursor.clone().map(Cursor)).await);
            if let Some(sink) = adapter.notices() {
                let all = gateway.store.endpoints().await?;
                let counts = all.iter().find(|counts| counts.endpoint.connection == connection.id);
                answers.push(messages::judge(&connection.id, sink.terms(), counts, (gateway.now)()));
            }
        }
    }
    let held = gateway.store.held(&connection.id).await?;
    answers.push(freshness(connection, &state, held.as_ref(), (gateway.now)()));
    answers.extend(clock::of_connection(gateway, &connection.id).await?);
    answers.extend(unverified::ask(gateway, connection, &state).await?);
    remember(gateway, &connection.id, answers).await
}

/// Stores answers and gives them back with the time since when they stand.
async fn remember(gateway: &Gateway, subject: &str, answers: Vec<Answer>) -> Result<Vec<ProbeRecord>, StoreError> {
    let now = (gateway.now)();
    let mut records = Vec::with_capacity(answers.len());
    for answer in answers {
        records.push(gateway.store.record_probe(&answer.into_record(subject, now)).await?);
    }
    Ok(records)
}

async fn ask_vendor(adapter: &Arc<dyn Adapter>, from: Option<Cursor>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for probe in adapter.probes_after(from) {
        let began = Instant::now();
        let result = tokio::time::timeout(TIME_LIMIT, (probe.ask)()).await;
        answers.push(judge(&probe, began.elapsed(), result.ok()));
    }
    answers
}

/// A probe's result → verdict, evidence, remedy. Pure. `None`: it did not answer in time.
fn judge(probe: &Probe<'_>, latency: Duration, result: Option<Result<Evidence, AdapterError>>) -> Answer {
    let name = probe.kind.name();
    match result {
        None => Answer {
            probe: name,
            verdict: Verdict::Failing,
            latency,
            evidence: format!("no answer within {} s", TIME_LIMIT.as_secs()),
            remedy: probe.remedy.to_owned(),
        },
        // Nothing is wrong and nothing could be asked: a file is still being written.
        Some(Err(error)) if error.class == Class::Waiting => Answer {
            probe: name,
            verdict: Verdict::Unknown,
            latency,
            evidence: error.to_string(),
            remedy: error.retry_after.map_or_else(
                || "wait: it is tried again by itself".to_owned(),
                |wait| format!("wait {} s: it is tried again by itself", wait.as_secs()),
            ),
        },
        Some(Err(error)) => Answer {
            probe: name,
            verdict: Verdict::Failing,
            latency,
            evidence: error.to_string(),
            remedy: remedy_of(&error).map_or_else(|| probe.remedy.to_owned(), str::to_owned),
        },
        Some(Ok(Evidence { saw, concern: Some((what, remedy)) })) => {
            Answer { probe: name, verdict: Verdict::Degraded, latency, evidence: format!("{saw}; {what}"), remedy }
        }
        Some(Ok(Evidence { saw, concern: None })) if latency > SLOW => Answer {
            probe: name,
            verdict: Verdict::Degraded,
            latency,
            evidence: format!("{saw}; it took {} ms, more than {} ms", latency.as_millis(), SLOW.as_millis()),
            remedy: "ask the vendor why its service is slow".to_owned(),
        },
        Some(Ok(Evidence { saw, concern: None })) => Answer::healthy(name, latency, saw),
    }
}

/// Some errors say by their class what to do.
const fn remedy_of(error: &AdapterError) -> Option<&'static str> {
    match error.class {
        Class::Auth => {
            Some("the vendor refuses the credentials: ask it for valid ones and put them where the settings say")
        }
        Class::RateLimited => Some("wait: the vendor asks for fewer requests"),
        Class::Settings => Some("correct the setting that is named"),
        Class::Waiting | Class::Transient | Class::Data | Class::VendorFault | Class::Unsupported => None,
    }
}

/// So many partial passes in a row are no accident.
const PARTIAL_TOO_OFTEN: u32 = 3;

/// Passes fail, plans are held, files stop coming: told from what the store remembers.
fn freshness(connection: &ConnectionRecord, state: &ConnectionState, held: Option<&HeldPlan>, now: Millis) -> Answer {
    let answer = |verdict, evidence: String, remedy: String| Answer {
        probe: "passes",
        verdict,
        latency: Duration::ZERO,
        evidence,
        remedy,
    };
    let sync = || format!("`passerelle sync {}` tells more", connection.id);
    if connection.paused {
        let remedy = format!("`passerelle connections resume {}` when it may go on", connection.id);
        return answer(Verdict::Degraded, "paused by an operator".to_owned(), remedy);
    }
    if let Some(held) = held {
        let remedy =
            format!("look at the vendor's list; if it is right, `passerelle sync {} --release`", connection.id);
        return answer(
            Verdict::Degraded,
            format!("a plan is held since {}: {}", crate::clock::show(held.since), held.reasons.join(", ")),
            remedy,
        );
    }
    if let Some(partial) = state.partial_passes.as_ref().filter(|partial| partial.count >= PARTIAL_TOO_OFTEN) {
        return answer(
            Verdict::Degraded,
            format!(
                "the last {} passes showed only a part, since {}, so that nothing is withdrawn any more: {}",
                partial.count,
                crate::clock::show(partial.since),
                partial.cause
            ),
            format!(
                "`passerelle quarantine list {}` shows what cannot be read; have the export mended, or allow more with \
                 `max_bad_ratio` in its settings",
                connection.id
            ),
        );
    }
    if state.failures > 0 {
        let verdict = if state.failures >= 3 { Verdict::Failing } else { Verdict::Degraded };
        let error = state.last_error.clone().unwrap_or_default();
        return answer(verdict, format!("the last {} pass(es) failed: {error}", state.failures), sync());
    }
    match state.last_success_at {
        None => Answer::healthy("passes", Duration::ZERO, "no pass yet".to_owned()),
        // Three missed turns: nobody runs it.
        Some(at) if now - at > 3 * Millis::from(connection.every_seconds) * 1000 + 60_000 => answer(
            Verdict::Degraded,
            format!("the last pass ended {} ago, one is due every {} s", ago(at, now), connection.every_seconds),
            "start `passerelle serve`, or run `passerelle sync` from a timer".to_owned(),
        ),
        Some(at) => Answer::healthy("passes", Duration::ZERO, format!("the last pass ended {} ago", ago(at, now))),
    }
}

/// The promised JSON form of a probe's answer.
#[must_use]
pub fn probe_object(record: &ProbeRecord) -> serde_json::Value {
    serde_json::json!({
        "event": "probe", "connection": record.subject, "probe": record.probe, "verdict": record.verdict,
        "latency_ms": record.latency_ms, "evidence": record.evidence, "remedy": record.remedy, "since": crate::clock::show(record.since),
    })
}

/// The worst of several verdicts; healthy when there is none.
#[must_use]
pub fn worst(records: &[ProbeRecord]) -> Verdict {
    records.iter().map(|record| by_name(&record.verdict)).max().unwrap_or(Verdict::Healthy)
}

fn by_name(name: &str) -> Verdict {
    [Verdict::Healthy, Verdict::Degraded, Verdict::Failing]
        .into_iter()
        .find(|verdict| verdict.name() == name)
        .unwrap_or(Verdict::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use passerelle_contract::ProbeKind;

    fn probe() -> Probe<'static> {
        Probe { kind: ProbeKind::Reach, ask: Box::new(|| Box::pin(async { panic!("not asked") })), remedy: "look" }
    }

    fn evidence() -> Evidence {
        Evidence { saw: "answered 200".to_owned(), concern: None }
    }

    #[test]
    fn a_slow_answer_is_degraded_and_no_answer_is_failing() {
        let quick = judge(&probe(), Duration::from_millis(20), Some(Ok(evidence())));
        let slow = judge(&probe(), Duration::from_millis(2_100), Some(Ok(evidence())));
        let never = judge(&probe(), TIME_LIMIT, None);
        assert_eq!(
            (quick.verdict, slow.verdict, never.verdict),
            (Verdict::Healthy, Verdict::Degraded, Verdict::Failing)
        );
        assert_eq!(never.remedy, "look");
    }

    #[test]
    fn refused_credentials_say_what_to_do() {
        let error = AdapterError::new(Class::Auth, "Refused", "sign in", "HTTP 401");
        let answer = judge(&probe(), Duration::ZERO, Some(Err(error)));
        assert_eq!(answer.verdict, Verdict::Failing);
        assert!(answer.remedy.contains("credentials"), "{}", answer.remedy);
    }

    #[test]
    fn a_source_that_is_not_ready_is_unknown_and_the_remedy_names_the_wait() {
        let error = AdapterError::new(Class::Waiting, "FileIncomplete", "read stock.csv", "still being written");
        let answer = judge(&probe(), Duration::ZERO, Some(Err(error.after(Some(Duration::from_secs(42))))));
        assert_eq!(answer.verdict, Verdict::Unknown);
        assert!(answer.remedy.contains("wait 42 s"), "{}", answer.remedy);
    }

    #[test]
    fn the_worst_verdict_is_the_connections() {
        let record = |verdict: &str| ProbeRecord {
            subject: "a".to_owned(),
            probe: "reach".to_owned(),
            verdict: verdict.to_owned(),
            since: 0,
            checked_at: 0,
            latency_ms: 0,
            evidence: String::new(),
            remedy: String::new(),
        };
        assert_eq!(worst(&[]), Verdict::Healthy);
        assert_eq!(worst(&[record("healthy"), record("failing"), record("degraded")]), Verdict::Failing);
        assert_eq!(worst(&[record("healthy"), record("unknown")]), Verdict::Unknown);
    }
}
