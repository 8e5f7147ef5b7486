//! Held plans, and passes as remembered.

use sqlx::Row as _;

use super::{Connection, HeldPlan, HeldValue, PassRecord, Row, StoreError, connections, narrow, text};
use crate::store::MOST_HELD_VALUES;

/// Passes remembered of one connection.
const PASSES_KEPT: i64 = 100;

pub(super) async fn read(c: &mut Connection, connection: &str) -> Result<Option<HeldPlan>, StoreError> {
    let row = sqlx::query("SELECT * FROM held_plan WHERE connection = $1").bind(connection).fetch_optional(c).await?;
    let Some(row) = row else { return Ok(None) };
    let reasons = serde_json::from_str(row.try_get("reasons")?)
        .map_err(|error| StoreError::Corrupt(format!("reasons of the held plan of `{connection}`: {error}")))?;
    Ok(Some(HeldPlan {
        since: row.try_get("since")?,
        digest: row.try_get::<i64, _>("digest")?.cast_unsigned(),
        reasons,
        message: row.try_get("message")?,
        message_fr: row.try_get("message_fr")?,
        agreeing: narrow(row.try_get("agreeing")?, "agreeing")?,
        inbound: row.try_get("inbound")?,
        evidence: row
            .try_get::<Option<String>, _>("evidence")?
            .and_then(|evidence| serde_json::from_str(&evidence).ok()),
    }))
}

pub(super) async fn set(c: &mut Connection, connection: &str, held: Option<&HeldPlan>) -> Result<(), StoreError> {
    let Some(held) = held else {
        sqlx::query("DELETE FROM held_plan WHERE connection = $1").bind(connection).execute(c).await?;
        return Ok(());
    };
    sqlx::query(
        "INSERT INTO held_plan (connection, since, digest, reasons, message, message_fr, agreeing, inbound, evidence) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (connection) DO UPDATE SET since = excluded.since, \
         digest = excluded.digest, reasons = excluded.reasons, message = excluded.message, \
         message_fr = excluded.message_fr, agreeing = excluded.agreeing, inbound = excluded.inbound, \
         evidence = excluded.evidence",
    )
    .bind(connection)
    .bind(held.since)
    .bind(held.digest.cast_signed())
    .bind(serde_json::Value::from(held.reasons.as_slice()).to_string())
    .bind(text(&held.message))
    .bind(text(&held.message_fr))
    .bind(i64::from(held.agreeing))
    .bind(held.inbound)
    .bind(held.evidence.as_ref().and_then(|evidence| serde_json::to_string(evidence).ok()))
    .execute(c)
    .await?;
    Ok(())
}

pub(super) async fn record_pass(c: &mut Connection, pass: &PassRecord) -> Result<(), StoreError> {
    // Also keeps two nodes from giving one number twice.
    connections::must_exist(c, &pass.connection).await?;
    let number: i64 = sqlx::query_scalar(
        "INSERT INTO pass (connection, number, started_at, ended_at, outcome, summary) \
         VALUES ($1, (SELECT COALESCE(MAX(number), 0) + 1 FROM pass WHERE connection = $1), $2, $3, $4, $5) \
         RETURNING number",
    )
    .bind(&pass.connection)
    .bind(pass.started_at)
    .bind(pass.ended_at)
    .bind(&pass.outcome)
    .bind(pass.summary.to_string())
    .fetch_one(&mut *c)
    .await?;
    sqlx::query("DELETE FROM pass WHERE connection = $1 AND number <= $2")
        .bind(&pass.connection)
        .bind(number - PASSES_KEPT)
        .execute(c)
        .await?;
    Ok(())
}

pub(super) async fn passes(c: &mut Connection, connection: &str, limit: u32) -> Result<Vec<PassRecord>, StoreError> {
    let rows = sqlx::query("SELECT * FROM pass WHERE connection = $1 ORDER BY number DESC LIMIT $2")
        .bind(connection)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?;
    rows.iter().map(pass).collect()
}

fn pass(row: &Row) -> Result<PassRecord, StoreError> {
    let connection: String = row.try_get("connection")?;
    let summary = serde_json::from_str(row.try_get("summary")?)
        .map_err(|error| StoreError::Corrupt(format!("summary of a pass of `{connection}`: {error}")))?;
    Ok(PassRecord {
        started_at: row.try_get("started_at")?,
        ended_at: row.try_get("ended_at")?,
        outcome: row.try_get("outcome")?,
        summary,
        connection,
    })
}

pub(super) async fn values(c: &mut Connection, connection: &str) -> Result<Vec<HeldValue>, StoreError> {
    let document: Option<String> = sqlx::query_scalar("SELECT document FROM held_value WHERE connection = $1")
        .bind(connection)
        .fetch_optional(c)
        .await?;
    document.map_or_else(
        || Ok(Vec::new()),
        |document| {
            serde_json::from_str(&document)
                .map_err(|error| StoreError::Corrupt(format!("held values of `{connection}`: {error}")))
        },
    )
}

pub(super) async fn save_values(c: &mut Connection, connection: &str, values: &[HeldValue]) -> Result<(), StoreError> {
    if values.is_empty() {
        sqlx::query("DELETE FROM held_value WHERE connection = $1").bind(connection).execute(c).await?;
        return Ok(());
    }
    let values = values.get(..MOST_HELD_VALUES).unwrap_or(values);
    let document = serde_json::to_string(values).map_err(|error| StoreError::Invalid(error.to_string()))?;
    sqlx::query(
        "INSERT INTO held_value (connection, document) VALUES ($1, $2) \
         ON CONFLICT (connection) DO UPDATE SET document = excluded.document",
    )
    .bind(connection)
    .bind(document)
    .execute(c)
    .await?;
    Ok(())
}
