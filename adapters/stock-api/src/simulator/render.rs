//! One request to one answer, in the manner of the shop's profile.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Profile;
use super::shop::{Dice, Entry, Shop};

/// Page size when none is asked for.
const DEFAULT_LIMIT: u32 = 5000;

/// Longer than any client waits.
const FOR_EVER: Duration = Duration::from_secs(600);

/// What a request asks.
pub(super) struct Asked {
    limit: u32,
    after: Option<String>,
    since: Option<Timestamp>,
    in_stock: bool,
}

impl Asked {
    /// Reads the query; the error names the field.
    pub(super) fn read(query: &BTreeMap<String, String>) -> Result<Self, (&'static str, &'static str)> {
        let limit = match query.get("limit") {
            Some(text) => text.parse().map_err(|_| ("limit", "Entier attendu"))?,
            None => DEFAULT_LIMIT,
        };
        let since = match query.get("modifiedSince") {
            Some(text) => Some(text.parse().map_err(|_| ("modifiedSince", "Date invalide"))?),
            None => None,
        };
        let in_stock = query.get("inStock").is_some_and(|text| text == "1");
        Ok(Self { limit, after: query.get("after").cloned(), since, in_stock })
    }
}

/// What goes back.
pub(super) struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: String,
    wait: Duration,
    reset: bool,
}

impl Answer {
    pub(super) async fn send(self) -> Response {
        tokio::time::sleep(self.wait).await;
        if self.reset {
            let broken = stream::iter([Err::<String, _>(std::io::Error::other("reset on purpose"))]);
            return Body::from_stream(broken).into_response();
        }
        (self.status, [(header::CONTENT_TYPE, self.content_type)], self.body).into_response()
    }

    fn json(body: String) -> Self {
        Self { status: StatusCode::OK, content_type: "application/json", body, wait: Duration::ZERO, reset: false }
    }
}

/// The answer of a shop.
pub(super) fn answer(shop: &mut Shop, asked: &Asked) -> Answer {
    let profile = shop.config().profile;
    if profile == Profile::Html200 {
        let body = "<!doctype html><html><body>Maintenance en cours</body></html>".to_owned();
        return Answer { content_type: "text/html", ..Answer::json(body) };
    }
    let mut answer = page(shop, asked);
    match profile {
        Profile::Truncated => {
            // Stops inside the last number, with a Content-Length that agrees.
            let cut = answer.body.rfind(|c: char| c.is_ascii_digit()).unwrap_or(0);
            answer.body.truncate(cut);
        }
        Profile::Flaky => misbehave_at_times(shop, &mut answer),
        Profile::Praxiel2020 => {
            let (shortest, longest) = shop.config().slow_milliseconds;
            let more = shop.dice().below(longest.saturating_sub(shortest) + 1);
            answer.wait = Duration::from_millis(shortest + more);
        }
        _ => {}
    }
    answer
}

fn misbehave_at_times(shop: &mut Shop, answer: &mut Answer) {
    let dice = shop.dice();
    if dice.hits(0.10) {
        match dice.below(3) {
            0 => answer.status = StatusCode::INTERNAL_SERVER_ERROR,
            1 => answer.status = StatusCode::SERVICE_UNAVAILABLE,
            _ => answer.wait = FOR_EVER,
        }
    } else if dice.hits(0.01) {
        answer.reset = true;
    }
}

fn page(shop: &mut Shop, asked: &Asked) -> Answer {
    let profile = shop.config().profile;
    let reshuffled = (profile == Profile::UnstableOrder).then(|| {
        let all = matching(shop, asked).into_owned();
        shuffled(all, shop.dice())
    });
    let matching = reshuffled.map_or_else(|| matching(shop, asked), Cow::Owned);
    let total = matching.len();
    let start = match &asked.after {
        Some(_) if profile == Profile::IgnoresAfter => 0,
        Some(after) if profile == Profile::UnstableOrder => {
            matching.iter().position(|entry| render_reference(entry, profile) == *after).map_or(0, |at| at + 1)
        }
        Some(after) => start_after(&matching, after),
        None => 0,
    };
    let limit = asked.limit.min(shop.config().page_cap) as usize;
    let end = (start + limit).min(total);
    let entries = &matching[start.min(end)..end];
    match profile {
        Profile::Fnac2020 if entries.is_empty() => {
            Answer { status: StatusCode::NO_CONTENT, ..Answer::json(String::new()) }
        }
        Profile::FnacEmpty if entries.is_empty() => Answer::json(String::new()),
        _ => Answer::json(render(profile, asked.after.is_some(), entries, total, limit, start)),
    }
}

/// Entries that the request is about, in order of reference. Borrowed where that is all of them: the list may be long.
fn matching<'a>(shop: &'a Shop, asked: &Asked) -> Cow<'a, [Entry]> {
    let profile = shop.config().profile;
    let since = asked.since.filter(|_| profile != Profile::NoDelta).map(|since| since_seconds(since, profile));
    let in_stock_only = asked.in_stock && profile == Profile::Titelive && since.is_none();
    let shrinks = profile == Profile::Shrinking && since.is_none();
    if since.is_none() && !in_stock_only && !shrinks {
        return Cow::Borrowed(shop.entries());
    }
    let wanted = shop
        .entries()
        .iter()
        .filter(|entry| since.is_none_or(|since| entry.modified_at >= since))
        .filter(|entry| !in_stock_only || entry.available != 0)
        // Spread over the whole list, and the same six in ten every time.
        .filter(|entry| !shrinks || (entry.ean / 10) % 10 >= 6);
    Cow::Owned(wanted.copied().collect())
}

fn shuffled(mut entries: Vec<Entry>, dice: &mut Dice) -> Vec<Entry> {
    for at in (1..entries.len()).rev() {
        let other = usize::try_from(dice.below(at as u64 + 1)).unwrap_or(0);
        entries.swap(at, other);
    }
    entries
}

/// `paris_time` shifts the date to Paris time and compares it with its stamps in UTC: one or two hours get lost.
fn since_seconds(since: Timestamp, profile: Profile) -> i64 {
    let shift = match profile {
        Profile::ParisTime => {
            TimeZone::get("Europe/Paris").map_or(0, |paris| i64::from(paris.to_offset(since).seconds()))
        }
        _ => 0,
    };
    since.as_second() + shift
}

/// Strictly after a reference, known or not, in whatever form the profile wrote it.
fn start_after(entries: &[Entry], after: &str) -> usize {
    let digits: String = after.chars().filter(|c| *c != '-').collect();
    if digits.len() == 10 && after.len() == 10 && !entries.is_empty() {
        let stem = format!("978{}", &digits[..9]).parse::<u64>().unwrap_or(0);
        return entries.partition_point(|entry| entry.ean / 10 <= stem);
    }
    let ean = digits.parse::<u64>().unwrap_or(0);
    entries.partition_point(|entry| entry.ean <= ean)
}

fn render(
    profile: Profile,
    is_later_page: bool,
    entries: &[Entry],
    total: usize,
    limit: usize,
    offset: usize,
) -> String {
    let keys = Names::of(profile);
    let mut body = match profile {
        Profile::NoTotal => "{".to_owned(),
        Profile::Titelive => format!("{{\"total\":\"null\",\"limit\":{limit},"),
        Profile::Fnac2020 => format!("{{\"Limit\":{limit},\"Offset\":{offset},"),
        _ => format!("{{\"total\":{total},\"limit\":{limit},\"offset\":{offset},"),
    };
    let _infallible = write!(body, "\"{}\":[", keys.stocks);
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        if profile == Profile::DupRef && at % 10 == 0 {
            let earlier = Entry { available: entry.available + 5, ..*entry };
            render_entry(&mut body, &earlier, profile, is_later_page, at, &keys);
            body.push(',');
        }
        render_entry(&mut body, entry, profile, is_later_page, at, &keys);
    }
    body.push_str("]}");
    body
}

/// Keys as the profile writes them.
struct Names {
    stocks: &'static str,
    reference: &'static str,
    available: &'static str,
    price: &'static str,
}

impl Names {
    const fn of(profile: Profile) -> Self {
        match profile {
            Profile::Fnac2020 => Self { stocks: "Stocks", reference: "Ref", available: "Available", price: "Price" },
            _ => Self { stocks: "stocks", reference: "ref", available: "available", price: "price" },
        }
    }
}

fn render_entry(body: &mut String, entry: &Entry, profile: Profile, is_later_page: bool, at: usize, keys: &Names) {
    let odd = at % 7 == 3;
    let without_reference =
        (profile == Profile::MissingRef && odd) || (profile == Profile::AllBadPage && is_later_page);
    let reference = match profile {
        _ if without_reference => String::new(),
        Profile::IntRefs => format!("\"{}\":{},", keys.reference, entry.ean),
        _ => format!("\"{}\":\"{}\",", keys.reference, render_reference(entry, profile)),
    };
    let available = if profile == Profile::Negative && odd { -2 } else { entry.available };
    let quote = if profile == Profile::StringNumbers { "\"" } else { "" };
    let price =
        if profile == Profile::NullPrice && odd { "null".to_owned() } else { render_price(entry.cents, profile) };
    let _infallible = write!(
        body,
        "{{{reference}\"{}\":{quote}{available}{quote},\"{}\":{quote}{price}{quote}",
        keys.available, keys.price
    );
    if let Some(until) = entry.valid_until.and_then(|seconds| Timestamp::from_second(seconds).ok()) {
        let _infallible = write!(body, ",\"validUntil\":\"{until}\"");
    }
    body.push('}');
}

fn render_reference(entry: &Entry, profile: Profile) -> String {
    let digits = format!("{:013}", entry.ean);
    let is_isbn = digits.starts_with("978");
    match profile {
        Profile::HyphenRefs if is_isbn => {
            format!("{}-{}-{}-{}-{}", &digits[..3], &digits[3..4], &digits[4..9], &digits[9..12], &digits[12..])
        }
        Profile::Isbn10Refs if is_isbn => isbn10(&digits[3..12]),
        _ => digits,
    }
}

fn isbn10(nine: &str) -> String {
    let sum: u32 = nine.bytes().zip((2..=10).rev()).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    match (11 - sum % 11) % 11 {
        10 => format!("{nine}X"),
        key => format!("{nine}{key}"),
    }
}

fn render_price(cents: u32, profile: Profile) -> String {
    match profile {
        Profile::Titelive => cents.to_string(),
        Profile::Praxiel2020 if cents < 100 => format!(".{cents:02}"),
        _ => format!("{}.{:02}", cents / 100, cents % 100),
    }
}
