//! In a server: what bookings left open is settled every second.
//!
//! Any number of servers may do this beside each other and beside `passerelle bookings settle`: whoever claims a booking first
//! works on it.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Gateway;
use super::message_urls::{Registered, Registration};
use crate::booking::{Desk, Waits};
use crate::store::bookings::BookingFilter;
use crate::telemetry;

/// The pause between two looks at what is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The pause between two looks at the offers that are due.
const COMPARE_EVERY: Duration = Duration::from_secs(5);
/// The pause between two looks at the addresses of messages: one or two requests an account.
const ADDRESSES_EVERY: Duration = Duration::from_secs(15 * 60);
/// How often the bookings that a person must look at are counted.
const COUNT_EVERY: u32 = 30;
/// More of them are shown as this many.
const MOST_COUNTED: u32 = 1_000;

/// Settles until told to stop, and finishes what it has begun.
pub async fn run(gateway: Arc<Gateway>, desk: Desk, stop: CancellationToken) {
    let mut rounds = 0_u32;
    while !stop.is_cancelled() {
        match desk.settle(Waits::Kept).await {
            Ok(settled) => {
                for booking in settled {
                    telemetry::booking_settled(&booking.before, &booking.after.row);
                }
            }
            Err(error) => tracing::warn!(%error, "bookings could not be settled; trying again"),
        }
        if rounds.is_multiple_of(COUNT_EVERY) {
            count(&gateway).await;
        }
        rounds = rounds.wrapping_add(1);
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Looks whether pass Culture still sends its messages here, and registers the addresses where it does not, until told to stop.
/// Somebody else's hand in the portal, or a restored copy there, would send bookings nowhere.
pub async fn keep_message_urls(gateway: Arc<Gateway>, stop: CancellationToken) {
    let Some(public_url) = gateway.public_url.clone() else { return };
    while !stop.is_cancelled() {
        match gateway.register_message_urls(&public_url).await {
            Ok(all) => {
                for Registration { account, connection, result } in all {
                    match result {
                        Ok(Registered::Changed) => tracing::warn!(
                            account,
                            connection,
                            "pass Culture had other message addresses; they were registered again"
                        ),
                        Ok(Registered::Unchanged | Registered::NoKey) => {}
                        Err(why) => tracing::warn!(
                            account,
                            connection,
                            why,
                            "the message addresses at pass Culture could not be looked at; again later"
                        ),
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the message addresses could not be looked at; again later"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(ADDRESSES_EVERY) => {}
        }
    }
}

async fn count(gateway: &Gateway) {
    let filter = BookingFilter { needs_human: true, ..BookingFilter::default() };
    if let Ok(bookings) = gateway.store.bookings(&filter, MOST_COUNTED).await {
        telemetry::bookings_for_a_person(bookings.len());
    }
}

/// Compares bookings of products with pass Culture's listings until told to stop. Apart from [`run`], so that a slow listing keeps
/// no seat waiting.
pub async fn compare_products(gateway: Arc<Gateway>, stop: CancellationToken) {
    let reconciler = super::reconciler(&gateway);
    while !stop.is_cancelled() {
        match reconciler.due().await {
            Ok(moved) => {
                for booking in moved {
                    telemetry::product_reconciled(booking.before, &booking.after);
                }
            }
            Err(error) => tracing::warn!(%error, "bookings of products could not be compared; trying again"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(COMPARE_EVERY) => {}
        }
    }
}
