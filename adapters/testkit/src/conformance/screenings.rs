//! Showtimes: keys, names, formats, tariffs.

use std::collections::HashSet;

use passerelle_contract::{Film, Places, Quantity, Row, Screening, Showtime, Starts};

use super::facet::{Facet, Fact, read_good_pass, rows};
use super::{Harness, Outcome, ensure};

/// Longest key of a film or a showtime, in characters.
const MAX_KEY_CHARS: usize = 40;

/// Longest key of places, in characters.
const MAX_PLACES_KEY_CHARS: usize = 60;

/// A seat that costs more than this is a unit read wrongly, in cents.
const SANE_PRICE: u32 = 30_000;

/// A film that lasts longer than this was read in seconds, in minutes.
const SANE_MINUTES: u32 = 1_440;

/// A room that holds more than this is a number read wrongly.
const SANE_PLACES: u32 = 20_000;

pub(super) async fn screenings_are_keyed_named_and_priced(harness: &dyn Harness) -> Outcome {
    let bench = harness.bench().await;
    let adapter = bench.connect(harness).await?;
    if adapter.screenings().is_none() {
        return Ok(());
    }
    let mut seen = HashSet::new();
    for row in rows(read_good_pass(harness, adapter.as_ref(), Facet::Screenings).await?) {
        let Row::Good(Fact::Screening(screening)) = row else { continue };
        let shown = || format!("{screening:?}");
        judge(&screening).map_err(|why| format!("{why}: {}", shown()))?;
        for places in &screening.showtime.places {
            let fresh = seen.insert(places.key.clone());
            ensure(fresh, || format!("the places key `{}` was stated before: {}", places.key, shown()))?;
        }
    }
    ensure(!seen.is_empty(), || "the harness's vendor shows nothing: nothing is proved".to_owned())
}

fn judge(screening: &Screening) -> Outcome {
    film(&screening.film)?;
    showtime(&screening.showtime)?;
    screening.showtime.places.iter().try_for_each(places)
}

fn film(film: &Film) -> Outcome {
    key("film", &film.key, MAX_KEY_CHARS)?;
    let title_is_trimmed = !film.title.is_empty() && film.title.trim() == film.title;
    ensure(title_is_trimmed, || "the title is empty or not trimmed".to_owned())?;
    let texts = [("synopsis", &film.synopsis), ("visa", &film.visa), ("director", &film.director)];
    for (name, text) in texts {
        let said = text.as_ref().is_none_or(|text| !text.trim().is_empty() && text.trim() != "0");
        ensure(said, || format!("an unknown {name} is `None`, not a zero or an empty text"))?;
    }
    let minutes = film.duration_minutes.is_none_or(|minutes| (1..=SANE_MINUTES).contains(&minutes));
    ensure(minutes, || "an unknown duration is `None`; a known one is in minutes".to_owned())?;
    ensure(film.allocine_id != Some(0), || "an unknown Allociné id is `None`".to_owned())?;
    let fetched = |url: &str| url.starts_with("http://") || url.starts_with("https://");
    let poster = film.poster.as_ref().is_none_or(|poster| fetched(&poster.url));
    ensure(poster, || "a poster has an http or https address".to_owned())
}

fn showtime(showtime: &Showtime) -> Outcome {
    key("showtime", &showtime.key, MAX_KEY_CHARS)?;
    ensure(!showtime.places.is_empty(), || "a showtime without places".to_owned())?;
    let formats: HashSet<_> = showtime.formats.iter().collect();
    ensure(formats.len() == showtime.formats.len(), || "a format twice".to_owned())?;
    let Starts::Local(clock) = showtime.starts else { return Ok(()) };
    let on_the_dial = (1..=12).contains(&clock.month)
        && (1..=31).contains(&clock.day)
        && (0..=23).contains(&clock.hour)
        && (0..=59).contains(&clock.minute)
        && (0..=59).contains(&clock.second);
    ensure(on_the_dial, || "no clock shows that beginning".to_owned())
}

fn places(places: &Places) -> Outcome {
    key("places", &places.key, MAX_PLACES_KEY_CHARS)?;
    ensure(places.tariff.price.0 <= SANE_PRICE, || format!("a seat for {}", places.tariff.price))?;
    let room = !matches!(places.remaining, Quantity::Exactly(left) if left > SANE_PLACES);
    ensure(room, || "more places than a room has".to_owned())
}

fn key(whose: &str, key: &str, longest: usize) -> Outcome {
    let length = key.chars().count();
    ensure((1..=longest).contains(&length) && key.trim() == key, || {
        format!("the {whose} key `{key}` is not 1–{longest} characters without spaces around")
    })
}
