//! A cancellation whose outcome nobody knows: the vendor is asked before a person is.
//!
//! Invariant: asking changes nothing at the vendor, and only a plain answer about every seat of the booking ends a doubt.

use std::sync::Arc;
use std::time::Duration;

use passerelle_contract::{Adapter, Deadline, FindOutcome, Look, Ticket};

use super::keeper::Keeper;
use super::machine::Happening;
use super::order::StoredOrder;
use super::{Desk, line};
use crate::store::StoreError;
use crate::store::bookings::{BookingState, StoredBooking, TicketRow, TicketState};

/// What a vendor is given to answer.
const VENDOR_TIME: Duration = Duration::from_secs(10);

impl Desk {
    /// Asks the vendor which tickets of a booking are void, when that is in doubt and it can tell. False when it is to be asked
    /// again later; what pass Culture has is compared then.
    pub(super) async fn doubt_is_settled(
        &self,
        keeper: &Keeper,
        adapter: Result<Arc<dyn Adapter>, String>,
    ) -> Result<bool, StoreError> {
        let seen = keeper.seen().await;
        let in_doubt = seen.tickets.iter().any(|ticket| ticket.state == TicketState::Voiding);
        let (true, BookingState::Booked) = (in_doubt, seen.row.state) else { return Ok(true) };
        let (Ok(adapter), Some(stored)) = (adapter, StoredOrder::read(&seen.row)) else { return Ok(true) };
        let Some(office) = adapter.box_office().filter(|office| office.semantics().finds_lost_sales) else {
            return Ok(true);
        };
        let order = stored.order(&seen.row, None);
        let trace = seen.row.trace.as_deref().unwrap_or("{}");
        let asked = office.find(&order, trace, Look::Last, Deadline::after(VENDOR_TIME));
        let good = match tokio::time::timeout(VENDOR_TIME + Duration::from_secs(2), asked).await {
            Ok(FindOutcome::Sold(good)) => good,
            Ok(FindOutcome::NotSold) => Vec::new(),
            Ok(FindOutcome::Unclear(_)) => return Ok(true),
            Ok(FindOutcome::NotAsked(error)) => {
                let why = format!("{}: {}: {}", error.code, error.operation, error.context);
                return self.not_told(keeper, &why).await;
            }
            Err(_) => return self.not_told(keeper, "NoAnswer: the vendor did not answer in time").await,
        };
        let Some(tickets) = settled(&seen, &good) else { return Ok(true) };
        let told = [line(self.now(), "settle", format!("the vendor was asked: {} ticket(s) are good", good.len()))];
        if !keeper.note(seen.row.version, |_| {}, &tickets, &told).await? {
            return Ok(false);
        }
        keeper.apply(&Happening::DoubtOver, &[], &[]).await?;
        Ok(true)
    }

    async fn not_told(&self, keeper: &Keeper, why: &str) -> Result<bool, StoreError> {
        let told = [line(self.now(), "settle", format!("which tickets are void could not be asked: {why}"))];
        keeper.apply(&Happening::VendorSilent(why.to_owned()), &[], &told).await?;
        Ok(false)
    }
}

/// The tickets in doubt as the vendor has them. `None` when it names one that this booking does not have: then it speaks of
/// something else.
fn settled(booking: &StoredBooking, good: &[Ticket]) -> Option<Vec<TicketRow>> {
    let is_ours = |one: &Ticket| booking.tickets.iter().any(|ticket| ticket.barcode == one.barcode);
    if !good.iter().all(is_ours) {
        return None;
    }
    let in_doubt = booking.tickets.iter().filter(|ticket| ticket.state == TicketState::Voiding);
    let known = in_doubt.map(|ticket| {
        let is_good = good.iter().any(|one| one.barcode == ticket.barcode);
        TicketRow { state: if is_good { TicketState::Live } else { TicketState::Void }, ..ticket.clone() }
    });
    Some(known.collect())
}
