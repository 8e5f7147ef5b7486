//! Cuts the record at the start of some bytes into fields.
//!
//! Invariant: pure; bytes that end too soon are asked for, never guessed.

use std::ops::Range;

use memchr::memchr2;

use super::blocks::Blocks;
use super::{MAX_RECORD_BYTES, Unclosed};

/// A field between its quotes, if it has any.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub start: usize,
    pub end: usize,
    /// Quotes inside it are written twice, or behind a backslash.
    pub escaped: bool,
    /// Line ends stand inside it.
    pub breaks: bool,
}

/// Where the cutting of a record stopped.
pub(super) enum Cut {
    Done {
        end: usize,
        next: usize,
        lines: u64,
        first_line_end: Option<usize>,
        terminated: bool,
        has_lone: bool,
    },
    /// The buffer ends before the record does.
    More,
    /// A quote does not close.
    Unclosed(Unclosed),
}

/// The bytes that cut a record into fields.
#[derive(Clone, Copy)]
pub(super) struct Cutters {
    pub delimiter: u8,
    pub quote: Option<u8>,
    pub backslash: bool,
}

/// End of the line that starts at `from`, and start of the next one. `None` when the bytes end first.
pub(super) fn line_end(bytes: &[u8], from: usize, finished: bool) -> Option<(usize, usize)> {
    match memchr2(b'\n', b'\r', &bytes[from..]).map(|at| from + at) {
        Some(at) if bytes[at] == b'\n' => Some((at, at + 1)),
        Some(at) if bytes.get(at + 1) == Some(&b'\n') => Some((at, at + 2)),
        Some(at) if at + 1 < bytes.len() || finished => Some((at, at + 1)),
        None if finished => Some((bytes.len(), bytes.len())),
        _ => None,
    }
}

/// Cuts a record into fields in one walk. `base` is where `bytes` stands in the buffer.
pub(super) fn cut_fields(bytes: &[u8], base: usize, cutters: Cutters, finished: bool, fields: &mut Vec<Field>) -> Cut {
    let Cutters { delimiter, quote, .. } = cutters;
    let mut blocks = Blocks::new(delimiter, quote);
    let (mut at, mut lines, mut first_line_end, mut has_lone) = (0, 1, None, false);
    loop {
        let opening = quote.filter(|quote| bytes.get(at) == Some(quote));
        let end = if let Some(quote) = opening {
            let Closing { at: end, escaped, lone, breaks } =
                match closing_quote(bytes, at + 1, cutters, quote, finished, &mut blocks) {
                    Ok(found) => found,
                    Err(cut) => return cut,
                };
            has_lone |= lone;
            if breaks {
                count_lines(bytes, at + 1..end, &mut lines, &mut first_line_end);
            }
            fields.push(Field { start: base + at + 1, end: base + end, escaped, breaks });
            end + 1
        } else {
            let end = match blocks.end(bytes, at) {
                Some(found) => found,
                None if finished => bytes.len(),
                None => return Cut::More,
            };
            fields.push(Field { start: base + at, end: base + end, escaped: false, breaks: false });
            end
        };
        if bytes.get(end) == Some(&delimiter) {
            at = end + 1;
            continue;
        }
        let next = match (bytes.get(end), bytes.get(end + 1)) {
            (None, _) if finished => end,
            (Some(b'\r'), Some(b'\n')) => end + 2,
            (Some(b'\r'), None) if !finished => return Cut::More,
            (Some(_), _) => end + 1,
            (None, _) => return Cut::More,
        };
        return Cut::Done {
            end: base + end,
            next: base + next,
            lines,
            first_line_end: first_line_end.map(|end: usize| base + end),
            terminated: next > end,
            has_lone,
        };
    }
}

/// Where a field between quotes ends, and what stands in it.
struct Closing {
    at: usize,
    escaped: bool,
    lone: bool,
    breaks: bool,
}

/// The quote that closes a field: the first one, not escaped, before a delimiter or a line end.
fn closing_quote(
    bytes: &[u8],
    from: usize,
    cutters: Cutters,
    quote: u8,
    finished: bool,
    blocks: &mut Blocks,
) -> Result<Closing, Cut> {
    let (mut at, mut escaped, mut lone, mut breaks) = (from, false, false, false);
    loop {
        let Some((found, breaks_before)) = blocks.quote(bytes, at) else {
            return Err(match (finished, bytes.len() > MAX_RECORD_BYTES) {
                (true, false) => Cut::Unclosed(Unclosed::AtEnd),
                (_, true) => Cut::Unclosed(Unclosed::Within),
                (false, false) => Cut::More,
            });
        };
        breaks |= breaks_before;
        if found > MAX_RECORD_BYTES {
            return Err(Cut::Unclosed(Unclosed::Within));
        }
        let closing = Closing { at: found, escaped, lone, breaks };
        let backslashes = || bytes[from..found].iter().rev().take_while(|byte| **byte == b'\\').count();
        if cutters.backslash && backslashes() % 2 == 1 {
            escaped = true;
            at = found + 1;
            continue;
        }
        match bytes.get(found + 1) {
            None if finished => return Ok(closing),
            None => return Err(Cut::More),
            Some(next) if *next == cutters.delimiter || *next == b'\n' || *next == b'\r' => {
                return Ok(closing);
            }
            Some(next) if *next == quote && !cutters.backslash => {
                escaped = true;
                at = found + 2;
            }
            // A quote inside a field, as in `24" écran`: a letter.
            Some(_) => {
                lone = true;
                at = found + 1;
            }
        }
    }
}

/// Counts the line ends inside a field and remembers where the first line ends.
fn count_lines(bytes: &[u8], range: Range<usize>, lines: &mut u64, first_line_end: &mut Option<usize>) {
    if memchr2(b'\n', b'\r', &bytes[range.clone()]).is_none() {
        return;
    }
    let mut at = range.start;
    while let Some((_, next)) = line_end(&bytes[..range.end], at, false) {
        *lines += 1;
        first_line_end.get_or_insert(next);
        at = next;
    }
    // A lone CR just before the closing quote.
    if range.end > at && bytes[range.end - 1] == b'\r' {
        *lines += 1;
        first_line_end.get_or_insert(range.end);
    }
}
