//! Which stock lines may be offered, and why the others may not.
//!
//! pass Culture's own base decides what a product is (see `passculture::Availability`); the rules here keep out what can be told
//! from the line alone, so that a mistake costs no request and comes back with its reason.
//!
//! Price and quantity are two statements: that nothing is left is heard whatever stands in the price.
//!
//! Invariant: what is kept has a price of 1–30 000 cents (20 000 in New Caledonia) and a quantity of at most 1 000 000.

use passerelle_contract::{Cents, Ean, Quantity, Severity, StockLine, Terms};

use super::places;

/// Largest price pass Culture takes, in cents (300.00 €, inclusive).
pub const PRICE_CEILING: Cents = Cents(30_000);
/// Largest price of a venue in New Caledonia, in cents: pass Culture converts to francs and compares with 23 865 XPF.
pub const PRICE_CEILING_NEW_CALEDONIA: Cents = Cents(20_000);
/// Largest quantity pass Culture takes.
pub const MOST_COPIES: u32 = 1_000_000;

/// What the rules must know of a venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VenueTerms {
    /// Largest price, inclusive.
    pub ceiling: Cents,
}

impl VenueTerms {
    /// From what is known of a venue; an unknown place has the ceiling of metropolitan France.
    #[must_use]
    pub fn of(postal_code: Option<&str>, siret: Option<&str>) -> Self {
        let in_new_caledonia = siret.is_some_and(|siret| siret.starts_with("NC"))
            || postal_code.is_some_and(|code| places::department(code) == places::NEW_CALEDONIA);
        Self { ceiling: if in_new_caledonia { PRICE_CEILING_NEW_CALEDONIA } else { PRICE_CEILING } }
    }
}

/// Why an item may not be offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Stable code.
    pub code: &'static str,
    /// Does it make the source doubtful?
    pub severity: Severity,
    /// For operators.
    pub message: &'static str,
    /// For booksellers.
    pub message_fr: &'static str,
}

/// What the rules say of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It may be offered on these terms.
    Keep(Terms),
    /// Nothing is left; its price says nothing.
    SoldOut,
    /// So many are left, at a price that nobody knows: the row stays behind, and its quantity is heard.
    Unpriced(&'static Reason, Quantity),
    /// The price is above what pass Culture takes: the row stays behind, and the item is not for sale there.
    TooDear(&'static Reason, Terms),
    /// It may not.
    Reject(&'static Reason),
}

/// Every reason, so that each can be explained.
pub const REASONS: &[Reason] = &[INTERNAL_CODE, PERIODICAL, COUPON, ZERO_PRICE, PRICE_ABOVE_CAP];

const INTERNAL_CODE: Reason = Reason {
    code: "InternalCode",
    severity: Severity::NotForSale,
    message: "the code is one that shops give themselves (prefix 000, 02, 04 or 2), often a used copy: it names no product elsewhere",
    message_fr: "Ce code est un code interne au magasin (souvent un livre d'occasion) : il ne désigne aucun produit sur le pass Culture.",
};
const PERIODICAL: Reason = Reason {
    code: "Periodical",
    severity: Severity::NotForSale,
    message: "newspapers and magazines (prefix 977) are not eligible",
    message_fr: "La presse et les revues (codes 977) ne sont pas éligibles au pass Culture.",
};
const COUPON: Reason = Reason {
    code: "Coupon",
    severity: Severity::NotForSale,
    message: "the code is a coupon's (prefix 05, 98 or 99), not a product's",
    message_fr: "Ce code est celui d'un bon ou d'un coupon, pas d'un produit.",
};
const ZERO_PRICE: Reason = Reason {
    code: "ZeroPrice",
    severity: Severity::Unreadable,
    message: "the price is 0: the software does not know it; correct the price there",
    message_fr: "Le prix est à zéro : renseignez le prix de vente dans votre logiciel.",
};
const PRICE_ABOVE_CAP: Reason = Reason {
    code: "PriceAboveCap",
    severity: Severity::NotForSale,
    message: "the price is above what pass Culture takes (300.00 EUR; 200.00 EUR in New Caledonia)",
    message_fr: "Le prix dépasse le plafond du pass Culture (300 € ; 200 € en Nouvelle-Calédonie).",
};

/// Judges one line.
#[must_use]
pub fn judge(line: &StockLine, venue: &VenueTerms) -> Judgement {
    if let Some(reason) = prefix_reason(line.ean) {
        return Judgement::Reject(reason);
    }
    let quantity = match line.quantity {
        Quantity::Exactly(copies) => Quantity::Exactly(copies.min(MOST_COPIES)),
        Quantity::Unlimited => Quantity::Unlimited,
    };
    match line.price.filter(|price| price.0 > 0) {
        Some(price) if price <= venue.ceiling => Judgement::Keep(Terms { price, quantity }),
        // What is gone needs no price: lists of deletions have none.
        _ if quantity == Quantity::Exactly(0) => Judgement::SoldOut,
        Some(price) => Judgement::TooDear(&PRICE_ABOVE_CAP, Terms { price, quantity }),
        None => Judgement::Unpriced(&ZERO_PRICE, quantity),
    }
}

/// GS1 prefixes that name no product for sale. Everything else is left to pass Culture's availability check: discs come under
/// any country's prefix.
fn prefix_reason(ean: Ean) -> Option<&'static Reason> {
    // Printed music (979-0) stays: pass Culture lists scores among its eligible paper books.
    match ean.prefix(3) {
        978 | 979 => None,
        977 => Some(&PERIODICAL),
        0 | 20..=29 | 40..=49 | 200..=299 => Some(&INTERNAL_CODE),
        50..=59 | 980..=999 => Some(&COUPON),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use passerelle_contract::Position;

    const FRANCE: VenueTerms = VenueTerms { ceiling: PRICE_CEILING };

    /// Twelve digits and the key that belongs to them.
    fn ean(body: &str) -> Ean {
        (0..10).find_map(|key| format!("{body}{key}").parse().ok()).expect("one key fits")
    }

    fn judged(body: &str, price: u32, copies: u32, venue: VenueTerms) -> Result<(u32, u32), &'static str> {
        let line = StockLine {
            ean: ean(body),
            price: Some(Cents(price)),
            quantity: Quantity::Exactly(copies),
            at: Position::Line(1),
        };
        match judge(&line, &venue) {
            Judgement::Keep(Terms { price, quantity: Quantity::Exactly(copies) }) => Ok((price.0, copies)),
            Judgement::Keep(_) => panic!("never unlimited here"),
            Judgement::SoldOut => Ok((0, 0)),
            Judgement::Unpriced(reason, _) | Judgement::TooDear(reason, _) | Judgement::Reject(reason) => {
                Err(reason.code)
            }
        }
    }

    #[test]
    fn lines_are_judged_by_prefix_price_and_place() {
        let noumea = VenueTerms::of(Some("98800"), None);
        let cases = [
            ("978207028625", 1290, 3, FRANCE, Ok((1290, 3))),
            ("979023180235", 1290, 3, FRANCE, Ok((1290, 3))),
            ("060243593197", 2499, 1, FRANCE, Ok((2499, 1))),
            ("370055178288", 1000, 1, FRANCE, Ok((1000, 1))),
            ("977123456789", 500, 1, FRANCE, Err("Periodical")),
            ("200000001234", 500, 1, FRANCE, Err("InternalCode")),
            ("000273075743", 500, 1, FRANCE, Err("InternalCode")),
            ("020000000000", 500, 1, FRANCE, Err("InternalCode")),
            ("040000000000", 500, 1, FRANCE, Err("InternalCode")),
            ("050000000000", 500, 1, FRANCE, Err("Coupon")),
            ("990000000000", 500, 1, FRANCE, Err("Coupon")),
            ("978207028625", 0, 3, FRANCE, Err("ZeroPrice")),
            ("978207028625", 0, 0, FRANCE, Ok((0, 0))),
            ("978207028625", 99_999, 0, FRANCE, Ok((0, 0))),
            ("978207028625", 30_000, 3, FRANCE, Ok((30_000, 3))),
            ("978207028625", 30_001, 3, FRANCE, Err("PriceAboveCap")),
            ("978207028625", 20_000, 3, noumea, Ok((20_000, 3))),
            ("978207028625", 20_001, 3, noumea, Err("PriceAboveCap")),
            ("978207028625", 1290, 2_000_000, FRANCE, Ok((1290, 1_000_000))),
        ];
        for (body, price, copies, venue, expected) in cases {
            assert_eq!(judged(body, price, copies, venue), expected, "{body} at {price}");
        }
    }

    #[test]
    fn codes_are_unique_and_have_both_sentences() {
        for (index, reason) in REASONS.iter().enumerate() {
            assert!(REASONS.iter().skip(index + 1).all(|other| other.code != reason.code));
            assert!(!reason.message.is_empty() && !reason.message_fr.is_empty());
        }
    }
}
