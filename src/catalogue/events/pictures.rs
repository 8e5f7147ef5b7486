//! Posters: fetched from where their vendor has them, framed, and put on the offer.
//!
//! A poster is a courtesy: whatever goes wrong with it is a sentence for the operator and never stops a pass. What is of no use
//! is remembered and not fetched again until its address changes; what may work later is tried at the next pass.
//!
//! Invariant: nothing on a private address is fetched unless the connection's own vendor serves it and may live there.

use std::net::IpAddr;
use std::time::Duration;

use passerelle_contract::Context;
use passerelle_kit::http::{self, Get, is_public};
use sha2::{Digest, Sha256};
use url::{Host, Url};

use super::changes::read_event;
use crate::catalogue::PassError;
use crate::passculture::{self, SendError};
use crate::rules::pictures::{MOST_BYTES, frame};
use crate::rules::screenings::PosterTerms;
use crate::store::ConnectionRecord;
use crate::store::events::EventRow;

/// Time for one poster, redirects included.
const FETCH_WITHIN: Duration = Duration::from_secs(20);
/// At the head of what is remembered of a poster that is of no use.
const USELESS: &str = "useless";

/// Fetches and puts posters of one connection.
pub(super) struct Pictures {
    context: Context,
    client: passculture::Client,
}

/// Why there is no picture.
enum NoPicture {
    /// The same again will not help.
    ForGood(String),
    /// It may work later.
    Later(String),
}

impl Pictures {
    pub(super) fn new(connection: &ConnectionRecord, client: &passculture::Client) -> Self {
        let context = Context {
            connection: connection.id.clone(),
            allow_private_addresses: connection.allow_private_addresses,
            base_dir: connection.base_dir.clone().into(),
            ..Context::default()
        };
        Self { context, client: client.clone() }
    }

    /// Is there a poster that pass Culture does not have, as far as the ledger knows?
    pub(super) fn wanted(event: &EventRow) -> bool {
        let poster = read_event(event.desired.as_deref()).and_then(|terms| terms.poster);
        poster
            .is_some_and(|poster| event.picture.as_deref().and_then(|known| known.lines().next()) != Some(&poster.url))
    }

    /// Puts an event's poster on its offer and notes in the row which it is; a sentence when there is none.
    pub(super) async fn put(&self, event: &mut EventRow, offer: i64) -> Result<Option<String>, PassError> {
        let Some(terms) = read_event(event.desired.as_deref()) else { return Ok(None) };
        let Some(poster) = terms.poster else { return Ok(None) };
        let told = |why: &str| format!("“{}” has no picture: {why}", terms.name);
        let picture = match self.fetch(&poster).await {
            Ok(picture) => picture,
            Err(NoPicture::Later(why)) => return Ok(Some(told(&why))),
            Err(NoPicture::ForGood(why)) => {
                event.picture = Some(format!("{}\n{USELESS}: {why}", poster.url));
                return Ok(Some(told(&why)));
            }
        };
        let fingerprint = hex::encode(Sha256::digest(&picture));
        // Another address of the same picture is no news for pass Culture.
        let known = event.picture.as_deref().and_then(|known| known.lines().nth(1)) == Some(fingerprint.as_str());
        if !known {
            match self.client.put_picture(offer, &picture, None).await {
                Ok(()) => {}
                Err(SendError::Refused { error, .. }) => {
                    event.picture = Some(format!("{}\n{USELESS}: {}", poster.url, error.code));
                    return Ok(Some(told(&error.to_string())));
                }
                Err(SendError::Failed(error) | SendError::AnswerLost(error)) => {
                    return Ok(Some(told(&error.to_string())));
                }
            }
        }
        event.picture = Some(format!("{}\n{fingerprint}", poster.url));
        Ok(None)
    }

    async fn fetch(&self, poster: &PosterTerms) -> Result<Vec<u8>, NoPicture> {
        let url = Url::parse(&poster.url)
            .map_err(|_| NoPicture::ForGood("BadPosterAddress: its poster's address is none".to_owned()))?;
        let at_home = poster.at_home.as_deref() == Some(url.origin().ascii_serialization().as_str());
        if !at_home && names_private_place(&url) {
            return Err(NoPicture::ForGood("PrivatePoster: its poster lies on a private address".to_owned()));
        }
        let context = Context {
            allow_private_addresses: at_home && self.context.allow_private_addresses,
            ..self.context.clone()
        };
        let config = http::Config {
            // Posters are public, and many servers of theirs know no TLS.
            allow_plain_http: true,
            concurrency: 2,
            request_timeout: FETCH_WITHIN,
            total_timeout: FETCH_WITHIN,
            max_body_bytes: MOST_BYTES as u64,
            ..http::Config::new(url.clone(), &context)
        };
        let why = |error: passerelle_contract::AdapterError| {
            let text = format!("{}: {}", error.code, error.context);
            if error.class.is_retryable() { NoPicture::Later(text) } else { NoPicture::ForGood(text) }
        };
        let fetched =
            http::Client::new(config).map_err(why)?.get(&Get::new("fetch the poster", url)).await.map_err(why)?;
        match fetched.status {
            200 => {}
            status @ (404 | 410 | 401 | 403) => {
                return Err(NoPicture::ForGood(format!("NoPoster: its poster's server answers {status}")));
            }
            status => return Err(NoPicture::Later(format!("NoPoster: its poster's server answers {status}"))),
        }
        let bytes = fetched.body;
        match tokio::task::spawn_blocking(move || frame(&bytes)).await {
            Ok(framed) => framed.map_err(|problem| NoPicture::ForGood(problem.to_string())),
            Err(_) => Err(NoPicture::ForGood("NoPicture: it cannot be decoded".to_owned())),
        }
    }
}

/// Does the address itself name a private place? Names are looked at when they are resolved.
fn names_private_place(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => !is_public(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => !is_public(IpAddr::V6(address)),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => true,
    }
}
