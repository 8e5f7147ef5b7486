//! The cells of one row, wherever they stand: a record of a text file here, a row of a sheet elsewhere.
//!
//! [`crate::facts`] makes facts of cells and knows no reader. Invariant: a cell is what the file holds, decoded and nothing else.

use std::borrow::Cow;

use crate::mapping::At;
use crate::reader::Records;
use crate::settings::EncodingName;
use crate::text::decode;

/// One row as its reader found it.
pub(crate) trait Cells {
    /// Where the row starts: physical line of a file, row of a sheet; from 1.
    fn line(&self) -> u64;

    /// How many cells it has.
    fn count(&self) -> usize;

    /// A cell's bytes, to be read as they are when they are plain digits; `None` where only [`Cells::text`] can tell.
    fn plain(&self, at: At) -> Option<&[u8]>;

    /// A cell as text.
    fn text(&self, at: At) -> Option<Cow<'_, str>>;

    /// The whole row as it is written, for what stands anywhere in it. A sheet joins its cells with a tab.
    fn raw(&self) -> &[u8];

    /// Characters of the whole row.
    fn length(&self) -> usize;

    /// Does a quote open in this row that never closes?
    fn is_unclosed(&self) -> bool {
        false
    }

    /// Was the row cut against its own quotes? Then only its exact width makes it one.
    fn is_doubtful(&self) -> bool {
        false
    }
}

/// A record of a text file.
pub(crate) struct Record<'r, R> {
    pub records: &'r Records<R>,
    pub encoding: EncodingName,
}

impl<R: std::io::Read> Cells for Record<'_, R> {
    fn line(&self) -> u64 {
        self.records.line()
    }

    fn count(&self) -> usize {
        self.records.field_count()
    }

    fn plain(&self, at: At) -> Option<&[u8]> {
        match at {
            At::Index(index) => self.records.field(index).map(|(bytes, _)| bytes),
            At::Span { .. } => None,
        }
    }

    /// Borrowed from the buffer whenever it is ASCII.
    fn text(&self, at: At) -> Option<Cow<'_, str>> {
        match at {
            At::Index(index) => {
                let (bytes, escaped) = self.records.field(index)?;
                let text = decode(bytes, self.encoding);
                Some(if escaped { Cow::Owned(text.replace("\"\"", "\"").replace("\\\"", "\"")) } else { text })
            }
            At::Span { pos, len } => {
                let raw = self.records.raw();
                if raw.is_ascii() {
                    return raw.get(pos..(pos + len).min(raw.len())).map(|bytes| decode(bytes, self.encoding));
                }
                Some(Cow::Owned(decode(raw, self.encoding).chars().skip(pos).take(len).collect()))
            }
        }
    }

    fn raw(&self) -> &[u8] {
        self.records.raw()
    }

    fn length(&self) -> usize {
        let raw = self.records.raw();
        if raw.is_ascii() { raw.len() } else { decode(raw, self.encoding).chars().count() }
    }

    fn is_unclosed(&self) -> bool {
        self.records.unclosed().is_some()
    }

    fn is_doubtful(&self) -> bool {
        self.records.is_plain() || self.records.has_lone_quotes()
    }
}
