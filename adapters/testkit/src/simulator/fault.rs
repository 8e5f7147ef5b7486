//! The ways in which a vendor misbehaves.

use std::io::Write as _;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;

/// Largest true answer that a fault cuts or slows down, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Bytes that the bomb unpacks to.
const BOMB_BYTES: usize = 64 * 1024 * 1024;

/// One way to misbehave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers with this status and a short text.
    Status(u16),
    /// Answers 429 or 503 with `Retry-After: n`.
    StatusWithRetryAfter(u16, u64),
    /// Takes the request and never answers.
    Hang,
    /// Sends half of the true answer, then drops the connection.
    CutMidBody,
    /// Sends the true answer one byte every so often.
    Trickle(Duration),
    /// Answers 200 with a web page.
    Html,
    /// Answers 302 to this address.
    Redirect(String),
    /// Sends spaces for ever.
    EndlessBody,
    /// Sends a few kilobytes that unpack to many megabytes.
    GzipBomb,
    /// Waits, then answers truly.
    Delay(Duration),
    /// Answers 200 with this body.
    Body(String),
    /// Answers with this status and with all that it was told: address, headers and body, as they are, percent-encoded, in base64
    /// folded at 76 characters, and with every other character on a line of its own; as JSON whose keys are those that vendors
    /// put their words in.
    Echo(u16),
    /// Lets the vendor act to the end, whether or not the caller still waits; then misbehaves like this towards the caller.
    /// So an answer is lost ([`Fault::Hang`]), late ([`Fault::Delay`]), cut or replaced after the effect.
    AfterEffect(Box<Fault>),
}

/// What goes wrong, where, and how often. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Rule>>>);

struct Rule {
    path_part: String,
    /// Requests that pass before it begins.
    spare: u32,
    /// `None` means for ever.
    left: Option<u32>,
    fault: Fault,
}

impl Faults {
    /// Misbehaves for the next `times` requests whose path contains `path_part` (the empty text is in every path). The name of a
    /// SOAP call is part of its path, see [`Logged::path`](super::Logged::path).
    pub fn next(&self, path_part: &str, times: u32, fault: Fault) {
        self.push(Rule { path_part: path_part.to_owned(), spare: 0, left: Some(times), fault });
    }

    /// Misbehaves until [`Faults::clear`].
    pub fn always(&self, fault: Fault) {
        self.from_call(0, fault);
    }

    /// Misbehaves once: `call` requests from now on pass, whatever their path, and the next one does not.
    pub fn at_call(&self, call: usize, fault: Fault) {
        self.push(Rule { path_part: String::new(), spare: spare(call), left: Some(1), fault });
    }

    /// Misbehaves until [`Faults::clear`], but lets the first `call` requests pass.
    pub fn from_call(&self, call: usize, fault: Fault) {
        self.push(Rule { path_part: String::new(), spare: spare(call), left: None, fault });
    }

    /// Behaves again.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn push(&self, rule: Rule) {
        // Packing it takes a while in a debug build: not while somebody waits for the answer.
        if matches!(rule.fault, Fault::GzipBomb) {
            let _ready = bomb();
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(rule);
    }

    /// The fault for this request, oldest rule first.
    pub(super) fn due(&self, path: &str) -> Option<Fault> {
        let mut rules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = rules.iter_mut().position(|rule| {
            let meant = path.contains(&rule.path_part);
            let spared = meant && rule.spare > 0;
            rule.spare -= u32::from(spared);
            meant && !spared
        })?;
        let fault = rules[at].fault.clone();
        if let Some(left) = &mut rules[at].left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                rules.remove(at);
            }
        }
        Some(fault)
    }
}

impl Fault {
    pub(super) async fn apply(self, request: Request, next: Next) -> Response {
        match self {
            Self::AfterEffect(fault) => after_effect(*fault, request, next).await,
            Self::CutMidBody | Self::Trickle(_) => self.answer(next.run(request).await).await,
            Self::Echo(status) => echo(status, request).await,
            Self::Delay(wait) => {
                tokio::time::sleep(wait).await;
                next.run(request).await
            }
            // The vendor never sees the request.
            fault => fault.answer(Response::default()).await,
        }
    }

    /// What the caller gets where the vendor itself would have answered `truth`.
    async fn answer(self, truth: Response) -> Response {
        match self {
            Self::Status(status) => (status_code(status), "out of order").into_response(),
            Self::StatusWithRetryAfter(status, seconds) => {
                (status_code(status), [(header::RETRY_AFTER, seconds.to_string())], "later").into_response()
            }
            Self::Hang => std::future::pending().await,
            Self::CutMidBody => cut(truth).await,
            Self::Trickle(pause) => trickle(truth, pause).await,
            Self::Html => {
                ([(header::CONTENT_TYPE, "text/html")], "<!doctype html><title>Maintenance</title>").into_response()
            }
            Self::Redirect(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
            Self::EndlessBody => Body::from_stream(stream::repeat_with(|| {
                Ok::<_, std::io::Error>(axum::body::Bytes::from_static(&[b' '; 16 * 1024]))
            }))
            .into_response(),
            Self::GzipBomb => ([(header::CONTENT_ENCODING, "gzip")], bomb()).into_response(),
            Self::Delay(wait) => {
                tokio::time::sleep(wait).await;
                truth
            }
            // What was asked is gone by then.
            Self::Echo(status) => (status_code(status), "echo").into_response(),
            Self::Body(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
            Self::AfterEffect(fault) => Box::pin(fault.answer(truth)).await,
        }
    }
}

/// What a badly made server says when something goes wrong: everything it knows.
async fn echo(status: u16, request: Request) -> Response {
    use base64::Engine as _;
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_ANSWER_BYTES).await.unwrap_or_default();
    let headers =
        parts.headers.iter().map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    let told =
        format!("{} {}\n{}\n{}", parts.method, parts.uri, headers.collect::<String>(), String::from_utf8_lossy(&body));
    let percent: String = told.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let packed = base64::engine::general_purpose::STANDARD.encode(&told);
    let folded: Vec<String> =
        packed.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let split: String = told.chars().map(|c| format!("{c}\r\n")).collect();
    // Short texts are shown whole, so that each form gets its turn: who quotes 200 characters sees the first of each key.
    let all = format!("{told}\n{percent}\n{}\n{split}", folded.join("\r\n"));
    let authorization = parts.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let words = format!("{authorization} {}", parts.uri);
    let json = serde_json::json!({
        "code": status, "message": words, "description": all, "detail": all, "error": words, "errors": { "siret": [words] },
        "statut": 0, "code_erreur": 1, "message_erreur": words, "text": all,
    });
    (status_code(status), [(header::CONTENT_TYPE, "application/json")], json.to_string()).into_response()
}

/// The vendor's work is a task of its own: a caller that hangs up early does not undo it.
async fn after_effect(fault: Fault, request: Request, next: Next) -> Response {
    let truth = tokio::spawn(async move {
        let (parts, body) = next.run(request).await.into_parts();
        // Handlers that work while they answer are done once their body is.
        let body = to_bytes(body, MAX_ANSWER_BYTES).await.unwrap_or_default();
        Response::from_parts(parts, Body::from(body))
    });
    let truth = truth.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response());
    fault.answer(truth).await
}

fn spare(call: usize) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The right `Content-Length`, half of the bytes, and an end without farewell.
async fn cut(answer: Response) -> Response {
    let (mut parts, body) = answer.into_parts();
    let whole = to_bytes(body, MAX_ANSWER_BYTES).await.unwrap_or_default();
    parts.headers.insert(header::CONTENT_LENGTH, whole.len().max(2).into());
    let half = whole.slice(..whole.len() / 2);
    let pieces = [Ok(half), Err(std::io::Error::other("cut on purpose"))];
    Response::from_parts(parts, Body::from_stream(stream::iter(pieces)))
}

async fn trickle(answer: Response, pause: Duration) -> Response {
    let (mut parts, body) = answer.into_parts();
    let whole = to_bytes(body, MAX_ANSWER_BYTES).await.unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    let pieces = stream::unfold(0, move |at| {
        let byte = (at < whole.len()).then(|| whole.slice(at..=at));
        async move {
            tokio::time::sleep(pause).await;
            Some((Ok::<_, std::io::Error>(byte?), at + 1))
        }
    });
    Response::from_parts(parts, Body::from_stream(pieces))
}

fn bomb() -> Vec<u8> {
    static PACKED: LazyLock<Vec<u8>> = LazyLock::new(packed_zeros);
    PACKED.clone()
}

fn packed_zeros() -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // Spaces are valid JSON padding, so only the size can be what is refused.
    let filled = (0..BOMB_BYTES / 65_536).try_for_each(|_| packer.write_all(&[b' '; 65_536]));
    filled.and_then(|()| packer.finish()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_the_call_it_is_meant_for() {
        let faults = Faults::default();
        faults.at_call(1, Fault::Html);
        faults.next("/sale", 1, Fault::Hang);
        let due: Vec<_> = ["/show", "/show", "/show", "/sale", "/sale"].map(|path| faults.due(path)).into();
        assert_eq!(due, [None, Some(Fault::Html), None, Some(Fault::Hang), None]);
        faults.from_call(1, Fault::Status(500));
        let due: Vec<_> = (0..3).map(|_| faults.due("/")).collect();
        assert_eq!(due, [None, Some(Fault::Status(500)), Some(Fault::Status(500))]);
    }
}
