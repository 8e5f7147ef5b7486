//! The rows of one pass, sorted by EAN, one per EAN, in bounded memory.
//!
//! Rows are packed into 16 bytes, sorted in runs of [`ROWS_IN_MEMORY`], and runs beyond the first wait on disk. Reading merges the
//! runs and applies the source's rule for duplicates, so that the plan sees each EAN once, in order. It can be read twice: once
//! to judge the plan, once to apply it.
//!
//! Invariant: memory does not grow with the number of rows beyond one run and one read buffer per run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use passerelle_contract::{Cents, Duplicates, Ean, Position, Quantity, Terms};

/// Rows kept in memory before a run goes to disk: 32 MiB.
pub const ROWS_IN_MEMORY: usize = 2 * 1024 * 1024;

/// Rows sorted at once while more are being read: the reader is on another thread, so this costs no time.
const SORT_AHEAD: usize = 64 * 1024;

/// Read buffer of one run on disk.
const RUN_BUFFER: usize = 64 * 1024;

/// pass Culture's maximum, which a sum of rows must not pass either.
const MOST_COPIES: u32 = 1_000_000;

const QUANTITY_BITS: u32 = 20;
const QUANTITY_MASK: u64 = (1 << QUANTITY_BITS) - 1;
const UNLIMITED: u64 = QUANTITY_MASK;
const PRICE_BITS: u32 = 15;
const PRICE_MASK: u64 = (1 << PRICE_BITS) - 1;
/// Not a price: the row says that the EAN is there, but not on which terms.
const MENTION: u64 = PRICE_MASK;
/// Not a price: the row says how many there are, and its price could not be read.
const UNPRICED: u64 = PRICE_MASK - 1;
/// The price is above what pass Culture takes; it is kept in steps of [`DEAR_STEP`], which tells a jump from a dear book.
const DEAR: u64 = 1 << PRICE_BITS;
const TERMS_BITS: u32 = PRICE_BITS + 1;
const DEAR_STEP: u32 = 16;
/// A position in 48 bits: a line, or a page and an entry.
const ENTRY_FLAG: u64 = 1 << 47;
const ENTRY_BITS: u32 = 27;

/// Duplicates that are remembered one by one; the others are counted.
const MOST_JOINED: usize = 10_000;

/// One row, packed: EAN and quantity in `key`, position and price in `tail`. Sorting by `(key's EAN, tail)` keeps the vendor's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Packed {
    key: u64,
    tail: u64,
}

impl Packed {
    const BYTES: usize = 16;

    fn ean(self) -> u64 {
        self.key >> QUANTITY_BITS
    }

    fn order(self) -> (u64, u64) {
        (self.ean(), self.tail)
    }

    fn is_mention(self) -> bool {
        self.tail & PRICE_MASK == MENTION && self.tail & DEAR == 0
    }

    fn is_unpriced(self) -> bool {
        self.tail & PRICE_MASK == UNPRICED && self.tail & DEAR == 0
    }

    fn is_dear(self) -> bool {
        self.tail & DEAR != 0
    }

    fn price(self) -> u32 {
        let price = u32::try_from(self.tail & PRICE_MASK).unwrap_or(0);
        if self.is_dear() { price.saturating_mul(DEAR_STEP) } else { price }
    }

    fn at(self) -> Position {
        let at = self.tail >> TERMS_BITS;
        if at & ENTRY_FLAG == 0 {
            return Position::Line(at);
        }
        let part = |bits: u64| u32::try_from(bits).unwrap_or(u32::MAX);
        Position::Entry { page: part((at & !ENTRY_FLAG) >> ENTRY_BITS), entry: part(at & ((1 << ENTRY_BITS) - 1)) }
    }

    fn quantity(self) -> Quantity {
        match self.key & QUANTITY_MASK {
            UNLIMITED => Quantity::Unlimited,
            copies => Quantity::Exactly(u32::try_from(copies).unwrap_or(MOST_COPIES)),
        }
    }

    fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.key.to_le_bytes());
        bytes[8..].copy_from_slice(&self.tail.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        Self { key: word(0), tail: word(8) }
    }
}

/// What a pass says of one EAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stated {
    /// The EAN as a number ([`Ean::as_u64`]).
    pub ean: u64,
    /// What its row says.
    pub said: Said,
    /// Where; the last row where several were joined.
    pub at: Position,
}

/// What a row says: price and quantity are two statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Both.
    Terms(Terms),
    /// The quantity; the price could not be read.
    Quantity(Quantity),
    /// Both, at a price that pass Culture does not take.
    TooDear(Terms),
    /// That the EAN is there: then nothing is known, least of all that it is gone.
    Mention,
}

/// Collects the rows of a pass.
#[derive(Debug)]
pub struct Gather {
    rows: Vec<Packed>,
    runs: Vec<File>,
    rows_in_memory: usize,
    sorted_ahead: usize,
}

impl Default for Gather {
    fn default() -> Self {
        Self::with_rows_in_memory(ROWS_IN_MEMORY)
    }
}

impl Gather {
    /// With another bound, for tests.
    #[must_use]
    pub fn with_rows_in_memory(rows_in_memory: usize) -> Self {
        Self { rows: Vec::new(), runs: Vec::new(), rows_in_memory: rows_in_memory.max(1), sorted_ahead: 0 }
    }

    /// Adds what a row says.
    pub fn add(&mut self, ean: Ean, said: Said, at: Position) {
        let copies = |quantity| match quantity {
            Quantity::Unlimited => UNLIMITED,
            Quantity::Exactly(copies) => u64::from(copies.min(MOST_COPIES)),
        };
        let (quantity, price) = match said {
            Said::Terms(terms) => (copies(terms.quantity), u64::from(terms.price.0).min(UNPRICED - 1)),
            Said::Quantity(quantity) => (copies(quantity), UNPRICED),
            Said::TooDear(terms) => {
                (copies(terms.quantity), DEAR | u64::from(terms.price.0.div_ceil(DEAR_STEP)).min(PRICE_MASK))
            }
            Said::Mention => (0, MENTION),
        };
        self.put(ean, quantity, price, at);
    }

    fn put(&mut self, ean: Ean, quantity: u64, price: u64, at: Position) {
        let at = match at {
            Position::Line(line) => line.min(ENTRY_FLAG - 1),
            Position::Entry { page, entry } => {
                let entry = u64::from(entry).min((1 << ENTRY_BITS) - 1);
                ENTRY_FLAG | u64::from(page).min((1 << (47 - ENTRY_BITS)) - 1) << ENTRY_BITS | entry
            }
        };
        self.rows.push(Packed { key: ean.as_u64() << QUANTITY_BITS | quantity, tail: at << TERMS_BITS | price });
        if self.rows.len() - self.sorted_ahead >= SORT_AHEAD {
            self.rows[self.sorted_ahead..].sort_unstable_by_key(|row| row.order());
            self.sorted_ahead = self.rows.len();
        }
    }

    /// Sorts what is in memory. A stable sort finds the parts that are sorted already and merges them.
    fn sort(&mut self) {
        self.rows.sort_by_key(|row| row.order());
        self.sorted_ahead = 0;
    }

    /// Is it time to call [`Gather::spill`]?
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.rows.len() >= self.rows_in_memory
    }

    /// Sorts what is in memory and moves it to disk. Blocks.
    ///
    /// # Errors
    /// When the temporary folder is full or not writable.
    pub fn spill(&mut self) -> io::Result<()> {
        self.sort();
        let mut writer = BufWriter::with_capacity(RUN_BUFFER, tempfile::tempfile()?);
        for row in self.rows.drain(..) {
            writer.write_all(&row.to_bytes())?;
        }
        self.runs.push(writer.into_inner().map_err(io::IntoInnerError::into_error)?);
        Ok(())
    }

    /// Sorts the rest. Blocks for as long as sorting takes.
    ///
    /// # Errors
    /// As [`Gather::spill`].
    pub fn finish(mut self, rule: Duplicates, keep_back: u32) -> io::Result<Gathered> {
        if self.runs.is_empty() {
            self.sort();
        } else if !self.rows.is_empty() {
            self.spill()?;
        }
        Ok(Gathered { rows: Arc::new(self.rows), runs: self.runs, rule, keep_back })
    }
}

/// All rows of a pass in EAN order, readable more than once.
#[derive(Debug)]
pub struct Gathered {
    rows: Arc<Vec<Packed>>,
    runs: Vec<File>,
    rule: Duplicates,
    keep_back: u32,
}

impl Gathered {
    /// Reads from the first EAN on, each EAN once.
    ///
    /// # Errors
    /// When a run cannot be read back.
    pub fn read(&self) -> io::Result<Reading> {
        let source = if self.runs.is_empty() {
            Sorted::Memory { rows: Arc::clone(&self.rows), at: 0 }
        } else {
            let mut heads = BinaryHeap::with_capacity(self.runs.len());
            let mut readers = Vec::with_capacity(self.runs.len());
            for (index, run) in self.runs.iter().enumerate() {
                // Each reading has its own offset in a re-opened description; `try_clone` shares it, hence one reading at a time.
                let mut file = run.try_clone()?;
                file.seek(SeekFrom::Start(0))?;
                let mut reader = BufReader::with_capacity(RUN_BUFFER, file);
                if let Some(first) = read_packed(&mut reader)? {
                    heads.push(Reverse((first.order(), index, first.key)));
                }
                readers.push(reader);
            }
            Sorted::Disk { readers, heads }
        };
        Ok(Reading {
            source,
            rule: self.rule,
            keep_back: self.keep_back,
            ahead: None,
            duplicates: 0,
            conflicts: 0,
            joined: Vec::new(),
        })
    }
}

fn read_packed(reader: &mut BufReader<File>) -> io::Result<Option<Packed>> {
    let mut bytes = [0; Packed::BYTES];
    match reader.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(Packed::from_bytes(bytes))),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

type Head = Reverse<((u64, u64), usize, u64)>;

#[derive(Debug)]
enum Sorted {
    Memory { rows: Arc<Vec<Packed>>, at: usize },
    Disk { readers: Vec<BufReader<File>>, heads: BinaryHeap<Head> },
}

impl Sorted {
    fn next(&mut self) -> io::Result<Option<Packed>> {
        match self {
            Self::Memory { rows, at } => {
                let row = rows.get(*at).copied();
                *at += 1;
                Ok(row)
            }
            Self::Disk { readers, heads } => {
                let Some(Reverse(((_, tail), index, key))) = heads.pop() else { return Ok(None) };
                if let Some(reader) = readers.get_mut(index)
                    && let Some(next) = read_packed(reader)?
                {
                    heads.push(Reverse((next.order(), index, next.key)));
                }
                Ok(Some(Packed { key, tail }))
            }
        }
    }
}

/// One reading of a [`Gathered`].
#[derive(Debug)]
pub struct Reading {
    source: Sorted,
    rule: Duplicates,
    keep_back: u32,
    ahead: Option<Packed>,
    duplicates: u64,
    conflicts: u64,
    joined: Vec<(u64, Position)>,
}

impl Reading {
    /// The next EAN.
    ///
    /// # Errors
    /// When a run cannot be read back.
    pub fn advance(&mut self) -> io::Result<Option<Stated>> {
        let Some(mut joined) = (match self.ahead.take() {
            Some(row) => Some(row),
            None => self.source.next()?,
        }) else {
            return Ok(None);
        };
        while let Some(row) = self.source.next()? {
            if row.ean() != joined.ean() {
                self.ahead = Some(row);
                break;
            }
            self.duplicates += 1;
            if self.joined.len() < MOST_JOINED {
                self.joined.push((row.ean(), row.at()));
            }
            joined = self.join(joined, row);
        }
        Ok(Some(self.state(joined)))
    }

    /// Two rows of one EAN, in order of arrival.
    fn join(&mut self, earlier: Packed, later: Packed) -> Packed {
        match (earlier.is_mention(), later.is_mention()) {
            (_, true) => return earlier,
            (true, false) => return later,
            (false, false) => {}
        }
        // A row whose price could not be read, or is none, adds nothing that is certain to one that reads: its copies might be others.
        match (earlier.is_unpriced() || earlier.is_dear(), later.is_unpriced() || later.is_dear()) {
            (false, true) => return earlier,
            (true, false) => return later,
            (true, true) | (false, false) => {}
        }
        if earlier.price() != later.price() {
            self.conflicts += 1;
        }
        match self.rule {
            Duplicates::Last => later,
            Duplicates::First => earlier,
            Duplicates::Max if later.key > earlier.key => later,
            Duplicates::Max => earlier,
            Duplicates::Sum => {
                let quantity = match (earlier.quantity(), later.quantity()) {
                    (Quantity::Exactly(one), Quantity::Exactly(two)) => u64::from((one + two).min(MOST_COPIES)),
                    _ => UNLIMITED,
                };
                Packed {
                    key: earlier.key & !QUANTITY_MASK | quantity,
                    tail: later.tail & !PRICE_MASK | (earlier.tail & PRICE_MASK).max(later.tail & PRICE_MASK),
                }
            }
        }
    }

    fn state(&self, row: Packed) -> Stated {
        let quantity = match row.quantity() {
            // A shop may keep its last copies for the people who walk in.
            Quantity::Exactly(copies) => Quantity::Exactly(copies.saturating_sub(self.keep_back)),
            Quantity::Unlimited => Quantity::Unlimited,
        };
        let terms = Terms { price: Cents(row.price()), quantity };
        let said = if row.is_mention() {
            Said::Mention
        } else if row.is_dear() {
            Said::TooDear(terms)
        } else if row.is_unpriced() {
            Said::Quantity(quantity)
        } else {
            Said::Terms(terms)
        };
        Stated { ean: row.ean(), said, at: row.at() }
    }

    /// Rows that were joined to an earlier row of the same EAN, so far.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Which they were, and where: the first ten thousand.
    #[must_use]
    pub fn joined(&self) -> &[(u64, Position)] {
        &self.joined
    }

    /// Joined rows that stated another price, so far.
    #[must_use]
    pub fn conflicts(&self) -> u64 {
        self.conflicts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn ean(seed: u64) -> Ean {
        let body = 978_000_000_000 + seed;
        let digits = format!("{body:012}");
        (0..10).find_map(|key| format!("{digits}{key}").parse().ok()).expect("one key fits")
    }

    fn all(gathered: &Gathered) -> Vec<Stated> {
        let mut reading = gathered.read().unwrap();
        std::iter::from_fn(|| reading.advance().unwrap()).collect()
    }

    proptest! {
        #[test]
        fn runs_on_disk_and_in_memory_give_what_a_map_gives(
            rows in prop::collection::vec((0_u64..40, 0_u32..30_001, 0_u32..50, any::<bool>()), 0..300),
            in_memory in 1_usize..60,
            rule in prop::sample::select(vec![Duplicates::Last, Duplicates::First, Duplicates::Sum, Duplicates::Max]),
        ) {
            let mut gather = Gather::with_rows_in_memory(in_memory);
            let mut model: BTreeMap<u64, Option<(u32, u32)>> = BTreeMap::new();
            for (line, (seed, price, copies, readable)) in (1..).zip(rows) {
                let (key, at) = (ean(seed), Position::Line(line));
                if readable {
                    let terms = Terms { price: Cents(price), quantity: Quantity::Exactly(copies) };
                    gather.add(key, Said::Terms(terms), at);
                } else {
                    gather.add(key, Said::Mention, at);
                }
                let slot = model.entry(key.as_u64()).or_insert(None);
                if readable {
                    *slot = Some(match (*slot, rule) {
                        (None, _) | (Some(_), Duplicates::Last) => (price, copies),
                        (Some(old), Duplicates::First) => old,
                        (Some((p, q)), Duplicates::Sum) => (p.max(price), q + copies),
                        (Some((p, q)), Duplicates::Max) => if copies > q { (price, copies) } else { (p, q) },
                    });
                }
                if gather.is_full() {
                    gather.spill().unwrap();
                }
            }
            let gathered = gather.finish(rule, 0).unwrap();
            let seen: Vec<_> = all(&gathered).into_iter().map(|stated| (stated.ean, match stated.said {
                Said::Terms(Terms { price, quantity: Quantity::Exactly(copies) }) => Some((price.0, copies)),
                _ => None,
            })).collect();
            prop_assert_eq!(&seen, &model.into_iter().collect::<Vec<_>>());
            // A second reading gives the same.
            prop_assert_eq!(all(&gathered).len(), seen.len());
        }
    }

    #[test]
    fn copies_kept_back_are_taken_off_the_sum() {
        let mut gather = Gather::default();
        for _ in 0..2 {
            let terms = Terms { price: Cents(1000), quantity: Quantity::Exactly(1) };
            gather.add(ean(1), Said::Terms(terms), Position::Line(2));
        }
        let gathered = gather.finish(Duplicates::Sum, 1).unwrap();
        let Said::Terms(terms) = all(&gathered)[0].said else { panic!("both were stated") };
        assert_eq!(terms.quantity, Quantity::Exactly(1));
    }

    #[test]
    fn what_a_row_says_comes_back_as_it_was_said() {
        let terms = |price| Terms { price: Cents(price), quantity: Quantity::Exactly(7) };
        let cases = [
            (Said::Terms(terms(30_000)), Position::Line(12), Said::Terms(terms(30_000))),
            (Said::Quantity(Quantity::Exactly(7)), Position::Line(1 << 40), Said::Quantity(Quantity::Exactly(7))),
            (Said::TooDear(terms(100_000)), Position::Entry { page: 3, entry: 99 }, Said::TooDear(terms(100_000))),
            (Said::TooDear(terms(u32::MAX)), Position::Line(1), Said::TooDear(terms(32_767 * 16))),
            (Said::Mention, Position::Entry { page: 1, entry: 1 }, Said::Mention),
        ];
        for (said, at, back) in cases {
            let mut gather = Gather::default();
            gather.add(ean(1), said, at);
            let gathered = gather.finish(Duplicates::Sum, 0).unwrap();
            assert_eq!(all(&gathered), [Stated { ean: ean(1).as_u64(), said: back, at }]);
        }
    }
}
