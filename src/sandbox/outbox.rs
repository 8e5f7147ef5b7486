//! Posts messages to registered addresses, as the real client does.
//!
//! A new connection per message, the measured headers in their order, a limit per read and none for the whole (10 s
//! unless the settings say otherwise), one try (a connection that is refused is tried three more times at once), a
//! failure logged and dropped.
//!
//! Invariant: at most [`MAX_IN_FLIGHT`] notifications are being posted and [`MAX_QUESTIONS`] ticketings asked; the
//! others wait their turn.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT};
use tokio::sync::Semaphore;

use super::beneficiary::Outgoing;

/// Messages posted at once.
const MAX_IN_FLIGHT: usize = 32;
/// Ticketings asked at once.
const MAX_QUESTIONS: usize = 1_000;
/// Largest answer read, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;
/// Longest time to connect.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Attempts when the connection is refused.
const CONNECT_ATTEMPTS: usize = 4;

#[derive(Clone)]
pub(crate) struct Outbox {
    client: reqwest::Client,
    turns: Arc<Semaphore>,
    questions: Arc<Semaphore>,
}

impl Outbox {
    pub(crate) fn new() -> std::io::Result<Self> {
        // Already installed by the program in most cases; the second one is refused, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .http1_only()
            .http1_title_case_headers()
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_LIMIT)
            .no_proxy()
            .build()
            .map_err(std::io::Error::other)?;
        Ok(Self {
            client,
            turns: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
            questions: Arc::new(Semaphore::new(MAX_QUESTIONS)),
        })
    }

    /// Posts one notification; the status answered, if any.
    pub(crate) async fn post(&self, outgoing: &Outgoing, read_limit: Duration) -> Option<u16> {
        let _turn = self.turns.acquire().await.ok()?;
        self.try_post(outgoing, read_limit).await.map(|(status, _)| status)
    }

    /// Asks a ticketing and waits for its answer; nothing when there is none in time. Never waits for notifications.
    pub(crate) async fn ask(&self, outgoing: &Outgoing, read_limit: Duration) -> Option<(u16, Vec<u8>)> {
        let _turn = self.questions.acquire().await.ok()?;
        self.try_post(outgoing, read_limit).await
    }

    async fn try_post(&self, outgoing: &Outgoing, read_limit: Duration) -> Option<(u16, Vec<u8>)> {
        let headers = headers(outgoing)?;
        for _ in 0..CONNECT_ATTEMPTS {
            let request = self.client.post(&outgoing.url).headers(headers.clone());
            let sent = request.body(outgoing.message.wire.clone()).send();
            match tokio::time::timeout(read_limit, sent).await {
                Ok(Ok(response)) => return read(response, read_limit).await,
                Ok(Err(error)) if error.is_connect() => {}
                Ok(Err(_)) | Err(_) => return None,
            }
        }
        None
    }
}

/// The answer read to its end, as the real client does; nothing when a read takes too long.
async fn read(mut response: reqwest::Response, read_limit: Duration) -> Option<(u16, Vec<u8>)> {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(part) = tokio::time::timeout(read_limit, response.chunk()).await.ok()?.ok()? {
        if body.len() + part.len() > MAX_ANSWER {
            return None;
        }
        body.extend_from_slice(&part);
    }
    Some((status, body))
}

/// The measured order; `Content-Length` follows by itself.
fn headers(outgoing: &Outgoing) -> Option<HeaderMap> {
    let url = url::Url::parse(&outgoing.url).ok()?;
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str()?),
        None => url.host_str()?.to_owned(),
    };
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(HOST, HeaderValue::from_str(&host).ok()?);
    headers.insert(USER_AGENT, HeaderValue::from_static("python-requests/2.32.5"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate, br"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("passculture-signature", HeaderValue::from_str(&outgoing.message.signature).ok()?);
    Some(headers)
}
