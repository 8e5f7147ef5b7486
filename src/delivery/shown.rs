//! Messages and endpoints as operators see them. Bodies are not shown: a person may stand in one.

use serde_json::{Value, json};

use crate::clock::show;
use crate::store::messages::{Attempted, EndpointCounts, MessageRow};

/// The promised JSON form of an endpoint.
#[must_use]
pub fn endpoint_object(counts: &EndpointCounts) -> Value {
    let endpoint = &counts.endpoint;
    json!({
        "event": "endpoint", "connection": endpoint.connection, "state": endpoint.state.name(), "pending": counts.pending,
        "dead": counts.dead, "oldest_pending": counts.oldest_pending.map(show), "failures": endpoint.failures,
        "failing_since": endpoint.failing_since.map(show), "next_try": endpoint.probe_at.map(show),
        "last_success": endpoint.last_success_at.map(show), "last_error": endpoint.last_error,
        "position": endpoint.position, "acknowledged": endpoint.acknowledged,
    })
}

/// The promised JSON form of a message.
#[must_use]
pub fn message_object(message: &MessageRow) -> Value {
    json!({
        "event": "message", "id": message.id, "connection": message.connection, "booking_id": message.booking,
        "sequence": message.sequence, "type": message.kind, "state": message.state.name(), "attempts": message.attempts,
        "due": message.due_at.map(show), "replay": message.replay, "created": show(message.created_at),
        "ended": message.ended_at.map(show), "last_status": message.last_status, "last_error": message.last_error,
    })
}

/// The promised JSON form of an attempt.
#[must_use]
pub fn attempt_object(id: &str, attempt: &Attempted) -> Value {
    json!({
        "event": "attempt", "id": id, "number": attempt.attempts, "at": show(attempt.at), "status": attempt.status,
        "latency_ms": attempt.latency_ms, "error": attempt.error,
    })
}
