//! What a pass changes in the ledger of events: a pure comparison of what is wanted with what is stored.
//!
//! Invariants: only a complete snapshot makes a date go, and none that some row mentioned; dates that have begun are left
//! alone; a quantity that a booking moved after the pass had begun is the booking's.

use std::collections::BTreeMap;

use passerelle_contract::Completeness;

use super::gather::{Gathered, WantedDate};
use super::terms;
use crate::catalogue::plan::Tally;
use crate::clock;
use crate::rules::screenings::{EventTerms, adapter_of};
use crate::store::Millis;
use crate::store::events::{DateRow, EventRow};

/// No pass lasts longer, in milliseconds: vendors are given an hour for a whole programme.
const LONGEST_PASS: Millis = 3_600_000;

/// Rows of dates that are over are kept so long: cancellations may still name them.
const KEPT_AFTER: Millis = 30 * 24 * 3600 * 1000;

/// What the ledger holds.
#[derive(Clone, Debug, Default)]
pub(in crate::catalogue) struct Ledger {
    pub(in crate::catalogue) events: Vec<EventRow>,
    pub(in crate::catalogue) dates: Vec<DateRow>,
}

/// When and how strictly a pass is judged.
#[derive(Clone, Copy, Debug)]
pub(in crate::catalogue) struct Circumstances<'a> {
    /// The connection's adapter: what another one stated before it is gone for certain.
    pub(in crate::catalogue) adapter: &'a str,
    /// When the pass began to read.
    pub(in crate::catalogue) began: Millis,
    /// Complete snapshots in a row that must lack a date.
    pub(in crate::catalogue) gone_after: u32,
    /// Put up again what pass Culture refused.
    pub(in crate::catalogue) full: bool,
}

/// What a pass changes.
#[derive(Debug, Default)]
pub(in crate::catalogue) struct Merged {
    /// Offers to write.
    pub(in crate::catalogue) events: Vec<EventRow>,
    /// Dates to write.
    pub(in crate::catalogue) dates: Vec<DateRow>,
    /// Offers to forget.
    pub(in crate::catalogue) forget_events: Vec<String>,
    /// Dates to forget, by event and key.
    pub(in crate::catalogue) forget_dates: Vec<(String, String)>,
    /// For the summary and the guard.
    pub(in crate::catalogue) tally: Tally,
}

/// Compares.
pub(in crate::catalogue) fn merge(ledger: &Ledger, gathered: &Gathered, when: Circumstances<'_>) -> Merged {
    let mut merged = Merged::default();
    let mut wanted: BTreeMap<(&str, &str), &WantedDate> =
        gathered.dates.iter().map(|((event, key), date)| ((event.as_str(), key.as_str()), date)).collect();
    let mut left_dates: BTreeMap<&str, usize> = BTreeMap::new();

    for row in &ledger.dates {
        let stated = wanted.remove(&(row.event.as_str(), row.key.as_str()));
        let next = match stated {
            Some(date) => merged.tally.stated(row, date, when),
            None if row.starts_at <= when.began => {
                if row.starts_at.saturating_add(KEPT_AFTER) < when.began {
                    merged.forget_dates.push((row.event.clone(), row.key.clone()));
                    continue;
                }
                None
            }
            None => merged.tally.unstated(row, gathered, when),
        };
        *left_dates.entry(row.event.as_str()).or_default() += 1;
        merged.dates.extend(next.filter(|next| next != row));
    }
    for ((event, key), date) in wanted {
        *left_dates.entry(event).or_default() += 1;
        merged.tally.create += 1;
        merged.dates.push(DateRow {
            event: event.to_owned(),
            key: key.to_owned(),
            starts_at: date.terms.starts_at,
            desired: serde_json::to_string(&date.terms).ok(),
            desired_quantity: date.quantity,
            ..DateRow::default()
        });
    }
    merge_events(ledger, gathered, &left_dates, when, &mut merged);
    merged
}

fn merge_events(
    ledger: &Ledger,
    gathered: &Gathered,
    left_dates: &BTreeMap<&str, usize>,
    when: Circumstances<'_>,
    merged: &mut Merged,
) {
    let mut wanted: BTreeMap<&str, &EventTerms> =
        gathered.events.iter().map(|(key, terms)| (key.as_str(), terms)).collect();
    for row in &ledger.events {
        if let Some(event) = wanted.remove(row.key.as_str()) {
            let desired = serde_json::to_string(event).ok();
            let mut next = EventRow { desired: desired.clone(), ..row.clone() };
            if when.full || desired != row.desired {
                next.refused = None;
            }
            if next != *row {
                merged.events.push(next);
            }
        } else if !left_dates.contains_key(row.key.as_str()) {
            // The offer stays at pass Culture and is found by its key, should the film come back.
            merged.forget_events.push(row.key.clone());
        } else if when.full && row.refused.is_some() {
            merged.events.push(EventRow { refused: None, ..row.clone() });
        }
    }
    for (key, event) in wanted {
        merged.events.push(EventRow {
            key: key.to_owned(),
            desired: serde_json::to_string(event).ok(),
            categories: "[]".to_owned(),
            ..EventRow::default()
        });
    }
}

impl Tally {
    /// A date that is known and stated.
    fn stated(&mut self, row: &DateRow, date: &WantedDate, when: Circumstances<'_>) -> Option<DateRow> {
        let was_live = is_live(row, when.began);
        self.live += u64::from(was_live);
        let desired = serde_json::to_string(&date.terms).ok();
        // By a booking since the pass began. Further ahead than a pass lasts, a wrong clock wrote it.
        let touched = row.touched_at >= when.began && !clock::is_ahead(row.touched_at, LONGEST_PASS, when.began);
        let mut next = DateRow {
            starts_at: date.terms.starts_at,
            desired: desired.clone(),
            desired_quantity: if touched { row.desired_quantity } else { date.quantity },
            absent: 0,
            ..row.clone()
        };
        if when.full || desired != row.desired {
            next.refused = None;
        }
        if row.refused.is_some() && next.refused.is_some() {
            self.refused += 1;
        }
        if was_live && let Some(before) = terms(row) {
            self.compare_prices(before.category.price_cents, date.terms.category.price_cents, row.key.as_bytes());
        }
        if next.desired == row.desired && next.desired_quantity == row.desired_quantity {
            self.unchanged += 1;
        } else {
            self.change += 1;
        }
        Some(next)
    }

    /// A date to come that is known and not stated.
    fn unstated(&mut self, row: &DateRow, gathered: &Gathered, when: Circumstances<'_>) -> Option<DateRow> {
        let was_live = is_live(row, when.began);
        self.live += u64::from(was_live);
        let mentioned = terms(row).is_some_and(|terms| {
            gathered.mentioned.contains(&terms.order.show_key) || gathered.mentioned.contains(&terms.order.places_key)
        });
        if row.desired.is_none() || gathered.completeness != Completeness::Snapshot || mentioned {
            self.unchanged += 1;
            return None;
        }
        let absent = row.absent.saturating_add(1);
        let gone_after = if adapter_of(&row.key) == when.adapter { when.gone_after } else { 1 };
        if absent < gone_after {
            self.unchanged += 1;
            return Some(DateRow { absent, ..row.clone() });
        }
        self.withdraw += 1;
        self.leaves(b'w', row.key.as_bytes());
        Some(DateRow { desired: None, absent, refused: None, ..row.clone() })
    }
}

fn is_live(row: &DateRow, now: Millis) -> bool {
    row.desired.is_some() && row.starts_at > now && row.desired_quantity != Some(0)
}
