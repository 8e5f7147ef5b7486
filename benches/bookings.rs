//! What a booking costs besides the vendor's own time: `cargo bench --bench bookings`.
//!
//! Signed messages come at a fixed rate over HTTP, whatever the server does (an open loop), for shows of one cinema. The vendor
//! takes 20 ms for a sale. Each server's answers are timed from the first byte sent to the last byte read, and the vendor's own
//! time of each is taken off. Beside the gateway, whose intents and outcomes are durable before the answer, runs the peer: a
//! plain server in Python that does the same steps and keeps nothing.
//!
//! `-- RATE SECONDS` (default 200 and 15). `PASSERELLE_BENCH_POSTGRES_URL` names a PostgreSQL to be measured too; its user must
//! be allowed to create a database.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::cast_precision_loss, missing_docs)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use passerelle::booking::{Desk, House};
use passerelle::config::{self, Config};
use passerelle::gateway::Gateway;
use passerelle::passculture::Client;
use passerelle::rules::screenings::{CategoryTerms, DateTerms, OrderKeys};
use passerelle::sandbox::message::{Form, sign_message};
use passerelle::store::events::{DateRow, EventRow};
use passerelle::store::{ConnectionRecord, LeaseAnswer, Owner};
use passerelle::web;
use passerelle_contract::{
    Adapter, AdapterError, BarcodeScope, BookOutcome, BoxFuture, BoxOffice, CancelOutcome, CancelUnit, Class, Context,
    Deadline, FindOutcome, Journal, Look, Order, Probe, Quantity, Sale, Semantics, Suspicion, Ticket,
};
use passerelle_kit::http::{self, Act, NotAnswered, Verb};
use serde_json::{Value, json};

const KEY: &str = "bench-hmac-key";
const OWN_TIME: Duration = Duration::from_millis(20);
const FIND_AFTER: &[Duration] = &[Duration::from_secs(30)];
/// Shows: pass Culture lets one booking at a time into a show.
const SHOWS: usize = 200;

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let numbers: Vec<u32> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let rate = numbers.first().copied().unwrap_or(200);
    let seconds = numbers.get(1).copied().unwrap_or(15);
    println!(
        "{rate} bookings a second for {seconds} s, {} logical processors; the vendor takes {} ms for a sale; what is added to that:\n",
        std::thread::available_parallelism().unwrap(),
        OWN_TIME.as_millis()
    );
    let outside = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let vendor = outside.block_on(Vendor::start());
    let folder = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite:{}", folder.path().join("bench.db").display());
    let mut gateways = vec![("gateway, SQLite, durable", sqlite)];
    if let Ok(url) = std::env::var("PASSERELLE_BENCH_POSTGRES_URL") {
        gateways.push(("gateway, PostgreSQL, durable", url));
    }
    for (what, url) in gateways {
        let inside = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let address = inside.block_on(gateway(&url, vendor.address));
        let told = outside.block_on(load(&format!("http://{address}/passculture/booking"), &vendor, rate, seconds));
        tell(what, told);
        inside.shutdown_background();
    }
    let (mut peer, address) = python(vendor.address);
    let told = outside.block_on(load(&format!("http://{address}/"), &vendor, rate, seconds));
    tell("plain Python server, keeps nothing", told);
    let _ = peer.kill();
    let _ = peer.wait();
}

fn tell(what: &str, (mut added, failed): (Vec<f64>, usize)) {
    added.sort_by(f64::total_cmp);
    let at = |share: f64| added[((added.len() - 1) as f64 * share) as usize];
    println!(
        "  {what:36} median {:6.2} ms   p90 {:6.2} ms   p99 {:6.2} ms   most {:7.2} ms   {} sold, {failed} not",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0),
        added.len()
    );
}

/// A vendor that tells the time it took, by barcode.
struct Vendor {
    address: SocketAddr,
    took: Arc<Mutex<HashMap<String, Duration>>>,
}

impl Vendor {
    async fn start() -> Self {
        let took: Arc<Mutex<HashMap<String, Duration>>> = Arc::default();
        let router = Router::new().route("/sale", post(sell)).with_state(Arc::clone(&took));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, took }
    }
}

async fn sell(
    State(took): State<Arc<Mutex<HashMap<String, Duration>>>>,
    Json(asked): Json<Value>,
) -> (axum::http::StatusCode, Json<Value>) {
    let began = Instant::now();
    tokio::time::sleep(OWN_TIME).await;
    let reference = asked["reference"].as_str().unwrap().to_owned();
    let tickets: Vec<Value> = (0..asked["quantity"].as_u64().unwrap())
        .map(|place| json!({ "barcode": format!("{reference}-{place}"), "seat": null }))
        .collect();
    took.lock().unwrap().insert(format!("{reference}-0"), began.elapsed());
    (axum::http::StatusCode::CREATED, Json(json!({ "tickets": tickets, "remaining": 50 })))
}

/// Messages at a fixed rate; milliseconds added to the vendor's time, and how many were not sold.
async fn load(url: &str, vendor: &Vendor, rate: u32, seconds: u32) -> (Vec<f64>, usize) {
    let client = reqwest::Client::builder().pool_max_idle_per_host(64).build().unwrap();
    let total = rate * seconds;
    let messages: Vec<_> = (0..total).map(message).collect();
    let began = tokio::time::Instant::now();
    let mut waiting = Vec::with_capacity(messages.len());
    for (number, message) in (0_u32..).zip(messages) {
        tokio::time::sleep_until(began + Duration::from_secs(1) * number / rate).await;
        let request = client
            .post(url)
            .header("Content-Type", "application/json")
            .header("PassCulture-Signature", message.signature)
            .body(message.wire);
        waiting.push(tokio::spawn(async move {
            let sent = Instant::now();
            let response = request.send().await.ok()?;
            let status = response.status();
            let body: Value = response.json().await.ok()?;
            let took = sent.elapsed();
            let barcode = body["tickets"][0]["barcode"].as_str()?.to_owned();
            (status == 200).then_some((barcode, took))
        }));
    }
    let (mut added, mut failed) = (Vec::with_capacity(waiting.len()), 0);
    for answer in waiting {
        match answer.await.unwrap() {
            Some((barcode, took)) => {
                let own = vendor.took.lock().unwrap()[&barcode];
                added.push((took.saturating_sub(own)).as_secs_f64() * 1_000.0);
            }
            None => failed += 1,
        }
    }
    // The first second is warm-up: connections, caches.
    let warm = added.split_off((rate as usize).min(added.len() / 2));
    (warm, failed)
}

fn message(number: u32) -> passerelle::sandbox::message::SignedMessage {
    let show = number as usize % SHOWS;
    let created = format!("2026-03-12T18:05:09.{number:06}");
    sign_message(
        KEY,
        &[
            ("booking_creation_date", json!(created)),
            ("booking_quantity", json!(1 + number % 2)),
            ("offer_ean", json!(null)),
            ("offer_id", json!(42)),
            ("offer_id_at_provider", json!("bench:film:1")),
            ("offer_name", json!("Le Phare")),
            ("offer_price", json!(600)),
            ("stock_id", json!(9_000 + show)),
            ("stock_id_at_provider", json!(format!("bench:show:{show}"))),
            ("user_birth_date", json!("2008-01-01")),
            ("user_email", json!(format!("personne{number}@example.org"))),
            ("user_first_name", json!("A")),
            ("user_last_name", json!("B")),
            ("user_phone", json!("")),
            ("venue_address", json!(null)),
            ("venue_id", json!(535)),
        ],
        Form::Spaced,
    )
}

/// The gateway's own server over a store at this address.
async fn gateway(url: &str, vendor: SocketAddr) -> SocketAddr {
    let store_url = if url.starts_with("postgres") { fresh_database(url).await } else { url.to_owned() };
    // The key of messages is taken from the environment, as in production.
    let config = configuration(&store_url);
    let gateway = Arc::new(Gateway::open(&config, "bench").await.unwrap());
    stock_the_programme(&gateway).await;
    let house = Arc::new(Bench { adapter: Arc::new(OneCall::new(vendor)) });
    let desk = Desk::new(Arc::clone(&gateway.store), house, gateway.owner.clone(), gateway.now);
    let (listener, _) = web::listen(([127, 0, 0, 1], 0).into(), &[]).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(web::serve(listener, web::Web::new(gateway, desk, None)));
    address
}

fn configuration(store_url: &str) -> Config {
    let folder = std::env::temp_dir().join(format!("passerelle-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("key"), KEY).unwrap();
    let text = format!(
        "[store]\nurl = \"{store_url}\"\n[passculture]\nbase_url = \"http://127.0.0.1:9\"\napi_key = {{ file = \"key\" }}\n\
         hmac_key = {{ file = \"key\" }}\n"
    );
    std::fs::write(folder.join("passerelle.toml"), text).unwrap();
    config::load(&folder.join("passerelle.toml")).unwrap()
}

async fn fresh_database(url: &str) -> String {
    use sqlx::Connection as _;
    let name = format!("passerelle_bench_{}", uuid::Uuid::new_v4().simple());
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    // The name is made here of letters and digits.
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let mut url = url::Url::parse(url).unwrap();
    url.set_path(&name);
    url.into()
}

async fn stock_the_programme(gateway: &Gateway) {
    let record = ConnectionRecord {
        id: "bench".into(),
        chain: None,
        adapter: "csv".into(),
        account: "default".into(),
        venue: Some(535),
        siret: None,
        every_seconds: 900,
        settings: json!({}),
        base_dir: "/".into(),
        allow_private_addresses: true,
        paused: false,
        guard: Default::default(),
    };
    let now = (gateway.now)();
    gateway.store.apply_connection(&record, now).await.unwrap();
    let owner = Owner::current("bench");
    let hour = Duration::from_secs(3_600);
    let LeaseAnswer::Granted(lease) =
        gateway.store.acquire_lease("bench", &owner, now, hour, &|_| false).await.unwrap()
    else {
        panic!("no lease")
    };
    let event = EventRow {
        key: "bench:film:1".into(),
        desired: Some("{}".into()),
        categories: "[]".into(),
        offer_id: Some(42),
        ..EventRow::default()
    };
    let dates: Vec<DateRow> = (0..SHOWS)
        .map(|show| {
            let terms = DateTerms {
                starts_at: now + 86_400_000,
                category: CategoryTerms { label: "PASS CULTURE".into(), price_cents: 600 },
                in_all: false,
                order: OrderKeys {
                    film_key: "1".into(),
                    show_key: show.to_string(),
                    places_key: show.to_string(),
                    tariff_key: "t".into(),
                    title: "Le Phare".into(),
                },
            };
            DateRow {
                event: event.key.clone(),
                key: format!("bench:show:{show}"),
                starts_at: terms.starts_at,
                desired: serde_json::to_string(&terms).ok(),
                desired_quantity: Some(1_000),
                stock_id: Some(9_000 + i64::try_from(show).unwrap()),
                ..DateRow::default()
            }
        })
        .collect();
    gateway.store.save_events(&lease, &[event], &dates).await.unwrap();
}

/// A house with one adapter.
struct Bench {
    adapter: Arc<OneCall>,
}

impl House for Bench {
    fn adapter<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Arc<dyn Adapter>, String>> {
        Box::pin(async move { Ok(Arc::clone(&self.adapter) as Arc<dyn Adapter>) })
    }

    fn passculture(&self, _: &str) -> Result<Client, String> {
        Err("not asked here".into())
    }
}

/// Sells with one call, through the kit, as adapters do.
struct OneCall {
    http: http::Client,
    sale: url::Url,
}

impl OneCall {
    fn new(vendor: SocketAddr) -> Self {
        let base: url::Url = format!("http://{vendor}/").parse().unwrap();
        let context = Context { allow_private_addresses: true, ..Context::default() };
        let config = http::Config { booking_concurrency: 64, ..http::Config::new(base.clone(), &context) };
        Self { http: http::Client::new(config).unwrap(), sale: base.join("sale").unwrap() }
    }

    async fn sell(&self, order: &Order, journal: &dyn Journal, deadline: Deadline) -> BookOutcome {
        if let Err(error) = journal.about_to_sell("{}").await {
            return BookOutcome::NotAttempted(error);
        }
        let body = json!({ "show": order.show_key, "quantity": order.quantity, "reference": order.reference.0 });
        let act = Act::new("sell", Verb::Post, self.sale.clone(), deadline.left()).with_json(&body);
        let unknown = |error| BookOutcome::Unknown(Suspicion { error, tickets: Vec::new() });
        let answer = match self.http.act(&act).await {
            Ok(answer) => answer,
            Err(NotAnswered::NotSent(error)) => return BookOutcome::NotAttempted(error),
            Err(NotAnswered::Unknown(error)) => return unknown(error),
        };
        let Ok(sale) = serde_json::from_slice::<Value>(&answer.body) else { return unknown(answer.refused()) };
        let tickets = sale["tickets"].as_array().into_iter().flatten().map(|ticket| Ticket {
            barcode: ticket["barcode"].as_str().unwrap_or_default().to_owned(),
            seat: None,
            vendor: "{}".into(),
        });
        BookOutcome::Booked(Sale { tickets: tickets.collect(), remaining: Quantity::Exactly(50) })
    }
}

impl Adapter for OneCall {
    fn box_office(&self) -> Option<&dyn BoxOffice> {
        Some(self)
    }

    fn probes(&self) -> Vec<Probe<'_>> {
        Vec::new()
    }
}

fn nothing(operation: &str) -> AdapterError {
    AdapterError::new(Class::Unsupported, "NotHere", operation, "a bench only books")
}

impl BoxOffice for OneCall {
    fn semantics(&self) -> Semantics {
        Semantics {
            find_after: FIND_AFTER,
            finds_lost_sales: false,
            told_of_lost_sales: false,
            cancels: CancelUnit::Ticket,
            barcodes_unique: BarcodeScope::Everywhere,
            sale_needs: Duration::from_secs(1),
        }
    }

    fn book<'a>(
        &'a self,
        order: &'a Order,
        journal: &'a dyn Journal,
        deadline: Deadline,
    ) -> BoxFuture<'a, BookOutcome> {
        Box::pin(self.sell(order, journal, deadline))
    }

    fn find<'a>(&'a self, _: &'a Order, _: &'a str, _: Look, _: Deadline) -> BoxFuture<'a, FindOutcome> {
        Box::pin(async { FindOutcome::NotAsked(nothing("find")) })
    }

    fn cancel<'a>(&'a self, tickets: &'a [Ticket], _: Deadline) -> BoxFuture<'a, Vec<CancelOutcome>> {
        Box::pin(async move { tickets.iter().map(|_| CancelOutcome::NotAttempted(nothing("cancel"))).collect() })
    }

    fn remaining<'a>(&'a self, _: &'a Order, _: Deadline) -> BoxFuture<'a, Result<Quantity, AdapterError>> {
        Box::pin(async { Err(nothing("count")) })
    }
}

fn python(vendor: SocketAddr) -> (Child, SocketAddr) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/booking_server.py");
    let mut child = Command::new("python3")
        .args([script, "0", KEY, &vendor.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|why| panic!("python3 is needed for the comparison: {why}"));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port: u16 = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
    (child, ([127, 0, 0, 1], port).into())
}
