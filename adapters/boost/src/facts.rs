//! The vendor's shows → facts. Pure.
//!
//! Invariant: "unknown" is absent, never a zero: servers write 0 for a film without visa or Allociné number, and an empty
//! text for a missing poster.

use std::sync::Arc;
use std::time::SystemTime;

use passerelle_contract::{
    Cents, DataError, DataProblem, Film, Format, Places, Position, Poster, Quantity, Row, Screening, Severity,
    Showtime, Starts, Tariff,
};

use crate::wire::{self, Pricing};

/// pass Culture's price codes; the first of them that a show has is its price, not the cheapest.
const PRICE_CODES: [&str; 5] = ["PCU", "PC2", "PC3", "PC4", "PC5"];
/// The attribute whose title says that a show is in an ICE room. Its number differs from cinema to cinema.
pub(crate) const ICE_TITLE: &str = "ICE Immersive";

const UNREADABLE: DataProblem = DataProblem { code: "UnreadableShow", severity: Severity::Unreadable };
const NO_PRICE: DataProblem = DataProblem { code: "NoPassCultureTariff", severity: Severity::NotForSale };

/// What is the same for a whole pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here<'a> {
    /// Number of the attribute that says ICE.
    pub(crate) ice: Option<i64>,
    /// Origin of the cinema's server.
    pub(crate) home: &'a str,
}

/// What beneficiaries pay for a show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Price {
    /// Number of the price at this show.
    pub(crate) id: i64,
    pub(crate) code: &'static str,
    pub(crate) label: String,
    pub(crate) amount: Cents,
}

/// A showtime as it stands in a list or alone.
pub(crate) fn row(show: &wire::Show<'_>, here: Here<'_>, at: Position) -> Row<Screening> {
    match screening(show, here, at) {
        Ok(screening) => Row::Good(screening),
        Err(error) => Row::Poison(Box::new(error)),
    }
}

fn screening(show: &wire::Show<'_>, here: Here<'_>, at: Position) -> Result<Screening, DataError> {
    let key = show.id.0.filter(|id| *id > 0).map(|id| id.to_string());
    let wrong = |problem: DataProblem, what: &str, what_fr: &str| DataError {
        at,
        key: key.clone(),
        problem,
        message: what.to_owned(),
        message_fr: what_fr.to_owned(),
        legible: Box::default(),
    };
    let unreadable = |what: &str, what_fr: &str| wrong(UNREADABLE, what, what_fr);
    let show_key = key.clone().ok_or_else(|| unreadable("a showtime without number", "séance sans numéro"))?;
    let film = show
        .film
        .as_ref()
        .and_then(|film| facts_of_film(film, here.home))
        .ok_or_else(|| unreadable("a showtime without film, or one without number or title", "séance sans film"))?;
    let starts = starts(show)
        .ok_or_else(|| unreadable("its beginning is no date and time", "l'horaire de la séance est illisible"))?;
    let price = price(show.showtime_pricing.as_deref().unwrap_or_default()).ok_or_else(|| {
        wrong(
            NO_PRICE,
            "the showtime has no price for pass Culture (codes PCU, PC2 to PC5)",
            "la séance n'a pas de tarif pass Culture (codes PCU, PC2 à PC5)",
        )
    })?;
    let places = Places {
        key: show_key.clone(),
        tariff: Tariff { key: price.code.to_owned(), label: price.label, price: price.amount },
        remaining: Quantity::Exactly(remaining(show)),
    };
    let showtime = Showtime { key: show_key, starts, formats: formats(show, here.ice), places: vec![places] };
    Ok(Screening { film: Arc::new(film), showtime, at })
}

fn facts_of_film(film: &wire::Film<'_>, home: &str) -> Option<Film> {
    let known = |number: Option<i64>| number.filter(|number| *number > 0);
    Some(Film {
        key: known(film.id.0)?.to_string(),
        title: film.title_cnc.trimmed()?.to_owned(),
        synopsis: None,
        duration_minutes: known(film.duration.0).and_then(|minutes| u32::try_from(minutes).ok()),
        visa: known(film.num_visa.0).map(|visa| visa.to_string()),
        allocine_id: known(film.id_film_allocine.0).and_then(|id| u64::try_from(id).ok()),
        director: None,
        poster: film
            .poster_url
            .trimmed()
            .filter(|url| url.starts_with("http://") || url.starts_with("https://"))
            .map(|url| Poster { url: url.to_owned(), at_home: Some(home.to_owned()) }),
        kind: None,
    })
}

/// The beginning: with an offset as servers write it, or as a wall clock of the place.
fn starts(show: &wire::Show<'_>) -> Option<Starts> {
    passerelle_kit::clock::starts(show.show_date.trimmed()?)
}

/// Has it begun? Not known without an offset.
pub(crate) fn has_begun(show: &wire::Show<'_>, now: SystemTime) -> bool {
    matches!(starts(show), Some(Starts::At(at)) if at <= now)
}

/// Places left for beneficiaries. The smaller quota of the vendor's web sale does not apply to them.
pub(crate) fn remaining(show: &wire::Show<'_>) -> u32 {
    if show.sold_out.0 || show.hidden.0 || show.draft_mode.0 {
        return 0;
    }
    show.number_seats_remaining.0.and_then(|left| u32::try_from(left).ok()).unwrap_or(0)
}

/// The price that beneficiaries pay.
pub(crate) fn price(prices: &[Pricing<'_>]) -> Option<Price> {
    PRICE_CODES.iter().find_map(|code| {
        let price = prices.iter().find(|price| price.pricing_code.trimmed() == Some(code))?;
        Some(Price {
            id: price.id.0?,
            code,
            label: price.title.trimmed().unwrap_or_default().to_owned(),
            amount: price.amount_taxes_included.0?,
        })
    })
}

fn formats(show: &wire::Show<'_>, ice: Option<i64>) -> Vec<Format> {
    let is = |text: Option<&str>, word: &str| text.is_some_and(|text| text.eq_ignore_ascii_case(word));
    let version = show.version.as_ref().and_then(|version| version.code.trimmed());
    let format = show.format.as_ref().and_then(|format| format.title.trimmed());
    let in_ice = ice.is_some_and(|ice| show.attributs.iter().flatten().any(|id| id.0 == Some(ice)));
    [
        (is(version, "VO"), Format::Vo),
        (is(version, "VF"), Format::Vf),
        (is(format, "3D"), Format::ThreeD),
        (in_ice, Format::Ice),
    ]
    .into_iter()
    .filter_map(|(is, format)| is.then_some(format))
    .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: Position = Position::Entry { page: 1, entry: 1 };
    const HERE: Here<'_> = Here { ice: Some(24), home: "https://boost.example" };

    fn read(json: &str) -> Row<Screening> {
        row(&serde_json::from_str(json).unwrap(), HERE, AT)
    }

    fn good(json: &str) -> Screening {
        match read(json) {
            Row::Good(screening) => screening,
            Row::Poison(error) => panic!("{error}"),
        }
    }

    const ICE_IN_3D: &str = r#"{"id":7001,"showDate":"2026-04-02T20:15:00+02:00","soldOut":false,"numberSeatsRemaining":118,
        "numberRemainingSeatsForOnlineSale":90,"attributs":[24,1],
        "film":{"id":41,"titleCnc":"LES MARÉES","numVisa":162999,"posterUrl":"http://boost.example/p.jpg","duration":121,
        "idFilmAllocine":305999,"unknown":{"x":[1]}},
        "format":{"id":2,"title":"3D"},"version":{"id":2,"title":"x","code":"VO"},"screen":{"ice":true},
        "showtimePricing":[{"id":88,"title":"PASS CULTURE","amountTaxesIncluded":12.5,"pricingCode":"PCU"}]}"#;

    #[test]
    fn a_show_is_read_with_its_formats_and_its_price() {
        let screening = good(ICE_IN_3D);
        assert_eq!(screening.showtime.formats, [Format::Vo, Format::ThreeD, Format::Ice]);
        let places = &screening.showtime.places[0];
        assert_eq!((places.tariff.price, places.remaining), (Cents(1250), Quantity::Exactly(118)));
        assert_eq!(screening.film.visa.as_deref(), Some("162999"));
        assert_eq!(screening.film.poster.as_ref().unwrap().at_home.as_deref(), Some("https://boost.example"));
    }

    #[test]
    fn the_first_code_counts_and_not_the_lower_price() {
        let screening = good(
            r#"{"id":7002,"showDate":"2026-04-03T14:00:00+02:00","numberSeatsRemaining":9,
            "film":{"id":42,"titleCnc":"UN OPÉRA","numVisa":0,"posterUrl":"","duration":0,"idFilmAllocine":0},
            "version":{"code":"VFST"},
            "showtimePricing":[{"id":2,"title":"B","amountTaxesIncluded":"8","pricingCode":"PC3"},
                               {"id":1,"title":"A","amountTaxesIncluded":18,"pricingCode":"PC2"}]}"#,
        );
        assert_eq!(screening.showtime.places[0].tariff.price, Cents(1800));
        assert_eq!(screening.showtime.formats, []);
        assert_eq!(*screening.film, Film { key: "42".into(), title: "UN OPÉRA".into(), ..Film::default() });
    }

    #[test]
    fn odd_records_say_what_is_wrong_with_them() {
        let code = |json: &str| match read(json) {
            Row::Good(screening) => panic!("{screening:?}"),
            Row::Poison(error) => (error.problem.code, error.key.clone()),
        };
        let with = |from: &str, to: &str| ICE_IN_3D.replace(from, to);
        assert_eq!(code("{}"), ("UnreadableShow", None));
        assert_eq!(code(r#"{"id":5,"film":null}"#), ("UnreadableShow", Some("5".into())));
        assert_eq!(code(&with("2026-04-02T", "2026-13-40T")).0, "UnreadableShow");
        assert_eq!(code(&with("\"PCU\"", "\"PLE\"")).0, "NoPassCultureTariff");
        assert_eq!(code(&with("12.5", "null")).0, "NoPassCultureTariff");
    }

    #[test]
    fn places_that_make_no_sense_are_none() {
        let left = |to: &str| good(&ICE_IN_3D.replace("\"numberSeatsRemaining\":118", to)).showtime.places[0].remaining;
        assert_eq!(left("\"numberSeatsRemaining\":-3"), Quantity::Exactly(0));
        assert_eq!(left("\"numberSeatsRemaining\":null"), Quantity::Exactly(0));
        assert_eq!(left("\"numberSeatsRemaining\":7,\"hidden\":true"), Quantity::Exactly(0));
        assert_eq!(good(&ICE_IN_3D.replace("false", "true")).showtime.places[0].remaining, Quantity::Exactly(0));
    }

    #[test]
    fn a_beginning_without_offset_is_a_wall_clock() {
        let screening = good(&ICE_IN_3D.replace("+02:00", ""));
        let Starts::Local(clock) = screening.showtime.starts else { panic!("{:?}", screening.showtime.starts) };
        assert_eq!((clock.hour, clock.minute), (20, 15));
        assert!(good(&ICE_IN_3D.replace("+02:00", "+0200")).showtime.starts == good(ICE_IN_3D).showtime.starts);
    }

    proptest! {
        #[test]
        fn no_values_make_it_panic(id in any::<i64>(), left in any::<i64>(), date in "\\PC{0,30}", code in "\\PC{0,5}") {
            let json = serde_json::json!({"id": id, "showDate": date, "numberSeatsRemaining": left,
                "film": {"id": id, "titleCnc": code, "duration": left},
                "showtimePricing": [{"id": id, "pricingCode": code, "amountTaxesIncluded": left}]});
            let text = json.to_string();
            let _ = read(&text);
        }
    }
}
