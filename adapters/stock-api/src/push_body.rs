//! Reads a posted body by the rules of pass Culture's former stock endpoint.
//!
//! One bad field refuses the whole body with a flat map from path to French messages; a reference that is no EAN does not,
//! since that endpoint never looked at it: it becomes a row that stays behind.
//!
//! Invariant: pure, no clock: the same bytes always give the same rows.

use std::fmt;

use passerelle_contract::{Cents, IntakeError, Note, NoteKind, Position, Quantity, Row, StockLine};
use passerelle_kit::json::{Keys, Object, Scalar};
use passerelle_kit::money::{self, DecimalMark, PriceUnit};
use serde::Deserializer as _;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::facts::{Wrong, read_reference, stays_behind};
use crate::wire::{WireEntry, without_mark};

/// Entries of one body; more is answered with 413.
pub(crate) const MAX_ENTRIES: usize = 10_000;

/// Messages of one refusal; a reader repairs these first.
const MAX_PROBLEMS: usize = 1000;

const REQUIRED: &str = "Ce champ est obligatoire";
const NOT_NULL: &str = "Ce champ ne peut pas être nul";
const NOT_A_NUMBER: &str = "Saisissez un nombre valide";
const NOT_BELOW_ZERO: &str = "Saisissez un nombre supérieur ou égal à 0";
const ABOVE_ZERO: &str = "Saisissez un nombre supérieur à 0";
// The texts below are ours: the former endpoint's are not known.
const TOO_MANY_DECIMALS: &str = "Saisissez un nombre avec deux décimales au plus";
const NOT_CENTS: &str = "Saisissez un nombre entier de centimes";
const NOT_TEXT: &str = "Saisissez un texte";
const NOT_A_LIST: &str = "Saisissez une liste";
const NOT_AN_OBJECT: &str = "Saisissez un objet avec ref, available et price";
const NOT_JSON: &str = "Le corps de la requête n'est pas un JSON lisible";

type Rows = (Vec<Row<StockLine>>, Vec<Note>);

/// Turns a body into rows.
///
/// # Errors
/// [`IntakeError::Invalid`] with the map of messages, [`IntakeError::TooMany`] above [`MAX_ENTRIES`].
pub(crate) fn read(body: &[u8], unit: PriceUnit, floor: Cents) -> Result<Rows, IntakeError> {
    let root: &RawValue = serde_json::from_slice(without_mark(body)).map_err(|_| invalid("global", NOT_JSON))?;
    let object: Object<'_> = serde_json::from_str(root.get()).map_err(|_| invalid("global", NOT_AN_OBJECT))?;
    let list = match (object.raw("stocks", Keys::Exact), object.scalar("stocks", Keys::Exact)) {
        (None, _) => return Err(invalid("stocks", REQUIRED)),
        (Some(_), Scalar::Null) => return Err(invalid("stocks", NOT_NULL)),
        (Some(list), _) if list.get().starts_with('[') => list,
        (Some(_), _) => return Err(invalid("stocks", NOT_A_LIST)),
    };
    let entries = serde_json::Deserializer::from_str(list.get())
        .deserialize_seq(Bounded)
        .map_err(|_| invalid("global", NOT_JSON))?
        .ok_or(IntakeError::TooMany)?;
    read_entries(&entries, unit, floor)
}

fn read_entries(entries: &[&RawValue], unit: PriceUnit, floor: Cents) -> Result<Rows, IntakeError> {
    let mut problems = Map::new();
    let (mut rows, mut notes) = (Vec::with_capacity(entries.len()), Vec::new());
    for (at, raw) in entries.iter().enumerate() {
        let position = Position::Entry { page: 1, entry: u32::try_from(at + 1).unwrap_or(u32::MAX) };
        match read_entry(raw, position, (unit, floor), &mut notes) {
            Ok(row) => rows.push(row),
            Err(fields) => {
                problems.extend(fields.into_iter().map(|(field, text)| {
                    let path = if field.is_empty() { format!("stocks.{at}") } else { format!("stocks.{at}.{field}") };
                    (path, json!([text]))
                }));
            }
        }
        if problems.len() >= MAX_PROBLEMS {
            break;
        }
    }
    if problems.is_empty() { Ok((rows, notes)) } else { Err(IntakeError::Invalid(Value::Object(problems))) }
}

type FieldProblems = Vec<(&'static str, &'static str)>;

fn read_entry(
    raw: &RawValue,
    at: Position,
    (unit, floor): (PriceUnit, Cents),
    notes: &mut Vec<Note>,
) -> Result<Row<StockLine>, FieldProblems> {
    let Ok(object) = serde_json::from_str::<Object<'_>>(raw.get()) else { return Err(vec![("", NOT_AN_OBJECT)]) };
    let entry = WireEntry {
        reference: object.scalar("ref", Keys::Exact),
        available: object.scalar("available", Keys::Exact),
        price: object.scalar("price", Keys::Exact),
        valid_until: Scalar::Missing,
    };
    let reference = check_reference(&entry.reference);
    let copies = read_copies(&entry.available);
    let price = read_price(&entry.price, unit);
    let (Ok(()), Ok(copies), Ok(price)) = (reference, copies, price) else {
        let all = [("ref", reference.err()), ("available", copies.err()), ("price", price.err())];
        return Err(all.into_iter().filter_map(|(field, text)| Some((field, text?))).collect());
    };
    let line = read_reference(&entry.reference).and_then(|ean| {
        let written = entry.price.number_text().unwrap_or_default();
        let price = money::price_beside_copies(Ok(price), copies, floor)
            .map_err(|problem| Wrong::price(problem, written).about(ean, Some(copies)))?;
        if price.is_some_and(|price| price.rounded) {
            notes.push(Note { at, ean: Some(ean), kind: NoteKind::RoundedPrice });
        }
        Ok(StockLine { ean, price: price.map(|price| price.cents), quantity: Quantity::Exactly(copies), at })
    });
    Ok(line.map_or_else(|wrong| stays_behind(at, &entry, &wrong), Row::Good))
}

const fn check_reference(written: &Scalar<'_>) -> Result<(), &'static str> {
    match written {
        Scalar::Text(_) | Scalar::Number(_) => Ok(()),
        Scalar::Missing => Err(REQUIRED),
        Scalar::Null => Err(NOT_NULL),
        Scalar::Other => Err(NOT_TEXT),
    }
}

fn read_copies(written: &Scalar<'_>) -> Result<u32, &'static str> {
    let number = PlainNumber::read(written)?;
    if !number.is_whole() {
        return Err(NOT_A_NUMBER);
    }
    let count = money::quantity(number.text, DecimalMark::Point).map_err(|_| NOT_A_NUMBER)?;
    if count.clamped { Err(NOT_BELOW_ZERO) } else { Ok(count.copies) }
}

fn read_price(written: &Scalar<'_>, unit: PriceUnit) -> Result<money::Price, &'static str> {
    let number = PlainNumber::read(written)?;
    if number.is_negative() || number.is_zero() {
        return Err(ABOVE_ZERO);
    }
    match unit {
        PriceUnit::Cent if !number.is_whole() => return Err(NOT_CENTS),
        PriceUnit::Euro if number.decimals() > 2 => return Err(TOO_MANY_DECIMALS),
        _ => {}
    }
    let text = if unit == PriceUnit::Cent { number.whole } else { number.text };
    money::price(text, unit, DecimalMark::Point).map_err(|_| NOT_A_NUMBER)
}

/// Digits, perhaps a sign before and decimals behind them; written as a number or as a text.
struct PlainNumber<'a> {
    text: &'a str,
    whole: &'a str,
    decimals: &'a str,
}

impl<'a> PlainNumber<'a> {
    fn read(written: &'a Scalar<'_>) -> Result<Self, &'static str> {
        let text = match written {
            Scalar::Missing => return Err(REQUIRED),
            Scalar::Null => return Err(NOT_NULL),
            Scalar::Other => return Err(NOT_A_NUMBER),
            Scalar::Number(_) | Scalar::Text(_) => written.number_text().unwrap_or_default(),
        };
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(decimals) || text.len() > money::MAX_NUMBER_BYTES {
            return Err(NOT_A_NUMBER);
        }
        Ok(Self { text, whole, decimals })
    }

    /// Decimals that change the value.
    fn decimals(&self) -> usize {
        self.decimals.trim_end_matches('0').len()
    }

    fn is_whole(&self) -> bool {
        self.decimals() == 0
    }

    fn is_zero(&self) -> bool {
        self.text.bytes().all(|byte| matches!(byte, b'0' | b'.' | b'-'))
    }

    fn is_negative(&self) -> bool {
        self.text.starts_with('-')
    }
}

fn invalid(path: &str, message: &str) -> IntakeError {
    IntakeError::Invalid(json!({ path: [message] }))
}

/// A list of at most [`MAX_ENTRIES`]; `None` when it is longer.
struct Bounded;

impl<'de> Visitor<'de> for Bounded {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element()? {
            if entries.len() == MAX_ENTRIES {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
            entries.push(entry);
        }
        Ok(Some(entries))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(body: &Value) -> Value {
        match read(body.to_string().as_bytes(), PriceUnit::Euro, money::USUAL_FLOOR) {
            Err(IntakeError::Invalid(map)) => map,
            other => panic!("{body}: {other:?}"),
        }
    }

    fn one(entry: Value) -> Value {
        refused(&json!({"stocks": [{"ref": "9782999999107", "available": 1, "price": 1}, entry]}))
    }

    #[test]
    fn a_good_body_becomes_rows_in_order() {
        let body = br#"{"stocks": [
            {"ref": "9782999999107", "available": "4", "price": "12.34", "other": 1},
            {"ref": "9782999999114", "available": 0, "price": 12.900},
            {"ref": "shelf 3", "available": 1, "price": 1}]}"#;
        let (rows, _) = read(body, PriceUnit::Euro, money::USUAL_FLOOR).unwrap();
        let Row::Good(first) = &rows[0] else { panic!("{rows:?}") };
        assert_eq!((first.price, first.quantity), (Some(Cents(1234)), Quantity::Exactly(4)));
        let Row::Good(second) = &rows[1] else { panic!("{rows:?}") };
        assert_eq!((second.price, second.quantity), (Some(Cents(1290)), Quantity::Exactly(0)));
        assert!(matches!(&rows[2], Row::Poison(error) if error.key.as_deref() == Some("shelf 3")), "{rows:?}");
    }

    #[test]
    fn a_placeholder_stays_behind_and_its_quantity_is_heard() {
        let body = br#"{"stocks": [{"ref": "9782999999107", "available": 4, "price": 0.01},
            {"ref": "9782999999107", "available": 0, "price": 0.01}]}"#;
        let (rows, _) = read(body, PriceUnit::Euro, money::USUAL_FLOOR).unwrap();
        let Row::Poison(error) = &rows[0] else { panic!("{rows:?}") };
        assert_eq!((error.problem.code, error.legible.quantity), ("PriceBelowFloor", Some(Quantity::Exactly(4))));
        assert!(matches!(&rows[1], Row::Good(line) if line.price.is_none()), "{rows:?}");
    }

    #[test]
    fn every_refusal_has_its_path_and_its_french_text() {
        assert_eq!(refused(&json!({})), json!({"stocks": [REQUIRED]}));
        assert_eq!(refused(&json!({"stocks": null})), json!({"stocks": [NOT_NULL]}));
        assert_eq!(refused(&json!({"stocks": "x"})), json!({"stocks": [NOT_A_LIST]}));
        assert_eq!(one(json!({"available": 1, "price": 1})), json!({"stocks.1.ref": ["Ce champ est obligatoire"]}));
        assert_eq!(one(json!(3)), json!({"stocks.1": [NOT_AN_OBJECT]}));
        for (field, value, text) in [
            ("ref", Value::Null, "Ce champ ne peut pas être nul"),
            ("price", Value::Null, "Ce champ ne peut pas être nul"),
            ("available", Value::Null, "Ce champ ne peut pas être nul"),
            ("available", json!("beaucoup"), "Saisissez un nombre valide"),
            ("available", json!(1.5), "Saisissez un nombre valide"),
            ("available", json!(true), "Saisissez un nombre valide"),
            ("available", json!(-1), "Saisissez un nombre supérieur ou égal à 0"),
            ("price", json!(0), "Saisissez un nombre supérieur à 0"),
            ("price", json!(-3.5), "Saisissez un nombre supérieur à 0"),
            ("price", json!("12,34"), "Saisissez un nombre valide"),
            ("price", json!(12.345), TOO_MANY_DECIMALS),
        ] {
            let mut entry = json!({"ref": "9782999999107", "available": 1, "price": 1});
            entry[field] = value;
            assert_eq!(one(entry.clone()), json!({format!("stocks.1.{field}"): [text]}), "{entry}");
        }
        let all = one(json!({}));
        assert_eq!(all.as_object().map(Map::len), Some(3), "{all}");
    }

    #[test]
    fn ten_thousand_entries_are_taken_and_one_more_is_not() {
        let entry = r#"{"ref": "9782999999107", "available": 1, "price": 1}"#;
        let body = |n: usize| format!("{{\"stocks\": [{}]}}", vec![entry; n].join(","));
        assert_eq!(
            read(body(MAX_ENTRIES).as_bytes(), PriceUnit::Euro, money::USUAL_FLOOR).unwrap().0.len(),
            MAX_ENTRIES
        );
        assert_eq!(
            read(body(MAX_ENTRIES + 1).as_bytes(), PriceUnit::Euro, money::USUAL_FLOOR),
            Err(IntakeError::TooMany)
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&body, PriceUnit::Euro, money::USUAL_FLOOR);
        }

        #[test]
        fn the_same_bytes_give_the_same_rows(price in "[0-9]{1,4}(\\.[0-9]{1,2})?", count in 0_u32..99) {
            let body = format!("{{\"stocks\": [{{\"ref\": \"9782999999107\", \"available\": {count}, \"price\": \"{price}\"}}]}}");
            prop_assert_eq!(read(body.as_bytes(), PriceUnit::Euro, money::USUAL_FLOOR), read(body.as_bytes(), PriceUnit::Euro, money::USUAL_FLOOR));
        }
    }
}
