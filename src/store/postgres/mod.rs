//! The store on PostgreSQL: several nodes, one database.
//!
//! Rows that are read in order to be changed are locked (`FOR UPDATE`), a connection's lease first, so that transactions
//! take locks in one order. What becomes due is announced to every node when the transaction commits.

use std::time::Duration;

use passerelle_contract::BoxFuture;
use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool, Transaction};
use tokio::sync::watch;

use super::open::{check_compatibility, migration_error};
use super::turns::Turns;
use super::{StoreError, WakeUps};

type Db = sqlx::Postgres;
type Row = sqlx::postgres::PgRow;
type Engine = PostgresStore;

static MIGRATIONS: Migrator = Migrator { ignore_missing: true, ..sqlx::migrate!("./schemas/migrations/postgres") };

/// Channel on which what becomes due is announced.
const CHANNEL: &str = "passerelle_due";
/// Connections of one node; one of them listens in `serve`.
const CONNECTIONS: u32 = 10;
/// How long to wait for a free connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// Limits of a session, in milliseconds: waiting for a row, and leaving a transaction open, which only a dead or stopped
/// node does.
const LIMITS: [(&str, &str); 2] = [("lock_timeout", "10000"), ("idle_in_transaction_session_timeout", "30000")];

/// Locks the rows read until the transaction ends.
macro_rules! for_update {
    () => {
        " FOR UPDATE"
    };
}

/// Locks the rows read, passing over those that somebody else has locked.
macro_rules! skip_locked {
    () => {
        " FOR UPDATE SKIP LOCKED"
    };
}

/// Membership in a list bound as one parameter, an array.
macro_rules! one_of {
    ($parameter:literal) => {
        concat!("= ANY(", $parameter, ")")
    };
}

fn numbers(values: impl Iterator<Item = i64>) -> Vec<i64> {
    values.collect()
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    values.map(str::to_owned).collect()
}

#[path = "../queries/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "the same queries, compiled for each engine")]
mod queries;

/// The store in one PostgreSQL database.
#[derive(Debug)]
pub(super) struct PostgresStore {
    place: String,
    pool: PgPool,
    turns: Turns,
    told: watch::Sender<()>,
}

impl PostgresStore {
    /// Connects and brings the tables up to date; an advisory lock lets one node at a time do so.
    pub(super) async fn open(url: &str) -> Result<Self, StoreError> {
        let options: PgConnectOptions = url.parse().map_err(|error: sqlx::Error| StoreError::Unavailable {
            place: "PostgreSQL".to_owned(),
            // Not the URL: it holds the password.
            why: match error {
                sqlx::Error::Configuration(why) => format!("the URL cannot be read: {why}"),
                _ => "the URL cannot be read".to_owned(),
            },
        })?;
        let place = place(&options);
        let at = |error: sqlx::Error| StoreError::from(error).at(&place);
        let options = options.application_name("passerelle").options(LIMITS);
        reach(&options).await.map_err(at)?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .connect_with(options)
            .await
            .map_err(at)?;
        MIGRATIONS.run(&pool).await.map_err(|error| migration_error(error, &place))?;
        let oldest_reader =
            sqlx::query_scalar("SELECT oldest_reader FROM compatibility").fetch_one(&pool).await.map_err(at)?;
        check_compatibility(oldest_reader, &place)?;
        Ok(Self { place, pool, turns: Turns::default(), told: watch::Sender::new(()) })
    }

    async fn reader(&self) -> Result<PoolConnection<Db>, StoreError> {
        Ok(self.pool.acquire().await?)
    }

    async fn begin(&self) -> Result<Transaction<'static, Db>, StoreError> {
        Ok(self.pool.begin().await?)
    }

    async fn commit(&self, transaction: Transaction<'static, Db>) -> Result<(), StoreError> {
        Ok(transaction.commit().await?)
    }

    fn fail(&self, error: StoreError) -> StoreError {
        error.at(&self.place)
    }

    /// Announced when the transaction commits.
    async fn wake(&self, c: &mut PgConnection, connection: &str) -> Result<(), StoreError> {
        sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(connection).execute(c).await?;
        Ok(())
    }

    fn committed(&self) {}

    /// Wakes those who deliver messages, when there are any.
    fn wake_delivery(&self, any: bool) {
        if any {
            self.told.send_replace(());
        }
    }

    fn listener(&self) -> Box<dyn WakeUps> {
        Box::new(Announced { place: self.place.clone(), pool: self.pool.clone(), listener: None })
    }
}

/// One connection outside the pool, which would only say that it timed out: this says why.
async fn reach(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    match tokio::time::timeout(PATIENCE, PgConnection::connect_with(options)).await {
        Ok(connection) => connection?.close().await,
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

fn place(options: &PgConnectOptions) -> String {
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    format!("PostgreSQL {host}/{}", options.get_database().unwrap_or_else(|| options.get_username()))
}

/// Wake-ups from every node.
struct Announced {
    place: String,
    pool: PgPool,
    listener: Option<PgListener>,
}

impl Announced {
    async fn next(&mut self) -> Result<(), sqlx::Error> {
        let Some(listener) = &mut self.listener else {
            let mut listener = PgListener::connect_with(&self.pool).await?;
            listener.listen(CHANNEL).await?;
            self.listener = Some(listener);
            // Whatever was announced before we listened is lost: have the caller look.
            return Ok(());
        };
        // Nothing means that the connection was lost and made anew: the same holds.
        listener.try_recv().await.map(|_| ())
    }
}

impl WakeUps for Announced {
    fn next(&mut self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let answer = Announced::next(self).await;
            if answer.is_err() {
                self.listener = None;
            }
            answer.map_err(|error| StoreError::from(error).at(&self.place))
        })
    }
}
