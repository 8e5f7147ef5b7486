//! What lies further in the future than it can: written while a clock was wrong.

use sqlx::Row as _;

use super::{Connection, Millis, StoreError, millis, narrow, shared};
use crate::clock::TOLERANCE;
use crate::store::bookings::LONGEST_WAIT;
use crate::store::{Ahead, LEASE};

/// Moments of a connection: what, and a query of how many and the latest. `$1` is the connection, `$2` what lies ahead of every right
/// clock, `$3` the same for what is due within a lease, `$4` for what is due within [`LONGEST_WAIT`].
const OF_A_CONNECTION: [(&str, &str); 5] = [
    (
        "the next pass",
        "SELECT COUNT(*), MAX(s.due_at) FROM connection_state s JOIN connection c ON c.id = s.connection \
         WHERE c.id = $1 AND s.due_at > $2 + c.every_seconds * 1000 AND $3 + $4 > 0",
    ),
    (
        "the last pass",
        "SELECT COUNT(*), MAX(last_success_at) FROM connection_state \
         WHERE connection = $1 AND last_success_at > $2 AND $3 + $4 > 0",
    ),
    (
        "the end of its lease",
        "SELECT COUNT(*), MAX(until) FROM connection_lease \
         WHERE connection = $1 AND owner_id IS NOT NULL AND until > $3 AND $2 + $4 > 0",
    ),
    (
        "the next step of a booking",
        "SELECT COUNT(*), MAX(due_at) FROM booking WHERE due_at IS NOT NULL AND due_at > $2 AND connection = $1 \
         AND (due_at > $4 OR moved_at > $2) AND $3 > 0",
    ),
    (
        "the next try of a message",
        "SELECT COUNT(*), MAX(due_at) FROM message WHERE connection = $1 AND due_at IS NOT NULL AND due_at > $2 \
         AND (due_at > $4 OR created_at > $2) AND $3 > 0",
    ),
];

pub(super) async fn of_connection(c: &mut Connection, connection: &str, now: Millis) -> Result<Vec<Ahead>, StoreError> {
    let ahead = now.saturating_add(TOLERANCE);
    let mut found = Vec::new();
    for (what, query) in OF_A_CONNECTION {
        let row = sqlx::query(query)
            .bind(connection)
            .bind(ahead)
            .bind(ahead.saturating_add(millis(LEASE)))
            .bind(ahead.saturating_add(millis(LONGEST_WAIT)))
            .fetch_one(&mut *c)
            .await?;
        let count: u64 = narrow(row.try_get(0)?, "count")?;
        if let Some(latest) = row.try_get(1)?
            && count > 0
        {
            found.push(Ahead { what, count, latest });
        }
    }
    Ok(found)
}

pub(super) async fn of_account(c: &mut Connection, account: &str, now: Millis) -> Result<Vec<Ahead>, StoreError> {
    let bucket = shared::bucket(c, account).await?;
    let of_budget = [
        ("the end of the stop that pass Culture asked for", bucket.blocked_too_long(now)),
        ("the request budget", bucket.full_too_late(now)),
    ];
    let one = |(what, at): (&'static str, Option<Millis>)| at.map(|latest| Ahead { what, count: 1, latest });
    Ok(of_budget.into_iter().filter_map(one).collect())
}
