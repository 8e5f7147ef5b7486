//! A box office with somebody in front of it.
#![allow(dead_code, reason = "each test file takes what it needs")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use passerelle_contract::{
    Adapter, AdapterError, BookOutcome, BoxFuture, CancelOutcome, Deadline, FindOutcome, Holder, Journal, Look, Order,
    Reference, Ticket,
};
use passerelle_pretix::simulator::PretixSimulator;

/// Who books; not to be seen anywhere, not even at the vendor.
pub(crate) const LEAK: &str = "zoe.kanari@example.org";

pub(crate) struct Desk {
    pub(crate) simulator: PretixSimulator,
    pub(crate) adapter: Arc<dyn Adapter>,
}

#[derive(Default)]
struct Pages(Mutex<Vec<String>>);

impl Journal for Pages {
    fn about_to_sell<'a>(&'a self, trace: &'a str) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move {
            self.0.lock().unwrap().push(trace.to_owned());
            Ok(())
        })
    }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(6))
}

impl Desk {
    pub(crate) async fn open() -> Self {
        let (simulator, adapter) = super::common::organizer().await;
        Self { simulator, adapter }
    }

    /// An order with a reference of its own.
    pub(crate) fn order(quantity: u32) -> Order {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let letters = format!("{:06}", NEXT.fetch_add(1, Ordering::Relaxed));
        let reference: String = letters.bytes().map(|digit| char::from(digit - b'0' + b'P')).collect();
        let holder = Some(Holder { email: LEAK.to_owned(), last_name: "Kanari".to_owned(), ..Holder::default() });
        Order {
            reference: Reference(format!("{reference}ABCDEFGHJK")),
            quantity,
            holder,
            ..PretixSimulator::orders().open
        }
    }

    /// What became of it, and what the journal was given.
    pub(crate) async fn book(&self, order: &Order) -> (BookOutcome, Vec<String>) {
        let journal = Pages::default();
        let outcome = self.adapter.box_office().unwrap().book(order, &journal, soon()).await;
        (outcome, journal.0.into_inner().unwrap())
    }

    pub(crate) async fn sold(&self, quantity: u32) -> Vec<Ticket> {
        match self.book(&Self::order(quantity)).await.0 {
            BookOutcome::Booked(sale) => sale.tickets,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn cancel(&self, tickets: &[Ticket]) -> Vec<CancelOutcome> {
        self.adapter.box_office().unwrap().cancel(tickets, soon()).await
    }

    pub(crate) async fn find(&self, order: &Order, trace: &str, look: Look) -> FindOutcome {
        let order = Order { holder: None, ..order.clone() };
        self.adapter.box_office().unwrap().find(&order, trace, look, soon()).await
    }

    /// Requests to paths with this in them.
    pub(crate) fn calls(&self, part: &str) -> usize {
        use passerelle_testkit::simulator::Simulator as _;
        self.simulator.log().all().iter().filter(|call| call.path.contains(part)).count()
    }
}
