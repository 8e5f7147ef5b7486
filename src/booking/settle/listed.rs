//! Where a booking stands in pass Culture's lists, each read once for all the bookings of a round.
//!
//! A venue's list answers for the bookings that are in it. One that is not in it is looked for in the complete list of its stock:
//! pass Culture may have moved it to another venue.
//!
//! Invariant: that pass Culture does not have a booking is concluded from the complete list of its stock alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::booking::Desk;
use crate::passculture::messages::Attempt;
use crate::passculture::{BookingStatus, ListedBooking, ListingError, Listings, NorthError};
use crate::store::bookings::{BookingRow, BookingState, StoredBooking};
use crate::store::listings::ListReader;

/// From so many stocks of one connection on, every live booking of its venue is read: it costs less than asking for each.
const MANY_STOCKS: usize = 3;

/// Status by fingerprint.
type Statuses = HashMap<String, BookingStatus>;
/// A list that is read once, or why it was not.
type Once = Arc<OnceCell<Result<Arc<Statuses>, String>>>;

/// The lists of one round.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// Connections with many stocks to compare, and how many.
    many: BTreeMap<String, usize>,
    /// By connection.
    recent: Mutex<BTreeMap<String, Once>>,
    live: Mutex<BTreeMap<String, Once>>,
    /// By account, offer and stock.
    stocks: Mutex<BTreeMap<(String, i64, i64), Once>>,
}

fn once<K: Ord>(all: &Mutex<BTreeMap<K, Once>>, key: K) -> Once {
    all.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone()
}

impl Lists {
    /// Nothing read yet, for these bookings.
    pub(super) fn of(todo: &[StoredBooking]) -> Self {
        let mut stocks: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
        for booking in todo {
            if matches!(booking.row.state, BookingState::Booked | BookingState::Cancelled) {
                stocks.entry(&booking.row.connection).or_default().insert(booking.row.stock_id);
            }
        }
        let many = stocks.into_iter().filter(|(_, stocks)| stocks.len() >= MANY_STOCKS);
        let many = many.map(|(connection, stocks)| (connection.to_owned(), stocks.len())).collect();
        Self { many, ..Self::default() }
    }
}

impl Desk {
    /// The booking's status at pass Culture; `None` when the complete list of its stock does not have it.
    pub(super) async fn listed(&self, row: &BookingRow, lists: &Lists) -> Result<Option<BookingStatus>, String> {
        let recent = once(&lists.recent, row.connection.clone());
        let recent = recent.get_or_init(|| self.of_venue(row, None)).await;
        if let Some(status) = recent.as_ref().ok().and_then(|all| all.get(&row.fingerprint)) {
            return Ok(Some(*status));
        }
        if let Some(stocks) = lists.many.get(&row.connection) {
            let live = once(&lists.live, row.connection.clone());
            let live = live.get_or_init(|| self.of_venue(row, Some(*stocks))).await;
            if let Some(status) = live.as_ref().ok().and_then(|all| all.get(&row.fingerprint)) {
                return Ok(Some(*status));
            }
        }
        let stock = once(&lists.stocks, (row.account.clone(), row.offer_id, row.stock_id));
        let stock = stock.get_or_init(|| self.of_stock(row)).await;
        stock.as_ref().map(|all| all.get(&row.fingerprint).copied()).map_err(Clone::clone)
    }

    /// The venue's new bookings, or the live ones instead of so many stocks; none where there is no such list.
    async fn of_venue(&self, row: &BookingRow, live: Option<usize>) -> Result<Arc<Statuses>, String> {
        let nothing = Ok(Arc::default());
        let client = self.inner.house.passculture(&row.account)?;
        let told = |error: ListingError| match error {
            ListingError::PassCulture(error) => format!("{}: {}", error.code, error.what),
            ListingError::Store(error) => error.to_string(),
        };
        let Some(venue_id) = self.venue_of(&row.connection).await? else { return nothing };
        let reader = ListReader::Seats;
        let lists = Listings { client: &client, store: self.store(), reader, venue_id, now: self.now() };
        let bookings = if let Some(stocks) = live {
            lists.live(stocks).await.map_err(told)?
        } else {
            let recent = lists.recent().await.map_err(told)?;
            if let Some(recent) = &recent {
                lists.worked_on(recent).await.map_err(|error| error.to_string())?;
            }
            recent.map(|recent| recent.bookings)
        };
        bookings.map_or(nothing, |bookings| Ok(Arc::new(statuses(&row.account, &bookings))))
    }

    async fn of_stock(&self, row: &BookingRow) -> Result<Arc<Statuses>, String> {
        let client = self.inner.house.passculture(&row.account)?;
        let told = |error: NorthError| format!("{}: {}", error.code, error.what);
        let bookings = client.bookings(row.offer_id, Some(row.stock_id)).await.map_err(told)?;
        Ok(Arc::new(statuses(&row.account, &bookings)))
    }

    /// The venue of a connection, as it is written or as its passes found it.
    async fn venue_of(&self, connection: &str) -> Result<Option<i64>, String> {
        let found = async {
            match self.store().connection(connection).await?.and_then(|record| record.venue) {
                Some(venue) => Ok(Some(venue)),
                None => Ok(self.store().state(connection).await?.venue_id),
            }
        };
        found.await.map_err(|error: crate::store::StoreError| error.to_string())
    }
}

/// An attempt that was made twice stands where its first booking does.
fn statuses(account: &str, bookings: &[ListedBooking]) -> Statuses {
    let mut all = Statuses::with_capacity(bookings.len());
    for booking in bookings {
        let attempt = Attempt {
            account,
            stock_id: booking.stock_id,
            email: booking.email.expose(),
            created_at_micros: booking.created_at_micros,
            quantity: booking.quantity,
        };
        all.entry(attempt.fingerprint()).or_insert(booking.status);
    }
    all
}
