//! Shows that are no films: their category, what it demands, and several prices at one date.

use passerelle_contract::{Cents, EventKind, Film, Places, Quantity, Tariff};

use super::stage::{Stage, film, show};
use super::support::on_sqlite;

#[test]
fn a_live_show_has_its_category_its_kind_and_a_contact() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, true).await;
        let kind = EventKind {
            category: "SPECTACLE_REPRESENTATION".into(),
            show_type: Some("THEATRE-COMEDIE".into()),
            music_type: None,
            booking_contact: Some("billetterie@theatre.example".into()),
        };
        *stage.cinema.kind.lock().unwrap() = kind.clone();
        let play = Film { visa: None, ..film("mouette") };
        let mut evening = show(&play, "1", 30, 1_200, 40);
        let tariff = Tariff { key: "2".into(), label: "Place – Cat 2".into(), price: Cents(800) };
        evening.showtime.places.push(Places { key: "1/2".into(), tariff, remaining: Quantity::Unlimited });
        stage.state([evening.clone()]);
        let summary = stage.sync().await;
        assert_eq!((summary.create, summary.rejected), (2, 0));
        let offer = i64::try_from(stage.offers()[0].offer_id).unwrap();
        let event = stage.client.event(offer).await.unwrap();
        assert_eq!(event.category.category, "SPECTACLE_REPRESENTATION");
        assert_eq!(event.booking_contact.unwrap().expose(), "billetterie@theatre.example");
        let mut prices: Vec<_> = stage.dates().into_iter().map(|(_, price, left)| (price, left)).collect();
        prices.sort();
        assert_eq!(prices, [(800, None), (1_200, Some(40))]);
        assert_eq!(stage.sync().await.requests, 0);
        // The theatre has another address.
        let kind = EventKind { booking_contact: Some("accueil@theatre.example".into()), ..kind };
        *stage.cinema.kind.lock().unwrap() = kind;
        stage.sync().await;
        let event = stage.client.event(offer).await.unwrap();
        assert_eq!(event.booking_contact.unwrap().expose(), "accueil@theatre.example");
        assert_eq!(stage.sync().await.requests, 0);
    });
}
