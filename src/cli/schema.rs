//! `passerelle schema`: JSON Schemas for editors and integrators.

use clap::Args;

use super::{CliContext, CliError};
use crate::config::Written;
use crate::registry::{self, ADAPTERS};

/// Prints one schema to stdout.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// `config`, `summary`, or `settings.ADAPTER`.
    name: String,
}

impl Schema {
    pub(crate) fn run(self, context: &CliContext) -> Result<u8, CliError> {
        let schema = by_name(&self.name).ok_or_else(|| {
            let adapters: Vec<String> = ADAPTERS.iter().map(|adapter| format!("settings.{}", adapter.id)).collect();
            CliError::Usage(format!(
                "there is no schema `{}`; known: config, summary, {}",
                self.name,
                adapters.join(", ")
            ))
        })?;
        let text = serde_json::to_string_pretty(&schema).map_err(|why| CliError::Failed(why.to_string()))?;
        if context.output.is_json() {
            context.output.json(&schema)
        } else {
            context.output.line(&text)
        }
        Ok(0)
    }
}

/// The schema of this name.
fn by_name(name: &str) -> Option<serde_json::Value> {
    match name {
        "config" => Some(schemars::schema_for!(Written).to_value()),
        "summary" => Some(schemars::schema_for!(crate::catalogue::Summary).to_value()),
        _ => name.strip_prefix("settings.").and_then(registry::find).map(|adapter| (adapter.settings_schema)()),
    }
}
