//! The commands. They read arguments, call the rooms below, and say things to people; they hold no logic.
//!
//! Data goes to stdout, talk to stderr. With `--format json` stdout carries one JSON object a line and nothing else.
//! Exit codes: 0 done · 1 done with rejected rows or a held plan · 2 failed · 64 wrong usage · 78 bad configuration; `check` has
//! its own (0 healthy · 1 degraded · 2 failing · 3 unknown), and so has `vendor-check` (1 some rule is broken).

mod adapters;
mod apply;
mod barcodes;
mod bookings;
mod check;
mod connections;
mod demo;
mod explain;
mod init;
mod messages;
mod output;
mod progress;
mod quarantine;
mod sandbox;
mod schema;
mod serve;
mod server;
mod sync;
mod vendor_check;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::config::{self, Config};
use crate::gateway::{Gateway, OpenError};
use output::Output;

/// Exit code of wrong usage (`EX_USAGE`).
pub const WRONG_USAGE: u8 = 64;
/// Exit code of a bad configuration (`EX_CONFIG`).
pub const BAD_CONFIGURATION: u8 = 78;
/// Exit code of a command that failed.
pub const FAILED: u8 = 2;

/// The gateway between cultural venues' own systems and pass Culture.
#[derive(Debug, Parser)]
#[command(name = "passerelle", version, max_term_width = 110)]
pub struct Arguments {
    /// Configuration file.
    #[arg(long, global = true, default_value = "passerelle.toml", value_name = "FILE")]
    config: PathBuf,
    /// How data is written to stdout.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// What is logged to stderr: error, warn, info, debug, trace, or a filter such as `passerelle=debug`.
    #[arg(long, global = true, default_value = "warn", value_name = "LEVEL")]
    log: String,
    #[command(subcommand)]
    command: Command,
}

/// How data is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything on loopback: a pass Culture, a shop, two syncs, and show what happened.
    Demo(demo::Demo),
    /// Write a commented passerelle.toml.
    Init(init::Init),
    /// Create or change connections from TOML files; says what changed.
    Apply(apply::Apply),
    /// List, show, pause, resume or remove connections.
    Connections(connections::Connections),
    /// Show what a sync would change; sends nothing.
    Plan(sync::Plan),
    /// Pull once and push until settled.
    Sync(sync::Sync),
    /// Only drive pass Culture to the desired state.
    Push(sync::Push),
    /// Ask the health probes.
    Check(check::Check),
    /// Run the gateway: web, schedule, workers.
    Serve(serve::Serve),
    /// Bookings: list, show, settle what is open, release tickets.
    Bookings(bookings::Bookings),
    /// Barcodes that a venue set aside: import, list, withdraw.
    Barcodes(barcodes::Barcodes),
    /// Messages to venues' software: list, show, send again.
    Messages(messages::Messages),
    /// Rows that stayed behind.
    Quarantine(quarantine::Quarantine),
    /// Tell everything known of an EAN, a booking, or a code.
    Explain(explain::Explain),
    /// The adapters and their settings.
    Adapters(adapters::Adapters),
    /// A simulator alone.
    Sandbox(sandbox::Sandbox),
    /// Try a vendor's receiver of signed calls.
    VendorCheck(Box<vendor_check::VendorCheck>),
    /// Print a JSON Schema.
    Schema(schema::Schema),
}

/// Longest argument in bytes: twice what any id or path of sane people has.
const LONGEST_ARGUMENT: usize = 1_024;
/// Longest note that a person may leave, in bytes.
const LONGEST_NOTE: usize = 4_096;

/// Refuses arguments that no command can have a use for, so that none reaches the store.
///
/// # Errors
/// What to tell whoever wrote them; the argument itself is left out.
pub fn check_arguments(arguments: impl Iterator<Item = std::ffi::OsString>) -> Result<(), String> {
    let mut is_note = false;
    for argument in arguments {
        let longest = if is_note { LONGEST_NOTE } else { LONGEST_ARGUMENT };
        if argument.len() > longest {
            return Err(format!("an argument has {} bytes; at most {longest} are taken", argument.len()));
        }
        let is_odd = |byte: &u8| byte.is_ascii_control() && !(is_note && matches!(byte, b'\n' | b'\t'));
        if argument.as_encoded_bytes().iter().any(is_odd) {
            return Err("an argument holds a control character".to_owned());
        }
        is_note = argument == "--note";
    }
    Ok(())
}

/// Tells a command line that cannot be read to whoever asked for JSON; people were told already.
pub fn tell_usage_error(error: &str) {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let json =
        asked.windows(2).any(|pair| pair == ["--format", "json"]) || asked.iter().any(|one| one == "--format=json");
    if json {
        let message = error.lines().next().unwrap_or_default();
        Output::new(Format::Json).json(&serde_json::json!({ "event": "error", "message": message, "problems": [] }));
    }
}

/// Runs a command line and answers the exit code.
pub async fn run(arguments: Arguments) -> u8 {
    let output = Output::new(arguments.format);
    crate::telemetry::start(&arguments.log, arguments.format == Format::Json);
    let context = CliContext { config: arguments.config, output };
    let result = match arguments.command {
        Command::Demo(command) => command.run(&context).await,
        Command::Init(command) => command.run(&context),
        Command::Apply(command) => command.run(&context).await,
        Command::Connections(command) => command.run(&context).await,
        Command::Plan(command) => command.run(&context).await,
        Command::Sync(command) => command.run(&context).await,
        Command::Push(command) => command.run(&context).await,
        Command::Check(command) => command.run(&context).await,
        Command::Serve(command) => command.run(&context).await,
        Command::Bookings(command) => command.run(&context).await,
        Command::Barcodes(command) => command.run(&context).await,
        Command::Messages(command) => command.run(&context).await,
        Command::Quarantine(command) => command.run(&context).await,
        Command::Explain(command) => command.run(&context).await,
        Command::Adapters(command) => command.run(&context),
        Command::Sandbox(command) => command.run(&context).await,
        Command::VendorCheck(command) => command.run(&context).await,
        Command::Schema(command) => command.run(&context),
    };
    result.unwrap_or_else(|error| {
        context.output.error(&error);
        error.exit_code()
    })
}

/// What every command gets.
#[derive(Debug)]
pub(crate) struct CliContext {
    config: PathBuf,
    output: Output,
}

impl CliContext {
    fn load(&self) -> Result<Config, CliError> {
        config::load(&self.config).map_err(CliError::Configuration)
    }

    /// The gateway with the connections of the configuration file applied; what is stored as it is there is not checked again.
    async fn open(&self, purpose: &str) -> Result<(Config, Gateway), CliError> {
        let config = self.load()?;
        let gateway = Gateway::open(&config, purpose).await?;
        gateway.apply_changed(&config.declared.connections).await?;
        Ok((config, gateway))
    }

    /// For commands that write no settings. With `in_memory`, connections are as the file has them now; else as they are stored. Where the
    /// two differ, that is said.
    async fn open_reading(&self, purpose: &str, in_memory: bool) -> Result<(Config, Gateway), CliError> {
        let config = self.load()?;
        let gateway = Gateway::open(&config, purpose).await?;
        let (gateway, differing) = gateway.reading(&config.declared.connections, in_memory).await?;
        if !differing.is_empty() {
            let shown: Vec<&str> = differing.iter().take(MOST_NAMED).map(String::as_str).collect();
            let more = if differing.len() > MOST_NAMED { ", …" } else { "" };
            self.output.say(format!(
                "{} connection(s) differ between {} and the store ({}{more}): `passerelle apply` stores them",
                differing.len(),
                self.config.display(),
                shown.join(", ")
            ));
        }
        Ok((config, gateway))
    }

    /// The same, with every connection checked: their secrets can be read here and now.
    async fn open_checked(&self, purpose: &str) -> Result<(Config, Gateway), CliError> {
        let config = self.load()?;
        let gateway = Gateway::open(&config, purpose).await?;
        gateway.apply(&config.declared.connections).await?;
        Ok((config, gateway))
    }
}

/// Connections named in one sentence.
const MOST_NAMED: usize = 5;

/// Why a command ended badly.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error("the configuration has {} problem(s)", .0.len())]
    Configuration(Vec<config::Problem>),
    #[error(transparent)]
    Open(OpenError),
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Failed(String),
}

impl From<OpenError> for CliError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Configuration(problems) => Self::Configuration(problems),
            OpenError::NoSuchConnection(_) => Self::Usage(error.to_string()),
            OpenError::Store(error) => Self::Store(error),
            OpenError::Busy { .. } | OpenError::Paused(_) => Self::Open(error),
        }
    }
}

impl CliError {
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) => BAD_CONFIGURATION,
            Self::Usage(_) => WRONG_USAGE,
            Self::Open(_) | Self::Store(_) | Self::Failed(_) => FAILED,
        }
    }
}
