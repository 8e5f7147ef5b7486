//! One sale at a time for each session, over all connections of this process.
//!
//! The vendor is not known to refuse what is sold out when another system orders it: what is left is read right before, and nobody
//! else of this process may sell in between.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

type Turns = HashMap<String, Weak<Turn<()>>>;

static TURNS: LazyLock<Mutex<Turns>> = LazyLock::new(Mutex::default);

/// Waits for the turn at a session of a vendor's address; `None` when it did not come in time. Ends when dropped.
pub(crate) async fn enter(session: String, within: Duration) -> Option<OwnedMutexGuard<()>> {
    tokio::time::timeout(within, turn(session).lock_owned()).await.ok()
}

fn turn(session: String) -> Arc<Turn<()>> {
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = turns.get(&session).and_then(Weak::upgrade) {
        return known;
    }
    // Sessions that nobody waits for go, so that the map stays as small as the traffic.
    turns.retain(|_, turn| turn.strong_count() > 0);
    let fresh = Arc::new(Turn::new(()));
    turns.insert(session, Arc::downgrade(&fresh));
    fresh
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_session_has_one_turn_and_others_are_free() {
        let soon = Duration::from_millis(50);
        let first = enter("a-1".to_owned(), soon).await;
        assert!(first.is_some());
        assert!(enter("a-1".to_owned(), soon).await.is_none());
        assert!(enter("a-2".to_owned(), soon).await.is_some());
        drop(first);
        assert!(enter("a-1".to_owned(), soon).await.is_some());
    }
}
