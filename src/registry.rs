//! The one list of adapters. A new vendor is one line here.

use passerelle_contract::Descriptor;

/// Every adapter, in the order in which they are listed.
pub const ADAPTERS: &[Descriptor] =
    &[passerelle_csv::DESCRIPTOR, passerelle_stock_api::DESCRIPTOR, passerelle_stock_api::PUSH_DESCRIPTOR];

/// The adapter with this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Descriptor> {
    ADAPTERS.iter().find(|adapter| adapter.id == id)
}
