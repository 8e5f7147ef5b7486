//! Signed calls to one venue's software.
//!
//! Invariants: the bytes that are signed are the bytes that are sent; no redirect is followed; what comes back is bounded in
//! size and time, and none of it shows in a message.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use passerelle_contract::{AdapterError, Class, Context};
use passerelle_kit::http::{Act, Answer, Client, Config, Lane, NotAnswered, Verb};
use passerelle_kit::notice::MAX_DOCUMENT_BYTES;
use url::Url;
use uuid::Uuid;

use crate::signature::Signer;

/// Calls under way to one host, over all connections: one slow receiver must not hold up the others of its vendor.
const AT_ONCE: u32 = 64;
/// Time for name, TCP and TLS.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// Time for one whole call.
pub(crate) const CALL_TIME: Duration = Duration::from_secs(15);
/// Largest answer to a request, in bytes: two tickets and what software adds to them.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// Bytes of the answer to a message that are read, and dropped.
const DROP_AFTER_BYTES: u64 = 16 * 1024;
/// Who calls.
const USER_AGENT: &str = concat!("passculture-gateway/", env!("CARGO_PKG_VERSION"));
/// Major version of the documents.
const CONTRACT: &str = "1";

/// One signed call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) operation: &'static str,
    pub(crate) url: &'a Url,
    /// The same in every repetition.
    pub(crate) id: &'a str,
    /// The same in every repetition.
    pub(crate) body: &'a [u8],
    pub(crate) within: Duration,
    pub(crate) lane: Lane,
    pub(crate) is_replay: bool,
}

/// Talks to one venue's software.
#[derive(Debug)]
pub(crate) struct Caller {
    http: Client,
    signer: Signer,
}

impl Caller {
    /// Opens no connection. `base` is one of its addresses; any other that was checked as the settings are may be called.
    pub(crate) fn new(base: &Url, signer: Signer, may_be_private: bool) -> Result<Self, AdapterError> {
        let context = Context { allow_private_addresses: may_be_private, ..Context::default() };
        let config = Config {
            allow_plain_http: may_be_private,
            concurrency: AT_ONCE,
            booking_concurrency: AT_ONCE,
            connect_timeout: CONNECT_TIME,
            request_timeout: CALL_TIME,
            total_timeout: CALL_TIME,
            max_body_bytes: MAX_ANSWER_BYTES,
            ..Config::new(base.clone(), &context)
        };
        Ok(Self { http: Client::new(config)?, signer })
    }

    /// Sends a message whose answer is its status. Repeating it does no harm, so that connections are kept.
    pub(crate) async fn tell(&self, call: Call<'_>) -> Result<Answer, NotAnswered> {
        let act = self.act(call).map_err(NotAnswered::NotSent)?;
        self.http.act(&act.repeatable().status_only(DROP_AFTER_BYTES)).await
    }

    /// Sends a request and reads its answer. On a connection of its own: whether it left must be known.
    pub(crate) async fn ask(&self, call: Call<'_>) -> Result<Answer, NotAnswered> {
        let act = self.act(call).map_err(NotAnswered::NotSent)?;
        self.http.act(&act).await
    }

    /// Sends a call with this time and this signature, right or wrong, on a connection of its own; the body of the answer is
    /// kept only where somebody reads it.
    pub(crate) async fn present(
        &self,
        call: Call<'_>,
        seconds: i64,
        signature: String,
        is_read: bool,
    ) -> Result<Answer, NotAnswered> {
        let act = dressed(call, seconds, signature).map_err(NotAnswered::NotSent)?;
        let act = if is_read { act } else { act.status_only(DROP_AFTER_BYTES) };
        self.http.act(&act).await
    }

    /// Signed now: each repetition has a time and a signature of its own.
    fn act(&self, call: Call<'_>) -> Result<Act, AdapterError> {
        let seconds = now_millis().div_euclid(1_000);
        dressed(call, seconds, self.signer.header(call.id, seconds, call.body))
    }
}

/// The call as it goes out.
fn dressed(call: Call<'_>, seconds: i64, signature: String) -> Result<Act, AdapterError> {
    if call.body.len() > MAX_DOCUMENT_BYTES {
        let why = format!("the document has {} bytes, at most {MAX_DOCUMENT_BYTES} are sent", call.body.len());
        return Err(AdapterError::new(Class::Data, "DocumentTooLarge", call.operation, why));
    }
    let mut act = Act::new(call.operation, Verb::Post, call.url.clone(), call.within)
        .with_body("application/json", call.body.to_vec())
        .in_lane(call.lane);
    let replay = call.is_replay.then(|| "1".to_owned());
    for (name, value) in [
        ("webhook-id", Some(call.id.to_owned())),
        ("webhook-timestamp", Some(seconds.to_string())),
        ("webhook-signature", Some(signature)),
        ("user-agent", Some(USER_AGENT.to_owned())),
        ("gateway-contract", Some(CONTRACT.to_owned())),
        ("gateway-replay", replay),
    ] {
        let Some(value) = value else { continue };
        match (name.parse(), value.parse()) {
            (Ok(name), Ok(value)) => act = act.with_header(name, value),
            _ => {
                let why = "the message's id has characters that no header can carry";
                return Err(AdapterError::new(Class::Data, "BadMessageId", call.operation, why));
            }
        }
    }
    Ok(act)
}

/// Milliseconds since 1970.
pub(crate) fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A new message's id: `msg_` and a ULID, 30 characters. A version 7 UUID begins with the same 48 bits of time.
pub(crate) fn new_id() -> String {
    const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let number = Uuid::now_v7().as_u128();
    let symbol = |at: u32| {
        let five = usize::try_from((number >> (5 * at)) & 31).unwrap_or(0);
        char::from(SYMBOLS.get(five).copied().unwrap_or(b'0'))
    };
    let ulid: String = (0..26).rev().map(symbol).collect();
    format!("msg_{ulid}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_thirty_characters_without_a_dot_and_never_the_same() {
        let ids: std::collections::HashSet<String> = (0..1_000).map(|_| new_id()).collect();
        assert_eq!(ids.len(), 1_000);
        for id in ids {
            let symbols = id.strip_prefix("msg_").unwrap();
            assert!(symbols.len() == 26 && symbols.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
            assert!(symbols.starts_with("01"), "a ULID of this age begins with 01: {id}");
        }
    }
}
