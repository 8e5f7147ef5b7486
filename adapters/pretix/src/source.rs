//! A pass: each event of the settings, one after the other, with its items, its dates and what its quotas have left.
//!
//! pretix cuts lists into pages by counting, so that a date can slip from one page to another while they are read: a show
//! counts as gone only after two passes. What is switched off stays in the lists and is stated with no places at once.
//!
//! Invariant: an event that the token may not see, or something unreadable that may hide a show, makes the pass partial.

use std::sync::Arc;

use jiff::Timestamp;
use passerelle_contract::{
    AdapterError, Completeness, End, Evidence, Expectations, Page, PageStream, Pull, Row, Screening, Source,
};
use passerelle_kit::http::RetryBudget;
use passerelle_kit::pass::{pages, whole};

use crate::client::{For, Pretix, not_there};
use crate::facts::{Programme, Rows, Rules};

/// Rows of one pass; with more of them the rest is left out, and said to be.
const MAX_ROWS: usize = 50_000;

/// Shows of one organizer.
pub(crate) struct Shows {
    pretix: Arc<Pretix>,
}

impl Shows {
    pub(crate) const fn new(pretix: Arc<Pretix>) -> Self {
        Self { pretix }
    }

    /// Everything, in pages.
    async fn read(&self) -> Result<Vec<Page<Screening>>, AdapterError> {
        let budget = RetryBudget::default();
        let settings = self.pretix.settings();
        let mut rows: Vec<Row<Screening>> = Vec::new();
        let mut warnings = Vec::new();
        let mut unseen = Vec::new();
        for (slug, page) in settings.events.iter().zip(1..) {
            match self.programme(slug, For::Pass(&budget)).await {
                Ok(programme) => {
                    let read = Rows::of(&programme, &self.pretix.rules(), page);
                    if read.hides {
                        warnings.push(format!("event {slug}: something in it cannot be read; nothing is withdrawn"));
                    }
                    rows.extend(read.rows);
                }
                // Deleted, renamed or shut to the token: pretix says the same of all three.
                Err(error) if is_unseen(&error) => unseen.push((slug, error)),
                Err(error) => return Err(error),
            }
            if rows.len() > MAX_ROWS {
                rows.truncate(MAX_ROWS);
                warnings.push(format!(
                    "more than {MAX_ROWS} shows: those after event {slug} are left out; split the events"
                ));
                break;
            }
        }
        if unseen.len() == settings.events.len()
            && let Some((_, error)) = unseen.pop()
        {
            return Err(error);
        }
        warnings.extend(unseen.iter().map(|(slug, error)| {
            format!(
                "event {slug} cannot be seen and nothing is withdrawn; if it is gone take it out of events ({error})"
            )
        }));
        let completeness = if warnings.is_empty() { Completeness::Snapshot } else { Completeness::Partial };
        Ok(pages(rows, End { completeness, cursor: None, observed_at: None, fingerprint: None, warnings }))
    }

    /// All that is needed of one event.
    async fn programme(&self, slug: &str, who: For<'_>) -> Result<Programme, AdapterError> {
        let event = self.pretix.event(slug, who).await?.ok_or_else(|| not_there("read the event"))?;
        let locale = if event.name.is_french() { None } else { self.pretix.locale(slug, who).await? };
        let items = self.pretix.items(slug, who).await?;
        let dates = if event.has_subevents { self.pretix.dates(slug, who).await? } else { Vec::new() };
        // Last, so that what is left is as fresh as can be.
        let quotas = self.pretix.quotas(slug, None, who).await?;
        Ok(Programme { event, locale, items, dates, quotas })
    }

    /// Can the first event be read, and is there something to sell?
    pub(crate) async fn read_one(&self) -> Result<Evidence, AdapterError> {
        let Some(slug) = self.pretix.settings().events.first() else { return Err(not_there("read the event")) };
        let programme = self.programme(slug, For::Probe).await?;
        let shows = Rows::of(&programme, &self.pretix.rules(), 1).rows;
        let sold = shows.iter().filter(|row| matches!(row, Row::Good(_))).count();
        let concern = (sold == 0).then(|| {
            let why = format!("event {slug} has no show with an item that beneficiaries may buy");
            (why, "check items, the sales channel and the dates in pretix".to_owned())
        });
        let saw = format!("event {slug} has {} item(s); {sold} show(s) with something to sell", programme.items.len());
        Ok(Evidence { saw, concern })
    }
}

impl Pretix {
    /// What the settings say of what is sold, now.
    pub(crate) fn rules(&self) -> Rules<'_> {
        let settings = self.settings();
        Rules { items: settings.items.as_deref(), channel: &settings.sales_channel, now: Timestamp::now() }
    }
}

/// An unknown event and a forbidden one are both answered with 403.
fn is_unseen(error: &AdapterError) -> bool {
    matches!(error.code, "Forbidden" | "NotFound")
}

impl Source<Screening> for Shows {
    fn pull(&self, _ask: Pull) -> PageStream<'_, Screening> {
        whole(self.read())
    }

    fn expectations(&self) -> Expectations {
        Expectations { gone_after: 2, ..Expectations::default() }
    }
}
