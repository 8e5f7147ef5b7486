//! Verdicts of probes and how they changed.

use sqlx::Row as _;

use super::{Connection, ProbeRecord, Row, StoreError, narrow, text, wide};

/// Changes of verdict remembered of one subject.
const CHANGES_KEPT: i64 = 1_000;

pub(super) async fn record(c: &mut Connection, probe: &ProbeRecord) -> Result<ProbeRecord, StoreError> {
    let stored = upsert(c, probe).await?;
    // The row of the verdict is locked now, so that the last change read here is the last one.
    if last_change(c, probe).await?.as_deref() != Some(stored.verdict.as_str()) {
        add_change(c, &stored).await?;
        forget_old_changes(c, &stored.subject).await?;
    }
    Ok(stored)
}

async fn upsert(c: &mut Connection, probe: &ProbeRecord) -> Result<ProbeRecord, StoreError> {
    let row = sqlx::query(
        "INSERT INTO probe_verdict (subject, probe, verdict, since, checked_at, latency_ms, evidence, remedy) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (subject, probe) DO UPDATE SET \
         since = CASE WHEN probe_verdict.verdict = excluded.verdict AND probe_verdict.since <= excluded.since \
         THEN probe_verdict.since ELSE excluded.since END, \
         verdict = excluded.verdict, checked_at = excluded.checked_at, latency_ms = excluded.latency_ms, \
         evidence = excluded.evidence, remedy = excluded.remedy RETURNING *",
    )
    .bind(&probe.subject)
    .bind(&probe.probe)
    .bind(&probe.verdict)
    .bind(probe.since)
    .bind(probe.checked_at)
    .bind(wide(probe.latency_ms, "latency")?)
    .bind(text(&probe.evidence))
    .bind(text(&probe.remedy))
    .fetch_one(c)
    .await?;
    verdict(&row)
}

async fn last_change(c: &mut Connection, probe: &ProbeRecord) -> Result<Option<String>, StoreError> {
    let verdict = sqlx::query_scalar(
        "SELECT verdict FROM probe_change WHERE subject = $1 AND probe = $2 ORDER BY id DESC LIMIT 1",
    )
    .bind(&probe.subject)
    .bind(&probe.probe)
    .fetch_optional(c)
    .await?;
    Ok(verdict)
}

async fn add_change(c: &mut Connection, probe: &ProbeRecord) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO probe_change (subject, probe, verdict, since, checked_at, latency_ms, evidence, remedy) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&probe.subject)
    .bind(&probe.probe)
    .bind(&probe.verdict)
    .bind(probe.since)
    .bind(probe.checked_at)
    .bind(wide(probe.latency_ms, "latency")?)
    .bind(&probe.evidence)
    .bind(&probe.remedy)
    .execute(c)
    .await?;
    Ok(())
}

async fn forget_old_changes(c: &mut Connection, subject: &str) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM probe_change WHERE subject = $1 AND id <= \
         (SELECT id FROM probe_change WHERE subject = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
    )
    .bind(subject)
    .bind(CHANGES_KEPT)
    .execute(c)
    .await?;
    Ok(())
}

pub(super) async fn last(c: &mut Connection, subject: Option<&str>) -> Result<Vec<ProbeRecord>, StoreError> {
    let rows = match subject {
        Some(subject) => {
            sqlx::query("SELECT * FROM probe_verdict WHERE subject = $1 ORDER BY subject, probe")
                .bind(subject)
                .fetch_all(c)
                .await?
        }
        None => sqlx::query("SELECT * FROM probe_verdict ORDER BY subject, probe").fetch_all(c).await?,
    };
    rows.iter().map(verdict).collect()
}

pub(super) async fn history(c: &mut Connection, subject: &str, limit: u32) -> Result<Vec<ProbeRecord>, StoreError> {
    let rows = sqlx::query("SELECT * FROM probe_change WHERE subject = $1 ORDER BY id DESC LIMIT $2")
        .bind(subject)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await?;
    rows.iter().map(verdict).collect()
}

fn verdict(row: &Row) -> Result<ProbeRecord, StoreError> {
    Ok(ProbeRecord {
        subject: row.try_get("subject")?,
        probe: row.try_get("probe")?,
        verdict: row.try_get("verdict")?,
        since: row.try_get("since")?,
        checked_at: row.try_get("checked_at")?,
        latency_ms: narrow(row.try_get("latency_ms")?, "latency")?,
        evidence: row.try_get("evidence")?,
        remedy: row.try_get("remedy")?,
    })
}
