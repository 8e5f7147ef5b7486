//! Which pass Culture venue a connection serves, and what that venue's rules are.

use super::{PassError, put};
use crate::clock;
use crate::passculture::Client;
use crate::rules::products::VenueTerms;
use crate::store::events::EventRow;
use crate::store::ledger::{Acknowledged, Entry, Scan};
use crate::store::{ConnectionRecord, ConnectionState, Lease, Millis, Store, StoreError};

/// A venue can be unlinked at any time; it is looked up again at least daily ("re-read the list at least daily").
const LOOK_UP_EVERY: Millis = 24 * 3600 * 1000;

/// Fills in the venue when it is not known or not fresh; true when `state` changed.
///
/// # Errors
/// When pass Culture fails, or knows no such venue for this key.
pub(super) async fn resolve(
    client: &Client,
    connection: &ConnectionRecord,
    state: &mut ConnectionState,
    now: Millis,
) -> Result<bool, PassError> {
    let fresh = state.venue_checked_at.is_some_and(|at| clock::is_fresh(at, LOOK_UP_EVERY, now));
    if state.venue_id.is_some() && fresh {
        return Ok(false);
    }
    let venue = match (&connection.siret, connection.venue) {
        (Some(siret), _) => client.venue_by_siret(siret).await?,
        (None, Some(id)) => client.venue_by_id(id).await?,
        (None, None) => return Err(PassError::NoVenue),
    };
    state.venue_id = Some(venue.id);
    state.postal_code = venue.postal_code;
    state.venue_checked_at = Some(now);
    Ok(true)
}

/// The venue's rules, as far as they are known.
#[must_use]
pub(super) fn terms(connection: &ConnectionRecord, state: &ConnectionState) -> VenueTerms {
    VenueTerms::of(state.postal_code.as_deref(), connection.siret.as_deref())
}

/// Takes back everything that pass Culture has acknowledged, so that all of it is sent to the new venue. What the old venue sells
/// is not touched: it is not ours to say that it is gone.
///
/// # Errors
/// When the store refuses.
pub(super) async fn forget_acknowledged(store: &dyn Store, lease: &Lease) -> Result<(), StoreError> {
    forget_offers(store, lease).await?;
    let mut scan = Scan::all(store, &lease.connection);
    while let Some(page) = scan.next_page().await? {
        let known = |entry: &Entry| entry.acknowledged != Acknowledged::Never || entry.refused.is_some();
        let forgotten: Vec<Entry> = page
            .into_iter()
            .filter(known)
            .map(|entry| Entry { acknowledged: Acknowledged::Never, refused: None, ..entry })
            .collect();
        if !forgotten.is_empty() {
            put(store, lease, &forgotten).await?;
        }
    }
    Ok(())
}

/// The same for events and their dates.
async fn forget_offers(store: &dyn Store, lease: &Lease) -> Result<(), StoreError> {
    let mut events = store.events(&lease.connection).await?;
    events.retain(|row| row.offer_id.is_some() || row.refused.is_some());
    for row in &mut events {
        *row = EventRow {
            key: std::mem::take(&mut row.key),
            desired: row.desired.take(),
            categories: "[]".to_owned(),
            ..EventRow::default()
        };
    }
    let mut dates = store.dates(&lease.connection).await?;
    dates.retain(|row| row.stock_id.is_some() || row.refused.is_some());
    for row in &mut dates {
        row.stock_id = None;
        row.acknowledged = None;
        row.refused = None;
    }
    if events.is_empty() && dates.is_empty() {
        return Ok(());
    }
    store.save_events(lease, &events, &dates).await
}
