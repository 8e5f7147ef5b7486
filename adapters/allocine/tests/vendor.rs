//! What is peculiar to this vendor: how it is asked, and what its answers mean.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

mod common;

use std::time::Duration;

use futures_util::StreamExt as _;
use passerelle_allocine::simulator::{API_KEY, THEATER_ID, edge, showtime};
use passerelle_contract::{Adapter, AdapterError, Class, Completeness, End, ProbeKind, Pull, Row};
use passerelle_testkit::simulator::{Fault, Simulator as _};

async fn pass(adapter: &dyn Adapter) -> Result<(usize, End), AdapterError> {
    let mut pages = adapter.screenings().unwrap().pull(Pull::default());
    let (mut good, mut end) = (0, None);
    while let Some(page) = pages.next().await {
        let page = page?;
        good += page.rows.iter().filter(|row| matches!(row, Row::Good(_))).count();
        end = page.end;
    }
    Ok((good, end.unwrap()))
}

#[tokio::test]
async fn it_asks_once_with_the_key_in_the_header_and_the_padding_as_it_is() {
    let (simulator, adapter) = common::cinema().await;
    let (good, end) = pass(adapter.as_ref()).await.unwrap();
    assert_eq!((good, end.completeness, end.cursor), (4, Completeness::Snapshot, None));
    let asked = simulator.log().all();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path, "/api/query/movieShowtimeList");
    assert_eq!(asked[0].query, format!("theater={THEATER_ID}"));
    assert_eq!(asked[0].authorization.as_deref(), Some(format!("Bearer {API_KEY}").as_str()));
}

#[tokio::test]
async fn every_answer_has_its_class() {
    let table: [(Fault, Class, &str); 10] = [
        (Fault::Status(401), Class::Auth, ""),
        (Fault::Status(403), Class::Auth, ""),
        (Fault::Status(404), Class::Data, "UnknownTheater"),
        (Fault::StatusWithRetryAfter(429, 3_600), Class::RateLimited, ""),
        (Fault::Body(r#"{"movieShowtimeList":null}"#.into()), Class::Data, "UnknownTheater"),
        (Fault::Body(r#"{"errors":[{"message":"boom"}]}"#.into()), Class::Transient, "GraphError"),
        (Fault::Body(r#"{"movieShowtimeList":{"edges":null}}"#.into()), Class::VendorFault, "MalformedBody"),
        (Fault::Body(r#"{"movieShowtimeList":{"edges":{}}}"#.into()), Class::VendorFault, "MalformedBody"),
        (Fault::Body("null".into()), Class::VendorFault, "MalformedBody"),
        (
            Fault::Body("<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>".into()),
            Class::VendorFault,
            "",
        ),
    ];
    for (fault, class, code) in table {
        let (simulator, adapter) = common::cinema().await;
        simulator.faults().from_call(0, fault.clone());
        let error = pass(adapter.as_ref()).await.unwrap_err();
        assert_eq!(error.class, class, "{fault:?}: {error}");
        assert!(code.is_empty() || error.code == code, "{fault:?}: {error}");
        if class == Class::RateLimited {
            assert_eq!(error.retry_after, Some(Duration::from_secs(3_600)));
        }
    }
}

#[tokio::test]
async fn a_programme_without_films_withdraws_nothing_and_says_so() {
    let (simulator, adapter) = common::cinema().await;
    simulator.set_edges(Vec::new());
    let (good, end) = pass(adapter.as_ref()).await.unwrap();
    assert_eq!((good, end.completeness, end.warnings.len()), (0, Completeness::Partial, 1));
    let probes = adapter.probes();
    let read_one = probes.iter().find(|probe| probe.kind == ProbeKind::ReadOne).unwrap();
    assert!((read_one.ask)().await.unwrap().concern.is_some());
}

#[tokio::test]
async fn a_programme_that_nobody_can_show_is_refused_whole() {
    let (simulator, adapter) = common::cinema().await;
    let shows: Vec<_> = (0..50_001).map(|day| showtime(day, "20:30", "LOCAL")).collect();
    simulator.set_edges(vec![edge(1, "Sans fin", &shows)]);
    assert_eq!(pass(adapter.as_ref()).await.unwrap_err().code, "TooManyRows");
}

#[tokio::test]
async fn one_film_in_two_edges_is_listed_once() {
    let (simulator, adapter) = common::cinema().await;
    let (one, two) = (showtime(1, "20:30", "LOCAL"), showtime(2, "20:30", "LOCAL"));
    simulator.set_edges(vec![edge(1, "Deux fois", std::slice::from_ref(&one)), edge(1, "Deux fois", &[one, two])]);
    assert_eq!(pass(adapter.as_ref()).await.unwrap().0, 2);
}
