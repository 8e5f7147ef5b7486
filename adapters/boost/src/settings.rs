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

/// Longest name of a station, in characters.
const MAX_STATION_CHARS: usize = 60;
/// Longest body, in bytes: a page of 100 wordy showtimes takes about half a MiB.
const MAX_BODY_BYTES: u64 = 8 * 1024 * 1024;

/// Connection to one cinema's server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Root of the cinema's own server, for example `https://boost.cinema.example/`.
    base_url: Url,
    /// The account's user name.
    username: String,
    /// The account's password.
    password: SecretRef,
    /// What the box office shows as the selling station; it helps the cinema find a sale.
    #[serde(default = "default_station")]
    station_name: String,
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
    /// Talk to a public address without encryption: many cinemas' servers know nothing else.
    #[serde(default)]
    allow_plain_http: bool,
}

fn default_station() -> String {
    "passerelle".to_owned()
}
const fn default_horizon() -> u32 {
    60
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
    /// Origin of the cinema's server.
    pub(crate) home: String,
    pub(crate) http: http::Config,
    pub(crate) username: String,
    pub(crate) password: Secret,
    pub(crate) station_name: String,
    pub(crate) horizon_days: u32,
    pub(crate) duo: bool,
    pub(crate) timeout: Duration,
}

/// Reads and checks.
pub(crate) fn check(settings: &Value, context: &Context) -> Result<Checked, SettingsError> {
    let settings: Settings = passerelle_kit::settings::read(settings)?;
    let mut checks = Checks::new(context);
    let base = checks.root(
        "base_url",
        &settings.base_url,
        "write the full address of the cinema's server, such as https://boost.cinema.example/",
        "username and password",
    );
    checks.ensure(!settings.username.trim().is_empty(), "username", "write the account's user name");
    let station = (1..=MAX_STATION_CHARS).contains(&settings.station_name.chars().count());
    checks.ensure(station, "station_name", "write 1 to 60 characters");
    checks.number("horizon_days", settings.horizon_days, 1..=365);
    let timeout = checks.timeout("timeout_seconds", settings.timeout_seconds);
    checks.user(&settings.username);
    let password = checks.secret("password", &settings.password);
    let (base, password) = checks.done(base.zip(password))?;
    Ok(Checked {
        home: base.origin().ascii_serialization(),
        http: http::Config {
            allow_plain_http: settings.allow_plain_http,
            max_body_bytes: MAX_BODY_BYTES,
            ..http::Config::new(base, context).within(timeout)
        },
        username: settings.username,
        password,
        station_name: settings.station_name,
        horizon_days: settings.horizon_days,
        duo: settings.duo,
        timeout,
    })
}
