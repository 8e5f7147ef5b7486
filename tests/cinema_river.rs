//! Both rivers of a cinema with real processes: its programme goes to pass Culture, a beneficiary's booking takes a real seat,
//! a cancellation frees it. The same for every box office.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod cinema;

use std::time::{Duration, Instant};

use cinema::{ALL, CONNECTION, Cinema, Which};
use passerelle_testkit::simulator::Fault;
use serde_json::Value;

fn only(bookings: &[Value]) -> &Value {
    assert_eq!(bookings.len(), 1, "{bookings:#?}");
    &bookings[0]
}

#[test]
fn a_booking_becomes_a_real_seat_and_a_cancellation_frees_it() {
    for which in ALL {
        let cinema = Cinema::new(which);
        let _server = cinema.open();
        let [open, ..] = cinema.shows();
        let stock = cinema.stock(open);
        let before = cinema.places(stock);
        assert_eq!(before.is_some(), which.counts(), "{which:?}");
        let booked = cinema.book(0, stock, 2).unwrap_or_else(|why| panic!("{which:?}: {why}"));
        assert_eq!((booked.quantity, booked.tickets.len(), cinema.vendor.seats_sold()), (2, 2, 2), "{which:?}");
        let numbered = booked.tickets.iter().filter(|ticket| ticket.seat.is_some()).count();
        assert_eq!(numbered, if which.numbers_seats() { 2 } else { 0 }, "{which:?}: {booked:?}");
        assert_eq!(cinema.places(stock), before.map(|places| places - 2), "{which:?}");
        let bookings = cinema.bookings();
        let booking = only(&bookings);
        assert_eq!((booking["state"].as_str(), booking["quantity"].as_u64()), (Some("booked"), Some(2)));
        assert_eq!(booking["connection"], CONNECTION);
        assert_eq!(booking["stock_id"].as_u64(), Some(stock));
        assert_eq!(booking["needs_human"], false);
        assert_eq!(booking["barcodes"].as_array().unwrap().len(), 2);
        // One timeline, found by the barcode too.
        let told = cinema.run(&["explain", booking["barcodes"][0].as_str().unwrap()]);
        let codes: Vec<&str> = told.iter().filter_map(|line| line["code"].as_str()).collect();
        assert!(codes.starts_with(&["message", "selling", "outcome"]), "{codes:?}");

        cinema.block_on(cinema.sandbox.cancel_and_wait(booked.id)).unwrap();
        assert_eq!((cinema.vendor.seats_sold(), cinema.places(stock)), (0, before), "{which:?}");
        assert_eq!(only(&cinema.bookings())["state"], "cancelled");
        // A pass beside it changes nothing: what the vendor says is what pass Culture has.
        let summary = cinema.run(&["sync", CONNECTION]).pop().unwrap();
        assert_eq!(
            (summary["change"].as_u64(), summary["pushed"].as_u64()),
            (Some(0), Some(0)),
            "{which:?}: {summary}"
        );
    }
}

#[test]
fn an_adapter_is_not_changed_under_an_id_whose_tickets_are_live() {
    let cinema = Cinema::new(Which::Boost);
    let _server = cinema.open();
    let [open, ..] = cinema.shows();
    let booked = cinema.book(0, cinema.stock(open), 2).unwrap();
    let before = std::fs::read_to_string(cinema.path("passerelle.toml")).unwrap();
    let head = before.split_once("adapter = ").unwrap().0;
    let changed = format!(
        "{head}adapter = \"webhook\"\nvenue = 535\n[connection.settings]\nmode = \"pull\"\napi_token = {{ file = \"secret\" }}\n\
         duo = true\n"
    );
    std::fs::write(cinema.path("passerelle.toml"), &changed).unwrap();
    for command in [&["apply"][..], &["sync", CONNECTION], &["serve"]] {
        let (code, _, stderr) = cinema.ran(command);
        assert_eq!(code, 78, "{command:?}: {stderr}");
        assert!(stderr.contains("LiveTickets") && stderr.contains("another id"), "{command:?}: {stderr}");
    }
    // Its seats are still freed by the adapter that sold them; then nothing is in the way.
    cinema.block_on(cinema.sandbox.cancel_and_wait(booked.id)).unwrap();
    assert_eq!(cinema.vendor.seats_sold(), 0);
    let (code, _, stderr) = cinema.ran(&["apply"]);
    assert!(code != 78 && !stderr.contains("LiveTickets"), "{code}: {stderr}");
}

#[test]
fn an_unsigned_hint_brings_a_pass_and_nothing_else() {
    let cinema = Cinema::new(Which::Pretix);
    let server = cinema.open();
    let [open, ..] = cinema.shows();
    let stock = cinema.stock(open);
    cinema.vendor.set_places(open, 7);
    let hint = |connection: &str, body: &str| {
        let request = reqwest::Client::new().post(format!("{}/hints/{connection}", server.base)).body(body.to_owned());
        cinema.block_on(request.send()).unwrap().status().as_u16()
    };
    // What it says is not even read.
    assert_eq!(hint(CONNECTION, "{\"action\": \"pretix.event.deleted\", \"event\": \"all\""), 202);
    cinema::until("the new number", || cinema.places(stock) == Some(7));
    assert_eq!((hint(CONNECTION, ""), hint("nobody", "")), (202, 404));
}

#[test]
fn a_programme_is_on_sale_within_one_sync_and_a_second_sends_nothing() {
    for which in ALL {
        let cinema = Cinema::new(which);
        let _server = cinema.open();
        let offers = cinema.sandbox.offers();
        let dates: usize = offers.iter().map(|offer| offer.dates.len()).sum();
        // Boost hides the full show; the others list it.
        let expected = match which {
            Which::Boost | Which::Ems => (3, 6),
            Which::Cds | Which::Cgr => (3, 7),
            // Two tariffs of six sessions, or three of seven dates; one of those that have only one.
            Which::Billetweb => (2, 13),
            Which::Pretix => (2, 23),
        };
        assert_eq!((offers.len(), dates), expected, "{which:?}: {offers:#?}");
        let summary = cinema.run(&["sync", CONNECTION]).pop().unwrap();
        assert_eq!((summary["requests"].as_u64(), summary["unchanged"].as_u64()), (Some(0), Some(dates as u64)));
    }
}

#[test]
fn sold_out_one_left_and_vanished_are_told_as_pass_culture_expects() {
    for which in ALL {
        let cinema = Cinema::new(which);
        let _server = cinema.open();
        let [open, five, last, _] = cinema.shows();
        let (open, five, last_stock) = (cinema.stock(open), cinema.stock(five), cinema.stock(last));
        // Sold at the till meanwhile: pass Culture learns it from the refusals.
        cinema.vendor.set_places(cinema.shows()[1], 1);
        cinema.vendor.set_places(cinema.shows()[2], 0);
        cinema.book(0, five, 2).unwrap_err();
        // A vendor without counts only says that it has not enough: nothing is sold until it says otherwise.
        assert_eq!(cinema.places(five), Some(u32::from(which.counts())), "{which:?}");
        if which.counts() {
            cinema.book(1, five, 1).unwrap();
            assert_eq!(cinema.places(five), Some(0), "{which:?}");
        }
        cinema.book(2, last_stock, 1).unwrap_err();
        assert_eq!(cinema.places(last_stock), Some(0), "{which:?}");
        // Vanished.
        cinema.vendor.remove_show(cinema.shows()[0]);
        cinema.book(3, open, 1).unwrap_err();
        assert_eq!(cinema.places(open), Some(0), "{which:?}");
        let states: Vec<String> =
            cinema.bookings().iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect();
        assert_eq!(
            states.iter().filter(|state| *state == "booked").count(),
            usize::from(which.counts()),
            "{which:?}: {states:?}"
        );
        assert_eq!(states.iter().filter(|state| *state == "refused").count(), 3, "{which:?}: {states:?}");
    }
}

#[test]
fn a_vendor_that_hangs_is_answered_for_in_time_and_its_late_seat_is_freed() {
    for which in ALL {
        let cinema = Cinema::new(which);
        let _server = cinema.open();
        let stock = cinema.stock(cinema.shows()[0]);
        let (selling, _) = cinema.vendor.selling();
        // Its answer is lost although it sold.
        for _ in 0..cinema.vendor.before_selling() {
            cinema.vendor.faults().next(selling, 1, Fault::Delay(Duration::ZERO));
        }
        cinema.vendor.faults().next(selling, 1, Fault::AfterEffect(Box::new(Fault::Hang)));
        let began = Instant::now();
        cinema.book(0, stock, 2).unwrap_err();
        assert!(began.elapsed() < Duration::from_millis(7_000), "{which:?}: {:?}", began.elapsed());
        assert_eq!(cinema.vendor.seats_sold(), 2);
        cinema.run(&["bookings", "settle", "--now"]);
        if which.finds() {
            // The vendor is asked for our order until it tells; then the seats are given back.
            for _ in 0..4 {
                cinema.run(&["bookings", "settle", "--now"]);
            }
            assert_eq!((only(&cinema.bookings())["state"].as_str(), cinema.vendor.seats_sold()), (Some("released"), 0));
            continue;
        }
        let bookings = cinema.bookings();
        let booking = only(&bookings);
        // No way to look a sale up: a person is told which seats, of which show, when.
        assert_eq!((booking["state"].as_str(), booking["needs_human"].as_bool()), (Some("operator"), Some(true)));
        let reason = booking["reason"].as_str().unwrap();
        assert!(reason.contains("look for"), "{reason}");
    }
}

#[test]
fn messages_that_are_not_believed_touch_no_vendor_and_store_nothing() {
    let cinema = Cinema::new(Which::Boost);
    let server = cinema.open();
    let calls = cinema.vendor.log().len();
    let client = reqwest::Client::new();
    let post = |path: &str, signature: Option<&str>, body: Vec<u8>| {
        let mut request =
            client.post(format!("{}{path}", server.base)).body(body).header("content-type", "application/json");
        if let Some(signature) = signature {
            request = request.header("PassCulture-Signature", signature);
        }
        let response = cinema.block_on(async { request.send().await.unwrap() });
        let status = response.status().as_u16();
        (status, cinema.block_on(response.text()).unwrap())
    };
    let sign = |inner: &str| {
        (
            passerelle::sandbox::message::wire_body(inner),
            passerelle::sandbox::message::signature(cinema::HMAC_KEY, inner),
        )
    };
    let (body, right) = sign(r#"{"barcodes": ["sale-1"]}"#);
    let wrong = "0".repeat(64);
    for path in ["/passculture/booking", "/passculture/cancellation", "/passculture/notification"] {
        assert_eq!(post(path, None, body.clone().into()).0, 401);
        assert_eq!(post(path, Some(&wrong), body.clone().into()).0, 401);
        assert_eq!(post(path, Some(&right), b"garbage".to_vec()).0, 400);
        let over_raw = passerelle::sandbox::message::signature(cinema::HMAC_KEY, &body);
        assert_eq!(post(path, Some(&over_raw), body.clone().into()).0, 401);
        let large = vec![b' '; 70_000];
        assert_eq!(post(path, Some(&right), large).0, 413);
    }
    // A cancellation on the other routes, and of a barcode that nobody was given.
    assert_eq!(post("/passculture/booking", Some(&right), body.clone().into()).0, 400);
    assert_eq!(post("/passculture/notification", Some(&right), body.clone().into()).0, 400);
    let (status, text) = post("/passculture/cancellation", Some(&right), body.clone().into());
    assert!(status == 404 && text.len() < 100, "{status} {text}");
    assert_eq!(post("/passculture/nobody/cancellation", Some(&right), body.into()).0, 404);
    assert_eq!(cinema.vendor.log().len(), calls, "a vendor was called");
    assert!(cinema.bookings().is_empty());
}

#[test]
fn a_mistyped_category_is_told_with_the_offers_that_it_keeps_back() {
    let theatre = Cinema::new(Which::Pretix);
    let _server = theatre.open();
    let config = std::fs::read_to_string(theatre.path("passerelle.toml")).unwrap();
    let mistyped = config.replace("SPECTACLE_REPRESENTATION", "SPECTACLE").replace("passerelle.db", "another.db");
    std::fs::write(theatre.path("passerelle.toml"), mistyped).unwrap();
    let (code, _, told) = theatre.ran(&["sync", CONNECTION]);
    assert!(code == 1 && told.contains("quarantine list --rejected"), "{code} {told}");
    let rejected = theatre.run(&["quarantine", "list", "--rejected", CONNECTION]);
    let keys: Vec<&str> = rejected.iter().filter_map(|line| line["key"].as_str()).collect();
    assert_eq!(keys, ["pretix:film:fanfare", "pretix:film:mouette"], "{rejected:#?}");
    assert!(
        rejected.iter().all(|line| line["message"].as_str().is_some_and(|text| text.contains("category"))),
        "{rejected:#?}"
    );
}

#[test]
fn a_vanished_show_with_tickets_is_closed_and_one_without_is_gone() {
    for which in ALL {
        let cinema = Cinema::new(which);
        let _server = cinema.open();
        let [open, five, ..] = cinema.shows();
        let (open_stock, five_stock) = (cinema.stock(open), cinema.stock(five));
        cinema.book(0, open_stock, 1).unwrap();
        cinema.vendor.remove_show(open);
        cinema.vendor.remove_show(five);
        for _ in 0..2 {
            // What changed since says nothing of what is gone.
            let full: &[&str] =
                if which == Which::Ems { &["sync", CONNECTION, "--full"] } else { &["sync", CONNECTION] };
            cinema.run(full);
        }
        if which == Which::Pretix {
            // Three tariffs a date: more than may leave without a word.
            cinema.run(&["sync", CONNECTION, "--release"]);
        }
        assert_eq!(cinema.places(open_stock), Some(0), "{which:?}");
        let gone =
            cinema.sandbox.offers().iter().flat_map(|offer| &offer.dates).all(|date| date.stock_id != five_stock);
        assert!(gone, "{which:?}");
        assert_eq!(cinema.seats_believed(), 1);
    }
}

#[test]
fn a_date_that_was_deleted_without_a_word_has_its_tickets_freed() {
    for which in ALL {
        let cinema = Cinema::new(which);
        let _server = cinema.open();
        let stock = cinema.stock(cinema.shows()[0]);
        cinema.book(0, stock, 2).unwrap();
        cinema.run(&["bookings", "settle", "--now"]);
        assert_eq!((only(&cinema.bookings())["confirmed"].as_bool(), cinema.vendor.seats_sold()), (Some(true), 2));
        // Somebody deletes the date in pass Culture's portal: its bookings are cancelled, and nobody is told.
        let offer =
            cinema.sandbox.offers().into_iter().find(|offer| offer.dates.iter().any(|date| date.stock_id == stock));
        let url =
            format!("{}/public/offers/v1/events/{}/dates/{stock}", cinema.sandbox.base_url(), offer.unwrap().offer_id);
        let client = reqwest::Client::new();
        let deleted = cinema.block_on(async { client.delete(url).bearer_auth(cinema::API_KEY).send().await.unwrap() });
        assert!(deleted.status().is_success());
        assert_eq!(cinema.vendor.seats_sold(), 2);
        cinema.run(&["bookings", "settle", "--now"]);
        assert_eq!((only(&cinema.bookings())["state"].as_str(), cinema.vendor.seats_sold()), (Some("cancelled"), 0));
    }
}

#[test]
fn nothing_of_a_person_and_no_secret_is_ever_written_down() {
    for which in ALL {
        let cinema = Cinema::new(which);
        let server = cinema.open();
        let stock = cinema.stock(cinema.shows()[0]);
        let booked = cinema.book(7, stock, 2).unwrap();
        let (selling, _) = cinema.vendor.selling();
        cinema.vendor.faults().next(selling, 1, Fault::Status(500));
        let _refused = cinema.book(8, stock, 1);
        cinema.block_on(cinema.sandbox.cancel_and_wait(booked.id)).unwrap();
        cinema.run(&["bookings", "settle", "--now"]);
        let mut written = cinema.run(&["bookings", "list"]);
        for booking in cinema.bookings() {
            written.extend(cinema.run(&["bookings", "show", booking["reference"].as_str().unwrap()]));
        }
        let metrics = cinema
            .block_on(async { reqwest::get(format!("{}/metrics", server.base)).await.unwrap().text().await.unwrap() });
        assert!(metrics.contains("passerelle_messages_total"), "{metrics}");
        let mut places =
            vec![("what commands say", format!("{written:?}").into_bytes()), ("the metrics", metrics.into_bytes())];
        drop(server);
        for name in ["serve.log", "passerelle.db", "passerelle.db-wal"] {
            places.push((name, std::fs::read(cinema.path(name)).unwrap_or_default()));
        }
        let secret = std::fs::read_to_string(cinema.path("secret")).unwrap();
        let second = std::fs::read_to_string(cinema.path("second-secret")).unwrap();
        let canaries = [
            cinema::API_KEY,
            cinema::HMAC_KEY,
            &secret,
            &second,
            cinema::FIRST_NAME,
            cinema::LAST_NAME,
            cinema::PHONE,
            "personne7",
            "personne8",
        ];
        assert!(places.iter().any(|(name, bytes)| *name == "serve.log" && bytes.len() > 1_000), "the log is empty");
        for (place, bytes) in &places {
            for canary in canaries {
                let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
                assert!(!found, "{which:?}: `{canary}` stands in {place}");
            }
        }
    }
}

#[test]
fn a_clock_ten_minutes_off_harms_no_booking() {
    for offset in [600, -600] {
        let cinema = Cinema::new(Which::Cds);
        let settings = passerelle::sandbox::Settings { clock_offset_seconds: offset, ..cinema.sandbox.settings() };
        cinema.sandbox.set_settings(settings);
        let _server = cinema.open();
        let stock = cinema.stock(cinema.shows()[0]);
        let booked = cinema.book(0, stock, 1).unwrap();
        cinema.run(&["bookings", "settle", "--now"]);
        let bookings = cinema.bookings();
        assert_eq!(
            (only(&bookings)["state"].as_str(), only(&bookings)["confirmed"].as_bool()),
            (Some("booked"), Some(true))
        );
        cinema.block_on(cinema.sandbox.cancel_and_wait(booked.id)).unwrap();
        assert_eq!(cinema.vendor.seats_sold(), 0);
    }
}

#[test]
fn a_vendor_that_hangs_delays_nobody_elses_bookings() {
    let cinema = Cinema::new(Which::Cds);
    let other = cinema.block_on(passerelle_boost::simulator::BoostSimulator::start()).unwrap();
    std::fs::write(cinema.path("other"), passerelle_boost::simulator::PASSWORD).unwrap();
    *cinema.more.lock().unwrap() = format!(
        "[[connection]]\nid = \"other\"\nadapter = \"boost\"\nvenue = {}\nevery = \"1m\"\n[connection.settings]\nbase_url = \"{}\"\n\
         username = \"{}\"\npassword = {{ file = \"other\" }}\ntimeout_seconds = 30\n",
        cinema::OTHER_VENUE,
        other.base_url(),
        passerelle_boost::simulator::USERNAME
    );
    cinema.configure("sqlite:passerelle.db", None);
    let _server = cinema.open();
    cinema.run(&["sync", "other"]);
    let (fine, stuck) = (cinema.stock(cinema.shows()[0]), cinema.stock(70_231));
    // A pass that hangs, and bookings that hang behind it.
    passerelle_testkit::simulator::Simulator::faults(&other).always(Fault::Hang);
    let mut pass = cinema.command(&["sync", "other"]).spawn().unwrap();
    let took = cinema.block_on(async {
        use passerelle::sandbox::Bookable;
        let email = cinema::person(30);
        let slow = cinema.sandbox.book_and_wait(&email, Bookable::Stock(stuck), 1);
        let quick = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let mut longest = Duration::ZERO;
            for number in 0..10 {
                let began = Instant::now();
                cinema.sandbox.book_and_wait(&cinema::person(number), Bookable::Stock(fine), 1).await.unwrap();
                longest = longest.max(began.elapsed());
            }
            longest
        };
        let (refused, longest) = tokio::join!(slow, quick);
        refused.unwrap_err();
        longest
    });
    pass.kill().unwrap();
    pass.wait().unwrap();
    println!("the slowest of ten bookings beside a hanging vendor took {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}
