//! `POST /passculture/booking`, `/cancellation` and `/notification` (and `/passculture/ACCOUNT/…`): pass Culture speaks to us.
//!
//! A message is believed when its signature fits a key of the account, and not before: what is refused leaves a counter and,
//! once a minute, a fingerprint of its signature in the log, and nothing else. Answers are short; pass Culture's texts decide what a
//! beneficiary reads. An address may name a connection (`?connection=ID`): barcodes of two cinemas may be the same.
//!
//! Invariant: the clock of a message starts before its body is read, and no vendor is called for a message that is not
//! believed.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout};

use super::Web;
use super::answer::problem;
use super::refusals::NotBelieved;
use crate::config::DEFAULT_ACCOUNT;
use crate::gateway::CONNECTION_IN_ADDRESS as CONNECTION;
use crate::notices::{self, Venues};
use crate::passculture::messages::{
    self, Action, BookingRequest, Kind, MAX_BODY_BYTES, Message, Rejected, Reply, SIGNATURE_HEADER,
};
use crate::store::listings::BookedAt;
use crate::telemetry;

/// A body has arrived by then: pass Culture sends it in one go.
const BODY_WITHIN: Duration = Duration::from_secs(2);

/// A message for the default account.
pub(super) async fn of_default(
    kind: Kind,
    State(web): State<Arc<Web>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(&web, DEFAULT_ACCOUNT, kind, query.as_deref(), &headers, body).await
}

/// A message for a named account.
pub(super) async fn of_account(
    kind: Kind,
    State(web): State<Arc<Web>>,
    Path(account): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(&web, &account, kind, query.as_deref(), &headers, body).await
}

/// The connection that an address names.
fn connection(query: Option<&str>) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query?.as_bytes());
    pairs.find(|(key, _)| key == CONNECTION).map(|(_, value)| value.into_owned())
}

async fn answer(
    web: &Web,
    account: &str,
    kind: Kind,
    query: Option<&str>,
    headers: &HeaderMap,
    body: Body,
) -> Response {
    let began = Instant::now();
    let Some(keys) = web.gateway.message_keys(account) else {
        telemetry::message_answered(kind.name(), "no_such_account", began.elapsed());
        return problem(StatusCode::NOT_FOUND, "NoSuchAccount", "no pass Culture account has this name");
    };
    let signature = headers.get(SIGNATURE_HEADER).map(header::HeaderValue::as_bytes);
    let message = match timeout(BODY_WITHIN, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(body)) => messages::read(kind, &body, signature, &keys),
        // `to_bytes` fails beyond its limit, or when the sender is gone and nobody reads the answer.
        Ok(Err(_)) => Err(Rejected::TooLarge),
        Err(_) => {
            telemetry::message_answered(kind.name(), "too_slow", began.elapsed());
            return problem(StatusCode::REQUEST_TIMEOUT, "BodyTooSlow", "the body did not arrive in time");
        }
    };
    let message = match message {
        Ok(message) => message,
        Err(rejected) => {
            let presented = signature.map(|bytes| hex::encode(Sha256::digest(bytes)));
            let presented = presented.as_deref().and_then(|hex| hex.get(..12)).unwrap_or("none");
            telemetry::message_refused(account, kind.name(), rejected.code(), presented);
            telemetry::message_answered(kind.name(), rejected.code(), began.elapsed());
            let mut response = respond(rejected.reply());
            // One of the wrong shape is signed.
            if !matches!(rejected, Rejected::Shape) {
                response.extensions_mut().insert(NotBelieved);
            }
            return response;
        }
    };
    let (result, response) = match message {
        Message::Booking(request) => {
            let answer = web.desk.book(account, *request, began).await;
            (answer.name(), respond(answer.reply()))
        }
        Message::Cancellation(barcodes) => {
            let answer = web.desk.cancel(account, connection(query), barcodes, began).await;
            (answer.name(), respond(answer.reply()))
        }
        Message::Notification(request, action) => notice(web, account, &request, action).await,
    };
    telemetry::message_answered(kind.name(), result, began.elapsed());
    response
}

/// A notification is durable, with what is told of it, before its 204. pass Culture sends it once.
async fn notice(web: &Web, account: &str, request: &BookingRequest, action: Action) -> (&'static str, Response) {
    let stored = async {
        let told = web.gateway.told_at(account, request.venue_id).await?;
        let booking = BookedAt { stock_id: request.stock_id, booked_at: request.created_at_micros.div_euclid(1_000) };
        let by_itself = action == Action::Cancel && web.gateway.store.is_cancelled_by_itself(account, booking).await?;
        let notified = notices::notified(account, request, action, by_itself, &told, (web.gateway.now)());
        web.intake.take(notified).await
    };
    match stored.await {
        Ok(true) => ("stored", StatusCode::NO_CONTENT.into_response()),
        Ok(false) => ("known", StatusCode::NO_CONTENT.into_response()),
        Err(error) => {
            tracing::error!(%error, "a notification could not be stored");
            ("failed", problem(StatusCode::SERVICE_UNAVAILABLE, "StoreUnavailable", "the store does not answer"))
        }
    }
}

fn respond(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], reply.body).into_response()
}
