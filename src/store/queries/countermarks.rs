//! Countermarks.
//!
//! Forgetting needs no index of its own: fingerprints are spread evenly, so that every write looks at the few rows that follow
//! its own in the order of the key, and in time all are looked at.

use passerelle_contract::BoxFuture;
use sqlx::Row as _;

use super::{Connection, Engine, Millis, Row, StoreError};
use crate::store::countermarks::{CountermarkRow, CountermarkStore, Deed, FORGOTTEN_AFTER};

/// Rows that one write looks at in order to forget old ones. More than one: it forgets faster than it adds.
const LOOKED_AT: i64 = 20;

impl CountermarkStore for Engine {
    fn countermark<'a>(
        &'a self,
        account: &'a str,
        fingerprint: &'a str,
    ) -> BoxFuture<'a, Result<Option<CountermarkRow>, StoreError>> {
        read!(self, c => async {
            let row = sqlx::query("SELECT * FROM countermark WHERE account = $1 AND fingerprint = $2")
                .bind(account)
                .bind(fingerprint)
                .fetch_optional(c)
                .await?;
            row.as_ref().map(countermark).transpose()
        })
    }

    fn save_countermark<'a>(
        &'a self,
        read_at: Option<Millis>,
        row: &'a CountermarkRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        write!(self, c => async {
            if read_at.is_some_and(|read_at| row.moved_at <= read_at) {
                return Err(StoreError::Invalid("a countermark's `moved_at` must rise".to_owned()));
            }
            let saved = save(c, read_at, row).await?;
            if saved {
                forget_some(c, row).await?;
            }
            Ok(saved)
        })
    }
}

async fn save(c: &mut Connection, read_at: Option<Millis>, row: &CountermarkRow) -> Result<bool, StoreError> {
    let statement = if read_at.is_none() {
        sqlx::query(
            "INSERT INTO countermark (account, fingerprint, venue_id, asked, done, moved_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account, fingerprint) DO NOTHING",
        )
    } else {
        sqlx::query(
            "UPDATE countermark SET venue_id = $3, asked = $4, done = $5, moved_at = $6 \
             WHERE account = $1 AND fingerprint = $2 AND moved_at = $7",
        )
    };
    let statement = statement
        .bind(&row.account)
        .bind(&row.fingerprint)
        .bind(row.venue_id)
        .bind(row.asked.map(Deed::name))
        .bind(row.done.map(Deed::name))
        .bind(row.moved_at);
    let statement = if let Some(read_at) = read_at { statement.bind(read_at) } else { statement };
    Ok(statement.execute(c).await?.rows_affected() == 1)
}

/// One by one in the order of the key, after the row that was just written: two writers never wait for each other in a ring.
async fn forget_some(c: &mut Connection, written: &CountermarkRow) -> Result<(), StoreError> {
    let oldest_kept = written.moved_at.saturating_sub(FORGOTTEN_AFTER);
    let next = sqlx::query(
        "SELECT fingerprint, moved_at FROM countermark WHERE account = $1 AND fingerprint > $2 ORDER BY fingerprint LIMIT $3",
    )
    .bind(&written.account)
    .bind(&written.fingerprint)
    .bind(LOOKED_AT)
    .fetch_all(&mut *c)
    .await?;
    for row in &next {
        let moved_at: Millis = row.try_get(1)?;
        if moved_at < oldest_kept {
            let fingerprint: String = row.try_get(0)?;
            sqlx::query("DELETE FROM countermark WHERE account = $1 AND fingerprint = $2 AND moved_at < $3")
                .bind(&written.account)
                .bind(fingerprint)
                .bind(oldest_kept)
                .execute(&mut *c)
                .await?;
        }
    }
    Ok(())
}

fn countermark(row: &Row) -> Result<CountermarkRow, StoreError> {
    let deed = |column: &str| {
        let name: Option<String> = row.try_get(column)?;
        let deed = name.map(|name| {
            Deed::named(&name)
                .ok_or_else(|| StoreError::Corrupt(format!("`{name}` is nothing that is done with a countermark")))
        });
        deed.transpose()
    };
    Ok(CountermarkRow {
        account: row.try_get("account")?,
        fingerprint: row.try_get("fingerprint")?,
        venue_id: row.try_get("venue_id")?,
        asked: deed("asked")?,
        done: deed("done")?,
        moved_at: row.try_get("moved_at")?,
    })
}
