//! The adapter of a polled shop: its one source and its probes.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use passerelle_contract::{
    Adapter, AdapterError, Context, Duplicates, Evidence, Expectations, PageStream, Probe, ProbeKind, Pull, Row,
    SettingsError, Source, StockLine,
};
use serde_json::Value;

use crate::client::{Meaning, StockClient, meaning};
use crate::settings::check;
use crate::walk;
use crate::wire::with_leading_zeros;

/// Bytes of a body that the first probes read: some servers send the whole shop whatever is asked.
const PROBE_BYTES: u64 = 4096;

/// Builds the adapter; opens no connection.
pub(crate) fn connect(settings: &Value, context: Context) -> Result<Arc<dyn Adapter>, SettingsError> {
    let checked = check(settings, &context)?;
    let client = StockClient::new(checked).map_err(|error| SettingsError::one("api_url", error.context))?;
    Ok(Arc::new(Polling { client }))
}

struct Polling {
    client: StockClient,
}

impl Adapter for Polling {
    fn host(&self) -> Option<String> {
        Some(self.client.host())
    }

    fn stock(&self) -> Option<&dyn Source<StockLine>> {
        Some(self)
    }

    fn probes(&self) -> Vec<Probe<'_>> {
        let mut probes = vec![Probe {
            kind: ProbeKind::Reach,
            ask: Box::new(|| Box::pin(self.reach())),
            remedy: "check api_url, and ask the editor whether its stock service is still on",
        }];
        if self.client.signs_in() {
            probes.push(Probe {
                kind: ProbeKind::SignIn,
                ask: Box::new(|| Box::pin(self.sign_in())),
                remedy: "ask the editor for the current token or password and replace the secret",
            });
        }
        probes.push(Probe {
            kind: ProbeKind::ReadOne,
            ask: Box::new(|| Box::pin(self.read_one())),
            remedy: "check siret with the editor, and show it the evidence",
        });
        probes
    }
}

impl Source<StockLine> for Polling {
    fn pull(&self, ask: Pull) -> PageStream<'_, StockLine> {
        // The pass's own start is the next delta's lower bound: what changes while it runs is seen again.
        walk::pull(&self.client, ask.from.as_ref(), Timestamp::now())
    }

    fn expectations(&self) -> Expectations {
        Expectations {
            duplicates: Duplicates::Last,
            keep_back: self.client.settings().keep_back,
            ..Expectations::default()
        }
    }
}

impl Polling {
    /// Any status but a broken server's shows that the address answers.
    async fn reach(&self) -> Result<Evidence, AdapterError> {
        let answer = self.client.probe(Some(PROBE_BYTES)).await?;
        if matches!(answer.status, 408 | 429 | 500..) {
            return Err(answer.refused());
        }
        Ok(Evidence { saw: answer.saw(), concern: None })
    }

    async fn sign_in(&self) -> Result<Evidence, AdapterError> {
        let answer = self.client.probe(Some(PROBE_BYTES)).await?;
        if matches!(answer.status, 401 | 403 | 408 | 429 | 500..) {
            return Err(answer.refused());
        }
        Ok(Evidence { saw: answer.saw(), concern: None })
    }

    async fn read_one(&self) -> Result<Evidence, AdapterError> {
        let answer = match meaning(self.client.probe(None).await?)? {
            Meaning::Body(answer) => answer,
            Meaning::BadRequest(error) => return Err(error),
        };
        let reading = self.client.settings().reading;
        let body = match reading.leading_dot_numbers {
            true => with_leading_zeros(&answer.body),
            false => Cow::Borrowed(answer.body.as_slice()),
        };
        let page = walk::parse(&answer, &body, reading)?;
        let Some(first) = page.entries.first() else {
            return Ok(Evidence { saw: answer.saw(), concern: Some(empty_shop()) });
        };
        Ok(match walk::read_first(first, reading, Timestamp::now()) {
            Some(Row::Good(line)) => Evidence {
                saw: format!("{}; {} at {}", answer.saw(), line.ean, line.price.unwrap_or_default()),
                concern: None,
            },
            // One odd entry is not an ill server: real work quarantines it and goes on.
            Some(Row::Poison(error)) => {
                Evidence { saw: format!("{}; first entry: {}", answer.saw(), error.message), concern: None }
            }
            None => Evidence { saw: answer.saw(), concern: None },
        })
    }
}

fn empty_shop() -> (String, String) {
    (
        "the shop's list is empty".to_owned(),
        "check that siret names the right shop and that its stock is shared".to_owned(),
    )
}
