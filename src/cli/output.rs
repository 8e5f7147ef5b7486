//! Data to stdout, talk to stderr. A closed pipe ends the program quietly, as `… | head` expects.

use std::io::{self, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::{CliError, Format};

/// Where a command speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    format: Format,
}

impl Output {
    pub(crate) const fn new(format: Format) -> Self {
        Self { format }
    }

    pub(crate) const fn is_json(self) -> bool {
        matches!(self.format, Format::Json)
    }

    /// One JSON object on its own line; nothing in text mode.
    pub(crate) fn json(self, object: &impl Serialize) {
        if self.is_json()
            && let Ok(line) = serde_json::to_string(object)
        {
            self.line(&line);
        }
    }

    /// A line of data in text mode; nothing in JSON mode.
    pub(crate) fn text(self, line: impl AsRef<str>) {
        if !self.is_json() {
            self.line(line.as_ref());
        }
    }

    /// A line of data, whatever the format.
    pub(crate) fn line(self, line: &str) {
        ok_or_exit(writeln!(io::stdout().lock(), "{line}"));
    }

    /// A table in text mode.
    pub(crate) fn table(self, header: &[&str], rows: Vec<Vec<String>>) {
        if self.is_json() || rows.is_empty() {
            return;
        }
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(header.to_vec());
        for row in rows {
            table.add_row(row);
        }
        self.line(&table.trim_fmt());
    }

    /// Talk, for people. What cannot be written (the disk of the log is full) is lost; the work goes on.
    pub(crate) fn say(self, line: impl AsRef<str>) {
        let _ = writeln!(io::stderr().lock(), "{}", line.as_ref());
    }

    /// May a progress bar be drawn?
    pub(crate) fn is_terminal(self) -> bool {
        io::stderr().is_terminal()
    }

    /// Why the command ended badly, every problem on its own line.
    pub(crate) fn error(self, error: &CliError) {
        self.say(format!("error: {error}"));
        if let CliError::Configuration(problems) = error {
            for problem in problems {
                self.say(format!("  {problem}"));
            }
        }
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            self.say(format!("  because: {cause}"));
            source = cause.source();
        }
        let problems = match error {
            CliError::Configuration(problems) => problems.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        };
        if self.is_json() {
            // Whoever read this may be gone; the exit code is told all the same.
            let told = serde_json::json!({ "event": "error", "message": error.to_string(), "problems": problems });
            let _ = writeln!(io::stdout().lock(), "{told}");
        }
    }
}

/// Whoever reads may stop reading, which is no failure; data that could not be written for another reason is.
fn ok_or_exit(result: io::Result<()>) {
    match result {
        Ok(()) => {}
        Err(why) if why.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(_) => std::process::exit(super::FAILED.into()),
    }
}
