//! The EMS box office: one account for many cinemas, each of them a site.
//!
//! How a pass goes: `cursor` says what to ask for, `source` reads the schedule export and asks what is sold out, `facts`
//! turns it into screenings. How a sale goes: `box_office` asks whether the show is on sale and sells with one call;
//! `orders` looks an order up and voids it. `client` makes each call and knows what an answer means, `signing` writes and
//! signs bodies, `wire` has the vendor's shapes, `sites` reads which cinema has which id.
//!
//! Invariants: only one call sells, and it is sent again only after the vendor did not know the show; what the export does
//! not tell of is gone only after two full ones.

mod box_office;
mod client;
mod cursor;
mod exports;
mod facts;
mod orders;
mod probes;
mod settings;
mod signing;
#[cfg(feature = "simulator")]
pub mod simulator;
mod sites;
mod source;
mod wire;

use std::sync::Arc;

use passerelle_contract::{
    Adapter, BoxOffice, Context, Descriptor, Limits, Probe, Screening, Sector, SettingsError, Source,
};
use serde_json::Value;

use client::Ems;
use source::Shows;

/// The adapter.
pub const DESCRIPTOR: Descriptor = Descriptor {
    id: "ems",
    title: "EMS box office",
    sector: Sector::Cinema,
    summary: "Showtimes of a cinema with the EMS box office; sells and frees its seats.",
    settings_schema: passerelle_kit::settings::schema::<settings::Settings>,
    // An export tells of every cinema of the account: one at a time, every quarter of an hour.
    limits: Limits { concurrent_requests: 1, shortest_interval_seconds: 300 },
    site_setting: Some("site_id"),
    list_sites: Some(sites::list),
    connect,
};

struct Cinema {
    ems: Arc<Ems>,
    shows: Shows,
}

fn connect(settings: &Value, context: Context) -> Result<Arc<dyn Adapter>, SettingsError> {
    let ems = Arc::new(Ems::new(settings::check(settings, &context)?)?);
    Ok(Arc::new(Cinema { shows: Shows::new(Arc::clone(&ems)), ems }))
}

impl Adapter for Cinema {
    fn host(&self) -> Option<String> {
        Some(self.ems.host())
    }

    fn screenings(&self) -> Option<&dyn Source<Screening>> {
        Some(&self.shows)
    }

    fn box_office(&self) -> Option<&dyn BoxOffice> {
        Some(self.ems.as_ref())
    }

    fn duo(&self) -> bool {
        self.ems.settings().duo
    }

    fn probes(&self) -> Vec<Probe<'_>> {
        probes::probes(&self.ems)
    }
}
