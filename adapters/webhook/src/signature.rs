//! Signatures as Standard Webhooks has them: HMAC-SHA-256 over id, time and the very bytes of the body.
//!
//! Invariants: the key is what the secret's base64 says, never its text; of a key only the keyed state is kept, and it is
//! never shown; comparing takes the same time wherever the first difference is.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use passerelle_kit::secret::Secret;
use sha2::Sha256;
use uuid::Uuid;

/// What a written secret begins with.
const PREFIX: &str = "whsec_";
/// Bytes of a secret once decoded.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// The version of an entry that is made and looked at.
const VERSION: &str = "v1";
/// Most that clocks may differ, in seconds, in both directions.
#[cfg(any(test, feature = "simulator"))]
const TOLERANCE_SECONDS: i64 = 300;

/// A secret that signs.
#[derive(Clone)]
pub(crate) struct Key(Hmac<Sha256>);

impl Key {
    /// Reads `whsec_` and standard base64, with padding, of 24 to 64 bytes. `None` for anything else.
    pub(crate) fn read(secret: &Secret) -> Option<Self> {
        let bytes = STANDARD.decode(secret.expose().strip_prefix(PREFIX)?).ok()?;
        if !SECRET_BYTES.contains(&bytes.len()) {
            return None;
        }
        Hmac::new_from_slice(&bytes).ok().map(Self)
    }

    /// The classic mistake: keyed with what is written, whole and without what it begins with. For rehearsals, which must find
    /// it refused.
    pub(crate) fn of_text(secret: &Secret) -> Vec<Self> {
        let written = secret.expose();
        let texts = [Some(written), written.strip_prefix(PREFIX)];
        texts.into_iter().flatten().filter_map(|text| Hmac::new_from_slice(text.as_bytes()).ok().map(Self)).collect()
    }

    /// A key that nobody else has.
    pub(crate) fn of_nobody() -> Option<Self> {
        let bytes = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
        Hmac::new_from_slice(&bytes).ok().map(Self)
    }

    fn over(&self, id: &str, seconds: i64, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        mac
    }

    /// One entry of the header: `v1,` and base64.
    pub(crate) fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let code = self.over(id, seconds, body).finalize().into_bytes();
        format!("{VERSION},{}", STANDARD.encode(code))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

/// The secrets of one receiver: the one in force, and the one before while it is being replaced.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    pub(crate) current: Key,
    pub(crate) previous: Option<Key>,
}

impl Signer {
    /// The header's value: one entry for each secret, the new one first.
    pub(crate) fn header(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let entries: Vec<String> = std::iter::once(&self.current)
            .chain(self.previous.as_ref())
            .map(|key| key.sign(id, seconds, body))
            .collect();
        entries.join(" ")
    }
}

/// The three headers as they came.
#[cfg(any(test, feature = "simulator"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presented<'a> {
    pub(crate) id: &'a str,
    pub(crate) timestamp: &'a str,
    pub(crate) signature: &'a str,
}

/// Did who holds one of these keys sign it, within five minutes of `now` (Unix seconds)? What a receiver does.
#[cfg(any(test, feature = "simulator"))]
pub(crate) fn verify(keys: &[Key], presented: Presented<'_>, body: &[u8], now: i64) -> bool {
    let Ok(seconds) = presented.timestamp.parse::<i64>() else { return false };
    if now.saturating_sub(seconds).saturating_abs() > TOLERANCE_SECONDS {
        return false;
    }
    let entries = presented.signature.split_whitespace().filter_map(|entry| entry.split_once(','));
    let codes: Vec<Vec<u8>> =
        entries.filter(|(version, _)| *version == VERSION).filter_map(|(_, code)| STANDARD.decode(code).ok()).collect();
    keys.iter().any(|key| codes.iter().any(|code| key.over(presented.id, seconds, body).verify_slice(code).is_ok()))
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
