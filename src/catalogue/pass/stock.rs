//! The steps of a pass over stock: rows by EAN, pulled or posted.

use passerelle_contract::{Completeness, Cursor, Ean, End, NoteKind, Page, Pull, PushIntake};

use super::{MOST_INBOUND_PER_RUN, Options, Reader, Report, Run, add};
use crate::catalogue::guard::{self, Judged, Subject, Verdict};
use crate::catalogue::history::{self, PassHistory};
use crate::catalogue::lane::Lane;
use crate::catalogue::plan::{Action, Rules, Tally, Unlikely};
use crate::catalogue::preview::{Collect, Items};
use crate::catalogue::progress::Step;
use crate::catalogue::quarantine::Quarantine;
use crate::catalogue::read::{PassRead, read};
use crate::catalogue::{PassError, Summary, refusals, values, venue, walk};
use crate::rules::products::VenueTerms;
use crate::store::{ConnectionState, Export, HeldValue, Inbound, LastRead, Lease, Millis, ledger};

/// Passes looked through for the last one that read something.
const PASSES_LOOKED_AT: u32 = 100;

/// A pass over stock, compared with the ledger and with what is held value by value.
struct Compared {
    tally: Tally,
    items: Items,
    rules: Rules,
    values_before: Vec<HeldValue>,
    values: Vec<HeldValue>,
    export: Export,
    /// Was nothing ever known of this shop?
    is_first: bool,
}

fn add_stock(summary: &mut Summary, pass: &PassRead, tally: &Tally, quarantine: &Quarantine) {
    add(summary, (pass.read, pass.kept - tally.held), tally, quarantine);
    summary.skipped += pass.skipped;
}

impl Reader<'_> {
    pub(super) async fn plan_stock(&self, state: &ConnectionState, report: &mut Report) -> Result<(), PassError> {
        let now = crate::clock::now();
        if let Some(source) = self.adapter.stock() {
            let from = state.cursor.clone().map(Cursor);
            let mut quarantine = Quarantine::new(&self.connection.id);
            let terms = venue::terms(self.connection, state);
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
                self.repeat_last(state, &mut report.summary).await?;
                self.preview_what_waits(report).await?;
                report.summary.rejected = ledger::totals(self.store.as_ref(), &self.connection.id).await?.refused;
            } else {
                self.judge_dry(&pass, source.expectations(), quarantine, now, report).await?;
            }
        } else if let Some(intake) = self.adapter.push_intake() {
            let bodies = self.store.inbound(&self.connection.id, MOST_INBOUND_PER_RUN).await?;
            for body in from_last_snapshot(bodies) {
                let mut quarantine = Quarantine::new(&self.connection.id);
                let terms = venue::terms(self.connection, state);
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
                self.judge_dry(&pass, intake.expectations(), quarantine, now, report).await?;
            }
        } else {
            return Err(PassError::NothingToRead);
        }
        Ok(())
    }

    /// What an earlier run could not send is sent by the next one, although the source says nothing new.
    async fn preview_what_waits(&self, report: &mut Report) -> Result<(), PassError> {
        let mut items = Items::new(Collect::Items);
        let mut scan = ledger::Scan::at_work(self.store.as_ref(), &self.connection.id);
        while let Some(page) = scan.next_page().await? {
            for entry in page {
                items.see(entry.ean, Some(&entry), Action::Keep);
            }
        }
        let summary = &mut report.summary;
        (summary.create, summary.change, summary.withdraw) = items.counts();
        summary.unchanged = summary.unchanged.saturating_sub(items.count);
        report.items = items;
        Ok(())
    }

    async fn judge_dry(
        &self,
        pass: &PassRead,
        expectations: passerelle_contract::Expectations,
        quarantine: Quarantine,
        now: Millis,
        report: &mut Report,
    ) -> Result<(), PassError> {
        let mut quarantine = quarantine;
        let compared = self.compare_stock(pass, false, now, &mut quarantine, Collect::Items).await?;
        let tally = &compared.tally;
        add_stock(&mut report.summary, pass, tally, &quarantine);
        // What a sync would send, also of what an earlier one could not.
        (report.summary.create, report.summary.change, report.summary.withdraw) = compared.items.counts();
        report.summary.unchanged = compared.items.unchanged();
        report.notices.extend(pass.warnings.iter().cloned());
        // A plan never counts as the second snapshot, so it is judged as if nothing was held.
        let judged = self.judged(pass, expectations, &quarantine, &compared);
        report.items = compared.items.clone();
        if let Verdict::Hold(reasons) = guard::judge(&judged, tally, None) {
            report.items.heaviest_first();
            let (english, french) = guard::explain(&reasons, &judged, tally, &self.connection.id);
            report.summary.held += tally.actions().max(1);
            report.notices.push(english);
            report.notice_fr = Some(french);
        }
        Ok(())
    }

    /// Rows against the ledger, with what is held value by value; both go into the quarantine.
    async fn compare_stock(
        &self,
        pass: &PassRead,
        release: bool,
        now: Millis,
        quarantine: &mut Quarantine,
        collect: Collect,
    ) -> Result<Compared, PassError> {
        let store = self.store.as_ref();
        let values_before = store.held_values(&self.connection.id).await?;
        let export = super::export(&pass.end, now);
        let limits = self.connection.guard;
        let rules = Rules {
            completeness: Some(pass.completeness),
            limits,
            let_through: values::let_through(&values_before, &export, limits.agree_after_seconds),
            protected: pass.protected.clone(),
            release,
        };
        let mut counted = walk::count(store, &self.connection.id, &pass.rows, &rules, collect).await?;
        // Where most prices move together the plan is held as a whole, and no row is doubted by itself.
        if guard::most_prices_moved(&counted.tally) {
            counted.held.retain(|(_, held)| held.why != Unlikely::PriceJump);
            let alone = counted.tally.held.min(counted.held.len() as u64);
            let together = counted.tally.held - alone;
            counted.tally.held = alone;
            counted.tally.change += together;
            counted.tally.unchanged = counted.tally.unchanged.saturating_sub(together);
        }
        for (ean, held) in &counted.held {
            quarantine.held(held.at, *ean, held.why.code(), values::said(held, &limits));
        }
        for (ean, at) in &counted.joined {
            quarantine.note(*at, Ean::from_u64(*ean).ok(), NoteKind::DuplicateReference);
        }
        let beyond = counted.tally.duplicates.saturating_sub(counted.joined.len() as u64);
        quarantine.notes += beyond;
        let beyond = counted.tally.held.saturating_sub(counted.held.len() as u64);
        quarantine.total += beyond;
        let values =
            values::after(&values_before, &counted.held, &export, limits.agree_after_seconds, pass.completeness);
        let entries = ledger::totals(store, &self.connection.id).await?.entries;
        let items = counted.items;
        Ok(Compared { tally: counted.tally, items, rules, values_before, values, export, is_first: entries == 0 })
    }

    fn judged(
        &self,
        pass: &PassRead,
        expectations: passerelle_contract::Expectations,
        quarantine: &Quarantine,
        compared: &Compared,
    ) -> Judged {
        let absurd = if compared.is_first && pass.completeness != Completeness::Delta {
            pass.shape.absurd(&self.connection.guard, pass.read - pass.skipped, quarantine.unreadable)
        } else {
            Vec::new()
        };
        Judged {
            subject: Subject::Stock,
            completeness: pass.completeness,
            kept: pass.kept,
            expectations,
            export: compared.export.clone(),
            limits: self.connection.guard,
            absurd,
        }
    }

    /// The last pass that read something still holds: its rows are this pass's rows, and none of them changes anything.
    async fn repeat_last(&self, state: &ConnectionState, summary: &mut Summary) -> Result<(), PassError> {
        // Written with the cursor that makes the source say "unchanged", so also when that pass was never recorded.
        if let Some(last) = state.last_read {
            summary.read += last.read;
            summary.kept += last.kept;
            summary.quarantined += last.quarantined;
            summary.skipped += last.skipped;
            summary.notes += last.notes;
            summary.unchanged += last.items;
            return Ok(());
        }
        let passes = self.store.passes(&self.connection.id, PASSES_LOOKED_AT).await?;
        let last = passes
            .into_iter()
            .filter(|pass| pass.outcome != super::HELD)
            .filter_map(|pass| serde_json::from_value::<Summary>(pass.summary).ok())
            .find(|summary| summary.read > 0)
            .unwrap_or_default();
        summary.read += last.read;
        summary.kept += last.kept;
        summary.quarantined += last.quarantined;
        summary.skipped += last.skipped;
        summary.notes += last.notes;
        summary.unchanged += last.create + last.change + last.unchanged;
        Ok(())
    }
}

impl Run<'_> {
    pub(super) async fn take_in_stock(
        &self,
        lease: &Lease,
        options: Options,
        state: &ConnectionState,
        report: &mut Report,
    ) -> Result<(), PassError> {
        let terms = venue::terms(self.reader.connection, state);
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
            self.reader.repeat_last(&state, &mut report.summary).await?;
            // Whatever was held meanwhile is gone: the vendor is back at what was applied.
            if store.held(&lease.connection).await?.is_some() {
                store.set_held(lease, None).await?;
            }
            return Ok(true);
        }
        let compared =
            self.reader.compare_stock(&pass, options.release, (self.now)(), &mut quarantine, Collect::Digest).await?;
        if options.plan.is_some_and(|plan| plan != compared.items.digest()) {
            return Err(PassError::PlanMoved);
        }
        let tally = &compared.tally;
        // A delta restates few rows: it must not wipe what the last snapshot left behind.
        let digest = if pass.completeness == Completeness::Delta && quarantine.total + quarantine.notes == 0 {
            state.quarantine_digest
        } else {
            Some(quarantine.finish(store, lease, state.quarantine_digest).await?)
        };
        add_stock(&mut report.summary, &pass, tally, &quarantine);
        self.reader.progress.step(Step::Planned {
            create: tally.create,
            change: tally.change,
            withdraw: tally.withdraw,
        });

        let held = store.held(&self.reader.connection.id).await?;
        let judged = self.reader.judged(&pass, expectations, &quarantine, &compared);
        // The same posted body read again is the same evidence, not more of it.
        let before = held.as_ref().filter(|held| inbound.is_none() || held.inbound != inbound);
        let verdict = guard::judge(&judged, tally, before);
        if let Verdict::Hold(reasons) = &verdict
            && !options.release
            && options.plan.is_none()
        {
            self.hold(lease, reasons, &judged, tally, held.as_ref(), inbound, report).await?;
            if state.quarantine_digest != digest {
                state.quarantine_digest = digest;
                store.save_state(lease, &state).await?;
            }
            return Ok(false);
        }
        if tally.actions() > 0 {
            let history = PassHistory::new(
                (self.now)(),
                tally.actions(),
                pass.end.fingerprint.as_deref(),
                inbound,
                pass.lines_rise,
            );
            walk::apply(store, lease, &pass.rows, &compared.rules, &history).await?;
        }
        if held.is_some() {
            store.set_held(lease, None).await?;
            self.released(&mut state, tally, &verdict, report);
        }
        if compared.values != compared.values_before {
            store.save_held_values(lease, &compared.values).await?;
        }
        self.note_completeness(&mut state, pass.completeness, &pass.warnings);
        state.last_read = Some(LastRead {
            read: pass.read,
            kept: pass.kept - tally.held,
            quarantined: quarantine.total,
            skipped: pass.skipped,
            notes: quarantine.notes,
            items: tally.create + tally.change + tally.unchanged,
        });
        self.commit_cursor(lease, &mut state, &pass.end, pass.completeness, digest).await?;
        Ok(true)
    }

    /// Ledger → pass Culture.
    pub(super) async fn push_stock(
        &self,
        lease: &Lease,
        options: Options,
        mut state: ConnectionState,
        venue_id: i64,
        report: &mut Report,
    ) -> Result<(), PassError> {
        refusals::put_up_again(self.reader.store, lease, &mut state, (self.now)(), options.full).await?;
        let work = ledger::totals(self.reader.store.as_ref(), &lease.connection).await?;
        let tells_each = history::tells_each(work.pending.saturating_add(work.unverified));
        let lane = Lane {
            store: self.reader.store,
            lease,
            client: self.client,
            account: &self.reader.connection.account,
            venue_id,
            progress: self.reader.progress,
            now: self.now,
            tells_each,
        };
        let result = lane.drive().await;
        let totals = ledger::totals(self.reader.store.as_ref(), &self.reader.connection.id).await?;
        report.summary.rejected = totals.refused;
        report.summary.unverified = totals.unverified;
        report.waits_for_queue = totals.pending > 0 && totals.unverified > 0;
        let pushed = result?;
        report.summary.pushed += pushed.pushed;
        lane.tell_all(pushed.pushed).await?;
        if totals.unverified > 0 {
            report.notices.push(format!(
                "{} EANs were accepted by pass Culture and do not show yet as they were sent; the next pass looks again",
                totals.unverified
            ));
        }
        if pushed.twins > 0 {
            report.notices.push(format!(
                "{} EANs have several offers at pass Culture; `passerelle check` names those to close",
                pushed.twins
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
    let end = page.end.unwrap_or(End {
        completeness,
        cursor: None,
        observed_at: None,
        fingerprint: None,
        warnings: Vec::new(),
    });
    Ok(Page { end: Some(End { completeness, ..end }), ..page })
}
