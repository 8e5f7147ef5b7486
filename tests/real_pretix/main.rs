//! Both rivers of a theatre with the real gateway and a real pretix: its dates are on sale, a beneficiary's booking is an order with
//! barcodes that pretix's own scanners take, a cancellation cancels it, and `kill -9` at any moment leaves the two books equal.
//!
//! Like the adapter's own test it says `NOT TESTED` and passes where pretix cannot be installed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

#[path = "../cinema/mod.rs"]
mod cinema;
#[path = "../../adapters/pretix/tests/real/server.rs"]
mod server;
mod wire;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use cinema::{Cinema, Server, Which, person, until};
use passerelle::sandbox::Bookable;
use serde_json::Value;
use server::{EVENT, Server as Pretix};
use wire::Wire;

const THEATRE: &str = "atelier";
/// When the gateway dies, after a booking or a cancellation began.
const DIES_AFTER: [u64; 7] = [0, 25, 75, 125, 175, 250, 400];

struct Stage {
    cinema: Cinema,
    pretix: Pretix,
    wire: Wire,
}

impl Stage {
    /// The stock of a date at the plain tariff.
    fn stock(&self, date: &str) -> u64 {
        let (date, seat) = (self.pretix.date(date), self.pretix.number("seat"));
        self.cinema.stock_of(&format!("{EVENT}/{date}/{seat}/-"))
    }

    /// Barcodes that are good for a date, as pretix lists them.
    fn listed(&self, date: &str) -> BTreeSet<String> {
        let path = format!("events/{EVENT}/orderpositions/?order__status=p&subevent={}", self.pretix.date(date));
        let listed = self.cinema.block_on(self.pretix.read(&path));
        let positions = listed["results"].as_array().unwrap();
        assert_eq!(listed["next"], Value::Null, "more than a page");
        positions.iter().map(|one| one["secret"].as_str().unwrap().to_owned()).collect()
    }

    /// What pretix lists once it has done what it was asked for.
    fn settled(&self, date: &str) -> usize {
        let (mut last, mut same) = (self.listed(date), 0);
        until("pretix's rest", || {
            let now = self.listed(date);
            same = if now == last { same + 1 } else { 0 };
            last = now;
            same == 8
        });
        last.len()
    }

    fn believed(&self, stock: u64) -> u32 {
        let offers = self.cinema.sandbox.offers();
        offers.iter().flat_map(|offer| &offer.dates).find(|date| date.stock_id == stock).unwrap().booked
    }

    /// Plays something with pass Culture and kills the gateway meanwhile; a new one settles what was left.
    fn killed<T>(&self, server: Server, after: u64, play: impl Future<Output = T>) -> (T, Server) {
        let played = self.cinema.block_on(async {
            let killed = async {
                tokio::time::sleep(Duration::from_millis(after)).await;
                Command::new("kill").args(["-9", &server.child.id().to_string()]).status().unwrap();
            };
            tokio::join!(play, killed).0
        });
        drop(server);
        (played, self.again())
    }

    /// A new gateway that pass Culture knows; what is open is settled.
    fn again(&self) -> Server {
        self.settled("open");
        let server = Server::start(&self.cinema);
        self.cinema.configure("sqlite:passerelle.db", Some(&server.base));
        self.cinema.run(&["apply"]);
        for _ in 0..4 {
            self.cinema.run(&["bookings", "settle", "--now"]);
        }
        self.cinema.block_on(self.cinema.sandbox.sweep(0));
        server
    }
}

#[test]
fn a_theatre_on_a_real_pretix_sells_through_pass_culture() {
    let cinema = Cinema::new(Which::Boost);
    let Some(pretix) = cinema.block_on(Pretix::start()) else {
        eprintln!("NOT TESTED against the real pretix: it cannot be installed on this machine");
        return;
    };
    let wire = cinema.block_on(Wire::to(pretix.address()));
    std::fs::write(cinema.path("pretix-token"), server::GATEWAY).unwrap();
    *cinema.more.lock().unwrap() = format!(
        "[[connection]]\nid = \"{THEATRE}\"\nadapter = \"pretix\"\nvenue = {}\nevery = \"1h\"\n[connection.settings]\n\
         base_url = \"{}\"\norganizer = \"atelier\"\ntoken = {{ file = \"pretix-token\" }}\nevents = [\"{EVENT}\", \"fanfare\"]\n\
         category = \"SPECTACLE_REPRESENTATION\"\nshow_type = \"THEATRE-COMEDIE\"\n\
         booking_contact = \"billetterie@atelier.example\"\n",
        cinema::OTHER_VENUE,
        wire.base_url()
    );
    cinema.configure("sqlite:passerelle.db", None);
    let server = cinema.open();
    cinema.run(&["sync", THEATRE]);
    let stage = Stage { cinema, pretix, wire };
    programme(&stage);
    one_and_two(&stage);
    sold_out(&stage);
    share(&stage);
    let server = dies_while_booking(&stage, server);
    drop(dies_while_cancelling(&stage, server));
}

fn programme(stage: &Stage) {
    let offers = stage.cinema.sandbox.offers();
    let ours: Vec<_> =
        offers.iter().filter(|offer| offer.venue_id == u32::try_from(cinema::OTHER_VENUE).unwrap()).collect();
    assert_eq!(ours.len(), 2, "{ours:#?}");
    let again = stage.cinema.run(&["sync", THEATRE]).pop().unwrap();
    assert_eq!((again["requests"].as_u64(), again["change"].as_u64()), (Some(0), Some(0)), "{again}");
}

fn one_and_two(stage: &Stage) {
    let stock = stage.stock("open");
    let two = stage.cinema.book(0, stock, 2).unwrap();
    let told: BTreeSet<String> = two.tickets.iter().map(|ticket| ticket.barcode.clone()).collect();
    assert_eq!(told, stage.listed("open"), "the beneficiary's barcodes are pretix's");
    let one = stage.cinema.book(1, stock, 1).unwrap();
    assert_eq!((stage.listed("open").len(), stage.believed(stock)), (3, 3));
    stage.cinema.block_on(stage.cinema.sandbox.cancel_and_wait(two.id)).unwrap();
    assert_eq!((stage.listed("open").len(), stage.believed(stock)), (1, 1));
    // Who was let in keeps the ticket, whoever asks.
    stage.cinema.block_on(stage.pretix.scan(&one.tickets[0].barcode));
    stage.cinema.block_on(stage.cinema.sandbox.cancel_and_wait(one.id)).unwrap_err();
    assert_eq!((stage.listed("open").len(), stage.believed(stock)), (1, 1));
}

/// Sold at the till meanwhile: pass Culture learns it from the refusal.
fn sold_out(stage: &Stage) {
    let stock = stage.stock("five");
    for number in 2..6 {
        stage.cinema.book(number, stock, 1).unwrap();
    }
    let show = format!("subevents/{}/", stage.pretix.date("five"));
    assert_eq!(stage.cinema.places(stock), Some(1));
    stage.cinema.book(6, stock, 2).unwrap_err();
    assert_eq!(stage.cinema.places(stock), Some(1));
    stage.cinema.block_on(stage.pretix.patch(&show, &serde_json::json!({ "active": false })));
    stage.cinema.book(7, stock, 1).unwrap_err();
    assert_eq!((stage.listed("five").len(), stage.cinema.places(stock)), (4, Some(0)));
}

/// What the gateway, and the sandbox that asks it, add to pretix's own time.
fn share(stage: &Stage) {
    let stock = stage.stock("unlimited");
    let mut shares: Vec<(Duration, Duration)> = (10..30)
        .map(|number| {
            stage.wire.forget();
            let began = Instant::now();
            stage.cinema.book(number, stock, 2).unwrap();
            let took = began.elapsed();
            (took.saturating_sub(stage.wire.waited()), took)
        })
        .collect();
    shares.sort();
    let ((own, all), (longest, _)) = (shares[shares.len() / 2], shares[shares.len() - 1]);
    println!(
        "of a booking's {} ms the gateway's own are {:.1} ms in the middle of {}, {:.1} ms at most",
        all.as_millis(),
        own.as_secs_f64() * 1_000.0,
        shares.len(),
        longest.as_secs_f64() * 1_000.0
    );
}

fn dies_while_booking(stage: &Stage, mut server: Server) -> Server {
    let stock = stage.stock("open");
    for (number, after) in (30..).zip(DIES_AFTER) {
        let email = person(number);
        let play = stage.cinema.sandbox.book_and_wait(&email, Bookable::Stock(stock), 2);
        let (booked, next) = stage.killed(server, after, play);
        server = next;
        let (sold, believed) = (stage.settled("open"), stage.believed(stock));
        println!("killed {after} ms into a booking: {} believed, {sold} sold", believed);
        assert_eq!(sold, believed as usize, "killed {after} ms into a booking, which ended {booked:?}");
    }
    server
}

fn dies_while_cancelling(stage: &Stage, mut server: Server) -> Server {
    let stock = stage.stock("open");
    for (number, after) in (40..).zip(DIES_AFTER) {
        let booked = stage.cinema.book(number, stock, 2).unwrap();
        let play = stage.cinema.sandbox.cancel_and_wait(booked.id);
        let (cancelled, next) = stage.killed(server, after, play);
        server = next;
        if cancelled.is_err() {
            // Who saw an error tries again.
            let _late = stage.cinema.block_on(stage.cinema.sandbox.cancel_and_wait(booked.id));
        }
        let (sold, believed) = (stage.settled("open"), stage.believed(stock));
        println!("killed {after} ms into a cancellation: {} believed, {sold} sold", believed);
        assert_eq!(sold, believed as usize, "killed {after} ms into a cancellation, which ended {cancelled:?}");
    }
    server
}
