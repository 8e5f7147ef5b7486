//! A chain with real processes: one declaration, sites found at the vendor, matched to venues, and kept apart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cinema;

use cinema::{Cinema, OTHER_VENUE, Server, Vendor, Which, ems_account};
use passerelle_ems::simulator::{EmsSimulator, OTHER_SITE, SITE_ID, SimShow};
use passerelle_testkit::simulator::Fault;
use serde_json::{Value, json};

/// The SIRET that the vendor knows of its first site; of the other it knows the company's nine digits only.
const SIRET: &str = "11112222333344";

/// Declares the chain. Its first site's venue is found by the SIRET, the other's by what `sites` says.
fn declare(cinema: &Cinema, public_url: Option<&str>, sites: &str) {
    let Vendor::Ems(vendor) = &cinema.vendor else { panic!("not EMS") };
    cinema.configure("sqlite:passerelle.db", public_url);
    let text = std::fs::read_to_string(cinema.path("passerelle.toml")).unwrap();
    let (head, _) = text.split_once("[[connection]]").unwrap();
    let chain = format!(
        "{head}[[connection]]\nid = \"sud\"\nadapter = \"ems\"\nevery = \"1h\"\ndiscover = true\nsites = [{sites}]\n\
         [connection.settings]\ntimeout_seconds = 3\n{}",
        ems_account(vendor)
    );
    std::fs::write(cinema.path("passerelle.toml"), chain).unwrap();
}

/// A sandbox whose first venue has the SIRET that the vendor knows.
fn chain() -> Cinema {
    Cinema::with_sirets(Which::Ems, [SIRET, "85331845900056"])
}

fn vendor(cinema: &Cinema) -> &EmsSimulator {
    let Vendor::Ems(vendor) = &cinema.vendor else { panic!("not EMS") };
    vendor
}

fn of<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

/// Both sites connected and on sale.
fn both(cinema: &Cinema) -> Server {
    declare(cinema, None, "");
    let server = Server::start(cinema);
    let line = format!("{{ id = \"{OTHER_SITE}\", venue = {OTHER_VENUE}, name = \"colibri\" }}");
    declare(cinema, Some(&server.base), &line);
    cinema.run(&["apply"]);
    let summaries = cinema.run(&["sync", "sud"]);
    assert_eq!(of(&summaries, "summary").len(), 2, "a chain's id stands for its sites: {summaries:#?}");
    server
}

#[test]
fn sites_are_found_and_what_is_missing_is_told() {
    let cinema = chain();
    declare(&cinema, None, "");
    let lines = cinema.run(&["apply"]);
    let sites = of(&lines, "site");
    let results: Vec<(&str, &str)> =
        sites.iter().map(|site| (site["site"].as_str().unwrap(), site["result"].as_str().unwrap())).collect();
    assert_eq!(results, [(SITE_ID, "connected"), (OTHER_SITE, "no_siret")]);
    assert!(sites[1]["hint"].as_str().unwrap().contains(&format!("{{ id = \"{OTHER_SITE}\", siret = ")));
    let applied = of(&lines, "applied");
    assert_eq!((applied.len(), applied[0]["connection"].as_str()), (1, Some("sud-6154")));
    assert_eq!(of(&cinema.run(&["apply"]), "applied")[0]["result"], "unchanged", "the same command twice");

    // The line that was asked for.
    declare(&cinema, None, &format!("{{ id = \"{OTHER_SITE}\", venue = {OTHER_VENUE} }}"));
    let lines = cinema.run(&["apply"]);
    assert_eq!(of(&lines, "site")[1]["result"], "listed");
    let ids: Vec<&str> = of(&lines, "applied").iter().map(|applied| applied["connection"].as_str().unwrap()).collect();
    assert_eq!(ids, ["sud-0042", "sud-6154"]);

    // A vendor that cannot be asked stops nothing.
    cinema.vendor.faults().always(Fault::Status(503));
    let (code, lines, _) = cinema.ran(&["apply"]);
    assert_eq!((code, of(&lines, "discovery").len(), of(&lines, "applied").len()), (2, 1, 1), "{lines:#?}");
    cinema.vendor.faults().clear();
    assert_eq!(of(&cinema.run(&["connections", "list"]), "connection").len(), 2);
}

#[test]
fn a_chain_is_listed_and_checked_as_one_and_its_sites_apart() {
    let cinema = chain();
    let _server = both(&cinema);
    let lines = cinema.run(&["connections", "list"]);
    let chains = of(&lines, "chain");
    assert_eq!((chains.len(), chains[0]["connections"].as_u64()), (1, Some(2)));
    assert_eq!(chains[0]["states"], json!({ "in step": 2 }));
    assert!(of(&lines, "connection").iter().all(|connection| connection["chain"] == "sud"));

    let lines = cinema.run(&["check", "sud"]);
    let chain = of(&lines, "chain")[0];
    assert_eq!((chain["verdict"].as_str(), chain["healthy"].as_u64()), (Some("healthy"), Some(2)), "{lines:#?}");
    // One site of the two is ill: the chain says which.
    cinema.run(&["connections", "pause", "sud-colibri"]);
    let (code, lines, _) = cinema.ran(&["check", "sud"]);
    let chain = of(&lines, "chain")[0];
    assert_eq!((code, chain["verdict"].as_str()), (1, Some("degraded")));
    assert_eq!(chain["ailing"], json!(["sud-colibri"]));
    // The other goes on.
    assert_eq!(cinema.ran(&["sync", "sud-6154"]).0, 0);
}

#[test]
fn two_cinemas_with_one_barcode_never_touch_each_others_tickets() {
    let cinema = chain();
    let _server = both(&cinema);
    let open = cinema.stock(cinema.shows()[0]);
    let there = cinema.stock_of("004200005150");
    let (here, there) = (cinema.book(0, open, 1).unwrap(), cinema.book(1, there, 1).unwrap());
    assert_eq!(here.tickets[0].barcode, there.tickets[0].barcode, "each site counts for itself");
    assert_eq!((cinema.vendor.seats_sold(), cinema.seats_believed()), (2, 2));
    let live = |site: &str| vendor(&cinema).sales().iter().filter(|sale| sale.site == site && !sale.cancelled).count();
    cinema.block_on(cinema.sandbox.cancel_and_wait(there.id)).unwrap();
    assert_eq!((live(SITE_ID), live(OTHER_SITE)), (1, 0));
    assert_eq!((cinema.vendor.seats_sold(), cinema.seats_believed()), (1, 1));
    cinema.block_on(cinema.sandbox.cancel_and_wait(here.id)).unwrap();
    assert_eq!((live(SITE_ID), live(OTHER_SITE)), (0, 0));
    assert_eq!(cinema.seats_believed(), 0);
}

#[test]
fn each_site_has_its_own_cursor() {
    let cinema = chain();
    let _server = both(&cinema);
    // The first site's pass fails before its rows are in the ledger; the other's goes through.
    let new = |id: &str, site: &str| {
        let starts_at = jiff::Timestamp::now().as_second() / 3_600 * 3_600 + 40 * 3_600;
        vendor(&cinema).put_show(SimShow { id: id.into(), site: site.into(), starts_at, ..SimShow::default() });
    };
    new("615400099001", SITE_ID);
    new("004200099001", OTHER_SITE);
    cinema.vendor.faults().next("export/schedule", 4, Fault::Body("{\"sites\":".into()));
    assert_ne!(cinema.ran(&["sync", "sud-6154"]).0, 0);
    cinema.vendor.faults().clear();
    cinema.run(&["sync", "sud-colibri"]);
    cinema.stock_of("004200099001");
    cinema.run(&["sync", "sud-6154"]);
    cinema.stock(615_400_099_001);
}
