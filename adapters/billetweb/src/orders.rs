//! Orders at the vendor: found by the e-mail address that each booking has of its own, taken back by their numbers.
//!
//! Invariant: whatever is said of an order rests on the list of attendees, never on what a cancellation answered: the vendor was
//! seen to say yes and keep it.

use std::time::Duration;

use passerelle_contract::{AdapterError, CancelOutcome, Class, Deadline, FindOutcome, Look, Order, Ticket};
use serde::{Deserialize, Serialize};

use crate::client::{Billetweb, Reply, Trouble};
use crate::facts::session_of;
use crate::settings::Buyer;
use crate::wire::{Attendee, Doomed};

/// A list that does not show yet what it should is read again so often, after so long.
const READ_AGAIN: u32 = 2;
const READ_AGAIN_AFTER: Duration = Duration::from_millis(300);
/// What is being done, for messages.
const TAKE_BACK: &str = "take the order back";

/// What a booking is at the vendor: the journal's trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Booking {
    pub(crate) event: String,
    pub(crate) session: String,
    /// Ours, made of the reference: no person has it, and no other booking.
    pub(crate) email: String,
    /// Our name of it; each seat's order adds its number.
    pub(crate) request: String,
}

/// What is kept of a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    booking: Booking,
    /// The vendor's number of the ticket's order.
    order: String,
}

impl Booking {
    pub(crate) fn new(order: &Order, buyer: &Buyer) -> Self {
        let request = format!("pc-{}", order.reference);
        Self {
            event: order.film_key.clone(),
            session: session_of(order).unwrap_or_default().to_owned(),
            email: buyer.address(&request),
            request,
        }
    }

    /// Our name of the order of a seat, counted from 1.
    pub(crate) fn name(&self, seat: u32) -> String {
        format!("{}-{seat}", self.request)
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }

    /// Is a ticket of this session one of ours? Where the vendor does not tell, it is.
    pub(crate) fn is_at(&self, session: Option<&str>) -> bool {
        session.is_none_or(|session| session == self.session)
    }

    fn ticket(&self, attendee: &Attendee) -> Option<Ticket> {
        let kept = Kept { booking: self.clone(), order: attendee.order.clone() };
        let vendor = serde_json::to_string(&kept).ok()?;
        Some(Ticket { barcode: attendee.barcode.clone()?, seat: attendee.seat.clone(), vendor })
    }

    /// Those that can be scanned and taken back.
    pub(crate) fn live_tickets(&self, attendees: &[Attendee]) -> Vec<Ticket> {
        attendees.iter().filter(|one| !one.void).filter_map(|one| self.ticket(one)).collect()
    }
}

/// How an order stands in the list of attendees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Live,
    Scanned,
    Void,
    /// Not there: taken back before, too young to be listed, or never made.
    Absent,
}

fn standing(attendees: &[Attendee], order: &str) -> Standing {
    let mut of_it = attendees.iter().filter(|one| one.order == order).peekable();
    if of_it.peek().is_none() {
        return Standing::Absent;
    }
    of_it.filter(|one| !one.void).fold(Standing::Void, |so_far, one| match so_far {
        Standing::Scanned => so_far,
        _ if one.scanned => Standing::Scanned,
        _ => Standing::Live,
    })
}

pub(crate) const fn is_void(outcome: &CancelOutcome) -> bool {
    matches!(outcome, CancelOutcome::Cancelled | CancelOutcome::AlreadyCancelled)
}

impl Billetweb {
    /// The ticket of each of these orders, with the session that it is for.
    pub(crate) async fn tickets(
        &self,
        booking: &Booking,
        orders: &[String],
        deadline: Deadline,
    ) -> Result<Vec<(Ticket, Option<String>)>, AdapterError> {
        let mut again = 0;
        loop {
            let trouble = match self.attendees(&booking.event, &booking.email, deadline).await {
                Ok(listed) => {
                    let of = |order: &String| {
                        let one = listed.iter().find(|one| one.order == *order && !one.void)?;
                        Some((booking.ticket(one)?, one.session.clone()))
                    };
                    let tickets: Vec<_> = orders.iter().filter_map(of).collect();
                    if tickets.len() == orders.len() {
                        return Ok(tickets);
                    }
                    let why = format!("{} of {} are listed", tickets.len(), orders.len());
                    AdapterError::new(Class::Transient, "NoBarcodeYet", "read the barcodes", why)
                }
                Err(error) => error,
            };
            if again == READ_AGAIN {
                return Err(trouble);
            }
            again += 1;
            tokio::time::sleep(READ_AGAIN_AFTER).await;
        }
    }

    /// What became of a sale whose answer was lost: nobody else has its address.
    pub(crate) async fn find_sale(&self, order: &Order, trace: &str, look: Look, deadline: Deadline) -> FindOutcome {
        let booking = serde_json::from_str(trace).unwrap_or_else(|_| Booking::new(order, &self.settings().buyer));
        let unclear = |what: &str| {
            FindOutcome::Unclear(format!(
                "look for orders {} and the like at {}: {} seat(s) of event {}, session {}; {what}",
                booking.name(1),
                booking.email,
                order.quantity,
                booking.event,
                booking.session
            ))
        };
        let listed = match self.attendees(&booking.event, &booking.email, deadline).await {
            Ok(listed) => listed,
            Err(error) => return FindOutcome::NotAsked(error),
        };
        let live: Vec<&Attendee> = listed.iter().filter(|one| !one.void).collect();
        if live.is_empty() {
            return match look {
                Look::Last => FindOutcome::NotSold,
                Look::Early => unclear("the vendor does not list them yet"),
            };
        }
        let tickets = booking.live_tickets(&listed);
        if !live.iter().all(|one| booking.is_at(one.session.as_deref())) {
            return unclear("the vendor lists them at another session");
        }
        if live.len() == order.quantity as usize && tickets.len() == live.len() {
            return FindOutcome::Sold(tickets);
        }
        unclear(&format!("the vendor lists {} ticket(s), {} of them with barcode", live.len(), tickets.len()))
    }

    /// Takes tickets back, the orders of each booking with one call.
    pub(crate) async fn take_back(&self, tickets: &[Ticket], deadline: Deadline) -> Vec<CancelOutcome> {
        let kept: Vec<Option<Kept>> = tickets.iter().map(|ticket| serde_json::from_str(&ticket.vendor).ok()).collect();
        let mut outcomes: Vec<Option<CancelOutcome>> = tickets.iter().map(|_| None).collect();
        for first in kept.iter().flatten() {
            let of_it = |one: &Option<Kept>| one.as_ref().filter(|one| one.booking == first.booking).is_some();
            let open: Vec<(&mut Option<CancelOutcome>, &Kept)> = outcomes
                .iter_mut()
                .zip(&kept)
                .filter(|(outcome, one)| outcome.is_none() && of_it(one))
                .filter_map(|(outcome, one)| Some((outcome, one.as_ref()?)))
                .collect();
            if open.is_empty() {
                continue;
            }
            let orders: Vec<String> = open.iter().map(|(_, one)| one.order.clone()).collect();
            let undone = self.void_orders(&first.booking, &orders, deadline).await;
            for ((outcome, _), undone) in open.into_iter().zip(undone) {
                *outcome = Some(undone);
            }
        }
        let nameless = || CancelOutcome::Refused("the number of the ticket's order is not known".to_owned());
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(nameless)).collect()
    }

    /// Takes orders of one booking back; one outcome each.
    pub(crate) async fn void_orders(
        &self,
        booking: &Booking,
        orders: &[String],
        deadline: Deadline,
    ) -> Vec<CancelOutcome> {
        let each = |verdict: &dyn Fn(&str) -> CancelOutcome| orders.iter().map(|order| verdict(order)).collect();
        let before = match self.attendees(&booking.event, &booking.email, deadline).await {
            Ok(before) => before,
            Err(error) => return each(&|_| CancelOutcome::NotAttempted(error.again())),
        };
        // What was decided before anything is sent.
        let settled = |order: &str| match standing(&before, order) {
            Standing::Void => Some(CancelOutcome::AlreadyCancelled),
            Standing::Scanned => Some(CancelOutcome::Refused(format!("the ticket of order {order} was scanned"))),
            Standing::Live | Standing::Absent => None,
        };
        let open = orders.iter().filter(|order| settled(order).is_none());
        let mut data: Vec<u64> = open.clone().filter_map(|order| order.parse().ok()).collect();
        data.dedup();
        if data.is_empty() {
            return each(&|order| settled(order).unwrap_or(CancelOutcome::NotFound));
        }
        let body = serde_json::to_vec(&Doomed { data }).unwrap_or_default();
        let path = format!("event/{}/delete_order", booking.event);
        let trouble = match self.act(TAKE_BACK, &path, body, deadline.left().min(self.settings().timeout)).await {
            Ok(Reply::Json(_)) => None,
            Ok(Reply::No(error)) => Some((error, true)),
            Err(Trouble::Doubt(error)) => Some((error, false)),
            Err(Trouble::Nothing(error)) => {
                return each(&|order| settled(order).unwrap_or_else(|| CancelOutcome::NotAttempted(error.again())));
            }
        };
        let after = match self.listed_after(booking, open.map(String::as_str).collect(), deadline).await {
            Ok(after) => after,
            Err(error) => {
                return each(&|order| settled(order).unwrap_or_else(|| CancelOutcome::Unknown(error.again())));
            }
        };
        each(&|order| {
            settled(order).unwrap_or_else(|| match (standing(&before, order), standing(&after, order), &trouble) {
                (Standing::Live, Standing::Void | Standing::Absent, _) | (_, Standing::Void, _) => {
                    CancelOutcome::Cancelled
                }
                (_, Standing::Absent, None) => CancelOutcome::Cancelled,
                // Refused in plain words and nowhere to be seen: there is nothing that could let anybody in.
                (_, Standing::Absent, Some((_, true))) => CancelOutcome::NotFound,
                (_, _, Some((error, true))) => CancelOutcome::Refused(error.context.clone()),
                (_, _, Some((error, false))) => CancelOutcome::Unknown(error.again()),
                (_, _, None) => {
                    let why = format!("the vendor said yes and still lists order {order}");
                    CancelOutcome::Unknown(AdapterError::new(Class::VendorFault, "OrderStillThere", TAKE_BACK, why))
                }
            })
        })
    }

    /// The list once these orders are gone from it, or as it is in the end.
    async fn listed_after(
        &self,
        booking: &Booking,
        orders: Vec<&str>,
        deadline: Deadline,
    ) -> Result<Vec<Attendee>, AdapterError> {
        let mut again = 0;
        loop {
            let listed = self.attendees(&booking.event, &booking.email, deadline).await?;
            let live = |order: &&str| matches!(standing(&listed, order), Standing::Live | Standing::Scanned);
            if again == READ_AGAIN || !orders.iter().any(live) {
                return Ok(listed);
            }
            again += 1;
            tokio::time::sleep(READ_AGAIN_AFTER).await;
        }
    }
}
