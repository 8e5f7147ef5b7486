//! Answers: bytes → the one text that the result element holds, or what stands there instead.
//!
//! Invariant: nothing is expanded and nothing is fetched. A document type is refused before it is read, an entity that XML itself
//! does not define too, and the memory in use is a small multiple of the body's, whose size the HTTP client bounds.

use std::borrow::Cow;

use quick_xml::NsReader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};

use crate::request::{ENVELOPE, Operation, SERVICE, is_xml};

/// Elements inside one another.
const MAX_DEPTH: usize = 32;
/// Bytes at the start of a body in which the XML declaration is looked for.
const MAX_DECLARATION: usize = 200;
/// How much of a fault's text is kept, in bytes: more than is ever shown, so that nothing secret is cut in two before it is hidden.
const MAX_FAULT_BYTES: usize = 2_000;

/// What an envelope holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The text of the result, without the white space around it; not empty.
    Result(String),
    /// A SOAP fault, in its own words.
    Fault(String),
}

/// Where a child stands that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Envelope,
    Body,
    Response,
    Result,
    Fault,
    FaultText,
    /// Ignored, with everything in it.
    Elsewhere,
}

/// Reads an envelope. The error says what is wrong with it, and repeats nothing of it.
pub(crate) fn read(body: &[u8], charset: Option<&str>, operation: Operation) -> Result<Content, &'static str> {
    let text = decode(body, charset)?;
    let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}').trim_ascii_start());
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Place> = Vec::new();
    let mut found = Found::default();
    loop {
        match reader.read_event().map_err(|_| "it is no well-formed XML")? {
            Event::Start(start) => {
                if open.len() == MAX_DEPTH {
                    return Err("its elements are nested too deep");
                }
                let place = place(&reader, &start, open.last().copied(), operation)?;
                found.enter(place, open.is_empty())?;
                open.push(place);
            }
            Event::End(_) => {
                open.pop();
            }
            Event::Text(text) => found.text(open.last(), &text.decode().map_err(|_| NOT_TEXT)?)?,
            Event::CData(text) => found.text(open.last(), &text.decode().map_err(|_| NOT_TEXT)?)?,
            Event::GeneralRef(reference) => {
                found.text(open.last(), character(&reference)?.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err("it has a document type, which is refused"),
            // An empty element is never given: it is opened and closed, as the reader was told.
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Empty(_) => {}
            Event::Eof => break,
        }
    }
    if !open.is_empty() {
        return Err("it is cut off");
    }
    found.content()
}

const NOT_TEXT: &str = "its characters cannot be read";

/// What was found so far.
#[derive(Default)]
struct Found {
    envelope: bool,
    body: bool,
    result: Option<String>,
    fault: Option<String>,
}

impl Found {
    fn enter(&mut self, place: Place, at_root: bool) -> Result<(), &'static str> {
        match place {
            Place::Envelope if std::mem::replace(&mut self.envelope, true) => Err("it has two roots"),
            _ if at_root && place != Place::Envelope => Err("it is no SOAP envelope"),
            Place::Body if std::mem::replace(&mut self.body, true) => Err("it has two bodies"),
            Place::Result if self.result.replace(String::new()).is_some() => Err("it has two results"),
            Place::Fault => {
                self.fault.get_or_insert_default();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn text(&mut self, place: Option<&Place>, text: &str) -> Result<(), &'static str> {
        match place {
            Some(Place::Result) => self.result.get_or_insert_default().push_str(text),
            Some(Place::FaultText) => {
                let fault = self.fault.get_or_insert_default();
                let room = MAX_FAULT_BYTES.saturating_sub(fault.len());
                fault.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(room));
            }
            None if !text.trim_ascii().is_empty() => return Err("it has text outside its root"),
            _ => {}
        }
        Ok(())
    }

    fn content(self) -> Result<Content, &'static str> {
        if let Some(fault) = self.fault {
            return Ok(Content::Fault(fault.trim().to_owned()));
        }
        let text = self.result.ok_or("it has no result")?;
        let trimmed = text.trim();
        match trimmed.len() {
            0 => Err("its result is empty"),
            all if all == text.len() => Ok(Content::Result(text)),
            _ => Ok(Content::Result(trimmed.to_owned())),
        }
    }
}

/// Names are looked at first: namespaces are resolved only where they decide, and seldom.
fn place(
    reader: &NsReader<&[u8]>,
    start: &BytesStart<'_>,
    parent: Option<Place>,
    operation: Operation,
) -> Result<Place, &'static str> {
    let local = start.local_name();
    let local = std::str::from_utf8(local.as_ref()).map_err(|_| NOT_TEXT)?;
    let of = |namespace: &str| {
        let (resolved, _) = reader.resolver().resolve_element(start.name());
        resolved == ResolveResult::Bound(Namespace(namespace.as_bytes()))
    };
    let known = |here: bool, place: Place| if here { Ok(place) } else { Err("an element is of a foreign namespace") };
    match (parent, local) {
        (None, "Envelope") => known(of(ENVELOPE), Place::Envelope),
        (Some(Place::Envelope), "Body") => known(of(ENVELOPE), Place::Body),
        (Some(Place::Body), "Fault") => known(of(ENVELOPE), Place::Fault),
        (Some(Place::Fault), "faultcode" | "faultstring") => Ok(Place::FaultText),
        (Some(Place::Body), name) if name.strip_suffix("Response") == Some(operation.name()) => {
            known(of(SERVICE), Place::Response)
        }
        // With or without namespace; what else stands beside it is ignored.
        (Some(Place::Response), name) if name.strip_suffix("Result") == Some(operation.name()) => Ok(Place::Result),
        (Some(Place::Result), _) => Err("its result has elements inside"),
        _ => Ok(Place::Elsewhere),
    }
}

/// A character reference, or one of the five names that XML itself defines.
fn character(reference: &BytesRef<'_>) -> Result<char, &'static str> {
    const UNKNOWN: &str = "it names an entity, which is refused";
    if reference.is_char_ref() {
        return reference.resolve_char_ref().ok().flatten().filter(|c| is_xml(*c)).ok_or("a character cannot be read");
    }
    match &**reference {
        b"lt" => Ok('<'),
        b"gt" => Ok('>'),
        b"amp" => Ok('&'),
        b"apos" => Ok('\''),
        b"quot" => Ok('"'),
        _ => Err(UNKNOWN),
    }
}

/// The charset of the header counts, then the one of the declaration, then UTF-8.
fn decode<'a>(body: &'a [u8], charset: Option<&str>) -> Result<Cow<'a, str>, &'static str> {
    match charset.or_else(|| declared(body)).unwrap_or("utf-8").to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" | "us-ascii" => {
            std::str::from_utf8(body).map(Cow::Borrowed).map_err(|_| "it is not in UTF-8, as it should be")
        }
        // Each byte is the character of that number.
        "iso-8859-1" | "latin1" => Ok(Cow::Owned(body.iter().copied().map(char::from).collect())),
        _ => Err("its character set is not one that is known here"),
    }
}

/// The encoding that the XML declaration names.
fn declared(body: &[u8]) -> Option<&str> {
    let start = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    let start = start.get(..start.len().min(MAX_DECLARATION))?;
    let end = start.windows(2).position(|two| two == b"?>")?;
    let declaration = std::str::from_utf8(start.get(..end)?).ok()?.strip_prefix("<?xml")?;
    let (_, after) = declaration.split_once("encoding")?;
    let quoted = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    quoted.get(1..)?.split(quote).next()
}

/// The charset that a `Content-Type` names.
pub(crate) fn charset(content_type: Option<&str>) -> Option<&str> {
    let mut parts = content_type?.split(';').skip(1);
    parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']))
    })
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
