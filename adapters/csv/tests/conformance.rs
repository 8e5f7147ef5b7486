//! The adapter through the common suite.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

use passerelle_contract::{BoxFuture, Context, Descriptor};
use passerelle_testkit::conformance::{Bench, CANARY, Harness};
use serde_json::{Value, json};

struct Files;

impl Harness for Files {
    fn descriptor(&self) -> Descriptor {
        passerelle_csv::DESCRIPTOR
    }

    fn bench(&self) -> BoxFuture<'_, Bench> {
        Box::pin(async {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/csv/windows-1252-full");
            let context = Context { base_dir: folder.into(), allow_private_addresses: true, ..Context::default() };
            let settings = json!({ "path": "stock.csv", "file": { "settle_seconds": 0 } });
            Bench { settings, context, simulator: None, push: None, keep: None }
        })
    }

    fn wrong_settings(&self) -> Vec<(Value, &'static str)> {
        vec![
            (json!({ "path": null }), "path"),
            (json!({ "file": { "delimiter": "ab" } }), "file.delimiter"),
            (json!({ "columns": { "price": { "name": "PV", "unit": "franc" } } }), "columns.price.unit"),
            (json!({ "values": { "blank_price": "catalogue" } }), "values.blank_price"),
            (json!({ "limits": { "max_bad_ratio": 2.0 } }), "limits.max_bad_ratio"),
        ]
    }

    fn secret_setting(&self) -> Option<(&'static str, Value)> {
        Some((
            "access.password",
            json!({ "path": null, "url": "https://127.0.0.1:9/stock.csv", "access": { "user": "u", "password": CANARY } }),
        ))
    }
}

passerelle_testkit::conformance!(Files);
