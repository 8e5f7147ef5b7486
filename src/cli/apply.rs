//! `passerelle apply`: connections from TOML into the store.

use std::path::PathBuf;

use clap::Args;

use url::Url;

use super::{CliContext, CliError, FAILED};
use crate::config::load_connections;
use crate::gateway::{Gateway, Registered};
use crate::store::Applied;

/// Creates or changes connections; idempotent, all or nothing.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// TOML files with [[connection]] entries; without one, the configuration file itself.
    files: Vec<PathBuf>,
}

impl Apply {
    pub(crate) const fn all() -> Self {
        Self { files: Vec::new() }
    }

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
        match &config.server.public_url {
            Some(public_url) => register(context, &gateway, public_url).await,
            None => Ok(0),
        }
    }
}

/// Tells pass Culture where to send its messages.
async fn register(context: &CliContext, gateway: &Gateway, public_url: &Url) -> Result<u8, CliError> {
    let mut failed = false;
    for (account, registered) in gateway.register_message_urls(public_url).await {
        let (result, detail) = match registered {
            Ok(Registered::Changed) => ("registered", String::new()),
            Ok(Registered::Unchanged) => ("unchanged", String::new()),
            Ok(Registered::NoKey) => ("skipped", ": no hmac_key, so no message could be believed".to_owned()),
            Err(error) => {
                failed = true;
                ("failed", format!(": {error}"))
            }
        };
        context.output.json(&serde_json::json!({
            "event": "message_urls", "account": account, "result": result, "public_url": public_url,
            "detail": detail.trim_start_matches(": "),
        }));
        context.output.text(format!("message URLs of account {account}  {result}{detail}"));
    }
    Ok(if failed { FAILED } else { 0 })
}
