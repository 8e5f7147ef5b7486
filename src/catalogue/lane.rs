//! One venue's way north: what pushing and reading back share, and what pass Culture said of EANs.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use passerelle_contract::Ean;

use super::PassError;
use super::progress::Progress;
use crate::clock;
use crate::passculture::{Availability, Client, MAX_EANS_ASKED};
use crate::store::{AvailabilityRow, Lease, Millis, Store};

/// No verdict stands longer (see [`Availability::stands_for_days`]).
const LONGEST_STANDING_DAYS: u16 = 7;
const DAY: Millis = 24 * 3600 * 1000;

/// One venue's way north.
pub(super) struct Lane<'a> {
    /// Where the ledger is.
    pub(super) store: &'a Arc<dyn Store>,
    /// The right to move it.
    pub(super) lease: &'a Lease,
    /// pass Culture.
    pub(super) client: &'a Client,
    /// The account whose verdicts are shared.
    pub(super) account: &'a str,
    /// The venue.
    pub(super) venue_id: i64,
    /// Who listens.
    pub(super) progress: &'a dyn Progress,
    /// The clock.
    pub(super) now: fn() -> Millis,
    /// Is each EAN told in its history? Not when there are too many at once.
    pub(super) tells_each: bool,
}

/// May a verdict be one that was heard before?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Yes, while it stands.
    MayBeRemembered,
    /// No: it contradicts what happened.
    MustBeAsked,
}

impl Lane<'_> {
    /// Verdicts on EANs, from memory where they are fresh enough.
    pub(super) async fn availability(
        &self,
        eans: &[Ean],
        freshness: Freshness,
    ) -> Result<BTreeMap<Ean, Availability>, PassError> {
        let now = (self.now)();
        let mut verdicts = BTreeMap::new();
        if freshness == Freshness::MayBeRemembered {
            let oldest = now - DAY * Millis::from(LONGEST_STANDING_DAYS);
            for row in self.store.availability(self.account, eans, oldest).await? {
                if let Some(verdict) = Availability::from_code(row.verdict)
                    && clock::is_fresh(row.checked_at, DAY * Millis::from(verdict.stands_for_days()) + 1, now)
                {
                    verdicts.insert(row.ean, verdict);
                }
            }
        }
        let unknown: Vec<Ean> = eans.iter().filter(|ean| !verdicts.contains_key(ean)).copied().collect();
        // The calls share one budget, so asking at once only hides latency.
        let answers =
            try_join_all(unknown.chunks(MAX_EANS_ASKED).map(|chunk| self.client.check_availability(chunk))).await?;
        let rows: Vec<AvailabilityRow> = answers
            .into_iter()
            .flatten()
            .map(|(ean, verdict)| {
                verdicts.insert(ean, verdict);
                AvailabilityRow { ean, verdict: verdict.code(), checked_at: now }
            })
            .collect();
        if !rows.is_empty() {
            self.store.save_availability(self.account, &rows).await?;
        }
        Ok(verdicts)
    }

    /// Today, in days since 1970-01-01, as refusals are dated.
    pub(super) fn today(&self) -> u16 {
        u16::try_from((self.now)() / DAY).unwrap_or(u16::MAX)
    }
}
