//! `passerelle.toml`: parse → check → typed.
//!
//! [`parse`] reads text into the written shape and stops at the first thing that is not TOML or not a known key, with line and
//! column. [`check`] is pure and offline, and tells *all* problems at once. Neither opens a connection nor reads a secret:
//! secrets stay references until a command needs them.
//!
//! Invariant: a [`Config`] that exists has unique connection ids, known accounts and sane ranges.

mod chains;
mod check;
mod written;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use passerelle_kit::secret::SecretRef;
use url::Url;

use crate::store::ConnectionRecord;

pub use chains::{Discovery, MOST_SITES, site_record};
pub use check::{check, check_connections};
pub use written::{Written, WrittenConnection, WrittenSite, parse};

/// Requests a minute that a key may make unless the configuration says otherwise. pass Culture documents 200; the rest is
/// left for people who use the same key by hand.
pub const DEFAULT_REQUESTS_PER_MINUTE: u32 = 180;
/// How long what was accepted and does not show is waited for, unless said.
pub const DEFAULT_RESEND_AFTER: std::time::Duration = std::time::Duration::from_mins(30);

/// The account that `[passculture]` itself describes.
pub const DEFAULT_ACCOUNT: &str = "default";

/// Largest configuration file, in bytes: a chain of a thousand shops stays far below.
pub const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// A checked configuration.
#[derive(Debug)]
pub struct Config {
    /// Store address, with relative SQLite paths resolved against the file's folder.
    pub store_url: String,
    /// The folder of the file: relative paths are read against it.
    pub base_dir: PathBuf,
    /// What `serve` needs.
    pub server: Server,
    /// pass Culture provider accounts by name.
    pub accounts: BTreeMap<String, Account>,
    /// What the file connects.
    pub declared: Declared,
}

/// What `[[connection]]` entries declare.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// Connections, those of the sites that chains list among them.
    pub connections: Vec<ConnectionRecord>,
    /// Chains whose vendors are asked for more sites.
    pub discoveries: Vec<Discovery>,
}

impl Declared {
    /// Both together.
    pub fn extend(&mut self, other: Self) {
        self.connections.extend(other.connections);
        self.discoveries.extend(other.discoveries);
    }
}

/// `[server]`.
#[derive(Debug)]
pub struct Server {
    /// Where `serve` listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Bearer token of the admin API; without it the admin API answers 403.
    pub admin_token: Option<SecretRef>,
    /// Root under which pass Culture reaches this gateway; `apply` registers the message URLs below it.
    pub public_url: Option<Url>,
    /// May vendors live on private addresses, for every connection?
    pub allow_private_addresses: bool,
}

/// One pass Culture provider account.
#[derive(Clone, Debug)]
pub struct Account {
    /// `default` or the NAME of `[passculture.accounts.NAME]`.
    pub name: String,
    /// Root of the API, without path.
    pub base_url: Url,
    /// The provider's API key.
    pub api_key: SecretRef,
    /// Keys that sign pass Culture's messages; several while one is being rotated.
    pub hmac_keys: Vec<SecretRef>,
    /// Budget of the key, 1–60 000.
    pub requests_per_minute: u32,
    /// How long what was accepted and does not show is waited for before it is sent again, 1 second to 1 day.
    pub resend_after: std::time::Duration,
}

/// Something wrong with the configuration. All of them are shown together; the command exits with 78.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Problem {
    /// Dotted key (`connection.librairie.every`), or file with line and column.
    pub place: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl Problem {
    pub(crate) fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }
}

/// Reads and checks a configuration file.
///
/// # Errors
/// Every problem that can be told without talking to anyone.
pub fn load(path: &Path) -> Result<Config, Vec<Problem>> {
    let text = read_bounded(path).map_err(|problem| vec![problem])?;
    let written = parse(&text, &path.display().to_string()).map_err(|problem| vec![problem])?;
    check(written, &base_dir(path))
}

/// Reads a file that holds only `[[connection]]` entries, as `apply FILE` takes them. A whole configuration is fine too.
///
/// # Errors
/// As [`load`].
pub fn load_connections(path: &Path, accounts: &[String]) -> Result<Declared, Vec<Problem>> {
    let text = read_bounded(path).map_err(|problem| vec![problem])?;
    let written = parse(&text, &path.display().to_string()).map_err(|problem| vec![problem])?;
    let allow = written.server.as_ref().is_some_and(|server| server.allow_private_addresses);
    check_connections(written.connection, &base_dir(path), accounts, allow)
}

/// The folder against which a file's relative paths are read.
fn base_dir(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::path::absolute(parent).unwrap_or_else(|_| parent.to_path_buf())
}

fn read_bounded(path: &Path) -> Result<String, Problem> {
    let place = path.display().to_string();
    let told = |why: std::io::Error| {
        let hint = match why.kind() {
            std::io::ErrorKind::NotFound => "; `passerelle init` writes one, `--config FILE` names another",
            _ => "",
        };
        Problem::new(place.clone(), format!("cannot be read: {why}{hint}"))
    };
    let size = std::fs::metadata(path).map_err(told)?.len();
    if size > MAX_FILE_BYTES {
        return Err(Problem::new(place, format!("is {size} bytes long; a configuration has at most {MAX_FILE_BYTES}")));
    }
    std::fs::read_to_string(path).map_err(told)
}

/// The file that `passerelle init` writes: complete, commented, and valid as it stands.
pub const TEMPLATE: &str = include_str!("template.toml");
