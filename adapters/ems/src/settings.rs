//! Settings of one site: read, then checked, all problems at once.

use std::time::Duration;

use passerelle_contract::{Context, SettingsError};
use passerelle_kit::checks::Checks;
use passerelle_kit::http;
use passerelle_kit::secret::{Secret, SecretRef};
use passerelle_kit::settings::root;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// Longest id of a site, in characters.
const MAX_SITE_CHARS: usize = 20;
/// Longest name of a partner, in characters.
const MAX_SOURCE_CHARS: usize = 100;
/// Largest export, in bytes: all sites of a large account take about 10 MiB.
const MAX_EXPORT_BYTES: u64 = 32 * 1024 * 1024;
/// Largest answer to a booking call, in bytes.
const MAX_BOOKING_BYTES: u64 = 1024 * 1024;
/// Questions of passes in flight; apart from the exports, so that no question waits for the end of one.
const QUESTIONS_AT_ONCE: u32 = 2;

/// Connection to one site of an account.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Address of the schedule export, without query.
    schedule_url: Url,
    /// Address of the sites export, without query. With it, `check` tells whether the site exists.
    #[serde(default)]
    sites_url: Option<Url>,
    /// The account's user name for the exports.
    user: String,
    /// The account's password for the exports.
    password: SecretRef,
    /// Root of the booking calls.
    booking_url: Url,
    /// The partner's name, sent as `Source` with every booking call.
    source: String,
    /// The key that signs booking calls.
    secret: SecretRef,
    /// The site's id at the vendor, as text: zeros in front belong to it.
    #[schemars(length(min = 1, max = 20))]
    site_id: String,
    /// Ask in passes which shows can still be sold?
    #[serde(default = "yes")]
    ask_on_sale: bool,
    /// May a beneficiary book two seats at once?
    #[serde(default = "yes")]
    duo: bool,
    /// Time for one answer to a booking call, in seconds, 1 to 60.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 60))]
    timeout_seconds: u32,
    /// Time until an export begins to arrive, in seconds, 1 to 300.
    #[serde(default = "default_export_timeout")]
    #[schemars(range(min = 1, max = 300))]
    export_timeout_seconds: u32,
    /// Talk to a public address without encryption: password and bookings would travel in clear.
    #[serde(default)]
    allow_plain_http: bool,
}

const fn yes() -> bool {
    true
}
const fn default_timeout() -> u32 {
    10
}
const fn default_export_timeout() -> u32 {
    60
}

/// Settings that were checked, secrets read.
#[derive(Debug)]
pub(crate) struct Checked {
    /// How each of the three is talked to; its base is the address itself.
    pub(crate) schedule: http::Config,
    pub(crate) sites: Option<http::Config>,
    pub(crate) booking: http::Config,
    /// For the exports.
    pub(crate) authorization: Secret,
    pub(crate) source: String,
    pub(crate) secret: Secret,
    pub(crate) site_id: String,
    pub(crate) ask_on_sale: bool,
    pub(crate) duo: bool,
    /// For one answer to a booking call.
    pub(crate) timeout: Duration,
}

/// Reads and checks.
pub(crate) fn check(settings: &Value, context: &Context) -> Result<Checked, SettingsError> {
    let settings: Settings = passerelle_kit::settings::read(settings)?;
    let mut checks = Checks::new(context);
    for (path, url) in [("schedule_url", Some(&settings.schedule_url)), ("sites_url", settings.sites_url.as_ref())] {
        let Some(url) = url else { continue };
        let plain = root(url).is_some() && url.query().is_none() && url.fragment().is_none();
        let address = "write the full address of the export without query, such as https://ems.example/schedule";
        checks.ensure(plain, path, address);
        checks.no_credentials(path, url, "user and password");
    }
    let address = "write the full address of the booking calls, such as https://ems.example/booking/";
    let booking = checks.root("booking_url", &settings.booking_url, address, "source and secret");
    checks.ensure(settings.booking_url.query().is_none(), "booking_url", address);
    let user = !settings.user.trim().is_empty() && !settings.user.contains(':');
    checks.ensure(user, "user", "write the account's user name; it has no colon");
    let visible = settings.source.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let source = "write the partner's name as the vendor gave it: 1 to 100 plain characters";
    checks.ensure(visible, "source", source);
    checks.text("source", &settings.source, MAX_SOURCE_CHARS, source);
    let site = "write the site's id at the vendor, zeros in front included: 1 to 20 characters";
    checks.text("site_id", &settings.site_id, MAX_SITE_CHARS, site);
    let timeout = checks.timeout("timeout_seconds", settings.timeout_seconds);
    checks.number("export_timeout_seconds", settings.export_timeout_seconds, 1..=300);
    let password = checks.secret("password", &settings.password);
    let secret = checks.secret("secret", &settings.secret);
    let ((booking, password), secret) = checks.done(booking.zip(password).zip(secret))?;
    let config = |base: Url, seconds: u32, max_body_bytes: u64| {
        let timeout = Duration::from_secs(u64::from(seconds));
        http::Config {
            allow_plain_http: settings.allow_plain_http,
            max_body_bytes,
            ..http::Config::new(base, context).within(timeout)
        }
    };
    let export = |base: Url| config(base, settings.export_timeout_seconds, MAX_EXPORT_BYTES);
    Ok(Checked {
        schedule: export(settings.schedule_url.clone()),
        sites: settings.sites_url.clone().map(export),
        booking: http::Config {
            concurrency: QUESTIONS_AT_ONCE,
            ..config(booking, settings.timeout_seconds, MAX_BOOKING_BYTES)
        },
        authorization: http::basic(&settings.user, &password),
        source: settings.source,
        secret,
        site_id: settings.site_id,
        ask_on_sale: settings.ask_on_sale,
        duo: settings.duo,
        timeout,
    })
}
