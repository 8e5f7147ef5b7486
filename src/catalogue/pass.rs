//! One run of a connection: read, plan, guard, apply; then push and verify.
//!
//! Nothing here decides (that is `plan` and `guard`) and nothing here talks HTTP or SQL (that is `push` and the store); this file
//! is the order in which things happen, and what is written down when.

use std::sync::Arc;
use std::time::Instant;

use passerelle_contract::{Adapter, Completeness, Cursor, End, Page, Pull, PushIntake};

use super::guard::{self, Judged, Verdict};
use super::lane::Lane;
use super::plan::Tally;
use super::progress::{Progress, Step};
use super::quarantine::Quarantine;
use super::read::{PassRead, read};
use super::{PassError, Summary, venue, walk};
use crate::passculture::Client;
use crate::rules::products::VenueTerms;
use crate::store::ledger;
use crate::store::{ConnectionRecord, ConnectionState, HeldPlan, Inbound, Lease, Millis, PassRecord, Store};

/// Outcome of a pass whose plan waits.
const HELD: &str = "held";
/// A pass that failed for a passing reason is due again after this time, then twice that, and so on up to `every`.
const FIRST_RETRY_SECONDS: u32 = 30;
/// Passes looked through for the last one that read something.
const PASSES_LOOKED_AT: u32 = 100;
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
        if let Some(source) = self.adapter.stock() {
            let from = state.cursor.clone().map(Cursor);
            let mut quarantine = Quarantine::new(&self.connection.id);
            let terms = venue::terms(self.connection, &state);
            let pass = read(
                source.pull(Pull { from, ..Pull::default() }),
                source.expectations(),
                &terms,
                &mut quarantine,
                self.store.as_ref(),
                None,
                self.progress,
            )
            .await?;
            if pass.completeness == Completeness::Unchanged {
                self.repeat_last(&mut report.summary).await?;
                report.summary.rejected = ledger::totals(self.store.as_ref(), &self.connection.id).await?.refused;
            } else {
                self.judge_dry(&pass, source.expectations(), &quarantine, &mut report).await?;
            }
        } else if let Some(intake) = self.adapter.push_intake() {
            let bodies = self.store.inbound(&self.connection.id, MOST_INBOUND_PER_RUN).await?;
            for body in from_last_snapshot(bodies) {
                let mut quarantine = Quarantine::new(&self.connection.id);
                let terms = venue::terms(self.connection, &state);
                let pages = Box::pin(futures_util::stream::iter([Ok(inbound_page(intake, &body)?)]));
                let pass = read(
                    pages,
                    intake.expectations(),
                    &terms,
                    &mut quarantine,
                    self.store.as_ref(),
                    None,
                    self.progress,
                )
                .await?;
                self.judge_dry(&pass, intake.expectations(), &quarantine, &mut report).await?;
            }
        } else {
            return Err(PassError::NothingToRead);
        }
        if let Some(held) = held.filter(|_| report.summary.held > 0) {
            report.notices.push(format!("held since {}", crate::clock::show(held.since)));
        }
        report.summary.seconds = began.elapsed().as_secs_f64();
        Ok(report)
    }

    async fn judge_dry(
        &self,
        pass: &PassRead,
        expectations: passerelle_contract::Expectations,
        quarantine: &Quarantine,
        report: &mut Report,
    ) -> Result<(), PassError> {
        let tally = walk::tally(self.store.as_ref(), &self.connection.id, &pass.rows, pass.completeness).await?;
        add(&mut report.summary, pass, &tally, quarantine);
        report.notices.extend(pass.warnings.iter().cloned());
        // A plan never counts as the second snapshot, so it is judged as if nothing was held.
        let judged = Judged { completeness: pass.completeness, kept: pass.kept, expectations };
        if let Verdict::Hold(reasons) = guard::judge(&judged, &tally, None) {
            let (english, french) = guard::explain(&reasons, &judged, &tally, &self.connection.id);
            report.summary.held += tally.actions().max(1);
            report.notices.push(english);
            report.notice_fr = Some(french);
        }
        Ok(())
    }

    /// The last pass that read something still holds: its rows are this pass's rows, and none of them changes anything.
    async fn repeat_last(&self, summary: &mut Summary) -> Result<(), PassError> {
        let passes = self.store.passes(&self.connection.id, PASSES_LOOKED_AT).await?;
        let last = passes
            .into_iter()
            .filter(|pass| pass.outcome != HELD)
            .filter_map(|pass| serde_json::from_value::<Summary>(pass.summary).ok())
            .find(|summary| summary.read > 0)
            .unwrap_or_default();
        summary.read += last.read;
        summary.kept += last.kept;
        summary.quarantined += last.quarantined;
        summary.unchanged += last.create + last.change + last.unchanged;
        Ok(())
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
        match error {
            None => {
                state.failures = 0;
                state.last_error = None;
                if report.summary.held == 0 {
                    state.last_success_at = Some(now);
                }
            }
            Some(error) => {
                state.failures = state.failures.saturating_add(1);
                state.last_error = Some(format!("{} ({})", error, error.code()));
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
        let terms = venue::terms(self.reader.connection, &state);
        if let Some(source) = self.reader.adapter.stock() {
            let from = state.cursor.clone().filter(|_| !options.full).map(Cursor);
            let pages = source.pull(Pull { from, ..Pull::default() });
            self.take_in_pass(lease, options, pages, source.expectations(), &terms, None, report).await?;
        } else if let Some(intake) = self.reader.adapter.push_intake() {
            let bodies = self.reader.store.inbound(&self.reader.connection.id, MOST_INBOUND_PER_RUN).await?;
            for body in from_last_snapshot(bodies) {
                let pages = Box::pin(futures_util::stream::iter([Ok(inbound_page(intake, &body)?)]));
                let applied = self
                    .take_in_pass(lease, options, pages, intake.expectations(), &terms, Some(body.id), report)
                    .await?;
                if !applied {
                    break;
                }
                self.reader.store.drop_inbound(lease, body.id).await?;
            }
        } else {
            return Err(PassError::NothingToRead);
        }
        Ok(())
    }

    /// One pass; true when it was applied, false when it is held.
    #[allow(clippy::too_many_arguments)]
    async fn take_in_pass(
        &self,
        lease: &Lease,
        options: Options,
        pages: passerelle_contract::PageStream<'_, passerelle_contract::StockLine>,
        expectations: passerelle_contract::Expectations,
        terms: &VenueTerms,
        inbound: Option<i64>,
        report: &mut Report,
    ) -> Result<bool, PassError> {
        let store = self.reader.store.as_ref();
        let mut quarantine = Quarantine::new(&self.reader.connection.id);
        let pass = read(pages, expectations, terms, &mut quarantine, store, Some(lease), self.reader.progress).await?;
        let mut state = store.state(&self.reader.connection.id).await?;
        report.notices.extend(pass.warnings.iter().cloned());
        if pass.completeness == Completeness::Unchanged {
            self.reader.repeat_last(&mut report.summary).await?;
            // Whatever was held meanwhile is gone: the vendor is back at what was applied.
            if store.held(&lease.connection).await?.is_some() {
                store.set_held(lease, None).await?;
            }
            return Ok(true);
        }
        // A delta restates few rows: it must not wipe what the last snapshot left behind.
        let digest = if pass.completeness == Completeness::Delta && quarantine.total == 0 {
            state.quarantine_digest
        } else {
            Some(quarantine.finish(store, lease, state.quarantine_digest).await?)
        };
        let tally = walk::tally(store, &self.reader.connection.id, &pass.rows, pass.completeness).await?;
        add(&mut report.summary, &pass, &tally, &quarantine);
        self.reader.progress.step(Step::Planned {
            create: tally.create,
            change: tally.change,
            withdraw: tally.withdraw,
        });

        let held = store.held(&self.reader.connection.id).await?;
        let judged = Judged { completeness: pass.completeness, kept: pass.kept, expectations };
        // The same posted body read again is the same evidence, not more of it.
        let before = held.as_ref().filter(|held| inbound.is_none() || held.inbound != inbound);
        if let Verdict::Hold(reasons) = guard::judge(&judged, &tally, before)
            && !options.release
        {
            self.hold(lease, &reasons, &judged, &tally, held.as_ref(), inbound, report).await?;
            if state.quarantine_digest != digest {
                state.quarantine_digest = digest;
                store.save_state(lease, &state).await?;
            }
            return Ok(false);
        }
        if tally.actions() > 0 {
            walk::apply(store, lease, &pass.rows, pass.completeness).await?;
        }
        if held.is_some() {
            store.set_held(lease, None).await?;
        }
        self.commit_cursor(lease, &mut state, &pass.end, pass.completeness, digest).await?;
        Ok(true)
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
        let same = before.filter(|held| held.digest == tally.digest());
        let plan = HeldPlan {
            since: same.map_or_else(|| (self.now)(), |held| held.since),
            digest: tally.digest(),
            reasons: reasons.iter().map(|reason| reason.code().to_owned()).collect(),
            message: message.clone(),
            message_fr: message_fr.clone(),
            agreeing: 1,
            inbound,
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
        super::refusals::put_up_again(self.reader.store, lease, &mut state, (self.now)(), options.full).await?;
        let lane = Lane {
            store: self.reader.store,
            lease,
            client: self.client,
            account: &self.reader.connection.account,
            venue_id,
            progress: self.reader.progress,
            now: self.now,
        };
        let result = lane.drive().await;
        let totals = ledger::totals(self.reader.store.as_ref(), &self.reader.connection.id).await?;
        report.summary.rejected = totals.refused;
        let pushed = result?;
        report.summary.pushed += pushed.pushed;
        if pushed.waiting > 0 {
            report.notices.push(format!(
                "{} EANs were accepted by pass Culture and do not show yet; the next pass looks again",
                pushed.waiting
            ));
        }
        Ok(())
    }
}

/// A pushed snapshot replaces everything that was posted before it.
fn from_last_snapshot(mut bodies: Vec<Inbound>) -> Vec<Inbound> {
    match bodies.iter().rposition(|body| body.snapshot) {
        Some(last) => bodies.split_off(last),
        None => bodies,
    }
}

fn inbound_page(intake: &dyn PushIntake, body: &Inbound) -> Result<Page<passerelle_contract::StockLine>, PassError> {
    let page = intake.read(&body.body).map_err(|_| PassError::InboundUnreadable(body.id))?;
    let completeness = if body.snapshot { Completeness::Snapshot } else { Completeness::Delta };
    let end = page.end.unwrap_or(End { completeness, cursor: None, observed_at: None, warnings: Vec::new() });
    Ok(Page { end: Some(End { completeness, ..end }), ..page })
}

fn add(summary: &mut Summary, pass: &PassRead, tally: &Tally, quarantine: &Quarantine) {
    summary.read += pass.read;
    summary.kept += pass.kept;
    summary.quarantined += quarantine.total;
    summary.create += tally.create;
    summary.change += tally.change;
    summary.withdraw += tally.withdraw;
    summary.unchanged += tally.unchanged;
    summary.rejected = tally.refused;
}
