//! Where the file comes from: a folder, a web address, an SFTP drop; plain, gzipped or zipped.
//!
//! Invariant: whatever the place, what leaves here is one open file that is whole as far as anyone can tell, in a
//! temporary file or on its disk, never in memory.

mod http;
mod local;
mod memory;
mod order;
#[cfg(feature = "sftp")]
mod sftp;
pub(crate) mod unpack;

use std::time::{Duration, SystemTime};

use passerelle_contract::{AdapterError, Class, Context, Cursor, SettingsError};

pub(crate) use memory::{History, Memory};
#[cfg(feature = "sftp")]
use order::Choice;
pub(crate) use order::Reading;
use order::{Chosen, choose, mode_of, newest};

use crate::plan::{Pick, Place, Plan};
use crate::scan::About;

/// Largest file that is fetched, in bytes.
pub(crate) const MAX_DOWNLOAD_BYTES: u64 = 1 << 30;
/// Longest fetch: a chain's 100 MB over a slow line.
pub(crate) const MAX_FETCH_TIME: Duration = Duration::from_secs(15 * 60);
/// How soon a marker is looked for again.
const LOOK_FOR_MARKER: Duration = Duration::from_secs(60);
/// The shortest wait for a file that is being written.
const SHORTEST_WAIT: Duration = Duration::from_secs(5);

/// A file to read, or the news that there is nothing new.
pub(crate) enum Found {
    /// Read this.
    File(Box<Opened>),
    /// Every file was read; what is remembered of them, and what a person should know.
    NothingNew(Cursor, Vec<String>),
    /// The server says that the content of the cursor is still the content.
    Same(Cursor),
}

/// Files fetched from one server at once, over all connections.
pub(crate) const AT_ONCE: u32 = 4;

/// A file that was opened.
pub(crate) struct Opened {
    pub file: std::fs::File,
    pub about: About,
    /// Files that say something newer, newest first.
    pub newer: Vec<(std::fs::File, About)>,
    /// Where files build on each other.
    pub reading: Option<Reading>,
}

/// What a place shows when it is only looked at.
pub(crate) struct Sight {
    /// What was seen.
    pub saw: String,
    /// Name of the newest export, and when it was written.
    pub newest: Option<(String, SystemTime)>,
}

impl Sight {
    fn of(saw: String, file: Option<Listed>) -> Self {
        Self { saw, newest: file.and_then(|file| Some((file.name, file.modified?))) }
    }
}

/// The place of one connection's files.
pub(crate) enum Origin {
    Local(local::Local),
    Http(Box<http::Http>),
    #[cfg(feature = "sftp")]
    Sftp(Box<sftp::Sftp>),
}

impl Origin {
    /// The server that it is fetched from, if it is.
    pub(crate) fn host(&self) -> Option<String> {
        match self {
            Self::Local(_) => None,
            Self::Http(http) => Some(http.host()),
            #[cfg(feature = "sftp")]
            Self::Sftp(sftp) => Some(sftp.server()),
        }
    }

    /// Prepares the place and reads its secrets. Opens no connection.
    pub(crate) fn new(plan: &Plan, context: &Context) -> Result<Self, SettingsError> {
        match &plan.place {
            Place::Path(path) => Ok(Self::Local(local::Local::new(context.base_dir.join(path)))),
            Place::Http(url) => Ok(Self::Http(Box::new(http::Http::new(url, &plan.access, context)?))),
            #[cfg(feature = "sftp")]
            Place::Sftp(url) => Ok(Self::Sftp(Box::new(sftp::Sftp::new(url, &plan.access, context)?))),
            #[cfg(not(feature = "sftp"))]
            Place::Sftp(url) => Err(SettingsError::one(
                "url",
                format!("this build reads no {} addresses: build with the feature `sftp`", url.scheme()),
            )),
        }
    }

    /// Finds the file to read next and opens it.
    pub(crate) async fn fetch(&self, pick: &Pick, from: Option<&Cursor>) -> Result<Found, AdapterError> {
        match self {
            Self::Local(local) => local.find(pick, from, SystemTime::now()),
            Self::Http(http) => http.fetch(pick, from).await,
            #[cfg(feature = "sftp")]
            Self::Sftp(sftp) => sftp.fetch(pick, from).await,
        }
    }

    /// Asks whether the place answers, and says what it saw.
    pub(crate) async fn reach(&self, pick: &Pick) -> Result<Sight, AdapterError> {
        match self {
            Self::Local(local) => local.reach(pick),
            Self::Http(http) => http.reach().await,
            #[cfg(feature = "sftp")]
            Self::Sftp(sftp) => sftp.reach(pick).await,
        }
    }

    /// Does the place ask for credentials?
    pub(crate) const fn signs_in(&self) -> bool {
        match self {
            Self::Local(_) => false,
            Self::Http(http) => http.signs_in(),
            #[cfg(feature = "sftp")]
            Self::Sftp(_) => true,
        }
    }
}

/// A file as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub name: String,
    pub bytes: u64,
    pub modified: Option<SystemTime>,
}

/// Waits for a file that may still be written.
pub(crate) fn check_settled(
    pick: &Pick,
    file: &Listed,
    marker: Option<&Listed>,
    now: SystemTime,
    operation: &str,
) -> Result<(), AdapterError> {
    if let Some(ending) = &pick.marker {
        return match marker {
            // A marker older than the file announced the one before it.
            Some(marker) if marker.modified >= file.modified => Ok(()),
            _ => Err(waiting(
                operation,
                format!(
                    "{}{ending} does not stand beside the file yet; it is looked for every {} s",
                    file.name,
                    LOOK_FOR_MARKER.as_secs()
                ),
                LOOK_FOR_MARKER,
            )),
        };
    }
    // A time in the future says nothing of how long the file has been left alone.
    let age = file.modified.and_then(|modified| now.duration_since(modified).ok());
    match age.and_then(|age| pick.settle.checked_sub(age).filter(|left| !left.is_zero()).map(|left| (age, left))) {
        Some((age, left)) => {
            // Whole seconds, rounded up: by then it has settled.
            let left = Duration::from_secs(left.as_secs() + 1);
            Err(waiting(
                operation,
                format!(
                    "the file changed {} s ago and may still be written; it is read in {} s, once it was left alone for {} s (file.settle_seconds)",
                    age.as_secs(),
                    left.as_secs(),
                    pick.settle.as_secs()
                ),
                left,
            ))
        }
        None => Ok(()),
    }
}

/// Nothing is wrong: the file is not ready.
fn waiting(operation: &str, context: String, wait: Duration) -> AdapterError {
    AdapterError::new(Class::Waiting, "FileIncomplete", operation, context).after(Some(wait))
}

/// The file changed under the reader's eyes.
pub(crate) fn changed_meanwhile(operation: &str, settle: Duration) -> AdapterError {
    let wait = settle.max(SHORTEST_WAIT);
    let context = format!(
        "the file changed while it was read: it is still being written; it is read again in {} s",
        wait.as_secs()
    );
    waiting(operation, context, wait)
}

/// What to say of an export that is older than it may be.
pub(crate) fn stale_warning(
    pick: &Pick,
    name: &str,
    written: Option<SystemTime>,
    history: &History,
    now: SystemTime,
) -> Option<String> {
    let written = written?;
    let most = pick.max_age.unwrap_or_else(|| history.max_age());
    let age = now.duration_since(written).ok().filter(|age| *age > most)?;
    let since = jiff::Timestamp::try_from(written).map(|time| time.strftime("%Y-%m-%d %H:%M UTC").to_string()).ok()?;
    let rule = match pick.max_age {
        Some(_) => format!("file.max_age allows {} h", most.as_secs() / 3600),
        None => {
            format!("three times its usual interval, {} h at least; file.max_age says otherwise", most.as_secs() / 3600)
        }
    };
    Some(format!(
        "no new export since {since}: {name} is {} h old (StaleFile; {rule}): is the shop's export still running?",
        age.as_secs() / 3600
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn listed(name: &str, seconds: u64) -> Listed {
        Listed { name: name.into(), bytes: 1, modified: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)) }
    }

    fn pick(file: serde_json::Value) -> Pick {
        Plan::check(&json!({ "path": "x", "file": file })).unwrap().pick
    }

    #[test]
    fn an_export_is_stale_after_three_usual_intervals_and_three_days_at_least() {
        let at = |days: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400);
        let told = |file: serde_json::Value, history: &History, days| {
            stale_warning(&pick(file), "s.csv", Some(at(0)), history, at(days))
        };
        let mut weekly = History::default();
        assert!(told(json!({}), &weekly, 3).is_none());
        let warning = told(json!({}), &weekly, 4).unwrap();
        assert!(warning.contains("StaleFile") && warning.contains("since 1970-01-01 00:00 UTC"), "{warning}");
        for week in 0..3 {
            weekly.add(at(week * 7));
        }
        assert!(told(json!({}), &weekly, 20).is_none() && told(json!({}), &weekly, 22).is_some());
        assert!(told(json!({ "max_age": "1d" }), &weekly, 2).is_some(), "what is written wins");
    }

    #[test]
    fn a_file_is_read_once_it_was_left_alone_or_its_marker_stands() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let settled =
            |pick: &Pick, file: &Listed, marker: Option<&Listed>| check_settled(pick, file, marker, now, "x").is_ok();
        let by_time = pick(json!({}));
        assert!(!settled(&by_time, &listed("a", 990), None));
        let error = check_settled(&by_time, &listed("a", 990), None, now, "x").unwrap_err();
        assert_eq!(error.retry_after, Some(Duration::from_secs(111)), "what is left of 120 s, rounded up");
        assert!(settled(&by_time, &listed("a", 800), None));
        assert!(settled(&pick(json!({ "settle_seconds": 0 })), &listed("a", 1000), None));
        let by_marker = pick(json!({ "marker": ".ok" }));
        assert!(!settled(&by_marker, &listed("a", 10), None));
        assert!(!settled(&by_marker, &listed("a", 10), Some(&listed("a.ok", 9))));
        assert!(settled(&by_marker, &listed("a", 10), Some(&listed("a.ok", 11))));
    }
}
