//! Selling and freeing seats.
//!
//! A sale is one call, named by an order number that is stored before. Nothing is asked first: the vendor counts no places and
//! has no other reading of a price than its schedule, so the price that the beneficiary was told goes with the sale, for the
//! vendor to refuse, and its refusals say cleanly what is sold out.
//!
//! Invariant: the call that sells is sent once; with another spelling of the show's id once more, only after the vendor did
//! not know the first.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use passerelle_contract::{
    AdapterError, BarcodeScope, BookOutcome, BoxFuture, BoxOffice, CancelOutcome, CancelUnit, Class, Deadline,
    FindOutcome, Journal, Look, Order, Quantity, Refusal, Sale, Semantics, Ticket,
};
use passerelle_kit::http::Lane;
use passerelle_kit::sales::NotSold;

use crate::client::{Call, Ems, Trouble, code, now, odd, refused};
use crate::orders::{Trace, kept, order_number, tickets};
use crate::signing::pseudonym;
use crate::wire::{Done, No, Reply, without_zeros};

/// The call that sells needs so much; with less left it is not begun.
const SALE_NEEDS: Duration = Duration::from_millis(3_000);
/// Its answer is waited for so much longer than the caller has.
const LATE_ANSWER: Duration = Duration::from_secs(14);
/// Time to take a sale of the wrong size back, once its answer is there.
const TAKE_BACK: Duration = Duration::from_secs(5);
/// When a lost sale is looked for. The vendor was seen to complete sales after a minute, so that only the last of several
/// looks may say that nothing was sold.
const FIND_AFTER: &[Duration] =
    &[Duration::from_secs(90), Duration::from_secs(180), Duration::from_secs(600), Duration::from_secs(3_600)];

impl BoxOffice for Ems {
    fn semantics(&self) -> Semantics {
        Semantics {
            find_after: FIND_AFTER,
            finds_lost_sales: true,
            told_of_lost_sales: false,
            cancels: CancelUnit::Sale,
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
        Box::pin(self.find_order(order, trace, look, deadline))
    }

    fn cancel<'a>(&'a self, tickets: &'a [Ticket], deadline: Deadline) -> BoxFuture<'a, Vec<CancelOutcome>> {
        Box::pin(self.void(tickets, deadline))
    }

    fn remaining<'a>(&'a self, order: &'a Order, deadline: Deadline) -> BoxFuture<'a, Result<Quantity, AdapterError>> {
        Box::pin(async move {
            let on_sale = self.on_sale(&order.film_key, Lane::Booking, deadline.left()).await?;
            Ok(if on_sale.has(&order.show_key) { Quantity::Unlimited } else { Quantity::Exactly(0) })
        })
    }
}

impl Ems {
    async fn sell(&self, order: &Order, journal: &dyn Journal, deadline: Deadline) -> Result<Sale, NotSold> {
        if order.starts_at <= SystemTime::now() {
            return Err(NotSold::Refused(Refusal::SalesClosed));
        }
        let email = order.holder.as_ref().map(|holder| holder.email.as_str()).unwrap_or_default();
        if email.is_empty() {
            let why = "the vendor sells to an e-mail address and the booking has none";
            return Err(NotSold::Nothing(AdapterError::new(Class::Data, "NoHolder", Call::Sell.operation(), why)));
        }
        let number = order_number(&order.reference);
        for (session, drops_zeros) in self.spellings(&order.show_key) {
            if deadline.left() < SALE_NEEDS {
                let why = "too little time is left to sell; nothing was sold";
                return Err(NotSold::Nothing(AdapterError::new(
                    Class::Transient,
                    "NoTimeToSell",
                    Call::Sell.operation(),
                    why,
                )));
            }
            let trace = Trace { num_cmde: number.clone(), at: now() };
            journal.about_to_sell(&serde_json::to_string(&trace).unwrap_or_else(|_| "{}".to_owned())).await?;
            if let Some(done) = self.sell_as(session, order, email, &number, deadline).await? {
                self.drops_zeros.store(drops_zeros, Ordering::Relaxed);
                return self.whole(order, &done, &number).await;
            }
        }
        Err(NotSold::Refused(Refusal::ShowGone))
    }

    /// The ways to write a show's id, the one that was last taken first. Known clients send ids without the zeros in front,
    /// exports have them, and the vendor very likely compares numbers.
    fn spellings<'a>(&self, session: &'a str) -> Vec<(&'a str, bool)> {
        let bare = without_zeros(session);
        if bare == session || bare.is_empty() {
            return vec![(session, false)];
        }
        let mut spellings = vec![(session, false), (bare, true)];
        if self.drops_zeros.load(Ordering::Relaxed) {
            spellings.reverse();
        }
        spellings
    }

    /// The call that sells; `None` when the vendor does not know the show by this id.
    async fn sell_as(
        &self,
        session: &str,
        order: &Order,
        email: &str,
        number: &str,
        deadline: Deadline,
    ) -> Result<Option<Done>, NotSold> {
        let unit = u64::from(order.price.0);
        let body = self
            .for_our_site()
            .text("id_seance", session)
            .number("qte_place", order.quantity)
            .euros("pass_culture_price", unit)
            .euros("total_price", unit * u64::from(order.quantity))
            .text("email", email)
            .text("num_pass_culture", &pseudonym(&self.settings().secret, email))
            .text("num_cmde", number);
        match self.call(Call::Sell, body, Lane::Booking, deadline.left() + LATE_ANSWER).await {
            Ok(Reply::Yes(done)) => Ok(Some(done)),
            Ok(Reply::No(No { code: code::NOT_FOUND, .. })) => Ok(None),
            Ok(Reply::No(No { code: code::NO_SHOW_LEFT | code::NOT_ON_SALE, .. })) => {
                Err(NotSold::Refused(Refusal::SoldOut))
            }
            Ok(Reply::No(no)) => Err(NotSold::Nothing(refused(Call::Sell, &no))),
            Ok(Reply::Empty) => Err(NotSold::unknown(odd(Call::Sell))),
            Err(Trouble::Nothing(error)) => Err(NotSold::Nothing(error)),
            Err(Trouble::Doubt(error)) => Err(NotSold::unknown(error)),
        }
    }

    /// A sale of as many seats as were ordered, each with a barcode; any other is taken back. What the answer repeats of the
    /// order is not looked at: it was seen to be wrong.
    async fn whole(&self, order: &Order, done: &Done, number: &str) -> Result<Sale, NotSold> {
        let site_id = &self.settings().site_id;
        let tickets = tickets(done, site_id, number);
        if tickets.len() == done.tickets.len() && tickets.len() == order.quantity as usize {
            return Ok(Sale { tickets, remaining: Quantity::Unlimited });
        }
        let why = format!(
            "{} ticket(s), {} of them with barcode and numbers, for {} seat(s)",
            done.tickets.len(),
            tickets.len(),
            order.quantity
        );
        let error = AdapterError::new(Class::VendorFault, "WrongNumberOfTickets", Call::Sell.operation(), why);
        // Only the cancellation's own yes counts: a sale this young may not be found yet by those who look for it.
        let void = match done.tickets.iter().find_map(|ticket| kept(ticket, site_id, number)) {
            Some(kept) => matches!(self.void_order(&kept, Deadline::after(TAKE_BACK)).await, CancelOutcome::Cancelled),
            None => false,
        };
        if void { Err(NotSold::Nothing(error)) } else { Err(NotSold::suspected(error, tickets)) }
    }
}
