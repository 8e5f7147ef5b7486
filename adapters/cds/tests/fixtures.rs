//! Every scenario of `fixtures/cds` gives the rows that stand beside it.

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

#[tokio::test]
async fn every_list_gives_the_rows_beside_it() {
    let scenarios = load("cds").unwrap();
    assert!(scenarios.len() >= 2, "{}", scenarios.len());
    for scenario in scenarios {
        let expected: Value = serde_json::from_slice(&scenario.read("expected.json").unwrap()).unwrap();
        assert_eq!(read(&scenario).await, expected, "{}: {}", scenario.name, scenario.about.why);
    }
}

/// The rows as short texts, or the code of the error.
async fn read(scenario: &Scenario) -> Value {
    let (simulator, adapter) = common::cinema().await;
    let list = String::from_utf8(scenario.read(LIST.0).unwrap()).unwrap();
    // Shows far ahead are not stated, so the day of a list is a hundred days from now.
    let day =
        jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now()).date().saturating_add(jiff::Span::new().days(100));
    let list = list.replace("@DAY@", &day.to_string());
    simulator.faults().next(LIST.1, 1, Fault::Body(list));
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
        Row::Poison(error) => return error.problem.code.to_owned(),
    };
    let (film, show) = (&screening.film, &screening.showtime);
    let visa = film.visa.as_deref().unwrap_or("-");
    let formats: String = show.formats.iter().map(|format| format!("{} ", format.name())).collect();
    let places = &show.places[0];
    let Quantity::Exactly(left) = places.remaining else { panic!("unlimited") };
    format!("{} {} visa={visa} {formats}{} x{left}", show.key, film.title, places.tariff.price)
}

/// The file with the list, and the part of the path that it is served at.
const LIST: (&str, &str) = ("shows.json", "vad/shows");
