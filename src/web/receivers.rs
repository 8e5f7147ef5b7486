//! Who speaks for a venue's software, by the token that they present.

use axum::http::HeaderMap;

use super::Web;
use super::answer::bearer;
use crate::gateway::Receiver;
use crate::store::StoreError;

/// Connections whose software is told of bookings.
#[derive(Debug, Default)]
pub(super) struct Receivers;

impl Receivers {
    /// The connection whose software presents this bearer token.
    pub(super) async fn speaking(&self, web: &Web, headers: &HeaderMap) -> Result<Option<Receiver>, StoreError> {
        let Some(token) = bearer(headers) else { return Ok(None) };
        let speaks = |receiver: &&Receiver| receiver.sink().is_some_and(|sink| sink.accepts_token(token));
        Ok(web.gateway.receivers().await?.iter().find(speaks).cloned())
    }
}
