//! The vendor's films and shows → facts. Pure.
//!
//! Invariant: "unknown" is absent, never a zero or an empty text.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use passerelle_contract::{
    DataError, DataProblem, Film, Format, Places, Position, Poster, Quantity, Row, Screening, Severity, Showtime,
    Starts, Tariff,
};
use passerelle_kit::lenient;

use crate::statics::Static;
use crate::wire;

const UNREADABLE: DataProblem = DataProblem { code: "UnreadableShow", severity: Severity::Unreadable };
const NO_TARIFF: DataProblem = DataProblem { code: "NoPassCultureTariff", severity: Severity::NotForSale };

/// What an option says of a show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Says {
    pub(crate) vo: bool,
    pub(crate) vf: bool,
    pub(crate) three_d: bool,
}

/// What shows refer to.
#[derive(Debug)]
pub(crate) struct Catalogue<'a> {
    pub(crate) films: HashMap<i64, Arc<Film>>,
    pub(crate) options: HashMap<i64, Says>,
    pub(crate) statics: &'a Static,
    pub(crate) cinema_id: &'a str,
    /// Shows from here on are not stated.
    pub(crate) until: SystemTime,
}

/// A film; `None` without number or title.
pub(crate) fn film(media: &wire::Media<'_>, home: &str) -> Option<(i64, Film)> {
    let id = media.id.0.filter(|id| *id > 0)?;
    let digits = |text: &lenient::Text<'_>| {
        let text = text.trimmed()?;
        let number = text.bytes().all(|byte| byte.is_ascii_digit()) && text.bytes().any(|byte| byte != b'0');
        number.then(|| text.to_owned())
    };
    let film = Film {
        key: id.to_string(),
        title: media.title.trimmed()?.to_owned(),
        synopsis: media.storyline.trimmed().map(str::to_owned),
        duration_minutes: media
            .duration
            .0
            .and_then(|seconds| u32::try_from(seconds / 60).ok())
            .filter(|minutes| *minutes > 0),
        visa: digits(&media.visanumber),
        allocine_id: digits(&media.allocineid).and_then(|id| id.parse().ok()),
        director: None,
        poster: media
            .posterpath
            .trimmed()
            .filter(|url| url.starts_with("http://") || url.starts_with("https://"))
            .map(|url| Poster { url: url.to_owned(), at_home: Some(home.to_owned()) }),
        kind: None,
    };
    Some((id, film))
}

/// What an option says. Its short label counts; servers often have none, then its technical name does.
pub(crate) fn option(option: &wire::MediaOption<'_>) -> Says {
    let technical = option.label.trimmed().unwrap_or_default();
    match option.ticketlabel.trimmed() {
        Some(label) => Says { vo: label == "VO", vf: label == "VF", three_d: label == "3D" },
        None => Says {
            vo: technical == "VERSION_ORIGINAL",
            vf: technical == "VERSION_LOCAL" || technical == "VERSION_ORIGINAL_LOCAL",
            three_d: technical == "PICTURE_3D",
        },
    }
}

/// A show as a fact; `None` when it is not ours, not public, gone, or too far ahead.
pub(crate) fn row(show: &wire::Show<'_>, catalogue: &Catalogue<'_>, at: Position) -> Option<Row<Screening>> {
    let elsewhere = show.cinemaid.trimmed().is_some_and(|cinema| cinema != catalogue.cinema_id);
    if elsewhere || show.draft.0 || show.deleted.0 {
        return None;
    }
    let key = show.id.0.filter(|id| *id > 0).map(|id| id.to_string());
    let wrong = |problem: DataProblem, message: &str, message_fr: &str| {
        Some(Row::Poison(Box::new(DataError {
            at,
            key: key.clone(),
            problem,
            message: message.to_owned(),
            message_fr: message_fr.to_owned(),
            legible: Box::default(),
        })))
    };
    let Some(show_key) = key.clone() else {
        return wrong(UNREADABLE, "a show without number", "séance sans numéro");
    };
    let Some(starts) = starts(show) else {
        return wrong(UNREADABLE, "its beginning is no date and time", "l'horaire de la séance est illisible");
    };
    if matches!(starts, Starts::At(at) if at > catalogue.until) {
        return None;
    }
    let Some(film) = show.mediaid.0.and_then(|id| catalogue.films.get(&id)) else {
        return wrong(UNREADABLE, "its film is not among the films", "le film de la séance est inconnu");
    };
    let Some(voucher) = catalogue.statics.voucher(show) else {
        return wrong(
            NO_TARIFF,
            "none of its tariffs is one of pass Culture's (voucher code PSCULTURE)",
            "la séance n'a pas de tarif pass Culture (bon PSCULTURE)",
        );
    };
    // A cancelled show still stands in the programme: nobody can buy it.
    let left = if show.canceled.0 { 0 } else { catalogue.statics.remaining(show) };
    let places = Places {
        key: show_key.clone(),
        tariff: Tariff { key: voucher.tariff.to_string(), label: voucher.label.clone(), price: voucher.price },
        remaining: Quantity::Exactly(left),
    };
    let showtime = Showtime { key: show_key, starts, formats: formats(show, &catalogue.options), places: vec![places] };
    Some(Row::Good(Screening { film: Arc::clone(film), showtime, at }))
}

/// The beginning: with an offset, as the vendor writes it, or as a wall clock of the place.
pub(crate) fn starts(show: &wire::Show<'_>) -> Option<Starts> {
    passerelle_kit::clock::starts(show.showtime.trimmed()?)
}

/// Language first; the original wins when both are said.
fn formats(show: &wire::Show<'_>, options: &HashMap<i64, Says>) -> Vec<Format> {
    let said = show.options.iter().flatten().filter_map(|option| options.get(&option.mediaoptionsid.0?)).fold(
        Says::default(),
        |all, says| Says { vo: all.vo || says.vo, vf: all.vf || says.vf, three_d: all.three_d || says.three_d },
    );
    let mut formats = Vec::new();
    if said.vo {
        formats.push(Format::Vo);
    } else if said.vf {
        formats.push(Format::Vf);
    }
    if said.three_d || show.threed.0 {
        formats.push(Format::ThreeD);
    }
    formats
}
