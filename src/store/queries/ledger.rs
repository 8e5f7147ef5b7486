//! Pages of the stock ledger.

use sqlx::{QueryBuilder, Row as _};

use super::super::numbers;
use super::{Connection, Db, Ean, Row, StoreError, StoredPage, Totals, ean_from, ean_to, narrow};

/// Pages of one multi-row `INSERT`: eight parameters and 12 KiB each.
const PAGES_PER_STATEMENT: usize = 64;

/// Where reading begins: the last page that begins at or before `$2`, else the first one. Served by the primary key.
macro_rules! from_page {
    () => {
        "connection = $1 AND first_ean >= \
         COALESCE((SELECT MAX(first_ean) FROM stock_page WHERE connection = $1 AND first_ean <= $2), 0)"
    };
}

pub(super) async fn pages(
    c: &mut Connection,
    connection: &str,
    from: Ean,
    limit: u32,
) -> Result<Vec<StoredPage>, StoreError> {
    let query = concat!("SELECT * FROM stock_page WHERE ", from_page!(), " ORDER BY first_ean LIMIT $3");
    let rows = sqlx::query(query).bind(connection).bind(ean_to(from)).bind(i64::from(limit)).fetch_all(c).await?;
    rows.iter().map(page).collect()
}

/// Served by the partial index `stock_page_at_work`.
pub(super) async fn pages_at_work(
    c: &mut Connection,
    connection: &str,
    from: Ean,
    limit: u32,
) -> Result<Vec<StoredPage>, StoreError> {
    let query = concat!(
        "SELECT * FROM stock_page WHERE (pending > 0 OR unverified > 0) AND ",
        from_page!(),
        " ORDER BY first_ean LIMIT $3"
    );
    let rows = sqlx::query(query).bind(connection).bind(ean_to(from)).bind(i64::from(limit)).fetch_all(c).await?;
    rows.iter().map(page).collect()
}

pub(super) async fn index(c: &mut Connection, connection: &str, from: Ean, limit: u32) -> Result<Vec<Ean>, StoreError> {
    let query = concat!("SELECT first_ean FROM stock_page WHERE ", from_page!(), " ORDER BY first_ean LIMIT $3");
    let firsts: Vec<i64> =
        sqlx::query_scalar(query).bind(connection).bind(ean_to(from)).bind(i64::from(limit)).fetch_all(c).await?;
    firsts.into_iter().map(ean_from).collect()
}

pub(super) async fn pages_at(
    c: &mut Connection,
    connection: &str,
    firsts: &[Ean],
) -> Result<Vec<StoredPage>, StoreError> {
    let query =
        concat!("SELECT * FROM stock_page WHERE connection = $1 AND first_ean ", one_of!("$2"), " ORDER BY first_ean");
    let rows =
        sqlx::query(query).bind(connection).bind(numbers(firsts.iter().copied().map(ean_to))).fetch_all(c).await?;
    rows.iter().map(page).collect()
}

pub(super) async fn totals(c: &mut Connection, connection: &str) -> Result<Totals, StoreError> {
    // PostgreSQL sums BIGINT to NUMERIC.
    let row = sqlx::query(
        "SELECT CAST(COALESCE(SUM(entries), 0) AS BIGINT), CAST(COALESCE(SUM(live), 0) AS BIGINT), \
         CAST(COALESCE(SUM(pending), 0) AS BIGINT), CAST(COALESCE(SUM(unverified), 0) AS BIGINT), \
         CAST(COALESCE(SUM(refused), 0) AS BIGINT) FROM stock_page WHERE connection = $1",
    )
    .bind(connection)
    .fetch_one(c)
    .await?;
    let sum = |at: usize| -> Result<u64, StoreError> { narrow(row.try_get(at)?, "count") };
    Ok(Totals { entries: sum(0)?, live: sum(1)?, pending: sum(2)?, unverified: sum(3)?, refused: sum(4)? })
}

pub(super) async fn save(
    c: &mut Connection,
    connection: &str,
    remove: &[Ean],
    pages: &[StoredPage],
) -> Result<(), StoreError> {
    if !remove.is_empty() {
        sqlx::query(concat!("DELETE FROM stock_page WHERE connection = $1 AND first_ean ", one_of!("$2")))
            .bind(connection)
            .bind(numbers(remove.iter().copied().map(ean_to)))
            .execute(&mut *c)
            .await?;
    }
    for part in pages.chunks(PAGES_PER_STATEMENT) {
        let mut insert = QueryBuilder::<Db>::new(
            "INSERT INTO stock_page (connection, first_ean, entries, pending, unverified, live, refused, packed) ",
        );
        insert.push_values(part, |mut row, page| {
            row.push_bind(connection)
                .push_bind(ean_to(page.first))
                .push_bind(i64::from(page.count))
                .push_bind(i64::from(page.pending))
                .push_bind(i64::from(page.unverified))
                .push_bind(i64::from(page.live))
                .push_bind(i64::from(page.refused))
                .push_bind(page.blob.as_slice());
        });
        insert.push(
            " ON CONFLICT (connection, first_ean) DO UPDATE SET entries = excluded.entries, pending = excluded.pending, \
             unverified = excluded.unverified, live = excluded.live, refused = excluded.refused, packed = excluded.packed",
        );
        insert.build().persistent(part.len() == PAGES_PER_STATEMENT).execute(&mut *c).await?;
    }
    Ok(())
}

fn page(row: &Row) -> Result<StoredPage, StoreError> {
    Ok(StoredPage {
        first: ean_from(row.try_get("first_ean")?)?,
        count: narrow(row.try_get("entries")?, "entries")?,
        pending: narrow(row.try_get("pending")?, "pending")?,
        unverified: narrow(row.try_get("unverified")?, "unverified")?,
        live: narrow(row.try_get("live")?, "live")?,
        refused: narrow(row.try_get("refused")?, "refused")?,
        blob: row.try_get("packed")?,
    })
}
