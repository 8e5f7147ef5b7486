//! From an entry to a stock line, or to a row that stays behind with its reason.
//!
//! Price and quantity are two statements: what is sold out is heard whatever stands in its price, and a price that cannot be
//! read leaves a row behind whose quantity is heard all the same.
//!
//! Invariant: pure; every entry becomes exactly one row. Prices above pass Culture's maximum are facts like any other: what may
//! be sold is for the gateway's rules.

use jiff::Timestamp;
use passerelle_contract::{
    DataError, DataProblem, Ean, Legible, Note, NoteKind, Position, Quantity, Row, Severity, StockLine,
};
use passerelle_kit::json::Scalar;
use passerelle_kit::money::{self, Count, DecimalMark, NumberProblem, Price, PriceUnit};
use passerelle_kit::reference::{self, ReferenceProblem};
use serde_json::value::RawValue;

use crate::settings::Reading;
use crate::wire::WireEntry;

/// Characters of the vendor's key and values that messages show.
const MAX_SHOWN_CHARS: usize = 100;

/// Rows being gathered, with the notes on them.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) rows: Vec<Row<StockLine>>,
    pub(crate) notes: Vec<Note>,
    /// Entries whose `validUntil` was no instant; it was left out of account.
    pub(crate) unread_validity: u32,
    /// Entries whose price is said to be in cents and has a fraction: most likely it is in euros.
    pub(crate) cent_fractions: usize,
}

impl Rows {
    /// Adds one entry of a polled page.
    pub(crate) fn add(&mut self, raw: &RawValue, at: Position, reading: Reading, now: Timestamp) {
        let Some(entry) = WireEntry::read(raw, reading) else {
            return self.rows.push(poison(at, None, &Wrong::not_an_object()));
        };
        match self.line(&entry, at, reading, now) {
            Ok(line) => self.rows.push(Row::Good(line)),
            Err(wrong) => self.rows.push(stays_behind(at, &entry, &wrong)),
        }
    }

    fn line(
        &mut self,
        entry: &WireEntry<'_>,
        at: Position,
        reading: Reading,
        now: Timestamp,
    ) -> Result<StockLine, Wrong> {
        let ean = read_reference(&entry.reference)?;
        let count = read_quantity(&entry.available).map_err(|wrong| wrong.about(ean, None))?;
        let mut kinds = Vec::new();
        if count.clamped {
            kinds.push(NoteKind::NegativeQuantityClamped);
        }
        let copies = match validity(&entry.valid_until, now) {
            Validity::Passed => {
                kinds.push(NoteKind::Expired);
                0
            }
            Validity::Open => count.copies,
            Validity::Unread => {
                self.unread_validity += 1;
                count.copies
            }
        };
        let (price, written) = read_price(&entry.price, reading.unit);
        self.cent_fractions += usize::from(price == Err(NumberProblem::CentFraction));
        let price = money::price_beside_copies(price, copies, reading.min_price)
            .map_err(|problem| Wrong::price(problem, &written).about(ean, Some(copies)))?;
        if price.is_some_and(|price| price.rounded) {
            kinds.push(NoteKind::RoundedPrice);
        }
        self.notes.extend(kinds.into_iter().map(|kind| Note { at, ean: Some(ean), kind }));
        Ok(StockLine { ean, price: price.map(|price| price.cents), quantity: Quantity::Exactly(copies), at })
    }
}

/// Why an entry stays behind.
pub(crate) struct Wrong {
    problem: DataProblem,
    message: String,
    message_fr: String,
    /// What the entry says all the same.
    legible: Box<Legible>,
}

impl Wrong {
    /// The entry names this reference, and states this quantity.
    pub(crate) fn about(mut self, ean: Ean, copies: Option<u32>) -> Self {
        self.legible.eans = vec![ean];
        self.legible.quantity = copies.map(Quantity::Exactly);
        self
    }

    fn not_an_object() -> Self {
        Self {
            problem: DataProblem { code: "BadLine", severity: Severity::Unreadable },
            message: "the entry is not an object with ref, available and price".to_owned(),
            message_fr: "L'entrée n'est pas un objet avec ref, available et price.".to_owned(),
            legible: Box::default(),
        }
    }

    fn reference(problem: ReferenceProblem, written: &str) -> Self {
        Self {
            problem: problem.problem(),
            message: format!("ref {}: {problem}", quoted(written)),
            message_fr: problem.message_fr(),
            legible: Box::new(Legible {
                eans: reference::eans_in(written.as_bytes()),
                begins_with: reference::rounded_beginning(written),
                ..Legible::default()
            }),
        }
    }

    pub(crate) fn price(problem: NumberProblem, written: &str) -> Self {
        Self {
            problem: problem.price_problem(),
            message: format!("price {}: {problem}", quoted(written)),
            message_fr: format!("Prix : {}", problem.message_fr()),
            legible: Box::default(),
        }
    }

    fn quantity(problem: NumberProblem, written: &str) -> Self {
        Self {
            problem: problem.quantity_problem(),
            message: format!("available {}: {problem}", quoted(written)),
            message_fr: format!("Quantité : {}", problem.message_fr()),
            legible: Box::default(),
        }
    }
}

/// A row that stays behind.
pub(crate) fn poison(at: Position, key: Option<String>, wrong: &Wrong) -> Row<StockLine> {
    Row::Poison(Box::new(DataError {
        at,
        key,
        problem: wrong.problem,
        message: wrong.message.clone(),
        message_fr: wrong.message_fr.clone(),
        legible: Legible::clone(&wrong.legible),
    }))
}

/// An entry that stays behind, with what it says as it is written.
pub(crate) fn stays_behind(at: Position, entry: &WireEntry<'_>, wrong: &Wrong) -> Row<StockLine> {
    let shown = |written: &Scalar<'_>| match written {
        Scalar::Text(text) => format!("{:?}", shortened(text)),
        Scalar::Number(text) => shortened(text),
        Scalar::Missing => "(missing)".to_owned(),
        Scalar::Null => "null".to_owned(),
        Scalar::Other => "(neither a text nor a number)".to_owned(),
    };
    let (reference, available, price) = (shown(&entry.reference), shown(&entry.available), shown(&entry.price));
    let mut row = poison(at, shown_key(entry), wrong);
    if let Row::Poison(error) = &mut row {
        error.legible.cells = Some(format!("ref={reference} available={available} price={price}"));
    }
    row
}

pub(crate) fn read_reference(written: &Scalar<'_>) -> Result<Ean, Wrong> {
    match written {
        // A number has lost its leading zeros: thirteen digits is what they stood for.
        Scalar::Number(digits) => {
            reference::normalise(&format!("{digits:0>13}")).map_err(|problem| Wrong::reference(problem, digits))
        }
        Scalar::Text(text) => reference::normalise(text).map_err(|problem| Wrong::reference(problem, text)),
        Scalar::Missing | Scalar::Null => Err(Wrong::reference(ReferenceProblem::Missing, "")),
        Scalar::Other => Err(Wrong::reference(ReferenceProblem::Characters, "")),
    }
}

/// The price, and how it is written.
fn read_price(written: &Scalar<'_>, unit: PriceUnit) -> (Result<Price, NumberProblem>, String) {
    let text = written.number_text().unwrap_or_default().to_owned();
    let read = read_number(written, |text, mark| {
        // `1290.0` is how some programs print the whole number 1290 in JSON.
        let whole = if mark == DecimalMark::Point { text.strip_suffix(".0").unwrap_or(text) } else { text };
        money::price(if unit == PriceUnit::Cent { whole } else { text }, unit, mark)
    });
    (read.map_err(|(problem, _)| problem), text)
}

fn read_quantity(written: &Scalar<'_>) -> Result<Count, Wrong> {
    read_number(written, money::quantity).map_err(|(problem, text)| Wrong::quantity(problem, &text))
}

fn read_number<T>(
    written: &Scalar<'_>,
    read: impl Fn(&str, DecimalMark) -> Result<T, NumberProblem>,
) -> Result<T, (NumberProblem, String)> {
    match written {
        // JSON's own point; only a text may hold a French comma.
        Scalar::Number(text) => read(text, DecimalMark::Point).map_err(|problem| (problem, (*text).to_owned())),
        Scalar::Text(text) => read(text, DecimalMark::Auto).map_err(|problem| (problem, text.to_string())),
        Scalar::Missing | Scalar::Null => Err((NumberProblem::Missing, String::new())),
        Scalar::Other => Err((NumberProblem::Bad, String::new())),
    }
}

enum Validity {
    Open,
    Passed,
    Unread,
}

fn validity(written: &Scalar<'_>, now: Timestamp) -> Validity {
    match written {
        Scalar::Missing | Scalar::Null => Validity::Open,
        Scalar::Text(text) if text.is_empty() => Validity::Open,
        Scalar::Text(text) => match text.parse::<Timestamp>() {
            Ok(until) if until <= now => Validity::Passed,
            Ok(_) => Validity::Open,
            Err(_) => Validity::Unread,
        },
        Scalar::Number(_) | Scalar::Other => Validity::Unread,
    }
}

pub(crate) fn shown_key(entry: &WireEntry<'_>) -> Option<String> {
    entry.raw_reference().map(shortened)
}

fn quoted(written: &str) -> String {
    if written.is_empty() { "(nothing)".to_owned() } else { format!("`{}`", shortened(written)) }
}

fn shortened(written: &str) -> String {
    written.chars().filter(|c| !c.is_control()).take(MAX_SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use passerelle_contract::Cents;
    use proptest::prelude::*;

    use super::*;

    const AT: Position = Position::Entry { page: 1, entry: 1 };
    const READING: Reading = Reading {
        unit: PriceUnit::Euro,
        case_insensitive_keys: false,
        generation_1: false,
        leading_dot_numbers: false,
        min_price: money::USUAL_FLOOR,
    };

    fn read(entry: &str) -> Rows {
        let raw = RawValue::from_string(entry.to_owned()).unwrap();
        let mut rows = Rows::default();
        rows.add(&raw, AT, READING, "2026-06-01T00:00:00Z".parse().unwrap());
        rows
    }

    fn outcome(entry: &str) -> Result<(String, u32, u32, Vec<NoteKind>), &'static str> {
        let rows = read(entry);
        match &rows.rows[0] {
            Row::Good(line) => {
                let Quantity::Exactly(copies) = line.quantity else { panic!("{line:?}") };
                let notes = rows.notes.iter().map(|note| note.kind).collect();
                Ok((line.ean.to_string(), line.price.unwrap_or_default().0, copies, notes))
            }
            Row::Poison(error) => {
                assert!(!error.message.is_empty() && !error.message_fr.is_empty(), "{error:?}");
                Err(error.problem.code)
            }
        }
    }

    #[test]
    fn entries_become_lines_or_say_why_not() {
        use NoteKind::*;
        let ok = |ean: &str, price, copies, notes: &[NoteKind]| Ok((ean.to_owned(), price, copies, notes.to_vec()));
        let ean = "9782999999107";
        for (entry, expected) in [
            (r#"{"ref": "9782999999107", "available": 6, "price": 35.00}"#, ok(ean, 3500, 6, &[])),
            (r#"{"ref": 9782999999107, "available": "4", "price": "7,90"}"#, ok(ean, 790, 4, &[])),
            (r#"{"ref": 602435931975, "available": 1, "price": 9}"#, ok("0602435931975", 900, 1, &[])),
            (r#"{"ref": "978-2-9999991-0-7", "available": 3.0, "price": 1}"#, ok(ean, 100, 3, &[])),
            (r#"{"ref": "9782999999107", "available": 1, "price": 17.905}"#, ok(ean, 1791, 1, &[RoundedPrice])),
            (r#"{"ref": "9782999999107", "available": -2, "price": 1}"#, ok(ean, 100, 0, &[NegativeQuantityClamped])),
            (
                r#"{"ref": "9782999999107", "available": 2, "price": 1, "validUntil": "2026-05-31T23:00:00.000Z"}"#,
                ok(ean, 100, 0, &[Expired]),
            ),
            (
                r#"{"ref": "9782999999107", "available": 2, "price": 1, "validUntil": "2026-12-31T23:00:00Z"}"#,
                ok(ean, 100, 2, &[]),
            ),
            (r#"{"ref": "9782999999107", "available": 2, "price": 0}"#, Err("ZeroPrice")),
            (r#"{"ref": "9782999999107", "available": 2, "price": 0.01}"#, Err("PriceBelowFloor")),
            (r#"{"ref": "9782999999107", "available": 2, "price": "1,250"}"#, Err("AmbiguousNumber")),
            (r#"{"ref": "9782999999107", "available": 2, "price": 1.250}"#, ok(ean, 125, 2, &[])),
            (r#"{"ref": "9782999999107", "available": 0, "price": null}"#, ok(ean, 0, 0, &[])),
            (r#"{"ref": "9782999999107", "available": 0}"#, ok(ean, 0, 0, &[])),
            (r#"{"ref": "9782999999107", "available": 0, "price": "NC"}"#, ok(ean, 0, 0, &[])),
            (r#"{"ref": "9782999999107", "available": -1, "price": -1}"#, ok(ean, 0, 0, &[NegativeQuantityClamped])),
            (
                r#"{"ref": "9782999999107", "available": 2, "price": null, "validUntil": "2026-05-31T23:00:00.000Z"}"#,
                ok(ean, 0, 0, &[Expired]),
            ),
            (r#"{"ref": "9782999999107", "available": 9782070000012, "price": 1}"#, ok(ean, 100, u32::MAX, &[])),
            (r#"{"ref": "9782999999107", "available": 2, "price": 99999}"#, ok(ean, 9_999_900, 2, &[])),
            (r#"{"ref": "9782999999107", "available": 2}"#, Err("MissingPrice")),
            (r#"{"ref": "9782999999107", "available": 2, "price": null}"#, Err("MissingPrice")),
            (r#"{"ref": "9782999999107", "available": 2, "price": -1}"#, Err("BadNumber")),
            (r#"{"ref": "9782999999107", "available": 2.5, "price": 1}"#, Err("BadNumber")),
            (r#"{"ref": "9782999999107", "available": true, "price": 1}"#, Err("BadNumber")),
            (r#"{"ref": "9782999999107", "price": 1}"#, Err("MissingQuantity")),
            (r#"{"ref": "9782999999108", "available": 2, "price": 1}"#, Err("BadCheckDigit")),
            (r#"{"ref": "9,78299999911E+12", "available": 2, "price": 1}"#, Err("LossyReference")),
            (r#"{"ref": "9782999999107-O", "available": 2, "price": 1}"#, Err("UsedCopy")),
            (r#"{"available": 2, "price": 1}"#, Err("BadLength")),
            ("[1]", Err("BadLine")),
            ("null", Err("BadLine")),
        ] {
            assert_eq!(outcome(entry), expected, "{entry}");
        }
    }

    #[test]
    fn a_row_that_stays_behind_says_what_it_can() {
        let legible = |entry: &str| match &read(entry).rows[0] {
            Row::Poison(error) => error.legible.clone(),
            Row::Good(line) => panic!("{line:?}"),
        };
        let ean: Ean = "9782999999107".parse().unwrap();
        for price in ["0", "null", "\"NC\"", "-5", "0.01"] {
            let read = legible(&format!(r#"{{"ref": "9782999999107", "available": 4, "price": {price}}}"#));
            assert_eq!((read.quantity, &read.eans[..]), (Some(Quantity::Exactly(4)), &[ean][..]), "{price}");
            assert!(read.cells.is_some_and(|cells| cells.contains("available=4")), "{price}");
        }
        let read = legible(r#"{"ref": "9782999999107", "available": "plein", "price": 1}"#);
        assert_eq!((read.quantity, &read.eans[..]), (None, &[ean][..]));
        assert_eq!(legible(r#"{"ref": "9782999999107-01", "available": 1, "price": 1}"#).eans, [ean]);
        let rounded = legible(r#"{"ref": "9,78299999911E+12", "available": 1, "price": 1}"#);
        assert_eq!(rounded.begins_with.as_deref(), Some("97829999991"));
    }

    #[test]
    fn cents_are_whole() {
        assert_eq!(outcome_in_cents("1290.0"), Some(1290));
        assert_eq!(outcome_in_cents("12.90"), None);
    }

    fn outcome_in_cents(price: &str) -> Option<u32> {
        let entry = format!(r#"{{"ref": "9782999999107", "available": 1, "price": {price}}}"#);
        let mut rows = Rows::default();
        let reading = Reading { unit: PriceUnit::Cent, ..READING };
        rows.add(&RawValue::from_string(entry).unwrap(), AT, reading, Timestamp::UNIX_EPOCH);
        match rows.rows.pop() {
            Some(Row::Good(line)) => line.price.map(|price| price.0),
            _ => None,
        }
    }

    #[test]
    fn cents_are_read_as_they_are() {
        let raw = RawValue::from_string(r#"{"ref": "9782999999107", "available": 1, "price": 1290}"#.into()).unwrap();
        let mut rows = Rows::default();
        rows.add(&raw, AT, Reading { unit: PriceUnit::Cent, ..READING }, Timestamp::UNIX_EPOCH);
        assert!(matches!(rows.rows[0], Row::Good(line) if line.price == Some(Cents(1290))), "{:?}", rows.rows);
    }

    proptest! {
        #[test]
        fn any_json_becomes_exactly_one_row(reference in ".{0,30}", price in any::<f64>(), count in any::<i64>()) {
            let entry = serde_json::json!({"ref": reference, "price": price, "available": count}).to_string();
            prop_assert_eq!(read(&entry).rows.len(), 1);
        }
    }
}
