//! What belongs to no connection: the heartbeat, and the request budgets of accounts.

use sqlx::Row as _;

use super::{Connection, StoreError};
use crate::store::budget::Bucket;

/// A trivial write: proves that the store is there and may be written.
pub(super) async fn beat(c: &mut Connection) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO heartbeat (id, beats) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET beats = heartbeat.beats + 1",
    )
    .execute(c)
    .await?;
    Ok(())
}

/// The account's bucket, locked until the transaction ends; made when it is not there.
pub(super) async fn lock_bucket(c: &mut Connection, account: &str) -> Result<Bucket, StoreError> {
    // Makes the row so that there is one to lock; the first two askers of an account meet here.
    sqlx::query(
        "INSERT INTO request_budget (account, arrival_us, blocked_us) VALUES ($1, 0, 0) ON CONFLICT (account) DO NOTHING",
    )
    .bind(account)
    .execute(&mut *c)
    .await?;
    let row =
        sqlx::query(concat!("SELECT arrival_us, blocked_us FROM request_budget WHERE account = $1", for_update!()))
            .bind(account)
            .fetch_one(c)
            .await?;
    Ok(Bucket { arrival_us: row.try_get(0)?, blocked_us: row.try_get(1)? })
}

/// The account's bucket as it is.
pub(super) async fn bucket(c: &mut Connection, account: &str) -> Result<Bucket, StoreError> {
    let row = sqlx::query("SELECT arrival_us, blocked_us FROM request_budget WHERE account = $1")
        .bind(account)
        .fetch_optional(c)
        .await?;
    match row {
        Some(row) => Ok(Bucket { arrival_us: row.try_get(0)?, blocked_us: row.try_get(1)? }),
        None => Ok(Bucket::default()),
    }
}

pub(super) async fn save_bucket(c: &mut Connection, account: &str, bucket: Bucket) -> Result<(), StoreError> {
    sqlx::query("UPDATE request_budget SET arrival_us = $2, blocked_us = $3 WHERE account = $1")
        .bind(account)
        .bind(bucket.arrival_us)
        .bind(bucket.blocked_us)
        .execute(c)
        .await?;
    Ok(())
}
