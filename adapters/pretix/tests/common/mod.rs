//! A simulated organizer with its adapter.
#![allow(dead_code, reason = "each test file takes what it needs")]

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use passerelle_contract::{Adapter, Context};
use passerelle_pretix::DESCRIPTOR;
use passerelle_pretix::simulator::{ORGANIZER, PretixSimulator, SERIES, SINGLE, TOKEN};
use serde_json::{Value, json};

/// The folder with the token; written once, for the checks run side by side.
pub(crate) fn secrets() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let folder = std::env::temp_dir().join(format!("passerelle-pretix-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("token"), TOKEN).unwrap();
        folder
    };
    FOLDER.get_or_init(make).clone()
}

pub(crate) fn context() -> Context {
    Context { allow_private_addresses: true, base_dir: secrets(), ..Context::default() }
}

/// Settings that work, with short times.
pub(crate) fn settings(simulator: &PretixSimulator) -> Value {
    json!({
        "base_url": simulator.base_url(), "organizer": ORGANIZER, "token": { "file": "token" },
        "events": [SERIES, SINGLE], "category": "SPECTACLE_REPRESENTATION", "show_type": "THEATRE-COMEDIE",
        "booking_contact": "billetterie@theatre.example", "timeout_seconds": 1,
    })
}

/// Starts one; the adapter has never been used.
pub(crate) async fn organizer() -> (PretixSimulator, Arc<dyn Adapter>) {
    organizer_with(&[]).await
}

/// The same with other settings.
pub(crate) async fn organizer_with(over: &[(&str, Value)]) -> (PretixSimulator, Arc<dyn Adapter>) {
    let simulator = PretixSimulator::start().await.unwrap();
    let adapter = connect(&simulator, over);
    (simulator, adapter)
}

/// Another adapter in front of a simulator.
pub(crate) fn connect(simulator: &PretixSimulator, over: &[(&str, Value)]) -> Arc<dyn Adapter> {
    let mut settings = settings(simulator);
    for (name, value) in over {
        settings[*name] = value.clone();
    }
    (DESCRIPTOR.connect)(&settings, context()).unwrap()
}
