//! The steps of a pass over showtimes.

use passerelle_contract::{Cursor, Pull};

use super::{Options, Reader, Report, Run, add};
use crate::catalogue::PassError;
use crate::catalogue::events::{self, Circumstances, Gathered, Ledger, Merged, Push, gather, merge};
use crate::catalogue::guard::{self, Judged, Subject, Verdict};
use crate::catalogue::progress::Step;
use crate::catalogue::quarantine::Quarantine;
use crate::store::{ConnectionState, Lease, Millis};

/// A pass that was read and compared.
struct Compared {
    gathered: Gathered,
    merged: Merged,
    judged: Judged,
}

impl Reader<'_> {
    /// What a sync would change. Sends nothing and stores nothing.
    pub(super) async fn plan_shows(&self, state: &ConnectionState, report: &mut Report) -> Result<(), PassError> {
        let mut quarantine = Quarantine::new(&self.connection.id);
        let now = crate::clock::now();
        let compared = self.compare(state, Options::default(), now, &mut quarantine, None, report).await?;
        let Compared { merged, judged, .. } = compared;
        if let Verdict::Hold(reasons) = guard::judge(&judged, &merged.tally, None) {
            let (english, french) = guard::explain(&reasons, &judged, &merged.tally, &self.connection.id);
            report.summary.held += merged.tally.actions().max(1);
            report.notices.push(english);
            report.notice_fr = Some(french);
        }
        Ok(())
    }

    /// Reads the source and compares it with the ledger.
    async fn compare(
        &self,
        state: &ConnectionState,
        options: Options,
        began: Millis,
        quarantine: &mut Quarantine,
        lease: Option<&Lease>,
        report: &mut Report,
    ) -> Result<Compared, PassError> {
        let source = self.adapter.screenings().ok_or(PassError::NothingToRead)?;
        let expectations = source.expectations();
        let known = events::known(&self.store.dates(&self.connection.id).await?, began);
        let from = state.cursor.clone().filter(|_| !options.full).map(Cursor);
        let zone = events::zone(state);
        let place = events::place(self.connection, state, &zone, self.adapter, expectations, began);
        let mut gathered = gather(
            source.pull(Pull { from, known }),
            expectations.max_bad_ratio,
            &place,
            quarantine,
            self.store.as_ref(),
            lease,
            self.progress,
        )
        .await?;
        // Read after the source, so that what bookings moved meanwhile is seen.
        let ledger = Ledger {
            events: self.store.events(&self.connection.id).await?,
            dates: self.store.dates(&self.connection.id).await?,
        };
        events::unite(&ledger.events, &mut gathered);
        let gone_after = events::gone_after(self.adapter, expectations);
        let merged = merge(
            &ledger,
            &gathered,
            Circumstances { adapter: &self.connection.adapter, began, gone_after, full: options.full },
        );
        add(&mut report.summary, (gathered.read, gathered.kept), &merged.tally, quarantine);
        report.notices.extend(gathered.warnings.iter().cloned());
        let judged = Judged {
            subject: Subject::Shows,
            completeness: gathered.completeness,
            kept: gathered.kept,
            expectations,
            export: super::export(&gathered.end, began),
            limits: self.connection.guard,
            absurd: Vec::new(),
        };
        Ok(Compared { gathered, merged, judged })
    }
}

impl Run<'_> {
    /// Vendor → ledger.
    pub(super) async fn take_in_shows(
        &self,
        lease: &Lease,
        options: Options,
        state: &ConnectionState,
        report: &mut Report,
    ) -> Result<(), PassError> {
        let store = self.reader.store.as_ref();
        let mut quarantine = Quarantine::new(&self.reader.connection.id);
        let Compared { gathered, merged, judged } =
            self.reader.compare(state, options, (self.now)(), &mut quarantine, Some(lease), report).await?;
        let tally = &merged.tally;
        let mut state = store.state(&self.reader.connection.id).await?;
        let digest = Some(quarantine.finish(store, lease, state.quarantine_digest).await?);
        self.reader.progress.step(Step::Planned {
            create: tally.create,
            change: tally.change,
            withdraw: tally.withdraw,
        });
        let held = store.held(&self.reader.connection.id).await?;
        let verdict = guard::judge(&judged, tally, held.as_ref());
        if let Verdict::Hold(reasons) = &verdict
            && !options.release
        {
            self.hold(lease, reasons, &judged, tally, held.as_ref(), None, report).await?;
            if state.quarantine_digest != digest {
                state.quarantine_digest = digest;
                store.save_state(lease, &state).await?;
            }
            return Ok(());
        }
        if !merged.events.is_empty() || !merged.dates.is_empty() {
            store.save_events(lease, &merged.events, &merged.dates).await?;
        }
        if !merged.forget_events.is_empty() || !merged.forget_dates.is_empty() {
            store.forget_events(lease, &merged.forget_events, &merged.forget_dates).await?;
        }
        if held.is_some() {
            store.set_held(lease, None).await?;
            self.released(&mut state, tally, &verdict, report);
        }
        self.note_completeness(&mut state, gathered.completeness, &gathered.warnings);
        self.commit_cursor(lease, &mut state, &gathered.end, gathered.completeness, digest).await
    }

    /// Ledger → pass Culture.
    pub(super) async fn push_shows(&self, lease: &Lease, venue_id: i64, report: &mut Report) -> Result<(), PassError> {
        let push = Push {
            store: self.reader.store,
            lease,
            client: self.client,
            connection: self.reader.connection,
            adapter: self.reader.adapter,
            venue_id,
            progress: self.reader.progress,
            now: self.now,
        };
        let result = push.drive().await;
        report.summary.rejected = push.refused().await?;
        let pushed = result?;
        report.summary.pushed += pushed.dates;
        report.notices.extend(pushed.notices);
        Ok(())
    }
}
