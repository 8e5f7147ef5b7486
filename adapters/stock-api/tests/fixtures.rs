//! Every scenario of `fixtures/stock-api` gives the rows that stand beside it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

use futures_util::StreamExt as _;
use passerelle_contract::{Context, Pull, Quantity, Row, StockLine};
use passerelle_stock_api::DESCRIPTOR;
use passerelle_stock_api::simulator::{ShopConfig, StockSimulator};
use passerelle_testkit::fixtures::{Scenario, load};
use passerelle_testkit::simulator::{Fault, Simulator as _};
use serde_json::{Value, json};

#[tokio::test]
async fn every_recorded_page_gives_the_rows_beside_it() {
    let scenarios = load("stock-api").unwrap();
    assert!(scenarios.len() >= 6, "{}", scenarios.len());
    for scenario in scenarios {
        let expected: Value = serde_json::from_slice(&scenario.read("expected.json").unwrap()).unwrap();
        assert_eq!(read(&scenario).await, expected, "{}: {}", scenario.name, scenario.about.why);
    }
}

/// The rows as short texts, or the code of the error.
async fn read(scenario: &Scenario) -> Value {
    let simulator = StockSimulator::start(vec![ShopConfig::new("editor", "1")]).await.unwrap();
    let page = String::from_utf8(scenario.read("page.json").unwrap()).unwrap();
    simulator.faults().next("", 1, Fault::Body(page));
    simulator.faults().always(Fault::Body("{}".to_owned()));
    let mut settings = json!({"api_url": simulator.api_url("editor"), "siret": "1", "price_unit": "euro"});
    let over = serde_json::to_value(&scenario.about.settings).unwrap();
    settings.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    let context = Context { allow_private_addresses: true, ..Context::default() };
    let adapter = (DESCRIPTOR.connect)(&settings, context).unwrap();
    let mut pass = adapter.stock().unwrap().pull(Pull::default());
    let mut rows = Vec::new();
    while let Some(page) = pass.next().await {
        match page {
            Ok(page) => rows.extend(page.rows.iter().map(shown)),
            Err(error) => return json!(error.code),
        }
    }
    json!(rows)
}

fn shown(row: &Row<StockLine>) -> String {
    match row {
        Row::Good(StockLine { ean, price, quantity: Quantity::Exactly(copies), .. }) => {
            format!("{ean} {} x{copies}", price.unwrap_or_default())
        }
        Row::Good(line) => format!("{line:?}"),
        Row::Poison(error) => error.problem.code.to_owned(),
    }
}
