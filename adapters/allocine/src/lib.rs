//! Showtimes of one cinema as Allociné lists them: films, posters and hours, nothing else.
//!
//! How a pass goes: `client` asks for the cinema's whole programme in one call, `source` cuts it into rows, `facts` turns one
//! film and one showtime into a screening. Price and number of places come from the settings. `wire` has the vendor's shapes.
//!
//! Invariants: there is no box office, so nothing is sold or promised at the vendor; only ordinary digital showtimes are listed,
//! since one price stands for all; a programme without films says nothing about what is gone.

mod client;
mod facts;
mod settings;
#[cfg(feature = "simulator")]
pub mod simulator;
mod source;
mod wire;

use std::sync::Arc;

use passerelle_contract::{
    Adapter, AdapterError, Context, Descriptor, Evidence, Limits, Probe, ProbeKind, Screening, Sector, SettingsError,
    Source,
};
use serde_json::Value;

use client::Allocine;
use source::Programme;

/// The adapter.
pub const DESCRIPTOR: Descriptor = Descriptor {
    id: "allocine",
    title: "Allociné listings",
    sector: Sector::Cinema,
    summary: "Showtimes of a cinema without a box office interface, as Allociné lists them; tickets are checked by hand.",
    settings_schema: passerelle_kit::settings::schema::<settings::Settings>,
    // Programmes change a few times a day; how often the vendor may be asked is not known.
    limits: Limits { concurrent_requests: 1, shortest_interval_seconds: 900 },
    site_setting: Some("theater_id"),
    list_sites: None,
    connect,
};

struct Cinema {
    allocine: Arc<Allocine>,
    programme: Programme,
    duo: bool,
}

fn connect(settings: &Value, context: Context) -> Result<Arc<dyn Adapter>, SettingsError> {
    let checked = settings::check(settings, &context)?;
    let duo = checked.duo;
    let offer = checked.offer;
    let allocine = Allocine::new(checked).map_err(|error| SettingsError::one("base_url", error.context))?;
    let allocine = Arc::new(allocine);
    Ok(Arc::new(Cinema { programme: Programme::new(Arc::clone(&allocine), offer), allocine, duo }))
}

impl Adapter for Cinema {
    fn host(&self) -> Option<String> {
        Some(self.allocine.host())
    }

    fn screenings(&self) -> Option<&dyn Source<Screening>> {
        Some(&self.programme)
    }

    fn duo(&self) -> bool {
        self.duo
    }

    fn probes(&self) -> Vec<Probe<'_>> {
        let asks: [(ProbeKind, &'static str); 3] = [
            (ProbeKind::Reach, "check base_url"),
            (ProbeKind::SignIn, "check api_key"),
            (ProbeKind::ReadOne, "check theater_id; ask Allociné whether this cinema's showtimes are open to you"),
        ];
        asks.into_iter()
            .map(|(kind, remedy)| Probe { kind, remedy, ask: Box::new(move || Box::pin(self.probe(kind))) })
            .collect()
    }
}

impl Cinema {
    async fn probe(&self, kind: ProbeKind) -> Result<Evidence, AdapterError> {
        let saw = match kind {
            ProbeKind::Reach => self.allocine.reach().await?,
            ProbeKind::SignIn => self.allocine.sign_in_probe().await?,
            ProbeKind::ReadOne => return self.allocine.read_one().await,
        };
        Ok(Evidence { saw, concern: None })
    }
}
