//! Files on this machine or on a shared folder.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use passerelle_contract::{AdapterError, Class, Cursor};

use super::{Found, Listed, check_settled, choose, mode_of, stale_warning};
use crate::plan::Pick;
use crate::scan::{About, read_error};

/// Most entries of a folder that are looked at.
const MAX_LISTED: usize = 50_000;

/// A file or a folder.
pub(crate) struct Local {
    path: PathBuf,
}

impl Local {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Finds the file and opens it.
    pub(crate) fn find(&self, pick: &Pick, from: Option<&Cursor>, now: SystemTime) -> Result<Found, AdapterError> {
        let operation = format!("read {}", self.path.display());
        let fail = |error| open_error(error, &operation);
        let (path, file, mode, cursor) = if std::fs::metadata(&self.path).map_err(fail)?.is_dir() {
            match choose(list(&self.path).map_err(fail)?, pick, from, &operation)? {
                Some(choice) => (self.path.join(&choice.file.name), choice.file, choice.mode, choice.cursor),
                None => return Ok(Found::NothingNew(from.cloned().unwrap_or_else(|| Cursor(String::new())))),
            }
        } else {
            let file = stat(&self.path).map_err(fail)?;
            let mode = mode_of(pick, &file.name);
            (self.path.clone(), file, mode, None)
        };
        let operation = format!("read {}", path.display());
        let marker = pick.marker.as_ref().and_then(|ending| stat(&beside(&path, ending)).ok());
        check_settled(pick, &file, marker.as_ref(), now, &operation)?;
        let opened = std::fs::File::open(&path).map_err(|error| open_error(error, &operation))?;
        let warnings = stale_warning(pick, &file, now).into_iter().collect();
        let seen = file.clone();
        let about = About {
            name: file.name.clone(),
            operation,
            modified: file.modified,
            mode,
            cursor,
            tag: None,
            warnings,
            now,
            unchanged: Some(Box::new(move || stat(&path).is_ok_and(|now| now == seen))),
        };
        Ok(Found::File(opened, about))
    }

    /// Says what is there.
    pub(crate) fn reach(&self, pick: &Pick) -> Result<String, AdapterError> {
        let operation = format!("look at {}", self.path.display());
        let fail = |error| open_error(error, &operation);
        let metadata = std::fs::metadata(&self.path).map_err(fail)?;
        if metadata.is_dir() {
            let files = list(&self.path).map_err(fail)?;
            let count = files.len();
            return match choose(files, pick, None, &operation)? {
                Some(choice) => {
                    Ok(format!("{} holds {count} files; next is {}", self.path.display(), choice.file.name))
                }
                None => Ok(format!("{} holds {count} files", self.path.display())),
            };
        }
        Ok(format!("{} is there, {} bytes", self.path.display(), metadata.len()))
    }
}

fn stat(path: &Path) -> std::io::Result<Listed> {
    let metadata = std::fs::metadata(path)?;
    Ok(Listed {
        name: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        bytes: metadata.len(),
        modified: metadata.modified().ok(),
    })
}

fn list(folder: &Path) -> std::io::Result<Vec<Listed>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)?.take(MAX_LISTED) {
        let entry = entry?;
        // A file that vanishes between the listing and here is simply not there.
        if let Ok(metadata) = std::fs::metadata(entry.path())
            && metadata.is_file()
        {
            files.push(stat(&entry.path())?);
        }
    }
    Ok(files)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn open_error(error: std::io::Error, operation: &str) -> AdapterError {
    if error.kind() == std::io::ErrorKind::NotFound {
        let context = "there is no such file; check path, and that the shop's software has written it";
        return AdapterError::new(Class::Data, "Unreadable", operation, context).caused_by(error);
    }
    read_error(error, operation)
}
