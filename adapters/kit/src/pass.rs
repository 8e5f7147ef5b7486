//! Passes of vendors without pages: what came in one go is cut into pages here.
//!
//! Invariant: the end stands on the last page alone, and there is always a last page.

use std::future::Future;

use futures_util::{StreamExt as _, stream};
use passerelle_contract::{AdapterError, End, Page, PageStream, Row};

/// Rows of one page: half of what the contract allows.
const PAGE_ROWS: usize = 5_000;

/// Rows as pages, without notes.
pub fn pages<T>(rows: impl IntoIterator<Item = Row<T>>, end: End) -> Vec<Page<T>> {
    let mut pages: Vec<Page<T>> = Vec::new();
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        pages.push(Page { rows: rows.by_ref().take(PAGE_ROWS).collect(), notes: Vec::new(), skipped: 0, end: None });
    }
    match pages.last_mut() {
        Some(last) => last.end = Some(end),
        None => pages.push(Page { rows: Vec::new(), notes: Vec::new(), skipped: 0, end: Some(end) }),
    }
    pages
}

/// A pass that is read whole before its first page is given. Dropping it stops the reading.
pub fn whole<'a, T: Send + 'a>(
    read: impl Future<Output = Result<Vec<Page<T>>, AdapterError>> + Send + 'a,
) -> PageStream<'a, T> {
    let pages = stream::once(read).flat_map(|read| match read {
        Ok(pages) => stream::iter(pages.into_iter().map(Ok).collect::<Vec<_>>()),
        Err(error) => stream::iter(vec![Err(error)]),
    });
    Box::pin(pages)
}

#[cfg(test)]
mod tests {
    use passerelle_contract::{Completeness, Position};

    use super::*;

    fn end() -> End {
        End {
            completeness: Completeness::Snapshot,
            cursor: None,
            observed_at: None,
            fingerprint: None,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn the_end_is_on_the_last_page_alone() {
        let at = Position::Line(1);
        for (rows, expected) in [(0, vec![0]), (1, vec![1]), (5_000, vec![5_000]), (10_001, vec![5_000, 5_000, 1])] {
            let pages = pages((0..rows).map(|_| Row::Good(at)), end());
            assert_eq!(pages.iter().map(|page| page.rows.len()).collect::<Vec<_>>(), expected);
            let ends: Vec<bool> = pages.iter().map(|page| page.end.is_some()).collect();
            assert!(ends.iter().rev().skip(1).all(|end| !end) && ends.last() == Some(&true));
        }
    }

    #[tokio::test]
    async fn a_pass_that_cannot_be_read_is_one_error() {
        let failed = async {
            Err::<Vec<Page<Position>>, _>(AdapterError::new(
                passerelle_contract::Class::Transient,
                "Down",
                "read",
                "503",
            ))
        };
        let given: Vec<_> = whole(failed).collect().await;
        assert_eq!(given.len(), 1);
        assert!(given[0].is_err());
        let given: Vec<_> = whole(async { Ok(pages([Row::Good(Position::Line(1))], end())) }).collect().await;
        assert_eq!(given.len(), 1);
    }
}
