//! What vendors state of their events and stocks.

use sqlx::Row as _;

use super::{Connection, Millis, Row, StoreError, connections, count, lock, narrow, places, text};
use crate::store::allotments::{
    MAX_STATED_EVENTS, MAX_STATED_STOCKS, NO_VERSION, Repriced, STATED_KEPT_FOR, StatedEvent, StatedShows, StatedStock,
    Stating,
};

pub(super) async fn state_event(
    c: &mut Connection,
    connection: &str,
    event: &StatedEvent,
    repriced: &[Repriced],
) -> Result<Stating, StoreError> {
    lock(c, connection).await?;
    let before = self::event(c, connection, &event.event).await?;
    if before.as_ref().is_some_and(|before| before.document == event.document) && repriced.is_empty() {
        return Ok(Stating::Unchanged);
    }
    if before.is_none() && !room_for_event(c, connection, event.stated_at).await? {
        return Ok(Stating::TooMany);
    }
    sqlx::query(
        "INSERT INTO stated_event (connection, event, document, stated_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (connection, event) DO UPDATE SET document = excluded.document, stated_at = excluded.stated_at",
    )
    .bind(connection)
    .bind(&event.event)
    .bind(text(&event.document))
    .bind(event.stated_at)
    .execute(&mut *c)
    .await?;
    for stock in repriced {
        // One that was stated meanwhile has its price of that statement.
        sqlx::query(
            "UPDATE stated_stock SET document = $4, price_cents = $5 \
             WHERE connection = $1 AND stock = $2 AND document = $3",
        )
        .bind(connection)
        .bind(&stock.stock)
        .bind(&stock.before)
        .bind(text(&stock.document))
        .bind(i64::from(stock.price_cents))
        .execute(&mut *c)
        .await?;
    }
    Ok(Stating::Stored)
}

/// Events without a stock go after a while, when there would be too many.
async fn room_for_event(c: &mut Connection, connection: &str, now: Millis) -> Result<bool, StoreError> {
    const COUNT: &str = "SELECT count(*) FROM stated_event WHERE connection = $1";
    let known: i64 = sqlx::query_scalar(COUNT).bind(connection).fetch_one(&mut *c).await?;
    if count(known) < MAX_STATED_EVENTS {
        return Ok(true);
    }
    forget_over(c, connection, now).await?;
    sqlx::query(
        "DELETE FROM stated_event WHERE connection = $1 AND stated_at < $2 AND NOT EXISTS (SELECT 1 FROM stated_stock \
         WHERE stated_stock.connection = stated_event.connection AND stated_stock.event = stated_event.event)",
    )
    .bind(connection)
    .bind(now.saturating_sub(STATED_KEPT_FOR))
    .execute(&mut *c)
    .await?;
    let left: i64 = sqlx::query_scalar(COUNT).bind(connection).fetch_one(c).await?;
    Ok(count(left) < MAX_STATED_EVENTS)
}

async fn room_for_stock(c: &mut Connection, connection: &str, now: Millis) -> Result<bool, StoreError> {
    const COUNT: &str = "SELECT count(*) FROM stated_stock WHERE connection = $1";
    let known: i64 = sqlx::query_scalar(COUNT).bind(connection).fetch_one(&mut *c).await?;
    if count(known) < MAX_STATED_STOCKS {
        return Ok(true);
    }
    forget_over(c, connection, now).await?;
    let left: i64 = sqlx::query_scalar(COUNT).bind(connection).fetch_one(c).await?;
    Ok(count(left) < MAX_STATED_STOCKS)
}

async fn forget_over(c: &mut Connection, connection: &str, now: Millis) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM stated_stock WHERE connection = $1 AND starts_at < $2")
        .bind(connection)
        .bind(now.saturating_sub(STATED_KEPT_FOR))
        .execute(c)
        .await?;
    Ok(())
}

pub(super) async fn event(
    c: &mut Connection,
    connection: &str,
    event: &str,
) -> Result<Option<StatedEvent>, StoreError> {
    let row = sqlx::query("SELECT * FROM stated_event WHERE connection = $1 AND event = $2")
        .bind(connection)
        .bind(event)
        .fetch_optional(c)
        .await?;
    row.as_ref().map(read_event).transpose()
}

pub(super) async fn stock(
    c: &mut Connection,
    connection: &str,
    stock: &str,
) -> Result<Option<StatedStock>, StoreError> {
    let row = sqlx::query("SELECT * FROM stated_stock WHERE connection = $1 AND stock = $2")
        .bind(connection)
        .bind(stock)
        .fetch_optional(c)
        .await?;
    row.as_ref().map(read_stock).transpose()
}

pub(super) async fn stocks_of(
    c: &mut Connection,
    connection: &str,
    event: &str,
) -> Result<Vec<StatedStock>, StoreError> {
    let rows = sqlx::query("SELECT * FROM stated_stock WHERE connection = $1 AND event = $2 ORDER BY stock LIMIT $3")
        .bind(connection)
        .bind(event)
        .bind(i64::from(MAX_STATED_STOCKS))
        .fetch_all(c)
        .await?;
    rows.iter().map(read_stock).collect()
}

pub(super) async fn state_stock(
    c: &mut Connection,
    connection: &str,
    stated: &StatedStock,
    version: Option<i64>,
) -> Result<Stating, StoreError> {
    lock(c, connection).await?;
    if event(c, connection, &stated.event).await?.is_none() {
        return Ok(Stating::Unknown);
    }
    let before = stock(c, connection, &stated.stock).await?;
    if let Some(before) = &before {
        if before.event != stated.event {
            return Ok(Stating::OtherEvent { event: before.event.clone() });
        }
        let same = before.document == stated.document
            && before.starts_at == stated.starts_at
            && before.price_cents == stated.price_cents
            && before.stated == stated.stated
            && !before.gone;
        match version {
            Some(version) if version == before.version && same => return Ok(Stating::Unchanged),
            Some(version) if version <= before.version => return Ok(Stating::Stale { version: before.version }),
            _ => {}
        }
    } else if !room_for_stock(c, connection, stated.stated_at).await? {
        return Ok(Stating::TooMany);
    }
    let known = before.map_or(NO_VERSION, |before| before.version);
    let remaining = left(c, connection, &stated.stock, stated.stated).await?;
    sqlx::query(
        "INSERT INTO stated_stock (connection, stock, event, document, starts_at, closes_at, price_cents, version, stated, \
         remaining, gone, stated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (connection, stock) DO UPDATE SET document = excluded.document, starts_at = excluded.starts_at, \
         closes_at = excluded.closes_at, price_cents = excluded.price_cents, version = excluded.version, \
         stated = excluded.stated, remaining = excluded.remaining, gone = excluded.gone, stated_at = excluded.stated_at",
    )
    .bind(connection)
    .bind(&stated.stock)
    .bind(&stated.event)
    .bind(text(&stated.document))
    .bind(stated.starts_at)
    .bind(stated.closes_at)
    .bind(i64::from(stated.price_cents))
    .bind(version.unwrap_or(known))
    .bind(stated.stated.map(i64::from))
    .bind(remaining.map(i64::from))
    .bind(false)
    .bind(stated.stated_at)
    .execute(c)
    .await?;
    Ok(Stating::Stored)
}

pub(super) async fn state_places(
    c: &mut Connection,
    connection: &str,
    id: &str,
    stated: Option<u32>,
    version: Option<i64>,
    now: Millis,
) -> Result<Stating, StoreError> {
    lock(c, connection).await?;
    let Some(before) = stock(c, connection, id).await? else { return Ok(Stating::Unknown) };
    if before.gone {
        return Ok(Stating::Gone);
    }
    match version {
        Some(version) if version == before.version && stated == before.stated => return Ok(Stating::Unchanged),
        Some(version) if version <= before.version => return Ok(Stating::Stale { version: before.version }),
        _ => {}
    }
    let remaining = left(c, connection, id, stated).await?;
    sqlx::query(
        "UPDATE stated_stock SET stated = $3, remaining = $4, version = $5, stated_at = $6 \
         WHERE connection = $1 AND stock = $2",
    )
    .bind(connection)
    .bind(id)
    .bind(stated.map(i64::from))
    .bind(remaining.map(i64::from))
    .bind(version.unwrap_or(before.version))
    .bind(now)
    .execute(c)
    .await?;
    Ok(Stating::Stored)
}

pub(super) async fn learn_places(
    c: &mut Connection,
    connection: &str,
    stock: &str,
    left: Option<u32>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE stated_stock SET remaining = $3 WHERE connection = $1 AND stock = $2")
        .bind(connection)
        .bind(stock)
        .bind(left.map(i64::from))
        .execute(c)
        .await?;
    Ok(())
}

/// What is left of a stated number once seats that the vendor does not know of are taken off.
async fn left(
    c: &mut Connection,
    connection: &str,
    stock: &str,
    stated: Option<u32>,
) -> Result<Option<u32>, StoreError> {
    match stated {
        Some(stated) => Ok(Some(stated.saturating_sub(untold(c, connection, stock).await?))),
        None => Ok(None),
    }
}

pub(super) async fn untold(c: &mut Connection, connection: &str, stock: &str) -> Result<u32, StoreError> {
    // A booking that is under way has no message yet; one that is being taken back gives its seats back by itself.
    let seats: i64 = sqlx::query_scalar(
        "SELECT CAST(coalesce(sum(issued.quantity - issued.freed % 2 - issued.freed / 2), 0) AS BIGINT) FROM issued \
         WHERE issued.connection = $1 AND issued.stock = $2 AND (EXISTS (SELECT 1 FROM booking \
         WHERE booking.reference = issued.booking AND booking.state IN ('calling', 'abandoned', 'unknown', 'releasing')) \
         OR EXISTS (SELECT 1 FROM message WHERE message.connection = issued.connection \
         AND message.booking = 'bk_' || substr(issued.booking, 1, 12) AND message.kind = 'booking.created' \
         AND message.state IN ('pending', 'dead')))",
    )
    .bind(connection)
    .bind(stock)
    .fetch_one(c)
    .await?;
    Ok(count(seats))
}

pub(super) async fn take_off(
    c: &mut Connection,
    connection: &str,
    event: &str,
    stock: &str,
    now: Millis,
) -> Result<bool, StoreError> {
    lock(c, connection).await?;
    let done = sqlx::query(
        "UPDATE stated_stock SET stated_at = CASE WHEN gone THEN stated_at ELSE $4 END, gone = $5 \
         WHERE connection = $1 AND event = $2 AND stock = $3",
    )
    .bind(connection)
    .bind(event)
    .bind(stock)
    .bind(now)
    .bind(true)
    .execute(c)
    .await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn all(c: &mut Connection, connection: &str, after: Millis) -> Result<StatedShows, StoreError> {
    // Events are never taken away beneath a stock: read after the stocks, each of them is there.
    let stocks = sqlx::query(
        "SELECT * FROM stated_stock WHERE connection = $1 AND starts_at > $2 ORDER BY starts_at, stock LIMIT $3",
    )
    .bind(connection)
    .bind(after)
    .bind(i64::from(MAX_STATED_STOCKS))
    .fetch_all(&mut *c)
    .await?;
    let events = sqlx::query("SELECT * FROM stated_event WHERE connection = $1 ORDER BY event LIMIT $2")
        .bind(connection)
        .bind(i64::from(MAX_STATED_EVENTS))
        .fetch_all(c)
        .await?;
    let events: Result<_, StoreError> = events.iter().map(read_event).collect();
    let stocks: Result<_, StoreError> = stocks.iter().map(read_stock).collect();
    Ok((events?, stocks?))
}

/// A pass that runs under an older revision leaves the due date alone when it ends.
pub(super) async fn make_due_again(c: &mut Connection, connection: &str, now: Millis) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE connection SET revision = revision + 1 WHERE id = $1")
        .bind(connection)
        .execute(&mut *c)
        .await?;
    connections::make_due(c, connection, now).await?;
    Ok(done.rows_affected() > 0)
}

fn read_event(row: &Row) -> Result<StatedEvent, StoreError> {
    Ok(StatedEvent {
        event: row.try_get("event")?,
        document: row.try_get("document")?,
        stated_at: row.try_get("stated_at")?,
    })
}

fn read_stock(row: &Row) -> Result<StatedStock, StoreError> {
    Ok(StatedStock {
        stock: row.try_get("stock")?,
        event: row.try_get("event")?,
        document: row.try_get("document")?,
        starts_at: row.try_get("starts_at")?,
        closes_at: row.try_get("closes_at")?,
        price_cents: narrow(row.try_get("price_cents")?, "price")?,
        version: row.try_get("version")?,
        stated: places(row, "stated")?,
        remaining: places(row, "remaining")?,
        gone: row.try_get("gone")?,
        stated_at: row.try_get("stated_at")?,
    })
}
