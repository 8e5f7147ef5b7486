//! Calls to the vendor, and the one table of what its answers mean.
//!
//! The exports are read with a password; a booking call carries the partner's name and, in its address, the signature of its
//! body. Invariants: a booking call is sent once; neither bodies nor signatures show in a message.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use passerelle_contract::{AdapterError, Class, SettingsError};
use passerelle_kit::http::{Act, Answer, Client, Config, Get, Lane, NotAnswered, RetryBudget, Verb};
use passerelle_kit::lenient;
use url::Url;

use crate::exports::Exports;
use crate::facts::programme;
use crate::settings::Checked;
use crate::signing::{Body, digest};
use crate::wire::{self, No, Reply, same_session};

/// Bytes of an answer that a probe reads: the sites of the largest account.
const PROBE_BYTES: u64 = 8 * 1024 * 1024;

/// The vendor's codes that are known. They are told by number: its sentences may change.
pub(crate) mod code {
    /// No show of the film can be sold any more.
    pub(crate) const NO_SHOW_LEFT: i64 = 104;
    /// The show, or the film, is not there.
    pub(crate) const NOT_FOUND: i64 = 105;
    /// The show is not on sale any more.
    pub(crate) const NOT_ON_SALE: i64 = 106;
}

/// The booking calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Which shows of a film can still be sold?
    OnSale,
    /// Sells.
    Sell,
    /// The tickets of an order.
    Find,
    /// Voids an order.
    Void,
}

impl Call {
    const fn name(self) -> &'static str {
        match self {
            Self::OnSale => "SEANCE",
            Self::Sell => "VENTE",
            Self::Find => "STATUT",
            Self::Void => "ANNULATION",
        }
    }

    pub(crate) const fn operation(self) -> &'static str {
        match self {
            Self::OnSale => "ask which shows are on sale",
            Self::Sell => "sell",
            Self::Find => "look for the order",
            Self::Void => "cancel the order",
        }
    }
}

/// Why a booking call gave no answer that can be read.
pub(crate) enum Trouble {
    /// Provably nothing happened.
    Nothing(AdapterError),
    /// It may have happened.
    Doubt(AdapterError),
}

impl Trouble {
    /// The error, for calls that change nothing.
    pub(crate) fn into_error(self) -> AdapterError {
        match self {
            Self::Nothing(error) | Self::Doubt(error) => error,
        }
    }
}

/// What can still be sold of a film.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OnSale {
    /// These shows.
    Shows(Vec<String>),
    /// No show.
    None,
    /// The vendor does not know the film.
    NoFilm,
    /// The settings say not to ask.
    NotAsked,
}

impl OnSale {
    pub(crate) fn has(&self, session: &str) -> bool {
        match self {
            Self::Shows(shows) => shows.iter().any(|one| same_session(one, session)),
            Self::None | Self::NoFilm => false,
            Self::NotAsked => true,
        }
    }
}

/// Who waits for an export.
#[derive(Clone, Copy, Debug)]
pub(crate) enum For<'a> {
    /// A pass, with what it may still spend on trying again.
    Pass(&'a RetryBudget),
    /// A probe.
    Probe,
}

/// Talks to the vendor for one site.
#[derive(Debug)]
pub(crate) struct Ems {
    schedule: Client,
    exports: Arc<Exports>,
    sites: Option<Client>,
    booking: Client,
    settings: Checked,
    /// Which spelling of a show's id was last taken in a sale: without its zeros in front, or as exported?
    pub(crate) drops_zeros: AtomicBool,
}

impl Ems {
    pub(crate) fn new(settings: Checked) -> Result<Self, SettingsError> {
        let client = |path: &str, config: &Config| {
            Client::new(config.clone()).map_err(|error| SettingsError::one(path, error.context))
        };
        Ok(Self {
            exports: Exports::of(settings.schedule.base.as_str(), &settings.authorization),
            schedule: client("schedule_url", &settings.schedule)?,
            sites: settings.sites.as_ref().map(|config| client("sites_url", config)).transpose()?,
            booking: client("booking_url", &settings.booking)?,
            settings,
            drops_zeros: AtomicBool::new(false),
        })
    }

    pub(crate) fn host(&self) -> String {
        self.schedule.host()
    }

    pub(crate) const fn settings(&self) -> &Checked {
        &self.settings
    }

    /// What changed in the schedule since a version; everything since 0.
    pub(crate) async fn schedule(&self, version: u64, who: For<'_>) -> Result<Answer, AdapterError> {
        self.export(&self.schedule, "read the schedule", version, who).await
    }

    /// The same for a pass: one reading serves all sites of the account.
    pub(crate) async fn shared_schedule(
        &self,
        version: u64,
        budget: &RetryBudget,
    ) -> Result<Arc<Answer>, AdapterError> {
        let read = self.schedule(version, For::Pass(budget));
        let site_id = &self.settings.site_id;
        let is_whole =
            |answer: &Answer| lenient::text(&answer.body).and_then(|body| programme(body, site_id)).is_some();
        self.exports.since(version, site_id, is_whole, read).await
    }

    /// All sites of the account; `None` when the settings do not say where they are.
    pub(crate) async fn sites(&self, who: For<'_>) -> Option<Result<Answer, AdapterError>> {
        Some(self.export(self.sites.as_ref()?, "read the sites", 0, who).await)
    }

    async fn export(
        &self,
        client: &Client,
        operation: &'static str,
        version: u64,
        who: For<'_>,
    ) -> Result<Answer, AdapterError> {
        let mut get = Get::new(operation, since(&client.config().base, version));
        get.authorization = Some(self.settings.authorization.clone());
        let answer = match who {
            For::Pass(budget) => client.get_with_retry(&get, budget).await?,
            For::Probe => client.get(&get.probing(PROBE_BYTES)).await?,
        };
        if answer.status >= 300 { Err(answer.refused()) } else { Ok(answer) }
    }

    /// Do both servers answer anybody at all? Without credentials.
    pub(crate) async fn reach(&self) -> Result<String, AdapterError> {
        let url = since(&self.schedule.config().base, now());
        let schedule = self.schedule.get(&Get::new("reach the exports", url).probing(PROBE_BYTES)).await?;
        if schedule.status >= 500 {
            return Err(schedule.refused());
        }
        // Nothing stands at the root of the booking calls: whatever it answers, somebody is there.
        let url = self.booking.config().base.clone();
        let booking = self.booking.get(&Get::new("reach the booking calls", url).probing(PROBE_BYTES)).await?;
        Ok(format!("{}; {}", schedule.saw(), booking.saw()))
    }

    /// Which shows of a film can still be sold?
    pub(crate) async fn on_sale(&self, film: &str, lane: Lane, within: Duration) -> Result<OnSale, AdapterError> {
        if !self.settings.ask_on_sale {
            return Ok(OnSale::NotAsked);
        }
        let body = self.for_our_site().text("id_film", film);
        match self.call(Call::OnSale, body, lane, within).await.map_err(Trouble::into_error)? {
            Reply::Yes(done) => done.on_sale.map(OnSale::Shows).ok_or_else(|| odd(Call::OnSale)),
            Reply::No(No { code: code::NO_SHOW_LEFT | code::NOT_ON_SALE, .. }) => Ok(OnSale::None),
            Reply::No(No { code: code::NOT_FOUND, .. }) => Ok(OnSale::NoFilm),
            Reply::No(no) => Err(refused(Call::OnSale, &no)),
            Reply::Empty => Err(odd(Call::OnSale)),
        }
    }

    /// Every booking call begins with the site.
    pub(crate) fn for_our_site(&self) -> Body {
        Body::new().text("num_cine", &self.settings.site_id)
    }

    /// Makes a booking call, once.
    pub(crate) async fn call(&self, call: Call, body: Body, lane: Lane, within: Duration) -> Result<Reply, Trouble> {
        let body = body.bytes();
        let digest = digest(&self.settings.secret, &body);
        let base = &self.booking.config().base;
        // Ours and relative, so it always joins.
        let url = base.join(&format!("{}/{digest}", call.name())).unwrap_or_else(|_| base.clone());
        let mut act = Act::new(call.operation(), Verb::Post, url, within).with_body("application/json", body);
        // Plain characters: checked with the settings.
        if let (Ok(name), Ok(value)) = ("source".parse(), self.settings.source.parse()) {
            act = act.with_header(name, value);
        }
        let told = |error: AdapterError| AdapterError { context: error.context.replace(&digest, "…"), ..error };
        let answer = self.booking.act(&act.in_lane(lane)).await.map_err(|trouble| match trouble {
            NotAnswered::NotSent(error) => Trouble::Nothing(told(error)),
            NotAnswered::Unknown(error) => Trouble::Doubt(told(error)),
        })?;
        match answer.status {
            200..=299 => match lenient::text(&answer.body).and_then(wire::reply) {
                Some(Reply::No(no)) => Ok(Reply::No(No { text: answer.told(&no.text).replace(&digest, "…"), ..no })),
                Some(reply) => Ok(reply),
                None => Err(Trouble::Doubt(odd(call))),
            },
            // Even where it says that nobody looked at it: something on the way can say so after the vendor has acted.
            _ => Err(Trouble::Doubt(told(answer.refused()))),
        }
    }
}

/// The vendor expects the version always; without it nobody knows what it gives.
fn since(export: &Url, version: u64) -> Url {
    let mut url = export.clone();
    url.query_pairs_mut().append_pair("version", &version.to_string());
    url
}

/// Our clock, in seconds since 1970.
pub(crate) fn now() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0)
}

/// An export that cannot be read. It names no person, so that its beginning may be shown.
pub(crate) fn malformed(answer: &Answer, operation: &str) -> AdapterError {
    let context = format!("{} with something else than was promised: {}", answer.saw(), answer.excerpt());
    AdapterError::new(Class::VendorFault, "MalformedBody", operation, context)
}

/// An answer to a booking call that makes no sense. It is not shown: it may repeat who booked.
pub(crate) fn odd(call: Call) -> AdapterError {
    let context = format!("{} answered with something else than was promised", call.name());
    AdapterError::new(Class::VendorFault, "MalformedBody", call.operation(), context)
}

/// A refusal whose code has no meaning of its own here.
pub(crate) fn refused(call: Call, no: &No) -> AdapterError {
    let context =
        format!("{} is refused with code {}: “{}”; ask the vendor what it means", call.name(), no.code, no.text);
    AdapterError::new(Class::Data, "RefusedByVendor", call.operation(), context)
}
