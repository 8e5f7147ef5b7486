//! `passerelle apply`: connections from TOML into the store.

use std::path::PathBuf;

use clap::Args;

use url::Url;

use super::{CliContext, CliError, FAILED};
use crate::config::{Declared, load_connections};
use crate::gateway::chains::{Found, Matched};
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
        let mut declared = Declared::default();
        if self.files.is_empty() {
            declared.extend(config.declared.clone());
        }
        let mut problems = Vec::new();
        for file in &self.files {
            match load_connections(file, &accounts) {
                Ok(found) => declared.extend(found),
                Err(found) => problems.extend(found),
            }
        }
        if !problems.is_empty() {
            return Err(CliError::Configuration(problems));
        }
        let gateway = Gateway::open(&config, "apply").await?;
        let asked = discover(context, &gateway, &mut declared).await?;
        for (id, applied) in gateway.apply(&declared.connections).await? {
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
        let registered = match &config.server.public_url {
            Some(public_url) => register(context, &gateway, public_url).await?,
            None => 0,
        };
        Ok(asked.max(registered))
    }
}

/// Adds the sites that chains' vendors tell of. A vendor that cannot be asked stops nothing: what is connected goes on.
async fn discover(context: &CliContext, gateway: &Gateway, declared: &mut Declared) -> Result<u8, CliError> {
    let mut exit = 0;
    for chain in &declared.discoveries {
        let id = &chain.template.id;
        match gateway.discover(chain).await? {
            Ok(found) => {
                for one in found {
                    tell_site(context, id, &one);
                    if let Matched::Connected(record) = one.matched {
                        declared.connections.push(*record);
                    }
                }
            }
            Err(why) => {
                exit = FAILED;
                context
                    .output
                    .json(&serde_json::json!({ "event": "discovery", "chain": id, "result": "failed", "detail": why }));
                context.output.text(format!("sites of chain {id}  not known: {why}"));
            }
        }
    }
    Ok(exit)
}

fn tell_site(context: &CliContext, chain: &str, found: &Found) {
    let (site, hint) = (&found.site, found.hint());
    context.output.json(&serde_json::json!({
        "event": "site", "chain": chain, "site": site.id, "name": site.name, "siret": site.siret,
        "result": found.result(), "hint": hint,
    }));
    let tail = if hint.is_empty() { String::new() } else { format!(": {hint}") };
    context.output.text(format!("site {} of {chain} ({})  {}{tail}", site.id, site.name, found.result()));
}

/// Tells pass Culture where to send its messages.
async fn register(context: &CliContext, gateway: &Gateway, public_url: &Url) -> Result<u8, CliError> {
    let mut failed = false;
    for registration in gateway.register_message_urls(public_url).await? {
        let (account, connection) = (&registration.account, registration.connection.as_deref());
        let (result, detail) = match registration.result {
            Ok(Registered::Changed) => ("registered", String::new()),
            Ok(Registered::Unchanged) => ("unchanged", String::new()),
            Ok(Registered::NoKey) => ("skipped", ": no hmac_key, so no message could be believed".to_owned()),
            Err(error) => {
                failed = true;
                ("failed", format!(": {error}"))
            }
        };
        context.output.json(&serde_json::json!({
            "event": "message_urls", "account": account, "connection": connection, "result": result, "public_url": public_url,
            "detail": detail.trim_start_matches(": "),
        }));
        let whose = connection.map_or_else(|| format!("account {account}"), |id| format!("the venue of {id}"));
        context.output.text(format!("message URLs of {whose}  {result}{detail}"));
    }
    Ok(if failed { FAILED } else { 0 })
}
