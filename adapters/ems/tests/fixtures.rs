//! Every scenario of `fixtures/ems` gives the rows that stand beside it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

mod common;

use futures_util::StreamExt as _;
use passerelle_contract::{Pull, Quantity, Row, Screening};
use passerelle_testkit::fixtures::{Scenario, load};
use passerelle_testkit::simulator::{Fault, Simulator as _};
use serde_json::{Value, json};

/// The file with the schedule, and the part of the path that it is served at.
const SCHEDULE: (&str, &str) = ("schedule.json", "export/schedule");

#[tokio::test]
async fn every_schedule_gives_the_rows_beside_it() {
    let scenarios = load("ems").unwrap();
    assert!(scenarios.len() >= 3, "{}", scenarios.len());
    for scenario in scenarios {
        let expected: Value = serde_json::from_slice(&scenario.read("expected.json").unwrap()).unwrap();
        assert_eq!(read(&scenario).await, expected, "{}: {}", scenario.name, scenario.about.why);
    }
}

/// The rows as short texts, or the code of the error.
async fn read(scenario: &Scenario) -> Value {
    // The simulator knows none of these films, so it is not asked what is sold out.
    let (simulator, adapter) = common::cinema_with(&[("ask_on_sale", json!(false))]).await;
    let schedule = String::from_utf8(scenario.read(SCHEDULE.0).unwrap()).unwrap();
    simulator.faults().next(SCHEDULE.1, 1, Fault::Body(schedule));
    let mut pass = adapter.screenings().unwrap().pull(Pull::default());
    let mut rows = Vec::new();
    while let Some(page) = pass.next().await {
        match page {
            Ok(page) => rows.extend(page.rows.iter().map(shown)),
            Err(error) => return json!(error.code),
        }
    }
    json!(rows)
}

fn shown(row: &Row<Screening>) -> String {
    let screening = match row {
        Row::Good(screening) => screening,
        Row::Poison(error) => return format!("{} {}", error.problem.code, error.key.as_deref().unwrap_or("-")),
    };
    let (film, show) = (&screening.film, &screening.showtime);
    let allocine = film.allocine_id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let formats: String = show.formats.iter().map(|format| format!("{} ", format.name())).collect();
    let places = &show.places[0];
    assert_eq!(places.remaining, Quantity::Unlimited);
    format!("{} {} allocine={allocine} {formats}{}", show.key, film.title, places.tariff.price)
}
