//! `passerelle adapters`: what can be connected, and with which settings.

use clap::{Args, Subcommand};

use super::{CliContext, CliError};
use crate::registry::{self, ADAPTERS};

/// Lists adapters unless told otherwise.
#[derive(Debug, Args)]
pub(crate) struct Adapters {
    #[command(subcommand)]
    command: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// One line an adapter.
    List,
    /// One adapter and its settings.
    Show {
        /// Adapter id.
        id: String,
    },
}

impl Adapters {
    pub(crate) fn run(self, context: &CliContext) -> Result<u8, CliError> {
        match self.command.unwrap_or(Action::List) {
            Action::List => list(context),
            Action::Show { id } => show(context, &id)?,
        }
        Ok(0)
    }
}

fn list(context: &CliContext) {
    let rows = ADAPTERS
        .iter()
        .map(|adapter| {
            context.output.json(&serde_json::json!({
                "event": "adapter", "id": adapter.id, "title": adapter.title, "sector": adapter.sector.name(), "summary": adapter.summary,
            }));
            vec![adapter.id.to_owned(), adapter.sector.name().to_owned(), adapter.summary.to_owned()]
        })
        .collect();
    context.output.table(&["ADAPTER", "SECTOR", "WHAT IT CONNECTS"], rows);
}

fn show(context: &CliContext, id: &str) -> Result<(), CliError> {
    let Some(adapter) = registry::find(id) else {
        return Err(CliError::Usage(format!("there is no adapter `{id}`; `passerelle adapters list` names them")));
    };
    let schema = (adapter.settings_schema)();
    if context.output.is_json() {
        context.output.json(&schema);
        return Ok(());
    }
    context.output.text(format!("{} ({})", adapter.title, adapter.sector.name()));
    context.output.text(adapter.summary);
    context.output.text("");
    let required: Vec<&str> = schema["required"]
        .as_array()
        .map(|names| names.iter().filter_map(|name| name.as_str()).collect())
        .unwrap_or_default();
    let rows = schema["properties"].as_object().map(|properties| {
        properties
            .iter()
            .map(|(name, property)| {
                let need = if required.contains(&name.as_str()) { "required" } else { "" };
                let told = property["description"].as_str().unwrap_or("").replace('\n', " ");
                vec![name.clone(), need.to_owned(), told]
            })
            .collect()
    });
    context.output.table(&["SETTING", "", "MEANING"], rows.unwrap_or_default());
    Ok(())
}
