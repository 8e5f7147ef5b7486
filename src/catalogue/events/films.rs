//! One film is one offer, whatever keys systems state it under. Pure.
//!
//! A film keeps the offer under whose key it was first stated. One with a new key (the vendor made it anew, the venue changed its
//! system, the original and the French version are two records) goes to the offer that surely is the same film's. Offers that are
//! both there stay apart: dates cannot move between offers.
//!
//! Invariants: an offer whose seats are sold here and one without are never one, since pass Culture cannot change that; the same
//! ledger and the same facts give the same offers.

use std::collections::BTreeMap;

use super::changes::read_event;
use super::gather::Gathered;
use crate::rules::films::Agreement;
use crate::rules::screenings::EventTerms;
use crate::store::events::EventRow;

/// Joins the films of a pass with the offers of the ledger, and with each other.
pub(in crate::catalogue) fn unite(ledger: &[EventRow], gathered: &mut Gathered) {
    let known: BTreeMap<&str, EventTerms> = ledger
        .iter()
        .filter_map(|row| Some((row.key.as_str(), read_event(row.desired.as_deref().or(row.acknowledged.as_deref()))?)))
        .collect();
    let stated = std::mem::take(&mut gathered.events);
    let homes = homes(&known, &stated);

    let mut groups: BTreeMap<&str, Vec<(&str, &EventTerms)>> = BTreeMap::new();
    for (key, terms) in &stated {
        let home = homes.get(key.as_str()).map_or(key.as_str(), String::as_str);
        groups.entry(home).or_default().push((key, terms));
    }
    for (home, films) in groups {
        if let Some(terms) = joined(home, &films, known.get(home)) {
            gathered.events.insert(home.to_owned(), terms);
        }
    }
    let dates = std::mem::take(&mut gathered.dates);
    gathered.dates = dates
        .into_iter()
        .map(|((event, key), date)| {
            let home = homes.get(event.as_str()).cloned().unwrap_or(event);
            ((home, key), date)
        })
        .collect();
}

/// The offer of every film that does not stand under its own key.
fn homes(known: &BTreeMap<&str, EventTerms>, stated: &BTreeMap<String, EventTerms>) -> BTreeMap<String, String> {
    let mut homes = BTreeMap::new();
    let mut new: Vec<(&str, &EventTerms)> = Vec::new();
    for (key, terms) in stated {
        if known.contains_key(key.as_str()) {
            continue;
        }
        let before = known.iter().map(|(key, terms)| (*key, terms));
        let remembered =
            before.clone().find(|(_, other)| other.ticketed == terms.ticketed && other.film.keys.contains(key));
        let home = remembered.or_else(|| surest(terms, before)).or_else(|| surest(terms, new.iter().copied()));
        match home {
            Some((home, _)) => drop(homes.insert(key.clone(), home.to_owned())),
            None => new.push((key, terms)),
        }
    }
    homes
}

/// The offer that is most surely the film's; of several equally sure ones the first.
fn surest<'a>(
    terms: &EventTerms,
    others: impl Iterator<Item = (&'a str, &'a EventTerms)>,
) -> Option<(&'a str, &'a EventTerms)> {
    let mut best: Option<(Agreement, &str, &EventTerms)> = None;
    for (key, other) in others.filter(|(_, other)| other.ticketed == terms.ticketed) {
        let Some(agreement) = terms.film.agrees(&other.film) else { continue };
        if best.is_none_or(|(before, ..)| agreement > before) {
            best = Some((agreement, key, other));
        }
    }
    best.map(|(_, key, other)| (key, other))
}

/// One offer of all records of a film: the record under the offer's own key speaks first, the others fill what it leaves open.
fn joined(home: &str, films: &[(&str, &EventTerms)], before: Option<&EventTerms>) -> Option<EventTerms> {
    let own = films.iter().position(|(key, _)| *key == home).unwrap_or(0);
    let mut terms: EventTerms = (*films.get(own)?.1).clone();
    for (key, other) in films {
        terms.description = terms.description.take().or_else(|| other.description.clone());
        terms.duration_minutes = terms.duration_minutes.or(other.duration_minutes);
        terms.visa = terms.visa.take().or_else(|| other.visa.clone());
        terms.stage_director = terms.stage_director.take().or_else(|| other.stage_director.clone());
        terms.poster = terms.poster.take().or_else(|| other.poster.clone());
        terms.film.learn(&other.film);
        if *key != home {
            terms.film.remember(key);
        }
    }
    if let Some(before) = before {
        terms.film.learn(&before.film);
    }
    Some(terms)
}
