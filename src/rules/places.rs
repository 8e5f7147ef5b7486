//! What follows from where a venue is: its department, hence its price ceiling.
//!
//! Invariant: pass Culture's own table is followed, its simplifications included, because its verdict is the one that
//! counts.

use std::fmt;

use passerelle_contract::Cents;

use super::identifiers::Siret;

/// Highest unit price of any offer, inclusive: 300 €.
pub const PRICE_CEILING: Cents = Cents(30_000);

/// The same in New Caledonia, inclusive. pass Culture converts to Pacific francs (1 000 XPF = 8.38 €), rounds to 5 XPF
/// and refuses above 23 865 XPF: 200.00 € passes, 200.01 € does not.
pub const NEW_CALEDONIA_PRICE_CEILING: Cents = Cents(20_000);

/// A French department or territory: `01`–`95`, `2A`, `2B`, `98` (Monaco), `971`–`989`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Department([u8; 3]);

impl Department {
    /// New Caledonia.
    pub const NEW_CALEDONIA: Self = Self(*b"988");

    /// The department of a five-digit postal code; `None` when it is not one.
    ///
    /// Some postal codes of Saint-Barthélemy and Saint-Martin give Guadeloupe, of which they once were part: only the
    /// INSEE code of the town would tell.
    #[must_use]
    pub fn of_postal_code(postal_code: &str) -> Option<Self> {
        let digits: [u8; 5] = postal_code.trim().as_bytes().try_into().ok()?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        Some(match digits {
            [b'2', b'0', b'2', ..] => Self(*b"2B "),
            [b'2', b'0', ..] => Self(*b"2A "),
            [b'9', b'8', b'0', ..] => Self(*b"98 "),
            [b'9', b'6'..=b'9', third, ..] => Self([b'9', digits[1], third]),
            [first, second, ..] => Self([first, second, b' ']),
        })
    }

    /// The code as people write it: `75`, `2A`, `988`.
    #[must_use]
    pub fn code(&self) -> &str {
        // Always ASCII; the fallback only spares a panic.
        std::str::from_utf8(&self.0).unwrap_or_default().trim_end()
    }
}

impl fmt::Display for Department {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Department {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Department({})", self.code())
    }
}

/// The price ceiling of a venue: lower in New Caledonia, which shows in the postal code or in a RIDET.
#[must_use]
pub fn price_ceiling(postal_code: Option<&str>, siret: Option<&Siret>) -> Cents {
    let by_address = postal_code.and_then(Department::of_postal_code) == Some(Department::NEW_CALEDONIA);
    if by_address || siret.is_some_and(Siret::is_ridet) { NEW_CALEDONIA_PRICE_CEILING } else { PRICE_CEILING }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_postal_code_gives_its_department() {
        for (postal_code, department) in [
            ("75001", Some("75")),
            ("01000", Some("01")),
            ("95880", Some("95")),
            ("20000", Some("2A")),
            ("20167", Some("2A")),
            ("20200", Some("2B")),
            ("97133", Some("971")),
            ("97400", Some("974")),
            ("98000", Some("98")),
            ("98735", Some("987")),
            ("98800", Some("988")),
            (" 98800 ", Some("988")),
            ("", None),
            ("7500", None),
            ("7500A", None),
            ("７５００１", None),
        ] {
            assert_eq!(
                Department::of_postal_code(postal_code).map(|department| department.to_string()).as_deref(),
                department,
                "{postal_code:?}"
            );
        }
    }

    #[test]
    fn new_caledonia_has_the_lower_ceiling_whichever_way_it_shows() {
        let ridet: Siret = "1234567001".parse().unwrap();
        let siret: Siret = "85331845900049".parse().unwrap();
        assert_eq!(price_ceiling(Some("98800"), None), NEW_CALEDONIA_PRICE_CEILING);
        assert_eq!(price_ceiling(None, Some(&ridet)), NEW_CALEDONIA_PRICE_CEILING);
        assert_eq!(price_ceiling(Some("75002"), Some(&siret)), PRICE_CEILING);
        assert_eq!(price_ceiling(None, None), PRICE_CEILING);
    }
}
