//! What pass Culture refused is asked again after a while: new books reach its base every day.

use std::sync::Arc;

use super::{PassError, put};
use crate::passculture::Availability;
use crate::store::ledger::{Entry, Scan};
use crate::store::{ConnectionState, Lease, Millis, Store};

const DAY: Millis = 24 * 3600 * 1000;

/// Clears refusals that have stood long enough (all of them when `everything`), at most once a day per connection, so that the
/// next push asks again.
///
/// # Errors
/// When the store refuses.
pub(super) async fn put_up_again(
    store: &Arc<dyn Store>,
    lease: &Lease,
    state: &mut ConnectionState,
    now: Millis,
    everything: bool,
) -> Result<(), PassError> {
    let today = u16::try_from(now / DAY).unwrap_or(u16::MAX);
    if !everything && state.refusals_checked_on == Some(today) {
        return Ok(());
    }
    let mut again: Vec<Entry> = Vec::new();
    let mut scan = Scan::all(store.as_ref(), &lease.connection);
    while let Some(page) = scan.next_page().await? {
        again.extend(page.into_iter().filter(|entry| everything || has_stood(entry, today)).filter_map(cleared));
    }
    for entries in again.chunks(10_000) {
        put(store.as_ref(), lease, entries).await?;
    }
    state.refusals_checked_on = Some(today);
    store.save_state(lease, state).await?;
    Ok(())
}

fn has_stood(entry: &Entry, today: u16) -> bool {
    entry.refused.is_some_and(|refusal| {
        let days = Availability::from_code(refusal.code).map_or(1, Availability::stands_for_days);
        // A day to come was written by a wrong clock.
        refusal.day > today || today.saturating_sub(refusal.day) >= days
    })
}

fn cleared(entry: Entry) -> Option<Entry> {
    entry.refused.map(|_| Entry { refused: None, ..entry })
}
