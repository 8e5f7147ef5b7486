//! Where the file comes from: a folder, a web address, an SFTP drop; plain, gzipped or zipped.
//!
//! Invariant: whatever the place, what leaves here is one open file that is whole as far as anyone can tell, in a
//! temporary file or on its disk, never in memory.

mod http;
mod local;
#[cfg(feature = "sftp")]
mod sftp;
pub(crate) mod unpack;

use std::time::{Duration, SystemTime};

use passerelle_contract::{AdapterError, Class, Context, Cursor, SettingsError};

use crate::plan::{Pick, Place, Plan};
use crate::scan::About;
use crate::settings::{Mode, NamedMode};

/// Largest file that is fetched, in bytes.
pub(crate) const MAX_DOWNLOAD_BYTES: u64 = 1 << 30;
/// Longest fetch: a chain's 100 MB over a slow line.
pub(crate) const MAX_FETCH_TIME: Duration = Duration::from_secs(15 * 60);

/// A file to read, or the news that there is nothing new.
pub(crate) enum Found {
    /// Read this.
    File(std::fs::File, About),
    /// Every file up to the cursor was read already.
    NothingNew(Cursor),
    /// The server says that the content of the cursor is still the content.
    Same(Cursor),
}

/// Files fetched from one server at once, over all connections.
pub(crate) const AT_ONCE: u32 = 4;

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
    pub(crate) async fn reach(&self, pick: &Pick) -> Result<String, AdapterError> {
        match self {
            Self::Local(local) => local.reach(pick),
            Self::Http(http) => http.reach().await,
            #[cfg(feature = "sftp")]
            Self::Sftp(sftp) => sftp.reach().await,
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

/// The file of a listing to read next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub file: Listed,
    pub mode: NamedMode,
    pub cursor: Option<Cursor>,
}

/// What a file's name makes of it.
pub(crate) fn mode_of(pick: &Pick, name: &str) -> NamedMode {
    match pick.mode {
        Mode::Full => NamedMode::Full,
        Mode::Delta => NamedMode::Delta,
        Mode::ByName => {
            pick.by_name.iter().find(|(glob, _)| glob.is_match(name)).map_or(NamedMode::Full, |(_, mode)| *mode)
        }
    }
}

/// Chooses from a folder: the newest full file, or the first one after the cursor where files build on each other.
///
/// `Ok(None)` when everything up to the cursor was read.
pub(crate) fn choose(
    mut files: Vec<Listed>,
    pick: &Pick,
    from: Option<&Cursor>,
    operation: &str,
) -> Result<Option<Choice>, AdapterError> {
    files.retain(|file| is_wanted(pick, &file.name));
    if files.is_empty() {
        let context = "no file of this folder matches file.match; check the folder and the pattern";
        return Err(AdapterError::new(Class::Data, "Unreadable", operation, context));
    }
    files.sort_by_cached_key(|file| order_key(pick, file));
    if pick.mode == Mode::Full {
        return Ok(files.pop().map(|file| Choice { file, mode: NamedMode::Full, cursor: None }));
    }
    let after = from.map_or("", |cursor| cursor.0.as_str());
    files.retain(|file| order_key(pick, file).as_str() > after);
    // A newer full file makes everything before it old news.
    let last_full = files.iter().rposition(|file| mode_of(pick, &file.name) == NamedMode::Full);
    let chosen = last_full.unwrap_or(0);
    if chosen >= files.len() {
        return Ok(None);
    }
    let file = files.swap_remove(chosen);
    let (mode, cursor) = (mode_of(pick, &file.name), Cursor(order_key(pick, &file)));
    Ok(Some(Choice { file, mode, cursor: Some(cursor) }))
}

/// Compares files in time order: the date in the name, else the time of change; then the name.
fn order_key(pick: &Pick, file: &Listed) -> String {
    let dated = pick.pattern.as_ref().and_then(|pattern| pattern.date.as_ref());
    let time = match dated {
        Some(date) => date.find(&file.name).unwrap_or_default(),
        None => {
            let since = file.modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
            format!("{:020}", since.unwrap_or_default().as_millis())
        }
    };
    let name: String = file.name.chars().take(300).collect();
    format!("{time:0<20} {name}")
}

fn is_wanted(pick: &Pick, name: &str) -> bool {
    let is_marker = pick.marker.as_ref().is_some_and(|marker| name.ends_with(marker.as_str()));
    !is_marker
        && !pick.temp.iter().any(|glob| glob.is_match(name))
        && pick.pattern.as_ref().is_none_or(|pattern| pattern.glob.is_match(name))
}

/// Refuses a file that may still be written.
pub(crate) fn check_settled(
    pick: &Pick,
    file: &Listed,
    marker: Option<&Listed>,
    now: SystemTime,
    operation: &str,
) -> Result<(), AdapterError> {
    let incomplete = |context: String| Err(AdapterError::new(Class::Transient, "FileIncomplete", operation, context));
    if let Some(ending) = &pick.marker {
        return match marker {
            // A marker older than the file announced the one before it.
            Some(marker) if marker.modified >= file.modified => Ok(()),
            _ => incomplete(format!("{}{ending} does not stand beside the file yet", file.name)),
        };
    }
    // A time in the future says nothing of how long the file has been left alone.
    let age = file.modified.and_then(|modified| now.duration_since(modified).ok());
    match age {
        Some(age) if age < pick.settle => incomplete(format!(
            "the file changed {} s ago and may still be written; it is read {} s after its last change (file.settle_seconds)",
            age.as_secs(),
            pick.settle.as_secs()
        )),
        _ => Ok(()),
    }
}

/// A warning about a file older than the settings allow.
pub(crate) fn stale_warning(pick: &Pick, file: &Listed, now: SystemTime) -> Option<String> {
    let (most, modified) = (pick.max_age?, file.modified?);
    let age = now.duration_since(modified).ok().filter(|age| *age > most)?;
    Some(format!(
        "{} is {} h old (StaleFile; file.max_age allows {} h): is the shop's export still running?",
        file.name,
        age.as_secs() / 3600,
        most.as_secs() / 3600
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
    fn the_newest_full_file_is_read_and_files_being_written_are_not() {
        let files = vec![listed("a.csv", 3), listed("b.csv", 2), listed(".c.csv", 9), listed("d.csv.part", 9)];
        let choice = choose(files, &pick(json!({ "match": "*.csv" })), None, "x").unwrap().unwrap();
        assert_eq!(choice.file.name, "a.csv");
    }

    #[test]
    fn a_date_in_the_name_orders_before_the_time_of_change() {
        let files = vec![listed("s_20260301.csv", 1), listed("s_20260201.csv", 9)];
        let choice = choose(files, &pick(json!({ "match": "s_{date:%Y%m%d}.csv" })), None, "x").unwrap().unwrap();
        assert_eq!(choice.file.name, "s_20260301.csv");
    }

    #[test]
    fn deltas_are_read_one_by_one_after_the_last_full_file() {
        let pick = pick(json!({ "mode": "by_name", "mode_by_name": [{ "glob": "*_delta_*", "mode": "delta" }] }));
        let files = || {
            vec![
                listed("s_full.csv", 2),
                listed("s_delta_1.csv", 1),
                listed("s_delta_3.csv", 3),
                listed("s_delta_4.csv", 4),
            ]
        };
        let mut read = Vec::new();
        let mut cursor = None;
        while let Some(choice) = choose(files(), &pick, cursor.as_ref(), "x").unwrap() {
            read.push((choice.file.name, choice.mode));
            cursor = choice.cursor;
        }
        let expected =
            [("s_full.csv", NamedMode::Full), ("s_delta_3.csv", NamedMode::Delta), ("s_delta_4.csv", NamedMode::Delta)];
        assert_eq!(read, expected.map(|(name, mode)| (name.to_owned(), mode)));
    }

    #[test]
    fn a_file_is_read_once_it_was_left_alone_or_its_marker_stands() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let settled =
            |pick: &Pick, file: &Listed, marker: Option<&Listed>| check_settled(pick, file, marker, now, "x").is_ok();
        let by_time = pick(json!({}));
        assert!(!settled(&by_time, &listed("a", 990), None));
        assert!(settled(&by_time, &listed("a", 800), None));
        assert!(settled(&pick(json!({ "settle_seconds": 0 })), &listed("a", 1000), None));
        let by_marker = pick(json!({ "marker": ".ok" }));
        assert!(!settled(&by_marker, &listed("a", 10), None));
        assert!(!settled(&by_marker, &listed("a", 10), Some(&listed("a.ok", 9))));
        assert!(settled(&by_marker, &listed("a", 10), Some(&listed("a.ok", 11))));
    }
}
