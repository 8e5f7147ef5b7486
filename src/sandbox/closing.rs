//! Venues that were closed, which exists since the summer of 2026.
//!
//! That a closed venue's writes answer 404 and its reads go on is an assumption: the real answers are not known, and
//! [`refuse_if_closed`] is the one place that knows them.
//!
//! Invariant: a venue that is closed has no live booking.

use std::sync::Arc;

use super::beneficiary;
use super::errors::{Answer, Outcome};
use super::server::Shared;
use super::state::{BookingStatus, World};
use super::ticketing;

/// What a write to a venue that was closed is answered.
pub(super) fn refuse_if_closed(world: &World, venue: u32) -> Result<(), Answer> {
    if world.venues.get(&venue).is_some_and(|venue| venue.closed) {
        return Err(Answer::plain(404, "global", "Venue cannot be found"));
    }
    Ok(())
}

/// `POST /_sandbox/venues/{id}/close`: its live bookings are cancelled. A ticketing is asked, and when it refuses or does not
/// answer they are cancelled all the same.
pub(super) async fn close(shared: &Arc<Shared>, id: &str) -> Outcome {
    let id: u32 = id.parse().map_err(|_| Answer::unknown_path())?;
    let live: Vec<u64> = {
        let mut world = shared.world();
        world.venues.get_mut(&id).ok_or_else(Answer::unknown_path)?.closed = true;
        let of_venue = |offer: u64| world.offers.get(&offer).is_some_and(|offer| offer.venue == id);
        let live = world.bookings.values().filter(|b| b.status == BookingStatus::Confirmed && of_venue(b.offer));
        live.map(|booking| booking.id).collect()
    };
    for booking in live {
        let asked = ticketing::cancel(shared, booking, ticketing::refused_to_cancel()).await;
        let mut world = shared.world();
        let still = world.bookings.get(&booking).is_some_and(|b| b.status == BookingStatus::Confirmed);
        if asked.is_err() || still {
            beneficiary::cancel(&mut world, booking, true);
        }
    }
    Ok(Answer::no_content())
}

/// `POST /_sandbox/venues/{id}/reopen`
pub(super) fn reopen(world: &mut World, id: &str) -> Outcome {
    let id: u32 = id.parse().map_err(|_| Answer::unknown_path())?;
    world.venues.get_mut(&id).ok_or_else(Answer::unknown_path)?.closed = false;
    Ok(Answer::no_content())
}
