//! One film and one showtime of the programme → a screening, or why not. Pure.
//!
//! Invariant: only what is plainly an ordinary digital showtime is kept, since one price from the settings stands for all; what
//! is not known (a new genre, a new version) never loses what is.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::civil::DateTime;
use passerelle_contract::{
    DataError, DataProblem, Film, Format, Places, Position, Poster, Row, Screening, Severity, Showtime, Starts, Tariff,
};
use serde_json::value::RawValue;
use url::Url;

use crate::settings::Offer;
use crate::wire::{self, part};

/// What the one tariff is called.
const TARIFF: &str = "Tarif unique";
/// Longest title and longest version, in characters, bytes.
const LONGEST_TITLE: usize = 1_000;
const LONGEST_VERSION: usize = 12;
/// Longest synopsis, in characters.
const LONGEST_SYNOPSIS: usize = 20_000;
/// Film numbers have six or seven digits.
const HIGHEST_FILM: i64 = 999_999_999_999;
/// Evenings whose price is their own: concerts, operas, marathons.
const SPECIAL_EVENT: &str = "SPECIAL_EVENT";
/// The host of the film's page, or its parent.
const SITE: &str = "allocine.fr";

const UNREADABLE: DataProblem = DataProblem { code: "UnreadableShow", severity: Severity::Unreadable };
const NO_FILM: DataProblem = DataProblem { code: "NoFilm", severity: Severity::Unreadable };
const OTHER_PRICE: DataProblem = DataProblem { code: "AnotherPrice", severity: Severity::NotForSale };

/// A row that stays behind.
pub(crate) fn left_out(
    at: Position,
    key: Option<String>,
    problem: DataProblem,
    message: &str,
    message_fr: &str,
) -> Row<Screening> {
    let (message, message_fr) = (message.to_owned(), message_fr.to_owned());
    Row::Poison(Box::new(DataError { at, key, problem, message, message_fr, legible: Box::default() }))
}

/// All rows of one edge, `place` being its own in the programme.
pub(crate) fn rows(edge: &RawValue, place: u32, offer: Offer) -> Vec<Row<Screening>> {
    let at = Position::Entry { page: place, entry: 1 };
    let node = part::<wire::Edge<'_>>(Some(edge)).and_then(|edge| part::<wire::Node<'_>>(edge.node));
    let movie = node.as_ref().and_then(|node| part::<wire::Movie<'_>>(node.movie));
    let film = movie.as_ref().and_then(film);
    let (Some(node), Some(movie), Some(film)) = (node, movie, film) else {
        return vec![left_out(at, None, NO_FILM, "a film without number or title", "film sans numéro ou sans titre")];
    };
    if movie.kind.trimmed() == Some(SPECIAL_EVENT) {
        return vec![left_out(
            at,
            Some(film.key),
            OTHER_PRICE,
            "a special event: the cinema's price for pass Culture does not hold for it",
            "événement spécial : le prix pass Culture du cinéma ne s'y applique pas",
        )];
    }
    let film = Arc::new(film);
    let shows: Vec<&RawValue> = part(node.showtimes).unwrap_or_default();
    shows
        .into_iter()
        .zip(1..)
        .map(|(show, entry)| row(&film, show, Position::Entry { page: place, entry }, offer))
        .collect()
}

fn row(film: &Arc<Film>, show: &RawValue, at: Position, offer: Offer) -> Row<Screening> {
    let unreadable = |key| left_out(at, key, UNREADABLE, "its beginning or version cannot be read", "séance illisible");
    let Some(show) = part::<wire::Showtime<'_>>(Some(show)) else { return unreadable(None) };
    let starts = show.starts_at.trimmed().and_then(starts);
    let version = show.diffusion_version.trimmed().map(version);
    let (Some((starts, minute)), Some((version, formats))) = (starts, version) else { return unreadable(None) };
    let key = format!("{}-{version}-{minute}", film.key);
    if !is_plain_digital(&show) {
        return left_out(
            at,
            Some(key),
            OTHER_PRICE,
            "not an ordinary digital showtime: the cinema's price for pass Culture does not hold for it",
            "séance premium ou en relief : le prix pass Culture du cinéma ne s'y applique pas",
        );
    }
    let tariff = Tariff { key: "flat".to_owned(), label: TARIFF.to_owned(), price: offer.price };
    let places = Places { key: key.clone(), tariff, remaining: offer.places };
    Row::Good(Screening {
        film: Arc::clone(film),
        showtime: Showtime { key, starts, formats, places: vec![places] },
        at,
    })
}

fn film(movie: &wire::Movie<'_>) -> Option<Film> {
    let number = movie.internal_id.0.filter(|number| (1..=HIGHEST_FILM).contains(number))?;
    Some(Film {
        key: number.to_string(),
        title: plain(movie.title.trimmed()?, LONGEST_TITLE)?,
        synopsis: description(movie),
        duration_minutes: movie.runtime.trimmed().and_then(minutes),
        visa: visa(movie.releases),
        allocine_id: u64::try_from(number).ok(),
        director: director(movie.credits),
        poster: part::<wire::Link<'_>>(movie.poster).and_then(|poster| poster_of(&poster)),
        kind: None,
    })
}

/// Text without control characters, at most so long; `None` when nothing is left.
fn plain(text: &str, longest: usize) -> Option<String> {
    let kept: String =
        text.chars().filter(|character| !character.is_control() || *character == '\n').take(longest).collect();
    Some(kept.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The synopsis, then where it is from: the vendor wants to be named.
fn description(movie: &wire::Movie<'_>) -> Option<String> {
    let synopsis = movie.synopsis.trimmed().and_then(|text| plain(&decoded(text), LONGEST_SYNOPSIS));
    let link = part::<wire::Link<'_>>(movie.backlink).and_then(|link| attribution(&link));
    let parts: Vec<String> = synopsis.into_iter().chain(link).collect();
    Some(parts.join("\n")).filter(|text| !text.is_empty())
}

fn attribution(link: &wire::Link<'_>) -> Option<String> {
    let url = link.url.trimmed()?;
    let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let host = parsed.host_str()?;
    let own = host == SITE || host.strip_suffix(SITE).is_some_and(|head| head.ends_with('.'));
    let label = plain(link.label.trimmed().unwrap_or("AlloCiné"), LONGEST_TITLE)?;
    own.then(|| format!("{label}: {parsed}"))
}

/// The five entities of XML and numbers, each read once: what they spell is text. The apostrophe becomes the typographic one.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at(at);
        kept.push_str(before);
        let entity = from.get(1..).and_then(|tail| tail.split_once(';')).filter(|(name, _)| name.len() <= 8);
        match entity.and_then(|(name, tail)| Some((character(name)?, tail))) {
            Some((character, tail)) => {
                kept.push(character);
                rest = tail;
            }
            None => {
                kept.push('&');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

fn character(name: &str) -> Option<char> {
    let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    let named = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => match name.strip_prefix('#')? {
            hex if hex.starts_with(['x', 'X']) => number(hex.get(1..)?, 16),
            digits => number(digits, 10),
        },
    };
    named.map(|character| if character == '\'' { '\u{2019}' } else { character })
}

/// Whole minutes of `PT1H44M0S`, in any of the shapes of ISO 8601; seconds do not count.
fn minutes(runtime: &str) -> Option<u32> {
    let span: jiff::SignedDuration = runtime.starts_with("PT").then(|| runtime.parse().ok())??;
    u32::try_from(span.as_mins()).ok().filter(|minutes| *minutes > 0)
}

/// The visa of the first release that has one.
fn visa(releases: Option<&RawValue>) -> Option<String> {
    let releases: Vec<&RawValue> = part(releases)?;
    releases.into_iter().find_map(|release| {
        let release: wire::Release<'_> = part(Some(release))?;
        let data: wire::ReleaseData = part(release.data)?;
        data.visa_number.0.filter(|visa| *visa > 0).map(|visa| visa.to_string())
    })
}

/// The first director, or whoever stands first.
fn director(credits: Option<&RawValue>) -> Option<String> {
    let credits: wire::Credits<'_> = part(credits)?;
    let named = credits.edges.into_iter().filter_map(|edge| {
        let node: wire::Edge<'_> = part(Some(edge))?;
        let credit: wire::Credit<'_> = part(node.node)?;
        let person: wire::Person<'_> = part(credit.person)?;
        let names: Vec<&str> =
            [person.first_name.trimmed(), person.last_name.trimmed()].into_iter().flatten().collect();
        let directs = part::<wire::Named<'_>>(credit.position)
            .is_some_and(|position| position.name.trimmed() == Some("DIRECTOR"));
        Some((directs, plain(&names.join(" "), 140)?))
    });
    let all: Vec<(bool, String)> = named.collect();
    all.iter().find(|(directs, _)| *directs).or_else(|| all.first()).map(|(_, name)| name.clone())
}

/// A picture's address. Slashes were once escaped twice.
fn poster_of(poster: &wire::Link<'_>) -> Option<Poster> {
    let url = poster.url.trimmed()?.replace("\\/", "/");
    let parsed = Url::parse(&url).ok().filter(|parsed| matches!(parsed.scheme(), "http" | "https"))?;
    parsed.host().is_some().then_some(Poster { url, at_home: None })
}

/// When it begins and the same as `20260314T2045`: a wall clock reading, or an instant where an offset stands there. A day
/// alone, or a number, is no beginning.
fn starts(text: &str) -> Option<(Starts, String)> {
    if !text.contains('T') {
        return None;
    }
    let clock: DateTime = text.get(..19)?.parse().ok()?;
    let minute =
        format!("{:04}{:02}{:02}T{:02}{:02}", clock.year(), clock.month(), clock.day(), clock.hour(), clock.minute());
    Some((passerelle_kit::clock::starts(text)?, minute))
}

/// A version as it stands in keys, and what people read. One that is not known is kept without.
fn version(written: &str) -> (String, Vec<Format>) {
    let formats = match written {
        "LOCAL" | "DUBBED" => vec![Format::Vf],
        "ORIGINAL" => vec![Format::Vo],
        _ => Vec::new(),
    };
    let name: String = written.chars().filter(char::is_ascii_alphanumeric).take(LONGEST_VERSION).collect();
    (name, formats)
}

/// Digital projection before all others, and no room or seat that costs more.
fn is_plain_digital(show: &wire::Showtime<'_>) -> bool {
    let plain_room = match show.experience {
        None => true,
        Some(raw) => part::<Vec<Option<&RawValue>>>(Some(raw)).is_some_and(|all| all.iter().all(Option::is_none)),
    };
    let first = match part::<Vec<String>>(show.projection) {
        Some(all) => all.into_iter().next(),
        None => part::<String>(show.projection),
    };
    plain_room && first.as_deref() == Some("DIGITAL")
}

#[cfg(test)]
mod tests {
    use passerelle_contract::{Cents, Quantity};
    use proptest::prelude::*;

    use super::*;

    const OFFER: Offer = Offer { price: Cents(650), places: Quantity::Exactly(20) };

    #[test]
    fn durations_are_read_in_every_shape_of_the_standard() {
        for (written, expected) in [
            ("PT0H21M0S", Some(21)),
            ("PT1H44M59S", Some(104)),
            ("PT1H30M", Some(90)),
            ("PT90M", Some(90)),
            ("PT5400S", Some(90)),
            ("PT0H0M0S", None),
            ("PT30S", None),
            ("1h 30m", None),
            ("PT-5M", None),
            ("", None),
        ] {
            assert_eq!(minutes(written), expected, "{written}");
        }
    }

    #[test]
    fn entities_are_read_once() {
        assert_eq!(decoded("l&#039;été &amp;amp; l&apos;hiver"), "l\u{2019}été &amp; l\u{2019}hiver");
        assert_eq!(decoded("&#x41;&#65;&lt;&unknown;&;&#xD800;&"), "AA<&unknown;&;&#xD800;&");
        assert_eq!(decoded(&"&#039;".repeat(100_000)).chars().count(), 100_000);
    }

    #[test]
    fn every_showtime_has_the_price_and_the_places_of_the_settings() {
        let edge = r#"{"node":{"movie":{"internalId":881001,"title":"A"},"showtimes":[
            {"startsAt":"2030-05-14T20:45:00","diffusionVersion":"LOCAL","projection":["DIGITAL"],"experience":null}]}}"#;
        let rows = rows(serde_json::from_str(edge).unwrap(), 3, OFFER);
        let [Row::Good(screening)] = rows.as_slice() else { panic!("{rows:?}") };
        let places = &screening.showtime.places[0];
        assert_eq!((places.tariff.price, places.remaining), (Cents(650), Quantity::Exactly(20)));
        assert_eq!((places.tariff.label.as_str(), screening.film.allocine_id), ("Tarif unique", Some(881_001)));
        assert_eq!(screening.at, Position::Entry { page: 3, entry: 1 });
    }

    proptest! {
        #[test]
        fn no_values_make_it_panic(number in any::<i64>(), text in "\\PC{0,40}", odd in "[\\[\\]{}\":,0-9a-z]{0,20}") {
            let json = serde_json::json!({"node": {"movie": {"internalId": number, "title": text, "runtime": text,
                "synopsis": text, "backlink": {"url": text}, "poster": {"url": text}, "releases": [{"data": odd}]},
                "showtimes": [{"startsAt": text, "diffusionVersion": odd, "projection": [odd], "experience": odd},
                              {"startsAt": format!("2030-05-14T20:45:00{text}"), "diffusionVersion": "LOCAL"}]}});
            let _ = rows(serde_json::from_str(&json.to_string()).unwrap(), 1, OFFER);
            let _ = (decoded(&text), minutes(&text), starts(&text));
            let _ = wire::Listing::read(&odd);
        }

        #[test]
        fn keys_are_as_short_as_the_contract_wants(number in 1..=HIGHEST_FILM, version in "\\PC{1,30}") {
            let json = serde_json::json!({"node": {"movie": {"internalId": number, "title": "A"}, "showtimes": [
                {"startsAt": "2030-05-14T20:45:00", "diffusionVersion": version, "projection": ["DIGITAL"]}]}});
            if let [Row::Good(screening)] = rows(serde_json::from_str(&json.to_string()).unwrap(), 1, OFFER).as_slice() {
                prop_assert!(screening.showtime.key.len() <= 40);
            }
        }
    }
}
