//! A cinema without a box office interface, with real processes: what Allociné lists goes to pass Culture, nothing is ever sold
//! through us, and a change of system harms no ticket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cinema;

use cinema::{CONNECTION, Cinema, VENUE, Which};
use passerelle::sandbox::OfferTruth;
use passerelle_allocine::simulator::{API_KEY, AllocineSimulator, THEATER, edge, showtime};
use passerelle_testkit::simulator::Simulator as _;
use serde_json::Value;

/// A cinema whose one connection is a listing. The box office beside it is there for the day when the cinema changes.
struct Listing {
    cinema: Cinema,
    allocine: AllocineSimulator,
}

impl Listing {
    fn new() -> Self {
        let cinema = Cinema::new(Which::Cgr);
        let allocine = cinema.block_on(AllocineSimulator::start()).unwrap();
        std::fs::write(cinema.path("allocine-key"), API_KEY).unwrap();
        let listing = Self { cinema, allocine };
        listing.configure(650, Some(20));
        listing
    }

    fn configure(&self, price_cents: u32, quantity: Option<u32>) {
        self.cinema.configure("sqlite:passerelle.db", None);
        let text = std::fs::read_to_string(self.cinema.path("passerelle.toml")).unwrap();
        let (head, _) = text.split_once("[[connection]]").unwrap();
        let quantity = quantity.map(|places| format!("quantity = {places}\n")).unwrap_or_default();
        let connection = format!(
            "{head}[[connection]]\nid = \"{CONNECTION}\"\nadapter = \"allocine\"\nvenue = {VENUE}\nevery = \"3h\"\n\
             [connection.settings]\nbase_url = \"{}\"\napi_key = {{ file = \"allocine-key\" }}\ntheater_id = \"{THEATER}\"\n\
             price_cents = {price_cents}\n{quantity}",
            self.allocine.base_url()
        );
        std::fs::write(self.cinema.path("passerelle.toml"), connection).unwrap();
    }

    fn sync(&self) -> Value {
        self.cinema.run(&["sync", CONNECTION]).pop().unwrap()
    }

    fn offers(&self) -> Vec<OfferTruth> {
        self.cinema.sandbox.offers()
    }

    /// Prices and places of all dates, the earliest first.
    fn dates(&self) -> Vec<(u32, Option<u32>)> {
        let mut all: Vec<_> = self.offers().into_iter().flat_map(|offer| offer.dates).collect();
        all.sort_by(|one, other| one.beginning.cmp(&other.beginning));
        all.into_iter().map(|date| (date.price_cents, date.remaining)).collect()
    }
}

#[test]
fn a_programme_is_published_with_the_cinemas_price_and_nothing_is_sold_through_us() {
    let listing = Listing::new();
    let summary = listing.sync();
    assert_eq!((summary["create"].as_u64(), summary["rejected"].as_u64()), (Some(4), Some(0)), "{summary}");
    assert_eq!((listing.offers().len(), listing.dates()), (2, vec![(650, Some(20)); 4]));
    // The beneficiary gets pass Culture's own code: we hear of nothing, and no seat is asked for.
    let stock = listing.offers()[0].dates[0].stock_id;
    let booked = listing.cinema.book(0, stock, 2).unwrap();
    assert_eq!((booked.tickets.len(), listing.cinema.bookings().len()), (0, 0));
    assert_eq!(listing.sync()["requests"].as_u64(), Some(0), "what is booked stays taken, and nothing is sent");

    // The cinema changes its price and its number of places.
    listing.configure(700, Some(5));
    listing.sync();
    let mut places: Vec<Option<u32>> = listing.dates().into_iter().map(|(_, places)| places).collect();
    places.sort();
    assert_eq!(places, [Some(3), Some(5), Some(5), Some(5)], "two of five are booked");
    assert!(listing.dates().iter().all(|(price, _)| *price == 700));
    listing.configure(700, None);
    listing.sync();
    assert!(listing.dates().iter().all(|(_, places)| places.is_none()));
}

#[test]
fn a_show_that_vanishes_is_closed_after_two_agreeing_programmes_and_kept_while_it_is_booked() {
    let listing = Listing::new();
    listing.sync();
    let all = listing.allocine.edges();
    let find = |days: i64| {
        let beginning = showtime(days, "20:30", "LOCAL")["startsAt"].as_str().unwrap()[..10].to_owned();
        let dates = listing.offers().into_iter().flat_map(|offer| offer.dates);
        dates.filter(|date| date.beginning.starts_with(&beginning)).map(|date| date.stock_id).next().unwrap()
    };
    let booked = find(9);
    listing.cinema.book(0, booked, 1).unwrap();
    // The second film disappears, with a booked show and another.
    listing.allocine.set_edges(all[..1].to_vec());
    assert_eq!(listing.sync()["withdraw"].as_u64(), Some(0), "once proves nothing");
    listing.allocine.set_edges(Vec::new());
    assert_eq!(listing.sync()["withdraw"].as_u64(), Some(0), "an empty programme proves nothing");
    listing.allocine.set_edges(all[..1].to_vec());
    assert_eq!(listing.sync()["withdraw"].as_u64(), Some(2));
    assert_eq!(listing.cinema.places(booked), Some(0), "closed, and still there for who booked it");
    assert_eq!(listing.dates().len(), 3, "the other one is gone");
    assert_eq!(listing.sync()["requests"].as_u64(), Some(0));
}

#[test]
fn one_odd_film_loses_nobody_and_a_wrong_setting_is_named() {
    let listing = Listing::new();
    let mut edges = vec![serde_json::json!({ "node": { "movie": { "internalId": "x", "title": 7 }, "showtimes": 3 } })];
    edges.extend(listing.allocine.edges());
    listing.allocine.set_edges(edges);
    assert_eq!(listing.sync()["create"].as_u64(), Some(4));
    let kept = listing.cinema.run(&["quarantine", "list", CONNECTION]);
    assert!(kept.iter().any(|row| row["code"] == "NoFilm"), "{kept:#?}");
    assert!(kept.iter().any(|row| row["code"] == "AnotherPrice"), "{kept:#?}");
    listing.configure(0, Some(0));
    let (code, _, told) = listing.cinema.ran(&["sync", CONNECTION]);
    assert_eq!(code, 78);
    assert!(told.contains("price_cents") && told.contains("quantity"), "{told}");
}

#[test]
fn a_cinema_that_changes_to_a_box_office_gets_offers_of_its_own_and_keeps_its_bookings() {
    let listing = Listing::new();
    // The very film that the box office shows.
    listing.allocine.set_edges(vec![edge(305_411, "La Lanterne du port", &[showtime(4, "20:30", "LOCAL")])]);
    listing.sync();
    let stock = listing.offers()[0].dates[0].stock_id;
    listing.cinema.book(0, stock, 1).unwrap();
    listing.cinema.configure("sqlite:passerelle.db", None);
    let _server = listing.cinema.open();
    assert_eq!(listing.cinema.places(stock), Some(0), "the listing's show is closed, its booking kept");
    let open = listing.cinema.stock(listing.cinema.shows()[0]);
    listing.cinema.book(1, open, 1).unwrap();
    assert_eq!(listing.cinema.vendor.seats_sold(), 1);
    let with_tickets =
        listing.offers().into_iter().filter(|offer| offer.dates.iter().any(|date| date.stock_id == open));
    assert!(with_tickets.into_iter().all(|offer| offer.dates.iter().all(|date| date.stock_id != stock)));
}

#[test]
fn a_show_of_another_system_is_never_sold_by_the_new_one() {
    let cinema = Cinema::new(Which::Boost);
    let server = cinema.open();
    let stock = cinema.stock(cinema.shows()[0]);
    let booked = cinema.book(0, stock, 1).unwrap();
    // The venue changes its system, and no pass has run since.
    let other = cinema.block_on(passerelle_cds::simulator::CdsSimulator::start()).unwrap();
    std::fs::write(cinema.path("token"), passerelle_cds::simulator::API_TOKEN).unwrap();
    let text = std::fs::read_to_string(cinema.path("passerelle.toml")).unwrap();
    let (head, _) = text.split_once("[[connection]]").unwrap();
    let connection = format!(
        "{head}[[connection]]\nid = \"{CONNECTION}\"\nadapter = \"cds\"\nvenue = {VENUE}\n[connection.settings]\n\
         base_url = \"{}\"\naccount_id = \"{}\"\ncinema_id = \"{}\"\napi_token = {{ file = \"token\" }}\n",
        other.base_url(),
        passerelle_cds::simulator::ACCOUNT_ID,
        passerelle_cds::simulator::CINEMA_ID
    );
    std::fs::write(cinema.path("passerelle.toml"), connection).unwrap();
    // As long as a ticket of the old system is good, only that one can void it.
    let (code, _, told) = cinema.ran(&["apply"]);
    assert!(code == 78 && told.contains("LiveTickets"), "{code}: {told}");
    cinema.block_on(cinema.sandbox.cancel_and_wait(booked.id)).unwrap();
    cinema.run(&["apply"]);
    let asked = other.log().len();
    cinema.book(1, stock, 1).unwrap_err();
    assert_eq!(
        (cinema.vendor.seats_sold(), other.log().len() - asked),
        (0, 0),
        "neither system was asked to do anything"
    );
    drop(server);
}
