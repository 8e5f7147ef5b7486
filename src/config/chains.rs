//! A chain: one declaration, one set of credentials, many sites. Each site becomes a connection of its own. Pure.
//!
//! Invariant: a site's connection differs from its neighbours in its name, its venue and what its own line says, and in nothing
//! else.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Problem;
use super::check::{check_id, check_venue};
use super::written::WrittenSite;
use crate::registry;
use crate::store::ConnectionRecord;

/// Sites of one chain.
pub const MOST_SITES: usize = 1_000;
/// Longest number of a site at its vendor, in characters.
const LONGEST_SITE: usize = 40;

/// A chain whose vendor is asked for its sites when it is applied.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// What its sites have in common; its id is the chain's.
    pub template: ConnectionRecord,
    /// The vendor's numbers of the sites that the configuration lists: they are not looked for.
    pub listed: BTreeSet<String>,
    /// Names of connections that are taken by them.
    pub taken: BTreeSet<String>,
}

/// The connections of the sites that a chain lists.
pub(super) fn expand(
    template: &ConnectionRecord,
    sites: Vec<WrittenSite>,
    place: &str,
    problems: &mut Vec<Problem>,
) -> Vec<ConnectionRecord> {
    if sites.len() > MOST_SITES {
        problems.push(Problem::new(format!("{place}.sites"), format!("has more than {MOST_SITES} sites")));
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    let mut records = Vec::with_capacity(sites.len());
    for site in sites {
        let place = format!("{place}.sites.{}", site.id);
        if site.id.trim().is_empty() || site.id.chars().count() > LONGEST_SITE {
            problems
                .push(Problem::new(place.clone(), format!("its id is empty or longer than {LONGEST_SITE} characters")));
        }
        check_venue(site.venue, site.siret.as_deref(), &place, problems);
        if !site.settings.is_object() {
            problems.push(Problem::new(format!("{place}.settings"), "is not a table"));
        }
        let record = site_record(template, &site.id, site.name.as_deref(), site.venue, site.siret, &site.settings);
        check_id(&record.id, &place, problems);
        if !seen.insert(record.id.clone()) {
            problems.push(Problem::new(
                place,
                format!("is the second site that would be connection `{}`; give it a `name` of its own", record.id),
            ));
        }
        records.push(record);
    }
    records
}

/// The connection of one site.
#[must_use]
pub fn site_record(
    template: &ConnectionRecord,
    site: &str,
    name: Option<&str>,
    venue: Option<i64>,
    siret: Option<String>,
    own: &Value,
) -> ConnectionRecord {
    let mut settings = template.settings.clone();
    if let Some(table) = settings.as_object_mut() {
        let setting = registry::find(&template.adapter).and_then(|adapter| adapter.site_setting);
        if let Some(setting) = setting {
            table.insert(setting.to_owned(), Value::from(site));
        }
        for (key, value) in own.as_object().into_iter().flatten() {
            table.insert(key.clone(), value.clone());
        }
    }
    ConnectionRecord {
        id: format!("{}-{}", template.id, name.map_or_else(|| slug(site), str::to_owned)),
        chain: Some(template.id.clone()),
        venue,
        siret,
        settings,
        ..template.clone()
    }
}

/// A site's number as a part of a connection's id.
fn slug(site: &str) -> String {
    let plain = |character: char| {
        let lower = character.to_ascii_lowercase();
        if lower.is_ascii_alphanumeric() || lower == '_' { lower } else { '-' }
    };
    site.trim().chars().map(plain).collect()
}
