//! A hall whose ticketing lists and sells nothing by interface, with real processes: its imported barcodes are what beneficiaries get.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cinema;

use std::io::Write as _;
use std::process::Stdio;

use cinema::{CONNECTION, Cinema, HMAC_KEY, Server, VENUE, Which};
use passerelle::sandbox::message::signature;
use passerelle_weezevent::simulator::{API_KEY, PASSWORD, USERNAME, WeezeventSimulator};
use serde_json::{Value, json};

/// Date 71 of event 340901, at its two tariffs.
const FULL: &str = "340901-71-501";
const STUDENT: &str = "340901-71-502";

/// The vendor beside the cinema is not used.
struct Hall {
    cinema: Cinema,
    weezevent: WeezeventSimulator,
}

impl Hall {
    fn new() -> Self {
        let cinema = Cinema::new(Which::Cgr);
        let weezevent = cinema.block_on(WeezeventSimulator::start()).unwrap();
        std::fs::write(cinema.path("weezevent-password"), PASSWORD).unwrap();
        std::fs::write(cinema.path("weezevent-key"), API_KEY).unwrap();
        Self { cinema, weezevent }
    }

    fn configure(&self, public_url: Option<&str>, more: &str) {
        self.cinema.configure("sqlite:passerelle.db", public_url);
        let text = std::fs::read_to_string(self.cinema.path("passerelle.toml")).unwrap();
        let (head, _) = text.split_once("[[connection]]").unwrap();
        let text = format!(
            "{head}[[connection]]\nid = \"{CONNECTION}\"\nadapter = \"weezevent\"\nvenue = {VENUE}\nevery = \"1h\"\n\
             [connection.settings]\nbase_url = \"{}\"\nusername = \"{USERNAME}\"\npassword = {{ file = \"weezevent-password\" }}\n\
             api_key = {{ file = \"weezevent-key\" }}\nevents = [340901]\ncategory = \"CONCERT\"\n\
             booking_contact = \"billetterie@halle.example\"\n{more}\n",
            self.weezevent.base_url()
        );
        std::fs::write(self.cinema.path("passerelle.toml"), text).unwrap();
    }

    /// A server whose address pass Culture knows, with the shows on sale.
    fn open(&self) -> Server {
        self.configure(None, "barcode_pool = true");
        let server = Server::start(&self.cinema);
        self.configure(Some(&server.base), "barcode_pool = true");
        let applied = self.cinema.run(&["apply"]);
        let registered = |line: &Value| line["event"] == "message_urls" && line["result"] != "failed";
        assert!(applied.iter().any(registered), "{applied:?}");
        self.sync();
        server
    }

    fn sync(&self) -> Value {
        self.cinema.run(&["sync", CONNECTION]).pop().unwrap()
    }

    fn import(&self, stock: &str, barcodes: &[&str]) -> Value {
        std::fs::write(self.cinema.path("list.txt"), barcodes.join("\n")).unwrap();
        let told = self.cinema.run(&["barcodes", "import", CONNECTION, "list.txt", "--stock", stock]).pop().unwrap();
        self.sync();
        told
    }

    /// Imported, issued, free.
    fn pool(&self, stock: &str) -> [u64; 3] {
        let row = self.cinema.run(&["barcodes", "list", CONNECTION, "--stock", stock]).pop().unwrap();
        ["imported", "issued", "free"].map(|name| row[name].as_u64().unwrap())
    }

    /// Asks to void a barcode, as pass Culture does; status and places left.
    fn cancel(&self, server: &Server, barcodes: &[&str]) -> (u16, Value) {
        let inner = json!({ "barcodes": barcodes }).to_string();
        let request = reqwest::Client::new()
            .post(format!("{}/passculture/cancellation", server.base))
            .header("content-type", "application/json")
            .header("PassCulture-Signature", signature(HMAC_KEY, &inner))
            .body(Value::from(inner).to_string());
        self.cinema.block_on(async {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json().await.unwrap_or_default())
        })
    }

    fn live_barcodes(&self) -> Vec<String> {
        let live = |booking: &Value| {
            let tickets = booking["tickets"].as_array().unwrap();
            let barcodes = booking["barcodes"].as_array().unwrap();
            let live: Vec<String> = barcodes
                .iter()
                .zip(tickets)
                .filter(|(_, state)| **state == "live")
                .map(|(barcode, _)| barcode.as_str().unwrap().to_owned())
                .collect();
            live
        };
        let mut all: Vec<String> = self.cinema.bookings().iter().flat_map(live).collect();
        all.sort();
        all
    }
}

fn codes(booked: &passerelle::sandbox::BookingTruth) -> Vec<&str> {
    booked.tickets.iter().map(|ticket| ticket.barcode.as_str()).collect()
}

#[test]
fn imported_barcodes_are_the_places_and_the_tickets() {
    let hall = Hall::new();
    let server = hall.open();
    let stock = hall.cinema.stock_of(FULL);
    assert_eq!(hall.cinema.places(stock), Some(0), "nothing was imported");
    assert_eq!(hall.import(FULL, &["W-1", "W-2", "W-3"])["imported"], 3);
    hall.import(STUDENT, &["W-9"]);
    assert_eq!((hall.cinema.places(stock), hall.cinema.places(hall.cinema.stock_of(STUDENT))), (Some(3), Some(1)));

    let first = hall.cinema.book(0, stock, 2).unwrap();
    assert_eq!((codes(&first), hall.cinema.places(stock)), (vec!["W-1", "W-2"], Some(1)));
    assert!(hall.cinema.book(1, stock, 2).is_err(), "one is left");
    let second = hall.cinema.book(1, stock, 1).unwrap();
    assert_eq!((codes(&second), hall.cinema.places(stock)), (vec!["W-3"], Some(0)));
    assert!(hall.cinema.book(2, stock, 1).is_err(), "sold out");
    assert_eq!(hall.pool(FULL), [3, 3, 0]);
    assert_eq!(hall.sync()["requests"].as_u64(), Some(0), "the listing knows of nothing, and nothing is sent");

    // What comes back is given out again, and repeating the cancellation is nobody else's.
    hall.cinema.block_on(hall.cinema.sandbox.cancel_and_wait(second.id)).unwrap();
    assert_eq!((hall.cinema.places(stock), hall.pool(FULL)), (Some(1), [3, 2, 1]));
    let third = hall.cinema.book(2, stock, 1).unwrap();
    assert_eq!(codes(&third), ["W-3"]);
    for _ in 0..2 {
        assert_eq!(hall.cancel(&server, &["W-3"]), (200, json!({ "remainingQuantity": 0 })));
    }
    assert_eq!(hall.live_barcodes(), ["W-1", "W-2", "W-3"]);
    // Once pass Culture's listing shows the former booking cancelled, the barcode is its present holder's alone.
    hall.cinema.run(&["bookings", "settle", "--now"]);
    assert_eq!(hall.live_barcodes(), ["W-1", "W-2", "W-3"]);
    hall.cinema.block_on(hall.cinema.sandbox.cancel_and_wait(third.id)).unwrap();
    assert_eq!((hall.live_barcodes(), hall.cinema.places(stock)), (vec!["W-1".to_owned(), "W-2".to_owned()], Some(1)));
    // Fresh ones first.
    hall.import(FULL, &["W-4"]);
    assert_eq!(hall.cinema.places(stock), Some(2));
    let pair = hall.cinema.book(3, stock, 2).unwrap();
    assert_eq!(codes(&pair), ["W-4", "W-3"]);
    assert_eq!(hall.cinema.seats_believed(), 4);
}

#[test]
fn lists_are_imported_from_files_and_from_stdin_and_odd_rows_are_named() {
    let hall = Hall::new();
    let _server = hall.open();
    let listed = hall.cinema.run(&["barcodes", "list", CONNECTION]);
    assert!(
        listed.iter().any(|row| row["stock"] == FULL && row["show"].as_str().unwrap().contains("Nuits")),
        "{listed:?}"
    );
    let table = format!("code_barre;stock\nA;{FULL}\n;{FULL}\nB;{STUDENT}\nA;{STUDENT}\nC;\n");
    std::fs::write(hall.cinema.path("table.csv"), table).unwrap();
    let (code, told, _) = hall.cinema.ran(&["barcodes", "import", CONNECTION, "table.csv"]);
    let refused: Vec<(u64, &str)> = told
        .iter()
        .filter(|line| line["event"] == "barcode_refused")
        .map(|line| (line["line"].as_u64().unwrap(), line["code"].as_str().unwrap()))
        .collect();
    assert_eq!(code, 1);
    assert_eq!(refused, [(3, "empty"), (6, "no_stock"), (5, "already_imported")]);
    assert_eq!(told.last().unwrap()["imported"], 2);
    assert_eq!((hall.pool(FULL), hall.pool(STUDENT)), ([1, 0, 1], [1, 0, 1]));

    let mut child = hall
        .cinema
        .command(&["barcodes", "import", CONNECTION, "-", "--stock", FULL])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let many: String = (0..2_500).map(|number| format!("N{number}\n")).collect();
    stdin.write_all(many.as_bytes()).unwrap();
    drop(stdin);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!(hall.pool(FULL), [2_501, 0, 2_501]);

    let withdrawn = hall.cinema.run(&["barcodes", "withdraw", CONNECTION, "--stock", FULL]).pop().unwrap();
    assert_eq!((withdrawn["withdrawn"].as_u64(), hall.pool(FULL)), (Some(2_501), [0, 0, 0]));
    for wrong in [vec!["barcodes", "import", CONNECTION, "table.csv.missing"], vec!["barcodes", "list", "nobody"]] {
        assert!(hall.cinema.ran(&wrong).0 > 1, "{wrong:?}");
    }
    let (code, _, told) = hall.cinema.ran(&["barcodes", "import", CONNECTION, "passerelle.toml"]);
    assert!(code == 64 && told.contains("--stock"), "{code} {told}");
    // Without a pool there is nothing to import into.
    hall.configure(None, "quantity = 20");
    let (code, _, told) = hall.cinema.ran(&["barcodes", "import", CONNECTION, "table.csv"]);
    assert!(code == 64 && told.contains("barcode_pool"), "{code} {told}");
    hall.configure(None, "quantity = 20\nbarcode_pool = true");
    assert_eq!(hall.cinema.ran(&["sync", CONNECTION]).0, 78);
}

#[test]
fn a_listing_that_gets_barcodes_gets_offers_of_its_own() {
    let hall = Hall::new();
    hall.configure(None, "quantity = 20");
    hall.sync();
    let before = hall.cinema.sandbox.offers();
    assert!(
        before
            .iter()
            .flat_map(|offer| &offer.dates)
            .all(|date| date.remaining == Some(10) || date.remaining == Some(20))
    );
    let _server = hall.open();
    let after = hall.cinema.sandbox.offers();
    let old = |id: u64| before.iter().any(|offer| offer.offer_id == id);
    assert!(after.iter().filter(|offer| old(offer.offer_id)).all(|offer| offer.dates.is_empty()), "{after:#?}");
    let new: Vec<_> = after.iter().filter(|offer| !old(offer.offer_id)).collect();
    assert_eq!((new.len(), new[0].dates.len()), (1, 3));
    hall.import(FULL, &["W-1"]);
    let stock = hall.cinema.stock_of(FULL);
    assert_eq!(codes(&hall.cinema.book(0, stock, 1).unwrap()), ["W-1"]);
}
