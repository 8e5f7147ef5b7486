//! Sessions at vendors that allow an account only one: who may sign in, and what was kept.
//!
//! Invariants: of the takers of a session's lock at most one has it at a time, and only the newest of them can keep something. What
//! is kept comes sealed; the store cannot read it.

use passerelle_contract::BoxFuture;

use super::{Millis, StoreError};

/// Longest time for which a lock is taken. One that is taken for longer was written by a clock that is wrong, and counts as free.
pub const LONGEST_LOCK: Millis = 5 * 60 * 1_000;
/// Longest text that is kept, in bytes.
pub const LONGEST_KEPT: usize = 16 * 1024;
/// A session that nobody took for this long is forgotten: tokens live a day.
pub const FORGOTTEN_AFTER: Millis = 30 * 24 * 3_600 * 1_000;

/// Sessions of vendor accounts, shared by every process with this store.
pub trait SessionStore {
    /// What is kept of an account.
    fn session<'a>(&'a self, account: &'a str) -> BoxFuture<'a, Result<Option<String>, StoreError>>;
    /// Takes the lock of an account until then, at most [`LONGEST_LOCK`] from now; its fence, or `None` while somebody else has
    /// it. Forgets sessions that nobody takes any more.
    fn lock_session<'a>(
        &'a self,
        account: &'a str,
        now: Millis,
        until: Millis,
    ) -> BoxFuture<'a, Result<Option<i64>, StoreError>>;
    /// Gives the lock with this fence back, and keeps a text if there is one. False when a newer one was taken: nothing is kept.
    fn unlock_session<'a>(
        &'a self,
        account: &'a str,
        fence: i64,
        keep: Option<&'a str>,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
}
