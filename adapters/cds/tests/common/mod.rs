//! A simulated cinema with its adapter.

use std::sync::Arc;

use passerelle_cds::DESCRIPTOR;
use passerelle_cds::simulator::{ACCOUNT_ID, API_TOKEN, CINEMA_ID, CdsSimulator};
use passerelle_contract::{Adapter, Context};
use serde_json::json;

/// Starts one; the adapter has never been used.
pub(crate) async fn cinema() -> (CdsSimulator, Arc<dyn Adapter>) {
    let simulator = CdsSimulator::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), API_TOKEN).unwrap();
    let settings = json!({ "base_url": simulator.base_url(), "account_id": ACCOUNT_ID, "cinema_id": CINEMA_ID,
        "api_token": { "file": "token" }, "horizon_days": 365 });
    let context = Context { allow_private_addresses: true, base_dir: folder.path().to_owned(), ..Context::default() };
    let adapter = (DESCRIPTOR.connect)(&settings, context).unwrap();
    (simulator, adapter)
}
