//! May this stock line be offered, and at what terms?
//!
//! Called once a row for files of a million rows: no allocation, no look-up that could miss the cache.
//!
//! Invariant: kept terms are inside pass Culture's bounds (1 to the ceiling in cents; 0 to [`MAX_QUANTITY`]), and the EAN
//! has a prefix under which books, music and other goods are sold. Whether pass Culture *knows* the EAN is for the
//! availability check.

use passerelle_contract::{Cents, Ean, NoteKind, Quantity, StockLine};

use super::places;
use super::reasons::{self, Reason};

/// Largest quantity that pass Culture stores for one stock.
pub const MAX_QUANTITY: u32 = 1_000_000;

/// What a venue and its connection allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VenueTerms {
    /// Highest unit price, inclusive. See [`places::price_ceiling`].
    pub price_ceiling: Cents,
    /// Keep everything but books and printed music out.
    pub books_only: bool,
    /// Copies that stay in the shop: taken off every exact quantity.
    pub keep_back: u32,
}

impl Default for VenueTerms {
    /// Anywhere but New Caledonia, everything eligible, to the last copy.
    fn default() -> Self {
        Self { price_ceiling: places::PRICE_CEILING, books_only: false, keep_back: 0 }
    }
}

/// What becomes of a stock line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Offer it at these terms.
    Keep {
        /// Unit price, VAT included.
        price: Cents,
        /// Copies still for sale on pass Culture.
        quantity: Quantity,
        /// Set when the terms are not as written.
        note: Option<NoteKind>,
    },
    /// Keep it out.
    Reject(&'static Reason),
}

/// Judges one line. What the code is comes before what it costs, so that the first reason given is the lasting one.
#[must_use]
pub fn judge(line: &StockLine, terms: &VenueTerms) -> Verdict {
    if let Some(reason) = kept_out_by_code(line.ean, terms.books_only) {
        return Verdict::Reject(reason);
    }
    if line.price.0 == 0 {
        return Verdict::Reject(&reasons::ZERO_PRICE);
    }
    if line.price > terms.price_ceiling {
        return Verdict::Reject(&reasons::PRICE_ABOVE_CAP);
    }
    let (quantity, note) = for_sale(line.quantity, terms.keep_back);
    Verdict::Keep { price: line.price, quantity, note }
}

/// The prefix classes of GS1, from the first three digits.
fn kept_out_by_code(ean: Ean, books_only: bool) -> Option<&'static Reason> {
    match ean.prefix(3) {
        // 979-0 is printed music, which pass Culture sells as paper books.
        978 | 979 => None,
        977 => Some(&reasons::PERIODICAL),
        0 | 20..=29 | 40..=49 | 200..=299 => Some(&reasons::INTERNAL_CODE),
        50..=59 | 980..=999 => Some(&reasons::COUPON),
        _ if books_only => Some(&reasons::NOT_A_BOOK),
        _ => None,
    }
}

const fn for_sale(stated: Quantity, keep_back: u32) -> (Quantity, Option<NoteKind>) {
    match stated {
        Quantity::Unlimited => (Quantity::Unlimited, None),
        Quantity::Exactly(copies) => {
            let left = copies.saturating_sub(keep_back);
            if left > MAX_QUANTITY {
                (Quantity::Exactly(MAX_QUANTITY), Some(NoteKind::QuantityClamped))
            } else {
                (Quantity::Exactly(left), None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use passerelle_contract::Position;
    use proptest::prelude::*;

    use super::*;

    /// The EAN that begins with these twelve digits.
    fn ean(twelve: u64) -> Ean {
        (0..10).find_map(|key| Ean::from_u64(twelve * 10 + key).ok()).unwrap()
    }

    fn line(ean: Ean, price: u32, quantity: Quantity) -> StockLine {
        StockLine { ean, price: Cents(price), quantity, at: Position::Line(2) }
    }

    fn rejected(verdict: Verdict) -> Option<&'static str> {
        match verdict {
            Verdict::Reject(reason) => Some(reason.code),
            Verdict::Keep { .. } => None,
        }
    }

    #[test]
    fn the_prefix_decides_what_a_code_is() {
        for (twelve, everything, books_only) in [
            (978_207_028_625, None, None),
            (979_109_111_111, None, None),
            (979_023_180_235, None, None),
            (977_123_456_789, Some("Periodical"), Some("Periodical")),
            (60_243_593_197, None, Some("NotABook")), // leading zero: 060…, a disc
            (370_055_178_288, None, Some("NotABook")),
            (273_075_743, Some("InternalCode"), Some("InternalCode")), // 000273075743
            (20_123_456_789, Some("InternalCode"), Some("InternalCode")),
            (29_123_456_789, Some("InternalCode"), Some("InternalCode")),
            (30_123_456_789, None, Some("NotABook")),
            (41_123_456_789, Some("InternalCode"), Some("InternalCode")),
            (50_123_456_789, Some("Coupon"), Some("Coupon")),
            (200_000_000_000, Some("InternalCode"), Some("InternalCode")),
            (299_999_999_999, Some("InternalCode"), Some("InternalCode")),
            (300_000_000_000, None, Some("NotABook")),
            (980_000_000_000, Some("Coupon"), Some("Coupon")),
            (999_999_999_999, Some("Coupon"), Some("Coupon")),
        ] {
            let line = line(ean(twelve), 990, Quantity::Exactly(1));
            let terms = VenueTerms::default();
            assert_eq!(rejected(judge(&line, &terms)), everything, "{:?}", line.ean);
            let terms = VenueTerms { books_only: true, ..terms };
            assert_eq!(rejected(judge(&line, &terms)), books_only, "{:?}", line.ean);
        }
    }

    #[test]
    fn the_ceiling_itself_is_a_price_and_one_cent_more_is_not() {
        let book = ean(978_207_028_625);
        let caledonia = VenueTerms { price_ceiling: places::NEW_CALEDONIA_PRICE_CEILING, ..VenueTerms::default() };
        for (price, terms, code) in [
            (0, VenueTerms::default(), Some("ZeroPrice")),
            (1, VenueTerms::default(), None),
            (30_000, VenueTerms::default(), None),
            (30_001, VenueTerms::default(), Some("PriceAboveCap")),
            (20_000, caledonia, None),
            (20_001, caledonia, Some("PriceAboveCap")),
        ] {
            assert_eq!(rejected(judge(&line(book, price, Quantity::Exactly(1)), &terms)), code, "{price}");
        }
    }

    #[test]
    fn copies_kept_back_never_make_a_quantity_negative_and_the_maximum_is_noted() {
        for (stated, keep_back, offered, note) in [
            (Quantity::Exactly(0), 0, Quantity::Exactly(0), None),
            (Quantity::Exactly(3), 1, Quantity::Exactly(2), None),
            (Quantity::Exactly(1), 4, Quantity::Exactly(0), None),
            (Quantity::Exactly(1_000_000), 0, Quantity::Exactly(1_000_000), None),
            (Quantity::Exactly(1_000_001), 0, Quantity::Exactly(1_000_000), Some(NoteKind::QuantityClamped)),
            (Quantity::Exactly(1_000_001), 1, Quantity::Exactly(1_000_000), None),
            (Quantity::Unlimited, 5, Quantity::Unlimited, None),
        ] {
            let terms = VenueTerms { keep_back, ..VenueTerms::default() };
            assert_eq!(
                judge(&line(ean(978_207_028_625), 790, stated), &terms),
                Verdict::Keep { price: Cents(790), quantity: offered, note },
                "{stated:?} {keep_back}"
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_is_kept_is_inside_pass_cultures_bounds(
            twelve in 0_u64..1_000_000_000_000,
            price: u32,
            copies: u32,
            keep_back: u32,
            books_only: bool,
            caledonia: bool,
        ) {
            let price_ceiling =
                if caledonia { places::NEW_CALEDONIA_PRICE_CEILING } else { places::PRICE_CEILING };
            let terms = VenueTerms { price_ceiling, books_only, keep_back };
            if let Verdict::Keep { price, quantity, note } =
                judge(&line(ean(twelve), price % 60_000, Quantity::Exactly(copies)), &terms)
            {
                prop_assert!(price.0 >= 1 && price <= price_ceiling);
                let Quantity::Exactly(offered) = quantity else { panic!("{quantity:?}") };
                prop_assert!(offered <= MAX_QUANTITY && offered <= copies);
                prop_assert_eq!(note.is_some(), copies.saturating_sub(keep_back) > MAX_QUANTITY);
            }
        }
    }
}
