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
            let answers = &methods[method]["responses"];
            let method = method.to_uppercase().parse().unwrap();
            let (status, body) = shop.block_on(server.send(method, &path, None, None));
            assert_ne!(status, 405, "{path}");
            assert!(
                answers.get(status.to_string()).is_some(),
                "{path} answers {status}, which is not described: {answers}"
            );
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

#[test]
fn sixty_shops_start_in_time_beside_twelve_vendors_that_hang() {
    use std::fmt::Write as _;
    const SHOPS: i64 = 60;
    const HANGING: i64 = 12;
    let shop = Shop::with_venues(60, "sqlite:passerelle.db", SHOPS + HANGING);
    // Vendors that accept and never answer.
    let vendors: Vec<std::net::TcpListener> =
        (0..HANGING).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let mut connections = String::new();
    for number in 0..SHOPS {
        std::fs::write(
            shop.path(&format!("{number}.csv")),
            format!("EAN13;PV TTC;Stock\n{};10,00;1\n", ean(number as u64)),
        )
        .unwrap();
        write!(
            connections,
            "[[connection]]\nid = \"shop-{number}\"\nadapter = \"csv\"\nvenue = {}\nevery = \"1m\"\n[connection.settings]\n\
             path = \"{number}.csv\"\n[connection.settings.columns]\nean = \"EAN13\"\nprice = {{ name = \"PV TTC\", unit = \"euro\" }}\n\
             quantity = \"Stock\"\n[connection.settings.file]\nsettle_seconds = 0\n",
            1_000 + number
        )
        .unwrap();
    }
    for (number, vendor) in vendors.iter().enumerate() {
        write!(
            connections,
            "[[connection]]\nid = \"hangs-{number}\"\nadapter = \"stock-api\"\nvenue = {}\nevery = \"10m\"\n[connection.settings]\n\
             api_url = \"http://{}/stocks\"\nsiret = \"85331845900049\"\nprice_unit = \"euro\"\n",
            1_000 + SHOPS + number as i64,
            vendor.local_addr().unwrap()
        )
        .unwrap();
    }
    shop.configure(&connections);
    assert_eq!(shop.run(&["apply"]).code, 0);
    let store =
        shop.block_on(passerelle::store::open(&format!("sqlite:{}", shop.path("passerelle.db").display()))).unwrap();
    // The vendors first, so that they take what places they can; the shops one after another over six seconds.
    let began = passerelle::clock::now();
    let due_of = |number: i64| began + 2_000 + number * 100;
    shop.block_on(async {
        for number in 0..SHOPS {
            let id = format!("shop-{number}");
            let owner = passerelle::store::Owner::current("test");
            let ttl = passerelle::store::LEASE;
            let answer = store.acquire_lease(&id, &owner, began, ttl, &|_| false).await.unwrap();
            let passerelle::store::LeaseAnswer::Granted(lease) = answer else { panic!("{answer:?}") };
            let state = passerelle::store::ConnectionState { due_at: due_of(number), ..Default::default() };
            store.save_state(&lease, &state).await.unwrap();
            store.release_lease(&lease).await.unwrap();
        }
    });
    let _server = Server::start(&shop);
    until("a pass of every shop", || shop.online().len() == 60);
    for number in 0..SHOPS {
        let mut passes = Vec::new();
        until("the record of a pass", || {
            passes = shop.block_on(store.passes(&format!("shop-{number}"), 9)).unwrap();
            !passes.is_empty()
        });
        let first = passes.last().unwrap();
        let late = first.started_at - due_of(number).max(began);
        assert!(first.outcome == "done" && (0..5_000).contains(&late), "shop-{number} began {late} ms late: {first:?}");
    }
    // They are still at it: nobody gave up on them meanwhile.
    let waiting =
        (0..HANGING).filter(|number| shop.block_on(store.passes(&format!("hangs-{number}"), 9)).unwrap().is_empty());
    assert_eq!(waiting.count(), usize::try_from(HANGING).unwrap());
}

#[test]
fn an_editors_shops_are_read_as_many_at_once_as_its_adapter_allows() {
    use std::fmt::Write as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    const SHOPS: i64 = 24;
    let shop = Shop::with_venues(24, "sqlite:passerelle.db", SHOPS);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let address = shop.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (now, most) = (Arc::clone(&now), Arc::clone(&most));
                tokio::spawn(async move {
                    let mut request = vec![0; 4_096];
                    let read = stream.read(&mut request).await.unwrap_or(0);
                    let request = String::from_utf8_lossy(&request[..read]).into_owned();
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(150)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    let number: u64 =
                        request.split("/stocks/shop").nth(1).and_then(|rest| rest.split(['?', ' ']).next()?.parse().ok()).unwrap();
                    let stocks = if request.contains("after=") {
                        "[]".to_owned()
                    } else {
                        format!("[{{\"ref\":\"{}\",\"available\":1,\"price\":10}}]", ean(number))
                    };
                    let body = format!("{{\"stocks\":{stocks}}}");
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    );
                    let _ = stream.write_all((head + &body).as_bytes()).await;
                });
            }
        });
        address
    });
    let mut connections = String::new();
    for number in 0..SHOPS {
        write!(
            connections,
            "[[connection]]\nid = \"shop-{number}\"\nadapter = \"stock-api\"\nvenue = {}\nevery = \"10m\"\n[connection.settings]\n\
             api_url = \"http://{address}/stocks\"\nsiret = \"shop{number}\"\nprice_unit = \"euro\"\n",
            1_000 + number
        )
        .unwrap();
    }
    shop.configure(&connections);
    let _server = Server::start(&shop);
    until("a pass of every shop", || shop.online().len() == 24);
    assert_eq!(most.load(Ordering::SeqCst), 4, "one by one takes hours, all at once is rude");
}
