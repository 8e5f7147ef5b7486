//! `passerelle demo`: the main job on this machine alone, in a few seconds.
//!
//! A sandbox pass Culture, a bookshop's stock file, a configuration, all in a temporary folder; then the very commands a person
//! would type, one after the other.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use passerelle_contract::Ean;

use super::{CliContext, CliError, sync};
use crate::cli::output::Output;
use crate::sandbox::{Sandbox, Seed};

const SHOP: &str = "librairie-du-port";
const VENUE: i64 = 535;
/// References in the demonstration shop.
const TITLES: u64 = 240;

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

        let told = stage.play(&sandbox).await;
        if self.keep && told.is_ok() {
            let kept = folder.keep();
            context.output.say(format!(
                "\nThe sandbox stays at {} and the files in {}. In another terminal:\n  passerelle --config {} explain {}\nCtrl-C ends it.",
                sandbox.base_url(), kept.display(), stage.config.display(), title(1)
            ));
            let _ = tokio::signal::ctrl_c().await;
            let _ = std::fs::remove_dir_all(kept);
        }
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

fn configuration(passculture: &str) -> String {
    format!(
        "[store]\nurl = \"sqlite:passerelle.db\"\n\n[passculture]\nbase_url = \"{passculture}\"\napi_key = {{ file = \"api-key\" }}\n\
         requests_per_minute = 6000\n\n[[connection]]\nid = \"{SHOP}\"\nadapter = \"csv\"\nvenue = {VENUE}\n\n[connection.settings]\npath = \"stock.csv\"\n\
         [connection.settings.file]\nsettle_seconds = 0\n[connection.settings.columns]\nean = \"EAN13\"\nprice = {{ name = \"PV TTC\", unit = \"euro\" }}\n\
         quantity = \"Stock\"\n"
    )
}

/// An EAN from an imprint that publishes nothing: 978-2-999999.
fn title(number: u64) -> Ean {
    let body = format!("9782999999{:02}", number % 100);
    let body = if number < 100 { body } else { format!("97829999{:04}", number) };
    let sum: u32 =
        body.bytes().enumerate().map(|(at, digit)| u32::from(digit - b'0') * if at % 2 == 0 { 1 } else { 3 }).sum();
    let key = (10 - sum % 10) % 10;
    // The key was computed for these very digits.
    Ean::from_digits(format!("{body}{key}").as_bytes()).unwrap_or(Ean::MIN)
}

/// A title that is in the shop but not in pass Culture's base.
fn unknown_title() -> Ean {
    title(TITLES + 1)
}

fn seed() -> String {
    let mut products = String::new();
    for number in 1..=TITLES {
        let _ = write!(
            products,
            "{}{{\"ean\":\"{}\",\"name\":\"Titre {number}\",\"category\":\"LIVRE_PAPIER\",\"status\":\"COMPATIBLE\"}}",
            if number == 1 { "" } else { "," },
            title(number)
        );
    }
    format!(
        "{{\"accounts\":[{{\"name\":\"default\",\"api_key\":\"{API_KEY}\",\"hmac_key\":\"demo_hmac\"}}],\
         \"venues\":[{{\"id\":{VENUE},\"siret\":\"85331845900049\",\"name\":\"Librairie du Port\",\"postal_code\":\"29200\",\"activity\":\"BOOKSTORE\"}}],\
         \"products\":[{products}],\"beneficiaries\":[]}}"
    )
}

const HEADER: &str = "EAN13;Titre;PV TTC;Stock\n";

fn line(number: u64, cents: u64, copies: u64) -> String {
    format!("{};Titre {number};{},{:02};{copies}\n", title(number), cents / 100, cents % 100)
}

fn price(number: u64) -> u64 {
    590 + number * 37 % 3_000
}

fn first_stock() -> String {
    let mut text = HEADER.to_owned();
    for number in 1..TITLES {
        text.push_str(&line(number, price(number), 1 + number % 7));
    }
    text.push_str(&line(TITLES + 1, 1_850, 2));
    text.push_str("9782999999108;Clé fausse;12,00;1\n9,78299999912E+12;Abîmé par un tableur;22,00;2\n");
    text.push_str("2000000012344;Carnet maison;6,50;12\n");
    let _ = writeln!(text, "{};Coffret de luxe;349,00;1", title(TITLES + 2));
    text
}

fn second_stock() -> String {
    let mut text = HEADER.to_owned();
    // The first title is gone; three sold a copy; one costs more; the last one of the base arrived.
    for number in 2..=TITLES {
        let sold = u64::from(matches!(number, 10 | 20 | 30));
        let dearer = if number == 40 { 100 } else { 0 };
        text.push_str(&line(number, price(number) + dearer, 1 + number % 7 - sold));
    }
    text.push_str(&line(TITLES + 1, 1_850, 2));
    text
}

fn cut_stock() -> String {
    second_stock().lines().take(11).fold(String::new(), |text, line| text + line + "\n")
}
