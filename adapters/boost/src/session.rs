//! The token of one cinema's server: got once, shared by passes and bookings, got again when the server drops it.
//!
//! Servers let one device of an account be signed in, so two tasks must never sign in past each other: whoever finds that a
//! token failed first looks whether somebody got another one meanwhile.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use passerelle_contract::{AdapterError, Class};
use passerelle_kit::secret::Secret;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// A token lives a day and is renewed five minutes early.
const LIFE: Duration = Duration::from_secs(24 * 3600 - 300);
/// Refused sign-ins in a row after which the account is left alone for a while: a wrong password must not lock it.
const MOST_REFUSALS: u32 = 3;
/// How long it is left alone.
const REST: Duration = Duration::from_secs(300);

/// A token and when it was got.
#[derive(Clone, Debug)]
struct Token {
    text: Secret,
    since: Instant,
}

/// The token, whoever needs it.
#[derive(Debug, Default)]
pub(crate) struct Session {
    token: Mutex<Option<Token>>,
    refusals: AtomicU32,
    refused_at: std::sync::Mutex<Option<Instant>>,
}

impl Session {
    /// A token that is not the one that failed; signs in when there is none. Waits for its turn no longer than `within`.
    pub(crate) async fn token(
        &self,
        failed: Option<&Secret>,
        within: Duration,
        sign_in: impl AsyncFnOnce() -> Result<Secret, AdapterError>,
    ) -> Result<Secret, AdapterError> {
        let mut token = timeout(within, self.token.lock()).await.map_err(|_| {
            let why = "another call is signing in and the vendor does not answer it";
            AdapterError::new(Class::Transient, "SignInBusy", "sign in", why)
        })?;
        let good = |token: &&Token| {
            token.since.elapsed() < LIFE && failed.is_none_or(|failed| !failed.matches(token.text.expose()))
        };
        if let Some(token) = token.as_ref().filter(good) {
            return Ok(token.text.clone());
        }
        *token = None;
        self.may_try()?;
        let since = Instant::now();
        match sign_in().await {
            Ok(text) => {
                self.refusals.store(0, Ordering::Relaxed);
                *token = Some(Token { text: text.clone(), since });
                Ok(text)
            }
            Err(error) => {
                if error.class == Class::Auth {
                    self.refusals.fetch_add(1, Ordering::Relaxed);
                    *self.refused_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(since);
                }
                Err(error)
            }
        }
    }

    fn may_try(&self) -> Result<(), AdapterError> {
        let refused_at = *self.refused_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let rests = refused_at.is_some_and(|at| at.elapsed() < REST);
        if self.refusals.load(Ordering::Relaxed) < MOST_REFUSALS || !rests {
            return Ok(());
        }
        let why = "three sign-ins in a row were refused; the account is left alone for five minutes so that it is not locked; \
                   check username and password";
        Err(AdapterError::new(Class::Auth, "SignInPaused", "sign in", why))
    }
}
