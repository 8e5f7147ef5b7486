//! The sandbox's clock: the machine's time plus a settable offset, and pass Culture's date formats.
//!
//! Invariant: no other room of the sandbox reads the system clock for a date that leaves the process.

use jiff::{SignedDuration, Timestamp, tz::Offset};

/// Largest offset either way, in seconds: ten years.
pub(crate) const MAX_OFFSET_SECONDS: i64 = 10 * 366 * 86_400;

/// Wall clock with an offset, so that a test can stand in the future.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clock {
    offset_seconds: i64,
}

impl Clock {
    /// Now, to the microsecond: the backend's database keeps no more.
    #[must_use]
    pub(crate) fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        let micros = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        micros.saturating_add(SignedDuration::from_secs(self.offset_seconds)).unwrap_or(micros)
    }

    /// Seconds added to the machine's time.
    #[must_use]
    pub(crate) fn offset_seconds(&self) -> i64 {
        self.offset_seconds
    }

    /// Sets the offset, clamped to ±[`MAX_OFFSET_SECONDS`].
    pub(crate) fn set_offset_seconds(&mut self, seconds: i64) {
        self.offset_seconds = seconds.clamp(-MAX_OFFSET_SECONDS, MAX_OFFSET_SECONDS);
    }
}

/// `YYYY-MM-DDTHH:MM:SS[.ffffff]`, UTC, without zone: the fraction appears only when it is not zero.
#[must_use]
pub(crate) fn naive(at: Timestamp) -> String {
    let civil = Offset::UTC.to_datetime(at);
    let base = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        civil.year(),
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute(),
        civil.second()
    );
    match civil.subsec_nanosecond() / 1000 {
        0 => base,
        micros => format!("{base}.{micros:06}"),
    }
}

/// [`naive`] with a `Z`: how the API writes dates.
#[must_use]
pub(crate) fn utc(at: Timestamp) -> String {
    naive(at) + "Z"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fraction_appears_only_when_it_is_not_zero() {
        let whole: Timestamp = "2026-03-12T18:05:09Z".parse().unwrap();
        let part: Timestamp = "2026-03-12T18:05:09.0012Z".parse().unwrap();
        assert_eq!(utc(whole), "2026-03-12T18:05:09Z");
        assert_eq!(naive(part), "2026-03-12T18:05:09.001200");
    }

    #[test]
    fn the_offset_moves_now_and_is_clamped() {
        let mut clock = Clock::default();
        clock.set_offset_seconds(i64::MAX);
        assert_eq!(clock.offset_seconds(), MAX_OFFSET_SECONDS);
        assert!(clock.now() > Timestamp::now());
    }
}
