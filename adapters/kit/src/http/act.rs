//! What may change something at a vendor: sent once, and honest about whether it may have arrived.
//!
//! Invariant: [`NotAnswered::NotSent`] is only said when no byte of the request can have reached the vendor.
//!
//! What may be repeated without harm ([`Act::repeatable`]) may share connections; whose answer's status says all
//! ([`Act::status_only`]) is answered with the head, whatever the body does.

use std::fmt;
use std::time::Duration;

use passerelle_contract::AdapterError;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use url::Url;

use super::answer::{Limits, drain};
use super::{Answer, Client, Download, Lane, RetryBudget, address, error, retry};
use crate::secret::Secret;

/// What is done to the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

impl Verb {
    const fn name(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    const fn method(self) -> Method {
        match self {
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }
}

/// One call that may change something.
#[derive(Clone)]
pub struct Act {
    /// What is being done, for messages: `confirm the sale`.
    pub operation: &'static str,
    /// How.
    pub verb: Verb,
    /// Where. Redirects are not followed: a 3xx is an answer.
    pub url: Url,
    /// Headers besides user agent, encoding and credentials.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The value of `Authorization` of this call, instead of the client's.
    pub authorization: Option<Secret>,
    /// What is sent.
    pub body: Vec<u8>,
    /// Which queue it waits in.
    pub lane: Lane,
    /// Time for the whole call, its turn in the lane included; never longer than the client's.
    pub within: Duration,
    /// May it travel on a kept connection? See [`Act::repeatable`].
    pub is_repeatable: bool,
    /// Bytes of the answer's body that are read and dropped; `None` keeps the whole body. See [`Act::status_only`].
    pub drop_body_after: Option<u64>,
}

impl Act {
    /// A call for a booking, without body.
    #[must_use]
    pub const fn new(operation: &'static str, verb: Verb, url: Url, within: Duration) -> Self {
        Self {
            operation,
            verb,
            url,
            headers: Vec::new(),
            authorization: None,
            body: Vec::new(),
            lane: Lane::Booking,
            within,
            is_repeatable: false,
            drop_body_after: None,
        }
    }

    /// The same call with this body.
    #[must_use]
    pub fn with_body(mut self, content_type: &'static str, body: Vec<u8>) -> Self {
        self.headers.push((CONTENT_TYPE, HeaderValue::from_static(content_type)));
        self.body = body;
        self
    }

    /// The same call with JSON as its body.
    #[must_use]
    pub fn with_json(self, body: &serde_json::Value) -> Self {
        self.with_body("application/json", body.to_string().into_bytes())
    }

    /// The same call with one more header. Mark credentials as sensitive.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same call with this token.
    #[must_use]
    pub fn with_bearer(mut self, token: &Secret) -> Self {
        self.authorization = Some(super::bearer(token));
        self
    }

    /// The same call on a kept connection, if there is one. For calls whose repetition does no harm: the vendor may close that
    /// connection at the very moment, and then nobody knows whether the call arrived. Saves the handshakes of frequent calls.
    #[must_use]
    pub const fn repeatable(mut self) -> Self {
        self.is_repeatable = true;
        self
    }

    /// The same call, answered by its status: at most this many bytes of the body are read for a second at most, so that the
    /// connection can be used again, and dropped. A body that is too long, too slow, cut or packed oddly changes nothing.
    #[must_use]
    pub const fn status_only(mut self, drop_body_after: u64) -> Self {
        self.drop_body_after = Some(drop_body_after);
        self
    }

    /// The same call in another queue.
    #[must_use]
    pub const fn in_lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }
}

impl fmt::Debug for Act {
    /// Without query, headers and body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Act({}: {} {})", self.operation, self.verb.name(), error::shown(&self.url))
    }
}

/// Why there is no answer to an [`Act`].
#[derive(Debug)]
pub enum NotAnswered {
    /// Nothing reached the vendor.
    NotSent(AdapterError),
    /// The request may have arrived and may have taken effect.
    Unknown(AdapterError),
}

impl NotAnswered {
    /// The error, for calls whose repetition does no harm.
    #[must_use]
    pub fn into_error(self) -> AdapterError {
        match self {
            Self::NotSent(error) | Self::Unknown(error) => error,
        }
    }
}

impl Client {
    /// As [`Client::act`] for a call that may be repeated because it only reads (SOAP reads with POST), trying again as
    /// [`Client::get_with_retry`] does.
    ///
    /// # Errors
    /// Those of the last attempt. A status that stays is an answer.
    pub async fn act_with_retry(&self, act: &Act, budget: &RetryBudget) -> Result<Answer, AdapterError> {
        retry::run(budget, || async { self.act(act).await.map_err(NotAnswered::into_error) }).await
    }

    /// Sends it once and reads the answer. Any status is an answer.
    ///
    /// # Errors
    /// [`NotAnswered`], with the codes of [`Client::get`], and `VendorBusy` when its turn did not come in time.
    pub async fn act(&self, act: &Act) -> Result<Answer, NotAnswered> {
        let hidden = self.hidden.and(act.authorization.as_ref(), &act.headers);
        let config = self.config();
        address::check(&act.url, config, act.operation).map_err(NotAnswered::NotSent)?;
        let (place, started, deadline) =
            self.turn(act.lane, Some(act.within), act.operation).await.map_err(NotAnswered::NotSent)?;
        let client = if act.is_repeatable { &self.inner } else { self.fresh().map_err(NotAnswered::NotSent)? };
        let request = client.request(act.verb.method(), act.url.clone());
        let request = self
            .dress(request.body(act.body.clone()), &act.url, &act.headers, act.authorization.as_ref(), act.operation)
            .map_err(NotAnswered::NotSent)?;
        let response = self.head(request, act.operation, &act.url, deadline).await?;
        if let Some(most) = act.drop_body_after {
            let answer = drain(response, (act.operation, hidden), most, deadline, started).await;
            return Ok(answer.to(act.verb.name()));
        }
        let limits = Limits { total: deadline - started, only_first_bytes: None };
        let download = Download::new(response, (act.operation, hidden), limits, config, started, place);
        let answer = async { download?.whole().await }.await.map_err(NotAnswered::Unknown)?;
        Ok(answer.to(act.verb.name()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use passerelle_contract::Context;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::Config;
    use super::*;

    fn client(base: &Url) -> Client {
        let context = Context { allow_private_addresses: true, ..Context::default() };
        Client::new(Config::new(base.clone(), &context)).unwrap()
    }

    /// Answers every request of every connection with these bytes and keeps the connection; counts connections.
    async fn keeper(answer: Vec<u8>) -> (Url, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    while socket.read(&mut request).await.is_ok_and(|read| read > 0) {
                        if socket.write_all(&answer).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        (base, connections)
    }

    fn tell(base: &Url) -> Act {
        Act::new("tell", Verb::Post, base.clone(), Duration::from_secs(5)).with_body("text/plain", b"x".to_vec())
    }

    #[tokio::test]
    async fn what_may_be_repeated_shares_a_connection_and_what_may_not_does_not() {
        let (base, connections) = keeper(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()).await;
        let client = client(&base);
        for _ in 0..3 {
            let answer = client.act(&tell(&base).repeatable().status_only(16)).await.unwrap();
            assert_eq!((answer.status, answer.body.len()), (200, 0));
        }
        assert_eq!(connections.load(Ordering::Relaxed), 1);
        for _ in 0..2 {
            assert_eq!(client.act(&tell(&base)).await.unwrap().body, b"ok");
        }
        assert_eq!(connections.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn a_status_says_all_whatever_the_body_does() {
        let long = [b"HTTP/1.1 202 Fine\r\nContent-Length: 10000000\r\n\r\n".as_slice(), &[b'x'; 100_000]].concat();
        let odd = b"HTTP/1.1 202 Fine\r\nContent-Encoding: br\r\nContent-Length: 5\r\n\r\nx".to_vec();
        let never = b"HTTP/1.1 202 Fine\r\nRetry-After: 7\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n".to_vec();
        for answer in [long, odd, never] {
            let (base, _) = keeper(answer).await;
            let started = tokio::time::Instant::now();
            let answer = client(&base).act(&tell(&base).repeatable().status_only(1_000)).await.unwrap();
            assert_eq!((answer.status, answer.body.len()), (202, 0));
            assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
        }
    }

    async fn outcome(base: Url) -> NotAnswered {
        let act = Act::new("sell", Verb::Post, base.join("sale").unwrap(), Duration::from_millis(300));
        client(&base).act(&act).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_refused_connection_sent_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        drop(listener);
        assert!(matches!(outcome(base).await, NotAnswered::NotSent(error) if error.code == "Unreachable"));
    }

    #[tokio::test]
    async fn what_was_sent_and_not_answered_is_unknown() {
        for hangs in [true, false] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let base = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
            let vendor = tokio::spawn(async move {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                let _read = socket.read(&mut request).await;
                if hangs {
                    std::future::pending::<()>().await;
                }
            });
            assert!(matches!(outcome(base).await, NotAnswered::Unknown(_)), "hangs: {hangs}");
            vendor.abort();
        }
    }
}
