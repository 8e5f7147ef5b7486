//! Seats given out and taken back.

use passerelle_contract::{Issue, Quantity};
use sqlx::Row as _;

use super::pool::{RETURNED, can_be_issued};
use super::{Connection, StoreError, account, count, lock, narrow, shows};
use crate::store::allotments::{ForSale, Issuance, IssueOrder, IssueTerms, IssuedTickets, StatedStock, TakenBack};

/// A barcode of the gateway's own begins with this; the booking's reference and the seat's number follow.
const OUR_HEAD: &str = "GW";
/// Seats of one booking at most: as many as `freed` has bits for.
const MOST_SEATS: u32 = 2;

/// What limits a stock.
struct Supply {
    stated: Option<StatedStock>,
    /// Barcodes that can be issued, where tickets come from the pool.
    free: Option<u32>,
}

impl Supply {
    fn left(&self) -> Quantity {
        let stated = self.stated.as_ref().and_then(|stock| stock.remaining);
        match (stated, self.free) {
            (Some(stated), Some(free)) => Quantity::Exactly(stated.min(free)),
            (Some(left), None) | (None, Some(left)) => Quantity::Exactly(left),
            (None, None) => Quantity::Unlimited,
        }
    }
}

enum Standing {
    Open(Supply),
    Gone,
    Closed,
}

async fn standing(
    c: &mut Connection,
    account: &str,
    order: IssueOrder<'_>,
    terms: IssueTerms,
) -> Result<Standing, StoreError> {
    let stated = if terms.stated {
        match shows::stock(c, order.connection, order.stock).await? {
            Some(stock) if !stock.gone => Some(stock),
            Some(_) | None => return Ok(Standing::Gone),
        }
    } else {
        None
    };
    if stated.as_ref().map_or(order.starts_at, |stock| stock.closes_at) <= order.now {
        return Ok(Standing::Closed);
    }
    let imported: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT 1 FROM pool_barcode WHERE connection = $1 AND stock = $2 LIMIT 1) AS found",
    )
    .bind(order.connection)
    .bind(order.stock)
    .fetch_one(&mut *c)
    .await?;
    let free = if terms.issue == Issue::Imported || imported > 0 {
        Some(free(c, account, order).await?)
    } else if stated.is_some() {
        None
    } else {
        // Without a number of places nothing says how many seats there are.
        return Ok(Standing::Gone);
    };
    Ok(Standing::Open(Supply { stated, free }))
}

/// Counted apart, since the fresh ones are many and need no look at bookings.
async fn free(c: &mut Connection, account: &str, order: IssueOrder<'_>) -> Result<u32, StoreError> {
    let fresh: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pool_barcode WHERE connection = $1 AND stock = $2 AND booking IS NULL AND ordinal < $3",
    )
    .bind(order.connection)
    .bind(order.stock)
    .bind(RETURNED)
    .fetch_one(&mut *c)
    .await?;
    let returned: i64 = sqlx::query_scalar(concat!(
        "SELECT count(*) FROM pool_barcode p LEFT JOIN barcode b ON b.account = $3 AND b.barcode = p.barcode \
         AND b.connection = p.connection WHERE p.connection = $1 AND p.stock = $2 AND p.booking IS NULL \
         AND p.ordinal >= $4 AND ",
        can_be_issued!(),
    ))
    .bind(order.connection)
    .bind(order.stock)
    .bind(account)
    .bind(RETURNED)
    .fetch_one(c)
    .await?;
    Ok(count(fresh).saturating_add(count(returned)))
}

pub(super) async fn for_sale(
    c: &mut Connection,
    order: IssueOrder<'_>,
    terms: IssueTerms,
) -> Result<ForSale, StoreError> {
    let account = account(c, order.connection).await?;
    Ok(match standing(c, &account, order, terms).await? {
        Standing::Open(supply) => ForSale::Left(supply.left()),
        Standing::Gone => ForSale::Gone,
        Standing::Closed => ForSale::Closed,
    })
}

pub(super) async fn issue(
    c: &mut Connection,
    order: IssueOrder<'_>,
    terms: IssueTerms,
) -> Result<Issuance, StoreError> {
    if !(1..=MOST_SEATS).contains(&order.quantity) {
        return Err(StoreError::Invalid(format!("{} seats of one booking; 1 to {MOST_SEATS}", order.quantity)));
    }
    let account = lock(c, order.connection).await?;
    if let Some(known) = issued(c, order.connection, order.reference).await? {
        if known.seats.iter().any(|(_, freed)| *freed) {
            return Ok(Issuance::Overtaken);
        }
        let left = match for_sale(c, order, terms).await? {
            ForSale::Left(left) => left,
            ForSale::Gone | ForSale::Closed => Quantity::Exactly(0),
        };
        return Ok(Issuance::Issued(known.seats.into_iter().map(|(barcode, _)| barcode).collect(), left));
    }
    // A process that slept through its own call finds its booking given up: nobody would ever take those seats back.
    let state: Option<String> =
        sqlx::query_scalar(concat!("SELECT state FROM booking WHERE reference = $1", for_update!()))
            .bind(order.reference)
            .fetch_optional(&mut *c)
            .await?;
    if state.is_some_and(|state| state != "calling") {
        return Ok(Issuance::Overtaken);
    }
    let supply = match standing(c, &account, order, terms).await? {
        Standing::Open(supply) => supply,
        Standing::Gone => return Ok(Issuance::Gone),
        Standing::Closed => return Ok(Issuance::Closed),
    };
    if let Some(stock) = &supply.stated
        && stock.price_cents != order.price_cents
    {
        return Ok(Issuance::AnotherPrice(stock.price_cents));
    }
    let left = match supply.left() {
        Quantity::Exactly(left) if left < order.quantity => return Ok(Issuance::TooFew(left)),
        Quantity::Exactly(left) => Quantity::Exactly(left.saturating_sub(order.quantity)),
        Quantity::Unlimited => Quantity::Unlimited,
    };
    let barcodes = if supply.free.is_some() {
        from_pool(c, &account, order).await?
    } else {
        (1..=order.quantity).map(|seat| format!("{OUR_HEAD}{}{seat}", order.reference)).collect()
    };
    sqlx::query(
        "INSERT INTO issued (connection, booking, stock, freed, quantity, barcodes) VALUES ($1, $2, $3, 0, $4, $5)",
    )
    .bind(order.connection)
    .bind(order.reference)
    .bind(order.stock)
    .bind(i64::from(order.quantity))
    .bind(serde_json::Value::from(barcodes.clone()).to_string())
    .execute(&mut *c)
    .await?;
    if supply.stated.is_some() {
        give(c, order.connection, order.stock, -i64::from(order.quantity)).await?;
    }
    Ok(Issuance::Issued(barcodes, left))
}

/// Takes barcodes out of the pool, in order. One that came back changes hands in `barcode`, and remembers who had it.
async fn from_pool(c: &mut Connection, account: &str, order: IssueOrder<'_>) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(concat!(
        "SELECT p.barcode, b.booking AS holder FROM pool_barcode p LEFT JOIN barcode b ON b.account = $3 \
         AND b.barcode = p.barcode AND b.connection = p.connection WHERE p.connection = $1 AND p.stock = $2 \
         AND p.booking IS NULL AND ",
        can_be_issued!(),
        " ORDER BY p.ordinal LIMIT $4",
    ))
    .bind(order.connection)
    .bind(order.stock)
    .bind(account)
    .bind(i64::from(order.quantity))
    .fetch_all(&mut *c)
    .await?;
    let mut barcodes = Vec::with_capacity(rows.len());
    for row in &rows {
        let barcode: String = row.try_get("barcode")?;
        let holder: Option<String> = row.try_get("holder")?;
        sqlx::query(
            "UPDATE pool_barcode SET booking = $3, former = coalesce($4, former) WHERE connection = $1 AND barcode = $2",
        )
        .bind(order.connection)
        .bind(&barcode)
        .bind(order.reference)
        .bind(&holder)
        .execute(&mut *c)
        .await?;
        if let Some(holder) = holder {
            sqlx::query(
                "UPDATE barcode SET booking = $4 WHERE account = $1 AND barcode = $2 AND connection = $3 AND booking = $5",
            )
            .bind(account)
            .bind(&barcode)
            .bind(order.connection)
            .bind(order.reference)
            .bind(holder)
            .execute(&mut *c)
            .await?;
        }
        barcodes.push(barcode);
    }
    if barcodes.len() != order.quantity as usize {
        return Err(StoreError::Corrupt(format!("the barcodes of stock {} were counted otherwise", order.stock)));
    }
    Ok(barcodes)
}

/// Moves the counter of a stock that has one.
async fn give(c: &mut Connection, connection: &str, stock: &str, places: i64) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE stated_stock SET remaining = remaining + $3 \
         WHERE connection = $1 AND stock = $2 AND remaining IS NOT NULL AND remaining + $3 BETWEEN 0 AND 4294967295",
    )
    .bind(connection)
    .bind(stock)
    .bind(places)
    .execute(c)
    .await?;
    Ok(())
}

pub(super) async fn issued(
    c: &mut Connection,
    connection: &str,
    reference: &str,
) -> Result<Option<IssuedTickets>, StoreError> {
    let row = sqlx::query("SELECT stock, freed, barcodes FROM issued WHERE connection = $1 AND booking = $2")
        .bind(connection)
        .bind(reference)
        .fetch_optional(c)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let freed: u32 = narrow(row.try_get("freed")?, "freed seats")?;
    let barcodes: Vec<String> = serde_json::from_str(row.try_get("barcodes")?)
        .map_err(|error| StoreError::Corrupt(format!("tickets issued for {reference}: {error}")))?;
    let seats = (0..MOST_SEATS).zip(barcodes).map(|(place, barcode)| (barcode, freed & (1 << place) != 0)).collect();
    Ok(Some(IssuedTickets { stock: row.try_get("stock")?, seats }))
}

pub(super) async fn take_back(
    c: &mut Connection,
    connection: &str,
    reference: &str,
    places: &[u32],
) -> Result<Vec<TakenBack>, StoreError> {
    lock(c, connection).await?;
    let Some(mut known) = issued(c, connection, reference).await? else {
        return Ok(vec![TakenBack::Unknown; places.len()]);
    };
    let mut outcomes = Vec::with_capacity(places.len());
    let mut back = 0;
    for place in places {
        let seat = usize::try_from(*place).ok().and_then(|place| known.seats.get_mut(place));
        outcomes.push(match seat {
            None => TakenBack::Unknown,
            Some((_, true)) => TakenBack::Before,
            Some((barcode, freed)) => {
                *freed = true;
                back += 1;
                to_pool(c, connection, reference, &known.stock, barcode).await?;
                TakenBack::Now
            }
        });
    }
    if back > 0 {
        let freed: i64 = (0..).zip(&known.seats).map(|(place, (_, freed))| i64::from(*freed) << place).sum();
        sqlx::query("UPDATE issued SET freed = $3 WHERE connection = $1 AND booking = $2")
            .bind(connection)
            .bind(reference)
            .bind(freed)
            .execute(&mut *c)
            .await?;
        give(c, connection, &known.stock, back).await?;
    }
    Ok(outcomes)
}

/// Behind all others. A barcode of our own is in no pool, and is never issued again.
async fn to_pool(
    c: &mut Connection,
    connection: &str,
    reference: &str,
    stock: &str,
    barcode: &str,
) -> Result<(), StoreError> {
    let last: Option<i64> =
        sqlx::query_scalar("SELECT max(ordinal) FROM pool_barcode WHERE connection = $1 AND stock = $2")
            .bind(connection)
            .bind(stock)
            .fetch_one(&mut *c)
            .await?;
    sqlx::query(
        "UPDATE pool_barcode SET booking = NULL, ordinal = $4 WHERE connection = $1 AND barcode = $2 AND booking = $3",
    )
    .bind(connection)
    .bind(barcode)
    .bind(reference)
    .bind(last.unwrap_or(0).max(RETURNED).saturating_add(1))
    .execute(c)
    .await?;
    Ok(())
}
