//! Settings of one cinema: read, then checked, all problems at once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use passerelle_contract::{Cents, Context, Quantity, SettingsError};
use passerelle_kit::checks::Checks;
use passerelle_kit::http;
use passerelle_kit::secret::SecretRef;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// Where the vendor answers stored queries.
const VENDOR: &str = "https://graph-api-proxy.allocine.fr/api/query/";
/// Longest programme, in bytes: a large cinema's has about one MiB.
const MAX_BODY_BYTES: u64 = 32 * 1024 * 1024;
/// pass Culture takes no seat that costs more, in cents.
const HIGHEST_PRICE_CENTS: u32 = 30_000;
/// No room has more seats.
const MOST_PLACES: u32 = 20_000;
/// Longest code of a theater, in characters; all known ones have five.
const LONGEST_CODE: usize = 12;
/// What stands before the code in the graph's identifiers.
const THEATER_PREFIX: &str = "Theater:";

/// Connection to one cinema's listings.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Root of the stored queries; the vendor's own unless said.
    base_url: Option<Url>,
    /// The account's key.
    api_key: SecretRef,
    /// The cinema: its code at Allociné (`P9421`) or the identifier made of it (`VGhlYXRlcjpQOTQyMQ==`).
    theater_id: String,
    /// What a beneficiary pays for one seat of any of these showtimes, in cents, 1 to 30000.
    #[schemars(range(min = 1, max = 30000))]
    price_cents: u32,
    /// Places of each showtime that pass Culture may give away in all, 1 to 20000; without it there is no limit.
    #[schemars(range(min = 1, max = 20000))]
    quantity: Option<u32>,
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

/// What the cinema offers beneficiaries at each of its showtimes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub(crate) price: Cents,
    /// In all, those that are booked included.
    pub(crate) places: Quantity,
}

/// Settings that were checked, secrets read.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) http: http::Config,
    /// The theater's identifier in the graph.
    pub(crate) theater: String,
    pub(crate) offer: Offer,
    pub(crate) duo: bool,
}

/// Reads and checks.
pub(crate) fn check(settings: &Value, context: &Context) -> Result<Checked, SettingsError> {
    let settings: Settings = passerelle_kit::settings::read(settings)?;
    let mut checks = Checks::new(context);
    let written = settings.base_url.or_else(|| Url::parse(VENDOR).ok());
    let base = written.as_ref().and_then(|written| {
        checks.root("base_url", written, "write the full address of the stored queries, or leave it out", "api_key")
    });
    let theater = identifier(settings.theater_id.trim());
    let code = "write the cinema's code at Allociné, such as P9421, or the identifier made of it";
    checks.ensure(theater.is_some(), "theater_id", code);
    let price = "write a price in cents from 1 to 30000: 650 is 6.50 euros";
    checks.ensure((1..=HIGHEST_PRICE_CENTS).contains(&settings.price_cents), "price_cents", price);
    checks.number("quantity", settings.quantity.unwrap_or(1), 1..=MOST_PLACES);
    let timeout = checks.timeout("timeout_seconds", settings.timeout_seconds);
    let api_key = checks.secret("api_key", &settings.api_key);
    let ((base, theater), api_key) = checks.done(base.zip(theater).zip(api_key))?;
    Ok(Checked {
        http: http::Config {
            authorization: Some(http::bearer(&api_key)),
            max_body_bytes: MAX_BODY_BYTES,
            ..http::Config::new(base, context).within(timeout)
        },
        theater,
        offer: Offer { price: Cents(settings.price_cents), places: Quantity::of(settings.quantity) },
        duo: settings.duo,
    })
}

/// The graph's identifier of a theater, from its code or as it is.
fn identifier(written: &str) -> Option<String> {
    let is_code = |code: &str| {
        (2..=LONGEST_CODE).contains(&code.len())
            && code.starts_with(|first: char| first.is_ascii_uppercase())
            && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    if is_code(written) {
        return Some(STANDARD.encode(format!("{THEATER_PREFIX}{written}")));
    }
    let decoded = STANDARD.decode(written).ok()?;
    let code = std::str::from_utf8(&decoded).ok()?.strip_prefix(THEATER_PREFIX)?;
    is_code(code).then(|| written.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theater_is_named_by_its_code_or_by_its_identifier() {
        assert_eq!(identifier("P9421").as_deref(), Some("VGhlYXRlcjpQOTQyMQ=="));
        assert_eq!(identifier("VGhlYXRlcjpXODg0Mg==").as_deref(), Some("VGhlYXRlcjpXODg0Mg=="));
        for odd in ["", "p9421", "9421", "TW92aWU6OTkwNDE3", "VGhlYXRlcjo=", "VGhlYXRlcjpXODg0Mg", "P 421"] {
            assert_eq!(identifier(odd), None, "{odd}");
        }
    }

    #[test]
    fn the_address_of_the_queries_is_known() {
        assert!(Url::parse(VENDOR).is_ok());
    }
}
