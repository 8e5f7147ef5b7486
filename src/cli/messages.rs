//! `passerelle messages`: what venues' software was told, what it did not take, and sending it again.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CliContext, CliError};
use crate::clock::show;
use crate::delivery::{self, ReplayRequest, attempt_object, endpoint_object, message_object};
use crate::gateway::Gateway;
use crate::store::Millis;
use crate::store::messages::{MessageFilter, MessageState};

/// Messages listed at once.
const MOST_LISTED: u32 = 1_000;

/// How messages stand at every endpoint, unless told otherwise.
#[derive(Debug, Args)]
pub(crate) struct Messages {
    #[command(subcommand)]
    command: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Messages, newest first, at most 1 000.
    List {
        /// Only to this connection.
        #[arg(long)]
        connection: Option<String>,
        /// Only in this state: pending, delivered, dead.
        #[arg(long, value_parser = state)]
        state: Option<MessageState>,
        /// Only of this booking (`bk_…`).
        #[arg(long)]
        booking: Option<String>,
    },
    /// One message with its attempts.
    Show {
        /// Its id (`msg_…`).
        id: String,
    },
    /// Send messages of a connection again, with the same ids; those that were given up unless told otherwise.
    Replay {
        /// The connection.
        connection: String,
        /// Made at or after (RFC 3339).
        #[arg(long, value_parser = instant)]
        from: Option<Millis>,
        /// Made before (RFC 3339).
        #[arg(long, value_parser = instant)]
        to: Option<Millis>,
        /// In this state: delivered, dead; may be repeated.
        #[arg(long, value_parser = state)]
        state: Vec<MessageState>,
        /// Only say how many.
        #[arg(long)]
        dry_run: bool,
    },
    /// Speak again to a connection's software that wanted nothing more, or that failed for days.
    Resume {
        /// The connection.
        connection: String,
    },
}

fn state(name: &str) -> Result<MessageState, String> {
    MessageState::named(name).ok_or_else(|| "is none of pending, delivered, dead".to_owned())
}

fn instant(text: &str) -> Result<Millis, String> {
    let at: jiff::Timestamp =
        text.parse().map_err(|_| "is no instant; write for example 2031-05-14T20:30:00Z".to_owned())?;
    Ok(at.as_millisecond())
}

impl Messages {
    pub(crate) async fn run(self, context: &CliContext) -> Result<u8, CliError> {
        let (_, gateway) = context.open_reading("messages", false).await?;
        match self.command {
            None => endpoints(context, &gateway).await,
            Some(Action::List { connection, state, booking }) => {
                let states = state.into_iter().collect();
                list(context, &gateway, MessageFilter { connection, states, booking, ..MessageFilter::default() }).await
            }
            Some(Action::Show { id }) => one(context, &gateway, &id).await,
            Some(Action::Replay { connection, from, to, state, dry_run }) => {
                let request = ReplayRequest { from, to, states: state, types: Vec::new(), dry_run };
                replay(context, &gateway, &connection, &request).await
            }
            Some(Action::Resume { connection }) => {
                gateway.connection(&connection).await?;
                gateway.store.reopen_endpoint(&connection, (gateway.now)()).await?;
                context.output.text(format!("{connection} is spoken to"));
                Ok(0)
            }
        }
    }
}

async fn endpoints(context: &CliContext, gateway: &Gateway) -> Result<u8, CliError> {
    let all = gateway.store.endpoints().await?;
    for counts in &all {
        context.output.json(&endpoint_object(counts));
    }
    let rows = all
        .iter()
        .map(|counts| {
            vec![
                counts.endpoint.connection.clone(),
                counts.endpoint.state.name().to_owned(),
                counts.pending.to_string(),
                counts.oldest_pending.map(show).unwrap_or_default(),
                counts.dead.to_string(),
                counts.endpoint.last_error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    context.output.table(&["CONNECTION", "STATE", "WAITING", "SINCE", "GIVEN UP", "WHY"], rows);
    Ok(0)
}

async fn list(context: &CliContext, gateway: &Gateway, filter: MessageFilter) -> Result<u8, CliError> {
    let found = gateway.store.messages(&filter, MOST_LISTED).await?;
    for message in &found {
        context.output.json(&message_object(message));
    }
    let rows = found
        .iter()
        .map(|message| {
            vec![
                message.id.clone(),
                show(message.created_at),
                message.connection.clone(),
                message.kind.clone(),
                message.booking.clone(),
                message.state.name().to_owned(),
                message.attempts.to_string(),
                message.last_error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    context.output.table(&["ID", "CREATED", "CONNECTION", "TYPE", "BOOKING", "STATE", "TRIES", "WHY"], rows);
    Ok(0)
}

async fn one(context: &CliContext, gateway: &Gateway, id: &str) -> Result<u8, CliError> {
    let Some(message) = gateway.store.message(id).await? else {
        return Err(CliError::Failed(format!("no message has the id `{id}`; `passerelle messages list` names them")));
    };
    let out = context.output;
    out.json(&message_object(&message));
    out.text(format!("message {id} to {}: {}", message.connection, message.state.name()));
    out.text(format!("  tells             {} of {}, number {}", message.kind, message.booking, message.sequence));
    if let Some(due) = message.due_at {
        out.text(format!("  tried again       {}", show(due)));
    }
    for attempt in gateway.store.attempts_of(&message.connection, message.position).await? {
        out.json(&attempt_object(id, &attempt));
        let status = attempt.status.map_or_else(|| "no answer".to_owned(), |status| format!("HTTP {status}"));
        let why = attempt.error.as_deref().unwrap_or("delivered");
        out.text(format!("  {}  {status} in {} ms: {why}", show(attempt.at), attempt.latency_ms));
    }
    Ok(0)
}

async fn replay(
    context: &CliContext,
    gateway: &Gateway,
    connection: &str,
    request: &ReplayRequest,
) -> Result<u8, CliError> {
    gateway.connection(connection).await?;
    let replayed = delivery::replay(gateway.store.as_ref(), connection, request, (gateway.now)())
        .await
        .map_err(|refused| CliError::Failed(refused.to_string()))?;
    let count = replayed.messages.len();
    context.output.json(&json!({
        "event": "replayed", "connection": connection, "matched": count, "dry_run": request.dry_run,
        "messages": replayed.messages.iter().map(|message| &message.id).collect::<Vec<_>>(),
    }));
    let what = if request.dry_run { "would be sent again" } else { "will be sent again by the running gateway" };
    context.output.text(format!("{count} message(s) {what}"));
    Ok(0)
}
