//! The cinemas of an account, for chains.
//!
//! The vendor knows no SIRET, so that each is matched to its venue by a line of the configuration. The body holds every cinema's
//! secrets: id, name and town are kept, and nothing is shown of the rest.

use passerelle_contract::{BoxFuture, Context, Site, SitesError};
use passerelle_kit::http::RetryBudget;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::client::{Cds, For};
use crate::settings;
use crate::wire;

/// Cinemas of an account; the largest chain has under a hundred.
const MOST_SITES: usize = 5_000;

/// Asks for them.
pub(crate) fn list(mut settings: Value, context: Context) -> BoxFuture<'static, Result<Vec<Site>, SitesError>> {
    Box::pin(async move {
        // Which cinema is what is being asked: a word stands in for it.
        if let Some(table) = settings.as_object_mut() {
            table.entry("cinema_id").or_insert_with(|| Value::from("any"));
        }
        let cds = Cds::new(settings::check(&settings, &context)?)?;
        let budget = RetryBudget::default();
        let sites = cds
            .cinemas(For::Pass(&budget), |records| Ok(records.into_iter().take(MOST_SITES).filter_map(site).collect()));
        Ok(sites.await?)
    })
}

fn site(raw: &RawValue) -> Option<Site> {
    let cinema: wire::Cinema<'_> = serde_json::from_str(raw.get()).ok()?;
    let parts = [cinema.name.trimmed(), cinema.city.trimmed()];
    Some(Site {
        id: cinema.id.trimmed()?.to_owned(),
        name: parts.into_iter().flatten().collect::<Vec<_>>().join(", "),
        siret: None,
    })
}
