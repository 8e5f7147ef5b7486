//! The vendor's own shapes, read leniently: of a name that stands twice the last counts, numbers may be texts, and one odd
//! value loses nothing else.

use passerelle_kit::json::{Keys, Object, Scalar};
use passerelle_kit::lenient::{Int, Text};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Digits of a barcode; one that comes as a number has lost its zeros in front.
const BARCODE_DIGITS: usize = 12;
/// Longest barcode and longest name of a seat, in characters.
const MAX_PRINTED_CHARS: usize = 100;
/// Longest name of a till, in characters.
const MAX_TILL_CHARS: usize = 40;
/// Longest text of the vendor's that goes into a message, in characters.
const LONGEST_TEXT: usize = 200;

/// One field of a record; absent and odd values are the default.
pub(crate) fn field<'a, T: Deserialize<'a> + Default>(record: &Object<'a>, name: &str) -> T {
    record.raw(name, Keys::Exact).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// A text of a record, or a number as its text.
pub(crate) fn text(record: &Object<'_>, name: &str) -> Option<String> {
    field::<Text<'_>>(record, name).trimmed().map(str::to_owned)
}

/// A list of a record, each entry to be read apart; `None` when there is none.
pub(crate) fn list<'a>(record: &Object<'a>, name: &str) -> Option<Vec<&'a RawValue>> {
    serde_json::from_str(record.raw(name, Keys::Exact)?.get()).ok()
}

/// One entry of a list as a record.
pub(crate) fn record(raw: &RawValue) -> Option<Object<'_>> {
    serde_json::from_str(raw.get()).ok()
}

/// Are these two the same show? Some writers drop the zeros in front.
pub(crate) fn same_session(one: &str, other: &str) -> bool {
    without_zeros(one) == without_zeros(other)
}

/// An id as a number would be written.
pub(crate) fn without_zeros(id: &str) -> &str {
    id.trim_start_matches('0')
}

/// What a booking call said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It is done.
    Yes(Done),
    /// A refusal, whose code decides what it means.
    No(No),
    /// An empty value. A cancellation that worked answers so, and nothing else may.
    Empty,
}

/// A success; each call fills what is its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// The show that an order is for, where the answer repeats it.
    pub(crate) session: Option<String>,
    /// Tickets of an order.
    pub(crate) tickets: Vec<Ticket>,
    /// Shows that can still be sold.
    pub(crate) on_sale: Option<Vec<String>>,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct No {
    pub(crate) code: i64,
    pub(crate) text: String,
}

/// One ticket as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) barcode: Option<String>,
    pub(crate) seat: Option<String>,
    pub(crate) till: Option<String>,
    pub(crate) transaction: Option<i64>,
    pub(crate) operation: Option<i64>,
}

/// Reads an answer; `None` when it is none of the three: half an answer is no answer.
pub(crate) fn reply(body: &str) -> Option<Reply> {
    if body.trim().is_empty() || serde_json::from_str::<Value>(body).is_ok_and(|value| is_empty(&value)) {
        return Some(Reply::Empty);
    }
    let answer: Object<'_> = serde_json::from_str(body).ok()?;
    let tickets: Vec<Ticket> = list(&answer, "billets").into_iter().flatten().map(ticket).collect();
    match status(&answer)? {
        1 => Some(Reply::Yes(Done {
            session: text(&answer, "id_seance"),
            tickets,
            on_sale: list(&answer, "seances").map(|all| all.into_iter().filter_map(session).collect()),
        })),
        // A refusal with tickets contradicts itself.
        _ if !tickets.is_empty() => None,
        _ => Some(Reply::No(No { code: field::<Int>(&answer, "code_erreur").0?, text: told(&answer) })),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// `1`, `1.0` and `"1"` are one.
fn status(answer: &Object<'_>) -> Option<i64> {
    let scalar = answer.scalar("statut", Keys::Exact);
    let text = scalar.number_text()?;
    text.strip_suffix(".0").unwrap_or(text).parse().ok()
}

/// What the vendor says of a refusal. One that repeats an address may name a person.
fn told(answer: &Object<'_>) -> String {
    match text(answer, "message_erreur") {
        Some(text) if !text.contains('@') => text.chars().take(LONGEST_TEXT).collect(),
        _ => "no text".to_owned(),
    }
}

fn session(raw: &RawValue) -> Option<String> {
    serde_json::from_str::<Text<'_>>(raw.get()).ok()?.trimmed().map(str::to_owned)
}

fn ticket(raw: &RawValue) -> Ticket {
    let Some(ticket) = record(raw) else { return Ticket::default() };
    Ticket {
        barcode: barcode(&ticket),
        seat: text(&ticket, "num_place").map(|seat| seat.chars().take(MAX_PRINTED_CHARS).collect()),
        till: text(&ticket, "num_caisse").filter(|till| till.chars().count() <= MAX_TILL_CHARS),
        transaction: field::<Int>(&ticket, "num_trans").0,
        operation: field::<Int>(&ticket, "num_ope").0,
    }
}

/// What the scanner reads, or nothing: a barcode is never repaired but for zeros that a number loses.
fn barcode(ticket: &Object<'_>) -> Option<String> {
    let barcode = match ticket.scalar("code_barre", Keys::Exact) {
        Scalar::Number(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{digits:0>BARCODE_DIGITS$}")
        }
        Scalar::Text(text) => text.trim().to_owned(),
        _ => return None,
    };
    let printable =
        !barcode.is_empty() && barcode.chars().count() <= MAX_PRINTED_CHARS && !barcode.chars().any(char::is_control);
    printable.then_some(barcode)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn yes(body: &str) -> Done {
        match reply(body) {
            Some(Reply::Yes(done)) => done,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn a_ticket_is_read_whatever_way_its_numbers_are_written() {
        let whole = r#"{"statut":1,"id_seance":"615400027711","billets":[{"num_caisse":"255","code_barre":"000000208301",
            "num_trans":912,"num_ope":208301,"code_tarif":"PC1","num_serie":2,"montant":6.85,"num_place":"F4"}]}"#;
        let odd = r#"{"statut":"1","id_seance":615400027711,"billets":[{"num_caisse":255,"code_barre":208301,
            "num_trans":"912","num_ope":"208301","num_place":"F4"}]}"#;
        assert_eq!(yes(whole), yes(odd));
        let ticket = yes(whole).tickets.remove(0);
        assert_eq!(ticket.barcode.as_deref(), Some("000000208301"));
        assert_eq!(
            (ticket.till.as_deref(), ticket.transaction, ticket.operation),
            (Some("255"), Some(912), Some(208_301))
        );
        assert_eq!(yes(&whole.replace("\"F4\"", "\"\"")).tickets[0].seat, None);
        assert_eq!(yes(&whole.replace("\"F4\"", "null")).tickets[0].seat, None);
    }

    #[test]
    fn a_barcode_that_cannot_be_scanned_is_none() {
        let code = |written: &str| {
            yes(&format!(r#"{{"statut":1.0,"billets":[{{"code_barre":{written}}}]}}"#)).tickets[0].barcode.clone()
        };
        assert_eq!(code("\" 12 \""), Some("12".into()));
        for odd in ["\"\"", "null", "-3", "1.5", "[]", "\"a\\u0007b\"", &format!("\"{}\"", "9".repeat(101))] {
            assert_eq!(code(odd), None, "{odd}");
        }
    }

    #[test]
    fn only_a_status_with_a_code_is_a_refusal() {
        let no = |body: &str| match reply(body) {
            Some(Reply::No(no)) => Some((no.code, no.text)),
            Some(other) => panic!("{body}: {other:?}"),
            None => None,
        };
        assert_eq!(no(r#"{"statut":0,"code_erreur":104,"message_erreur":"Complet"}"#), Some((104, "Complet".into())));
        assert_eq!(no(r#"{"statut":0,"code_erreur":"105"}"#), Some((105, "no text".into())));
        assert_eq!(no(r#"{"statut":0,"code_erreur":9,"message_erreur":"a@b.org"}"#), Some((9, "no text".into())));
        for doubt in [
            r#"{"statut":0}"#,
            r#"{"statut":true,"code_erreur":104}"#,
            r#"{"code_erreur":104}"#,
            r#"{"statut":0,"code_erreur":null}"#,
            r#"{"statut":0,"code_erreur":104,"billets":[{}]}"#,
            r#"[{"statut":1}]"#,
            r#""statut""#,
            r#"{"statut":1"#,
            "<html>",
            "3",
        ] {
            assert_eq!(no(doubt), None, "{doubt}");
        }
    }

    #[test]
    fn an_empty_value_is_told_from_everything_else() {
        for empty in ["", " \n", "null", "{}", "{ }", "[]"] {
            assert_eq!(reply(empty), Some(Reply::Empty), "{empty:?}");
        }
        assert_eq!(yes(r#"{"statut":1,"billets":null}"#), Done::default());
    }

    #[test]
    fn of_a_name_that_stands_twice_the_last_counts() {
        assert_eq!(
            reply(r#"{"statut":1,"statut":0,"code_erreur":1,"code_erreur":106}"#).map(|reply| match reply {
                Reply::No(no) => no.code,
                other => panic!("{other:?}"),
            }),
            Some(106)
        );
    }

    #[test]
    fn shows_are_compared_as_numbers() {
        assert!(same_session("004200005150", "4200005150"));
        assert!(!same_session("615400027711", "615400027712"));
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(body in "\\PC{0,60}", value in "[\\[\\]{}\",:0-9a-z ]{0,20}") {
            let _ = reply(&body);
            let _ = reply(&format!(r#"{{"statut":1,"billets":[{{"code_barre":{value},"num_ope":{value}}}],"seances":{value}}}"#));
        }
    }
}
