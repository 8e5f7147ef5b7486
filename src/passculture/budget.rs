//! The request budget of an account, as this room sees it: a bucket somewhere that all processes share.
//!
//! The store keeps the real one; a test may keep it in memory.

use std::sync::Arc;
use std::time::Duration;

use passerelle_contract::BoxFuture;

use super::client::Millis;
pub use crate::store::Traffic;
use crate::store::{Store, StoreError};

/// The bucket could not be reached: nothing may be sent.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BudgetError(#[from] pub Box<dyn std::error::Error + Send + Sync>);

/// A bucket of permits shared by everything that uses one API key.
pub trait Budget: Send + Sync {
    /// Takes `permits` (1 to `burst`) for a kind of traffic out of a bucket that refills at `per_minute` and holds at most
    /// `burst`. No wait: they are taken, and never given back. Else nothing was taken, and asking again makes sense after the
    /// wait, no sooner.
    fn take<'a>(
        &'a self,
        account: &'a str,
        traffic: Traffic,
        permits: u32,
        per_minute: u32,
        burst: u32,
        now: Millis,
    ) -> BoxFuture<'a, Result<Duration, BudgetError>>;

    /// Nobody sends before `until`: pass Culture said so. Never shortens an earlier block.
    fn block<'a>(&'a self, account: &'a str, until: Millis) -> BoxFuture<'a, Result<(), BudgetError>>;
}

impl From<StoreError> for BudgetError {
    fn from(error: StoreError) -> Self {
        Self(Box::new(error))
    }
}

impl Budget for Arc<dyn Store> {
    fn take<'a>(
        &'a self,
        account: &'a str,
        traffic: Traffic,
        permits: u32,
        per_minute: u32,
        burst: u32,
        now: Millis,
    ) -> BoxFuture<'a, Result<Duration, BudgetError>> {
        Box::pin(async move { Ok(self.take_budget(account, traffic, permits, per_minute, burst, now).await?) })
    }

    fn block<'a>(&'a self, account: &'a str, until: Millis) -> BoxFuture<'a, Result<(), BudgetError>> {
        Box::pin(async move { Ok(self.block_budget(account, until).await?) })
    }
}
