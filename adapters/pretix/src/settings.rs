//! Settings of one organizer: read, then checked, all problems at once.

use std::collections::HashSet;

use passerelle_contract::{Context, EventKind, SettingsError};
use passerelle_kit::checks::{Checks, is_word};
use passerelle_kit::http;
use passerelle_kit::secret::{Secret, SecretRef};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::keys::{MAX_SLUG_CHARS, is_id, is_slug};

/// Where the API stands below the server's root.
const API: &str = "api/v1/";
/// Longest slug of an organizer, in characters: pretix has no longer ones.
const MAX_ORGANIZER_CHARS: usize = 50;
/// Events of one connection: a pass makes at least four calls for each.
const MAX_EVENTS: usize = 200;
/// Items named in the settings.
const MAX_ITEMS: usize = 500;
/// Largest answer, in bytes: fifty dates with long texts in several languages.
const MAX_BODY_BYTES: u64 = 4 * 1024 * 1024;

/// Connection to one organizer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Root of the pretix server, for example `https://pretix.eu/`; `api/v1/` is added.
    base_url: Url,
    /// The organizer's short name, as in its addresses.
    organizer: String,
    /// API token of one of the organizer's teams.
    token: SecretRef,
    /// Short names of the events to sell, 1 to 200, each at most 30 characters.
    #[schemars(length(min = 1, max = 200))]
    events: Vec<String>,
    /// Numbers of the items to sell. Without it: every item that lets people in and that anybody may buy.
    #[serde(default)]
    items: Option<Vec<i64>>,
    /// pass Culture's category of these events, for example `CONCERT` or `SPECTACLE_REPRESENTATION`.
    category: String,
    /// pass Culture's slug of the kind of show, where the category wants one; "other" unless said.
    #[serde(default)]
    show_type: Option<String>,
    /// pass Culture's slug of the kind of music, where the category wants one; "other" unless said.
    #[serde(default)]
    music_type: Option<String>,
    /// E-mail address that beneficiaries write to.
    booking_contact: String,
    /// May a beneficiary book two seats at once?
    #[serde(default = "yes")]
    duo: bool,
    /// The sales channel that orders belong to.
    #[serde(default = "web")]
    sales_channel: String,
    /// Time for one answer, in seconds, 1 to 60.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 60))]
    timeout_seconds: u32,
    /// Talk to a public address without encryption: the token would travel in clear.
    #[serde(default)]
    allow_plain_http: bool,
}

const fn yes() -> bool {
    true
}
fn web() -> String {
    "web".to_owned()
}
const fn default_timeout() -> u32 {
    10
}

/// Settings that were checked, secrets read.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Its base is the root of the API.
    pub(crate) http: http::Config,
    pub(crate) organizer: String,
    /// The value of `Authorization`.
    pub(crate) authorization: Secret,
    pub(crate) events: Vec<String>,
    pub(crate) items: Option<Vec<i64>>,
    pub(crate) kind: EventKind,
    pub(crate) duo: bool,
    pub(crate) sales_channel: String,
}

/// Reads and checks.
pub(crate) fn check(settings: &Value, context: &Context) -> Result<Checked, SettingsError> {
    let settings: Settings = passerelle_kit::settings::read(settings)?;
    let mut checks = Checks::new(context);
    let address = "write the full address of the pretix server, such as https://pretix.eu/";
    let root = checks.root("base_url", &settings.base_url, address, "token");
    let organizer = is_slug(&settings.organizer) && settings.organizer.len() <= MAX_ORGANIZER_CHARS;
    checks.ensure(organizer, "organizer", "write the organizer's short name: letters, digits, dots and hyphens");
    let events = &settings.events;
    checks.ensure((1..=MAX_EVENTS).contains(&events.len()), "events", "write the short names of 1 to 200 events");
    let short = events.iter().all(|slug| is_slug(slug) && slug.len() <= MAX_SLUG_CHARS);
    let names = "write short names of events: letters, digits, dots and hyphens, at most 30 characters each";
    checks.ensure(short, "events", names);
    let mut once = HashSet::new();
    checks.ensure(events.iter().all(|slug| once.insert(slug)), "events", "write each event once");
    let items = settings
        .items
        .as_ref()
        .is_none_or(|items| (1..=MAX_ITEMS).contains(&items.len()) && items.iter().all(|item| is_id(*item)));
    checks.ensure(items, "items", "write the numbers of 1 to 500 items, or leave it out");
    let kind = checks.event_kind(settings.category, settings.show_type, settings.music_type, settings.booking_contact);
    let channel = "write the identifier of a sales channel, such as web or api.passculture";
    checks.ensure(is_word(&settings.sales_channel), "sales_channel", channel);
    let timeout = checks.timeout("timeout_seconds", settings.timeout_seconds);
    let token = checks.secret("token", &settings.token);
    let (root, token) = checks.done(root.zip(token))?;
    // Ours and relative, so it always joins.
    let api = root.join(API).unwrap_or(root);
    Ok(Checked {
        http: http::Config {
            allow_plain_http: settings.allow_plain_http,
            max_body_bytes: MAX_BODY_BYTES,
            ..http::Config::new(api, context).within(timeout)
        },
        organizer: settings.organizer,
        authorization: Secret::new(&format!("Token {}", token.expose().trim())),
        events: settings.events,
        items: settings.items,
        kind,
        duo: settings.duo,
        sales_channel: settings.sales_channel,
    })
}
