//! What a run tells while it goes: for a progress bar, for the log, for nobody.

/// A step of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Rows read so far.
    Read(u64),
    /// The plan is known: EANs to create, to change, to withdraw.
    Planned {
        /// New EANs.
        create: u64,
        /// Changed EANs.
        change: u64,
        /// EANs that leave.
        withdraw: u64,
    },
    /// EANs accepted so far, of those that are to be sent.
    Pushed {
        /// Accepted so far.
        done: u64,
        /// To be sent in this run.
        of: u64,
    },
    /// EANs read back so far.
    Verified(u64),
}

/// Listens to a run. Called often: it must be quick.
pub trait Progress: Send + Sync {
    /// One step.
    fn step(&self, step: Step);
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _: Step) {}
}
