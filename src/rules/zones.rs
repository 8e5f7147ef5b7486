//! Which clock a venue lives by, and what instant a wall clock reading of it is.
//!
//! pass Culture stores UTC and shows the zone of the place, chosen by department; the same table is used here so that people
//! read the time that the venue wrote. The zones come with the binary: no machine has to have them.

use jiff::civil;
use jiff::tz::TimeZone;
use passerelle_contract::WallClock;

use super::places;
use crate::clock::Millis;

/// Departments and territories that do not live by Paris time (pass Culture's own table).
const OVERSEAS: &[(&str, &str)] = &[
    ("971", "America/Guadeloupe"),
    ("972", "America/Martinique"),
    ("973", "America/Cayenne"),
    ("974", "Indian/Reunion"),
    ("975", "America/Miquelon"),
    ("976", "Indian/Mayotte"),
    ("977", "America/St_Barthelemy"),
    ("978", "America/Guadeloupe"),
    ("986", "Pacific/Wallis"),
    ("987", "Pacific/Tahiti"),
    ("988", "Pacific/Noumea"),
    ("989", "Pacific/Pitcairn"),
];

/// The name of the zone of a postal code. Everything else, the unknown included, lives by Paris time, as at pass Culture.
#[must_use]
pub fn name(postal_code: &str) -> &'static str {
    let department = places::department(postal_code);
    OVERSEAS.iter().find(|(known, _)| *known == department).map_or("Europe/Paris", |(_, zone)| zone)
}

/// The zone of a postal code.
#[must_use]
pub fn zone(postal_code: &str) -> TimeZone {
    // The zones are in the binary and a test looks all of them up; UTC stands for "cannot happen".
    TimeZone::get(name(postal_code)).unwrap_or(TimeZone::UTC)
}

/// A wall clock reading as an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Milliseconds since 1970 (UTC).
    pub at: Millis,
    /// The clock shows this time twice that night, or never.
    pub doubtful: bool,
}

/// What instant a clock of a zone shows. A time shown twice (October) is the first of the two; a time never shown (March) is
/// an hour later. `None` when it is no time of day or no date at all.
#[must_use]
pub fn instant(clock: WallClock, zone: &TimeZone) -> Option<Reading> {
    let WallClock { year, month, day, hour, minute, second } = clock;
    let date = civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let ambiguous = zone.to_ambiguous_timestamp(date);
    let doubtful = ambiguous.is_ambiguous();
    Some(Reading { at: ambiguous.compatible().ok()?.as_millisecond(), doubtful })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clock(year: i16, month: i8, day: i8, hour: i8, minute: i8) -> WallClock {
        WallClock { year, month, day, hour, minute, second: 0 }
    }

    fn utc(reading: WallClock, postal_code: &str) -> (String, bool) {
        let reading = instant(reading, &zone(postal_code)).unwrap();
        (crate::clock::show(reading.at), reading.doubtful)
    }

    #[test]
    fn every_zone_is_in_the_binary() {
        for (department, zone) in OVERSEAS {
            assert!(TimeZone::get(zone).is_ok(), "{department}: {zone}");
        }
    }

    #[test]
    fn the_postal_code_tells_the_zone() {
        for (code, expected) in [
            ("75011", "Europe/Paris"),
            ("20200", "Europe/Paris"),
            ("98000", "Europe/Paris"),
            ("98400", "Europe/Paris"),
            ("", "Europe/Paris"),
            ("97110", "America/Guadeloupe"),
            ("97200", "America/Martinique"),
            ("97300", "America/Cayenne"),
            ("97400", "Indian/Reunion"),
            ("97500", "America/Miquelon"),
            ("97600", "Indian/Mayotte"),
            ("98600", "Pacific/Wallis"),
            ("98714", "Pacific/Tahiti"),
            ("98800", "Pacific/Noumea"),
        ] {
            assert_eq!(name(code), expected, "{code}");
        }
    }

    #[test]
    fn both_daylight_saving_nights_have_an_answer() {
        // 29 March 2026: 02:00 becomes 03:00. 25 October 2026: 03:00 becomes 02:00.
        assert_eq!(utc(clock(2026, 3, 29, 1, 59), "75011"), ("2026-03-29 00:59:00Z".into(), false));
        assert_eq!(utc(clock(2026, 3, 29, 2, 30), "75011"), ("2026-03-29 01:30:00Z".into(), true));
        assert_eq!(utc(clock(2026, 3, 29, 3, 0), "75011"), ("2026-03-29 01:00:00Z".into(), false));
        assert_eq!(utc(clock(2026, 10, 25, 2, 30), "75011"), ("2026-10-25 00:30:00Z".into(), true));
        assert_eq!(utc(clock(2026, 10, 25, 3, 0), "75011"), ("2026-10-25 02:00:00Z".into(), false));
        // La Réunion has no such nights.
        assert_eq!(utc(clock(2026, 3, 29, 2, 30), "97400"), ("2026-03-28 22:30:00Z".into(), false));
        assert_eq!(utc(clock(2026, 10, 25, 2, 30), "97400"), ("2026-10-24 22:30:00Z".into(), false));
    }

    #[test]
    fn what_is_no_time_is_none() {
        let paris = zone("75011");
        for wrong in
            [clock(2026, 2, 30, 20, 0), clock(2026, 13, 1, 20, 0), clock(2026, 1, 1, 24, 0), clock(2026, 1, 1, 20, 60)]
        {
            assert_eq!(instant(wrong, &paris), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn a_reading_that_is_not_doubtful_reads_back(minutes in 0_i64..(10 * 366 * 24 * 60), code in 0..OVERSEAS.len() + 1) {
            let zone = OVERSEAS.get(code).map_or("Europe/Paris", |(_, zone)| zone);
            let zone = TimeZone::get(zone).unwrap();
            let at = jiff::Timestamp::from_second(1_700_000_040 + minutes * 60).unwrap();
            let shown = zone.to_datetime(at);
            let reading = WallClock {
                year: shown.year(), month: shown.month(), day: shown.day(),
                hour: shown.hour(), minute: shown.minute(), second: shown.second(),
            };
            let back = instant(reading, &zone).unwrap();
            prop_assert!(back.doubtful || back.at == at.as_millisecond());
        }
    }
}
