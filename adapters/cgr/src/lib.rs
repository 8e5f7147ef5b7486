//! The CGR box office: one SOAP service for each cinema, JSON inside.
//!
//! `request` writes an envelope, `answer` takes the text out of one, `client` makes each call and knows what an answer means, with
//! `sentences` for the vendor's French ones. `wire` has the shapes inside; `source` reads the programme and `facts` turns a show
//! into a screening. `box_office` reads the film's shows as they are now, sells with one call, and voids.
//!
//! Invariants: a sale is sent once and is never looked for by guessing; an answer is data only when it is whole.

mod answer;
mod box_office;
mod client;
mod facts;
mod request;
mod sentences;
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

use client::Cgr;
use source::Shows;

/// The adapter.
pub const DESCRIPTOR: Descriptor = Descriptor {
    id: "cgr",
    title: "CGR box office",
    sector: Sector::Cinema,
    summary: "Showtimes of a cinema of the CGR chain; sells and frees its seats.",
    settings_schema: passerelle_kit::settings::schema::<settings::Settings>,
    // A service is a machine in the cinema: one request at a time beside bookings.
    limits: Limits { concurrent_requests: 1, shortest_interval_seconds: 300 },
    // Every cinema has an address and a password of its own.
    site_setting: Some("cinema_id"),
    list_sites: None,
    connect,
};

struct Cinema {
    cgr: Arc<Cgr>,
    shows: Shows,
    duo: bool,
}

fn connect(settings: &Value, context: Context) -> Result<Arc<dyn Adapter>, SettingsError> {
    let checked = settings::check(settings, &context)?;
    let duo = checked.duo;
    let cgr = Cgr::new(checked).map_err(|error| SettingsError::one("base_url", error.context))?;
    let cgr = Arc::new(cgr);
    Ok(Arc::new(Cinema { shows: Shows::new(Arc::clone(&cgr)), cgr, duo }))
}

impl Adapter for Cinema {
    fn host(&self) -> Option<String> {
        Some(self.cgr.host())
    }

    fn screenings(&self) -> Option<&dyn Source<Screening>> {
        Some(&self.shows)
    }

    fn box_office(&self) -> Option<&dyn BoxOffice> {
        Some(self.cgr.as_ref())
    }

    fn duo(&self) -> bool {
        self.duo
    }

    fn probes(&self) -> Vec<Probe<'_>> {
        let asks: [(ProbeKind, &'static str); 3] = [
            (ProbeKind::Reach, "check base_url, and that the cinema's service is on and reachable from here"),
            (ProbeKind::SignIn, "check username and password"),
            (ProbeKind::ReadOne, "ask the cinema whether its service works"),
        ];
        asks.into_iter()
            .map(|(kind, remedy)| Probe { kind, remedy, ask: Box::new(move || Box::pin(self.probe(kind))) })
            .collect()
    }
}

impl Cinema {
    async fn probe(&self, kind: ProbeKind) -> Result<Evidence, AdapterError> {
        let saw = match kind {
            ProbeKind::Reach => self.cgr.reach().await?,
            ProbeKind::SignIn => self.cgr.sign_in_probe().await?,
            ProbeKind::ReadOne => self.cgr.read_one().await?,
        };
        Ok(Evidence { saw, concern: None })
    }
}
