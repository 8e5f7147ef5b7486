//! What the catalogue river costs, each figure beside a peer or a limit, in one run: `cargo bench --bench catalogue`.
//!
//! Whole processes are measured from outside (CPU from /proc, 10 ms ticks; several runs, medians), so that start-up, the store and
//! reading back are in. Linux only. `-- small` uses a tenth of the rows.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::cast_precision_loss, missing_docs)]

#[path = "../tests/shop/mod.rs"]
mod shop;

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use shop::{CONNECTION, Shop, csv_connection, ean};

/// One measured process.
#[derive(Clone, Copy, Debug)]
struct Cost {
    wall: f64,
    cpu: f64,
    peak_mb: f64,
}

fn main() {
    let small = std::env::args().any(|argument| argument == "small");
    let rows: u64 = if small { 100_000 } else { 1_000_000 };
    println!("{} logical processors; medians of 5 runs\n", std::thread::available_parallelism().unwrap());
    large_file(rows);
    usual_shop();
}

/// An unchanged full pass of a large file, against merely parsing it, and against the polling client's way.
fn large_file(rows: u64) {
    let shop = Shop::new(rows);
    write_stock(&shop.path("stock.csv"), rows, 0);
    let bytes = std::fs::metadata(shop.path("stock.csv")).unwrap().len();
    println!("a stock file of {rows} lines, {} MB", bytes / 1_000_000);
    let first = Instant::now();
    let told = shop.run(&["sync", CONNECTION]);
    assert!(told.code <= 1, "{told:#?}");
    println!(
        "  first sync: {:.1} s, {} requests; at 180 a minute pass Culture alone would take {:.0} s",
        first.elapsed().as_secs_f64(),
        told.summary()["requests"],
        told.summary()["requests"].as_f64().unwrap() / 3.0
    );
    let parse = median((0..5).map(|_| measure_here(|| parse_only(&shop.path("stock.csv")))).collect());
    let pass = median((0..5).map(|_| measure(&mut shop.command(&["sync", CONNECTION]))).collect());
    println!("  parsing it with the csv crate:  {:.3} s wall, {:.3} s CPU", parse.wall, parse.cpu);
    let again = median(rewritten(&shop, rows, 5));
    for (what, cost) in [("the very same file:", pass), ("same stock, other bytes:", again)] {
        println!(
            "  unchanged pass, {what:25} {:.3} s wall, {:.3} s CPU, {:.0} MB at most; ratio to parsing {:.2} wall, {:.2} CPU (limit 2)",
            cost.wall,
            cost.cpu,
            cost.peak_mb,
            cost.wall / parse.wall,
            cost.cpu / parse.cpu
        );
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/polling_client.py");
    let store = shop.path("polling.sqlite");
    let mut python = Command::new("python3");
    python.arg(script).arg(shop.path("stock.csv")).arg(store).stdin(Stdio::null()).stdout(Stdio::null());
    // The first run fills its store: both sides are measured on an unchanged shop.
    if python.status().is_ok_and(|status| status.success()) {
        let peer = median((0..3).map(|_| measure(&mut python)).collect());
        println!("  the polling client's way:       {:.3} s wall, {:.3} s CPU", peer.wall, peer.cpu);
        println!(
            "  ratio client / pass:            {:.0} wall (same file), {:.0} wall (other bytes)",
            peer.wall / pass.wall,
            peer.wall / again.wall
        );
    } else {
        println!("  the polling client's way:       not measured (no python3)");
    }
}

/// A shop of the usual size, all of it read back: unchanged.
fn usual_shop() {
    const REFERENCES: u64 = 30_000;
    let shop = Shop::new(REFERENCES);
    shop.configure(&csv_connection(""));
    write_stock(&shop.path("stock.csv"), REFERENCES, 0);
    let began = Instant::now();
    let told = shop.run(&["sync", CONNECTION]);
    let requests = told.summary()["requests"].as_f64().unwrap();
    let at_the_limit = requests / 3.0;
    println!("\na shop of {REFERENCES} references");
    let took = began.elapsed().as_secs_f64();
    println!(
        "  first sync, sandbox included: {took:.1} s; its {requests} requests take {at_the_limit:.0} s at 180 a minute: {:.1} % added",
        100.0 * took / at_the_limit
    );
    // Reading back is spread over the passes that follow.
    for _ in 0..60 {
        if shop.run(&["sync", CONNECTION]).summary()["requests"] == 0 {
            break;
        }
    }
    let same = (0..20).map(|_| measure(&mut shop.command(&["sync", CONNECTION]))).collect();
    for (what, passes) in [("the very same file", same), ("same stock, other bytes", rewritten(&shop, REFERENCES, 20))]
    {
        let cpu = passes.iter().map(|cost| cost.cpu).sum::<f64>() / passes.len() as f64;
        let pass = median(passes);
        let country = 3_500.0 * cpu / (15.0 * 60.0 * 2.0) * 100.0;
        println!(
            "  unchanged pass, {what}: {:.3} s wall, {cpu:.3} s CPU (mean of 20), {:.0} MB at most (limit 0.060 s CPU); \
             every bookshop of France (3 500 such shops, every 15 minutes): {country:.0} % of two cores",
            pass.wall, pass.peak_mb
        );
    }
}

/// A shop's software that writes its export anew: other bytes, the same stock. Every row is read, judged, sorted and compared.
fn rewritten(shop: &Shop, rows: u64, runs: u64) -> Vec<Cost> {
    (1..=runs)
        .map(|run| {
            write_stock(&shop.path("stock.csv"), rows, run);
            measure(&mut shop.command(&["sync", CONNECTION]))
        })
        .collect()
}

/// `edition` changes the titles and nothing that counts.
fn write_stock(path: &Path, rows: u64, edition: u64) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    writeln!(file, "EAN13;Titre;Auteur;PV TTC;Stock;Rayon").unwrap();
    for number in 0..rows {
        // Not in EAN order, as shops' files are not.
        let number = number.wrapping_mul(7_919) % rows;
        let cents = 500 + number % 4_000;
        writeln!(
            file,
            "{};Un titre de longueur moyenne {number} {edition};Nom Prénom;{},{:02};{};Littérature",
            ean(number),
            cents / 100,
            cents % 100,
            1 + number % 9
        )
        .unwrap();
    }
    file.into_inner().unwrap().sync_all().unwrap();
}

fn parse_only(path: &Path) {
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').flexible(true).from_path(path).unwrap();
    let mut record = csv::ByteRecord::new();
    let mut fields = 0;
    while reader.read_byte_record(&mut record).unwrap() {
        fields += record.len();
    }
    assert!(fields > 0);
}

fn measure_here(work: impl FnOnce()) -> Cost {
    let (began, before) = (Instant::now(), cpu_of("self", 13));
    work();
    Cost { wall: began.elapsed().as_secs_f64(), cpu: cpu_of("self", 13) - before, peak_mb: 0.0 }
}

fn measure(command: &mut Command) -> Cost {
    let (began, before) = (Instant::now(), cpu_of("self", 15));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let peak_mb = watch(&mut child);
    let wall = began.elapsed().as_secs_f64();
    Cost { wall, cpu: cpu_of("self", 15) - before, peak_mb }
}

/// Waits for a process and tells its peak memory, as its own status file told it last.
fn watch(child: &mut Child) -> f64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0;
    loop {
        let told = std::fs::read_to_string(&status).unwrap_or_default();
        if let Some(line) = told.lines().find(|line| line.starts_with("VmHWM:")) {
            peak = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1_024.0;
        }
        if child.try_wait().unwrap().is_some() {
            return peak;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// CPU seconds: fields 13 and 14 of /proc/X/stat are the process's own, 15 and 16 its waited-for children's.
fn cpu_of(process: &str, field: usize) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let numbers: Vec<f64> = after_name.split_whitespace().skip(1).map(|word| word.parse().unwrap_or(0.0)).collect();
    // `skip(1)` dropped the state, so that the fields count from 3.
    (numbers[field - 3] + numbers[field - 2]) / 100.0
}

fn median(mut costs: Vec<Cost>) -> Cost {
    let pick = |costs: &mut Vec<Cost>, key: fn(&Cost) -> f64| {
        costs.sort_by(|one, two| key(one).total_cmp(&key(two)));
        key(&costs[costs.len() / 2])
    };
    Cost {
        wall: pick(&mut costs, |cost| cost.wall),
        cpu: pick(&mut costs, |cost| cost.cpu),
        peak_mb: pick(&mut costs, |cost| cost.peak_mb),
    }
}
