//! A cinema with an adapter in front of it: calls within their time, and what they did in truth.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use passerelle_contract::{
    Adapter, AdapterError, BookOutcome, BoxFuture, BoxOffice, CancelOutcome, CancelUnit, Class, Deadline, FindOutcome,
    Holder, Journal, Look, Order, Quantity, Reference, Sale, Ticket,
};

use super::super::{Harness, Outcome, ensure, garbage};
use super::{BoxOfficeBench, Orders};
use crate::simulator::{Fault, Logged, Simulator};

/// Time for the steps before the one that sells; what that one needs comes on top.
const DECIDE: Duration = Duration::from_secs(3);

/// How much later than its deadline every call ends.
const AFTER_DEADLINE: Duration = Duration::from_secs(1);

/// How much later than that the answer of a sale already sent may be waited for.
const AFTER_SENDING: Duration = Duration::from_secs(20);

/// For the machine that runs the checks.
const SLACK: Duration = Duration::from_secs(2);

/// Broken calls under way at once.
pub(super) const AT_ONCE: usize = 12;

/// Largest trace, in bytes.
const MAX_TRACE_BYTES: usize = 4 * 1024;

/// Largest [`Ticket::vendor`], in bytes.
const MAX_VENDOR_BYTES: usize = 2 * 1024;

pub(super) struct Stage {
    cinema: BoxOfficeBench,
    adapter: Arc<dyn Adapter>,
}

/// One call of `book` and what became of it.
pub(super) struct Attempt {
    pub(super) outcome: BookOutcome,
    /// What the journal was given.
    pub(super) journal: Vec<Written>,
    /// Seats that this call sold in truth.
    pub(super) sold: u32,
    /// Requests that came in meanwhile.
    pub(super) calls: Vec<Logged>,
}

/// One writing of the journal.
pub(super) struct Written {
    pub(super) trace: String,
    /// Requests of this booking before it.
    pub(super) calls_before: usize,
    /// Seats that this booking had sold before it.
    pub(super) sold_before: u32,
}

impl Stage {
    /// A fresh one; `None` when the adapter does not sell.
    pub(super) async fn set(harness: &dyn Harness) -> Result<Option<Self>, String> {
        let Some(cinema) = harness.box_office().await else {
            let sells = harness.bench().await.connect(harness).await?.box_office().is_some();
            return if sells {
                Err("the adapter sells and the harness gives no box office".to_owned())
            } else {
                Ok(None)
            };
        };
        let adapter = cinema.bench.connect(harness).await?;
        let stage = Self { cinema, adapter };
        stage.office()?;
        ensure(stage.simulator()?.log().is_empty(), || "the harness's vendor was called before the check".to_owned())?;
        Ok(Some(stage))
    }

    /// A fresh one with these settings laid over the good ones.
    pub(super) async fn set_with(harness: &dyn Harness, over: &serde_json::Value) -> Result<Option<Self>, String> {
        let Some(mut stage) = Self::set(harness).await? else { return Ok(None) };
        stage.adapter = stage.cinema.bench.connect_with(harness, &stage.cinema.bench.settings_with(over)).await?;
        Ok(Some(stage))
    }

    /// The same cinema in front of an adapter that remembers nothing, as after a restart.
    pub(super) async fn restart(&mut self, harness: &dyn Harness) -> Outcome {
        self.adapter = self.cinema.bench.connect(harness).await?;
        Ok(())
    }

    pub(super) fn adapter(&self) -> &dyn Adapter {
        self.adapter.as_ref()
    }

    pub(super) fn office(&self) -> Result<&dyn BoxOffice, String> {
        self.adapter
            .box_office()
            .ok_or_else(|| "the harness's box office is of an adapter that does not sell".to_owned())
    }

    pub(super) fn simulator(&self) -> Result<&dyn Simulator, String> {
        self.cinema.bench.simulator.as_deref().ok_or_else(|| "a box office needs a simulator".to_owned())
    }

    pub(super) fn orders(&self) -> &Orders {
        &self.cinema.orders
    }

    pub(super) fn sold(&self, order: &Order) -> u32 {
        self.cinema.truth.sold(order)
    }

    pub(super) fn left(&self, order: &Order) -> u32 {
        self.cinema.truth.left(order)
    }

    pub(super) fn unknown_ticket(&self, sold: &Ticket) -> Ticket {
        self.cinema.truth.unknown_ticket().unwrap_or_else(|| Ticket {
            barcode: other_digits(&sold.barcode),
            vendor: other_digits(&sold.vendor),
            seat: sold.seat.clone(),
        })
    }

    fn decide(&self) -> Result<Duration, String> {
        Ok(DECIDE + self.office()?.semantics().sale_needs)
    }

    pub(super) async fn book(&self, order: &Order) -> Result<Attempt, String> {
        self.book_with(order, false).await
    }

    /// Books with a journal that may be out of order.
    pub(super) async fn book_with(&self, order: &Order, journal_fails: bool) -> Result<Attempt, String> {
        let (sold_before, calls_before) = (self.sold(order), self.simulator()?.log().len());
        let journal =
            Recorder { stage: self, order, sold_before, calls_before, fails: journal_fails, written: Mutex::default() };
        let decide = self.decide()?;
        let started = tokio::time::Instant::now();
        let booking = self.office()?.book(order, &journal, Deadline::after(decide));
        let outcome = in_time("book", decide + AFTER_SENDING, booking).await?;
        let written = journal.written.into_inner().unwrap_or_else(PoisonError::into_inner);
        let late = written.is_empty() && started.elapsed() > decide + AFTER_DEADLINE + SLACK;
        ensure(!late, || format!("book took {:?} of {decide:?} and sent no sale", started.elapsed()))?;
        let calls = self.simulator()?.log().all().into_iter().skip(calls_before).collect();
        Ok(Attempt { outcome, journal: written, sold: self.sold(order).saturating_sub(sold_before), calls })
    }

    /// A sale at a healthy vendor.
    pub(super) async fn sell(&self, order: &Order) -> Result<(Sale, Attempt), String> {
        let attempt = self.book(order).await?;
        let BookOutcome::Booked(sale) = &attempt.outcome else {
            return Err(format!("a healthy vendor with places gives {:?}", attempt.outcome));
        };
        attempt.judge_sale(order, sale)?;
        Ok((sale.clone(), attempt))
    }

    /// One outcome per ticket.
    pub(super) async fn cancel(&self, tickets: &[Ticket]) -> Result<Vec<CancelOutcome>, String> {
        let outcomes = in_time("cancel", DECIDE, self.office()?.cancel(tickets, Deadline::after(DECIDE))).await?;
        ensure(outcomes.len() == tickets.len(), || {
            format!("{} outcomes for {} tickets: {outcomes:?}", outcomes.len(), tickets.len())
        })?;
        Ok(outcomes)
    }

    /// Voids tickets at a healthy vendor.
    pub(super) async fn take_back(&self, tickets: &[Ticket]) -> Outcome {
        let outcomes = self.cancel(tickets).await?;
        ensure(outcomes.iter().all(is_void), || format!("tickets of this vendor cannot be cancelled: {outcomes:?}"))
    }

    /// As the gateway asks later: without the person.
    pub(super) async fn find(&self, order: &Order, trace: &str) -> Result<FindOutcome, String> {
        let order = Order { holder: None, ..order.clone() };
        in_time("find", DECIDE, self.office()?.find(&order, trace, Look::Last, Deadline::after(DECIDE))).await
    }

    pub(super) async fn remaining(&self, order: &Order) -> Result<Result<Quantity, AdapterError>, String> {
        in_time("remaining", DECIDE, self.office()?.remaining(order, Deadline::after(DECIDE))).await
    }

    pub(super) fn frees_each_ticket(&self) -> Result<bool, String> {
        Ok(self.office()?.semantics().cancels == CancelUnit::Ticket)
    }
}

async fn in_time<T>(what: &str, limit: Duration, call: BoxFuture<'_, T>) -> Result<T, String> {
    let limit = limit + AFTER_DEADLINE + SLACK;
    tokio::time::timeout(limit, call).await.map_err(|_| format!("{what} did not end within {limit:?}"))
}

impl Attempt {
    /// Where the request that sells stands among the calls.
    pub(super) fn sells_at(&self) -> Result<usize, String> {
        let written = self.journal.first().ok_or("a sale without a writing of the journal")?;
        ensure(written.calls_before < self.calls.len(), || "no call came after the journal was written".to_owned())?;
        Ok(written.calls_before)
    }

    /// A sale that says it is one.
    pub(super) fn judge_sale(&self, order: &Order, sale: &Sale) -> Outcome {
        ensure(self.sold == order.quantity, || {
            format!("Booked {} seats; sold in truth: {}", order.quantity, self.sold)
        })?;
        ensure(sale.tickets.len() == order.quantity as usize, || format!("{} tickets", sale.tickets.len()))?;
        sale.tickets.iter().try_for_each(judge_ticket)?;
        for written in &self.journal {
            let json = serde_json::from_str::<serde_json::Value>(&written.trace).is_ok();
            ensure(json && written.trace.len() <= MAX_TRACE_BYTES, || {
                format!("a trace is JSON of at most 4 KiB, not {}", written.trace)
            })?;
        }
        Ok(())
    }
}

fn judge_ticket(ticket: &Ticket) -> Outcome {
    let barcode = ticket.barcode.chars().count();
    ensure((1..=100).contains(&barcode), || format!("a barcode of {barcode} characters"))?;
    let seat = ticket.seat.as_ref().is_none_or(|seat| (1..=100).contains(&seat.chars().count()));
    ensure(seat, || format!("a seat is absent or 1–100 characters: {:?}", ticket.seat))?;
    let json = serde_json::from_str::<serde_json::Value>(&ticket.vendor).is_ok();
    ensure(json && ticket.vendor.len() <= MAX_VENDOR_BYTES, || {
        format!("what the vendor needs of a ticket is JSON of at most 2 KiB, not {}", ticket.vendor)
    })
}

struct Recorder<'s> {
    stage: &'s Stage,
    order: &'s Order,
    sold_before: u32,
    calls_before: usize,
    fails: bool,
    written: Mutex<Vec<Written>>,
}

impl Journal for Recorder<'_> {
    fn about_to_sell<'a>(&'a self, trace: &'a str) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move {
            let calls = self.stage.simulator().map_or(0, |simulator| simulator.log().len());
            let written = Written {
                trace: trace.to_owned(),
                calls_before: calls.saturating_sub(self.calls_before),
                sold_before: self.stage.sold(self.order).saturating_sub(self.sold_before),
            };
            self.written.lock().unwrap_or_else(PoisonError::into_inner).push(written);
            if self.fails {
                let context = "the store is out of order";
                return Err(AdapterError::new(Class::Transient, "StoreDown", "remember the sale", context));
            }
            Ok(())
        })
    }
}

/// The steps of a booking, learnt from a healthy one.
pub(super) struct Steps {
    /// All of its requests.
    pub(super) calls: Vec<Logged>,
    /// Which of them sells.
    pub(super) sells_at: usize,
}

impl Steps {
    /// Of the first booking of an adapter that remembers nothing.
    pub(super) async fn cold(harness: &dyn Harness) -> Result<Option<Self>, String> {
        let Some(stage) = Stage::set(harness).await? else { return Ok(None) };
        Self::watch(&stage, 2).await.map(Some)
    }

    /// Of its second one.
    pub(super) async fn warm(harness: &dyn Harness) -> Result<Option<Self>, String> {
        let Some(stage) = Stage::set(harness).await? else { return Ok(None) };
        Self::watch(&stage, 1).await?;
        Self::watch(&stage, 2).await.map(Some)
    }

    async fn watch(stage: &Stage, quantity: u32) -> Result<Self, String> {
        let (_, attempt) = stage.sell(&order(&stage.orders().open, quantity)).await?;
        Ok(Self { sells_at: attempt.sells_at()?, calls: attempt.calls })
    }
}

/// Who books. None of it must be seen again in anything that an adapter says.
pub(super) const PERSON: [&str; 5] = ["Zebulonne", "Quichenotte", "zq.zebra@example.com", "2007-03-17", "+33199007711"];

/// The order for that many seats, with a reference of its own and somebody who books.
pub(super) fn order(template: &Order, quantity: u32) -> Order {
    const SYMBOLS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ234567";
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut rest = NEXT.fetch_add(1, Ordering::Relaxed);
    let reference = (0..16)
        .map(|_| {
            let at = rest % SYMBOLS.len() as u64;
            rest /= SYMBOLS.len() as u64;
            char::from(SYMBOLS[usize::try_from(at).unwrap_or(0)])
        })
        .collect();
    let [first_name, last_name, email, birth_date, phone] = PERSON.map(str::to_owned);
    let holder = Some(Holder { first_name, last_name, email, birth_date, phone: Some(phone) });
    Order { reference: Reference(reference), quantity, holder, ..template.clone() }
}

/// Every digit but zero becomes another one, so numbers keep their length.
fn other_digits(text: &str) -> String {
    text.chars()
        .map(|c| {
            if ('1'..='8').contains(&c) {
                char::from(c as u8 + 1)
            } else if c == '9' {
                '1'
            } else {
                c
            }
        })
        .collect()
}

pub(super) fn is_void(outcome: &CancelOutcome) -> bool {
    matches!(outcome, CancelOutcome::Cancelled | CancelOutcome::AlreadyCancelled)
}

pub(super) fn after(fault: Fault) -> Fault {
    Fault::AfterEffect(Box::new(fault))
}

/// Longer than a time limit of 1 s, shorter than a booking's time.
const LATE: Duration = Duration::from_millis(1_500);

/// The ways in which one call goes wrong.
pub(super) fn faults() -> Vec<Fault> {
    let mut all = vec![
        Fault::Status(400),
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(404),
        Fault::Status(409),
        Fault::StatusWithRetryAfter(429, 3600),
        Fault::Delay(LATE),
        after(Fault::Delay(LATE)),
    ];
    all.extend(doubts());
    all
}

/// Those after which nobody knows whether the call had its effect.
pub(super) fn doubts() -> Vec<Fault> {
    vec![
        Fault::Status(500),
        Fault::Hang,
        Fault::Html,
        garbage(),
        Fault::CutMidBody,
        after(Fault::Status(500)),
        after(Fault::Hang),
        after(Fault::Html),
        after(garbage()),
    ]
    .into_iter()
    // Said by something on the way, after the vendor has acted.
    .chain([400, 401, 403, 404, 409, 429].map(|status| after(Fault::Status(status))))
    .collect()
}
