//! What a pass changes: a pure comparison of what the vendor stated with what the ledger holds.
//!
//! Both sides come in EAN order, so one merge tells everything; nothing is looked up. [`decide`] judges one EAN, [`Tally`] counts
//! the verdicts of a whole pass for the summary and the guard.
//!
//! Invariant: only a [`Completeness::Snapshot`] withdraws, and never an EAN that some row of the pass mentioned.

use passerelle_contract::{Completeness, Quantity, Terms};
use xxhash_rust::xxh3::Xxh3;

use super::gather::Stated;
use crate::store::ledger::{Acknowledged, Entry};

/// What happens to one EAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// New to this connection.
    Create(Terms),
    /// Other terms than before, or back after it was withdrawn.
    Change(Terms),
    /// Gone from a complete snapshot: no longer for sale.
    Withdraw,
    /// Nothing to do.
    Keep,
}

/// Judges one EAN. `entry` is the ledger's, `stated` the pass's; at least one is there.
#[must_use]
pub fn decide(entry: Option<&Entry>, stated: Option<Stated>, completeness: Completeness) -> Action {
    match (entry, stated) {
        (Some(entry), Some(Stated { terms: Some(terms), .. })) if is_delisted(terms) => {
            if entry.is_live() {
                Action::Withdraw
            } else {
                Action::Keep
            }
        }
        (Some(entry), Some(Stated { terms: Some(terms), .. })) => match entry.desired {
            Some(desired) if desired == terms => Action::Keep,
            // Withdrawn is sold out already; a row that says "none" brings nothing back.
            None if terms.quantity == Quantity::Exactly(0) => Action::Keep,
            _ => Action::Change(terms),
        },
        // A book that pass Culture never had and that is not on the shelf: nothing to create.
        (None, Some(Stated { terms: Some(terms), .. })) if terms.quantity == Quantity::Exactly(0) => Action::Keep,
        (None, Some(Stated { terms: Some(terms), .. })) => Action::Create(terms),
        // The row was there but unreadable: nobody said that the book is gone.
        (_, Some(Stated { terms: None, .. })) | (None, None) => Action::Keep,
        (Some(entry), None) if completeness == Completeness::Snapshot && entry.is_live() => Action::Withdraw,
        (Some(_), None) => Action::Keep,
    }
}

/// None left and no price: a list of deletions, which states no terms.
const fn is_delisted(terms: Terms) -> bool {
    terms.price.0 == 0 && matches!(terms.quantity, Quantity::Exactly(0))
}

/// How much a price moved, as far as the guard cares.
fn jump(before: u32, after: u32) -> Option<Jump> {
    // Unit mistakes are exact powers of ten; a little slack covers price changes and rounding of the same day.
    let is_about = |numerator: u64, denominator: u64, factor: u64| {
        numerator * 10 >= denominator * factor * 9 && numerator * 10 <= denominator * factor * 11
    };
    let (before, after) = (u64::from(before), u64::from(after));
    if before == 0 || after == 0 {
        return None;
    }
    [10, 100, 1000].into_iter().find_map(|factor| {
        if is_about(after, before, factor) {
            Some(Jump::Up)
        } else if is_about(before, after, factor) {
            Some(Jump::Down)
        } else {
            None
        }
    })
}

enum Jump {
    Up,
    Down,
}

/// The verdicts of a pass, counted.
#[derive(Clone)]
pub struct Tally {
    /// EANs to create.
    pub create: u64,
    /// EANs whose terms change.
    pub change: u64,
    /// EANs that leave.
    pub withdraw: u64,
    /// EANs with nothing to do.
    pub unchanged: u64,
    /// EANs for sale before this pass.
    pub live: u64,
    /// EANs for sale before that a row now states as zero.
    pub zeroed: u64,
    /// EANs that were for sale and still are.
    pub compared: u64,
    /// Those among them whose price went ×10, ×100 or ×1000 up.
    pub jumped_up: u64,
    /// Those whose price went down as far.
    pub jumped_down: u64,
    /// EANs that pass Culture has refused and that are still wanted.
    pub refused: u64,
    /// Rows that were joined to an earlier row of the same EAN.
    pub duplicates: u64,
    /// Joined rows that stated another price.
    pub conflicts: u64,
    pub(super) digest: Xxh3,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            create: 0,
            change: 0,
            withdraw: 0,
            unchanged: 0,
            live: 0,
            zeroed: 0,
            compared: 0,
            jumped_up: 0,
            jumped_down: 0,
            refused: 0,
            duplicates: 0,
            conflicts: 0,
            digest: Xxh3::new(),
        }
    }
}

impl std::fmt::Debug for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Tally {{ create: {}, change: {}, withdraw: {}, unchanged: {}, live: {}, zeroed: {}, jumped: +{} -{} of {} }}",
            self.create,
            self.change,
            self.withdraw,
            self.unchanged,
            self.live,
            self.zeroed,
            self.jumped_up,
            self.jumped_down,
            self.compared
        )
    }
}

impl Tally {
    /// Counts one verdict.
    pub fn count(&mut self, entry: Option<&Entry>, action: Action) {
        let was_live = entry.is_some_and(Entry::is_live);
        self.live += u64::from(was_live);
        if entry.is_some_and(|entry| entry.refused.is_some()) && !matches!(action, Action::Withdraw) && was_live {
            self.refused += 1;
        }
        match action {
            Action::Keep => {
                self.unchanged += 1;
                self.compared += u64::from(was_live);
            }
            Action::Create(_) => self.create += 1,
            Action::Withdraw => {
                self.withdraw += 1;
                self.doubt(b'w', &ean_bytes(entry), 0);
            }
            Action::Change(terms) => {
                self.change += 1;
                if !was_live {
                    return;
                }
                if terms.quantity == Quantity::Exactly(0) {
                    self.zeroed += 1;
                    self.doubt(b'z', &ean_bytes(entry), 0);
                    return;
                }
                let before = entry.and_then(|entry| entry.desired).map_or(0, |desired| desired.price.0);
                self.compare_prices(before, terms.price.0, &ean_bytes(entry));
            }
        }
    }

    /// Something that was for sale and still is, at these prices (in cents).
    pub(super) fn compare_prices(&mut self, before: u32, after: u32, item: &[u8]) {
        self.compared += 1;
        match jump(before, after) {
            Some(Jump::Up) => {
                self.jumped_up += 1;
                self.doubt(b'u', item, after);
            }
            Some(Jump::Down) => {
                self.jumped_down += 1;
                self.doubt(b'd', item, after);
            }
            None => {}
        }
    }

    /// What is doubtful about the plan goes into its fingerprint, and nothing else does: a second export agrees when the same
    /// items are gone, whatever was sold meanwhile.
    pub(super) fn doubt(&mut self, kind: u8, item: &[u8], price: u32) {
        self.digest.update(&[kind]);
        self.digest.update(item);
        self.digest.update(&price.to_le_bytes());
    }

    /// Fingerprint of what the guard would hold this plan for.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest.digest()
    }

    /// Create, change and withdraw together.
    #[must_use]
    pub fn actions(&self) -> u64 {
        self.create + self.change + self.withdraw
    }
}

fn ean_bytes(entry: Option<&Entry>) -> [u8; 8] {
    entry.map_or(0, |entry| entry.ean.as_u64()).to_le_bytes()
}

/// The entry after an action; `None` when the action leaves it alone.
#[must_use]
pub fn applied(entry: Option<&Entry>, ean: passerelle_contract::Ean, action: Action) -> Option<Entry> {
    let blank = Entry { ean, desired: None, acknowledged: Acknowledged::Never, refused: None };
    let before = entry.copied().unwrap_or(blank);
    match action {
        Action::Keep => None,
        Action::Create(terms) | Action::Change(terms) => Some(Entry { desired: Some(terms), ..before }),
        Action::Withdraw => Some(Entry { desired: None, ..before }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use passerelle_contract::{Cents, Ean};

    fn ean() -> Ean {
        "9782070286256".parse().unwrap()
    }

    fn terms(price: u32, copies: u32) -> Terms {
        Terms { price: Cents(price), quantity: Quantity::Exactly(copies) }
    }

    fn entry(desired: Option<Terms>) -> Entry {
        Entry { ean: ean(), desired, acknowledged: Acknowledged::Never, refused: None }
    }

    fn stated(terms: Option<Terms>) -> Option<Stated> {
        Some(Stated { ean: ean().as_u64(), terms })
    }

    #[test]
    fn one_ean_is_judged_by_what_is_known_and_what_is_said() {
        use Completeness::{Delta, Partial, Snapshot};
        let live = entry(Some(terms(900, 3)));
        let sold_out = entry(Some(terms(900, 0)));
        let withdrawn = entry(None);
        let cases = [
            (None, stated(Some(terms(900, 3))), Snapshot, Action::Create(terms(900, 3))),
            (None, stated(Some(terms(900, 0))), Snapshot, Action::Keep),
            (None, stated(None), Snapshot, Action::Keep),
            (Some(&live), stated(Some(terms(900, 3))), Snapshot, Action::Keep),
            (Some(&live), stated(Some(terms(900, 2))), Delta, Action::Change(terms(900, 2))),
            (Some(&live), stated(Some(terms(900, 0))), Snapshot, Action::Change(terms(900, 0))),
            (Some(&live), stated(None), Snapshot, Action::Keep),
            (Some(&live), None, Snapshot, Action::Withdraw),
            (Some(&live), stated(Some(terms(0, 0))), Delta, Action::Withdraw),
            (Some(&sold_out), stated(Some(terms(0, 0))), Delta, Action::Keep),
            (None, stated(Some(terms(0, 0))), Delta, Action::Keep),
            (Some(&live), None, Delta, Action::Keep),
            (Some(&live), None, Partial, Action::Keep),
            (Some(&sold_out), None, Snapshot, Action::Keep),
            (Some(&withdrawn), None, Snapshot, Action::Keep),
            (Some(&withdrawn), stated(Some(terms(900, 0))), Snapshot, Action::Keep),
            (Some(&withdrawn), stated(Some(terms(900, 1))), Snapshot, Action::Change(terms(900, 1))),
        ];
        for (entry, stated, completeness, expected) in cases {
            assert_eq!(decide(entry, stated, completeness), expected, "{entry:?} {stated:?} {completeness:?}");
        }
    }

    #[test]
    fn only_powers_of_ten_are_jumps() {
        for (before, after, up) in [(1290, 12900, true), (1290, 129_000, true), (790, 7505, true)] {
            assert_eq!(matches!(jump(before, after), Some(Jump::Up)), up, "{before} → {after}");
            assert!(matches!(jump(after, before), Some(Jump::Down)));
        }
        for (before, after) in [(1290, 1290), (1290, 2580), (1290, 6450), (0, 100), (100, 0)] {
            assert!(jump(before, after).is_none(), "{before} → {after}");
        }
    }
}
