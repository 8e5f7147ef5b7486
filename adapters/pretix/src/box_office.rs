//! Selling tickets.
//!
//! A sale reads event, date, item and quotas as they are now and places one order, paid, under a code made of our reference.
//! pretix takes a code once, so that no order is ever placed twice, and an order whose answer was lost is looked up by it.
//! pretix is given no person: pass Culture gives the tickets out.
//!
//! Invariants: one order is sent once; it never overrides a quota; an answer counts only when it names our code and exactly
//! the tickets that were asked for.

use std::time::Duration;

use passerelle_contract::{
    AdapterError, BarcodeScope, BookOutcome, BoxFuture, BoxOffice, CancelOutcome, CancelUnit, Cents, Class, Deadline,
    FindOutcome, Journal, Look, Order, Quantity, Refusal, Sale, Semantics, Ticket,
};
use passerelle_kit::http::{Answer, NotAnswered};
use passerelle_kit::sales::{NotSold, price_changed, too_few};
use serde_json::{Map, Value, json};

use crate::client::{self, For, Pretix, malformed, odd, turned_away};
use crate::facts::{Offer, remaining};
use crate::keys::Key;
use crate::orders::{Trace, code_of};
use crate::wire;

/// The order needs so much; with less left it is not begun. A loaded server was seen to need 0.3 s, a cold one 2.7 s.
const SALE_NEEDS: Duration = Duration::from_secs(3);
/// Its answer is waited for so much longer than the caller has.
const LATE_ANSWER: Duration = Duration::from_secs(14);
/// Time at least to look for an order that was refused.
const LOOK_AFTER_NO: Duration = Duration::from_secs(3);
/// Time to take a sale of the wrong size back, once its answer is there.
const TAKE_BACK: Duration = Duration::from_secs(5);
/// When a lost sale is looked for. A worker that does not answer is given up by its own server, as a rule after a minute.
const FIND_AFTER: &[Duration] = &[Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(300)];
const SELL: &str = "place the order";

/// A price category of a date as it is now.
enum Live {
    Open { left: Quantity, price: Cents },
    Not(Refusal),
}

impl BoxOffice for Pretix {
    fn semantics(&self) -> Semantics {
        Semantics {
            find_after: FIND_AFTER,
            finds_lost_sales: true,
            told_of_lost_sales: false,
            cancels: CancelUnit::Ticket,
            // 32 random letters and digits each.
            barcodes_unique: BarcodeScope::Everywhere,
            sale_needs: SALE_NEEDS,
        }
    }

    fn book<'a>(
        &'a self,
        order: &'a Order,
        journal: &'a dyn Journal,
        deadline: Deadline,
    ) -> BoxFuture<'a, BookOutcome> {
        Box::pin(async move { NotSold::outcome(self.sell(order, journal, deadline).await) })
    }

    fn find<'a>(
        &'a self,
        order: &'a Order,
        trace: &'a str,
        look: Look,
        deadline: Deadline,
    ) -> BoxFuture<'a, FindOutcome> {
        Box::pin(self.find_order(order, trace, look, deadline))
    }

    fn cancel<'a>(&'a self, tickets: &'a [Ticket], deadline: Deadline) -> BoxFuture<'a, Vec<CancelOutcome>> {
        Box::pin(self.void(tickets, deadline))
    }

    fn remaining<'a>(&'a self, order: &'a Order, deadline: Deadline) -> BoxFuture<'a, Result<Quantity, AdapterError>> {
        Box::pin(async move {
            Ok(match self.live(&key_of(order)?, deadline).await? {
                Live::Open { left, .. } => left,
                Live::Not(_) => Quantity::Exactly(0),
            })
        })
    }
}

impl Pretix {
    /// What is asked for as it is now. pretix does not check most of it when an order comes through its API.
    async fn live(&self, key: &Key, deadline: Deadline) -> Result<Live, AdapterError> {
        let who = For::Booking(deadline);
        let gone = Ok(Live::Not(Refusal::ShowGone));
        let Some(event) = self.event(&key.event, who).await? else { return gone };
        let date = match key.date {
            Some(id) => match self.date(&key.event, id, who).await? {
                Some(date) => Some(date),
                None => return gone,
            },
            None if event.has_subevents => return gone,
            None => None,
        };
        let rules = self.rules();
        if !rules.is_open(&event, date.as_ref()) {
            return Ok(Live::Not(Refusal::SalesClosed));
        }
        let Some(item) = self.item(&key.event, key.item, who).await? else { return Ok(Live::Not(Refusal::NoTariff)) };
        let kind = key.variation.map(|id| item.variations.iter().find(|kind| kind.id == id));
        let price = match kind {
            // A variation that was taken away.
            Some(None) => Offer::No,
            kind => rules.offer(&event, date.as_ref(), &item, kind.flatten()),
        };
        let price = match price {
            Offer::At(price) => price,
            Offer::No => return Ok(Live::Not(Refusal::NoTariff)),
            Offer::Odd => return Err(odd("read the item", "its price is no amount of whole cents")),
        };
        let quotas = self.quotas(&key.event, key.date, who).await?;
        let left = remaining(&quotas, key).ok_or_else(|| odd("read the quotas", "one of them cannot be read"))?;
        Ok(Live::Open { left, price })
    }

    async fn sell(&self, order: &Order, journal: &dyn Journal, deadline: Deadline) -> Result<Sale, NotSold> {
        let key = key_of(order)?;
        let (left, price) = match self.live(&key, deadline).await? {
            Live::Open { left, price } => (left, price),
            Live::Not(refusal) => return Err(NotSold::Refused(refusal)),
        };
        if let Some(refusal) = too_few(left, order.quantity) {
            return Err(NotSold::Refused(refusal));
        }
        if price != order.price {
            return Err(NotSold::Nothing(price_changed(SELL, order, price)));
        }
        if deadline.left() < SALE_NEEDS {
            let why = "too little time is left to sell; nothing was sold";
            return Err(NotSold::Nothing(AdapterError::new(Class::Transient, "NoTimeToSell", SELL, why)));
        }
        let trace = Trace { event: key.event.clone(), code: code_of(&order.reference) };
        journal.about_to_sell(&serde_json::to_string(&trace).unwrap_or_else(|_| "{}".to_owned())).await?;
        let body = self.order_body(order, &key, &trace.code);
        let sent = (key.event.as_str(), "orders/");
        let within = deadline.left() + LATE_ANSWER;
        let tickets = match self.act(SELL, sent, &body, within, Some(&trace.code)).await {
            Ok(answer) => self.read_sale(&answer, order, &key, &trace, deadline).await?,
            Err(NotAnswered::NotSent(error)) => return Err(NotSold::Nothing(error)),
            Err(NotAnswered::Unknown(error)) => return Err(NotSold::unknown(error)),
        };
        let remaining = match left {
            Quantity::Exactly(left) => Quantity::Exactly(left.saturating_sub(order.quantity)),
            Quantity::Unlimited => Quantity::Unlimited,
        };
        Ok(Sale { tickets, remaining })
    }

    /// An order of paid tickets. Without `locale`, which an event may not have; without `force`, which oversells.
    fn order_body(&self, order: &Order, key: &Key, code: &str) -> Value {
        let price = format!("{}.{:02}", order.price.0 / 100, order.price.0 % 100);
        let position = json!({ "item": key.item, "variation": key.variation, "subevent": key.date, "price": price });
        let positions: Vec<Value> = (0..order.quantity).map(|_| position.clone()).collect();
        json!({
            "code": code, "status": wire::PAID, "payment_provider": "manual", "send_email": false, "email": null,
            "sales_channel": self.settings().sales_channel, "comment": format!("pass Culture, {}", order.reference),
            "positions": positions,
        })
    }

    /// What an answer to the order means.
    async fn read_sale(
        &self,
        answer: &Answer,
        order: &Order,
        key: &Key,
        trace: &Trace,
        deadline: Deadline,
    ) -> Result<Vec<Ticket>, NotSold> {
        match answer.status {
            201 => match client::json::<wire::Order>(answer) {
                Some(made) if made.code == trace.code => self.whole(&made, order, key, trace).await,
                // The answer to something else, repeated by pretix or by something before it: nobody knows of ours.
                _ => Err(NotSold::unknown(malformed(SELL, answer))),
            },
            400..=499 => self.after_a_no(answer, order, key, trace, deadline).await,
            // Also 409: a crashed worker leaves its key locked, whatever it did.
            200..=299 => Err(NotSold::unknown(malformed(SELL, answer))),
            _ => Err(NotSold::unknown(answer.refused())),
        }
    }

    /// As many tickets as were ordered, at the price that was announced. Any other sale is taken back.
    async fn whole(&self, made: &wire::Order, order: &Order, key: &Key, trace: &Trace) -> Result<Vec<Ticket>, NotSold> {
        if let Some(tickets) = self.tickets_of(made, order, key) {
            return Ok(tickets);
        }
        let why = format!("{} ticket(s), or others than the {} that were ordered", made.live().count(), order.quantity);
        let error = AdapterError::new(Class::VendorFault, "WrongNumberOfTickets", SELL, why);
        if self.cancel_whole(trace, Deadline::after(TAKE_BACK)).await {
            Err(NotSold::Nothing(error))
        } else {
            Err(NotSold::suspected(error, self.known_tickets(made, key)))
        }
    }

    /// A refusal is believed once pretix does not have the order: something on the way can refuse what pretix has taken. One
    /// that is not in pretix's own form leaves it unknown, since whoever said it may be passing the order on.
    async fn after_a_no(
        &self,
        answer: &Answer,
        order: &Order,
        key: &Key,
        trace: &Trace,
        deadline: Deadline,
    ) -> Result<Vec<Ticket>, NotSold> {
        let until = Deadline::after(deadline.left().max(LOOK_AFTER_NO));
        match self.order(&trace.event, &trace.code, until).await {
            Ok(Some(made)) => {
                return self.tickets_of(&made, order, key).ok_or_else(|| NotSold::unknown(refused(answer)));
            }
            Ok(None) => {}
            Err(_) => return Err(NotSold::unknown(refused(answer))),
        }
        match (answer.status, client::json::<Value>(answer)) {
            (400, Some(Value::Object(why))) => Err(self.said_no(&why, answer, order, key, deadline).await),
            (400, Some(Value::Array(_))) => Err(NotSold::Nothing(refused(answer))),
            (status, _) if turned_away(status) && client::says_why(answer) => Err(NotSold::Nothing(answer.refused())),
            _ => Err(NotSold::unknown(answer.refused())),
        }
    }

    /// A refusal undid the order whole. Its sentences change with language and release, so that only its keys are looked at.
    async fn said_no(
        &self,
        why: &Map<String, Value>,
        answer: &Answer,
        order: &Order,
        key: &Key,
        deadline: Deadline,
    ) -> NotSold {
        if why.contains_key("code") {
            // The code is taken, and the order of that name cannot be seen: a person looks.
            return NotSold::unknown(refused(answer));
        }
        if why.contains_key("positions") {
            // Sold out, and half a dozen other reasons: the quotas tell.
            return match self.live(key, deadline).await {
                Ok(Live::Not(refusal)) => NotSold::Refused(refusal),
                Ok(Live::Open { left, .. }) => {
                    too_few(left, order.quantity).map_or_else(|| NotSold::Nothing(refused(answer)), NotSold::Refused)
                }
                Err(error) => NotSold::Nothing(error),
            };
        }
        NotSold::Nothing(refused(answer))
    }
}

fn key_of(order: &Order) -> Result<Key, AdapterError> {
    Key::read(&order.places_key).ok_or_else(|| {
        AdapterError::new(Class::Data, "UnreadableShow", SELL, "the places have a key that is none of this adapter's")
    })
}

/// A refusal that the table does not know. Its words stay out: nobody knows what they repeat.
fn refused(answer: &Answer) -> AdapterError {
    let why = format!("{}: pretix does not take the order; look at the event's settings", answer.saw());
    AdapterError::new(Class::Data, "RefusedByVendor", SELL, why)
}
