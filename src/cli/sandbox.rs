//! `passerelle sandbox`: a simulator alone.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;

use super::server::{listening, stop_signal};
use super::{CliContext, CliError};
use crate::registry::SIMULATORS;
use crate::sandbox::{self, Generation, Seed};

/// Runs a fake pass Culture, or a vendor's simulator, until Ctrl-C.
#[derive(Debug, Args)]
pub(crate) struct Sandbox {
    /// `passculture`, or the id of an adapter that has a simulator.
    which: String,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8099", value_name = "ADDR")]
    listen: SocketAddr,
    /// For passculture: accounts, venues, products and beneficiaries (JSON); a small built-in set without it.
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// For passculture: the version that is played; the newest, or the seed's, without it.
    #[arg(long, value_enum, value_name = "YYYY-MM")]
    generation: Option<Generation>,
}

impl Sandbox {
    pub(crate) async fn run(self, context: &CliContext) -> Result<u8, CliError> {
        let taken =
            |why| CliError::Failed(format!("cannot listen on {}: {why}; is another program there?", self.listen));
        if self.which == "passculture" {
            let mut seed = seed(self.seed.as_deref())?;
            seed.generation = self.generation.or(seed.generation);
            let running = sandbox::Sandbox::start(self.listen, seed).await.map_err(taken)?;
            listening(context, running.address());
            context
                .output
                .say(format!("its controls are described at http://{}/_sandbox/; Ctrl-C stops it", running.address()));
            stop_signal().await;
            running.stop().await;
            return Ok(0);
        }
        let Some((_, start)) = SIMULATORS.iter().find(|(id, _)| *id == self.which) else {
            let known: Vec<&str> = SIMULATORS.iter().map(|(id, _)| *id).collect();
            return Err(CliError::Usage(format!(
                "there is no sandbox `{}`; known: passculture, {}",
                self.which,
                known.join(", ")
            )));
        };
        if self.seed.is_some() || self.generation.is_some() {
            return Err(CliError::Usage(
                "--seed and --generation are for passculture; a vendor's simulator invents its own stock".to_owned(),
            ));
        }
        let running = start(self.listen).await.map_err(taken)?;
        listening(context, running.address);
        context.output.say(format!("{}; Ctrl-C stops it", running.hint));
        stop_signal().await;
        Ok(0)
    }
}

fn seed(path: Option<&Path>) -> Result<Seed, CliError> {
    let Some(path) = path else { return Ok(Seed::built_in()) };
    let place = path.display();
    let text =
        std::fs::read_to_string(path).map_err(|why| CliError::Failed(format!("{place} cannot be read: {why}")))?;
    Seed::from_json(&text).map_err(|why| CliError::Failed(format!("{place}: {why}")))
}
