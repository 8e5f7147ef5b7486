//! What may be concluded, and done, about an upsert that does not show: pure.
//!
//! pass Culture's queue may be minutes late, stall, or lose a task, and nothing of that is told. Time alone therefore says
//! nothing; what shows of *other* calls does. An EAN is sent again when it was waited for long enough and a later call has shown;
//! with less evidence only one EAN goes, as a scout, and the rest follows when that one shows.
//!
//! Invariant: what pass Culture accepted and may still have in its queue is never sent a second time, but for scouts.

use std::time::Duration;

use crate::store::Millis;
use crate::store::ledger::{Acknowledged, Entry, Sent};
use crate::store::queue::{CallId, VenueQueue};

/// No wait between two tries is longer; and after it a queue that shows nothing at all is scouted again.
const LONGEST_WAIT: Millis = 24 * 3_600_000;
/// A call without an answer is believed lost this long after it, at the earliest, when a later one has shown.
const LOST_ANSWER: Millis = 2_000;
/// And not before so many times the time that the later one took.
const LOST_ANSWER_LATENCIES: Millis = 8;
/// Scouts that may replace each other because their answers were lost.
const SCOUTS_WITHOUT_ANSWER: u8 = 3;
/// A clock that was set back by less is the same clock.
const CLOCK_SLACK: Millis = 60_000;

/// What shows of other calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Evidence {
    /// Nothing.
    Nothing,
    /// Other EANs of the same call.
    Siblings,
    /// EANs of a later call.
    Later,
}

/// What may be done with an entry that differs from what is there, or whose terms were sent and do not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It waits.
    Wait,
    /// It may be sent.
    Send,
    /// It may be the one EAN that is sent to see whether the queue moves.
    Scout,
    /// It was dropped without a word, unless pass Culture gives a reason when it is asked.
    Dropped,
}

/// The rules at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Now.
    pub(super) now: Millis,
    /// How long an EAN that was sent once is waited for; twice that after the second time, and so on.
    pub(super) resend_after: Duration,
}

impl Rules {
    /// How long ago a call was made.
    pub(super) fn age(self, call: CallId) -> Millis {
        (self.now - call.time()).max(0)
    }

    fn first_wait(self) -> Millis {
        Millis::try_from(self.resend_after.as_millis()).unwrap_or(LONGEST_WAIT)
    }

    fn wait(self, tries: u8) -> Millis {
        let doublings = u32::from(tries.saturating_sub(1)).min(20);
        self.first_wait().saturating_mul(1 << doublings).min(LONGEST_WAIT.max(self.first_wait()))
    }

    /// How long ago, at least, the first of the tries was.
    pub(super) fn unseen_for(self, sent: Sent) -> Millis {
        let earlier = (1..sent.tries).map(|tries| self.wait(tries)).sum::<Millis>();
        self.age(sent.call).saturating_add(earlier)
    }

    /// The newest call there can be: later ones were written while the clock ran ahead.
    pub(super) fn latest_call(self) -> CallId {
        CallId::at(self.now.saturating_add(CLOCK_SLACK))
    }

    /// What is the turn of an entry that is pending or unverified?
    pub(super) fn turn(self, entry: &Entry, desired: passerelle_contract::Terms, queue: &VenueQueue) -> Turn {
        let (sent, answered) = match entry.acknowledged {
            Acknowledged::Never | Acknowledged::Verified(_) => return Turn::Send,
            Acknowledged::InFlight(sent) => (sent, false),
            Acknowledged::Accepted(sent) => (sent, true),
        };
        let evidence = evidence(sent, queue);
        let age = self.age(sent.call);
        let own = queue.call(sent.call);
        if !answered && own.is_none_or(|call| !call.shown) {
            // Nobody knows whether this call was received; something of a later one shows, and nothing of this one.
            let long_enough = LOST_ANSWER.max(queue.latency_ms.saturating_mul(LOST_ANSWER_LATENCIES));
            return match evidence {
                Evidence::Later if age >= long_enough => Turn::Send,
                _ if age >= self.wait(sent.tries) => Turn::Scout,
                _ => Turn::Wait,
            };
        }
        if evidence == Evidence::Later && is_dropped(sent, queue) && age >= self.first_wait() {
            return Turn::Dropped;
        }
        if age < self.wait(sent.tries) {
            return Turn::Wait;
        }
        match evidence {
            // An update whose turn was waited for cannot make a second offer, and what it says is newer.
            _ if sent.exists && desired != sent.terms => Turn::Send,
            Evidence::Later => Turn::Send,
            Evidence::Siblings => Turn::Scout,
            Evidence::Nothing if age >= LONGEST_WAIT => Turn::Scout,
            Evidence::Nothing => Turn::Wait,
        }
    }

    /// May one EAN be sent to see whether the queue moves? Once, then after the wait, twice the wait, …
    pub(super) fn may_scout(self, queue: &VenueQueue) -> bool {
        let age = self.age(queue.last_sent);
        let replaces = !queue.last_answered && queue.scouts < SCOUTS_WITHOUT_ANSWER && age >= LOST_ANSWER;
        queue.scouts == 0 || replaces || age >= self.wait(queue.scouts)
    }
}

/// Sent twice, and the rest of its own call shows.
fn is_dropped(sent: Sent, queue: &VenueQueue) -> bool {
    let siblings_show = queue.call(sent.call).is_none_or(|call| call.shown || call.eans == 1);
    sent.tries >= 2 && !sent.exists && siblings_show
}

/// What shows of calls other than an EAN's own upsert.
pub(super) fn evidence(sent: Sent, queue: &VenueQueue) -> Evidence {
    if queue.newest_shown > sent.call {
        Evidence::Later
    } else if queue.call(sent.call).is_some_and(|call| call.shown) {
        Evidence::Siblings
    } else {
        Evidence::Nothing
    }
}

#[cfg(test)]
mod tests {
    use passerelle_contract::{Cents, Ean, Quantity, Terms};
    use proptest::prelude::*;

    use super::*;

    const NOW: Millis = 1_760_000_000_000;
    const MINUTE: Millis = 60_000;

    fn terms(copies: u32) -> Terms {
        Terms { price: Cents(990), quantity: Quantity::Exactly(copies) }
    }

    fn rules(minutes: Millis) -> Rules {
        Rules { now: NOW + minutes * MINUTE, resend_after: Duration::from_mins(30) }
    }

    fn entry(acknowledged: Acknowledged, desired: Terms) -> Entry {
        Entry { ean: Ean::MIN, desired: Some(desired), acknowledged, refused: None }
    }

    /// A queue with a call of 35 EANs, and the call.
    fn queue() -> (VenueQueue, CallId) {
        let mut queue = VenueQueue { primed: true, ..VenueQueue::default() };
        let call = queue.sending(35, NOW);
        (queue, call)
    }

    fn turn(minutes: Millis, sent: Sent, desired: Terms, queue: &VenueQueue) -> Turn {
        rules(minutes).turn(&entry(Acknowledged::Accepted(sent), desired), desired, queue)
    }

    #[test]
    fn on_a_stalled_queue_everything_waits() {
        let (queue, call) = queue();
        for minutes in [0, 1, 29, 31, 60, 600, 1_439] {
            assert_eq!(turn(minutes, Sent::first(terms(1), call), terms(1), &queue), Turn::Wait, "{minutes}");
        }
        assert_eq!(turn(1_441, Sent::first(terms(1), call), terms(1), &queue), Turn::Scout, "after a day one goes");
    }

    #[test]
    fn a_later_call_that_shows_lets_it_go_again_once_and_then_with_growing_waits() {
        let (mut queue, call) = queue();
        let later = queue.sending(500, NOW + MINUTE);
        queue.showed(later, NOW + 2 * MINUTE);
        let first = Sent::first(terms(1), call);
        assert_eq!(turn(29, first, terms(1), &queue), Turn::Wait);
        assert_eq!(turn(31, first, terms(1), &queue), Turn::Send);
        let second = Sent { tries: 2, ..first };
        assert_eq!(turn(59, second, terms(1), &queue), Turn::Wait);
        assert_eq!(turn(61, second, terms(1), &queue), Turn::Send, "none of its own call shows: the call was lost");
        queue.showed(call, NOW + MINUTE);
        assert_eq!(turn(29, second, terms(1), &queue), Turn::Wait);
        assert_eq!(turn(31, second, terms(1), &queue), Turn::Dropped);
        assert_eq!(
            turn(61, Sent { exists: true, ..second }, terms(1), &queue),
            Turn::Send,
            "what is there is not given up"
        );
    }

    #[test]
    fn with_siblings_alone_one_goes_first() {
        let (mut queue, call) = queue();
        queue.showed(call, NOW + MINUTE);
        assert_eq!(turn(31, Sent::first(terms(1), call), terms(1), &queue), Turn::Scout);
    }

    #[test]
    fn a_sold_out_of_a_known_offer_waits_for_its_turn_and_no_longer() {
        let (queue, call) = queue();
        let known = Sent { exists: true, ..Sent::first(terms(3), call) };
        assert_eq!(turn(29, known, terms(0), &queue), Turn::Wait);
        assert_eq!(turn(31, known, terms(0), &queue), Turn::Send);
        assert_eq!(turn(31, known, terms(3), &queue), Turn::Wait, "the same again needs a queue that moves");
    }

    #[test]
    fn a_call_without_answer_is_lost_when_later_ones_show_quickly() {
        let (mut queue, call) = queue();
        let lost = entry(Acknowledged::InFlight(Sent::first(terms(1), call)), terms(1));
        let at = |seconds: Millis| Rules { now: NOW + seconds * 1_000, ..rules(0) };
        assert_eq!(at(60).turn(&lost, terms(1), &queue), Turn::Wait, "nothing shows: mere slowness looks the same");
        let later = queue.sending(1, NOW + 1_000);
        queue.showed(later, NOW + 2_000);
        assert_eq!(at(3).turn(&lost, terms(1), &queue), Turn::Wait);
        assert_eq!(at(9).turn(&lost, terms(1), &queue), Turn::Send);
        queue.showed(call, NOW + 3_000);
        assert_eq!(at(9).turn(&lost, terms(1), &queue), Turn::Wait, "it was received after all");
    }

    #[test]
    fn scouts_grow_rare() {
        let mut queue = VenueQueue::default();
        assert!(rules(0).may_scout(&queue));
        queue.sending(1, NOW);
        queue.scouts = 1;
        queue.last_answered = true;
        assert!(!rules(29).may_scout(&queue) && rules(31).may_scout(&queue));
        queue.scouts = 2;
        assert!(!rules(59).may_scout(&queue) && rules(61).may_scout(&queue));
    }

    proptest! {
        /// Whatever was seen: nothing accepted goes again within the wait, and on a queue of which nothing shows nothing goes for a day.
        #[test]
        fn nothing_accepted_goes_again_too_early(
            ago in 0_i64..3 * 24 * 60, tries in 0_u8..=31, exists: bool, shown: bool, later: bool, differs: bool,
        ) {
            let (mut queue, call) = queue();
            if shown {
                queue.showed(call, NOW);
            }
            if later {
                let later = queue.sending(2, NOW);
                queue.showed(later, NOW);
            }
            let sent = Sent { tries, exists, ..Sent::first(terms(1), call) };
            let turn = turn(ago, sent, terms(if differs { 0 } else { 1 }), &queue);
            if ago < 30 {
                prop_assert_eq!(turn, Turn::Wait);
            }
            let is_newer_update = exists && differs;
            let shows_nothing = !(shown || later);
            if shows_nothing && ago < 24 * 60 && !is_newer_update {
                prop_assert_eq!(turn, Turn::Wait);
            }
            if turn == Turn::Dropped {
                prop_assert!(shown && later && tries >= 2 && !exists);
            }
        }
    }
}
