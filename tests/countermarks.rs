//! Countermarks through the whole gateway: addresses, bearer tokens, JSON, and a log without a countermark.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod shop;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Child;

use passerelle::sandbox::{Bookable, Fault, FaultEffect};
use reqwest::Method;
use serde_json::{Value, json};
use shop::{API_KEY, Shop, VENUE, ean};

const OURS: &str = "api-token-of-the-shop";
const THEIRS: &str = "api-token-of-the-neighbour";

/// A running server that writes its loudest log into a file; killed when dropped.
struct Server {
    child: Child,
    base: String,
    client: reqwest::Client,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(shop: &Shop) -> Self {
        let log = File::create(shop.path("log.txt")).unwrap();
        let mut command = shop.command(&["--log", "trace", "--format", "json", "serve"]);
        let mut child = command.env("TEST_API", OURS).env("TEST_API_TWO", THEIRS).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a listening line: {line:?}"));
        let base = format!("http://{}", told["address"].as_str().unwrap());
        Self { child, base, client: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    async fn call(&self, method: Method, path: &str, bearer: Option<&str>) -> (u16, Value, bool) {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        let response = request.send().await.unwrap();
        let (status, waits) = (response.status().as_u16(), response.headers().contains_key("retry-after"));
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)), waits)
    }
}

fn two_shops() -> Shop {
    let shop = Shop::new(3);
    let connection = |id: &str, venue: i64, variable: &str| {
        format!(
            "[[connection]]\nid = \"{id}\"\nadapter = \"webhook\"\nvenue = {venue}\n[connection.settings]\nmode = \"pull\"\n\
             api_token = {{ env = \"{variable}\" }}\n"
        )
    };
    shop.configure(&(connection("till", VENUE, "TEST_API") + &connection("annex", VENUE + 1, "TEST_API_TWO")));
    shop
}

/// A book of the venue, booked: its countermark.
async fn booked(shop: &Shop, number: u64) -> String {
    let settings = passerelle::sandbox::Settings { upsert_delay_ms: 0, ..shop.sandbox.settings() };
    shop.sandbox.set_settings(settings);
    let body = json!({"location": {"type": "physical", "venueId": VENUE},
        "products": [{"ean": ean(number), "stock": {"price": 790, "quantity": 5}}]});
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let path = format!("{}/public/offers/v1/products/ean", shop.sandbox.base_url());
    assert_eq!(client.post(path).bearer_auth(API_KEY).json(&body).send().await.unwrap().status().as_u16(), 204);
    shop.sandbox.settled().await;
    let offer = shop.sandbox.offer_by_ean(u32::try_from(VENUE).unwrap(), &ean(number)).unwrap().offer_id;
    shop.sandbox.book("a@example.org", Bookable::Offer(offer), 1).unwrap().token
}

fn is_refusal(answer: &(u16, Value, bool), status: u16, code: &str) {
    assert_eq!((answer.0, answer.1["code"].as_str()), (status, Some(code)), "{answer:?}");
    for sentence in ["message", "message_fr"] {
        assert!(answer.1[sentence].as_str().is_some_and(|text| text.len() > 20), "{answer:?}");
    }
}

#[test]
fn a_bookseller_redeems_through_the_gateway_and_nobody_elses() {
    let shop = two_shops();
    let server = Server::start(&shop);
    let token = shop.block_on(booked(&shop, 0));
    let lower = token.to_lowercase();
    let address = |verb: &str| format!("/api/v1/tokens/{lower}{verb}");
    shop.block_on(async {
        // Who does not speak for a venue learns nothing, not even whether it is well formed.
        for bearer in [None, Some("wrong"), Some("operator-token")] {
            is_refusal(&server.call(Method::GET, &address(""), bearer).await, 401, "Unauthorized");
            is_refusal(&server.call(Method::POST, "/api/v1/tokens/nonsense/use", bearer).await, 401, "Unauthorized");
        }
        for malformed in ["ABC", "ABI234", "%FF%FE", "PASSCULTURE:v2;TOKEN:ABC234"] {
            let answer = server.call(Method::GET, &format!("/api/v1/tokens/{malformed}"), Some(OURS)).await;
            is_refusal(&answer, 400, "NotACountermark");
        }
        assert!(shop.sandbox.requests().iter().all(|request| !request.path.starts_with("/public/bookings")));

        let scanned = format!("/api/v1/tokens/PASSCULTURE:v3;TOKEN:{token}");
        let (status, told, _) = server.call(Method::GET, &scanned, Some(OURS)).await;
        assert_eq!(status, 200, "{told}");
        assert!(told["booked_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{told}");
        assert_eq!(
            told,
            json!({"token": token, "state": "valid", "already": false, "stock_id": ean(0), "offer_name": "Titre 0",
                "quantity": 1, "unit_price_cents": 790, "booked_at": told["booked_at"]})
        );

        let unknown = server.call(Method::GET, "/api/v1/tokens/AAAAAA", Some(THEIRS)).await;
        is_refusal(&unknown, 404, "CountermarkNotFound");
        for (method, verb) in
            [(Method::GET, ""), (Method::POST, "/use"), (Method::POST, "/keep"), (Method::POST, "/cancel")]
        {
            assert_eq!(server.call(method, &address(verb), Some(THEIRS)).await, unknown, "{verb}");
        }

        for (verb, state, already) in [
            ("/use", "used", false),
            ("/use", "used", true),
            ("/keep", "valid", false),
            ("/keep", "valid", true),
            ("/cancel", "cancelled", false),
            ("/cancel", "cancelled", true),
        ] {
            let (status, told, _) = server.call(Method::POST, &address(verb), Some(OURS)).await;
            assert_eq!(
                (status, &told["state"], &told["already"]),
                (200, &json!(state), &json!(already)),
                "{verb}: {told}"
            );
            assert_eq!(told["token"], json!(token));
        }
        is_refusal(&server.call(Method::POST, &address("/use"), Some(OURS)).await, 410, "AlreadyCancelled");
        assert_eq!(server.call(Method::GET, &address("/use"), Some(OURS)).await.0, 405);
    });
    let log = std::fs::read_to_string(shop.path("log.txt")).unwrap().to_uppercase();
    assert!(log.len() > 1_000 && !log.contains(&token), "a countermark was logged");
    assert!(!log.contains(&OURS.to_uppercase()), "a bearer token was logged");
    let (_, metrics, _) = shop.block_on(server.call(Method::GET, "/metrics", None));
    let metrics = metrics.as_str().unwrap();
    assert!(metrics.contains("passerelle_countermarks_total") && !metrics.to_uppercase().contains(&token));
}

#[test]
fn a_lost_answer_is_told_as_such_and_its_repeat_succeeds() {
    let shop = two_shops();
    let server = Server::start(&shop);
    let token = shop.block_on(booked(&shop, 1));
    let path = "/public/bookings/v1/use/token/";
    assert!(shop.sandbox.inject(Fault::next(1, path, FaultEffect::CutAfterEffect)));
    assert!(shop.sandbox.inject(Fault::next(1, path, FaultEffect::Cut)));
    shop.block_on(async {
        let address = format!("/api/v1/tokens/{token}/use");
        let lost = server.call(Method::POST, &address, Some(OURS)).await;
        is_refusal(&lost, 503, "PassCultureUnavailable");
        assert!(lost.2, "it says when to repeat");
        let (status, told, _) = server.call(Method::POST, &address, Some(OURS)).await;
        assert_eq!((status, &told["state"], &told["already"]), (200, &json!("used"), &json!(true)), "{told}");
    });
    let log = std::fs::read_to_string(shop.path("log.txt")).unwrap().to_uppercase();
    assert!(
        log.contains("USE A COUNTERMARK") && !log.contains(&token),
        "the failure is logged, the countermark is not"
    );
}

#[test]
fn software_that_loops_keeps_nobody_else_from_the_counter() {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::time::{Duration, Instant};
    let shop = two_shops();
    let text = std::fs::read_to_string(shop.path("passerelle.toml")).unwrap();
    std::fs::write(
        shop.path("passerelle.toml"),
        text.replace("requests_per_minute = 60000", "requests_per_minute = 180"),
    )
    .unwrap();
    let token = shop.block_on(booked(&shop, 0));
    let server = Server::start(&shop);
    let (looping, refused) = (AtomicBool::new(true), AtomicU32::new(0));
    let neighbour = |server: &Server| {
        let (client, base) = (server.client.clone(), server.base.clone());
        let path = format!("{base}/api/v1/tokens/{token}");
        async move {
            let began = Instant::now();
            let status = client.get(path).bearer_auth(OURS).send().await.unwrap().status().as_u16();
            (status, began.elapsed())
        }
    };
    shop.block_on(async {
        let flood = async {
            let call = async || {
                while looping.load(Ordering::Relaxed) {
                    let answer = server.call(Method::POST, "/api/v1/tokens/AAAAAA/use", Some(THEIRS)).await;
                    if answer.0 == 429 {
                        assert!(answer.2, "it says when to come back");
                        is_refusal(&answer, 429, "TooManyRequests");
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
            };
            tokio::join!(call(), call(), call(), call(), call(), call());
        };
        let other = async {
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_secs(2)).await;
                let (status, took) = neighbour(&server).await;
                assert_eq!(status, 200, "beside a loop, after {took:?}");
            }
            looping.store(false, Ordering::Relaxed);
        };
        tokio::join!(flood, other);
    });
    assert!(refused.load(Ordering::Relaxed) > 100, "{refused:?} refused");
    // Neither the loop's end nor a restart leaves a debt.
    assert_eq!(shop.block_on(neighbour(&server)).0, 200);
    drop(server);
    let server = Server::start(&shop);
    let (status, took) = shop.block_on(neighbour(&server));
    assert!(status == 200 && took < Duration::from_secs(3), "{status} after {took:?}");
}
