//! Entries for property tests.

use passerelle_contract::{Cents, Ean, Quantity};
use proptest::prelude::*;

use super::{Acknowledged, Entry, MOST_TRIES, Refusal, Sent, Terms};
use crate::store::queue::CallId;

/// The EAN whose first twelve digits are `number`.
pub(crate) fn ean(number: u64) -> Ean {
    (0..10).find_map(|check| Ean::from_u64(number % 1_000_000_000_000 * 10 + check).ok()).unwrap()
}

pub(crate) fn any_terms() -> impl Strategy<Value = Terms> {
    let quantity = prop_oneof![
        4 => (0_u32..=20).prop_map(Quantity::Exactly),
        2 => (0_u32..=1_000_000).prop_map(Quantity::Exactly),
        1 => Just(Quantity::Unlimited),
    ];
    (0_u32..=30_000, quantity).prop_map(|(price, quantity)| Terms { price: Cents(price), quantity })
}

fn any_sent() -> impl Strategy<Value = Sent> {
    (any_terms(), 0_u64..1 << 34, 0..=MOST_TRIES, any::<bool>()).prop_map(|(terms, call, tries, exists)| Sent {
        terms,
        call: CallId::from_bits(call),
        tries,
        exists,
    })
}

pub(crate) fn any_entry() -> impl Strategy<Value = Entry> {
    let acknowledged = prop_oneof![
        Just(Acknowledged::Never),
        any_sent().prop_map(Acknowledged::InFlight),
        any_sent().prop_map(Acknowledged::Accepted),
        any_terms().prop_map(Acknowledged::Verified),
    ];
    let refused = prop::option::weighted(0.1, (1_u8.., any::<u16>()).prop_map(|(code, day)| Refusal { code, day }));
    (0_u64..1_000_000_000_000, prop::option::of(any_terms()), acknowledged, refused)
        .prop_map(|(number, desired, acknowledged, refused)| Entry { ean: ean(number), desired, acknowledged, refused })
}

/// Sorted, one per EAN.
pub(crate) fn any_entries(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec(any_entry(), count).prop_map(|mut entries| {
        entries.sort_by_key(|entry| entry.ean);
        entries.dedup_by_key(|entry| entry.ean);
        entries
    })
}
