//! The schedule export → facts. Pure.
//!
//! One answer tells of all the account's sites. Invariant: what stands under another site cannot hurt ours; within ours each
//! film and each show is read apart.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::civil::DateTime;
use passerelle_contract::{
    Cents, DataError, DataProblem, Film, Format, Note, NoteKind, Places, Position, Poster, Quantity, Row, Screening,
    Severity, Showtime, Starts, Tariff, WallClock,
};
use passerelle_kit::json::{Keys, Object};
use passerelle_kit::lenient::Int;
use passerelle_kit::money::{self, DecimalMark, NumberProblem, PriceUnit};
use serde_json::value::RawValue;

use crate::wire::{field, list, record, text, without_zeros};

const UNREADABLE: DataProblem = DataProblem { code: "UnreadableShow", severity: Severity::Unreadable };
const NO_PRICE: DataProblem = DataProblem { code: "NoPassCultureTariff", severity: Severity::NotForSale };
/// The vendor has one price for beneficiaries at each show, and no key for it.
const TARIFF_KEY: &str = "pass_culture_price";
/// The dearest seat there is, in cents; more is a unit read wrongly.
const DEAREST: u32 = 30_000;
/// The longest film there is, in minutes.
const LONGEST: i64 = 1_440;
/// Longest key of a film or a show, in characters.
const MAX_KEY_CHARS: usize = 40;
/// Hours that the clocks of French cinemas are behind UTC at most, and some more.
const BEHIND_UTC: i64 = 12;
/// Posters: what stands in the address, and what is asked for instead.
const SMALL_POSTER: &str = "/120/";
const LARGE_POSTER: &str = "/600/";

/// What an answer says of one site.
#[derive(Debug, Default)]
pub(crate) struct Programme {
    /// Where the next delta starts.
    pub(crate) version: u64,
    /// Does the answer tell of the site at all?
    pub(crate) present: bool,
    /// Its shows, with places without limit.
    pub(crate) rows: Vec<Row<Screening>>,
    pub(crate) notes: Vec<Note>,
}

/// Reads an answer; `None` when it is no schedule, or when what it says of our site has no list of films.
pub(crate) fn programme(body: &str, site_id: &str) -> Option<Programme> {
    let answer: Object<'_> = serde_json::from_str(body).ok()?;
    let version = u64::try_from(field::<Int>(&answer, "version").0?).ok()?;
    let mut reading = Reading { programme: Programme { version, ..Programme::default() }, ..Reading::default() };
    for site in list(&answer, "sites")?.into_iter().filter_map(record) {
        if text(&site, "id").as_deref() != Some(site_id) {
            continue;
        }
        reading.programme.present = true;
        for event in list(&site, "events")? {
            reading.event(event);
        }
    }
    Some(reading.programme)
}

/// Has it begun wherever in France it is? The zone of a wall clock is not known here.
pub(crate) fn is_past(clock: WallClock, now: jiff::Timestamp) -> bool {
    let margin = jiff::Span::new().hours(BEHIND_UTC);
    DateTime::new(clock.year, clock.month, clock.day, clock.hour, clock.minute, clock.second, 0)
        .and_then(|begins| begins.checked_add(margin))
        .is_ok_and(|latest| latest < jiff::tz::TimeZone::UTC.to_datetime(now))
}

/// One answer being read.
#[derive(Default)]
struct Reading {
    programme: Programme,
    /// The first word on a film counts, as the same site may stand there twice.
    films: HashMap<String, Arc<Film>>,
    seen: HashSet<String>,
    entry: u32,
}

impl Reading {
    fn event(&mut self, raw: &RawValue) {
        let event = record(raw).unwrap_or_default();
        let key = text(&event, "id").filter(|key| key.chars().count() <= MAX_KEY_CHARS);
        let Some(sessions) = list(&event, "sessions") else {
            let at = self.next();
            let what = ("a film without list of shows", "film sans liste de séances");
            self.programme.rows.push(poison(at, key, UNREADABLE, what));
            return;
        };
        let film = key.and_then(|key| self.film(key, &event));
        for session in sessions {
            let at = self.next();
            let session = record(session).unwrap_or_default();
            let id = text(&session, "id").filter(|id| id.chars().count() <= MAX_KEY_CHARS);
            if let Some(id) = &id
                && !self.seen.insert(without_zeros(id).to_owned())
            {
                self.programme.notes.push(Note { at, ean: None, kind: NoteKind::DuplicateReference });
                continue;
            }
            self.programme.rows.push(row(&session, id, film.as_ref(), at));
        }
    }

    fn next(&mut self) -> Position {
        self.entry = self.entry.saturating_add(1);
        Position::Entry { page: 1, entry: self.entry }
    }

    fn film(&mut self, key: String, event: &Object<'_>) -> Option<Arc<Film>> {
        if let Some(film) = self.films.get(&key) {
            return Some(Arc::clone(film));
        }
        let film = Arc::new(Film {
            key: key.clone(),
            title: text(event, "title")?,
            synopsis: text(event, "synopsis"),
            duration_minutes: field::<Int>(event, "duration")
                .0
                .filter(|minutes| (1..=LONGEST).contains(minutes))
                .and_then(|minutes| u32::try_from(minutes).ok()),
            visa: None,
            allocine_id: field::<Int>(event, "allocine_id")
                .0
                .filter(|id| *id > 0)
                .and_then(|id| u64::try_from(id).ok()),
            director: text(event, "director"),
            poster: text(event, "bill_url")
                .filter(|url| url.starts_with("http://") || url.starts_with("https://"))
                .map(|url| Poster { url: url.replacen(SMALL_POSTER, LARGE_POSTER, 1), at_home: None }),
            kind: None,
        });
        self.films.insert(key, Arc::clone(&film));
        Some(film)
    }
}

fn poison(at: Position, key: Option<String>, problem: DataProblem, what: (&str, &str)) -> Row<Screening> {
    let (message, message_fr) = (what.0.to_owned(), what.1.to_owned());
    Row::Poison(Box::new(DataError { at, key, problem, message, message_fr, legible: Box::default() }))
}

/// A show as a fact, with places without limit: the vendor gives no counts.
fn row(session: &Object<'_>, id: Option<String>, film: Option<&Arc<Film>>, at: Position) -> Row<Screening> {
    let Some(key) = id.clone().filter(|id| id.bytes().all(|byte| byte.is_ascii_digit())) else {
        return poison(at, id, UNREADABLE, ("a show without number", "séance sans numéro"));
    };
    let Some(film) = film else {
        let what = ("its film has no id or no title", "le film de la séance n'a pas d'identifiant ou pas de titre");
        return poison(at, id, UNREADABLE, what);
    };
    let Some(starts) = text(session, "date").and_then(|date| clock(&date)) else {
        let what = ("its beginning is no date and time", "l'horaire de la séance est illisible");
        return poison(at, id, UNREADABLE, what);
    };
    let price = match price(session) {
        Ok(price) => price,
        Err(NumberProblem::Missing) => {
            let what = ("the show has no price for pass Culture", "la séance n'a pas de tarif pass Culture");
            return poison(at, id, NO_PRICE, what);
        }
        Err(_) => {
            let what = (
                "its price for pass Culture is no amount of whole cents from 0 to 300 euros",
                "le tarif pass Culture de la séance n'est pas un montant lisible de 0 à 300 euros",
            );
            return poison(at, id, UNREADABLE, what);
        }
    };
    let tariff = Tariff { key: TARIFF_KEY.to_owned(), label: label(price), price };
    let places = Places { key: key.clone(), tariff, remaining: Quantity::Unlimited };
    let showtime = Showtime { key, starts: Starts::Local(starts), formats: formats(session), places: vec![places] };
    Row::Good(Screening { film: Arc::clone(film), showtime, at })
}

/// `YYYYMMDDHHMM` as a clock at the cinema shows it.
fn clock(date: &str) -> Option<WallClock> {
    if date.len() != 12 || !date.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| date.get(from..to)?.parse::<i8>().ok();
    let year = date.get(..4)?.parse().ok()?;
    let clock =
        WallClock { year, month: part(4, 6)?, day: part(6, 8)?, hour: part(8, 10)?, minute: part(10, 12)?, second: 0 };
    DateTime::new(clock.year, clock.month, clock.day, clock.hour, clock.minute, 0, 0).ok()?;
    Some(clock)
}

/// Whole cents only: a price that must be rounded was read wrongly.
fn price(session: &Object<'_>) -> Result<Cents, NumberProblem> {
    let scalar = session.scalar("pass_culture_price", Keys::Exact);
    let written = scalar.number_text().ok_or(NumberProblem::Missing)?;
    let price = money::price(written, PriceUnit::Euro, DecimalMark::Point)?;
    if price.rounded || price.cents.0 > DEAREST { Err(NumberProblem::Bad) } else { Ok(price.cents) }
}

/// One label for one price, however it is written: `7`, `7.0` and `7.00` are `7€`.
fn label(price: Cents) -> String {
    let (euros, cents) = (price.0 / 100, price.0 % 100);
    if cents == 0 {
        format!("Tarif pass Culture {euros}€")
    } else {
        format!("Tarif pass Culture {euros}.{cents:02}€")
    }
}

fn formats(session: &Object<'_>) -> Vec<Format> {
    let said: Vec<String> = list(session, "features")
        .into_iter()
        .flatten()
        .filter_map(|raw| serde_json::from_str::<String>(raw.get()).ok())
        .map(|feature| feature.trim().to_lowercase())
        .collect();
    [("vf", Format::Vf), ("vo", Format::Vo), ("video_3d", Format::ThreeD)]
        .into_iter()
        .filter_map(|(word, format)| said.iter().any(|feature| feature == word).then_some(format))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHOW: &str = r#"{"id":"615400027711","date":"202604221930","features":["video_3d","VO","vf","subtitle",1],
        "hall_id":2,"pass_culture_price":6.85}"#;

    fn with(events: &str) -> Programme {
        programme(&format!(r#"{{"sites":[{{"id":"6154","events":[{events}]}}],"version":7}}"#), "6154").unwrap()
    }

    fn film(fields: &str, sessions: &str) -> String {
        format!(r#"{{"id":"VTKN4","title":" Les Heures ",{fields}"sessions":[{sessions}]}}"#)
    }

    fn one(event: &str) -> Screening {
        match with(event).rows.remove(0) {
            Row::Good(screening) => screening,
            Row::Poison(error) => panic!("{error}"),
        }
    }

    fn code(event: &str) -> (&'static str, Option<String>) {
        match with(event).rows.remove(0) {
            Row::Good(screening) => panic!("{screening:?}"),
            Row::Poison(error) => (error.problem.code, error.key),
        }
    }

    #[test]
    fn a_show_is_read_with_its_film_its_formats_and_its_price() {
        let fields = r#""allocine_id":311207,"director":"Mona Kersal","duration":104,"synopsis":"Elle compte.",
            "bill_url":"https://affiches.example/120/VTKN4.jpg","#;
        let screening = one(&film(fields, SHOW));
        assert_eq!(screening.showtime.formats, [Format::Vf, Format::Vo, Format::ThreeD]);
        let clock = WallClock { year: 2026, month: 4, day: 22, hour: 19, minute: 30, second: 0 };
        assert_eq!(screening.showtime.starts, Starts::Local(clock));
        let places = &screening.showtime.places[0];
        assert_eq!((places.tariff.price, places.remaining), (Cents(685), Quantity::Unlimited));
        assert_eq!(places.tariff.label, "Tarif pass Culture 6.85€");
        assert_eq!(screening.film.title, "Les Heures");
        assert_eq!((screening.film.allocine_id, screening.film.duration_minutes), (Some(311_207), Some(104)));
        let poster = screening.film.poster.as_ref().unwrap();
        assert_eq!((poster.url.as_str(), &poster.at_home), ("https://affiches.example/600/VTKN4.jpg", &None));
    }

    #[test]
    fn what_is_not_known_is_absent() {
        for fields in [
            "",
            r#""allocine_id":"","duration":null,"bill_url":"","director":"","synopsis":" ","#,
            r#""allocine_id":"abc","duration":0,"bill_url":"javascript:1","#,
            r#""allocine_id":0,"duration":1441,"#,
            r#""allocine_id":-4,"duration":-1,"#,
        ] {
            let read = one(&film(fields, SHOW));
            let bare = Film { key: "VTKN4".into(), title: "Les Heures".into(), ..Film::default() };
            assert_eq!(*read.film, bare, "{fields}");
        }
        assert_eq!(one(&film(r#""allocine_id":"270118","#, SHOW)).film.allocine_id, Some(270_118));
        let formats =
            |features: &str| one(&film("", &SHOW.replace(r#"["video_3d","VO","vf","subtitle",1]"#, features)));
        assert_eq!(formats("null").showtime.formats, []);
        assert_eq!(formats("7").showtime.formats, []);
    }

    #[test]
    fn odd_records_say_what_is_wrong_with_them_and_keep_their_key() {
        let show = |from: &str, to: &str| code(&film("", &SHOW.replace(from, to)));
        let named = |code| (code, Some("615400027711".to_owned()));
        for date in ["\"\"", "\"20260422\"", "\"202613221930\"", "\"2026042219300\"", "null", "\"+02604221930\""] {
            assert_eq!(show("\"202604221930\"", date), named("UnreadableShow"), "{date}");
        }
        assert_eq!(one(&film("", &SHOW.replace("\"202604221930\"", "202604221930"))), one(&film("", SHOW)));
        for price in ["\"7,15\"", "-1", "301", "6.855", "\"x\"", "1e9"] {
            assert_eq!(show("6.85", price), named("UnreadableShow"), "{price}");
        }
        for price in ["null", "[]", "\"\""] {
            assert_eq!(show("6.85", price), named("NoPassCultureTariff"), "{price}");
        }
        assert_eq!(show("\"615400027711\"", "null"), ("UnreadableShow", None));
        assert_eq!(show("\"615400027711\"", "\"a1\""), ("UnreadableShow", Some("a1".into())));
        assert_eq!(code(&film("", SHOW).replace("\" Les Heures \"", "null")), named("UnreadableShow"));
        assert_eq!(code(r#"{"id":"VTKN4","title":"x","sessions":null}"#), ("UnreadableShow", Some("VTKN4".into())));
        assert_eq!(code("7"), ("UnreadableShow", None));
    }

    #[test]
    fn another_site_cannot_hurt_and_ours_may_stand_there_twice() {
        let show = |id: &str| SHOW.replace("615400027711", id);
        let body = format!(
            r#"{{"sites":[{{"id":"0042","events":{{"broken":1}}}},null,{{"id":"6154","events":[{}]}},
                {{"id":6154,"name":null,"events":[{}]}}],"version":"9","more":[]}}"#,
            film("", &show("11")),
            film("", &format!("{},{}", show("0011"), show("12")))
        );
        let read = programme(&body, "6154").unwrap();
        assert_eq!((read.version, read.rows.len(), read.notes.len()), (9, 2, 1));
        assert!(read.present);
        assert!(programme(&body, "0042").is_none(), "a site of ours without films is not an empty one");
        assert!(!programme(&body, "42").unwrap().present);
    }

    #[test]
    fn what_is_no_schedule_is_none() {
        for body in [
            "",
            "null",
            "[]",
            "{}",
            "3",
            r#"{"sites":null,"version":1}"#,
            r#"{"sites":[]}"#,
            r#"{"sites":[],"version":-1}"#,
            r#"{"sites":[],"version":1e20}"#,
            r#"{"sites":[],"version":"x"}"#,
        ] {
            assert!(programme(body, "6154").is_none(), "{body}");
        }
        assert!(programme(r#"{"sites":[],"version":1}"#, "6154").is_some());
    }

    #[test]
    fn one_price_has_one_label() {
        for (cents, written) in [(800, "8€"), (685, "6.85€"), (620, "6.20€"), (0, "0€"), (50, "0.50€")] {
            assert_eq!(label(Cents(cents)), format!("Tarif pass Culture {written}"));
        }
    }

    #[test]
    fn a_show_is_past_once_it_has_begun_everywhere() {
        let clock = WallClock { year: 2026, month: 4, day: 22, hour: 19, minute: 30, second: 0 };
        assert!(!is_past(clock, "2026-04-23T05:30:00Z".parse().unwrap()), "19:30 in Tahiti");
        assert!(is_past(clock, "2026-04-23T07:31:00Z".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn no_values_make_it_panic(body in "\\PC{0,60}", id in "\\PC{0,14}", date in "\\PC{0,14}", number in any::<f64>()) {
            let _ = programme(&body, "6154");
            let json = serde_json::json!({ "version": 1, "sites": [{ "id": "6154", "events": [{ "id": id, "title": date,
                "allocine_id": number, "duration": number, "bill_url": body, "sessions": [{ "id": id, "date": date,
                "features": [id, number], "pass_culture_price": number }, id, number] }] }] });
            let _ = programme(&json.to_string(), "6154");
        }
    }
}
