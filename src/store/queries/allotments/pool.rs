//! Imported barcodes.

use std::collections::{HashMap, HashSet};

use sqlx::Row as _;

use super::{Connection, Row, StoreError, count, lock, text, texts};
use crate::store::allotments::{Import, MAX_IMPORT, MAX_POOL, PoolCount};

/// Ordinals of barcodes that came back begin here, so that they follow all that never were issued.
pub(super) const RETURNED: i64 = 1 << 52;

/// May a barcode `p` without booking be issued? One that came back is kept aside while its last holder's ticket may be good, while
/// pass Culture may still count that booking (a person must look, or a person released it by hand), and while the holder before it
/// is not settled: two former holders of one barcode could not be told apart. `b` is the row of `barcode`.
macro_rules! can_be_issued {
    () => {
        "(p.ordinal < 4503599627370496 OR (\
         NOT EXISTS (SELECT 1 FROM booking n WHERE n.reference = b.booking \
         AND (n.state NOT IN ('cancelled', 'released', 'refused') OR n.needs_human OR n.reason LIKE '%ByHand:%')) \
         AND NOT EXISTS (SELECT 1 FROM ticket t WHERE t.booking = b.booking AND t.barcode = p.barcode AND t.state <> 'void') \
         AND NOT EXISTS (SELECT 1 FROM booking f WHERE f.reference = p.former \
         AND (f.state NOT IN ('cancelled', 'released', 'refused') OR f.needs_human OR f.due_at IS NOT NULL \
         OR f.reason LIKE '%ByHand:%'))))"
    };
}
pub(super) use can_be_issued;

pub(super) async fn import(
    c: &mut Connection,
    connection: &str,
    rows: &[(String, String)],
) -> Result<Vec<Import>, StoreError> {
    if rows.len() > MAX_IMPORT {
        return Err(StoreError::Invalid(format!("{} barcodes at once; at most {MAX_IMPORT}", rows.len())));
    }
    let account = lock(c, connection).await?;
    let asked = || texts(rows.iter().map(|(_, barcode)| barcode.as_str()));
    let known: Vec<String> = sqlx::query_scalar(concat!(
        "SELECT barcode FROM pool_barcode WHERE connection = $1 AND barcode ",
        one_of!("$2")
    ))
    .bind(connection)
    .bind(asked())
    .fetch_all(&mut *c)
    .await?;
    let given: Vec<String> = sqlx::query_scalar(concat!(
        "SELECT barcode FROM barcode WHERE account = $1 AND connection = $2 AND barcode ",
        one_of!("$3")
    ))
    .bind(&account)
    .bind(connection)
    .bind(asked())
    .fetch_all(&mut *c)
    .await?;
    let mut known: HashSet<String> = known.into_iter().collect();
    let given: HashSet<String> = given.into_iter().collect();
    let mut pools: HashMap<&str, Pool> = HashMap::new();
    let mut outcomes = Vec::with_capacity(rows.len());
    for (stock, barcode) in rows {
        if known.contains(barcode) {
            outcomes.push(Import::AlreadyImported);
            continue;
        }
        if given.contains(barcode) {
            outcomes.push(Import::AlreadyIssued);
            continue;
        }
        let pool = match pools.get_mut(stock.as_str()) {
            Some(pool) => pool,
            None => {
                let pool = Pool::read(c, connection, stock).await?;
                pools.entry(stock).or_insert(pool)
            }
        };
        if pool.imported >= MAX_POOL {
            outcomes.push(Import::PoolFull);
            continue;
        }
        pool.imported += 1;
        pool.last += 1;
        sqlx::query("INSERT INTO pool_barcode (connection, stock, barcode, ordinal) VALUES ($1, $2, $3, $4)")
            .bind(connection)
            .bind(text(stock))
            .bind(text(barcode))
            .bind(pool.last)
            .execute(&mut *c)
            .await?;
        known.insert(barcode.clone());
        outcomes.push(Import::Imported);
    }
    Ok(outcomes)
}

struct Pool {
    imported: u32,
    last: i64,
}

impl Pool {
    async fn read(c: &mut Connection, connection: &str, stock: &str) -> Result<Self, StoreError> {
        let imported: i64 =
            sqlx::query_scalar("SELECT count(*) FROM pool_barcode WHERE connection = $1 AND stock = $2")
                .bind(connection)
                .bind(stock)
                .fetch_one(&mut *c)
                .await?;
        let last: Option<i64> = sqlx::query_scalar(
            "SELECT max(ordinal) FROM pool_barcode WHERE connection = $1 AND stock = $2 AND ordinal < $3",
        )
        .bind(connection)
        .bind(stock)
        .bind(RETURNED)
        .fetch_one(c)
        .await?;
        Ok(Self { imported: count(imported), last: last.unwrap_or(0) })
    }
}

pub(super) async fn counts(
    c: &mut Connection,
    connection: &str,
    stock: Option<&str>,
) -> Result<Vec<PoolCount>, StoreError> {
    let rows = sqlx::query(concat!(
        "SELECT p.stock, count(*) AS imported, \
         CAST(sum(CASE WHEN p.booking IS NULL THEN 0 ELSE 1 END) AS BIGINT) AS issued, \
         CAST(sum(CASE WHEN p.booking IS NULL AND ",
        can_be_issued!(),
        " THEN 1 ELSE 0 END) AS BIGINT) AS free FROM pool_barcode p \
         JOIN connection ON connection.id = p.connection \
         LEFT JOIN barcode b ON b.account = connection.account AND b.barcode = p.barcode AND b.connection = p.connection \
         WHERE p.connection = $1 AND ($2 = '' OR p.stock = $2) GROUP BY p.stock ORDER BY p.stock"
    ))
    .bind(connection)
    .bind(stock.unwrap_or_default())
    .fetch_all(c)
    .await?;
    rows.iter().map(read_count).collect()
}

fn read_count(row: &Row) -> Result<PoolCount, StoreError> {
    Ok(PoolCount {
        stock: row.try_get("stock")?,
        imported: count(row.try_get("imported")?),
        issued: count(row.try_get("issued")?),
        free: count(row.try_get("free")?),
    })
}

pub(super) async fn withdraw(c: &mut Connection, connection: &str, stock: &str) -> Result<u64, StoreError> {
    lock(c, connection).await?;
    let done = sqlx::query(
        "DELETE FROM pool_barcode WHERE connection = $1 AND stock = $2 AND booking IS NULL AND former IS NULL \
         AND ordinal < $3",
    )
    .bind(connection)
    .bind(stock)
    .bind(RETURNED)
    .execute(c)
    .await?;
    Ok(done.rows_affected())
}
