//! The adapter through the common suite.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

use std::path::PathBuf;
use std::sync::OnceLock;

use passerelle_allocine::DESCRIPTOR;
use passerelle_allocine::simulator::{API_KEY, AllocineSimulator, THEATER_ID};
use passerelle_contract::{BoxFuture, Context, Descriptor};
use passerelle_testkit::conformance::{Bench, CANARY, Harness};
use serde_json::{Value, json};

struct Allocine;

/// The folder with the secret; written once, for the checks run side by side.
fn secrets() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let folder = std::env::temp_dir().join(format!("passerelle-allocine-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("key"), API_KEY).unwrap();
        folder
    };
    FOLDER.get_or_init(make).clone()
}

impl Harness for Allocine {
    fn descriptor(&self) -> Descriptor {
        DESCRIPTOR
    }

    fn bench(&self) -> BoxFuture<'_, Bench> {
        Box::pin(async {
            let simulator = AllocineSimulator::start().await.unwrap();
            let settings = json!({ "base_url": simulator.base_url(), "api_key": { "file": "key" },
                "theater_id": THEATER_ID, "price_cents": 650, "timeout_seconds": 1 });
            let context = Context { allow_private_addresses: true, base_dir: secrets(), ..Context::default() };
            Bench { settings, context, simulator: Some(Box::new(simulator)), push: None, keep: None }
        })
    }

    fn one_call_because(&self) -> Option<&'static str> {
        Some("the vendor gives a theater's whole programme in one answer")
    }

    fn wrong_settings(&self) -> Vec<(Value, &'static str)> {
        vec![
            (json!({ "base_url": "ftp://graph.example/" }), "base_url"),
            (json!({ "base_url": "http://u:p@127.0.0.1/" }), "base_url"),
            (json!({ "api_key": null }), "api_key"),
            (json!({ "theater_id": "9421" }), "theater_id"),
            (json!({ "theater_id": "TW92aWU6OTkwNDE3" }), "theater_id"),
            (json!({ "price_cents": 0 }), "price_cents"),
            (json!({ "price_cents": 30_001 }), "price_cents"),
            (json!({ "price_cents": "6,50" }), "price_cents"),
            (json!({ "quantity": 0 }), "quantity"),
            (json!({ "quantity": 20_001 }), "quantity"),
            (json!({ "timeout_seconds": 61 }), "timeout_seconds"),
        ]
    }

    fn secret_setting(&self) -> Option<(&'static str, Value)> {
        Some(("api_key", json!({ "api_key": CANARY })))
    }
}

passerelle_testkit::conformance!(Allocine);
