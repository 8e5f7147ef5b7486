//! How many unsigned messages and wrong tokens are answered as such: a few a second, then 429 and the connection is closed.
//!
//! What presents nothing is then refused before its body is read and before the store is asked. What presents something is always
//! judged, so that a flood shuts out nobody who may speak.
//!
//! Invariant: no request with a valid signature or token is ever counted or refused here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::answer::problem;
use crate::passculture::messages::SIGNATURE_HEADER;
use crate::telemetry;

/// Refusals a second, in the long run.
const A_SECOND: f64 = 20.0;
/// Refusals at once.
const AT_ONCE: f64 = 100.0;

/// Marks the answer to a message that was not believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotBelieved;

/// The limit that every refusal of this server counts against.
#[derive(Debug)]
pub(super) struct Refusals(Mutex<(f64, Instant)>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Mutex::new((AT_ONCE, Instant::now())))
    }
}

impl Refusals {
    /// Takes one if there is one.
    fn take(&self, now: Instant) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = Self::left(*state, now);
        let taken = left >= 1.0;
        *state = (if taken { left - 1.0 } else { left }, now);
        taken
    }

    fn is_spent(&self, now: Instant) -> bool {
        Self::left(*self.0.lock().unwrap_or_else(PoisonError::into_inner), now) < 1.0
    }

    fn left((left, at): (f64, Instant), now: Instant) -> f64 {
        (left + now.saturating_duration_since(at).as_secs_f64() * A_SECOND).min(AT_ONCE)
    }
}

/// What a route wants to see, and the header that shows it; `None` for routes that are open to anybody.
fn wanted(path: &str) -> Option<(&'static str, &'static str)> {
    if path.starts_with("/passculture/") {
        return Some(("message", SIGNATURE_HEADER));
    }
    let closed = ["/vendor/", "/admin/", "/v2/", "/api/v1/"].into_iter().any(|prefix| path.starts_with(prefix));
    (closed && path != "/api/v1/openapi.json").then_some(("token", "authorization"))
}

/// Counts refusals, and answers 429 to those beyond the limit.
pub(super) async fn limit(State(refusals): State<Arc<Refusals>>, request: Request, next: Next) -> Response {
    let Some((what, shown_in)) = wanted(request.uri().path()) else { return next.run(request).await };
    let shows = request.headers().contains_key(shown_in);
    if !shows && refusals.is_spent(Instant::now()) {
        telemetry::refused(what, "TooMany");
        return too_many();
    }
    let response = next.run(request).await;
    let is_message = response.extensions().get::<NotBelieved>().is_some();
    if !is_message && response.status() != StatusCode::UNAUTHORIZED {
        return response;
    }
    // Messages were told by their route, with what they presented.
    if !is_message {
        telemetry::refused(what, if shows { "Wrong" } else { "Missing" });
    }
    if refusals.take(Instant::now()) { response } else { too_many() }
}

fn too_many() -> Response {
    let told = "too many requests without a valid signature or token; wait as Retry-After says";
    let mut response = problem(StatusCode::TOO_MANY_REQUESTS, "TooManyRefusals", told);
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn refusals_come_back_with_time() {
        let (refusals, began) = (Refusals::default(), Instant::now());
        assert_eq!((0..150).filter(|_| refusals.take(began)).count(), 100);
        assert!(refusals.is_spent(began));
        let later = began + Duration::from_secs(1);
        assert_eq!((0..150).filter(|_| refusals.take(later)).count(), 20);
    }

    #[test]
    fn open_routes_want_nothing() {
        for path in ["/livez", "/readyz", "/metrics", "/api/v1/openapi.json", "/hints/a"] {
            assert_eq!(wanted(path), None, "{path}");
        }
        assert_eq!(wanted("/passculture/booking"), Some(("message", SIGNATURE_HEADER)));
        assert_eq!(wanted("/vendor/v1/stocks").map(|(what, _)| what), Some("token"));
    }
}
