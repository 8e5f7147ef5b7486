//! Workbooks of Excel, through the crate `calamine`: `.xlsx` cell by cell, `.xls` sheet by sheet.
//!
//! Invariant: what the crate cannot read is a refusal and never a panic of ours.

use std::collections::HashSet;
use std::fs::File;
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{Data, DataRef, ExcelDateTime, Reader as _, SheetType, SheetVisible, Xls, Xlsx};
use passerelle_contract::{AdapterError, Class};

use super::rows::{NO_VALUE, Rows, Value};
use super::{Ask, broken, choose, too_much};

/// Largest `.xls`: it is read whole. Its format ends at 65 536 rows.
const MOST_XLS_BYTES: u64 = 128 << 20;
/// Cells shown as a percentage or a foreign currency that are remembered, eight bytes each.
const MOST_MARKED: usize = 2_000_000;
/// Currencies that a cell's format may name.
const FOREIGN: [&str; 9] = ["CHF", "XPF", "CFP", "USD", "GBP", "CAD", "$", "£", "FCFP"];

/// Writes one sheet of an `.xlsx`.
pub(super) fn xlsx(file: File, ask: Ask<'_>, rows: &mut Rows) -> Result<(), AdapterError> {
    let open = |file: File| Xlsx::new(BufReader::new(file)).map_err(|error| broken(ask.operation, error));
    let copy = file.try_clone().map_err(|error| broken(ask.operation, error))?;
    guarded(ask, || {
        let mut book = open(file)?;
        let sheets = visible(book.sheets_metadata());
        let name = choose(&sheets, ask, |name| {
            let mut cells = book.worksheet_cells_reader(name).map_err(|error| broken(ask.operation, error))?;
            loop {
                match cells.next_cell().map_err(|error| broken(ask.operation, error))? {
                    None => return Ok(false),
                    Some(cell) if *cell.get_value() != DataRef::Empty => return Ok(true),
                    Some(_) => {}
                }
            }
        })?;
        let marked = marked_cells(&mut book, name, ask)?;
        drop(book);
        // The crate reads formulas and styles in two walks.
        let mut book = open(copy)?;
        let mut cells = book.worksheet_cells_reader(name).map_err(|error| broken(ask.operation, error))?;
        let mut row = 0;
        while let Some(cell) = cells.next_cell_with_formula_metadata().map_err(|error| broken(ask.operation, error))? {
            if cell.pos.0 != row {
                rows.end_row(row, 1).map_err(|error| too_much(error, ask.operation))?;
                if cell.pos.0 < row {
                    return Err(broken(ask.operation, "rows are out of order"));
                }
                row = cell.pos.0;
            }
            let value = match cell.value {
                DataRef::Empty if cell.formula.is_some() => Some(Value::Text(NO_VALUE.to_owned())),
                DataRef::Empty => None,
                DataRef::Int(number) => Some(number_of(number)),
                DataRef::Float(number) => Some(match marked.get(cell.pos) {
                    Some(mark) => mark(number),
                    None => Value::Number(number),
                }),
                DataRef::String(text) => Some(Value::Text(text)),
                DataRef::SharedString(text) => Some(Value::Text(text.to_owned())),
                DataRef::Bool(truth) => Some(Value::Text(truth.to_string())),
                DataRef::DateTime(date) => Some(Value::Text(shown_date(&date))),
                DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => Some(Value::Text(text)),
                DataRef::Error(error) => Some(Value::Text(error.to_string())),
            };
            if let Some(value) = value {
                rows.cell(cell.pos.1, &value);
            }
        }
        rows.end_row(row, 1).map_err(|error| too_much(error, ask.operation))
    })
}

/// Writes one sheet of an `.xls`.
pub(super) fn xls(file: File, ask: Ask<'_>, rows: &mut Rows) -> Result<(), AdapterError> {
    let bytes = file.metadata().map_err(|error| broken(ask.operation, error))?.len();
    if bytes > MOST_XLS_BYTES {
        let context =
            format!("the workbook is larger than {MOST_XLS_BYTES} bytes; save it as .xlsx, or export the stock as CSV");
        return Err(AdapterError::new(Class::Data, "Unreadable", ask.operation, context));
    }
    guarded(ask, || {
        let mut book = Xls::new(BufReader::new(file)).map_err(|error| broken(ask.operation, error))?;
        let sheets = visible(book.sheets_metadata());
        let name = choose(&sheets, ask, |name| {
            Ok(!book.worksheet_range(name).map_err(|error| broken(ask.operation, error))?.is_empty())
        })?;
        let range = book.worksheet_range(name).map_err(|error| broken(ask.operation, error))?;
        let formulas = book.worksheet_formula(name).map_err(|error| broken(ask.operation, error))?;
        drop(book);
        let has_formula =
            |row: u32, column: u32| formulas.get_value((row, column)).is_some_and(|formula| !formula.is_empty());
        let (top, left) = range.start().unwrap_or_default();
        for (row, cells) in (top..).zip(range.rows()) {
            for (column, cell) in (left..).zip(cells) {
                let value = match cell {
                    Data::Empty if has_formula(row, column) => Value::Text(NO_VALUE.to_owned()),
                    Data::String(text) if text.is_empty() && has_formula(row, column) => {
                        Value::Text(NO_VALUE.to_owned())
                    }
                    Data::Empty => continue,
                    Data::Int(number) => number_of(*number),
                    Data::Float(number) => Value::Number(*number),
                    Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => Value::Text(text.clone()),
                    Data::Bool(truth) => Value::Text(truth.to_string()),
                    Data::DateTime(date) => Value::Text(shown_date(date)),
                    Data::Error(error) => Value::Text(error.to_string()),
                };
                rows.cell(column, &value);
            }
            rows.end_row(row, 1).map_err(|error| too_much(error, ask.operation))?;
        }
        Ok(())
    })
}

/// The crate reads what shops send; a panic in it refuses the file and not the gateway.
fn guarded(ask: Ask<'_>, work: impl FnOnce() -> Result<(), AdapterError>) -> Result<(), AdapterError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(broken(ask.operation, "its reader gave up")))
}

fn visible(sheets: &[calamine::Sheet]) -> Vec<(String, bool)> {
    sheets
        .iter()
        .filter(|sheet| sheet.typ == SheetType::WorkSheet)
        .map(|sheet| (sheet.name.clone(), sheet.visible == SheetVisible::Visible))
        .collect()
}

#[allow(clippy::cast_precision_loss, reason = "a reference has 13 digits, and 15 are exact")]
const fn number_of(number: i64) -> Value {
    Value::Number(number as f64)
}

/// A date where a number should be is no number: its text says what it is.
fn shown_date(date: &ExcelDateTime) -> String {
    if date.is_duration() {
        return format!("durée de {} jours", date.as_f64());
    }
    let (year, month, day, hour, minute, ..) = date.to_ymd_hms_milli();
    if hour == 0 && minute == 0 {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")
    }
}

/// Numbers that are shown as something else than a number.
#[derive(Default)]
struct Marked {
    percents: HashSet<(u32, u32)>,
    foreign: HashSet<(u32, u32)>,
    currency: String,
}

impl Marked {
    fn get(&self, at: (u32, u32)) -> Option<impl Fn(f64) -> Value> {
        let is_percent = self.percents.contains(&at);
        (is_percent || self.foreign.contains(&at)).then_some(move |number: f64| {
            if is_percent { Value::Percent(number) } else { Value::Foreign(number, self.currency.clone()) }
        })
    }
}

fn marked_cells(book: &mut Xlsx<BufReader<File>>, sheet: &str, ask: Ask<'_>) -> Result<Marked, AdapterError> {
    let mut marked = Marked::default();
    let mut cells = book.worksheet_cells_reader(sheet).map_err(|error| broken(ask.operation, error))?;
    let codes: Vec<String> = cells
        .styles()
        .iter()
        .map(|style| style.number_format.as_ref().map(|format| format.format_code.clone()).unwrap_or_default())
        .collect();
    let percent: Vec<bool> = codes.iter().map(|code| is_percent(code)).collect();
    let foreign: Vec<Option<&str>> = codes.iter().map(|code| foreign_currency(code)).collect();
    if !percent.contains(&true) && foreign.iter().all(Option::is_none) {
        return Ok(marked);
    }
    while let Some((cell, style)) = cells.next_cell_with_style_id().map_err(|error| broken(ask.operation, error))? {
        if !matches!(cell.get_value(), DataRef::Float(_)) {
            continue;
        }
        if percent.get(style) == Some(&true) {
            marked.percents.insert(cell.get_position());
        } else if let Some(currency) = foreign.get(style).copied().flatten() {
            marked.foreign.insert(cell.get_position());
            currency.clone_into(&mut marked.currency);
        }
        if marked.percents.len() + marked.foreign.len() > MOST_MARKED {
            let context = format!("more than {MOST_MARKED} cells are percentages or amounts of a foreign currency");
            return Err(AdapterError::new(Class::Data, "Unreadable", ask.operation, context));
        }
    }
    Ok(marked)
}

/// `0.00%`; not `0" % remise"`.
fn is_percent(code: &str) -> bool {
    let mut quoted = false;
    let mut letters = code.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => quoted = !quoted,
            '\\' if !quoted => {
                letters.next();
            }
            '%' if !quoted => return true,
            _ => {}
        }
    }
    false
}

/// `[$CHF-100C] #,##0.00`, `#,##0.00 "CHF"`; not `#,##0.00 [$€-40C]`.
fn foreign_currency(code: &str) -> Option<&'static str> {
    let code = code.split(';').next().unwrap_or_default();
    let named = code.split("[$").skip(1).filter_map(|rest| rest.split(['-', ']']).next());
    let written = code.split('"').skip(1).step_by(2);
    let known = |text: &str| FOREIGN.iter().copied().find(|currency| text.trim().eq_ignore_ascii_case(currency));
    named.chain(written).find_map(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_say_what_a_number_is() {
        assert!(is_percent("0.00%") && is_percent("0\\ %") && !is_percent("0\" % remise\"") && !is_percent("General"));
        assert_eq!(foreign_currency("[$CHF-100C] #,##0.00"), Some("CHF"));
        assert_eq!(foreign_currency("#,##0.00 \"XPF\""), Some("XPF"));
        for plain in ["#,##0.00 [$€-40C]", "#,##0.00\\ \"€\"", "General", "[$-40C]dd/mm/yyyy", "$#,##0"] {
            assert_eq!(foreign_currency(plain), None, "{plain}");
        }
    }
}
