//! Calls to the vendor, and the one table of what its answers mean.
//!
//! The token travels in the query of every address. The kit shows addresses without their query; whatever the vendor echoes is
//! looked through for the token before it is told.

use std::time::Duration;

use passerelle_contract::{AdapterError, Class, Deadline};
use passerelle_kit::http::{Act, Answer, Client, Get, NotAnswered, RetryBudget, Verb};
use passerelle_kit::lenient;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::in_hand::InHand;
use crate::settings::Checked;
use crate::statics::Statics;

/// Bytes of an answer that a probe reads.
const PROBE_BYTES: u64 = 64 * 1024;

/// Who waits for a read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum For<'a> {
    /// A pass, with what it may still spend on trying again.
    Pass(&'a RetryBudget),
    /// A booking, until then.
    Booking(Deadline),
    /// A probe.
    Probe,
}

/// Talks to the vendor for one cinema.
#[derive(Debug)]
pub(crate) struct Cds {
    http: Client,
    settings: Checked,
    /// What rarely changes, as last read.
    pub(crate) statics: Statics,
    /// Seats that are being sold.
    pub(crate) in_hand: InHand,
}

impl Cds {
    pub(crate) fn new(settings: Checked) -> Result<Self, AdapterError> {
        let http = Client::new(settings.http.clone())?;
        Ok(Self { http, settings, statics: Statics::default(), in_hand: InHand::default() })
    }

    pub(crate) fn host(&self) -> String {
        self.http.host()
    }

    pub(crate) const fn settings(&self) -> &Checked {
        &self.settings
    }

    /// The address of a resource, token included.
    fn at(&self, path: &str) -> Url {
        // Paths are ours and relative, so they always join.
        let mut url = self.settings.http.base.join(path).unwrap_or_else(|_| self.settings.http.base.clone());
        url.query_pairs_mut().append_pair("api_token", self.settings.api_token.expose());
        url
    }

    /// Reads a resource; only a success is an answer.
    pub(crate) async fn get(&self, operation: &'static str, path: &str, who: For<'_>) -> Result<Answer, AdapterError> {
        let get = Get::new(operation, self.at(path));
        let answer = match who {
            For::Pass(budget) => self.http.get_with_retry(&get, budget).await?,
            For::Booking(deadline) => self.http.get(&get.booking(deadline.left())).await?,
            For::Probe => self.http.get(&get.probing(PROBE_BYTES)).await?,
        };
        if answer.status >= 300 { Err(answer.refused()) } else { Ok(answer) }
    }

    /// Does something, once.
    pub(crate) async fn act(
        &self,
        operation: &'static str,
        verb: Verb,
        path: &str,
        body: &Value,
        within: Duration,
    ) -> Result<Answer, NotAnswered> {
        self.http.act(&Act::new(operation, verb, self.at(path), within).with_json(body)).await
    }

    /// A success that cannot be read: a web page, something cut off.
    pub(crate) fn malformed(&self, answer: &Answer) -> AdapterError {
        let context = format!("{} with something else than was promised: {}", answer.saw(), answer.excerpt());
        AdapterError::new(Class::VendorFault, "MalformedBody", "read an answer", context)
    }

    /// Reads an answer's JSON.
    pub(crate) fn read<'a, T: Deserialize<'a>>(&self, answer: &'a Answer) -> Result<T, AdapterError> {
        lenient::text(&answer.body)
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| self.malformed(answer))
    }

    /// Does anybody answer? Without the token.
    pub(crate) async fn reach(&self) -> Result<String, AdapterError> {
        let url = self.settings.http.base.join("rating").unwrap_or_else(|_| self.settings.http.base.clone());
        let answer = self.http.get(&Get::new("reach the vendor", url).probing(PROBE_BYTES)).await?;
        if answer.status >= 500 { Err(answer.refused()) } else { Ok(answer.saw()) }
    }

    /// Is the token taken? What the vendor's own clients ask when a cinema is set up.
    pub(crate) async fn sign_in_probe(&self) -> Result<String, AdapterError> {
        Ok(self.get("ask with the token", "rating", For::Probe).await?.saw())
    }

    /// Can one thing be read?
    pub(crate) async fn read_one(&self) -> Result<String, AdapterError> {
        let answer = self.get("read the payment types", "paiementtype", For::Probe).await?;
        self.read::<Vec<&serde_json::value::RawValue>>(&answer)?;
        Ok(answer.saw())
    }
}
