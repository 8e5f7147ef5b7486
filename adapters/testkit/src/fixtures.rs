//! Recorded or invented exchanges: `fixtures/<vendor>/<scenario>/`, each with a `scenario.toml` that says why it exists.
//!
//! Invariant: a scenario without a reason is an error, so that no file stays that nobody understands.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// What `scenario.toml` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Why this scenario exists: the sentence that would be false without it.
    pub why: String,
    /// Where it comes from: a capture, a published contract, a report from the field.
    pub from: String,
    /// What in it was invented or redacted.
    pub invented: String,
    /// Settings to lay over the harness's good ones.
    #[serde(default)]
    pub settings: toml::Table,
}

/// One scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Folder name.
    pub name: String,
    /// Its reasons.
    pub about: About,
    /// Its folder.
    pub folder: PathBuf,
}

impl Scenario {
    /// One of its files.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, file: &str) -> Result<Vec<u8>, String> {
        let path = self.folder.join(file);
        std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// All scenarios of a vendor, by name.
///
/// # Errors
/// When the folder is missing or a `scenario.toml` is missing or wrong.
pub fn load(vendor: &str) -> Result<Vec<Scenario>, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(vendor);
    let entries = std::fs::read_dir(&root).map_err(|error| format!("{}: {error}", root.display()))?;
    let mut folders: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders.into_iter().map(scenario).collect()
}

fn scenario(folder: PathBuf) -> Result<Scenario, String> {
    let path = folder.join("scenario.toml");
    let wrong = |error: String| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
    let about: About = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if about.why.trim().is_empty() || about.from.trim().is_empty() || about.invented.trim().is_empty() {
        return Err(wrong("why, from and invented must say something".to_owned()));
    }
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Scenario { name, about, folder })
}
