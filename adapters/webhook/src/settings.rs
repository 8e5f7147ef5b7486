//! Settings of one venue's software: read, then checked, all problems at once.
//!
//! Invariant: addresses are typed in by vendors, so that none of them may point inside unless the connection says so: not
//! even at this very machine.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use passerelle_contract::{Context, EventKind, NoticeTerms, SettingsError};
use passerelle_kit::checks::{Checks, is_email, is_word};
use passerelle_kit::http;
use passerelle_kit::secret::{Secret, SecretRef};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use url::{Host, Url};

use crate::signature::{Key, Signer};

/// Longest address, in bytes.
const MAX_URL_BYTES: usize = 2_000;
/// Delays of a schedule.
const MAX_DELAYS: usize = 20;
/// Shortest and longest delay.
const DELAYS: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(7 * 86_400);
/// Ports that may be added.
const MAX_PORTS: usize = 20;
/// Length of a token, in characters.
const TOKEN_CHARS: std::ops::RangeInclusive<usize> = 8..=200;
/// Delays when nothing is written: three days and four hours in all.
const DEFAULT_DELAYS: [u64; 10] = [5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

const URL: &str = "write the full address that the vendor gave, such as https://billetterie.example/pass-culture";
const SECRET: &str = "write whsec_ and standard base64, with its padding, of 24 to 64 random bytes";
const TOKEN: &str = "write 8 to 200 letters, digits and signs, without spaces";

/// How the software takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// It is asked to sell and to free, and answers at once.
    Synchronous,
    /// It is told of bookings that the gateway makes from the places that it stated.
    Notify,
    /// The same, and it fetches what there is to know.
    Pull,
}

/// What may be told of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Personal {
    /// First name.
    FirstName,
    /// Last name.
    LastName,
}

/// A time to wait as people write it: `"5s"`, `"1m"`, `"2h"`, or seconds as a number. `None`: not readable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WrittenDelay(Option<Duration>);

/// Connection to one venue's software.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// `synchronous`: it is asked to sell and to free; `notify`: it is told of bookings; `pull`: it fetches them.
    mode: Mode,
    /// Where messages are posted. Needed to notify; in synchronous mode `cancel_url` takes its place.
    #[serde(default)]
    url: Option<Url>,
    /// Where it is asked to sell. Needed in synchronous mode.
    #[serde(default)]
    booking_url: Option<Url>,
    /// Where it is asked to free. Needed in synchronous mode.
    #[serde(default)]
    cancel_url: Option<Url>,
    /// What calls are signed with: `whsec_` and base64 of 24 to 64 bytes. Needed unless it pulls.
    #[serde(default)]
    secret: Option<SecretRef>,
    /// The secret before this one, as long as the vendor may still use it: calls are signed with both.
    #[serde(default)]
    previous_secret: Option<SecretRef>,
    /// What the software presents when it calls the gateway (states shows, fetches messages). Needed to pull.
    #[serde(default)]
    api_token: Option<SecretRef>,
    /// The token before this one, as long as it may still be used.
    #[serde(default)]
    previous_api_token: Option<SecretRef>,
    /// Waiting times after failed deliveries, at most 20, each from 1 ms to 7 days (168h): `["5s", "1m", "2h"]`, or numbers of
    /// seconds. Three of them mean four attempts.
    #[serde(default = "default_delays")]
    #[schemars(length(max = 20))]
    retry_schedule: Vec<WrittenDelay>,
    /// What the software may know of who books. Nothing unless written, and only with `dpa_signed_at`.
    #[serde(default)]
    personal_data: Vec<Personal>,
    /// When the agreement on the processing of personal data was signed: `YYYY-MM-DD`.
    #[serde(default)]
    dpa_signed_at: Option<String>,
    /// Time for one answer in synchronous mode, in seconds, 1 to 6.
    #[serde(default = "default_budget")]
    #[schemars(range(min = 1, max = 6))]
    budget_seconds: u32,
    /// Ports that addresses may name besides 443, at most 20.
    #[serde(default = "default_ports")]
    #[schemars(length(max = 20))]
    allowed_ports: Vec<u16>,
    /// May a beneficiary book two seats at once?
    #[serde(default = "yes")]
    duo: bool,
    /// pass Culture's category of events that are stated without one.
    #[serde(default)]
    category: Option<String>,
    /// pass Culture's word for the kind of show of events that are stated without one.
    #[serde(default)]
    show_type: Option<String>,
    /// pass Culture's word for the kind of music of events that are stated without one.
    #[serde(default)]
    music_type: Option<String>,
    /// E-mail address that beneficiaries write to, for events that are stated without one; concerts and live shows need one.
    #[serde(default)]
    booking_contact: Option<String>,
}

const fn yes() -> bool {
    true
}
const fn default_budget() -> u32 {
    4
}
fn default_ports() -> Vec<u16> {
    vec![443]
}
fn default_delays() -> Vec<WrittenDelay> {
    DEFAULT_DELAYS.map(|seconds| WrittenDelay(Some(Duration::from_secs(seconds)))).to_vec()
}

/// Where it is asked to sell and to free.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) booking: Url,
    pub(crate) cancel: Url,
}

/// Settings that were checked, secrets read.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) mode: Mode,
    /// Where messages go; `None` when they are fetched.
    pub(crate) messages: Option<Url>,
    /// In synchronous mode alone.
    pub(crate) desk: Option<Desk>,
    /// Whenever anything is sent.
    pub(crate) signer: Option<Signer>,
    /// At most two.
    pub(crate) tokens: Vec<Secret>,
    pub(crate) terms: NoticeTerms,
    pub(crate) budget: Duration,
    pub(crate) duo: bool,
    /// May addresses be private, and plain?
    pub(crate) may_be_private: bool,
    /// What its events are where they are stated without saying so; a film's category where the settings name none.
    pub(crate) kind: EventKind,
}

/// Reads and checks.
pub(crate) fn check(settings: &Value, context: &Context) -> Result<Checked, SettingsError> {
    let settings: Settings = passerelle_kit::settings::read(settings)?;
    let mut checks = Checks::new(context);
    let mode = settings.mode;
    for (path, written) in
        [("url", &settings.url), ("booking_url", &settings.booking_url), ("cancel_url", &settings.cancel_url)]
    {
        if let Some(url) = written {
            address(&mut checks, path, url, &settings.allowed_ports, context.allow_private_addresses);
        }
    }
    let ports = settings.allowed_ports.len() <= MAX_PORTS && settings.allowed_ports.iter().all(|port| *port > 0);
    checks.ensure(ports, "allowed_ports", "write at most 20 ports from 1 to 65535");
    needed(&mut checks, &settings);
    let key = |checks: &mut Checks, path: &str, written: &Option<SecretRef>| {
        let secret = checks.secret(path, written.as_ref()?)?;
        let key = Key::read(&secret);
        checks.ensure(key.is_some(), path, SECRET);
        key
    };
    let current = key(&mut checks, "secret", &settings.secret);
    let previous = key(&mut checks, "previous_secret", &settings.previous_secret);
    let mut tokens = Vec::new();
    for (path, written) in [("api_token", &settings.api_token), ("previous_api_token", &settings.previous_api_token)] {
        let Some(token) = written.as_ref().and_then(|written| checks.secret(path, written)) else { continue };
        let plain = token.expose().bytes().all(|byte| byte.is_ascii_graphic());
        checks.ensure(plain && TOKEN_CHARS.contains(&token.expose().len()), path, TOKEN);
        tokens.push(token);
    }
    checks.number("budget_seconds", settings.budget_seconds, 1..=6);
    let retry_after = delays(&mut checks, &settings.retry_schedule);
    agreement(&mut checks, &settings);
    let words =
        [("category", &settings.category), ("show_type", &settings.show_type), ("music_type", &settings.music_type)];
    for (path, word) in words {
        let message = "write pass Culture's word for it, such as CONCERT or THEATRE-COMEDIE, or leave it out";
        checks.ensure(word.as_deref().is_none_or(is_word), path, message);
    }
    let contact = "write the e-mail address that beneficiaries write to, at most 120 characters";
    checks.ensure(settings.booking_contact.as_deref().is_none_or(is_email), "booking_contact", contact);
    let desk = match (mode, settings.booking_url, settings.cancel_url) {
        (Mode::Synchronous, Some(booking), Some(cancel)) => Some(Desk { booking, cancel }),
        _ => None,
    };
    let messages = match mode {
        Mode::Pull => None,
        Mode::Notify => settings.url,
        Mode::Synchronous => settings.url.or_else(|| desk.as_ref().map(|desk| desk.cancel.clone())),
    };
    let kind = EventKind {
        category: settings.category.unwrap_or_else(|| EventKind::film().category),
        show_type: settings.show_type,
        music_type: settings.music_type,
        booking_contact: settings.booking_contact,
    };
    let may_know = |what| settings.personal_data.contains(&what);
    checks.done(Some(Checked {
        mode,
        terms: NoticeTerms {
            is_sent_to: messages.is_some(),
            hears_everything: mode != Mode::Synchronous,
            first_name: may_know(Personal::FirstName),
            last_name: may_know(Personal::LastName),
            retry_after,
        },
        messages,
        desk,
        signer: current.map(|current| Signer { current, previous }),
        tokens,
        budget: Duration::from_secs(u64::from(settings.budget_seconds)),
        duo: settings.duo,
        may_be_private: context.allow_private_addresses,
        kind,
    }))
}

/// What a mode cannot do without.
fn needed(checks: &mut Checks, settings: &Settings) {
    let mut need = |there: bool, path: &str, why: &str| checks.ensure(there, path, why);
    match settings.mode {
        Mode::Notify => {
            need(settings.url.is_some(), "url", "mode notify needs it: where are messages posted?");
            need(settings.secret.is_some(), "secret", "mode notify needs it: calls are signed");
        }
        Mode::Synchronous => {
            let why = "mode synchronous needs it: where is the software asked to sell?";
            need(settings.booking_url.is_some(), "booking_url", why);
            let why = "mode synchronous needs it: where is the software asked to free seats?";
            need(settings.cancel_url.is_some(), "cancel_url", why);
            need(settings.secret.is_some(), "secret", "mode synchronous needs it: calls are signed");
        }
        Mode::Pull => {
            need(settings.api_token.is_some(), "api_token", "mode pull needs it: who fetches messages presents it");
        }
    }
    let why = "write the secret in force as secret; previous_secret is the one before it";
    need(settings.secret.is_some() || settings.previous_secret.is_none(), "secret", why);
    let why = "write the token in force as api_token; previous_api_token is the one before it";
    need(settings.api_token.is_some() || settings.previous_api_token.is_none(), "api_token", why);
}

/// An address that the gateway may be sent to.
fn address(checks: &mut Checks, path: &str, url: &Url, allowed_ports: &[u16], may_be_private: bool) {
    checks.no_credentials(path, url, "secret");
    let inside = "this address lies in a private or loopback network; set allow_private_addresses = true on the connection \
                  if that is meant";
    for unfit in unfit(url, allowed_ports, may_be_private) {
        let message = match unfit {
            Unfit::Form => URL,
            Unfit::Port => "write an address at port 443, or name its port in allowed_ports",
            Unfit::Inside => inside,
        };
        checks.ensure(false, path, message);
    }
}

/// Why the gateway does not go to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Too long, without host, with a fragment, or not https.
    Form,
    /// Neither 443 nor a port that was allowed.
    Port,
    /// It lies in a private or loopback network.
    Inside,
}

/// What is wrong with an address, as far as its letters tell; what a name leads to is looked at when the connection is made.
pub(crate) fn unfit(url: &Url, allowed_ports: &[u16], may_be_private: bool) -> Vec<Unfit> {
    let short = url.as_str().len() <= MAX_URL_BYTES && url.host().is_some() && url.fragment().is_none();
    let scheme = url.scheme() == "https" || (may_be_private && url.scheme() == "http");
    let port = url.port_or_known_default().is_none_or(|port| port == 443 || allowed_ports.contains(&port));
    let inside = match url.host() {
        // Decimal, octal and hexadecimal spellings are addresses by now.
        Some(Host::Ipv4(v4)) => !http::is_public(IpAddr::V4(v4)),
        // An IPv4 address in disguise is nothing that a vendor has to write.
        Some(Host::Ipv6(v6)) => v6.to_ipv4_mapped().is_some() || !http::is_public(IpAddr::V6(v6)),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    };
    let problems = [
        (!(short && scheme), Unfit::Form),
        (!(port || may_be_private), Unfit::Port),
        (inside && !may_be_private, Unfit::Inside),
    ];
    problems.into_iter().filter_map(|(is_wrong, what)| is_wrong.then_some(what)).collect()
}

fn delays(checks: &mut Checks, written: &[WrittenDelay]) -> Vec<Duration> {
    checks.ensure(written.len() <= MAX_DELAYS, "retry_schedule", "write at most 20 delays");
    let good = |delay: &Duration| DELAYS.contains(delay);
    for (at, delay) in written.iter().enumerate().take(MAX_DELAYS) {
        let message = "write a time from 1 ms to 7 days, such as \"5s\", \"1m\", \"2h\", or a number of seconds";
        checks.ensure(delay.0.is_some_and(|delay| good(&delay)), &format!("retry_schedule[{at}]"), message);
    }
    written.iter().filter_map(|delay| delay.0).filter(good).collect()
}

/// Names are told under an agreement only.
fn agreement(checks: &mut Checks, settings: &Settings) {
    const PATH: &str = "dpa_signed_at";
    let needed = "names are told only under a signed agreement on the processing of personal data: write the day of its \
                  signature, or leave personal_data empty";
    checks.ensure(settings.personal_data.is_empty() || settings.dpa_signed_at.is_some(), PATH, needed);
    let day = settings.dpa_signed_at.as_deref().is_none_or(is_day);
    checks.ensure(day, PATH, "write a day as YYYY-MM-DD");
}

/// A day, or an instant of it.
fn is_day(text: &str) -> bool {
    text.len() >= "YYYY-MM-DD".len()
        && (text.parse::<jiff::civil::Date>().is_ok() || text.parse::<jiff::Timestamp>().is_ok())
}

fn read_delay(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    Duration::try_from(text.parse::<jiff::SignedDuration>().ok()?).ok()
}

impl<'de> Deserialize<'de> for WrittenDelay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = WrittenDelay;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as \"5s\", or a number of seconds")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<WrittenDelay, E> {
                Ok(WrittenDelay(read_delay(text)))
            }
            fn visit_u64<E: Error>(self, seconds: u64) -> Result<WrittenDelay, E> {
                Ok(WrittenDelay(Some(Duration::from_secs(seconds))))
            }
            fn visit_i64<E: Error>(self, seconds: i64) -> Result<WrittenDelay, E> {
                Ok(WrittenDelay(u64::try_from(seconds).ok().map(Duration::from_secs)))
            }
            fn visit_f64<E: Error>(self, seconds: f64) -> Result<WrittenDelay, E> {
                Ok(WrittenDelay(Duration::try_from_secs_f64(seconds).ok()))
            }
        }
        deserializer.deserialize_any(Written)
    }
}

impl JsonSchema for WrittenDelay {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "WrittenDelay".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"] })
    }
}

impl serde::Serialize for WrittenDelay {
    /// For the default in the schema.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.map(|delay| delay.as_secs()).serialize(serializer)
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
