//! What the store keeps of notifications, and of the bookings of products that they tell of.
//!
//! pass Culture tells of these once, in no order, and not of all that happens; so a notification moves a row, the comparison with
//! its listing moves the same row, and whoever moves it tells the venue's software with it.
//!
//! Invariants: a notification has an effect once; a booking that was cancelled is never told as made; no person is kept.

use std::time::Duration;

use passerelle_contract::BoxFuture;

use super::messages::NewMessage;
use super::{Millis, StoreError};

/// A claimed offer is due again after this, should its worker die.
pub const CLAIMED_FOR: Duration = Duration::from_secs(120);
/// An offer is asked for at least this often.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// Bookings of one offer read at once at most.
pub const MAX_PRODUCT_BOOKINGS: u32 = 20_000;

/// A notification as it came, without the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeRow {
    /// SHA-256 (hex) of account, stock, e-mail, creation date and action. Unique.
    pub fingerprint: String,
    /// The account that was told.
    pub account: String,
    /// `BOOK` or `CANCEL`.
    pub action: String,
    /// pass Culture's offer.
    pub offer_id: i64,
    /// pass Culture's stock.
    pub stock_id: i64,
    /// pass Culture's venue.
    pub venue_id: i64,
    /// The product, when it has an EAN.
    pub ean: Option<String>,
    /// Copies or seats.
    pub quantity: u32,
    /// When it came.
    pub received_at: Millis,
}

/// Where the booking of a product stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProductState {
    /// Booked and not fetched.
    Open,
    /// Fetched.
    Used,
    /// Over: cancelled or expired.
    Cancelled,
}

impl ProductState {
    /// As stored and as printed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Used => "used",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Open, Self::Used, Self::Cancelled].into_iter().find(|state| state.name() == name)
    }
}

/// The booking of a product, without the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductBooking {
    /// The account.
    pub account: String,
    /// SHA-256 (hex) of account, stock, e-mail, creation date and quantity. Unique in the account.
    pub fingerprint: String,
    /// Its name for venues' software.
    pub booking: String,
    /// pass Culture's offer.
    pub offer_id: i64,
    /// pass Culture's stock.
    pub stock_id: i64,
    /// pass Culture's venue.
    pub venue_id: i64,
    /// EAN, or another key of what is booked.
    pub item: String,
    /// Copies or seats.
    pub quantity: u32,
    /// Unit price.
    pub price_cents: u32,
    /// Where it stands.
    pub state: ProductState,
    /// When it was made.
    pub booked_at: Millis,
    /// When pass Culture lets it go unless it was fetched.
    pub expires_at: Millis,
    /// When the row last moved.
    pub moved_at: Millis,
}

/// A notification with what follows from it, if it is news.
#[derive(Clone, Debug)]
pub struct Notified {
    /// As it came.
    pub notice: NoticeRow,
    /// The booking as it stands by it; `None` when nobody at the venue is told.
    pub booking: Option<ProductBooking>,
    /// Told if the booking moves.
    pub messages: Vec<NewMessage>,
    /// When its offer is compared with pass Culture's listing.
    pub look_at: Millis,
}

/// An offer whose bookings are compared with pass Culture's listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedOffer {
    /// The account.
    pub account: String,
    /// The offer.
    pub offer_id: i64,
    /// Its venue.
    pub venue_id: i64,
    /// EAN, or another key of what is booked.
    pub item: String,
    /// When something last happened to it.
    pub active_at: Millis,
    /// When it was last compared.
    pub looked_at: Option<Millis>,
    /// When it is compared next.
    pub due_at: Millis,
}

/// The part of the store that keeps notifications and bookings of products. Every method is one short transaction.
pub trait ProductStore: Send + Sync {
    /// Stores notifications, all in one transaction; for each, was it news?
    fn notified<'a>(&'a self, notices: &'a [Notified]) -> BoxFuture<'a, Result<Vec<bool>, StoreError>>;

    /// Bookings of an offer.
    fn product_bookings<'a>(
        &'a self,
        account: &'a str,
        offer_id: i64,
    ) -> BoxFuture<'a, Result<Vec<ProductBooking>, StoreError>>;

    /// Moves a booking from where it was last seen (`None`: it was not known) and tells of it; false when it stands elsewhere
    /// by now.
    fn move_product<'a>(
        &'a self,
        from: Option<ProductState>,
        booking: &'a ProductBooking,
        messages: &'a [NewMessage],
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Offers to be compared at or before `now`, the longest due first.
    fn offers_to_look_at(&self, now: Millis, limit: u32) -> BoxFuture<'_, Result<Vec<WatchedOffer>, StoreError>>;

    /// Claims an offer: it is due next at `due_at`, unless somebody else did first.
    fn claim_offer<'a>(&'a self, offer: &'a WatchedOffer, due_at: Millis) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// An offer was compared: when it is next, or `None` when it need not be any more.
    fn looked_at<'a>(
        &'a self,
        offer: &'a WatchedOffer,
        now: Millis,
        next: Option<Millis>,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
}
