//! The adapter through the common suite, as a box office.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

mod common;

use passerelle_contract::{BoxFuture, Descriptor};
use passerelle_testkit::conformance::{Bench, BoxOfficeBench, CANARY, Harness};
use passerelle_testkit::simulator::Logged;
use passerelle_webhook::DESCRIPTOR;
use passerelle_webhook::simulator::WebhookSimulator;
use serde_json::{Value, json};

struct Webhook;

fn on_the_bench(simulator: WebhookSimulator) -> Bench {
    let settings = common::synchronous(&simulator);
    Bench { settings, context: common::context(), simulator: Some(Box::new(simulator)), push: None, keep: None }
}

impl Harness for Webhook {
    fn descriptor(&self) -> Descriptor {
        DESCRIPTOR
    }

    fn bench(&self) -> BoxFuture<'_, Bench> {
        Box::pin(async { on_the_bench(WebhookSimulator::start().await.unwrap()) })
    }

    fn box_office(&self) -> BoxFuture<'_, Option<BoxOfficeBench>> {
        Box::pin(async {
            let simulator = WebhookSimulator::start().await.unwrap();
            let truth = simulator.truth();
            Some(BoxOfficeBench { bench: on_the_bench(simulator), orders: WebhookSimulator::orders(), truth })
        })
    }

    /// A signed ping signs in and changes nothing.
    fn signs_in(&self, request: &Logged) -> bool {
        request.path == "/webhook"
    }

    fn repeats_a_sale_because(&self) -> Option<&'static str> {
        Some("software knows a request again by its id and its booking, and answers it with the same tickets")
    }

    fn cannot_ask_for_places_because(&self) -> Option<&'static str> {
        Some("the contract has no such call: places come with answers, and with what the software states")
    }

    fn wrong_settings(&self) -> Vec<(Value, &'static str)> {
        vec![
            (json!({ "mode": "fax" }), "mode"),
            (json!({ "mode": null }), "mode"),
            (json!({ "mode": "notify", "url": null }), "url"),
            (json!({ "url": "ftp://billetterie.example/" }), "url"),
            (json!({ "booking_url": null }), "booking_url"),
            (json!({ "booking_url": "http://u:p@127.0.0.1/" }), "booking_url"),
            (json!({ "cancel_url": null }), "cancel_url"),
            (json!({ "cancel_url": "no address" }), "cancel_url"),
            (json!({ "secret": null }), "secret"),
            (json!({ "secret": "written" }), "secret"),
            (json!({ "secret": { "file": "short" } }), "secret"),
            (json!({ "previous_secret": { "file": "short" } }), "previous_secret"),
            (json!({ "api_token": { "file": "tiny" } }), "api_token"),
            (json!({ "mode": "pull", "api_token": null }), "api_token"),
            (json!({ "retry_schedule": "5s" }), "retry_schedule"),
            (json!({ "retry_schedule": ["5s", "soon"] }), "retry_schedule[1]"),
            (json!({ "personal_data": ["email"] }), "personal_data[0]"),
            (json!({ "personal_data": ["first_name"] }), "dpa_signed_at"),
            (json!({ "personal_data": ["first_name"], "dpa_signed_at": "2026-02-30" }), "dpa_signed_at"),
            (json!({ "budget_seconds": 0 }), "budget_seconds"),
            (json!({ "budget_seconds": 7 }), "budget_seconds"),
            (json!({ "allowed_ports": [0] }), "allowed_ports"),
            (json!({ "duo": "yes" }), "duo"),
        ]
    }

    fn secret_setting(&self) -> Option<(&'static str, Value)> {
        Some(("api_token", json!({ "api_token": CANARY })))
    }
}

passerelle_testkit::conformance!(Webhook);
