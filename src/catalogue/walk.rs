//! Merging a pass with the ledger, page by page.

use passerelle_contract::{Ean, Position, Quantity};

use super::gather::{Gathered, Said, Stated};
use super::history::PassHistory;
use super::plan::{Action, Held, Rules, Tally, applied, decide};
use super::preview::{Collect, Items};
use super::{PassError, put};
use crate::store::history::HistoryRow;
use crate::store::ledger::{Entry, Scan};
use crate::store::{Lease, Store};

/// Entries written in one go while a plan is applied.
const WRITE_AT_ONCE: usize = 16 * 1024;

/// Values held one by one that are told one by one; the others are counted.
const MOST_HELD: usize = 10_000;

/// What a pass would change.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// In numbers.
    pub(super) tally: Tally,
    /// Values that are held one by one: the first [`MOST_HELD`].
    pub(super) held: Vec<(Ean, Held)>,
    /// Rows that were joined to an earlier one of the same EAN, and where they stand.
    pub(super) joined: Vec<(u64, Position)>,
    /// What would be sent, item by item.
    pub(super) items: Items,
}

/// Counts what a pass would change. Reads only.
///
/// # Errors
/// When the store or a sorted run cannot be read.
pub(super) async fn count(
    store: &dyn Store,
    connection: &str,
    rows: &Gathered,
    rules: &Rules,
    collect: Collect,
) -> Result<Counted, PassError> {
    let mut counted = Counted { items: Items::new(collect), ..Counted::default() };
    let mut merge = Merge::new(store, connection, rows, rules)?;
    while merge.next_page().await? {
        merge.judge_page(|ean, entry, action, _| {
            counted.tally.count(entry, action);
            counted.items.see(ean, entry, action);
            if let Action::Hold(held) = action
                && counted.held.len() < MOST_HELD
            {
                counted.held.push((ean, held));
            }
        })?;
    }
    counted.tally.duplicates = merge.reading.duplicates();
    counted.tally.conflicts = merge.reading.conflicts();
    counted.joined = merge.reading.joined().to_vec();
    Ok(counted)
}

/// Moves `desired` to what a pass stated. Stopped half-way, the next pass finishes the work.
///
/// # Errors
/// When the store refuses, or the lease was lost.
pub(super) async fn apply(
    store: &dyn Store,
    lease: &Lease,
    rows: &Gathered,
    rules: &Rules,
    history: &PassHistory<'_>,
) -> Result<(), PassError> {
    let mut changed: Vec<Entry> = Vec::new();
    let mut told: Vec<HistoryRow> = Vec::new();
    let mut merge = Merge::new(store, &lease.connection, rows, rules)?;
    while merge.next_page().await? {
        merge.judge_page(|ean, entry, action, at| {
            changed.extend(applied(entry, ean, action));
            told.extend(history.of_action(ean, action, at));
        })?;
        if changed.len() >= WRITE_AT_ONCE {
            put(store, lease, &changed).await?;
            changed.clear();
            store.add_history(lease, &told).await?;
            told.clear();
        }
    }
    if !changed.is_empty() {
        put(store, lease, &changed).await?;
    }
    told.extend(history.of_all());
    if !told.is_empty() {
        store.add_history(lease, &told).await?;
    }
    Ok(())
}

/// The two sorted streams, one page of the ledger at a time.
struct Merge<'a> {
    scan: Scan<'a>,
    reading: super::gather::Reading,
    ahead: Option<Stated>,
    rules: &'a Rules,
    page: Vec<Entry>,
    scanned_all: bool,
}

/// Rows judged after the last page before the caller gets a chance to write.
const ROWS_AT_ONCE: usize = WRITE_AT_ONCE;

impl<'a> Merge<'a> {
    fn new(store: &'a dyn Store, connection: &'a str, rows: &Gathered, rules: &'a Rules) -> Result<Self, PassError> {
        let mut reading = rows.read().map_err(PassError::Disk)?;
        let ahead = reading.advance().map_err(PassError::Disk)?;
        Ok(Self { scan: Scan::all(store, connection), reading, ahead, rules, page: Vec::new(), scanned_all: false })
    }

    /// Moves on; false when both streams are at their end.
    async fn next_page(&mut self) -> Result<bool, PassError> {
        if self.scanned_all {
            return Ok(self.ahead.is_some());
        }
        self.scanned_all = !self.scan.next_into(&mut self.page).await?;
        Ok(!self.scanned_all || self.ahead.is_some())
    }

    /// Judges this page's entries and the rows up to them; after the last page, some of the remaining rows.
    fn judge_page(
        &mut self,
        mut verdict: impl FnMut(Ean, Option<&Entry>, Action, Option<Position>),
    ) -> Result<(), PassError> {
        let page = std::mem::take(&mut self.page);
        for entry in &page {
            let key = entry.ean.as_u64();
            while let Some(stated) = self.ahead.filter(|stated| stated.ean < key) {
                self.judge_new(stated, &mut verdict)?;
            }
            let stated = self.ahead.filter(|stated| stated.ean == key);
            verdict(entry.ean, Some(entry), decide(Some(entry), stated, self.rules), stated.map(|stated| stated.at));
            if stated.is_some() {
                self.advance()?;
            }
        }
        // The buffer goes back for the next page.
        self.page = page;
        if self.scanned_all {
            for _ in 0..ROWS_AT_ONCE {
                let Some(stated) = self.ahead else { break };
                self.judge_new(stated, &mut verdict)?;
            }
        }
        Ok(())
    }

    fn judge_new(
        &mut self,
        stated: Stated,
        verdict: &mut impl FnMut(Ean, Option<&Entry>, Action, Option<Position>),
    ) -> Result<(), PassError> {
        // Only EANs that were checked went in; a damaged run on disk is the only way to fail here.
        let ean = Ean::from_u64(stated.ean).map_err(|why| PassError::Disk(std::io::Error::other(why)))?;
        // An unreadable row of an unknown book is in the quarantine; here there is nothing to say of it.
        if matches!(stated.said, Said::Terms(_) | Said::Quantity(Quantity::Exactly(0))) {
            verdict(ean, None, decide(None, Some(stated), self.rules), Some(stated.at));
        }
        self.advance()
    }

    fn advance(&mut self) -> Result<(), PassError> {
        self.ahead = self.reading.advance().map_err(PassError::Disk)?;
        Ok(())
    }
}
