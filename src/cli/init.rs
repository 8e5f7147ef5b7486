//! `passerelle init`: a commented configuration to start from.

use std::fs::OpenOptions;
use std::io::Write;

use clap::Args;

use super::{CliContext, CliError};
use crate::config::TEMPLATE;

/// Writes the file named by `--config`; never over an existing one.
#[derive(Debug, Args)]
pub(crate) struct Init {}

impl Init {
    pub(crate) fn run(self, context: &CliContext) -> Result<u8, CliError> {
        let Self {} = self;
        let path = context.config.display();
        let mut file =
            OpenOptions::new().write(true).create_new(true).open(&context.config).map_err(|why| match why.kind() {
                std::io::ErrorKind::AlreadyExists => {
                    CliError::Failed(format!("{path} exists already; nothing was written"))
                }
                _ => CliError::Failed(format!("{path} cannot be written: {why}")),
            })?;
        file.write_all(TEMPLATE.as_bytes())
            .map_err(|why| CliError::Failed(format!("{path} cannot be written: {why}")))?;
        context.output.json(&serde_json::json!({ "event": "written", "path": path.to_string() }));
        context.output.say(format!("wrote {path}; put a [[connection]] into it, then `passerelle plan ID`"));
        Ok(0)
    }
}
