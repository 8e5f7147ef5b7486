//! Files on this machine or on a shared folder.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use passerelle_contract::{AdapterError, Class, Cursor};

use super::{Chosen, Found, Listed, Opened, Sight, check_settled, choose, mode_of, newest};
use crate::plan::Pick;
use crate::scan::{About, read_error};
use crate::settings::NamedMode;

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
        if !std::fs::metadata(&self.path).map_err(fail)?.is_dir() {
            let file = stat(&self.path).map_err(fail)?;
            Self::settled(&self.path, &file, pick, now)?;
            let mode = mode_of(pick, &file.name);
            let (file, about) = open(&self.path, file, mode, now)?;
            return Ok(Found::File(Box::new(Opened { file, about, newer: Vec::new(), reading: None })));
        }
        let choice = match choose(list(&self.path).map_err(fail)?, pick, from, now, &operation)? {
            Chosen::File(choice) => *choice,
            Chosen::NothingNew(cursor, warnings) => return Ok(Found::NothingNew(cursor, warnings)),
        };
        let path = self.path.join(&choice.file.name);
        Self::settled(&path, &choice.file, pick, now)?;
        let (file, mut about) = open(&path, choice.file, choice.mode, now)?;
        about.warnings = choice.warnings;
        let newer = choice
            .newer
            .into_iter()
            .map(|(file, mode)| open(&self.path.join(&file.name), file, mode, now))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Found::File(Box::new(Opened { file, about, newer, reading: choice.reading })))
    }

    fn settled(path: &Path, file: &Listed, pick: &Pick, now: SystemTime) -> Result<(), AdapterError> {
        let marker = pick.marker.as_ref().and_then(|ending| stat(&beside(path, ending)).ok());
        check_settled(pick, file, marker.as_ref(), now, &format!("read {}", path.display()))
    }

    /// Says what is there.
    pub(crate) fn reach(&self, pick: &Pick) -> Result<Sight, AdapterError> {
        let operation = format!("look at {}", self.path.display());
        let fail = |error| open_error(error, &operation);
        let metadata = std::fs::metadata(&self.path).map_err(fail)?;
        if metadata.is_dir() {
            let files = list(&self.path).map_err(fail)?;
            let count = files.len();
            let newest = newest(files, pick, &operation)?;
            let saw = format!("{} holds {count} files; the newest is {}", self.path.display(), newest.name);
            return Ok(Sight::of(saw, Some(newest)));
        }
        let saw = format!("{} is there, {} bytes", self.path.display(), metadata.len());
        Ok(Sight::of(saw, stat(&self.path).ok()))
    }
}

fn open(path: &Path, file: Listed, mode: NamedMode, now: SystemTime) -> Result<(std::fs::File, About), AdapterError> {
    let operation = format!("read {}", path.display());
    let opened = std::fs::File::open(path).map_err(|error| open_error(error, &operation))?;
    let (path, seen) = (path.to_owned(), file.clone());
    let about = About {
        name: file.name,
        operation,
        modified: file.modified,
        mode,
        cursor: None,
        tag: None,
        warnings: Vec::new(),
        now,
        unchanged: Some(Box::new(move || stat(&path).is_ok_and(|now| now == seen))),
    };
    Ok((opened, about))
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
