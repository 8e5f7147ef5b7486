//! Every scenario of `fixtures/allocine` gives the rows that stand beside it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

mod common;

use futures_util::StreamExt as _;
use passerelle_contract::{Completeness, Pull, Row, Screening, Starts};
use passerelle_testkit::fixtures::{Scenario, load};
use passerelle_testkit::simulator::{Fault, Simulator as _};
use serde_json::{Value, json};

#[tokio::test]
async fn every_programme_gives_the_rows_beside_it() {
    let scenarios = load("allocine").unwrap();
    assert!(scenarios.len() >= 4, "{}", scenarios.len());
    for scenario in scenarios {
        let expected: Value = serde_json::from_slice(&scenario.read("expected.json").unwrap()).unwrap();
        assert_eq!(read(&scenario).await, expected, "{}: {}", scenario.name, scenario.about.why);
    }
}

/// The rows as short texts, then how complete they are; or the code of the error.
async fn read(scenario: &Scenario) -> Value {
    let (simulator, adapter) = common::cinema().await;
    let programme = String::from_utf8(scenario.read("programme.json").unwrap()).unwrap();
    simulator.faults().next("movieShowtimeList", 1, Fault::Body(programme));
    let mut pass = adapter.screenings().unwrap().pull(Pull::default());
    let mut rows = Vec::new();
    while let Some(page) = pass.next().await {
        match page {
            Ok(page) => {
                rows.extend(page.rows.iter().map(shown));
                let complete = page.end.map(|end| end.completeness == Completeness::Snapshot);
                rows.extend(complete.map(|complete| if complete { "complete" } else { "partial" }.to_owned()));
            }
            Err(error) => return json!(error.code),
        }
    }
    json!(rows)
}

fn shown(row: &Row<Screening>) -> String {
    let screening = match row {
        Row::Good(screening) => screening,
        Row::Poison(error) => {
            return format!("{} {}", error.problem.code, error.key.as_deref().unwrap_or("-"));
        }
    };
    let (film, show) = (&screening.film, &screening.showtime);
    let formats: String = show.formats.iter().map(|format| format!("{} ", format.name())).collect();
    let starts = match show.starts {
        Starts::Local(clock) => format!("{:02}:{:02} there", clock.hour, clock.minute),
        Starts::At(at) => jiff::Timestamp::try_from(at).unwrap().to_string(),
    };
    format!(
        "{} {} {starts} {formats}visa={} min={} by={} | {}",
        show.key,
        film.title,
        film.visa.as_deref().unwrap_or("-"),
        film.duration_minutes.unwrap_or(0),
        film.director.as_deref().unwrap_or("-"),
        film.synopsis.as_deref().unwrap_or("-").replace('\n', " ⏎ ")
    )
}
