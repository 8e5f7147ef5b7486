//! What an archive that says to be a workbook may unpack to, found out before anything of it is kept in memory.
//!
//! Invariant: every byte is counted as it comes out, since an archive's own sizes are only claims.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use memchr::memchr_iter;
use passerelle_contract::{AdapterError, Class};

use super::{Kind, broken};
use crate::scan::read_error;

/// Largest part of a workbook, in bytes: a sheet of a million rows has about 300 MB.
const MOST_PART_BYTES: u64 = 1 << 30;
/// Largest table of shared texts, which is held in memory.
const MOST_SHARED_BYTES: u64 = 64 << 20;
/// Largest other part that is held in memory (styles, relations).
const MOST_SMALL_BYTES: u64 = 16 << 20;
/// A sheet of text shrinks to a twentieth; a page of one cell repeated to a thousandth.
const MAX_RATIO: u64 = 200;
/// Below this size the ratio does not matter.
const FREE_BYTES: u64 = 16 << 20;
/// Longest run between two tags: a cell has at most 32 767 characters.
const LONGEST_TEXT: u64 = 1 << 20;
const MOST_ENTRIES: usize = 1_000;

/// What kind of workbook an archive is, by the names in it. `None`: an archive of something else.
pub(super) fn kind_of_archive(file: &mut File, operation: &str) -> Result<Option<Kind>, AdapterError> {
    let Ok(mut archive) = zip::ZipArchive::new(BufReader::new(&mut *file)) else { return Ok(None) };
    let names: HashSet<String> =
        archive.file_names().take(MOST_ENTRIES).filter_map(Result::ok).map(std::borrow::Cow::into_owned).collect();
    let has = |name: &str| names.contains(name);
    let refuse = |what: &str| Err(AdapterError::new(Class::Data, "NotAStockFile", operation, what));
    if has("xl/workbook.xml") {
        return Ok(Some(Kind::Xlsx));
    }
    if has("xl/workbook.bin") {
        return refuse("it is a binary workbook (.xlsb); save it as .xlsx, or export the stock as CSV");
    }
    if has("content.xml") && has("mimetype") {
        let mut mimetype = String::new();
        if let Ok(entry) = archive.by_name("mimetype") {
            let _unreadable = entry.take(200).read_to_string(&mut mimetype);
        }
        return match mimetype.contains("opendocument.spreadsheet") {
            true => Ok(Some(Kind::Ods)),
            false => refuse("it is an OpenDocument text or drawing; export the stock as .ods or CSV"),
        };
    }
    if has("word/document.xml") || has("ppt/presentation.xml") {
        return refuse("it is an Office document and no workbook; export the stock as .xlsx or CSV");
    }
    if has("xl/worksheets/sheet1.xml") || has("[Content_Types].xml") {
        return refuse("it is an Office archive without a workbook; export the stock as .xlsx or CSV");
    }
    Ok(None)
}

/// Unpacks everything once, keeping nothing; gives the number of hidden rows that it saw in sheets of Excel.
pub(super) fn check(file: &mut File, operation: &str) -> Result<u64, AdapterError> {
    let packed = file.metadata().map_err(|error| read_error(error, operation))?.len();
    let refuse = |context: String| Err(AdapterError::new(Class::Data, "Unreadable", operation, context));
    let most = packed.saturating_mul(MAX_RATIO).clamp(FREE_BYTES, MOST_PART_BYTES * 2);
    let mut archive = zip::ZipArchive::new(BufReader::new(&mut *file)).map_err(|error| broken(operation, error))?;
    if archive.len() > MOST_ENTRIES {
        return refuse(format!("the workbook holds more than {MOST_ENTRIES} parts"));
    }
    let (mut total, mut hidden) = (0_u64, 0);
    let mut piece = vec![0; 128 * 1024];
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| broken(operation, error))?;
        let name = entry.name().map_err(|error| broken(operation, error))?.into_owned();
        let is_sheet = name.starts_with("xl/worksheets/");
        let part = match name.as_str() {
            "xl/sharedStrings.xml" => MOST_SHARED_BYTES,
            "content.xml" => MOST_PART_BYTES,
            _ if is_sheet => MOST_PART_BYTES,
            name if name.ends_with(".xml") || name.ends_with(".rels") => MOST_SMALL_BYTES,
            // Pictures and the like: only counted.
            _ => MOST_PART_BYTES,
        };
        let is_xml = name.ends_with(".xml");
        let mut tags = Tags::default();
        let mut bytes = 0;
        loop {
            let read = entry.read(&mut piece).map_err(|error| broken(operation, error))?;
            if read == 0 {
                break;
            }
            bytes += read as u64;
            total += read as u64;
            if bytes > part || total > most {
                return refuse("the workbook unpacks to far more than a stock of its size; have it sent again, or export it as CSV".into());
            }
            if is_xml && !tags.take(&piece[..read]) {
                return refuse(format!("a cell of the workbook holds more than {LONGEST_TEXT} bytes"));
            }
        }
        hidden += if is_sheet { tags.hidden_rows } else { 0 };
    }
    drop(archive);
    file.seek(SeekFrom::Start(0)).map_err(|error| read_error(error, operation))?;
    Ok(hidden)
}

/// Looks at tags without understanding them.
#[derive(Default)]
struct Tags {
    /// The start of a tag that the piece before left open, as far as it matters.
    open: Option<Vec<u8>>,
    since_tag: u64,
    hidden_rows: u64,
}

impl Tags {
    /// Longest start of a tag that is kept: a row's attributes are shorter.
    const KEPT: usize = 512;

    /// False when a run between two tags is too long.
    fn take(&mut self, piece: &[u8]) -> bool {
        let mut from = 0;
        if let Some(mut open) = self.open.take() {
            let end = memchr::memchr(b'>', piece).unwrap_or(piece.len());
            open.extend(piece.iter().take(end.min(Self::KEPT)));
            if end == piece.len() {
                open.truncate(Self::KEPT);
                self.open = Some(open);
            } else {
                self.hidden_rows += u64::from(is_hidden_row(&open));
            }
            from = end;
        }
        let mut last = None;
        for at in memchr_iter(b'<', &piece[from..]).map(|at| from + at) {
            self.since_tag = 0;
            last = Some(at);
            let rest = &piece[at..];
            if rest.starts_with(b"<row") || rest.len() < 4 {
                match memchr::memchr(b'>', rest) {
                    Some(end) => self.hidden_rows += u64::from(is_hidden_row(&rest[..end])),
                    None => self.open = Some(rest[..rest.len().min(Self::KEPT)].to_vec()),
                }
            }
        }
        self.since_tag += (piece.len() - last.unwrap_or(0)) as u64;
        self.since_tag <= LONGEST_TEXT
    }
}

fn is_hidden_row(tag: &[u8]) -> bool {
    tag.strip_prefix(b"<row".as_slice()).is_some_and(|rest| {
        rest.first().is_some_and(u8::is_ascii_whitespace)
            && [&b"hidden=\"1\""[..], b"hidden=\"true\"", b"hidden='1'"]
                .iter()
                .any(|mark| memchr::memmem::find(rest, mark).is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_rows_are_counted_wherever_pieces_end() {
        let text = b"<sheetData><row r=\"1\"><c/></row><row r=\"2\" hidden=\"1\"><c/></row><rowX hidden=\"1\"/><row hidden=\"true\"/></sheetData>";
        for step in 1..text.len() {
            let mut tags = Tags::default();
            assert!(text.chunks(step).all(|piece| tags.take(piece)));
            assert_eq!(tags.hidden_rows, 2, "by {step}");
        }
        let mut tags = Tags::default();
        assert!(!(0..3).all(|_| tags.take(&vec![b'x'; 512 * 1024])), "a run without end");
    }
}
