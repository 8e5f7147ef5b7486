//! How a chain is: its sites taken together.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Verdict;
use crate::store::ConnectionRecord;

/// Sites that are named in a sentence; the others are counted.
const MOST_NAMED: usize = 5;

/// Chains by id.
#[derive(Debug, Default)]
pub struct Chains(BTreeMap<String, Chain>);

/// One chain.
#[derive(Debug)]
pub struct Chain {
    id: String,
    sites: Vec<(String, Verdict)>,
}

impl Chains {
    /// Adds a site with its verdict; connections that stand alone are no chain.
    pub fn add(&mut self, connection: &ConnectionRecord, verdict: Verdict) {
        let Some(id) = &connection.chain else { return };
        let chain = self.0.entry(id.clone()).or_insert_with(|| Chain { id: id.clone(), sites: Vec::new() });
        chain.sites.push((connection.id.clone(), verdict));
    }

    /// All of them, by id.
    pub fn all(&self) -> impl Iterator<Item = &Chain> {
        self.0.values()
    }
}

impl Chain {
    /// The worst of its sites'.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.sites.iter().map(|(_, verdict)| *verdict).max().unwrap_or(Verdict::Healthy)
    }

    fn of(&self, verdict: Verdict) -> usize {
        self.sites.iter().filter(|(_, one)| *one == verdict).count()
    }

    /// Sites a person should look at, the worst first.
    fn ailing(&self) -> Vec<&str> {
        let mut ailing: Vec<_> = self.sites.iter().filter(|(_, verdict)| *verdict != Verdict::Healthy).collect();
        ailing.sort_by_key(|(id, verdict)| (std::cmp::Reverse(*verdict), id.clone()));
        ailing.into_iter().map(|(id, _)| id.as_str()).collect()
    }

    /// The promised JSON form.
    #[must_use]
    pub fn object(&self) -> Value {
        json!({
            "event": "chain", "chain": self.id, "verdict": self.verdict().name(), "connections": self.sites.len(),
            "healthy": self.of(Verdict::Healthy), "degraded": self.of(Verdict::Degraded),
            "failing": self.of(Verdict::Failing), "unknown": self.of(Verdict::Unknown), "ailing": self.ailing(),
        })
    }

    /// For people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let ailing = self.ailing();
        let (named, more) = (ailing.iter().take(MOST_NAMED), ailing.len().saturating_sub(MOST_NAMED));
        let named = named.copied().collect::<Vec<_>>().join(", ");
        let tail = match (ailing.is_empty(), more) {
            (true, _) => String::new(),
            (false, 0) => format!("; look at {named}"),
            (false, more) => format!("; look at {named} and {more} more"),
        };
        format!(
            "{:8}  chain {}: {} of {} sites healthy{tail}",
            self.verdict().name(),
            self.id,
            self.of(Verdict::Healthy),
            self.sites.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_as_well_as_its_worst_site_and_names_those_to_look_at() {
        let sites = [("a", Verdict::Healthy), ("b", Verdict::Failing), ("c", Verdict::Degraded)];
        let chain = Chain { id: "sud".into(), sites: sites.map(|(id, verdict)| (id.to_owned(), verdict)).into() };
        assert_eq!(chain.verdict(), Verdict::Failing);
        assert_eq!(chain.object()["ailing"], json!(["b", "c"]));
        assert!(chain.sentence().ends_with("chain sud: 1 of 3 sites healthy; look at b, c"), "{}", chain.sentence());
        let many = (0..9).map(|number| (format!("s{number}"), Verdict::Degraded)).collect();
        assert!(Chain { id: "x".into(), sites: many }.sentence().ends_with("s4 and 4 more"));
    }
}
