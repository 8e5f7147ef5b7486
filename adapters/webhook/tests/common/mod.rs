//! Simulated software with its adapter.
#![allow(dead_code, reason = "each test file takes what it needs")]

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use passerelle_contract::{Adapter, Context, Delivery, Message};
use passerelle_webhook::DESCRIPTOR;
use passerelle_webhook::simulator::{API_TOKEN, OTHER_SECRET, SECRET, WebhookSimulator};
use serde_json::{Value, json};

/// The folder with the secrets; written once, for the checks run side by side.
pub(crate) fn secrets() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let folder = std::env::temp_dir().join(format!("passerelle-webhook-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in [
            ("secret", SECRET),
            ("other", OTHER_SECRET),
            ("token", API_TOKEN),
            ("short", "whsec_a2FuYXJp"),
            ("tiny", "kanari"),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        folder
    };
    FOLDER.get_or_init(make).clone()
}

pub(crate) fn context() -> Context {
    Context { allow_private_addresses: true, base_dir: secrets(), ..Context::default() }
}

/// Settings that sell, with short times.
pub(crate) fn synchronous(simulator: &WebhookSimulator) -> Value {
    json!({
        "mode": "synchronous", "url": simulator.url(), "booking_url": simulator.booking_url(),
        "cancel_url": simulator.cancel_url(), "secret": { "file": "secret" }, "budget_seconds": 1,
    })
}

/// Settings that tell.
pub(crate) fn notify(url: &str) -> Value {
    json!({ "mode": "notify", "url": url, "secret": { "file": "secret" } })
}

/// An adapter with these settings, and others laid over them.
pub(crate) fn connect(mut settings: Value, over: &[(&str, Value)]) -> Arc<dyn Adapter> {
    for (name, value) in over {
        settings[*name] = value.clone();
    }
    (DESCRIPTOR.connect)(&settings, context()).unwrap()
}

/// One attempt at carrying a message.
pub(crate) async fn deliver(adapter: &dyn Adapter, id: &str, body: &[u8]) -> Delivery {
    adapter.notices().unwrap().deliver(Message { id, body, is_replay: false }).await
}
