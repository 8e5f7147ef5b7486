//! Settings of one organiser's listings: read, then checked, all problems at once.

use std::time::Duration;

use passerelle_contract::{Context, EventKind, SettingsError};
use passerelle_kit::checks::Checks;
use passerelle_kit::http;
use passerelle_kit::secret::{Secret, SecretRef};
use passerelle_kit::settings::WrittenNumber;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// Where the vendor answers.
const VENDOR: &str = "https://api.weezevent.com/";
/// Events of one connection: they are named in one address.
const MOST_EVENTS: usize = 200;
/// No room has more seats.
const MOST_PLACES: u32 = 20_000;
/// Longest user name, in characters.
const MAX_NAME_CHARS: usize = 200;
/// Largest answer, in bytes.
const MAX_BODY_BYTES: u64 = 16 * 1024 * 1024;

/// Connection to some events of one account.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Root of the calls; the vendor's own unless said.
    base_url: Option<Url>,
    /// The account's user name.
    username: String,
    /// The account's password.
    password: SecretRef,
    /// The API key made in the account's back office.
    api_key: SecretRef,
    /// Numbers of the events to publish, 1 to 200.
    #[schemars(length(min = 1, max = 200))]
    events: Vec<WrittenNumber>,
    /// pass Culture's category of these events, such as `CONCERT` or `SPECTACLE_REPRESENTATION`.
    category: String,
    /// pass Culture's slug of the kind of show, where the category wants one; "other" unless said.
    #[serde(default)]
    show_type: Option<String>,
    /// pass Culture's slug of the kind of music, where the category wants one; "other" unless said.
    #[serde(default)]
    music_type: Option<String>,
    /// E-mail address that beneficiaries write to.
    booking_contact: String,
    /// Places of each date that pass Culture may give away in all, 1 to 20000, shared evenly among its tariffs; without it the vendor's
    /// own counts stand.
    #[schemars(range(min = 1, max = 20000))]
    quantity: Option<u32>,
    /// Does the gateway give out barcodes that the venue imported, one for each seat? Their number is then that of the places, and
    /// `quantity` is left out.
    #[serde(default)]
    barcode_pool: bool,
    /// May a beneficiary book two seats at once?
    #[serde(default = "yes")]
    duo: bool,
    /// Time for one answer, in seconds, 1 to 60.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 60))]
    timeout_seconds: u32,
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
    pub(crate) http: http::Config,
    pub(crate) username: String,
    pub(crate) password: Secret,
    pub(crate) api_key: Secret,
    pub(crate) events: Vec<String>,
    pub(crate) kind: EventKind,
    pub(crate) quantity: Option<u32>,
    pub(crate) barcode_pool: bool,
    pub(crate) duo: bool,
    pub(crate) timeout: Duration,
}

/// Reads and checks.
pub(crate) fn check(settings: &Value, context: &Context) -> Result<Checked, SettingsError> {
    let settings: Settings = passerelle_kit::settings::read(settings)?;
    let mut checks = Checks::new(context);
    let written = settings.base_url.or_else(|| Url::parse(VENDOR).ok());
    let base = written.as_ref().and_then(|written| {
        let message = "write the full address of the calls, or leave it out";
        checks.root("base_url", written, message, "username and password")
    });
    checks.text("username", &settings.username, MAX_NAME_CHARS, "write the account's user name");
    let events = checks.event_numbers("events", settings.events, MOST_EVENTS);
    let kind = checks.event_kind(settings.category, settings.show_type, settings.music_type, settings.booking_contact);
    checks.number("quantity", settings.quantity.unwrap_or(1), 1..=MOST_PLACES);
    checks.ensure(
        !(settings.barcode_pool && settings.quantity.is_some()),
        "quantity",
        "leave it out with barcode_pool: as many places are given away as barcodes were imported",
    );
    let timeout = checks.timeout("timeout_seconds", settings.timeout_seconds);
    let password = checks.secret("password", &settings.password);
    let api_key = checks.secret("api_key", &settings.api_key);
    let ((base, password), api_key) = checks.done(base.zip(password).zip(api_key))?;
    Ok(Checked {
        http: http::Config { max_body_bytes: MAX_BODY_BYTES, ..http::Config::new(base, context).within(timeout) },
        username: settings.username,
        password,
        api_key,
        events,
        kind,
        quantity: settings.quantity,
        barcode_pool: settings.barcode_pool,
        duo: settings.duo,
        timeout,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendors_address_is_one() {
        assert!(Url::parse(VENDOR).is_ok_and(|url| passerelle_kit::settings::root(&url).as_ref() == Some(&url)));
    }
}
