//! Calls to one cinema's server, and the one table of what its answers mean.
//!
//! Invariant: a call is signed in and, when the server has dropped the token, made once more with a new one: a 401 of its own was
//! not processed. Nothing else that may have sold is made twice, and a status without the server's own words is a doubt: something
//! on the way can say it after the server has acted.

use std::sync::Arc;
use std::time::Duration;

use passerelle_contract::{AdapterError, Class, Deadline, SessionKeeper};
use passerelle_kit::http::{Act, Answer, Client, Get, Lane, NotAnswered, RetryBudget, Verb};
use passerelle_kit::lenient;
use passerelle_kit::secret::Secret;
use passerelle_kit::session::Session;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::settings::Checked;
use crate::wire::{Refused, SignedIn};

/// Bytes of an answer that a probe reads.
const PROBE_BYTES: u64 = 64 * 1024;
/// A token lives a day and is renewed five minutes early. A server lets one device of an account be signed in.
const TOKEN_LIFE: Duration = Duration::from_secs(24 * 3600 - 300);
/// Longest text of the vendor's that goes into a message, in characters.
const LONGEST_TEXT: usize = 200;

/// Who waits for a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum For<'a> {
    /// A pass, with what it may still spend on trying again.
    Pass(&'a RetryBudget),
    /// A booking, until then.
    Booking(Deadline),
    /// A probe.
    Probe,
}

/// Talks to one cinema's server.
#[derive(Debug)]
pub(crate) struct Boost {
    http: Client,
    settings: Checked,
    session: Session,
}

/// What hangs on a call that is not a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stake {
    /// Nothing is sold or freed by it: any 401 is answered with a new token.
    None,
    /// It sells or frees: only a 401 in the server's own words says that it was not processed.
    Seats,
}

/// What an effect came to, when it was not answered with success.
pub(crate) enum Trouble {
    /// Provably nothing happened.
    Nothing(AdapterError),
    /// The vendor said no, in words.
    Said(Said),
    /// It may have happened.
    Doubt(AdapterError),
}

/// The vendor's own words with a 4xx status.
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) message: String,
    pub(crate) error: AdapterError,
}

impl Boost {
    pub(crate) fn new(settings: Checked, sessions: Option<Arc<dyn SessionKeeper>>) -> Result<Self, AdapterError> {
        let http = Client::new(settings.http.clone())?;
        // Another server, user or password is another session.
        let account = ["boost", settings.http.base.as_str(), &settings.username];
        let session = Session::new(&account, &settings.password, TOKEN_LIFE, sessions);
        Ok(Self { http, settings, session })
    }

    pub(crate) fn host(&self) -> String {
        self.http.host()
    }

    pub(crate) const fn settings(&self) -> &Checked {
        &self.settings
    }

    /// A path below the root.
    pub(crate) fn at(&self, path: &str) -> Url {
        // Paths are ours and relative, so they always join.
        self.settings.http.base.join(path).unwrap_or_else(|_| self.settings.http.base.clone())
    }

    /// Reads; any status but 401 is an answer.
    pub(crate) async fn get(&self, operation: &'static str, url: Url, who: For<'_>) -> Result<Answer, AdapterError> {
        let mut failed: Option<Secret> = None;
        loop {
            let token = self.token(failed.as_ref(), who).await?;
            let get = match who {
                For::Pass(_) => Get::new(operation, url.clone()),
                For::Booking(deadline) => Get::new(operation, url.clone()).booking(deadline.left()),
                For::Probe => Get::new(operation, url.clone()).probing(PROBE_BYTES),
            };
            let get = get.with_bearer(&token);
            let answer = match who {
                For::Pass(budget) => self.http.get_with_retry(&get, budget).await?,
                For::Booking(_) | For::Probe => self.http.get(&get).await?,
            };
            if answer.status != 401 {
                return Ok(answer);
            }
            if failed.is_some() {
                return Err(token_refused(operation));
            }
            failed = Some(token);
        }
    }

    /// Does something, within that time. `again` is asked before it is sent a second time, after a 401.
    pub(crate) async fn act(
        &self,
        operation: &'static str,
        verb: Verb,
        url: Url,
        body: &Value,
        (deadline, wait_longer, stake): (Deadline, Duration, Stake),
        again: impl AsyncFnOnce() -> Result<(), AdapterError>,
    ) -> Result<Answer, Trouble> {
        let mut failed: Option<Secret> = None;
        let mut again = Some(again);
        loop {
            let token = self.token(failed.as_ref(), For::Booking(deadline)).await.map_err(Trouble::Nothing)?;
            if failed.is_some()
                && let Some(again) = again.take()
            {
                again().await.map_err(Trouble::Nothing)?;
            }
            let within = deadline.left() + wait_longer;
            let act = Act::new(operation, verb, url.clone(), within).with_json(body).with_bearer(&token);
            let answer = match self.http.act(&act).await {
                Ok(answer) => answer,
                Err(NotAnswered::NotSent(error)) => return Err(Trouble::Nothing(error)),
                Err(NotAnswered::Unknown(error)) => return Err(Trouble::Doubt(error)),
            };
            match answer.status {
                401 if stake == Stake::Seats && !says_token(&answer) => {
                    return Err(Trouble::Doubt(refused(&answer, operation)));
                }
                401 if failed.is_some() => return Err(Trouble::Nothing(token_refused(operation))),
                401 => failed = Some(token),
                200..=299 => return Ok(answer),
                status => {
                    let error = refused(&answer, operation);
                    return Err(match message(&answer) {
                        Some(message) if (400..500).contains(&status) && !matches!(status, 408 | 425 | 429) => {
                            Trouble::Said(Said { status, message, error })
                        }
                        _ => Trouble::Doubt(error),
                    });
                }
            }
        }
    }

    async fn token(&self, failed: Option<&Secret>, who: For<'_>) -> Result<Secret, AdapterError> {
        let (lane, within) = match who {
            For::Pass(_) => (Lane::Work, 2 * self.settings.timeout),
            For::Booking(deadline) => (Lane::Booking, deadline.left().min(2 * self.settings.timeout)),
            For::Probe => (Lane::Probe, 2 * self.settings.timeout),
        };
        self.session.token(failed, within, async || self.sign_in(lane, within).await).await
    }

    async fn sign_in(&self, lane: Lane, within: Duration) -> Result<Secret, AdapterError> {
        const OPERATION: &str = "sign in";
        // The server takes Python's spelling of true. Without it, it lets nobody in while another station is.
        let url = self.at("api/vendors/login?ignore_device=True");
        let body = json!({
            "username": self.settings.username,
            "password": self.settings.password.expose(),
            "stationName": self.settings.station_name,
        });
        let act = Act::new(OPERATION, Verb::Post, url, within).with_json(&body).in_lane(lane);
        let answer = self.http.act(&act).await.map_err(NotAnswered::into_error)?;
        if answer.status != 200 {
            return Err(match (answer.status, message(&answer)) {
                (400, Some(said)) => AdapterError::new(
                    Class::Auth,
                    "SignInRefused",
                    OPERATION,
                    format!("{}: “{}”; check username and password", answer.saw(), said),
                ),
                _ => answer.refused(),
            });
        }
        let signed: Option<SignedIn<'_>> = lenient::text(&answer.body).and_then(|text| serde_json::from_str(text).ok());
        match signed {
            Some(SignedIn { token }) => token.trimmed().map(Secret::new).ok_or_else(|| {
                let why = format!("{} without a token; check the account with the vendor", answer.saw());
                AdapterError::new(Class::VendorFault, "NoToken", OPERATION, why)
            }),
            // Not even its beginning is shown: a token may be in it.
            None => {
                let why = format!("{} with something that is no JSON", answer.saw());
                Err(AdapterError::new(Class::VendorFault, "MalformedBody", OPERATION, why))
            }
        }
    }

    /// Does anybody answer? Not signed in.
    pub(crate) async fn reach(&self) -> Result<String, AdapterError> {
        let get = Get::new("reach the cinema's server", self.at("")).probing(PROBE_BYTES);
        let answer = self.http.get(&get).await?;
        if answer.status >= 500 { Err(answer.refused()) } else { Ok(answer.saw()) }
    }

    /// Is the account taken?
    pub(crate) async fn sign_in_probe(&self) -> Result<String, AdapterError> {
        let answer = self.get("ask with the account", self.at("api/cinemas/attributs"), For::Probe).await?;
        if answer.status >= 400 { Err(answer.refused()) } else { Ok(format!("signed in; {}", answer.saw())) }
    }

    /// Can one thing be read?
    pub(crate) async fn read_one(&self) -> Result<String, AdapterError> {
        let today = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now()).date();
        let url = self.shows_page(today, today, 1, 1);
        let operation = "read one showtime";
        let answer = self.get(operation, url, For::Probe).await?;
        if answer.status >= 400 {
            return Err(refused(&answer, operation));
        }
        // Its beginning is enough: a page may be longer than a probe reads.
        let begins = lenient::text(&answer.body)
            .is_some_and(|text| text.trim_start().starts_with('{') && text.contains("\"data\""));
        if begins { Ok(answer.saw()) } else { Err(malformed(&answer, operation)) }
    }

    /// One page of the shows that beneficiaries can pay for.
    pub(crate) fn shows_page(&self, from: jiff::civil::Date, to: jiff::civil::Date, page: u32, per_page: u32) -> Url {
        let mut url = self.at(&format!("api/showtimes/between/{from}/{to}"));
        url.query_pairs_mut()
            .append_pair("paymentMethod", "external:credit:passculture")
            .append_pair("hideFullReservation", "1")
            .append_pair("per_page", &per_page.to_string())
            .append_pair("page", &page.to_string());
        url
    }
}

/// Reads an answer's JSON.
pub(crate) fn read<'a, T: Deserialize<'a>>(answer: &'a Answer, operation: &str) -> Result<T, AdapterError> {
    if answer.status >= 300 {
        return Err(refused(answer, operation));
    }
    lenient::text(&answer.body)
        .and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(|| malformed(answer, operation))
}

/// The text of an error that is JSON with a message.
pub(crate) fn message(answer: &Answer) -> Option<String> {
    let refused: Refused<'_> = serde_json::from_str(lenient::text(&answer.body)?).ok()?;
    Some(answer.told(refused.message.trimmed()?).chars().take(LONGEST_TEXT).collect())
}

/// Is a 401 the server's own: JSON with a message about its token, such as `Invalid JWT Token`?
fn says_token(answer: &Answer) -> bool {
    message(answer).is_some_and(|message| {
        let lower = message.to_ascii_lowercase();
        lower.contains("jwt") || lower.contains("token")
    })
}

/// Any status that is no success.
pub(crate) fn refused(answer: &Answer, operation: &str) -> AdapterError {
    let error = answer.refused();
    match message(answer) {
        Some(said) => {
            AdapterError {
                operation: operation.to_owned(), context: format!("{}: “{said}”", error.context), ..error
            }
        }
        None => AdapterError { operation: operation.to_owned(), ..error },
    }
}

/// A success that cannot be read: a web page, something cut off.
pub(crate) fn malformed(answer: &Answer, operation: &str) -> AdapterError {
    let context = format!("{} with something else than was promised: {}", answer.saw(), answer.excerpt());
    AdapterError::new(Class::VendorFault, "MalformedBody", operation, context)
}

fn token_refused(operation: &str) -> AdapterError {
    let why = "the server refuses a token that it has just given; check the account with the vendor";
    AdapterError::new(Class::Auth, "TokenRefused", operation, why)
}

/// What the vendor's English sentences mean. It has no codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sentence {
    /// `Insufficient number of seats for the showtime 70231, remaining: 1, required: 2`
    TooFew { remaining: u32 },
    /// `No showtime found`
    NoShow,
    /// The sale to cancel is not there.
    NoSale,
    /// It was cancelled before.
    AlreadyCancelled,
    /// Somebody went in with it.
    AlreadyUsed,
    /// Something else.
    Other,
}

/// Reads a sentence.
pub(crate) fn sentence(status: u16, message: &str) -> Sentence {
    let lower = message.to_lowercase();
    if let Some(remaining) = too_few(message) {
        Sentence::TooFew { remaining }
    } else if message.contains("No showtime found") {
        Sentence::NoShow
    } else if status == 404 && lower.contains("not found") {
        Sentence::NoSale
    } else if lower.contains("already") && lower.contains("cancel") {
        Sentence::AlreadyCancelled
    } else if ["control", "used", "scanned"].iter().any(|word| lower.contains(word)) {
        Sentence::AlreadyUsed
    } else {
        Sentence::Other
    }
}

fn too_few(message: &str) -> Option<u32> {
    let rest = message.trim().strip_prefix("Insufficient number of seats for the showtime ")?;
    let (show, rest) = rest.split_once(", remaining: ")?;
    let (remaining, required) = rest.split_once(", required: ")?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(show) && digits(remaining) && digits(required.trim())).then(|| remaining.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_read_as_the_vendor_writes_them() {
        let say = |status, message: &str| sentence(status, message);
        assert_eq!(
            say(400, "Insufficient number of seats for the showtime 70231, remaining: 12, required: 20"),
            Sentence::TooFew { remaining: 12 }
        );
        assert_eq!(
            say(400, "Insufficient number of seats for the showtime 1, remaining: 0, required: 2"),
            Sentence::TooFew { remaining: 0 }
        );
        assert_eq!(say(400, "No showtime found for id 5"), Sentence::NoShow);
        assert_eq!(say(404, "The sale with ID: 999999 not found"), Sentence::NoSale);
        assert_eq!(say(400, "Sale already cancelled"), Sentence::AlreadyCancelled);
        assert_eq!(say(400, "Ticket already controlled"), Sentence::AlreadyUsed);
        for other in [
            "",
            "Insufficient number of seats",
            "Insufficient number of seats for the showtime x, remaining: 1, required: 2",
        ] {
            assert_eq!(say(400, other), Sentence::Other, "{other}");
        }
    }
}
