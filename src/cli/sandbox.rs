//! `passerelle sandbox`: a simulator alone.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CliContext, CliError};
use crate::sandbox::{self, Seed};

/// Runs until Ctrl-C.
#[derive(Debug, Args)]
pub(crate) struct Sandbox {
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    /// A fake pass Culture, as strict as the real one.
    Passculture {
        /// Where to listen; port 0 takes a free one.
        #[arg(long, default_value = "127.0.0.1:8099", value_name = "ADDR")]
        listen: SocketAddr,
        /// Accounts, venues, products and beneficiaries (JSON); a small built-in set without it.
        #[arg(long, value_name = "FILE")]
        seed: Option<PathBuf>,
    },
}

impl Sandbox {
    pub(crate) async fn run(self, context: &CliContext) -> Result<u8, CliError> {
        let Which::Passculture { listen, seed } = self.which;
        let seed = match seed {
            None => Seed::built_in(),
            Some(path) => {
                let place = path.display();
                let text = std::fs::read_to_string(&path)
                    .map_err(|why| CliError::Failed(format!("{place} cannot be read: {why}")))?;
                Seed::from_json(&text).map_err(|why| CliError::Failed(format!("{place}: {why}")))?
            }
        };
        let running = sandbox::Sandbox::start(listen, seed)
            .await
            .map_err(|why| CliError::Failed(format!("cannot listen on {listen}: {why}; is another program there?")))?;
        listening(context, running.address());
        context.output.say(format!(
            "the sandbox's own controls are described at http://{}/_sandbox/; Ctrl-C stops it",
            running.address()
        ));
        // A failed handler only means that Ctrl-C kills the process at once.
        let _ = tokio::signal::ctrl_c().await;
        running.stop().await;
        Ok(0)
    }
}

/// Says where something listens, the same way for every server.
pub(super) fn listening(context: &CliContext, address: SocketAddr) {
    context.output.say(format!("listening on http://{address}"));
    context.output.json(&json!({ "event": "listening", "address": address.to_string() }));
}
