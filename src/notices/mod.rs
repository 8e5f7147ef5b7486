//! Bookings of products: pass Culture notifies of them once, and venues' software is told.
//!
//! ```text
//! told       a booking that moved → messages for everybody who is told at its venue: pure
//! intake     notifications stored, many in one transaction, before they are answered
//! compare    pass Culture's listing of an offer against what is known of it: pure
//! reconcile  offers with recent activity, asked for and compared
//! ```
//!
//! Notifications are a hint: they come once, late, twice, in the wrong order or not at all. What pass Culture lists is the truth, and
//! both move the same row.
//!
//! Invariant: a booking that is over is never told as made; whoever moves a booking's row tells of it in the same transaction.

mod compare;
mod intake;
mod reconcile;
mod told;

use std::time::Duration;

use passerelle_contract::NoticeTerms;

use crate::store::Millis;

pub use intake::Intake;
pub use reconcile::{Reconciled, Reconciler, Venues};
pub use told::notified;

/// pass Culture lets a booked book go after ten days.
const BOOK_KEPT_FOR: Duration = Duration::from_secs(10 * 24 * 3600);
/// Any other good after thirty.
const GOODS_KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// Prefixes of EANs that are books.
const BOOK_PREFIXES: [&str; 2] = ["978", "979"];
/// An offer is first compared so long after something was said of it.
const FIRST_LOOK_AFTER: Duration = Duration::from_secs(120);

/// Somebody whose software is told of what happens at a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The connection.
    pub connection: String,
    /// What it is told, and how.
    pub terms: NoticeTerms,
}

/// When pass Culture lets a booking of this go.
fn expires_at(item: &str, booked_at: Millis) -> Millis {
    let is_book = BOOK_PREFIXES.iter().any(|prefix| item.starts_with(prefix));
    after(booked_at, if is_book { BOOK_KEPT_FOR } else { GOODS_KEPT_FOR })
}

fn after(at: Millis, time: Duration) -> Millis {
    at.saturating_add(Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX))
}
