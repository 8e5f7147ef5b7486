//! Which file of a folder is read next, and what becomes of those that arrive late.
//!
//! Invariant: pure. Where files build on each other each is read once, in the order of their times, and no old word replaces a newer one.

use std::time::SystemTime;

use passerelle_contract::{AdapterError, Class, Cursor};

use super::Listed;
use super::memory::{self, Memory};
use crate::plan::Pick;
use crate::settings::{Mode, NamedMode};

/// The file of a listing to read next.
#[derive(Debug)]
pub(crate) struct Choice {
    pub file: Listed,
    pub mode: NamedMode,
    /// Files that say something newer, newest first: what they say of a reference wins over this one.
    pub newer: Vec<(Listed, NamedMode)>,
    /// Where files build on each other: what is remembered once this one was read.
    pub reading: Option<Reading>,
    pub warnings: Vec<String>,
}

/// What a listing gives.
#[derive(Debug)]
pub(crate) enum Chosen {
    File(Box<Choice>),
    /// Everything was read; what is remembered of it, and what a person should know.
    NothingNew(Cursor, Vec<String>),
}

/// A file of a folder whose files build on each other, while it is read.
#[derive(Debug)]
pub(crate) struct Reading {
    memory: Memory,
    file: Listed,
    /// Everything is read again.
    again: bool,
    listed: Vec<(String, Listed)>,
}

impl Reading {
    /// Was a file of this name with this content read already, and said nothing since that it would take back?
    pub(crate) fn is_known(&self, content: &Cursor, mode: NamedMode) -> bool {
        !self.again
            && self.memory.knows_content(&self.file.name, content)
            && (mode != NamedMode::Full || self.memory.is_last(&self.file.name))
    }

    /// The cursor once the file was read.
    pub(crate) fn done(&mut self, content: &Cursor) -> Cursor {
        if let Some(time) = self.file.modified {
            self.memory.history.add(time);
        }
        self.memory.add(&self.file, content, &self.listed);
        self.memory.cursor()
    }
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

/// The files of a folder that may be read, in order.
fn in_order(mut files: Vec<Listed>, pick: &Pick, operation: &str) -> Result<Vec<(String, Listed)>, AdapterError> {
    files.retain(|file| is_wanted(pick, &file.name));
    if files.is_empty() {
        let context = "no file of this folder matches file.match; check the folder and the pattern";
        return Err(AdapterError::new(Class::Data, "Unreadable", operation, context));
    }
    let mut listed: Vec<(String, Listed)> = files.into_iter().map(|file| (order_of(pick, &file), file)).collect();
    listed.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(listed)
}

/// The newest file of a folder, whose age says whether exports still come.
pub(crate) fn newest(files: Vec<Listed>, pick: &Pick, operation: &str) -> Result<Listed, AdapterError> {
    let files = in_order(files, pick, operation)?.into_iter().map(|(_, file)| file);
    let none = || AdapterError::new(Class::Data, "Unreadable", operation, "the folder is empty");
    files.max_by_key(|file| file.modified).ok_or_else(none)
}

/// Chooses from a folder: the newest full file, or the next one that was not read where files build on each other.
pub(crate) fn choose(
    files: Vec<Listed>,
    pick: &Pick,
    from: Option<&Cursor>,
    now: SystemTime,
    operation: &str,
) -> Result<Chosen, AdapterError> {
    let mut listed = in_order(files, pick, operation)?;
    if pick.mode == Mode::Full {
        let Some((_, file)) = listed.pop() else { return Ok(Chosen::NothingNew(Cursor(String::new()), Vec::new())) };
        let choice = Choice { file, mode: NamedMode::Full, newer: Vec::new(), reading: None, warnings: Vec::new() };
        return Ok(Chosen::File(Box::new(choice)));
    }
    let mut memory = Memory::read(from);
    memory.take_over(&listed, |file| old_order_key(pick, file));
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mode = |at: usize| listed.get(at).map_or(NamedMode::Full, |(_, file)| mode_of(pick, &file.name));
    let is_new = |at: &usize| listed.get(*at).is_some_and(|(key, file)| !memory.is_below(key) && !memory.knows(file));
    // A newer full file makes everything before it old news.
    let last_full = (0..listed.len()).rev().find(|at| mode(*at) == NamedMode::Full);
    let again = is_full_due(pick, &memory, seconds);
    let chosen = match last_full.filter(is_new).or_else(|| (0..listed.len()).find(is_new)) {
        // The new ones first: they are read one by one, in their order.
        Some(at) => Some((at, false)),
        None if again => {
            let start = last_full.unwrap_or(0);
            (start..listed.len())
                .find(|at| listed.get(*at).is_some_and(|(_, file)| memory.knows(file)))
                .map(|at| (at, true))
        }
        None => None,
    };
    let Some((at, again)) = chosen else {
        let warnings = passed_over(&mut memory, &listed);
        return Ok(Chosen::NothingNew(memory.cursor(), warnings));
    };
    let Some((key, file)) = listed.get(at).cloned() else {
        return Ok(Chosen::NothingNew(memory.cursor(), Vec::new()));
    };
    let mode = mode(at);
    let newer: Vec<(Listed, NamedMode)> = listed
        .iter()
        .skip(at + 1)
        .rev()
        .filter(|(key, file)| !memory.is_below(key) && memory.knows(file))
        .map(|(_, file)| (file.clone(), mode_of(pick, &file.name)))
        // Once a full file was read, what stands before it is old news; a full file behind this one does not exist.
        .filter(|(_, mode)| *mode != NamedMode::Full)
        .collect();
    if mode == NamedMode::Full {
        memory.raise_floor(&key);
    }
    if again || mode == NamedMode::Full || memory.full_at.is_none() {
        memory.full_at = Some(seconds);
    }
    let others: Vec<(String, Listed)> = listed.iter().filter(|(_, other)| *other != file).cloned().collect();
    let mut warnings = passed_over(&mut memory, &others);
    if !newer.is_empty() && !again {
        warnings.push(format!(
            "{} arrived late: it is older than {}, which were read before it; what they say wins",
            file.name,
            some_names(&newer.iter().map(|(file, _)| file.name.clone()).collect::<Vec<_>>())
        ));
    }
    let reading = Some(Reading { memory, file: file.clone(), again, listed });
    Ok(Chosen::File(Box::new(Choice { file, mode, newer, reading, warnings })))
}

/// Is it time to read everything again, as `full_every` asks?
fn is_full_due(pick: &Pick, memory: &Memory, now: u64) -> bool {
    match (pick.full_every, memory.full_at) {
        (Some(every), Some(last)) => now.saturating_sub(last) >= every.as_secs(),
        (Some(_), None) => true,
        (None, _) => false,
    }
}

fn passed_over(memory: &mut Memory, listed: &[(String, Listed)]) -> Vec<String> {
    let names = memory.passed_over(listed);
    if names.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "{} passed over: a newer full file was read, or more than {} files were read since; send what they say again if it still holds",
        some_names(&names),
        memory::MOST_REMEMBERED
    )]
}

/// A few names, and how many more.
fn some_names(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Compares files in time order: the date in the name, else the time of change; then the full one before those that build on it;
/// then the name, its numbers as numbers.
fn order_of(pick: &Pick, file: &Listed) -> String {
    memory::order_key(&time_of(pick, file), mode_of(pick, &file.name) == NamedMode::Full, &file.name)
}

fn time_of(pick: &Pick, file: &Listed) -> String {
    match pick.pattern.as_ref().and_then(|pattern| pattern.date.as_ref()) {
        Some(date) => date.find(&file.name).unwrap_or_default(),
        None => {
            let since = file.modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
            format!("{:020}", since.unwrap_or_default().as_millis())
        }
    }
}

/// The order of releases that remembered one place in it.
fn old_order_key(pick: &Pick, file: &Listed) -> String {
    let name: String = file.name.chars().take(300).collect();
    format!("{:0<20} {name}", time_of(pick, file))
}

fn is_wanted(pick: &Pick, name: &str) -> bool {
    let is_marker = pick.marker.as_ref().is_some_and(|marker| name.ends_with(marker.as_str()));
    !is_marker
        && !pick.temp.iter().any(|glob| glob.is_match(name))
        && pick.pattern.as_ref().is_none_or(|pattern| pattern.glob.is_match(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use std::time::Duration;

    use super::*;
    use crate::plan::Plan;

    fn listed(name: &str, seconds: u64) -> Listed {
        Listed { name: name.into(), bytes: 1, modified: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)) }
    }

    fn pick(file: serde_json::Value) -> Pick {
        Plan::check(&json!({ "path": "x", "file": file })).unwrap().pick
    }

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn chosen(files: Vec<Listed>, pick: &Pick, from: Option<&Cursor>) -> Choice {
        match choose(files, pick, from, NOW, "x").unwrap() {
            Chosen::File(choice) => *choice,
            Chosen::NothingNew(..) => panic!("nothing new"),
        }
    }

    /// Names and what stands before each, in the order in which passes read them; then what was passed over.
    fn read_all(files: &[Listed], pick: &Pick, cursor: &mut Option<Cursor>) -> (Vec<String>, Vec<String>) {
        let (mut read, mut told) = (Vec::new(), Vec::new());
        loop {
            match choose(files.to_vec(), pick, cursor.as_ref(), NOW, "x").unwrap() {
                Chosen::File(choice) => {
                    let newer: Vec<String> = choice.newer.iter().map(|(file, _)| format!("{}>", file.name)).collect();
                    read.push(format!("{}{}", newer.concat(), choice.file.name));
                    told.extend(choice.warnings);
                    let mut reading = choice.reading.unwrap();
                    *cursor = Some(reading.done(&Cursor(format!("{} {:?}", choice.file.name, choice.file.modified))));
                }
                Chosen::NothingNew(nothing, warnings) => {
                    told.extend(warnings);
                    *cursor = Some(nothing);
                    return (read, told);
                }
            }
        }
    }

    #[test]
    fn the_newest_full_file_is_read_and_files_being_written_are_not() {
        let files = vec![listed("a.csv", 3), listed("b.csv", 2), listed(".c.csv", 9), listed("d.csv.part", 9)];
        assert_eq!(chosen(files, &pick(json!({ "match": "*.csv" })), None).file.name, "a.csv");
    }

    #[test]
    fn a_date_in_the_name_orders_before_the_time_of_change() {
        let files = vec![listed("s_20260301.csv", 1), listed("s_20260201.csv", 9)];
        assert_eq!(chosen(files, &pick(json!({ "match": "s_{date:%Y%m%d}.csv" })), None).file.name, "s_20260301.csv");
    }

    #[test]
    fn deltas_are_read_one_by_one_after_the_last_full_file() {
        let pick = pick(json!({ "mode": "by_name", "mode_by_name": [{ "glob": "*_delta_*", "mode": "delta" }] }));
        let files = [
            listed("s_full.csv", 2),
            listed("s_delta_1.csv", 1),
            listed("s_delta_3.csv", 3),
            listed("s_delta_4.csv", 4),
        ];
        let mut cursor = None;
        let (read, told) = read_all(&files, &pick, &mut cursor);
        assert_eq!(read, ["s_full.csv", "s_delta_3.csv", "s_delta_4.csv"]);
        assert!(told.len() == 1 && told[0].contains("s_delta_1.csv passed over"), "{told:?}");
        assert_eq!(read_all(&files, &pick, &mut cursor), (Vec::new(), Vec::new()), "told once");
    }

    #[test]
    fn numbered_deltas_of_one_day_are_read_in_their_order() {
        let pick = pick(json!({ "mode": "delta", "match": "S_{date:%Y%m%d}_*.csv" }));
        let mut cursor = None;
        assert_eq!(read_all(&[listed("S_20260306_9.csv", 1)], &pick, &mut cursor).0, ["S_20260306_9.csv"]);
        let both = [listed("S_20260306_9.csv", 1), listed("S_20260306_10.csv", 2)];
        assert_eq!(read_all(&both, &pick, &mut cursor).0, ["S_20260306_10.csv"]);
        assert_eq!(read_all(&both, &pick, &mut None).0, ["S_20260306_9.csv", "S_20260306_10.csv"]);
    }

    #[test]
    fn a_delta_that_arrives_late_is_read_behind_the_newer_ones() {
        let pick = pick(json!({ "mode": "delta" }));
        let mut cursor = None;
        let mut files = vec![listed("d_2", 20), listed("d_3", 30)];
        assert_eq!(read_all(&files, &pick, &mut cursor).0, ["d_2", "d_3"]);
        files.push(listed("d_1", 10));
        let (read, told) = read_all(&files, &pick, &mut cursor);
        assert_eq!(read, ["d_3>d_2>d_1"]);
        assert!(told[0].contains("d_1 arrived late"), "{told:?}");
        // The same name with another content is another file.
        files.push(listed("d_3", 40));
        files.remove(1);
        assert_eq!(read_all(&files, &pick, &mut cursor).0, ["d_3"]);
    }

    #[test]
    fn the_mark_of_an_older_release_is_kept() {
        let pick = pick(json!({ "mode": "delta" }));
        let files = [listed("d_1", 1), listed("d_2", 2), listed("d_3", 3)];
        let mut cursor = Some(Cursor(old_order_key(&pick, &files[1])));
        let (read, told) = read_all(&files, &pick, &mut cursor);
        assert_eq!((read, told), (vec!["d_3".to_owned()], Vec::new()));
    }

    #[test]
    fn everything_is_read_again_when_full_every_says_so() {
        let pick = pick(json!({ "mode": "delta", "full_every": "1d" }));
        let files = [listed("d_1", 1), listed("d_2", 2)];
        let mut cursor = None;
        assert_eq!(read_all(&files, &pick, &mut cursor).0, ["d_1", "d_2"]);
        let later = NOW + Duration::from_secs(86_400);
        let Chosen::File(choice) = choose(files.to_vec(), &pick, cursor.as_ref(), later, "x").unwrap() else {
            panic!("nothing was due")
        };
        assert_eq!((choice.file.name.as_str(), choice.newer[0].0.name.as_str()), ("d_1", "d_2"));
    }
}
