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

use passerelle_contract::{Cents, Duplicates, Ean, Quantity, Terms};

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

/// One row, packed: EAN and quantity in `key`, order of arrival and price in `tail`. Sorting by `(key's EAN, tail)` is stable.
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
        self.tail & PRICE_MASK == MENTION
    }

    fn price(self) -> u32 {
        u32::try_from(self.tail & PRICE_MASK).unwrap_or(0)
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
    /// Its terms, or `None` when the row was there but could not be read: then nothing is known, least of all that it is gone.
    pub terms: Option<Terms>,
}

/// Collects the rows of a pass.
#[derive(Debug)]
pub struct Gather {
    rows: Vec<Packed>,
    runs: Vec<File>,
    next: u64,
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
        Self { rows: Vec::new(), runs: Vec::new(), next: 0, rows_in_memory: rows_in_memory.max(1), sorted_ahead: 0 }
    }

    /// Adds a row with its terms.
    pub fn add(&mut self, ean: Ean, terms: Terms) {
        let quantity = match terms.quantity {
            Quantity::Unlimited => UNLIMITED,
            Quantity::Exactly(copies) => u64::from(copies.min(MOST_COPIES)),
        };
        self.put(ean, quantity, u64::from(terms.price.0).min(MENTION - 1));
    }

    /// Adds a row that was there but whose terms could not be read.
    pub fn mention(&mut self, ean: Ean) {
        self.put(ean, 0, MENTION);
    }

    fn put(&mut self, ean: Ean, quantity: u64, price: u64) {
        self.rows.push(Packed { key: ean.as_u64() << QUANTITY_BITS | quantity, tail: self.next << PRICE_BITS | price });
        self.next += 1;
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
        Ok(Reading { source, rule: self.rule, keep_back: self.keep_back, ahead: None, duplicates: 0, conflicts: 0 })
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
                let price = earlier.price().max(later.price());
                Packed {
                    key: earlier.key & !QUANTITY_MASK | quantity,
                    tail: earlier.tail & !PRICE_MASK | u64::from(price),
                }
            }
        }
    }

    fn state(&self, row: Packed) -> Stated {
        let terms = (!row.is_mention()).then(|| Terms {
            price: Cents(row.price()),
            quantity: match row.quantity() {
                // A shop may keep its last copies for the people who walk in.
                Quantity::Exactly(copies) => Quantity::Exactly(copies.saturating_sub(self.keep_back)),
                Quantity::Unlimited => Quantity::Unlimited,
            },
        });
        Stated { ean: row.ean(), terms }
    }

    /// Rows that were joined to an earlier row of the same EAN, so far.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.duplicates
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
            for (seed, price, copies, readable) in rows {
                let key = ean(seed);
                if readable {
                    gather.add(key, Terms { price: Cents(price), quantity: Quantity::Exactly(copies) });
                } else {
                    gather.mention(key);
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
            let seen: Vec<_> = all(&gathered).into_iter().map(|stated| (stated.ean, stated.terms.map(|terms| {
                let Quantity::Exactly(copies) = terms.quantity else { panic!("never unlimited here") };
                (terms.price.0, copies)
            }))).collect();
            prop_assert_eq!(&seen, &model.into_iter().collect::<Vec<_>>());
            // A second reading gives the same.
            prop_assert_eq!(all(&gathered).len(), seen.len());
        }
    }

    #[test]
    fn copies_kept_back_are_taken_off_the_sum() {
        let mut gather = Gather::default();
        for _ in 0..2 {
            gather.add(ean(1), Terms { price: Cents(1000), quantity: Quantity::Exactly(1) });
        }
        let gathered = gather.finish(Duplicates::Sum, 1).unwrap();
        assert_eq!(all(&gathered)[0].terms.unwrap().quantity, Quantity::Exactly(1));
    }
}
