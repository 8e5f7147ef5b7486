//! `passerelle connections`: what is connected, and the three things that can be done to it.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{CliContext, CliError};
use crate::clock::{ago, show};
use crate::gateway::{Gateway, condition, connection_object};
use crate::store::{ConnectionRecord, ConnectionState, KnownConnection};

/// Lists connections unless told otherwise.
#[derive(Debug, Args)]
pub(crate) struct Connections {
    #[command(subcommand)]
    command: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// One line a connection.
    List,
    /// Everything known of one.
    Show {
        /// Connection id.
        id: String,
    },
    /// Stop its schedule; pass Culture keeps what it has.
    Pause {
        /// Connection id.
        id: String,
    },
    /// Let it go on.
    Resume {
        /// Connection id.
        id: String,
    },
    /// Forget it and its ledger; pass Culture keeps what it has, so withdraw first what should go.
    Remove {
        /// Connection id.
        id: String,
    },
}

impl Connections {
    pub(crate) async fn run(self, context: &CliContext) -> Result<u8, CliError> {
        let (_, gateway) = context.open_reading("connections", false).await?;
        match self.command.unwrap_or(Action::List) {
            Action::List => list(context, &gateway).await,
            Action::Show { id } => show_one(context, &gateway, &id).await,
            Action::Pause { id } => pause(context, &gateway, &id, true).await,
            Action::Resume { id } => pause(context, &gateway, &id, false).await,
            Action::Remove { id } => remove(context, &gateway, &id).await,
        }
    }
}

/// Those that stand alone first, then chain by chain.
async fn list(context: &CliContext, gateway: &Gateway) -> Result<u8, CliError> {
    let now = (gateway.now)();
    let mut groups: BTreeMap<Option<String>, Vec<KnownConnection>> = BTreeMap::new();
    let mut all = gateway.store.known_connections().await?;
    let stored: std::collections::BTreeSet<String> = all.iter().map(|known| known.record.id.clone()).collect();
    let never_applied = gateway.connections().await?.into_iter().filter(|one| !stored.contains(&one.id));
    all.extend(never_applied.map(|record| KnownConnection {
        record,
        state: ConnectionState::default(),
        is_held: false,
    }));
    for known in all {
        groups.entry(known.record.chain.clone()).or_default().push(known);
    }
    let mut rows = Vec::new();
    for (chain, group) in &groups {
        if let Some(chain) = chain {
            rows.push(chain_row(context, chain, group));
        }
        let indent = if chain.is_some() { "  " } else { "" };
        for known in group {
            let KnownConnection { record: connection, state, is_held } = known;
            context.output.json(&connection_object(connection, state, *is_held));
            rows.push(vec![
                format!("{indent}{}", connection.id),
                connection.adapter.clone(),
                venue(connection, state),
                condition(connection, state, *is_held).to_owned(),
                state.last_success_at.map_or_else(|| "never".to_owned(), |at| format!("{} ago", ago(at, now))),
                state.last_error.clone().unwrap_or_default(),
            ]);
        }
    }
    if rows.is_empty() {
        context.output.say("no connection yet; put a [[connection]] into the configuration file");
    }
    context.output.table(&["CONNECTION", "ADAPTER", "VENUE", "STATE", "LAST SUCCESS", "LAST ERROR"], rows);
    Ok(0)
}

/// How many sites of a chain are in which state.
fn chain_row(context: &CliContext, chain: &str, sites: &[KnownConnection]) -> Vec<String> {
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for site in sites {
        *states.entry(condition(&site.record, &site.state, site.is_held)).or_default() += 1;
    }
    context
        .output
        .json(&serde_json::json!({ "event": "chain", "chain": chain, "connections": sites.len(), "states": states }));
    let told: Vec<String> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let adapter = sites.first().map(|site| site.record.adapter.clone()).unwrap_or_default();
    vec![chain.to_owned(), adapter, format!("{} sites", sites.len()), told.join(", "), String::new(), String::new()]
}

fn venue(connection: &ConnectionRecord, state: &ConnectionState) -> String {
    state
        .venue_id
        .or(connection.venue)
        .map_or_else(|| connection.siret.clone().unwrap_or_default(), |id| id.to_string())
}

async fn show_one(context: &CliContext, gateway: &Gateway, id: &str) -> Result<u8, CliError> {
    let connection = gateway.connection(id).await?;
    let state = gateway.store.state(id).await?;
    let held = gateway.store.held(id).await?;
    let totals = crate::store::ledger::totals(gateway.store.as_ref(), id).await?;
    let mut told = connection_object(&connection, &state, held.is_some());
    if let Some(told) = told.as_object_mut() {
        told.insert("settings".to_owned(), connection.settings.clone());
        told.insert(
            "ledger".to_owned(),
            serde_json::json!({ "entries": totals.entries, "live": totals.live, "pending": totals.pending,
                "unverified": totals.unverified, "refused": totals.refused }),
        );
        let mut plan = serde_json::to_value(&held).unwrap_or_default();
        // Fingerprints tell nobody anything.
        if let Some(evidence) = plan.get_mut("evidence").and_then(serde_json::Value::as_object_mut) {
            evidence.remove("leaving");
        }
        told.insert("held_plan".to_owned(), plan);
        told.insert("released".to_owned(), serde_json::to_value(&state.released).unwrap_or_default());
        told.insert("partial_passes".to_owned(), serde_json::to_value(&state.partial_passes).unwrap_or_default());
    }
    context.output.json(&told);
    let out = context.output;
    out.text(format!("{id}  ({}, account {})", connection.adapter, connection.account));
    out.text(format!("  venue         {}", venue(&connection, &state)));
    out.text(format!("  every         {} s", connection.every_seconds));
    out.text(format!("  state         {}", condition(&connection, &state, held.is_some())));
    out.text(format!("  last success  {}", state.last_success_at.map_or_else(|| "never".to_owned(), show)));
    if let Some(error) = &state.last_error {
        out.text(format!("  last error    {error} ({} in a row)", state.failures));
    }
    if let Some(held) = &held {
        out.text(format!("  held plan     since {}: {}", show(held.since), held.message));
    }
    if let Some(released) = &state.released {
        let by = if released.by_agreement { "another export that agreed" } else { "a person" };
        out.text(format!(
            "  last release  {}: a held plan ({}) was let through by {by}; {} item(s) left",
            show(released.at),
            released.reasons.join(", "),
            released.leaving
        ));
    }
    out.text(format!(
        "  ledger        {} EANs, {} for sale, {} to push, {} to read back, {} refused",
        totals.entries, totals.live, totals.pending, totals.unverified, totals.refused
    ));
    for pass in gateway.store.passes(id, 10).await? {
        let summary = &pass.summary;
        out.text(format!(
            "  {}  {:6}  read {} kept {} pushed {}",
            show(pass.started_at),
            pass.outcome,
            summary["read"],
            summary["kept"],
            summary["pushed"]
        ));
        out.json(&serde_json::json!({ "event": "pass", "connection": id, "started": show(pass.started_at),
            "ended": show(pass.ended_at), "outcome": pass.outcome, "summary": summary }));
    }
    Ok(0)
}

async fn pause(context: &CliContext, gateway: &Gateway, id: &str, paused: bool) -> Result<u8, CliError> {
    gateway.connection(id).await?;
    gateway.store.set_paused(id, paused, (gateway.now)()).await?;
    let what = if paused { "paused" } else { "resumed" };
    context.output.json(&serde_json::json!({ "event": what, "connection": id }));
    context.output.text(format!("{id}  {what}"));
    Ok(0)
}

async fn remove(context: &CliContext, gateway: &Gateway, id: &str) -> Result<u8, CliError> {
    gateway.connection(id).await?;
    let held = gateway.lease(id, Duration::from_secs(30)).await?;
    gateway.store.remove_connection(held.lease()).await?;
    held.release().await;
    context.output.json(&serde_json::json!({ "event": "removed", "connection": id }));
    context
        .output
        .text(format!("{id}  removed; a [[connection]] of that name in the configuration file would create it again"));
    Ok(0)
}
