//! What tells one film from another, whatever system names it.
//!
//! Allociné's number decides where both know it, then the visa, then title and duration together. Invariant: what is unknown
//! (absent, zero, empty) never agrees with anything.

use std::collections::BTreeSet;

use passerelle_contract::Film;
use serde::{Deserialize, Serialize};

/// Longest title that is compared, in characters.
const LONGEST_TITLE: usize = 300;
/// Keys under which one film is remembered.
pub const MOST_KEYS: usize = 20;

/// A film as systems may agree on it. Stored with its offer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilmIdentity {
    /// Allociné's number, above zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocine_id: Option<u64>,
    /// French visa: its digits without leading zeros, so that it is never `0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visa: Option<String>,
    /// Lower case, without accents and punctuation; may be empty.
    #[serde(default)]
    pub title: String,
    /// Minutes, above zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u32>,
    /// Other event keys under which systems have stated it, at most [`MOST_KEYS`].
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keys: BTreeSet<String>,
}

/// How surely two are one film: the greater, the surer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Agreement {
    /// One title, one duration, and no number that says otherwise.
    Title,
    /// One visa, and no Allociné number that says otherwise.
    Visa,
    /// One Allociné number.
    Allocine,
}

impl FilmIdentity {
    /// Of a film as its vendor states it.
    #[must_use]
    pub fn of(film: &Film) -> Self {
        Self {
            allocine_id: film.allocine_id.filter(|number| *number > 0),
            visa: film.visa.as_deref().and_then(visa),
            title: comparable(&film.title),
            minutes: film.duration_minutes.filter(|minutes| *minutes > 0),
            keys: BTreeSet::new(),
        }
    }

    /// How surely this and the other are one film; `None` when they are not, or nobody can tell.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> Option<Agreement> {
        if let (Some(one), Some(two)) = (self.allocine_id, other.allocine_id) {
            return (one == two).then_some(Agreement::Allocine);
        }
        if let (Some(one), Some(two)) = (&self.visa, &other.visa) {
            return (one == two).then_some(Agreement::Visa);
        }
        let same = !self.title.is_empty()
            && self.title == other.title
            && self.minutes.is_some()
            && self.minutes == other.minutes;
        same.then_some(Agreement::Title)
    }

    /// What is not known here is taken from the other.
    pub fn learn(&mut self, other: &Self) {
        self.allocine_id = self.allocine_id.or(other.allocine_id);
        self.visa = self.visa.take().or_else(|| other.visa.clone());
        self.minutes = self.minutes.or(other.minutes);
        for key in &other.keys {
            self.remember(key);
        }
    }

    /// Another key under which it was stated.
    pub fn remember(&mut self, key: &str) {
        if self.keys.len() < MOST_KEYS {
            self.keys.insert(key.to_owned());
        }
    }
}

/// Systems write visas with spaces, dots and zeros before them.
fn visa(written: &str) -> Option<String> {
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    Some(digits.trim_start_matches('0').to_owned()).filter(|digits| !digits.is_empty())
}

/// A title as it is compared: `L'Été, à nu !` and `L ETE A NU` are one.
fn comparable(title: &str) -> String {
    let mut words = String::with_capacity(title.len());
    for character in title.chars().take(LONGEST_TITLE).flat_map(char::to_lowercase) {
        match character {
            'à' | 'â' | 'ä' | 'á' | 'ã' | 'å' => words.push('a'),
            'ç' => words.push('c'),
            'é' | 'è' | 'ê' | 'ë' => words.push('e'),
            'í' | 'ì' | 'î' | 'ï' => words.push('i'),
            'ñ' => words.push('n'),
            'ó' | 'ò' | 'ô' | 'ö' | 'õ' | 'ø' => words.push('o'),
            'ú' | 'ù' | 'û' | 'ü' => words.push('u'),
            'ÿ' | 'ý' => words.push('y'),
            'œ' => words.push_str("oe"),
            'æ' => words.push_str("ae"),
            // Accents that stand beside their letter.
            '\u{300}'..='\u{36f}' => {}
            other if other.is_alphanumeric() => words.push(other),
            _ => words.push(' '),
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn film(allocine_id: Option<u64>, visa: Option<&str>, title: &str, minutes: Option<u32>) -> FilmIdentity {
        FilmIdentity::of(&Film {
            allocine_id,
            visa: visa.map(str::to_owned),
            title: title.to_owned(),
            duration_minutes: minutes,
            ..Film::default()
        })
    }

    #[test]
    fn the_surest_number_that_both_know_decides() {
        let one = film(Some(7), Some("150 123"), "Le Phare", Some(98));
        assert_eq!(one.agrees(&film(Some(7), Some("9"), "Autre", None)), Some(Agreement::Allocine));
        assert_eq!(
            one.agrees(&film(Some(8), Some("150123"), "Le Phare", Some(98))),
            None,
            "other numbers: other films"
        );
        assert_eq!(one.agrees(&film(None, Some("0150.123"), "Autre", None)), Some(Agreement::Visa));
        assert_eq!(one.agrees(&film(None, Some("150124"), "Le Phare", Some(98))), None);
        assert_eq!(one.agrees(&film(None, None, "LE PHARE !", Some(98))), Some(Agreement::Title));
        assert_eq!(one.agrees(&film(None, None, "Le Phare", Some(99))), None);
    }

    #[test]
    fn what_is_unknown_agrees_with_nothing() {
        let none = film(Some(0), Some("0"), "Le Phare", Some(0));
        assert_eq!((none.allocine_id, &none.visa, none.minutes), (None, &None, None));
        assert_eq!(none.agrees(&none), None, "a title alone is not enough");
        let empty = film(None, Some(" "), "…", Some(98));
        assert_eq!(empty.agrees(&empty), None, "nor is a duration");
    }

    #[test]
    fn titles_are_compared_as_people_hear_them() {
        for (one, two) in [
            ("L'Été, à nu !", "L ETE A NU"),
            ("Cœur & Œuvre", "COEUR - OEUVRE"),
            ("Garc\u{327}on", "garçon"),
            ("Le  Phare", "le phare"),
        ] {
            assert_eq!(comparable(one), comparable(two), "{one}");
        }
        assert_ne!(comparable("Le Phare 2"), comparable("Le Phare"));
    }

    fn any_film() -> impl Strategy<Value = FilmIdentity> {
        (0..4_u64, 0..4_u32, 0..3_u32, 0..3_u32).prop_map(|(number, visa, title, minutes)| {
            film(Some(number), Some(&visa.to_string()), ["", "A", "B"][title as usize], Some(minutes))
        })
    }

    proptest! {
        #[test]
        fn agreement_has_no_direction_and_unknown_things_never_give_it(one in any_film(), two in any_film()) {
            prop_assert_eq!(one.agrees(&two), two.agrees(&one));
            match one.agrees(&two) {
                Some(Agreement::Allocine) => prop_assert!(one.allocine_id.is_some_and(|number| number > 0)),
                Some(Agreement::Visa) => prop_assert!(one.visa.as_deref().is_some_and(|visa| visa != "0")),
                Some(Agreement::Title) => prop_assert!(!one.title.is_empty() && one.minutes.is_some()),
                None => {}
            }
        }

        #[test]
        fn learning_erases_nothing(one in any_film(), two in any_film()) {
            let mut wiser = one.clone();
            wiser.learn(&two);
            prop_assert!(one.allocine_id.is_none() || wiser.allocine_id == one.allocine_id);
            prop_assert!(one.visa.is_none() || wiser.visa == one.visa);
            prop_assert!(one.minutes.is_none() || wiser.minutes == one.minutes);
        }
    }
}
