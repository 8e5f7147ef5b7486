//! An answer being read, and one that was.

use std::time::Duration;

use passerelle_contract::AdapterError;
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::decode::{DecodeProblem, Decoder};
use super::hide::Hidden;
use super::{Config, error, retry};

/// What bounds one answer besides the client's own limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Time for the whole call, counted from its start.
    pub(super) total: Duration,
    /// Read this much of the body and drop the rest, instead of refusing a longer one.
    pub(super) only_first_bytes: Option<u64>,
}

/// An answer whose body is read piece by piece. Dropping it closes the connection.
pub struct Download {
    response: reqwest::Response,
    decoder: Decoder,
    operation: &'static str,
    hidden: Hidden,
    started: Instant,
    idle_timeout: Duration,
    total_timeout: Duration,
    /// Bytes off the wire and bytes given, each at most `limit`.
    received: u64,
    given: u64,
    limit: u64,
    cut_at_limit: bool,
    ended: bool,
    _place: Option<OwnedSemaphorePermit>,
}

impl Download {
    pub(super) fn new(
        response: reqwest::Response,
        (operation, hidden): (&'static str, Hidden),
        limits: Limits,
        config: &Config,
        started: Instant,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<Self, AdapterError> {
        let encoding = header(response.headers(), CONTENT_ENCODING.as_str()).unwrap_or_default();
        let decoder = Decoder::of(encoding)
            .ok_or_else(|| error::bad_encoding(operation, response.url(), "is not one that was asked for"))?;
        let limit = limits.only_first_bytes.unwrap_or(config.max_body_bytes).min(config.max_body_bytes);
        let announced = header(response.headers(), CONTENT_LENGTH.as_str()).and_then(|text| text.parse::<u64>().ok());
        if limits.only_first_bytes.is_none() && announced.is_some_and(|bytes| bytes > limit) {
            return Err(error::too_large(operation, response.url(), limit));
        }
        Ok(Self {
            response,
            decoder,
            operation,
            hidden,
            started,
            idle_timeout: config.request_timeout,
            total_timeout: limits.total,
            received: 0,
            given: 0,
            limit,
            cut_at_limit: limits.only_first_bytes.is_some(),
            ended: false,
            _place: place,
        })
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// One header, when it is there once and is plain text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(self.response.headers(), name)
    }

    /// The next piece of the body, decompressed; `None` at its end. Pieces are at most a few MiB and never empty.
    ///
    /// # Errors
    /// `BodyCut`, `TooSlow`, `TimedOut`, `BodyTooLarge`, `BadEncoding`.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, AdapterError> {
        match self.next_chunk().await {
            Err(error) => Err(without(&self.hidden, error)),
            chunk => chunk,
        }
    }

    async fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, AdapterError> {
        while !self.ended {
            let piece = self.receive().await?;
            self.received += piece.as_ref().map_or(0, |bytes| bytes.len() as u64);
            self.ended = piece.is_none();
            let room = self.limit - self.given;
            let decoded = match &piece {
                // With a limit that only cuts, what is past it is not worth decoding.
                Some(bytes) if self.cut_at_limit && matches!(self.decoder, Decoder::Plain) => {
                    Ok(bytes[..bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX))].to_vec())
                }
                Some(_) if !self.cut_at_limit && self.received > self.limit => Err(DecodeProblem::TooLarge),
                Some(bytes) => self.decoder.push(bytes, room),
                None if self.received == 0 => Ok(Vec::new()),
                None => self.decoder.finish(),
            };
            let decoded = match decoded {
                Ok(decoded) if decoded.len() as u64 <= room => decoded,
                Err(DecodeProblem::Damaged(cause)) => {
                    let wrong = error::bad_encoding(self.operation, self.response.url(), "is damaged or cut off");
                    return Err(wrong.caused_by(cause));
                }
                Ok(_) | Err(DecodeProblem::TooLarge) if self.cut_at_limit => {
                    self.ended = true;
                    return Ok(None);
                }
                Ok(_) | Err(DecodeProblem::TooLarge) => {
                    return Err(error::too_large(self.operation, self.response.url(), self.limit));
                }
            };
            self.given += decoded.len() as u64;
            self.ended |= self.cut_at_limit && self.given >= self.limit;
            if !decoded.is_empty() {
                return Ok(Some(decoded));
            }
        }
        Ok(None)
    }

    async fn receive(
        &mut self,
    ) -> Result<Option<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]> + use<>>, AdapterError> {
        let deadline = self.started + self.total_timeout;
        let idle = Instant::now() + self.idle_timeout;
        let until = deadline.min(idle);
        match timeout_at(until, self.response.chunk()).await {
            Ok(Ok(piece)) if piece.is_some() && Instant::now() >= deadline => Err(self.too_slow()),
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) => Err(error::classify(error, self.operation, self.response.url())),
            Err(_) if until == deadline => Err(self.too_slow()),
            Err(_) => Err(error::timed_out(self.operation, self.response.url(), self.idle_timeout)),
        }
    }

    fn too_slow(&self) -> AdapterError {
        error::too_slow(self.operation, self.response.url(), self.total_timeout, self.received)
    }

    /// Reads the rest.
    ///
    /// # Errors
    /// As [`Download::chunk`].
    pub async fn whole(mut self) -> Result<Answer, AdapterError> {
        let mut body = Vec::new();
        while let Some(piece) = self.chunk().await? {
            body.extend_from_slice(&piece);
        }
        Ok(Answer {
            status: self.status(),
            headers: std::mem::take(self.response.headers_mut()),
            url: self.response.url().clone(),
            body,
            elapsed: self.started.elapsed(),
            operation: self.operation,
            hidden: self.hidden,
            verb: "GET",
        })
    }
}

/// Longest wait for the end of a body that nobody reads: only a connection that can be used again is gained.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// The answer without its body, of which at most `most` bytes are read and dropped; no fault of it counts. Only a body that
/// ends in time leaves its connection to be used again.
pub(super) async fn drain(
    mut response: reqwest::Response,
    (operation, hidden): (&'static str, Hidden),
    most: u64,
    deadline: Instant,
    started: Instant,
) -> Answer {
    let until = deadline.min(Instant::now() + DRAIN_TIME);
    let mut read = 0;
    while read < most {
        match timeout_at(until, response.chunk()).await {
            Ok(Ok(Some(piece))) => read += piece.len() as u64,
            Ok(Ok(None) | Err(_)) | Err(_) => break,
        }
        // A body that is always ready never gives the clock a chance.
        if Instant::now() >= until {
            break;
        }
    }
    Answer {
        status: response.status().as_u16(),
        headers: std::mem::take(response.headers_mut()),
        url: response.url().clone(),
        body: Vec::new(),
        elapsed: started.elapsed(),
        operation,
        hidden,
        verb: "GET",
    }
}

/// An error whose text repeats no secret.
pub(super) fn without(hidden: &Hidden, error: AdapterError) -> AdapterError {
    AdapterError { context: hidden.hide(&error.context), ..error }
}

/// An answer that was read.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Where it came from after redirects.
    pub url: Url,
    /// The body, decompressed.
    pub body: Vec<u8>,
    /// From the moment the request could go out to the body's end.
    pub elapsed: Duration,
    headers: HeaderMap,
    operation: &'static str,
    hidden: Hidden,
    verb: &'static str,
}

impl Answer {
    /// The same answer, to something else than a read.
    pub(super) const fn to(mut self, verb: &'static str) -> Self {
        self.verb = verb;
        self
    }

    /// One header, when it is plain text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The `Content-Type`.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.header(CONTENT_TYPE.as_str())
    }

    /// How long the vendor asks to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        retry::parse_retry_after(self.header(RETRY_AFTER.as_str())?, jiff::Timestamp::now())
    }

    /// What was asked and what came back, for evidence: `GET https://host/path answered 200 in 84 ms`.
    #[must_use]
    pub fn saw(&self) -> String {
        let place = self.told(&error::shown(&self.url));
        format!("{} {place} answered {} in {} ms", self.verb, self.status, self.elapsed.as_millis())
    }

    /// Words of the vendor's, or a text that holds some, without the secrets of the connection, should they be repeated there.
    /// Everything of an answer that is told goes through here.
    #[must_use]
    pub fn told(&self, words: &str) -> String {
        self.hidden.hide(words)
    }

    /// The start of the body on one line, for evidence; without secrets.
    #[must_use]
    pub fn excerpt(&self) -> String {
        let start = self.body.get(..self.body.len().min(error::EXCERPT_LOOKS_AT)).unwrap_or_default();
        error::excerpt_of(&self.told(&String::from_utf8_lossy(start)), start.len() < self.body.len())
    }

    /// The error that this status usually stands for. For statuses that the vendor's own table does not know.
    #[must_use]
    pub fn refused(&self) -> AdapterError {
        let rows = error::STATUSES.iter();
        let (class, code, hint) = rows
            .filter(|row| (row.first..=row.last).contains(&self.status))
            .map(|row| (row.class, row.code, row.hint))
            .next()
            .unwrap_or((passerelle_contract::Class::VendorFault, "UnexpectedStatus", "tell the vendor"));
        AdapterError::new(class, code, self.operation, format!("{}; {hint}", self.saw())).after(self.retry_after())
    }
}

impl std::fmt::Debug for Answer {
    /// Without body and headers: they may hold a cookie or a person.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.saw(), self.body.len())
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
