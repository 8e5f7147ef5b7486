//! The catalogue river of showtimes: films and dates instead of EANs.
//!
//! ```text
//! gather    pages of facts → rules → what is wanted, by event and date; rows that stay behind
//! films     one offer for one film, under whatever keys systems state it. Pure
//! merge     what is wanted against the ledger: rows to write, and a tally for the guard. Pure
//! push      the ledger's rows → pass Culture: events, price categories, dates
//! changes   what one row still lacks at pass Culture. Pure
//! pictures  posters, fetched and framed
//! ```
//!
//! [`super::pass`] is the order of these steps, as for stock.
//!
//! Invariants: a show that moves keeps its date; a date with live tickets is never deleted; only a complete snapshot
//! withdraws.

mod changes;
mod films;
mod gather;
mod merge;
mod pictures;
mod push;

pub(super) use films::unite;
pub(super) use gather::{Gathered, gather};
pub(super) use merge::{Circumstances, Ledger, Merged, merge};
pub(super) use push::Push;

use passerelle_contract::{Adapter, Expectations};

use crate::rules::products::VenueTerms;
use crate::rules::screenings::{DateTerms, Place};
use crate::rules::zones;
use crate::store::events::DateRow;
use crate::store::{ConnectionRecord, ConnectionState, Millis};

/// Keys of known showtimes given to a source ([`passerelle_contract::Pull::known`]).
const MOST_KNOWN: usize = 10_000;

/// Where a connection's shows are, as the rules want it.
pub(super) fn place<'a>(
    connection: &'a ConnectionRecord,
    state: &ConnectionState,
    zone: &'a jiff::tz::TimeZone,
    adapter: &dyn Adapter,
    expectations: Expectations,
    now: Millis,
) -> Place<'a> {
    let venue = VenueTerms::of(state.postal_code.as_deref(), connection.siret.as_deref());
    Place {
        adapter: &connection.adapter,
        zone,
        venue,
        duo: adapter.duo(),
        kind: adapter.kind(),
        ticketed: adapter.box_office().is_some(),
        in_all: expectations.places_in_all,
        now,
    }
}

/// The clock of the place, by the venue's postal code; mainland France while it is not known.
pub(super) fn zone(state: &ConnectionState) -> jiff::tz::TimeZone {
    zones::zone(state.postal_code.as_deref().unwrap_or_default())
}

/// Vendor keys of the shows to come that the ledger knows, the longest unseen first.
pub(super) fn known(dates: &[DateRow], now: Millis) -> Vec<String> {
    let mut rows: Vec<&DateRow> = dates.iter().filter(|row| row.desired.is_some() && row.starts_at > now).collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.absent), row.starts_at));
    let mut keys: Vec<String> = Vec::with_capacity(rows.len());
    let mut seen = std::collections::BTreeSet::new();
    for row in rows {
        let Some(terms) = terms(row) else { continue };
        if seen.insert(terms.order.show_key.clone()) {
            keys.push(terms.order.show_key);
        }
        if keys.len() == MOST_KNOWN {
            break;
        }
    }
    keys
}

/// How many complete snapshots must lack a date. Listings without a box office say less surely that a show is gone.
pub(super) fn gone_after(adapter: &dyn Adapter, expectations: Expectations) -> u32 {
    const WITHOUT_BOX_OFFICE: u32 = 2;
    let least = if adapter.box_office().is_some() { 1 } else { WITHOUT_BOX_OFFICE };
    expectations.gone_after.max(least)
}

/// What a date should be, as the ledger has it.
fn terms(row: &DateRow) -> Option<DateTerms> {
    serde_json::from_str(row.desired.as_deref()?).ok()
}
