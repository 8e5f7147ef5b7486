//! One reading of the schedule for all sites of an account.
//!
//! The export tells of every site, and a chain has one connection for each: without this, seventy sites would read seventy times
//! the same megabytes. Whoever comes while one is being read waits for it; whoever comes within two minutes takes it over.
//!
//! Invariants: one export of an account is under way at a time; nobody is given an answer twice, so that who asks again hears
//! what is new; an answer from an earlier version holds all that one from a later version would.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use passerelle_contract::AdapterError;
use passerelle_kit::http::Answer;
use passerelle_kit::secret::Secret;
use sha2::{Digest as _, Sha256};

/// An answer is passed on for so long.
const FRESH: Duration = Duration::from_secs(120);

/// An account: its export, and a fingerprint of its credentials.
type Account = (String, String);

/// Accounts of this process that are in use.
static ACCOUNTS: LazyLock<Mutex<HashMap<Account, Weak<Exports>>>> = LazyLock::new(Mutex::default);

/// The exports of one account.
#[derive(Debug, Default)]
pub(crate) struct Exports(tokio::sync::Mutex<Option<Export>>);

#[derive(Debug)]
struct Export {
    /// The version that was asked for.
    since: u64,
    read: Instant,
    answer: Arc<Answer>,
    /// Sites that have it.
    given: HashSet<String>,
}

impl Exports {
    /// Those of an account; all connections of a process that name it with the same credentials share them.
    pub(crate) fn of(schedule: &str, authorization: &Secret) -> Arc<Self> {
        let mut accounts = ACCOUNTS.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.retain(|_, exports| exports.strong_count() > 0);
        let key = (schedule.to_owned(), hex::encode(Sha256::digest(authorization.expose())));
        if let Some(known) = accounts.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        let new = Arc::new(Self::default());
        accounts.insert(key, Arc::downgrade(&new));
        new
    }

    /// What changed since a version, for one site: as another site has just read it, or read now. An answer that is not whole
    /// is not passed on: the next one asks again.
    pub(crate) async fn since(
        &self,
        version: u64,
        site: &str,
        is_whole: impl FnOnce(&Answer) -> bool,
        read: impl Future<Output = Result<Answer, AdapterError>>,
    ) -> Result<Arc<Answer>, AdapterError> {
        let mut last = self.0.lock().await;
        if let Some(export) = last.as_mut().filter(|export| export.serves(version))
            && export.given.insert(site.to_owned())
        {
            return Ok(Arc::clone(&export.answer));
        }
        let answer = Arc::new(read.await?);
        if is_whole(&answer) {
            let given = HashSet::from([site.to_owned()]);
            *last = Some(Export { since: version, read: Instant::now(), answer: Arc::clone(&answer), given });
        }
        Ok(answer)
    }
}

impl Export {
    fn serves(&self, version: u64) -> bool {
        self.since <= version && self.read.elapsed() < FRESH
    }
}
