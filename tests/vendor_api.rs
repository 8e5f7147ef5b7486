//! Software of a venue that states its shows, with real processes: stated, published, booked, let in, taken off.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cinema;

use std::time::Duration;

use cinema::{CONNECTION, Cinema, OTHER_VENUE, Server, VENUE, Which, until};
use serde_json::{Value, json};

const TOKEN: &str = "gvt_fictif-0123456789abcdef";
const OTHER_TOKEN: &str = "gvt_fictif-fedcba9876543210";

/// Two venues whose software pulls.
struct Theatre {
    cinema: Cinema,
    server: Server,
    client: reqwest::Client,
}

/// An answer: status, `Retry-After`, body.
struct Answer(u16, Option<String>, Value);

impl Answer {
    fn code(&self) -> (u16, &str) {
        (self.0, self.2["code"].as_str().unwrap_or_default())
    }
}

impl Theatre {
    /// A running server that pass Culture knows, and nothing stated yet.
    fn open() -> Self {
        let cinema = Cinema::new(Which::Cgr);
        std::fs::write(cinema.path("token"), TOKEN).unwrap();
        std::fs::write(cinema.path("other-token"), OTHER_TOKEN).unwrap();
        configure(&cinema, None);
        let server = Server::start(&cinema);
        configure(&cinema, Some(&server.base));
        let applied = cinema.run(&["apply"]);
        let registered = |line: &Value| line["event"] == "message_urls" && line["result"] != "failed";
        assert!(applied.iter().any(registered), "{applied:?}");
        Self { cinema, server, client: reqwest::Client::new() }
    }

    fn once(&self, method: &str, path: &str, token: Option<&str>, headers: &[(&str, &str)], body: &str) -> Answer {
        let method: reqwest::Method = method.parse().unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.server.base)).body(body.to_owned());
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.cinema.block_on(async {
            let answer = request.send().await.unwrap();
            let waits = answer.headers().get("retry-after").map(|wait| wait.to_str().unwrap().to_owned());
            Answer(answer.status().as_u16(), waits, answer.json().await.unwrap_or_default())
        })
    }

    /// As software does it: asked to wait, it waits.
    fn asked(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut answer = self.once(method, path, Some(TOKEN), headers, body);
        until("room for a call", || {
            if answer.0 == 429 {
                std::thread::sleep(Duration::from_millis(50));
                answer = self.once(method, path, Some(TOKEN), headers, body);
            }
            answer.0 != 429
        });
        answer
    }

    fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.asked(method, path, &[("content-type", "application/json")], &body)
    }

    fn good(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.call(method, path, body);
        assert_eq!(answer.0, 200, "{method} {path}: {}", answer.2);
        answer.2
    }

    /// The play, with one stock that pass Culture shows.
    fn play(&self, places: Value) -> u64 {
        self.good("PUT", "/vendor/v1/events/mouette", play());
        self.good("PUT", "/vendor/v1/events/mouette/stocks/s1", stock(places, Some(1)));
        self.published("s1")
    }

    /// The schedule publishes what was stated, unasked.
    fn published(&self, key: &str) -> u64 {
        let listed = |line: &Value| {
            let is_it = line["event"] == "date"
                && line["key"].as_str().is_some_and(|text| text.ends_with(&format!(":show:{key}")));
            line["stock_id"].as_u64().filter(|_| is_it)
        };
        let mut stock = None;
        until("the publication of the stock", || {
            stock = self.cinema.ran(&["explain", key]).1.iter().find_map(listed);
            stock.is_some()
        });
        stock.unwrap()
    }

    fn shows(&self, stock: u64, places: Option<u32>) {
        until(&format!("{places:?} places at pass Culture"), || self.cinema.places(stock) == places);
    }
}

fn configure(cinema: &Cinema, public_url: Option<&str>) {
    cinema.configure("sqlite:passerelle.db", public_url);
    let text = std::fs::read_to_string(cinema.path("passerelle.toml")).unwrap();
    let (head, _) = text.split_once("[[connection]]").unwrap();
    let connection = |id: &str, venue: i64, token: &str| {
        format!(
            "[[connection]]\nid = \"{id}\"\nadapter = \"webhook\"\nvenue = {venue}\nevery = \"1h\"\n[connection.settings]\n\
             mode = \"pull\"\napi_token = {{ file = \"{token}\" }}\n"
        )
    };
    let both = connection(CONNECTION, VENUE, "token") + &connection("elsewhere", OTHER_VENUE, "other-token");
    std::fs::write(cinema.path("passerelle.toml"), format!("{head}{both}")).unwrap();
}

fn play() -> Value {
    json!({ "title": "La Mouette", "category": "SPECTACLE_REPRESENTATION", "venue": VENUE, "booking_contact": "a@theatre.example",
        "price_categories": [{ "id": "plein", "label": "Plein tarif", "price_cents": 1200 }] })
}

fn stock(places: Value, version: Option<i64>) -> Value {
    let starts = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 20);
    let starts = jiff::Timestamp::from_second(starts.as_second() / 86_400 * 86_400 + 72_000).unwrap();
    json!({ "starts_at": starts.to_string(), "price_category": "plein", "remaining": places, "version": version })
}

#[test]
fn shows_are_stated_published_booked_and_let_in() {
    let theatre = Theatre::open();
    let stock_id = theatre.play(json!(3));
    theatre.shows(stock_id, Some(3));
    let booked = theatre.cinema.book(0, stock_id, 2).unwrap();
    let codes: Vec<&str> = booked.tickets.iter().map(|ticket| ticket.barcode.as_str()).collect();
    assert!(codes.iter().all(|code| code.starts_with("GW") && code.len() == 19), "{codes:?}");
    assert!(theatre.cinema.book(1, stock_id, 2).is_err(), "one is left");

    let list = theatre.good("GET", "/vendor/v1/bookings?stock_id=s1", Value::Null);
    let booking = list["bookings"][0].clone();
    let id = booking["booking_id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("bk_") && id.len() == 15);
    assert_eq!((booking["state"].as_str(), booking["tickets"][1]["state"].as_str()), (Some("booked"), Some("valid")));
    assert_eq!(booking["tickets"][0]["barcode"], codes[0]);
    for personal in [cinema::FIRST_NAME, cinema::LAST_NAME, cinema::PHONE, "personne0"] {
        assert!(!list.to_string().contains(personal));
    }

    let act = |word: &str| format!("/vendor/v1/bookings/{id}/{word}");
    let one = json!({ "barcodes": [codes[0]], "used_at": "2035-01-10T20:30:00+01:00" });
    let used = theatre.good("POST", &act("use"), one.clone());
    assert_eq!((used["already"].as_bool(), used["passculture"].as_str()), (Some(false), Some("not_told")));
    assert_eq!(theatre.good("POST", &act("use"), one)["already"], true);
    assert_eq!(theatre.good("POST", &act("use"), json!({}))["already"], false, "the other one was not");
    let list = theatre.good("GET", "/vendor/v1/bookings?stock_id=s1", Value::Null);
    assert_eq!(list["bookings"][0]["tickets"][0]["used_at"], "2035-01-10T19:30:00Z");
    assert_eq!(theatre.call("POST", &act("cancel"), json!({})).code(), (409, "AlreadyUsed"));
    assert_eq!(theatre.good("POST", &act("unuse"), json!({}))["already"], false);
    let told = theatre.cinema.run(&["bookings", "show", theatre.cinema.bookings()[0]["reference"].as_str().unwrap()]);
    assert!(told.iter().any(|line| line.to_string().contains("used at the door")), "{told:?}");

    // The venue cancels: void here, and the seats are for sale again.
    let cancelled = theatre.good("POST", &act("cancel"), json!({ "reason": "panne" }));
    assert_eq!((cancelled["already"].as_bool(), cancelled["passculture"].as_str()), (Some(false), Some("not_told")));
    let is_void = || {
        let list = theatre.good("GET", "/vendor/v1/bookings?stock_id=s1", Value::Null);
        list["bookings"][0]["tickets"].as_array().unwrap().iter().all(|ticket| ticket["state"] == "void")
    };
    until("the tickets are void", is_void);
    assert_eq!(theatre.good("POST", &act("cancel"), json!({}))["already"], true);
    assert_eq!(theatre.call("POST", &act("use"), json!({})).code(), (409, "Cancelled"));
    // What the beneficiary does later finds nothing to void, and is well answered.
    theatre.cinema.block_on(theatre.cinema.sandbox.cancel_and_wait(booked.id)).unwrap();
    theatre.cinema.book(2, stock_id, 2).unwrap();
}

#[test]
fn what_is_stated_again_is_told_again_and_what_is_taken_off_sells_no_more() {
    let theatre = Theatre::open();
    let stock_id = theatre.play(json!(2));
    let path = "/vendor/v1/events/mouette/stocks/s1";
    assert_eq!(theatre.good("PUT", path, stock(json!(2), Some(1)))["state"], "unchanged");
    let stale = theatre.call("PUT", path, stock(json!(9), Some(1)));
    assert_eq!((stale.code(), stale.2["error"].as_str()), ((409, "Stale"), Some("stale")));
    // A booking that the vendor has not fetched yet is not given away twice.
    theatre.cinema.book(0, stock_id, 1).unwrap();
    let batch = json!([{ "stock_id": "s1", "remaining": 5, "version": 2 }, { "stock_id": "s1", "remaining": 5, "version": 1 },
        { "stock_id": "nowhere", "remaining": 1 }, { "remaining": -1 }, 7]);
    let told = theatre.good("PATCH", "/vendor/v1/stocks", batch);
    let words: Vec<(u64, &str)> = told["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["position"].as_u64().unwrap(), one["state"].as_str().or(one["code"].as_str()).unwrap()))
        .collect();
    assert_eq!(words, [(1, "stored"), (2, "Stale"), (3, "NoSuchStock"), (4, "Invalid"), (5, "Invalid")]);
    assert_eq!((told["applied"].as_u64(), told["refused"].as_u64()), (Some(1), Some(4)));
    theatre.shows(stock_id, Some(4));
    // Once it has fetched what there is to know, its number is taken as it is.
    let feed = theatre.good("GET", "/vendor/v1/events-feed", Value::Null);
    assert_eq!(feed["items"][0]["type"], "booking.created");
    theatre.good("POST", "/vendor/v1/events-feed/ack", json!({ "cursor": feed["next"] }));
    theatre.good("PATCH", "/vendor/v1/stocks", json!([{ "stock_id": "s1", "remaining": 5, "version": 3 }]));
    theatre.shows(stock_id, Some(5));
    // The price of a stock follows its category.
    let mut dearer = play();
    dearer["price_categories"][0]["price_cents"] = json!(1300);
    assert_eq!(theatre.good("PUT", "/vendor/v1/events/mouette", dearer)["repriced_stocks"], 1);
    let price = || {
        theatre.cinema.sandbox.offers().iter().flat_map(|offer| offer.dates.clone()).map(|date| date.price_cents).max()
    };
    until("the new price", || price() == Some(1300));

    let gone = theatre.good("DELETE", path, Value::Null);
    assert_eq!((gone["state"].as_str(), gone["bookings"].as_array().unwrap().len()), (Some("gone"), 1));
    assert_eq!(theatre.good("DELETE", path, Value::Null)["bookings"], gone["bookings"], "safe to repeat");
    theatre.shows(stock_id, Some(0));
    assert!(theatre.cinema.book(1, stock_id, 1).is_err());
    let refused = theatre.good(
        "PATCH",
        "/vendor/v1/stocks",
        json!({ "stocks": [{ "stock_id": "s1", "remaining": 1, "version": 9 }] }),
    );
    assert_eq!(refused["results"][0]["code"], "Gone");
    assert_eq!(theatre.good("PUT", path, stock(json!(3), Some(9)))["state"], "stored");
    theatre.shows(stock_id, Some(3));
}

#[test]
fn imported_barcodes_come_before_the_gateways_own() {
    let theatre = Theatre::open();
    let stock_id = theatre.play(Value::Null);
    theatre.shows(stock_id, None);
    let path = "/vendor/v1/stocks/s1/barcodes";
    let told = theatre.good("POST", path, json!({ "barcodes": ["V-1", "V-2", "V-1", "", 7] }));
    let codes = |told: &Value| -> Vec<(u64, String)> {
        let refused = told["refused"].as_array().unwrap().iter();
        refused.map(|one| (one["position"].as_u64().unwrap(), one["code"].as_str().unwrap().to_owned())).collect()
    };
    let expected = [(3, "duplicate_in_list"), (4, "empty"), (5, "unprintable")].map(|(at, code)| (at, code.to_owned()));
    assert_eq!((told["imported"].as_u64(), codes(&told)), (Some(2), expected.to_vec()));
    theatre.shows(stock_id, Some(2));
    let booked = theatre.cinema.book(0, stock_id, 1).unwrap();
    assert_eq!(booked.tickets[0].barcode, "V-1");
    let csv =
        theatre.asked("POST", path, &[("content-type", "text/csv; charset=utf-8")], "code_barre;rang\nV-1;A\nV-3;B\n");
    assert_eq!((csv.2["imported"].as_u64(), codes(&csv.2)), (Some(1), vec![(2, "already_imported".to_owned())]));
    assert_eq!(csv.2["free"], 2);
    let many: Vec<String> = (0..50_001).map(|number| number.to_string()).collect();
    assert_eq!(theatre.call("POST", path, json!(many)).code(), (413, "TooMany"));
    let most = theatre.good("POST", path, json!(many[..5_000]));
    assert_eq!((most["imported"].as_u64(), most["free"].as_u64()), (Some(5_000), Some(5_002)));
    assert_eq!(theatre.call("POST", "/vendor/v1/stocks/nowhere/barcodes", json!([])).code(), (404, "NoSuchStock"));
    let xml = theatre.asked("POST", path, &[("content-type", "text/xml")], "<a/>");
    assert_eq!(xml.code(), (415, "WrongContentType"));
    assert_eq!(
        theatre.asked("POST", path, &[("content-type", "text/csv")], "a;b\n1;2").code(),
        (422, "NoBarcodeColumn")
    );
    assert_eq!(theatre.call("POST", path, json!({})).code(), (422, "Invalid"));
}

#[test]
fn every_refusal_says_why_and_touches_nothing() {
    let theatre = Theatre::open();
    theatre.play(json!(2));
    let event = "/vendor/v1/events/mouette";
    for token in [None, Some("nobody"), Some("")] {
        let answer = theatre.once("PUT", event, token, &[], &play().to_string());
        assert_eq!(answer.code(), (401, "Unauthorized"));
    }
    let mut elsewhere = play();
    for (venue, expected) in [
        (json!(OTHER_VENUE), 403),
        (json!("85331845900056"), 403),
        (json!("elsewhere"), 403),
        (json!("SIRET 853 318 459 00056"), 403),
        (json!(CONNECTION), 200),
        (json!(VENUE.to_string()), 200),
        (json!("Grande salle"), 200),
    ] {
        elsewhere["venue"] = venue.clone();
        assert_eq!(theatre.call("PUT", event, elsewhere.clone()).0, expected, "{venue}");
    }
    let odd_id = "%E2%80%AE";
    for (method, path, body, expected) in [
        ("PUT", event.to_owned(), json!({ "title": "" }), (422, "Invalid")),
        ("PUT", event.to_owned(), json!([]), (422, "Invalid")),
        ("PUT", "/vendor/v1/events/%20a".to_owned(), play(), (422, "BadId")),
        ("PUT", format!("/vendor/v1/events/{odd_id}"), play(), (422, "BadId")),
        ("PUT", format!("/vendor/v1/events/{}", "k".repeat(101)), play(), (422, "BadId")),
        ("PUT", format!("{event}/stocks/s2"), json!({ "remaining": 1 }), (422, "Invalid")),
        ("PUT", format!("{event}/stocks/a%00b"), stock(json!(1), None), (422, "BadId")),
        ("PUT", "/vendor/v1/events/nowhere/stocks/s2".to_owned(), stock(json!(1), None), (404, "NoSuchEvent")),
        ("DELETE", format!("{event}/stocks/s2"), Value::Null, (404, "NoSuchStock")),
        ("PATCH", "/vendor/v1/stocks".to_owned(), json!({}), (422, "Invalid")),
        ("PATCH", "/vendor/v1/stocks".to_owned(), json!(vec![1; 501]), (413, "TooMany")),
        ("GET", "/vendor/v1/bookings".to_owned(), Value::Null, (400, "NoStock")),
        ("GET", "/vendor/v1/bookings?stock_id=s1&limit=x".to_owned(), Value::Null, (400, "BadQuery")),
        ("POST", "/vendor/v1/bookings/bk_AAAAAAAAAAAA/use".to_owned(), json!({}), (404, "NoSuchBooking")),
        ("POST", "/vendor/v1/bookings/x/cancel".to_owned(), json!({}), (404, "NoSuchBooking")),
        ("GET", event.to_owned(), Value::Null, (405, "WrongMethod")),
        ("POST", "/vendor/v1/nothing".to_owned(), Value::Null, (404, "NotFound")),
    ] {
        let answer = theatre.call(method, &path, body);
        assert_eq!(answer.code(), expected, "{method} {path}: {}", answer.2);
        assert!(answer.2["message"].as_str().is_some_and(|message| message.len() > 10), "{path}: {}", answer.2);
    }
    assert_eq!(theatre.asked("PUT", event, &[], "{\"title\":").code(), (400, "NotJson"));
    assert_eq!(theatre.asked("PUT", event, &[], &"x".repeat(200_000)).code(), (413, "TooLarge"));
    // Another event cannot take the stock, and another venue's software sees nothing of it.
    theatre.good("PUT", "/vendor/v1/events/other", play());
    let taken = theatre.call("PUT", "/vendor/v1/events/other/stocks/s1", stock(json!(1), Some(9)));
    assert_eq!(taken.code(), (409, "OtherEvent"));
    let theirs = theatre.once("DELETE", &format!("{event}/stocks/s1"), Some(OTHER_TOKEN), &[], "");
    assert_eq!(theirs.code(), (404, "NoSuchStock"));
    let booked = theatre.cinema.book(0, theatre.published("s1"), 1).unwrap();
    assert!(!booked.tickets.is_empty());
    let list = theatre.good("GET", "/vendor/v1/bookings?stock_id=s1", Value::Null);
    let id = list["bookings"][0]["booking_id"].as_str().unwrap();
    let theirs = theatre.once("POST", &format!("/vendor/v1/bookings/{id}/cancel"), Some(OTHER_TOKEN), &[], "{}");
    assert_eq!(theirs.code(), (404, "NoSuchBooking"));
    let unknown = theatre.call("POST", &format!("/vendor/v1/bookings/{id}/use"), json!({ "barcodes": ["nobody's"] }));
    assert_eq!(unknown.code(), (404, "NoSuchTicket"));
}

#[test]
fn a_repeated_call_is_answered_as_it_was_and_too_many_are_told_to_wait() {
    let theatre = Theatre::open();
    theatre.play(json!(2));
    let path = "/vendor/v1/stocks/s1/barcodes";
    let keyed = |key: &str, body: &str| theatre.asked("POST", path, &[("idempotency-key", key)], body);
    let first = keyed("k1", "[\"V-1\"]");
    assert_eq!((first.0, first.2["imported"].as_u64()), (200, Some(1)));
    let again = keyed("k1", "[\"V-1\"]");
    assert_eq!((again.0, &again.2), (200, &first.2), "not a duplicate of itself");
    assert_eq!(keyed("k1", "[\"V-2\"]").code(), (422, "IdempotencyKeyReused"));
    assert_eq!(keyed(&"k".repeat(201), "[]").code(), (400, "BadIdempotencyKey"));
    assert_eq!(keyed("k2", "[\"V-1\"]").2["refused"][0]["code"], "already_imported");

    let mut limited = None;
    until("a refusal for too many calls", || {
        let answer = theatre.once("GET", "/vendor/v1/bookings?stock_id=s1", Some(TOKEN), &[], "");
        if answer.0 == 429 {
            limited = Some(answer);
        }
        limited.is_some()
    });
    let limited = limited.unwrap();
    assert_eq!((limited.code(), limited.1.as_deref()), ((429, "TooManyCalls"), Some("1")));
    let other = theatre.once("GET", "/vendor/v1/bookings?stock_id=s1", Some(OTHER_TOKEN), &[], "");
    assert_eq!(other.0, 200, "each token has its own");
}
