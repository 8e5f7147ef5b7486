//! A thousand notifications a second, stored, and delivered to ten venues' software, one of which hangs:
//! `cargo bench --bench messages`.
//!
//! Signed notifications come at a fixed rate over HTTP, whatever the server does (an open loop). Each is durable before its 204 and
//! then delivered, signed, to the software of its venue. Timed: the answer to the notification, and the way from its first byte
//! to the receiver. The same load runs four times in one process: twice with ten receivers that work, and twice with one of the ten
//! hanging.
//!
//! `-- RATE SECONDS` (default 1 000 and 10). `PASSERELLE_BENCH_POSTGRES_URL` names a PostgreSQL to be measured too; its user must
//! be allowed to create a database.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::cast_precision_loss, missing_docs)]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use passerelle::gateway::{self, Gateway};
use passerelle::sandbox::message::{Form, sign_message};
use passerelle::{config, delivery, web};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const KEY: &str = "bench-hmac-key";
/// Invented: 32 bytes.
const SECRET: &str = "whsec_QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";
const VENUES: usize = 10;
/// The one that hangs.
const HANGING: usize = 0;

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let numbers: Vec<u32> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (rate, seconds) = (numbers.first().copied().unwrap_or(1_000), numbers.get(1).copied().unwrap_or(10));
    println!(
        "{rate} notifications a second for {seconds} s to {VENUES} venues, {} logical processors, load and receivers included:\n",
        std::thread::available_parallelism().unwrap()
    );
    let folder = tempfile::tempdir().unwrap();
    let mut stores = vec![("SQLite", format!("sqlite:{}", folder.path().join("bench.db").display()))];
    if let Ok(url) = std::env::var("PASSERELLE_BENCH_POSTGRES_URL") {
        stores.push(("PostgreSQL", url));
    }
    let outside = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for (name, url) in stores {
        let receivers = outside.block_on(async {
            let mut receivers = Vec::new();
            for _ in 0..VENUES {
                receivers.push(Receiver::start().await);
            }
            receivers
        });
        let inside = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let address = inside.block_on(serve(&url, &receivers, folder.path()));
        let mut p95 = Vec::new();
        // What hangs goes on hanging: a round in which all work comes before it, and one warms up.
        for (round, hangs) in [(0, false), (1, false), (2, true), (3, true)] {
            receivers[HANGING].inner.hangs.store(hangs, Ordering::SeqCst);
            let what = if hangs { "one of ten hangs" } else { "all ten work" };
            let told = outside.block_on(load(address, &receivers, round, rate, seconds));
            p95.push(told.tell(&format!("{name}, {what}")));
        }
        println!(
            "  {name}: with one hanging, the others' p95 is {:.2} and {:.2} times that of the round before it hung\n",
            p95[2] / p95[1].max(0.001),
            p95[3] / p95[1].max(0.001)
        );
        inside.shutdown_background();
    }
}

struct Inner {
    hangs: AtomicBool,
    /// Arrivals by booking.
    arrived: Mutex<HashMap<String, Instant>>,
}

/// A venue's software.
struct Receiver {
    address: SocketAddr,
    inner: Arc<Inner>,
}

impl Receiver {
    async fn start() -> Self {
        let inner = Arc::new(Inner { hangs: AtomicBool::new(false), arrived: Mutex::default() });
        let router = Router::new().route("/", post(take)).with_state(Arc::clone(&inner));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, inner }
    }
}

async fn take(State(inner): State<Arc<Inner>>, body: Bytes) -> StatusCode {
    if inner.hangs.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_secs(3_600)).await;
    }
    let document: Value = serde_json::from_slice(&body).unwrap();
    // Each notification is of a copy of its own: the EAN names it.
    let item = document["data"]["stock_id"].as_str().unwrap().to_owned();
    inner.arrived.lock().unwrap().entry(item).or_insert_with(Instant::now);
    StatusCode::NO_CONTENT
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

/// The gateway's own server and its delivery, over one store.
async fn serve(url: &str, receivers: &[Receiver], folder: &std::path::Path) -> SocketAddr {
    let url = if url.starts_with("postgres") { fresh_database(url).await } else { url.to_owned() };
    for (name, text) in [("key", KEY), ("secret", SECRET), ("api", "bench-api-key")] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let connections: String = receivers
        .iter()
        .enumerate()
        .map(|(number, receiver)| {
            format!(
                "[[connection]]\nid = \"software-{number}\"\nadapter = \"webhook\"\nvenue = {}\nallow_private_addresses = true\n\
                 [connection.settings]\nmode = \"notify\"\nurl = \"http://{}/\"\nsecret = {{ file = \"secret\" }}\n",
                number + 1,
                receiver.address
            )
        })
        .collect();
    let path = folder.join("passerelle.toml");
    let text = format!(
        "[store]\nurl = \"{url}\"\n[passculture]\nbase_url = \"http://127.0.0.1:9\"\napi_key = {{ file = \"api\" }}\n\
         hmac_key = {{ file = \"key\" }}\n{connections}"
    );
    std::fs::write(&path, text).unwrap();
    let config = config::load(&path).unwrap();
    let gateway = Arc::new(Gateway::open(&config, "bench").await.unwrap());
    gateway.apply(&config.declared.connections).await.unwrap();
    let sinks = Arc::clone(&gateway) as Arc<dyn delivery::Sinks>;
    tokio::spawn(delivery::run(
        Arc::clone(&gateway.store),
        sinks,
        gateway.owner.clone(),
        gateway.now,
        CancellationToken::new(),
    ));
    let (listener, _) = web::listen(([127, 0, 0, 1], 0).into(), &[]).await.unwrap();
    let address = listener.local_addr().unwrap();
    let web = web::Web::new(Arc::clone(&gateway), gateway::desk(&gateway), None);
    tokio::spawn(web::serve(listener, web));
    address
}

/// What a round gave: milliseconds to the answer and to the receivers that work, and how many of each there should be.
struct Told {
    answered: Vec<f64>,
    delivered: Vec<f64>,
    sent: usize,
    expected: usize,
    took: Duration,
}

impl Told {
    /// Prints it, and gives the p95 of deliveries.
    fn tell(mut self, what: &str) -> f64 {
        let at = |sorted: &mut Vec<f64>, share: f64| {
            sorted.sort_by(f64::total_cmp);
            sorted.get(((sorted.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(f64::NAN)
        };
        let (answers, deliveries) = (self.answered.len(), self.delivered.len());
        let p95 = at(&mut self.delivered, 0.95);
        println!(
            "  {what:32} stored {answers} of {}: median {:6.2} ms, p95 {:7.2} ms   delivered {deliveries} of {}: median {:6.2} ms, \
             p95 {p95:7.2} ms, all {:.1} s after the first",
            self.sent,
            at(&mut self.answered, 0.5),
            at(&mut self.answered, 0.95),
            self.expected,
            at(&mut self.delivered, 0.5),
            self.took.as_secs_f64()
        );
        p95
    }
}

async fn load(address: SocketAddr, receivers: &[Receiver], round: u32, rate: u32, seconds: u32) -> Told {
    let client = reqwest::Client::builder().pool_max_idle_per_host(64).no_proxy().build().unwrap();
    let total = rate * seconds;
    let url = format!("http://{address}/passculture/notification");
    let messages: Vec<_> = (0..total).map(|number| message(round * total + number)).collect();
    let began = tokio::time::Instant::now();
    let mut waiting = Vec::with_capacity(messages.len());
    for (number, message) in (0_u32..).zip(messages) {
        tokio::time::sleep_until(began + Duration::from_secs(1) * number / rate).await;
        let request = client
            .post(&url)
            .header("Content-Type", "application/json")
            .header("PassCulture-Signature", message.signature)
            .body(message.wire);
        waiting.push(tokio::spawn(async move {
            let sent = Instant::now();
            let status = request.send().await.ok().map(|response| response.status().as_u16());
            (sent, sent.elapsed(), status)
        }));
    }
    let (mut answered, mut sent) = (Vec::new(), Vec::new());
    for (number, task) in (0_u32..).zip(waiting) {
        let (at, took, status) = task.await.unwrap();
        sent.push((number, at));
        if status == Some(204) {
            answered.push(took.as_secs_f64() * 1_000.0);
        }
    }
    let hangs = receivers[HANGING].inner.hangs.load(Ordering::SeqCst);
    let works = |number: u32| !hangs || number as usize % VENUES != HANGING;
    let expected = sent.iter().filter(|(number, _)| works(*number)).count();
    let arrival = |number: u32| {
        let receiver = &receivers[number as usize % VENUES];
        receiver.inner.arrived.lock().unwrap().get(&item(round * total + number)).copied()
    };
    let arrived = || sent.iter().filter(|(number, _)| works(*number) && arrival(*number).is_some()).count();
    let patience = Instant::now() + Duration::from_secs(60);
    while arrived() < expected && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut delivered = Vec::new();
    let mut last = began.into_std();
    for (number, at) in &sent {
        if let Some(arrival) = arrival(*number).filter(|_| works(*number)) {
            delivered.push(arrival.saturating_duration_since(*at).as_secs_f64() * 1_000.0);
            last = last.max(arrival);
        }
    }
    Told { answered, delivered, sent: total as usize, expected, took: last.duration_since(began.into_std()) }
}

/// What a notification is about.
fn item(number: u32) -> String {
    format!("978{number:010}")
}

fn message(number: u32) -> passerelle::sandbox::message::SignedMessage {
    let text = |text: String| Value::from(text);
    let fields: Vec<(&str, Value)> = vec![
        ("booking_confirmation_date", Value::Null),
        ("booking_creation_date", text(format!("2031-03-12T18:05:09.{:06}", number % 1_000_000))),
        ("booking_quantity", json!(1)),
        ("offer_ean", text(item(number))),
        ("offer_id", json!(number + 1)),
        ("offer_id_at_provider", Value::Null),
        ("offer_name", text("Le Phare".to_owned())),
        ("offer_price", json!(799)),
        ("price_category_id", Value::Null),
        ("price_category_id_at_provider", Value::Null),
        ("price_category_label", Value::Null),
        ("stock_id", json!(number + 1)),
        ("stock_id_at_provider", Value::Null),
        ("user_birth_date", text("2008-01-01".to_owned())),
        ("user_email", text(format!("{number}@example.com"))),
        ("user_first_name", text("Prenom".to_owned())),
        ("user_last_name", text("Nom".to_owned())),
        ("user_phone", Value::Null),
        ("venue_address", Value::Null),
        ("venue_department_code", Value::Null),
        ("venue_id", json!(number as usize % VENUES + 1)),
        ("venue_name", text("Lieu".to_owned())),
        ("action", text("BOOK".to_owned())),
    ];
    sign_message(KEY, &fields, Form::Spaced)
}
