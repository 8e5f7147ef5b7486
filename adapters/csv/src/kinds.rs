//! What a file is that is no stock file, told by its first bytes, and what to do about it.
//!
//! Invariant: pure, and no byte of the file is repeated.

use passerelle_contract::{AdapterError, Class};

use crate::dialect::Sample;

/// Refuses what is not a stock file, whatever its name.
pub(crate) fn refuse_other_files(sample: &Sample<'_>, name: &str) -> Result<(), AdapterError> {
    let mut start = sample.bytes.trim_ascii_start();
    while let Some(rest) = start.strip_prefix(b"\xEF\xBB\xBF") {
        start = rest.trim_ascii_start();
    }
    if let Some(what) = other_kind(start, name) {
        return Err(AdapterError::new(Class::Data, "NotAStockFile", sample.operation, what));
    }
    if let Some(encoding) = unmarked_utf16(sample.bytes) {
        let context = format!(
            "every other byte is zero: this looks like UTF-16 without its mark; write file.encoding = \"{encoding}\" or export as UTF-8"
        );
        return Err(AdapterError::new(Class::Data, "BadEncoding", sample.operation, context));
    }
    // Letters of any encoding are above 0x1F; a Ctrl-Z or a NUL here and there is a till's.
    let binary = sample.bytes.iter().filter(|byte| **byte < 0x20 && !b"\t\r\n\x0C\x1A\0".contains(byte)).count();
    if binary * 20 > sample.bytes.len() {
        let what = "it is not a text but a program's own format; export the stock as CSV";
        return Err(AdapterError::new(Class::Data, "NotAStockFile", sample.operation, what));
    }
    Ok(())
}

/// What a file is that is no stock file, and what to do about it.
fn other_kind(start: &[u8], name: &str) -> Option<&'static str> {
    let head = start[..start.len().min(512)].to_ascii_lowercase();
    let holds = |text: &[u8]| memchr::memmem::find(&head, text).is_some();
    let magics: [(&[u8], &str); 13] = [
        (b"pk\x03\x04", "it is a spreadsheet or an archive; export the stock as CSV"),
        (b"\xd0\xcf\x11\xe0", "it is an old Excel workbook; export the stock as CSV"),
        (b"%pdf", "it is a PDF; export the stock as CSV"),
        (
            b"7z\xbc\xaf\x27\x1c",
            "it is a 7z archive, which is not read; pack the one stock file with zip or gzip, or not at all",
        ),
        (
            b"rar!\x1a\x07",
            "it is a RAR archive, which is not read; pack the one stock file with zip or gzip, or not at all",
        ),
        (b"bzh", "it is a bzip2 archive, which is not read; pack the stock file with zip or gzip, or not at all"),
        (b"\xfd7zxz\0", "it is an xz archive, which is not read; pack the stock file with zip or gzip, or not at all"),
        (b"{\\rtf", "it is a text processor's document; export the stock as CSV"),
        (b"sqlite format 3", "it is a database; export the stock as CSV"),
        (b"\0\x01\0\0standard", "it is an Access database; export the stock as CSV"),
        (b"a0001", "it is a Dilicom order, not a stock; point the path at the stock export"),
        (b"{", "it is JSON; export the stock as CSV"),
        (b"[{", "it is JSON; export the stock as CSV"),
    ];
    if let Some((_, what)) = magics.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(what);
    }
    let is_dated = matches!(start, [_, _, 1..=12, 1..=31, ..]) && start.get(12..16) == Some(&[0; 4]);
    if is_dated && matches!(start.first(), Some(0x02 | 0x03 | 0x30 | 0x31 | 0x32 | 0x43 | 0x63 | 0x83 | 0x8B | 0xF5)) {
        return Some("it is a dBase or FoxPro table; export the stock as CSV");
    }
    if head.starts_with(b"<") {
        let is_table = holds(b"<table") || holds(b"<tr") || name.to_ascii_lowercase().ends_with(".xls");
        let is_page = holds(b"<!doctype") || holds(b"<html") || holds(b"<head") || holds(b"<body") || holds(b"<?xml");
        return match (is_table, is_page) {
            (true, _) => {
                Some("it is a table of a web page, whatever its name; export the stock as CSV, or save it as .xlsx")
            }
            (_, true) => Some("it is a web page or an XML file; open the address in a browser to see what it answers"),
            _ if head.get(1).is_some_and(u8::is_ascii_alphabetic) && holds(b">") => {
                Some("it begins like a web page or an XML file; open it to see what its program wrote")
            }
            _ => None,
        };
    }
    let name = name.to_ascii_lowercase();
    name.ends_with(".tit").then_some("it is a Titelive catalogue file, not a stock; point the path at the stock export")
}

/// Which UTF-16 this is, if every other byte is zero.
fn unmarked_utf16(bytes: &[u8]) -> Option<&'static str> {
    let zeros = |from: usize| bytes.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    if (even + odd) * 4 <= bytes.len() {
        return None;
    }
    Some(if even > odd { "utf-16be" } else { "utf-16le" })
}
