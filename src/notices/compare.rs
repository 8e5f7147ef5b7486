//! pass Culture's listing of one offer against what is known of its bookings. Pure.

use passerelle_kit::notice::Reason;

use super::told::Happened;
use crate::passculture::BookingStatus;
use crate::store::Millis;
use crate::store::products::ProductState;

/// A booking that was fetched before anybody here heard of it is told if it is at most this old: 30 days, in milliseconds. Older
/// ones are history that the venue's software never asked for.
const RECENT: Millis = 30 * 24 * 3_600 * 1_000;

/// Where a booking goes, and what is told of it, in order. `None` when it stands where it should.
pub(super) fn after(
    known: Option<ProductState>,
    listed: BookingStatus,
    booked_at: Millis,
    expires_at: Millis,
    now: Millis,
) -> Option<(ProductState, &'static [Happened])> {
    use BookingStatus::{Cancelled, Confirmed, Other, Reimbursed, Used};
    let expired = now >= expires_at;
    match (known, listed) {
        (None, Confirmed | Other) => Some((ProductState::Open, &[Happened::Created])),
        (None, Used | Reimbursed) if now.saturating_sub(booked_at) <= RECENT => {
            Some((ProductState::Used, &[Happened::Created, Happened::Used]))
        }
        (None, Used | Reimbursed) => Some((ProductState::Used, &[])),
        // Nobody was told that it was made: nobody needs to know that it is over.
        (None, Cancelled) => Some((ProductState::Cancelled, &[])),
        (Some(ProductState::Open), Used | Reimbursed) => Some((ProductState::Used, &[Happened::Used])),
        // Taken back at the counter or in the portal: it can be fetched again.
        (Some(ProductState::Used), Confirmed) => Some((ProductState::Open, &[])),
        (Some(ProductState::Open | ProductState::Used), Cancelled) if expired => {
            Some((ProductState::Cancelled, &[Happened::Cancelled(Reason::Expired)]))
        }
        (Some(ProductState::Open | ProductState::Used), Cancelled) => {
            Some((ProductState::Cancelled, &[Happened::Cancelled(Reason::Beneficiary)]))
        }
        (Some(ProductState::Open), Confirmed | Other)
        | (Some(ProductState::Used), Used | Reimbursed | Other)
        // What was told as over is never told as made; the back office may bring one back, which the portal shows.
        | (Some(ProductState::Cancelled), _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Millis = 24 * 3_600 * 1_000;

    #[test]
    fn what_is_over_never_comes_back_to_life() {
        for listed in [BookingStatus::Confirmed, BookingStatus::Used, BookingStatus::Cancelled, BookingStatus::Other] {
            assert_eq!(after(Some(ProductState::Cancelled), listed, 0, 10 * DAY, DAY), None);
        }
    }

    #[test]
    fn a_silent_end_is_told_with_its_reason() {
        let end = |now| after(Some(ProductState::Open), BookingStatus::Cancelled, 0, 10 * DAY, now);
        assert_eq!(end(DAY), Some((ProductState::Cancelled, &[Happened::Cancelled(Reason::Beneficiary)][..])));
        assert_eq!(end(10 * DAY), Some((ProductState::Cancelled, &[Happened::Cancelled(Reason::Expired)][..])));
    }

    #[test]
    fn a_booking_that_nobody_announced_is_told_unless_it_is_history() {
        let new = |listed, now| after(None, listed, 0, 10 * DAY, now);
        assert_eq!(new(BookingStatus::Confirmed, 400 * DAY), Some((ProductState::Open, &[Happened::Created][..])));
        assert_eq!(new(BookingStatus::Used, DAY), Some((ProductState::Used, &[Happened::Created, Happened::Used][..])));
        assert_eq!(new(BookingStatus::Reimbursed, 400 * DAY), Some((ProductState::Used, &[][..])));
        assert_eq!(new(BookingStatus::Cancelled, DAY), Some((ProductState::Cancelled, &[][..])));
    }

    #[test]
    fn comparing_twice_tells_once() {
        for known in [None, Some(ProductState::Open), Some(ProductState::Used), Some(ProductState::Cancelled)] {
            for listed in [
                BookingStatus::Confirmed,
                BookingStatus::Used,
                BookingStatus::Reimbursed,
                BookingStatus::Cancelled,
                BookingStatus::Other,
            ] {
                let first = after(known, listed, 0, 10 * DAY, DAY).map_or(known, |(state, _)| Some(state));
                assert_eq!(after(first, listed, 0, 10 * DAY, DAY), None, "{known:?} {listed:?}");
            }
        }
    }
}
