//! Pulls a file through the adapter and prints what came out, one line a row.

#![allow(dead_code, missing_docs, unreachable_pub)]

use std::path::PathBuf;

use futures_util::StreamExt as _;
use passerelle_contract::{AdapterError, Context, DataError, Pull, Quantity, Row};
use serde_json::{Value, json};

pub struct Pulled {
    pub lines: Vec<String>,
    /// Rows that stay behind.
    pub errors: Vec<DataError>,
    /// Rows that are no product.
    pub skipped: u64,
    pub warnings: Vec<String>,
}

pub async fn pull(settings: &Value, context: Context) -> Result<Pulled, AdapterError> {
    let adapter = (passerelle_csv::DESCRIPTOR.connect)(settings, context).unwrap();
    let mut pages = adapter.stock().unwrap().pull(Pull::default());
    let (mut lines, mut notes, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    let (mut errors, mut skipped) = (Vec::new(), 0);
    while let Some(page) = pages.next().await {
        let page = page?;
        for row in page.rows {
            lines.push(match row {
                Row::Good(line) => {
                    let Quantity::Exactly(copies) = line.quantity else { panic!("a file is never unlimited") };
                    format!("{} good {} {} {copies}", number(&line.at), line.ean, line.price.unwrap_or_default().0)
                }
                Row::Poison(error) => {
                    let line = format!("{} {}", number(&error.at), error.problem.code);
                    errors.push(*error);
                    line
                }
            });
        }
        skipped += page.skipped;
        notes.extend(page.notes.iter().map(|note| format!("note {} {}", number(&note.at), note.kind.code())));
        if let Some(end) = page.end {
            lines.append(&mut notes);
            lines.push(format!("end {:?}", end.completeness));
            warnings = end.warnings;
        }
    }
    assert!(lines.last().is_some_and(|line| line.starts_with("end")), "the last page carries the end");
    Ok(Pulled { lines, errors, skipped, warnings })
}

fn number(at: &passerelle_contract::Position) -> String {
    at.to_string().trim_start_matches("line ").to_owned()
}

/// The stock file of a scenario and the rows it must give.
pub fn fixture(name: &str) -> (PathBuf, Vec<String>) {
    let scenarios = passerelle_testkit::fixtures::load("csv").unwrap();
    let folder = scenarios.into_iter().find(|scenario| scenario.name == name).expect("a scenario of that name").folder;
    let expected = std::fs::read_to_string(folder.join("expected.txt")).unwrap();
    let is_stock = |path: &PathBuf| !path.ends_with("expected.txt") && !path.ends_with("scenario.toml");
    let file = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).find(is_stock).unwrap();
    (file, expected.lines().map(str::to_owned).collect())
}

/// Settings with a path, read at once.
pub fn at_once(path: &std::path::Path, more: Value) -> Value {
    let mut settings = json!({ "path": path, "file": { "settle_seconds": 0 } });
    for (key, value) in more.as_object().unwrap() {
        match (settings.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => old.extend(new.clone()),
            _ => settings[key] = value.clone(),
        }
    }
    settings
}

/// Pulls bytes written to a file of this name.
pub async fn pull_bytes(name: &str, bytes: &[u8], more: Value) -> Result<Pulled, AdapterError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    pull(&at_once(&path, more), Context::default()).await
}

pub async fn lines_of(bytes: &[u8], more: Value) -> Vec<String> {
    pull_bytes("stock.csv", bytes, more).await.unwrap().lines
}

pub async fn refusal(name: &str, bytes: &[u8], more: Value) -> AdapterError {
    pull_bytes(name, bytes, more).await.err().expect("the file is refused")
}
