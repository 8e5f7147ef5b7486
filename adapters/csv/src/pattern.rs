//! Compiled patterns, shared by all shops: thousands of them are mostly written alike.
//!
//! A compiled pattern takes tens of kilobytes and as many microseconds. Bounded: beyond [`MOST_KEPT`] different ones, those kept so
//! far are forgotten here and live on where they are used.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use globset::{Glob, GlobMatcher};
use regex::{Regex, RegexBuilder};

/// Different patterns kept of each kind.
const MOST_KEPT: usize = 256;
/// Largest compiled regular expression, in bytes.
const MAX_REGEX_BYTES: usize = 1 << 20;

static REGEXES: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
static GLOBS: LazyLock<Mutex<HashMap<String, GlobMatcher>>> = LazyLock::new(Mutex::default);

/// A regular expression.
///
/// # Errors
/// It is not understood, or too large.
pub(crate) fn regex(text: &str) -> Result<Regex, regex::Error> {
    shared(&REGEXES, text, || RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).build())
}

/// A glob.
///
/// # Errors
/// What is not understood.
pub(crate) fn glob(text: &str) -> Result<GlobMatcher, globset::Error> {
    shared(&GLOBS, text, || Glob::new(text).map(|glob| glob.compile_matcher()))
}

fn shared<P: Clone, E>(
    kept: &Mutex<HashMap<String, P>>,
    text: &str,
    compile: impl FnOnce() -> Result<P, E>,
) -> Result<P, E> {
    if let Some(known) = kept.lock().unwrap_or_else(PoisonError::into_inner).get(text) {
        return Ok(known.clone());
    }
    let compiled = compile()?;
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= MOST_KEPT {
        kept.clear();
    }
    kept.insert(text.to_owned(), compiled.clone());
    Ok(compiled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_kept_and_what_is_wrong_is_not() {
        for number in 0..MOST_KEPT * 2 + 1 {
            assert!(regex(&format!("^shop{number}$")).unwrap().is_match(&format!("shop{number}")));
            assert!(glob(&format!("shop{number}*")).unwrap().is_match(format!("shop{number}.csv")));
        }
        assert!(REGEXES.lock().unwrap().len() <= MOST_KEPT && GLOBS.lock().unwrap().len() <= MOST_KEPT);
        assert!(regex("(").is_err() && regex(&"(a{1000}){1000}".repeat(9)).is_err() && glob("[").is_err());
    }
}
