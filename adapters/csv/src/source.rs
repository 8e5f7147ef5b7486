//! The pull: finds the file, reads it on a blocking thread, hands its pages on as fast as they are taken.
//!
//! Invariant: at most [`PAGES_AHEAD`] pages wait, and dropping the stream stops the reading.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::stream;
use passerelle_contract::{
    AdapterError, Class, Completeness, Context, Cursor, DataError, Ean, End, Expectations, Page, PageStream, Pull, Row,
    SettingsError, Source, StockLine,
};
use tokio::sync::mpsc;

use crate::identity;
use crate::origin::{Found, History, Opened, Origin, changed_meanwhile, stale_warning, unpack};
use crate::plan::{Pick, Plan};
use crate::scan;
use crate::settings::{Format, NamedMode};
use crate::spreadsheet;

/// Pages read ahead of the consumer.
const PAGES_AHEAD: usize = 3;
/// References remembered while files that build on each other are read in one pass: about 32 MB.
const MOST_SEEN: usize = 1_000_000;

/// One connection's stock file.
pub(crate) struct StockFile {
    pub plan: Arc<Plan>,
    /// The same plan for the text that a sheet becomes.
    sheets: Arc<Plan>,
    pub origin: Arc<Origin>,
}

type Sent = Result<Page<StockLine>, AdapterError>;

/// Where a pass stands.
enum Walk {
    Start([Arc<Plan>; 2], Arc<Origin>, Option<Cursor>),
    Reading(mpsc::Receiver<Sent>),
    Done,
}

impl StockFile {
    pub(crate) fn new(plan: Plan, sheets: Plan, context: &Context) -> Result<Self, SettingsError> {
        let origin = Origin::new(&plan, context)?;
        Ok(Self { plan: Arc::new(plan), sheets: Arc::new(sheets), origin: Arc::new(origin) })
    }
}

/// The settings for the text that a sheet becomes: how a text file is cut and coded says nothing of a workbook.
pub(crate) fn settings_of_sheets(settings: &serde_json::Value) -> serde_json::Value {
    let mut settings = settings.clone();
    if let Some(settings) = settings.as_object_mut() {
        let file = settings.entry("file").or_insert_with(|| serde_json::json!({}));
        if let Some(file) = file.as_object_mut() {
            for (key, value) in [("delimiter", "tab"), ("quote", "none"), ("encoding", "utf-8")] {
                // What is wrong with the settings is told of the ones that were written.
                file.insert(key.to_owned(), value.into());
            }
        }
    }
    settings
}

/// How a file of this connection is to be read.
#[derive(Clone, Copy)]
struct Plans<'p> {
    text: &'p Plan,
    sheets: &'p Plan,
}

impl Source<StockLine> for StockFile {
    fn pull(&self, ask: Pull) -> PageStream<'_, StockLine> {
        let plans = [Arc::clone(&self.plan), Arc::clone(&self.sheets)];
        let start = Walk::Start(plans, Arc::clone(&self.origin), ask.from);
        Box::pin(stream::unfold(start, |walk| async move {
            let mut pages = match walk {
                Walk::Done => return None,
                Walk::Reading(pages) => pages,
                Walk::Start(plans, origin, from) => match origin.fetch(&plans[0].pick, from.as_ref()).await {
                    Err(error) => return Some((Err(error), Walk::Done)),
                    Ok(Found::NothingNew(cursor, warnings)) => {
                        let page = no_rows(&plans[0].pick, Completeness::Delta, cursor, warnings);
                        return Some((Ok(page), Walk::Done));
                    }
                    Ok(Found::Same(cursor)) => {
                        let page = no_rows(&plans[0].pick, Completeness::Unchanged, cursor, Vec::new());
                        return Some((Ok(page), Walk::Done));
                    }
                    Ok(Found::File(opened)) => read_aside(plans, *opened, from),
                },
            };
            match pages.recv().await {
                Some(Ok(page)) if page.end.is_none() => Some((Ok(page), Walk::Reading(pages))),
                Some(last) => Some((last, Walk::Done)),
                None => Some((Err(stopped()), Walk::Done)),
            }
        }))
    }

    fn expectations(&self) -> Expectations {
        self.plan.expectations
    }
}

/// Starts the reading thread. It ends by itself once nobody takes its pages.
fn read_aside(plans: [Arc<Plan>; 2], opened: Opened, from: Option<Cursor>) -> mpsc::Receiver<Sent> {
    let (sender, receiver) = mpsc::channel(PAGES_AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut send = |page| sender.blocking_send(Ok(page)).is_ok();
        let plans = Plans { text: &plans[0], sheets: &plans[1] };
        if let Err(error) = read_files(plans, opened, from, &mut send) {
            // Nobody listening is the one reason why this cannot be said.
            let _unheard = sender.blocking_send(Err(error));
        }
    });
    receiver
}

/// A full file that is byte for byte the one of the last pass needs no second reading: the shop's software writes the same
/// export again and again between two days of trade.
fn read_files(
    plans: Plans<'_>,
    opened: Opened,
    from: Option<Cursor>,
    send: &mut dyn FnMut(Page<StockLine>) -> bool,
) -> Result<(), AdapterError> {
    let Opened { mut file, mut about, newer, mut reading } = opened;
    let content = identity::of(&mut file).map_err(|error| scan::read_error(error, &about.operation))?;
    let mut history = History::of(from.as_ref());
    let is_same = match &reading {
        Some(reading) => newer.is_empty() && reading.is_known(&content, about.mode),
        None => from.as_ref().is_some_and(|from| identity::is(from, &content)),
    };
    // A place that states no time shows a content from the moment on when it was first seen.
    if about.modified.is_none() {
        about.modified = if is_same { history.newest() } else { Some(about.now) };
    }
    let cursor = match &mut reading {
        Some(reading) => reading.done(&content),
        None => {
            if let (Some(modified), false) = (about.modified, is_same) {
                history.add(modified);
            }
            history.write(&identity::with_tag(&content, about.tag.as_deref()))
        }
    };
    let history = History::of(Some(&cursor));
    about.warnings.extend(stale_warning(&plans.text.pick, &about.name, about.modified, &history, about.now));
    let fingerprint = identity::fingerprint(&content);
    about.cursor = Some(cursor.clone());
    if is_same && about.unchanged.as_ref().is_none_or(|unchanged| unchanged()) {
        let mut page = scan::same_again(&about, cursor);
        if let Some(end) = &mut page.end {
            end.fingerprint = fingerprint;
            if about.mode != NamedMode::Full || reading.is_some() {
                end.completeness = Completeness::Delta;
            }
            if reading.is_some() {
                end.warnings.push(format!("{} came again with the same content and was not read again", about.name));
            }
        }
        send(page);
        return Ok(());
    }
    let mut seen = Seen::default();
    let mut heard = true;
    for (file, about) in newer {
        let mut pass_on = |mut page: Page<StockLine>| {
            if let Some(end) = page.end.take() {
                seen.end_of_file(&end);
            }
            seen.remember(&page);
            seen.take_out(&mut page);
            heard = send(page);
            heard
        };
        read_one(plans, file, &about, &mut pass_on)?;
        if !heard || seen.is_full() {
            break;
        }
        seen.next_file();
    }
    if seen.is_full() {
        let context = format!(
            "the files that are newer name more than {MOST_SEEN} references; have the shop send its whole stock"
        );
        return Err(AdapterError::new(Class::Data, "TooManyRows", &about.operation, context));
    }
    if !heard {
        return Ok(());
    }
    let mut unread = Unread::default();
    let mut pass_on = |mut page: Page<StockLine>| {
        unread.see(&page);
        seen.take_out(&mut page);
        if let Some(end) = &mut page.end {
            end.fingerprint.clone_from(&fingerprint);
            if end.completeness == Completeness::Snapshot && seen.is_doubtful {
                end.completeness = Completeness::Partial;
            }
            end.warnings.append(&mut seen.warnings);
            end.warnings.extend(unread.told());
        }
        send(page)
    };
    read_one(plans, file, &about, &mut pass_on)
}

fn read_one(
    plans: Plans<'_>,
    mut file: std::fs::File,
    about: &scan::About,
    send: &mut dyn FnMut(Page<StockLine>) -> bool,
) -> Result<(), AdapterError> {
    let scanned = match spreadsheet::kind(&mut file, &about.operation)? {
        Some(kind) => read_sheet(plans.sheets, file, kind, about, send),
        None => {
            unpack::with_content(file, &about.operation, &mut |content| scan::scan(content, plans.text, about, send))
        }
    };
    match scanned {
        Err(error)
            if error.code == "FileIncomplete" && about.unchanged.as_ref().is_some_and(|unchanged| !unchanged()) =>
        {
            Err(changed_meanwhile(&about.operation, plans.text.pick.settle))
        }
        other => other,
    }
}

fn read_sheet(
    plan: &Plan,
    file: std::fs::File,
    kind: spreadsheet::Kind,
    about: &scan::About,
    send: &mut dyn FnMut(Page<StockLine>) -> bool,
) -> Result<(), AdapterError> {
    if matches!(plan.layout.format, Some(Format::Fixed | Format::ArtAsc)) {
        let context = "it is a workbook, and file.format says that it is a text with fixed columns; correct file.format or the path";
        return Err(AdapterError::new(Class::Data, "NotAStockFile", &about.operation, context));
    }
    let ask = spreadsheet::Ask {
        sheet: plan.layout.sheet.as_deref(),
        mark: plan.columns.price_mark,
        operation: &about.operation,
    };
    let mut sheet = spreadsheet::as_text(file, kind, ask)?;
    let mut warnings = sheet.warnings;
    let mut pass_on = |mut page: Page<StockLine>| {
        if let Some(end) = &mut page.end {
            end.warnings.append(&mut warnings);
        }
        send(page)
    };
    scan::scan(&mut sheet.text, plan, about, &mut pass_on)
}

/// References that newer files of the same pass have named: what an older file says of them is old news.
#[derive(Default)]
struct Seen {
    before: HashSet<Ean>,
    now: HashSet<Ean>,
    /// A newer file is not whole.
    is_doubtful: bool,
    warnings: Vec<String>,
}

impl Seen {
    /// Remembers what a file names.
    fn remember(&mut self, page: &Page<StockLine>) {
        for row in &page.rows {
            match row {
                Row::Good(line) => {
                    self.now.insert(line.ean);
                }
                Row::Poison(error) => self.now.extend(named(error).iter().chain(&error.legible.eans)),
            }
        }
    }

    /// Takes out what newer files have said.
    fn take_out(&self, page: &mut Page<StockLine>) {
        if self.before.is_empty() {
            return;
        }
        let rows = page.rows.len();
        page.rows.retain(|row| match row {
            Row::Good(line) => !self.before.contains(&line.ean),
            Row::Poison(error) => named(error).is_none_or(|ean| !self.before.contains(&ean)),
        });
        page.skipped += (rows - page.rows.len()) as u64;
        page.notes.retain(|note| note.ean.is_none_or(|ean| !self.before.contains(&ean)));
    }

    fn end_of_file(&mut self, end: &End) {
        self.is_doubtful |= end.completeness == Completeness::Partial;
        self.warnings.extend(end.warnings.iter().cloned());
    }

    fn next_file(&mut self) {
        self.before.extend(self.now.drain());
    }

    fn is_full(&self) -> bool {
        self.before.len() + self.now.len() > MOST_SEEN
    }
}

/// The reference of a row that stays behind, where one can be read.
fn named(error: &DataError) -> Option<Ean> {
    error.key.as_deref().and_then(|key| passerelle_kit::reference::normalise(key).ok())
}

/// Why nothing of a file could be read, with the first rows as examples.
#[derive(Default)]
struct Unread {
    is_read: bool,
    rows: u64,
    skipped: u64,
    examples: Vec<String>,
}

impl Unread {
    /// Rows that are shown.
    const SHOWN: usize = 3;

    fn see(&mut self, page: &Page<StockLine>) {
        if self.is_read {
            return;
        }
        self.skipped += page.skipped;
        for row in &page.rows {
            match row {
                Row::Good(_) => {
                    self.is_read = true;
                    return;
                }
                Row::Poison(error) => {
                    self.rows += 1;
                    if self.examples.len() < Self::SHOWN {
                        self.examples.push(error.to_string());
                    }
                }
            }
        }
    }

    fn told(&self) -> Option<String> {
        // One bad row of a delta is in the quarantine; three that are all of it are worth a word.
        if self.is_read || self.rows + self.skipped < Self::SHOWN as u64 {
            return None;
        }
        if self.rows == 0 {
            return (self.skipped > 0).then(|| {
                format!("none of the {} lines holds a reference where columns.ean says; nothing was read", self.skipped)
            });
        }
        Some(format!("none of the {} rows could be kept; the first ones:\n{}", self.rows, self.examples.join("\n")))
    }
}

fn no_rows(pick: &Pick, completeness: Completeness, cursor: Cursor, mut warnings: Vec<String>) -> Page<StockLine> {
    let history = History::of(Some(&cursor));
    warnings.extend(stale_warning(pick, "the newest one", history.newest(), &history, SystemTime::now()));
    let fingerprint = identity::fingerprint(&cursor);
    let end = End { completeness, cursor: Some(cursor), observed_at: history.newest(), fingerprint, warnings };
    Page { rows: Vec::new(), notes: Vec::new(), skipped: 0, end: Some(end) }
}

fn stopped() -> AdapterError {
    AdapterError::new(
        Class::Transient,
        "Unreadable",
        "read the stock file",
        "the reading thread stopped before the end",
    )
}
