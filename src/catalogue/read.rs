//! Pulling: pages of facts → rules → rows sorted by EAN, and the quarantine.

use std::io;

use futures_util::StreamExt;
use passerelle_contract::{
    Completeness, End, Expectations, Page, PageStream, Position, Quantity, Row, Severity, StockLine,
};

use super::PassError;
use super::gather::{Gather, Gathered, Said};
use super::progress::{Progress, Step};
use super::quarantine::Quarantine;
use super::shape::Shape;
use crate::rules::products::{Judgement, VenueTerms, judge};
use crate::store::{Lease, Store};

/// Unreadable rows below this number never make a pass partial, whatever their share.
pub(super) const FEWEST_BAD_ROWS: u64 = 20;

/// Beginnings of rounded references that are remembered; with more, nothing is withdrawn.
const MOST_PROTECTED: usize = 1_000;

/// A pass that was read to its end.
#[derive(Debug)]
pub(super) struct PassRead {
    /// Its rows in EAN order.
    pub(super) rows: Gathered,
    /// Rows read.
    pub(super) read: u64,
    /// Rows kept.
    pub(super) kept: u64,
    /// Rows that are no product.
    pub(super) skipped: u64,
    /// Beginnings of references that were rounded on their way: as numbers, from and up to.
    pub(super) protected: Vec<(u64, u64)>,
    /// What its prices and quantities look like as a whole.
    pub(super) shape: Shape,
    /// Do its lines rise from row to row? Not where it is made of several files: then a line alone is of no one of them.
    pub(super) lines_rise: bool,
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
    let (mut read, mut kept, mut skipped) = (0_u64, 0_u64, 0_u64);
    let (mut protected, mut shape) = (Vec::new(), Shape::default());
    let (mut lines_rise, mut last_line) = (true, 0_u64);
    let mut end = None;
    while let Some(page) = pages.next().await {
        let Page { rows, notes, skipped: no_products, end: last } = page?;
        read += rows.len() as u64 + no_products;
        skipped += no_products;
        for row in rows {
            if let Row::Good(line) = &row {
                shape.see(line);
            }
            if let Some(line) = line_of(&row) {
                lines_rise &= line > last_line;
                last_line = line;
            }
            kept += u64::from(sort_out(row, venue, &mut gather, quarantine, &mut protected));
        }
        for note in notes {
            quarantine.note(note.at, note.ean, note.kind);
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
        trusted(end.completeness, read - skipped, quarantine.unreadable, expectations.max_bad_ratio, &mut warnings);
    if completeness == Completeness::Partial && warnings.is_empty() {
        warnings.push("the source says that this is not all of it: nothing is withdrawn by this pass".to_owned());
    }
    let completeness = if protected.len() >= MOST_PROTECTED && completeness == Completeness::Snapshot {
        warnings.push(format!("{MOST_PROTECTED} references or more were rounded: nothing is withdrawn by this pass"));
        Completeness::Partial
    } else {
        completeness
    };
    let rows = blocking(move || gather.finish(expectations.duplicates, expectations.keep_back)).await?;
    Ok(PassRead { rows, read, kept, skipped, protected, shape, lines_rise, completeness, end, warnings })
}

/// The line of a file's row.
fn line_of(row: &Row<StockLine>) -> Option<u64> {
    let at = match row {
        Row::Good(line) => line.at,
        Row::Poison(error) => error.at,
    };
    match at {
        Position::Line(line) => Some(line),
        Position::Entry { .. } => None,
    }
}

/// One row to where it belongs; true when it was kept.
fn sort_out(
    row: Row<StockLine>,
    venue: &VenueTerms,
    gather: &mut Gather,
    quarantine: &mut Quarantine,
    protected: &mut Vec<(u64, u64)>,
) -> bool {
    match row {
        Row::Good(line) => match judge(&line, venue) {
            Judgement::Keep(terms) => {
                gather.add(line.ean, Said::Terms(terms), line.at);
                true
            }
            Judgement::SoldOut => {
                gather.add(line.ean, Said::Quantity(Quantity::Exactly(0)), line.at);
                true
            }
            Judgement::Unpriced(reason, quantity) => {
                gather.add(line.ean, Said::Quantity(quantity), line.at);
                quarantine.rejected(line.at, line.ean, reason);
                false
            }
            Judgement::TooDear(reason, terms) => {
                gather.add(line.ean, Said::TooDear(terms), line.at);
                quarantine.rejected(line.at, line.ean, reason);
                false
            }
            Judgement::Reject(reason) => {
                quarantine.rejected(line.at, line.ean, reason);
                false
            }
        },
        Row::Poison(error) => {
            let ean = error.key.as_deref().and_then(|key| passerelle_kit::reference::normalise(key).ok());
            // A book whose price could not be read is still on the shelf: its offer must not be taken down.
            if error.problem.severity == Severity::Unreadable {
                let others = error.legible.eans.iter().copied().filter(|other| Some(*other) != ean);
                let said = error.legible.quantity.map_or(Said::Mention, Said::Quantity);
                // What it says can only be about the one reference that it names.
                let only =
                    ean.or_else(|| others.clone().next()).filter(|_| ean.is_some() || others.clone().count() == 1);
                for (other, said) in
                    only.map(|only| (only, said)).into_iter().chain(others.map(|other| (other, Said::Mention)))
                {
                    gather.add(other, said, error.at);
                }
                if let Some(range) = error.legible.begins_with.as_deref().and_then(beginning)
                    && protected.len() < MOST_PROTECTED
                {
                    protected.push(range);
                }
            }
            quarantine.poison(*error, ean);
            false
        }
    }
}

/// The references that begin like this, as numbers.
fn beginning(digits: &str) -> Option<(u64, u64)> {
    let missing = u32::try_from(13_usize.checked_sub(digits.len())?).ok()?;
    let from = digits.parse::<u64>().ok()?.checked_mul(10_u64.checked_pow(missing)?)?;
    Some((from, from.checked_add(10_u64.checked_pow(missing)? - 1)?))
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
