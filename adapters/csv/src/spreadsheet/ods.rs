//! `OpenDocument` sheets, read from their XML as it comes.
//!
//! The crate that reads Excel's workbooks holds a whole `OpenDocument` sheet and multiplies its repeated cells before it counts them, and
//! does not tell a percentage from a number; the format itself is plain enough to be read here. Invariant: memory is one row.

use std::fs::File;
use std::io::{BufRead, BufReader};

use passerelle_contract::AdapterError;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::rows::{MOST_COLUMNS, MOST_ROWS, NO_VALUE, Rows, Value};
use super::{Ask, broken, choose, too_much};

/// A sheet, as a first walk sees it.
struct Seen {
    name: String,
    style: Option<String>,
    holds_anything: bool,
}

/// Writes one sheet; gives the number of its hidden rows.
pub(super) fn read(file: File, ask: Ask<'_>, rows: &mut Rows) -> Result<u64, AdapterError> {
    let fail = |error: quick_xml::Error| broken(ask.operation, error);
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(|error| broken(ask.operation, error))?;
    let seen = sheets(&mut content(&mut archive, ask)?).map_err(fail)?;
    let names: Vec<(String, bool)> =
        seen.sheets.iter().map(|sheet| (sheet.name.clone(), seen.is_visible(sheet))).collect();
    let name =
        choose(&names, ask, |name| Ok(seen.sheets.iter().any(|sheet| sheet.name == name && sheet.holds_anything)))?;
    let mut reader = content(&mut archive, ask)?;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).map_err(fail)? {
            Event::Start(start)
                if is(&start, b"table:table") && attribute(&start, b"table:name").as_deref() == Some(name) =>
            {
                return sheet(&mut reader, rows, ask);
            }
            Event::Eof => return Err(broken(ask.operation, "it is cut off")),
            _ => {}
        }
    }
}

type Content<'a> = Reader<BufReader<zip::read::ZipFile<'a, BufReader<File>>>>;

fn content<'a>(archive: &'a mut zip::ZipArchive<BufReader<File>>, ask: Ask<'_>) -> Result<Content<'a>, AdapterError> {
    let entry = archive.by_name("content.xml").map_err(|error| broken(ask.operation, error))?;
    let mut reader = Reader::from_reader(BufReader::new(entry));
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().check_end_names = false;
    Ok(reader)
}

struct AllSheets {
    sheets: Vec<Seen>,
    hidden_styles: Vec<String>,
}

impl AllSheets {
    fn is_visible(&self, sheet: &Seen) -> bool {
        !sheet.style.as_ref().is_some_and(|style| self.hidden_styles.contains(style))
    }
}

fn sheets<R: BufRead>(reader: &mut Reader<R>) -> Result<AllSheets, quick_xml::Error> {
    let mut all = AllSheets { sheets: Vec::new(), hidden_styles: Vec::new() };
    let mut style = None;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer)? {
            Event::Start(start) => match start.name().as_ref() {
                b"style:style" => style = attribute(&start, b"style:name"),
                b"style:table-properties" if attribute(&start, b"table:display").as_deref() == Some("false") => {
                    all.hidden_styles.extend(style.take());
                }
                b"table:table" => all.sheets.push(Seen {
                    name: attribute(&start, b"table:name").unwrap_or_default(),
                    style: attribute(&start, b"table:style-name"),
                    holds_anything: false,
                }),
                b"table:table-cell" if attribute(&start, b"office:value-type").is_some() => {
                    if let Some(sheet) = all.sheets.last_mut() {
                        sheet.holds_anything = true;
                    }
                }
                _ => {}
            },
            Event::Eof => return Ok(all),
            _ => {}
        }
    }
}

/// One cell while it is read.
struct Cell {
    value: Option<Value>,
    has_formula: bool,
    is_error: bool,
    times: u32,
    text: String,
    paragraphs: u32,
    /// Inside a comment or a drawing, whose text is none of the cell's.
    aside: u32,
}

fn sheet<R: BufRead>(reader: &mut Reader<R>, rows: &mut Rows, ask: Ask<'_>) -> Result<u64, AdapterError> {
    let fail = |error: quick_xml::Error| broken(ask.operation, error);
    let (mut row, mut times, mut column, mut hidden) = (0_u32, 1_u32, 0_u32, 0_u64);
    let mut is_hidden = false;
    let mut filled = false;
    let mut cell: Option<Cell> = None;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).map_err(fail)? {
            Event::Start(start) => match (start.name().as_ref(), &mut cell) {
                (b"table:table-row", None) => {
                    times = number(&start, b"table:number-rows-repeated", MOST_ROWS);
                    is_hidden =
                        matches!(attribute(&start, b"table:visibility").as_deref(), Some("collapse" | "filter"));
                    (column, filled) = (0, false);
                }
                (b"table:table-cell" | b"table:covered-table-cell", None) => cell = Some(begin(&start)),
                (b"office:annotation" | b"draw:frame" | b"draw:custom-shape" | b"table:table", Some(cell)) => {
                    cell.aside += 1
                }
                (b"text:p", Some(cell)) if cell.aside == 0 => {
                    if cell.paragraphs > 0 {
                        cell.text.push(' ');
                    }
                    cell.paragraphs += 1;
                }
                (b"text:s" | b"text:tab" | b"text:line-break", Some(cell)) if cell.aside == 0 => cell.text.push(' '),
                _ => {}
            },
            Event::Text(text) => {
                if let Some(cell) = cell.as_mut().filter(|cell| cell.aside == 0 && cell.paragraphs > 0) {
                    cell.text.push_str(&text.decode().map_err(|error| broken(ask.operation, error))?);
                }
            }
            Event::GeneralRef(reference) => {
                if let Some(cell) = cell.as_mut().filter(|cell| cell.aside == 0 && cell.paragraphs > 0) {
                    let name = reference.decode().map_err(|error| broken(ask.operation, error))?;
                    let plain = quick_xml::escape::unescape(&format!("&{name};"))
                        .map_err(|error| broken(ask.operation, error))?
                        .into_owned();
                    cell.text.push_str(&plain);
                }
            }
            Event::End(end) => match (end.name().as_ref(), &mut cell) {
                (b"office:annotation" | b"draw:frame" | b"draw:custom-shape" | b"table:table", Some(cell)) => {
                    cell.aside = cell.aside.saturating_sub(1);
                }
                (b"table:table-cell" | b"table:covered-table-cell", Some(open)) if open.aside == 0 => {
                    let times = open.times;
                    if let Some(value) = value_of(open) {
                        filled = true;
                        // Columns beyond the last one that is read are only counted.
                        let last = column.saturating_add(times).min(MOST_COLUMNS + 1);
                        for at in column..last.max(column + 1) {
                            rows.cell(at, &value);
                        }
                    }
                    column = column.saturating_add(times);
                    cell = None;
                }
                (b"table:table-row", None) => {
                    if filled {
                        rows.end_row(row, times).map_err(|error| too_much(error, ask.operation))?;
                        hidden += if is_hidden { u64::from(times) } else { 0 };
                    }
                    row = row.saturating_add(times);
                }
                (b"table:table", None) => return Ok(hidden),
                _ => {}
            },
            Event::Eof => return Err(broken(ask.operation, "it is cut off")),
            _ => {}
        }
    }
}

fn begin(start: &BytesStart<'_>) -> Cell {
    let kind = attribute(start, b"office:value-type");
    let number = || attribute(start, b"office:value").and_then(|text| text.parse::<f64>().ok());
    let text = |key: &[u8]| attribute(start, key).map(Value::Text);
    let value = match kind.as_deref() {
        Some("float") => number().map(Value::Number),
        Some("percentage") => number().map(Value::Percent),
        Some("currency") => number().map(|amount| match attribute(start, b"office:currency") {
            Some(currency) if currency != "EUR" && !currency.is_empty() => Value::Foreign(amount, currency),
            _ => Value::Number(amount),
        }),
        Some("date") => text(b"office:date-value"),
        Some("time") => text(b"office:time-value"),
        Some("boolean") => text(b"office:boolean-value"),
        Some("string") => text(b"office:string-value").filter(|value| *value != Value::Text(String::new())),
        _ => None,
    };
    Cell {
        value,
        has_formula: attribute(start, b"table:formula").is_some(),
        is_error: attribute(start, b"calcext:value-type").as_deref() == Some("error"),
        times: number_of_times(start),
        text: String::new(),
        paragraphs: 0,
        aside: 0,
    }
}

/// What a cell says: its value; else its text; else that its formula has none.
fn value_of(cell: &mut Cell) -> Option<Value> {
    let text = std::mem::take(&mut cell.text);
    if cell.is_error && !text.is_empty() {
        return Some(Value::Text(text));
    }
    match cell.value.take() {
        Some(value) => Some(value),
        None if !text.is_empty() => Some(Value::Text(text)),
        None => cell.has_formula.then(|| Value::Text(NO_VALUE.to_owned())),
    }
}

fn number_of_times(start: &BytesStart<'_>) -> u32 {
    number(start, b"table:number-columns-repeated", 16_384)
}

fn number(start: &BytesStart<'_>, key: &[u8], most: u32) -> u32 {
    attribute(start, key).and_then(|text| text.parse::<u32>().ok()).unwrap_or(1).clamp(1, most)
}

fn is(start: &BytesStart<'_>, name: &[u8]) -> bool {
    start.name().as_ref() == name
}

fn attribute(start: &BytesStart<'_>, key: &[u8]) -> Option<String> {
    let found = start.try_get_attribute(key).ok().flatten()?;
    Some(found.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok()?.into_owned())
}
