//! Reads one open file from start to end into pages. Runs on a blocking thread.
//!
//! Invariant: memory is the reader's buffer and one page whatever the file; the last page, and only it, carries the end.

use std::io::{self, Cursor as Bytes, Read};
use std::time::SystemTime;

use passerelle_contract::{AdapterError, Class, Completeness, Cursor, End, Note, Page, Row, StockLine};

use passerelle_kit::reference;

use crate::cells::Record;
use crate::dialect::{self, Dialect, SAMPLE_BYTES, Sample};
use crate::facts::{Facts, Outcome};
use crate::kinds;
use crate::origin::unpack::TooBig;
use crate::plan::Plan;
use crate::reader::{Records, Step, Syntax, Unclosed};
use crate::reasons::{self, Aside};
use crate::settings::{EncodingName, NamedMode};
use crate::strays;
use crate::text::decode;

/// Rows of a page: small enough to stay in the processor's cache.
pub(crate) const PAGE_ROWS: usize = 2048;
/// Lines behind one that matches `file.stop_at` that may be its footer.
const MAX_FOOTER_ROWS: usize = 1_000;
/// How sentences begin that tell how a file is written and ask for nothing.
pub(crate) const ABOUT_QUOTES: &str = "quotes: ";
pub(crate) const ABOUT_LINES: &str = "lines: ";
/// Days after which the date that an art-asc file states is stale; it is often off by a day or two.
const STATED_DATE_TOLERANCE_DAYS: i32 = 3;

/// What is known of a file before it is read.
pub(crate) struct About {
    /// Base name.
    pub name: String,
    /// `read stock.csv`, for errors.
    pub operation: String,
    pub modified: Option<SystemTime>,
    pub mode: NamedMode,
    pub cursor: Option<Cursor>,
    /// What the server calls this content (`ETag`).
    pub tag: Option<String>,
    pub warnings: Vec<String>,
    pub now: SystemTime,
    /// Asked before the end is said: is the file still the one that was opened?
    pub unchanged: Option<Box<dyn Fn() -> bool + Send>>,
}

/// Reads everything; `send` answers `false` when nobody listens any more.
pub(crate) fn scan(
    source: &mut dyn Read,
    plan: &Plan,
    about: &About,
    send: &mut dyn FnMut(Page<StockLine>) -> bool,
) -> Result<(), AdapterError> {
    let fail = |error: io::Error| read_error(error, &about.operation);
    let (source, encoding) = to_utf8(source, plan.layout.encoding).map_err(fail)?;
    let mut records = Records::new(source, Syntax::LINES);
    let (bytes, whole) = records.peek(SAMPLE_BYTES).map_err(fail)?;
    let sample = Sample { bytes, whole, encoding, operation: &about.operation };
    kinds::refuse_other_files(&sample, &about.name)?;
    let needs_price = about.mode != NamedMode::Delete;
    let Some(dialect) = dialect::detect(&sample, plan, needs_price)? else {
        let end = end(about, None, Findings::default());
        send(Page { rows: Vec::new(), notes: Vec::new(), skipped: 0, end: Some(end) });
        return Ok(());
    };
    skip_to_data(&mut records, &dialect).map_err(fail)?;
    let mut pending = Pending {
        rows: Vec::with_capacity(PAGE_ROWS),
        notes: Vec::new(),
        skipped: 0,
        footer: None,
        footer_skipped: 0,
        send: &mut *send,
    };
    let read = read_rows(&mut records, plan, about, encoding, &dialect, &mut pending).map_err(fail)?;
    let Some(findings) = read else { return Ok(()) };
    let (rows, notes, skipped) = pending.finish();
    if about.unchanged.as_ref().is_some_and(|unchanged| !unchanged()) {
        let context = "the file changed while it was read; the next pass reads it again";
        return Err(AdapterError::new(Class::Transient, "FileIncomplete", &about.operation, context));
    }
    send(Page { rows, notes, skipped, end: Some(end(about, Some(&dialect), findings)) });
    Ok(())
}

/// Rows of the pass that were not sent yet, and what makes the file doubtful.
struct Pending<'s> {
    rows: Vec<Row<StockLine>>,
    notes: Vec<Note>,
    skipped: u64,
    /// Rows behind a line at which reading may stop: nothing of theirs counts unless a row follows.
    footer: Option<Vec<Row<StockLine>>>,
    footer_skipped: u64,
    send: &'s mut dyn FnMut(Page<StockLine>) -> bool,
}

impl Pending<'_> {
    /// Keeps the last row, which the next line may still call in question. `false` when nobody listens.
    fn send_full(&mut self) -> bool {
        if self.rows.len() < PAGE_ROWS {
            return true;
        }
        let last = self.rows.pop();
        let mut next = Vec::with_capacity(PAGE_ROWS);
        next.extend(last);
        let rows = std::mem::replace(&mut self.rows, next);
        let skipped = std::mem::take(&mut self.skipped);
        (self.send)(Page { rows, notes: std::mem::take(&mut self.notes), skipped, end: None })
    }

    /// A row, or a line that is none, in its place.
    fn add(&mut self, row: Option<Row<StockLine>>) {
        let reads_as_row = match &row {
            Some(Row::Good(_)) => true,
            Some(Row::Poison(error)) => !error.legible.eans.is_empty(),
            None => false,
        };
        match self.footer.as_mut() {
            Some(held) if !reads_as_row && held.len() < MAX_FOOTER_ROWS => {
                self.footer_skipped += u64::from(row.is_none());
                held.extend(row);
                return;
            }
            // A row follows: that line was no end.
            Some(_) => self.give_footer_back(),
            None => {}
        }
        match row {
            Some(row) => self.rows.push(row),
            None => self.skipped += 1,
        }
    }

    fn give_footer_back(&mut self) {
        self.rows.extend(self.footer.take().unwrap_or_default());
        self.skipped += std::mem::take(&mut self.footer_skipped);
    }

    /// The last row may go on on the next line: then it is not what it seems.
    fn doubt_last(&mut self, facts: &Facts<'_>) {
        if let Some(last) = self.rows.last_mut()
            && let Row::Good(line) = *last
        {
            *last = facts.doubt(&line, &Aside::GoesOn);
            self.notes.retain(|note| note.at != line.at);
        }
    }

    /// What is left for the last page; a footer is no product.
    fn finish(mut self) -> (Vec<Row<StockLine>>, Vec<Note>, u64) {
        let footer = self.footer.take().unwrap_or_default();
        (self.rows, self.notes, self.skipped + self.footer_skipped + footer.len() as u64)
    }
}

/// What makes a file doubtful, and what is worth telling of it.
#[derive(Debug, Default)]
struct Findings {
    /// Why the file may not be whole; with any of them nothing is withdrawn.
    doubts: Vec<String>,
    /// What else there is to tell.
    told: Vec<String>,
}

/// What the walk through the rows remembers from one to the next.
#[derive(Default)]
struct Walk {
    /// Line of a header that explains other columns than the first one.
    other_header: Option<u64>,
    /// Line of an error message with no row behind it so far.
    error_line: Option<u64>,
    /// The last row ends at its last value, so that the next line may go on with it.
    may_go_on: bool,
    /// The last line is torn and ends with a number.
    may_have_begun: bool,
    open_quote: Option<u64>,
    cut_line: Option<u64>,
    first_behind_end: Option<u64>,
    /// Lines that stand inside records.
    inner_lines: u64,
    records_of_lines: u64,
    strays: u64,
}

fn skip_to_data<R: Read>(records: &mut Records<R>, dialect: &Dialect) -> io::Result<()> {
    // Line by line, without quotes: a preamble is not data.
    while records.next_line() <= dialect.skip && records.skip_line()? {}
    records.set_syntax(dialect.syntax);
    if dialect.has_header {
        records.next()?;
    }
    Ok(())
}

/// Goes to the next record of the data and settles its quotes.
fn next_row<R: Read>(records: &mut Records<R>, dialect: &Dialect) -> io::Result<Step> {
    let step = records.next()?;
    if step == Step::Record {
        strays::settle(records, &dialect.mapping, dialect.syntax);
    }
    Ok(step)
}

/// All rows but those of the last page; `None` when nobody listens.
fn read_rows<R: Read>(
    records: &mut Records<R>,
    plan: &Plan,
    about: &About,
    encoding: EncodingName,
    dialect: &Dialect,
    pending: &mut Pending<'_>,
) -> io::Result<Option<Findings>> {
    let facts = Facts::new(plan, &dialect.mapping, dialect.is_art_asc, about.mode == NamedMode::Delete);
    let mut walk = Walk::default();
    loop {
        match next_row(records, dialect)? {
            Step::End => break,
            Step::TooLong => {
                (walk.may_go_on, walk.may_have_begun) = (false, false);
                pending.add(Some(reasons::too_long(records.line(), records.long_eans())));
            }
            Step::Record => {
                if plan.layout.comment.as_ref().is_some_and(|mark| records.raw().starts_with(mark.as_bytes())) {
                    continue;
                }
                one_record(records, plan, encoding, &facts, &mut walk, pending);
            }
        }
        if !pending.send_full() {
            return Ok(None);
        }
    }
    Ok(Some(walk.findings(records.has_mark_inside(), &about.name)))
}

fn one_record<R: Read>(
    records: &Records<R>,
    plan: &Plan,
    encoding: EncodingName,
    facts: &Facts<'_>,
    walk: &mut Walk,
    pending: &mut Pending<'_>,
) {
    let cells = Record { records, encoding };
    let notes = pending.notes.len();
    let outcome = facts.read(&cells, &mut pending.notes);
    let aside = if records.is_behind_end() {
        walk.first_behind_end.get_or_insert(records.line());
        Some(Aside::BehindEnd)
    } else if std::mem::take(&mut walk.may_have_begun) && facts.begins_at_a_value() {
        Some(Aside::BeganBefore)
    } else {
        walk.other_header.map(Aside::SecondHeader)
    };
    let row = match (outcome, aside) {
        // Nearly every row.
        (Outcome::Row(Row::Good(line)), None) => {
            walk.error_line = None;
            walk.may_go_on = facts.ends_at_a_value(&cells);
            if records.spans_lines() {
                walk.records_of_lines += 1;
                walk.inner_lines += records.inner_lines();
            }
            walk.strays += u64::from(records.is_plain());
            pending.add(Some(Row::Good(line)));
            return;
        }
        (Outcome::Row(_), Some(aside)) => {
            pending.notes.truncate(notes);
            Some(facts.set_aside(&cells, &aside))
        }
        (Outcome::Row(row), None) => Some(row),
        (Outcome::SameHeader, _) => {
            walk.other_header = None;
            None
        }
        (Outcome::OtherHeader, _) => {
            walk.other_header.get_or_insert(records.line());
            None
        }
        (Outcome::NoProduct, _) => None,
    };
    let is_torn = facts.is_torn(&cells);
    if walk.may_go_on && facts.goes_on_a_number(&cells) && reference::eans_in(records.raw()).is_empty() {
        pending.doubt_last(facts);
    }
    walk.may_go_on = false;
    walk.may_have_begun = facts.ends_in_a_number(&cells);
    let stops = || plan.layout.stop_at.as_ref().is_some_and(|stop| stop.is_match(&decode(records.raw(), encoding)));
    let names_book = matches!(&row, Some(Row::Poison(error)) if !error.legible.eans.is_empty());
    if pending.footer.is_none() && !names_book && stops() {
        pending.footer = Some(Vec::new());
    }
    if pending.footer.is_none() || names_book {
        if is_torn && !records.is_terminated() {
            walk.cut_line = Some(records.line());
        }
        if is_torn && reasons::is_error_message(&decode(records.raw(), encoding)) {
            walk.error_line = Some(records.line());
        } else if names_book {
            walk.error_line = None;
        }
        if records.unclosed() == Some(Unclosed::AtEnd) {
            walk.open_quote = Some(records.line());
        }
    }
    walk.strays += u64::from(records.is_plain());
    pending.add(row);
}

impl Walk {
    fn findings(&self, mark_inside: bool, name: &str) -> Findings {
        let mut found = Findings::default();
        let mut doubt = |line: Option<u64>, text: &str| {
            if let Some(line) = line {
                found
                    .doubts
                    .push(format!("line {line} of {name} {text}: the file is not whole, so nothing is withdrawn"));
            }
        };
        doubt(self.cut_line, "stops in its middle");
        doubt(self.open_quote, "opens a quote that never closes before the end");
        doubt(self.error_line, "is an error message of the program that wrote it");
        doubt(self.other_header, "is a second header with other columns, and what stands behind it was not read");
        doubt(
            self.first_behind_end,
            "stands behind an end-of-file character (0x1A), and nothing behind that is believed",
        );
        if mark_inside {
            found.doubts.push(format!(
                "an end-of-file character (0x1A) stands in the middle of {name}: the file may be damaged, so nothing is withdrawn"
            ));
        }
        if self.records_of_lines > 0 {
            found.told.push(format!(
                "{ABOUT_LINES}{} rows of {name} stand on several lines, so that it has {} lines more than rows",
                self.records_of_lines, self.inner_lines
            ));
        }
        if self.strays > 0 {
            found.told.push(format!(
                "{ABOUT_QUOTES}{} rows of {name} have quotes that belong to their text; they were read line by line",
                self.strays
            ));
        }
        found
    }
}

fn end(about: &About, dialect: Option<&Dialect>, findings: Findings) -> End {
    let mut warnings = about.warnings.clone();
    let is_whole = findings.doubts.is_empty();
    warnings.extend(findings.doubts);
    if let Some(column) = dialect.and_then(|dialect| dialect.mapping.unused_condition.as_ref()) {
        warnings.push(format!(
            "column {column:?} may tell new copies from used ones, and nothing reads it: add columns.condition = {column:?}"
        ));
    }
    if let Some(days) = dialect.and_then(|dialect| dialect.stated_date).and_then(|date| days_since(date, about.now))
        && days > STATED_DATE_TOLERANCE_DAYS
    {
        warnings
            .push(format!("{} says that it was made {days} days ago: is the shop's export still running?", about.name));
    }
    warnings.extend(dialect.and_then(|dialect| dialect.advice.clone()));
    warnings.extend(dialect.and_then(|dialect| dialect.quoting.clone()).map(|how| format!("{ABOUT_QUOTES}{how}")));
    warnings.extend(findings.told);
    let completeness = match about.mode {
        NamedMode::Full if is_whole => Completeness::Snapshot,
        NamedMode::Full => Completeness::Partial,
        NamedMode::Delta | NamedMode::Delete => Completeness::Delta,
    };
    End { completeness, cursor: about.cursor.clone(), observed_at: about.modified, fingerprint: None, warnings }
}

/// The page of a pass over a file that is the same as last time.
pub(crate) fn same_again(about: &About, content: Cursor) -> Page<StockLine> {
    let mut end = end(about, None, Findings::default());
    end.completeness = Completeness::Unchanged;
    end.cursor = Some(content);
    Page { rows: Vec::new(), notes: Vec::new(), skipped: 0, end: Some(end) }
}

fn days_since(date: jiff::civil::Date, now: SystemTime) -> Option<i32> {
    let today = jiff::Timestamp::try_from(now).ok()?.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    today.since((jiff::Unit::Day, date)).ok().map(|span| span.get_days())
}

/// Turns UTF-16 into UTF-8 and drops the byte order mark; leaves the rest to each field.
fn to_utf8<'s>(source: &'s mut dyn Read, wanted: EncodingName) -> io::Result<(Box<dyn Read + 's>, EncodingName)> {
    let mut head = [0; 3];
    let mut length = 0;
    while length < head.len() {
        match source.read(&mut head[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let head = &head[..length];
    let (marked, mark_bytes) = match head {
        [0xEF, 0xBB, 0xBF] => (Some(EncodingName::Utf8), 3),
        [0xFF, 0xFE, ..] => (Some(EncodingName::Utf16Le), 2),
        [0xFE, 0xFF, ..] => (Some(EncodingName::Utf16Be), 2),
        _ => (None, 0),
    };
    let rest = Bytes::new(head[mark_bytes..].to_vec()).chain(source);
    let encoding = match (wanted, marked) {
        // Files joined from several sources: each field says for itself whether it is UTF-8.
        (EncodingName::Auto, Some(EncodingName::Utf8)) => EncodingName::Auto,
        (EncodingName::Auto, Some(found)) => found,
        (
            EncodingName::Utf16Le | EncodingName::Utf16Be,
            Some(found @ (EncodingName::Utf16Le | EncodingName::Utf16Be)),
        ) => found,
        (wanted, _) => wanted,
    };
    let utf16 = match encoding {
        EncodingName::Utf16Le => encoding_rs::UTF_16LE,
        EncodingName::Utf16Be => encoding_rs::UTF_16BE,
        _ => return Ok((Box::new(rest), encoding)),
    };
    Ok((Box::new(FromUtf16::new(rest, utf16)), EncodingName::Utf8))
}

/// A stream of UTF-16 read as UTF-8.
struct FromUtf16<R> {
    source: R,
    decoder: encoding_rs::Decoder,
    raw: Vec<u8>,
    text: Vec<u8>,
    at: usize,
    finished: bool,
}

impl<R: Read> FromUtf16<R> {
    fn new(source: R, encoding: &'static encoding_rs::Encoding) -> Self {
        const RAW_BYTES: usize = 64 * 1024;
        Self {
            source,
            decoder: encoding.new_decoder_with_bom_removal(),
            raw: vec![0; RAW_BYTES],
            text: Vec::with_capacity(RAW_BYTES * 2),
            at: 0,
            finished: false,
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        let read = self.source.read(&mut self.raw)?;
        self.finished = read == 0;
        self.text.clear();
        self.at = 0;
        let most = self.decoder.max_utf8_buffer_length(read).unwrap_or(self.raw.len() * 3 + 16);
        self.text.resize(most, 0);
        let (_, _, written, _) = self.decoder.decode_to_utf8(&self.raw[..read], &mut self.text, self.finished);
        self.text.truncate(written);
        Ok(())
    }
}

impl<R: Read> Read for FromUtf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.text.len() && !self.finished {
            self.refill()?;
        }
        let count = buffer.len().min(self.text.len() - self.at);
        buffer[..count].copy_from_slice(&self.text[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// Why reading stopped, as the gateway sees it.
pub(crate) fn read_error(error: io::Error, operation: &str) -> AdapterError {
    if error.get_ref().is_some_and(|inner| inner.is::<TooBig>()) {
        let context = format!("{error}; nothing was kept");
        return AdapterError::new(Class::Data, "Unreadable", operation, context);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            AdapterError::new(Class::Transient, "FileIncomplete", operation, "the archive stops in its middle")
        }
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            AdapterError::new(Class::Data, "Unreadable", operation, "the archive is corrupt; have the file sent again")
        }
        io::ErrorKind::PermissionDenied => AdapterError::new(
            Class::Settings,
            "Unreadable",
            operation,
            "the file may not be read; give this user the right to read it",
        ),
        _ => AdapterError::new(Class::Transient, "Unreadable", operation, "reading stopped"),
    }
    .caused_by(error)
}

#[cfg(test)]
mod faults;
