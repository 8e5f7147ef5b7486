//! Reading and changing a connection's ledger through the [`Store`].
//!
//! Invariants: at most [`PAGES_PER_TRANSACTION`] pages are read and rewritten in one transaction and at most
//! [`PAGES_PER_READ`] are in memory while scanning; every transaction leaves a whole ledger; a change made under a lease
//! that is no longer the newest is refused by the store.

use passerelle_contract::Ean;

use super::codec::{PAGE_CAPACITY, decode};
use super::plan::{Rewrite, Share, deal, settle};
use super::{Entry, StoredPage, Totals};
use crate::store::{Lease, Store, StoreError};

/// Pages that one query of a [`Scan`] brings: 768 KiB.
pub const PAGES_PER_READ: u32 = 64;
/// Pages that one transaction of [`modify`] may rewrite: 6 MiB.
pub const PAGES_PER_TRANSACTION: usize = 512;
/// EANs that one transaction of [`modify`] may insert or change: 128 new pages at most.
pub const EANS_PER_TRANSACTION: usize = 128 * PAGE_CAPACITY;
/// Page keys read at once to find the pages concerned.
const INDEX_WINDOW: u32 = 4_096;

/// Streams a connection's entries in EAN order.
///
/// Each EAN comes at most once and in order even while the ledger is being changed; whether a change made meanwhile is
/// seen is open.
#[derive(Debug)]
pub struct Scan<'a> {
    store: &'a dyn Store,
    connection: &'a str,
    only_at_work: bool,
    fetched: std::vec::IntoIter<StoredPage>,
    last: Option<Ean>,
    is_over: bool,
}

impl<'a> Scan<'a> {
    /// All pages.
    #[must_use]
    pub fn all(store: &'a dyn Store, connection: &'a str) -> Self {
        Self { store, connection, only_at_work: false, fetched: Vec::new().into_iter(), last: None, is_over: false }
    }

    /// Only pages with something to push or to verify; their other entries come along.
    #[must_use]
    pub fn at_work(store: &'a dyn Store, connection: &'a str) -> Self {
        Self { only_at_work: true, ..Self::all(store, connection) }
    }

    /// Begins behind this EAN.
    #[must_use]
    pub fn after(self, ean: Ean) -> Self {
        Self { last: Some(ean), ..self }
    }

    /// The next page's entries, at least one; `None` at the end.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Corrupt`] when a page is damaged.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Entry>>, StoreError> {
        let mut entries = Vec::new();
        Ok(self.next_into(&mut entries).await?.then_some(entries))
    }

    /// As [`Scan::next_page`], into a buffer that is emptied first; false at the end.
    ///
    /// # Errors
    /// As [`Scan::next_page`].
    pub async fn next_into(&mut self, entries: &mut Vec<Entry>) -> Result<bool, StoreError> {
        entries.clear();
        loop {
            for page in self.fetched.by_ref() {
                decode(&page, self.last, entries)?;
                if let Some(last) = entries.last() {
                    self.last = Some(last.ean);
                    return Ok(true);
                }
            }
            if self.is_over {
                return Ok(false);
            }
            self.fetch().await?;
        }
    }

    async fn fetch(&mut self) -> Result<(), StoreError> {
        let from = self.last.unwrap_or(Ean::MIN);
        let pages = if self.only_at_work {
            self.store.ledger_pages_at_work(self.connection, from, PAGES_PER_READ).await?
        } else {
            self.store.ledger_pages(self.connection, from, PAGES_PER_READ).await?
        };
        // Fewer than asked for means that there are no more.
        self.is_over = pages.len() < PAGES_PER_READ as usize;
        self.fetched = pages.into_iter();
        Ok(())
    }
}

/// One entry's new state; `None` removes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// Which.
    pub ean: Ean,
    /// What it becomes.
    pub entry: Option<Entry>,
}

/// Inserts, replaces and removes entries; `updates` are sorted by EAN, each EAN once.
///
/// # Errors
/// As [`modify`].
pub async fn apply(store: &dyn Store, lease: &Lease, updates: &[Update]) -> Result<(), StoreError> {
    let eans: Vec<Ean> = updates.iter().map(|update| update.ean).collect();
    // `modify` asks for each EAN once, in order.
    let mut next = updates.iter();
    modify(store, lease, &eans, |_, _| next.next().and_then(|update| update.entry)).await
}

/// Asks `change` for the new state of each of `eans` (sorted, each once), giving the present one, and writes what differs.
///
/// `change` is called exactly once per EAN, in order; `None` means that the entry is not there or shall not be. Beyond
/// [`PAGES_PER_TRANSACTION`] pages or [`EANS_PER_TRANSACTION`] EANs it takes several transactions: after an error or when
/// dropped, a prefix of the changes is stored. What does not change is not written.
///
/// # Errors
/// [`StoreError::Fenced`] when the lease was taken over; [`StoreError::Invalid`] when `eans` are not sorted, or `change`
/// answers an entry for another EAN or one without encoding; [`StoreError::Corrupt`] when a page is damaged.
pub async fn modify(
    store: &dyn Store,
    lease: &Lease,
    eans: &[Ean],
    mut change: impl FnMut(Ean, Option<Entry>) -> Option<Entry> + Send,
) -> Result<(), StoreError> {
    if !eans.is_sorted_by(|one, other| one < other) {
        return Err(StoreError::Invalid("EANs that are not sorted or not unique".to_owned()));
    }
    let _turn = store.ledger_turn(&lease.connection).await;
    let mut rest = eans;
    while let Some(first) = rest.first() {
        let index = store.ledger_index(&lease.connection, *first, INDEX_WINDOW).await?;
        let is_whole = index.len() < INDEX_WINDOW as usize;
        let concerned = within_reach(&index, is_whole, rest);
        let (taken, rewrites) = if index.is_empty() {
            (concerned.len(), first_page(concerned, &mut change)?)
        } else {
            let shares = deal(&index, concerned, PAGES_PER_TRANSACTION);
            let firsts: Vec<Ean> = shares.iter().map(|share| index[share.page]).collect();
            let pages = store.ledger_pages_at(&lease.connection, &firsts).await?;
            let taken = shares.last().map_or(0, |share| share.to);
            (taken, rewrite(&pages, &shares, is_whole.then(|| index.len() - 1), concerned, &mut change)?)
        };
        if taken == 0 {
            return Err(StoreError::Corrupt(format!("the ledger of `{}` has no page for {first}", lease.connection)));
        }
        let outcome = settle(rewrites)?;
        if !outcome.remove.is_empty() || !outcome.pages.is_empty() {
            store.save_ledger(lease, &outcome.remove, &outcome.pages).await?;
        }
        rest = &rest[taken..];
    }
    Ok(())
}

/// One entry.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &dyn Store, connection: &str, ean: Ean) -> Result<Option<Entry>, StoreError> {
    let mut entries = Vec::new();
    if let Some(page) = store.ledger_pages(connection, ean, 1).await?.first() {
        decode(page, None, &mut entries)?;
    }
    Ok(entries.binary_search_by_key(&ean, |entry| entry.ean).ok().map(|at| entries[at]))
}

/// How many entries a connection has, by what there is to do with them.
///
/// # Errors
/// [`StoreError`].
pub async fn totals(store: &dyn Store, connection: &str) -> Result<Totals, StoreError> {
    store.ledger_totals(connection).await
}

/// The EANs of this round: few enough, and none beyond the last page key read, whose page may not be the right one.
fn within_reach<'e>(index: &[Ean], is_whole: bool, eans: &'e [Ean]) -> &'e [Ean] {
    let eans = &eans[..eans.len().min(EANS_PER_TRANSACTION)];
    match index.last() {
        Some(last) if !is_whole => &eans[..eans.partition_point(|ean| ean < last)],
        _ => eans,
    }
}

/// An empty ledger's first entries.
fn first_page(
    eans: &[Ean],
    change: &mut impl FnMut(Ean, Option<Entry>) -> Option<Entry>,
) -> Result<Vec<Rewrite>, StoreError> {
    Ok(vec![Rewrite { page: 0, is_last: true, before: Vec::new(), after: merge(&[], eans, change)? }])
}

fn rewrite(
    pages: &[StoredPage],
    shares: &[Share],
    last_page: Option<usize>,
    eans: &[Ean],
    change: &mut impl FnMut(Ean, Option<Entry>) -> Option<Entry>,
) -> Result<Vec<Rewrite>, StoreError> {
    if pages.len() != shares.len() {
        return Err(StoreError::Corrupt("a ledger page vanished while it was being changed".to_owned()));
    }
    let mut rewrites = Vec::with_capacity(pages.len());
    for (page, share) in pages.iter().zip(shares) {
        let mut before = Vec::new();
        decode(page, None, &mut before)?;
        let after = merge(&before, &eans[share.from..share.to], change)?;
        rewrites.push(Rewrite { page: share.page, is_last: Some(share.page) == last_page, before, after });
    }
    Ok(rewrites)
}

/// `before` with the answers of `change` for `eans` put in; both sorted.
fn merge(
    before: &[Entry],
    eans: &[Ean],
    change: &mut impl FnMut(Ean, Option<Entry>) -> Option<Entry>,
) -> Result<Vec<Entry>, StoreError> {
    let mut after = Vec::with_capacity(before.len() + eans.len());
    let mut rest = before;
    for ean in eans {
        let kept = rest.partition_point(|entry| entry.ean < *ean);
        after.extend_from_slice(&rest[..kept]);
        rest = &rest[kept..];
        let present = rest.first().copied().filter(|entry| entry.ean == *ean);
        rest = &rest[usize::from(present.is_some())..];
        match change(*ean, present) {
            Some(entry) if entry.ean != *ean => {
                return Err(StoreError::Invalid(format!("the entry of {} in place of that of {ean}", entry.ean)));
            }
            answer => after.extend(answer),
        }
    }
    after.extend_from_slice(rest);
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ledger::samples::ean;

    #[test]
    fn eans_beyond_the_page_keys_that_were_read_wait_for_the_next_round() {
        let index = [ean(10), ean(20)];
        let eans = [ean(5), ean(15), ean(20), ean(99)];
        assert_eq!(within_reach(&index, false, &eans), &eans[..2]);
        assert_eq!(within_reach(&index, true, &eans), &eans);
        assert_eq!(within_reach(&[], true, &eans), &eans);
    }

    #[test]
    fn one_round_takes_a_bounded_number_of_eans() {
        let eans: Vec<Ean> = (0..EANS_PER_TRANSACTION as u64 + 1).map(ean).collect();
        assert_eq!(within_reach(&[], true, &eans).len(), EANS_PER_TRANSACTION);
    }
}
