//! Every fault of the simulators, at every call of a booking and of a cancellation, for every box office: an answer leaves in
//! 7.0 s, and none of them is a success that the vendor's books do not have.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use passerelle::booking::{Desk, House};
use passerelle::passculture::Client;
use passerelle::passculture::messages::{BookingAnswer, BookingRequest, CancellationAnswer};
use passerelle::store::{Owner, Store};
use passerelle_billetweb::simulator::BilletwebSimulator;
use passerelle_boost::simulator::BoostSimulator;
use passerelle_cds::simulator::CdsSimulator;
use passerelle_cgr::simulator::CgrSimulator;
use passerelle_contract::{Adapter, BoxFuture, Context, Order};
use passerelle_ems::simulator::EmsSimulator;
use passerelle_pretix::simulator::PretixSimulator;
use passerelle_testkit::conformance::Truth;
use passerelle_testkit::simulator::{Fault, Simulator};
use serde_json::json;
use tokio::time::Instant;

use super::support::on_sqlite;
use super::{STOCK, programme, request};

/// One connection whose vendor is a simulator.
struct Real {
    adapter: Arc<dyn Adapter>,
}

impl House for Real {
    fn adapter<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Arc<dyn Adapter>, String>> {
        Box::pin(async move { Ok(Arc::clone(&self.adapter)) })
    }

    fn passculture(&self, _: &str) -> Result<Client, String> {
        Err("pass Culture is not asked here".into())
    }
}

#[derive(Clone, Copy, Debug)]
enum Which {
    Boost,
    Cds,
    Cgr,
    Ems,
    Billetweb,
    Pretix,
}

struct Vendor {
    simulator: Box<dyn Simulator>,
    truth: Box<dyn Truth>,
    adapter: Arc<dyn Adapter>,
    open: Order,
}

async fn vendor(which: Which, folder: &std::path::Path) -> Vendor {
    let context = Context { allow_private_addresses: true, base_dir: folder.to_owned(), ..Context::default() };
    match which {
        Which::Boost => {
            use passerelle_boost::simulator::{PASSWORD, USERNAME};
            std::fs::write(folder.join("password"), PASSWORD).unwrap();
            let simulator = BoostSimulator::start().await.unwrap();
            let settings = json!({ "base_url": simulator.base_url(), "username": USERNAME,
                "password": { "file": "password" }, "timeout_seconds": 30 });
            let adapter = (passerelle_boost::DESCRIPTOR.connect)(&settings, context).unwrap();
            let (truth, open) = (simulator.truth(), BoostSimulator::orders().open);
            Vendor { simulator: Box::new(simulator), truth, adapter, open }
        }
        Which::Cds => {
            use passerelle_cds::simulator::{ACCOUNT_ID, API_TOKEN, CINEMA_ID};
            std::fs::write(folder.join("token"), API_TOKEN).unwrap();
            let simulator = CdsSimulator::start().await.unwrap();
            let settings = json!({ "base_url": simulator.base_url(), "account_id": ACCOUNT_ID, "cinema_id": CINEMA_ID,
                "api_token": { "file": "token" }, "timeout_seconds": 30 });
            let adapter = (passerelle_cds::DESCRIPTOR.connect)(&settings, context).unwrap();
            let (truth, open) = (simulator.truth(), CdsSimulator::orders().open);
            Vendor { simulator: Box::new(simulator), truth, adapter, open }
        }
        Which::Cgr => {
            use passerelle_cgr::simulator::{CINEMA_ID, PASSWORD, USERNAME};
            std::fs::write(folder.join("cgr-password"), PASSWORD).unwrap();
            let simulator = CgrSimulator::start().await.unwrap();
            let settings = json!({ "base_url": simulator.base_url(), "username": USERNAME, "cinema_id": CINEMA_ID,
                "password": { "file": "cgr-password" }, "timeout_seconds": 30 });
            let adapter = (passerelle_cgr::DESCRIPTOR.connect)(&settings, context).unwrap();
            let (truth, open) = (simulator.truth(), CgrSimulator::orders().open);
            Vendor { simulator: Box::new(simulator), truth, adapter, open }
        }
        Which::Ems => {
            use passerelle_ems::simulator::{PASSWORD, SECRET, SITE_ID, SOURCE, USER};
            std::fs::write(folder.join("ems-password"), PASSWORD).unwrap();
            std::fs::write(folder.join("ems-secret"), SECRET).unwrap();
            let simulator = EmsSimulator::start().await.unwrap();
            let settings = json!({ "schedule_url": simulator.schedule_url(), "booking_url": simulator.booking_url(),
                "user": USER, "password": { "file": "ems-password" }, "source": SOURCE, "site_id": SITE_ID,
                "secret": { "file": "ems-secret" }, "timeout_seconds": 30 });
            let adapter = (passerelle_ems::DESCRIPTOR.connect)(&settings, context).unwrap();
            let (truth, open) = (simulator.truth(), EmsSimulator::orders().open);
            Vendor { simulator: Box::new(simulator), truth, adapter, open }
        }
        Which::Billetweb => {
            use passerelle_billetweb::simulator::{EVENT, KEY, USER};
            std::fs::write(folder.join("billetweb-key"), KEY).unwrap();
            let simulator = BilletwebSimulator::start().await.unwrap();
            let settings = json!({ "base_url": simulator.base_url(), "user": USER, "key": { "file": "billetweb-key" },
                "events": [EVENT], "category": "SPECTACLE_REPRESENTATION", "show_type": "THEATRE-OTHER",
                "booking_contact": "billetterie@theatre.example", "timeout_seconds": 30 });
            let adapter = (passerelle_billetweb::DESCRIPTOR.connect)(&settings, context).unwrap();
            let (truth, open) = (simulator.truth(), BilletwebSimulator::orders().open);
            Vendor { simulator: Box::new(simulator), truth, adapter, open }
        }
        Which::Pretix => {
            use passerelle_pretix::simulator::{ORGANIZER, SERIES, TOKEN};
            std::fs::write(folder.join("pretix-token"), TOKEN).unwrap();
            let simulator = PretixSimulator::start().await.unwrap();
            let settings = json!({ "base_url": simulator.base_url(), "organizer": ORGANIZER,
                "token": { "file": "pretix-token" }, "events": [SERIES], "category": "SPECTACLE_REPRESENTATION",
                "show_type": "THEATRE-OTHER", "booking_contact": "billetterie@theatre.example", "timeout_seconds": 30 });
            let adapter = (passerelle_pretix::DESCRIPTOR.connect)(&settings, context).unwrap();
            let (truth, open) = (simulator.truth(), PretixSimulator::orders().open);
            Vendor { simulator: Box::new(simulator), truth, adapter, open }
        }
    }
}

fn faults() -> Vec<Fault> {
    let plain = [
        Fault::Status(401),
        Fault::Status(404),
        Fault::Status(500),
        Fault::StatusWithRetryAfter(503, 3_600),
        Fault::Hang,
        Fault::CutMidBody,
        Fault::Trickle(Duration::from_millis(200)),
        Fault::Html,
        Fault::Redirect("/round/and/round".into()),
        Fault::EndlessBody,
        Fault::Delay(Duration::from_secs(8)),
    ];
    let after = [Fault::Hang, Fault::Status(500), Fault::CutMidBody, Fault::Delay(Duration::from_secs(8))];
    plain.into_iter().chain(after.map(|fault| Fault::AfterEffect(Box::new(fault)))).collect()
}

/// What a case does.
#[derive(Clone, Debug)]
enum Case {
    /// Books, with a fault at one of its calls.
    Books(Fault, usize),
    /// Books in peace, and cancels with a fault at its first call.
    Cancels(Fault),
}

/// Plays a case; how long its answer took. Each has a store of its own: the simulators give the same barcodes, and a connection
/// never takes one twice.
async fn play(which: Which, vendor: Vendor, case: Case) -> Duration {
    let told = format!("{which:?}, {case:?}");
    let store: Arc<dyn Store> = passerelle::store::open("sqlite::memory:").await.unwrap();
    programme(&store, &[(STOCK, vendor.open.clone())]).await;
    let house = Arc::new(Real { adapter: Arc::clone(&vendor.adapter) });
    let desk = Desk::new(Arc::clone(&store), house, Owner::current("test"), passerelle::clock::now);
    let wish = BookingRequest { price: vendor.open.price, ..request(1, 2) };
    let faults = vendor.simulator.faults();
    let took = match case {
        Case::Books(fault, call) => {
            faults.at_call(call, fault);
            let began = Instant::now();
            let answer = desk.book("default", wish, began).await;
            let took = began.elapsed();
            if matches!(answer, BookingAnswer::Sold { .. }) {
                assert_eq!(vendor.truth.sold(&vendor.open), 2, "{told}: told as sold");
            }
            took
        }
        Case::Cancels(fault) => {
            let BookingAnswer::Sold { tickets, .. } = desk.book("default", wish, Instant::now()).await else {
                panic!("{told}: a healthy vendor did not sell")
            };
            faults.at_call(0, fault);
            let barcodes = tickets.iter().map(|ticket| ticket.barcode.clone()).collect();
            let began = Instant::now();
            let answer = desk.cancel("default", None, barcodes, began).await;
            let took = began.elapsed();
            if matches!(answer, CancellationAnswer::Cancelled { .. }) {
                assert_eq!(vendor.truth.sold(&vendor.open), 0, "{told}: told as void");
            }
            took
        }
    };
    faults.clear();
    took
}

/// Cases played at once.
const AT_ONCE: usize = 50;

#[test]
fn an_answer_leaves_in_seven_seconds_under_every_fault() {
    on_sqlite(async |_| {
        let mut cases = Vec::new();
        // The calls of a first booking: Boost signs in, reads, prepares, confirms; CDS reads what rarely changes, the show, the
        // seats, and sells; CGR reads and sells; EMS sells; Billetweb reads twice, sells, and reads the barcodes;
        // pretix reads the event, the date, the item and its quotas, and sells.
        let calls: [(Which, &[usize]); 6] = [
            (Which::Boost, &[0, 1, 2, 3]),
            (Which::Cds, &[0, 4, 5, 6]),
            (Which::Cgr, &[0, 1]),
            (Which::Ems, &[0]),
            (Which::Billetweb, &[0, 1, 2, 3]),
            (Which::Pretix, &[0, 1, 2, 3, 4]),
        ];
        for (which, calls) in calls {
            for fault in faults() {
                cases.extend(calls.iter().map(|call| (which, Case::Books(fault.clone(), *call))));
                cases.push((which, Case::Cancels(fault)));
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let mut took = Vec::new();
        for some in cases.chunks(AT_ONCE) {
            // Making a client reads the machine's certificates: not while others are timed.
            let mut ready = Vec::new();
            for (which, case) in some {
                ready.push((*which, vendor(*which, folder.path()).await, case.clone()));
            }
            took.extend(join_all(ready.into_iter().map(|(which, vendor, case)| play(which, vendor, case))).await);
        }
        let longest = took.iter().max().unwrap();
        println!("{} cases; the longest answer took {:.2} s", took.len(), longest.as_secs_f64());
        assert!(*longest < Duration::from_millis(7_000), "{longest:?}");
    });
}
