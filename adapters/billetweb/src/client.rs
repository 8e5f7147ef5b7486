//! Calls to the vendor, and the one table of what its answers mean.
//!
//! A no usually comes with status 200, as an object where a list was promised. A page that asks whether we are a browser stands in
//! front of the vendor and means that it wants to be left alone.
//!
//! Invariants: what may change something is sent once; no list of attendees is ever quoted.

use std::time::Duration;

use passerelle_contract::{AdapterError, Class, Deadline, SettingsError};
use passerelle_kit::http::{Act, Answer, Client, Config, Get, Lane, NotAnswered, RetryBudget, Verb};
use passerelle_kit::lenient;
use url::Url;

use crate::settings::{self, Checked};
use crate::wire::{self, No, Said};

/// Found in the pages that ask whether we are a browser.
const CHALLENGE: &str = "cdn-cgi/challenge-platform";
/// The least time to stay away after such a page.
const AFTER_CHALLENGE: Duration = Duration::from_secs(120);
/// Time to stay away after too many calls: they are counted by the minute.
const AFTER_LIMIT: Duration = Duration::from_secs(60);
/// The answer to a sale is waited for so much longer than the caller has.
pub(crate) const LATE_ANSWER: Duration = Duration::from_secs(6);
/// Bytes of an answer that a probe reads: the events of the largest account.
const PROBE_BYTES: u64 = 8 * 1024 * 1024;
/// Longest text of the vendor's that goes into a message, in characters.
const LONGEST_TEXT: usize = 200;

/// Who waits for a reading.
#[derive(Clone, Copy, Debug)]
pub(crate) enum For<'a> {
    /// A pass, with what it may still spend on trying again.
    Pass(&'a RetryBudget),
    /// A booking, until then.
    Booking(Deadline),
    /// A probe.
    Probe,
}

/// Why an act gave no answer that can be read.
pub(crate) enum Trouble {
    /// Provably nothing happened.
    Nothing(AdapterError),
    /// It may have happened.
    Doubt(AdapterError),
}

/// What an act was answered.
pub(crate) enum Reply {
    /// JSON.
    Json(String),
    /// A no whose code has no meaning of its own here.
    No(AdapterError),
}

/// Talks to the vendor for one account.
#[derive(Debug)]
pub(crate) struct Billetweb {
    http: Client,
    /// For what changes something: the late answer to a sale is better than none.
    patient: Client,
    settings: Checked,
}

impl Billetweb {
    pub(crate) fn new(settings: Checked) -> Result<Self, SettingsError> {
        let client = |config| Client::new(config).map_err(|error| SettingsError::one("base_url", error.context));
        let longest = settings.timeout + LATE_ANSWER;
        let patient = Config { request_timeout: longest, total_timeout: longest, ..settings.http.clone() };
        Ok(Self { http: client(settings.http.clone())?, patient: client(patient)?, settings })
    }

    pub(crate) fn host(&self) -> String {
        self.http.host()
    }

    pub(crate) const fn settings(&self) -> &settings::Checked {
        &self.settings
    }

    /// The list of events that are on the vendor's site.
    pub(crate) async fn events(&self, who: For<'_>) -> Result<String, AdapterError> {
        let query = [("past", "0"), ("online", "1"), ("description", "1")];
        Ok(self.list("list events", "events", &query, who).await?.0)
    }

    /// The sessions of an event.
    pub(crate) async fn sessions(&self, event: &str, who: For<'_>) -> Result<String, AdapterError> {
        Ok(self.list("list sessions", &format!("event/{event}/dates"), &[("past", "0")], who).await?.0)
    }

    /// The tariffs of an event.
    pub(crate) async fn tariffs(&self, event: &str, who: For<'_>) -> Result<String, AdapterError> {
        Ok(self.list("list tariffs", &format!("event/{event}/tickets"), &[], who).await?.0)
    }

    /// The tickets that were sold to this address. The filter is not trusted.
    pub(crate) async fn attendees(
        &self,
        event: &str,
        email: &str,
        deadline: Deadline,
    ) -> Result<Vec<wire::Attendee>, AdapterError> {
        let path = format!("event/{event}/attendees");
        let list = self.list("look for the tickets", &path, &[("email", email)], For::Booking(deadline)).await?.0;
        let read = wire::entries(&list).into_iter().filter_map(wire::attendee);
        Ok(read.filter(|attendee| attendee.email == email).collect())
    }

    /// A list, and what was seen of the answer.
    pub(crate) async fn list(
        &self,
        operation: &'static str,
        path: &str,
        query: &[(&str, &str)],
        who: For<'_>,
    ) -> Result<(String, String), AdapterError> {
        let mut get = Get::new(operation, self.url(path, query));
        get.authorization = Some(self.settings.authorization.clone());
        let answer = match who {
            For::Pass(budget) => self.http.get_with_retry(&get, budget).await?,
            For::Booking(deadline) => self.http.get(&get.booking(deadline.left().min(self.settings.timeout))).await?,
            For::Probe => self.http.get(&get.probing(PROBE_BYTES)).await?,
        };
        if is_challenge(&answer) {
            return Err(challenged(&answer, operation));
        }
        let body = lenient::text(&answer.body).unwrap_or_default();
        match (answer.status, wire::said(body)) {
            (200..=299, Some(Said::List)) => Ok((body.to_owned(), answer.saw())),
            (200..=299, Some(Said::No(no))) => Err(self.no(&told(&answer, no), operation)),
            (200..=299, _) => Err(malformed(&answer, operation)),
            _ => Err(answer.refused()),
        }
    }

    /// Does anybody answer? Without the account.
    pub(crate) async fn reach(&self) -> Result<String, AdapterError> {
        let url = self.settings.http.base.clone();
        let answer = self.http.get(&Get::new("reach the vendor", url).probing(PROBE_BYTES)).await?;
        if is_challenge(&answer) {
            return Err(challenged(&answer, "reach the vendor"));
        }
        if answer.status >= 500 { Err(answer.refused()) } else { Ok(answer.saw()) }
    }

    /// Sends what may change something, once.
    pub(crate) async fn act(
        &self,
        operation: &'static str,
        path: &str,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<Reply, Trouble> {
        let mut act = Act::new(operation, Verb::Post, self.url(path, &[]), within).with_body("application/json", body);
        act.authorization = Some(self.settings.authorization.clone());
        let answer = self.patient.act(&act.in_lane(Lane::Booking)).await.map_err(|trouble| match trouble {
            NotAnswered::NotSent(error) => Trouble::Nothing(error),
            NotAnswered::Unknown(error) => Trouble::Doubt(error),
        })?;
        // It stands in front of the vendor, which most likely never saw the call: looked up all the same.
        if is_challenge(&answer) {
            return Err(Trouble::Doubt(challenged(&answer, operation)));
        }
        let body = lenient::text(&answer.body).unwrap_or_default();
        match (answer.status, wire::said(body)) {
            (200..=299, Some(Said::No(no))) => {
                let error = self.no(&told(&answer, no), operation);
                if is_turned_away(error.class) { Err(Trouble::Nothing(error)) } else { Ok(Reply::No(error)) }
            }
            (200..=299, Some(Said::List | Said::Other)) => Ok(Reply::Json(body.to_owned())),
            (200..=299, None) => Err(Trouble::Doubt(malformed(&answer, operation))),
            // Even where it says that nobody looked at it: something on the way can say so after the vendor has acted.
            _ => Err(Trouble::Doubt(answer.refused())),
        }
    }

    /// The vendor expects its version always.
    fn url(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let base = &self.settings.http.base;
        // Ours and relative, so it always joins.
        let mut url = base.join(path).unwrap_or_else(|_| base.clone());
        url.query_pairs_mut().append_pair("version", "1").extend_pairs(query);
        url
    }

    /// The table of codes.
    fn no(&self, no: &No, operation: &str) -> AdapterError {
        let words = self.told(&no.description);
        match no.code.as_str() {
            "unauthorized" => {
                let why = format!(
                    "the vendor refuses the account (“{words}”); check user, key and what the key is limited to"
                );
                AdapterError::new(Class::Auth, "BadCredentials", operation, why)
            }
            "rate_limiting" => {
                let why = "the vendor was called too often within a minute; the account's other programs count too";
                AdapterError::new(Class::RateLimited, "Throttled", operation, why).after(Some(AFTER_LIMIT))
            }
            code => {
                let why = format!("the vendor answers with error `{code}`: “{words}”; ask it what that means");
                AdapterError::new(Class::Data, "RefusedByVendor", operation, why)
            }
        }
    }

    /// The vendor's words without the key; words that repeat an address may name a person.
    fn told(&self, words: &str) -> String {
        if words.contains('@') {
            return "…".to_owned();
        }
        let clean = words.replace(self.settings.key.expose(), "***");
        clean.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_TEXT).collect()
    }
}

/// A no as it may be told.
fn told(answer: &Answer, no: No) -> No {
    No { code: answer.told(&no.code), description: answer.told(&no.description) }
}

/// Is this a no that was said before anybody looked at what was asked?
const fn is_turned_away(class: Class) -> bool {
    matches!(class, Class::Auth | Class::RateLimited)
}

/// Whatever its status.
fn is_challenge(answer: &Answer) -> bool {
    String::from_utf8_lossy(&answer.body).contains(CHALLENGE) && !answer.body.trim_ascii_start().starts_with(b"[")
}

fn challenged(answer: &Answer, operation: &str) -> AdapterError {
    let wait = answer.retry_after().map_or(AFTER_CHALLENGE, |asked| asked.max(AFTER_CHALLENGE));
    let why = format!(
        "{} with a page for browsers; if that lasts, ask the vendor to let the address of this machine through",
        answer.saw()
    );
    AdapterError::new(Class::RateLimited, "Challenged", operation, why).after(Some(wait))
}

/// A success that is no such thing. It is not shown: it may be a list of people.
fn malformed(answer: &Answer, operation: &str) -> AdapterError {
    let why = format!("{} with something else than was promised", answer.saw());
    AdapterError::new(Class::VendorFault, "MalformedBody", operation, why)
}
