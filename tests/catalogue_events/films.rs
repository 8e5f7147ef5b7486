//! One film, one offer: films that come back under other keys, from other systems, or twice.

use passerelle::store::ConnectionRecord;
use passerelle_contract::Film;

use super::stage::{Stage, film, show};
use super::support::on_sqlite;

fn told(key: &str, title: &str, allocine_id: Option<u64>, visa: Option<&str>, minutes: Option<u32>) -> Film {
    Film { title: title.into(), allocine_id, visa: visa.map(str::to_owned), duration_minutes: minutes, ..film(key) }
}

#[test]
fn a_film_made_anew_by_its_vendor_keeps_its_offer() {
    on_sqlite(async |place| {
        let pairs = [
            (told("1", "Le Phare", Some(77), None, None), told("2", "LE PHARE (VO)", Some(77), None, None)),
            (told("1", "Le Phare", None, Some("150123"), None), told("2", "Phare", None, Some("150 123"), None)),
            (told("1", "L'Été à nu", None, None, Some(98)), told("2", "L ETE A NU", None, None, Some(98))),
            (told("1", "Le Phare", Some(77), None, Some(98)), told("2", "Le phare", None, None, Some(98))),
        ];
        for (before, after) in pairs {
            let folder = tempfile::tempdir().unwrap();
            let url = format!("sqlite:{}", folder.path().join("store.db").display());
            let stage = Stage::new(&super::support::Place { url }, true).await;
            stage.state([show(&before, "10", 30, 600, 5), show(&before, "11", 54, 600, 5)]);
            stage.sync().await;
            let offer = stage.offers()[0].offer_id;
            let stocks: Vec<u64> = stage.offers()[0].dates.iter().map(|date| date.stock_id).collect();
            // The same showtimes, and one more, of a record with another number.
            stage.state([
                show(&after, "10", 30, 600, 5),
                show(&after, "11", 54, 600, 5),
                show(&after, "12", 78, 600, 5),
            ]);
            let summary = stage.sync().await;
            assert_eq!((summary.create, summary.withdraw), (1, 0), "{before:?} {after:?}");
            let all = stage.offers();
            assert_eq!((all.len(), all[0].offer_id), (1, offer));
            assert!(stocks.iter().all(|stock| all[0].dates.iter().any(|date| date.stock_id == *stock)));
            assert_eq!(stage.sync().await.requests, 0);
            // Its numbers are gone, and its key is remembered.
            stage.state([show(&told("2", "Titre refait", None, None, None), "12", 78, 600, 5)]);
            stage.sync().await;
            assert_eq!(stage.offers().len(), 1);
        }
        drop(place);
    });
}

#[test]
fn two_records_of_one_film_are_one_offer_from_the_first_pass_on() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, true).await;
        let french = told("1", "Le Phare", Some(77), None, None);
        let original =
            Film { synopsis: Some("Un phare.".into()), ..told("2", "Le Phare VO", Some(77), Some("150123"), Some(98)) };
        stage.state([show(&original, "20", 30, 600, 5), show(&french, "10", 54, 600, 5)]);
        stage.sync().await;
        let all = stage.offers();
        assert_eq!((all.len(), all[0].dates.len()), (1, 2));
        let row = stage.store.events("cinema").await.unwrap().remove(0);
        assert!(row.desired.unwrap().contains("Un phare."), "one record fills what the other leaves open");
        // Either one alone leads to the same offer.
        stage.state([show(&original, "20", 30, 600, 5), show(&original, "21", 54, 600, 5)]);
        stage.sync().await;
        assert_eq!(stage.offers().len(), 1);
    });
}

#[test]
fn unknown_numbers_unite_nobody() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, true).await;
        let films = [
            told("1", "Récital", Some(0), Some("0"), Some(0)),
            told("2", "Récital", Some(0), Some("0"), Some(0)),
            told("3", "Récital", None, None, None),
            told("4", "Autre", None, Some(""), Some(98)),
            told("5", "Encore", None, Some(" "), Some(98)),
        ];
        stage.state(films.iter().zip(10_u64..).map(|(film, key)| show(film, &key.to_string(), 20 + key, 600, 5)));
        stage.sync().await;
        assert_eq!(stage.offers().len(), 5);
    });
}

#[test]
fn offers_that_are_both_there_stay_apart() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, true).await;
        let (one, two) = (told("1", "Le Phare", None, None, None), told("2", "The Lighthouse", None, None, None));
        stage.state([show(&one, "10", 30, 600, 5), show(&two, "20", 54, 600, 5)]);
        stage.sync().await;
        let known = |film: &Film| Film { allocine_id: Some(77), ..film.clone() };
        stage.state([show(&known(&one), "10", 30, 600, 5), show(&known(&two), "20", 54, 600, 5)]);
        let summary = stage.sync().await;
        assert_eq!((summary.create, summary.withdraw, stage.offers().len()), (0, 0, 2));
    });
}

#[test]
fn a_venue_that_changes_its_system_keeps_its_offers_and_gets_new_dates() {
    on_sqlite(async |place| {
        let mut stage = Stage::new(&place, true).await;
        let before = told("412", "Le Phare", Some(77), None, Some(98));
        stage.state([show(&before, "1", 30, 600, 5)]);
        stage.sync().await;
        let offer = stage.offers()[0].offer_id;
        stage.connection = ConnectionRecord { adapter: "cds".into(), ..stage.connection.clone() };
        stage.state([show(&told("X9", "LE PHARE", Some(77), None, Some(98)), "501", 30, 650, 9)]);
        stage.sync().await;
        let all = stage.offers();
        assert_eq!((all.len(), all[0].offer_id), (1, offer));
        assert_eq!(
            stage.dates().iter().map(|(_, price, _)| *price).collect::<Vec<_>>(),
            [650],
            "the old dates are gone"
        );
    });
}

#[test]
fn a_listing_and_a_box_office_never_share_an_offer() {
    on_sqlite(async |place| {
        let mut stage = Stage::new(&place, false).await;
        let film = told("77", "Le Phare", Some(77), None, Some(98));
        stage.state([show(&film, "1", 30, 600, 5)]);
        stage.sync().await;
        stage.connection = ConnectionRecord { adapter: "cds".into(), ..stage.connection.clone() };
        stage.cinema.sells = true;
        stage.state([show(&told("X9", "Le Phare", Some(77), None, Some(98)), "501", 30, 650, 9)]);
        stage.sync().await;
        let all = stage.offers();
        assert_eq!(all.len(), 2, "seats that are sold here need an offer of their own");
        assert_eq!(stage.dates().iter().map(|(_, price, _)| *price).collect::<Vec<_>>(), [650]);
    });
}
