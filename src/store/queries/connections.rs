//! Connections as they were applied.

use sqlx::Row as _;

use super::{
    Applied, Connection, ConnectionRecord, KnownConnection, Lease, Millis, Row, StoreError, leases, narrow, state,
};
use crate::store::records::Change;

/// Creates or changes a connection.
pub(super) async fn apply(c: &mut Connection, new: &ConnectionRecord, now: Millis) -> Result<Applied, StoreError> {
    let Some(old) = lock(c, &new.id).await? else {
        return match insert(c, new, now).await? {
            true => Ok(Applied::Created),
            // Somebody else created it between our look and our insert; the next look finds it.
            false => match lock(c, &new.id).await? {
                Some(old) => change(c, &old, new, now).await,
                None => Err(StoreError::unknown(&new.id)),
            },
        };
    };
    change(c, &old, new, now).await
}

async fn change(
    c: &mut Connection,
    old: &ConnectionRecord,
    new: &ConnectionRecord,
    now: Millis,
) -> Result<Applied, StoreError> {
    let change = Change::between(old, new);
    if change.fields.is_empty() {
        return Ok(Applied::Unchanged);
    }
    update(c, new, change.starts_over).await?;
    if change.starts_over {
        sqlx::query(r#"UPDATE connection_state SET "cursor" = NULL WHERE connection = $1"#)
            .bind(&new.id)
            .execute(&mut *c)
            .await?;
    }
    if change.forgets_venue {
        sqlx::query(
            "UPDATE connection_state SET venue_id = NULL, postal_code = NULL, venue_checked_at = NULL \
             WHERE connection = $1",
        )
        .bind(&new.id)
        .execute(&mut *c)
        .await?;
    }
    let due_at = if change.starts_over { now } else { now.saturating_add(i64::from(new.every_seconds) * 1_000) };
    make_due(c, &new.id, due_at).await?;
    Ok(Applied::Changed(change.fields))
}

/// A pass is due at `due_at` at the latest.
pub(super) async fn make_due(c: &mut Connection, id: &str, due_at: Millis) -> Result<(), StoreError> {
    sqlx::query("UPDATE connection_state SET due_at = $2 WHERE connection = $1 AND due_at > $2")
        .bind(id)
        .bind(due_at)
        .execute(c)
        .await?;
    Ok(())
}

/// Is the connection there? Keeps it so, and keeps others who ask the same waiting, until the transaction ends.
pub(super) async fn must_exist(c: &mut Connection, id: &str) -> Result<(), StoreError> {
    let row = sqlx::query(concat!("SELECT 1 FROM connection WHERE id = $1", for_update!()))
        .bind(id)
        .fetch_optional(c)
        .await?;
    row.map(|_| ()).ok_or_else(|| StoreError::unknown(id))
}

pub(super) async fn all(c: &mut Connection) -> Result<Vec<ConnectionRecord>, StoreError> {
    let rows = sqlx::query("SELECT * FROM connection ORDER BY id").fetch_all(c).await?;
    rows.iter().map(record).collect()
}

pub(super) async fn known(c: &mut Connection) -> Result<Vec<KnownConnection>, StoreError> {
    let rows = sqlx::query(
        "SELECT c.*, s.*, EXISTS (SELECT 1 FROM held_plan h WHERE h.connection = c.id) AS is_held \
         FROM connection c JOIN connection_state s ON s.connection = c.id ORDER BY c.id",
    )
    .fetch_all(c)
    .await?;
    let known = |row: &Row| {
        Ok(KnownConnection { record: record(row)?, state: state::of_row(row)?, is_held: row.try_get("is_held")? })
    };
    rows.iter().map(known).collect()
}

pub(super) async fn one(c: &mut Connection, id: &str) -> Result<Option<ConnectionRecord>, StoreError> {
    let row = sqlx::query("SELECT * FROM connection WHERE id = $1").bind(id).fetch_optional(c).await?;
    row.as_ref().map(record).transpose()
}

async fn lock(c: &mut Connection, id: &str) -> Result<Option<ConnectionRecord>, StoreError> {
    let row = sqlx::query(concat!("SELECT * FROM connection WHERE id = $1", for_update!()))
        .bind(id)
        .fetch_optional(c)
        .await?;
    row.as_ref().map(record).transpose()
}

/// False when it is there already.
async fn insert(c: &mut Connection, new: &ConnectionRecord, now: Millis) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO connection \
         (id, adapter, account, venue, siret, every_seconds, settings, base_dir, allow_private_addresses, paused, chain, \
         guard, revision) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1) ON CONFLICT (id) DO NOTHING",
    )
    .bind(&new.id)
    .bind(&new.adapter)
    .bind(&new.account)
    .bind(new.venue)
    .bind(&new.siret)
    .bind(i64::from(new.every_seconds))
    .bind(new.settings.to_string())
    .bind(&new.base_dir)
    .bind(new.allow_private_addresses)
    .bind(new.paused)
    .bind(&new.chain)
    .bind(guard(new))
    .execute(&mut *c)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query("INSERT INTO connection_state (connection, due_at, failures) VALUES ($1, $2, 0)")
        .bind(&new.id)
        .bind(now)
        .execute(&mut *c)
        .await?;
    leases::create(c, &new.id).await?;
    Ok(true)
}

async fn update(c: &mut Connection, new: &ConnectionRecord, starts_over: bool) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE connection SET adapter = $2, account = $3, venue = $4, siret = $5, every_seconds = $6, settings = $7, \
         base_dir = $8, allow_private_addresses = $9, revision = revision + $10, chain = $11, guard = $12 WHERE id = $1",
    )
    .bind(&new.id)
    .bind(&new.adapter)
    .bind(&new.account)
    .bind(new.venue)
    .bind(&new.siret)
    .bind(i64::from(new.every_seconds))
    .bind(new.settings.to_string())
    .bind(&new.base_dir)
    .bind(new.allow_private_addresses)
    .bind(i64::from(starts_over))
    .bind(&new.chain)
    .bind(guard(new))
    .execute(c)
    .await?;
    Ok(())
}

/// False when there is no such connection.
pub(super) async fn set_paused(c: &mut Connection, id: &str, paused: bool, now: Millis) -> Result<bool, StoreError> {
    let done =
        sqlx::query("UPDATE connection SET paused = $2 WHERE id = $1").bind(id).bind(paused).execute(&mut *c).await?;
    if done.rows_affected() > 0 && !paused {
        make_due(c, id, now).await?;
    }
    Ok(done.rows_affected() > 0)
}

/// Everything keyed by it goes with it (`ON DELETE CASCADE`), but for its probes, which have no such key.
pub(super) async fn remove(c: &mut Connection, lease: &Lease) -> Result<bool, StoreError> {
    if one(c, &lease.connection).await?.is_none() {
        return Ok(false);
    }
    leases::check(c, lease).await?;
    for statement in [
        "DELETE FROM probe_verdict WHERE subject = $1",
        "DELETE FROM probe_change WHERE subject = $1",
        // Nobody is left to be told. Bookings and tickets stay.
        "DELETE FROM delivery_attempt WHERE connection = $1",
        "DELETE FROM message WHERE connection = $1",
        "DELETE FROM endpoint WHERE connection = $1",
        "DELETE FROM connection WHERE id = $1",
    ] {
        sqlx::query(statement).bind(&lease.connection).execute(&mut *c).await?;
    }
    Ok(true)
}

fn guard(connection: &ConnectionRecord) -> Option<String> {
    serde_json::to_string(&connection.guard).ok()
}

fn record(row: &Row) -> Result<ConnectionRecord, StoreError> {
    let id: String = row.try_get("id")?;
    let settings = serde_json::from_str(row.try_get("settings")?)
        .map_err(|error| StoreError::Corrupt(format!("settings of `{id}`: {error}")))?;
    Ok(ConnectionRecord {
        chain: row.try_get("chain")?,
        adapter: row.try_get("adapter")?,
        account: row.try_get("account")?,
        venue: row.try_get("venue")?,
        siret: row.try_get("siret")?,
        every_seconds: narrow(row.try_get("every_seconds")?, "every_seconds")?,
        settings,
        base_dir: row.try_get("base_dir")?,
        allow_private_addresses: row.try_get("allow_private_addresses")?,
        paused: row.try_get("paused")?,
        guard: row
            .try_get::<Option<String>, _>("guard")?
            .and_then(|limits| serde_json::from_str(&limits).ok())
            .unwrap_or_default(),
        id,
    })
}
