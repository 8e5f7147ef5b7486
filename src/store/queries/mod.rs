//! The queries, written once and compiled for each engine.
//!
//! `sqlite/mod.rs` and `postgres/mod.rs` both include this module; `super` is the engine. It gives: the types `Db`, `Row`
//! and `Engine`; `Engine::{reader, begin, commit, committed, fail, wake, listener}`; the macros `for_update!` (a row lock, where there are several
//! writers) and `one_of!` (membership in a list bound as one parameter) with `numbers` and `texts` to bind that list.
//!
//! Invariants: each method is one transaction; a transaction that writes a connection's state under a lease locks and checks
//! that lease first (`leases::check`), so that all of them take their locks in the same order.

mod ahead;
mod availability;
mod connections;
mod held;
mod inbound;
mod leases;
mod ledger;
mod probes;
mod quarantine;
mod queue;
mod shared;
mod state;

use std::time::Duration;

use passerelle_contract::{BoxFuture, Ean};

use super::{Db, Engine, Row};
use crate::store::budget::Rate;
use crate::store::ledger::{StoredPage, Totals};
use crate::store::{
    Ahead, Applied, AvailabilityRow, ConnectionRecord, ConnectionState, DueConnection, HeldPlan, HeldValue, Inbound,
    KnownConnection, Lease, LeaseAnswer, LedgerTurn, Millis, Owner, PassRecord, ProbeRecord, QuarantineRow, Store,
    StoreError, Traffic, VenueQueue, WakeUps,
};

type Connection = <Db as sqlx::Database>::Connection;

/// Rows of one multi-row `INSERT`: ten columns stay well below SQLite's 32 766 and PostgreSQL's 65 535 parameters.
/// Only full statements are kept prepared: the others differ each time.
const ROWS_PER_STATEMENT: usize = 1_000;

/// Runs one query on a reading connection.
macro_rules! read {
    ($engine:ident, $connection:ident => $query:expr) => {
        Box::pin(async move {
            let answer = async {
                let mut held = $engine.reader().await?;
                let $connection: &mut Connection = &mut held;
                $query.await
            };
            answer.await.map_err(|error: StoreError| $engine.fail(error))
        })
    };
}

/// Runs queries in one writing transaction.
macro_rules! write {
    ($engine:ident, $connection:ident => $query:expr) => {
        Box::pin(async move {
            let answer = async {
                let mut transaction = $engine.begin().await?;
                let $connection: &mut Connection = &mut transaction;
                let answer: Result<_, StoreError> = $query.await;
                let answer = answer?;
                $engine.commit(transaction).await?;
                $engine.committed();
                Ok(answer)
            };
            answer.await.map_err(|error: StoreError| $engine.fail(error))
        })
    };
}

/// As `write!`, refused unless the lease is still the newest.
macro_rules! write_under {
    ($engine:ident, $lease:ident, $connection:ident => $query:expr) => {
        write!($engine, $connection => async {
            leases::check($connection, $lease).await?;
            $query.await
        })
    };
}

// After the macros that they use.
mod allotments;
mod bookings;
mod countermarks;
mod events;
mod history;
mod listings;
mod messages;
mod products;
mod servers;
mod sessions;

impl Store for Engine {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        write!(self, c => shared::beat(c))
    }

    fn apply_connection<'a>(
        &'a self,
        connection: &'a ConnectionRecord,
        now: Millis,
    ) -> BoxFuture<'a, Result<Applied, StoreError>> {
        write!(self, c => async {
            let applied = connections::apply(c, connection, now).await?;
            if applied != Applied::Unchanged {
                self.wake(c, &connection.id).await?;
            }
            Ok(applied)
        })
    }

    fn connections(&self) -> BoxFuture<'_, Result<Vec<ConnectionRecord>, StoreError>> {
        read!(self, c => connections::all(c))
    }

    fn known_connections(&self) -> BoxFuture<'_, Result<Vec<KnownConnection>, StoreError>> {
        read!(self, c => connections::known(c))
    }

    fn connection<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<ConnectionRecord>, StoreError>> {
        read!(self, c => connections::one(c, id))
    }

    fn make_due<'a>(&'a self, id: &'a str, now: Millis) -> BoxFuture<'a, Result<bool, StoreError>> {
        write!(self, c => async {
            let found = connections::one(c, id).await?.is_some();
            if found {
                connections::make_due(c, id, now).await?;
                self.wake(c, id).await?;
            }
            Ok(found)
        })
    }

    fn set_paused<'a>(&'a self, id: &'a str, paused: bool, now: Millis) -> BoxFuture<'a, Result<bool, StoreError>> {
        write!(self, c => async {
            let found = connections::set_paused(c, id, paused, now).await?;
            if found && !paused {
                self.wake(c, id).await?;
            }
            Ok(found)
        })
    }

    fn remove_connection<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<bool, StoreError>> {
        write!(self, c => connections::remove(c, lease))
    }

    fn state<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<ConnectionState, StoreError>> {
        read!(self, c => state::read(c, connection))
    }

    fn save_state<'a>(&'a self, lease: &'a Lease, state: &'a ConnectionState) -> BoxFuture<'a, Result<(), StoreError>> {
        write_under!(self, lease, c => state::save(c, lease, state))
    }

    fn due_connections(&self, now: Millis, limit: u32) -> BoxFuture<'_, Result<Vec<DueConnection>, StoreError>> {
        read!(self, c => state::due(c, now, limit))
    }

    fn is_due<'a>(&'a self, connection: &'a str, now: Millis) -> BoxFuture<'a, Result<bool, StoreError>> {
        read!(self, c => state::is_due(c, connection, now))
    }

    fn acquire_lease<'a>(
        &'a self,
        connection: &'a str,
        owner: &'a Owner,
        now: Millis,
        ttl: Duration,
        is_dead: &'a (dyn Fn(&Owner) -> bool + Sync),
    ) -> BoxFuture<'a, Result<LeaseAnswer, StoreError>> {
        Box::pin(async move {
            leases::acquire(self, connection, owner, now, ttl, is_dead).await.map_err(|error| self.fail(error))
        })
    }

    fn renew_lease<'a>(
        &'a self,
        lease: &'a Lease,
        now: Millis,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        write!(self, c => leases::renew(c, lease, now, ttl))
    }

    fn release_lease<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StoreError>> {
        write!(self, c => leases::release(c, lease))
    }

    fn ledger_pages<'a>(
        &'a self,
        connection: &'a str,
        from: Ean,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<StoredPage>, StoreError>> {
        read!(self, c => ledger::pages(c, connection, from, limit))
    }

    fn ledger_pages_at_work<'a>(
        &'a self,
        connection: &'a str,
        from: Ean,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<StoredPage>, StoreError>> {
        read!(self, c => ledger::pages_at_work(c, connection, from, limit))
    }

    fn ledger_index<'a>(
        &'a self,
        connection: &'a str,
        from: Ean,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Ean>, StoreError>> {
        read!(self, c => ledger::index(c, connection, from, limit))
    }

    fn ledger_pages_at<'a>(
        &'a self,
        connection: &'a str,
        firsts: &'a [Ean],
    ) -> BoxFuture<'a, Result<Vec<StoredPage>, StoreError>> {
        read!(self, c => ledger::pages_at(c, connection, firsts))
    }

    fn ledger_totals<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<Totals, StoreError>> {
        read!(self, c => ledger::totals(c, connection))
    }

    fn ledger_turn<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, LedgerTurn> {
        Box::pin(self.turns.take(connection))
    }

    fn save_ledger<'a>(
        &'a self,
        lease: &'a Lease,
        remove: &'a [Ean],
        pages: &'a [StoredPage],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        write_under!(self, lease, c => ledger::save(c, &lease.connection, remove, pages))
    }

    fn venue_queue<'a>(
        &'a self,
        account: &'a str,
        venue: i64,
    ) -> BoxFuture<'a, Result<Option<VenueQueue>, StoreError>> {
        read!(self, c => queue::read(c, account, venue))
    }

    fn save_venue_queue<'a>(
        &'a self,
        lease: &'a Lease,
        account: &'a str,
        venue: i64,
        queue: &'a VenueQueue,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        write_under!(self, lease, c => queue::save(c, account, venue, queue))
    }

    fn held<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<Option<HeldPlan>, StoreError>> {
        read!(self, c => held::read(c, connection))
    }

    fn set_held<'a>(&'a self, lease: &'a Lease, held: Option<&'a HeldPlan>) -> BoxFuture<'a, Result<(), StoreError>> {
        write_under!(self, lease, c => held::set(c, &lease.connection, held))
    }

    fn held_values<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<Vec<HeldValue>, StoreError>> {
        read!(self, c => held::values(c, connection))
    }

    fn save_held_values<'a>(
        &'a self,
        lease: &'a Lease,
        values: &'a [HeldValue],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        write_under!(self, lease, c => held::save_values(c, &lease.connection, values))
    }

    fn record_pass<'a>(&'a self, pass: &'a PassRecord) -> BoxFuture<'a, Result<(), StoreError>> {
        write!(self, c => held::record_pass(c, pass))
    }

    fn passes<'a>(&'a self, connection: &'a str, limit: u32) -> BoxFuture<'a, Result<Vec<PassRecord>, StoreError>> {
        read!(self, c => held::passes(c, connection, limit))
    }

    fn write_quarantine<'a>(
        &'a self,
        lease: &'a Lease,
        first_ordinal: u64,
        rows: &'a [QuarantineRow],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        write_under!(self, lease, c => quarantine::write(c, &lease.connection, first_ordinal, rows))
    }

    fn quarantine<'a>(
        &'a self,
        connection: Option<&'a str>,
        from: Option<(String, u64)>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<QuarantineRow>, StoreError>> {
        read!(self, c => quarantine::list(c, connection, from, limit))
    }

    fn quarantine_by_key<'a>(
        &'a self,
        key: &'a str,
        ean: Option<Ean>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<QuarantineRow>, StoreError>> {
        read!(self, c => quarantine::by_key(c, key, ean, limit))
    }

    fn drop_quarantine<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<u64, StoreError>> {
        write!(self, c => quarantine::clear(c, connection))
    }

    fn availability<'a>(
        &'a self,
        account: &'a str,
        eans: &'a [Ean],
        not_before: Millis,
    ) -> BoxFuture<'a, Result<Vec<AvailabilityRow>, StoreError>> {
        read!(self, c => availability::known(c, account, eans, not_before))
    }

    fn save_availability<'a>(
        &'a self,
        account: &'a str,
        rows: &'a [AvailabilityRow],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        write!(self, c => availability::save(c, account, rows))
    }

    fn take_budget<'a>(
        &'a self,
        account: &'a str,
        traffic: Traffic,
        permits: u32,
        per_minute: u32,
        burst: u32,
        now: Millis,
    ) -> BoxFuture<'a, Result<Duration, StoreError>> {
        write!(self, c => async {
            let bucket = shared::lock_bucket(c, account).await?;
            let (bucket, wait) = bucket.take(traffic, permits, Rate { per_minute, burst }, now);
            if wait.is_zero() {
                shared::save_bucket(c, account, bucket).await?;
            }
            Ok(wait)
        })
    }

    fn block_budget<'a>(&'a self, account: &'a str, until: Millis) -> BoxFuture<'a, Result<(), StoreError>> {
        write!(self, c => async {
            let bucket = shared::lock_bucket(c, account).await?;
            shared::save_bucket(c, account, bucket.block(until)).await
        })
    }

    fn budget_left<'a>(
        &'a self,
        account: &'a str,
        per_minute: u32,
        burst: u32,
        now: Millis,
    ) -> BoxFuture<'a, Result<(Duration, u32), StoreError>> {
        read!(self, c => async {
            Ok(shared::bucket(c, account).await?.left(Rate { per_minute, burst }, now))
        })
    }

    fn store_inbound<'a>(
        &'a self,
        connection: &'a str,
        snapshot: bool,
        body: &'a [u8],
        idempotency_key: Option<&'a str>,
        now: Millis,
        max_waiting: u32,
    ) -> BoxFuture<'a, Result<Option<i64>, StoreError>> {
        let body = inbound::NewBody { connection, snapshot, body, idempotency_key, received_at: now };
        write!(self, c => async {
            let stored = inbound::store(c, &body, max_waiting).await?;
            if stored.is_some() {
                self.wake(c, connection).await?;
            }
            Ok(stored)
        })
    }

    fn inbound<'a>(&'a self, connection: &'a str, limit: u32) -> BoxFuture<'a, Result<Vec<Inbound>, StoreError>> {
        read!(self, c => inbound::oldest(c, connection, limit))
    }

    fn drop_inbound<'a>(&'a self, lease: &'a Lease, up_to: i64) -> BoxFuture<'a, Result<(), StoreError>> {
        write_under!(self, lease, c => inbound::forget(c, &lease.connection, up_to))
    }

    fn record_probe<'a>(&'a self, probe: &'a ProbeRecord) -> BoxFuture<'a, Result<ProbeRecord, StoreError>> {
        write!(self, c => probes::record(c, probe))
    }

    fn probes<'a>(&'a self, subject: Option<&'a str>) -> BoxFuture<'a, Result<Vec<ProbeRecord>, StoreError>> {
        read!(self, c => probes::last(c, subject))
    }

    fn probe_history<'a>(
        &'a self,
        subject: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<ProbeRecord>, StoreError>> {
        read!(self, c => probes::history(c, subject, limit))
    }

    fn ahead_of_connection<'a>(
        &'a self,
        connection: &'a str,
        now: Millis,
    ) -> BoxFuture<'a, Result<Vec<Ahead>, StoreError>> {
        read!(self, c => ahead::of_connection(c, connection, now))
    }

    fn ahead_of_account<'a>(&'a self, account: &'a str, now: Millis) -> BoxFuture<'a, Result<Vec<Ahead>, StoreError>> {
        read!(self, c => ahead::of_account(c, account, now))
    }

    fn wake_ups(&self) -> Box<dyn WakeUps> {
        self.listener()
    }
}

/// A number as the database has it, as the narrower one it was stored from.
fn narrow<T: TryFrom<i64>>(value: i64, what: &str) -> Result<T, StoreError> {
    T::try_from(value).map_err(|_| StoreError::Corrupt(format!("{what} {value} is out of range")))
}

/// A number of ours as the database takes it.
fn wide(value: u64, what: &str) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Invalid(format!("{what} {value} is too large")))
}

fn ean_from(value: i64) -> Result<Ean, StoreError> {
    let number = narrow(value, "EAN")?;
    Ean::from_u64(number).map_err(|error| StoreError::Corrupt(format!("EAN {number}: {error}")))
}

/// An EAN as the database takes it: it has 44 bits.
fn ean_to(ean: Ean) -> i64 {
    ean.as_u64().cast_signed()
}

/// PostgreSQL's text cannot hold NUL, vendors' files do.
fn text(value: &str) -> std::borrow::Cow<'_, str> {
    if value.contains('\0') { value.replace('\0', "\u{fffd}").into() } else { value.into() }
}

fn millis(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)
}
