//! One session for each vendor account, whoever needs it: tasks of this process, and other processes through the gateway's
//! [`SessionKeeper`].
//!
//! Whoever finds that a token failed first looks whether somebody got another one meanwhile; only the holder of the account's lock
//! signs in. What is kept is sealed with a key made of the account's own secret: every process that may use the session has it,
//! and whoever has it could sign in anyway, so that the store gains no new secret to guard.
//!
//! Invariants: two sign-ins of one account never run past each other while the keeper answers; a token leaves this process sealed
//! or not at all.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use passerelle_contract::{AdapterError, Class, SessionKeeper, SessionLock};
use ring::rand::SecureRandom as _;
use ring::{aead, digest, pbkdf2, rand};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, OnceCell};
use tokio::time::{sleep, timeout};

use crate::secret::Secret;

/// Refused sign-ins in a row after which the account is left alone for a while: a wrong password must not lock it.
const MOST_REFUSALS: u32 = 3;
/// How long it is left alone.
const REST: Duration = Duration::from_secs(300);
/// The lock outlives the time for a sign-in by so much.
const LOCK_SLACK: Duration = Duration::from_secs(5);
/// Pause between two looks while another process signs in.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Rounds that make guessing a weak password from a stolen store slow. A tenth of a second, once for each adapter that is made.
const KEY_ROUNDS: NonZeroU32 = match NonZeroU32::new(100_000) {
    Some(rounds) => rounds,
    None => NonZeroU32::MIN,
};
/// Bytes of a nonce of ChaCha20-Poly1305 (RFC 8439).
const NONCE_BYTES: usize = aead::NONCE_LEN;
/// A process whose clock is so far ahead of ours still counts.
const CLOCKS_DIFFER: i64 = 5 * 60 * 1_000;

/// A vendor's session.
#[derive(Debug)]
pub struct Session {
    /// As the keeper names it.
    account: String,
    secret: Secret,
    life: Duration,
    keeper: Option<Arc<dyn SessionKeeper>>,
    known: Mutex<Known>,
    key: OnceCell<Arc<Key>>,
}

/// What is known of a session, and kept of it.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Known {
    /// The token, and when the sign-in for it began: milliseconds since 1970.
    token: Option<String>,
    since: i64,
    /// Refused sign-ins in a row, and when the last of them was.
    refusals: u32,
    refused_at: i64,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known(***)")
    }
}

/// Seals and opens.
struct Key(aead::LessSafeKey);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(***)")
    }
}

impl Session {
    /// The session of an account: `parts` name it (vendor, server, user), `secret` signs it in, and a token is good for `life`.
    #[must_use]
    pub fn new(parts: &[&str], secret: &Secret, life: Duration, keeper: Option<Arc<dyn SessionKeeper>>) -> Self {
        let mut name = digest::Context::new(&digest::SHA256);
        for part in parts {
            name.update(&(part.len() as u64).to_be_bytes());
            name.update(part.as_bytes());
        }
        let account = name.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let (known, key) = (Mutex::default(), OnceCell::new());
        Self { account, secret: secret.clone(), life, keeper, known, key }
    }

    /// A token that is not the one that failed; signs in when there is none. Waits for its turn no longer than `within`, and
    /// for the sign-in as long as that takes.
    ///
    /// # Errors
    /// `SignInBusy` when somebody else signs in all that time, `SignInPaused` after three refusals, `SessionNotKept` when the
    /// keeper does not answer, and whatever the sign-in says.
    pub async fn token(
        &self,
        failed: Option<&Secret>,
        within: Duration,
        sign_in: impl AsyncFnOnce() -> Result<Secret, AdapterError>,
    ) -> Result<Secret, AdapterError> {
        let until = Instant::now() + within;
        let mut known = timeout(within, self.known.lock()).await.map_err(|_| busy())?;
        if let Some(token) = self.good(&known, failed) {
            return Ok(token);
        }
        let Some(keeper) = self.keeper.as_deref() else {
            may_try(&known)?;
            let (next, got) = attempt(&known, sign_in).await;
            *known = next;
            return got;
        };
        let lock = loop {
            *known = self.load(keeper).await?;
            if let Some(token) = self.good(&known, failed) {
                return Ok(token);
            }
            may_try(&known)?;
            if let Some(lock) = keeper.lock(&self.account, within + LOCK_SLACK).await? {
                break lock;
            }
            if Instant::now() >= until {
                return Err(busy());
            }
            sleep(LOOK_AGAIN).await;
        };
        // Somebody may have signed in between our look and our lock.
        *known = match self.load(keeper).await {
            Ok(known) => known,
            Err(error) => return Err(self.give_back(keeper, &lock, None, error).await),
        };
        if let Some(token) = self.good(&known, failed) {
            let _runs_out = keeper.unlock(&lock, None).await;
            return Ok(token);
        }
        let (next, got) = attempt(&known, sign_in).await;
        *known = next;
        let sealed = self.key().await.and_then(|key| key.seal(&self.account, &known));
        match got {
            Ok(token) => {
                // The token is good whether it is kept or not; without that the next process signs in again.
                let _kept = keeper.unlock(&lock, sealed.as_deref()).await;
                Ok(token)
            }
            Err(error) => Err(self.give_back(keeper, &lock, sealed.as_deref(), error).await),
        }
    }

    /// The error, with the lock given back; a lock that cannot be given back runs out.
    async fn give_back(
        &self,
        keeper: &dyn SessionKeeper,
        lock: &SessionLock,
        keep: Option<&str>,
        error: AdapterError,
    ) -> AdapterError {
        let _runs_out = keeper.unlock(lock, keep).await;
        error
    }

    fn good(&self, known: &Known, failed: Option<&Secret>) -> Option<Secret> {
        let age = now().saturating_sub(known.since);
        let life = i64::try_from(self.life.as_millis()).unwrap_or(i64::MAX);
        let token = known.token.as_deref().filter(|_| (-CLOCKS_DIFFER..life).contains(&age))?;
        failed.is_none_or(|failed| !failed.matches(token)).then(|| Secret::new(token))
    }

    /// What is kept; nothing when it cannot be opened: another password sealed it.
    async fn load(&self, keeper: &dyn SessionKeeper) -> Result<Known, AdapterError> {
        let Some(sealed) = keeper.load(&self.account).await? else { return Ok(Known::default()) };
        Ok(self.key().await.and_then(|key| key.open(&self.account, &sealed)).unwrap_or_default())
    }

    async fn key(&self) -> Option<Arc<Key>> {
        let made = self.key.get_or_try_init(|| async {
            let (account, secret) = (self.account.clone(), self.secret.clone());
            tokio::task::spawn_blocking(move || Key::of(&account, &secret).map(Arc::new)).await.ok().flatten().ok_or(())
        });
        made.await.ok().map(Arc::clone)
    }
}

/// What a sign-in makes of what is known.
async fn attempt(
    known: &Known,
    sign_in: impl AsyncFnOnce() -> Result<Secret, AdapterError>,
) -> (Known, Result<Secret, AdapterError>) {
    let since = now();
    match sign_in().await {
        Ok(token) => (Known { token: Some(token.expose().to_owned()), since, ..Known::default() }, Ok(token)),
        Err(error) if error.class == Class::Auth => {
            (Known { token: None, since: 0, refusals: known.refusals.saturating_add(1), refused_at: since }, Err(error))
        }
        Err(error) => (Known { token: None, since: 0, ..known.clone() }, Err(error)),
    }
}

fn may_try(known: &Known) -> Result<(), AdapterError> {
    let age = now().saturating_sub(known.refused_at);
    let rest = i64::try_from(REST.as_millis()).unwrap_or(i64::MAX);
    if known.refusals < MOST_REFUSALS || !(-CLOCKS_DIFFER..rest).contains(&age) {
        return Ok(());
    }
    let why = "three sign-ins in a row were refused; the account is left alone for five minutes so that it is not locked; \
               check username and password";
    Err(AdapterError::new(Class::Auth, "SignInPaused", "sign in", why))
}

fn busy() -> AdapterError {
    let why = "another call is signing in and the vendor does not answer it";
    AdapterError::new(Class::Transient, "SignInBusy", "sign in", why)
}

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

impl Key {
    /// Slow, on purpose.
    fn of(account: &str, secret: &Secret) -> Option<Self> {
        let mut key = [0; 32];
        let salt = format!("passerelle session 1 {account}");
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, KEY_ROUNDS, salt.as_bytes(), secret.expose().as_bytes(), &mut key);
        Some(Self(aead::LessSafeKey::new(aead::UnboundKey::new(&aead::CHACHA20_POLY1305, &key).ok()?)))
    }

    /// Nonce and sealed bytes as base64. A nonce is drawn anew each time: 96 random bits, a few a day.
    fn seal(&self, account: &str, known: &Known) -> Option<String> {
        use base64::Engine as _;
        let mut nonce = [0; NONCE_BYTES];
        rand::SystemRandom::new().fill(&mut nonce).ok()?;
        let mut bytes = serde_json::to_vec(known).ok()?;
        let about = aead::Aad::from(account.as_bytes());
        self.0.seal_in_place_append_tag(aead::Nonce::assume_unique_for_key(nonce), about, &mut bytes).ok()?;
        Some(base64::engine::general_purpose::STANDARD.encode([&nonce[..], &bytes].concat()))
    }

    fn open(&self, account: &str, sealed: &str) -> Option<Known> {
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES)?;
        let nonce = aead::Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let open = self.0.open_in_place(nonce, aead::Aad::from(account.as_bytes()), &mut sealed).ok()?;
        serde_json::from_slice(open).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(token: &str) -> Known {
        Known { token: Some(token.to_owned()), since: now(), ..Known::default() }
    }

    #[test]
    fn what_is_kept_opens_with_the_same_secret_and_account_alone() {
        let key = Key::of("account", &Secret::new("pass")).unwrap();
        let sealed = key.seal("account", &known("kanari-7731")).unwrap();
        assert!(!sealed.contains("kanari") && sealed != key.seal("account", &known("kanari-7731")).unwrap());
        assert_eq!(key.open("account", &sealed).unwrap().token.as_deref(), Some("kanari-7731"));
        assert!(key.open("other", &sealed).is_none());
        assert!(Key::of("account", &Secret::new("other")).unwrap().open("account", &sealed).is_none());
        assert!(Key::of("other", &Secret::new("pass")).unwrap().open("account", &sealed).is_none());
        for odd in ["", "AAAA", "é", &sealed[4..]] {
            assert!(key.open("account", odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn a_token_from_the_future_or_too_old_is_none() {
        let session = Session::new(&["a"], &Secret::new("pass"), Duration::from_secs(60), None);
        let aged = |since| session.good(&Known { since, ..known("t") }, None).is_some();
        assert!(aged(now()) && aged(now() - 50_000) && aged(now() + 60_000));
        assert!(!aged(now() - 61_000) && !aged(now() + 24 * 3_600_000));
        assert!(session.good(&known("t"), Some(&Secret::new("t"))).is_none());
    }

    #[tokio::test]
    async fn a_wrong_password_is_tried_three_times() {
        let session = Session::new(&["a"], &Secret::new("pass"), Duration::from_secs(60), None);
        let refuse = async || Err(AdapterError::new(Class::Auth, "SignInRefused", "sign in", "no"));
        let mut codes = Vec::new();
        for _ in 0..5 {
            codes.push(session.token(None, Duration::from_secs(1), refuse).await.unwrap_err().code);
        }
        assert_eq!(codes, ["SignInRefused", "SignInRefused", "SignInRefused", "SignInPaused", "SignInPaused"]);
    }
}
