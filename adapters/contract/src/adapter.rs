//! What a vendor's package exports.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::{
    AdapterError, BoxOffice, Cursor, Issue, NoticeSink, Probe, PushIntake, Screening, SessionKeeper, Source, StockLine,
    Unspoken,
};

/// A future that can live in a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The kind of venue a vendor serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sector {
    /// Books, discs.
    Bookseller,
    /// Showtimes with or without a box office.
    Cinema,
    /// Tickets for anything else.
    Ticketing,
}

impl Sector {
    /// Lower-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bookseller => "bookseller",
            Self::Cinema => "cinema",
            Self::Ticketing => "ticketing",
        }
    }
}

/// What one vendor's package offers: a constant, listed once in the gateway's registry.
#[derive(Clone, Copy)]
pub struct Descriptor {
    /// What people write in `adapter = "…"`. Lower case, stable.
    pub id: &'static str,
    /// The vendor's or format's name.
    pub title: &'static str,
    /// Whom it serves.
    pub sector: Sector,
    /// One sentence.
    pub summary: &'static str,
    /// JSON Schema of `[connection.settings]`, with `properties`.
    pub settings_schema: fn() -> serde_json::Value,
    /// Limits of the vendor that the gateway keeps.
    pub limits: Limits,
    /// The setting that names one site of an account that has several, for chains: one declaration for all of them.
    pub site_setting: Option<&'static str>,
    /// Asks for the sites of an account, where the vendor can tell them.
    pub list_sites: Option<ListSites>,
    /// Checks settings and builds the adapter. Pure but for reading the secrets that the settings name: no connection
    /// is opened before the first call of a facet.
    pub connect: Connect,
}

/// Settings and context → adapter, or everything that is wrong with them.
pub type Connect = fn(settings: &serde_json::Value, context: Context) -> Result<Arc<dyn Adapter>, SettingsError>;

/// What an adapter's shows are on pass Culture: films, or what the connection's settings say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventKind {
    /// pass Culture's category: `SEANCE_CINE`, `CONCERT`, `SPECTACLE_REPRESENTATION`, …
    pub category: String,
    /// pass Culture's slug of a show's kind; live shows want one.
    pub show_type: Option<String>,
    /// pass Culture's slug of a music's kind; concerts want one.
    pub music_type: Option<String>,
    /// E-mail address that beneficiaries write to; concerts, live shows and most festivals want one. At most 120 characters.
    pub booking_contact: Option<String>,
}

impl EventKind {
    /// Films in a cinema.
    #[must_use]
    pub fn film() -> Self {
        Self { category: "SEANCE_CINE".to_owned(), show_type: None, music_type: None, booking_contact: None }
    }
}

/// A site of an account: one cinema of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The vendor's own number: what [`Descriptor::site_setting`] takes.
    pub id: String,
    /// Its name and place, for people.
    pub name: String,
    /// Its SIRET (14 digits), when the vendor knows it whole.
    pub siret: Option<String>,
}

/// Settings of the account, without [`Descriptor::site_setting`], and context → its sites, at most 5 000.
pub type ListSites =
    fn(settings: serde_json::Value, context: Context) -> BoxFuture<'static, Result<Vec<Site>, SitesError>>;

/// Why the sites of an account are not known.
#[derive(Debug, thiserror::Error)]
pub enum SitesError {
    /// The settings are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The vendor did not say.
    #[error(transparent)]
    Vendor(#[from] AdapterError),
}

/// Limits of a vendor that the gateway keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests in flight to one vendor host.
    pub concurrent_requests: u32,
    /// The shortest sensible time between two passes, in seconds.
    pub shortest_interval_seconds: u32,
}

/// What a connection gives its adapter besides settings.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The connection's id, for messages.
    pub connection: String,
    /// May the vendor live on a loopback or private address? Off by default, so that a setting or a redirect cannot
    /// point the gateway at its own network.
    pub allow_private_addresses: bool,
    /// Folder against which relative paths in settings are read (the configuration file's).
    pub base_dir: std::path::PathBuf,
    /// Keeps sessions for all processes of the gateway. None where nothing is sold: then a session is this adapter's alone.
    pub sessions: Option<Arc<dyn SessionKeeper>>,
    /// The secrets of its settings, as they are read: whoever tells a vendor's words hides them.
    pub unspoken: Unspoken,
}

/// Everything that is wrong with a connection's settings, at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct SettingsError {
    /// At least one.
    pub problems: Vec<SettingProblem>,
}

/// One thing wrong with one setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct SettingProblem {
    /// Dotted path inside `[connection.settings]`: `columns.price.unit`.
    pub path: String,
    /// What is wrong and what to write instead. Never the value of a secret.
    pub message: String,
}

impl SettingsError {
    /// One problem.
    pub fn one(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { problems: vec![SettingProblem { path: path.into(), message: message.into() }] }
    }
}

/// One connection's adapter. Its facets are its capabilities: nothing to declare, nothing to lie about.
pub trait Adapter: Send + Sync {
    /// The vendor's host that passes talk to (`https://vendor.example`), so that as many of them run at once as
    /// [`Limits::concurrent_requests`] allows; `None` when they talk to none.
    fn host(&self) -> Option<String> {
        None
    }

    /// Stock lines that can be pulled.
    fn stock(&self) -> Option<&dyn Source<StockLine>> {
        None
    }

    /// Stock lists that the vendor's software posts to us.
    fn push_intake(&self) -> Option<&dyn PushIntake> {
        None
    }

    /// Showtimes that can be pulled.
    fn screenings(&self) -> Option<&dyn Source<Screening>> {
        None
    }

    /// Sells seats of those showtimes. An adapter that states showtimes without selling them publishes listings.
    fn box_office(&self) -> Option<&dyn BoxOffice> {
        None
    }

    /// Is told of bookings at its venue.
    fn notices(&self) -> Option<&dyn NoticeSink> {
        None
    }

    /// Does the vendor state its shows through the gateway's own vendor API? The gateway keeps them and gives
    /// [`Adapter::screenings`] itself.
    fn states_shows(&self) -> bool {
        false
    }

    /// Tickets that the gateway issues in its place. Asked where there is no box office.
    fn issues(&self) -> Option<Issue> {
        None
    }

    /// May two seats be booked at once? pass Culture calls it *duo*. Asked for showtimes only.
    fn duo(&self) -> bool {
        true
    }

    /// What its shows are on pass Culture. Asked for showtimes only.
    fn kind(&self) -> EventKind {
        EventKind::film()
    }

    /// Health questions: at least reach, sign in (where there is a sign-in) and read one, for whatever it can reach.
    fn probes(&self) -> Vec<Probe<'_>>;

    /// The same questions for a connection whose last pass ended at this cursor: an adapter whose cursor tells how often its vendor
    /// has something new can say that it is late.
    fn probes_after(&self, _from: Option<Cursor>) -> Vec<Probe<'_>> {
        self.probes()
    }
}
