//! The adapter through the common suite.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

use std::path::PathBuf;
use std::sync::OnceLock;

use passerelle_cds::DESCRIPTOR;
use passerelle_cds::simulator::{ACCOUNT_ID, API_TOKEN, CINEMA_ID, CdsSimulator};
use passerelle_contract::{BoxFuture, Context, Descriptor};
use passerelle_testkit::conformance::{Bench, BoxOfficeBench, CANARY, Harness};
use serde_json::{Value, json};

struct Cds;

/// The folder with the secret; written once, for the checks run side by side.
fn secrets() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let folder = std::env::temp_dir().join(format!("passerelle-cds-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("token"), API_TOKEN).unwrap();
        folder
    };
    FOLDER.get_or_init(make).clone()
}

fn on_the_bench(simulator: CdsSimulator) -> Bench {
    let folder = secrets();
    let settings = json!({ "base_url": simulator.base_url(), "account_id": ACCOUNT_ID, "cinema_id": CINEMA_ID,
        "api_token": { "file": "token" }, "timeout_seconds": 1 });
    let context = Context { allow_private_addresses: true, base_dir: folder, ..Context::default() };
    Bench { settings, context, simulator: Some(Box::new(simulator)), push: None, keep: None }
}

impl Harness for Cds {
    fn descriptor(&self) -> Descriptor {
        DESCRIPTOR
    }

    fn bench(&self) -> BoxFuture<'_, Bench> {
        Box::pin(async { on_the_bench(CdsSimulator::start().await.unwrap()) })
    }

    fn box_office(&self) -> BoxFuture<'_, Option<BoxOfficeBench>> {
        Box::pin(async {
            let simulator = CdsSimulator::start().await.unwrap();
            let truth = simulator.truth();
            Some(BoxOfficeBench { bench: on_the_bench(simulator), orders: CdsSimulator::orders(), truth })
        })
    }

    fn wrong_settings(&self) -> Vec<(Value, &'static str)> {
        vec![
            (json!({ "base_url": "ftp://cinema.example/" }), "base_url"),
            (json!({ "base_url": "http://u:p@127.0.0.1/" }), "base_url"),
            (json!({ "account_id": "two words" }), "account_id"),
            (json!({ "account_id": "" }), "account_id"),
            (json!({ "cinema_id": "" }), "cinema_id"),
            (json!({ "api_token": null }), "api_token"),
            (json!({ "horizon_days": 0 }), "horizon_days"),
            (json!({ "horizon_days": 366 }), "horizon_days"),
            (json!({ "timeout_seconds": 61 }), "timeout_seconds"),
        ]
    }

    fn secret_setting(&self) -> Option<(&'static str, Value)> {
        Some(("api_token", json!({ "api_token": CANARY })))
    }
}

passerelle_testkit::conformance!(Cds);
