//! Cells of a sheet, written as lines of text.
//!
//! Invariant: whatever a cell holds, its text has no tab, no quote and no line break, a number's text can be read in one way only, and
//! a row has its cells at the sheet's columns.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};

use passerelle_kit::money::DecimalMark;

/// Columns that are read.
pub(super) const MOST_COLUMNS: u32 = 256;
/// Rows that a sheet may have, as its formats have it.
pub(super) const MOST_ROWS: u32 = 1_048_576;
/// Longest text of a cell that is kept, in bytes: longer than any column that is read here may be.
const MOST_CELL_BYTES: usize = 4_096;
/// Largest text of a sheet, in bytes.
const MOST_TEXT_BYTES: u64 = 256 << 20;
/// Rows that are looked at for the width of the table.
const WIDTH_WITHIN: usize = 50;

/// What stands for a formula whose value the workbook does not hold.
pub(super) const NO_VALUE: &str = "#FORMULE SANS VALEUR";

/// A sheet is larger than it may be.
#[derive(Debug, thiserror::Error)]
#[error("the sheet gives more than {MOST_TEXT_BYTES} bytes of text or {MOST_ROWS} rows, far more than a shop's stock")]
pub(super) struct TooMuch;

/// A cell's value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(f64),
    /// A share of one: a cell that shows 12 % holds 0.12.
    Percent(f64),
    /// An amount of a currency that is not the euro.
    Foreign(f64, String),
}

/// Writes rows in their order.
pub(super) struct Rows {
    out: BufWriter<File>,
    mark: DecimalMark,
    written: u64,
    /// Rows begun so far, blank ones included.
    line: u32,
    cells: Vec<String>,
    /// The first rows, until the width is known.
    first: Option<Vec<Vec<String>>>,
    width: usize,
    pub(super) cells_left_out: u64,
}

impl Rows {
    pub(super) fn new(out: File, mark: DecimalMark) -> Self {
        Self {
            out: BufWriter::new(out),
            mark,
            written: 0,
            line: 0,
            cells: Vec::new(),
            first: Some(Vec::new()),
            width: 0,
            cells_left_out: 0,
        }
    }

    /// A cell of the row that is open, at its column from 0.
    pub(super) fn cell(&mut self, column: u32, value: &Value) {
        let text = text_of(value, self.mark);
        if text.is_empty() {
            return;
        }
        if column >= MOST_COLUMNS {
            self.cells_left_out += 1;
            return;
        }
        let at = column as usize;
        if self.cells.len() <= at {
            self.cells.resize(at + 1, String::new());
        }
        if let Some(cell) = self.cells.get_mut(at) {
            *cell = text;
        }
    }

    /// Ends the open row, which is the sheet's row `row` (from 0) and stands there `times` times. Rows between are blank.
    pub(super) fn end_row(&mut self, row: u32, times: u32) -> io::Result<()> {
        let cells = std::mem::take(&mut self.cells);
        if cells.is_empty() {
            return Ok(());
        }
        if row.saturating_add(times) > MOST_ROWS {
            return Err(io::Error::other(TooMuch));
        }
        while self.line < row {
            self.keep(&[])?;
        }
        let mut left = times;
        while left > 0 && self.first.is_some() {
            self.keep(&cells)?;
            left -= 1;
        }
        self.line += left;
        self.write(&cells, left)
    }

    fn keep(&mut self, cells: &[String]) -> io::Result<()> {
        self.line += 1;
        let Some(first) = &mut self.first else { return self.write(cells, 1) };
        first.push(cells.to_vec());
        if first.iter().filter(|cells| !cells.is_empty()).count() >= WIDTH_WITHIN || first.len() >= 20 * WIDTH_WITHIN {
            self.write_first()?;
        }
        Ok(())
    }

    fn write_first(&mut self) -> io::Result<()> {
        let first = self.first.take().unwrap_or_default();
        self.width = first.iter().map(Vec::len).max().unwrap_or(0);
        first.iter().try_for_each(|cells| self.write(cells, 1))
    }

    /// A blank row is a blank line; every other has all its columns.
    fn write(&mut self, cells: &[String], times: u32) -> io::Result<()> {
        let mut line = cells.join("\t");
        if !cells.is_empty() {
            line.extend(std::iter::repeat_n('\t', self.width.saturating_sub(cells.len())));
        }
        line.push('\n');
        self.written = self.written.saturating_add((line.len() as u64).saturating_mul(u64::from(times)));
        if self.written > MOST_TEXT_BYTES {
            return Err(io::Error::other(TooMuch));
        }
        (0..times).try_for_each(|_| self.out.write_all(line.as_bytes()))
    }

    /// The text, at its start.
    pub(super) fn finish(mut self) -> io::Result<File> {
        self.write_first()?;
        let mut file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }
}

fn text_of(value: &Value, mark: DecimalMark) -> String {
    match value {
        Value::Text(text) => clean(text),
        Value::Number(number) => number_text(*number, mark),
        Value::Percent(share) => format!("{} %", number_text(share * 100.0, mark)),
        Value::Foreign(amount, currency) => clean(&format!("{} {currency}", number_text(*amount, mark))),
    }
}

/// On one line, without the characters that a text file gives a meaning.
fn clean(text: &str) -> String {
    let end = text.floor_char_boundary(MOST_CELL_BYTES);
    let plain = |c: char| match c {
        '"' => '\'',
        c if c.is_control() => ' ',
        c => c,
    };
    text.get(..end).unwrap_or_default().chars().map(plain).collect::<String>().trim().to_owned()
}

/// A number so that it reads as that number, wherever it stands: whole ones as digits, fractions never with three decimals, which
/// could be thousands, and references that were rounded in the scientific notation that says so.
fn number_text(number: f64, mark: DecimalMark) -> String {
    if !number.is_finite() {
        return "#NUM!".to_owned();
    }
    // What spreadsheets show: fifteen digits. 10.500000000000002 is a sum of 10.50.
    let number = format!("{number:.14e}").parse::<f64>().unwrap_or(number);
    if number.fract() == 0.0 && number.abs() < 1e15 {
        let digits = format!("{number:.0}");
        return rounded_reference(&digits).unwrap_or(if digits == "-0" { "0".to_owned() } else { digits });
    }
    let mut text = format!("{number}");
    if text.split_once('.').is_some_and(|(_, decimals)| decimals.len() == 3) {
        text.push('0');
    }
    if mark == DecimalMark::Comma { text.replace('.', ",") } else { text }
}

/// A number of a reference's length that ends in five zeros: somewhere on its way only the first digits were kept. One true reference
/// in a hundred thousand looks the same, and stays behind too.
fn rounded_reference(digits: &str) -> Option<String> {
    let significant = digits.trim_end_matches('0');
    let is_reference = digits.bytes().all(|byte| byte.is_ascii_digit()) && (12..=13).contains(&digits.len());
    if !is_reference || digits.len() - significant.len() < 5 {
        return None;
    }
    let (first, rest) = significant.split_at_checked(1)?;
    Some(format!("{first},{}E+{}", if rest.is_empty() { "0" } else { rest }, digits.len() - 1))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use passerelle_kit::money::{self, PriceUnit};
    use passerelle_kit::reference;
    use proptest::prelude::*;

    use super::*;

    fn shown(number: f64) -> String {
        number_text(number, DecimalMark::Auto)
    }

    #[test]
    fn numbers_read_in_one_way_only() {
        for (number, text) in [
            (9_782_070_000_012.0, "9782070000012"),
            (10.5, "10.5"),
            (1.125, "1.1250"),
            (0.1 + 0.2, "0.3"),
            (10.500_000_000_000_002, "10.5"),
            (-3.0, "-3"),
            (-0.0, "0"),
            (9_782_070_000_000.0, "9,78207E+12"),
            (1e18, "1000000000000000000"),
        ] {
            assert_eq!(shown(number), text);
        }
        assert_eq!(number_text(1.125, DecimalMark::Comma), "1,1250");
        assert_eq!(text_of(&Value::Percent(0.12), DecimalMark::Auto), "12 %");
        assert_eq!(reference::normalise("9,78207E+12").unwrap_err().problem().code, "LossyReference");
        for no_number in ["12 %", "2026-09-18", NO_VALUE, "#N/A", "18.9 CHF"] {
            assert!(money::price(no_number, PriceUnit::Euro, DecimalMark::Auto).is_err(), "{no_number}");
            assert!(money::quantity(no_number, DecimalMark::Auto).is_err(), "{no_number}");
        }
    }

    #[test]
    fn rows_keep_their_numbers_and_their_columns() {
        let mut rows = Rows::new(tempfile::tempfile().unwrap(), DecimalMark::Auto);
        rows.cell(0, &Value::Text("a\t\"b\"\nc".into()));
        rows.cell(2, &Value::Text("d".into()));
        rows.end_row(1, 1).unwrap();
        rows.cell(0, &Value::Number(1.0));
        rows.cell(300, &Value::Number(1.0));
        rows.end_row(3, 2).unwrap();
        assert_eq!(rows.cells_left_out, 1);
        let mut text = String::new();
        rows.finish().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "\na 'b' c\t\td\n\n1\t\t\n1\t\t\n");
    }

    proptest! {
        #[test]
        fn a_price_in_cents_survives(cents in 0_u32..100_000_000) {
            let text = shown(f64::from(cents) / 100.0);
            let price = money::price(&text, PriceUnit::Euro, DecimalMark::Auto).unwrap();
            prop_assert_eq!((price.cents.0, price.rounded), (cents, false), "{}", text);
        }

        #[test]
        fn whatever_a_cell_holds_its_text_stays_in_its_cell(text in "\\PC*|[\\x00-\\x20\"]*", number in any::<f64>()) {
            for value in [Value::Text(text.clone()), Value::Number(number), Value::Foreign(number, text)] {
                let text = text_of(&value, DecimalMark::Auto);
                prop_assert!(!text.chars().any(|c| c == '"' || c.is_control()), "{:?}", text);
            }
        }
    }
}
