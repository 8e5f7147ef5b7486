//! Records of vendors that write numbers as texts and texts as numbers, read field by field.

use serde_json::value::RawValue;

use crate::json::{Keys, Object, Scalar};
use crate::lenient::Text;

/// One value as a record.
#[must_use]
pub fn record(raw: &RawValue) -> Option<Object<'_>> {
    serde_json::from_str(raw.get()).ok()
}

/// A text, or a number as its text, without spaces around it; an empty one is none.
#[must_use]
pub fn as_text(raw: &RawValue) -> Option<String> {
    serde_json::from_str::<Text<'_>>(raw.get()).ok()?.trimmed().map(str::to_owned)
}

/// [`as_text`] of a field.
#[must_use]
pub fn text(record: &Object<'_>, name: &str) -> Option<String> {
    as_text(record.raw(name, Keys::Exact)?)
}

/// A whole number of a record that may be written as a text; `Ok(None)` where there is none.
///
/// # Errors
/// When something else stands there.
#[allow(clippy::result_unit_err, reason = "only whether it can be read matters; the caller knows the field")]
pub fn whole_number(record: &Object<'_>, name: &str) -> Result<Option<i64>, ()> {
    match record.scalar(name, Keys::Exact) {
        Scalar::Missing | Scalar::Null => Ok(None),
        Scalar::Text(text) if text.trim().is_empty() => Ok(None),
        scalar => scalar.number_text().and_then(|text| text.parse().ok()).map(Some).ok_or(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_whichever_way_it_is_written() {
        let raw: &RawValue =
            serde_json::from_str(r#"{"a":" 12 ","b":12,"c":"","d":null,"e":"x","f":[],"g":1.5}"#).unwrap();
        let fields = record(raw).unwrap();
        assert_eq!(["a", "b", "e"].map(|name| text(&fields, name).unwrap()), ["12", "12", "x"]);
        assert!(["c", "d", "f", "missing"].iter().all(|name| text(&fields, name).is_none()));
        assert!(["a", "b"].iter().all(|name| whole_number(&fields, name) == Ok(Some(12))));
        assert!(["c", "d", "missing"].iter().all(|name| whole_number(&fields, name) == Ok(None)));
        assert!(["e", "f", "g"].iter().all(|name| whole_number(&fields, name) == Err(())));
    }
}
