//! What belongs to no connection: the heartbeat, and the request budgets of accounts.

use sqlx::Row as _;

use super::{Connection, Row, StoreError};
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
    let row = sqlx::query(concat!("SELECT * FROM request_budget WHERE account = $1", for_update!()))
        .bind(account)
        .fetch_one(c)
        .await?;
    read_bucket(&row)
}

/// The account's bucket as it is.
pub(super) async fn bucket(c: &mut Connection, account: &str) -> Result<Bucket, StoreError> {
    let row = sqlx::query("SELECT * FROM request_budget WHERE account = $1").bind(account).fetch_optional(c).await?;
    row.as_ref().map_or_else(|| Ok(Bucket::default()), read_bucket)
}

fn read_bucket(row: &Row) -> Result<Bucket, StoreError> {
    Ok(Bucket {
        arrival_us: row.try_get("arrival_us")?,
        shares_us: [
            row.try_get("bookings_us")?,
            row.try_get("countermarks_us")?,
            row.try_get("passes_us")?,
            row.try_get("probes_us")?,
        ],
        blocked_us: row.try_get("blocked_us")?,
    })
}

pub(super) async fn save_bucket(c: &mut Connection, account: &str, bucket: Bucket) -> Result<(), StoreError> {
    let [bookings, countermarks, passes, probes] = bucket.shares_us;
    sqlx::query(
        "UPDATE request_budget SET arrival_us = $2, blocked_us = $3, bookings_us = $4, countermarks_us = $5, \
         passes_us = $6, probes_us = $7 WHERE account = $1",
    )
    .bind(account)
    .bind(bucket.arrival_us)
    .bind(bucket.blocked_us)
    .bind(bookings)
    .bind(countermarks)
    .bind(passes)
    .bind(probes)
    .execute(c)
    .await?;
    Ok(())
}
