//! The one place that reads the system clock. Logic takes the time as an argument.

pub use crate::store::Millis;

/// How much the clocks of machines that share a store may differ, in milliseconds. What somebody wrote as past and lies further
/// ahead than this, or as due and lies further ahead than its period and this, was written by a clock that was wrong.
pub const TOLERANCE: Millis = 60_000;

/// Cannot have been written at `now` by a right clock: it lies further ahead than its `period` (0 for what is past already).
#[must_use]
pub const fn is_ahead(at: Millis, period: Millis, now: Millis) -> bool {
    at > now.saturating_add(period).saturating_add(TOLERANCE)
}

/// Did something happen less than `period` ago? What lies ahead of every right clock did not.
#[must_use]
pub const fn is_fresh(at: Millis, period: Millis, now: Millis) -> bool {
    now.saturating_sub(at) < period && !is_ahead(at, 0, now)
}

/// Now, in milliseconds since 1970 (UTC).
#[must_use]
pub fn now() -> Millis {
    jiff::Timestamp::now().as_millisecond()
}

/// An instant as people read it: `2026-03-05 04:15:00Z`.
#[must_use]
pub fn show(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at)
        .map_or_else(|_| at.to_string(), |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// A length of time as people say it: `3 min`, `2 h`, `5 days`.
#[must_use]
pub fn ago(from: Millis, to: Millis) -> String {
    let seconds = (to - from).max(0) / 1000;
    match seconds {
        0..=89 => format!("{seconds} s"),
        90..=5_399 => format!("{} min", (seconds + 30) / 60),
        5_400..=172_799 => format!("{} h", (seconds + 1_800) / 3_600),
        _ => format!("{} days", (seconds + 43_200) / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_right_clock_can_have_written_is_told_apart() {
        const DAY: Millis = 24 * 3_600_000;
        assert!(!is_ahead(1_000 + TOLERANCE, 0, 1_000) && is_ahead(1_001 + TOLERANCE, 0, 1_000));
        assert!(!is_ahead(DAY, DAY, 0) && is_ahead(2 * DAY, DAY, 0));
        assert!(is_fresh(0, DAY, DAY - 1) && !is_fresh(0, DAY, DAY) && is_fresh(TOLERANCE, DAY, 0));
        assert!(!is_fresh(DAY, DAY, 0), "a moment of tomorrow says nothing of today");
        assert!(!is_ahead(i64::MAX, 1, i64::MAX) && is_ahead(i64::MAX, i64::MAX, i64::MIN));
    }

    #[test]
    fn lengths_are_rounded_to_what_people_say() {
        for (seconds, text) in [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5_400, "2 h"), (172_800, "2 days")] {
            assert_eq!(ago(0, seconds * 1000), text);
        }
    }
}
