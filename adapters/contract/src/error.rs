//! The errors that both sides of the contract agree on.
//!
//! Three readers: the program (class and code decide what happens), the operator (what, where, what to do), the developer
//! (the source chain). A vendor maps its answers to these by a table, never by guessing from a sentence.

use std::time::Duration;

/// What kind of trouble it is, hence what the gateway does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Ours to fix before starting: refuse and point at the key.
    Settings,
    /// Credentials refused after one refresh: stop this connection, say so once.
    Auth,
    /// Asked to slow down: wait exactly as told.
    RateLimited,
    /// May work later: retry with jitter, bounded, then leave it to the next pass.
    Transient,
    /// This row, page or file is wrong: keep it apart and go on, or refuse the pass.
    Data,
    /// The answer makes no sense: keep the capture; an effect is *unknown*.
    VendorFault,
    /// This vendor cannot: do not call again.
    Unsupported,
    /// Nothing is wrong: the source is not ready yet (a file that is still being written). Come back after `retry_after`.
    Waiting,
}

impl Class {
    /// Lower-case name for metrics and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Auth => "auth",
            Self::RateLimited => "rate_limited",
            Self::Transient => "transient",
            Self::Data => "data",
            Self::VendorFault => "vendor_fault",
            Self::Unsupported => "unsupported",
            Self::Waiting => "waiting",
        }
    }

    /// May the very same call succeed if it is made again soon?
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::Transient)
    }
}

/// A failed read, or the reason why an effect was not attempted.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {context} ({code})")]
pub struct AdapterError {
    /// Decides what the gateway does.
    pub class: Class,
    /// Stable, searchable: `HeaderMismatch`, `UnknownShop`, `MalformedBody`, …
    pub code: &'static str,
    /// What was being done, for example `read stock.csv` or `list stocks`. No secret, no personal data.
    pub operation: String,
    /// What happened and, where it is not plain, what to do. In English, for operators.
    pub context: String,
    /// How long the vendor asked to be left alone.
    pub retry_after: Option<Duration>,
    /// The chain for developers.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl AdapterError {
    /// An error without chain or waiting time.
    pub fn new(class: Class, code: &'static str, operation: impl Into<String>, context: impl Into<String>) -> Self {
        Self { class, code, operation: operation.into(), context: context.into(), retry_after: None, source: None }
    }

    /// The same error, told of one more thing that it stopped; its chain stays with the first.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::new(self.class, self.code, self.operation.clone(), self.context.clone()).after(self.retry_after)
    }

    /// The same error with the cause attached.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error with the waiting time that the vendor asked for.
    #[must_use]
    pub const fn after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }
}
