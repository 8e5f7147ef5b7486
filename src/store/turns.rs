//! One task of this process at a time changes a connection's ledger.
//!
//! Other processes are kept out by the lease; this keeps two tasks under one lease from reading a page, changing it apart
//! and writing it twice. Invariant: never held across anything but the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Held while a ledger is changed; dropping it lets the next task in.
#[derive(Debug)]
pub struct LedgerTurn(#[allow(dead_code, reason = "held for its drop")] OwnedMutexGuard<()>);

/// One turn per connection; as many as there are connections in use.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<String, Arc<Turn<()>>>>);

impl Turns {
    /// Waits for the connection's turn.
    pub(super) async fn take(&self, connection: &str) -> LedgerTurn {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Those nobody holds or waits for are forgotten, so that the map is as large as the work in hand.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(connection.to_owned()).or_default())
        };
        LedgerTurn(turn.lock_owned().await)
    }
}
