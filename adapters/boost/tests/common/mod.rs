//! A simulated cinema with its adapter.

use std::sync::Arc;

use passerelle_boost::DESCRIPTOR;
use passerelle_boost::simulator::{BoostSimulator, PASSWORD, USERNAME};
use passerelle_contract::{Adapter, Context};
use serde_json::json;

/// Starts one; the adapter has never been used.
pub(crate) async fn cinema() -> (BoostSimulator, Arc<dyn Adapter>) {
    let simulator = BoostSimulator::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), PASSWORD).unwrap();
    let settings =
        json!({ "base_url": simulator.base_url(), "username": USERNAME, "password": { "file": "password" } });
    let context = Context { allow_private_addresses: true, base_dir: folder.path().to_owned(), ..Context::default() };
    let adapter = (DESCRIPTOR.connect)(&settings, context).unwrap();
    (simulator, adapter)
}
