//! Events and their dates.

use passerelle_contract::{BoxFuture, Quantity};
use sqlx::Row as _;

use super::{Connection, Engine, Lease, Millis, Row, StoreError, leases, narrow, text};
use crate::store::events::{DateRow, EventRow, EventStore, MAX_DATES, MAX_EVENTS, SoldDate};

impl EventStore for Engine {
    fn events<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<Vec<EventRow>, StoreError>> {
        read!(self, c => events(c, connection))
    }

    fn dates<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<Vec<DateRow>, StoreError>> {
        read!(self, c => dates(c, connection))
    }

    fn save_events<'a>(
        &'a self,
        lease: &'a Lease,
        events: &'a [EventRow],
        dates: &'a [DateRow],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        write_under!(self, lease, c => async {
            for event in events {
                save_event(c, &lease.connection, event).await?;
            }
            for date in dates {
                save_date(c, &lease.connection, date).await?;
            }
            within_bounds(c, &lease.connection).await
        })
    }

    fn forget_events<'a>(
        &'a self,
        lease: &'a Lease,
        events: &'a [String],
        dates: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        write_under!(self, lease, c => forget(c, &lease.connection, events, dates))
    }

    fn date_by_stock<'a>(
        &'a self,
        account: &'a str,
        stock_id: i64,
        event: Option<&'a str>,
        date: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Option<SoldDate>, StoreError>> {
        read!(self, c => by_stock(c, account, stock_id, event, date))
    }

    fn touch_date<'a>(
        &'a self,
        connection: &'a str,
        event: &'a str,
        date: &'a str,
        remaining: Quantity,
        acknowledged: bool,
        now: Millis,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        write!(self, c => touch(c, connection, event, date, remaining, acknowledged, now))
    }
}

async fn events(c: &mut Connection, connection: &str) -> Result<Vec<EventRow>, StoreError> {
    let rows = sqlx::query("SELECT * FROM event WHERE connection = $1 ORDER BY key LIMIT $2")
        .bind(connection)
        .bind(i64::from(MAX_EVENTS) + 1)
        .fetch_all(c)
        .await?;
    at_most(rows.len(), MAX_EVENTS, "events", connection)?;
    rows.iter().map(event).collect()
}

async fn dates(c: &mut Connection, connection: &str) -> Result<Vec<DateRow>, StoreError> {
    let rows = sqlx::query("SELECT * FROM event_date WHERE connection = $1 ORDER BY event, key LIMIT $2")
        .bind(connection)
        .bind(i64::from(MAX_DATES) + 1)
        .fetch_all(c)
        .await?;
    at_most(rows.len(), MAX_DATES, "dates", connection)?;
    rows.iter().map(date).collect()
}

fn at_most(found: usize, most: u32, what: &str, connection: &str) -> Result<(), StoreError> {
    if found > most as usize {
        return Err(StoreError::Invalid(format!("`{connection}` has more than {most} {what}")));
    }
    Ok(())
}

/// What could not be read again must not be written.
async fn within_bounds(c: &mut Connection, connection: &str) -> Result<(), StoreError> {
    for (statement, most, what) in [
        ("SELECT count(*) FROM event WHERE connection = $1", MAX_EVENTS, "events"),
        ("SELECT count(*) FROM event_date WHERE connection = $1", MAX_DATES, "dates"),
    ] {
        let count: i64 = sqlx::query_scalar(statement).bind(connection).fetch_one(&mut *c).await?;
        at_most(usize::try_from(count).unwrap_or(usize::MAX), most, what, connection)?;
    }
    Ok(())
}

async fn save_event(c: &mut Connection, connection: &str, event: &EventRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO event (connection, key, desired, acknowledged, categories, offer_id, picture, refused) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (connection, key) DO UPDATE SET desired = excluded.desired, \
         acknowledged = excluded.acknowledged, categories = excluded.categories, offer_id = excluded.offer_id, \
         picture = excluded.picture, refused = excluded.refused",
    )
    .bind(connection)
    .bind(&event.key)
    .bind(event.desired.as_deref().map(text))
    .bind(event.acknowledged.as_deref().map(text))
    .bind(text(&event.categories))
    .bind(event.offer_id)
    .bind(event.picture.as_deref().map(text))
    .bind(event.refused.as_deref().map(text))
    .execute(c)
    .await?;
    Ok(())
}

/// A booking that moved the quantities after the pass had read the row knows better.
async fn save_date(c: &mut Connection, connection: &str, date: &DateRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO event_date (connection, event, key, starts_at, desired, acknowledged, desired_quantity, \
         acknowledged_quantity, touched_at, stock_id, absent, refused) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (connection, event, key) DO UPDATE SET \
         starts_at = excluded.starts_at, desired = excluded.desired, acknowledged = excluded.acknowledged, \
         desired_quantity = CASE WHEN event_date.touched_at > excluded.touched_at THEN event_date.desired_quantity \
         ELSE excluded.desired_quantity END, \
         acknowledged_quantity = CASE WHEN event_date.touched_at > excluded.touched_at \
         THEN event_date.acknowledged_quantity ELSE excluded.acknowledged_quantity END, \
         touched_at = CASE WHEN event_date.touched_at > excluded.touched_at THEN event_date.touched_at \
         ELSE excluded.touched_at END, \
         stock_id = excluded.stock_id, absent = excluded.absent, refused = excluded.refused",
    )
    .bind(connection)
    .bind(&date.event)
    .bind(&date.key)
    .bind(date.starts_at)
    .bind(date.desired.as_deref().map(text))
    .bind(date.acknowledged.as_deref().map(text))
    .bind(date.desired_quantity.map(i64::from))
    .bind(date.acknowledged_quantity.map(i64::from))
    .bind(date.touched_at)
    .bind(date.stock_id)
    .bind(i64::from(date.absent))
    .bind(date.refused.as_deref().map(text))
    .execute(c)
    .await?;
    Ok(())
}

async fn forget(
    c: &mut Connection,
    connection: &str,
    events: &[String],
    dates: &[(String, String)],
) -> Result<(), StoreError> {
    for (event, key) in dates {
        sqlx::query("DELETE FROM event_date WHERE connection = $1 AND event = $2 AND key = $3")
            .bind(connection)
            .bind(event)
            .bind(key)
            .execute(&mut *c)
            .await?;
    }
    for key in events {
        sqlx::query("DELETE FROM event WHERE connection = $1 AND key = $2")
            .bind(connection)
            .bind(key)
            .execute(&mut *c)
            .await?;
    }
    Ok(())
}

async fn by_stock(
    c: &mut Connection,
    account: &str,
    stock_id: i64,
    event_key: Option<&str>,
    date_key: Option<&str>,
) -> Result<Option<SoldDate>, StoreError> {
    let by_number = sqlx::query(
        "SELECT event_date.* FROM event_date JOIN connection ON connection.id = event_date.connection \
         WHERE connection.account = $1 AND event_date.stock_id = $2 LIMIT 1",
    )
    .bind(account)
    .bind(stock_id)
    .fetch_optional(&mut *c)
    .await?;
    let row = match (by_number, event_key, date_key) {
        (Some(row), ..) => row,
        (None, Some(event_key), Some(date_key)) => {
            let by_key = sqlx::query(
                "SELECT event_date.* FROM event_date JOIN connection ON connection.id = event_date.connection \
                 WHERE event_date.key = $1 AND event_date.event = $2 AND connection.account = $3 \
                 AND (event_date.stock_id IS NULL OR event_date.stock_id = $4) LIMIT 2",
            )
            .bind(date_key)
            .bind(event_key)
            .bind(account)
            // Its number may have become known between the two looks.
            .bind(stock_id)
            .fetch_all(&mut *c)
            .await?;
            // Two connections with one key: nobody can tell which one it is.
            match <[Row; 1]>::try_from(by_key) {
                Ok([row]) => row,
                Err(_) => return Ok(None),
            }
        }
        _ => return Ok(None),
    };
    let connection: String = row.try_get("connection")?;
    let date = date(&row)?;
    let parent = sqlx::query("SELECT * FROM event WHERE connection = $1 AND key = $2")
        .bind(&connection)
        .bind(&date.event)
        .fetch_one(c)
        .await?;
    Ok(Some(SoldDate { connection, event: event(&parent)?, date }))
}

pub(super) async fn touch(
    c: &mut Connection,
    connection: &str,
    event: &str,
    date: &str,
    remaining: Quantity,
    acknowledged: bool,
    now: Millis,
) -> Result<(), StoreError> {
    let statement = if acknowledged {
        "UPDATE event_date SET desired_quantity = $4, acknowledged_quantity = $4, \
         touched_at = CASE WHEN touched_at >= $5 THEN touched_at + 1 ELSE $5 END \
         WHERE connection = $1 AND event = $2 AND key = $3"
    } else {
        "UPDATE event_date SET desired_quantity = $4, \
         touched_at = CASE WHEN touched_at >= $5 THEN touched_at + 1 ELSE $5 END \
         WHERE connection = $1 AND event = $2 AND key = $3"
    };
    sqlx::query(statement)
        .bind(connection)
        .bind(event)
        .bind(date)
        .bind(remaining.number().map(i64::from))
        .bind(now)
        .execute(c)
        .await?;
    Ok(())
}

fn event(row: &Row) -> Result<EventRow, StoreError> {
    Ok(EventRow {
        key: row.try_get("key")?,
        desired: row.try_get("desired")?,
        acknowledged: row.try_get("acknowledged")?,
        categories: row.try_get("categories")?,
        offer_id: row.try_get("offer_id")?,
        picture: row.try_get("picture")?,
        refused: row.try_get("refused")?,
    })
}

fn date(row: &Row) -> Result<DateRow, StoreError> {
    let quantity = |column: &str| -> Result<Option<u32>, StoreError> {
        row.try_get::<Option<i64>, _>(column)?.map(|value| narrow(value, "quantity")).transpose()
    };
    Ok(DateRow {
        event: row.try_get("event")?,
        key: row.try_get("key")?,
        starts_at: row.try_get("starts_at")?,
        desired: row.try_get("desired")?,
        acknowledged: row.try_get("acknowledged")?,
        desired_quantity: quantity("desired_quantity")?,
        acknowledged_quantity: quantity("acknowledged_quantity")?,
        touched_at: row.try_get("touched_at")?,
        stock_id: row.try_get("stock_id")?,
        absent: narrow(row.try_get("absent")?, "absences")?,
        refused: row.try_get("refused")?,
    })
}
