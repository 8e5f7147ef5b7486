//! The identity of a file's content.
//!
//! A 128-bit fingerprint of the bytes as they lie there, packed or not, with the release that read them: a newer release may read
//! the same bytes otherwise. Not against malice: who writes the file can only fool the shop whose file it is.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use passerelle_contract::Cursor;
use xxhash_rust::xxh3::Xxh3;

/// Longest tag that is kept; a cursor has at most 4 KiB.
const LONGEST_TAG: usize = 1_024;
const TAG: &str = "\netag ";

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

/// The cursor of a content that the server has a name for.
pub(crate) fn with_tag(content: &Cursor, tag: Option<&str>) -> Cursor {
    match tag {
        Some(tag) if tag.len() <= LONGEST_TAG && !tag.contains('\n') => Cursor(format!("{}{TAG}{tag}", content.0)),
        _ => content.clone(),
    }
}

/// What the server called the content of a cursor; nothing for a cursor of another release, which read it otherwise.
pub(crate) fn tag_of(cursor: &Cursor) -> Option<&str> {
    let (content, tag) = cursor.0.split_once(TAG)?;
    let tag = tag.lines().next()?;
    content.starts_with(concat!("content ", env!("CARGO_PKG_VERSION"), " ")).then_some(tag)
}

/// What tells this content from another one, whatever release read it: its length and its fingerprint.
pub(crate) fn fingerprint(cursor: &Cursor) -> Option<String> {
    let (_, content) = cursor.0.lines().next()?.strip_prefix("content ")?.split_once(' ')?;
    Some(content.to_owned())
}

/// Does the cursor stand for this content?
pub(crate) fn is(cursor: &Cursor, content: &Cursor) -> bool {
    cursor.0.lines().next() == Some(content.0.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_travels_with_the_content_it_names() {
        let content = Cursor(format!("content {} 12 00ff", env!("CARGO_PKG_VERSION")));
        let tagged = with_tag(&content, Some("\"v1\""));
        assert_eq!(tag_of(&tagged), Some("\"v1\""));
        assert!(is(&tagged, &content) && is(&content, &content));
        assert_eq!(tag_of(&Cursor(format!("{}\nseen 1 2", tagged.0))), Some("\"v1\""), "times of exports may follow");
        assert_eq!(fingerprint(&tagged).as_deref(), Some("12 00ff"));
        assert_eq!(tag_of(&content), None);
        assert_eq!(tag_of(&with_tag(&content, Some(&"x".repeat(2_000)))), None, "a tag without end is not kept");
        assert_eq!(tag_of(&Cursor("content 0.0.1 12 00ff\netag \"v1\"".to_owned())), None, "another release read it");
    }
}
