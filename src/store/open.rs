//! Opening a store by its URL.

use std::sync::Arc;

use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use super::{Store, StoreError};

/// What this release understands; a store whose `compatibility.oldest_reader` is higher is refused.
pub(super) const READS: i64 = 3;

/// Opens the store that a URL names and brings its tables up to date: `sqlite:PATH`, `sqlite::memory:` (gone when closed, for
/// tests) or `postgres://…`.
///
/// Tables that a newer release added are left alone, so two releases can work side by side on one store.
///
/// # Errors
/// [`StoreError::Unavailable`] with the place and the reason; [`StoreError::Corrupt`] when a newer release shut this one out
/// or the file is not a database.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return Ok(Arc::new(SqliteStore::open(path).await?));
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Arc::new(PostgresStore::open(url).await?));
    }
    // The URL itself may hold a password.
    Err(StoreError::Unavailable {
        place: "`[store] url`".to_owned(),
        why: "it begins with neither `sqlite:` nor `postgres://`".to_owned(),
    })
}

/// Refuses a store that only newer releases may read.
pub(super) fn check_compatibility(oldest_reader: i64, place: &str) -> Result<(), StoreError> {
    if oldest_reader > READS {
        return Err(StoreError::Corrupt(format!(
            "{place} was changed by a newer release that this one must not work beside; upgrade this one"
        )));
    }
    Ok(())
}

/// A migration that went wrong, as an error of the store.
pub(super) fn migration_error(error: sqlx::migrate::MigrateError, place: &str) -> StoreError {
    use sqlx::migrate::MigrateError;
    match error {
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => StoreError::from(source).at(place),
        other => StoreError::Corrupt(format!("{place}: {other}")),
    }
}
