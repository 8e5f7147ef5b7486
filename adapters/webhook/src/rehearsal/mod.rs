//! A rehearsal: what a vendor's receiver has to do, tried from outside, rule by rule.
//!
//! `plan` says which messages are sent and what must come back; `stage` sends one and keeps what came; `judge` says what it
//! means; `messages` and `desk` go through the two parts. Everything but pings says `"test": true` in its data.
//!
//! Invariants: whatever the receiver does, what the rehearsal booked is cancelled at its end or named in a ruling; it ends, since
//! every call has a time limit and after [`MAX_SILENCES`] silent ones no more rules are tried; no secret and no word of an answer's
//! body is in a ruling.

mod desk;
mod judge;
mod messages;
mod plan;
mod stage;

use std::path::Path;
use std::time::Duration;

use passerelle_contract::{AdapterError, SettingProblem, SettingsError};
use passerelle_kit::secret::{Secret, SecretRef};
use passerelle_kit::settings::has_credentials;
use url::Url;

use crate::settings::{Unfit, unfit};
use crate::signature::{Key, Signer};
use stage::Stage;

/// Calls without an answer, after which no more rules are tried.
pub const MAX_SILENCES: u32 = 3;
/// Time in which a message is to be answered; a slower answer is a warning.
pub const MESSAGE_TIME: Duration = Duration::from_secs(5);
/// Time in which a request to sell or to free must be answered.
pub const REQUEST_TIME: Duration = Duration::from_secs(4);
/// Longest name of a stock, in characters.
const MAX_STOCK_CHARS: usize = 100;
/// Ports that may be added.
const MAX_PORTS: usize = 20;
/// What a seat costs where nothing is said.
const PRICE_CENTS: u32 = 1_000;
/// The stock of messages where none is named.
const STOCK: &str = "rehearsal/1/A";

const SECRET: &str = "must hold whsec_ and standard base64, with its padding, of 24 to 64 random bytes";

/// What is to be tried, as it was written.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Where messages are posted.
    pub url: Url,
    /// What calls are signed with.
    pub secret: SecretRef,
    /// The secret before it: good calls then carry both signatures, the new one first.
    pub previous_secret: Option<SecretRef>,
    /// Where it is asked to sell and to free, in synchronous mode.
    pub desk: Option<DeskTrial>,
    /// The key of a date at a tariff; needed with `desk`.
    pub stock_id: Option<String>,
    /// What it costs; needed with `desk`.
    pub price_cents: Option<u32>,
    /// Ports that addresses may name besides 443.
    pub allowed_ports: Vec<u16>,
    /// May addresses be private, and plain?
    pub allow_private_addresses: bool,
}

/// Where software is asked to sell and to free.
#[derive(Clone, Debug)]
pub struct DeskTrial {
    /// To sell.
    pub booking_url: Url,
    /// To free.
    pub cancel_url: Url,
}

/// A [`Trial`] that was checked, secrets read.
#[derive(Clone, Debug)]
pub struct Targets {
    url: Url,
    desk: Option<DeskTrial>,
    stock_id: String,
    price_cents: u32,
    signer: Signer,
    /// Keyed with the secret's text, which no receiver may take.
    by_text: Vec<Key>,
    /// That of somebody else.
    strange: Key,
    may_be_private: bool,
}

impl Trial {
    /// Reads the secrets and checks everything else. Opens no connection.
    ///
    /// # Errors
    /// Every problem, by the name of its field.
    pub fn check(self) -> Result<Targets, SettingsError> {
        let mut problems = Vec::new();
        let mut add = |path: &str, message: &str| {
            problems.push(SettingProblem { path: path.to_owned(), message: message.to_owned() });
        };
        let desk = self.desk.as_ref();
        for (path, url) in [
            ("url", Some(&self.url)),
            ("booking_url", desk.map(|desk| &desk.booking_url)),
            ("cancel_url", desk.map(|desk| &desk.cancel_url)),
        ] {
            for message in url.into_iter().flat_map(|url| self.problems_of(url)) {
                add(path, message);
            }
        }
        if self.allowed_ports.len() > MAX_PORTS {
            add("allowed_port", "at most 20 ports can be allowed");
        }
        let stock_id = self.stock_id.unwrap_or_else(|| STOCK.to_owned());
        if !(1..=MAX_STOCK_CHARS).contains(&stock_id.chars().count()) {
            add("stock_id", "write the vendor's own key of a date at a tariff, 1 to 100 characters");
        }
        let mut read = |path: &str, written: Option<&SecretRef>| {
            let secret = match written?.resolve(Path::new("")) {
                Ok(secret) => secret,
                Err(problem) => {
                    add(path, &problem.to_string());
                    return None;
                }
            };
            let key = Key::read(&secret);
            if key.is_none() {
                add(path, SECRET);
            }
            key.map(|key| (key, secret))
        };
        let current: Option<(Key, Secret)> = read("secret", Some(&self.secret));
        let previous = read("previous_secret", self.previous_secret.as_ref());
        match (current, Key::of_nobody()) {
            (Some((current, secret)), Some(strange)) if problems.is_empty() => Ok(Targets {
                url: self.url,
                desk: self.desk,
                stock_id,
                price_cents: self.price_cents.unwrap_or(PRICE_CENTS),
                signer: Signer { current, previous: previous.map(|(key, _)| key) },
                by_text: Key::of_text(&secret),
                strange,
                may_be_private: self.allow_private_addresses,
            }),
            _ if problems.is_empty() => Err(SettingsError::one("secret", SECRET)),
            _ => Err(SettingsError { problems }),
        }
    }

    fn problems_of(&self, url: &Url) -> Vec<&'static str> {
        let unfit = unfit(url, &self.allowed_ports, self.allow_private_addresses);
        let of_letters = unfit.into_iter().map(|unfit| match unfit {
            Unfit::Form => "write a full https address, such as https://billetterie.example/pass-culture",
            Unfit::Port => "write an address at port 443, or allow its port",
            Unfit::Inside => {
                "this address lies in a private or loopback network; allow private addresses if that is meant"
            }
        });
        let credentials = has_credentials(url).then_some("credentials do not belong in an address: calls are signed");
        of_letters.chain(credentials).collect()
    }
}

/// What became of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept, as far as can be seen from outside.
    Passed,
    /// It is broken.
    Failed,
    /// It is kept badly, or could not be tried.
    Warned,
}

impl Verdict {
    /// As written for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Warned => "warned",
        }
    }
}

/// One rule and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Its stable name.
    pub rule: &'static str,
    /// What became of it.
    pub verdict: Verdict,
    /// What was sent, for people.
    pub sent: String,
    /// What came back, for people.
    pub saw: String,
    /// What to change, or what could not be seen; empty when there is nothing to say.
    pub remedy: String,
}

/// Goes through the whole rehearsal: some twenty calls to `url`, and a dozen more where software is asked to sell.
///
/// # Errors
/// When nobody answers the very first call: there is nothing to try.
pub async fn rehearse(targets: &Targets) -> Result<Vec<Ruling>, AdapterError> {
    let mut stage = Stage::open(targets)?;
    let mut rulings = messages::rehearse(&mut stage).await?;
    if let Some(desk) = &targets.desk {
        rulings.extend(desk::rehearse(&mut stage, desk).await);
    }
    Ok(rulings)
}
