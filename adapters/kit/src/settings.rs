//! Reads `[connection.settings]` and reports everything that is wrong with it, each with its dotted path.
//!
//! Invariant: pure, and no message repeats a text that was written where something else was expected: it may be a
//! secret in the wrong place.

use std::collections::BTreeSet;
use std::fmt;

use passerelle_contract::{SettingProblem, SettingsError};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, Error, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use url::Url;

/// Problems reported at once; a reader repairs these first.
const MAX_PROBLEMS: usize = 50;

/// Reads settings into their type.
///
/// Serde stops at the first problem, so each one is taken out of a copy and the rest is read again; keys that are missing
/// come from the type's schema, for the same reason.
///
/// # Errors
/// [`SettingsError`] with all unknown keys, wrong values and missing keys that can be told apart.
pub fn read<T: DeserializeOwned + JsonSchema>(settings: &Value) -> Result<T, SettingsError> {
    let mut problems = Vec::new();
    let mut removed = BTreeSet::new();
    let mut rest = settings.clone();
    while problems.len() < MAX_PROBLEMS {
        let error = match serde_path_to_error::deserialize::<_, T>(&rest) {
            Ok(value) if problems.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(error) => error,
        };
        let path = as_written(error.path(), &removed);
        let message = without_values(&error.inner().to_string());
        if let Some(name) = missing_field(&message) {
            problems.extend(all_missing::<T>(settings, &join(&path, name), &removed));
            break;
        }
        problems.push(SettingProblem { path: shown(&path), message });
        if !remove(&mut rest, error.path()) {
            break;
        }
        removed.insert(path);
    }
    Err(SettingsError { problems })
}

/// A vendor's number as people write it: `120345` or `"120345"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenNumber(pub String);

impl<'de> Deserialize<'de> for WrittenNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = WrittenNumber;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a text of digits")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<WrittenNumber, E> {
                Ok(WrittenNumber(text.to_owned()))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<WrittenNumber, E> {
                Ok(WrittenNumber(number.to_string()))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<WrittenNumber, E> {
                Ok(WrittenNumber(number.to_string()))
            }
        }
        deserializer.deserialize_any(Written)
    }
}

impl JsonSchema for WrittenNumber {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "WrittenNumber".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}

/// The JSON Schema of a settings type, for [`passerelle_contract::Descriptor::settings_schema`].
#[must_use]
pub fn schema<T: JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

/// Joins the problems of several checks into one answer.
///
/// # Errors
/// [`SettingsError`] when there is any.
pub fn all_or_error(problems: Vec<SettingProblem>) -> Result<(), SettingsError> {
    if problems.is_empty() { Ok(()) } else { Err(SettingsError { problems }) }
}

/// The field that serde misses, and those at the top that the schema requires and nobody wrote.
fn all_missing<T: JsonSchema>(settings: &Value, first: &str, removed: &BTreeSet<String>) -> Vec<SettingProblem> {
    let schema = schema::<T>();
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut missing: BTreeSet<&str> = required.filter(|name| settings.get(name).is_none()).collect();
    missing.insert(first);
    missing
        .into_iter()
        // Taken out above because its value was wrong: already reported.
        .filter(|name| !removed.contains(*name))
        .map(|name| SettingProblem { path: name.to_owned(), message: "this setting is missing".to_owned() })
        .collect()
}

fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.split('`').next()
}

/// Serde quotes the text it read when it expected something else; the text may be a secret, its kind is enough.
fn without_values(message: &str) -> String {
    for kind in ["invalid type: string \"", "invalid value: string \"", "invalid type: unit variant"] {
        if let Some(rest) = message.strip_prefix(kind) {
            let expected = rest.rsplit_once("expected ").map_or("something else", |(_, expected)| expected);
            return format!("a text is written here, expected {expected}");
        }
    }
    message.to_owned()
}

/// The path of a value in what was written, `events[2]`: serde counts the entries of what is left of a list.
fn as_written(path: &serde_path_to_error::Path, removed: &BTreeSet<String>) -> String {
    path.iter().fold(String::new(), |so_far, part| match part {
        serde_path_to_error::Segment::Seq { index } => {
            let mut gone: Vec<usize> = removed.iter().filter_map(|path| entry(path, &so_far)).collect();
            gone.sort_unstable();
            let index = gone.into_iter().fold(*index, |index, gone| if gone <= index { index + 1 } else { index });
            format!("{so_far}[{index}]")
        }
        other => join(&so_far, &other.to_string()),
    })
}

/// Which entry of this list a path names, if it does.
fn entry(path: &str, list: &str) -> Option<usize> {
    path.strip_prefix(list)?.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

fn join(path: &str, part: &str) -> String {
    if path.is_empty() || path == "." { part.to_owned() } else { format!("{path}.{part}") }
}

fn shown(path: &str) -> String {
    if path.is_empty() { "settings".to_owned() } else { path.to_owned() }
}

/// Takes the value at a path out; says whether there was one.
fn remove(root: &mut Value, path: &serde_path_to_error::Path) -> bool {
    use serde_path_to_error::Segment;
    let segments: Vec<&Segment> = path.iter().filter(|part| !matches!(part, Segment::Enum { .. })).collect();
    let Some((last, parents)) = segments.split_last() else { return false };
    let mut at = root;
    for part in parents {
        let next = match part {
            Segment::Map { key } => at.get_mut(key.as_str()),
            Segment::Seq { index } => at.get_mut(*index),
            _ => None,
        };
        let Some(next) = next else { return false };
        at = next;
    }
    match (last, at) {
        (Segment::Map { key }, Value::Object(map)) => map.remove(key).is_some(),
        (Segment::Seq { index }, Value::Array(list)) if *index < list.len() => {
            list.remove(*index);
            true
        }
        _ => false,
    }
}

/// A vendor's root as written in settings, with a closing slash so that paths are read below it, without query or fragment.
/// `None` when it is not an HTTP address with a host. Credentials in it are the caller's to refuse ([`has_credentials`]).
#[must_use]
pub fn root(written: &Url) -> Option<Url> {
    if !matches!(written.scheme(), "http" | "https") || written.host().is_none() {
        return None;
    }
    let mut root = written.clone();
    root.set_query(None);
    root.set_fragment(None);
    if !root.path().ends_with('/') {
        root.set_path(&format!("{}/", root.path()));
    }
    Some(root)
}

/// Does an address carry a user name or a password? They would end in messages.
#[must_use]
pub fn has_credentials(written: &Url) -> bool {
    !written.username().is_empty() || written.password().is_some()
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::secret::SecretRef;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Sample {
        url: String,
        unit: Unit,
        #[serde(default)]
        limit: Option<u32>,
        #[serde(default)]
        columns: Columns,
        #[serde(default)]
        token: Option<SecretRef>,
        #[serde(default)]
        events: Vec<String>,
        #[serde(default)]
        numbers: Vec<WrittenNumber>,
    }

    #[derive(Debug, Default, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Columns {
        ean: u32,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Unit {
        Euro,
        Cent,
    }

    fn paths(value: &Value) -> Vec<(String, String)> {
        read::<Sample>(value).unwrap_err().problems.into_iter().map(|one| (one.path, one.message)).collect()
    }

    #[test]
    fn all_problems_are_reported_at_once_with_their_paths() {
        let found = paths(&json!({"limit": "many", "columns": {"ean": 1, "eam": 2}, "colour": 1}));
        let names: BTreeSet<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(names, BTreeSet::from(["limit", "columns.eam", "colour", "url", "unit"]), "{found:?}");
    }

    #[test]
    fn good_settings_are_read() {
        let read = read::<Sample>(&json!({"url": "x", "unit": "cent", "columns": {"ean": 3}})).unwrap();
        assert_eq!(read.columns.ean, 3);
    }

    #[test]
    fn a_text_in_the_wrong_place_is_not_repeated() {
        let found =
            paths(&json!({"url": "x", "unit": "euro", "token": "kanari", "columns": "kanari", "limit": "kanari"}));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(!format!("{found:?}").contains("kanari"), "{found:?}");
    }

    #[test]
    fn an_entry_of_a_list_is_counted_as_it_was_written() {
        let found = paths(&json!({"url": "x", "unit": "euro", "events": [1, "b", 3, 4, "e", 6]}));
        let names: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(names, ["events[0]", "events[2]", "events[3]", "events[5]"]);
    }

    #[test]
    fn a_number_may_be_written_as_a_text() {
        let read = read::<Sample>(&json!({"url": "x", "unit": "euro", "numbers": [120, "0120", -1]})).unwrap();
        assert_eq!(read.numbers, ["120", "0120", "-1"].map(|text| WrittenNumber(text.to_owned())));
        let found = paths(&json!({"url": "x", "unit": "euro", "numbers": [1.5, true]}));
        assert!(found.iter().all(|(_, why)| why.contains("a number, or a text of digits")), "{found:?}");
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_root_that_is_not_a_table_is_one_problem() {
        assert_eq!(paths(&json!(3))[0].0, "settings");
    }
}
