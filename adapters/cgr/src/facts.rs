//! The vendor's films and shows → facts. Pure.
//!
//! Invariant: "unknown" is absent, never a zero, and a show that cannot be stated is a row with its number all the same, so that
//! nobody takes it for gone.

use std::sync::Arc;

use jiff::civil::{Date, DateTime, Time};
use passerelle_contract::{
    Cents, DataError, DataProblem, Film, Format, Places, Position, Poster, Quantity, Row, Screening, Severity,
    Showtime, Starts, Tariff, WallClock,
};
use serde_json::value::RawValue;

use crate::wire;

/// A seat that costs more is a number read wrongly; pass Culture takes no such price either.
const MAX_PRICE: Cents = Cents(30_000);
/// A film that lasts longer than a day has no duration.
const MAX_MINUTES: i64 = 1_440;
/// What a tariff without name is called.
const DEFAULT_LABEL: &str = "Tarif pass Culture";
/// What stands before the vendor's own number of a film that Allociné does not know.
const OWN_FILM: &str = "film-";

const UNREADABLE: DataProblem = DataProblem { code: "UnreadableShow", severity: Severity::Unreadable };
/// The same number twice: the first one is stated.
const DOUBLE: DataProblem = DataProblem { code: "DuplicateShow", severity: Severity::NotForSale };

/// A show as it is told, with its place in the listing.
pub(crate) fn row(raw: &RawValue, film: Option<&Arc<Film>>, at: Position) -> Row<Screening> {
    match screening(raw, film, at) {
        Ok(screening) => Row::Good(screening),
        Err(error) => Row::Poison(Box::new(error)),
    }
}

/// A row that says that something cannot be read.
pub(crate) fn odd(at: Position, key: Option<String>, what: &str, what_fr: &str) -> DataError {
    DataError {
        at,
        key,
        problem: UNREADABLE,
        message: what.to_owned(),
        message_fr: what_fr.to_owned(),
        legible: Box::default(),
    }
}

/// A row for the second show of one number. Without its key: the first one speaks for it.
pub(crate) fn double(at: Position, key: &str) -> DataError {
    DataError {
        problem: DOUBLE,
        ..odd(
            at,
            None,
            &format!("the number {key} stands there twice; the first show counts"),
            &format!("le numéro {key} figure deux fois ; la première séance compte"),
        )
    }
}

/// The number of a show, as its key, whatever else is odd in it.
pub(crate) fn key_of(raw: &RawValue) -> Option<String> {
    serde_json::from_str::<wire::ShowId>(raw.get()).ok().and_then(|show| key(show.id.0))
}

fn key(id: Option<i64>) -> Option<String> {
    known(id).map(|id| id.to_string())
}

fn screening(raw: &RawValue, film: Option<&Arc<Film>>, at: Position) -> Result<Screening, DataError> {
    let id = key_of(raw);
    let odd = |what: &str, what_fr: &str| odd(at, id.clone(), what, what_fr);
    let Ok(show) = serde_json::from_str::<wire::Show<'_>>(raw.get()) else {
        return Err(odd("this record is no showtime", "cet enregistrement n'est pas une séance"));
    };
    let show_key = id.clone().ok_or_else(|| odd("a showtime without number", "séance sans numéro"))?;
    let film =
        film.ok_or_else(|| odd("its film has no title or no number", "le film n'a pas de titre ou de numéro"))?;
    let starts = starts(&show)
        .ok_or_else(|| odd("its beginning is no date and time", "l'horaire de la séance est illisible"))?;
    let price = price(&show).ok_or_else(|| {
        odd("its price is no amount from 0 to 300 euros", "le tarif n'est pas un montant de 0 à 300 euros")
    })?;
    let remaining = remaining(&show).ok_or_else(|| {
        odd("its places left are no number from 0 on", "le nombre de places restantes n'est pas un nombre positif")
    })?;
    let label = show.tarif.trimmed().and_then(wire::clean).unwrap_or_else(|| DEFAULT_LABEL.to_owned());
    let places = Places {
        key: show_key.clone(),
        tariff: Tariff { key: label.clone(), label, price },
        remaining: Quantity::Exactly(remaining),
    };
    let showtime =
        Showtime { key: show_key, starts: Starts::Local(starts), formats: formats(&show), places: vec![places] };
    Ok(Screening { film: Arc::clone(film), showtime, at })
}

/// A film; `None` without a number or a title.
pub(crate) fn film(film: &wire::Film<'_>) -> Option<Film> {
    let allocine_id = known(film.allocine.0).and_then(|id| u64::try_from(id).ok());
    let key = match allocine_id {
        Some(id) => id.to_string(),
        None => format!("{OWN_FILM}{}", known(film.id.0)?),
    };
    Some(Film {
        key,
        title: wire::clean(film.titre.trimmed()?)?,
        synopsis: film.synopsis.trimmed().and_then(wire::clean),
        duration_minutes: known(film.duree.0)
            .filter(|minutes| *minutes <= MAX_MINUTES)
            .and_then(|it| it.try_into().ok()),
        visa: known(film.num_visa.0).map(|visa| visa.to_string()),
        allocine_id,
        director: None,
        poster: film
            .affiche
            .trimmed()
            .filter(|url| url.starts_with("http://") || url.starts_with("https://"))
            .map(|url| Poster { url: url.to_owned(), at_home: None }),
        kind: None,
    })
}

/// What a listing of this film alone is asked for with: its Allociné number, or 0, which means everything.
pub(crate) fn asked_as(film_key: &str) -> &str {
    let number = !film_key.is_empty() && film_key.bytes().all(|byte| byte.is_ascii_digit());
    if number { film_key } else { "0" }
}

/// Zero and less mean that there is none.
fn known(number: Option<i64>) -> Option<i64> {
    number.filter(|number| *number > 0)
}

/// The beginning as clocks at the cinema show it. `24:10` is ten past midnight of the next day.
pub(crate) fn starts(show: &wire::Show<'_>) -> Option<WallClock> {
    let date: Date = show.date.trimmed()?.parse().ok()?;
    let text = show.heure.trimmed()?;
    let (date, time): (Date, Time) = match text.strip_prefix("24:") {
        Some(past) => (date.tomorrow().ok()?, format!("00:{past}").parse().ok()?),
        None => (date, text.parse().ok()?),
    };
    Some(passerelle_kit::clock::wall_clock(DateTime::from_parts(date, time)))
}

/// What a beneficiary pays for a seat.
pub(crate) fn price(show: &wire::Show<'_>) -> Option<Cents> {
    show.prix_unitaire.0.filter(|price| *price <= MAX_PRICE)
}

/// Places left. Oversold shows have fewer than none: then the number says nothing.
pub(crate) fn remaining(show: &wire::Show<'_>) -> Option<u32> {
    show.nb_places_restantes.0.and_then(|left| u32::try_from(left).ok())
}

/// Whatever is not the French version is an original one.
fn formats(show: &wire::Show<'_>) -> Vec<Format> {
    let is = |text: Option<&str>, word: &str| text.is_some_and(|text| text.eq_ignore_ascii_case(word));
    let version = if is(show.version.trimmed(), "VF") { Format::Vf } else { Format::Vo };
    let more = [(is(show.relief.trimmed(), "3D"), Format::ThreeD), (show.ice.0, Format::Ice)];
    std::iter::once(version).chain(more.into_iter().filter_map(|(is, format)| is.then_some(format))).collect()
}

#[cfg(test)]
#[path = "facts_tests.rs"]
mod tests;
