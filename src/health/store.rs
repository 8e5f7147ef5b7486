//! Can the store be written? Asked every few seconds by a server of itself, and by `check` of itself and of every server.
//!
//! A server whose store takes no write answers 503 to every booking, whatever else works: it says so at `/livez` and ends, since a
//! new process may have what this one lost (a mount, a connection, a limit). `check` is another process, with a connection of its
//! own; so it asks the running servers themselves, and reads when each last wrote.
//!
//! Invariant: a store is called failed when every heartbeat, a real write, was refused or not done within [`WRITE_WITHIN`] for the
//! whole of [`FAILING_AFTER`], and several were. A booking has seven seconds: a store that slow sells nothing. (Transactions that
//! happen to change nothing prove nothing: SQLite commits those on a full disk too.)

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Answer, TIME_LIMIT, Verdict, remember};
use crate::clock::ago;
use crate::gateway::Gateway;
use crate::store::servers::ServerRow;
use crate::store::{Millis, ProbeRecord, Store, is_dead, is_here};

/// A store that took no write for this long has failed.
pub const FAILING_AFTER: Duration = Duration::from_secs(30);
/// Writes that failed in a row at least, before a store has failed: a process that was stopped for a minute tries again first.
const FEWEST_FAILURES: u32 = 3;
/// A server writes its heartbeat this often.
const BEAT_EVERY: Duration = Duration::from_secs(5);
/// And tries again this soon when that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// A write that takes longer counts as failed: longer than the store itself waits for its turn.
const WRITE_WITHIN: Duration = Duration::from_secs(12);
/// At the end there is less time.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(2);
/// A server that did not write for so long is stuck (three heartbeats and a slow one), in milliseconds.
const SILENT_AFTER: Millis = 20_000;
/// A server on another machine that did not write for so long is gone: one that cannot write ends before, in milliseconds.
const GONE_AFTER: Millis = 120_000;
/// Clocks of two machines may differ by this, in milliseconds.
const CLOCKS_DIFFER: Millis = 60_000;
/// A server answers a question about itself within this time: longer than its own write may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// What the probes are about.
const SUBJECT: &str = "store";

/// How the writes of a server go.
#[derive(Debug, Default)]
struct Pulse {
    failing_since: Option<Instant>,
    failures: u32,
    has_failed: bool,
}

impl Pulse {
    /// A write succeeded; how many had failed before it.
    fn succeeded(&mut self) -> u32 {
        std::mem::take(self).failures
    }

    /// A write that began at `began` failed at `now`.
    fn failed(&mut self, began: Instant, now: Instant) {
        let since = *self.failing_since.get_or_insert(began);
        self.failures = self.failures.saturating_add(1);
        self.has_failed = self.failures >= FEWEST_FAILURES && now.saturating_duration_since(since) >= FAILING_AFTER;
    }
}

/// What a server knows of its store; shared with its routes.
#[derive(Debug)]
pub struct StoreWatch {
    store: Arc<dyn Store>,
    pulse: Mutex<Pulse>,
    failed: watch::Sender<Option<String>>,
}

impl StoreWatch {
    /// Over a store of which nothing is known yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { store, pulse: Mutex::default(), failed: watch::Sender::new(None) })
    }

    /// Why the store has failed, if it has.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.failed.borrow().clone()
    }

    /// Until the store has failed; the reason.
    pub async fn failed(&self) -> String {
        let mut failed = self.failed.subscribe();
        match failed.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Writes the server's heartbeat until `stop`, and removes it then.
    pub async fn run(&self, mut server: ServerRow, now: fn() -> Millis, stop: CancellationToken) {
        while !stop.is_cancelled() {
            server.beat_at = now();
            let pause = if self.beat(&server).await { BEAT_EVERY } else { AGAIN_AFTER };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        let forgotten = tokio::time::timeout(FORGOTTEN_WITHIN, self.store.forget_server(&server.owner.id)).await;
        if !matches!(forgotten, Ok(Ok(()))) {
            tracing::warn!("the store still lists this server");
        }
    }

    async fn beat(&self, server: &ServerRow) -> bool {
        let began = Instant::now();
        let why = match tokio::time::timeout(WRITE_WITHIN, self.store.beat(server)).await {
            Ok(Ok(())) => {
                let failures = self.pulse.lock().unwrap_or_else(PoisonError::into_inner).succeeded();
                if failures > 0 {
                    tracing::warn!(failures, "the store can be written again");
                }
                self.failed.send_replace(None);
                return true;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no write was done within {} s", WRITE_WITHIN.as_secs()),
        };
        let mut pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        pulse.failed(began, Instant::now());
        if pulse.failures == 1 {
            tracing::error!(why, "the store cannot be written: {why}");
        }
        if pulse.has_failed && self.failed.borrow().is_none() {
            let seconds = FAILING_AFTER.as_secs();
            tracing::error!(why, "the store could not be written for {seconds} s: {why}");
            self.failed.send_replace(Some(why));
        }
        false
    }
}

/// Whether this process and every running server can write the store. Answers that cannot be stored are told all the same.
pub async fn check_store(gateway: &Gateway) -> Vec<ProbeRecord> {
    let mut answers = vec![own_write(gateway).await];
    match gateway.store.servers().await {
        Ok(servers) => {
            let now = (gateway.now)();
            let mut asked = Vec::new();
            for server in servers {
                if let Some(answer) = ask(&server, now).await {
                    asked.push(answer);
                }
            }
            // One line, the worst: the store knows verdicts by their probe.
            let worst = asked.into_iter().max_by_key(|answer| answer.verdict);
            let none = || Answer::healthy("servers", Duration::ZERO, "no server runs".to_owned());
            answers.push(worst.unwrap_or_else(none));
        }
        Err(error) => answers.push(failing("servers", Duration::ZERO, error.to_string())),
    }
    let now = (gateway.now)();
    match remember(gateway, SUBJECT, answers.clone()).await {
        Ok(records) => records,
        Err(_) => answers.into_iter().map(|answer| answer.into_record(SUBJECT, now)).collect(),
    }
}

fn failing(probe: &'static str, latency: Duration, evidence: String) -> Answer {
    let remedy =
        "free the disk, or give the user the right to write the store's file and folder, or start its database";
    Answer { probe, verdict: Verdict::Failing, latency, evidence, remedy: remedy.to_owned() }
}

async fn own_write(gateway: &Gateway) -> Answer {
    let began = Instant::now();
    let answer = tokio::time::timeout(TIME_LIMIT, gateway.store.ping()).await;
    let latency = began.elapsed();
    match answer {
        Ok(Ok(())) => Answer::healthy("write", latency, format!("{} takes writes", gateway.store.place())),
        Ok(Err(error)) => failing("write", latency, error.to_string()),
        Err(_) => failing("write", latency, format!("no write was done within {} s", TIME_LIMIT.as_secs())),
    }
}

/// What a running server says of its writes; `None` for one that is gone.
async fn ask(server: &ServerRow, now: Millis) -> Option<Answer> {
    let began = Instant::now();
    let said = if is_here(&server.owner) { ready(&server.address).await } else { None };
    let is_gone = is_dead(&server.owner);
    judge(server, now, said.as_ref(), is_gone).map(|answer| Answer { latency: began.elapsed(), ..answer })
}

/// `said`: what the server answered when asked, if it answered. `is_gone`: its process is provably over.
fn judge(server: &ServerRow, now: Millis, said: Option<&Result<(), String>>, is_gone: bool) -> Option<Answer> {
    let (silent, pid) = (now - server.beat_at, server.owner.pid);
    let who = format!("the server at {} (process {pid})", server.address);
    let since = ago(server.beat_at, now);
    match said {
        Some(Ok(())) => Some(Answer::healthy("servers", Duration::ZERO, format!("{who} can write the store"))),
        Some(Err(why)) => Some(failing("servers", Duration::ZERO, format!("{who} cannot write the store: {why}"))),
        None if is_gone || (!is_here(&server.owner) && silent > GONE_AFTER) => None,
        None if silent < -CLOCKS_DIFFER => Some(Answer {
            remedy: "set the clock of both machines".to_owned(),
            ..failing("servers", Duration::ZERO, format!("{who} wrote in the future: a clock is wrong"))
        }),
        None if silent > SILENT_AFTER => {
            Some(failing("servers", Duration::ZERO, format!("{who} last wrote the store {since} ago")))
        }
        None if is_here(&server.owner) => Some(Answer {
            probe: "servers",
            verdict: Verdict::Degraded,
            latency: Duration::ZERO,
            evidence: format!("{who} does not answer; it last wrote the store {since} ago"),
            remedy: "look at its log; too many connections, or a machine that is too busy".to_owned(),
        }),
        None => Some(Answer::healthy("servers", Duration::ZERO, format!("{who} last wrote the store {since} ago"))),
    }
}

/// Asks a server of this machine; `None` when it does not answer.
async fn ready(address: &str) -> Option<Result<(), String>> {
    let mut address: SocketAddr = address.parse().ok()?;
    if address.ip().is_unspecified() {
        let loopback: IpAddr =
            if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        address.set_ip(loopback);
    }
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build().ok()?;
    let response = client.get(format!("http://{address}/readyz")).send().await.ok()?;
    match response.status().as_u16() {
        200 => Some(Ok(())),
        503 => Some(Err("it answers 503 when asked whether it is ready".to_owned())),
        // Somebody else listens there now.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Owner;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_store_has_failed_after_half_a_minute_of_refused_writes() {
        let (began, mut pulse) = (Instant::now(), Pulse::default());
        for second in 0..30 {
            pulse.failed(began + seconds(second), began + seconds(second));
            assert!(!pulse.has_failed, "{second}");
        }
        pulse.failed(began + seconds(30), began + seconds(30));
        assert!(pulse.has_failed);
        assert_eq!(pulse.succeeded(), 31);
        assert!(!pulse.has_failed && pulse.failures == 0);
    }

    #[test]
    fn slow_writes_that_are_done_in_the_end_are_no_failure() {
        let (began, mut pulse) = (Instant::now(), Pulse::default());
        for turn in 0..20 {
            // Two that waited too long, then one that got its turn.
            pulse.failed(began + seconds(turn * 36), began + seconds(turn * 36 + 12));
            pulse.failed(began + seconds(turn * 36 + 13), began + seconds(turn * 36 + 25));
            assert!(!pulse.has_failed, "{turn}");
            pulse.succeeded();
        }
    }

    #[test]
    fn a_process_that_was_stopped_for_a_minute_tries_again_before_it_gives_up() {
        let (began, mut pulse) = (Instant::now(), Pulse::default());
        pulse.failed(began, began);
        pulse.failed(began, began + seconds(60));
        assert!(!pulse.has_failed);
        pulse.failed(began + seconds(61), began + seconds(61));
        assert!(pulse.has_failed);
    }

    fn row(elsewhere: bool) -> ServerRow {
        let mut owner = Owner::current("serve");
        if elsewhere {
            owner.host = "elsewhere".to_owned();
        }
        ServerRow { owner, address: "127.0.0.1:8080".to_owned(), since: 0, beat_at: 1_000_000 }
    }

    fn verdict(row: &ServerRow, after: Millis, said: Option<Result<(), String>>, is_gone: bool) -> Option<Verdict> {
        judge(row, row.beat_at + after, said.as_ref(), is_gone).map(|answer| answer.verdict)
    }

    #[test]
    fn what_a_server_says_of_itself_counts_first_and_its_silence_next() {
        let here = row(false);
        assert_eq!(verdict(&here, 60_000, Some(Ok(())), false), Some(Verdict::Healthy));
        assert_eq!(verdict(&here, 0, Some(Err("full".to_owned())), false), Some(Verdict::Failing));
        assert_eq!(verdict(&here, 4_000, None, false), Some(Verdict::Degraded));
        assert_eq!(verdict(&here, 21_000, None, false), Some(Verdict::Failing));
        assert_eq!(verdict(&here, 21_000, None, true), None, "killed: its row stays behind");
        assert_eq!(verdict(&here, -61_000, None, false), Some(Verdict::Failing), "a clock is wrong");
    }

    #[test]
    fn a_server_elsewhere_is_known_by_its_writes_alone() {
        let elsewhere = row(true);
        assert_eq!(verdict(&elsewhere, 6_000, None, false), Some(Verdict::Healthy));
        assert_eq!(verdict(&elsewhere, 40_000, None, false), Some(Verdict::Failing));
        assert_eq!(verdict(&elsewhere, 121_000, None, false), None, "it would have ended itself");
    }
}
