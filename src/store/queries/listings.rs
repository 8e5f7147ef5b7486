//! pass Culture's lists of bookings.

use passerelle_contract::BoxFuture;
use sqlx::Row as _;

use super::{Connection, Engine, Millis, StoreError};
use crate::store::listings::{BookedAt, ListReader, ListingStore, OWN_CANCELLATION_KEPT};

impl ListingStore for Engine {
    fn lists_by_venue<'a>(&'a self, account: &'a str) -> BoxFuture<'a, Result<Option<(bool, Millis)>, StoreError>> {
        read!(self, c => async {
            let row = sqlx::query("SELECT by_venue, asked_at FROM listing_account WHERE account = $1")
                .bind(account)
                .fetch_optional(c)
                .await?;
            row.map(|row| Ok((row.try_get("by_venue")?, row.try_get("asked_at")?))).transpose()
        })
    }

    fn save_lists_by_venue<'a>(
        &'a self,
        account: &'a str,
        by_venue: bool,
        asked_at: Millis,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        write!(self, c => async {
            sqlx::query(
                "INSERT INTO listing_account (account, by_venue, asked_at) VALUES ($1, $2, $3) \
                 ON CONFLICT (account) DO UPDATE SET by_venue = excluded.by_venue, asked_at = excluded.asked_at",
            )
            .bind(account)
            .bind(by_venue)
            .bind(asked_at)
            .execute(c)
            .await?;
            Ok(())
        })
    }

    fn listing_mark<'a>(
        &'a self,
        account: &'a str,
        venue_id: i64,
        reader: ListReader,
    ) -> BoxFuture<'a, Result<Option<i64>, StoreError>> {
        read!(self, c => async {
            let mark: Option<i64> = sqlx::query_scalar(
                "SELECT from_id FROM listing_mark WHERE account = $1 AND venue_id = $2 AND reader = $3",
            )
            .bind(account)
            .bind(venue_id)
            .bind(reader.name())
            .fetch_optional(c)
            .await?;
            Ok(mark)
        })
    }

    fn raise_listing_mark<'a>(
        &'a self,
        account: &'a str,
        venue_id: i64,
        reader: ListReader,
        from_id: i64,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        write!(self, c => async {
            sqlx::query(
                "INSERT INTO listing_mark (account, venue_id, reader, from_id) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (account, venue_id, reader) DO UPDATE SET from_id = excluded.from_id \
                 WHERE listing_mark.from_id < excluded.from_id",
            )
            .bind(account)
            .bind(venue_id)
            .bind(reader.name())
            .bind(from_id)
            .execute(c)
            .await?;
            Ok(())
        })
    }

    fn cancels_itself<'a>(
        &'a self,
        account: &'a str,
        booking: BookedAt,
        now: Millis,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        write!(self, c => async {
            sqlx::query("DELETE FROM own_cancellation WHERE asked_at < $1")
                .bind(now.saturating_sub(OWN_CANCELLATION_KEPT))
                .execute(&mut *c)
                .await?;
            sqlx::query(
                "INSERT INTO own_cancellation (account, stock_id, booked_at, asked_at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (account, stock_id, booked_at) DO UPDATE SET asked_at = excluded.asked_at",
            )
            .bind(account)
            .bind(booking.stock_id)
            .bind(booking.booked_at)
            .bind(now)
            .execute(c)
            .await?;
            Ok(())
        })
    }

    fn kept_after_all<'a>(&'a self, account: &'a str, booking: BookedAt) -> BoxFuture<'a, Result<(), StoreError>> {
        write!(self, c => async {
            sqlx::query("DELETE FROM own_cancellation WHERE account = $1 AND stock_id = $2 AND booked_at = $3")
                .bind(account)
                .bind(booking.stock_id)
                .bind(booking.booked_at)
                .execute(c)
                .await?;
            Ok(())
        })
    }

    fn is_cancelled_by_itself<'a>(
        &'a self,
        account: &'a str,
        booking: BookedAt,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        read!(self, c => async {
            let found = sqlx::query(
                "SELECT 1 FROM own_cancellation WHERE account = $1 AND stock_id = $2 AND booked_at = $3",
            )
            .bind(account)
            .bind(booking.stock_id)
            .bind(booking.booked_at)
            .fetch_optional(c)
            .await?;
            Ok(found.is_some())
        })
    }
}
