//! Settings of a polled shop: read, then checked, all problems at once.

use std::path::Path;
use std::time::Duration;

use passerelle_contract::{Cents, Context, SettingProblem, SettingsError};
use passerelle_kit::http;
use passerelle_kit::money::{PriceUnit, USUAL_FLOOR};
use passerelle_kit::secret::{Secret, SecretRef};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// Requests in flight to one editor's host, over all of its shops: an editor with five hundred shops behind one address would take
/// hours one by one.
pub(crate) const AT_ONCE: u32 = 4;

/// Longest shop identifier: the width of the column in which pass Culture kept it.
const MAX_SHOP_ID_CHARS: usize = 70;

/// Largest page that is asked for; servers cap lower as they like.
const MAX_LIMIT: u32 = 5000;

/// Largest body of one page, in bytes: 5 000 wordy entries take about 1 MiB.
const MAX_BODY_BYTES: u64 = 16 * 1024 * 1024;

/// Connection to one shop's stock list.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Base address given by the editor, usually ending in `/stocks`; the shop's identifier is appended to it.
    api_url: Url,
    /// The shop's identifier at the editor: its SIRET (14 digits) unless the editor says otherwise; 1 to 70 characters.
    siret: String,
    /// Unit of the prices on the wire. There is no default: the wrong one is wrong by a factor of 100.
    price_unit: WireUnit,
    /// A token sent as it is behind `Authorization: Basic`.
    #[serde(default)]
    basic_raw_token: Option<SecretRef>,
    /// User and password, encoded for `Authorization: Basic`.
    #[serde(default)]
    basic: Option<Basic>,
    /// Entries asked for per page, 1 to 5000.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 5000))]
    limit: u32,
    /// How the next page is asked for.
    #[serde(default)]
    after: After,
    /// Ask only for what changed since the last whole pass (`modifiedSince`). A server that ignores it sends everything
    /// again, which is harmless.
    #[serde(default = "yes")]
    modified_since: bool,
    /// Safety margin taken off that date, in seconds, against clocks that differ. 7500 (2 h 05) suits servers that compare
    /// with Paris time.
    #[serde(default = "default_margin")]
    #[schemars(range(max = 604_800))]
    modified_since_margin_seconds: u32,
    /// Send that date with milliseconds; the servers were built against seconds.
    #[serde(default)]
    milliseconds: bool,
    /// Ask for `inStock=1` in a full pass, which spares `TiteLive` servers their long tail of zeros.
    #[serde(default)]
    in_stock_first: bool,
    /// Read `Ref` and `REF` as `ref`.
    #[serde(default)]
    case_insensitive_keys: bool,
    /// Read the first draft of the protocol: a bare array, `quantity` instead of `available`, one page.
    #[serde(default)]
    generation_1: bool,
    /// Read `.95` as `0.95`, which is not JSON but was sent.
    #[serde(default)]
    leading_dot_numbers: bool,
    /// Copies of every reference that stay for the shop's own customers.
    #[serde(default)]
    keep_back: u32,
    /// Prices below this many cents are placeholders: their rows stay behind, and their quantities are heard.
    #[serde(default = "default_min_price")]
    min_price_cents: u32,
    /// Pages after which a pass is given up.
    #[serde(default = "default_max_pages")]
    #[schemars(range(min = 1))]
    max_pages: u32,
    /// Entries after which a pass is given up.
    #[serde(default = "default_max_entries")]
    #[schemars(range(min = 1))]
    max_entries: u32,
    /// Time for one answer, in seconds, 1 to 300.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 300))]
    timeout_seconds: u32,
    /// Talk to a public address without encryption. Only if the editor has nothing better.
    #[serde(default)]
    allow_plain_http: bool,
}

/// Unit of the prices on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WireUnit {
    /// `12.90`.
    Euro,
    /// `1290`.
    Cent,
}

impl From<WireUnit> for PriceUnit {
    fn from(unit: WireUnit) -> Self {
        match unit {
            WireUnit::Euro => Self::Euro,
            WireUnit::Cent => Self::Cent,
        }
    }
}

/// Sign-in with user and password.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Basic {
    /// User name.
    user: String,
    /// Where the password is.
    password: SecretRef,
}

/// How the next page is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum After {
    /// `after` = the last reference of the page, until a page is empty.
    #[default]
    LastRef,
    /// The server sends everything at once and knows no `after`: the first page is the whole list.
    SinglePage,
}

const fn yes() -> bool {
    true
}
const fn default_limit() -> u32 {
    1000
}
const fn default_margin() -> u32 {
    300
}
pub(crate) const fn default_min_price() -> u32 {
    USUAL_FLOOR.0
}
const fn default_max_pages() -> u32 {
    2000
}
const fn default_max_entries() -> u32 {
    2_000_000
}
const fn default_timeout() -> u32 {
    60
}

/// Settings that were checked, secrets read.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Address of the shop's list, without query.
    pub(crate) shop_url: Url,
    /// How to talk to the vendor.
    pub(crate) http: http::Config,
    pub(crate) limit: u32,
    pub(crate) after: After,
    /// `None` switches deltas off.
    pub(crate) delta_margin: Option<Duration>,
    pub(crate) milliseconds: bool,
    pub(crate) in_stock_first: bool,
    pub(crate) keep_back: u32,
    pub(crate) max_pages: u32,
    pub(crate) max_entries: u32,
    pub(crate) reading: Reading,
}

/// How entries are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) unit: PriceUnit,
    pub(crate) case_insensitive_keys: bool,
    pub(crate) generation_1: bool,
    pub(crate) leading_dot_numbers: bool,
    /// Smallest price that is believed.
    pub(crate) min_price: Cents,
}

/// Reads and checks.
pub(crate) fn check(settings: &Value, context: &Context) -> Result<Checked, SettingsError> {
    let settings: Settings = passerelle_kit::settings::read(settings)?;
    let mut problems = Vec::new();
    let mut problem = |path: &str, message: &str| {
        problems.push(SettingProblem { path: path.to_owned(), message: message.to_owned() });
    };
    let shop_url = shop_url(&settings.api_url, &settings.siret);
    if shop_url.is_none() {
        problem("api_url", "write the editor's full address, such as https://editor.example/stocks");
    }
    if !settings.api_url.username().is_empty() || settings.api_url.password().is_some() {
        problem("api_url", "credentials do not belong in an address: write basic = { user = …, password = … }");
    }
    let shop_chars = settings.siret.chars().count();
    if !(1..=MAX_SHOP_ID_CHARS).contains(&shop_chars) || [".", ".."].contains(&settings.siret.as_str()) {
        problem(
            "siret",
            "write the shop's identifier at the editor, 1 to 70 characters, usually its SIRET of 14 digits",
        );
    }
    if !(1..=MAX_LIMIT).contains(&settings.limit) {
        problem("limit", "write a number from 1 to 5000");
    }
    if !(1..=300).contains(&settings.timeout_seconds) {
        problem("timeout_seconds", "write a number from 1 to 300");
    }
    if settings.modified_since_margin_seconds > 604_800 {
        problem("modified_since_margin_seconds", "write at most 604800, a week");
    }
    if settings.max_pages == 0 {
        problem("max_pages", "write at least 1");
    }
    if settings.max_entries == 0 {
        problem("max_entries", "write at least 1");
    }
    if settings.basic.is_some() && settings.basic_raw_token.is_some() {
        problem("basic", "write basic or basic_raw_token, not both");
    }
    let authorization = match authorization(&settings, &context.base_dir) {
        Ok(authorization) => authorization,
        Err(secret_problem) => {
            problems.push(secret_problem);
            None
        }
    };
    let Some(shop_url) = shop_url.filter(|_| problems.is_empty()) else { return Err(SettingsError { problems }) };
    let timeout = Duration::from_secs(u64::from(settings.timeout_seconds));
    Ok(Checked {
        http: http::Config {
            authorization,
            allow_plain_http: settings.allow_plain_http,
            request_timeout: timeout,
            total_timeout: timeout * 2,
            max_body_bytes: MAX_BODY_BYTES,
            concurrency: AT_ONCE,
            ..http::Config::new(shop_url.clone(), context)
        },
        shop_url,
        limit: settings.limit,
        after: settings.after,
        delta_margin: settings
            .modified_since
            .then(|| Duration::from_secs(u64::from(settings.modified_since_margin_seconds))),
        milliseconds: settings.milliseconds,
        in_stock_first: settings.in_stock_first,
        keep_back: settings.keep_back,
        max_pages: settings.max_pages,
        max_entries: settings.max_entries,
        reading: Reading {
            unit: settings.price_unit.into(),
            case_insensitive_keys: settings.case_insensitive_keys,
            generation_1: settings.generation_1,
            leading_dot_numbers: settings.leading_dot_numbers,
            min_price: Cents(settings.min_price_cents),
        },
    })
}

/// The base address with the shop as its last segment, percent-encoded; `None` when the base cannot have one.
fn shop_url(base: &Url, shop: &str) -> Option<Url> {
    let mut url = base.clone();
    url.host()?;
    url.set_fragment(None);
    url.path_segments_mut().ok()?.pop_if_empty().push(shop);
    Some(url)
}

fn authorization(settings: &Settings, base_dir: &Path) -> Result<Option<Secret>, SettingProblem> {
    if let Some(token) = &settings.basic_raw_token {
        let token = token.resolve(base_dir).map_err(|wrong| wrong.at("basic_raw_token"))?;
        // As it is: the servers compare with a token that need not be Base64.
        return Ok(Some(Secret::new(&format!("Basic {}", token.expose()))));
    }
    let Some(Basic { user, password }) = &settings.basic else { return Ok(None) };
    if user.contains(':') {
        let message = "a user name with a colon cannot be sent with Basic".to_owned();
        return Err(SettingProblem { path: "basic.user".to_owned(), message });
    }
    let password = password.resolve(base_dir).map_err(|wrong| wrong.at("basic.password"))?;
    Ok(Some(http::basic(user, &password)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(settings: Value) -> Result<Checked, Vec<String>> {
        check(&settings, &Context::default())
            .map_err(|error| error.problems.into_iter().map(|problem| problem.path).collect())
    }

    fn good() -> Value {
        json!({"api_url": "https://editor.example/stocks/", "siret": "12345678901234", "price_unit": "euro"})
    }

    fn with(key: &str, value: Value) -> Value {
        let mut settings = good();
        settings[key] = value;
        settings
    }

    #[test]
    fn the_shop_is_one_encoded_segment_behind_the_base_address() {
        assert_eq!(checked(good()).unwrap().shop_url.as_str(), "https://editor.example/stocks/12345678901234");
        let odd = checked(with("siret", json!("a/../b?c"))).unwrap();
        assert_eq!(odd.shop_url.as_str(), "https://editor.example/stocks/a%2F..%2Fb%3Fc");
    }

    #[test]
    fn all_wrong_settings_are_named_at_once() {
        let wrong = json!({"api_url": "https://u:p@editor.example", "siret": "..", "price_unit": "cent", "limit": 0,
            "timeout_seconds": 900, "max_pages": 0, "basic_raw_token": {"env": "PASSERELLE_NEVER_SET"}});
        let paths = checked(wrong).unwrap_err();
        assert_eq!(paths, ["api_url", "siret", "limit", "timeout_seconds", "max_pages", "basic_raw_token"]);
        assert_eq!(checked(json!({})).unwrap_err(), ["api_url", "price_unit", "siret"]);
        assert_eq!(checked(with("price_unit", json!("dollar"))).unwrap_err(), ["price_unit"]);
    }
}
