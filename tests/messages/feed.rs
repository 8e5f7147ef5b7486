//! Software that fetches its messages.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::SQLITE;
use super::shop::ean;
use super::stage::{Stage, VENUE, answer, software, until};

fn cursors(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|item| item["cursor"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_fetched_in_order_and_acknowledged_once_for_all() {
    let stage = Stage::new(1).await;
    stage.configure(SQLITE, &software("till", VENUE, "mode = \"pull\""));
    let mut offers = Vec::new();
    for number in 0..3 {
        offers.push(stage.sell(VENUE, number).await);
    }
    let server = stage.serve().await;
    let feed = |query: &'static str| stage.vendor(&server, query, None);
    let (status, empty) = feed("/events-feed").await;
    assert_eq!((status, &empty["items"], &empty["has_more"]), (200, &json!([]), &json!(false)), "{empty}");

    // A request that waits is answered as soon as there is something.
    let began = Instant::now();
    let waiting = tokio::spawn({
        let request = stage.client.get(format!("{}/vendor/v1/events-feed?wait=20", server.base));
        answer(request.bearer_auth(super::stage::API_TOKEN))
    });
    until("the server to have it", || began.elapsed() > Duration::from_millis(300)).await;
    let booking = stage.book(0, offers[0]);
    let (_, first) = waiting.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "it was told late");
    let item = &first["items"][0];
    assert_eq!((&item["type"], &item["sequence"]), (&json!("booking.created"), &json!(1)), "{first}");
    assert_eq!(item["data"]["stock_id"], ean(0));
    assert!(item["id"].as_str().unwrap().starts_with("msg_") && item["id"].as_str().unwrap().len() == 30);
    assert!(item["timestamp"].as_str().unwrap().ends_with('Z'));

    stage.book(0, offers[1]);
    let stored = || stage.run(&["messages", "list"]).lines.len();
    until("the second", || stored() == 2).await;
    assert!(stage.sandbox.cancel(booking.id));
    until("three", || stored() == 3).await;
    let (_, two) = feed("/events-feed?limit=2").await;
    assert_eq!((cursors(&two).len(), &two["has_more"]), (2, &json!(true)), "{two}");
    let next = two["next"].as_str().unwrap().to_owned();
    let (_, rest) = stage.vendor(&server, &format!("/events-feed?after={next}"), None).await;
    assert_eq!((cursors(&rest).len(), &rest["has_more"]), (1, &json!(false)));
    assert_eq!(rest["items"][0]["type"], "booking.cancelled");

    let ack = |cursor: &str| stage.vendor(&server, "/events-feed/ack", Some(json!({ "cursor": cursor })));
    assert_eq!(ack(&next).await, (200, json!({ "cursor": next })));
    let back = cursors(&two)[0].clone();
    assert_eq!(ack(&back).await, (200, json!({ "cursor": next })), "never back");
    assert_eq!(feed("/events-feed").await.1, rest, "it begins where it acknowledged");
    for odd in ["abc", "9999999999999999", ""] {
        assert_eq!(ack(odd).await.0, 400, "{odd}");
    }
    assert_eq!(feed("/events-feed?after=-1").await.0, 400);
    let stranger = stage.client.get(format!("{}/vendor/v1/events-feed", server.base)).send().await.unwrap();
    assert_eq!(stranger.status().as_u16(), 401);
    let states: Vec<Value> = stage.run(&["messages", "list"]).lines.iter().map(|line| line["state"].clone()).collect();
    assert_eq!(states, [json!("pending"), json!("delivered"), json!("delivered")]);
    let (status, told) = stage.admin(&server, "/admin/endpoints/till/replay", json!({})).await;
    assert_eq!((status, &told["code"]), (409, &json!("NothingIsSent")));
}
