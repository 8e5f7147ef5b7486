//! What a run did, as one stable line. It counts EANs at a shop, and dates of events at a cinema: both are called items.

use serde::{Deserialize, Serialize};

/// The summary of `sync`, `push` and `plan`; its JSON keys are a promise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Summary {
    /// Always `summary`.
    pub event: SummaryTag,
    /// The connection.
    pub connection: String,
    /// Rows read: `kept + quarantined + skipped`.
    pub read: u64,
    /// Rows that may be offered.
    pub kept: u64,
    /// Rows that stayed behind.
    pub quarantined: u64,
    /// Rows that are no product at all: delimiters only, totals, remarks.
    #[serde(default)]
    pub skipped: u64,
    /// Things that were noted of rows that were kept, but not as written.
    #[serde(default)]
    pub notes: u64,
    /// Items (EANs, or dates of events) to create.
    pub create: u64,
    /// Items whose terms change.
    pub change: u64,
    /// Items that leave.
    pub withdraw: u64,
    /// Items with nothing to do.
    pub unchanged: u64,
    /// Changes that wait because the guard held the plan; at least 1 when a plan is held.
    pub held: u64,
    /// Items that pass Culture accepted in this run.
    pub pushed: u64,
    /// Items that are wanted and that pass Culture refuses.
    pub rejected: u64,
    /// Items that pass Culture accepted, in this run or before, and that were not yet seen there as they were sent.
    #[serde(default)]
    pub unverified: u64,
    /// Requests made to pass Culture.
    pub requests: u64,
    /// How long it took.
    pub seconds: f64,
}

/// The constant `"summary"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SummaryTag {
    /// The only value.
    #[default]
    Summary,
}

impl Summary {
    /// Exit code of a command that ended with this summary: 0 when all is well, 1 when rows stayed behind or a plan is held.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        if self.quarantined + self.rejected + self.held > 0 { 1 } else { 0 }
    }
}
