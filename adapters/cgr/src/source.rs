//! A pass over showtimes: one question, one answer with all films.
//!
//! The vendor has no pages and no deltas, and says nothing of what it leaves out. A show that is missing counts as gone after two
//! passes.
//!
//! Invariant: whatever in the answer may hide a show (no list of films, no list of shows, a record without number) makes the
//! pass partial; an empty programme does too.

use std::collections::HashSet;
use std::sync::Arc;

use passerelle_contract::{
    AdapterError, Completeness, End, Expectations, Page, PageStream, Position, Pull, Row, Screening, Source,
};
use passerelle_kit::http::RetryBudget;
use passerelle_kit::pass::{pages, whole};
use serde_json::value::RawValue;

use crate::client::{ALL_FILMS, Cgr, For};
use crate::facts;
use crate::wire;

/// Showtimes of one cinema.
pub(crate) struct Shows {
    cgr: Arc<Cgr>,
}

impl Shows {
    pub(crate) const fn new(cgr: Arc<Cgr>) -> Self {
        Self { cgr }
    }

    /// Everything, in pages.
    async fn read(&self) -> Result<Vec<Page<Screening>>, AdapterError> {
        let budget = RetryBudget::default();
        let json = self.cgr.listing(ALL_FILMS, For::Pass(&budget)).await?;
        let (listing, warning) = self.cgr.films(&json)?;
        let mut read = Read { warnings: warning.into_iter().collect(), ..Read::default() };
        match listing.films {
            Some(films) => films.iter().for_each(|film| read.film(film)),
            None => read.doubt("the vendor lists no films, not even none".to_owned()),
        }
        if read.rows.is_empty() {
            read.doubt("the vendor lists no shows at all; nothing is withdrawn".to_owned());
        }
        Ok(read.pages())
    }
}

/// What was read so far.
#[derive(Default)]
struct Read {
    rows: Vec<Row<Screening>>,
    seen: HashSet<String>,
    entry: u32,
    partial: bool,
    warnings: Vec<String>,
    /// Films and shows that hide which shows there are.
    hidden: u32,
}

impl Read {
    fn film(&mut self, raw: &RawValue) {
        let film = serde_json::from_str::<wire::Film<'_>>(raw.get()).ok();
        let Some(shows) = film.as_ref().and_then(wire::Film::shows) else {
            let at = self.next();
            self.hidden += 1;
            let (what, what_fr) = ("a film without a list of shows", "film sans liste de séances");
            self.rows.push(Row::Poison(Box::new(facts::odd(at, None, what, what_fr))));
            return;
        };
        let known = film.as_ref().and_then(facts::film).map(Arc::new);
        for show in shows {
            let at = self.next();
            let row = match facts::key_of(show) {
                Some(key) if !self.seen.insert(key.clone()) => Row::Poison(Box::new(facts::double(at, &key))),
                key => {
                    self.hidden += u32::from(key.is_none());
                    facts::row(show, known.as_ref(), at)
                }
            };
            self.rows.push(row);
        }
    }

    /// Shows are counted through all films.
    fn next(&mut self) -> Position {
        self.entry = self.entry.saturating_add(1);
        Position::Entry { page: 1, entry: self.entry }
    }

    fn doubt(&mut self, why: String) {
        self.partial = true;
        self.warnings.push(why);
    }

    fn pages(mut self) -> Vec<Page<Screening>> {
        if self.hidden > 0 {
            let why = format!("{} record(s) do not tell which shows there are; nothing is withdrawn", self.hidden);
            self.doubt(why);
        }
        let completeness = if self.partial { Completeness::Partial } else { Completeness::Snapshot };
        let end = End { completeness, cursor: None, observed_at: None, fingerprint: None, warnings: self.warnings };
        pages(self.rows, end)
    }
}

impl Source<Screening> for Shows {
    fn pull(&self, _ask: Pull) -> PageStream<'_, Screening> {
        whole(self.read())
    }

    fn expectations(&self) -> Expectations {
        Expectations { gone_after: 2, ..Expectations::default() }
    }
}
