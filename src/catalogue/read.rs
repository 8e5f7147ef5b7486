//! Pulling: pages of facts → rules → rows sorted by EAN, and the quarantine.

use std::io;

use futures_util::StreamExt;
use passerelle_contract::{Completeness, End, Expectations, Page, PageStream, Row, Severity, StockLine};

use super::PassError;
use super::gather::{Gather, Gathered};
use super::progress::{Progress, Step};
use super::quarantine::Quarantine;
use crate::rules::products::{Judgement, VenueTerms, judge};
use crate::store::{Lease, Store};

/// Unreadable rows below this number never make a pass partial, whatever their share.
pub(super) const FEWEST_BAD_ROWS: u64 = 20;

/// A pass that was read to its end.
#[derive(Debug)]
pub(super) struct PassRead {
    /// Its rows in EAN order.
    pub(super) rows: Gathered,
    /// Rows read.
    pub(super) read: u64,
    /// Rows kept.
    pub(super) kept: u64,
    /// How much it shows, after judging its share of unreadable rows.
    pub(super) completeness: Completeness,
    /// What its last page said.
    pub(super) end: End,
    /// Sentences for the operator.
    pub(super) warnings: Vec<String>,
}

/// Reads a whole pass. Rows stream: memory holds one page and one run.
///
/// # Errors
/// The source's error, or a full disk.
pub(super) async fn read(
    mut pages: PageStream<'_, StockLine>,
    expectations: Expectations,
    venue: &VenueTerms,
    quarantine: &mut Quarantine,
    store: &dyn Store,
    lease: Option<&Lease>,
    progress: &dyn Progress,
) -> Result<PassRead, PassError> {
    let mut gather = Gather::default();
    let (mut read, mut kept) = (0_u64, 0_u64);
    let mut end = None;
    while let Some(page) = pages.next().await {
        let Page { rows, notes: _, skipped: _, end: last } = page?;
        read += rows.len() as u64;
        for row in rows {
            kept += u64::from(sort_out(row, venue, &mut gather, quarantine));
        }
        if gather.is_full() {
            gather = blocking(move || gather.spill().map(|()| gather)).await?;
        }
        quarantine.relieve(store, lease).await?;
        progress.step(Step::Read(read));
        if last.is_some() {
            end = last;
            break;
        }
    }
    drop(pages);
    let Some(end) = end else {
        return Err(PassError::Unfinished);
    };
    let mut warnings = end.warnings.clone();
    let completeness =
        trusted(end.completeness, read, quarantine.unreadable, expectations.max_bad_ratio, &mut warnings);
    let rows = blocking(move || gather.finish(expectations.duplicates, expectations.keep_back)).await?;
    Ok(PassRead { rows, read, kept, completeness, end, warnings })
}

/// One row to where it belongs; true when it was kept.
fn sort_out(row: Row<StockLine>, venue: &VenueTerms, gather: &mut Gather, quarantine: &mut Quarantine) -> bool {
    match row {
        Row::Good(line) => match judge(&line, venue) {
            Judgement::Keep(terms) => {
                gather.add(line.ean, terms);
                true
            }
            Judgement::Reject(reason) => {
                quarantine.rejected(line.at, line.ean, reason);
                false
            }
        },
        Row::Poison(error) => {
            let ean = error.key.as_deref().and_then(|key| passerelle_kit::reference::normalise(key).ok());
            // A book whose price could not be read is still on the shelf: its offer must not be taken down.
            if let (Some(ean), Severity::Unreadable) = (ean, error.problem.severity) {
                gather.mention(ean);
            }
            quarantine.poison(*error, ean);
            false
        }
    }
}

/// A snapshot with too many unreadable rows is not trusted to show what is gone.
pub(super) fn trusted(
    stated: Completeness,
    read: u64,
    unreadable: u64,
    max_bad_ratio: f64,
    warnings: &mut Vec<String>,
) -> Completeness {
    #[allow(clippy::cast_precision_loss)]
    let too_many = unreadable >= FEWEST_BAD_ROWS && unreadable as f64 > read as f64 * max_bad_ratio;
    if stated == Completeness::Snapshot && too_many {
        warnings.push(format!(
            "{unreadable} of {read} rows could not be read, more than the {:.0} % allowed: nothing is withdrawn by this pass",
            max_bad_ratio * 100.0
        ));
        return Completeness::Partial;
    }
    stated
}

/// Sorting a million rows takes longer than a worker thread may be kept.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, PassError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(PassError::Disk),
        Err(join) => Err(PassError::Disk(io::Error::other(join))),
    }
}
