//! Calls to pretix, and the one table of what its answers mean.
//!
//! Invariants: an order is sent once; no body and no text of the vendor shows in a message; pages are counted here, so that
//! an address of the vendor's is never followed and the token goes to its own server alone.

use std::time::Duration;

use passerelle_contract::{AdapterError, Class, Deadline};
use passerelle_kit::http::{Act, Answer, Client, Get, Lane, NotAnswered, RetryBudget, Verb};
use passerelle_kit::lenient;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use crate::settings::Checked;
use crate::wire::{Event, EventSettings, Item, Listed, Order, Quota, SubEvent};

/// Pages of one list: 5 000 dates of a series.
const MAX_PAGES: u32 = 100;
/// Bytes of an answer that a probe reads: a whole page of any list.
const PROBE_BYTES: u64 = 4 * 1024 * 1024;

/// Who waits for an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum For<'a> {
    /// A pass, with what it may still spend on trying again.
    Pass(&'a RetryBudget),
    /// A booking, until then.
    Booking(Deadline),
    /// A probe.
    Probe,
}

/// Talks to one organizer.
#[derive(Debug)]
pub(crate) struct Pretix {
    http: Client,
    settings: Checked,
}

impl Pretix {
    pub(crate) fn new(settings: Checked) -> Result<Self, AdapterError> {
        Ok(Self { http: Client::new(settings.http.clone())?, settings })
    }

    pub(crate) fn host(&self) -> String {
        self.http.host()
    }

    pub(crate) const fn settings(&self) -> &Checked {
        &self.settings
    }

    /// An address below an event's. Every path ends with a slash: without it pretix redirects reads and loses the rest.
    fn at(&self, event: &str, path: &str) -> Url {
        let base = &self.settings.http.base;
        // Slugs and numbers were checked, so it always joins.
        base.join(&format!("organizers/{}/events/{event}/{path}", self.settings.organizer))
            .unwrap_or_else(|_| base.clone())
    }

    async fn get(&self, operation: &'static str, url: Url, who: For<'_>) -> Result<Answer, AdapterError> {
        let mut get = Get::new(operation, url);
        get.authorization = Some(self.settings.authorization.clone());
        if let (Ok(name), Ok(value)) = ("accept-language".parse(), "en".parse()) {
            get = get.with_header(name, value);
        }
        match who {
            For::Pass(budget) => self.http.get_with_retry(&get, budget).await,
            For::Booking(deadline) => self.http.get(&get.booking(deadline.left())).await,
            For::Probe => self.http.get(&get.probing(PROBE_BYTES)).await,
        }
    }

    /// One object; `None` when pretix itself says that it is not there.
    async fn read<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        url: Url,
        who: For<'_>,
    ) -> Result<Option<T>, AdapterError> {
        let answer = self.get(operation, url, who).await?;
        match answer.status {
            200 => json(&answer).map(Some).ok_or_else(|| malformed(operation, &answer)),
            // A page of another server is no word of pretix's.
            404 if says_why(&answer) => Ok(None),
            _ => Err(answer.refused()),
        }
    }

    /// A whole list, page after page.
    async fn list(&self, operation: &'static str, url: &Url, who: For<'_>) -> Result<Vec<Box<RawValue>>, AdapterError> {
        let mut all = Vec::new();
        for page in 1..=MAX_PAGES {
            let mut url = url.clone();
            url.query_pairs_mut().append_pair("page", &page.to_string());
            let listed: Listed = self.read(operation, url, who).await?.ok_or_else(|| not_there(operation))?;
            all.extend(listed.results);
            if listed.next.is_none() {
                return Ok(all);
            }
        }
        let why = format!("the list does not end after {MAX_PAGES} pages; leave finished dates out of the event");
        Err(AdapterError::new(Class::VendorFault, "TooManyPages", operation, why))
    }

    /// An event.
    pub(crate) async fn event(&self, slug: &str, who: For<'_>) -> Result<Option<Event>, AdapterError> {
        const OPERATION: &str = "read the event";
        let event: Option<Event> = self.read(OPERATION, self.at(slug, ""), who).await?;
        match event {
            Some(event) if event.slug != slug => Err(odd(OPERATION, "another event than the one asked for")),
            event => Ok(event),
        }
    }

    /// The language that an event is written in first.
    pub(crate) async fn locale(&self, slug: &str, who: For<'_>) -> Result<Option<String>, AdapterError> {
        let settings: Option<EventSettings> =
            self.read("read the event's settings", self.at(slug, "settings/"), who).await?;
        Ok(settings.and_then(|settings| settings.locale))
    }

    /// All items of an event.
    pub(crate) async fn items(&self, slug: &str, who: For<'_>) -> Result<Vec<Box<RawValue>>, AdapterError> {
        self.list("list the items", &self.at(slug, "items/"), who).await
    }

    /// The dates of a series that are not over, those that are switched off too.
    pub(crate) async fn dates(&self, slug: &str, who: For<'_>) -> Result<Vec<Box<RawValue>>, AdapterError> {
        self.list("list the dates", &self.at(slug, "subevents/?is_future=true"), who).await
    }

    /// The quotas of an event, or of one date of it, each as far as it can be read.
    pub(crate) async fn quotas(
        &self,
        slug: &str,
        date: Option<i64>,
        who: For<'_>,
    ) -> Result<Vec<Option<Quota>>, AdapterError> {
        let of = date.map_or_else(String::new, |date| format!("&subevent={date}"));
        let url = self.at(slug, &format!("quotas/?with_availability=true{of}"));
        let all = self.list("read the quotas", &url, who).await?;
        Ok(all.iter().map(|raw| serde_json::from_str(raw.get()).ok()).collect())
    }

    /// One date of a series.
    pub(crate) async fn date(&self, slug: &str, id: i64, who: For<'_>) -> Result<Option<SubEvent>, AdapterError> {
        self.read("read the date", self.at(slug, &format!("subevents/{id}/")), who).await
    }

    /// One item.
    pub(crate) async fn item(&self, slug: &str, id: i64, who: For<'_>) -> Result<Option<Item>, AdapterError> {
        self.read("read the item", self.at(slug, &format!("items/{id}/")), who).await
    }

    /// An order with all its positions, cancelled ones too.
    pub(crate) async fn order(
        &self,
        slug: &str,
        code: &str,
        deadline: Deadline,
    ) -> Result<Option<Order>, AdapterError> {
        const OPERATION: &str = "read the order";
        let url = self.at(slug, &format!("orders/{code}/?include_canceled_positions=true"));
        match self.read::<Order>(OPERATION, url, For::Booking(deadline)).await? {
            Some(order) if order.code != code => Err(odd(OPERATION, "another order than the one asked for")),
            order => Ok(order),
        }
    }

    /// Sends what may change something below an event, once. With a key pretix does the same thing only once, whoever
    /// repeats it on the way.
    pub(crate) async fn act(
        &self,
        operation: &'static str,
        (event, path): (&str, &str),
        body: &Value,
        within: Duration,
        key: Option<&str>,
    ) -> Result<Answer, NotAnswered> {
        let mut act = Act::new(operation, Verb::Post, self.at(event, path), within).with_json(body);
        act.authorization = Some(self.settings.authorization.clone());
        for (name, value) in [("accept-language", Some("en")), ("x-idempotency-key", key)] {
            // All are plain characters, so they always parse.
            if let (Ok(name), Some(Ok(value))) = (name.parse(), value.map(str::parse)) {
                act = act.with_header(name, value);
            }
        }
        self.http.act(&act.in_lane(Lane::Booking)).await
    }

    /// Does anybody answer? Without the token: pretix refuses strangers in words of its own.
    pub(crate) async fn reach(&self) -> Result<String, AdapterError> {
        let base = &self.settings.http.base;
        let url = base.join("version").unwrap_or_else(|_| base.clone());
        let answer = self.http.get(&Get::new("reach the pretix server", url).probing(PROBE_BYTES)).await?;
        if answer.status >= 500 { Err(answer.refused()) } else { Ok(answer.saw()) }
    }

    /// Is the token taken?
    pub(crate) async fn sign_in(&self) -> Result<String, AdapterError> {
        let base = &self.settings.http.base;
        let url = base.join("organizers/").unwrap_or_else(|_| base.clone());
        let answer = self.get("list the organizers", url, For::Probe).await?;
        if answer.status >= 300 { Err(answer.refused()) } else { Ok(answer.saw()) }
    }
}

/// What an answer holds.
pub(crate) fn json<T: DeserializeOwned>(answer: &Answer) -> Option<T> {
    serde_json::from_str(lenient::text(&answer.body)?).ok()
}

/// Is it a "no" of pretix's own: an object or a list in JSON, not a page of something before it?
pub(crate) fn says_why(answer: &Answer) -> bool {
    #[derive(Deserialize)]
    struct Why {
        detail: String,
    }
    json::<Why>(answer).is_some_and(|why| !why.detail.is_empty())
}

/// Turned away before anybody looked at what was asked.
pub(crate) const fn turned_away(status: u16) -> bool {
    matches!(status, 401 | 403 | 404 | 405 | 415 | 429)
}

/// An answer that came as a success and makes no sense. It is not shown: orders name people.
pub(crate) fn malformed(operation: &'static str, answer: &Answer) -> AdapterError {
    odd(operation, &format!("{} with something else than was promised", answer.saw()))
}

pub(crate) fn odd(operation: &'static str, why: &str) -> AdapterError {
    AdapterError::new(Class::VendorFault, "MalformedBody", operation, why)
}

pub(crate) fn not_there(operation: &'static str) -> AdapterError {
    AdapterError::new(Class::Settings, "NotFound", operation, "pretix says that it is not there; check events")
}
