//! The Billetweb ticketing platform: some events of one organiser's account.
//!
//! How a pass goes: `source` asks for the events, then for sessions and tariffs of each, `facts` turns them into screenings. How a sale
//! goes: `box_office` waits for the session's turn (`turns`), reads it again, makes one order for each seat and reads their
//! barcodes; `orders` finds them again and takes them back. `client` makes each call and knows what an answer means, `wire`
//! has the vendor's shapes, `text` reads its HTML.
//!
//! Invariants: what is sold was counted right before, by one booking at a time; the vendor learns no person's name or
//! address; an order is sold or taken back when the list of attendees shows it.

mod box_office;
mod client;
mod facts;
mod orders;
mod settings;
#[cfg(feature = "simulator")]
pub mod simulator;
mod source;
mod text;
mod turns;
mod wire;

use std::sync::Arc;

use passerelle_contract::{
    Adapter, AdapterError, BoxOffice, Context, Descriptor, EventKind, Evidence, Limits, Probe, ProbeKind, Screening,
    Sector, SettingsError, Source,
};
use passerelle_kit::json::Object;
use passerelle_kit::records::record;
use serde_json::Value;

use client::{Billetweb, For};
use source::{Shows, find};
use wire::entries;

/// The adapter.
pub const DESCRIPTOR: Descriptor = Descriptor {
    id: "billetweb",
    title: "Billetweb",
    sector: Sector::Ticketing,
    summary: "Events of an organiser on Billetweb; sells their tickets and takes them back.",
    settings_schema: passerelle_kit::settings::schema::<settings::Settings>,
    // A hundred calls a minute for the whole account, bookings and the organiser's other programs included.
    limits: Limits { concurrent_requests: 1, shortest_interval_seconds: 600 },
    site_setting: None,
    list_sites: None,
    connect,
};

struct Organiser {
    billetweb: Arc<Billetweb>,
    shows: Shows,
}

fn connect(settings: &Value, context: Context) -> Result<Arc<dyn Adapter>, SettingsError> {
    let billetweb = Arc::new(Billetweb::new(settings::check(settings, &context)?)?);
    Ok(Arc::new(Organiser { shows: Shows::new(Arc::clone(&billetweb)), billetweb }))
}

impl Adapter for Organiser {
    fn host(&self) -> Option<String> {
        Some(self.billetweb.host())
    }

    fn screenings(&self) -> Option<&dyn Source<Screening>> {
        Some(&self.shows)
    }

    fn box_office(&self) -> Option<&dyn BoxOffice> {
        Some(self.billetweb.as_ref())
    }

    fn duo(&self) -> bool {
        self.billetweb.settings().duo
    }

    fn kind(&self) -> EventKind {
        self.billetweb.settings().kind.clone()
    }

    fn probes(&self) -> Vec<Probe<'_>> {
        let asks: [(ProbeKind, &'static str); 3] = [
            (ProbeKind::Reach, "check base_url, and that the vendor's servers answer"),
            (ProbeKind::SignIn, "check user and key on the account's API page"),
            (ProbeKind::ReadOne, "check events, and that the key may read them"),
        ];
        asks.into_iter()
            .map(|(kind, remedy)| Probe { kind, remedy, ask: Box::new(move || Box::pin(self.probe(kind))) })
            .collect()
    }
}

impl Organiser {
    async fn probe(&self, kind: ProbeKind) -> Result<Evidence, AdapterError> {
        match kind {
            ProbeKind::Reach => Ok(Evidence { saw: self.billetweb.reach().await?, concern: None }),
            ProbeKind::SignIn => {
                let (_, saw) = self.billetweb.list("ask with the key", "events", &[("past", "0")], For::Probe).await?;
                Ok(Evidence { saw, concern: None })
            }
            ProbeKind::ReadOne => self.read_one().await,
        }
    }

    /// Are the events there, and can the tariffs of one be read?
    async fn read_one(&self) -> Result<Evidence, AdapterError> {
        let list = self.billetweb.events(For::Probe).await?;
        let listed: Vec<Object<'_>> = entries(&list).into_iter().filter_map(record).collect();
        let (there, missing): (Vec<&String>, Vec<&String>) =
            self.billetweb.settings().events.iter().partition(|event| find(&listed, event).is_some());
        let mut saw = format!("{} of {} event(s) are on line", there.len(), there.len() + missing.len());
        if let Some(event) = there.first() {
            let tariffs = self.billetweb.tariffs(event, For::Probe).await?;
            saw = format!("{saw}; event {event} has {} tariff(s)", entries(&tariffs).len());
        }
        let concern = missing.first().map(|event| {
            let why = format!("event {event} is not among the vendor's events on line");
            (why, "take it out of events, or put it on line; the key may be limited to others".to_owned())
        });
        Ok(Evidence { saw, concern })
    }
}
