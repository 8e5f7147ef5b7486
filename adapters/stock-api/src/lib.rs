//! The stock polling protocol of French bookshop software, and its push twin.
//!
//! From 2018 to early 2025 pass Culture itself polled bookshops' software with one small HTTP contract; most editors built
//! a server for it. [`DESCRIPTOR`] is a client for those servers. [`PUSH_DESCRIPTOR`] is the other direction: the
//! software posts its stock to us with the call that pass Culture used to take.
//!
//! How a pass goes: `walk` asks for pages until one is empty, `client` makes each call and knows what an answer means,
//! `wire` reads the vendor's shapes, `facts` turns an entry into a stock line or a row that stays behind.
//!
//! Invariant: a pass ends well only when the vendor's own empty page closed it. An answer that makes no sense is never
//! taken for an empty one, since an empty list sells the shop out.

mod client;
mod facts;
mod polling;
mod push;
mod push_body;
mod settings;
#[cfg(feature = "simulator")]
pub mod simulator;
mod walk;
mod wire;

use passerelle_contract::{Descriptor, Limits, Sector};

/// The vendor is polled.
pub const DESCRIPTOR: Descriptor = Descriptor {
    id: "stock-api",
    title: "Bookseller stock API",
    sector: Sector::Bookseller,
    summary: "Polls the stock list that bookshop software serves over HTTP, page by page, in full or since a date.",
    settings_schema: passerelle_kit::settings::schema::<settings::Settings>,
    // One request at a time and one pass an hour is what the editors' servers were built for; ten minutes is bearable.
    limits: Limits { concurrent_requests: settings::AT_ONCE, shortest_interval_seconds: 600 },
    site_setting: None,
    list_sites: None,
    connect: polling::connect,
};

/// The vendor pushes.
pub const PUSH_DESCRIPTOR: Descriptor = Descriptor {
    id: "stock-push",
    title: "Bookseller stock push",
    sector: Sector::Bookseller,
    summary: "Takes the stock that bookshop software posts, as pass Culture's former stock endpoint did.",
    settings_schema: passerelle_kit::settings::schema::<push::PushSettings>,
    limits: Limits { concurrent_requests: 1, shortest_interval_seconds: 0 },
    site_setting: None,
    list_sites: None,
    connect: push::connect,
};
