//! Allotments: what the gateway does for vendors that cannot sell for us.
//!
//! ```text
//! barcodes   lists of barcodes as venues write them, line by line. Pure
//! request    what a vendor states, checked. Pure
//! document   how the store keeps what was stated, and the facts that it becomes. Pure
//! source     shows from the store, or another source's shows with the pool's number of places
//! office     the box office that issues tickets from the store
//! teller     a box office of the vendor's own, listened to
//! ```
//!
//! [`serve`] puts it around an adapter: the rest of the gateway sees shows and a box office like any other's.
//!
//! Invariant: the seats given out here are those that a venue set aside, counted or by barcode, and never one more.

pub mod barcodes;
pub mod document;
mod office;
pub mod request;
mod source;
mod teller;

use std::sync::Arc;

use passerelle_contract::{
    Adapter, BoxOffice, EventKind, Issue, NoticeSink, Probe, PushIntake, Screening, Source, StockLine,
};

use crate::store::allotments::IssueTerms;
use crate::store::{Millis, Store};
use office::Office;
use source::Shows;
use teller::Teller;

/// Gives an adapter what it leaves to the gateway: shows that its vendor states, tickets that the gateway issues. Any other is
/// given back as it is.
#[must_use]
pub fn serve(
    inner: Arc<dyn Adapter>,
    connection: &str,
    store: &Arc<dyn Store>,
    now: fn() -> Millis,
) -> Arc<dyn Adapter> {
    let stated = inner.states_shows();
    let issues = inner.issues().filter(|_| inner.box_office().is_none());
    if !stated && issues.is_none() {
        return inner;
    }
    let terms = issues.map(|issue| IssueTerms { issue, stated });
    let place = Place { connection: connection.to_owned(), store: Arc::clone(store), now };
    let teller = Teller::of(&inner, &place).filter(|_| stated);
    Arc::new(Allotment {
        teller,
        shows: Shows { inner: Arc::clone(&inner), place: place.clone(), terms, stated },
        office: terms.map(|terms| Office { place, terms }),
        inner,
    })
}

/// Where things are kept.
#[derive(Clone)]
struct Place {
    connection: String,
    store: Arc<dyn Store>,
    now: fn() -> Millis,
}

struct Allotment {
    inner: Arc<dyn Adapter>,
    shows: Shows,
    office: Option<Office>,
    teller: Option<Teller>,
}

impl Adapter for Allotment {
    fn host(&self) -> Option<String> {
        self.inner.host()
    }

    fn stock(&self) -> Option<&dyn Source<StockLine>> {
        self.inner.stock()
    }

    fn push_intake(&self) -> Option<&dyn PushIntake> {
        self.inner.push_intake()
    }

    fn screenings(&self) -> Option<&dyn Source<Screening>> {
        self.shows.has_any().then_some(&self.shows as &dyn Source<Screening>)
    }

    fn box_office(&self) -> Option<&dyn BoxOffice> {
        match (&self.office, &self.teller) {
            (Some(office), _) => Some(office),
            (None, Some(teller)) => Some(teller),
            (None, None) => self.inner.box_office(),
        }
    }

    fn notices(&self) -> Option<&dyn NoticeSink> {
        self.inner.notices()
    }

    fn states_shows(&self) -> bool {
        self.inner.states_shows()
    }

    fn issues(&self) -> Option<Issue> {
        self.inner.issues()
    }

    fn duo(&self) -> bool {
        self.inner.duo()
    }

    fn kind(&self) -> EventKind {
        self.inner.kind()
    }

    fn probes(&self) -> Vec<Probe<'_>> {
        self.inner.probes()
    }

    fn probes_after(&self, from: Option<passerelle_contract::Cursor>) -> Vec<Probe<'_>> {
        self.inner.probes_after(from)
    }
}
