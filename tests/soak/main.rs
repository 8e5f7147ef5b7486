//! The soak: real servers, killed and restarted at random, in front of vendors and a pass Culture that misbehave at random, with an
//! oracle that compares three books at the end: what pass Culture believes, what the gateway wrote down, what the vendor sold.
//!
//! ```text
//! PASSERELLE_SOAK_SECONDS=2820 PASSERELLE_SOAK_SEED=7 tests/run -E 'binary(soak)' --no-capture
//! ```
//!
//! A minute an engine unless told otherwise, the engines side by side. The seed is printed: it decides which faults are drawn and in which
//! order; what they meet is a matter of microseconds, so a seed narrows a failure down and does not replay it.
//!
//! Invariants that the oracle asserts: no booking that a beneficiary holds is without its seat in silence, no seat is sold without a booking
//! in silence, no barcode is given to two bookings, no answer to a signed message takes longer than [`SLOWEST`]; in a shop, nothing is
//! online that no file said, each book is one offer, and the last file is what is online in the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod chaos;
#[path = "../cinema/mod.rs"]
mod cinema;
mod door;
mod house;
mod oracle;
#[path = "../shop/mod.rs"]
mod shop;
mod stock;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use cinema::Which;
use oracle::Found;

/// The gateway decides by six seconds and never answers after seven; the machine of the tests is given some slack.
const SLOWEST: Duration = Duration::from_millis(7_000);

/// How long and with which dice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) length: Duration,
    pub(crate) seed: u64,
    pub(crate) nodes: usize,
}

impl Plan {
    fn new(nodes: usize) -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |since| since.as_secs());
        Self {
            length: Duration::from_secs(number("PASSERELLE_SOAK_SECONDS").unwrap_or(60)),
            seed: number("PASSERELLE_SOAK_SEED").unwrap_or(now),
            nodes,
        }
    }
}

/// Where a house keeps its book.
pub(crate) enum Place {
    /// A SQLite file in the house's own folder.
    File,
    /// A PostgreSQL database.
    Database(support::Database),
}

impl Place {
    pub(crate) fn url(&self) -> &str {
        match self {
            Self::File => "sqlite:passerelle.db",
            Self::Database(database) => &database.url,
        }
    }
}

/// The systems that sell, each with a cinema of its own, and a shop.
fn soak(plan: Plan, vendors: &[Which], store: impl Fn() -> Place) {
    println!("soak: seed {}, {} s, {} node(s)", plan.seed, plan.length.as_secs(), plan.nodes);
    let found: Vec<Found> = std::thread::scope(|scope| {
        let cinemas: Vec<_> = vendors
            .iter()
            .enumerate()
            .map(|(at, which)| {
                let place = store();
                let plan = Plan { seed: plan.seed.wrapping_add(at as u64 * 7_919), ..plan };
                scope.spawn(move || house::soak(plan, *which, &place))
            })
            .collect();
        let place = store();
        let shop = scope.spawn(move || stock::soak(plan, &place));
        let found = cinemas.into_iter().map(|cinema| cinema.join().expect("a cinema's soak ended")).collect();
        shop.join().expect("the shop's soak ended");
        found
    });
    let mut all = Found::default();
    for one in &found {
        println!("{one}");
        all.add(one);
    }
    println!("soak, all: {all}");
    assert_eq!(all.silent_lost, 0, "bookings without a seat, and nobody was told (seed {})", plan.seed);
    assert_eq!(all.silent_ghosts, 0, "seats without a booking, and nobody was told (seed {})", plan.seed);
    assert_eq!(all.doubled, 0, "one barcode for two bookings (seed {})", plan.seed);
    assert_eq!(all.open, 0, "bookings that never came to an end (seed {})", plan.seed);
    assert!(all.slowest <= SLOWEST, "an answer took {:?} (seed {})", all.slowest, plan.seed);
}

#[test]
fn one_node_on_sqlite() {
    let plan = Plan::new(1);
    soak(plan, &[Which::Boost, Which::Ems, Which::Pretix], || Place::File);
}

#[test]
fn three_nodes_on_postgresql() {
    let plan = Plan::new(3);
    soak(plan, &[Which::Cds, Which::Billetweb], || Place::Database(support::Database::create()));
}
