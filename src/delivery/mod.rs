//! Messages to venues' software are sent: due ones, in their booking's order, until they are delivered or dead.
//!
//! ```text
//! policy   what follows from an attempt: the next one, a rest, the end. Pure
//! worker   due messages → sinks → what became of them
//! replay   an operator asks for messages again
//! shown    messages as operators see them
//! ```
//!
//! Level-triggered: a message waits in the store with a date, and whoever claims it first sends it; a process that dies leaves
//! claims that run out. The same message may therefore arrive twice, with the same id.
//!
//! Invariants: one endpoint that hangs costs the others nothing; nothing is dropped in silence.

mod policy;
mod replay;
mod shown;
mod worker;

use passerelle_contract::{Adapter, BoxFuture};
use std::sync::Arc;

use crate::store::StoreError;

pub use replay::{ReplayRefused, ReplayRequest, Replayed, replay, replay_one};
pub use shown::{attempt_object, endpoint_object, message_object};
pub use worker::run;

/// Where the sinks are.
pub trait Sinks: Send + Sync {
    /// The adapter of a connection that messages are sent to; `None` when there is none (any more), or while it cannot be made.
    fn sink<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<Option<Arc<dyn Adapter>>, StoreError>>;
}
