//! Reads one open file from start to end into pages. Runs on a blocking thread.
//!
//! Invariant: memory is the reader's buffer and one page whatever the file; the last page, and only it, carries the end.

use std::io::{self, Cursor as Bytes, Read};
use std::time::SystemTime;

use passerelle_contract::{AdapterError, Class, Completeness, Cursor, End, Note, Page, Row, StockLine};

use crate::cells::Record;
use crate::dialect::{self, Dialect, SAMPLE_BYTES, Sample};
use crate::facts::{self, Facts};
use crate::origin::unpack::TooBig;
use crate::plan::Plan;
use crate::reader::{Records, Step, Syntax};
use crate::settings::{EncodingName, NamedMode};
use crate::text::decode;

/// Rows of a page: small enough to stay in the processor's cache.
pub(crate) const PAGE_ROWS: usize = 2048;
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
    let mut records = Records::new(source, Syntax { delimiter: None, quote: None });
    let (bytes, whole) = records.peek(SAMPLE_BYTES).map_err(fail)?;
    let sample = Sample { bytes, whole, encoding, operation: &about.operation };
    dialect::refuse_other_files(&sample, &about.name)?;
    let needs_price = about.mode != NamedMode::Delete;
    let Some(dialect) = dialect::detect(&sample, plan, needs_price)? else {
        send(Page { rows: Vec::new(), notes: Vec::new(), skipped: 0, end: Some(end(about, None, Trust::Whole)) });
        return Ok(());
    };
    skip_to_data(&mut records, &dialect).map_err(fail)?;
    let Some((rows, notes, trust)) = read_rows(&mut records, plan, about, encoding, &dialect, send).map_err(fail)?
    else {
        return Ok(());
    };
    if about.unchanged.as_ref().is_some_and(|unchanged| !unchanged()) {
        let context = "the file changed while it was read; the next pass reads it again";
        return Err(AdapterError::new(Class::Transient, "FileIncomplete", &about.operation, context));
    }
    send(Page { rows, notes, skipped: 0, end: Some(end(about, Some(&dialect), trust)) });
    Ok(())
}

/// May the file be taken for everything it should hold?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    Whole,
    /// The last line stops in its middle.
    LastLineCut,
    /// Something stands behind the end-of-file character.
    MoreBehindEnd,
}

type Rest = (Vec<Row<StockLine>>, Vec<Note>, Trust);

fn skip_to_data<R: Read>(records: &mut Records<R>, dialect: &Dialect) -> io::Result<()> {
    // Line by line, without quotes: a preamble is not data.
    while records.next_line() <= dialect.skip && records.skip_line()? {}
    records.set_syntax(dialect.syntax);
    if dialect.has_header {
        records.next()?;
    }
    Ok(())
}

/// All rows but those of the last page; `None` when nobody listens.
fn read_rows<R: Read>(
    records: &mut Records<R>,
    plan: &Plan,
    about: &About,
    encoding: EncodingName,
    dialect: &Dialect,
    send: &mut dyn FnMut(Page<StockLine>) -> bool,
) -> io::Result<Option<Rest>> {
    let facts = Facts::new(plan, &dialect.mapping, dialect.is_art_asc, about.mode == NamedMode::Delete);
    let mut rows = Vec::with_capacity(PAGE_ROWS);
    let mut notes = Vec::new();
    let mut trust = Trust::Whole;
    loop {
        match records.next()? {
            Step::End => break,
            Step::TooLong => rows.push(facts::too_long(records.line())),
            Step::Record => {
                if plan.layout.comment.as_ref().is_some_and(|mark| records.raw().starts_with(mark.as_bytes())) {
                    continue;
                }
                if plan.layout.stop_at.as_ref().is_some_and(|stop| stop.is_match(&decode(records.raw(), encoding))) {
                    break;
                }
                let row = facts.row(&Record { records, encoding }, &mut notes);
                if let Row::Poison(error) = &row
                    && error.problem.code == "BadLine"
                {
                    if !records.is_terminated() {
                        trust = Trust::LastLineCut;
                    }
                    records.keep_first_line_only();
                }
                rows.push(row);
            }
        }
        if rows.len() >= PAGE_ROWS {
            let page = Page {
                rows: std::mem::replace(&mut rows, Vec::with_capacity(PAGE_ROWS)),
                notes: std::mem::take(&mut notes),
                skipped: 0,
                end: None,
            };
            if !send(page) {
                return Ok(None);
            }
        }
    }
    if records.was_cut() {
        trust = Trust::MoreBehindEnd;
    }
    Ok(Some((rows, notes, trust)))
}

fn end(about: &About, dialect: Option<&Dialect>, trust: Trust) -> End {
    let mut warnings = about.warnings.clone();
    match trust {
        Trust::Whole => {}
        Trust::LastLineCut => warnings.push(format!(
            "the last line of {} stops in its middle: the file is not whole, so nothing is withdrawn; have it sent again",
            about.name
        )),
        Trust::MoreBehindEnd => warnings.push(format!(
            "{} goes on behind an end-of-file character (0x1A): what follows was not read, so nothing is withdrawn",
            about.name
        )),
    }
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
    let completeness = match about.mode {
        NamedMode::Full if trust == Trust::Whole => Completeness::Snapshot,
        NamedMode::Full => Completeness::Partial,
        NamedMode::Delta | NamedMode::Delete => Completeness::Delta,
    };
    End { completeness, cursor: about.cursor.clone(), observed_at: about.modified, fingerprint: None, warnings }
}

/// The page of a pass over a file that is the same as last time.
pub(crate) fn same_again(about: &About, content: Cursor) -> Page<StockLine> {
    let mut end = end(about, None, Trust::Whole);
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
        _ => (None, 0),
    };
    let rest = Bytes::new(head[mark_bytes..].to_vec()).chain(source);
    let encoding = match (wanted, marked) {
        // Files joined from several sources: each field says for itself whether it is UTF-8.
        (EncodingName::Auto, Some(EncodingName::Utf8)) => EncodingName::Auto,
        (EncodingName::Auto, Some(found)) => found,
        (EncodingName::Auto, None) if head.starts_with(&[0xFE, 0xFF]) => {
            return Ok((Box::new(FromUtf16::new(rest, encoding_rs::UTF_16BE)), EncodingName::Utf8));
        }
        (wanted, _) => wanted,
    };
    if encoding == EncodingName::Utf16Le {
        return Ok((Box::new(FromUtf16::new(rest, encoding_rs::UTF_16LE)), EncodingName::Utf8));
    }
    Ok((Box::new(rest), encoding))
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
