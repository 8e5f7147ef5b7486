//! `passerelle demo`: the main job on this machine alone, in a few seconds.
//!
//! A sandbox pass Culture, a bookshop's stock file, a cinema's box office, a configuration, all in a temporary folder; then the
//! very commands a person would type, one after the other.

mod cinema;
mod shop;

use std::path::{Path, PathBuf};

use clap::Args;

use super::{CliContext, CliError, sync};
use crate::cli::output::Output;
use crate::sandbox::{Sandbox, Seed};
use shop::{cut_stock, first_stock, second_stock, title, unknown_title};

const SHOP: &str = "librairie-du-port";
const VENUE: i64 = 535;

/// Shows the whole way on loopback.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Leave the sandbox running and the folder in place until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

impl Demo {
    pub(crate) async fn run(self, context: &CliContext) -> Result<u8, CliError> {
        let failed = |why: std::io::Error| CliError::Failed(format!("the demonstration cannot be set up: {why}"));
        let folder = tempfile::Builder::new().prefix("passerelle-demo-").tempdir().map_err(failed)?;
        let seed = Seed::from_json(&seed()).map_err(|why| CliError::Failed(why.to_string()))?;
        let sandbox = Sandbox::start(([127, 0, 0, 1], 0).into(), seed).await.map_err(failed)?;
        let stage = Stage::set(folder.path(), &sandbox.base_url(), context.output).map_err(failed)?;

        let told = async {
            stage.play(&sandbox).await?;
            cinema::play(&stage, &sandbox).await
        }
        .await;
        let told = match told {
            Ok(running) => {
                if self.keep {
                    let kept = folder.keep();
                    context.output.say(format!(
                        "\nThe sandbox stays at {}, the cinema's box office and the gateway beside it, and the files in {}. In another \
                         terminal:\n  passerelle --config {} explain {}\n  passerelle --config {} bookings list\nCtrl-C ends it.",
                        sandbox.base_url(),
                        kept.display(),
                        stage.config.display(),
                        title(1),
                        stage.config.display()
                    ));
                    let _ = tokio::signal::ctrl_c().await;
                    let _ = std::fs::remove_dir_all(kept);
                }
                running.stop().await;
                Ok(())
            }
            Err(error) => Err(error),
        };
        sandbox.stop().await;
        told.map(|()| 0)
    }
}

/// The demonstration's files.
struct Stage {
    config: PathBuf,
    stock: PathBuf,
    output: Output,
}

impl Stage {
    fn set(folder: &Path, passculture: &str, output: Output) -> std::io::Result<Self> {
        let config = folder.join("passerelle.toml");
        std::fs::write(folder.join("api-key"), API_KEY)?;
        std::fs::write(&config, configuration(passculture))?;
        Ok(Self { config, stock: folder.join("stock.csv"), output })
    }

    async fn play(&self, sandbox: &Sandbox) -> Result<(), CliError> {
        self.scene("A bookshop's software drops its stock file: 240 titles, and the mistakes that real files have.");
        self.write_stock(&first_stock())?;
        self.scene("What would a sync change? (passerelle plan)");
        self.command(Command::Plan).await?;
        self.scene("First sync: every EAN is checked, sent in one call, and read back. (passerelle sync)");
        self.command(Command::Sync).await?;
        self.scene("Rows that stayed behind, each with its line and its reason. (passerelle quarantine list)");
        self.command(Command::Quarantine).await?;
        self.scene("The same file again: nothing has changed, so nothing is sent.");
        self.command(Command::Sync).await?;
        self.scene("A day's trade: three books sold, one price changed, one new arrival, one title gone.");
        self.write_stock(&second_stock())?;
        self.command(Command::Sync).await?;
        self.scene(
            "The export breaks and the file is cut after ten lines. The guard holds the plan: no offer is taken down.",
        );
        self.write_stock(&cut_stock())?;
        self.command(Command::Sync).await?;
        self.scene("Why is this book not online? (passerelle explain)");
        self.command(Command::Explain).await?;
        let online = sandbox.offers().iter().filter(|offer| offer.remaining != Some(0)).count();
        self.output.say(format!("\npass Culture now sells {online} titles of this shop."));
        Ok(())
    }

    fn scene(&self, sentence: &str) {
        self.output.say(format!("\n── {sentence}"));
    }

    fn write_stock(&self, text: &str) -> Result<(), CliError> {
        std::fs::write(&self.stock, text).map_err(|why| CliError::Failed(format!("{}: {why}", self.stock.display())))
    }

    /// Runs a command as the command line would. Exit code 1 (rows stayed behind, plan held) is what is being shown.
    async fn command(&self, command: Command) -> Result<(), CliError> {
        let context = CliContext { config: self.config.clone(), output: self.output };
        let ids = vec![SHOP.to_owned()];
        let code = match command {
            Command::Plan => sync::Plan::of(ids).run(&context).await?,
            Command::Sync => sync::Sync::of(ids).run(&context).await?,
            Command::Quarantine => super::quarantine::Quarantine::of(SHOP).run(&context).await?,
            Command::Explain => super::explain::Explain::of(&unknown_title().to_string()).run(&context).await?,
        };
        if code > 1 { Err(CliError::Failed(format!("the demonstration ended with exit code {code}"))) } else { Ok(()) }
    }
}

enum Command {
    Plan,
    Sync,
    Quarantine,
    Explain,
}

const API_KEY: &str = "demo_key";
const HMAC_KEY: &str = "demo_hmac";

fn configuration(passculture: &str) -> String {
    format!(
        "[store]\nurl = \"sqlite:passerelle.db\"\n\n[passculture]\nbase_url = \"{passculture}\"\napi_key = {{ file = \"api-key\" }}\n\
         requests_per_minute = 6000\n\n[[connection]]\nid = \"{SHOP}\"\nadapter = \"csv\"\nvenue = {VENUE}\n\n[connection.settings]\npath = \"stock.csv\"\n\
         [connection.settings.file]\nsettle_seconds = 0\n[connection.settings.columns]\nean = \"EAN13\"\nprice = {{ name = \"PV TTC\", unit = \"euro\" }}\n\
         quantity = \"Stock\"\n"
    )
}

fn seed() -> String {
    format!(
        "{{\"accounts\":[{{\"name\":\"default\",\"api_key\":\"{API_KEY}\",\"hmac_key\":\"{HMAC_KEY}\"}}],\
         \"venues\":[{{\"id\":{VENUE},\"siret\":\"85331845900049\",\"name\":\"Librairie du Port\",\"postal_code\":\"29200\",\"activity\":\"BOOKSTORE\"}},\
         {{\"id\":{},\"siret\":\"85331845900056\",\"name\":\"Cinéma du Port\",\"postal_code\":\"29200\",\"activity\":\"MOVIE_THEATER\"}}],\
         \"products\":[{}],\"beneficiaries\":[{{\"email\":\"{}\"}}]}}",
        cinema::VENUE,
        shop::products(),
        cinema::BENEFICIARY,
    )
}
