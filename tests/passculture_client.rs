//! The northbound client against a small server that answers by script, with the real store's budget.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use futures_util::stream;
use passerelle::passculture::{
    AfterLostAnswer, Availability, Budget, BudgetError, Client, EanOffer, Millis, NorthError, Publication, RetryPolicy,
    Settings, UpsertError, UpsertOptions,
};
use passerelle::store::{self, Store, Traffic};
use passerelle_contract::{BoxFuture, Cents, Class, Ean, Quantity};
use secrecy::SecretString;

const KEY: &str = "test_prefix_s3cret";
const PROVIDER: &str = r#"{"id":1,"name":"Un Logiciel"}"#;

/// One scripted answer.
enum Reply {
    Plain(u16, Vec<(&'static str, String)>, String),
    /// 200 and a few bytes, then the connection breaks.
    Cut,
    /// 200 and bytes without end.
    Endless,
    /// 200 and a byte now and then, for ever.
    Trickle,
    /// Nothing for a long time.
    Silence,
}

fn status(status: u16) -> Reply {
    Reply::Plain(status, Vec::new(), String::new())
}

fn json(code: u16, body: &str) -> Reply {
    Reply::Plain(code, vec![("content-type", "application/json".into())], body.into())
}

fn stop(after: Option<String>, body: &str) -> Reply {
    Reply::Plain(429, after.map(|value| ("retry-after", value)).into_iter().collect(), body.into())
}

struct Seen {
    at: Instant,
    line: String,
    headers: HeaderMap,
    body: String,
}

#[derive(Clone, Default)]
struct Script {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Script {
    fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    fn line(&self, at: usize) -> String {
        self.seen.lock().unwrap()[at].line.clone()
    }

    fn gap(&self) -> Duration {
        let seen = self.seen.lock().unwrap();
        seen[1].at - seen[0].at
    }
}

async fn answer(State(script): State<Script>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    script.seen.lock().unwrap().push(Seen {
        at: Instant::now(),
        line: format!("{} {}", parts.method, parts.uri),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let reply = script.replies.lock().unwrap().pop_front().expect("more calls than scripted answers");
    match reply {
        Reply::Plain(status, headers, body) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Body::from(body)).unwrap()
        }
        Reply::Cut => Response::new(Body::from_stream(stream::iter([
            Ok(Bytes::from_static(b"{\"id\":")),
            Err(std::io::Error::other("cut")),
        ]))),
        Reply::Endless => {
            let chunk = Bytes::from(vec![b' '; 64 * 1024]);
            Response::new(Body::from_stream(stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()))))
        }
        Reply::Trickle => Response::new(Body::from_stream(stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
        }))),
        Reply::Silence => std::future::pending().await,
    }
}

async fn server(replies: impl IntoIterator<Item = Reply>) -> (SocketAddr, Script) {
    let script = Script { replies: Arc::new(Mutex::new(replies.into_iter().collect())), ..Script::default() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(answer).with_state(script.clone());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, script)
}

fn now() -> Millis {
    jiff::Timestamp::now().as_millisecond()
}

fn settings(base_url: &str) -> Settings {
    Settings {
        base_url: base_url.parse().unwrap(),
        api_key: SecretString::from(KEY),
        account: "default".into(),
        requests_per_minute: 60_000,
    }
}

fn client_with(base_url: &str, budget: Arc<dyn Budget>) -> Result<Client, NorthError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new(settings(base_url), budget, Arc::new(now))
}

async fn memory() -> Arc<dyn Store> {
    store::open("sqlite::memory:").await.unwrap()
}

/// Quick: the bounds of real work, small.
const QUICK: RetryPolicy = RetryPolicy {
    first_delay: Duration::from_millis(5),
    longest_delay: Duration::from_millis(20),
    longest_attempt: Duration::from_millis(500),
    unsaid_stop: Duration::from_millis(100),
    ..RetryPolicy::WORK
};

async fn against(replies: impl IntoIterator<Item = Reply>) -> (Client, Script) {
    let (address, script) = server(replies).await;
    let budget: Arc<dyn Store> = memory().await;
    let client = client_with(&format!("http://{address}"), Arc::new(budget)).unwrap();
    (client.with_policy(QUICK), script)
}

fn ean(text: &str) -> Ean {
    text.parse().unwrap()
}

fn offers() -> [EanOffer; 2] {
    [
        EanOffer { ean: ean("9782070286256"), price: Cents(799), quantity: Quantity::Exactly(3) },
        EanOffer { ean: ean("0602435931975"), price: Cents(1990), quantity: Quantity::Unlimited },
    ]
}

async fn upsert(client: &Client, after_lost_answer: AfterLostAnswer) -> Result<(), UpsertError> {
    client.upsert_eans(535, &offers(), UpsertOptions { publication: Publication::Omitted, after_lost_answer }).await
}

#[tokio::test]
async fn a_call_carries_the_key_and_our_name_and_leaves_figures_behind() {
    let (client, script) = against([json(200, PROVIDER), json(200, PROVIDER)]).await;
    assert_eq!(client.provider().await.unwrap().name, "Un Logiciel");
    let pass = client.counting_anew();
    pass.provider().await.unwrap();
    assert_eq!((client.requests(), pass.requests()), (1, 1));
    assert!(client.clock_skew_ms().unwrap().abs() < 5_000, "{:?}", client.clock_skew_ms());
    assert!(client.last_latency().is_some());
    let seen = script.seen.lock().unwrap();
    assert_eq!(seen[0].line, "GET /public/providers/v1/provider");
    assert_eq!(seen[0].headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(seen[0].headers["user-agent"], concat!("passerelle/", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn an_upsert_is_repeated_after_a_500_within_a_second() {
    let (client, script) = against([json(500, r#"{"global":["aïe"]}"#), status(204)]).await;
    upsert(&client.with_policy(RetryPolicy::WORK), AfterLostAnswer::Report).await.unwrap();
    assert!(script.gap() < Duration::from_secs(1), "{:?}", script.gap());
    let seen = script.seen.lock().unwrap();
    assert_eq!(seen[0].line, "POST /public/offers/v1/products/ean");
    assert_eq!(seen[0].body, seen[1].body);
    assert!(seen[0].body.contains(r#""quantity":"unlimited""#), "{}", seen[0].body);
}

#[tokio::test]
async fn a_call_gives_up_after_five_attempts_and_each_pays_one_permit() {
    #[derive(Default)]
    struct Counting(AtomicU32);
    impl Budget for Counting {
        fn take<'a>(
            &'a self,
            account: &'a str,
            traffic: Traffic,
            permits: u32,
            per_minute: u32,
            burst: u32,
            _: Millis,
        ) -> BoxFuture<'a, Result<Duration, BudgetError>> {
            assert_eq!((account, traffic, permits, per_minute, burst), ("default", Traffic::Passes, 1, 180, 10));
            self.0.fetch_add(permits, Ordering::Relaxed);
            Box::pin(async { Ok(Duration::ZERO) })
        }
        fn block<'a>(&'a self, _: &'a str, _: Millis) -> BoxFuture<'a, Result<(), BudgetError>> {
            panic!("nobody asked to slow down")
        }
    }
    let (address, script) = server((0..5).map(|_| status(503))).await;
    let budget = Arc::new(Counting::default());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = Settings { requests_per_minute: 180, ..settings(&format!("http://{address}")) };
    let client = Client::new(settings, budget.clone(), Arc::new(now)).unwrap().with_policy(QUICK);
    let error = client.provider().await.unwrap_err();
    assert_eq!((error.class, error.code, error.status), (Class::Transient, "ServerError", Some(503)));
    assert_eq!((script.count(), client.requests(), budget.0.load(Ordering::Relaxed)), (5, 5, 5));
}

#[tokio::test]
async fn both_forms_of_retry_after_are_obeyed() {
    let (client, script) = against([stop(Some("1".into()), "<html>slow down</html>"), json(200, PROVIDER)]).await;
    client.provider().await.unwrap();
    assert!((990..2_900).contains(&script.gap().as_millis()), "{:?}", script.gap());

    // Our clock is not asked: the answer carries its own date, two seconds before the one it names.
    let headers = vec![
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT".to_owned()),
        ("retry-after", "Sun, 06 Nov 1994 08:49:39 GMT".to_owned()),
    ];
    let (client, script) = against([Reply::Plain(429, headers, String::new()), json(200, PROVIDER)]).await;
    client.provider().await.unwrap();
    assert!((1_990..3_900).contains(&script.gap().as_millis()), "{:?}", script.gap());
}

#[tokio::test]
async fn a_429_that_does_not_say_how_long_waits_the_usual_time() {
    let (client, script) = against([stop(None, "not json"), status(204)]).await;
    upsert(&client, AfterLostAnswer::Report).await.unwrap();
    assert!(script.gap() >= QUICK.unsaid_stop, "{:?}", script.gap());
}

#[tokio::test]
async fn a_long_stop_is_reported_with_its_end_and_holds_for_every_process_of_the_account() {
    let (address, script) = server([stop(Some("600".into()), "{}")]).await;
    let shared = memory().await;
    let client = || client_with(&format!("http://{address}"), Arc::new(shared.clone())).unwrap();
    let first = client().provider().await.unwrap_err();
    assert_eq!((first.class, first.code), (Class::RateLimited, "RateLimited"));
    let wait = first.retry_at.unwrap() - now();
    assert!((590_000..=600_000).contains(&wait), "{wait}");

    let second = client().provider().await.unwrap_err();
    assert_eq!((second.class, second.code), (Class::RateLimited, "BudgetSpent"));
    assert!(second.retry_at.unwrap() >= first.retry_at.unwrap(), "{second:?}");
    assert_eq!(script.count(), 1);
}

#[tokio::test]
async fn a_long_absence_is_not_waited_for_but_told() {
    let headers = vec![("retry-after", "900".to_owned())];
    let (client, script) = against([Reply::Plain(503, headers, "<html>back soon</html>".into())]).await;
    let error = client.provider().await.unwrap_err();
    assert_eq!((error.class, error.code), (Class::Transient, "ServerError"));
    assert!(error.retry_at.unwrap() > now() + 800_000, "{error:?}");
    assert_eq!(script.count(), 1);
}

#[tokio::test]
async fn at_180_a_minute_no_minute_has_more_than_190_requests() {
    let store = memory().await;
    let settings = Settings { requests_per_minute: 180, ..settings("http://127.0.0.1:9") };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::new(settings, Arc::new(store.clone()), Arc::new(now)).unwrap();
    let (rate, burst) = client.rate_and_burst();
    assert_eq!((rate, burst), (180, 10));
    // Two greedy minutes, ten minutes after the last request, on a clock of our own.
    let mut clock: Millis = 600_000;
    let mut sent = Vec::new();
    while clock < 720_000 {
        let wait = store.take_budget("default", Traffic::Passes, 1, rate, burst, clock).await.unwrap();
        clock += Millis::try_from(wait.as_micros().div_ceil(1_000)).unwrap();
        if wait.is_zero() {
            sent.push(clock);
        }
    }
    let busiest = sent.iter().map(|from| sent.iter().filter(|at| (*from..from + 60_000).contains(*at)).count()).max();
    assert!((180..=190).contains(&busiest.unwrap()), "{busiest:?}");
}

#[tokio::test]
async fn a_cut_answer_is_asked_for_again_when_reading() {
    let (client, script) = against([Reply::Cut, json(200, PROVIDER)]).await;
    client.provider().await.unwrap();
    assert_eq!(script.count(), 2);
}

#[tokio::test]
async fn a_lost_answer_to_an_upsert_is_reported_not_repeated_unless_allowed() {
    for lost in [|| Reply::Silence, || status(502), || status(504)] {
        let (client, script) = against([lost()]).await;
        let error = upsert(&client, AfterLostAnswer::Report).await.unwrap_err();
        assert!(matches!(error, UpsertError::AnswerLost(_)), "{error:?}");
        assert_eq!(script.count(), 1);

        let (client, script) = against([lost(), status(204)]).await;
        upsert(&client, AfterLostAnswer::Resend).await.unwrap();
        assert_eq!(script.count(), 2);
    }
}

#[tokio::test]
async fn an_upsert_that_never_left_is_not_a_lost_answer() {
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = client_with(&format!("http://{unused}"), Arc::new(memory().await)).unwrap().with_policy(QUICK);
    let error = upsert(&client, AfterLostAnswer::Report).await.unwrap_err();
    assert!(matches!(&error, UpsertError::Failed(error) if error.code == "Unreachable"), "{error:?}");
    assert_eq!(client.requests(), 5);
}

#[tokio::test]
async fn a_web_page_instead_of_json_is_a_fault_and_not_repeated() {
    let page = "\n <!DOCTYPE html><html><body>Maintenance</body></html>";
    let (client, script) = against([Reply::Plain(200, vec![("content-type", "text/html".into())], page.into())]).await;
    let error = client.provider().await.unwrap_err();
    assert_eq!((error.class, error.code), (Class::VendorFault, "WebPage"));
    assert!(error.excerpt.unwrap().contains("Maintenance"));
    assert_eq!(script.count(), 1);
}

#[tokio::test]
async fn an_endless_answer_stops_at_the_limit() {
    let (client, script) = against([Reply::Endless]).await;
    let patient = client.with_policy(RetryPolicy::WORK);
    let error = patient.provider().await.unwrap_err();
    assert_eq!((error.class, error.code), (Class::VendorFault, "OversizedAnswer"));
    assert_eq!(script.count(), 1);
}

#[tokio::test]
async fn a_trickling_answer_ends_with_its_time_limit() {
    let (client, _) = against([Reply::Trickle]).await;
    let started = Instant::now();
    let error = client.with_policy(RetryPolicy { attempts: 1, ..QUICK }).provider().await.unwrap_err();
    assert_eq!((error.class, error.code), (Class::Transient, "Timeout"));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn refusals_are_not_repeated() {
    for (code, body, class, name) in [
        (401, r#"{"auth":"API key required"}"#, Class::Auth, "ApiKeyRefused"),
        (403, r#"{"auth":["Inactive provider"]}"#, Class::Auth, "ProviderInactive"),
        (404, r#"{"global":"Venue cannot be found"}"#, Class::Settings, "VenueNotLinked"),
        (404, "{}", Class::Settings, "WrongAddress"),
        (405, "{}", Class::VendorFault, "UnexpectedStatus"),
        (410, "{}", Class::VendorFault, "UnexpectedStatus"),
        (422, "{}", Class::Data, "Refused"),
    ] {
        let (client, script) = against([json(code, body)]).await;
        let error = client.venue_by_siret("85331845900049").await.unwrap_err();
        assert_eq!((error.class, error.code, error.status), (class, name, Some(code)), "{error:?}");
        assert_eq!(script.count(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_400_names_the_items_to_set_aside() {
    let body =
        r#"{"products.1.stock.price":["ensure this value is less than or equal to 30000"],"products.0.ean":"?"}"#;
    let (client, script) = against([json(400, body)]).await;
    let error = upsert(&client, AfterLostAnswer::Report).await.unwrap_err();
    let UpsertError::Refused { items, .. } = &error else { panic!("{error:?}") };
    let named: Vec<_> = items.iter().map(|item| (item.index, item.field.as_str())).collect();
    assert_eq!(named, [(0, "ean"), (1, "stock.price")]);
    assert_eq!(script.count(), 1);

    let (client, _) = against([json(400, r#"{"location":["Cannot create product offer for virtual venues"]}"#)]).await;
    let error = upsert(&client, AfterLostAnswer::Report).await.unwrap_err();
    assert!(matches!(&error, UpsertError::Failed(error) if error.class == Class::Data), "{error:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_key() {
    let (elsewhere, other) = server([]).await;
    let location = vec![("location", format!("http://{elsewhere}/"))];
    let (client, _) = against([Reply::Plain(307, location, String::new())]).await;
    assert_eq!(client.provider().await.unwrap_err().code, "Redirected");
    assert_eq!(other.count(), 0);
}

#[tokio::test]
async fn eans_are_asked_for_by_the_hundred() {
    let verdicts = r#"{"available":["9782070286256"],"rejected":{"notFound":["0602435931975"]}}"#;
    let (client, script) = against([json(200, verdicts), json(200, r#"{"products":[
        {"id":4,"status":"ACTIVE","categoryRelatedFields":{"ean":"9782070286256"},"stock":{"price":1,"quantity":5,"bookedQuantity":2}},
        {"id":7,"status":"ACTIVE","categoryRelatedFields":{"ean":"9782070286256"},"stock":null}]}"#)]).await;
    let eans = [ean("9782070286256"), ean("0602435931975")];
    let answer = client.check_availability(&eans).await.unwrap();
    assert_eq!(answer, [(eans[0], Availability::Available), (eans[1], Availability::NotFound)]);
    let read = client.read_eans(535, &eans).await.unwrap();
    assert_eq!(read.iter().map(|offer| offer.offer_id).collect::<Vec<_>>(), [7, 4]);
    assert_eq!(read[1].stock.unwrap().remaining(), Quantity::Exactly(3));

    for (at, path) in ["/products/ean/check_availability?eans=", "/products/ean?eans="].iter().enumerate() {
        let line = script.line(at).replace("%2C", ",");
        assert!(line.starts_with(&format!("GET /public/offers/v1{path}9782070286256,0602435931975")), "{line}");
    }
    assert!(script.line(1).ends_with("&venueId=535"), "{}", script.line(1));

    assert_eq!(client.check_availability(&[]).await.unwrap(), []);
    assert_eq!(client.read_eans(535, &[ean("9782070286256"); 101]).await.unwrap_err().code, "TooManyAtOnce");
    assert_eq!(script.count(), 2);
}

#[tokio::test]
async fn a_venue_is_found_by_its_number_in_the_list() {
    let list = r#"[{"offerer":{"id":1},"venues":[{"id":5,"legalName":"A"},{"id":6,"legalName":"B","siret":"85331845900049"}]},
        {"offerer":{"id":2},"venues":[]}]"#;
    let (client, script) = against([json(200, list), json(200, list)]).await;
    assert_eq!(client.venue_by_id(6).await.unwrap().name, "B");
    assert_eq!(client.venue_by_id(7).await.unwrap_err().code, "VenueNotLinked");
    assert_eq!(client.venue_by_siret("../../x").await.unwrap_err().code, "BadSiret");
    assert_eq!(client.venue_by_siret("85331845900049").await.unwrap().id, 6);
    assert_eq!(script.count(), 1, "the list is fetched once, and shared");
    assert_eq!(client.venues().await.unwrap().len(), 2);
    assert_eq!(script.count(), 2, "who asks for the list itself hears what is true now");
}

#[tokio::test]
async fn many_connections_cost_one_list_and_hear_of_one_failure() {
    let list = r#"[{"offerer":{"id":1},"venues":[{"id":5,"legalName":"A","siret":"73282932000074"}]}]"#;
    let alone = r#"{"id":5,"legalName":"A","siret":"73282932000074"}"#;
    let (client, script) = against([status(400), json(200, list)]).await;
    let asking = (0..500).map(|_| client.venue_by_id(5));
    let answers = futures_util::future::join_all(asking).await;
    assert!(answers.iter().all(Result::is_err), "those who waited for the list that failed hear why");
    assert_eq!(script.count(), 1);
    let asking = (0..500).map(|_| client.venue_by_id(5));
    assert!(futures_util::future::join_all(asking).await.iter().all(Result::is_ok));
    assert_eq!(script.count(), 2);

    // A few are asked for one by one, which is short; of many the list is.
    let (client, script) =
        against([json(200, alone), json(200, alone), json(200, alone), json(200, alone), json(200, list)]).await;
    for _ in 0..100 {
        assert_eq!(client.venue_by_siret("73282932000074").await.unwrap().id, 5);
    }
    assert_eq!(script.count(), 5);
}

#[tokio::test]
async fn wrong_settings_are_named_before_anything_is_sent() {
    let budget: Arc<dyn Budget> = Arc::new(memory().await);
    for (base_url, code) in [
        ("http://backend.example.org", Some("InsecureBaseUrl")),
        ("http://192.0.2.7", Some("InsecureBaseUrl")),
        ("ftp://127.0.0.1", Some("InsecureBaseUrl")),
        ("https://user@backend.example.org", Some("BadBaseUrl")),
        ("https://backend.example.org", None),
        ("http://127.0.0.1:9", None),
        ("http://[::1]:9", None),
        ("http://localhost:9/", None),
    ] {
        let made = client_with(base_url, budget.clone());
        assert_eq!(made.err().map(|error| error.code), code, "{base_url}");
    }
    for rate in [0, 60_001] {
        let settings = Settings { requests_per_minute: rate, ..settings("http://127.0.0.1:9") };
        let error = Client::new(settings, budget.clone(), Arc::new(now)).unwrap_err();
        assert_eq!((error.class, error.code), (Class::Settings, "BadRate"));
    }
    let settings = Settings { api_key: SecretString::from("a\nb"), ..settings("http://127.0.0.1:9") };
    assert_eq!(Client::new(settings, budget, Arc::new(now)).unwrap_err().code, "BadApiKey");
}

#[tokio::test]
async fn the_key_is_in_no_error_and_no_debug_text() {
    let (client, _) = against([json(400, &format!(r#"{{"global":"key {KEY} of anne.fictive@example.org"}}"#))]).await;
    let error = client.provider().await.unwrap_err();
    let shown = format!("{error} {error:?} {client:?} {:?}", settings("http://127.0.0.1:9"));
    assert!(!shown.contains("s3cret") && !shown.contains("anne"), "{shown}");
    assert!(shown.contains("global"), "{shown}");
}
