//! The one place that reads the system clock. Logic takes the time as an argument.

pub use crate::store::Millis;

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
    fn lengths_are_rounded_to_what_people_say() {
        for (seconds, text) in [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5_400, "2 h"), (172_800, "2 days")] {
            assert_eq!(ago(0, seconds * 1000), text);
        }
    }
}
