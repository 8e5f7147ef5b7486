//! Films, showtimes and tariffs → event offers, dates and price categories.
//!
//! One film is one offer, one showtime at one tariff is one date. Keys are made of the vendor's stable keys alone, so that a
//! show that moves stays the same date. pass Culture has no field for versions and projections: they stand in the price
//! category's label, which people see when they choose a seat.
//!
//! Invariant: what is kept has a name of 1–90 characters without 13 digits in a row, a price that pass Culture takes, a
//! beginning ahead of us, keys of at most 70 characters and labels of at most 50.

use std::time::UNIX_EPOCH;

use jiff::tz::TimeZone;
use passerelle_contract::{EventKind, Film, Format, Quantity, Screening, Severity, Starts, Tariff};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::films::FilmIdentity;
use super::kinds;
use super::products::{MOST_COPIES, Reason, VenueTerms};
use super::zones;
use crate::clock::Millis;

/// Longest name of an offer, in characters.
pub const LONGEST_NAME: usize = 90;
/// Longest description, in characters.
pub const LONGEST_DESCRIPTION: usize = 10_000;
/// Longest label of a price category, in characters.
pub const LONGEST_LABEL: usize = 50;
/// Longest `idAtProvider`, in characters.
pub const LONGEST_KEY: usize = 70;
/// Longest event, in minutes: pass Culture refuses a day and more.
pub const LONGEST_MINUTES: u32 = 1_439;
/// Digits in a row that pass Culture takes for an EAN in a name.
const EAN_DIGITS: usize = 13;
/// What a tariff without a name is called.
const UNNAMED_TARIFF: &str = "Tarif pass Culture";

/// Where the shows are.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// The adapter's id: the head of every key.
    pub adapter: &'a str,
    /// The clock of the place.
    pub zone: &'a TimeZone,
    /// The venue's price ceiling.
    pub venue: VenueTerms,
    /// Two seats at once?
    pub duo: bool,
    /// What the shows are.
    pub kind: EventKind,
    /// Are its seats sold through the gateway? An offer can never change from one to the other.
    pub ticketed: bool,
    /// Are places stated in all, those that are booked included?
    pub in_all: bool,
    /// Now.
    pub now: Millis,
}

/// An event offer as it should be. Stored as JSON and compared as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventTerms {
    /// 1–90 characters.
    pub name: String,
    /// pass Culture's category id.
    pub category: String,
    /// At most 10 000 characters.
    pub description: Option<String>,
    /// 1–1 439.
    pub duration_minutes: Option<u32>,
    /// French film visa number: pass Culture attaches its film sheet by it.
    pub visa: Option<String>,
    /// Who made it.
    pub stage_director: Option<String>,
    /// pass Culture's slugs, where the category wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show_type: Option<String>,
    /// As `show_type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub music_type: Option<String>,
    /// Whom beneficiaries write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booking_contact: Option<String>,
    /// Two seats at once?
    pub duo: bool,
    /// Where its picture is fetched.
    pub poster: Option<PosterTerms>,
    /// Are its seats sold through the gateway?
    #[serde(default)]
    pub ticketed: bool,
    /// Which film it is; pass Culture is not told.
    #[serde(default)]
    pub film: FilmIdentity,
}

/// As [`passerelle_contract::Poster`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PosterTerms {
    /// Its address.
    pub url: String,
    /// The origin that may serve it from a private address.
    pub at_home: Option<String>,
}

/// A date as it should be, its quantity apart. Stored as JSON and compared as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateTerms {
    /// Milliseconds since 1970 (UTC).
    pub starts_at: Millis,
    /// Its price category.
    pub category: CategoryTerms,
    /// What the vendor needs to sell it.
    pub order: OrderKeys,
    /// Does its quantity count all places, those that are booked included?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_all: bool,
}

/// A price category: label and price tell one from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CategoryTerms {
    /// 1–50 characters.
    pub label: String,
    /// Unit price.
    pub price_cents: u32,
}

/// The vendor's keys of what is sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderKeys {
    /// Of the film.
    pub film_key: String,
    /// Of the showtime.
    pub show_key: String,
    /// Of the places.
    pub places_key: String,
    /// Of the tariff.
    pub tariff_key: String,
    /// The film's title, for messages.
    pub title: String,
}

/// What a screening becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Key of the event: its `idAtProvider`.
    pub event_key: String,
    /// The event.
    pub event: EventTerms,
    /// Key of the date, unique within its event: its `idAtProvider`.
    pub date_key: String,
    /// The date.
    pub date: DateTerms,
    /// Places left, or in all ([`DateTerms::in_all`]); `None` means unlimited.
    pub quantity: Option<u32>,
}

/// What the rules say of a screening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// One for each tariff that may be offered, and why the others may not.
    Keep(Vec<Wanted>, Vec<&'static Reason>),
    /// It may not be offered.
    Reject(&'static Reason),
    /// It has begun; nothing is wrong with it.
    Over,
}

/// Every reason, so that each can be explained.
pub const REASONS: &[Reason] = &[NO_TITLE, NO_SUCH_TIME, PRICE_ABOVE_CAP, NO_TARIFF];

const NO_TITLE: Reason = Reason {
    code: "NoTitle",
    severity: Severity::Unreadable,
    message: "the film has no title that pass Culture takes",
    message_fr: "Le film n'a pas de titre utilisable.",
};
const NO_SUCH_TIME: Reason = Reason {
    code: "NoSuchTime",
    severity: Severity::Unreadable,
    message: "the beginning is no date and time",
    message_fr: "L'horaire de la séance n'est pas une date valide.",
};
const PRICE_ABOVE_CAP: Reason = Reason {
    code: "PriceAboveCap",
    severity: Severity::NotForSale,
    message: "the price is above what pass Culture takes (300.00 EUR; 200.00 EUR in New Caledonia)",
    message_fr: "Le prix dépasse le plafond du pass Culture (300 € ; 200 € en Nouvelle-Calédonie).",
};
const NO_TARIFF: Reason = Reason {
    code: "NoPassCultureTariff",
    severity: Severity::NotForSale,
    message: "the showtime has no tariff for pass Culture",
    message_fr: "La séance n'a pas de tarif pass Culture.",
};

/// Judges one screening.
#[must_use]
pub fn judge(screening: &Screening, place: &Place<'_>) -> Judgement {
    let Screening { film, showtime, at: _ } = screening;
    let Some(event) = event_terms(film, place) else { return Judgement::Reject(&NO_TITLE) };
    let Some(starts_at) = begins(showtime.starts, place.zone) else { return Judgement::Reject(&NO_SUCH_TIME) };
    if starts_at <= place.now {
        return Judgement::Over;
    }
    if showtime.places.is_empty() {
        return Judgement::Reject(&NO_TARIFF);
    }
    let mut wanted = Vec::with_capacity(showtime.places.len());
    let mut refused = Vec::new();
    for places in &showtime.places {
        if places.tariff.price > place.venue.ceiling {
            refused.push(&PRICE_ABOVE_CAP);
            continue;
        }
        wanted.push(Wanted {
            event_key: key(place.adapter, "film", &film.key),
            event: event.clone(),
            date_key: key(place.adapter, "show", &places.key),
            date: DateTerms {
                starts_at,
                category: CategoryTerms {
                    label: label(&places.tariff, &showtime.formats),
                    price_cents: places.tariff.price.0,
                },
                order: OrderKeys {
                    film_key: film.key.clone(),
                    show_key: showtime.key.clone(),
                    places_key: places.key.clone(),
                    tariff_key: places.tariff.key.clone(),
                    title: film.title.clone(),
                },
                in_all: place.in_all,
            },
            quantity: match places.remaining {
                Quantity::Exactly(left) => Some(left.min(MOST_COPIES)),
                Quantity::Unlimited => None,
            },
        });
    }
    match (wanted.is_empty(), refused.first()) {
        (true, Some(reason)) => Judgement::Reject(reason),
        _ => Judgement::Keep(wanted, refused),
    }
}

fn begins(starts: Starts, zone: &TimeZone) -> Option<Millis> {
    match starts {
        Starts::At(at) => {
            let since = at.duration_since(UNIX_EPOCH).ok()?;
            Millis::try_from(since.as_millis()).ok()
        }
        Starts::Local(clock) => zones::instant(clock, zone).map(|reading| reading.at),
    }
}

fn event_terms(film: &Film, place: &Place<'_>) -> Option<EventTerms> {
    let title = without_ean(film.title.trim());
    if title.is_empty() {
        return None;
    }
    let name = shortened(&title, LONGEST_NAME);
    // What the name lost is told at the head of the description.
    let head = (name != title).then_some(title);
    let description: Vec<&str> = head.as_deref().into_iter().chain(film.synopsis.as_deref()).collect();
    let description = shortened(description.join("\n\n").trim(), LONGEST_DESCRIPTION);
    let written =
        |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let kind = film.kind.as_ref().unwrap_or(&place.kind);
    Some(EventTerms {
        name,
        category: kind.category.clone(),
        description: Some(description).filter(|text| !text.is_empty()),
        duration_minutes: film.duration_minutes.filter(|minutes| (1..=LONGEST_MINUTES).contains(minutes)),
        visa: written(&film.visa).filter(|visa| visa.bytes().any(|byte| (b'1'..=b'9').contains(&byte))),
        stage_director: written(&film.director),
        show_type: kinds::show_type(kind),
        music_type: kinds::music_type(kind),
        booking_contact: kind.booking_contact.clone(),
        duo: place.duo,
        ticketed: place.ticketed,
        film: FilmIdentity::of(film),
        poster: film
            .poster
            .as_ref()
            .map(|poster| PosterTerms { url: poster.url.clone(), at_home: poster.at_home.clone() }),
    })
}

/// pass Culture takes 13 digits in a row for an EAN and refuses the name.
fn without_ean(title: &str) -> String {
    let mut kept = String::with_capacity(title.len());
    let mut digits = String::new();
    for character in title.chars().chain([' ']) {
        if character.is_ascii_digit() {
            digits.push(character);
            continue;
        }
        if digits.len() < EAN_DIGITS {
            kept.push_str(&digits);
        }
        digits.clear();
        kept.push(character);
    }
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Cut at a word, with an ellipsis.
fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let head: String = text.chars().take(most.saturating_sub(1)).collect();
    let cut = head.rfind(char::is_whitespace).filter(|at| *at > head.len() / 2).unwrap_or(head.len());
    format!("{}…", head.get(..cut).unwrap_or(&head).trim_end())
}

/// The tariff's name, then how the film is shown: `PASS CULTURE · VO 3D`.
fn label(tariff: &Tariff, formats: &[Format]) -> String {
    let name = Some(tariff.label.trim()).filter(|name| !name.is_empty()).unwrap_or(UNNAMED_TARIFF);
    let formats: Vec<&str> = formats.iter().map(|format| format.name()).collect();
    let tail = if formats.is_empty() { String::new() } else { format!(" · {}", formats.join(" ")) };
    let room = LONGEST_LABEL.saturating_sub(tail.chars().count());
    // All eight formats leave room for a name; a list that repeats itself may not.
    shortened(&format!("{}{tail}", shortened(name, room.max(10))), LONGEST_LABEL)
}

/// A key: adapter, kind, the vendor's key. One that is too long or has odd characters keeps its head and gets a fingerprint.
fn key(adapter: &str, kind: &str, vendor_key: &str) -> String {
    let plain = format!("{adapter}:{kind}:{vendor_key}");
    let fits = |character: char| character.is_ascii_graphic() && character != ',';
    if plain.chars().count() <= LONGEST_KEY && plain.chars().all(fits) {
        return plain;
    }
    let fingerprint = hex::encode(Sha256::digest(plain.as_bytes()));
    let head: String = plain.chars().map(|character| if fits(character) { character } else { '_' }).take(45).collect();
    format!("{head}~{}", fingerprint.get(..24).unwrap_or_default())
}

/// The adapter that stated what has this key.
#[must_use]
pub fn adapter_of(key: &str) -> &str {
    key.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use passerelle_contract::{Cents, Places, Position, Poster, Showtime, WallClock};
    use proptest::prelude::*;

    use super::*;

    fn film(title: &str) -> Film {
        Film { key: "412".into(), title: title.into(), ..Film::default() }
    }

    fn screening(film: Film, price: u32, formats: &[Format]) -> Screening {
        let tariff = Tariff { key: "t".into(), label: "PASS CULTURE".into(), price: Cents(price) };
        Screening {
            film: Arc::new(film),
            showtime: Showtime {
                key: "70231".into(),
                starts: Starts::Local(WallClock { year: 2026, month: 7, day: 1, hour: 20, minute: 30, second: 0 }),
                formats: formats.to_vec(),
                places: vec![Places { key: "70231".into(), tariff, remaining: Quantity::Exactly(12) }],
            },
            at: Position::Entry { page: 1, entry: 1 },
        }
    }

    fn judged(screening: &Screening, postal_code: &str) -> Judgement {
        let zone = zones::zone(postal_code);
        let venue = VenueTerms::of(Some(postal_code), None);
        judge(
            screening,
            &Place {
                adapter: "boost",
                zone: &zone,
                venue,
                duo: true,
                kind: EventKind::film(),
                ticketed: true,
                in_all: false,
                now: 1_770_000_000_000,
            },
        )
    }

    fn wanted(screening: &Screening) -> Wanted {
        match judged(screening, "75011") {
            Judgement::Keep(mut wanted, refused) if refused.is_empty() => wanted.remove(0),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_screening_becomes_an_offer_and_a_date() {
        let mut film = film("Le Phare");
        film.visa = Some("150 123".into());
        film.poster = Some(Poster { url: "https://p.example/1.jpg".into(), at_home: None });
        let wanted = wanted(&screening(film, 600, &[Format::Vo, Format::ThreeD]));
        assert_eq!((wanted.event_key.as_str(), wanted.date_key.as_str()), ("boost:film:412", "boost:show:70231"));
        assert_eq!(wanted.event.visa.as_deref(), Some("150 123"));
        assert_eq!(wanted.date.category, CategoryTerms { label: "PASS CULTURE · VO 3D".into(), price_cents: 600 });
        assert_eq!(crate::clock::show(wanted.date.starts_at), "2026-07-01 18:30:00Z");
        assert_eq!(wanted.quantity, Some(12));
    }

    #[test]
    fn the_same_wall_clock_is_another_instant_overseas() {
        let Judgement::Keep(there, _) = judged(&screening(film("A"), 600, &[]), "97400") else { panic!("kept") };
        assert_eq!(crate::clock::show(there[0].date.starts_at), "2026-07-01 16:30:00Z");
    }

    #[test]
    fn what_may_not_be_offered_says_why() {
        assert_eq!(judged(&screening(film(" "), 600, &[]), "75011"), Judgement::Reject(&NO_TITLE));
        assert_eq!(judged(&screening(film("9782070286256"), 600, &[]), "75011"), Judgement::Reject(&NO_TITLE));
        assert_eq!(judged(&screening(film("A"), 30_001, &[]), "75011"), Judgement::Reject(&PRICE_ABOVE_CAP));
        assert_eq!(judged(&screening(film("A"), 20_001, &[]), "98800"), Judgement::Reject(&PRICE_ABOVE_CAP));
        assert!(matches!(judged(&screening(film("A"), 0, &[]), "75011"), Judgement::Keep(..)));
        let mut over = screening(film("A"), 600, &[]);
        over.showtime.starts = Starts::At(UNIX_EPOCH + Duration::from_secs(1_769_999_999));
        assert_eq!(judged(&over, "75011"), Judgement::Over);
        over.showtime.starts =
            Starts::Local(WallClock { year: 2026, month: 2, day: 30, hour: 0, minute: 0, second: 0 });
        assert_eq!(judged(&over, "75011"), Judgement::Reject(&NO_SUCH_TIME));
        let mut without = screening(film("A"), 600, &[]);
        without.showtime.places.clear();
        assert_eq!(judged(&without, "75011"), Judgement::Reject(&NO_TARIFF));
    }

    #[test]
    fn long_titles_are_cut_at_a_word_and_told_whole() {
        let title = format!("{} fin", "Un très long titre ".repeat(6).trim());
        let event = wanted(&screening(film(&title), 600, &[])).event;
        assert!(event.name.ends_with('…') && event.name.chars().count() <= 90, "{}", event.name);
        assert!(event.description.unwrap().starts_with(&title));
    }

    #[test]
    fn digits_that_look_like_an_ean_leave_the_name() {
        assert_eq!(without_ean("Zéro 9782070286256 2049"), "Zéro 2049");
        assert_eq!(without_ean("12345678901234"), "");
    }

    #[test]
    fn long_tariffs_leave_room_for_the_formats() {
        let tariff = Tariff { key: String::new(), label: "T".repeat(80), price: Cents(1) };
        let label = label(&tariff, &[Format::Vo, Format::Imax]);
        assert!(label.ends_with("… · VO IMAX") && label.chars().count() <= 50, "{label}");
    }

    proptest! {
        #[test]
        fn keys_fit_and_differ(one in "\\PC{0,90}", other in "\\PC{0,90}") {
            let (a, b) = (key("cds", "show", &one), key("cds", "show", &other));
            prop_assert!(a.chars().count() <= LONGEST_KEY && a.is_ascii() && !a.contains(','));
            prop_assert_eq!(a == b, one == other);
        }

        #[test]
        fn any_text_gives_a_name_that_fits_or_none(title in "\\PC{0,200}", tariff in "\\PC{0,200}") {
            if let Judgement::Keep(wanted, _) = judged(&{
                let mut it = screening(film(&title), 600, &[Format::Vf; 20]);
                it.showtime.places[0].tariff.label = tariff;
                it
            }, "75011") {
                let name = &wanted[0].event.name;
                prop_assert!((1..=LONGEST_NAME).contains(&name.chars().count()));
                prop_assert!((1..=LONGEST_LABEL).contains(&wanted[0].date.category.label.chars().count()));
            }
        }
    }
}
