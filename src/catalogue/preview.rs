//! A plan item by item: what a sync would send right now, to be read, saved, and carried out exactly so.
//!
//! What differs from what pass Culture has acknowledged is listed, so also what an earlier run could not send. Pure but for the saved
//! file. Invariant: two plans have the same fingerprint when they would send the same.

use std::path::Path;

use passerelle_contract::{Ean, Quantity, Terms};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xxhash_rust::xxh3::Xxh3;

use super::plan::{Action, applied};
use crate::store::Millis;
use crate::store::ledger::Entry;

/// Items that are listed; a plan with more is counted to its end.
const MOST_ITEMS: usize = 1_000_000;

/// What is wanted of the items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Collect {
    /// Their fingerprint.
    #[default]
    Digest,
    /// Themselves.
    Items,
}

/// What happens to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It leaves the sale.
    Withdraw,
    /// Other terms.
    Change,
    /// New at pass Culture.
    Create,
}

/// One item of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// The EAN.
    pub ean: Ean,
    /// What happens.
    pub change: Change,
    /// What pass Culture has.
    pub from: Option<Terms>,
    /// What it would have.
    pub to: Terms,
}

/// The items of a plan.
#[derive(Clone, Default)]
pub struct Items {
    /// Those that are listed.
    pub all: Vec<Item>,
    /// How many there are.
    pub count: u64,
    counts: [u64; 3],
    seen: u64,
    collect: Collect,
    digest: Xxh3,
}

impl std::fmt::Debug for Items {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Items {{ {} of {} seen }}", self.count, self.seen)
    }
}

impl Items {
    pub(super) fn new(collect: Collect) -> Self {
        Self { collect, ..Self::default() }
    }

    /// Takes note of one EAN and what the pass does to it.
    pub(super) fn see(&mut self, ean: Ean, entry: Option<&Entry>, action: Action) {
        self.seen += 1;
        let Some(after) = applied(entry, ean, action).or_else(|| entry.copied()) else { return };
        if !after.is_pending() {
            return;
        }
        let from = after.acknowledged.terms();
        let to = super::push::terms_to_send(&after);
        let change = match from {
            _ if to.quantity == Quantity::Exactly(0) => Change::Withdraw,
            None => Change::Create,
            Some(_) => Change::Change,
        };
        self.count += 1;
        self.counts[change as usize] += 1;
        self.digest.update(&ean.as_u64().to_le_bytes());
        self.digest.update(&to.price.0.to_le_bytes());
        self.digest.update(&to.quantity.number().map_or(u64::MAX, u64::from).to_le_bytes());
        if self.collect == Collect::Items && self.all.len() < MOST_ITEMS {
            self.all.push(Item { ean, change, from, to });
        }
    }

    /// Those to create, to change, to withdraw.
    pub(super) const fn counts(&self) -> (u64, u64, u64) {
        let [withdraw, change, create] = self.counts;
        (create, change, withdraw)
    }

    /// EANs with nothing to send.
    pub(super) const fn unchanged(&self) -> u64 {
        self.seen - self.count
    }

    /// Fingerprint of what would be sent.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest.digest()
    }

    /// What a person must look at first: what leaves, the most valuable first.
    pub(super) fn heaviest_first(&mut self) {
        let value = |item: &Item| {
            let terms = item.from.unwrap_or(item.to);
            u64::from(terms.price.0) * terms.quantity.number().map_or(u64::from(u32::MAX), u64::from)
        };
        self.all.sort_by_key(|item| (item.change, std::cmp::Reverse(value(item)), item.ean));
    }
}

impl Item {
    /// The promised JSON form.
    #[must_use]
    pub fn object(&self, connection: &str) -> Value {
        let action = match self.change {
            Change::Create => "create",
            Change::Change => "change",
            Change::Withdraw => "withdraw",
        };
        json!({ "event": "change", "connection": connection, "key": self.ean, "action": action,
            "from": self.from.map(terms_object), "to": terms_object(self.to) })
    }

    /// For people: `~ 9782070286256  3 at 9.00 EUR → 2 at 9.00 EUR`.
    #[must_use]
    pub fn line(&self) -> String {
        let sign = match self.change {
            Change::Create => '+',
            Change::Change => '~',
            Change::Withdraw => '-',
        };
        match self.from {
            Some(from) => format!("  {sign} {}  {} → {}", self.ean, tell(from), tell(self.to)),
            None => format!("  {sign} {}  {}", self.ean, tell(self.to)),
        }
    }
}

/// Terms for people: `3 at 9.00 EUR`.
pub(crate) fn tell(terms: Terms) -> String {
    let copies = terms.quantity.number().map_or_else(|| "unlimited".to_owned(), |copies| copies.to_string());
    format!("{copies} at {}", terms.price)
}

/// The promised JSON form of terms.
pub(crate) fn terms_object(terms: Terms) -> Value {
    let quantity = terms.quantity.number().map_or_else(|| json!("unlimited"), |copies| json!(copies));
    json!({ "price_cents": terms.price.0, "quantity": quantity })
}

/// A plan as it is saved.
#[derive(Serialize, Deserialize)]
struct Saved {
    connection: String,
    made_at: Millis,
    items: u64,
    /// As text: JSON numbers are not exact enough.
    fingerprint: String,
}

/// Saves a plan.
///
/// # Errors
/// A sentence, when the file cannot be written.
pub fn save(file: &Path, connection: &str, items: &Items, made_at: Millis) -> Result<(), String> {
    let saved = Saved {
        connection: connection.to_owned(),
        made_at,
        items: items.count,
        fingerprint: format!("{:016x}", items.digest()),
    };
    let mut lines = vec![serde_json::to_string(&saved).map_err(|why| why.to_string())?];
    lines.extend(items.all.iter().map(|item| item.object(connection).to_string()));
    lines.push(String::new());
    std::fs::write(file, lines.join("\n")).map_err(|why| format!("{} cannot be written: {why}", file.display()))
}

/// Reads the fingerprint of a saved plan, which must be of the one connection that is asked for.
///
/// # Errors
/// A sentence, when it cannot be read or is of another connection.
pub fn saved(file: &Path, ids: &[String]) -> Result<u64, String> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|why| format!("{shown} cannot be read: {why}"))?;
    let first = text.lines().next().unwrap_or_default();
    let saved: Saved =
        serde_json::from_str(first).map_err(|_| format!("{shown} is no plan that `plan --out` saved"))?;
    if ids != [saved.connection.clone()] {
        return Err(format!("{shown} is a plan of `{}`, and of nothing else", saved.connection));
    }
    u64::from_str_radix(&saved.fingerprint, 16).map_err(|_| format!("{shown} is no plan that `plan --out` saved"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ledger::Acknowledged;
    use passerelle_contract::Cents;

    fn terms(price: u32, copies: u32) -> Terms {
        Terms { price: Cents(price), quantity: Quantity::Exactly(copies) }
    }

    #[test]
    fn what_would_be_sent_is_listed_and_nothing_else() {
        let ean: Ean = "9782070286256".parse().unwrap();
        let entry = |desired, acknowledged| Entry { ean, desired, acknowledged, refused: None };
        let verified = Acknowledged::Verified(terms(900, 3));
        let cases = [
            (None, Action::Create(terms(900, 3)), Some((Change::Create, None, terms(900, 3)))),
            (Some(entry(Some(terms(900, 3)), verified)), Action::Keep, None),
            (
                Some(entry(Some(terms(900, 3)), verified)),
                Action::Change(terms(900, 2)),
                Some((Change::Change, Some(terms(900, 3)), terms(900, 2))),
            ),
            (
                Some(entry(Some(terms(900, 3)), verified)),
                Action::Withdraw,
                Some((Change::Withdraw, Some(terms(900, 3)), terms(900, 0))),
            ),
            // An earlier run could not send it.
            (
                Some(entry(Some(terms(900, 3)), Acknowledged::Never)),
                Action::Keep,
                Some((Change::Create, None, terms(900, 3))),
            ),
        ];
        for (entry, action, expected) in cases {
            let mut items = Items::new(Collect::Items);
            items.see(ean, entry.as_ref(), action);
            let listed = items.all.first().map(|item| (item.change, item.from, item.to));
            assert_eq!(listed, expected, "{entry:?} {action:?}");
        }
    }
}
