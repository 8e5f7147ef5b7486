//! The one list of adapters. A new vendor is one line here (two with a simulator that `passerelle sandbox` starts).

use std::any::Any;
use std::net::SocketAddr;

use passerelle_contract::{BoxFuture, Descriptor};
use passerelle_stock_api::simulator::StockSimulator;

/// Every adapter, in the order in which they are listed.
pub const ADAPTERS: &[Descriptor] =
    &[passerelle_csv::DESCRIPTOR, passerelle_stock_api::DESCRIPTOR, passerelle_stock_api::PUSH_DESCRIPTOR];

/// The adapter with this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Descriptor> {
    ADAPTERS.iter().find(|adapter| adapter.id == id)
}

/// A vendor's simulator; it runs until dropped.
pub struct Simulated {
    /// Where it listens.
    pub address: SocketAddr,
    /// What to try, for people.
    pub hint: String,
    _running: Box<dyn Any + Send>,
}

/// Starts a simulator at an address.
pub type Simulate = fn(SocketAddr) -> BoxFuture<'static, std::io::Result<Simulated>>;

/// The vendors that can be simulated, by adapter id.
pub const SIMULATORS: &[(&str, Simulate)] = &[("stock-api", |address| Box::pin(stock_api(address)))];

async fn stock_api(address: SocketAddr) -> std::io::Result<Simulated> {
    use passerelle_stock_api::simulator::SANDBOX_SIRET;
    let simulator = StockSimulator::every_profile(address).await?;
    let hint = format!(
        "api_url = \"{}\", siret = \"{SANDBOX_SIRET}\", price_unit = \"euro\"; other behaviours stand under their own names, \
         such as titelive, html_200 or truncated",
        simulator.api_url("plain")
    );
    Ok(Simulated { address: simulator.address(), hint, _running: Box::new(simulator) })
}
