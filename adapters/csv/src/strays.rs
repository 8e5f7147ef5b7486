//! Takes back what a stray quote swallowed.
//!
//! A quote in a title can open a field that closes lines later, at some other quote. The rows between are then inside a title, and
//! the first of them gets the price of the last. Quoted line breaks are legal, so a record of several lines is judged by what its
//! lines hold.
//!
//! Invariant: a record that holds a row of its own inside a field is never one record; undoing it costs its first line at most.

use std::io::Read;

use memchr::memchr_iter;
use passerelle_kit::reference::eans_in;

use crate::mapping::{At, Mapping, Width};
use crate::reader::Records;

/// Cuts the record at hand again, without regard to its quotes, when they cannot be where a writer put them.
///
/// After this the record may be one line of those that it was; the others come next.
pub(crate) fn settle<R: Read>(records: &mut Records<R>, mapping: &Mapping, delimiter: u8) {
    if records.is_regular() {
        return;
    }
    let Width::Fields { needed, usual, .. } = mapping.width else { return };
    let count = records.field_count();
    let is_stray = if records.spans_lines() {
        count > usual || count < needed || holds_a_row(records, mapping, delimiter, usual)
    } else {
        // The quotes of one line: only where they change its width do they matter.
        count != usual
    };
    if is_stray {
        records.cut_plain();
    }
}

/// Does a line of this record read as a row of its own, or a reference stand where no value is?
fn holds_a_row<R: Read>(records: &Records<R>, mapping: &Mapping, delimiter: u8, usual: usize) -> bool {
    let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let mut first_odd = None;
    for (index, field) in records.odd_fields() {
        if !field.iter().any(|byte| is_line_end(byte)) {
            continue;
        }
        first_odd.get_or_insert(index);
        if !eans_in(field).is_empty() {
            return true;
        }
    }
    let Some(first_odd) = first_odd else { return false };
    let mut lines = records.raw().split(is_line_end).filter(|line| !line.is_empty());
    let width = |line: &[u8]| memchr_iter(delimiter, line).count() + 1;
    let values_follow = mapping.values().any(|at| matches!(at, At::Index(index) if index >= first_odd));
    if lines.next().is_some_and(|line| width(line) >= usual) && values_follow {
        return true;
    }
    // The last line of a record whose first field has line ends is as wide as a row.
    let last_counts = usize::from(first_odd == 0);
    let rest: Vec<&[u8]> = lines.collect();
    rest.iter().take(rest.len().saturating_sub(last_counts)).any(|line| width(line) >= usual)
}
