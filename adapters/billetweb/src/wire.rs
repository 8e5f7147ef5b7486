//! The vendor's own shapes, read leniently: numbers come as texts, texts as numbers, and one odd value loses nothing else.

use jiff::civil::DateTime;
use passerelle_kit::json::{Keys, Object, Scalar};
use passerelle_kit::records::{record, text};
use serde_json::value::RawValue;

/// Longest id, in digits: three of them and two hyphens still fit a key of the contract.
const LONGEST_ID: usize = 16;
/// Longest barcode and longest name of a seat, in characters.
const MAX_PRINTED_CHARS: usize = 100;
/// Longest code of an error, in characters.
const LONGEST_CODE: usize = 40;
/// What a date without value looks like.
const NO_DATE: &str = "0000-00-00 00:00:00";

/// Is this an id of the vendor's?
fn is_id(text: &str) -> bool {
    (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An id of a record.
pub(crate) fn id(record: &Object<'_>, name: &str) -> Option<String> {
    text(record, name).filter(|id| is_id(id))
}

/// `"1"`, `1` and `true` are true.
pub(crate) fn is_set(record: &Object<'_>, name: &str) -> bool {
    record.raw(name, Keys::Exact).is_some_and(|raw| matches!(raw.get(), "\"1\"" | "1" | "true"))
}

/// A date of a record: `None` where the vendor has none, `Err` where it cannot be read.
pub(crate) fn date(record: &Object<'_>, name: &str) -> Result<Option<DateTime>, ()> {
    match text(record, name) {
        None if matches!(record.scalar(name, Keys::Exact), Scalar::Number(_) | Scalar::Other) => Err(()),
        None => Ok(None),
        Some(date) if date == NO_DATE => Ok(None),
        Some(date) if date.len() == NO_DATE.len() => date.parse().map(Some).map_err(|_| ()),
        Some(_) => Err(()),
    }
}

/// What a good status brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A list: what is promised nearly everywhere.
    List,
    /// The usual way to say no: an object with a code, in place of what was asked for.
    No(No),
    /// JSON of some other shape.
    Other,
}

/// A no.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct No {
    /// As written, cut and without anything that is not a letter, a digit or `_`.
    pub(crate) code: String,
    /// In the vendor's words, uncut.
    pub(crate) description: String,
}

/// Tells what an answer is; `None` when it is no JSON.
pub(crate) fn said(body: &str) -> Option<Said> {
    let raw: &RawValue = serde_json::from_str(body).ok()?;
    if raw.get().starts_with('[') {
        return Some(Said::List);
    }
    let code = record(raw).and_then(|object| {
        let code = text(&object, "error")?;
        let code = code.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(LONGEST_CODE).collect();
        Some(No { code, description: text(&object, "description").unwrap_or_default() })
    });
    Some(code.map_or(Said::Other, Said::No))
}

/// The entries of a list, each to be read apart.
pub(crate) fn entries(list: &str) -> Vec<&RawValue> {
    serde_json::from_str(list).unwrap_or_default()
}

/// A ticket as the list of attendees has it, without who attends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attendee {
    pub(crate) order: String,
    pub(crate) email: String,
    pub(crate) session: Option<String>,
    pub(crate) barcode: Option<String>,
    pub(crate) seat: Option<String>,
    /// Somebody went in with it, and perhaps out again.
    pub(crate) scanned: bool,
    /// Taken back.
    pub(crate) void: bool,
}

/// Reads one; `None` when it does not say whose it is.
pub(crate) fn attendee(raw: &RawValue) -> Option<Attendee> {
    let record = record(raw)?;
    let printed = |name: &str| {
        text(&record, name)
            .filter(|text| text.chars().count() <= MAX_PRINTED_CHARS && !text.chars().any(char::is_control))
    };
    Some(Attendee {
        order: id(&record, "order_id")?,
        email: text(&record, "email").unwrap_or_default().to_lowercase(),
        session: text(&record, "order_session"),
        barcode: printed("barcode"),
        seat: printed("seating_location"),
        scanned: matches!(text(&record, "used").as_deref(), Some("1" | "2")),
        void: is_set(&record, "disabled"),
    })
}

/// The orders that an answer to a sale names: our name of each, the vendor's number.
pub(crate) fn made(list: &str) -> Vec<(String, String)> {
    entries(list)
        .into_iter()
        .filter_map(record)
        .filter_map(|order| Some((text(&order, "request_id")?, id(&order, "id")?)))
        .collect()
}

/// What a sale sends.
#[derive(serde::Serialize)]
pub(crate) struct NewOrders<'a> {
    pub(crate) data: Vec<NewOrder<'a>>,
}

/// One order of one ticket.
#[derive(serde::Serialize)]
pub(crate) struct NewOrder<'a> {
    pub(crate) name: &'static str,
    pub(crate) firstname: &'static str,
    pub(crate) email: &'a str,
    pub(crate) request_id: String,
    pub(crate) payment_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<&'a str>,
    /// 1 would send the ticket by e-mail.
    pub(crate) ship: u8,
    pub(crate) products: [NewProduct<'a>; 1],
}

/// Its ticket.
#[derive(serde::Serialize)]
pub(crate) struct NewProduct<'a> {
    pub(crate) ticket: &'a str,
    pub(crate) name: &'static str,
    pub(crate) firstname: &'static str,
    pub(crate) request_id: String,
    /// Euros, written from cents: no float has touched it.
    pub(crate) price: &'a RawValue,
}

/// What a cancellation sends.
#[derive(serde::Serialize)]
pub(crate) struct Doomed {
    /// Numbers of orders, as numbers.
    pub(crate) data: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_error_stands_where_a_list_should() {
        assert_eq!(said("[]"), Some(Said::List));
        assert_eq!(said(r#" [ {"error":"x"} ]"#), Some(Said::List));
        let no = |body: &str| match said(body) {
            Some(Said::No(no)) => (no.code, no.description),
            other => panic!("{other:?}"),
        };
        assert_eq!(no(r#"{"error":"rate_limiting","description":"100"}"#), ("rate_limiting".into(), "100".into()));
        assert_eq!(no(r#"{"error":"a b<c>","description":[]}"#), ("abc".into(), String::new()));
        for other in ["{}", "null", "3", r#"{"error":null}"#, r#"{"error":{}}"#] {
            assert_eq!(said(other), Some(Said::Other), "{other}");
        }
        for none in ["", "<html>", "[1"] {
            assert_eq!(said(none), None, "{none}");
        }
    }

    #[test]
    fn dates_without_value_and_dates_that_are_none_are_told_apart() {
        let date_of = |written: &str| {
            let body = format!(r#"{{"d":{written}}}"#);
            date(&serde_json::from_str(&body).unwrap(), "d")
        };
        assert_eq!(date_of(r#""2031-05-14 20:30:00""#), Ok(Some("2031-05-14T20:30:00".parse().unwrap())));
        for none in [r#""0000-00-00 00:00:00""#, r#""""#, "null"] {
            assert_eq!(date_of(none), Ok(None), "{none}");
        }
        for odd in [r#""2031-02-30 20:30:00""#, r#""2031-05-14""#, "20310514", "{}", "false"] {
            assert_eq!(date_of(odd), Err(()), "{odd}");
        }
    }

    #[test]
    fn an_attendee_is_read_whatever_way_its_numbers_are_written() {
        let read = |body: &str| attendee(serde_json::from_str(body).unwrap());
        let texts = r#"{"order_id":"7000001","order_session":"98765","barcode":"2031000000019","used":"2","disabled":"0",
            "email":"PC-A@gateway.example","seating_location":"","firstname":"X"}"#;
        let numbers = r#"{"order_id":7000001,"order_session":98765,"barcode":2031000000019,"used":2,"disabled":0,
            "email":"pc-a@gateway.example","seating_location":null}"#;
        assert_eq!(read(texts), read(numbers));
        let one = read(texts).unwrap();
        assert!(one.scanned && !one.void && one.seat.is_none());
        assert!(read(&texts.replace("\"disabled\":\"0\"", "\"disabled\":\"1\"")).unwrap().void);
        assert_eq!(read(&texts.replace("\"7000001\"", "null")), None);
        assert_eq!(read("7"), None);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(body in "\\PC{0,60}", value in "[\\[\\]{}\",:0-9a-z ]{0,20}") {
            let _ = said(&body);
            let list = format!(r#"[{{"order_id":{value},"id":{value},"request_id":{value},"barcode":{value}}}]"#);
            let _ = (said(&list), made(&list));
            let _ = entries(&list).into_iter().filter_map(attendee).count();
        }
    }
}
