//! Both adapters through the common suite.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

use passerelle_contract::{BoxFuture, Context, Descriptor};
use passerelle_stock_api::simulator::{ShopConfig, StockSimulator};
use passerelle_stock_api::{DESCRIPTOR, PUSH_DESCRIPTOR};
use passerelle_testkit::conformance::{Bench, CANARY, Harness, PushSample};
use serde_json::{Value, json};

const SIRET: &str = "12345678900011";

struct Polled;

impl Harness for Polled {
    fn descriptor(&self) -> Descriptor {
        DESCRIPTOR
    }

    fn bench(&self) -> BoxFuture<'_, Bench> {
        Box::pin(async {
            let simulator = StockSimulator::start(vec![ShopConfig::new("editor", SIRET)]).await.unwrap();
            let settings = json!({"api_url": simulator.api_url("editor"), "siret": SIRET, "price_unit": "euro",
                "limit": 200, "timeout_seconds": 1});
            let context = Context { allow_private_addresses: true, ..Context::default() };
            Bench { settings, context, simulator: Some(Box::new(simulator)), push: None, keep: None }
        })
    }

    fn wrong_settings(&self) -> Vec<(Value, &'static str)> {
        vec![
            (json!({"price_unit": null}), "price_unit"),
            (json!({"price_unit": "franc"}), "price_unit"),
            (json!({"siret": ""}), "siret"),
            (json!({"api_url": "ftp://editor.example/"}), "api_url"),
            (json!({"api_url": "not an address"}), "api_url"),
            (json!({"limit": 0}), "limit"),
            (json!({"basic": {"user": "u"}}), "basic"),
        ]
    }

    fn secret_setting(&self) -> Option<(&'static str, Value)> {
        Some(("basic_raw_token", json!({"basic_raw_token": CANARY})))
    }
}

mod polled {
    passerelle_testkit::conformance!(super::Polled);
}

struct Pushed;

impl Harness for Pushed {
    fn descriptor(&self) -> Descriptor {
        PUSH_DESCRIPTOR
    }

    fn bench(&self) -> BoxFuture<'_, Bench> {
        Box::pin(async {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("token"), "jeton-de-test\n").unwrap();
            let context = Context { base_dir: folder.path().to_owned(), ..Context::default() };
            let body = br#"{"stocks": [{"ref": "9782999999107", "available": 4, "price": 12.90}]}"#.to_vec();
            let push = Some(PushSample { token: "jeton-de-test".to_owned(), body });
            let settings = json!({"token": {"file": "token"}});
            Bench { settings, context, simulator: None, push, keep: Some(Box::new(folder)) }
        })
    }

    fn wrong_settings(&self) -> Vec<(Value, &'static str)> {
        vec![(json!({"price_unit": "franc"}), "price_unit"), (json!({"token": null}), "token")]
    }

    fn secret_setting(&self) -> Option<(&'static str, Value)> {
        Some(("token", json!({"token": CANARY})))
    }

    fn no_network_because(&self) -> Option<&'static str> {
        Some("the vendor calls us; nothing is called")
    }
}

mod pushed {
    passerelle_testkit::conformance!(super::Pushed);
}
