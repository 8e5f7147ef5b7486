//! What was seen of pass Culture's queue at one venue: which calls were sent, which of them showed, what is there twice.
//!
//! pass Culture says of an upsert that it was accepted, and never what became of it. So every entry that was sent remembers its
//! call (`ledger::Sent`), and this record remembers what was seen of calls.
//!
//! Invariant: bounded by [`MOST_CALLS`] and [`MOST_TWINS`]; losing it, or a part of it, makes the gateway wait longer and
//! conclude less.

use passerelle_contract::Ean;
use serde::{Deserialize, Serialize};

use super::Millis;

/// Calls remembered while some of their EANs are not seen; beyond, the oldest is forgotten.
pub const MOST_CALLS: usize = 1_024;
/// EANs remembered that have several offers; beyond, they are told when these are closed.
pub const MOST_TWINS: usize = 100;
/// 2020-01-01T00:00:00Z.
const EPOCH: Millis = 1_577_836_800_000;
/// A call has a tenth of a second to itself.
const TICK: Millis = 100;

/// One upsert call of a venue: the moment it was made, in tenths of a second since 2020. No two calls of a venue have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(u64);

impl CallId {
    /// A call of a release that did not write it down.
    pub const UNKNOWN: Self = Self(0);
    /// The last one there is room for, in 2074.
    pub const LAST: Self = Self((1 << 34) - 1);

    /// The call of a moment; [`CallId::UNKNOWN`] before 2020.
    #[must_use]
    pub fn at(now: Millis) -> Self {
        Self(u64::try_from((now - EPOCH) / TICK).unwrap_or(0)).min(Self::LAST)
    }

    /// A call made now, after this one.
    #[must_use]
    pub fn after(self, now: Millis) -> Self {
        Self::at(now).max(Self(self.0 + 1)).min(Self::LAST)
    }

    /// When it was made.
    #[must_use]
    pub fn time(self) -> Millis {
        EPOCH + TICK * i64::try_from(self.0).unwrap_or(0)
    }

    pub(super) const fn to_bits(self) -> u64 {
        self.0
    }

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// A call some of whose EANs may not have been seen yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCall {
    /// Which.
    #[serde(rename = "c")]
    pub call: CallId,
    /// EANs in it.
    #[serde(rename = "n")]
    pub eans: u16,
    /// Has one of them been seen as sent?
    #[serde(rename = "s")]
    pub shown: bool,
}

/// Several offers for one EAN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Twins {
    /// The EAN.
    pub ean: Ean,
    /// The offer that upserts reach: the newest.
    pub kept: i64,
    /// The others, which only a person can close.
    pub close: Vec<i64>,
}

/// What was seen of the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VenueQueue {
    /// Has any upsert of this account shown at the venue?
    pub primed: bool,
    /// The newest call.
    pub last_sent: CallId,
    /// Was it answered?
    pub last_answered: bool,
    /// The newest call of which something has shown.
    pub newest_shown: CallId,
    /// How long that took, in milliseconds.
    pub latency_ms: Millis,
    /// Calls of one EAN that were sent to see whether the queue moves, since something has shown.
    pub scouts: u8,
    /// Calls that are not seen whole, oldest first.
    pub calls: Vec<OpenCall>,
    /// EANs with several offers.
    pub twins: Vec<Twins>,
}

impl VenueQueue {
    /// Takes note of a call that is about to be made.
    pub fn sending(&mut self, eans: usize, now: Millis) -> CallId {
        let call = self.last_sent.after(now);
        self.last_sent = call;
        self.last_answered = false;
        self.calls.push(OpenCall { call, eans: u16::try_from(eans).unwrap_or(u16::MAX), shown: false });
        let beyond = self.calls.len().saturating_sub(MOST_CALLS);
        self.calls.drain(..beyond);
        call
    }

    /// Takes note that an EAN of a call was seen as it was sent.
    pub fn showed(&mut self, call: CallId, now: Millis) {
        self.primed = true;
        self.scouts = 0;
        if call > self.newest_shown {
            self.newest_shown = call;
            self.latency_ms = (now - call.time()).max(0);
        }
        if let Ok(at) = self.calls.binary_search_by_key(&call, |open| open.call)
            && let Some(open) = self.calls.get_mut(at)
        {
            open.shown = true;
        }
    }

    /// A call that is remembered.
    #[must_use]
    pub fn call(&self, call: CallId) -> Option<&OpenCall> {
        self.calls.binary_search_by_key(&call, |open| open.call).ok().and_then(|at| self.calls.get(at))
    }

    /// Forgets what a clock that ran ahead has written: it would make every later call look older.
    pub fn forget_after(&mut self, latest: CallId) {
        self.calls.retain(|open| open.call <= latest);
        self.last_sent = self.last_sent.min(latest);
        if self.newest_shown > latest {
            self.newest_shown = CallId::UNKNOWN;
        }
    }

    /// Takes note of the offers of an EAN, newest first.
    pub fn saw(&mut self, ean: Ean, offers: &[i64]) {
        self.twins.retain(|twins| twins.ean != ean);
        if let Some((kept, close)) = offers.split_first()
            && !close.is_empty()
            && self.twins.len() < MOST_TWINS
        {
            self.twins.push(Twins { ean, kept: *kept, close: close.to_vec() });
        }
    }
}
