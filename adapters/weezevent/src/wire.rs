//! The vendor's own shapes, read leniently: numbers may be texts, and one odd record loses nothing else.

use jiff::civil::DateTime;
use passerelle_kit::json::{Keys, Object};
use passerelle_kit::records::{as_text, record, text};
use serde_json::value::RawValue;

/// Longest id, in characters: three of them and two hyphens still fit a key of the contract.
const LONGEST_ID: usize = 16;
/// How deep categories of tariffs may lie in each other.
const DEEPEST: u32 = 8;
/// What a date without value looks like.
const NO_DATE: &str = "0000-00-00 00:00:00";

/// Is this an id? Those of distributors outside are texts.
fn is_id(text: &str) -> bool {
    (1..=LONGEST_ID).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// An id of a record.
pub(crate) fn id(record: &Object<'_>, name: &str) -> Option<String> {
    text(record, name).filter(|id| is_id(id))
}

/// A list of a record, each entry to be read apart; `None` when there is none.
pub(crate) fn list<'a>(record: &Object<'a>, name: &str) -> Option<Vec<&'a RawValue>> {
    serde_json::from_str(record.raw(name, Keys::Exact)?.get()).ok()
}

/// The list that an answer holds under its one name; `None` when it is no such answer.
pub(crate) fn answer<'a>(body: &'a str, name: &str) -> Option<Vec<&'a RawValue>> {
    list(&serde_json::from_str(body).ok()?, name)
}

/// The token of a sign-in, whichever of its two names it has.
pub(crate) fn token(body: &str) -> Option<String> {
    let answer: Object<'_> = serde_json::from_str(body).ok()?;
    ["accessToken", "access_token"].into_iter().find_map(|name| text(&answer, name))
}

/// When something begins: a text, or the start of a period.
pub(crate) fn starts(record: &Object<'_>) -> Option<DateTime> {
    let raw = record.raw("date", Keys::Exact)?;
    let written = as_text(raw).or_else(|| text(&passerelle_kit::records::record(raw)?, "start"))?;
    (written.len() == NO_DATE.len() && written != NO_DATE).then(|| written.parse().ok())?
}

/// Ids that a date names as its tariffs: as records or alone.
pub(crate) fn named_tariffs(date: &Object<'_>) -> Vec<String> {
    let one = |raw: &RawValue| record(raw).map_or_else(|| as_text(raw), |tariff| id(&tariff, "id"));
    list(date, "tickets").unwrap_or_default().into_iter().filter_map(one).collect()
}

/// Every tariff of an event, those of its categories and their categories too.
pub(crate) fn tariffs<'a>(event: &Object<'a>) -> Vec<&'a RawValue> {
    let mut all = Vec::new();
    gather(event, DEEPEST, &mut all);
    all
}

fn gather<'a>(holder: &Object<'a>, deeper: u32, all: &mut Vec<&'a RawValue>) {
    all.extend(list(holder, "tickets").unwrap_or_default());
    let Some(deeper) = deeper.checked_sub(1) else { return };
    for category in list(holder, "categories").unwrap_or_default().into_iter().filter_map(record) {
        gather(&category, deeper, all);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(text: &str) -> Object<'_> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_token_has_two_names() {
        assert_eq!(token(r#"{"accessToken":"a"}"#).as_deref(), Some("a"));
        assert_eq!(token(r#"{"access_token":"b"}"#).as_deref(), Some("b"));
        for odd in ["{}", r#"{"accessToken":""}"#, r#"{"accessToken":null}"#, "[]", "a"] {
            assert_eq!(token(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_beginning_stands_alone_or_in_a_period() {
        let read = |written: &str| starts(&object(&format!(r#"{{"date":{written}}}"#))).map(|at| at.to_string());
        let expected = Some("2031-05-14T20:30:00".to_owned());
        assert_eq!(read(r#""2031-05-14 20:30:00""#), expected);
        assert_eq!(read(r#"{"start":"2031-05-14 20:30:00","end":"x"}"#), expected);
        for odd in [r#""0000-00-00 00:00:00""#, r#""2031-05-14""#, r#""2031-02-30 20:30:00""#, "null", "[]", "{}"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    #[test]
    fn categories_lie_in_each_other_and_end_somewhere() {
        let nested =
            r#"{"tickets":[1],"categories":[{"tickets":[2,3],"categories":[{"tickets":[4]}]},7,{"tickets":null}]}"#;
        assert_eq!(tariffs(&object(nested)).len(), 4);
        let deep = (0..50).fold(r#"{"tickets":[1]}"#.to_owned(), |inner, _| format!(r#"{{"categories":[{inner}]}}"#));
        assert_eq!(tariffs(&object(&deep)).len(), 0);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(body in "\\PC{0,60}", value in "[\\[\\]{}\",:0-9a-z ]{0,20}") {
            let _ = (token(&body), answer(&body, "events"));
            let text = format!(r#"{{"date":{value},"tickets":{value},"categories":[{value}],"quota":{value}}}"#);
            if let Ok(object) = serde_json::from_str::<Object<'_>>(&text) {
                let _ = (starts(&object), named_tariffs(&object), tariffs(&object), passerelle_kit::records::whole_number(&object, "quota"));
            }
        }
    }
}
