//! One run of a connection: read, plan, guard, apply; then push and verify.
//!
//! Nothing here decides (that is `plan` and `guard`) and nothing here talks HTTP or SQL (that is `push` and the store); this file
//! is the order in which things happen, and what is written down when.

mod shows;
mod stock;

use std::sync::Arc;
use std::time::Instant;

use passerelle_contract::{Adapter, Class, Completeness, End};

use super::guard::{self, Judged, Verdict};
use super::plan::Tally;
use super::preview::Items;
use super::progress::Progress;
use super::quarantine::Quarantine;
use super::{PassError, Summary, venue};
use crate::passculture::Client;
use crate::store::{
    ConnectionRecord, ConnectionState, Evidence, Export, HeldPlan, Lease, Millis, PartialPasses, PassRecord, Released,
    Store,
};

/// Outcome of a pass whose plan waits.
const HELD: &str = "held";
/// Outcome of a pass that found its source not ready.
const WAITING: &str = "waiting";
/// A pass that failed for a passing reason is due again after this time, then twice that, and so on up to `every`.
const FIRST_RETRY_SECONDS: u32 = 30;
/// A pass that ended before pass Culture's queue did what the rest waits for is due again after this time (milliseconds).
const LOOK_AGAIN: Millis = 60_000;
/// Bodies that a vendor's software posted, taken up in one run.
const MOST_INBOUND_PER_RUN: u32 = 100;

/// A connection that can be read: enough for a plan.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// The store.
    pub store: &'a Arc<dyn Store>,
    /// The connection.
    pub connection: &'a ConnectionRecord,
    /// Its adapter.
    pub adapter: &'a dyn Adapter,
    /// Who listens.
    pub progress: &'a dyn Progress,
}

/// What a run needs.
pub struct Run<'a> {
    /// Where it reads.
    pub reader: Reader<'a>,
    /// pass Culture, for the connection's account.
    pub client: &'a Client,
    /// The clock.
    pub now: fn() -> Millis,
}

/// What an operator asks of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Ask the source for everything, and ask pass Culture again about what it refused.
    pub full: bool,
    /// Let a plan through that the guard would hold.
    pub release: bool,
    /// Do exactly the plan with this fingerprint, held or not, or nothing.
    pub plan: Option<u64>,
}

/// A run that failed, and how far it came: what was applied before stays applied.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub error: PassError,
    /// What was done until then.
    pub report: Report,
}

impl From<PassError> for Box<Failure> {
    fn from(error: PassError) -> Self {
        Self::new(Failure { error, report: Report::default() })
    }
}

/// A run's result.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The stable line.
    pub summary: Summary,
    /// Sentences for the operator: warnings of the source, why a plan is held.
    pub notices: Vec<String>,
    /// The sentence for the bookseller when a plan is held.
    pub notice_fr: Option<String>,
    /// What would be sent, item by item: of a plan only.
    pub items: Items,
    /// A held plan was let through: by another export that agreed, or by a person.
    pub released_by_agreement: Option<bool>,
    /// Something has yet to be sent, and may not be before what was sent shows: the next pass comes soon.
    pub waits_for_queue: bool,
}

impl Reader<'_> {
    /// What a sync would change. Sends nothing and stores nothing.
    ///
    /// # Errors
    /// The source's, or the store's.
    pub async fn plan(&self) -> Result<Report, PassError> {
        let began = Instant::now();
        let state = self.store.state(&self.connection.id).await?;
        let held = self.store.held(&self.connection.id).await?;
        let mut report = self.report();
        if self.adapter.screenings().is_some() {
            self.plan_shows(&state, &mut report).await?;
        } else {
            self.plan_stock(&state, &mut report).await?;
        }
        if let Some(held) = held.filter(|_| report.summary.held > 0) {
            report.notices.push(format!("held since {}", crate::clock::show(held.since)));
        }
        report.summary.seconds = began.elapsed().as_secs_f64();
        Ok(report)
    }

    fn report(&self) -> Report {
        let summary = Summary { connection: self.connection.id.clone(), ..Summary::default() };
        Report { summary, ..Report::default() }
    }
}

impl Run<'_> {
    /// Reads the source once and drives pass Culture to what it says.
    ///
    /// # Errors
    /// The source's, the store's or pass Culture's. What was applied before the error stays applied.
    pub async fn sync(&self, lease: &Lease, options: Options) -> Result<Report, Box<Failure>> {
        self.recorded(lease, async |report| {
            self.take_in(lease, options, report).await?;
            self.push_into(lease, options, report).await
        })
        .await
    }

    /// Only drives pass Culture to what the ledger says.
    ///
    /// # Errors
    /// The store's or pass Culture's.
    pub async fn push(&self, lease: &Lease) -> Result<Report, Box<Failure>> {
        self.recorded(lease, async |report| self.push_into(lease, Options::default(), report).await).await
    }

    /// Runs, counts, and remembers how it ended.
    async fn recorded(
        &self,
        lease: &Lease,
        work: impl AsyncFnOnce(&mut Report) -> Result<(), PassError>,
    ) -> Result<Report, Box<Failure>> {
        let began = Instant::now();
        let started_at = (self.now)();
        let mut report = self.reader.report();
        let result = work(&mut report).await;
        report.summary.requests = self.client.requests();
        report.summary.seconds = began.elapsed().as_secs_f64();
        let outcome = match &result {
            Ok(()) if report.summary.held > 0 => HELD,
            Ok(()) => "done",
            Err(error) if error.class() == Class::Waiting => WAITING,
            Err(_) => "failed",
        };
        let remembered = self.remember(lease, &report, outcome, result.as_ref().err(), started_at).await;
        match result.and(remembered) {
            Ok(()) => Ok(report),
            Err(error) => Err(Box::new(Failure { error, report })),
        }
    }

    /// Seconds until the next scheduled pass. What may work again soon is tried sooner than usual, less and less eagerly.
    fn pause(&self, error: Option<&PassError>, failures: u32) -> u32 {
        let every = self.reader.connection.every_seconds;
        match error {
            // Tried again when the source says that it is ready, and not a whole interval later.
            Some(error) if error.class() == Class::Waiting => {
                error.retry_after_seconds().map_or(every, |wait| wait.min(every))
            }
            Some(error) if error.class().is_retryable() => every.min(FIRST_RETRY_SECONDS << failures.min(10)),
            _ => every,
        }
    }

    async fn remember(
        &self,
        lease: &Lease,
        report: &Report,
        outcome: &str,
        error: Option<&PassError>,
        started_at: Millis,
    ) -> Result<(), PassError> {
        let now = (self.now)();
        let mut state = self.reader.store.state(&self.reader.connection.id).await?;
        state.due_at = now + 1000 * Millis::from(self.pause(error, state.failures));
        if report.waits_for_queue {
            state.due_at = state.due_at.min(now + LOOK_AGAIN);
        }
        match error {
            None => {
                state.failures = 0;
                state.last_error = None;
                if report.summary.held == 0 {
                    state.last_success_at = Some(now);
                }
            }
            // Nothing is wrong.
            Some(error) if error.class() == Class::Waiting => {}
            Some(error) => {
                state.failures = state.failures.saturating_add(1);
                state.last_error = Some(error.with_code());
            }
        }
        self.reader.store.save_state(lease, &state).await?;
        let summary = serde_json::to_value(&report.summary).unwrap_or_default();
        let record = PassRecord {
            connection: self.reader.connection.id.clone(),
            started_at,
            ended_at: now,
            outcome: outcome.to_owned(),
            summary,
        };
        self.reader.store.record_pass(&record).await?;
        Ok(())
    }

    /// Vendor → ledger.
    async fn take_in(&self, lease: &Lease, options: Options, report: &mut Report) -> Result<(), PassError> {
        let mut state = self.reader.store.state(&self.reader.connection.id).await?;
        // The venue's ceiling is wanted before rows are judged; when pass Culture is down the books are still taken in.
        if let Err(error) = self.resolve_venue(lease, &mut state).await {
            report.notices.push(format!("the venue could not be looked up: {error}"));
        }
        if self.reader.adapter.screenings().is_some() {
            self.take_in_shows(lease, options, &state, report).await
        } else {
            self.take_in_stock(lease, options, &state, report).await
        }
    }

    #[allow(clippy::too_many_arguments)]
    async fn hold(
        &self,
        lease: &Lease,
        reasons: &[guard::Reason],
        judged: &Judged,
        tally: &Tally,
        before: Option<&HeldPlan>,
        inbound: Option<i64>,
        report: &mut Report,
    ) -> Result<(), PassError> {
        let (message, message_fr) = guard::explain(reasons, judged, tally, &lease.connection);
        let plan = HeldPlan {
            // Another look does not change since when somebody should have looked.
            since: before.map_or_else(|| (self.now)(), |held| held.since),
            digest: tally.digest(),
            reasons: reasons.iter().map(|reason| reason.code().to_owned()).collect(),
            message: message.clone(),
            message_fr: message_fr.clone(),
            agreeing: 1,
            inbound,
            // What is held first is what later exports are compared with, as long as they are not evidence themselves.
            evidence: before
                .and_then(|held| held.evidence.clone())
                .filter(|evidence| !judged.export.is_later_than(&evidence.export, judged.limits.agree_after_seconds))
                .or_else(|| {
                    Some(Evidence {
                        export: judged.export.clone(),
                        leaving: tally.take_leaving(),
                        count: tally.withdraw + tally.zeroed,
                    })
                }),
        };
        self.reader.store.set_held(lease, Some(&plan)).await?;
        report.summary.held += tally.actions().max(1);
        report.notices.push(message);
        report.notice_fr = Some(message_fr);
        Ok(())
    }

    /// Only now that every row is in the ledger may the source move on.
    async fn commit_cursor(
        &self,
        lease: &Lease,
        state: &mut ConnectionState,
        end: &End,
        completeness: Completeness,
        digest: Option<u64>,
    ) -> Result<(), PassError> {
        // What a partial pass did not show must be asked for again.
        if completeness == Completeness::Partial {
            state.cursor = None;
        } else if end.cursor.is_some() {
            state.cursor = end.cursor.clone().map(|cursor| cursor.0);
        }
        if completeness == Completeness::Snapshot {
            state.last_snapshot_at = Some((self.now)());
        }
        state.quarantine_digest = digest;
        self.reader.store.save_state(lease, state).await?;
        Ok(())
    }

    /// A held plan was let through: an event of its own.
    fn released(&self, state: &mut ConnectionState, tally: &Tally, verdict: &Verdict, report: &mut Report) {
        let (by_agreement, reasons) = match verdict {
            Verdict::Pass => return,
            Verdict::Agreed(reasons) => (true, reasons),
            Verdict::Hold(reasons) => (false, reasons),
        };
        let leaving = tally.withdraw + tally.zeroed;
        let codes: Vec<&str> = reasons.iter().map(|reason| reason.code()).collect();
        let (connection, by) = (&self.reader.connection.id, if by_agreement { "agreement" } else { "person" });
        tracing::warn!(connection, leaving, reasons = codes.join(", "), by, "a held plan was let through");
        if by_agreement {
            report.notices.push(format!(
                "the held plan was released by agreement: a later export says the same ({}; {leaving} item(s) leave)",
                codes.join(", ")
            ));
        }
        report.released_by_agreement = Some(by_agreement);
        state.released = Some(Released {
            at: (self.now)(),
            by_agreement,
            reasons: codes.into_iter().map(str::to_owned).collect(),
            leaving,
        });
    }

    /// Counts passes in a row that withdrew nothing because they showed only a part.
    fn note_completeness(&self, state: &mut ConnectionState, completeness: Completeness, warnings: &[String]) {
        match completeness {
            Completeness::Partial => {
                let before = state.partial_passes.take();
                let now = (self.now)();
                state.partial_passes = Some(PartialPasses {
                    count: before.as_ref().map_or(0, |before| before.count).saturating_add(1),
                    since: before.map_or(now, |before| before.since),
                    cause: warnings.join("; "),
                });
            }
            Completeness::Snapshot => state.partial_passes = None,
            Completeness::Delta | Completeness::Unchanged => {}
        }
    }

    /// Looks the venue up when that is due. What another venue acknowledged says nothing of this one.
    async fn resolve_venue(&self, lease: &Lease, state: &mut ConnectionState) -> Result<(), PassError> {
        let before = (state.venue_id, state.postal_code.clone());
        if !venue::resolve(self.client, self.reader.connection, state, (self.now)()).await? {
            return Ok(());
        }
        if before.0 != state.venue_id {
            venue::forget_acknowledged(self.reader.store.as_ref(), lease).await?;
        }
        // Another place has another price ceiling: every row is judged again.
        if before.1 != state.postal_code {
            state.cursor = None;
        }
        Ok(self.reader.store.save_state(lease, state).await?)
    }

    /// Ledger → pass Culture.
    async fn push_into(&self, lease: &Lease, options: Options, report: &mut Report) -> Result<(), PassError> {
        if report.summary.held > 0 {
            return Ok(());
        }
        let mut state = self.reader.store.state(&self.reader.connection.id).await?;
        self.resolve_venue(lease, &mut state).await?;
        let Some(venue_id) = state.venue_id else { return Err(PassError::NoVenue) };
        if self.reader.adapter.screenings().is_some() {
            self.push_shows(lease, venue_id, report).await
        } else {
            self.push_stock(lease, options, state, venue_id, report).await
        }
    }
}

/// What tells this look at a source from others.
fn export(end: &End, looked_at: Millis) -> Export {
    let written_at = end
        .observed_at
        .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|since| Millis::try_from(since.as_millis()).ok());
    Export { fingerprint: end.fingerprint.clone(), written_at, looked_at }
}

fn add(summary: &mut Summary, (read, kept): (u64, u64), tally: &Tally, quarantine: &Quarantine) {
    summary.read += read;
    summary.kept += kept;
    summary.quarantined += quarantine.total;
    summary.notes += quarantine.notes;
    summary.create += tally.create;
    summary.change += tally.change;
    summary.withdraw += tally.withdraw;
    summary.unchanged += tally.unchanged;
    summary.rejected = tally.refused;
}
