//! How much a pass of this adapter costs beside merely reading and parsing the same file with the `csv` crate.
//!
//! `cargo run --release -p passerelle-csv --example reading_speed [lines]` prints both times and their ratio, best of five
//! runs each, taken in turns.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use passerelle_contract::{Context, Pull, Row};

const RUNS: usize = 5;

#[tokio::main]
async fn main() {
    let lines: u64 = std::env::args().nth(1).map_or(1_000_000, |text| text.parse().expect("a number of lines"));
    let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    write_stock(file.path(), lines);
    let bytes = std::fs::metadata(file.path()).unwrap().len();
    let (mut theirs, mut ours) = (Duration::MAX, Duration::MAX);
    for _ in 0..RUNS {
        theirs = theirs.min(with_csv_crate(file.path(), lines));
        ours = ours.min(with_adapter(file.path(), lines).await);
    }
    println!("{lines} lines, {bytes} bytes");
    println!("csv crate, ByteRecord loop: {theirs:?}");
    println!("this adapter, facts and pages: {ours:?}");
    println!("ratio: {:.2}", ours.as_secs_f64() / theirs.as_secs_f64());
}

fn with_csv_crate(path: &Path, lines: u64) -> Duration {
    let started = Instant::now();
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_path(path).unwrap();
    let mut record = csv::ByteRecord::new();
    let mut count = 0;
    while reader.read_byte_record(&mut record).unwrap() {
        count += 1;
    }
    assert_eq!(count, lines);
    started.elapsed()
}

async fn with_adapter(path: &Path, lines: u64) -> Duration {
    let settings = serde_json::json!({ "path": path, "file": { "settle_seconds": 0 } });
    let adapter = (passerelle_csv::DESCRIPTOR.connect)(&settings, Context::default()).unwrap();
    let started = Instant::now();
    let mut pages = adapter.stock().unwrap().pull(Pull::default());
    let mut count = 0;
    while let Some(page) = pages.next().await {
        count += page.unwrap().rows.iter().filter(|row| matches!(row, Row::Good(_))).count() as u64;
    }
    assert_eq!(count, lines);
    started.elapsed()
}

fn write_stock(path: &Path, lines: u64) {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    out.write_all(b"EAN13;Titre;Auteur;PV TTC;Stock;Rayon\r\n").unwrap();
    for line in 0..lines {
        let body = 978_200_000_000 + line;
        let ean = (0..10).map(|key| format!("{body}{key}")).find(|ean| ean.parse::<passerelle_contract::Ean>().is_ok());
        let (euros, cents, copies) = (5 + line % 30, line * 7 % 100, line % 9);
        write!(
            out,
            "{};\"Le phare, tome {line}\";Auteur {};{euros},{cents:02};{copies};Littérature\r\n",
            ean.unwrap(),
            line % 4000
        )
        .unwrap();
    }
    out.flush().unwrap();
}
