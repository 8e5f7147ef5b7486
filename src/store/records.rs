//! What the store keeps, as its callers see it: plain records, no behaviour but comparing.
//!
//! Invariant: nothing here knows an engine. Leases and their owners are in `lease`, the ledger's entries in `ledger`.

use passerelle_contract::Ean;
use serde::{Deserialize, Serialize};

use super::Millis;

/// A connection as it was applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectionRecord {
    /// The connection's id, unique.
    pub id: String,
    /// The chain it is a site of, if any.
    #[serde(default)]
    pub chain: Option<String>,
    /// The adapter's id in the registry.
    pub adapter: String,
    /// pass Culture account name (`default` unless said).
    pub account: String,
    /// pass Culture venue id, when the configuration names it.
    pub venue: Option<i64>,
    /// SIRET or RIDET the venue is looked up by, when the configuration names it.
    pub siret: Option<String>,
    /// Seconds between two scheduled passes.
    pub every_seconds: u32,
    /// `[connection.settings]` as written: secrets only by reference.
    pub settings: serde_json::Value,
    /// The folder against which relative paths in settings are read.
    pub base_dir: String,
    /// May this connection's vendor live on a private address?
    pub allow_private_addresses: bool,
    /// What the guard holds.
    #[serde(default)]
    pub guard: GuardLimits,
    /// Paused by an operator: not scheduled, refused by `sync`.
    pub paused: bool,
}

/// `[connection.guard]`: beyond what a plan, or a single value, waits for more evidence or for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GuardLimits {
    /// A source that is asked anew each time agrees with itself after so many seconds at the earliest (60 to 604 800).
    pub agree_after_seconds: u32,
    /// A price that moves by more than this factor, up or down, is held (2 to 1 000).
    pub max_price_factor: u32,
    /// More copies of one title are held (1 to 1 000 000).
    pub max_quantity: u32,
    /// A first pass with more unreadable rows, in per cent, is held (1 to 100; counted from 20 rows on).
    pub first_unreadable_percent: u32,
    /// A first pass whose prices are mostly above this, in cents, is held.
    pub first_dear_cents: u32,
    /// A first pass whose prices are mostly below this, in cents, is held.
    pub first_cheap_cents: u32,
    /// A first pass with one same quantity above this for nearly all rows is held.
    pub first_same_quantity: u32,
}

impl Default for GuardLimits {
    fn default() -> Self {
        Self {
            agree_after_seconds: 6 * 3_600,
            max_price_factor: 4,
            max_quantity: 2_000,
            first_unreadable_percent: 5,
            first_dear_cents: 10_000,
            first_cheap_cents: 100,
            first_same_quantity: 100,
        }
    }
}

/// What tells one look at a source from another: the export, or the moment of asking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Export {
    /// What tells this export from another one; `None` where the vendor is asked anew each time.
    pub fingerprint: Option<String>,
    /// When it was written, where that is known.
    pub written_at: Option<Millis>,
    /// When we looked.
    pub looked_at: Millis,
}

impl Export {
    /// Is this another piece of evidence than an earlier one: another export, written later; or, where there is no export to tell
    /// apart, a question asked so many seconds later?
    #[must_use]
    pub fn is_later_than(&self, earlier: &Self, agree_after_seconds: u32) -> bool {
        let waited = self.looked_at.saturating_sub(earlier.looked_at) >= Millis::from(agree_after_seconds) * 1_000;
        match (&self.fingerprint, &earlier.fingerprint) {
            (Some(new), Some(old)) if new == old => false,
            (Some(_), Some(_)) => match (self.written_at, earlier.written_at) {
                (Some(new), Some(old)) => new > old,
                _ => waited,
            },
            _ => waited,
        }
    }
}

/// What a held plan rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// The look that made it.
    pub export: Export,
    /// Fingerprints of the items that it would take down, sorted; none when they are more than [`MOST_LEAVING`].
    pub leaving: Vec<u32>,
    /// How many items it would take down.
    pub count: u64,
}

/// Items of a held plan that are remembered; a plan that would take down more is let through by a person alone.
pub const MOST_LEAVING: usize = 200_000;

/// A price or a quantity that is held by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldValue {
    /// The EAN.
    pub ean: Ean,
    /// `PriceJump` or `QuantityImplausible`.
    pub code: String,
    /// The price that is held, in cents.
    pub price: u32,
    /// The copies that are held; `None` when unlimited.
    pub quantity: Option<u32>,
    /// When it was first held.
    pub since: Millis,
    /// The last look that said it.
    pub export: Export,
    /// Looks at different exports that said it, the first included.
    pub said: u32,
    /// A person accepted it.
    pub accepted: bool,
}

/// Held values remembered for one connection; beyond, a value is held all the same, and let through by a person or a correction.
pub const MOST_HELD_VALUES: usize = 2_000;

/// Passes in a row that showed only a part, so that nothing was withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialPasses {
    /// How many.
    pub count: u32,
    /// Since when.
    pub since: Millis,
    /// Why, as the last one said.
    pub cause: String,
}

/// A held plan that was let through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// When.
    pub at: Millis,
    /// By another export that agreed; else by a person.
    pub by_agreement: bool,
    /// Codes of the reasons it was held for.
    pub reasons: Vec<String>,
    /// Items that it took down.
    pub leaving: u64,
}

/// What applying a connection did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is new.
    Created,
    /// It existed; these fields changed (`settings.path`, `every`, …).
    Changed(Vec<String>),
    /// Nothing to do.
    Unchanged,
}

/// Moments that lie further in the future than they can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// What they are of: `the next pass`.
    pub what: &'static str,
    /// How many.
    pub count: u64,
    /// The latest of them.
    pub latest: Millis,
}

/// A connection with what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownConnection {
    /// As it was applied.
    pub record: ConnectionRecord,
    /// What has been learnt.
    pub state: ConnectionState,
    /// Does a plan of it wait for an operator?
    pub is_held: bool,
}

/// A connection that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueConnection {
    /// Its id.
    pub id: String,
    /// The pass Culture account that it sells through.
    pub account: String,
    /// Rises with every change of its settings that makes it start over.
    pub revision: i64,
    /// Since when it is due.
    pub due_at: Millis,
    /// Passes that failed in a row.
    pub failures: u32,
}

/// What the gateway has learnt of a connection since it was applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectionState {
    /// pass Culture venue id, resolved.
    pub venue_id: Option<i64>,
    /// The venue's postal code, for its price ceiling and time zone.
    pub postal_code: Option<String>,
    /// When the venue was last looked up.
    pub venue_checked_at: Option<Millis>,
    /// Where the next delta starts.
    pub cursor: Option<String>,
    /// When the last pass that was applied ended.
    pub last_success_at: Option<Millis>,
    /// When the last complete snapshot was applied.
    pub last_snapshot_at: Option<Millis>,
    /// When the next scheduled pass is due.
    pub due_at: Millis,
    /// Passes failed since the last success.
    pub failures: u32,
    /// The last failure, as a sentence with its code.
    pub last_error: Option<String>,
    /// Fingerprint of the quarantine as stored, so that an unchanged one is not written again.
    pub quarantine_digest: Option<u64>,
    /// Day (since 1970-01-01) on which refusals that have stood long enough were last put up for asking again.
    #[serde(default)]
    pub refusals_checked_on: Option<u16>,
    /// What the pass that set `cursor` read: an unchanged source says the same again.
    #[serde(default)]
    pub last_read: Option<LastRead>,
    /// Passes in a row, up to the last, that withdrew nothing because they showed only a part.
    #[serde(default)]
    pub partial_passes: Option<PartialPasses>,
    /// The last held plan that was let through.
    #[serde(default)]
    pub released: Option<Released>,
}

/// What a pass read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRead {
    /// Rows read.
    pub read: u64,
    /// Rows that may be offered.
    pub kept: u64,
    /// Rows that stayed behind.
    pub quarantined: u64,
    /// Rows that are no product.
    #[serde(default)]
    pub skipped: u64,
    /// Notes on rows that were kept.
    #[serde(default)]
    pub notes: u64,
    /// EANs that it stated.
    pub items: u64,
}

/// A plan that the guard held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldPlan {
    /// When it was first held.
    pub since: Millis,
    /// Fingerprint of what it would do; an agreeing snapshot has the same.
    pub digest: u64,
    /// Codes of the reasons (`EmptySnapshot`, `MassWithdrawal`, …).
    pub reasons: Vec<String>,
    /// The sentence for operators.
    pub message: String,
    /// The sentence for booksellers, in French.
    pub message_fr: String,
    /// Snapshots that agreed so far, the first included.
    pub agreeing: u32,
    /// The body it came from, when the vendor's software posted it: reading the same body again is no second snapshot.
    #[serde(default)]
    pub inbound: Option<i64>,
    /// What it rests on; `None` in plans that an older release held: then only a person lets it through.
    #[serde(default)]
    pub evidence: Option<Evidence>,
}

/// A row that stayed behind, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineRow {
    /// The connection.
    pub connection: String,
    /// Its place among the rows of the pass, from 0: the order in which they are listed.
    pub ordinal: u64,
    /// Physical line, when the source is a file.
    pub line: Option<u64>,
    /// Page and entry, when the source is an API.
    pub entry: Option<(u32, u32)>,
    /// The vendor's key as written.
    pub key: Option<String>,
    /// The EAN, when it could be read.
    pub ean: Option<Ean>,
    /// Stable code.
    pub code: String,
    /// English sentence.
    pub message: String,
    /// French sentence.
    pub message_fr: String,
    /// Was the row kept, though not as written?
    pub is_note: bool,
    /// Its cells as written, where they are shown.
    pub cells: Option<String>,
    /// References that it names besides its own, or how a rounded one begins (followed by `*`), with blanks between.
    pub protects: Option<String>,
}

/// One run of a source, as remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PassRecord {
    /// The connection.
    pub connection: String,
    /// When it began.
    pub started_at: Millis,
    /// When it ended.
    pub ended_at: Millis,
    /// `done`, `held` or `failed`.
    pub outcome: String,
    /// The summary line, as printed.
    pub summary: serde_json::Value,
}

/// The last verdict of one probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeRecord {
    /// Connection id, or `passculture:ACCOUNT`.
    pub subject: String,
    /// Probe name.
    pub probe: String,
    /// `healthy`, `degraded`, `failing` or `unknown`.
    pub verdict: String,
    /// Since when it has this verdict.
    pub since: Millis,
    /// When it was last asked.
    pub checked_at: Millis,
    /// How long the answer took.
    pub latency_ms: u64,
    /// What was seen.
    pub evidence: String,
    /// What to do.
    pub remedy: String,
}

/// A body that a vendor's software posted, stored before it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// Rises with arrival, per store.
    pub id: i64,
    /// The connection it is for.
    pub connection: String,
    /// When it came.
    pub received_at: Millis,
    /// Does it replace everything?
    pub snapshot: bool,
    /// The body as posted.
    pub body: Vec<u8>,
}

/// pass Culture's verdict on an EAN, shared by all venues of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvailabilityRow {
    /// The EAN.
    pub ean: Ean,
    /// A code of `passculture::Availability`.
    pub verdict: u8,
    /// When it was asked.
    pub checked_at: Millis,
}

/// What differs between two versions of one connection, and what follows from it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Names as people write them, settings by dotted path. `paused` is not among them: applying never touches it.
    pub(super) fields: Vec<String>,
    /// What the vendor said so far may no longer hold: the next pass starts without a cursor, now.
    pub(super) starts_over: bool,
    /// The venue must be looked up again.
    pub(super) forgets_venue: bool,
}

impl Change {
    pub(super) fn between(old: &ConnectionRecord, new: &ConnectionRecord) -> Self {
        let mut settings = Vec::new();
        differing_paths("settings", &old.settings, &new.settings, &mut settings);
        let venue = [
            ("account", old.account != new.account),
            ("venue", old.venue != new.venue),
            ("siret", old.siret != new.siret),
        ];
        let source = [
            ("adapter", old.adapter != new.adapter),
            ("base_dir", old.base_dir != new.base_dir),
            ("allow_private_addresses", old.allow_private_addresses != new.allow_private_addresses),
        ];
        let forgets_venue = venue.iter().any(|(_, differs)| *differs);
        let starts_over = forgets_venue || !settings.is_empty() || source.iter().any(|(_, differs)| *differs);
        let schedule = [
            ("every", old.every_seconds != new.every_seconds),
            ("chain", old.chain != new.chain),
            ("guard", old.guard != new.guard),
        ];
        let mut fields: Vec<String> = (source.iter().chain(&venue).chain(&schedule))
            .filter(|(_, differs)| *differs)
            .map(|(name, _)| (*name).to_owned())
            .collect();
        fields.append(&mut settings);
        Self { fields, starts_over, forgets_venue }
    }
}

/// Goes into tables, not into lists: a list is one value to people.
fn differing_paths(path: &str, old: &serde_json::Value, new: &serde_json::Value, into: &mut Vec<String>) {
    use serde_json::Value;
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for key in keys {
                let (one, other) = (before.get(key), after.get(key));
                if one != other {
                    let absent = Value::Null;
                    differing_paths(&format!("{path}.{key}"), one.unwrap_or(&absent), other.unwrap_or(&absent), into);
                }
            }
        }
        _ if old != new => into.push(path.to_owned()),
        _ => {}
    }
}
