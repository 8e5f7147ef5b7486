//! What may change something at a vendor: sent once, and honest about whether it may have arrived.
//!
//! Invariant: [`NotAnswered::NotSent`] is only said when no byte of the request can have reached the vendor.

use std::fmt;
use std::time::Duration;

use passerelle_contract::AdapterError;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use url::Url;

use super::answer::Limits;
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
        let config = self.config();
        address::check(&act.url, config, act.operation).map_err(NotAnswered::NotSent)?;
        let (place, started, deadline) =
            self.turn(act.lane, Some(act.within), act.operation).await.map_err(NotAnswered::NotSent)?;
        let request = self.fresh().map_err(NotAnswered::NotSent)?.request(act.verb.method(), act.url.clone());
        let request = self
            .dress(request.body(act.body.clone()), &act.url, &act.headers, act.authorization.as_ref(), act.operation)
            .map_err(NotAnswered::NotSent)?;
        let response = self.head(request, act.operation, &act.url, deadline).await?;
        let limits = Limits { total: deadline - started, only_first_bytes: None };
        let download = Download::new(response, act.operation, limits, config, started, place);
        let answer = async { download?.whole().await }.await.map_err(NotAnswered::Unknown)?;
        Ok(answer.to(act.verb.name()))
    }
}

#[cfg(test)]
mod tests {
    use passerelle_contract::Context;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::super::Config;
    use super::*;

    fn client(base: &Url) -> Client {
        let context = Context { allow_private_addresses: true, ..Context::default() };
        Client::new(Config::new(base.clone(), &context)).unwrap()
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
