//! Takes back what a stray quote swallowed.
//!
//! A quote in a title can open a field that closes lines later, at some other quote. The rows between are then inside a title, and
//! the first of them gets the price of the last. Quoted line breaks are legal, so a record of several lines is judged by what its
//! lines hold.
//!
//! Invariant: a record that holds a row of its own inside a field is never one record; undoing it costs its first line at most.

use std::io::Read;

use passerelle_kit::money::{self, DecimalMark, NumberProblem, PriceUnit};
use passerelle_kit::reference::eans_in;

use crate::mapping::{At, Mapping, Width};
use crate::reader::{Records, Syntax};

/// Cuts the record at hand again, without regard to its quotes, when they cannot be where a writer put them.
///
/// After this the record may be one line of those that it was; the others come next.
pub(crate) fn settle<R: Read>(records: &mut Records<R>, mapping: &Mapping, syntax: Syntax) {
    if records.is_regular() {
        return;
    }
    let Width::Fields { needed, usual, .. } = mapping.width else { return };
    let count = records.field_count();
    let is_stray = if records.spans_lines() {
        count > usual || count < needed || holds_a_row(records, mapping, syntax, usual)
    } else {
        // The quotes of one line: only where they change its width do they matter.
        count != usual
    };
    if is_stray {
        records.cut_plain();
    }
}

/// Does a line of this record read as a row of its own, or a reference stand where no value is?
fn holds_a_row<R: Read>(records: &Records<R>, mapping: &Mapping, syntax: Syntax, usual: usize) -> bool {
    let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let mut first_broken = None;
    for (index, field) in records.broken_fields() {
        first_broken.get_or_insert(index);
        // A row's reference stands beside a delimiter; one that a text speaks of need not.
        let lines = field.split(is_line_end).filter(|line| syntax.delimiter.is_some_and(|mark| line.contains(&mark)));
        if lines.into_iter().any(|line| !eans_in(line).is_empty()) {
            return true;
        }
    }
    let Some(first_broken) = first_broken else { return false };
    let cut = Cut { mapping, syntax, usual };
    let lines: Vec<&[u8]> = records.raw().split(is_line_end).filter(|line| !line.is_empty()).collect();
    let [first, rest @ ..] = &lines[..] else { return false };
    let values_follow = mapping.values().any(|at| matches!(at, At::Index(index) if index >= first_broken));
    if values_follow && cut.is_row(first) {
        return true;
    }
    // The last line of a true record closes its quote, so that it has one more than it opens.
    let [inner @ .., last] = rest else { return false };
    inner.iter().any(|line| cut.is_row(line)) || cut.quotes(last).is_multiple_of(2) && cut.is_row(last)
}

/// What can be read of a line, in the places where a row has it.
struct Readable {
    /// Something with a digit stands where the reference does.
    has_code: bool,
    has_copies: bool,
    has_price: bool,
}

/// How a line is cut when it stands alone.
struct Cut<'m> {
    mapping: &'m Mapping,
    syntax: Syntax,
    usual: usize,
}

impl Cut<'_> {
    /// As wide as a row, with some code, a quantity and a price in their places.
    fn is_row(&self, line: &[u8]) -> bool {
        self.reads(line).is_some_and(|read| read.has_code && read.has_copies && read.has_price)
    }

    /// What can be read of a line that is as wide as a row.
    fn reads(&self, line: &[u8]) -> Option<Readable> {
        let delimiter = self.syntax.delimiter?;
        let quote = self.syntax.quote.map(char::from);
        let cells: Vec<&[u8]> = line.split(|byte| *byte == delimiter).collect();
        if cells.len() < self.usual {
            return None;
        }
        let text = |at: At| match at {
            At::Index(index) => {
                let text = String::from_utf8_lossy(cells.get(index)?).trim().to_owned();
                Some(quote.map_or_else(|| text.clone(), |quote| text.trim_matches(quote).to_owned()))
            }
            At::Span { .. } => None,
        };
        let mapping = self.mapping;
        let ean = text(mapping.ean).unwrap_or_default();
        let has_code = ean.contains(|c: char| c.is_ascii_digit());
        let mut copies = mapping.quantity.iter().filter_map(|at| text(*at));
        let has_copies = copies.any(|text| money::quantity(&text, DecimalMark::Auto).is_ok());
        let price = mapping.price.and_then(text);
        let has_price = price.is_none_or(|text| match money::price(&text, PriceUnit::Euro, DecimalMark::Auto) {
            Ok(_) | Err(NumberProblem::Ambiguous) => true,
            // `NC` stands for a price, nothing for nothing.
            Err(NumberProblem::Missing) => !text.is_empty(),
            Err(_) => false,
        });
        Some(Readable { has_code, has_copies, has_price })
    }

    /// Quotes of a line, those behind a backslash left out where they are escaped so.
    fn quotes(&self, line: &[u8]) -> usize {
        let Some(quote) = self.syntax.quote else { return 0 };
        let (mut count, mut is_escaped) = (0, false);
        for byte in line {
            count += usize::from(*byte == quote && !is_escaped);
            is_escaped = self.syntax.backslash && *byte == b'\\' && !is_escaped;
        }
        count
    }
}
