//! The adapter through the common suite.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

mod common;

use passerelle_billetweb::DESCRIPTOR;
use passerelle_billetweb::simulator::BilletwebSimulator;
use passerelle_contract::{BoxFuture, Descriptor};
use passerelle_testkit::conformance::{Bench, BoxOfficeBench, CANARY, Harness};
use serde_json::{Value, json};

struct Billetweb;

fn on_the_bench(simulator: BilletwebSimulator) -> Bench {
    let settings = common::settings(&simulator);
    Bench { settings, context: common::context(), simulator: Some(Box::new(simulator)), push: None, keep: None }
}

impl Harness for Billetweb {
    fn descriptor(&self) -> Descriptor {
        DESCRIPTOR
    }

    fn bench(&self) -> BoxFuture<'_, Bench> {
        Box::pin(async { on_the_bench(BilletwebSimulator::start().await.unwrap()) })
    }

    fn box_office(&self) -> BoxFuture<'_, Option<BoxOfficeBench>> {
        Box::pin(async {
            let simulator = BilletwebSimulator::start().await.unwrap();
            let truth = simulator.truth();
            Some(BoxOfficeBench { bench: on_the_bench(simulator), orders: BilletwebSimulator::orders(), truth })
        })
    }

    fn wrong_settings(&self) -> Vec<(Value, &'static str)> {
        vec![
            (json!({ "base_url": "ftp://billets.example/" }), "base_url"),
            (json!({ "base_url": "http://u:p@127.0.0.1/" }), "base_url"),
            (json!({ "user": "" }), "user"),
            (json!({ "user": "40417:x" }), "user"),
            (json!({ "key": null }), "key"),
            (json!({ "events": [] }), "events"),
            (json!({ "events": ["120345", "120345"] }), "events"),
            (json!({ "events": ["concert"] }), "events"),
            (json!({ "events": (0..201).map(|id| id.to_string()).collect::<Vec<_>>() }), "events"),
            (json!({ "category": "" }), "category"),
            (json!({ "category": "LIVE MUSIC" }), "category"),
            (json!({ "show_type": " " }), "show_type"),
            (json!({ "music_type": "" }), "music_type"),
            (json!({ "booking_contact": "theatre.example" }), "booking_contact"),
            (json!({ "booking_contact": format!("{}@theatre.example", "a".repeat(110)) }), "booking_contact"),
            (json!({ "buyer_email_domain": "@gateway" }), "buyer_email_domain"),
            (json!({ "timeout_seconds": 0 }), "timeout_seconds"),
        ]
    }

    fn secret_setting(&self) -> Option<(&'static str, Value)> {
        Some(("key", json!({ "key": CANARY })))
    }
}

passerelle_testkit::conformance!(Billetweb);
