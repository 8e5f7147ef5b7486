//! Checks of settings that were read: all problems at once, the same words for the same mistake.
//!
//! Invariant: nothing is given out while a problem stands, and no message repeats what a setting holds.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use passerelle_contract::{Context, EventKind, SettingProblem, SettingsError, Unspoken};
use url::Url;

use crate::secret::{Secret, SecretRef};
use crate::settings::{WrittenNumber, has_credentials, root};

/// The longest time for one answer that a setting may ask for, in seconds.
const LONGEST_TIMEOUT: u32 = 60;

/// Longest e-mail address that beneficiaries write to, in characters (pass Culture public API: `bookingContact`, at most 120).
const LONGEST_CONTACT: usize = 120;
/// Longest word of pass Culture's own: a category, a kind.
const LONGEST_WORD: usize = 100;
/// Longest number of a vendor's event, in digits.
const LONGEST_NUMBER: usize = 16;

/// Problems found so far.
#[derive(Debug)]
pub struct Checks {
    problems: Vec<SettingProblem>,
    base_dir: PathBuf,
    unspoken: Unspoken,
}

impl Checks {
    /// None so far.
    #[must_use]
    pub fn new(context: &Context) -> Self {
        let base_dir = Path::new(&context.base_dir).to_owned();
        Self { problems: Vec::new(), base_dir, unspoken: context.unspoken.clone() }
    }

    /// Notes a problem unless all is well; `message` says what to write instead.
    pub fn ensure(&mut self, is_well: bool, path: &str, message: &str) {
        if !is_well {
            self.problems.push(SettingProblem { path: path.to_owned(), message: message.to_owned() });
        }
    }

    /// A number within a range.
    pub fn number(&mut self, path: &str, number: u32, range: std::ops::RangeInclusive<u32>) {
        let message = format!("write a number from {} to {}", range.start(), range.end());
        self.ensure(range.contains(&number), path, &message);
    }

    /// A text of 1 to so many characters, without spaces around it.
    pub fn text(&mut self, path: &str, text: &str, longest: usize, message: &str) {
        self.ensure((1..=longest).contains(&text.chars().count()) && text.trim() == text, path, message);
    }

    /// The numbers of the events to publish, each once, as texts.
    pub fn event_numbers(&mut self, path: &str, written: Vec<WrittenNumber>, most: usize) -> Vec<String> {
        let numbers: Vec<String> = written.into_iter().map(|number| number.0).collect();
        let digits = |number: &String| {
            (1..=LONGEST_NUMBER).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
        };
        let mut seen = HashSet::new();
        let good =
            (1..=most).contains(&numbers.len()) && numbers.iter().all(|number| digits(number) && seen.insert(number));
        self.ensure(good, path, &format!("write the numbers of 1 to {most} events, each once: [120345, 120346]"));
        numbers
    }

    /// What a connection's events are, from the settings `category`, `show_type`, `music_type` and `booking_contact`. pass Culture
    /// judges which words there are, and which it wants together.
    pub fn event_kind(
        &mut self,
        category: String,
        show_type: Option<String>,
        music_type: Option<String>,
        booking_contact: String,
    ) -> EventKind {
        self.ensure(
            is_word(&category),
            "category",
            "write a category of pass Culture, such as CONCERT or SPECTACLE_REPRESENTATION",
        );
        self.ensure(
            !is_online(&category),
            "category",
            "an online category has no place at a venue: write one of events that people come to",
        );
        for (path, slug) in [("show_type", &show_type), ("music_type", &music_type)] {
            self.ensure(
                slug.as_deref().is_none_or(is_word),
                path,
                "write pass Culture's word for it, such as THEATRE-COMEDIE, or leave it out",
            );
        }
        let contact = "write the e-mail address that beneficiaries write to, at most 120 characters";
        self.ensure(is_email(&booking_contact), "booking_contact", contact);
        EventKind { category, show_type, music_type, booking_contact: Some(booking_contact) }
    }

    /// Time for one answer, 1 to 60 seconds.
    pub fn timeout(&mut self, path: &str, seconds: u32) -> Duration {
        self.number(path, seconds, 1..=LONGEST_TIMEOUT);
        Duration::from_secs(u64::from(seconds))
    }

    /// A vendor's root ([`root`]); `instead` names the settings in which credentials belong.
    pub fn root(&mut self, path: &str, written: &Url, message: &str, instead: &str) -> Option<Url> {
        let root = root(written);
        self.ensure(root.is_some(), path, message);
        self.no_credentials(path, written, instead);
        root
    }

    /// An address without credentials in it.
    pub fn no_credentials(&mut self, path: &str, written: &Url, instead: &str) {
        let message = format!("credentials do not belong in an address: write {instead}");
        self.ensure(!has_credentials(written), path, &message);
    }

    /// A secret, read from where its setting says. No text made of the vendor's answers repeats it.
    pub fn secret(&mut self, path: &str, written: &SecretRef) -> Option<Secret> {
        let secret = written.resolve(&self.base_dir).map_err(|why| self.problems.push(why.at(path))).ok()?;
        self.unspoken.add(secret.expose());
        Some(secret)
    }

    /// A user name: as little to be repeated as a secret.
    pub fn user(&mut self, name: &str) {
        self.unspoken.add(name);
    }

    /// What was checked, when all is well.
    ///
    /// # Errors
    /// Every problem. What is missing without one is a mistake of the caller's, told as `settings`.
    pub fn done<T>(self, checked: Option<T>) -> Result<T, SettingsError> {
        match checked {
            Some(checked) if self.problems.is_empty() => Ok(checked),
            None if self.problems.is_empty() => Err(SettingsError::one("settings", "something is missing")),
            _ => Err(SettingsError { problems: self.problems }),
        }
    }
}

/// Whether pass Culture holds events of a category online alone: such an offer must have an address on the network, and none at a
/// venue.
#[must_use]
pub fn is_online(category: &str) -> bool {
    category.starts_with("LIVESTREAM_") || category == "RENCONTRE_EN_LIGNE"
}

/// One word without spaces.
#[must_use]
pub fn is_word(text: &str) -> bool {
    (1..=LONGEST_WORD).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Something before, and a domain after one `@`; pass Culture judges the rest. At most 120 characters.
#[must_use]
pub fn is_email(text: &str) -> bool {
    let halves = text.split_once('@').is_some_and(|(name, domain)| !name.is_empty() && is_domain(domain));
    halves && text.len() <= LONGEST_CONTACT && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Two parts at least, of letters, digits and hyphens.
#[must_use]
pub fn is_domain(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !part.starts_with('-')
    };
    text.len() <= LONGEST_WORD && text.contains('.') && text.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_address_is_told_from_other_texts() {
        assert!(is_email("billetterie@theatre.example") && is_domain("a-b.theatre.example"));
        for odd in
            ["", "a", "@theatre.example", "a@b@theatre.example", "a b@theatre.example", "a@b", "a@.c", "a@-x.example"]
        {
            assert!(!is_email(odd), "{odd}");
        }
        assert!(!is_email(&format!("{}@b.example", "a".repeat(LONGEST_CONTACT))));
    }

    #[test]
    fn numbers_of_events_are_digits_and_stand_once() {
        let numbers = |all: &[&str]| {
            let mut checks = Checks::new(&Context::default());
            let written = all.iter().map(|one| WrittenNumber((*one).to_owned())).collect();
            let numbers = checks.event_numbers("events", written, 3);
            checks.done(Some(numbers))
        };
        assert_eq!(numbers(&["12", "7"]).unwrap(), ["12", "7"]);
        for odd in [&[][..], &["1", "2", "3", "4"], &["1", "1"], &["-1"], &[""], &["1 "], &["12345678901234567"]] {
            assert!(numbers(odd).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn a_category_that_has_no_place_at_a_venue_is_a_mistake_in_the_settings() {
        let kind = |category: &str| {
            let mut checks = Checks::new(&Context::default());
            let kind = checks.event_kind(category.to_owned(), None, None, "billetterie@theatre.example".to_owned());
            checks.done(Some(kind))
        };
        assert!(kind("CONCERT").is_ok() && kind("RENCONTRE").is_ok());
        for online in
            ["LIVESTREAM_EVENEMENT", "LIVESTREAM_MUSIQUE", "LIVESTREAM_PRATIQUE_ARTISTIQUE", "RENCONTRE_EN_LIGNE"]
        {
            let problems = kind(online).unwrap_err().problems;
            assert_eq!(problems.len(), 1, "{online}");
        }
    }

    #[test]
    fn events_of_no_kind_are_refused() {
        let mut checks = Checks::new(&Context::default());
        let kind = checks.event_kind("CONCERT".into(), None, Some("ROCK".into()), "a@theatre.example".into());
        assert_eq!((kind.category.as_str(), kind.music_type.as_deref()), ("CONCERT", Some("ROCK")));
        checks.event_kind(String::new(), Some("a b".into()), Some(String::new()), "nobody".into());
        let problems = checks.done(Some(())).unwrap_err().problems;
        let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["category", "show_type", "music_type", "booking_contact"]);
    }

    #[test]
    fn every_problem_is_told_and_nothing_is_given_out_with_one() {
        let mut checks = Checks::new(&Context::default());
        let url = Url::parse("ftp://u:p@cinema.example/").unwrap();
        assert_eq!(checks.root("base_url", &url, "write an address", "username and password"), None);
        checks.timeout("timeout_seconds", 61);
        checks.text("name", " a", 5, "write a name");
        assert!(checks.secret("password", &SecretRef::File("/nowhere/at/all".into())).is_none());
        let problems = checks.done(Some(())).unwrap_err().problems;
        let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["base_url", "base_url", "timeout_seconds", "name", "password"]);
        assert!(problems[1].message.contains("username and password") && !format!("{problems:?}").contains("u:p"));
    }

    #[test]
    fn all_is_well() {
        let mut checks = Checks::new(&Context::default());
        let url = Url::parse("https://cinema.example/a").unwrap();
        let root = checks.root("base_url", &url, "write an address", "a key");
        let timeout = checks.timeout("timeout_seconds", 60);
        checks.number("days", 365, 1..=365);
        let (root, timeout) = checks.done(root.zip(Some(timeout))).unwrap();
        assert_eq!((root.as_str(), timeout.as_secs()), ("https://cinema.example/a/", 60));
        assert!(Checks::new(&Context::default()).done(None::<()>).is_err());
    }
}
