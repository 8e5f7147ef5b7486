//! What goes on around the machine: a disk that fails under a running server, connections that say nothing, and restarts under a
//! stream of bookings. Real processes; no booking may be lost without a person being told.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cinema;
mod disk;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cinema::{Cinema, HMAC_KEY, OTHER_VENUE, Server, Which, person, until};
use disk::{Disk, DiskFault};
use passerelle::sandbox::message::{Form, sign_message};
use passerelle::sandbox::{Bookable, BookingTruth};
use passerelle_testkit::simulator::Fault;
use serde_json::{Value, json};

/// A server from a command that was changed first.
fn start(cinema: &Cinema, change: impl FnOnce(Command) -> Command) -> Server {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(cinema.path("serve.log")).unwrap();
    let mut child = change(cinema.command(&["serve"])).stderr(log).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let log = std::fs::read_to_string(cinema.path("serve.log")).unwrap();
    let told: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a listening line: {line:?}\n{log}"));
    Server { child, base: format!("http://{}", told["address"].as_str().unwrap()) }
}

/// pass Culture knows the server, and its shows are on sale. Later servers listen at the same address.
fn open(cinema: &Cinema, server: &Server) {
    cinema.configure("sqlite:passerelle.db", Some(&server.base));
    let file = cinema.path("passerelle.toml");
    let text =
        std::fs::read_to_string(&file).unwrap().replace("127.0.0.1:0", server.base.trim_start_matches("http://"));
    std::fs::write(&file, text).unwrap();
    cinema.run(&["apply"]);
    cinema.run(&["sync", cinema::CONNECTION]);
}

fn address(server: &Server) -> SocketAddr {
    server.base.trim_start_matches("http://").parse().unwrap()
}

fn get(server: &Server, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address(server)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

fn terminate(server: &Server) {
    let told = Command::new("kill").args(["-TERM", &server.child.id().to_string()]).status().unwrap();
    assert!(told.success());
}

/// The exit code, and how long it took.
fn ended(server: &mut Server, within: Duration) -> (Option<i32>, Duration) {
    let began = Instant::now();
    loop {
        if let Some(status) = server.child.try_wait().unwrap() {
            return (status.code(), began.elapsed());
        }
        assert!(began.elapsed() < within, "the process is still there after {within:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn stderr(cinema: &Cinema) -> String {
    std::fs::read_to_string(cinema.path("serve.log")).unwrap()
}

/// After settling: seats sold are seats counted, or a person was called.
fn compare(cinema: &Cinema, case: &str) {
    cinema.vendor.faults().clear();
    for _ in 0..4 {
        cinema.run(&["bookings", "settle", "--now"]);
    }
    cinema.block_on(cinema.sandbox.sweep(0));
    let (sold, believed) = (cinema.vendor.seats_sold(), cinema.seats_believed());
    let told: Vec<Value> = cinema.bookings().into_iter().filter(|line| line["needs_human"] == true).collect();
    let open: Vec<Value> = cinema
        .bookings()
        .into_iter()
        .filter(|line| matches!(line["state"].as_str(), Some("calling" | "abandoned" | "unknown" | "releasing")))
        .collect();
    assert!(open.is_empty(), "{case}: left open: {open:#?}");
    assert!(sold == believed || !told.is_empty(), "{case}: {sold} sold, {believed} counted, nobody called");
}

fn give_back(cinema: &Cinema, booked: &BookingTruth) {
    cinema.block_on(cinema.sandbox.cancel_and_wait(booked.id)).unwrap();
}

/// A disk that fails while nothing is under way, and while a vendor is selling; for each kind of fault.
fn bookings_survive_a_failing(which: Which, fault: DiskFault) {
    let cinema = Cinema::new(which);
    let disk = Disk::new(cinema.folder.path());
    let server = start(&cinema, |mut command| {
        disk.under(&mut command);
        command
    });
    open(&cinema, &server);
    let stock = cinema.stock(cinema.shows()[0]);
    let booked = cinema.book(0, stock, 1).unwrap();

    disk.fail(fault);
    assert!(cinema.book(1, stock, 1).is_err(), "{fault:?}: sold without an intent");
    assert_eq!((cinema.vendor.seats_sold(), cinema.seats_believed()), (1, 1), "{fault:?}");
    assert_eq!(get(&server, "/livez"), Some(200), "an instant is no failure");
    assert_eq!(get(&server, "/readyz"), Some(503));
    let (code, lines, _) = cinema.ran(&["check"]);
    let servers = lines.iter().find(|line| line["probe"] == "servers").unwrap_or_else(|| panic!("{lines:#?}"));
    assert_eq!((code, servers["verdict"].as_str()), (2, Some("failing")), "{fault:?}: {servers}");
    disk.mend();
    let again = cinema
        .book(2, stock, 2)
        .unwrap_or_else(|why| panic!("{fault:?}: the disk works again: {why:?}\n{}", stderr(&cinema)));
    give_back(&cinema, &again);
    give_back(&cinema, &booked);
    assert_eq!((cinema.vendor.seats_sold(), cinema.seats_believed()), (0, 0), "{fault:?}");
    let (_, lines, _) = cinema.ran(&["check"]);
    let servers = lines.iter().find(|line| line["probe"] == "servers").unwrap();
    assert_eq!(servers["verdict"], "healthy", "{servers}");

    // The vendor has sold when the disk fails.
    let (selling, voiding) = cinema.vendor.selling();
    let slow = || Fault::AfterEffect(Box::new(Fault::Delay(Duration::from_secs(1))));
    for _ in 0..cinema.vendor.before_selling() {
        cinema.vendor.faults().next(selling, 1, Fault::Delay(Duration::ZERO));
    }
    cinema.vendor.faults().next(selling, 1, slow());
    let case = format!("{which:?}, {fault:?}");
    let failing_once = async |seats: u32| {
        while cinema.vendor.seats_sold() != seats {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        disk.fail(fault);
    };
    let booked = cinema.block_on(async {
        let email = person(3);
        let asked = cinema.sandbox.book_and_wait(&email, Bookable::Stock(stock), 1);
        tokio::join!(asked, failing_once(1)).0
    });
    disk.mend();
    // The same process goes on.
    compare(&cinema, &format!("{case}, booking"));
    if let Ok(booked) = booked {
        give_back(&cinema, &booked);
    }
    cinema.vendor.void_all_but(&[]);

    // The vendor has voided when the disk fails.
    let booked = cinema.book(4, stock, 1).unwrap_or_else(|why| panic!("{case}: {why:?}\n{}", stderr(&cinema)));
    cinema.vendor.faults().next(voiding, 1, slow());
    let _ = cinema.block_on(async {
        let asked = cinema.sandbox.cancel_and_wait(booked.id);
        tokio::join!(asked, failing_once(0)).0
    });
    disk.mend();
    cinema.vendor.faults().clear();
    if cinema.sandbox.booking(booked.id).is_some_and(|truth| truth.status == "CONFIRMED") {
        // The beneficiary saw an error, and tries again.
        give_back(&cinema, &booked);
    }
    compare(&cinema, &format!("{case}, cancelling"));
    assert_eq!((cinema.vendor.seats_sold(), cinema.seats_believed()), (0, 0), "{case}: clean slate");
    drop(server);
}

#[test]
fn a_full_disk_at_boost() {
    bookings_survive_a_failing(Which::Boost, DiskFault::Full);
}

#[test]
fn a_read_only_disk_at_boost() {
    bookings_survive_a_failing(Which::Boost, DiskFault::ReadOnly);
}

#[test]
fn a_broken_disk_at_cds() {
    bookings_survive_a_failing(Which::Cds, DiskFault::Device);
}

#[test]
fn a_full_disk_at_ems() {
    bookings_survive_a_failing(Which::Ems, DiskFault::Full);
}

#[test]
fn a_broken_disk_at_ems() {
    bookings_survive_a_failing(Which::Ems, DiskFault::Device);
}

#[test]
fn a_store_that_fails_for_half_a_minute_ends_the_server() {
    let cinema = Cinema::new(Which::Boost);
    let mut server = start(&cinema, |command| command);
    open(&cinema, &server);
    let pid = server.child.id().to_string();
    // No file of this process grows, its log neither; and the signal that announces it must not end the process.
    let limited = Command::new("prlimit").args(["--pid", &pid, "--fsize=1:unlimited"]).status().unwrap();
    assert!(limited.success());
    let began = Instant::now();
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(get(&server, "/livez"), Some(200), "{}", stderr(&cinema));
    let (code, lines, _) = cinema.ran(&["check"]);
    assert_eq!(code, 2, "{lines:#?}");
    while get(&server, "/livez") == Some(200) {
        assert!(began.elapsed() < Duration::from_secs(50), "{}", stderr(&cinema));
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(began.elapsed() > Duration::from_secs(28), "too soon: {:?}", began.elapsed());
    let (code, _) = ended(&mut server, Duration::from_secs(20));
    assert_eq!(code, Some(2));
}

#[test]
fn half_sent_heads_keep_no_booking_out() {
    let cinema = Cinema::new(Which::Boost);
    // With fewer open files than there will be connections.
    let server = start(&cinema, |command| {
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -Sn 256; ulimit -Hn 700; exec \"$0\" \"$@\""]).arg(command.get_program());
        limited.args(command.get_args()).current_dir(cinema.folder.path());
        limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        limited.stdin(Stdio::null()).stdout(Stdio::piped());
        limited
    });
    open(&cinema, &server);
    let stock = cinema.stock(cinema.shows()[0]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.child.id())).unwrap();
    let open_files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(open_files.split_ascii_whitespace().nth(3), Some("700"), "raised to the hard limit");
    let silent: Vec<TcpStream> = (0..1_100)
        .map(|number| {
            let mut stream = TcpStream::connect(address(&server)).unwrap();
            let part: &[u8] = if number % 2 == 0 { b"POST /passculture/booking HTTP/1.1\r\nhost" } else { b"G" };
            let _ = stream.write_all(part);
            stream
        })
        .collect();
    let began = Instant::now();
    let booked = cinema.book(0, stock, 1).unwrap_or_else(|why| panic!("{why:?}\n{}", stderr(&cinema)));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    give_back(&cinema, &booked);
    // Their time is over after ten seconds, and all of them are gone.
    for mut stream in silent {
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        let mut rest = [0; 1_024];
        let end = stream.read(&mut rest);
        assert!(!matches!(&end, Err(why) if why.kind() == std::io::ErrorKind::WouldBlock), "still open");
    }
    let log = stderr(&cinema);
    assert!(log.matches("silent connections were closed").count() <= 3, "{log}");
}

#[test]
fn unsigned_messages_are_limited_and_summed() {
    let cinema = Cinema::new(Which::Boost);
    let server = start(&cinema, |command| command);
    open(&cinema, &server);
    let stock = cinema.stock(cinema.shows()[0]);
    let statuses: Vec<u16> = cinema.block_on(async {
        let client = reqwest::Client::new();
        let mut statuses = Vec::new();
        for number in 0..400 {
            let request = client.post(format!("{}/passculture/booking", server.base)).body("\"{}\"");
            let request =
                if number % 2 == 0 { request } else { request.header("PassCulture-Signature", "0".repeat(64)) };
            statuses.push(request.send().await.unwrap().status().as_u16());
        }
        statuses
    });
    assert_eq!(statuses[0], 401);
    assert!(statuses.iter().filter(|status| **status == 429).count() > 200, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429)), "{statuses:?}");
    let booked = cinema.book(0, stock, 1).unwrap();
    give_back(&cinema, &booked);
    // Signed by whom we know, in the middle of it.
    let signed = sign_message(HMAC_KEY, &[("anything", json!(1))], Form::Spaced);
    let status = cinema.block_on(async {
        let request = reqwest::Client::new().post(format!("{}/passculture/booking", server.base));
        request
            .header("PassCulture-Signature", signed.signature)
            .body(signed.wire)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    });
    assert_eq!(status, 400, "believed, and of the wrong shape");
    let log = stderr(&cinema);
    assert!(log.matches("not believed").count() <= 3, "{log}");
    assert!(log.lines().count() < 20, "{log}");
}

#[test]
fn ids_of_no_possible_shape_never_reach_the_store() {
    let cinema = Cinema::new(Which::Boost);
    let server = start(&cinema, |command| command);
    for path in ["/hints/a%00b", "/hints/%0D", &format!("/hints/{}", "x".repeat(600)), "/vendor/v1/bookings/a%00/use"] {
        assert_eq!(get(&server, path), Some(404), "{path}");
    }
    assert_eq!(get(&server, "/admin/messages?booking=a%00"), Some(400));
    assert_eq!(cinema.ran(&["explain", &"x".repeat(5_000)]).0, 64);
    assert_eq!(cinema.ran(&["sync", &"x".repeat(1_100)]).0, 64);
    assert_eq!(cinema.ran(&["bookings", "show", "a\nb"]).0, 64);
}

#[test]
fn a_stopped_server_answers_long_polls_and_waits_for_nobody_silent() {
    let cinema = Cinema::new(Which::Boost);
    std::fs::write(cinema.path("till"), "till-token-till-token").unwrap();
    *cinema.more.lock().unwrap() = format!(
        "[[connection]]\nid = \"till\"\nadapter = \"webhook\"\nvenue = {OTHER_VENUE}\n[connection.settings]\nmode = \"pull\"\n\
         api_token = {{ file = \"till\" }}\n"
    );
    cinema.configure("sqlite:passerelle.db", None);
    let mut server = start(&cinema, |command| command);
    open(&cinema, &server);
    let to = address(&server);
    let mut poll = TcpStream::connect(to).unwrap();
    write!(
        poll,
        "GET /vendor/v1/events-feed?wait=25 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer till-token-till-token\r\n\r\n"
    )
    .unwrap();
    let mut head = TcpStream::connect(to).unwrap();
    head.write_all(b"POST /passculture/booking HTTP/1.1\r\n").unwrap();
    let mut body = TcpStream::connect(to).unwrap();
    body.write_all(b"POST /api/v1/stocks/x HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc").unwrap();
    let _silent = TcpStream::connect(to).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    terminate(&server);
    poll.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let mut answer = [0; 12];
    poll.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let (code, took) = ended(&mut server, Duration::from_secs(15));
    assert_eq!(code, Some(0), "{}", stderr(&cinema));
    assert!(took < Duration::from_secs(13), "{took:?}");
}

/// Says so when it is dropped, by a failing assertion too.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Bookings one after the other, each given back, while `meanwhile` runs: how many, and what was refused.
fn stream_of_bookings(cinema: &Cinema, stock: u64, meanwhile: impl FnOnce() + Send) -> (usize, Vec<String>) {
    let (done, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut refused = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _done = Done(&done);
            meanwhile();
        });
        let mut number = 0;
        while !done.load(Ordering::Acquire) {
            match cinema.book(number % 50, stock, 1) {
                Ok(booked) => {
                    count.fetch_add(1, Ordering::Relaxed);
                    give_back(cinema, &booked);
                }
                Err(why) => refused.push(format!("{why:?}")),
            }
            number += 1;
        }
    });
    (count.into_inner(), refused)
}

#[test]
fn an_upgrade_of_a_single_node_fails_no_booking() {
    let cinema = Cinema::new(Which::Boost);
    let first = start(&cinema, |command| command);
    open(&cinema, &first);
    let stock = cinema.stock(cinema.shows()[0]);
    let mut running = Some(first);
    let (count, refused) = stream_of_bookings(&cinema, stock, || {
        for _ in 0..3 {
            let mut old = running.take().unwrap();
            let new = start(&cinema, |command| command);
            assert_eq!(new.base, old.base);
            terminate(&old);
            assert_eq!(ended(&mut old, Duration::from_secs(15)).0, Some(0));
            running = Some(new);
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    assert_eq!(refused, Vec::<String>::new(), "{count} were made\n{}", stderr(&cinema));
    assert!(count > 10, "{count}");
    assert_eq!((cinema.vendor.seats_sold(), cinema.seats_believed()), (0, 0));
}

#[test]
fn a_server_of_another_store_shares_no_socket() {
    let cinema = Cinema::new(Which::Boost);
    let server = start(&cinema, |command| command);
    open(&cinema, &server);
    let file = cinema.path("passerelle.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("sqlite:passerelle.db", "sqlite:other.db")).unwrap();
    let (code, _, stderr) = cinema.ran(&["serve"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("another program"), "{stderr}");
}

#[test]
fn a_service_managers_socket_is_used() {
    let cinema = Cinema::new(Which::Boost);
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let given = |command: Command| {
        let mut activated = Command::new("sh");
        let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
        activated.args(["-c", script]).arg(command.get_program()).args(command.get_args());
        activated.current_dir(cinema.folder.path());
        activated.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        activated.stdin(std::os::fd::OwnedFd::from(held.try_clone().unwrap())).stdout(Stdio::piped());
        activated
    };
    let first = start(&cinema, given);
    assert_eq!(address(&first), held.local_addr().unwrap());
    open(&cinema, &first);
    let stock = cinema.stock(cinema.shows()[0]);
    // Stopped and started, as a service manager restarts: what comes between waits in the socket.
    let mut running = Some(first);
    let (count, refused) = stream_of_bookings(&cinema, stock, || {
        let mut old = running.take().unwrap();
        std::thread::sleep(Duration::from_millis(500));
        terminate(&old);
        assert_eq!(ended(&mut old, Duration::from_secs(15)).0, Some(0));
        running = Some(start(&cinema, given));
        std::thread::sleep(Duration::from_millis(500));
    });
    assert_eq!(refused, Vec::<String>::new(), "{count} were made\n{}", stderr(&cinema));
    until("bookings", || count > 3);
}
