//! What the sandbox was asked and what it sent: bounded rings and counters.
//!
//! Holds neither bodies nor keys, only routes, statuses and counts.
//!
//! Invariant: memory is bounded by [`MAX_ENTRIES`] whatever the traffic; counters never lose a request.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

/// Requests and messages kept, each; older ones are dropped and only counted.
pub(crate) const MAX_ENTRIES: usize = 10_000;
/// Distinct routes counted; the rest is counted under `other`.
const MAX_ROUTES: usize = 200;
/// Characters of a query string kept.
const MAX_QUERY: usize = 2_000;

/// A request the sandbox saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeenRequest {
    /// Position since the start or the last reset, from 1.
    pub number: u64,
    /// HTTP method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Query string as received, cut at 2 000 characters.
    pub query: String,
    /// Status answered; 0 when none was (hang, cut connection).
    pub status: u16,
    /// Items of a bulk body (`products`, `dates`, …), or EANs of a query; 0 otherwise.
    pub items: usize,
}

/// A message the sandbox posted to a registered address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SentMessage {
    /// `BOOK` or `CANCEL` for a notification, `BOOKING` or `CANCELLATION` for a question asked of a ticketing.
    pub action: String,
    /// Where it was posted.
    pub url: String,
    /// The booking it speaks of; 0 for one that is not made yet, or of which there is none.
    pub booking_id: u64,
    /// Status answered; none when there was no answer.
    pub status: Option<u16>,
}

/// Counts of one route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RouteCount {
    /// Requests.
    pub requests: u64,
    /// Items carried by them.
    pub items: u64,
}

#[derive(Default)]
pub(crate) struct Log {
    total: u64,
    requests: VecDeque<SeenRequest>,
    routes: BTreeMap<String, RouteCount>,
    messages: VecDeque<SentMessage>,
}

impl Log {
    pub(crate) fn request(&mut self, route: &str, mut seen: SeenRequest) {
        self.total += 1;
        seen.number = self.total;
        if let Some((cut, _)) = seen.query.char_indices().nth(MAX_QUERY) {
            seen.query.truncate(cut);
        }
        let key = format!("{} {route}", seen.method);
        let known = self.routes.len() < MAX_ROUTES || self.routes.contains_key(&key);
        let count = self.routes.entry(if known { key } else { "other".to_owned() }).or_default();
        count.requests += 1;
        count.items += seen.items as u64;
        if self.requests.len() == MAX_ENTRIES {
            self.requests.pop_front();
        }
        self.requests.push_back(seen);
    }

    pub(crate) fn message(&mut self, sent: SentMessage) {
        if self.messages.len() == MAX_ENTRIES {
            self.messages.pop_front();
        }
        self.messages.push_back(sent);
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn requests(&self) -> impl Iterator<Item = &SeenRequest> {
        self.requests.iter()
    }

    pub(crate) fn messages(&self) -> impl Iterator<Item = &SentMessage> {
        self.messages.iter()
    }

    pub(crate) fn routes(&self) -> &BTreeMap<String, RouteCount> {
        &self.routes
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_is_bounded_and_the_counters_lose_nothing() {
        let mut log = Log::default();
        for _ in 0..MAX_ENTRIES + 5 {
            let seen = SeenRequest {
                number: 0,
                method: "GET".into(),
                path: "/x".into(),
                query: "é".repeat(3000),
                status: 200,
                items: 2,
            };
            log.request("/x", seen);
        }
        assert_eq!(log.requests().count(), MAX_ENTRIES);
        assert_eq!(log.requests().next().map(|r| r.number), Some(6));
        let count = log.routes().get("GET /x").copied().unwrap();
        assert_eq!(count, RouteCount { requests: MAX_ENTRIES as u64 + 5, items: 2 * (MAX_ENTRIES as u64 + 5) });
    }
}
