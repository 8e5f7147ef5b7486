//! A pass: events, then the tariffs of all and the dates of those that have several, in one call each.
//!
//! A date that is missing counts as gone after two passes.
//!
//! Invariant: an event that the vendor should have told more of makes the pass partial, which withdraws nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use passerelle_contract::{
    AdapterError, Class, Completeness, End, Expectations, Film, Page, PageStream, Position, Pull, Row, Screening,
    Source,
};
use passerelle_kit::http::RetryBudget;
use passerelle_kit::json::Object;
use passerelle_kit::pass::{pages, whole};
use passerelle_kit::records::record;
use serde_json::value::RawValue;

use crate::client::{For, Weezevent};
use crate::facts::{self, Price};
use crate::wire::{answer, id, tariffs};

/// Rows of a pass at most.
const MOST_ROWS: usize = 50_000;

/// Dates of the events of a connection.
pub(crate) struct Shows {
    weezevent: Arc<Weezevent>,
}

/// What was read so far.
struct Read {
    rows: Vec<Row<Screening>>,
    warnings: Vec<String>,
    partial: bool,
    quantity: Option<u32>,
    now: jiff::civil::DateTime,
    event: u32,
    entry: u32,
}

impl Shows {
    pub(crate) const fn new(weezevent: Arc<Weezevent>) -> Self {
        Self { weezevent }
    }

    async fn read(&self) -> Result<Vec<Page<Screening>>, AdapterError> {
        let settings = self.weezevent.settings();
        let budget = RetryBudget::default();
        let who = For::Pass(&budget);
        let list = self.weezevent.events(who).await?;
        let listed = by_id(&list, "events", "id");
        let (there, missing): (Vec<&str>, Vec<&str>) =
            settings.events.iter().map(String::as_str).partition(|event| listed.contains_key(*event));
        let several: Vec<&str> = there.iter().copied().filter(|event| has_dates(&listed, event)).collect();
        // An address that names no event would ask for all of them.
        let tariff_list = if there.is_empty() { String::new() } else { self.weezevent.tariffs(&there, who).await? };
        let date_list = if several.is_empty() { String::new() } else { self.weezevent.dates(&several, who).await? };
        let prices = by_id(&tariff_list, "events", "id");
        let dates = by_id(&date_list, "dates", "id_event");

        let mut read = Read {
            rows: Vec::new(),
            warnings: Vec::new(),
            partial: false,
            quantity: settings.quantity,
            now: facts::now(),
            event: 0,
            entry: 0,
        };
        for event in missing {
            read.warnings.push(format!(
                "event {event} is not among the account's events (over, closed or not published); its dates are gone if \
                 that lasts"
            ));
        }
        for key in there {
            read.event(key, of(&listed, key), of(&prices, key), of(&dates, key));
            if read.rows.len() > MOST_ROWS {
                let why = format!("more than {MOST_ROWS} dates and tariffs; name fewer events");
                return Err(AdapterError::new(Class::VendorFault, "TooManyRows", "list dates", why));
            }
        }
        Ok(read.pages())
    }
}

/// Records of an answer by the event that they are of.
type Told<'a> = HashMap<String, Vec<&'a RawValue>>;

fn by_id<'a>(body: &'a str, name: &str, key: &str) -> Told<'a> {
    let mut told: Told<'a> = HashMap::new();
    for raw in answer(body, name).unwrap_or_default() {
        if let Some(event) = record(raw).and_then(|record| id(&record, key)) {
            told.entry(event).or_default().push(raw);
        }
    }
    told
}

fn of<'a, 't>(told: &'t Told<'a>, event: &str) -> &'t [&'a RawValue] {
    told.get(event).map(Vec::as_slice).unwrap_or_default()
}

fn has_dates(listed: &Told<'_>, event: &str) -> bool {
    of(listed, event).first().and_then(|raw| record(raw)).is_some_and(|event| facts::has_dates(&event))
}

impl Read {
    /// All rows of one event.
    fn event(&mut self, key: &str, listed: &[&RawValue], prices: &[&RawValue], dates: &[&RawValue]) {
        self.event = self.event.saturating_add(1);
        self.entry = 0;
        let event: Object<'_> = listed.first().and_then(|raw| record(raw)).unwrap_or_default();
        let Some(film) = facts::film(&event).map(Arc::new) else {
            return self.leave(Some(key.to_owned()), facts::nameless());
        };
        let prices = self.prices(key, prices);
        if !facts::has_dates(&event) {
            let (key, date) = facts::only_date(&event, &film);
            return self.show(Some(key), date, &film, &prices);
        }
        if dates.is_empty() {
            self.doubt(format!("the vendor tells no date of event {key}, which has several; nothing is withdrawn"));
        }
        let mut seen = HashSet::new();
        for raw in dates {
            let (key, date) = facts::date(&record(raw).unwrap_or_default(), &film);
            if key.as_ref().is_none_or(|key| seen.insert(key.clone())) {
                self.show(key, date, &film, &prices);
            }
        }
    }

    /// The tariffs that can be read; the others stay behind as rows of their own.
    fn prices(&mut self, key: &str, told: &[&RawValue]) -> Vec<Price> {
        if told.is_empty() {
            self.doubt(format!("the vendor tells no tariff of event {key}; nothing is withdrawn"));
        }
        let mut good: Vec<Price> = Vec::new();
        for raw in told.iter().filter_map(|raw| record(raw)).flat_map(|event| tariffs(&event)) {
            match facts::tariff(raw) {
                (_, Ok(price)) if good.iter().any(|known| known.id == price.id) => {}
                (_, Ok(price)) => good.push(price),
                (id, Err(odd)) => self.leave(id.map(|id| format!("{key} tariff {id}")), odd),
            }
        }
        good
    }

    fn show(&mut self, key: Option<String>, date: Result<facts::Date, facts::Odd>, film: &Arc<Film>, prices: &[Price]) {
        match date {
            Ok(date) => {
                let at = self.next();
                self.rows.push(date.row(film, prices, self.quantity, at, self.now));
            }
            Err(odd) => self.leave(key, odd),
        }
    }

    fn leave(&mut self, key: Option<String>, odd: facts::Odd) {
        let row = facts::poison(self.next(), key, odd);
        self.rows.push(row);
    }

    fn next(&mut self) -> Position {
        self.entry = self.entry.saturating_add(1);
        Position::Entry { page: self.event, entry: self.entry }
    }

    fn doubt(&mut self, why: String) {
        self.partial = true;
        self.warnings.push(why);
    }

    fn pages(mut self) -> Vec<Page<Screening>> {
        if self.rows.is_empty() {
            self.doubt("none of the events has a date; nothing is withdrawn; check events".to_owned());
        }
        let completeness = if self.partial { Completeness::Partial } else { Completeness::Snapshot };
        pages(
            self.rows,
            End { completeness, cursor: None, observed_at: None, fingerprint: None, warnings: self.warnings },
        )
    }
}

impl Source<Screening> for Shows {
    fn pull(&self, _ask: Pull) -> PageStream<'_, Screening> {
        whole(self.read())
    }

    fn expectations(&self) -> Expectations {
        // Nothing is sold here: neither the settings nor the vendor's counts know what pass Culture gave away.
        Expectations { gone_after: 2, places_in_all: true, ..Expectations::default() }
    }
}
