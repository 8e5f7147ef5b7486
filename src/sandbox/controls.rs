//! The sandbox's own routes, under `/_sandbox/`, without a key.
//!
//! Only translates HTTP to the state's operations. The list below is served at `GET /_sandbox/`.
//!
//! Invariant: no control is hit by a fault or by the rate limit, and none shows an API or HMAC key.

use std::sync::Arc;

use axum::http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::beneficiary::{self, Order};
use super::closing;
use super::errors::{Answer, Outcome};
use super::faults::Fault;
use super::seed::{SeedProduct, ean_number};
use super::server::Shared;
use super::settings::{Review, Settings};
use super::state::{BookingStatus, World};
use super::ticketing;

/// Rows of `GET /_sandbox/offers` at most.
const MAX_ROWS: usize = 100_000;
/// EANs dropped at once.
const MAX_DROPPED: usize = 1_000_000;

/// What `GET /_sandbox/` says.
pub(crate) const HELP: &str = "\
The sandbox pass Culture. The API is under /public/; these controls need no key.

GET    /_sandbox/                       this text
GET    /_sandbox/settings               the settings
POST   /_sandbox/settings               change some: upsert_delay_ms, ean_workers, location_race, any_ean,
                                        clock_offset_seconds,
                                        rate_limit {per_minute, retry_after, html} or null,
                                        review: approved, pending or rejected (of an event at its first dates,
                                        of a product made one by one), sweep_after_seconds, read_limit_ms,
                                        generation: 2025-12, 2026-02 or 2026-09
GET    /_sandbox/faults                 the faults armed
POST   /_sandbox/faults                 arm one: method, path (prefix), count or share, and effect:
                                        status {status, retry_after, body json|html}, server_error,
                                        timeout_after_effect, hang, cut, cut_after_effect
DELETE /_sandbox/faults                 disarm all
POST   /_sandbox/drops                  {\"eans\": [...]}: upserts of these are lost without a word
DELETE /_sandbox/drops                  lose none
GET    /_sandbox/queue                  tasks of upserts that wait or run, milliseconds left of a stall, tasks to lose
POST   /_sandbox/queue                  {\"stall_ms\": n}: no task begins before; {\"lose_next_chunks\": n}: the next n
                                        tasks of at most 35 EANs are lost after their 204
POST   /_sandbox/products               {\"products\": [{ean, name, category, status}]}: add or change; a ban
                                        rejects the offers and cancels their bookings
POST   /_sandbox/venues/{id}/unlink     {\"account\": name} or {}: the venue vanishes for the account, or all
POST   /_sandbox/venues/{id}/link       the reverse
POST   /_sandbox/venues/{id}/close      the venue is closed: it takes no more writes, its live bookings are cancelled
POST   /_sandbox/venues/{id}/reopen     the reverse; what was cancelled stays cancelled
POST   /_sandbox/accounts/{name}        {\"active\": false}: the provider is deactivated
POST   /_sandbox/bookings               {email, stock_id or offer_id, quantity}: a beneficiary books; for an event
                                        with tickets the booking address is called first
GET    /_sandbox/bookings               bookings with their countermarks
POST   /_sandbox/bookings/{id}/cancel   the beneficiary cancels
POST   /_sandbox/bookings/{id}/expire   cancelled by time: no message
POST   /_sandbox/bookings/{id}/reimburse
POST   /_sandbox/sweep                  the sweeper looks now at every barcode received, or with
                                        {\"min_age_seconds\": 60} at the old ones: those without booking are voided
POST   /_sandbox/offers/{id}/review     {\"verdict\": approved, pending or rejected}: moderation speaks
GET    /_sandbox/offers                 what is truly on sale; ?venueId= &ean= &firstIndex= &limit=
GET    /_sandbox/log                    requests seen and counts per route; ?limit= &since=
DELETE /_sandbox/log                    forget them
GET    /_sandbox/messages               messages posted to the registered addresses
POST   /_sandbox/reset                  back to the seed
";

/// Answers one control.
pub(crate) async fn handle(
    shared: &Arc<Shared>,
    method: &Method,
    path: &str,
    query: &[(String, String)],
    body: &[u8],
) -> Answer {
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    let waited = match (method.as_str(), segments.as_slice()) {
        ("POST", ["bookings"]) => Some(book(shared, body).await),
        ("POST", ["bookings", id, "cancel"]) => Some(cancel(shared, id).await),
        ("POST", ["offers", id, "review"]) => Some(review(shared, id, body).await),
        ("POST", ["venues", id, "close"]) => Some(closing::close(shared, id).await),
        ("POST", ["sweep"]) => Some(sweep(shared, body).await),
        _ => None,
    };
    if let Some(outcome) = waited {
        return outcome.unwrap_or_else(|refusal| refusal);
    }
    let mut outgoing = Vec::new();
    let outcome = {
        let mut world = shared.world();
        act(&mut world, method, path, query, body, &mut outgoing)
    };
    shared.send(outgoing);
    outcome.unwrap_or_else(|refusal| refusal)
}

fn act(
    world: &mut World,
    method: &Method,
    path: &str,
    query: &[(String, String)],
    body: &[u8],
    outgoing: &mut Vec<super::beneficiary::Outgoing>,
) -> Outcome {
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    match (method.as_str(), segments.as_slice()) {
        ("GET", []) => Ok(Answer::text(HELP.to_owned())),
        ("GET", ["settings"]) => Ok(Answer::ok(json!(world.settings))),
        ("POST", ["settings"]) => change_settings(world, body),
        ("GET", ["faults"]) => Ok(Answer::ok(json!({ "faults": world.faults.armed() }))),
        ("POST", ["faults"]) => arm(world, body),
        ("DELETE", ["faults"]) => {
            world.faults.clear();
            Ok(Answer::no_content())
        }
        ("POST", ["drops"]) => drop_eans(world, body),
        ("DELETE", ["drops"]) => {
            world.dropped.clear();
            Ok(Answer::no_content())
        }
        ("GET", ["queue"]) => Ok(show_queue(world)),
        ("POST", ["queue"]) => {
            let request: QueueRequest = parse(body)?;
            if let Some(milliseconds) = request.stall_ms {
                world.queue.stall(milliseconds);
            }
            if let Some(tasks) = request.lose_next_chunks {
                world.queue.lose_next(tasks);
            }
            Ok(show_queue(world))
        }
        ("POST", ["products"]) => {
            let request: ProductsRequest = parse(body)?;
            let messages = world.set_products(&request.products).map_err(|error| refuse(&error.to_string()))?;
            outgoing.extend(messages);
            Ok(Answer::ok(json!({ "products": request.products.len() })))
        }
        ("POST", ["venues", id, verb @ ("link" | "unlink")]) => {
            let request: LinkRequest = parse(body)?;
            let id = id.parse().map_err(|_| Answer::unknown_path())?;
            let known = world.set_link(id, request.account.as_deref(), *verb == "link");
            if known { Ok(Answer::no_content()) } else { Err(refuse("no such venue or account")) }
        }
        ("POST", ["venues", id, "reopen"]) => closing::reopen(world, id),
        ("POST", ["accounts", name]) => {
            let request: AccountRequest = parse(body)?;
            let account = world.accounts.iter_mut().find(|a| a.name == *name);
            account.ok_or_else(Answer::unknown_path)?.active = request.active;
            Ok(Answer::no_content())
        }
        ("GET", ["bookings"]) => {
            let rows: Vec<_> = world.bookings.keys().take(MAX_ROWS).filter_map(|id| world.booking_truth(*id)).collect();
            Ok(Answer::ok(json!({ "bookings": rows })))
        }
        ("POST", ["bookings", id, verb]) => change_booking(world, id, verb),
        ("GET", ["offers"]) => Ok(offers(world, query)),
        ("GET", ["log"]) => Ok(log(world, query)),
        ("DELETE", ["log"]) => {
            world.log.clear();
            Ok(Answer::no_content())
        }
        ("GET", ["messages"]) => Ok(Answer::ok(json!({ "messages": world.log.messages().collect::<Vec<_>>() }))),
        ("POST", ["reset"]) => {
            world.reset();
            Ok(Answer::no_content())
        }
        _ => Err(Answer::unknown_path()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProductsRequest {
    products: Vec<SeedProduct>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QueueRequest {
    #[serde(default)]
    stall_ms: Option<u64>,
    #[serde(default)]
    lose_next_chunks: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkRequest {
    #[serde(default)]
    account: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountRequest {
    active: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EansRequest {
    eans: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BookingRequest {
    email: String,
    #[serde(default)]
    stock_id: Option<u64>,
    #[serde(default)]
    offer_id: Option<u64>,
    #[serde(default = "one")]
    quantity: u32,
}

fn one() -> u32 {
    1
}

fn refuse(problem: &str) -> Answer {
    Answer::json(400, json!({ "error": problem }))
}

/// An empty body reads as `{}`.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Answer> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| refuse(&error.to_string()))
}

/// Fields that are absent keep their value.
fn change_settings(world: &mut World, body: &[u8]) -> Outcome {
    let change: Value = parse(body)?;
    let mut merged = json!(world.settings);
    match (&mut merged, change) {
        (Value::Object(merged), Value::Object(change)) => merged.extend(change),
        _ => return Err(refuse("settings are an object")),
    }
    let settings: Settings = serde_json::from_value(merged).map_err(|error| refuse(&error.to_string()))?;
    world.apply_settings(settings);
    Ok(Answer::ok(json!(world.settings)))
}

fn arm(world: &mut World, body: &[u8]) -> Outcome {
    let fault: Fault = parse(body)?;
    if let Some(problem) = fault.problem() {
        return Err(refuse(problem));
    }
    if world.faults.arm(fault) { Ok(Answer::no_content()) } else { Err(refuse("too many faults are armed")) }
}

fn drop_eans(world: &mut World, body: &[u8]) -> Outcome {
    let request: EansRequest = parse(body)?;
    for text in &request.eans {
        let ean = ean_number(text).ok_or_else(|| refuse(&format!("{text:?} is not 13 digits")))?;
        if world.dropped.len() >= MAX_DROPPED {
            return Err(refuse("too many EANs are dropped"));
        }
        world.dropped.insert(ean);
    }
    Ok(Answer::no_content())
}

/// A beneficiary books; when the provider makes the tickets, he is asked first.
async fn book(shared: &Arc<Shared>, body: &[u8]) -> Outcome {
    let request: BookingRequest = parse(body)?;
    let order =
        Order { email: &request.email, stock: request.stock_id, offer: request.offer_id, quantity: request.quantity };
    let id = ticketing::book(shared, &order).await?;
    let token = shared.world().bookings.get(&id).map(|b| b.token.clone());
    Ok(Answer::ok(json!({ "id": id, "token": token })))
}

/// A beneficiary cancels.
async fn cancel(shared: &Arc<Shared>, id: &str) -> Outcome {
    let (id, status, late) = {
        let world = shared.world();
        let booking = id.parse().ok().and_then(|id: u64| world.bookings.get(&id));
        let booking = booking.ok_or_else(Answer::unknown_path)?;
        (booking.id, booking.status, booking.confirmation.is_some_and(|limit| limit < world.clock.now()))
    };
    match status {
        BookingStatus::Confirmed if late => {
            let message = "La date limite d'annulation est dépassée.";
            return Err(Answer::json(400, json!({ "code": "CONFIRMED_BOOKING", "message": message })));
        }
        BookingStatus::Confirmed => ticketing::cancel(shared, id, ticketing::refused_to_cancel()).await?,
        BookingStatus::Cancelled => {}
        BookingStatus::Used | BookingStatus::Reimbursed => {
            return Err(Answer::json(400, json!({ "code": "ALREADY_USED" })));
        }
    }
    Ok(Answer::ok(json!(shared.world().booking_truth(id))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReviewRequest {
    verdict: Review,
}

/// Moderation speaks; a rejection cancels the bookings, as far as their provider lets it.
async fn review(shared: &Arc<Shared>, id: &str, body: &[u8]) -> Outcome {
    let request: ReviewRequest = parse(body)?;
    let id: u64 = id.parse().map_err(|_| Answer::unknown_path())?;
    let bookings = {
        let mut world = shared.world();
        let offer = world.offers.get_mut(&id).ok_or_else(Answer::unknown_path)?;
        offer.validation = request.verdict.validation();
        world.by_offer.get(&id).cloned().unwrap_or_default()
    };
    if request.verdict == Review::Rejected {
        for booking in bookings {
            // One that its provider keeps stays, as in the backend.
            let _ = ticketing::cancel(shared, booking, ticketing::refused_to_cancel()).await;
        }
    }
    let world = shared.world();
    Ok(Answer::ok(json!(world.offers.get(&id).map(|offer| world.offer_truth(offer)))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SweepRequest {
    #[serde(default)]
    min_age_seconds: u32,
}

async fn sweep(shared: &Arc<Shared>, body: &[u8]) -> Outcome {
    let request: SweepRequest = parse(body)?;
    Ok(Answer::ok(json!(ticketing::sweep(shared, request.min_age_seconds).await)))
}

fn change_booking(world: &mut World, id: &str, verb: &str) -> Outcome {
    let status = id.parse().ok().and_then(|id: u64| world.bookings.get(&id).map(|b| (id, b.status)));
    let (id, status) = status.ok_or_else(Answer::unknown_path)?;
    match (verb, status) {
        ("expire", BookingStatus::Confirmed) => {
            beneficiary::cancel(world, id, true);
        }
        ("reimburse", BookingStatus::Used) => {
            if let Some(booking) = world.bookings.get_mut(&id) {
                booking.status = BookingStatus::Reimbursed;
            }
        }
        ("expire" | "reimburse", _) => return Err(refuse(&format!("the booking is {}", status.as_str()))),
        _ => return Err(Answer::unknown_path()),
    }
    Ok(Answer::ok(json!(world.booking_truth(id))))
}

fn show_queue(world: &World) -> Answer {
    let (stall, lose) = world.queue.trouble();
    Answer::ok(json!({ "queued_tasks": world.queued_chunks, "stall_ms": stall, "lose_next_chunks": lose }))
}

fn number(query: &[(String, String)], name: &str) -> Option<u64> {
    query.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.parse().ok())
}

fn offers(world: &World, query: &[(String, String)]) -> Answer {
    let venue = number(query, "venueId");
    let first = number(query, "firstIndex").unwrap_or(0);
    let limit = number(query, "limit").and_then(|n| usize::try_from(n).ok()).unwrap_or(MAX_ROWS).min(MAX_ROWS);
    let ean = query.iter().find(|(key, _)| key == "ean").map(|(_, value)| value.as_str());
    let rows: Vec<_> = world
        .offer_truths()
        .filter(|row| row.offer_id >= first && venue.is_none_or(|id| u64::from(row.venue_id) == id))
        .filter(|row| ean.is_none_or(|wanted| row.ean.as_deref() == Some(wanted)))
        .take(limit)
        .collect();
    Answer::ok(json!({ "total": world.offers.len(), "queued_tasks": world.queued_chunks, "offers": rows }))
}

fn log(world: &World, query: &[(String, String)]) -> Answer {
    let since = number(query, "since").unwrap_or(0);
    let limit = number(query, "limit").and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
    let rows: Vec<_> = world.log.requests().filter(|r| r.number > since).take(limit).collect();
    Answer::ok(json!({ "total": world.log.total(), "routes": world.log.routes(), "requests": rows }))
}
