//! The rows of a pass that stayed behind, on their way to the store.
//!
//! A shop's bad rows are mostly the same from pass to pass, so they are fingerprinted first and only written when they differ:
//! an unchanged pass writes nothing. Rows beyond [`MOST_IN_MEMORY`] are written as they come, rows beyond [`MOST_STORED`] are
//! only counted.

use passerelle_contract::{DataError, Ean, Position, Severity};
use xxhash_rust::xxh3::Xxh3;

use crate::rules::products::Reason;
use crate::store::{Lease, QuarantineRow, Store, StoreError};

/// Rows kept in memory until the pass is known to differ.
pub(super) const MOST_IN_MEMORY: usize = 5_000;
/// Rows stored for one connection; the rest is counted.
pub(super) const MOST_STORED: u64 = 100_000;
/// Rows written in one transaction.
const WRITE_AT_ONCE: usize = 1_000;

/// Collects the rows of one pass.
pub(super) struct Quarantine {
    connection: String,
    rows: Vec<QuarantineRow>,
    written: u64,
    next_ordinal: u64,
    /// Rows in all, stored or not.
    pub(super) total: u64,
    /// Rows that say that the source is damaged.
    pub(super) unreadable: u64,
    digest: Xxh3,
}

impl Quarantine {
    /// For one connection.
    #[must_use]
    pub(super) fn new(connection: &str) -> Self {
        Self {
            connection: connection.to_owned(),
            rows: Vec::new(),
            written: 0,
            next_ordinal: 0,
            total: 0,
            unreadable: 0,
            digest: Xxh3::new(),
        }
    }

    /// A row that the adapter could not read or rightly kept out.
    pub(super) fn poison(&mut self, error: DataError, ean: Option<Ean>) {
        if error.problem.severity == Severity::Unreadable {
            self.unreadable += 1;
        }
        let DataError { at, key, problem, message, message_fr, legible: _ } = error;
        self.push(at, key, ean, problem.code, message, message_fr);
    }

    /// A fact that the rules keep out.
    pub(super) fn rejected(&mut self, at: Position, ean: Ean, reason: &Reason) {
        self.push(
            at,
            Some(ean.to_string()),
            Some(ean),
            reason.code,
            reason.message.to_owned(),
            reason.message_fr.to_owned(),
        );
    }

    /// A showtime that the rules keep out, by its vendor's key.
    pub(super) fn kept_out(&mut self, at: Position, key: String, reason: &Reason) {
        if reason.severity == Severity::Unreadable {
            self.unreadable += 1;
        }
        self.push(at, Some(key), None, reason.code, reason.message.to_owned(), reason.message_fr.to_owned());
    }

    fn push(
        &mut self,
        at: Position,
        key: Option<String>,
        ean: Option<Ean>,
        code: &str,
        message: String,
        message_fr: String,
    ) {
        self.total += 1;
        if self.next_ordinal >= MOST_STORED {
            return;
        }
        let (line, entry) = match at {
            Position::Line(line) => (Some(line), None),
            Position::Entry { page, entry } => (None, Some((page, entry))),
        };
        self.digest.update(at.to_string().as_bytes());
        self.digest.update(code.as_bytes());
        self.digest.update(key.as_deref().unwrap_or("").as_bytes());
        self.digest.update(message.as_bytes());
        self.rows.push(QuarantineRow {
            connection: self.connection.clone(),
            ordinal: self.next_ordinal,
            line,
            entry,
            key,
            ean,
            code: code.to_owned(),
            message,
            message_fr,
        });
        self.next_ordinal += 1;
    }

    /// Fingerprint of everything so far; never 0.
    #[must_use]
    pub(super) fn digest(&self) -> u64 {
        self.digest.digest().max(1)
    }

    /// Writes ahead when too many rows wait in memory.
    ///
    /// # Errors
    /// When the store refuses.
    pub(super) async fn relieve(&mut self, store: &dyn Store, lease: Option<&Lease>) -> Result<(), StoreError> {
        if self.rows.len() < MOST_IN_MEMORY {
            return Ok(());
        }
        match lease {
            Some(lease) => self.write(store, lease).await,
            None => {
                self.rows.clear();
                Ok(())
            }
        }
    }

    /// Ends the pass: writes what differs from `before` (the stored fingerprint) and answers the new fingerprint.
    ///
    /// # Errors
    /// When the store refuses.
    pub(super) async fn finish(
        &mut self,
        store: &dyn Store,
        lease: &Lease,
        before: Option<u64>,
    ) -> Result<u64, StoreError> {
        let digest = self.digest();
        if self.written == 0 && before == Some(digest) {
            self.rows.clear();
            return Ok(digest);
        }
        self.write(store, lease).await?;
        Ok(digest)
    }

    async fn write(&mut self, store: &dyn Store, lease: &Lease) -> Result<(), StoreError> {
        if self.rows.is_empty() && self.written == 0 {
            return store.write_quarantine(lease, 0, &[]).await;
        }
        for rows in self.rows.chunks(WRITE_AT_ONCE) {
            store.write_quarantine(lease, self.written, rows).await?;
            self.written += rows.len() as u64;
        }
        self.rows.clear();
        Ok(())
    }
}
