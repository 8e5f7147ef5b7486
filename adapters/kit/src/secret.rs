//! Secrets that settings name and never hold.
//!
//! A setting says where a secret is (`{ env = "NAME" }` or `{ file = "PATH" }`); [`SecretRef::resolve`] reads it once, when
//! the adapter is built.
//!
//! Invariant: no value of a secret appears in a message, in `Debug` or in a schema, not even when it was written in the
//! wrong place.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use passerelle_contract::SettingProblem;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use subtle::ConstantTimeEq as _;

/// Longest secret that is read, in bytes: a PEM bundle fits, a wrong file does not.
pub const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// How a secret is written in settings.
const HOW_TO_WRITE: &str = "a secret is not written in the configuration: write { env = \"NAME\" } to take it from an \
                            environment variable or { file = \"PATH\" } to read it from a file";

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// In this environment variable.
    Env(String),
    /// In this file; a relative path is read from the configuration's folder.
    File(PathBuf),
}

/// A secret in memory: printed as `***`, wiped when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

/// Why a secret could not be read. Names the variable or the file, never the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SecretProblem(String);

impl SecretRef {
    /// Is the place there, and nothing in it? One that is not there, or that this process may not read, is no answer to that.
    #[must_use]
    pub fn is_there_and_empty(&self, base_dir: &Path) -> bool {
        let text = match self {
            Self::Env(name) => read_variable(name),
            Self::File(path) => read_file(&base_dir.join(path)),
        };
        text.is_ok_and(|text| text.trim().is_empty())
    }

    /// Reads the secret and drops line ends after it (editors and `echo` leave one).
    ///
    /// # Errors
    /// [`SecretProblem`] when the variable is not set, the file cannot be read, is longer than [`MAX_SECRET_BYTES`] or is
    /// not UTF-8, or when nothing is left.
    pub fn resolve(&self, base_dir: &Path) -> Result<Secret, SecretProblem> {
        let text = match self {
            Self::Env(name) => read_variable(name)?,
            Self::File(path) => read_file(&base_dir.join(path))?,
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.trim().is_empty() {
            return Err(SecretProblem(format!("the secret in {self} is empty")));
        }
        Ok(Secret::new(text))
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

impl SecretProblem {
    /// The problem as one of the setting at this dotted path.
    #[must_use]
    pub fn at(self, path: impl Into<String>) -> SettingProblem {
        SettingProblem { path: path.into(), message: self.0 }
    }
}

impl Secret {
    /// A secret from text that is already in memory.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(SecretString::from(text))
    }

    /// The value, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Is this the secret? Takes the same time wherever the first difference is.
    #[must_use]
    pub fn matches(&self, presented: &str) -> bool {
        self.expose().as_bytes().ct_eq(presented.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn read_variable(name: &str) -> Result<String, SecretProblem> {
    std::env::var(name).map_err(|error| {
        SecretProblem(match error {
            std::env::VarError::NotPresent => format!("environment variable {name} is not set"),
            std::env::VarError::NotUnicode(_) => format!("environment variable {name} is not UTF-8"),
        })
    })
}

fn read_file(path: &Path) -> Result<String, SecretProblem> {
    let shown = path.display();
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text))
        // `kind()` only: some errors quote what they read.
        .map_err(|error| SecretProblem(format!("secret file {shown} cannot be read: {}", error.kind())))?;
    if text.len() as u64 > MAX_SECRET_BYTES {
        return Err(SecretProblem(format!("secret file {shown} is longer than {MAX_SECRET_BYTES} bytes")));
    }
    Ok(text)
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // `deserialize_any` so that a plain text reaches our visitor, whose message does not repeat it.
        deserializer.deserialize_any(SecretRefVisitor)
    }
}

struct SecretRefVisitor;

impl SecretRefVisitor {
    fn refuse<T, E: de::Error>() -> Result<T, E> {
        Err(E::custom(HOW_TO_WRITE))
    }
}

impl<'de> Visitor<'de> for SecretRefVisitor {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{ env = \"NAME\" } or { file = \"PATH\" }")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            // Anything but text, and any other key, might be the secret itself in a wrong place.
            let Ok(value) = map.next_value::<String>() else { return Self::refuse() };
            let place = match key.as_str() {
                "env" => SecretRef::Env(value),
                "file" => SecretRef::File(PathBuf::from(value)),
                _ => return Self::refuse(),
            };
            if found.replace(place).is_some() {
                return Self::refuse();
            }
        }
        match found {
            Some(SecretRef::Env(name)) if name.is_empty() || name.contains(['=', '\0']) => Self::refuse(),
            Some(SecretRef::File(path)) if path.as_os_str().is_empty() => Self::refuse(),
            Some(place) => Ok(place),
            None => Self::refuse(),
        }
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<SecretRef, E> {
        Self::refuse()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretRef, E> {
        Self::refuse()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<SecretRef, E> {
        Self::refuse()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<SecretRef, E> {
        Self::refuse()
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<SecretRef, E> {
        Self::refuse()
    }

    fn visit_unit<E: de::Error>(self) -> Result<SecretRef, E> {
        Self::refuse()
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, _: A) -> Result<SecretRef, A::Error> {
        Self::refuse()
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Where a secret is; its value is never written in the configuration.",
            "oneOf": [
                {
                    "type": "object",
                    "properties": { "env": { "type": "string", "minLength": 1, "description": "An environment variable." } },
                    "required": ["env"],
                    "additionalProperties": false
                },
                {
                    "type": "object",
                    "properties": { "file": { "type": "string", "minLength": 1, "description": "A file; a relative path is read from the configuration's folder." } },
                    "required": ["file"],
                    "additionalProperties": false
                }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CANARY: &str = "kanari-7731";

    #[test]
    fn both_ways_of_naming_a_secret_are_read() {
        assert_eq!(serde_json::from_value::<SecretRef>(json!({"env": "A"})).unwrap(), SecretRef::Env("A".into()));
        assert_eq!(
            serde_json::from_value::<SecretRef>(json!({"file": "a/b"})).unwrap(),
            SecretRef::File(PathBuf::from("a/b"))
        );
    }

    #[test]
    fn a_secret_written_in_the_configuration_is_refused_and_not_repeated() {
        for wrong in [
            json!(CANARY),
            json!({"value": CANARY}),
            json!({CANARY: "x"}),
            json!({"env": "A", "file": CANARY}),
            json!({"env": ""}),
            json!({"env": [CANARY]}),
            json!([CANARY]),
            json!(7731),
            json!(77.31),
            json!(true),
            json!(null),
            json!({}),
        ] {
            let message = serde_json::from_value::<SecretRef>(wrong.clone()).unwrap_err().to_string();
            assert!(message.contains("{ env = \"NAME\" }"), "{wrong}: {message}");
            assert!(!message.contains(CANARY) && !message.contains("77"), "{wrong}: {message}");
        }
    }

    #[test]
    fn a_file_secret_loses_its_line_end_and_never_prints() {
        let name = format!("passerelle-secret-{}", std::process::id());
        let folder = std::env::temp_dir();
        std::fs::write(folder.join(&name), format!("{CANARY}\r\n")).unwrap();
        let place = SecretRef::File(PathBuf::from(&name));
        let secret = place.resolve(&folder).unwrap();
        std::fs::remove_file(folder.join(&name)).unwrap();
        assert_eq!(secret.expose(), CANARY);
        assert_eq!(format!("{secret:?}"), "***");
        let gone = place.resolve(&folder).unwrap_err().at("token");
        assert_eq!(gone.path, "token");
        assert!(gone.message.contains("cannot be read"), "{gone}");
    }

    #[test]
    fn an_environment_variable_that_is_not_set_is_named() {
        let problem = SecretRef::Env("PASSERELLE_NEVER_SET".into()).resolve(Path::new(".")).unwrap_err();
        assert_eq!(problem.to_string(), "environment variable PASSERELLE_NEVER_SET is not set");
        assert!(SecretRef::Env("PATH".into()).resolve(Path::new(".")).is_ok());
    }
}
