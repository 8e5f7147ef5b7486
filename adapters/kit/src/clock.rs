//! Beginnings of shows as vendors write them.

use std::time::{Duration, SystemTime};

use jiff::civil::DateTime;
use passerelle_contract::{Starts, WallClock};

/// A beginning that was written with an offset, or as the wall clock of the place; `None` for anything else, and before 1970.
#[must_use]
pub fn starts(text: &str) -> Option<Starts> {
    match text.parse::<jiff::Timestamp>() {
        Ok(at) => {
            let since = u64::try_from(at.as_second()).ok()?;
            Some(Starts::At(SystemTime::UNIX_EPOCH + Duration::from_secs(since)))
        }
        Err(_) => text.parse().ok().map(|clock| Starts::Local(wall_clock(clock))),
    }
}

/// A date and a time of day as the contract has them.
#[must_use]
pub fn wall_clock(at: DateTime) -> WallClock {
    WallClock {
        year: at.year(),
        month: at.month(),
        day: at.day(),
        hour: at.hour(),
        minute: at.minute(),
        second: at.second(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_makes_an_instant_and_none_a_wall_clock() {
        let at = |seconds| Some(Starts::At(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)));
        assert_eq!(starts("1970-01-01T01:00:10+01:00"), at(10));
        let clock = WallClock { year: 2031, month: 5, day: 14, hour: 20, minute: 30, second: 0 };
        assert_eq!(starts("2031-05-14T20:30:00"), Some(Starts::Local(clock)));
        for odd in ["", "2031-05-32T20:30:00", "1969-12-31T23:00:00Z", "20:30"] {
            assert_eq!(starts(odd), None, "{odd}");
        }
    }
}
