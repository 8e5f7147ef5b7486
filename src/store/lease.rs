//! The right to move one connection's state, and who may take it from whom.
//!
//! Pure. Invariant: at any moment at most one lease of a connection is the newest, because the fence only rises.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Millis;
use crate::clock;

/// How long a lease of a pass lasts without renewal: a dead node's connections move within this time.
pub const LEASE: Duration = Duration::from_secs(30);

/// Who holds a lease: enough to find the process, and to know that it is dead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// New for every process start.
    pub id: String,
    /// Machine (boot id, so that a restarted machine is another one).
    pub host: String,
    /// Process id.
    pub pid: u32,
    /// Start time of the process in clock ticks since boot, so that a reused pid is another process.
    pub started: u64,
    /// What it is doing, for people: `sync`, `serve`.
    pub purpose: String,
}

/// The right to move one connection's state, until it expires or is taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The connection.
    pub connection: String,
    /// Rises with every new holder; writes under an older one are refused.
    pub fence: i64,
    /// The holder.
    pub owner: Owner,
}

/// Answer to asking for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseAnswer {
    /// It is ours.
    Granted(Lease),
    /// Somebody alive has it.
    Held {
        /// Who.
        by: Owner,
        /// When it runs out unless renewed.
        until: Millis,
    },
    /// There is no such connection.
    NoSuchConnection,
}

/// A connection's lease as it stands in the store.
#[derive(Debug)]
pub(super) struct Standing {
    /// The newest fence.
    pub(super) fence: i64,
    /// Who has it; nobody after it was given back.
    pub(super) owner: Option<Owner>,
    /// When it runs out.
    pub(super) until: Millis,
}

impl Standing {
    /// Who holds it at `now`, and until when, unless it is given back, or run out, or lasts longer than leases of `ttl` do: then a
    /// wrong clock wrote it.
    pub(super) fn holder(&self, now: Millis, ttl: Millis) -> Option<(&Owner, Millis)> {
        let stands = self.until > now && !clock::is_ahead(self.until, ttl, now);
        self.owner.as_ref().filter(|_| stands).map(|owner| (owner, self.until))
    }
}
