//! The numbers that name a French business: SIREN, SIRET and, in New Caledonia, RIDET.
//!
//! Invariant: a [`Siret`] is in the very form that pass Culture's `/venues/{siret}` takes, and its check digits are right
//! where the number has any. A typing mistake is found while reading the configuration, not by a 404 at night.

use std::fmt;
use std::str::FromStr;

/// La Poste's SIREN. Its shops' SIRETs outgrew Luhn's formula: theirs may instead have a digit sum divisible by five.
const LA_POSTE: &str = "356000000";

/// A venue's number: a SIRET (14 digits) or a RIDET in pass Culture's spelling (`NC` + 10 digits + `XX`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Siret(String);

/// Why a text is not a venue's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SiretError {
    /// Neither form.
    #[error("a SIRET has 14 digits, a RIDET 10 (or is written `NC`, 10 digits, `XX`)")]
    Shape,
    /// Fourteen digits that cannot be a SIRET.
    #[error("the SIRET's check digit is wrong: at least one digit is mistyped")]
    CheckDigit,
}

impl Siret {
    /// As pass Culture writes it: 14 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The business it belongs to, as pass Culture writes it: nine digits, or `NC` and seven (RID7).
    #[must_use]
    pub fn siren(&self) -> &str {
        &self.0[..9]
    }

    /// Is it a New Caledonian RIDET?
    #[must_use]
    pub fn is_ridet(&self) -> bool {
        self.0.starts_with("NC")
    }
}

impl FromStr for Siret {
    type Err = SiretError;

    /// Reads what people write: spaces, no-break spaces, dots and hyphens between groups are skipped; a bare RIDET of ten
    /// digits is put into pass Culture's form.
    fn from_str(text: &str) -> Result<Self, SiretError> {
        let compact: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '.' | '-'))
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let ridet = compact.strip_prefix("NC").and_then(|rest| rest.strip_suffix("XX"));
        match (ridet, compact.len()) {
            (Some(ten), 14) if is_digits(ten) => Ok(Self(compact)),
            (None, 10) if is_digits(&compact) => Ok(Self(format!("NC{compact}XX"))),
            (None, 14) if is_digits(&compact) => {
                if siret_digits_hold(&compact) {
                    Ok(Self(compact))
                } else {
                    Err(SiretError::CheckDigit)
                }
            }
            _ => Err(SiretError::Shape),
        }
    }
}

impl fmt::Display for Siret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn siret_digits_hold(siret: &str) -> bool {
    luhn_holds(siret) || (siret.starts_with(LA_POSTE) && digit_sum(siret).is_multiple_of(5))
}

/// Luhn's formula, over ASCII digits: from the right every second digit doubled, its digits summed; a multiple of ten.
fn luhn_holds(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte.wrapping_sub(b'0'));
            match (at % 2, digit) {
                (0, digit) => digit,
                (_, digit) if digit > 4 => digit * 2 - 9,
                (_, digit) => digit * 2,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

fn digit_sum(digits: &str) -> u32 {
    digits.bytes().map(|byte| u32::from(byte.wrapping_sub(b'0'))).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_numbers() {
        for (text, expected) in [
            ("85331845900049", Ok("85331845900049")),
            ("732 829 320 00074", Ok("73282932000074")),
            ("732\u{202f}829\u{202f}320 00074", Ok("73282932000074")),
            ("35600000000048", Ok("35600000000048")),
            ("35600000000001", Ok("35600000000001")), // by La Poste's own rule: digit sum 15
            ("35600000000002", Err(SiretError::CheckDigit)),
            ("85331845900048", Err(SiretError::CheckDigit)),
            ("1234567001", Ok("NC1234567001XX")),
            ("nc1234567001xx", Ok("NC1234567001XX")),
            ("NC1234567001", Err(SiretError::Shape)),
            ("NC12345670AAXX", Err(SiretError::Shape)),
            ("853318459", Err(SiretError::Shape)),
            ("8533184590004é", Err(SiretError::Shape)),
            ("", Err(SiretError::Shape)),
        ] {
            let read = text.parse::<Siret>();
            assert_eq!(read.as_ref().map(Siret::as_str).map_err(|e| *e), expected, "{text}");
        }
    }

    #[test]
    fn the_business_is_in_the_number() {
        assert_eq!("85331845900049".parse::<Siret>().unwrap().siren(), "853318459");
        let ridet = "1234567001".parse::<Siret>().unwrap();
        assert_eq!(ridet.siren(), "NC1234567");
        assert!(ridet.is_ridet());
    }

    proptest! {
        #[test]
        fn any_single_mistyped_digit_is_found(at in 0_usize..14, other in 0_u8..10) {
            let good = "85331845900049";
            let mut bytes = good.as_bytes().to_vec();
            bytes[at] = b'0' + other;
            let text = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(text.parse::<Siret>().is_ok(), text == good);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,20}") {
            let _ = text.parse::<Siret>().map(|siret| siret.siren().len());
        }
    }
}
