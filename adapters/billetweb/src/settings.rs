//! Settings of one organiser's account: read, then checked, all problems at once.

use std::time::Duration;

use passerelle_contract::{Context, EventKind, SettingsError};
use passerelle_kit::checks::{Checks, is_domain, is_word};
use passerelle_kit::http;
use passerelle_kit::secret::{Secret, SecretRef};
use passerelle_kit::settings::WrittenNumber;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// Where the vendor answers.
const VENDOR: &str = "https://www.billetweb.fr/api/";
/// Events of one connection: each costs a pass two calls of an account that has a hundred a minute.
const MOST_EVENTS: usize = 200;
/// Largest answer, in bytes.
const MAX_BODY_BYTES: u64 = 16 * 1024 * 1024;
/// Calls of bookings in flight: small organisers have one small budget.
const BOOKINGS_AT_ONCE: u32 = 4;

/// Connection to some events of one account.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Root of the calls; the vendor's own unless said.
    base_url: Option<Url>,
    /// The account's number, as its API page shows it.
    user: WrittenNumber,
    /// The account's API key.
    key: SecretRef,
    /// Numbers of the events to publish, 1 to 200. Nothing else of the account is: vouchers and subscriptions are events too.
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
    /// A domain of yours: the vendor wants an e-mail address with every order, and is given one made of the booking's reference.
    /// Without it: the address of `booking_contact` with the reference behind a plus.
    #[serde(default)]
    buyer_email_domain: Option<String>,
    /// May a beneficiary book two seats at once?
    #[serde(default = "yes")]
    duo: bool,
    /// Time for one answer, in seconds, 1 to 60.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 60))]
    timeout_seconds: u32,
    /// Talk to a public address without encryption: the key would travel in clear.
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
    /// Kept apart from the client's own, so that the question whether anybody answers goes without it.
    pub(crate) authorization: Secret,
    /// For hiding it in the vendor's words.
    pub(crate) key: Secret,
    pub(crate) events: Vec<String>,
    pub(crate) kind: EventKind,
    pub(crate) buyer: Buyer,
    pub(crate) duo: bool,
    pub(crate) timeout: Duration,
}

/// Makes the address that each booking has of its own: no person has it, and the vendor's list can be asked for it.
#[derive(Clone, Debug)]
pub(crate) struct Buyer {
    before: String,
    domain: String,
}

impl Buyer {
    pub(crate) fn new(contact: &str, domain: Option<&str>) -> Self {
        let (name, contacts) = contact.split_once('@').unwrap_or((contact, ""));
        match domain {
            Some(domain) => Self { before: String::new(), domain: domain.to_lowercase() },
            None => Self { before: format!("{}+", name.to_lowercase()), domain: contacts.to_lowercase() },
        }
    }

    /// The address of the booking with this name.
    pub(crate) fn address(&self, request: &str) -> String {
        format!("{}{}@{}", self.before, request.to_lowercase(), self.domain)
    }
}

/// Reads and checks.
pub(crate) fn check(settings: &Value, context: &Context) -> Result<Checked, SettingsError> {
    let settings: Settings = passerelle_kit::settings::read(settings)?;
    let mut checks = Checks::new(context);
    let written = settings.base_url.or_else(|| Url::parse(VENDOR).ok());
    let base = written.as_ref().and_then(|written| {
        checks.root("base_url", written, "write the full address of the calls, or leave it out", "user and key")
    });
    let user = settings.user.0;
    let number = is_word(&user) && !user.contains(':');
    checks.ensure(number, "user", "write the account's number as its API page shows it; it has no colon");
    let events = checks.event_numbers("events", settings.events, MOST_EVENTS);
    let domain = settings.buyer_email_domain.as_deref();
    checks.ensure(
        domain.is_none_or(is_domain),
        "buyer_email_domain",
        "write a domain of yours, such as billets.theatre.example, or leave it out",
    );
    let buyer = Buyer::new(&settings.booking_contact, domain);
    let kind = checks.event_kind(settings.category, settings.show_type, settings.music_type, settings.booking_contact);
    let timeout = checks.timeout("timeout_seconds", settings.timeout_seconds);
    let key = checks.secret("key", &settings.key);
    let (base, key) = checks.done(base.zip(key))?;
    Ok(Checked {
        http: http::Config {
            allow_plain_http: settings.allow_plain_http,
            max_body_bytes: MAX_BODY_BYTES,
            booking_concurrency: BOOKINGS_AT_ONCE,
            ..http::Config::new(base, context).within(timeout)
        },
        authorization: credentials(&user, &key),
        key,
        events,
        kind,
        buyer,
        duo: settings.duo,
        timeout,
    })
}

/// The header that signs in. That the token which the vendor shows is these two, encoded, is an assumption; its other way, both in
/// the address, ends in logs.
fn credentials(user: &str, key: &Secret) -> Secret {
    http::basic(user, key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendors_address_is_one() {
        assert!(Url::parse(VENDOR).is_ok_and(|url| passerelle_kit::settings::root(&url).as_ref() == Some(&url)));
    }

    #[test]
    fn a_booking_has_an_address_of_its_own_at_the_organisers() {
        let address = |domain| Buyer::new("Billetterie@theatre.example", domain).address("pc-7Q2M");
        assert_eq!(address(None), "billetterie+pc-7q2m@theatre.example");
        assert_eq!(address(Some("Billets.theatre.example")), "pc-7q2m@billets.theatre.example");
    }
}
