//! From a reference as shops write it to an EAN.
//!
//! Understands hyphens, spreadsheet wrappers, ISBN-10, UPC, press add-ons and the exporters that pad an ISBN-10 with zeros.
//! What an EAN *means* (book, press, shop's own code) is not decided here: that is the gateway's `rules`.
//!
//! Invariant: never guesses a digit. What a spreadsheet destroyed is refused, and thirteen plain digits cost no allocation.

use passerelle_contract::{DataProblem, Ean, EanError, Severity};

/// Longest reference that is looked at, in bytes; longer ones are refused unread.
pub const MAX_REFERENCE_BYTES: usize = 128;

/// Endings that shops put behind the new book's EAN to mark a used copy.
const USED_SUFFIXES: [&str; 7] = ["O", "OC", "OCC", "OCCAS", "OCCASION", "U", "USED"];

/// Why a text is not a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceProblem {
    /// Nothing is written.
    #[error("no reference is written")]
    Missing,
    /// Neither 13 digits nor any other length that stands for an EAN.
    #[error("a reference has 13 digits (10 for an ISBN-10, 12 for a UPC), this one has {0} characters")]
    Length(usize),
    /// Something other than digits (and a last `X`).
    #[error("a reference is made of digits; this one holds other characters")]
    Characters,
    /// The check digit is not the one that the others call for.
    #[error("the check digit is wrong")]
    CheckDigit,
    /// Scientific notation: a spreadsheet has destroyed digits.
    #[error("a spreadsheet has turned the reference into scientific notation and lost its last digits")]
    Lossy,
    /// The reference itself says that the copy is used.
    #[error("the reference is marked as a used copy")]
    Used,
}

impl ReferenceProblem {
    /// Every problem, one for each code first; lengths stand for themselves.
    pub const ALL: [Self; 6] =
        [Self::Length(0), Self::CheckDigit, Self::Lossy, Self::Used, Self::Characters, Self::Missing];

    /// The stable code and what it says of the source.
    #[must_use]
    pub const fn problem(self) -> DataProblem {
        let (code, severity) = match self {
            Self::Missing | Self::Length(_) | Self::Characters => ("BadLength", Severity::Unreadable),
            Self::CheckDigit => ("BadCheckDigit", Severity::Unreadable),
            Self::Lossy => ("LossyReference", Severity::Unreadable),
            Self::Used => ("UsedCopy", Severity::NotForSale),
        };
        DataProblem { code, severity }
    }

    /// For booksellers.
    #[must_use]
    pub fn message_fr(self) -> String {
        match self {
            Self::Missing => "La référence est vide.".into(),
            Self::Length(found) => format!(
                "Une référence a 13 chiffres (10 pour un ISBN-10, 12 pour un UPC) ; celle-ci a {found} caractères."
            ),
            Self::Characters => "Une référence ne contient que des chiffres ; celle-ci contient autre chose.".into(),
            Self::CheckDigit => "Le chiffre de contrôle est faux : la référence est sans doute mal saisie.".into(),
            Self::Lossy => "Le tableur a transformé la référence en notation scientifique et en a perdu les derniers \
                            chiffres : mettez la colonne au format texte, puis exportez de nouveau."
                .into(),
            Self::Used => "La référence désigne un exemplaire d'occasion.".into(),
        }
    }
}

/// Reads a reference.
///
/// # Errors
/// [`ReferenceProblem`]; its `problem()` has the stable code.
pub fn normalise(text: &str) -> Result<Ean, ReferenceProblem> {
    match Ean::from_digits(text.as_bytes()) {
        Ok(ean) => Ok(ean),
        Err(EanError::CheckDigit) => padded_isbn10(text.as_bytes()).ok_or(ReferenceProblem::CheckDigit),
        Err(EanError::Shape) => normalise_written(text),
    }
}

fn normalise_written(text: &str) -> Result<Ean, ReferenceProblem> {
    if text.len() > MAX_REFERENCE_BYTES {
        return Err(ReferenceProblem::Length(text.chars().count()));
    }
    let text = unwrapped(text);
    if is_scientific(text) {
        return Err(ReferenceProblem::Lossy);
    }
    let cleaned: String =
        text.chars().filter(|c| !is_decoration(*c)).flat_map(char::to_uppercase).take(MAX_REFERENCE_BYTES).collect();
    if cleaned.is_empty() {
        return Err(ReferenceProblem::Missing);
    }
    from_cleaned(cleaned.as_bytes())
        .map_err(|problem| if is_marked_used(&cleaned) { ReferenceProblem::Used } else { problem })
}

/// Upper case, decorations gone.
fn from_cleaned(text: &[u8]) -> Result<Ean, ReferenceProblem> {
    let is_isbn10 = text.len() == 10 && text[9] == b'X' && text[..9].iter().all(u8::is_ascii_digit);
    if !is_isbn10 && !text.iter().all(u8::is_ascii_digit) {
        return Err(ReferenceProblem::Characters);
    }
    match text.len() {
        13 => match Ean::from_digits(text) {
            Ok(ean) => Ok(ean),
            Err(_) => padded_isbn10(text).ok_or(ReferenceProblem::CheckDigit),
        },
        12 => {
            let mut padded = [b'0'; 13];
            padded[1..].copy_from_slice(text);
            Ean::from_digits(&padded).map_err(|_| ReferenceProblem::CheckDigit)
        }
        10 => isbn10(text).ok_or(ReferenceProblem::CheckDigit),
        14 if text[0] == b'0' => Ean::from_digits(&text[1..]).map_err(|_| ReferenceProblem::CheckDigit),
        // Press: an EAN-13 followed by its issue number.
        15 | 18 => Ean::from_digits(&text[..13]).map_err(|_| ReferenceProblem::CheckDigit),
        other => Err(ReferenceProblem::Length(other)),
    }
}

/// A valid ISBN-10 becomes `978`, its first nine digits and a new check digit.
fn isbn10(text: &[u8]) -> Option<Ean> {
    let mut sum = 0;
    for (at, byte) in text.iter().enumerate() {
        let value = match byte {
            b'0'..=b'9' => u32::from(byte - b'0'),
            b'X' if at == 9 => 10,
            _ => return None,
        };
        sum += value * (10 - u32::try_from(at).ok()?);
    }
    if text.len() != 10 || sum % 11 != 0 {
        return None;
    }
    let mut digits = *b"9780000000000";
    digits[3..12].copy_from_slice(&text[..9]);
    let weighed: u32 =
        digits[..12].iter().enumerate().map(|(at, d)| u32::from(d - b'0') * if at % 2 == 0 { 1 } else { 3 }).sum();
    digits[12] = b'0' + u8::try_from((10 - weighed % 10) % 10).ok()?;
    Ean::from_digits(&digits).ok()
}

/// Some exporters pad whatever they have to 13: `000` and an ISBN-10. Only asked once the EAN's own check digit failed.
fn padded_isbn10(text: &[u8]) -> Option<Ean> {
    if text.len() == 13 && text.starts_with(b"000") { isbn10(&text[3..]) } else { None }
}

/// Without blanks around, the spreadsheet's `="…"` or `'`, and a trailing `.0`.
fn unwrapped(text: &str) -> &str {
    let blank = |c: char| c.is_whitespace() || is_invisible(c);
    let text = text.trim_matches(blank).trim_start_matches('=').trim_matches(['"', '\'', '’']).trim_matches(blank);
    match text.strip_suffix(".0").or_else(|| text.strip_suffix(",0")) {
        Some(number) if number.bytes().all(|b| b.is_ascii_digit()) => number,
        _ => text,
    }
}

/// `9,78299999911E+12`.
fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else { return false };
    let exponent = exponent.trim_start_matches(['+', '-']);
    !mantissa.is_empty()
        && mantissa.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b',')
        && !exponent.is_empty()
        && exponent.bytes().all(|b| b.is_ascii_digit())
}

const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{FEFF}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\0')
}

fn is_decoration(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '.' | '"' | '\'' | '’' | '“' | '”' | '«' | '»')
        || c.is_whitespace()
        || is_invisible(c)
}

fn is_marked_used(cleaned: &str) -> bool {
    [13, 10].into_iter().any(|length| {
        cleaned.is_char_boundary(length)
            && from_cleaned(&cleaned.as_bytes()[..length]).is_ok()
            && USED_SUFFIXES.contains(&cleaned[length..].trim_matches(['_', '/', '(', ')']))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<String, &'static str> {
        normalise(text).map(|ean| ean.to_string()).map_err(|problem| problem.problem().code)
    }

    #[test]
    fn references_are_read_however_shops_write_them() {
        for (written, ean) in [
            ("9782999999107", "9782999999107"),
            (" 978-2-999999-10-7 ", "9782999999107"),
            ("978\u{2011}2\u{A0}999999\u{202F}10.7", "9782999999107"),
            ("=\"9782999999107\"", "9782999999107"),
            ("'9782999999121", "9782999999121"),
            ("\u{FEFF}9782999999107\u{200B}", "9782999999107"),
            ("9782999999107.0", "9782999999107"),
            ("299999916X", "9782999999169"),
            ("2-999999-16-x", "9782999999169"),
            ("602435931975", "0602435931975"),
            ("0602435931975", "0602435931975"),
            ("09782999999107", "9782999999107"),
            ("9782999999107" /* and an add-on */, "9782999999107"),
            ("978299999910712345", "9782999999107"),
            ("978299999910712", "9782999999107"),
            ("0002999999100", "9782999999107"),
            ("0002730757438", "0002730757438"),
        ] {
            assert_eq!(read(written).as_deref(), Ok(ean), "{written}");
        }
    }

    #[test]
    fn what_cannot_be_read_has_a_stable_code() {
        for (written, code) in [
            ("9782999999108", "BadCheckDigit"),
            ("2999999161", "BadCheckDigit"),
            ("602435931976", "BadCheckDigit"),
            ("9,78299999912E+12", "LossyReference"),
            ("9.78e12", "LossyReference"),
            ("", "BadLength"),
            ("   ", "BadLength"),
            ("978299999910", "BadCheckDigit"),
            ("97829999991", "BadLength"),
            ("19782999999107", "BadLength"),
            ("29999991", "BadLength"),
            ("978299999910O", "BadLength"),
            ("٩782999999107", "BadLength"),
            ("9782999999107-O", "UsedCopy"),
            ("9782999999107_OCC", "UsedCopy"),
            ("9782999999107-X", "BadLength"),
        ] {
            assert_eq!(read(written), Err(code), "{written}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "\\PC{0,40}") {
            let _ = normalise(&text);
        }

        #[test]
        fn an_ean_is_found_again_behind_decorations(body in 0_u64..1_000_000_000_000, cut in 1_usize..12) {
            let digits = format!("{body:012}");
            let ean = (0..10).find_map(|key| Ean::from_digits(format!("{digits}{key}").as_bytes()).ok()).unwrap();
            let text = ean.to_string();
            let decorated = format!("=\"{}-{}\u{A0}\"", &text[..cut], &text[cut..]);
            prop_assert_eq!(normalise(&text), Ok(ean));
            prop_assert_eq!(normalise(&decorated), Ok(ean));
        }

        #[test]
        fn one_wrong_digit_never_passes(body in 100_000_000_000_u64..1_000_000_000_000, at in 0_usize..13, by in 1_u8..10) {
            let digits = format!("{body:012}");
            let ean = (0..10).find_map(|key| Ean::from_digits(format!("{digits}{key}").as_bytes()).ok()).unwrap();
            let mut text = ean.to_string().into_bytes();
            text[at] = b'0' + (text[at] - b'0' + by) % 10;
            // A broken 13-digit text is only ever taken for a zero-padded ISBN-10.
            if !text.starts_with(b"000") {
                prop_assert_eq!(normalise(std::str::from_utf8(&text).unwrap()), Err(ReferenceProblem::CheckDigit));
            }
        }
    }
}
