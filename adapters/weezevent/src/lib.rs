//! Events of an organiser as Weezevent lists them: names, dates, tariffs and counts, nothing else.
//!
//! How a pass goes: `client` signs in once and makes each call, `source` asks for events, tariffs and dates, `facts` turns them into
//! screenings. `wire` has the vendor's shapes.
//!
//! Invariants: the vendor's API sells nothing, so there is no box office, and the gateway issues imported barcodes where the venue
//! wants that; no list of participants is ever asked for.

mod client;
mod facts;
mod settings;
#[cfg(feature = "simulator")]
pub mod simulator;
mod source;
mod wire;

use std::sync::Arc;

use passerelle_contract::{
    Adapter, AdapterError, Context, Descriptor, EventKind, Evidence, Issue, Limits, Probe, ProbeKind, Screening,
    Sector, SettingsError, Source,
};
use passerelle_kit::records::record;
use serde_json::Value;

use client::{For, Weezevent};
use source::Shows;
use wire::{answer, id};

/// The adapter.
pub const DESCRIPTOR: Descriptor = Descriptor {
    id: "weezevent",
    title: "Weezevent listings",
    sector: Sector::Ticketing,
    summary: "Events of an organiser as Weezevent lists them; tickets are checked by hand, or are barcodes that the venue imports.",
    settings_schema: passerelle_kit::settings::schema::<settings::Settings>,
    // Use is watched, and a key can be banned.
    limits: Limits { concurrent_requests: 1, shortest_interval_seconds: 900 },
    site_setting: None,
    list_sites: None,
    connect,
};

struct Organiser {
    weezevent: Arc<Weezevent>,
    shows: Shows,
}

fn connect(settings: &Value, context: Context) -> Result<Arc<dyn Adapter>, SettingsError> {
    let weezevent = Arc::new(Weezevent::new(settings::check(settings, &context)?)?);
    Ok(Arc::new(Organiser { shows: Shows::new(Arc::clone(&weezevent)), weezevent }))
}

impl Adapter for Organiser {
    fn host(&self) -> Option<String> {
        Some(self.weezevent.host())
    }

    fn screenings(&self) -> Option<&dyn Source<Screening>> {
        Some(&self.shows)
    }

    fn issues(&self) -> Option<Issue> {
        self.weezevent.settings().barcode_pool.then_some(Issue::Imported)
    }

    fn duo(&self) -> bool {
        self.weezevent.settings().duo
    }

    fn kind(&self) -> EventKind {
        self.weezevent.settings().kind.clone()
    }

    fn probes(&self) -> Vec<Probe<'_>> {
        let asks: [(ProbeKind, &'static str); 3] = [
            (ProbeKind::Reach, "check base_url, and that the vendor's servers answer"),
            (ProbeKind::SignIn, "check username, password and api_key in the vendor's back office"),
            (ProbeKind::ReadOne, "check events, and that they are published"),
        ];
        asks.into_iter()
            .map(|(kind, remedy)| Probe { kind, remedy, ask: Box::new(move || Box::pin(self.probe(kind))) })
            .collect()
    }
}

impl Organiser {
    async fn probe(&self, kind: ProbeKind) -> Result<Evidence, AdapterError> {
        match kind {
            ProbeKind::Reach => Ok(Evidence { saw: self.weezevent.reach().await?, concern: None }),
            ProbeKind::SignIn => Ok(Evidence { saw: self.weezevent.sign_in(For::Probe).await?.1, concern: None }),
            ProbeKind::ReadOne => self.read_one().await,
        }
    }

    /// Are the events there?
    async fn read_one(&self) -> Result<Evidence, AdapterError> {
        let list = self.weezevent.events(For::Probe).await?;
        let listed = answer(&list, "events").unwrap_or_default();
        let listed: Vec<String> = listed.into_iter().filter_map(record).filter_map(|event| id(&event, "id")).collect();
        let events = &self.weezevent.settings().events;
        let missing: Vec<&String> = events.iter().filter(|event| !listed.contains(event)).collect();
        let saw = format!("{} of {} event(s) are listed", events.len() - missing.len(), events.len());
        let concern = missing.first().map(|event| {
            let why = format!("event {event} is not among the account's events");
            (why, "take it out of events, or publish it".to_owned())
        });
        Ok(Evidence { saw, concern })
    }
}
