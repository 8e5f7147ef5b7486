//! A simulated account with its adapter.
#![allow(dead_code, reason = "each test file takes what it needs")]

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use futures_util::StreamExt as _;
use passerelle_contract::{Adapter, AdapterError, Context, End, Pull, Row, Screening};
use passerelle_weezevent::DESCRIPTOR;
use passerelle_weezevent::simulator::{API_KEY, EVENT, PASSWORD, SINGLE_EVENT, USERNAME, WeezeventSimulator};
use serde_json::{Value, json};

/// The folder with the secrets; written once, for the checks run side by side.
pub(crate) fn secrets() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let folder = std::env::temp_dir().join(format!("passerelle-weezevent-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("password"), PASSWORD).unwrap();
        std::fs::write(folder.join("key"), API_KEY).unwrap();
        folder
    };
    FOLDER.get_or_init(make).clone()
}

pub(crate) fn context() -> Context {
    Context { allow_private_addresses: true, base_dir: secrets(), ..Context::default() }
}

/// Settings that work, with short times.
pub(crate) fn settings(simulator: &WeezeventSimulator) -> Value {
    json!({
        "base_url": simulator.base_url(), "username": USERNAME, "password": { "file": "password" },
        "api_key": { "file": "key" }, "events": [EVENT, SINGLE_EVENT], "category": "CONCERT", "music_type": "OTHER",
        "booking_contact": "billetterie@halle.example", "timeout_seconds": 1,
    })
}

/// Starts one with an adapter that has never been used.
pub(crate) async fn organiser(over: &[(&str, Value)]) -> (WeezeventSimulator, Arc<dyn Adapter>) {
    let simulator = WeezeventSimulator::start().await.unwrap();
    let mut settings = settings(&simulator);
    for (name, value) in over {
        settings[*name] = value.clone();
    }
    let adapter = (DESCRIPTOR.connect)(&settings, context()).unwrap();
    (simulator, adapter)
}

pub(crate) async fn pull(adapter: &dyn Adapter) -> Result<(Vec<Row<Screening>>, End), AdapterError> {
    let mut pass = adapter.screenings().unwrap().pull(Pull::default());
    let (mut rows, mut end) = (Vec::new(), None);
    while let Some(page) = pass.next().await {
        let page = page?;
        rows.extend(page.rows);
        end = page.end;
    }
    Ok((rows, end.unwrap()))
}
