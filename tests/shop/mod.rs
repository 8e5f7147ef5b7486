//! A shop for whole-gateway tests: a folder, a sandbox pass Culture, and the real binary.
#![allow(dead_code, unreachable_pub)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use passerelle::sandbox::{Fault, FaultEffect, Sandbox, Seed};
use serde_json::{Value, json};

pub const VENUE: i64 = 535;
pub const SIRET: &str = "85331845900049";
pub const API_KEY: &str = "test_key";
pub const CONNECTION: &str = "shop";

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub lines: Vec<Value>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The summary line.
    pub fn summary(&self) -> &Value {
        self.lines
            .iter()
            .rev()
            .find(|line| line["event"] == "summary")
            .unwrap_or_else(|| panic!("no summary in {self:#?}"))
    }

    /// Some numbers of the summary.
    pub fn numbers(&self, keys: &[&str]) -> Vec<u64> {
        keys.iter()
            .map(|key| self.summary()[key].as_u64().unwrap_or_else(|| panic!("no {key} in {}", self.summary())))
            .collect()
    }
}

/// The folder, the sandbox, and the configuration.
pub struct Shop {
    pub folder: tempfile::TempDir,
    pub sandbox: Sandbox,
    runtime: tokio::runtime::Runtime,
    store_url: String,
}

/// An EAN of the imprint 978-2-99, which publishes nothing.
pub fn ean(number: u64) -> String {
    let body = format!("978299{number:06}");
    let sum: u32 =
        body.bytes().enumerate().map(|(at, digit)| u32::from(digit - b'0') * if at % 2 == 0 { 1 } else { 3 }).sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

/// A SIRET with a right key.
fn siret(id: i64) -> String {
    let body = format!("90{id:07}0001");
    let sum: u32 = body
        .bytes()
        .enumerate()
        .map(|(at, digit)| u32::from(digit - b'0') * if at % 2 == 0 { 2 } else { 1 })
        .map(|one| if one > 9 { one - 9 } else { one })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

impl Shop {
    /// A shop whose sandbox knows the EANs 0..`known`.
    pub fn new(known: u64) -> Self {
        Self::with_store(known, "sqlite:passerelle.db")
    }

    pub fn with_store(known: u64, store_url: &str) -> Self {
        Self::with_venues(known, store_url, 0)
    }

    /// As many more venues, with the numbers 1000, 1001, …
    pub fn with_venues(known: u64, store_url: &str, more: i64) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let products: Vec<Value> = (0..known)
            .map(|number| json!({"ean": ean(number), "name": format!("Titre {number}"), "category": "LIVRE_PAPIER", "status": "COMPATIBLE"}))
            .collect();
        let mut venues = vec![
            json!({"id": VENUE, "siret": SIRET, "name": "Librairie", "postal_code": "29200", "activity": "BOOKSTORE"}),
            json!({"id": VENUE + 1, "siret": "73282932000074", "name": "Annexe", "postal_code": "29200", "activity": "BOOKSTORE"}),
        ];
        venues.extend((1_000..1_000 + more).map(|id| {
            json!({"id": id, "siret": siret(id), "name": format!("Librairie {id}"), "postal_code": "29200", "activity": "BOOKSTORE"})
        }));
        let seed = json!({
            "accounts": [{"name": "default", "api_key": API_KEY, "hmac_key": "test_hmac"}],
            "venues": venues,
            "products": products,
            "beneficiaries": [{"email": "a@example.org", "first_name": "A", "last_name": "B", "birth_date": "2008-01-01", "phone": null, "credit_cents": 15000}],
        });
        let seed = Seed::from_json(&seed.to_string()).unwrap();
        let sandbox = runtime.block_on(Sandbox::start(([127, 0, 0, 1], 0).into(), seed)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let shop = Self { folder, sandbox, runtime, store_url: store_url.to_owned() };
        shop.configure(&csv_connection(""));
        shop
    }

    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes passerelle.toml with these connections.
    pub fn configure(&self, connections: &str) {
        let text = format!(
            "[store]\nurl = \"{}\"\n[server]\nlisten = \"127.0.0.1:0\"\nadmin_token = {{ env = \"TEST_ADMIN\" }}\n\
             [passculture]\nbase_url = \"{}\"\napi_key = {{ env = \"TEST_KEY\" }}\nrequests_per_minute = 60000\n{connections}",
            self.store_url,
            self.sandbox.base_url()
        );
        std::fs::write(self.path("passerelle.toml"), text).unwrap();
    }

    pub fn write_stock(&self, text: impl AsRef<[u8]>) {
        std::fs::write(self.path("stock.csv"), text).unwrap();
    }

    /// A stock file of these (number, cents, copies).
    pub fn write_rows(&self, rows: impl IntoIterator<Item = (u64, u32, u32)>) {
        let mut text = "EAN13;PV TTC;Stock\n".to_owned();
        for (number, cents, copies) in rows {
            text.push_str(&format!("{};{},{:02};{copies}\n", ean(number), cents / 100, cents % 100));
        }
        self.write_stock(text);
    }

    /// The command, ready to run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        command_in(self.folder.path(), arguments)
    }

    /// Runs a command with `--format json` and reads what it said.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut all = vec!["--format", "json"];
        all.extend(arguments);
        ran(self.command(&all).output().unwrap())
    }

    /// Runs `sync` and answers some numbers of its summary.
    pub fn sync(&self, keys: &[&str]) -> Vec<u64> {
        self.run(&["sync", CONNECTION]).numbers(keys)
    }

    /// The next `count` bulk upserts break this way.
    pub fn break_upserts(&self, count: u32, effect: FaultEffect) {
        let fault =
            Fault { method: Some("POST".to_owned()), ..Fault::next(count, "/public/offers/v1/products/ean", effect) };
        assert!(self.sandbox.inject(fault));
    }

    /// What pass Culture sells of this venue: EAN → (cents, copies left).
    pub fn online(&self) -> std::collections::BTreeMap<String, (u32, Option<u32>)> {
        self.sandbox
            .offers()
            .into_iter()
            .filter_map(|offer| Some((offer.ean?, (offer.price_cents?, offer.remaining))))
            .collect()
    }
}

pub fn command_in(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_passerelle"));
    command
        .current_dir(folder)
        .args(arguments)
        .env("TEST_KEY", API_KEY)
        .env("TEST_ADMIN", "operator-token")
        .env("TEST_PUSH", "push-token")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub fn ran(output: Output) -> Ran {
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines = stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    Ran { code: output.status.code().unwrap_or(-1), lines, stdout, stderr }
}

/// A `[[connection]]` on stock.csv with more settings appended.
pub fn csv_connection(more: &str) -> String {
    format!(
        "[[connection]]\nid = \"{CONNECTION}\"\nadapter = \"csv\"\nvenue = {VENUE}\n[connection.settings]\npath = \"stock.csv\"\n\
         [connection.settings.columns]\nean = \"EAN13\"\nprice = {{ name = \"PV TTC\", unit = \"euro\" }}\nquantity = \"Stock\"\n\
         [connection.settings.file]\nsettle_seconds = 0\n{more}"
    )
}
