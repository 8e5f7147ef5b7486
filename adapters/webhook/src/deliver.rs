//! Carrying messages: one attempt each, and who speaks for the software.
//!
//! Invariant: an attempt ends within 15 s; once the head of a good answer is there the message is delivered, whatever follows.

use std::time::Duration;

use passerelle_contract::{
    AdapterError, BoxFuture, Class, Delivery, Evidence, Message, NoticeSink, NoticeTerms, Probe, ProbeKind,
};
use passerelle_kit::http::{Answer, Lane, NotAnswered};
use passerelle_kit::notice::{self, Kind};

use crate::Software;
use crate::client::{CALL_TIME, Call, new_id, now_millis};
use crate::facts::{self, Said};

/// Time for a ping.
const PING_TIME: Duration = Duration::from_secs(5);
const DELIVER: &str = "deliver a message";
const PING: &str = "ask whether anybody is there";

impl NoticeSink for Software {
    fn terms(&self) -> &NoticeTerms {
        &self.settings.terms
    }

    fn deliver<'a>(&'a self, message: Message<'a>) -> BoxFuture<'a, Delivery> {
        Box::pin(async move {
            match self.tell(DELIVER, Lane::Work, message).await {
                Ok(answer) => facts::delivery(&said(DELIVER, &answer, &answer.saw())),
                Err(error) => facts::not_delivered(error.into_error()),
            }
        })
    }

    fn accepts_token(&self, presented: &str) -> bool {
        // Every one is compared, so that the time does not tell which one fitted.
        self.settings.tokens.iter().fold(false, |fits, token| fits | token.matches(presented))
    }
}

/// An answer as facts read it.
pub(crate) fn said<'a>(operation: &'static str, answer: &'a Answer, saw: &'a str) -> Said<'a> {
    Said { operation, status: answer.status, body: &answer.body, retry_after: answer.retry_after(), saw }
}

impl Software {
    async fn tell(&self, operation: &'static str, lane: Lane, message: Message<'_>) -> Result<Answer, NotAnswered> {
        let within = if lane == Lane::Probe { PING_TIME } else { CALL_TIME };
        let (Some(caller), Some(url)) = (&self.caller, &self.settings.messages) else {
            let why = "nothing is sent to this software: it fetches its messages";
            return Err(NotAnswered::NotSent(AdapterError::new(Class::Unsupported, "NothingIsSent", operation, why)));
        };
        let Message { id, body, is_replay } = message;
        caller.tell(Call { operation, url, id, body, within, lane, is_replay }).await
    }

    /// Where messages go, a signed ping asks both questions and changes nothing. Software that fetches its messages cannot be
    /// asked anything: it is the one that calls. Nor is anybody asked to sell on trial, so that nothing is read.
    pub(crate) fn questions(&self) -> Vec<Probe<'_>> {
        if self.settings.messages.is_none() {
            return Vec::new();
        }
        let asks: [(ProbeKind, &'static str); 2] = [
            (ProbeKind::Reach, "check the addresses in the settings, and that the vendor's server is on"),
            (ProbeKind::SignIn, "write the same secret here and at the vendor, and check both clocks"),
        ];
        asks.into_iter()
            .map(|(kind, remedy)| Probe { kind, remedy, ask: Box::new(move || Box::pin(self.ping(kind))) })
            .collect()
    }

    async fn ping(&self, kind: ProbeKind) -> Result<Evidence, AdapterError> {
        let id = new_id();
        let body = notice::document(Kind::Ping.name(), now_millis(), 1, "{}");
        let ping = Message { id: &id, body: body.as_bytes(), is_replay: false };
        let answer = self.tell(PING, Lane::Probe, ping).await.map_err(NotAnswered::into_error)?;
        let saw = answer.saw();
        // Whoever answers a stranger with a no is there.
        if kind == ProbeKind::Reach && answer.status < 500 {
            return Ok(Evidence { saw, concern: None });
        }
        match facts::delivery(&said(PING, &answer, &saw)) {
            Delivery::Delivered(_) => Ok(Evidence { saw, concern: None }),
            Delivery::Failed { error, .. } => Err(error),
            Delivery::Gone => {
                let why = format!("{saw}; the vendor wants no more messages at this address: ask for the new one");
                Err(AdapterError::new(Class::Settings, "NotFound", PING, why))
            }
        }
    }
}
