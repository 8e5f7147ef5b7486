//! Orders at pretix: named by us, looked up by that name, cancelled ticket by ticket.
//!
//! pretix cancels tickets that were scanned at the door without a word, and does not leave an order without tickets: the
//! order is read before anything is done to it, and its last tickets go with the order.
//!
//! Invariant: whatever is said of a ticket rests on an answer about its very order, never on trouble.

use std::collections::BTreeSet;

use passerelle_contract::{AdapterError, CancelOutcome, Deadline, FindOutcome, Look, Order, Reference, Ticket};
use passerelle_kit::http::{Answer, NotAnswered};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::{self, Pretix, malformed};
use crate::keys::{Key, is_slug};
use crate::wire::{self, CANCELED, Money, PAID, Position};

/// What every code of ours begins with, for people who look at orders.
const CODE_MARK: &str = "PC";
/// Letters of our reference that follow; pretix takes 16 in all.
const REFERENCE_CHARS: usize = 12;
/// Longest barcode and longest name of a seat, in characters.
const MAX_TICKET_CHARS: usize = 100;
/// A refused cancellation is tried once more, on what the order is by then.
const ROUNDS: usize = 2;
/// A scan of somebody who leaves.
const EXIT: &str = "exit";
const CANCEL: &str = "cancel tickets";

/// What is kept of an order about to be sent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Trace {
    pub(crate) event: String,
    /// Our name of it.
    pub(crate) code: String,
}

/// What is kept of a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    organizer: String,
    event: String,
    order: String,
    position: i64,
}

/// What is to be done about a ticket that is to be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ruling {
    Void,
    VoidBefore,
    NotFound,
    Scanned,
}

/// One outcome for each ticket; `of_void` is what became of those that were to be cancelled now.
fn told(rulings: &[Ruling], of_void: &CancelOutcome) -> Vec<CancelOutcome> {
    let outcome = |ruling: &Ruling| match ruling {
        Ruling::Void => of_void.again(),
        Ruling::VoidBefore => CancelOutcome::AlreadyCancelled,
        Ruling::NotFound => CancelOutcome::NotFound,
        Ruling::Scanned => CancelOutcome::Refused("the ticket was scanned at the door".to_owned()),
    };
    rulings.iter().map(outcome).collect()
}

/// What became of one attempt to cancel.
enum Tried {
    Done,
    Refused,
    Nothing(AdapterError),
    Doubt(AdapterError),
}

/// Our name of an order. Both alphabets have neither `I` nor `O`.
pub(crate) fn code_of(reference: &Reference) -> String {
    CODE_MARK.chars().chain(reference.0.chars().take(REFERENCE_CHARS)).collect()
}

/// What pretix takes as a code; with nothing in it that means something else in an address.
fn is_code(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl Pretix {
    /// The tickets of an order that is exactly the one of this sale.
    pub(crate) fn tickets_of(&self, made: &wire::Order, order: &Order, key: &Key) -> Option<Vec<Ticket>> {
        let ours = |position: &Position| {
            position.item.0 == Some(key.item)
                && position.variation.0 == key.variation
                && position.subevent.0 == key.date
                && position.price == Money::Is(order.price)
        };
        let tickets = self.known_tickets(made, key);
        let whole = made.status == PAID
            && made.live().all(ours)
            && made.live().count() == tickets.len()
            && tickets.len() == order.quantity as usize;
        whole.then_some(tickets)
    }

    /// The tickets of an order that can be scanned; others are left out.
    pub(crate) fn known_tickets(&self, made: &wire::Order, key: &Key) -> Vec<Ticket> {
        let ticket = |position: &Position| {
            let short = |text: &&String| (1..=MAX_TICKET_CHARS).contains(&text.chars().count());
            let kept = Kept {
                organizer: self.settings().organizer.clone(),
                event: key.event.clone(),
                order: made.code.clone(),
                position: position.id,
            };
            Some(Ticket {
                barcode: position.secret.as_ref().filter(short)?.clone(),
                seat: position.seat.as_ref().and_then(|seat| seat.name.as_ref()).filter(short).cloned(),
                vendor: serde_json::to_string(&kept).ok()?,
            })
        };
        made.live().filter_map(ticket).collect()
    }

    /// What became of a sale whose answer was lost. pretix may still be at work at an early look; at the last one nobody is.
    pub(crate) async fn find_order(&self, order: &Order, trace: &str, look: Look, deadline: Deadline) -> FindOutcome {
        let unclear = |what: &str| {
            FindOutcome::Unclear(format!(
                "look for order {} of organizer {}: {} ticket(s) of {}; {what}",
                code_of(&order.reference),
                self.settings().organizer,
                order.quantity,
                order.places_key
            ))
        };
        let Some(key) = Key::read(&order.places_key) else {
            return unclear("its places have a key that is none of this adapter's");
        };
        let code = serde_json::from_str::<Trace>(trace)
            .ok()
            .map(|trace| trace.code)
            .filter(|code| is_code(code))
            .unwrap_or_else(|| code_of(&order.reference));
        let made = match self.order(&key.event, &code, deadline).await {
            Ok(Some(made)) => made,
            Ok(None) if look == Look::Last => return FindOutcome::NotSold,
            Ok(None) => return unclear("pretix does not know it yet"),
            Err(error) => return FindOutcome::NotAsked(error),
        };
        if made.live().count() == 0 {
            // It was made and cancelled since: no seat is held.
            return FindOutcome::NotSold;
        }
        match self.tickets_of(&made, order, &key) {
            Some(tickets) => FindOutcome::Sold(tickets),
            None => unclear(&format!("pretix has it with {} ticket(s), and not as ordered", made.live().count())),
        }
    }

    /// Cancels tickets, order by order.
    pub(crate) async fn void(&self, tickets: &[Ticket], deadline: Deadline) -> Vec<CancelOutcome> {
        let kept: Vec<Option<Kept>> = tickets.iter().map(|ticket| self.kept(ticket)).collect();
        let mut outcomes: Vec<CancelOutcome> = kept
            .iter()
            .map(|_| CancelOutcome::Refused("the ticket is none of this connection's organizer".to_owned()))
            .collect();
        let orders: BTreeSet<(&str, &str)> =
            kept.iter().flatten().map(|one| (one.event.as_str(), one.order.as_str())).collect();
        for (event, code) in orders {
            let mine = |one: &Option<Kept>| {
                one.as_ref().filter(|one| one.event == event && one.order == code).map(|one| one.position)
            };
            let wanted: Vec<i64> = kept.iter().filter_map(mine).collect();
            let told = self.void_order(event, code, &wanted, deadline).await;
            let places = outcomes.iter_mut().zip(&kept).filter(|(_, one)| mine(one).is_some());
            places.zip(told).for_each(|((place, _), outcome)| *place = outcome);
        }
        outcomes
    }

    fn kept(&self, ticket: &Ticket) -> Option<Kept> {
        let kept: Kept = serde_json::from_str(&ticket.vendor).ok()?;
        (kept.organizer == self.settings().organizer && is_slug(&kept.event) && is_code(&kept.order)).then_some(kept)
    }

    /// Cancels positions of one order; one outcome for each.
    async fn void_order(&self, event: &str, code: &str, wanted: &[i64], deadline: Deadline) -> Vec<CancelOutcome> {
        let all = |outcome: CancelOutcome| wanted.iter().map(|_| outcome.again()).collect();
        let mut rulings = Vec::new();
        for _round in 0..ROUNDS {
            let order = match self.order(event, code, deadline).await {
                Ok(Some(order)) => order,
                Ok(None) => return all(CancelOutcome::NotFound),
                Err(error) => return all(CancelOutcome::NotAttempted(error)),
            };
            rulings = wanted.iter().map(|id| ruling(&order, *id)).collect();
            let to_void = wanted.iter().zip(&rulings).filter(|(_, ruling)| **ruling == Ruling::Void);
            let void: BTreeSet<i64> = to_void.map(|(id, _)| *id).collect();
            if void.is_empty() {
                return told(&rulings, &CancelOutcome::Cancelled);
            }
            match self.void_positions(event, &order, &void, deadline).await {
                Tried::Done => return told(&rulings, &CancelOutcome::Cancelled),
                Tried::Nothing(error) => return told(&rulings, &CancelOutcome::NotAttempted(error)),
                // pretix can be asked what became of it; only a plain "void" ends the doubt.
                Tried::Doubt(error) => {
                    let now = self.order(event, code, deadline).await.ok().flatten();
                    let is_void = now.is_some_and(|now| void.iter().all(|id| ruling(&now, *id) == Ruling::VoidBefore));
                    let outcome = if is_void { CancelOutcome::Cancelled } else { CancelOutcome::Unknown(error) };
                    return told(&rulings, &outcome);
                }
                // Cancelled meanwhile, or become the last ones: the order is read again.
                Tried::Refused => {}
            }
        }
        let why = format!("pretix refuses to cancel tickets of order {code}; look at it there");
        told(&rulings, &CancelOutcome::Refused(why))
    }

    /// One call: for the whole order where nothing would be left of it, else for these positions.
    async fn void_positions(
        &self,
        event: &str,
        order: &wire::Order,
        void: &BTreeSet<i64>,
        deadline: Deadline,
    ) -> Tried {
        if order.live().all(|position| void.contains(&position.id)) {
            return self
                .try_to_cancel(event, &order.code, "mark_canceled", &json!({ "send_email": false }), void, deadline)
                .await;
        }
        let positions: Vec<Value> = void.iter().map(|id| json!({ "position": id })).collect();
        let body = json!({ "send_email": false, "cancel_positions": positions });
        self.try_to_cancel(event, &order.code, "change", &body, void, deadline).await
    }

    async fn try_to_cancel(
        &self,
        event: &str,
        code: &str,
        how: &str,
        body: &Value,
        void: &BTreeSet<i64>,
        deadline: Deadline,
    ) -> Tried {
        let path = format!("orders/{code}/{how}/");
        // Without a key: pretix would repeat an old refusal instead of looking again.
        let answer = match self.act(CANCEL, (event, &path), body, deadline.left(), None).await {
            Ok(answer) => answer,
            Err(NotAnswered::NotSent(error)) => return Tried::Nothing(error),
            Err(NotAnswered::Unknown(error)) => return Tried::Doubt(error),
        };
        match answer.status {
            200 if shows_void(&answer, code, void) => Tried::Done,
            200..=299 => Tried::Doubt(malformed(CANCEL, &answer)),
            400 if client::json::<Value>(&answer).is_some() => Tried::Refused,
            // Whatever its status says: something on the way can say so after pretix has acted.
            _ => Tried::Doubt(answer.refused()),
        }
    }

    /// Takes an order back whole; only a plain yes counts.
    pub(crate) async fn cancel_whole(&self, trace: &Trace, deadline: Deadline) -> bool {
        let body = json!({ "send_email": false });
        let nothing = BTreeSet::new();
        let tried = self.try_to_cancel(&trace.event, &trace.code, "mark_canceled", &body, &nothing, deadline).await;
        matches!(tried, Tried::Done)
    }
}

fn ruling(order: &wire::Order, id: i64) -> Ruling {
    let entered = |position: &Position| position.checkins.iter().any(|scan| scan.kind.as_deref() != Some(EXIT));
    match order.positions.iter().find(|position| position.id == id) {
        None => Ruling::NotFound,
        Some(position) if order.status == CANCELED || position.canceled.0 => Ruling::VoidBefore,
        Some(position) if entered(position) => Ruling::Scanned,
        Some(_) => Ruling::Void,
    }
}

/// Does the answer show our order without these tickets? A whole order says so itself.
fn shows_void(answer: &Answer, code: &str, void: &BTreeSet<i64>) -> bool {
    client::json::<wire::Order>(answer).is_some_and(|order| {
        let kept = order.live().any(|position| void.contains(&position.id));
        order.code == code && !kept && (!void.is_empty() || order.status == CANCELED)
    })
}
