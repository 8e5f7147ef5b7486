//! Messages on their way: what is sent, what each answer means, and receivers that misbehave.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

mod common;

use std::net::ToSocketAddrs as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use passerelle_contract::{Class, Context, Delivery, Message};
use passerelle_testkit::simulator::{Fault, Simulator as _};
use passerelle_webhook::DESCRIPTOR;
use passerelle_webhook::simulator::{API_TOKEN, Behaviour, OTHER_SECRET, SECRET, WebhookSimulator};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use common::{connect, deliver, notify, secrets};

const ID: &str = "msg_01J8ZQ4C9V7K2M5N8P0R3T6W9Y";
const BODY: &[u8] = br#"{"type":"booking.created","timestamp":"2035-01-10T00:00:00Z","sequence":1,"data":{"booking_id":"bk_7Q2M9XWTA4D5","stock_id":"mouette/1/A","quantity":1,"tickets":[{"barcode":"GW1"}],"holder":null}}"#;
/// A debug build on a busy machine.
const SOON: Duration = Duration::from_secs(5);

/// Requests as they came, head and body.
type Served = Arc<Mutex<Vec<String>>>;

/// Answers every connection with these bytes, then with these again and again, 50 ms apart, as long as somebody reads.
async fn receiver(first: Vec<u8>, then: &'static [u8]) -> (String, Served) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let served = Served::default();
    let log = Arc::clone(&served);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let (first, log) = (first.clone(), Arc::clone(&log));
            tokio::spawn(async move {
                let mut request = vec![0; 64 * 1024];
                let read = socket.read(&mut request).await.unwrap_or(0);
                log.lock().unwrap().push(String::from_utf8_lossy(&request[..read]).into_owned());
                let _gone = socket.write_all(&first).await;
                while !then.is_empty() && socket.write_all(then).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
        }
    });
    (url, served)
}

fn answer(head: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

async fn told(status: &str) -> Delivery {
    let (url, _) = receiver(answer(status), b"").await;
    deliver(connect(notify(&url), &[]).as_ref(), ID, BODY).await
}

async fn failure(status: &str) -> (Option<u16>, passerelle_contract::AdapterError, bool) {
    match told(status).await {
        Delivery::Failed { status, error, wants_person } => (status, error, wants_person),
        other => panic!("{status}: {other:?}"),
    }
}

#[tokio::test]
async fn a_message_has_its_headers_and_its_very_bytes() {
    let simulator = WebhookSimulator::start().await.unwrap();
    let adapter = connect(notify(&simulator.url()), &[]);
    assert!(matches!(deliver(adapter.as_ref(), ID, BODY).await, Delivery::Delivered(204)));
    let received = simulator.received();
    let [one] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!((one.kind.as_str(), one.id.as_str(), one.sequence, one.status), ("booking.created", ID, 1, 204));
    assert_eq!(one.body.as_bytes(), BODY);
    let header = |name: &str| one.headers.get(name).map(String::as_str);
    assert_eq!(header("content-type"), Some("application/json"));
    assert_eq!(header("user-agent"), Some(concat!("passculture-gateway/", env!("CARGO_PKG_VERSION"))));
    assert_eq!((header("gateway-contract"), header("gateway-replay")), (Some("1"), None));
    assert!(header("authorization").is_none() && header("cookie").is_none());
    let replay = Message { id: ID, body: BODY, is_replay: true };
    assert!(matches!(adapter.notices().unwrap().deliver(replay).await, Delivery::Delivered(_)));
    let again = simulator.received();
    assert_eq!(again[1].headers.get("gateway-replay").map(String::as_str), Some("1"));
    // Sent twice, done once.
    assert_eq!((again[1].id.as_str(), simulator.bookings().len()), (ID, 1));
}

#[tokio::test]
async fn an_attempt_after_a_failure_has_the_same_id_and_the_same_bytes() {
    let simulator = WebhookSimulator::start().await.unwrap();
    let adapter = connect(notify(&simulator.url()), &[]);
    // The receiver works, and its answer is lost.
    simulator.faults().next("", 1, Fault::AfterEffect(Box::new(Fault::Status(500))));
    assert!(matches!(deliver(adapter.as_ref(), ID, BODY).await, Delivery::Failed { status: Some(500), .. }));
    assert!(matches!(deliver(adapter.as_ref(), ID, BODY).await, Delivery::Delivered(204)));
    let received = simulator.received();
    assert_eq!((received[0].id.as_str(), received[1].id.as_str()), (ID, ID));
    assert_eq!(received[0].body, received[1].body);
    assert_eq!(simulator.bookings().len(), 1);
}

#[tokio::test]
async fn a_secret_is_replaced_without_a_gap() {
    let simulator = WebhookSimulator::start().await.unwrap();
    let rotated = [("secret", json!({ "file": "other" })), ("previous_secret", json!({ "file": "secret" }))];
    let adapter = connect(notify(&simulator.url()), &rotated);
    for (at, secrets) in [&[SECRET][..], &[OTHER_SECRET], &[SECRET, OTHER_SECRET]].into_iter().enumerate() {
        simulator.set_secrets(secrets);
        let outcome = deliver(adapter.as_ref(), &format!("{ID}{at}"), BODY).await;
        assert!(matches!(outcome, Delivery::Delivered(_)), "{at}: {outcome:?}");
    }
    let only_new = connect(notify(&simulator.url()), &[("secret", json!({ "file": "other" }))]);
    simulator.set_secrets(&[SECRET]);
    let Delivery::Failed { status: Some(401), error, wants_person: true } = deliver(only_new.as_ref(), ID, BODY).await
    else {
        panic!("a wrong signature was taken")
    };
    assert_eq!((error.class, error.code), (Class::Auth, "BadCredentials"));
    assert!(!format!("{error:?}{error}").contains("whsec_"));
}

#[tokio::test]
async fn each_status_says_what_to_do() {
    for status in ["200 OK", "201 Made", "202 Later", "204 None"] {
        assert!(matches!(told(status).await, Delivery::Delivered(_)), "{status}");
    }
    assert!(matches!(told("410 Gone").await, Delivery::Gone));
    for status in ["400 Bad", "401 Who", "403 No", "404 Where", "405 How", "413 Long", "415 What", "422 Why"] {
        let (told, _, wants_person) = failure(status).await;
        assert!(wants_person && told.is_some(), "{status}");
    }
    for status in ["408 Slow", "425 Early", "429 Many", "500 Broken", "502 Bad", "503 Busy"] {
        let (told, error, wants_person) = failure(status).await;
        assert!(!wants_person && told.is_some() && error.class.is_retryable(), "{status}");
    }
}

#[tokio::test]
async fn a_wish_to_wait_is_read_in_both_forms() {
    let wait = |status: String| async move { failure(&status).await.1.retry_after.map(|wait| wait.as_secs()) };
    assert_eq!(wait("429 Many\r\nRetry-After: 7".into()).await, Some(7));
    assert_eq!(wait("503 Busy\r\nRetry-After: 86400".into()).await, Some(86_400));
    assert_eq!(wait("503 Busy\r\nRetry-After: 86401".into()).await, None);
    assert_eq!(wait("503 Busy\r\nRetry-After: 0".into()).await, None);
    assert_eq!(wait("503 Busy\r\nRetry-After: soon".into()).await, None);
    assert_eq!(wait("404 Where\r\nRetry-After: 7".into()).await, None);
    let ago = wait("503 Busy\r\nRetry-After: Mon, 05 Jan 2026 09:00:00 GMT".into()).await;
    assert_eq!(ago, None, "a date that is past");
    let at = httpdate(Duration::from_secs(3_600));
    let date = wait(format!("503 Busy\r\nRetry-After: {at}")).await.unwrap();
    assert!((3_500..=3_600).contains(&date), "{date} s until {at}");
}

/// That long from now, as HTTP writes it.
fn httpdate(from_now: Duration) -> String {
    let at = jiff::Timestamp::now() + from_now;
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap()
}

#[tokio::test]
async fn a_redirect_is_not_followed_not_even_inside() {
    let simulator = WebhookSimulator::start().await.unwrap();
    let (inside, served) = receiver(answer("200 OK"), b"").await;
    let adapter = connect(notify(&simulator.url()), &[]);
    for fault in [Fault::Redirect(inside.clone()), Fault::Redirect("http://169.254.169.254/latest".into())] {
        simulator.faults().next("", 1, fault);
        let Delivery::Failed { status: Some(302), error, wants_person: true } =
            deliver(adapter.as_ref(), ID, BODY).await
        else {
            panic!("a redirect was followed")
        };
        assert_eq!(error.code, "UrlMoved");
    }
    simulator.set_behaviour(Behaviour::Moved);
    assert!(matches!(deliver(adapter.as_ref(), ID, BODY).await, Delivery::Failed { status: Some(308), .. }));
    assert!(served.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_good_head_is_enough_however_long_or_slow_the_body() {
    let long = [b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n".as_slice(), &vec![b'x'; 10_000_000]].concat();
    let endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let odd = b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\nxyz".to_vec();
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nx".to_vec();
    for (first, then) in [(long, b"".as_slice()), (endless, b"x"), (odd, b""), (cut, b"")] {
        let (url, _) = receiver(first, then).await;
        let adapter = connect(notify(&url), &[]);
        let started = Instant::now();
        let outcome = deliver(adapter.as_ref(), ID, BODY).await;
        assert!(matches!(outcome, Delivery::Delivered(200)), "{outcome:?}");
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_head_that_drips_and_a_silence_end_within_their_time() {
    let (drips, _) = receiver(b"HTTP/1.1 200 OK\r\nX-Slow: ".to_vec(), b"x").await;
    let (silent, _) = receiver(Vec::new(), b"").await;
    let (drips, silent) = (connect(notify(&drips), &[]), connect(notify(&silent), &[]));
    let started = Instant::now();
    let (one, other) = tokio::join!(deliver(drips.as_ref(), ID, BODY), deliver(silent.as_ref(), ID, BODY));
    let took = started.elapsed();
    // Fifteen seconds, and a busy machine; a silent receiver hangs up by itself here.
    assert!(took < Duration::from_secs(15) + SOON, "{took:?}");
    for outcome in [one, other] {
        let Delivery::Failed { status: None, error, wants_person: false } = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.class, Class::Transient);
    }
}

#[tokio::test]
async fn nobody_there_and_no_tls_there_are_failures() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let outcome = deliver(connect(notify(&closed), &[]).as_ref(), ID, BODY).await;
    let Delivery::Failed { status: None, error, wants_person: false } = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.code, "Unreachable");
    // No handshake that can be trusted: nothing is sent in clear instead.
    let (plain, served) = receiver(answer("200 OK"), b"").await;
    let outcome = deliver(connect(notify(&plain.replace("http", "https")), &[]).as_ref(), ID, BODY).await;
    let Delivery::Failed { status: None, error, wants_person: true } = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.code, "TlsFailed");
    assert!(served.lock().unwrap().iter().all(|request| !request.contains("booking")));
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_when_it_is_resolved() {
    let of_this_machine = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let names = [of_this_machine.trim(), "ip6-localhost", "localhost.localdomain", "ip6-loopback"];
    let inside = names.into_iter().find(|name| {
        let found = (!name.is_empty()).then(|| (*name, 443).to_socket_addrs().ok()).flatten();
        found.is_some_and(|mut found| found.all(|one| !passerelle_kit::http::is_public(one.ip())))
    });
    let Some(name) = inside else {
        println!("NOT TESTED: no name of this machine resolves to an address inside");
        return;
    };
    let context = Context { base_dir: secrets(), ..Context::default() };
    let adapter = (DESCRIPTOR.connect)(&notify(&format!("https://{name}/hook")), context).unwrap();
    let outcome = deliver(adapter.as_ref(), ID, BODY).await;
    let Delivery::Failed { status: None, error, wants_person: true } = outcome else { panic!("{name}: {outcome:?}") };
    assert_eq!((error.class, error.code), (Class::Settings, "PrivateAddress"), "{name}");
}

#[tokio::test]
async fn slow_messages_of_one_connection_do_not_hold_up_another() {
    let simulator = WebhookSimulator::start().await.unwrap();
    let slow = connect(notify(&simulator.url()), &[]);
    simulator.faults().next("", 30, Fault::Hang);
    let hanging: Vec<_> = (0..30)
        .map(|at| {
            let slow = Arc::clone(&slow);
            tokio::spawn(async move { deliver(slow.as_ref(), &format!("msg_{at}"), BODY).await })
        })
        .collect();
    while simulator.log().len() < 30 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let other = connect(notify(&simulator.url()), &[]);
    let started = Instant::now();
    assert!(matches!(deliver(other.as_ref(), ID, BODY).await, Delivery::Delivered(_)));
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    hanging.iter().for_each(|one| one.abort());
}

#[tokio::test]
async fn a_document_that_is_too_large_is_not_sent() {
    let simulator = WebhookSimulator::start().await.unwrap();
    let adapter = connect(notify(&simulator.url()), &[]);
    let fits = format!("{{\"type\":\"x\",\"data\":\"{}\"}}", "x".repeat(20 * 1024 - 22));
    assert_eq!(fits.len(), 20 * 1024);
    assert!(matches!(deliver(adapter.as_ref(), ID, fits.as_bytes()).await, Delivery::Delivered(_)));
    let outcome = deliver(adapter.as_ref(), ID, format!("{fits} ").as_bytes()).await;
    let Delivery::Failed { status: None, error, wants_person: true } = outcome else { panic!("{outcome:?}") };
    assert_eq!((error.code, simulator.received().len()), ("DocumentTooLarge", 1));
    let odd = deliver(adapter.as_ref(), "msg_\n", BODY).await;
    assert!(matches!(odd, Delivery::Failed { error, .. } if error.code == "BadMessageId"));
}

#[tokio::test]
async fn a_token_speaks_for_the_software_and_no_other_does() {
    let tokens = [("api_token", json!({ "file": "token" })), ("previous_api_token", json!({ "file": "other" }))];
    let url = "https://billetterie.example/hook";
    let adapter = connect(notify(url), &tokens);
    let accepts = |token: &str| adapter.notices().unwrap().accepts_token(token);
    assert!(accepts(API_TOKEN) && accepts(OTHER_SECRET));
    assert!(!accepts("") && !accepts("gvt_") && !accepts(&API_TOKEN[1..]) && !accepts(&format!("{API_TOKEN} ")));
    let nobody = connect(notify(url), &[]);
    assert!(!nobody.notices().unwrap().accepts_token("") && !nobody.notices().unwrap().accepts_token(API_TOKEN));
}

#[tokio::test]
async fn software_that_fetches_is_sent_nothing_and_asked_nothing() {
    let adapter = connect(json!({ "mode": "pull", "api_token": { "file": "token" } }), &[]);
    assert!(adapter.probes().is_empty() && adapter.box_office().is_none() && adapter.states_shows());
    assert!(
        matches!(deliver(adapter.as_ref(), ID, BODY).await, Delivery::Failed { error, .. } if error.code == "NothingIsSent")
    );
}
