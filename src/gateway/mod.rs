//! What every command works with, opened once: the store, pass Culture's clients, the adapters.
//!
//! Opening is cheap and offline but for the store. Secrets are read when the client or the adapter that needs them is made, so that
//! a missing key of one account does not stop another's.

pub mod chains;
mod house;
mod message_urls;
mod places;
mod receivers;
pub mod schedule;
mod sessions;
pub mod settling;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use passerelle_contract::{Adapter, Context, Sector, SessionKeeper};

use url::Url;

use crate::catalogue::lease::{self, Held, Taken};
use crate::catalogue::pass::Reader;
use crate::catalogue::progress::Progress;
use crate::config::{Account, Config, DEFAULT_RESEND_AFTER, Problem};
use crate::passculture::{Client, Settings};
use crate::registry;
use crate::store::{self, Applied, ConnectionRecord, ConnectionState, Millis, Owner, Store, StoreError};

/// What two connections of one venue may not both state.
const STOCK: &str = "stocks";
const SHOWS: &str = "shows";

pub use house::{desk, reconciler};
pub use message_urls::{CONNECTION_IN_ADDRESS, Registered, Strayed};
pub use receivers::Receiver;
pub use sessions::StoredSessions;

/// The gateway of one process.
#[derive(Debug)]
pub struct Gateway {
    /// The store.
    pub store: Arc<dyn Store>,
    /// pass Culture accounts as configured.
    pub accounts: BTreeMap<String, Account>,
    /// This process, for leases.
    pub owner: Owner,
    /// The clock.
    pub now: fn() -> Millis,
    /// Where pass Culture reaches this gateway, when messages are taken.
    public_url: Option<Url>,
    base_dir: PathBuf,
    /// Connections as the configuration file has them, for commands that read: they write no settings.
    declared: Declared,
    clients: Mutex<BTreeMap<String, Client>>,
    adapters: house::Adapters,
    message_keys: house::MessageKeys,
    receivers: receivers::Receivers,
}

/// What a command that only reads knows of the configuration file.
#[derive(Debug, Default)]
struct Declared {
    connections: BTreeMap<String, ConnectionRecord>,
    /// Do they win over what is stored, or do they only stand for what was never applied?
    wins: bool,
}

/// Why a command cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration is wrong; every problem is listed.
    #[error("the configuration has {} problem(s)", .0.len())]
    Configuration(Vec<Problem>),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No connection has this id.
    #[error("there is no connection `{0}`; `passerelle connections list` names them")]
    NoSuchConnection(String),
    /// Somebody else is at work on it.
    #[error(
        "connection `{connection}` is held by {purpose} (process {pid}) until {until}; try again, or stop that process"
    )]
    Busy {
        /// The connection.
        connection: String,
        /// What the holder does.
        purpose: String,
        /// Its process.
        pid: u32,
        /// When the lease runs out.
        until: String,
    },
    /// An operator paused it.
    #[error("connection `{0}` is paused; `passerelle connections resume {0}` lets it go on")]
    Paused(String),
}

impl Gateway {
    /// Opens the store of a configuration.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub async fn open(config: &Config, purpose: &str) -> Result<Self, OpenError> {
        let store = store::open(&config.store_url).await?;
        Ok(Self {
            store,
            accounts: config.accounts.clone(),
            owner: Owner::current(purpose),
            now: crate::clock::now,
            public_url: config.server.public_url.clone(),
            base_dir: config.base_dir.clone(),
            declared: Declared::default(),
            clients: Mutex::new(BTreeMap::new()),
            adapters: house::Adapters::default(),
            message_keys: house::MessageKeys::default(),
            receivers: receivers::Receivers::default(),
        })
    }

    /// The gateway of a command that writes no settings. What the file declares stands beside what is stored: it wins where the command
    /// is about what would happen (`wins`), and else stands for what was never applied. Answers the ids that differ.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn reading(
        mut self,
        declared: &[ConnectionRecord],
        wins: bool,
    ) -> Result<(Self, Vec<String>), OpenError> {
        let stored = self.store.connections().await?;
        let known: HashMap<&str, &ConnectionRecord> = stored.iter().map(|known| (known.id.as_str(), known)).collect();
        let mut differing = Vec::new();
        let mut connections = BTreeMap::new();
        for one in declared {
            let paused = known.get(one.id.as_str()).is_some_and(|known| known.paused);
            let one = ConnectionRecord { paused, ..one.clone() };
            if known.get(one.id.as_str()).is_none_or(|known| **known != one) {
                differing.push(one.id.clone());
                connections.insert(one.id.clone(), one);
            }
        }
        self.declared = Declared { connections, wins };
        Ok((self, differing))
    }

    /// Every connection: as stored, or as the file has it (see [`Gateway::reading`]).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn connections(&self) -> Result<Vec<ConnectionRecord>, OpenError> {
        let mut all: BTreeMap<String, ConnectionRecord> =
            self.store.connections().await?.into_iter().map(|one| (one.id.clone(), one)).collect();
        for (id, one) in &self.declared.connections {
            if self.declared.wins || !all.contains_key(id) {
                all.insert(id.clone(), one.clone());
            }
        }
        Ok(all.into_values().collect())
    }

    /// Checks connections with their adapters, then creates or changes them. All or nothing: with one problem, none is applied.
    ///
    /// # Errors
    /// Every problem of every connection.
    pub async fn apply(&self, connections: &[ConnectionRecord]) -> Result<Vec<(String, Applied)>, OpenError> {
        self.apply_some(connections, |_| true).await
    }

    /// The same for those that are not stored as they are. What is stored was checked when it was, and thousands of adapters are
    /// not made to show a list.
    ///
    /// # Errors
    /// Every problem of what is new or changed.
    pub async fn apply_changed(&self, connections: &[ConnectionRecord]) -> Result<(), OpenError> {
        self.apply_some(connections, |is_stored| !is_stored).await.map(drop)
    }

    async fn apply_some(
        &self,
        connections: &[ConnectionRecord],
        is_checked: impl Fn(bool) -> bool,
    ) -> Result<Vec<(String, Applied)>, OpenError> {
        let stored = self.store.connections().await?;
        let known: HashMap<&str, &ConnectionRecord> = stored.iter().map(|known| (known.id.as_str(), known)).collect();
        let is_stored = |new: &ConnectionRecord| {
            known
                .get(new.id.as_str())
                .is_some_and(|known| **known == ConnectionRecord { paused: known.paused, ..new.clone() })
        };
        let checked: Vec<&ConnectionRecord> = connections.iter().filter(|new| is_checked(is_stored(new))).collect();
        let problems: Vec<Problem> = checked.iter().copied().flat_map(settings_problems).collect();
        if !problems.is_empty() {
            return Err(OpenError::Configuration(problems));
        }
        self.check_one_source_per_venue(&stored, connections, &checked)?;
        self.check_adapters_stay(&known, &checked).await?;
        let mut applied = Vec::with_capacity(connections.len());
        for connection in connections {
            if is_stored(connection) {
                applied.push((connection.id.clone(), Applied::Unchanged));
                continue;
            }
            let what = self.store.apply_connection(connection, (self.now)()).await?;
            if matches!(what, Applied::Changed(_)) {
                // Its address or its secret may be right now: whoever was not spoken to any more is tried again.
                self.store.reopen_endpoint(&connection.id, (self.now)()).await?;
            }
            applied.push((connection.id.clone(), what));
        }
        Ok(applied)
    }

    /// Tickets can be voided, and lost sales found, by the adapter that sold them alone: under the same id another one would leave
    /// their seats to nobody.
    async fn check_adapters_stay(
        &self,
        known: &HashMap<&str, &ConnectionRecord>,
        checked: &[&ConnectionRecord],
    ) -> Result<(), OpenError> {
        let mut problems = Vec::new();
        for connection in checked {
            let Some(known) = known.get(connection.id.as_str()) else { continue };
            if known.adapter == connection.adapter {
                continue;
            }
            let open = self.store.bookings_of_its_adapter(&connection.id).await?;
            if open > 0 {
                problems.push(Problem::new(
                    format!("connection.{}.adapter", connection.id),
                    format!(
                        "LiveTickets: {open} booking(s) were sold through `{}` and only it can void them; keep `adapter = \"{}\"` \
                         until they are over (`passerelle bookings list --connection {}`), and declare `{}` under another id",
                        known.adapter, known.adapter, connection.id, connection.adapter
                    ),
                ));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(OpenError::Configuration(problems)) }
    }

    /// Two sources of one venue's stock, or of its shows, would overwrite each other at random. Looks at the venues of what is
    /// checked; what a connection states is asked only where several share one.
    fn check_one_source_per_venue(
        &self,
        stored: &[ConnectionRecord],
        connections: &[ConnectionRecord],
        checked: &[&ConnectionRecord],
    ) -> Result<(), OpenError> {
        let place = |connection: &ConnectionRecord| {
            let venue = connection.venue.map(|id| id.to_string()).or_else(|| connection.siret.clone());
            (connection.account.clone(), venue.unwrap_or_default())
        };
        let of_checked: HashSet<(String, String)> = checked.iter().map(|connection| place(connection)).collect();
        let given: HashSet<&str> = connections.iter().map(|connection| connection.id.as_str()).collect();
        let unchanged = stored.iter().filter(|known| !given.contains(known.id.as_str()));
        let mut there: BTreeMap<(String, String), Vec<&ConnectionRecord>> = BTreeMap::new();
        for connection in unchanged.chain(connections) {
            let place = place(connection);
            if of_checked.contains(&place) {
                there.entry(place).or_default().push(connection);
            }
        }
        let mut problems = Vec::new();
        for ((_, venue), several) in there.into_iter().filter(|(_, several)| several.len() > 1) {
            let mut seen: BTreeMap<&'static str, &str> = BTreeMap::new();
            for connection in several {
                for what in self.states(connection) {
                    let Some(other) = seen.insert(what, &connection.id) else { continue };
                    problems.push(Problem::new(
                        format!("connection.{}.venue", connection.id),
                        format!(
                            "the {what} of venue {venue} come from connection `{other}` already; two sources would overwrite \
                             each other"
                        ),
                    ));
                }
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(OpenError::Configuration(problems)) }
    }

    /// What a connection states of its venue; by its adapter's sector while its settings do not work (a secret that only the
    /// server can read).
    fn states(&self, connection: &ConnectionRecord) -> Vec<&'static str> {
        let Ok(adapter) = self.adapter(connection) else {
            let sector = registry::find(&connection.adapter).map(|adapter| adapter.sector);
            return vec![if sector == Some(Sector::Bookseller) { STOCK } else { SHOWS }];
        };
        let stock = adapter.stock().is_some() || adapter.push_intake().is_some();
        let shows = adapter.screenings().is_some() || adapter.states_shows();
        [(stock, STOCK), (shows, SHOWS)].into_iter().filter_map(|(states, what)| states.then_some(what)).collect()
    }

    /// The client of an account, made once, with a request counter of its own.
    ///
    /// # Errors
    /// When the account is not configured or its key cannot be read.
    pub fn client(&self, account: &str) -> Result<Client, OpenError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(account) {
            return Ok(client.counting_anew());
        }
        let told = |place: String, message: String| OpenError::Configuration(vec![Problem::new(place, message)]);
        let Some(configured) = self.accounts.get(account) else {
            return Err(told(
                "passculture".to_owned(),
                format!("account `{account}` is not configured; add [passculture] with base_url and api_key"),
            ));
        };
        let api_key = configured
            .api_key
            .resolve(&self.base_dir)
            .map_err(|why| told(format!("passculture ({account}).api_key"), why.to_string()))?;
        let settings = Settings {
            account: account.to_owned(),
            base_url: configured.base_url.clone(),
            api_key: api_key.expose().into(),
            requests_per_minute: configured.requests_per_minute,
        };
        let client = Client::new(settings, Arc::new(Arc::clone(&self.store)), Arc::new(self.now))
            .map_err(|why| told(format!("passculture ({account})"), why.to_string()))?
            .with_resend_after(configured.resend_after);
        clients.insert(account.to_owned(), client.clone());
        Ok(client.counting_anew())
    }

    /// How long an account's upserts that do not show are waited for before they are sent again.
    #[must_use]
    pub fn resend_after(&self, account: &str) -> Duration {
        self.accounts.get(account).map_or(DEFAULT_RESEND_AFTER, |configured| configured.resend_after)
    }

    /// A connection, as stored or as the file has it (see [`Gateway::reading`]).
    ///
    /// # Errors
    /// When there is none with this id.
    pub async fn connection(&self, id: &str) -> Result<ConnectionRecord, OpenError> {
        let declared = self.declared.connections.get(id);
        if let Some(declared) = declared.filter(|_| self.declared.wins) {
            return Ok(declared.clone());
        }
        let stored = self.store.connection(id).await?;
        stored.or_else(|| declared.cloned()).ok_or_else(|| OpenError::NoSuchConnection(id.to_owned()))
    }

    /// Connections by their ids; a chain's id stands for all of its sites.
    ///
    /// # Errors
    /// When an id is neither.
    pub async fn named(&self, ids: &[String]) -> Result<Vec<ConnectionRecord>, OpenError> {
        let all = self.connections().await?;
        let mut named: Vec<ConnectionRecord> = Vec::new();
        for id in ids {
            let of = |record: &&ConnectionRecord| record.id == *id || record.chain.as_deref() == Some(id);
            let before = named.len();
            let new: Vec<&ConnectionRecord> = all.iter().filter(of).collect();
            if new.is_empty() {
                return Err(OpenError::NoSuchConnection(id.clone()));
            }
            for record in new {
                if named.iter().take(before).all(|known| known.id != record.id) {
                    named.push(record.clone());
                }
            }
        }
        Ok(named)
    }

    /// Takes a connection's lease, waiting up to `patience` for another worker to finish.
    ///
    /// # Errors
    /// [`OpenError::Busy`] when somebody alive still has it.
    pub async fn lease(&self, connection: &str, patience: std::time::Duration) -> Result<Held, OpenError> {
        let until = tokio::time::Instant::now() + patience;
        loop {
            match lease::take(&self.store, connection, &self.owner, self.now).await? {
                Taken::Ours(held) => return Ok(held),
                Taken::Unknown => return Err(OpenError::NoSuchConnection(connection.to_owned())),
                Taken::Theirs(by, runs_out) if tokio::time::Instant::now() >= until => {
                    return Err(OpenError::Busy {
                        connection: connection.to_owned(),
                        purpose: by.purpose,
                        pid: by.pid,
                        until: crate::clock::show(runs_out),
                    });
                }
                Taken::Theirs(..) => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
            }
        }
    }

    /// Reads a connection.
    #[must_use]
    pub fn reader<'a>(
        &'a self,
        connection: &'a ConnectionRecord,
        adapter: &'a dyn Adapter,
        progress: &'a dyn Progress,
    ) -> Reader<'a> {
        Reader { store: &self.store, connection, adapter, progress }
    }
}

/// Builds a connection's adapter. `sessions` keeps what it shares with other processes; an adapter that is only looked at needs
/// none.
///
/// # Errors
/// Every problem of its settings, secrets that cannot be read included.
pub fn adapter(
    connection: &ConnectionRecord,
    sessions: Option<Arc<dyn SessionKeeper>>,
) -> Result<Arc<dyn Adapter>, Vec<Problem>> {
    let Some(descriptor) = registry::find(&connection.adapter) else {
        let known: Vec<&str> = registry::ADAPTERS.iter().map(|adapter| adapter.id).collect();
        return Err(vec![Problem::new(
            format!("connection.{}.adapter", connection.id),
            format!("`{}` is not an adapter; known: {}", connection.adapter, known.join(", ")),
        )]);
    };
    let context = Context {
        connection: connection.id.clone(),
        allow_private_addresses: connection.allow_private_addresses,
        base_dir: connection.base_dir.clone().into(),
        sessions,
        ..Context::default()
    };
    (descriptor.connect)(&connection.settings, context).map_err(|error| {
        error
            .problems
            .into_iter()
            .map(|problem| {
                Problem::new(format!("connection.{}.settings.{}", connection.id, problem.path), problem.message)
            })
            .collect()
    })
}

fn settings_problems(connection: &ConnectionRecord) -> Vec<Problem> {
    adapter(connection, None).err().unwrap_or_default()
}

/// How a connection is, in one word.
#[must_use]
pub const fn condition(connection: &ConnectionRecord, state: &ConnectionState, held: bool) -> &'static str {
    if connection.paused {
        "paused"
    } else if held {
        "held"
    } else if state.failures > 0 {
        "failing"
    } else if state.last_success_at.is_none() {
        "new"
    } else {
        "in step"
    }
}

/// The promised JSON form of a connection.
#[must_use]
pub fn connection_object(connection: &ConnectionRecord, state: &ConnectionState, held: bool) -> serde_json::Value {
    serde_json::json!({
        "event": "connection",
        "id": connection.id,
        "chain": connection.chain,
        "adapter": connection.adapter,
        "account": connection.account,
        "venue": state.venue_id.or(connection.venue),
        "siret": connection.siret,
        "every_seconds": connection.every_seconds,
        "state": condition(connection, state, held),
        "paused": connection.paused,
        "held": held,
        "failures": state.failures,
        "last_success": state.last_success_at.map(crate::clock::show),
        "last_error": state.last_error,
    })
}
