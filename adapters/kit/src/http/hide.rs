//! Hides a connection's secrets in texts that are made of a vendor's answer, should it repeat what it was told.
//!
//! A secret is found as it is, percent-encoded, escaped as JSON or XML has it, in base64 at any place in it (so that
//! `user:password` is found too), in capitals or not, split by spaces and line ends, and cut off at the end of the text.
//!
//! Invariant: of a secret of at least [`SHORTEST`] bytes no more than three bytes in a row are left at the end of a text, and nothing
//! elsewhere.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use reqwest::header::{HeaderName, HeaderValue};

use crate::secret::Secret;

/// Shorter secrets are not looked for: they stand in half of all words.
const SHORTEST: usize = 3;
/// What is left of a secret that is cut off at the end of a text.
const SHORTEST_REST: usize = 4;
/// Longest text that is looked through, in bytes; what follows is dropped.
const LONGEST_TEXT: usize = 16 * 1024;
/// What stands there instead.
const STARS: &str = "***";

/// What must not be told, in every form that is looked for. Cheap to make: a few forms of a few secrets.
#[derive(Clone, Default)]
pub(super) struct Hidden {
    forms: Vec<Vec<u8>>,
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(***)")
    }
}

/// A byte of a text, as a view reads it, and where it stands.
#[derive(Clone, Copy)]
struct Seen {
    byte: u8,
    from: usize,
    to: usize,
}

impl Hidden {
    /// The forms of these secrets.
    pub(super) fn of(secrets: &[String]) -> Self {
        let mut hidden = Self::default();
        for secret in secrets {
            hidden.add(secret);
        }
        hidden
    }

    /// The same, with a value of `Authorization` and the headers of a call that are marked sensitive.
    pub(super) fn and(&self, authorization: Option<&Secret>, headers: &[(HeaderName, HeaderValue)]) -> Self {
        let mut hidden = self.clone();
        if let Some(value) = authorization {
            hidden.add_authorization(value);
        }
        for (_, value) in headers.iter().filter(|(_, value)| value.is_sensitive()) {
            value.to_str().into_iter().for_each(|text| hidden.add_authorization(&Secret::new(text)));
        }
        hidden
    }

    /// What follows the scheme; of `Basic` also what it is made of.
    fn add_authorization(&mut self, value: &Secret) {
        let value = value.expose().trim();
        let token = value.split_once(' ').map_or(value, |(_, token)| token.trim());
        self.add(token);
        let opened = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some((user, password)) = opened.as_deref().and_then(|pair| pair.split_once(':')) {
            self.add(user);
            self.add(password);
        }
    }

    fn add(&mut self, secret: &str) {
        let plain = compact(secret.as_bytes());
        if plain.len() < SHORTEST {
            return;
        }
        for before in 0..3 {
            let padded = [&vec![b' '; before][..], secret.as_bytes()].concat();
            let packed = STANDARD_NO_PAD.encode(&padded);
            // Characters that also hold bits of what stands before or after are left out.
            let from = (before * 8).div_ceil(6);
            let core = packed.get(from..padded.len() * 8 / 6).unwrap_or_default();
            // A short core would be found by chance.
            if core.len() >= 2 * SHORTEST {
                self.push(core.replace('+', "-").replace('/', "_").into_bytes());
                self.push(core.as_bytes().to_vec());
            }
        }
        self.push(plain);
    }

    fn push(&mut self, form: Vec<u8>) {
        if !self.forms.contains(&form) {
            self.forms.push(form);
        }
    }

    /// A text without them.
    pub(super) fn hide(&self, text: &str) -> String {
        let mut end = text.len().min(LONGEST_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.get(..end).unwrap_or_default();
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for view in [as_written(text), decoded(text, false), decoded(text, true)] {
            for form in &self.forms {
                find(&view, form, &mut ranges);
            }
        }
        ranges.sort_unstable();
        let (mut clean, mut at) = (String::with_capacity(text.len()), 0);
        for (from, to) in ranges {
            if to <= at {
                continue;
            }
            if from >= at {
                clean.push_str(text.get(at..from).unwrap_or_default());
                clean.push_str(STARS);
            }
            at = to;
        }
        clean.push_str(text.get(at..).unwrap_or_default());
        clean
    }
}

/// Without what a line that is folded or spaced out has between the characters.
fn compact(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| !is_between(*byte)).collect()
}

const fn is_between(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte.is_ascii_control()
}

/// Every place where the form stands whole, and at the end of the text as far as it goes.
fn find(view: &[Seen], form: &[u8], ranges: &mut Vec<(usize, usize)>) {
    let same =
        |one: &[Seen], form: &[u8]| one.iter().zip(form).all(|(seen, byte)| seen.byte.eq_ignore_ascii_case(byte));
    let mut add = |part: &[Seen]| {
        if let (Some(first), Some(last)) = (part.first(), part.last()) {
            ranges.push((first.from, last.to));
        }
    };
    for part in view.windows(form.len()) {
        if same(part, form) {
            add(part);
        }
    }
    for length in (SHORTEST_REST..form.len().min(view.len() + 1)).rev() {
        let rest = view.get(view.len() - length..).unwrap_or_default();
        if same(rest, form) {
            add(rest);
            break;
        }
    }
}

/// The bytes of a text that are no space and no line end; what marks a cut is none either.
fn as_written(text: &str) -> Vec<Seen> {
    let text = text.strip_suffix('…').unwrap_or(text);
    let mut view = Vec::with_capacity(text.len());
    for (from, c) in text.char_indices() {
        let to = from + c.len_utf8();
        let bytes = text.as_bytes().get(from..to).unwrap_or_default();
        view.extend(bytes.iter().filter(|byte| !is_between(**byte)).map(|byte| Seen { byte: *byte, from, to }));
    }
    view
}

/// The same with `%41`, `\u0041`, `\"`, `\n`, `&#65;` and `&amp;` read as what they stand for; `+` too, where it is a space.
fn decoded(text: &str, plus_is_space: bool) -> Vec<Seen> {
    let text = text.strip_suffix('…').unwrap_or(text);
    let mut view = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let (length, bytes) = if plus_is_space && rest.starts_with('+') { (1, Vec::new()) } else { one(rest) };
        let (from, to) = (at, at + length);
        view.extend(bytes.into_iter().filter(|byte| !is_between(*byte)).map(|byte| Seen { byte, from, to }));
        at = to;
    }
    view
}

/// What stands at the beginning of a text, and how many bytes it takes.
fn one(text: &str) -> (usize, Vec<u8>) {
    let number =
        |from: usize, to: usize, radix| text.get(from..to).and_then(|digits| u32::from_str_radix(digits, radix).ok());
    let written = |c: char| c.to_string().into_bytes();
    let first = text.chars().next().unwrap_or(' ');
    let plain = (first.len_utf8(), written(first));
    match first {
        '%' => match number(1, 3, 16).and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) => (3, vec![byte]),
            None => plain,
        },
        '\\' => match text.as_bytes().get(1) {
            Some(b'u') => match number(2, 6, 16).and_then(char::from_u32) {
                Some(c) => (6, written(c)),
                None => plain,
            },
            Some(b'n' | b'r' | b't') => (2, Vec::new()),
            Some(escaped @ (b'"' | b'\\' | b'/')) => (2, vec![*escaped]),
            _ => plain,
        },
        '&' => {
            let Some(length) = text.bytes().take(10).position(|byte| byte == b';') else { return plain };
            let name = text.get(1..length).unwrap_or_default();
            let c = match name {
                "amp" => Some('&'),
                "lt" => Some('<'),
                "gt" => Some('>'),
                "quot" => Some('"'),
                "apos" => Some('\''),
                _ => match name.strip_prefix("#x").or_else(|| name.strip_prefix("#X")) {
                    Some(digits) => u32::from_str_radix(digits, 16).ok().and_then(char::from_u32),
                    None => name.strip_prefix('#').and_then(|digits| digits.parse().ok()).and_then(char::from_u32),
                },
            };
            c.map_or(plain, |c| (length + 1, written(c)))
        }
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "k\"4na/ri&7731+é x";

    fn hidden() -> Hidden {
        Hidden::of(&[SECRET.to_owned()])
    }

    fn percent(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }

    #[test]
    fn a_secret_is_found_however_it_is_written() {
        let form: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        let xml = SECRET.replace('&', "&amp;").replace('"', "&quot;");
        let pair = STANDARD.encode(format!("user:{SECRET}"));
        let folded: String =
            pair.as_bytes().chunks(5).map(|line| format!("{}\r\n ", String::from_utf8_lossy(line))).collect();
        let escaped = serde_json::to_string(&format!("a\n{SECRET}")).unwrap();
        let ascii = SECRET.replace('é', "\\u00e9").replace('"', "\\\"").replace('/', "\\/");
        let split: String = SECRET.chars().map(|c| format!("{c}\n")).collect();
        for text in
            [SECRET, &form, &percent(SECRET), &xml, &escaped, &ascii, &split, &SECRET.to_uppercase().replace('É', "é")]
        {
            let clean = hidden().hide(&format!("before {text} after"));
            assert!(
                clean.starts_with("before ") && clean.ends_with(" after") && clean.contains("***"),
                "{text}: {clean}"
            );
            assert!(!clean.contains("7731") && !clean.contains("%37%37"), "{text}: {clean}");
        }
        for packed in
            [pair.clone(), folded, pair.replace('+', "-").replace('/', "_"), pair.trim_end_matches('=').to_owned()]
        {
            let clean = hidden().hide(&packed);
            let inside = STANDARD.encode(format!("user:{SECRET}"));
            assert!(clean.contains("***") && !clean.contains(&inside[12..20]), "{packed}: {clean}");
        }
    }

    #[test]
    fn a_value_of_authorization_is_hidden_with_what_it_is_made_of() {
        let basic = Secret::new(&format!("Basic {}", STANDARD.encode("vendeur:kanari-7731")));
        let bearer = Secret::new("Bearer jeton-8842");
        let hidden = Hidden::of(&[]).and(Some(&basic), &[]).and(Some(&bearer), &[]);
        let clean = hidden.hide(&format!("{} vendeur kanari-7731 {}", basic.expose(), bearer.expose()));
        assert_eq!(clean, "Basic *** *** *** Bearer ***");
        assert_eq!(format!("{hidden:?}"), "Hidden(***)");
    }

    #[test]
    fn what_is_cut_off_is_hidden_too_and_all_else_is_left() {
        let hidden = Hidden::of(&["kanari-7731".to_owned(), "ab".to_owned()]);
        assert_eq!(hidden.hide("the key kanari-77…"), "the key ***…");
        assert_eq!(hidden.hide("the key kan"), "the key kan");
        for plain in ["", "abc", "100 % & \\ é &bogus; %zz \\u00 kanari x", "👍…"] {
            assert_eq!(hidden.hide(plain), plain);
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it_and_no_secret_is_left(
            before in ".{0,40}", secret in "[0-9A-Za-z/+%&]{8,24}", after in ".{0,40}",
        ) {
            let hidden = Hidden::of(std::slice::from_ref(&secret));
            for written in [secret.clone(), percent(&secret), STANDARD.encode(&secret)] {
                let clean = hidden.hide(&[before.as_str(), &written, &after].concat());
                prop_assert!(!clean.contains(&written), "{}", clean);
            }
            let _any = hidden.hide(&before);
        }
    }
}
