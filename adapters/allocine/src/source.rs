//! A pass over the programme: one call, cut into pages.
//!
//! The vendor has no pages, no deltas and no numbers for showtimes. A showtime that is missing counts as gone after two complete
//! programmes; one that lists nothing at all says nothing.

use std::collections::HashSet;
use std::sync::Arc;

use passerelle_contract::{
    AdapterError, Class, Completeness, End, Expectations, Page, PageStream, Pull, Row, Screening, Source,
};
use passerelle_kit::lenient;
use passerelle_kit::pass::{pages, whole};

use crate::client::{Allocine, graph_failed, malformed, unknown_theater};
use crate::facts;
use crate::settings::Offer;
use crate::wire::{Listing, NoListing};

/// Films of a programme. A large cinema shows sixty.
const MOST_FILMS: usize = 5_000;
/// Rows of a programme: more than a month of thirty rooms.
const MOST_ROWS: usize = 50_000;

/// Showtimes of one cinema.
pub(crate) struct Programme {
    allocine: Arc<Allocine>,
    offer: Offer,
}

impl Programme {
    pub(crate) const fn new(allocine: Arc<Allocine>, offer: Offer) -> Self {
        Self { allocine, offer }
    }

    async fn read(&self) -> Result<Vec<Page<Screening>>, AdapterError> {
        let answer = self.allocine.programme().await?;
        let text = lenient::text(&answer.body).ok_or_else(|| malformed(&answer))?;
        let listing = Listing::read(text).map_err(|why| match why {
            NoListing::Malformed => malformed(&answer),
            NoListing::Failed => graph_failed(&answer),
            NoListing::NoTheater => unknown_theater(&answer),
        })?;
        if listing.edges.len() > MOST_FILMS {
            return Err(too_long());
        }
        let mut rows: Vec<Row<Screening>> = Vec::new();
        let mut seen: HashSet<String> = HashSet::new();
        for (edge, place) in listing.edges.iter().zip(1..) {
            // Two showtimes of one film in one version at one minute cannot be told apart: they are one.
            rows.extend(facts::rows(edge, place, self.offer).into_iter().filter(|row| match row {
                Row::Good(screening) => seen.insert(screening.showtime.key.clone()),
                Row::Poison(_) => true,
            }));
            if rows.len() > MOST_ROWS {
                return Err(too_long());
            }
        }
        Ok(pages(rows, end(&listing)))
    }
}

fn end(listing: &Listing<'_>) -> End {
    let doubt = if listing.with_errors {
        Some("the vendor's answer has errors beside its showtimes; nothing is withdrawn")
    } else if listing.edges.is_empty() {
        Some("the vendor lists no film for this theater; nothing is withdrawn")
    } else {
        None
    };
    let completeness = if doubt.is_some() { Completeness::Partial } else { Completeness::Snapshot };
    End {
        completeness,
        cursor: None,
        observed_at: None,
        fingerprint: None,
        warnings: doubt.into_iter().map(str::to_owned).collect(),
    }
}

fn too_long() -> AdapterError {
    let why = format!("a programme of more than {MOST_FILMS} films or {MOST_ROWS} showtimes; tell the vendor");
    AdapterError::new(Class::VendorFault, "TooManyRows", "list showtimes", why)
}

impl Source<Screening> for Programme {
    fn pull(&self, _ask: Pull) -> PageStream<'_, Screening> {
        whole(self.read())
    }

    fn expectations(&self) -> Expectations {
        Expectations { gone_after: 2, places_in_all: true, ..Expectations::default() }
    }
}
