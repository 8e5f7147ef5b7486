//! The adapter through the common suite.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

mod common;

use passerelle_contract::{BoxFuture, Descriptor};
use passerelle_ems::DESCRIPTOR;
use passerelle_ems::simulator::EmsSimulator;
use passerelle_testkit::conformance::{Bench, BoxOfficeBench, CANARY, Harness};
use passerelle_testkit::simulator::Logged;
use serde_json::{Value, json};

struct Ems;

fn on_the_bench(simulator: EmsSimulator) -> Bench {
    let settings = common::settings(&simulator);
    Bench { settings, context: common::context(), simulator: Some(Box::new(simulator)), push: None, keep: None }
}

impl Harness for Ems {
    fn descriptor(&self) -> Descriptor {
        DESCRIPTOR
    }

    fn bench(&self) -> BoxFuture<'_, Bench> {
        Box::pin(async { on_the_bench(EmsSimulator::start().await.unwrap()) })
    }

    fn box_office(&self) -> BoxFuture<'_, Option<BoxOfficeBench>> {
        Box::pin(async {
            let simulator = EmsSimulator::start().await.unwrap();
            let truth = simulator.truth();
            Some(BoxOfficeBench { bench: on_the_bench(simulator), orders: EmsSimulator::orders(), truth })
        })
    }

    fn counts_places(&self) -> bool {
        false
    }

    /// The signature is tried with a question that changes nothing; every question of this vendor is a POST.
    fn signs_in(&self, request: &Logged) -> bool {
        request.path.contains("/SEANCE/")
    }

    fn wrong_settings(&self) -> Vec<(Value, &'static str)> {
        vec![
            (json!({ "schedule_url": "ftp://ems.example/" }), "schedule_url"),
            (json!({ "schedule_url": "http://127.0.0.1/schedule?version=1" }), "schedule_url"),
            (json!({ "schedule_url": "http://u:p@127.0.0.1/" }), "schedule_url"),
            (json!({ "sites_url": "http://u:p@127.0.0.1/" }), "sites_url"),
            (json!({ "booking_url": "mailto:a@b.example" }), "booking_url"),
            (json!({ "booking_url": "http://127.0.0.1/?a=1" }), "booking_url"),
            (json!({ "user": "" }), "user"),
            (json!({ "user": "a:b" }), "user"),
            (json!({ "password": null }), "password"),
            (json!({ "secret": "written" }), "secret"),
            (json!({ "source": "" }), "source"),
            (json!({ "source": "deux\nlignes" }), "source"),
            (json!({ "site_id": "" }), "site_id"),
            (json!({ "site_id": 87 }), "site_id"),
            (json!({ "site_id": "123456789012345678901" }), "site_id"),
            (json!({ "timeout_seconds": 0 }), "timeout_seconds"),
            (json!({ "export_timeout_seconds": 301 }), "export_timeout_seconds"),
        ]
    }

    fn secret_setting(&self) -> Option<(&'static str, Value)> {
        Some(("secret", json!({ "secret": CANARY })))
    }
}

passerelle_testkit::conformance!(Ems);
