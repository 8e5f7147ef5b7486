//! What an answer means for a rule: pure.
//!
//! Invariant: a refusal counts only where something was taken before; whoever refuses everything keeps no rule by it.

use super::stage::{Heard, Signing};
use super::{MESSAGE_TIME, Ruling, Verdict};
use crate::facts::Said;

/// What must come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Any 2xx.
    Taken,
    /// 401, or another 4xx.
    Refused,
}

/// Words with which only software answers that read the document.
const WORDS_OF_THE_CONTRACT: [&str; 7] = [
    "not_enough_seats",
    "already_exists",
    "unknown_stock",
    "already_cancelled",
    "already_used",
    "unknown_booking",
    "unknown_barcode",
];
const PROVES_NOTHING: &str = "it refuses rightly signed calls as well, so that this proves nothing: see to those first";

/// A verdict, and what to say of it.
pub(super) type Judged = (Verdict, String);

impl Heard {
    /// As facts read it.
    pub(super) fn said(&self) -> Option<Said<'_>> {
        let status = self.status?;
        Some(Said { operation: "rehearse", status, body: &self.body, retry_after: None, saw: &self.saw })
    }

    /// `error` in the answer.
    pub(super) fn word(&self) -> Option<String> {
        let value: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        Some(value.get("error")?.as_str()?.to_owned())
    }

    pub(super) fn is_good(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// A message's answer. `note` is said where the rule is kept, `remedy` where it is broken.
pub(super) fn message(expected: Expected, heard: &Heard, has_taken: bool, note: &str, remedy: &str) -> Judged {
    let (verdict, says) = match expected {
        Expected::Taken => taken(heard, note, remedy),
        Expected::Refused => refused(heard, has_taken, note, remedy),
    };
    if verdict == Verdict::Passed && heard.elapsed > MESSAGE_TIME {
        let slow = "it took more than 5 s: answer as soon as the message is stored, and do the work after";
        return (Verdict::Warned, join(slow, &says));
    }
    (verdict, says)
}

fn taken(heard: &Heard, note: &str, remedy: &str) -> Judged {
    match heard.status {
        Some(200..=299) => (Verdict::Passed, note.to_owned()),
        status => (Verdict::Failed, join(by_status(status), remedy)),
    }
}

/// Was a call that is wrongly signed, or signed at another time, turned away?
pub(super) fn refused(heard: &Heard, has_taken: bool, note: &str, remedy: &str) -> Judged {
    let knows_the_document = heard.word().is_some_and(|word| WORDS_OF_THE_CONTRACT.contains(&word.as_str()));
    match heard.status {
        Some(400..=499) if knows_the_document => {
            (Verdict::Failed, join("it answered to what the document says, and did not look at the signature", remedy))
        }
        Some(400..=499) if !has_taken => (Verdict::Warned, PROVES_NOTHING.to_owned()),
        Some(401) => (Verdict::Passed, note.to_owned()),
        Some(400..=499) => (Verdict::Passed, join("401 is what the contract asks for; any 4xx does", note)),
        Some(200..=299) => (Verdict::Failed, remedy.to_owned()),
        status => (Verdict::Failed, join(by_status(status), remedy)),
    }
}

/// What a status that is no 2xx tells of a receiver.
pub(super) const fn by_status(status: Option<u16>) -> &'static str {
    match status {
        None => "answer every call, within 5 s, also those that you refuse",
        Some(300..=399) => "no redirect is followed: name the address that it leads to",
        Some(401 | 403) => {
            "a right signature is refused: key with the decoded bytes of the secret, sign id.timestamp.body over the body as it \
             came, compare with every v1 entry, and check both clocks"
        }
        Some(404 | 405) => "this address must take POST",
        Some(410) => "410 ends all messages to this address: answer it only when that is meant",
        Some(413) => "bodies of up to 20 KiB must be taken",
        Some(415) => "content-type application/json must be taken",
        Some(500..=599) => "the receiver broke: its log tells why",
        Some(_) => "",
    }
}

/// Two sentences as one, either of which may be missing.
pub(super) fn join(one: &str, other: &str) -> String {
    match (one, other) {
        ("", other) => other.to_owned(),
        (one, "") => one.to_owned(),
        (one, other) => format!("{one}; {other}"),
    }
}

/// What was sent, for people; by its id they find it in their log.
pub(super) fn sent(kind: &str, id: &str, signing: Signing, body: &str) -> String {
    format!("{kind} as {id}, {}, {} bytes", signing.says(), body.len())
}

/// A rule that could not be tried.
pub(super) fn not_tried(rule: &'static str, verdict: Verdict, why: &str) -> Ruling {
    Ruling { rule, verdict, sent: "nothing".to_owned(), saw: "not tried".to_owned(), remedy: why.to_owned() }
}

/// A rule that was not tried since nobody answers any more.
pub(super) fn deserted(rule: &'static str) -> Ruling {
    not_tried(rule, Verdict::Failed, "several calls in a row had no answer, and no more were made: see to those first")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn heard(status: Option<u16>, body: &str) -> Heard {
        Heard { status, elapsed: Duration::from_millis(3), body: body.as_bytes().to_vec(), saw: "it".to_owned() }
    }

    #[test]
    fn a_refusal_counts_only_where_something_was_taken() {
        let verdict = |status, body: &str, has_taken| refused(&heard(status, body), has_taken, "", "change it").0;
        for (status, body, has_taken, expected) in [
            (Some(401), "", true, Verdict::Passed),
            (Some(400), "", true, Verdict::Passed),
            (Some(401), "", false, Verdict::Warned),
            (Some(404), r#"{"error":"unknown_stock"}"#, true, Verdict::Failed),
            (Some(404), r#"{"error":"bad_signature"}"#, true, Verdict::Passed),
            (Some(204), "", true, Verdict::Failed),
            (Some(500), "", true, Verdict::Failed),
            (Some(302), "", true, Verdict::Failed),
            (None, "", true, Verdict::Failed),
        ] {
            assert_eq!(verdict(status, body, has_taken), expected, "{status:?} {body} {has_taken}");
        }
        let (_, says) = refused(&heard(Some(422), ""), true, "nothing more", "");
        assert!(says.starts_with("401 is what") && says.ends_with("nothing more"));
    }

    #[test]
    fn a_slow_answer_is_a_warning_and_a_bad_one_a_failure_however_fast() {
        let at = |status, millis| {
            let heard = Heard { elapsed: Duration::from_millis(millis), ..heard(Some(status), "") };
            message(Expected::Taken, &heard, true, "", "").0
        };
        assert_eq!((at(204, 5_000), at(204, 5_001), at(500, 1)), (Verdict::Passed, Verdict::Warned, Verdict::Failed));
    }
}
