//! Sessions of vendor accounts.

use passerelle_contract::BoxFuture;

use super::{Connection, Engine, Millis, StoreError};
use crate::store::sessions::{FORGOTTEN_AFTER, LONGEST_KEPT, LONGEST_LOCK, SessionStore};

impl SessionStore for Engine {
    fn session<'a>(&'a self, account: &'a str) -> BoxFuture<'a, Result<Option<String>, StoreError>> {
        read!(self, c => async {
            let kept: Option<Option<String>> = sqlx::query_scalar("SELECT sealed FROM vendor_session WHERE account = $1")
                .bind(account)
                .fetch_optional(c)
                .await?;
            Ok(kept.flatten())
        })
    }

    fn lock_session<'a>(
        &'a self,
        account: &'a str,
        now: Millis,
        until: Millis,
    ) -> BoxFuture<'a, Result<Option<i64>, StoreError>> {
        write!(self, c => async {
            let until = until.min(now.saturating_add(LONGEST_LOCK));
            let fence = lock(c, account, now, until).await?;
            if fence.is_some() {
                // Never one that is taken now: nobody waits for another's row.
                sqlx::query("DELETE FROM vendor_session WHERE taken_at < $1 AND locked_until < $2")
                    .bind(now.saturating_sub(FORGOTTEN_AFTER))
                    .bind(now)
                    .execute(&mut *c)
                    .await?;
            }
            Ok(fence)
        })
    }

    fn unlock_session<'a>(
        &'a self,
        account: &'a str,
        fence: i64,
        keep: Option<&'a str>,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        write!(self, c => async {
            if keep.is_some_and(|text| text.len() > LONGEST_KEPT) {
                return Err(StoreError::Invalid(format!("a session has at most {LONGEST_KEPT} bytes")));
            }
            let ours = sqlx::query(
                "UPDATE vendor_session SET locked_until = 0, sealed = COALESCE($3, sealed) WHERE account = $1 AND fence = $2",
            )
            .bind(account)
            .bind(fence)
            .bind(keep)
            .execute(c)
            .await?;
            Ok(ours.rows_affected() == 1)
        })
    }
}

/// Free, run out, or taken by a clock that was wrong.
async fn lock(c: &mut Connection, account: &str, now: Millis, until: Millis) -> Result<Option<i64>, StoreError> {
    let fence = sqlx::query_scalar(
        "INSERT INTO vendor_session (account, sealed, fence, locked_until, taken_at) VALUES ($1, NULL, 1, $3, $2) \
         ON CONFLICT (account) DO UPDATE SET fence = vendor_session.fence + 1, locked_until = $3, taken_at = $2 \
         WHERE vendor_session.locked_until <= $2 OR vendor_session.locked_until > $4 RETURNING fence",
    )
    .bind(account)
    .bind(now)
    .bind(until)
    .bind(now.saturating_add(LONGEST_LOCK))
    .fetch_optional(c)
    .await?;
    Ok(fence)
}
