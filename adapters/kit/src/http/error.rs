//! One table from what went wrong on the wire to class, code and what to do.

use std::error::Error;
use std::time::Duration;

use passerelle_contract::{AdapterError, Class};
use url::Url;

use super::address::{NameProblem, private_address};

/// Characters of a body shown in a message.
const EXCERPT_CHARS: usize = 80;

/// A status range and what it means unless the vendor's own table says otherwise.
pub(super) struct StatusRow {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) class: Class,
    pub(super) code: &'static str,
    pub(super) hint: &'static str,
}

/// The usual meanings of statuses; the first row that fits counts.
pub(super) const STATUSES: &[StatusRow] = &[
    row(401, 401, Class::Auth, "BadCredentials", "check the credentials in the settings with the vendor"),
    row(403, 403, Class::Auth, "Forbidden", "the vendor knows us and says no: ask it to open this shop to us"),
    row(404, 404, Class::Settings, "NotFound", "check the address in the settings"),
    row(408, 408, Class::Transient, "VendorDown", "the next pass tries again"),
    row(410, 410, Class::Settings, "NotFound", "the vendor closed this address: ask for the new one"),
    row(429, 429, Class::RateLimited, "Throttled", "the vendor asks to be called less often"),
    row(500, 599, Class::Transient, "VendorDown", "the next pass tries again; call the vendor if it lasts"),
    row(0, u16::MAX, Class::VendorFault, "UnexpectedStatus", "the vendor's contract knows no such answer: tell it"),
];

const fn row(first: u16, last: u16, class: Class, code: &'static str, hint: &'static str) -> StatusRow {
    StatusRow { first, last, class, code, hint }
}

/// An address as messages show it: no user, no query, no fragment.
pub(super) fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// Bytes of a body that are looked through for its excerpt: secrets in them are hidden before anything is cut.
pub(super) const EXCERPT_LOOKS_AT: usize = 8 * 1024;

/// The start of a body, on one line, for evidence. It still holds the secrets that the body holds: tell it through
/// [`Answer::told`](super::Answer::told), or use [`Answer::excerpt`](super::Answer::excerpt).
#[must_use]
pub fn excerpt(body: &[u8]) -> String {
    // Four bytes a character at most, so the cut never splits what is shown.
    let start = body.get(..body.len().min(EXCERPT_CHARS * 4)).unwrap_or_default();
    excerpt_of(&String::from_utf8_lossy(start), start.len() < body.len())
}

/// The same of a text; `is_cut` when there was more of it.
pub(super) fn excerpt_of(text: &str, is_cut: bool) -> String {
    let mut characters = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let one_line: String = characters.by_ref().take(EXCERPT_CHARS).collect();
    if is_cut || characters.next().is_some() { format!("{one_line}…") } else { one_line }
}

/// No head within the time.
pub(super) fn timed_out(operation: &str, url: &Url, limit: Duration) -> AdapterError {
    let context = format!("{} gave no answer within {} s", shown(url), limit.as_secs_f32());
    AdapterError::new(Class::Transient, "TimedOut", operation, context)
}

/// The lane was full for all of the time that the caller had.
pub(super) fn no_turn(operation: &str, base: &Url, limit: Duration) -> AdapterError {
    let context = format!(
        "too many calls to {} are under way; none ended within {} s, and this one was not sent",
        base.origin().ascii_serialization(),
        limit.as_secs_f32()
    );
    AdapterError::new(Class::Transient, "VendorBusy", operation, context)
}

/// A head, then a body that never ends.
pub(super) fn too_slow(operation: &str, url: &Url, limit: Duration, read: u64) -> AdapterError {
    let context = format!("{} had sent {read} bytes and not the end after {} s", shown(url), limit.as_secs_f32());
    AdapterError::new(Class::Transient, "TooSlow", operation, context)
}

/// More than the limit, as sent or once decompressed.
pub(super) fn too_large(operation: &str, url: &Url, limit: u64) -> AdapterError {
    let context = format!("{} sent more than {limit} bytes; nothing of it was used", shown(url));
    AdapterError::new(Class::VendorFault, "BodyTooLarge", operation, context)
}

/// Packed in a way that cannot be undone.
pub(super) fn bad_encoding(operation: &str, url: &Url, what: &str) -> AdapterError {
    let context = format!("{} sent a body whose compression {what}", shown(url));
    AdapterError::new(Class::VendorFault, "BadEncoding", operation, context)
}

/// What a failed call was.
pub(super) fn classify(error: reqwest::Error, operation: &str, url: &Url) -> AdapterError {
    let place = shown(url);
    if let Some(problem) = find::<NameProblem>(&error) {
        return match problem {
            NameProblem::Private => private_address(url, operation),
            NameProblem::Failed(_) => {
                let context = format!("the name in {place} cannot be resolved; check the address in the settings");
                AdapterError::new(Class::Transient, "DnsFailed", operation, context).caused_by(error.without_url())
            }
        };
    }
    let (class, code, what) = if let Some(tls) = find::<rustls::Error>(&error) {
        // The text of rustls names the fault (expired, wrong name); it holds nothing secret.
        (Class::VendorFault, "TlsFailed", format!("TLS with {place} failed: {tls}"))
    } else if error.is_timeout() {
        (Class::Transient, "TimedOut", format!("{place} did not answer in time"))
    } else if error.is_connect() {
        (Class::Transient, "Unreachable", format!("{place} cannot be reached"))
    } else if error.is_body() || error.is_decode() {
        (Class::Transient, "BodyCut", format!("{place} cut its answer off before the end"))
    } else {
        (Class::Transient, "Unreachable", format!("the exchange with {place} broke off"))
    };
    AdapterError::new(class, code, operation, what).caused_by(error.without_url())
}

/// Looks for a cause of one kind; I/O errors hide theirs from `source`.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut at = Some(error);
    while let Some(current) = at {
        if let Some(found) = current.downcast_ref::<T>() {
            return Some(found);
        }
        at = match current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => current.source(),
        };
    }
    None
}
