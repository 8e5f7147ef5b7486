//! Orders at the vendor: named by us, looked up by that name, voided by the numbers of one of their tickets.
//!
//! Invariant: whatever is said of an order rests on an answer about this very order, never on trouble.

use passerelle_contract::{AdapterError, CancelOutcome, Deadline, FindOutcome, Look, Order, Reference, Ticket};
use passerelle_kit::http::Lane;
use passerelle_kit::sales::each_once;
use serde::{Deserialize, Serialize};

use crate::client::{Call, Ems, Trouble, odd, refused};
use crate::wire::{self, Done, No, Reply, same_session};

/// Letters of our reference that the vendor is given: longer order numbers are not known to be taken.
const ORDER_NUMBER_CHARS: usize = 6;

/// What is kept of a sale about to be sent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Trace {
    /// Our name of the order.
    pub(crate) num_cmde: String,
    /// When, in seconds since 1970.
    pub(crate) at: u64,
}

/// What is kept of a ticket: all that voiding its order needs, and our name of the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) num_cine: String,
    pub(crate) num_caisse: String,
    pub(crate) num_trans: i64,
    pub(crate) num_ope: i64,
    pub(crate) num_cmde: String,
}

/// A ticket, as far as its order goes.
#[derive(Clone)]
struct SameOrder(Kept);

impl PartialEq for SameOrder {
    fn eq(&self, other: &Self) -> bool {
        let order = |Self(kept): &Self| (kept.num_cine.clone(), kept.num_trans, kept.num_cmde.clone());
        order(self) == order(other)
    }
}

/// Our name of an order.
pub(crate) fn order_number(reference: &Reference) -> String {
    reference.0.chars().take(ORDER_NUMBER_CHARS).collect()
}

/// The numbers of a ticket, when the vendor gave them all.
pub(crate) fn kept(ticket: &wire::Ticket, site_id: &str, order_number: &str) -> Option<Kept> {
    Some(Kept {
        num_cine: site_id.to_owned(),
        num_caisse: ticket.till.clone()?,
        num_trans: ticket.transaction?,
        num_ope: ticket.operation?,
        num_cmde: order_number.to_owned(),
    })
}

/// The tickets that can be scanned and voided; others are left out.
pub(crate) fn tickets(done: &Done, site_id: &str, order_number: &str) -> Vec<Ticket> {
    let whole = |ticket: &wire::Ticket| {
        let kept = kept(ticket, site_id, order_number)?;
        let vendor = serde_json::to_string(&kept).ok()?;
        Some(Ticket { barcode: ticket.barcode.clone()?, seat: ticket.seat.clone(), vendor })
    };
    done.tickets.iter().filter_map(whole).collect()
}

impl Ems {
    /// Looks an order up by our name of it.
    async fn status(&self, order_number: &str, deadline: Deadline) -> Result<Reply, AdapterError> {
        let body = self.for_our_site().text("num_cmde", order_number);
        match self.call(Call::Find, body, Lane::Booking, deadline.left()).await.map_err(Trouble::into_error)? {
            Reply::Empty => Err(odd(Call::Find)),
            reply => Ok(reply),
        }
    }

    /// What became of a sale whose answer was lost. The code for an order that is not there is not known, so that any clean
    /// refusal stands for it: at once it proves little, as the vendor was seen to complete sales late; at the last look
    /// nobody completes anything any more.
    pub(crate) async fn find_order(&self, order: &Order, trace: &str, look: Look, deadline: Deadline) -> FindOutcome {
        let trace: Option<Trace> = serde_json::from_str(trace).ok();
        let number = trace.as_ref().map_or_else(|| order_number(&order.reference), |trace| trace.num_cmde.clone());
        let site_id = &self.settings().site_id;
        let unclear = |what: &str| {
            let at = trace.as_ref().and_then(|trace| jiff::Timestamp::from_second(trace.at.try_into().ok()?).ok());
            let at = at.map_or_else(String::new, |at| format!(" at about {at}"));
            FindOutcome::Unclear(format!(
                "look for order {number} of site {site_id}: {} seat(s) of show {}{at}; {what}",
                order.quantity, order.show_key
            ))
        };
        let done = match self.status(&number, deadline).await {
            Ok(Reply::Yes(done)) => done,
            Ok(_) if look == Look::Last => return FindOutcome::NotSold,
            Ok(_) => return unclear("the vendor does not know it yet"),
            Err(error) => return FindOutcome::NotAsked(error),
        };
        if done.session.as_ref().is_some_and(|session| !same_session(session, &order.show_key)) {
            return unclear("the vendor has an order of that number for another show");
        }
        let tickets = tickets(&done, site_id, &number);
        if tickets.len() == done.tickets.len() && tickets.len() == order.quantity as usize {
            return FindOutcome::Sold(tickets);
        }
        match done.tickets.len() {
            0 => unclear("the vendor knows it and has no tickets of it yet"),
            other => unclear(&format!("the vendor has {other} ticket(s) of it, {} of them whole", tickets.len())),
        }
    }

    /// Voids tickets: one call for each order, with the numbers of its first ticket, frees all of its seats.
    pub(crate) async fn void(&self, tickets: &[Ticket], deadline: Deadline) -> Vec<CancelOutcome> {
        let kept = |ticket: &Ticket| serde_json::from_str::<Kept>(&ticket.vendor).ok().map(SameOrder);
        let void = |order: Option<SameOrder>| async move {
            match order {
                Some(SameOrder(kept)) => self.void_order(&kept, deadline).await,
                None => CancelOutcome::Refused("the numbers of the ticket at the vendor are not known".to_owned()),
            }
        };
        each_once(tickets.iter().map(kept), void).await
    }

    pub(crate) async fn void_order(&self, kept: &Kept, deadline: Deadline) -> CancelOutcome {
        let site_id = &self.settings().site_id;
        if kept.num_cine != *site_id {
            // Numbers and barcodes are a site's own: here they would name somebody else's ticket.
            return CancelOutcome::Refused(format!(
                "the ticket is of site {}, this connection of site {site_id}",
                kept.num_cine
            ));
        }
        let body = self
            .for_our_site()
            .text("num_caisse", &kept.num_caisse)
            .number("num_trans", kept.num_trans)
            .number("num_ope", kept.num_ope);
        match self.call(Call::Void, body, Lane::Booking, deadline.left()).await {
            Ok(Reply::Empty | Reply::Yes(_)) => CancelOutcome::Cancelled,
            Ok(Reply::No(no)) => self.void_was_refused(kept, &no, deadline).await,
            Err(Trouble::Nothing(error)) => CancelOutcome::NotAttempted(error),
            Err(Trouble::Doubt(error)) => CancelOutcome::Unknown(error),
        }
    }

    /// What a refused cancellation means. The code for "cancelled before" is not known, so that the order itself is asked
    /// for: a ticket that is still there is kept by the vendor, for a person to see to; an order that the vendor no longer
    /// knows, or knows without tickets, was voided before, as we named it and were given its tickets. Should the vendor go on
    /// showing the tickets of voided orders, then a repeated cancellation ends with a person, and with nothing untrue.
    async fn void_was_refused(&self, kept: &Kept, no: &No, deadline: Deadline) -> CancelOutcome {
        match self.status(&kept.num_cmde, deadline).await {
            Ok(Reply::Yes(done)) if done.tickets.iter().any(|ticket| ticket.operation == Some(kept.num_ope)) => {
                CancelOutcome::Refused(refused(Call::Void, no).context)
            }
            Ok(Reply::Yes(done)) if !done.tickets.is_empty() => CancelOutcome::NotFound,
            Ok(_) => CancelOutcome::AlreadyCancelled,
            Err(error) => CancelOutcome::Unknown(error),
        }
    }
}
