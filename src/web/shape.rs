//! What no address may hold: whatever a route does with an id, one with a NUL or of absurd length never gets as far.
//!
//! PostgreSQL's text cannot hold a NUL, and answers with an error that looks like a failing store.
//!
//! Invariant: nothing of the refused text is logged or answered.

use std::borrow::Cow;

use axum::extract::Request;
use axum::http::{StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;

use super::answer::problem;

/// Longest part of an address, in bytes after decoding: twice what any of our ids may have.
const LONGEST_PART: usize = 512;
/// Longest value of a query, in bytes after decoding.
const LONGEST_VALUE: usize = 1_024;
/// Longest address, in bytes as sent.
const LONGEST_ADDRESS: usize = 8_192;
/// These know the shape of what they take, and say what is wrong with it in their own words.
const JUDGED_ELSEWHERE: [&str; 3] = ["/api/v1/tokens/", "/vendor/v1/events/", "/vendor/v1/stocks/"];

/// Refuses what no id of ours can be: 404 in the path, since there is no such thing; 400 in the query.
pub(super) async fn check(request: Request, next: Next) -> Response {
    match judge(request.uri()) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused,
    }
}

// The error is the answer itself; this runs once a request.
#[allow(clippy::result_large_err)]
fn judge(address: &Uri) -> Result<(), Response> {
    let (path, query) = (address.path(), address.query().unwrap_or_default());
    if path.len() + query.len() > LONGEST_ADDRESS {
        return Err(problem(StatusCode::URI_TOO_LONG, "AddressTooLong", "an address has at most 8 192 bytes"));
    }
    let is_judged = JUDGED_ELSEWHERE.iter().any(|prefix| path.starts_with(prefix));
    if !is_judged && !path.split('/').all(|part| fits(&decoded(part), LONGEST_PART)) {
        return Err(problem(StatusCode::NOT_FOUND, "NotFound", "no id has this shape"));
    }
    let sane = url::form_urlencoded::parse(query.as_bytes())
        .all(|(name, value)| fits(&name, LONGEST_VALUE) && fits(&value, LONGEST_VALUE));
    if !sane {
        let told = "a value of the query holds a control character, or is longer than 1 024 bytes";
        return Err(problem(StatusCode::BAD_REQUEST, "BadQuery", told));
    }
    Ok(())
}

fn fits(text: &str, longest: usize) -> bool {
    text.len() <= longest && !text.chars().any(char::is_control)
}

/// A part of a path with its `%XX` read; what is no UTF-8 the routes refuse.
fn decoded(part: &str) -> Cow<'_, str> {
    if !part.contains('%') {
        return Cow::Borrowed(part);
    }
    // In a path a `+` is itself.
    let escaped = part.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    match url::form_urlencoded::parse(escaped.as_bytes()).next() {
        Some((text, _)) => Cow::Owned(text.into_owned()),
        None => Cow::Borrowed(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(address: &str) -> u16 {
        let address: Uri = address.parse().unwrap_or_else(|why| panic!("{address}: {why}"));
        judge(&address).err().map_or(200, |response| response.status().as_u16())
    }

    #[test]
    fn ids_of_no_possible_shape_are_refused() {
        let long = "x".repeat(513);
        for path in ["/hints/a%00b", "/hints/%0a", "/vendor/v1/bookings/a%20%00/use", &format!("/hints/{long}")] {
            assert_eq!(status(path), 404, "{path}");
        }
        assert_eq!(status(&format!("/hints/{}", "x/".repeat(5_000))), 414);
        for query in [
            "/admin/messages?booking=%00",
            "/admin/messages?a%00=1",
            &format!("/admin/messages?state={}", "x".repeat(1_025)),
        ] {
            assert_eq!(status(query), 400, "{query}");
        }
    }

    #[test]
    fn ids_that_may_be_pass() {
        for path in [
            "/livez",
            "/hints/caf%C3%A9",
            "/vendor/v1/events/a+b/stocks/c%2Fd&e=f",
            "/api/v1/tokens/%00",
            "/x?after=0001&limit=2",
        ] {
            assert_eq!(status(path), 200, "{path}");
        }
    }
}
