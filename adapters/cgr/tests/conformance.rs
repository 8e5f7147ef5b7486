//! The adapter through the common suite.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

use std::path::PathBuf;
use std::sync::OnceLock;

use passerelle_cgr::DESCRIPTOR;
use passerelle_cgr::simulator::{CINEMA_ID, CgrSimulator, PASSWORD, USERNAME};
use passerelle_contract::{BoxFuture, Context, Descriptor};
use passerelle_testkit::conformance::{Bench, BoxOfficeBench, CANARY, Harness};
use passerelle_testkit::simulator::Logged;
use serde_json::{Value, json};

struct Cgr;

/// The folder with the secret; written once, for the checks run side by side.
fn secrets() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let folder = std::env::temp_dir().join(format!("passerelle-cgr-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("password"), PASSWORD).unwrap();
        folder
    };
    FOLDER.get_or_init(make).clone()
}

fn on_the_bench(simulator: CgrSimulator) -> Bench {
    let folder = secrets();
    let settings = json!({ "base_url": simulator.base_url(), "username": USERNAME, "password": { "file": "password" },
        "cinema_id": CINEMA_ID, "timeout_seconds": 1 });
    let context = Context { allow_private_addresses: true, base_dir: folder, ..Context::default() };
    Bench { settings, context, simulator: Some(Box::new(simulator)), push: None, keep: None }
}

impl Harness for Cgr {
    fn descriptor(&self) -> Descriptor {
        DESCRIPTOR
    }

    fn bench(&self) -> BoxFuture<'_, Bench> {
        Box::pin(async { on_the_bench(CgrSimulator::start().await.unwrap()) })
    }

    fn box_office(&self) -> BoxFuture<'_, Option<BoxOfficeBench>> {
        Box::pin(async {
            let simulator = CgrSimulator::start().await.unwrap();
            let truth = simulator.truth();
            Some(BoxOfficeBench { bench: on_the_bench(simulator), orders: CgrSimulator::orders(), truth })
        })
    }

    /// Reading is a POST here; what a probe really asks is looked at in `vendor.rs`.
    fn signs_in(&self, request: &Logged) -> bool {
        request.path.ends_with("#GetSeancesPassCulture")
    }

    fn one_call_because(&self) -> Option<&'static str> {
        Some("the vendor tells its whole programme in one answer")
    }

    fn wrong_settings(&self) -> Vec<(Value, &'static str)> {
        vec![
            (json!({ "base_url": "ftp://cgr.example/" }), "base_url"),
            (json!({ "base_url": "http://u:p@127.0.0.1/" }), "base_url"),
            (json!({ "username": " " }), "username"),
            (json!({ "password": null }), "password"),
            (json!({ "cinema_id": " " }), "cinema_id"),
            (json!({ "cinema_id": "x".repeat(41) }), "cinema_id"),
            (json!({ "duo": "yes" }), "duo"),
            (json!({ "timeout_seconds": 0 }), "timeout_seconds"),
            (json!({ "timeout_seconds": 61 }), "timeout_seconds"),
        ]
    }

    fn secret_setting(&self) -> Option<(&'static str, Value)> {
        Some(("password", json!({ "password": CANARY })))
    }
}

passerelle_testkit::conformance!(Cgr);
