//! Settings of one cinema: read, then checked, all problems at once.

use std::time::Duration;

use passerelle_contract::{Context, SettingProblem, SettingsError};
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
    let mut problems = Vec::new();
    let mut problem = |path: &str, message: &str| {
        problems.push(SettingProblem { path: path.to_owned(), message: message.to_owned() });
    };
    let service = service(&settings.base_url);
    if service.is_none() {
        problem(
            "base_url",
            "write the full address of the cinema's service, such as https://cgr.example/…/GestionCinemaWS.awws",
        );
    }
    if passerelle_kit::settings::has_credentials(&settings.base_url) {
        problem("base_url", "credentials do not belong in an address: write username and password");
    }
    if settings.username.trim().is_empty() {
        problem("username", "write the account's user name");
    }
    let cinema_id = settings.cinema_id.trim().to_owned();
    if !(1..=MAX_CINEMA_CHARS).contains(&cinema_id.chars().count()) {
        problem("cinema_id", "write 1 to 40 characters");
    }
    if !(1..=60).contains(&settings.timeout_seconds) {
        problem("timeout_seconds", "write a number from 1 to 60");
    }
    let password = settings.password.resolve(&context.base_dir).map_err(|why| problems.push(why.at("password")));
    let (Some(service), Ok(password), true) = (service, password, problems.is_empty()) else {
        return Err(SettingsError { problems });
    };
    let timeout = Duration::from_secs(u64::from(settings.timeout_seconds));
    // Every call has a time limit of its own within these.
    let longest = LISTING_PATIENCE * timeout + crate::box_office::LATE_ANSWER;
    Ok(Checked {
        http: http::Config {
            allow_plain_http: settings.allow_plain_http,
            request_timeout: longest,
            connect_timeout: timeout.min(Duration::from_secs(5)),
            total_timeout: longest,
            max_body_bytes: MAX_BODY_BYTES,
            booking_concurrency: 8,
            ..http::Config::new(service, context)
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
