//! Cuts a stream of bytes into records and fields, with the physical line each record starts on.
//!
//! Written for stock files rather than for the RFC: a quote that does not open a field is a letter, a quote that never
//! closes costs one line and not the file, CR, LF and CRLF may mix. What stands behind an end-of-file character (Ctrl-Z) is read,
//! and marked. Whether a record of several lines is one is for [`crate::strays`] to say.
//!
//! Invariant: memory is one buffer of [`BUFFER_BYTES`] whatever the file, and a good record costs no allocation.

use std::io::{self, Read};
use std::ops::Range;

use memchr::memchr;
use passerelle_contract::Ean;
use passerelle_kit::reference::{self, MAX_FOUND};

mod blocks;
mod cut;

use cut::{Cut, Cutters, Field, cut_fields, line_end};

/// The one buffer. Much larger than a record so that moving the unread rest to its front is rare.
pub(crate) const BUFFER_BYTES: usize = 256 * 1024;

/// Longest record; longer ones are refused and reading resumes at the next physical line.
pub(crate) const MAX_RECORD_BYTES: usize = 64 * 1024;

const CTRL_Z: u8 = 0x1A;
const BOM_BYTES: usize = 3;

/// How records are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Syntax {
    /// Between fields; `None` leaves the line whole.
    pub delimiter: Option<u8>,
    /// Around fields that hold delimiters or line ends.
    pub quote: Option<u8>,
    /// Is a quote inside a field written `\"` instead of twice?
    pub backslash: bool,
}

impl Syntax {
    /// Whole lines.
    pub(crate) const LINES: Self = Self { delimiter: None, quote: None, backslash: false };
}

/// What [`Records::next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A record; its fields can be read.
    Record,
    /// A record that is too long; reading resumes at the next physical line.
    TooLong,
    /// The end.
    End,
}

/// The records of a stream.
pub(crate) struct Records<R> {
    source: R,
    syntax: Syntax,
    buffer: Vec<u8>,
    /// Unread bytes of the buffer.
    from: usize,
    to: usize,
    finished: bool,
    marks: Marks,
    /// Physical line at `from`, from 1.
    next_line: u64,
    line: u64,
    record: Range<usize>,
    fields: Vec<Field>,
    /// Where the first physical line of a record of several lines ends, terminator included.
    first_line_end: Option<usize>,
    terminated: bool,
    /// Read the next line without quotes: its quote never closes.
    plain_once: Option<Unclosed>,
    /// How the quote of the record at hand, if it has one that never closes, was found out.
    unclosed: Option<Unclosed>,
    /// The record was cut without regard to quotes, although it has some.
    is_plain: bool,
    /// A quote stands inside one of its quoted fields as no writer puts it there.
    has_lone: bool,
    /// References in a record that was too long.
    long_eans: Vec<Ean>,
}

/// Where a quote was looked for in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unclosed {
    /// To the end of the file.
    AtEnd,
    /// In as many bytes as a record may have.
    Within,
}

/// End-of-file characters.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    /// One stands somewhere in what was read.
    present: bool,
    /// One at a line's start has ended the file.
    ended: bool,
    /// One ended the last line that was read: the file's end, unless more follows.
    tail: bool,
    /// The record at hand stands behind it.
    behind: bool,
    /// One stands between other letters: a damaged letter, not an end.
    inside: bool,
}

impl<R: Read> Records<R> {
    pub(crate) fn new(source: R, syntax: Syntax) -> Self {
        Self::with_buffer(source, syntax, BUFFER_BYTES)
    }

    /// A smaller buffer for samples; at least twice the longest record.
    pub(crate) fn with_buffer(source: R, syntax: Syntax, bytes: usize) -> Self {
        Self {
            source,
            syntax,
            buffer: vec![0; bytes.max(2 * MAX_RECORD_BYTES + 2)],
            from: 0,
            to: 0,
            finished: false,
            marks: Marks::default(),
            next_line: 1,
            line: 0,
            record: 0..0,
            fields: Vec::new(),
            first_line_end: None,
            terminated: true,
            plain_once: None,
            unclosed: None,
            is_plain: false,
            has_lone: false,
            long_eans: Vec::new(),
        }
    }

    pub(crate) fn set_syntax(&mut self, syntax: Syntax) {
        self.syntax = syntax;
    }

    /// The first `bytes` of what is unread, or all of it when there is less; says whether that is all.
    pub(crate) fn peek(&mut self, bytes: usize) -> io::Result<(&[u8], bool)> {
        while self.to - self.from < bytes && self.refill()? {}
        let end = self.to.min(self.from + bytes);
        Ok((&self.buffer[self.from..end], self.finished && end == self.to))
    }

    /// Goes to the next record. Blank lines are passed over, and counted.
    pub(crate) fn next(&mut self) -> io::Result<Step> {
        loop {
            if self.from == self.to && !self.refill()? {
                return Ok(Step::End);
            }
            self.marks.behind = self.marks.ended;
            let quote = if self.plain_once.is_some() { None } else { self.syntax.quote };
            match self.cut_record(quote) {
                Cut::Done { end, first_line_end: Some(_), .. } if end - self.from > MAX_RECORD_BYTES => {
                    self.plain_once = Some(Unclosed::Within);
                }
                Cut::Done { end, next, lines, first_line_end, terminated, has_lone } => {
                    self.has_lone = has_lone;
                    self.unclosed = None;
                    self.is_plain = false;
                    self.line = self.next_line;
                    self.next_line += lines;
                    self.record = self.from..end;
                    self.from = next;
                    self.first_line_end = first_line_end;
                    self.terminated = terminated;
                    if let Some(unclosed) = self.plain_once.take() {
                        self.without_quotes(unclosed);
                    }
                    if end - self.record.start > MAX_RECORD_BYTES {
                        self.long_eans = reference::eans_in(self.raw());
                        return Ok(Step::TooLong);
                    }
                    let tail = std::mem::take(&mut self.marks.tail);
                    if self.marks.present {
                        self.look_for_marks();
                    }
                    if !self.is_blank() {
                        self.marks.inside |= tail;
                        return Ok(Step::Record);
                    }
                    self.marks.tail |= tail;
                }
                Cut::More if self.to - self.from <= MAX_RECORD_BYTES + 1 => {
                    self.refill()?;
                }
                Cut::More if quote.is_none() => {
                    self.long_eans.clear();
                    self.skip_long_line(true)?;
                    return Ok(Step::TooLong);
                }
                Cut::More => self.plain_once = Some(Unclosed::Within),
                Cut::Unclosed(unclosed) => self.plain_once = Some(unclosed),
            }
        }
    }

    /// Passes over one physical line, blank or not; `false` at the end.
    pub(crate) fn skip_line(&mut self) -> io::Result<bool> {
        if self.from == self.to && !self.refill()? {
            return Ok(false);
        }
        self.skip_long_line(false)?;
        Ok(true)
    }

    /// Physical line on which the record starts, from 1.
    pub(crate) const fn line(&self) -> u64 {
        self.line
    }

    /// Physical line of the next unread byte.
    pub(crate) const fn next_line(&self) -> u64 {
        self.next_line
    }

    /// Did a line end follow the record? If not, it is the last one and may be cut.
    pub(crate) const fn is_terminated(&self) -> bool {
        self.terminated
    }

    /// Does a quote open in this line that never closes, and where was its end looked for?
    pub(crate) const fn unclosed(&self) -> Option<Unclosed> {
        self.unclosed
    }

    /// Was the record cut without regard to its quotes?
    pub(crate) const fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Does the record stand behind an end-of-file character?
    pub(crate) const fn is_behind_end(&self) -> bool {
        self.marks.behind
    }

    /// Did an end-of-file character stand between other letters?
    pub(crate) const fn has_mark_inside(&self) -> bool {
        self.marks.inside
    }

    /// References that stood in a record that was too long.
    pub(crate) fn long_eans(&self) -> &[Ean] {
        &self.long_eans
    }

    /// The record as written, without its line end.
    pub(crate) fn raw(&self) -> &[u8] {
        &self.buffer[self.record.clone()]
    }

    pub(crate) fn field_count(&self) -> usize {
        self.fields.len()
    }

    /// A field without its quotes; `true` when quotes inside it are escaped.
    pub(crate) fn field(&self, index: usize) -> Option<(&[u8], bool)> {
        self.fields.get(index).map(|field| (&self.buffer[field.start..field.end], field.escaped))
    }

    /// Is every quote of the record where a writer puts it, on one line? Nearly every record is so.
    pub(crate) const fn is_regular(&self) -> bool {
        self.first_line_end.is_none() && !self.has_lone
    }

    /// Does a quote stand inside a quoted field as no writer puts it there?
    pub(crate) const fn has_lone_quotes(&self) -> bool {
        self.has_lone
    }

    /// Does the record stand on several lines?
    pub(crate) const fn spans_lines(&self) -> bool {
        self.first_line_end.is_some()
    }

    /// Lines of the record beyond its first.
    pub(crate) const fn inner_lines(&self) -> u64 {
        self.next_line - self.line - 1
    }

    /// The fields that stand on several lines.
    pub(crate) fn broken_fields(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let broken = self.fields.iter().enumerate().filter(|(_, field)| field.breaks);
        broken.map(|(index, field)| (index, &self.buffer[field.start..field.end]))
    }

    /// Cuts the first physical line of the record again, without regard to quotes, and gives its other lines back.
    pub(crate) fn cut_plain(&mut self) {
        let Some(delimiter) = self.syntax.delimiter else { return };
        let start = self.record.start;
        let Some((end, next)) = line_end(&self.buffer[start..self.to], 0, true) else { return };
        self.fields.clear();
        let _done = cut_fields(
            &self.buffer[start..start + end],
            start,
            self.syntax_of(delimiter, None),
            true,
            &mut self.fields,
        );
        self.record = start..start + end;
        if self.first_line_end.take().is_some() {
            self.from = start + next;
            self.next_line = self.line + 1;
            self.terminated = true;
        }
        self.without_quotes(Unclosed::Within);
    }

    /// Takes the quotes around plainly cut fields away, and looks for one that opens and does not close.
    fn without_quotes(&mut self, how: Unclosed) {
        let Some(quote) = self.syntax.quote else { return };
        (self.is_plain, self.has_lone) = (true, false);
        for field in &mut self.fields {
            let bytes = &self.buffer[field.start..field.end];
            if bytes.first() != Some(&quote) {
                continue;
            }
            let inside = bytes.len() >= 2 && bytes.last() == Some(&quote);
            if bytes.iter().filter(|byte| **byte == quote).count() % 2 == 1 {
                self.unclosed = Some(how);
            } else if inside {
                let inner = &bytes[1..bytes.len() - 1];
                field.escaped = inner.windows(2).any(|pair| pair == [quote, quote]);
                (field.start, field.end) = (field.start + 1, field.end - 1);
            }
        }
    }

    /// An end-of-file character at the end of a line ends the file if nothing follows; between letters it is a damaged one.
    fn look_for_marks(&mut self) {
        let range = self.record.clone();
        let Some(last) = self.buffer[range.clone()].iter().rposition(|byte| !is_nothing(*byte)) else {
            self.marks.ended |= memchr(CTRL_Z, &self.buffer[range]).is_some();
            return;
        };
        self.marks.inside |= memchr(CTRL_Z, &self.buffer[range.start..=range.start + last]).is_some();
        let tail = range.start + last + 1..range.end;
        if memchr(CTRL_Z, &self.buffer[tail.clone()]).is_some() {
            self.marks.tail = true;
            if self.syntax.delimiter.is_some() {
                self.buffer[tail].fill(b' ');
            } else {
                self.record.end = tail.start;
            }
        }
    }

    fn is_blank(&self) -> bool {
        let raw = self.raw();
        // A blank byte first is rare enough to look at the rest.
        raw.first().is_none_or(|byte| is_nothing(*byte) && *byte != b'\t') && raw.iter().all(|byte| is_nothing(*byte))
    }

    fn cut_record(&mut self, quote: Option<u8>) -> Cut {
        loop {
            match &self.buffer[self.from..self.to] {
                // Files joined end to end carry theirs in the middle.
                [0xEF, 0xBB, 0xBF, ..] => self.from += BOM_BYTES,
                [CTRL_Z, ..] => {
                    self.from += 1;
                    (self.marks.ended, self.marks.behind) = (true, true);
                }
                _ => break,
            }
        }
        self.fields.clear();
        let bytes = &self.buffer[self.from..self.to];
        if let Some(delimiter) = self.syntax.delimiter {
            return cut_fields(bytes, self.from, self.syntax_of(delimiter, quote), self.finished, &mut self.fields);
        }
        let Some((end, next)) = line_end(bytes, 0, self.finished) else { return Cut::More };
        Cut::Done {
            end: self.from + end,
            next: self.from + next,
            lines: 1,
            first_line_end: None,
            terminated: next > end,
            has_lone: false,
        }
    }

    /// Reads more behind the unread bytes; `false` when there is nothing more.
    fn refill(&mut self) -> io::Result<bool> {
        if self.finished {
            return Ok(false);
        }
        if self.from > 0 {
            self.buffer.copy_within(self.from..self.to, 0);
            self.to -= self.from;
            self.from = 0;
        }
        if self.to == self.buffer.len() {
            return Ok(false);
        }
        let read = loop {
            match self.source.read(&mut self.buffer[self.to..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        let fresh = self.to..self.to + read;
        self.to = fresh.end;
        self.finished = read == 0;
        self.marks.present = self.marks.present || memchr(CTRL_Z, &self.buffer[fresh]).is_some();
        Ok(true)
    }

    const fn syntax_of(&self, delimiter: u8, quote: Option<u8>) -> Cutters {
        Cutters { delimiter, quote, backslash: self.syntax.backslash }
    }

    /// Passes over a physical line that is longer than any record, and looks for the references in it if asked to.
    fn skip_long_line(&mut self, look: bool) -> io::Result<()> {
        /// More than a written reference takes, so that none is cut in two.
        const OVERLAP: usize = 128;
        self.line = self.next_line;
        self.record = 0..0;
        self.fields.clear();
        self.first_line_end = None;
        self.plain_once = None;
        loop {
            let found = line_end(&self.buffer[self.from..self.to], 0, self.finished);
            if look && self.long_eans.len() < MAX_FOUND {
                let end = found.map_or(self.to, |(end, _)| self.from + end);
                for ean in reference::eans_in(&self.buffer[self.from..end]) {
                    if !self.long_eans.contains(&ean) {
                        self.long_eans.push(ean);
                    }
                }
                self.long_eans.truncate(MAX_FOUND);
            }
            if let Some((end, next)) = found {
                self.from += next;
                self.next_line += 1;
                self.terminated = next > end;
                return Ok(());
            }
            self.from = self.to.saturating_sub(OVERLAP).max(self.from);
            self.refill()?;
        }
    }
}

/// Blanks, NUL bytes and end-of-file characters say nothing.
const fn is_nothing(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0 || byte == CTRL_Z
}

#[cfg(test)]
mod against_csv;
#[cfg(test)]
mod tests;
