//! A simulated cinema with its adapter, and answers of our own making.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::sync::Arc;

use passerelle_cgr::DESCRIPTOR;
use passerelle_cgr::simulator::{CINEMA_ID, CgrSimulator, PASSWORD, USERNAME};
use passerelle_contract::{Adapter, AdapterError, BoxFuture, Context, Journal};
use serde_json::json;

/// Starts one; the adapter has never been used.
pub(crate) async fn cinema() -> (CgrSimulator, Arc<dyn Adapter>) {
    let simulator = CgrSimulator::start().await.unwrap();
    let adapter = adapter_for(&simulator.base_url());
    (simulator, adapter)
}

/// An adapter that has never been used.
pub(crate) fn adapter_for(base_url: &str) -> Arc<dyn Adapter> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), PASSWORD).unwrap();
    let settings = json!({ "base_url": base_url, "username": USERNAME, "password": { "file": "password" },
        "cinema_id": CINEMA_ID, "timeout_seconds": 5 });
    let context = Context { allow_private_addresses: true, base_dir: folder.path().to_owned(), ..Context::default() };
    (DESCRIPTOR.connect)(&settings, context).unwrap()
}

/// A result as the service wraps it.
pub(crate) fn envelope(operation: &str, json: &str) -> String {
    let json = json.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://schemas.xmlsoap.org/soap/envelope/\">\
         <SOAP-ENV:Body><ns1:{operation}Response xmlns:ns1=\"urn:GestionCinemaWS\"><{operation}Result>{json}</{operation}Result>\
         </ns1:{operation}Response></SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )
}

/// A journal that is always in order.
pub(crate) struct Silent;

impl Journal for Silent {
    fn about_to_sell<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async { Ok(()) })
    }
}
