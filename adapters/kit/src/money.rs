//! Prices and quantities as people and tills write them, in exact integers.
//!
//! Understands decimal comma and point, thousands separators and the euro's names; refuses other currencies and whatever
//! would need a guess. What one text leaves open (`1,250`) may be settled by the other values of its column: [`Neighbours`].
//!
//! Invariant: no binary float, ever. A price is rounded half up to the cent and says so; a quantity is whole or refused.

use passerelle_contract::{Cents, DataProblem, Severity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod neighbours;

pub use neighbours::Neighbours;
use neighbours::could_be_thousands;

/// Longest number that is looked at, in bytes.
pub const MAX_NUMBER_BYTES: usize = 64;

/// Digits that fit the arithmetic with room for the unit.
const MAX_DIGITS: usize = 30;

/// What one unit of a written price is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PriceUnit {
    /// `12.90` is twelve euros and ninety cents.
    Euro,
    /// `1290` is twelve euros and ninety cents.
    Cent,
    /// `12900` is twelve euros and ninety cents.
    Millieuro,
}

/// Which character starts the decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DecimalMark {
    /// The last `,` or `.`, unless the same one stands more than once.
    #[default]
    Auto,
    /// `,`; a `.` separates thousands.
    Comma,
    /// `.`; a `,` separates thousands.
    Point,
}

/// A price that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// In cents. Saturates at `u32::MAX`, far above what any rule takes.
    pub cents: Cents,
    /// Rounding to the cent changed the value.
    pub rounded: bool,
}

/// A quantity that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Whole copies. Saturates at `u32::MAX`.
    pub copies: u32,
    /// It was below zero and became zero.
    pub clamped: bool,
}

/// Prices below this are placeholders unless a shop's settings say otherwise: no new book costs less.
pub const USUAL_FLOOR: Cents = Cents(50);

/// The price that goes with a stated quantity: both are statements of their own.
///
/// What is sold out is heard whatever stands in its price. With copies left, a price that is missing, zero or below `floor` is a
/// problem; the quantity was said all the same.
///
/// # Errors
/// [`NumberProblem`] of the price, with copies left.
pub fn price_beside_copies(
    price: Result<Price, NumberProblem>,
    copies: u32,
    floor: Cents,
) -> Result<Option<Price>, NumberProblem> {
    let price = price.and_then(|price| match price.cents {
        Cents(0) => Err(NumberProblem::Zero),
        cents if cents < floor => Err(NumberProblem::BelowFloor),
        _ => Ok(price),
    });
    if copies == 0 { Ok(price.ok()) } else { price.map(Some) }
}

/// Why a text is not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberProblem {
    /// Nothing, a dash, `NC` or a word for "free".
    #[error("no number is written")]
    Missing,
    /// Not a number, or not one that can be read in only one way.
    #[error("this is not a number")]
    Bad,
    /// A price below zero.
    #[error("a price cannot be negative")]
    Negative,
    /// A currency other than the euro.
    #[error("the price is not in euros")]
    Currency,
    /// A quantity with a fraction.
    #[error("a quantity is a whole number")]
    Fraction,
    /// A price in cents with a fraction: most often it is in euros.
    #[error("a price in cents is a whole number; if these are euros, say so in the unit")]
    CentFraction,
    /// `1,000`: one, or one thousand.
    #[error("this can be read with thousands or with decimals: say which with `decimal` (\"comma\" or \"point\")")]
    Ambiguous,
    /// A price of zero beside copies that are left.
    #[error("the price is 0: the software does not know it; correct the price there")]
    Zero,
    /// A price so small that it can only stand for an unknown one.
    #[error(
        "the price is below the smallest one that is believed (limits.min_price_cents); correct it, or lower that limit"
    )]
    BelowFloor,
}

impl NumberProblem {
    /// Every problem.
    pub const ALL: [Self; 9] = [
        Self::Missing,
        Self::Bad,
        Self::Negative,
        Self::Currency,
        Self::Fraction,
        Self::CentFraction,
        Self::Ambiguous,
        Self::Zero,
        Self::BelowFloor,
    ];

    /// The stable code when the number is a price.
    #[must_use]
    pub const fn price_problem(self) -> DataProblem {
        let code = match self {
            Self::Missing => "MissingPrice",
            Self::Currency => "Currency",
            Self::Ambiguous => "AmbiguousNumber",
            Self::Zero => "ZeroPrice",
            Self::BelowFloor => "PriceBelowFloor",
            Self::Bad | Self::Negative | Self::Fraction | Self::CentFraction => "BadNumber",
        };
        DataProblem { code, severity: Severity::Unreadable }
    }

    /// The stable code when the number is a quantity.
    #[must_use]
    pub const fn quantity_problem(self) -> DataProblem {
        let code = match self {
            Self::Missing => "MissingQuantity",
            Self::Ambiguous => "AmbiguousNumber",
            _ => "BadNumber",
        };
        DataProblem { code, severity: Severity::Unreadable }
    }

    /// For booksellers, after « Prix : » or « Quantité : ».
    #[must_use]
    pub const fn message_fr(self) -> &'static str {
        match self {
            Self::Missing => "la valeur manque.",
            Self::Bad => "la valeur n'est pas un nombre lisible.",
            Self::Negative => "un prix ne peut pas être négatif.",
            Self::Currency => "le montant n'est pas en euros.",
            Self::Fraction => "une quantité est un nombre entier.",
            Self::CentFraction => "un prix en centimes est un nombre entier.",
            Self::Ambiguous => "la valeur peut se lire avec des milliers ou avec des décimales.",
            Self::Zero => "le prix est à zéro ; renseignez le prix de vente dans votre logiciel.",
            Self::BelowFloor => {
                "le prix est trop petit pour être vrai ; renseignez le prix de vente dans votre logiciel."
            }
        }
    }
}

/// The mark that settles a text which alone could be read in two ways.
fn settled(number: &str, mark: DecimalMark, beside: &Neighbours) -> Result<DecimalMark, NumberProblem> {
    let digits = number.trim_start_matches(|c: char| is_blank(c) || matches!(c, '+' | '-' | '\u{2212}'));
    match digits.split_once([',', '.']) {
        Some((head, after)) if mark == DecimalMark::Auto && could_be_thousands(head, after) => {
            beside.mark_for(digits.as_bytes()[head.len()]).ok_or(NumberProblem::Ambiguous)
        }
        _ => Ok(mark),
    }
}

/// Reads a price that stands alone.
///
/// # Errors
/// [`NumberProblem`]; its `price_problem()` has the stable code.
pub fn price(text: &str, unit: PriceUnit, mark: DecimalMark) -> Result<Price, NumberProblem> {
    price_beside(text, unit, mark, &Neighbours::default())
}

/// Reads a price of a column whose other values are known.
///
/// In cents and thousandths a separator before three digits is thousands, and any other fraction is refused.
///
/// # Errors
/// [`NumberProblem`]; its `price_problem()` has the stable code.
pub fn price_beside(
    text: &str,
    unit: PriceUnit,
    mark: DecimalMark,
    beside: &Neighbours,
) -> Result<Price, NumberProblem> {
    if let Some(cents) = plain_price(text.as_bytes(), unit, mark) {
        return Ok(Price { cents: Cents(cents), rounded: false });
    }
    let text = trimmed(text)?;
    if is_no_number(text) {
        return Err(NumberProblem::Missing);
    }
    let written = without_euro(text)?;
    let number = match unit {
        PriceUnit::Euro => Decimal::read(&written, settled(&written, mark, beside)?)?,
        PriceUnit::Cent | PriceUnit::Millieuro => Decimal::read_whole(&written)?,
    };
    if number.negative && number.mantissa != 0 {
        return Err(NumberProblem::Negative);
    }
    Ok(number.to_cents(unit))
}

/// Reads a quantity that stands alone: whole copies, `3,00` being three.
///
/// # Errors
/// [`NumberProblem`]; its `quantity_problem()` has the stable code.
pub fn quantity(text: &str, mark: DecimalMark) -> Result<Count, NumberProblem> {
    quantity_beside(text, mark, &Neighbours::default())
}

/// Reads a quantity of a column whose other values are known.
///
/// # Errors
/// [`NumberProblem`]; its `quantity_problem()` has the stable code.
pub fn quantity_beside(text: &str, mark: DecimalMark, beside: &Neighbours) -> Result<Count, NumberProblem> {
    if let Some(copies) = plain_integer(text.as_bytes()) {
        return Ok(Count { copies, clamped: false });
    }
    let text = trimmed(text)?;
    if is_no_number(text) {
        return Err(NumberProblem::Missing);
    }
    let number = Decimal::read(text, settled(text, mark, beside)?)?;
    let copies = number.whole().ok_or(NumberProblem::Fraction)?;
    if number.negative && copies != 0 {
        return Ok(Count { copies: 0, clamped: true });
    }
    Ok(Count { copies: u32::try_from(copies).unwrap_or(u32::MAX), clamped: false })
}

/// Digits with at most two decimals, in cents: nearly every price of nearly every file, read from its bytes. `None` is no
/// verdict, only a reason to call [`price`].
#[inline]
#[must_use]
pub fn plain_price(text: &[u8], unit: PriceUnit, mark: DecimalMark) -> Option<u32> {
    match unit {
        PriceUnit::Cent => plain_integer(text),
        PriceUnit::Millieuro => None,
        PriceUnit::Euro => {
            if text.is_empty() || text.len() > 9 {
                return None;
            }
            let (mut value, mut decimals) = (0_u32, None::<u32>);
            for byte in text {
                match byte {
                    b'0'..=b'9' => {
                        value = value * 10 + u32::from(byte - b'0');
                        decimals = decimals.map(|so_far| so_far + 1);
                    }
                    b',' if decimals.is_none() && mark != DecimalMark::Point => decimals = Some(0),
                    b'.' if decimals.is_none() && mark != DecimalMark::Comma => decimals = Some(0),
                    _ => return None,
                }
            }
            match decimals {
                None => value.checked_mul(100),
                Some(1) if text.len() > 2 => value.checked_mul(10),
                Some(2) if text.len() > 3 => Some(value),
                _ => None,
            }
        }
    }
}

/// One to nine digits and nothing else.
#[inline]
#[must_use]
pub fn plain_integer(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 9 {
        return None;
    }
    let mut value = 0_u32;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u32::from(digit);
    }
    Some(value)
}

/// An exact decimal: `mantissa / 10^scale`.
struct Decimal {
    negative: bool,
    mantissa: u128,
    scale: u32,
}

impl Decimal {
    fn read(text: &str, mark: DecimalMark) -> Result<Self, NumberProblem> {
        let (negative, digits) = signed(text);
        let (whole, decimals) = split_decimals(digits.trim_start_matches(is_blank), mark);
        if decimals.is_some_and(str::is_empty) && whole.is_empty() {
            return Err(NumberProblem::Bad);
        }
        let decimals = decimals.unwrap_or_default();
        let mut number = Self { negative, mantissa: 0, scale: u32::try_from(decimals.len()).unwrap_or(u32::MAX) };
        let mut length = 0;
        for digit in grouped_digits(whole)?.bytes().chain(decimals.bytes()) {
            length += 1;
            if !digit.is_ascii_digit() || length > MAX_DIGITS {
                return Err(NumberProblem::Bad);
            }
            number.mantissa = number.mantissa * 10 + u128::from(digit - b'0');
        }
        if length == 0 { Err(NumberProblem::Bad) } else { Ok(number) }
    }

    /// Whole cents or thousandths: separators can only stand before groups of three.
    fn read_whole(text: &str) -> Result<Self, NumberProblem> {
        let (negative, digits) = signed(text);
        let is_fraction = digits.contains([',', '.']);
        let number = grouped_digits(digits.trim_start_matches(is_blank))
            .and_then(|digits| Self::read(&digits, DecimalMark::Auto).map(|number| Self { negative, ..number }));
        number.map_err(|problem| if is_fraction { NumberProblem::CentFraction } else { problem })
    }

    fn to_cents(&self, unit: PriceUnit) -> Price {
        let (numerator, denominator) = match unit {
            PriceUnit::Euro => (self.mantissa * 100, 10_u128.pow(self.scale)),
            PriceUnit::Cent => (self.mantissa, 10_u128.pow(self.scale)),
            PriceUnit::Millieuro => (self.mantissa, 10_u128.pow(self.scale) * 10),
        };
        let cents = (numerator * 2 + denominator) / (denominator * 2);
        Price { cents: Cents(u32::try_from(cents).unwrap_or(u32::MAX)), rounded: numerator % denominator != 0 }
    }

    fn whole(&self) -> Option<u128> {
        let unit = 10_u128.pow(self.scale);
        self.mantissa.is_multiple_of(unit).then_some(self.mantissa / unit)
    }
}

/// Is it below zero, and what is left of it: `-3`, `3-` and `(3)`.
fn signed(text: &str) -> (bool, &str) {
    let behind_digit = |rest: &&str| rest.ends_with(|c: char| c.is_ascii_digit());
    if let Some(rest) = text.strip_prefix(['-', '\u{2212}']) {
        (true, rest)
    } else if let Some(rest) = text.strip_suffix('-').filter(behind_digit) {
        (true, rest)
    } else if let Some(rest) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).filter(behind_digit) {
        (true, rest)
    } else {
        (false, text.strip_prefix('+').unwrap_or(text))
    }
}

/// The whole part (still with thousands separators) and the decimals.
fn split_decimals(text: &str, mark: DecimalMark) -> (&str, Option<&str>) {
    let at = match mark {
        DecimalMark::Comma => text.rfind(','),
        DecimalMark::Point => text.rfind('.'),
        DecimalMark::Auto => text.rfind([',', '.']).filter(|at| {
            // `1.234.567`: the same one twice separates thousands.
            let found = text.as_bytes()[*at];
            text.bytes().filter(|byte| *byte == found).count() == 1
        }),
    };
    at.map_or((text, None), |at| (&text[..at], Some(&text[at + 1..])))
}

/// The digits of a whole part whose separators, if any, stand before groups of three.
fn grouped_digits(text: &str) -> Result<String, NumberProblem> {
    let mut digits = String::with_capacity(text.len());
    let mut groups = text.split(is_thousands_separator);
    let first = groups.next().unwrap_or_default();
    digits.push_str(first);
    let mut count = 0;
    for group in groups {
        count += 1;
        if group.len() != 3 {
            return Err(NumberProblem::Bad);
        }
        digits.push_str(group);
    }
    if count > 0 && !(1..=3).contains(&first.len()) { Err(NumberProblem::Bad) } else { Ok(digits) }
}

/// Without blanks and spreadsheet decorations around.
fn trimmed(text: &str) -> Result<&str, NumberProblem> {
    if text.len() > MAX_NUMBER_BYTES {
        return Err(NumberProblem::Bad);
    }
    let text = text.trim_matches(|c| is_blank(c) || c == '\u{FEFF}' || c == '\0');
    let inner = text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    Ok(inner.trim_start_matches('\'').trim_matches(is_blank))
}

fn is_no_number(text: &str) -> bool {
    const WORDS: [&str; 9] = ["nc", "n.c.", "n/a", "na", "gratuit", "free", "offert", "null", "néant"];
    text.is_empty()
        || text.chars().all(|c| matches!(c, '-' | '–' | '—'))
        || WORDS.contains(&text.to_lowercase().as_str())
}

/// Takes the euro's name away; `18€90` becomes `18.90`.
///
/// `¤` and U+0080 are the euro sign of a file read with a neighbouring encoding.
fn without_euro(text: &str) -> Result<String, NumberProblem> {
    const EURO: [&str; 6] = ["€", "¤", "\u{80}", "euros", "euro", "eur"];
    const OTHERS: [&str; 15] =
        ["$", "£", "¥", "chf", "xpf", "f cfp", "cfp", "usd", "gbp", "cad", "mad", "xof", "xaf", "fr", "f"];
    let lower = text.to_lowercase();
    let mut rest = lower.as_str();
    if let Some(name) = EURO.iter().find(|name| rest.contains(**name)) {
        let (before, after) = rest.split_once(*name).unwrap_or((rest, ""));
        let (before, after) = (before.trim_matches(is_blank), after.trim_matches(is_blank));
        match (before.is_empty(), after.is_empty()) {
            (true, _) => rest = after,
            (_, true) => rest = before,
            _ => {
                let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
                return if plain(before) && plain(after) && after.len() == 2 {
                    Ok(format!("{before}.{after}"))
                } else {
                    Err(NumberProblem::Bad)
                };
            }
        }
    }
    let names_other = |number: &str| OTHERS.iter().any(|name| number.ends_with(name) || number.starts_with(name));
    if names_other(rest) && rest.bytes().any(|b| b.is_ascii_digit()) {
        return Err(NumberProblem::Currency);
    }
    Ok(rest.to_owned())
}

const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{A0}' | '\u{202F}' | '\u{2009}' | '\r' | '\n')
}

const fn is_thousands_separator(c: char) -> bool {
    is_blank(c) || matches!(c, '\'' | '’' | '.' | ',')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn euro(text: &str) -> Result<u32, &'static str> {
        price(text, PriceUnit::Euro, DecimalMark::Auto)
            .map(|read| read.cents.0)
            .map_err(|problem| problem.price_problem().code)
    }

    fn copies(text: &str) -> Result<(u32, bool), &'static str> {
        quantity(text, DecimalMark::Auto)
            .map(|read| (read.copies, read.clamped))
            .map_err(|problem| problem.quantity_problem().code)
    }

    #[test]
    fn prices_are_read_however_tills_write_them() {
        for (written, cents) in [
            ("18.9", 1890),
            ("18,9", 1890),
            ("18,90", 1890),
            ("18", 1800),
            ("0", 0),
            (".95", 95),
            ("0,900", 90),
            ("1234.500", 123_450),
            ("1.890,00", 189_000),
            ("1 234,50", 123_450),
            ("1\u{A0}234,50", 123_450),
            ("1\u{202F}234,50", 123_450),
            ("1'234.50", 123_450),
            ("1.234.567", 123_456_700),
            ("18,90 €", 1890),
            ("€ 18.90", 1890),
            ("EUR 18,90", 1890),
            ("18,90 euros", 1890),
            ("18€90", 1890),
            ("18,90 ¤", 1890),
            (" 7,90\u{A0}€ ", 790),
            ("=\"18,90\"", 1890),
            ("300,01", 30001),
            ("+5", 500),
            ("999999999999", u32::MAX),
        ] {
            assert_eq!(euro(written), Ok(cents), "{written}");
        }
    }

    #[test]
    fn prices_that_need_a_guess_are_refused() {
        for (written, code) in [
            ("", "MissingPrice"),
            (" ", "MissingPrice"),
            ("NC", "MissingPrice"),
            ("-", "MissingPrice"),
            ("N/A", "MissingPrice"),
            ("gratuit", "MissingPrice"),
            ("-5", "BadNumber"),
            ("1E+2", "BadNumber"),
            ("٣", "BadNumber"),
            ("18，90", "BadNumber"),
            ("12 5", "BadNumber"),
            ("18,90,1", "BadNumber"),
            (",", "BadNumber"),
            ("18,-", "BadNumber"),
            ("18,900", "AmbiguousNumber"),
            ("1.250", "AmbiguousNumber"),
            ("(5)", "BadNumber"),
            ("5-", "BadNumber"),
            ("abc", "BadNumber"),
            ("18 $", "Currency"),
            ("CHF 18.90", "Currency"),
            ("2000 F CFP", "Currency"),
            ("2000 XPF", "Currency"),
            ("=HYPERLINK(1)", "BadNumber"),
        ] {
            assert_eq!(euro(written), Err(code), "{written}");
        }
    }

    #[test]
    fn the_unit_is_what_the_setting_says() {
        let read = |text, unit| price(text, unit, DecimalMark::Auto).unwrap();
        assert_eq!(read("0000001890", PriceUnit::Cent).cents, Cents(1890));
        assert_eq!(read("1.890", PriceUnit::Cent).cents, Cents(1890));
        assert_eq!(read("1 890", PriceUnit::Cent).cents, Cents(1890));
        for euros in ["18,90", "18.9", "1890,00", "0,500,1"] {
            let problem = price(euros, PriceUnit::Cent, DecimalMark::Auto).unwrap_err();
            assert_eq!(problem, NumberProblem::CentFraction, "{euros}");
        }
        assert_eq!(read("00018900", PriceUnit::Millieuro), Price { cents: Cents(1890), rounded: false });
        assert_eq!(read("18905", PriceUnit::Millieuro), Price { cents: Cents(1891), rounded: true });
    }

    #[test]
    fn a_price_is_rounded_half_up_and_says_so() {
        for (written, cents, rounded) in
            [("17.905", 1791, true), ("17.904", 1790, true), ("26.989", 2699, true), ("17.900", 1790, false)]
        {
            let read = price(written, PriceUnit::Euro, DecimalMark::Point).unwrap();
            assert_eq!((read.cents.0, read.rounded), (cents, rounded), "{written}");
        }
    }

    #[test]
    fn a_configured_mark_settles_what_is_ambiguous() {
        assert_eq!(price("1.234", PriceUnit::Euro, DecimalMark::Comma).unwrap().cents, Cents(123_400));
        assert_eq!(price("1,234.5", PriceUnit::Euro, DecimalMark::Point).unwrap().cents, Cents(123_450));
        assert_eq!(quantity("1.000", DecimalMark::Comma).unwrap().copies, 1000);
        assert_eq!(quantity("1.000", DecimalMark::Point).unwrap().copies, 1);
    }

    #[test]
    fn quantities_are_whole_or_refused() {
        for (written, expected) in [
            ("3", Ok((3, false))),
            (" 3 ", Ok((3, false))),
            ("+3", Ok((3, false))),
            ("3,00", Ok((3, false))),
            ("3.0", Ok((3, false))),
            ("0003", Ok((3, false))),
            ("1 234", Ok((1234, false))),
            ("1\u{202F}234", Ok((1234, false))),
            ("1'234", Ok((1234, false))),
            ("-2", Ok((0, true))),
            ("-001", Ok((0, true))),
            ("-0", Ok((0, false))),
            ("999999999999", Ok((u32::MAX, false))),
            ("3,5", Err("BadNumber")),
            ("3.5", Err("BadNumber")),
            ("3-", Ok((0, true))),
            ("(2)", Ok((0, true))),
            ("1,000", Err("AmbiguousNumber")),
            ("1.234", Err("AmbiguousNumber")),
            ("1.500", Err("AmbiguousNumber")),
            ("10+", Err("BadNumber")),
            (">5", Err("BadNumber")),
            ("dispo", Err("BadNumber")),
            ("", Err("MissingQuantity")),
        ] {
            assert_eq!(copies(written), expected, "{written}");
        }
    }

    #[test]
    fn a_quantity_of_zero_is_heard_and_a_placeholder_is_no_price() {
        let beside = |text: &str, copies| {
            let price = price(text, PriceUnit::Euro, DecimalMark::Auto);
            price_beside_copies(price, copies, USUAL_FLOOR).map(|price| price.map(|price| price.cents.0))
        };
        for text in ["", "NC", "-5", "0", "0,01", "abc"] {
            assert_eq!(beside(text, 0), Ok(None), "{text}");
            assert!(beside(text, 1).is_err(), "{text}");
        }
        assert_eq!(beside("0", 1), Err(NumberProblem::Zero));
        assert_eq!(beside("0,49", 1), Err(NumberProblem::BelowFloor));
        assert_eq!(beside("0,50", 1), Ok(Some(50)));
        assert_eq!(beside("7,90", 0), Ok(Some(790)));
    }

    #[test]
    fn the_other_values_of_a_column_settle_what_one_leaves_open() {
        let beside = |values: &[&str]| {
            let mut seen = Neighbours::default();
            values.iter().for_each(|value| seen.see(value));
            seen
        };
        let price = |text: &str, values: &[&str]| {
            price_beside(text, PriceUnit::Euro, DecimalMark::Auto, &beside(values)).map(|read| read.cents.0)
        };
        assert_eq!(price("1,250", &["7.90", "12.90"]), Ok(125_000));
        assert_eq!(price("1.250", &["7.90", "12.90"]), Ok(125));
        assert_eq!(price("10,005", &["10,00 €"]), Ok(1001));
        assert_eq!(price("1.250", &["1.234,50"]), Ok(125_000));
        assert_eq!(price("1.250", &["1.234.567"]), Ok(125_000));
        for nothing in [&["150", "2 400", "1.300"][..], &["7.90", "7,90"], &["", "abc", "=7,90"]] {
            assert_eq!(price("1.250", nothing), Err(NumberProblem::Ambiguous), "{nothing:?}");
        }
        let copies = |text: &str, values: &[&str]| {
            quantity_beside(text, DecimalMark::Auto, &beside(values)).map(|read| (read.copies, read.clamped))
        };
        let seen = ["3.000", "0.000", "-1.000"];
        assert_eq!(copies("12.000", &seen), Ok((12, false)));
        assert_eq!(copies("-1.000", &seen), Ok((0, true)));
        assert_eq!(copies("1.500", &seen), Err(NumberProblem::Fraction));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "\\PC{0,40}") {
            let mut seen = Neighbours::default();
            seen.see(&text);
            let _ = price(&text, PriceUnit::Euro, DecimalMark::Auto);
            let _ = quantity(&text, DecimalMark::Comma);
        }

        #[test]
        fn a_number_like_text_is_read_or_refused_without_panic(text in "[-+0-9.,'() €]{0,64}") {
            let mut seen = Neighbours::default();
            seen.see(&text);
            for unit in [PriceUnit::Euro, PriceUnit::Cent, PriceUnit::Millieuro] {
                let _ = price(&text, unit, DecimalMark::Auto);
            }
            let _ = quantity(&text, DecimalMark::Auto);
        }

        #[test]
        fn a_printed_price_is_read_back(cents in 0_u32..400_000_000, comma in any::<bool>(), sign in any::<bool>()) {
            let mark = if comma { ',' } else { '.' };
            let text = format!("{}{mark}{:02}{}", cents / 100, cents % 100, if sign { " €" } else { "" });
            prop_assert_eq!(euro(&text), Ok(cents));
            prop_assert_eq!(price(&cents.to_string(), PriceUnit::Cent, DecimalMark::Auto).unwrap().cents, Cents(cents));
        }

        #[test]
        fn a_printed_quantity_is_read_back(copies_written in 0_u32..2_000_000) {
            prop_assert_eq!(copies(&copies_written.to_string()), Ok((copies_written, false)));
            prop_assert_eq!(copies(&format!("{copies_written},00")), Ok((copies_written, false)));
        }
    }
}
