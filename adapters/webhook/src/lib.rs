//! Any venue's software that takes signed calls: told of bookings, asked to sell, or fetching what there is to know.
//!
//! `settings` says which of the three; `signature` signs; `client` makes a signed call; `deliver` carries messages; `box_office`
//! asks to sell and to free in synchronous mode; `facts` says what an answer means; `rehearsal` tries a vendor's receiver. The software states its shows itself,
//! through the gateway's vendor API.
//!
//! Invariants: everything that is sent is signed; a repetition has the same id and the same bytes, so that software which
//! remembers ids does nothing twice.

mod box_office;
mod client;
mod deliver;
mod facts;
mod known;
pub mod rehearsal;
mod settings;
mod signature;
#[cfg(feature = "simulator")]
pub mod simulator;

use std::sync::Arc;

use passerelle_contract::{
    Adapter, BoxOffice, Context, Descriptor, EventKind, Issue, Limits, NoticeSink, Probe, Sector, SettingsError,
};
use serde_json::Value;

use client::Caller;
use known::Known;
use settings::{Checked, Mode};

/// The adapter.
pub const DESCRIPTOR: Descriptor = Descriptor {
    id: "webhook",
    title: "Generic signed webhook",
    sector: Sector::Ticketing,
    summary: "Software that takes signed calls: told of bookings or asked to sell.",
    settings_schema: passerelle_kit::settings::schema::<settings::Settings>,
    // Nothing is pulled.
    limits: Limits { concurrent_requests: 4, shortest_interval_seconds: 60 },
    site_setting: None,
    list_sites: None,
    connect,
};

/// One venue's software.
struct Software {
    settings: Checked,
    /// `None` where nothing is sent.
    caller: Option<Caller>,
    /// Places left as last told.
    known: Known,
}

fn connect(settings: &Value, context: Context) -> Result<Arc<dyn Adapter>, SettingsError> {
    let settings = settings::check(settings, &context)?;
    let caller = match (&settings.messages, &settings.signer) {
        (Some(base), Some(signer)) => {
            let caller = Caller::new(base, signer.clone(), settings.may_be_private);
            Some(caller.map_err(|error| SettingsError::one("mode", error.context))?)
        }
        _ => None,
    };
    Ok(Arc::new(Software { settings, caller, known: Known::default() }))
}

impl Adapter for Software {
    fn box_office(&self) -> Option<&dyn BoxOffice> {
        (self.settings.mode == Mode::Synchronous).then_some(self)
    }

    fn notices(&self) -> Option<&dyn NoticeSink> {
        Some(self)
    }

    fn states_shows(&self) -> bool {
        true
    }

    fn issues(&self) -> Option<Issue> {
        (self.settings.mode != Mode::Synchronous).then_some(Issue::Counted)
    }

    fn kind(&self) -> EventKind {
        self.settings.kind.clone()
    }

    fn duo(&self) -> bool {
        self.settings.duo
    }

    fn probes(&self) -> Vec<Probe<'_>> {
        self.questions()
    }
}
