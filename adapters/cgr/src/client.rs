//! Calls to one cinema's service, and the one table of what its answers mean.
//!
//! Everything is a POST to one address, reading too. The credentials travel in every body, a person in the body of a sale: no
//! body is ever quoted, and the vendor's own words are looked through for what they were told.
//!
//! Invariant: an answer is good only when its status is 200, its envelope is whole and its code is 0.

use std::sync::OnceLock;
use std::time::Duration;

use passerelle_contract::{AdapterError, Class, Deadline};
use passerelle_kit::http::{Act, Answer, Client, Get, Lane, NotAnswered, RetryBudget, Verb};

use crate::answer::{self, Content};
use crate::request::{Operation, envelope};
use crate::sentences::{self, Sentence};
use crate::settings::{Checked, LISTING_PATIENCE};
use crate::wire::{Head, Listed, Listing};

/// Bytes of an answer that the probe of the address reads.
const PROBE_BYTES: u64 = 64 * 1024;
/// Longest text of the vendor's that goes into a message, in characters.
const LONGEST_TEXT: usize = 200;
/// The film number that asks for the whole programme.
pub(crate) const ALL_FILMS: &str = "0";

/// Who waits for a listing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum For<'a> {
    /// A pass, with what it may still spend on trying again.
    Pass(&'a RetryBudget),
    /// A booking, until then.
    Booking(Deadline),
    /// A probe.
    Probe,
}

/// Talks to one cinema's service.
#[derive(Debug)]
pub(crate) struct Cgr {
    http: Client,
    settings: Checked,
    /// The vendor's number of the cinema, from the first listing that told it.
    number: OnceLock<i64>,
}

/// An answer that is no success.
pub(crate) enum Wrong {
    /// The vendor said no, in an answer that is whole.
    Said(Box<Said>),
    /// Anything else: a fault, a web page, half an answer, a status.
    Odd(AdapterError),
}

/// The vendor's own words.
pub(crate) struct Said {
    pub(crate) code: i64,
    pub(crate) sentence: Sentence,
    /// At most 200 characters; credentials and persons taken out.
    pub(crate) words: String,
    pub(crate) error: AdapterError,
    /// The whole result.
    pub(crate) json: String,
}

impl From<Wrong> for AdapterError {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Said(said) => said.error,
            Wrong::Odd(error) => error,
        }
    }
}

impl Cgr {
    pub(crate) fn new(settings: Checked) -> Result<Self, AdapterError> {
        let http = Client::new(settings.http.clone())?;
        Ok(Self { http, settings, number: OnceLock::new() })
    }

    pub(crate) fn host(&self) -> String {
        self.http.host()
    }

    pub(crate) const fn settings(&self) -> &Checked {
        &self.settings
    }

    /// A call, signed with the account.
    fn ask(&self, operation: Operation, more: &[(&str, &str)], within: Duration) -> Act {
        let who = [("User", self.settings.username.as_str()), ("mdp", self.settings.password.expose())];
        let body = envelope(operation, &[&who, more].concat());
        let url = self.settings.http.base.clone();
        let mut act = Act::new(saying(operation), Verb::Post, url, within)
            .with_body("text/xml; charset=utf-8", body.into_bytes());
        // Both are ours and plain, so they always parse.
        if let (Ok(name), Ok(value)) = ("soapaction".parse(), operation.action().parse()) {
            act = act.with_header(name, value);
        }
        act
    }

    /// Sends what may change something, once.
    pub(crate) async fn act(
        &self,
        operation: Operation,
        parameters: &[(&str, &str)],
        within: Duration,
    ) -> Result<Answer, NotAnswered> {
        self.http.act(&self.ask(operation, parameters, within)).await
    }

    /// The result of a listing: of one film, or of [`ALL_FILMS`].
    pub(crate) async fn listing(&self, film: &str, who: For<'_>) -> Result<String, AdapterError> {
        let (lane, within) = match who {
            For::Pass(_) => (Lane::Work, LISTING_PATIENCE * self.settings.timeout),
            For::Booking(deadline) => (Lane::Booking, deadline.left().min(self.settings.timeout)),
            For::Probe => (Lane::Probe, LISTING_PATIENCE * self.settings.timeout),
        };
        let act = self.ask(Operation::List, &[("IDFilmAllocine", film)], within).in_lane(lane);
        let answer = match who {
            For::Pass(budget) => self.http.act_with_retry(&act, budget).await?,
            For::Booking(_) | For::Probe => self.http.act(&act).await.map_err(NotAnswered::into_error)?,
        };
        Ok(self.read(&answer, Operation::List, &[])?)
    }

    /// The films of a listing's result; keeps the cinema's number. The sentence warns of another one than before.
    pub(crate) fn films<'a>(&self, json: &'a str) -> Result<(Listing<'a>, Option<String>), AdapterError> {
        let listed: Listed<'a> =
            serde_json::from_str(json).map_err(|_| malformed(saying(Operation::List), "the result holds no films"))?;
        let listing = listed.objet_retour;
        let told = listing.num_cine.0.filter(|number| *number > 0);
        let kept = told.map(|told| *self.number.get_or_init(|| told));
        let warning = match (kept, told) {
            (Some(kept), Some(told)) if kept != told => Some(format!(
                "cinema {} calls itself number {told} and was number {kept} before; {kept} is kept until a restart: check \
                 base_url",
                self.settings.cinema_id
            )),
            (_, Some(_)) => None,
            (_, None) => Some("the listing does not tell the cinema's number, which sales need".to_owned()),
        };
        Ok((listing, warning))
    }

    /// The cinema's number.
    pub(crate) fn number(&self) -> Option<i64> {
        self.number.get().copied()
    }

    /// The JSON of a success. `private` is what else must not be repeated from the vendor's words.
    pub(crate) fn read(&self, answer: &Answer, operation: Operation, private: &[&str]) -> Result<String, Wrong> {
        let saying = saying(operation);
        let json = match (content(answer, operation), answer.status) {
            (Ok(Content::Result(json)), 200) => json,
            // Faults come with 500, or with 200.
            (Ok(Content::Fault(words)), 200 | 500..=599) => {
                return Err(Wrong::Odd(self.fault(answer, saying, &words, private)));
            }
            (Err(why), 200) => return Err(Wrong::Odd(malformed(saying, &format!("{}, and {why}", answer.saw())))),
            _ => return Err(Wrong::Odd(status(answer, saying))),
        };
        let head = serde_json::from_str::<Head<'_>>(&json).ok();
        let said =
            head.and_then(|head| Some((head.code()?, head.intitule_erreur.trimmed().unwrap_or_default().to_owned())));
        let Some((code, words)) = said else {
            let why = format!("{}, and its result is no JSON with a code", answer.saw());
            return Err(Wrong::Odd(malformed(saying, &why)));
        };
        if code == 0 {
            return Ok(json);
        }
        let sentence = sentences::read(&words);
        let words = self.redacted(&answer.told(&words), private);
        Err(Wrong::Said(Box::new(refused(code, (sentence, words), operation, json))))
    }

    fn fault(&self, answer: &Answer, saying: &str, words: &str, private: &[&str]) -> AdapterError {
        let (class, code) = match sentences::read(words) {
            Sentence::Account => (Class::Auth, "SignInRefused"),
            _ => (Class::Transient, "SoapFault"),
        };
        let why = format!("{} with a fault: “{}”", answer.saw(), self.redacted(&answer.told(words), private));
        AdapterError::new(class, code, saying, why)
    }

    /// The vendor's words without what they may repeat.
    fn redacted(&self, words: &str, private: &[&str]) -> String {
        let own = [self.settings.password.expose(), &self.settings.username];
        let hidden = own.iter().chain(private).filter(|text| !text.trim().is_empty());
        let clean = hidden.fold(words.to_owned(), |text, hidden| without(&text, hidden));
        clean.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_TEXT).collect()
    }

    /// Does anybody answer? Without the account.
    pub(crate) async fn reach(&self) -> Result<String, AdapterError> {
        let mut url = self.settings.http.base.clone();
        url.set_query(Some("wsdl"));
        let answer = self.http.get(&Get::new("reach the cinema's service", url).probing(PROBE_BYTES)).await?;
        if answer.status >= 500 { Err(answer.refused()) } else { Ok(answer.saw()) }
    }

    /// Is the account taken? There is no question but the real one.
    pub(crate) async fn sign_in_probe(&self) -> Result<String, AdapterError> {
        self.listing(ALL_FILMS, For::Probe).await.map(|_| "the account is taken".to_owned())
    }

    /// Can the programme be read?
    pub(crate) async fn read_one(&self) -> Result<String, AdapterError> {
        let json = self.listing(ALL_FILMS, For::Probe).await?;
        let (listing, _) = self.films(&json)?;
        let number =
            listing.num_cine.0.map_or_else(|| "without number".to_owned(), |number| format!("number {number}"));
        let films = listing.films.map_or(0, |films| films.len());
        Ok(format!("cinema {number} lists {films} film(s)"))
    }
}

/// The vendor's no, with its words as they may be told.
fn refused(code: i64, (sentence, words): (Sentence, String), operation: Operation, json: String) -> Said {
    let (class, kind) = match (sentence, operation) {
        (Sentence::Account, _) => (Class::Auth, "SignInRefused"),
        (_, Operation::Book) => (Class::VendorFault, "Rejected"),
        // Asked again it may work: reading and voiding do no harm twice.
        (_, Operation::List | Operation::Cancel) => (Class::Transient, "Rejected"),
    };
    let hint = if class == Class::Auth { "; check username and password" } else { "" };
    let why = format!("the vendor answers with error {code}: “{words}”{hint}");
    Said { code, sentence, words, error: AdapterError::new(class, kind, saying(operation), why), json }
}

/// A text with something in it hidden, in capitals or not: box offices like to shout names.
fn without(text: &str, hidden: &str) -> String {
    let lower = |c: char| c.to_lowercase();
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut after = rest.chars();
        if hidden.chars().all(|c| after.next().is_some_and(|other| lower(other).eq(lower(c)))) {
            clean.push_str("***");
            rest = after.as_str();
        } else {
            clean.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    clean
}

/// What an answer holds, whatever its status.
pub(crate) fn content(answer: &Answer, operation: Operation) -> Result<Content, &'static str> {
    answer::read(&answer.body, answer::charset(answer.content_type()), operation)
}

/// Something that came as a success and is none.
pub(crate) fn malformed(saying: &str, why: &str) -> AdapterError {
    AdapterError::new(Class::VendorFault, "MalformedBody", saying, why)
}

fn status(answer: &Answer, saying: &str) -> AdapterError {
    if (200..300).contains(&answer.status) {
        return malformed(saying, &format!("{}, which is no answer with a result", answer.saw()));
    }
    AdapterError { operation: saying.to_owned(), ..answer.refused() }
}

const fn saying(operation: Operation) -> &'static str {
    match operation {
        Operation::List => "list showtimes",
        Operation::Book => "sell",
        Operation::Cancel => "cancel the sale",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_hidden_in_any_case_and_as_often_as_it_stands_there() {
        assert_eq!(without("M. HÉLIAS et hélias, Hélia", "Hélias"), "M. *** et ***, Hélia");
        assert_eq!(without("aaa", "aa"), "***a");
        assert_eq!(without("", "x"), "");
    }
}
