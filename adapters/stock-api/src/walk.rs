//! One pass over a shop's list: page after page until the vendor's empty one.
//!
//! Invariants: the cursor moves only in the [`End`] of a whole pass; `after` is the last *raw* reference of a page, so that
//! a page of nonsense can neither end the pass nor be asked for twice; a server that goes round in circles is noticed
//! within one page; one vendor page is in memory at a time, and at most [`MAX_HELD_PAGES`] more before the first prices
//! could be judged.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::time::SystemTime;

use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use passerelle_contract::{AdapterError, Class, Completeness, Cursor, End, Page, PageStream, Position, Row, StockLine};
use passerelle_kit::http::{Answer, RetryBudget};
use serde_json::value::RawValue;

use crate::client::{Ask, LIST, Meaning, StockClient};
use crate::facts::Rows;
use crate::settings::{After, Reading};
use crate::wire::{WireEntry, WirePage, read_page, with_leading_zeros};

/// Rows of one page that goes to the gateway. A vendor's page that is longer is cut.
const MAX_PAGE_ROWS: usize = 1000;

/// Prices needed before their median says anything about the unit.
const MIN_PRICES_FOR_MEDIAN: usize = 20;

/// Vendor pages held back while too few prices were seen; then the pass goes on unjudged.
pub(crate) const MAX_HELD_PAGES: usize = 20;

/// A median outside these bounds, in cents, means that euros and cents were confused: books cost 1 € to 100 €.
const PLAUSIBLE_MEDIAN: std::ops::RangeInclusive<u32> = 100..=10_000;

/// A pass in progress.
pub(crate) struct Walk<'a> {
    client: &'a StockClient,
    started: Timestamp,
    /// The delta's lower bound, margin taken off; `None` in a full pass.
    since: Option<Timestamp>,
    budget: RetryBudget,
    after: Option<String>,
    pages: u32,
    entries: u32,
    seen: SeenReferences,
    judge: PriceJudge,
    ready: VecDeque<Page<StockLine>>,
    restarted: bool,
    finished: bool,
    announced: Option<u64>,
    unread_validity: u32,
    warnings: Vec<String>,
}

/// Starts a pass.
pub(crate) fn pull<'a>(client: &'a StockClient, from: Option<&Cursor>, now: Timestamp) -> PageStream<'a, StockLine> {
    let walk = Walk::new(client, from, now);
    stream::unfold(Some(walk), |walk| async move {
        let mut walk = walk?;
        match walk.next().await {
            Ok(Some(page)) => Some((Ok(page), Some(walk))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

impl<'a> Walk<'a> {
    fn new(client: &'a StockClient, from: Option<&Cursor>, started: Timestamp) -> Self {
        let mut warnings = Vec::new();
        let since = match (from, client.settings().delta_margin) {
            (Some(Cursor(text)), Some(margin)) => {
                let since = text.parse::<Timestamp>().ok().and_then(|at| at.checked_sub(margin).ok());
                if since.is_none() {
                    warnings
                        .push("the stored date of the last pass cannot be read; this pass is a full one".to_owned());
                }
                since
            }
            _ => None,
        };
        Self {
            client,
            started,
            since,
            budget: RetryBudget::default(),
            after: None,
            pages: 0,
            entries: 0,
            seen: SeenReferences::default(),
            judge: PriceJudge::new(from.is_none()),
            ready: VecDeque::new(),
            restarted: false,
            finished: false,
            announced: None,
            unread_validity: 0,
            warnings,
        }
    }

    /// The next page for the gateway; asks the vendor when none is ready.
    async fn next(&mut self) -> Result<Option<Page<StockLine>>, AdapterError> {
        loop {
            let may_leave = self.finished || self.judge.has_judged();
            if let Some(page) = may_leave.then(|| self.ready.pop_front()).flatten() {
                return Ok(Some(page));
            }
            if self.finished {
                return Ok(None);
            }
            self.step().await?;
        }
    }

    /// One page of the vendor.
    async fn step(&mut self) -> Result<(), AdapterError> {
        let settings = self.client.settings();
        if self.pages >= settings.max_pages {
            let context = format!("no end after {} pages; the pass is given up", self.pages);
            return Err(AdapterError::new(Class::VendorFault, "TooManyPages", LIST, context));
        }
        let ask = Ask { limit: settings.limit, after: self.after.clone(), modified_since: self.since };
        let answer = match self.client.page(&ask, &self.budget).await? {
            Meaning::Body(answer) => answer,
            Meaning::BadRequest(error) => return self.restart_in_full(error),
        };
        self.pages += 1;
        let body = match settings.reading.leading_dot_numbers {
            true => with_leading_zeros(&answer.body),
            false => Cow::Borrowed(answer.body.as_slice()),
        };
        let page = parse(&answer, &body, settings.reading)?;
        self.take(&page, settings.reading)
    }

    /// The vendor refused a date or a place in the list; it may still know its list from the start.
    fn restart_in_full(&mut self, error: AdapterError) -> Result<(), AdapterError> {
        if self.restarted || (self.since.is_none() && self.after.is_none()) {
            return Err(error);
        }
        self.warnings.push(format!("restarted as a full pass: {}", error.context));
        self.restarted = true;
        self.since = None;
        self.after = None;
        self.entries = 0;
        self.announced = None;
        self.seen = SeenReferences::default();
        Ok(())
    }

    fn take(&mut self, page: &WirePage<'_>, reading: Reading) -> Result<(), AdapterError> {
        let settings = self.client.settings();
        // The count covers the whole list, whatever the page.
        self.announced = self.announced.or(page.total);
        if page.entries.is_empty() {
            self.finish()?;
            return Ok(());
        }
        let count = u32::try_from(page.entries.len()).unwrap_or(u32::MAX);
        self.entries = self.entries.saturating_add(count);
        if self.entries > settings.max_entries {
            let context = format!("more than {} entries; the pass is given up", settings.max_entries);
            return Err(AdapterError::new(Class::VendorFault, "TooManyPages", LIST, context));
        }
        let is_whole_list = page.is_whole_list || settings.after == After::SinglePage;
        let last = self.look_at_references(page, reading, is_whole_list)?;
        self.read_rows(page, reading);
        self.judge.judge(&self.ready)?;
        if is_whole_list {
            return self.finish();
        }
        self.after = Some(last);
        Ok(())
    }

    /// Where the next page starts; refuses a page that leads nowhere or in circles.
    fn look_at_references(
        &mut self,
        page: &WirePage<'_>,
        reading: Reading,
        is_whole_list: bool,
    ) -> Result<String, AdapterError> {
        let mut first = None;
        let mut last = None;
        let mut news = false;
        for raw in &page.entries {
            let Some(entry) = WireEntry::read(raw, reading) else { continue };
            let Some(reference) = entry.raw_reference() else { continue };
            let hash = self.seen.hash(reference);
            first.get_or_insert(hash);
            news |= self.seen.add(hash);
            last = Some(reference.to_owned());
        }
        let Some(last) = last else {
            let context = format!("page {} has {} entries and not one usable ref", self.pages, page.entries.len());
            return Err(AdapterError::new(Class::VendorFault, "MalformedPage", LIST, context));
        };
        let same_start = first.is_some() && first == self.seen.first_of_page;
        self.seen.first_of_page = first;
        if (same_start || !news) && !is_whole_list {
            let context = format!(
                "page {} brings nothing new: the vendor seems to ignore `after`; if it sends everything at once, set \
                 after = \"single_page\"",
                self.pages
            );
            return Err(AdapterError::new(Class::VendorFault, "PaginationStalled", LIST, context));
        }
        Ok(last)
    }

    fn read_rows(&mut self, page: &WirePage<'_>, reading: Reading) {
        for (chunk, entries) in page.entries.chunks(MAX_PAGE_ROWS).enumerate() {
            let mut rows = Rows::default();
            for (at, raw) in entries.iter().enumerate() {
                let entry = u32::try_from(chunk * MAX_PAGE_ROWS + at + 1).unwrap_or(u32::MAX);
                rows.add(raw, Position::Entry { page: self.pages, entry }, reading, self.started);
            }
            self.unread_validity += rows.unread_validity;
            self.judge.cent_fractions += rows.cent_fractions;
            self.ready.push_back(Page { rows: rows.rows, notes: rows.notes, skipped: 0, end: None });
        }
    }

    fn finish(&mut self) -> Result<(), AdapterError> {
        self.judge.close(&self.ready)?;
        self.finished = true;
        if self.unread_validity > 0 {
            self.warnings.push(format!("{} entries have a validUntil that is no instant", self.unread_validity));
        }
        if let Some(announced) = self.announced.filter(|announced| *announced > u64::from(self.entries)) {
            self.warnings.push(format!("the vendor announced {announced} entries and sent {}", self.entries));
        }
        let deltas = self.client.settings().delta_margin.is_some();
        let end = End {
            completeness: if self.since.is_some() { Completeness::Delta } else { Completeness::Snapshot },
            cursor: deltas.then(|| Cursor(self.started.to_string())),
            observed_at: SystemTime::try_from(self.started).ok(),
            fingerprint: None,
            warnings: std::mem::take(&mut self.warnings),
        };
        match self.ready.back_mut() {
            Some(last) => last.end = Some(end),
            None => self.ready.push_back(Page { rows: Vec::new(), notes: Vec::new(), skipped: 0, end: Some(end) }),
        }
        Ok(())
    }
}

/// Reads an answer as a page.
pub(crate) fn parse<'b>(answer: &Answer, body: &'b [u8], reading: Reading) -> Result<WirePage<'b>, AdapterError> {
    let body = if answer.status == 204 { &[] } else { body };
    read_page(body, answer.content_type(), reading).map_err(|wrong| {
        let context = format!("{}: {}", answer.saw(), answer.told(&wrong.0));
        AdapterError::new(Class::VendorFault, "MalformedBody", LIST, context)
    })
}

/// Which references this pass has met, as hashes: 8 bytes each, bounded by `max_entries`.
#[derive(Default)]
struct SeenReferences {
    hasher: RandomState,
    hashes: HashSet<u64>,
    first_of_page: Option<u64>,
}

impl SeenReferences {
    fn hash(&self, reference: &str) -> u64 {
        self.hasher.hash_one(reference)
    }

    /// Is it new?
    fn add(&mut self, hash: u64) -> bool {
        self.hashes.insert(hash)
    }
}

/// Looks at the first prices of a first pass before anything leaves: a wrong unit is wrong by a factor of 100.
struct PriceJudge {
    open: bool,
    held_pages: usize,
    /// Prices in cents that have a fraction.
    cent_fractions: usize,
}

impl PriceJudge {
    const fn new(open: bool) -> Self {
        Self { open, held_pages: 0, cent_fractions: 0 }
    }

    const fn has_judged(&self) -> bool {
        !self.open
    }

    fn judge(&mut self, held: &VecDeque<Page<StockLine>>) -> Result<(), AdapterError> {
        self.held_pages += 1;
        let seen = prices(held).count() + self.cent_fractions;
        if self.open && (seen >= MIN_PRICES_FOR_MEDIAN || self.held_pages >= MAX_HELD_PAGES) {
            return self.close(held);
        }
        Ok(())
    }

    fn close(&mut self, held: &VecDeque<Page<StockLine>>) -> Result<(), AdapterError> {
        if !self.open {
            return Ok(());
        }
        self.open = false;
        let mut prices: Vec<u32> = prices(held).collect();
        if self.cent_fractions >= MIN_PRICES_FOR_MEDIAN && self.cent_fractions > prices.len() {
            let context = format!(
                "{} of the first {} prices have decimals, and cents have none: check price_unit (euro or cent)",
                self.cent_fractions,
                prices.len() + self.cent_fractions
            );
            return Err(AdapterError::new(Class::Settings, "ImplausiblePriceUnit", LIST, context));
        }
        if prices.len() < MIN_PRICES_FOR_MEDIAN {
            return Ok(());
        }
        let middle = prices.len() / 2;
        let (_, median, _) = prices.select_nth_unstable(middle);
        if PLAUSIBLE_MEDIAN.contains(median) {
            return Ok(());
        }
        let context = format!(
            "half of the first {} prices lie beyond {}: check price_unit (euro or cent)",
            prices.len(),
            passerelle_contract::Cents(prices[middle])
        );
        Err(AdapterError::new(Class::Settings, "ImplausiblePriceUnit", LIST, context))
    }
}

/// Prices above zero.
fn prices(pages: &VecDeque<Page<StockLine>>) -> impl Iterator<Item = u32> {
    pages.iter().flat_map(|page| &page.rows).filter_map(|row| match row {
        Row::Good(line) => line.price.map(|price| price.0).filter(|price| *price > 0),
        _ => None,
    })
}

/// The first entry of a page as its row, for the probe that reads one.
pub(crate) fn read_first(raw: &RawValue, reading: Reading, now: Timestamp) -> Option<Row<StockLine>> {
    let mut rows = Rows::default();
    rows.add(raw, Position::Entry { page: 1, entry: 1 }, reading, now);
    rows.rows.pop()
}
