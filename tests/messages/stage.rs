//! A bookshop with its stock in a file and its software on loopback, a sandbox pass Culture, and the real server.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use passerelle::sandbox::{Bookable, BookingTruth, Generation, Sandbox, Seed};
use serde_json::{Value, json};

use super::shop::{API_KEY, Ran, command_in, ean, ran};

pub(crate) const VENUE: i64 = 535;
pub(crate) const HMAC: &str = "test_hmac";
/// Invented: 32 bytes.
pub(crate) const SECRET: &str = "whsec_QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";
pub(crate) const API_TOKEN: &str = "api-token-of-the-software";

pub(crate) struct Stage {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) sandbox: Sandbox,
    pub(crate) client: reqwest::Client,
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) base: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The stock file's connection.
pub(crate) fn stock() -> String {
    super::shop::csv_connection("")
}

/// A connection of the venue's software.
pub(crate) fn software(id: &str, venue: i64, settings: &str) -> String {
    format!(
        "[[connection]]\nid = \"{id}\"\nadapter = \"webhook\"\nvenue = {venue}\n[connection.settings]\n{settings}\n\
         api_token = {{ env = \"TEST_API\" }}\n"
    )
}

/// One that is told at this address.
pub(crate) fn told_at(id: &str, venue: i64, url: &str, more: &str) -> String {
    software(id, venue, &format!("mode = \"notify\"\nurl = \"{url}\"\nsecret = {{ env = \"TEST_SECRET\" }}\n{more}"))
}

impl Stage {
    /// Venues `VENUE..VENUE + venues`, books 0..40, beneficiaries `0@example.org`..`20@example.org`.
    pub(crate) async fn new(venues: i64) -> Self {
        Self::at(venues, Generation::default()).await
    }

    /// The same beside another version of pass Culture.
    pub(crate) async fn at(venues: i64, generation: Generation) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let venues: Vec<Value> = (0..venues)
            .map(|number| {
                json!({"id": VENUE + number, "name": format!("Lieu {number}"), "siret": siret(number),
                    "postal_code": "29200", "activity": "BOOKSTORE"})
            })
            .collect();
        let products: Vec<Value> =
            (0..40).map(|number| json!({"ean": ean(number), "name": format!("Titre {number}")})).collect();
        let people: Vec<Value> = (0..20)
            .map(|number| {
                json!({"email": format!("{number}@example.org"), "first_name": "Prenom", "last_name": "Nom",
                    "birth_date": "2008-01-01", "phone": null, "credit_cents": 3_000_000})
            })
            .collect();
        let seed = json!({
            "accounts": [{"name": "default", "api_key": API_KEY, "hmac_key": HMAC}],
            "venues": venues, "products": products, "beneficiaries": people, "generation": generation,
        });
        let sandbox = Sandbox::start(([127, 0, 0, 1], 0).into(), Seed::from_json(&seed.to_string()).unwrap());
        let sandbox = sandbox.await.unwrap();
        let quick = passerelle::sandbox::Settings { upsert_delay_ms: 0, ..sandbox.settings() };
        sandbox.set_settings(quick);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { folder: tempfile::tempdir().unwrap(), sandbox, client }
    }

    pub(crate) fn configure(&self, store: &str, connections: &str) {
        self.configure_at(store, "", connections);
    }

    /// The same with more to say of the server.
    pub(crate) fn configure_at(&self, store: &str, server: &str, connections: &str) {
        let text = format!(
            "[store]\nurl = \"{store}\"\n[server]\nlisten = \"127.0.0.1:0\"\nallow_private_addresses = true\n{server}\
             admin_token = {{ env = \"TEST_ADMIN\" }}\n[passculture]\nbase_url = \"{}\"\napi_key = {{ env = \"TEST_KEY\" }}\n\
             hmac_key = {{ env = \"TEST_HMAC\" }}\nrequests_per_minute = 60000\n{connections}",
            self.sandbox.base_url()
        );
        std::fs::write(self.folder.path().join("passerelle.toml"), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = command_in(self.folder.path(), arguments);
        command.env("TEST_HMAC", HMAC).env("TEST_SECRET", SECRET).env("TEST_API", API_TOKEN);
        command
    }

    /// Runs a command with `--format json`.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let mut all = vec!["--format", "json"];
        all.extend(arguments);
        ran(self.command(&all).output().unwrap())
    }

    /// Starts the server and tells pass Culture where it is.
    pub(crate) async fn serve(&self) -> Server {
        let server = self.serve_as_it_is();
        self.notify_at(&server.base).await;
        server
    }

    /// Starts the server alone.
    pub(crate) fn serve_as_it_is(&self) -> Server {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = self.command(&["--log", "debug", "--format", "json", "serve"]);
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}: {}", self.log()));
        let base = format!("http://{}", told["address"].as_str().unwrap());
        Server { child, base }
    }

    /// Tells pass Culture where it sends its messages.
    pub(crate) async fn notify_at(&self, base: &str) {
        let urls = json!({
            "notificationUrl": format!("{base}/passculture/notification"),
            "bookingUrl": format!("{base}/passculture/booking"),
            "cancelUrl": format!("{base}/passculture/cancellation"),
        });
        let address = format!("{}/public/providers/v1/provider", self.sandbox.base_url());
        let answer = self.client.patch(address).bearer_auth(API_KEY).json(&urls).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{}", answer.text().await.unwrap());
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Puts a book on sale at a venue, without any stock file.
    pub(crate) async fn sell(&self, venue: i64, number: u64) -> u64 {
        let body = json!({"location": {"type": "physical", "venueId": venue},
            "products": [{"ean": ean(number), "stock": {"price": 790, "quantity": 1000}}]});
        let path = format!("{}/public/offers/v1/products/ean", self.sandbox.base_url());
        let answer = self.client.post(path).bearer_auth(API_KEY).json(&body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 204);
        self.sandbox.settled().await;
        self.sandbox.offer_by_ean(u32::try_from(venue).unwrap(), &ean(number)).unwrap().offer_id
    }

    pub(crate) fn book(&self, person: u32, offer: u64) -> BookingTruth {
        self.sandbox.book(&format!("{person}@example.org"), Bookable::Offer(offer), 1).unwrap()
    }

    pub(crate) async fn admin(&self, server: &Server, path: &str, body: Value) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", server.base)).bearer_auth("operator-token").json(&body);
        answer(request).await
    }

    pub(crate) async fn vendor(&self, server: &Server, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}/vendor/v1{path}", server.base);
        let request = match body {
            Some(body) => self.client.post(url).json(&body),
            None => self.client.get(url),
        };
        answer(request.bearer_auth(API_TOKEN)).await
    }
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// A SIRET with a right key.
fn siret(number: i64) -> String {
    let body = format!("85331845{:05}", number + 1);
    let sum = |digits: &str| -> u32 {
        let weigh = |(at, digit): (usize, u8)| {
            let digit = u32::from(digit - b'0') * if (digits.len() - at).is_multiple_of(2) { 2 } else { 1 };
            if digit > 9 { digit - 9 } else { digit }
        };
        digits.bytes().enumerate().map(weigh).sum()
    };
    (0..10).map(|key| format!("{body}{key}")).find(|siret| sum(siret).is_multiple_of(10)).unwrap()
}
