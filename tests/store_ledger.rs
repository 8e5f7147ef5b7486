//! The packed stock ledger on both engines, against a naive model.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test panics")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use passerelle::store::history::{HistoryEvent, HistoryRow, MOST_ROWS_OF_CONNECTION, MOST_ROWS_OF_EAN};
use passerelle::store::ledger::{
    self, Acknowledged, EANS_PER_TRANSACTION, Entry, PAGE_CAPACITY, PAGES_PER_TRANSACTION, Refusal, Scan, Sent, Terms,
    Update,
};
use passerelle::store::queue::CallId;
use passerelle::store::{Lease, Store, StoreError, StoredPage, Totals};
use passerelle_contract::{Cents, Ean, Quantity};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::{NOW, Place, leased, on_both_engines, take};

on_both_engines!(
    any_sequence_of_changes_leaves_what_the_model_has,
    a_large_ledger_is_loaded_and_changed_in_bounded_transactions,
    two_tasks_lose_no_change_of_each_other,
    a_scan_beside_changes_gives_each_ean_once_in_order,
    an_older_lease_changes_nothing,
    what_does_not_change_is_not_written,
    ledgers_of_connections_are_apart,
    wrong_changes_are_refused,
    a_damaged_page_is_an_error,
    an_eans_history_keeps_its_first_row_and_the_newest,
    a_refusal_that_stands_is_told_once,
    a_connections_history_is_bounded,
);

/// The EAN whose first twelve digits are `number`.
fn ean(number: u64) -> Ean {
    (0..10).find_map(|check| Ean::from_u64(number * 10 + check).ok()).unwrap()
}

fn entry(number: u64, quantity: u32) -> Entry {
    Entry {
        ean: ean(number),
        desired: Some(Terms { price: Cents(990), quantity: Quantity::Exactly(quantity) }),
        acknowledged: Acknowledged::Never,
        refused: None,
    }
}

fn put(entry: Entry) -> Update {
    Update { ean: entry.ean, entry: Some(entry) }
}

type Model = BTreeMap<Ean, Entry>;

/// What happens to a ledger.
#[derive(Clone, Debug)]
enum Step {
    /// Every `stride`-th number from `from` on is inserted or replaced.
    Put { from: u64, stride: u64, count: u64, kind: u8 },
    /// Every `stride`-th number from `from` on is removed.
    Remove { from: u64, stride: u64, count: u64 },
    /// What is there is acknowledged, what is not stays so.
    Acknowledge { from: u64, stride: u64, count: u64 },
    /// The store is opened again.
    Reopen,
}

fn any_step() -> impl Strategy<Value = Step> {
    let range = (0_u64..4_000, prop_oneof![Just(1_u64), 2_u64..40], 1_u64..1_400);
    prop_oneof![
        4 => (range.clone(), any::<u8>()).prop_map(|((from, stride, count), kind)| Step::Put { from, stride, count, kind }),
        3 => range.clone().prop_map(|(from, stride, count)| Step::Remove { from, stride, count }),
        2 => range.prop_map(|(from, stride, count)| Step::Acknowledge { from, stride, count }),
        1 => Just(Step::Reopen),
    ]
}

fn eans(from: u64, stride: u64, count: u64) -> Vec<Ean> {
    (0..count).map(|at| ean(from + at * stride)).collect()
}

/// Entries of all kinds, from a few bits.
fn entry_of_kind(ean: Ean, kind: u8) -> Entry {
    let terms = Terms { price: Cents(u32::from(kind) * 10), quantity: Quantity::Exactly(u32::from(kind % 3)) };
    let acknowledged = match kind % 5 {
        0 => Acknowledged::Never,
        1 => Acknowledged::InFlight(Sent::first(terms, CallId::at(1_760_000_000_000))),
        2 => Acknowledged::Accepted(Sent::first(terms, CallId::at(1_760_000_000_000))),
        _ => Acknowledged::Verified(terms),
    };
    let refused = kind.is_multiple_of(7).then_some(Refusal { code: 3, day: 20_000 });
    Entry { ean, desired: (!kind.is_multiple_of(4)).then_some(terms), acknowledged, refused }
}

async fn perform(store: &dyn Store, lease: &Lease, model: &mut Model, step: &Step) {
    match *step {
        Step::Put { from, stride, count, kind } => {
            let entries: Vec<Entry> =
                eans(from, stride, count).into_iter().map(|ean| entry_of_kind(ean, kind)).collect();
            let updates: Vec<Update> = entries.iter().copied().map(put).collect();
            ledger::apply(store, lease, &updates).await.unwrap();
            model.extend(entries.into_iter().map(|entry| (entry.ean, entry)));
        }
        Step::Remove { from, stride, count } => {
            let updates: Vec<Update> =
                eans(from, stride, count).into_iter().map(|ean| Update { ean, entry: None }).collect();
            ledger::apply(store, lease, &updates).await.unwrap();
            for update in updates {
                model.remove(&update.ean);
            }
        }
        Step::Acknowledge { from, stride, count } => {
            let asked = eans(from, stride, count);
            let mut seen = Vec::new();
            let acknowledge = |entry: Entry| Entry {
                acknowledged: entry.desired.map_or(Acknowledged::Never, Acknowledged::Verified),
                ..entry
            };
            ledger::modify(store, lease, &asked, |ean, present| {
                assert_eq!(present, model.get(&ean).copied());
                seen.push(ean);
                present.map(acknowledge)
            })
            .await
            .unwrap();
            assert_eq!(seen, asked, "each asked for once, in order");
            for ean in asked {
                model.entry(ean).and_modify(|entry| *entry = acknowledge(*entry));
            }
        }
        Step::Reopen => {}
    }
}

async fn check(store: &dyn Store, connection: &str, model: &Model) {
    let pages = store.ledger_pages(connection, Ean::MIN, u32::MAX).await.unwrap();
    let index = store.ledger_index(connection, Ean::MIN, u32::MAX).await.unwrap();
    assert_eq!(index, pages.iter().map(|page| page.first).collect::<Vec<_>>());
    let mut scan = Scan::all(store, connection);
    let mut scanned: Vec<Entry> = Vec::new();
    for page in &pages {
        let entries = scan.next_page().await.unwrap().unwrap();
        assert!(scanned.last().is_none_or(|last| last.ean < page.first), "pages are sorted and disjoint");
        assert_eq!(entries[0].ean, page.first);
        assert!((1..=PAGE_CAPACITY).contains(&entries.len()));
        assert_eq!(entries.len(), page.count as usize);
        let count = |of: fn(&Entry) -> bool| entries.iter().filter(|entry| of(entry)).count();
        assert_eq!(count(Entry::is_pending), page.pending as usize);
        assert_eq!(count(Entry::is_unverified), page.unverified as usize);
        scanned.extend(entries);
    }
    assert_eq!(scan.next_page().await.unwrap(), None);
    assert_eq!(scan.next_page().await.unwrap(), None, "the end stays the end");
    assert!(scanned.is_sorted_by(|one, other| one.ean < other.ean));
    assert!(scanned.iter().eq(model.values()));

    let count = |of: fn(&Entry) -> bool| model.values().filter(|entry| of(entry)).count() as u64;
    let totals = Totals {
        entries: model.len() as u64,
        live: count(Entry::is_live),
        pending: count(Entry::is_pending),
        unverified: count(Entry::is_unverified),
        refused: count(|entry| entry.refused.is_some()),
    };
    assert_eq!(ledger::totals(store, connection).await.unwrap(), totals);

    let at_work = all(Scan::at_work(store, connection)).await;
    let to_do = |entry: &&Entry| entry.is_pending() || entry.is_unverified();
    assert!(at_work.iter().filter(to_do).eq(model.values().filter(to_do)));
    if let Some(middle) = model.keys().nth(model.len() / 2) {
        assert_eq!(ledger::find(store, connection, *middle).await.unwrap(), model.get(middle).copied());
        let behind = all(Scan::all(store, connection).after(*middle)).await;
        assert!(
            behind.iter().eq(model
                .range((std::ops::Bound::Excluded(*middle), std::ops::Bound::Unbounded))
                .map(|(_, entry)| entry))
        );
    }
    assert_eq!(ledger::find(store, connection, ean(999_999_999_999)).await.unwrap(), None);
}

async fn all(mut scan: Scan<'_>) -> Vec<Entry> {
    let (mut entries, mut page) = (Vec::new(), Vec::new());
    while scan.next_into(&mut page).await.unwrap() {
        entries.append(&mut page);
    }
    entries
}

async fn any_sequence_of_changes_leaves_what_the_model_has(place: Place) {
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let steps = prop::collection::vec(any_step(), 1..8);
        runner
            .run(&steps, |steps| {
                let connection = uuid::Uuid::new_v4().to_string();
                runtime.block_on(async {
                    let mut store = place.open().await;
                    let lease = leased(&*store, &connection).await;
                    let mut model = Model::new();
                    for step in &steps {
                        if matches!(step, Step::Reopen) {
                            store = place.open().await;
                        }
                        perform(&*store, &lease, &mut model, step).await;
                        check(&*store, &connection, &model).await;
                    }
                });
                Ok(())
            })
            .unwrap();
    });
}

async fn a_large_ledger_is_loaded_and_changed_in_bounded_transactions(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    let many = (PAGES_PER_TRANSACTION as u64 + 20) * PAGE_CAPACITY as u64;
    assert!(many > EANS_PER_TRANSACTION as u64);
    let updates: Vec<Update> = (0..many).map(|number| put(entry(number * 2, 3))).collect();
    ledger::apply(&*store, &lease, &updates).await.unwrap();
    let pages = store.ledger_index("shop", Ean::MIN, u32::MAX).await.unwrap();
    assert_eq!(pages.len(), PAGES_PER_TRANSACTION + 20, "appended pages are full");
    let totals = ledger::totals(&*store, "shop").await.unwrap();
    assert_eq!((totals.entries, totals.live, totals.pending), (many, many, many));

    // One insertion into each full page: each is halved, in more than one transaction.
    let scattered: Vec<Update> = (0..many).step_by(PAGE_CAPACITY).map(|number| put(entry(number * 2 + 1, 0))).collect();
    ledger::apply(&*store, &lease, &scattered).await.unwrap();
    let totals = ledger::totals(&*store, "shop").await.unwrap();
    assert_eq!((totals.entries, totals.live), (many + scattered.len() as u64, many));
    let scanned = all(Scan::all(&*store, "shop")).await;
    assert_eq!(scanned.len() as u64, totals.entries);
    assert!(scanned.is_sorted_by(|one, other| one.ean < other.ean));

    let gone: Vec<Update> = scanned.iter().map(|entry| Update { ean: entry.ean, entry: None }).collect();
    ledger::apply(&*store, &lease, &gone).await.unwrap();
    assert_eq!(store.ledger_index("shop", Ean::MIN, u32::MAX).await.unwrap(), []);
}

async fn two_tasks_lose_no_change_of_each_other(place: Place) {
    let store = place.open().await;
    let lease = Arc::new(leased(&*store, "shop").await);
    let eans: Arc<Vec<Ean>> = Arc::new((0..700).map(ean).collect());
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (store, lease, eans) = (Arc::clone(&store), Arc::clone(&lease), Arc::clone(&eans));
            tokio::spawn(async move {
                for _ in 0..5 {
                    ledger::modify(&*store, &lease, &eans, |ean, present| {
                        let quantity = match present.and_then(|entry| entry.desired) {
                            Some(Terms { quantity: Quantity::Exactly(quantity), .. }) => quantity,
                            _ => 0,
                        };
                        Some(Entry { ean, ..entry(0, quantity + 1) })
                    })
                    .await
                    .unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let expected: Vec<Entry> = (0..700).map(|number| entry(number, 20)).collect();
    assert_eq!(all(Scan::all(&*store, "shop")).await, expected);
}

async fn a_scan_beside_changes_gives_each_ean_once_in_order(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    // More pages than one query of a scan brings.
    let count = 70 * PAGE_CAPACITY as u64;
    let updates: Vec<Update> = (0..count).map(|number| put(entry(number * 10, 1))).collect();
    ledger::apply(&*store, &lease, &updates).await.unwrap();
    let mut scan = Scan::all(&*store, "shop");
    let mut seen = Vec::new();
    while let Some(page) = scan.next_page().await.unwrap() {
        let last = page.last().unwrap().ean.as_u64() / 10;
        seen.extend(page.into_iter().map(|entry| entry.ean));
        // Split what was just read and what comes next.
        let around: Vec<Update> = (last.saturating_sub(300)..last + 300)
            .filter(|number| number % 10 == 5)
            .map(|number| put(entry(number, 1)))
            .collect();
        ledger::apply(&*store, &lease, &around).await.unwrap();
    }
    assert!(seen.is_sorted_by(|one, other| one < other));
    let from_start = seen.iter().filter(|ean| ean.as_u64() / 10 % 10 == 0).count();
    assert_eq!(from_start as u64, count, "what was there from the start is seen");
}

async fn an_older_lease_changes_nothing(place: Place) {
    let store = place.open().await;
    let old = leased(&*store, "shop").await;
    ledger::apply(&*store, &old, &[put(entry(1, 1))]).await.unwrap();
    store.release_lease(&old).await.unwrap();
    take(&*store, "shop", "sync").await;
    let answer = ledger::apply(&*store, &old, &[put(entry(1, 2)), put(entry(2, 2))]).await;
    assert!(matches!(answer, Err(StoreError::Fenced { .. })), "{answer:?}");
    assert_eq!(all(Scan::all(&*store, "shop")).await, [entry(1, 1)]);
}

async fn what_does_not_change_is_not_written(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    let updates: Vec<Update> = (0..2_000).map(|number| put(entry(number, 1))).collect();
    ledger::apply(&*store, &lease, &updates).await.unwrap();
    store.release_lease(&lease).await.unwrap();
    // A write would be refused now.
    ledger::apply(&*store, &lease, &updates).await.unwrap();
    let absent = [Update { ean: ean(5_000), entry: None }];
    ledger::apply(&*store, &lease, &absent).await.unwrap();
}

async fn ledgers_of_connections_are_apart(place: Place) {
    let store = place.open().await;
    let (shop, other) = (leased(&*store, "shop").await, leased(&*store, "other").await);
    ledger::apply(&*store, &shop, &[put(entry(1, 1)), put(entry(3, 1))]).await.unwrap();
    ledger::apply(&*store, &other, &[put(entry(2, 2))]).await.unwrap();
    assert_eq!(all(Scan::all(&*store, "shop")).await, [entry(1, 1), entry(3, 1)]);
    assert_eq!(all(Scan::at_work(&*store, "other")).await, [entry(2, 2)]);
    assert!(store.remove_connection(&shop).await.unwrap());
    assert_eq!(ledger::totals(&*store, "shop").await.unwrap(), Totals::default());
    assert_eq!(ledger::totals(&*store, "other").await.unwrap().entries, 1);
}

async fn wrong_changes_are_refused(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    let too_dear =
        Entry { desired: Some(Terms { price: Cents(u32::MAX), quantity: Quantity::Unlimited }), ..entry(3, 1) };
    for updates in [
        vec![put(entry(2, 1)), put(entry(1, 1))],
        vec![put(entry(1, 1)), put(entry(1, 1))],
        vec![Update { ean: ean(1), entry: Some(entry(2, 1)) }],
        vec![put(entry(1, 1)), put(too_dear)],
    ] {
        let answer = ledger::apply(&*store, &lease, &updates).await;
        assert!(matches!(answer, Err(StoreError::Invalid(_))), "{answer:?}");
    }
    assert_eq!(all(Scan::all(&*store, "shop")).await, []);
}

async fn a_damaged_page_is_an_error(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    ledger::apply(&*store, &lease, &[put(entry(1, 1))]).await.unwrap();
    let mut page: StoredPage = store.ledger_pages("shop", Ean::MIN, 1).await.unwrap().remove(0);
    *page.blob.last_mut().unwrap() ^= 1;
    store.save_ledger(&lease, &[], &[page]).await.unwrap();
    let scanned = Scan::all(&*store, "shop").next_page().await;
    assert!(matches!(scanned, Err(StoreError::Corrupt(_))), "{scanned:?}");
    let changed = ledger::apply(&*store, &lease, &[put(entry(2, 1))]).await;
    assert!(matches!(changed, Err(StoreError::Corrupt(_))), "{changed:?}");
    assert!(store.due_connections(NOW, 1).await.unwrap().is_empty());
}

fn told(number: u64, at: i64, event: HistoryEvent) -> HistoryRow {
    HistoryRow::new(Some(ean(number)), at, event)
}

async fn an_eans_history_keeps_its_first_row_and_the_newest(place: Place) {
    let store = place.open().await;
    let (shop, other) = (leased(&*store, "shop").await, leased(&*store, "other").await);
    let first = HistoryRow {
        terms: Some(Terms { price: Cents(990), quantity: Quantity::Unlimited }),
        evidence: Some("12 00ff".to_owned()),
        line: Some(7),
        ..told(1, NOW, HistoryEvent::FirstSeen)
    };
    let sent = HistoryRow {
        terms: Some(Terms { price: Cents(990), quantity: Quantity::Exactly(3) }),
        call_at: Some(NOW),
        ..told(1, NOW + 1, HistoryEvent::Sent)
    };
    let many = HistoryRow { items: Some(10_001), ..HistoryRow::new(None, NOW + 2, HistoryEvent::ManyChanged) };
    let rows = [first.clone(), sent.clone(), many.clone(), told(2, NOW, HistoryEvent::Withdrawn)];
    store.add_history(&shop, &rows).await.unwrap();
    store.add_history(&other, &[told(1, NOW, HistoryEvent::Verified)]).await.unwrap();
    assert_eq!(store.history("shop", ean(1)).await.unwrap(), [first.clone(), sent, many.clone()]);
    assert_eq!(store.history("other", ean(1)).await.unwrap(), [told(1, NOW, HistoryEvent::Verified)]);

    for round in 0..50 {
        store.add_history(&shop, &[told(1, NOW + 10 + round, HistoryEvent::Verified)]).await.unwrap();
    }
    let kept = store.history("shop", ean(1)).await.unwrap();
    let own: Vec<&HistoryRow> = kept.iter().filter(|row| row.ean.is_some()).collect();
    assert_eq!(own.len(), MOST_ROWS_OF_EAN as usize);
    assert_eq!(*own[0], first);
    assert_eq!((own[1].at, own[own.len() - 1].at), (NOW + 41, NOW + 59));
    assert!(kept.contains(&many));
    assert_eq!(store.history("shop", ean(2)).await.unwrap().len(), 2, "its own row and the one of many");

    store.release_lease(&shop).await.unwrap();
    let answer = store.add_history(&shop, &[told(1, NOW, HistoryEvent::Sent)]).await;
    assert!(matches!(answer, Err(StoreError::Fenced { .. })), "{answer:?}");
    assert!(store.remove_connection(&other).await.unwrap());
    assert_eq!(store.history("other", ean(1)).await.unwrap(), []);
}

async fn a_refusal_that_stands_is_told_once(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    let refused = |at, code: &str| HistoryRow { code: Some(code.to_owned()), ..told(1, at, HistoryEvent::Refused) };
    store.add_history(&lease, &[told(1, NOW, HistoryEvent::FirstSeen)]).await.unwrap();
    for row in [refused(NOW + 1, "NotFound"), refused(NOW + 2, "NotFound"), refused(NOW + 3, "NotCompliant")] {
        store.add_history(&lease, &[row]).await.unwrap();
    }
    store.add_history(&lease, &[told(1, NOW + 4, HistoryEvent::Changed)]).await.unwrap();
    store.add_history(&lease, &[refused(NOW + 5, "NotCompliant")]).await.unwrap();
    let at: Vec<i64> = store.history("shop", ean(1)).await.unwrap().iter().map(|row| row.at - NOW).collect();
    assert_eq!(at, [0, 1, 3, 4, 5]);
}

async fn a_connections_history_is_bounded(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    let rows: Vec<HistoryRow> =
        (0..MOST_ROWS_OF_CONNECTION + 10).map(|number| told(number, NOW, HistoryEvent::Withdrawn)).collect();
    for part in rows.chunks(10_000) {
        store.add_history(&lease, part).await.unwrap();
    }
    for (number, is_kept) in [(0, false), (9, false), (10, true), (MOST_ROWS_OF_CONNECTION + 9, true)] {
        assert_eq!(!store.history("shop", ean(number)).await.unwrap().is_empty(), is_kept, "{number}");
    }
}
