//! Writing, and what it means when a write fails.
//!
//! Invariant: [`SendError::Failed`] and [`SendError::Refused`] are said only when no attempt may have taken effect.

use std::time::Duration;

use passerelle_contract::Class;
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::TIMEOUT;
use crate::passculture::client::Client;
use crate::passculture::error::{FieldError, Missing, NorthError};
use crate::passculture::products::unwritable;
use crate::passculture::transport::{Call, Content, Failure, Resend};

/// Why a write was not done, or may not have been.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// pass Culture looked at it and said no; nothing of it was done. The same again is refused again.
    #[error("{error}")]
    Refused {
        /// What it named, as it named it.
        fields: Vec<FieldError>,
        /// The answer.
        error: NorthError,
    },
    /// Nothing was done.
    #[error(transparent)]
    Failed(NorthError),
    /// It may have been done. Look first: by `idAtProvider` for what was to be made, by reading for what was to be changed.
    #[error(transparent)]
    AnswerLost(NorthError),
}

impl SendError {
    /// The failure behind it.
    #[must_use]
    pub const fn error(&self) -> &NorthError {
        match self {
            Self::Refused { error, .. } | Self::Failed(error) | Self::AnswerLost(error) => error,
        }
    }

    fn of(failure: Failure, meanings: &[Meaning]) -> Self {
        let open = failure.open_before || failure.leaves_open();
        let Failure { mut error, fields, .. } = failure;
        if let Some(meaning) = meanings.iter().find(|meaning| meaning.fits(error.status, &fields)) {
            error.class = meaning.class;
            error.code = meaning.code;
            error.what = format!("{} (HTTP {})", meaning.what, meaning.status);
            error.remedy = meaning.remedy;
        }
        if open {
            Self::AnswerLost(error)
        } else if !fields.is_empty() && matches!(error.class, Class::Data | Class::Settings) {
            Self::Refused { fields, error }
        } else {
            Self::Failed(error)
        }
    }
}

/// What a status and a key mean to one route, where they mean more than to all.
pub(super) struct Meaning {
    pub(super) status: u16,
    /// The field that a key is about.
    pub(super) key: &'static str,
    pub(super) class: Class,
    pub(super) code: &'static str,
    pub(super) what: &'static str,
    pub(super) remedy: &'static str,
}

impl Meaning {
    fn fits(&self, status: Option<u16>, fields: &[FieldError]) -> bool {
        status == Some(self.status) && fields.iter().any(|field| field.is_about(self.key))
    }
}

/// Some offer, date or price category already has the key.
pub(super) const KEY_TAKEN: Meaning = Meaning {
    status: 400,
    key: "idAtProvider",
    class: Class::Data,
    code: "KeyTaken",
    what: "pass Culture already has something under that key",
    remedy: "nothing to do: the next pass looks it up by its key",
};

/// Whoever made it, pass Culture lets us change it no more.
pub(super) const FROZEN: Meaning = Meaning {
    status: 400,
    key: "global",
    class: Class::Data,
    code: "OfferFrozen",
    what: "pass Culture does not let this be changed: it was rejected, has begun, or another provider made it",
    remedy: "see the excerpt; a rejected offer is for pass Culture's moderation",
};

/// One write.
pub(super) struct Write<'a> {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) missing: Missing,
    pub(super) resend: Resend,
    pub(super) timeout: Duration,
    pub(super) meanings: &'a [Meaning],
}

impl<'a> Write<'a> {
    /// Makes something: repeating it would make it twice.
    pub(super) const fn create(operation: &'static str, path: &'a str, meanings: &'a [Meaning]) -> Self {
        let resend = Resend::IfUnreached;
        Self { operation, method: Method::POST, path, missing: Missing::Offer, resend, timeout: TIMEOUT, meanings }
    }

    /// Changes something: repeating it changes nothing more.
    pub(super) const fn change(operation: &'static str, path: &'a str, meanings: &'a [Meaning]) -> Self {
        let resend = Resend::Freely;
        Self { operation, method: Method::PATCH, path, missing: Missing::Offer, resend, timeout: TIMEOUT, meanings }
    }
}

impl Client {
    /// Sends JSON and reads JSON back. An answer that cannot be read is a lost one: the work is done.
    pub(super) async fn write<T: DeserializeOwned>(
        &self,
        write: &Write<'_>,
        body: &impl Serialize,
    ) -> Result<T, SendError> {
        let answer = self.write_json(write, body).await?;
        self.decode(write.operation, &answer).map_err(SendError::AnswerLost)
    }

    /// Sends JSON; the answer says nothing more.
    pub(super) async fn write_json(&self, write: &Write<'_>, body: &impl Serialize) -> Result<Vec<u8>, SendError> {
        let json = serde_json::to_vec(body).map_err(|why| SendError::Failed(unwritable(write.operation, &why)))?;
        self.write_raw(write, Some(Content::Json(&json))).await
    }

    /// Sends what is given.
    pub(super) async fn write_raw(&self, write: &Write<'_>, body: Option<Content<'_>>) -> Result<Vec<u8>, SendError> {
        let call = Call {
            operation: write.operation,
            method: write.method.clone(),
            path: write.path,
            query: &[],
            body,
            timeout: write.timeout,
            missing: write.missing,
            resend: write.resend,
        };
        self.send(&call).await.map_err(|failure| SendError::of(failure, write.meanings))
    }
}

/// A refusal that we know without asking.
pub(super) fn refused_here(
    operation: &'static str,
    code: &'static str,
    key: &str,
    what: String,
    remedy: &'static str,
) -> SendError {
    SendError::Refused {
        fields: vec![FieldError { key: key.to_owned(), messages: vec![what.clone()] }],
        error: NorthError::new(Class::Data, code, operation, what, remedy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passculture::error::{field_errors, of_answer};

    fn kind(status: u16, body: &str, open_before: bool) -> (&'static str, &'static str) {
        let failure = Failure {
            error: of_answer("test", Missing::Offer, status, body.as_bytes(), "k"),
            retry_after: None,
            answer_lost: matches!(status, 502 | 504),
            open_before,
            fields: field_errors(body.as_bytes()),
        };
        match SendError::of(failure, &[KEY_TAKEN, FROZEN]) {
            SendError::Refused { error, .. } => ("refused", error.code),
            SendError::Failed(error) => ("failed", error.code),
            SendError::AnswerLost(error) => ("lost", error.code),
        }
    }

    #[test]
    fn nothing_was_done_is_said_only_when_it_is_sure() {
        for (status, body, open_before, expected) in [
            (400, r#"{"name":["too long"]}"#, false, ("refused", "Refused")),
            (400, r#"{"name":["too long"]}"#, true, ("lost", "Refused")),
            (400, r#"{"dates.3.idAtProvider":["taken"]}"#, false, ("refused", "KeyTaken")),
            (400, r#"{"dates.3.idAtProvider.str":["taken"]}"#, false, ("refused", "KeyTaken")),
            (400, r#"{"notidAtProvider":["no"]}"#, false, ("refused", "Refused")),
            (400, r#"{"global":"frozen"}"#, false, ("refused", "OfferFrozen")),
            (400, "<html>", false, ("failed", "Refused")),
            (404, r#"{"event_id":["no"]}"#, false, ("refused", "NoSuchOffer")),
            (404, "{}", false, ("failed", "WrongAddress")),
            (401, r#"{"auth":"API key required"}"#, false, ("failed", "ApiKeyRefused")),
            (429, r#"{"global":["slow down"]}"#, false, ("failed", "RateLimited")),
            (408, "", false, ("lost", "ServerTimeout")),
            (500, r#"{"global":["ouch"]}"#, false, ("lost", "ServerError")),
            (502, "", false, ("lost", "ServerError")),
            (503, "", false, ("lost", "ServerError")),
            (202, "", false, ("lost", "UnexpectedStatus")),
            (302, "", false, ("failed", "Redirected")),
        ] {
            assert_eq!(kind(status, body, open_before), expected, "{status} {body} {open_before}");
        }
    }
}
