//! Spreadsheets (`.xlsx`, `.xls`, `.ods`): one sheet becomes a text of cells between tabs, one line a row, in a temporary file.
//!
//! Everything behind it reads that text like any other, so that a sheet has the columns and rules of a text file. Invariant: a cell's
//! text says what the cell holds and nothing that a text file could mean otherwise; line numbers are the sheet's; memory does not grow
//! with the sheet (but for `.xls`, whose format ends at 65 536 rows), and nothing unpacks without bound.

mod bounds;
mod ods;
mod rows;
mod workbook;

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use passerelle_contract::{AdapterError, Class};
use passerelle_kit::money::DecimalMark;

use self::rows::Rows;
use crate::scan::read_error;

/// What a workbook is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Office Open XML (`.xlsx`, `.xlsm`).
    Xlsx,
    /// Excel 97 to 2003 (`.xls`).
    Xls,
    /// `OpenDocument` (`.ods`).
    Ods,
}

/// Which sheet, and how its numbers are to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    /// The sheet's name, where the settings say one.
    pub sheet: Option<&'a str>,
    /// What the settings say of the price column: numbers are written so.
    pub mark: DecimalMark,
    /// `read stock.xlsx`, for errors.
    pub operation: &'a str,
}

/// A sheet as text.
pub(crate) struct Sheet {
    /// At its start.
    pub text: File,
    /// What a person should know of the sheet.
    pub warnings: Vec<String>,
}

/// Looks at the first bytes, whatever the name says; goes back to the start. `None`: no workbook.
pub(crate) fn kind(file: &mut File, operation: &str) -> Result<Option<Kind>, AdapterError> {
    let fail = |error| read_error(error, operation);
    let mut magic = [0; 8];
    let mut length = 0;
    while length < magic.len() {
        match file.read(&mut magic[length..]).map_err(fail)? {
            0 => break,
            read => length += read,
        }
    }
    file.seek(SeekFrom::Start(0)).map_err(fail)?;
    match &magic[..length] {
        [0xD0, 0xCF, 0x11, 0xE0, ..] => Ok(Some(Kind::Xls)),
        [b'P', b'K', 3, 4, ..] => {
            let kind = bounds::kind_of_archive(file, operation)?;
            file.seek(SeekFrom::Start(0)).map_err(fail)?;
            Ok(kind)
        }
        _ => Ok(None),
    }
}

/// Writes the sheet as text.
pub(crate) fn as_text(mut file: File, kind: Kind, ask: Ask<'_>) -> Result<Sheet, AdapterError> {
    let fail = |error| read_error(error, ask.operation);
    let mut rows = Rows::new(tempfile::tempfile().map_err(fail)?, ask.mark);
    let hidden = match kind {
        Kind::Xlsx => {
            let hidden = bounds::check(&mut file, ask.operation)?;
            workbook::xlsx(file, ask, &mut rows)?;
            hidden
        }
        Kind::Ods => {
            bounds::check(&mut file, ask.operation)?;
            ods::read(file, ask, &mut rows)?
        }
        Kind::Xls => {
            workbook::xls(file, ask, &mut rows)?;
            0
        }
    };
    let mut warnings = Vec::new();
    if hidden > 0 {
        warnings.push(format!(
            "{hidden} rows of the workbook are hidden (a filter that was left on?); they were read like the others"
        ));
    }
    if rows.cells_left_out > 0 {
        warnings.push(format!(
            "{} cells stand beyond column {} of the sheet and were not read",
            rows.cells_left_out,
            rows::MOST_COLUMNS
        ));
    }
    let text = rows.finish().map_err(|error| too_much(error, ask.operation))?;
    Ok(Sheet { text, warnings })
}

/// The one sheet to read: the one of the settings, else the only visible one that holds anything.
fn choose<'s>(
    sheets: &'s [(String, bool)],
    ask: Ask<'_>,
    mut holds_anything: impl FnMut(&str) -> Result<bool, AdapterError>,
) -> Result<&'s str, AdapterError> {
    let names = |sheets: &[&str]| sheets.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    let all: Vec<&str> = sheets.iter().map(|(name, _)| name.as_str()).collect();
    let refuse = |context: String| Err(AdapterError::new(Class::Data, "Unreadable", ask.operation, context));
    if let Some(wanted) = ask.sheet {
        let same = |name: &&str| name.trim().to_lowercase() == wanted.trim().to_lowercase();
        return match all.iter().find(|name| same(name)) {
            Some(name) => Ok(name),
            None => refuse(format!("no sheet is named {wanted:?} (file.sheet); there are {}", names(&all))),
        };
    }
    let mut open = Vec::new();
    for (name, visible) in sheets {
        if *visible && holds_anything(name)? {
            open.push(name.as_str());
        }
    }
    match open[..] {
        [one] => Ok(one),
        [] => refuse(format!(
            "no visible sheet of the workbook holds anything; there are {}; write file.sheet to read a hidden one",
            names(&all)
        )),
        _ => refuse(format!("several sheets hold something: write file.sheet with one of {}", names(&open))),
    }
}

fn too_much(error: io::Error, operation: &str) -> AdapterError {
    if error.get_ref().is_some_and(|inner| inner.is::<rows::TooMuch>()) {
        return AdapterError::new(Class::Data, "Unreadable", operation, error.to_string());
    }
    read_error(error, operation)
}

/// What cannot be opened, and the reason that a person can do something about.
fn broken(operation: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AdapterError {
    let context = "the workbook cannot be opened: it is damaged or protected by a password; save it again without one, or export the stock as CSV";
    AdapterError::new(Class::Data, "NotAStockFile", operation, context).caused_by(error)
}
