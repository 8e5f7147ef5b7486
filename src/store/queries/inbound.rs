//! Bodies that vendors posted.
//!
//! Invariant: per connection ids rise in the order in which bodies become visible, so that forgetting up to an id that was
//! read never forgets one that was not.

use sqlx::Row as _;

use super::{Connection, Inbound, Millis, Row, StoreError, connections};

/// How long an idempotency key is remembered.
const KEY_LIFE: Millis = 24 * 60 * 60 * 1_000;
/// Bytes of an idempotency key; an index entry of PostgreSQL holds 2 704.
const KEY_BYTES: usize = 512;

/// A body as it arrived.
#[derive(Debug)]
pub(super) struct NewBody<'a> {
    pub(super) connection: &'a str,
    pub(super) snapshot: bool,
    pub(super) body: &'a [u8],
    pub(super) idempotency_key: Option<&'a str>,
    pub(super) received_at: Millis,
}

/// Its id, or that of the body stored under the same key before; nothing when too many wait.
pub(super) async fn store(c: &mut Connection, new: &NewBody<'_>, max_waiting: u32) -> Result<Option<i64>, StoreError> {
    if new.idempotency_key.is_some_and(|key| key.len() > KEY_BYTES || key.contains('\0')) {
        return Err(StoreError::Invalid(format!("an idempotency key has at most {KEY_BYTES} bytes and no NUL")));
    }
    // One body of a connection at a time: see the invariant, and the count below.
    connections::must_exist(c, new.connection).await?;
    forget_old_keys(c, new.connection, new.received_at - KEY_LIFE).await?;
    if let Some(key) = new.idempotency_key
        && let Some(id) = stored_under(c, new.connection, key).await?
    {
        return Ok(Some(id));
    }
    let waiting: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM inbound WHERE connection = $1")
        .bind(new.connection)
        .fetch_one(&mut *c)
        .await?;
    if waiting >= i64::from(max_waiting) {
        return Ok(None);
    }
    let id = insert(c, new).await?;
    connections::make_due(c, new.connection, new.received_at).await?;
    Ok(Some(id))
}

async fn forget_old_keys(c: &mut Connection, connection: &str, older_than: Millis) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM inbound_key WHERE connection = $1 AND received_at < $2")
        .bind(connection)
        .bind(older_than)
        .execute(c)
        .await?;
    Ok(())
}

async fn stored_under(c: &mut Connection, connection: &str, key: &str) -> Result<Option<i64>, StoreError> {
    let id = sqlx::query_scalar("SELECT inbound_id FROM inbound_key WHERE connection = $1 AND key = $2")
        .bind(connection)
        .bind(key)
        .fetch_optional(c)
        .await?;
    Ok(id)
}

async fn insert(c: &mut Connection, new: &NewBody<'_>) -> Result<i64, StoreError> {
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO inbound (connection, received_at, snapshot, body) VALUES ($1, $2, $3, $4) RETURNING id",
    )
    .bind(new.connection)
    .bind(new.received_at)
    .bind(new.snapshot)
    .bind(new.body)
    .fetch_one(&mut *c)
    .await?;
    if let Some(key) = new.idempotency_key {
        sqlx::query("INSERT INTO inbound_key (connection, key, inbound_id, received_at) VALUES ($1, $2, $3, $4)")
            .bind(new.connection)
            .bind(key)
            .bind(id)
            .bind(new.received_at)
            .execute(c)
            .await?;
    }
    Ok(id)
}

pub(super) async fn oldest(c: &mut Connection, connection: &str, limit: u32) -> Result<Vec<Inbound>, StoreError> {
    let rows = sqlx::query("SELECT * FROM inbound WHERE connection = $1 ORDER BY id LIMIT $2")
        .bind(connection)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?;
    rows.iter().map(body).collect()
}

pub(super) async fn forget(c: &mut Connection, connection: &str, up_to: i64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM inbound WHERE connection = $1 AND id <= $2")
        .bind(connection)
        .bind(up_to)
        .execute(c)
        .await?;
    Ok(())
}

fn body(row: &Row) -> Result<Inbound, StoreError> {
    Ok(Inbound {
        id: row.try_get("id")?,
        connection: row.try_get("connection")?,
        received_at: row.try_get("received_at")?,
        snapshot: row.try_get("snapshot")?,
        body: row.try_get("body")?,
    })
}
