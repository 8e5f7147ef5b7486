use proptest::prelude::*;

use super::*;

const SESSION: &str =
    r#"{"id":"98701","start":"2031-05-14 20:30:00","disabled":"0","quota":"60","total_sales":"58","tickets":[]}"#;
const TARIFF: &str =
    r#"{"id":"55501","name":" Plein ","price":12.5,"quota":"0","start_time":"","end_time":"0000-00-00 00:00:00"}"#;

fn raw(text: &str) -> &RawValue {
    serde_json::from_str(text).unwrap()
}

fn at(text: &str) -> DateTime {
    text.parse().unwrap()
}

fn price(text: &str) -> Price {
    tariff(raw(text)).1.unwrap()
}

fn left_of(session_text: &str, tariff_text: &str) -> Option<Quantity> {
    session(raw(session_text)).1.unwrap().left_at(&price(tariff_text))
}

#[test]
fn the_least_of_session_and_tariff_is_left() {
    let limited = TARIFF.replace(r#""quota":"0""#, r#""quota":5,"total_sales":"4""#);
    assert_eq!(left_of(SESSION, TARIFF), Some(Quantity::Exactly(2)));
    assert_eq!(left_of(SESSION, &limited), Some(Quantity::Exactly(1)));
    let here = SESSION.replace("[]", r#"{"55501":{"quota":"9","total_sales":"9"}}"#);
    assert_eq!(left_of(&here, TARIFF), Some(Quantity::Exactly(0)));
    let oversold = SESSION.replace("58", "61");
    assert_eq!(left_of(&oversold, TARIFF), Some(Quantity::Exactly(0)));
}

#[test]
fn no_quota_is_no_limit_and_an_odd_one_is_never_taken_for_none() {
    for none in [r#""quota":"0""#, r#""quota":0"#, r#""quota":"""#, r#""quota":null"#, r#""q":1"#] {
        assert_eq!(left_of(&SESSION.replace(r#""quota":"60""#, none), TARIFF), Some(Quantity::Unlimited), "{none}");
    }
    for odd in
        [r#""quota":"many""#, r#""quota":-3"#, r#""quota":{}"#, r#""quota":1.5"#, r#""quota":60,"total_sales":"x""#]
    {
        let text = SESSION.replace(r#""total_sales":"58","#, "").replace(r#""quota":"60""#, odd);
        assert_eq!(session(raw(&text)).1.unwrap_err().0.code, "UnreadableShow", "{odd}");
    }
    // A tariff's quota without sales: the session counts, or nobody does.
    let uncounted = TARIFF.replace(r#""quota":"0""#, r#""quota":"5""#);
    assert_eq!(left_of(SESSION, &uncounted), Some(Quantity::Exactly(2)));
    assert_eq!(left_of(&SESSION.replace(r#""quota":"60""#, r#""quota":"0""#), &uncounted), None);
}

#[test]
fn a_tariff_is_sold_in_its_time_and_a_session_until_it_begins() {
    let timed = TARIFF.replace(r#""start_time":"""#, r#""start_time":"2031-04-01 10:00:00""#);
    let timed = price(&timed.replace("0000-00-00 00:00:00", "2031-05-01 00:00:00"));
    let show = session(raw(SESSION)).1.unwrap();
    for (now, open) in [("2031-04-01T09:59:59", false), ("2031-04-01T10:00:00", true), ("2031-05-01T00:00:00", false)] {
        assert_eq!(show.is_open(&timed, at(now)), open, "{now}");
    }
    let always = price(TARIFF);
    assert!(show.is_open(&always, at("2031-05-14T20:29:59")) && !show.is_open(&always, at("2031-05-14T20:30:00")));
    let closed = SESSION.replace(r#""disabled":"0""#, r#""disabled":1"#);
    assert!(!session(raw(&closed)).1.unwrap().is_open(&always, at("2031-05-01T00:00:00")));
}

#[test]
fn a_session_that_names_tariffs_sells_those_alone() {
    let sells = |tickets: &str| {
        let text = SESSION.replace("[]", tickets);
        let show = session(raw(&text)).1.unwrap();
        (show.sells("55501"), show.sells("55502"))
    };
    for all in ["[]", "{}", "null", "7"] {
        assert_eq!(sells(all), (true, true), "{all}");
    }
    assert_eq!(sells(r#"{"55502":"3"}"#), (false, true));
}

#[test]
fn prices_are_whole_cents_of_seats_that_can_be_had() {
    let cents = |written: &str| tariff(raw(&TARIFF.replace("12.5", written))).1.map(|price| price.cents.0);
    for (written, read) in [("12.5", 1_250), ("\"8.00\"", 800), ("0", 0), ("300", 30_000), ("19.99", 1_999)] {
        assert_eq!(cents(written).unwrap(), read, "{written}");
    }
    for odd in ["null", "\"\"", "12.505", "-1", "[]", "\"gratuit\""] {
        assert_eq!(cents(odd).unwrap_err().0.code, "UnreadableShow", "{odd}");
    }
    assert_eq!(cents("300.01").unwrap_err().0.code, "NoPassCultureTariff");
}

#[test]
fn a_row_has_places_for_each_tariff_or_says_why_not() {
    let event: Object<'_> = serde_json::from_str(
        r#"{"id":120345,"name":" Les Mar\u00e9es ","description":"<p>Au bord.</p>","image":"","cover":"https://i.example/1.jpg"}"#,
    )
    .unwrap();
    let film = Arc::new(film(&event).unwrap());
    assert_eq!((film.title.as_str(), film.synopsis.as_deref()), ("Les Marées", Some("Au bord.")));
    assert_eq!(film.poster.as_ref().map(|poster| poster.url.as_str()), Some("https://i.example/1.jpg"));
    let prices = [price(TARIFF), price(&TARIFF.replace("55501", "55502"))];
    let now = at("2031-05-01T00:00:00");
    let position = Position::Entry { page: 1, entry: 1 };
    let show = session(raw(SESSION)).1.unwrap();
    let Row::Good(screening) = show.row(&film, &prices, position, now) else { panic!("poison") };
    let keys: Vec<&str> = screening.showtime.places.iter().map(|places| places.key.as_str()).collect();
    assert_eq!(keys, ["120345-98701-55501", "120345-98701-55502"]);
    assert!(matches!(
        screening.showtime.starts,
        Starts::Local(passerelle_contract::WallClock { day: 14, hour: 20, minute: 30, .. })
    ));
    assert!(
        matches!(show.row(&film, &[], position, now), Row::Poison(error) if error.problem.code == "NoPassCultureTariff")
    );
    let Row::Good(begun) = show.row(&film, &prices, position, at("2031-05-15T00:00:00")) else { panic!("poison") };
    assert!(begun.showtime.places.iter().all(|places| places.remaining == Quantity::Exactly(0)));
}

proptest! {
    #[test]
    fn no_record_makes_it_panic(value in "[\\[\\]{}\",:0-9a-z. -]{0,24}", name in "(id|start|quota|total_sales|tickets|price|end_time)") {
        let text = format!(r#"{{"id":"1","start":"2031-05-14 20:30:00","price":1,"{name}":{value}}}"#);
        if let Ok(raw) = serde_json::from_str::<&RawValue>(&text) {
            let (_, read) = session(raw);
            let (_, cost) = tariff(raw);
            if let (Ok(read), Ok(cost)) = (read, cost) {
                let _ = (read.left_at(&cost), read.is_open(&cost, now()));
            }
        }
    }
}
