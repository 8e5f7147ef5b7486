//! Sending one call of a rehearsal, signed rightly or wrongly as the plan wants it, and keeping what came back.
//!
//! Invariant: every call is made on a connection of its own and ends within 15 s, so that one rule does not spoil the next.

use std::time::Duration;

use passerelle_contract::AdapterError;
use passerelle_kit::http::{Lane, NotAnswered};
use url::Url;

use super::{MAX_SILENCES, Targets};
use crate::client::{CALL_TIME, Call, Caller, now_millis};

/// How far wrong times are off, in seconds: twice what is allowed.
const OFF_SECONDS: i64 = 600;
const OPERATION: &str = "rehearse";

/// How a call is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signing {
    /// As the gateway does.
    Right,
    /// With a key that nobody else has.
    Strange,
    /// Rightly, ten minutes ago.
    Past,
    /// Rightly, in ten minutes.
    Future,
    /// A strange entry before the right one.
    StrangeThenRight,
    /// A strange entry after the right one.
    RightThenStrange,
    /// The right bytes under a version that nobody knows yet.
    OtherVersion,
    /// Keyed with the secret's text.
    ByText,
}

impl Signing {
    /// For people.
    pub(super) const fn says(self) -> &'static str {
        match self {
            Self::Right => "rightly signed",
            Self::Strange => "signed with another secret",
            Self::Past => "rightly signed, with a timestamp 600 s in the past",
            Self::Future => "rightly signed, with a timestamp 600 s in the future",
            Self::StrangeThenRight => "with two signatures, the second one right",
            Self::RightThenStrange => "with two signatures, the first one right",
            Self::OtherVersion => "with the right bytes under version v1a only",
            Self::ByText => "with signatures keyed with the secret's text",
        }
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// `None`: no answer.
    pub(super) status: Option<u16>,
    pub(super) elapsed: Duration,
    pub(super) body: Vec<u8>,
    /// For people, without a word of the body.
    pub(super) saw: String,
}

/// Where calls are made from.
pub(super) struct Stage<'a> {
    pub(super) targets: &'a Targets,
    /// Was any rightly signed call taken? Otherwise refusals prove nothing.
    pub(super) has_taken: bool,
    caller: Caller,
    silences: u32,
}

impl<'a> Stage<'a> {
    pub(super) fn open(targets: &'a Targets) -> Result<Self, AdapterError> {
        let caller = Caller::new(&targets.url, targets.signer.clone(), targets.may_be_private)?;
        Ok(Self { targets, has_taken: false, caller, silences: 0 })
    }

    /// Did too many calls stay without an answer?
    pub(super) const fn is_deserted(&self) -> bool {
        self.silences >= MAX_SILENCES
    }

    fn header(&self, signing: Signing, id: &str, seconds: i64, body: &[u8]) -> String {
        let right = self.targets.signer.header(id, seconds, body);
        let strange = self.targets.strange.sign(id, seconds, body);
        match signing {
            Signing::Right | Signing::Past | Signing::Future => right,
            Signing::Strange => strange,
            Signing::StrangeThenRight => format!("{strange} {right}"),
            Signing::RightThenStrange => format!("{right} {strange}"),
            Signing::OtherVersion => right.replace("v1,", "v1a,"),
            Signing::ByText => {
                let entries: Vec<String> = self.targets.by_text.iter().map(|key| key.sign(id, seconds, body)).collect();
                entries.join(" ")
            }
        }
    }

    /// Sends it; an error when nobody answered.
    pub(super) async fn send(
        &mut self,
        url: &Url,
        id: &str,
        body: &str,
        signing: Signing,
        is_read: bool,
    ) -> Result<Heard, AdapterError> {
        let now = now_millis().div_euclid(1_000);
        let seconds = match signing {
            Signing::Past => now.saturating_sub(OFF_SECONDS),
            Signing::Future => now.saturating_add(OFF_SECONDS),
            _ => now,
        };
        let body = body.as_bytes();
        let signature = self.header(signing, id, seconds, body);
        let lane = Lane::Work;
        let call = Call { operation: OPERATION, url, id, body, within: CALL_TIME, lane, is_replay: false };
        match self.caller.present(call, seconds, signature, is_read).await {
            Ok(answer) => {
                self.silences = 0;
                let saw = format!("{} in {} ms", answer.status, answer.elapsed.as_millis());
                Ok(Heard { status: Some(answer.status), elapsed: answer.elapsed, body: answer.body, saw })
            }
            Err(error) => {
                self.silences = self.silences.saturating_add(1);
                Err(NotAnswered::into_error(error))
            }
        }
    }

    /// Sends it; silence is something that was heard, too.
    pub(super) async fn hear(&mut self, url: &Url, id: &str, body: &str, signing: Signing, is_read: bool) -> Heard {
        self.send(url, id, body, signing, is_read).await.unwrap_or_else(|error| Heard {
            status: None,
            elapsed: CALL_TIME,
            body: Vec::new(),
            saw: format!("no answer: {} ({})", error.context, error.code),
        })
    }
}
