//! What is peculiar to this vendor: one sign-in, key and token in every address, nothing asked about people.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use passerelle_contract::{Class, Completeness, Quantity, Row, Screening};
use passerelle_testkit::simulator::{Fault, Simulator as _};
use passerelle_weezevent::simulator::{API_KEY, Account, EVENT, SINGLE_EVENT, WeezeventSimulator};
use serde_json::json;

fn paths(simulator: &WeezeventSimulator) -> Vec<String> {
    simulator.log().all().into_iter().map(|call| call.path).collect()
}

fn good(rows: Vec<Row<Screening>>) -> Vec<Screening> {
    rows.into_iter().filter_map(|row| if let Row::Good(one) = row { Some(one) } else { None }).collect()
}

#[tokio::test]
async fn it_signs_in_once_and_asks_three_times_a_pass() {
    let (simulator, adapter) = common::organiser(&[]).await;
    let (rows, end) = common::pull(adapter.as_ref()).await.unwrap();
    assert_eq!((good(rows).len(), end.completeness), (3, Completeness::Snapshot));
    common::pull(adapter.as_ref()).await.unwrap();
    let one = ["/events", "/tickets", "/dates"];
    let expected: Vec<&str> = ["/auth/access_token"].into_iter().chain(one).chain(one).collect();
    assert_eq!(paths(&simulator), expected);
    for call in simulator.log().all().into_iter().skip(1) {
        let signed = format!("api_key={API_KEY}&access_token=jeton-fictif-1");
        assert!(call.query.starts_with(&signed), "{}", call.query);
        assert!(!call.query.contains("340999"), "nothing else of the account is asked for: {}", call.query);
    }
    assert!(simulator.log().all()[1].query.ends_with("include_without_sales=true"));
    assert_eq!(simulator.log().all()[3].query.matches("id_event%5B%5D=").count(), 1, "only what has several dates");
}

#[tokio::test]
async fn a_token_that_is_refused_is_fetched_anew_once() {
    let (simulator, adapter) = common::organiser(&[]).await;
    common::pull(adapter.as_ref()).await.unwrap();
    // Somebody else signed in: the vendor knows another token now.
    simulator.set_account(Account { sign_ins: 7, ..simulator.account() });
    simulator.log().clear();
    let (rows, _) = common::pull(adapter.as_ref()).await.unwrap();
    assert_eq!(good(rows).len(), 3);
    assert_eq!(paths(&simulator), ["/events", "/auth/access_token", "/events", "/tickets", "/dates"]);
    simulator.log().clear();
    simulator.faults().next("/events", 2, Fault::Status(401));
    let error = common::pull(adapter.as_ref()).await.unwrap_err();
    assert_eq!(error.class, Class::Auth);
    assert_eq!(paths(&simulator), ["/events", "/auth/access_token", "/events"]);
}

#[tokio::test]
async fn no_token_and_no_secret_shows_when_an_answer_cannot_be_read() {
    for (path, body) in [("access_token", r#"{"token":"jeton-secret"}"#), ("/events", r#"{"jeton-secret":1}"#)] {
        let (simulator, adapter) = common::organiser(&[]).await;
        simulator.faults().next(path, 1, Fault::Body(body.to_owned()));
        let error = common::pull(adapter.as_ref()).await.unwrap_err();
        assert_eq!((error.class, error.code), (Class::VendorFault, "MalformedBody"), "{error}");
        assert!(!format!("{error:?}").contains("jeton-") && !format!("{error:?}").contains(API_KEY), "{error:?}");
    }
}

#[tokio::test]
async fn places_are_those_of_the_settings_or_the_vendors_counts() {
    let (_simulator, adapter) = common::organiser(&[("quantity", json!(15))]).await;
    assert!(adapter.screenings().unwrap().expectations().places_in_all && adapter.box_office().is_none());
    let (rows, _) = common::pull(adapter.as_ref()).await.unwrap();
    for show in good(rows) {
        let numbers = show.showtime.places.iter().map(|places| places.remaining.number().unwrap());
        assert_eq!(numbers.sum::<u32>(), 15, "{}", show.showtime.key);
    }
    let (_simulator, adapter) = common::organiser(&[]).await;
    let (rows, _) = common::pull(adapter.as_ref()).await.unwrap();
    let first = good(rows).remove(0);
    let left: Vec<Quantity> = first.showtime.places.iter().map(|places| places.remaining).collect();
    assert_eq!(left, [Quantity::Unlimited, Quantity::Exactly(37)]);
}

#[tokio::test]
async fn what_should_have_been_told_and_was_not_withdraws_nothing() {
    let (simulator, adapter) = common::organiser(&[]).await;
    for (path, body) in [("/dates", r#"{"dates":[]}"#), ("/tickets", r#"{"events":[]}"#)] {
        simulator.faults().next(path, 1, Fault::Body(body.to_owned()));
        let (_, end) = common::pull(adapter.as_ref()).await.unwrap();
        assert_eq!(end.completeness, Completeness::Partial, "{path}");
    }
    let none = Account { events: Vec::new(), ..simulator.account() };
    simulator.set_account(none);
    simulator.log().clear();
    let (rows, end) = common::pull(adapter.as_ref()).await.unwrap();
    assert_eq!((rows.len(), end.completeness, end.warnings.len()), (0, Completeness::Partial, 3));
    assert_eq!(paths(&simulator), ["/events"], "an address that names no event would ask for all");
}

#[tokio::test]
async fn an_event_that_is_not_listed_any_more_leaves_the_others() {
    let (simulator, adapter) = common::organiser(&[]).await;
    let mut account = simulator.account();
    account.events.retain(|event| event["id"] != json!(340_902));
    simulator.set_account(account);
    let (rows, end) = common::pull(adapter.as_ref()).await.unwrap();
    let films: Vec<String> = good(rows).into_iter().map(|show| show.film.key.clone()).collect();
    assert_eq!(films, [EVENT, EVENT]);
    assert_eq!(end.completeness, Completeness::Snapshot);
    assert!(end.warnings.iter().any(|warning| warning.contains(SINGLE_EVENT)), "{:?}", end.warnings);
}
