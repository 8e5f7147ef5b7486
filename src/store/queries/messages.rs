//! Messages to venues' software.

use std::time::Duration;

use passerelle_contract::BoxFuture;
use sqlx::Row as _;
use tokio::sync::watch;

use super::super::{numbers, texts};
use super::{Connection, Engine, Millis, Owner, Row, StoreError, millis, narrow, text};
use crate::clock;
use crate::store::messages::{
    Attempted, Claim, Condition, EndpointCounts, EndpointRow, EndpointState, KEPT_FOR, LONGEST_PAUSE,
    MAX_ATTEMPTS_KEPT, MAX_MESSAGES, MessageFilter, MessageRow, MessageState, MessageStore, NewMessage, REST,
};

/// Due at the first; or further ahead than the second, and than any pause (the third) or told by a clock that was ahead itself.
macro_rules! is_due {
    ($now:literal, $ahead:literal, $too_far:literal) => {
        concat!(
            "due_at <= ",
            $now,
            " OR due_at > ",
            $ahead,
            " AND (due_at > ",
            $too_far,
            " OR attempts = 0 AND created_at > ",
            $ahead,
            ")"
        )
    };
}

/// Nobody is sending it: what is claimed for longer than claims last was claimed by a wrong clock.
macro_rules! is_free {
    ($now:literal, $too_far:literal) => {
        concat!("leased_until <= ", $now, " OR leased_until > ", $too_far)
    };
}

impl MessageStore for Engine {
    fn told(&self) -> watch::Receiver<()> {
        self.told.subscribe()
    }

    fn endpoints_with_due(&self, now: Millis) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        read!(self, c => async {
            let found = sqlx::query_scalar(
                // Two looks, so that each goes by the index of what is due and none reads everything that was ever told.
                concat!(
                    "SELECT connection FROM endpoint WHERE state = 'open' \
                     AND (probe_at IS NULL OR probe_at <= $1 OR probe_at > $4) \
                     AND (EXISTS (SELECT 1 FROM message WHERE message.connection = endpoint.connection AND (",
                    is_due!("$1", "$2", "$3"),
                    ") AND (",
                    is_free!("$1", "$4"),
                    ")) OR (probe_at IS NOT NULL AND EXISTS (SELECT 1 FROM message \
                     WHERE message.connection = endpoint.connection AND due_at IS NOT NULL AND (",
                    is_free!("$1", "$4"),
                    ")))) ORDER BY connection"
                ),
            )
            .bind(now)
            .bind(now.saturating_add(clock::TOLERANCE))
            .bind(now.saturating_add(millis(LONGEST_PAUSE)).saturating_add(clock::TOLERANCE))
            .bind(now.saturating_add(millis(REST)).saturating_add(clock::TOLERANCE))
            .fetch_all(c)
            .await?;
            Ok(found)
        })
    }

    fn endpoint<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<Option<EndpointRow>, StoreError>> {
        read!(self, c => async {
            let row = sqlx::query("SELECT * FROM endpoint WHERE connection = $1").bind(connection).fetch_optional(c).await?;
            row.as_ref().map(endpoint).transpose()
        })
    }

    fn endpoints(&self) -> BoxFuture<'_, Result<Vec<EndpointCounts>, StoreError>> {
        read!(self, c => async {
            let rows = sqlx::query(
                "SELECT endpoint.*, \
                 (SELECT count(*) FROM message WHERE message.connection = endpoint.connection AND message.state = 'pending') AS pending, \
                 (SELECT created_at FROM message WHERE message.connection = endpoint.connection AND message.state = 'pending' ORDER BY message.position LIMIT 1) AS oldest, \
                 (SELECT count(*) FROM message WHERE message.connection = endpoint.connection AND message.state = 'dead') AS dead \
                 FROM endpoint ORDER BY connection",
            )
            .fetch_all(c)
            .await?;
            let counts: Result<Vec<EndpointCounts>, StoreError> = rows
                .iter()
                .map(|row| {
                    Ok(EndpointCounts {
                        endpoint: endpoint(row)?,
                        pending: narrow(row.try_get("pending")?, "count")?,
                        oldest_pending: row.try_get("oldest")?,
                        dead: narrow(row.try_get("dead")?, "count")?,
                    })
                })
                .collect();
            counts
        })
    }

    fn claim_messages<'a>(
        &'a self,
        connection: &'a str,
        claim: Claim<'a>,
        now: Millis,
    ) -> BoxFuture<'a, Result<Vec<MessageRow>, StoreError>> {
        write!(self, c => take(c, connection, claim, now))
    }

    fn end_dead_claims<'a>(
        &'a self,
        now: Millis,
        is_dead: &'a (dyn Fn(&Owner) -> bool + Sync),
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        write!(self, c => async {
            let claimants: Vec<Option<String>> =
                sqlx::query_scalar("SELECT DISTINCT leased_by FROM message WHERE leased_until > 0 AND leased_until > $1")
                    .bind(now)
                    .fetch_all(&mut *c)
                    .await?;
            let dead: Vec<String> = claimants
                .into_iter()
                .flatten()
                .filter(|claimant| serde_json::from_str::<Owner>(claimant).is_ok_and(|owner| is_dead(&owner)))
                .collect();
            if dead.is_empty() {
                return Ok(0);
            }
            let ended = sqlx::query(concat!(
                "UPDATE message SET leased_until = 0 WHERE leased_until > 0 AND leased_by ",
                one_of!("$1")
            ))
            .bind(texts(dead.iter().map(String::as_str)))
            .execute(c)
            .await?;
            Ok(ended.rows_affected())
        })
    }

    fn attempted<'a>(
        &'a self,
        endpoint: &'a EndpointRow,
        attempts: &'a [Attempted],
        given_back: &'a [i64],
        then: Option<(Claim<'a>, Millis)>,
    ) -> BoxFuture<'a, Result<Vec<MessageRow>, StoreError>> {
        write!(self, c => async {
            for attempt in attempts {
                attempted(c, &endpoint.connection, attempt).await?;
            }
            if !given_back.is_empty() {
                sqlx::query(concat!(
                    "UPDATE message SET leased_until = 0 WHERE connection = $1 AND position ",
                    one_of!("$2")
                ))
                .bind(&endpoint.connection)
                .bind(numbers(given_back.iter().copied()))
                .execute(&mut *c)
                .await?;
            }
            sqlx::query(
                "UPDATE endpoint SET state = $2, failures = $3, failing_since = $4, probe_at = $5, last_success_at = $6, \
                 last_error = $7 WHERE connection = $1",
            )
            .bind(&endpoint.connection)
            .bind(endpoint.state.name())
            .bind(i64::from(endpoint.failures))
            .bind(endpoint.failing_since)
            .bind(endpoint.probe_at)
            .bind(endpoint.last_success_at)
            .bind(endpoint.last_error.as_deref().map(text))
            .execute(&mut *c)
            .await?;
            match then {
                Some((claim, now)) => take(c, &endpoint.connection, claim, now).await,
                None => Ok(Vec::new()),
            }
        })
    }

    fn reopen_endpoint<'a>(&'a self, connection: &'a str, now: Millis) -> BoxFuture<'a, Result<bool, StoreError>> {
        write!(self, c => async {
            let found = reopen(c, connection).await?;
            sqlx::query("UPDATE message SET due_at = $2, leased_until = 0 WHERE connection = $1 AND due_at IS NOT NULL")
                .bind(connection)
                .bind(now)
                .execute(c)
                .await?;
            self.wake_delivery(true);
            Ok(found)
        })
    }

    fn messages_after<'a>(
        &'a self,
        connection: &'a str,
        position: i64,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<MessageRow>, StoreError>> {
        read!(self, c => async {
            let rows =
                sqlx::query("SELECT * FROM message WHERE connection = $1 AND position > $2 ORDER BY position LIMIT $3")
                    .bind(connection)
                    .bind(position)
                    .bind(i64::from(limit.min(MAX_MESSAGES)))
                    .fetch_all(c)
                    .await?;
            all(&rows, message)
        })
    }

    fn acknowledge<'a>(
        &'a self,
        connection: &'a str,
        position: i64,
        now: Millis,
    ) -> BoxFuture<'a, Result<Option<i64>, StoreError>> {
        write!(self, c => async {
            let row = sqlx::query(concat!("SELECT * FROM endpoint WHERE connection = $1", for_update!()))
                .bind(connection)
                .fetch_optional(&mut *c)
                .await?;
            let known = row.as_ref().map(endpoint).transpose()?;
            let (newest, before) = known.map_or((0, 0), |known| (known.position, known.acknowledged));
            if position > newest {
                return Ok(None);
            }
            if position <= before {
                return Ok(Some(before));
            }
            sqlx::query("UPDATE endpoint SET acknowledged = $2, last_success_at = $3 WHERE connection = $1")
                .bind(connection)
                .bind(position)
                .bind(now)
                .execute(&mut *c)
                .await?;
            sqlx::query(
                "UPDATE message SET state = 'delivered', due_at = NULL, ended_at = $3 \
                 WHERE connection = $1 AND position <= $2 AND state = 'pending'",
            )
            .bind(connection)
            .bind(position)
            .bind(now)
            .execute(c)
            .await?;
            Ok(Some(position))
        })
    }

    fn messages<'a>(
        &'a self,
        filter: &'a MessageFilter,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<MessageRow>, StoreError>> {
        read!(self, c => async {
            let rows = sqlx::query(concat!(
                "SELECT * FROM message WHERE ($1 = '' OR connection = $1) AND ($2 = '' OR booking = $2) \
                 AND created_at >= $3 AND created_at < $4 AND ($5 OR state ",
                one_of!("$6"),
                ") AND ($7 OR kind ",
                one_of!("$8"),
                ") ORDER BY created_at DESC, connection, position DESC LIMIT $9"
            ))
            .bind(filter.connection.as_deref().unwrap_or_default())
            .bind(filter.booking.as_deref().unwrap_or_default())
            .bind(filter.from.unwrap_or(0))
            .bind(filter.until.unwrap_or(Millis::MAX))
            .bind(filter.states.is_empty())
            .bind(texts(filter.states.iter().map(|state| state.name())))
            .bind(filter.kinds.is_empty())
            .bind(texts(filter.kinds.iter().map(String::as_str)))
            .bind(i64::from(limit.min(MAX_MESSAGES + 1)))
            .fetch_all(c)
            .await?;
            all(&rows, message)
        })
    }

    fn message<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<MessageRow>, StoreError>> {
        read!(self, c => async {
            let row = sqlx::query("SELECT * FROM message WHERE id = $1").bind(id).fetch_optional(c).await?;
            row.as_ref().map(message).transpose()
        })
    }

    fn attempts_of<'a>(
        &'a self,
        connection: &'a str,
        position: i64,
    ) -> BoxFuture<'a, Result<Vec<Attempted>, StoreError>> {
        read!(self, c => async {
            let rows = sqlx::query(
                "SELECT * FROM delivery_attempt WHERE connection = $1 AND position = $2 ORDER BY number",
            )
            .bind(connection)
            .bind(position)
            .fetch_all(c)
            .await?;
            all(&rows, past_attempt)
        })
    }

    fn replay_messages<'a>(
        &'a self,
        connection: &'a str,
        positions: &'a [i64],
        now: Millis,
        apart: Duration,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        write!(self, c => async {
            reopen(c, connection).await?;
            let mut at = now;
            for position in positions {
                sqlx::query(
                    "UPDATE message SET state = 'pending', replay = TRUE, attempts = 0, due_at = $3, ended_at = NULL \
                     WHERE connection = $1 AND position = $2",
                )
                .bind(connection)
                .bind(position)
                .bind(at)
                .execute(&mut *c)
                .await?;
                at = at.saturating_add(millis(apart));
            }
            self.wake_delivery(true);
            Ok(())
        })
    }

    fn forget_messages(&self, now: Millis, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        write!(self, c => async {
            let rows = sqlx::query("SELECT connection, position FROM message WHERE keep_until <= $1 ORDER BY keep_until LIMIT $2")
                .bind(now)
                .bind(i64::from(limit))
                .fetch_all(&mut *c)
                .await?;
            for row in &rows {
                let (connection, position): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
                for statement in [
                    "DELETE FROM delivery_attempt WHERE connection = $1 AND position = $2",
                    "DELETE FROM message WHERE connection = $1 AND position = $2",
                    "UPDATE endpoint SET forgotten = $2 WHERE connection = $1 AND forgotten < $2",
                ] {
                    sqlx::query(statement).bind(&connection).bind(position).execute(&mut *c).await?;
                }
            }
            Ok(rows.len() as u64)
        })
    }
}

/// Stores messages; the endpoint's row is locked from here to the end of the transaction, so that positions are committed in order.
pub(super) async fn add(c: &mut Connection, messages: &[NewMessage]) -> Result<(), StoreError> {
    for message in messages {
        add_one(c, message).await?;
    }
    Ok(())
}

async fn add_one(c: &mut Connection, new: &NewMessage) -> Result<(), StoreError> {
    let position: i64 = sqlx::query_scalar(
        "INSERT INTO endpoint (connection, position, acknowledged, forgotten, state, failures) VALUES ($1, 1, 0, 0, 'open', 0) \
         ON CONFLICT (connection) DO UPDATE SET position = endpoint.position + 1 RETURNING position",
    )
    .bind(&new.connection)
    .fetch_one(&mut *c)
    .await?;
    let row = sqlx::query(
        "SELECT max(sequence), count(CASE WHEN kind = $3 THEN 1 END) FROM message WHERE connection = $1 AND booking = $2",
    )
    .bind(&new.connection)
    .bind(&new.booking)
    .bind(new.kind)
    .fetch_one(&mut *c)
    .await?;
    let (last, of_its_kind): (Option<i64>, i64) = (row.try_get(0)?, row.try_get(1)?);
    let is_due = match new.condition {
        Condition::First => last.is_none(),
        Condition::Known => last.is_some(),
        Condition::Once => of_its_kind == 0,
        Condition::Always => true,
    };
    if !is_due {
        return Ok(());
    }
    let sequence: u32 = narrow(last.unwrap_or(0).saturating_add(1).max(i64::from(new.least_sequence)), "sequence")?;
    let keep_until = new.at.max(new.starts_at.unwrap_or(new.at)).saturating_add(millis(KEPT_FOR));
    sqlx::query(
        "INSERT INTO message (connection, position, id, booking, sequence, kind, body, state, attempts, due_at, leased_until, \
         starts_at, keep_until, replay, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', 0, $8, 0, $9, $10, FALSE, $11)",
    )
    .bind(&new.connection)
    .bind(position)
    .bind(&new.id)
    .bind(&new.booking)
    .bind(i64::from(sequence))
    .bind(new.kind)
    .bind(text(&(new.write)(new.kind, new.at, sequence, &new.data)))
    .bind(new.is_sent.then_some(new.at))
    .bind(new.starts_at)
    .bind(keep_until)
    .bind(new.at)
    .execute(c)
    .await?;
    Ok(())
}

/// Only the oldest waiting message of each booking is given out.
async fn take(
    c: &mut Connection,
    connection: &str,
    claim: Claim<'_>,
    now: Millis,
) -> Result<Vec<MessageRow>, StoreError> {
    let rows = sqlx::query(concat!(
        "SELECT * FROM message WHERE connection = $1 AND (",
        is_due!("$2", "$5", "$6"),
        ") AND (",
        is_free!("$3", "$7"),
        ") AND NOT EXISTS (SELECT 1 FROM message AS earlier \
         WHERE earlier.connection = message.connection AND earlier.booking = message.booking \
         AND earlier.sequence < message.sequence AND earlier.state = 'pending') \
         ORDER BY due_at, position LIMIT $4",
        skip_locked!()
    ))
    .bind(connection)
    .bind(if claim.any { Millis::MAX } else { now })
    .bind(now)
    .bind(i64::from(claim.limit))
    .bind(now.saturating_add(clock::TOLERANCE))
    .bind(now.saturating_add(millis(LONGEST_PAUSE)).saturating_add(clock::TOLERANCE))
    .bind(now.saturating_add(millis(claim.lease)).saturating_add(clock::TOLERANCE))
    .fetch_all(&mut *c)
    .await?;
    let claimed = all(&rows, message)?;
    if claimed.is_empty() {
        return Ok(claimed);
    }
    sqlx::query(concat!(
        "UPDATE message SET leased_until = $2, leased_by = $4 WHERE connection = $1 AND position ",
        one_of!("$3")
    ))
    .bind(connection)
    .bind(now.saturating_add(millis(claim.lease)))
    .bind(numbers(claimed.iter().map(|message| message.position)))
    .bind(serde_json::to_string(claim.owner).unwrap_or_default())
    .execute(c)
    .await?;
    Ok(claimed)
}

async fn attempted(c: &mut Connection, connection: &str, attempt: &Attempted) -> Result<(), StoreError> {
    let ended = (attempt.state != MessageState::Pending).then_some(attempt.at);
    sqlx::query(
        "UPDATE message SET state = $3, attempts = $4, due_at = $5, leased_until = 0, ended_at = $6, last_status = $7, \
         last_error = $8 WHERE connection = $1 AND position = $2 AND state = 'pending'",
    )
    .bind(connection)
    .bind(attempt.position)
    .bind(attempt.state.name())
    .bind(i64::from(attempt.attempts))
    .bind(attempt.due_at)
    .bind(ended)
    .bind(attempt.status.map(i64::from))
    .bind(attempt.error.as_deref().map(text))
    .execute(&mut *c)
    .await?;
    sqlx::query(
        "INSERT INTO delivery_attempt (connection, position, number, at, status, latency_ms, error) \
         SELECT $1, $2, (SELECT count(*) FROM delivery_attempt WHERE connection = $1 AND position = $2) + 1, $3, $4, $5, $6 \
         WHERE (SELECT count(*) FROM delivery_attempt WHERE connection = $1 AND position = $2) < $7",
    )
    .bind(connection)
    .bind(attempt.position)
    .bind(attempt.at)
    .bind(attempt.status.map(i64::from))
    .bind(i64::from(attempt.latency_ms))
    .bind(attempt.error.as_deref().map(text))
    .bind(i64::from(MAX_ATTEMPTS_KEPT))
    .execute(c)
    .await?;
    Ok(())
}

async fn reopen(c: &mut Connection, connection: &str) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE endpoint SET state = 'open', failures = 0, failing_since = NULL, probe_at = NULL WHERE connection = $1",
    )
    .bind(connection)
    .execute(c)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Every row, read.
pub(super) fn all<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T, StoreError>) -> Result<Vec<T>, StoreError> {
    rows.iter().map(read).collect()
}

fn endpoint(row: &Row) -> Result<EndpointRow, StoreError> {
    let state: String = row.try_get("state")?;
    Ok(EndpointRow {
        connection: row.try_get("connection")?,
        position: row.try_get("position")?,
        acknowledged: row.try_get("acknowledged")?,
        forgotten: row.try_get("forgotten")?,
        state: EndpointState::named(&state)
            .ok_or_else(|| StoreError::Corrupt(format!("`{state}` is not a state of endpoints")))?,
        failures: narrow(row.try_get("failures")?, "failures")?,
        failing_since: row.try_get("failing_since")?,
        probe_at: row.try_get("probe_at")?,
        last_success_at: row.try_get("last_success_at")?,
        last_error: row.try_get("last_error")?,
    })
}

fn message(row: &Row) -> Result<MessageRow, StoreError> {
    let state: String = row.try_get("state")?;
    Ok(MessageRow {
        connection: row.try_get("connection")?,
        position: row.try_get("position")?,
        id: row.try_get("id")?,
        booking: row.try_get("booking")?,
        sequence: narrow(row.try_get("sequence")?, "sequence")?,
        kind: row.try_get("kind")?,
        body: row.try_get("body")?,
        state: MessageState::named(&state)
            .ok_or_else(|| StoreError::Corrupt(format!("`{state}` is not a state of messages")))?,
        attempts: narrow(row.try_get("attempts")?, "attempts")?,
        due_at: row.try_get("due_at")?,
        starts_at: row.try_get("starts_at")?,
        replay: row.try_get("replay")?,
        created_at: row.try_get("created_at")?,
        ended_at: row.try_get("ended_at")?,
        last_status: status(row, "last_status")?,
        last_error: row.try_get("last_error")?,
    })
}

fn past_attempt(row: &Row) -> Result<Attempted, StoreError> {
    let error: Option<String> = row.try_get("error")?;
    Ok(Attempted {
        position: row.try_get("position")?,
        state: if error.is_none() { MessageState::Delivered } else { MessageState::Pending },
        attempts: narrow(row.try_get("number")?, "attempts")?,
        due_at: None,
        at: row.try_get("at")?,
        status: status(row, "status")?,
        latency_ms: narrow(row.try_get("latency_ms")?, "latency")?,
        error,
    })
}

fn status(row: &Row, column: &str) -> Result<Option<u16>, StoreError> {
    row.try_get::<Option<i64>, _>(column)?.map(|status| narrow(status, "status")).transpose()
}
