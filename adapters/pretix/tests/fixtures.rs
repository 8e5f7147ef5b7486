//! Every scenario of `fixtures/pretix` gives the rows that stand beside it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

mod common;

use futures_util::StreamExt as _;
use passerelle_contract::{Pull, Quantity, Row, Screening, Starts};
use passerelle_pretix::simulator::SERIES;
use passerelle_testkit::fixtures::{Scenario, load};
use passerelle_testkit::simulator::{Fault, Simulator as _};
use serde_json::{Value, json};

/// The files with answers, and the ends of the paths that they are served at.
const ANSWERS: [(&str, &str); 5] = [
    ("settings.json", "mouette/settings/"),
    ("items.json", "mouette/items/"),
    ("subevents.json", "mouette/subevents/"),
    ("quotas.json", "mouette/quotas/"),
    ("event.json", "mouette/"),
];

#[tokio::test]
async fn every_event_gives_the_rows_beside_it() {
    let scenarios = load("pretix").unwrap();
    assert!(scenarios.len() >= 3, "{}", scenarios.len());
    for scenario in scenarios {
        let expected: Value = serde_json::from_slice(&scenario.read("expected.json").unwrap()).unwrap();
        let read = read(&scenario).await;
        assert_eq!(read, expected, "{}: {}\n{read:#}", scenario.name, scenario.about.why);
    }
}

/// How the pass ends and its rows as short texts, or the code of the error.
async fn read(scenario: &Scenario) -> Value {
    let (simulator, adapter) = common::organizer_with(&[("events", json!([SERIES]))]).await;
    // The event itself is asked for first; its path is in all others.
    for (file, path) in ANSWERS.iter().rev() {
        if let Ok(answer) = scenario.read(file) {
            simulator.faults().next(path, 1, Fault::Body(String::from_utf8(answer).unwrap()));
        }
    }
    let mut pass = adapter.screenings().unwrap().pull(Pull::default());
    let mut rows = Vec::new();
    while let Some(page) = pass.next().await {
        match page {
            Ok(page) => {
                rows.extend(page.rows.iter().flat_map(shown));
                rows.extend(page.end.map(|end| format!("{:?}", end.completeness)));
            }
            Err(error) => return json!(error.code),
        }
    }
    json!(rows)
}

fn shown(row: &Row<Screening>) -> Vec<String> {
    let screening = match row {
        Row::Good(screening) => screening,
        Row::Poison(error) => return vec![format!("{} {}", error.problem.code, error.key.as_deref().unwrap_or("-"))],
    };
    let (film, show) = (&screening.film, &screening.showtime);
    let Starts::At(at) = show.starts else { panic!("a moment") };
    let at = jiff::Timestamp::try_from(at).unwrap();
    let lasts = film.duration_minutes.map_or_else(String::new, |minutes| format!(" {minutes} min"));
    let places = show.places.iter().map(|one| {
        let left = match one.remaining {
            Quantity::Exactly(left) => left.to_string(),
            Quantity::Unlimited => "unlimited".to_owned(),
        };
        format!("  {} {}: {}, {left}", one.key, one.tariff.label, one.tariff.price)
    });
    std::iter::once(format!("{} {} {at}{lasts}", show.key, film.title)).chain(places).collect()
}
