//! What was seen of pass Culture's queue at each venue of an account.

use sqlx::Row as _;

use super::{Connection, StoreError, VenueQueue};

pub(super) async fn read(c: &mut Connection, account: &str, venue: i64) -> Result<Option<VenueQueue>, StoreError> {
    let row = sqlx::query("SELECT document FROM venue_queue WHERE account = $1 AND venue = $2")
        .bind(account)
        .bind(venue)
        .fetch_optional(c)
        .await?;
    let Some(row) = row else { return Ok(None) };
    serde_json::from_str(row.try_get("document")?)
        .map(Some)
        .map_err(|error| StoreError::Corrupt(format!("the queue of venue {venue}: {error}")))
}

pub(super) async fn save(c: &mut Connection, account: &str, venue: i64, queue: &VenueQueue) -> Result<(), StoreError> {
    let document = serde_json::to_string(queue)
        .map_err(|error| StoreError::Invalid(format!("the queue of venue {venue}: {error}")))?;
    sqlx::query(
        "INSERT INTO venue_queue (account, venue, document) VALUES ($1, $2, $3) \
         ON CONFLICT (account, venue) DO UPDATE SET document = excluded.document",
    )
    .bind(account)
    .bind(venue)
    .bind(document)
    .execute(c)
    .await?;
    Ok(())
}
