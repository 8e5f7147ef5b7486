//! Leases: taken by compare-and-swap, so that no transaction is open while the caller judges whether an owner is dead.

use std::time::Duration;

use sqlx::Row as _;

use super::{Connection, Engine, Lease, LeaseAnswer, Millis, Owner, StoreError, millis, narrow, wide};
use crate::store::lease::Standing;

/// Looks before giving up on a lease that changes hands under our eyes.
const LOOKS: usize = 8;

pub(super) async fn create(c: &mut Connection, connection: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO connection_lease (connection, fence, revision, owner_id, host, pid, started, purpose, until) \
         VALUES ($1, 0, 0, NULL, '', 0, 0, '', 0)",
    )
    .bind(connection)
    .execute(c)
    .await?;
    Ok(())
}

pub(super) async fn acquire(
    engine: &Engine,
    connection: &str,
    owner: &Owner,
    now: Millis,
    ttl: Duration,
    is_dead: &(dyn Fn(&Owner) -> bool + Sync),
) -> Result<LeaseAnswer, StoreError> {
    for _ in 0..LOOKS {
        let standing = {
            let mut reader = engine.reader().await?;
            standing(&mut reader, connection).await?
        };
        let Some(standing) = standing else { return Ok(LeaseAnswer::NoSuchConnection) };
        if let Some((by, until)) = standing.holder(now, millis(ttl)).filter(|(by, _)| !is_dead(by)) {
            return Ok(LeaseAnswer::Held { by: by.clone(), until });
        }
        let mut transaction = engine.begin().await?;
        let taken = take(&mut transaction, connection, &standing, owner, now.saturating_add(millis(ttl))).await?;
        engine.commit(transaction).await?;
        if let Some(fence) = taken {
            return Ok(LeaseAnswer::Granted(Lease { connection: connection.to_owned(), fence, owner: owner.clone() }));
        }
        // Somebody was faster: look who.
    }
    Err(StoreError::Unavailable {
        place: engine.place.clone(),
        why: format!("the lease of `{connection}` changes hands too fast; try again"),
    })
}

async fn standing(c: &mut Connection, connection: &str) -> Result<Option<Standing>, StoreError> {
    let row =
        sqlx::query("SELECT * FROM connection_lease WHERE connection = $1").bind(connection).fetch_optional(c).await?;
    let Some(row) = row else { return Ok(None) };
    let owner = match row.try_get::<Option<String>, _>("owner_id")? {
        None => None,
        Some(id) => Some(Owner {
            id,
            host: row.try_get("host")?,
            pid: narrow(row.try_get("pid")?, "pid")?,
            started: narrow(row.try_get("started")?, "start time")?,
            purpose: row.try_get("purpose")?,
        }),
    };
    Ok(Some(Standing { fence: row.try_get("fence")?, owner, until: row.try_get("until")? }))
}

/// The new fence, or nothing when the lease is no longer as it was seen.
async fn take(
    c: &mut Connection,
    connection: &str,
    seen: &Standing,
    owner: &Owner,
    until: Millis,
) -> Result<Option<i64>, StoreError> {
    let fence = sqlx::query_scalar(
        "UPDATE connection_lease SET fence = fence + 1, owner_id = $4, host = $5, pid = $6, started = $7, purpose = $8, \
         until = $9, revision = (SELECT revision FROM connection WHERE id = $1) \
         WHERE connection = $1 AND fence = $2 AND until = $3 RETURNING fence",
    )
    .bind(connection)
    .bind(seen.fence)
    .bind(seen.until)
    .bind(&owner.id)
    .bind(&owner.host)
    .bind(i64::from(owner.pid))
    .bind(wide(owner.started, "start time")?)
    .bind(&owner.purpose)
    .bind(until)
    .fetch_optional(c)
    .await?;
    Ok(fence)
}

/// Refuses unless the lease is the newest and held; keeps it so until the transaction ends.
pub(super) async fn check(c: &mut Connection, lease: &Lease) -> Result<(), StoreError> {
    let row = sqlx::query(concat!(
        "SELECT 1 FROM connection_lease WHERE connection = $1 AND fence = $2 AND owner_id = $3",
        for_update!()
    ))
    .bind(&lease.connection)
    .bind(lease.fence)
    .bind(&lease.owner.id)
    .fetch_optional(c)
    .await?;
    row.map(|_| ()).ok_or_else(|| StoreError::fenced(&lease.connection))
}

pub(super) async fn renew(c: &mut Connection, lease: &Lease, now: Millis, ttl: Duration) -> Result<(), StoreError> {
    let done =
        sqlx::query("UPDATE connection_lease SET until = $4 WHERE connection = $1 AND fence = $2 AND owner_id = $3")
            .bind(&lease.connection)
            .bind(lease.fence)
            .bind(&lease.owner.id)
            .bind(now.saturating_add(millis(ttl)))
            .execute(c)
            .await?;
    if done.rows_affected() == 0 { Err(StoreError::fenced(&lease.connection)) } else { Ok(()) }
}

/// The fence stays, so that a write under the released lease is refused.
pub(super) async fn release(c: &mut Connection, lease: &Lease) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE connection_lease SET owner_id = NULL, until = 0 WHERE connection = $1 AND fence = $2 AND owner_id = $3",
    )
    .bind(&lease.connection)
    .bind(lease.fence)
    .bind(&lease.owner.id)
    .execute(c)
    .await?;
    Ok(())
}
