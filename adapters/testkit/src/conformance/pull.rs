//! A pass: its pages, its end, its rows.

use std::time::Duration;

use futures_util::StreamExt as _;
use passerelle_contract::{Completeness, Row};

use super::facet::{Facet, read_good_pass, read_pass, rows};
use super::{Harness, MAX_PAGE_ROWS, Outcome, ensure, side_by_side};
use crate::simulator::Fault;

/// How long nothing may happen after a pass was dropped. One request in flight may still arrive.
const QUIET: Duration = Duration::from_millis(300);

/// Calls of a pass that are failed in turn; a longer pass breaks off at its first ones.
const MAX_BROKEN_CALLS: usize = 12;

/// Broken passes under way at once.
const BROKEN_AT_ONCE: usize = 8;

pub(super) async fn only_the_last_page_carries_the_end_and_pages_are_bounded(harness: &dyn Harness) -> Outcome {
    let bench = harness.bench().await;
    let adapter = bench.connect(harness).await?;
    for facet in Facet::of(adapter.as_ref()) {
        let pages = read_good_pass(harness, adapter.as_ref(), facet).await?;
        let ends: Vec<bool> = pages.iter().map(|page| page.end.is_some()).collect();
        let last_only = ends.iter().rev().skip(1).all(|end| !end) && ends.last() == Some(&true);
        ensure(last_only, || format!("an End belongs to the last page alone; pages with one: {ends:?}"))?;
        let longest = pages.iter().map(|page| page.rows.len()).max().unwrap_or(0);
        ensure(longest <= MAX_PAGE_ROWS, || format!("a page has {longest} rows"))?;
        ensure(longest > 0, || "the harness's vendor has no rows: nothing is proved".to_owned())?;
        let cursor = pages.last().and_then(|page| page.end.as_ref()?.cursor.as_ref());
        ensure(cursor.is_none_or(|cursor| cursor.0.len() <= 4096), || "the cursor is longer than 4 KiB".to_owned())?;
    }
    Ok(())
}

pub(super) async fn two_pulls_give_the_same_rows(harness: &dyn Harness) -> Outcome {
    let bench = harness.bench().await;
    let adapter = bench.connect(harness).await?;
    for facet in Facet::of(adapter.as_ref()) {
        let first = rows(read_good_pass(harness, adapter.as_ref(), facet).await?);
        let second = rows(read_good_pass(harness, adapter.as_ref(), facet).await?);
        ensure(first == second, || format!("{} rows, then {} and not the same", first.len(), second.len()))?;
    }
    Ok(())
}

pub(super) async fn every_row_left_behind_explains_itself(harness: &dyn Harness) -> Outcome {
    let bench = harness.bench().await;
    let adapter = bench.connect(harness).await?;
    for facet in Facet::of(adapter.as_ref()) {
        for row in rows(read_good_pass(harness, adapter.as_ref(), facet).await?) {
            let Row::Poison(error) = row else { continue };
            let code = error.problem.code;
            let code_is_a_word = code.chars().all(char::is_alphanumeric) && !code.is_empty();
            let both = !error.message.trim().is_empty() && !error.message_fr.trim().is_empty();
            let key_is_short = error.key.as_ref().is_none_or(|key| key.chars().count() <= 100);
            ensure(code_is_a_word && both && key_is_short, || format!("not explained: {error:?}"))?;
        }
    }
    Ok(())
}

pub(super) async fn a_dropped_pass_stops_its_work(harness: &dyn Harness) -> Outcome {
    let bench = harness.bench().await;
    let adapter = bench.connect(harness).await?;
    let Some(simulator) = &bench.simulator else { return Ok(()) };
    for facet in Facet::of(adapter.as_ref()) {
        let Some(mut pass) = facet.pull(adapter.as_ref()) else { continue };
        let first = pass.next().await;
        ensure(matches!(first, Some(Ok(_))), || "no first page".to_owned())?;
        drop(pass);
        let asked = simulator.log().len();
        tokio::time::sleep(QUIET).await;
        let now = simulator.log().len();
        ensure(now <= asked + 1, || format!("{} requests came after the pass was dropped", now - asked))?;
    }
    Ok(())
}

pub(super) async fn a_pass_that_breaks_off_is_never_complete(harness: &dyn Harness) -> Outcome {
    if harness.no_network_because().is_some() {
        return Ok(());
    }
    let bench = harness.bench().await;
    let adapter = bench.connect(harness).await?;
    let Some(simulator) = &bench.simulator else { return Ok(()) };
    let mut broken = Vec::new();
    for facet in Facet::of(adapter.as_ref()) {
        let before = simulator.log().len();
        read_good_pass(harness, adapter.as_ref(), facet).await?;
        let calls = simulator.log().len() - before;
        let one_call = harness.one_call_because().is_some();
        ensure(calls > 1 || one_call, || {
            format!("the {facet:?} of the harness's vendor come in one call: nothing is proved")
        })?;
        for call in 1..calls.min(MAX_BROKEN_CALLS) {
            for fault in [Fault::Status(502), Fault::Html, Fault::Status(404), Fault::Body("[1".to_owned())] {
                broken.push((facet, call, fault));
            }
        }
    }
    let passes = broken.into_iter().map(|(facet, call, fault)| one_broken_pass(harness, facet, call, fault));
    side_by_side(BROKEN_AT_ONCE, passes).await
}

/// From that call on everything fails, so no retry helps. What the vendor did not show must not pass for gone.
async fn one_broken_pass(harness: &dyn Harness, facet: Facet, call: usize, fault: Fault) -> Outcome {
    let bench = harness.bench().await;
    let adapter = bench.connect(harness).await?;
    let Some(simulator) = &bench.simulator else { return Ok(()) };
    simulator.faults().from_call(call, fault.clone());
    let Ok(pages) = read_pass(harness, adapter.as_ref(), facet).await? else { return Ok(()) };
    let end = pages.last().and_then(|page| page.end.as_ref());
    let withdraws_nothing = end.is_some_and(|end| end.completeness == Completeness::Partial);
    ensure(withdraws_nothing, || format!("{fault:?} from call {call} on, and the pass ends with {end:?}"))
}
