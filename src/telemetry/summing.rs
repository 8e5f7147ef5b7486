//! Events that anybody can cause as often as they like: the first is logged, the others are counted and logged once a minute.
//!
//! Invariant: a flood costs one line a minute for each kind, and kinds come from the code, never from the sender.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One line of a kind in this time.
const ONE_LINE_IN: Duration = Duration::from_secs(60);

/// What and why, both from the code.
type Kind = (&'static str, &'static str);

struct Sum {
    quiet_until: Instant,
    more: u64,
}

#[derive(Default)]
struct Sums(BTreeMap<Kind, Sum>);

impl Sums {
    /// How many there were since the last line, this one included, when it is time for a line.
    fn note(&mut self, kind: Kind, count: u64, now: Instant) -> Option<u64> {
        let sum = self.0.entry(kind).or_insert(Sum { quiet_until: now, more: 0 });
        sum.more = sum.more.saturating_add(count);
        if sum.quiet_until > now {
            return None;
        }
        sum.quiet_until = now + ONE_LINE_IN;
        Some(std::mem::take(&mut sum.more))
    }

    /// What was counted and not told, of kinds whose minute is over.
    fn flush(&mut self, now: Instant) -> Vec<(Kind, u64)> {
        let mut told = Vec::new();
        self.0.retain(|kind, sum| {
            if sum.quiet_until > now {
                return true;
            }
            if sum.more == 0 {
                return false;
            }
            told.push((*kind, std::mem::take(&mut sum.more)));
            sum.quiet_until = now + ONE_LINE_IN;
            true
        });
        told
    }
}

static SUMS: Mutex<Sums> = Mutex::new(Sums(BTreeMap::new()));

fn note(kind: Kind, count: u64) -> Option<u64> {
    SUMS.lock().unwrap_or_else(PoisonError::into_inner).note(kind, count, Instant::now())
}

/// Logs what was counted and not told yet; called every few seconds by a server.
pub fn flush_refused() {
    let told = SUMS.lock().unwrap_or_else(PoisonError::into_inner).flush(Instant::now());
    for ((what, why), count) in told {
        tracing::warn!(what, why, count, "{what}: {count} more in the last minute ({why})");
    }
}

/// A request was refused because of who it said it was. `what` is what was presented, `why` a code.
pub fn refused(what: &'static str, why: &'static str) {
    metrics::counter!("passerelle_refused_total", "what" => what, "why" => why).increment(1);
    if let Some(count) = note((what, why), 1) {
        tracing::warn!(what, why, count, "{what} refused ({why})");
    }
}

/// A message was not believed. `presented` is a fingerprint of its signature.
pub fn message_refused(account: &str, kind: &'static str, code: &'static str, presented: &str) {
    metrics::counter!("passerelle_refused_total", "what" => "message", "why" => code).increment(1);
    if let Some(count) = note(("message", code), 1) {
        tracing::warn!(account, kind, code, presented, count, "a message was not believed ({code})");
    }
}

/// The server could not accept a connection.
pub fn accept_failed(why: &io::Error) {
    metrics::counter!("passerelle_accept_errors_total").increment(1);
    if let Some(count) = note(("accept", "Failed"), 1) {
        tracing::error!(%why, count, "connections cannot be accepted: {why}");
    }
}

/// Every connection that is allowed is at work.
pub fn connections_full() {
    if let Some(count) = note(("connections", "Full"), 1) {
        tracing::error!(count, "every connection that is allowed is at work; others wait");
    }
}

/// Connections were closed before their time was over, or because it was.
pub fn connections_closed(why: &'static str, count: usize) {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    if count == 0 {
        return;
    }
    metrics::counter!("passerelle_connections_closed_total", "why" => why).increment(count);
    if let Some(count) = note(("connections closed", why), count) {
        tracing::warn!(why, count, "silent connections were closed ({why})");
    }
}

/// Connections that are open.
#[allow(clippy::cast_precision_loss)]
pub fn connections_open(count: usize) {
    metrics::gauge!("passerelle_connections_open").set(count as f64);
}

/// Names the metrics of this file.
pub(super) fn describe() {
    metrics::describe_counter!("passerelle_refused_total", "Requests refused for who they said they were");
    metrics::describe_counter!("passerelle_accept_errors_total", "Errors of accepting connections");
    metrics::describe_counter!("passerelle_connections_closed_total", "Silent connections closed, by reason");
    metrics::describe_gauge!("passerelle_connections_open", "Connections to the web server");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_minute_and_nothing_is_left_out() {
        let (mut sums, began) = (Sums::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        let kind = ("message", "InvalidSignature");
        assert_eq!(sums.note(kind, 1, at(0)), Some(1));
        assert!((0..500).all(|_| sums.note(kind, 1, at(1)).is_none()));
        assert_eq!(sums.note(("token", "Wrong"), 1, at(1)), Some(1), "kinds are apart");
        assert_eq!(sums.flush(at(59)), []);
        assert_eq!(sums.flush(at(60)), [(kind, 500)]);
        assert_eq!(sums.note(kind, 1, at(61)), None);
        assert_eq!(sums.note(kind, 1, at(121)), Some(2));
        assert_eq!(sums.flush(at(300)), []);
        assert!(sums.0.is_empty(), "what is over is forgotten");
    }
}
