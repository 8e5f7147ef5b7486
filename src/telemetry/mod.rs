//! Events become a log line and a metric, in one place, so that both say the same.
//!
//! Labels come from small fixed sets (adapter, outcome, class, code); never an id of a person, an EAN or a message.
//! Transitions are logged, repetitions are counted.

mod summing;

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use passerelle_contract::Class;
use tracing_subscriber::EnvFilter;

use crate::catalogue::{PassError, Summary};
use crate::store::Millis;
use crate::store::bookings::BookingRow;
use crate::store::messages::{EndpointCounts, EndpointRow, EndpointState, MessageRow};
use crate::store::products::{ProductBooking, ProductState};

pub use summing::{
    accept_failed, connections_closed, connections_full, connections_open, flush_refused, message_refused, refused,
};

/// Starts logging to stderr. A filter that cannot be read falls back to `warn` and says so.
pub fn start(level: &str, json: bool) {
    let (filter, refused) = match EnvFilter::builder().parse(level) {
        Ok(filter) => (filter, None),
        Err(why) => (EnvFilter::new("warn"), Some(why)),
    };
    // A log that cannot be written (its disk is full too) is lost; telling so on stderr would panic in the middle of the work.
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    // A second start (tests) keeps the first subscriber; that is fine.
    let started = if json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init()
    };
    if let (Ok(()), Some(why)) = (started, refused) {
        tracing::warn!(%why, "the log filter cannot be read; logging warnings");
    }
}

/// The metrics of this process, collected from the first call on.
///
/// `None` when another recorder was installed before.
pub fn metrics() -> Option<&'static PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let handle = PrometheusBuilder::new().install_recorder().ok()?;
            metrics::describe_counter!("passerelle_passes_total", "Runs of a source, by adapter and outcome");
            metrics::describe_counter!(
                "passerelle_pass_failures_total",
                "Runs that failed, by adapter, class and code"
            );
            metrics::describe_histogram!(
                "passerelle_pass_seconds",
                metrics::Unit::Seconds,
                "How long runs take, by adapter"
            );
            metrics::describe_counter!("passerelle_rows_total", "Rows read, by adapter and fate");
            metrics::describe_counter!("passerelle_plans_released_total", "Held plans that were let through, by whom");
            metrics::describe_counter!("passerelle_eans_pushed_total", "EANs accepted by pass Culture");
            metrics::describe_counter!("passerelle_inbound_total", "Bodies that vendors posted, by result");
            metrics::describe_gauge!("passerelle_connections", "Connections, by state");
            metrics::describe_counter!("passerelle_messages_total", "Messages of pass Culture, by kind and result");
            metrics::describe_histogram!(
                "passerelle_message_seconds",
                metrics::Unit::Seconds,
                "From the first byte of a message to its answer, by kind"
            );
            metrics::describe_counter!(
                "passerelle_countermarks_total",
                "Requests about countermarks, by action and result"
            );
            metrics::describe_counter!(
                "passerelle_bookings_settled_total",
                "Bookings settled, by state before and after"
            );
            metrics::describe_counter!(
                "passerelle_bookings_of_unknown_stocks_total",
                "Bookings of stocks that no connection sells"
            );
            metrics::describe_gauge!("passerelle_bookings_for_a_person", "Bookings that a person must look at");
            metrics::describe_counter!("passerelle_deliveries_total", "Attempts to deliver messages, by result");
            metrics::describe_histogram!("passerelle_delivery_seconds", metrics::Unit::Seconds, "Time of one attempt");
            metrics::describe_counter!("passerelle_messages_dead_total", "Messages that were given up");
            metrics::describe_gauge!("passerelle_messages_waiting", "Messages that wait to be delivered or fetched");
            metrics::describe_gauge!("passerelle_messages_oldest_seconds", "Age of the oldest message that waits");
            metrics::describe_gauge!("passerelle_endpoints", "Endpoints of venues' software, by state");
            summing::describe();
            Some(handle)
        })
        .as_ref()
}

/// A run ended well, or with a held plan.
pub fn pass_ended(adapter: &'static str, summary: &Summary) {
    let outcome = if summary.held > 0 { "held" } else { "done" };
    metrics::counter!("passerelle_passes_total", "adapter" => adapter, "outcome" => outcome).increment(1);
    metrics::histogram!("passerelle_pass_seconds", "adapter" => adapter).record(summary.seconds);
    metrics::counter!("passerelle_rows_total", "adapter" => adapter, "fate" => "kept").increment(summary.kept);
    metrics::counter!("passerelle_rows_total", "adapter" => adapter, "fate" => "quarantined")
        .increment(summary.quarantined);
    metrics::counter!("passerelle_rows_total", "adapter" => adapter, "fate" => "skipped").increment(summary.skipped);
    metrics::counter!("passerelle_eans_pushed_total").increment(summary.pushed);
    tracing::info!(
        connection = summary.connection,
        outcome,
        read = summary.read,
        kept = summary.kept,
        quarantined = summary.quarantined,
        pushed = summary.pushed,
        rejected = summary.rejected,
        seconds = summary.seconds,
        "pass ended for {}",
        summary.connection
    );
}

/// A held plan was let through, by another export that agreed or by a person.
pub fn plan_released(by_agreement: bool) {
    let by = if by_agreement { "agreement" } else { "person" };
    metrics::counter!("passerelle_plans_released_total", "by" => by).increment(1);
}

/// A run failed. `failures` counts those in a row: the first is a warning, the rest are repetitions.
pub fn pass_failed(adapter: &'static str, connection: &str, error: &PassError, failures: u32) {
    let (class, code) = (error.class().name(), error.code());
    if error.class() == Class::Waiting {
        metrics::counter!("passerelle_passes_total", "adapter" => adapter, "outcome" => "waiting").increment(1);
        tracing::info!(connection, code, "{connection} waits: {error}");
        return;
    }
    metrics::counter!("passerelle_passes_total", "adapter" => adapter, "outcome" => "failed").increment(1);
    metrics::counter!("passerelle_pass_failures_total", "adapter" => adapter, "class" => class, "code" => code)
        .increment(1);
    if failures <= 1 {
        tracing::warn!(connection, class, code, %error, "pass of {connection} failed: {error}");
    } else {
        tracing::debug!(connection, class, code, failures, %error, "pass of {connection} failed again");
    }
}

/// A body that a vendor posted was answered.
pub fn inbound_answered(result: &'static str) {
    metrics::counter!("passerelle_inbound_total", "result" => result).increment(1);
}

/// A message of pass Culture was answered.
pub fn message_answered(kind: &'static str, result: &'static str, time: Duration) {
    metrics::counter!("passerelle_messages_total", "kind" => kind, "result" => result).increment(1);
    metrics::histogram!("passerelle_message_seconds", "kind" => kind).record(time.as_secs_f64());
}

/// A request about a countermark was answered. `result` is a state or a code.
pub fn countermark_answered(action: &'static str, result: &'static str) {
    metrics::counter!("passerelle_countermarks_total", "action" => action, "result" => result).increment(1);
}

/// A booking was settled one step further.
pub fn booking_settled(before: &BookingRow, after: &BookingRow) {
    let (from, to) = (before.state.name(), after.state.name());
    metrics::counter!("passerelle_bookings_settled_total", "from" => from, "to" => to).increment(1);
    let (reference, connection) = (&after.reference, &after.connection);
    if after.needs_human && !before.needs_human {
        let reason = after.reason.as_deref().unwrap_or("");
        tracing::error!(reference, connection, from, to, reason, "booking {reference} needs a person: {reason}");
    } else if from != to {
        tracing::info!(reference, connection, from, to, "booking {reference} settled");
    }
}

/// Bookings that wait for a person.
#[allow(clippy::cast_precision_loss)]
pub fn bookings_for_a_person(count: usize) {
    metrics::gauge!("passerelle_bookings_for_a_person").set(count as f64);
}

/// A message was tried.
pub fn message_sent(delivered: bool, time: Duration) {
    let result = if delivered { "delivered" } else { "failed" };
    metrics::counter!("passerelle_deliveries_total", "result" => result).increment(1);
    metrics::histogram!("passerelle_delivery_seconds").record(time.as_secs_f64());
}

/// A message was given up.
pub fn message_dead(message: &MessageRow, why: &str) {
    let MessageRow { connection, id, booking, kind, .. } = message;
    metrics::counter!("passerelle_messages_dead_total").increment(1);
    tracing::error!(connection, id, booking, kind, why, "message {id} of {connection} was given up: {why}");
}

/// How it goes with an endpoint changed. `wants_person`: it will fail until somebody changes something.
pub fn endpoint_changed(endpoint: &EndpointRow, wants_person: bool) {
    let EndpointRow { connection, state, .. } = endpoint;
    let (state, why) = (state.name(), endpoint.last_error.as_deref().unwrap_or_default());
    match endpoint.state {
        EndpointState::Open if wants_person => tracing::error!(
            connection,
            why,
            "{connection} refuses messages until its address or its secret is put right: {why}"
        ),
        EndpointState::Open => tracing::warn!(connection, why, "{connection} does not take messages: {why}"),
        EndpointState::Gone | EndpointState::Disabled => tracing::error!(
            connection,
            state,
            why,
            "{connection} is not spoken to any more ({state}): {why}; `passerelle messages resume {connection}` speaks to it again"
        ),
    }
}

/// How many messages wait over all endpoints, for how long, and how many endpoints are not spoken to.
#[allow(clippy::cast_precision_loss)]
pub fn messages_waiting(all: &[EndpointCounts], now: Millis) {
    let waiting: u64 = all.iter().map(|counts| counts.pending).sum();
    let oldest = all.iter().filter_map(|counts| counts.oldest_pending).min().unwrap_or(now);
    metrics::gauge!("passerelle_messages_waiting").set(waiting as f64);
    metrics::gauge!("passerelle_messages_oldest_seconds").set(now.saturating_sub(oldest).max(0) as f64 / 1_000.0);
    for state in [EndpointState::Open, EndpointState::Gone, EndpointState::Disabled] {
        let count = all.iter().filter(|counts| counts.endpoint.state == state).count();
        metrics::gauge!("passerelle_endpoints", "state" => state.name()).set(count as f64);
    }
}

/// The comparison with pass Culture's listing moved the booking of a product.
pub fn product_reconciled(before: Option<ProductState>, after: &ProductBooking) {
    let (from, to) = (before.map_or("unknown", ProductState::name), after.state.name());
    metrics::counter!("passerelle_products_reconciled_total", "from" => from, "to" => to).increment(1);
    let booking = &after.booking;
    tracing::info!(booking, from, to, "booking {booking} of a product was found {to}");
}
