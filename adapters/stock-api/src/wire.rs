//! The vendor's own shapes: what a page looks like, in all its generations.
//!
//! Invariant: pure; anything that is not a page is an error, never an empty page.

use std::borrow::Cow;
use std::fmt;

use passerelle_kit::http::excerpt;
use passerelle_kit::json::{Keys, Object, Scalar, looks_like_html};
use serde::Deserializer as _;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::settings::Reading;

/// Entries of one page that are read. Pages of 5 000 are asked for at most, but some servers ignore `limit` and send the
/// whole shop; the largest shops hold about this many.
pub(crate) const MAX_PAGE_ENTRIES: usize = 100_000;

/// A body as a page: `None` when the vendor says that there is nothing more.
pub(crate) struct WirePage<'a> {
    /// Raw entries, in the vendor's order.
    pub(crate) entries: Vec<&'a RawValue>,
    /// What the vendor says it has in all; informative.
    pub(crate) total: Option<u64>,
    /// A bare array has no next page.
    pub(crate) is_whole_list: bool,
}

/// Why a body is not a page. The text is evidence, bounded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAPage(pub(crate) String);

/// Reads a body that came with 200.
pub(crate) fn read_page<'a>(
    body: &'a [u8],
    content_type: Option<&str>,
    reading: Reading,
) -> Result<WirePage<'a>, NotAPage> {
    let empty = WirePage { entries: Vec::new(), total: None, is_whole_list: false };
    if body.is_empty() {
        return Ok(empty);
    }
    let body = without_mark(body);
    if looks_like_html(content_type, body) {
        return Err(NotAPage(format!("a web page instead of data: {}", excerpt(body))));
    }
    let root: &RawValue = serde_json::from_slice(body).map_err(|error| not_json(&error, body))?;
    match root.get().as_bytes().first() {
        Some(b'[') if reading.generation_1 => {
            Ok(WirePage { entries: read_entries(root)?, total: None, is_whole_list: true })
        }
        Some(b'{') => read_object(root, reading, empty),
        _ => Err(NotAPage(format!("neither a list of stocks nor the end of one: {}", excerpt(body)))),
    }
}

/// Some servers on Windows put a byte order mark before their JSON, which JSON does not know.
pub(crate) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

fn read_object<'a>(root: &'a RawValue, reading: Reading, empty: WirePage<'a>) -> Result<WirePage<'a>, NotAPage> {
    let bytes = root.get().as_bytes();
    let object: Object<'a> = serde_json::from_str(root.get()).map_err(|error| not_json(&error, bytes))?;
    let keys = reading.keys();
    // `"null"` as a text was sent, too; whatever is not a number says nothing.
    let total = object.scalar("total", keys).number_text().and_then(|text| text.parse().ok());
    match object.raw("stocks", keys) {
        Some(list) => Ok(WirePage { entries: read_entries(list)?, total, is_whole_list: false }),
        // An error that came with status 200 must not pass for the end of the list.
        None if object.raw("errors", keys).is_some() || object.raw("error", keys).is_some() => {
            Err(NotAPage(format!("an error with status 200: {}", excerpt(bytes))))
        }
        // Keys in another case would make a full list look like its end.
        None if keys == Keys::Exact && object.raw("stocks", Keys::AnyCase).is_some() => {
            Err(NotAPage("the key `stocks` in another case; set case_insensitive_keys = true".to_owned()))
        }
        None => Ok(WirePage { total, ..empty }),
    }
}

fn read_entries(list: &RawValue) -> Result<Vec<&RawValue>, NotAPage> {
    let bytes = list.get().as_bytes();
    if bytes.first() != Some(&b'[') {
        return Err(NotAPage(format!("`stocks` is not a list: {}", excerpt(bytes))));
    }
    let mut json = serde_json::Deserializer::from_str(list.get());
    let entries = json.deserialize_seq(Entries).map_err(|error| not_json(&error, bytes))?;
    if entries.len() > MAX_PAGE_ENTRIES {
        return Err(NotAPage(format!("a page of more than {MAX_PAGE_ENTRIES} entries")));
    }
    Ok(entries)
}

fn not_json(error: &serde_json::Error, body: &[u8]) -> NotAPage {
    NotAPage(format!("not valid JSON ({error}): {}", excerpt(body)))
}

/// Collects one entry more than the limit and skips the rest, so that the caller sees that there was more.
struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while entries.len() <= MAX_PAGE_ENTRIES {
            let Some(entry) = list.next_element()? else { return Ok(entries) };
            entries.push(entry);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(entries)
    }
}

impl Reading {
    pub(crate) const fn keys(self) -> Keys {
        if self.case_insensitive_keys { Keys::AnyCase } else { Keys::Exact }
    }
}

/// One entry's fields, as written.
pub(crate) struct WireEntry<'a> {
    pub(crate) reference: Scalar<'a>,
    pub(crate) available: Scalar<'a>,
    pub(crate) price: Scalar<'a>,
    pub(crate) valid_until: Scalar<'a>,
}

impl<'a> WireEntry<'a> {
    /// `None` when the entry is not an object.
    pub(crate) fn read(raw: &'a RawValue, reading: Reading) -> Option<Self> {
        let object: Object<'a> = serde_json::from_str(raw.get()).ok()?;
        let keys = reading.keys();
        let available = match object.scalar("available", keys) {
            Scalar::Missing if reading.generation_1 => object.scalar("quantity", keys),
            found => found,
        };
        Some(Self {
            reference: object.scalar("ref", keys),
            available,
            price: object.scalar("price", keys),
            valid_until: object.scalar("validUntil", keys),
        })
    }

    /// The reference as it goes back in `after`; `None` when there is nothing that could.
    pub(crate) fn raw_reference(&self) -> Option<&str> {
        match &self.reference {
            Scalar::Text(text) if !text.trim().is_empty() => Some(text),
            Scalar::Number(text) => Some(text),
            _ => None,
        }
    }
}

/// Puts the missing zero before numbers such as `.95`. Leaves texts alone.
pub(crate) fn with_leading_zeros(body: &[u8]) -> Cow<'_, [u8]> {
    let mut fixed = Vec::new();
    let mut copied = 0;
    let (mut in_text, mut escaped) = (false, false);
    let mut before = b' ';
    for (at, &byte) in body.iter().enumerate() {
        if in_text {
            in_text = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        if byte == b'"' {
            in_text = true;
        } else if byte == b'.' && matches!(before, b':' | b',' | b'[' | b'-') {
            fixed.extend_from_slice(&body[copied..at]);
            fixed.push(b'0');
            copied = at;
        }
        if !byte.is_ascii_whitespace() {
            before = byte;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(body);
    }
    fixed.extend_from_slice(&body[copied..]);
    Cow::Owned(fixed)
}

#[cfg(test)]
mod tests {
    use passerelle_kit::money::PriceUnit;
    use proptest::prelude::*;

    use super::*;

    const STRICT: Reading = Reading {
        unit: PriceUnit::Euro,
        case_insensitive_keys: false,
        generation_1: false,
        leading_dot_numbers: false,
        min_price: passerelle_kit::money::USUAL_FLOOR,
    };

    fn entries(body: &str, reading: Reading) -> Result<usize, NotAPage> {
        read_page(body.as_bytes(), None, reading).map(|page| page.entries.len())
    }

    #[test]
    fn every_way_of_saying_no_more_is_an_empty_page() {
        for body in ["", "{}", r#"{"stocks": []}"#, r#"{"total": "null", "limit": 5}"#] {
            assert_eq!(entries(body, STRICT), Ok(0), "{body}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_never_an_empty_page() {
        for body in [
            " ",
            "\u{feff}",
            "null",
            "[]",
            "3",
            "\"\"",
            "{\"stocks\": null}",
            "{\"stocks\": {}}",
            "{\"stocks\": [",
            "{\"stocks\": [{\"price\": .95}]}",
            "{\"stocks\": []} trailing",
            "{\"errors\": {\"global\": [\"down\"]}}",
            "{\"Stocks\": []}",
            "<html></html>",
            "Erreur interne",
        ] {
            assert!(entries(body, STRICT).is_err(), "{body}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_list() {
        assert_eq!(entries("\u{feff}{\"stocks\": [1, 2]}", STRICT), Ok(2));
    }

    #[test]
    fn leniencies_are_opt_in() {
        let any_case = Reading { case_insensitive_keys: true, ..STRICT };
        assert_eq!(entries(r#"{"Stocks": [{"Ref": "1"}]}"#, any_case), Ok(1));
        let old = Reading { generation_1: true, ..STRICT };
        let page = read_page(br#"[{"ref": "978-2", "quantity": 27}]"#, None, old).map_err(|wrong| wrong.0).unwrap();
        assert!(page.is_whole_list);
        let entry = WireEntry::read(page.entries[0], old).unwrap();
        assert_eq!(entry.available, Scalar::Number("27"));
    }

    #[test]
    fn a_missing_zero_is_put_before_a_number_and_never_into_a_text() {
        let fixed = with_leading_zeros(br#"{"a": .95, "b":[-.5,.1], "c": ", .3 \": .4", "d": 1.5}"#);
        let expected = br#"{"a": 0.95, "b":[-0.5,0.1], "c": ", .3 \": .4", "d": 1.5}"#;
        assert_eq!(String::from_utf8_lossy(&fixed), String::from_utf8_lossy(expected));
        assert!(matches!(with_leading_zeros(b"{}"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_page_without_end_is_refused() {
        let body = format!("{{\"stocks\": [{}0]}}", "0,".repeat(MAX_PAGE_ENTRIES));
        assert!(entries(&body, STRICT).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let lenient = Reading { case_insensitive_keys: true, generation_1: true, ..STRICT };
            let fixed = with_leading_zeros(&body);
            let _ = read_page(&fixed, None, lenient);
        }

        #[test]
        fn good_json_is_left_as_it_is_by_the_number_fixer(price in 0.0_f64..1000.0, text in "[ -~]{0,20}") {
            let body = serde_json::json!({"price": price, "text": text, "list": [price]}).to_string();
            let fixed = with_leading_zeros(body.as_bytes());
            prop_assert_eq!(fixed.as_ref(), body.as_bytes());
        }
    }
}
