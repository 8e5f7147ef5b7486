//! Written shape → typed configuration: pure, offline, and all problems at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use url::Url;

use super::chains::{Discovery, expand};
use super::written::{WrittenConnection, WrittenGuard, WrittenPassCulture, default_listen};
use super::{
    Account, Config, DEFAULT_ACCOUNT, DEFAULT_REQUESTS_PER_MINUTE, DEFAULT_RESEND_AFTER, Declared, Problem, Server,
    Written,
};
use crate::rules::siret;
use crate::store::{ConnectionRecord, GuardLimits};

/// Seconds between two passes when a connection does not say.
const DEFAULT_EVERY_SECONDS: u32 = 15 * 60;
const SHORTEST_EVERY_SECONDS: i64 = 60;
const LONGEST_EVERY_SECONDS: i64 = 7 * 24 * 3600;
const SHORTEST_RESEND_AFTER: Duration = Duration::from_secs(1);
const LONGEST_RESEND_AFTER: Duration = Duration::from_hours(24);
const LONGEST_ID: usize = 64;
/// Above this no real key is served; the sandbox and a load test are.
const MOST_REQUESTS_PER_MINUTE: u32 = 60_000;

/// Checks the whole file.
///
/// # Errors
/// All problems, in the order of the file.
pub fn check(written: Written, base_dir: &Path) -> Result<Config, Vec<Problem>> {
    let mut problems = Vec::new();

    let store_url = store_url(&written.store.url, base_dir, &mut problems);
    let allow_private = written.server.as_ref().is_some_and(|server| server.allow_private_addresses);
    let server = server(written.server, &mut problems);
    let accounts = written.passculture.map(|account| accounts(account, base_dir, &mut problems)).unwrap_or_default();
    let names: Vec<String> = accounts.keys().cloned().collect();
    let declared = match check_connections(written.connection, base_dir, &names, allow_private) {
        Ok(declared) => declared,
        Err(found) => {
            problems.extend(found);
            Declared::default()
        }
    };
    match (problems.is_empty(), server) {
        (true, Some(server)) => Ok(Config { store_url, base_dir: base_dir.to_path_buf(), server, accounts, declared }),
        _ => Err(problems),
    }
}

fn store_url(written: &str, base_dir: &Path, problems: &mut Vec<Problem>) -> String {
    if let Some(path) = written.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            problems.push(Problem::new("store.url", "names no file; write for example `sqlite:passerelle.db`"));
        }
        return format!("sqlite:{}", base_dir.join(path).display());
    }
    if !written.starts_with("postgres://") && !written.starts_with("postgresql://") {
        problems.push(Problem::new("store.url", "is neither `sqlite:FILE` nor `postgres://…`"));
    }
    written.to_owned()
}

fn server(written: Option<super::written::WrittenServer>, problems: &mut Vec<Problem>) -> Option<Server> {
    let (listen, admin_token, public_url, allow) = match written {
        Some(server) => (server.listen, server.admin_token, server.public_url, server.allow_private_addresses),
        None => (default_listen(), None, None, false),
    };
    let public_url = public_url.and_then(|written| root_url(&written, "server.public_url", problems));
    match listen.parse::<SocketAddr>() {
        Ok(listen) => Some(Server { listen, admin_token, public_url, allow_private_addresses: allow }),
        Err(_) => {
            problems.push(Problem::new(
                "server.listen",
                format!("`{listen}` is not an address with a port; write for example `127.0.0.1:8080`"),
            ));
            None
        }
    }
}

/// Anybody can sign with a key of nothing.
const EMPTY_HMAC_KEY: &str = "write where the key is that pass Culture signs its messages with ({ env = \"NAME\" }, or a list while it is being \
     rotated), or leave hmac_key out: with an empty key anybody could sign";

fn accounts(written: WrittenPassCulture, base_dir: &Path, problems: &mut Vec<Problem>) -> BTreeMap<String, Account> {
    let mut all = BTreeMap::new();
    let default_base = written.base_url;
    let mut add = |name: String,
                   place: String,
                   base: &str,
                   api_key,
                   hmac_key: Option<super::written::OneOrMany>,
                   rate: Option<u32>,
                   resend_after: Option<&str>| {
        let base_url = root_url(base, &format!("{place}.base_url"), problems);
        let requests_per_minute = rate.unwrap_or(DEFAULT_REQUESTS_PER_MINUTE);
        if !(1..=MOST_REQUESTS_PER_MINUTE).contains(&requests_per_minute) {
            problems.push(Problem::new(
                format!("{place}.requests_per_minute"),
                format!("is {requests_per_minute}; 1 to {MOST_REQUESTS_PER_MINUTE} are possible, pass Culture allows 200 a key"),
            ));
        }
        let resend_after = resend_after_of(resend_after, &place, problems);
        if let Some(base_url) = base_url {
            let is_written = hmac_key.is_some();
            let hmac_keys = hmac_key.map(super::written::OneOrMany::into_vec).unwrap_or_default();
            if is_written && hmac_keys.is_empty() {
                problems.push(Problem::new(format!("{place}.hmac_key"), EMPTY_HMAC_KEY));
            }
            for (at, key) in hmac_keys.iter().enumerate().filter(|(_, key)| key.is_there_and_empty(base_dir)) {
                problems
                    .push(Problem::new(format!("{place}.hmac_key.{at}"), format!("{key} is empty; {EMPTY_HMAC_KEY}")));
            }
            all.insert(name.clone(), Account { name, base_url, api_key, hmac_keys, requests_per_minute, resend_after });
        }
    };
    add(
        DEFAULT_ACCOUNT.to_owned(),
        "passculture".to_owned(),
        &default_base,
        written.api_key,
        written.hmac_key,
        written.requests_per_minute,
        written.resend_after.as_deref(),
    );
    for (name, account) in written.accounts {
        let place = format!("passculture.accounts.{name}");
        let base = account.base_url.as_deref().unwrap_or(&default_base).to_owned();
        add(
            name,
            place,
            &base,
            account.api_key,
            account.hmac_key,
            account.requests_per_minute,
            account.resend_after.as_deref(),
        );
    }
    if all.contains_key("") {
        problems.push(Problem::new("passculture.accounts", "an account has an empty name"));
    }
    all
}

fn resend_after_of(written: Option<&str>, place: &str, problems: &mut Vec<Problem>) -> Duration {
    let Some(text) = written else { return DEFAULT_RESEND_AFTER };
    match text.parse::<jiff::SignedDuration>().ok().and_then(|length| Duration::try_from(length).ok()) {
        Some(length) if (SHORTEST_RESEND_AFTER..=LONGEST_RESEND_AFTER).contains(&length) => length,
        _ => {
            problems.push(Problem::new(
                format!("{place}.resend_after"),
                format!("`{text}` is not a length of time from 1 second to 1 day; write for example `30m`"),
            ));
            DEFAULT_RESEND_AFTER
        }
    }
}

/// pass Culture is reached, and reaches us, over TLS; plain HTTP is for a sandbox on this machine.
fn root_url(written: &str, place: &str, problems: &mut Vec<Problem>) -> Option<Url> {
    let place = place.to_owned();
    let url = match Url::parse(written) {
        Ok(url) => url,
        Err(why) => {
            problems.push(Problem::new(place, format!("`{written}` is not a URL: {why}")));
            return None;
        }
    };
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => problems.push(Problem::new(place.clone(), "plain http is only taken for loopback; write https://")),
        other => problems
            .push(Problem::new(place.clone(), format!("`{other}` is not a scheme of pass Culture; write https://"))),
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        problems.push(Problem::new(place, "carries credentials or a query; write the bare address"));
    }
    Some(url)
}

/// Checks connections on their own: ids, venue, account, interval, and the sites of chains. Adapters check their own settings later.
///
/// # Errors
/// All problems of all connections.
pub fn check_connections(
    written: Vec<WrittenConnection>,
    base_dir: &Path,
    accounts: &[String],
    allow_private: bool,
) -> Result<Declared, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    let mut declared = Declared::default();
    for (index, connection) in written.into_iter().enumerate() {
        let place = if connection.id.is_empty() {
            format!("connection[{index}]")
        } else {
            format!("connection.{}", connection.id)
        };
        check_id(&connection.id, &place, &mut problems);
        if !seen.insert(connection.id.clone()) {
            problems.push(Problem::new(place.clone(), "is declared twice"));
        }
        let account = connection.account.unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned());
        if !accounts.is_empty() && !accounts.contains(&account) {
            problems.push(Problem::new(
                format!("{place}.account"),
                format!("`{account}` is not declared; known accounts: {}", accounts.join(", ")),
            ));
        }
        let is_chain = connection.discover || !connection.sites.is_empty();
        if !is_chain {
            check_venue(connection.venue, connection.siret.as_deref(), &place, &mut problems);
        } else if connection.venue.is_some() || connection.siret.is_some() {
            problems.push(Problem::new(
                format!("{place}.venue"),
                "is given for a chain; its sites have venues, it has none",
            ));
        }
        let every_seconds = every(connection.every.as_deref(), &place, &mut problems);
        if !connection.settings.is_object() {
            problems.push(Problem::new(format!("{place}.settings"), "is not a table"));
        }
        let record = ConnectionRecord {
            id: connection.id,
            chain: None,
            adapter: connection.adapter,
            account,
            venue: connection.venue,
            siret: connection.siret,
            every_seconds,
            settings: connection.settings,
            base_dir: base_dir.display().to_string(),
            allow_private_addresses: connection.allow_private_addresses || allow_private,
            guard: guard(&connection.guard, &place, &mut problems),
            paused: false,
        };
        if !is_chain {
            declared.connections.push(record);
            continue;
        }
        let listed = connection.sites.iter().map(|site| site.id.clone()).collect();
        let sites = expand(&record, connection.sites, &place, &mut problems);
        let taken: BTreeSet<String> = sites.iter().map(|site| site.id.clone()).collect();
        for id in &taken {
            if !seen.insert(id.clone()) {
                problems.push(Problem::new(
                    place.clone(),
                    format!("would make connection `{id}`, which is declared already"),
                ));
            }
        }
        declared.connections.extend(sites);
        if connection.discover {
            declared.discoveries.push(Discovery { template: record, listed, taken });
        }
    }
    if problems.is_empty() { Ok(declared) } else { Err(problems) }
}

pub(super) fn check_id(id: &str, place: &str, problems: &mut Vec<Problem>) {
    let fine = !id.is_empty()
        && id.len() <= LONGEST_ID
        && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_');
    if !fine {
        problems.push(Problem::new(
            format!("{place}.id"),
            format!("has other characters than a–z, 0–9, `-` and `_`, is empty, or is longer than {LONGEST_ID}"),
        ));
    }
}

pub(super) fn check_venue(venue: Option<i64>, siret_text: Option<&str>, place: &str, problems: &mut Vec<Problem>) {
    match (venue, siret_text) {
        (None, None) => problems.push(Problem::new(
            format!("{place}.venue"),
            "is missing; write the pass Culture venue id, or `siret = \"…\"`",
        )),
        (Some(_), Some(_)) => {
            problems.push(Problem::new(format!("{place}.venue"), "and `siret` are both given; keep one"))
        }
        (Some(id), None) if id < 1 => problems.push(Problem::new(format!("{place}.venue"), "is not a venue id")),
        (None, Some(text)) if !siret::is_siret_or_ridet(text) => problems.push(Problem::new(
            format!("{place}.siret"),
            format!("`{text}` is neither a SIRET (14 digits with a right key) nor a RIDET (`NC1234567001XX`)"),
        )),
        _ => {}
    }
}

fn guard(written: &WrittenGuard, place: &str, problems: &mut Vec<Problem>) -> GuardLimits {
    let usual = GuardLimits::default();
    let mut number = |name: &str, written: Option<u32>, usual: u32, (least, most): (u32, u32)| {
        let number = written.unwrap_or(usual);
        if !(least..=most).contains(&number) {
            problems.push(Problem::new(
                format!("{place}.guard.{name}"),
                format!("is {number}; {least} to {most} are possible"),
            ));
        }
        number
    };
    let mut limits = GuardLimits {
        agree_after_seconds: usual.agree_after_seconds,
        max_price_factor: number("max_price_factor", written.max_price_factor, usual.max_price_factor, (2, 1_000)),
        max_quantity: number("max_quantity", written.max_quantity, usual.max_quantity, (1, 1_000_000)),
        first_unreadable_percent: number(
            "first_unreadable_percent",
            written.first_unreadable_percent,
            usual.first_unreadable_percent,
            (1, 100),
        ),
        first_dear_cents: number("first_dear_cents", written.first_dear_cents, usual.first_dear_cents, (1, 1_000_000)),
        first_cheap_cents: number(
            "first_cheap_cents",
            written.first_cheap_cents,
            usual.first_cheap_cents,
            (0, 100_000),
        ),
        first_same_quantity: number(
            "first_same_quantity",
            written.first_same_quantity,
            usual.first_same_quantity,
            (1, 1_000_000),
        ),
    };
    if let Some(text) = written.agree_after.as_deref() {
        let seconds = text.parse::<jiff::SignedDuration>().ok().map(|length| length.as_secs());
        match seconds.filter(|seconds| (SHORTEST_EVERY_SECONDS..=LONGEST_EVERY_SECONDS).contains(seconds)) {
            Some(seconds) => limits.agree_after_seconds = u32::try_from(seconds).unwrap_or(usual.agree_after_seconds),
            None => problems.push(Problem::new(
                format!("{place}.guard.agree_after"),
                format!("`{text}` is not a length of time from 1 minute to 7 days; write for example `6h`"),
            )),
        }
    }
    limits
}

fn every(written: Option<&str>, place: &str, problems: &mut Vec<Problem>) -> u32 {
    let Some(text) = written else { return DEFAULT_EVERY_SECONDS };
    match text.parse::<jiff::SignedDuration>() {
        Ok(length) if (SHORTEST_EVERY_SECONDS..=LONGEST_EVERY_SECONDS).contains(&length.as_secs()) => {
            u32::try_from(length.as_secs()).unwrap_or(DEFAULT_EVERY_SECONDS)
        }
        Ok(_) => {
            problems
                .push(Problem::new(format!("{place}.every"), format!("`{text}` is not between 1 minute and 7 days")));
            DEFAULT_EVERY_SECONDS
        }
        Err(_) => {
            problems.push(Problem::new(
                format!("{place}.every"),
                format!("`{text}` is not a length of time; write for example `15m`"),
            ));
            DEFAULT_EVERY_SECONDS
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let written = super::super::parse(text, "passerelle.toml").expect("parses");
        check(written, Path::new("/srv")).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_template_is_valid_as_written() {
        assert_eq!(problems(super::super::TEMPLATE), Vec::<String>::new());
    }

    #[test]
    fn an_empty_key_of_messages_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("empty"), " \n").expect("written");
        std::fs::write(folder.path().join("good"), "k\n").expect("written");
        let told = |key: &str| {
            let account = format!(
                "[passculture]\nbase_url = \"https://backend.example\"\napi_key = {{ env = \"K\" }}\nhmac_key = {key}\n"
            );
            let written = super::super::parse(&account, "passerelle.toml").expect("parses");
            let found = check(written, folder.path()).err().unwrap_or_default();
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        for empty in ["[]", "{ file = \"empty\" }", "[{ file = \"good\" }, { file = \"empty\" }]"] {
            let told = told(empty);
            assert!(told.len() == 1 && told[0].starts_with("passculture.hmac_key"), "{empty}: {told:?}");
        }
        // What this process cannot read is no answer: another one may.
        for fine in ["{ file = \"good\" }", "{ env = \"PASSERELLE_NEVER_SET\" }"] {
            assert_eq!(told(fine), Vec::<String>::new(), "{fine}");
        }
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let told = problems(
            r#"
            [store]
            url = "mysql:x"
            [server]
            listen = "nowhere"
            [passculture]
            base_url = "http://example.org"
            api_key = { env = "K" }
            requests_per_minute = 0
            [[connection]]
            id = "A b"
            adapter = "csv"
            every = "soon"
            "#,
        );
        let joined = told.join("\n");
        for expected in [
            "store.url",
            "server.listen",
            "passculture.base_url",
            "requests_per_minute",
            "connection.A b.id",
            "connection.A b.venue",
            "connection.A b.every",
        ] {
            assert!(joined.contains(expected), "{expected} is not told in:\n{joined}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place() {
        let error = super::super::parse("[store]\nurl = \"sqlite:a\"\nspeed = 1\n", "p.toml").unwrap_err();
        assert!(error.place.starts_with("p.toml:3"), "{error}");
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        let text = |base: &str| format!("[passculture]\nbase_url = \"{base}\"\napi_key = {{ env = \"K\" }}\n");
        assert!(problems(&text("http://127.0.0.1:9000")).is_empty());
        assert!(problems(&text("http://[::1]:9000")).is_empty());
        assert_eq!(problems(&text("http://10.0.0.1")).len(), 1);
    }

    #[test]
    fn a_connection_needs_one_venue_and_a_known_account() {
        let told = problems(
            "[passculture]\nbase_url = \"https://a.example\"\napi_key = { env = \"K\" }\n\
             [[connection]]\nid = \"a\"\nadapter = \"csv\"\nvenue = 1\nsiret = \"85331845900049\"\naccount = \"other\"\n",
        );
        assert_eq!(told.len(), 2, "{told:?}");
    }

    const CHAIN: &str = "[passculture]\nbase_url = \"https://a.example\"\napi_key = { env = \"K\" }\n\
        [[connection]]\nid = \"sud\"\nadapter = \"cds\"\nevery = \"30m\"\n";
    const SETTINGS: &str = "[connection.settings]\naccount_id = \"reseau\"\nduo = false\n";

    fn declared(sites: &str) -> Result<super::super::Declared, Vec<Problem>> {
        let written = super::super::parse(&format!("{CHAIN}{sites}\n{SETTINGS}"), "p.toml").expect("parses");
        check(written, Path::new("/srv")).map(|config| config.declared)
    }

    #[test]
    fn every_site_of_a_chain_is_a_connection() {
        let declared = declared(
            "sites = [\n  { id = \"0087\", venue = 7 },\n  { id = \"A b\", siret = \"85331845900049\", settings = { duo = true } },\n  \
             { id = \"c\", venue = 8, name = \"nord\" },\n]",
        )
        .unwrap();
        assert!(declared.discoveries.is_empty());
        let ids: Vec<&str> = declared.connections.iter().map(|site| site.id.as_str()).collect();
        assert_eq!(ids, ["sud-0087", "sud-a-b", "sud-nord"]);
        assert!(
            declared.connections.iter().all(|site| site.chain.as_deref() == Some("sud") && site.every_seconds == 1_800)
        );
        let settings: Vec<_> = declared.connections.iter().map(|site| site.settings.clone()).collect();
        assert_eq!(settings[0], serde_json::json!({ "account_id": "reseau", "duo": false, "cinema_id": "0087" }));
        assert_eq!(settings[1], serde_json::json!({ "account_id": "reseau", "duo": true, "cinema_id": "A b" }));
    }

    #[test]
    fn a_chain_that_asks_its_vendor_needs_no_list() {
        let declared = declared("discover = true\nsites = [{ id = \"a\", venue = 7 }]").unwrap();
        assert_eq!((declared.connections.len(), declared.discoveries.len()), (1, 1));
        assert!(declared.discoveries[0].listed.contains("a") && declared.discoveries[0].taken.contains("sud-a"));
    }

    #[test]
    fn what_is_wrong_with_a_chain_is_told_with_its_site() {
        for (sites, place) in [
            ("sites = [{ id = \"a\" }]", "connection.sud.sites.a.venue"),
            ("sites = [{ id = \"a\", venue = 7, siret = \"85331845900049\" }]", "connection.sud.sites.a.venue"),
            ("sites = [{ id = \"a\", siret = \"12\" }]", "connection.sud.sites.a.siret"),
            ("sites = [{ id = \"\", venue = 7 }]", "connection.sud.sites."),
            ("sites = [{ id = \"a b\", venue = 7 }, { id = \"A-B\", venue = 8 }]", "connection.sud.sites.A-B"),
            ("sites = [{ id = \"a\", venue = 7, name = \"é\" }]", "connection.sud.sites.a.id"),
            ("sites = [{ id = \"a\", venue = 7, settings = 3 }]", "connection.sud.sites.a.settings"),
            ("venue = 5\nsites = [{ id = \"a\", venue = 7 }]", "connection.sud.venue"),
        ] {
            let problems = declared(sites).expect_err(sites);
            assert!(problems.iter().any(|problem| problem.place == place), "{sites}: {problems:?}");
        }
    }
}
