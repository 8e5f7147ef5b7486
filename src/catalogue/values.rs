//! Prices and quantities that are held one by one: who said them, how often, and whether they may go online now.
//!
//! Pure. A single value that is too unlikely waits for two later exports that say the same, or for a person. Another value is another
//! question and starts over.
//!
//! Invariant: a look at the same export never counts twice.

use std::collections::{BTreeMap, BTreeSet};

use passerelle_contract::{Cents, Completeness, Ean};

use super::plan::{Held, LetThrough, Unlikely};
use crate::store::{Export, GuardLimits, HeldValue, MOST_HELD_VALUES};

/// Exports that must say a value, the first included, before it goes online without a person.
const SAID_BY: u32 = 3;

/// What may go online in this pass.
pub(super) fn let_through(held: &[HeldValue], export: &Export, agree_after: u32) -> BTreeMap<u64, LetThrough> {
    let agreed = |value: &&HeldValue| {
        value.accepted || (value.said + 1 >= SAID_BY && export.is_later_than(&value.export, agree_after))
    };
    let through = |value: &HeldValue| match value.code == Unlikely::PriceJump.code() {
        true => LetThrough::Price(value.price),
        false => LetThrough::Copies(value.quantity),
    };
    held.iter().filter(agreed).map(|value| (value.ean.as_u64(), through(value))).collect()
}

/// What is held after this pass.
pub(super) fn after(
    before: &[HeldValue],
    held: &[(Ean, Held)],
    export: &Export,
    agree_after: u32,
    completeness: Completeness,
) -> Vec<HeldValue> {
    let known: BTreeMap<Ean, &HeldValue> = before.iter().map(|value| (value.ean, value)).collect();
    let mut now: Vec<HeldValue> = held
        .iter()
        .take(MOST_HELD_VALUES)
        .map(|(ean, held)| {
            // Of a price the copies may change meanwhile, and of copies the price.
            let is_same = |value: &&&HeldValue| match held.why {
                _ if value.code != held.why.code() => false,
                Unlikely::PriceJump => value.price == held.terms.price.0,
                Unlikely::Quantity => value.quantity == held.terms.quantity.number(),
            };
            let same = known.get(ean).filter(is_same);
            match same {
                Some(value) if export.is_later_than(&value.export, agree_after) => {
                    HeldValue { said: value.said.saturating_add(1), export: export.clone(), ..(*value).clone() }
                }
                Some(value) => (*value).clone(),
                None => HeldValue {
                    ean: *ean,
                    code: held.why.code().to_owned(),
                    price: held.terms.price.0,
                    quantity: held.terms.quantity.number(),
                    since: export.looked_at,
                    export: export.clone(),
                    said: 1,
                    accepted: false,
                },
            }
        })
        .collect();
    // What a pass that does not show everything left out is still open, and what a person accepted stays accepted until it is read.
    if completeness != Completeness::Snapshot {
        let told: BTreeSet<Ean> = held.iter().map(|(ean, _)| *ean).collect();
        let open = before.iter().filter(|value| !told.contains(&value.ean)).cloned();
        now.extend(open);
        now.truncate(MOST_HELD_VALUES);
    }
    now
}

/// Why a value is held, in English and in French.
pub(super) fn said(held: &Held, limits: &GuardLimits) -> (String, String) {
    let euro = |cents: u32| format!("{},{:02}", cents / 100, cents % 100);
    match held.why {
        Unlikely::PriceJump => (
            format!(
                "the price moves from {} to {}, by more than a factor of {}: the item keeps its price until two later exports say the \
                 same, or `passerelle quarantine accept EAN`",
                Cents(held.before),
                held.terms.price,
                limits.max_price_factor
            ),
            format!(
                "Le prix passe de {} € à {} €, ce qui est peu vraisemblable : l'article garde son prix en attendant deux autres exports \
                 identiques, ou une confirmation.",
                euro(held.before),
                euro(held.terms.price.0)
            ),
        ),
        Unlikely::Quantity => {
            let copies = held.terms.quantity.number().unwrap_or(u32::MAX);
            (
                format!(
                    "{copies} copies are more than the {} that a shop may have of one title: is another column meant? The item keeps what \
                     it has until two later exports say the same, or `passerelle quarantine accept EAN`",
                    limits.max_quantity
                ),
                format!(
                    "La quantité {copies} est peu vraisemblable (plus de {}) : l'article garde son stock en attendant deux autres exports \
                     identiques, ou une confirmation.",
                    limits.max_quantity
                ),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use passerelle_contract::{Position, Quantity, Terms};

    fn export(bytes: &str, at: i64) -> Export {
        Export { fingerprint: Some(bytes.to_owned()), written_at: Some(at), looked_at: at }
    }

    #[test]
    fn two_later_exports_let_a_value_through_and_the_same_one_never_does() {
        let ean: Ean = "9782070286256".parse().unwrap();
        let terms = Terms { price: Cents(25_000), quantity: Quantity::Exactly(2) };
        let held = [(ean, Held { why: Unlikely::PriceJump, terms, before: 250, at: Position::Line(2) })];
        let look = |before: &[HeldValue], export: &Export| {
            let through = let_through(before, export, 60).contains_key(&ean.as_u64());
            (through, after(before, if through { &[] } else { &held }, export, 60, Completeness::Snapshot))
        };
        let (through, first) = look(&[], &export("a", 1));
        assert!(!through && first[0].said == 1);
        for _ in 0..5 {
            assert_eq!(look(&first, &export("a", 9)), (false, first.clone()), "the same bytes");
        }
        let (through, second) = look(&first, &export("b", 2));
        assert!(!through && second[0].said == 2);
        assert!(!look(&second, &export("b", 3)).0);
        assert_eq!(look(&second, &export("c", 3)), (true, vec![]));
        let accepted = vec![HeldValue { accepted: true, ..first[0].clone() }];
        assert_eq!(look(&accepted, &export("a", 1)), (true, vec![]));
        let kept = after(&accepted, &[], &export("b", 2), 60, Completeness::Partial);
        assert_eq!(kept, accepted, "a pass that did not show the row has not heard the person");
    }
}
