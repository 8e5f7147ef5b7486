//! A pass: its pages, its end, its rows.

use std::time::Duration;

use futures_util::StreamExt as _;
use passerelle_contract::{Page, Pull, Row, StockLine};

use super::{Harness, MAX_PAGE_ROWS, Outcome, ensure, read_good_pass};

/// How long nothing may happen after a pass was dropped. One request in flight may still arrive.
const QUIET: Duration = Duration::from_millis(300);

pub(super) async fn only_the_last_page_carries_the_end_and_pages_are_bounded(harness: &dyn Harness) -> Outcome {
    let bench = harness.bench().await;
    let adapter = bench.connect(harness)?;
    if adapter.stock().is_none() {
        return Ok(());
    }
    let pages = read_good_pass(harness, adapter.as_ref()).await?;
    let ends: Vec<bool> = pages.iter().map(|page| page.end.is_some()).collect();
    let last_only = ends.iter().rev().skip(1).all(|end| !end) && ends.last() == Some(&true);
    ensure(last_only, || format!("an End belongs to the last page alone; pages with one: {ends:?}"))?;
    let longest = pages.iter().map(|page| page.rows.len()).max().unwrap_or(0);
    ensure(longest <= MAX_PAGE_ROWS, || format!("a page has {longest} rows"))?;
    ensure(longest > 0, || "the harness's vendor has no rows: nothing is proved".to_owned())?;
    let cursor = pages.last().and_then(|page| page.end.as_ref()?.cursor.as_ref());
    ensure(cursor.is_none_or(|cursor| cursor.0.len() <= 4096), || "the cursor is longer than 4 KiB".to_owned())
}

pub(super) async fn two_pulls_give_the_same_rows(harness: &dyn Harness) -> Outcome {
    let bench = harness.bench().await;
    let adapter = bench.connect(harness)?;
    let first = rows(read_good_pass(harness, adapter.as_ref()).await?);
    let second = rows(read_good_pass(harness, adapter.as_ref()).await?);
    ensure(first == second, || format!("{} rows, then {} and not the same", first.len(), second.len()))
}

pub(super) async fn every_row_left_behind_explains_itself(harness: &dyn Harness) -> Outcome {
    let bench = harness.bench().await;
    let adapter = bench.connect(harness)?;
    for row in rows(read_good_pass(harness, adapter.as_ref()).await?) {
        let Row::Poison(error) = row else { continue };
        let code_is_a_word = error.problem.code.chars().all(char::is_alphanumeric) && !error.problem.code.is_empty();
        let both = !error.message.trim().is_empty() && !error.message_fr.trim().is_empty();
        let key_is_short = error.key.as_ref().is_none_or(|key| key.chars().count() <= 100);
        ensure(code_is_a_word && both && key_is_short, || format!("not explained: {error:?}"))?;
    }
    Ok(())
}

pub(super) async fn a_dropped_pass_stops_its_work(harness: &dyn Harness) -> Outcome {
    let bench = harness.bench().await;
    let adapter = bench.connect(harness)?;
    let (Some(source), Some(simulator)) = (adapter.stock(), &bench.simulator) else { return Ok(()) };
    let mut pass = source.pull(Pull::default());
    let first = pass.next().await;
    ensure(matches!(first, Some(Ok(_))), || "no first page".to_owned())?;
    drop(pass);
    let asked = simulator.log().len();
    tokio::time::sleep(QUIET).await;
    let now = simulator.log().len();
    ensure(now <= asked + 1, || format!("{} requests came after the pass was dropped", now - asked))
}

fn rows(pages: Vec<Page<StockLine>>) -> Vec<Row<StockLine>> {
    pages.into_iter().flat_map(|page| page.rows).collect()
}
