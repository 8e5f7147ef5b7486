//! What has been learnt of connections, and which are due.

use sqlx::Row as _;

use super::{Connection, ConnectionState, DueConnection, Lease, Millis, Row, StoreError, millis, narrow, text};
use crate::clock;
use crate::store::LEASE;

pub(super) async fn read(c: &mut Connection, connection: &str) -> Result<ConnectionState, StoreError> {
    let row =
        sqlx::query("SELECT * FROM connection_state WHERE connection = $1").bind(connection).fetch_optional(c).await?;
    row.as_ref().map_or_else(|| Ok(ConnectionState::default()), of_row)
}

pub(super) fn of_row(row: &Row) -> Result<ConnectionState, StoreError> {
    Ok(ConnectionState {
        venue_id: row.try_get("venue_id")?,
        postal_code: row.try_get("postal_code")?,
        venue_checked_at: row.try_get("venue_checked_at")?,
        cursor: row.try_get("cursor")?,
        last_success_at: row.try_get("last_success_at")?,
        last_snapshot_at: row.try_get("last_snapshot_at")?,
        due_at: row.try_get("due_at")?,
        failures: narrow(row.try_get("failures")?, "failures")?,
        last_error: row.try_get("last_error")?,
        quarantine_digest: row.try_get::<Option<i64>, _>("quarantine_digest")?.map(i64::cast_unsigned),
        refusals_checked_on: row
            .try_get::<Option<i64>, _>("refusals_checked_on")?
            .and_then(|day| u16::try_from(day).ok()),
        // Counts of an unchanged pass: without them it counts what the last recorded one did.
        last_read: row.try_get::<Option<String>, _>("last_read")?.and_then(|counts| serde_json::from_str(&counts).ok()),
        partial_passes: from_json(row.try_get("partial_passes")?),
        released: from_json(row.try_get("released")?),
    })
}

/// What only helps to tell is left out when it cannot be read.
fn from_json<T: serde::de::DeserializeOwned>(text: Option<String>) -> Option<T> {
    text.and_then(|text| serde_json::from_str(&text).ok())
}

/// Replaces what is known. When the connection was changed after the lease was taken, the pass was still run with the old
/// settings: its cursor, its venue and its next date must not outlive it.
pub(super) async fn save(c: &mut Connection, lease: &Lease, state: &ConnectionState) -> Result<(), StoreError> {
    let is_current = sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM connection c JOIN connection_lease l ON l.connection = c.id AND l.revision = c.revision \
         WHERE c.id = $1",
    )
    .bind(&lease.connection)
    .fetch_one(&mut *c)
    .await?
        > 0;
    sqlx::query(
        "UPDATE connection_state SET last_success_at = $2, last_snapshot_at = $3, failures = $4, last_error = $5, \
         quarantine_digest = $6, refusals_checked_on = $7, last_read = $8, \
         partial_passes = $9, released = $10 WHERE connection = $1",
    )
    .bind(&lease.connection)
    .bind(state.last_success_at)
    .bind(state.last_snapshot_at)
    .bind(i64::from(state.failures))
    .bind(state.last_error.as_deref().map(text))
    .bind(state.quarantine_digest.map(u64::cast_signed))
    .bind(state.refusals_checked_on.map(i64::from))
    .bind(state.last_read.as_ref().and_then(|counts| serde_json::to_string(counts).ok()))
    .bind(state.partial_passes.as_ref().and_then(|passes| serde_json::to_string(passes).ok()))
    .bind(state.released.as_ref().and_then(|released| serde_json::to_string(released).ok()))
    .execute(&mut *c)
    .await?;
    if is_current {
        sqlx::query(
            r#"UPDATE connection_state SET venue_id = $2, postal_code = $3, venue_checked_at = $4, "cursor" = $5,
               due_at = $6 WHERE connection = $1"#,
        )
        .bind(&lease.connection)
        .bind(state.venue_id)
        .bind(&state.postal_code)
        .bind(state.venue_checked_at)
        .bind(&state.cursor)
        .bind(state.due_at)
        .execute(c)
        .await?;
    }
    Ok(())
}

/// Due at `$1`: its date is past, or further ahead than its period and `$2`, or something waits in its inbox.
macro_rules! is_due {
    () => {
        "(s.due_at <= $1 OR s.due_at > $1 + c.every_seconds * 1000 + $2 \
         OR EXISTS (SELECT 1 FROM inbound i WHERE i.connection = c.id))"
    };
}

/// A few thousand connections are joined in milliseconds; the inbox test is served by `inbound_by_connection`.
pub(super) async fn due(c: &mut Connection, now: Millis, limit: u32) -> Result<Vec<DueConnection>, StoreError> {
    let rows = sqlx::query(concat!(
        "SELECT c.id, c.account, c.revision, s.failures, CASE WHEN s.due_at <= $1 THEN s.due_at ELSE $1 END AS since \
         FROM connection c \
         JOIN connection_state s ON s.connection = c.id \
         JOIN connection_lease l ON l.connection = c.id \
         WHERE NOT c.paused AND (l.owner_id IS NULL OR l.until <= $1 OR l.until > $3) AND ",
        is_due!(),
        " ORDER BY since, c.id LIMIT $4"
    ))
    .bind(now)
    .bind(clock::TOLERANCE)
    .bind(now.saturating_add(millis(LEASE)).saturating_add(clock::TOLERANCE))
    .bind(i64::from(limit))
    .fetch_all(c)
    .await?;
    let due = |row: &Row| {
        Ok(DueConnection {
            id: row.try_get("id")?,
            account: row.try_get("account")?,
            revision: row.try_get("revision")?,
            due_at: row.try_get("since")?,
            failures: narrow(row.try_get("failures")?, "failures")?,
        })
    };
    rows.iter().map(due).collect()
}

pub(super) async fn is_due(c: &mut Connection, connection: &str, now: Millis) -> Result<bool, StoreError> {
    let found: Option<i64> = sqlx::query_scalar(concat!(
        "SELECT s.due_at FROM connection c JOIN connection_state s ON s.connection = c.id \
         WHERE c.id = $3 AND NOT c.paused AND ",
        is_due!()
    ))
    .bind(now)
    .bind(clock::TOLERANCE)
    .bind(connection)
    .fetch_optional(c)
    .await?;
    Ok(found.is_some())
}
