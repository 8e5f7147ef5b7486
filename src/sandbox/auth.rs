//! Who calls: the key behind `Authorization: Bearer …`.
//!
//! Invariant: the scheme is case-sensitive, as the real backend's is; a key is compared whole.

use axum::http::{HeaderMap, header};

use super::errors::Answer;
use super::state::{AccountIndex, World};

const SCHEME: &str = "Bearer ";

/// The key a request carries, if its scheme is exactly `Bearer `.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix(SCHEME)
}

/// The account of a key.
///
/// # Errors
/// 401 without a known key, 403 when the account was deactivated.
pub(crate) fn account(world: &World, key: Option<&str>) -> Result<AccountIndex, Answer> {
    let index = world.accounts.iter().position(|a| Some(a.api_key.as_str()) == key).ok_or_else(Answer::no_key)?;
    match world.accounts.get(index) {
        Some(account) if !account.active => Err(Answer::inactive_provider()),
        _ => Ok(index),
    }
}
