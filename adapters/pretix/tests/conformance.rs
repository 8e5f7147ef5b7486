//! The adapter through the common suite.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

mod common;

use passerelle_contract::{BoxFuture, Descriptor};
use passerelle_pretix::DESCRIPTOR;
use passerelle_pretix::simulator::PretixSimulator;
use passerelle_testkit::conformance::{Bench, BoxOfficeBench, CANARY, Harness};
use serde_json::{Value, json};

struct Pretix;

fn on_the_bench(simulator: PretixSimulator) -> Bench {
    let settings = common::settings(&simulator);
    Bench { settings, context: common::context(), simulator: Some(Box::new(simulator)), push: None, keep: None }
}

impl Harness for Pretix {
    fn descriptor(&self) -> Descriptor {
        DESCRIPTOR
    }

    fn bench(&self) -> BoxFuture<'_, Bench> {
        Box::pin(async { on_the_bench(PretixSimulator::start().await.unwrap()) })
    }

    fn box_office(&self) -> BoxFuture<'_, Option<BoxOfficeBench>> {
        Box::pin(async {
            let simulator = PretixSimulator::start().await.unwrap();
            let truth = simulator.truth();
            Some(BoxOfficeBench { bench: on_the_bench(simulator), orders: PretixSimulator::orders(), truth })
        })
    }

    fn wrong_settings(&self) -> Vec<(Value, &'static str)> {
        let many: Vec<String> = (0..201).map(|at| format!("e{at}")).collect();
        vec![
            (json!({ "base_url": "ftp://pretix.example/" }), "base_url"),
            (json!({ "base_url": "http://u:p@127.0.0.1/" }), "base_url"),
            (json!({ "organizer": "" }), "organizer"),
            (json!({ "organizer": "../x" }), "organizer"),
            (json!({ "organizer": "a/b" }), "organizer"),
            (json!({ "token": "written" }), "token"),
            (json!({ "token": null }), "token"),
            (json!({ "events": [] }), "events"),
            (json!({ "events": many }), "events"),
            (json!({ "events": ["mouette", "mouette"] }), "events"),
            (json!({ "events": ["a?b"] }), "events"),
            (json!({ "events": ["abcdefghijklmnopqrstuvwxyz-1234"] }), "events"),
            (json!({ "items": [] }), "items"),
            (json!({ "items": [0] }), "items"),
            (json!({ "items": ["11"] }), "items[0]"),
            (json!({ "category": "" }), "category"),
            (json!({ "category": null }), "category"),
            (json!({ "show_type": " " }), "show_type"),
            (json!({ "music_type": "" }), "music_type"),
            (json!({ "booking_contact": "theatre.example" }), "booking_contact"),
            (json!({ "sales_channel": "" }), "sales_channel"),
            (json!({ "timeout_seconds": 0 }), "timeout_seconds"),
            (json!({ "timeout_seconds": 61 }), "timeout_seconds"),
        ]
    }

    fn secret_setting(&self) -> Option<(&'static str, Value)> {
        Some(("token", json!({ "token": CANARY })))
    }
}

passerelle_testkit::conformance!(Pretix);
