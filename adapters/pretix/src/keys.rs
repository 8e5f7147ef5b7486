//! Which ticket is meant: event, date, item and variation, written so that a booking needs nothing else.
//!
//! Invariant: with the longest slug that the settings take and the largest numbers that are read, every key has the length
//! that the contract allows.

use std::fmt;

/// Longest slug of an event, in characters: with two slashes and nine digits more, the contract's 40 for a showtime.
pub(crate) const MAX_SLUG_CHARS: usize = 30;
/// Largest number of a date, an item or a variation: nine digits.
const MAX_ID: i64 = 999_999_999;
/// Stands where an event has no dates, or an item no variations.
const NONE: &str = "-";

/// A price category of one date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// The event.
    pub(crate) event: String,
    /// The date of a series.
    pub(crate) date: Option<i64>,
    pub(crate) item: i64,
    pub(crate) variation: Option<i64>,
}

impl Key {
    /// Reads what [`fmt::Display`] wrote.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let [event, date, item, variation] = parts.as_slice() else { return None };
        let maybe = |text: &str| if text == NONE { Some(None) } else { number(text).map(Some) };
        is_slug(event)
            .then(|| {
                Some(Self {
                    event: (*event).to_owned(),
                    date: maybe(date)?,
                    item: number(item)?,
                    variation: maybe(variation)?,
                })
            })
            .flatten()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", show(&self.event, self.date), self.item, or_none(self.variation))
    }
}

/// The key of a showtime.
pub(crate) fn show(event: &str, date: Option<i64>) -> String {
    format!("{event}/{}", or_none(date))
}

fn or_none(number: Option<i64>) -> String {
    number.map_or_else(|| NONE.to_owned(), |number| number.to_string())
}

fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten().filter(|id| is_id(*id))
}

/// A number that fits a key.
pub(crate) const fn is_id(id: i64) -> bool {
    0 < id && id <= MAX_ID
}

/// What pretix takes as a slug; with nothing in it that means something else in an address.
pub(crate) fn is_slug(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_keys_fit_the_contract() {
        let event = "e".repeat(MAX_SLUG_CHARS);
        let key = Key { event: event.clone(), date: Some(MAX_ID), item: MAX_ID, variation: Some(MAX_ID) };
        assert_eq!((show(&event, Some(MAX_ID)).len(), key.to_string().len()), (40, 60));
        assert!(!is_id(MAX_ID + 1) && !is_id(0) && !is_id(-1));
    }

    #[test]
    fn only_whole_keys_are_read() {
        let key = Key { event: "mouette-2.0".into(), date: None, item: 3, variation: None };
        assert_eq!(Key::read("mouette-2.0/-/3/-"), Some(key));
        for odd in [
            "",
            "a",
            "a/1/2",
            "a/1/2/3/4",
            "../1/2/-",
            "a/x/2/-",
            "a/1/-/-",
            "a/+1/2/-",
            "a/0/2/-",
            "a/1/9999999999/-",
            "é/1/2/-",
            "a b/1/2/-",
        ] {
            assert_eq!(Key::read(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            event in "[A-Za-z0-9][A-Za-z0-9.-]{0,29}", date in proptest::option::of(1..=MAX_ID), item in 1..=MAX_ID,
            variation in proptest::option::of(1..=MAX_ID), odd in "\\PC{0,20}",
        ) {
            let key = Key { event, date, item, variation };
            prop_assert_eq!(Key::read(&key.to_string()), Some(key));
            let _ = Key::read(&odd);
        }
    }
}
