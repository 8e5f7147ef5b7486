//! The adapter through the common suite.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

mod common;

use passerelle_contract::{BoxFuture, Descriptor};
use passerelle_testkit::conformance::{Bench, CANARY, Harness};
use passerelle_testkit::simulator::Logged;
use passerelle_weezevent::DESCRIPTOR;
use passerelle_weezevent::simulator::WeezeventSimulator;
use serde_json::{Value, json};

struct Weezevent;

impl Harness for Weezevent {
    fn descriptor(&self) -> Descriptor {
        DESCRIPTOR
    }

    fn bench(&self) -> BoxFuture<'_, Bench> {
        Box::pin(async {
            let simulator = WeezeventSimulator::start().await.unwrap();
            let settings = common::settings(&simulator);
            Bench { settings, context: common::context(), simulator: Some(Box::new(simulator)), push: None, keep: None }
        })
    }

    fn signs_in(&self, request: &Logged) -> bool {
        request.path.ends_with("/auth/access_token")
    }

    fn wrong_settings(&self) -> Vec<(Value, &'static str)> {
        vec![
            (json!({ "base_url": "ftp://billets.example/" }), "base_url"),
            (json!({ "base_url": "http://u:p@127.0.0.1/" }), "base_url"),
            (json!({ "username": "" }), "username"),
            (json!({ "password": null }), "password"),
            (json!({ "api_key": "written" }), "api_key"),
            (json!({ "events": [] }), "events"),
            (json!({ "events": ["1", "1"] }), "events"),
            (json!({ "events": ["bal"] }), "events"),
            (json!({ "events": (0..201).map(|id| id.to_string()).collect::<Vec<_>>() }), "events"),
            (json!({ "category": "" }), "category"),
            (json!({ "show_type": "" }), "show_type"),
            (json!({ "music_type": "a b" }), "music_type"),
            (json!({ "booking_contact": "halle" }), "booking_contact"),
            (json!({ "quantity": 0 }), "quantity"),
            (json!({ "quantity": 20_001 }), "quantity"),
            (json!({ "quantity": 20, "barcode_pool": true }), "quantity"),
            (json!({ "timeout_seconds": 61 }), "timeout_seconds"),
        ]
    }

    fn secret_setting(&self) -> Option<(&'static str, Value)> {
        Some(("api_key", json!({ "api_key": CANARY })))
    }
}

passerelle_testkit::conformance!(Weezevent);
