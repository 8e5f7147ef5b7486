//! Looks at the start of a file and decides how to read it: what it is, its delimiter, its header, its columns.
//!
//! Invariant: decides from one bounded sample, and refuses rather than guesses: a wrong column is worse than no stock.

use passerelle_contract::{AdapterError, Class, Ean};
use passerelle_kit::reference;

use crate::cells::{Cells as _, Record};
use crate::fixed;
use crate::mapping::{self, At, CommaCut, Mapping, Width};
use crate::plan::{Plan, Spot};
use crate::reader::{Records, Step, Syntax};
use crate::settings::{EncodingName, Format, Header};
use crate::strays;
use crate::suggest::{self, Table};
use crate::survey::Survey;
use crate::text::{decode, normalised_name, shortened};

/// How much of a file is looked at.
pub(crate) const SAMPLE_BYTES: usize = 64 * 1024;
/// Records of the sample among which a header is looked for.
const HEADER_WITHIN: usize = 50;
/// Records of the sample whose delimiters are counted.
const COUNTED: usize = 20;
const DELIMITERS: [u8; 5] = [b';', b'\t', b',', b'|', b'~'];

/// How a file is to be read.
#[derive(Clone, Debug)]
pub(crate) struct Dialect {
    pub syntax: Syntax,
    /// Physical lines before the first data line, header not counted.
    pub skip: u64,
    pub has_header: bool,
    pub mapping: Mapping,
    /// The date the file itself states.
    pub stated_date: Option<jiff::civil::Date>,
    pub is_art_asc: bool,
    /// How the file writes quotes inside a text, where it is not as usual.
    pub quoting: Option<String>,
    /// Other columns, where those that were found read none of the first rows.
    pub advice: Option<String>,
}

/// One record of the sample.
#[derive(Clone)]
struct Sampled {
    line: u64,
    fields: Vec<String>,
}

impl Sampled {
    fn row(&self) -> (u64, &[String]) {
        (self.line, &self.fields)
    }
}

const NO_HEADER: &str = "write columns.ean, columns.quantity and columns.price with { index = … }";

/// The sample and how to read it.
pub(crate) struct Sample<'a> {
    pub bytes: &'a [u8],
    /// The sample is the whole file.
    pub whole: bool,
    pub encoding: EncodingName,
    pub operation: &'a str,
}

/// Decides how to read the file. `None` when the file holds no record at all.
pub(crate) fn detect(sample: &Sample<'_>, plan: &Plan, needs_price: bool) -> Result<Option<Dialect>, AdapterError> {
    let lines = sample.read(Syntax::LINES, plan, COUNTED);
    if lines.is_empty() {
        return Ok(None);
    }
    let width = fixed::art_asc_width(plan.layout.shop_width);
    let is_art_asc = plan.layout.format.map_or_else(
        || {
            plan.columns.ean.is_none()
                && !plan.filters.has_columns()
                && fixed::looks_like_art_asc(&sample.lines(plan), width)
        },
        |format| format == Format::ArtAsc,
    );
    if is_art_asc {
        return Ok(Some(fixed::art_asc_dialect(plan, &sample.lines(plan))));
    }
    if plan.layout.format == Some(Format::Fixed) {
        return fixed_dialect(sample, plan, needs_price).map(Some);
    }
    let hint = sep_hint(&sample.lines(plan));
    let candidates: Vec<u8> = match plan.layout.delimiter.or(hint) {
        Some(delimiter) => vec![delimiter],
        None => DELIMITERS.to_vec(),
    };
    let quote = plan.layout.quote;
    let hint_lines = u64::from(hint.is_some());
    if needs_header(plan) {
        let dialect = with_header(sample, plan, &candidates, hint_lines, needs_price)?;
        return surveyed(sample, plan, dialect).map(Some);
    }
    let delimiter = by_count(sample, plan, &candidates)?;
    let syntax = Syntax { delimiter: Some(delimiter), quote, backslash: false };
    let mut mapping = mapping::resolve(plan, None, needs_price)
        .map_err(|problems| sample.header_mismatch(&problems, &[], NO_HEADER))?;
    let records = sample.read(syntax, plan, HEADER_WITHIN);
    let first = records.iter().find(|record| record.line > plan.layout.skip_lines + hint_lines);
    let has_header = match (&plan.layout.header, first) {
        (Some(Header::None), _) | (_, None) => false,
        (Some(_), _) => true,
        (None, Some(first)) => has_no_digit(first, &mapping),
    };
    let skip = match &plan.layout.header {
        Some(Header::Line(line)) => u64::from(*line) - 1,
        _ => plan.layout.skip_lines.max(hint_lines),
    };
    if let (true, Some(first)) = (has_header, first) {
        mapping.names = first.fields.iter().map(|name| normalised_name(name)).collect();
    }
    let dialect = Dialect {
        syntax,
        skip,
        has_header,
        mapping,
        stated_date: None,
        is_art_asc: false,
        quoting: None,
        advice: None,
    };
    surveyed(sample, plan, dialect).map(Some)
}

/// Completes a way of reading with what the rows of the sample say, and refuses it where they contradict it.
fn surveyed(sample: &Sample<'_>, plan: &Plan, mut dialect: Dialect) -> Result<Dialect, AdapterError> {
    let refuse = |context: String| Err(AdapterError::new(Class::Data, "HeaderMismatch", sample.operation, context));
    let Some(delimiter) = dialect.syntax.delimiter else { return Ok(dialect) };
    if dialect.has_header
        && let Some(book) = sample.book_in_header(&dialect)
    {
        return refuse(format!(
            "the line that file.header names holds a book ({book}): the header is gone; have it exported again, or write \
             file.header = \"none\""
        ));
    }
    let mut survey = sample.survey(&dialect);
    if dialect.syntax.quote.is_some() && memchr::memmem::find(sample.bytes, b"\\\"").is_some() {
        let syntax = Syntax { backslash: true, ..dialect.syntax };
        let escaped = sample.survey(&Dialect { syntax, ..dialect.clone() });
        if escaped.regular > survey.regular {
            dialect.syntax = syntax;
            dialect.quoting = Some("inside a text they stand behind a backslash, and were read so".into());
            survey = escaped;
        }
    }
    if dialect.quoting.is_none() && survey.odd_quotes > 0 {
        let (odd, rows) = (survey.odd_quotes, survey.rows);
        dialect.quoting = Some(format!("{odd} of the first {rows} rows have some that are not written twice"));
    }
    let mapping = &mut dialect.mapping;
    (mapping.prices, mapping.copies) = (survey.prices, survey.copies);
    if let Width::Fields { needed, named, usual, .. } = mapping.width {
        let modal = survey.modal_width().unwrap_or(usual);
        let is_euro = plan.columns.unit == passerelle_kit::money::PriceUnit::Euro;
        let is_wider = if dialect.has_header { modal == usual + 1 } else { modal > needed };
        if delimiter == b',' && is_euro && is_wider && survey.cuts_decimals() {
            return refuse(
                "the prices have decimal commas and the delimiter is a comma too, so that 18,90 is two columns: have the file \
                 exported with semicolons, with points, or with its prices between quotes"
                    .into(),
            );
        }
        mapping.width = if dialect.has_header {
            let named = if delimiter == b',' { named } else { survey.filled_behind(named, usual) };
            Width::Fields { needed, named, usual, most: survey.common_surplus(usual) }
        } else {
            let usual = modal.max(needed);
            Width::Fields { needed, named: usual, usual, most: usual }
        };
        if delimiter == b',' && is_euro {
            mapping.comma = Some(if survey.has_shifted_rows() { CommaCut::Seen } else { CommaCut::Unseen });
        }
    }
    if dialect.has_header {
        let (header, rows) = sample.rows(&dialect, plan);
        let table = Table { header: &header, rows: rows.iter().map(Sampled::row).collect() };
        dialect.advice = suggest::better(plan, &table, &dialect.mapping);
    }
    let mapping = &dialect.mapping;
    if let (Some(column), None) = (survey.condition(mapping), mapping.condition) {
        let name = sample.header_name(&dialect, column);
        if dialect.mapping.is_automatic {
            return refuse(format!(
                "does column {name:?} tell new copies from used ones? Used copies may not be sold: if it does, add \
                 columns.condition = {name:?}; if not, write columns.ean, columns.price and columns.quantity yourself"
            ));
        }
        dialect.mapping.unused_condition.get_or_insert(name);
    }
    Ok(dialect)
}

fn fixed_dialect(sample: &Sample<'_>, plan: &Plan, needs_price: bool) -> Result<Dialect, AdapterError> {
    let mapping = mapping::resolve(plan, None, needs_price)
        .map_err(|problems| sample.header_mismatch(&problems, &[], NO_HEADER))?;
    let (skip, has_header) = match &plan.layout.header {
        Some(Header::First) => (plan.layout.skip_lines, true),
        Some(Header::Line(line)) => (u64::from(*line) - 1, true),
        _ => (plan.layout.skip_lines, false),
    };
    let syntax = Syntax::LINES;
    Ok(Dialect { syntax, skip, has_header, mapping, stated_date: None, is_art_asc: false, quoting: None, advice: None })
}

/// Must the columns be found by name?
fn needs_header(plan: &Plan) -> bool {
    if plan.layout.header == Some(Header::None) {
        return false;
    }
    let columns = &plan.columns;
    let by_number = |spot: &Spot| matches!(spot, Spot::Index(_));
    let all_numbered = columns.ean.as_ref().is_some_and(|one| by_number(&one.spot))
        && !columns.quantity.is_empty()
        && columns.quantity.iter().all(|one| by_number(&one.spot))
        && columns.price.iter().chain(&columns.condition).chain(&columns.shop).all(|one| by_number(&one.spot))
        && columns.others.iter().all(|(_, one)| by_number(&one.spot))
        && columns.minus.is_none();
    let roles = ["ean", "quantity", "price", "condition", "shop", "title", "vat", "updated"];
    let filters_by_name =
        plan.filters.keep_if.iter().chain(&plan.filters.drop_if).any(|rule| !roles.contains(&rule.column.as_str()));
    !all_numbered || filters_by_name
}

/// Tries each delimiter on each line that may be the header; the first line that names everything is it.
fn with_header(
    sample: &Sample<'_>,
    plan: &Plan,
    candidates: &[u8],
    hint_lines: u64,
    needs_price: bool,
) -> Result<Dialect, AdapterError> {
    let mut best: Option<(usize, Vec<String>, Vec<String>)> = None;
    let mut behind: Vec<Sampled> = Vec::new();
    let mut fits = Vec::new();
    for delimiter in candidates {
        let syntax = Syntax { delimiter: Some(*delimiter), quote: plan.layout.quote, backslash: false };
        let records = sample.read(syntax, plan, HEADER_WITHIN);
        for record in header_lines(&records, plan, hint_lines) {
            match mapping::resolve(plan, Some(&record.fields), needs_price) {
                Ok(mapping) => {
                    fits.push((syntax, record.line, mapping));
                    break;
                }
                Err(problems) => {
                    // What the operator is shown: the line with most columns that fails least.
                    let score = record.fields.len() * 10 / (problems.len() + 1);
                    if best.as_ref().is_none_or(|(so_far, ..)| score > *so_far) {
                        best = Some((score, record.fields.clone(), problems));
                        behind = records.iter().filter(|one| one.line > record.line).cloned().collect();
                    }
                }
            }
        }
    }
    match (fits.pop(), fits.is_empty()) {
        (Some((syntax, line, mapping)), true) => Ok(Dialect {
            syntax,
            skip: line - 1,
            has_header: true,
            mapping,
            stated_date: None,
            is_art_asc: false,
            quoting: None,
            advice: None,
        }),
        (Some(_), false) => Err(AdapterError::new(
            Class::Data,
            "HeaderMismatch",
            sample.operation,
            "the columns can be found with several delimiters; write file.delimiter",
        )),
        (None, _) => {
            let (_, found, problems) = best.unwrap_or_default();
            let table = Table { header: &found, rows: behind.iter().map(Sampled::row).collect() };
            Err(sample.header_mismatch(&problems, &found, &suggest::advice(plan, &table)))
        }
    }
}

/// The lines that the settings allow to be the header.
fn header_lines<'r>(records: &'r [Sampled], plan: &Plan, hint_lines: u64) -> Vec<&'r Sampled> {
    let after = plan.layout.skip_lines.max(hint_lines);
    let mut open = records.iter().filter(move |record| record.line > after);
    match &plan.layout.header {
        Some(Header::First) => open.next().into_iter().collect(),
        Some(Header::Line(line)) => records.iter().filter(|record| record.line == u64::from(*line)).collect(),
        Some(Header::Contains(names)) => {
            let wanted: Vec<String> = names.iter().map(|name| normalised_name(name)).collect();
            open.find(|record| {
                let found: Vec<String> = record.fields.iter().map(|name| normalised_name(name)).collect();
                wanted.iter().all(|name| found.contains(name))
            })
            .into_iter()
            .collect()
        }
        Some(Header::None) | None => open.collect(),
    }
}

/// The delimiter that stands equally often in (nearly) every line.
fn by_count(sample: &Sample<'_>, plan: &Plan, candidates: &[u8]) -> Result<u8, AdapterError> {
    if let [only] = candidates {
        return Ok(*only);
    }
    let mut scored: Vec<(usize, u8)> = Vec::new();
    for delimiter in candidates {
        let syntax = Syntax { delimiter: Some(*delimiter), quote: plan.layout.quote, backslash: false };
        let counts: Vec<usize> =
            sample.read(syntax, plan, COUNTED).iter().map(|record| record.fields.len() - 1).collect();
        if let Some((count, times)) = modal(&counts)
            && count > 0
            && times * 10 >= counts.len() * 6
        {
            scored.push((times * 100 / counts.len(), *delimiter));
        }
    }
    let most = scored.iter().map(|(score, _)| *score).max().unwrap_or(0);
    let mut best: Vec<u8> = scored.into_iter().filter(|(score, _)| *score == most).map(|(_, one)| one).collect();
    if best.len() > 1 {
        // One decimal comma a line looks like a delimiter; in French files it is the other one.
        best.retain(|delimiter| *delimiter != b',');
    }
    match best[..] {
        [one] => Ok(one),
        _ => Err(AdapterError::new(
            Class::Data,
            "HeaderMismatch",
            sample.operation,
            "the delimiter cannot be told from the first lines; write file.delimiter",
        )),
    }
}

/// The most frequent value and how often it stands.
fn modal(values: &[usize]) -> Option<(usize, usize)> {
    values.iter().map(|value| (*value, values.iter().filter(|other| *other == value).count())).max_by_key(|one| one.1)
}

fn has_no_digit(record: &Sampled, mapping: &Mapping) -> bool {
    let places = mapping.quantity.iter().chain(&mapping.price).chain(std::iter::once(&mapping.ean));
    places
        .filter_map(|at| match at {
            mapping::At::Index(index) => record.fields.get(*index),
            mapping::At::Span { .. } => None,
        })
        .all(|field| !field.trim().is_empty() && !normalised_name(field).starts_with(|c: char| c.is_ascii_digit()))
}

/// `sep=;` on the first line, a spreadsheet's hint.
fn sep_hint(lines: &[Vec<u8>]) -> Option<u8> {
    let first = lines.first()?;
    let rest = first.strip_prefix(b"\xEF\xBB\xBF".as_slice()).unwrap_or(first);
    match rest.trim_ascii_end() {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] => Some(*delimiter),
        _ if rest.eq_ignore_ascii_case(b"sep=\t") => Some(b'\t'),
        _ => None,
    }
}

impl Sample<'_> {
    /// The first records under a syntax, comments left out.
    fn read(&self, syntax: Syntax, plan: &Plan, most: usize) -> Vec<Sampled> {
        let mut records = Records::with_buffer(self.bytes, syntax, SAMPLE_BYTES);
        let mut found = Vec::new();
        // Reading from memory does not fail.
        while found.len() < most
            && let Ok(step @ (Step::Record | Step::TooLong)) = records.next()
        {
            let is_cut = !self.whole && !records.is_terminated();
            let is_comment =
                plan.layout.comment.as_ref().is_some_and(|comment| records.raw().starts_with(comment.as_bytes()));
            if step == Step::TooLong || is_cut || is_comment {
                continue;
            }
            let fields = (0..records.field_count())
                .filter_map(|at| records.field(at))
                .map(|(bytes, _)| decode(bytes, self.encoding).trim().to_owned())
                .collect();
            found.push(Sampled { line: records.line(), fields });
        }
        found
    }

    /// Counts over every row of the sample.
    fn survey(&self, dialect: &Dialect) -> Survey {
        let mut survey = Survey::default();
        let mut records = self.data(dialect);
        // Reading from memory does not fail.
        while let Ok(step @ (Step::Record | Step::TooLong)) = records.next() {
            if step == Step::TooLong || !self.whole && !records.is_terminated() {
                continue;
            }
            strays::settle(&mut records, &dialect.mapping, dialect.syntax);
            survey.see(&Record { records: &records, encoding: self.encoding }, &dialect.mapping);
        }
        survey
    }

    /// The records behind the header.
    fn data(&self, dialect: &Dialect) -> Records<&[u8]> {
        let mut records = self.at_header(dialect);
        if dialect.has_header {
            let _step = records.next();
        }
        records
    }

    fn at_header(&self, dialect: &Dialect) -> Records<&[u8]> {
        let mut records = Records::with_buffer(self.bytes, Syntax::LINES, SAMPLE_BYTES);
        while records.next_line() <= dialect.skip && records.skip_line().unwrap_or(false) {}
        records.set_syntax(dialect.syntax);
        records
    }

    /// The reference in what is said to be the header.
    fn book_in_header(&self, dialect: &Dialect) -> Option<Ean> {
        let mut records = self.at_header(dialect);
        records.next().ok().filter(|step| *step == Step::Record)?;
        let text = Record { records: &records, encoding: self.encoding }.text(dialect.mapping.ean)?.into_owned();
        reference::normalise(&text).ok()
    }

    /// A column's name as it is written, or its number.
    fn header_name(&self, dialect: &Dialect, column: usize) -> String {
        let mut records = self.at_header(dialect);
        let _step = records.next();
        let cells = Record { records: &records, encoding: self.encoding };
        let name = cells.text(At::Index(column)).filter(|_| dialect.has_header);
        name.map_or_else(|| format!("{}", column + 1), |name| shortened(name.trim(), 60))
    }

    /// The first lines as written.
    fn lines(&self, plan: &Plan) -> Vec<Vec<u8>> {
        let mut records = Records::with_buffer(self.bytes, Syntax::LINES, SAMPLE_BYTES);
        let mut found = Vec::new();
        while found.len() < COUNTED
            && let Ok(Step::Record) = records.next()
        {
            if records.line() > plan.layout.skip_lines && (self.whole || records.is_terminated()) {
                found.push(records.raw().to_vec());
            }
        }
        found
    }

    /// The rows behind the header, as far as they are tried.
    fn rows(&self, dialect: &Dialect, plan: &Plan) -> (Vec<String>, Vec<Sampled>) {
        let mut records = self.read(dialect.syntax, plan, HEADER_WITHIN);
        let behind = records.iter().position(|record| record.line > dialect.skip).unwrap_or(records.len());
        let mut rows = records.split_off(behind);
        let header = if rows.is_empty() { Vec::new() } else { rows.remove(0).fields };
        (header, rows)
    }

    fn header_mismatch(&self, problems: &[String], found: &[String], advice: &str) -> AdapterError {
        let names: Vec<String> = found.iter().take(60).map(|name| shortened(name, 60)).collect();
        let shown = if names.is_empty() { "none".to_owned() } else { names.join(" | ") };
        let context = format!("{}; header found: {shown}; {advice}", problems.join("; "));
        AdapterError::new(Class::Data, "HeaderMismatch", self.operation, context)
    }
}
