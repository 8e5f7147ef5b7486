//! `POST /hints/{connection}`: a vendor says, unsigned, that something changed; nothing of what it says is believed.
//!
//! The hint makes a pass due, and the pass asks the vendor itself. Anybody may send one: it costs at most one pass a minute.
//!
//! Invariant: no word of a hint's body is read, and no hint is worth more than that a pass comes sooner.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::Web;
use super::answer::{problem, unavailable};
use crate::store::Millis;

/// One pass for the hints of this time.
const ONE_PASS_IN: Duration = Duration::from_secs(60);
/// Connections whose hints are remembered; a gateway has fewer.
const MOST_REMEMBERED: usize = 10_000;

/// When each connection may be made due by a hint again.
#[derive(Debug, Default)]
pub(super) struct Hints {
    free: Mutex<HashMap<String, Instant>>,
}

impl Hints {
    /// How long after this hint its pass is due; `None` when one is to come that will see what it means.
    fn due_after(&self, connection: &str, now: Instant) -> Option<Duration> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() >= MOST_REMEMBERED {
            free.retain(|_, at| *at > now);
        }
        let at = free.get(connection).copied().unwrap_or(now).max(now);
        let wait = at.saturating_duration_since(now);
        if wait > ONE_PASS_IN {
            return None;
        }
        free.insert(connection.to_owned(), at + ONE_PASS_IN);
        Some(wait)
    }
}

/// Something changed at the vendor, it says.
pub(super) async fn take(State(web): State<Arc<Web>>, Path(connection): Path<String>) -> Response {
    let known = match web.gateway.store.connection(&connection).await {
        Ok(known) => known,
        Err(error) => return unavailable(&error),
    };
    if known.is_none_or(|connection| connection.paused) {
        return problem(StatusCode::NOT_FOUND, "NoSuchConnection", "there is no such connection at work");
    }
    if let Some(wait) = web.hints.due_after(&connection, Instant::now()) {
        let at = (web.gateway.now)().saturating_add(Millis::try_from(wait.as_millis()).unwrap_or(0));
        if let Err(error) = web.gateway.store.make_due_again(&connection, at).await {
            return unavailable(&error);
        }
    }
    // The same answer whether or not it was news: the sender has nothing to repeat.
    StatusCode::ACCEPTED.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_of_one_minute_are_one_pass_and_the_last_of_them_is_not_lost() {
        let (hints, now) = (Hints::default(), Instant::now());
        let due = |seconds| hints.due_after("a", now + Duration::from_secs(seconds)).map(|wait| wait.as_secs());
        assert_eq!((due(0), due(30), due(40), due(59)), (Some(0), Some(30), None, None));
        assert_eq!((due(70), due(300)), (Some(50), Some(0)));
        assert_eq!(hints.due_after("b", now), Some(Duration::ZERO));
    }
}
