//! Events, dates and tariffs → facts. Pure.
//!
//! An event is what plays, a date is when; an event with one date has no dates of its own, and gets the id `0` for it.
//!
//! Invariant: what pass Culture may give away is what the settings say, or what the vendor says is left; an odd count is never read as
//! "without limit".

use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use passerelle_contract::{
    Cents, DataError, DataProblem, Film, Places, Position, Quantity, Row, Screening, Severity, Showtime, Starts, Tariff,
};
use passerelle_kit::clock::wall_clock;
use passerelle_kit::json::{Keys, Object};
use passerelle_kit::money::{self, DecimalMark, PriceUnit};
use passerelle_kit::records::{record, text, whole_number};
use serde_json::value::RawValue;

use crate::wire::{id, named_tariffs, starts};

/// The date of an event that has one.
const ONLY_DATE: &str = "0";
/// Where the vendor's clocks are.
const ZONE: &str = "Europe/Paris";
/// The dearest seat that pass Culture takes, in cents.
const DEAREST: u32 = 30_000;
/// Longest title and longest name of a tariff, in characters.
const LONGEST_NAME: usize = 1_000;

const UNREADABLE: DataProblem = DataProblem { code: "UnreadableShow", severity: Severity::Unreadable };
const NO_TARIFF: DataProblem = DataProblem { code: "NoPassCultureTariff", severity: Severity::NotForSale };

/// Why something stays behind, in both languages.
pub(crate) type Odd = (DataProblem, &'static str, &'static str);

/// One tariff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Price {
    pub(crate) id: String,
    label: String,
    cents: Cents,
    left: Quantity,
}

/// One date of an event.
#[derive(Debug)]
pub(crate) struct Date {
    pub(crate) key: String,
    starts: DateTime,
    /// Tariffs that it names; all of the event's when it names none.
    named: Vec<String>,
}

/// The vendor's clock, now.
pub(crate) fn now() -> DateTime {
    TimeZone::get(ZONE).unwrap_or(TimeZone::UTC).to_datetime(jiff::Timestamp::now())
}

/// An event as what plays.
pub(crate) fn film(event: &Object<'_>) -> Option<Film> {
    Some(Film { key: id(event, "id")?, title: name(event)?, ..Film::default() })
}

fn name(record: &Object<'_>) -> Option<String> {
    let name: String = text(record, "name")?.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Has it dates of its own?
pub(crate) fn has_dates(event: &Object<'_>) -> bool {
    let flag = event.raw("multiple_dates", Keys::Exact).map(RawValue::get);
    matches!(flag, Some("true" | "1" | "\"1\"" | "\"true\""))
}

/// The only date of an event without dates.
pub(crate) fn only_date(event: &Object<'_>, film: &Film) -> (String, Result<Date, Odd>) {
    let key = format!("{}-{ONLY_DATE}", film.key);
    let date = starts(event).map(|starts| Date { key: key.clone(), starts, named: Vec::new() });
    (key, date.ok_or_else(no_beginning))
}

/// Reads a date of an event; its key comes along wherever its id can be read.
pub(crate) fn date(date: &Object<'_>, film: &Film) -> (Option<String>, Result<Date, Odd>) {
    let Some(key) = id(date, "id").map(|id| format!("{}-{id}", film.key)) else {
        return (None, Err((UNREADABLE, "a date without number", "date sans numéro")));
    };
    let read = starts(date).map(|starts| Date { key: key.clone(), starts, named: named_tariffs(date) });
    (Some(key), read.ok_or_else(no_beginning))
}

const fn no_beginning() -> Odd {
    (UNREADABLE, "its beginning is no date and time", "l'horaire de la date est illisible")
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
    let cents = match read {
        // A price that must be rounded was read wrongly.
        Some(Ok(price)) if !price.rounded => price.cents,
        _ => return Err((UNREADABLE, "its price is no amount of whole cents", "le prix du tarif est illisible")),
    };
    if cents.0 > DEAREST {
        return Err((NO_TARIFF, "it costs more than 300 euros", "le tarif dépasse 300 euros"));
    }
    let odd = (UNREADABLE, "its quota or its sales are no numbers", "quota ou ventes du tarif illisibles");
    let left = left(tariff).ok_or(odd)?;
    Ok(Price { id, label: name(tariff).unwrap_or_default(), cents, left })
}

/// What is left of a tariff over all dates; `None` when nobody can say. No quota, or one of zero, is taken for no limit: an assumption.
fn left(tariff: &Object<'_>) -> Option<Quantity> {
    match whole_number(tariff, "quota").ok()? {
        None | Some(0) => Some(Quantity::Unlimited),
        Some(quota) if quota > 0 => {
            let sold = whole_number(tariff, "participants").ok()??.max(0);
            u32::try_from(quota.saturating_sub(sold).max(0)).ok().map(Quantity::Exactly)
        }
        Some(_) => None,
    }
}

impl Date {
    /// As a fact; `quantity` is what the settings give to pass Culture in all.
    pub(crate) fn row(
        &self,
        film: &Arc<Film>,
        tariffs: &[Price],
        quantity: Option<u32>,
        at: Position,
        now: DateTime,
    ) -> Row<Screening> {
        let sold: Vec<&Price> = tariffs.iter().filter(|price| self.sells(price)).collect();
        if sold.is_empty() {
            let odd = (NO_TARIFF, "no tariff of it can be read", "aucun tarif lisible pour cette date");
            return poison(at, Some(self.key.clone()), odd);
        }
        let shares = shares(quantity, sold.len());
        let place = |(price, share): (&&Price, Option<u32>)| {
            let open =
                if self.starts <= now { Quantity::Exactly(0) } else { share.map_or(price.left, Quantity::Exactly) };
            let tariff = Tariff { key: price.id.clone(), label: price.label.clone(), price: price.cents };
            Places { key: format!("{}-{}", self.key, price.id), tariff, remaining: open }
        };
        let places = sold.iter().zip(shares).map(place).collect();
        let starts = Starts::Local(wall_clock(self.starts));
        let showtime = Showtime { key: self.key.clone(), starts, formats: Vec::new(), places };
        Row::Good(Screening { film: Arc::clone(film), showtime, at })
    }

    fn sells(&self, price: &Price) -> bool {
        self.named.is_empty() || self.named.contains(&price.id)
    }
}

/// So many places shared evenly among tariffs, so that they are never more in all.
fn shares(quantity: Option<u32>, among: usize) -> impl Iterator<Item = Option<u32>> {
    let among = u32::try_from(among).unwrap_or(u32::MAX).max(1);
    (0..among).map(move |at| quantity.map(|all| all / among + u32::from(at < all % among)))
}

/// A row that stays behind.
pub(crate) fn poison(at: Position, key: Option<String>, (problem, message, message_fr): Odd) -> Row<Screening> {
    let (message, message_fr) = (message.to_owned(), message_fr.to_owned());
    Row::Poison(Box::new(DataError { at, key, problem, message, message_fr, legible: Box::default() }))
}

/// An event without name.
pub(crate) const fn nameless() -> Odd {
    (UNREADABLE, "an event without name", "événement sans nom")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TARIFF: &str = r#"{"id":31,"name":" Plein ","price":"12.50","quota":"40","participants":37}"#;

    fn read(text: &str) -> Result<Price, Odd> {
        tariff(serde_json::from_str(text).unwrap()).1
    }

    #[test]
    fn what_is_left_is_counted_and_an_odd_count_is_no_count() {
        let left = |from: &str, to: &str| read(&TARIFF.replace(from, to)).map(|price| price.left);
        assert_eq!(left("", "").unwrap(), Quantity::Exactly(3));
        assert_eq!(left("37", "50").unwrap(), Quantity::Exactly(0));
        for none in ["0", "null", "\"\"", "\"0\""] {
            assert_eq!(left("\"40\"", none).unwrap(), Quantity::Unlimited, "{none}");
        }
        for odd in ["\"x\"", "-4", "{}", "1.5"] {
            assert_eq!(left("\"40\"", odd).unwrap_err().0.code, "UnreadableShow", "{odd}");
        }
        assert_eq!(left("37", "null").unwrap_err().0.code, "UnreadableShow");
    }

    #[test]
    fn prices_are_whole_cents_of_seats_that_can_be_had() {
        let cents = |written: &str| read(&TARIFF.replace("\"12.50\"", written)).map(|price| price.cents.0);
        assert_eq!(cents("8").unwrap(), 800);
        assert_eq!(cents("0.00").unwrap(), 0);
        assert_eq!(cents("12.505").unwrap_err().0.code, "UnreadableShow");
        assert_eq!(cents("null").unwrap_err().0.code, "UnreadableShow");
        assert_eq!(cents("301").unwrap_err().0.code, "NoPassCultureTariff");
    }

    #[test]
    fn shares_are_even_and_never_more_in_all() {
        assert_eq!(shares(Some(20), 3).collect::<Vec<_>>(), [Some(7), Some(7), Some(6)]);
        assert_eq!(shares(Some(1), 2).collect::<Vec<_>>(), [Some(1), Some(0)]);
        assert_eq!(shares(None, 2).collect::<Vec<_>>(), [None, None]);
    }

    #[test]
    fn a_date_that_has_begun_has_nothing_left() {
        let film = Arc::new(Film { key: "9".into(), title: "Bal".into(), ..Film::default() });
        let event: Object<'_> = serde_json::from_str(r#"{"date":{"start":"2031-05-14 20:30:00"}}"#).unwrap();
        let date = only_date(&event, &film).1.unwrap();
        let prices = [read(TARIFF).unwrap()];
        let left = |now: &str, quantity| {
            let now = now.parse().unwrap();
            match date.row(&film, &prices, quantity, Position::Line(1), now) {
                Row::Good(screening) => screening.showtime.places[0].remaining,
                Row::Poison(error) => panic!("{error}"),
            }
        };
        assert_eq!(left("2031-05-14T20:29:59", None), Quantity::Exactly(3));
        assert_eq!(left("2031-05-14T20:29:59", Some(20)), Quantity::Exactly(20));
        assert_eq!(left("2031-05-14T20:30:00", Some(20)), Quantity::Exactly(0));
    }

    proptest! {
        #[test]
        fn no_record_makes_it_panic(value in "[\\[\\]{}\",:0-9a-z. -]{0,24}", name in "(id|price|quota|participants|name)") {
            let text = format!(r#"{{"id":"1","price":1,"{name}":{value}}}"#);
            if let Ok(raw) = serde_json::from_str::<&RawValue>(&text) {
                let _ = tariff(raw);
            }
        }
    }
}
