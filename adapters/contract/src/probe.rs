//! Health questions, asked with the very code that does the work.

use crate::{AdapterError, BoxFuture};

/// What a probe asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeKind {
    /// Does the vendor's address answer at all?
    Reach,
    /// Are the credentials taken?
    SignIn,
    /// Can one real thing be read and understood?
    ReadOne,
}

impl ProbeKind {
    /// The name in `check` and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reach => "reach",
            Self::SignIn => "sign-in",
            Self::ReadOne => "read-one",
        }
    }
}

/// What a probe saw when all is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What was asked and what came back: `GET /stocks/… answered 200 in 84 ms`. No secret, no personal data.
    pub saw: String,
    /// Set when it works but a person should look (stale file, odd header): what, and the one thing to do.
    pub concern: Option<(String, String)>,
}

/// Asks the question once. Must leave no trace at the vendor and must not fail while real work succeeds.
pub type ProbeAsk<'a> = Box<dyn Fn() -> BoxFuture<'a, Result<Evidence, AdapterError>> + Send + Sync + 'a>;

/// One health question of one connection.
pub struct Probe<'a> {
    /// What it asks.
    pub kind: ProbeKind,
    /// How to ask it.
    pub ask: ProbeAsk<'a>,
    /// The one action that repairs it when it fails and the error itself names none. English.
    pub remedy: &'static str,
}
