//! The questions that every adapter must answer, picked by its facets.
//!
//! A vendor's `tests/conformance.rs` implements [`Harness`] and calls [`conformance!`](crate::conformance!), which makes one
//! test of each check. [`run_all`] runs them in one go.
//!
//! Invariant: a check that does not apply says so by a facet or by a written reason, never by silence.

mod box_office;
mod facet;
mod network;
mod probes;
mod pull;
mod push;
mod screenings;
mod settings;

use std::any::Any;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use passerelle_contract::{Adapter, BoxFuture, Context, Descriptor, SettingsError};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::simulator::{Fault, Logged, Simulator};

pub use box_office::{BoxOfficeBench, Orders, Truth};

/// A secret that must never be seen outside the wire.
pub const CANARY: &str = "kanarienvogel-4711";

/// Largest page that the contract allows.
const MAX_PAGE_ROWS: usize = 10_000;

/// What went wrong, in a sentence; empty when all is well.
pub type Outcome = Result<(), String>;

/// An adapter on the bench.
pub trait Harness: Send + Sync {
    /// The adapter.
    fn descriptor(&self) -> Descriptor;

    /// A fresh, healthy vendor (or file) and settings that work with it. Time limits in them should be short (1 s).
    fn bench(&self) -> BoxFuture<'_, Bench>;

    /// Settings that must be refused, each laid over the good ones, with the path that must be named.
    fn wrong_settings(&self) -> Vec<(Value, &'static str)>;

    /// The settings, laid over the good ones, that name a secret: where it goes is written as the text [`CANARY`].
    /// `None` when the adapter takes no secret.
    fn secret_setting(&self) -> Option<(&'static str, Value)> {
        None
    }

    /// Why the checks with network faults do not apply (a source that reads files).
    fn no_network_because(&self) -> Option<&'static str> {
        None
    }

    /// A fresh, healthy cinema with its orders and its truth, for adapters that sell seats; needed as soon as there is a
    /// `box_office`. Its simulator's log must be empty.
    fn box_office(&self) -> BoxFuture<'_, Option<BoxOfficeBench>> {
        Box::pin(async { None })
    }

    /// Does the vendor say how many places are left? One that does not states [`Quantity::Unlimited`] while there is a seat.
    ///
    /// [`Quantity::Unlimited`]: passerelle_contract::Quantity::Unlimited
    fn counts_places(&self) -> bool {
        true
    }

    /// Why a sale may be sent once more when nobody knows what became of it: the vendor knows it again, by an id that its contract
    /// has for this. The journal is written before the repetition too.
    fn repeats_a_sale_because(&self) -> Option<&'static str> {
        None
    }

    /// Why the vendor cannot be asked for places left, so that the adapter only knows what it was last told, if anything.
    fn cannot_ask_for_places_because(&self) -> Option<&'static str> {
        None
    }

    /// Why a whole pass is one call, so that it cannot break off between two.
    fn one_call_because(&self) -> Option<&'static str> {
        None
    }

    /// Is this a request that signs in and changes nothing else? Probes may send those, whatever their method.
    fn signs_in(&self, request: &Logged) -> bool {
        let _ = request;
        false
    }

    /// How long one faulty pass may take before it counts as unbounded.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }
}

/// What a harness sets up for one check.
pub struct Bench {
    /// `[connection.settings]`.
    pub settings: Value,
    /// The connection's context.
    pub context: Context,
    /// The fake vendor, if there is one.
    pub simulator: Option<Box<dyn Simulator>>,
    /// For push intakes: the token and a body that is accepted.
    pub push: Option<PushSample>,
    /// Anything that must live as long as the bench (temporary folders).
    pub keep: Option<Box<dyn Any + Send + Sync>>,
}

/// A posted body that is accepted, and the token to post it with.
pub struct PushSample {
    /// Bearer token.
    pub token: String,
    /// Body.
    pub body: Vec<u8>,
}

/// One check.
pub type Check = for<'a> fn(&'a dyn Harness) -> BoxFuture<'a, Outcome>;

macro_rules! checks {
    ($($module:ident :: $name:ident),* $(,)?) => {
        /// Every check by name.
        pub const CHECKS: &[(&str, Check)] = &[$((stringify!($name), |harness| Box::pin($module::$name(harness)))),*];

        /// Makes one test of each check: `conformance!(MyHarness);`
        #[macro_export]
        macro_rules! conformance {
            ($harness:expr) => {
                $(
                    #[test]
                    fn $name() {
                        $crate::conformance::run_one(stringify!($name), &$harness);
                    }
                )*
            };
        }
    };
}

checks! {
    settings::the_settings_schema_has_properties,
    settings::an_unknown_setting_is_refused_with_its_path,
    settings::wrong_settings_are_refused_with_their_paths,
    settings::a_missing_secret_is_refused_and_a_written_one_is_not_repeated,
    pull::only_the_last_page_carries_the_end_and_pages_are_bounded,
    pull::two_pulls_give_the_same_rows,
    pull::every_row_left_behind_explains_itself,
    pull::a_dropped_pass_stops_its_work,
    pull::a_pass_that_breaks_off_is_never_complete,
    screenings::screenings_are_keyed_named_and_priced,
    box_office::a_sale_gives_a_ticket_for_every_seat,
    box_office::the_journal_is_written_right_before_the_sale,
    box_office::nothing_is_sold_when_the_journal_fails,
    box_office::every_refusal_is_named_and_sells_nothing,
    box_office::remaining_is_the_truth,
    box_office::a_failed_call_never_makes_a_booking_untrue,
    box_office::a_sale_that_may_have_arrived_is_not_sent_again,
    box_office::a_cancellation_frees_the_seats_and_may_be_repeated,
    box_office::one_of_two_is_cancelled_as_promised,
    box_office::an_unknown_ticket_frees_nothing,
    box_office::a_failed_cancellation_is_never_taken_for_done,
    box_office::a_lost_sale_is_never_called_unsold,
    box_office::a_crowd_buys_each_place_once,
    box_office::no_person_and_no_secret_shows_in_outcomes,
    network::a_faulty_vendor_gives_a_classed_error_in_time,
    network::a_vendor_that_is_down_is_transient,
    network::a_private_address_is_refused_unless_allowed,
    network::no_secret_shows_in_errors_or_evidence,
    probes::probes_are_healthy_and_leave_no_trace,
    probes::probes_fail_with_a_code_when_the_vendor_is_broken,
    push::a_push_intake_is_pure_and_knows_its_token,
}

/// Runs one check by its name and fails the test with its sentence.
pub fn run_one(name: &str, harness: &dyn Harness) {
    let outcome = CHECKS
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| format!("there is no check `{name}`"))
        .and_then(|(_, check)| block_on(check(harness)));
    assert!(outcome.is_ok(), "{name}: {}", outcome.err().unwrap_or_default());
}

/// Runs every check; the error names each that failed.
///
/// # Errors
/// One line per failed check.
pub async fn run_all(harness: &dyn Harness) -> Outcome {
    let mut failed = String::new();
    for (name, check) in CHECKS {
        if let Err(why) = check(harness).await {
            let _infallible = writeln!(failed, "{name}: {why}");
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed) }
}

fn block_on(check: BoxFuture<'_, Outcome>) -> Outcome {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?
        .block_on(check)
}

impl Bench {
    async fn connect(&self, harness: &dyn Harness) -> Result<Arc<dyn Adapter>, String> {
        self.connect_with(harness, &self.settings).await
    }

    async fn connect_with(&self, harness: &dyn Harness, settings: &Value) -> Result<Arc<dyn Adapter>, String> {
        self.try_connect(harness, settings).await?.map_err(|error| format!("good settings are refused: {error}"))
    }

    /// Reading root certificates is a tenth of a second of pure work in a debug build. One at a time and away from the
    /// runtime, so that nobody's time limit of one second runs out meanwhile.
    async fn try_connect(
        &self,
        harness: &dyn Harness,
        settings: &Value,
    ) -> Result<Result<Arc<dyn Adapter>, SettingsError>, String> {
        static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);
        let _turn = ONE_AT_A_TIME.acquire().await.map_err(|error| error.to_string())?;
        let (connect, settings, context) = (harness.descriptor().connect, settings.clone(), self.context.clone());
        tokio::task::spawn_blocking(move || connect(&settings, context)).await.map_err(|error| error.to_string())
    }

    /// Lays settings over the good ones (tables are merged, anything else replaces).
    fn settings_with(&self, over: &Value) -> Value {
        let mut settings = self.settings.clone();
        merge(&mut settings, over);
        settings
    }
}

fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) if !is_secret_ref(over) => {
            for (key, value) in over {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

fn is_secret_ref(table: &serde_json::Map<String, Value>) -> bool {
    table.len() == 1 && (table.contains_key("env") || table.contains_key("file"))
}

/// Replaces the text [`CANARY`] in settings by something else.
fn with_secret(settings: &Value, place: &Value) -> Value {
    match settings {
        Value::String(text) if text == CANARY => place.clone(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), with_secret(value, place))).collect(),
        other => other.clone(),
    }
}

/// Does a text show the canary: as it is, percent-encoded, in base64 at any place, or with spaces between?
fn shows_canary(text: &str) -> bool {
    use base64::Engine as _;
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let percent: String = CANARY.bytes().map(|byte| format!("%{byte:02x}")).collect();
    // Without the characters that also hold bits of what stands around.
    let packed = (0..3).map(|before| {
        let all = base64::engine::general_purpose::STANDARD_NO_PAD.encode(format!("{}{CANARY}", " ".repeat(before)));
        let (from, to) = ((before * 8_usize).div_ceil(6), (before + CANARY.len()) * 8 / 6);
        all.get(from..to).unwrap_or_default().to_owned()
    });
    packed.chain([CANARY.to_owned(), percent]).any(|form| compact.contains(&form))
}

/// A file with the canary, gone when dropped.
struct CanaryFile(PathBuf);

impl CanaryFile {
    fn new() -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("passerelle-canary-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, CANARY).map_err(|error| error.to_string())?;
        Ok(Self(path))
    }

    fn place(&self) -> Value {
        serde_json::json!({ "file": self.0 })
    }
}

impl Drop for CanaryFile {
    fn drop(&mut self) {
        let _gone_already = std::fs::remove_file(&self.0);
    }
}

/// Runs checks side by side, so many at once, and gives the first complaint in their order of ending.
async fn side_by_side(at_once: usize, checks: impl Iterator<Item = impl Future<Output = Outcome>>) -> Outcome {
    let outcomes: Vec<Outcome> = stream::iter(checks).buffer_unordered(at_once).collect().await;
    outcomes.into_iter().collect()
}

/// Cut off inside a text: no JSON.
fn garbage() -> Fault {
    Fault::Body("{\"half\": ".to_owned())
}

fn ensure(good: bool, sentence: impl FnOnce() -> String) -> Outcome {
    if good { Ok(()) } else { Err(sentence()) }
}
