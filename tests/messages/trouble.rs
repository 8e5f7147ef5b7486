//! Receivers that fail, hang, redirect, want nothing more, or come back.

use std::time::{Duration, Instant};

use serde_json::json;

use super::SQLITE;
use super::receiver::{Does, Receiver};
use super::stage::{SECRET, Stage, VENUE, told_at, until};

const QUICK: &str = "retry_schedule = [\"100ms\", \"100ms\", \"100ms\"]";

fn states(stage: &Stage) -> Vec<String> {
    let listed = stage.run(&["messages", "list"]);
    listed.lines.iter().map(|line| line["state"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_delays_are_four_attempts_and_a_replay_has_the_same_id() {
    let stage = Stage::new(1).await;
    let software = Receiver::start(SECRET).await;
    stage.configure(SQLITE, &told_at("software", VENUE, &software.url(), QUICK));
    let offer = stage.sell(VENUE, 0).await;
    let server = stage.serve().await;
    software.always(Does::Answers(500));
    stage.book(0, offer);
    until("four attempts", || software.calls().len() == 4).await;
    until("that it is given up", || states(&stage) == ["dead"]).await;
    let calls = software.calls();
    assert!(calls.iter().all(|call| call.verified && call.id == calls[0].id && call.body == calls[0].body));

    // A range that ends before it begins, an unknown state, and somebody else's word are refused.
    let replay = "/admin/endpoints/software/replay";
    let range = json!({"from": "2031-01-02T00:00:00Z", "to": "2031-01-01T00:00:00Z"});
    assert_eq!(stage.admin(&server, replay, range).await.1["code"], "EmptyRange");
    assert_eq!(stage.admin(&server, replay, json!({"states": ["lost"]})).await.1["code"], "BadState");
    assert_eq!(stage.admin(&server, "/admin/endpoints/nobody/replay", json!({})).await.0, 404);
    let stranger = stage.client.post(format!("{}{replay}", server.base)).bearer_auth("wrong").send().await.unwrap();
    assert_eq!(stranger.status().as_u16(), 401);

    software.always(Does::Takes);
    let (status, told) = stage.admin(&server, replay, json!({"states": ["dead"], "dry_run": true})).await;
    assert_eq!((status, &told["matched"], &told["replayed"]), (200, &json!(1), &json!(0)), "{told}");
    let (_, told) = stage.admin(&server, replay, json!({"states": ["dead", "delivered"]})).await;
    assert_eq!(told["messages"], json!([calls[0].id]), "{told}");
    until("the replay", || software.calls().len() == 5).await;
    let again = software.calls().remove(4);
    assert!(again.replay && again.verified && again.id == calls[0].id && again.body == calls[0].body);
    until("that it is delivered", || states(&stage) == ["delivered"]).await;
    let (_, told) = stage.admin(&server, &format!("/admin/messages/{}/replay", again.id), json!({})).await;
    assert_eq!(told["replayed"], 1, "{told}");
    until("the other replay", || software.calls().len() == 6).await;
    let shown = stage.run(&["messages", "show", &again.id]);
    assert_eq!(shown.lines.iter().filter(|line| line["event"] == "attempt").count(), 6, "{shown:#?}");
    assert!(!stage.log().contains(SECRET) && !stage.log().contains(SECRET.trim_start_matches("whsec_")));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_nothing_more_is_left_alone_until_told_otherwise() {
    let stage = Stage::new(1).await;
    let software = Receiver::start(SECRET).await;
    stage.configure(SQLITE, &told_at("software", VENUE, &software.url(), QUICK));
    let (first, second) = (stage.sell(VENUE, 0).await, stage.sell(VENUE, 1).await);
    let _server = stage.serve().await;
    software.next(&[Does::Answers(410)]);
    stage.book(0, first);
    let state = || stage.run(&["messages"]).lines[0]["state"].clone();
    until("that it is gone", || state() == "gone").await;
    stage.book(0, second);
    until("that both wait", || states(&stage) == ["pending", "pending"]).await;
    assert_eq!(software.calls().len(), 1, "nothing more was sent");
    let checked = stage.run(&["check", "software"]);
    assert_eq!(checked.code, 2, "{checked:#?}");
    assert_eq!(stage.run(&["messages", "resume", "software"]).code, 0);
    until("both", || software.calls().len() == 3).await;
    until("that both are delivered", || states(&stage) == ["delivered", "delivered"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bookings_messages_arrive_in_their_order_whatever_fails() {
    let stage = Stage::new(1).await;
    let software = Receiver::start(SECRET).await;
    stage.configure(SQLITE, &told_at("software", VENUE, &software.url(), "retry_schedule = [\"300ms\", \"300ms\"]"));
    let offer = stage.sell(VENUE, 0).await;
    let _server = stage.serve().await;
    software.next(&[Does::Answers(503), Does::Redirects, Does::Babbles]);
    let booking = stage.book(0, offer);
    until("an attempt", || !software.calls().is_empty()).await;
    assert!(stage.sandbox.cancel(booking.id));
    until("four calls", || software.calls().len() == 4).await;
    let kinds = software.kinds();
    assert_eq!(kinds, ["booking.created", "booking.created", "booking.created", "booking.cancelled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_costs_the_others_nothing() {
    let stage = Stage::new(2).await;
    let (slow, quick) = (Receiver::start(SECRET).await, Receiver::start(SECRET).await);
    let connections = told_at("slow", VENUE, &slow.url(), "") + &told_at("quick", VENUE + 1, &quick.url(), "");
    stage.configure(SQLITE, &connections.replacen("TEST_API", "TEST_SECRET", 1));
    let mut offers = Vec::new();
    for number in 0..10 {
        offers.push((stage.sell(VENUE, number).await, stage.sell(VENUE + 1, number).await));
    }
    let _server = stage.serve().await;
    slow.always(Does::Hangs);
    let began = Instant::now();
    for (hanging, working) in offers {
        stage.book(0, hanging);
        stage.book(0, working);
    }
    until("the quick one's", || quick.calls().len() == 10).await;
    assert!(began.elapsed() < Duration::from_secs(10), "it waited for the other: {:?}", began.elapsed());
    assert!(slow.calls().len() <= 4, "at most four at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_loses_no_message() {
    let stage = Stage::new(1).await;
    let software = Receiver::start(SECRET).await;
    stage.configure(SQLITE, &told_at("software", VENUE, &software.url(), QUICK));
    let offer = stage.sell(VENUE, 0).await;
    let server = stage.serve().await;
    software.always(Does::Hangs);
    stage.book(0, offer);
    until("an attempt", || !software.calls().is_empty()).await;
    drop(server);
    software.always(Does::Takes);
    let _server = stage.serve().await;
    // The claim of a dead process is ended at once.
    until("the message", || states(&stage) == ["delivered"]).await;
    let calls = software.calls();
    assert!(calls.len() >= 2 && calls.iter().all(|call| call.id == calls[0].id));
    assert!(calls[1].at > calls[0].at && calls[1].timestamp >= calls[0].timestamp);
}
