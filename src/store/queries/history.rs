//! What happened to EANs.

use std::collections::BTreeMap;

use passerelle_contract::{BoxFuture, Cents, Quantity, Terms};
use sqlx::{QueryBuilder, Row as _};

use super::super::numbers;
use super::{
    Connection, Db, Ean, Engine, Lease, ROWS_PER_STATEMENT, Row, StoreError, ean_from, ean_to, leases, narrow,
    products, text, wide,
};
use crate::store::history::{HistoryEvent, HistoryRow, HistoryStore, MOST_ROWS_OF_CONNECTION, MOST_ROWS_OF_EAN};
use crate::store::products::ProductBooking;

/// As stored in `quantity`.
const UNLIMITED: i64 = -1;

impl HistoryStore for Engine {
    fn add_history<'a>(&'a self, lease: &'a Lease, rows: &'a [HistoryRow]) -> BoxFuture<'a, Result<(), StoreError>> {
        write_under!(self, lease, c => async {
            for part in rows.chunks(ROWS_PER_STATEMENT) {
                add(c, &lease.connection, part).await?;
            }
            Ok(())
        })
    }

    fn history<'a>(&'a self, connection: &'a str, ean: Ean) -> BoxFuture<'a, Result<Vec<HistoryRow>, StoreError>> {
        read!(self, c => of_ean(c, connection, ean))
    }

    fn bookings_of_ean<'a>(
        &'a self,
        account: &'a str,
        venue_id: i64,
        ean: Ean,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<ProductBooking>, StoreError>> {
        read!(self, c => products::of_item(c, account, venue_id, ean.to_string(), limit))
    }
}

async fn add(c: &mut Connection, connection: &str, rows: &[HistoryRow]) -> Result<(), StoreError> {
    let known = last_refusals(c, connection, rows).await?;
    let is_news = |row: &&HistoryRow| {
        let told = row.ean.and_then(|ean| known.get(&ean));
        told.is_none() || row.event != HistoryEvent::Refused || told != row.code.as_ref()
    };
    let rows: Vec<&HistoryRow> = rows.iter().filter(is_news).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let last: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(ordinal), 0) FROM ean_history WHERE connection = $1")
        .bind(connection)
        .fetch_one(&mut *c)
        .await?;
    let places = rows.iter().map(|row| place(row)).collect::<Result<Vec<_>, _>>()?;
    let mut insert = QueryBuilder::<Db>::new(
        "INSERT INTO ean_history \
         (connection, ordinal, ean, at, event, price_cents, quantity, call_at, code, evidence, line, items) ",
    );
    insert.push_values(rows.iter().zip(places).zip(last + 1..), |mut values, ((row, (line, items)), ordinal)| {
        values
            .push_bind(connection)
            .push_bind(ordinal)
            .push_bind(row.ean.map(ean_to))
            .push_bind(row.at)
            .push_bind(row.event.name())
            .push_bind(row.terms.map(|terms| i64::from(terms.price.0)))
            .push_bind(row.terms.map(|terms| quantity_to(terms.quantity)))
            .push_bind(row.call_at)
            .push_bind(row.code.as_deref())
            .push_bind(row.evidence.as_deref().map(text))
            .push_bind(line)
            .push_bind(items);
    });
    insert.build().persistent(rows.len() == ROWS_PER_STATEMENT).execute(&mut *c).await?;
    let newest = last.saturating_add(wide(rows.len() as u64, "rows")?);
    trim(c, connection, &rows, newest).await
}

/// Line and count, as the database takes them.
fn place(row: &HistoryRow) -> Result<(Option<i64>, Option<i64>), StoreError> {
    let number = |value: Option<u64>, what| value.map(|value| wide(value, what)).transpose();
    Ok((number(row.line, "line")?, number(row.items, "items")?))
}

/// The refusals among the newest rows of the EANs that are refused now.
async fn last_refusals(
    c: &mut Connection,
    connection: &str,
    rows: &[HistoryRow],
) -> Result<BTreeMap<Ean, String>, StoreError> {
    let refused = rows.iter().filter(|row| row.event == HistoryEvent::Refused);
    let eans: Vec<i64> = refused.filter_map(|row| row.ean).map(ean_to).collect();
    if eans.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = sqlx::query(concat!(
        "SELECT ean, code FROM ean_history WHERE connection = $1 AND event = 'refused' AND code IS NOT NULL AND ordinal IN \
         (SELECT MAX(ordinal) FROM ean_history WHERE connection = $1 AND ean ",
        one_of!("$2"),
        " GROUP BY ean)"
    ))
    .bind(connection)
    .bind(numbers(eans.into_iter()))
    .fetch_all(c)
    .await?;
    rows.iter().map(|row| Ok((ean_from(row.try_get("ean")?)?, row.try_get("code")?))).collect()
}

async fn trim(c: &mut Connection, connection: &str, rows: &[&HistoryRow], newest: i64) -> Result<(), StoreError> {
    // The first row of an EAN says since when it is known: it stays beside the newest.
    sqlx::query(concat!(
        "DELETE FROM ean_history WHERE connection = $1 AND ordinal IN (SELECT ordinal FROM (SELECT ordinal, ROW_NUMBER() OVER \
         (PARTITION BY ean ORDER BY CASE WHEN event = 'first_seen' THEN 0 ELSE 1 END, ordinal DESC) AS place \
         FROM ean_history WHERE connection = $1 AND ean ",
        one_of!("$2"),
        ") AS placed WHERE place > $3)"
    ))
    .bind(connection)
    .bind(numbers(rows.iter().filter_map(|row| row.ean).map(ean_to)))
    .bind(i64::from(MOST_ROWS_OF_EAN))
    .execute(&mut *c)
    .await?;
    sqlx::query("DELETE FROM ean_history WHERE connection = $1 AND ordinal <= $2")
        .bind(connection)
        .bind(newest.saturating_sub(wide(MOST_ROWS_OF_CONNECTION, "rows")?))
        .execute(c)
        .await?;
    Ok(())
}

/// Served by `ean_history_by_ean`.
async fn of_ean(c: &mut Connection, connection: &str, ean: Ean) -> Result<Vec<HistoryRow>, StoreError> {
    let mut kept = Vec::new();
    for (query, key) in [
        ("SELECT * FROM ean_history WHERE connection = $1 AND ean = $2 ORDER BY ordinal DESC LIMIT $3", ean_to(ean)),
        (
            "SELECT * FROM ean_history WHERE connection = $1 AND ean IS NULL AND ordinal > $2 ORDER BY ordinal DESC LIMIT $3",
            0,
        ),
    ] {
        let rows =
            sqlx::query(query).bind(connection).bind(key).bind(i64::from(MOST_ROWS_OF_EAN)).fetch_all(&mut *c).await?;
        for row in &rows {
            let ordinal: i64 = row.try_get("ordinal")?;
            // An event of a later release is left out.
            kept.extend(history_row(row)?.map(|row| (ordinal, row)));
        }
    }
    kept.sort_by_key(|(ordinal, _)| *ordinal);
    Ok(kept.into_iter().map(|(_, row)| row).collect())
}

fn history_row(row: &Row) -> Result<Option<HistoryRow>, StoreError> {
    let number = |name: &str| -> Result<Option<i64>, StoreError> { Ok(row.try_get(name)?) };
    let Some(event) = HistoryEvent::named(row.try_get("event")?) else { return Ok(None) };
    let terms = match (number("price_cents")?, number("quantity")?) {
        (Some(price), Some(quantity)) => {
            Some(Terms { price: Cents(narrow(price, "price")?), quantity: quantity_from(quantity)? })
        }
        _ => None,
    };
    Ok(Some(HistoryRow {
        ean: number("ean")?.map(ean_from).transpose()?,
        at: row.try_get("at")?,
        event,
        terms,
        call_at: number("call_at")?,
        code: row.try_get("code")?,
        evidence: row.try_get("evidence")?,
        line: number("line")?.map(|line| narrow(line, "line")).transpose()?,
        items: number("items")?.map(|items| narrow(items, "items")).transpose()?,
    }))
}

fn quantity_to(quantity: Quantity) -> i64 {
    match quantity {
        Quantity::Exactly(copies) => i64::from(copies),
        Quantity::Unlimited => UNLIMITED,
    }
}

fn quantity_from(stored: i64) -> Result<Quantity, StoreError> {
    if stored == UNLIMITED { Ok(Quantity::Unlimited) } else { Ok(Quantity::Exactly(narrow(stored, "quantity")?)) }
}
