//! The rows of a pass that stayed behind, on their way to the store.
//!
//! A shop's bad rows are mostly the same from pass to pass, so they are fingerprinted first and only written when they differ:
//! an unchanged pass writes nothing. Rows beyond [`MOST_IN_MEMORY`] are written as they come, rows beyond [`MOST_STORED`] are
//! only counted.

use passerelle_contract::{DataError, Ean, NoteKind, Position, Severity};
use xxhash_rust::xxh3::Xxh3;

use crate::rules::products::Reason;
use crate::store::{Lease, QuarantineRow, Store, StoreError};

/// Rows kept in memory until the pass is known to differ.
pub(super) const MOST_IN_MEMORY: usize = 5_000;
/// Rows stored for one connection; the rest is counted.
pub(super) const MOST_STORED: u64 = 100_000;
/// Rows written in one transaction.
const WRITE_AT_ONCE: usize = 1_000;

/// A row on its way to the store.
struct Left {
    at: Position,
    key: Option<String>,
    ean: Option<Ean>,
    code: String,
    message: String,
    message_fr: String,
    is_note: bool,
    cells: Option<String>,
    protects: Option<String>,
}

impl Left {
    fn of(
        at: Position,
        key: Option<String>,
        ean: Option<Ean>,
        code: &str,
        message: String,
        message_fr: String,
    ) -> Self {
        let code = code.to_owned();
        Self { at, key, ean, code, message, message_fr, is_note: false, cells: None, protects: None }
    }
}

/// What a note says, in English and in French.
const fn said_of(kind: NoteKind) -> (&'static str, &'static str) {
    match kind {
        NoteKind::NegativeQuantityClamped => {
            ("the quantity is below zero: it counts as 0", "La quantité est négative : elle compte pour 0.")
        }
        NoteKind::QuantityClamped => (
            "the quantity is above what pass Culture takes: it counts as that maximum",
            "La quantité dépasse le maximum du pass Culture : elle compte pour ce maximum.",
        ),
        NoteKind::RoundedPrice => (
            "the price has more than two decimals: it is rounded half up",
            "Le prix a plus de deux décimales : il est arrondi au centime.",
        ),
        NoteKind::PriceConflict => (
            "two rows of this reference state different prices: the source's rule chose one",
            "Deux lignes de cette référence donnent des prix différents : la règle de la source en a choisi un.",
        ),
        NoteKind::DuplicateReference => (
            "another row of this reference was joined to it by the rule for duplicates",
            "Une autre ligne de cette référence lui a été ajoutée selon la règle des doublons.",
        ),
        NoteKind::Expired => {
            ("its validity has passed: it counts as 0", "Sa validité est passée : elle compte pour 0.")
        }
    }
}

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
    /// Rows that were kept, though not as written, stored or not.
    pub(super) notes: u64,
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
            notes: 0,
            digest: Xxh3::new(),
        }
    }

    /// A row that the adapter could not read or rightly kept out.
    pub(super) fn poison(&mut self, error: DataError, ean: Option<Ean>) {
        if error.problem.severity == Severity::Unreadable {
            self.unreadable += 1;
        }
        let DataError { at, key, problem, message, message_fr, legible } = error;
        let mut protects: Vec<String> =
            legible.eans.iter().filter(|other| Some(**other) != ean).map(ToString::to_string).collect();
        protects.extend(legible.begins_with.iter().map(|digits| format!("{digits}*")));
        let left = Left {
            cells: legible.cells,
            protects: (!protects.is_empty()).then(|| format!(" {} ", protects.join(" "))),
            ..Left::of(at, key, ean, problem.code, message, message_fr)
        };
        self.total += 1;
        self.push(left);
    }

    /// A price or a quantity that the guard holds by itself.
    pub(super) fn held(&mut self, at: Position, ean: Ean, code: &str, (message, message_fr): (String, String)) {
        self.total += 1;
        self.push(Left::of(at, Some(ean.to_string()), Some(ean), code, message, message_fr));
    }

    /// A row that was kept, but not as written.
    pub(super) fn note(&mut self, at: Position, ean: Option<Ean>, kind: NoteKind) {
        self.notes += 1;
        let (message, message_fr) = said_of(kind);
        let key = ean.map(|ean| ean.to_string());
        let left = Left::of(at, key, ean, kind.code(), message.to_owned(), message_fr.to_owned());
        self.push(Left { is_note: true, ..left });
    }

    /// A fact that the rules keep out.
    pub(super) fn rejected(&mut self, at: Position, ean: Ean, reason: &Reason) {
        self.total += 1;
        let (message, message_fr) = (reason.message.to_owned(), reason.message_fr.to_owned());
        self.push(Left::of(at, Some(ean.to_string()), Some(ean), reason.code, message, message_fr));
    }

    /// A showtime that the rules keep out, by its vendor's key.
    pub(super) fn kept_out(&mut self, at: Position, key: String, reason: &Reason) {
        if reason.severity == Severity::Unreadable {
            self.unreadable += 1;
        }
        self.total += 1;
        let (message, message_fr) = (reason.message.to_owned(), reason.message_fr.to_owned());
        self.push(Left::of(at, Some(key), None, reason.code, message, message_fr));
    }

    fn push(&mut self, left: Left) {
        if self.next_ordinal >= MOST_STORED {
            return;
        }
        let Left { at, key, ean, code, message, message_fr, is_note, cells, protects } = left;
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
            code,
            message,
            message_fr,
            is_note,
            cells,
            protects,
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
