//! Posts messages to registered addresses, as the real client does.
//!
//! A new connection per message, the measured headers in their order, 10 s per read, one try (a connection that is
//! refused is tried three more times at once), a failure logged and dropped.
//!
//! Invariant: at most [`MAX_IN_FLIGHT`] messages are being posted; the others wait their turn.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT};
use tokio::sync::Semaphore;

use super::beneficiary::Outgoing;

/// Messages posted at once.
const MAX_IN_FLIGHT: usize = 32;
/// Per read, and for connecting.
const READ_LIMIT: Duration = Duration::from_secs(10);
/// Attempts when the connection is refused.
const CONNECT_ATTEMPTS: usize = 4;

#[derive(Clone)]
pub(crate) struct Outbox {
    client: reqwest::Client,
    turns: Arc<Semaphore>,
}

impl Outbox {
    pub(crate) fn new() -> std::io::Result<Self> {
        // Already installed by the program in most cases; the second one is refused, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .http1_only()
            .http1_title_case_headers()
            .pool_max_idle_per_host(0)
            .connect_timeout(READ_LIMIT)
            .read_timeout(READ_LIMIT)
            .no_proxy()
            .build()
            .map_err(std::io::Error::other)?;
        Ok(Self { client, turns: Arc::new(Semaphore::new(MAX_IN_FLIGHT)) })
    }

    /// Posts one message; the status answered, if any.
    pub(crate) async fn post(&self, outgoing: &Outgoing) -> Option<u16> {
        let _turn = self.turns.acquire().await.ok()?;
        let headers = headers(outgoing)?;
        for _ in 0..CONNECT_ATTEMPTS {
            let request = self.client.post(&outgoing.url).headers(headers.clone());
            match request.body(outgoing.message.wire.clone()).send().await {
                Ok(response) => {
                    let status = response.status().as_u16();
                    // The answer is read to its end, as the real client does, and ignored.
                    let _ = response.bytes().await;
                    return Some(status);
                }
                Err(error) if error.is_connect() => {}
                Err(_) => return None,
            }
        }
        None
    }
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
