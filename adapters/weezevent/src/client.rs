//! Calls to the vendor, and the one table of what its answers mean.
//!
//! A sign-in gives a token that lives long; it is kept in memory and fetched anew once when it is refused. Key and token go in the
//! address of every call: there is no other way, and no message ever shows an address's query.

use passerelle_contract::{AdapterError, Class, SettingsError};
use passerelle_kit::http::{Act, Answer, Client, Get, Lane, NotAnswered, RetryBudget, Verb};
use passerelle_kit::lenient;
use passerelle_kit::secret::Secret;
use tokio::sync::Mutex;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::settings::Checked;
use crate::wire;

/// Bytes of an answer that a probe reads: the events of the largest account.
const PROBE_BYTES: u64 = 8 * 1024 * 1024;
/// What is being done, for messages.
const SIGN_IN: &str = "sign in";

/// Who waits for an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum For<'a> {
    /// A pass, with what it may still spend on trying again.
    Pass(&'a RetryBudget),
    /// A probe.
    Probe,
}

/// Talks to the vendor for one account.
pub(crate) struct Weezevent {
    http: Client,
    settings: Checked,
    token: Mutex<Option<Secret>>,
}

impl Weezevent {
    pub(crate) fn new(settings: Checked) -> Result<Self, SettingsError> {
        let http = Client::new(settings.http.clone()).map_err(|error| SettingsError::one("base_url", error.context))?;
        Ok(Self { http, settings, token: Mutex::default() })
    }

    pub(crate) fn host(&self) -> String {
        self.http.host()
    }

    pub(crate) const fn settings(&self) -> &Checked {
        &self.settings
    }

    /// The events of the account. Without the word, those that nobody has bought yet are left out.
    pub(crate) async fn events(&self, who: For<'_>) -> Result<String, AdapterError> {
        self.read("list events", "events", "events", &[("include_without_sales", "true")], who).await
    }

    /// The dates of these events.
    pub(crate) async fn dates(&self, events: &[&str], who: For<'_>) -> Result<String, AdapterError> {
        self.read("list dates", "dates", "dates", &of(events), who).await
    }

    /// The tariffs of these events.
    pub(crate) async fn tariffs(&self, events: &[&str], who: For<'_>) -> Result<String, AdapterError> {
        self.read("list tariffs", "tickets", "events", &of(events), who).await
    }

    /// An answer that has a list under this name.
    async fn read(
        &self,
        operation: &'static str,
        path: &str,
        name: &str,
        query: &[(&str, &str)],
        who: For<'_>,
    ) -> Result<String, AdapterError> {
        let first = self.token(None, who).await?;
        let mut answer = self.get(operation, path, query, &first, who).await?;
        if answer.status == 401 {
            let fresh = self.token(Some(&first), who).await?;
            answer = self.get(operation, path, query, &fresh, who).await?;
        }
        let body = lenient::text(&answer.body).unwrap_or_default();
        match answer.status {
            200..=299 if wire::answer(body, name).is_some() => Ok(body.to_owned()),
            200..=299 => Err(malformed(&answer, operation)),
            _ => Err(answer.refused()),
        }
    }

    async fn get(
        &self,
        operation: &'static str,
        path: &str,
        query: &[(&str, &str)],
        token: &Secret,
        who: For<'_>,
    ) -> Result<Answer, AdapterError> {
        let mut url = self.address(path);
        url.query_pairs_mut()
            .append_pair("api_key", self.settings.api_key.expose())
            .append_pair("access_token", token.expose())
            .extend_pairs(query);
        let get = Get::new(operation, url);
        match who {
            For::Pass(budget) => self.http.get_with_retry(&get, budget).await,
            For::Probe => self.http.get(&get.probing(PROBE_BYTES)).await,
        }
    }

    /// The token in memory, unless it is the one that was refused.
    async fn token(&self, refused: Option<&Secret>, who: For<'_>) -> Result<Secret, AdapterError> {
        // Held meanwhile, so that many who need a token fetch one.
        let mut known = self.token.lock().await;
        if let Some(token) = known.as_ref()
            && refused.is_none_or(|refused| !refused.matches(token.expose()))
        {
            return Ok(token.clone());
        }
        let token = self.sign_in(who).await?.0;
        *known = Some(token.clone());
        Ok(token)
    }

    /// A token of its own, and what was seen of the answer.
    pub(crate) async fn sign_in(&self, who: For<'_>) -> Result<(Secret, String), AdapterError> {
        let body = Serializer::new(String::new())
            .append_pair("username", &self.settings.username)
            .append_pair("password", self.settings.password.expose())
            .append_pair("api_key", self.settings.api_key.expose())
            .finish();
        let act = Act::new(SIGN_IN, Verb::Post, self.address("auth/access_token"), 2 * self.settings.timeout)
            .with_body("application/x-www-form-urlencoded", body.into_bytes());
        // It changes nothing, so it may be asked again.
        let answer = match who {
            For::Pass(budget) => self.http.act_with_retry(&act.in_lane(Lane::Work), budget).await?,
            For::Probe => self.http.act(&act.in_lane(Lane::Probe)).await.map_err(NotAnswered::into_error)?,
        };
        if !(200..=299).contains(&answer.status) {
            return Err(answer.refused());
        }
        let token = lenient::text(&answer.body).and_then(wire::token).ok_or_else(|| malformed(&answer, SIGN_IN))?;
        Ok((Secret::new(&token), answer.saw()))
    }

    /// Does anybody answer? Without the account.
    pub(crate) async fn reach(&self) -> Result<String, AdapterError> {
        let url = self.settings.http.base.clone();
        let answer = self.http.get(&Get::new("reach the vendor", url).probing(PROBE_BYTES)).await?;
        if answer.status >= 500 { Err(answer.refused()) } else { Ok(answer.saw()) }
    }

    fn address(&self, path: &str) -> Url {
        let base = &self.settings.http.base;
        // Ours and relative, so it always joins.
        base.join(path).unwrap_or_else(|_| base.clone())
    }
}

fn of<'a>(events: &[&'a str]) -> Vec<(&'static str, &'a str)> {
    events.iter().map(|event| ("id_event[]", *event)).collect()
}

/// A success that is no such thing. It is not shown: it may be a token.
fn malformed(answer: &Answer, operation: &str) -> AdapterError {
    let why = format!("{} with something else than was promised", answer.saw());
    AdapterError::new(Class::VendorFault, "MalformedBody", operation, why)
}
