//! Fields of vendors' JSON, read so that one odd value never loses its record: what cannot be read is absent.
//!
//! Invariant: deserializing one of these from valid JSON never fails, and no number passes through a binary float.

use std::borrow::Cow;

use passerelle_contract::Cents;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::json::Scalar;
use crate::money::{self, DecimalMark, PriceUnit};

/// A whole number, whatever way it is written; anything else is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Int(pub Option<i64>);

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(Scalar::of(Some(raw)).number_text().and_then(|text| text.parse().ok())))
    }
}

/// An amount in euros, in cents; anything else is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount(pub Option<Cents>);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        let read = |text: &str| money::price(text, PriceUnit::Euro, DecimalMark::Point).ok();
        Ok(Self(Scalar::of(Some(raw)).number_text().and_then(read).map(|price| price.cents)))
    }
}

/// A text, or a number as its text; anything else, and an empty one, is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(match Scalar::of(Some(raw)) {
            Scalar::Text(text) => Some(text),
            Scalar::Number(text) => Some(Cow::Borrowed(text)),
            _ => None,
        }))
    }
}

impl Text<'_> {
    /// Without the spaces around it; `None` when nothing is left.
    #[must_use]
    pub fn trimmed(&self) -> Option<&str> {
        self.0.as_deref().map(str::trim).filter(|text| !text.is_empty())
    }
}

/// Only `true` is true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flag(pub bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(<&RawValue>::deserialize(deserializer)?.get() == "true"))
    }
}

/// JSON as it came, without the mark that some servers put before it; `None` when it is not UTF-8.
#[must_use]
pub fn text(body: &[u8]) -> Option<&str> {
    std::str::from_utf8(body).ok().map(|text| text.trim_start_matches('\u{feff}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq, Eq)]
    struct Record<'a> {
        #[serde(default)]
        number: Int,
        #[serde(default)]
        price: Amount,
        #[serde(borrow, default)]
        name: Text<'a>,
        #[serde(default)]
        open: Flag,
    }

    fn read(text: &str) -> Record<'_> {
        serde_json::from_str(text).unwrap_or_default()
    }

    #[test]
    fn reads_what_it_can() {
        let record = read(r#"{"number": " 12 ", "price": 7.5, "name": " Le \u00e9t\u00e9 ", "open": true}"#);
        assert_eq!(record.number.0, Some(12));
        assert_eq!(record.price.0, Some(Cents(750)));
        assert_eq!(record.name.trimmed(), Some("Le \u{e9}t\u{e9}"));
        assert!(record.open.0);
        assert_eq!(read(r#"{"name": 12}"#).name.trimmed(), Some("12"));
    }

    #[test]
    fn an_odd_value_is_absent_and_loses_nothing_else() {
        for odd in ["null", "[]", "{\"a\": 1}", "true", "\"x\"", "1.5"] {
            let text = format!("{{\"number\": {odd}, \"name\": \"kept\"}}");
            let record = read(&text);
            assert_eq!((record.number.0, record.name.trimmed()), (None, Some("kept")), "{odd}");
        }
        assert_eq!(
            read(r#"{"name": "  ", "open": "true"}"#),
            Record { name: Text(Some("  ".into())), ..Record::default() }
        );
    }
}
