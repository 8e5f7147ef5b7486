//! `passerelle check`: the health probes, as a person or a Nagios plugin asks for them.

use std::collections::BTreeSet;

use clap::Args;

use super::{CliContext, CliError};
use crate::clock::ago;
use crate::health::{self, Verdict, probe_object};
use crate::store::ProbeRecord;

/// Asks pass Culture and the connections' vendors; exit 0 healthy, 1 degraded, 2 failing, 3 unknown.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Ids of connections, or of chains for all their sites; everything without one.
    ids: Vec<String>,
}

impl Check {
    pub(crate) async fn run(self, context: &CliContext) -> Result<u8, CliError> {
        let (_, gateway) = context.open_reading("check", true).await?;
        let of_store = health::check_store(&gateway).await;
        let store = tell(context, &of_store, (gateway.now)());
        if store == Verdict::Failing && gateway.store.ping().await.is_err() {
            // No answer could be remembered; and nothing works without it.
            return Ok(store.exit_code());
        }
        let connections = match self.ids.as_slice() {
            [] => gateway.connections().await?,
            ids => gateway.named(ids).await?,
        };
        let mut accounts: BTreeSet<String> = connections.iter().map(|connection| connection.account.clone()).collect();
        if self.ids.is_empty() {
            accounts.extend(gateway.accounts.keys().cloned());
        }
        let mut worst = if connections.is_empty() && accounts.is_empty() { Verdict::Unknown.max(store) } else { store };
        for account in accounts {
            let served: Vec<_> =
                connections.iter().filter(|connection| connection.account == account).cloned().collect();
            let records = health::check_account(&gateway, &account, &served).await?;
            worst = worst.max(tell(context, &records, (gateway.now)()));
        }
        let mut chains = health::Chains::default();
        for connection in &connections {
            let records = health::check_connection(&gateway, connection).await?;
            worst = worst.max(tell(context, &records, (gateway.now)()));
            chains.add(connection, health::worst(&records));
        }
        for chain in chains.all() {
            context.output.json(&chain.object());
            context.output.text(chain.sentence());
        }
        Ok(worst.exit_code())
    }
}

fn tell(context: &CliContext, records: &[ProbeRecord], now: i64) -> Verdict {
    for record in records {
        context.output.json(&probe_object(record));
        let since = ago(record.since, now);
        context.output.text(format!(
            "{:8}  {} · {}: {} ({} ms, since {since})",
            record.verdict, record.subject, record.probe, record.evidence, record.latency_ms
        ));
        if !record.remedy.is_empty() {
            context.output.text(format!("          hint: {}", record.remedy));
        }
    }
    health::worst(records)
}
