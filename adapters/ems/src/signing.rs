//! The bytes of a booking call, and their signature.
//!
//! The vendor signs again what it receives, and nobody outside knows whether it hashes the bytes themselves or JSON that it
//! wrote anew. So a body is written in the one spelling that is known to be accepted.
//!
//! Invariant: the bytes that are signed are the bytes that are sent.

use std::fmt::{Display, Write as _};

use hmac::{Hmac, KeyInit as _, Mac as _};
use passerelle_kit::secret::Secret;
use sha2::Sha512;

/// Smallest pseudonym, so that each has nine digits and no zero in front, which a vendor reading a number would lose.
const FIRST_PSEUDONYM: u64 = 100_000_000;
/// Pseudonyms there are.
const PSEUDONYMS: u64 = 900_000_000;

/// A JSON object being written: members in the order of the calls, a space after each comma and each colon.
pub(crate) struct Body(String);

impl Body {
    pub(crate) const fn new() -> Self {
        Self(String::new())
    }

    pub(crate) fn text(self, name: &str, value: &str) -> Self {
        self.member(name, quoted(value))
    }

    pub(crate) fn number(self, name: &str, value: impl Into<i64>) -> Self {
        self.member(name, value.into())
    }

    pub(crate) fn euros(self, name: &str, cents: u64) -> Self {
        self.member(name, euros(cents))
    }

    fn member(mut self, name: &str, value: impl Display) -> Self {
        let comma = if self.0.is_empty() { "" } else { ", " };
        let _infallible = write!(self.0, "{comma}{}: {value}", quoted(name));
        self
    }

    /// The bytes to sign and to send.
    pub(crate) fn bytes(self) -> Vec<u8> {
        format!("{{{}}}", self.0).into_bytes()
    }
}

/// A text in ASCII alone; what lies beyond is escaped in halves of UTF-16.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                for half in c.encode_utf16(&mut [0; 2]) {
                    let _infallible = write!(out, "\\u{half:04x}");
                }
            }
        }
    }
    out.push('"');
    out
}

/// Cents as euros: no zero at the end, yet always a decimal.
fn euros(cents: u64) -> String {
    let (whole, rest) = (cents / 100, cents % 100);
    if rest % 10 == 0 { format!("{whole}.{}", rest / 10) } else { format!("{whole}.{rest:02}") }
}

/// What goes into the address of a call.
pub(crate) fn digest(secret: &Secret, body: &[u8]) -> String {
    hex::encode(mac(secret, body))
}

/// Nine digits that stand for a person: always the same for one address, and telling nothing of it.
pub(crate) fn pseudonym(secret: &Secret, email: &str) -> String {
    let mac = mac(secret, email.trim().to_lowercase().as_bytes());
    let number = mac.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    (FIRST_PSEUDONYM + number % PSEUDONYMS).to_string()
}

fn mac(secret: &Secret, message: &[u8]) -> Vec<u8> {
    // A key of any length is one, so there is always a digest.
    let Ok(mut mac) = Hmac::<Sha512>::new_from_slice(secret.expose().as_bytes()) else { return Vec::new() };
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret() -> Secret {
        Secret::new("ems-demo-secret-0001")
    }

    fn sale(site: &str, session: &str, quantity: i64, cents: u64, email: &str, number: Option<&str>) -> Vec<u8> {
        let body = Body::new()
            .text("num_cine", site)
            .text("id_seance", session)
            .number("qte_place", quantity)
            .euros("pass_culture_price", cents)
            .euros("total_price", cents * quantity.unsigned_abs())
            .text("email", email)
            .text("num_pass_culture", "58112");
        match number {
            Some(number) => body.text("num_cmde", number),
            None => body.member("num_cmde", "null"),
        }
        .bytes()
    }

    fn same(body: &[u8], written: &str, signed: &str) {
        assert_eq!(std::str::from_utf8(body).unwrap(), written);
        assert_eq!(digest(&secret(), body), signed);
    }

    #[test]
    fn sales_are_written_and_signed_as_the_vendor_takes_them() {
        let email = "lou.martel@example.org";
        same(
            &sale("7421", "742100018811", 1, 715, email, Some("K7M2QX")),
            r#"{"num_cine": "7421", "id_seance": "742100018811", "qte_place": 1, "pass_culture_price": 7.15, "total_price": 7.15, "email": "lou.martel@example.org", "num_pass_culture": "58112", "num_cmde": "K7M2QX"}"#,
            "8b4ce1df1404fdfe4db257c3527ce7b84bc6f02d720e9bb61c738b6efca7bd00da086bdf25c5a5689fe53657099525124700148dcbffdb039c53e73edc88748b",
        );
        same(
            &sale("7421", "742100018811", 2, 715, email, Some("R4T7WZ")),
            r#"{"num_cine": "7421", "id_seance": "742100018811", "qte_place": 2, "pass_culture_price": 7.15, "total_price": 14.3, "email": "lou.martel@example.org", "num_pass_culture": "58112", "num_cmde": "R4T7WZ"}"#,
            "f3df9b221f0e1fc181eec2b822f0b3acd24ea8e2cf0ae9e49a06d2b54fe32dfdc5a865f834eda8b49c133f12c7955c5fd4243e4e508f63bbe314cf78684bad1e",
        );
        same(
            &sale("0087", "008700001234", 2, 700, "zo\u{e9}@example.org", None),
            r#"{"num_cine": "0087", "id_seance": "008700001234", "qte_place": 2, "pass_culture_price": 7.0, "total_price": 14.0, "email": "zo\u00e9@example.org", "num_pass_culture": "58112", "num_cmde": null}"#,
            "9975970e7e969d28bb7410df3b449295147b3f1e6811f61bbef2d20b38b5973dc806b9e5dc9c8f1c46275047413590581b895b7a9e25e3d63766736a1d9fad83",
        );
    }

    #[test]
    fn the_other_calls_are_written_and_signed_as_the_vendor_takes_them() {
        same(
            &Body::new().text("num_cine", "7421").text("num_cmde", "K7M2QX").bytes(),
            r#"{"num_cine": "7421", "num_cmde": "K7M2QX"}"#,
            "2fb37470c209a94d4fa5bb8e3aa9bed9c23f8d67f90c79c5ed183d7afa42c66dc065e4738bbfb2ad727fa3dc20db9edb0c45d263c4ebad3ed384b9933a88e49e",
        );
        same(
            &Body::new()
                .text("num_cine", "7421")
                .text("num_caisse", "255")
                .number("num_trans", 534)
                .number("num_ope", 144_659)
                .bytes(),
            r#"{"num_cine": "7421", "num_caisse": "255", "num_trans": 534, "num_ope": 144659}"#,
            "33bc2b0d490ce7620ca4c02974909a4f03c7fe5051d0cea1b461ceb1d89a1e89b9c54eb8bd07a19bbc2d5d4163cc4fb15c916d7701fc61f9f7330e252b02d783",
        );
        same(
            &Body::new().text("num_cine", "7421").text("id_film", "QTRLM").bytes(),
            r#"{"num_cine": "7421", "id_film": "QTRLM"}"#,
            "033a969c4a10339b3d134738215e22143627668a40421afc601fd7a64a36a5a0db77e5eeed631b2a345848e9fd62ad99530da38be70edcbfd0069567e2a635f1",
        );
    }

    #[test]
    fn another_spelling_or_another_key_has_another_signature() {
        for (body, signed) in [
            (
                r#"{"num_cine":"7421","num_cmde":"K7M2QX"}"#,
                "af9db49a04d124491e4814eee78e3181e15b6d0f6ea5ab7328c9ccd3c502045406a10d505fc82de017d46e3ecd02f5d87baf9d3e25885a299591e80aa9b6c979",
            ),
            (
                r#"{"email": "zo\u00e9@example.org"}"#,
                "af2eb5a1946e4f52446937713eed664717d627d1196daaee96c0676f435038424a7c6aeee8641066b050291e9639e2f7bb08b6edfe62cd2979a678e6453cb220",
            ),
            (
                "{\"email\": \"zo\u{e9}@example.org\"}",
                "35083ada924929776fe8e9b72b91925a5c6a56f14700f945b26013dd24031720381acc61da81f47ad18adae06740474474ce3f60d48b185b0cd9a0af6310e56e",
            ),
            (
                "{}",
                "1b6314ae9b277afde52da9af0c4da5c3c2124b41fbf7bedf0b4ce99e2cdcf662da6e37246077a6abf22e08a37c3bb2fa69d83979660719406a145c55392a49a6",
            ),
        ] {
            assert_eq!(digest(&secret(), body.as_bytes()), signed, "{body}");
        }
        assert_eq!(
            digest(&Secret::new("secret_key"), br#"{"num_cine": "7421", "num_cmde": "K7M2QX"}"#),
            "43491bce6f624d0de94f9f4b7cd8b64380accc294a6673a9259d4a53032bf6770d3526ac918213615adcb43056e4cda8203a54844005b4604b188698cefdc869"
        );
        assert_eq!(Body::new().text("email", "zo\u{e9}@example.org").bytes(), br#"{"email": "zo\u00e9@example.org"}"#);
        assert_eq!(Body::new().bytes(), b"{}");
    }

    #[test]
    fn amounts_have_a_decimal_and_no_more_than_they_need() {
        for (cents, written) in [(0, "0.0"), (5, "0.05"), (10, "0.1"), (700, "7.0"), (715, "7.15"), (1_430, "14.3")] {
            assert_eq!(euros(cents), written);
        }
    }

    #[test]
    fn texts_are_ascii_with_small_letters_in_escapes() {
        assert_eq!(quoted("a/\"\\\n\r\t\u{8}\u{c}\u{1}\u{7f}"), r#""a/\"\\\n\r\t\b\f\u0001\u007f""#);
        assert_eq!(quoted("\u{e9}\u{20ac}\u{1f3ac}"), r#""\u00e9\u20ac\ud83c\udfac""#);
    }

    #[test]
    fn a_pseudonym_is_nine_digits_and_the_same_for_one_address() {
        let one = pseudonym(&secret(), "Ida.Moreau@example.org");
        assert_eq!(one, pseudonym(&secret(), " ida.moreau@EXAMPLE.org"));
        assert_ne!(one, pseudonym(&secret(), "zoe@example.org"));
        assert_ne!(one, pseudonym(&Secret::new("another"), "ida.moreau@example.org"));
        assert!(one.len() == 9 && one.bytes().all(|byte| byte.is_ascii_digit()) && !one.starts_with('0'), "{one}");
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_ascii_json_that_reads_back(text in any::<String>(), cents in 0..1_000_000_u64) {
            let body = Body::new().text("t", &text).euros("e", cents).bytes();
            prop_assert!(body.is_ascii());
            let read: serde_json::Value = serde_json::from_slice(&body).unwrap();
            prop_assert_eq!(read["t"].as_str(), Some(text.as_str()));
            // The shortest decimal of a double, as the known clients print it.
            let euros = format!("{:?}", cents as f64 / 100.0);
            prop_assert!(String::from_utf8(body).unwrap().ends_with(&format!("\"e\": {euros}}}")), "{}", euros);
        }
    }
}
