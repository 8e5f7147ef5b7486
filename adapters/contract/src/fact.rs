//! Facts: what a vendor said, typed, with where it said it.

use crate::{Cents, Ean, Quantity};

/// One shop's stock of one reference, as its software states it.
///
/// `quantity` is what can still be sold now, not what was ever offered; pass Culture adds the booked copies itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StockLine {
    /// The reference, already normalised to EAN-13.
    pub ean: Ean,
    /// Unit price, VAT included. `None` only beside a quantity of zero: what is sold out needs no price.
    pub price: Option<Cents>,
    /// Copies still for sale.
    pub quantity: Quantity,
    /// Where the vendor said it.
    pub at: Position,
}

/// Where in a vendor's data a row stands, so that a person can find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Position {
    /// Physical line of a file, from 1 (preamble and header counted).
    Line(u64),
    /// Entry of a page of an API answer, both from 1.
    Entry {
        /// Page of the pass.
        page: u32,
        /// Entry of that page.
        entry: u32,
    },
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Entry { page, entry } => write!(f, "page {page}, entry {entry}"),
        }
    }
}

/// One row of a pull: a fact, or a row that could not become one. Nothing is dropped between the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row<T> {
    /// A fact.
    Good(T),
    /// A row that stays behind, with its reason. Boxed: good rows are many and small.
    Poison(Box<DataError>),
}

/// Why a row is not a fact: a stable code, where, and both sentences.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {message} ({code})", code = self.problem.code)]
pub struct DataError {
    /// Where the row stands.
    pub at: Position,
    /// The vendor's own key for it, as written and at most 100 characters, when one could be read.
    pub key: Option<String>,
    /// What is wrong.
    pub problem: DataProblem,
    /// For operators, in English, with the value that was read when that helps. No personal data.
    pub message: String,
    /// For booksellers, in French.
    pub message_fr: String,
    /// What the row says all the same. Boxed: errors are returned by value.
    pub legible: Box<Legible>,
}

/// What can be read of a row that stays behind: the gateway hears it, and shows it to whoever asks about the reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Legible {
    /// Copies still for sale, stated although the price could not be read. The item keeps its last price and takes them.
    pub quantity: Option<Quantity>,
    /// References that stand anywhere in the row's bytes; none of them is gone. At most 32.
    pub eans: Vec<Ean>,
    /// The first digits of a reference that was rounded on its way (`9,78207E+12`); none that begins like it is gone unless the
    /// pass lists it otherwise. 3 to 12 digits.
    pub begins_with: Option<String>,
    /// The row's cells as written, at most 500 characters. Never a column that may hold personal data.
    pub cells: Option<String>,
}

/// A kind of problem. Codes are stable: people filter on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DataProblem {
    /// For example `BadCheckDigit`.
    pub code: &'static str,
    /// Whether the row says that the source is damaged, or only that the row is not for sale here.
    pub severity: Severity,
}

/// Does a row of this kind make the whole pass doubtful?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Could not be read; many of them make a pass partial.
    Unreadable,
    /// Readable, and rightly kept out (filtered, used copy, shop's own code). Says nothing against the source.
    NotForSale,
}

/// A row that was kept, but not as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where the row stands.
    pub at: Position,
    /// The reference it is about, where the row is about one.
    pub ean: Option<Ean>,
    /// What was changed.
    pub kind: NoteKind,
}

/// What was changed in a row that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoteKind {
    /// A quantity below zero became zero.
    NegativeQuantityClamped,
    /// A quantity above pass Culture's maximum became that maximum.
    QuantityClamped,
    /// A price with more than two decimals was rounded half up.
    RoundedPrice,
    /// Two rows of one reference stated different prices; the source's rule chose one.
    PriceConflict,
    /// Two rows of one reference were joined by the source's rule.
    DuplicateReference,
    /// An entry whose validity had passed counts as zero.
    Expired,
}

impl NoteKind {
    /// The stable code, as in the quarantine's codes.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NegativeQuantityClamped => "NegativeQuantityClamped",
            Self::QuantityClamped => "QuantityClamped",
            Self::RoundedPrice => "RoundedPrice",
            Self::PriceConflict => "PriceConflict",
            Self::DuplicateReference => "DuplicateReference",
            Self::Expired => "Expired",
        }
    }
}
