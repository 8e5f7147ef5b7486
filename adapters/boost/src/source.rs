//! A pass over showtimes: the attributes, then all pages, then the shows that the list does not have.
//!
//! The list hides full shows. A show that the gateway knows and the list lacks is asked for by its number: only one that the
//! server does not have is left out of the pass. Those questions have a limit for each pass; while some are open the pass is
//! partial and withdraws nothing.
//!
//! Invariant: a pass that broke off, or that could not ask for every missing show, is never a snapshot.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::stream;
use jiff::civil::Date;
use passerelle_contract::{
    AdapterError, Class, Completeness, DataError, DataProblem, End, Expectations, Page, PageStream, Position, Pull,
    Quantity, Row, Screening, Severity, Source,
};
use passerelle_kit::http::RetryBudget;
use passerelle_kit::lenient;

use crate::client::{Boost, For, Sentence, message, read, refused, sentence};
use crate::facts::{self, Here};
use crate::wire;

/// Shows asked for in one call; servers cap at 200.
const PER_PAGE: u32 = 100;
/// Pages of one pass at most: servers were seen that never say that they are at the end.
const MAX_PAGES: u32 = 200;
/// Shows asked for one by one in one pass.
const MAX_ASKED: usize = 50;
/// Prices asked for show by show in one pass, at servers whose lists have none.
const MAX_PRICES_ASKED: usize = 1_000;
/// That a hidden show is full holds so long: when it has places again the list has it again.
const REMEMBERED: Duration = Duration::from_secs(2 * 3600);
/// Hidden shows remembered at most.
const MAX_REMEMBERED: usize = 10_000;

/// Showtimes of one cinema.
pub(crate) struct Shows {
    boost: Arc<Boost>,
    /// Full shows, which the list hides, as last asked for.
    hidden: Mutex<HashMap<String, (Instant, Screening)>>,
}

impl Shows {
    pub(crate) fn new(boost: Arc<Boost>) -> Self {
        Self { boost, hidden: Mutex::default() }
    }
}

/// Where a pass stands.
struct Pass<'a> {
    shows: &'a Shows,
    budget: RetryBudget,
    from: Date,
    to: Date,
    known: Vec<String>,
    ice: Option<i64>,
    seen: HashSet<String>,
    next: u32,
    asked: usize,
    prices_asked: usize,
    step: Step,
}

enum Step {
    Attributes,
    List,
    Hidden,
    Over,
}

impl Source<Screening> for Shows {
    fn pull(&self, ask: Pull) -> PageStream<'_, Screening> {
        // The cinema's own calendar: what is today in Paris may be yesterday in Nouméa, where a day more is asked for.
        let today = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now()).date();
        let days = i64::from(self.boost.settings().horizon_days);
        let pass = Pass {
            shows: self,
            budget: RetryBudget::default(),
            from: today.yesterday().unwrap_or(today),
            to: today.saturating_add(jiff::Span::new().days(days)),
            known: ask.known,
            ice: None,
            seen: HashSet::new(),
            next: 1,
            asked: 0,
            prices_asked: 0,
            step: Step::Attributes,
        };
        Box::pin(stream::unfold(pass, |mut pass| async move {
            if matches!(pass.step, Step::Over) {
                return None;
            }
            let page = pass.advance().await;
            if page.is_err() {
                pass.step = Step::Over;
            }
            Some((page, pass))
        }))
    }

    fn expectations(&self) -> Expectations {
        Expectations::default()
    }
}

impl Pass<'_> {
    async fn advance(&mut self) -> Result<Page<Screening>, AdapterError> {
        match self.step {
            Step::Attributes => {
                self.ice = self.attributes().await?;
                self.step = Step::List;
                self.list().await
            }
            Step::List => self.list().await,
            Step::Hidden | Step::Over => self.hidden().await,
        }
    }

    /// The number of the attribute that says ICE, if the cinema has it.
    async fn attributes(&self) -> Result<Option<i64>, AdapterError> {
        const OPERATION: &str = "list the attributes";
        let boost = &self.shows.boost;
        let answer = boost.get(OPERATION, boost.at("api/cinemas/attributs"), For::Pass(&self.budget)).await?;
        let list: wire::List<'_> = read(&answer, OPERATION)?;
        let attributes = list.data.iter().filter_map(|raw| serde_json::from_str::<wire::Attribute<'_>>(raw.get()).ok());
        let ice = |attribute: &wire::Attribute<'_>| {
            attribute.title.trimmed().is_some_and(|title| title.eq_ignore_ascii_case(facts::ICE_TITLE))
        };
        Ok(attributes.into_iter().find(ice).and_then(|attribute| attribute.id.0))
    }

    async fn list(&mut self) -> Result<Page<Screening>, AdapterError> {
        const OPERATION: &str = "list showtimes";
        let boost = &self.shows.boost;
        let number = self.next;
        let url = boost.shows_page(self.from, self.to, number, PER_PAGE);
        let answer = boost.get(OPERATION, url, For::Pass(&self.budget)).await?;
        let list: wire::List<'_> = read(&answer, OPERATION)?;
        let mut rows = Vec::with_capacity(list.data.len());
        let mut fresh = false;
        for (raw, entry) in list.data.iter().zip(1..) {
            let at = Position::Entry { page: number, entry };
            let Ok(show) = serde_json::from_str::<wire::Show<'_>>(raw.get()) else {
                rows.push(odd_record(at));
                continue;
            };
            let key = show.id.0.map(|id| id.to_string());
            // A show may move to another page while pages are read.
            if let Some(key) = &key
                && !self.seen.insert(key.clone())
            {
                continue;
            }
            fresh = true;
            let row = match (&show.showtime_pricing, key) {
                // An old server tells prices only of one show at a time.
                (None, Some(key)) => {
                    self.prices_asked += 1;
                    if self.prices_asked > MAX_PRICES_ASKED {
                        let why = format!(
                            "the server lists no prices and has more than {MAX_PRICES_ASKED} shows; a smaller horizon_days gives fewer"
                        );
                        return Err(AdapterError::new(Class::VendorFault, "TooManyShows", OPERATION, why));
                    }
                    self.ask(&key, at).await?.unwrap_or_else(|| facts::row(&show, self.here(), at))
                }
                _ => facts::row(&show, self.here(), at),
            };
            rows.push(row);
        }
        let last = |of: lenient::Int| of.0.is_some_and(|of| i64::from(number) >= of);
        let over = list.data.is_empty() || !fresh || last(list.total_pages) || last(list.next_page);
        if !over && number >= MAX_PAGES {
            let why = format!("the list has more than {MAX_PAGES} pages; a smaller horizon_days gives fewer");
            return Err(AdapterError::new(Class::VendorFault, "TooManyPages", OPERATION, why));
        }
        self.next = number + 1;
        if over {
            self.step = Step::Hidden;
        }
        Ok(Page { rows, notes: Vec::new(), skipped: 0, end: None })
    }

    /// The last page: shows that are known and not in the list.
    async fn hidden(&mut self) -> Result<Page<Screening>, AdapterError> {
        self.step = Step::Over;
        let missing: Vec<String> = self.known.iter().filter(|key| !self.seen.contains(*key)).cloned().collect();
        let mut rows = Vec::new();
        let mut open = 0_usize;
        for (key, entry) in missing.iter().zip(1..) {
            let at = Position::Entry { page: self.next, entry };
            match self.remembered(key) {
                Some(screening) => rows.push(Row::Good(screening)),
                None if self.asked < MAX_ASKED => {
                    self.asked += 1;
                    let row = self.ask(key, at).await?;
                    if let Some(Row::Good(screening)) = &row {
                        self.remember(key, screening);
                    }
                    rows.extend(row);
                }
                None => open += 1,
            }
        }
        let mut warnings = Vec::new();
        let completeness = if open == 0 { Completeness::Snapshot } else { Completeness::Partial };
        if open > 0 {
            warnings.push(format!(
                "{open} shows that are not in the list were not asked for in this pass; nothing is withdrawn until all were"
            ));
        }
        let end = End { completeness, cursor: None, observed_at: None, fingerprint: None, warnings };
        Ok(Page { rows, notes: Vec::new(), skipped: 0, end: Some(end) })
    }

    /// One show by its number; `None` when the server has none.
    async fn ask(&self, key: &str, at: Position) -> Result<Option<Row<Screening>>, AdapterError> {
        const OPERATION: &str = "read a showtime";
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(None);
        }
        let boost = &self.shows.boost;
        let url = boost.at(&format!("api/showtimes/{key}"));
        let answer = boost.get(OPERATION, url, For::Pass(&self.budget)).await?;
        if answer.status == 400 && message(&answer).is_some_and(|message| sentence(400, &message) == Sentence::NoShow) {
            return Ok(None);
        }
        if answer.status >= 300 {
            return Err(refused(&answer, OPERATION));
        }
        let one: wire::One<'_> = read(&answer, OPERATION)?;
        Ok(Some(match serde_json::from_str::<wire::Show<'_>>(one.data.get()) {
            Ok(show) => facts::row(&show, self.here(), at),
            Err(_) => odd_record(at),
        }))
    }

    fn here(&self) -> Here<'_> {
        Here { ice: self.ice, home: &self.shows.boost.settings().home }
    }

    fn remembered(&self, key: &str) -> Option<Screening> {
        let hidden = self.shows.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        hidden.get(key).filter(|(at, _)| at.elapsed() < REMEMBERED).map(|(_, screening)| screening.clone())
    }

    fn remember(&self, key: &str, screening: &Screening) {
        let full = screening.showtime.places.iter().all(|places| places.remaining == Quantity::Exactly(0));
        let mut hidden = self.shows.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        hidden.retain(|_, (at, _)| at.elapsed() < REMEMBERED);
        if full && hidden.len() < MAX_REMEMBERED {
            hidden.insert(key.to_owned(), (Instant::now(), screening.clone()));
        }
    }
}

fn odd_record(at: Position) -> Row<Screening> {
    Row::Poison(Box::new(DataError {
        at,
        key: None,
        problem: DataProblem { code: "UnreadableShow", severity: Severity::Unreadable },
        message: "this record is no showtime".to_owned(),
        message_fr: "cet enregistrement n'est pas une séance".to_owned(),
        legible: Box::default(),
    }))
}
