//! Films and shows, good and odd.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const AT: Position = Position::Entry { page: 1, entry: 1 };

fn some_show() -> Value {
    json!({"IDSeance": 402117, "Date": "2031-03-14", "Heure": "20:45:00.000", "NbPlacesRestantes": 87, "bAvecPlacement": true,
        "bICE": true, "Relief": "2D", "Version": "VF", "bAVP": false, "PrixUnitaire": 6.9, "libTarif": "Tarif ICE"})
}

fn some_film() -> Value {
    json!({"IDFilm": 55, "IDFilmAlloCine": 990417, "Titre": " Le Phare ", "NumVisa": 2026000731_i64, "Duree": 104,
        "Synopsis": "", "Affiche": "https://affiches.example/1.jpg", "TypeFilm": "CNC", "Seances": []})
}

fn with(mut value: Value, field: &str, to: &str) -> Value {
    value[field] = serde_json::from_str(to).unwrap();
    value
}

fn read_film(value: &Value) -> Option<Film> {
    film(&serde_json::from_str(&value.to_string()).unwrap())
}

fn read(show: &str) -> Row<Screening> {
    let film = Arc::new(read_film(&some_film()).unwrap());
    row(&RawValue::from_string(show.to_owned()).unwrap(), Some(&film), AT)
}

fn good(show: &Value) -> Showtime {
    match read(&show.to_string()) {
        Row::Good(screening) => screening.showtime,
        Row::Poison(error) => panic!("{error}"),
    }
}

fn poison(show: &str) -> DataError {
    match read(show) {
        Row::Good(screening) => panic!("{screening:?}"),
        Row::Poison(error) => *error,
    }
}

#[test]
fn a_show_is_read_with_its_price_its_places_and_its_formats() {
    let show = good(&some_show());
    assert_eq!(show.formats, [Format::Vf, Format::Ice]);
    assert_eq!((show.key.as_str(), show.places[0].key.as_str()), ("402117", "402117"));
    assert_eq!((show.places[0].tariff.price, show.places[0].remaining), (Cents(690), Quantity::Exactly(87)));
    let Starts::Local(clock) = show.starts else { panic!("{:?}", show.starts) };
    assert_eq!((clock.year, clock.month, clock.day, clock.hour, clock.minute), (2031, 3, 14, 20, 45));
    let other = with(with(some_show(), "Version", "\" vost\""), "Relief", "\"3d \"");
    assert_eq!(good(&other).formats, [Format::Vo, Format::ThreeD, Format::Ice]);
    assert_eq!(good(&with(some_show(), "Version", "\"\"")).formats, [Format::Vo, Format::Ice]);
    assert_eq!(good(&with(some_show(), "libTarif", "null")).places[0].tariff.label, DEFAULT_LABEL);
}

#[test]
fn prices_are_exact_however_they_are_written() {
    for (text, cents) in
        [("6.9", 690), ("6.90", 690), ("\"6.90\"", 690), ("11", 1_100), ("0", 0), ("300", 30_000), ("7.2", 720)]
    {
        let price = good(&with(some_show(), "PrixUnitaire", text)).places[0].tariff.price;
        assert_eq!(price, Cents(cents), "{text}");
    }
}

#[test]
fn past_midnight_may_be_written_as_the_day_before() {
    let at = |text: &str| match good(&with(some_show(), "Heure", text)).starts {
        Starts::Local(clock) => (clock.month, clock.day, clock.hour, clock.minute),
        Starts::At(at) => panic!("{at:?}"),
    };
    assert_eq!(at("\"24:10:00.000\""), (3, 15, 0, 10));
    assert_eq!(at("\"00:10:00.000\""), (3, 14, 0, 10));
    assert_eq!(at("\"20:45\""), (3, 14, 20, 45));
}

#[test]
fn odd_shows_say_what_is_wrong_and_keep_their_number() {
    for (field, values) in [
        ("PrixUnitaire", &["-1", "1e309", "300.01", "\"6,90\"", "null", "\"gratuit\"", "[]"][..]),
        ("Heure", &["\"20h45\"", "\"25:00:00.000\"", "\"24:61:00\"", "null", "\"\""]),
        ("Date", &["\"14/03/2026\"", "\"2026-02-30\"", "null", "20260314123"]),
        ("NbPlacesRestantes", &["\"douze\"", "-3", "null", "1.5", "99999999999"]),
    ] {
        for value in values {
            let text = some_show().to_string();
            let old = serde_json::to_string(&some_show()[field]).unwrap();
            let error = poison(&text.replace(&format!("\"{field}\":{old}"), &format!("\"{field}\":{value}")));
            assert_eq!(
                (error.problem.code, error.key.as_deref()),
                ("UnreadableShow", Some("402117")),
                "{field} {value}"
            );
        }
    }
    for nameless in ["{}", "null", "7", "[]", "\"x\"", r#"{"IDSeance":0}"#, r#"{"IDSeance":-4}"#] {
        assert_eq!(poison(nameless).key, None, "{nameless}");
    }
}

#[test]
fn a_film_has_the_number_of_allocine_or_its_own_and_no_zeros() {
    let film = read_film(&some_film()).unwrap();
    assert_eq!((film.key.as_str(), film.title.as_str(), film.allocine_id), ("990417", "Le Phare", Some(990_417)));
    assert_eq!((film.visa.as_deref(), film.duration_minutes, film.synopsis), (Some("2026000731"), Some(104), None));
    assert_eq!(film.poster.unwrap().at_home, None);
    let bare = json!({"IDFilm": 55, "IDFilmAlloCine": 0, "Titre": "Récital", "NumVisa": 0, "Duree": 1_441, "Affiche": "file:///etc/x"});
    assert_eq!(read_film(&bare).unwrap(), Film { key: "film-55".into(), title: "Récital".into(), ..Film::default() });
    assert_eq!(read_film(&with(some_film(), "Titre", "null")), None);
    assert_eq!(read_film(&json!({"IDFilm": 0, "IDFilmAlloCine": -1, "Titre": "x"})), None);
    assert_eq!((asked_as("990417"), asked_as("film-55"), asked_as("")), ("990417", "0", "0"));
}

proptest! {
    #[test]
    fn no_values_make_it_panic(id in any::<i64>(), left in any::<i64>(), date in "\\PC{0,20}", time in "(24:)?\\PC{0,12}", price in any::<f64>()) {
        let show = json!({"IDSeance": id, "Date": date, "Heure": time, "NbPlacesRestantes": left, "PrixUnitaire": price,
            "libTarif": date, "Version": time});
        let _ = read(&show.to_string());
        let _ = read(&json!({"IDSeance": id, "Date": "2031-12-31", "Heure": time}).to_string());
        let _ = read_film(&json!({"IDFilm": id, "IDFilmAlloCine": left, "Titre": time, "Synopsis": date, "Duree": id}));
    }
}
