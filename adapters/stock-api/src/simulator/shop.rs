//! A shop's invented stock, and how it changes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::Profile;

/// References of the `huge` profile.
const HUGE: u32 = 1_000_000;

/// How a shop is made.
#[derive(Clone, Debug)]
pub struct ShopConfig {
    /// First path segment.
    pub provider: String,
    /// The shop's identifier.
    pub siret: String,
    /// How its server behaves.
    pub profile: Profile,
    /// The same seed gives the same stock.
    pub seed: u64,
    /// Number of references before duplicates.
    pub references: u32,
    /// Share of references without stock.
    pub zero_share: f64,
    /// Share of EANs that are no books: discs, shops' own codes.
    pub non_book_share: f64,
    /// Share of references that come twice.
    pub duplicate_share: f64,
    /// What must stand behind `Basic `, if anything.
    pub token: Option<String>,
    /// Largest page served.
    pub page_cap: u32,
    /// Shortest and longest wait of slow profiles, in milliseconds.
    pub slow_milliseconds: (u64, u64),
}

impl ShopConfig {
    /// A shop of 1 000 references with the shares of a usual bookshop.
    #[must_use]
    pub fn new(provider: &str, siret: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            siret: siret.to_owned(),
            profile: Profile::Plain,
            seed: 1,
            references: 1000,
            zero_share: 0.10,
            non_book_share: 0.08,
            duplicate_share: 0.001,
            token: None,
            page_cap: 1000,
            slow_milliseconds: (8_000, 45_000),
        }
    }
}

/// One entry of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// EAN-13 as a number.
    pub ean: u64,
    /// Copies; below zero when the till sold what never came in.
    pub available: i64,
    /// Price in cents.
    pub cents: u32,
    /// When it last changed, in seconds since 1970.
    pub modified_at: i64,
    /// When it ceases to be valid, in seconds since 1970.
    pub valid_until: Option<i64>,
}

/// A change from outside.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mutation {
    /// Entries to add or replace, as `{"9782…": {"available": 3, "cents": 1290}}`.
    pub set: BTreeMap<String, Set>,
    /// References that leave the list without a zero before.
    pub remove: Vec<String>,
    /// Share of entries whose quantity changes by one.
    pub churn: f64,
    /// Another behaviour from now on.
    pub profile: Option<Profile>,
}

/// New values of one entry; what is absent stays (or is 1 copy at 10 €).
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Set {
    /// Copies.
    pub available: Option<i64>,
    /// Price in cents.
    pub cents: Option<u32>,
}

/// A shop and its server's state.
pub struct Shop {
    config: ShopConfig,
    entries: Vec<Entry>,
    dice: Dice,
}

impl Shop {
    pub(super) fn new(config: ShopConfig) -> Self {
        let mut dice = Dice(config.seed);
        let count = if config.profile == Profile::Huge { HUGE } else { config.references };
        // Long ago, so that only what is changed from now on is in a delta.
        let modified_at = 1_600_000_000;
        let mut entries: Vec<Entry> = Vec::with_capacity(count as usize);
        for serial in 0..count {
            let ean = if dice.hits(config.non_book_share) { other_ean(serial, &mut dice) } else { book_ean(serial) };
            let available =
                if dice.hits(config.zero_share) { 0 } else { 1 + i64::try_from(dice.below(9)).unwrap_or(0) };
            // Between 3.00 € and 32.99 €, ending as book prices do; every twentieth below 1 €.
            let cents = if dice.hits(0.05) { 50 + dice.below_u32(50) } else { 300 + 10 * dice.below_u32(300) };
            let valid_until = (config.profile == Profile::Titelive && dice.hits(0.05)).then_some(4_000_000_000);
            let entry = Entry { ean, available, cents, modified_at, valid_until };
            entries.push(entry);
            if dice.hits(config.duplicate_share) {
                entries.push(Entry { cents: cents + 100, ..entry });
            }
        }
        entries.sort_by_key(|entry| entry.ean);
        Self { config, entries, dice }
    }

    pub(super) const fn config(&self) -> &ShopConfig {
        &self.config
    }

    /// In order of reference.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) const fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    pub(super) fn lets_in(&self, authorization: Option<&str>) -> bool {
        match &self.config.token {
            Some(token) => authorization == Some(format!("Basic {token}").as_str()),
            None => true,
        }
    }

    pub(super) fn mutate(&mut self, change: &Mutation, now: Timestamp) {
        let now = now.as_second();
        if let Some(profile) = change.profile {
            self.config.profile = profile;
        }
        for (reference, set) in &change.set {
            if let Ok(ean) = reference.parse() {
                self.set(ean, *set, now);
            }
        }
        let removed: Vec<u64> = change.remove.iter().filter_map(|reference| reference.parse().ok()).collect();
        self.entries.retain(|entry| !removed.contains(&entry.ean));
        for entry in &mut self.entries {
            if change.churn > 0.0 && self.dice.hits(change.churn) {
                entry.available = if entry.available > 0 { entry.available - 1 } else { 2 };
                entry.modified_at = now;
            }
        }
    }

    fn set(&mut self, ean: u64, set: Set, now: i64) {
        let at = self.entries.partition_point(|entry| entry.ean < ean);
        let mut exists = false;
        for entry in self.entries[at..].iter_mut().take_while(|entry| entry.ean == ean) {
            exists = true;
            entry.available = set.available.unwrap_or(entry.available);
            entry.cents = set.cents.unwrap_or(entry.cents);
            entry.modified_at = now;
        }
        if !exists {
            let (available, cents) = (set.available.unwrap_or(1), set.cents.unwrap_or(1000));
            self.entries.insert(at, Entry { ean, available, cents, modified_at: now, valid_until: None });
        }
    }
}

/// A book of an invented publisher.
fn book_ean(serial: u32) -> u64 {
    // Steps of seven leave gaps in the numbers, as real catalogues have.
    with_key(978_200_000_000 + u64::from(serial) * 7)
}

/// Two discs in three, one shop's own code in three.
fn other_ean(serial: u32, dice: &mut Dice) -> u64 {
    if dice.below(3) == 0 {
        with_key(200_000_000_000 + u64::from(serial))
    } else {
        with_key(60_240_000_000 + u64::from(serial))
    }
}

/// Twelve digits and the key they call for.
fn with_key(twelve: u64) -> u64 {
    let mut rest = twelve;
    let mut sum = 0;
    for at in 0..12 {
        sum += (rest % 10) * if at % 2 == 0 { 3 } else { 1 };
        rest /= 10;
    }
    twelve * 10 + (10 - sum % 10) % 10
}

/// Small seeded randomness (SplitMix64): the same on every machine.
pub(super) struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit.max(1)
    }

    fn below_u32(&mut self, limit: u32) -> u32 {
        u32::try_from(self.below(u64::from(limit))).unwrap_or(0)
    }

    #[allow(clippy::cast_precision_loss, reason = "53 bits are enough for a share")]
    pub(super) fn hits(&mut self, share: f64) -> bool {
        ((self.roll() >> 11) as f64) / ((1_u64 << 53) as f64) < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_shop_of_valid_eans() {
        let shop = || Shop::new(ShopConfig::new("p", "s")).entries().to_vec();
        assert_eq!(shop(), shop());
        for entry in shop() {
            assert!(passerelle_contract::Ean::from_u64(entry.ean).is_ok(), "{entry:?}");
        }
        let other = Shop::new(ShopConfig { seed: 2, ..ShopConfig::new("p", "s") });
        assert_ne!(other.entries(), shop());
    }
}
