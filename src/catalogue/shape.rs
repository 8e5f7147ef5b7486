//! What the rows of a pass look like as a whole: a first pass has no past to be compared with, and only its own shape can tell that
//! prices are in the wrong unit, or that a column is not what it is taken for.
//!
//! Pure. Invariant: bounded memory, whatever the rows say.

use std::collections::BTreeMap;

use passerelle_contract::{Quantity, StockLine};

use crate::store::GuardLimits;

/// With fewer rows, "most of them" says nothing.
const FEWEST_ROWS: u64 = 5;
/// A quantity is the same for nearly all rows from this share on, and from so many rows.
const NEARLY_ALL: (u64, u64) = (95, 100);
const FEWEST_SAME: u64 = 20;
/// Different quantities that are counted; a shop with more has no quantity that is nearly everywhere.
const MOST_QUANTITIES: usize = 64;

/// Counts of a pass.
#[derive(Debug, Default)]
pub(super) struct Shape {
    rows: u64,
    /// Prices of rows with something to sell, by what they say.
    prices: u64,
    buckets: BTreeMap<u32, u64>,
    quantities: BTreeMap<u32, u64>,
}

/// What is absurd about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Absurd {
    /// So many of so many prices are above what most books cost.
    Dear(u64, u64),
    /// So many of so many prices are below it.
    Cheap(u64, u64),
    /// Nearly all rows have this one quantity.
    SameQuantity(u32, u64),
    /// So many of so many rows could not be read.
    Unreadable(u64, u64),
}

impl Shape {
    /// Counts a row.
    pub(super) fn see(&mut self, line: &StockLine) {
        let Quantity::Exactly(copies) = line.quantity else { return };
        self.rows += 1;
        if self.quantities.len() < MOST_QUANTITIES || self.quantities.contains_key(&copies) {
            *self.quantities.entry(copies).or_default() += 1;
        }
        if let Some(price) = line.price.filter(|price| price.0 > 0 && copies > 0) {
            self.prices += 1;
            // Whole euros are fine enough for the limits.
            *self.buckets.entry((price.0 / 10).min(100_000)).or_default() += 1;
        }
    }

    /// What is absurd about a first pass, given its unreadable rows.
    pub(super) fn absurd(&self, limits: &GuardLimits, read: u64, unreadable: u64) -> Vec<Absurd> {
        let mut found = Vec::new();
        let limit = u64::from(limits.first_unreadable_percent);
        if unreadable >= super::read::FEWEST_BAD_ROWS && unreadable * 100 > read * limit {
            found.push(Absurd::Unreadable(unreadable, read));
        }
        let count = |fits: &dyn Fn(u32) -> bool| -> u64 {
            self.buckets.iter().filter(|(tens, _)| fits(**tens)).map(|(_, rows)| rows).sum()
        };
        if self.prices >= FEWEST_ROWS {
            let dear = count(&|tens| tens > limits.first_dear_cents / 10);
            let cheap = count(&|tens| tens < limits.first_cheap_cents / 10);
            if dear * 2 > self.prices {
                found.push(Absurd::Dear(dear, self.prices));
            }
            if cheap * 2 > self.prices {
                found.push(Absurd::Cheap(cheap, self.prices));
            }
        }
        let most = self.quantities.iter().max_by_key(|(_, rows)| **rows);
        if let Some((copies, rows)) = most
            && *copies > limits.first_same_quantity
            && self.rows >= FEWEST_SAME
            && rows * NEARLY_ALL.1 >= self.rows * NEARLY_ALL.0
        {
            found.push(Absurd::SameQuantity(*copies, *rows));
        }
        found
    }
}

impl Absurd {
    /// For operators, and for booksellers.
    pub(super) fn said(&self) -> (String, String) {
        match self {
            Self::Dear(dear, of) => (
                format!("{dear} of {of} prices of this first pass are above what most books cost: are they in cents?"),
                format!("{dear} prix sur {of} sont très élevés : sont-ils en centimes ?"),
            ),
            Self::Cheap(cheap, of) => (
                format!(
                    "{cheap} of {of} prices of this first pass are below what any book costs: are they in another unit?"
                ),
                format!("{cheap} prix sur {of} sont très bas : sont-ils dans une autre unité ?"),
            ),
            Self::SameQuantity(copies, rows) => (
                format!("{rows} rows of this first pass have the very same quantity, {copies}: is it the stock?"),
                format!("{rows} lignes ont exactement la même quantité, {copies} : est-ce bien le stock ?"),
            ),
            Self::Unreadable(bad, read) => (
                format!("{bad} of {read} rows of this first pass could not be read"),
                format!("{bad} lignes sur {read} n'ont pas pu être lues"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use passerelle_contract::{Cents, Position};

    fn shape(rows: impl IntoIterator<Item = (u32, u32)>) -> Shape {
        let mut shape = Shape::default();
        for (price, copies) in rows {
            shape.see(&StockLine {
                ean: "9782070286256".parse().unwrap(),
                price: Some(Cents(price)),
                quantity: Quantity::Exactly(copies),
                at: Position::Line(1),
            });
        }
        shape
    }

    #[test]
    fn only_what_is_absurd_is_held() {
        let limits = GuardLimits::default();
        let said = |shape: &Shape| shape.absurd(&limits, shape.rows, 0);
        assert_eq!(said(&shape((0..10).map(|n| (if n < 7 { 129_000 } else { 900 }, 2)))), [Absurd::Dear(7, 10)]);
        assert_eq!(said(&shape((0..10).map(|_| (12, 2)))), [Absurd::Cheap(10, 10)]);
        assert_eq!(said(&shape((0..20).map(|_| (900, 999)))), [Absurd::SameQuantity(999, 20)]);
        // Three art books, an antiquarian with some dear titles, a shop with one copy of everything.
        assert_eq!(said(&shape((0..3).map(|_| (15_000, 1)))), []);
        assert_eq!(said(&shape((0..10).map(|n| (if n < 5 { 15_000 } else { 900 }, 1)))), []);
        assert_eq!(said(&shape((0..500).map(|_| (900, 1)))), []);
        assert_eq!(shape([]).absurd(&limits, 100, 19), []);
        assert_eq!(shape([]).absurd(&limits, 100, 20), [Absurd::Unreadable(20, 100)]);
    }
}
