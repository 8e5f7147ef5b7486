//! A cinema, or a theatre, for whole-gateway tests: a folder, a sandbox pass Culture, a vendor's simulator, and the real binary.
#![allow(dead_code, unreachable_pub)]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use passerelle::sandbox::{Bookable, BookingRefused, BookingTruth, Sandbox, Seed, Settings};
use passerelle_billetweb::simulator::BilletwebSimulator;
use passerelle_boost::simulator::BoostSimulator;
use passerelle_cds::simulator::CdsSimulator;
use passerelle_cgr::simulator::CgrSimulator;
use passerelle_ems::simulator::EmsSimulator;
use passerelle_pretix::simulator::PretixSimulator;
use passerelle_testkit::simulator::{Faults, Log, Simulator};
use serde_json::{Value, json};

pub const VENUE: i64 = 535;
pub const OTHER_VENUE: i64 = 536;
pub const CONNECTION: &str = "cinema";
pub const API_KEY: &str = "canary-api-key-5511";
pub const HMAC_KEY: &str = "canary-hmac-key-7733";
/// Who books, whatever the address. None of it may be seen again.
pub const FIRST_NAME: &str = "Zebulonne";
pub const LAST_NAME: &str = "Quichenotte";
pub const PHONE: &str = "+33199007711";
/// Beneficiaries `personne0@…`, `personne1@…`, each with enough credit.
const PEOPLE: usize = 60;

/// Which box office.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Boost,
    Cds,
    Cgr,
    Ems,
    Billetweb,
    Pretix,
}

pub const ALL: [Which; 6] = [Which::Boost, Which::Cds, Which::Cgr, Which::Ems, Which::Billetweb, Which::Pretix];

impl Which {
    /// The adapter's id.
    pub const fn adapter(self) -> &'static str {
        match self {
            Self::Boost => "boost",
            Self::Cds => "cds",
            Self::Cgr => "cgr",
            Self::Ems => "ems",
            Self::Billetweb => "billetweb",
            Self::Pretix => "pretix",
        }
    }

    /// Does the vendor say how many places are left?
    pub const fn counts(self) -> bool {
        !matches!(self, Self::Ems)
    }

    /// Can the vendor be asked what became of a sale?
    pub const fn finds(self) -> bool {
        matches!(self, Self::Ems | Self::Billetweb | Self::Pretix)
    }

    /// Has every ticket a seat of its own?
    pub const fn numbers_seats(self) -> bool {
        !matches!(self, Self::Billetweb | Self::Pretix)
    }

    /// The adapter's key of the places of a show, by the show's number.
    fn places_key(self, show: i64) -> String {
        match self {
            Self::Boost | Self::Cds | Self::Cgr | Self::Ems => show.to_string(),
            Self::Billetweb => format!("{}-{show}-55501", passerelle_billetweb::simulator::EVENT),
            Self::Pretix => {
                let (event, item) = (passerelle_pretix::simulator::SERIES, passerelle_pretix::simulator::ITEM);
                format!("{event}/{show}/{item}/-")
            }
        }
    }
}

/// A vendor on loopback.
pub enum Vendor {
    Boost(BoostSimulator),
    Cds(CdsSimulator),
    Cgr(CgrSimulator),
    Ems(EmsSimulator),
    Billetweb(BilletwebSimulator),
    Pretix(PretixSimulator),
}

impl Vendor {
    fn simulator(&self) -> &dyn Simulator {
        match self {
            Self::Boost(one) => one,
            Self::Cds(one) => one,
            Self::Cgr(one) => one,
            Self::Ems(one) => one,
            Self::Billetweb(one) => one,
            Self::Pretix(one) => one,
        }
    }

    pub fn faults(&self) -> &Faults {
        self.simulator().faults()
    }

    pub fn log(&self) -> &Log {
        self.simulator().log()
    }

    pub fn seats_sold(&self) -> u32 {
        match self {
            Self::Boost(one) => one.seats_sold(),
            Self::Cds(one) => one.seats_sold(),
            Self::Cgr(one) => one.seats_sold(),
            Self::Ems(one) => one.seats_sold(),
            Self::Billetweb(one) => one.seats_sold(),
            Self::Pretix(one) => one.seats_sold(),
        }
    }

    /// The call that sells, and the one that voids, by a part of their paths.
    pub const fn selling(&self) -> (&'static str, &'static str) {
        match self {
            Self::Boost(_) => ("sale/complete", "sale/orderCancel"),
            Self::Cds(_) => ("transaction/create", "transaction/cancel"),
            Self::Cgr(_) => ("#ReservationPassCulture", "#AnnulationPassCulture"),
            Self::Ems(_) => ("VENTE", "ANNULATION"),
            Self::Billetweb(_) => ("add_order", "delete_order"),
            Self::Pretix(_) => ("/orders/", "mark_canceled"),
        }
    }

    /// The first call of a booking, by a part of its path.
    pub const fn first(&self) -> &'static str {
        match self {
            Self::Boost(_) | Self::Cds(_) => "show",
            Self::Cgr(_) => "#GetSeancesPassCulture",
            // Nothing is read before it sells.
            Self::Ems(_) => "VENTE",
            Self::Billetweb(_) => "/dates",
            Self::Pretix(_) => "/events/",
        }
    }

    /// Requests before the one that sells, with that path, in one booking.
    pub const fn before_selling(&self) -> usize {
        match self {
            // Preparing goes to the same address.
            Self::Boost(_) => 1,
            Self::Cds(_) | Self::Cgr(_) | Self::Ems(_) | Self::Billetweb(_) | Self::Pretix(_) => 0,
        }
    }

    /// Places of a show that beneficiaries can still buy.
    pub fn set_places(&self, id: i64, places: u32) {
        match self {
            Self::Boost(one) => {
                let mut show = one.show(id).unwrap();
                show.seats = places;
                one.put_show(show);
            }
            Self::Cds(one) => {
                let mut show = one.show(id).unwrap();
                show.internet = places;
                one.put_show(show);
            }
            Self::Cgr(one) => {
                let mut show = one.show(id).unwrap();
                show.seats = places;
                one.put_show(show);
            }
            Self::Ems(one) => {
                let mut show = one.show(id).unwrap();
                show.seats = places;
                one.put_show(show);
            }
            Self::Billetweb(one) => {
                let mut show = one.show(id).unwrap();
                // A quota of zero is none at all there: what is not to be sold is taken off sale.
                show.disabled = places == 0;
                show.seats = Some(places.max(1));
                one.put_show(show);
            }
            Self::Pretix(one) => {
                let mut show = one.show(id).unwrap();
                show.seats = Some(places);
                one.put_show(show);
            }
        }
    }

    /// Takes a show out of the programme.
    pub fn remove_show(&self, id: i64) {
        match self {
            Self::Boost(one) => one.remove_show(id),
            Self::Cds(one) => one.remove_show(id),
            Self::Cgr(one) => one.remove_show(id),
            Self::Ems(one) => one.remove_show(id),
            Self::Billetweb(one) => one.remove_show(id),
            Self::Pretix(one) => one.remove_show(id),
        }
    }

    /// What a person does at the till: voids every sale but those with these barcodes.
    pub fn void_all_but(&self, barcodes: &[String]) {
        match self {
            Self::Boost(one) => one.void_all_but(barcodes),
            Self::Cds(one) => one.void_all_but(barcodes),
            Self::Cgr(one) => one.void_all_but(barcodes),
            Self::Ems(one) => one.void_all_but(barcodes),
            Self::Billetweb(one) => one.void_all_but(barcodes),
            Self::Pretix(one) => one.void_all_but(barcodes),
        }
    }

    /// Its secret, and the settings that work with it.
    fn settings(&self) -> (&'static str, String) {
        match self {
            Self::Boost(one) => (
                passerelle_boost::simulator::PASSWORD,
                format!(
                    "base_url = \"{}\"\nusername = \"{}\"\npassword = {{ file = \"secret\" }}\n",
                    one.base_url(),
                    passerelle_boost::simulator::USERNAME
                ),
            ),
            Self::Cds(one) => (
                passerelle_cds::simulator::API_TOKEN,
                format!(
                    "base_url = \"{}\"\naccount_id = \"{}\"\ncinema_id = \"{}\"\napi_token = {{ file = \"secret\" }}\n",
                    one.base_url(),
                    passerelle_cds::simulator::ACCOUNT_ID,
                    passerelle_cds::simulator::CINEMA_ID
                ),
            ),
            Self::Cgr(one) => {
                use passerelle_cgr::simulator::{CINEMA_ID, PASSWORD, USERNAME};
                let base = one.base_url();
                (
                    PASSWORD,
                    format!(
                        "base_url = \"{base}\"\nusername = \"{USERNAME}\"\npassword = {{ file = \"secret\" }}\ncinema_id = \"{CINEMA_ID}\"\n"
                    ),
                )
            }
            Self::Ems(one) => {
                use passerelle_ems::simulator::{SECRET, SITE_ID};
                (SECRET, format!("{}site_id = \"{SITE_ID}\"\n", ems_account(one)))
            }
            Self::Billetweb(one) => {
                use passerelle_billetweb::simulator::{EVENT, KEY, SINGLE_EVENT, USER};
                let base = one.base_url();
                (
                    KEY,
                    format!(
                        "base_url = \"{base}\"\nuser = \"{USER}\"\nkey = {{ file = \"secret\" }}\nevents = [\"{EVENT}\", \"{SINGLE_EVENT}\"]\n{THEATRE}"
                    ),
                )
            }
            Self::Pretix(one) => {
                use passerelle_pretix::simulator::{ORGANIZER, SERIES, SINGLE, TOKEN};
                let base = one.base_url();
                (
                    TOKEN,
                    format!(
                        "base_url = \"{base}\"\norganizer = \"{ORGANIZER}\"\ntoken = {{ file = \"secret\" }}\nevents = [\"{SERIES}\", \"{SINGLE}\"]\n{THEATRE}"
                    ),
                )
            }
        }
    }
}

/// What a theatre tells of all its events.
const THEATRE: &str = "category = \"SPECTACLE_REPRESENTATION\"\nbooking_contact = \"billetterie@theatre.example\"\n";

/// Everything around one cinema.
pub struct Cinema {
    pub folder: tempfile::TempDir,
    pub sandbox: Sandbox,
    pub vendor: Vendor,
    pub which: Which,
    /// More connections, as they stand in passerelle.toml.
    pub more: std::sync::Mutex<String>,
    runtime: tokio::runtime::Runtime,
}

impl Cinema {
    pub fn new(which: Which) -> Self {
        Self::with(which, "75011", "sqlite:passerelle.db")
    }

    /// With other SIRETs of its two venues.
    pub fn with_sirets(which: Which, sirets: [&str; 2]) -> Self {
        Self::set(which, "75011", "sqlite:passerelle.db", sirets)
    }

    pub fn with(which: Which, postal_code: &str, store_url: &str) -> Self {
        Self::set(which, postal_code, store_url, ["85331845900049", "85331845900056"])
    }

    fn set(which: Which, postal_code: &str, store_url: &str, sirets: [&str; 2]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let people: Vec<Value> = (0..PEOPLE).map(|n| json!({ "email": person(n), "credit_cents": 30_000 })).collect();
        let seed = json!({
            "accounts": [{ "name": "default", "api_key": API_KEY, "hmac_key": HMAC_KEY }],
            "venues": [
                { "id": VENUE, "siret": sirets[0], "name": "Cinéma du Port", "postal_code": postal_code },
                { "id": OTHER_VENUE, "siret": sirets[1], "name": "Cinéma du Parc", "postal_code": "97400" },
            ],
            "beneficiaries": people,
        });
        let seed = Seed::from_json(&seed.to_string()).unwrap();
        let settings = Settings { sweep_after_seconds: 3_600, ..Settings::default() };
        let sandbox = runtime.block_on(Sandbox::start_with(([127, 0, 0, 1], 0).into(), seed, settings)).unwrap();
        let vendor = runtime.block_on(async {
            match which {
                Which::Boost => Vendor::Boost(BoostSimulator::start().await.unwrap()),
                Which::Cds => Vendor::Cds(CdsSimulator::start().await.unwrap()),
                Which::Cgr => Vendor::Cgr(CgrSimulator::start().await.unwrap()),
                Which::Ems => Vendor::Ems(EmsSimulator::start().await.unwrap()),
                Which::Billetweb => Vendor::Billetweb(BilletwebSimulator::start().await.unwrap()),
                Which::Pretix => Vendor::Pretix(PretixSimulator::start().await.unwrap()),
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let cinema = Self { folder, sandbox, vendor, which, more: std::sync::Mutex::default(), runtime };
        cinema.configure(store_url, None);
        cinema
    }

    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes passerelle.toml and the secrets.
    pub fn configure(&self, store_url: &str, public_url: Option<&str>) {
        let (secret, settings) = self.vendor.settings();
        std::fs::write(self.path("secret"), secret).unwrap();
        std::fs::write(self.path("second-secret"), passerelle_ems::simulator::PASSWORD).unwrap();
        let adapter = self.which.adapter();
        let public = public_url.map(|url| format!("public_url = \"{url}\"\n")).unwrap_or_default();
        let text = format!(
            "[store]\nurl = \"{store_url}\"\n[server]\nlisten = \"127.0.0.1:0\"\nallow_private_addresses = true\n{public}\
             [passculture]\nbase_url = \"{}\"\napi_key = {{ env = \"TEST_KEY\" }}\nhmac_key = {{ env = \"TEST_HMAC\" }}\n\
             requests_per_minute = 60000\n[[connection]]\nid = \"{CONNECTION}\"\nadapter = \"{adapter}\"\nvenue = {VENUE}\n\
             every = \"1h\"\n[connection.settings]\ntimeout_seconds = 3\n{settings}{}",
            self.sandbox.base_url(),
            self.more.lock().unwrap()
        );
        std::fs::write(self.path("passerelle.toml"), text).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_passerelle"));
        command
            .current_dir(self.folder.path())
            .args(["--format", "json"])
            .args(arguments)
            .env("TEST_KEY", API_KEY)
            .env("TEST_HMAC", HMAC_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command; its JSON lines.
    pub fn run(&self, arguments: &[&str]) -> Vec<Value> {
        let (code, lines, stderr) = self.ran(arguments);
        assert!(code <= 1, "{arguments:?} ended with {code}: {stderr}\n{lines:#?}");
        lines
    }

    pub fn ran(&self, arguments: &[&str]) -> (i32, Vec<Value>, String) {
        let output = self.command(arguments).output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let lines = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (output.status.code().unwrap_or(-1), lines, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// A server whose address pass Culture knows, and whose shows are on sale.
    pub fn open(&self) -> Server {
        let server = Server::start(self);
        self.configure("sqlite:passerelle.db", Some(&server.base));
        let applied = self.run(&["apply"]);
        assert!(
            applied.iter().any(|line| line["event"] == "message_urls" && line["result"] != "failed"),
            "{applied:?}"
        );
        self.run(&["sync", CONNECTION]);
        server
    }

    /// The stock of a vendor's show, by its number there.
    pub fn stock(&self, show: i64) -> u64 {
        self.stock_of(&self.which.places_key(show))
    }

    /// The stock of a vendor's show, by its key there.
    pub fn stock_of(&self, show: &str) -> u64 {
        let key = format!(":show:{show}");
        let lines = self.run(&["explain", show]);
        lines
            .iter()
            .find(|line| line["event"] == "date" && line["key"].as_str().is_some_and(|text| text.ends_with(&key)))
            .and_then(|line| line["stock_id"].as_u64())
            .unwrap_or_else(|| panic!("no stock of show {show}: {lines:#?}"))
    }

    pub fn book(&self, person_number: usize, stock: u64, quantity: u32) -> Result<BookingTruth, BookingRefused> {
        self.block_on(self.sandbox.book_and_wait(&person(person_number), Bookable::Stock(stock), quantity))
    }

    /// Seats that pass Culture counts as booked.
    pub fn seats_believed(&self) -> u32 {
        self.sandbox.offers().iter().flat_map(|offer| &offer.dates).map(|date| date.booked).sum()
    }

    /// Places that pass Culture shows for a stock.
    pub fn places(&self, stock: u64) -> Option<u32> {
        self.sandbox
            .offers()
            .iter()
            .flat_map(|offer| &offer.dates)
            .find(|date| date.stock_id == stock)
            .unwrap_or_else(|| panic!("no date with stock {stock}"))
            .remaining
    }

    pub fn bookings(&self) -> Vec<Value> {
        self.run(&["bookings", "list"])
    }

    /// The numbers of the open show, the one with five places, with one, with none.
    pub const fn shows(&self) -> [i64; 4] {
        match self.which {
            Which::Boost => [70_231, 70_240, 70_255, 70_260],
            Which::Cds => [90_417, 90_418, 90_419, 90_420],
            Which::Cgr => [512_001, 512_002, 512_003, 512_004],
            Which::Ems => [615_400_027_711, 615_400_027_712, 615_400_027_713, 615_400_027_714],
            Which::Billetweb => [98_701, 98_702, 98_703, 98_704],
            Which::Pretix => [101, 102, 103, 104],
        }
    }
}

/// Settings of the simulated EMS account, its site left out.
pub fn ems_account(simulator: &EmsSimulator) -> String {
    use passerelle_ems::simulator::{SOURCE, USER};
    format!(
        "schedule_url = \"{}\"\nsites_url = \"{}\"\nuser = \"{USER}\"\npassword = {{ file = \"second-secret\" }}\n\
         booking_url = \"{}\"\nsource = \"{SOURCE}\"\nsecret = {{ file = \"secret\" }}\n",
        simulator.schedule_url(),
        simulator.sites_url(),
        simulator.booking_url(),
    )
}

pub fn person(number: usize) -> String {
    format!("personne{number}@example.org")
}

/// A running server; killed when dropped.
pub struct Server {
    pub child: Child,
    pub base: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub fn start(cinema: &Cinema) -> Self {
        // A server repairs what pass Culture has written down of its address: it must not know one that is no longer its own.
        let written = std::fs::read_to_string(cinema.path("passerelle.toml")).unwrap();
        let kept: Vec<&str> = written.lines().filter(|line| !line.starts_with("public_url")).collect();
        std::fs::write(cinema.path("passerelle.toml"), kept.join("\n")).unwrap();
        let log = std::fs::File::create(cinema.path("serve.log")).unwrap();
        let mut child = cinema.command(&["--log", "debug", "serve"]).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a listening line: {line:?}"));
        assert_eq!(told["event"], "listening");
        let base = format!("http://{}", told["address"].as_str().unwrap());
        Self { child, base }
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Waits until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what} did not come about");
        std::thread::sleep(Duration::from_millis(5));
    }
}
