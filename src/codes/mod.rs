//! Every stable code that the product prints: what kind of trouble it is, what it means, what to do.
//!
//! Pure, for `passerelle explain CODE`. Invariant: `tests/layout.rs` reads the sources and finds each code that can be printed
//! here, and none that nothing prints. One code is one entry, also where several vendors use it.

mod gateway;
mod passculture;
mod rows;
mod vendors;
mod venues;

use passerelle_contract::Class;

/// One code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// As it is printed.
    pub code: &'static str,
    /// What kind of trouble it usually is.
    pub class: Class,
    /// What it means, for operators.
    pub message: &'static str,
    /// What it means, for booksellers and venues.
    pub message_fr: &'static str,
    /// What to do about it, for operators.
    pub to_do: &'static str,
}

/// A table of codes: class, code, English, French, what to do.
macro_rules! codes {
    ($($class:ident $code:literal $message:literal $message_fr:literal $to_do:literal;)*) => {
        pub(super) const CODES: &[super::Code] = &[$(super::Code {
            code: $code,
            class: passerelle_contract::Class::$class,
            message: $message,
            message_fr: $message_fr,
            to_do: $to_do,
        }),*];
    };
}
use codes;

/// All codes.
pub fn all() -> impl Iterator<Item = &'static Code> {
    [rows::CODES, vendors::CODES, passculture::CODES, venues::CODES, gateway::CODES].into_iter().flatten()
}

/// The entry of a code, exactly as it is printed.
#[must_use]
pub fn find(code: &str) -> Option<&'static Code> {
    all().find(|entry| entry.code == code)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_is_there_once_and_says_everything() {
        let codes: BTreeSet<&str> = all().map(|entry| entry.code).collect();
        assert_eq!(codes.len(), all().count(), "a code is there twice");
        for entry in all() {
            for sentence in [entry.message, entry.message_fr, entry.to_do] {
                assert!(sentence.len() > 10 && !sentence.ends_with('.'), "{}: {sentence}", entry.code);
            }
            assert_ne!(entry.message, entry.message_fr, "{}", entry.code);
        }
    }
}
