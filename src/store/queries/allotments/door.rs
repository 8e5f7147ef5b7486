//! Bookings as the people at the door need them, and answers to repeated calls.

use std::collections::BTreeMap;

use sqlx::Row as _;

use super::{Connection, Millis, StoreError, count, lock, narrow, text, texts, with_tickets};
use crate::store::allotments::{
    ANSWERED_KEPT_FOR, AnsweredKey, MAX_ANSWERED_KEYS, MAX_DOOR_LIST, Noted, TicketUse, UsesOf,
};
use crate::store::bookings::{MAX_HISTORY, StoredBooking};

/// Code of a line that says that tickets were used, and of one that says that they were not after all.
const USED: &str = "used";
const UNUSED: &str = "unused";
/// What every booking id begins with, before the head of its reference.
const ID_HEAD: &str = "bk_";
/// Sorts behind every symbol of a reference.
const BEHIND: char = '~';

pub(super) async fn named(
    c: &mut Connection,
    connection: &str,
    booking_id: &str,
) -> Result<Option<StoredBooking>, StoreError> {
    let is_head = |head: &&str| head.len() == 12 && head.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let Some(head) = booking_id.strip_prefix(ID_HEAD).filter(is_head) else { return Ok(None) };
    let rows =
        sqlx::query("SELECT * FROM booking WHERE connection = $1 AND reference >= $2 AND reference < $3 LIMIT 1")
            .bind(connection)
            .bind(head)
            .bind(format!("{head}{BEHIND}"))
            .fetch_all(&mut *c)
            .await?;
    Ok(with_tickets(c, &rows).await?.pop())
}

/// Places are known by what a booking ordered, whoever made its tickets.
pub(super) async fn list(
    c: &mut Connection,
    connection: &str,
    places_key: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<StoredBooking>, StoreError> {
    let written = serde_json::Value::from(places_key).to_string();
    let escaped = written.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    let mut after = after.map(|id| format!("{}{BEHIND}", id.trim_start_matches(ID_HEAD))).unwrap_or_default();
    let most = limit.min(MAX_DOOR_LIST) as usize;
    let mut found: Vec<StoredBooking> = Vec::new();
    // SQLite compares letters whatever their case: what was not meant is left out, and others are read instead.
    while found.len() < most {
        let rows = sqlx::query(
            "SELECT * FROM booking WHERE connection = $1 AND reference > $2 AND ordered LIKE $3 ESCAPE '!' \
             AND EXISTS (SELECT 1 FROM ticket WHERE ticket.booking = booking.reference) ORDER BY reference LIMIT $4",
        )
        .bind(connection)
        .bind(&after)
        .bind(format!("%\"places!_key\":{escaped}%"))
        .bind(i64::from(MAX_DOOR_LIST))
        .fetch_all(&mut *c)
        .await?;
        let page = with_tickets(c, &rows).await?;
        let is_last = page.len() < MAX_DOOR_LIST as usize;
        if let Some(last) = page.last() {
            after.clone_from(&last.row.reference);
        }
        found.extend(page.into_iter().filter(|booking| is_for(&booking.row.order, places_key)));
        if is_last {
            break;
        }
    }
    found.truncate(most);
    Ok(found)
}

fn is_for(order: &str, places_key: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(order)
        .is_ok_and(|order| order.get("places_key").and_then(serde_json::Value::as_str) == Some(places_key))
}

pub(super) async fn uses(c: &mut Connection, references: &[String]) -> Result<Vec<UsesOf>, StoreError> {
    let rows = sqlx::query(concat!(
        "SELECT booking, code, told FROM booking_event WHERE code IN ('used', 'unused') AND booking ",
        one_of!("$1"),
        " ORDER BY booking, id"
    ))
    .bind(texts(references.iter().map(String::as_str)))
    .fetch_all(c)
    .await?;
    let mut last: BTreeMap<String, BTreeMap<u32, Option<Millis>>> = BTreeMap::new();
    for row in rows {
        let (booking, code, told): (String, String, String) =
            (row.try_get("booking")?, row.try_get("code")?, row.try_get("told")?);
        if let Some(one) = read_use(&code, &told) {
            last.entry(booking).or_default().insert(one.place, one.used_at);
        }
    }
    let list = |uses: BTreeMap<u32, Option<Millis>>| {
        uses.into_iter().map(|(place, used_at)| TicketUse { place, used_at }).collect()
    };
    Ok(last.into_iter().map(|(booking, uses)| (booking, list(uses))).collect())
}

/// A line of history as it is written and as it is read back.
fn write_use(one: &TicketUse) -> (&'static str, String) {
    let ticket = one.place.saturating_add(1);
    match one.used_at.and_then(|at| jiff::Timestamp::from_millisecond(at).ok()) {
        Some(at) => (USED, format!("ticket {ticket}: used at the door, {at}")),
        None => (UNUSED, format!("ticket {ticket}: not used after all")),
    }
}

fn read_use(code: &str, told: &str) -> Option<TicketUse> {
    let (head, tail) = told.split_once(": ")?;
    let place = head.strip_prefix("ticket ")?.parse::<u32>().ok()?.checked_sub(1)?;
    let used_at = match code {
        USED => Some(tail.rsplit(' ').next()?.parse::<jiff::Timestamp>().ok()?.as_millisecond()),
        _ => None,
    };
    Some(TicketUse { place, used_at })
}

pub(super) async fn note(
    c: &mut Connection,
    reference: &str,
    wanted: &[TicketUse],
    now: Millis,
) -> Result<Noted, StoreError> {
    let known = sqlx::query(concat!("SELECT 1 FROM booking WHERE reference = $1", for_update!()))
        .bind(reference)
        .fetch_optional(&mut *c)
        .await?;
    if known.is_none() {
        return Err(StoreError::Invalid(format!("there is no booking {reference}")));
    }
    let before = uses(c, &[reference.to_owned()]).await?.pop().map(|(_, uses)| uses).unwrap_or_default();
    let was_used = |place: u32| before.iter().any(|known| known.place == place && known.used_at.is_some());
    let already: Vec<bool> = wanted.iter().map(|one| was_used(one.place) == one.used_at.is_some()).collect();
    let news: Vec<&TicketUse> =
        wanted.iter().zip(&already).filter(|(_, already)| !**already).map(|(one, _)| one).collect();
    let lines: i64 = sqlx::query_scalar("SELECT count(*) FROM booking_event WHERE booking = $1")
        .bind(reference)
        .fetch_one(&mut *c)
        .await?;
    if count(lines).saturating_add(u32::try_from(news.len()).unwrap_or(u32::MAX)) > MAX_HISTORY {
        return Ok(if news.is_empty() { Noted::Done(already) } else { Noted::Full });
    }
    for one in news {
        let (code, told) = write_use(one);
        sqlx::query("INSERT INTO booking_event (booking, at, code, told) VALUES ($1, $2, $3, $4)")
            .bind(reference)
            .bind(now)
            .bind(code)
            .bind(told)
            .execute(&mut *c)
            .await?;
    }
    Ok(Noted::Done(already))
}

pub(super) async fn answered(
    c: &mut Connection,
    connection: &str,
    key: &str,
    now: Millis,
) -> Result<Option<AnsweredKey>, StoreError> {
    let row = sqlx::query("SELECT * FROM answered_key WHERE connection = $1 AND key = $2 AND at > $3")
        .bind(connection)
        .bind(key)
        .bind(now.saturating_sub(ANSWERED_KEPT_FOR))
        .fetch_optional(c)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(AnsweredKey {
        digest: row.try_get("digest")?,
        status: narrow(row.try_get("status")?, "status")?,
        body: row.try_get("body")?,
        at: row.try_get("at")?,
    }))
}

pub(super) async fn remember(
    c: &mut Connection,
    connection: &str,
    key: &str,
    answer: &AnsweredKey,
) -> Result<(), StoreError> {
    lock(c, connection).await?;
    sqlx::query("DELETE FROM answered_key WHERE connection = $1 AND at <= $2")
        .bind(connection)
        .bind(answer.at.saturating_sub(ANSWERED_KEPT_FOR))
        .execute(&mut *c)
        .await?;
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM answered_key WHERE connection = $1")
        .bind(connection)
        .fetch_one(&mut *c)
        .await?;
    if count(kept) >= MAX_ANSWERED_KEYS {
        sqlx::query(
            "DELETE FROM answered_key WHERE connection = $1 AND key IN \
             (SELECT key FROM answered_key WHERE connection = $1 ORDER BY at LIMIT $2)",
        )
        .bind(connection)
        .bind(i64::from(MAX_ANSWERED_KEYS / 10))
        .execute(&mut *c)
        .await?;
    }
    sqlx::query(
        "INSERT INTO answered_key (connection, key, digest, status, body, at) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (connection, key) DO NOTHING",
    )
    .bind(connection)
    .bind(text(key))
    .bind(&answer.digest)
    .bind(i64::from(answer.status))
    .bind(text(&answer.body))
    .bind(answer.at)
    .execute(c)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_read_as_it_was_written() {
        for one in [TicketUse { place: 1, used_at: Some(1_760_000_000_123) }, TicketUse { place: 0, used_at: None }] {
            let (code, told) = write_use(&one);
            assert_eq!(read_use(code, &told), Some(one));
        }
    }
}
