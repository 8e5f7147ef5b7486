//! Shows of a vendor that the gateway issues tickets for.
//!
//! Invariant: what its vendor states is told whole in every pass, so that only time and the vendor remove a show.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt;
use passerelle_contract::{
    Adapter, AdapterError, Class, Completeness, End, Expectations, Page, PageStream, Pull, Quantity, Row, Screening,
    Source,
};
use passerelle_kit::pass::{pages, whole};

use super::Place;
use super::document::{fewer, screenings};
use crate::store::StoreError;
use crate::store::allotments::IssueTerms;

/// Keys of shows with barcodes begin with this: pass Culture cannot turn an offer without tickets into one with them, so that a
/// venue that begins to import barcodes gets offers of their own.
const POOLED: &str = "pool-";

/// Shows from the store, or another source's with the pool's number of places.
pub(super) struct Shows {
    pub(super) inner: Arc<dyn Adapter>,
    pub(super) place: Place,
    /// `None` where the vendor sells by itself.
    pub(super) terms: Option<IssueTerms>,
    pub(super) stated: bool,
}

impl Shows {
    pub(super) fn has_any(&self) -> bool {
        self.stated || self.inner.screenings().is_some()
    }

    async fn read(&self) -> Result<Vec<Page<Screening>>, AdapterError> {
        let Place { connection, store, now } = &self.place;
        let now = now();
        // Before the shows: what is issued in between moves the date's own row, which the pass leaves alone.
        let pool = match self.terms {
            Some(_) => store.pool(connection, None).await.map_err(|error| unread(&error))?,
            None => Vec::new(),
        };
        let (events, stocks) = store.stated_shows(connection, now).await.map_err(|error| unread(&error))?;
        let rows = screenings(&events, &stocks, &pool, self.terms, &self.inner.kind(), now);
        let end = End {
            completeness: Completeness::Snapshot,
            cursor: None,
            observed_at: None,
            fingerprint: None,
            warnings: Vec::new(),
        };
        Ok(pages(rows, end))
    }

    /// Free barcodes by stock.
    async fn free(&self) -> Result<HashMap<String, u32>, AdapterError> {
        let pool = self.place.store.pool(&self.place.connection, None).await.map_err(|error| unread(&error))?;
        Ok(pool.into_iter().map(|count| (count.stock, count.free)).collect())
    }
}

fn unread(error: &StoreError) -> AdapterError {
    AdapterError::new(Class::Transient, error.code(), "read what was stated", error.to_string())
}

/// Another source's page, with as many places as there are barcodes.
fn pooled(mut page: Page<Screening>, free: &HashMap<String, u32>, in_all: bool) -> Page<Screening> {
    for row in &mut page.rows {
        let Row::Good(screening) = row else { continue };
        let film = Arc::make_mut(&mut screening.film);
        film.key = format!("{POOLED}{}", film.key);
        for places in &mut screening.showtime.places {
            let barcodes = free.get(&places.key).copied().unwrap_or(0);
            // Places in all say nothing of what is left, and barcodes that were set aside are good when the rest is sold out.
            places.remaining = if in_all { Quantity::Exactly(barcodes) } else { fewer(places.remaining, barcodes) };
        }
    }
    page
}

impl Source<Screening> for Shows {
    fn pull(&self, ask: Pull) -> PageStream<'_, Screening> {
        if self.stated {
            return whole(self.read());
        }
        let Some(source) = self.inner.screenings() else { return Box::pin(futures_util::stream::empty()) };
        let in_all = source.expectations().places_in_all;
        let pages = futures_util::stream::once(self.free()).flat_map(move |free| -> PageStream<'_, Screening> {
            match free {
                Ok(free) => {
                    let pages = source.pull(ask.clone());
                    Box::pin(pages.map(move |page| page.map(|page| pooled(page, &free, in_all))))
                }
                Err(error) => Box::pin(futures_util::stream::iter([Err(error)])),
            }
        });
        Box::pin(pages)
    }

    fn expectations(&self) -> Expectations {
        match self.inner.screenings() {
            Some(source) if !self.stated => Expectations { places_in_all: false, ..source.expectations() },
            _ => Expectations::default(),
        }
    }
}
