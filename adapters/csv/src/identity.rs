//! The identity of a file's content.
//!
//! A 128-bit fingerprint of the bytes as they lie there, packed or not, with the release that read them: a newer release may read
//! the same bytes otherwise. Not against malice: who writes the file can only fool the shop whose file it is.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use passerelle_contract::Cursor;
use xxhash_rust::xxh3::Xxh3;

const BUFFER_BYTES: usize = 256 * 1024;

/// Reads the file once and goes back to its start.
pub(crate) fn of(file: &mut File) -> io::Result<Cursor> {
    let mut digest = Xxh3::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut bytes = 0_u64;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                digest.update(&buffer[..read]);
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(Cursor(format!("content {} {bytes} {:032x}", env!("CARGO_PKG_VERSION"), digest.digest128())))
}
