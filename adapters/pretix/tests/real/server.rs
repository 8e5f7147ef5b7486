//! The real server, running until it is dropped. The whole gateway's test uses it too.
#![allow(dead_code, reason = "each of the two uses its part")]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use passerelle_contract::{Adapter, Context};
use passerelle_kit::http::{Act, Client, Config, Get, Verb};
use passerelle_kit::secret::Secret;
use passerelle_pretix::DESCRIPTOR;
use serde_json::{Value, json};
use url::Url;

pub(crate) const ORGANIZER: &str = "atelier";
pub(crate) const EVENT: &str = "hirondelle";
pub(crate) const SINGLE: &str = "fanfare";
/// The token of the team that may do everything.
const HOUSE: &str = "jeton-fictif-de-la-maison";
/// The token of the gateway's team.
pub(crate) const GATEWAY: &str = "jeton-fictif-de-la-passerelle";
/// The script's word for "cannot be had on this machine".
const CANNOT: i32 = 3;

pub(crate) struct Server {
    script: Child,
    pub(crate) base_url: String,
    seed: Value,
    secrets: tempfile::TempDir,
}

impl Server {
    /// `None` when it cannot be installed on this machine, unless the environment says that it must be.
    pub(crate) async fn start() -> Option<Self> {
        tokio::task::spawn_blocking(Self::run).await.unwrap()
    }

    fn run() -> Option<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let places = ["tests/real/pretix", "adapters/pretix/tests/real/pretix"];
        let script = places.into_iter().map(|place| here.join(place)).find(|place| place.exists()).unwrap();
        let mut script = Command::new(script)
            .arg(installed_below(here))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(script.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Ok(told) = serde_json::from_str::<Value>(&line) else {
            let code = script.wait().unwrap().code();
            let needed = std::env::var("PASSERELLE_REQUIRE_PRETIX").is_ok_and(|said| said == "1");
            assert!(
                code == Some(CANNOT) && !needed,
                "the real pretix does not start (exit code {code:?}); it needs python3 with venv, and pip with an index"
            );
            return None;
        };
        let secrets = tempfile::tempdir().unwrap();
        std::fs::write(secrets.path().join("gateway"), GATEWAY).unwrap();
        std::fs::write(secrets.path().join("house"), HOUSE).unwrap();
        let base_url = told["base_url"].as_str().unwrap().to_owned();
        Some(Self { script, base_url, seed: told["seed"].clone(), secrets })
    }

    pub(crate) fn adapter(&self, base_url: &str) -> Arc<dyn Adapter> {
        self.adapter_as("gateway", base_url)
    }

    /// An adapter with the token of one of the two teams.
    pub(crate) fn adapter_as(&self, team: &str, base_url: &str) -> Arc<dyn Adapter> {
        let settings = json!({
            "base_url": base_url, "organizer": ORGANIZER, "token": { "file": team }, "events": [EVENT, SINGLE],
            "category": "SPECTACLE_REPRESENTATION", "show_type": "THEATRE-COMEDIE",
            "booking_contact": "billetterie@atelier.example",
        });
        let base_dir = self.secrets.path().to_owned();
        let context = Context { allow_private_addresses: true, base_dir, ..Context::default() };
        (DESCRIPTOR.connect)(&settings, context).unwrap()
    }

    pub(crate) fn number(&self, name: &str) -> i64 {
        self.seed[name].as_i64().unwrap()
    }

    pub(crate) fn date(&self, name: &str) -> i64 {
        self.seed["dates"][name].as_i64().unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        Url::parse(&self.base_url).unwrap().socket_addrs(|| None).unwrap()[0]
    }

    /// Somebody comes in with this ticket.
    pub(crate) async fn scan(&self, barcode: &str) {
        let body = json!({ "secret": barcode, "source_type": "barcode", "lists": [self.number("door")] });
        self.as_the_house(Verb::Post, "checkinrpc/redeem/", &body).await;
    }

    /// Changes something of the event.
    pub(crate) async fn patch(&self, path: &str, body: &Value) {
        self.as_the_house(Verb::Patch, &format!("events/{EVENT}/{path}"), body).await;
    }

    /// What the house sees there.
    pub(crate) async fn read(&self, path: &str) -> Value {
        let (client, url) = self.at(path);
        let mut get = Get::new("read as the house", url);
        get.authorization = Some(house());
        let answer = client.get(&get).await.unwrap();
        serde_json::from_slice(&answer.body).unwrap()
    }

    async fn as_the_house(&self, verb: Verb, path: &str, body: &Value) {
        let (client, url) = self.at(path);
        let mut act = Act::new("work as the house", verb, url, Duration::from_secs(10)).with_json(body);
        act.authorization = Some(house());
        let answer = client.act(&act).await.unwrap();
        assert!(answer.status < 300, "{}: {}", answer.saw(), String::from_utf8_lossy(&answer.body));
    }

    fn at(&self, path: &str) -> (Client, Url) {
        let base = Url::parse(&self.base_url).unwrap();
        let url = base.join(&format!("api/v1/organizers/{ORGANIZER}/{path}")).unwrap();
        let context = Context { allow_private_addresses: true, ..Context::default() };
        (Client::new(Config::new(base, &context)).unwrap(), url)
    }
}

fn house() -> Secret {
    Secret::new(&format!("Token {HOUSE}"))
}

/// Installing takes minutes: once for a machine, as for the tools that check, and not for each clone.
fn installed_below(here: &Path) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    cache.map_or_else(|| here.join("../../target/pretix"), |cache| cache.join("passerelle-pretix"))
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input ends the script, which takes the server with it.
        drop(self.script.stdin.take());
        let _ended = self.script.wait();
    }
}
