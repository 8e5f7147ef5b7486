//! Chains: the sites that a vendor has under one account, matched to the venues that pass Culture has linked.
//!
//! A site is matched by its SIRET, or by a line of the configuration where the vendor has no SIRET. Invariant: nothing is
//! connected on a guess, and a site that is not connected says what is missing.

use std::collections::{BTreeMap, BTreeSet};

use passerelle_contract::{Context, Site, SitesError};

use super::{Gateway, OpenError};
use crate::config::{Discovery, MOST_SITES, Problem, site_record};
use crate::registry;
use crate::store::ConnectionRecord;

/// Characters of a SIRET, or of a RIDET as pass Culture writes it.
const SIRET_LENGTH: usize = 14;

/// A site that the vendor told of, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// As the vendor told it.
    pub site: Site,
    /// What became of it.
    pub matched: Matched,
}

/// What became of a site.
#[derive(Clone, Debug, PartialEq)]
pub enum Matched {
    /// The configuration lists it.
    Listed,
    /// Its SIRET is a linked venue's: this connects it.
    Connected(Box<ConnectionRecord>),
    /// The vendor does not know its SIRET.
    NoSiret,
    /// pass Culture has linked no venue with its SIRET to the account.
    NotLinked,
    /// Another site or connection stands in its way, in a sentence.
    InTheWay(String),
}

impl Found {
    /// One word.
    #[must_use]
    pub const fn result(&self) -> &'static str {
        match self.matched {
            Matched::Listed => "listed",
            Matched::Connected(_) => "connected",
            Matched::NoSiret => "no_siret",
            Matched::NotLinked => "not_linked",
            Matched::InTheWay(_) => "in_the_way",
        }
    }

    /// What to do; empty when nothing is to be done.
    #[must_use]
    pub fn hint(&self) -> String {
        let line = format!("{{ id = \"{}\", siret = \"…\" }}", self.site.id);
        match &self.matched {
            Matched::Listed | Matched::Connected(_) => String::new(),
            Matched::NoSiret => format!("the vendor does not know its SIRET: add {line} to `sites`"),
            Matched::NotLinked => {
                let known = self.site.siret.as_deref().unwrap_or_default();
                format!(
                    "no venue with SIRET {known} is linked to the account: have the venue choose this provider on its pass Culture \
                     pro page, or add {line} to `sites`"
                )
            }
            Matched::InTheWay(why) => why.clone(),
        }
    }
}

impl Gateway {
    /// Asks a chain's vendor for its sites and matches them. Stores nothing.
    ///
    /// # Errors
    /// Wrong settings as [`OpenError::Configuration`]; a vendor or a pass Culture that does not answer, in a sentence.
    pub async fn discover(&self, chain: &Discovery) -> Result<Result<Vec<Found>, String>, OpenError> {
        let template = &chain.template;
        let told = |path: String, message: String| OpenError::Configuration(vec![Problem::new(path, message)]);
        let place = format!("connection.{}", template.id);
        let Some(descriptor) = registry::find(&template.adapter) else {
            return Err(told(format!("{place}.adapter"), format!("`{}` is not an adapter", template.adapter)));
        };
        let (Some(list), true) = (descriptor.list_sites, descriptor.site_setting.is_some()) else {
            return Err(told(
                format!("{place}.discover"),
                format!("{} cannot tell its sites; list them under `sites`", descriptor.title),
            ));
        };
        let context = Context {
            connection: template.id.clone(),
            allow_private_addresses: template.allow_private_addresses,
            base_dir: template.base_dir.clone().into(),
            sessions: Some(self.sessions()),
            ..Context::default()
        };
        let sites = match list(template.settings.clone(), context).await {
            Ok(sites) => sites,
            Err(SitesError::Vendor(error)) => return Ok(Err(error.to_string())),
            Err(SitesError::Settings(error)) => {
                let problems = error.problems.into_iter();
                let told = |path: String| format!("{place}.settings.{path}");
                let problems = problems.map(|problem| Problem::new(told(problem.path), problem.message)).collect();
                return Err(OpenError::Configuration(problems));
            }
        };
        let linked: BTreeSet<String> = match self.client(&template.account)?.venues().await {
            Ok(venues) => venues.into_iter().filter_map(|venue| venue.siret).collect(),
            Err(error) => return Ok(Err(error.to_string())),
        };
        Ok(Ok(matched(chain, sites, &linked)))
    }
}

/// Matches sites to linked SIRETs. Pure.
fn matched(chain: &Discovery, sites: Vec<Site>, linked: &BTreeSet<String>) -> Vec<Found> {
    let mut of_siret: BTreeMap<&str, usize> = BTreeMap::new();
    for siret in sites.iter().filter_map(|site| site.siret.as_deref()) {
        *of_siret.entry(siret).or_default() += 1;
    }
    let shared: BTreeSet<String> =
        of_siret.into_iter().filter(|(_, sites)| *sites > 1).map(|(siret, _)| siret.to_owned()).collect();
    let mut taken = chain.taken.clone();
    let mut found = Vec::with_capacity(sites.len().min(MOST_SITES));
    for site in sites.into_iter().take(MOST_SITES) {
        // Some vendors know the company's nine digits only: those name no place.
        let known = site.siret.clone().filter(|written| written.chars().count() == SIRET_LENGTH);
        let matched = match known {
            _ if chain.listed.contains(&site.id) => Matched::Listed,
            None => Matched::NoSiret,
            Some(siret) if shared.contains(&siret) => Matched::InTheWay(format!(
                "several of the vendor's sites have SIRET {siret}: list the right one under `sites`"
            )),
            Some(siret) if !linked.contains(&siret) => Matched::NotLinked,
            Some(siret) => {
                let own = serde_json::Value::Object(serde_json::Map::new());
                let record = site_record(&chain.template, &site.id, None, None, Some(siret), &own);
                if taken.insert(record.id.clone()) {
                    Matched::Connected(Box::new(record))
                } else {
                    Matched::InTheWay(format!(
                        "connection `{}` is another site: list this one under `sites` with a `name`",
                        record.id
                    ))
                }
            }
        };
        found.push(Found { site, matched });
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn site(id: &str, siret: Option<&str>) -> Site {
        Site { id: id.into(), name: format!("Cinéma {id}"), siret: siret.map(str::to_owned) }
    }

    #[test]
    fn sites_are_matched_by_siret_and_by_nothing_else() {
        let template = ConnectionRecord {
            id: "sud".into(),
            chain: None,
            adapter: "cds".into(),
            account: "default".into(),
            venue: None,
            siret: None,
            every_seconds: 900,
            settings: json!({ "account_id": "reseau", "duo": false }),
            base_dir: "/srv".into(),
            allow_private_addresses: false,
            paused: false,
            guard: Default::default(),
        };
        let chain = Discovery { template, listed: ["a".to_owned()].into(), taken: ["sud-a".to_owned()].into() };
        let sites = vec![
            site("a", Some("85331845900049")),
            site("B 2", Some("85331845900056")),
            site("c", None),
            site("d", Some("853318459")),
            site("e", Some("35600000000048")),
            site("f", Some("73282932000074")),
            site("g", Some("73282932000074")),
            site("b-2", Some("41816609600069")),
        ];
        let linked = ["85331845900049", "85331845900056", "73282932000074", "41816609600069"];
        let found = matched(&chain, sites, &linked.map(str::to_owned).into());
        let results: Vec<&str> = found.iter().map(Found::result).collect();
        let expected =
            ["listed", "connected", "no_siret", "no_siret", "not_linked", "in_the_way", "in_the_way", "in_the_way"];
        assert_eq!(results, expected);
        let Matched::Connected(record) = &found[1].matched else { unreachable!() };
        assert_eq!((record.id.as_str(), record.chain.as_deref()), ("sud-b-2", Some("sud")));
        assert_eq!(record.siret.as_deref(), Some("85331845900056"));
        assert_eq!(record.settings, json!({ "account_id": "reseau", "duo": false, "cinema_id": "B 2" }));
        assert!(found[2].hint().contains("{ id = \"c\", siret"));
        assert!(found.iter().all(|one| one.hint().is_empty() == matches!(one.result(), "listed" | "connected")));
    }
}
