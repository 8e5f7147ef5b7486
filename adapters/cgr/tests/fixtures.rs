//! Every scenario of `fixtures/cgr` gives what stands beside it: the rows of a listing, or what an answer to a sale or to a
//! cancellation means.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

mod common;

use std::time::Duration;

use futures_util::StreamExt as _;
use passerelle_cgr::simulator::CgrSimulator;
use passerelle_contract::{
    BookOutcome, CancelOutcome, Deadline, Holder, Order, Page, Pull, Quantity, Reference, Row, Screening, Starts,
    Ticket,
};
use passerelle_testkit::fixtures::{Scenario, load};
use passerelle_testkit::simulator::{Fault, Simulator as _};
use serde_json::{Value, json};

#[tokio::test]
async fn every_scenario_gives_what_stands_beside_it() {
    let scenarios = load("cgr").unwrap();
    assert!(scenarios.len() >= 13, "{}", scenarios.len());
    for scenario in scenarios {
        let expected: Value = serde_json::from_slice(&scenario.read("expected.json").unwrap()).unwrap();
        let given = match ["sale.json", "cancellation.json"].map(|file| scenario.read(file).ok()) {
            [Some(answer), _] => json!(sale(&answer).await),
            [_, Some(answer)] => json!(cancellation(&answer).await),
            _ => read(&scenario).await,
        };
        assert_eq!(given, expected, "{}: {}", scenario.name, scenario.about.why);
    }
}

fn answer(operation: &str, json: &[u8]) -> Fault {
    Fault::Body(common::envelope(operation, std::str::from_utf8(json).unwrap()))
}

/// What this answer to a sale of two seats means. The show's places are there: the answer alone decides.
async fn sale(json: &[u8]) -> String {
    let (simulator, adapter) = common::cinema().await;
    simulator.faults().next("#Reservation", 1, answer("ReservationPassCulture", json));
    let order = Order {
        quantity: 2,
        reference: Reference("K7M2QXABCDEFGHJK".to_owned()),
        holder: Some(Holder::default()),
        ..CgrSimulator::orders().open
    };
    let office = adapter.box_office().unwrap();
    match office.book(&order, &common::Silent, Deadline::after(Duration::from_secs(6))).await {
        BookOutcome::Refused(refusal) => format!("refused: {refusal:?}"),
        BookOutcome::NotAttempted(error) => format!("nothing sold: {}", error.code),
        other => format!("{other:?}"),
    }
}

/// What this answer to a cancellation means.
async fn cancellation(json: &[u8]) -> &'static str {
    let (simulator, adapter) = common::cinema().await;
    simulator.faults().next("#Annulation", 1, answer("AnnulationPassCulture", json));
    let ticket = Ticket { barcode: "CINE738000000001".to_owned(), seat: None, vendor: "{}".to_owned() };
    let outcomes = adapter.box_office().unwrap().cancel(&[ticket], Deadline::after(Duration::from_secs(5))).await;
    match &outcomes[..] {
        [CancelOutcome::Cancelled] => "cancelled",
        [CancelOutcome::AlreadyCancelled] => "cancelled before",
        [CancelOutcome::Refused(_)] => "refused for good",
        _ => "something else",
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
