//! Selling.
//!
//! What is left and what it costs is read right before, in the session's turn; then one call makes one order for each seat, so that
//! each can be taken back alone. Its answer has no barcodes: they are read from the list of attendees, which may be a moment late. Until
//! they are there, and stand at the session that was ordered, nothing is called sold.
//!
//! Invariant: the call that sells is sent once; a sale of the wrong size or at the wrong session is taken back or unknown.

use std::time::{Duration, SystemTime};

use passerelle_contract::{
    AdapterError, BarcodeScope, BookOutcome, BoxFuture, BoxOffice, CancelOutcome, CancelUnit, Cents, Class, Deadline,
    FindOutcome, Journal, Look, Order, Quantity, Refusal, Sale, Semantics, Ticket,
};
use passerelle_kit::json::Object;
use passerelle_kit::records::record;
use passerelle_kit::sales::{NotSold, too_few};
use serde_json::value::RawValue;

use crate::client::{Billetweb, For, LATE_ANSWER, Reply, Trouble};
use crate::facts::{self, ONLY_SESSION, Price, Session, session_of, tariff_of};
use crate::orders::{Booking, is_void};
use crate::source::find;
use crate::turns;
use crate::wire::{NewOrder, NewOrders, NewProduct, entries, made};

/// The call that sells needs so much; with less left it is not begun.
const SALE_NEEDS: Duration = Duration::from_secs(3);
/// Time for the barcodes, or for taking back, once it is there.
const AFTERWARDS: Duration = Duration::from_secs(6);
/// When a lost sale is looked for: the list of attendees was seen to be some seconds late.
const FIND_AFTER: &[Duration] = &[Duration::from_secs(30), Duration::from_secs(120), Duration::from_secs(600)];
/// Who buys: the vendor wants a name, and the person's is not its business.
const BUYER: (&str, &str) = ("pass", "Culture");
/// How it is said to be paid: not through the vendor.
const PAYMENT: &str = "other";
/// What is being done, for messages.
const SELL: &str = "sell";

/// A show at one tariff as it is now.
enum Live {
    OnSale { left: Quantity, price: Cents, open: bool },
    NoTariff,
    Gone,
}

impl BoxOffice for Billetweb {
    fn semantics(&self) -> Semantics {
        Semantics {
            find_after: FIND_AFTER,
            finds_lost_sales: true,
            told_of_lost_sales: false,
            cancels: CancelUnit::Ticket,
            // Organisers do not share a list of barcodes, as far as anybody knows.
            barcodes_unique: BarcodeScope::Connection,
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
        Box::pin(self.find_sale(order, trace, look, deadline))
    }

    fn cancel<'a>(&'a self, tickets: &'a [Ticket], deadline: Deadline) -> BoxFuture<'a, Vec<CancelOutcome>> {
        Box::pin(self.take_back(tickets, deadline))
    }

    fn remaining<'a>(&'a self, order: &'a Order, deadline: Deadline) -> BoxFuture<'a, Result<Quantity, AdapterError>> {
        Box::pin(async move {
            Ok(match self.live(order, deadline).await? {
                Live::OnSale { left, open: true, .. } => left,
                Live::OnSale { .. } | Live::NoTariff | Live::Gone => Quantity::Exactly(0),
            })
        })
    }
}

impl Billetweb {
    async fn live(&self, order: &Order, deadline: Deadline) -> Result<Live, AdapterError> {
        let (event, who) = (order.film_key.as_str(), For::Booking(deadline));
        let (Some(wanted), Some(tariff)) = (session_of(order), tariff_of(order)) else { return Ok(Live::Gone) };
        let list = if wanted == ONLY_SESSION { self.events(who).await? } else { self.sessions(event, who).await? };
        let session = if wanted == ONLY_SESSION {
            let events: Vec<Object<'_>> = entries(&list).into_iter().filter_map(record).collect();
            find(&events, event).filter(|event| !facts::has_sessions(event)).map(facts::only_session)
        } else {
            let sessions = entries(&list).into_iter().map(facts::session);
            sessions.into_iter().find(|(id, _)| id.as_deref() == Some(wanted)).map(|(_, session)| session)
        };
        let Some(session) = session else { return Ok(Live::Gone) };
        let session = session.map_err(|odd| unreadable(odd.1))?;
        let list = self.tariffs(event, who).await?;
        let found = entries(&list).into_iter().map(facts::tariff).find(|(id, _)| id.as_deref() == Some(tariff));
        match found {
            None => Ok(Live::NoTariff),
            Some((_, price)) => on_sale(&session, &price.map_err(|odd| unreadable(odd.1))?),
        }
    }

    async fn sell(&self, order: &Order, journal: &dyn Journal, deadline: Deadline) -> Result<Sale, NotSold> {
        if order.starts_at <= SystemTime::now() {
            return Err(NotSold::Refused(Refusal::SalesClosed));
        }
        let place = format!("{} {}", self.settings().http.base, order.show_key);
        let turn = turns::enter(place, deadline.left().saturating_sub(SALE_NEEDS)).await;
        if turn.is_none() {
            let why = "too many others are buying for this session; nothing was sold";
            return Err(NotSold::Nothing(AdapterError::new(Class::Transient, "VendorBusy", SELL, why)));
        }
        let left = match self.live(order, deadline).await? {
            Live::Gone => return Err(NotSold::Refused(Refusal::ShowGone)),
            Live::NoTariff => return Err(NotSold::Refused(Refusal::NoTariff)),
            Live::OnSale { open: false, .. } => return Err(NotSold::Refused(Refusal::SalesClosed)),
            Live::OnSale { price, .. } if price != order.price => {
                return Err(NotSold::Nothing(price_changed(order, price)));
            }
            Live::OnSale { left, .. } => left,
        };
        if let Some(refusal) = too_few(left, order.quantity) {
            return Err(NotSold::Refused(refusal));
        }
        if deadline.left() < SALE_NEEDS {
            let why = "too little time is left to sell; nothing was sold";
            return Err(NotSold::Nothing(AdapterError::new(Class::Transient, "NoTimeToSell", SELL, why)));
        }
        let booking = Booking::new(order, &self.settings().buyer);
        journal.about_to_sell(&booking.to_json()).await?;
        let orders = self.send(order, &booking, deadline).await?;
        drop(turn);
        let tickets = self.whole(order, &booking, orders).await?;
        let remaining = match left {
            Quantity::Exactly(left) => Quantity::Exactly(left.saturating_sub(order.quantity)),
            Quantity::Unlimited => Quantity::Unlimited,
        };
        Ok(Sale { tickets, remaining })
    }

    /// The call that sells; gives the numbers of the orders that it made, in the order of the seats.
    async fn send(&self, order: &Order, booking: &Booking, deadline: Deadline) -> Result<Vec<String>, NotSold> {
        let body = body(order, booking).map_err(|why| AdapterError::new(Class::Data, "UnreadableShow", SELL, why))?;
        let path = format!("event/{}/add_order", order.film_key);
        match self.act(SELL, &path, body, deadline.left() + LATE_ANSWER).await {
            Ok(Reply::Json(list)) => {
                let made = made(&list);
                let number = |seat| made.iter().find(|(name, _)| *name == booking.name(seat));
                let orders: Vec<String> =
                    (1..=order.quantity).filter_map(number).map(|(_, number)| number.clone()).collect();
                if orders.is_empty() {
                    let why = "the vendor's answer to the sale names no order of ours";
                    return Err(NotSold::unknown(AdapterError::new(Class::VendorFault, "MalformedBody", SELL, why)));
                }
                Ok(orders)
            }
            Ok(Reply::No(error)) => Err(self.said_no(order, booking, error, deadline).await),
            Err(Trouble::Nothing(error)) => Err(NotSold::Nothing(error)),
            Err(Trouble::Doubt(error)) => Err(NotSold::unknown(error)),
        }
    }

    /// A no of a code that nobody has published may have come after the first of two orders was made. It is a refusal only when
    /// the places are gone and not one of them to us.
    async fn said_no(&self, order: &Order, booking: &Booking, error: AdapterError, deadline: Deadline) -> NotSold {
        let until = Deadline::after(deadline.left().min(AFTERWARDS));
        let ours = self.attendees(&booking.event, &booking.email, until).await;
        if !matches!(&ours, Ok(ours) if ours.is_empty()) {
            return NotSold::unknown(error);
        }
        match self.live(order, until).await {
            Ok(Live::OnSale { left, .. }) => {
                too_few(left, order.quantity).map_or_else(|| NotSold::unknown(error), NotSold::Refused)
            }
            _ => NotSold::unknown(error),
        }
    }

    /// One ticket for each seat, at the session that was ordered; anything else is taken back, or told as it is.
    async fn whole(&self, order: &Order, booking: &Booking, orders: Vec<String>) -> Result<Vec<Ticket>, NotSold> {
        let until = Deadline::after(AFTERWARDS);
        let named = orders.join(" and ");
        let (code, why) = if orders.len() == order.quantity as usize {
            match self.tickets(booking, &orders, until).await {
                Ok(tickets) if tickets.iter().all(|(_, session)| booking.is_at(session.as_deref())) => {
                    return Ok(tickets.into_iter().map(|(ticket, _)| ticket).collect());
                }
                Ok(_) => ("SoldElsewhere", format!("order {named} is not for the session that was asked for")),
                // They are sold, and nobody can scan them yet: whoever looks later finds them by their address.
                Err(error) => {
                    let context = format!("order {named} is made, and its barcodes are not there: {}", error.context);
                    return Err(NotSold::unknown(AdapterError { context, ..error }));
                }
            }
        } else {
            ("WrongNumberOfTickets", format!("{} order(s) for {} seat(s)", orders.len(), order.quantity))
        };
        let error = AdapterError::new(Class::VendorFault, code, SELL, why);
        let until = Deadline::after(AFTERWARDS);
        let undone = self.void_orders(booking, &orders, until).await;
        let rest = self.attendees(&booking.event, &booking.email, until).await;
        match rest {
            Ok(rest) if undone.iter().all(is_void) && rest.iter().all(|ticket| ticket.void) => {
                Err(NotSold::Nothing(error))
            }
            Ok(rest) => Err(NotSold::suspected(error, booking.live_tickets(&rest))),
            Err(_) => Err(NotSold::unknown(error)),
        }
    }
}

fn on_sale(session: &Session<'_>, price: &Price) -> Result<Live, AdapterError> {
    if !session.sells(&price.id) {
        return Ok(Live::NoTariff);
    }
    let left = session.left_at(price).ok_or_else(|| unreadable("its quotas come without sales"))?;
    Ok(Live::OnSale { left, price: price.cents, open: session.is_open(price, facts::now()) })
}

fn unreadable(why: &str) -> AdapterError {
    AdapterError::new(Class::VendorFault, "UnreadableShow", "read the show", why)
}

fn price_changed(order: &Order, price: Cents) -> AdapterError {
    let why = format!("the seat costs {price} now and was announced at {}; nothing was sold", order.price);
    AdapterError::new(Class::Data, "PriceChanged", SELL, why)
}

/// One order for each seat, all in one call.
fn body(order: &Order, booking: &Booking) -> Result<Vec<u8>, &'static str> {
    let euros = format!("{}.{:02}", order.price.0 / 100, order.price.0 % 100);
    let price: &RawValue = serde_json::from_str(&euros).map_err(|_| "the price cannot be written")?;
    let ticket = tariff_of(order).ok_or("the order names no tariff")?;
    let (name, firstname) = (BUYER.1, BUYER.0);
    let one = |seat| NewOrder {
        name,
        firstname,
        email: &booking.email,
        request_id: booking.name(seat),
        payment_type: PAYMENT,
        session: session_field(&booking.session),
        ship: 0,
        products: [NewProduct { ticket, name, firstname, request_id: format!("{}-p", booking.name(seat)), price }],
    };
    let orders = NewOrders { data: (1..=order.quantity).map(one).collect() };
    serde_json::to_vec(&orders).map_err(|_| "the order cannot be written")
}

/// What goes into the field `session` of an order, whose name and place are an assumption.
fn session_field(session: &str) -> Option<&str> {
    (session != ONLY_SESSION).then_some(session)
}

#[cfg(test)]
#[path = "box_office_tests.rs"]
mod tests;
