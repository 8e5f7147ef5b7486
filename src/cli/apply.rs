//! `passerelle apply`: connections from TOML into the store.

use std::path::PathBuf;

use clap::Args;

use super::{CliContext, CliError};
use crate::config::load_connections;
use crate::gateway::Gateway;
use crate::store::Applied;

/// Creates or changes connections; idempotent, all or nothing.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// TOML files with [[connection]] entries; without one, the configuration file itself.
    files: Vec<PathBuf>,
}

impl Apply {
    pub(crate) async fn run(self, context: &CliContext) -> Result<u8, CliError> {
        let config = context.load()?;
        let accounts: Vec<String> = config.accounts.keys().cloned().collect();
        let mut connections = Vec::new();
        if self.files.is_empty() {
            connections.extend(config.connections.iter().cloned());
        }
        let mut problems = Vec::new();
        for file in &self.files {
            match load_connections(file, &accounts) {
                Ok(found) => connections.extend(found),
                Err(found) => problems.extend(found),
            }
        }
        if !problems.is_empty() {
            return Err(CliError::Configuration(problems));
        }
        let gateway = Gateway::open(&config, "apply").await?;
        for (id, applied) in gateway.apply(&connections).await? {
            let (what, fields) = match applied {
                Applied::Created => ("created", Vec::new()),
                Applied::Changed(fields) => ("changed", fields),
                Applied::Unchanged => ("unchanged", Vec::new()),
            };
            context
                .output
                .json(&serde_json::json!({ "event": "applied", "connection": id, "result": what, "fields": fields }));
            let detail = if fields.is_empty() { String::new() } else { format!(": {}", fields.join(", ")) };
            context.output.text(format!("{id}  {what}{detail}"));
        }
        Ok(0)
    }
}
