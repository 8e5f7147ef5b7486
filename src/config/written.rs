//! The shape of `passerelle.toml` as people write it. Unknown keys are refused with line and column.

use std::collections::BTreeMap;

use passerelle_kit::secret::SecretRef;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Problem;

/// The whole file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "passerelle.toml")]
pub struct Written {
    /// Where the gateway keeps its state.
    #[serde(default)]
    pub store: WrittenStore,
    /// What `passerelle serve` needs.
    pub server: Option<WrittenServer>,
    /// pass Culture.
    pub passculture: Option<WrittenPassCulture>,
    /// The venues' systems.
    #[serde(default)]
    pub connection: Vec<WrittenConnection>,
}

/// `[store]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenStore {
    /// `sqlite:FILE` (relative to this file's folder) or `postgres://…`.
    pub url: String,
}

impl Default for WrittenStore {
    fn default() -> Self {
        Self { url: "sqlite:passerelle.db".to_owned() }
    }
}

/// `[server]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenServer {
    /// Address and port, for example `127.0.0.1:8080`; port 0 takes a free one.
    #[serde(default = "default_listen")]
    pub listen: String,
    /// Bearer token of the admin API.
    pub admin_token: Option<SecretRef>,
    /// Root under which pass Culture reaches this gateway from outside, for example `https://passerelle.example.org`. With it,
    /// `passerelle apply` registers the three message URLs with pass Culture.
    pub public_url: Option<String>,
    /// Lets vendors live on loopback and private addresses.
    #[serde(default)]
    pub allow_private_addresses: bool,
}

pub(super) fn default_listen() -> String {
    "127.0.0.1:8080".to_owned()
}

/// `[passculture]`: the account named `default`, and more accounts below it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenPassCulture {
    /// Root of the API, for example `https://backend.passculture.app`.
    pub base_url: String,
    /// The provider's API key.
    pub api_key: SecretRef,
    /// The key that signs messages, or a list while one is being rotated.
    pub hmac_key: Option<OneOrMany>,
    /// Requests a minute for this key, 1–60 000 (default 180).
    pub requests_per_minute: Option<u32>,
    /// How long what was accepted and does not show is waited for before it is sent again, for example `30m` (the default;
    /// 1 second to 1 day). It is sent again only when the venue's queue was seen moving meanwhile.
    pub resend_after: Option<String>,
    /// More provider accounts.
    #[serde(default)]
    pub accounts: BTreeMap<String, WrittenAccount>,
}

/// `[passculture.accounts.NAME]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenAccount {
    /// Root of the API; the default account's when absent.
    pub base_url: Option<String>,
    /// The provider's API key.
    pub api_key: SecretRef,
    /// The key that signs messages, or a list while one is being rotated.
    pub hmac_key: Option<OneOrMany>,
    /// Requests a minute for this key, 1–60 000 (default 180).
    pub requests_per_minute: Option<u32>,
    /// How long what was accepted and does not show is waited for before it is sent again, for example `30m` (the default;
    /// 1 second to 1 day). It is sent again only when the venue's queue was seen moving meanwhile.
    pub resend_after: Option<String>,
}

/// One secret or several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// `{ env = "…" }`
    One(SecretRef),
    /// `[{ env = "…" }, { env = "…" }]`
    Many(Vec<SecretRef>),
}

impl OneOrMany {
    pub(super) fn into_vec(self) -> Vec<SecretRef> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// `[[connection]]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenConnection {
    /// Unique name: lower-case letters, digits and hyphens, at most 64.
    pub id: String,
    /// Adapter id (`passerelle adapters list`).
    pub adapter: String,
    /// pass Culture account; `default` unless said.
    pub account: Option<String>,
    /// pass Culture venue id.
    pub venue: Option<i64>,
    /// SIRET of the venue (14 digits), or RIDET (`NC1234567001XX`), instead of `venue`.
    pub siret: Option<String>,
    /// Time between two scheduled passes, for example `15m`; at least 1 minute, at most 7 days. Default `15m`.
    pub every: Option<String>,
    /// Makes this a chain: one connection for each of these sites, called `ID-SITE`, with these settings and the site's own. A
    /// chain has no venue itself.
    #[serde(default)]
    pub sites: Vec<WrittenSite>,
    /// Asks the vendor for the chain's other sites whenever it is applied, and connects those whose SIRET is a linked venue's.
    #[serde(default)]
    pub discover: bool,
    /// Lets this vendor live on a loopback or private address.
    #[serde(default)]
    pub allow_private_addresses: bool,
    /// Beyond what a plan or a single value waits for more evidence, or for a person.
    #[serde(default)]
    pub guard: WrittenGuard,
    /// The adapter's own settings (`passerelle adapters show ID`).
    #[serde(default = "empty_settings")]
    pub settings: serde_json::Value,
}

/// `[connection.guard]`: everything has a default that suits an ordinary bookshop.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenGuard {
    /// How long after a doubtful answer of an API the same answer counts as agreement, for example `6h` (the default; 1 minute to 7
    /// days). A file agrees when it is another one, written later.
    pub agree_after: Option<String>,
    /// A price that moves by more than this factor is held by itself, 2 to 1 000 (default 4).
    pub max_price_factor: Option<u32>,
    /// More copies of one title are held by themselves, 1 to 1 000 000 (default 2 000).
    pub max_quantity: Option<u32>,
    /// A first pass with more unreadable rows than this, in per cent, is held, 1 to 100 (default 5; counted from 20 rows on).
    pub first_unreadable_percent: Option<u32>,
    /// A first pass with most prices above this, in cents, is held (default 10 000).
    pub first_dear_cents: Option<u32>,
    /// A first pass with most prices below this, in cents, is held (default 100).
    pub first_cheap_cents: Option<u32>,
    /// A first pass with one same quantity above this in nearly all rows is held (default 100).
    pub first_same_quantity: Option<u32>,
}

/// One line of `sites`: `{ id = "0087", siret = "…" }`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenSite {
    /// The site's number at its vendor, as text; it becomes the setting that names a site, where the adapter has one.
    pub id: String,
    /// pass Culture venue id.
    pub venue: Option<i64>,
    /// SIRET of the venue, instead of `venue`.
    pub siret: Option<String>,
    /// What stands after the chain's id in the connection's, instead of the site's number.
    pub name: Option<String>,
    /// Settings of this site alone, over those of the chain.
    #[serde(default = "empty_settings")]
    pub settings: serde_json::Value,
}

fn empty_settings() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}

/// Text → shape.
///
/// # Errors
/// The first thing that is not TOML or not a known key, with line and column.
pub fn parse(text: &str, file: &str) -> Result<Written, Problem> {
    toml::from_str(text).map_err(|error| {
        let place = error.span().map_or_else(
            || file.to_owned(),
            |span| {
                let before = text.get(..span.start).unwrap_or(text);
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
                format!("{file}:{line}:{column}")
            },
        );
        Problem::new(place, error.message().to_owned())
    })
}
