//! From a reference as shops write it to an EAN.
//!
//! Understands hyphens, spreadsheet wrappers, ISBN-10, UPC, press add-ons and the exporters that pad an ISBN-10 with zeros.
//! What an EAN *means* (book, press, shop's own code) is not decided here: that is the gateway's `rules`.
//!
//! Invariant: never guesses a digit. What a spreadsheet destroyed is refused, and thirteen plain digits cost no allocation.

use passerelle_contract::{DataProblem, Ean, EanError, Severity};

/// Longest reference that is looked at, in bytes; longer ones are refused unread.
pub const MAX_REFERENCE_BYTES: usize = 128;

/// The smallest EAN of a book.
const FIRST_BOOK: u64 = 9_780_000_000_000;

/// Newspapers and magazines.
const PRESS: &[u8] = b"977";

/// Words that exporters write before a reference.
const WORDS: [&str; 4] = ["ISBN13", "ISBN", "EAN13", "EAN"];

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
    /// A book's EAN with something behind it: a copy's number, most often.
    #[error(
        "something stands behind the reference of a book, a copy's number perhaps; say what it is with \
         values.reference_suffix (\"ignore\" or \"used\")"
    )]
    Suffix,
    /// A code that a shop gives itself and that can be no product's EAN.
    #[error("the code is too short for any product's EAN: one that the shop gives itself")]
    Internal,
    /// The reference itself says that the copy is used.
    #[error("the reference is marked as a used copy")]
    Used,
}

impl ReferenceProblem {
    /// Every problem, one for each code first; lengths stand for themselves.
    pub const ALL: [Self; 8] = [
        Self::Length(0),
        Self::CheckDigit,
        Self::Lossy,
        Self::Suffix,
        Self::Internal,
        Self::Used,
        Self::Characters,
        Self::Missing,
    ];

    /// The stable code and what it says of the source.
    #[must_use]
    pub const fn problem(self) -> DataProblem {
        let (code, severity) = match self {
            Self::Missing | Self::Length(_) | Self::Characters => ("BadLength", Severity::Unreadable),
            Self::CheckDigit => ("BadCheckDigit", Severity::Unreadable),
            Self::Lossy => ("LossyReference", Severity::Unreadable),
            Self::Suffix => ("ReferenceSuffix", Severity::Unreadable),
            Self::Internal => ("InternalCode", Severity::NotForSale),
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
            Self::Suffix => {
                "Quelque chose suit la référence du livre, un numéro d'exemplaire peut-être : dites dans les \
                             réglages ce que c'est."
                    .into()
            }
            Self::Internal => {
                "Ce code est un code interne au magasin : il ne désigne aucun produit sur le pass Culture.".into()
            }
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
    let bare = WORDS.iter().find_map(|word| cleaned.strip_prefix(word)).map(|rest| rest.trim_start_matches(':'));
    if let Some(ean) = bare.and_then(|bare| from_cleaned(bare.as_bytes()).ok()) {
        return Ok(ean);
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
            match Ean::from_digits(&padded) {
                // A book's EAN that lost its last digit, rather than a UPC that lost its zero.
                Ok(_) if text.starts_with(b"978") || text.starts_with(b"979") => Err(ReferenceProblem::Length(12)),
                other => other.map_err(|_| ReferenceProblem::CheckDigit),
            }
        }
        10 => isbn10(text).ok_or(ReferenceProblem::CheckDigit),
        14 if text[0] == b'0' => Ean::from_digits(&text[1..]).map_err(|_| ReferenceProblem::CheckDigit),
        // Press: an EAN-13 followed by its issue number.
        15 | 18 if text.starts_with(PRESS) => Ean::from_digits(&text[..13]).map_err(|_| ReferenceProblem::CheckDigit),
        14..=20 if Ean::from_digits(&text[..13]).is_ok() => Err(ReferenceProblem::Suffix),
        1..=7 => Err(ReferenceProblem::Internal),
        8 if is_ean8(text) => Err(ReferenceProblem::Internal),
        other => Err(ReferenceProblem::Length(other)),
    }
}

/// Eight digits whose check digit is right: sweets, postcards, cables, and no book.
fn is_ean8(text: &[u8]) -> bool {
    let weighed = |(at, byte): (usize, &u8)| u32::from(byte - b'0') * if at % 2 == 0 { 3 } else { 1 };
    text.len() == 8 && text.iter().enumerate().map(weighed).sum::<u32>().is_multiple_of(10)
}

/// The EAN before a suffix that a shop's settings explain.
///
/// # Errors
/// The problem of the whole text when it has no EAN before its suffix.
pub fn without_suffix(text: &str) -> Result<Ean, ReferenceProblem> {
    normalise(text).or_else(|problem| match problem {
        ReferenceProblem::Suffix => {
            let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).take(13).collect();
            Ean::from_digits(&digits).map_err(|_| problem)
        }
        _ => Err(problem),
    })
}

/// Could nobody take this for a reference, not even for a damaged one? Totals, remarks, the shop's own `CARTE-0022`: too few
/// digits, and something else beside them.
#[must_use]
pub fn is_no_code(text: &str) -> bool {
    let text = unwrapped(text);
    if is_scientific(text) {
        return false;
    }
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let upper = text.to_ascii_uppercase();
    let is_shops =
        upper.starts_with(|c: char| c.is_ascii_alphabetic()) && !WORDS.iter().any(|word| upper.starts_with(word));
    let few = if is_shops { 10 } else { 8 };
    digits == 0 || digits < few && text.chars().any(|c| !c.is_ascii_digit() && !is_decoration(c))
}

/// Most references that are looked for in one row.
pub const MAX_FOUND: usize = 32;

/// Every EAN that stands anywhere in these bytes, however it is written: for rows that cannot be read. At most [`MAX_FOUND`].
///
/// Finds rather too much: what it finds is only protected, never offered.
#[must_use]
pub fn eans_in(bytes: &[u8]) -> Vec<Ean> {
    let mut found = Vec::new();
    let mut add = |ean: Option<Ean>| match ean {
        Some(ean) if found.len() < MAX_FOUND && !found.contains(&ean) => found.push(ean),
        _ => {}
    };
    let mut at = 0;
    while let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|step| at + step) {
        // Digits with at most one blank or hyphen between two of them, and where each group of them starts.
        let (mut digits, mut groups, mut end) = (Vec::new(), vec![0], start);
        while let Some(byte) = bytes.get(end) {
            let goes_on = bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
            match byte {
                b'0'..=b'9' => digits.push(*byte),
                b'-' | b' ' | b'.' | 0xA0 if goes_on => groups.push(digits.len()),
                0xC2 if bytes.get(end + 1) == Some(&0xA0) && bytes.get(end + 2).is_some_and(u8::is_ascii_digit) => {}
                _ => break,
            }
            end += 1;
            if digits.len() >= MAX_REFERENCE_BYTES {
                break;
            }
        }
        if matches!(bytes.get(end), Some(b'X' | b'x')) {
            digits.push(b'X');
        } else if let (Some(b'-'), Some(b'X' | b'x')) = (bytes.get(end), bytes.get(end + 1)) {
            digits.push(b'X');
        }
        if groups.len() == 1 {
            // Nothing between them: a fixed layout writes shop, EAN and quantity in one row of digits.
            digits.windows(13).for_each(|window| add(Ean::from_digits(window).ok()));
        }
        for group in groups {
            let rest = digits.get(group..).unwrap_or_default();
            add(rest.get(..13).and_then(|part| Ean::from_digits(part).ok().or_else(|| padded_isbn10(part))));
            add(rest.get(..10).and_then(isbn10));
            if rest.len() == 12 {
                add(from_cleaned(rest).ok());
            }
        }
        at = end.max(start + 1);
    }
    found
}

/// The digits that are left of a reference which a spreadsheet has rounded: `9,78207E+12` and `9782070000000`.
///
/// Rounding may have changed the last digit shown, so only those are given that every number behind it has in common; 3 to 12 of
/// them, or nothing.
#[must_use]
pub fn rounded_beginning(text: &str) -> Option<String> {
    let text = unwrapped(text);
    let (shown, whole) = if is_scientific(text) {
        let (mantissa, exponent) = text.split_once(['E', 'e'])?;
        let point = mantissa.find(['.', ',']).unwrap_or(mantissa.len());
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        (digits, point.checked_add(exponent.trim_start_matches('+').parse::<usize>().ok()?)?)
    } else {
        let digits = text.trim_end_matches('0');
        let is_rounded = text.len() == 13
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && digits.len() <= 9
            && normalise(text) == Err(ReferenceProblem::CheckDigit);
        (is_rounded.then(|| digits.to_owned())?, 13)
    };
    if whole != 13 || !(3..=13).contains(&shown.len()) {
        return None;
    }
    let unit = 10_u64.checked_pow(u32::try_from(13 - shown.len()).ok()?)?;
    let middle = shown.parse::<u64>().ok()?.checked_mul(unit)?;
    // What is rounded down to a book's first digits is a book.
    let floor = if middle >= FIRST_BOOK { FIRST_BOOK } else { 0 };
    let (least, most) = (format!("{:013}", (middle - unit / 2).max(floor)), format!("{:013}", middle + unit / 2));
    let common: String = least.chars().zip(most.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a).take(12).collect();
    (common.len() >= 3).then_some(common)
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

/// Without blanks around, the spreadsheet's `="…"` or `'`, and trailing `.0`.
fn unwrapped(text: &str) -> &str {
    let blank = |c: char| c.is_whitespace() || is_invisible(c);
    let text = text.trim_matches(blank).trim_start_matches('=').trim_matches(['"', '\'', '’']).trim_matches(blank);
    // `9782999999107,00`: the reference went through a number.
    let number = text.trim_end_matches('0');
    match number.strip_suffix(['.', ',']) {
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
            ("9782999999107,00", "9782999999107"),
            ("9782999999107.000", "9782999999107"),
            ("9782999999107.", "9782999999107"),
            ("ISBN 9782999999107", "9782999999107"),
            ("isbn: 978-2-999999-10-7", "9782999999107"),
            ("977123456700312", "9771234567003"),
            ("977123456700312345", "9771234567003"),
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
            ("978207000003", "BadLength"),
            ("97829999991", "BadLength"),
            ("19782999999107", "BadLength"),
            ("29999991", "BadLength"),
            ("40123455", "InternalCode"),
            ("1234567", "InternalCode"),
            ("9782999999107-01", "ReferenceSuffix"),
            ("9782999999107-2", "ReferenceSuffix"),
            ("9782999999107-00002", "ReferenceSuffix"),
            ("9782999999107.01", "ReferenceSuffix"),
            ("978299999910712345", "ReferenceSuffix"),
            ("3700551782888-01", "ReferenceSuffix"),
            ("978299999910O", "BadLength"),
            ("٩782999999107", "BadLength"),
            ("9782999999107-O", "UsedCopy"),
            ("9782999999107_OCC", "UsedCopy"),
            ("9782999999107-X", "BadLength"),
        ] {
            assert_eq!(read(written), Err(code), "{written}");
        }
    }

    #[test]
    fn what_a_suffix_is_can_be_said() {
        assert_eq!(without_suffix("9782999999107-01").unwrap().to_string(), "9782999999107");
        assert_eq!(without_suffix("9782999999108-01"), Err(ReferenceProblem::Length(15)));
    }

    #[test]
    fn references_are_found_anywhere_in_a_row() {
        let found = |text: &str| eans_in(text.as_bytes()).iter().map(ToString::to_string).collect::<Vec<_>>();
        for text in [
            "Un; deux;9782999999107;10,00;2",
            "x 978-2-999999-10-7 y",
            "2 978-2-999999-10-7;3",
            "978\u{A0}2\u{A0}999999\u{A0}10\u{A0}7",
            "\"9782999999107\"\"",
            "ISBN2999999100;1",
            "0002999999100",
            "xx9782999999107-02",
        ] {
            assert!(found(text).contains(&"9782999999107".to_owned()), "{text}: {:?}", found(text));
        }
        assert!(found("6505978299999910700030000001890").contains(&"9782999999107".to_owned()));
        assert_eq!(found("2-999999-16-X"), ["9782999999169"]);
        assert_eq!(found("Total;;;350,00"), Vec::<String>::new());
        assert!(eans_in("9782999999107 9782999999114;".repeat(40).as_bytes()).len() <= MAX_FOUND);
    }

    #[test]
    fn what_is_left_of_a_rounded_reference() {
        for (written, left) in [
            ("9,78207E+12", Some("97820")),
            ("9.782070001E+12", Some("978207000")),
            ("9,7821E+12", Some("9782")),
            ("97,8207E+11", Some("97820")),
            ("9,78E+12", Some("978")),
            ("9,7E+12", None),
            ("9,78E+09", None),
            ("9782250000000", Some("97822")),
            ("9782999999107", None),
            ("9782999999108", None),
        ] {
            let found = rounded_beginning(written);
            assert_eq!(found.as_deref(), left, "{written}");
        }
    }

    #[test]
    fn totals_and_remarks_have_no_code_and_damaged_references_have_one() {
        for text in
            ["", "Total", "Total : 350", "CARTE-0022", "ART00001234", "-- fin --", "<b>Fatal error</b>: line 12"]
        {
            assert!(is_no_code(text), "{text}");
        }
        for text in [
            "12",
            "1234567",
            "97829999991",
            "ISBN 2-999999-16",
            "ISBN 97829999910",
            "9,78E+12",
            "978299999910O",
            "29999991",
            "2-999999-16-X",
        ] {
            assert!(!is_no_code(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn references_are_looked_for_in_any_bytes_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[0-9Xx. -]{0,80}") {
            let _ = eans_in(&bytes);
            let _ = eans_in(text.as_bytes());
            let _ = rounded_beginning(&text);
            let _ = is_no_code(&text);
        }

        #[test]
        fn a_rounded_reference_begins_like_the_one_it_was(ean in 9_770_000_000_000_u64..9_800_000_000_000, digits in 4_usize..12) {
            let unit = 10_u64.pow(u32::try_from(13 - digits).unwrap());
            let rounded = (ean + unit / 2) / unit;
            let shown = rounded.to_string();
            let written = format!("{},{}E+12", &shown[..1], &shown[1..]);
            if let Some(left) = rounded_beginning(&written).filter(|_| ean >= FIRST_BOOK) {
                prop_assert!(ean.to_string().starts_with(&left), "{} {} {}", ean, written, left);
            }
        }

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
