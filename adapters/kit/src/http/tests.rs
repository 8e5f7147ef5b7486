//! The client against a server that answers with raw bytes.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

type Served = Arc<Mutex<Vec<String>>>;

/// Answers the n-th connection with the n-th script (the last one again and again), and keeps the requests.
async fn server(scripts: Vec<Vec<u8>>, endless: Option<&'static [u8]>) -> (Url, Served) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let served = Served::default();
    let log = Arc::clone(&served);
    tokio::spawn(async move {
        for turn in 0.. {
            let (mut socket, _) = listener.accept().await.unwrap();
            let script = scripts[turn.min(scripts.len() - 1)].clone();
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let request = read_head(&mut socket).await;
                log.lock().unwrap().push(request);
                let _ = socket.write_all(&script).await;
                while let Some(piece) = endless {
                    if socket.write_all(piece).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(if piece.len() < 10 { 20 } else { 0 })).await;
                }
                let _ = socket.shutdown().await;
            });
        }
    });
    (base, served)
}

async fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match socket.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(n) => head.extend_from_slice(&piece[..n]),
        }
    }
    String::from_utf8_lossy(&head).to_lowercase()
}

fn config(base: &Url) -> Config {
    let context = Context { allow_private_addresses: true, ..Context::default() };
    Config { concurrency: 4, ..Config::new(base.clone(), &context) }
}

fn client(base: &Url, change: impl FnOnce(&mut Config)) -> Client {
    let mut config = config(base);
    change(&mut config);
    Client::new(config).unwrap()
}

fn plain(status: &str, extra: &str, body: &[u8]) -> Vec<u8> {
    let mut all =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{extra}\r\n", body.len()).into_bytes();
    all.extend_from_slice(body);
    all
}

async fn code(client: &Client, url: &Url) -> &'static str {
    client.get(&Get::new("test", url.clone())).await.unwrap_err().code
}

#[tokio::test]
async fn a_plain_answer_is_read_and_the_evidence_has_no_query() {
    let (base, served) = server(vec![plain("200 OK", "", b"{}")], None).await;
    let url = base.join("stocks?token=kanari").unwrap();
    let answer = client(&base, |_| ()).get(&Get::new("test", url)).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"{}".as_slice()));
    assert!(answer.saw().contains("/stocks answered 200") && !answer.saw().contains("kanari"), "{}", answer.saw());
    let request = served.lock().unwrap()[0].clone();
    assert!(request.contains(concat!("user-agent: passerelle/", env!("CARGO_PKG_VERSION"))), "{request}");
}

#[tokio::test]
async fn a_private_address_is_refused_unless_allowed_by_literal_and_by_name() {
    for host in ["10.0.0.1", "192.168.1.1", "172.16.0.9", "0x0a.1", "[fe80::1]", "[::ffff:10.0.0.1]", "169.254.169.254"]
    {
        let base = Url::parse(&format!("https://{host}:9/")).unwrap();
        let refused = Client::new(Config::new(base, &Context::default())).unwrap_err();
        assert_eq!((refused.code, refused.class), ("PrivateAddress", Class::Settings), "{host}");
    }
    // The resolver itself, as a rebinding name would meet it.
    let resolver = address::GuardedResolver { allow_private: false, allow_localhost: false };
    let name = "localhost".parse().unwrap();
    let refused = reqwest::dns::Resolve::resolve(&resolver, name).await.err().unwrap();
    assert!(refused.downcast_ref::<address::NameProblem>().is_some());
}

#[test]
fn settings_that_name_this_machine_mean_that_origin_and_no_other() {
    for base in ["http://127.0.0.1:8000/stocks", "http://localhost:8000/", "http://[::1]:8000/"] {
        let base = Url::parse(base).unwrap();
        let config = Config::new(base.clone(), &Context::default());
        assert!(Client::new(config.clone()).is_ok(), "{base}");
        for elsewhere in
            ["http://127.0.0.1:8001/", "http://localhost:22/", "http://10.0.0.1/", "http://169.254.169.254/"]
        {
            let refused = address::check(&Url::parse(elsewhere).unwrap(), &config, "test").unwrap_err();
            assert_eq!(refused.code, "PrivateAddress", "{base} → {elsewhere}");
        }
    }
}

#[test]
fn a_hop_is_checked_like_a_first_address() {
    let closed = Config::new(Url::parse("https://shop.example/").unwrap(), &Context::default());
    let code = |url: &str| address::check(&Url::parse(url).unwrap(), &closed, "test").err().map(|error| error.code);
    assert_eq!(code("https://10.0.0.1/"), Some("PrivateAddress"));
    assert_eq!(code("http://shop.example/"), Some("PlainHttp"));
    assert_eq!(code("file:///etc/passwd"), Some("BadAddress"));
    assert_eq!(code("https://other.example/"), None);
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_origin() {
    let (other, other_served) = server(vec![plain("200 OK", "", b"there")], None).await;
    let hop = plain("302 Found", &format!("Location: {other}x\r\n"), b"");
    let (base, served) = server(vec![hop], None).await;
    let client = client(&base, |config| config.authorization = Some(Secret::new("Basic kanari")));
    let answer = client.get(&Get::new("test", base.clone())).await.unwrap();
    assert_eq!(answer.body, b"there");
    assert!(served.lock().unwrap()[0].contains("authorization: basic kanari"));
    assert!(!other_served.lock().unwrap()[0].contains("kanari"));
    assert!(!format!("{client:?} {answer:?}").contains("kanari"));
}

#[test]
fn no_query_shows_in_debug() {
    let base = Url::parse("https://shop.example/stocks?key=kanari").unwrap();
    let client = Client::new(Config::new(base.clone(), &Context::default())).unwrap();
    let shown = format!("{client:?} {:?}", Get::new("test", base));
    assert!(shown.contains("shop.example/stocks") && !shown.contains("kanari"), "{shown}");
}

#[tokio::test]
async fn redirects_end() {
    let (base, served) = server(vec![plain("301 Moved", "Location: /again\r\n", b"")], None).await;
    assert_eq!(code(&client(&base, |_| ()), &base).await, "BadRedirect");
    assert_eq!(served.lock().unwrap().len(), MAX_REDIRECTS + 1);
    let (base, _) = server(vec![plain("302 Found", "", b"")], None).await;
    assert_eq!(code(&client(&base, |_| ()), &base).await, "BadRedirect");
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_announced_or_not_and_compressed_or_not() {
    let small = |config: &mut Config| config.max_body_bytes = 1000;
    let (base, _) = server(vec![plain("200 OK", "", &[b'x'; 2000])], None).await;
    assert_eq!(code(&client(&base, small), &base).await, "BodyTooLarge");
    let (base, _) = server(vec![b"HTTP/1.1 200 OK\r\n\r\n".to_vec()], Some(&[b'x'; 4096])).await;
    assert_eq!(code(&client(&base, small), &base).await, "BodyTooLarge");
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![0; 10_000_000]).unwrap();
    let bomb = bomb.finish().unwrap();
    let (base, _) = server(vec![plain("200 OK", "Content-Encoding: gzip\r\n", &bomb)], None).await;
    assert_eq!(code(&client(&base, |config| config.max_body_bytes = 1_000_000), &base).await, "BodyTooLarge");
}

#[tokio::test]
async fn compressed_bodies_are_unpacked_in_every_usual_form() {
    let text = b"{\"stocks\": []}".repeat(500);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&text).unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(&text).unwrap();
    let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    raw.write_all(&text).unwrap();
    let gzip = gzip.finish().unwrap();
    for (encoding, body) in [
        ("gzip", gzip.clone()),
        ("deflate", zlib.finish().unwrap()),
        ("deflate", raw.finish().unwrap()),
        ("identity", text.clone()),
    ] {
        let extra = format!("Content-Encoding: {encoding}\r\n");
        let (base, _) = server(vec![plain("200 OK", &extra, &body)], None).await;
        let answer = client(&base, |_| ()).get(&Get::new("test", base.clone())).await.unwrap();
        assert!(answer.body == text, "{encoding}");
    }
    let cut = &gzip[..gzip.len() / 2];
    let (base, _) = server(vec![plain("200 OK", "Content-Encoding: gzip\r\n", cut)], None).await;
    assert_eq!(code(&client(&base, |_| ()), &base).await, "BadEncoding");
    let (base, _) = server(vec![plain("200 OK", "Content-Encoding: br\r\n", b"x")], None).await;
    assert_eq!(code(&client(&base, |_| ()), &base).await, "BadEncoding");
    let (base, _) = server(vec![plain("200 OK", "Content-Encoding: gzip\r\n", b"")], None).await;
    assert!(client(&base, |_| ()).get(&Get::new("test", base.clone())).await.unwrap().body.is_empty());
}

#[tokio::test]
async fn a_trickle_and_a_silence_end_in_time() {
    let hurry = |config: &mut Config| {
        config.request_timeout = Duration::from_millis(300);
        config.total_timeout = Duration::from_millis(600);
    };
    let (base, _) = server(vec![b"HTTP/1.1 200 OK\r\n\r\n".to_vec()], Some(b"x")).await;
    let client = client(&base, hurry);
    assert_eq!(code(&client, &base).await, "TooSlow");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    assert_eq!(code(&client, &silent).await, "TimedOut");
}

#[tokio::test]
async fn a_cut_body_and_a_closed_port_are_network_errors() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"st".to_vec();
    let (base, _) = server(vec![cut], None).await;
    assert_eq!(code(&client(&base, |_| ()), &base).await, "BodyCut");
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap()
    };
    assert_eq!(code(&client(&closed, |_| ()), &closed).await, "Unreachable");
}

#[tokio::test]
async fn only_the_first_bytes_are_read_when_asked() {
    let (base, _) = server(vec![b"HTTP/1.1 200 OK\r\n\r\n".to_vec()], Some(&[b'x'; 4096])).await;
    let answer = client(&base, |_| ()).get(&Get::new("probe", base.clone()).probing(5000)).await.unwrap();
    assert_eq!(answer.body.len(), 5000);
}

#[tokio::test]
async fn a_busy_vendor_is_asked_again_soon_and_a_sure_refusal_is_not() {
    let scripts =
        vec![plain("503 Busy", "", b""), plain("429 Slow", "Retry-After: 0\r\n", b""), plain("200 OK", "", b"ok")];
    let (base, served) = server(scripts, None).await;
    let started = Instant::now();
    let budget = RetryBudget::default();
    let answer = client(&base, |_| ()).get_with_retry(&Get::new("test", base.clone()), &budget).await.unwrap();
    assert_eq!((answer.status, served.lock().unwrap().len()), (200, 3));
    assert!(started.elapsed() < Duration::from_secs(3) && budget.left() < RETRY_BUDGET);

    let (base, served) = server(vec![plain("401 No", "", b"")], None).await;
    let answer = client(&base, |_| ()).get_with_retry(&Get::new("test", base.clone()), &budget).await.unwrap();
    assert_eq!((answer.refused().class, served.lock().unwrap().len()), (Class::Auth, 1));
}

#[tokio::test]
async fn a_wait_that_does_not_fit_the_budget_is_left_to_the_next_pass() {
    let (base, served) = server(vec![plain("429 Slow", "Retry-After: 60\r\n", b"")], None).await;
    let budget = RetryBudget::default();
    let answer = client(&base, |_| ()).get_with_retry(&Get::new("test", base.clone()), &budget).await.unwrap();
    let error = answer.refused();
    assert_eq!((error.code, error.retry_after), ("Throttled", Some(Duration::from_secs(60))));
    assert_eq!(served.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn retries_together_stay_within_the_budget() {
    let (base, served) = server(vec![plain("503 Busy", "", b"")], None).await;
    let budget = RetryBudget::new(Duration::from_millis(1500));
    let started = Instant::now();
    let client = client(&base, |_| ());
    for _ in 0..3 {
        let answer = client.get_with_retry(&Get::new("test", base.clone()), &budget).await.unwrap();
        assert_eq!(answer.status, 503);
    }
    assert!(started.elapsed() < Duration::from_secs(3));
    assert!(served.lock().unwrap().len() >= 4);
}

/// Members of a mebibyte of zeros each, one after the other: ten megabytes that unpack to ten gigabytes.
fn bomb() -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(&vec![0; 1024 * 1024]).unwrap();
    packer.finish().unwrap().repeat(10_000)
}

#[tokio::test]
async fn ten_gigabytes_in_ten_megabytes_are_refused_while_they_are_unpacked() {
    let bomb = bomb();
    assert!((8 << 20..16 << 20).contains(&bomb.len()), "{} bytes", bomb.len());
    let (base, _) = server(vec![plain("200 OK", "Content-Encoding: gzip\r\n", &bomb)], None).await;
    let before = peak_memory();
    let started = Instant::now();
    assert_eq!(code(&client(&base, |_| ()), &base).await, "BodyTooLarge");
    // The cap is 16 MiB; what is unpacked beyond it between two looks is a few more.
    if let (Some(before), Some(after)) = (before, peak_memory()) {
        assert!(after.saturating_sub(before) < 96 << 20, "{} MiB more than before", (after - before) >> 20);
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let act = Act::new("sell", Verb::Post, base.clone(), Duration::from_secs(20));
    let outcome = client(&base, |_| ()).act(&act).await;
    assert!(matches!(outcome, Err(NotAnswered::Unknown(error)) if error.code == "BodyTooLarge"));
}

/// The most that this process ever had in memory, in bytes, where the system tells.
fn peak_memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? * 1024)
}

#[tokio::test]
async fn what_a_vendor_repeats_of_a_request_is_told_without_credentials() {
    let echo = b"{\"headers\": \"Authorization: Bearer kanari-7731\", \"url\": \"/a?key=geheim%2D88&x\", \"body\": \"Z2VoZWltLTg4\"}";
    let (base, _) = server(vec![plain("400 Bad", "", echo)], None).await;
    let context = Context { allow_private_addresses: true, ..Context::default() };
    context.unspoken.add("geheim-88");
    let config =
        Config { authorization: Some(bearer(&Secret::new("kanari-7731"))), ..Config::new(base.clone(), &context) };
    let answer = Client::new(config).unwrap().get(&Get::new("test", base.clone())).await.unwrap();
    let (excerpt, words) = (answer.excerpt(), answer.told(&String::from_utf8_lossy(&answer.body)));
    for told in [&excerpt, &words] {
        assert!(!told.contains("kanari") && !told.contains("%2D88") && !told.contains("Z2Vo"), "{told}");
    }
    assert!(words.contains("Authorization: Bearer ***") && words.contains("/a?key=***&x"), "{words}");
    // The body itself is what was sent: only what is told of it is changed.
    assert_eq!(answer.body, echo);
    // An address that a vendor redirects to may repeat it, too.
    let moved =
        b"HTTP/1.1 302 Found\r\nLocation: /geheim-88/kanari-7731\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (base, _) = server(vec![moved.to_vec(), plain("404 Not Found", "", b"")], None).await;
    let config =
        Config { authorization: Some(bearer(&Secret::new("kanari-7731"))), ..Config::new(base.clone(), &context) };
    let answer = Client::new(config).unwrap().get(&Get::new("test", base)).await.unwrap();
    assert!(answer.saw().contains("/***/*** answered 404"), "{}", answer.saw());
}
