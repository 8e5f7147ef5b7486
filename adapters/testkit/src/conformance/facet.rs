//! What is pulled, whichever of the two facets it comes from, so that every question about passes is asked once.

use futures_util::StreamExt as _;
use passerelle_contract::{Adapter, AdapterError, Page, PageStream, Pull, Row, Screening, StockLine};

use super::Harness;

/// A facet that is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Facet {
    Stock,
    Screenings,
}

/// A fact of either facet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    Stock(StockLine),
    Screening(Screening),
}

/// A whole pass.
pub(super) type Pass = Vec<Page<Fact>>;

impl Facet {
    /// Those that the adapter has.
    pub(super) fn of(adapter: &dyn Adapter) -> impl Iterator<Item = Self> + use<> {
        let stock = adapter.stock().map(|_| Self::Stock);
        stock.into_iter().chain(adapter.screenings().map(|_| Self::Screenings))
    }

    /// Starts a pass.
    pub(super) fn pull(self, adapter: &dyn Adapter) -> Option<PageStream<'_, Fact>> {
        match self {
            Self::Stock => Some(as_facts(adapter.stock()?.pull(Pull::default()), Fact::Stock)),
            Self::Screenings => Some(as_facts(adapter.screenings()?.pull(Pull::default()), Fact::Screening)),
        }
    }
}

fn as_facts<T: 'static>(pass: PageStream<'_, T>, fact: fn(T) -> Fact) -> PageStream<'_, Fact> {
    Box::pin(pass.map(move |page| {
        let Page { rows, notes, skipped, end } = page?;
        let rows = rows.into_iter().map(|row| match row {
            Row::Good(good) => Row::Good(fact(good)),
            Row::Poison(error) => Row::Poison(error),
        });
        Ok(Page { rows: rows.collect(), notes, skipped, end })
    }))
}

/// Reads a whole pass, or its error, within the harness's patience.
pub(super) async fn read_pass(
    harness: &dyn Harness,
    adapter: &dyn Adapter,
    facet: Facet,
) -> Result<Result<Pass, AdapterError>, String> {
    let Some(mut pass) = facet.pull(adapter) else { return Ok(Ok(Vec::new())) };
    let mut pages = Vec::new();
    let reading = async {
        while let Some(page) = pass.next().await {
            pages.push(page?);
        }
        Ok(())
    };
    let patience = harness.patience();
    match tokio::time::timeout(patience, reading).await {
        Ok(Ok(())) => Ok(Ok(pages)),
        Ok(Err(error)) => Ok(Err(error)),
        Err(_) => Err(format!("the pass did not end within {patience:?}")),
    }
}

/// A pass that must be good.
pub(super) async fn read_good_pass(harness: &dyn Harness, adapter: &dyn Adapter, facet: Facet) -> Result<Pass, String> {
    read_pass(harness, adapter, facet).await?.map_err(|error| format!("a healthy vendor cannot be read: {error}"))
}

/// The rows of a pass.
pub(super) fn rows(pass: Pass) -> Vec<Row<Fact>> {
    pass.into_iter().flat_map(|page| page.rows).collect()
}
