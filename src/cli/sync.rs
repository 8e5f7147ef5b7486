//! `passerelle plan`, `sync` and `push`: one run of one or more connections.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use passerelle_contract::Class;

use super::progress::Bar;
use super::{CliContext, CliError, FAILED};
use crate::catalogue::pass::{Failure, Options, Report, Run};
use crate::catalogue::{PassError, preview};
use crate::gateway::{Gateway, OpenError};
use crate::store::Lease;

/// Exit code where the source was not ready: nothing was done, and nothing is wrong.
const WAITING: u8 = 1;
/// Items of a plan that are listed as text unless told otherwise.
const LISTED: usize = 50;
/// How long a command waits for another worker to finish with a connection.
const WAIT_FOR_LEASE: Duration = Duration::from_secs(60);

/// Shows what a sync would change; sends nothing.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Ids of connections, or of chains for all their sites.
    #[arg(required = true)]
    ids: Vec<String>,
    /// List so many items of each connection.
    #[arg(long, conflicts_with = "all")]
    limit: Option<usize>,
    /// List every item.
    #[arg(long)]
    all: bool,
    /// Save the plan of one connection: `sync --plan` then does exactly that, or nothing.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Pulls once and pushes until settled.
#[derive(Debug, Args)]
pub(crate) struct Sync {
    /// Ids of connections, or of chains for all their sites.
    #[arg(required = true)]
    ids: Vec<String>,
    /// Read everything, not only what changed, and ask again about what pass Culture refused.
    #[arg(long)]
    full: bool,
    /// Let a held plan through.
    #[arg(long)]
    release: bool,
    /// Do exactly what this saved plan of one connection says, held or not; refused when the world has moved.
    #[arg(long, conflicts_with = "release")]
    plan: Option<PathBuf>,
}

/// Only drives pass Culture to the desired state.
#[derive(Debug, Args)]
pub(crate) struct Push {
    /// Ids of connections, or of chains for all their sites.
    #[arg(required = true)]
    ids: Vec<String>,
}

/// How many items of a plan are told, and where it is saved.
#[derive(Clone, Copy)]
struct Listed<'a> {
    text: usize,
    json: usize,
    saved: Option<&'a Path>,
}

#[derive(Clone, Copy)]
enum Work<'a> {
    /// With so many items listed as text, and as JSON.
    Plan(Listed<'a>),
    Sync(Options),
    Push,
}

impl Plan {
    pub(crate) const fn of(ids: Vec<String>) -> Self {
        Self { ids, limit: None, all: false, out: None }
    }

    pub(crate) async fn run(self, context: &CliContext) -> Result<u8, CliError> {
        if self.out.is_some() && self.ids.len() != 1 {
            return Err(CliError::Usage("`--out` saves the plan of one connection".to_owned()));
        }
        let text = self.limit.unwrap_or(if self.all { usize::MAX } else { LISTED });
        let json = self.limit.unwrap_or(usize::MAX);
        let saved = self.out.as_deref();
        all(context, &self.ids, Work::Plan(Listed { text, json, saved })).await
    }
}

impl Sync {
    pub(crate) const fn of(ids: Vec<String>) -> Self {
        Self { ids, full: false, release: false, plan: None }
    }

    pub(crate) async fn run(self, context: &CliContext) -> Result<u8, CliError> {
        let plan = match &self.plan {
            Some(file) => Some(preview::saved(file, &self.ids).map_err(CliError::Failed)?),
            None => None,
        };
        all(context, &self.ids, Work::Sync(Options { full: self.full, release: self.release, plan })).await
    }
}

impl Push {
    pub(crate) async fn run(self, context: &CliContext) -> Result<u8, CliError> {
        all(context, &self.ids, Work::Push).await
    }
}

/// One connection after the other; one that fails does not stop the next. The worst exit code wins.
async fn all(context: &CliContext, ids: &[String], work: Work<'_>) -> Result<u8, CliError> {
    let (_, gateway) = match work {
        Work::Plan(_) => context.open_reading("plan", true).await?,
        Work::Sync(_) => context.open("sync").await?,
        Work::Push => context.open("push").await?,
    };
    let named = gateway.named(ids).await?;
    let mut worst = 0;
    for connection in &named {
        let code = one(context, &gateway, &connection.id, work).await.unwrap_or_else(|error| {
            context.output.error(&error);
            error.exit_code()
        });
        worst = worst.max(code);
    }
    Ok(worst)
}

async fn one(context: &CliContext, gateway: &Gateway, id: &str, work: Work<'_>) -> Result<u8, CliError> {
    let bar = Bar::new(context.output, id);
    let result = match work {
        Work::Plan(_) => {
            let connection = gateway.connection(id).await?;
            let adapter = gateway.adapter(&connection).map_err(CliError::Configuration)?;
            gateway.reader(&connection, adapter.as_ref(), &bar).plan().await.map_err(Box::<Failure>::from)
        }
        Work::Sync(_) | Work::Push => {
            let held = gateway.lease(id, WAIT_FOR_LEASE).await?;
            let result = under_lease(gateway, held.lease(), &bar, work).await;
            held.release().await;
            result?
        }
    };
    bar.done();
    match result {
        Ok(report) => {
            if let Work::Plan(listed) = work {
                list(context, &report, listed)?;
            }
            show(context, &report, work);
            Ok(report.summary.exit_code())
        }
        Err(failure) => {
            fail(context, id, &failure.error);
            let mut report = failure.report;
            id.clone_into(&mut report.summary.connection);
            show(context, &report, work);
            Ok(if failure.error.class() == Class::Waiting { WAITING } else { FAILED })
        }
    }
}

/// The connection is read now: somebody may have changed it while we waited for the lease.
async fn under_lease(
    gateway: &Gateway,
    lease: &Lease,
    bar: &Bar,
    work: Work<'_>,
) -> Result<Result<Report, Box<Failure>>, CliError> {
    let id = &lease.connection;
    let connection = gateway.connection(id).await?;
    if connection.paused {
        return Err(OpenError::Paused(id.clone()).into());
    }
    let adapter = gateway.adapter(&connection).map_err(CliError::Configuration)?;
    let client = gateway.client(&connection.account)?;
    let run = Run { reader: gateway.reader(&connection, adapter.as_ref(), bar), client: &client, now: gateway.now };
    until_interrupted(&run, lease, work)
        .await
        .ok_or_else(|| CliError::Failed(format!("{id}: interrupted; the next run goes on from here")))
}

/// `None` when Ctrl-C came first. Whatever was under way is safe to drop: the ledger was written before every call.
async fn until_interrupted(run: &Run<'_>, lease: &Lease, work: Work<'_>) -> Option<Result<Report, Box<Failure>>> {
    let working = async {
        match work {
            Work::Push => run.push(lease).await,
            Work::Sync(options) => run.sync(lease, options).await,
            Work::Plan(_) => run.reader.plan().await.map_err(Box::<Failure>::from),
        }
    };
    tokio::select! {
        result = working => Some(result),
        _ = tokio::signal::ctrl_c() => None,
    }
}

fn show(context: &CliContext, report: &Report, work: Work<'_>) {
    let out = context.output;
    for notice in &report.notices {
        out.say(format!("{}: {notice}", report.summary.connection));
    }
    if let Some(notice) = &report.notice_fr {
        out.say(format!("{}: {notice}", report.summary.connection));
    }
    let summary = &report.summary;
    out.json(summary);
    let mut told = format!(
        "{}  read {} · kept {} · quarantined {} · create {} · change {} · withdraw {} · unchanged {}",
        summary.connection,
        summary.read,
        summary.kept,
        summary.quarantined,
        summary.create,
        summary.change,
        summary.withdraw,
        summary.unchanged
    );
    for (what, count) in [("skipped", summary.skipped), ("notes", summary.notes), ("HELD", summary.held)] {
        if count > 0 {
            told.push_str(&format!(" · {what} {count}"));
        }
    }
    if !matches!(work, Work::Plan(_)) {
        told.push_str(&format!(
            " · pushed {} · rejected {} · unverified {} · {} requests · {:.1} s",
            summary.pushed, summary.rejected, summary.unverified, summary.requests, summary.seconds
        ));
    }
    out.text(told);
    if summary.quarantined > 0 && !matches!(work, Work::Plan(_)) {
        out.say(format!("hint: `passerelle quarantine list {}` tells why rows stayed behind", summary.connection));
    }
    if summary.rejected > 0 {
        out.say(format!(
            "hint: `passerelle quarantine list --rejected {}` names what pass Culture refuses",
            summary.connection
        ));
    }
}

/// The items of a plan, as many as were asked for; all of them into the file.
fn list(context: &CliContext, report: &Report, listed: Listed<'_>) -> Result<(), CliError> {
    let (connection, items) = (&report.summary.connection, &report.items);
    for item in items.all.iter().take(listed.json) {
        context.output.json(&item.object(connection));
    }
    for item in items.all.iter().take(listed.text) {
        context.output.text(item.line());
    }
    let unlisted = items.count.saturating_sub(items.all.len().min(listed.text) as u64);
    if unlisted > 0 {
        context.output.text(format!("  … and {unlisted} more: `--all` lists them, `--limit N` as many as you like"));
    }
    if let Some(file) = listed.saved {
        preview::save(file, connection, items, crate::clock::now()).map_err(CliError::Failed)?;
        context.output.say(format!(
            "{connection}: saved; `passerelle sync {connection} --plan {}` does exactly this",
            file.display()
        ));
    }
    Ok(())
}

fn fail(context: &CliContext, id: &str, error: &PassError) {
    let out = context.output;
    if error.class() == Class::Waiting {
        out.say(format!("{id} waits: {error}"));
    } else {
        out.say(format!("error: {id}: {error}"));
    }
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        out.say(format!("  because: {cause}"));
        source = cause.source();
    }
    out.json(&serde_json::json!({
        "event": if error.class() == Class::Waiting { "waiting" } else { "failed" }, "connection": id, "class": error.class().name(), "code": error.code(), "message": error.to_string(),
    }));
}
