//! Where a pass starts, and where the next one does. Pure.
//!
//! The vendor answers with a version, a moment in its own clock, and tells on request what changed since. It never tells what
//! was taken away, so that once a day everything is asked for.
//!
//! Invariant: a version never goes back, and never lies ahead of us by more than a clock may be wrong.

use passerelle_contract::Cursor;
use serde::{Deserialize, Serialize};

/// Seconds asked for again, for what was being written when the last answer was made.
const OVERLAP: u64 = 300;
/// After so many seconds everything is asked for.
const FULL_EVERY: u64 = 24 * 3_600;
/// Seconds that a version may lie ahead of our clock.
const AHEAD: u64 = 24 * 3_600;

/// What is kept between passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// The highest version answered.
    version: u64,
    /// When everything was last read, in seconds since 1970.
    full_at: u64,
}

/// What a pass asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    before: Place,
    now: u64,
    /// Everything, or only what changed?
    pub(crate) full: bool,
}

impl Plan {
    /// A cursor that cannot be read stands for nothing: then everything is asked for.
    pub(crate) fn new(from: Option<&Cursor>, now: u64) -> Self {
        let before: Option<Place> = from.and_then(|cursor| serde_json::from_str(&cursor.0).ok());
        let due = |place: &Place| place.full_at > now || now - place.full_at >= FULL_EVERY;
        Self { before: before.unwrap_or_default(), now, full: before.as_ref().is_none_or(due) }
    }

    /// The version to ask with.
    pub(crate) const fn asks(&self) -> u64 {
        if self.full { 0 } else { self.overlapping() }
    }

    const fn overlapping(&self) -> u64 {
        self.before.version.saturating_sub(OVERLAP)
    }

    /// The cursor after an answer with this version, and what a person should know of it. `shown` says that a full answer
    /// did tell of the site.
    pub(crate) fn after(&self, answered: u64, shown: bool) -> (Cursor, Option<String>) {
        let mut warning = None;
        let mut version = answered;
        if answered > self.now.saturating_add(AHEAD) {
            warning = Some(format!(
                "the export says version {answered}, more than a day ahead of our clock; now counts instead"
            ));
            version = self.now;
        } else if answered < self.overlapping() {
            warning = Some(format!(
                "the export went back to version {answered} from {}; the old one is kept",
                self.before.version
            ));
        }
        let full_at = if self.full && shown { self.now } else { self.before.full_at };
        let place = Place { version: version.max(self.before.version), full_at };
        (Cursor(serde_json::to_string(&place).unwrap_or_default()), warning)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_773_500_000;

    fn at(version: u64, full_at: u64) -> Cursor {
        Cursor(format!("{{\"version\":{version},\"full_at\":{full_at}}}"))
    }

    #[test]
    fn the_first_pass_asks_for_everything_and_the_next_one_for_what_changed() {
        let first = Plan::new(None, NOW);
        assert!(first.full && first.asks() == 0);
        let (cursor, warning) = first.after(NOW - 2, true);
        assert_eq!((&cursor, &warning), (&at(NOW - 2, NOW), &None));
        let second = Plan::new(Some(&cursor), NOW + 900);
        assert!(!second.full && second.asks() == NOW - 302);
        assert_eq!(second.after(NOW + 890, true), (at(NOW + 890, NOW), None));
    }

    #[test]
    fn everything_is_asked_for_once_a_day_and_when_nothing_is_known() {
        assert!(!Plan::new(Some(&at(5, NOW)), NOW + FULL_EVERY - 1).full);
        assert!(Plan::new(Some(&at(5, NOW)), NOW + FULL_EVERY).full);
        for odd in ["", "7", "{}", "{\"version\":-1,\"full_at\":1}"] {
            assert!(Plan::new(Some(&Cursor(odd.into())), NOW).full, "{odd}");
        }
        // A moment that has not come is none.
        assert!(Plan::new(Some(&at(5, NOW + 1)), NOW).full);
        assert_eq!(Plan::new(Some(&at(5, NOW)), NOW).asks(), 0, "not below zero");
    }

    #[test]
    fn a_version_neither_goes_back_nor_runs_away() {
        let plan = Plan::new(Some(&at(NOW, NOW)), NOW + 900);
        let (cursor, warning) = plan.after(NOW - 301, true);
        assert_eq!(cursor, at(NOW, NOW));
        assert!(warning.is_some());
        assert_eq!(plan.after(NOW - 10, true), (at(NOW, NOW), None), "within what is asked again");
        let (cursor, warning) = plan.after(4_102_444_800, true);
        assert_eq!(cursor, at(NOW + 900, NOW));
        assert!(warning.is_some());
    }

    #[test]
    fn a_full_answer_without_the_site_is_asked_for_again() {
        let (cursor, _) = Plan::new(None, NOW).after(NOW, false);
        assert!(Plan::new(Some(&cursor), NOW + 900).full);
    }

    proptest! {
        #[test]
        fn no_values_make_it_panic(text in "\\PC{0,40}", version in any::<u64>(), full_at in any::<u64>(), now in any::<u64>()) {
            for cursor in [Cursor(text), at(version, full_at)] {
                let plan = Plan::new(Some(&cursor), now);
                let (after, _) = plan.after(full_at, true);
                prop_assert!(after.0.len() < 100 && plan.asks() <= version);
            }
        }
    }
}
