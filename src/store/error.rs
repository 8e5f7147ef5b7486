//! What can go wrong in the store, and how an engine's own errors become that.

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another worker has taken the connection over; what was being done must stop.
    #[error("the lease of `{connection}` was taken over; this pass stops")]
    Fenced {
        /// The connection.
        connection: String,
    },
    /// The database cannot be opened or reached, or is busy beyond its time limit.
    #[error("the store at {place} is not available: {why}")]
    Unavailable {
        /// Engine and place, without credentials.
        place: String,
        /// What the engine said.
        why: String,
    },
    /// The store was written by a newer release than this one can read, or is damaged.
    #[error("the store cannot be read: {0}")]
    Corrupt(String),
    /// A value that the store has no room for; a mistake of the caller.
    #[error("the store cannot hold this: {0}")]
    Invalid(String),
    /// Something was to be stored for a connection that was never applied, or was removed meanwhile.
    #[error("there is no connection `{connection}`")]
    UnknownConnection {
        /// The connection.
        connection: String,
    },
    /// Anything else the engine refused.
    #[error("the store refused a statement: {0}")]
    Engine(#[source] sqlx::Error),
}

impl StoreError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Fenced { .. } => "LeaseLost",
            Self::Unavailable { .. } => "StoreUnavailable",
            Self::Corrupt(_) => "StoreUnreadable",
            Self::Invalid(_) => "StoreValue",
            Self::UnknownConnection { .. } => "UnknownConnection",
            Self::Engine(_) => "StoreRefused",
        }
    }

    pub(super) fn fenced(connection: &str) -> Self {
        Self::Fenced { connection: connection.to_owned() }
    }

    pub(super) fn unknown(connection: &str) -> Self {
        Self::UnknownConnection { connection: connection.to_owned() }
    }

    /// Gives an engine's error its place and its class; others pass as they are.
    pub(super) fn at(self, place: &str) -> Self {
        let Self::Engine(error) = self else { return self };
        if let Some(why) = damage(&error) {
            return Self::Corrupt(format!("{place}: {why}"));
        }
        match absence(&error) {
            Some(why) => Self::Unavailable { place: place.to_owned(), why },
            None => Self::Engine(error),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { index, source } => Self::Corrupt(format!("column {index}: {source}")),
            other => Self::Engine(other),
        }
    }
}

/// The primary SQLite result code (<https://sqlite.org/rescode.html>), when SQLite it is.
fn sqlite_code(error: &dyn sqlx::error::DatabaseError) -> Option<i32> {
    error.try_downcast_ref::<sqlx::sqlite::SqliteError>()?;
    // The extended code's low byte is the primary one.
    error.code()?.parse::<i32>().ok().map(|code| code & 0xff)
}

/// Why the database cannot be trusted, when that is what the engine says.
fn damage(error: &sqlx::Error) -> Option<String> {
    let database = error.as_database_error()?;
    match sqlite_code(database)? {
        11 => Some(format!("the file is damaged ({}); restore a copy", database.message())),
        26 => Some("the file is not a SQLite database; name another file in `[store] url`".to_owned()),
        _ => None,
    }
}

/// Why the database does not answer, when that is what the engine says.
fn absence(error: &sqlx::Error) -> Option<String> {
    match error {
        sqlx::Error::Io(source) => Some(source.to_string()),
        sqlx::Error::Tls(source) => Some(format!("TLS: {source}")),
        sqlx::Error::PoolTimedOut => {
            Some("no connection within the time limit: the database is down, or busy".to_owned())
        }
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Some("it was closed".to_owned()),
        sqlx::Error::Protocol(why) => Some(why.clone()),
        sqlx::Error::Configuration(why) => Some(why.to_string()),
        sqlx::Error::Database(database) => match sqlite_code(database.as_ref()) {
            Some(code) => sqlite_absence(code, database.message()),
            None => postgres_absence(database.code().as_deref()?, database.message()),
        },
        _ => None,
    }
}

fn sqlite_absence(code: i32, message: &str) -> Option<String> {
    match code {
        5 | 6 => Some("another process keeps it locked; try again, or see who has it open".to_owned()),
        8 => Some("it is read-only; give this user the right to write the file and its folder".to_owned()),
        10 | 13 | 14 => Some(format!("{message}; check the disk and the rights of the folder")),
        23 => Some("access was refused".to_owned()),
        _ => None,
    }
}

/// By class of SQLSTATE: 08 connection, 28 sign-in, 3D no such database, 53 resources, 55P03 lock timeout, 57 operator
/// intervention (shutting down, cancelled by a time limit), 58 system; 25006 is a read-only server.
fn postgres_absence(state: &str, message: &str) -> Option<String> {
    let known =
        matches!(state.get(..2), Some("08" | "28" | "3D" | "53" | "57" | "58")) || matches!(state, "55P03" | "25006");
    known.then(|| format!("{message} ({state})"))
}
