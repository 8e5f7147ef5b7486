//! Why a readable row may not be offered: one table, with a sentence for each reader.
//!
//! Invariant: codes are stable. They are stored in the quarantine, people filter on them and `explain` looks them up.

use passerelle_contract::{DataError, DataProblem, Severity, StockLine};

/// A reason for keeping a row out.
#[derive(Debug, PartialEq, Eq)]
pub struct Reason {
    /// Stable, for example `ZeroPrice`.
    pub code: &'static str,
    /// Does the row speak against its source, or is it rightly kept out?
    pub severity: Severity,
    /// For operators.
    pub english: &'static str,
    /// For booksellers.
    pub french: &'static str,
}

impl Reason {
    /// The contract's form of the kind of problem.
    #[must_use]
    pub const fn problem(&self) -> DataProblem {
        DataProblem { code: self.code, severity: self.severity }
    }

    /// This reason about that line, in the form in which adapters report unreadable rows.
    #[must_use]
    pub fn about(&self, line: &StockLine) -> DataError {
        let message = if self.code == PRICE_ABOVE_CAP.code {
            format!("{}: {}", self.english, line.price)
        } else {
            self.english.to_owned()
        };
        DataError {
            at: line.at,
            key: Some(line.ean.to_string()),
            problem: self.problem(),
            message,
            message_fr: self.french.to_owned(),
        }
    }
}

/// The shop's own code (used copy, internal label): GS1 keeps these prefixes for use inside one shop.
pub static INTERNAL_CODE: Reason = Reason {
    code: "InternalCode",
    severity: Severity::NotForSale,
    english: "the code has a prefix reserved for a shop's own labels (000, 02, 04, 2): it names no product outside the shop",
    french: "Ce code est une étiquette interne au magasin (souvent un livre d'occasion) : il ne désigne aucun article vendable sur le pass Culture.",
};

/// A newspaper or magazine (ISSN, prefix 977).
pub static PERIODICAL: Reason = Reason {
    code: "Periodical",
    severity: Severity::NotForSale,
    english: "the code is a periodical's (prefix 977); pass Culture does not take newspapers and magazines on paper",
    french: "Ce code désigne un journal ou une revue (préfixe 977) : la presse papier n'est pas proposée sur le pass Culture.",
};

/// A voucher or refund receipt.
pub static COUPON: Reason = Reason {
    code: "Coupon",
    severity: Severity::NotForSale,
    english: "the code is a coupon's or refund receipt's (prefix 05, 98, 99), not a product's",
    french: "Ce code désigne un bon d'achat ou un coupon (préfixe 05, 98 ou 99), pas un article.",
};

/// The connection offers books only, and this is something else.
pub static NOT_A_BOOK: Reason = Reason {
    code: "NotABook",
    severity: Severity::NotForSale,
    english: "the code is not a book's (prefix 978 or 979), and the connection's setting `books_only` keeps everything else out",
    french: "Cet article n'est pas un livre, et ce magasin ne propose que ses livres sur le pass Culture.",
};

/// A product without a price. The vendors' zero means *unknown*, and pass Culture would give the product away.
pub static ZERO_PRICE: Reason = Reason {
    code: "ZeroPrice",
    severity: Severity::NotForSale,
    english: "the price is 0, which stock software writes for *unknown*; a product is never offered for nothing",
    french: "Le prix est à zéro : indiquez le prix TTC de cet article dans votre logiciel pour qu'il soit proposé.",
};

/// Above what pass Culture takes for one item at that place.
pub static PRICE_ABOVE_CAP: Reason = Reason {
    code: "PriceAboveCap",
    severity: Severity::NotForSale,
    english: "the price is above the most that pass Culture takes for one item (300.00 EUR; 200.00 EUR in New Caledonia)",
    french: "Le prix dépasse le maximum accepté par le pass Culture pour un article (300 €, ou 23 865 F en Nouvelle-Calédonie).",
};

static ALL: [&Reason; 6] = [&INTERNAL_CODE, &PERIODICAL, &COUPON, &NOT_A_BOOK, &ZERO_PRICE, &PRICE_ABOVE_CAP];

/// The catalogue of reasons, for `explain` and the documentation.
#[must_use]
pub fn all() -> &'static [&'static Reason] {
    &ALL
}

/// The reason with that code, in any letter case.
#[must_use]
pub fn by_code(code: &str) -> Option<&'static Reason> {
    ALL.iter().find(|reason| reason.code.eq_ignore_ascii_case(code)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_found_by_its_own_code_and_speaks_both_languages() {
        for reason in all() {
            assert_eq!(by_code(&reason.code.to_lowercase()), Some(*reason));
            assert!(reason.code.chars().all(|c| c.is_ascii_alphabetic()), "{reason:?}");
            assert!(reason.english.len() > 20 && reason.french.len() > 20, "{reason:?}");
            assert_ne!(reason.english, reason.french);
        }
        assert_eq!(by_code("NoSuchCode"), None);
    }
}
