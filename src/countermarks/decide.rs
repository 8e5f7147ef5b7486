//! What may be done with a countermark: pass Culture's view and our memory in, a step out. Pure.
//!
//! Invariants: nothing is changed at pass Culture unless it, or our memory of what it said, names the asking venue as whose the
//! countermark is; a success without a call is claimed only for what this venue asked itself.

use crate::passculture::{Shown, TokenRefusal};
use crate::store::Millis;
use crate::store::countermarks::Deed;

use super::words::Refusal;

/// A call of ours has ended by then, and pass Culture has done what it will do of it.
pub const SETTLED_AFTER: Millis = 60_000;

/// Where a countermark stands, as far as success can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It can be validated.
    Valid,
    /// It is validated.
    Used,
    /// Its booking is cancelled.
    Cancelled,
}

impl State {
    /// As told to the venue's software.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Used => "used",
            Self::Cancelled => "cancelled",
        }
    }

    /// Where a deed leads.
    #[must_use]
    pub const fn after(deed: Deed) -> Self {
        match deed {
            Deed::Use => Self::Used,
            Deed::Keep => Self::Valid,
            Deed::Cancel => Self::Cancelled,
        }
    }
}

/// What is remembered of a countermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Whose it is.
    pub venue: i64,
    /// Asked, outcome unknown.
    pub asked: Option<Deed>,
    /// Done last.
    pub done: Option<Deed>,
}

impl Memory {
    /// Was this ours, done or perhaps done?
    #[must_use]
    pub fn has(&self, deed: Deed) -> bool {
        self.asked == Some(deed) || self.done == Some(deed)
    }

    /// The memory in the light of what pass Culture shows. `unmoved_for` is how long nobody had moved the row when pass Culture was
    /// asked, `None` when somebody moved it meanwhile: then what is shown may be older than what is remembered.
    #[must_use]
    pub fn settled(mut self, shown: &Shown, unmoved_for: Option<Millis>) -> Self {
        let stands = |deed: Deed| fits(deed, shown);
        if let Some(asked) = self.asked {
            if stands(asked) == Some(true) {
                (self.asked, self.done) = (None, Some(asked));
            } else if stands(asked) == Some(false) && unmoved_for.is_some_and(|time| time > SETTLED_AFTER) {
                self.asked = None;
            }
        }
        if unmoved_for.is_some() && self.done.is_some_and(|done| stands(done) == Some(false)) {
            self.done = None;
        }
        self
    }
}

/// Can what is shown be the effect of a deed? `None` when that cannot be told.
const fn fits(deed: Deed, shown: &Shown) -> Option<bool> {
    let shows = match shown {
        Shown::Valid(_) | Shown::Refused(TokenRefusal::NotYet | TokenRefusal::NotUsed) => State::Valid,
        Shown::Refused(TokenRefusal::Used | TokenRefusal::Reimbursed) => State::Used,
        Shown::Refused(TokenRefusal::Cancelled) => State::Cancelled,
        Shown::Refused(
            TokenRefusal::NotFound | TokenRefusal::NotAllowed | TokenRefusal::Ended | TokenRefusal::TooLate,
        ) => return None,
    };
    Some(matches!(
        (deed, shows),
        (Deed::Use, State::Used) | (Deed::Keep, State::Valid) | (Deed::Cancel, State::Cancelled)
    ))
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Say that it stands so; `already` when this venue's own earlier request did it.
    Tell {
        /// Where it stands.
        state: State,
        /// By an earlier request?
        already: bool,
    },
    /// Say no.
    Refuse(Refusal),
    /// Ask pass Culture to do it.
    Call(Deed),
}

/// What follows from a look. `deed` is `None` for who only wants to see it; `memory` has been settled.
#[must_use]
pub fn decide(deed: Option<Deed>, venue: i64, memory: Option<&Memory>, shown: &Shown) -> Step {
    let whose = match shown {
        Shown::Valid(booking) => Some(booking.venue_id),
        Shown::Refused(_) => memory.map(|memory| memory.venue),
    };
    let refused = match shown {
        Shown::Refused(TokenRefusal::NotFound) => return Step::Refuse(Refusal::NotFound),
        // Another's is as good as none.
        _ if whose.is_some_and(|whose| whose != venue) => return Step::Refuse(Refusal::NotFound),
        Shown::Valid(_) => None,
        Shown::Refused(refusal) => Some(*refusal),
    };
    let remembered = memory.filter(|memory| Some(memory.venue) == whose);
    let ours = whose.is_some();
    let Some(deed) = deed else {
        let used_here = remembered.is_some_and(|memory| memory.has(Deed::Use));
        return match refused {
            None => Step::Tell { state: State::Valid, already: false },
            Some(TokenRefusal::Used) if used_here => Step::Refuse(Refusal::UsedHere),
            Some(why) => Step::Refuse(Refusal::of(why)),
        };
    };
    let by_us = remembered.is_some_and(|memory| memory.has(deed));
    let told = |by_us: bool, otherwise: Refusal| {
        if by_us { Step::Tell { state: State::after(deed), already: true } } else { Step::Refuse(otherwise) }
    };
    let only_ours = |otherwise: Refusal| if ours { Step::Call(deed) } else { Step::Refuse(otherwise) };
    match (deed, refused) {
        (Deed::Use | Deed::Cancel, None) => Step::Call(deed),
        (Deed::Use, Some(TokenRefusal::Used)) => told(by_us, Refusal::AlreadyUsed),
        (Deed::Use, Some(other)) => Step::Refuse(Refusal::of(other)),
        // Nothing to take back: a repeat of ours, or a mistake.
        (Deed::Keep, None | Some(TokenRefusal::NotYet | TokenRefusal::NotUsed)) => told(by_us, Refusal::NotUsed),
        (Deed::Keep, Some(TokenRefusal::Used | TokenRefusal::Ended)) => only_ours(Refusal::OnlyInThePortal),
        (Deed::Cancel, Some(TokenRefusal::NotYet)) => only_ours(Refusal::OnlyInThePortal),
        (Deed::Keep | Deed::Cancel, Some(TokenRefusal::NotAllowed)) => only_ours(Refusal::OnlyInThePortal),
        (Deed::Cancel, Some(TokenRefusal::Used)) => {
            Step::Refuse(if ours { Refusal::UsedKeepFirst } else { Refusal::OnlyInThePortal })
        }
        (Deed::Cancel, Some(TokenRefusal::Cancelled)) => told(by_us, Refusal::AlreadyCancelled),
        (Deed::Keep | Deed::Cancel, Some(other)) => Step::Refuse(Refusal::of(other)),
    }
}

/// What follows from pass Culture's no to a deed. `by_us`: an earlier or a parallel request of this venue asked the same, or an
/// earlier attempt of this one may have done it; `lost_before` tells the latter.
///
/// A no to `Keep` because nothing is validated is not for this function: one more look tells what it means.
#[must_use]
pub const fn after_refusal(deed: Deed, refusal: TokenRefusal, by_us: bool, lost_before: bool) -> Step {
    match (deed, refusal) {
        (Deed::Use, TokenRefusal::Used) | (Deed::Cancel, TokenRefusal::Cancelled) if by_us => {
            Step::Tell { state: State::after(deed), already: !lost_before }
        }
        (Deed::Cancel, TokenRefusal::Used) => Step::Refuse(Refusal::UsedKeepFirst),
        _ => Step::Refuse(Refusal::of(refusal)),
    }
}

/// What follows when pass Culture said that there is nothing to take back, and was looked at once more.
#[must_use]
pub fn after_nothing_to_keep(venue: i64, shown: &Shown, by_us: bool, lost_before: bool) -> Step {
    match shown {
        Shown::Valid(booking) if booking.venue_id != venue => Step::Refuse(Refusal::NotFound),
        Shown::Valid(_) | Shown::Refused(TokenRefusal::NotYet) if by_us => {
            Step::Tell { state: State::Valid, already: !lost_before }
        }
        Shown::Valid(_) | Shown::Refused(TokenRefusal::NotYet) => Step::Refuse(Refusal::NotUsed),
        Shown::Refused(TokenRefusal::Used) => Step::Refuse(Refusal::CannotBeKept),
        Shown::Refused(other) => Step::Refuse(Refusal::of(*other)),
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
