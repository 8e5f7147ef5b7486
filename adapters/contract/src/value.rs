//! Values that cannot be wrong: checked once at the edge, trusted inside.

use std::fmt;

/// An EAN-13 whose check digit is right.
///
/// Kept as a number because the catalogue sorts millions of them; leading zeros come back when it is printed.
/// Most discs start with `0` (a UPC-A padded to 13 digits).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ean(u64);

/// Why thirteen digits are not an EAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EanError {
    /// Not exactly 13 ASCII digits.
    #[error("an EAN has exactly 13 digits")]
    Shape,
    /// The 13th digit is not the one the first twelve call for.
    #[error("the check digit is wrong")]
    CheckDigit,
}

/// The weighed sum of each group of four digits: every such group of an EAN, counted from the right, weighs 3, 1, 3, 1.
static WEIGHED: [u8; 10_000] = {
    let mut sums = [0; 10_000];
    let mut number = 0;
    while number < sums.len() {
        sums[number] = (number / 1_000 * 3 + number / 100 % 10 + number / 10 % 10 * 3 + number % 10) as u8;
        number += 1;
    }
    sums
};

impl Ean {
    /// The smallest EAN there can be; a lower bound for scans.
    pub const MIN: Self = Self(0);

    /// Reads exactly 13 ASCII digits. Hyphens, ISBN-10 and spreadsheet damage are the kit's business.
    ///
    /// # Errors
    /// [`EanError::Shape`] or [`EanError::CheckDigit`].
    #[inline]
    pub const fn from_digits(digits: &[u8]) -> Result<Self, EanError> {
        if digits.len() != 13 {
            return Err(EanError::Shape);
        }
        let mut value = 0_u64;
        let mut sum = 0_u32;
        let mut at = 0;
        while at < 13 {
            let digit = digits[at].wrapping_sub(b'0');
            if digit > 9 {
                return Err(EanError::Shape);
            }
            value = value * 10 + digit as u64;
            sum += digit as u32 * if at % 2 == 0 { 1 } else { 3 };
            at += 1;
        }
        // Weights 1,3,1,3… over all thirteen digits give a multiple of ten when the key is right.
        if sum.is_multiple_of(10) { Ok(Self(value)) } else { Err(EanError::CheckDigit) }
    }

    /// Rebuilds an EAN from a number; checked again, since ledgers and runs come back from disks.
    ///
    /// # Errors
    /// [`EanError`] when the number is not one that [`Ean::as_u64`] gave.
    #[inline]
    pub fn from_u64(value: u64) -> Result<Self, EanError> {
        const FOUR: u64 = 10_000;
        if value > 9_999_999_999_999 {
            return Err(EanError::Shape);
        }
        // 1 + 4 + 4 + 4 digits: a million of these are judged in every pass of a large shop.
        let weighed = |four: u64| {
            usize::try_from(four % FOUR).ok().and_then(|at| WEIGHED.get(at)).map_or(0, |sum| u64::from(*sum))
        };
        let sum =
            value / (FOUR * FOUR * FOUR) + weighed(value) + weighed(value / FOUR) + weighed(value / (FOUR * FOUR));
        if sum.is_multiple_of(10) { Ok(Self(value)) } else { Err(EanError::CheckDigit) }
    }

    /// The EAN as a number below 10¹³ (it fits 44 bits).
    #[inline]
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The first `n` digits as a number (`n` ≤ 13), for prefix rules.
    #[inline]
    #[must_use]
    pub const fn prefix(self, n: u32) -> u64 {
        self.0 / 10_u64.pow(13_u32.saturating_sub(n))
    }
}

impl std::str::FromStr for Ean {
    type Err = EanError;

    fn from_str(text: &str) -> Result<Self, EanError> {
        Self::from_digits(text.as_bytes())
    }
}

impl fmt::Display for Ean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:013}", self.0)
    }
}

impl fmt::Debug for Ean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ean({:013})", self.0)
    }
}

impl serde::Serialize for Ean {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Ean {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An amount in euro cents; never a float.
///
/// Any `u32` is an amount a vendor may state. Whether pass Culture takes it is for `rules`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cents(pub u32);

impl fmt::Display for Cents {
    /// As money is written in a log: `12.90 EUR`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02} EUR", self.0 / 100, self.0 % 100)
    }
}

/// How many can still be sold. Never optional: pass Culture reads a missing quantity as unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantity {
    /// That many copies or places, now.
    Exactly(u32),
    /// The vendor says that it cannot run out, or gives no counts at all.
    Unlimited,
}

impl Quantity {
    /// The number; `None` when there is no limit.
    #[must_use]
    pub const fn number(self) -> Option<u32> {
        match self {
            Self::Exactly(number) => Some(number),
            Self::Unlimited => None,
        }
    }

    /// That many, or no limit when there is no number.
    #[must_use]
    pub fn of(number: Option<u32>) -> Self {
        number.map_or(Self::Unlimited, Self::Exactly)
    }

    /// That many more.
    #[must_use]
    pub const fn plus(self, more: u32) -> Self {
        match self {
            Self::Exactly(number) => Self::Exactly(number.saturating_add(more)),
            Self::Unlimited => Self::Unlimited,
        }
    }
}

/// Price and quantity on which an item is for sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Unit price, VAT included.
    pub price: Cents,
    /// What can still be sold.
    pub quantity: Quantity,
}

impl Terms {
    /// Is there anything left to sell?
    #[must_use]
    pub fn is_live(self) -> bool {
        self.quantity != Quantity::Exactly(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_keys() {
        for (text, good) in [
            ("9782070286256", true),
            ("0602435931975", true),
            ("3700551782888", true),
            ("9790231802351", true),
            ("1234567890123", false),
        ] {
            assert_eq!(text.parse::<Ean>().is_ok(), good, "{text}");
        }
        assert_eq!("978207028625".parse::<Ean>(), Err(EanError::Shape));
        assert_eq!("97820702862५6".parse::<Ean>(), Err(EanError::Shape));
    }

    #[test]
    fn a_number_and_its_digits_are_the_same_ean() {
        let ean: Ean = "0602435931975".parse().unwrap();
        assert_eq!(ean.to_string(), "0602435931975");
        assert_eq!(Ean::from_u64(ean.as_u64()), Ok(ean));
        assert_eq!(ean.prefix(2), 6);
        assert!(Ean::from_u64(u64::MAX).is_err());
    }

    #[test]
    fn both_ways_of_checking_agree() {
        for number in (0..2_000_000_u64).map(|step| step.wrapping_mul(6_364_136_223_846_793_005) % 10_000_000_000_000) {
            assert_eq!(Ean::from_u64(number), format!("{number:013}").parse(), "{number}");
        }
    }
}
