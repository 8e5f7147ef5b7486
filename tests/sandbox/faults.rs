//! Faults, the rate limit, and the controls.

use std::time::Duration;

use passerelle::sandbox::{Fault, FaultBody, FaultEffect, RateLimit, Sandbox, Seed, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::*;

const PROVIDER: &str = "/public/providers/v1/provider";

#[tokio::test]
async fn a_counted_fault_hits_the_next_matching_calls_only() {
    let sandbox = start().await;
    let effect = FaultEffect::Status { status: 503, retry_after: Some(7), body: FaultBody::Html };
    assert!(sandbox.inject(Fault::next(2, PROVIDER, effect)));
    assert_eq!(get(&sandbox, "/public/offers/v1/products").await.0, 200);
    for _ in 0..2 {
        let response = http().get(sandbox.base_url() + PROVIDER).bearer_auth(KEY).send().await.unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "7");
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(response.text().await.unwrap().starts_with("<html>"));
    }
    assert_eq!(get(&sandbox, PROVIDER).await.0, 200);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_shared_fault_hits_its_share() {
    let sandbox = start().await;
    let fault = Fault {
        method: Some("get".into()),
        path: None,
        count: None,
        share: Some(0.5),
        effect: FaultEffect::ServerError,
    };
    assert!(sandbox.inject(fault));
    let mut failed = 0;
    for _ in 0..100 {
        let (status, body) = get(&sandbox, PROVIDER).await;
        if status == 500 {
            failed += 1;
            assert_eq!(
                body["global"][0],
                "Il semble que nous ayons des problèmes techniques :( On répare ça au plus vite."
            );
        }
    }
    assert!((25..=75).contains(&failed), "{failed} of 100");
    sandbox.clear_faults();
    assert_eq!(get(&sandbox, PROVIDER).await.0, 200);
    sandbox.stop().await;
}

async fn try_upsert(sandbox: &Sandbox) -> Result<u16, reqwest::Error> {
    let body = json!({"location": {"type": "physical", "venueId": 535},
                      "products": [{"ean": BOOK, "stock": {"price": 1, "quantity": 1}}]});
    let request = http().post(sandbox.base_url() + EAN_PATH).bearer_auth(KEY).json(&body);
    request.timeout(Duration::from_millis(400)).send().await.map(|r| r.status().as_u16())
}

#[tokio::test]
async fn a_lost_answer_may_or_may_not_have_had_its_effect() {
    let sandbox = start().await;
    let cases = [
        (FaultEffect::Hang, false, true),
        (FaultEffect::Cut, false, false),
        (FaultEffect::TimeoutAfterEffect, true, true),
        (FaultEffect::CutAfterEffect, true, false),
    ];
    for (effect, has_effect, times_out) in cases {
        assert!(sandbox.inject(Fault::next(1, EAN_PATH, effect.clone())));
        let error = try_upsert(&sandbox).await.unwrap_err();
        assert_eq!(error.is_timeout(), times_out, "{effect:?}: {error:?}");
        assert_eq!(sandbox.offers().len(), usize::from(has_effect), "{effect:?}");
        assert_eq!(sandbox.requests().last().map(|r| r.status), Some(0), "{effect:?}");
        sandbox.reset();
        sandbox.set_settings(Settings { upsert_delay_ms: 0, ..Settings::default() });
    }
    assert_eq!(try_upsert(&sandbox).await.unwrap(), 204);
    sandbox.stop().await;
}

#[tokio::test]
async fn too_many_calls_of_a_key_are_429_and_other_keys_are_not() {
    let sandbox = start().await;
    let limit = |retry_after, html| Settings {
        rate_limit: Some(RateLimit { per_minute: 3, retry_after, html }),
        ..Settings::default()
    };
    sandbox.set_settings(limit(true, false));
    for _ in 0..3 {
        assert_eq!(get(&sandbox, PROVIDER).await.0, 200);
    }
    let response = http().get(sandbox.base_url() + PROVIDER).bearer_auth(KEY).send().await.unwrap();
    assert_eq!(response.status(), 429);
    let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let body: Value = response.json().await.unwrap();
    assert_eq!(
        body,
        json!({
            "global": ["Nombre de tentatives de connexion dépassé, veuillez réessayer dans une minute"]
        })
    );
    assert_eq!(call_as(&sandbox, OTHER_KEY, Method::GET, PROVIDER, None).await.0, 200);
    sandbox.set_settings(limit(false, true));
    let response = http().get(sandbox.base_url() + PROVIDER).bearer_auth(KEY).send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert!(response.headers().get("retry-after").is_none());
    assert!(response.text().await.unwrap().starts_with("<html>"));
    sandbox.stop().await;
}

#[tokio::test]
async fn the_log_counts_requests_and_items_per_route() {
    let sandbox = start().await;
    upsert(
        &sandbox,
        535,
        json!([{"ean": BOOK, "stock": {"price": 1, "quantity": 1}},
                                 {"ean": VINYL, "stock": {"price": 1, "quantity": 1}}]),
    )
    .await;
    get(&sandbox, &format!("{EAN_PATH}?eans={BOOK},{VINYL},{NOVEL}&venueId=535")).await;
    get(&sandbox, "/nowhere").await;
    let (status, log) = read(http().get(sandbox.base_url() + "/_sandbox/log")).await;
    assert_eq!(status, 200);
    assert_eq!(log["total"], 3);
    assert_eq!(
        log["routes"],
        json!({
            "GET /public/offers/v1/products/ean": {"requests": 1, "items": 3},
            "POST /public/offers/v1/products/ean": {"requests": 1, "items": 2},
            "GET unknown path": {"requests": 1, "items": 0},
        })
    );
    assert_eq!(
        log["requests"][0],
        json!({
            "number": 1, "method": "POST", "path": EAN_PATH, "query": "", "status": 204, "items": 2,
        })
    );
    assert!(!log.to_string().contains(KEY), "no key in the log");
    sandbox.forget_requests();
    assert_eq!(sandbox.requests(), []);
    sandbox.stop().await;
}

#[tokio::test]
async fn every_control_works_without_a_key_and_says_what_is_wrong() {
    let sandbox = start().await;
    let url = |path: &str| format!("{}/_sandbox/{path}", sandbox.base_url());
    let help = http().get(url("")).send().await.unwrap().text().await.unwrap();
    assert!(help.contains("/_sandbox/faults"), "{help}");
    let post = async |path: &str, body: Value| read(http().post(url(path)).json(&body)).await;
    let (status, settings) = post("settings", json!({"upsert_delay_ms": 5, "rate_limit": {"per_minute": 1000}})).await;
    assert_eq!(status, 200, "{settings}");
    assert_eq!(sandbox.settings().upsert_delay_ms, 5);
    assert!(sandbox.settings().rate_limit.is_some());
    assert_eq!(post("settings", json!({"rate_limit": null, "any_ean": true})).await.0, 200);
    assert_eq!((sandbox.settings().rate_limit, sandbox.settings().any_ean), (None, true));
    for (path, body) in [
        ("settings", json!({"speed": 1})),
        ("faults", json!({"effect": "explode"})),
        ("faults", json!({"effect": "hang", "share": 2.0})),
        ("faults", json!({"effect": "status", "status": 42})),
        ("drops", json!({"eans": ["12"]})),
        ("products", json!({"products": [{"ean": "12"}]})),
        ("bookings", json!({"quantity": 1})),
        ("venues/1/unlink", json!({})),
    ] {
        let (status, answer) = post(path, body.clone()).await;
        assert_eq!(status, 400, "{path} {body}");
        assert!(answer["error"].is_string(), "{path} {body}: {answer}");
    }
    assert_eq!(post("faults", json!({"path": PROVIDER, "count": 1, "effect": "status", "status": 418})).await.0, 204);
    assert_eq!(get(&sandbox, PROVIDER).await.0, 418);
    assert_eq!(post("venues/535/unlink", json!({"account": "alpha"})).await.0, 204);
    assert_eq!(get(&sandbox, "/public/offers/v1/venues/85331845900049").await.0, 404);
    assert_eq!(call_as(&sandbox, OTHER_KEY, Method::GET, "/public/offers/v1/venues/85331845900049", None).await.0, 200);
    assert_eq!(post("venues/535/link", json!({})).await.0, 204);
    assert_eq!(post("products", json!({"products": [{"ean": UNKNOWN, "name": "Nouveau"}]})).await.0, 200);
    upsert(&sandbox, 535, json!([{"ean": UNKNOWN, "stock": {"price": 300, "quantity": 2}}])).await;
    sandbox.settled().await;
    let (_, truth) = read(http().get(url("offers?venueId=535"))).await;
    assert_eq!(truth["offers"][0]["price_cents"], 300);
    assert_eq!(truth["offers"][0]["remaining"], 2);
    assert_eq!(post("reset", json!({})).await.0, 204);
    assert_eq!(sandbox.offers(), []);
    assert_eq!(read(http().get(url("nothing"))).await.0, 404);
    sandbox.stop().await;
}

#[tokio::test]
async fn stopping_ends_hanging_calls_and_frees_the_port() {
    let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), Seed::built_in()).await.unwrap();
    let address = sandbox.address();
    assert!(sandbox.inject(Fault::next(1, "/", FaultEffect::Hang)));
    let hanging = tokio::spawn(http().get(sandbox.base_url() + PROVIDER).send());
    while sandbox.requests().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sandbox.stop().await;
    assert!(hanging.await.unwrap().is_err());
    let again = Sandbox::start(address, Seed::built_in()).await.unwrap();
    again.run_until(async {}).await;
}
