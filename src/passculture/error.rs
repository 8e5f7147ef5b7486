//! What went wrong northbound, for the program (class, code), the operator (what, what to do) and whoever files the ticket
//! (status, an excerpt of the body).
//!
//! pass Culture's answers become errors by a table of statuses. Its sentences are shown, never matched: they change, and
//! two validator generations phrase them differently.

use passerelle_contract::Class;
use serde_json::Value;

use super::client::Millis;

/// Characters of an answer that an error carries.
const EXCERPT_CHARS: usize = 500;
/// Keys read from an answer's error object, and messages of one key: 500 items can each name a few fields.
const MAX_FIELDS: usize = 4_000;
const MAX_MESSAGES: usize = 20;

/// A call that pass Culture did not answer as asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{operation}: {what} ({code})")]
pub struct NorthError {
    /// Decides what the gateway does.
    pub class: Class,
    /// Stable: `ApiKeyRefused`, `VenueNotLinked`, `RateLimited`, …
    pub code: &'static str,
    /// What was being done: `upsert EANs`.
    pub operation: &'static str,
    /// What happened, for operators.
    pub what: String,
    /// What to do about it, for operators.
    pub remedy: &'static str,
    /// HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// The beginning of the answer, redacted.
    pub excerpt: Option<String>,
    /// When it is worth trying again, when pass Culture or the budget said so.
    pub retry_at: Option<Millis>,
}

impl NorthError {
    pub(super) fn new(
        class: Class,
        code: &'static str,
        operation: &'static str,
        what: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        Self { class, code, operation, what: what.into(), remedy, status: None, excerpt: None, retry_at: None }
    }
}

/// One key of pass Culture's flat error object. What it is about is told by [`FieldError::parts`], never by the key as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Dotted, for example `products.3.stock.price`.
    pub key: String,
    /// As written, some in French.
    pub messages: Vec<String>,
}

impl FieldError {
    /// The key without what only names a branch of a validator's model, which every generation writes in its own way:
    /// `products.3.stock.quantity.int` and `products.3.stock.quantity` are both products, 3, stock, quantity.
    #[must_use]
    pub fn parts(&self) -> Vec<&str> {
        let mut parts = Vec::new();
        for part in split_key(&self.key) {
            if !names_a_branch(part, parts.last().copied()) {
                parts.push(part);
            }
        }
        parts
    }

    /// Whether the field that the key ends with has this name.
    #[must_use]
    pub fn is_about(&self, field: &str) -> bool {
        self.parts().last() == Some(&field)
    }
}

/// The parts between dots; a dot in brackets separates nothing.
fn split_key(key: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0u32);
    for (at, character) in key.char_indices() {
        match character {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '.' if depth == 0 => {
                parts.extend(key.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(key.get(start..));
    parts
}

/// Whether a part names a branch of a union or the model itself, not a field.
fn names_a_branch(part: &str, before: Option<&str>) -> bool {
    const TYPES: [&str; 10] =
        ["int", "str", "float", "bool", "none", "date", "datetime", "constrained-int", "constrained-str", "__root__"];
    const LOCATIONS: [&str; 6] =
        ["physical", "address", "digital", "PhysicalLocation", "AddressLocation", "DigitalLocation"];
    // A key of one part is a field, whatever it is called.
    let below = before.is_some() && (TYPES.contains(&part) || part.contains('['));
    part == "__root__" || below || (before == Some("location") && LOCATIONS.contains(&part))
}

/// What a 404 means for the call that got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The path has no variable part: the base URL is wrong.
    Path,
    /// The venue is unknown or no longer linked.
    Venue,
    /// The offer or the date is unknown, or its venue is no longer linked.
    Offer,
}

struct Row {
    status: std::ops::RangeInclusive<u16>,
    class: Class,
    code: &'static str,
    what: &'static str,
    remedy: &'static str,
}

const WRONG_ADDRESS: &str = "check `base_url`: integration and production have different addresses";
const LATER: &str = "nothing to do unless it lasts: it is tried again; see pass Culture's status page";
const REPORT: &str = "this should not happen: report it with the excerpt";

/// Answers by status; the first row that fits. 403 and 404 have further meanings, see [`of_answer`].
static ROWS: [Row; 10] = [
    Row {
        status: 401..=401,
        class: Class::Auth,
        code: "ApiKeyRefused",
        what: "pass Culture does not know the API key",
        remedy: "the key was revoked or belongs to the other environment: put a valid one where `api_key` points",
    },
    Row {
        status: 403..=403,
        class: Class::Data,
        code: "Forbidden",
        what: "pass Culture forbids this on that object",
        remedy: REPORT,
    },
    Row {
        status: 404..=404,
        class: Class::Settings,
        code: "WrongAddress",
        what: "there is no such path at that address",
        remedy: WRONG_ADDRESS,
    },
    Row {
        status: 408..=408,
        class: Class::Transient,
        code: "ServerTimeout",
        what: "pass Culture gave up waiting",
        remedy: LATER,
    },
    Row {
        status: 429..=429,
        class: Class::RateLimited,
        code: "RateLimited",
        what: "pass Culture asks to slow down",
        remedy: "something else may use the same key: lower `requests_per_minute` so that the sum stays below 200",
    },
    Row {
        status: 400..=400,
        class: Class::Data,
        code: "Refused",
        what: "pass Culture refused what was sent",
        remedy: "see the excerpt for the fields it names",
    },
    Row {
        status: 422..=422,
        class: Class::Data,
        code: "Refused",
        what: "pass Culture refused what was sent",
        remedy: "see the excerpt for the fields it names",
    },
    Row {
        status: 300..=399,
        class: Class::Settings,
        code: "Redirected",
        what: "that address redirects; the key is not sent elsewhere",
        remedy: WRONG_ADDRESS,
    },
    Row {
        status: 500..=599,
        class: Class::Transient,
        code: "ServerError",
        what: "pass Culture has a technical problem",
        remedy: LATER,
    },
    Row {
        status: 100..=999,
        class: Class::VendorFault,
        code: "UnexpectedStatus",
        what: "pass Culture answered with a status that means nothing here",
        remedy: REPORT,
    },
];

/// The error that an unsuccessful answer is.
pub(super) fn of_answer(operation: &'static str, missing: Missing, status: u16, body: &[u8], key: &str) -> NorthError {
    let fields = field_errors(body);
    let told = |name: &str| fields.iter().any(|field| field.is_about(name));
    let row = match status {
        403 if told("auth") => &INACTIVE,
        404 if missing == Missing::Venue && !fields.is_empty() => &NOT_LINKED,
        404 if missing == Missing::Offer && !fields.is_empty() => &NO_SUCH_OFFER,
        400 if told("ticketing_urls") || told("offer") => &NO_TICKETING,
        _ => ROWS.iter().find(|row| row.status.contains(&status)).unwrap_or(&ROWS[ROWS.len() - 1]),
    };
    NorthError {
        status: Some(status),
        excerpt: excerpt(body, key),
        ..NorthError::new(row.class, row.code, operation, format!("{} (HTTP {status})", row.what), row.remedy)
    }
}

static INACTIVE: Row = Row {
    status: 403..=403,
    class: Class::Auth,
    code: "ProviderInactive",
    what: "pass Culture has deactivated this provider account",
    remedy: "ask pass Culture's partner support to activate it",
};

static NO_SUCH_OFFER: Row = Row {
    status: 404..=404,
    class: Class::Data,
    code: "NoSuchOffer",
    what: "pass Culture does not show this offer, date or price category to the account",
    remedy: "it was deleted, or its venue is no longer linked: the next pass looks it up again",
};

static NO_TICKETING: Row = Row {
    status: 400..=400,
    class: Class::Settings,
    code: "NoTicketing",
    what: "pass Culture does not have the addresses to which bookings are sent, or does not let them go",
    remedy: "set `server.public_url` and run `passerelle apply`: it registers them",
};

static NOT_LINKED: Row = Row {
    status: 404..=404,
    class: Class::Settings,
    code: "VenueNotLinked",
    what: "pass Culture does not show this venue to the account: unknown number, or the link was removed",
    remedy: "check the venue's number, and have the venue choose this provider again on its pass Culture pro page",
};

/// The answer's error object, key by key; empty when it is none.
pub(super) fn field_errors(body: &[u8]) -> Vec<FieldError> {
    let Ok(Value::Object(object)) = serde_json::from_slice(body) else { return Vec::new() };
    object
        .into_iter()
        .take(MAX_FIELDS)
        .map(|(key, value)| {
            let messages = match value {
                Value::Array(items) => items.into_iter().take(MAX_MESSAGES).map(sentence).collect(),
                other => vec![sentence(other)],
            };
            FieldError { key, messages }
        })
        .collect()
}

fn sentence(value: Value) -> String {
    let text = match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    decoded(&text).chars().take(EXCERPT_CHARS).collect()
}

/// An answer as people read it: a JSON text with its escapes resolved, HTML entities as characters.
fn shown(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => decoded(&value.to_string()),
        Err(_) => decoded(text),
    }
}

/// HTML entities as the characters that they stand for; what is none stays.
pub(super) fn decoded(text: &str) -> String {
    const NAMED: [(&str, char); 20] = [
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("nbsp", '\u{a0}'),
        ("eacute", 'é'),
        ("egrave", 'è'),
        ("ecirc", 'ê'),
        ("agrave", 'à'),
        ("acirc", 'â'),
        ("ccedil", 'ç'),
        ("ocirc", 'ô'),
        ("ugrave", 'ù'),
        ("ucirc", 'û'),
        ("icirc", 'î'),
        ("laquo", '«'),
        ("raquo", '»'),
        ("rsquo", '’'),
        ("euro", '€'),
    ];
    /// Characters of an entity's name or number at most.
    const LONGEST: usize = 10;
    let character = |entity: &str| match entity.strip_prefix('#') {
        Some(number) => {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            code.ok().and_then(char::from_u32)
        }
        None => NAMED.iter().find(|(name, _)| *name == entity).map(|(_, character)| *character),
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let end = from.char_indices().take(LONGEST + 2).find(|(_, c)| *c == ';').map(|(end, _)| end);
        match end.and_then(|end| Some((end, character(from.get(1..end)?)?))) {
            Some((end, character)) => {
                out.push(character);
                rest = from.get(end + 1..).unwrap_or_default();
            }
            None => {
                out.push('&');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

/// The beginning of an answer on one line, without the key and without e-mail addresses; `None` when it is empty.
pub(super) fn excerpt(body: &[u8], key: &str) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let text = if key.is_empty() { text } else { text.replace(key, "***").into() };
    let text = shown(&text);
    // The key may have come out of an escape.
    let text = if key.is_empty() { text } else { text.replace(key, "***") };
    let mut kept = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let word = without_mail(word);
        length += word.chars().count() + 1;
        if !kept.is_empty() {
            kept.push(' ');
        }
        kept.push_str(&word);
        if length > EXCERPT_CHARS {
            break;
        }
    }
    let kept: String = kept.chars().filter(|c| !c.is_control()).take(EXCERPT_CHARS).collect();
    (!kept.is_empty()).then_some(kept)
}

/// The same word with each e-mail address in it replaced.
fn without_mail(word: &str) -> std::borrow::Cow<'_, str> {
    if !word.contains('@') {
        return word.into();
    }
    let of_address = |c: char| c.is_alphanumeric() || matches!(c, '@' | '.' | '_' | '%' | '+' | '-');
    let mut out = String::new();
    let mut rest = word;
    while let Some(at) = rest.find(of_address) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c| !of_address(c)).unwrap_or(from.len());
        let (run, after) = from.split_at(end);
        out.push_str(before);
        out.push_str(if run.contains('@') { "***" } else { run });
        rest = after;
    }
    out.push_str(rest);
    out.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(status: u16, missing: Missing, body: &str) -> (&'static str, Class) {
        let error = of_answer("test", missing, status, body.as_bytes(), "k");
        (error.code, error.class)
    }

    #[test]
    fn an_answer_is_classed_by_status_and_key_never_by_sentence() {
        for (status, missing, body, expected) in [
            (401, Missing::Path, r#"{"auth":"API key required"}"#, ("ApiKeyRefused", Class::Auth)),
            (403, Missing::Venue, r#"{"auth":["Inactive provider"]}"#, ("ProviderInactive", Class::Auth)),
            (403, Missing::Venue, r#"{"booking":"no"}"#, ("Forbidden", Class::Data)),
            (404, Missing::Venue, r#"{"global":"Venue cannot be found"}"#, ("VenueNotLinked", Class::Settings)),
            (404, Missing::Venue, r#"{"venue_id":["gone"]}"#, ("VenueNotLinked", Class::Settings)),
            (404, Missing::Venue, "{}", ("WrongAddress", Class::Settings)),
            (404, Missing::Venue, "<html>", ("WrongAddress", Class::Settings)),
            (404, Missing::Path, r#"{"global":"x"}"#, ("WrongAddress", Class::Settings)),
            (400, Missing::Venue, "{}", ("Refused", Class::Data)),
            (422, Missing::Venue, "[]", ("Refused", Class::Data)),
            (405, Missing::Path, "", ("UnexpectedStatus", Class::VendorFault)),
            (302, Missing::Path, "", ("Redirected", Class::Settings)),
            (408, Missing::Path, "", ("ServerTimeout", Class::Transient)),
            (429, Missing::Path, "<html>", ("RateLimited", Class::RateLimited)),
            (500, Missing::Path, "", ("ServerError", Class::Transient)),
            (599, Missing::Path, "", ("ServerError", Class::Transient)),
            (404, Missing::Offer, r#"{"event_id":["no"]}"#, ("NoSuchOffer", Class::Data)),
            (404, Missing::Offer, "{}", ("WrongAddress", Class::Settings)),
            (400, Missing::Path, r#"{"ticketing_urls":["both"]}"#, ("NoTicketing", Class::Settings)),
            (206, Missing::Path, "", ("UnexpectedStatus", Class::VendorFault)),
        ] {
            assert_eq!(code(status, missing, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn strings_lists_and_anything_else_are_messages() {
        let fields = field_errors(br#"{"a":"one","b":["two",3,null],"c":{"d":true},"e":[]}"#);
        let read: Vec<_> = fields.iter().map(|field| (field.key.as_str(), field.messages.join("|"))).collect();
        assert_eq!(
            read,
            [("a", "one".into()), ("b", "two|3|null".into()), ("c", r#"{"d":true}"#.into()), ("e", String::new())]
        );
        assert_eq!(field_errors(b"<html>"), []);
        assert_eq!(field_errors(b"[1]"), []);
    }

    #[test]
    fn a_key_is_reduced_to_its_fields_in_every_generation() {
        let parts = |key: &str| FieldError { key: key.into(), messages: Vec::new() }.parts().join(" ");
        for (key, expected) in [
            ("products.0.__root__", "products 0"),
            ("products.0", "products 0"),
            ("products.12.stock.quantity.int", "products 12 stock quantity"),
            ("products.12.stock.quantity.literal['unlimited']", "products 12 stock quantity"),
            ("products.3.publicationDatetime.datetime", "products 3 publicationDatetime"),
            ("products.3.publicationDatetime.literal['now']", "products 3 publicationDatetime"),
            ("x.literal['a.b'].y", "x y"),
            ("location.PhysicalLocation.venueId", "location venueId"),
            ("location.physical.venueId", "location venueId"),
            ("location.address.addressId", "location addressId"),
            ("location.DigitalLocation.url", "location url"),
            ("offers.3.address.id", "offers 3 address id"),
            ("address", "address"),
            ("date", "date"),
            ("dates.2.idAtProvider", "dates 2 idAtProvider"),
            ("dates.2.idAtProvider.str", "dates 2 idAtProvider"),
            ("", ""),
        ] {
            assert_eq!(parts(key), expected, "{key}");
        }
    }

    #[test]
    fn what_pass_culture_says_is_shown_decoded() {
        let body = br#"{"global":["L&#39;offre a \u00e9t\u00e9 refus\u00e9e &amp; cl&ocirc;tur&eacute;e &x; &"]}"#;
        assert_eq!(excerpt(body, "").unwrap(), r#"{"global":["L'offre a été refusée & clôturée &x; &"]}"#);
        assert_eq!(field_errors(body)[0].messages, ["L'offre a été refusée & clôturée &x; &"]);
        assert_eq!(decoded("&#x27;&#233;&#99999999;"), "'é&#99999999;");
        assert_eq!(excerpt(br#"{"key":"s3\u0063ret"}"#, "s3cret").unwrap(), r#"{"key":"***"}"#);
    }

    #[test]
    fn an_excerpt_is_short_and_shows_neither_key_nor_address() {
        let body = "{\"user\":\"anne.fictive+1@example.org\",\n \"key\":\"prod_abc_s3cret\"}\u{0} ".to_owned()
            + &"x ".repeat(900);
        let excerpt = excerpt(body.as_bytes(), "prod_abc_s3cret").unwrap();
        assert!(excerpt.starts_with(r#"{"user":"***", "key":"***"}"#), "{excerpt}");
        assert!((EXCERPT_CHARS - 5..=EXCERPT_CHARS).contains(&excerpt.chars().count()), "{excerpt}");
        assert_eq!(super::excerpt(b" \n ", "k"), None);
    }

    proptest! {
        #[test]
        fn no_key_makes_the_reduction_panic(key in ".{0,60}") {
            let _ = FieldError { key, messages: Vec::new() }.parts();
        }

        #[test]
        fn no_body_makes_it_panic_or_leak(before in ".{0,600}", after in "\\PC{0,600}") {
            let body = format!("{before}env_prefix_s3cret{after}");
            let error = of_answer("test", Missing::Venue, 500, body.as_bytes(), "env_prefix_s3cret");
            let shown = format!("{error} {error:?}");
            prop_assert!(!shown.contains("env_prefix_s3cret"), "{}", shown);
        }
    }
}
