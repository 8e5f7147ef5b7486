//! The messages pass Culture sends: one serialiser and one signature.
//!
//! The real backend dumps an object, signs that *inner* text, then dumps the text once more as a JSON string for the wire.
//! Both layers are reproduced byte for byte, keys in a fixed order. The inner text has one of two [forms](Form).
//!
//! Invariant: the wire body is pure ASCII, and the signature covers the inner text, never the wire body.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// A signed message, ready to be posted.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedMessage {
    /// The inner JSON document: what is signed.
    pub inner: String,
    /// The body on the wire: `inner` encoded once more as a JSON string.
    pub wire: String,
    /// 64 lower-case hex digits, the value of `PassCulture-Signature`.
    pub signature: String,
}

impl std::fmt::Debug for SignedMessage {
    // The text holds a beneficiary's name, e-mail and phone.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedMessage").field("inner", &"***").field("bytes", &self.wire.len()).finish()
    }
}

/// How the inner text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Python's `json.dumps`: `", "` and `": "` separate, every character outside printable ASCII is escaped.
    Spaced,
    /// pydantic 2, for notifications since 2026: nothing around separators, characters as they are.
    Compact,
}

/// Serialises and signs `fields`, in the order given, with the key string's UTF-8 bytes as they are.
#[must_use]
pub fn sign_message(key: &str, fields: &[(&str, Value)], form: Form) -> SignedMessage {
    let inner = match form {
        Form::Spaced => inner_text(fields),
        Form::Compact => compact_text(fields),
    };
    let signature = signature(key, &inner);
    let wire = wire_body(&inner);
    SignedMessage { inner, wire, signature }
}

/// The inner document in the spaced form: an object with its keys in the order given.
#[must_use]
pub fn inner_text(fields: &[(&str, Value)]) -> String {
    let mut out = String::with_capacity(1024);
    out.push('{');
    for (index, (key, value)) in fields.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        dump_string(key, &mut out);
        out.push_str(": ");
        dump(value, &mut out);
    }
    out.push('}');
    out
}

/// The same in the compact form.
#[must_use]
pub fn compact_text(fields: &[(&str, Value)]) -> String {
    let mut out = String::with_capacity(1024);
    out.push('{');
    for (index, (key, value)) in fields.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        // A value of `serde_json` prints as pydantic's serialiser does.
        out.push_str(&format!("{}:{value}", Value::from(*key)));
    }
    out.push('}');
    out
}

/// The wire body of an inner document.
#[must_use]
pub fn wire_body(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len() + inner.len() / 8 + 2);
    dump_string(inner, &mut out);
    out
}

/// Lower-case hex of HMAC-SHA256 over the UTF-8 bytes of `inner`.
#[must_use]
pub fn signature(key: &str, inner: &str) -> String {
    // HMAC takes keys of any length, so the error arm cannot be reached; an empty text would never verify.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    mac.update(inner.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

fn dump(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => dump_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                dump(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                dump_string(key, out);
                out.push_str(": ");
                dump(item, out);
            }
            out.push('}');
        }
    }
}

fn dump_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(character),
            other => {
                let mut units = [0u16; 2];
                for unit in other.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn any_text_survives_both_layers_and_travels_as_ascii(
            text in any::<String>(),
            form in prop_oneof![Just(Form::Spaced), Just(Form::Compact)],
        ) {
            let message = sign_message("k", &[("offer_name", json!(text))], form);
            prop_assert!(message.wire.is_ascii());
            let inner: String = serde_json::from_str(&message.wire).unwrap();
            prop_assert_eq!(&inner, &message.inner);
            let object: Value = serde_json::from_str(&inner).unwrap();
            prop_assert_eq!(&object["offer_name"], &json!(text));
        }
    }

    #[test]
    fn delete_and_control_characters_are_escaped_as_python_does() {
        assert_eq!(wire_body("\u{7f}\u{1}\u{8}\u{c}/"), "\"\\u007f\\u0001\\b\\f/\"");
    }
}
