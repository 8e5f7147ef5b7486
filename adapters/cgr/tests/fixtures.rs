//! Every scenario of `fixtures/cgr` gives the rows that stand beside it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

mod common;

use futures_util::StreamExt as _;
use passerelle_contract::{Page, Pull, Quantity, Row, Screening, Starts};
use passerelle_testkit::fixtures::{Scenario, load};
use passerelle_testkit::simulator::{Fault, Simulator as _};
use serde_json::{Value, json};

#[tokio::test]
async fn every_listing_gives_the_rows_beside_it() {
    let scenarios = load("cgr").unwrap();
    assert!(scenarios.len() >= 3, "{}", scenarios.len());
    for scenario in scenarios {
        let expected: Value = serde_json::from_slice(&scenario.read("expected.json").unwrap()).unwrap();
        assert_eq!(read(&scenario).await, expected, "{}: {}", scenario.name, scenario.about.why);
    }
}

/// The rows as short texts, then what the pass says of itself.
async fn read(scenario: &Scenario) -> Value {
    let (simulator, adapter) = common::cinema().await;
    let list = String::from_utf8(scenario.read("list.json").unwrap()).unwrap();
    simulator.faults().next("#GetSeances", 1, Fault::Body(common::envelope("GetSeancesPassCulture", &list)));
    let pages: Vec<Page<Screening>> =
        adapter.screenings().unwrap().pull(Pull::default()).map(|page| page.unwrap()).collect().await;
    let mut told: Vec<String> = pages.iter().flat_map(|page| &page.rows).map(shown).collect();
    let end = pages.last().unwrap().end.as_ref().unwrap();
    told.push(format!("{:?}, {} warning(s)", end.completeness, end.warnings.len()));
    json!(told)
}

fn shown(row: &Row<Screening>) -> String {
    let screening = match row {
        Row::Good(screening) => screening,
        Row::Poison(error) => return format!("{} {}", error.key.as_deref().unwrap_or("-"), error.problem.code),
    };
    let (film, show) = (&screening.film, &screening.showtime);
    let visa = film.visa.as_deref().unwrap_or("-");
    let formats: String = show.formats.iter().map(|format| format!("{} ", format.name())).collect();
    let Starts::Local(at) = show.starts else { panic!("{:?}", show.starts) };
    let clock = format!("{:02}-{:02} {:02}:{:02}", at.month, at.day, at.hour, at.minute);
    let places = &show.places[0];
    let Quantity::Exactly(left) = places.remaining else { panic!("unlimited") };
    let synopsis = film.synopsis.as_deref().unwrap_or("-");
    format!(
        "{} {} “{}” visa={visa} {clock} {formats}{} {} x{left} {synopsis}",
        show.key, film.key, film.title, places.tariff.price, places.tariff.label
    )
}
