//! The one list of adapters. A new vendor is one line here (two with a simulator that `passerelle sandbox` starts).

use std::any::Any;
use std::net::SocketAddr;

use passerelle_contract::{BoxFuture, Descriptor};
/// How a vendor's receiver of signed calls is tried, for `passerelle vendor-check`.
pub use passerelle_webhook::rehearsal;
use serde_json::{Value, json};

/// Every adapter, in the order in which they are listed.
pub const ADAPTERS: &[Descriptor] = &[
    passerelle_csv::DESCRIPTOR,
    passerelle_stock_api::DESCRIPTOR,
    passerelle_stock_api::PUSH_DESCRIPTOR,
    passerelle_boost::DESCRIPTOR,
    passerelle_cds::DESCRIPTOR,
    passerelle_cgr::DESCRIPTOR,
    passerelle_ems::DESCRIPTOR,
    passerelle_pretix::DESCRIPTOR,
    passerelle_billetweb::DESCRIPTOR,
    passerelle_allocine::DESCRIPTOR,
    passerelle_weezevent::DESCRIPTOR,
    passerelle_webhook::DESCRIPTOR,
];

/// The adapter with this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Descriptor> {
    ADAPTERS.iter().find(|adapter| adapter.id == id)
}

/// A vendor's simulator; it runs until dropped.
pub struct Simulated {
    /// Where it listens.
    pub address: SocketAddr,
    /// What to try, for people.
    pub hint: String,
    /// `[connection.settings]` that work with it, its secret left out.
    pub settings: Value,
    /// The setting that names a secret, and the invented secret.
    pub secret: Option<(&'static str, &'static str)>,
    _running: Box<dyn Any + Send>,
}

/// Starts a simulator at an address.
pub type Simulate = fn(SocketAddr) -> BoxFuture<'static, std::io::Result<Simulated>>;

/// The vendors that can be simulated, by adapter id.
pub const SIMULATORS: &[(&str, Simulate)] = &[
    ("stock-api", |address| Box::pin(stock_api(address))),
    ("boost", |address| Box::pin(boost(address))),
    ("cds", |address| Box::pin(cds(address))),
    ("cgr", |address| Box::pin(cgr(address))),
    ("ems", |address| Box::pin(ems(address))),
    ("allocine", |address| Box::pin(allocine(address))),
    ("pretix", |address| Box::pin(pretix(address))),
    ("billetweb", |address| Box::pin(billetweb(address))),
    ("weezevent", |address| Box::pin(weezevent(address))),
    ("webhook", |address| Box::pin(webhook(address))),
];

/// The cinema of the demonstration.
pub const DEMO_CINEMA: &str = "cds";

async fn stock_api(address: SocketAddr) -> std::io::Result<Simulated> {
    use passerelle_stock_api::simulator::{SANDBOX_SIRET, StockSimulator};
    let simulator = StockSimulator::every_profile(address).await?;
    let hint = format!(
        "api_url = \"{}\", siret = \"{SANDBOX_SIRET}\", price_unit = \"euro\"; other behaviours stand under their own names, \
         such as titelive, html_200 or truncated",
        simulator.api_url("plain")
    );
    let settings = json!({ "api_url": simulator.api_url("plain"), "siret": SANDBOX_SIRET, "price_unit": "euro" });
    Ok(Simulated { address: simulator.address(), hint, settings, secret: None, _running: Box::new(simulator) })
}

async fn boost(address: SocketAddr) -> std::io::Result<Simulated> {
    use passerelle_boost::simulator::{BoostSimulator, PASSWORD, USERNAME};
    let simulator = BoostSimulator::listen(address).await?;
    let settings = json!({ "base_url": simulator.base_url(), "username": USERNAME });
    let hint = format!(
        "base_url = \"{}\", username = \"{USERNAME}\", and {PASSWORD} as its password; {BOOKS}",
        simulator.base_url()
    );
    let secret = Some(("password", PASSWORD));
    Ok(Simulated { address: simulator.address(), hint, settings, secret, _running: Box::new(simulator) })
}

async fn cds(address: SocketAddr) -> std::io::Result<Simulated> {
    use passerelle_cds::simulator::{ACCOUNT_ID, API_TOKEN, CINEMA_ID, CdsSimulator};
    let simulator = CdsSimulator::listen(address).await?;
    let settings = json!({ "base_url": simulator.base_url(), "account_id": ACCOUNT_ID, "cinema_id": CINEMA_ID });
    let hint = format!(
        "base_url = \"{}\", account_id = \"{ACCOUNT_ID}\", cinema_id = \"{CINEMA_ID}\", and {API_TOKEN} as its api_token; {BOOKS}",
        simulator.base_url()
    );
    let secret = Some(("api_token", API_TOKEN));
    Ok(Simulated { address: simulator.address(), hint, settings, secret, _running: Box::new(simulator) })
}

async fn ems(address: SocketAddr) -> std::io::Result<Simulated> {
    use passerelle_ems::simulator::{EmsSimulator, PASSWORD, SECRET, SITE_ID, SOURCE, USER};
    let simulator = EmsSimulator::listen(address).await?;
    let settings = json!({
        "schedule_url": simulator.schedule_url(), "sites_url": simulator.sites_url(), "user": USER,
        "booking_url": simulator.booking_url(), "source": SOURCE, "site_id": SITE_ID,
    });
    let hint = format!(
        "schedule_url = \"{}\", sites_url = \"{}\", user = \"{USER}\", {PASSWORD} as its password, booking_url = \"{}\", \
         source = \"{SOURCE}\", {SECRET} as its secret, site_id = \"{SITE_ID}\"; {BOOKS}",
        simulator.schedule_url(),
        simulator.sites_url(),
        simulator.booking_url()
    );
    // It has two secrets; this is the one that sells.
    let secret = Some(("secret", SECRET));
    Ok(Simulated { address: simulator.address(), hint, settings, secret, _running: Box::new(simulator) })
}

async fn allocine(address: SocketAddr) -> std::io::Result<Simulated> {
    use passerelle_allocine::simulator::{API_KEY, AllocineSimulator, THEATER};
    let simulator = AllocineSimulator::listen(address).await?;
    let settings = json!({ "base_url": simulator.base_url(), "theater_id": THEATER, "price_cents": 650 });
    let hint = format!(
        "base_url = \"{}\", theater_id = \"{THEATER}\", price_cents = 650, and {API_KEY} as its api_key; \
         GET and PUT /_sim/programme tell and set what it lists",
        simulator.base_url()
    );
    let secret = Some(("api_key", API_KEY));
    Ok(Simulated { address: simulator.address(), hint, settings, secret, _running: Box::new(simulator) })
}

async fn cgr(address: SocketAddr) -> std::io::Result<Simulated> {
    use passerelle_cgr::simulator::{CINEMA_ID, CgrSimulator, PASSWORD, USERNAME};
    let simulator = CgrSimulator::listen(address).await?;
    let settings = json!({ "base_url": simulator.base_url(), "username": USERNAME, "cinema_id": CINEMA_ID });
    let hint = format!(
        "base_url = \"{}\", username = \"{USERNAME}\", cinema_id = \"{CINEMA_ID}\", and {PASSWORD} as its password; {BOOKS}",
        simulator.base_url()
    );
    let secret = Some(("password", PASSWORD));
    Ok(Simulated { address: simulator.address(), hint, settings, secret, _running: Box::new(simulator) })
}

async fn pretix(address: SocketAddr) -> std::io::Result<Simulated> {
    use passerelle_pretix::simulator::{ORGANIZER, PretixSimulator, SERIES, SINGLE, TOKEN};
    let simulator = PretixSimulator::listen(address).await?;
    let settings = json!({
        "base_url": simulator.base_url(), "organizer": ORGANIZER, "events": [SERIES, SINGLE],
        "category": "SPECTACLE_REPRESENTATION", "show_type": "THEATRE-COMEDIE",
        "booking_contact": "billetterie@theatre.example",
    });
    let hint = format!(
        "base_url = \"{}\", organizer = \"{ORGANIZER}\", events = [\"{SERIES}\", \"{SINGLE}\"], category = \
         \"SPECTACLE_REPRESENTATION\", show_type = \"THEATRE-COMEDIE\", booking_contact = \"billetterie@theatre.example\", and \
         {TOKEN} as its token; {BOOKS}",
        simulator.base_url()
    );
    let secret = Some(("token", TOKEN));
    Ok(Simulated { address: simulator.address(), hint, settings, secret, _running: Box::new(simulator) })
}

async fn billetweb(address: SocketAddr) -> std::io::Result<Simulated> {
    use passerelle_billetweb::simulator::{BilletwebSimulator, EVENT, KEY, SINGLE_EVENT, USER};
    let simulator = BilletwebSimulator::listen(address).await?;
    let settings = json!({
        "base_url": simulator.base_url(), "user": USER, "events": [EVENT, SINGLE_EVENT],
        "category": "SPECTACLE_REPRESENTATION", "show_type": "THEATRE-OTHER",
        "booking_contact": "billetterie@halle.example",
    });
    let hint = format!(
        "base_url = \"{}\", user = \"{USER}\", events = [\"{EVENT}\", \"{SINGLE_EVENT}\"], and {KEY} as its key; {BOOKS}",
        simulator.base_url()
    );
    let secret = Some(("key", KEY));
    Ok(Simulated { address: simulator.address(), hint, settings, secret, _running: Box::new(simulator) })
}

async fn weezevent(address: SocketAddr) -> std::io::Result<Simulated> {
    use passerelle_weezevent::simulator::{API_KEY, EVENT, PASSWORD, SINGLE_EVENT, USERNAME, WeezeventSimulator};
    let simulator = WeezeventSimulator::listen(address).await?;
    let settings = json!({
        "base_url": simulator.base_url(), "username": USERNAME, "events": [EVENT, SINGLE_EVENT], "category": "CONCERT",
        "music_type": "AUTRES", "booking_contact": "billetterie@halle.example", "quantity": 20,
    });
    let hint = format!(
        "base_url = \"{}\", username = \"{USERNAME}\", events = [\"{EVENT}\", \"{SINGLE_EVENT}\"], {PASSWORD} as its \
         password, and {API_KEY} as its api_key; GET and PUT /_sim/account tell and set what it lists",
        simulator.base_url()
    );
    // It has two secrets; the other one is the password.
    let secret = Some(("api_key", API_KEY));
    Ok(Simulated { address: simulator.address(), hint, settings, secret, _running: Box::new(simulator) })
}

async fn webhook(address: SocketAddr) -> std::io::Result<Simulated> {
    use passerelle_webhook::simulator::{SECRET, WebhookSimulator};
    let simulator = WebhookSimulator::listen(address).await?;
    let settings = json!({ "mode": "notify", "url": simulator.url() });
    let hint = format!(
        "mode = \"notify\", url = \"{}\", and {SECRET} as its secret; or mode = \"synchronous\", booking_url = \"{}\", \
         cancel_url = \"{}\"; GET /_sim/received tells what it got; {BOOKS}",
        simulator.url(),
        simulator.booking_url(),
        simulator.cancel_url()
    );
    let secret = Some(("secret", SECRET));
    Ok(Simulated { address: simulator.address(), hint, settings, secret, _running: Box::new(simulator) })
}

/// What every simulated box office tells of itself.
const BOOKS: &str = "GET /_sim/shows and /_sim/sales tell its books";
