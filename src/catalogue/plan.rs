//! What a pass changes: a pure comparison of what the vendor stated with what the ledger holds.
//!
//! Both sides come in EAN order, so one merge tells everything; nothing is looked up. [`decide`] judges one EAN, [`Tally`] counts
//! the verdicts of a whole pass for the summary and the guard.
//!
//! Invariant: only a [`Completeness::Snapshot`] withdraws, and never an EAN that some row of the pass mentioned.

use passerelle_contract::{Completeness, Position, Quantity, Terms};
use std::collections::BTreeMap;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::gather::{Said, Stated};
use crate::store::ledger::{Acknowledged, Entry};
use crate::store::{GuardLimits, MOST_LEAVING};

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
    /// One value of it is too unlikely to go online by itself: the item keeps what it has.
    Hold(Held),
}

/// A value that is held by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Why.
    pub why: Unlikely,
    /// What the row says.
    pub terms: Terms,
    /// The price that is online, in cents; 0 where there is none.
    pub before: u32,
    /// Where it says it.
    pub at: Position,
}

/// Why a single value is unlikely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlikely {
    /// The price moved too far.
    PriceJump,
    /// Nobody has so many copies.
    Quantity,
}

impl Unlikely {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::PriceJump => "PriceJump",
            Self::Quantity => "QuantityImplausible",
        }
    }
}

/// What a plan is judged by besides the ledger and the rows.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// How much the pass has shown.
    pub completeness: Option<Completeness>,
    /// Beyond what a single value is held.
    pub limits: GuardLimits,
    /// Values that are let through: by EAN, the price and the copies that were held.
    pub let_through: BTreeMap<u64, Terms>,
    /// References that begin like one that was rounded: from and up to. None of them is gone.
    pub protected: Vec<(u64, u64)>,
    /// An operator lets everything through.
    pub release: bool,
}

impl Rules {
    fn unlikely(&self, ean: u64, before: Option<Terms>, terms: Terms) -> Option<Unlikely> {
        if self.release || self.let_through.get(&ean) == Some(&terms) {
            return None;
        }
        if matches!(terms.quantity, Quantity::Exactly(copies) if copies > self.limits.max_quantity) {
            return Some(Unlikely::Quantity);
        }
        let (old, new) = (u64::from(before?.price.0), u64::from(terms.price.0));
        let factor = u64::from(self.limits.max_price_factor);
        let jumped = old > 0 && new > 0 && (new > old * factor || old > new * factor);
        jumped.then_some(Unlikely::PriceJump)
    }

    fn protects(&self, ean: u64) -> bool {
        self.protected.iter().any(|(from, to)| (*from..=*to).contains(&ean))
    }
}

/// Judges one EAN. `entry` is the ledger's, `stated` the pass's; at least one is there.
#[must_use]
pub fn decide(entry: Option<&Entry>, stated: Option<Stated>, rules: &Rules) -> Action {
    let Some(stated) = stated else {
        // Only a complete snapshot says that something is gone, and not of what a row may have meant.
        let is_gone = rules.completeness == Some(Completeness::Snapshot);
        return match entry {
            Some(entry) if is_gone && entry.is_live() && !rules.protects(entry.ean.as_u64()) => Action::Withdraw,
            _ => Action::Keep,
        };
    };
    let live = entry.filter(|entry| entry.is_live()).and_then(|entry| entry.desired);
    let hold = |terms| {
        let held = |why| Held { why, terms, before: live.map_or(0, |live| live.price.0), at: stated.at };
        rules.unlikely(stated.ean, live, terms).map(|why| Action::Hold(held(why)))
    };
    match (entry, stated.said) {
        // The row was there but unreadable: nobody said that the book is gone.
        (_, Said::Mention) => Action::Keep,
        // None left, and no price: a list of deletions, or a shop that empties the price of what it has not.
        (_, Said::Quantity(Quantity::Exactly(0))) => {
            if live.is_some() {
                Action::Withdraw
            } else {
                Action::Keep
            }
        }
        // Nobody knows at which price it should be sold, unless it has one.
        (entry, Said::Quantity(quantity)) => match entry.and_then(|entry| entry.desired) {
            Some(desired) if desired.quantity != quantity => {
                let terms = Terms { price: desired.price, quantity };
                hold(terms).unwrap_or(Action::Change(terms))
            }
            _ => Action::Keep,
        },
        // A price that pass Culture does not take ends the sale, unless it is a slip of the comma.
        (_, Said::TooDear(terms)) => match live {
            Some(_) => hold(terms).unwrap_or(Action::Withdraw),
            None => Action::Keep,
        },
        (Some(entry), Said::Terms(terms)) => match entry.desired {
            Some(desired) if desired == terms => Action::Keep,
            // Withdrawn is sold out already; a row that says "none" brings nothing back.
            None if terms.quantity == Quantity::Exactly(0) => Action::Keep,
            // That nothing is left is heard whatever stands in the price.
            Some(desired) if terms.quantity == Quantity::Exactly(0) && hold(terms).is_some() => {
                Action::Change(Terms { price: desired.price, ..terms })
            }
            _ => hold(terms).unwrap_or(Action::Change(terms)),
        },
        // A book that pass Culture never had and that is not on the shelf: nothing to create.
        (None, Said::Terms(terms)) if terms.quantity == Quantity::Exactly(0) => Action::Keep,
        (None, Said::Terms(terms)) => hold(terms).unwrap_or(Action::Create(terms)),
    }
}

/// How much a price moved, as far as the guard cares: a mistaken unit, by a power of ten or more, with a little slack for price changes
/// and rounding of the same day.
fn jump(before: u32, after: u32) -> Option<Jump> {
    let (before, after) = (u64::from(before), u64::from(after));
    if before == 0 || after == 0 {
        None
    } else if after * 10 >= before * 90 {
        Some(Jump::Up)
    } else if before * 10 >= after * 90 {
        Some(Jump::Down)
    } else {
        None
    }
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
    /// Those among them whose price went up tenfold or more, or by more than a single value may.
    pub jumped_up: u64,
    /// Those whose price went down as far.
    pub jumped_down: u64,
    /// EANs that pass Culture has refused and that are still wanted.
    pub refused: u64,
    /// Rows that were joined to an earlier row of the same EAN.
    pub duplicates: u64,
    /// Joined rows that stated another price.
    pub conflicts: u64,
    /// Values that are held one by one.
    pub held: u64,
    /// What leaves, as fingerprints; none when it is more than can be remembered.
    pub(super) leaving: Vec<u32>,
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
            held: 0,
            leaving: Vec::new(),
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
            Action::Hold(held) => {
                self.held += 1;
                self.unchanged += 1;
                if was_live && held.why == Unlikely::PriceJump {
                    self.compared += 1;
                    self.jumped(
                        if held.terms.price.0 > held.before { Jump::Up } else { Jump::Down },
                        held.terms.price.0,
                        entry,
                    );
                } else {
                    self.compared += u64::from(was_live);
                }
            }
            Action::Withdraw => {
                self.withdraw += 1;
                self.leaves(b'w', &ean_bytes(entry));
            }
            Action::Change(terms) => {
                self.change += 1;
                if !was_live {
                    return;
                }
                if terms.quantity == Quantity::Exactly(0) {
                    self.zeroed += 1;
                    self.leaves(b'z', &ean_bytes(entry));
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

    fn jumped(&mut self, jump: Jump, after: u32, entry: Option<&Entry>) {
        match jump {
            Jump::Up => {
                self.jumped_up += 1;
                self.doubt(b'u', &ean_bytes(entry), after);
            }
            Jump::Down => {
                self.jumped_down += 1;
                self.doubt(b'd', &ean_bytes(entry), after);
            }
        }
    }

    /// Something leaves: gone, or none left.
    pub(super) fn leaves(&mut self, kind: u8, item: &[u8]) {
        self.doubt(kind, item, 0);
        if self.leaving.len() < MOST_LEAVING {
            #[allow(clippy::cast_possible_truncation)]
            self.leaving.push(xxh3_64(item) as u32);
        }
    }

    /// What leaves, sorted; none when it was more than can be remembered.
    pub(super) fn take_leaving(&self) -> Vec<u32> {
        if self.leaving.len() >= MOST_LEAVING {
            return Vec::new();
        }
        let mut leaving = self.leaving.clone();
        leaving.sort_unstable();
        leaving
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
        Action::Keep | Action::Hold(_) => None,
        Action::Create(terms) | Action::Change(terms) => Some(Entry { desired: Some(terms), ..before }),
        Action::Withdraw => Some(Entry { desired: None, ..before }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::gather::Said;
    use super::*;
    use passerelle_contract::{Cents, Ean, Position};

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
        said(terms.map_or(Said::Mention, Said::Terms))
    }

    fn said(said: Said) -> Option<Stated> {
        Some(Stated { ean: ean().as_u64(), said, at: Position::Line(2) })
    }

    fn rules(completeness: Completeness) -> Rules {
        Rules { completeness: Some(completeness), ..Rules::default() }
    }

    #[test]
    fn one_ean_is_judged_by_what_is_known_and_what_is_said() {
        use Completeness::{Delta, Partial, Snapshot};
        let live = entry(Some(terms(900, 3)));
        let sold_out = entry(Some(terms(900, 0)));
        let withdrawn = entry(None);
        let dear = entry(Some(terms(29_000, 3)));
        let none = Quantity::Exactly(0);
        let cases = [
            (None, stated(Some(terms(900, 3))), Snapshot, Action::Create(terms(900, 3))),
            (None, stated(Some(terms(900, 0))), Snapshot, Action::Keep),
            (None, stated(None), Snapshot, Action::Keep),
            (Some(&live), stated(Some(terms(900, 3))), Snapshot, Action::Keep),
            (Some(&live), stated(Some(terms(900, 2))), Delta, Action::Change(terms(900, 2))),
            (Some(&live), stated(Some(terms(900, 0))), Snapshot, Action::Change(terms(900, 0))),
            (Some(&live), stated(None), Snapshot, Action::Keep),
            (Some(&live), None, Snapshot, Action::Withdraw),
            (Some(&live), said(Said::Quantity(none)), Delta, Action::Withdraw),
            (Some(&sold_out), said(Said::Quantity(none)), Delta, Action::Keep),
            (None, said(Said::Quantity(none)), Delta, Action::Keep),
            (Some(&live), said(Said::Quantity(Quantity::Exactly(5))), Snapshot, Action::Change(terms(900, 5))),
            (Some(&live), said(Said::Quantity(Quantity::Exactly(3))), Snapshot, Action::Keep),
            (None, said(Said::Quantity(Quantity::Exactly(3))), Snapshot, Action::Keep),
            (Some(&withdrawn), said(Said::Quantity(Quantity::Exactly(3))), Snapshot, Action::Keep),
            (Some(&dear), said(Said::TooDear(terms(31_000, 3))), Snapshot, Action::Withdraw),
            (None, said(Said::TooDear(terms(31_000, 3))), Snapshot, Action::Keep),
            (Some(&live), said(Said::Terms(terms(90_000, 0))), Snapshot, Action::Change(terms(900, 0))),
            (Some(&live), None, Delta, Action::Keep),
            (Some(&live), None, Partial, Action::Keep),
            (Some(&sold_out), None, Snapshot, Action::Keep),
            (Some(&withdrawn), None, Snapshot, Action::Keep),
            (Some(&withdrawn), stated(Some(terms(900, 0))), Snapshot, Action::Keep),
            (Some(&withdrawn), stated(Some(terms(900, 1))), Snapshot, Action::Change(terms(900, 1))),
        ];
        for (entry, stated, completeness, expected) in cases {
            assert_eq!(decide(entry, stated, &rules(completeness)), expected, "{entry:?} {stated:?} {completeness:?}");
        }
    }

    #[test]
    fn a_single_value_that_is_too_unlikely_is_held() {
        let live = entry(Some(terms(250, 2)));
        let code = |entry, said_| match decide(entry, said(said_), &rules(Completeness::Snapshot)) {
            Action::Hold(held) => Some(held.why.code()),
            _ => None,
        };
        assert_eq!(code(Some(&live), Said::Terms(terms(25_000, 2))), Some("PriceJump"));
        assert_eq!(code(Some(&live), Said::TooDear(terms(31_000, 2))), Some("PriceJump"));
        assert_eq!(code(Some(&live), Said::Terms(terms(1_001, 2))), Some("PriceJump"));
        assert_eq!(code(Some(&live), Said::Terms(terms(1_000, 2))), None);
        assert_eq!(code(Some(&live), Said::Terms(terms(250, 2_001))), Some("QuantityImplausible"));
        assert_eq!(code(None, Said::Terms(terms(250, 2_001))), Some("QuantityImplausible"));
        assert_eq!(code(None, Said::Terms(terms(25_000, 2))), None, "a new book has no price to compare");
        let mut accepted = rules(Completeness::Snapshot);
        accepted.let_through.insert(ean().as_u64(), terms(25_000, 2));
        let stated = said(Said::Terms(terms(25_000, 2)));
        assert_eq!(decide(Some(&live), stated, &accepted), Action::Change(terms(25_000, 2)));
        let other = said(Said::Terms(terms(26_000, 2)));
        assert!(matches!(decide(Some(&live), other, &accepted), Action::Hold(_)), "another value is another question");
    }

    #[test]
    fn what_begins_like_a_rounded_reference_is_not_gone() {
        let live = entry(Some(terms(900, 3)));
        let mut rules = rules(Completeness::Snapshot);
        rules.protected.push((9_782_070_000_000, 9_782_070_999_999));
        assert_eq!(decide(Some(&live), None, &rules), Action::Keep);
        rules.protected = vec![(9_782_080_000_000, 9_782_080_999_999)];
        assert_eq!(decide(Some(&live), None, &rules), Action::Withdraw);
    }

    #[test]
    fn a_factor_of_ten_or_more_is_a_jump() {
        for (before, after, up) in [(1290, 12900, true), (1290, 129_000, true), (790, 7505, true)] {
            assert_eq!(matches!(jump(before, after), Some(Jump::Up)), up, "{before} → {after}");
            assert!(matches!(jump(after, before), Some(Jump::Down)));
        }
        for (before, after) in [(1290, 1290), (1290, 2580), (1290, 6450), (0, 100), (100, 0)] {
            assert!(jump(before, after).is_none(), "{before} → {after}");
        }
    }
}
