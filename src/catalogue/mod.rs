//! The catalogue river: vendor → pass Culture.
//!
//! ```text
//! read      pages of facts → rules → rows sorted by EAN (gather), rows that stay behind (quarantine)
//! walk      the sorted rows merged with the ledger, each EAN judged by plan
//! guard     holds a plan that is too big to trust
//! walk      moves `desired`
//! push      drives pass Culture there, batch by batch; moves `acknowledged`
//! verify    reads back what the bulk route accepts in silence
//! ```
//!
//! [`pass`] is the order of these steps. Level-triggered: every step can stop at any line and the next run goes on by comparing.

mod events;
pub mod gather;
pub mod guard;
mod history;
mod inflight;
mod lane;
pub mod lease;
pub mod pass;
pub mod plan;
pub mod preview;
pub mod progress;
mod push;
mod quarantine;
mod read;
mod refusals;
mod shape;
mod summary;
mod unseen;
mod values;
mod venue;
mod verify;
mod walk;

pub use summary::{Summary, SummaryTag};
pub use unseen::Unseen;

use passerelle_contract::{AdapterError, Class};

use crate::passculture::NorthError;
use crate::store::ledger::{self, Entry, Update};
use crate::store::{Lease, Store, StoreError};

/// Writes entries, given in EAN order.
async fn put(store: &dyn Store, lease: &Lease, entries: &[Entry]) -> Result<(), StoreError> {
    let updates: Vec<Update> = entries.iter().map(|entry| Update { ean: entry.ean, entry: Some(*entry) }).collect();
    ledger::apply(store, lease, &updates).await
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The vendor.
    #[error(transparent)]
    Vendor(#[from] AdapterError),
    /// pass Culture.
    #[error(transparent)]
    PassCulture(#[from] NorthError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The temporary folder.
    #[error("sorting the rows needs room in the temporary folder: {0}")]
    Disk(std::io::Error),
    /// The source stopped without saying that it was at its end.
    #[error("the source stopped before its end; nothing was changed")]
    Unfinished,
    /// The adapter neither pulls nor receives stock.
    #[error("this adapter has nothing to read")]
    NothingToRead,
    /// No venue is known for the connection.
    #[error("no pass Culture venue is known for this connection; set `venue` or `siret`")]
    NoVenue,
    /// More films or showtimes than a connection may have.
    #[error(
        "the source states more than {} films or {} dates; a smaller `horizon_days` gives fewer",
        crate::store::events::MAX_EVENTS,
        crate::store::events::MAX_DATES
    )]
    TooManyDates,
    /// The plan that was asked for is not the one that would be carried out now.
    #[error(
        "the world has moved since that plan was made: what would be sent now differs; look at `passerelle plan` again"
    )]
    PlanMoved,
    /// A posted body that was accepted once cannot be read now.
    #[error("the posted body {0} cannot be read by this release; it is kept")]
    InboundUnreadable(i64),
}

impl PassError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Vendor(error) => error.code,
            Self::PassCulture(error) => error.code,
            Self::Store(StoreError::Fenced { .. }) => "LeaseLost",
            Self::Store(_) => "StoreUnavailable",
            Self::Disk(_) => "TemporaryFolder",
            Self::Unfinished => "SourceUnfinished",
            Self::NothingToRead => "NothingToRead",
            Self::NoVenue => "NoVenue",
            Self::TooManyDates => "TooManyDates",
            Self::PlanMoved => "PlanMoved",
            Self::InboundUnreadable(_) => "InboundUnreadable",
        }
    }

    /// The sentence with its code, once: some errors tell it themselves.
    #[must_use]
    pub fn with_code(&self) -> String {
        let (sentence, code) = (self.to_string(), format!("({})", self.code()));
        if sentence.ends_with(&code) { sentence } else { format!("{sentence} {code}") }
    }

    /// How long the vendor's side asked to be left alone, in whole seconds and at least one.
    pub(crate) fn retry_after_seconds(&self) -> Option<u32> {
        let Self::Vendor(error) = self else { return None };
        Some(u32::try_from(error.retry_after?.as_secs()).unwrap_or(u32::MAX).max(1))
    }

    /// What kind of trouble it is.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Vendor(error) => error.class,
            Self::PassCulture(error) => error.class,
            Self::Store(_) | Self::Disk(_) => Class::Transient,
            Self::Unfinished | Self::InboundUnreadable(_) => Class::VendorFault,
            Self::NothingToRead => Class::Unsupported,
            Self::NoVenue | Self::TooManyDates | Self::PlanMoved => Class::Settings,
        }
    }
}
