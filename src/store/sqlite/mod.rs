//! The store on SQLite: one file, several processes.
//!
//! One connection writes and several read; all of them see WAL snapshots, so that reading never waits. Every writing
//! transaction begins with `BEGIN IMMEDIATE`: what it reads first cannot change before it writes, whichever process asks.
//!
//! Invariants: the file is made readable for its owner alone; a writer whose BEGIN, COMMIT or ROLLBACK failed is replaced before
//! anybody writes again, so that a disk that was full for an instant costs what was being written then and nothing else.

mod file;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use passerelle_contract::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::{SqlitePool, Transaction};
use tokio::sync::watch;

use super::turns::Turns;
use super::{StoreError, WakeUps};

type Db = sqlx::Sqlite;
type Row = sqlx::sqlite::SqliteRow;
type Engine = SqliteStore;

/// There is one writer: nothing to lock.
macro_rules! for_update {
    () => {
        ""
    };
}

/// There is one writer: nothing to pass over.
macro_rules! skip_locked {
    () => {
        ""
    };
}

/// Membership in a list bound as one parameter, a JSON array.
macro_rules! one_of {
    ($parameter:literal) => {
        concat!("IN (SELECT value FROM json_each(", $parameter, "))")
    };
}

fn numbers(values: impl Iterator<Item = i64>) -> String {
    serde_json::Value::from_iter(values).to_string()
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> String {
    serde_json::Value::from_iter(values).to_string()
}

#[path = "../queries/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "the same queries, compiled for each engine")]
mod queries;

/// The store in one SQLite file.
#[derive(Debug)]
pub(super) struct SqliteStore {
    place: String,
    writer: SqlitePool,
    readers: SqlitePool,
    doubted: Arc<AtomicBool>,
    turns: Turns,
    /// Something became due in the transaction under way.
    has_due: AtomicBool,
    due: watch::Sender<()>,
    told: watch::Sender<()>,
}

impl SqliteStore {
    /// Opens the file, making it when it is not there, and brings its tables up to date.
    pub(super) async fn open(path: &str) -> Result<Self, StoreError> {
        let file::Opened { place, writer, readers, doubted } = file::open(path).await?;
        Ok(Self {
            place,
            writer,
            readers,
            doubted,
            turns: Turns::default(),
            has_due: AtomicBool::new(false),
            due: watch::Sender::new(()),
            told: watch::Sender::new(()),
        })
    }

    async fn reader(&self) -> Result<PoolConnection<Db>, StoreError> {
        Ok(self.readers.acquire().await?)
    }

    async fn begin(&self) -> Result<Transaction<'static, Db>, StoreError> {
        let begun = self.writer.begin_with("BEGIN IMMEDIATE").await;
        begun.map_err(|error| self.doubt(error))
    }

    async fn commit(&self, transaction: Transaction<'static, Db>) -> Result<(), StoreError> {
        transaction.commit().await.map_err(|error| self.doubt(error))
    }

    /// The writer is not to be trusted with another transaction.
    fn doubt(&self, error: sqlx::Error) -> StoreError {
        self.doubted.store(true, Ordering::Release);
        error.into()
    }

    fn fail(&self, error: StoreError) -> StoreError {
        error.at(&self.place)
    }

    /// Wakes those who wait once the transaction is committed, since they read beside it.
    async fn wake(&self, _: &mut sqlx::SqliteConnection, _: &str) -> Result<(), StoreError> {
        self.has_due.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn committed(&self) {
        if self.has_due.swap(false, Ordering::Relaxed) {
            self.due.send_replace(());
        }
    }

    /// Wakes those who deliver messages, when there are any.
    fn wake_delivery(&self, any: bool) {
        if any {
            self.told.send_replace(());
        }
    }

    fn listener(&self) -> Box<dyn WakeUps> {
        Box::new(InProcess(self.due.subscribe()))
    }
}

/// Wake-ups from this process; other processes with the same file are found by polling.
struct InProcess(watch::Receiver<()>);

impl WakeUps for InProcess {
    fn next(&mut self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.0.changed().await.map_err(|_| StoreError::Unavailable {
                place: "SQLite".to_owned(),
                why: "the store was closed".to_owned(),
            })
        })
    }
}
