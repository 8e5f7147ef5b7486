//! A pass: the list of events, then sessions and tariffs of each that the settings name.
//!
//! Events are named one by one because vouchers and subscriptions are events too. One event that cannot be read leaves the others
//! alone and makes the pass partial. A show that is missing counts as gone after two passes.
//!
//! Invariant: one call at a time and so few a minute that bookings, which share the account's budget, find some left.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::DateTime;
use passerelle_contract::{
    AdapterError, Class, Completeness, End, Expectations, Page, PageStream, Position, Pull, Row, Screening, Source,
};
use passerelle_kit::http::RetryBudget;
use passerelle_kit::json::Object;
use passerelle_kit::pass::{pages, whole};
use passerelle_kit::records::record;

use crate::client::{Billetweb, For};
use crate::facts::{self, Price, Session};
use crate::wire::{entries, id};

/// Rows of a pass at most.
const MOST_ROWS: usize = 50_000;
/// Calls of a pass that follow each other quickly.
const QUICK_CALLS: u32 = 20;
/// Time between those.
const QUICK: Duration = Duration::from_millis(250);
/// Time between all others: with the quick ones eighty calls in the first minute, of a hundred that the account has.
const SLOW: Duration = Duration::from_secs(1);

/// Shows of the events of a connection.
pub(crate) struct Shows {
    billetweb: Arc<Billetweb>,
}

/// One pass under way.
struct Pass<'a> {
    billetweb: &'a Billetweb,
    budget: RetryBudget,
    calls: u32,
    now: DateTime,
    rows: Vec<Row<Screening>>,
    warnings: Vec<String>,
    partial: bool,
    /// The event's place in the settings, and the entry in it.
    event: u32,
    entry: u32,
}

impl Shows {
    pub(crate) const fn new(billetweb: Arc<Billetweb>) -> Self {
        Self { billetweb }
    }

    async fn read(&self) -> Result<Vec<Page<Screening>>, AdapterError> {
        let mut pass = Pass {
            billetweb: &self.billetweb,
            budget: RetryBudget::default(),
            calls: 0,
            now: facts::now(),
            rows: Vec::new(),
            warnings: Vec::new(),
            partial: false,
            event: 0,
            entry: 0,
        };
        let list = self.billetweb.events(For::Pass(&pass.budget)).await?;
        let listed: Vec<Object<'_>> = entries(&list).into_iter().filter_map(record).collect();
        for key in &self.billetweb.settings().events {
            pass.event = pass.event.saturating_add(1);
            pass.entry = 0;
            match find(&listed, key) {
                Some(event) => pass.read_event(key, event).await?,
                None => pass.warnings.push(format!(
                    "event {key} is not among the vendor's events on line (over, closed, or not open to this key); \
                     its shows are gone if that lasts"
                )),
            }
            if pass.rows.len() > MOST_ROWS {
                let why = format!("more than {MOST_ROWS} shows and tariffs; name fewer events");
                return Err(AdapterError::new(Class::VendorFault, "TooManyRows", "list sessions", why));
            }
        }
        Ok(pass.pages())
    }
}

/// The event with this id.
pub(crate) fn find<'a, 'o>(listed: &'o [Object<'a>], key: &str) -> Option<&'o Object<'a>> {
    listed.iter().find(|event| id(event, "id").as_deref() == Some(key))
}

impl Pass<'_> {
    /// All rows of one event. Only trouble that others will have too ends the pass.
    async fn read_event(&mut self, key: &str, event: &Object<'_>) -> Result<(), AdapterError> {
        let before = self.rows.len();
        match self.sessions_of(key, event).await {
            Ok(()) => Ok(()),
            Err(error) if matches!(error.class, Class::Auth | Class::RateLimited | Class::Transient) => Err(error),
            Err(error) => {
                self.rows.truncate(before);
                let row = facts::poison(self.next(), Some(key.to_owned()), facts::unreadable_event());
                self.rows.push(row);
                self.doubt(format!("event {key} cannot be read, and nothing is withdrawn: {error}"));
                Ok(())
            }
        }
    }

    async fn sessions_of(&mut self, key: &str, event: &Object<'_>) -> Result<(), AdapterError> {
        let Some(film) = facts::film(event).map(Arc::new) else {
            let row = facts::poison(self.next(), Some(key.to_owned()), facts::unreadable_event());
            self.rows.push(row);
            return Ok(());
        };
        self.pause().await;
        let tariffs = self.billetweb.tariffs(key, For::Pass(&self.budget)).await?;
        let tariffs = self.tariffs(key, &tariffs);
        if !facts::has_sessions(event) {
            self.show(key, Some(facts::ONLY_SESSION), facts::only_session(event), &film, &tariffs);
            return Ok(());
        }
        self.pause().await;
        let sessions = self.billetweb.sessions(key, For::Pass(&self.budget)).await?;
        let mut seen = HashSet::new();
        for raw in entries(&sessions) {
            let (id, session) = facts::session(raw);
            if id.as_ref().is_none_or(|id| seen.insert(id.clone())) {
                self.show(key, id.as_deref(), session, &film, &tariffs);
            }
        }
        Ok(())
    }

    /// The tariffs that can be read; the others stay behind as rows of their own.
    fn tariffs(&mut self, key: &str, list: &str) -> Vec<Price> {
        let mut good: Vec<Price> = Vec::new();
        for raw in entries(list) {
            match facts::tariff(raw) {
                (_, Ok(price)) if good.iter().any(|known| known.id == price.id) => {}
                (_, Ok(price)) => good.push(price),
                (id, Err(odd)) => {
                    let named = id.map(|id| format!("{key} tariff {id}"));
                    let row = facts::poison(self.next(), named, odd);
                    self.rows.push(row);
                }
            }
        }
        good
    }

    fn show(
        &mut self,
        key: &str,
        id: Option<&str>,
        session: Result<Session<'_>, facts::Odd>,
        film: &Arc<passerelle_contract::Film>,
        tariffs: &[Price],
    ) {
        let at = self.next();
        self.rows.push(match session {
            Ok(session) => session.row(film, tariffs, at, self.now),
            Err(odd) => facts::poison(at, id.map(|id| facts::show_key(key, id)), odd),
        });
    }

    fn next(&mut self) -> Position {
        self.entry = self.entry.saturating_add(1);
        Position::Entry { page: self.event, entry: self.entry }
    }

    fn doubt(&mut self, why: String) {
        self.partial = true;
        self.warnings.push(why);
    }

    async fn pause(&mut self) {
        self.calls = self.calls.saturating_add(1);
        tokio::time::sleep(if self.calls < QUICK_CALLS { QUICK } else { SLOW }).await;
    }

    fn pages(mut self) -> Vec<Page<Screening>> {
        if self.rows.is_empty() {
            self.doubt("none of the events has a show; nothing is withdrawn; check events".to_owned());
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
        Expectations { gone_after: 2, ..Expectations::default() }
    }
}
