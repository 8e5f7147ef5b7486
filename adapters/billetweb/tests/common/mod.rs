//! A simulated account with its adapter.
#![allow(dead_code, reason = "each test file takes what it needs")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures_util::StreamExt as _;
use passerelle_billetweb::DESCRIPTOR;
use passerelle_billetweb::simulator::{BilletwebSimulator, EVENT, KEY, SINGLE_EVENT, USER};
use passerelle_contract::{
    Adapter, AdapterError, BookOutcome, BoxFuture, CancelOutcome, Context, Deadline, End, FindOutcome, Holder, Journal,
    Look, Order, Pull, Reference, Row, Screening, Ticket,
};
use serde_json::{Value, json};

/// Who books; the vendor is not told.
pub(crate) const LEAK: &str = "zoe.kanari@example.org";

/// The folder with the secret; written once, for the checks run side by side.
pub(crate) fn secrets() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let folder = std::env::temp_dir().join(format!("passerelle-billetweb-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("key"), KEY).unwrap();
        folder
    };
    FOLDER.get_or_init(make).clone()
}

pub(crate) fn context() -> Context {
    Context { allow_private_addresses: true, base_dir: secrets(), ..Context::default() }
}

/// Settings that work, with short times.
pub(crate) fn settings(simulator: &BilletwebSimulator) -> Value {
    json!({
        "base_url": simulator.base_url(), "user": USER, "key": { "file": "key" }, "events": [EVENT, SINGLE_EVENT],
        "category": "SPECTACLE_REPRESENTATION", "show_type": "THEATRE-OTHER", "booking_contact": "billetterie@theatre.example",
        "buyer_email_domain": "gateway.example", "timeout_seconds": 1,
    })
}

pub(crate) struct Desk {
    pub(crate) simulator: BilletwebSimulator,
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
        Self::with(&[]).await
    }

    pub(crate) async fn with(over: &[(&str, Value)]) -> Self {
        let simulator = BilletwebSimulator::start().await.unwrap();
        let mut settings = settings(&simulator);
        for (name, value) in over {
            settings[*name] = value.clone();
        }
        let adapter = (DESCRIPTOR.connect)(&settings, context()).unwrap();
        Self { simulator, adapter }
    }

    /// An order with a reference of its own.
    pub(crate) fn order(template: &Order, quantity: u32) -> Order {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let letters = format!("{:06}", NEXT.fetch_add(1, Ordering::Relaxed));
        let reference: String = letters.bytes().map(|digit| char::from(digit - b'0' + b'P')).collect();
        let holder = Some(Holder { email: LEAK.to_owned(), last_name: "Kanari".to_owned(), ..Holder::default() });
        Order { reference: Reference(format!("{reference}ABCDEFGHJK")), quantity, holder, ..template.clone() }
    }

    pub(crate) fn open_order(quantity: u32) -> Order {
        Self::order(&BilletwebSimulator::orders().open, quantity)
    }

    /// What became of it, and what the journal was given.
    pub(crate) async fn book(&self, order: &Order) -> (BookOutcome, Vec<String>) {
        let journal = Pages::default();
        let outcome = self.adapter.box_office().unwrap().book(order, &journal, soon()).await;
        (outcome, journal.0.into_inner().unwrap())
    }

    pub(crate) async fn sold(&self, order: &Order) -> Vec<Ticket> {
        match self.book(order).await.0 {
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

    pub(crate) async fn pull(&self) -> Result<(Vec<Row<Screening>>, End), AdapterError> {
        let mut pass = self.adapter.screenings().unwrap().pull(Pull::default());
        let (mut rows, mut end) = (Vec::new(), None);
        while let Some(page) = pass.next().await {
            let page = page?;
            rows.extend(page.rows);
            end = page.end;
        }
        Ok((rows, end.unwrap()))
    }

    /// Calls whose path ends so.
    pub(crate) fn calls(&self, ending: &str) -> usize {
        use passerelle_testkit::simulator::Simulator as _;
        self.simulator.log().all().iter().filter(|call| call.path.ends_with(ending)).count()
    }
}
