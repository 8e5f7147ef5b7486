//! Dice, and what they decide: which fault, when.

use std::time::Duration;

use passerelle::sandbox::{FaultBody, FaultEffect};
use passerelle_testkit::simulator::Fault;

/// A small generator (SplitMix64): the same seed draws the same faults.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// 0..`below`.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        self.next() % below.max(1)
    }

    pub(crate) fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        let at = usize::try_from(self.below(among.len() as u64)).unwrap();
        &among[at]
    }

    pub(crate) fn millis(&mut self, below: u64) -> Duration {
        Duration::from_millis(self.below(below))
    }
}

/// One way for a vendor to misbehave.
pub(crate) fn vendor_fault(dice: &mut Dice) -> Fault {
    let plain = |dice: &mut Dice| match dice.below(9) {
        0 => Fault::Status(*dice.pick(&[400, 401, 404, 409, 422, 429])),
        1 => Fault::Status(*dice.pick(&[500, 502, 503])),
        2 => Fault::StatusWithRetryAfter(429, 1),
        3 => Fault::Hang,
        4 => Fault::CutMidBody,
        5 => Fault::Html,
        6 => Fault::Delay(Duration::from_millis(500) + dice.millis(4_000)),
        // Valid JSON that no vendor ever says.
        7 => Fault::Body("\"maintenance\"".to_owned()),
        _ => Fault::Delay(dice.millis(500)),
    };
    match dice.below(2) {
        0 => plain(dice),
        _ => Fault::AfterEffect(Box::new(plain(dice))),
    }
}

/// One way for pass Culture to misbehave.
pub(crate) fn north_fault(dice: &mut Dice) -> FaultEffect {
    match dice.below(6) {
        0 => FaultEffect::ServerError,
        1 => FaultEffect::Cut,
        2 => FaultEffect::CutAfterEffect,
        3 => FaultEffect::Status { status: 429, retry_after: Some(1), body: FaultBody::Json },
        4 => FaultEffect::Status { status: 502, retry_after: None, body: FaultBody::Html },
        _ => FaultEffect::TimeoutAfterEffect,
    }
}
