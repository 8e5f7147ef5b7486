//! A simulated site with its adapter.
#![allow(dead_code, reason = "each test file takes what it needs")]

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use passerelle_contract::{Adapter, Context};
use passerelle_ems::DESCRIPTOR;
use passerelle_ems::simulator::{EmsSimulator, PASSWORD, SECRET, SITE_ID, SOURCE, USER};
use serde_json::{Value, json};

/// The folder with the secrets; written once, for the checks run side by side.
pub(crate) fn secrets() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let folder = std::env::temp_dir().join(format!("passerelle-ems-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("password"), PASSWORD).unwrap();
        std::fs::write(folder.join("secret"), SECRET).unwrap();
        folder
    };
    FOLDER.get_or_init(make).clone()
}

pub(crate) fn context() -> Context {
    Context { allow_private_addresses: true, base_dir: secrets(), ..Context::default() }
}

/// Settings that work, with short times.
pub(crate) fn settings(simulator: &EmsSimulator) -> Value {
    json!({
        "schedule_url": simulator.schedule_url(), "sites_url": simulator.sites_url(), "user": USER,
        "password": { "file": "password" }, "booking_url": simulator.booking_url(), "source": SOURCE,
        "secret": { "file": "secret" }, "site_id": SITE_ID, "timeout_seconds": 1, "export_timeout_seconds": 2,
    })
}

/// Starts one; the adapter has never been used.
pub(crate) async fn cinema() -> (EmsSimulator, Arc<dyn Adapter>) {
    cinema_with(&[]).await
}

/// The same with other settings.
pub(crate) async fn cinema_with(over: &[(&str, Value)]) -> (EmsSimulator, Arc<dyn Adapter>) {
    let simulator = EmsSimulator::start().await.unwrap();
    let adapter = connect(&simulator, over);
    (simulator, adapter)
}

/// Another adapter in front of a simulator.
pub(crate) fn connect(simulator: &EmsSimulator, over: &[(&str, Value)]) -> Arc<dyn Adapter> {
    let mut settings = settings(simulator);
    for (name, value) in over {
        settings[*name] = value.clone();
    }
    (DESCRIPTOR.connect)(&settings, context()).unwrap()
}
