//! The secrets of one connection, for whoever makes texts of what its vendor answers.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Secrets kept at most: settings name a handful.
const MOST: usize = 64;

/// What must not be repeated from a vendor's words: the secrets that a connection's settings name, as they are read. Clones are
/// one. Prints as `***`.
#[derive(Clone, Default)]
pub struct Unspoken(Arc<Mutex<Vec<String>>>);

impl Unspoken {
    /// Adds one.
    pub fn add(&self, secret: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MOST && !secret.trim().is_empty() && !all.iter().any(|known| known == secret) {
            all.push(secret.to_owned());
        }
    }

    /// All of them, for the one place that hides them.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Unspoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unspoken(***)")
    }
}
