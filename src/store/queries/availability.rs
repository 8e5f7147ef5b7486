//! What pass Culture said of EANs, per account.

use std::collections::BTreeMap;

use sqlx::{QueryBuilder, Row as _};

use super::super::numbers;
use super::{
    AvailabilityRow, Connection, Db, Ean, Millis, ROWS_PER_STATEMENT, Row, StoreError, ean_from, ean_to, narrow,
};
use crate::clock;

pub(super) async fn known(
    c: &mut Connection,
    account: &str,
    eans: &[Ean],
    not_before: Millis,
) -> Result<Vec<AvailabilityRow>, StoreError> {
    let query = concat!(
        "SELECT ean, verdict, checked_at FROM availability WHERE account = $1 AND checked_at >= $3 AND ean ",
        one_of!("$2"),
        " ORDER BY ean"
    );
    let rows = sqlx::query(query)
        .bind(account)
        .bind(numbers(eans.iter().copied().map(ean_to)))
        .bind(not_before)
        .fetch_all(c)
        .await?;
    rows.iter().map(verdict).collect()
}

/// A newer verdict is never replaced by an older one, as far as clocks can be right.
pub(super) async fn save(c: &mut Connection, account: &str, rows: &[AvailabilityRow]) -> Result<(), StoreError> {
    // In EAN order, so that two nodes lock rows in one order, and each EAN once, as PostgreSQL demands.
    let mut newest: BTreeMap<Ean, &AvailabilityRow> = BTreeMap::new();
    for row in rows {
        let kept = newest.entry(row.ean).or_insert(row);
        if kept.checked_at <= row.checked_at {
            *kept = row;
        }
    }
    let rows: Vec<&AvailabilityRow> = newest.into_values().collect();
    for part in rows.chunks(ROWS_PER_STATEMENT) {
        let mut insert = QueryBuilder::<Db>::new("INSERT INTO availability (account, ean, verdict, checked_at) ");
        insert.push_values(part, |mut values, row| {
            values
                .push_bind(account)
                .push_bind(ean_to(row.ean))
                .push_bind(i64::from(row.verdict))
                .push_bind(row.checked_at);
        });
        insert.push(
            " ON CONFLICT (account, ean) DO UPDATE SET verdict = excluded.verdict, checked_at = excluded.checked_at \
             WHERE excluded.checked_at >= availability.checked_at OR availability.checked_at - excluded.checked_at > ",
        );
        // What is newer than now was written by a wrong clock.
        insert.push_bind(clock::TOLERANCE);
        insert.build().persistent(part.len() == ROWS_PER_STATEMENT).execute(&mut *c).await?;
    }
    Ok(())
}

fn verdict(row: &Row) -> Result<AvailabilityRow, StoreError> {
    Ok(AvailabilityRow {
        ean: ean_from(row.try_get(0)?)?,
        verdict: narrow(row.try_get(1)?, "verdict")?,
        checked_at: row.try_get(2)?,
    })
}
