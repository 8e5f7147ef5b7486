//! The Boost box office, one server for each cinema.
//!
//! How a pass goes: the kit's session signs in once for all, `source` walks the pages of showtimes and asks for those that the list hides,
//! `facts` turns a show into a screening. How a sale goes: `box_office` reads the show, prepares (which holds the seats) and
//! confirms (which sells them). `client` makes each call and knows what an answer means; `wire` has the vendor's shapes.
//!
//! Invariants: only a confirmation sells, and it is sent once; a show missing from the list is asked for before it is gone.

mod box_office;
mod client;
mod facts;
mod settings;
#[cfg(feature = "simulator")]
pub mod simulator;
mod source;
mod wire;

use std::sync::Arc;

use passerelle_contract::{
    Adapter, AdapterError, BoxOffice, Context, Descriptor, Evidence, Limits, Probe, ProbeKind, Screening, Sector,
    SettingsError, Source,
};
use serde_json::Value;

use client::Boost;
use source::Shows;

/// The adapter.
pub const DESCRIPTOR: Descriptor = Descriptor {
    id: "boost",
    title: "Boost box office",
    sector: Sector::Cinema,
    summary: "Showtimes of a cinema with the Boost box office; sells and frees its seats.",
    settings_schema: passerelle_kit::settings::schema::<settings::Settings>,
    // A server is a machine in the cinema: one request at a time beside bookings, a pass every quarter of an hour.
    limits: Limits { concurrent_requests: 1, shortest_interval_seconds: 300 },
    site_setting: None,
    list_sites: None,
    connect,
};

struct Cinema {
    boost: Arc<Boost>,
    shows: Shows,
    duo: bool,
}

fn connect(settings: &Value, context: Context) -> Result<Arc<dyn Adapter>, SettingsError> {
    let checked = settings::check(settings, &context)?;
    let duo = checked.duo;
    let boost = Boost::new(checked, context.sessions).map_err(|error| SettingsError::one("base_url", error.context))?;
    let boost = Arc::new(boost);
    Ok(Arc::new(Cinema { shows: Shows::new(Arc::clone(&boost)), boost, duo }))
}

impl Adapter for Cinema {
    fn host(&self) -> Option<String> {
        Some(self.boost.host())
    }

    fn screenings(&self) -> Option<&dyn Source<Screening>> {
        Some(&self.shows)
    }

    fn box_office(&self) -> Option<&dyn BoxOffice> {
        Some(self.boost.as_ref())
    }

    fn duo(&self) -> bool {
        self.duo
    }

    fn probes(&self) -> Vec<Probe<'_>> {
        let asks: [(ProbeKind, &'static str); 3] = [
            (ProbeKind::Reach, "check base_url, and that the cinema's server is on and reachable from here"),
            (ProbeKind::SignIn, "check username and password"),
            (ProbeKind::ReadOne, "ask the cinema whether its Boost server works"),
        ];
        asks.into_iter()
            .map(|(kind, remedy)| Probe { kind, remedy, ask: Box::new(move || Box::pin(self.probe(kind))) })
            .collect()
    }
}

impl Cinema {
    async fn probe(&self, kind: ProbeKind) -> Result<Evidence, AdapterError> {
        let saw = match kind {
            ProbeKind::Reach => self.boost.reach().await?,
            ProbeKind::SignIn => self.boost.sign_in_probe().await?,
            ProbeKind::ReadOne => self.boost.read_one().await?,
        };
        Ok(Evidence { saw, concern: None })
    }
}
