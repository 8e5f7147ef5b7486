//! Sessions at vendors that allow an account only one: kept by the gateway for all of its processes, so that none signs another out.
//!
//! Invariant: what is kept is opaque here. An adapter seals it before, with a key that the gateway does not know.

use std::fmt;
use std::time::Duration;

use crate::{AdapterError, BoxFuture};

/// The right to sign an account in: nobody else has it until it runs out or is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLock {
    /// Whose session: a name of the adapter's own, the same in every process, that tells nobody the account.
    pub account: String,
    /// Rises each time that the lock is taken.
    pub fence: i64,
}

/// Keeps sessions. Adapters get one in their [`crate::Context`]; without one a session is this process's alone.
pub trait SessionKeeper: Send + Sync + fmt::Debug {
    /// What was last kept of an account, by whichever process.
    fn load<'a>(&'a self, account: &'a str) -> BoxFuture<'a, Result<Option<String>, AdapterError>>;

    /// Takes the lock for so long (at most five minutes); `None` while somebody else has it.
    fn lock<'a>(&'a self, account: &'a str, ttl: Duration) -> BoxFuture<'a, Result<Option<SessionLock>, AdapterError>>;

    /// Gives the lock back, and keeps a text (at most 16 KiB) if there is one. False when the lock had run out and was taken by
    /// somebody else: nothing is kept then.
    fn unlock<'a>(&'a self, lock: &'a SessionLock, keep: Option<&'a str>) -> BoxFuture<'a, Result<bool, AdapterError>>;
}
