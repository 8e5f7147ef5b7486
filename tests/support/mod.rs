//! Stores for tests: each test gets one of its own on either engine, gone afterwards.
//!
//! PostgreSQL comes from `tests/run`, which starts a throw-away server. Without it the tests that need one fail and say so;
//! none is skipped.

#![allow(dead_code, unused_macros, unused_imports, reason = "each test file takes what it needs")]

use std::future::Future;
use std::sync::Arc;

use passerelle::store::{self, ConnectionRecord, LEASE, Lease, LeaseAnswer, Millis, Owner, Store};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// Names the server that `tests/run` starts.
const VARIABLE: &str = "PASSERELLE_TEST_POSTGRES_URL";

/// The time at which tests begin.
pub(crate) const NOW: Millis = 1_760_000_000_000;

/// A place where a store can be opened, more than once.
#[derive(Clone)]
pub(crate) struct Place {
    /// What to give to `store::open`.
    pub(crate) url: String,
}

impl Place {
    /// Another handle on the same store, as another process would have it.
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        store::open(&self.url).await.expect("the store opens")
    }
}

/// Runs a test on a SQLite file of its own.
pub(crate) fn on_sqlite<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Place) -> F) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    runtime().block_on(test(Place { url }));
}

/// Runs a test on a PostgreSQL database of its own.
pub(crate) fn on_postgres<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Place) -> F) {
    let server = std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!("this test needs PostgreSQL: run `tests/run`, which starts a throw-away server (or set {VARIABLE})")
    });
    runtime().block_on(async move {
        let name = format!("passerelle_test_{}", uuid::Uuid::new_v4().simple());
        // The name is made here of letters and digits.
        administer(&server, format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        let mut url = url::Url::parse(&server).expect("the server's URL");
        url.set_path(&name);
        let outcome = tokio::spawn(test(Place { url: url.into() })).await;
        administer(&server, format!("DROP DATABASE {name} WITH (FORCE)")).await;
        if let Err(failure) = outcome {
            std::panic::resume_unwind(failure.into_panic());
        }
    });
}

async fn administer(server: &str, statement: String) {
    let mut connection = PgConnection::connect(server).await.expect("the server answers");
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.expect("the server obeys");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// Runs each of these `async fn(Place)` twice: as `sqlite::NAME` and as `postgres::NAME`. One that is not listed is dead code,
/// which the compiler reports.
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { crate::support::on_sqlite(super::$name); })*
        }

        mod postgres {
            $(#[test] fn $name() { crate::support::on_postgres(super::$name); })*
        }
    };
}
pub(crate) use on_both_engines;

/// A connection as most tests want it.
pub(crate) fn connection(id: &str) -> ConnectionRecord {
    ConnectionRecord {
        id: id.to_owned(),
        chain: None,
        adapter: "csv".to_owned(),
        account: "default".to_owned(),
        venue: Some(535),
        siret: None,
        every_seconds: 900,
        settings: serde_json::json!({ "path": "stock.csv", "columns": { "ean": "EAN13" } }),
        base_dir: "/srv/shop".to_owned(),
        allow_private_addresses: false,
        paused: false,
        guard: Default::default(),
    }
}

/// Ids of what is due.
pub(crate) async fn due(store: &dyn Store, now: i64, limit: u32) -> Vec<String> {
    store.due_connections(now, limit).await.unwrap().into_iter().map(|due| due.id).collect()
}

/// Applies `connection(id)` and takes its lease.
pub(crate) async fn leased(store: &dyn Store, id: &str) -> Lease {
    store.apply_connection(&connection(id), NOW).await.unwrap();
    match take(store, id, "test").await {
        LeaseAnswer::Granted(lease) => lease,
        other => panic!("{other:?}"),
    }
}

/// Asks for a lease under a new owner; nobody is dead.
pub(crate) async fn take(store: &dyn Store, id: &str, purpose: &str) -> LeaseAnswer {
    store.acquire_lease(id, &Owner::current(purpose), NOW, LEASE, &|_| false).await.unwrap()
}

/// A PostgreSQL database of its own for tests that run real processes; dropped at the end.
pub(crate) struct Database {
    /// What to give to `store::open`.
    pub(crate) url: String,
    name: String,
    server: String,
}

impl Database {
    /// Makes one on the server that `tests/run` starts.
    pub(crate) fn create() -> Self {
        let server = std::env::var(VARIABLE).unwrap_or_else(|_| {
            panic!("this test needs PostgreSQL: run `tests/run`, which starts a throw-away server (or set {VARIABLE})")
        });
        let name = format!("passerelle_test_{}", uuid::Uuid::new_v4().simple());
        runtime().block_on(administer(&server, format!("CREATE DATABASE {name} TEMPLATE template0")));
        let mut url = url::Url::parse(&server).expect("the server's URL");
        url.set_path(&name);
        Self { url: url.into(), name, server }
    }

    /// Cuts every connection to it, as a server that dies does to its clients.
    pub(crate) fn cut(&self) {
        let statement =
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", self.name);
        runtime().block_on(administer(&self.server, statement));
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        runtime().block_on(administer(&self.server, format!("DROP DATABASE {} WITH (FORCE)", self.name)));
    }
}
