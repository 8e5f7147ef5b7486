//! Notifications become durable before they are answered.
//!
//! Those that come at once share a transaction: a store that must reach the disk for each would be the limit.
//!
//! Invariant: an answer is given after the commit that holds its notification, or it is an error.

use std::sync::{Arc, OnceLock};

use tokio::sync::{mpsc, oneshot};

use crate::store::products::Notified;
use crate::store::{Store, StoreError};

/// Notifications that may wait for their transaction; beyond, senders wait.
const MOST_WAITING: usize = 2_000;
/// Notifications of one transaction.
const MOST_TOGETHER: usize = 200;

type Waiting = (Notified, oneshot::Sender<Result<bool, StoreError>>);

/// Stores notifications. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Intake {
    store: Arc<dyn Store>,
    queue: Arc<OnceLock<mpsc::Sender<Waiting>>>,
}

impl Intake {
    /// Over a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, queue: Arc::default() }
    }

    /// Stores one; was it news?
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn take(&self, notified: Notified) -> Result<bool, StoreError> {
        let queue = self.queue.get_or_init(|| {
            let (queue, waiting) = mpsc::channel(MOST_WAITING);
            tokio::spawn(store_all(Arc::clone(&self.store), waiting));
            queue
        });
        let (answer, answered) = oneshot::channel();
        let gone =
            || StoreError::Unavailable { place: "notifications".to_owned(), why: "the gateway is stopping".to_owned() };
        queue.send((notified, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

async fn store_all(store: Arc<dyn Store>, mut waiting: mpsc::Receiver<Waiting>) {
    let mut together = Vec::with_capacity(MOST_TOGETHER);
    while waiting.recv_many(&mut together, MOST_TOGETHER).await > 0 {
        let (notices, answers): (Vec<Notified>, Vec<_>) = together.drain(..).unzip();
        match store.notified(&notices).await {
            Ok(news) => {
                for (answer, is_news) in answers.into_iter().zip(news) {
                    let _ = answer.send(Ok(is_news));
                }
            }
            // What one of them did wrong must not cost the others.
            Err(_) => {
                for (answer, notice) in answers.into_iter().zip(&notices) {
                    let stored = store.notified(std::slice::from_ref(notice)).await;
                    let _ = answer.send(stored.map(|news| news.contains(&true)));
                }
            }
        }
    }
}
