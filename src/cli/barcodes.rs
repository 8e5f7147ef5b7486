//! `passerelle barcodes`: the pool of a venue whose ticketing cannot be driven.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CliContext, CliError};
use crate::allotment::barcodes::{LONGEST_LINE, List};
use crate::clock::show;
use crate::gateway::Gateway;
use crate::rules::screenings::DateTerms;
use crate::store::allotments::{Import, MAX_IMPORT, MAX_POOL, PoolCount};

/// Exit code when a row was refused.
const ROWS_REFUSED: u8 = 1;

/// Imports, lists or withdraws barcodes.
#[derive(Debug, Args)]
pub(crate) struct Barcodes {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add barcodes: one a line, or a table with the column `barcode` (or `code_barre`) and, without --stock, `stock`.
    Import {
        /// Connection id.
        connection: String,
        /// The list; `-` reads it from stdin.
        file: PathBuf,
        /// Key of the date and tariff that they are good for, as `list` shows it.
        #[arg(long, value_name = "KEY")]
        stock: Option<String>,
    },
    /// How many are imported, issued and free, by date and tariff.
    List {
        /// Connection id.
        connection: String,
        /// Only this key.
        #[arg(long, value_name = "KEY")]
        stock: Option<String>,
    },
    /// Take back those that were never issued.
    Withdraw {
        /// Connection id.
        connection: String,
        /// Key of the date and tariff.
        #[arg(long, value_name = "KEY")]
        stock: String,
    },
}

impl Barcodes {
    pub(crate) async fn run(self, context: &CliContext) -> Result<u8, CliError> {
        let (_, gateway) = context.open_reading("barcodes", true).await?;
        match self.command {
            Action::Import { connection, file, stock } => import(context, &gateway, &connection, &file, stock).await,
            Action::List { connection, stock } => list(context, &gateway, &connection, stock.as_deref()).await,
            Action::Withdraw { connection, stock } => {
                gateway.connection(&connection).await?;
                let withdrawn = gateway.store.withdraw_barcodes(&connection, &stock).await?;
                gateway.store.make_due_again(&connection, (gateway.now)()).await?;
                context.output.json(&json!({ "event": "barcodes_withdrawn", "connection": connection, "stock": stock,
                    "withdrawn": withdrawn }));
                context.output.text(format!("{connection}  {withdrawn} barcodes of {stock} withdrawn"));
                Ok(0)
            }
        }
    }
}

/// What became of a list.
#[derive(Default)]
struct Outcome {
    read: u64,
    imported: u64,
    refused: u64,
}

async fn import(
    context: &CliContext,
    gateway: &Gateway,
    connection: &str,
    file: &Path,
    stock: Option<String>,
) -> Result<u8, CliError> {
    let record = gateway.connection(connection).await?;
    let adapter = gateway.adapter(&record).map_err(CliError::Configuration)?;
    if adapter.issues().is_none() {
        return Err(CliError::Usage(format!(
            "`{connection}` does not give out imported barcodes; set barcode_pool = true in its settings if its adapter has that"
        )));
    }
    let failed = |why: std::io::Error| CliError::Failed(format!("{}: {why}", file.display()));
    let source: Box<dyn Read + Send> =
        if file == Path::new("-") { Box::new(std::io::stdin()) } else { Box::new(File::open(file).map_err(failed)?) };
    let mut lines = Lines { source: BufReader::new(source), number: 0 };
    let mut list = List::new(stock);
    let mut outcome = Outcome::default();
    let mut batch: Vec<(u64, (String, String))> = Vec::with_capacity(MAX_IMPORT);
    while let Some((number, line)) = lines.next_line().map_err(failed)? {
        match list.line(&line) {
            Ok(Some(row)) => {
                outcome.read += 1;
                batch.push((number, row));
            }
            Ok(None) => {}
            Err(why) if list.is_refused() => {
                return Err(CliError::Usage(format!(
                    "{}, line {number}: {why}; write one barcode a line, or a table with the column `barcode`, and name the \
                     stock with --stock or in a column `stock`",
                    file.display()
                )));
            }
            Err(why) => {
                outcome.read += 1;
                outcome.refused += 1;
                refuse(context, connection, number, line.trim(), why.code(), &why.to_string());
            }
        }
        if batch.len() == MAX_IMPORT {
            store(context, gateway, connection, &mut batch, &mut outcome).await?;
        }
    }
    store(context, gateway, connection, &mut batch, &mut outcome).await?;
    if outcome.imported > 0 {
        gateway.store.make_due_again(connection, (gateway.now)()).await?;
    }
    let Outcome { read, imported, refused } = outcome;
    context
        .output
        .json(&json!({ "event": "barcodes_imported", "connection": connection, "read": read, "imported": imported,
        "refused": refused }));
    context.output.text(format!("{connection}  {imported} of {read} barcodes imported, {refused} refused"));
    Ok(if refused > 0 { ROWS_REFUSED } else { 0 })
}

async fn store(
    context: &CliContext,
    gateway: &Gateway,
    connection: &str,
    batch: &mut Vec<(u64, (String, String))>,
    outcome: &mut Outcome,
) -> Result<(), CliError> {
    if batch.is_empty() {
        return Ok(());
    }
    let (numbers, rows): (Vec<u64>, Vec<(String, String)>) = batch.drain(..).unzip();
    let imports = gateway.store.import_barcodes(connection, &rows).await?;
    for ((number, (_, barcode)), import) in numbers.into_iter().zip(rows).zip(imports) {
        let (code, why) = match import {
            Import::Imported => {
                outcome.imported += 1;
                continue;
            }
            Import::AlreadyImported => ("already_imported", "it was imported before".to_owned()),
            Import::AlreadyIssued => ("already_issued", "a booking has it, or had it".to_owned()),
            Import::PoolFull => ("pool_full", format!("its stock has {MAX_POOL} barcodes already")),
        };
        outcome.refused += 1;
        refuse(context, connection, number, &barcode, code, &why);
    }
    Ok(())
}

fn refuse(context: &CliContext, connection: &str, number: u64, barcode: &str, code: &str, why: &str) {
    let shown: String = barcode.chars().take(120).collect();
    context
        .output
        .json(&json!({ "event": "barcode_refused", "connection": connection, "line": number, "barcode": shown,
        "code": code, "message": why }));
    context.output.text(format!("line {number}  {shown}  {why} ({code})"));
}

/// Lines with their numbers; of one that is too long only the head, which is refused for its length.
struct Lines {
    source: BufReader<Box<dyn Read + Send>>,
    number: u64,
}

impl Lines {
    fn next_line(&mut self) -> std::io::Result<Option<(u64, String)>> {
        let mut line = Vec::new();
        let most = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
        if self.source.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') && line.len() == LONGEST_LINE {
            self.source.skip_until(b'\n')?;
        }
        self.number += 1;
        Ok(Some((self.number, String::from_utf8_lossy(&line).into_owned())))
    }
}

async fn list(context: &CliContext, gateway: &Gateway, connection: &str, stock: Option<&str>) -> Result<u8, CliError> {
    gateway.connection(connection).await?;
    // Dates without a barcode too: their keys are what an import needs.
    let mut shows: BTreeMap<String, String> = BTreeMap::new();
    for date in gateway.store.dates(connection).await? {
        let text = date.desired.as_deref().or(date.acknowledged.as_deref());
        let Some(terms) = text.and_then(|text| serde_json::from_str::<DateTerms>(text).ok()) else { continue };
        let label = format!("{}, {}, {}", terms.order.title, show(date.starts_at), terms.category.label);
        shows.insert(terms.order.places_key, label);
    }
    let mut counts: BTreeMap<String, PoolCount> = shows
        .keys()
        .filter(|key| stock.is_none_or(|stock| stock == key.as_str()))
        .map(|key| (key.clone(), PoolCount { stock: key.clone(), ..PoolCount::default() }))
        .collect();
    for count in gateway.store.pool(connection, stock).await? {
        counts.insert(count.stock.clone(), count);
    }
    if counts.is_empty() {
        context.output.say("no date is known and no barcode was imported yet");
    }
    let mut rows = Vec::with_capacity(counts.len());
    for (key, count) in counts {
        let label = shows.get(&key).cloned().unwrap_or_default();
        context.output.json(&json!({ "event": "barcodes", "connection": connection, "stock": key, "show": label,
            "imported": count.imported, "issued": count.issued, "free": count.free }));
        rows.push(vec![key, label, count.imported.to_string(), count.issued.to_string(), count.free.to_string()]);
    }
    context.output.table(&["STOCK", "SHOW", "IMPORTED", "ISSUED", "FREE"], rows);
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_their_numbers_and_a_bound() {
        let long = "9".repeat(LONGEST_LINE * 3);
        let text = format!("a\r\n\n{long}\nb");
        let mut lines = Lines { source: BufReader::new(Box::new(std::io::Cursor::new(text.into_bytes()))), number: 0 };
        let mut read = Vec::new();
        while let Some((number, line)) = lines.next_line().unwrap() {
            read.push((number, line.len()));
        }
        assert_eq!(read, [(1, 3), (2, 1), (3, LONGEST_LINE), (4, 1)]);
    }
}
