//! What the store knows of the servers that use it: where each listens, and when it last wrote.
//!
//! A server says every few seconds that it can write. One that lives and has stopped saying so cannot, whatever another process on
//! the same machine can: its own limits, its own mount, its own connection may be at fault.
//!
//! Invariant: a row is removed by its own server when that ends, or by another once its process is gone.

use passerelle_contract::BoxFuture;

use super::{Millis, Owner, StoreError};

/// Rows beyond this are not listed: a store has fewer servers.
pub const MOST_SERVERS: u32 = 100;
/// A server that has not written for so long is gone: one that cannot write ends itself long before.
pub const FORGOTTEN_AFTER: Millis = 24 * 3_600 * 1_000;

/// One server. Keyed by its owner's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerRow {
    /// Its process.
    pub owner: Owner,
    /// Where it listens: `127.0.0.1:8080`.
    pub address: String,
    /// When it began.
    pub since: Millis,
    /// When it last wrote this.
    pub beat_at: Millis,
}

/// Servers of the store.
pub trait ServerStore {
    /// Writes that a server is there and can write; forgets those that stopped saying so a day ago.
    fn beat<'a>(&'a self, server: &'a ServerRow) -> BoxFuture<'a, Result<(), StoreError>>;
    /// All servers, the oldest first; at most [`MOST_SERVERS`].
    fn servers(&self) -> BoxFuture<'_, Result<Vec<ServerRow>, StoreError>>;
    /// Removes a server that ended.
    fn forget_server<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;
}
