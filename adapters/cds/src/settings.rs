//! Settings of one cinema: read, then checked, all problems at once.

use std::time::Duration;

use passerelle_contract::{Context, SettingsError};
use passerelle_kit::checks::Checks;
use passerelle_kit::http;
use passerelle_kit::secret::{Secret, SecretRef};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// What stands behind the account in the vendor's addresses.
const HOST_SUFFIX: &str = "cineoffice.fr/vad/";
/// Longest id of an account or a cinema, in characters.
const MAX_ID_CHARS: usize = 63;
/// Largest body, in bytes: shows and films of a large account take megabytes.
const MAX_BODY_BYTES: u64 = 16 * 1024 * 1024;

/// Connection to one cinema.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The account at the vendor: letters, digits, `-` and `_`. The address is made of it.
    account_id: String,
    /// The cinema within the account; often the same word, and yet another thing.
    cinema_id: String,
    /// The cinema's token.
    api_token: SecretRef,
    /// Root of the vendor's server, when it is not `https://ACCOUNT_ID.cineoffice.fr/vad/`.
    #[serde(default)]
    base_url: Option<Url>,
    /// Days ahead, 1 to 365.
    #[serde(default = "default_horizon")]
    #[schemars(range(min = 1, max = 365))]
    horizon_days: u32,
    /// May a beneficiary book two seats at once?
    #[serde(default = "yes")]
    duo: bool,
    /// Time for one answer, in seconds, 1 to 60.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 60))]
    timeout_seconds: u32,
    /// Talk to a public address without encryption: the token would travel in clear.
    #[serde(default)]
    allow_plain_http: bool,
}

const fn default_horizon() -> u32 {
    90
}
const fn yes() -> bool {
    true
}
const fn default_timeout() -> u32 {
    10
}

/// Settings that were checked, secrets read.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Origin of the vendor's server.
    pub(crate) home: String,
    pub(crate) http: http::Config,
    pub(crate) cinema_id: String,
    pub(crate) api_token: Secret,
    pub(crate) horizon: Duration,
    pub(crate) duo: bool,
}

/// Reads and checks.
pub(crate) fn check(settings: &Value, context: &Context) -> Result<Checked, SettingsError> {
    let settings: Settings = passerelle_kit::settings::read(settings)?;
    let mut checks = Checks::new(context);
    let account = "write the account's id: letters, digits, `-` and `_`, at most 63";
    checks.ensure(is_label(&settings.account_id), "account_id", account);
    let cinema = "write the cinema's id at the vendor, without spaces around it";
    checks.text("cinema_id", &settings.cinema_id, MAX_ID_CHARS, cinema);
    let base = root(&settings);
    let address = "write the full address of the vendor's server, such as https://cinema.example/vad/";
    checks.ensure(base.is_some(), "base_url", address);
    if let Some(written) = &settings.base_url {
        checks.no_credentials("base_url", written, "api_token");
    }
    checks.number("horizon_days", settings.horizon_days, 1..=365);
    let timeout = checks.timeout("timeout_seconds", settings.timeout_seconds);
    let api_token = checks.secret("api_token", &settings.api_token);
    let (base, api_token) = checks.done(base.zip(api_token))?;
    Ok(Checked {
        home: base.origin().ascii_serialization(),
        http: http::Config {
            allow_plain_http: settings.allow_plain_http,
            max_body_bytes: MAX_BODY_BYTES,
            ..http::Config::new(base, context).within(timeout)
        },
        cinema_id: settings.cinema_id,
        api_token,
        horizon: Duration::from_secs(u64::from(settings.horizon_days) * 24 * 3_600),
        duo: settings.duo,
    })
}

/// The id becomes part of a host's name: a space in it once broke a whole network of cinemas.
fn is_label(id: &str) -> bool {
    (1..=MAX_ID_CHARS).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Where the account's server is.
fn root(settings: &Settings) -> Option<Url> {
    match &settings.base_url {
        Some(url) => passerelle_kit::settings::root(url),
        None if is_label(&settings.account_id) => {
            Url::parse(&format!("https://{}.{HOST_SUFFIX}", settings.account_id)).ok()
        }
        // Said already.
        None => Url::parse("https://unused.example/").ok(),
    }
}
