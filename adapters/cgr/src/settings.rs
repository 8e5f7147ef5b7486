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

/// Longest identifier of a cinema, in characters.
const MAX_CINEMA_CHARS: usize = 40;
/// Longest body, in bytes: a whole programme comes in one answer.
const MAX_BODY_BYTES: u64 = 20 * 1024 * 1024;
/// The whole programme may take so many times as long as another answer.
pub(crate) const LISTING_PATIENCE: u32 = 3;

/// The answer to a sale is waited for so much longer than the vendor was told: a late answer is better than none.
pub(crate) const LATE_ANSWER: Duration = Duration::from_secs(3);

/// Connection to one cinema's service.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Full address of the cinema's own service, for example
    /// `https://cgr.cinema.example/GESTIONCINEMAWS_WEB/awws/GestionCinemaWS.awws`.
    base_url: Url,
    /// The account's user name.
    username: String,
    /// The account's password at this cinema.
    password: SecretRef,
    /// The cinema's identifier, 1 to 40 characters; for people, never sent.
    cinema_id: String,
    /// May a beneficiary book two seats at once?
    #[serde(default = "yes")]
    duo: bool,
    /// Time for one answer, in seconds, 1 to 60; the whole programme may take three times as long.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 60))]
    timeout_seconds: u32,
    /// Talk to a public address without encryption: the password travels in clear.
    #[serde(default)]
    allow_plain_http: bool,
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
    pub(crate) cinema_id: String,
    pub(crate) duo: bool,
    pub(crate) timeout: Duration,
}

/// Reads and checks.
pub(crate) fn check(settings: &Value, context: &Context) -> Result<Checked, SettingsError> {
    let settings: Settings = passerelle_kit::settings::read(settings)?;
    let mut checks = Checks::new(context);
    let service = service(&settings.base_url);
    let address = "write the full address of the cinema's service, such as https://cgr.example/…/GestionCinemaWS.awws";
    checks.ensure(service.is_some(), "base_url", address);
    checks.no_credentials("base_url", &settings.base_url, "username and password");
    checks.ensure(!settings.username.trim().is_empty(), "username", "write the account's user name");
    let cinema_id = settings.cinema_id.trim().to_owned();
    checks.text("cinema_id", &cinema_id, MAX_CINEMA_CHARS, "write 1 to 40 characters");
    let timeout = checks.timeout("timeout_seconds", settings.timeout_seconds);
    checks.user(&settings.username);
    let password = checks.secret("password", &settings.password);
    let (service, password) = checks.done(service.zip(password))?;
    // Every call has a time limit of its own within these.
    let longest = LISTING_PATIENCE * timeout + LATE_ANSWER;
    Ok(Checked {
        http: http::Config {
            allow_plain_http: settings.allow_plain_http,
            request_timeout: longest,
            total_timeout: longest,
            max_body_bytes: MAX_BODY_BYTES,
            ..http::Config::new(service, context).within(timeout)
        },
        username: settings.username,
        password,
        cinema_id,
        duo: settings.duo,
        timeout,
    })
}

/// The address that is posted to, to the letter: unlike a root it must not end with a slash.
fn service(written: &Url) -> Option<Url> {
    if !matches!(written.scheme(), "http" | "https") || written.host().is_none() {
        return None;
    }
    let mut service = written.clone();
    service.set_query(None);
    service.set_fragment(None);
    let path = service.path().trim_end_matches('/').to_owned();
    service.set_path(&path);
    Some(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_posted_to_as_it_is_written_without_a_slash_at_its_end() {
        let read = |text: &str| service(&text.parse().unwrap()).map(|url| url.to_string());
        assert_eq!(read("https://cgr.example/ws/X.awws/").as_deref(), Some("https://cgr.example/ws/X.awws"));
        assert_eq!(read("https://cgr.example/ws/X.awws?wsdl#a").as_deref(), Some("https://cgr.example/ws/X.awws"));
        assert_eq!(read("https://cgr.example").as_deref(), Some("https://cgr.example/"));
        assert_eq!(read("ftp://cgr.example/"), None);
    }
}
