//! Which pages a set of EANs concerns, and what those pages become.
//!
//! Pure. Invariant: from sorted, disjoint, non-empty pages come sorted, disjoint, non-empty pages of at most
//! [`PAGE_CAPACITY`] entries, and entries outside the concerned pages keep their place.

use passerelle_contract::Ean;

use super::codec::{PAGE_CAPACITY, encode};
use super::{Entry, StoredPage};
use crate::store::StoreError;

/// Two neighbours that fit one page together with this much room left are merged.
const MERGE_BELOW: usize = PAGE_CAPACITY * 3 / 4;

/// The EANs that one page takes: `eans[from..to]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// Place of the page in the index.
    pub(super) page: usize,
    /// First EAN.
    pub(super) from: usize,
    /// One behind the last EAN.
    pub(super) to: usize,
}

/// Deals sorted `eans` to pages by their first EANs: each to the last page that begins at or before it, those before every
/// page to the first page. At most `limit` pages; the EANs beyond are left for the next round.
pub(super) fn deal(index: &[Ean], eans: &[Ean], limit: usize) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    let mut from = 0;
    while from < eans.len() && shares.len() < limit && !index.is_empty() {
        let page = index.partition_point(|first| *first <= eans[from]).saturating_sub(1);
        let to = match index.get(page + 1) {
            Some(next) => from + eans[from..].partition_point(|ean| ean < next),
            None => eans.len(),
        };
        shares.push(Share { page, from, to });
        from = to;
    }
    shares
}

/// One concerned page: what it held and what it shall hold.
#[derive(Debug)]
pub(super) struct Rewrite {
    /// Place of the page in the index; neighbours there are neighbours in the ledger.
    pub(super) page: usize,
    /// Is it the ledger's last page, where a growing ledger is appended to?
    pub(super) is_last: bool,
    /// What it held.
    pub(super) before: Vec<Entry>,
    /// What it shall hold.
    pub(super) after: Vec<Entry>,
}

/// What to write.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Pages to remove, by first EAN; those that are written anew under the same EAN are not among them.
    pub(super) remove: Vec<Ean>,
    /// Pages to write.
    pub(super) pages: Vec<StoredPage>,
}

/// Turns rewrites, in page order, into pages: unchanged ones cost nothing, empty ones go, full ones are split, small
/// neighbours that were both touched are merged.
///
/// # Errors
/// [`StoreError::Invalid`] for an entry that has no encoding.
pub(super) fn settle(rewrites: Vec<Rewrite>) -> Result<Outcome, StoreError> {
    let mut outcome = Outcome::default();
    let mut run: Option<Rewrite> = None;
    for rewrite in rewrites.into_iter().filter(|rewrite| rewrite.before != rewrite.after) {
        outcome.remove.extend(rewrite.before.first().map(|entry| entry.ean));
        run = match run.take() {
            Some(mut run) if run.page + 1 == rewrite.page && run.after.len() + rewrite.after.len() <= MERGE_BELOW => {
                run.after.extend(rewrite.after);
                Some(Rewrite { page: rewrite.page, is_last: rewrite.is_last, ..run })
            }
            finished => {
                write_run(finished, &mut outcome.pages)?;
                Some(rewrite)
            }
        };
    }
    write_run(run, &mut outcome.pages)?;
    // Both are in EAN order.
    let written = &outcome.pages;
    outcome.remove.retain(|first| written.binary_search_by_key(first, |page| page.first).is_err());
    Ok(outcome)
}

fn write_run(run: Option<Rewrite>, pages: &mut Vec<StoredPage>) -> Result<(), StoreError> {
    let Some(run) = run else { return Ok(()) };
    let entries = run.after.as_slice();
    // What is appended fills pages to the brim, since nothing will come between; elsewhere halves leave room to grow.
    let appends = run.is_last && entries.last().map(|entry| entry.ean) > run.before.last().map(|entry| entry.ean);
    let size =
        if appends { PAGE_CAPACITY } else { entries.len().div_ceil(entries.len().div_ceil(PAGE_CAPACITY).max(1)) };
    for part in entries.chunks(size.max(1)) {
        pages.push(encode(part)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ledger::Acknowledged;
    use crate::store::ledger::samples::ean;

    fn entries(numbers: impl Iterator<Item = u64>) -> Vec<Entry> {
        numbers
            .map(|number| Entry { ean: ean(number), desired: None, acknowledged: Acknowledged::Never, refused: None })
            .collect()
    }

    #[test]
    fn eans_go_to_the_page_that_holds_their_place() {
        let index = [ean(10), ean(20), ean(30)];
        let eans = [ean(1), ean(10), ean(25), ean(26), ean(99)];
        let share = |page, from, to| Share { page, from, to };
        assert_eq!(deal(&index, &eans, 9), [share(0, 0, 2), share(1, 2, 4), share(2, 4, 5)]);
        assert_eq!(deal(&index, &eans, 1), [share(0, 0, 2)]);
        assert_eq!(deal(&[], &eans, 9), []);
    }

    #[test]
    fn a_full_page_in_the_middle_is_halved_and_the_last_one_is_appended_to() {
        let before = entries(0..PAGE_CAPACITY as u64);
        let after = entries(0..PAGE_CAPACITY as u64 + 2);
        let sizes = |is_last| -> Vec<u32> {
            let rewrite = Rewrite { page: 0, is_last, before: before.clone(), after: after.clone() };
            let outcome = settle(vec![rewrite]).unwrap();
            assert!(outcome.remove.is_empty());
            outcome.pages.iter().map(|page| page.count).collect()
        };
        assert_eq!(sizes(false), [257, 257]);
        assert_eq!(sizes(true), [512, 2]);
    }

    #[test]
    fn an_emptied_page_goes_and_small_neighbours_become_one() {
        let rewrite = |page, before: std::ops::Range<u64>, after: std::ops::Range<u64>| Rewrite {
            page,
            is_last: false,
            before: entries(before),
            after: entries(after),
        };
        let outcome = settle(vec![
            rewrite(0, 0..100, 0..50),
            rewrite(1, 100..200, 150..200),
            rewrite(2, 200..300, 300..300),
            rewrite(7, 700..800, 700..750),
            rewrite(8, 800..900, 800..900),
        ])
        .unwrap();
        let counts: Vec<u32> = outcome.pages.iter().map(|page| page.count).collect();
        assert_eq!(counts, [100, 50]);
        assert_eq!(outcome.remove, [ean(100), ean(200)]);
    }
}
