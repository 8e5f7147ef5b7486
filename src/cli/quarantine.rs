//! `passerelle quarantine`: rows that stayed behind, and why.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CliContext, CliError};
use crate::gateway::Gateway;
use crate::passculture::Availability;
use crate::store::QuarantineRow;
use crate::store::ledger::Scan;

/// Rows read from the store at once.
const PAGE: u32 = 1_000;

/// Lists quarantined rows unless told otherwise.
#[derive(Debug, Args)]
pub(crate) struct Quarantine {
    #[command(subcommand)]
    command: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Rows of the last pass that could not be read or may not be offered.
    List {
        /// Connection id; all connections without it.
        id: Option<String>,
        /// What pass Culture refuses instead: EANs that are wanted and not taken.
        #[arg(long)]
        rejected: bool,
        /// Rows that were kept, but not as written: rounded prices, joined duplicates, quantities below zero.
        #[arg(long, conflicts_with = "rejected")]
        notes: bool,
    },
    /// Rows of one key (an EAN, or the key as written).
    Show {
        /// Key or EAN.
        key: String,
    },
    /// Let a held price or quantity of one EAN through (`PriceJump`, `QuantityImplausible`): the next pass puts it online.
    Accept {
        /// The EAN.
        ean: String,
        /// Connection id, where several hold it.
        #[arg(long)]
        connection: Option<String>,
    },
    /// Forget the rows of a connection; the next pass writes what is still wrong.
    Drop {
        /// Connection id.
        id: String,
    },
}

impl Quarantine {
    pub(crate) fn of(id: &str) -> Self {
        Self { command: Some(Action::List { id: Some(id.to_owned()), rejected: false, notes: false }) }
    }

    pub(crate) async fn run(self, context: &CliContext) -> Result<u8, CliError> {
        let (_, gateway) = context.open_reading("quarantine", false).await?;
        match self.command.unwrap_or(Action::List { id: None, rejected: false, notes: false }) {
            Action::List { id, rejected: false, notes } => list(context, &gateway, id.as_deref(), notes).await?,
            Action::List { id, rejected: true, .. } => rejected(context, &gateway, id.as_deref()).await?,
            Action::Show { key } => {
                let rows = gateway.store.quarantine_by_key(&key, key.parse().ok(), PAGE).await?;
                print(context, &rows);
            }
            Action::Accept { ean, connection } => return accept(context, &gateway, &ean, connection.as_deref()).await,
            Action::Drop { id } => {
                gateway.connection(&id).await?;
                let dropped = gateway.store.drop_quarantine(&id).await?;
                context.output.json(&json!({ "event": "dropped", "connection": id, "rows": dropped }));
                context.output.text(format!("{id}  {dropped} rows dropped"));
            }
        }
        Ok(0)
    }
}

/// Lets the held value of an EAN through at the next pass, which is made due at once.
async fn accept(context: &CliContext, gateway: &Gateway, ean: &str, only: Option<&str>) -> Result<u8, CliError> {
    let Ok(ean) = passerelle_kit::reference::normalise(ean) else {
        return Err(CliError::Usage(format!("`{ean}` is not an EAN")));
    };
    let mut accepted = 0;
    for connection in gateway.store.connections().await?.iter().filter(|one| only.is_none_or(|only| one.id == only)) {
        let mut values = gateway.store.held_values(&connection.id).await?;
        let Some(value) = values.iter_mut().find(|value| value.ean == ean) else { continue };
        value.accepted = true;
        let told = json!({ "event": "accepted", "connection": connection.id, "ean": ean, "code": value.code,
            "price_cents": value.price, "quantity": value.quantity });
        let lease = gateway.lease(&connection.id, Duration::from_secs(30)).await?;
        gateway.store.save_held_values(lease.lease(), &values).await?;
        // An unchanged source would say nothing: everything is read again.
        let mut state = gateway.store.state(&connection.id).await?;
        state.cursor = None;
        state.due_at = (gateway.now)();
        gateway.store.save_state(lease.lease(), &state).await?;
        lease.release().await;
        context.output.json(&told);
        context.output.text(format!("{}  {ean}: the next pass lets it through", connection.id));
        accepted += 1;
    }
    if accepted == 0 {
        return Err(CliError::Failed(format!("no price or quantity of {ean} is held")));
    }
    Ok(0)
}

async fn list(context: &CliContext, gateway: &Gateway, id: Option<&str>, notes: bool) -> Result<(), CliError> {
    if let Some(id) = id {
        gateway.connection(id).await?;
    }
    let mut from = None;
    loop {
        let rows = gateway.store.quarantine(id, from, PAGE).await?;
        let shown: Vec<QuarantineRow> = rows.iter().filter(|row| row.is_note == notes).cloned().collect();
        print(context, &shown);
        let Some(last) = rows.last().filter(|_| rows.len() == PAGE as usize) else { return Ok(()) };
        from = Some((last.connection.clone(), last.ordinal + 1));
    }
}

fn print(context: &CliContext, rows: &[QuarantineRow]) {
    for row in rows {
        context.output.json(&object(row));
    }
    let table = rows
        .iter()
        .map(|row| {
            vec![
                row.connection.clone(),
                place(row),
                row.key.clone().unwrap_or_default(),
                row.code.clone(),
                row.message.clone(),
                row.message_fr.clone(),
            ]
        })
        .collect();
    context.output.table(&["CONNECTION", "WHERE", "KEY", "CODE", "WHY", "POURQUOI"], table);
}

/// The promised JSON form of a row.
pub(super) fn object(row: &QuarantineRow) -> serde_json::Value {
    let position = match (row.line, row.entry) {
        (Some(line), _) => json!({ "line": line }),
        (None, Some((page, entry))) => json!({ "page": page, "entry": entry }),
        (None, None) => json!({}),
    };
    json!({
        "event": if row.is_note { "note" } else { "quarantined" }, "connection": row.connection, "position": position, "key": row.key, "code": row.code,
        "message": row.message, "message_fr": row.message_fr, "cells": row.cells,
    })
}

pub(super) fn place(row: &QuarantineRow) -> String {
    match (row.line, row.entry) {
        (Some(line), _) => format!("line {line}"),
        (None, Some((page, entry))) => format!("page {page}, entry {entry}"),
        (None, None) => String::new(),
    }
}

async fn rejected(context: &CliContext, gateway: &Gateway, id: Option<&str>) -> Result<(), CliError> {
    let ids = match id {
        Some(id) => vec![gateway.connection(id).await?.id],
        None => gateway.store.connections().await?.into_iter().map(|connection| connection.id).collect(),
    };
    for id in ids {
        let mut scan = Scan::all(gateway.store.as_ref(), &id);
        while let Some(page) = scan.next_page().await? {
            let mut table = Vec::new();
            for entry in page {
                let Some(code) = entry.refused.and_then(|refusal| Availability::from_code(refusal.code)) else {
                    continue;
                };
                context.output.json(&json!({
                    "event": "rejected", "connection": id, "key": entry.ean, "code": code.name(),
                    "message": code.english(), "message_fr": code.french(),
                }));
                table.push(vec![
                    id.clone(),
                    entry.ean.to_string(),
                    code.name().to_owned(),
                    code.english().to_owned(),
                    code.french().to_owned(),
                ]);
            }
            context.output.table(&["CONNECTION", "EAN", "CODE", "WHY", "POURQUOI"], table);
        }
        rejected_shows(context, gateway, &id).await?;
    }
    Ok(())
}

/// Offers and dates that pass Culture refuses, in its own words.
async fn rejected_shows(context: &CliContext, gateway: &Gateway, id: &str) -> Result<(), CliError> {
    let events = gateway.store.events(id).await?.into_iter().map(|row| (row.key, row.refused));
    let dates = gateway.store.dates(id).await?.into_iter().filter(|row| row.desired.is_some());
    let mut table = Vec::new();
    for (key, refused) in events.chain(dates.map(|row| (row.key, row.refused))) {
        let Some(refused) = refused else { continue };
        let (code, message) = refused.split_once(": ").unwrap_or(("Refused", &refused));
        context.output.json(&json!({
            "event": "rejected", "connection": id, "key": key, "code": code, "message": message,
        }));
        table.push(vec![id.to_owned(), key, code.to_owned(), message.to_owned()]);
    }
    context.output.table(&["CONNECTION", "KEY", "CODE", "WHY"], table);
    Ok(())
}
