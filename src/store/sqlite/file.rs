//! Opening a SQLite file so that people understand why when it cannot be.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, SqlitePool};

use crate::store::StoreError;
use crate::store::open::{check_compatibility, migration_error};

static MIGRATIONS: Migrator = Migrator { ignore_missing: true, ..sqlx::migrate!("./schemas/migrations/sqlite") };

/// Readers beside the one writer.
const READERS: u32 = 4;
/// How long a statement waits for another process's transaction, and opening for another process's opening.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts to open.
const PAUSE: Duration = Duration::from_millis(20);
/// Page cache of one connection, in KiB (negative, as SQLite wants it): five connections stay below 20 MiB.
const CACHE: &str = "-4000";
/// A write-ahead log that a large transaction blew up is cut back to this, in bytes.
const LOG_LIMIT: &str = "67108864";

/// An open file.
pub(super) struct Opened {
    pub(super) place: String,
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
    /// Set when the writer's BEGIN or COMMIT failed: its next use gets a new connection.
    pub(super) doubted: Arc<AtomicBool>,
}

pub(super) async fn open(path: &str) -> Result<Opened, StoreError> {
    let place = format!("SQLite {path}");
    let in_memory = path == ":memory:";
    let options = if in_memory {
        options().in_memory(true)
    } else {
        create(Path::new(path)).map_err(|why| StoreError::Unavailable { place: place.clone(), why })?;
        options().filename(path).journal_mode(SqliteJournalMode::Wal)
    };
    let doubted = Arc::new(AtomicBool::new(false));
    // What lives in memory would be gone with its connection, and knows no failing disk.
    let replaced = (!in_memory).then(|| Arc::clone(&doubted));
    let writer = open_writer(options.clone(), replaced, &place).await?;
    // What lives in memory belongs to one connection.
    let readers = if in_memory {
        writer.clone()
    } else {
        SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(options.read_only(true))
    };
    Ok(Opened { place, writer, readers, doubted })
}

fn options() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
        // An intent must be durable before the call it announces: NORMAL would lose the last transactions with the power.
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", CACHE)
        .pragma("journal_size_limit", LOG_LIMIT)
        .pragma("temp_store", "memory")
    // Pages stay at 4 KiB: with 16 KiB a large ledger reads a quarter faster, but a small commit takes five times as long.
    // No mmap: mapped pages count as resident memory, and a disk error would be a signal instead of an error.
}

/// Connects and migrates. Two processes that open a new file at once step on each other's feet (switching to WAL does not
/// wait, and SQLite's migrations take no lock): whoever fails looks again and finds the other's work done.
async fn open_writer(
    options: SqliteConnectOptions,
    replaced: Option<Arc<AtomicBool>>,
    place: &str,
) -> Result<SqlitePool, StoreError> {
    let begun = Instant::now();
    loop {
        match connect(options.clone(), replaced.clone(), place).await {
            Err(StoreError::Unavailable { .. } | StoreError::Engine(_)) if begun.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
            }
            answer => return answer,
        }
    }
}

async fn connect(
    options: SqliteConnectOptions,
    replaced: Option<Arc<AtomicBool>>,
    place: &str,
) -> Result<SqlitePool, StoreError> {
    let at = |error: sqlx::Error| StoreError::from(error).at(place);
    // One connection until it fails: closing it would lose an in-memory store.
    let mut pool =
        SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None).acquire_timeout(PATIENCE);
    if let Some(doubted) = replaced {
        // A disk error makes SQLite roll back by itself; sqlx's own ROLLBACK then fails, and the connection counts itself
        // inside a transaction for ever. The ping before this has waited for that ROLLBACK.
        pool = pool.before_acquire(move |connection, _| {
            let is_sound = !doubted.swap(false, Ordering::AcqRel) && !connection.is_in_transaction();
            Box::pin(async move { Ok(is_sound) })
        });
    }
    let pool = pool.connect_with(options).await.map_err(at)?;
    MIGRATIONS.run(&pool).await.map_err(|error| migration_error(error, place))?;
    let oldest_reader =
        sqlx::query_scalar("SELECT oldest_reader FROM compatibility").fetch_one(&pool).await.map_err(at)?;
    check_compatibility(oldest_reader, place)?;
    Ok(pool)
}

/// Makes the file with rights for its owner alone (SQLite gives its log the same), or sees that it may be written.
fn create(path: &Path) -> Result<(), String> {
    if path.as_os_str().is_empty() {
        return Err("no file is named; write `sqlite:passerelle.db` in `[store] url`".to_owned());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(format!("there is no folder {}; make it, or name another in `[store] url`", folder.display()));
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if path.is_dir() => Err(format!("it is a folder, not a file ({error})")),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(format!("this user may not write it ({error}); give it the right to write the file and its folder"))
        }
        Err(error) => Err(error.to_string()),
    }
}
