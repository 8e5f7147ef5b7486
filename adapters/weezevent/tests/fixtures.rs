//! Every scenario of `fixtures/weezevent` gives the rows that stand beside it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

mod common;

use passerelle_contract::{Quantity, Row, Screening, Starts};
use passerelle_testkit::fixtures::{Scenario, load};
use passerelle_testkit::simulator::{Fault, Simulator as _};
use serde_json::{Value, json};

#[tokio::test]
async fn every_account_gives_the_rows_beside_it() {
    let scenarios = load("weezevent").unwrap();
    assert!(scenarios.len() >= 3, "{}", scenarios.len());
    for scenario in scenarios {
        let expected: Value = serde_json::from_slice(&scenario.read("expected.json").unwrap()).unwrap();
        assert_eq!(read(&scenario).await, expected, "{}: {}", scenario.name, scenario.about.why);
    }
}

/// The rows as short texts, then what the pass says of itself.
async fn read(scenario: &Scenario) -> Value {
    let over: Vec<(&str, Value)> = scenario
        .about
        .settings
        .iter()
        .map(|(name, value)| (name.as_str(), serde_json::to_value(value).unwrap()))
        .collect();
    let (simulator, adapter) = common::organiser(&over).await;
    for (file, path) in [("events.json", "/events"), ("tickets.json", "/tickets"), ("dates.json", "/dates")] {
        let body = String::from_utf8(scenario.read(file).unwrap()).unwrap();
        simulator.faults().next(path, 1, Fault::Body(body));
    }
    let (rows, end) = common::pull(adapter.as_ref()).await.unwrap();
    let mut told: Vec<String> = rows.iter().map(shown).collect();
    told.push(format!("{:?}, {} warning(s)", end.completeness, end.warnings.len()));
    json!(told)
}

fn shown(row: &Row<Screening>) -> String {
    let screening = match row {
        Row::Good(screening) => screening,
        Row::Poison(error) => return format!("{} {}", error.key.as_deref().unwrap_or("-"), error.problem.code),
    };
    let Starts::Local(at) = screening.showtime.starts else { panic!("{:?}", screening.showtime.starts) };
    let places = screening.showtime.places.iter().map(|places| {
        let left = match places.remaining {
            Quantity::Exactly(left) => format!("x{left}"),
            Quantity::Unlimited => "no limit".to_owned(),
        };
        format!(" | {} {} {} {left}", places.key, places.tariff.label, places.tariff.price)
    });
    format!(
        "{} “{}” {:02}-{:02} {:02}:{:02}{}",
        screening.showtime.key,
        screening.film.title,
        at.month,
        at.day,
        at.hour,
        at.minute,
        places.collect::<String>()
    )
}
