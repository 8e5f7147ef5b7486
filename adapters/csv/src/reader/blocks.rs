//! Finds delimiters, line ends and quotes 32 bytes at a time.
//!
//! One look at a block answers for every field in it, where a search for each field would start anew. Invariant: says what a byte by
//! byte search says.

use memchr::{memchr, memchr2, memchr3};
use wide::u8x32;

const BLOCK: usize = 32;

/// The block last looked at.
pub(super) struct Blocks {
    delimiter: u8,
    quote: Option<u8>,
    from: usize,
    /// One bit a byte: delimiters and line ends.
    ends: u32,
    /// Line ends alone.
    lines: u32,
    quotes: u32,
    is_loaded: bool,
}

impl Blocks {
    pub(super) const fn new(delimiter: u8, quote: Option<u8>) -> Self {
        Self { delimiter, quote, from: 0, ends: 0, lines: 0, quotes: 0, is_loaded: false }
    }

    /// The first delimiter or line end at or behind `at`.
    #[inline]
    pub(super) fn end(&mut self, bytes: &[u8], mut at: usize) -> Option<usize> {
        loop {
            let Some(offset) = self.reach(bytes, at) else {
                return memchr3(self.delimiter, b'\n', b'\r', bytes.get(at..)?).map(|found| at + found);
            };
            let ends = self.ends >> offset;
            if ends != 0 {
                return Some(at + ends.trailing_zeros() as usize);
            }
            at = self.from + BLOCK;
        }
    }

    /// The first quote at or behind `at`, and whether a line end stands before it.
    #[inline]
    pub(super) fn quote(&mut self, bytes: &[u8], mut at: usize) -> Option<(usize, bool)> {
        let mut breaks = false;
        loop {
            let Some(offset) = self.reach(bytes, at) else {
                let rest = bytes.get(at..)?;
                let found = memchr(self.quote?, rest)?;
                return Some((at + found, breaks || memchr2(b'\n', b'\r', &rest[..found]).is_some()));
            };
            let (quotes, lines) = (self.quotes >> offset, self.lines >> offset);
            if quotes != 0 {
                let step = quotes.trailing_zeros();
                let before = lines & (1_u32 << step).wrapping_sub(1);
                return Some((at + step as usize, breaks || before != 0));
            }
            breaks |= lines != 0;
            at = self.from + BLOCK;
        }
    }

    /// Looks at the block that holds `at`, if there is a whole one, and says where in it that is.
    #[inline]
    fn reach(&mut self, bytes: &[u8], at: usize) -> Option<u32> {
        if self.is_loaded && at >= self.from && at - self.from < BLOCK {
            return u32::try_from(at - self.from).ok();
        }
        let block: [u8; BLOCK] = bytes.get(at..at + BLOCK)?.try_into().ok()?;
        let block = u8x32::from(block);
        let is = |byte: u8| block.simd_eq(u8x32::splat(byte)).to_bitmask();
        self.lines = is(b'\n') | is(b'\r');
        self.ends = self.lines | is(self.delimiter);
        self.quotes = self.quote.map_or(0, is);
        (self.from, self.is_loaded) = (at, true);
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn blocks_find_what_a_search_finds(
            bytes in prop::collection::vec(prop::sample::select(b"abcdefgh;\"\n\r".to_vec()), 0..200),
            places in prop::collection::vec(0_usize..200, 1..20),
        ) {
            let mut blocks = Blocks::new(b';', Some(b'"'));
            for at in places.into_iter().filter(|at| *at <= bytes.len()) {
                let rest = &bytes[at..];
                prop_assert_eq!(blocks.end(&bytes, at), memchr3(b';', b'\n', b'\r', rest).map(|found| at + found));
                let quote = memchr(b'"', rest).map(|found| {
                    (at + found, memchr2(b'\n', b'\r', &rest[..found]).is_some())
                });
                prop_assert_eq!(blocks.quote(&bytes, at), quote);
            }
        }
    }
}
