//! Stock files of bookshops: delimited, fixed-width, workbooks; from disk, HTTP or SFTP.
//!
//! A pass is one walk: `origin` finds and opens the file → `dialect` looks at its start and decides how to read it →
//! `reader` cuts it into records, and `strays` takes back what a stray quote swallowed → `mapping` says where each value stands →
//! `facts` turns the cells of each row into a fact or into a reason → `scan` sends them in pages. A workbook becomes such a text first
//! (`spreadsheet`). `plan` is what all of them read: the checked settings.
//!
//! Invariant: memory does not depend on the file's size, every row keeps its physical line, and no column is guessed.

mod cells;
mod check;
mod dialect;
mod facts;
mod fixed;
mod identity;
mod kinds;
mod mapping;
mod origin;
mod pattern;
mod plan;
mod probes;
mod reader;
mod reasons;
mod scan;
mod settings;
mod source;
mod spreadsheet;
mod strays;
mod suggest;
mod survey;
mod text;

use std::sync::Arc;

use passerelle_contract::{
    Adapter, Context, Cursor, Descriptor, Limits, Probe, Sector, SettingsError, Source, StockLine,
};

use crate::source::StockFile;

/// The adapter of stock files.
pub const DESCRIPTOR: Descriptor = Descriptor {
    id: "csv",
    title: "Stock file (CSV)",
    sector: Sector::Bookseller,
    summary: "Reads a shop's stock from a delimited or fixed-width file on disk, behind a web address or in an SFTP drop.",
    settings_schema: passerelle_kit::settings::schema::<settings::Settings>,
    limits: Limits { concurrent_requests: origin::AT_ONCE, shortest_interval_seconds: 60 },
    site_setting: None,
    list_sites: None,
    connect,
};

fn connect(settings: &serde_json::Value, context: Context) -> Result<Arc<dyn Adapter>, SettingsError> {
    let (plan, sheets) = (plan::Plan::check(settings)?, plan::Plan::check(&source::settings_of_sheets(settings))?);
    Ok(Arc::new(CsvAdapter { stock: StockFile::new(plan, sheets, &context)? }))
}

struct CsvAdapter {
    stock: StockFile,
}

impl Adapter for CsvAdapter {
    fn host(&self) -> Option<String> {
        self.stock.origin.host()
    }

    fn stock(&self) -> Option<&dyn Source<StockLine>> {
        Some(&self.stock)
    }

    fn probes(&self) -> Vec<Probe<'_>> {
        probes::of(&self.stock, None)
    }

    fn probes_after(&self, from: Option<Cursor>) -> Vec<Probe<'_>> {
        probes::of(&self.stock, from)
    }
}
