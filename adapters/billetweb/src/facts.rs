//! Events, sessions and tariffs → facts. Pure.
//!
//! An event is what plays, a session is when; an event without sessions is its own only one, with the id `0`. Every tariff of the event is
//! sold at every session, unless the session names some.
//!
//! Invariant: places are counted only where quota and sales both can be read; what is odd is left out with its reason, never read
//! as "without limit".

use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use passerelle_contract::{
    Cents, DataError, DataProblem, Film, Order, Places, Position, Poster, Quantity, Row, Screening, Severity, Showtime,
    Starts, Tariff,
};
use passerelle_kit::clock::wall_clock;
use passerelle_kit::json::{Keys, Object};
use passerelle_kit::money::{self, DecimalMark, PriceUnit};
use passerelle_kit::records::{record, text, whole_number};
use serde_json::value::RawValue;

use crate::text::plain;
use crate::wire::{date, id, is_set};

/// The session of an event that has none.
pub(crate) const ONLY_SESSION: &str = "0";
/// Where the vendor's clocks are.
const ZONE: &str = "Europe/Paris";
/// The dearest seat that pass Culture takes, in cents.
const DEAREST: u32 = 30_000;
/// Longest name of a tariff, in characters.
const LONGEST_LABEL: usize = 200;
/// Longest title, in characters.
const LONGEST_TITLE: usize = 1_000;

const UNREADABLE: DataProblem = DataProblem { code: "UnreadableShow", severity: Severity::Unreadable };
const NO_TARIFF: DataProblem = DataProblem { code: "NoPassCultureTariff", severity: Severity::NotForSale };

/// Why something stays behind, in both languages.
pub(crate) type Odd = (DataProblem, &'static str, &'static str);

/// What can still be had of something that may have a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Counted(u32),
    NoLimit,
    /// There is a limit, and nobody says how much of it is used.
    NotKnown,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) id: String,
    pub(crate) starts: DateTime,
    left: Left,
    disabled: bool,
    /// Tariffs that it names, with what it says of them.
    tariffs: Option<Object<'a>>,
    names_tariffs: bool,
}

/// One tariff.
#[derive(Clone, Debug)]
pub(crate) struct Price {
    pub(crate) id: String,
    label: String,
    pub(crate) cents: Cents,
    left: Left,
    opens: Option<DateTime>,
    closes: Option<DateTime>,
}

/// The vendor's clock, now.
pub(crate) fn now() -> DateTime {
    TimeZone::get(ZONE).unwrap_or(TimeZone::UTC).to_datetime(jiff::Timestamp::now())
}

pub(crate) fn show_key(event: &str, session: &str) -> String {
    format!("{event}-{session}")
}

pub(crate) fn places_key(event: &str, session: &str, tariff: &str) -> String {
    format!("{event}-{session}-{tariff}")
}

/// The session of an order.
pub(crate) fn session_of(order: &Order) -> Option<&str> {
    order.show_key.strip_prefix(&order.film_key)?.strip_prefix('-')
}

/// The tariff of an order.
pub(crate) fn tariff_of(order: &Order) -> Option<&str> {
    order.places_key.strip_prefix(&order.show_key)?.strip_prefix('-')
}

/// An event as what plays.
pub(crate) fn film(event: &Object<'_>) -> Option<Film> {
    let picture = ["image", "cover"].into_iter().find_map(|name| text(event, name));
    Some(Film {
        key: id(event, "id")?,
        title: plain(&text(event, "name")?, LONGEST_TITLE)?,
        synopsis: text(event, "description").and_then(|html| plain(&html, usize::MAX)),
        poster: picture
            .filter(|url| url.starts_with("https://") || url.starts_with("http://"))
            .map(|url| Poster { url, at_home: None }),
        ..Film::default()
    })
}

/// Has it sessions of its own?
pub(crate) fn has_sessions(event: &Object<'_>) -> bool {
    is_set(event, "multiple")
}

/// An event as its own only session: it has neither quota nor sales, its tariffs may.
pub(crate) fn only_session(event: &Object<'_>) -> Result<Session<'static>, Odd> {
    let starts = begins(event)?;
    let id = ONLY_SESSION.to_owned();
    Ok(Session { id, starts, left: Left::NoLimit, disabled: false, tariffs: None, names_tariffs: false })
}

/// Reads a session; its id comes along wherever it can be read.
pub(crate) fn session(raw: &RawValue) -> (Option<String>, Result<Session<'_>, Odd>) {
    let Some(session) = record(raw) else {
        return (None, Err((UNREADABLE, "a session that is no record", "séance illisible")));
    };
    let id = id(&session, "id");
    (id.clone(), read_session(&session, id))
}

fn read_session<'a>(session: &Object<'a>, id: Option<String>) -> Result<Session<'a>, Odd> {
    let id = id.ok_or((UNREADABLE, "a session without number", "séance sans numéro"))?;
    let starts = begins(session)?;
    let left = left(session);
    if left == Left::NotKnown {
        return Err((UNREADABLE, "its quota or its sales are no numbers", "quota ou ventes de la séance illisibles"));
    }
    let named = session.raw("tickets", Keys::Exact).map(RawValue::get);
    // PHP writes an empty map as a list.
    let names_tariffs = named.is_some_and(|named| named.starts_with('{') && named.contains(':'));
    let tariffs = named.and_then(|named| serde_json::from_str(named).ok());
    Ok(Session { id, starts, left, disabled: is_set(session, "disabled"), tariffs, names_tariffs })
}

fn begins(record: &Object<'_>) -> Result<DateTime, Odd> {
    let odd = (UNREADABLE, "its beginning is no date and time", "l'horaire de la séance est illisible");
    date(record, "start").ok().flatten().ok_or(odd)
}

/// Reads a tariff; its id comes along wherever it can be read.
pub(crate) fn tariff(raw: &RawValue) -> (Option<String>, Result<Price, Odd>) {
    let tariff = record(raw).unwrap_or_default();
    let id = id(&tariff, "id");
    (id.clone(), read_tariff(&tariff, id))
}

fn read_tariff(tariff: &Object<'_>, id: Option<String>) -> Result<Price, Odd> {
    let id = id.ok_or((UNREADABLE, "a tariff without number", "tarif sans numéro"))?;
    let scalar = tariff.scalar("price", Keys::Exact);
    let read = scalar.number_text().map(|text| money::price(text, PriceUnit::Euro, DecimalMark::Point));
    let price = match read {
        // A price that must be rounded was read wrongly.
        Some(Ok(price)) if !price.rounded => price.cents,
        _ => return Err((UNREADABLE, "its price is no amount of whole cents", "le prix du tarif est illisible")),
    };
    if price.0 > DEAREST {
        return Err((NO_TARIFF, "it costs more than 300 euros", "le tarif dépasse 300 euros"));
    }
    let (Ok(opens), Ok(closes)) = (date(tariff, "start_time"), date(tariff, "end_time")) else {
        return Err((UNREADABLE, "the time of its sale cannot be read", "les dates de vente du tarif sont illisibles"));
    };
    let label = text(tariff, "name").and_then(|name| plain(&name, LONGEST_LABEL)).unwrap_or_default();
    Ok(Price { id, label, cents: price, left: left(tariff), opens, closes })
}

/// What is left of a quota.
fn left(record: &Object<'_>) -> Left {
    let quota = match whole_number(record, "quota") {
        Ok(quota) if is_no_quota(quota) => return Left::NoLimit,
        Ok(Some(quota)) if quota > 0 => quota,
        _ => return Left::NotKnown,
    };
    match whole_number(record, "total_sales") {
        Ok(Some(sold)) => {
            // An oversold one has none left.
            Left::Counted(u32::try_from(quota.saturating_sub(sold.max(0)).max(0)).unwrap_or(u32::MAX))
        }
        _ => Left::NotKnown,
    }
}

/// No quota, or one of zero, is taken for no limit: an assumption.
const fn is_no_quota(quota: Option<i64>) -> bool {
    matches!(quota, None | Some(0))
}

impl Price {
    /// May it be sold at this moment?
    fn is_open(&self, now: DateTime) -> bool {
        self.opens.is_none_or(|opens| opens <= now) && self.closes.is_none_or(|closes| now < closes)
    }
}

impl Session<'_> {
    /// A session that names tariffs sells those alone: an assumption.
    pub(crate) fn sells(&self, tariff: &str) -> bool {
        !self.names_tariffs || self.tariffs.as_ref().is_some_and(|named| named.raw(tariff, Keys::Exact).is_some())
    }

    /// Has it begun, or is it closed at this tariff?
    pub(crate) fn is_open(&self, price: &Price, now: DateTime) -> bool {
        !self.disabled && now < self.starts && price.is_open(now)
    }

    /// Places left at a tariff, sales open or not: the least of what session, tariff and both together say. `None` when there is
    /// a limit somewhere and a count nowhere.
    pub(crate) fn left_at(&self, price: &Price) -> Option<Quantity> {
        let here = self.tariffs.as_ref().and_then(|named| record(named.raw(&price.id, Keys::Exact)?));
        let limits = [self.left, price.left, here.as_ref().map_or(Left::NoLimit, left)];
        let counted = limits.iter().filter_map(|left| if let Left::Counted(left) = left { Some(*left) } else { None });
        match counted.min() {
            Some(left) => Some(Quantity::Exactly(left)),
            None => limits.iter().all(|left| *left == Left::NoLimit).then_some(Quantity::Unlimited),
        }
    }

    /// As a fact.
    pub(crate) fn row(&self, film: &Arc<Film>, tariffs: &[Price], at: Position, now: DateTime) -> Row<Screening> {
        let key = show_key(&film.key, &self.id);
        let mut uncounted = false;
        let places: Vec<Places> = tariffs
            .iter()
            .filter(|price| self.sells(&price.id))
            .filter_map(|price| {
                let left = self.left_at(price);
                uncounted |= left.is_none();
                let remaining = if self.is_open(price, now) { left? } else { Quantity::Exactly(0) };
                let tariff = Tariff { key: price.id.clone(), label: price.label.clone(), price: price.cents };
                Some(Places { key: places_key(&film.key, &self.id, &price.id), tariff, remaining })
            })
            .collect();
        if places.is_empty() {
            let odd = if uncounted {
                (NO_TARIFF, "its tariffs have quotas and nothing says what is sold", "quotas sans nombre de ventes")
            } else {
                (NO_TARIFF, "no tariff of it can be sold", "aucun tarif vendable pour cette séance")
            };
            return poison(at, Some(key), odd);
        }
        let starts = Starts::Local(wall_clock(self.starts));
        Row::Good(Screening {
            film: Arc::clone(film),
            showtime: Showtime { key, starts, formats: Vec::new(), places },
            at,
        })
    }
}

/// A row that stays behind.
pub(crate) fn poison(at: Position, key: Option<String>, (problem, message, message_fr): Odd) -> Row<Screening> {
    let (message, message_fr) = (message.to_owned(), message_fr.to_owned());
    Row::Poison(Box::new(DataError { at, key, problem, message, message_fr, legible: Box::default() }))
}

/// An event of which nothing can be read.
pub(crate) const fn unreadable_event() -> Odd {
    (UNREADABLE, "the event, its sessions or its tariffs cannot be read", "événement, séances ou tarifs illisibles")
}

#[cfg(test)]
#[path = "facts_tests.rs"]
mod tests;
