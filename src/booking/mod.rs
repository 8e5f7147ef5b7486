//! The booking river: pass Culture → vendor → pass Culture.
//!
//! ```text
//! desk      a beneficiary's message → intent → vendor → answer, within pass Culture's time
//! cancel    tickets named by barcode → vendor → answer
//! doubt     which tickets are void → the vendor is asked before a person is
//! settle    what was left open → a truth: held, void, or in front of a person
//! machine   what may happen to a booking and what follows: pure
//! keeper    one booking's row, moved by compare-and-swap
//! advice    what a person is to do about it: pure
//! telling   what the venue's software is told of a move: pure
//! ```
//!
//! The order of things is always: store what will be done, do it, store what became of it. No transaction and no lock of the
//! store is open while a vendor is called. Work that has begun is finished even when nobody waits for the answer any more.
//!
//! Invariant: this room decides what becomes of a seat, and nothing else does.

mod advice;
mod cancel;
mod desk;
mod doubt;
mod keeper;
pub mod machine;
mod order;
mod settle;
mod telling;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use passerelle_contract::{Adapter, BoxFuture};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::passculture::Client;
use crate::store::bookings::BookingEvent;
use crate::store::{Millis, Owner, Store};

pub use advice::to_do;
pub use settle::{Settled, Waits};

/// Until then a booking or a cancellation is decided, counted from the first byte of its message. pass Culture documents 8 s.
pub const DECIDE_WITHIN: Duration = Duration::from_millis(6_000);
/// What a vendor is given of it: the rest is for writing down what became of it.
const VENDOR_WITHIN: Duration = Duration::from_millis(5_600);
/// Until then an answer leaves, whatever the store does; later no success is ever told (7 s).
const ANSWER_WITHIN: Duration = Duration::from_millis(6_700);
/// Messages of one connection under way at once: a vendor that hangs fills its own places and nobody else's.
const PLACES_OF_A_CONNECTION: usize = 64;
/// Messages under way at once in one process.
const PLACES: usize = 512;

/// What the desk needs of the house around it.
pub trait House: Send + Sync {
    /// The adapter of a connection, shared with everybody who uses that connection in this process. `date` is the key of what is
    /// sold: an adapter that did not state it is never given, since its numbers mean something else.
    fn adapter<'a>(&'a self, connection: &'a str, date: &'a str) -> BoxFuture<'a, Result<Arc<dyn Adapter>, String>>;

    /// The client of a pass Culture account.
    ///
    /// # Errors
    /// Why there is none, in a sentence.
    fn passculture(&self, account: &str) -> Result<Client, String>;
}

/// Takes bookings and cancellations, and settles. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    house: Arc<dyn House>,
    owner: Owner,
    now: fn() -> Millis,
    places: Arc<Semaphore>,
    of_connections: Mutex<HashMap<String, Arc<Semaphore>>>,
    tasks: TaskTracker,
}

/// A message's place among those under way.
struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_connection: OwnedSemaphorePermit,
}

impl Desk {
    /// A desk over a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, house: Arc<dyn House>, owner: Owner, now: fn() -> Millis) -> Self {
        let inner = Inner {
            store,
            house,
            owner,
            now,
            places: Arc::new(Semaphore::new(PLACES)),
            of_connections: Mutex::default(),
            tasks: TaskTracker::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Waits for what is under way: every call to a vendor has a limit, so this ends.
    pub async fn finish(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    fn store(&self) -> &dyn Store {
        self.inner.store.as_ref()
    }

    fn now(&self) -> Millis {
        (self.inner.now)()
    }

    /// `None` when too much is under way, for this connection or in all: better no at once than no after 6 s.
    fn place(&self, connection: &str) -> Option<Place> {
        let of_connection = {
            let mut known = self.inner.of_connections.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(
                known.entry(connection.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(PLACES_OF_A_CONNECTION))),
            )
        };
        let of_connection = of_connection.try_acquire_owned().ok()?;
        let of_all = Arc::clone(&self.inner.places).try_acquire_owned().ok()?;
        Some(Place { _of_all: of_all, _of_connection: of_connection })
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Desk")
    }
}

fn line(at: Millis, code: &str, text: impl Into<String>) -> BookingEvent {
    BookingEvent { at, code: code.to_owned(), text: text.into() }
}
