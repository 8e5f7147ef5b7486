//! A simulated cinema with its adapter.

use std::sync::Arc;

use passerelle_boost::DESCRIPTOR;
use passerelle_boost::simulator::{BoostSimulator, PASSWORD, USERNAME};
use passerelle_contract::{Adapter, Context, SessionKeeper};
use serde_json::json;

/// Starts one; the adapter has never been used.
pub(crate) async fn cinema() -> (BoostSimulator, Arc<dyn Adapter>) {
    let simulator = BoostSimulator::start().await.unwrap();
    let adapter = adapter(&simulator, None);
    (simulator, adapter)
}

/// Another adapter of its account, as another process has one.
pub(crate) fn adapter(simulator: &BoostSimulator, sessions: Option<Arc<dyn SessionKeeper>>) -> Arc<dyn Adapter> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), PASSWORD).unwrap();
    let settings =
        json!({ "base_url": simulator.base_url(), "username": USERNAME, "password": { "file": "password" } });
    let context =
        Context { allow_private_addresses: true, base_dir: folder.path().to_owned(), sessions, ..Context::default() };
    (DESCRIPTOR.connect)(&settings, context).unwrap()
}
