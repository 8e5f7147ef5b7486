//! The account's sites: which cinema has which id. For `check`, and for chains.

use passerelle_contract::{AdapterError, BoxFuture, Context, SettingsError, Site, SitesError};
use passerelle_kit::http::RetryBudget;
use passerelle_kit::json::Object;
use passerelle_kit::lenient;
use serde_json::Value;

use crate::client::{Ems, For, malformed};
use crate::settings;
use crate::wire::{self, record, text};

/// Sites of an account that are told; the largest chain has under a hundred.
const MOST_SITES: usize = 5_000;

/// Digits of a SIRET. Some sites state a SIREN, which has nine and names a company, not a place.
const SIRET_DIGITS: usize = 14;

/// Asks for them.
pub(crate) fn list(mut settings: Value, context: Context) -> BoxFuture<'static, Result<Vec<Site>, SitesError>> {
    Box::pin(async move {
        // Which site is what is being asked: a word stands in for it.
        if let Some(table) = settings.as_object_mut() {
            table.entry("site_id").or_insert_with(|| Value::from("any"));
        }
        let ems = Ems::new(settings::check(&settings, &context)?)?;
        let read = ems.read_sites(For::Pass(&RetryBudget::default())).await?.ok_or_else(|| {
            SettingsError::one(
                "sites_url",
                "write the address of the sites export: nothing else tells the account's sites",
            )
        })?;
        Ok(read.into_iter().take(MOST_SITES).collect())
    })
}

impl Ems {
    /// All sites of the account; `None` when the settings do not say where they are.
    pub(crate) async fn read_sites(&self, who: For<'_>) -> Result<Option<Vec<Site>>, AdapterError> {
        let Some(answer) = self.sites(who).await else { return Ok(None) };
        let answer = answer?;
        let read = lenient::text(&answer.body).and_then(sites);
        read.ok_or_else(|| malformed(&answer, "read the sites")).map(Some)
    }
}

/// Reads a sites export. Sites without id are left out; `None` when it is no such export.
fn sites(body: &str) -> Option<Vec<Site>> {
    let answer: Object<'_> = serde_json::from_str(body).ok()?;
    Some(wire::list(&answer, "sites")?.into_iter().filter_map(record).filter_map(|site| read(&site)).collect())
}

fn read(site: &Object<'_>) -> Option<Site> {
    let siret = text(site, "siret").map(|text| text.split_whitespace().collect::<String>());
    let parts: Vec<String> = [text(site, "name"), text(site, "city")].into_iter().flatten().collect();
    Some(Site {
        id: text(site, "id")?,
        name: parts.join(", "),
        siret: siret.filter(|siret| siret.len() == SIRET_DIGITS && siret.bytes().all(|byte| byte.is_ascii_digit())),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_export_makes_it_panic(body in "\\PC{0,40}", value in "[\\[\\]{}\",:0-9a-z ]{0,12}") {
            let _ = sites(&body);
            let _ = sites(&format!(r#"{{"sites":[{{"id":{value},"siret":{value}}}]}}"#));
        }
    }

    #[test]
    fn sites_are_read_and_a_company_is_no_place() {
        let body = r#"{"sites":[
            {"id":"6154","allocine_id":"Z6154","siret":"111 122 223 33344","zip_code":"56990",
             "name":"Cinéma du Sémaphore","city":"Saint-Orlan"},
            {"id":"0042","allocine_id":null,"siret":"111122223","name":"Le Colibri","city":null},
            {"name":"nobody"}, 7], "version":1}"#;
        let read = sites(body).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(
            read[0],
            Site {
                id: "6154".into(),
                name: "Cinéma du Sémaphore, Saint-Orlan".into(),
                siret: Some("11112222333344".into()),
            }
        );
        assert_eq!((read[1].id.as_str(), &read[1].siret), ("0042", &None));
        for odd in ["", "[]", "{}", r#"{"sites":null}"#, "<html>"] {
            assert_eq!(sites(odd), None, "{odd}");
        }
    }
}
