//! Countermarks in the store: the same on both engines.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test panics")]

mod support;

use std::sync::Arc;

use passerelle::store::countermarks::{CountermarkRow, Deed, FORGOTTEN_AFTER};
use passerelle::store::{Store, StoreError};
use support::{NOW, Place, on_both_engines};

on_both_engines!(
    a_countermark_comes_back_as_it_was_written,
    whoever_moves_it_first_has_moved_it,
    a_move_rises,
    old_ones_are_forgotten_as_new_ones_come,
);

fn row(fingerprint: &str) -> CountermarkRow {
    CountermarkRow {
        account: "default".into(),
        fingerprint: fingerprint.into(),
        venue_id: 535,
        asked: None,
        done: None,
        moved_at: NOW,
    }
}

async fn a_countermark_comes_back_as_it_was_written(place: Place) {
    let store = place.open().await;
    assert_eq!(store.countermark("default", "a").await.unwrap(), None);
    assert!(store.save_countermark(None, &row("a")).await.unwrap());
    assert_eq!(store.countermark("default", "a").await.unwrap(), Some(row("a")));
    let mut before = NOW;
    for asked in Deed::ALL.into_iter().map(Some).chain([None]) {
        for done in Deed::ALL.into_iter().map(Some).chain([None]) {
            let moved = CountermarkRow { venue_id: i64::MAX, asked, done, moved_at: before + 1, ..row("a") };
            assert!(store.save_countermark(Some(before), &moved).await.unwrap());
            assert_eq!(store.countermark("default", "a").await.unwrap(), Some(moved));
            before += 1;
        }
    }
    assert_eq!(store.countermark("another", "a").await.unwrap(), None, "accounts do not see each other's");
    let elsewhere = CountermarkRow { account: "another".into(), ..row("a") };
    assert!(store.save_countermark(None, &elsewhere).await.unwrap());
}

async fn whoever_moves_it_first_has_moved_it(place: Place) {
    let store = place.open().await;
    for read_at in [None, Some(NOW)] {
        let tasks: Vec<_> = (1..=20)
            .map(|number| {
                let store: Arc<dyn Store> = Arc::clone(&store);
                tokio::spawn(async move {
                    let moved_at = if read_at.is_none() { NOW } else { NOW + number };
                    let mine = CountermarkRow { venue_id: number, asked: Some(Deed::Use), moved_at, ..row("a") };
                    store.save_countermark(read_at, &mine).await.unwrap().then_some(mine)
                })
            })
            .collect();
        let mut won = Vec::new();
        for task in tasks {
            won.extend(task.await.unwrap());
        }
        assert_eq!(won.len(), 1, "{won:?}");
        assert_eq!(store.countermark("default", "a").await.unwrap(), won.pop());
    }
    assert!(!store.save_countermark(Some(NOW), &CountermarkRow { moved_at: NOW + 99, ..row("b") }).await.unwrap());
    assert_eq!(store.countermark("default", "b").await.unwrap(), None, "what is not there does not move");
}

async fn a_move_rises(place: Place) {
    let store = place.open().await;
    store.save_countermark(None, &row("a")).await.unwrap();
    let refused = store.save_countermark(Some(NOW), &row("a")).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
}

async fn old_ones_are_forgotten_as_new_ones_come(place: Place) {
    let store = place.open().await;
    for number in 10..40 {
        store.save_countermark(None, &row(&number.to_string())).await.unwrap();
    }
    let elsewhere = CountermarkRow { account: "another".into(), ..row("30") };
    store.save_countermark(None, &elsewhere).await.unwrap();
    let left = async || {
        let mut left = 0;
        for number in 10..40 {
            left += u32::from(store.countermark("default", &number.to_string()).await.unwrap().is_some());
        }
        left
    };
    let last_day = CountermarkRow { moved_at: NOW + FORGOTTEN_AFTER, ..row("0") };
    store.save_countermark(None, &last_day).await.unwrap();
    assert_eq!(left().await, 30, "400 days are not over");
    let day_after = |name: &str| CountermarkRow { moved_at: NOW + FORGOTTEN_AFTER + 1, ..row(name) };
    store.save_countermark(None, &day_after("1")).await.unwrap();
    assert_eq!(left().await, 10, "one write looks at twenty");
    store.save_countermark(None, &day_after("2")).await.unwrap();
    assert_eq!(left().await, 0);
    assert!(store.countermark("another", "30").await.unwrap().is_some());
    assert!(store.countermark("default", "1").await.unwrap().is_some());
}
