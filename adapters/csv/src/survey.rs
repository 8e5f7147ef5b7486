//! What the rows of a file's beginning say of all its rows: how wide they are, how numbers and quotes are written, and whether a
//! column nobody spoke of tells new copies from used ones.
//!
//! Invariant: counts only; it decides nothing about a row, and a sheet's rows can be counted like a text file's.

use passerelle_kit::money::Neighbours;
use passerelle_kit::reference;

use crate::cells::Cells;
use crate::mapping::{At, Mapping, Width, may_name_condition, names_condition};
use crate::text::normalised_name;

/// Columns that are looked at.
const MAX_COLUMNS: usize = 256;

/// Words that say new or used and nothing else.
const CONDITIONS: [&str; 37] = [
    "neuf",
    "neuve",
    "neufs",
    "new",
    "brandnew",
    "occasion",
    "occasions",
    "doccasion",
    "occ",
    "used",
    "secondhand",
    "good",
    "verygood",
    "fair",
    "poor",
    "acceptable",
    "likenew",
    "asnew",
    "fine",
    "veryfine",
    "nearfine",
    "bon",
    "tresbon",
    "bonetat",
    "tresbonetat",
    "etatneuf",
    "commeneuf",
    "etatmoyen",
    "etatcorrect",
    "correct",
    "moyen",
    "mauvais",
    "mauvaisetat",
    "usage",
    "abime",
    "defraichi",
    "excellentetat",
];
/// Letters that may say new or used beside such words.
const LETTERS: [&str; 4] = ["n", "o", "u", "tb"];

/// One column of the sample.
#[derive(Clone, Copy, Debug, Default)]
struct Column {
    filled: usize,
    conditions: usize,
    letters: usize,
}

/// Counts over the rows of a sample whose reference can be read.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Such rows.
    pub rows: usize,
    /// Those of the usual width, with a quantity, whose quotes are where a writer puts them.
    pub regular: usize,
    /// Those with a lone quote somewhere.
    pub odd_quotes: usize,
    /// Their widths, smallest first, with how often.
    widths: std::collections::BTreeMap<usize, usize>,
    /// Rows with something in a cell behind the usual ones.
    filled_surplus: usize,
    /// Rows whose price is a whole number before a cell of two digits: a decimal comma cut in two looks so.
    cut_prices: usize,
    /// Those of them that are wider than usual.
    shifted: usize,
    pub prices: Neighbours,
    pub copies: Neighbours,
    columns: Vec<Column>,
}

impl Survey {
    /// Looks at one row.
    pub(crate) fn see<C: Cells>(&mut self, cells: &C, mapping: &Mapping) {
        let Some(text) = cells.text(mapping.ean) else { return };
        if reference::normalise(&text).is_err() {
            return;
        }
        let count = cells.count();
        self.rows += 1;
        *self.widths.entry(count).or_default() += 1;
        if let Some(price) = mapping.price.and_then(|at| cells.text(at)) {
            self.prices.see(&price);
        }
        let mut has_copies = false;
        for copies in mapping.quantity.iter().filter_map(|at| cells.text(*at)) {
            self.copies.see(&copies);
            has_copies |= copies.contains(|c: char| c.is_ascii_digit());
        }
        let Width::Fields { usual, .. } = mapping.width else { return };
        self.odd_quotes += usize::from(cells.is_doubtful());
        self.regular += usize::from(count == usual && has_copies && !cells.is_doubtful() && !cells.is_unclosed());
        let is_cut = looks_cut(cells, mapping);
        self.cut_prices += usize::from(is_cut);
        self.shifted += usize::from(is_cut && count > usual);
        let is_filled = |at: usize| cells.text(At::Index(at)).is_some_and(|text| !text.trim().is_empty());
        self.filled_surplus += usize::from((usual..count).any(is_filled));
        self.columns.resize(self.columns.len().max(count.min(MAX_COLUMNS)), Column::default());
        for (at, column) in self.columns.iter_mut().enumerate() {
            let Some(text) = cells.text(At::Index(at)).filter(|text| !text.trim().is_empty()) else { continue };
            column.filled += 1;
            if text.len() <= 40 {
                let word = normalised_name(&text);
                column.conditions += usize::from(CONDITIONS.contains(&word.as_str()));
                column.letters += usize::from(LETTERS.contains(&word.as_str()));
            }
        }
    }

    /// The width that most rows have.
    pub(crate) fn modal_width(&self) -> Option<usize> {
        self.widths.iter().max_by_key(|(_, times)| **times).map(|(width, _)| *width)
    }

    /// The widest blank surplus that every row has, as a width.
    pub(crate) fn common_surplus(&self, usual: usize) -> usize {
        let least = self.widths.keys().next().copied().unwrap_or(usual);
        if self.filled_surplus == 0 { least.max(usual) } else { usual }
    }

    /// How many of the columns behind the named ones hold something in most rows: they only lack a name.
    pub(crate) fn filled_behind(&self, named: usize, usual: usize) -> usize {
        let is_used = |column: &Column| column.filled * 10 >= self.rows * 9;
        let columns = self.columns.get(named..usual.min(self.columns.len())).unwrap_or_default();
        columns.iter().rposition(is_used).map_or(named, |at| named + at + 1)
    }

    /// Are decimal commas cut in two in nearly all rows?
    pub(crate) fn cuts_decimals(&self) -> bool {
        self.rows >= 2 && self.cut_prices * 10 >= self.rows * 8
    }

    /// Is a decimal comma cut in two in some rows?
    pub(crate) const fn has_shifted_rows(&self) -> bool {
        self.shifted > 0
    }

    /// A column that no setting speaks of and that tells new copies from used ones, by its name or by its values.
    pub(crate) fn condition(&self, mapping: &Mapping) -> Option<usize> {
        let is_free = |at: &usize| !mapping.values().any(|value| value == At::Index(*at));
        let says_so = |at: &usize| {
            let column = self.columns.get(*at).copied().unwrap_or_default();
            let all_words = column.filled > 0 && column.conditions + column.letters == column.filled;
            // `No` may be a number: only its values tell.
            let names = if mapping.is_automatic { may_name_condition } else { names_condition };
            let by_name = mapping.names.get(*at).is_some_and(|name| names(name) && (name != "no" || all_words));
            by_name || all_words && column.conditions > 0
        };
        (0..mapping.names.len().max(self.columns.len())).filter(is_free).find(says_so)
    }
}

/// Is the price a whole number, what stands behind it two digits, and what stands behind that a number if anything?
pub(crate) fn looks_cut<C: Cells>(cells: &C, mapping: &Mapping) -> bool {
    let digits = |at: usize| {
        let text = cells.plain(At::Index(at)).filter(|bytes| !bytes.is_empty());
        text.filter(|bytes| bytes.iter().all(u8::is_ascii_digit)).map(<[u8]>::len)
    };
    match mapping.price {
        Some(At::Index(at)) => {
            digits(at).is_some() && digits(at + 1) == Some(2) && (at + 2 >= cells.count() || digits(at + 2).is_some())
        }
        _ => false,
    }
}
