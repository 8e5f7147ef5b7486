//! From an entry to a stock line, or to a row that stays behind with its reason.
//!
//! Invariant: pure; every entry becomes exactly one row. Prices of zero or above pass Culture's maximum are facts like any
//! other: what may be sold is for the gateway's rules.

use jiff::Timestamp;
use passerelle_contract::{DataError, DataProblem, Note, NoteKind, Position, Quantity, Row, Severity, StockLine};
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
}

impl Rows {
    /// Adds one entry of a polled page.
    pub(crate) fn add(&mut self, raw: &RawValue, at: Position, reading: Reading, now: Timestamp) {
        let Some(entry) = WireEntry::read(raw, reading) else {
            return self.rows.push(poison(at, None, &Wrong::not_an_object()));
        };
        match self.line(&entry, at, reading, now) {
            Ok(line) => self.rows.push(Row::Good(line)),
            Err(wrong) => self.rows.push(poison(at, shown_key(&entry), &wrong)),
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
        let price = read_price(&entry.price, reading.unit)?;
        let count = read_quantity(&entry.available)?;
        let mut note = |kind| self.notes.push(Note { at, ean: None, kind });
        if price.rounded {
            note(NoteKind::RoundedPrice);
        }
        if count.clamped {
            note(NoteKind::NegativeQuantityClamped);
        }
        let copies = match validity(&entry.valid_until, now) {
            Validity::Passed => {
                note(NoteKind::Expired);
                0
            }
            Validity::Open => count.copies,
            Validity::Unread => {
                self.unread_validity += 1;
                count.copies
            }
        };
        Ok(StockLine { ean, price: Some(price.cents), quantity: Quantity::Exactly(copies), at })
    }
}

/// Why an entry stays behind.
pub(crate) struct Wrong {
    problem: DataProblem,
    message: String,
    message_fr: String,
}

impl Wrong {
    fn not_an_object() -> Self {
        Self {
            problem: DataProblem { code: "BadLine", severity: Severity::Unreadable },
            message: "the entry is not an object with ref, available and price".to_owned(),
            message_fr: "L'entrée n'est pas un objet avec ref, available et price.".to_owned(),
        }
    }

    fn reference(problem: ReferenceProblem, written: &str) -> Self {
        Self {
            problem: problem.problem(),
            message: format!("ref {}: {problem}", quoted(written)),
            message_fr: problem.message_fr(),
        }
    }

    fn price(problem: NumberProblem, written: &str) -> Self {
        Self {
            problem: problem.price_problem(),
            message: format!("price {}: {problem}", quoted(written)),
            message_fr: format!("Prix : {}", problem.message_fr()),
        }
    }

    fn quantity(problem: NumberProblem, written: &str) -> Self {
        Self {
            problem: problem.quantity_problem(),
            message: format!("available {}: {problem}", quoted(written)),
            message_fr: format!("Quantité : {}", problem.message_fr()),
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
        legible: Box::default(),
    }))
}

pub(crate) fn read_reference(written: &Scalar<'_>) -> Result<passerelle_contract::Ean, Wrong> {
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

fn read_price(written: &Scalar<'_>, unit: PriceUnit) -> Result<Price, Wrong> {
    read_number(written, |text, mark| money::price(text, unit, mark))
        .map_err(|(problem, text)| Wrong::price(problem, &text))
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
            (r#"{"ref": "9782999999107", "available": 2, "price": 0}"#, ok(ean, 0, 2, &[])),
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
    fn cents_are_whole() {
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
