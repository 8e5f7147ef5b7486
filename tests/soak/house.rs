//! A cinema or a theatre in the storm: bookings and cancellations while servers die and both sides misbehave.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use passerelle::sandbox::{Bookable, Fault as NorthFault};
use passerelle::store::bookings::{BookingFilter, BookingState};
use passerelle::store::{self};

use crate::chaos::{Dice, north_fault, vendor_fault};
use crate::cinema::{CONNECTION, Cinema, Which, person};
use crate::door::Door;
use crate::oracle::{Books, Found};
use crate::{Place, Plan};

/// Bookings and cancellations under way at once.
const AT_ONCE: usize = 6;
/// A server that was started works for at least so long: what dies at once is only ever starting.
const SHORTEST_LIFE: Duration = Duration::from_secs(2);
/// A round of the storm takes at least so long.
const ROUND: Duration = Duration::from_millis(100);
/// Rows of the gateway's book that are read.
const ROWS: u32 = 100_000;

struct Node {
    config: String,
    address: SocketAddr,
    child: Option<Child>,
    /// When a dead one comes back.
    back_at: Instant,
    /// When it was last started.
    up_since: Instant,
}

struct House {
    cinema: Cinema,
    store_url: String,
    door: Door,
    nodes: Vec<Node>,
}

/// An address that is free now.
fn free_address() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap()
}

impl House {
    fn new(which: Which, store_url: &str, nodes: usize) -> Self {
        let cinema = Cinema::with(which, "75011", store_url);
        let door = cinema.block_on(Door::open());
        let public = format!("http://{}", door.address);
        cinema.configure(store_url, Some(&public));
        let text = std::fs::read_to_string(cinema.path("passerelle.toml")).unwrap();
        let nodes: Vec<Node> = (0..nodes)
            .map(|at| {
                let (config, address) = (format!("node{at}.toml"), free_address());
                std::fs::write(cinema.path(&config), text.replace("127.0.0.1:0", &address.to_string())).unwrap();
                Node { config, address, child: None, back_at: Instant::now(), up_since: Instant::now() }
            })
            .collect();
        door.set_nodes(nodes.iter().map(|node| node.address).collect());
        let store_url = match store_url.strip_prefix("sqlite:") {
            Some(file) => format!("sqlite:{}", cinema.path(file).display()),
            None => store_url.to_owned(),
        };
        let mut house = Self { cinema, store_url, door, nodes };
        house.start_dead_ones(true);
        let applied = house.cinema.run(&["apply"]);
        assert!(
            applied.iter().any(|line| line["event"] == "message_urls" && line["result"] != "failed"),
            "{applied:?}"
        );
        house.cinema.run(&["sync", CONNECTION]);
        house
    }

    fn start(&self, at: usize) -> Child {
        let node = &self.nodes[at];
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.cinema.path(&format!("{}.log", node.config)))
            .unwrap();
        self.cinema
            .command(&["--config", &node.config, "--log", "info", "serve"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Brings back what is due, or all.
    fn start_dead_ones(&mut self, all: bool) {
        for at in 0..self.nodes.len() {
            let ended = match &mut self.nodes[at].child {
                None => true,
                Some(child) => child.try_wait().unwrap().is_some(),
            };
            if ended && (all || Instant::now() >= self.nodes[at].back_at) {
                self.nodes[at].child = Some(self.start(at));
                self.nodes[at].up_since = Instant::now();
            }
        }
    }

    fn kill(&mut self, at: usize, back_in: Duration) {
        let node = &mut self.nodes[at];
        if let Some(mut child) = node.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        node.back_at = Instant::now() + back_in;
    }

    /// All servers up and answering.
    fn all_up(&mut self) {
        let began = Instant::now();
        loop {
            self.start_dead_ones(true);
            if self.nodes.iter().all(|node| std::net::TcpStream::connect(node.address).is_ok()) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "the servers did not come up: see their logs");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn open_bookings(&self) -> u64 {
        let open = |state: BookingState| {
            matches!(
                state,
                BookingState::Calling | BookingState::Abandoned | BookingState::Unknown | BookingState::Releasing
            )
        };
        self.cinema.block_on(async {
            let store = store::open(&self.store_url).await.unwrap();
            let rows = store.bookings(&BookingFilter::default(), ROWS).await.unwrap();
            rows.iter().filter(|booking| open(booking.row.state) && !booking.row.needs_human).count() as u64
        })
    }
}

impl Drop for House {
    fn drop(&mut self) {
        for at in 0..self.nodes.len() {
            self.kill(at, Duration::ZERO);
        }
    }
}

/// What came back from a task of a beneficiary.
enum Came {
    Booked(Option<u64>),
    Cancelled(u64, bool),
}

/// Runs the storm, then calm, then compares.
pub(crate) fn soak(plan: Plan, which: Which, place: &Place) -> Found {
    let mut house = House::new(which, place.url(), plan.nodes);
    let mut found = Found { who: format!("{which:?}:"), ..Found::default() };
    let mut dice = Dice::new(plan.seed);
    let shows = house.cinema.shows();
    for show in shows {
        house.cinema.vendor.set_places(show, 150);
    }
    house.cinema.run(&["sync", CONNECTION]);
    let stocks: Vec<u64> = shows.iter().take(3).map(|show| house.cinema.stock(*show)).collect();
    let mut held: BTreeMap<u64, bool> = BTreeMap::new();
    storm(&mut house, plan, place, &mut dice, &stocks, &mut held, &mut found);

    // Calm: nothing misbehaves any more, and what is open is settled.
    house.cinema.vendor.faults().clear();
    house.cinema.sandbox.clear_faults();
    house.all_up();
    let began = Instant::now();
    loop {
        house.cinema.run(&["bookings", "settle", "--now"]);
        house.cinema.block_on(house.cinema.sandbox.sweep(0));
        found.open = house.open_bookings();
        if (found.open == 0 && began.elapsed() > Duration::from_secs(4)) || began.elapsed() > Duration::from_secs(60) {
            break;
        }
    }
    found.answered = house.door.answered();
    found.slowest = house.door.slowest();
    books(&house, &held).compare(&mut found);
    if found.silent_lost + found.silent_ghosts + found.doubled + found.open > 0 {
        println!("{which:?}: the gateway's book:");
        for line in house.cinema.bookings() {
            println!("  {line}");
        }
    }
    found
}

fn books(house: &House, held: &BTreeMap<u64, bool>) -> Books {
    let cinema = &house.cinema;
    let live = held.keys().filter_map(|id| cinema.sandbox.booking(*id));
    let live = live.filter(|booking| matches!(booking.status, "CONFIRMED" | "USED"));
    let believed: Vec<(u64, Vec<String>)> = live
        .map(|booking| {
            (u64::from(booking.quantity), booking.tickets.into_iter().map(|ticket| ticket.barcode).collect())
        })
        .collect();
    let on_the_list = cinema.block_on(async {
        let store = store::open(&house.store_url).await.unwrap();
        let rows = store.bookings(&BookingFilter::default(), ROWS).await.unwrap();
        rows.iter().filter(|booking| booking.row.needs_human).map(|booking| u64::from(booking.row.quantity)).sum()
    });
    let sold = u64::from(cinema.vendor.seats_sold());
    let barcodes: Vec<String> = believed.iter().flat_map(|(_, barcodes)| barcodes.clone()).collect();
    cinema.vendor.void_all_but(&barcodes);
    Books { believed, sold, sold_and_believed: u64::from(cinema.vendor.seats_sold()), on_the_list }
}

fn storm(
    house: &mut House,
    plan: Plan,
    place: &Place,
    dice: &mut Dice,
    stocks: &[u64],
    held: &mut BTreeMap<u64, bool>,
    found: &mut Found,
) {
    let ends = Instant::now() + plan.length;
    let (selling, voiding) = house.cinema.vendor.selling();
    let mut next_person = 0;
    // Rounds: inside one, beneficiaries act and at most one server dies; between them the dead come back.
    while Instant::now() < ends {
        house.start_dead_ones(false);
        if let Place::Database(database) = place
            && dice.below(40) == 0
        {
            database.cut();
            found.cuts += 1;
        }
        let acts = 1 + dice.below(AT_ONCE as u64);
        let mut wanted = Vec::new();
        for _ in 0..acts {
            match dice.below(10) {
                0..=5 => {
                    wanted.push((true, next_person, *dice.pick(stocks), 1 + u32::try_from(dice.below(2)).unwrap()));
                    next_person = (next_person + 1) % 60;
                }
                6 | 7 => {
                    let mine: Vec<u64> = held.iter().filter(|(_, live)| **live).map(|(id, _)| *id).collect();
                    if !mine.is_empty() {
                        wanted.push((false, 0, *dice.pick(&mine), 0));
                    }
                }
                8 => {
                    let part = *dice.pick(&[selling, selling, voiding, ""]);
                    house.cinema.vendor.faults().next(part, 1, vendor_fault(dice));
                    found.faults += 1;
                }
                9 if dice.below(2) == 0 => {
                    let part = *dice.pick(&["/public/bookings", "/public/offers", "/public/"]);
                    let _ = house.cinema.sandbox.inject(NorthFault::next(1, part, north_fault(dice)));
                    found.faults += 1;
                }
                _ => {}
            }
        }
        let at = usize::try_from(dice.below(house.nodes.len() as u64)).unwrap();
        let lives = house.nodes[at].child.is_some() && house.nodes[at].up_since.elapsed() >= SHORTEST_LIFE;
        let victim = (lives && dice.below(3) == 0).then(|| (at, dice.millis(900), dice.millis(300)));
        let pid = victim.and_then(|(at, ..)| house.nodes[at].child.as_ref().map(std::process::Child::id));
        let cinema = &house.cinema;
        let came: Vec<Came> = cinema.block_on(async {
            let mut under_way = FuturesUnordered::new();
            for (books, who, what, seats) in wanted {
                under_way.push(async move {
                    if books {
                        let asked = cinema.sandbox.book_and_wait(&person(who), Bookable::Stock(what), seats).await;
                        Came::Booked(asked.ok().map(|booking| booking.id))
                    } else {
                        Came::Cancelled(what, cinema.sandbox.cancel_and_wait(what).await.is_ok())
                    }
                });
            }
            let dies = async {
                match (victim, pid) {
                    (Some((_, after, _)), Some(pid)) => {
                        tokio::time::sleep(after).await;
                        let _ = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
                    }
                    _ => tokio::time::sleep(ROUND).await,
                }
            };
            let act = async {
                let mut came = Vec::new();
                while let Some(one) = under_way.next().await {
                    came.push(one);
                }
                came
            };
            tokio::join!(act, dies).0
        });
        if let Some((at, _, back_in)) = victim {
            house.kill(at, back_in);
            found.kills += 1;
        }
        for one in came {
            match one {
                Came::Booked(id) => {
                    found.asked += 1;
                    if let Some(id) = id {
                        found.booked += 1;
                        held.insert(id, true);
                    }
                }
                Came::Cancelled(id, done) => {
                    found.cancelled += u64::from(done);
                    if done {
                        held.insert(id, false);
                    }
                }
            }
        }
    }
}
