//! pretix, an open ticketing system: shows of an organizer, its tickets sold and freed.
//!
//! How a pass goes: `source` reads each event of the settings with its items, dates and quotas; `facts` turns them into
//! screenings. How a sale goes: `box_office` reads the one date, item and quota again with the same `facts`, and places one
//! order under a name of ours; `orders` looks orders up by that name and cancels tickets. `client` makes each call and knows
//! what an answer means, `wire` has the vendor's shapes, `keys` writes down which ticket is meant.
//!
//! Invariants: an order is sent once; pretix sells through its API what it does not sell in its shop, so that nothing is
//! sold that `facts` does not call open.

mod box_office;
mod client;
mod facts;
mod keys;
mod orders;
mod settings;
#[cfg(feature = "simulator")]
pub mod simulator;
mod source;
mod wire;

use std::sync::Arc;

use passerelle_contract::{
    Adapter, AdapterError, BoxOffice, Context, Descriptor, EventKind, Evidence, Limits, Probe, ProbeKind, Screening,
    Sector, SettingsError, Source,
};
use serde_json::Value;

use client::Pretix;
use source::Shows;

/// The adapter.
pub const DESCRIPTOR: Descriptor = Descriptor {
    id: "pretix",
    title: "pretix",
    sector: Sector::Ticketing,
    summary: "Shows of a pretix organizer; sells and frees its tickets.",
    settings_schema: passerelle_kit::settings::schema::<settings::Settings>,
    // The hosted service takes 360 calls a minute, and a pass makes at least four for each event.
    limits: Limits { concurrent_requests: 1, shortest_interval_seconds: 300 },
    site_setting: None,
    list_sites: None,
    connect,
};

struct Organizer {
    pretix: Arc<Pretix>,
    shows: Shows,
}

fn connect(settings: &Value, context: Context) -> Result<Arc<dyn Adapter>, SettingsError> {
    let checked = settings::check(settings, &context)?;
    let pretix = Pretix::new(checked).map_err(|error| SettingsError::one("base_url", error.context))?;
    let pretix = Arc::new(pretix);
    Ok(Arc::new(Organizer { shows: Shows::new(Arc::clone(&pretix)), pretix }))
}

impl Adapter for Organizer {
    fn host(&self) -> Option<String> {
        Some(self.pretix.host())
    }

    fn screenings(&self) -> Option<&dyn Source<Screening>> {
        Some(&self.shows)
    }

    fn box_office(&self) -> Option<&dyn BoxOffice> {
        Some(self.pretix.as_ref())
    }

    fn duo(&self) -> bool {
        self.pretix.settings().duo
    }

    fn kind(&self) -> EventKind {
        self.pretix.settings().kind.clone()
    }

    fn probes(&self) -> Vec<Probe<'_>> {
        let asks: [(ProbeKind, &'static str); 3] = [
            (ProbeKind::Reach, "check base_url, and that the pretix server is on and reachable from here"),
            (ProbeKind::SignIn, "check token: a team's API token of the organizer"),
            (ProbeKind::ReadOne, "check organizer and events, and that the token's team may see these events"),
        ];
        asks.into_iter()
            .map(|(kind, remedy)| Probe { kind, remedy, ask: Box::new(move || Box::pin(self.probe(kind))) })
            .collect()
    }
}

impl Organizer {
    async fn probe(&self, kind: ProbeKind) -> Result<Evidence, AdapterError> {
        let saw = match kind {
            ProbeKind::Reach => self.pretix.reach().await?,
            ProbeKind::SignIn => self.pretix.sign_in().await?,
            ProbeKind::ReadOne => return self.shows.read_one().await,
        };
        Ok(Evidence { saw, concern: None })
    }
}
