//! The CDS box office (Ciné Digital Service, now Ciné Office).
//!
//! How a pass goes: `source` reads films, options, shows and what rarely changes (`statics`), and `facts` joins them. How a sale
//! goes: `box_office` reads the show and its seat map as they are now, `seats` chooses and names the seats, and one call sells
//! them. `client` makes each call and knows what an answer means; `wire` has the vendor's shapes.
//!
//! Invariants: the token, which travels in every address, shows in no message; the one call that sells is never repeated
//! unless it was rejected and the seat map shows that it sold nothing.

mod box_office;
mod client;
mod facts;
mod in_hand;
mod seats;
mod settings;
#[cfg(feature = "simulator")]
pub mod simulator;
mod sites;
mod source;
mod statics;
mod wire;

use std::sync::Arc;

use passerelle_contract::{
    Adapter, AdapterError, BoxOffice, Context, Descriptor, Evidence, Limits, Probe, ProbeKind, Screening, Sector,
    SettingsError, Source,
};
use serde_json::Value;

use client::Cds;
use source::Shows;

/// The adapter.
pub const DESCRIPTOR: Descriptor = Descriptor {
    id: "cds",
    title: "CDS box office",
    sector: Sector::Cinema,
    summary: "Showtimes of a cinema with the CDS (Ciné Office) box office; chooses, sells and frees its seats.",
    settings_schema: passerelle_kit::settings::schema::<settings::Settings>,
    // An account's server gives everything in a few large answers; a pass every quarter of an hour.
    limits: Limits { concurrent_requests: 1, shortest_interval_seconds: 300 },
    site_setting: Some("cinema_id"),
    list_sites: Some(sites::list),
    connect,
};

struct Cinema {
    cds: Arc<Cds>,
    shows: Shows,
    duo: bool,
}

fn connect(settings: &Value, context: Context) -> Result<Arc<dyn Adapter>, SettingsError> {
    let checked = settings::check(settings, &context)?;
    let duo = checked.duo;
    let cds = Arc::new(Cds::new(checked).map_err(|error| SettingsError::one("base_url", error.context))?);
    Ok(Arc::new(Cinema { shows: Shows::new(Arc::clone(&cds)), cds, duo }))
}

impl Adapter for Cinema {
    fn host(&self) -> Option<String> {
        Some(self.cds.host())
    }

    fn screenings(&self) -> Option<&dyn Source<Screening>> {
        Some(&self.shows)
    }

    fn box_office(&self) -> Option<&dyn BoxOffice> {
        Some(self.cds.as_ref())
    }

    fn duo(&self) -> bool {
        self.duo
    }

    fn probes(&self) -> Vec<Probe<'_>> {
        let asks: [(ProbeKind, &'static str); 3] = [
            (ProbeKind::Reach, "check account_id (or base_url), and that the vendor's server answers"),
            (ProbeKind::SignIn, "check api_token with the cinema"),
            (ProbeKind::ReadOne, "tell the vendor that its server gives no data"),
        ];
        asks.into_iter()
            .map(|(kind, remedy)| Probe { kind, remedy, ask: Box::new(move || Box::pin(self.probe(kind))) })
            .collect()
    }
}

impl Cinema {
    async fn probe(&self, kind: ProbeKind) -> Result<Evidence, AdapterError> {
        let saw = match kind {
            ProbeKind::Reach => self.cds.reach().await?,
            ProbeKind::SignIn => self.cds.sign_in_probe().await?,
            ProbeKind::ReadOne => self.cds.read_one().await?,
        };
        Ok(Evidence { saw, concern: None })
    }
}
