//! `GET /api/v1/tokens/{token}` and `POST …/use`, `…/keep`, `…/cancel`: a venue's software redeems countermarks.
//!
//! Whoever presents the `api_token` of a connection speaks for its venue, and for no other. The work is done in
//! [`crate::countermarks`]; here are addresses, the venue, and the JSON.
//!
//! Invariant: nobody learns anything of a countermark before the bearer token is accepted, and no countermark is logged.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Web;
use super::answer::problem_in_french;
use crate::countermarks::{Counter, Redeemed, Refusal, Refused};
use crate::passculture::{Token, Traffic};
use crate::store::countermarks::Deed;
use crate::telemetry;

/// The four addresses.
pub(super) fn routes() -> Router<Arc<Web>> {
    let looks = get(|state, path, headers| answer(state, path, headers, None));
    let router = Router::new().route("/api/v1/tokens/{token}", looks);
    Deed::ALL.into_iter().fold(router, |router, deed| {
        let does = post(move |state, path, headers| answer(state, path, headers, Some(deed)));
        router.route(&format!("/api/v1/tokens/{{token}}/{}", deed.name()), does)
    })
}

async fn answer(
    State(web): State<Arc<Web>>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    deed: Option<Deed>,
) -> Response {
    let began = Instant::now();
    let (result, response) = match redeem(&web, path, &headers, deed, began).await {
        Ok((token, redeemed)) => (redeemed.state.name(), told(&token, redeemed)),
        Err(No { code, response }) => (code, response),
    };
    telemetry::countermark_answered(deed.map_or("show", Deed::name), result);
    response
}

/// A no: its code and the whole answer.
struct No {
    code: &'static str,
    response: Response,
}

impl No {
    fn new(status: StatusCode, code: &'static str, message: &str, message_fr: &str) -> Self {
        Self { code, response: problem_in_french(status, code, message, message_fr) }
    }

    fn after(mut self, seconds: u32) -> Self {
        self.response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        self
    }
}

impl From<Refused> for No {
    fn from(Refused { refusal, retry_after }: Refused) -> Self {
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let no = Self::new(status, refusal.code(), refusal.message(), refusal.message_fr());
        match retry_after {
            Some(seconds) => no.after(seconds),
            None => no,
        }
    }
}

async fn redeem(
    web: &Web,
    path: Result<Path<String>, PathRejection>,
    headers: &HeaderMap,
    deed: Option<Deed>,
    began: Instant,
) -> Result<(Token, Redeemed), No> {
    let speaking = web.receivers.speaking(web, headers).await.map_err(|error| No::from(Refused::from(error)))?;
    let Some(receiver) = speaking else {
        let mut no = No::new(
            StatusCode::UNAUTHORIZED,
            "Unauthorized",
            "a valid bearer token is needed: the `api_token` of the venue's connection",
            "Accès refusé : le jeton d'accès de votre logiciel manque ou n'est pas valable.",
        );
        no.response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return Err(no);
    };
    let token = path.ok().and_then(|Path(text)| Token::read(&text)).ok_or_else(|| {
        No::new(
            StatusCode::BAD_REQUEST,
            "NotACountermark",
            "a countermark has six characters of A-Z without I and O, and of 2-7",
            "Une contremarque a six caractères : lettres (sauf I et O) et chiffres de 2 à 7. Vérifiez la saisie.",
        )
    })?;
    let connection = &receiver.connection;
    let Some(venue) = receiver.venue else {
        tracing::warn!(
            connection = connection.id,
            "a countermark was asked about and the venue's number is not known yet"
        );
        return Err(No::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "VenueNotKnown",
            "the connection's venue is not known yet; its operator writes `venue`, or waits for the first pass",
            "Le lieu pass Culture n'est pas encore connu de la passerelle : réessayez plus tard ou prévenez votre prestataire.",
        )
        .after(60));
    };
    let client = web.gateway.client(&connection.account).map_err(|error| {
        tracing::error!(connection = connection.id, %error, "a countermark was asked about and the account does not work");
        No::from(Refused::from(Refusal::AccountRefused))
    })?;
    let client = client.for_traffic(Traffic::Countermarks);
    let _under_way = web.software.begin(&connection.id, client.rate_and_burst().0).await.map_err(|wait| {
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        No::from(Refused::from(Refusal::TooManyRequests)).after(seconds)
    })?;
    let counter = Counter { store: &*web.gateway.store, client: &client, venue, now: web.gateway.now };
    let redeemed = counter.redeem(&token, deed, began).await?;
    Ok((token, redeemed))
}

fn told(token: &Token, redeemed: Redeemed) -> Response {
    let Redeemed { state, already, booking } = redeemed;
    let goods = booking.as_ref();
    let stock = goods.and_then(|goods| goods.offer_ean.clone().or_else(|| goods.stock_id.map(|id| id.to_string())));
    let body = json!({
        "token": token.expose(),
        "state": state.name(),
        "already": already,
        "stock_id": stock,
        "offer_name": goods.and_then(|goods| goods.offer_name.as_deref()),
        "quantity": goods.and_then(|goods| goods.quantity),
        "unit_price_cents": goods.and_then(|goods| goods.unit_price_cents),
        "booked_at": goods.and_then(|goods| goods.booked_at.as_deref()),
    });
    // A proxy in between keeps no countermark.
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// One address as the API's description has it.
pub(super) fn described(method: &str, summary: &str) -> Value {
    let mut responses = json!({
        "200": { "description": "done, now or by an earlier request (already)", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Countermark" } } } },
        "400": { "description": "NotACountermark" },
        "401": { "description": "no or wrong token" },
        "503": { "description": "VenueNotKnown" }
    });
    if let Some(responses) = responses.as_object_mut() {
        for refusal in Refusal::ALL {
            let entry = responses.entry(refusal.status().to_string()).or_insert_with(|| json!({ "description": "" }));
            let before = entry.get("description").and_then(Value::as_str).unwrap_or_default();
            let all = match before {
                "" => refusal.code().to_owned(),
                // Two sentences may share a code.
                before if before.split(", ").any(|code| code == refusal.code()) => continue,
                before => format!("{before}, {}", refusal.code()),
            };
            *entry = json!({ "description": all });
        }
    }
    json!({ method: {
        "summary": summary,
        "security": [{ "software": [] }],
        "parameters": [{
            "name": "token", "in": "path", "required": true, "schema": { "type": "string" },
            "description": "six characters in either case, or the content of the QR code"
        }],
        "responses": responses
    } })
}

/// A success as the API's description has it.
pub(super) fn schema() -> Value {
    let or_null = |kind: &str| json!({ "type": [kind, "null"] });
    json!({ "type": "object", "required": ["token", "state", "already"], "properties": {
        "token": { "type": "string" },
        "state": { "enum": ["valid", "used", "cancelled"] },
        "already": { "type": "boolean", "description": "an earlier request of this venue did it" },
        "stock_id": { "type": ["string", "null"], "description": "EAN, else pass Culture's stock; null like the rest when pass Culture does not show it any more" },
        "offer_name": or_null("string"),
        "quantity": or_null("integer"),
        "unit_price_cents": or_null("integer"),
        "booked_at": or_null("string")
    } })
}
