//! `passerelle serve`: listening, liveness, the admin API, and booksellers' software that posts its stock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shop::{Shop, VENUE, ean};

/// A running server; killed when dropped.
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
        let mut child = shop.command(&["--format", "json", "serve"]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a listening line: {line:?}"));
        assert_eq!(told["event"], "listening");
        let base = format!("http://{}", told["address"].as_str().unwrap());
        Self { child, base, client: reqwest::Client::new() }
    }

    async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        token: Option<&str>,
        body: Option<String>,
    ) -> (u16, String) {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn get(&self, path: &str, token: Option<&str>) -> (u16, String) {
        self.send(reqwest::Method::GET, path, token, None).await
    }

    async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> (u16, String) {
        self.send(reqwest::Method::POST, path, token, Some(body.to_string())).await
    }
}

/// Waits until something holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what} did not come about");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn push_shop(known: u64) -> Shop {
    let shop = Shop::new(known);
    shop.configure(&format!(
        "[[connection]]\nid = \"push\"\nadapter = \"stock-push\"\nvenue = {VENUE}\n[connection.settings]\ntoken = {{ env = \"TEST_PUSH\" }}\n"
    ));
    shop
}

fn stocks(rows: &[(u64, u32, &str)]) -> Value {
    json!({ "stocks": rows.iter().map(|(number, copies, price)| json!({"ref": ean(*number), "available": copies, "price": price})).collect::<Vec<_>>() })
}

#[test]
fn liveness_needs_no_token_and_the_admin_api_does() {
    let shop = Shop::new(1);
    shop.write_rows([(0, 1_000, 1)]);
    let server = Server::start(&shop);
    shop.block_on(async {
        assert_eq!(server.get("/livez", None).await.0, 200);
        assert_eq!(server.get("/readyz", None).await.0, 200);
        assert_eq!(server.get("/nothing", None).await.0, 404);
        for path in ["/api/v1/health", "/api/v1/connections", "/api/v1/connections/shop"] {
            assert_eq!(server.get(path, None).await.0, 401, "{path}");
            assert_eq!(server.get(path, Some("wrong")).await.0, 401, "{path}");
            assert_eq!(server.get(path, Some("operator-token")).await.0, 200, "{path}");
        }
        let (status, metrics) = server.get("/metrics", None).await;
        assert_eq!(status, 200);
        assert!(metrics.contains("passerelle_connections"), "{metrics}");
    });
}

#[test]
fn the_schedule_syncs_by_itself() {
    let shop = Shop::new(3);
    shop.write_rows((0..3).map(|number| (number, 1_000, 1)));
    let _server = Server::start(&shop);
    until("the first sync", || shop.online().len() == 3);
}

#[test]
fn a_file_that_is_being_written_is_read_when_it_has_settled_and_not_an_interval_later() {
    let shop = Shop::new(1);
    let settings = shop::csv_connection("").replace("settle_seconds = 0", "settle_seconds = 3");
    shop.configure(&settings.replacen("[connection.settings]", "every = \"24h\"\n[connection.settings]", 1));
    shop.write_rows([(0, 1_000, 1)]);
    let _server = Server::start(&shop);
    until("the first sync", || shop.online().len() == 1);
}

#[test]
fn posted_stocks_are_stored_then_applied() {
    let shop = push_shop(5);
    let server = Server::start(&shop);
    let token = Some("push-token");
    shop.block_on(async {
        assert_eq!(
            server.post("/api/v1/stocks/push", token, &stocks(&[(0, 2, "12.90"), (1, 1, "7.5")])).await,
            (204, String::new())
        );
        assert_eq!(server.post(&format!("/v2/venue/{VENUE}/stocks"), token, &stocks(&[(2, 4, "9")])).await.0, 204);
    });
    until("the posted stock", || shop.online().len() == 3);
    assert_eq!(shop.online()[&ean(0)], (1_290, Some(2)));
    shop.block_on(async {
        // A delta leaves the others alone; an explicit zero is a fact.
        assert_eq!(server.post("/api/v1/stocks/push", token, &stocks(&[(1, 0, "7.5")])).await.0, 204);
    });
    until("the zero", || shop.online()[&ean(1)].1 == Some(0));
    assert_eq!(shop.online()[&ean(2)].1, Some(4));
}

#[test]
fn a_posted_body_that_is_wrong_is_refused_whole() {
    let shop = push_shop(5);
    let server = Server::start(&shop);
    let token = Some("push-token");
    shop.block_on(async {
        let good = stocks(&[(0, 1, "5")]);
        assert_eq!(server.post("/api/v1/stocks/push", None, &good).await.0, 401);
        assert_eq!(server.post("/api/v1/stocks/push", Some("wrong"), &good).await.0, 401);
        assert_eq!(server.post("/api/v1/stocks/99", token, &good).await.0, 404);
        let (status, body) = server
            .post(
                "/api/v1/stocks/push",
                token,
                &json!({"stocks": [{"ref": ean(0), "available": 1, "price": 5}, {"available": -1, "price": 0}]}),
            )
            .await;
        assert_eq!(status, 400);
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["stocks.1.ref"], json!(["Ce champ est obligatoire"]));
        // The body is looked at before the venue.
        assert_eq!(server.post("/api/v1/stocks/99", token, &json!({})).await.0, 400);
        let huge = "x".repeat(6 * 1024 * 1024);
        assert_eq!(server.send(reqwest::Method::POST, "/api/v1/stocks/push", token, Some(huge)).await.0, 413);
    });
    assert!(shop.online().is_empty());
}

#[test]
fn a_put_replaces_everything_behind_the_guard() {
    let shop = push_shop(40);
    let server = Server::start(&shop);
    let token = Some("push-token");
    let all: Vec<(u64, u32, &str)> = (0..40).map(|number| (number, 1, "10")).collect();
    let put = |rows: Vec<(u64, u32, &'static str)>| {
        let body = stocks(&rows).to_string();
        shop.block_on(server.send(reqwest::Method::PUT, "/api/v1/stocks/push", token, Some(body))).0
    };
    assert_eq!(put(all.clone()), 204);
    until("the first list", || shop.online().len() == 40);
    assert_eq!(put(all[..10].to_vec()), 204);
    until("the hold", || {
        let (_, told) = shop.block_on(server.get("/api/v1/connections/push", Some("operator-token")));
        serde_json::from_str::<Value>(&told).unwrap()["state"] == "held"
    });
    assert!(shop.online().values().all(|(_, copies)| *copies == Some(1)));
}

#[test]
fn the_description_names_every_route() {
    let shop = Shop::new(1);
    shop.configure("");
    let server = Server::start(&shop);
    let (_, text) = shop.block_on(server.get("/api/v1/openapi.json", None));
    let document: Value = serde_json::from_str(&text).unwrap();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.replace("{venue}", "1").replace("{id}", "none");
        for method in methods.as_object().unwrap().keys() {
            let method = method.to_uppercase().parse().unwrap();
            let (status, body) = shop.block_on(server.send(method, &path, None, None));
            assert_ne!(status, 405, "{path}");
            assert!(!(status == 404 && body.contains("nothing at this address")), "{path} is described and not served");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_service_manager_can_stop_it() {
    let shop = Shop::new(1);
    shop.write_rows([(0, 1_000, 1)]);
    let mut server = Server::start(&shop);
    until("the first sync", || shop.online().len() == 1);
    let killed = std::process::Command::new("kill").args(["-TERM", &server.child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let mut code = None;
    until("the stop", || {
        code = server.child.try_wait().unwrap();
        code.is_some()
    });
    assert_eq!(code.unwrap().code(), Some(0));
}
