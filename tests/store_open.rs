//! Opening stores: migrations, several processes, what people read when it fails; and wake-ups.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test panics")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use passerelle::store::{self, ConnectionState, StoreError, Traffic};
use sqlx::Connection as _;
use support::{NOW, Place, connection, leased, on_both_engines};

on_both_engines!(
    opening_again_changes_nothing,
    many_open_a_new_store_at_once,
    a_store_with_a_newer_releases_migrations_opens,
    a_store_that_shuts_older_releases_out_is_refused,
    handles_work_side_by_side,
    what_becomes_due_wakes_those_who_wait,
);

async fn opening_again_changes_nothing(place: Place) {
    place.open().await.apply_connection(&connection("shop"), NOW).await.unwrap();
    for _ in 0..3 {
        assert_eq!(place.open().await.connections().await.unwrap(), [connection("shop")]);
    }
}

async fn many_open_a_new_store_at_once(place: Place) {
    let opening: Vec<_> = (0..8)
        .map(|number| {
            let place = place.clone();
            tokio::spawn(async move {
                place.open().await.apply_connection(&connection(&format!("shop-{number}")), NOW).await.unwrap();
            })
        })
        .collect();
    for opened in opening {
        opened.await.unwrap();
    }
    assert_eq!(place.open().await.connections().await.unwrap().len(), 8);
}

/// Runs a statement beside the store, as another program would.
async fn beside(place: &Place, statement: &'static str) {
    if place.url.starts_with("sqlite:") {
        let mut other = sqlx::SqliteConnection::connect(&place.url).await.unwrap();
        sqlx::query(statement).execute(&mut other).await.unwrap();
    } else {
        let mut other = sqlx::PgConnection::connect(&place.url).await.unwrap();
        sqlx::query(statement).execute(&mut other).await.unwrap();
    }
}

async fn a_store_with_a_newer_releases_migrations_opens(place: Place) {
    place.open().await;
    beside(&place, "ALTER TABLE connection ADD COLUMN colour TEXT").await;
    beside(
        &place,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         SELECT 9999, 'from the future', success, checksum, 1 FROM _sqlx_migrations WHERE version = 1",
    )
    .await;
    let store = place.open().await;
    store.apply_connection(&connection("shop"), NOW).await.unwrap();
    assert_eq!(store.connections().await.unwrap(), [connection("shop")]);
}

async fn a_store_that_shuts_older_releases_out_is_refused(place: Place) {
    place.open().await;
    beside(&place, "UPDATE compatibility SET oldest_reader = 1000").await;
    let answer = store::open(&place.url).await;
    let Err(StoreError::Corrupt(why)) = answer else { panic!("{answer:?}") };
    assert!(why.contains("newer release"), "{why}");
}

async fn handles_work_side_by_side(place: Place) {
    let handles = [place.open().await, place.open().await];
    let mut leases = Vec::new();
    for id in ["a", "b"] {
        leases.push(leased(&*handles[0], id).await);
    }
    let working: Vec<_> = handles
        .into_iter()
        .zip(leases)
        .map(|(store, lease)| {
            tokio::spawn(async move {
                for number in 1..=40 {
                    let state = ConnectionState { failures: number, ..ConnectionState::default() };
                    store.save_state(&lease, &state).await.unwrap();
                    store.take_budget("default", Traffic::Passes, 1, 60, 400, NOW).await.unwrap();
                    store.ping().await.unwrap();
                }
            })
        })
        .collect();
    for worker in working {
        worker.await.unwrap();
    }
    let store = place.open().await;
    assert_eq!(store.state("a").await.unwrap().failures, 40);
    assert_eq!(store.state("b").await.unwrap().failures, 40);
    let left = store.budget_left("default", 60, 400, NOW).await.unwrap();
    assert_eq!(left, (Duration::ZERO, 320), "no permit was given twice");
}

async fn what_becomes_due_wakes_those_who_wait(place: Place) {
    let store = place.open().await;
    // PostgreSQL tells every node, SQLite this process.
    let elsewhere = if place.url.starts_with("sqlite:") { Arc::clone(&store) } else { place.open().await };
    let mut wake_ups = store.wake_ups();
    let woken = async |wake_ups: &mut Box<dyn store::WakeUps>| {
        tokio::time::timeout(Duration::from_millis(300), wake_ups.next()).await.map(Result::unwrap).is_ok()
    };
    // The first answer may come at once; after it all is quiet.
    while woken(&mut wake_ups).await {}
    elsewhere.apply_connection(&connection("shop"), NOW).await.unwrap();
    wake_ups.next().await.unwrap();
    assert_eq!(support::due(&*store, NOW, 9).await, ["shop"], "committed before it was announced");
    elsewhere.apply_connection(&connection("shop"), NOW).await.unwrap();
    assert!(!woken(&mut wake_ups).await, "nothing changed");
    elsewhere.store_inbound("shop", true, b"[]", None, NOW, 9).await.unwrap();
    wake_ups.next().await.unwrap();
    elsewhere.set_paused("shop", false, NOW).await.unwrap();
    wake_ups.next().await.unwrap();
}

mod refusals {
    use super::*;

    async fn why_not(url: &str) -> (String, String) {
        match store::open(url).await {
            Err(StoreError::Unavailable { place, why }) => (place, why),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nowhere/store.db");
        let (place, why) = why_not(&format!("sqlite:{}", path.display())).await;
        assert_eq!(place, format!("SQLite {}", path.display()));
        assert!(why.contains("there is no folder") && why.contains("nowhere"), "{why}");
    }

    #[tokio::test]
    async fn a_folder_is_not_a_store() {
        let folder = tempfile::tempdir().unwrap();
        let (_, why) = why_not(&format!("sqlite:{}", folder.path().display())).await;
        assert!(why.contains("folder"), "{why}");
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stock.csv");
        let content = "EAN;PV\n".repeat(1_000);
        std::fs::write(&path, &content).unwrap();
        let answer = store::open(&format!("sqlite:{}", path.display())).await;
        let Err(StoreError::Corrupt(why)) = answer else { panic!("{answer:?}") };
        assert!(why.contains("not a SQLite database") && why.contains("stock.csv"), "{why}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }

    #[tokio::test]
    async fn an_unknown_scheme_does_not_show_the_password() {
        let (place, why) = why_not("mysql://root:secret@localhost/db").await;
        assert!(!format!("{place}{why}").contains("secret"));
        assert!(why.contains("sqlite:") && why.contains("postgres://"), "{why}");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_named_without_the_password() {
        // Port 1 of this machine: nobody listens.
        let (place, why) = why_not("postgres://gateway:secret@127.0.0.1:1/passerelle").await;
        assert_eq!(place, "PostgreSQL 127.0.0.1:1/passerelle");
        assert!(!why.contains("secret") && why.contains("refused"), "{why}");
        let (place, why) = why_not("postgres://gateway:secret@[broken/passerelle").await;
        assert!(!format!("{place}{why}").contains("secret"), "{place} {why}");
    }

    #[tokio::test]
    async fn a_file_kept_locked_by_another_program_is_unavailable() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("store.db").display());
        let store = store::open(&url).await.unwrap();
        let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        assert_eq!(store.connections().await.unwrap(), [], "reading goes on");
        let answer = store.ping().await;
        let Err(StoreError::Unavailable { place, why }) = answer else { panic!("{answer:?}") };
        assert!(place.contains("store.db") && why.contains("locked"), "{place}: {why}");
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        store.ping().await.unwrap();
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn files_are_readable_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let store = store::open(&format!("sqlite:{}", folder.path().join("store.db").display())).await.unwrap();
        store.ping().await.unwrap();
        let mut names = Vec::new();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
            names.push(file.file_name());
        }
        assert!(names.len() >= 2, "the log is there too: {names:?}");
    }

    #[tokio::test]
    async fn a_store_in_memory_works_until_it_is_closed() {
        let store = store::open("sqlite::memory:").await.unwrap();
        let lease = leased(&*store, "shop").await;
        store.save_state(&lease, &ConnectionState::default()).await.unwrap();
        assert_eq!(store.connections().await.unwrap().len(), 1);
        assert_eq!(store::open("sqlite::memory:").await.unwrap().connections().await.unwrap(), []);
    }
}
