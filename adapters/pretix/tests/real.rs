//! The same adapter against a real pretix, started by `tests/real/pretix`.
//!
//! It needs python3 with venv, and pip with an index. Where pretix cannot be installed the test says so and passes, unless
//! `PASSERELLE_REQUIRE_PRETIX=1` forbids that. The first run on a machine takes about three minutes, later ones a quarter of one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stderr, reason = "a run without the real server must be seen")]

#[path = "real/proxy.rs"]
mod proxy;
#[path = "real/server.rs"]
mod server;

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use passerelle_contract::{
    Adapter, AdapterError, BookOutcome, BoxFuture, BoxOffice, CancelOutcome, Cents, Completeness, Deadline,
    FindOutcome, Journal, Look, Order, Places, Pull, Quantity, Reference, Refusal, Row, Ticket,
};
use server::{EVENT, SINGLE, Server};

/// What the journal was given.
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

/// The real server with one adapter in front of it.
struct Stage {
    server: Server,
    adapter: std::sync::Arc<dyn Adapter>,
}

impl Stage {
    fn office(&self) -> &dyn BoxOffice {
        self.adapter.box_office().unwrap()
    }

    fn order(&self, date: &str, quantity: u32, reference: &str) -> Order {
        let show = format!("{EVENT}/{}", self.server.date(date));
        let places = format!("{show}/{}/-", self.server.number("seat"));
        Order {
            reference: Reference(reference.to_owned()),
            film_key: EVENT.to_owned(),
            show_key: show,
            places_key: places.clone(),
            tariff_key: places,
            title: "L'Hirondelle des quais".to_owned(),
            starts_at: std::time::SystemTime::now() + Duration::from_secs(30 * 86_400),
            quantity,
            price: Cents(1_200),
            holder: None,
        }
    }

    async fn book(&self, order: &Order) -> BookOutcome {
        book(self.adapter.as_ref(), order).await.0
    }

    async fn sold(&self, order: &Order) -> Vec<Ticket> {
        match self.book(order).await {
            BookOutcome::Booked(sale) => sale.tickets,
            other => panic!("{other:?}"),
        }
    }

    async fn cancel(&self, tickets: &[Ticket]) -> Vec<CancelOutcome> {
        self.office().cancel(tickets, soon()).await
    }

    async fn left(&self, order: &Order) -> Quantity {
        self.office().remaining(order, soon()).await.unwrap()
    }
}

async fn book(adapter: &dyn Adapter, order: &Order) -> (BookOutcome, Vec<String>) {
    let journal = Pages::default();
    let outcome = adapter.box_office().unwrap().book(order, &journal, soon()).await;
    (outcome, journal.0.into_inner().unwrap())
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(8))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_adapter_works_with_the_real_pretix() {
    let Some(server) = Server::start().await else {
        eprintln!("NOT TESTED against the real pretix: it cannot be installed on this machine");
        return;
    };
    let adapter = server.adapter(&server.base_url);
    let stage = Stage { server, adapter };
    health(&stage).await;
    programme(&stage).await;
    one_and_two(&stage).await;
    refusals(&stage).await;
    one_of_two(&stage).await;
    scanned(&stage).await;
    lost(&stage).await;
    switched_off(&stage).await;
    crowd(&stage).await;
}

async fn health(stage: &Stage) {
    for probe in stage.adapter.probes() {
        let evidence = (probe.ask)().await.unwrap();
        assert_eq!(evidence.concern, None, "{}", evidence.saw);
    }
}

async fn programme(stage: &Stage) {
    let mut pass = stage.adapter.screenings().unwrap().pull(Pull::default());
    let page = pass.next().await.unwrap().unwrap();
    assert_eq!(page.end.as_ref().map(|end| (end.completeness, end.warnings.len())), Some((Completeness::Snapshot, 0)));
    let good = page.rows.into_iter().map(|row| match row {
        Row::Good(screening) => screening,
        Row::Poison(error) => panic!("{error}"),
    });
    let good: Vec<_> = good.collect();
    let of = |date: &str| -> Vec<Places> {
        let key = format!("{EVENT}/{}", stage.server.date(date));
        let one = good.iter().find(|one| one.showtime.key == key);
        one.unwrap_or_else(|| panic!("{key} is not stated")).showtime.places.clone()
    };
    let told = |places: &[Places]| -> Vec<(String, u32, Quantity)> {
        places.iter().map(|one| (one.tariff.label.clone(), one.tariff.price.0, one.remaining)).collect()
    };
    let row = |label: &str, cents, left| (label.to_owned(), cents, left);
    let five = Quantity::Exactly(5);
    assert_eq!(
        told(&of("five")),
        [
            row("Tarif pass Culture", 1_200, five),
            // The smaller of its two quotas.
            row("Place par zone – Parterre", 2_500, Quantity::Exactly(2)),
            row("Place par zone – Balcon", 2_000, five),
        ]
    );
    assert_eq!(of("dearer")[0].tariff.price, Cents(1_450));
    assert_eq!(of("unlimited")[0].remaining, Quantity::Unlimited);
    assert!(of("off").iter().chain(&of("none")).all(|places| places.remaining == Quantity::Exactly(0)));
    let single = good.iter().find(|one| one.film.key == SINGLE).unwrap();
    assert_eq!((single.film.title.as_str(), single.showtime.key.as_str()), ("The Brass Band", "fanfare/-"));
    assert_eq!(single.showtime.places[0].tariff.label, "Standing");
}

async fn one_and_two(stage: &Stage) {
    let open = stage.order("open", 2, "AAAAAAAAAAAAAAAA");
    let BookOutcome::Booked(sale) = stage.book(&open).await else { panic!("no sale") };
    assert_eq!(sale.remaining, Quantity::Exactly(58));
    assert_eq!(stage.left(&open).await, Quantity::Exactly(58));
    let secrets: HashSet<&str> = sale.tickets.iter().map(|ticket| ticket.barcode.as_str()).collect();
    assert!(secrets.len() == 2 && secrets.iter().all(|secret| secret.len() == 32), "{secrets:?}");
    let kind = format!("{}/{}/{}", open.show_key, stage.server.number("kinds"), stage.server.number("back"));
    let balcony = Order { places_key: kind, price: Cents(2_000), ..stage.order("open", 1, "BBBBBBBBBBBBBBBB") };
    let single = format!("{SINGLE}/-/{}/-", stage.server.number("stand"));
    let single = Order { places_key: single, price: Cents(1_500), ..stage.order("open", 1, "CCCCCCCCCCCCCCCC") };
    assert_eq!((stage.sold(&balcony).await.len(), stage.sold(&single).await.len()), (1, 1));
    // The same order once more, as if somebody repeated it: with our key pretix repeats its answer, and to somebody whose key
    // is another it says that the code is in use.
    assert_eq!(stage.sold(&open).await, sale.tickets);
    let house = stage.server.adapter_as("house", &stage.server.base_url);
    let BookOutcome::Booked(again) = book(house.as_ref(), &open).await.0 else { panic!("not found by its code") };
    assert_eq!(again.tickets, sale.tickets);
    assert_eq!(stage.left(&open).await, Quantity::Exactly(57));
}

async fn refusals(stage: &Stage) {
    let none = stage.book(&stage.order("none", 1, "DDDDDDDDDDDDDDDD")).await;
    assert!(matches!(none, BookOutcome::Refused(Refusal::SoldOut)), "{none:?}");
    let dearer = stage.book(&stage.order("dearer", 1, "EEEEEEEEEEEEEEEE")).await;
    assert!(matches!(dearer, BookOutcome::NotAttempted(error) if error.code == "PriceChanged"));
    let off = stage.book(&stage.order("off", 1, "FFFFFFFFFFFFFFFF")).await;
    assert!(matches!(off, BookOutcome::Refused(Refusal::SalesClosed)), "{off:?}");
    let places_key = format!("{EVENT}/999999/{}/-", stage.server.number("seat"));
    let gone = stage.book(&Order { places_key, ..stage.order("open", 1, "GGGGGGGGGGGGGGGG") }).await;
    assert!(matches!(gone, BookOutcome::Refused(Refusal::ShowGone)), "{gone:?}");
    // One is left of five, and two are wanted.
    let five = stage.order("five", 2, "HHHHHHHHHHHHHHHH");
    let first = stage.sold(&five).await;
    let second = stage.sold(&stage.order("five", 2, "JJJJJJJJJJJJJJJJ")).await;
    let third = stage.book(&stage.order("five", 2, "KKKKKKKKKKKKKKKK")).await;
    assert!(matches!(third, BookOutcome::Refused(Refusal::NotEnough { remaining: 1 })), "{third:?}");
    assert_eq!(stage.left(&five).await, Quantity::Exactly(1));
    assert!(all_are(&stage.cancel(&[first, second].concat()).await, "Cancelled"));
    assert_eq!(stage.left(&five).await, Quantity::Exactly(5));
}

fn all_are(outcomes: &[CancelOutcome], what: &str) -> bool {
    outcomes.iter().all(|outcome| format!("{outcome:?}").starts_with(what))
}

async fn one_of_two(stage: &Stage) {
    let order = stage.order("five", 2, "LLLLLLLLLLLLLLLL");
    let tickets = stage.sold(&order).await;
    let [first, second] = tickets.as_slice() else { panic!("{tickets:?}") };
    for (ticket, said, left) in [
        (first, "Cancelled", 4),
        (first, "AlreadyCancelled", 4),
        (second, "Cancelled", 5),
        (second, "AlreadyCancelled", 5),
        (first, "AlreadyCancelled", 5),
    ] {
        let outcome = stage.cancel(std::slice::from_ref(ticket)).await;
        assert!(all_are(&outcome, said), "{outcome:?} is not {said}");
        assert_eq!(stage.left(&order).await, Quantity::Exactly(left));
    }
    // Both at once, by two callers that do not know of each other: one of them finds itself with the last ticket.
    let tickets = stage.sold(&stage.order("five", 2, "MMMMMMMMMMMMMMMM")).await;
    join_all(tickets.iter().map(|ticket| stage.cancel(std::slice::from_ref(ticket)))).await;
    let after = stage.cancel(&tickets).await;
    assert!(
        after.iter().all(|one| matches!(one, CancelOutcome::Cancelled | CancelOutcome::AlreadyCancelled)),
        "{after:?}"
    );
    assert_eq!(stage.left(&order).await, Quantity::Exactly(5));
}

async fn scanned(stage: &Stage) {
    let order = stage.order("five", 2, "NNNNNNNNNNNNNNNN");
    let tickets = stage.sold(&order).await;
    stage.server.scan(&tickets[0].barcode).await;
    let outcomes = stage.cancel(&tickets).await;
    assert!(matches!(outcomes.as_slice(), [CancelOutcome::Refused(_), CancelOutcome::Cancelled]), "{outcomes:?}");
    let outcomes = stage.cancel(&tickets).await;
    assert!(
        matches!(outcomes.as_slice(), [CancelOutcome::Refused(_), CancelOutcome::AlreadyCancelled]),
        "{outcomes:?}"
    );
    assert_eq!(stage.left(&order).await, Quantity::Exactly(4));
}

async fn lost(stage: &Stage) {
    let proxy = proxy::Proxy::start(stage.server.address()).await;
    let adapter = stage.server.adapter(&proxy.base_url());
    let order = stage.order("open", 2, "PPPPPPPPPPPPPPPP");
    let before = stage.left(&order).await;
    proxy.lose_answers(true);
    let (outcome, written) = book(adapter.as_ref(), &order).await;
    assert!(matches!(outcome, BookOutcome::Unknown(_)), "{outcome:?}");
    let found = stage.office().find(&order, &written[0], Look::Early, soon()).await;
    let FindOutcome::Sold(tickets) = found else { panic!("{found:?}") };
    assert_eq!((tickets.len(), stage.left(&order).await), (2, less(before, 2)));
    // The answer to its cancellation is lost too: the order tells that it is done.
    let outcomes = adapter.box_office().unwrap().cancel(&tickets, soon()).await;
    assert!(all_are(&outcomes, "Cancelled"), "{outcomes:?}");
    assert!(all_are(&stage.cancel(&tickets).await, "AlreadyCancelled"));
    assert_eq!(stage.left(&order).await, before);
    let found = stage.office().find(&order, &written[0], Look::Last, soon()).await;
    assert!(matches!(found, FindOutcome::NotSold), "{found:?}");
    let never = stage.order("open", 2, "QQQQQQQQQQQQQQQQ");
    assert!(matches!(stage.office().find(&never, "{}", Look::Early, soon()).await, FindOutcome::Unclear(_)));
    assert!(matches!(stage.office().find(&never, "{}", Look::Last, soon()).await, FindOutcome::NotSold));
}

fn less(quantity: Quantity, fewer: u32) -> Quantity {
    Quantity::of(quantity.number().map(|number| number - fewer))
}

/// pretix itself would sell this.
async fn switched_off(stage: &Stage) {
    let order = stage.order("ten", 1, "RRRRRRRRRRRRRRRR");
    stage
        .server
        .patch(&format!("subevents/{}/", stage.server.date("ten")), &serde_json::json!({ "active": false }))
        .await;
    let outcome = stage.book(&order).await;
    assert!(matches!(outcome, BookOutcome::Refused(Refusal::SalesClosed)), "{outcome:?}");
    stage
        .server
        .patch(&format!("subevents/{}/", stage.server.date("ten")), &serde_json::json!({ "active": true }))
        .await;
}

/// Thirty-two for ten seats. Its data base locks itself out under such a load, which makes a free fault: what is unknown then
/// must be found out, and nothing may be sold twice.
async fn crowd(stage: &Stage) {
    let orders: Vec<Order> = (0..32).map(|at| stage.order("ten", 1, &format!("CRWD{}SSSSSSSSSS", pair(at)))).collect();
    let outcomes = join_all(orders.iter().map(|order| book(stage.adapter.as_ref(), order))).await;
    let mut barcodes = HashSet::new();
    let (mut refused, mut nothing, mut unknown) = (0, 0, 0);
    for (order, (outcome, written)) in orders.iter().zip(outcomes) {
        match outcome {
            BookOutcome::Booked(sale) => {
                assert!(sale.tickets.iter().all(|ticket| barcodes.insert(ticket.barcode.clone())));
            }
            BookOutcome::Refused(Refusal::SoldOut) => refused += 1,
            BookOutcome::NotAttempted(error) => {
                nothing += 1;
                let found = stage.office().find(order, "{}", Look::Last, soon()).await;
                assert!(matches!(found, FindOutcome::NotSold), "{error}, and {found:?}");
            }
            BookOutcome::Unknown(suspicion) => {
                unknown += 1;
                match stage.office().find(order, &written[0], Look::Last, soon()).await {
                    FindOutcome::Sold(tickets) => {
                        assert!(tickets.iter().all(|ticket| barcodes.insert(ticket.barcode.clone())));
                    }
                    FindOutcome::NotSold => {}
                    other => panic!("{}: {other:?}", suspicion.error),
                }
            }
            other @ BookOutcome::Refused(_) => panic!("{other:?}"),
        }
    }
    eprintln!("crowd: {} sold, {refused} sold out, {nothing} not attempted, {unknown} unknown", barcodes.len());
    assert!(barcodes.len() <= 10, "oversold");
    let left = stage.left(&orders[0]).await;
    assert_eq!(left, Quantity::Exactly(10 - u32::try_from(barcodes.len()).unwrap()));
}

fn pair(number: u8) -> String {
    [b'A' + number / 8, b'A' + number % 8].map(char::from).iter().collect()
}
