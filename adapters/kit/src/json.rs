//! JSON as vendors write it: numbers kept as text, keys in the wrong case when asked, web pages told from data.
//!
//! Invariant: no number passes through a binary float.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Keys of one object that are looked at; the rest is skipped.
const MAX_KEYS: usize = 64;

/// One value as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// The key is absent.
    Missing,
    /// `null`.
    Null,
    /// A number, exactly as written: `17.905`, `1e3`.
    Number(&'a str),
    /// A text, unescaped.
    Text(Cow<'a, str>),
    /// A truth value, an array or an object.
    Other,
}

impl<'a> Scalar<'a> {
    /// Reads what stands under a key.
    #[must_use]
    pub fn of(raw: Option<&'a RawValue>) -> Self {
        let Some(text) = raw.map(RawValue::get) else { return Self::Missing };
        match text.as_bytes().first() {
            Some(b'"') => text_of(text).map_or(Self::Other, Self::Text),
            Some(b'-' | b'0'..=b'9') => Self::Number(text),
            Some(b'n') => Self::Null,
            _ => Self::Other,
        }
    }

    /// The number's text, whether it was written as a number or as a text.
    #[must_use]
    pub fn number_text(&self) -> Option<&str> {
        match self {
            Self::Number(text) => Some(text),
            Self::Text(text) => Some(text.trim()),
            _ => None,
        }
    }
}

/// A text without escapes is borrowed; serde_json refuses to borrow one with escapes.
fn text_of(quoted: &str) -> Option<Cow<'_, str>> {
    match serde_json::from_str::<&str>(quoted) {
        Ok(plain) => Some(Cow::Borrowed(plain)),
        Err(_) => serde_json::from_str::<String>(quoted).ok().map(Cow::Owned),
    }
}

/// How keys are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// As the contract writes them.
    Exact,
    /// `Ref`, `REF` and `ref` are one key (ASCII only).
    AnyCase,
}

/// An object whose keys are looked up by the caller's rule. Of two equal keys the last stays, as in most JSON readers.
#[derive(Debug, Default)]
pub struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// The raw value under a key.
    #[must_use]
    pub fn raw(&self, key: &str, keys: Keys) -> Option<&'a RawValue> {
        let same = |written: &str| match keys {
            Keys::Exact => written == key,
            Keys::AnyCase => written.eq_ignore_ascii_case(key),
        };
        self.0.iter().rev().find(|(written, _)| same(written)).map(|(_, value)| *value)
    }

    /// The value under a key.
    #[must_use]
    pub fn scalar(&self, key: &str, keys: Keys) -> Scalar<'a> {
        Scalar::of(self.raw(key, keys))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut found = Vec::new();
                while found.len() < MAX_KEYS {
                    let Some(key) = map.next_key::<Key<'de>>()? else { return Ok(Object(found)) };
                    found.push((key.0, map.next_value::<&RawValue>()?));
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Object(found))
            }
        }
        deserializer.deserialize_map(ObjectVisitor)
    }
}

/// A key, borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// Does a body look like a web page (a login or maintenance page answered with 200)?
#[must_use]
pub fn looks_like_html(content_type: Option<&str>, body: &[u8]) -> bool {
    if content_type.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
        && !starts_like_json(body)
    {
        return true;
    }
    let start = body.trim_ascii_start();
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    start.first() == Some(&b'<')
}

fn starts_like_json(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'[') | None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_text() {
        let object: Object<'_> =
            serde_json::from_str(r#"{"price": 17.9050, "n": null, "s": "4\u0020", "b": []}"#).unwrap();
        assert_eq!(object.scalar("price", Keys::Exact), Scalar::Number("17.9050"));
        assert_eq!(object.scalar("n", Keys::Exact), Scalar::Null);
        assert_eq!(object.scalar("s", Keys::Exact).number_text(), Some("4"));
        assert_eq!(object.scalar("b", Keys::Exact), Scalar::Other);
        assert_eq!(object.scalar("absent", Keys::Exact), Scalar::Missing);
    }

    #[test]
    fn any_case_is_opt_in_and_the_last_of_two_keys_stays() {
        let object: Object<'_> = serde_json::from_str(r#"{"Ref": 1, "REF": 2}"#).unwrap();
        assert_eq!(object.scalar("ref", Keys::Exact), Scalar::Missing);
        assert_eq!(object.scalar("ref", Keys::AnyCase), Scalar::Number("2"));
    }

    #[test]
    fn web_pages_are_told_from_data() {
        assert!(looks_like_html(Some("text/html; charset=utf-8"), b"Maintenance"));
        assert!(looks_like_html(None, b"\xef\xbb\xbf \n<!doctype html>"));
        // Several real servers label JSON as text/html.
        assert!(!looks_like_html(Some("text/html"), b"{\"stocks\":[]}"));
        assert!(!looks_like_html(Some("application/json"), b"[]"));
    }
}
