//! Simulated stored queries with the adapter.

use std::sync::Arc;

use passerelle_allocine::DESCRIPTOR;
use passerelle_allocine::simulator::{API_KEY, AllocineSimulator, THEATER};
use passerelle_contract::{Adapter, Context};
use serde_json::json;

/// Starts them; the adapter has never been used.
pub(crate) async fn cinema() -> (AllocineSimulator, Arc<dyn Adapter>) {
    let simulator = AllocineSimulator::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), API_KEY).unwrap();
    let settings = json!({ "base_url": simulator.base_url(), "api_key": { "file": "key" }, "theater_id": THEATER,
        "price_cents": 650, "quantity": 20 });
    let context = Context { allow_private_addresses: true, base_dir: folder.path().to_owned(), ..Context::default() };
    let adapter = (DESCRIPTOR.connect)(&settings, context).unwrap();
    (simulator, adapter)
}
