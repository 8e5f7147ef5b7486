//! The table: every answer of pass Culture × every action × what is remembered.

use super::*;
use crate::passculture::TokenBooking;

const VENUE: i64 = 535;

fn valid(venue_id: i64) -> Shown {
    Shown::Valid(TokenBooking {
        venue_id,
        stock_id: None,
        offer_ean: None,
        offer_name: None,
        quantity: None,
        unit_price_cents: None,
        booked_at: None,
    })
}

const ACTIONS: [Option<Deed>; 4] = [None, Some(Deed::Use), Some(Deed::Keep), Some(Deed::Cancel)];
const REFUSALS: [TokenRefusal; 9] = [
    TokenRefusal::NotFound,
    TokenRefusal::NotYet,
    TokenRefusal::NotAllowed,
    TokenRefusal::Used,
    TokenRefusal::Cancelled,
    TokenRefusal::Ended,
    TokenRefusal::Reimbursed,
    TokenRefusal::NotUsed,
    TokenRefusal::TooLate,
];

fn memory(asked: Option<Deed>, done: Option<Deed>) -> Memory {
    Memory { venue: VENUE, asked, done }
}

/// Every memory of a venue.
fn memories() -> impl Iterator<Item = Memory> {
    let deeds = || Deed::ALL.into_iter().map(Some).chain([None]);
    deeds().flat_map(move |asked| deeds().map(move |done| memory(asked, done)))
}

#[test]
fn the_table_without_memory_and_with_a_bare_one() {
    use Deed::{Cancel, Keep, Use};
    use Refusal as R;
    let (tell, call, no) =
        (Step::Tell { state: State::Valid, already: false }, Step::Call, |refusal| Step::Refuse(refusal));
    let seen = Shown::Refused;
    // Show, use, keep, cancel: first as nobody remembers it, then as one of this venue's.
    for (shown, unknown, ours) in [
        (
            valid(VENUE),
            [tell, call(Use), no(R::NotUsed), call(Cancel)],
            [tell, call(Use), no(R::NotUsed), call(Cancel)],
        ),
        (seen(TokenRefusal::NotFound), [no(R::NotFound); 4], [no(R::NotFound); 4]),
        (
            seen(TokenRefusal::NotYet),
            [no(R::NotYetUsable), no(R::NotYetUsable), no(R::NotUsed), no(R::OnlyInThePortal)],
            [no(R::NotYetUsable), no(R::NotYetUsable), no(R::NotUsed), call(Cancel)],
        ),
        (
            seen(TokenRefusal::NotAllowed),
            [no(R::NotAllowed), no(R::NotAllowed), no(R::OnlyInThePortal), no(R::OnlyInThePortal)],
            [no(R::NotAllowed), no(R::NotAllowed), call(Keep), call(Cancel)],
        ),
        (
            seen(TokenRefusal::Used),
            [no(R::AlreadyUsed), no(R::AlreadyUsed), no(R::OnlyInThePortal), no(R::OnlyInThePortal)],
            [no(R::AlreadyUsed), no(R::AlreadyUsed), call(Keep), no(R::UsedKeepFirst)],
        ),
        (seen(TokenRefusal::Cancelled), [no(R::AlreadyCancelled); 4], [no(R::AlreadyCancelled); 4]),
        (
            seen(TokenRefusal::Ended),
            [no(R::NoLongerValid), no(R::NoLongerValid), no(R::OnlyInThePortal), no(R::NoLongerValid)],
            [no(R::NoLongerValid), no(R::NoLongerValid), call(Keep), no(R::NoLongerValid)],
        ),
        (seen(TokenRefusal::Reimbursed), [no(R::Reimbursed); 4], [no(R::Reimbursed); 4]),
    ] {
        for (place, action) in ACTIONS.into_iter().enumerate() {
            assert_eq!(decide(action, VENUE, None, &shown), unknown[place], "{action:?} {shown:?} unknown");
            let bare = memory(None, None);
            assert_eq!(decide(action, VENUE, Some(&bare), &shown), ours[place], "{action:?} {shown:?} ours");
        }
    }
}

#[test]
fn a_repeat_is_a_success_exactly_when_this_venue_asked_the_same() {
    for (deed, shown) in [
        (Deed::Use, Shown::Refused(TokenRefusal::Used)),
        (Deed::Keep, valid(VENUE)),
        (Deed::Keep, Shown::Refused(TokenRefusal::NotYet)),
        (Deed::Cancel, Shown::Refused(TokenRefusal::Cancelled)),
    ] {
        for memory in memories() {
            let repeated = Step::Tell { state: State::after(deed), already: true };
            let step = decide(Some(deed), VENUE, Some(&memory), &shown);
            assert_eq!(step == repeated, memory.has(deed), "{deed:?} {memory:?} {step:?}");
        }
    }
}

#[test]
fn another_venues_is_never_touched_and_looks_like_none() {
    for action in ACTIONS {
        for memory in memories().map(Some).chain([None]) {
            let step = decide(action, VENUE, memory.as_ref(), &valid(VENUE + 1));
            assert_eq!(step, Step::Refuse(Refusal::NotFound), "{action:?} {memory:?}");
        }
        for refusal in REFUSALS {
            for theirs in memories().map(|memory| Memory { venue: VENUE + 1, ..memory }) {
                let step = decide(action, VENUE, Some(&theirs), &Shown::Refused(refusal));
                assert_eq!(step, Step::Refuse(Refusal::NotFound), "{action:?} {refusal:?} {theirs:?}");
            }
            let step = decide(action, VENUE, None, &Shown::Refused(refusal));
            assert!(matches!(step, Step::Refuse(_)), "whose it is, nobody knows: {action:?} {refusal:?} {step:?}");
        }
    }
}

#[test]
fn what_another_venue_did_before_it_was_this_venues_does_not_count() {
    for action in ACTIONS {
        for theirs in memories().map(|memory| Memory { venue: VENUE + 1, ..memory }) {
            let step = decide(action, VENUE, Some(&theirs), &valid(VENUE));
            assert_eq!(step, decide(action, VENUE, None, &valid(VENUE)), "{action:?} {theirs:?}");
        }
    }
}

#[test]
fn a_look_changes_nothing() {
    for memory in memories().map(Some).chain([None]) {
        for shown in REFUSALS.map(Shown::Refused).into_iter().chain([valid(VENUE)]) {
            assert!(!matches!(decide(None, VENUE, memory.as_ref(), &shown), Step::Call(_)));
        }
    }
}

#[test]
fn what_pass_culture_refuses_is_ours_or_not() {
    use Refusal as R;
    let told = |state, already| Step::Tell { state, already };
    for (deed, refusal, by_us, lost, expected) in [
        (Deed::Use, TokenRefusal::Used, false, false, Step::Refuse(R::AlreadyUsed)),
        (Deed::Use, TokenRefusal::Used, true, false, told(State::Used, true)),
        (Deed::Use, TokenRefusal::Used, true, true, told(State::Used, false)),
        (Deed::Use, TokenRefusal::Cancelled, true, false, Step::Refuse(R::AlreadyCancelled)),
        (Deed::Use, TokenRefusal::Ended, true, true, Step::Refuse(R::NoLongerValid)),
        (Deed::Use, TokenRefusal::NotYet, true, false, Step::Refuse(R::NotYetUsable)),
        (Deed::Keep, TokenRefusal::Cancelled, true, true, Step::Refuse(R::AlreadyCancelled)),
        (Deed::Keep, TokenRefusal::Reimbursed, true, false, Step::Refuse(R::Reimbursed)),
        (Deed::Cancel, TokenRefusal::Cancelled, false, false, Step::Refuse(R::AlreadyCancelled)),
        (Deed::Cancel, TokenRefusal::Cancelled, true, false, told(State::Cancelled, true)),
        (Deed::Cancel, TokenRefusal::Cancelled, true, true, told(State::Cancelled, false)),
        (Deed::Cancel, TokenRefusal::TooLate, true, false, Step::Refuse(R::CannotBeCancelled)),
        (Deed::Cancel, TokenRefusal::Used, true, false, Step::Refuse(R::UsedKeepFirst)),
        (Deed::Cancel, TokenRefusal::NotFound, true, false, Step::Refuse(R::NotFound)),
    ] {
        assert_eq!(after_refusal(deed, refusal, by_us, lost), expected, "{deed:?} {refusal:?} {by_us} {lost}");
    }
    for (shown, by_us, lost, expected) in [
        (valid(VENUE), true, false, told(State::Valid, true)),
        (valid(VENUE), true, true, told(State::Valid, false)),
        (valid(VENUE), false, false, Step::Refuse(R::NotUsed)),
        (valid(VENUE + 1), true, false, Step::Refuse(R::NotFound)),
        (Shown::Refused(TokenRefusal::NotYet), true, false, told(State::Valid, true)),
        (Shown::Refused(TokenRefusal::Used), true, true, Step::Refuse(R::CannotBeKept)),
        (Shown::Refused(TokenRefusal::Cancelled), true, true, Step::Refuse(R::AlreadyCancelled)),
    ] {
        assert_eq!(after_nothing_to_keep(VENUE, &shown, by_us, lost), expected, "{shown:?} {by_us} {lost}");
    }
}

#[test]
fn memory_gives_way_to_what_is_seen() {
    use Deed::{Cancel, Keep, Use};
    let used = Shown::Refused(TokenRefusal::Used);
    let cancelled = Shown::Refused(TokenRefusal::Cancelled);
    let unclear = Shown::Refused(TokenRefusal::Ended);
    let (fresh, old) = (Some(SETTLED_AFTER), Some(SETTLED_AFTER + 1));
    for (asked, done, shown, unmoved_for, expected) in [
        // A lost answer turns out to be a success.
        (Some(Use), None, &used, None, (None, Some(Use))),
        (Some(Keep), Some(Use), &valid(VENUE), fresh, (None, Some(Keep))),
        (Some(Cancel), None, &cancelled, fresh, (None, Some(Cancel))),
        // Not done: perhaps not yet, later surely not.
        (Some(Use), None, &valid(VENUE), fresh, (Some(Use), None)),
        (Some(Use), None, &valid(VENUE), None, (Some(Use), None)),
        (Some(Use), None, &valid(VENUE), old, (None, None)),
        // Undone by somebody else, unless what was seen is older than what is remembered.
        (None, Some(Use), &valid(VENUE), fresh, (None, None)),
        (None, Some(Use), &valid(VENUE), None, (None, Some(Use))),
        (None, Some(Keep), &used, old, (None, None)),
        (None, Some(Cancel), &used, old, (None, None)),
        (None, Some(Use), &unclear, old, (None, Some(Use))),
        (Some(Keep), Some(Use), &used, fresh, (Some(Keep), Some(Use))),
    ] {
        let settled = memory(asked, done).settled(shown, unmoved_for);
        assert_eq!((settled.asked, settled.done), expected, "{asked:?} {done:?} {shown:?} {unmoved_for:?}");
    }
}
