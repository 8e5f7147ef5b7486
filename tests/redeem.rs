//! Countermarks redeemed against the sandbox, below the web: what is answered, what is changed, and what is logged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use axum::http::StatusCode;

use passerelle::countermarks::{ANSWER_WITHIN, Counter, Redeemed, Refusal, Refused, State};
use passerelle::passculture::{Client, Settings, Token};
use passerelle::sandbox::{self, Bookable, BookingTruth, Fault, FaultBody, FaultEffect, Sandbox, Seed};
use passerelle::store::countermarks::{CountermarkRow, Deed};
use passerelle::store::{self, Store};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

const VENUE: i64 = 535;
const NEIGHBOUR: i64 = 536;
const KEY: &str = "test_key";
const EANS: [&str; 3] = ["9782070286256", "9782330133306", "9782070658398"];
const ACTIONS: [Option<Deed>; 4] = [None, Some(Deed::Use), Some(Deed::Keep), Some(Deed::Cancel)];
const USE_PATH: &str = "/public/bookings/v1/use/token/";
const SHOW_PATH: &str = "/public/bookings/v1/token/";

/// Everything that this process logged, at the loudest.
static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOGGED.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn keep_the_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt().with_env_filter("trace").with_ansi(false).with_writer(|| Log).init();
    });
}

/// A sandbox with two venues, a store, and the client of the account that serves both.
struct Stage {
    sandbox: Sandbox,
    store: Arc<dyn Store>,
    client: Client,
    tokens: Mutex<Vec<String>>,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        keep_the_log();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let products: Vec<Value> = EANS.iter().map(|ean| json!({"ean": ean, "name": "Un livre"})).collect();
        let people: Vec<Value> = (0..20)
            .map(|number| json!({"email": format!("p{number}@example.org"), "first_name": "Prénomtest"}))
            .collect();
        let seed = json!({
            "accounts": [{"name": "default", "api_key": KEY, "hmac_key": "test_hmac"}],
            "venues": [
                {"id": VENUE, "siret": "85331845900049", "name": "Librairie", "postal_code": "29200"},
                {"id": NEIGHBOUR, "siret": "73282932000074", "name": "Annexe", "postal_code": "29200"},
            ],
            "products": products,
            "beneficiaries": people,
        });
        let settings = sandbox::Settings { upsert_delay_ms: 0, ..sandbox::Settings::default() };
        let seed = Seed::from_json(&seed.to_string()).unwrap();
        let sandbox = Sandbox::start_with(([127, 0, 0, 1], 0).into(), seed, settings).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = store::open(&format!("sqlite:{}", folder.path().join("store.db").display())).await.unwrap();
        let settings = Settings {
            base_url: sandbox.base_url().parse().unwrap(),
            api_key: KEY.into(),
            account: "default".into(),
            requests_per_minute: 60_000,
        };
        let client = Client::new(settings, Arc::new(Arc::clone(&store)), Arc::new(passerelle::clock::now)).unwrap();
        Self { sandbox, store, client, tokens: Mutex::default(), _folder: folder }
    }

    async fn north(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.request(method, self.sandbox.base_url() + path).bearer_auth(KEY);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }

    /// A book of a venue, booked by somebody.
    async fn booked(&self, venue: i64, book: usize) -> (BookingTruth, Token) {
        let body = json!({"location": {"type": "physical", "venueId": venue},
            "products": [{"ean": EANS[book], "stock": {"price": 790, "quantity": 50}}]});
        assert_eq!(self.north(Method::POST, "/public/offers/v1/products/ean", Some(body)).await.0, 204);
        self.sandbox.settled().await;
        let offer = self.sandbox.offer_by_ean(u32::try_from(venue).unwrap(), EANS[book]).unwrap().offer_id;
        self.book(Bookable::Offer(offer))
    }

    fn book(&self, what: Bookable) -> (BookingTruth, Token) {
        let person = format!("p{}@example.org", self.tokens.lock().unwrap().len());
        let booking = self.sandbox.book(&person, what, 1).unwrap();
        self.tokens.lock().unwrap().push(booking.token.clone());
        let token = Token::read(&booking.token).unwrap();
        (booking, token)
    }

    /// A date of an event of the venue.
    async fn date(&self, has_ticket: bool) -> Bookable {
        let event = json!({
            "name": "Une rencontre", "location": {"type": "physical", "venueId": VENUE}, "hasTicket": has_ticket,
            "categoryRelatedFields": {"category": "CONFERENCE", "speaker": "Une autrice"},
            "accessibility": {"audioDisabilityCompliant": true, "mentalDisabilityCompliant": false,
                              "motorDisabilityCompliant": true, "visualDisabilityCompliant": false},
            "priceCategories": [{"label": "Plein tarif", "price": 1500}],
        });
        let (status, made) = self.north(Method::POST, "/public/offers/v1/events", Some(event)).await;
        assert_eq!(status, 200, "{made}");
        let date = json!({"dates": [{"beginningDatetime": "2031-05-01T18:30:00Z", "bookingLimitDatetime": "2031-05-01T18:30:00Z",
            "priceCategoryId": made["priceCategories"][0]["id"], "quantity": 10}]});
        let path = format!("/public/offers/v1/events/{}/dates", made["id"]);
        let (status, made) = self.north(Method::POST, &path, Some(date)).await;
        assert_eq!(status, 200, "{made}");
        Bookable::Stock(made["dates"][0]["id"].as_u64().unwrap())
    }

    async fn redeem(&self, venue: i64, token: &Token, deed: Option<Deed>) -> Result<Redeemed, Refused> {
        let counter = Counter { store: &*self.store, client: &self.client, venue, now: passerelle::clock::now };
        counter.redeem(token, deed, Instant::now()).await
    }

    async fn ok(&self, token: &Token, deed: Option<Deed>) -> (State, bool) {
        let redeemed = self.redeem(VENUE, token, deed).await.unwrap_or_else(|refused| panic!("{deed:?}: {refused:?}"));
        (redeemed.state, redeemed.already)
    }

    async fn no(&self, venue: i64, token: &Token, deed: Option<Deed>) -> Refusal {
        self.redeem(venue, token, deed).await.expect_err("refused").refusal
    }

    /// Somebody else does it: the portal, or another provider.
    async fn elsewhere(&self, token: &Token, deed: Deed) {
        let path = format!("/public/bookings/v1/{}/token/{}", deed.name(), token.expose());
        assert_eq!(self.north(Method::PATCH, &path, None).await.0, 204);
        self.sandbox.forget_requests();
    }

    async fn reimburse(&self, booking: &BookingTruth) {
        let path = format!("/_sandbox/bookings/{}/reimburse", booking.id);
        assert_eq!(self.north(Method::POST, &path, None).await.0, 200);
    }

    /// Changes asked of pass Culture since its log was last forgotten.
    fn changes(&self) -> usize {
        self.sandbox.requests().iter().filter(|request| request.method == "PATCH").count()
    }

    fn status(&self, booking: &BookingTruth) -> &'static str {
        self.sandbox.booking(booking.id).unwrap().status
    }

    fn break_calls(&self, path: &str, count: u32, effect: FaultEffect) {
        assert!(self.sandbox.inject(Fault::next(count, path, effect)));
    }

    /// The end of every test: no countermark and no person came out.
    async fn over(self) {
        let log = String::from_utf8_lossy(&LOGGED.lock().unwrap()).into_owned();
        assert!(log.contains("hyper_util") && log.contains("sqlx"), "the loudest log is looked through");
        for token in self.tokens.lock().unwrap().iter() {
            let place = log.to_uppercase().find(token.as_str());
            assert!(
                place.is_none(),
                "a countermark was logged: {:?}",
                log.get(place.unwrap().saturating_sub(200)..place.unwrap() + 20)
            );
        }
        assert!(!log.contains("Prénomtest"), "a person was logged");
        self.sandbox.stop().await;
    }
}

#[tokio::test]
async fn from_valid_to_cancelled_and_each_step_twice() {
    let stage = Stage::new().await;
    let (booking, token) = stage.booked(VENUE, 0).await;
    let shown = stage.redeem(VENUE, &token, None).await.unwrap();
    let goods = shown.booking.unwrap();
    assert_eq!(
        (shown.state, goods.offer_ean.as_deref(), goods.unit_price_cents, goods.quantity),
        (State::Valid, Some(EANS[0]), Some(790), Some(1))
    );
    assert_eq!(stage.no(VENUE, &token, Some(Deed::Keep)).await, Refusal::NotUsed);
    assert_eq!(stage.ok(&token, Some(Deed::Use)).await, (State::Used, false));
    assert_eq!(stage.status(&booking), "USED");
    assert_eq!(stage.ok(&token, Some(Deed::Use)).await, (State::Used, true));
    assert_eq!(stage.no(VENUE, &token, None).await, Refusal::UsedHere, "what is said of it is true");
    assert_eq!(stage.no(VENUE, &token, Some(Deed::Cancel)).await, Refusal::UsedKeepFirst);
    assert_eq!(stage.ok(&token, Some(Deed::Keep)).await, (State::Valid, false));
    assert_eq!(stage.status(&booking), "CONFIRMED");
    assert_eq!(stage.ok(&token, Some(Deed::Keep)).await, (State::Valid, true));
    assert_eq!(stage.ok(&token, Some(Deed::Cancel)).await, (State::Cancelled, false));
    assert_eq!(stage.status(&booking), "CANCELLED");
    assert_eq!(stage.ok(&token, Some(Deed::Cancel)).await, (State::Cancelled, true));
    assert_eq!(stage.no(VENUE, &token, Some(Deed::Use)).await, Refusal::AlreadyCancelled);
    assert_eq!(stage.changes(), 3, "nothing is asked twice");
    stage.over().await;
}

#[tokio::test]
async fn another_venues_countermark_is_not_touched_whatever_is_asked() {
    let stage = Stage::new().await;
    let (booking, token) = stage.booked(NEIGHBOUR, 0).await;
    for action in ACTIONS {
        assert_eq!(stage.no(VENUE, &token, action).await, Refusal::NotFound, "{action:?}");
    }
    assert_eq!((stage.status(&booking), stage.changes()), ("CONFIRMED", 0));

    // Used and nobody here knows whose: nothing is changed, and only that it is used is told.
    stage.elsewhere(&token, Deed::Use).await;
    for (action, told) in ACTIONS.into_iter().zip([
        Refusal::AlreadyUsed,
        Refusal::AlreadyUsed,
        Refusal::OnlyInThePortal,
        Refusal::OnlyInThePortal,
    ]) {
        assert_eq!(stage.no(VENUE, &token, action).await, told, "{action:?}");
    }
    assert_eq!((stage.status(&booking), stage.changes()), ("USED", 0));

    // Its own venue has been here: from then on it looks like none to the other.
    let (second, token) = stage.booked(NEIGHBOUR, 1).await;
    assert!(stage.redeem(NEIGHBOUR, &token, Some(Deed::Use)).await.is_ok());
    stage.sandbox.forget_requests();
    for action in ACTIONS {
        assert_eq!(stage.no(VENUE, &token, action).await, Refusal::NotFound, "{action:?}");
    }
    assert_eq!((stage.status(&second), stage.changes()), ("USED", 0));
    assert!(stage.redeem(NEIGHBOUR, &token, Some(Deed::Use)).await.unwrap().already);
    stage.over().await;
}

#[tokio::test]
async fn what_was_done_elsewhere_is_told_and_not_claimed() {
    let stage = Stage::new().await;
    for action in ACTIONS {
        assert_eq!(stage.no(VENUE, &Token::read("AAAAAA").unwrap(), action).await, Refusal::NotFound, "{action:?}");
    }
    // Validated in the portal before this venue ever looked.
    let (_, unseen) = stage.booked(VENUE, 0).await;
    stage.elsewhere(&unseen, Deed::Use).await;
    assert_eq!(stage.no(VENUE, &unseen, Some(Deed::Use)).await, Refusal::AlreadyUsed);
    assert_eq!(stage.no(VENUE, &unseen, Some(Deed::Keep)).await, Refusal::OnlyInThePortal);
    // After it looked: it is known to be this venue's.
    let (seen_booking, seen) = stage.booked(VENUE, 0).await;
    assert_eq!(stage.ok(&seen, None).await, (State::Valid, false));
    stage.elsewhere(&seen, Deed::Use).await;
    assert_eq!(stage.no(VENUE, &seen, Some(Deed::Use)).await, Refusal::AlreadyUsed);
    assert_eq!(stage.ok(&seen, Some(Deed::Keep)).await, (State::Valid, false));
    assert_eq!(stage.status(&seen_booking), "CONFIRMED");
    // Ours, then undone and done again by others, which a look between has seen.
    assert_eq!(stage.ok(&seen, Some(Deed::Use)).await, (State::Used, false));
    stage.elsewhere(&seen, Deed::Keep).await;
    assert_eq!(stage.ok(&seen, None).await, (State::Valid, false));
    stage.elsewhere(&seen, Deed::Use).await;
    assert_eq!(stage.no(VENUE, &seen, Some(Deed::Use)).await, Refusal::AlreadyUsed);
    // Cancelled by its beneficiary.
    let (cancelled_booking, cancelled) = stage.booked(VENUE, 1).await;
    assert!(stage.sandbox.cancel(cancelled_booking.id));
    for action in ACTIONS {
        assert_eq!(stage.no(VENUE, &cancelled, action).await, Refusal::AlreadyCancelled, "{action:?}");
    }
    // Paid.
    let (paid_booking, paid) = stage.booked(VENUE, 2).await;
    assert_eq!(stage.ok(&paid, Some(Deed::Use)).await, (State::Used, false));
    stage.reimburse(&paid_booking).await;
    for action in ACTIONS {
        assert_eq!(stage.no(VENUE, &paid, action).await, Refusal::Reimbursed, "{action:?}");
    }
    stage.over().await;
}

#[tokio::test]
async fn a_seat_that_may_still_be_given_back_is_not_validated() {
    let stage = Stage::new().await;
    let (booking, token) = stage.book(stage.date(false).await);
    stage.sandbox.forget_requests();
    for (action, told) in ACTIONS.into_iter().zip([
        Refusal::NotYetUsable,
        Refusal::NotYetUsable,
        Refusal::NotUsed,
        Refusal::OnlyInThePortal,
    ]) {
        assert_eq!(stage.no(VENUE, &token, action).await, told, "{action:?}");
    }
    assert_eq!((stage.status(&booking), stage.changes()), ("CONFIRMED", 0));
    let later = sandbox::Settings { clock_offset_seconds: 3 * 86_400, ..stage.sandbox.settings() };
    stage.sandbox.set_settings(later);
    assert_eq!(stage.no(VENUE, &token, Some(Deed::Cancel)).await, Refusal::CannotBeCancelled);
    assert_eq!(stage.ok(&token, Some(Deed::Use)).await, (State::Used, false));
    assert_eq!(stage.ok(&token, Some(Deed::Keep)).await, (State::Valid, false));
    stage.over().await;
}

#[tokio::test]
async fn a_lost_answer_is_found_again_by_the_repeat() {
    let stage = Stage::new().await;
    let (booking, token) = stage.booked(VENUE, 0).await;
    for (deed, state, status) in [
        (Deed::Use, State::Used, "USED"),
        (Deed::Keep, State::Valid, "CONFIRMED"),
        (Deed::Cancel, State::Cancelled, "CANCELLED"),
    ] {
        let path = format!("/public/bookings/v1/{}/token/", deed.name());
        stage.break_calls(&path, 1, FaultEffect::CutAfterEffect);
        stage.break_calls(&path, 1, FaultEffect::Cut);
        let lost = stage.redeem(VENUE, &token, Some(deed)).await.unwrap_err();
        assert_eq!(lost.refusal, Refusal::Unreachable, "{deed:?}");
        assert!(lost.retry_after.is_some());
        assert_eq!(stage.status(&booking), status, "it took effect");
        assert_eq!(stage.ok(&token, Some(deed)).await, (state, true), "{deed:?}");
        assert_eq!(stage.ok(&token, Some(deed)).await, (state, true), "{deed:?}");
    }
    // Lost at first and found by the second attempt of the same request.
    let (_, second) = stage.booked(VENUE, 1).await;
    for (deed, state) in [(Deed::Use, State::Used), (Deed::Keep, State::Valid), (Deed::Cancel, State::Cancelled)] {
        let path = format!("/public/bookings/v1/{}/token/", deed.name());
        stage.break_calls(&path, 1, FaultEffect::CutAfterEffect);
        assert_eq!(stage.ok(&second, Some(deed)).await, (state, false), "{deed:?}");
    }
    stage.over().await;
}

#[tokio::test]
async fn what_pass_culture_surely_did_not_do_is_not_claimed_later() {
    let stage = Stage::new().await;
    let (_, token) = stage.booked(VENUE, 0).await;
    let busy = FaultEffect::Status { status: 429, retry_after: Some(3_000), body: FaultBody::Html };
    stage.break_calls(USE_PATH, 1, busy);
    let refused = stage.redeem(VENUE, &token, Some(Deed::Use)).await.unwrap_err();
    assert_eq!(refused.refusal, Refusal::Throttled);
    assert!(refused.retry_after.is_some_and(|seconds| (2_900..=3_001).contains(&seconds)), "{refused:?}");
    let row = stage.store.countermark("default", &token.fingerprint("default")).await.unwrap().unwrap();
    assert_eq!((row.asked, row.done, row.venue_id), (None, None, VENUE));
    // The whole account waits as it was told.
    assert_eq!(stage.no(VENUE, &token, Some(Deed::Use)).await, Refusal::Throttled);
    stage.over().await;
}

#[tokio::test]
async fn pass_culture_down_or_slow_claims_nothing_and_takes_no_time() {
    let stage = Stage::new().await;
    let (booking, token) = stage.booked(VENUE, 0).await;
    for (effect, told) in [
        (FaultEffect::Cut, Refusal::Unreachable),
        (FaultEffect::ServerError, Refusal::Unreachable),
        (FaultEffect::Status { status: 502, retry_after: None, body: FaultBody::Html }, Refusal::Unreachable),
        (FaultEffect::Status { status: 404, retry_after: None, body: FaultBody::Html }, Refusal::AccountRefused),
        (FaultEffect::Status { status: 302, retry_after: None, body: FaultBody::Html }, Refusal::AccountRefused),
        (FaultEffect::Status { status: 418, retry_after: None, body: FaultBody::Html }, Refusal::UnclearAnswer),
        (FaultEffect::Hang, Refusal::TooSlow),
    ] {
        let began = Instant::now();
        stage.break_calls(SHOW_PATH, 2, effect.clone());
        assert_eq!(stage.no(VENUE, &token, Some(Deed::Use)).await, told, "{effect:?}");
        assert!(began.elapsed() < ANSWER_WITHIN, "{effect:?}");
        stage.sandbox.clear_faults();
    }
    assert_eq!(stage.changes(), 0);
    // Done, and never told.
    stage.break_calls(USE_PATH, 1, FaultEffect::TimeoutAfterEffect);
    let began = Instant::now();
    assert_eq!(stage.no(VENUE, &token, Some(Deed::Use)).await, Refusal::TooSlow);
    assert!(began.elapsed() < ANSWER_WITHIN + Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(stage.status(&booking), "USED");
    assert_eq!(stage.ok(&token, Some(Deed::Use)).await, (State::Used, true));
    stage.over().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn equal_requests_at_once_do_one_thing() {
    let stage = Arc::new(Stage::new().await);
    let (booking, token) = stage.booked(VENUE, 0).await;
    for _ in 0..5 {
        for (deed, state) in [(Deed::Use, State::Used), (Deed::Keep, State::Valid)] {
            let tasks: Vec<_> = (0..8)
                .map(|_| {
                    let (stage, token) = (Arc::clone(&stage), token.clone());
                    tokio::spawn(async move { stage.ok(&token, Some(deed)).await })
                })
                .collect();
            let mut first = 0;
            for task in tasks {
                let (reached, already) = task.await.unwrap();
                assert_eq!(reached, state);
                first += u32::from(!already);
            }
            assert_eq!(first, 1, "one of them did it: {deed:?}");
        }
    }
    assert_eq!(stage.status(&booking), "CONFIRMED");
    Arc::into_inner(stage).unwrap().over().await;
}

/// A ticketing that looks at the countermark, and waits for the answer, while pass Culture asks it to void its ticket.
async fn looking_ticketing(stage: &Arc<Stage>, token: &Arc<Mutex<Option<Token>>>, voids: &Arc<AtomicBool>) {
    let (within, token, voids) = (Arc::downgrade(stage), Arc::clone(token), Arc::clone(voids));
    let cancel = axum::routing::post(move || {
        let (within, token, voids) = (within.clone(), Arc::clone(&token), Arc::clone(&voids));
        async move {
            let token = token.lock().unwrap().clone().unwrap();
            let seen = within.upgrade().unwrap().no(VENUE, &token, Some(Deed::Use)).await;
            assert_eq!(seen, Refusal::NotYetUsable);
            let status = if voids.load(Ordering::SeqCst) { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
            (status, axum::Json(json!({"remainingQuantity": 10})))
        }
    });
    let sold = json!({"tickets": [{"barcode": "B1", "seat": "A1"}], "remainingQuantity": 9});
    let book = axum::routing::post(move || std::future::ready(axum::Json(sold.clone())));
    let router = axum::Router::new().route("/booking", book).route("/cancel", cancel);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let urls = json!({"bookingUrl": format!("{base}/booking"), "cancelUrl": format!("{base}/cancel")});
    assert!(stage.north(Method::PATCH, "/public/providers/v1/provider", Some(urls)).await.0 < 300);
}

#[tokio::test]
async fn cancelling_a_ticket_lets_pass_culture_call_us_meanwhile() {
    let stage = Arc::new(Stage::new().await);
    let (token, voids) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
    looking_ticketing(&stage, &token, &voids).await;
    let date = stage.date(true).await;
    let booking = stage.sandbox.book_and_wait("p0@example.org", date, 1).await.unwrap();
    stage.tokens.lock().unwrap().push(booking.token.clone());
    let mark = Token::read(&booking.token).unwrap();
    *token.lock().unwrap() = Some(mark.clone());
    // As after a look before its show was put off: a seat in its time names no venue.
    let row = CountermarkRow {
        account: "default".into(),
        fingerprint: mark.fingerprint("default"),
        venue_id: VENUE,
        asked: None,
        done: None,
        moved_at: passerelle::clock::now(),
    };
    assert!(stage.store.save_countermark(None, &row).await.unwrap());
    // The ticketing refuses: pass Culture breaks down, and nothing is claimed.
    assert_eq!(stage.no(VENUE, &mark, Some(Deed::Cancel)).await, Refusal::Unreachable);
    assert_eq!(stage.status(&booking), "CONFIRMED");
    voids.store(true, Ordering::SeqCst);
    assert_eq!(stage.ok(&mark, Some(Deed::Cancel)).await, (State::Cancelled, false));
    assert_eq!(stage.status(&booking), "CANCELLED");
    assert_eq!(stage.ok(&mark, Some(Deed::Cancel)).await, (State::Cancelled, true));
    Arc::into_inner(stage).unwrap().over().await;
}
