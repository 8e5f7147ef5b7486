//! Files that come one after the other into a folder: which are read, in which order, and what is told of the rest.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::Path;
use std::time::{Duration, SystemTime};

use common::at_once;
use futures_util::StreamExt as _;
use passerelle_contract::{Completeness, Context, Cursor, End, Pull, Quantity, Row};
use serde_json::{Value, json};

/// A folder, and what the gateway remembers of it.
struct Drop {
    folder: tempfile::TempDir,
    settings: Value,
    cursor: Option<Cursor>,
}

impl Drop {
    fn new(file: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = at_once(folder.path(), json!({ "file": file }));
        Self { folder, settings, cursor: None }
    }

    /// Writes a file as of so many hours ago: `reference tail, quantity`.
    fn put(&self, name: &str, hours_ago: u64, rows: &[(&str, u32)]) {
        let text: String = rows.iter().map(|(ean, copies)| format!("{ean};7,90;{copies}\n")).collect();
        write(&self.folder.path().join(name), &format!("EAN13;PV TTC;Stock\n{text}"), hours_ago);
    }

    /// One pass: `reference quantity`, and its end.
    async fn pass(&mut self) -> (Vec<String>, End) {
        let adapter = (passerelle_csv::DESCRIPTOR.connect)(&self.settings, Context::default()).unwrap();
        let mut pages = adapter.stock().unwrap().pull(Pull { from: self.cursor.clone(), ..Pull::default() });
        let mut rows = Vec::new();
        loop {
            let page = pages.next().await.unwrap().unwrap();
            rows.extend(page.rows.iter().map(|row| match row {
                Row::Good(line) => match line.quantity {
                    Quantity::Exactly(copies) => format!("{} {copies}", line.ean),
                    other => format!("{} {other:?}", line.ean),
                },
                Row::Poison(error) => error.problem.code.to_owned(),
            }));
            if let Some(end) = page.end {
                if end.completeness != Completeness::Unchanged {
                    self.cursor.clone_from(&end.cursor);
                }
                assert!(end.cursor.as_ref().is_none_or(|cursor| cursor.0.len() <= 4096));
                return (rows, end);
            }
        }
    }
}

fn write(path: &Path, text: &str, hours_ago: u64) {
    std::fs::write(path, text).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(hours_ago * 3600)).unwrap();
}

const ONE: &str = "9782999999107";
const TWO: &str = "9782999999114";

#[tokio::test]
async fn the_tenth_delta_of_a_day_is_read_after_the_ninth() {
    let mut drop = Drop::new(json!({ "mode": "delta", "match": "EXPORT_{date:%Y%m%d}_*.csv" }));
    drop.put("EXPORT_20260412_9.csv", 2, &[(ONE, 5)]);
    assert_eq!(drop.pass().await.0, [format!("{ONE} 5")]);
    drop.put("EXPORT_20260412_10.csv", 1, &[(ONE, 0)]);
    let (rows, end) = drop.pass().await;
    assert_eq!((rows, end.completeness), (vec![format!("{ONE} 0")], Completeness::Delta));
    assert!(drop.pass().await.0.is_empty());
}

#[tokio::test]
async fn a_delta_that_arrives_late_is_read_and_what_newer_ones_said_wins() {
    let mut drop = Drop::new(json!({ "mode": "delta" }));
    drop.put("b.csv", 2, &[(ONE, 0)]);
    assert_eq!(drop.pass().await.0, [format!("{ONE} 0")]);
    drop.put("a.csv", 3, &[(ONE, 4), (TWO, 1)]);
    let (rows, end) = drop.pass().await;
    assert_eq!(rows, [format!("{ONE} 0"), format!("{TWO} 1")], "never the four copies of before");
    assert!(end.warnings.iter().any(|warning| warning.contains("a.csv arrived late")), "{:?}", end.warnings);
    assert!(drop.pass().await.0.is_empty());
}

#[tokio::test]
async fn what_a_newer_full_file_has_said_is_passed_over_and_told_once() {
    let mode = json!({ "mode": "by_name", "mode_by_name": [{ "glob": "*delta*", "mode": "delta" }] });
    let mut drop = Drop::new(mode);
    drop.put("full.csv", 5, &[(ONE, 2), (TWO, 2)]);
    let (rows, end) = drop.pass().await;
    assert_eq!((rows.len(), end.completeness), (2, Completeness::Snapshot));
    drop.put("delta_old.csv", 8, &[(ONE, 9)]);
    let (rows, end) = drop.pass().await;
    assert!(
        rows.is_empty() && end.warnings.iter().any(|warning| warning.contains("delta_old.csv passed over")),
        "{end:?}"
    );
    let (_, end) = drop.pass().await;
    assert!(end.warnings.is_empty(), "{end:?}");
    drop.put("delta_new.csv", 4, &[(ONE, 1)]);
    assert_eq!(drop.pass().await.0, [format!("{ONE} 1")]);
}

#[tokio::test]
async fn a_delta_that_is_sent_twice_is_read_once_and_one_that_is_rewritten_again() {
    let mut drop = Drop::new(json!({ "mode": "delta" }));
    drop.put("delta.csv", 3, &[(ONE, 5)]);
    let (_, first) = drop.pass().await;
    drop.put("delta.csv", 2, &[(ONE, 5)]);
    let (rows, end) = drop.pass().await;
    assert!(rows.is_empty() && end.warnings.iter().any(|warning| warning.contains("same content")), "{end:?}");
    assert_eq!(end.fingerprint, first.fingerprint);
    drop.put("delta.csv", 1, &[(ONE, 0)]);
    let (rows, end) = drop.pass().await;
    assert_eq!(rows, [format!("{ONE} 0")]);
    assert!(end.fingerprint.is_some() && end.fingerprint != first.fingerprint);
    drop.put("delta.csv", 0, &[(ONE, 5)]);
    assert_eq!(drop.pass().await.0, [format!("{ONE} 5")], "a content that went and came back is news");
}

#[tokio::test]
async fn a_full_pass_that_is_due_reads_everything_again_and_the_newest_word_wins() {
    let mode =
        json!({ "mode": "by_name", "mode_by_name": [{ "glob": "*delta*", "mode": "delta" }], "full_every": "1d" });
    let mut drop = Drop::new(mode);
    drop.put("full.csv", 5, &[(ONE, 2), (TWO, 2)]);
    drop.put("delta.csv", 4, &[(ONE, 1)]);
    assert_eq!((drop.pass().await.0.len(), drop.pass().await.0.len()), (2, 1));
    assert!(drop.pass().await.0.is_empty(), "not due");
    let cursor = drop.cursor.take().unwrap().0;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let lines: Vec<String> = cursor
        .lines()
        .map(|line| if line.starts_with("full-at") { format!("full-at {}", now - 90_000) } else { line.to_owned() })
        .collect();
    drop.cursor = Some(Cursor(lines.join("\n")));
    let (rows, end) = drop.pass().await;
    assert_eq!((rows, end.completeness), (vec![format!("{ONE} 1"), format!("{TWO} 2")], Completeness::Snapshot));
    assert!(drop.pass().await.0.is_empty());
}

#[tokio::test]
async fn a_check_says_since_when_no_export_came_and_knows_how_often_they_come() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = format!("EAN13;PV TTC;Stock\n{}", format!("{ONE};7,90;1\n").repeat(3000));
    write(file.path(), &text, 4 * 24);
    let reach = async |settings: Value, from: Option<Cursor>| {
        let adapter = (passerelle_csv::DESCRIPTOR.connect)(&settings, Context::default()).unwrap();
        let probes = adapter.probes_after(from);
        (probes[0].ask)().await.unwrap()
    };
    let settings = at_once(file.path(), json!({}));
    let (what, remedy) = reach(settings.clone(), None).await.concern.unwrap();
    assert!(what.contains("no new export since 20") && what.contains("StaleFile") && !remedy.is_empty(), "{what}");
    // Three exports, a week apart: the next one may take three weeks.
    let days = |ago: u64| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() - ago * 86_400;
    let weekly = Cursor(format!("content 0 1 2\nseen {} {} {}", days(18), days(11), days(4)));
    assert_eq!(reach(settings, Some(weekly.clone())).await.concern, None);
    let strict = at_once(file.path(), json!({ "file": { "max_age": "2d" } }));
    assert!(reach(strict, Some(weekly)).await.concern.is_some());
}

#[tokio::test]
async fn how_often_exports_come_is_learned_from_pass_to_pass() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stock.csv");
    let mut drop = Drop::new(json!({}));
    drop.settings = at_once(&path, json!({}));
    for (export, days) in [30, 20, 10].into_iter().enumerate() {
        write(&path, &format!("EAN13;PV TTC;Stock\n{ONE};7,90;{export}\n"), days * 24);
        let (_, end) = drop.pass().await;
        // Ten days between two exports: thirty days are not stale once two intervals... the first one is told after three days.
        assert_eq!(end.warnings.is_empty(), export > 0, "{export} {end:?}");
        assert!(end.observed_at.is_some() && end.fingerprint.is_some());
        let (rows, again) = drop.pass().await;
        assert_eq!((rows.len(), again.completeness, again.fingerprint), (0, Completeness::Unchanged, end.fingerprint));
    }
    assert_eq!(drop.cursor.unwrap().0.lines().last().unwrap().split(' ').count(), 4);
}
