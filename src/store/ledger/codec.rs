//! Entries ↔ the bytes of a page.
//!
//! A page is a header of 16 bytes and one record of 24 bytes per entry, all numbers little-endian:
//!
//! ```text
//! header   0  format (1)   1  record width (24)   2..4  entries   4..8  zero   8..16  xxh3 of the records, seeded with bytes 0..8
//! record   word 0: EAN 44 bits │ desired quantity 20
//!          word 1: desired price 20 │ acknowledged quantity 20 │ acknowledged price 20 │ acknowledged state 2 │ desired? 1 │ zero 1
//!          word 2: refusal code 8 (0: none) │ refusal day 16 │ call 34 │ tries 5 │ exists? 1
//! ```
//! The last three are those of what was sent and not seen yet, else zero.
//! Prices have room for 10 485,75 EUR, quantities for 1 048 574 and a marker for unlimited, more than pass Culture takes.
//!
//! Invariant: every entry has one encoding, so equal pages are equal bytes; bytes that are not exactly what `encode` writes
//! are refused.

use passerelle_contract::{Cents, Ean, Quantity};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{Acknowledged, Entry, MOST_TRIES, Refusal, Sent, StoredPage, Terms, Totals};
use crate::store::StoreError;
use crate::store::queue::CallId;

/// Entries in a full page: 12 KiB, small enough that 500 scattered changes rewrite 6 MiB, large enough that a million
/// entries are two thousand rows.
pub const PAGE_CAPACITY: usize = 512;

const FORMAT: u8 = 1;
const HEADER: usize = 16;
const WIDTH: usize = 24;

const EAN_BITS: u32 = 44;
const AMOUNT_BITS: u32 = 20;
const EAN_MASK: u64 = (1 << EAN_BITS) - 1;
const AMOUNT_MASK: u64 = (1 << AMOUNT_BITS) - 1;
/// The quantity that means unlimited.
const UNLIMITED: u64 = AMOUNT_MASK;
const DESIRED: u64 = 1 << 62;
const STATE_SHIFT: u32 = 60;
const REFUSAL_MASK: u64 = (1 << 24) - 1;
const CALL_SHIFT: u32 = 24;
const CALL_MASK: u64 = (1 << 34) - 1;
const TRIES_SHIFT: u32 = 58;
const EXISTS: u64 = 1 << 63;

/// Packs sorted entries into one page with its counts.
///
/// # Errors
/// [`StoreError::Invalid`] for a price, quantity or refusal code without room, and for entries that are none, too many or
/// not in EAN order.
pub(super) fn encode(entries: &[Entry]) -> Result<StoredPage, StoreError> {
    let first = entries.first().ok_or_else(|| StoreError::Invalid("a page without entries".to_owned()))?.ean;
    let count = u16::try_from(entries.len())
        .ok()
        .filter(|count| usize::from(*count) <= PAGE_CAPACITY)
        .ok_or_else(|| StoreError::Invalid(format!("a page of {} entries", entries.len())))?;
    if let Some(pair) = entries.windows(2).find(|pair| pair[0].ean >= pair[1].ean) {
        return Err(StoreError::Invalid(format!("{} after {} in a page", pair[1].ean, pair[0].ean)));
    }
    let mut blob = Vec::with_capacity(HEADER + entries.len() * WIDTH);
    blob.extend_from_slice(&[FORMAT, WIDTH as u8]);
    blob.extend_from_slice(&count.to_le_bytes());
    blob.resize(HEADER, 0);
    let mut totals = Totals::default();
    for entry in entries {
        for word in pack(entry)? {
            blob.extend_from_slice(&word.to_le_bytes());
        }
        totals.add(entry);
    }
    let digest = checksum(&blob).ok_or_else(|| StoreError::Invalid("a page without header".to_owned()))?;
    blob[HEADER - 8..HEADER].copy_from_slice(&digest.to_le_bytes());
    // A page has at most `PAGE_CAPACITY` entries, so its counts fit.
    let narrow = |sum: u64| u32::try_from(sum).unwrap_or(u32::MAX);
    Ok(StoredPage {
        first,
        count: u32::from(count),
        pending: narrow(totals.pending),
        unverified: narrow(totals.unverified),
        live: narrow(totals.live),
        refused: narrow(totals.refused),
        blob,
    })
}

/// Unpacks a page and appends its entries above `after` to `into`.
///
/// # Errors
/// [`StoreError::Corrupt`] when the bytes are not what [`encode`] writes; `into` may then hold part of the page.
pub(super) fn decode(page: &StoredPage, after: Option<Ean>, into: &mut Vec<Entry>) -> Result<(), StoreError> {
    let broken = |what: &str| StoreError::Corrupt(format!("ledger page {}: {what}", page.first));
    let blob = page.blob.as_slice();
    if blob.len() < HEADER {
        return Err(broken("too short"));
    }
    if blob[0] != FORMAT {
        return Err(broken("in a format this release does not know"));
    }
    let count = usize::from(u16::from_le_bytes([blob[2], blob[3]]));
    if usize::from(blob[1]) != WIDTH || blob.len() != HEADER + count * WIDTH || count as u64 != u64::from(page.count) {
        return Err(broken("not as long as it says"));
    }
    if checksum(blob).map(u64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice) != Some(&blob[HEADER - 8..HEADER]) {
        return Err(broken("the checksum is wrong"));
    }
    let (records, _) = blob[HEADER..].as_chunks::<WIDTH>();
    if records.first().map(|record| words(record)[0] & EAN_MASK) != Some(page.first.as_u64()) {
        return Err(broken("its first entry is not the one it is filed under"));
    }
    into.reserve(count);
    let mut previous = None;
    for record in records {
        let entry = unpack(words(record)).ok_or_else(|| broken("an entry that cannot be"))?;
        if previous.is_some_and(|previous| previous >= entry.ean) {
            return Err(broken("entries out of order"));
        }
        previous = Some(entry.ean);
        if after.is_none_or(|after| entry.ean > after) {
            into.push(entry);
        }
    }
    Ok(())
}

/// The xxh3 of the records, seeded with the header's first half; `None` when there is no header.
fn checksum(blob: &[u8]) -> Option<u64> {
    let (header, records) = blob.split_at_checked(HEADER)?;
    let seed = header.first_chunk::<8>()?;
    Some(xxh3_64_with_seed(records, u64::from_le_bytes(*seed)))
}

fn words(record: &[u8; WIDTH]) -> [u64; 3] {
    let (words, _) = record.as_chunks::<8>();
    let word = |at: usize| words.get(at).copied().map_or(0, u64::from_le_bytes);
    [word(0), word(1), word(2)]
}

fn pack(entry: &Entry) -> Result<[u64; 3], StoreError> {
    let no_room = |what: &str| StoreError::Invalid(format!("{}: {what}", entry.ean));
    let (state, known) = match entry.acknowledged {
        Acknowledged::Never => (0, None),
        Acknowledged::InFlight(sent) => (1, Some(sent.terms)),
        Acknowledged::Accepted(sent) => (2, Some(sent.terms)),
        Acknowledged::Verified(terms) => (3, Some(terms)),
    };
    let amounts = |terms: Option<Terms>| terms.map_or(Some((0, 0)), pack_terms);
    let (price, quantity) = amounts(entry.desired).ok_or_else(|| no_room("desired price or quantity too large"))?;
    let (known_price, known_quantity) =
        amounts(known).ok_or_else(|| no_room("acknowledged price or quantity too large"))?;
    let refusal = match entry.refused {
        None => 0,
        Some(Refusal { code: 0, .. }) => return Err(no_room("a refusal without code")),
        Some(Refusal { code, day }) => u64::from(code) | u64::from(day) << 8,
    };
    let sent = match entry.acknowledged.sent() {
        None => 0,
        Some(Sent { call, tries, .. }) if call > CallId::LAST || tries > MOST_TRIES => {
            return Err(no_room("a call or tries too large"));
        }
        Some(Sent { call, tries, exists, .. }) => {
            call.to_bits() << CALL_SHIFT | u64::from(tries) << TRIES_SHIFT | if exists { EXISTS } else { 0 }
        }
    };
    let desired = if entry.desired.is_some() { DESIRED } else { 0 };
    Ok([
        entry.ean.as_u64() | quantity << EAN_BITS,
        price | known_quantity << AMOUNT_BITS | known_price << (2 * AMOUNT_BITS) | state << STATE_SHIFT | desired,
        refusal | sent,
    ])
}

fn pack_terms(terms: Terms) -> Option<(u64, u64)> {
    let price = u64::from(terms.price.0);
    let quantity = match terms.quantity {
        Quantity::Unlimited => UNLIMITED,
        Quantity::Exactly(quantity) => Some(u64::from(quantity)).filter(|quantity| *quantity < UNLIMITED)?,
    };
    (price <= AMOUNT_MASK).then_some((price, quantity))
}

fn unpack([first, second, third]: [u64; 3]) -> Option<Entry> {
    let amount = |at: u32| (second >> at) & AMOUNT_MASK;
    let (price, quantity) = (amount(0), first >> EAN_BITS);
    let known = unpack_terms(amount(2 * AMOUNT_BITS), amount(AMOUNT_BITS));
    let acknowledged = match (second >> STATE_SHIFT) & 3 {
        0 if second >> AMOUNT_BITS & (AMOUNT_MASK << AMOUNT_BITS | AMOUNT_MASK) == 0 => Acknowledged::Never,
        0 => return None,
        1 => Acknowledged::InFlight(unpack_sent(known, third)),
        2 => Acknowledged::Accepted(unpack_sent(known, third)),
        _ => Acknowledged::Verified(known),
    };
    let desired = match second & DESIRED {
        0 if price == 0 && quantity == 0 => None,
        0 => return None,
        _ => Some(unpack_terms(price, quantity)),
    };
    let refusal = third & REFUSAL_MASK;
    let [code, day_low, day_high, ..] = refusal.to_le_bytes();
    let refused = match (code, refusal) {
        (0, 0) => None,
        (0, _) => return None,
        _ => Some(Refusal { code, day: u16::from_le_bytes([day_low, day_high]) }),
    };
    if second >> 63 != 0 || (acknowledged.sent().is_none() && third > REFUSAL_MASK) {
        return None;
    }
    Some(Entry { ean: Ean::from_u64(first & EAN_MASK).ok()?, desired, acknowledged, refused })
}

fn unpack_sent(terms: Terms, third: u64) -> Sent {
    let call = CallId::from_bits(third >> CALL_SHIFT & CALL_MASK);
    // Five bits.
    let tries = (third >> TRIES_SHIFT & u64::from(MOST_TRIES)) as u8;
    Sent { terms, call, tries, exists: third & EXISTS != 0 }
}

/// Both numbers are below 2²⁰.
fn unpack_terms(price: u64, quantity: u64) -> Terms {
    let quantity = match quantity {
        UNLIMITED => Quantity::Unlimited,
        exactly => Quantity::Exactly(exactly as u32),
    };
    Terms { price: Cents(price as u32), quantity }
}

impl Totals {
    /// Counts one more entry.
    pub(super) fn add(&mut self, entry: &Entry) {
        self.entries += 1;
        self.live += u64::from(entry.is_live());
        self.pending += u64::from(entry.is_pending());
        self.unverified += u64::from(entry.is_unverified());
        self.refused += u64::from(entry.refused.is_some());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::ledger::samples::{any_entries, any_entry, ean};

    fn round_trip(entries: &[Entry]) -> Vec<Entry> {
        let mut back = Vec::new();
        decode(&encode(entries).unwrap(), None, &mut back).unwrap();
        back
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_back(entries in any_entries(1..PAGE_CAPACITY)) {
            let page = encode(&entries).unwrap();
            prop_assert_eq!(page.count as usize, entries.len());
            prop_assert_eq!(page.pending as usize, entries.iter().filter(|entry| entry.is_pending()).count());
            prop_assert_eq!(page.unverified as usize, entries.iter().filter(|entry| entry.is_unverified()).count());
            prop_assert_eq!(page.live as usize, entries.iter().filter(|entry| entry.is_live()).count());
            prop_assert_eq!(page.refused as usize, entries.iter().filter(|entry| entry.refused.is_some()).count());
            prop_assert_eq!(round_trip(&entries), entries);
        }

        #[test]
        fn random_bytes_are_refused_without_a_panic(
            count in 0_u32..4, blob in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let page = StoredPage { first: Ean::MIN, count, pending: 0, unverified: 0, live: 0, refused: 0, blob };
            prop_assert!(decode(&page, None, &mut Vec::new()).is_err());
        }

        #[test]
        fn any_words_unpack_to_what_packs_to_them_or_to_nothing(
            number in 0_u64..1_000_000_000_000, quantity in 0_u64..=AMOUNT_MASK, second: u64, third in prop_oneof![0_u64..1 << 26, any::<u64>()],
        ) {
            let words = [ean(number).as_u64() | quantity << EAN_BITS, second, third];
            if let Some(entry) = unpack(words) {
                prop_assert_eq!(pack(&entry).unwrap(), words);
            }
        }

        #[test]
        fn one_wrong_bit_is_found(entry in any_entry(), bit in 0_usize..(HEADER + WIDTH) * 8) {
            let mut page = encode(&[entry]).unwrap();
            page.blob[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(matches!(decode(&page, None, &mut Vec::new()), Err(StoreError::Corrupt(_))));
        }
    }

    #[test]
    fn limits_have_room_and_what_is_beyond_them_is_refused() {
        let of = |price, quantity| Entry {
            ean: ean(1),
            desired: Some(Terms { price: Cents(price), quantity }),
            acknowledged: Acknowledged::Never,
            refused: None,
        };
        for entry in [of(0, Quantity::Exactly(0)), of(30_000, Quantity::Exactly(1_000_000)), of(1, Quantity::Unlimited)]
        {
            assert_eq!(round_trip(&[entry]), [entry]);
        }
        for entry in [of(1 << 20, Quantity::Exactly(1)), of(1, Quantity::Exactly((1 << 20) - 1))] {
            assert!(matches!(encode(&[entry]), Err(StoreError::Invalid(_))));
        }
        assert!(encode(&[]).is_err());
        let twice = of(1, Quantity::Unlimited);
        assert!(encode(&[twice, twice]).is_err());
    }

    #[test]
    fn a_page_filed_under_another_key_is_damage() {
        let entry = Entry { ean: ean(5), desired: None, acknowledged: Acknowledged::Never, refused: None };
        let page = StoredPage { first: ean(4), ..encode(&[entry]).unwrap() };
        assert!(matches!(decode(&page, None, &mut Vec::new()), Err(StoreError::Corrupt(_))));
    }
}
