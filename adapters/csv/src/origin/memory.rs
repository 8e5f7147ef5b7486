//! What a connection remembers of its files from pass to pass; written into the cursor.
//!
//! Files that build on each other are remembered by name and content, so that one that arrives late with an older time is still
//! read, and one that is sent twice is not. Invariant: the cursor has at most [`CURSOR_BYTES`], and a file that was passed over is
//! told of once.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use passerelle_contract::Cursor;
use xxhash_rust::xxh3::xxh3_64;

use super::Listed;

/// Longest cursor, as the contract has it.
const CURSOR_BYTES: usize = 4_096;
/// Files remembered one by one. Twelve bytes each; beyond, the oldest one is remembered only by its place in time.
pub(crate) const MOST_REMEMBERED: usize = 190;
/// Longest order key, in bytes.
const KEY_BYTES: usize = 240;
/// Times of exports that are remembered, to know how often they come.
const MOST_TIMES: usize = 8;
/// A file older than this is stale at the earliest, and while its usual interval is not known.
pub(crate) const SHORTEST_MAX_AGE: Duration = Duration::from_secs(3 * 86_400);
/// Exports may miss two turns.
const INTERVALS_UNTIL_STALE: u32 = 3;

const HEAD: &str = "deltas 1";

/// When exports were written, oldest first, in seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct History(Vec<u64>);

impl History {
    /// Remembers one export. Its time counts once.
    pub(crate) fn add(&mut self, time: SystemTime) {
        let Ok(since) = time.duration_since(SystemTime::UNIX_EPOCH) else { return };
        if self.0.last().is_none_or(|last| *last < since.as_secs()) {
            self.0.push(since.as_secs());
        }
        let surplus = self.0.len().saturating_sub(MOST_TIMES);
        self.0.drain(..surplus);
    }

    /// When the newest one was written.
    pub(crate) fn newest(&self) -> Option<SystemTime> {
        self.0.last().map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(*seconds))
    }

    /// The age from which on a file is stale: three times the usual interval, at least three days.
    pub(crate) fn max_age(&self) -> Duration {
        let mut intervals: Vec<u64> = self.0.windows(2).map(|pair| pair[1] - pair[0]).collect();
        intervals.sort_unstable();
        let usual = intervals.get(intervals.len() / 2).copied().unwrap_or(0);
        SHORTEST_MAX_AGE.max(Duration::from_secs(usual) * INTERVALS_UNTIL_STALE)
    }

    fn line(&self) -> Option<String> {
        let times: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        (!times.is_empty()).then(|| format!("\nseen {}", times.join(" ")))
    }

    /// The cursor with these times at its end.
    pub(crate) fn write(&self, cursor: &Cursor) -> Cursor {
        Cursor(format!("{}{}", cursor.0, self.line().unwrap_or_default()))
    }

    /// The times in any cursor of this adapter.
    pub(crate) fn of(cursor: Option<&Cursor>) -> Self {
        let line = cursor.and_then(|cursor| cursor.0.lines().find_map(|line| line.strip_prefix("seen ")));
        let mut times: Vec<u64> =
            line.unwrap_or_default().split(' ').filter_map(|time| time.parse().ok()).take(MOST_TIMES).collect();
        times.sort_unstable();
        Self(times)
    }
}

/// A file that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    name: u32,
    /// Size and time of change, as the listing shows them.
    looks: u32,
    content: u32,
}

/// What was read of a folder whose files build on each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// In the order in which they were read.
    entries: Vec<Entry>,
    /// Whatever is not later than this and not remembered is passed over: a newer full file has said it all, or it is too long ago.
    floor: String,
    /// Files below the floor that are not remembered and were told of, or were read long ago.
    below: usize,
    /// When everything was last read: a full file, or all files again.
    pub(crate) full_at: Option<u64>,
    pub(crate) history: History,
    /// Order key of a release that knew only a high-water mark.
    mark: Option<String>,
}

impl Memory {
    /// What a cursor remembers; nothing for none. A cursor of an older release is its high-water mark.
    pub(crate) fn read(cursor: Option<&Cursor>) -> Self {
        let Some(cursor) = cursor.filter(|cursor| !cursor.0.is_empty()) else { return Self::default() };
        let mut memory = Self { history: History::of(Some(cursor)), ..Self::default() };
        let Some(rest) = cursor.0.strip_prefix(HEAD) else {
            let is_mark = !cursor.0.starts_with("content ");
            memory.mark = is_mark.then(|| cursor.0.lines().next().unwrap_or_default().to_owned());
            return memory;
        };
        for line in rest.lines() {
            match line.split_once(' ') {
                Some(("floor", rest)) => {
                    let (below, key) = rest.split_once(' ').unwrap_or_default();
                    memory.below = below.parse().unwrap_or(0);
                    memory.floor = key.to_owned();
                }
                Some(("full-at", seconds)) => memory.full_at = seconds.parse().ok(),
                Some(("read", packed)) => memory.entries = unpacked(packed),
                _ => {}
            }
        }
        memory
    }

    /// The cursor that remembers this.
    pub(crate) fn cursor(&self) -> Cursor {
        let mut text = HEAD.to_owned();
        if !self.floor.is_empty() {
            let _infallible = write!(text, "\nfloor {} {}", self.below, self.floor);
        }
        if let Some(seconds) = self.full_at {
            let _infallible = write!(text, "\nfull-at {seconds}");
        }
        if !self.entries.is_empty() {
            let packed: Vec<u8> = self
                .entries
                .iter()
                .flat_map(|entry| [entry.name, entry.looks, entry.content])
                .flat_map(u32::to_be_bytes)
                .collect();
            let _infallible = write!(text, "\nread {}", URL_SAFE_NO_PAD.encode(packed));
        }
        let cursor = self.history.write(&Cursor(text));
        debug_assert!(cursor.0.len() <= CURSOR_BYTES, "{} bytes", cursor.0.len());
        cursor
    }

    /// Was this very file read?
    pub(crate) fn knows(&self, file: &Listed) -> bool {
        let (name, looks) = (short(file.name.as_bytes()), looks(file));
        self.entries.iter().any(|entry| entry.name == name && entry.looks == looks)
    }

    /// Is this what the file of this name said when it was last read? A name whose content went and came back says something new.
    pub(crate) fn knows_content(&self, name: &str, content: &Cursor) -> bool {
        let (name, content) = (short(name.as_bytes()), short(content.0.as_bytes()));
        self.entries.iter().rev().find(|entry| entry.name == name).is_some_and(|entry| entry.content == content)
    }

    /// Is this name the last one that was read?
    pub(crate) fn is_last(&self, name: &str) -> bool {
        self.entries.last().is_some_and(|entry| entry.name == short(name.as_bytes()))
    }

    /// Is everything up to this key said by something newer, or too long ago to be told apart?
    pub(crate) fn is_below(&self, key: &str) -> bool {
        key <= self.floor.as_str()
    }

    /// Remembers a file that was read. `listed` is the whole folder with its order keys, in order.
    pub(crate) fn add(&mut self, file: &Listed, content: &Cursor, listed: &[(String, Listed)]) {
        let entry =
            Entry { name: short(file.name.as_bytes()), looks: looks(file), content: short(content.0.as_bytes()) };
        self.entries
            .retain(|old| !(old.name == entry.name && (old.looks == entry.looks || old.content == entry.content)));
        self.entries.push(entry);
        while self.entries.len() > MOST_REMEMBERED {
            self.forget_one(listed);
        }
    }

    /// A full file says all that older files said.
    pub(crate) fn raise_floor(&mut self, key: &str) {
        if key > self.floor.as_str() {
            key.clone_into(&mut self.floor);
        }
    }

    /// Files that are passed over and were not told of yet; they count as told from now on.
    pub(crate) fn passed_over(&mut self, listed: &[(String, Listed)]) -> Vec<String> {
        let names: Vec<String> = listed
            .iter()
            .filter(|(key, file)| self.is_below(key) && !self.knows(file))
            .map(|(_, file)| file.name.clone())
            .collect();
        let fresh = names.len() > self.below;
        self.below = names.len();
        if fresh { names } else { Vec::new() }
    }

    /// Takes over the high-water mark of an older release: what it covers was read.
    pub(crate) fn take_over(&mut self, listed: &[(String, Listed)], old_key: impl Fn(&Listed) -> String) {
        let Some(mark) = self.mark.take() else { return };
        let covered: Vec<&(String, Listed)> =
            listed.iter().filter(|(_, file)| old_key(file).as_str() <= mark.as_str()).collect();
        for (_, file) in covered {
            self.add(file, &Cursor(String::new()), listed);
        }
        self.below = listed.iter().filter(|(key, file)| self.is_below(key) && !self.knows(file)).count();
    }

    /// One that is gone from the folder, else the oldest one of the folder.
    fn forget_one(&mut self, listed: &[(String, Listed)]) {
        let place = |entry: &Entry| {
            listed.iter().position(|(_, file)| short(file.name.as_bytes()) == entry.name && looks(file) == entry.looks)
        };
        let places: Vec<Option<usize>> = self.entries.iter().map(place).collect();
        let chosen = places
            .iter()
            .position(Option::is_none)
            .or_else(|| (0..places.len()).min_by_key(|at| places.get(*at).copied().flatten()));
        let Some(chosen) = chosen else { return };
        self.entries.remove(chosen);
        if let Some((key, _)) = places.get(chosen).copied().flatten().and_then(|place| listed.get(place)) {
            let key = key.clone();
            self.raise_floor(&key);
            self.below += 1;
        }
    }
}

/// The order key of a time and a name, bounded and on one line. Numbers in the name compare as numbers: `_10` follows `_9`.
pub(crate) fn order_key(time: &str, full: bool, name: &str) -> String {
    // Of one moment, the full file comes first.
    let mut key = format!("{time:0<20} {} ", u8::from(!full));
    let mut digits = String::new();
    let push = |key: &mut String, digits: &mut String| {
        if !digits.is_empty() {
            let number = digits.trim_start_matches('0');
            // Its length first: longer numbers are larger.
            let _infallible = write!(key, "{:02}{number}", number.len().min(99));
            digits.clear();
        }
    };
    for letter in name.chars() {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        push(&mut key, &mut digits);
        key.push(if letter.is_control() { ' ' } else { letter });
    }
    push(&mut key, &mut digits);
    key.truncate(key.floor_char_boundary(KEY_BYTES));
    key
}

/// Not against malice: a shop can only confuse its own files.
fn short(bytes: &[u8]) -> u32 {
    (xxh3_64(bytes) >> 32) as u32
}

fn looks(file: &Listed) -> u32 {
    let since = file.modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok()).unwrap_or_default();
    short(format!("{} {}", file.bytes, since.as_nanos()).as_bytes())
}

fn unpacked(text: &str) -> Vec<Entry> {
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let word = |bytes: &[u8]| bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    bytes
        .chunks_exact(12)
        .take(MOST_REMEMBERED)
        .map(|entry| Entry { name: word(&entry[..4]), looks: word(&entry[4..8]), content: word(&entry[8..]) })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(name: &str, seconds: u64) -> Listed {
        Listed { name: name.into(), bytes: 1, modified: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)) }
    }

    fn content(text: &str) -> Cursor {
        Cursor(text.to_owned())
    }

    #[test]
    fn numbers_in_names_compare_as_numbers() {
        let key = |name: &str| order_key("20260306", false, name);
        assert!(
            key("s_9.csv") < key("s_10.csv")
                && key("s_10.csv") < key("s_100.csv")
                && key("s_009.csv") < key("s_10.csv")
        );
        assert!(order_key("1", true, "z") < order_key("1", false, "a"), "of one moment the full file comes first");
        assert!(order_key("1", false, &"é".repeat(900)).len() <= KEY_BYTES);
    }

    #[test]
    fn a_file_is_known_by_its_looks_and_by_its_content() {
        let (first, touched) = (listed("a.csv", 1), listed("a.csv", 2));
        let mut memory = Memory::default();
        memory.add(&first, &content("x"), &[]);
        assert!(memory.knows(&first) && !memory.knows(&touched));
        assert!(memory.knows_content("a.csv", &content("x")) && !memory.knows_content("a.csv", &content("y")));
        memory.add(&touched, &content("x"), &[]);
        assert_eq!(memory.entries.len(), 1, "the same file, sent again");
        memory.add(&listed("a.csv", 3), &content("y"), &[]);
        assert!(!memory.knows_content("a.csv", &content("x")), "what went and came back is news");
    }

    #[test]
    fn what_is_passed_over_is_told_once_and_again_when_more_arrives() {
        let folder = |names: &[&str]| -> Vec<(String, Listed)> {
            names.iter().map(|name| (order_key("1", false, name), listed(name, 1))).collect()
        };
        let mut memory = Memory::default();
        memory.raise_floor(&order_key("2", true, "full"));
        assert_eq!(memory.passed_over(&folder(&["a"])), ["a"]);
        assert!(memory.passed_over(&folder(&["a"])).is_empty());
        assert_eq!(memory.passed_over(&folder(&["a", "b"])), ["a", "b"]);
        assert!(memory.passed_over(&folder(&["b"])).is_empty(), "one that is gone is no news");
    }

    #[test]
    fn the_usual_interval_is_the_middle_one_and_three_days_are_the_least() {
        let mut history = History::default();
        assert_eq!(history.max_age(), SHORTEST_MAX_AGE);
        for week in 0..4 {
            history.add(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + week * 7 * 86_400));
        }
        assert_eq!(history.max_age(), Duration::from_secs(21 * 86_400));
        let cursor = history.write(&content("content 0 1 2"));
        assert_eq!(History::of(Some(&cursor)), history);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_memory_survives_its_cursor_and_the_cursor_stays_short(files in 150_usize..260, gone in 0_usize..300, name in "\\PC{0,60}") {
            let folder: Vec<(String, Listed)> = (0..files)
                .map(|at| listed(&format!("{name}{at}"), at as u64 * 86_400))
                .map(|file| (order_key("20260306", false, &file.name), file))
                .collect();
            let mut memory = Memory { full_at: Some(1_772_000_000), ..Memory::default() };
            let present = folder.get(gone..).unwrap_or_default();
            for (_, file) in &folder {
                memory.history.add(file.modified.unwrap());
                memory.add(file, &content(&file.name), present);
            }
            let cursor = memory.cursor();
            prop_assert!(cursor.0.len() <= CURSOR_BYTES, "{}", cursor.0.len());
            let again = Memory::read(Some(&cursor));
            prop_assert_eq!(&again, &memory);
            // Whatever is no longer remembered is below the floor, so that no file is read twice.
            for (key, file) in present {
                prop_assert!(again.knows(file) || again.is_below(key));
            }
            prop_assert!(again.clone().passed_over(present).is_empty(), "files that were read are not told of");
        }
    }
}
