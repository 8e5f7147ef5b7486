//! Pulling showtimes: pages of facts → rules → what is wanted, and the quarantine.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use passerelle_contract::{Completeness, End, Page, PageStream, Row, Screening, Severity};

use crate::catalogue::PassError;
use crate::catalogue::progress::{Progress, Step};
use crate::catalogue::quarantine::Quarantine;
use crate::catalogue::read::trusted;
use crate::rules::screenings::{DateTerms, EventTerms, Judgement, Place, judge};
use crate::store::events::{MAX_DATES, MAX_EVENTS};
use crate::store::{Lease, Store};

/// A date as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::catalogue) struct WantedDate {
    pub(super) terms: DateTerms,
    /// `None` means unlimited.
    pub(super) quantity: Option<u32>,
}

/// A pass that was read to its end.
#[derive(Debug)]
pub(in crate::catalogue) struct Gathered {
    /// Offers by key.
    pub(super) events: BTreeMap<String, EventTerms>,
    /// Dates by event and key.
    pub(super) dates: BTreeMap<(String, String), WantedDate>,
    /// Vendor keys of shows that are there and could not be read: nobody said that they are gone.
    pub(super) mentioned: BTreeSet<String>,
    /// Rows read.
    pub(in crate::catalogue) read: u64,
    /// Rows with nothing wrong.
    pub(in crate::catalogue) kept: u64,
    /// How much it shows, after judging its share of unreadable rows.
    pub(in crate::catalogue) completeness: Completeness,
    /// What its last page said.
    pub(in crate::catalogue) end: End,
    /// Sentences for the operator.
    pub(in crate::catalogue) warnings: Vec<String>,
}

impl Gathered {
    fn new() -> Self {
        Self {
            events: BTreeMap::new(),
            dates: BTreeMap::new(),
            mentioned: BTreeSet::new(),
            read: 0,
            kept: 0,
            completeness: Completeness::Partial,
            end: End {
                completeness: Completeness::Partial,
                cursor: None,
                observed_at: None,
                fingerprint: None,
                warnings: Vec::new(),
            },
            warnings: Vec::new(),
        }
    }

    fn sort_out(
        &mut self,
        row: Row<Screening>,
        place: &Place<'_>,
        quarantine: &mut Quarantine,
    ) -> Result<(), PassError> {
        let screening = match row {
            Row::Good(screening) => screening,
            Row::Poison(error) => {
                if let (Some(key), Severity::Unreadable) = (&error.key, error.problem.severity) {
                    self.mentioned.insert(key.clone());
                }
                quarantine.poison(*error, None);
                return Ok(());
            }
        };
        match judge(&screening, place) {
            Judgement::Over => self.kept += 1,
            Judgement::Reject(reason) => {
                if reason.severity == Severity::Unreadable {
                    self.mentioned.insert(screening.showtime.key.clone());
                }
                quarantine.kept_out(screening.at, screening.showtime.key, reason);
            }
            Judgement::Keep(wanted, refused) => {
                self.kept += 1;
                for reason in refused {
                    self.warnings.push(format!(
                        "show {}: one of its tariffs is left out: {} ({})",
                        screening.showtime.key, reason.message, reason.code
                    ));
                }
                for one in wanted {
                    let date = WantedDate { terms: one.date, quantity: one.quantity };
                    self.dates.insert((one.event_key.clone(), one.date_key), date);
                    self.events.insert(one.event_key, one.event);
                }
            }
        }
        if self.dates.len() > MAX_DATES as usize || self.events.len() > MAX_EVENTS as usize {
            return Err(PassError::TooManyDates);
        }
        Ok(())
    }
}

/// Reads a whole pass.
///
/// # Errors
/// The source's error, or [`PassError::TooManyDates`].
pub(in crate::catalogue) async fn gather(
    mut pages: PageStream<'_, Screening>,
    max_bad_ratio: f64,
    place: &Place<'_>,
    quarantine: &mut Quarantine,
    store: &dyn Store,
    lease: Option<&Lease>,
    progress: &dyn Progress,
) -> Result<Gathered, PassError> {
    let mut gathered = Gathered::new();
    let mut end = None;
    while let Some(page) = pages.next().await {
        let Page { rows, notes: _, skipped: _, end: last } = page?;
        gathered.read += rows.len() as u64;
        for row in rows {
            gathered.sort_out(row, place, quarantine)?;
        }
        quarantine.relieve(store, lease).await?;
        progress.step(Step::Read(gathered.read));
        if last.is_some() {
            end = last;
            break;
        }
    }
    drop(pages);
    let Some(end) = end else { return Err(PassError::Unfinished) };
    gathered.warnings.extend(end.warnings.iter().cloned());
    gathered.completeness =
        trusted(end.completeness, gathered.read, quarantine.unreadable, max_bad_ratio, &mut gathered.warnings);
    gathered.end = end;
    Ok(gathered)
}
