//! Notifications, and bookings of products.

use passerelle_contract::BoxFuture;
use sqlx::Row as _;

use super::messages::all;
use super::{Connection, Engine, Millis, Row, StoreError, messages, millis, narrow, text};
use crate::clock;
use crate::store::messages::NewMessage;
use crate::store::products::{
    CLAIMED_FOR, LONGEST_PAUSE, MAX_PRODUCT_BOOKINGS, NoticeRow, Notified, ProductBooking, ProductState, ProductStore,
    WatchedOffer,
};

impl ProductStore for Engine {
    fn notified<'a>(&'a self, notices: &'a [Notified]) -> BoxFuture<'a, Result<Vec<bool>, StoreError>> {
        Box::pin(async move {
            let told: BoxFuture<'_, Result<Vec<bool>, StoreError>> = write!(self, c => async {
                let mut news = Vec::with_capacity(notices.len());
                for notified in notices {
                    news.push(notice(c, notified).await?);
                }
                Ok(news)
            });
            let news = told.await?;
            self.wake_delivery(notices.iter().any(|notified| !notified.messages.is_empty()));
            Ok(news)
        })
    }

    fn product_bookings<'a>(
        &'a self,
        account: &'a str,
        offer_id: i64,
    ) -> BoxFuture<'a, Result<Vec<ProductBooking>, StoreError>> {
        read!(self, c => async {
            let rows = sqlx::query(
                "SELECT * FROM product_booking WHERE account = $1 AND offer_id = $2 ORDER BY booked_at DESC, fingerprint LIMIT $3",
            )
            .bind(account)
            .bind(offer_id)
            .bind(i64::from(MAX_PRODUCT_BOOKINGS))
            .fetch_all(c)
            .await?;
            all(&rows, product)
        })
    }

    fn move_product<'a>(
        &'a self,
        from: Option<ProductState>,
        booking: &'a ProductBooking,
        messages: &'a [NewMessage],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let moved: BoxFuture<'_, Result<bool, StoreError>> =
                write!(self, c => move_from(c, from, booking, messages));
            let moved = moved.await?;
            self.wake_delivery(moved && !messages.is_empty());
            Ok(moved)
        })
    }

    fn offers_to_look_at(&self, now: Millis, limit: u32) -> BoxFuture<'_, Result<Vec<WatchedOffer>, StoreError>> {
        read!(self, c => async {
            let rows = sqlx::query(
                "SELECT * FROM watched_offer WHERE due_at <= $1 OR due_at > $3 \
                 AND (due_at > $4 OR COALESCE(looked_at, active_at) > $3) ORDER BY due_at, account, offer_id LIMIT $2",
            )
                .bind(now)
                .bind(i64::from(limit))
                .bind(now.saturating_add(millis(CLAIMED_FOR)).saturating_add(clock::TOLERANCE))
                .bind(now.saturating_add(millis(LONGEST_PAUSE)).saturating_add(clock::TOLERANCE))
                .fetch_all(c)
                .await?;
            all(&rows, watched)
        })
    }

    fn claim_offer<'a>(&'a self, offer: &'a WatchedOffer, due_at: Millis) -> BoxFuture<'a, Result<bool, StoreError>> {
        write!(self, c => async {
            let done = sqlx::query(
                "UPDATE watched_offer SET due_at = $4 WHERE account = $1 AND offer_id = $2 AND due_at = $3",
            )
            .bind(&offer.account)
            .bind(offer.offer_id)
            .bind(offer.due_at)
            .bind(due_at)
            .execute(c)
            .await?;
            Ok(done.rows_affected() > 0)
        })
    }

    fn looked_at<'a>(
        &'a self,
        offer: &'a WatchedOffer,
        now: Millis,
        next: Option<Millis>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        write!(self, c => async {
            // What happened meanwhile keeps its own date.
            let statement = match next {
                Some(_) => {
                    "UPDATE watched_offer SET looked_at = $4, due_at = $5 WHERE account = $1 AND offer_id = $2 AND active_at = $3"
                }
                None => "DELETE FROM watched_offer WHERE account = $1 AND offer_id = $2 AND active_at = $3 AND $4 >= 0 AND $5 = 0",
            };
            sqlx::query(statement)
                .bind(&offer.account)
                .bind(offer.offer_id)
                .bind(offer.active_at)
                .bind(now)
                .bind(next.unwrap_or(0))
                .execute(c)
                .await?;
            Ok(())
        })
    }
}

/// Bookings of an item at a venue, newest first. Served by `product_booking_item`.
pub(super) async fn of_item(
    c: &mut Connection,
    account: &str,
    venue_id: i64,
    item: String,
    limit: u32,
) -> Result<Vec<ProductBooking>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM product_booking WHERE account = $1 AND venue_id = $2 AND item = $3 \
         ORDER BY booked_at DESC, fingerprint LIMIT $4",
    )
    .bind(account)
    .bind(venue_id)
    .bind(item)
    .bind(i64::from(limit))
    .fetch_all(c)
    .await?;
    all(&rows, product)
}

async fn notice(c: &mut Connection, notified: &Notified) -> Result<bool, StoreError> {
    if !insert(c, &notified.notice).await? {
        return Ok(false);
    }
    let Some(booking) = &notified.booking else { return Ok(true) };
    let known = state_of(c, &booking.account, &booking.fingerprint).await?;
    let moves = match (known, booking.state) {
        // A cancellation that came first is remembered, so that the booking does not come to life after it.
        (None, _) | (Some(ProductState::Open | ProductState::Used), ProductState::Cancelled) => true,
        (Some(_), _) => false,
    };
    if moves {
        move_from(c, known, booking, &notified.messages).await?;
    }
    sqlx::query(
        "INSERT INTO watched_offer (account, offer_id, venue_id, item, active_at, due_at) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (account, offer_id) DO UPDATE SET active_at = excluded.active_at, \
         due_at = CASE WHEN watched_offer.due_at < excluded.due_at THEN watched_offer.due_at ELSE excluded.due_at END",
    )
    .bind(&booking.account)
    .bind(booking.offer_id)
    .bind(booking.venue_id)
    .bind(text(&booking.item))
    .bind(notified.notice.received_at)
    .bind(notified.look_at)
    .execute(c)
    .await?;
    Ok(true)
}

async fn insert(c: &mut Connection, notice: &NoticeRow) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO notice (account, fingerprint, action, offer_id, stock_id, venue_id, ean, quantity, received_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (account, fingerprint) DO NOTHING",
    )
    .bind(&notice.account)
    .bind(&notice.fingerprint)
    .bind(&notice.action)
    .bind(notice.offer_id)
    .bind(notice.stock_id)
    .bind(notice.venue_id)
    .bind(notice.ean.as_deref().map(text))
    .bind(i64::from(notice.quantity))
    .bind(notice.received_at)
    .execute(c)
    .await?;
    Ok(done.rows_affected() > 0)
}

async fn state_of(c: &mut Connection, account: &str, fingerprint: &str) -> Result<Option<ProductState>, StoreError> {
    let known: Option<String> = sqlx::query_scalar(concat!(
        "SELECT state FROM product_booking WHERE account = $1 AND fingerprint = $2",
        for_update!()
    ))
    .bind(account)
    .bind(fingerprint)
    .fetch_optional(c)
    .await?;
    known.as_deref().map(state).transpose()
}

async fn move_from(
    c: &mut Connection,
    from: Option<ProductState>,
    booking: &ProductBooking,
    new: &[NewMessage],
) -> Result<bool, StoreError> {
    let moved = match from {
        None => {
            sqlx::query(
                "INSERT INTO product_booking (account, fingerprint, booking, offer_id, stock_id, venue_id, item, quantity, \
                 price_cents, state, booked_at, expires_at, moved_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
                 $12, $13) ON CONFLICT (account, fingerprint) DO NOTHING",
            )
            .bind(&booking.account)
            .bind(&booking.fingerprint)
            .bind(&booking.booking)
            .bind(booking.offer_id)
            .bind(booking.stock_id)
            .bind(booking.venue_id)
            .bind(text(&booking.item))
            .bind(i64::from(booking.quantity))
            .bind(i64::from(booking.price_cents))
            .bind(booking.state.name())
            .bind(booking.booked_at)
            .bind(booking.expires_at)
            .bind(booking.moved_at)
            .execute(&mut *c)
            .await?
        }
        Some(from) => {
            sqlx::query(
                "UPDATE product_booking SET state = $4, moved_at = $5 WHERE account = $1 AND fingerprint = $2 AND state = $3",
            )
            .bind(&booking.account)
            .bind(&booking.fingerprint)
            .bind(from.name())
            .bind(booking.state.name())
            .bind(booking.moved_at)
            .execute(&mut *c)
            .await?
        }
    };
    if moved.rows_affected() == 0 {
        return Ok(false);
    }
    messages::add(c, new).await?;
    Ok(true)
}

fn state(name: &str) -> Result<ProductState, StoreError> {
    ProductState::named(name).ok_or_else(|| StoreError::Corrupt(format!("`{name}` is not a state of product bookings")))
}

fn product(row: &Row) -> Result<ProductBooking, StoreError> {
    let named: String = row.try_get("state")?;
    Ok(ProductBooking {
        account: row.try_get("account")?,
        fingerprint: row.try_get("fingerprint")?,
        booking: row.try_get("booking")?,
        offer_id: row.try_get("offer_id")?,
        stock_id: row.try_get("stock_id")?,
        venue_id: row.try_get("venue_id")?,
        item: row.try_get("item")?,
        quantity: narrow(row.try_get("quantity")?, "quantity")?,
        price_cents: narrow(row.try_get("price_cents")?, "price")?,
        state: state(&named)?,
        booked_at: row.try_get("booked_at")?,
        expires_at: row.try_get("expires_at")?,
        moved_at: row.try_get("moved_at")?,
    })
}

fn watched(row: &Row) -> Result<WatchedOffer, StoreError> {
    Ok(WatchedOffer {
        account: row.try_get("account")?,
        offer_id: row.try_get("offer_id")?,
        venue_id: row.try_get("venue_id")?,
        item: row.try_get("item")?,
        active_at: row.try_get("active_at")?,
        looked_at: row.try_get("looked_at")?,
        due_at: row.try_get("due_at")?,
    })
}
