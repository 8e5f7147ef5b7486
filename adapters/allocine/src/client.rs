//! The one call, and the one table of what its answers mean.

use std::sync::Arc;

use passerelle_contract::{AdapterError, Class, Evidence};
use passerelle_kit::http::{Answer, Client, Get, RetryBudget};
use passerelle_kit::lenient;
use url::Url;

use crate::settings::Checked;
use crate::wire::{self, Listing};

/// Bytes of an answer that a probe reads: enough to see what kind of answer it is.
const PROBE_BYTES: u64 = 64 * 1024;

/// Talks to the stored queries for one cinema.
#[derive(Debug)]
pub(crate) struct Allocine {
    http: Client,
    programme: Url,
}

impl Allocine {
    pub(crate) fn new(settings: Checked) -> Result<Self, AdapterError> {
        let base = settings.http.base.clone();
        let mut programme = base.join("movieShowtimeList").unwrap_or(base);
        // The padding of the identifier is sent as it is: that is how the vendor is asked today.
        programme.set_query(Some(&format!("theater={}", settings.theater)));
        Ok(Self { http: Client::new(settings.http)?, programme })
    }

    pub(crate) fn host(&self) -> String {
        self.http.host()
    }

    /// The cinema's whole programme.
    pub(crate) async fn programme(&self) -> Result<Arc<Answer>, AdapterError> {
        let get = Get::new("list showtimes", self.programme.clone());
        let answer = self.http.get_with_retry(&get, &RetryBudget::default()).await?;
        taken(answer).map(Arc::new)
    }

    /// Does anybody answer?
    pub(crate) async fn reach(&self) -> Result<String, AdapterError> {
        let answer = self.http.get(&self.probe("reach the vendor")).await?;
        if answer.status >= 500 { Err(answer.refused()) } else { Ok(answer.saw()) }
    }

    /// Is the key taken? A theater that is not known says nothing against it.
    pub(crate) async fn sign_in_probe(&self) -> Result<String, AdapterError> {
        let answer = self.http.get(&self.probe("ask with the key")).await?;
        if matches!(answer.status, 200 | 404) { Ok(answer.saw()) } else { Err(answer.refused()) }
    }

    /// Is this cinema there, with a programme?
    pub(crate) async fn read_one(&self) -> Result<Evidence, AdapterError> {
        let answer = taken(self.http.get(&self.probe("read the programme")).await?)?;
        let text = lenient::text(&answer.body).unwrap_or_default();
        // Its beginning is enough: a programme is longer than a probe reads.
        if !text.trim_start().starts_with('{') || !text.contains(wire::ROOT) {
            return Err(malformed(&answer));
        }
        let empty = matches!(Listing::read(text), Ok(listing) if listing.edges.is_empty());
        let concern =
            empty.then(|| ("the vendor lists no film for this theater".to_owned(), "check theater_id".to_owned()));
        Ok(Evidence { saw: answer.saw(), concern })
    }

    fn probe(&self, operation: &'static str) -> Get {
        Get::new(operation, self.programme.clone()).probing(PROBE_BYTES)
    }
}

/// Only 200 is an answer; which theater an address names is seen from a 404.
fn taken(answer: Answer) -> Result<Answer, AdapterError> {
    match answer.status {
        200 => Ok(answer),
        404 => Err(unknown_theater(&answer)),
        _ => Err(answer.refused()),
    }
}

/// The vendor does not know the theater, or hides it.
pub(crate) fn unknown_theater(answer: &Answer) -> AdapterError {
    let context = format!("{}: the vendor has no such theater; check theater_id", answer.saw());
    AdapterError::new(Class::Data, "UnknownTheater", "list showtimes", context)
}

/// A success that cannot be read: a web page, something cut off.
pub(crate) fn malformed(answer: &Answer) -> AdapterError {
    let context = format!("{} with something else than was promised: {}", answer.saw(), answer.excerpt());
    AdapterError::new(Class::VendorFault, "MalformedBody", "list showtimes", context)
}

/// The graph says that it failed.
pub(crate) fn graph_failed(answer: &Answer) -> AdapterError {
    let context = format!("{} with errors instead of showtimes", answer.saw());
    AdapterError::new(Class::Transient, "GraphError", "list showtimes", context)
}
