//! Thousands or decimals: what the values of a column say of each other.
//!
//! Invariant: a value that could be either says nothing, and a column that says two things settles nothing.

use super::{DecimalMark, is_blank, is_thousands_separator, trimmed, without_euro};

/// What the other values of a column say about its `,` and `.`.
///
/// A value like `7,90` shows a decimal mark, one like `1.234,50` or `1.234.567` a thousands separator; `1,250` shows nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Neighbours {
    comma: Usage,
    point: Usage,
}

/// What one character was seen to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    decimals: bool,
    thousands: bool,
}

impl Neighbours {
    /// Looks at one value of the column, whatever it holds.
    pub fn see(&mut self, text: &str) {
        let Ok(number) = trimmed(text).and_then(without_euro) else { return };
        let number = number.trim_matches(|c: char| is_blank(c) || matches!(c, '-' | '+' | '(' | ')'));
        let is_number = |c: char| c.is_ascii_digit() || is_thousands_separator(c);
        let Some(at) = number.rfind([',', '.']).filter(|_| number.chars().all(is_number)) else { return };
        let (head, found, after) = (&number[..at], number.as_bytes()[at], &number[at + 1..]);
        let (mark, other) =
            if found == b',' { (&mut self.comma, &mut self.point) } else { (&mut self.point, &mut self.comma) };
        if head.bytes().any(|byte| byte == found) {
            mark.thousands = true;
        } else if head.contains([',', '.']) {
            mark.decimals = true;
            other.thousands = true;
        } else if !after.is_empty() && !could_be_thousands(head, after) {
            mark.decimals = true;
        }
    }

    /// How to read a `,` or `.` before three digits; `None` when nothing was seen or two things were.
    pub(super) const fn mark_for(self, found: u8) -> Option<DecimalMark> {
        let (own, other) = if found == b',' { (self.comma, self.point) } else { (self.point, self.comma) };
        let as_decimals = if found == b',' { DecimalMark::Comma } else { DecimalMark::Point };
        let as_thousands = if found == b',' { DecimalMark::Point } else { DecimalMark::Comma };
        match (own.decimals, own.thousands, other.decimals) {
            (true, false, false) => Some(as_decimals),
            (false, true, _) | (false, false, true) => Some(as_thousands),
            _ => None,
        }
    }
}

/// `1,250`, but neither `0,250` nor `1250,250`.
pub(super) fn could_be_thousands(head: &str, after: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    after.len() == 3 && (1..=3).contains(&head.len()) && digits(head) && digits(after) && !head.starts_with('0')
}
