//! pass Culture's listing of one offer against what is known of its bookings. Pure.

use passerelle_kit::notice::Reason;

use super::told::Happened;
use crate::passculture::BookingStatus;
use crate::store::Millis;
use crate::store::products::ProductState;

/// A booking that was fetched before anybody here heard of it is told if it is at most this old: 30 days, in milliseconds. Older
/// ones are history that the venue's software never asked for.
const RECENT: Millis = 30 * 24 * 3_600 * 1_000;

/// Where a booking goes, and what is told of it, in order. `None` when it stands where it should. `cancelled_by` is who asked for its
/// end, if it ended.
pub(super) fn after(
    known: Option<ProductState>,
    listed: BookingStatus,
    booked_at: Millis,
    expires_at: Millis,
    cancelled_by: Reason,
    now: Millis,
) -> Option<(ProductState, Vec<Happened>)> {
    use BookingStatus::{Cancelled, Confirmed, Other, Reimbursed, Used};
    let expired = now >= expires_at;
    match (known, listed) {
        (None, Confirmed | Other) => Some((ProductState::Open, vec![Happened::Created])),
        (None, Used | Reimbursed) if now.saturating_sub(booked_at) <= RECENT => {
            Some((ProductState::Used, vec![Happened::Created, Happened::Used]))
        }
        (None, Used | Reimbursed) => Some((ProductState::Used, Vec::new())),
        // Nobody was told that it was made: nobody needs to know that it is over.
        (None, Cancelled) => Some((ProductState::Cancelled, Vec::new())),
        (Some(ProductState::Open), Used | Reimbursed) => Some((ProductState::Used, vec![Happened::Used])),
        // Taken back at the counter or in the portal: it can be fetched again.
        (Some(ProductState::Used), Confirmed) => Some((ProductState::Open, Vec::new())),
        (Some(ProductState::Open | ProductState::Used), Cancelled) => {
            let reason = if expired && cancelled_by == Reason::Beneficiary { Reason::Expired } else { cancelled_by };
            Some((ProductState::Cancelled, vec![Happened::Cancelled(reason)]))
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
            assert_eq!(after(Some(ProductState::Cancelled), listed, 0, 10 * DAY, Reason::Beneficiary, DAY), None);
        }
    }

    #[test]
    fn a_silent_end_is_told_with_its_reason() {
        let end = |now, by| after(Some(ProductState::Open), BookingStatus::Cancelled, 0, 10 * DAY, by, now);
        let told = |reason| Some((ProductState::Cancelled, vec![Happened::Cancelled(reason)]));
        assert_eq!(end(DAY, Reason::Beneficiary), told(Reason::Beneficiary));
        assert_eq!(end(DAY, Reason::Offerer), told(Reason::Offerer), "the shop's own doing");
        assert_eq!(end(10 * DAY, Reason::Offerer), told(Reason::Offerer));
        assert_eq!(end(10 * DAY, Reason::Beneficiary), told(Reason::Expired));
    }

    #[test]
    fn a_booking_that_nobody_announced_is_told_unless_it_is_history() {
        let new = |listed, now| after(None, listed, 0, 10 * DAY, Reason::Beneficiary, now);
        assert_eq!(new(BookingStatus::Confirmed, 400 * DAY), Some((ProductState::Open, vec![Happened::Created])));
        assert_eq!(new(BookingStatus::Used, DAY), Some((ProductState::Used, vec![Happened::Created, Happened::Used])));
        assert_eq!(new(BookingStatus::Reimbursed, 400 * DAY), Some((ProductState::Used, vec![])));
        assert_eq!(new(BookingStatus::Cancelled, DAY), Some((ProductState::Cancelled, vec![])));
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
                let first =
                    after(known, listed, 0, 10 * DAY, Reason::Beneficiary, DAY).map_or(known, |(state, _)| Some(state));
                assert_eq!(after(first, listed, 0, 10 * DAY, Reason::Beneficiary, DAY), None, "{known:?} {listed:?}");
            }
        }
    }
}
