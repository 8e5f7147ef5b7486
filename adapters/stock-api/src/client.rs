//! Calls to the vendor, and the one table of what its answers mean.

use jiff::{Timestamp, Unit};
use passerelle_contract::{AdapterError, Class};
use passerelle_kit::http::{Answer, Client, Get, RetryBudget};
use passerelle_kit::json::{Keys, Object};
use serde_json::value::RawValue;

use crate::settings::Checked;

/// What operators see as the thing being done.
pub(crate) const LIST: &str = "list stocks";

/// One page to ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    pub(crate) limit: u32,
    pub(crate) after: Option<String>,
    pub(crate) modified_since: Option<Timestamp>,
}

/// What an answer means for the pass.
pub(crate) enum Meaning {
    /// A body to read as a page; empty when the vendor said so by status.
    Body(Answer),
    /// The request as such was refused: once, a full pass from its first page may still work.
    BadRequest(AdapterError),
}

/// Talks to one shop's list.
pub(crate) struct StockClient {
    http: Client,
    settings: Checked,
}

impl StockClient {
    pub(crate) fn new(settings: Checked) -> Result<Self, AdapterError> {
        Ok(Self { http: Client::new(settings.http.clone())?, settings })
    }

    pub(crate) fn host(&self) -> String {
        self.http.host()
    }

    pub(crate) const fn settings(&self) -> &Checked {
        &self.settings
    }

    /// Has this connection credentials?
    pub(crate) const fn signs_in(&self) -> bool {
        self.settings.http.authorization.is_some()
    }

    /// Asks for one page, again where that makes sense and the budget allows.
    pub(crate) async fn page(&self, ask: &Ask, budget: &RetryBudget) -> Result<Meaning, AdapterError> {
        meaning(self.http.get_with_retry(&self.request(ask), budget).await?)
    }

    /// The same call for a probe: once, in the probes' lane, at most this much of the body.
    pub(crate) async fn probe(&self, only_first_bytes: Option<u64>) -> Result<Answer, AdapterError> {
        let ask = Ask { limit: 1, ..Ask::default() };
        let whole = self.settings.http.max_body_bytes;
        let mut get = self.request(&ask).probing(only_first_bytes.unwrap_or(whole));
        if only_first_bytes.is_none() {
            get.only_first_bytes = None;
        }
        self.http.get(&get).await
    }

    fn request(&self, ask: &Ask) -> Get {
        let mut url = self.settings.shop_url.clone();
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("limit", &ask.limit.to_string());
            if let Some(after) = &ask.after {
                query.append_pair("after", after);
            }
            match ask.modified_since {
                Some(since) => {
                    query.append_pair("modifiedSince", &instant(since, self.settings.milliseconds));
                }
                None if self.settings.in_stock_first => {
                    query.append_pair("inStock", "1");
                }
                None => {}
            }
        }
        Get::new(LIST, url)
    }
}

/// UTC with a literal `Z`: to the second, which is what the servers were built against, or to the millisecond.
fn instant(at: Timestamp, milliseconds: bool) -> String {
    let (unit, decimals) = if milliseconds { (Unit::Millisecond, 3) } else { (Unit::Second, 0) };
    let rounding = jiff::TimestampRound::new().smallest(unit).mode(jiff::RoundMode::Floor);
    let at = at.round(rounding).unwrap_or(at);
    format!("{at:.decimals$}")
}

/// The table of statuses; those it does not name have their usual meaning.
pub(crate) fn meaning(answer: Answer) -> Result<Meaning, AdapterError> {
    match answer.status {
        200 | 204 => Ok(Meaning::Body(answer)),
        404 => Err(unknown_shop(&answer)),
        400 if mentions_siret(&answer.body) => Err(unknown_shop(&answer)),
        400 => {
            let context = format!("{}: {}", answer.saw(), answer.excerpt());
            Ok(Meaning::BadRequest(AdapterError::new(Class::VendorFault, "BadRequest", LIST, context)))
        }
        _ => Err(answer.refused()),
    }
}

/// Never a reason to sell the shop out: nothing is withdrawn, and a person is told.
fn unknown_shop(answer: &Answer) -> AdapterError {
    let context = format!(
        "{}: the editor does not know this shop; check `siret` and `api_url`, or ask the editor to open the shop to \
         pass Culture",
        answer.saw()
    );
    AdapterError::new(Class::Settings, "UnknownShop", LIST, context)
}

/// `{"errors": {"siret": […]}}` by contract, `[{"text": "Siret invalide"}]` in its first draft. Only where an error names
/// its field: a request that is echoed would hold the word, too.
fn mentions_siret(body: &[u8]) -> bool {
    let Ok(root) = serde_json::from_slice::<&RawValue>(body) else { return false };
    if let Ok(object) = serde_json::from_str::<Object<'_>>(root.get()) {
        let errors = object.raw("errors", Keys::AnyCase).unwrap_or(root);
        return serde_json::from_str::<Object<'_>>(errors.get())
            .is_ok_and(|fields| fields.raw("siret", Keys::AnyCase).is_some());
    }
    let Ok(list) = serde_json::from_str::<Vec<Object<'_>>>(root.get()) else { return false };
    list.iter().any(|one| match one.scalar("text", Keys::AnyCase) {
        passerelle_kit::json::Scalar::Text(text) => text.to_lowercase().contains("siret"),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_cut_to_the_second_or_the_millisecond() {
        let at: Timestamp = "2026-01-05T09:00:00.987654Z".parse().unwrap();
        assert_eq!(instant(at, false), "2026-01-05T09:00:00Z");
        assert_eq!(instant(at, true), "2026-01-05T09:00:00.987Z");
    }

    #[test]
    fn an_unknown_shop_is_told_from_another_bad_request() {
        for (body, expected) in [
            (r#"{"errors": {"siret": ["inconnu"]}}"#, true),
            (r#"{"siret": ["inconnu"]}"#, true),
            (r#"[{"text": "Siret invalide"}]"#, true),
            (r#"{"errors": {"after": ["Entrée non trouvée"]}}"#, false),
            (r#"{"errors": {"modifiedSince": ["bad /stocks/siret"]}}"#, false),
            ("siret", false),
            ("", false),
        ] {
            assert_eq!(mentions_siret(body.as_bytes()), expected, "{body}");
        }
    }
}
