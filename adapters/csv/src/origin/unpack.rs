//! Plain, gzipped or zipped: gives one stream of bytes, and refuses archives that unpack without end.
//!
//! Invariant: no name inside an archive is ever used as a path, and nothing is unpacked to disk.

use std::io::{self, Read, Seek, SeekFrom};

use passerelle_contract::{AdapterError, Class};

use crate::scan::read_error;

/// Largest unpacked file.
const MAX_UNPACKED_BYTES: u64 = 4 << 30;
/// A stock file shrinks to a tenth; text of one letter shrinks to a thousandth.
const MAX_RATIO: u64 = 200;
/// Below this size the ratio does not matter.
const FREE_UNPACKED_BYTES: u64 = 16 << 20;
/// Most entries of an archive that are looked at.
const MAX_ENTRIES: usize = 1000;

/// An archive unpacks to more than it may.
#[derive(Debug, thiserror::Error)]
#[error("the archive unpacks to more than {0} bytes, far more than a stock file of its size")]
pub(crate) struct TooBig(u64);

/// Calls `read` with the bytes of the one data file.
pub(crate) fn with_content(
    mut file: std::fs::File,
    operation: &str,
    read: &mut dyn FnMut(&mut dyn Read) -> Result<(), AdapterError>,
) -> Result<(), AdapterError> {
    let fail = |error| read_error(error, operation);
    let packed = file.metadata().map_err(fail)?.len();
    let mut magic = [0; 4];
    let length = read_up_to(&mut file, &mut magic).map_err(fail)?;
    file.seek(SeekFrom::Start(0)).map_err(fail)?;
    let limit = MAX_UNPACKED_BYTES.min(packed.saturating_mul(MAX_RATIO).max(FREE_UNPACKED_BYTES));
    match &magic[..length] {
        [0x1F, 0x8B, ..] => {
            let unpacked = flate2::read::MultiGzDecoder::new(io::BufReader::new(file));
            read(&mut Bounded { source: unpacked, left: limit, limit })
        }
        [b'P', b'K', 3, 4] => with_zip(file, operation, limit, read),
        _ => read(&mut file),
    }
}

fn with_zip(
    file: std::fs::File,
    operation: &str,
    limit: u64,
    read: &mut dyn FnMut(&mut dyn Read) -> Result<(), AdapterError>,
) -> Result<(), AdapterError> {
    let broken = |error: zip::result::ZipError| {
        let context = "the zip archive cannot be opened (damaged, or protected by a password)";
        AdapterError::new(Class::Data, "Unreadable", operation, context).caused_by(error)
    };
    let refuse = |code, context: String| Err(AdapterError::new(Class::Data, code, operation, context));
    let mut archive = zip::ZipArchive::new(io::BufReader::new(file)).map_err(broken)?;
    if archive.len() > MAX_ENTRIES {
        return refuse("Unreadable", format!("the archive holds more than {MAX_ENTRIES} files"));
    }
    let mut data = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(broken)?;
        let name = entry.name().map_err(broken)?.into_owned();
        if name == "[Content_Types].xml" || name.starts_with("xl/") || name == "mimetype" {
            return refuse("NotAStockFile", "it is a spreadsheet under another name; export the stock as CSV".into());
        }
        let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
        if !entry.is_dir() && !name.starts_with("__MACOSX/") && !base.starts_with('.') {
            data.push(index);
        }
    }
    let [index] = data[..] else {
        return refuse("Unreadable", format!("the archive holds {} files; it must hold exactly one", data.len()));
    };
    let entry = archive.by_index(index).map_err(broken)?;
    read(&mut Bounded { source: entry, left: limit, limit })
}

fn read_up_to(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match source.read(&mut buffer[length..])? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

/// Counts what comes out, since an archive's own sizes are only claims.
struct Bounded<R> {
    source: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| io::Error::other(TooBig(self.limit)))?;
        Ok(read)
    }
}
