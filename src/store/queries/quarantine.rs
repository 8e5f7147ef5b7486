//! Rows that stayed behind.

use sqlx::{QueryBuilder, Row as _};

use super::{
    Connection, Db, Ean, QuarantineRow, ROWS_PER_STATEMENT, Row, StoreError, ean_from, ean_to, narrow, text, wide,
};

/// Bytes of a vendor's key that are kept: an index entry of PostgreSQL holds 2 704.
const KEY_BYTES: usize = 512;

pub(super) async fn write(
    c: &mut Connection,
    connection: &str,
    first_ordinal: u64,
    rows: &[QuarantineRow],
) -> Result<(), StoreError> {
    if let Some(row) = rows.iter().find(|row| row.connection != connection || row.ordinal < first_ordinal) {
        return Err(StoreError::Invalid(format!(
            "row {} of `{}` among those of `{connection}`",
            row.ordinal, row.connection
        )));
    }
    sqlx::query("DELETE FROM quarantine WHERE connection = $1 AND ordinal >= $2")
        .bind(connection)
        .bind(wide(first_ordinal, "ordinal")?)
        .execute(&mut *c)
        .await?;
    for part in rows.chunks(ROWS_PER_STATEMENT) {
        let places = part.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let mut insert = QueryBuilder::<Db>::new(
            "INSERT INTO quarantine \
             (connection, ordinal, line, entry_page, entry, vendor_key, ean, code, message, message_fr, \
             is_note, cells, protects) ",
        );
        insert.push_values(part.iter().zip(places), |mut values, (row, (ordinal, line))| {
            values
                .push_bind(connection)
                .push_bind(ordinal)
                .push_bind(line)
                .push_bind(row.entry.map(|(page, _)| i64::from(page)))
                .push_bind(row.entry.map(|(_, entry)| i64::from(entry)))
                .push_bind(row.key.as_deref().map(kept_key))
                .push_bind(row.ean.map(ean_to))
                .push_bind(row.code.as_str())
                .push_bind(text(&row.message))
                .push_bind(text(&row.message_fr))
                .push_bind(row.is_note)
                .push_bind(row.cells.as_deref().map(text))
                .push_bind(row.protects.as_deref().map(text));
        });
        insert.build().persistent(part.len() == ROWS_PER_STATEMENT).execute(&mut *c).await?;
    }
    Ok(())
}

/// Ordinal and line, as the database takes them.
fn place(row: &QuarantineRow) -> Result<(i64, Option<i64>), StoreError> {
    Ok((wide(row.ordinal, "ordinal")?, row.line.map(|line| wide(line, "line")).transpose()?))
}

/// The key as it is stored and looked up.
fn kept_key(key: &str) -> String {
    text(&key[..key.floor_char_boundary(KEY_BYTES)]).into_owned()
}

/// Served by the primary key.
pub(super) async fn list(
    c: &mut Connection,
    connection: Option<&str>,
    from: Option<(String, u64)>,
    limit: u32,
) -> Result<Vec<QuarantineRow>, StoreError> {
    let (from, ordinal) = from.unwrap_or_default();
    let query = if connection.is_some() {
        "SELECT * FROM quarantine WHERE connection = $4 AND (connection, ordinal) >= ($1, $2) \
         ORDER BY connection, ordinal LIMIT $3"
    } else {
        "SELECT * FROM quarantine WHERE (connection, ordinal) >= ($1, $2) ORDER BY connection, ordinal LIMIT $3"
    };
    let mut query = sqlx::query(query).bind(from).bind(wide(ordinal, "ordinal")?).bind(i64::from(limit));
    if let Some(connection) = connection {
        query = query.bind(connection);
    }
    query.fetch_all(c).await?.iter().map(row).collect()
}

/// Rows that name an EAN besides their own, or that begin like it, are found by looking at those that name any: few do.
pub(super) async fn by_key(
    c: &mut Connection,
    key: &str,
    ean: Option<Ean>,
    limit: u32,
) -> Result<Vec<QuarantineRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM quarantine WHERE vendor_key = $1 OR ean = $2 OR (protects IS NOT NULL AND protects LIKE $4) \
             ORDER BY connection, ordinal LIMIT $3",
    )
    .bind(kept_key(key))
    .bind(ean.map(ean_to))
    .bind(i64::from(limit))
    .bind(ean.map_or_else(|| "".to_owned(), |ean| format!("% {ean} %")))
    .fetch_all(c)
    .await?;
    rows.iter().map(row).collect()
}

/// How many rows went.
pub(super) async fn clear(c: &mut Connection, connection: &str) -> Result<u64, StoreError> {
    // The state first, as a pass does that saves its state and its quarantine. The cursor goes too: the next pass reads
    // everything, and writes what is still wrong.
    sqlx::query("UPDATE connection_state SET quarantine_digest = NULL, \"cursor\" = NULL WHERE connection = $1")
        .bind(connection)
        .execute(&mut *c)
        .await?;
    let done = sqlx::query("DELETE FROM quarantine WHERE connection = $1").bind(connection).execute(c).await?;
    Ok(done.rows_affected())
}

fn row(row: &Row) -> Result<QuarantineRow, StoreError> {
    let number = |name: &str| -> Result<Option<i64>, StoreError> { Ok(row.try_get(name)?) };
    let entry = match (number("entry_page")?, number("entry")?) {
        (Some(page), Some(entry)) => Some((narrow(page, "page")?, narrow(entry, "entry")?)),
        _ => None,
    };
    Ok(QuarantineRow {
        connection: row.try_get("connection")?,
        ordinal: narrow(row.try_get("ordinal")?, "ordinal")?,
        line: number("line")?.map(|line| narrow(line, "line")).transpose()?,
        entry,
        key: row.try_get("vendor_key")?,
        ean: number("ean")?.map(ean_from).transpose()?,
        code: row.try_get("code")?,
        message: row.try_get("message")?,
        message_fr: row.try_get("message_fr")?,
        is_note: row.try_get("is_note")?,
        cells: row.try_get("cells")?,
        protects: row.try_get("protects")?,
    })
}
